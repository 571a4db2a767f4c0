// SPDX-License-Identifier: GPL-2.0-or-later

/* What fails leaves no trace. object_alloc() compares before and after. */

/* A cgroup gets as many slots as fit below its limit. */
static void test_limit(void)
{
	struct obj_cgroup *objcg = &test_objcgs[1];
	unsigned int size, i, nr = 10;

	open_pools();
	for (size = 1; size <= PAGE_SIZE; size += PAGE_SIZE / 64, operation++) {
		int slot_size = lookup_size_class(pools[ZSWAP], size)->size;

		objcg->memcg->limit = (long)nr * slot_size + slot_size - 1;
		for (i = 0; i < nr; i++)
			expect(!object_alloc(&objects[i], ZSWAP, size, objcg, 0));
		expect_eq(object_alloc(&objects[nr], ZSWAP, size, objcg, 0), -ENOMEM,
			  "allocation above the limit");
		/* The limit is not the root's. */
		expect(!object_alloc(&objects[nr], ZSWAP, size, &test_objcgs[0], 0));
		object_free(&objects[0]);
		expect(!object_alloc(&objects[0], ZSWAP, size, objcg, 0));
		verify_all();
		free_all();
	}
	close_pools();
}

/* Let the first thing that can fail do so, then the second, until none does. */
static unsigned int fail_each(struct object *object, int pool, unsigned int size)
{
	unsigned int nth;

	for (nth = 1; ; nth++, operation++) {
		int err;

		fail_nth = nth;
		err = object_alloc(object, pool, size, &test_objcgs[1], 0);
		fail_nth = 0;
		if (!err)
			return nth - 1;
		expect_eq(err, -ENOMEM, "error");
		verify_all();
	}
}

static void test_nth(void)
{
	unsigned int size;

	open_pools();
	for (size = 1; size <= PAGE_SIZE; size += PAGE_SIZE / 128) {
		struct size_class *class = lookup_size_class(pools[ZSWAP], size);
		bool huge = class->objs_per_zspage == 1 && class->pages_per_zspage == 1;

		/* A handle, a zspage, its pages; and an array and a charge. */
		expect_eq(fail_each(&objects[0], ZRAM, size), 2 + class->pages_per_zspage,
			  "plain allocations");
		expect_eq(fail_each(&objects[1], ZSWAP, size),
			  2 + class->pages_per_zspage + (tracked() ? 1 + !huge : 0),
			  "accounted allocations");
		/* The zspage is there already. */
		if (class->objs_per_zspage > 1)
			expect_eq(fail_each(&objects[2], ZSWAP, size), 1 + tracked(),
				  "accounted allocations in a zspage with room");
		free_all();
		/* What they leave behind would be there for the next size. */
		free_retired(pools[ZRAM]);
		free_retired(pools[ZSWAP]);
	}
	close_pools();
}

/* Creating a pool fails as a whole, or works without its shrinker. */
static void test_create_pool(void)
{
	static const struct zs_acct acct = { .stored = NR_ZSWAP_B, .orig = NR_ZSWAPPED_B };
	struct zs_pool *pool;
	unsigned int nth;

	for (nth = 1; ; nth++, operation++) {
		fail_nth = nth;
		pool = zs_create_acct_pool("zswap0", &acct);
		if (fail_nth)
			break;	/* fewer than nth things can fail */
		if (pool) {
			expect(!pool->shrinker);
			zs_destroy_pool(pool);
		}
		expect_eq(test_kmalloc_alive, 0, "allocations");
	}
	fail_nth = 0;
	expect(pool && pool->shrinker);
	zs_destroy_pool(pool);
	expect_eq(test_kmalloc_alive, 0, "allocations");
}
