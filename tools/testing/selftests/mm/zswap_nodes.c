// SPDX-License-Identifier: GPL-2.0
/*
 * What zswap's statistics say of cgroups and nodes, held against what zsmalloc
 * finds when it walks over the pools: after stores and frees, after objects
 * have moved between zspages, and after pages have moved between nodes.
 *
 * All of it is compared to the byte, which takes an otherwise idle system. The
 * tests compact zsmalloc's pools, take memory blocks offline and online again,
 * and swap off and on.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/limits.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "cgroup_util.h"
#include "zswap_util.h"

#define PATH_ZSWAP		"/sys/module/zswap/parameters"
#define PATH_WALKS		PATH_ZSMALLOC "/zswap*/nodes"
#define PATH_BLOCKS		"/sys/devices/system/memory"
#define PATH_NODES		"/sys/devices/system/node"
#define PATH_THP		"/sys/kernel/mm/transparent_hugepage"
#define PATH_ZRAM		"/sys/class/zram-control"
#define PATH_MIN_SLAB		"/proc/sys/vm/min_slab_ratio"

#define TIMEOUT			300	/* seconds, for slow emulation */
#define NR_JOBS			4
#define NR_CGS			6
#define NR_ROUNDS		10
#define MAX_FOLIO_SIZES		16
#define MAX_BLOCKS		4096
#define TOP			"zswap_nodes_test"
#define NO_MEMCG		"no zswap in memory.numa_stat of cgroup v2"

/* ---- what zsmalloc finds ---- */

/* What one pool has on a node: of one cgroup, or all if @ino is 0. */
struct walk_row {
	unsigned long ino;
	int nid;
	long objs;
	long straddlers;	/* of these, that end on another node */
	long bytes[NR_ZSWAP_ITEMS];
	long pages;
};

struct walk {
	struct walk_row *row;
	int nr;
};

static void free_walk(struct walk *walk)
{
	free(walk->row);
	memset(walk, 0, sizeof(*walk));
}

static int add_walk_line(struct walk *walk, const char *line)
{
	struct walk_row *row;
	char name[24], pages[24];

	row = realloc(walk->row, (walk->nr + 1) * sizeof(*row));
	if (!row)
		return -1;
	walk->row = row;
	row += walk->nr;

	/* The header's second word is no number */
	if (sscanf(line, "%23s %d %ld %ld %ld %ld %23s", name, &row->nid,
		   &row->objs, &row->straddlers, &row->bytes[ZSWAP],
		   &row->bytes[ZSWAPPED], pages) != 7)
		return 0;
	row->ino = strcmp(name, "all") ? strtoul(name, NULL, 10) : 0;
	row->pages = row->ino ? 0 : atol(pages);
	walk->nr++;
	return 0;
}

static int read_walk_file(struct walk *walk, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	int ret = 0;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return -1;
	while (!ret && getline(&line, &size, file) > 0)
		ret = add_walk_line(walk, line);
	free(line);
	fclose(file);
	return ret;
}

/* All pools of zswap: there are several when the compressor was changed. */
static int read_walk(struct walk *walk)
{
	glob_t files;
	int ret;

	free_walk(walk);
	ret = glob(PATH_WALKS, 0, NULL, &files);
	if (ret)
		return -1;
	for (size_t i = 0; !ret && i < files.gl_pathc; i++)
		ret = read_walk_file(walk, files.gl_pathv[i]);
	globfree(&files);
	return ret;
}

/* The bytes of the cgroups with @ino; of all if it is 0. */
static void add_walk_bytes(const struct walk *walk, unsigned long ino,
			   long bytes[NR_ZSWAP_ITEMS][MAX_NODES])
{
	for (int n = 0; n < walk->nr; n++) {
		const struct walk_row *row = &walk->row[n];

		if (row->ino != ino)
			continue;
		for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
			bytes[i][row->nid] += row->bytes[i];
	}
}

/* Those of the cgroup and of all below it: the walk tells them apart. */
static int add_walk_tree(const struct walk *walk, const char *cgroup,
			 long bytes[NR_ZSWAP_ITEMS][MAX_NODES])
{
	struct dirent *entry;
	struct stat st;
	int ret = 0;
	DIR *dir;

	if (stat(cgroup, &st))
		return -1;
	add_walk_bytes(walk, st.st_ino, bytes);

	dir = opendir(cgroup);
	if (!dir)
		return -1;
	while (!ret && (entry = readdir(dir))) {
		char *path;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		path = cg_name(cgroup, entry->d_name);
		ret = path ? add_walk_tree(walk, path, bytes) : -1;
		free(path);
	}
	closedir(dir);
	return ret;
}

static long walk_pages(const struct walk *walk, int nid)
{
	long pages = 0;

	for (int n = 0; n < walk->nr; n++)
		if (nid < 0 || walk->row[n].nid == nid)
			pages += walk->row[n].pages;
	return pages;
}

static long walk_objs(const struct walk *walk, int nid)
{
	long objs = 0;

	for (int n = 0; n < walk->nr; n++)
		if (!walk->row[n].ino && walk->row[n].nid == nid)
			objs += walk->row[n].objs;
	return objs;
}

static long walk_straddlers(const struct walk *walk)
{
	long straddlers = 0;

	for (int n = 0; n < walk->nr; n++)
		if (!walk->row[n].ino)
			straddlers += walk->row[n].straddlers;
	return straddlers;
}

/* ---- the comparison ---- */

struct memory_block {
	int id;
	bool movable;		/* its zone, when the test began */
};

struct env {
	char root[PATH_MAX];
	bool memcg;
	int node[MAX_NODES];
	int nr_nodes;

	/* pages of a cgroup, -1: not known */
	struct zswap_cg cg[NR_CGS];
	struct zswap_tree tree;
	struct swapout job[NR_JOBS];

	struct walk walk;
	struct zswap_vmstat vm;
	bool held;		/* at the last look */

	char zswap_enabled[8];
	char shrinker_enabled[8];
	char min_slab_ratio[8];
	char swap_off[PATH_MAX];
	int zram;

	int nid;		/* that the blocks are of */
	struct memory_block block[MAX_BLOCKS];
	int nr_blocks;
	char why_no_blocks[128];
};

/* These names are of bytes, in memory.stat: vmstat has pages. */
static bool vmstat_has_names(const struct env *env)
{
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
		if (env->vm.total[i] < 0) {
			zswap_set_mismatch("no %s in /proc/vmstat",
					   zswap_vmstat_names[i]);
			return false;
		}
		if (zswap_read_key("/proc/vmstat", zswap_stat_names[i]) >= 0) {
			zswap_set_mismatch("%s in /proc/vmstat",
					   zswap_stat_names[i]);
			return false;
		}
	}
	return true;
}

static bool nodes_hold(const struct env *env)
{
	if (!vmstat_has_names(env))
		return false;
	for (int n = 0; n < env->nr_nodes; n++) {
		int nid = env->node[n];

		if (zswap_differ(walk_pages(&env->walk, nid),
				 env->vm.node[ZSWAP][nid],
				 "node %d: pages in the pools, nr_zswap", nid) ||
		    zswap_differ(walk_objs(&env->walk, nid),
				 env->vm.node[ZSWAPPED][nid],
				 "node %d: objects in the pools, nr_zswapped",
				 nid))
			return false;
	}
	return zswap_vmstat_holds(&env->vm);
}

