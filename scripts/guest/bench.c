// SPDX-License-Identifier: GPL-2.0
/*
 * bench - work on compressed memory, with marks for those who count instructions
 *
 *	bench WORK [NAME=VALUE]... [-- COMMAND...]
 *
 * Run by `ztier bench`, on a machine whose last CPU is kept free for the process
 * that watches (isolcpus). Prints for each round what was worked on:
 *
 *	round PAGES		pages, or whatever else the work is counted in
 *	fact NAME VALUE		what else there is to know
 *
 * A round begins with mark 1, mark 2 says that the caller has finished, and mark
 * 0 that all memory is back. The marks from 16 on come from the watcher.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "measure.h"

#define CGROUP		"/sys/fs/cgroup/bench"
#define ZSWAP_PARAM	"/sys/module/zswap/parameters/"
#define HUGE_PAGES	"/sys/kernel/mm/transparent_hugepage/hugepages-"
#define PMD_SIZE	(2ul << 20)
/* What the counters of a few CPUs may hold back, see calculate_normal_threshold(). */
#define SLACK		80
#define PATIENCE_S	60

enum mark {
	IDLE, CALL, AFTER, HALF_BACK = 16, MOST_BACK, ALL_BACK, TICK,
};

static struct {
	char backend[8], compressor[16], file[64];
	long mib, low, high, rounds, warm, procs, folio, touches, passes, spinner, private;
} opt = {
	.backend = "zswap", .compressor = "lzo", .file = CGROUP "/memory.stat",
	.mib = 64, .low = 600, .high = 2600,
	/* rounds before them, until caches of the kernel are as they stay */
	.rounds = 3, .warm = 2, .procs = 1, .folio = 4, .touches = 20000, .passes = 2,
};

static int working_cpus;

static long zspages(void)
{
	return field("/proc/vmstat", "nr_zspages ");
}

static long swapped_pages(void)
{
	return field("/proc/self/status", "VmSwap:") / (PAGE / 1024);
}

/* What CPUs keep to themselves goes to where it can be read. */
static void settle(void)
{
	usleep(50000);
	put("/proc/sys/vm/stat_refresh", "1");
	usleep(50000);
}

/* ---- the watcher -------------------------------------------------------------- */

struct order {
	long start, full;	/* pages of zsmalloc: none of the work's, and all */
};

static int to_watcher[2], from_watcher[2];

