// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * Runs mm/zsmalloc.c in userland against a model of what it should do. Each
 * test runs in a child, so that one that fails, or that a sanitizer stops,
 * says so and leaves the others alone.
 */

#include "shared.h"

#include <getopt.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../mm/zsmalloc.c"
#include "../../../mm/zsmalloc_split.h"

/* Included directly, like the tests, as they look at static functions. */
#include "shared.c"
#include "model.c"

#include "tests/alloc.c"
#include "tests/acct.c"
#include "tests/charge.c"
#include "tests/migrate.c"
#include "tests/stress.c"

static const struct test {
	const char *name;
	void (*fn)(void);
	bool needs_memcg;
} tests[] = {
	{ "bad_sizes",		test_bad_sizes },
	{ "plain",		test_plain },
	{ "read_sg",		test_read_sg },
	{ "split",		test_split },
	{ "every_size",		test_every_size },
	{ "shared_zspage",	test_shared_zspage },
	{ "plain_beside",	test_plain_beside },
	{ "disabled",		test_disabled,		true },
	{ "limit",		test_limit,		true },
	{ "nth",		test_nth },
	{ "create_pool",	test_create_pool },
	{ "page_moves",		test_page_moves },
	{ "compaction",		test_compaction },
	{ "compaction_locked",	test_compaction_locked },
	{ "shrinker",		test_shrinker },
	{ "reader",		test_reader },
	{ "deferred_free",	test_deferred_free },
	{ "free_isolated",	test_free_isolated },
	{ "stress",		test_stress },
	{ "stress_fail",	test_stress_fail },
	{ "stress_disabled",	test_stress_disabled,	true },
};

/* abort(), by which everything here fails, is to print a backtrace. */
const char *__asan_default_options(void)
{
	return "handle_abort=1:abort_on_error=0:detect_leaks=1";
}

/* Called by the sanitizers when they stop the program. */
static void say_where(void)
{
	printf("# FAILED in operation %lu (%s), repeat with --seed %llu\n", operation,
	       operation_name, (unsigned long long)seed);
	fflush(stdout);
}

static __noreturn void run_child(const struct test *test)
{
	unsigned int i;

	__sanitizer_set_death_callback(say_where);
	seed_random(seed);
	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = test_random();
	init_pages();
	init_memcgs();
	expect(!zs_init());
	operation_name = "setup";
	test->fn();
	zs_exit();
	fflush(stdout);
	exit(EXIT_SUCCESS);
}

static bool run_test(const struct test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		run_child(test);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("zsmalloc-test: cannot run a child");
		exit(EXIT_FAILURE);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool wanted(const struct test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, test->name))
			return true;
	return false;
}

static void usage(FILE *out)
{
	size_t i;

	fprintf(out, "Usage: zsmalloc-test [--ops N] [--seed N] [TEST]...\n"
		"  --ops N   operations of the stress tests (%lu)\n"
		"  --seed N  of the random numbers (%llu)\n"
		"Tests:", nr_operations, (unsigned long long)seed);
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		fprintf(out, " %s", tests[i].name);
	fprintf(out, "\n");
}

static __noreturn void bad_usage(const char *what, const char *arg)
{
	fprintf(stderr, "zsmalloc-test: %s: %s\n", what, arg);
	usage(stderr);
	exit(2);
}

static unsigned long long parse_number(const char *arg)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || *arg == '-')
		bad_usage("not a number", arg);
	return value;
}

static char **parse_args(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ops",	required_argument,	NULL, 'o' },
		{ "seed",	required_argument,	NULL, 's' },
		{ "help",	no_argument,		NULL, 'h' },
		{}
	};
	int opt, i;
	size_t t;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'o':
			nr_operations = parse_number(optarg);
			break;
		case 's':
			seed = parse_number(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			usage(stderr);
			exit(2);
		}
	}
	for (i = optind; i < argc; i++) {
		for (t = 0; t < ARRAY_SIZE(tests); t++)
			if (!strcmp(argv[i], tests[t].name))
				break;
		if (t == ARRAY_SIZE(tests))
			bad_usage("no such test", argv[i]);
	}
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **names = parse_args(argc, argv);
	int nr = 0, nr_failed = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tests); i++)
		nr += wanted(&tests[i], names);
	printf("TAP version 13\n1..%d\n", nr);
	printf("# %lu KiB pages, chains of %d, %d class bits, %s memory cgroups, seed %llu\n",
	       PAGE_SIZE / 1024, CONFIG_ZSMALLOC_CHAIN_SIZE, ZS_OBJ_CLASS_BITS,
	       IS_ENABLED(CONFIG_MEMCG) ? "with" : "without", (unsigned long long)seed);

	for (i = 0, nr = 0; i < ARRAY_SIZE(tests); i++) {
		const struct test *test = &tests[i];

		if (!wanted(test, names))
			continue;
		nr++;
		if (test->needs_memcg && !IS_ENABLED(CONFIG_MEMCG)) {
			printf("ok %d %s # SKIP without memory cgroups\n", nr, test->name);
		} else if (run_test(test)) {
			printf("ok %d %s\n", nr, test->name);
		} else {
			printf("not ok %d %s\n", nr, test->name);
			nr_failed++;
		}
	}
	return nr_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
