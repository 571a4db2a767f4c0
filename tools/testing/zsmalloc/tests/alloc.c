// SPDX-License-Identifier: GPL-2.0-or-later

/* The allocator by itself, as zram uses it. */

static void test_bad_sizes(void)
{
	struct object object = {};

	open_pools();
	expect_eq(object_alloc(&object, ZRAM, 0, NULL, 0), -EINVAL, "no bytes");
	expect_eq(object_alloc(&object, ZRAM, PAGE_SIZE + 1, NULL, 0), -ENOSPC,
		  "more than a page");
	expect_eq(object_alloc(&object, ZSWAP, 0, test_objcgs, 0), -EINVAL, "no bytes");
	expect_eq(object_alloc(&object, ZSWAP, PAGE_SIZE + 1, test_objcgs, 0), -ENOSPC,
		  "more than a page");

	/* What failed may be freed. */
	zs_free(pools[ZRAM], 0);
	zs_free(pools[ZRAM], (unsigned long)ERR_PTR(-ENOMEM));
	expect(!zs_free_objcg(pools[ZSWAP], 0));
	expect(!zs_free_objcg(pools[ZSWAP], (unsigned long)ERR_PTR(-ENOMEM)));
	close_pools();
}

/* Objects of every size up to 4096, or as many steps; freed out of order. */
static void every_size(int pool)
{
	unsigned int size, i, nr = 0;

	open_pools();
	for (size = 1; size <= PAGE_SIZE; size += PAGE_SIZE / SZ_4K, operation++) {
		i = nr++ % NR_OBJECTS;
		if (objects[i].size)
			object_free(&objects[i]);
		expect(!object_alloc_random(&objects[i], pool, size));
	}
	verify_all();
	for (nr = 0; nr < 2 * NR_OBJECTS; nr++, operation++) {
		i = test_random() % NR_OBJECTS;
		if (objects[i].size)
			object_free(&objects[i]);
	}
	verify_all();
	close_pools();
}

static void test_plain(void)
{
	every_size(ZRAM);
}

/* Both ways of reading see the same, on one page and on two. */
static void test_read_sg(void)
{
	unsigned int size, i, part, done;

	open_pools();
	for (size = 1; size < PAGE_SIZE; size += PAGE_SIZE / 128 - 1, operation++) {
		for (i = 0; i < 16; i++) {
			struct object *object = &objects[i];
			struct scatterlist sg[2] = {};

			expect(!object_alloc(object, ZSWAP, size, random_objcg(), 0));
			zs_obj_read_sg_begin(pools[ZSWAP], object->handle, sg, size);
			for (part = 0, done = 0; done < size; part++) {
				expect(part < 2);
				expect(!memcmp(page_address(sg[part].page) + sg[part].offset,
					       pattern + object->data + done,
					       sg[part].length));
				done += sg[part].length;
			}
			zs_obj_read_sg_end(pools[ZSWAP], object->handle);
			expect_eq(done, size, "bytes read");
		}
		free_all();
	}
	close_pools();
}
