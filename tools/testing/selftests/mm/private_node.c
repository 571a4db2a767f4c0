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
#include <linux/mman.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "private_node_util.h"

#define PATH_TEST	"/sys/kernel/debug/private_node_test"
#define PATH_CGROUP	"/sys/fs/cgroup/private_node_test"
#define PATH_KSM	"/sys/kernel/mm/ksm"
#define PATH_THP	"/sys/kernel/mm/transparent_hugepage"
#define PATH_DAMON	"/sys/kernel/mm/damon/admin/kdamonds"

#define NR_WRITERS	16
#define NR_ROUNDS	100
#define NR_TUNED	16
#define MAX_NODES	1024	/* NODES_SHIFT is 10 at most */
#define LONG_BITS	(8 * sizeof(long))
#define TIMEOUT		300	/* seconds, for slow emulation */

/* ---- files ---- */

/* Settings that a test has changed, and what they were. */
static struct {
	const char *path;
	char value[64];
} tuned[NR_TUNED];
static int nr_tuned;

/* Set something until the test ends. Return what put() does. */
static int tune(const char *path, const char *value)
{
	char *old = tuned[nr_tuned].value, *begin, *end;
	int err;

	err = get(path, old, sizeof(tuned->value));
	if (err < 0)
		return err;
	/* Of a list of words, the one that is chosen. */
	begin = strchr(old, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (end) {
		*end = '\0';
		memmove(old, begin + 1, end - begin);
	}
	err = put(path, "%s", value);
	if (!err && nr_tuned < NR_TUNED - 1)
		tuned[nr_tuned++].path = path;
	return err;
}

/* Set some, up to a NULL. Return what put() does for the first that can't be. */
static int tune_all(const char * const settings[][2])
{
	int err = 0;

	for (; !err && (*settings)[0]; settings++)
		err = tune((*settings)[0], (*settings)[1]);
	return err;
}

static void untune(void)
{
	while (nr_tuned--)
		put(tuned[nr_tuned].path, "%s", tuned[nr_tuned].value);
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

FIXTURE(private_node) {
	struct pnode node;
};

/* How many pages of the node were ever allocated. */
static long pages_allocated(struct pnode *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/numastat", node->nid);
	return number(path, "numa_hit ") + number(path, "numa_miss ");
}

/* Reads a list of nodes such as 1,3-4. */
static void read_nodes(const char *path, unsigned long *mask)
{
	char buf[256], *p = buf;

	memset(mask, 0, MAX_NODES / 8);
	if (get(path, buf, sizeof(buf)) < 0)
		return;
	while (*p && *p != '\n') {
		long first = strtol(p, &p, 10), last = first;

		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		for (; first <= last && first < MAX_NODES; first++)
			mask[first / LONG_BITS] |= 1UL << (first % LONG_BITS);
		if (*p == ',')
			p++;
	}
}

/* Whether a node is in the list that a file has. */
static bool list_has(const char *path, int nid)
{
	unsigned long mask[MAX_NODES / LONG_BITS];

	read_nodes(path, mask);
	return mask[nid / LONG_BITS] & (1UL << (nid % LONG_BITS));
}

static bool private_mask_has(int nid)
{
	return list_has(PATH_NODES "/has_private_memory", nid);
}

FIXTURE_SETUP(private_node)
{
	const char *none = find_node(&self->node);

	if (none)
		SKIP(return, "%s", none);
	if (access(PATH_TEST, F_OK))
		SKIP(return, "kernel without PRIVATE_NODE_TEST, or no debugfs");

	ASSERT_EQ(take_node(&self->node, "test"), 0);
	self->node.lost = stat_of("lost");
	self->node.wrong = stat_of("wrong");
	ASSERT_EQ(stat_of("present"), 0);
	ASSERT_TRUE(online(&self->node));
	self->node.allocated = pages_allocated(&self->node);
	ASSERT_GE(self->node.allocated, 0);
}

FIXTURE_TEARDOWN(private_node)
{
	put(PATH_TEST "/evacuate", "1");
	drop_pages(0, 1000000);
	set_state(&self->node, "unplugged");
	untune();
	rmdir(PATH_CGROUP);
}

/* Names of swap devices, before they are off. */
static int swap_devices(char names[][64], int max)
{
	FILE *file = fopen("/proc/swaps", "r");
	char line[256];
	int nr = 0;

	while (file && nr < max && fgets(line, sizeof(line), file))
		if (sscanf(line, "/%62s ", names[nr] + 1) == 1)
			names[nr++][0] = '/';
	if (file)
		fclose(file);
	return nr;
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

/* Whether nobody has got a page, or does now, by what way ever. */
static bool untouched(struct pnode *node)
{
	return pages_allocated(node) == node->allocated && uses(node, 0);
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
	EXPECT_TRUE(untouched(&self->node));
}

/*
 * Have this process ask for memory of the node, and of node 0. Without another
 * node it is refused at once.
 */
static int ask_for_node(struct pnode *node, int mode)
{
	unsigned long mask[16] = { 1 };

	mask[node->nid / 64] |= 1UL << (node->nid % 64);
	return syscall(SYS_set_mempolicy, mode, mask, 1024) ? -errno : 0;
}

static void *map_pages(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int make_cgroup(const char *controller)
{
	put("/sys/fs/cgroup/cgroup.subtree_control", "%s", controller);
	return mkdir(PATH_CGROUP, 0755) ? -errno : 0;
}

/*
 * Dirty so many MiB in another process, in the test's cgroup if there is one, the
 * first to be killed. Return how it ended, as waitpid() does.
 */
static int hog(long mib, bool reclaim)
{
	pid_t pid = fork();
	int status = -1;
	char *addr;
	long at;

	if (pid) {
		waitpid(pid, &status, 0);
		return status;
	}
	put("/proc/self/oom_score_adj", "1000");
	put(PATH_CGROUP "/cgroup.procs", "0");
	for (at = 0; at < mib; at++) {
		addr = map_pages(MIB);
		if (addr == MAP_FAILED)
			break;
		madvise(addr, MIB, MADV_MERGEABLE);
		/* for KSM */
		memset(addr, at % 8 + 1, MIB);
		if (reclaim && at % 256 == 255)
			put(PATH_CGROUP "/memory.reclaim", "32M");
	}
	_exit(0);
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

	/* Together with another node, that one is meant. */
	for (i = 0; i < (int)ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(ask_for_node(&self->node, modes[i]), 0)
			TH_LOG("mode %d", modes[i]);
		EXPECT_EQ(hog(8, false), 0);
	}
	EXPECT_TRUE(untouched(&self->node));
}

TEST_F_TIMEOUT(private_node, cpuset, TIMEOUT)
{
	ASSERT_EQ(make_cgroup("+cpuset"), 0);
	/* Which it is one day, when it has other memory. */
	ASSERT_EQ(put(PATH_CGROUP "/cpuset.mems", "%d", self->node.nid), 0);
	EXPECT_FALSE(list_has(PATH_CGROUP "/cpuset.mems.effective", self->node.nid));
	EXPECT_TRUE(list_has(PATH_CGROUP "/cpuset.mems.effective", 0));
	EXPECT_EQ(hog(8, false), 0);
	EXPECT_TRUE(untouched(&self->node));
}

#define HUGE_PAGES PATH_NODES "/node%d/hugepages/hugepages-2048kB/nr_hugepages"

/* Of all nodes but @nid; LONG_MIN if there are no such pages. */
static long huge_pages_beside(int nid)
{
	long sum = LONG_MIN;
	char path[PATH_MAX];

	for (int i = 0; i < MAX_NODES; i++) {
		snprintf(path, sizeof(path), HUGE_PAGES, i);
		if (i != nid && !access(path, R_OK))
			sum = (sum == LONG_MIN ? 0 : sum) + number(path, NULL);
	}
	return sum;
}

TEST_F_TIMEOUT(private_node, hugetlb, TIMEOUT)
{
	char path[PATH_MAX];

	if (tune("/proc/sys/vm/nr_hugepages", "0") || huge_pages_beside(self->node.nid))
		SKIP(return, "no huge pages of 2 MiB");
	ASSERT_EQ(ask_for_node(&self->node, MPOL_INTERLEAVE), 0);
	ASSERT_EQ(put("/proc/sys/vm/nr_hugepages", "4"), 0);
	EXPECT_EQ(huge_pages_beside(self->node.nid),
		  number("/proc/sys/vm/nr_hugepages", NULL));

	/* It may have no such folder at all. */
	snprintf(path, sizeof(path), HUGE_PAGES, self->node.nid);
	put(path, "4");
	EXPECT_LE(number(path, NULL), 0);
	EXPECT_TRUE(untouched(&self->node));
}

/* Huge pages that are made of small ones, by the task and behind its back. */
TEST_F_TIMEOUT(private_node, collapse, TIMEOUT)
{
	static const char * const settings[][2] = {
		{ PATH_THP "/enabled", "madvise" },
		{ PATH_THP "/khugepaged/scan_sleep_millisecs", "10" },
		{ PATH_THP "/khugepaged/defrag", "1" },
		{ PATH_THP "/khugepaged/max_ptes_none", "0" },
		{ NULL },
	};
	const size_t size = 2 * MIB;
	char *area, *huge[2];
	long collapsed;
	int i;

	if (access(PATH_THP, F_OK))
		SKIP(return, "no transparent huge pages");
	ASSERT_EQ(tune_all(settings), 0);
	ASSERT_EQ(ask_for_node(&self->node, MPOL_INTERLEAVE), 0);

	area = map_pages(3 * size);
	ASSERT_NE(area, MAP_FAILED);
	for (i = 0; i < 2; i++) {
		huge[i] = (char *)(((unsigned long)area + size - 1) & -size) +
			  i * size;
		memset(huge[i], i + 1, size);
	}
	EXPECT_EQ(madvise(huge[0], size, MADV_COLLAPSE), 0);
	collapsed = number(PATH_THP "/khugepaged/pages_collapsed", NULL);
	ASSERT_EQ(madvise(huge[1], size, MADV_HUGEPAGE), 0);
	EXPECT_TRUE(wait_for(number(PATH_THP "/khugepaged/pages_collapsed", NULL) >
			     collapsed));
	EXPECT_TRUE(untouched(&self->node));
}

TEST_F_TIMEOUT(private_node, ksm, TIMEOUT)
{
	static const char * const settings[][2] = {
		{ PATH_KSM "/run", "2" },
		{ PATH_KSM "/pages_to_scan", "10000" },
		{ PATH_KSM "/sleep_millisecs", "10" },
		{ PATH_KSM "/merge_across_nodes", "1" },
		{ NULL },
	};
	const size_t size = 8 * MIB;
	char *area, across[2] = "0";

	if (access(PATH_KSM, F_OK))
		SKIP(return, "kernel without KSM");
	ASSERT_EQ(tune_all(settings), 0);
	ASSERT_EQ(ask_for_node(&self->node, MPOL_INTERLEAVE), 0);

	for (; *across < '2'; ++*across) {
		/* It can only be changed while there are none. */
		ASSERT_EQ(put(PATH_KSM "/run", "2"), 0);
		ASSERT_EQ(put(PATH_KSM "/merge_across_nodes", across), 0);
		ASSERT_EQ(put(PATH_KSM "/run", "1"), 0);
		area = map_pages(size);
		ASSERT_NE(area, MAP_FAILED);
		memset(area, 1, size);
		ASSERT_EQ(madvise(area, size, MADV_MERGEABLE), 0);
		EXPECT_TRUE(wait_for(number(PATH_KSM "/pages_sharing", NULL) > 1000))
			TH_LOG("merge_across_nodes %s", across);
		EXPECT_TRUE(untouched(&self->node));
		/* And apart again. */
		memset(area, 2, size);
		EXPECT_TRUE(untouched(&self->node));
		munmap(area, size);
	}
	EXPECT_EQ(put(PATH_KSM "/run", "2"), 0);
}

/* The largest part of memory that node 0 has, or one of its parts. */
static bool find_ram(unsigned long *start, unsigned long *end)
{
	unsigned long first, last, size = 0;
	FILE *file = fopen("/proc/iomem", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx : System RAM", &first, &last) != 2 ||
		    !strstr(line, "System RAM\n") || last - first <= size)
			continue;
		*start = first;
		*end = last + 1;
		size = last - first;
	}
	if (file)
		fclose(file);
	return size;
}

#define DAMON_CONTEXT	PATH_DAMON "/0/contexts/0"
#define DAMON_SCHEME	DAMON_CONTEXT "/schemes/0"

/* Have all memory of node 0 taken for cold, or hot, and migrated to a node. */
static int damon_start(const char *action, int nid)
{
	unsigned long start = 0, end = 0;

	if (!find_ram(&start, &end))
		return -ENOENT;
	return put(PATH_DAMON "/nr_kdamonds", "1") ?:
	       put(PATH_DAMON "/0/contexts/nr_contexts", "1") ?:
	       put(DAMON_CONTEXT "/operations", "paddr") ?:
	       put(DAMON_CONTEXT "/monitoring_attrs/intervals/aggr_us", "50000") ?:
	       put(DAMON_CONTEXT "/targets/nr_targets", "1") ?:
	       put(DAMON_CONTEXT "/targets/0/regions/nr_regions", "1") ?:
	       put(DAMON_CONTEXT "/targets/0/regions/0/start", "%lu", start) ?:
	       put(DAMON_CONTEXT "/targets/0/regions/0/end", "%lu", end) ?:
	       put(DAMON_CONTEXT "/schemes/nr_schemes", "1") ?:
	       put(DAMON_SCHEME "/action", "%s", action) ?:
	       put(DAMON_SCHEME "/target_nid", "%d", nid) ?:
	       put(DAMON_SCHEME "/access_pattern/sz/max", "%lu", end) ?:
	       put(DAMON_SCHEME "/access_pattern/nr_accesses/max", "1000000") ?:
	       put(DAMON_SCHEME "/access_pattern/age/max", "1000000") ?:
	       put(PATH_DAMON "/0/state", "on");
}

static long damon_stat(const char *name)
{
	char path[PATH_MAX];

	put(PATH_DAMON "/0/state", "update_schemes_stats");
	snprintf(path, sizeof(path), DAMON_SCHEME "/stats/%s", name);
	return number(path, NULL);
}

TEST_F_TIMEOUT(private_node, damon, TIMEOUT)
{
	static const char * const actions[] = { "migrate_cold", "migrate_hot" };
	int i;

	if (access(PATH_DAMON, F_OK))
		SKIP(return, "kernel without DAMON_SYSFS");
	for (i = 0; i < (int)ARRAY_SIZE(actions); i++) {
		if (damon_start(actions[i], self->node.nid)) {
			EXPECT_TRUE(false) TH_LOG("%s cannot be started", actions[i]);
		} else {
			EXPECT_TRUE(wait_for(damon_stat("nr_tried") > 10))
				TH_LOG("%s", actions[i]);
			EXPECT_EQ(damon_stat("nr_applied"), 0)
				TH_LOG("%s", actions[i]);
		}
		put(PATH_DAMON "/0/state", "off");
		put(PATH_DAMON "/nr_kdamonds", "0");
	}
	EXPECT_TRUE(untouched(&self->node));
}

/* All that moves pages by itself, while memory is short. */
TEST_F_TIMEOUT(private_node, pressure, 600)
{
	static const char * const on[][2] = {
		{ "/sys/kernel/mm/numa/demotion_enabled", "1" },
		{ "/proc/sys/kernel/numa_balancing", "2" },
		{ PATH_THP "/enabled", "always" },
		{ PATH_KSM "/run", "1" },
	};
	long mib = number("/proc/meminfo", "MemAvailable:") / 1024;
	long scanned = number("/proc/vmstat", "pgscan_kswapd ");
	char path[PATH_MAX];
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(on); i++)
		tune(on[i][0], on[i][1]);
	ASSERT_EQ(make_cgroup("+memory"), 0);
	/* More than there is: it is swapped out, or killed. */
	hog(mib + 256, true);
	EXPECT_GT(number("/proc/vmstat", "pgscan_kswapd "), scanned)
		TH_LOG("memory was not short");
	put("/proc/sys/vm/compact_memory", "1");
	snprintf(path, sizeof(path), PATH_NODES "/node%d/reclaim", self->node.nid);
	put(path, "16M");
	EXPECT_TRUE(untouched(&self->node));
}

TEST_F_TIMEOUT(private_node, oom_of_cgroup, TIMEOUT)
{
	long kills = number("/proc/vmstat", "oom_kill ");
	int status;

	ASSERT_EQ(make_cgroup("+memory"), 0);
	ASSERT_EQ(put(PATH_CGROUP "/memory.max", "32M"), 0);
	/* There is none without swap. */
	put(PATH_CGROUP "/memory.swap.max", "0");
	ASSERT_EQ(ask_for_node(&self->node, MPOL_INTERLEAVE), 0);
	status = hog(128, false);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_GT(number("/proc/vmstat", "oom_kill "), kills);
	EXPECT_TRUE(untouched(&self->node));
}

/* Nowhere to, but for the node: somebody is killed. */
TEST_F_TIMEOUT(private_node, oom, 600)
{
	/* As much as may be asked for, and more than can be had. */
	long mib = number("/proc/meminfo", "MemTotal:") / 1024;
	long kills = number("/proc/vmstat", "oom_kill ");
	char swaps[4][64];
	int nr, i, status;

	nr = swap_devices(swaps, ARRAY_SIZE(swaps));
	for (i = 0; i < nr; i++)
		EXPECT_EQ(swapoff(swaps[i]), 0) TH_LOG("%s", swaps[i]);
	status = hog(mib, false);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(swapon(swaps[i], 0), 0) TH_LOG("%s", swaps[i]);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_GT(number("/proc/vmstat", "oom_kill "), kills);
	EXPECT_TRUE(untouched(&self->node));
}

/* Whether somebody who asks for compaction of the node has it scanned. */
static bool compaction_scans(struct pnode *node)
{
	long before = number("/proc/vmstat", "compact_migrate_scanned ");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/compact", node->nid);
	return put(path, "1") ||
	       number("/proc/vmstat", "compact_migrate_scanned ") != before;
}

static bool task_exists(const char *name)
{
	char path[PATH_MAX], comm[32];
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (get(path, comm, sizeof(comm)) < 0)
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		found = !strcmp(comm, name);
	}
	if (dir)
		closedir(dir);
	return found;
}

TEST_F_TIMEOUT(private_node, daemons, TIMEOUT)
{
	char name[32];

	EXPECT_TRUE(task_exists("kswapd0"));
	snprintf(name, sizeof(name), "kswapd%d", self->node.nid);
	EXPECT_FALSE(task_exists(name));
	snprintf(name, sizeof(name), "kcompactd%d", self->node.nid);
	EXPECT_FALSE(task_exists(name));

	/* Others may have theirs compacted meanwhile: not each time. */
	ASSERT_EQ(store_pages(0, 2000, 1, 50), 0);
	EXPECT_TRUE(wait_for(!compaction_scans(&self->node)));
}

TEST_F_TIMEOUT(private_node, hibernation, TIMEOUT)
{
	char buf[64] = "";

	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	if (get("/sys/power/disk", buf, sizeof(buf)) < 0)
		SKIP(return, "kernel without HIBERNATION");
	if (!strcmp(buf, "[disabled]\n"))
		SKIP(return, "hibernation is disabled also without the node");
	ASSERT_TRUE(online(&self->node));
	ASSERT_GT(get("/sys/power/disk", buf, sizeof(buf)), 0);
	EXPECT_STREQ(buf, "[disabled]\n");
}

/* ---- what the machine has ---- */

static long page_cache(void)
{
	return number("/proc/meminfo", "Buffers:") + number("/proc/meminfo", "Cached:");
}

/*
 * Opens what page cache of so many KiB can be made of: what is swapped to is the
 * one file that is surely large. -1: there is none, or it is smaller.
 */
static int open_large_file(long kib)
{
	char name[1][64];
	int fd;

	if (!swap_devices(name, 1))
		return -1;
	fd = open(name[0], O_RDONLY);
	if (fd >= 0 && lseek(fd, 0, SEEK_END) / 1024 < kib) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Makes the page cache so many KiB larger, on all nodes alike. */
static bool fill_page_cache(int fd, long kib)
{
	unsigned long mask[MAX_NODES / LONG_BITS];
	long goal = page_cache() + kib * 3 / 4;	/* a bit may be reclaimed again */
	static char buf[MIB];

	read_nodes(PATH_NODES "/has_memory", mask);
	if (syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, mask, MAX_NODES))
		return false;
	lseek(fd, 0, SEEK_SET);
	for (; kib > 0 && read(fd, buf, MIB) > 0; kib -= MIB / 1024)
		;
	return page_cache() >= goal;
}

static bool has_symbol(const char *name)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[512], symbol[400];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %*s %399s", symbol) == 1 &&
			!strcmp(symbol, name);
	if (file)
		fclose(file);
	return found;
}

