// SPDX-License-Identifier: GPL-2.0
/*
 * zswap on a private node: pages that zswap stores on a device which compresses
 * them itself. Who is charged for them, what the machine says of them, and what
 * becomes of them when the device is full, lossy, silent or taken away. The device
 * is the emulated one of CONFIG_DEV_DAX_PRIVATE_EMUL.
 *
 * usage: zswap_direct [harness options]. In the environment, ZSWAP_DIRECT_MIB=N is
 * how much the first test stores (16), ZSWAP_DIRECT_SECONDS=N how long tests under
 * load run (5).
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "zswap_util.h"
#include "private_node_util.h"

#define PATH_ZSWAP	"/sys/module/zswap/parameters"
#define PATH_DEBUG	"/sys/kernel/debug/zswap"
#define PATH_THP	"/sys/kernel/mm/transparent_hugepage"
#define PATH_CGROUPS	"/sys/fs/cgroup"
#define PATH_CGROUP	PATH_CGROUPS "/zswap_direct_test"
#define PATH_STAT_INTERVAL "/proc/sys/vm/stat_interval"
#define PATH_PROBES	"/sys/kernel/tracing/kprobe_events"
#define PATH_HITS	"/sys/kernel/tracing/kprobe_profile"
#define PATH_PROBE	"/sys/kernel/tracing/events/kprobes/zswap_direct/enable"

#define TIMEOUT		300	/* seconds, for slow emulation */
#define NR_ROUNDS	20
#define NR_TASKS	4

/* ---- pages ---- */

static long page_size;

/* What a test keeps its pages in. */
struct area {
	char *at;
	long nr;
	unsigned int seed;
	int percent;		/* of a page is random; above 100: from 0 to 100 */
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void make_page(const struct area *area, long nr, uint64_t *page)
{
	long percent = area->percent > 100 ? nr % 101 : area->percent;
	long words = page_size / sizeof(*page), random = words * percent / 100;
	uint64_t state = (uint64_t)area->seed << 32 | (nr + 1);
	long i;

	for (i = 0; i < words; i++)
		page[i] = i < random ? random_next(&state) : 0;
	/* One of zeroes is no matter for zswap. */
	page[words - 1] = nr + 1;
}

static int make_area(struct area *area, long nr, unsigned int seed, int percent)
{
	area->nr = nr;
	area->seed = seed;
	area->percent = percent;
	area->at = mmap(NULL, nr * page_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return area->at == MAP_FAILED ? -1 : 0;
}

static void fill(struct area *area)
{
	long i;

	for (i = 0; i < area->nr; i++)
		make_page(area, i, (uint64_t *)(area->at + i * page_size));
}

static sigjmp_buf bus_jmp;

static void on_bus(int sig)
{
	siglongjmp(bus_jmp, 1);
}

/* False if the page could not be read. */
static bool same_page(const char *page, const uint64_t *expected, bool *same)
{
	if (sigsetjmp(bus_jmp, 1))
		return false;
	*same = !memcmp(page, expected, page_size);
	return true;
}

/* Return how many pages are wrong. Those that could not be read are counted. */
static long check(const struct area *area, long *lost)
{
	struct sigaction action = { .sa_handler = on_bus }, before;
	uint64_t *expected = malloc(page_size);
	long i, wrong = 0;
	bool same;

	sigaction(SIGBUS, &action, &before);
	for (i = 0; i < area->nr; i++) {
		make_page(area, i, expected);
		if (same_page(area->at + i * page_size, expected, &same))
			wrong += !same;
		else if (lost)
			(*lost)++;
		else
			wrong++;
	}
	sigaction(SIGBUS, &before, NULL);
	free(expected);
	return wrong;
}

/* How many pages are swapped out. */
static long swapped(const struct area *area)
{
	long first = (uintptr_t)area->at / page_size, i, nr = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	for (i = 0; i < area->nr; i++)
		if (pread(fd, &entry, sizeof(entry), (first + i) * sizeof(entry)) ==
		    sizeof(entry))
			nr += entry >> 62 & 1;
	close(fd);
	return nr;
}

/* A page may be busy for a moment. Return how many are out. */
static long swap_out(const struct area *area)
{
	long nr = 0;
	int tries;

	for (tries = 0; tries < 20 && nr < area->nr; tries++) {
		/* Other CPUs' lists hold on to pages: this empties them. */
		if (tries)
			put("/proc/sys/vm/drop_caches", "1");
		madvise(area->at, area->nr * page_size, MADV_PAGEOUT);
		nr = swapped(area);
	}
	return nr;
}

static void drop(struct area *area)
{
	munmap(area->at, area->nr * page_size);
	area->nr = 0;
}

/* ---- what the machine says ---- */

static long events(const char *name)
{
	char word[64];

	snprintf(word, sizeof(word), "%s ", name);
	return number("/proc/vmstat", word);
}

static long debug(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PATH_DEBUG "/%s", name);
	return number(path, NULL);
}

/* All that zswap counts, where a number alone does not say what went wrong. */
static void print_counters(void)
{
	DIR *dir = opendir(PATH_DEBUG);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX];
		long value;

		snprintf(path, sizeof(path), PATH_DEBUG "/%s", entry->d_name);
		value = number(path, NULL);
		if (value > 0)
			ksft_print_msg("%s %ld\n", entry->d_name, value);
	}
	if (dir)
		closedir(dir);
}

