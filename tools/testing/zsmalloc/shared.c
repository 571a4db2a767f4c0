// SPDX-License-Identifier: GPL-2.0-or-later

/* The state behind include/custom.h. */

#include <linux/hash.h>
#include <sanitizer/asan_interface.h>

__thread int test_atomic_depth;
long test_kmalloc_alive;
struct pglist_data test_nodes[NR_TEST_NODES];
struct page test_pages[NR_TEST_PAGES];
char *test_memory;
__thread int test_page_owner;
struct mem_cgroup test_memcgs[NR_TEST_MEMCGS];
struct obj_cgroup test_objcgs[NR_TEST_OBJCGS];
bool test_memcg_disabled;
bool test_irqs_off;
__thread bool test_batch_open;

/* Fail one of so many at random; fail the n-th from now on. 0: never. */
unsigned long test_jiffies;
static unsigned int fail_every;
static __thread unsigned int fail_nth;
static __thread u64 random_state;

/* Pages by node and owner, and the free ones: zone->lock protects both. */
static spinlock_t zone_lock;
static long nr_pages_used[2][NR_TEST_NODES];
static struct list_head free_pages[NR_TEST_NODES];

/* All of debugfs. */
static LIST_HEAD(dentries);

/* Mappings made by kmap_local_page() are undone in reverse order. */
static __thread struct page *kmap_stack[8];
static __thread int kmap_depth;

/* xorshift64 */
u64 test_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void seed_random(u64 seed)
{
	random_state = (seed + 1) * 0x9E3779B97F4A7C15ull;
	random_state |= !random_state;
}

bool test_should_fail(void)
{
	if (fail_nth && !--fail_nth)
		return true;
	return fail_every && test_random() % fail_every == 0;
}

/* Not in the C library. */
void *memchr_inv(const void *start, int c, size_t bytes)
{
	const unsigned char *p = start;

	for (; bytes--; p++)
		if (*p != (unsigned char)c)
			return (void *)p;
	return NULL;
}

/* Nobody has a reference, but some may try to get one: that one is set last. */
static void prepare_page(struct page *page)
{
	memset(page, 0, offsetof(struct page, _refcount));
	page->owner = test_page_owner;
	test_set(&page->movable, false);
	__atomic_store_n(&page->_refcount.counter, 1, __ATOMIC_RELEASE);
}

static struct page *take_page(int nid)
{
	struct page *page;
	int i;

	for (i = 0; i < NR_TEST_NODES; i++, nid = (nid + 1) % NR_TEST_NODES) {
		page = list_first_entry_or_null(&free_pages[nid], struct page, lru);
		if (!page)
			continue;
		list_del(&page->lru);
		nr_pages_used[test_page_owner][nid]++;
		return page;
	}
	return NULL;
}

/* Sometimes a page comes from another node than the preferred one. */
struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order)
{
	struct page *page;

	might_sleep_if(gfp & __GFP_DIRECT_RECLAIM);
	assert(!order);
	if (test_should_fail())
		return NULL;
	if (nid == NUMA_NO_NODE || (!(gfp & __GFP_THISNODE) && test_random() % 4 == 0))
		nid = test_random() % NR_TEST_NODES;

	spin_lock(&zone_lock);
	page = take_page(nid);
	spin_unlock(&zone_lock);
	if (!page)
		return NULL;

	ASAN_UNPOISON_MEMORY_REGION(page_address(page), PAGE_SIZE);
	prepare_page(page);
	return page;
}

/*
 * Any number of those that are wanted, as it is with what a CPU has at hand. None
 * if failures are wanted: then they are asked for one by one, and each can fail.
 */
unsigned long alloc_pages_bulk_node(gfp_t gfp, int nid, unsigned long nr,
				    struct page **pages)
{
	unsigned long i;

	if (fail_nth || fail_every)
		return 0;
	nr = test_random() % (nr + 1);
	for (i = 0; i < nr; i++) {
		assert(!pages[i]);
		pages[i] = alloc_pages_node(nid, gfp, 0);
		if (!pages[i])
			break;
	}
	return i;
}

void release_page(struct page *page)
{
	assert(!page->locked && !PagePrivate(page));
	ASAN_POISON_MEMORY_REGION(page_address(page), PAGE_SIZE);

	spin_lock(&zone_lock);
	nr_pages_used[page->owner][page->nid]--;
	list_add(&page->lru, &free_pages[page->nid]);
	spin_unlock(&zone_lock);
}

