// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * The files in debugfs. What zs_recount() finds is compared with the model by
 * verify_all(), so after everything that the other tests do.
 */

/* Some of every kind: all cgroups and nodes, straddlers, huge, free slots. */
static void fill_mixed(void)
{
	unsigned int i;

	for (i = 0; i < NR_OBJECTS / 8; i++, operation++)
		expect(!object_alloc_random(&objects[i], i % 8 ? ZSWAP : ZRAM,
					    1 + test_random() % PAGE_SIZE));
	for (i = 0; i < NR_OBJECTS / 8; i += 3, operation++)
		object_free(&objects[i]);
	verify_all();
}

/* A line of "nodes": says of whom it is, and what is there. */
struct node_line {
	char owner[24];
	char pages[24];
	int nid;
	struct node_model count;
};

static bool parse_node_line(const char *text, struct node_line *line)
{
	struct node_model *count = &line->count;
	int end;

	return sscanf(text, "%23s %d %ld %ld %ld %ld %23s%n", line->owner, &line->nid,
		      &count->nr_starting, &count->nr_straddling, &count->bytes,
		      &count->orig, line->pages, &end) == 7 && text[end] == '\n';
}

static int find_memcg(const char *ino)
{
	int i;

	for (i = 0; i < NR_TEST_MEMCGS; i++)
		if (strtoul(ino, NULL, 10) == test_memcgs[i].cgroup.ino)
			return i;
	test_fail("no cgroup has the number %s", ino);
}

/* Each line is of a pool's node or of a cgroup's, and of another than the rest. */
static void verify_node_line(int pool, const struct node_line *line,
			     bool seen[1 + NR_TEST_MEMCGS][NR_TEST_NODES])
{
	const struct node_model *expected;
	int memcg = -1;

	expect(line->nid >= 0 && line->nid < NR_TEST_NODES);
	if (!strcmp(line->owner, "all")) {
		expected = &model.node[pool][line->nid];
		expect_eq(strtol(line->pages, NULL, 10), nr_pages_used[pool][line->nid],
			  "pages on node %d", line->nid);
	} else {
		memcg = find_memcg(line->owner);
		expected = &model.owner[memcg][line->nid];
		expect(!strcmp(line->pages, "-"));
	}
	expect(!seen[1 + memcg][line->nid]);
	seen[1 + memcg][line->nid] = true;
	expect(!memcmp(&line->count, expected, sizeof(*expected)));
}

/* Of nodes all are shown, of cgroups those where there is something. */
static void verify_node_lines(int pool, const char *text)
{
	bool seen[1 + NR_TEST_MEMCGS][NR_TEST_NODES] = {};
	struct node_line line = {};
	int i, nid;

	expect(strstr(text, "cgroup") && strchr(text, '\n'));
	for (text = strchr(text, '\n') + 1; *text; text = strchr(text, '\n') + 1) {
		expect(parse_node_line(text, &line));
		verify_node_line(pool, &line, seen);
	}
	for (nid = 0; nid < NR_TEST_NODES; nid++) {
		expect(seen[0][nid]);
		for (i = 0; i < NR_TEST_MEMCGS; i++)
			expect(seen[1 + i][nid] ==
			       (pool == ZSWAP && model.owner[i][nid].bytes));
	}
}

static void test_recount_file(void)
{
	char *text;
	int pool;

	open_pools();
	fill_mixed();
	operation_name = "nodes";
	for (pool = 0; pool < NR_POOLS; pool++) {
		expect(!debugfs_read(pools[pool], "nodes", &text));
		verify_node_lines(pool, text);
		free(text);
	}
	free_all();
	expect(!debugfs_read(pools[ZSWAP], "nodes", &text));
	verify_node_lines(ZSWAP, text);
	free(text);
	close_pools();
}

/* One table, and one entry per cgroup: if any of them fails, all are gone. */
static void test_recount_nth(void)
{
	unsigned int nth, nr = 1 + (tracked() ? NR_TEST_MEMCGS : 0);
	char *text;
	int err;

	open_pools();
	fill_mixed();
	/* The file does so, too. */
	free_retired(pools[ZSWAP]);
	operation_name = "nodes";
	for (nth = 1; nth <= nr + 1; nth++, operation++) {
		long nr_alive = test_kmalloc_alive;

		fail_nth = nth;
		err = debugfs_read(pools[ZSWAP], "nodes", &text);
		fail_nth = 0;
		expect_eq(err, nth <= nr ? -ENOMEM : 0, "error of allocation %u", nth);
		expect((nth <= nr) == !*text);
		expect_eq(test_kmalloc_alive, nr_alive, "allocations");
		free(text);
		verify_all();
	}
	close_pools();
}

#define TOTAL_FORMAT \
	"Total %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld %ld %ld %ld %n"

/* The last line of "classes" has the sum of the pool. */
static void test_classes_file(void)
{
	long nr_slots, nr_objects, nr_pages, nr_freeable;
	char *text, *total;
	int pool, end;

	open_pools();
	fill_mixed();
	operation_name = "classes";
	for (pool = 0; pool < NR_POOLS; pool++) {
		struct shrinker *shrinker = pools[pool]->shrinker;

		expect(!debugfs_read(pools[pool], "classes", &text));
		total = strstr(text, "Total");
		expect(total);
		/* Zspages by fullness come first. */
		expect(sscanf(total, TOTAL_FORMAT, &nr_slots, &nr_objects, &nr_pages,
			      &nr_freeable, &end) == 4 && !total[end]);
		expect_eq(nr_objects, model.nr_objects[pool], "objects of pool %d", pool);
		expect(nr_slots > nr_objects);
		expect_eq(nr_pages, zs_get_total_pages(pools[pool]), "pages of pool %d", pool);
		expect_eq(nr_freeable, shrinker->count_objects(shrinker, NULL) -
			  nr_retired_pages(pool), "pages to gain in pool %d", pool);
		free(text);
	}
	close_pools();
}
