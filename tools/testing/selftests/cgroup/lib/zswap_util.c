// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "cgroup_util.h"
#include "zswap_util.h"

#define PATH_NODES		"/sys/devices/system/node"
#define SETTLE_TRIES		100
#define SETTLE_WAIT_US		(100 * 1000)
#define MAX_RANGE		70	/* pages: more than a node of an XArray has slots */
#define PAGEOUT_TRIES		10

/* The kernel's: updates of memcg's statistics by CPU that readers may not see */
#define MEMCG_CHARGE_BATCH	64

const char * const zswap_stat_names[] = { "zswap", "zswapped" };
const char * const zswap_vmstat_names[] = { "nr_zswap", "nr_zswapped" };
const char * const zswap_meminfo_names[] = { "Zswap", "Zswapped" };

static char mismatch[PATH_MAX + 256];

void zswap_set_mismatch(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(mismatch, sizeof(mismatch), fmt, args);
	va_end(args);
}

void zswap_print_mismatch(const char *when)
{
	ksft_print_msg("%s: %s\n", when, mismatch);
}

/* Whether the values differ. */
bool zswap_differ(long expected, long found, const char *fmt, ...)
{
	va_list args;
	int len;

	if (expected == found)
		return false;

	va_start(args, fmt);
	len = vsnprintf(mismatch, sizeof(mismatch), fmt, args);
	va_end(args);
	if (len >= 0 && len < sizeof(mismatch))
		snprintf(mismatch + len, sizeof(mismatch) - len,
			 ": expected %ld, found %ld", expected, found);
	return true;
}

/*
 * Call @settled until it finds what it expects. It says so only if it found the
 * same values on two calls in a row: nothing is still on its way.
 */
int zswap_settle(const char *when, bool (*settled)(void *arg), void *arg)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		if (settled(arg))
			return 0;
		usleep(SETTLE_WAIT_US);
	}
	zswap_print_mismatch(when);
	return -1;
}

/* The line of @path that begins with the word @key, less the word, or NULL. */
static char *read_line(const char *path, const char *key)
{
	size_t len = strlen(key), size = 0;
	char *line = NULL;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return NULL;
	while (getline(&line, &size, file) > 0) {
		if (strncmp(line, key, len) ||
		    (line[len] != ' ' && line[len] != ':'))
			continue;
		fclose(file);
		return memmove(line, line + len + 1, strlen(line + len));
	}
	fclose(file);
	free(line);
	return NULL;
}

long zswap_read_key(const char *path, const char *key)
{
	char *line = read_line(path, key);
	long value = line ? atol(line) : -1;

	free(line);
	return value;
}

/* Without NUMA, node 0 is all there is. */
static long read_node_key(int nid, const char *key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/vmstat", nid);
	if (!nid && access(path, F_OK))
		return zswap_read_key("/proc/vmstat", key);
	return zswap_read_key(path, key);
}

/* Fills @nid with the nodes that have memory. Returns how many there are. */
int zswap_read_nodes(int nid[MAX_NODES])
{
	int nr = 0, first, last, used;
	char buf[BUF_SIZE];

	if (read_text(PATH_NODES "/has_memory", buf, sizeof(buf)) <= 0)
		strcpy(buf, "0");
	for (char *pos = buf; sscanf(pos, "%d%n", &first, &used) == 1; pos++) {
		pos += used;
		last = first;
		if (sscanf(pos, "-%d%n", &last, &used) == 1)
			pos += used;
		for (; first <= last && first < MAX_NODES; first++)
			nid[nr++] = first;
		if (*pos != ',')
			break;
	}
	return nr;
}

int read_zswap_stat(const char *cgroup, struct zswap_stat *stat)
{
	char path[PATH_MAX];

	memset(stat, -1, sizeof(*stat));
	snprintf(path, sizeof(path), "%s/memory.stat", cgroup);
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
		stat->total[i] = zswap_read_key(path, zswap_stat_names[i]);
	stat->incomp = zswap_read_key(path, "zswap_incomp");
	stat->current = cg_read_long(cgroup, "memory.zswap.current");

	snprintf(path, sizeof(path), "%s/memory.numa_stat", cgroup);
	if (access(path, F_OK)) {
		/* A kernel without NUMA: all of it is one node */
		for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
			stat->node[i][0] = stat->total[i];
		return stat->total[ZSWAP] < 0 ? -1 : 0;
	}
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
		char *line = read_line(path, zswap_stat_names[i]);
		int nid, used;
		long value;

		if (!line)
			return -1;
		for (char *pos = line;
		     sscanf(pos, " N%d=%ld%n", &nid, &value, &used) == 2;
		     pos += used)
			if (nid >= 0 && nid < MAX_NODES)
				stat->node[i][nid] = value;
		free(line);
	}
	return 0;
}

