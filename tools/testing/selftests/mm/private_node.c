// SPDX-License-Identifier: GPL-2.0
/*
 * Private NUMA nodes: what gets their memory, what the machine says of it, and
 * what becomes of pages on a device that is full, late, silent, lossy or taken
 * away. The device is the emulated one of CONFIG_DEV_DAX_PRIVATE_EMUL; pages are
 * stored by CONFIG_PRIVATE_NODE_TEST.
 *
 * usage: private_node [harness options]. PRIVATE_NODE_SECONDS=N in the
 * environment makes tests under load run that long (5).
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define PATH_DRIVER	"/sys/bus/dax/drivers/private_dax"
#define PATH_NODES	"/sys/devices/system/node"
#define PATH_TEST	"/sys/kernel/debug/private_node_test"
#define PATH_EMUL	"/sys/kernel/debug/private_emul"
#define PATH_VERIFY	"/sys/module/private_emul/parameters/verify"
#define PATH_CGROUP	"/sys/fs/cgroup/private_node_test"

#define NR_WRITERS	16
#define NR_ROUNDS	100
#define MIB		1048576UL
#define WAIT_SECONDS	20	/* for what takes a moment, on slow emulation */
#define TIMEOUT		300	/* seconds, also for that */

/* ---- files ---- */

static int put(const char *path, const char *fmt, ...)
{
	char buf[128];
	va_list args;
	ssize_t done;
	int fd, len;

	va_start(args, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return -errno;
	done = write(fd, buf, len);
	len = done < 0 ? -errno : 0;
	close(fd);
	return len;
}

static int get(const char *path, char *buf, size_t size)
{
	ssize_t len = 0, done;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -errno;
	while (len < (ssize_t)size - 1) {
		done = read(fd, buf + len, size - 1 - len);
		if (done <= 0)
			break;
		len += done;
	}
	buf[len] = '\0';
	close(fd);
	return len;
}

/* The number after a word at the beginning of a line; without one, the first. */
static long number(const char *path, const char *word)
{
	static char buf[65536];
	char *line;

	if (get(path, buf, sizeof(buf)) < 0)
		return LONG_MIN;
	if (!word)
		return strtol(buf, NULL, 10);
	for (line = buf; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, word, strlen(word)))
			return strtol(line + strlen(word), NULL, 10);
	}
	return LONG_MIN;
}

static long stat_of(const char *word)
{
	char with_space[64];

	snprintf(with_space, sizeof(with_space), "%s ", word);
	return number(PATH_TEST "/stats", with_space);
}

static long nr_refused(int err)
{
	char word[32];
	long nr;

	snprintf(word, sizeof(word), "refused %d ", err);
	nr = number(PATH_TEST "/stats", word);
	return nr < 0 ? 0 : nr;
}

static int seconds(void)
{
	const char *text = getenv("PRIVATE_NODE_SECONDS");

	return text && atoi(text) > 0 ? atoi(text) : 5;
}

/* ---- pages ---- */

static int store_pages(long first, long count, unsigned int seed, int percent)
{
	return put(PATH_TEST "/store", "%ld %ld %u %d", first, count, seed, percent);
}

static int check_pages(long first, long count)
{
	return put(PATH_TEST "/check", "%ld %ld", first, count);
}

static int drop_pages(long first, long count)
{
	return put(PATH_TEST "/free", "%ld %ld", first, count);
}

/* ---- the node ---- */

struct pnode {
	char dev[NAME_MAX + 1];
	int nid;
	/* before the test */
	long lost, wrong;
};

FIXTURE(private_node) {
	struct pnode node;
};

static void path_of(char *path, struct pnode *node, const char *name)
{
	snprintf(path, PATH_MAX, "/sys/bus/dax/devices/%s/%s", node->dev, name);
}

static int set_state(struct pnode *node, const char *state)
{
	char path[PATH_MAX];

	path_of(path, node, "state");
	return put(path, "%s", state);
}

static int knob(struct pnode *node, const char *name, long value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_EMUL "/%d/%s", node->nid, name);
	return put(path, "%ld", value);
}

static long emul(struct pnode *node, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_EMUL "/%d/%s", node->nid, name);
	return number(path, NULL);
}

static long attr(struct pnode *node, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/private/%s", node->nid, name);
	return number(path, NULL);
}