static const struct {
	const char *file, *word;
	long may_grow;	/* in its own unit; it may shrink by a bit more */
	long share;	/* or so much of the node's KiB */
} totals[] = {
	{ "/proc/meminfo", "MemTotal:", 0 },
	/*
	 * and pages of the test, and of what else runs: the node's watermarks are a
	 * tenth of it
	 */
	{ "/proc/meminfo", "MemFree:", 8192, 32 },
	{ "/proc/meminfo", "MemAvailable:", 8192, 32 },
	{ "/proc/vmstat", "nr_dirty_threshold ", 512, 640 },
	{ "/proc/vmstat", "nr_dirty_background_threshold ", 512, 640 },
};

#define MIN_FREE	ARRAY_SIZE(totals)
#define NR_TOTALS	(MIN_FREE + 1)

static void read_totals(long *values)
{
	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		values[i] = number(totals[i].file, totals[i].word);
	values[MIN_FREE] = number("/proc/sys/vm/min_free_kbytes", NULL);
}

/* Whether what the machine has changed by no more than by what the node costs. */
static bool totals_kept(struct pnode *node, const long *before, const long *after)
{
	/* Struct pages are in other memory: 1/64 of what was added. KASAN's shadow is 1/8. */
	long kib = attr(node, "total_pages") * (getpagesize() / 1024);
	long metadata = kib / 64 + (has_symbol("kasan_report") ? kib / 8 : 0);
	bool kept = true;

	for (size_t i = 0; i < ARRAY_SIZE(totals); i++) {
		long slack = totals[i].may_grow;

		if (totals[i].share && slack < kib / totals[i].share)
			slack = kib / totals[i].share;
		/* So much and a bit, as for growing. */
		if (after[i] <= before[i] + slack &&
		    after[i] >= before[i] - slack - metadata - (slack ? 4096 : 0))
			continue;
		ksft_print_msg("%s %ld before, %ld after, %ld more or less is fine\n",
			       totals[i].word, before[i], after[i], slack);
		kept = false;
	}
	/* A watermark that is boosted for a while makes it a bit less. */
	if (labs(after[MIN_FREE] - before[MIN_FREE]) > before[MIN_FREE] / 20) {
		ksft_print_msg("min_free_kbytes %ld before, %ld after\n",
			       before[MIN_FREE], after[MIN_FREE]);
		kept = false;
	}
	return kept;
}

