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

/* Objects on a node, of a pool or of a cgroup. */
struct node_model {
	long nr_starting;	/* that begin there */
	long nr_straddling;	/* of these, that end on another node */
	long bytes;
	long orig;
};

struct model {
	struct node_model node[NR_POOLS][NR_TEST_NODES];
	struct node_model owner[NR_TEST_MEMCGS][NR_TEST_NODES];
	long charge[NR_TEST_MEMCGS];
	long nr_refs[NR_TEST_OBJCGS];
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
static unsigned long seed;
static __thread unsigned long operation;
static __thread const char *operation_name;

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

/* The pages of an object's zspage. */
static unsigned int __maybe_unused object_pages(const struct object *object,
						struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE])
{
	unsigned int idx, nr = 0;
	struct zpdesc *zpdesc = get_first_zpdesc(object_zspage(object, &idx));

	for (; zpdesc; zpdesc = get_next_zpdesc(zpdesc))
		pages[nr++] = zpdesc_page(zpdesc);
	return nr;
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

static void node_model_add(struct node_model *node, const struct placement *place, int sign)
{
	bool straddles = place->bytes[1] && place->nid[0] != place->nid[1];
	int i;

	node[place->nid[0]].nr_starting += sign;
	node[place->nid[0]].nr_straddling += sign * straddles;
	for (i = 0; i < 2; i++) {
		node[place->nid[i]].bytes += sign * place->bytes[i];
		node[place->nid[i]].orig += sign * place->orig[i];
	}
}

/* Add an object to the model (sign 1), or take it out (sign -1). */
static void model_add(const struct object *object, int sign)
{
	const struct obj_cgroup *objcg = object->objcg;
	int memcg;

	model.nr_objects[object->pool] += sign;
	node_model_add(model.node[object->pool], &object->place, sign);
	if (!objcg)
		return;

	memcg = objcg->memcg - test_memcgs;
	model.nr_refs[objcg - test_objcgs] += sign;
	if (!obj_cgroup_is_root(objcg))
		model.charge[memcg] += sign * (long)object->place.size;
	node_model_add(model.owner[memcg], &object->place, sign);
}

/* Empty zspages that wait for the worker. */
struct retired {
	long nr_zspages;
	long nr_arrays;		/* of slots */
	long nr_pages[NR_TEST_NODES];
};

static struct retired count_retired(int pool)
{
	struct retired retired = {};
	struct llist_node *node;

	for (node = pools[pool]->retired.list.first; node; node = node->next) {
		struct zspage *zspage = container_of(node, struct zspage, retired);
		struct zpdesc *zpdesc = get_first_zpdesc(zspage);

		expect_eq(zspage->inuse, 0, "objects of a retired zspage");
		retired.nr_zspages++;
		retired.nr_arrays += pool == ZSWAP && tracked() && !zspage->huge;
		for (; zpdesc; zpdesc = get_next_zpdesc(zpdesc))
			retired.nr_pages[zpdesc_nid(zpdesc)]++;
	}
	return retired;
}

/* The same as zsmalloc has it. */
static long nr_retired_pages(int pool)
{
	return atomic_long_read(&pools[pool]->retired.pages);
}

/* Retired zspages are not among them: they go if an allocation needs them. */
static struct resources read_resources(void)
{
	struct resources res = {
		.nr_handles = handle_cachep->nr_alive,
		.nr_zspages = zspage_cachep->nr_alive,
		.nr_kmalloc = test_kmalloc_alive,
		.atomic_depth = test_atomic_depth,
		.kmap_depth = kmap_depth,
	};
	int i, nid;

	memcpy(res.nr_pages, nr_pages_used, sizeof(res.nr_pages));
	for (i = 0; i < NR_POOLS; i++) {
		struct retired retired = count_retired(i);

		res.pool_pages[i] = zs_get_total_pages(pools[i]);
		res.nr_zspages -= retired.nr_zspages;
		res.nr_kmalloc -= retired.nr_arrays;
		for (nid = 0; nid < NR_TEST_NODES; nid++)
			res.nr_pages[i][nid] -= retired.nr_pages[nid];
	}
	return res;
}

static void free_retired(struct zs_pool *pool)
{
	flush_delayed_work(&pool->retired.work);
}

/* The counters, after every operation. */
static void verify_counters(void)
{
	long nr_pages[NR_POOLS] = {};
	int i, nid;

	for (i = 0; i < NR_TEST_MEMCGS; i++) {
		const struct memcg_counters *found = &test_memcgs[i].counters;
		const struct node_model *node = model.owner[i];

		expect_eq(found->charge, model.charge[i], "charge of cgroup %d", i);
		for (nid = 0; nid < NR_TEST_NODES; nid++) {
			expect_eq(found->stat[nid][NR_ZSWAP_B], node[nid].bytes,
				  "stored bytes of cgroup %d on node %d", i, nid);
			expect_eq(found->stat[nid][NR_ZSWAPPED_B], node[nid].orig,
				  "original bytes of cgroup %d on node %d", i, nid);
		}
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
		expect_eq(node->vm_stat[NR_ZSWAPPED_B], model.node[ZSWAP][nid].nr_starting,
			  "nr_zswapped of node %d", nid);
	}

	for (i = 0; i < NR_POOLS; i++)
		expect_eq(zs_get_total_pages(pools[i]) + nr_retired_pages(i), nr_pages[i],
			  "pages of pool %d", i);
	expect_eq(handle_cachep->nr_alive,
		  model.nr_objects[ZRAM] + model.nr_objects[ZSWAP], "handles");
	expect_eq(test_atomic_depth, 0, "locks held");
}

static void verify_content(const struct object *object)
{
	static __thread char copy[PAGE_SIZE];
	struct zs_pool *pool = pools[object->pool];
	void *data = zs_obj_read_begin(pool, object->handle, object->size, copy);

	if (memcmp(data, pattern + object->data, object->size))
		test_fail("content of object %td is lost", object - objects);
	zs_obj_read_end(pool, object->handle, object->size, data);
}

/* One object: class, slot and content. */
static void verify_object(const struct object *object)
{
	struct zs_pool *pool = pools[object->pool];
	struct size_class *class = object_class(object);
	unsigned int idx;
	struct zspage *zspage = object_zspage(object, &idx);

	expect_eq(class->size, object->place.size, "size of the class");
	expect(class->size >= min(object->size + ZS_HANDLE_SIZE, PAGE_SIZE));
	expect_eq(zs_lookup_class_index(pool, object->size), class->index, "class");
	expect(idx < class->objs_per_zspage);
	expect(zspage->pool == pool);
	if (object->objcg && read_slot(zspage, idx) != object->objcg)
		test_fail("slot %u of a zspage of %d: expected objcg %td, found %p (objcg 0 is %p)",
			  idx, class->objs_per_zspage, object->objcg - test_objcgs,
			  read_slot(zspage, idx), test_objcgs);

	verify_content(object);
}

static void verify_node_count(const struct zs_node_count *found,
			      const struct node_model *expected, int pool,
			      unsigned long ino, int nid)
{
	static const struct zs_node_count nothing;

	if (!found)
		found = &nothing;
	expect_eq(found->objs, expected->nr_starting,
		  "recounted objects, pool %d, cgroup %lu, node %d", pool, ino, nid);
	expect_eq(found->straddlers, expected->nr_straddling,
		  "recounted straddlers, pool %d, cgroup %lu, node %d", pool, ino, nid);
	expect_eq(found->bytes, expected->bytes,
		  "recounted bytes, pool %d, cgroup %lu, node %d", pool, ino, nid);
	expect_eq(found->orig, expected->orig,
		  "recounted original bytes, pool %d, cgroup %lu, node %d", pool, ino, nid);
}

static unsigned int nr_owners(const struct zs_recount *count)
{
	struct zs_owner_count *owner;
	unsigned int nr = 0;
	int bucket;

	hash_for_each(count->owners, bucket, owner, hash)
		nr++;
	return nr;
}

static const struct zs_node_count *owner_node_count(const struct zs_recount *count,
						    unsigned long ino, int nid)
{
	struct zs_owner_count *owner;
	int bucket;

	hash_for_each(count->owners, bucket, owner, hash)
		if (owner->ino == ino)
			return &owner->node[nid];
	return NULL;
}

/* What the kernel finds when it walks its pool. No failures are wanted here. */
static void verify_recount(int pool)
{
	struct retired retired = count_retired(pool);
	unsigned int every = fail_every, i, nr = 0;
	struct zs_recount *count;
	int nid;

	fail_every = 0;
	count = zs_recount(pools[pool]);
	fail_every = every;
	expect(!IS_ERR(count));

	for (nid = 0; nid < NR_TEST_NODES; nid++) {
		expect_eq(count->node[nid].pages, nr_pages_used[pool][nid] - retired.nr_pages[nid],
			  "recounted pages of pool %d on node %d", pool, nid);
		verify_node_count(&count->node[nid], &model.node[pool][nid], pool, 0, nid);
	}
	for (i = 0; pool == ZSWAP && i < NR_TEST_MEMCGS; i++) {
		unsigned long ino = test_memcgs[i].cgroup.ino;

		nr += !!owner_node_count(count, ino, 0);
		for (nid = 0; nid < NR_TEST_NODES; nid++)
			verify_node_count(owner_node_count(count, ino, nid),
					  &model.owner[i][nid], pool, ino, nid);
	}
	expect_eq(nr_owners(count), nr, "recounted cgroups of pool %d", pool);
	free_recount(count);
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
		struct retired retired = count_retired(pool);
		long nr_pages = 0;
		int nid;

		for (nid = 0; nid < NR_TEST_NODES; nid++)
			nr_pages += retired.nr_pages[nid];
		expect_eq(nr_retired_pages(pool), nr_pages, "retired pages of pool %d", pool);
		nr_zspages += retired.nr_zspages;
		nr_arrays += retired.nr_arrays;
		for (i = 0; i < ZS_SIZE_CLASSES; i++) {
			struct size_class *class = pools[pool]->size_class[i];

			if (class->index != i)
				continue;
			for (fg = 0; fg < NR_FULLNESS_GROUPS; fg++) {
				expect_eq(!(class->groups & BIT(fg)),
					  list_empty(&class->fullness_list[fg]),
					  "zspages of group %d of class %d", fg, i);
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
	for (pool = 0; pool < NR_POOLS; pool++)
		verify_recount(pool);
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
	/* Leave all to the worker: there is more to see. */
	pools[ZRAM]->retired.burst_pages = 0;
	pools[ZSWAP]->retired.burst_pages = 0;
	base_kmalloc = test_kmalloc_alive;
	verify_counters();
}

/* A page that zsmalloc let go of meanwhile is not isolated. */
static bool isolate_page(struct page *page)
{
	bool isolated = false;

	if (PageMovableOps(page) && folio_trylock(page_folio(page))) {
		known_race_begin();
		isolated = zsmalloc_mops.isolate_page(page, 0);
		known_race_end();
		folio_unlock(page_folio(page));
	}
	return isolated;
}

static int migrate_page(struct page *newpage, struct page *page)
{
	int err;

	folio_lock(page_folio(page));
	folio_lock(page_folio(newpage));
	known_race_begin();
	err = zsmalloc_mops.migrate_page(newpage, page, MIGRATE_SYNC);
	known_race_end();
	if (err)
		zsmalloc_mops.putback_page(page);
	folio_unlock(page_folio(newpage));
	folio_unlock(page_folio(page));
	return err;
}

/* What the core does to move a page, which may be free, to another node. */
static int move_page(struct page *page, int nid)
{
	struct page *newpage;
	int err = -EAGAIN;

	operation_name = "page move";
	if (!folio_try_get(page_folio(page)))
		return err;
	if (!isolate_page(page))
		goto put;

	test_page_owner = page->owner;
	err = -ENOMEM;
	newpage = alloc_pages_node(nid, __GFP_MOVABLE | __GFP_THISNODE, 0);
	if (newpage) {
		err = migrate_page(newpage, page);
		folio_put(page_folio(newpage));
	}
put:
	folio_put(page_folio(page));
	return err;
}

static struct obj_cgroup *random_objcg(void)
{
	return &test_objcgs[test_random() % NR_TEST_OBJCGS];
}

static int random_nid(void)
{
	return (int)(test_random() % (NR_TEST_NODES + 1)) - 1;
}

/* Give it a slot and content. Returns 0 or an error. */
static int object_store(struct object *object, int pool, unsigned int size,
			struct obj_cgroup *objcg, int nid)
{
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
	if (IS_ERR_VALUE(handle))
		return (long)handle;

	object->handle = handle;
	object->pool = pool;
	object->size = size;
	object->objcg = pool == ZSWAP && tracked() ? objcg : NULL;
	object->data = test_random() % (sizeof(pattern) - size);
	zs_obj_write(pools[pool], handle, pattern + object->data, size);
	return 0;
}

#define MAX_STORED_AT_ONCE	32

/* What is to happen to each of them before all are accounted. */
static void (*test_meanwhile)(const struct object *object);

/*
 * The same for some objects of zswap, for which the batch may have more room than
 * it takes.
 */
static int objects_store(struct object **some, const unsigned int *sizes,
			 unsigned int nr, unsigned int room,
			 struct obj_cgroup *objcg, int nid)
{
	gfp_t gfp = test_random() % 2 ? GFP_NOWAIT : GFP_NOIO;
	unsigned long handles[MAX_STORED_AT_ONCE];
	struct zs_batch batch;
	unsigned int i;
	int err;

	operation_name = "alloc many";
	test_page_owner = ZSWAP;
	gfp |= __GFP_HIGHMEM | __GFP_MOVABLE;
	objcg = tracked() ? objcg : NULL;
	err = zs_batch_begin(&batch, pools[ZSWAP], handles, room, gfp, nid, objcg);
	if (err)
		return err;

	test_batch_open = true;
	for (i = 0; i < nr; i++) {
		some[i]->data = test_random() % (sizeof(pattern) - sizes[i]);
		err = zs_batch_write(&batch, pattern + some[i]->data, sizes[i]);
		if (err)
			break;
		expect_eq(batch.nr, i + 1, "blocks");
		some[i]->handle = handles[i];
		some[i]->pool = ZSWAP;
		some[i]->objcg = objcg;
		if (test_meanwhile)
			test_meanwhile(some[i]);
	}
	if (err)
		zs_batch_cancel(&batch);
	else
		err = zs_batch_end(&batch);
	test_batch_open = false;
	for (i = 0; i < nr && !err; i++)
		some[i]->size = sizes[i];
	return err;
}

static void object_release(struct object *object)
{
	struct obj_cgroup *objcg;

	operation_name = "free";
	if (object->pool == ZSWAP) {
		objcg = zs_free_objcg(pools[ZSWAP], object->handle);
		expect(objcg == object->objcg);
		if (objcg)
			obj_cgroup_put(objcg);
	} else {
		zs_free(pools[object->pool], object->handle);
	}
	object->size = 0;
}

#define MAX_FREED_AT_ONCE	32

/* The same for some objects of zswap. */
static void objects_release(struct object **some, unsigned int nr)
{
	struct obj_cgroup *objcgs[MAX_FREED_AT_ONCE];
	unsigned long handles[MAX_FREED_AT_ONCE];
	unsigned int i;

	operation_name = "free many";
	for (i = 0; i < nr; i++)
		handles[i] = some[i]->handle;
	zs_free_objcgs(pools[ZSWAP], handles, objcgs, nr);
	for (i = 0; i < nr; i++) {
		expect(objcgs[i] == some[i]->objcg);
		if (objcgs[i])
			obj_cgroup_put(objcgs[i]);
		some[i]->size = 0;
	}
}

static void verify_resources(const struct resources *before)
{
	struct resources after = read_resources();

	if (memcmp(before, &after, sizeof(after))) {
		expect_eq(after.nr_handles, before->nr_handles, "handles");
		expect_eq(after.nr_zspages, before->nr_zspages, "zspages");
		expect_eq(after.nr_kmalloc, before->nr_kmalloc, "arrays");
		test_fail("a failed allocation left pages, locks or mappings");
	}
	verify_counters();
}

/* Allocate an object and see to the model. An error leaves no trace. */
static int object_alloc(struct object *object, int pool, unsigned int size,
			struct obj_cgroup *objcg, int nid)
{
	struct resources before = read_resources();
	int err = object_store(object, pool, size, objcg, nid);

	if (err) {
		verify_resources(&before);
		return err;
	}

	object->place = find_place(object);
	model_add(object, 1);
	verify_counters();
	verify_object(object);
	return 0;
}

/* The same for neighbours in the array of objects, all of which are free. */
static int __maybe_unused objects_alloc(struct object *first, const unsigned int *sizes,
					unsigned int nr, unsigned int room,
					struct obj_cgroup *objcg, int nid)
{
	struct resources before = read_resources();
	struct object *some[MAX_STORED_AT_ONCE];
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++)
		some[i] = &first[i];
	err = objects_store(some, sizes, nr, room, objcg, nid);
	if (err) {
		/* What was there before has moved, too. */
		if (!test_meanwhile)
			verify_resources(&before);
		return err;
	}

	/* Where they are now, and all others that may have moved along. */
	if (test_meanwhile) {
		verify_all();
		return 0;
	}
	for (i = 0; i < nr; i++) {
		first[i].place = find_place(&first[i]);
		model_add(&first[i], 1);
	}
	verify_counters();
	for (i = 0; i < nr; i++)
		verify_object(&first[i]);
	return 0;
}

/* One draw at a time: a seed means the same whatever compiler was used. */
static int __maybe_unused object_alloc_random(struct object *object, int pool,
					      unsigned int size)
{
	struct obj_cgroup *objcg = random_objcg();
	int nid = random_nid();

	return object_alloc(object, pool, size, objcg, nid);
}

static void object_free(struct object *object)
{
	verify_object(object);
	model_add(object, -1);
	object_release(object);
	verify_counters();
}

/* Free at most @nr of the objects of zswap in an array, all at once. */
static void __maybe_unused objects_free(struct object *first,
					const struct object *end,
					unsigned int nr)
{
	struct object *some[MAX_FREED_AT_ONCE];
	unsigned int found = 0, i;

	for (; first < end && found < nr; first++)
		if (first->size && first->pool == ZSWAP)
			some[found++] = first;
	for (i = 0; i < found; i++) {
		verify_object(some[i]);
		model_add(some[i], -1);
	}
	test_irqs_off = test_random() % 4 == 0;
	objects_release(some, found);
	test_irqs_off = false;
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
		free_retired(pools[i]);
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