static bool in_state(struct pnode *node, const char *state)
{
	char path[PATH_MAX], buf[32];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/private/state", node->nid);
	if (get(path, buf, sizeof(buf)) < 0)
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return !strcmp(buf, state);
}

/* Evaluates an expression again until it is true. */
#define wait_for(_cond)							\
({									\
	int _tries = WAIT_SECONDS * 20;					\
									\
	while (!(_cond) && --_tries)					\
		usleep(50000);						\
	_tries > 0;							\
})

/* Stores begin when the device has said what it has room for. */
static bool online(struct pnode *node)
{
	if (set_state(node, "online"))
		return false;
	return wait_for(attr(node, "budget_bytes") > 0);
}

static bool private_mask_has(int nid)
{
	char buf[256], *p = buf;

	if (get(PATH_NODES "/has_private_memory", buf, sizeof(buf)) < 0)
		return false;
	/* a list such as 1,3-4 */
	while (*p && *p != '\n') {
		long first = strtol(p, &p, 10), last = first;

		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		if (nid >= first && nid <= last)
			return true;
		if (*p == ',')
			p++;
	}
	return false;
}

static int find_device(char *name)
{
	DIR *dir = opendir(PATH_DRIVER);
	struct dirent *entry;
	int found = 0;

	while (dir && !found && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "dax", 3)) {
			strcpy(name, entry->d_name);
			found = 1;
		}
	if (dir)
		closedir(dir);
	return found ? 0 : -ENOENT;
}

FIXTURE_SETUP(private_node)
{
	char path[PATH_MAX];

	if (access(PATH_TEST, F_OK))
		SKIP(return, "kernel without PRIVATE_NODE_TEST, or no debugfs");
	if (access(PATH_EMUL, F_OK))
		SKIP(return, "no emulated device: DEV_DAX_PRIVATE_EMUL");
	if (find_device(self->node.dev))
		SKIP(return, "no dax device is bound to private_dax");
	path_of(path, &self->node, "target_node");
	self->node.nid = number(path, NULL);

	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	path_of(path, &self->node, "provider");
	ASSERT_EQ(put(path, "emul"), 0);
	self->node.lost = stat_of("lost");
	self->node.wrong = stat_of("wrong");
	ASSERT_EQ(stat_of("present"), 0);
	ASSERT_TRUE(online(&self->node));
}

FIXTURE_TEARDOWN(private_node)
{
	put(PATH_TEST "/evacuate", "1");
	drop_pages(0, 1000000);
	set_state(&self->node, "unplugged");
}

/* ---- who gets its memory ---- */

/* Free pages on lists of CPUs, which are not in nr_free_pages. */
static long pages_of_cpus(int nid)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	char line[256], *at;
	int node = -1;
	long sum = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "Node ", 5))
			node = strtol(line + 5, NULL, 10);
		at = strstr(line, " count: ");
		if (node == nid && at)
			sum += strtol(at + 8, NULL, 10);
	}
	if (file)
		fclose(file);
	return sum;
}

static long pages_used(struct pnode *node)
{
	char path[PATH_MAX];

	put("/proc/sys/vm/stat_refresh", "1");
	snprintf(path, sizeof(path), PATH_NODES "/node%d/vmstat", node->nid);
	return attr(node, "total_pages") - number(path, "nr_free_pages ") -
	       pages_of_cpus(node->nid);
}

/* In time: pages wander from lists of CPUs to the others. */
static bool uses(struct pnode *node, long pages)
{
	return wait_for(pages_used(node) == pages);
}

TEST_F_TIMEOUT(private_node, kernel_allocations, TIMEOUT)
{
	char buf[4096], *line, *name;
	bool insists, may_fail;
	int nid, nr = 0;

	ASSERT_EQ(put(PATH_TEST "/allocate", "%d", self->node.nid), 0);
	ASSERT_GT(get(PATH_TEST "/allocate", buf, sizeof(buf)), 0);
	for (line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		name = line;
		line = strchr(line, ' ');
		ASSERT_NE(line, NULL);
		*line++ = '\0';
		nid = strtol(line, NULL, 10);
		EXPECT_NE(nid, self->node.nid)
			TH_LOG("%s gets memory of node %d", name, nid);
		/* Whoever insists gets none, others get other memory. */
		insists = strstr(name, "only") || !strcmp(name, "contig");
		may_fail = !strcmp(name, "memalloc") || !strcmp(name, "mask");
		if (insists)
			EXPECT_EQ(nid, -1) TH_LOG("%s", name);
		if (!insists && !may_fail)
			EXPECT_GE(nid, 0) TH_LOG("%s", name);
		nr++;
	}
	EXPECT_EQ(nr, 12);
	EXPECT_TRUE(uses(&self->node, 0));
}

