// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests for zsmalloc: how the bytes of an object divide between pages,
 * and that owners and statistics stay with objects, and that retired zspages are
 * freed. Included in zsmalloc.c.
 */
#include <kunit/resource.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/sched/mm.h>
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

#define NR_RETIRE_OBJS	1024

struct retire_ctx {
	struct zs_pool *pool;
	unsigned long handle[NR_RETIRE_OBJS];
};

static int retire_init(struct kunit *test)
{
	struct retire_ctx *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	ctx->pool = zs_create_pool("kunit-retire");
	if (!ctx->pool)
		return -ENOMEM;
	/* Less than there will be, and whatever it is. */
	ctx->pool->retired.max_pages = min(64, ZS_RETIRE_IDLE);
	ctx->pool->retired.burst_pages = 0;
	test->priv = ctx;
	return 0;
}

/* With whatever is retired. */
static void retire_exit(struct kunit *test)
{
	struct retire_ctx *ctx = test->priv;

	if (ctx)
		zs_destroy_pool(ctx->pool);
}

static long retired_pages(struct zs_pool *pool)
{
	return atomic_long_read(&pool->retired.pages);
}

static void retire_alloc(struct kunit *test, size_t size)
{
	struct retire_ctx *ctx = test->priv;
	int i;

	for (i = 0; i < NR_RETIRE_OBJS; i++) {
		ctx->handle[i] = zs_malloc(ctx->pool, size, GFP_KERNEL,
					   NUMA_NO_NODE);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(ctx->handle[i]));
	}
}

/* Return the most pages that were retired at a time. */
static long retire_free(struct kunit *test)
{
	struct retire_ctx *ctx = test->priv;
	long peak = 0;
	int i;

	for (i = 0; i < NR_RETIRE_OBJS; i++) {
		zs_free(ctx->pool, ctx->handle[i]);
		peak = max(peak, retired_pages(ctx->pool));
	}
	KUNIT_EXPECT_EQ(test, zs_get_total_pages(ctx->pool), 0);
	return peak;
}

static bool all_returned_but(struct zs_pool *pool, long pages)
{
	unsigned long end = jiffies + 5 * HZ;

	while (retired_pages(pool) != pages && time_before(jiffies, end))
		msleep(20);
	return retired_pages(pool) == pages;
}

/* The worker needs nobody to ask for it. */
static void zs_retire_worker(struct kunit *test)
{
	struct retire_ctx *ctx = test->priv;

	ctx->pool->retired.max_pages = LONG_MAX;
	retire_alloc(test, PAGE_SIZE);
	retire_free(test);
	KUNIT_EXPECT_TRUE(test, all_returned_but(ctx->pool, 0));
}

/* Without a worker, retired pages don't add up, and others can free them. */
static void zs_retire_bound(struct kunit *test)
{
	static const size_t sizes[] = { PAGE_SIZE / 5, PAGE_SIZE / 2, PAGE_SIZE };
	struct retire_ctx *ctx = test->priv;
	struct shrink_control sc = { .nr_to_scan = 1 };
	struct zs_pool *pool = ctx->pool;

	if (num_online_cpus() == 1)
		kunit_skip(test, "nothing is retired with one CPU");

	disable_delayed_work_sync(&pool->retired.work);
	for (int s = 0; s < ARRAY_SIZE(sizes); s++) {
		long peak;

		retire_alloc(test, sizes[s]);
		peak = retire_free(test);
		KUNIT_EXPECT_LE(test, peak, pool->retired.max_pages);
		KUNIT_EXPECT_GT(test, peak, pool->retired.max_pages -
				(long)ZS_MAX_PAGES_PER_ZSPAGE);
		KUNIT_EXPECT_EQ(test, zs_shrinker_count(pool->shrinker, &sc),
				retired_pages(pool));
		KUNIT_EXPECT_GT(test, zs_shrinker_scan(pool->shrinker, &sc), 0);
		KUNIT_EXPECT_EQ(test, retired_pages(pool), 0);
	}
	/* What is there when the pool goes. */
	retire_alloc(test, PAGE_SIZE);
	retire_free(test);
	KUNIT_EXPECT_EQ(test, retired_pages(pool), pool->retired.max_pages);
	enable_delayed_work(&pool->retired.work);
}

