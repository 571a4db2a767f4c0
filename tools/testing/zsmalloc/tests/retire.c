// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * Empty zspages wait for a worker, which runs when a test flushes it. What is
 * retired while it does not run, and who else frees it.
 */

/* As small a bound as there can be, and twice the objects that it takes. */
static unsigned int fill_beyond_bound(unsigned int size)
{
	unsigned int nr = 0;

	pools[ZSWAP]->retired.max_pages = min(64, ZS_RETIRE_IDLE);
	while ((long)zs_get_total_pages(pools[ZSWAP]) < 2 * pools[ZSWAP]->retired.max_pages &&
	       nr < NR_OBJECTS)
		expect(!object_alloc(&objects[nr++], ZSWAP, size, &test_objcgs[1],
				     random_nid()));
	return nr;
}

/* Without a worker there is never more than the bound, and no data counts. */
static void test_retire_bound(void)
{
	long bound, peak, before;
	unsigned int size, i, nr;

	open_pools();
	for (size = PAGE_SIZE / 5; size < PAGE_SIZE; size += PAGE_SIZE / 5) {
		nr = fill_beyond_bound(size);
		bound = pools[ZSWAP]->retired.max_pages;
		peak = 0;
		for (i = 0; i < nr; i++, operation++) {
			before = nr_retired_pages(ZSWAP) + zs_get_total_pages(pools[ZSWAP]);
			object_free(&objects[i]);
			peak = max(peak, nr_retired_pages(ZSWAP));
			/* Beyond the bound, pages go at once. */
			expect(nr_retired_pages(ZSWAP) <= bound);
			expect(nr_retired_pages(ZSWAP) +
			       (long)zs_get_total_pages(pools[ZSWAP]) <= before);
		}
		verify_all();
		expect(peak > bound - (long)ZS_MAX_PAGES_PER_ZSPAGE);
		expect_eq(zs_get_total_pages(pools[ZSWAP]), 0, "pages in use");

		operation_name = "deferred free";
		free_retired(pools[ZSWAP]);
		verify_all();
		expect_eq(nr_retired_pages(ZSWAP), 0, "retired pages");
	}
	close_pools();
}

/* Few at a time are freed at once, and few more in the next jiffy. */
static void test_retire_burst(void)
{
	long nr_total, few;
	unsigned int i, nr;

	open_pools();
	few = ZS_RETIRE_BURST;
	pools[ZSWAP]->retired.burst_pages = few;
	for (nr = 0; (long)zs_get_total_pages(pools[ZSWAP]) < 3 * few; nr++)
		expect(!object_alloc(&objects[nr], ZSWAP, PAGE_SIZE, &test_objcgs[1],
				     random_nid()));
	for (i = 0; i < nr; i++, operation++) {
		/* One and a half times, then twice in another jiffy. */
		if (i == few / 2 * 3)
			test_jiffies++;
		object_free(&objects[i]);
		nr_total = nr_pages_of(ZSWAP);
		if (i < few || i >= few / 2 * 3 + few)
			continue;
		expect_eq(nr_retired_pages(ZSWAP), min((long)i + 1 - few, few / 2),
			  "retired pages");
		expect_eq(nr_total - nr_retired_pages(ZSWAP), nr - i - 1, "pages in use");
	}
	expect_eq(nr_retired_pages(ZSWAP), nr - 2 * few, "retired pages");
	close_pools();
}

/* The worker starts a moment after the first, at once when there is much. */
static void test_retire_kick(void)
{
	struct delayed_work *work;
	unsigned int i, nr;
	bool much = false;

	open_pools();
	work = &pools[ZSWAP]->retired.work;
	pools[ZSWAP]->retired.max_pages = 4 * ZS_RETIRE_KICK;
	for (nr = 0; (long)zs_get_total_pages(pools[ZSWAP]) < 2 * ZS_RETIRE_KICK; nr++)
		expect(!object_alloc(&objects[nr], ZSWAP, PAGE_SIZE, &test_objcgs[1],
				     random_nid()));
	for (i = 0; i < nr; i++, operation++) {
		expect_eq(work->work.pending, i > 0, "work");
		object_free(&objects[i]);
		expect(work->work.pending);
		much = nr_retired_pages(ZSWAP) >= ZS_RETIRE_KICK;
		expect_eq(work->delay, !much, "jiffies until the worker starts");
	}
	expect(much);
	free_retired(pools[ZSWAP]);
	expect(!work->work.pending);
	close_pools();
}

