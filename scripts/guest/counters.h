/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every counter of zswap's memory, compared with the recount in debugfs
 *
 * One look reads all of them once. That is a comparison only if nothing changes
 * meanwhile: at_rest() looks until two looks in a row agree.
 */
#ifndef GUEST_COUNTERS_H
#define GUEST_COUNTERS_H

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE		4096
#define CGROUPS		"/sys/fs/cgroup"
#define RECOUNTS	"/sys/kernel/debug/zsmalloc/zswap*/nodes"
/* The same of what is on private nodes, in kernels that know these */
#define DIRECT_RECOUNT	"/sys/kernel/debug/zswap/direct_nodes"

#define NR_NODES	16
#define NR_OWNERS	512
#define LOOKS		60
#define LOOK_WAIT_US	250000

enum item { ZSWAP, ZSWAPPED, NR_ITEMS };

static const char * const item_names[] = { "zswap", "zswapped" };

/* Bytes of slots, and of what they hold, by node */
struct amount {
	long node[NR_ITEMS][NR_NODES];
};

struct owner {
	unsigned long ino;		/* of the cgroup's folder */
	bool alive;			/* there is such a folder */
	struct amount amount;
};

/* What the kernel finds when it walks all of zswap's pools */
struct recount {
	struct amount all;
	long pages[NR_NODES];
	long objects[NR_NODES];
	struct amount direct;		/* the part of all that is on private nodes */
	long direct_pages;
	struct owner owner[NR_OWNERS];
	int nr_owners;
};

struct look {
	struct recount recount;
	long compared;
	long wrong;
	char first[512];		/* of what is wrong */
};

static void die(const char *what, const char *why, const char *next)
{
	fprintf(stderr, "%s: %s: %s. %s\n", program_invocation_short_name, what, why, next);
	exit(1);
}

static FILE *must_open(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		die(path, strerror(errno), "Is this a kernel of the series?");
	return file;
}

/*
 * The rest of the line of @path that begins with the word @key, in a buffer that
 * the next call overwrites; NULL if there is none.
 */
static char *line_of(const char *path, const char *key)
{
	static char *line;
	static size_t size;
	size_t len = strlen(key);
	FILE *file = must_open(path);
	char *rest = NULL;

	while (!rest && getline(&line, &size, file) > 0)
		if (!strncmp(line, key, len) && strchr(": ", line[len]))
			rest = line + len + 1;
	fclose(file);
	return rest;
}

static long value_of(const char *path, const char *key)
{
	char *rest = line_of(path, key);

	if (!rest)
		die(path, key, "There is no such line. Is this a kernel of the series?");
	return atol(rest);
}

/* The number that is all of @path */
static long number_in(const char *path)
{
	FILE *file = must_open(path);
	long number;

	if (fscanf(file, "%ld", &number) != 1)
		die(path, "not a number", "Is this a kernel of the series?");
	fclose(file);
	return number;
}

__attribute__((format(printf, 4, 5)))
static void expect(struct look *look, long expected, long found, const char *fmt, ...)
{
	va_list args;
	int len;

	look->compared++;
	if (expected == found || look->wrong++)
		return;
	va_start(args, fmt);
	len = vsnprintf(look->first, sizeof(look->first), fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len < sizeof(look->first))
		snprintf(look->first + len, sizeof(look->first) - len,
			 ": expected %ld, found %ld", expected, found);
}

/* ---- the recount ------------------------------------------------------------- */

static struct owner *owner_of(struct recount *recount, unsigned long ino)
{
	struct owner *owner = recount->owner;

	for (int i = 0; i < recount->nr_owners; i++, owner++)
		if (owner->ino == ino)
			return owner;
	if (recount->nr_owners == NR_OWNERS)
		die(RECOUNTS, "names too many cgroups", "Raise NR_OWNERS");
	recount->nr_owners++;
	owner->ino = ino;
	return owner;
}

static void read_recount_line(struct recount *recount, const char *path, const char *line)
{
	long nid, objects, straddlers, bytes, orig, pages = 0;
	struct amount *amount;
	char who[32], last[32];

	if (sscanf(line, "%31s %ld %ld %ld %ld %ld %31s", who, &nid, &objects,
		   &straddlers, &bytes, &orig, last) != 7 || nid >= NR_NODES)
		die(path, line, "This line has another format, or node, than expected");
	if (!strcmp(who, "all")) {
		pages = atol(last);
		recount->objects[nid] += objects;
		amount = &recount->all;
	} else {
		amount = &owner_of(recount, strtoul(who, NULL, 10))->amount;
	}
	recount->pages[nid] += pages;
	amount->node[ZSWAP][nid] += bytes;
	amount->node[ZSWAPPED][nid] += orig;
}