/*
 * Somebody migrates a page, and takes ten seconds for it. Nobody waits for him,
 * not even himself if he needs memory for it, and what has nothing to do with
 * his page does not pile up behind it.
 */
static void zs_retire_locked(struct kunit *test)
{
	struct retire_ctx *ctx = test->priv;
	struct shrink_control sc = { .nr_to_scan = LONG_MAX };
	unsigned long end = jiffies + 10 * HZ;
	struct zs_pool *pool = ctx->pool;
	unsigned int noreclaim;
	struct zpdesc *zpdesc;
	long held = 1;

	retire_alloc(test, PAGE_SIZE);
	obj_to_zpdesc(handle_to_obj(ctx->handle[0]), &zpdesc);
	zpdesc_get(zpdesc);
	zpdesc_lock(zpdesc);

	while (time_before(jiffies, end)) {
		KUNIT_EXPECT_LE(test, retire_free(test),
				pool->retired.max_pages + held);
		noreclaim = memalloc_noreclaim_save();
		zs_shrinker_scan(pool->shrinker, &sc);
		memalloc_noreclaim_restore(noreclaim);
		KUNIT_EXPECT_GE(test, retired_pages(pool), held);
		retire_alloc(test, PAGE_SIZE);
		msleep(20);
	}
	KUNIT_EXPECT_TRUE(test, all_returned_but(pool, held));

	zpdesc_unlock(zpdesc);
	zpdesc_put(zpdesc);
	KUNIT_EXPECT_TRUE(test, all_returned_but(pool, 0));
	retire_free(test);
}

static struct kunit_case zsmalloc_retire_test_cases[] = {
	KUNIT_CASE(zs_retire_worker),
	KUNIT_CASE(zs_retire_bound),
	KUNIT_CASE_SLOW(zs_retire_locked),
	{}
};

static struct kunit_suite zsmalloc_retire_test_suite = {
	.name = "zsmalloc_retire",
	.init = retire_init,
	.exit = retire_exit,
	.test_cases = zsmalloc_retire_test_cases,
};

kunit_test_suite(zsmalloc_retire_test_suite);

#ifdef CONFIG_ZSMALLOC_OBJCG
#define NR_TEST_OWNERS	3
#define NR_TEST_OBJS	1024

static const struct zs_acct test_acct = {
	.stored = NR_ZSWAP_B,
	.orig = NR_ZSWAPPED_B,
};

/* What there must be on a node, or what there was before the test. */
struct test_node {
	long pages;
	long objs;
	long bytes;
	long orig;
};

struct acct_ctx {
	struct zs_pool *pool;
	struct obj_cgroup owner[NR_TEST_OWNERS];
	unsigned long handle[NR_TEST_OBJS];	/* 0: not allocated */
	size_t size[NR_TEST_OBJS];
	struct test_node *before;
	struct test_node *expected;
	char data[PAGE_SIZE];
	char copy[PAGE_SIZE];
};

/* Some neighbours have the same owner, some have not. */
static struct obj_cgroup *test_owner(struct acct_ctx *ctx, int i)
{
	return &ctx->owner[i / 2 % NR_TEST_OWNERS];
}

static struct zspage *test_zspage(struct acct_ctx *ctx, int i,
				  unsigned int *idx)
{
	struct zpdesc *zpdesc;

	obj_to_location(handle_to_obj(ctx->handle[i]), &zpdesc, idx);
	return get_zspage(zpdesc);
}