TEST_F_TIMEOUT(private_node, totals, TIMEOUT)
{
	long before[NR_TOTALS], after[NR_TOTALS];
	long cache = number("/proc/meminfo", "MemTotal:") * 4 / 10;
	int fd = open_large_file(cache);
	char path[PATH_MAX], word[32];
	bool kept = false;
	int i;

	if (fd < 0)
		SKIP(return, "no swap of %ld KiB to make page cache of", cache);
	/*
	 * With large watermarks it can be told whether the node's are among those
	 * that MemAvailable knows: as reserves, and of the page cache, if it is
	 * larger than twice those. min_free_kbytes goes by them, too, when memory
	 * comes or goes: so this is first.
	 */
	ASSERT_EQ(tune("/proc/sys/vm/watermark_scale_factor", "1000"), 0);
	/* What else runs may give memory back meanwhile, but not each time. */
	for (i = 0; i < 3 && !kept; i++) {
		ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
		EXPECT_FALSE(private_mask_has(self->node.nid));
		/*
		 * The watermarks are a tenth of memory apart. The page cache is made
		 * four tenths, so that no node has less free than kswapd wants: what
		 * it reclaims would be seen as MemFree that grows.
		 */
		ASSERT_EQ(put("/proc/sys/vm/drop_caches", "1"), 0);
		ASSERT_TRUE(fill_page_cache(fd, cache));
		read_totals(before);
		ASSERT_TRUE(online(&self->node));
		read_totals(after);
		/* MemTotal, which nothing else changes */
		EXPECT_EQ(after[0], before[0]);
		kept = totals_kept(&self->node, before, after);
	}
	close(fd);
	EXPECT_TRUE(kept);

	/* The node itself is there, with all that it has. */
	EXPECT_TRUE(private_mask_has(self->node.nid));
	snprintf(path, sizeof(path), PATH_NODES "/node%d/meminfo", self->node.nid);
	snprintf(word, sizeof(word), "Node %d MemTotal:", self->node.nid);
	EXPECT_EQ(number(path, word),
		  attr(&self->node, "total_pages") * (getpagesize() / 1024));
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
	EXPECT_GE(pages_allocated(&self->node), self->node.allocated + 4000);
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
	EXPECT_TRUE(wait_for(attr(&self->node, "media_used") == 0));
	EXPECT_EQ(stat_of("wrong"), self->node.wrong);
}