static long cgroup_stat(const char *cgroup, const char *name)
{
	char path[PATH_MAX], word[64];

	snprintf(path, sizeof(path), "%s/memory.stat", cgroup);
	snprintf(word, sizeof(word), "%s ", name);
	return number(path, word);
}

/* The value of a node in a line of memory.numa_stat. */
static long cgroup_node_stat(const char *cgroup, const char *name, int nid)
{
	char path[PATH_MAX], word[64], buf[16384], *line, *end;
	long value = 0;

	snprintf(path, sizeof(path), "%s/memory.numa_stat", cgroup);
	if (get(path, buf, sizeof(buf)) < 0)
		return LONG_MIN;
	snprintf(word, sizeof(word), "\n%s ", name);
	line = strstr(buf, word);
	if (!line)
		return LONG_MIN;
	end = strchr(line + 1, '\n');
	if (end)
		*end = '\0';
	snprintf(word, sizeof(word), " N%d=", nid);
	line = strstr(line, word);
	if (line)
		value = strtol(line + strlen(word), NULL, 10);
	return value;
}

static int set_cgroup(const char *file, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_CGROUP "/%s", file);
	return put(path, "%s", value);
}

static long cgroup_value(const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_CGROUP "/%s", file);
	return number(path, NULL);
}

/* What zswap finds on a node when it looks at each page: of one cgroup, or all. */
struct found {
	long pages, bytes;
};

static struct found recount(int nid, unsigned long ino)
{
	FILE *file = fopen(PATH_DEBUG "/direct_nodes", "r");
	struct found found = {};
	char line[256], who[32];
	long pages, bytes;
	int node;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %d %ld %*d %ld", who, &node, &pages, &bytes) != 4 ||
		    node != nid)
			continue;
		if (ino ? strtoul(who, NULL, 10) != ino : strcmp(who, "all"))
			continue;
		found.pages += pages;
		found.bytes += bytes;
	}
	if (file)
		fclose(file);
	return found;
}

