// SPDX-License-Identifier: GPL-2.0-or-later

/* Objects that are stored together: as if each had been stored by itself. */

/* Store that many of sizes that are alike, or of any, and see to the model. */
static int batch_alloc(struct object *first, unsigned int nr, unsigned int spare,
		       struct obj_cgroup *objcg, int nid)
{
	unsigned int sizes[MAX_STORED_AT_ONCE], i;
	unsigned int size = 1 + test_random() % PAGE_SIZE;
	bool alike = test_random() % 2;

	for (i = 0; i < nr; i++)
		sizes[i] = alike ? size : 1 + test_random() % PAGE_SIZE;
	return objects_alloc(first, sizes, nr, nr + spare, objcg, nid);
}

/* As many as there are handles, or fewer, or none at all. */
static void test_batch_lengths(void)
{
	unsigned int nr, spare, used = 0;

	open_pools();
	for (nr = 0; nr <= MAX_STORED_AT_ONCE; nr++) {
		for (spare = nr ? 0 : 1; spare < 3 && nr + spare <= MAX_STORED_AT_ONCE;
		     spare++, operation++) {
			expect(!batch_alloc(&objects[used], nr, spare, random_objcg(),
					    random_nid()));
			used += nr;
		}
	}
	verify_all();
	while (used--)
		object_free(&objects[used]);
	close_pools();
}

/* What does not fit is refused, and does no harm to the others. */
static void test_batch_bad_sizes(void)
{
	unsigned long handles[2];
	struct zs_batch batch;

	open_pools();
	test_page_owner = ZSWAP;
	expect(!zs_batch_begin(&batch, pools[ZSWAP], handles, 2, GFP_NOWAIT, 0, NULL));
	expect_eq(zs_batch_write(&batch, pattern, 0), -EINVAL, "no bytes");
	expect_eq(zs_batch_write(&batch, pattern, PAGE_SIZE + 1), -ENOSPC, "more than a page");
	expect_eq(batch.nr, 0, "blocks");
	expect(!zs_batch_write(&batch, pattern, PAGE_SIZE));
	expect_eq(batch.nr, 1, "blocks");
	expect(!zs_batch_end(&batch));
	expect_eq(handle_cachep->nr_alive, 1, "handles");
	expect(!zs_free_objcg(pools[ZSWAP], handles[0]));
	close_pools();
}

/* A cgroup pays for all of them, or has none. */
static void test_batch_limit(void)
{
	struct obj_cgroup *objcg = &test_objcgs[1];
	unsigned int sizes[16], i, nr = ARRAY_SIZE(sizes), size;

	open_pools();
	for (size = 1; size <= PAGE_SIZE; size += PAGE_SIZE / 64, operation++) {
		int slot_size = lookup_size_class(pools[ZSWAP], size)->size;

		for (i = 0; i < nr; i++)
			sizes[i] = size;
		objcg->memcg->limit = (long)nr * slot_size - 1;
		expect_eq(objects_alloc(objects, sizes, nr, nr, objcg, random_nid()), -ENOMEM,
			  "allocation above the limit");
		verify_all();
		/* The limit is not the root's. */
		expect(!objects_alloc(objects, sizes, nr, nr, &test_objcgs[0], 0));
		free_all();
		objcg->memcg->limit++;
		expect(!objects_alloc(objects, sizes, nr, nr, objcg, 0));
		free_all();
	}
	close_pools();
}

/* Each thing that can fail does so once, and leaves nothing behind. */
static void test_batch_nth(void)
{
	unsigned int sizes[MAX_STORED_AT_ONCE], i, nr, nth;
	int err;

	open_pools();
	for (nr = 1; nr <= MAX_STORED_AT_ONCE; nr *= 2) {
		for (i = 0; i < nr; i++)
			sizes[i] = PAGE_SIZE / (1 + i % 5);
		for (nth = 1; ; nth++, operation++) {
			fail_nth = nth;
			err = objects_alloc(objects, sizes, nr, nr, &test_objcgs[1], 0);
			fail_nth = 0;
			if (!err)
				break;
			expect_eq(err, -ENOMEM, "error");
			verify_all();
		}
		/* A handle each, a zspage and a page at least, and one charge. */
		expect(nth > nr + 2 + tracked());
		free_all();
		free_retired(pools[ZSWAP]);
	}
	close_pools();
}

/* What was written may be on another node before it is accounted. */
static void move_meanwhile(const struct object *object)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE];
	unsigned int nr = object_pages(object, pages);

	expect(!move_page(pages[test_random() % nr], test_random() % NR_TEST_NODES));
}

static void compact_meanwhile(const struct object *object)
{
	zs_compact(pools[ZSWAP]);
}

static void batch_moves(void (*meanwhile)(const struct object *object), bool cancel)
{
	unsigned int i, round;

	open_pools();
	for (round = 0; round < 200; round++, operation++) {
		/* Zspages with room, to compact. */
		for (i = 0; i < 256; i++)
			if (!objects[i].size)
				expect(!object_alloc(&objects[i], ZSWAP, PAGE_SIZE / 5,
						     random_objcg(), random_nid()));
		for (i = 0; i < 256; i++)
			if (test_random() % 2)
				object_free(&objects[i]);

		test_meanwhile = meanwhile;
		/* For the same objcg, and for another one. */
		if (cancel)
			test_memcgs[1].limit = 0;
		for (i = 0; i < 2; i++) {
			bool over = cancel && tracked() &&
				    test_objcgs[1 + i].memcg == &test_memcgs[1];

			expect_eq(batch_alloc(&objects[256 + i * 16], 16, 0,
					      &test_objcgs[1 + i], random_nid()),
				  over ? -ENOMEM : 0, "error");
		}
		test_meanwhile = NULL;
		test_memcgs[1].limit = LONG_MAX;
		verify_all();
		for (i = 256; i < 256 + 2 * 16; i++)
			if (objects[i].size)
				object_free(&objects[i]);
	}
	close_pools();
}

static void test_batch_moves(void)
{
	batch_moves(move_meanwhile, false);
}

static void test_batch_compaction(void)
{
	batch_moves(compact_meanwhile, false);
}

static void test_batch_cancel_moved(void)
{
	batch_moves(move_meanwhile, true);
}