/* What the device is asked while pages are stored is not the last word. */
TEST_F_TIMEOUT(private_node, last_answer, TIMEOUT)
{
	int i;

	ASSERT_EQ(tune("/sys/module/private_node/parameters/refresh_ms", "4"), 0);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(store_pages(i * 10, 10, i, 50), 0);
		ASSERT_TRUE(wait_for(attr(&self->node, "media_used") == stat_of("bytes")));
	}
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(drop_pages(i * 10, 10), 0);
		ASSERT_TRUE(wait_for(attr(&self->node, "media_used") == stat_of("bytes")));
	}
	EXPECT_EQ(attr(&self->node, "media_used"), 0);
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
	int i;

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
	/* A slow machine may not have filled it. */
	for (i = 0; i < 120 && nr_refused(ENOSPC) == no_space; i++)
		sleep(1);
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

struct losses {
	long tried;
	long drops;
	long no_room;		/* refused, because the budget was used up */
};

/* Store some more at new numbers. Return whether enough were lost. */
static bool lost_enough(struct pnode *node, struct losses *losses)
{
	if (store_pages(losses->tried, 50, 1, 90))
		return false;
	losses->tried += 50;
	return emul(node, "drops") >= 100;
}

/*
 * A device that says it has room, that it has not, and loses what it is given
 * without a word. What it says is never enough for all pages, and it is asked
 * whenever there is time to: so store until enough were lost.
 */
