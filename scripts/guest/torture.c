// SPDX-License-Identifier: GPL-2.0
/*
 * torture - everything that can happen to compressed memory, all at once
 *
 *	torture [--seed N] [--rest SECONDS] [--seconds] MINUTES
 *
 * Workers swap pages out and in and check them. The keeper of each worker moves
 * it between cgroups, three levels deep, removes those with compressed memory
 * left in them, reclaims, limits, kills. Disturbers take memory blocks offline
 * and online, swap off and on, switch compressors, compact, shrink, fill zram and
 * discard what is there and reset it at once; on a machine with a private node for
 * zswap they take that away and give its device less room. Every SECONDS (10, in a long run
 * 30) all of them pause, and every counter must be what the kernel recounts. At
 * the end nothing may be left. KTAP on stdout. With --seconds the last argument
 * is seconds.
 *
 * The seed decides what each process does, not when: a run with the same seed is
 * of the same kind, not the same run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>

#include "comparisons.h"
#include "kmemleak.h"
#include "random.h"

#define GROUP		CGROUPS "/torture"
#define ZSWAP_PARAM	"/sys/module/zswap/parameters/"
#define BLOCKS		"/sys/devices/system/memory/"
/*
 * Stays out of it. QEMU's CXL memory is no place for what moves there by itself:
 * virtio can't reach it, and QEMU was seen to crash.
 */
#define CXL_NODE	3

#define WORKERS		6
#define REGION		2048		/* pages of a worker */
#define CHUNK		64		/* pages of one step, at most */
#define NOISE_WORDS	(PAGE / sizeof(uint64_t))
#define MPOL_PREFERRED	1
/* For one thing to happen that ought to at once; the guest may be slow. */
#define PATIENCE_S	120

enum op {
	FILLED, CHECKED, ADVISED, DISCARDED, FORKED, EXITED, KILLED,
	RECLAIMED, SQUEEZED, LIMITED, NO_WRITEBACK,
	MADE, MOVED, REMOVED,
	OFFLINED, NOT_OFFLINED, ONLINED, SWAPPED_OFF, SWAPPED_ON,
	SWITCHED, COMPACTED, DROPPED, SHRUNK, FULL, ZRAM_RESET,
	UNPLUGGED, NOT_UNPLUGGED, PLUGGED, MEDIA_CHANGED,
	NR_OPS
};

static const char * const op_names[NR_OPS] = {
	[FILLED] = "pages written", [CHECKED] = "pages checked",
	[ADVISED] = "pages advised out", [DISCARDED] = "pages discarded",
	[FORKED] = "forks", [EXITED] = "exits", [KILLED] = "kills",
	[RECLAIMED] = "memory.reclaim", [SQUEEZED] = "memory.high",
	[LIMITED] = "memory.zswap.max", [NO_WRITEBACK] = "memory.zswap.writeback off",
	[MADE] = "cgroups made", [MOVED] = "tasks moved", [REMOVED] = "cgroups removed",
	[OFFLINED] = "blocks offlined", [NOT_OFFLINED] = "blocks busy",
	[ONLINED] = "blocks onlined", [SWAPPED_OFF] = "swapoffs",
	[SWAPPED_ON] = "swapons", [SWITCHED] = "compressor switches",
	[COMPACTED] = "compactions", [DROPPED] = "drop_caches",
	[SHRUNK] = "shrinker on", [FULL] = "pool limit 0",
	[ZRAM_RESET] = "zram resets",
	[UNPLUGGED] = "private nodes unplugged", [NOT_UNPLUGGED] = "busy",
	[PLUGGED] = "plugged", [MEDIA_CHANGED] = "changes of their media",
};

/* All that the processes share. Locked: else it would be swapped out itself. */
static struct {
	atomic_long ops[NR_OPS];
	atomic_int parked;
	atomic_int pause;		/* the number of this pause, 0: none */
	atomic_int last_pause;
	atomic_int calm;		/* a pause is near: nothing that empties zswap */
	atomic_int finish;		/* everybody comes to an end */
	atomic_int remove;		/* and removes its cgroups */
	atomic_int bad_pages;
	char first_bad[256];
	atomic_flag node_in_use[NR_NODES];	/* see take_turns */
} *shared;

static uint64_t seed;
static char swap_device[128];

static void count(enum op op, long nr)
{
	atomic_fetch_add(&shared->ops[op], nr);
}

static bool chance(unsigned int percent)
{
	return random64() % 100 < percent;
}

static long below(long limit)
{
	return random64() % limit;
}

static void nap(long ms)
{
	usleep(ms * 1000);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Returns 0 or the error. */
static int try_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error;
}

static void put(const char *path, const char *text)
{
	int error = try_put(path, text);

	if (error)
		die(path, strerror(error), "This kernel lacks something, or it is a bug of it");
}

/* What follows on a fork: processes must not do all the same. */
static void seed_process(uint64_t number)
{
	random_state = (seed + number * 0x9e3779b97f4a7c15ull) | 1;
	for (int i = 0; i < 8; i++)
		random64();
}