/* Which is in the other columns already */
static void read_direct_part(struct recount *recount, const char *line)
{
	long nid, bytes, orig, pages;

	if (sscanf(line, " all %ld %*d %*d %ld %ld %ld", &nid, &bytes, &orig, &pages) != 4)
		return;
	recount->direct.node[ZSWAP][nid] += bytes;
	recount->direct.node[ZSWAPPED][nid] += orig;
	recount->direct_pages += pages;
}

/*
 * A pool that is about to go may lose its file between the list and the open, or
 * the read: the next look finds the same without it.
 */
static void read_recount(struct recount *recount)
{
	char *line = NULL;
	size_t size = 0;
	glob_t pools;

	if (glob(RECOUNTS, 0, NULL, &pools))
		die(RECOUNTS, "no such file", "The kernel needs ZSMALLOC_STAT, zswap must be on");
	if (!access(DIRECT_RECOUNT, F_OK))
		glob(DIRECT_RECOUNT, GLOB_APPEND, NULL, &pools);
	for (size_t i = 0; i < pools.gl_pathc; i++) {
		FILE *file = fopen(pools.gl_pathv[i], "re");

		if (!file)
			continue;
		if (getline(&line, &size, file) > 0)	/* the names of the columns */
			while (getline(&line, &size, file) > 0) {
				read_recount_line(recount, pools.gl_pathv[i], line);
				if (!strcmp(pools.gl_pathv[i], DIRECT_RECOUNT))
					read_direct_part(recount, line);
			}
		fclose(file);
	}
	free(line);
	globfree(&pools);
}

/* ---- what the kernel tells of cgroups ---------------------------------------- */

/* Calls @each for the folders in @path. */
static bool for_each_child(const char *path, void (*each)(const char *path, void *arg),
			   void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char child[512];
	bool any = false;

	if (!dir)
		die(path, strerror(errno), "A cgroup went away that must be there");
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		any = true;
		if (each) {
			snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
			each(child, arg);
		}
	}
	closedir(dir);
	return any;
}

static void check_cgroup(struct look *look, const char *path, const struct amount *expected)
{
	char numa[600], total[600], current[600];

	snprintf(numa, sizeof(numa), "%s/memory.numa_stat", path);
	snprintf(total, sizeof(total), "%s/memory.stat", path);
	snprintf(current, sizeof(current), "%s/memory.zswap.current", path);
	for (int item = 0; item < NR_ITEMS; item++) {
		long found[NR_NODES] = {}, sum = 0;
		char *at = line_of(numa, item_names[item]);
		int nid;

		if (!at)
			die(numa, item_names[item], "Is this a kernel of the series?");
		for (at = strchr(at, 'N'); at; at = strchr(at, 'N')) {
			nid = strtol(at + 1, &at, 10);
			if (nid < NR_NODES && *at == '=')
				found[nid] = atol(at + 1);
		}
		for (nid = 0; nid < NR_NODES; nid++) {
			sum += expected->node[item][nid];
			expect(look, expected->node[item][nid], found[nid], "%s %s N%d", numa,
			       item_names[item], nid);
		}
		expect(look, sum, value_of(total, item_names[item]), "%s %s", total,
		       item_names[item]);
		/* the root has none */
		if (item == ZSWAP && strcmp(path, CGROUPS))
			expect(look, sum, number_in(current), "%s", current);
	}
}

static void add_amount(struct amount *sum, const struct amount *more)
{
	for (int item = 0; item < NR_ITEMS; item++)
		for (int nid = 0; nid < NR_NODES; nid++)
			sum->node[item][nid] += more->node[item][nid];
}

struct branch {
	struct look *look;
	struct amount sum;
};

/* A cgroup's counters include those of all below it, living and dead. */
static void check_branch(const char *path, void *parent_branch)
{
	struct branch *parent = parent_branch, branch = { .look = parent->look };
	struct owner *owner;
	struct stat st;

	if (stat(path, &st))
		die(path, strerror(errno), "A cgroup went away that must be there");
	owner = owner_of(&branch.look->recount, st.st_ino);
	owner->alive = true;
	branch.sum = owner->amount;
	for_each_child(path, check_branch, &branch);
	check_cgroup(branch.look, path, &branch.sum);
	add_amount(&parent->sum, &branch.sum);
}

static void check_cgroups(struct look *look)
{
	const struct recount *recount = &look->recount;
	struct branch all = { .look = look };

	check_branch(CGROUPS, &all);
	for (int item = 0; item < NR_ITEMS; item++)
		for (int nid = 0; nid < NR_NODES; nid++)
			expect(look, recount->all.node[item][nid], all.sum.node[item][nid],
			       "objects of all cgroups, %s N%d", item_names[item], nid);
	for (int i = 0; i < recount->nr_owners; i++)
		expect(look, true, recount->owner[i].alive,
		       "is the owner of objects a cgroup that can be seen: inode %lu",
		       recount->owner[i].ino);
}