long zswap_on_node(const struct zswap_stat *stat, int item, int nid)
{
	return stat->node[item][nid] > 0 ? stat->node[item][nid] : 0;
}

/* The statistics of one cgroup agree with each other. */
bool zswap_stat_adds_up(const char *cgroup, const struct zswap_stat *stat)
{
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
		long sum = 0;

		for (int nid = 0; nid < MAX_NODES; nid++)
			sum += zswap_on_node(stat, i, nid);
		if (zswap_differ(stat->total[i], sum,
				 "%s: %s in memory.stat, sum in memory.numa_stat",
				 cgroup, zswap_stat_names[i]))
			return false;
	}

	/* The root has no such file */
	if (stat->current >= 0 &&
	    zswap_differ(stat->total[ZSWAP], stat->current,
			 "%s: zswap in memory.stat, memory.zswap.current",
			 cgroup))
		return false;

	if (stat->incomp > stat->total[ZSWAP] ||
	    stat->incomp > stat->total[ZSWAPPED]) {
		zswap_set_mismatch("%s: zswap_incomp %ld above zswap %ld or zswapped %ld",
				   cgroup, stat->incomp, stat->total[ZSWAP],
				   stat->total[ZSWAPPED]);
		return false;
	}
	return true;
}

static int touch_pages(const char *cgroup, void *arg)
{
	size_t size = MEMCG_CHARGE_BATCH * sysconf(_SC_NPROCESSORS_CONF) *
		      getpagesize();
	char *mem;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < size; i += getpagesize())
		mem[i] = 'a';
	return munmap(mem, size);
}

/*
 * A reader sees all updates only if there are MEMCG_CHARGE_BATCH of them per
 * CPU, or when a worker has run, every 2 seconds or later if CPUs are idle.
 * Faults in @cgroup make up the number in it and all above it.
 */
void make_stats_flush(const char *cgroup)
{
	if (cg_run(cgroup, touch_pages, NULL))
		ksft_print_msg("%s: cannot run a task\n", cgroup);
}

int zswap_add_cg(struct zswap_tree *tree, const char *root,
		 struct zswap_cg *parent, const char *name)
{
	struct zswap_cg *cg = &tree->cg[tree->nr];

	if (parent && !parent->has_children) {
		if (cg_write(parent->path, "cgroup.subtree_control", "+memory"))
			return -1;
		parent->has_children = true;
	}

	cg->path = cg_name(parent ? parent->path : root, name);
	if (!cg->path)
		return -1;
	if (cg_create(cg->path)) {
		ksft_print_msg("%s: %s\n", cg->path, strerror(errno));
		free(cg->path);
		cg->path = NULL;
		return -1;
	}
	cg->parent = parent;
	tree->nr++;
	return 0;
}

int zswap_remove_cg(struct zswap_cg *cg)
{
	int ret = rmdir(cg->path);

	if (ret) {
		ksft_print_msg("%s: %s\n", cg->path, strerror(errno));
		return ret;
	}
	free(cg->path);
	cg->path = NULL;
	return 0;
}

void zswap_destroy_tree(struct zswap_tree *tree)
{
	while (tree->nr) {
		struct zswap_cg *cg = &tree->cg[--tree->nr];

		cg_destroy(cg->path);
		free(cg->path);
	}
}

/* The cgroup has on each node what its children have there. */
static bool zswap_children_add_up(const struct zswap_tree *tree,
				  const struct zswap_cg *cg)
{
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
		for (int nid = 0; nid < MAX_NODES; nid++) {
			long sum = 0;

			for (int child = 0; child < tree->nr; child++)
				if (tree->cg[child].parent == cg)
					sum += zswap_on_node(&tree->cg[child].stat,
							     i, nid);
			if (zswap_differ(sum, zswap_on_node(&cg->stat, i, nid),
					 "%s: %s on node %d, sum of the children",
					 cg->path, zswap_stat_names[i], nid))
				return false;
		}
	return true;
}