static bool bytes_agree(const char *cgroup, const char *what,
			long bytes[NR_ZSWAP_ITEMS][MAX_NODES],
			const struct zswap_stat *stat)
{
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
		for (int nid = 0; nid < MAX_NODES; nid++)
			if (zswap_differ(bytes[i][nid],
					 zswap_on_node(stat, i, nid),
					 "%s: %s on node %d, %s", cgroup,
					 zswap_stat_names[i], nid, what))
				return false;
	return true;
}

static bool cgroup_holds(const struct env *env, const char *cgroup,
			 const struct zswap_stat *stat)
{
	long bytes[NR_ZSWAP_ITEMS][MAX_NODES] = {};

	if (add_walk_tree(&env->walk, cgroup, bytes)) {
		zswap_set_mismatch("%s: cannot read the tree", cgroup);
		return false;
	}
	return zswap_stat_adds_up(cgroup, stat) &&
	       bytes_agree(cgroup, "found in it and below", bytes, stat);
}

static bool cgroups_hold(const struct env *env)
{
	long bytes[NR_ZSWAP_ITEMS][MAX_NODES] = {};

	add_walk_bytes(&env->walk, 0, bytes);
	if (!bytes_agree("root", "found in all", bytes, &env->vm.root) ||
	    !cgroup_holds(env, env->root, &env->vm.root))
		return false;

	for (int i = 0; i < env->tree.nr; i++) {
		const struct zswap_cg *cg = &env->cg[i];

		if (!cg->path)
			continue;
		if (!cgroup_holds(env, cg->path, &cg->stat))
			return false;
		if (!cg->has_children && cg->pages >= 0 &&
		    zswap_differ(cg->pages * getpagesize(),
				 cg->stat.total[ZSWAPPED],
				 "%s: zswapped, swapped out", cg->path))
			return false;
	}
	return true;
}

/* Whether the values could be read. Sets @same if they are those before. */
static bool look(struct env *env, bool *same)
{
	struct zswap_vmstat vm = env->vm;

	for (int i = 0; i < env->tree.nr; i++)
		if (env->cg[i].path && !env->cg[i].has_children)
			make_stats_flush(env->cg[i].path);

	env->nr_nodes = zswap_read_nodes(env->node);
	if (read_walk(&env->walk) ||
	    read_zswap_vmstat(env->memcg ? env->root : NULL, &env->vm))
		return false;
	*same = !memcmp(&vm, &env->vm, sizeof(vm));

	for (int i = 0; i < env->tree.nr; i++) {
		struct zswap_cg *cg = &env->cg[i];
		struct zswap_stat before = cg->stat;

		if (!cg->path)
			continue;
		if (read_zswap_stat(cg->path, &cg->stat))
			return false;
		*same &= !memcmp(&before, &cg->stat, sizeof(before));
	}
	return true;
}

static bool env_settled(void *arg)
{
	struct env *env = arg;
	bool held = env->held, same;

	env->held = false;
	if (!look(env, &same)) {
		zswap_set_mismatch("cannot read the statistics");
		return false;
	}
	env->held = nodes_hold(env) && (!env->memcg || cgroups_hold(env));
	return held && env->held && same;
}

/*
 * The one comparison, of everything with everything: what zsmalloc finds by
 * cgroup and node, memory.numa_stat, memory.stat, memory.zswap.current,
 * nodeN/vmstat, vmstat, meminfo. Prints what does not agree.
 */
static int settle(struct env *env, const char *when)
{
	env->held = false;
	return zswap_settle(when, env_settled, env);
}

/* And there is nothing left of the tests' cgroups, on no node. */
static int settle_empty(struct env *env, const char *when)
{
	if (settle(env, when))
		return -1;
	for (int i = 0; i < env->tree.nr; i++) {
		const struct zswap_cg *cg = &env->cg[i];

		if (!cg->path)
			continue;
		for (int item = 0; item < NR_ZSWAP_ITEMS; item++)
			for (int nid = 0; nid < MAX_NODES; nid++)
				if (zswap_on_node(&cg->stat, item, nid)) {
					ksft_print_msg("%s: %s: %s on node %d: %ld are left\n",
						       when, cg->path,
						       zswap_stat_names[item], nid,
						       cg->stat.node[item][nid]);
					return -1;
				}
		if (cg->stat.incomp) {
			ksft_print_msg("%s: %s: zswap_incomp: %ld are left\n",
				       when, cg->path, cg->stat.incomp);
			return -1;
		}
	}
	return 0;
}

/* ---- helpers ---- */

static int put(const char *path, const char *value)
{
	int ret = write_text(path, (char *)value, strlen(value));

	return ret < 0 ? ret : 0;
}

/* Without the newline. */
static int get(const char *path, char *value, size_t size)
{
	if (read_text(path, value, size) <= 0)
		return -1;
	value[strcspn(value, "\n")] = 0;
	return 0;
}

static int compact(void)
{
	return put("/proc/sys/vm/drop_caches", "2");
}

/* Sizes that fall into all classes of zspages with several pages. */
static void all_classes(struct swapout *job)
{
	job->min_random = getpagesize() * 780L / 4096;
	job->max_random = getpagesize() * 3590L / 4096;
}

/* Memory of single pages on the node, if there is NUMA. NULL if that fails. */
static char *map_on_node(int nid, size_t size)
{
	unsigned long mask[MAX_NODES / 8 / sizeof(long)] = {};
	size_t bits = 8 * sizeof(long);
	char *mem;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, size, MADV_NOHUGEPAGE);
	mask[nid / bits] = 1UL << nid % bits;
	syscall(__NR_mbind, mem, size, MPOL_BIND, mask, MAX_NODES + 1, 0);
	memset(mem, 'a', size);
	return mem;
}

/* Slow each time: once, the host may have been busy. */
static bool slow_node(int nid)
{
	struct timespec begin, end;
	size_t nr_pages = 16;
	bool slow = true;
	char *mem;

	mem = map_on_node(nid, nr_pages * getpagesize());
	if (!mem)
		return false;
	for (int i = 0; i < 3 && slow; i++) {
		long us;

		clock_gettime(CLOCK_MONOTONIC, &begin);
		memset(mem, 'b', nr_pages * getpagesize());
		clock_gettime(CLOCK_MONOTONIC, &end);
		us = (end.tv_sec - begin.tv_sec) * USEC_PER_SEC +
		     (end.tv_nsec - begin.tv_nsec) / NSEC_PER_USEC;
		slow = us / nr_pages > 200;
	}
	munmap(mem, nr_pages * getpagesize());
	return slow;
}

/*
 * Some emulators write memory of CXL devices at a few MB per second. There are
 * less data then, and of fewer sizes: objects share zspages still.
 */
static void size_job(struct swapout *job, int nid)
{
	job->node = nid;
	job->nr_pages = 1024;
	all_classes(job);
	if (nid >= 0 && slow_node(nid)) {
		job->nr_pages = 64;
		job->min_random = job->max_random / 2;
		job->max_random = job->min_random + getpagesize() / 16;
	}
}

