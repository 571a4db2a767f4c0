// SPDX-License-Identifier: GPL-2.0
/*
 * failnth - fails each allocation of the zswap store path in turn
 *
 *	failnth [KIB]...	sizes of folios; without: 4, 64 and 2048
 *
 * Round N swaps the same pages out with the Nth allocation failing, until three
 * rounds in a row have fewer allocations than that: pages of folios of each size,
 * first as new ones and then again, after a thread has touched them while they
 * were stored, so that zswap stored some anew over an entry of what they were. In
 * more rounds a tenth of the allocations fail, so that what makes up for one that
 * has failed can fail as well, or half of those of nodes of zswap's tree, or zswap
 * is off, so that nothing is stored over any of those entries. On a machine with a
 * device for private nodes pages go there, on others to zsmalloc.
 * Whatever fails, no byte may change, and afterwards nothing may be left: no entry,
 * no handle, no pool page, no charge, no cgroup. KTAP on stdout. See
 * Documentation/fault-injection/fault-injection.rst. Slab must not merge caches
 * (slab_nomerge), or its objects cannot be told apart.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "kmemleak.h"
#include "measure.h"

#define PMD_SIZE	(2ul << 20)
#define MAX_PAGES	(PMD_SIZE / PAGE)
#define SMALL_PAGES	24
#define ROUNDS		5000
#define MISSED		3	/* rounds in a row */
#define MORE_ROUNDS	90
#define TRIES		50
#define GROUP		"/sys/fs/cgroup/failnth"
#define FAULTS		"/sys/kernel/debug/"
#define HUGE_PAGES	"/sys/kernel/mm/transparent_hugepage/hugepages-"
#define PRIVATE		"/sys/bus/dax/drivers/private_dax"
#define SLAB		"/sys/kernel/slab/"
#define FAIL_NODES	SLAB "radix_tree_node/failslab"

static int test_nr;
static int failed;
static bool direct;		/* to a private node */

static void result(bool good, const char *what, const char *detail)
{
	printf("%sok %d %s%s%s\n", good ? "" : "not ", ++test_nr, what,
	       *detail ? " # " : "", detail);
	fflush(stdout);
	failed |= !good;
}

static long number(const char *path)
{
	slurp(path);
	return atol(buffer);
}

/* ---- pages -------------------------------------------------------------------- */

/* What a page has but for its last 8 bytes: these are the version. */
static char contents[MAX_PAGES][PAGE];
static uint64_t versions[MAX_PAGES];
static char *area;
static int nr_pages;

/* Sizes from a few bytes to a whole page, so that many size classes are used. */
static void make_contents(void)
{
	int noise, i, page;

	random_state = 88172645463325252ull;
	for (page = 0; page < nr_pages; page++) {
		noise = page * (PAGE / 8) / (nr_pages - 1);
		memset(contents[page], 'z', PAGE);
		for (i = 0; i < noise; i++)
			((uint64_t *)contents[page])[i] = random64();
	}
}

static void change(int page)
{
	*(uint64_t *)(area + (page + 1) * PAGE - 8) = ++versions[page];
}

static void fill(void)
{
	for (int page = 0; page < nr_pages; page++) {
		memcpy(area + page * PAGE, contents[page], PAGE - 8);
		change(page);
	}
}

static int wrong_pages(void)
{
	int page, wrong = 0;

	for (page = 0; page < nr_pages; page++)
		wrong += memcmp(area + page * PAGE, contents[page], PAGE - 8) ||
			 *(uint64_t *)(area + (page + 1) * PAGE - 8) != versions[page];
	return wrong;
}

static bool present(int page)
{
	static int fd = -1;
	uint64_t entry;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY);
	if (pread(fd, &entry, sizeof(entry),
		  ((uintptr_t)area / PAGE + page) * sizeof(entry)) != sizeof(entry))
		err(1, "/proc/self/pagemap");
	return entry >> 63;
}

/* ---- entries of what a page was before ------------------------------------------ */

static atomic_bool racing, raced, finished;
static sem_t race_begins;
static char unlocked[PAGE] __attribute__((aligned(PAGE)));

static int cpus[2], nr_cpus;	/* of the main thread and of that which touches pages */

static void find_cpus(void)
{
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all))
		err(1, "the CPUs");
	for (int cpu = 0; cpu < CPU_SETSIZE && nr_cpus < 2; cpu++)
		if (CPU_ISSET(cpu, &all))
			cpus[nr_cpus++] = cpu;
}