/* With what the CPUs have not passed on yet. */
static long read_node_state(int nid, enum node_stat_item item)
{
	struct pglist_data *pgdat = NODE_DATA(nid);
	long value = atomic_long_read(&pgdat->vm_stat[item]);
	int cpu;

	for_each_online_cpu(cpu)
		value += per_cpu_ptr(pgdat->per_cpu_nodestats,
				     cpu)->vm_node_stat_diff[item];
	return value;
}

static struct test_node read_node(int nid)
{
	struct lruvec *lruvec = mem_cgroup_lruvec(root_mem_cgroup,
						  NODE_DATA(nid));

	return (struct test_node) {
		.pages = read_node_state(nid, NR_ZSWAP_B),
		.objs = read_node_state(nid, NR_ZSWAPPED_B),
		.bytes = lruvec_page_state(lruvec, NR_ZSWAP_B),
		.orig = lruvec_page_state(lruvec, NR_ZSWAPPED_B),
	};
}

static void free_ctx(void *arg)
{
	struct acct_ctx *ctx = arg;
	int i;

	for (i = 0; i < NR_TEST_OBJS; i++)
		zs_free_objcg(ctx->pool, ctx->handle[i]);
	zs_destroy_pool(ctx->pool);
}

/* Nobody else uses zswap: these tests run before user space does. */
static int acct_init(struct kunit *test)
{
	struct acct_ctx *ctx;
	int i, nid;

	if (mem_cgroup_disabled() ||
	    !cgroup_subsys_on_dfl(memory_cgrp_subsys))
		kunit_skip(test, "no memory cgroups of version 2");

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->before = kunit_kcalloc(test, nr_node_ids, sizeof(*ctx->before),
				    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->before);
	ctx->expected = kunit_kcalloc(test, nr_node_ids,
				      sizeof(*ctx->expected), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->expected);
	memset(ctx->data, 0xa5, sizeof(ctx->data));
	test->priv = ctx;

	/* Owners of the root are not charged, and have no references. */
	for (i = 0; i < NR_TEST_OWNERS; i++) {
		ctx->owner[i].memcg = root_mem_cgroup;
		ctx->owner[i].is_root = true;
	}

	css_rstat_flush(&root_mem_cgroup->css);
	for_each_node_state(nid, N_MEMORY)
		ctx->before[nid] = read_node(nid);

	ctx->pool = zs_create_acct_pool("kunit", &test_acct);
	KUNIT_ASSERT_NOT_NULL(test, ctx->pool);
	return kunit_add_action_or_reset(test, free_ctx, ctx);
}

static void test_alloc(struct kunit *test, int i, size_t size, int nid)
{
	struct acct_ctx *ctx = test->priv;
	unsigned long handle;

	handle = zs_malloc_objcg(ctx->pool, size, GFP_KERNEL | __GFP_HIGHMEM |
				 __GFP_MOVABLE, nid, test_owner(ctx, i));
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(handle));
	ctx->handle[i] = handle;
	ctx->size[i] = size;
	ctx->data[0] = i;
	zs_obj_write(ctx->pool, handle, ctx->data, size);
}

static void test_free(struct kunit *test, int i)
{
	struct acct_ctx *ctx = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, zs_free_objcg(ctx->pool, ctx->handle[i]),
			    test_owner(ctx, i));
	ctx->handle[i] = 0;
}

/* Objects of one size, from zspages of all nodes in turn. */
static void fill_class(struct kunit *test, size_t size, int nr)
{
	int i, nid = first_memory_node;

	for (i = 0; i < nr; i++) {
		test_alloc(test, i, size, nid);
		nid = next_node_in(nid, node_states[N_MEMORY]);
	}
}

static void free_class(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	int i;

	for (i = 0; i < NR_TEST_OBJS; i++)
		if (ctx->handle[i])
			test_free(test, i);
}