/* The first lines of /proc/vmstat, which has it near the beginning. */
static long zspages_at_once(int fd)
{
	static char head[1024];
	ssize_t len = pread(fd, head, sizeof(head) - 1, 0);
	char *line;

	head[len > 0 ? len : 0] = 0;
	line = strstr(head, "nr_zspages ");
	if (!line)
		errx(1, "/proc/vmstat has no nr_zspages where it should be");
	return atol(line + strlen("nr_zspages "));
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void watch(const struct order *order, int fd)
{
	long span = order->full - order->start, left;
	bool half = false, most = false;
	double end = now() + PATIENCE_S;

	do {
		left = zspages_at_once(fd) - order->start;
		if (!half && left <= span / 2) {
			MARK(HALF_BACK);
			half = true;
		}
		if (!most && left <= span / 10) {
			MARK(MOST_BACK);
			most = true;
		}
		if (left <= SLACK) {
			MARK(ALL_BACK);
			return;
		}
		MARK(TICK);
		usleep(20);
	} while (now() < end);
	errx(1, "%ld of %ld pages are not back after %d s", left, span, PATIENCE_S);
}

static void run_watcher(void)
{
	int fd = open("/proc/vmstat", O_RDONLY);
	struct order order;
	char done = 0;

	pin(working_cpus);
	while (read(to_watcher[0], &order, sizeof(order)) == sizeof(order)) {
		/* the caller goes on when the watcher looks already */
		if (write(from_watcher[1], &done, 1) != 1)
			break;
		watch(&order, fd);
		if (write(from_watcher[1], &done, 1) != 1)
			break;
	}
	_exit(0);
}

static void wait_for_watcher(void)
{
	char done;

	if (read(from_watcher[0], &done, 1) != 1)
		errx(1, "the watcher has ended");
}

static void start_watcher(void)
{
	if (pipe(to_watcher) || pipe(from_watcher))
		err(1, "pipe");
	fflush(stdout);
	if (!fork()) {
		close(to_watcher[1]);
		close(from_watcher[0]);
		run_watcher();
	}
	close(to_watcher[0]);
	close(from_watcher[1]);
}

static void begin_watching(long start)
{
	struct order order;

	settle();
	order = (struct order) { .start = start, .full = zspages() };
	if (order.full - start < 4 * SLACK)
		errx(1, "only %ld pages hold compressed data: mib= is too small",
		     order.full - start);
	printf("fact zspages %ld\n", order.full - start);
	if (write(to_watcher[1], &order, sizeof(order)) != sizeof(order))
		err(1, "watcher");
	wait_for_watcher();
}

/* ---- the spinner --------------------------------------------------------------- */

static volatile bool *spinning;

/*
 * Takes all that it gets of the second CPU, which the worker might want. Only in
 * calls: between them others wait for something on each CPU.
 */
static void start_spinner(void)
{
	struct sched_param param = { .sched_priority = 50 };

	spinning = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (spinning == MAP_FAILED)
		err(1, "mmap");
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	for (;;) {
		while (*spinning)
			asm volatile("pause");
		usleep(1000);
	}
}

static void spin(bool on)
{
	if (!spinning)
		return;
	*spinning = on;
	usleep(2000);
}

/* ---- work --------------------------------------------------------------------- */

static char *map_aligned(size_t len)
{
	char *data = mmap(NULL, len + PMD_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		err(1, "mmap");
	return (char *)(((uintptr_t)data + PMD_SIZE - 1) & ~(PMD_SIZE - 1));
}

static size_t bytes(void)
{
	return opt.mib << 20;
}

static void fill(char *data, size_t len, uint64_t seed)
{
	random_state = 88172645463325252ull + seed;
	for (size_t page = 0; page < len / PAGE; page++)
		fill_page(data + page * PAGE, opt.low, opt.high, page + 1);
}

/* All of it: what was busy the first time is not the second time. */
static void page_all_out(char *data, size_t len)
{
	for (int try = 0; try < 20 && swapped_pages() < (long)(len / PAGE); try++)
		page_out(data, len);
	if (swapped_pages() < (long)(len / PAGE))
		errx(1, "%ld of %zu pages could be swapped out: more --mem, or less mib=",
		     swapped_pages(), len / PAGE);
}

static void print_ratio(long pages, long start)
{
	printf("fact ratio %.3f\n", (double)(zspages() - start) / pages);
}

/* What is between these two is the call; @pages of the memory go with it. */
static void begin_freeing(long pages, long start)
{
	begin_watching(start);
	print_ratio(pages, start);
	spin(true);
	MARK(CALL);
}

static void end_freeing(long pages)
{
	MARK(AFTER);
	wait_for_watcher();
	MARK(IDLE);
	spin(false);
	printf("round %ld\n", pages);
}

static void free_round(void)
{
	size_t len = bytes();
	long start, pages;
	char *data;

	settle();
	start = zspages();
	data = map_aligned(len);
	fill(data, len, 0);
	page_all_out(data, len);
	pages = swapped_pages();
	begin_freeing(pages, start);
	munmap(data, len);
	end_freeing(pages);
}

/* A process that has swapped all out, and stops. Goes on with munmap(), or not. */
static pid_t start_victim(int number, size_t len)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		char *data = map_aligned(len);

		pin(number % working_cpus);
		fill(data, len, number);
		page_all_out(data, len);
		raise(SIGSTOP);
		munmap(data, len);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(1, "a process that should have stopped has ended");
	return pid;
}

/* @signal: SIGCONT to unmap, SIGKILL to be killed. */
static void victims_round(int signal)
{
	size_t len = bytes() / opt.procs / PMD_SIZE * PMD_SIZE;
	long start, pages = opt.procs * (len / PAGE);
	pid_t pids[64];
	int i;

	if (!len || opt.procs > 64)
		errx(2, "mib=%ld for procs=%ld", opt.mib, opt.procs);
	settle();
	start = zspages();
	for (i = 0; i < opt.procs; i++)
		pids[i] = start_victim(i, len);
	begin_freeing(pages, start);
	for (i = 0; i < opt.procs; i++)
		kill(pids[i], signal);
	for (i = 0; i < opt.procs; i++)
		waitpid(pids[i], NULL, 0);
	end_freeing(pages);
}

static void kill_round(void)
{
	victims_round(SIGKILL);
}

static void unmap_together_round(void)
{
	victims_round(SIGCONT);
}

/* Of pages of the size asked for, as long as there are any. */
static void set_folios(void)
{
	static const int sizes[] = { 16, 32, 64, 128, 256, 512, 1024, 2048 };
	char path[128];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		snprintf(path, sizeof(path), HUGE_PAGES "%dkB/enabled", sizes[i]);
		if (!access(path, F_OK))
			put(path, sizes[i] == opt.folio ? "always" : "never");
	}
}

