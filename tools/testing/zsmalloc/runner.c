// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * What all programs here have in common: mm/zsmalloc.c, the model, options and
 * a report. Each test runs in a child, so that one that fails, or that a
 * sanitizer stops, says so and leaves the others alone.
 */

#include "shared.h"

#include <getopt.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../mm/zsmalloc.c"
#include "../../../mm/zsmalloc_split.h"

/* A fuzzer is to look for ways through zsmalloc, not through its model. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

/* Included directly, like the tests, as they look at static functions. */
#include "shared.c"
#include "model.c"

#ifdef __clang__
#pragma clang attribute pop
#endif

struct test {
	const char *name;
	void (*fn)(void);
	const char *(*why_not)(void);	/* a reason to skip it, or NULL */
};

/* An option with a number. Lists of these and of tests end with an empty one. */
struct number {
	const char *name;
	unsigned long *value;
	const char *help;
};

static const struct number seed_number = { "seed", &seed, "of the random numbers" };

/* If not NULL, arguments are files for the tests, else names of tests. */
static char ***file_arguments;

/* abort(), by which everything here fails, is to print a backtrace. */
const char *__asan_default_options(void)
{
	return "handle_abort=1:abort_on_error=0:detect_leaks=1";
}

/* Called by the sanitizers when they stop the program. */
static void say_where(void)
{
	printf("# FAILED in operation %lu (%s), repeat with --seed %lu\n", operation,
	       operation_name, seed);
	fflush(stdout);
}

static void setup(void)
{
	unsigned int i;

	__sanitizer_set_death_callback(say_where);
	operation_name = "setup";
	seed_random(seed);
	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = test_random();
	init_pages();
	init_memcgs();
	expect(!zs_init());
}

static __noreturn void run_child(const struct test *test)
{
	setup();
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
		perror("cannot run a child");
		exit(EXIT_FAILURE);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static const struct test *find_test(const struct test *tests, const char *name)
{
	for (; tests->name; tests++)
		if (!strcmp(tests->name, name))
			return tests;
	return NULL;
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

static void print_number(FILE *out, const struct number *number)
{
	fprintf(out, "  --%-10s %s (%lu)\n", number->name, number->help, *number->value);
}

static void usage(FILE *out, const char *program, const struct test *tests,
		  const struct number *numbers)
{
	fprintf(out, "Usage: %s [OPTION N]... [%s]...\n", program,
		file_arguments ? "FILE" : "TEST");
	print_number(out, &seed_number);
	for (; numbers->name; numbers++)
		print_number(out, numbers);
	fprintf(out, "Tests:");
	for (; tests->name; tests++)
		fprintf(out, " %s", tests->name);
	fprintf(out, "\n");
}

static unsigned long parse_number(const char *program, const char *arg)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 0);
	if (errno || end == arg || *end || *arg == '-') {
		fprintf(stderr, "%s: not a number: %s\n", program, arg);
		exit(2);
	}
	return value;
}

/* Returns the rest of the arguments. */
static char **parse_args(const char *program, const struct test *tests,
			 const struct number *numbers, int argc, char **argv)
{
	struct option options[8] = {
		{ "help", no_argument, NULL, 'h' },
		{ "seed", required_argument, NULL, 0 },
	};
	int opt, i;

	for (i = 0; numbers[i].name; i++)
		options[2 + i] = (struct option){ numbers[i].name, required_argument,
						  NULL, 1 + i };
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'h' || opt == '?') {
			usage(opt == 'h' ? stdout : stderr, program, tests, numbers);
			exit(opt == 'h' ? EXIT_SUCCESS : 2);
		}
		*(opt ? &numbers[opt - 1] : &seed_number)->value =
			parse_number(program, optarg);
	}
	for (i = optind; !file_arguments && i < argc; i++) {
		if (!find_test(tests, argv[i])) {
			fprintf(stderr, "%s: no such test: %s\n", program, argv[i]);
			exit(2);
		}
	}
	return argv + optind;
}

/* Returns the status of the program. */
static int __maybe_unused run(const char *program, const struct test *tests,
			      const struct number *numbers, int argc, char **argv)
{
	char *no_names = NULL, **names = &no_names;
	char **arguments = parse_args(program, tests, numbers, argc, argv);
	int nr = 0, nr_failed = 0;
	const struct test *test;

	*(file_arguments ? file_arguments : &names) = arguments;
	for (test = tests; test->name; test++)
		nr += wanted(test, names);
	printf("TAP version 13\n1..%d\n", nr);
	printf("# %lu KiB pages, chains of %d, %d class bits, %s memory cgroups, seed %lu\n",
	       PAGE_SIZE / 1024, CONFIG_ZSMALLOC_CHAIN_SIZE, ZS_OBJ_CLASS_BITS,
	       IS_ENABLED(CONFIG_MEMCG) ? "with" : "without", seed);

	for (test = tests, nr = 0; test->name; test++) {
		const char *why_not = test->why_not ? test->why_not() : NULL;

		if (!wanted(test, names))
			continue;
		nr++;
		if (why_not) {
			printf("ok %d %s # SKIP %s\n", nr, test->name, why_not);
		} else if (run_test(test)) {
			printf("ok %d %s\n", nr, test->name);
		} else {
			printf("not ok %d %s\n", nr, test->name);
			nr_failed++;
		}
	}
	return nr_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