void *kmap_local_page(struct page *page)
{
	assert(kmap_depth < ARRAY_SIZE(kmap_stack));
	kmap_stack[kmap_depth++] = page;
	return page_address(page);
}

void kunmap_local(const void *addr)
{
	assert(kmap_depth);
	/* One past the end happens, and the kernel rounds down as well. */
	kmap_depth--;
	assert((const char *)addr - page_address(kmap_stack[kmap_depth]) <= PAGE_SIZE);
}

void obj_cgroup_mod_zs_state(struct obj_cgroup *objcg, int nid,
			     const struct zs_acct *acct, int stored, int orig)
{
	long *stat = objcg->memcg->counters.stat[nid];

	assert_not_negative(test_add(&stat[acct->stored], stored));
	assert_not_negative(test_add(&stat[acct->orig], orig));
}

void seq_printf(struct seq_file *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(s->stream, fmt, args);
	va_end(args);
}

struct dentry *debugfs_create_file(const char *name, unsigned int mode, struct dentry *parent,
				   void *data, const struct file_operations *fops)
{
	struct dentry *dentry = calloc(1, sizeof(*dentry));

	assert(strlen(name) < sizeof(dentry->name));
	strcpy(dentry->name, name);
	dentry->mode = mode;
	dentry->parent = parent;
	dentry->data = data;
	dentry->fops = fops;
	list_add_tail(&dentry->list, &dentries);
	return dentry;
}

/* One level is enough: what is below a folder of ours is files. */
void debugfs_remove_recursive(struct dentry *dentry)
{
	struct dentry *child, *tmp;

	if (!dentry)
		return;
	list_for_each_entry_safe(child, tmp, &dentries, list) {
		if (child->parent == dentry) {
			list_del(&child->list);
			free(child);
		}
	}
	list_del(&dentry->list);
	free(dentry);
}

static struct dentry *debugfs_find(struct zs_pool *pool, const char *name)
{
	struct dentry *dentry;

	list_for_each_entry(dentry, &dentries, list)
		if (dentry->data == pool && !strcmp(dentry->name, name))
			return dentry;
	return NULL;
}

/* Read a file of the pool. Returns what the kernel would; *text is to be freed. */
static int debugfs_read(struct zs_pool *pool, const char *name, char **text)
{
	struct dentry *dentry = debugfs_find(pool, name);
	struct seq_file s = { .private = pool };
	int err;

	assert(dentry);
	s.stream = open_memstream(&s.text, &s.len);
	err = dentry->fops->show(&s, NULL);
	fclose(s.stream);
	*text = s.text;
	return err;
}

/* Whatever zsmalloc says. */
static long __maybe_unused nr_pages_of(int pool)
{
	long nr = 0;
	int nid;

	for (nid = 0; nid < NR_TEST_NODES; nid++)
		nr += nr_pages_used[pool][nid];
	return nr;
}

static void init_pages(void)
{
	int i;

	test_memory = mmap(NULL, NR_TEST_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(test_memory != MAP_FAILED);
	ASAN_POISON_MEMORY_REGION(test_memory, NR_TEST_PAGES * PAGE_SIZE);

	spin_lock_init(&zone_lock);
	for (i = 0; i < NR_TEST_NODES; i++)
		INIT_LIST_HEAD(&free_pages[i]);
	/* Neighbours are on different nodes. */
	for (i = NR_TEST_PAGES - 1; i >= 0; i--) {
		test_pages[i].nid = i % NR_TEST_NODES;
		list_add(&test_pages[i].lru, &free_pages[i % NR_TEST_NODES]);
	}
}

static void init_memcgs(void)
{
	unsigned long ino = 1;
	int i;

	for (i = 0; i < NR_TEST_MEMCGS; i++, ino++) {
		struct mem_cgroup *memcg = &test_memcgs[i];

		/* All in one bucket of a hash table. */
		while (hash_long(ino, 8) != hash_long(1, 8))
			ino++;
		memcg->cgroup.ino = ino;
		memcg->css.cgroup = &memcg->cgroup;
		memcg->limit = LONG_MAX;
	}
	for (i = 0; i < NR_TEST_OBJCGS; i++) {
		test_objcgs[i].memcg = &test_memcgs[i % NR_TEST_MEMCGS];
		test_objcgs[i].refs = 1;
	}
}