/* Children go with their parents, whatever becomes of these. */
static pid_t start(void (*run)(long arg), long arg, uint64_t number)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork", strerror(errno), "The guest needs more memory");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	seed_process(number);
	run(arg);
	_exit(0);
}

/* Waits as long as there is a pause. */
static void pause_point(void)
{
	int number = shared->pause;

	if (!number)
		return;
	shared->parked++;
	while (shared->pause == number)
		nap(20);
}

/* A process that has a worker, and its cgroups. Of the process and its worker. */
static struct {
	int slot;
	pid_t worker;
	char middle[64], leaf[96];	/* empty: the root */
	unsigned int lives, groups;
} keeper;

/* ---- workers ----------------------------------------------------------------- */

struct worker {
	int slot;
	uint64_t life;			/* no two have the same */
	bool shared_memory;
	char *area;
	uint32_t version[REGION];	/* of each page; 0: zeroes */
};

/* A page is a function of whose it is, its number and version. */
static void make_page(uint64_t *page, const struct worker *worker, size_t number)
{
	uint64_t saved = random_state, fill;
	size_t noise, i;

	if (!worker->version[number]) {
		memset(page, 0, PAGE);
		return;
	}
	random_state = (seed ^ worker->life << 40 ^ (uint64_t)number << 20) +
		       worker->version[number] * 0x9e3779b97f4a7c15ull;
	random_state |= 1;
	fill = random64() ^ random64() << 1;
	/* what it compresses to: each class alike, more that don't compress at all */
	noise = random64() % (NOISE_WORDS + NOISE_WORDS / 16);
	for (i = 0; i < NOISE_WORDS && i < noise; i++)
		page[i] = random64();
	for (; i < NOISE_WORDS; i++)
		page[i] = fill;
	random_state = saved;
}

static void report_bad_page(const struct worker *worker, size_t number, const uint64_t *expected)
{
	const uint64_t *found = (const uint64_t *)(worker->area + number * PAGE);
	size_t i = 0;

	if (shared->bad_pages++)
		return;
	while (i < NOISE_WORDS - 1 && expected[i] == found[i])
		i++;
	snprintf(shared->first_bad, sizeof(shared->first_bad),
		 "worker %d, page %zu, version %u, byte %zu: expected %016llx, found %016llx",
		 worker->slot, number, worker->version[number], i * sizeof(uint64_t),
		 (unsigned long long)expected[i], (unsigned long long)found[i]);
}

static void check_pages(const struct worker *worker, size_t first, size_t nr)
{
	static uint64_t expected[NOISE_WORDS];

	for (size_t i = first; i < first + nr; i++) {
		make_page(expected, worker, i);
		if (memcmp(worker->area + i * PAGE, expected, PAGE))
			report_bad_page(worker, i, expected);
	}
	count(CHECKED, nr);
}

static void write_pages(struct worker *worker, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++) {
		worker->version[i]++;
		make_page((uint64_t *)(worker->area + i * PAGE), worker, i);
	}
	count(FILLED, nr);
}

static void discard_pages(struct worker *worker, size_t first, size_t nr)
{
	if (madvise(worker->area + first * PAGE, nr * PAGE,
		    worker->shared_memory ? MADV_REMOVE : MADV_DONTNEED))
		die("madvise", strerror(errno), "Discarding pages must work: a bug of the kernel");
	memset(worker->version + first, 0, nr * sizeof(*worker->version));
	count(DISCARDED, nr);
}

/* Two processes share swap entries, the first to write makes a copy. */
static void check_in_child(struct worker *worker, size_t first, size_t nr)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			check_pages(worker, first, nr);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, NULL, 0) == pid)
		count(FORKED, 1);
}

/* Where a page is, there its compressed data goes. A node may be missing. */
static void prefer_a_node(void)
{
	unsigned long nodes = 1ul << below(CXL_NODE);

	syscall(SYS_set_mempolicy, MPOL_PREFERRED, &nodes, 64);
}

static void step(struct worker *worker)
{
	size_t first = below(REGION), nr = 1 + below(CHUNK);
	unsigned int dice = below(100);

	if (nr > REGION - first)
		nr = REGION - first;
	if (dice < 55) {
		/* may be interrupted, and fail where there is no swap */
		madvise(worker->area + first * PAGE, nr * PAGE, MADV_PAGEOUT);
		count(ADVISED, nr);
	} else if (dice < 70) {
		check_pages(worker, first, nr);
	} else if (dice < 88) {
		prefer_a_node();
		write_pages(worker, first, nr);
	} else if (dice < 99) {
		discard_pages(worker, first, nr);
	} else {
		check_in_child(worker, first, nr);
	}
}

static void must_enter(pid_t pid)
{
	if (!enter_cgroup(keeper.leaf, pid))
		die(keeper.leaf, strerror(errno), "A task can't be moved into the cgroup");
}

static atomic_int end_of_worker;

static void end_worker(int signal)
{
	(void)signal;
	end_of_worker = 1;
}