static bool holds_pages(const struct zswap_cg *cg)
{
	long out, in, back;

	out = cg_read_key_long(cg->path, "memory.stat", "zswpout ");
	in = cg_read_key_long(cg->path, "memory.stat", "zswpin ");
	back = cg_read_key_long(cg->path, "memory.stat", "zswpwb ");
	return !zswap_differ(cg->pages * getpagesize(),
			     cg->stat.total[ZSWAPPED],
			     "%s: zswapped (%ld pages out, %ld in, %ld written back)",
			     cg->path, out, in, back);
}

static bool tree_holds(const struct zswap_tree *tree)
{
	for (int i = 0; i < tree->nr; i++) {
		const struct zswap_cg *cg = &tree->cg[i];

		if (!cg->path)
			continue;
		if (!zswap_stat_adds_up(cg->path, &cg->stat))
			return false;
		if (!(cg->has_children ? zswap_children_add_up(tree, cg) :
					 holds_pages(cg)))
			return false;
	}
	return true;
}

static bool tree_settled(void *arg)
{
	struct zswap_tree *tree = arg;
	bool held = tree->held, same = true;

	tree->held = false;
	for (int i = 0; i < tree->nr; i++)
		if (tree->cg[i].path && !tree->cg[i].has_children)
			make_stats_flush(tree->cg[i].path);

	for (int i = 0; i < tree->nr; i++) {
		struct zswap_cg *cg = &tree->cg[i];
		struct zswap_stat before = cg->stat;

		if (!cg->path)
			continue;
		if (read_zswap_stat(cg->path, &cg->stat)) {
			zswap_set_mismatch("%s: cannot read the statistics",
					   cg->path);
			return false;
		}
		same &= !memcmp(&before, &cg->stat, sizeof(before));
	}
	tree->held = tree_holds(tree);
	return held && tree->held && same;
}

int zswap_settle_tree(struct zswap_tree *tree, const char *when)
{
	tree->held = false;
	return zswap_settle(when, tree_settled, tree);
}

/* The rest of the page compresses to next to nothing. */
size_t swapout_random_bytes(const struct swapout *job, size_t i)
{
	/* A prime: neighbours are of different classes */
	if (job->max_random)
		return job->min_random +
		       i * 1009 % (job->max_random - job->min_random + 1);
	return getpagesize() / 8 * (job->eighths < 0 ? i % 9 : job->eighths);
}

/*
 * The same for the same page, each time. The random data come last: in a run of
 * them, some compressors look for matches at ever longer distances.
 */
static void make_page(const struct swapout *job, size_t i, char *page)
{
	size_t size = getpagesize(), off = size - swapout_random_bytes(job, i);
	uint64_t state = (i + 1) * 0x9e3779b97f4a7c15;

	memset(page, 'a', size);
	for (size_t len; off < size; off += len) {
		/* xorshift64 */
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		len = size - off < sizeof(state) ? size - off : sizeof(state);
		memcpy(page + off, &state, len);
	}
}