/*
 * A worker that has no CPU leaves less to wait than one that has: the caller
 * frees the rest himself.
 */
static void test_retire_idle(void)
{
	struct zs_retired *retired;
	unsigned int i, nr, round;

	open_pools();
	retired = &pools[ZSWAP]->retired;
	retired->max_pages = 4 * ZS_RETIRE_KICK;
	/* First it has begun. Then it has come to its end, in free_retired(). */
	retired->active = true;
	for (round = 0; round < 2; round++) {
		for (nr = 0; (long)zs_get_total_pages(pools[ZSWAP]) < 3 * ZS_RETIRE_KICK; nr++)
			expect(!object_alloc(&objects[nr], ZSWAP, PAGE_SIZE, &test_objcgs[1],
					     random_nid()));
		for (i = 0; i < nr; i++, operation++)
			object_free(&objects[i]);
		expect_eq(nr_retired_pages(ZSWAP), round ? ZS_RETIRE_IDLE : nr,
			  "retired pages");
		free_retired(pools[ZSWAP]);
		expect_eq(nr_retired_pages(ZSWAP), 0, "retired pages");
	}
	close_pools();
}

static void unlock_pages(void)
{
	struct page *page;

	for (page = test_pages; page < test_pages + NR_TEST_PAGES; page++)
		if (page->locked)
			folio_unlock(page_folio(page));
}

/* Locked pages are beyond what a bound can do. They are freed in the end. */
static void test_retire_locked(void)
{
	struct page *page;
	unsigned int i, nr;

	open_pools();
	nr = fill_beyond_bound(PAGE_SIZE);
	for (page = test_pages; page < test_pages + NR_TEST_PAGES; page++)
		if (page->private && !page->locked)
			folio_lock(page_folio(page));
	for (i = 0; i < nr; i++, operation++)
		object_free(&objects[i]);
	expect_eq(nr_retired_pages(ZSWAP), nr, "retired pages");

	/* None of these waits, and each leaves it to the worker. */
	operation_name = "deferred free";
	free_retired(pools[ZSWAP]);
	expect_eq(drain_retired(pools[ZSWAP], ZS_FREER_SHRINKER), 0, "pages freed");
	expect_eq(nr_retired_pages(ZSWAP), nr, "retired pages");
	expect(pools[ZSWAP]->retired.work.work.pending);
	verify_all();

	unlock_pages();
	free_retired(pools[ZSWAP]);
	expect_eq(nr_retired_pages(ZSWAP), 0, "retired pages");
	verify_all();
	close_pools();
}

/* The shrinker knows of retired pages, and compacts only if they don't do. */
static void test_retire_shrinker(void)
{
	struct shrinker *shrinker;
	struct shrink_control sc;
	unsigned int i, nr;
	long to_gain;

	open_pools();
	shrinker = pools[ZSWAP]->shrinker;
	nr = fill_class(lookup_size_class(pools[ZSWAP], PAGE_SIZE / 3), 16);
	for (i = 0; i < nr; i++)
		if (i < nr / 2 || i % 4)
			object_free(&objects[i]);
	sc.nr_to_scan = nr_retired_pages(ZSWAP);
	expect(sc.nr_to_scan > 0);
	to_gain = shrinker->count_objects(shrinker, &sc);
	expect(to_gain > (long)sc.nr_to_scan);

	operation_name = "shrinker";
	expect_eq(shrinker->scan_objects(shrinker, &sc), sc.nr_to_scan, "pages gained");
	verify_all();
	expect_eq(nr_retired_pages(ZSWAP), 0, "retired pages");
	to_gain -= sc.nr_to_scan;
	expect_eq(shrinker->count_objects(shrinker, &sc), to_gain, "pages to gain");
	sc.nr_to_scan = 1;
	expect_eq(shrinker->scan_objects(shrinker, &sc), to_gain, "pages gained");
	verify_all();
	close_pools();
}

/* No allocation fails as long as pages wait to be freed. */
static void test_retire_alloc(void)
{
	unsigned int nth;

	open_pools();
	for (nth = 1; nth <= lookup_size_class(pools[ZRAM], PAGE_SIZE / 3)->pages_per_zspage;
	     nth++, operation++) {
		fill_beyond_bound(PAGE_SIZE / 2);
		free_all();
		expect(nr_retired_pages(ZSWAP) > 0);
		expect(!object_alloc(&objects[0], ZSWAP, PAGE_SIZE / 2, &test_objcgs[1], 0));
		free_all();

		/* A handle and a zspage come first, an array and a charge, too. */
		fail_nth = 2 + (tracked() ? 2 : 0) + nth;
		expect(!object_alloc(&objects[0], ZSWAP, PAGE_SIZE / 3, &test_objcgs[1], 0));
		expect_eq(fail_nth, 0, "allocations to fail");
		expect_eq(nr_retired_pages(ZSWAP), 0, "retired pages");
		verify_all();
		free_all();
	}
	close_pools();
}