/* Slot and content are those of object @i. */
static void expect_obj(struct kunit *test, int i)
{
	struct acct_ctx *ctx = test->priv;
	struct zspage *zspage;
	unsigned int idx;
	void *data;

	zspage = test_zspage(ctx, i, &idx);
	KUNIT_EXPECT_PTR_EQ_MSG(test, *zspage_slot(zspage, idx),
				test_owner(ctx, i), "object %d", i);

	ctx->data[0] = i;
	data = zs_obj_read_begin(ctx->pool, ctx->handle[i], ctx->size[i],
				 ctx->copy);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(data, ctx->data, ctx->size[i]), 0,
			    "content of object %d", i);
	zs_obj_read_end(ctx->pool, ctx->handle[i], ctx->size[i], data);
}

/* With its first object, count the pages of a zspage; in it, slots in use. */
static void count_zspage(struct kunit *test, struct zspage *zspage,
			 unsigned int idx)
{
	struct acct_ctx *ctx = test->priv;
	struct size_class *class = zspage_class(ctx->pool, zspage);
	struct zpdesc *zpdesc;
	unsigned int i, used = 0;

	for (i = 0; i < class->objs_per_zspage; i++) {
		if (*zspage_slot(zspage, i) && !used++ && i != idx)
			return;
	}
	KUNIT_EXPECT_EQ(test, used, get_zspage_inuse(zspage));

	for (zpdesc = get_first_zpdesc(zspage); zpdesc;
	     zpdesc = get_next_zpdesc(zpdesc))
		ctx->expected[zpdesc_nid(zpdesc)].pages++;
}

/* Find the pages below object @i, without what zsmalloc finds them with. */
static void count_obj(struct kunit *test, int i)
{
	struct acct_ctx *ctx = test->priv;
	unsigned long begin, end, border, orig;
	struct zspage *zspage;
	struct zpdesc *zpdesc;
	struct test_node *node;
	unsigned int idx, size;

	zspage = test_zspage(ctx, i, &idx);
	size = zspage_class(ctx->pool, zspage)->size;
	begin = (unsigned long)size * idx;
	end = begin + size;

	zpdesc = get_first_zpdesc(zspage);
	for (border = PAGE_SIZE; border <= begin; border += PAGE_SIZE)
		zpdesc = get_next_zpdesc(zpdesc);

	node = &ctx->expected[zpdesc_nid(zpdesc)];
	orig = PAGE_SIZE * (min(end, border) - begin) / size;
	node->objs++;
	node->bytes += min(end, border) - begin;
	node->orig += orig;
	if (end > border) {
		node = &ctx->expected[zpdesc_nid(get_next_zpdesc(zpdesc))];
		node->bytes += end - border;
		node->orig += PAGE_SIZE - orig;
	}
	count_zspage(test, zspage, idx);
}

#ifdef CONFIG_COMPACTION
/* What the core does to move a page to another node. */
static void move_page(struct kunit *test, struct page *page, int nid)
{
	struct page *newpage;

	newpage = alloc_pages_node(nid, GFP_KERNEL | __GFP_HIGHMEM |
				   __GFP_MOVABLE | __GFP_THISNODE, 0);
	KUNIT_ASSERT_NOT_NULL(test, newpage);

	get_page(page);
	lock_page(newpage);
	lock_page(page);
	KUNIT_EXPECT_TRUE(test, zsmalloc_mops.isolate_page(page, 0));
	KUNIT_EXPECT_EQ(test, 0, zsmalloc_mops.migrate_page(newpage, page,
							    MIGRATE_SYNC));
	unlock_page(page);
	unlock_page(newpage);
	put_page(newpage);
	put_page(page);
}
#endif

/* Retired pages are there, and hold no objects. Compaction may have some locked. */
static void free_retired(struct zs_retired *retired)
{
	int tries = 200;

	for (flush_delayed_work(&retired->work);
	     !llist_empty(&retired->list) && tries; tries--) {
		msleep(20);
		flush_delayed_work(&retired->work);
	}
}

