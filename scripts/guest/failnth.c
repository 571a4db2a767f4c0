// SPDX-License-Identifier: GPL-2.0
/*
 * failnth - fails each allocation of the zswap store path in turn
 *
 * Round N swaps the same few pages out with the Nth allocation failing, until a
 * round has fewer allocations than that. Whatever fails, no byte may change, and
 * afterwards nothing may be left: no entry, no pool page, no charge, no cgroup.
 * KTAP on stdout. See Documentation/fault-injection/fault-injection.rst.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE	4096
#define PAGES	24
#define ROUNDS	2000
#define GROUP	"/sys/fs/cgroup/failnth"
#define FAULTS	"/sys/kernel/debug/"

static int test_nr;
static int failed;

static void result(int good, const char *what, const char *detail)
{
	printf("%sok %d %s%s%s\n", good ? "" : "not ", ++test_nr, what,
	       *detail ? " # " : "", detail);
	failed |= !good;
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", file);
	close(fd);
}

/* The number after key in file; the first number if key is empty. */
static long get(const char *file, const char *key)
{
	char buf[16384], *at = buf;
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0)
		err(1, "%s", file);
	close(fd);
	buf[n] = 0;
	if (*key) {
		at = strstr(buf, key);
		if (!at)
			return 0;
		at += strlen(key);
	}
	return atol(at);
}

/* Sizes from a few bytes to a whole page, so that many size classes are used. */
static void fill(char *page, int number)
{
	int noise = number * PAGE / (PAGES - 1);

	memset(page, 'z', PAGE);
	srandom(number + 1);
	for (int i = 0; i < noise; i++)
		page[i] = random();
}

/* Returns whether the Nth allocation was reached, and made fail. */
static int store(char *area, int nth)
{
	static int fd = -1;
	char text[16];
	int n;

	if (fd < 0)
		fd = open("/proc/self/fail-nth", O_RDWR);
	if (fd < 0)
		err(1, "/proc/self/fail-nth");
	n = snprintf(text, sizeof(text), "%d", nth);
	if (pwrite(fd, text, n, 0) != n)
		err(1, "fail-nth");
	madvise(area, PAGES * PAGE, MADV_PAGEOUT);
	n = pread(fd, text, sizeof(text) - 1, 0);
	pwrite(fd, "0", 1, 0);
	if (n < 1)
		err(1, "fail-nth");
	text[n] = 0;
	return atoi(text) == 0;
}

static int leftover(void)
{
	return get(GROUP "/memory.zswap.current", "") ||
	       get(GROUP "/memory.stat", "\nzswap ") ||
	       get(GROUP "/memory.stat", "\nzswapped ") ||
	       get(FAULTS "zswap/stored_pages", "") ||
	       get(FAULTS "zswap/pool_total_size", "") ||
	       get("/proc/vmstat", "nr_zswap ") ||
	       get("/proc/vmstat", "nr_zswapped ");
}

int main(void)
{
	char expected[PAGE], text[64];
	int nth, i, wrong = 0, stored = 0;

	puts("TAP version 13\n1..4");
	if (access("/proc/self/fail-nth", W_OK)) {
		for (i = 0; i < 4; i++)
			result(1, "fail-nth", "SKIP kernel without FAULT_INJECTION");
		return 0;
	}
	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755))
		err(1, GROUP);
	put(FAULTS "failslab/ignore-gfp-wait", "N");
	put(FAULTS "failslab/verbose", "0");
	put(FAULTS "fail_page_alloc/ignore-gfp-wait", "N");
	put(FAULTS "fail_page_alloc/ignore-gfp-highmem", "N");
	put(FAULTS "fail_page_alloc/min-order", "0");
	put(FAULTS "fail_page_alloc/verbose", "0");
	snprintf(text, sizeof(text), "%d", getpid());
	put(GROUP "/cgroup.procs", text);

	for (nth = 1; nth <= ROUNDS; nth++) {
		int reached;
		char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED)
			err(1, "mmap");
		for (i = 0; i < PAGES; i++)
			fill(area + i * PAGE, i);
		reached = store(area, nth);
		stored += get(GROUP "/memory.zswap.current", "") > 0;
		for (i = 0; i < PAGES; i++) {
			fill(expected, i);
			wrong += !!memcmp(expected, area + i * PAGE, PAGE);
		}
		munmap(area, PAGES * PAGE);
		if (!reached)
			break;
	}

	snprintf(text, sizeof(text), "%d allocations failed, one in each round", nth - 1);
	result(nth > 1 && nth <= ROUNDS && stored, "every_allocation", text);
	result(!wrong, "contents", "");

	/* zsmalloc gives pages back from a worker */
	for (i = 0; i < 100 && leftover(); i++)
		usleep(50000);
	result(!leftover(), "nothing_left", "");
	put("/sys/fs/cgroup/cgroup.procs", "0");
	result(!rmdir(GROUP), "cgroup_removed", "");
	return failed;
}