/* Its data only: the task's own pages are where the task runs. */
static int swapout_bind(const struct swapout *job, char *mem, size_t size)
{
	unsigned long mask[MAX_NODES / 8 / sizeof(long)] = {};
	int bits = 8 * sizeof(long), cpu = sched_getcpu();
	cpu_set_t cpus;

	/* On another CPU, MADV_PAGEOUT would miss what is not on the LRU yet */
	CPU_ZERO(&cpus);
	if (cpu >= 0 && cpu < CPU_SETSIZE) {
		CPU_SET(cpu, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}

	/* Without NUMA, there is one node and no policy */
	if (job->node < 0 || access(PATH_NODES, F_OK))
		return 0;
	mask[job->node / bits] = 1UL << job->node % bits;
	return syscall(__NR_mbind, mem, size, MPOL_BIND | MPOL_F_STATIC_NODES,
		       mask, MAX_NODES + 1, 0);
}

static size_t count_resident(const char *mem, size_t nr_pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t resident = nr_pages;
	uint64_t entry;

	if (fd < 0)
		return resident;
	for (size_t i = 0; i < nr_pages; i++) {
		off_t page = (uintptr_t)mem / getpagesize() + i;

		if (pread(fd, &entry, sizeof(entry), page * sizeof(entry)) !=
		    sizeof(entry))
			break;
		/* Bit 62: the page is in swap */
		resident -= entry >> 62 & 1;
	}
	close(fd);
	return resident;
}

/* What the task has. */
struct swapout_mem {
	struct swapout *job;
	char *mem;
	bool *freed;		/* for each page */
};

static int map_pages(struct swapout_mem *held)
{
	struct swapout *job = held->job;
	size_t size = job->nr_pages * getpagesize();
	size_t align = job->folio_size ? job->folio_size : getpagesize();
	char *mem;

	mem = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	held->mem = (char *)(((uintptr_t)mem + align - 1) / align * align);
	held->freed = calloc(job->nr_pages, sizeof(*held->freed));
	if (!held->freed)
		return -1;
	madvise(held->mem, size,
		job->folio_size ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);

	if (swapout_bind(job, held->mem, size)) {
		ksft_print_msg("cannot bind to node %d: %s\n", job->node,
			       strerror(errno));
		return -1;
	}
	return 0;
}

static int page_out(struct swapout_mem *held)
{
	struct swapout *job = held->job;
	size_t resident;

	for (int i = 0; i < PAGEOUT_TRIES; i++) {
		/* Faults are injected into the first half of the tries */
		if (job->fail)
			cg_write("/proc/self", "make-it-fail",
				 i < PAGEOUT_TRIES / 2 ? "1" : "0");
		madvise(held->mem, job->nr_pages * getpagesize(), MADV_PAGEOUT);
		resident = count_resident(held->mem, job->nr_pages);
		if (!resident)
			break;
		usleep(SETTLE_WAIT_US);
	}
	if (job->fail)
		cg_write("/proc/self", "make-it-fail", "0");
	if (resident && !job->may_stay) {
		ksft_print_msg("%zu of %zu pages were not swapped out\n",
			       resident, job->nr_pages);
		return -1;
	}
	return 0;
}

/* Every @step-th page gets its data. Then all have it, and are swapped out. */
static int fill_pages(struct swapout_mem *held, size_t step)
{
	struct swapout *job = held->job;
	char page[getpagesize()];

	for (size_t i = 0; i < job->nr_pages; i += step) {
		make_page(job, i, page);
		memcpy(held->mem + i * getpagesize(), page, getpagesize());
	}
	memset(held->freed, 0, job->nr_pages);
	return page_out(held);
}

static int free_range(struct swapout_mem *held, size_t i, size_t nr)
{
	memset(held->freed + i, true, nr);
	return madvise(held->mem + i * getpagesize(), nr * getpagesize(),
		       MADV_DONTNEED);
}

static int free_pages(struct swapout_mem *held, size_t step)
{
	for (size_t i = 0; i < held->job->nr_pages; i += step)
		if (free_range(held, i, 1))
			return -1;
	return 0;
}

/* The next range, of three pages more than the one before it up to a limit. */
static bool next_range(const struct swapout *job, size_t *i, size_t *nr)
{
	*i += *nr ? *nr + 1 : 0;
	*nr = *nr && *nr + 3 <= MAX_RANGE ? *nr + 3 : 1;
	if (*i >= job->nr_pages)
		return false;
	if (*nr > job->nr_pages - *i)
		*nr = job->nr_pages - *i;
	return true;
}

/* How many pages SWAPOUT_FREE_RANGES frees. */
size_t swapout_in_ranges(const struct swapout *job)
{
	size_t i = 0, nr = 0, sum = 0;

	while (next_range(job, &i, &nr))
		sum += nr;
	return sum;
}

static int free_ranges(struct swapout_mem *held)
{
	size_t i = 0, nr = 0;

	while (next_range(held->job, &i, &nr))
		if (free_range(held, i, nr))
			return -1;
	return 0;
}

static int check_pages(struct swapout_mem *held)
{
	struct swapout *job = held->job;
	char page[getpagesize()];

	for (size_t i = 0; i < job->nr_pages; i++) {
		if (held->freed[i])
			continue;
		make_page(job, i, page);
		if (memcmp(held->mem + i * getpagesize(), page, getpagesize())) {
			ksft_print_msg("page %zu has other data than it was given\n",
				       i);
			return -1;
		}
	}
	return 0;
}

static int swapout_obey(struct swapout_mem *held, char command)
{
	switch (command) {
	case SWAPOUT_FILL:
		return fill_pages(held, 1);
	case SWAPOUT_FILL_HALF:
		return fill_pages(held, 2);
	case SWAPOUT_FREE:
		return free_pages(held, 1);
	case SWAPOUT_FREE_HALF:
		return free_pages(held, 2);
	case SWAPOUT_FREE_RANGES:
		return free_ranges(held);
	case SWAPOUT_CHECK:
		return check_pages(held);
	}
	return -1;
}

static int swapout_task(const char *cgroup, void *arg)
{
	struct swapout *job = arg;
	struct swapout_mem held = { .job = job };
	bool failed;
	char done;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	failed = map_pages(&held) || fill_pages(&held, 1) ||
		 (job->free_half && free_pages(&held, 2));
	do {
		done = failed ? 'n' : 'y';
		if (write(job->pipefd[1], &done, 1) != 1)
			return -1;
		if (read(job->command[0], &done, 1) != 1)
			return -1;
		failed = swapout_obey(&held, done);
	} while (1);
}

/*
 * Readahead for any task may take neighbours in the swap file out of zswap. It
 * is off while there are tasks whose pages are to stay there.
 */
static void hold_readahead(int jobs)
{
	static long page_cluster;
	static int nr_jobs;

	if (!nr_jobs) {
		page_cluster = cg_read_long("/proc/sys/vm", "page-cluster");
		cg_write_numeric("/proc/sys/vm", "page-cluster", 0);
	}
	nr_jobs += jobs;
	if (!nr_jobs)
		cg_write_numeric("/proc/sys/vm", "page-cluster", page_cluster);
}

void stop_swapout(struct swapout *job)
{
	if (job->pid <= 0)
		return;
	kill(job->pid, SIGKILL);
	waitpid(job->pid, NULL, 0);
	job->pid = 0;
	close(job->pipefd[0]);
	close(job->command[1]);
	hold_readahead(-1);
}

static int swapout_answer(struct swapout *job)
{
	char done = 'n';

	return read(job->pipefd[0], &done, 1) == 1 && done == 'y' ? 0 : -1;
}

int swapout_tell(struct swapout *job, enum swapout_command command)
{
	char c = command;

	if (write(job->command[1], &c, 1) != 1)
		return -1;
	return swapout_answer(job);
}

static pid_t run_swapout(struct swapout *job, const char *cgroup)
{
	pid_t pid;

	if (cgroup)
		return cg_run_nowait(cgroup, swapout_task, job);
	pid = fork();
	if (!pid)
		exit(swapout_task(NULL, job));
	return pid;
}

/*
 * On success the pages are in zswap, and freed by stop_swapout(). Without a
 * cgroup, the task stays in the caller's.
 */
int start_swapout(struct swapout *job, const char *cgroup)
{
	if (pipe(job->pipefd))
		return -1;
	if (pipe(job->command)) {
		close(job->pipefd[0]);
		close(job->pipefd[1]);
		return -1;
	}
	hold_readahead(1);
	job->pid = run_swapout(job, cgroup);
	close(job->pipefd[1]);
	close(job->command[0]);
	if (job->pid <= 0) {
		hold_readahead(-1);
		close(job->pipefd[0]);
		close(job->command[1]);
		return -1;
	}
	if (!swapout_answer(job))
		return 0;

	ksft_print_msg("%s: cannot swap out %zu pages\n",
		       cgroup ? cgroup : "no cgroup", job->nr_pages);
	stop_swapout(job);
	return -1;
}

/* Whether there is what the tests need. Fills @stat with the root's values. */
bool has_zswap_by_node(const char *root, struct zswap_stat *stat)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/memory.numa_stat", root);
	if (access(path, F_OK) || read_zswap_stat(root, stat)) {
		ksft_print_msg("no zswap and zswapped in memory.numa_stat\n");
		return false;
	}
	if (zswap_read_key("/proc/meminfo", "SwapTotal") <= 0) {
		ksft_print_msg("no swap\n");
		return false;
	}
	return true;
}

