// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * Runs mm/zsmalloc.c in several threads under the thread sanitizer. Workers
 * allocate, write, compare and free objects, each of which is one worker's at
 * a time, while others move pages, compact, free what was deferred and count.
 * When all have ended, everything must be as the model says, to the byte.
 */

#include "runner.c"

#define NR_THREAD_OBJECTS	512
#define MAX_THREADS		64

static unsigned long nr_operations = 100000, nr_workers = 3, nr_movers = 2;

static bool busy[NR_THREAD_OBJECTS];	/* somebody's at the moment */
static bool stop;

static struct {
	unsigned long allocs, failed, reads, frees, changed, overlapped;
	unsigned long moves, not_moved, freed_late, freed_many, stored_many, compacted, recounts;
} nr;

static __thread bool in_known_race;

void known_race_begin(void)
{
	in_known_race = true;
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
}

void known_race_end(void)
{
	if (in_known_race)
		AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	in_known_race = false;
}

/*
 * With class bits, zs_free() reads the handle without a lock, and once more
 * under the lock of the class that it read. Now and then it waits after the
 * first time until the page that the object is on was moved, or held.
 */
static __thread bool freeing;
static __thread unsigned int nr_handle_reads;
static struct page *page_to_move;

static void wait_for_move(const unsigned long *handle, unsigned long value)
{
	int i = test_random() % 32;

	test_set(&page_to_move, pfn_to_page(value >> ZS_OBJ_PFN_SHIFT));
	while (i-- && test_read(handle) == value)
		test_wait();
}

unsigned long test_read_handle(const unsigned long *handle)
{
	static __thread unsigned long first;
	unsigned long value = test_read(handle);

	if (!freeing)
		return value;
	if (nr_handle_reads++) {
		test_add(&nr.changed, value != first);
	} else {
		first = value;
		if (test_random() % 16 == 0)
			wait_for_move(handle, value);
	}
	return value;
}

/* Few classes, for zspages that many objects share, and any size at times. */
static unsigned int random_size(void)
{
	static const unsigned int per_page[] = { 100, 17, 5, 3 };
	unsigned int choice = test_random() % 8;

	if (choice < ARRAY_SIZE(per_page))
		return PAGE_SIZE / per_page[choice];
	if (choice < 7)
		return PAGE_SIZE * choice / 7 + 1;
	return 1 + test_random() % PAGE_SIZE;
}

static void store(struct object *object)
{
	int pool = test_random() % 8 ? ZSWAP : ZRAM;
	unsigned int size = random_size();
	struct obj_cgroup *objcg = random_objcg();
	int err = object_store(object, pool, size, objcg, random_nid());

	expect(!err || err == -ENOMEM);
	test_add(err ? &nr.failed : &nr.allocs, 1);
}

/* Up to so many neighbours that nobody is busy with. */
static void store_some(unsigned int first, unsigned int max)
{
	struct object *some[MAX_STORED_AT_ONCE];
	unsigned int sizes[MAX_STORED_AT_ONCE];
	unsigned int found = 0, i;
	int err;

	for (i = first; i < first + max && i < NR_THREAD_OBJECTS; i++) {
		if (__atomic_exchange_n(&busy[i], true, __ATOMIC_ACQUIRE))
			continue;
		if (objects[i].size) {
			__atomic_store_n(&busy[i], false, __ATOMIC_RELEASE);
			continue;
		}
		sizes[found] = random_size();
		some[found++] = &objects[i];
	}
	if (!found)
		return;
	err = objects_store(some, sizes, found, found, random_objcg(), random_nid());
	expect(!err || err == -ENOMEM);
	test_add(err ? &nr.failed : &nr.allocs, err ? 1 : found);
	test_add(&nr.stored_many, !err && found > 1);
	for (i = 0; i < found; i++)
		__atomic_store_n(&busy[some[i] - objects], false, __ATOMIC_RELEASE);
}

static void check_and_free(struct object *object)
{
	unsigned long moves = test_read(&nr.moves);

	verify_content(object);
	nr_handle_reads = 0;
	freeing = true;
	object_release(object);
	freeing = false;
	expect_eq(nr_handle_reads, ZS_OBJ_CLASS_BITS ? 2 : 1, "reads of the handle");
	test_add(&nr.frees, 1);
	if (test_read(&nr.moves) != moves)
		test_add(&nr.overlapped, 1);
}