TEST_F_TIMEOUT(private_node, policies, TIMEOUT)
{
	static const int modes[] = {
		MPOL_BIND, MPOL_PREFERRED, MPOL_INTERLEAVE, MPOL_PREFERRED_MANY,
		MPOL_WEIGHTED_INTERLEAVE,
	};
	unsigned long mask[16] = {}, old = 1;
	void *page, *addr;
	int status, i;

	mask[self->node.nid / 64] |= 1UL << (self->node.nid % 64);
	addr = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(addr, MAP_FAILED);
	memset(addr, 1, MIB);

	for (i = 0; i < (int)ARRAY_SIZE(modes); i++) {
		EXPECT_EQ(syscall(SYS_mbind, addr, MIB, modes[i], mask, 1024,
				  MPOL_MF_MOVE), -1) TH_LOG("mode %d", modes[i]);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_EQ(syscall(SYS_set_mempolicy, modes[i], mask, 1024), -1)
			TH_LOG("mode %d", modes[i]);
		EXPECT_EQ(errno, EINVAL);
	}

	page = addr;
	status = 0;
	EXPECT_EQ(syscall(SYS_move_pages, 0, 1UL, &page, &self->node.nid, &status,
			  MPOL_MF_MOVE), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(syscall(SYS_migrate_pages, 0, 1024, &old, mask), -1);
	EXPECT_EQ(errno, EINVAL);
	munmap(addr, MIB);
	EXPECT_TRUE(uses(&self->node, 0));
}

TEST_F_TIMEOUT(private_node, huge_pages, TIMEOUT)
{
	char path[PATH_MAX + NAME_MAX], sizes[PATH_MAX / 2];
	struct dirent *entry;
	DIR *dir;
	int nr = 0;

	snprintf(sizes, sizeof(sizes), PATH_NODES "/node%d/hugepages", self->node.nid);
	dir = opendir(sizes);
	if (!dir)
		SKIP(return, "the node has no huge pages to ask for");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/nr_hugepages", sizes,
			 entry->d_name);
		put(path, "3");
		EXPECT_EQ(number(path, NULL), 0) TH_LOG("%s", entry->d_name);
		nr++;
	}
	closedir(dir);
	EXPECT_GT(nr, 0);
	EXPECT_TRUE(uses(&self->node, 0));
}

/* All that moves pages by itself, while memory is short. */
TEST_F_TIMEOUT(private_node, pressure, 600)
{
	static const char * const on[][2] = {
		{ "/sys/kernel/mm/numa/demotion_enabled", "1" },
		{ "/proc/sys/kernel/numa_balancing", "2" },
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "always" },
		{ "/sys/kernel/mm/ksm/run", "1" },
	};
	char path[PATH_MAX], tasks[32];
	long mib = number("/proc/meminfo", "MemTotal:") / 1024;
	int status, i;
	pid_t pid;

	for (i = 0; i < (int)ARRAY_SIZE(on); i++)
		put(on[i][0], "%s", on[i][1]);
	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(PATH_CGROUP, 0755);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		char *addr;
		long at;

		snprintf(tasks, sizeof(tasks), "%d", getpid());
		put(PATH_CGROUP "/cgroup.procs", "%s", tasks);
		/* Dirty, the same for KSM, and more than there is. */
		for (at = 0; at < mib + 64; at++) {
			addr = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (addr == MAP_FAILED)
				break;
			madvise(addr, MIB, MADV_MERGEABLE);
			memset(addr, at % 8 + 1, MIB);
			if (at % 64 == 0)
				put(PATH_CGROUP "/memory.reclaim", "32M");
		}
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	snprintf(path, sizeof(path), PATH_NODES "/node%d/compact", self->node.nid);
	put(path, "1");
	snprintf(path, sizeof(path), PATH_NODES "/node%d/reclaim", self->node.nid);
	put(path, "16M");

	EXPECT_TRUE(uses(&self->node, 0));
	rmdir(PATH_CGROUP);
	put("/sys/kernel/mm/ksm/run", "0");
	put("/sys/kernel/mm/numa/demotion_enabled", "0");
	put("/proc/sys/kernel/numa_balancing", "0");
	put("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
}