/* The first node with memory from @nid on, or -1. */
int zswap_next_node(const struct zswap_stat *stat, int nid)
{
	for (; nid < MAX_NODES; nid++)
		if (stat->node[ZSWAP][nid] >= 0)
			return nid;
	return -1;
}

static int read_classes(const char *path, struct zswap_pools *pools)
{
	static const char * const names[] = { "size", "obj_used", "pages_used" };
	char *line = NULL, *word, *pos;
	int col[3] = { -1, -1, -1 };
	bool header = true;
	size_t len = 0;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return -1;
	while (getline(&line, &len, file) > 0) {
		long value[3] = {};
		int nr = 0;

		for (word = strtok_r(line, "\n ", &pos); word;
		     word = strtok_r(NULL, "\n ", &pos), nr++) {
			/* The sums at the end leave columns out */
			if (!header && !nr && !isdigit(*word))
				break;
			for (int i = 0; i < 3; i++)
				if (header && !strcmp(word, names[i]))
					col[i] = nr;
				else if (!header && nr == col[i])
					value[i] = atol(word);
		}
		header = false;
		pools->bytes += value[0] * value[1];
		pools->pages += value[2];
	}
	free(line);
	fclose(file);
	return col[0] < 0 || col[1] < 0 || col[2] < 0 ? -1 : 0;
}

