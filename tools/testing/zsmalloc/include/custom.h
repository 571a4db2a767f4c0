/* SPDX-License-Identifier: GPL-2.0 */

#pragma once

/*
 * Contains declarations that exist in the kernel which have been CUSTOMISED,
 * so that tests can look at what zsmalloc did to memory, locks and counters,
 * and make its allocations fail.
 */

/*
 * ---- Constants a build is made for, see the Makefile.
 */
#ifndef PAGE_SHIFT
#define PAGE_SHIFT		12
#endif
#ifndef CONFIG_ZSMALLOC_CHAIN_SIZE
#define CONFIG_ZSMALLOC_CHAIN_SIZE 8
#endif
/* 46 leaves room for the class index in an object's location, 64 does not. */
#ifndef MAX_POSSIBLE_PHYSMEM_BITS
#define MAX_POSSIBLE_PHYSMEM_BITS 46
#endif
#define CONFIG_COMPACTION	1
#define CONFIG_ZSWAP		1
#define CONFIG_ZSMALLOC_STAT	1
#ifdef CONFIG_MEMCG
#define CONFIG_ZSMALLOC_OBJCG	1
#endif
#define KBUILD_MODNAME		"zsmalloc"

#define PAGE_SIZE		BIT(PAGE_SHIFT)
#define offset_in_page(p)	((unsigned long)(p) & (PAGE_SIZE - 1))

/*
 * ---- Warnings: each of them is a failed test.
 */
#define WARN_ON(cond)		({ bool __warn = (cond); assert(!__warn); __warn; })
#define WARN_ON_ONCE(cond)	WARN_ON(cond)
#define VM_WARN_ON_ONCE(cond)	WARN_ON(cond)
#define test_bug(cond, ...)	assert(!(cond))
#define VM_BUG_ON		test_bug
#define VM_BUG_ON_PAGE		test_bug
#define pr_err(...)		({ fprintf(stderr, __VA_ARGS__); abort(); })
#define pr_warn(...)		pr_err(__VA_ARGS__)

/*
 * ---- Failures, and a random generator whose seed repeats them.
 */
u64 test_random(void);
/* Asked by everything that can fail: slab, kmalloc, pages, the charge. */
bool test_should_fail(void);

/*
 * ---- Locks: checks that code locks and unlocks in pairs, and knows when it
 * must not sleep. With one thread, a lock that is taken already is a deadlock.
 */
extern __thread int test_atomic_depth;

struct spinlock {
	raw_lock_t raw;
	bool locked;
};

struct rwlock {
	raw_rwlock_t raw;
	int nr_readers;
	bool written;
};

#define spinlock_t		struct spinlock
#define rwlock_t		struct rwlock
#define assert_spin_locked(l)	assert((l)->locked)

static inline void might_sleep_if(bool cond)
{
	assert(!cond || !test_atomic_depth);
}

static inline void spin_lock_init(spinlock_t *l)
{
	raw_lock_init(&l->raw);
	l->locked = false;
}

static inline void spin_lock(spinlock_t *l)
{
	raw_lock(&l->raw);
	assert(!l->locked);
	l->locked = true;
	test_atomic_depth++;
}

static inline void spin_unlock(spinlock_t *l)
{
	assert(l->locked);
	l->locked = false;
	test_atomic_depth--;
	raw_unlock(&l->raw);
}

static inline void rwlock_init(rwlock_t *l)
{
	raw_rwlock_init(&l->raw);
	l->nr_readers = 0;
	l->written = false;
}

static inline void read_lock(rwlock_t *l)
{
	raw_read_lock(&l->raw);
	assert(!l->written);
	test_add(&l->nr_readers, 1);
	test_atomic_depth++;
}

static inline void read_unlock(rwlock_t *l)
{
	assert(test_add(&l->nr_readers, -1) >= 0);
	test_atomic_depth--;
	raw_rw_unlock(&l->raw);
}

static inline void write_lock(rwlock_t *l)
{
	raw_write_lock(&l->raw);
	assert(!l->written && !test_read(&l->nr_readers));
	l->written = true;
	test_atomic_depth++;
}