static long folios_stored(void)
{
	char path[128];

	snprintf(path, sizeof(path), HUGE_PAGES "%ldkB/stats/%s", opt.folio,
		 strcmp(opt.backend, "zram") ? "zswpout" : "swpout");
	if (access(path, F_OK))
		return 0;
	slurp(path);
	return atol(buffer);
}

static const char *counter(const char *for_zswap, const char *for_zram)
{
	return strcmp(opt.backend, "zram") ? for_zswap : for_zram;
}

static void store_round(void)
{
	const char *out = counter("zswpout ", "pswpout ");
	size_t len = bytes();
	long before, folios, start;
	char *data;

	settle();
	start = zspages();
	data = map_aligned(len);
	fill(data, len, 0);
	before = field("/proc/vmstat", out);
	folios = folios_stored();
	MARK(CALL);
	page_out(data, len);
	MARK(IDLE);
	printf("round %ld\n", field("/proc/vmstat", out) - before);
	if (opt.folio > 4)
		printf("fact folios %ld\n", folios_stored() - folios);
	print_ratio(field("/proc/vmstat", out) - before, start);
	munmap(data, len);
}

static void load_round(void)
{
	const char *in = counter("zswpin ", "pswpin ");
	size_t len = bytes(), page;
	char *data = map_aligned(len);
	long before;

	fill(data, len, 0);
	page_all_out(data, len);
	settle();
	before = field("/proc/vmstat", in);
	MARK(CALL);
	for (page = 0; page < len / PAGE; page++)
		*(volatile char *)(data + page * PAGE) += 1;
	MARK(IDLE);
	printf("round %ld\n", field("/proc/vmstat", in) - before);
	munmap(data, len);
}

/*
 * The slab that stored pages take up, as long as no cache has free objects of an
 * earlier round: once. Not counted in instructions.
 */
static void slab_round(void)
{
	size_t len = bytes();
	static bool done;
	long before;
	char *data;

	if (done)
		return;
	done = true;
	data = map_aligned(len);
	fill(data, len, 0);
	before = field("/proc/meminfo", "Slab:");
	page_all_out(data, len);
	printf("fact slab_bytes_per_page %.1f\n",
	       (field("/proc/meminfo", "Slab:") - before) * 1024. * PAGE / len);
	munmap(data, len);
}

/* A process that stores memory and frees it, again and again. */
static pid_t start_storing(size_t len)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		char *data = map_aligned(len);

		fill(data, len, 0);
		page_out(data, len);
		munmap(data, len + PMD_SIZE);
	}
}

/* Latencies of all rounds, in bins that are twice as wide as the one before. */
static void print_latencies(double *seen, long nr)
{
	static const double percentiles[] = { 50, 90, 99, 99.9 };
	long i = 0, below;

	qsort(seen, nr, sizeof(*seen), compare);
	for (size_t p = 0; p < sizeof(percentiles) / sizeof(*percentiles); p++)
		printf("fact latency_%g%% %.1f\n", percentiles[p],
		       seen[(long)(nr * percentiles[p] / 100)]);
	printf("fact latency_max %.1f\n", seen[nr - 1]);
	for (long bound = 8; i < nr; bound *= 2) {
		for (below = i; i < nr && seen[i] < bound; i++)
			;
		printf("fact latency_below_%ld_us %ld\n", bound, i - below);
	}
}

/*
 * Pages are loaded, one now and then, by a task that runs whenever it can, while
 * another one stores large folios on the same CPU.
 */
static void latency_round(void)
{
	struct sched_param param = { .sched_priority = 50 }, none = {};
	size_t pages = opt.touches, len = pages * PAGE;
	static double *seen;
	static long nr;
	pid_t storing;
	char *data;

	seen = realloc(seen, (nr + pages) * sizeof(*seen));
	data = map_aligned(len);
	if (!seen || madvise(data, len, MADV_NOHUGEPAGE))
		err(1, "memory for %zu pages", pages);
	fill(data, len, 1);
	page_all_out(data, len);
	storing = start_storing(bytes());
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	for (size_t page = 0; page < pages; page++) {
		double begin;

		usleep(500 + random64() % 1000);
		begin = now();
		*(volatile char *)(data + page * PAGE) += 1;
		seen[nr++] = (now() - begin) * 1e6;
	}
	if (sched_setscheduler(0, SCHED_OTHER, &none))
		err(1, "SCHED_OTHER");
	kill(storing, SIGKILL);
	waitpid(storing, NULL, 0);
	munmap(data, len);
	print_latencies(seen, nr);
}

