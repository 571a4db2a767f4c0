/* SPDX-License-Identifier: GPL-2.0 */
/* What programs that measure share: files, the clock, pages, the median. */
#ifndef MEASURE_H
#define MEASURE_H

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

#define PAGE	4096

static char buffer[65536];

static inline void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err(1, "writing %s to %s", value, path);
	close(fd);
}

static void slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t len, used = 0;

	if (fd < 0)
		err(1, "%s", path);
	while ((len = read(fd, buffer + used, sizeof(buffer) - 1 - used)) > 0)
		used += len;
	buffer[used] = 0;
	close(fd);
}

/* The number behind @key at the beginning of a line */
static long field(const char *path, const char *key)
{
	size_t len = strlen(key);
	char *line;

	slurp(path);
	for (line = buffer; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len))
			return atol(line + len);
	}
	errx(1, "%s has no %s", path, key);
}

/* The thread that calls it stays there. */
static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

static inline double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline void page_out(char *data, size_t len)
{
	if (madvise(data, len, MADV_PAGEOUT))
		err(1, "MADV_PAGEOUT");
}

/*
 * A point of time for scripts/lib/insns.c, and nothing to the CPU: a NOP with a
 * displacement of 0x5a5a00NN.
 */
#define MARK(code) \
	asm volatile(".byte 0x0f, 0x1f, 0x80, %c0, 0x00, 0x5a, 0x5a" : : "i" (code) : "memory")

/*
 * A page with @low to @high random bytes, that compresses accordingly. @tag is
 * not 0: no page is of one value only, however little is random.
 */
static void fill_page(char *page, unsigned int low, unsigned int high, uint64_t tag)
{
	size_t random = low + random64() % (high - low + 1), i;

	for (i = 0; i + 8 <= random; i += 8)
		*(uint64_t *)(page + i) = random64();
	*(uint64_t *)(page + PAGE - 8) = tag;
}

/* Pages that have @low to @high random bytes each, and compress accordingly. */
static inline char *map_pages(size_t pages, unsigned int low, unsigned int high)
{
	size_t len = pages * PAGE, page;
	char *data;

	data = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		err(1, "mmap");

	random_state = 88172645463325252ull;
	for (page = 0; page < pages; page++)
		fill_page(data + page * PAGE, low, high, page + 1);
	return data;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values of @rounds rounds and prints the median and the range. */
static inline void print_cost(const char *name, const char *unit, double *seen,
		       unsigned int rounds)
{
	qsort(seen, rounds, sizeof(*seen), compare);
	printf("%s %.1f %s (%.1f to %.1f)\n", name, seen[rounds / 2], unit,
	       seen[0], seen[rounds - 1]);
}

#endif
