// SPDX-License-Identifier: GPL-2.0
/*
 * cost - what storing, loading and freeing a swapped-out page costs the task
 *
 *	cost zswap|zram LOW HIGH PAGES ROUNDS
 *
 * Every page has LOW to HIGH random bytes and compresses accordingly. Prints
 * CPU time of the calling task per page in nanoseconds: the median of ROUNDS
 * rounds and the range. Under `ztier run --icount` a nanosecond of CPU time is
 * an instruction, and the figures repeat. The slab that a stored page takes up is
 * that of the first round, when no cache has free objects of an earlier one.
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "measure.h"

#define CGROUP	"/sys/fs/cgroup/cost"

enum { STORE, LOAD, FREE, STAT, NUMA, NR_COSTS };

static const char * const costs[] = {
	[STORE] = "store", [LOAD] = "load", [FREE] = "free",
	[STAT] = "memory.stat", [NUMA] = "memory.numa_stat",
};

static const char * const units[] = {
	[STORE] = "ns/page", [LOAD] = "ns/page", [FREE] = "ns/page",
	[STAT] = "ns/flush", [NUMA] = "ns/read",
};

static double per_page(double ns, long pages, const char *what)
{
	if (pages <= 0)
		errx(1, "no page was counted by %s", what);
	return ns / pages;
}

/* Returns the bytes of slab per page. */
static double one_round(double *cost, const char *out, const char *in,
			size_t pages, unsigned int low, unsigned int high)
{
	size_t len = pages * PAGE, page;
	long before, slab, swapped;
	double t, metadata;
	char *data;

	data = map_pages(pages, low, high);
	slab = field("/proc/meminfo", "Slab:");
	before = field("/proc/vmstat", out);
	t = cpu_time();
	page_out(data, len);
	t = cpu_time() - t;
	swapped = field("/proc/vmstat", out) - before;
	cost[STORE] = per_page(t, swapped, out);
	metadata = (field("/proc/meminfo", "Slab:") - slab) * 1024. / swapped;

	t = cpu_time();
	slurp(CGROUP "/memory.stat");
	cost[STAT] = cpu_time() - t;
	t = cpu_time();
	slurp(CGROUP "/memory.numa_stat");
	cost[NUMA] = cpu_time() - t;

	before = field("/proc/vmstat", in);
	t = cpu_time();
	for (page = 0; page < pages; page++)
		*(volatile char *)(data + page * PAGE) += 1;
	t = cpu_time() - t;
	cost[LOAD] = per_page(t, field("/proc/vmstat", in) - before, in);

	page_out(data, len);
	swapped = field("/proc/self/status", "VmSwap:") / (PAGE / 1024);
	t = cpu_time();
	munmap(data, len);
	t = cpu_time() - t;
	cost[FREE] = per_page(t, swapped, "VmSwap");

	return metadata;
}

int main(int argc, char **argv)
{
	unsigned int low, high, rounds, round, c;
	double cost[NR_COSTS], *seen[NR_COSTS], metadata;
	const char *out, *in;
	size_t pages;

	if (argc != 6)
		errx(2, "usage: cost zswap|zram LOW HIGH PAGES ROUNDS");
	low = atoi(argv[2]);
	high = atoi(argv[3]);
	pages = atol(argv[4]);
	rounds = atoi(argv[5]);
	if (low > high || high > PAGE - 8 || !pages || !rounds)
		errx(2, "LOW <= HIGH <= %d, PAGES and ROUNDS above 0", PAGE - 8);

	if (!strcmp(argv[1], "zswap")) {
		out = "zswpout ";
		in = "zswpin ";
	} else if (!strcmp(argv[1], "zram")) {
		out = "pswpout ";
		in = "pswpin ";
	} else {
		errx(2, "%s: neither zswap nor zram", argv[1]);
	}

	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755))
		err(1, CGROUP);
	put(CGROUP "/cgroup.procs", "0");
	/* one page per fault, or the counts depend on readahead */
	put("/proc/sys/vm/page-cluster", "0");

	for (c = 0; c < NR_COSTS; c++) {
		seen[c] = calloc(rounds, sizeof(double));
		if (!seen[c])
			err(1, "calloc");
	}

	/* The first round warms the caches up and is not counted. */
	metadata = one_round(cost, out, in, pages, low, high);
	for (round = 0; round < rounds; round++) {
		one_round(cost, out, in, pages, low, high);
		for (c = 0; c < NR_COSTS; c++)
			seen[c][round] = cost[c];
	}

	for (c = 0; c < NR_COSTS; c++)
		print_cost(costs[c], units[c], seen[c], rounds);
	printf("slab %.1f bytes/page\n", metadata);
	return 0;
}
