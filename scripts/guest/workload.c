// SPDX-License-Identifier: GPL-2.0
/*
 * workload - memory of a known content on a known node
 *
 *	workload NAME NODE MIB TEXT [pageout|measure]
 *
 * Fills MIB mebibytes on node NODE: TEXT percent of the pages with words, which
 * compress as prose does, the rest with noise. Says "NAME ready" and waits for
 * the end of stdin; meanwhile somebody reclaims it, unless it did so itself
 * (pageout). Then checks every byte and says "NAME wrong N", N pages.
 *
 * With measure it swaps out itself, too, and says what that took of the CPU, and
 * to take all pages in again: "NAME out N" and "NAME in N", N nanoseconds, which
 * are instructions under -icount shift=0.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

#define PAGE		4096
#define MPOL_BIND	2

static const char * const words[] = {
	"the ", "page ", "of ", "memory ", "is ", "compressed ", "and ", "node ",
	"to ", "a ", "cgroup ", "that ", "swapped ", "out, ", "for ", "it ",
	"pool. ", "kernel ", "when ", "which ", "reclaim ", "allocator ", "by ",
	"writes ", "42 ", "object ", "so ", "stored ", "every ", "in ", "class ",
	"request=",
};

/* The page is a function of its number, so that it can be made again. */
static void make_page(char *page, size_t number, unsigned int text)
{
	size_t used = 0;

	random_state = (number + 1) * 0x9e3779b97f4a7c15ull;
	if (random64() % 100 >= text) {
		for (used = 0; used < PAGE; used += sizeof(uint64_t)) {
			uint64_t noise = random64();

			memcpy(page + used, &noise, sizeof(noise));
		}
		return;
	}
	while (used < PAGE) {
		const char *word = words[random64() % (sizeof(words) / sizeof(*words))];
		size_t len = strlen(word);

		if (len > PAGE - used)
			len = PAGE - used;
		memcpy(page + used, word, len);
		used += len;
	}
}

static long cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv)
{
	static char expected[PAGE];
	size_t pages, i, wrong = 0;
	unsigned long nodes;
	bool measure;
	long begin;
	char *area;
	int text;

	if (argc < 5)
		errx(2, "usage: workload NAME NODE MIB TEXT [pageout|measure]");
	measure = argc > 5 && !strcmp(argv[5], "measure");
	nodes = 1ul << atoi(argv[2]);
	pages = (size_t)atoi(argv[3]) << 8;
	text = atoi(argv[4]);

	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		err(1, "mmap");
	if (syscall(SYS_mbind, area, pages * PAGE, MPOL_BIND, &nodes, 64, 0))
		err(1, "mbind to node %s", argv[2]);
	for (i = 0; i < pages; i++)
		make_page(area + i * PAGE, i, text);

	begin = cpu_time();
	if (argc > 5 && madvise(area, pages * PAGE, MADV_PAGEOUT))
		err(1, "MADV_PAGEOUT");
	if (measure)
		printf("%s out %ld\n", argv[1], cpu_time() - begin);
	printf("%s ready\n", argv[1]);
	fflush(stdout);
	while (read(STDIN_FILENO, expected, sizeof(expected)) > 0)
		;

	begin = cpu_time();
	for (i = 0; i < pages; i++)
		*(volatile char *)(area + i * PAGE);
	if (measure)
		printf("%s in %ld\n", argv[1], cpu_time() - begin);

	for (i = 0; i < pages; i++) {
		make_page(expected, i, text);
		wrong += !!memcmp(area + i * PAGE, expected, PAGE);
	}
	printf("%s wrong %zu\n", argv[1], wrong);
	return wrong != 0;
}
