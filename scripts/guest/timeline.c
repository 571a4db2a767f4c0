// SPDX-License-Identifier: GPL-2.0
/*
 * timeline - what cgroups hold on each node, again and again
 *
 *	timeline MILLISECONDS GROUP...
 *
 * Every so many milliseconds it reads memory.numa_stat and memory.stat of the
 * cgroups and prints, in bytes, "at TIME GROUP COUNTER BYTES...", one for each
 * node. COUNTER is plain (memory as it is: anon and file), zswap or zswapped;
 * direct is the part of zswap on private nodes, of all nodes together.
 *
 * Each line on stdin begins a phase of that name: "phase TIME NAME". What has
 * changed by then is read first. Ends with its stdin.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdbool.h>

#include "measure.h"

#define CGROUPS	"/sys/fs/cgroup/"
#define NODES	8

static long begin;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000 - begin;
}

/* Adds what memory.numa_stat in @buffer has in row @row; the number of nodes. */
static int add_row(const char *row, unsigned long long *bytes)
{
	size_t len = strlen(row);
	char *line, *at;
	int nodes = 0;

	for (line = buffer; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, row, len) && line[len] == ' ')
			break;
	}
	if (!line)
		errx(1, "memory.numa_stat has no row %s", row);
	for (at = line + len; *at == ' ' && at[1] == 'N';) {
		int node = strtol(at + 2, &at, 10);

		if (*at != '=' || node >= NODES)
			errx(1, "memory.numa_stat: row %s is strange", row);
		bytes[node] += strtoull(at + 1, &at, 10);
		nodes = node + 1;
	}
	return nodes;
}

static void sample(const char *group)
{
	static const char * const rows[][3] = {
		{ "plain", "anon", "file" }, { "zswap", "zswap" }, { "zswapped", "zswapped" },
	};
	char path[256];
	long time = now();

	snprintf(path, sizeof(path), CGROUPS "%s/memory.numa_stat", group);
	if (access(path, R_OK))		/* not there yet, or gone */
		return;
	slurp(path);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned long long bytes[NODES] = {};
		int nodes = add_row(rows[i][1], bytes);

		if (rows[i][2])
			add_row(rows[i][2], bytes);
		printf("at %ld %s %s", time, group, rows[i][0]);
		for (int node = 0; node < nodes; node++)
			printf(" %llu", bytes[node]);
		printf("\n");
	}
	snprintf(path, sizeof(path), CGROUPS "%s/memory.stat", group);
	printf("at %ld %s direct %ld\n", time, group, field(path, "zswap_direct "));
}

int main(int argc, char **argv)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	long period, next = 0;
	char name[128];

	if (argc < 3 || (period = atol(argv[1])) < 1)
		errx(2, "usage: timeline MILLISECONDS GROUP...");
	begin = now();
	for (;;) {
		long wait = next - now();
		bool phase = poll(&input, 1, wait > 0 ? wait : 0) > 0;

		for (int i = 2; i < argc; i++)
			sample(argv[i]);
		next = now() + period;
		if (phase) {
			ssize_t len = read(STDIN_FILENO, name, sizeof(name) - 1);

			if (len <= 0)
				return 0;
			name[len] = 0;
			name[strcspn(name, "\n")] = 0;
			printf("phase %ld %s\n", now(), name);
		}
		fflush(stdout);
	}
}
