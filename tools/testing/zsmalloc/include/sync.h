/* SPDX-License-Identifier: GPL-2.0 */

#pragma once

/*
 * What differs between a program of one thread and one of several. The locks in
 * custom.h are the same checks in both; below these, the second has real ones,
 * made of what the thread sanitizer knows.
 */

#ifdef TEST_THREADS
#include <pthread.h>
#include <sched.h>

/* Of the thread sanitizer, in no header. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);

/*
 * Races that are known, and older than what is tested here. The sanitizer has
 * to overlook them when they happen: it does not always know both stacks, so a
 * report cannot be told by a function's name.
 *
 * zspage->fullness shares a word with fields that never change: the size class,
 * the magic number and the mark of a huge zspage. It is written under
 * class->lock and read only there, while readers of an object look at the other
 * three without. These are written back as they were, in one store.
 * Only what insert_zspage() does itself is overlooked: the list and the counter
 * are changed by functions that it calls.
 */
struct size_class;
struct zspage;
static void insert_zspage(struct size_class *class, struct zspage *zspage, int fullness)
	__attribute__((no_sanitize_thread));

/*
 * Between these two, or between the first and a write_lock():
 *
 * The shrinker counts objects without locks. What it finds is an estimate that
 * may be out of date, and zs_compact() looks again under the lock.
 *
 * A move links all pages of its zspage anew, under pool->lock, and writes the
 * pointer to the zspage of each, which doesn't change. The isolation of another
 * page of that zspage, and the beginning of its move, look at that page's under
 * the page lock only. That is enough to tell whether the page was freed.
 */
void known_race_begin(void);
void known_race_end(void);

#define raw_lock_t			pthread_mutex_t
#define raw_lock_init(l)		pthread_mutex_init(l, NULL)
#define raw_lock(l)			pthread_mutex_lock(l)
#define raw_unlock(l)			pthread_mutex_unlock(l)

#define raw_rwlock_t			pthread_rwlock_t
#define raw_rwlock_init(l)		pthread_rwlock_init(l, NULL)
#define raw_read_lock(l)		pthread_rwlock_rdlock(l)
#define raw_write_lock(l)		(known_race_end(), pthread_rwlock_wrlock(l))
#define raw_rw_unlock(l)		pthread_rwlock_unlock(l)

/* Wait for another thread to do something. */
#define test_wait()			sched_yield()

/*
 * zsmalloc changes a counter after it lets go of the lock under which it
 * changed what is counted, so a decrement may come before its increment.
 */
#define assert_not_negative(value)	((void)(value))

/* Relaxed, which is what the kernel's are: without order, but not races. */
unsigned long test_read_handle(const unsigned long *handle);

/* What has the size of a handle is one. */
static inline unsigned long test_read_once(const void *p, size_t size)
{
	if (size == sizeof(unsigned long))
		return test_read_handle(p);
	assert(size == sizeof(bool));
	return __atomic_load_n((const bool *)p, __ATOMIC_RELAXED);
}

#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x)			((typeof(x))test_read_once(&(x), sizeof(x)))
#define WRITE_ONCE(x, value)		__atomic_store_n(&(x), value, __ATOMIC_RELAXED)

#else /* TEST_THREADS */

#define known_race_begin()		do { } while (0)
#define known_race_end()		do { } while (0)

#define raw_lock_t			struct {}
#define raw_lock_init(l)		((void)(l))
#define raw_lock(l)			((void)(l))
#define raw_unlock(l)			((void)(l))

#define raw_rwlock_t			struct {}
#define raw_rwlock_init(l)		((void)(l))
#define raw_read_lock(l)		((void)(l))
#define raw_write_lock(l)		((void)(l))
#define raw_rw_unlock(l)		((void)(l))

/* There is nobody else. */
#define test_wait()			assert(false)
/* What is moved before it is accounted may leave a node that it never came to. */
extern __thread bool test_batch_open;
#define assert_not_negative(value)	assert((value) >= 0 || test_batch_open)

#endif /* TEST_THREADS */

/* Counters. Any order will do, they are compared when nothing goes on. */
#define test_add(counter, nr)		__atomic_add_fetch(counter, nr, __ATOMIC_RELAXED)
#define test_read(counter)		__atomic_load_n(counter, __ATOMIC_RELAXED)
#define test_set(flag, value)		__atomic_store_n(flag, value, __ATOMIC_RELAXED)
