/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __ZSWAP_UTIL_H
#define __ZSWAP_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kselftest.h"

/*
 * What is here holds memory.stat, memory.numa_stat, memory.zswap.current and
 * the node counters against each other, to the byte. It takes an otherwise idle
 * system: another user of zswap makes the values change between two reads.
 */
#define MAX_NODES		1024

#define PATH_ZSMALLOC		"/sys/kernel/debug/zsmalloc"

enum zswap_item { ZSWAP, ZSWAPPED, NR_ZSWAP_ITEMS };

/* In memory.stat and memory.numa_stat, vmstat and meminfo. */
extern const char * const zswap_stat_names[NR_ZSWAP_ITEMS];
extern const char * const zswap_vmstat_names[NR_ZSWAP_ITEMS];
extern const char * const zswap_meminfo_names[NR_ZSWAP_ITEMS];

/* Bytes. A node without memory has the value -1. */
struct zswap_stat {
	long total[NR_ZSWAP_ITEMS];
	long node[NR_ZSWAP_ITEMS][MAX_NODES];
	long incomp;
	long current;
};

/*
 * A cgroup and what must be in it. One without a path has been removed: its
 * values stay those that it had last, which its parent must go on to include.
 */
struct zswap_cg {
	char *path;
	struct zswap_cg *parent;
	bool has_children;
	long pages;			/* in zswap, if it has no children */
	struct zswap_stat stat;
};

struct zswap_tree {
	struct zswap_cg *cg;		/* parents before children */
	int nr;
	bool held;			/* at the last look */
};

/* A task that holds pages in zswap. */
struct swapout {
	size_t nr_pages;
	int eighths;		/* of a page are random data, -1: 0 to 8 */
	size_t min_random;	/* if max_random: bytes that are, */
	size_t max_random;	/* varied from page to page */
	int node;		/* to take memory from, -1: any */
	size_t folio_size;	/* if not single pages */
	bool free_half;		/* free every second page, when it is in zswap */
	bool may_stay;		/* it is no failure if a page isn't swapped out */
	bool fail;		/* under fault injection for tasks that ask */
	int pipefd[2];
	int command[2];
	pid_t pid;
};

/* The answer comes when it is done. Pages are filled with the same data again. */
enum swapout_command {
	SWAPOUT_FILL,		/* all pages, and swap them out */
	SWAPOUT_FILL_HALF,	/* what SWAPOUT_FREE_HALF frees */
	SWAPOUT_FREE,
	SWAPOUT_FREE_HALF,	/* every second page */
	SWAPOUT_FREE_RANGES,	/* of 1, 4, ... pages; one stays between two */
	SWAPOUT_CHECK,		/* the data, which takes all pages in */
};

/* What zsmalloc itself says of zswap's pools, if it keeps statistics. */
struct zswap_pools {
	bool known;
	long pages;
	long bytes;		/* in slots */
};

struct zswap_vmstat {
	long total[NR_ZSWAP_ITEMS];
	long node[NR_ZSWAP_ITEMS][MAX_NODES];
	long meminfo[NR_ZSWAP_ITEMS];
	struct zswap_pools pools;
	bool has_root;
	struct zswap_stat root;
};

/*
 * Functions that return false or -1 because values are not what they must be
 * keep the text that says so, for zswap_settle() to print.
 */
__printf(1, 2) void zswap_set_mismatch(const char *fmt, ...);
__printf(3, 4) bool zswap_differ(long expected, long found, const char *fmt, ...);
void zswap_print_mismatch(const char *when);
int zswap_settle(const char *when, bool (*settled)(void *arg), void *arg);

long zswap_read_key(const char *path, const char *key);
int zswap_read_nodes(int nid[MAX_NODES]);
int read_zswap_stat(const char *cgroup, struct zswap_stat *stat);
long zswap_on_node(const struct zswap_stat *stat, int item, int nid);
bool zswap_stat_adds_up(const char *cgroup, const struct zswap_stat *stat);
bool has_zswap_by_node(const char *root, struct zswap_stat *stat);
int zswap_next_node(const struct zswap_stat *stat, int nid);
void make_stats_flush(const char *cgroup);

int zswap_add_cg(struct zswap_tree *tree, const char *root,
		 struct zswap_cg *parent, const char *name);
int zswap_remove_cg(struct zswap_cg *cg);
void zswap_destroy_tree(struct zswap_tree *tree);
int zswap_settle_tree(struct zswap_tree *tree, const char *when);

size_t swapout_random_bytes(const struct swapout *job, size_t i);
int start_swapout(struct swapout *job, const char *cgroup);
void stop_swapout(struct swapout *job);
size_t swapout_in_ranges(const struct swapout *job);
int swapout_tell(struct swapout *job, enum swapout_command command);

int read_zswap_vmstat(const char *root, struct zswap_vmstat *vm);
bool zswap_vmstat_holds(const struct zswap_vmstat *vm);

#endif /* __ZSWAP_UTIL_H */