/* All objects are what they were, and the counters what there is of them. */
static void expect_all(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	int i, nid;

	free_retired(&ctx->pool->retired);
	memset(ctx->expected, 0, nr_node_ids * sizeof(*ctx->expected));
	for (i = 0; i < NR_TEST_OBJS; i++) {
		if (!ctx->handle[i])
			continue;
		expect_obj(test, i);
		count_obj(test, i);
	}

	css_rstat_flush(&root_mem_cgroup->css);
	for_each_node_state(nid, N_MEMORY) {
		struct test_node *expected = &ctx->expected[nid];
		struct test_node *before = &ctx->before[nid];
		struct test_node found = read_node(nid);

		KUNIT_EXPECT_EQ_MSG(test, found.pages - before->pages,
				    expected->pages, "pages of node %d", nid);
		KUNIT_EXPECT_EQ_MSG(test, found.objs - before->objs,
				    expected->objs, "objects of node %d", nid);
		KUNIT_EXPECT_EQ_MSG(test, found.bytes - before->bytes,
				    expected->bytes, "bytes of node %d", nid);
		KUNIT_EXPECT_EQ_MSG(test, found.orig - before->orig,
				    expected->orig,
				    "original bytes of node %d", nid);
	}
}

/* Sizes of data whose classes do and don't straddle, and huge ones. */
static const size_t test_sizes[] = {
	24, PAGE_SIZE / 8, PAGE_SIZE / 5, PAGE_SIZE / 3, PAGE_SIZE / 4 * 3 - 8,
	PAGE_SIZE / 16 * 14, PAGE_SIZE / 16 * 15, PAGE_SIZE,
};

static void zs_acct_slots(struct kunit *test)
{
	int s, i;

	for (s = 0; s < ARRAY_SIZE(test_sizes); s++) {
		fill_class(test, test_sizes[s], 256);
		expect_all(test);
		for (i = 0; i < 256; i++)
			if (i % 3)
				test_free(test, i);
		expect_all(test);
		/* Into the slots that are free again, with other owners. */
		for (i = 256; i < 512; i++)
			test_alloc(test, i, test_sizes[s], NUMA_NO_NODE);
		expect_all(test);
		free_class(test);
		expect_all(test);
	}
}

/* The objects of several sizes together, in calls of several lengths. */
static void zs_acct_free_many(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	struct obj_cgroup *objcgs[32];
	int nr, i, j;

	for (nr = 1; nr <= ARRAY_SIZE(objcgs); nr *= 2) {
		for (i = 0; i < 256; i++)
			test_alloc(test, i,
				   test_sizes[i / 7 % ARRAY_SIZE(test_sizes)],
				   NUMA_NO_NODE);
		expect_all(test);
		for (i = 0; i < 256; i += nr) {
			zs_free_objcgs(ctx->pool, &ctx->handle[i], objcgs, nr);
			for (j = 0; j < nr; j++) {
				KUNIT_EXPECT_PTR_EQ(test, objcgs[j],
						    test_owner(ctx, i + j));
				ctx->handle[i + j] = 0;
			}
			if (i % 64 == 0)
				expect_all(test);
		}
		expect_all(test);
	}
}

static void zs_acct_huge(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	struct zspage *zspage;
	unsigned int idx;

	test_alloc(test, 0, PAGE_SIZE, NUMA_NO_NODE);
	test_alloc(test, 1, zs_huge_class_size(ctx->pool), NUMA_NO_NODE);
	expect_all(test);
	for (int i = 0; i < 2; i++) {
		zspage = test_zspage(ctx, i, &idx);
		KUNIT_EXPECT_TRUE(test, zspage->huge);
		KUNIT_EXPECT_EQ(test, idx, 0);
		KUNIT_EXPECT_PTR_EQ(test, zspage->huge_objcg,
				    test_owner(ctx, i));
	}
	free_class(test);
	expect_all(test);
}

