// SPDX-License-Identifier: GPL-2.0
/*
 * stress - stress-ng against zswap: pageswap, vm with more than there is of RAM, cgroup
 *
 *	stress MINUTES
 *
 * Every half a minute all processes of stress-ng are stopped where they are, with their
 * memory swapped out, and every counter must be what the kernel recounts. vm and
 * pageswap look at what they get back from swap themselves. KTAP on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "comparisons.h"

#define METRICS		"/tmp/stress-ng.yaml"
#define OUTPUT		"/tmp/stress-ng.out"
#define ROUND_S		30
/* For stress-ng to end by itself when its time is up */
#define PATIENCE_S	300
/* A minute: ten seconds were not enough once, on a busy host; why is not known. */
#define STOP_TRIES	1200

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static pid_t start(long minutes)
{
	struct sysinfo info;
	char seconds[24], bytes[24];
	pid_t pid;
	int fd;

	if (sysinfo(&info))
		err(1, "sysinfo");
	snprintf(seconds, sizeof(seconds), "%ld", minutes * 60);
	/* what all of them have together: a quarter more than RAM */
	snprintf(bytes, sizeof(bytes), "%llu",
		 (unsigned long long)info.totalram * info.mem_unit * 5 / 4);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	fd = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		err(1, OUTPUT);
	execlp("stress-ng", "stress-ng", "--pageswap", "2", "--vm", "2", "--vm-bytes", bytes,
	       "--cgroup", "1", "--verify", "--timeout", seconds, "--metrics", "--yaml", METRICS,
	       "--temp-path", "/tmp", "--no-rand-seed", NULL);
	err(127, "stress-ng");
}

/* What a process of stress-ng is at, on stdout */
static void tell(const char *pid)
{
	static const char *const files[] = { "stat", "wchan", "stack", "cgroup", "status" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[300], line[512];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/%s", pid, files[i]);
		file = fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			printf("# %s: %s%s", path, line, strchr(line, '\n') ? "" : "\n");
		if (file)
			fclose(file);
	}
}

/*
 * Sends @signal to each process of stress-ng, wherever it has put itself, that is not
 * in a state of @done: the number of these. With 0 for a signal it says what they do.
 */
static int signal_all(int signal, const char *done)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int nr = 0;

	if (!proc)
		err(1, "/proc");
	while ((entry = readdir(proc))) {
		char path[300], comm[32], state;
		FILE *stat;

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		stat = fopen(path, "re");
		if (!stat)
			continue;
		if (fscanf(stat, "%*d (%31[^)]) %c", comm, &state) == 2 &&
		    !strncmp(comm, "stress-ng", 9) && !strchr(done, state)) {
			if (signal)
				kill(atoi(entry->d_name), signal);
			else
				tell(entry->d_name);
			nr++;
		}
		fclose(stat);
	}
	closedir(proc);
	return nr;
}

/* Zombies and the dead are as good as stopped. */
static void stop(void)
{
	for (int i = 0; signal_all(SIGSTOP, "TtZX"); i++) {
		if (i == STOP_TRIES) {
			signal_all(0, "TtZX");
			fflush(stdout);
			die("stress-ng", "a process of it does not stop in a minute",
			    "What it is at is above");
		}
		usleep(50000);
	}
}

/* The stressor cgroup switches all controllers off and on, those of the root as well. */
static void enable_memory(void)
{
	int fd = open(CGROUPS "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "+memory", 7) != 7)
		die(CGROUPS "/cgroup.subtree_control", strerror(errno), "Is MEMCG in the kernel?");
	close(fd);
}

/*
 * The stressor cgroup freezes its cgroups, too, and may be stopped before it thaws one.
 * To compare, a task of ours has to run in each. That they are thawed already does not
 * disturb the stressor.
 */
static void thaw(const char *path, void *unused)
{
	char file[PATH_MAX];
	int fd;

	snprintf(file, sizeof(file), "%s/cgroup.freeze", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	/* the root has none */
	if (fd >= 0) {
		if (write(fd, "0", 1) != 1)
			die(file, strerror(errno), "See the kernel log");
		close(fd);
	}
	for_each_child(path, thaw, unused);
}

static bool compare_cgroups(struct comparisons *comparisons)
{
	enable_memory();
	thaw(CGROUPS, NULL);
	return compare(comparisons);
}

/* Until stress-ng has ended: its wait status, or -1 */
static int run(pid_t pid, long minutes, struct comparisons *comparisons)
{
	double end = now() + minutes * 60 + PATIENCE_S, next = now() + ROUND_S;
	int status;

	while (now() < end && !comparisons->wrong) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (now() > next) {
			stop();
			if (compare_cgroups(comparisons))
				printf("# %ld pages in zswap, all counters agree\n",
				       value_of("/proc/vmstat", "nr_zswapped"));
			fflush(stdout);
			signal_all(SIGCONT, "ZX");
			next = now() + ROUND_S;
		}
		usleep(100000);
	}
	signal_all(SIGKILL, "ZX");
	waitpid(pid, &status, 0);
	return -1;
}

/* Each of the stressors, and what it has done */
static void print_metrics(char *text, size_t size)
{
	char line[256], name[64] = "";
	FILE *file = fopen(METRICS, "re");
	long ops;

	*text = 0;
	while (file && fgets(line, sizeof(line), file)) {
		size_t len = strlen(text);

		if (sscanf(line, " - stressor: %63s", name) == 1)
			continue;
		if (*name && sscanf(line, " bogo-ops: %ld", &ops) == 1)
			snprintf(text + len, size - len, "%s%s %ld", len ? ", " : "", name, ops);
	}
	if (file)
		fclose(file);
}

static void print_output(void)
{
	char line[512];
	FILE *file = fopen(OUTPUT, "re");

	while (file && fgets(line, sizeof(line), file))
		printf("# %s", line);
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	struct comparisons comparisons = {};
	long minutes = argc == 2 ? atol(argv[1]) : 0, stored, loaded;
	char metrics[256];
	int status;

	if (minutes <= 0)
		errx(2, "usage: stress MINUTES");
	printf("TAP version 13\n1..4\n");
	fflush(stdout);
	stored = value_of("/proc/vmstat", "zswpout");
	loaded = value_of("/proc/vmstat", "zswpin");
	status = run(start(minutes), minutes, &comparisons);
	stored = value_of("/proc/vmstat", "zswpout") - stored;
	loaded = value_of("/proc/vmstat", "zswpin") - loaded;

	print_output();
	print_metrics(metrics, sizeof(metrics));
	printf("# figure: bogo ops: %s; zswpout %ld, zswpin %ld\n", metrics, stored, loaded);
	if (status)
		printf("# stress-ng: %s %d\n", status == -1 ? "ended by us" : "wait status", status);
	result(!status, "stress_ng", "");
	result(stored > 0 && loaded > 0, "swapped", "");
	/* and once more, when all of it is gone */
	if (!comparisons.wrong)
		compare_cgroups(&comparisons);
	result(comparisons.nr > 1, "compared_under_load", "");
	report_counters(&comparisons);
	return failures != 0;
}