static void run_worker(long slot)
{
	static struct worker worker;

	signal(SIGTERM, end_worker);
	if (*keeper.leaf)
		must_enter(getpid());
	/* from now on it may be moved */
	raise(SIGSTOP);
	worker.slot = slot;
	worker.life = random64();
	worker.shared_memory = slot == 2;
	worker.area = mmap(NULL, (size_t)REGION * PAGE, PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | (worker.shared_memory ? MAP_SHARED : MAP_PRIVATE),
			   -1, 0);
	if (worker.area == MAP_FAILED)
		die("mmap", strerror(errno), "The guest needs more memory");
	/* both large folios and small ones */
	madvise(worker.area, (size_t)REGION * PAGE, slot % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	write_pages(&worker, 0, REGION);
	while (!end_of_worker)
		step(&worker);
	check_pages(&worker, 0, REGION);
}

/* ---- keepers: each has a worker, and its cgroups -------------------------------- */

static void make_group(char *path, size_t size, const char *parent, const char *name,
		       bool with_children)
{
	char control[600];

	snprintf(path, size, "%s/%s%d.%u", parent, name, keeper.slot, keeper.groups++);
	if (mkdir(path, 0755))
		die(path, strerror(errno), "A cgroup can't be made");
	if (with_children) {
		snprintf(control, sizeof(control), "%s/cgroup.subtree_control", path);
		put(control, "+memory");
	}
	count(MADE, 1);
}

/* Whoever was killed in it may take a while to leave. */
static void remove_group(const char *path)
{
	for (double end = now() + PATIENCE_S; rmdir(path); nap(10))
		if (errno != EBUSY || now() > end)
			die(path, strerror(errno), "The cgroup is empty and can't be removed");
	count(REMOVED, 1);
}

static void group_put(const char *group, const char *file, const char *text)
{
	char path[600];
	int error;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	error = try_put(path, text);
	/* reclaim did not find as much, or was interrupted */
	if (error && error != EAGAIN && error != EINTR)
		die(path, strerror(error), "Is this a kernel of the series?");
}

/*
 * The worker goes to a new cgroup. What it has in zswap stays behind in the old
 * one, which is removed: that is its parent's then, or of the one above.
 */
static void move_worker(bool also_middle)
{
	char middle[64], leaf[96];

	snprintf(middle, sizeof(middle), "%s", keeper.middle);
	snprintf(leaf, sizeof(leaf), "%s", keeper.leaf);
	if (also_middle)
		make_group(keeper.middle, sizeof(keeper.middle), GROUP, "m", true);
	make_group(keeper.leaf, sizeof(keeper.leaf), keeper.middle, "w", false);
	must_enter(keeper.worker);
	count(MOVED, 1);
	remove_group(leaf);
	if (also_middle)
		remove_group(middle);
}

/* Sets a limit for a while. */
static void limit_for_a_while(const char *group, const char *file, long bytes, enum op op)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", bytes);
	group_put(group, file, text);
	nap(20 + below(300));
	group_put(group, file, "max");
	count(op, 1);
}

/* A stopped process is not in the kernel. */
static void wait_for_stop(void)
{
	int status;

	if (waitpid(keeper.worker, &status, WUNTRACED) != keeper.worker || !WIFSTOPPED(status))
		die("worker", "it ended by itself", "See the kernel log: out of memory?");
}

static void start_worker(void)
{
	keeper.worker = start(run_worker, keeper.slot,
			      1000 + keeper.slot * 100000 + keeper.lives++);
	wait_for_stop();
	kill(keeper.worker, SIGCONT);
}

static void end_worker_by(int signal)
{
	int status;

	kill(keeper.worker, signal);
	if (waitpid(keeper.worker, &status, 0) != keeper.worker)
		die("waitpid", strerror(errno), "The worker is lost");
	if (WIFSIGNALED(status) && signal == SIGKILL)
		count(KILLED, 1);
	else if (WIFEXITED(status) && !WEXITSTATUS(status))
		count(EXITED, 1);
	else
		die("worker", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it failed",
		    "See the kernel log: out of memory?");
}

static void pause_with_worker(void)
{
	if (!shared->pause)
		return;
	kill(keeper.worker, SIGSTOP);
	wait_for_stop();
	pause_point();
	kill(keeper.worker, SIGCONT);
}

static void disturb_group(void)
{
	const char *group = chance(30) ? keeper.middle : keeper.leaf;
	unsigned int dice = below(100);

	if (dice < 40) {
		group_put(group, "memory.reclaim", chance(50) ? "4M swappiness=max" : "1M");
		count(RECLAIMED, 1);
	} else if (dice < 50) {
		limit_for_a_while(group, "memory.high", 1 << 20, SQUEEZED);
	} else if (dice < 65) {
		limit_for_a_while(group, "memory.zswap.max", below(1 << 20), LIMITED);
	} else if (dice < 70) {
		group_put(group, "memory.zswap.writeback", "0");
		nap(below(300));
		group_put(group, "memory.zswap.writeback", "1");
		count(NO_WRITEBACK, 1);
	} else {
		move_worker(dice < 82);
	}
}

