// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * Runs mm/zsmalloc.c in userland, one operation after the other, against a
 * model of what it should do after each of them.
 */

#include "runner.c"

#include "tests/alloc.c"
#include "tests/acct.c"
#include "tests/batch.c"
#include "tests/charge.c"
#include "tests/migrate.c"
#include "tests/recount.c"
#include "tests/retire.c"
#include "tests/stress.c"

static const char *no_memcg(void)
{
	return IS_ENABLED(CONFIG_MEMCG) ? NULL : "without memory cgroups";
}

static const struct number numbers[] = {
	{ "ops",	&nr_operations,	"operations of the stress tests" },
	{}
};

static const struct test tests[] = {
	{ "bad_sizes",		test_bad_sizes },
	{ "plain",		test_plain },
	{ "read_sg",		test_read_sg },
	{ "split",		test_split },
	{ "every_size",		test_every_size },
	{ "shared_zspage",	test_shared_zspage },
	{ "free_many",		test_free_many },
	{ "plain_beside",	test_plain_beside },
	{ "disabled",		test_disabled,		no_memcg },
	{ "limit",		test_limit,		no_memcg },
	{ "nth",		test_nth },
	{ "create_pool",	test_create_pool },
	{ "batch_lengths",	test_batch_lengths },
	{ "batch_bad_sizes",	test_batch_bad_sizes },
	{ "batch_limit",	test_batch_limit,	no_memcg },
	{ "batch_nth",		test_batch_nth },
	{ "batch_moves",	test_batch_moves },
	{ "batch_compaction",	test_batch_compaction },
	{ "batch_cancel_moved",	test_batch_cancel_moved },
	{ "page_moves",		test_page_moves },
	{ "compaction",		test_compaction },
	{ "compaction_locked",	test_compaction_locked },
	{ "shrinker",		test_shrinker },
	{ "reader",		test_reader },
	{ "deferred_free",	test_deferred_free },
	{ "free_isolated",	test_free_isolated },
	{ "retire_bound",	test_retire_bound },
	{ "retire_burst",	test_retire_burst },
	{ "retire_kick",	test_retire_kick },
	{ "retire_idle",	test_retire_idle },
	{ "retire_locked",	test_retire_locked },
	{ "retire_shrinker",	test_retire_shrinker },
	{ "retire_alloc",	test_retire_alloc },
	{ "retire_file",	test_retire_file },
	{ "retire_destroy",	test_retire_destroy },
	{ "recount_file",	test_recount_file },
	{ "recount_nth",	test_recount_nth },
	{ "classes_file",	test_classes_file },
	{ "stress",		test_stress },
	{ "stress_fail",	test_stress_fail },
	{ "stress_disabled",	test_stress_disabled,	no_memcg },
	{}
};

int main(int argc, char **argv)
{
	return run("zsmalloc-test", tests, numbers, argc, argv);
}
