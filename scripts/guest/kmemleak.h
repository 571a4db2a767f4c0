/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that nothing points to any more, as far as DEBUG_KMEMLEAK can tell. */
#ifndef GUEST_KMEMLEAK_H
#define GUEST_KMEMLEAK_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

static int tell_kmemleak(const char *word)
{
	int fd = open(KMEMLEAK, O_WRONLY), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, word, strlen(word)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* What the boot has left is not ours. */
static void forget_leaks(void)
{
	if (access(KMEMLEAK, F_OK))
		return;
	tell_kmemleak("scan");
	tell_kmemleak("clear");
}

/*
 * How many there are since forget_leaks(), each printed as a comment of TAP. Below
 * zero if kmemleak can't tell. Takes 18 seconds: what was allocated in the last 5 is
 * not looked at, and what one scan finds may have been on its way from one list to
 * another.
 */
static int find_leaks(void)
{
	int error = 0, leaks = 0;
	char line[256];
	FILE *file;

	for (int scans = 0; scans < 2 && !error; scans++) {
		sleep(6);
		error = tell_kmemleak("scan");
	}
	sleep(6);
	file = error ? NULL : fopen(KMEMLEAK, "r");
	if (!file) {
		printf("# kmemleak: scan: %s. It has switched itself off, the kernel log says why. "
		       "If it had no memory, raise DEBUG_KMEMLEAK_MEM_POOL_SIZE\n",
		       strerror(error ? error : errno));
		return -1;
	}
	while (fgets(line, sizeof(line), file)) {
		leaks += !strncmp(line, "unreferenced", 12);
		printf("# kmemleak: %s", line);
	}
	fclose(file);
	return leaks;
}

#endif