static void run_keeper(long slot)
{
	keeper.slot = slot;
	/* the first worker stays in the root: it has objects, too */
	if (slot) {
		make_group(keeper.middle, sizeof(keeper.middle), GROUP, "m", true);
		make_group(keeper.leaf, sizeof(keeper.leaf), keeper.middle, "w", false);
	}
	start_worker();
	while (!shared->finish) {
		nap(50 + below(300));
		pause_with_worker();
		if (chance(6)) {
			end_worker_by(chance(50) ? SIGTERM : SIGKILL);
			start_worker();
		} else if (slot) {
			disturb_group();
		}
	}
	end_worker_by(SIGTERM);
	shared->parked++;
	while (!shared->remove)
		nap(20);
	if (slot) {
		remove_group(keeper.leaf);
		remove_group(keeper.middle);
	}
}

/* ---- disturbers ---------------------------------------------------------------- */

static void until_the_end(void (*disturb)(void), long ms)
{
	while (!shared->finish) {
		pause_point();
		disturb();
		nap(ms / 2 + below(ms));
	}
	shared->parked++;
}

static void switch_compressor(void)
{
	/* the last two are slow */
	static const char * const names[] = { "lzo", "lz4", "lzo", "lz4", "zstd", "deflate" };

	put(ZSWAP_PARAM "compressor", names[below(sizeof(names) / sizeof(*names))]);
	count(SWITCHED, 1);
}

/* With the shrinker, drop_caches writes back what was not used lately. */
static void shrink(void)
{
	bool shrinker = !shared->calm && chance(30);

	if (shrinker) {
		put(ZSWAP_PARAM "shrinker_enabled", "Y");
		count(SHRUNK, 1);
	}
	put("/proc/sys/vm/drop_caches", chance(80) ? "2" : "3");
	count(DROPPED, 1);
	if (shrinker)
		put(ZSWAP_PARAM "shrinker_enabled", "N");
}

/* Without room, a worker of zswap writes all back. */
static void fill_pool(void)
{
	char before[16];

	snprintf(before, sizeof(before), "%ld", number_in(ZSWAP_PARAM "max_pool_percent"));
	put(ZSWAP_PARAM "max_pool_percent", "0");
	nap(below(200));
	put(ZSWAP_PARAM "max_pool_percent", before);
	count(FULL, 1);
}

static void disturb_pools(void)
{
	if (shared->calm || chance(85))
		switch_compressor();
	else
		fill_pool();
}

static void run_pools(long unused)
{
	(void)unused;
	until_the_end(disturb_pools, 1000);
}

static void run_shrinker(long unused)
{
	(void)unused;
	until_the_end(shrink, 600);
}

/*
 * With DEBUG_VM, what goes offline has its struct pages poisoned, and compaction
 * that is there right then crashes in set_pfnblock_bit(): 7.3.4 does so without
 * swap, too. On such a kernel a node sees only one of them at a time.
 */
static bool take_turns;

static void begin_turn(int nid)
{
	while (take_turns && atomic_flag_test_and_set(&shared->node_in_use[nid]))
		nap(5);
}

static void end_turn(int nid)
{
	atomic_flag_clear(&shared->node_in_use[nid]);
}