static inline void write_unlock(rwlock_t *l)
{
	assert(l->written);
	l->written = false;
	test_atomic_depth--;
	raw_rw_unlock(&l->raw);
}

/* Compaction lets go of its locks now and then. */
static inline bool rwlock_is_contended(rwlock_t *l)
{
	return test_random() % 8 == 0;
}

#define atomic_xchg(v, new)	__atomic_exchange_n(&(v)->counter, new, __ATOMIC_SEQ_CST)
#define atomic_set(v, new)	test_set(&(v)->counter, new)
#define atomic_long_set(v, new)	test_set(&(v)->counter, new)
#define atomic_long_read(v)	test_read(&(v)->counter)
#define atomic_long_inc(v)	test_add(&(v)->counter, 1)
#define atomic_long_try_cmpxchg(v, old, new) \
	__atomic_compare_exchange_n(&(v)->counter, old, new, false, \
				    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define atomic_long_add(n, v)	test_add(&(v)->counter, n)
#define atomic_long_add_return(n, v) test_add(&(v)->counter, n)
#define atomic_long_sub(n, v)	test_add(&(v)->counter, -(long)(n))

/*
 * ---- Slab: counts what lives, and may fail.
 */
struct kmem_cache {
	size_t size;
	long nr_alive;
};

extern long test_kmalloc_alive;

static inline struct kmem_cache *kmem_cache_create(const char *name, size_t size,
						   unsigned int align,
						   unsigned int flags,
						   void (*ctor)(void *))
{
	struct kmem_cache *cache = calloc(1, sizeof(*cache));

	cache->size = size;
	return cache;
}

static inline void kmem_cache_destroy(struct kmem_cache *cache)
{
	assert(!cache || !cache->nr_alive);
	free(cache);
}

static inline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	might_sleep_if(gfp & __GFP_DIRECT_RECLAIM);
	/* Slab memory is neither highmem nor movable, the kernel warns. */
	assert(!(gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)));
	if (test_should_fail())
		return NULL;
	test_add(&cache->nr_alive, 1);
	return gfp & __GFP_ZERO ? calloc(1, cache->size) : malloc(cache->size);
}

#define kmem_cache_zalloc(cache, gfp) kmem_cache_alloc(cache, (gfp) | __GFP_ZERO)

static inline void kmem_cache_free(struct kmem_cache *cache, void *obj)
{
	test_add(&cache->nr_alive, -1);
	free(obj);
}

/* All or none. */
static inline bool kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp,
					 size_t nr, void **objs)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		objs[i] = kmem_cache_alloc(cache, gfp);
		if (objs[i])
			continue;
		while (i--)
			kmem_cache_free(cache, objs[i]);
		return false;
	}
	return true;
}

extern bool test_irqs_off;

#define irqs_disabled()		(test_irqs_off)

static inline void kmem_cache_free_bulk(struct kmem_cache *cache, size_t nr,
					void **objs)
{
	assert(!irqs_disabled());
	while (nr--)
		kmem_cache_free(cache, objs[nr]);
}

static inline void *kmalloc(size_t size, gfp_t gfp)
{
	might_sleep_if(gfp & __GFP_DIRECT_RECLAIM);
	assert(!(gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)));
	if (test_should_fail())
		return NULL;
	test_add(&test_kmalloc_alive, 1);
	return gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

static inline void kfree(const void *p)
{
	if (p)
		test_add(&test_kmalloc_alive, -1);
	free((void *)p);
}

static inline char *kstrdup(const char *s, gfp_t gfp)
{
	char *copy = kmalloc(strlen(s) + 1, gfp);

	return copy ? strcpy(copy, s) : NULL;
}

#define kzalloc(size, gfp)	kmalloc(size, (gfp) | __GFP_ZERO)
#define kcalloc_node(n, size, gfp, ...) kzalloc((n) * (size), gfp)
#define kzalloc_obj(p, ...)	kzalloc(sizeof(p), default_gfp(__VA_ARGS__))
#define kzalloc_flex(p, array, nr, ...) \
	kzalloc(sizeof(p) + sizeof(*(p).array) * (nr), default_gfp(__VA_ARGS__))