static void read_pools(struct zswap_pools *pools)
{
	DIR *dir = opendir(PATH_ZSMALLOC);
	struct dirent *entry;
	char path[PATH_MAX];

	memset(pools, 0, sizeof(*pools));
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "zswap", strlen("zswap")))
			continue;
		snprintf(path, sizeof(path), PATH_ZSMALLOC "/%s/classes",
			 entry->d_name);
		pools->known = !read_classes(path, pools);
		if (!pools->known)
			break;
	}
	closedir(dir);
}

/* Without @root, only what does not take cgroups is read. */
int read_zswap_vmstat(const char *root, struct zswap_vmstat *vm)
{
	int nid[MAX_NODES], nr_nodes;
	char refresh[2];

	memset(vm, 0, sizeof(*vm));
	vm->has_root = root;
	if (root) {
		make_stats_flush(root);
		if (read_zswap_stat(root, &vm->root))
			return -1;
	}

	/* Folds in what the CPUs have counted; else a worker does, every second */
	read_text("/proc/sys/vm/stat_refresh", refresh, sizeof(refresh));
	nr_nodes = zswap_read_nodes(nid);
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
		vm->total[i] = zswap_read_key("/proc/vmstat",
					      zswap_vmstat_names[i]);
		vm->meminfo[i] = zswap_read_key("/proc/meminfo",
						zswap_meminfo_names[i]);
		for (int n = 0; n < nr_nodes; n++)
			vm->node[i][nid[n]] =
				read_node_key(nid[n], zswap_vmstat_names[i]);
	}
	read_pools(&vm->pools);
	return 0;
}

static bool root_holds(const struct zswap_vmstat *vm)
{
	long page_size = getpagesize();

	if (!zswap_stat_adds_up("root", &vm->root) ||
	    zswap_differ(vm->total[ZSWAPPED] * page_size,
			 vm->root.total[ZSWAPPED],
			 "nr_zswapped, zswapped of the root"))
		return false;
	for (int nid = 0; nid < MAX_NODES; nid++)
		if (vm->root.node[ZSWAP][nid] > vm->node[ZSWAP][nid] * page_size) {
			zswap_set_mismatch("node %d: zswap of the root %ld above nr_zswap %ld",
					   nid, vm->root.node[ZSWAP][nid],
					   vm->node[ZSWAP][nid]);
			return false;
		}

	return !vm->pools.known ||
	       !zswap_differ(vm->pools.bytes, vm->root.total[ZSWAP],
			     "zsmalloc's obj_used by size, zswap of the root");
}

bool zswap_vmstat_holds(const struct zswap_vmstat *vm)
{
	long page_size = getpagesize();

	for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
		long sum = 0;

		for (int nid = 0; nid < MAX_NODES; nid++)
			sum += vm->node[i][nid];
		if (zswap_differ(vm->total[i], sum,
				 "%s in /proc/vmstat, sum in nodeN/vmstat",
				 zswap_vmstat_names[i]) ||
		    zswap_differ(vm->meminfo[i] * 1024 / page_size,
				 vm->total[i], "%s in /proc/meminfo, %s",
				 zswap_meminfo_names[i], zswap_vmstat_names[i]))
			return false;
	}

	if (vm->pools.known &&
	    zswap_differ(vm->pools.pages, vm->total[ZSWAP],
			 "zsmalloc's pages_used, nr_zswap"))
		return false;
	return !vm->has_root || root_holds(vm);
}
