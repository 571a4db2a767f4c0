// SPDX-License-Identifier: GPL-2.0-or-later

/* Moves of pages and of objects carry slots and counters with them. */

/* Fill zspages of a class with objects of all cgroups. */
static unsigned int fill_class(struct size_class *class, unsigned int nr_zspages)
{
	unsigned int size = class->size, i, nr;

	if (size < PAGE_SIZE)
		size -= ZS_HANDLE_SIZE;
	nr = min(nr_zspages * class->objs_per_zspage, NR_OBJECTS);
	for (i = 0; i < nr; i++, operation++)
		expect(!object_alloc_random(&objects[i], ZSWAP, size));
	return nr;
}

/* Every page of a zspage of every class, to every node. */
static void test_page_moves(void)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE];
	unsigned int c, i, nr, nid, nr_pages;

	open_pools();
	for (c = 0; c < ZS_SIZE_CLASSES; c++) {
		struct size_class *class = pools[ZSWAP]->size_class[c];

		if (class->index != c)
			continue;
		nr = fill_class(class, 1);
		/* Some of the slots are free. */
		for (i = 1; i < nr; i += 4)
			object_free(&objects[i]);
		for (nid = 0; nid < NR_TEST_NODES; nid++) {
			nr_pages = object_pages(&objects[0], pages);
			for (i = 0; i < nr_pages; i++, operation++) {
				expect(!move_page(pages[i], nid));
				verify_all();
			}
		}
		free_all();
	}
	close_pools();
}

/* Objects move between zspages, whole or divided in another way. */
static void test_compaction(void)
{
	unsigned long nr_freed, nr_pages;
	unsigned int c, i, nr;

	open_pools();
	for (c = 0; c < ZS_SIZE_CLASSES; c++) {
		struct size_class *class = pools[ZSWAP]->size_class[c];

		if (class->index != c || class->objs_per_zspage == 1)
			continue;
		nr = fill_class(class, 4);
		for (i = 0; i < nr; i++)
			if (test_random() % 3)
				object_free(&objects[i]);
		verify_all();

		operation_name = "compaction";
		nr_pages = zs_get_total_pages(pools[ZSWAP]);
		nr_freed = zs_compact(pools[ZSWAP]);
		expect_eq(zs_get_total_pages(pools[ZSWAP]), nr_pages - nr_freed, "pages");
		verify_all();
		expect_eq(zs_can_compact(class), 0, "pages to gain");
		free_all();
	}
	close_pools();
}

/* Compaction leaves a zspage that it cannot lock to the worker as well. */
static void test_compaction_locked(void)
{
	unsigned int i, idx, nr;
	struct page *page;
	long nr_pages;

	open_pools();
	nr = fill_class(lookup_size_class(pools[ZSWAP], PAGE_SIZE / 3), 8);
	for (i = 0; i < nr; i++)
		if (i % 4)
			object_free(&objects[i]);
	for (i = 0; i < nr; i += 4, operation++) {
		page = zpdesc_page(get_first_zpdesc(object_zspage(&objects[i], &idx)));
		if (folio_test_locked(page_folio(page)))
			continue;
		folio_lock(page_folio(page));
	}
	operation_name = "compaction";
	nr_pages = nr_pages_of(ZSWAP);
	nr_pages -= zs_compact(pools[ZSWAP]);
	expect_eq(nr_pages_of(ZSWAP), nr_pages, "pages");
	verify_all();

	for (page = test_pages; page < test_pages + NR_TEST_PAGES; page++)
		if (page->locked)
			folio_unlock(page_folio(page));
	operation_name = "deferred free";
	expect(!llist_empty(&pools[ZSWAP]->retired.list));
	free_retired(pools[ZSWAP]);
	verify_all();
	close_pools();
}

/* The shrinker promises pages, and delivers them. */
static void test_shrinker(void)
{
	struct shrink_control sc = {};
	struct shrinker *shrinker;
	unsigned int i, nr;

	open_pools();
	shrinker = pools[ZSWAP]->shrinker;
	expect_eq(shrinker->count_objects(shrinker, NULL), 0, "pages to gain");
	sc.nr_to_scan = 128;
	expect_eq(shrinker->scan_objects(shrinker, &sc), SHRINK_STOP, "pages gained");

	nr = fill_class(lookup_size_class(pools[ZSWAP], PAGE_SIZE / 3), 8);
	for (i = 0; i < nr; i++)
		if (i % 4)
			object_free(&objects[i]);
	operation_name = "shrinker";
	sc.nr_to_scan = shrinker->count_objects(shrinker, NULL);
	expect(sc.nr_to_scan > 0);
	expect_eq(shrinker->scan_objects(shrinker, &sc), sc.nr_to_scan, "pages gained");
	verify_all();
	close_pools();
}