static long read_retired(const char *field)
{
	char *text, *line;
	long value;

	expect(!debugfs_read(pools[ZSWAP], "retired", &text));
	line = strstr(text, field);
	expect(line && (line == text || line[-1] == '\n'));
	expect(sscanf(line + strlen(field), " %ld\n", &value) == 1);
	free(text);
	return value;
}

/* The file in debugfs knows who has freed what. */
static void test_retire_file(void)
{
	struct shrink_control sc = { .nr_to_scan = 1 };
	unsigned int i, nr, by;
	struct zs_pool *pool;
	long bound, freed[NR_ZS_FREERS] = {};
	char name[32], *text;

	open_pools();
	pool = pools[ZSWAP];
	nr = fill_beyond_bound(PAGE_SIZE);
	bound = pool->retired.max_pages;
	expect_eq(read_retired("max"), bound, "bound");
	expect_eq(read_retired("pages") + read_retired("peak"), 0, "retired pages");
	for (i = 0; i < nr; i++, operation++)
		object_free(&objects[i]);
	expect_eq(read_retired("pages"), bound, "retired pages");
	expect_eq(read_retired("peak"), bound, "most retired pages");
	freed[ZS_FREER_FREE] = nr - bound;
	free_retired(pool);
	freed[ZS_FREER_WORKER] = bound;

	for (by = 0; by < NR_ZS_FREERS; by++, operation++) {
		if (by == ZS_FREER_FREE)
			continue;
		fill_class(lookup_size_class(pool, PAGE_SIZE), 3);
		free_all();
		freed[by] += 3;
		switch (by) {
		case ZS_FREER_WORKER:
			free_retired(pool);
			break;
		case ZS_FREER_SHRINKER:
			pool->shrinker->scan_objects(pool->shrinker, &sc);
			break;
		case ZS_FREER_ALLOC:
			/* A handle and a zspage come first, and a charge. */
			fail_nth = 3 + tracked();
			expect(!object_alloc(&objects[0], ZSWAP, PAGE_SIZE, &test_objcgs[1], 0));
			break;
		case ZS_FREER_STAT:
			expect(!debugfs_read(pool, "nodes", &text));
			free(text);
			break;
		}
		expect_eq(read_retired("pages"), 0, "retired pages");
		for (i = 0; i < NR_ZS_FREERS; i++) {
			snprintf(name, sizeof(name), "freed_by_%s", zs_freer_names[i]);
			expect_eq(read_retired(name), freed[i], "pages %s", name);
		}
		/* Of the allocation. */
		freed[ZS_FREER_WORKER] += zs_get_total_pages(pool);
		free_all();
		free_retired(pool);
	}
	expect_eq(read_retired("peak"), bound, "most retired pages");
	expect_eq(read_retired("locked"), 0, "locked zspages");

	fill_class(lookup_size_class(pool, PAGE_SIZE), 3);
	folio_lock(page_folio(zpdesc_page(get_first_zpdesc(object_zspage(&objects[1], &i)))));
	free_all();
	free_retired(pool);
	expect_eq(read_retired("locked"), 1, "locked zspages");
	expect_eq(read_retired("pages"), 1, "retired pages");
	unlock_pages();
	free_retired(pool);
	expect_eq(read_retired("pages"), 0, "retired pages");
	close_pools();
}

/* A pool goes with what is retired, whether or not the worker ever ran. */
static void test_retire_destroy(void)
{
	unsigned long handles[64];
	struct zs_pool *pool;
	unsigned int i;

	open_pools();
	pool = zs_create_pool("retire");
	pool->retired.burst_pages = 0;
	for (i = 0; i < 64; i++) {
		handles[i] = zs_malloc(pool, PAGE_SIZE, GFP_KERNEL, 0);
		expect(!IS_ERR_VALUE(handles[i]));
	}
	for (i = 0; i < 64; i++)
		zs_free(pool, handles[i]);
	expect_eq(atomic_long_read(&pool->retired.pages), min(64, ZS_RETIRE_IDLE),
		  "retired pages");
	zs_destroy_pool(pool);
	verify_all();
	close_pools();
}
