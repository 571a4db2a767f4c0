// SPDX-License-Identifier: GPL-2.0-or-later

/* The state behind include/custom.h. */

#include <sanitizer/asan_interface.h>

int test_atomic_depth;
long test_kmalloc_alive;
struct pglist_data test_nodes[NR_TEST_NODES];
struct page test_pages[NR_TEST_PAGES];
char *test_memory;
int test_page_owner;
struct mem_cgroup test_memcgs[NR_TEST_MEMCGS];
struct obj_cgroup test_objcgs[NR_TEST_OBJCGS];
bool test_memcg_disabled;

/* Fail one of so many at random; fail the n-th from now on. 0: never. */
static unsigned int fail_every, fail_nth;
static u64 random_state;

/* Pages by node and owner, and the free ones. */
static long nr_pages_used[2][NR_TEST_NODES];
static struct list_head free_pages[NR_TEST_NODES];

/* Mappings made by kmap_local_page() are undone in reverse order. */
static struct page *kmap_stack[8];
static int kmap_depth;

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

/* Sometimes a page comes from another node than the preferred one. */
struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order)
{
	struct page *page;
	int i;

	might_sleep_if(gfp & __GFP_DIRECT_RECLAIM);
	assert(!order);
	if (test_should_fail())
		return NULL;
	if (nid == NUMA_NO_NODE || (!(gfp & __GFP_THISNODE) && test_random() % 4 == 0))
		nid = test_random() % NR_TEST_NODES;

	for (i = 0; i < NR_TEST_NODES; i++, nid = (nid + 1) % NR_TEST_NODES) {
		page = list_first_entry_or_null(&free_pages[nid], struct page, lru);
		if (!page)
			continue;
		list_del(&page->lru);
		*page = (struct page){ .nid = nid, .owner = test_page_owner };
		page->_refcount.counter = 1;
		nr_pages_used[page->owner][nid]++;
		ASAN_UNPOISON_MEMORY_REGION(page_address(page), PAGE_SIZE);
		return page;
	}
	return NULL;
}

void __free_page(struct page *page)
{
	assert(!page->locked && !page->first);
	nr_pages_used[page->owner][page->nid]--;
	list_add(&page->lru, &free_pages[page->nid]);
	ASAN_POISON_MEMORY_REGION(page_address(page), PAGE_SIZE);
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

/* No counter is negative at any time: with one thread not even for a moment. */
void obj_cgroup_mod_zs_state(struct obj_cgroup *objcg, int nid,
			     const struct zs_acct *acct, int stored, int orig)
{
	long *stat = objcg->memcg->counters.stat[nid];

	stat[acct->stored] += stored;
	stat[acct->orig] += orig;
	assert(stat[acct->stored] >= 0 && stat[acct->orig] >= 0);
}

static void init_pages(void)
{
	int i;

	test_memory = mmap(NULL, NR_TEST_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(test_memory != MAP_FAILED);
	ASAN_POISON_MEMORY_REGION(test_memory, NR_TEST_PAGES * PAGE_SIZE);

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
	int i;

	for (i = 0; i < NR_TEST_MEMCGS; i++)
		test_memcgs[i].limit = LONG_MAX;
	for (i = 0; i < NR_TEST_OBJCGS; i++) {
		test_objcgs[i].memcg = &test_memcgs[i % NR_TEST_MEMCGS];
		test_objcgs[i].refs = 1;
	}
}