/* Every counter of what is on the node. */
static bool counters_agree(struct pnode *node)
{
	char path[PATH_MAX];
	struct found all, own;
	struct stat st;

	make_stats_flush(PATH_CGROUP);
	put("/proc/sys/vm/stat_refresh", "1");
	all = recount(node->nid, 0);
	if (stat(PATH_CGROUP, &st))
		return false;
	own = recount(node->nid, st.st_ino);
	snprintf(path, sizeof(path), PATH_NODES "/node%d/vmstat", node->nid);

#define AGREE(_found, _expected)						\
	zswap_differ(_expected, _found, "%s", #_found)
	return !(AGREE(debug("direct_pages"), all.pages) ||
		 AGREE(debug("direct_bytes"), all.bytes) ||
		 AGREE(attr(node, "stored_pages"), all.pages) ||
		 AGREE(number("/proc/meminfo", "ZswapDirect:"),
		       all.pages * page_size / 1024) ||
		 AGREE(number(path, "nr_zswap "), all.pages) ||
		 AGREE(number(path, "nr_zswapped "), all.pages) ||
		 AGREE(cgroup_node_stat(PATH_CGROUP, "zswap", node->nid), own.bytes) ||
		 AGREE(cgroup_node_stat(PATH_CGROUP, "zswapped", node->nid),
		       own.pages * page_size) ||
		 AGREE(cgroup_stat(PATH_CGROUP, "zswap_direct"), own.bytes) ||
		 AGREE(cgroup_stat(PATH_CGROUP, "zswapped_direct"),
		       own.pages * page_size) ||
		 AGREE(cgroup_node_stat(PATH_CGROUPS, "zswap", node->nid), all.bytes) ||
		 AGREE(cgroup_node_stat(PATH_CGROUPS, "zswapped", node->nid),
		       all.pages * page_size));
#undef AGREE
}

#define EXPECT_COUNTERS(_node)							\
do {										\
	bool _agree = wait_for(counters_agree(_node));				\
										\
	EXPECT_TRUE(_agree);							\
	if (!_agree)								\
		zswap_print_mismatch("at rest");				\
} while (0)

/* ---- the node and the cgroup ---- */

FIXTURE(zswap_direct) {
	struct pnode node;
	struct area area;
	long lost, refused;
	char interval[16];	/* vmstat's, if a test has changed it */
};

static int own_number(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text && atoi(text) > 0 ? atoi(text) : otherwise;
}

FIXTURE_SETUP(zswap_direct)
{
	const char *none = find_node(&self->node), *cgroup = PATH_CGROUP;

	page_size = getpagesize();
	if (none)
		SKIP(return, "%s", none);
	if (access(PATH_ZSWAP "/direct", F_OK))
		SKIP(return, "kernel without ZSWAP_DIRECT");
	if (number("/proc/swaps", "/") == LONG_MIN)
		SKIP(return, "no swap device is on");

	ASSERT_EQ(take_node(&self->node, "zswap"), 0);
	ASSERT_TRUE(online(&self->node));
	ASSERT_EQ(put(PATH_ZSWAP "/direct", "Y"), 0);

	ASSERT_EQ(put(PATH_CGROUPS "/cgroup.subtree_control", "+memory"), 0);
	rmdir(cgroup);
	ASSERT_EQ(mkdir(cgroup, 0755), 0);
	ASSERT_EQ(put(PATH_CGROUP "/cgroup.procs", "0"), 0);
	self->lost = events("zswpdirect_lost");
	self->refused = events("zswpdirect_refused");
}

FIXTURE_TEARDOWN(zswap_direct)
{
	if (self->area.nr)
		drop(&self->area);
	put(PATH_CGROUPS "/cgroup.procs", "0");
	rmdir(PATH_CGROUP);
	put(PATH_ZSWAP "/direct", "Y");
	put(PATH_ZSWAP "/shrinker_enabled", "N");
	put(PATH_EMUL_PARAM "/verify", "0");
	put(PATH_EMUL_PARAM "/phys_mib", "0");
	if (*self->interval)
		put(PATH_STAT_INTERVAL, "%s", self->interval);
	set_state(&self->node, "unplugged");
}

/* Fill an area and swap all of it out. */
#define STORE(_nr, _seed, _percent)						\
do {										\
	ASSERT_EQ(make_area(&self->area, _nr, _seed, _percent), 0);		\
	fill(&self->area);							\
	ASSERT_EQ(swap_out(&self->area), self->area.nr);			\
} while (0)

/* ---- storing and loading ---- */

/* Pages of all kinds: what the node does not take is compressed. */
TEST_F_TIMEOUT(zswap_direct, round_trip, TIMEOUT)
{
	long nr = own_number("ZSWAP_DIRECT_MIB", 16) * MIB / page_size;
	long out = events("zswpout"), direct = events("zswpout_direct");
	long in_direct, stored;

	STORE(nr, 1, 101);
	out = events("zswpout") - out;
	direct = events("zswpout_direct") - direct;
	EXPECT_EQ(out, nr);
	/* Each was offered, and taken or not. */
	EXPECT_EQ(direct + events("zswpdirect_refused") - self->refused, out);
	EXPECT_GT(direct, nr / 2);
	EXPECT_LT(direct, nr);
	EXPECT_EQ(debug("direct_pages"), direct);
	EXPECT_COUNTERS(&self->node);
	/* The device adds up the same. */
	EXPECT_EQ(debug("direct_bytes"), emul(&self->node, "media_used"));
	EXPECT_EQ(cgroup_stat(PATH_CGROUP, "zswpout_direct"), direct);

	stored = debug("stored_pages");
	in_direct = events("zswpin_direct");
	EXPECT_EQ(check(&self->area, NULL), 0);
	EXPECT_EQ(events("zswpin_direct") - in_direct, direct);
	EXPECT_EQ(cgroup_stat(PATH_CGROUP, "zswpin_direct"), direct);
	EXPECT_EQ(stored - debug("stored_pages"), nr);
	EXPECT_EQ(debug("direct_pages"), 0);
	EXPECT_EQ(emul(&self->node, "media_used"), 0);
	EXPECT_COUNTERS(&self->node);
	EXPECT_EQ(events("zswpdirect_lost"), self->lost);
}

/* Of pages that the node takes, no CPU compresses one. */
TEST_F_TIMEOUT(zswap_direct, no_compression, TIMEOUT)
{
	long pool = debug("pool_total_size"), hits;

	if (access(PATH_PROBES, F_OK))
		SKIP(return, "kernel without KPROBE_EVENTS, or no tracefs");
	ASSERT_EQ(put(PATH_PROBES, "p:kprobes/zswap_direct crypto_acomp_compress"), 0);
	ASSERT_EQ(put(PATH_PROBE, "1"), 0);
	STORE(1000, 1, 30);
	hits = number(PATH_HITS, "  zswap_direct ");
	put(PATH_PROBE, "0");
	put(PATH_PROBES, "-:kprobes/zswap_direct");
	EXPECT_EQ(hits, 0);
	EXPECT_EQ(debug("direct_pages"), 1000);
	EXPECT_LE(debug("pool_total_size"), pool);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

/* Off means off; what is there can still be read. */
TEST_F_TIMEOUT(zswap_direct, parameter, TIMEOUT)
{
	struct area other;

	STORE(500, 1, 30);
	EXPECT_EQ(debug("direct_pages"), 500);
	ASSERT_EQ(put(PATH_ZSWAP "/direct", "N"), 0);
	ASSERT_EQ(make_area(&other, 500, 2, 30), 0);
	fill(&other);
	EXPECT_EQ(swap_out(&other), 500);
	EXPECT_EQ(debug("direct_pages"), 500);
	EXPECT_EQ(check(&self->area, NULL), 0);
	EXPECT_EQ(check(&other, NULL), 0);
	drop(&other);
}

/* The limit of zswap's pool is for RAM: a node takes pages all the same. */
TEST_F_TIMEOUT(zswap_direct, pool_limit, TIMEOUT)
{
	char percent[16];

	ASSERT_GT(get(PATH_ZSWAP "/max_pool_percent", percent, sizeof(percent)), 0);
	ASSERT_EQ(put(PATH_ZSWAP "/max_pool_percent", "0"), 0);
	ASSERT_EQ(make_area(&self->area, 500, 1, 30), 0);
	fill(&self->area);
	EXPECT_EQ(swap_out(&self->area), 500);
	put(PATH_ZSWAP "/max_pool_percent", "%s", percent);
	EXPECT_EQ(debug("direct_pages"), 500);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

/* ---- cgroups ---- */

/* A page that goes to the node is charged as what it takes up there. */
TEST_F_TIMEOUT(zswap_direct, charge, TIMEOUT)
{
	long start = cgroup_value("memory.current"), before, after, bytes;

	ASSERT_EQ(make_area(&self->area, 2000, 1, 30), 0);
	fill(&self->area);
	before = cgroup_value("memory.current");
	ASSERT_EQ(swap_out(&self->area), 2000);
	EXPECT_TRUE(wait_for(counters_agree(&self->node)));
	after = cgroup_value("memory.current");
	bytes = cgroup_stat(PATH_CGROUP, "zswap_direct");
	EXPECT_GT(bytes, 2000L * 100);
	EXPECT_LT(bytes, 2000L * page_size / 2);
	/* Batches of charges and page tables make it inexact. */
	EXPECT_LT(labs(before - after - (2000L * page_size - bytes)), 128 * page_size);
	EXPECT_EQ(cgroup_value("memory.zswap.current"),
		  cgroup_stat(PATH_CGROUP, "zswap"));
	drop(&self->area);
	EXPECT_TRUE(wait_for(cgroup_value("memory.zswap.current") == 0));
	EXPECT_TRUE(wait_for(labs(cgroup_value("memory.current") - start) <
			     128 * page_size));
	EXPECT_COUNTERS(&self->node);
}

/* memory.zswap.max is for all, and what is on the node can be written back. */
TEST_F_TIMEOUT(zswap_direct, zswap_max, TIMEOUT)
{
	long written = events("zswpwb");

	ASSERT_EQ(set_cgroup("memory.zswap.max", "1M"), 0);
	/*
	 * The limit is looked at once per folio, and 32 entries each time, which
	 * get a second chance: a few large folios would have none written back.
	 */
	ASSERT_EQ(make_area(&self->area, 4000, 1, 50), 0);
	ASSERT_EQ(madvise(self->area.at, 4000 * page_size, MADV_NOHUGEPAGE), 0);
	fill(&self->area);
	ASSERT_EQ(swap_out(&self->area), 4000);
	make_stats_flush(PATH_CGROUP);
	EXPECT_GT(events("zswpwb"), written) {
		ksft_print_msg("memory.zswap.current %ld, refused %ld\n",
			       cgroup_value("memory.zswap.current"),
			       events("zswpdirect_refused") - self->refused);
		print_counters();
	}
	/* 32 pages are written back at a time, and statistics come late. */
	EXPECT_LT(cgroup_value("memory.zswap.current"), 3 * (long)MIB);
	EXPECT_GT(debug("direct_pages"), 0);
	EXPECT_EQ(check(&self->area, NULL), 0);

	ASSERT_EQ(set_cgroup("memory.zswap.max", "0"), 0);
	fill(&self->area);
	ASSERT_EQ(swap_out(&self->area), 4000);
	EXPECT_EQ(debug("direct_pages"), 0);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

/* The cgroup goes while its pages are there: they are its parent's, and stay. */
TEST_F_TIMEOUT(zswap_direct, cgroup_removed, TIMEOUT)
{
	long before = cgroup_node_stat(PATH_CGROUPS, "zswap", self->node.nid);

	STORE(1000, 1, 30);
	EXPECT_COUNTERS(&self->node);
	ASSERT_EQ(put(PATH_CGROUPS "/cgroup.procs", "0"), 0);
	ASSERT_EQ(rmdir(PATH_CGROUP), 0);
	make_stats_flush(PATH_CGROUPS);
	EXPECT_EQ(cgroup_node_stat(PATH_CGROUPS, "zswap", self->node.nid) - before,
		  recount(self->node.nid, 0).bytes);
	EXPECT_EQ(debug("direct_pages"), 1000);
	EXPECT_EQ(check(&self->area, NULL), 0);
	drop(&self->area);
	EXPECT_TRUE(wait_for(cgroup_node_stat(PATH_CGROUPS, "zswap", self->node.nid) ==
			     before));
	EXPECT_EQ(debug("direct_pages"), 0);
}

/* Return 0 if a task that needs more than its cgroup may have gets through. */
static int work_at_limit(int seconds)
{
	time_t end = time(NULL) + seconds;
	struct area area;
	int status, i;
	pid_t pid = fork();

	if (!pid) {
		if (put(PATH_CGROUP "/cgroup.procs", "0") ||
		    make_area(&area, 24 * MIB / page_size, 1, 30))
			_exit(1);
		for (i = 0; i < 2 || time(NULL) < end; i++) {
			area.seed = i;
			fill(&area);
			if (check(&area, NULL))
				_exit(2);
		}
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static void memory_max(struct __test_metadata *_metadata, const char *max,
		       bool write_back)
{
	long direct = events("zswpout_direct"), written = events("zswpwb");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_CGROUP "/memory.events");
	ASSERT_EQ(put(PATH_CGROUPS "/cgroup.procs", "0"), 0);
	ASSERT_EQ(put(PATH_ZSWAP "/shrinker_enabled", "Y"), 0);
	ASSERT_EQ(set_cgroup("memory.zswap.writeback", write_back ? "1" : "0"), 0);
	ASSERT_EQ(set_cgroup("memory.max", max), 0);
	EXPECT_EQ(work_at_limit(own_number("ZSWAP_DIRECT_SECONDS", 5)), 0);
	EXPECT_EQ(number(path, "oom_kill "), 0);
	EXPECT_GT(events("zswpout_direct"), direct);
	EXPECT_EQ(events("zswpwb") > written, write_back);
}

/*
 * What is on the node is charged. A cgroup that needs more than its limit even so
 * gives pages to the swap device, and nobody is killed.
 */
TEST_F_TIMEOUT(zswap_direct, memory_max, 900)
{
	memory_max(_metadata, "5M", true);
}

/* It may not, but all that it has fits when pages are compressed. */
TEST_F_TIMEOUT(zswap_direct, memory_max_no_writeback, 900)
{
	memory_max(_metadata, "16M", false);
}

/* Whoever is short of RAM leaves the node alone. */
TEST_F_TIMEOUT(zswap_direct, other_pressure, TIMEOUT)
{
	struct stat st;

	STORE(1000, 1, 30);
	ASSERT_EQ(stat(PATH_CGROUP, &st), 0);
	ASSERT_EQ(put(PATH_ZSWAP "/shrinker_enabled", "Y"), 0);
	put(PATH_CGROUPS "/memory.reclaim", "8M");
	/* Others may have stored something there meanwhile. */
	EXPECT_EQ(recount(self->node.nid, st.st_ino).pages, 1000);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

/* ---- a device that is hard to live with ---- */

/* What is lost is an error, for whoever reads it, each time. */
TEST_F_TIMEOUT(zswap_direct, poison, TIMEOUT)
{
	long lost = 0;

	ASSERT_EQ(make_area(&self->area, 200, 1, 30), 0);
	fill(&self->area);
	ASSERT_EQ(knob(&self->node, "poison_next_store", 1), 0);
	ASSERT_EQ(swap_out(&self->area), 200);
	EXPECT_EQ(emul(&self->node, "poisons"), 1);
	EXPECT_EQ(check(&self->area, &lost), 0);
	EXPECT_EQ(lost, 1);
	EXPECT_EQ(events("zswpdirect_lost"), self->lost + 1);
	EXPECT_EQ(check(&self->area, &lost), 0);
	EXPECT_EQ(lost, 2);
	EXPECT_EQ(events("zswpdirect_lost"), self->lost + 1);
	EXPECT_COUNTERS(&self->node);

	/* Nothing keeps it, neither the node nor the swap device. */
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	lost = 0;
	EXPECT_EQ(check(&self->area, &lost), 0);
	EXPECT_EQ(lost, 1);
	drop(&self->area);
}

/* Lost pages do not keep a swap device on. */
static char swap_path[PATH_MAX];

static int find_swap(void)
{
	char buf[4096], *line;

	if (get("/proc/swaps", buf, sizeof(buf)) < 0)
		return -1;
	line = strchr(buf, '\n');
	return line && sscanf(line, " %4095s", swap_path) == 1 ? 0 : -1;
}

TEST_F_TIMEOUT(zswap_direct, swapoff, TIMEOUT)
{
	long lost = 0;

	ASSERT_EQ(find_swap(), 0);
	ASSERT_EQ(make_area(&self->area, 1000, 1, 101), 0);
	fill(&self->area);
	ASSERT_EQ(knob(&self->node, "poison_next_store", 3), 0);
	ASSERT_EQ(swap_out(&self->area), 1000);
	EXPECT_GT(debug("direct_pages"), 100);
	EXPECT_EQ(swapoff(swap_path), 0);
	EXPECT_EQ(debug("direct_pages"), 0);
	EXPECT_EQ(check(&self->area, &lost), 0);
	EXPECT_EQ(lost, 3);
	EXPECT_EQ(swapon(swap_path, 0), 0);
	EXPECT_COUNTERS(&self->node);
}

/* A device that loses pages without a word: errors, and never wrong bytes. */
static void overflow(struct __test_metadata *_metadata, struct _test_data_zswap_direct *self,
		     bool verify)
{
	long lost = 0, drops;

	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	ASSERT_EQ(put(PATH_EMUL_PARAM "/verify", "%d", verify), 0);
	ASSERT_TRUE(online(&self->node));
	ASSERT_EQ(knob(&self->node, "phys_bytes", MIB), 0);
	ASSERT_EQ(knob(&self->node, "drop", 1), 0);
	ASSERT_EQ(knob(&self->node, "under_report_bytes", 64 * MIB), 0);
	ASSERT_EQ(knob(&self->node, "low_permille", 0), 0);
	ASSERT_EQ(knob(&self->node, "high_permille", 0), 0);
	STORE(2000, 1, 80);
	drops = emul(&self->node, "drops");
	EXPECT_GT(drops, 0);
	EXPECT_EQ(check(&self->area, &lost), 0);
	EXPECT_EQ(lost, verify ? 0 : drops);
	EXPECT_EQ(events("zswpdirect_lost") - self->lost, lost);
	EXPECT_COUNTERS(&self->node);
}

TEST_F_TIMEOUT(zswap_direct, drops, TIMEOUT)
{
	overflow(_metadata, self, false);
}

TEST_F_TIMEOUT(zswap_direct, drops_verified, TIMEOUT)
{
	overflow(_metadata, self, true);
}

/*
 * All takes up more than it did: the oldest are written back, or compressed, and no
 * more than it needs. More than once, as what is written back must not be counted
 * when it is not there any more.
 */
static void ratio(struct __test_metadata *_metadata, struct _test_data_zswap_direct *self,
		  bool write_back, int rounds)
{
	ASSERT_EQ(set_cgroup("memory.zswap.writeback", write_back ? "1" : "0"), 0);
	ASSERT_EQ(knob(&self->node, "phys_bytes", 8 * MIB), 0);
	ASSERT_EQ(make_area(&self->area, 3000, 1, 50), 0);
	for (int round = 0; round < rounds; round++) {
		long written = events("zswpwb"), before;
		long evacuated = debug("direct_evacuated");

		fill(&self->area);
		ASSERT_EQ(swap_out(&self->area), self->area.nr);
		before = debug("direct_pages");
		EXPECT_GT(before, 2000);
		ASSERT_EQ(knob(&self->node, "ratio_shift", 900), 0);
		EXPECT_TRUE(wait_for(debug("direct_pages") < before));
		EXPECT_TRUE(wait_for(in_state(&self->node, "open")));
		EXPECT_COUNTERS(&self->node);
		EXPECT_GT(debug("direct_pages"), before / 3);
		if (write_back) {
			EXPECT_GT(events("zswpwb"), written);
			EXPECT_LT(events("zswpwb"), written + before * 2 / 3);
			EXPECT_EQ(debug("direct_evacuated"), evacuated);
		} else {
			EXPECT_EQ(events("zswpwb"), written);
			EXPECT_GT(debug("direct_evacuated"), evacuated);
		}
		EXPECT_EQ(emul(&self->node, "drops"), 0);
		EXPECT_EQ(check(&self->area, NULL), 0);
		ASSERT_EQ(knob(&self->node, "ratio_shift", 0), 0);
	}
}

TEST_F_TIMEOUT(zswap_direct, ratio, TIMEOUT)
{
	ratio(_metadata, self, true, 4);
}

TEST_F_TIMEOUT(zswap_direct, ratio_no_writeback, TIMEOUT)
{
	ratio(_metadata, self, false, 4);
}

/* With a driver that keeps what is freed for a while, after which there is room. */
TEST_F_TIMEOUT(zswap_direct, ratio_deferred_discard, TIMEOUT)
{
	ASSERT_EQ(knob(&self->node, "discard_ms", 20000), 0);
	ratio(_metadata, self, true, 1);
}

/* Full, and silent: zswap goes on as if there were no node. */
TEST_F_TIMEOUT(zswap_direct, full, TIMEOUT)
{
	/* From the beginning: later on it would have to be asked first. */
	ASSERT_EQ(set_state(&self->node, "unplugged"), 0);
	ASSERT_EQ(put(PATH_EMUL_PARAM "/phys_mib", "2"), 0);
	ASSERT_TRUE(online(&self->node));
	ASSERT_EQ(knob(&self->node, "low_permille", 0), 0);
	ASSERT_EQ(knob(&self->node, "high_permille", 0), 0);
	STORE(4000, 1, 60);
	EXPECT_GT(events("zswpdirect_refused"), self->refused);
	EXPECT_EQ(emul(&self->node, "drops"), 0);
	EXPECT_LE(emul(&self->node, "max_media_used"), 2 * (long)MIB);
	EXPECT_COUNTERS(&self->node);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

TEST_F_TIMEOUT(zswap_direct, silent_link, TIMEOUT)
{
	long pages;

	STORE(500, 1, 50);
	ASSERT_EQ(knob(&self->node, "silent_link", 1), 0);
	EXPECT_TRUE(wait_for(check(&self->area, NULL) ||
			     swap_out(&self->area) != 500 ||
			     in_state(&self->node, "closed")));
	EXPECT_EQ(check(&self->area, NULL), 0);
	pages = debug("direct_pages");
	ASSERT_EQ(swap_out(&self->area), 500);
	EXPECT_EQ(debug("direct_pages"), pages);
	EXPECT_EQ(check(&self->area, NULL), 0);
	ASSERT_EQ(knob(&self->node, "silent_link", 0), 0);
	EXPECT_TRUE(wait_for(in_state(&self->node, "open")));
	ASSERT_EQ(swap_out(&self->area), 500);
	EXPECT_EQ(debug("direct_pages"), 500);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

/* A device that knows no sizes: what pages take up on average is charged. */
TEST_F_TIMEOUT(zswap_direct, no_page_size, TIMEOUT)
{
	ASSERT_EQ(knob(&self->node, "exact_refund", 0), 0);
	ASSERT_EQ(knob(&self->node, "no_page_size", 1), 0);
	STORE(1000, 1, 50);
	EXPECT_GT(debug("direct_pages"), 0);
	EXPECT_LT(debug("direct_bytes"), debug("direct_pages") * page_size);
	EXPECT_COUNTERS(&self->node);
	EXPECT_EQ(check(&self->area, NULL), 0);
	EXPECT_EQ(debug("direct_bytes"), 0);
	EXPECT_COUNTERS(&self->node);
}

/* ---- the node goes ---- */

TEST_F_TIMEOUT(zswap_direct, unplug, TIMEOUT)
{
	long evacuated = debug("direct_evacuated"), in;

	STORE(3000, 1, 101);
	EXPECT_GT(debug("direct_pages"), 1000);
	in = debug("direct_pages");
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	EXPECT_EQ(debug("direct_evacuated") - evacuated, in);
	EXPECT_EQ(debug("direct_pages"), 0);
	EXPECT_EQ(debug("direct_bytes"), 0);
	/* Compressed in RAM: nobody has had them taken in. */
	EXPECT_EQ(swapped(&self->area), 3000);
	EXPECT_EQ(check(&self->area, NULL), 0);
	EXPECT_EQ(events("zswpdirect_lost"), self->lost);
}

static void run_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Start a task that keeps a CPU from becoming idle. */
static pid_t spin_on(int cpu)
{
	const struct sched_param param = {};
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(cpu);
	sched_setscheduler(0, SCHED_IDLE, &param);
	while (true)
		;
}

static bool node_is_not_missed(void)
{
	struct zswap_vmstat vm;

	return !read_zswap_vmstat(NULL, &vm) && zswap_vmstat_holds(&vm);
}

/*
 * What CPUs have not added yet to the counters of a node must not go with it. By
 * themselves they add it once in a second, which is now never, and when they
 * become idle, which they do not.
 */
TEST_F_TIMEOUT(zswap_direct, unplug_vmstat, TIMEOUT)
{
	int cpu, round, status;
	bool holds = true;
	pid_t pids[2];

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is only one CPU");
	ASSERT_GT(get(PATH_STAT_INTERVAL, self->interval, sizeof(self->interval)), 0);
	ASSERT_EQ(put(PATH_STAT_INTERVAL, "3600"), 0);
	/* The last time that they do. */
	sleep(2);
	for (cpu = 0; cpu < 2; cpu++)
		pids[cpu] = spin_on(cpu);
	for (round = 0; holds && round < NR_ROUNDS; round++) {
		run_on(round % 2);
		STORE(100 + 7 * round, round + 1, 30);
		EXPECT_EQ(debug("direct_pages"), self->area.nr);
		run_on(!(round % 2));
		madvise(self->area.at, (20 + round) * page_size, MADV_DONTNEED);
		/* Coming all on one CPU and going all on another would cancel. */
		run_on(round % 2);
		EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
		drop(&self->area);
		holds = wait_for(node_is_not_missed());
		ASSERT_TRUE(online(&self->node));
	}
	for (cpu = 0; cpu < 2; cpu++) {
		kill(pids[cpu], SIGKILL);
		waitpid(pids[cpu], &status, 0);
	}
	EXPECT_TRUE(holds);
	if (!holds)
		zswap_print_mismatch("without the node");
}

/* zswap has no room for them: they stay in the swap cache. */
TEST_F_TIMEOUT(zswap_direct, unplug_pool_full, TIMEOUT)
{
	char percent[16];

	STORE(1000, 1, 30);
	EXPECT_EQ(debug("direct_pages"), 1000);
	ASSERT_GT(get(PATH_ZSWAP "/max_pool_percent", percent, sizeof(percent)), 0);
	ASSERT_EQ(put(PATH_ZSWAP "/max_pool_percent", "0"), 0);
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	put(PATH_ZSWAP "/max_pool_percent", "%s", percent);
	EXPECT_EQ(debug("direct_pages"), 0);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

/*
 * Nor is there any room in the cgroup: then the node stays, and all that is on it,
 * and nobody who is in the cgroup is killed to make room.
 */
TEST_F_TIMEOUT(zswap_direct, unplug_no_room, TIMEOUT)
{
	char percent[16], current[32];
	long tries;
	int status;
	pid_t pid;

	ASSERT_EQ(put(PATH_CGROUPS "/cgroup.procs", "0"), 0);
	ASSERT_EQ(set_cgroup("memory.zswap.writeback", "0"), 0);
	ASSERT_EQ(put(PATH_CGROUP "/cgroup.procs", "0"), 0);
	STORE(1000, 1, 30);
	pid = fork();
	if (!pid) {
		while (true)
			pause();
	}
	ASSERT_EQ(put(PATH_CGROUPS "/cgroup.procs", "0"), 0);
	ASSERT_GT(get(PATH_ZSWAP "/max_pool_percent", percent, sizeof(percent)), 0);
	ASSERT_EQ(put(PATH_ZSWAP "/max_pool_percent", "0"), 0);
	/* What it has, and nothing can be reclaimed: no page more. */
	snprintf(current, sizeof(current), "%ld", cgroup_value("memory.current"));
	ASSERT_EQ(set_cgroup("memory.max", current), 0);
	tries = number(PATH_CGROUP "/memory.events", "max ");
	EXPECT_EQ(set_state(&self->node, "unplugged"), -EBUSY);
	EXPECT_GT(debug("direct_pages"), 0);
	/* It was found out with a few pages, reclaiming for each of them. */
	tries = number(PATH_CGROUP "/memory.events", "max ") - tries;
	EXPECT_GT(tries, 0);
	EXPECT_LT(tries, 5000);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	EXPECT_EQ(number(PATH_CGROUP "/memory.events", "oom_kill "), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ASSERT_EQ(set_cgroup("memory.max", "max"), 0);
	put(PATH_ZSWAP "/max_pool_percent", "%s", percent);
	EXPECT_COUNTERS(&self->node);
	EXPECT_EQ(check(&self->area, NULL), 0);
	/* It can be used as before. */
	ASSERT_EQ(swap_out(&self->area), 1000);
	EXPECT_EQ(debug("direct_pages"), 1000);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

static void worker(int nr)
{
	struct area area;
	unsigned int i;

	if (put(PATH_CGROUP "/cgroup.procs", "0"))
		_exit(1);
	for (i = 0; ; i++) {
		if (make_area(&area, 300, nr * 1000 + i, 101))
			_exit(1);
		fill(&area);
		swap_out(&area);
		if (i % 3 == 1)
			madvise(area.at, area.nr / 2 * page_size, MADV_DONTNEED);
		else if (check(&area, NULL))
			_exit(2);
		if (i % 3 == 2) {
			pid_t pid = fork();
			int status;

			if (!pid)
				_exit(check(&area, NULL) ? 2 : 0);
			if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
				_exit(3);
		}
		drop(&area);
	}
}

TEST_F_TIMEOUT(zswap_direct, unplug_under_load, 3600)
{
	pid_t pids[NR_TASKS];
	int i, status, online_ok = 0;
	long direct = events("zswpout_direct");

	for (i = 0; i < NR_TASKS; i++) {
		pids[i] = fork();
		if (!pids[i])
			worker(i);
	}
	for (i = 0; i < NR_ROUNDS; i++) {
		usleep(100000);
		EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
		EXPECT_EQ(debug("direct_pages"), 0);
		online_ok += online(&self->node);
	}
	EXPECT_EQ(online_ok, NR_ROUNDS);
	EXPECT_GT(events("zswpout_direct"), direct);
	for (i = 0; i < NR_TASKS; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	EXPECT_EQ(events("zswpdirect_lost"), self->lost);
	EXPECT_COUNTERS(&self->node);
}

/* ---- whose pages they are ---- */

TEST_F_TIMEOUT(zswap_direct, fork_and_free, TIMEOUT)
{
	int status;
	pid_t pid;

	STORE(1000, 1, 30);
	pid = fork();
	if (!pid)
		_exit(check(&self->area, NULL) ? 1 : 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(check(&self->area, NULL), 0);
	ASSERT_EQ(swap_out(&self->area), 1000);
	EXPECT_EQ(madvise(self->area.at, 500 * page_size, MADV_DONTNEED), 0);
	EXPECT_EQ(debug("direct_pages"), 500);
	/* Lazily, of what is in RAM; of what is swapped out, at once. */
	EXPECT_EQ(madvise(self->area.at + 500 * page_size, 250 * page_size, MADV_FREE), 0);
	EXPECT_EQ(debug("direct_pages"), 250);
	EXPECT_COUNTERS(&self->node);
}

TEST_F_TIMEOUT(zswap_direct, shmem, TIMEOUT)
{
	self->area.nr = 1000;
	self->area.seed = 1;
	self->area.percent = 30;
	self->area.at = mmap(NULL, 1000 * page_size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->area.at, MAP_FAILED);
	fill(&self->area);
	madvise(self->area.at, 1000 * page_size, MADV_PAGEOUT);
	EXPECT_TRUE(wait_for(madvise(self->area.at, 1000 * page_size, MADV_PAGEOUT) ||
			     debug("direct_pages") == 1000));
	EXPECT_COUNTERS(&self->node);
	EXPECT_EQ(check(&self->area, NULL), 0);
	EXPECT_EQ(debug("direct_pages"), 0);
}

/* Large folios: some of their pages on the node, some compressed. */
TEST_F_TIMEOUT(zswap_direct, large_folios, TIMEOUT)
{
	size_t huge = 2 * MIB;
	long out, direct = events("zswpout_direct");
	char *at, enabled[64];

	if (get(PATH_THP "/enabled", enabled, sizeof(enabled)) < 0)
		SKIP(return, "kernel without TRANSPARENT_HUGEPAGE");
	if (strstr(enabled, "[never]"))
		SKIP(return, "transparent huge pages are disabled");
	out = number(PATH_THP "/hugepages-2048kB/stats/zswpout", NULL);
	ASSERT_EQ(make_area(&self->area, 3 * huge / page_size, 1, 101), 0);
	at = (char *)(((uintptr_t)self->area.at + huge - 1) & ~(huge - 1));
	ASSERT_EQ(madvise(at, 2 * huge, MADV_HUGEPAGE), 0);
	fill(&self->area);
	ASSERT_EQ(swap_out(&self->area), self->area.nr);
	if (number(PATH_THP "/hugepages-2048kB/stats/zswpout", NULL) == out)
		SKIP(return, "no huge page was swapped out whole");
	EXPECT_GT(events("zswpout_direct"), direct);
	EXPECT_GT(events("zswpdirect_refused"), self->refused);
	EXPECT_COUNTERS(&self->node);
	EXPECT_EQ(check(&self->area, NULL), 0);
	EXPECT_EQ(debug("direct_pages"), 0);
}

/* Pages do not care which compressor the others are compressed with. */
TEST_F_TIMEOUT(zswap_direct, compressor, TIMEOUT)
{
	char name[64];

	ASSERT_GT(get(PATH_ZSWAP "/compressor", name, sizeof(name)), 0);
	STORE(500, 1, 30);
	if (put(PATH_ZSWAP "/compressor", "lz4") && put(PATH_ZSWAP "/compressor", "zstd"))
		SKIP(return, "there is one compressor only");
	EXPECT_EQ(debug("direct_pages"), 500);
	EXPECT_EQ(set_state(&self->node, "unplugged"), 0);
	put(PATH_ZSWAP "/compressor", "%s", name);
	EXPECT_EQ(check(&self->area, NULL), 0);
}

TEST_HARNESS_MAIN