/* ---- what the machine has ---- */

TEST_F_TIMEOUT(private_node, totals, TIMEOUT)
{
	static const struct {
		const char *file, *word;
		long may_grow;	/* in its own unit; it may always shrink */
	} totals[] = {
		{ "/proc/meminfo", "MemTotal:", 0 },
		/* and pages of the test itself */
		{ "/proc/meminfo", "MemFree:", 8192 },
		{ "/proc/meminfo", "MemAvailable:", 8192 },
		{ "/proc/vmstat", "nr_dirty_threshold ", 512 },
		{ "/proc/vmstat", "nr_dirty_background_threshold ", 512 },
		{ "/proc/sys/vm/min_free_kbytes", NULL, 0 },
	};
	long before[ARRAY_SIZE(totals)], after, kib;
	char path[PATH_MAX], word[32];
	int i;

	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_FALSE(private_mask_has(self->node.nid));
	for (i = 0; i < (int)ARRAY_SIZE(totals); i++)
		before[i] = number(totals[i].file, totals[i].word);
	ASSERT_TRUE(online(&self->node));
	for (i = 0; i < (int)ARRAY_SIZE(totals); i++) {
		after = number(totals[i].file, totals[i].word);
		EXPECT_LE(after, before[i] + totals[i].may_grow)
			TH_LOG("%s", totals[i].word);
		/* Struct pages are in other memory: 1/64 of what was added. */
		EXPECT_GE(after, before[i] - totals[i].may_grow -
			  attr(&self->node, "total_pages") * 4 / 64 -
			  (totals[i].may_grow ? 4096 : 0))
			TH_LOG("%s", totals[i].word);
	}
	EXPECT_EQ(number("/proc/meminfo", "MemTotal:"), before[0]);
	EXPECT_EQ(number("/proc/sys/vm/min_free_kbytes", NULL),
		  before[ARRAY_SIZE(totals) - 1]);

	/* The node itself is there, with all that it has. */
	EXPECT_TRUE(private_mask_has(self->node.nid));
	kib = attr(&self->node, "total_pages") * (getpagesize() / 1024);
	snprintf(path, sizeof(path), PATH_NODES "/node%d/meminfo", self->node.nid);
	snprintf(word, sizeof(word), "Node %d MemTotal:", self->node.nid);
	EXPECT_EQ(number(path, word), kib);
	snprintf(path, sizeof(path), PATH_NODES "/node%d/vmstat", self->node.nid);
	EXPECT_EQ(number(path, "nr_free_pages "), attr(&self->node, "total_pages"));
}

/* ---- pages ---- */

TEST_F_TIMEOUT(private_node, round_trip, TIMEOUT)
{
	static const int percents[] = { 0, 10, 50, 90 };
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(percents); i++) {
		ASSERT_EQ(store_pages(i * 1000, 1000, i, percents[i]), 0);
		EXPECT_EQ(check_pages(i * 1000, 1000), 0);
	}
	EXPECT_EQ(stat_of("private"), 4000);
	EXPECT_EQ(attr(&self->node, "stored_pages"), 4000);
	EXPECT_EQ(emul(&self->node, "media_used"), stat_of("bytes"));
	EXPECT_TRUE(uses(&self->node, 4000));
	EXPECT_TRUE(wait_for(attr(&self->node, "media_used") == stat_of("bytes")));

	/* What does not compress takes up more than it is worth. */
	ASSERT_EQ(store_pages(5000, 100, 5, 100), 0);
	EXPECT_EQ(stat_of("private"), 4000);
	EXPECT_GE(nr_refused(E2BIG), 100);

	EXPECT_EQ(drop_pages(0, 4000), 0);
	EXPECT_EQ(attr(&self->node, "stored_pages"), 0);
	EXPECT_EQ(emul(&self->node, "media_used"), 0);
	EXPECT_TRUE(uses(&self->node, 0));
	EXPECT_EQ(stat_of("wrong"), self->node.wrong);
}