static void zs_acct_object_moves(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	unsigned int idx;
	bool several;
	int s, i;

	for (s = 0; s < ARRAY_SIZE(test_sizes); s++) {
		fill_class(test, test_sizes[s], NR_TEST_OBJS);
		/* A page of 64 KiB may hold them all. */
		several = zspage_class(ctx->pool, test_zspage(ctx, 0, &idx))->objs_per_zspage <
			  NR_TEST_OBJS / 2;
		for (i = 0; i < NR_TEST_OBJS; i++)
			if (i % 4)
				test_free(test, i);
		if (several && test_sizes[s] < zs_huge_class_size(ctx->pool))
			KUNIT_EXPECT_GT(test, zs_compact(ctx->pool), 0);
		expect_all(test);
		free_class(test);
		expect_all(test);
	}
}

#ifdef CONFIG_COMPACTION
/* Each page of the zspage of object @i, to the next node with memory. */
static void move_zspage(struct kunit *test, int i)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE];
	unsigned int idx, p, nr = 0;
	struct zpdesc *zpdesc;
	int nid;

	zpdesc = get_first_zpdesc(test_zspage(test->priv, i, &idx));
	for (; zpdesc; zpdesc = get_next_zpdesc(zpdesc))
		pages[nr++] = zpdesc_page(zpdesc);

	for (p = 0; p < nr; p++) {
		nid = next_node_in(page_to_nid(pages[p]),
				   node_states[N_MEMORY]);
		move_page(test, pages[p], nid);
		expect_all(test);
	}
}

static void zs_acct_page_moves(struct kunit *test)
{
	int s, i;

	for (s = 0; s < ARRAY_SIZE(test_sizes); s++) {
		fill_class(test, test_sizes[s], 256);
		/* A straddler may be free. */
		for (i = 1; i < 256; i += 5)
			test_free(test, i);
		move_zspage(test, 0);
		move_zspage(test, 130);
		free_class(test);
		expect_all(test);
	}
}

/* Pages that wait to be freed are still somewhere. */
static void zs_acct_retired_moves(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	struct zs_retired *retired = &ctx->pool->retired;
	int nid, target = first_node(node_states[N_MEMORY]);
	struct zpdesc *zpdesc, *next;
	struct zspage *zspage;

	if (num_online_cpus() == 1)
		kunit_skip(test, "nothing is retired with one CPU");

	retired->burst_pages = 0;
	disable_delayed_work_sync(&retired->work);
	fill_class(test, PAGE_SIZE / 3, 256);
	free_class(test);
	KUNIT_EXPECT_FALSE(test, llist_empty(&retired->list));

	memset(ctx->expected, 0, nr_node_ids * sizeof(*ctx->expected));
	llist_for_each_entry(zspage, retired->list.first, retired) {
		for (zpdesc = get_first_zpdesc(zspage); zpdesc; zpdesc = next) {
			next = get_next_zpdesc(zpdesc);
			move_page(test, zpdesc_page(zpdesc), target);
			ctx->expected[target].pages++;
		}
	}
	for_each_node_state(nid, N_MEMORY)
		KUNIT_EXPECT_EQ(test, read_node(nid).pages,
				ctx->before[nid].pages +
				ctx->expected[nid].pages);

	enable_delayed_work(&retired->work);
	mod_delayed_work(zs_wq, &retired->work, 0);
	expect_all(test);
}

/* The second page of each zspage, to another node than the first. */
static void part_zspages(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	struct zpdesc *first, *second;
	unsigned int idx;
	int i, nid;

	for (i = 0; i < NR_TEST_OBJS; i++) {
		first = get_first_zpdesc(test_zspage(ctx, i, &idx));
		second = get_next_zpdesc(first);
		nid = zpdesc_nid(first);
		if (second && zpdesc_nid(second) == nid)
			move_page(test, zpdesc_page(second),
				  next_node_in(nid, node_states[N_MEMORY]));
	}
}