/* Whatever compacts without being told to is not told whose turn it is, either. */
static void find_out_about_turns(void)
{
	FILE *file = must_open("/proc/kallsyms");
	char line[512];

	while (fgets(line, sizeof(line), file))
		take_turns |= !!strstr(line, " page_init_poison\n");
	fclose(file);
	if (!take_turns)
		return;
	put("/proc/sys/vm/compaction_proactiveness", "0");
	put("/sys/kernel/mm/transparent_hugepage/defrag", "never");
	put("/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "0");
}

static void compact(void)
{
	char path[64];

	for (int nid = 0; nid < NR_NODES; nid++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/compact", nid);
		if (access(path, F_OK))
			continue;
		begin_turn(nid);
		put(path, "1");
		end_turn(nid);
	}
	count(COMPACTED, 1);
}

static void run_compaction(long unused)
{
	(void)unused;
	until_the_end(compact, 1000);
}

static void swap_on(void)
{
	for (double end = now() + PATIENCE_S; swapon(swap_device, 0); nap(100))
		if (now() > end)
			die(swap_device, strerror(errno), "swapon fails");
	count(SWAPPED_ON, 1);
}

/* Between two comparisons, once at most: it reads in all that there is. */
static void disturb_swap(void)
{
	static int last_pause;

	if (shared->calm || last_pause == shared->last_pause || chance(30))
		return;
	last_pause = shared->last_pause;
	if (!swapoff(swap_device)) {
		count(SWAPPED_OFF, 1);
		nap(below(200));
		swap_on();
	} else if (errno != ENOMEM && errno != EINTR) {
		die(swap_device, strerror(errno), "swapoff fails");
	}
}

static void run_swap(long unused)
{
	(void)unused;
	until_the_end(disturb_swap, 2000);
}

/* ---- memory blocks -------------------------------------------------------------- */

#define NR_BLOCKS	512
/* Blocks of a node that stay: few, so that each of them has data. */
#define BLOCKS_IN_PLAY	2
/* 0: sometimes a node has no memory at all */
#define LEAVE_ONLINE	0

static int blocks[NR_BLOCKS];
static int nr_blocks;

/* What a block or its state file tells; empty if it has none. */
static char *block_text(int number, const char *file)
{
	static char path[80], text[80];
	int fd, len;

	snprintf(path, sizeof(path), BLOCKS "memory%d/%s", number, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = 0;
	return text;
}

static int block_node(int number)
{
	char path[80];

	for (int nid = 0; nid < NR_NODES; nid++) {
		snprintf(path, sizeof(path), BLOCKS "memory%d/node%d", number, nid);
		if (!access(path, F_OK))
			return nid;
	}
	return 0;
}

static int set_block(int number, const char *state)
{
	char path[80];

	snprintf(path, sizeof(path), BLOCKS "memory%d/state", number);
	return try_put(path, state);
}

static bool is_online(int number)
{
	return !strncmp(block_text(number, "state"), "online", 6);
}

/* Blocks with movable pages only: taking others offline is a matter of luck. */
static void find_blocks(void)
{
	int in_play[NR_NODES] = {}, enough, number, nid;
	glob_t all;

	if (glob(BLOCKS "memory[0-9]*", 0, NULL, &all))
		return;
	for (size_t i = 0; i < all.gl_pathc; i++) {
		number = atoi(all.gl_pathv[i] + strlen(BLOCKS "memory"));
		nid = block_node(number);
		if (!nid || nr_blocks == NR_BLOCKS ||
		    !is_online(number) || !strstr(block_text(number, "valid_zones"), "Movable"))
			continue;
		enough = nid == CXL_NODE ? 0 : BLOCKS_IN_PLAY;
		if (in_play[nid] < enough) {
			in_play[nid]++;
			blocks[nr_blocks++] = number;
		} else if (set_block(number, "offline")) {
			die(all.gl_pathv[i], "it can't be taken offline",
			    "Run it on an idle guest");
		}
	}
	globfree(&all);
}

static void interrupt(int signal)
{
	(void)signal;
}

static void put_online(int number)
{
	double end = now() + PATIENCE_S;
	int error;

	while ((error = set_block(number, "online_movable"))) {
		if (now() > end)
			die("memory block", strerror(error), "It can't be put online again");
		nap(100);
	}
	count(ONLINED, 1);
}

static void take_offline(int number)
{
	int nid = block_node(number), error;

	begin_turn(nid);
	/* it would try for ever */
	alarm(10);
	error = set_block(number, "offline");
	alarm(0);
	end_turn(nid);
	if (error && error != EINTR && error != EBUSY && error != EAGAIN && error != ENOMEM)
		die("memory block", strerror(error), "It can't be taken offline");
	count(error ? NOT_OFFLINED : OFFLINED, 1);
}

static void disturb_blocks(void)
{
	int i = below(nr_blocks), online = 0;

	for (int j = 0; j < nr_blocks; j++)
		online += is_online(blocks[j]);
	if (!is_online(blocks[i]))
		put_online(blocks[i]);
	else if (online > LEAVE_ONLINE)
		take_offline(blocks[i]);
}

static void run_blocks(long unused)
{
	struct sigaction action = { .sa_handler = interrupt };

	(void)unused;
	sigaction(SIGALRM, &action, NULL);
	if (nr_blocks)
		until_the_end(disturb_blocks, 500);
	else
		until_the_end(pause_point, 500);
}

/* ---- zram ------------------------------------------------------------------------ */

#define ZRAM		"zram1"
#define ZRAM_PAGES	2048

static int open_zram(void)
{
	int fd;

	/* whoever makes device nodes, and looks into new disks, may take its time */
	for (double end = now() + PATIENCE_S;; nap(20)) {
		fd = open("/dev/" ZRAM, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (now() > end)
			die("/dev/" ZRAM, strerror(errno), "The kernel has made it, but it can't be opened");
	}
}

static void zram_page(uint64_t *page, size_t number, uint64_t round)
{
	uint64_t mark = round * ZRAM_PAGES + number;

	/* of each size, straddlers and incompressible ones among them */
	for (size_t i = 0; i < NOISE_WORDS; i++)
		page[i] = i < number % NOISE_WORDS ? mark * 0x9e3779b97f4a7c15ull * (i + 1) : mark;
}

static void zram_io(int fd, bool out, uint64_t *page, size_t number)
{
	off_t at = number * PAGE;

	if ((out ? pwrite(fd, page, PAGE, at) : pread(fd, page, PAGE, at)) != (ssize_t)PAGE)
		die("/dev/" ZRAM, strerror(errno), "A page of it can't be read or written");
}

/* Another pool beside those of zswap, which goes while its zspages are on their way. */
static void disturb_zram(void)
{
	static uint64_t page[NOISE_WORDS] __attribute__((aligned(PAGE)));
	static uint64_t expected[NOISE_WORDS], round;
	size_t first = below(ZRAM_PAGES), number, nr = 64 + below(1024);
	uint64_t range[2];
	int fd;

	round = random64() >> 16;
	put("/sys/block/" ZRAM "/disksize", "8M");
	fd = open_zram();
	for (size_t i = 0; i < nr; i++) {
		number = (first + i) % ZRAM_PAGES;
		zram_page(page, number, round);
		zram_io(fd, true, page, number);
	}
	for (size_t i = 0; i < nr; i += 1 + below(8)) {
		number = (first + i) % ZRAM_PAGES;
		zram_page(expected, number, round);
		zram_io(fd, false, page, number);
		if (memcmp(page, expected, PAGE) && !shared->bad_pages++)
			snprintf(shared->first_bad, sizeof(shared->first_bad),
				 "page %zu of zram", number);
	}
	range[0] = chance(50) ? 0 : below(ZRAM_PAGES / 2) * PAGE;
	range[1] = ZRAM_PAGES / 2 * PAGE;
	if (ioctl(fd, BLKDISCARD, range))
		die("/dev/" ZRAM, strerror(errno), "It can't be discarded");
	close(fd);
	for (double end = now() + PATIENCE_S; try_put("/sys/block/" ZRAM "/reset", "1"); nap(20))
		if (now() > end)
			die("/sys/block/" ZRAM "/reset", "busy", "Somebody has it open");
	count(ZRAM_RESET, 1);
}

/* The guest has set up the first one. This makes the second, if there is zram. */
static bool have_zram(void)
{
	if (access("/sys/class/zram-control/hot_add", F_OK))
		return false;
	while (access("/sys/block/" ZRAM, F_OK))
		number_in("/sys/class/zram-control/hot_add");
	return true;
}

static void rest_only(void)
{
}

static void run_zram(long unused)
{
	(void)unused;
	until_the_end(have_zram() ? disturb_zram : rest_only, 100);
}

/* ---- private nodes --------------------------------------------------------------- */

#define PRIVATE_DAX	"/sys/bus/dax/drivers/private_dax/dax*"
#define PRIVATE_EMUL	"/sys/kernel/debug/private_emul/"
#define MEDIA_MIB	64

static char private_dax[200];
static long private_nid;

static const char *of_private_dax(const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", private_dax, file);
	return path;
}

static bool is_plugged(void)
{
	char text[16] = "";
	FILE *file = must_open(of_private_dax("state"));
	bool plugged = fscanf(file, "%15s", text) == 1 && !strcmp(text, "online");

	fclose(file);
	return plugged;
}

static void set_media(const char *knob, long value)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), PRIVATE_EMUL "%ld/%s", private_nid, knob);
	snprintf(text, sizeof(text), "%ld", value);
	put(path, text);
	count(MEDIA_CHANGED, 1);
}