/* Up to so many neighbours that nobody is busy with. */
static void free_some(unsigned int first, unsigned int max)
{
	struct object *some[MAX_FREED_AT_ONCE];
	unsigned int found = 0, i;

	for (i = first; i < first + max && i < NR_THREAD_OBJECTS; i++) {
		if (__atomic_exchange_n(&busy[i], true, __ATOMIC_ACQUIRE))
			continue;
		if (objects[i].size && objects[i].pool == ZSWAP)
			some[found++] = &objects[i];
		else
			__atomic_store_n(&busy[i], false, __ATOMIC_RELEASE);
	}
	for (i = 0; i < found; i++)
		verify_content(some[i]);
	objects_release(some, found);
	test_add(&nr.frees, found);
	test_add(&nr.freed_many, found > 1);
	for (i = 0; i < found; i++)
		__atomic_store_n(&busy[some[i] - objects], false, __ATOMIC_RELEASE);
}

/* Else nothing was tested but the workers. */
static bool all_happened(void)
{
	return test_read(&nr.moves) && test_read(&nr.compacted) &&
	       test_read(&nr.freed_many) && test_read(&nr.stored_many) &&
	       test_read(&nr.freed_late) && test_read(&nr.recounts) &&
	       test_read(&nr.overlapped) &&
	       (!ZS_OBJ_CLASS_BITS || test_read(&nr.changed)) &&
	       (!fail_every || test_read(&nr.failed));
}

/* A slow machine may take more operations for everything to meet. */
static bool has_work(void)
{
	return operation < nr_operations ||
	       (operation < 20 * nr_operations && !all_happened());
}

static void work(void)
{
	unsigned int i;

	while (has_work()) {
		i = test_random() % NR_THREAD_OBJECTS;
		if (test_random() % 16 == 0) {
			operation++;
			free_some(i, 1 + test_random() % MAX_FREED_AT_ONCE);
			continue;
		}
		if (test_random() % 16 == 0) {
			operation++;
			store_some(i, 1 + test_random() % MAX_STORED_AT_ONCE);
			continue;
		}
		if (__atomic_exchange_n(&busy[i], true, __ATOMIC_ACQUIRE))
			continue;
		operation++;
		if (!objects[i].size) {
			store(&objects[i]);
		} else if (test_random() % 2) {
			operation_name = "read";
			verify_content(&objects[i]);
			test_add(&nr.reads, 1);
		} else {
			check_and_free(&objects[i]);
		}
		__atomic_store_n(&busy[i], false, __ATOMIC_RELEASE);
	}
}

/* One that is in use, if one is found soon. Pages are used from the first on. */
static struct page *random_page(void)
{
	struct page *page = __atomic_exchange_n(&page_to_move, NULL, __ATOMIC_RELAXED);
	int i;

	for (i = 0; i < 64 && (!page || !test_read(&page->_refcount.counter)); i++)
		page = &test_pages[test_random() % (2 * NR_THREAD_OBJECTS)];
	return page;
}

/* As others do who want the page for a while: frees of its zspage wait. */
static void hold_page(struct page *page)
{
	int i = test_random() % 64;

	if (!folio_try_get(page_folio(page)))
		return;
	if (PageMovableOps(page) && folio_trylock(page_folio(page))) {
		while (i--)
			test_wait();
		folio_unlock(page_folio(page));
	}
	folio_put(page_folio(page));
}

static void move(void)
{
	struct page *page = random_page();
	int err;

	if (test_random() % 4 == 0) {
		hold_page(page);
		return;
	}
	err = move_page(page, test_random() % NR_TEST_NODES);
	expect(!err || err == -EAGAIN || err == -EBUSY || err == -ENOMEM);
	if (err != -EAGAIN)
		test_add(err ? &nr.not_moved : &nr.moves, 1);
}

static void compact(void)
{
	operation_name = "compaction";
	test_add(&nr.compacted, zs_compact(pools[test_random() % NR_POOLS]));
}

static void free_deferred(void)
{
	struct zs_pool *pool = pools[test_random() % NR_POOLS];

	operation_name = "deferred free";
	test_add(&nr.freed_late, !llist_empty(&pool->retired.list));
	free_retired(pool);
}