/* Objects that straddle nodes move to where they are divided in another way. */
static void zs_acct_straddlers(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	int s, i;

	if (num_node_state(N_MEMORY) < 2)
		kunit_skip(test, "requires two nodes with memory");

	for (s = 0; s < ARRAY_SIZE(test_sizes); s++) {
		fill_class(test, test_sizes[s], NR_TEST_OBJS);
		part_zspages(test);
		expect_all(test);
		for (i = 0; i < NR_TEST_OBJS; i++)
			if (i % 4)
				test_free(test, i);
		zs_compact(ctx->pool);
		expect_all(test);
		free_class(test);
		expect_all(test);
	}
}

static void zs_acct_page_moves_nodes(struct kunit *test)
{
	if (num_node_state(N_MEMORY) < 2)
		kunit_skip(test, "requires two nodes with memory");
	zs_acct_page_moves(test);
}
#endif

/* 16 MiB of slots, if they were not freed, would be seen. */
static void zs_acct_arrays(struct kunit *test)
{
	unsigned long before, after, slots;
	struct acct_ctx *ctx = test->priv;
	unsigned int round, idx;
	struct size_class *class;

	if (IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "KASAN holds back freed memory");

	test_alloc(test, 0, 24, NUMA_NO_NODE);
	class = zspage_class(ctx->pool, test_zspage(ctx, 0, &idx));
	slots = class->objs_per_zspage * sizeof(struct obj_cgroup *);
	test_free(test, 0);

	before = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	for (round = 0; round < SZ_16M / slots; round++) {
		test_alloc(test, 0, 24, NUMA_NO_NODE);
		test_free(test, 0);
	}
	after = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	KUNIT_EXPECT_LT(test, after, before + SZ_16M / 2 / PAGE_SIZE);
}

static int charge_none(struct obj_cgroup *objcg, gfp_t gfp, size_t size)
{
	return -ENOMEM;
}

/* What nobody pays for is not stored, and leaves nothing. */
static void zs_acct_charge_fails(struct kunit *test)
{
	struct acct_ctx *ctx = test->priv;
	unsigned long handle;

	fill_class(test, PAGE_SIZE / 3, 8);
	kunit_activate_static_stub(test, acct_charge, charge_none);
	for (int s = 0; s < ARRAY_SIZE(test_sizes); s++) {
		handle = zs_malloc_objcg(ctx->pool, test_sizes[s], GFP_KERNEL,
					 NUMA_NO_NODE, &ctx->owner[0]);
		KUNIT_EXPECT_EQ(test, (long)handle, -ENOMEM);
		expect_all(test);
	}
	kunit_deactivate_static_stub(test, acct_charge);

	test_alloc(test, 8, PAGE_SIZE / 3, NUMA_NO_NODE);
	expect_all(test);
}

static struct kunit_case zsmalloc_acct_test_cases[] = {
	KUNIT_CASE(zs_acct_slots),
	KUNIT_CASE(zs_acct_free_many),
	KUNIT_CASE(zs_acct_huge),
	KUNIT_CASE(zs_acct_object_moves),
#ifdef CONFIG_COMPACTION
	KUNIT_CASE(zs_acct_page_moves),
	KUNIT_CASE(zs_acct_retired_moves),
	KUNIT_CASE(zs_acct_page_moves_nodes),
	KUNIT_CASE(zs_acct_straddlers),
#endif
	KUNIT_CASE(zs_acct_arrays),
	KUNIT_CASE(zs_acct_charge_fails),
	{}
};

static struct kunit_suite zsmalloc_acct_test_suite = {
	.name = "zsmalloc_acct",
	.init = acct_init,
	.test_cases = zsmalloc_acct_test_cases,
};

kunit_test_suite(zsmalloc_acct_test_suite);
#endif /* CONFIG_ZSMALLOC_OBJCG */