/* A device that does not tell what a page takes up. */
TEST_F_TIMEOUT(private_node, no_page_size, TIMEOUT)
{
	long bytes;

	ASSERT_EQ(knob(&self->node, "no_page_size", 1), 0);
	ASSERT_EQ(store_pages(0, 1, 1, 25), 0);
	/* What the provider said it would be. */
	EXPECT_EQ(stat_of("bytes"), getpagesize() / 2);
	ASSERT_EQ(store_pages(1, 999, 1, 25), 0);
	EXPECT_EQ(stat_of("private"), 1000);
	EXPECT_TRUE(wait_for(attr(&self->node, "media_used") == emul(&self->node, "media_used")));

	/* From then on what it is on average, and never a page. */
	bytes = stat_of("bytes");
	ASSERT_EQ(store_pages(1000, 100, 2, 25), 0);
	EXPECT_LT(stat_of("bytes") - bytes, 100L * getpagesize() / 2);
	EXPECT_GT(stat_of("bytes") - bytes, 0);
	EXPECT_EQ(check_pages(0, 1100), 0);
}

static pid_t start_writer(int nr, int percent)
{
	pid_t pid = fork();
	long first = 1000 + nr * 4000L;
	unsigned int seed = nr;

	if (pid)
		return pid;
	for (;; seed += NR_WRITERS) {
		if (store_pages(first, 2000, seed, percent) || check_pages(first, 2000))
			_exit(1);
		drop_pages(first, seed % 2000);
		if (check_pages(first, 2000))
			_exit(1);
		drop_pages(first, 2000);
	}
}

static void start_writers(pid_t *pids, int percent)
{
	int i;

	for (i = 0; i < NR_WRITERS; i++)
		pids[i] = start_writer(i, percent);
}

/* Return how many had come to an end by themselves: something was wrong. */
static int stop_writers(const pid_t *pids)
{
	int i, status, bad = 0;

	for (i = 0; i < NR_WRITERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
		bad += !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
	}
	return bad;
}

/* Many writers, little room, and answers that come late. */
static void budget(struct __test_metadata *_metadata,
		   struct pnode *node, bool no_page_size)
{
	pid_t pids[NR_WRITERS];
	long no_space = nr_refused(ENOSPC);

	ASSERT_EQ(knob(node, "phys_bytes", 16 * MIB), 0);
	ASSERT_EQ(knob(node, "report_lag_ms", 500), 0);
	ASSERT_EQ(knob(node, "exact_refund", !no_page_size), 0);
	ASSERT_EQ(knob(node, "no_page_size", no_page_size), 0);
	/* No interrupt that warns: the budget alone. */
	ASSERT_EQ(knob(node, "low_permille", 0), 0);
	ASSERT_EQ(knob(node, "high_permille", 0), 0);
	/* Until it has said so, it has what it had before. */
	put(PATH_TEST "/free", "0 0");
	ASSERT_EQ(store_pages(0, 1, 0, 0), 0);
	ASSERT_TRUE(wait_for(attr(node, "media_total") == 16 * (long)MIB));

	start_writers(pids, 80);
	sleep(seconds());
	EXPECT_EQ(stop_writers(pids), 0);
	EXPECT_EQ(emul(node, "drops"), 0);
	EXPECT_LE(emul(node, "max_media_used"), 16 * (long)MIB);
	/* Who does not know what a page takes up has to wait for answers. */
	EXPECT_GT(emul(node, "max_media_used"), (no_page_size ? 2 : 8) * (long)MIB);
	EXPECT_GT(nr_refused(ENOSPC), no_space);
	EXPECT_EQ(stat_of("wrong"), node->wrong);
	EXPECT_EQ(stat_of("lost"), node->lost);
}

TEST_F_TIMEOUT(private_node, budget, 600)
{
	budget(_metadata, &self->node, false);
}

TEST_F_TIMEOUT(private_node, budget_no_page_size, 600)
{
	budget(_metadata, &self->node, true);
}

