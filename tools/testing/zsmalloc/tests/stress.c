// SPDX-License-Identifier: GPL-2.0-or-later

/* Everything at random, verified after each operation. */

#define NR_STRESS_OBJECTS	2048

static unsigned long nr_operations = 1000000;

static void move_some_pages(void)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE], *page;
	unsigned int i, nr;

	for (i = 0; i < 8; i++) {
		struct object *object = &objects[test_random() % NR_STRESS_OBJECTS];
		int err;

		if (!object->size)
			continue;
		nr = object_pages(object, pages);
		page = pages[test_random() % nr];
		err = move_page(page, test_random() % NR_TEST_NODES);
		expect(!err || err == -ENOMEM);
	}
	verify_all();
}

static void shrink(int pool)
{
	struct shrinker *shrinker = pools[pool]->shrinker;

	operation_name = "shrinker";
	if (shrinker->count_objects(shrinker, NULL))
		shrinker->scan_objects(shrinker, &(struct shrink_control){ .nr_to_scan = 128 });
	verify_all();
}

/* Free an object while a page of its zspage is locked. */
static void free_locked(struct object *object)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE], *page;
	unsigned int nr = object_pages(object, pages);

	page = pages[test_random() % nr];
	folio_lock(page_folio(page));
	object_free(object);
	folio_unlock(page_folio(page));
}

/* Up to 16 free neighbours at once. */
static void store_some(struct object *first)
{
	unsigned int sizes[16], nr;
	int err;

	for (nr = 0; nr < ARRAY_SIZE(sizes) && first + nr < objects + NR_STRESS_OBJECTS; nr++) {
		if (first[nr].size)
			break;
		sizes[nr] = 1 + test_random() % PAGE_SIZE;
	}
	err = objects_alloc(first, sizes, nr, nr + test_random() % 2, random_objcg(), random_nid());
	expect(!err || err == -ENOMEM);
}

static void random_operation(void)
{
	struct object *object = &objects[test_random() % NR_STRESS_OBJECTS];
	unsigned int choice = test_random() % 8192;
	int pool = test_random() % 8 ? ZSWAP : ZRAM;

	if (choice < 8) {
		move_some_pages();
	} else if (choice < 9) {
		operation_name = "compaction";
		zs_compact(pools[pool]);
		verify_all();
	} else if (choice < 10) {
		shrink(pool);
	} else if (choice < 20) {
		operation_name = "deferred free";
		free_retired(pools[pool]);
		verify_counters();
	} else if (!object->size && choice % 16 == 2) {
		store_some(object);
	} else if (!object->size) {
		object_alloc_random(object, pool, 1 + test_random() % PAGE_SIZE);
	} else if (choice % 16 == 0) {
		free_locked(object);
	} else if (choice % 16 == 1) {
		objects_free(object, objects + NR_STRESS_OBJECTS,
			     1 + test_random() % MAX_FREED_AT_ONCE);
	} else {
		object_free(object);
	}
}

static void stress(unsigned long nr, unsigned int fail)
{
	open_pools();
	fail_every = fail;
	for (operation = 0; operation < nr; operation++)
		random_operation();
	fail_every = 0;
	close_pools();
}

static void test_stress(void)
{
	stress(nr_operations, 0);
}

/* The same with failures, those of a cgroup at its limit among them. */
static void test_stress_fail(void)
{
	test_memcgs[NR_TEST_MEMCGS - 1].limit = NR_STRESS_OBJECTS / 16 * PAGE_SIZE;
	stress(nr_operations / 4, 40);
}

static void test_stress_disabled(void)
{
	test_memcg_disabled = true;
	stress(nr_operations / 8, 0);
}
