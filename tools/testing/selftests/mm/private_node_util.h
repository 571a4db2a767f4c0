/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A private node with an emulated device, as tests see it: files to write and
 * read.
 */
#ifndef __PRIVATE_NODE_UTIL_H
#define __PRIVATE_NODE_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_DRIVER	"/sys/bus/dax/drivers/private_dax"
#define PATH_NODES	"/sys/devices/system/node"
#define PATH_EMUL	"/sys/kernel/debug/private_emul"
#define PATH_EMUL_PARAM	"/sys/module/private_emul/parameters"

#define MIB		1048576UL
#define WAIT_SECONDS	20	/* for what takes a moment, on slow emulation */

/* ---- files ---- */

static inline int put(const char *path, const char *fmt, ...)
{
	char buf[128];
	va_list args;
	ssize_t done;
	int fd, len;

	va_start(args, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return -errno;
	done = write(fd, buf, len);
	len = done < 0 ? -errno : 0;
	close(fd);
	return len;
}

static inline int get(const char *path, char *buf, size_t size)
{
	ssize_t len = 0, done;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -errno;
	while (len < (ssize_t)size - 1) {
		done = read(fd, buf + len, size - 1 - len);
		if (done <= 0)
			break;
		len += done;
	}
	buf[len] = '\0';
	close(fd);
	return len;
}

/* The number after a word at the beginning of a line; without one, the first. */
static inline long number(const char *path, const char *word)
{
	static char buf[65536];
	char *line;

	if (get(path, buf, sizeof(buf)) < 0)
		return LONG_MIN;
	if (!word)
		return strtol(buf, NULL, 10);
	for (line = buf; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, word, strlen(word)))
			return strtol(line + strlen(word), NULL, 10);
	}
	return LONG_MIN;
}

/* ---- the node ---- */

struct pnode {
	char dev[NAME_MAX + 1];
	int nid;
	/* before the test */
	long lost, wrong, allocated;
};

static inline void path_of(char *path, struct pnode *node, const char *name)
{
	snprintf(path, PATH_MAX, "/sys/bus/dax/devices/%s/%s", node->dev, name);
}

static inline int set_state(struct pnode *node, const char *state)
{
	char path[PATH_MAX];

	path_of(path, node, "state");
	return put(path, "%s", state);
}

static inline int knob(struct pnode *node, const char *name, long value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_EMUL "/%d/%s", node->nid, name);
	return put(path, "%ld", value);
}

static inline long emul(struct pnode *node, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_EMUL "/%d/%s", node->nid, name);
	return number(path, NULL);
}

static inline long attr(struct pnode *node, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/private/%s", node->nid, name);
	return number(path, NULL);
}

static inline bool in_state(struct pnode *node, const char *state)
{
	char path[PATH_MAX], buf[32];

	snprintf(path, sizeof(path), PATH_NODES "/node%d/private/state", node->nid);
	if (get(path, buf, sizeof(buf)) < 0)
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return !strcmp(buf, state);
}

/* Evaluates an expression again until it is true. */
#define wait_for(_cond)							\
({									\
	int _tries = WAIT_SECONDS * 20;					\
									\
	while (!(_cond) && --_tries)					\
		usleep(50000);						\
	_tries > 0;							\
})

/* Stores begin when the device has said what it has room for. */
static inline bool online(struct pnode *node)
{
	if (set_state(node, "online"))
		return false;
	return wait_for(attr(node, "budget_bytes") > 0);
}

/* Return why there is no node that can be tested, or NULL. */
static inline const char *find_node(struct pnode *node)
{
	struct dirent *entry;
	char path[PATH_MAX];
	bool found = false;
	DIR *dir;

	if (access(PATH_EMUL, F_OK))
		return "no emulated device: DEV_DAX_PRIVATE_EMUL, or no debugfs";
	dir = opendir(PATH_DRIVER);
	while (dir && !found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, "dax", 3);
		if (found)
			strcpy(node->dev, entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (!found)
		return "no dax device is bound to private_dax";
	path_of(path, node, "target_node");
	node->nid = number(path, NULL);
	return NULL;
}

/* Whoever had the node loses it: it is empty, and for @use. */
static inline int take_node(struct pnode *node, const char *use)
{
	char path[PATH_MAX];

	path_of(path, node, "provider");
	return set_state(node, "unplugged") ?: put(path, "emul") ?:
	       put(PATH_EMUL_PARAM "/use", "%s", use);
}

#endif /* __PRIVATE_NODE_UTIL_H */