/* All at once takes up more than it did, on a device that is nearly full. */
TEST_F_TIMEOUT(private_node, ratio, 120)
{
	long before, closed = nr_refused(EBUSY);

	ASSERT_EQ(knob(&self->node, "phys_bytes", 32 * MIB), 0);
	ASSERT_EQ(store_pages(0, 6000, 1, 90), 0);
	ASSERT_TRUE(wait_for(attr(&self->node, "media_total") == 32 * (long)MIB));
	before = stat_of("private");
	EXPECT_EQ(before, 6000);
	EXPECT_TRUE(in_state(&self->node, "open"));

	ASSERT_EQ(knob(&self->node, "ratio_shift", 380), 0);
	/* Some have to leave, until there is room again. */
	EXPECT_TRUE(wait_for(stat_of("private") < before));
	EXPECT_TRUE(wait_for(in_state(&self->node, "open")));
	EXPECT_GT(stat_of("shrunk"), 0);
	EXPECT_GT(stat_of("private"), before / 4);
	ASSERT_EQ(store_pages(10000, 10, 1, 50), 0);
	EXPECT_EQ(check_pages(0, 6000), 0);
	EXPECT_EQ(emul(&self->node, "drops"), 0);

	/* The administrator can do that, too. */
	closed = nr_refused(EBUSY);
	{
		char path[PATH_MAX];

		snprintf(path, sizeof(path), PATH_NODES "/node%d/private/closed",
			 self->node.nid);
		ASSERT_EQ(put(path, "1"), 0);
		EXPECT_TRUE(in_state(&self->node, "closed"));
		ASSERT_EQ(store_pages(20000, 10, 1, 50), 0);
		EXPECT_EQ(nr_refused(EBUSY), closed + 10);
		ASSERT_EQ(put(path, "0"), 0);
	}
	EXPECT_TRUE(in_state(&self->node, "open"));
}

TEST_F_TIMEOUT(private_node, silent_link, TIMEOUT)
{
	ASSERT_EQ(store_pages(0, 1000, 1, 50), 0);
	ASSERT_EQ(knob(&self->node, "silent_link", 1), 0);
	/* Somebody notices when he wants to know. */
	EXPECT_TRUE(wait_for(store_pages(2000, 1, 1, 50) || drop_pages(2000, 1) ||
			     in_state(&self->node, "closed")));
	ASSERT_EQ(store_pages(3000, 10, 1, 50), 0);
	EXPECT_EQ(stat_of("private"), 1000);
	EXPECT_EQ(check_pages(0, 1000), 0);
	ASSERT_EQ(knob(&self->node, "silent_link", 0), 0);
	EXPECT_TRUE(wait_for(in_state(&self->node, "open")));
	ASSERT_EQ(store_pages(3000, 10, 1, 50), 0);
	EXPECT_EQ(stat_of("private"), 1010);
}

/* What is lost is an error, now and later, and its page is not used again. */
TEST_F_TIMEOUT(private_node, poison, TIMEOUT)
{
	ASSERT_EQ(store_pages(0, 10, 1, 50), 0);
	ASSERT_EQ(knob(&self->node, "poison_next_store", 1), 0);
	ASSERT_EQ(store_pages(10, 11, 1, 50), 0);
	EXPECT_EQ(emul(&self->node, "poisons"), 1);

	EXPECT_EQ(check_pages(0, 10), 0);
	EXPECT_EQ(check_pages(10, 1), -EIO);
	EXPECT_EQ(check_pages(10, 1), -EIO);
	EXPECT_EQ(check_pages(11, 10), 0);
	EXPECT_EQ(stat_of("lost"), self->node.lost + 1);

	EXPECT_EQ(drop_pages(0, 21), 0);
	EXPECT_TRUE(wait_for(emul(&self->node, "discards_pending") == 0));
	EXPECT_TRUE(uses(&self->node, 1));
	/* All pages, of which there is one less. */
	ASSERT_EQ(store_pages(0, attr(&self->node, "total_pages"), 1, 0), 0);
	EXPECT_LT(stat_of("private"), attr(&self->node, "total_pages"));
	EXPECT_EQ(check_pages(0, attr(&self->node, "total_pages")), 0);
	EXPECT_EQ(drop_pages(0, 1000000), 0);
	/* Nor does it keep the memory from being taken out. */
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
}

/*
 * A device that says it has room, that it has not, and loses what it is given
 * without a word. Return how many pages it has lost.
 */
static long overflow(struct __test_metadata *_metadata,
		     struct pnode *node)
{
	ASSERT_EQ(knob(node, "phys_bytes", MIB), 0);
	ASSERT_EQ(knob(node, "drop", 1), 0);
	ASSERT_EQ(knob(node, "under_report_bytes", 64 * MIB), 0);
	ASSERT_EQ(knob(node, "low_permille", 0), 0);
	ASSERT_EQ(knob(node, "high_permille", 0), 0);
	ASSERT_EQ(store_pages(0, 500, 1, 90), 0);
	EXPECT_GE(emul(node, "drops"), 100);
	return emul(node, "drops");
}