static int start(struct env *env, int nr, struct zswap_cg *cg)
{
	struct swapout *job = &env->job[nr];

	if (start_swapout(job, cg ? cg->path : NULL))
		return -1;
	if (cg && cg->pages >= 0)
		cg->pages += job->nr_pages;
	return 0;
}

static int add_cg(struct env *env, struct zswap_cg *parent, const char *name)
{
	return zswap_add_cg(&env->tree, env->root, parent, name);
}

static void stop_jobs(struct env *env)
{
	for (int i = 0; i < NR_JOBS; i++)
		stop_swapout(&env->job[i]);
	for (int i = 0; i < env->tree.nr; i++)
		env->cg[i].pages = 0;
}

static long node_bytes(const struct env *env, int nid)
{
	if (env->memcg)
		return zswap_on_node(&env->vm.root, ZSWAP, nid);
	return env->vm.node[ZSWAP][nid] * getpagesize();
}

static long stat_value(const struct zswap_cg *cg, const char *key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/memory.stat", cg->path);
	return zswap_read_key(path, key);
}

/* ---- setup ---- */

static int save(const char *path, char *old, size_t size, const char *value)
{
	if (get(path, old, size))
		return -1;
	return put(path, value);
}

/* What is missing of zswap, whatever kernel it is, or NULL. */
static const char *set_up_zswap(struct env *env)
{
	memset(env, 0, sizeof(*env));
	env->tree.cg = env->cg;
	env->zram = -1;
	for (int i = 0; i < NR_JOBS; i++)
		size_job(&env->job[i], -1);

	if (geteuid())
		return "not root";
	if (access(PATH_ZSWAP, F_OK))
		return "no zswap in this kernel";
	if (zswap_read_key("/proc/meminfo", "SwapTotal") <= 0)
		return "no swap";
	if (save(PATH_ZSWAP "/enabled", env->zswap_enabled,
		 sizeof(env->zswap_enabled), "Y"))
		return "zswap cannot be enabled";
	/* It would take entries out while pools are compacted */
	if (save(PATH_ZSWAP "/shrinker_enabled", env->shrinker_enabled,
		 sizeof(env->shrinker_enabled), "N"))
		return "zswap's shrinker cannot be disabled";

	env->nr_nodes = zswap_read_nodes(env->node);
	env->memcg = !cg_find_unified_root(env->root, sizeof(env->root), NULL) &&
		     !cg_read_strstr(env->root, "cgroup.controllers", "memory") &&
		     !cg_write(env->root, "cgroup.subtree_control", "+memory");
	return NULL;
}

/* What is missing, or NULL. */
static const char *set_up(struct env *env)
{
	const char *missing = set_up_zswap(env);
	glob_t files;

	if (missing)
		return missing;
	if (glob(PATH_WALKS, 0, NULL, &files))
		return "no " PATH_WALKS ": no debugfs, or no CONFIG_ZSMALLOC_STAT";
	globfree(&files);
	env->memcg = env->memcg && !read_zswap_stat(env->root, &env->vm.root);
	return NULL;
}

static int block_state(int id, const char *state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_BLOCKS "/memory%d/state", id);
	return put(path, state);
}

static bool block_is(int id, const char *file, const char *value)
{
	char path[PATH_MAX], found[64];

	snprintf(path, sizeof(path), PATH_BLOCKS "/memory%d/%s", id, file);
	return !get(path, found, sizeof(found)) &&
	       !strncmp(found, value, strlen(value));
}

/* A page may be in use for a moment. */
static int offline_block(int id)
{
	int ret;

	for (int i = 0; i < 10; i++) {
		ret = block_state(id, "offline");
		if (!ret)
			return 0;
		usleep(50 * 1000);
	}
	ksft_print_msg("memory block %d does not go offline: %s\n", id,
		       strerror(-ret));
	return ret;
}

/* As they were, online and in their zones. */
static void give_blocks_back(struct env *env)
{
	for (int i = 0; i < env->nr_blocks; i++) {
		const struct memory_block *block = &env->block[i];

		if (block_is(block->id, "state", "online") &&
		    (block->movable || offline_block(block->id)))
			continue;
		if (block_state(block->id, block->movable ? "online_movable" :
							    "online_kernel"))
			ksft_print_msg("memory block %d stays offline\n",
				       block->id);
	}
	env->nr_blocks = 0;
}

static void restore_value(const char *path, const char *old)
{
	if (*old)
		put(path, old);
}

static void remove_zram(struct env *env)
{
	char text[PATH_MAX];

	if (env->zram < 0)
		return;
	snprintf(text, sizeof(text), "/sys/block/zram%d/reset", env->zram);
	put(text, "1");
	snprintf(text, sizeof(text), "%d", env->zram);
	put(PATH_ZRAM "/hot_remove", text);
	env->zram = -1;
}

static void restore(struct env *env)
{
	stop_jobs(env);
	remove_zram(env);
	if (*env->swap_off && swapon(env->swap_off, 0))
		ksft_print_msg("%s: swapon: %s\n", env->swap_off,
			       strerror(errno));
	zswap_destroy_tree(&env->tree);
	give_blocks_back(env);
	restore_value(PATH_MIN_SLAB, env->min_slab_ratio);
	restore_value(PATH_ZSWAP "/shrinker_enabled", env->shrinker_enabled);
	restore_value(PATH_ZSWAP "/enabled", env->zswap_enabled);
	free_walk(&env->walk);
}

/* ---- memory blocks ---- */

static int compare_blocks(const void *a, const void *b)
{
	return *(int *)b - *(int *)a;
}

/* The numbers of a node's blocks that are online, from the highest down. */
static int list_blocks(int nid, int id[MAX_BLOCKS])
{
	char path[PATH_MAX];
	struct dirent *entry;
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), PATH_NODES "/node%d", nid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (nr < MAX_BLOCKS && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "memory%d", &id[nr]) == 1 &&
		    block_is(id[nr], "state", "online"))
			nr++;
	closedir(dir);
	qsort(id, nr, sizeof(*id), compare_blocks);
	return nr;
}

static void note_block(struct env *env, int id, bool movable)
{
	env->block[env->nr_blocks++] = (struct memory_block) {
		.id = id,
		.movable = movable,
	};
}

/*
 * Of the node's blocks for movable memory one stays online, the others go
 * offline. If there are not two, take two others as long as the node keeps
 * some: a node that has lost its last memory keeps old values in its cgroups'
 * statistics, and is taken from policies.
 */
static int pick_blocks(struct env *env, const int id[], int nr)
{
	int left = nr, stuck = 0;

	for (int i = 0; i < nr; i++) {
		if (!block_is(id[i], "valid_zones", "Movable"))
			continue;
		if (env->nr_blocks && block_state(id[i], "offline"))
			stuck++;
		else
			note_block(env, id[i], true);
	}
	left -= env->nr_blocks;
	for (int i = 0; i < nr && env->nr_blocks < 2 && left > 1; i++)
		if (!block_is(id[i], "valid_zones", "Movable") &&
		    !block_state(id[i], "offline")) {
			note_block(env, id[i], false);
			left--;
		}
	return stuck;
}