/* Objects come and go meanwhile, but each is counted as a whole. */
static void verify_whole_objects(const struct zs_recount *count)
{
	long nr_objs = 0, orig = 0;
	int nid;

	for (nid = 0; nid < NR_TEST_NODES; nid++) {
		nr_objs += count->node[nid].objs;
		orig += count->node[nid].orig;
	}
	expect_eq(orig, nr_objs * (long)PAGE_SIZE, "original bytes of %ld objects", nr_objs);
}

static void recount(void)
{
	static const char *const names[] = { "nodes", "classes" };
	struct zs_pool *pool = pools[test_random() % NR_POOLS];
	struct zs_recount *count;
	char *text;

	operation_name = "recount";
	count = zs_recount(pool);
	if (!IS_ERR(count)) {
		verify_whole_objects(count);
		free_recount(count);
		test_add(&nr.recounts, 1);
	}
	debugfs_read(pool, names[test_random() % 2], &text);
	free(text);
	known_race_begin();
	pool->shrinker->count_objects(pool->shrinker, NULL);
	known_race_end();
}

struct thread {
	pthread_t id;
	unsigned int nr;
	void (*fn)(void);
};

static void *start_worker(void *arg)
{
	struct thread *thread = arg;

	seed_random(seed * MAX_THREADS + thread->nr);
	thread->fn();
	return NULL;
}

/* Again and again, with a pause so that the workers get somewhere. */
static void *start_helper(void *arg)
{
	struct thread *thread = arg;

	seed_random(seed * MAX_THREADS + thread->nr);
	while (!test_read(&stop)) {
		thread->fn();
		operation++;
		if (thread->fn == move)
			test_wait();
		else
			usleep(500);
	}
	return NULL;
}

static unsigned int nr_threads;
static struct thread threads[MAX_THREADS];

static void start_threads(unsigned int nr_wanted, void *(*start)(void *), void (*fn)(void))
{
	while (nr_wanted--) {
		struct thread *thread = &threads[nr_threads];

		expect(nr_threads < MAX_THREADS);
		thread->nr = nr_threads++;
		thread->fn = fn;
		expect(!pthread_create(&thread->id, NULL, start, thread));
	}
}

static void join_threads(unsigned int first, unsigned int end)
{
	for (; first < end; first++)
		expect(!pthread_join(threads[first].id, NULL));
}

static void run_threads(unsigned int fail)
{
	open_pools();
	fail_every = fail;
	start_threads(nr_workers, start_worker, work);
	start_threads(nr_movers, start_helper, move);
	start_threads(1, start_helper, compact);
	start_threads(1, start_helper, free_deferred);
	start_threads(1, start_helper, recount);
	join_threads(0, nr_workers);
	test_set(&stop, true);
	join_threads(nr_workers, nr_threads);
	expect(all_happened());
	fail_every = 0;

	operation_name = "the comparison at the end";
	verify_all();
	printf("# %lu allocated, %lu failed, %lu read, %lu freed, %lu of these while pages moved\n",
	       nr.allocs, nr.failed, nr.reads, nr.frees, nr.overlapped);
	printf("# %lu moved, %lu not, %lu compacted, %lu times freed late, %lu recounts\n",
	       nr.moves, nr.not_moved, nr.compacted, nr.freed_late, nr.recounts);
	printf("# %lu handles changed between the two reads in zs_free()\n", nr.changed);
	close_pools();
}

static void test_threads(void)
{
	run_threads(0);
}

static void test_threads_fail(void)
{
	test_memcgs[NR_TEST_MEMCGS - 1].limit = NR_THREAD_OBJECTS / 16 * PAGE_SIZE;
	run_threads(40);
}

static const struct number numbers[] = {
	{ "ops",	&nr_operations,	"operations of each worker" },
	{ "threads",	&nr_workers,	"workers" },
	{ "movers",	&nr_movers,	"threads that move pages" },
	{}
};

static const struct test tests[] = {
	{ "threads",		test_threads },
	{ "threads_fail",	test_threads_fail },
	{}
};

int main(int argc, char **argv)
{
	return run("zsmalloc-threads", tests, numbers, argc, argv);
}