/* ---- what it tells of nodes -------------------------------------------------- */

/* The part that is on private nodes, where it is told apart */
static void check_direct(struct look *look)
{
	const struct recount *recount = &look->recount;
	struct amount sum = {};

	if (access(DIRECT_RECOUNT, F_OK))
		return;
	for (int item = 0; item < NR_ITEMS; item++)
		for (int nid = 0; nid < NR_NODES; nid++)
			sum.node[item][0] += recount->direct.node[item][nid];
	expect(look, recount->direct_pages * PAGE / 1024,
	       value_of("/proc/meminfo", "ZswapDirect"), "/proc/meminfo ZswapDirect");
	expect(look, sum.node[ZSWAP][0], value_of(CGROUPS "/memory.stat", "zswap_direct"),
	       CGROUPS "/memory.stat zswap_direct");
	expect(look, sum.node[ZSWAPPED][0], value_of(CGROUPS "/memory.stat", "zswapped_direct"),
	       CGROUPS "/memory.stat zswapped_direct");
	expect(look, sum.node[ZSWAP][0], number_in("/sys/kernel/debug/zswap/direct_bytes"),
	       "/sys/kernel/debug/zswap/direct_bytes");
}

static void check_nodes(struct look *look)
{
	const struct recount *recount = &look->recount;
	long pages = 0, objects = 0;
	char path[80];

	for (int nid = 0; nid < NR_NODES; nid++) {
		pages += recount->pages[nid];
		objects += recount->objects[nid];
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/vmstat", nid);
		if (access(path, F_OK)) {
			expect(look, 0, recount->pages[nid], "pages on the missing node %d", nid);
			continue;
		}
		expect(look, recount->pages[nid], value_of(path, "nr_zswap"), "%s nr_zswap", path);
		expect(look, recount->objects[nid], value_of(path, "nr_zswapped"),
		       "%s nr_zswapped", path);
	}
	expect(look, pages, value_of("/proc/vmstat", "nr_zswap"), "/proc/vmstat nr_zswap");
	expect(look, objects, value_of("/proc/vmstat", "nr_zswapped"), "/proc/vmstat nr_zswapped");
	expect(look, (pages - recount->direct_pages) * PAGE / 1024,
	       value_of("/proc/meminfo", "Zswap"), "/proc/meminfo Zswap");
	expect(look, objects * PAGE / 1024, value_of("/proc/meminfo", "Zswapped"),
	       "/proc/meminfo Zswapped");
	expect(look, objects, number_in("/sys/kernel/debug/zswap/stored_pages"),
	       "/sys/kernel/debug/zswap/stored_pages");
	check_direct(look);
}

/* ---- looking at rest --------------------------------------------------------- */

static bool enter_cgroup(const char *path, pid_t pid)
{
	char procs[600], text[16];
	int fd, len = snprintf(text, sizeof(text), "%d", pid);
	bool done;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, len) == len;
	close(fd);
	return done;
}

/*
 * Reading a cgroup's statistics adds up what the CPUs have counted only once
 * that is more than some 64 events per CPU. A task that touches memory counts
 * in its cgroup and all above.
 */
static void touch_memory(const char *path)
{
	size_t len = 4ul * 64 * sysconf(_SC_NPROCESSORS_ONLN) * PAGE;
	pid_t pid = fork();
	int status;

	if (!pid) {
		char *area = mmap(NULL, len, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED || !enter_cgroup(path, 0))
			_exit(1);
		for (size_t at = 0; at < len; at += PAGE)
			area[at] = 1;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die(path, "no task can run in it", "See the kernel log: out of memory?");
}

static void flush_branch(const char *path, void *unused)
{
	if (!for_each_child(path, flush_branch, unused))
		touch_memory(path);
}

static void take_look(struct look *look)
{
	memset(look, 0, sizeof(*look));
	flush_branch(CGROUPS, NULL);
	/* adds up what the CPUs have counted for nodes */
	line_of("/proc/sys/vm/stat_refresh", "");
	read_recount(&look->recount);
	check_nodes(look);
	check_cgroups(look);
}

/*
 * Looks until nothing is on its way any more: two recounts in a row are the same
 * and the counters agree with both, or LOOKS are used up. Returns the last one.
 */
static struct look *at_rest(void)
{
	static struct look look, before;

	for (int i = 0; i < LOOKS; i++) {
		before = look;
		take_look(&look);
		if (i && !look.wrong && !before.wrong &&
		    !memcmp(&look.recount, &before.recount, sizeof(look.recount)))
			break;
		usleep(LOOK_WAIT_US);
	}
	return &look;
}

#endif