/*
 * One of the blocks at a time is online, for movable memory: what can be moved
 * is allocated there first, and has to leave when it goes offline.
 */
static int take_blocks(struct env *env, int nid)
{
	static int id[MAX_BLOCKS];
	int nr = list_blocks(nid, id), stuck;

	env->nid = nid;
	stuck = pick_blocks(env, id, nr);
	if (env->nr_blocks < 2)
		snprintf(env->why_no_blocks, sizeof(env->why_no_blocks),
			 "node %d: %d of %d memory blocks can go offline, not two",
			 nid, env->nr_blocks, nr);
	else if (stuck)
		snprintf(env->why_no_blocks, sizeof(env->why_no_blocks),
			 "node %d: %d blocks of movable memory cannot go offline",
			 nid, stuck);
	else if (!env->block[0].movable &&
		 block_state(env->block[0].id, "online_movable"))
		snprintf(env->why_no_blocks, sizeof(env->why_no_blocks),
			 "node %d: memory block %d cannot go online again", nid,
			 env->block[0].id);
	else
		return 0;
	give_blocks_back(env);
	return -1;
}

/*
 * What is on the node's movable memory moves to other nodes, if there are any:
 * not to the block of this node that takes its place.
 */
static int change_block(struct env *env, int round, const char *when)
{
	const struct memory_block *old, *new;
	long before, after;

	old = &env->block[round % env->nr_blocks];
	new = &env->block[(round + 1) % env->nr_blocks];
	if (settle(env, when))
		return -1;
	before = node_bytes(env, env->nid);
	if (block_state(new->id, "online_movable") || offline_block(old->id) ||
	    settle(env, "block offline"))
		return -1;
	after = node_bytes(env, env->nid);
	if (env->nr_nodes > 1 && after >= before) {
		ksft_print_msg("round %d: nothing has left node %d: %ld bytes before, %ld after\n",
			       round, env->nid, before, after);
		return -1;
	}
	return 0;
}

/* All pages anew. Compaction leaves the moved zspages no room for them. */
static int refill(struct swapout *job)
{
	return swapout_tell(job, SWAPOUT_FREE) || compact() ||
	       swapout_tell(job, SWAPOUT_FILL) ? -1 : 0;
}

/* Page moves between the nodes, round after round, of what @nr_jobs hold. */
static int move_pages(struct env *env, int nr_jobs)
{
	for (int round = 0; round < NR_ROUNDS; round++)
		if (change_block(env, round, "before page moves") ||
		    refill(&env->job[round % nr_jobs]))
			return -1;
	return settle(env, "after page moves");
}

static int check_jobs(struct env *env)
{
	for (int i = 0; i < NR_JOBS; i++)
		if (env->job[i].pid > 0 &&
		    swapout_tell(&env->job[i], SWAPOUT_CHECK))
			return -1;
	for (int i = 0; i < env->tree.nr; i++)
		if (env->cg[i].pages > 0)
			env->cg[i].pages = 0;
	return settle_empty(env, "checked");
}

/* ---- tests on any number of nodes ---- */

FIXTURE(zswap) {
	struct env env;
};

FIXTURE_SETUP(zswap)
{
	const char *missing = set_up(&self->env);

	if (missing) {
		restore(&self->env);
		SKIP(return, "%s", missing);
	}
}

FIXTURE_TEARDOWN(zswap)
{
	restore(&self->env);
}

TEST_F_TIMEOUT(zswap, object_moves, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];
	long pages;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	env->job[0].nr_pages = 2048;
	env->job[0].node = env->node[0];
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));

	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE_HALF));
	cg->pages /= 2;
	ASSERT_EQ(0, settle(env, "half freed"));
	pages = walk_pages(&env->walk, -1);

	ASSERT_EQ(0, compact());
	ASSERT_EQ(0, settle(env, "compacted"));
	EXPECT_LT(walk_pages(&env->walk, -1), pages);

	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

static bool nodes_differ(const struct env *env, const struct zswap_cg *cg,
			 const struct zswap_stat *before, int item)
{
	for (int n = 0; n < env->nr_nodes; n++)
		if (zswap_on_node(before, item, env->node[n]) !=
		    zswap_on_node(&cg->stat, item, env->node[n]))
			return true;
	return false;
}

/* Two cgroups have objects in zspages of both nodes, which are moved. */
TEST_F_TIMEOUT(zswap, object_moves_nodes, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *top = &env->cg[0], *a = &env->cg[1], *b = &env->cg[2];
	struct zswap_stat before[2];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	if (env->nr_nodes < 2)
		SKIP(return, "two nodes with memory are needed");
	for (int i = 0; i < 2; i++) {
		env->job[i].nr_pages = 2048;
		env->job[i].node = env->node[i];
	}
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, add_cg(env, top, "a"));
	ASSERT_EQ(0, add_cg(env, top, "b"));

	/* b's fill what a leaves, and a's what b leaves */
	ASSERT_EQ(0, start(env, 0, a));
	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE_HALF));
	ASSERT_EQ(0, start(env, 1, b));
	ASSERT_EQ(0, swapout_tell(&env->job[1], SWAPOUT_FREE_HALF));
	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FILL_HALF));
	b->pages /= 2;
	ASSERT_EQ(0, settle(env, "stored in turns"));

	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE_HALF));
	a->pages /= 2;
	ASSERT_EQ(0, settle(env, "half freed"));
	before[0] = a->stat;
	before[1] = b->stat;

	ASSERT_EQ(0, compact());
	ASSERT_EQ(0, settle(env, "compacted"));
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
		EXPECT_TRUE(nodes_differ(env, a, &before[0], i) ||
			    nodes_differ(env, b, &before[1], i))
			TH_LOG("%s: no object has changed node",
			       zswap_stat_names[i]);
		EXPECT_EQ(before[0].total[i], a->stat.total[i]);
		EXPECT_EQ(before[1].total[i], b->stat.total[i]);
	}

	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

/* The cgroups of a nested tree, of which two are removed with objects left. */
static int add_orphans(struct env *env, int nid)
{
	struct zswap_cg *top = &env->cg[0], *mid = &env->cg[1];
	struct zswap_cg *leaf = &env->cg[2], *side = &env->cg[3];
	struct zswap_cg *alive = &env->cg[4];

	if (add_cg(env, NULL, TOP) || add_cg(env, top, "mid") ||
	    add_cg(env, mid, "leaf") || add_cg(env, mid, "side") ||
	    add_cg(env, top, "alive"))
		return -1;
	for (int i = 0; i < 3; i++)
		size_job(&env->job[i], nid);
	if (start(env, 0, leaf) || start(env, 1, side) || start(env, 2, alive) ||
	    settle(env, "stored"))
		return -1;

	if (cg_enter(alive->path, env->job[0].pid) ||
	    settle(env, "task moved") || zswap_remove_cg(leaf) ||
	    settle(env, "leaf removed"))
		return -1;
	if (cg_enter(alive->path, env->job[1].pid) || zswap_remove_cg(side) ||
	    settle(env, "both leaves removed") || zswap_remove_cg(mid))
		return -1;
	return settle(env, "middle removed");
}