/*
 * A page that is touched while it is stored waits for that, and stays: it is in the
 * swap cache and mapped, and zswap has an entry of it. It is the kernel that touches
 * them here: UML runs no two threads of a process at once, but for what they do in the
 * kernel.
 */
static void *reader(void *unused)
{
	static char copy[PMD_SIZE];
	int fd = open("/proc/self/mem", O_RDONLY);

	if (fd < 0)
		err(1, "/proc/self/mem");
	pin(cpus[1]);
	while (!sem_wait(&race_begins) && !finished) {
		raced = true;
		while (racing)
			if (pread(fd, copy, nr_pages * PAGE, (uintptr_t)area) != nr_pages * PAGE)
				err(1, "reading the pages");
		/* It empties this CPU's LRU batches: a page there could not be stored again. */
		if (madvise(unlocked, PAGE, MADV_COLD))
			err(1, "MADV_COLD");
		raced = false;
	}
	close(fd);
	return unused;
}

static void race(bool on)
{
	racing = on;
	if (on)
		sem_post(&race_begins);
	while (raced != on)
		sched_yield();
}

/*
 * Returns how many entries there are of what pages were that are not swapped out.
 * The one of a page that was mapped for reading only goes when it is written to.
 */
static long make_stale(void)
{
	long stale;
	int page;

	for (int try = 0; try < TRIES; try++) {
		race(true);
		page_out(area, nr_pages * PAGE);
		race(false);
		for (page = 0; page < nr_pages; page++)
			if (present(page))
				change(page);
		stale = number(FAULTS "zswap/stored_pages");
		for (page = 0; page < nr_pages; page++)
			stale -= !present(page);
		if (stale > 0)
			return stale;
		/* One that is read in has no entry then. */
		for (page = 0; page < nr_pages; page++)
			change(page);
	}
	return 0;
}

/* ---- the store ------------------------------------------------------------------ */