TEST_F_TIMEOUT(private_node, drops, TIMEOUT)
{
	long drops = overflow(_metadata, &self->node);

	EXPECT_EQ(stat_of("private"), 500);
	EXPECT_EQ(check_pages(0, 500), -EIO);
	EXPECT_EQ(stat_of("lost") - self->node.lost, drops);
	EXPECT_EQ(stat_of("wrong"), self->node.wrong);
}

/* Read back at once, what is lost is refused instead. */
TEST_F_TIMEOUT(private_node, drops_verified, TIMEOUT)
{
	long drops, eio;

	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	ASSERT_EQ(put(PATH_VERIFY, "1"), 0);
	EXPECT_TRUE(online(&self->node));
	ASSERT_EQ(put(PATH_VERIFY, "0"), 0);
	eio = nr_refused(EIO);
	drops = overflow(_metadata, &self->node);
	EXPECT_EQ(stat_of("private"), 500 - drops);
	EXPECT_EQ(nr_refused(EIO), eio + drops);
	EXPECT_EQ(check_pages(0, 500), 0);
	EXPECT_EQ(stat_of("lost"), self->node.lost);
}

/* Errors of the device are refusals. */
TEST_F_TIMEOUT(private_node, refusals, TIMEOUT)
{
	long busy = nr_refused(EBUSY), eio = nr_refused(EIO);

	ASSERT_EQ(knob(&self->node, "refuse_nth", 3), 0);
	ASSERT_EQ(store_pages(0, 300, 1, 50), 0);
	EXPECT_EQ(nr_refused(EBUSY), busy + 100);
	ASSERT_EQ(knob(&self->node, "refuse_nth", 0), 0);
	ASSERT_EQ(knob(&self->node, "eio_nth", 2), 0);
	ASSERT_EQ(store_pages(1000, 300, 1, 50), 0);
	EXPECT_EQ(nr_refused(EIO), eio + 150);
	EXPECT_EQ(stat_of("private"), 350);
	EXPECT_EQ(attr(&self->node, "stored_pages"), 350);
	EXPECT_EQ(check_pages(0, 2000), 0);
}

/* Pages that the device needs time for to forget. */
TEST_F_TIMEOUT(private_node, deferred_discard, TIMEOUT)
{
	ASSERT_EQ(knob(&self->node, "discard_ms", 1000), 0);
	ASSERT_EQ(store_pages(0, 1000, 1, 50), 0);
	EXPECT_EQ(drop_pages(0, 1000), 0);
	EXPECT_EQ(attr(&self->node, "stored_pages"), 0);
	EXPECT_EQ(emul(&self->node, "discards_pending"), 1000);
	EXPECT_TRUE(uses(&self->node, 1000));
	EXPECT_TRUE(wait_for(emul(&self->node, "discards_pending") == 0));
	EXPECT_TRUE(uses(&self->node, 0));

	/* Nobody takes the memory away before that. */
	ASSERT_EQ(store_pages(0, 1000, 1, 50), 0);
	EXPECT_EQ(drop_pages(0, 1000), 0);
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_FALSE(private_mask_has(self->node.nid));
}

/* ---- the memory is taken out ---- */

TEST_F_TIMEOUT(private_node, evacuate, TIMEOUT)
{
	ASSERT_EQ(store_pages(0, 2000, 1, 50), 0);
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_FALSE(private_mask_has(self->node.nid));
	EXPECT_EQ(stat_of("present"), 2000);
	EXPECT_EQ(stat_of("private"), 0);
	EXPECT_EQ(check_pages(0, 2000), 0);
}