static struct losses overflow(struct __test_metadata *_metadata,
			      struct pnode *node)
{
	long no_room = nr_refused(ENOSPC);
	struct losses losses = {};

	EXPECT_EQ(knob(node, "phys_bytes", MIB), 0);
	EXPECT_EQ(knob(node, "drop", 1), 0);
	EXPECT_EQ(knob(node, "under_report_bytes", 64 * MIB), 0);
	EXPECT_EQ(knob(node, "low_permille", 0), 0);
	EXPECT_EQ(knob(node, "high_permille", 0), 0);
	EXPECT_TRUE(wait_for(lost_enough(node, &losses)));
	losses.drops = emul(node, "drops");
	losses.no_room = nr_refused(ENOSPC) - no_room;
	return losses;
}

TEST_F_TIMEOUT(private_node, drops, TIMEOUT)
{
	struct losses losses = overflow(_metadata, &self->node);

	EXPECT_EQ(stat_of("private"), losses.tried - losses.no_room);
	EXPECT_EQ(check_pages(0, losses.tried), -EIO);
	EXPECT_EQ(stat_of("lost") - self->node.lost, losses.drops);
	EXPECT_EQ(stat_of("wrong"), self->node.wrong);
}

/* Read back at once, what is lost is refused instead. */
TEST_F_TIMEOUT(private_node, drops_verified, TIMEOUT)
{
	struct losses losses;
	long eio;

	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	ASSERT_EQ(put(PATH_EMUL_PARAM "/verify", "1"), 0);
	EXPECT_TRUE(online(&self->node));
	ASSERT_EQ(put(PATH_EMUL_PARAM "/verify", "0"), 0);
	eio = nr_refused(EIO);
	losses = overflow(_metadata, &self->node);
	EXPECT_EQ(stat_of("private"), losses.tried - losses.no_room - losses.drops);
	EXPECT_EQ(nr_refused(EIO), eio + losses.drops);
	EXPECT_EQ(check_pages(0, losses.tried), 0);
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
	ASSERT_EQ(knob(&self->node, "discard_ms", 5000), 0);
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

TEST_F_TIMEOUT(private_node, rounds_under_load, 3600)
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
	static const char * const states[] = { "offline", "", "1", "onlin", "online x" };
	char path[PATH_MAX], old[64], now[64];
	int i;

	path_of(path, &self->node, "state");
	for (i = 0; i < (int)ARRAY_SIZE(states); i++)
		EXPECT_EQ(put(path, "%s\n", states[i]), -EINVAL)
			TH_LOG("word %d", i);
	EXPECT_EQ(set_state(&self->node, "online"), 0);
	path_of(path, &self->node, "provider");
	ASSERT_GT(get(path, old, sizeof(old)), 0);
	EXPECT_EQ(put(path, "emul"), -EBUSY);
	EXPECT_EQ(put(path, "nonsense"), -EBUSY);
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(put(path, "nonsense"), -ENOENT);
	ASSERT_GT(get(path, now, sizeof(now)), 0);
	EXPECT_STREQ(old, now);
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

/* Have the emulated device make a node of some memory, without a dax device. */
static int range_online(unsigned long start, unsigned long size, int nid)
{
	return put(PATH_EMUL_PARAM "/range_start", "%#lx", start) ?:
	       put(PATH_EMUL_PARAM "/range_size", "%#lx", size) ?:
	       put(PATH_EMUL_PARAM "/range_nid", "%d", nid) ?:
	       put(PATH_EMUL_PARAM "/online", "1");
}

static unsigned long hex_number(const char *path)
{
	char buf[64];

	return get(path, buf, sizeof(buf)) < 0 ? 0 : strtoul(buf, NULL, 16);
}

/* The memory blocks of the dax device. */
static void range_of(struct pnode *node, unsigned long *start, unsigned long *size,
		     unsigned long *block)
{
	unsigned long end;
	char path[PATH_MAX];

	*block = hex_number("/sys/devices/system/memory/block_size_bytes");
	path_of(path, node, "resource");
	*start = hex_number(path);
	path_of(path, node, "size");
	end = *start + number(path, NULL);
	*start = (*start + *block - 1) & -*block;
	*size = (end & -*block) - *start;
}

/* The memory of the dax device, while that is unplugged. */
TEST_F_TIMEOUT(private_node, range, TIMEOUT)
{
	unsigned long start, size, block;

	range_of(&self->node, &start, &size, &block);
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(range_online(start, size, self->node.nid), 0);
	EXPECT_EQ(number(PATH_EMUL_PARAM "/online", NULL), 1);
	EXPECT_EQ(attr(&self->node, "total_pages"), size / getpagesize());
	EXPECT_TRUE(wait_for(attr(&self->node, "budget_bytes") > 0));
	EXPECT_EQ(store_pages(0, 1000, 1, 50), 0);
	EXPECT_EQ(attr(&self->node, "stored_pages"), 1000);
	EXPECT_EQ(check_pages(0, 1000), 0);

	/* Both at once can't be, and what is there stays. */
	EXPECT_EQ(set_state(&self->node, "online"), -EBUSY);
	EXPECT_EQ(range_online(start, block, self->node.nid), 0);
	EXPECT_EQ(attr(&self->node, "total_pages"), size / getpagesize());
	EXPECT_EQ(check_pages(0, 1000), 0);
	EXPECT_EQ(attr(&self->node, "stored_pages"), 1000);

	EXPECT_EQ(put(PATH_EMUL_PARAM "/online", "0"), 0);
	EXPECT_FALSE(private_mask_has(self->node.nid));
	EXPECT_EQ(stat_of("private"), 0);
	EXPECT_EQ(check_pages(0, 1000), 0);
	EXPECT_TRUE(online(&self->node));
}

TEST_F_TIMEOUT(private_node, bad_range, TIMEOUT)
{
	unsigned long start, size, block, ram = 0, ram_end = 0;
	const int nid = self->node.nid;
	int i;

	range_of(&self->node, &start, &size, &block);
	ASSERT_TRUE(find_ram(&ram, &ram_end));
	ram = (ram_end & -block) - block;
	{
		const struct {
			const char *what;
			unsigned long start, size;
			int nid, err;
			bool while_online;
		} bad[] = {
			{ "node is private", start, size, nid, -EBUSY, true },
			{ "node has memory", start, size, 0, -EBUSY },
			{ "node has memory", start, size, 0, -EBUSY, true },
			{ "no node", start, size, -1, -EINVAL },
			{ "impossible node", start, size, 1000000, -EINVAL },
			{ "start is not aligned", start + 4096, size, nid, -EINVAL },
			{ "size is not aligned", start, size - 4096, nid, -EINVAL },
			{ "nothing", start, 0, nid, -EINVAL },
			{ "more than there are addresses", -block, 2 * block, nid,
				-EINVAL },
			{ "RAM", ram, block, nid, -EEXIST },
			{ "RAM and more", ram, start + block - ram, nid, -EEXIST },
		};

		for (i = 0; i < (int)ARRAY_SIZE(bad); i++) {
			EXPECT_EQ(set_state(&self->node, bad[i].while_online ?
					    "online" : "unplugged"), 0);
			EXPECT_EQ(range_online(bad[i].start, bad[i].size, bad[i].nid),
				  bad[i].err) TH_LOG("%s", bad[i].what);
			EXPECT_EQ(number(PATH_EMUL_PARAM "/online", NULL), 0)
				TH_LOG("%s", bad[i].what);
			EXPECT_EQ(private_mask_has(nid), bad[i].while_online)
				TH_LOG("%s", bad[i].what);
			EXPECT_FALSE(private_mask_has(0));
			put(PATH_EMUL_PARAM "/online", "0");
		}
	}
	EXPECT_TRUE(online(&self->node));
	EXPECT_EQ(attr(&self->node, "total_pages"), size / getpagesize());
	EXPECT_EQ(store_pages(0, 100, 1, 50), 0);
	EXPECT_EQ(stat_of("private"), 100);
}

static int set_size(const char *dev, long size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size", dev);
	return put(path, "%ld", size);
}

/* kmem has a part of the device, and would add it to the node. */
TEST_F_TIMEOUT(private_node, foreign_memory, TIMEOUT)
{
	const char *dev = self->node.dev;
	char region[PATH_MAX], path[PATH_MAX], other[64];
	unsigned long start, size, block;
	long total;
	int err;

	range_of(&self->node, &start, &size, &block);
	path_of(region, &self->node, "../dax_region/create");
	if (access(region, W_OK) || access("/sys/bus/dax/drivers/kmem", F_OK))
		SKIP(return, "no driver kmem, or the device can't be divided");
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	ASSERT_EQ(put(PATH_DRIVER "/unbind", "%s", dev), 0);
	EXPECT_EQ(set_size(dev, size - block), 0);
	EXPECT_EQ(put(region, "1"), 0);
	path_of(path, &self->node, "../dax_region/seed");
	EXPECT_GT(get(path, other, sizeof(other)), 0);
	other[strcspn(other, "\n")] = '\0';
	EXPECT_STRNE(other, dev);
	EXPECT_EQ(set_size(other, block), 0);
	EXPECT_EQ(put(PATH_DRIVER "/bind", "%s", dev), 0);
	path_of(path, &self->node, "provider");
	EXPECT_EQ(put(path, "emul"), 0);
	EXPECT_TRUE(online(&self->node));
	total = attr(&self->node, "total_pages");
	EXPECT_EQ(total, (long)(size - block) / getpagesize());

	/* Nor with struct pages on the device. */
	EXPECT_EQ(put(PATH_TEST "/add", "%d %lu", self->node.nid,
		      start + size - block), -EINVAL);
	err = put("/sys/bus/dax/drivers/kmem/bind", "%s", other);
	/* Of a private CXL region, kmem does not even get the device. */
	EXPECT_TRUE(err == -EBUSY || err == -ENODEV) TH_LOG("%d", err);
	EXPECT_EQ(attr(&self->node, "total_pages"), total);
	snprintf(path, sizeof(path), PATH_NODES "/node%d/vmstat", self->node.nid);
	EXPECT_EQ(number(path, "nr_free_pages "), total);
	EXPECT_FALSE(list_has(PATH_NODES "/has_memory", self->node.nid));
	EXPECT_EQ(store_pages(0, 100, 1, 50), 0);
	EXPECT_EQ(check_pages(0, 100), 0);
	EXPECT_EQ(stat_of("private"), 100);

	/* As it was. */
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(put(PATH_DRIVER "/unbind", "%s", dev), 0);
	put("/sys/bus/dax/drivers/kmem/unbind", "%s", other);
	EXPECT_EQ(set_size(other, 0), 0);
	path_of(path, &self->node, "../dax_region/delete");
	EXPECT_EQ(put(path, "%s", other), 0);
	EXPECT_EQ(set_size(dev, size), 0);
	EXPECT_EQ(put(PATH_DRIVER "/bind", "%s", dev), 0);
}

static int remove_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

TEST_F_TIMEOUT(private_node, module_in_use, TIMEOUT)
{
	char path[PATH_MAX];

	if (access("/sys/module/private_emul/refcnt", F_OK))
		SKIP(return, "private_emul is built in");
	ASSERT_EQ(store_pages(0, 100, 1, 50), 0);
	EXPECT_EQ(remove_module("private_emul"), -EWOULDBLOCK);
	EXPECT_EQ(check_pages(0, 100), 0);
	EXPECT_EQ(stat_of("private"), 100);
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	/* It is still what the device is to have. */
	EXPECT_EQ(remove_module("private_emul"), -EWOULDBLOCK);
	EXPECT_TRUE(online(&self->node));

	/* Last: it is not there any more, for the other tests. */
	path_of(path, &self->node, "provider");
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	ASSERT_EQ(put(path, "\n"), 0);
	EXPECT_EQ(remove_module("private_emul"), 0);
	EXPECT_EQ(put(path, "emul"), -ENOENT);
}

TEST_HARNESS_MAIN
