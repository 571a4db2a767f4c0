/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Comparisons of all counters of zswap's memory while everything rests, and results
 * in KTAP
 */
#ifndef GUEST_COMPARISONS_H
#define GUEST_COMPARISONS_H

#include "counters.h"

static int test_nr, failures;

static void result(bool good, const char *what, const char *detail)
{
	printf("%sok %d %s%s%s\n", good ? "" : "not ", ++test_nr, what,
	       *detail ? " # " : "", detail);
	fflush(stdout);
	failures += !good;
}

struct comparisons {
	int nr;
	long values;
	struct look *wrong;
};

static bool compare(struct comparisons *comparisons)
{
	struct look *look = at_rest();

	comparisons->nr++;
	comparisons->values += look->compared;
	if (look->wrong)
		comparisons->wrong = look;
	return !look->wrong;
}

static void report_counters(const struct comparisons *comparisons)
{
	const struct look *wrong = comparisons->wrong;

	if (wrong) {
		printf("# counters: %s\n", wrong->first);
		printf("# counters: %ld of %ld values differ, at comparison %d\n",
		       wrong->wrong, wrong->compared, comparisons->nr);
		result(false, "counters_at_rest", "");
		return;
	}
	printf("# %d comparisons at rest, %ld values, greatest difference 0\n",
	       comparisons->nr, comparisons->values);
	result(comparisons->nr > 0, "counters_at_rest", "");
}

#endif