#define kvzalloc_flex		kzalloc_flex
#define kvfree			kfree

/*
 * ---- Nodes, zones and their counters.
 */
#define NR_TEST_NODES		3
#define NUMA_NO_NODE		(-1)
#define nr_node_ids		NR_TEST_NODES
#define for_each_node_state(nid, ...) \
	for (int *__nid = test_first_node(&(nid)); *__nid < NR_TEST_NODES; ++*__nid)

static inline int *test_first_node(int *nid)
{
	*nid = 0;
	return nid;
}

enum zone_stat_item {
	NR_ZSPAGES,
	NR_VM_ZONE_STAT_ITEMS,
};

enum node_stat_item {
	NR_ZSWAP_B,
	NR_ZSWAPPED_B,
	NR_VM_NODE_STAT_ITEMS,
};

struct zone {
	long vm_stat[NR_VM_ZONE_STAT_ITEMS];
};

/* One zone per node. */
struct pglist_data {
	struct zone zone;
	long vm_stat[NR_VM_NODE_STAT_ITEMS];
};

extern struct pglist_data test_nodes[NR_TEST_NODES];

#define NODE_DATA(nid)		(&test_nodes[nid])
#define zone_to_nid(z)		(container_of(z, struct pglist_data, zone) - test_nodes)

/* Both items are vmstat_item_in_bytes(): given in bytes, kept in pages. */
static inline void mod_node_page_state(struct pglist_data *pgdat, enum node_stat_item item,
				       long delta)
{
	assert(delta % (long)PAGE_SIZE == 0);
	assert_not_negative(test_add(&pgdat->vm_stat[item], delta / (long)PAGE_SIZE));
}

#define mod_zone_page_state(zone, item, delta) test_add(&(zone)->vm_stat[item], delta)

/*
 * ---- Pages. Their PFNs are the last that fit, so that a location that loses
 * a bit of its PFN is seen; a free page's data is poisoned for ASAN.
 */
#define NR_NODE_PAGES		4096
#define NR_TEST_PAGES		(NR_TEST_NODES * NR_NODE_PAGES)
#define TEST_PFN_BASE \
	(BIT(MAX_POSSIBLE_PHYSMEM_BITS - PAGE_SHIFT) - NR_TEST_PAGES)

/* The fields struct zpdesc overlays, then our own. */
struct page {
	unsigned long flags;
	struct list_head lru;
	unsigned long mapping;
	unsigned long __folio_index;
	unsigned long private;
	unsigned int page_type;
	atomic_t _refcount;

	int nid;
	bool locked;
	bool first;
	bool movable;
	int owner;	/* value of test_page_owner when it was allocated */
};

struct folio {
	struct page page;
};

#define totalram_pages()	NR_TEST_PAGES

#define page_folio(p)		((struct folio *)(p))

extern struct page test_pages[NR_TEST_PAGES];
extern char *test_memory;
extern __thread int test_page_owner;

struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order);
unsigned long alloc_pages_bulk_node(gfp_t gfp, int nid, unsigned long nr,
				    struct page **pages);
void release_page(struct page *page);
void *kmap_local_page(struct page *page);
void kunmap_local(const void *addr);

