/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_PRIVATE_NODE_BUDGET_H
#define _MM_PRIVATE_NODE_BUDGET_H

#include <linux/types.h>

/*
 * How much may still be written to a device that compresses. It cannot say no:
 * what it has no room for is lost. And what it says about its room is late.
 *
 * So every store takes the worst that it may cost out of the budget before it
 * writes, and gives back what it did not cost afterwards. From time to time the
 * budget is brought up to date with what the device says it holds. Between the
 * question and the answer stores go on, of which the answer may or may not know.
 * They are all taken not to be in it.
 *
 * The budget is never more than the room that is left, whatever comes between
 * what, as long as
 *
 * - no store costs more than it has taken,
 * - what a store wrote is in an answer to a question that is asked after it gave
 *   back the rest (it is not in a CPU's cache any more), and
 * - pn_budget_begin_refund() comes before the room of a freed page is free, and
 *   pn_budget_refund() after that.
 *
 * mm/tests/private_node_kunit.c goes through all orders of a few of them.
 *
 * Locking: callers serialize all of these, but not question and answer together.
 */
struct pn_budget {
	s64 bytes;		/* less than 0 if the device has lost room */
	s64 inflight;		/* taken by stores that are not done yet */
	unsigned int questions;	/* twice; odd while one is not answered */
	/* when that was asked */
	s64 asked_bytes;
	s64 asked_inflight;
};

/* Take the worst that a store may cost. Return false if that is not there. */
static inline bool pn_budget_take(struct pn_budget *budget, u32 worst)
{
	if (budget->bytes < worst)
		return false;
	budget->bytes -= worst;
	budget->inflight += worst;
	return true;
}

/* A store has written what it had to, and that has cost this much. */
static inline void pn_budget_settle(struct pn_budget *budget, u32 worst, u32 cost)
{
	budget->bytes += (s64)worst - cost;
	budget->inflight -= worst;
}

/*
 * Somebody is about to free room and will know how much. An answer to a question
 * that is asked until he says so may know it as well. To be counted once, it must
 * be left to that one, or to the next.
 */
static inline unsigned int pn_budget_begin_refund(const struct pn_budget *budget)
{
	return budget->questions;
}

static inline void pn_budget_refund(struct pn_budget *budget, unsigned int begin,
				    u32 bytes)
{
	if (begin == budget->questions && !(begin & 1))
		budget->bytes += bytes;
}

/* The device is about to be asked for its room. */
static inline void pn_budget_ask(struct pn_budget *budget)
{
	budget->questions++;
	budget->asked_bytes = budget->bytes;
	budget->asked_inflight = budget->inflight;
}

/* It had that much room. Stores that were or came meanwhile are not in it. */
static inline void pn_budget_answer(struct pn_budget *budget, s64 room)
{
	s64 since = budget->bytes - budget->asked_bytes;

	budget->bytes = room - budget->asked_inflight + since;
	budget->questions++;
}

/* It did not answer. */
static inline void pn_budget_no_answer(struct pn_budget *budget)
{
	budget->questions++;
}

#endif /* _MM_PRIVATE_NODE_BUDGET_H */