/*
 * Twice the memory that there is: what is touched comes in, other goes out. With
 * memory.max in place of memory.high, 7.3.4 was seen to kill it.
 */
static void steady_round(void)
{
	size_t len = bytes();
	char *data = map_aligned(len), limit[24];
	long i;

	snprintf(limit, sizeof(limit), "%zu", len / 2);
	put(CGROUP "/memory.high", limit);
	fill(data, len, 0);
	for (i = 0; i < opt.touches; i++)
		data[random64() % (len / PAGE) * PAGE] += 1;
	MARK(CALL);
	for (i = 0; i < opt.touches; i++)
		data[random64() % (len / PAGE) * PAGE] += 1;
	MARK(IDLE);
	printf("round %ld\n", opt.touches);
	put(CGROUP "/memory.high", "max");
	munmap(data, len);
}

/* As usemem does: processes that write all they have, again and again. */
static void usemem_round(void)
{
	size_t len = bytes() / opt.procs / PMD_SIZE * PMD_SIZE, page;
	char limit[24];
	int pass;

	snprintf(limit, sizeof(limit), "%zu", bytes() / 2);
	put(CGROUP "/memory.high", limit);
	fflush(stdout);
	MARK(CALL);
	for (int i = 0; i < opt.procs; i++) {
		if (fork())
			continue;
		char *data = map_aligned(len);

		pin(i % working_cpus);
		for (pass = 0; pass < opt.passes; pass++) {
			random_state = 88172645463325252ull + i;
			for (page = 0; page < len / PAGE; page++)
				fill_page(data + page * PAGE, opt.low, opt.high, page + 1);
		}
		_exit(0);
	}
	for (int i = 0; i < opt.procs; i++) {
		int status;

		if (wait(&status) < 0 || status)
			errx(1, "a process of usemem has failed: out of memory?");
	}
	MARK(IDLE);
	put(CGROUP "/memory.high", "max");
	printf("round %ld\n", (long)(opt.passes * opt.procs * (len / PAGE)));
}

/* Pages that are never swapped: what the page allocator takes. */
static void fault_round(void)
{
	size_t len = bytes(), page;
	char *data = map_aligned(len);

	settle();
	MARK(CALL);
	for (page = 0; page < len / PAGE; page++)
		data[page * PAGE] = 1;
	munmap(data, len);
	MARK(IDLE);
	printf("round %zu\n", len / PAGE);
}

static void read_round(void)
{
	const int reads = 100;

	slurp(opt.file);
	MARK(CALL);
	for (int i = 0; i < reads; i++)
		slurp(opt.file);
	MARK(IDLE);
	printf("round %d\n", reads);
}

static char **command;

static void run_command(void)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s has failed", command[0]);
}

/*
 * A command with half of the memory that it takes when it has enough. As
 * memory.max, it would be killed.
 */
static void command_round(void)
{
	static long peak;
	char limit[24];
	long in, out;

	if (!peak) {
		run_command();
		slurp(CGROUP "/memory.peak");
		peak = atol(buffer);
		printf("fact peak_MiB %.2f\n", peak / (double)(1 << 20));
	}
	snprintf(limit, sizeof(limit), "%ld", peak / 2);
	put(CGROUP "/memory.high", limit);
	in = field("/proc/vmstat", "zswpin ");
	out = field("/proc/vmstat", "zswpout ");
	MARK(CALL);
	run_command();
	MARK(IDLE);
	put(CGROUP "/memory.high", "max");
	printf("fact pages_stored %ld\n", field("/proc/vmstat", "zswpout ") - out);
	printf("fact pages_loaded %ld\n", field("/proc/vmstat", "zswpin ") - in);
	printf("round 1\n");
}

static const struct work {
	const char *name;
	void (*round)(void);
	bool watched;
} works[] = {
	{ "free", free_round, true },
	{ "kill", kill_round, true },
	{ "together", unmap_together_round, true },
	{ "store", store_round, false },
	{ "load", load_round, false },
	{ "slab", slab_round, false },
	{ "latency", latency_round, false },
	{ "steady", steady_round, false },
	{ "usemem", usemem_round, false },
	{ "fault", fault_round, false },
	{ "read", read_round, false },
	{ "command", command_round, false },
};

/* ---- the machine ---------------------------------------------------------------- */

static void swap_to_zram(void)
{
	put(ZSWAP_PARAM "enabled", "N");
	put("/sys/block/zram0/comp_algorithm", opt.compressor);
	put("/sys/block/zram0/disksize", "4G");
	if (system("swapoff $(sed -n '2s/ .*//p' /proc/swaps) && mkswap /dev/zram0 >/dev/null && "
		   "swapon /dev/zram0"))
		errx(1, "/dev/zram0 can't become swap: see the messages above");
}