#define page_to_pfn(page)	(TEST_PFN_BASE + ((page) - test_pages))
#define pfn_to_page(pfn)	(&test_pages[(pfn) - TEST_PFN_BASE])
#define page_address(page)	(test_memory + ((page) - test_pages) * PAGE_SIZE)
#define page_to_nid(page)	((page)->nid)
#define page_zone(page)		(&NODE_DATA((page)->nid)->zone)
#define page_zone_id(page)	((page)->nid)
#define PGTY_zsmalloc		0xf8u
#define PageZsmalloc(page)	((page)->page_type >> 24 == PGTY_zsmalloc)
#define __SetPageZsmalloc(page)	((page)->page_type = PGTY_zsmalloc << 24)
#define PagePrivate(page)	test_read(&(page)->first)
#define SetPagePrivate(page)	test_set(&(page)->first, true)
#define ClearPagePrivate(page)	test_set(&(page)->first, false)
#define PageMovableOps(page)	test_read(&(page)->movable)
#define SetPageMovableOps(page)	test_set(&(page)->movable, true)
#define copy_page(dst, src)	memcpy(dst, src, PAGE_SIZE)
#define memcpy_from_page(dst, page, off, len) memcpy(dst, page_address(page) + (off), len)
#define memcpy_to_page(page, off, src, len) memcpy(page_address(page) + (off), src, len)

static inline bool folio_trylock(struct folio *folio)
{
	return !__atomic_exchange_n(&folio->page.locked, true, __ATOMIC_ACQUIRE);
}

#define folio_test_locked(folio) __atomic_load_n(&(folio)->page.locked, __ATOMIC_ACQUIRE)

static inline void folio_unlock(struct folio *folio)
{
	assert(folio_test_locked(folio));
	__atomic_store_n(&folio->page.locked, false, __ATOMIC_RELEASE);
}

static inline void folio_lock(struct folio *folio)
{
	while (!folio_trylock(folio))
		test_wait();
}

static inline void folio_wait_locked(struct folio *folio)
{
	while (folio_test_locked(folio))
		test_wait();
}

static inline void folio_get(struct folio *folio)
{
	assert(test_add(&folio->page._refcount.counter, 1) > 1);
}

