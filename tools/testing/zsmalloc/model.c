// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * What tests know of each object, and what the counters must be in
 * consequence. Nothing here is taken from the accounting of zsmalloc: the
 * model finds the pages below an object by walking them, divides its bytes by
 * its own rule, and adds everything up.
 */

#define NR_OBJECTS		4096

enum { ZRAM, ZSWAP, NR_POOLS };	/* plain and accounted pool, owners of pages */

struct placement {
	unsigned int size;		/* of the slot */
	int nid[2];
	long bytes[2];			/* of the slot */
	long orig[2];			/* of the page it stands for */
};

struct object {
	unsigned long handle;
	struct obj_cgroup *objcg;	/* NULL in the plain pool */
	unsigned int size;		/* as asked for, 0: this entry is free */
	unsigned int data;		/* offset of the content in pattern[] */
	int pool;
	struct placement place;
};

struct model {
	struct memcg_counters memcg[NR_TEST_MEMCGS];
	long nr_refs[NR_TEST_OBJCGS];
	long nr_starting[NR_TEST_NODES];	/* accounted objects on the node */
	long nr_objects[NR_POOLS];
};

/* What must be the same after a failed allocation as before it. */
struct resources {
	long pool_pages[NR_POOLS];
	long nr_pages[NR_POOLS][NR_TEST_NODES];
	long nr_handles;
	long nr_zspages;
	long nr_kmalloc;
	int atomic_depth;
	int kmap_depth;
};

static struct zs_pool *pools[NR_POOLS];
static struct object objects[NR_OBJECTS];
static struct model model;
static long base_kmalloc;	/* allocations made by creating the pools */
static unsigned char pattern[2 * PAGE_SIZE + 4096];

/* For the reports. */
static u64 seed;
static unsigned long operation;
static const char *operation_name;

static __noreturn __printf(1, 2) void test_fail(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	abort();
}