static int free_orphans(struct env *env)
{
	struct zswap_cg *top = &env->cg[0], *alive = &env->cg[4];
	long left;

	stop_swapout(&env->job[0]);
	if (settle(env, "the leaf's freed"))
		return -1;
	stop_swapout(&env->job[1]);
	if (settle(env, "all orphans freed"))
		return -1;
	left = top->stat.total[ZSWAPPED];
	if (left != alive->pages * getpagesize()) {
		ksft_print_msg("orphans freed: zswapped is %ld, of the living %ld\n",
			       left, alive->pages * getpagesize());
		return -1;
	}
	stop_jobs(env);
	return settle_empty(env, "freed");
}

TEST_F_TIMEOUT(zswap, orphans, TIMEOUT)
{
	struct env *env = &self->env;
	long pages;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_orphans(env, -1));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, swapout_tell(&env->job[i], SWAPOUT_FREE_HALF));
	env->cg[4].pages /= 2;
	ASSERT_EQ(0, settle(env, "half freed"));
	pages = walk_pages(&env->walk, -1);
	ASSERT_EQ(0, compact());
	ASSERT_EQ(0, settle(env, "compacted"));
	EXPECT_LT(walk_pages(&env->walk, -1), pages);
	EXPECT_EQ(0, free_orphans(env));
}

/* Nothing can be stored for long: the cgroup is full of it, and gets killed. */
TEST_F_TIMEOUT(zswap, failures_memory_max, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	env->job[1].nr_pages = 4096;
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));

	cg->pages = -1;
	ASSERT_EQ(0, cg_write_numeric(cg->path, "memory.max",
				      cg->stat.total[ZSWAP] + (1 << 20)));
	start(env, 1, cg);
	EXPECT_LT(0, cg_read_key_long(cg->path, "memory.events", "max "));
	/* The flush takes pages of its own */
	ASSERT_EQ(0, cg_write(cg->path, "memory.max", "max"));
	EXPECT_EQ(0, settle(env, "cgroup full"));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

TEST_F_TIMEOUT(zswap, failures_zswap_max_zero, TIMEOUT)
{
	/* The limit counts pages: less than one is none */
	static const char * const max[] = { "0", "100" };
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];
	long size = env->job[0].nr_pages * getpagesize();

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	for (int i = 0; i < ARRAY_SIZE(max); i++) {
		ASSERT_EQ(0, cg_write(cg->path, "memory.zswap.max",
				      (char *)max[i]));
		ASSERT_EQ(0, start(env, 0, cg));
		cg->pages = 0;
		EXPECT_EQ(0, settle_empty(env, "all in swap"));
		EXPECT_EQ(size, cg_read_long(cg->path, "memory.swap.current"));
		EXPECT_EQ(0, check_jobs(env));
		stop_jobs(env);
		EXPECT_EQ(0, settle_empty(env, "freed"));
	}
}

/* A page more, if there is less than the limit. There is no writeback. */
TEST_F_TIMEOUT(zswap, failures_zswap_max, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];
	long pages, max;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	env->job[0].nr_pages = 256;
	env->job[1].nr_pages = 1;
	env->job[1].may_stay = true;
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, cg_write(cg->path, "memory.zswap.writeback", "0"));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));
	pages = cg->pages;
	max = cg->stat.total[ZSWAP] / getpagesize();

	for (int more = -1; more <= 2; more++) {
		ASSERT_EQ(0, cg_write_numeric(cg->path, "memory.zswap.max",
					      (max + more) * getpagesize()));
		ASSERT_EQ(0, start(env, 1, cg));
		cg->pages = pages + (more > 0);
		EXPECT_EQ(0, settle(env, more > 0 ? "below the limit" :
						    "above the limit"));
		stop_swapout(&env->job[1]);
		cg->pages = pages;
		EXPECT_EQ(0, settle(env, "page freed"));
	}
	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

static int set_fault(const char *name, const char *file, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", name, file);
	return put(path, value);
}

/* A share of @percent of the allocations of a task that asks for it fails. */
static int inject(const char *name, int percent)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", percent);
	set_fault(name, "ignore-gfp-highmem", "N");
	set_fault(name, "min-order", "0");
	return set_fault(name, "task-filter", "Y") ||
	       set_fault(name, "ignore-gfp-wait", "N") ||
	       set_fault(name, "verbose", "0") ||
	       set_fault(name, "times", "-1") ||
	       set_fault(name, "probability", text) ? -1 : 0;
}

static int store_with_faults(struct env *env, const char *name, bool *failed)
{
	struct zswap_cg *cg = &env->cg[0];
	int ret;

	cg->pages = -1;
	env->job[0].fail = true;
	if (inject(name, 20))
		return -1;
	ret = start(env, 0, cg);
	inject(name, 0);
	if (ret || settle(env, "stored"))
		return -1;
	*failed = cg->stat.total[ZSWAPPED] <
		  (long)env->job[0].nr_pages * getpagesize();
	if (check_jobs(env))
		return -1;
	stop_jobs(env);
	return settle_empty(env, "freed");
}

TEST_F_TIMEOUT(zswap, failures_injected, TIMEOUT)
{
	static const char * const names[] = { "failslab", "fail_page_alloc" };
	struct env *env = &self->env;
	bool failed;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	for (int i = 0; i < ARRAY_SIZE(names); i++)
		if (inject(names[i], 0))
			SKIP(return, "no %s in this kernel", names[i]);
	if (access("/proc/self/make-it-fail", W_OK))
		SKIP(return, "no fault injection by task in this kernel");

	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, store_with_faults(env, names[i], &failed));
		EXPECT_TRUE(failed)
			TH_LOG("%s: no store has failed", names[i]);
	}
}

/* What is written back is gone from zswap, and nothing else. */
static bool left_is_rest(struct env *env, long nr_pages)
{
	struct zswap_cg *cg = &env->cg[0];
	long back = stat_value(cg, "zswpwb");

	if (zswap_differ((nr_pages - back) * getpagesize(),
			 cg->stat.total[ZSWAPPED],
			 "zswapped, %ld of %ld pages written back", back,
			 nr_pages)) {
		zswap_print_mismatch("written back");
		return false;
	}
	return back > 0;
}

TEST_F_TIMEOUT(zswap, paths_writeback_shrinker, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));

	cg->pages = -1;
	ASSERT_EQ(0, put(PATH_ZSWAP "/shrinker_enabled", "Y"));
	for (int i = 0; i < 20 && stat_value(cg, "zswpwb") <= 0; i++)
		ASSERT_EQ(0, put("/proc/sys/vm/drop_caches", "2"));
	ASSERT_EQ(0, put(PATH_ZSWAP "/shrinker_enabled", "N"));
	ASSERT_EQ(0, settle(env, "written back"));
	EXPECT_TRUE(left_is_rest(env, env->job[0].nr_pages));

	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

