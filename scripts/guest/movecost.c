// SPDX-License-Identifier: GPL-2.0
/*
 * movecost - what moving compressed pages costs the task that makes them move
 *
 *	movecost objects PAGES ROUNDS
 *	movecost pages NODE PAGES ROUNDS
 *
 * objects: every second of PAGES pages in zswap is freed, then drop_caches has
 * zsmalloc compact its pool. pages: PAGES pages in zswap on NODE, the memory of
 * which is taken offline block by block. Prints CPU time of the calling task in
 * nanoseconds per object left, or per page of the pool that left the node:
 * instructions under `ztier run --icount`. The pool's pages before and after
 * show that base and series did the same.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "measure.h"

#define NODE	"/sys/devices/system/node/node"

static long pool_pages(const char *vmstat)
{
	return field(vmstat, "nr_zspages ");
}

/* The result is in @before and @after. */
static double compact(size_t pages, long *before, long *after)
{
	char *data = map_pages(pages, 600, 2600);
	double t;
	size_t i;

	page_out(data, pages * PAGE);
	/* whatever else is there to be dropped goes now */
	put("/proc/sys/vm/drop_caches", "2");
	for (i = 0; i < pages; i += 2)
		if (madvise(data + i * PAGE, PAGE, MADV_DONTNEED))
			err(1, "MADV_DONTNEED");

	*before = pool_pages("/proc/vmstat");
	t = cpu_time();
	put("/proc/sys/vm/drop_caches", "2");
	t = cpu_time() - t;
	*after = pool_pages("/proc/vmstat");
	if (*after >= *before)
		errx(1, "compaction freed no page of %ld", *before);
	munmap(data, pages * PAGE);
	return t / (pages / 2);
}

/* Writes @state to all memory blocks of a node, as far as they accept it. */
static void set_blocks(int node, const char *state)
{
	char path[512];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), NODE "%d", node);
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		int fd;

		if (strncmp(entry->d_name, "memory", 6) || !atoi(entry->d_name + 6))
			continue;
		snprintf(path, sizeof(path), NODE "%d/%s/state", node, entry->d_name);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, state, strlen(state)) < 0)
			err(1, "writing %s to %s", state, path);
		close(fd);
	}
	closedir(dir);
}

static double offline(int node, size_t pages, long *before, long *after)
{
	unsigned long mask = 1ul << node;
	char vmstat[64], *data;
	double t;

	/* MPOL_BIND */
	if (syscall(SYS_set_mempolicy, 2, &mask, 8 * sizeof(mask)))
		err(1, "binding to node %d", node);
	data = map_pages(pages, 600, 2600);
	page_out(data, pages * PAGE);
	if (syscall(SYS_set_mempolicy, 0, NULL, 0))
		err(1, "set_mempolicy");

	snprintf(vmstat, sizeof(vmstat), NODE "%d/vmstat", node);
	*before = pool_pages(vmstat);
	t = cpu_time();
	set_blocks(node, "offline");
	t = cpu_time() - t;
	/* a node without memory has lost its files */
	*after = access(vmstat, R_OK) ? 0 : pool_pages(vmstat);
	if (*after >= *before)
		errx(1, "no page of %ld left node %d", *before, node);
	munmap(data, pages * PAGE);
	set_blocks(node, "online_movable");
	return t / (*before - *after);
}

int main(int argc, char **argv)
{
	unsigned int rounds, round;
	bool objects;
	long before, after;
	double *seen, t;
	size_t pages;
	int node = 0;

	objects = argc == 4 && !strcmp(argv[1], "objects");
	if (!objects && (argc != 5 || strcmp(argv[1], "pages")))
		errx(2, "usage: movecost objects PAGES ROUNDS | pages NODE PAGES ROUNDS");
	if (!objects)
		node = atoi(argv[2]);
	pages = atol(argv[argc - 2]);
	rounds = atoi(argv[argc - 1]);
	if (pages < 2 || !rounds)
		errx(2, "PAGES above 1, ROUNDS above 0");

	seen = calloc(rounds, sizeof(*seen));
	if (!seen)
		err(1, "calloc");
	/* The first round warms the caches up and is not counted. */
	for (round = 0; round <= rounds; round++) {
		t = objects ? compact(pages, &before, &after) :
			      offline(node, pages, &before, &after);
		if (round)
			seen[round - 1] = t;
	}
	print_cost(objects ? "objects" : "pages", objects ? "ns/object" : "ns/page",
		   seen, rounds);
	printf("pool %ld pages, then %ld\n", before, after);
	return 0;
}