#define expect(cond)							\
do {									\
	if (!(cond))							\
		test_fail("%s:%d: expected %s", __func__, __LINE__, #cond); \
} while (0)

#define expect_eq(found, expected, fmt, ...)				\
do {									\
	long __found = (found), __expected = (expected);		\
									\
	if (__found != __expected)					\
		test_fail("%s:%d: " fmt ": expected %ld, found %ld",	\
			  __func__, __LINE__, ##__VA_ARGS__,		\
			  __expected, __found);				\
} while (0)

/* Without memory cgroups, or with them disabled, no slot and no statistics. */
static bool tracked(void)
{
	return IS_ENABLED(CONFIG_MEMCG) && !test_memcg_disabled;
}

static struct zspage *object_zspage(const struct object *object, unsigned int *idx)
{
	struct zpdesc *zpdesc;

	obj_to_location(handle_to_obj(object->handle), &zpdesc, idx);
	return get_zspage(zpdesc);
}

static struct size_class *object_class(const struct object *object)
{
	unsigned int idx;

	return zspage_class(pools[object->pool], object_zspage(object, &idx));
}

#ifdef CONFIG_MEMCG
static struct obj_cgroup *read_slot(struct zspage *zspage, unsigned int idx)
{
	return zspage->huge ? zspage->huge_objcg : zspage->objcgs[idx];
}
#else
static struct obj_cgroup *read_slot(struct zspage *zspage, unsigned int idx)
{
	return NULL;
}
#endif

/* Walk the pages of the zspage, and see how much of the slot is on each. */
static struct placement find_place(const struct object *object)
{
	unsigned int idx, nr_parts = 0;
	struct zspage *zspage = object_zspage(object, &idx);
	struct zpdesc *zpdesc = get_first_zpdesc(zspage);
	struct placement place = { .size = object_class(object)->size };
	long start = (long)place.size * idx;
	long end = start + place.size;
	long pos;

	for (pos = 0; zpdesc && pos < end; pos += PAGE_SIZE) {
		long from = start > pos ? start : pos;
		long to = end < pos + (long)PAGE_SIZE ? end : pos + (long)PAGE_SIZE;

		if (from < to) {
			expect(nr_parts < 2);
			place.nid[nr_parts] = page_to_nid(zpdesc_page(zpdesc));
			place.bytes[nr_parts++] = to - from;
		}
		zpdesc = get_next_zpdesc(zpdesc);
	}
	expect_eq(place.bytes[0] + place.bytes[1], place.size, "bytes found");

	place.orig[0] = place.bytes[0] * PAGE_SIZE / place.size;
	place.orig[1] = PAGE_SIZE - place.orig[0];
	return place;
}

/* Add an object to the model (sign 1), or take it out (sign -1). */
static void model_add(const struct object *object, int sign)
{
	const struct placement *place = &object->place;
	struct memcg_counters *counters;
	int i;

	model.nr_objects[object->pool] += sign;
	if (object->pool != ZSWAP)
		return;

	model.nr_starting[place->nid[0]] += sign;
	if (!object->objcg)
		return;

	model.nr_refs[object->objcg - test_objcgs] += sign;
	counters = &model.memcg[object->objcg->memcg - test_memcgs];
	if (!obj_cgroup_is_root(object->objcg))
		counters->charge += sign * (long)place->size;
	for (i = 0; i < 2; i++) {
		counters->stat[place->nid[i]][NR_ZSWAP_B] += sign * place->bytes[i];
		counters->stat[place->nid[i]][NR_ZSWAPPED_B] += sign * place->orig[i];
	}
}

static struct resources read_resources(void)
{
	struct resources res = {
		.nr_handles = handle_cachep->nr_alive,
		.nr_zspages = zspage_cachep->nr_alive,
		.nr_kmalloc = test_kmalloc_alive,
		.atomic_depth = test_atomic_depth,
		.kmap_depth = kmap_depth,
	};
	int i;

	for (i = 0; i < NR_POOLS; i++)
		res.pool_pages[i] = zs_get_total_pages(pools[i]);
	memcpy(res.nr_pages, nr_pages_used, sizeof(res.nr_pages));
	return res;
}

/* The counters, after every operation. */
static void verify_counters(void)
{
	long nr_pages[NR_POOLS] = {};
	int i, nid, item;

	for (i = 0; i < NR_TEST_MEMCGS; i++) {
		const struct memcg_counters *found = &test_memcgs[i].counters;
		const struct memcg_counters *expected = &model.memcg[i];

		if (!memcmp(found, expected, sizeof(*found)))
			continue;
		expect_eq(found->charge, expected->charge, "charge of cgroup %d", i);
		for (nid = 0; nid < NR_TEST_NODES; nid++)
			for (item = 0; item < NR_VM_NODE_STAT_ITEMS; item++)
				expect_eq(found->stat[nid][item],
					  expected->stat[nid][item],
					  "%s bytes of cgroup %d on node %d",
					  item == NR_ZSWAP_B ? "stored" : "original",
					  i, nid);
	}

	for (i = 0; i < NR_TEST_OBJCGS; i++)
		expect_eq(test_objcgs[i].refs, 1 + model.nr_refs[i],
			  "references of objcg %d", i);

	for (nid = 0; nid < NR_TEST_NODES; nid++) {
		const struct pglist_data *node = NODE_DATA(nid);

		nr_pages[ZRAM] += nr_pages_used[ZRAM][nid];
		nr_pages[ZSWAP] += nr_pages_used[ZSWAP][nid];
		expect_eq(node->zone.vm_stat[NR_ZSPAGES],
			  nr_pages_used[ZRAM][nid] + nr_pages_used[ZSWAP][nid],
			  "nr_zspages of node %d", nid);
		expect_eq(node->vm_stat[NR_ZSWAP_B], nr_pages_used[ZSWAP][nid],
			  "nr_zswap of node %d", nid);
		expect_eq(node->vm_stat[NR_ZSWAPPED_B], model.nr_starting[nid],
			  "nr_zswapped of node %d", nid);
	}

	for (i = 0; i < NR_POOLS; i++)
		expect_eq(zs_get_total_pages(pools[i]), nr_pages[i],
			  "pages of pool %d", i);
	expect_eq(handle_cachep->nr_alive,
		  model.nr_objects[ZRAM] + model.nr_objects[ZSWAP], "handles");
	expect_eq(test_atomic_depth, 0, "locks held");
}

/* One object: class, slot and content. */
static void verify_object(const struct object *object)
{
	struct zs_pool *pool = pools[object->pool];
	struct size_class *class = object_class(object);
	unsigned int idx;
	struct zspage *zspage = object_zspage(object, &idx);
	static char copy[PAGE_SIZE];
	void *data;

	expect_eq(class->size, object->place.size, "size of the class");
	expect(class->size >= min(object->size + ZS_HANDLE_SIZE, PAGE_SIZE));
	expect_eq(zs_lookup_class_index(pool, object->size), class->index, "class");
	expect(idx < class->objs_per_zspage);
	expect(zspage->pool == pool);
	if (object->objcg && read_slot(zspage, idx) != object->objcg)
		test_fail("slot %u of a zspage of %d: expected objcg %td, found %p (objcg 0 is %p)",
			  idx, class->objs_per_zspage, object->objcg - test_objcgs,
			  read_slot(zspage, idx), test_objcgs);

	data = zs_obj_read_begin(pool, object->handle, object->size, copy);
	if (memcmp(data, pattern + object->data, object->size))
		test_fail("content of object %td is lost", object - objects);
	zs_obj_read_end(pool, object->handle, object->size, data);
}

/* Everything from scratch: each object where it is now, each zspage, each slot. */
static void verify_all(void)
{
	long nr_slots = 0, nr_arrays = 0, nr_zspages = 0, nr_objcgs = 0;
	struct zspage *zspage;
	struct object *object;
	int pool, i, fg, idx;

	memset(&model, 0, sizeof(model));
	for (object = objects; object < objects + NR_OBJECTS; object++) {
		if (!object->size)
			continue;
		object->place = find_place(object);
		model_add(object, 1);
		verify_object(object);
		nr_objcgs += !!object->objcg;
	}
	verify_counters();

	for (pool = 0; pool < NR_POOLS; pool++) {
		for (i = 0; i < ZS_SIZE_CLASSES; i++) {
			struct size_class *class = pools[pool]->size_class[i];

			if (class->index != i)
				continue;
			for (fg = 0; fg < NR_FULLNESS_GROUPS; fg++) {
				list_for_each_entry(zspage, &class->fullness_list[fg], list) {
					nr_zspages++;
					if (pool != ZSWAP || !tracked())
						continue;
					nr_arrays += !zspage->huge;
					for (idx = 0; idx < class->objs_per_zspage; idx++)
						nr_slots += !!read_slot(zspage, idx);
				}
			}
		}
	}
	/* Each object's slot is right, so as many slots means no other is in use. */
	expect_eq(nr_slots, nr_objcgs, "slots in use");
	expect_eq(zspage_cachep->nr_alive, nr_zspages, "zspages");
	expect_eq(test_kmalloc_alive - base_kmalloc, nr_arrays, "arrays of slots");
}

static void open_pools(void)
{
	static const struct zs_acct acct = { .stored = NR_ZSWAP_B, .orig = NR_ZSWAPPED_B };

	pools[ZRAM] = zs_create_pool("zram0");
	pools[ZSWAP] = zs_create_acct_pool("zswap0", &acct);
	expect(pools[ZRAM] && pools[ZSWAP]);
	base_kmalloc = test_kmalloc_alive;
	verify_all();
}

/* Allocate and write an object. Returns 0, or an error that left no trace. */
static int object_alloc(struct object *object, int pool, unsigned int size,
			struct obj_cgroup *objcg, int nid)
{
	struct resources before = read_resources(), after;
	gfp_t gfp = test_random() % 2 ? GFP_NOWAIT : GFP_NOIO;
	unsigned long handle;

	operation_name = "alloc";
	test_page_owner = pool;
	gfp |= __GFP_HIGHMEM | __GFP_MOVABLE;
	if (pool == ZSWAP)
		handle = zs_malloc_objcg(pools[pool], size, gfp, nid,
					 tracked() ? objcg : NULL);
	else
		handle = zs_malloc(pools[pool], size, gfp, nid);

	if (IS_ERR_VALUE(handle)) {
		after = read_resources();
		if (memcmp(&before, &after, sizeof(before))) {
			expect_eq(after.nr_handles, before.nr_handles, "handles");
			expect_eq(after.nr_zspages, before.nr_zspages, "zspages");
			expect_eq(after.nr_kmalloc, before.nr_kmalloc, "arrays");
			test_fail("a failed allocation left pages, locks or mappings");
		}
		verify_counters();
		return (long)handle;
	}

	object->handle = handle;
	object->pool = pool;
	object->size = size;
	object->objcg = pool == ZSWAP && tracked() ? objcg : NULL;
	object->data = test_random() % (sizeof(pattern) - size);
	zs_obj_write(pools[pool], handle, pattern + object->data, size);

	object->place = find_place(object);
	model_add(object, 1);
	verify_counters();
	verify_object(object);
	return 0;
}

static void object_free(struct object *object)
{
	struct obj_cgroup *objcg;

	verify_object(object);
	operation_name = "free";
	if (object->pool == ZSWAP) {
		objcg = zs_free_objcg(pools[ZSWAP], object->handle);
		expect(objcg == object->objcg);
		if (objcg)
			obj_cgroup_put(objcg);
	} else {
		zs_free(pools[object->pool], object->handle);
	}
	model_add(object, -1);
	object->size = 0;
	verify_counters();
}

static void free_all(void)
{
	int i;

	for (i = 0; i < NR_OBJECTS; i++)
		if (objects[i].size)
			object_free(&objects[i]);
}

/* Everything must be gone, and every counter 0. */
static void close_pools(void)
{
	static const struct memcg_counters zero;
	int i;

	free_all();
	for (i = 0; i < NR_POOLS; i++)
		flush_work(&pools[i]->free_work);
	verify_all();
	for (i = 0; i < NR_TEST_MEMCGS; i++)
		expect(!memcmp(&test_memcgs[i].counters, &zero, sizeof(zero)));
	for (i = 0; i < NR_POOLS; i++) {
		expect_eq(zs_get_total_pages(pools[i]), 0, "pages of pool %d", i);
		zs_destroy_pool(pools[i]);
	}
	expect_eq(test_kmalloc_alive, 0, "allocations");
	expect_eq(kmap_depth, 0, "mappings");
}