TEST_F_TIMEOUT(zswap, paths_writeback_max, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];
	long max;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));

	/* Each store of a page writes another one back, or goes to swap */
	max = cg->stat.total[ZSWAP];
	cg->pages = -1;
	ASSERT_EQ(0, cg_write_numeric(cg->path, "memory.zswap.max", max));
	ASSERT_EQ(0, start(env, 1, cg));
	ASSERT_EQ(0, settle(env, "written back"));
	EXPECT_LT(0, stat_value(cg, "zswpwb"));
	EXPECT_LT(cg->stat.total[ZSWAPPED],
		  (long)(env->job[0].nr_pages + env->job[1].nr_pages) *
		  getpagesize());

	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

static int swap_device(char *path, size_t size)
{
	char line[PATH_MAX];
	int nr = 0;
	FILE *file;

	file = fopen("/proc/swaps", "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (nr++ == 1)
			snprintf(path, size, "%.*s", (int)strcspn(line, " \t"),
				 line);
	fclose(file);
	return nr - 1;
}

TEST_F_TIMEOUT(zswap, paths_swapoff, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];
	char device[PATH_MAX];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	if (swap_device(device, sizeof(device)) != 1)
		SKIP(return, "more than one swap device");
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));

	ASSERT_EQ(0, swapoff(device));
	strcpy(env->swap_off, device);
	cg->pages = 0;
	EXPECT_EQ(0, settle_empty(env, "swap is off"));
	EXPECT_EQ(0, check_jobs(env));
	ASSERT_EQ(0, swapon(device, 0));
	*env->swap_off = 0;

	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FILL));
	cg->pages = env->job[0].nr_pages;
	EXPECT_EQ(0, settle(env, "stored again"));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

/* Pages are given up one by one, and all at once when the task ends. */
TEST_F_TIMEOUT(zswap, paths_free, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));
	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE));
	cg->pages = 0;
	EXPECT_EQ(0, settle_empty(env, "MADV_DONTNEED"));

	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FILL));
	cg->pages = env->job[0].nr_pages;
	ASSERT_EQ(0, settle(env, "stored again"));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "exit"));
}

/*
 * Ranges of many lengths, with pages that compress to all kinds of sizes or not
 * at all, leave what is between them alone.
 */
TEST_F_TIMEOUT(zswap, paths_free_ranges, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	env->job[0].max_random = 0;
	env->job[0].eighths = -1;
	ASSERT_EQ(0, start(env, 0, cg));
	ASSERT_EQ(0, settle(env, "stored"));
	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE_RANGES));
		cg->pages = env->job[0].nr_pages - swapout_in_ranges(&env->job[0]);
		ASSERT_LT(0, cg->pages);
		EXPECT_EQ(0, settle(env, "ranges freed"));
		EXPECT_EQ(0, check_jobs(env));
		ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FILL));
		cg->pages = env->job[0].nr_pages;
		ASSERT_EQ(0, settle(env, "stored again"));
	}
}

/* How many folios of the size have been stored as one, or -1. */
static long folios_stored(long kb)
{
	char path[PATH_MAX], value[32];

	snprintf(path, sizeof(path),
		 PATH_THP "/hugepages-%ldkB/stats/zswpout", kb);
	return get(path, value, sizeof(value)) ? -1 : atol(value);
}

/*
 * Why folios of the size can't be stored as one, or NULL. Swap in a file takes pages
 * only: what lies side by side in the file need not do so on its disk.
 */
static const char *folios_missing(long kb)
{
	char line[PATH_MAX];
	const char *why = "large folios need swap on a block device";
#ifdef __aarch64__
	bool on_arm64 = true;
#else
	bool on_arm64 = false;
#endif
	FILE *file;

	/* CONFIG_THP_SWAP depends on 64BIT and, on arm64, on ARM64_4K_PAGES */
	if (sizeof(long) < 8 || (on_arm64 && getpagesize() != 4096))
		return "such kernels swap out no large folios";
	if (folios_stored(kb) < 0)
		return "no statistics of folios of this size";
	file = fopen("/proc/swaps", "r");
	if (!file)
		return "no swap";
	while (fgets(line, sizeof(line), file))
		if (strstr(line, " partition"))
			why = NULL;
	fclose(file);
	return why;
}

/* The settings of all sizes of folios, as they were. */
struct folio_sizes {
	glob_t files;
	char old[MAX_FOLIO_SIZES][16];
};

static void restore_sizes(struct folio_sizes *sizes)
{
	for (size_t i = 0; i < sizes->files.gl_pathc && i < MAX_FOLIO_SIZES; i++)
		restore_value(sizes->files.gl_pathv[i], sizes->old[i]);
	globfree(&sizes->files);
}

/*
 * Have what asks for large folios get those of one size. If it may get larger ones
 * too, it is up to where its memory lies whether it gets any of this size.
 */
static int allow_size(struct folio_sizes *sizes, long kb)
{
	char wanted[PATH_MAX], text[128], *old;
	int ret = 0;

	memset(sizes, 0, sizeof(*sizes));
	snprintf(wanted, sizeof(wanted),
		 PATH_THP "/hugepages-%ldkB/enabled", kb);
	if (glob(PATH_THP "/hugepages-*kB/enabled", 0, NULL, &sizes->files) ||
	    sizes->files.gl_pathc > MAX_FOLIO_SIZES)
		return -1;
	for (size_t i = 0; !ret && i < sizes->files.gl_pathc; i++) {
		const char *path = sizes->files.gl_pathv[i];

		if (get(path, text, sizeof(text)))
			return -1;
		old = strchr(text, '[');
		if (!old)
			return -1;
		*strchrnul(++old, ']') = 0;
		snprintf(sizes->old[i], sizeof(sizes->old[i]), "%s", old);
		ret = put(path, strcmp(path, wanted) ? "never" : "madvise");
	}
	return ret;
}

/* Have the first job store folios of the size. */
static int start_folios(struct env *env, long kb)
{
	long stored = folios_stored(kb);
	struct folio_sizes sizes;
	int ret;

	env->job[0].folio_size = kb * 1024;
	ret = allow_size(&sizes, kb);
	if (ret)
		ksft_print_msg("cannot have folios of %ld kB only\n", kb);
	else
		ret = start(env, 0, &env->cg[0]);
	restore_sizes(&sizes);
	if (ret)
		return -1;
	if (folios_stored(kb) <= stored) {
		ksft_print_msg("no folio of %ld kB was stored as one\n", kb);
		return -1;
	}
	return 0;
}

static int store_folios(struct env *env, long kb)
{
	if (start_folios(env, kb) || settle(env, "large folios stored") ||
	    check_jobs(env))
		return -1;
	stop_jobs(env);
	return settle_empty(env, "freed");
}

TEST_F_TIMEOUT(zswap, paths_large_folios, TIMEOUT)
{
	struct env *env = &self->env;
	char value[32];
	long kb[2];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	if (get(PATH_THP "/hpage_pmd_size", value, sizeof(value)))
		SKIP(return, "no transparent huge pages in this kernel");
	kb[0] = atol(value) / 1024;
	kb[1] = 16L * getpagesize() / 1024;
	for (int i = 0; i < 2; i++)
		if (folios_missing(kb[i]))
			SKIP(return, "%ld kB: %s", kb[i], folios_missing(kb[i]));

	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, store_folios(env, kb[i]));
}