static void plug(void)
{
	put(of_private_dax("provider"), "emul");
	put(of_private_dax("state"), "online");
	count(PLUGGED, 1);
	set_media("phys_bytes", MEDIA_MIB << 20);
}

/* A device that the guest has bound, in a kernel whose zswap stores there. */
static bool find_private_node(void)
{
	glob_t devices;
	bool found;

	if (access(ZSWAP_PARAM "direct", F_OK) || access(PRIVATE_EMUL, F_OK))
		return false;
	found = !glob(PRIVATE_DAX, 0, NULL, &devices);
	if (found) {
		snprintf(private_dax, sizeof(private_dax), "%s", devices.gl_pathv[0]);
		private_nid = number_in(of_private_dax("target_node"));
		if (!is_plugged())
			plug();
	}
	globfree(&devices);
	return found;
}

static void disturb_private(void)
{
	int error;

	if (!is_plugged()) {
		plug();
	} else if (shared->calm) {
		set_media("ratio_shift", 0);
		set_media("phys_bytes", MEDIA_MIB << 20);
	} else if (chance(30)) {
		alarm(10);
		error = try_put(of_private_dax("state"), "unplugged");
		alarm(0);
		if (error && error != EBUSY && error != EINTR && error != ENOMEM)
			die(private_dax, strerror(error), "It can't be unplugged");
		count(error ? NOT_UNPLUGGED : UNPLUGGED, 1);
	} else if (chance(50)) {
		set_media("ratio_shift", below(900));
	} else {
		set_media("phys_bytes", (2 + below(MEDIA_MIB)) << 20);
	}
}

static void run_private(long unused)
{
	struct sigaction action = { .sa_handler = interrupt };

	(void)unused;
	sigaction(SIGALRM, &action, NULL);
	until_the_end(*private_dax ? disturb_private : rest_only, 700);
}

/* ---- the run ---------------------------------------------------------------------- */

static void (* const disturbers[])(long) = {
	run_pools, run_shrinker, run_compaction, run_swap, run_blocks, run_zram, run_private,
};

#define NR_DISTURBERS	((int)(sizeof(disturbers) / sizeof(*disturbers)))
#define NR_PROCESSES	(WORKERS + NR_DISTURBERS)

/* Waits until all are at rest. A process that fails has said why. */
static void wait_for_all(void)
{
	int status;

	while (shared->parked < NR_PROCESSES) {
		if (waitpid(-1, &status, WNOHANG) > 0 && status)
			die("a process of the torture", "it has ended",
			    "What it said is above; else see the kernel log");
		nap(20);
	}
}