static int open_once(int fd, const char *path)
{
	if (fd < 0)
		fd = open(path, O_RDWR);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* What fails: the Nth allocation, some of all, some of nodes of a tree; all stores */
enum failure { NTH, SOME, SOME_NODES, ZSWAP };

/* Percentages of the allocations of a task that is made to fail */
static void fail_some(const char *slab, const char *pages, bool nodes_only)
{
	put(FAULTS "failslab/probability", slab);
	put(FAULTS "fail_page_alloc/probability", pages);
	if (access(FAIL_NODES, F_OK))
		return;
	put(FAIL_NODES, nodes_only ? "1" : "0");
	put(FAULTS "failslab/cache-filter", nodes_only ? "Y" : "N");
}

static void store_with_some(bool nodes_only)
{
	static int fd = -1;

	if (nodes_only)
		fail_some("50", "0", true);
	else
		fail_some("10", "10", false);
	/* Opening a file may fail, too. */
	fd = open_once(fd, "/proc/self/make-it-fail");
	if (pwrite(fd, "1", 1, 0) != 1)
		err(1, "make-it-fail");
	madvise(area, nr_pages * PAGE, MADV_PAGEOUT);
	if (pwrite(fd, "0", 1, 0) != 1)
		err(1, "make-it-fail");
	fail_some("0", "0", false);
}

/* Returns whether the Nth allocation was reached, and made fail. */
static bool store_with_nth(int nth)
{
	static int fd = -1;
	char text[16];
	int n;

	fd = open_once(fd, "/proc/self/fail-nth");
	n = snprintf(text, sizeof(text), "%d", nth);
	if (pwrite(fd, text, n, 0) != n)
		err(1, "fail-nth");
	madvise(area, nr_pages * PAGE, MADV_PAGEOUT);
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (pwrite(fd, "0", 1, 0) != 1 || n < 1)
		err(1, "fail-nth");
	text[n] = 0;
	return atoi(text) == 0;
}

/* Swap the pages out. Returns whether what is to fail did. */
static bool store(enum failure failure, int nth)
{
	switch (failure) {
	case NTH:
		return store_with_nth(nth);
	case SOME:
	case SOME_NODES:
		store_with_some(failure == SOME_NODES);
		return true;
	case ZSWAP:
		put("/sys/module/zswap/parameters/enabled", "N");
		page_out(area, nr_pages * PAGE);
		put("/sys/module/zswap/parameters/enabled", "Y");
		return true;
	}
	return false;
}

/*
 * A page that zswap has refused stays in the swap cache while it is written, and would
 * be found there: an entry of what it was is only met when that is gone.
 */
static void empty_swap_cache(void)
{
	static int fd = -1;
	char text[32];

	fd = open_once(fd, GROUP "/memory.reclaim");
	for (int try = 0; try < TRIES; try++) {
		long pages;
		int n;

		put("/proc/sys/vm/stat_refresh", "1");
		pages = field("/proc/vmstat", "nr_swapcached ");
		if (!pages)
			return;
		n = snprintf(text, sizeof(text), "%ld", pages * PAGE);
		if (pwrite(fd, text, n, 0) != n && errno != EAGAIN)
			err(1, GROUP "/memory.reclaim");
		usleep(1000);
	}
}

/* In use, not counting what CPUs have at hand. 0 if slab does not say. */
static long objects(const char *cache)
{
	char path[64], name[64];
	long active = 0;
	FILE *file;

	snprintf(path, sizeof(path), SLAB "%s/shrink", cache);
	file = access(path, F_OK) ? NULL : fopen("/proc/slabinfo", "r");
	if (!file)
		return 0;
	put(path, "1");
	while (fgets(buffer, sizeof(buffer), file)) {
		long nr;

		if (sscanf(buffer, "%63s %ld", name, &nr) == 2 && !strcmp(name, cache))
			active = nr;
	}
	fclose(file);
	return active;
}

/* Returns the name of something that is left, or NULL. */
static const char *leftover(void)
{
	static const char * const files[] = {
		GROUP "/memory.zswap.current", FAULTS "zswap/stored_pages",
		FAULTS "zswap/pool_total_size",
	}, * const keys[][2] = {
		{ GROUP "/memory.stat", "zswap " }, { GROUP "/memory.stat", "zswapped " },
		{ "/proc/vmstat", "nr_zswap " }, { "/proc/vmstat", "nr_zswapped " },
		{ "/proc/vmstat", "nr_zspages " },
	}, * const caches[] = { "zswap_entry", "zs_handle", "zspage" };

	put("/proc/sys/vm/stat_refresh", "1");
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (number(files[i]))
			return files[i];
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (field(keys[i][0], keys[i][1]))
			return keys[i][1];
	for (size_t i = 0; i < sizeof(caches) / sizeof(*caches); i++)
		if (objects(caches[i]))
			return caches[i];
	return NULL;
}

/* ---- cases ---------------------------------------------------------------------- */

struct round {
	bool reached;
	int wrong;		/* sums of all rounds */
	long stale;
};

/* Returns false if this kernel has no such folios. */
static bool set_folio(int kib)
{
	char path[sizeof(HUGE_PAGES) + 32];
	bool there = kib == PAGE / 1024;

	for (int size = 8; size <= 2048; size *= 2) {
		snprintf(path, sizeof(path), HUGE_PAGES "%dkB/enabled", size);
		if (access(path, F_OK))
			continue;
		there |= size == kib;
		put(path, size == kib ? "always" : "never");
	}
	return there;
}

static long stored(int kib)
{
	char path[sizeof(HUGE_PAGES) + 32];

	snprintf(path, sizeof(path), HUGE_PAGES "%dkB/stats/zswpout", kib);
	if (kib == PAGE / 1024)
		return field("/proc/vmstat", "zswpout ");
	return number(path);
}

static void run_round(enum failure failure, int nth, bool again, struct round *round)
{
	fill();
	if (again)
		round->stale += make_stale();
	/* All are stored, those that have an older entry among the others. */
	for (int page = 0; page < nr_pages; page++)
		if (!present(page))
			change(page);
	round->reached = store(failure, nth);
	empty_swap_cache();
	round->wrong += wrong_pages();
	madvise(area, PMD_SIZE, MADV_DONTNEED);
}

static void run_case(int kib, bool again)
{
	long out = direct ? field("/proc/vmstat", "zswpout_direct ") : 0, folios;
	struct round round = {};
	int nth, reached = 0, missed = 0;
	char name[32], text[256];
	const char *left;

	snprintf(name, sizeof(name), "%dk%s%s", kib, direct ? "_direct" : "",
		 again ? "_again" : "");
	if (!set_folio(kib)) {
		result(true, name, "SKIP no folios of this size");
		return;
	}
	if (again && nr_cpus < 2) {
		result(true, name, "SKIP one CPU: nothing touches a page while it is stored");
		return;
	}
	nr_pages = kib == 4 ? SMALL_PAGES : kib == 2048 ? (int)MAX_PAGES : 2 * kib / 4;
	make_contents();
	if (again) {
		bool raced_once;

		fill();
		raced_once = make_stale();
		madvise(area, PMD_SIZE, MADV_DONTNEED);
		if (!raced_once) {
			result(true, name, "SKIP no page was touched while it was stored");
			return;
		}
	}
	folios = stored(kib);

	/* How many allocations there are is not the same in each round. */
	for (nth = 1; nth <= ROUNDS && missed < MISSED; nth++) {
		run_round(NTH, nth, again, &round);
		reached += round.reached;
		missed = round.reached ? 0 : missed + 1;
	}
	for (int i = 0; i < MORE_ROUNDS; i++)
		run_round(SOME + i % 3, 0, again, &round);
	folios = stored(kib) - folios;
	if (direct)
		out = field("/proc/vmstat", "zswpout_direct ") - out;

	/* zsmalloc gives pages back from a worker */
	left = leftover();
	for (int i = 0; i < 100 && left; i++) {
		usleep(50000);
		left = leftover();
	}
	snprintf(text, sizeof(text), "%d allocations failed, one in each round, then some or zswap "
		 "in each of %d; %ld folios were stored, %ld pages on a private node, %ld of older "
		 "entries; %d pages are wrong; left: %s", reached, MORE_ROUNDS, folios, out,
		 round.stale, round.wrong, left ? left : "nothing");
	result(reached && missed == MISSED && folios && (!direct || out) && (!again || round.stale) &&
	       !round.wrong && !left, name, text);
}

static void set_up(void)
{
	char text[16], *map;
	DIR *driver = opendir(PRIVATE);
	struct dirent *each;

	while (driver && (each = readdir(driver)))
		direct |= !strncmp(each->d_name, "dax", 3);
	if (driver)
		closedir(driver);
	if (direct && system("private-node online >/dev/null"))
		errx(1, "there is no private node: see the messages above");

	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755))
		err(1, GROUP);
	put(FAULTS "failslab/ignore-gfp-wait", "N");
	put(FAULTS "failslab/verbose", "0");
	put(FAULTS "fail_page_alloc/ignore-gfp-wait", "N");
	put(FAULTS "fail_page_alloc/ignore-gfp-highmem", "N");
	put(FAULTS "fail_page_alloc/min-order", "0");
	put(FAULTS "fail_page_alloc/verbose", "0");
	put(FAULTS "failslab/task-filter", "Y");
	put(FAULTS "fail_page_alloc/task-filter", "Y");
	put(FAULTS "failslab/times", "-1");
	put(FAULTS "fail_page_alloc/times", "-1");
	snprintf(text, sizeof(text), "%d", getpid());
	put(GROUP "/cgroup.procs", text);

	map = mmap(NULL, 2 * PMD_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	area = (char *)(((uintptr_t)map + PMD_SIZE - 1) & ~(PMD_SIZE - 1));
}