static int fill_zram(int id)
{
	size_t size = 4 << 20;
	char path[PATH_MAX];
	ssize_t done = -1;
	char *data;
	int fd;

	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", id);
	if (put(path, "16M"))
		return -1;
	snprintf(path, sizeof(path), "/dev/zram%d", id);
	fd = open(path, O_WRONLY | O_DIRECT);
	if (fd < 0)
		return -1;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data != MAP_FAILED) {
		/* Of one value each, pages would be stored as that */
		for (size_t i = 0; i < size; i++)
			data[i] = i % 251;
		done = write(fd, data, size);
		munmap(data, size);
	}
	close(fd);
	return done == size ? 0 : -1;
}

static bool same_counters(const struct zswap_vmstat *a,
			  const struct zswap_vmstat *b)
{
	return !memcmp(a->total, b->total, sizeof(a->total)) &&
	       !memcmp(a->node, b->node, sizeof(a->node)) &&
	       !memcmp(&a->root, &b->root, sizeof(a->root));
}

/* It has pools of its own, which nothing of this is about. */
TEST_F_TIMEOUT(zswap, zram_beside, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_vmstat before;
	char value[32];
	long zspages;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	if (get(PATH_ZRAM "/hot_add", value, sizeof(value)))
		SKIP(return, "no zram in this kernel");
	env->zram = atoi(value);

	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, start(env, 0, &env->cg[0]));
	ASSERT_EQ(0, settle(env, "stored"));
	before = env->vm;
	zspages = zswap_read_key("/proc/vmstat", "nr_zspages");

	ASSERT_EQ(0, fill_zram(env->zram));
	EXPECT_EQ(0, settle(env, "zram filled"));
	EXPECT_LT(zspages, zswap_read_key("/proc/vmstat", "nr_zspages"));
	EXPECT_TRUE(same_counters(&before, &env->vm));

	remove_zram(env);
	EXPECT_EQ(0, settle(env, "zram reset"));
	EXPECT_EQ(zspages, zswap_read_key("/proc/vmstat", "nr_zspages"));
	EXPECT_TRUE(same_counters(&before, &env->vm));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

/* Tasks in no cgroup of their own: with or without a memory controller. */
TEST_F_TIMEOUT(zswap, nodes_only, TIMEOUT)
{
	struct env *env = &self->env;
	long stored, freed, compacted;

	ASSERT_EQ(0, settle(env, "before"));
	stored = env->vm.total[ZSWAPPED];
	ASSERT_EQ(0, start(env, 0, NULL));
	ASSERT_EQ(0, settle(env, "stored"));
	EXPECT_EQ(stored + env->job[0].nr_pages, env->vm.total[ZSWAPPED]);

	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE_HALF));
	ASSERT_EQ(0, settle(env, "half freed"));
	EXPECT_EQ(stored + env->job[0].nr_pages / 2, env->vm.total[ZSWAPPED]);
	freed = env->vm.total[ZSWAP];
	ASSERT_EQ(0, compact());
	ASSERT_EQ(0, settle(env, "compacted"));
	compacted = env->vm.total[ZSWAP];
	EXPECT_LT(compacted, freed);

	stop_jobs(env);
	ASSERT_EQ(0, settle(env, "freed"));
	EXPECT_EQ(stored, env->vm.total[ZSWAPPED]);
	EXPECT_LT(env->vm.total[ZSWAP], compacted);
}

/* ---- tests of the lists that entries are on ---- */

FIXTURE(zswap_lru) {
	struct env env;
};

FIXTURE_VARIANT(zswap_lru) {
	long kb;		/* of folios, 0: of a page */
};

FIXTURE_VARIANT_ADD(zswap_lru, page) { .kb = 0 };
FIXTURE_VARIANT_ADD(zswap_lru, kb64) { .kb = 64 };
FIXTURE_VARIANT_ADD(zswap_lru, kb2048) { .kb = 2048 };

FIXTURE_SETUP(zswap_lru)
{
	const char *missing = set_up_zswap(&self->env);

	if (!missing && !self->env.memcg)
		missing = "no memory controller of cgroup v2";
	if (!missing && access(PATH_NODES "/node0/reclaim", F_OK))
		missing = "no " PATH_NODES "/node0/reclaim";
	/* Nothing is reclaimed there where little else could be. */
	if (!missing && save(PATH_MIN_SLAB, self->env.min_slab_ratio,
			     sizeof(self->env.min_slab_ratio), "0"))
		missing = "no " PATH_MIN_SLAB;
	if (missing) {
		restore(&self->env);
		SKIP(return, "%s", missing);
	}
}

FIXTURE_TEARDOWN(zswap_lru)
{
	restore(&self->env);
}

/* Stay on the CPU that this is running on. Return its node, or -1. */
static int stay_on_node(void)
{
	unsigned int cpu, nid;
	cpu_set_t set;

	if (getcpu(&cpu, &nid))
		return -1;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* It may have been moved meanwhile. */
	if (sched_setaffinity(0, sizeof(set), &set) || getcpu(&cpu, &nid))
		return -1;
	return nid;
}

/*
 * Shrink the lists of a node until @enough entries of the cgroup are written back,
 * or no more are. Entries are looked at twice: the first time they are spared.
 */
static long shrink_node(int nid, const struct zswap_cg *cg, long enough)
{
	long before = stat_value(cg, "zswpwb"), written = 0;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/reclaim", nid);
	put(PATH_ZSWAP "/shrinker_enabled", "Y");
	for (int i = 0; i < 50 && written < enough; i++) {
		put(path, "4M");
		written = stat_value(cg, "zswpwb") - before;
	}
	put(PATH_ZSWAP "/shrinker_enabled", "N");
	return written;
}

/*
 * An entry is on a list of the node that its page was on, whatever node the task
 * was on that swapped it out, and wherever slab and zsmalloc have put their parts
 * of it: when that node is short of memory, entries of its pages are written back.
 */
TEST_F_TIMEOUT(zswap_lru, of_pages_node, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];
	struct swapout *job = &env->job[0];
	int here = stay_on_node(), nid = -1;
	long stored, written, rest;

	for (int n = 0; n < env->nr_nodes && nid < 0; n++)
		if (env->node[n] != here && !slow_node(env->node[n]))
			nid = env->node[n];
	if (here < 0 || nid < 0)
		SKIP(return, "no second node with memory");
	if (variant->kb && folios_missing(variant->kb))
		SKIP(return, "%s", folios_missing(variant->kb));

	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	size_job(job, nid);
	ASSERT_EQ(0, variant->kb ? start_folios(env, variant->kb) :
				   start(env, 0, cg));
	stored = stat_value(cg, "zswpout");

	written = 0;
	for (int n = 0; n < env->nr_nodes; n++)
		if (env->node[n] != nid)
			written += shrink_node(env->node[n], cg, stored);
	rest = shrink_node(nid, cg, stored / 2);
	ksft_print_msg("%ld pages of node %d stored on node %d, %ld or more written back\n",
		       stored, nid, here, rest);
	ksft_print_msg("for the sake of other nodes: %ld\n", written);
	EXPECT_LE((long)job->nr_pages, stored);
	/* The task has a few pages of its own on its node. */
	EXPECT_GT(stored / 20, written);
	EXPECT_LE(stored / 2, rest);

	EXPECT_EQ(0, swapout_tell(job, SWAPOUT_CHECK));
	stop_jobs(env);
}