struct totals {
	long stored, loaded, written_back;
};

static struct totals totals(void)
{
	return (struct totals) {
		.stored = value_of("/proc/vmstat", "zswpout"),
		.loaded = value_of("/proc/vmstat", "zswpin"),
		.written_back = value_of("/proc/vmstat", "zswpwb"),
	};
}

/* Each page that enters zswap or leaves it, and each thing done to them. */
static long operations(const struct totals *before, struct totals *diff)
{
	static const enum op counted_by_kernel[] = { FILLED, CHECKED, ADVISED, DISCARDED };
	struct totals after = totals();
	long sum;

	diff->stored = after.stored - before->stored;
	diff->loaded = after.loaded - before->loaded;
	diff->written_back = after.written_back - before->written_back;
	/* each page that was stored leaves once */
	sum = 2 * diff->stored - value_of("/proc/vmstat", "nr_zswapped");
	for (int op = 0; op < NR_OPS; op++)
		sum += shared->ops[op];
	for (size_t i = 0; i < sizeof(counted_by_kernel) / sizeof(*counted_by_kernel); i++)
		sum -= shared->ops[counted_by_kernel[i]];
	return sum;
}

static void print_operations(const struct totals *before, double seconds)
{
	struct totals diff;
	long sum = operations(before, &diff);

	printf("# %ld operations in %.0f s: ", sum, seconds);
	printf("%ld pages stored in zswap, %ld loaded, %ld written back, %ld freed",
	       diff.stored, diff.loaded, diff.written_back,
	       diff.stored - diff.loaded - diff.written_back);
	for (int op = 0; op < NR_OPS; op++)
		printf(", %ld %s", (long)shared->ops[op], op_names[op]);
	printf("\n");
}

static void rest(struct comparisons *comparisons, const struct totals *before, double began)
{
	struct totals diff;
	long sum;

	shared->parked = 0;
	shared->pause = ++shared->last_pause;
	wait_for_all();
	sum = operations(before, &diff);
	if (compare(comparisons))
		printf("# %.0f s: %ld operations, %ld pages in zswap, all counters agree\n",
		       now() - began, sum, value_of("/proc/vmstat", "nr_zswapped"));
	fflush(stdout);
	shared->parked = 0;
	shared->calm = 0;
	shared->pause = 0;
}

static void report_contents(void)
{
	if (shared->bad_pages)
		printf("# contents: %d pages differ, the first: %s\n", (int)shared->bad_pages,
		       shared->first_bad);
	result(!shared->bad_pages && shared->ops[CHECKED] > 0, "contents", "");
}

/*
 * Below zero, counters of nodes read as zero. But whoever makes them add up finds
 * it in the kernel log.
 */
static bool none_below_zero(void)
{
	char record[1024];
	bool good = true;
	ssize_t len;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/kmsg", strerror(errno), "The kernel needs PRINTK");
	/* EPIPE: records were overwritten, the next read goes on behind them */
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = 0;
		if (strstr(record, "vmstat_refresh: nr_zswap")) {
			printf("# left: %s", strchr(record, ';') + 1);
			good = false;
		}
	}
	close(fd);
	return good;
}

/* A pool that is not in use any more goes, as soon as nobody has a reference. */
static long zswap_pools(void)
{
	glob_t pools;
	long nr = 0;

	if (!glob("/sys/kernel/debug/zsmalloc/zswap*", 0, NULL, &pools)) {
		nr = pools.gl_pathc;
		globfree(&pools);
	}
	return nr;
}

/*
 * Zspages that wait to be freed: none is left, and there never were more than
 * there may be, but for those whose pages were locked right then.
 */
static void expect_none_retired(struct look *look)
{
	glob_t files;

	if (glob("/sys/kernel/debug/zsmalloc/*/retired", 0, NULL, &files))
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		const char *path = files.gl_pathv[i];
		long max = value_of(path, "max"), peak = value_of(path, "peak");

		expect(look, 0, value_of(path, "pages"), "pages retired");
		expect(look, 1, peak <= 2 * max, "peak of %ld pages retired below twice %ld",
		       peak, max);
	}
	globfree(&files);
}

/* Once all workers are gone: their cgroups are still there. */
static bool nothing_left(struct comparisons *comparisons)
{
	const struct recount *recount;
	struct look *look;

	for (double end = now() + PATIENCE_S;; nap(500)) {
		look = at_rest();
		recount = &look->recount;
		for (int nid = 0; nid < NR_NODES; nid++) {
			expect(look, 0, recount->pages[nid], "pages left on node %d", nid);
			expect(look, 0, recount->objects[nid], "objects left on node %d", nid);
			expect(look, 0, recount->all.node[ZSWAP][nid],
			       "bytes left on node %d", nid);
		}
		expect(look, 1, zswap_pools(), "pools of zswap");
		expect_none_retired(look);
		comparisons->values += look->compared;
		if (!look->wrong || now() > end)
			break;
	}
	if (look->wrong)
		printf("# left: %s. %ld values differ\n", look->first, look->wrong);
	return none_below_zero() && !look->wrong;
}