TEST_F_TIMEOUT(private_node, cannot_evacuate, TIMEOUT)
{
	struct timespec begin, end;

	ASSERT_EQ(store_pages(0, 2000, 1, 50), 0);
	ASSERT_EQ(put(PATH_TEST "/evacuate", "0"), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	EXPECT_EQ(set_state(&self->node, "unplugged"), -EBUSY);
	clock_gettime(CLOCK_MONOTONIC, &end);
	EXPECT_LE(end.tv_sec - begin.tv_sec, 10);

	/* As if nothing had been. */
	EXPECT_TRUE(private_mask_has(self->node.nid));
	EXPECT_EQ(stat_of("private"), 2000);
	EXPECT_EQ(check_pages(0, 2000), 0);
	ASSERT_EQ(store_pages(2000, 100, 1, 50), 0);
	EXPECT_EQ(stat_of("private"), 2100);
	ASSERT_EQ(put(PATH_TEST "/evacuate", "1"), 0);
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(check_pages(0, 2100), 0);
}

/* Whoever takes single blocks offline goes the same way. */
TEST_F_TIMEOUT(private_node, memory_blocks, 120)
{
	char path[PATH_MAX], dirname[PATH_MAX / 2];
	struct dirent *entry;
	int nr = 0, err;
	DIR *dir;

	ASSERT_EQ(store_pages(0, 2000, 1, 50), 0);
	snprintf(dirname, sizeof(dirname), PATH_NODES "/node%d", self->node.nid);
	for (err = 0; err < 2; err++) {
		ASSERT_EQ(put(PATH_TEST "/evacuate", "%d", err), 0);
		dir = opendir(dirname);
		ASSERT_NE(dir, NULL);
		while ((entry = readdir(dir))) {
			if (strncmp(entry->d_name, "memory", 6) ||
			    entry->d_name[6] < '0' || entry->d_name[6] > '9')
				continue;
			snprintf(path, sizeof(path), "%s/%s/state", dirname,
				 entry->d_name);
			/* Some have no pages, at least one has. */
			nr += put(path, "offline") == -EBUSY;
			/* Only to where pages can be moved. */
			EXPECT_NE(put(path, "online_kernel"), 0);
		}
		closedir(dir);
		EXPECT_EQ(check_pages(0, 2000), 0);
		if (!err)
			EXPECT_GT(nr, 0);
	}
	EXPECT_EQ(stat_of("private"), 0);
	EXPECT_FALSE(private_mask_has(self->node.nid));
	EXPECT_EQ(check_pages(0, 2000), 0);
}

TEST_F_TIMEOUT(private_node, interrupted, TIMEOUT)
{
	pid_t pid;
	int i;

	ASSERT_EQ(store_pages(0, 20000, 1, 20), 0);
	for (i = 0; i < 10 && stat_of("private"); i++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			signal(SIGINT, SIG_DFL);
			set_state(&self->node, "unplugged");
			_exit(0);
		}
		usleep(3000);
		kill(pid, SIGINT);
		waitpid(pid, NULL, 0);
	}
	EXPECT_EQ(check_pages(0, 20000), 0);
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(check_pages(0, 20000), 0);
	EXPECT_EQ(stat_of("lost"), self->node.lost);
}

TEST_F_TIMEOUT(private_node, rounds_under_load, 1200)
{
	pid_t pids[NR_WRITERS];
	int i;

	start_writers(pids, 60);
	for (i = 0; i < NR_ROUNDS; i++) {
		ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
		ASSERT_EQ(set_state(&self->node, "online"), 0);
	}
	EXPECT_EQ(stop_writers(pids), 0);
	EXPECT_EQ(stat_of("wrong"), self->node.wrong);
	EXPECT_EQ(stat_of("lost"), self->node.lost);
}

/* ---- what is wrong is refused ---- */

TEST_F_TIMEOUT(private_node, bad_input, TIMEOUT)
{
	char path[PATH_MAX];

	EXPECT_EQ(set_state(&self->node, "offline"), -EINVAL);
	EXPECT_EQ(set_state(&self->node, "online"), 0);
	path_of(path, &self->node, "provider");
	EXPECT_EQ(put(path, "emul"), -EBUSY);
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(put(path, "nonsense"), -ENOENT);
	EXPECT_EQ(put(path, "\n"), 0);
	EXPECT_EQ(set_state(&self->node, "online"), -EINVAL);
	EXPECT_FALSE(private_mask_has(self->node.nid));
	EXPECT_EQ(put(path, "emul"), 0);
	EXPECT_TRUE(online(&self->node));
	EXPECT_EQ(put(PATH_TEST "/store", "1 2 3"), -EINVAL);
	EXPECT_EQ(put(PATH_TEST "/store", "1 2 3 101"), -EINVAL);
	EXPECT_EQ(knob(&self->node, "ratio_shift", 100000), -EINVAL);
	EXPECT_EQ(knob(&self->node, "poison_pfn", 1), -ERANGE);
}

TEST_HARNESS_MAIN