/* ---- tests on blocks of a node that go offline ---- */

FIXTURE(zswap_offline) {
	struct env env;
};

FIXTURE_VARIANT(zswap_offline) {
	int nid;
};

FIXTURE_VARIANT_ADD(zswap_offline, node0) { .nid = 0 };
FIXTURE_VARIANT_ADD(zswap_offline, node1) { .nid = 1 };
FIXTURE_VARIANT_ADD(zswap_offline, node2) { .nid = 2 };
FIXTURE_VARIANT_ADD(zswap_offline, node3) { .nid = 3 };

FIXTURE_SETUP(zswap_offline)
{
	struct env *env = &self->env;
	const char *missing = set_up(env);
	bool found = false;

	for (int n = 0; n < env->nr_nodes; n++)
		found |= env->node[n] == variant->nid;
	if (!missing && !found)
		missing = "no such node with memory";
	if (!missing && take_blocks(env, variant->nid))
		missing = env->why_no_blocks;
	if (missing) {
		restore(env);
		SKIP(return, "%s", missing);
	}
}

FIXTURE_TEARDOWN(zswap_offline)
{
	restore(&self->env);
}

TEST_F_TIMEOUT(zswap_offline, page_moves, TIMEOUT)
{
	static const char * const names[] = { "a", "b", "c" };
	struct env *env = &self->env;
	struct zswap_cg *top = &env->cg[0];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		size_job(&env->job[i], variant->nid);
		ASSERT_EQ(0, add_cg(env, top, names[i]));
		ASSERT_EQ(0, start(env, i, &env->cg[i + 1]));
	}
	ASSERT_EQ(0, move_pages(env, ARRAY_SIZE(names)));
	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

/*
 * Zspages of one page, with what compresses badly or not at all: to more than 16/17 of
 * a page, as ZSMALLOC_CHAIN_SIZE is 16 at most.
 */
TEST_F_TIMEOUT(zswap_offline, huge_moves, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *top = &env->cg[0], *bad = &env->cg[1];
	struct zswap_cg *incomp = &env->cg[2];
	long size = getpagesize();

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, add_cg(env, top, "bad"));
	ASSERT_EQ(0, add_cg(env, top, "incomp"));
	for (int i = 0; i < 2; i++) {
		size_job(&env->job[i], variant->nid);
		env->job[i].min_random = i ? size : size * 3870 / 4096;
		env->job[i].max_random = i ? size : size * 3960 / 4096;
		ASSERT_EQ(0, start(env, i, &env->cg[i + 1]));
	}
	ASSERT_EQ(0, move_pages(env, 2));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(env->job[i].nr_pages * size,
			  env->cg[i + 1].stat.total[ZSWAP]);
	EXPECT_EQ(0, bad->stat.incomp);
	EXPECT_EQ(incomp->pages * size, incomp->stat.incomp);
	EXPECT_EQ(incomp->pages * size, top->stat.incomp);

	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

TEST_F_TIMEOUT(zswap_offline, orphans, TIMEOUT)
{
	struct env *env = &self->env;

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	ASSERT_EQ(0, add_orphans(env, variant->nid));
	/* What orphans have moves once: a refill is the living one's */
	ASSERT_EQ(0, change_block(env, 0, "before page moves"));
	ASSERT_EQ(0, refill(&env->job[2]));
	ASSERT_EQ(0, change_block(env, 1, "the living are back"));
	EXPECT_EQ(0, free_orphans(env));
}

/*
 * Store pages in zspages that have pages of both blocks in turns. What is free
 * on the node then are single pages, one of a block and one of the other.
 */
static int store_on_both_blocks(struct env *env)
{
	size_t page = getpagesize(), spare, size, nr = 2 * env->job[0].nr_pages;
	char *first, *second, *end, value[32];
	int ret = -1;

	if (get(PATH_BLOCKS "/block_size_bytes", value, sizeof(value)))
		return -1;
	size = strtoul(value, NULL, 16);
	spare = size / 8;
	first = map_on_node(env->nid, size - spare);
	if (!first || block_state(env->block[1].id, "online_movable"))
		return -1;
	/* Its end is on the second block, when the first is used up */
	second = map_on_node(env->nid, spare + 2 * nr * page);
	if (!second)
		return -1;
	end = second + spare;

	for (size_t i = 0; i < nr; i++)
		if (madvise(first + 2 * i * page, page, MADV_DONTNEED) ||
		    madvise(end + 2 * i * page, page, MADV_DONTNEED))
			return -1;
	ret = start(env, 0, &env->cg[0]);
	munmap(first, size - spare);
	munmap(second, spare + 2 * nr * page);
	return ret;
}

/* Objects with their parts on two nodes move to one node, and the other way. */
TEST_F_TIMEOUT(zswap_offline, straddlers, TIMEOUT)
{
	struct env *env = &self->env;
	struct zswap_cg *cg = &env->cg[0];

	if (!env->memcg)
		SKIP(return, NO_MEMCG);
	if (env->nr_nodes < 2)
		SKIP(return, "two nodes with memory are needed");
	/* All of a block's pages may go there */
	for (int n = 0; n < env->nr_nodes; n++)
		if (slow_node(env->node[n]))
			SKIP(return, "node %d is too slow", env->node[n]);

	env->job[0].node = variant->nid;
	env->job[0].nr_pages = 2048;
	ASSERT_EQ(0, add_cg(env, NULL, TOP));
	ASSERT_EQ(0, store_on_both_blocks(env));
	ASSERT_EQ(0, settle(env, "stored"));

	ASSERT_EQ(0, offline_block(env->block[0].id));
	ASSERT_EQ(0, settle(env, "block offline"));
	EXPECT_LT(0, walk_straddlers(&env->walk));

	ASSERT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_FREE_HALF));
	cg->pages /= 2;
	ASSERT_EQ(0, settle(env, "half freed"));
	EXPECT_LT(0, walk_straddlers(&env->walk));
	ASSERT_EQ(0, compact());
	ASSERT_EQ(0, settle(env, "compacted"));

	EXPECT_EQ(0, check_jobs(env));
	stop_jobs(env);
	EXPECT_EQ(0, settle_empty(env, "freed"));
}

TEST_F_TIMEOUT(zswap_offline, nodes_only, TIMEOUT)
{
	struct env *env = &self->env;

	size_job(&env->job[0], variant->nid);
	ASSERT_EQ(0, start(env, 0, NULL));
	ASSERT_EQ(0, move_pages(env, 1));
	EXPECT_EQ(0, swapout_tell(&env->job[0], SWAPOUT_CHECK));
	EXPECT_EQ(0, settle(env, "checked"));
	stop_jobs(env);
	EXPECT_EQ(0, settle(env, "freed"));
}

TEST_HARNESS_MAIN
