/* SPDX-License-Identifier: GPL-2.0 */

#pragma once

/*
 * Contains declarations that are STUBBED, that is that are rendered no-ops,
 * because what they do has no meaning in a test in userland.
 */

/* Module glue: tests call zs_init() and zs_exit() directly. */
#define EXPORT_SYMBOL_GPL(sym)
#define MODULE_LICENSE(str)
#define MODULE_AUTHOR(str)
#define MODULE_DESCRIPTION(str)
#define module_init(fn)
#define module_exit(fn)
#define __init
#define __exit

/* Lockdep and sparse: the lock shims in custom.h check what can be checked. */
struct lockdep_map {};
struct lock_class_key {};

#define rwsem_acquire(...)			do { } while (0)
#define rwsem_acquire_read(...)			do { } while (0)
#define rwsem_release(...)			do { } while (0)
#define lock_acquired(...)			do { } while (0)

static inline void lockdep_init_map(struct lockdep_map *map, const char *name,
				    struct lock_class_key *key, int subclass)
{
}

#define noinline_for_stack
#define KUNIT_STATIC_STUB_REDIRECT(...)		do { } while (0)
/* No cgroup goes away while a test runs. */
#define rcu_read_lock()				do { } while (0)
#define rcu_read_unlock()			do { } while (0)
#define cond_resched()				do { } while (0)
/* Time stands still, until a test moves it on. */
extern unsigned long test_jiffies;

#define PF_MEMALLOC				1

struct task_struct {
	unsigned int flags;
};

static inline struct task_struct *test_current(void)
{
	static __thread struct task_struct task;

	return &task;
}

#define current					test_current()
#define ____cacheline_aligned_in_smp
#define num_online_cpus()			2
#define jiffies					test_read(&test_jiffies)
#define kmsan_copy_page_meta(...)		do { } while (0)

/* Movable pages: tests call the operations of zsmalloc_mops themselves. */
#define isolate_mode_t				unsigned int

enum migrate_mode {
	MIGRATE_ASYNC,
	MIGRATE_SYNC,
};

struct movable_operations {
	bool (*isolate_page)(struct page *page, isolate_mode_t mode);
	int (*migrate_page)(struct page *dst, struct page *src,
			    enum migrate_mode mode);
	void (*putback_page)(struct page *page);
};

static inline int set_movable_ops(const struct movable_operations *ops, int type)
{
	return 0;
}

/* Registering a shrinker has no effect: tests call its two functions. */
struct shrink_control {
	unsigned long nr_to_scan;
};

struct shrinker {
	unsigned long (*count_objects)(struct shrinker *s, struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *s, struct shrink_control *sc);
	long batch;
	void *private_data;
};

#define SHRINK_STOP				(~0UL)
#define shrinker_alloc(...)			kzalloc(sizeof(struct shrinker), GFP_KERNEL)
#define shrinker_register(...)			do { } while (0)
#define shrinker_free(s)			kfree(s)
