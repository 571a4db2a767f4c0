// SPDX-License-Identifier: GPL-2.0-or-later

/* Who has how many bytes on which node. */

/*
 * Every size a class can have, at every index until the offsets repeat: the
 * parts add up, and adding and taking away any number of them leaves nothing.
 */
static void test_split(void)
{
	unsigned long page_size, size, idx, nr_straddling;

	for (page_size = SZ_4K; page_size <= SZ_64K; page_size *= 4) {
		for (size = 32, nr_straddling = 0; size <= page_size; size += ZS_ALIGN) {
			long sum[4] = {};

			for (idx = 0; idx < 16 * page_size / size; idx++, operation++) {
				struct zs_split split = zs_obj_split(page_size, size, idx);
				unsigned long last = idx * size + size - 1;
				bool straddles = idx * size / page_size != last / page_size;
				unsigned long first = straddles ?
					page_size - idx * size % page_size : size;

				expect_eq(split.bytes[0], first, "bytes of %lu at %lu", size, idx);
				expect_eq(split.bytes[1], size - first,
					  "bytes of %lu at %lu on the second page", size, idx);
				expect_eq(split.orig[0], page_size * first / size,
					  "original bytes of %lu at %lu", size, idx);
				expect_eq(split.orig[0] + split.orig[1], page_size,
					  "original bytes of %lu at %lu on both pages", size, idx);
				expect(split.bytes[0] >= 1 && split.orig[0] >= 1);
				expect(straddles == (split.bytes[1] > 0));
				expect(straddles == (split.orig[1] > 0));
				nr_straddling += straddles;

				sum[0] += split.bytes[0];
				sum[1] += split.bytes[1];
				sum[2] += split.orig[0];
				sum[3] += split.orig[1];
			}
			/* As kernel code takes them away: negated, in an int. */
			while (idx--) {
				struct zs_split split = zs_obj_split(page_size, size, idx);
				int minus[4] = { -split.bytes[0], -split.bytes[1],
						 -split.orig[0], -split.orig[1] };

				sum[0] += minus[0];
				sum[1] += minus[1];
				sum[2] += minus[2];
				sum[3] += minus[3];
			}
			expect(!sum[0] && !sum[1] && !sum[2] && !sum[3]);
		}
		expect(nr_straddling);
	}
}

static void test_every_size(void)
{
	every_size(ZSWAP);
}

/* One zspage with slots of all cgroups, on several nodes. */
static void test_shared_zspage(void)
{
	unsigned int idx, i;

	open_pools();
	for (i = 0; i < 256; i++, operation++) {
		expect(!object_alloc(&objects[i], ZSWAP, PAGE_SIZE / 5,
				     &test_objcgs[i % NR_TEST_OBJCGS], random_nid()));
		if (i)
			verify_all();
	}
	expect(object_zspage(&objects[0], &idx) == object_zspage(&objects[1], &idx));
	for (i = 0; i < 256; i += 2, operation++)
		object_free(&objects[i]);
	verify_all();
	close_pools();
}

/*
 * Objects that are freed together, in runs of each length: of one owner or of
 * many, on one node or on several, with straddlers between.
 */
static void test_free_many(void)
{
	unsigned int run, i, nr;

	for (run = 1; run <= MAX_FREED_AT_ONCE; run++) {
		open_pools();
		for (i = 0; i < 256; i++, operation++)
			expect(!object_alloc(&objects[i], ZSWAP,
					     i % 3 ? PAGE_SIZE / 5 : PAGE_SIZE - i,
					     &test_objcgs[i / run % NR_TEST_OBJCGS],
					     random_nid()));
		for (i = 0; i < 256; i += nr, operation++) {
			nr = 1 + test_random() % MAX_FREED_AT_ONCE;
			nr = min(nr, 256 - i);
			objects_free(&objects[i], &objects[i + nr], nr);
		}
		verify_all();
		free_retired(pools[ZSWAP]);
		expect_eq(zs_get_total_pages(pools[ZSWAP]), 0, "pages of zswap");
		close_pools();
	}
}

/* Memory cgroups switched off at boot: nodes are counted, nothing else. */
static void test_disabled(void)
{
	test_memcg_disabled = true;
	every_size(ZSWAP);
}

/* What belongs to a pool without accounting moves no counter of zswap. */
static void test_plain_beside(void)
{
	unsigned int i;

	open_pools();
	for (i = 0; i < 512; i++, operation++) {
		unsigned int size = 1 + test_random() % PAGE_SIZE;

		expect(!object_alloc_random(&objects[i], i % 2, size));
	}
	verify_all();
	for (i = 1; i < 512; i += 2, operation++)
		object_free(&objects[i]);
	free_retired(pools[ZSWAP]);
	verify_all();
	expect_eq(zs_get_total_pages(pools[ZSWAP]), 0, "pages of zswap");
	expect(zs_get_total_pages(pools[ZRAM]) > 0);
	close_pools();
}
