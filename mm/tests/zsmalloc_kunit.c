// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests for zsmalloc: how the bytes of an object divide between pages.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/sizes.h>

#include "../zsmalloc_split.h"

struct geometry {
	const char *name;
	unsigned long page_size;
	unsigned int chain;	/* CONFIG_ZSMALLOC_CHAIN_SIZE */
};

#define GEOMETRY(page, chain) { #page " pages, chains of " #chain, page, chain }
static const struct geometry geometries[] = {
	GEOMETRY(SZ_4K, 4), GEOMETRY(SZ_4K, 8), GEOMETRY(SZ_4K, 16),
	GEOMETRY(SZ_16K, 4), GEOMETRY(SZ_16K, 8), GEOMETRY(SZ_16K, 16),
	GEOMETRY(SZ_64K, 4), GEOMETRY(SZ_64K, 8), GEOMETRY(SZ_64K, 16),
};

KUNIT_ARRAY_PARAM_DESC(geometry, geometries, name);

/* The chain that wastes least, as zsmalloc chooses it for a class. */
static unsigned int chain_of(const struct geometry *g, unsigned int size)
{
	unsigned long waste, least = ULONG_MAX;
	unsigned int i, chain = 1;

	for (i = 1; i <= g->chain && !is_power_of_2(size); i++) {
		waste = i * g->page_size % size;
		if (waste < least) {
			least = waste;
			chain = i;
		}
	}
	return chain;
}

typedef void (*object_fn)(struct kunit *test, const struct geometry *g,
			  unsigned int size, unsigned int idx);

static void check_objects(struct kunit *test, object_fn fn)
{
	const struct geometry *g = test->param_value;
	unsigned int size, idx;

	for (size = 32; size <= g->page_size; size += g->page_size / 256)
		for (idx = 0; idx < chain_of(g, size) * g->page_size / size; idx++)
			fn(test, g, size, idx);
}

static void check_sums(struct kunit *test, const struct geometry *g,
		       unsigned int size, unsigned int idx)
{
	struct zs_split s = zs_obj_split(g->page_size, size, idx);

	KUNIT_ASSERT_EQ_MSG(test, s.bytes[0] + s.bytes[1], (int)size,
			    "size %u idx %u", size, idx);
	KUNIT_ASSERT_EQ_MSG(test, s.orig[0] + s.orig[1], (int)g->page_size,
			    "size %u idx %u", size, idx);
	KUNIT_ASSERT_GT(test, s.bytes[0], 0);
	KUNIT_ASSERT_GT(test, s.orig[0], 0);
	KUNIT_ASSERT_GE(test, s.bytes[1], 0);
	KUNIT_ASSERT_EQ_MSG(test, s.bytes[1] > 0, s.orig[1] > 0,
			    "size %u idx %u", size, idx);
}

/* Nothing is lost or made up, in any class of any configuration. */
static void zs_split_sums(struct kunit *test)
{
	check_objects(test, check_sums);
}

static void check_place(struct kunit *test, const struct geometry *g,
			unsigned int size, unsigned int idx)
{
	struct zs_split s = zs_obj_split(g->page_size, size, idx);
	unsigned long begin = (unsigned long)idx * size;
	unsigned long end = begin + size;
	unsigned long border = (begin / g->page_size + 1) * g->page_size;
	unsigned long tail = end > border ? end - border : 0;

	KUNIT_ASSERT_EQ_MSG(test, s.bytes[1], (int)tail,
			    "size %u idx %u", size, idx);
	/* The original data divides in proportion, to less than one byte. */
	KUNIT_ASSERT_LE(test, (u64)s.orig[0] * size,
			(u64)s.bytes[0] * g->page_size);
	KUNIT_ASSERT_GT(test, ((u64)s.orig[0] + 1) * size,
			(u64)s.bytes[0] * g->page_size);
}

/* Each part is what really lies on the page. */
static void zs_split_place(struct kunit *test)
{
	check_objects(test, check_place);
}

/*
 * The bytes that the objects of a zspage put on one page are those between the
 * begin of the first and the end of the last, never more than the page has.
 */
static void zs_split_pages(struct kunit *test)
{
	const struct geometry *g = test->param_value;
	unsigned int size, idx, page, nr, chain;
	int *sum;

	sum = kunit_kcalloc(test, g->chain + 1, sizeof(*sum), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sum);

	for (size = 32; size <= g->page_size; size += g->page_size / 256) {
		chain = chain_of(g, size);
		nr = chain * g->page_size / size;
		memset(sum, 0, (g->chain + 1) * sizeof(*sum));
		for (idx = 0; idx < nr; idx++) {
			struct zs_split s = zs_obj_split(g->page_size, size, idx);

			page = (unsigned long)idx * size / g->page_size;
			sum[page] += s.bytes[0];
			sum[page + 1] += s.bytes[1];
		}
		for (page = 0; page + 1 < chain; page++)
			KUNIT_ASSERT_EQ_MSG(test, sum[page], (int)g->page_size,
					    "size %u page %u", size, page);
		KUNIT_ASSERT_EQ_MSG(test, sum[page],
				    (int)(nr * size - page * g->page_size),
				    "size %u last page", size);
		KUNIT_ASSERT_EQ(test, sum[chain], 0);
	}
}

/*
 * A counter is a long that takes deltas of type int, in both directions. An
 * unsigned type in between adds 4 GiB where it should subtract a byte.
 */
static void zs_split_signed(struct kunit *test)
{
	const struct geometry *g = test->param_value;
	unsigned int size = g->page_size / 4 * 3;
	struct zs_split s = zs_obj_split(g->page_size, size, 1);
	long bytes = 0, orig = 0;

	/* Three quarters of a page: object 1 has its first third on page 0. */
	KUNIT_EXPECT_EQ(test, s.bytes[0], (int)size / 3);
	KUNIT_EXPECT_EQ(test, s.orig[0], (int)g->page_size / 3);

	bytes -= s.bytes[1];
	orig -= s.orig[1];
	bytes += -s.bytes[0];
	orig += -s.orig[0];
	KUNIT_EXPECT_EQ(test, bytes, -(long)size);
	KUNIT_EXPECT_EQ(test, orig, -(long)g->page_size);
}

static struct kunit_case zsmalloc_test_cases[] = {
	KUNIT_CASE_PARAM(zs_split_sums, geometry_gen_params),
	KUNIT_CASE_PARAM(zs_split_place, geometry_gen_params),
	KUNIT_CASE_PARAM(zs_split_pages, geometry_gen_params),
	KUNIT_CASE_PARAM(zs_split_signed, geometry_gen_params),
	{}
};

static struct kunit_suite zsmalloc_test_suite = {
	.name = "zsmalloc",
	.test_cases = zsmalloc_test_cases,
};

kunit_test_suite(zsmalloc_test_suite);

MODULE_DESCRIPTION("KUnit tests for zsmalloc");
MODULE_LICENSE("GPL");