/* Not if the page is free, or about to be. */
static inline bool folio_try_get(struct folio *folio)
{
	int *count = &folio->page._refcount.counter, old = test_read(count);

	while (old && !__atomic_compare_exchange_n(count, &old, old + 1, false,
						   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		;
	return old;
}

static inline void folio_put(struct folio *folio)
{
	if (!__atomic_sub_fetch(&folio->page._refcount.counter, 1, __ATOMIC_ACQ_REL))
		release_page(&folio->page);
}

#define __free_page(page)	folio_put(page_folio(page))

/* Entries of a list of two are neighbours. */
struct scatterlist {
	struct page *page;
	unsigned int length;
	unsigned int offset;
};

static inline void sg_init_table(struct scatterlist *sg, unsigned int nr)
{
	memset(sg, 0, sizeof(*sg) * nr);
}

#define sg_set_page(sg, pg, len, off) \
	(*(sg) = (struct scatterlist){ .page = pg, .length = len, .offset = off })
#define sg_next(sg)		((sg) + 1)

/*
 * ---- Work runs when it is flushed: tests choose the moment.
 */
struct work_struct {
	void (*fn)(struct work_struct *work);
	bool pending;
};

struct delayed_work {
	struct work_struct work;
	unsigned long delay;
};

struct workqueue_struct;

#define to_delayed_work(w)	container_of(w, struct delayed_work, work)
#define INIT_DELAYED_WORK(dwork, func) \
	(*(dwork) = (struct delayed_work){ .work.fn = func })
#define cancel_delayed_work_sync(dwork) \
	__atomic_store_n(&(dwork)->work.pending, false, __ATOMIC_RELEASE)
#define msecs_to_jiffies(ms)	(ms)

static inline bool queue_delayed_work(struct workqueue_struct *wq,
				      struct delayed_work *dwork,
				      unsigned long delay)
{
	bool queued = !__atomic_exchange_n(&dwork->work.pending, true, __ATOMIC_ACQ_REL);

	if (queued)
		test_set(&dwork->delay, delay);
	return queued;
}

static inline void mod_delayed_work(struct workqueue_struct *wq,
				    struct delayed_work *dwork,
				    unsigned long delay)
{
	test_set(&dwork->delay, delay);
	__atomic_store_n(&dwork->work.pending, true, __ATOMIC_RELEASE);
}

static inline void flush_delayed_work(struct delayed_work *dwork)
{
	if (__atomic_exchange_n(&dwork->work.pending, false, __ATOMIC_ACQUIRE))
		dwork->work.fn(&dwork->work);
}

#define alloc_workqueue(...)	((struct workqueue_struct *)malloc(1))
#define destroy_workqueue(wq)	free(wq)

/*
 * ---- Lists without locks.
 */
struct llist_head {
	struct llist_node *first;
};

struct llist_node {
	struct llist_node *next;
};

#define init_llist_head(head)	((head)->first = NULL)
#define llist_empty(head)	(!__atomic_load_n(&(head)->first, __ATOMIC_RELAXED))
#define llist_del_all(head)	__atomic_exchange_n(&(head)->first, NULL, __ATOMIC_ACQUIRE)

#define llist_entry(node, type, member) container_of(node, type, member)

static inline bool llist_add(struct llist_node *new, struct llist_head *head)
{
	struct llist_node *first = __atomic_load_n(&head->first, __ATOMIC_RELAXED);

	do
		new->next = first;
	while (!__atomic_compare_exchange_n(&head->first, &first, new, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return !first;
}

/*
 * ---- Memory cgroups: a page counter with a limit, and a plain matrix of
 * statistics. Several objcgs point to one cgroup, as in the kernel.
 */
#define NR_TEST_MEMCGS		4
#define NR_TEST_OBJCGS		(2 * NR_TEST_MEMCGS)

struct memcg_counters {
	long stat[NR_TEST_NODES][NR_VM_NODE_STAT_ITEMS];
	long charge;
};

struct cgroup {
	unsigned long ino;
};

struct mem_cgroup {
	struct {
		struct cgroup *cgroup;
	} css;
	struct cgroup cgroup;
	struct memcg_counters counters;
	long limit;
};

/* The first cgroup is the root: it has statistics, but nothing is charged. */
struct obj_cgroup {
	struct mem_cgroup *memcg;
	long refs;
};

extern struct mem_cgroup test_memcgs[NR_TEST_MEMCGS];
extern struct obj_cgroup test_objcgs[NR_TEST_OBJCGS];
extern bool test_memcg_disabled;

#define mem_cgroup_disabled()	(test_memcg_disabled)
#define obj_cgroup_is_root(objcg) ((objcg)->memcg == test_memcgs)
#define obj_cgroup_get_many(objcg, nr) test_add(&(objcg)->refs, nr)
#define obj_cgroup_get(objcg)	obj_cgroup_get_many(objcg, 1)
#define obj_cgroup_memcg(objcg)	((objcg)->memcg)
#define cgroup_ino(cgroup)	((cgroup)->ino)

/* May free the cgroup, charge and uncharge walk up the tree: not under a lock. */
static inline void obj_cgroup_put_many(struct obj_cgroup *objcg, long nr)
{
	assert(!test_atomic_depth);
	assert(test_add(&objcg->refs, -nr) > 0);
}

static inline void obj_cgroup_put(struct obj_cgroup *objcg)
{
	obj_cgroup_put_many(objcg, 1);
}

static inline int obj_cgroup_charge_zs(struct obj_cgroup *objcg, gfp_t gfp,
				       size_t size)
{
	struct mem_cgroup *memcg = objcg->memcg;

	assert(!test_atomic_depth);
	if (obj_cgroup_is_root(objcg))
		return 0;
	if (test_should_fail())
		return -ENOMEM;
	if (test_add(&memcg->counters.charge, (long)size) <= memcg->limit)
		return 0;
	test_add(&memcg->counters.charge, -(long)size);
	return -ENOMEM;
}

static inline void obj_cgroup_uncharge_zs(struct obj_cgroup *objcg, size_t size)
{
	assert(!test_atomic_depth);
	if (!obj_cgroup_is_root(objcg))
		assert(test_add(&objcg->memcg->counters.charge, -(long)size) >= 0);
}

struct zs_acct;
void obj_cgroup_mod_zs_state(struct obj_cgroup *objcg, int nid,
			     const struct zs_acct *acct, int stored, int orig);