int main(int argc, char **argv)
{
	static const int sizes[] = { 4, 64, 2048 };
	int nr = argc > 1 ? argc - 1 : (int)(sizeof(sizes) / sizeof(*sizes)), i;
	pthread_t thread;

	printf("TAP version 13\n1..%d\n", 2 * nr + 2);
	if (access("/proc/self/fail-nth", W_OK)) {
		for (i = 0; i < 2 * nr + 2; i++)
			result(true, "fail-nth", "SKIP kernel without FAULT_INJECTION");
		return 0;
	}
	/* Or a huge page of this program's is in the middle of what munlock() ends at. */
	set_folio(PAGE / 1024);
	set_up();
	forget_leaks();
	find_cpus();
	pin(cpus[0]);
	if (nr_cpus == 2 &&
	    (sem_init(&race_begins, 0, 0) || pthread_create(&thread, NULL, reader, NULL)))
		err(1, "a thread");
	/* Only the pages that are tested may be in zswap, whatever is reclaimed. */
	if (mlockall(MCL_CURRENT) || munlock(area, PMD_SIZE) || munlock(unlocked, PAGE))
		err(1, "mlock");

	for (i = 0; i < nr; i++) {
		int kib = argc > 1 ? atoi(argv[i + 1]) : sizes[i];

		if (kib < 4 || kib > 2048 || (kib & (kib - 1)))
			errx(2, "%s KiB: a power of two from 4 to 2048", argv[i + 1]);
		run_case(kib, false);
		run_case(kib, true);
	}
	if (nr_cpus == 2) {
		finished = true;
		sem_post(&race_begins);
		pthread_join(thread, NULL);
	}

	if (access(KMEMLEAK, F_OK))
		result(true, "kmemleak", "SKIP kernel without DEBUG_KMEMLEAK");
	else
		result(!find_leaks(), "kmemleak", "");
	put("/sys/fs/cgroup/cgroup.procs", "0");
	result(!rmdir(GROUP), "cgroup_removed", "");
	return failed;
}