/*
 * What a process leaves in the swap cache when it exits, because it is being
 * written right then, stays until somebody reclaims it.
 */
static void empty_swap_cache(void)
{
	printf("# left in the swap cache: %ld kB\n", value_of("/proc/meminfo", "SwapCached:"));
	if (swapoff(swap_device))
		die(swap_device, strerror(errno), "swapoff fails");
	swap_on();
}

static void check_dying(const char *what, long before)
{
	double half = now() + PATIENCE_S / 4, end = now() + PATIENCE_S;
	long dying;
	char text[64];

	while ((dying = value_of(CGROUPS "/cgroup.stat", what)) > before && now() < end) {
		/* caches of any kind hold on to a cgroup that was charged for them */
		put("/proc/sys/vm/drop_caches", "3");
		nap(500);
		if (now() > half) {
			empty_swap_cache();
			half = end;
		}
	}
	if (dying > before)
		printf("# %s: expected %ld, found %ld after %d s\n",
		       what, before, dying, PATIENCE_S);
	snprintf(text, sizeof(text), "no_%s", what + strlen("nr_"));
	result(dying <= before, text, "");
}

static void check_kmemleak(void)
{
	if (access(KMEMLEAK, F_OK))
		result(true, "kmemleak", "SKIP kernel without DEBUG_KMEMLEAK");
	else
		result(!find_leaks(), "kmemleak", "");
}

static void set_up(void)
{
	FILE *swaps = must_open("/proc/swaps");

	if (fscanf(swaps, "%*[^\n] %127s", swap_device) != 1)
		die("/proc/swaps", "there is no swap", "Run it under: scripts/ztier run");
	fclose(swaps);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || mlock(shared, sizeof(*shared)))
		die("mmap", strerror(errno), "The guest needs more memory");
	put(CGROUPS "/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755))
		die(GROUP, strerror(errno), "Remove it, or boot again");
	put(GROUP "/cgroup.subtree_control", "+memory");
	find_out_about_turns();
	find_blocks();
	/* its memory comes and goes as one */
	if (find_private_node())
		printf("# private node: %ld\n", private_nid);
}

static double parse(int argc, char **argv, long *rest_seconds)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 'd' },
		{ "rest", required_argument, NULL, 'r' },
		{ "seconds", no_argument, NULL, 's' },
		{}
	};
	long unit = 60, number = 0;
	int option;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		err(1, "getrandom");
	seed >>= 32;
	*rest_seconds = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			*rest_seconds = atol(optarg);
		else if (option == 's')
			unit = 1;
		else
			number = -1;
	}
	if (!number && optind == argc - 1)
		number = atol(argv[optind]);
	if (number <= 0 || *rest_seconds < 0)
		errx(2, "usage: torture [--seed N] [--rest SECONDS] [--seconds] MINUTES");
	if (!*rest_seconds)
		*rest_seconds = number * unit < 600 ? 10 : 30;
	return number * unit;
}

static void run(double seconds, long rest_seconds, struct comparisons *comparisons,
		const struct totals *before)
{
	double began = now();

	for (int i = 0; i < WORKERS; i++)
		start(run_keeper, i, i + 1);
	for (int i = 0; i < NR_DISTURBERS; i++)
		start(disturbers[i], 0, 100 + i);

	while (!shared->bad_pages && !comparisons->wrong && now() - began < seconds) {
		nap(600 * rest_seconds);
		shared->calm = 1;
		nap(400 * rest_seconds);
		rest(comparisons, before, began);
	}
	shared->parked = 0;
	shared->finish = 1;
	wait_for_all();
	print_operations(before, now() - began);
}

int main(int argc, char **argv)
{
	struct comparisons comparisons = {};
	long rest_seconds, dying, dying_memory;
	double seconds = parse(argc, argv, &rest_seconds);
	struct totals before = totals();
	bool good;

	printf("TAP version 13\n1..6\n# seed %llu\n", (unsigned long long)seed);
	set_up();
	if (nr_blocks)
		printf("# memory blocks taken offline and online: %d\n", nr_blocks);
	else
		printf("# no movable memory but on node 0: no block is taken offline\n");
	fflush(stdout);
	dying = value_of(CGROUPS "/cgroup.stat", "nr_dying_descendants");
	dying_memory = value_of(CGROUPS "/cgroup.stat", "nr_dying_subsys_memory");
	forget_leaks();

	run(seconds, rest_seconds, &comparisons, &before);
	report_contents();
	report_counters(&comparisons);
	good = nothing_left(&comparisons);
	result(good, "nothing_left", "");

	shared->remove = 1;
	while (wait(NULL) > 0)
		;
	if (rmdir(GROUP))
		die(GROUP, strerror(errno), "The cgroup is empty and can't be removed");
	check_dying("nr_dying_descendants", dying);
	check_dying("nr_dying_subsys_memory", dying_memory);
	check_kmemleak();
	return failures != 0;
}