/* A reader holds off moves of its zspage, which then change nothing. */
static void test_reader(void)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE];
	static char copy[PAGE_SIZE];
	struct object *object;
	unsigned int i, nr, nr_pages;
	void *data;

	open_pools();
	nr = fill_class(lookup_size_class(pools[ZSWAP], PAGE_SIZE / 3), 4);
	for (i = 0; i < nr; i++)
		if (i % 4)
			object_free(&objects[i]);

	for (object = objects; object < objects + nr; object += 4, operation++) {
		data = zs_obj_read_begin(pools[ZSWAP], object->handle, object->size, copy);
		nr_pages = object_pages(object, pages);
		for (i = 0; i < nr_pages; i++)
			expect_eq(move_page(pages[i], i % NR_TEST_NODES), -EBUSY, "move");
		operation_name = "compaction";
		zs_compact(pools[ZSWAP]);
		expect(!memcmp(data, pattern + object->data, object->size));
		zs_obj_read_end(pools[ZSWAP], object->handle, object->size, data);
		verify_all();
	}
	close_pools();
}

/* A locked page leaves its empty zspage to a worker, as often as it takes. */
static void test_deferred_free(void)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE];
	unsigned int c, i, nr_pages;

	open_pools();
	for (c = 0; c < ZS_SIZE_CLASSES; c++, operation++) {
		struct size_class *class = pools[ZSWAP]->size_class[c];

		if (class->index != c)
			continue;
		for (i = 0; i < class->pages_per_zspage; i++) {
			fill_class(class, 1);
			nr_pages = object_pages(&objects[0], pages);
			folio_lock(page_folio(pages[i]));
			free_all();
			operation_name = "deferred free";
			free_retired(pools[ZSWAP]);
			folio_unlock(page_folio(pages[i]));
			expect_eq(zs_get_total_pages(pools[ZSWAP]), 0, "pages in use");
			expect_eq(nr_retired_pages(ZSWAP), nr_pages, "retired pages");
			verify_all();

			expect(!move_page(pages[i], random_nid()));
			verify_all();
			/* Nothing is stored in it any more. */
			fill_class(class, 1);
			expect_eq(zs_get_total_pages(pools[ZSWAP]), nr_pages,
				  "pages of another zspage");
			expect_eq(nr_retired_pages(ZSWAP), nr_pages, "retired pages");
			free_all();
			operation_name = "deferred free";
			free_retired(pools[ZSWAP]);
			verify_all();
			expect_eq(nr_retired_pages(ZSWAP), 0, "retired pages");
		}
	}
	close_pools();
}

/* A zspage may go while one of its pages waits for its move, at once or later. */
static void free_isolated(bool retired)
{
	struct page *page, *newpage;
	struct obj_cgroup *objcg;

	open_pools();
	expect(!object_alloc(&objects[0], ZSWAP, PAGE_SIZE / 2, &test_objcgs[1], 0));
	page = test_pages;
	while (!page->private)
		page++;
	folio_get(page_folio(page));
	expect(zsmalloc_mops.isolate_page(page, 0));
	model_add(&objects[0], -1);
	objcg = zs_free_objcg(pools[ZSWAP], objects[0].handle);
	if (objcg)
		obj_cgroup_put(objcg);
	objects[0].size = 0;

	if (!retired)
		free_retired(pools[ZSWAP]);
	expect_eq(zsmalloc_mops.isolate_page(page, 0), retired, "isolated again");
	newpage = alloc_pages_node(1, __GFP_MOVABLE | __GFP_THISNODE, 0);
	expect(!zsmalloc_mops.migrate_page(newpage, page, MIGRATE_SYNC));
	folio_put(page_folio(page));
	folio_put(page_folio(newpage));
	verify_all();
	close_pools();
}

static void test_free_isolated(void)
{
	free_isolated(false);
	free_isolated(true);
}