/*
 * Each page takes up so many bytes of the emulated device's media, which does not
 * compress it to find out: a device does that without a CPU.
 */
static void set_up_private_node(void)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "private-node online >/dev/null && "
		 "echo %ld >$(echo /sys/kernel/debug/private_emul/*/fixed_bytes)", opt.private);
	if (system(command))
		errx(1, "there is no private node: see the messages above");
	/* until its device has said how much room there is */
	sleep(1);
}

/* What was not taken is compressed, and is not what is measured. */
static void expect_private(long pages)
{
	static long before;
	long after = opt.private ? field("/proc/vmstat", "zswpout_direct ") : 0;

	if (opt.private && after - before < pages)
		errx(1, "%ld of %ld pages went to the private node", after - before, pages);
	before = after;
}

static void set_up(const struct work *work)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 2)
		errx(1, "one CPU must be left for the watcher: at least two are needed");
	working_cpus = cpus - 1;
	if (opt.private)
		set_up_private_node();
	if (!strcmp(opt.backend, "zram"))
		swap_to_zram();
	else
		put(ZSWAP_PARAM "compressor", opt.compressor);
	/* one page per fault, or the counts depend on readahead */
	put("/proc/sys/vm/page-cluster", "0");
	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755))
		err(1, CGROUP);
	/* the watcher does not belong to the work */
	if (work->watched)
		start_watcher();
	put(CGROUP "/cgroup.procs", "0");
	pin(0);
	set_folios();
}

/* The most pages of a pool that waited to be freed, as far as the kernel knows. */
static void print_backlog(void)
{
	glob_t files;
	long peak = 0;

	if (glob("/sys/kernel/debug/zsmalloc/*/retired", 0, NULL, &files))
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		long of_pool = field(files.gl_pathv[i], "peak ");

		if (of_pool > peak)
			peak = of_pool;
	}
	globfree(&files);
	printf("fact backlog %ld\n", peak);
}

static void parse_option(const char *text)
{
	static const struct {
		const char *name;
		long *number;
	} numbers[] = {
		{ "mib=", &opt.mib }, { "low=", &opt.low }, { "high=", &opt.high },
		{ "rounds=", &opt.rounds }, { "warm=", &opt.warm },
		{ "procs=", &opt.procs },
		{ "folio=", &opt.folio }, { "touches=", &opt.touches },
		{ "passes=", &opt.passes }, { "spinner=", &opt.spinner },
		{ "private=", &opt.private },
	};
	static const struct {
		const char *name;
		char *word;
		size_t size;
	} words[] = {
		{ "backend=", opt.backend, sizeof(opt.backend) },
		{ "compressor=", opt.compressor, sizeof(opt.compressor) },
		{ "file=", opt.file, sizeof(opt.file) },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		size_t len = strlen(numbers[i].name);

		if (!strncmp(text, numbers[i].name, len)) {
			*numbers[i].number = atol(text + len);
			if (*numbers[i].number < 0)
				errx(2, "%s: below zero", text);
			return;
		}
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i].name);

		if (!strncmp(text, words[i].name, len)) {
			snprintf(words[i].word, words[i].size, "%s", text + len);
			return;
		}
	}
	errx(2, "%s: no such option", text);
}

int main(int argc, char **argv)
{
	const struct work *work = NULL;
	int i;

	for (size_t w = 0; argc > 1 && w < sizeof(works) / sizeof(*works); w++)
		if (!strcmp(works[w].name, argv[1]))
			work = &works[w];
	if (!work)
		errx(2, "usage: bench WORK [NAME=VALUE]... [-- COMMAND...]");
	for (i = 2; i < argc && strcmp(argv[i], "--"); i++)
		parse_option(argv[i]);
	if (i < argc - 1)
		command = argv + i + 1;
	if (!!command != (work->round == command_round))
		errx(2, "a command is for the work of that name, and only for that");
	if (opt.low > opt.high || opt.high > PAGE - 8 || !opt.rounds || !opt.procs || !opt.mib)
		errx(2, "low <= high <= %d; rounds, procs and mib above 0", PAGE - 8);

	set_up(work);
	if (opt.spinner)
		start_spinner();

	for (long round = -opt.warm; round < opt.rounds; round++) {
		work->round();
		expect_private(bytes() / PAGE);
		fflush(stdout);
	}
	print_backlog();
	return 0;
}
