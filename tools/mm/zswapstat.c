// SPDX-License-Identifier: GPL-2.0
/*
 * zswapstat: which cgroup holds how much compressed memory on which node
 *
 * It reads memory.stat and memory.numa_stat of each cgroup, and what sysfs says of
 * the nodes. See zswapstat.8.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/compiler.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define MAX_NODES	1024	/* the kernel's: NODES_SHIFT is 10 at most */
#define MAX_TRIES	5	/* to read the same values of a cgroup twice */
#define MAX_INDENT	16	/* levels of the tree that rows are indented by */
#define RATIO_WIDTH	5
#define GAP		2	/* between groups of columns */
#define MIN_NAME_WIDTH	16	/* on a terminal, however narrow it is */
#define DEFAULT_DELAY	2.0	/* seconds: the kernel's own delay */
#define UNKNOWN		UINT64_MAX

#define PATH_NODES	"/sys/devices/system/node"
#define PATH_TIERS	"/sys/devices/virtual/memory_tiering"
#define PATH_ENABLED	"/sys/module/zswap/parameters/enabled"

enum item { COMPRESSED, ORIGINAL, NR_ITEMS };

static const char * const stat_names[] = { "zswap", "zswapped" };
static const char * const direct_names[] = { "zswap_direct", "zswapped_direct" };
static const char * const vmstat_names[] = { "nr_zswap", "nr_zswapped" };
static const char * const meminfo_names[] = { "Zswap", "Zswapped" };

struct amount {
	uint64_t bytes[NR_ITEMS];
};

static const struct amount unknown = { { UNKNOWN, UNKNOWN } };

/* What is on one node. */
struct share {
	uint64_t nid;
	struct amount amount;
};

/* Of a cgroup and those below it. Nodes without a share have nothing of it. */
struct usage {
	bool valid;		/* has been read */
	bool stable;		/* two reads have found the same */
	bool by_node;		/* so that there are shares */
	struct amount total;
	struct amount direct;	/* the part of it on private nodes */
	uint64_t incomp;
	struct share *share;	/* nodes in order */
	size_t nr_shares;
};

struct row {
	char *path;		/* below the root of cgroups, with a '/' in front */
	size_t depth;		/* below the first row */
	struct usage usage;
	int error;		/* why not all of it could be read */
	bool skipped;		/* is gone, or has no memory controller */
	size_t child;		/* index of the first one: all follow each other */
	size_t nr_children;
};

struct node {
	bool online;
	bool memory;
	bool private;		/* has private memory */
	bool seen;		/* in the statistics of a cgroup */
	int tier;		/* -1: none */
	struct amount counted;	/* by the node's own counters */
	uint64_t media_used;	/* by a device that compresses */
	uint64_t media_total;
	char *provider;
	char *use;
	char *state;
};

/* All that is shown at a time. */
struct sample {
	struct node node[MAX_NODES];
	struct amount counted;	/* of the machine */
	struct usage all;	/* what the root of cgroups has */
	struct row *row;	/* parents before children, the first one is the top */
	size_t nr_rows;
	size_t size_rows;
	size_t no_controller;
	int all_error;		/* why that of all could not be read */
	bool by_node;		/* what the kernel has */
	bool direct;
	bool by_counter;
	bool enabled;
};

enum sort_key { BY_NAME, BY_COMPRESSED, BY_ORIGINAL, BY_RATIO, BY_DIRECT, BY_NODE };

static struct {
	const char *root;	/* in front of all paths */
	const char *cgroup;
	size_t depth;
	uint64_t page_size;
	bool exact;
	bool json;
	enum sort_key sort;
	uint64_t sort_nid;
	bool watch;
	double delay;
	size_t width;		/* 0: as wide as it gets */
	bool width_given;
	bool colour;
} opt = {
	.root = "",
	.cgroup = "/",
	.depth = SIZE_MAX,
};

/* Where cgroup2 is mounted. */
static char *mount_point;

/* ---- memory and text ---- */

struct text {
	char *data;
	size_t len;
	size_t size;
};

static void leave_screen(void);

__noreturn __printf(2, 3)
static void die(int status, const char *fmt, ...)
{
	va_list args;

	leave_screen();
	va_start(args, fmt);
	fputs("zswapstat: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(status);
}

static void *resize(void *mem, size_t nr, size_t size)
{
	mem = reallocarray(mem, nr ? nr : 1, size);
	if (!mem)
		die(1, "out of memory");
	return mem;
}

static char *copy(const char *string)
{
	size_t size = strlen(string) + 1;

	return memcpy(resize(NULL, size, 1), string, size);
}

/* Room for @len bytes more, and the NUL behind them. */
static char *reserve(struct text *text, size_t len)
{
	if (text->size - text->len <= len) {
		text->size = 2 * (text->len + len + 1);
		text->data = resize(text->data, text->size, 1);
	}
	return text->data + text->len;
}

static void add_bytes(struct text *text, const char *bytes, size_t len)
{
	memcpy(reserve(text, len), bytes, len);
	text->len += len;
	text->data[text->len] = '\0';
}

static void add(struct text *text, const char *string)
{
	add_bytes(text, string, strlen(string));
}

static void add_spaces(struct text *text, size_t nr)
{
	memset(reserve(text, nr), ' ', nr);
	text->len += nr;
	text->data[text->len] = '\0';
}

__printf(2, 0)
static void add_args(struct text *text, const char *fmt, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		die(1, "cannot format: %s", strerror(errno));
	vsnprintf(reserve(text, len), len + 1, fmt, args);
	text->len += len;
}

__printf(2, 3)
static void addf(struct text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_args(text, fmt, args);
	va_end(args);
}

/*
 * The bytes of the code point at @string, or 0 if that is no UTF-8: too long a form,
 * a surrogate, more than there is.
 */
static size_t decode(const char *string, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)string;
	size_t len;

	if (s[0] < 0x80)
		len = 1;
	else if (s[0] >= 0xc0 && s[0] < 0xf8)
		len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	else
		return 0;

	*code = len == 1 ? s[0] : s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		/* The NUL at the end is no continuation either. */
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return len;
}

struct range {
	uint32_t first;
	uint32_t last;
};

static bool in_ranges(uint32_t code, const struct range *range, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (code >= range[i].first && code <= range[i].last)
			return true;
	return false;
}

/* What would move the cursor, turn the text around, or not be seen. */
static bool is_control(uint32_t code)
{
	static const struct range controls[] = {
		{ 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	return in_ranges(code, controls, ARRAY_SIZE(controls));
}

/* Columns of a terminal. A locale would know better, if there is one. */
static size_t columns_of(uint32_t code)
{
	static const struct range combining[] = {
		{ 0x300, 0x36f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
		{ 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
	};
	static const struct range wide[] = {
		{ 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf },
		{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f },
		{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
	};

	if (in_ranges(code, combining, ARRAY_SIZE(combining)))
		return 0;
	return in_ranges(code, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

/*
 * Add one character of @name as it can be shown: each byte of what cannot be is \xNN.
 * Return the columns it takes, and in @len its bytes in @name.
 */
static size_t add_visible(struct text *text, const char *name, size_t *len)
{
	uint32_t code;

	*len = decode(name, &code);
	if (*len && !is_control(code)) {
		add_bytes(text, name, *len);
		return columns_of(code);
	}
	*len = *len ? *len : 1;
	for (size_t i = 0; i < *len; i++)
		addf(text, "\\x%02x", (unsigned char)name[i]);
	return 4 * *len;
}

/* ---- files ---- */

/* The path of a file, with --root in front. It stays until the next call. */
__printf(1, 2)
static const char *at(const char *fmt, ...)
{
	static struct text path;
	va_list args;

	path.len = 0;
	add(&path, opt.root);
	va_start(args, fmt);
	add_args(&path, fmt, args);
	va_end(args);
	return path.data;
}

static ssize_t read_some(int fd, char *buf, size_t size)
{
	ssize_t nr;

	do {
		nr = read(fd, buf, size);
	} while (nr < 0 && errno == EINTR);
	return nr;
}

static int open_file(const char *path)
{
	int fd;

	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/*
 * What is in the file, until the next call, or NULL. The kernel makes all of a file
 * of statistics at the first read: what follows is the rest of the same values.
 */
static const char *read_file(const char *path)
{
	static struct text text;
	int fd = open_file(path), error;
	ssize_t nr;

	if (fd < 0)
		return NULL;
	text.len = 0;
	do {
		nr = read_some(fd, reserve(&text, 1 << 16), 1 << 16);
		if (nr > 0)
			text.len += nr;
	} while (nr > 0);
	error = errno;
	close(fd);
	errno = error;
	if (nr < 0)
		return NULL;
	text.data[text.len] = '\0';
	return text.data;
}

/* The first word of a file, or NULL if there is none. */
static char *read_word(const char *path)
{
	const char *text = read_file(path);
	size_t len = text ? strcspn(text, "\n ") : 0;
	char *word;

	if (!len)
		return NULL;
	word = resize(NULL, len + 1, 1);
	memcpy(word, text, len);
	word[len] = '\0';
	return word;
}

/* What follows @key in its line, or NULL. A line is "key value" or "key: value". */
static const char *find_key(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (strncmp(text, key, len) || (text[len] != ' ' && text[len] != ':')) {
		text = strchr(text, '\n');
		if (!text++)
			return NULL;
	}
	text += len + 1;
	return text + strspn(text, " ");
}

static bool parse_number(const char **pos, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)**pos))
		return false;
	errno = 0;
	*value = strtoull(*pos, &end, 10);
	*pos = end;
	return !errno;
}

static bool read_key(const char *text, const char *key, uint64_t *value)
{
	const char *pos = find_key(text, key);

	return pos && parse_number(&pos, value);
}

/* All items of @names, or none: they are of the same kernel. */
static struct amount read_amount(const char *text, const char * const *names, uint64_t unit)
{
	struct amount amount;

	for (int i = 0; i < NR_ITEMS; i++) {
		if (!read_key(text, names[i], &amount.bytes[i]))
			return unknown;
		amount.bytes[i] *= unit;
	}
	return amount;
}

static bool is_known(const struct amount *amount)
{
	return amount->bytes[COMPRESSED] != UNKNOWN || amount->bytes[ORIGINAL] != UNKNOWN;
}

static uint64_t read_number(const char *path)
{
	const char *text = read_file(path);
	uint64_t value;

	return text && parse_number(&text, &value) ? value : UNKNOWN;
}

/* ---- nodes ---- */

/* Call @set for each node of a list as "0-1,4". */
static void read_list(struct sample *sample, const char *path,
		      void (*set)(struct node *node, int value), int value)
{
	const char *pos = read_file(path);
	uint64_t first, last;

	while (pos && parse_number(&pos, &first)) {
		last = first;
		if (*pos == '-' && (pos++, !parse_number(&pos, &last)))
			return;
		for (; first <= last && first < MAX_NODES; first++)
			set(&sample->node[first], value);
		pos += *pos == ',';
	}
}

static void set_online(struct node *node, int value)
{
	node->online = value;
}

static void set_memory(struct node *node, int value)
{
	node->memory = value;
}

static void set_private(struct node *node, int value)
{
	node->private = value;
}

static void set_tier(struct node *node, int tier)
{
	node->tier = tier;
}

static void read_tiers(struct sample *sample)
{
	static const char prefix[] = "memory_tier";
	DIR *dir = opendir(at(PATH_TIERS));
	struct dirent *entry;
	uint64_t tier;

	/* There is none without CONFIG_NUMA. */
	while (dir && (entry = readdir(dir))) {
		const char *pos = entry->d_name + strlen(prefix);

		if (strncmp(entry->d_name, prefix, strlen(prefix)) ||
		    !parse_number(&pos, &tier) || *pos || tier > INT_MAX)
			continue;
		read_list(sample, at(PATH_TIERS "/%s/nodelist", entry->d_name), set_tier, tier);
	}
	if (dir)
		closedir(dir);
}

static void read_private(struct node *node, int nid)
{
	node->provider = read_word(at(PATH_NODES "/node%d/private/provider", nid));
	node->use = read_word(at(PATH_NODES "/node%d/private/use", nid));
	node->state = read_word(at(PATH_NODES "/node%d/private/state", nid));
	node->media_used = read_number(at(PATH_NODES "/node%d/private/media_used", nid));
	node->media_total = read_number(at(PATH_NODES "/node%d/private/media_total", nid));
}

static void read_nodes(struct sample *sample)
{
	for (int nid = 0; nid < MAX_NODES; nid++)
		sample->node[nid] = (struct node) {
			.tier = -1,
			.counted = unknown,
			.media_used = UNKNOWN,
			.media_total = UNKNOWN,
		};
	read_list(sample, at(PATH_NODES "/online"), set_online, true);
	read_list(sample, at(PATH_NODES "/has_memory"), set_memory, true);
	read_list(sample, at(PATH_NODES "/has_private_memory"), set_private, true);
	read_tiers(sample);
}

/* The counters of nodes, after those of cgroups that they are shown beside. */
static void read_counters(struct sample *sample)
{
	const char *text;

	for (int nid = 0; nid < MAX_NODES; nid++) {
		struct node *node = &sample->node[nid];

		if (!node->online && !node->memory && !node->private)
			continue;
		text = read_file(at(PATH_NODES "/node%d/vmstat", nid));
		if (text)
			node->counted = read_amount(text, vmstat_names, opt.page_size);
		if (node->private)
			read_private(node, nid);
	}

	sample->counted = unknown;
	text = read_file(at("/proc/vmstat"));
	if (text)
		sample->counted = read_amount(text, vmstat_names, opt.page_size);
	sample->by_counter = is_known(&sample->counted);
	if (sample->by_counter)
		return;
	text = read_file(at("/proc/meminfo"));
	if (text)
		sample->counted = read_amount(text, meminfo_names, 1024);
}

static bool is_shown(const struct node *node)
{
	return node->memory || node->private || node->seen;
}

/* ---- the cgroup file system ---- */

/* The next word of a line of /proc/mounts, with its escapes undone, or NULL. */
static char *next_word(char **pos)
{
	char *word = *pos, *to = word, *from = word;

	if (!*word || *word == '\n')
		return NULL;
	while (*from && *from != ' ' && *from != '\n') {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0');
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*pos = from + (*from == ' ');
	*to = '\0';
	return word;
}

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t len = strlen(word);

	while (*list) {
		size_t next = strcspn(list, separators);

		if (next == len && !strncmp(list, word, len))
			return true;
		list += next + !!list[next];
	}
	return false;
}

/* Return where the memory controller is on cgroup v1, if it is. */
static char *find_mounts(void)
{
	const char *text = read_file(at("/proc/self/mounts"));
	char *mounts, *line, *next, *v1 = NULL;

	if (!text)
		die(1, "/proc/self/mounts: %s. Mount proc there",
		    strerror(errno));
	mounts = copy(text);
	for (line = mounts; *line; line = next) {
		char *where, *type, *options;

		next = line + strcspn(line, "\n");
		next += *next == '\n';
		next_word(&line);
		where = next_word(&line);
		type = next_word(&line);
		options = next_word(&line);
		if (!options)
			continue;
		if (!strcmp(type, "cgroup2") &&
		    (!mount_point || !strcmp(where, "/sys/fs/cgroup"))) {
			free(mount_point);
			mount_point = copy(where);
		} else if (!strcmp(type, "cgroup") && !v1 && has_word(options, "memory", ",")) {
			v1 = copy(where);
		}
	}
	free(mounts);
	return v1;
}

static bool file_has_word(const char *path, const char *word)
{
	const char *text = read_file(path);

	return text && has_word(text, word, " \t\n");
}

/* The option may be there more than once, each time with a list. */
static bool is_disabled(void)
{
	static const char option[] = "cgroup_disable=", memory[] = "memory";
	const char *text = read_file(at("/proc/cmdline"));

	while (text && (text = strstr(text, option))) {
		size_t len;

		text += strlen(option);
		for (;; text += len + 1) {
			len = strcspn(text, " ,\n");
			if (len == strlen(memory) && !strncmp(text, memory, len))
				return true;
			if (text[len] != ',')
				break;
		}
	}
	return false;
}

/*
 * In a container, or where a part of the tree is mounted, what looks like the root of
 * cgroups is none. The root is the only cgroup without a type.
 */
static bool is_real_root(void)
{
	struct stat st;

	return stat(at("%s/cgroup.type", mount_point), &st);
}

/* Find where the statistics are, or say why there are none. */
static void find_cgroups(void)
{
	char *v1 = find_mounts();

	if (mount_point && file_has_word(at("%s/cgroup.controllers", mount_point), "memory")) {
		free(v1);
		return;
	}
	if (v1)
		die(1,
		    "%s: the memory controller is on cgroup v1, which has no statistics of zswap. Boot with cgroup_no_v1=memory, or with systemd.unified_cgroup_hierarchy=1",
		    v1);
	if (is_disabled())
		die(1,
		    "/proc/cmdline: the memory controller is switched off by cgroup_disable=memory. Boot without it");
	if (!mount_point && !file_has_word(at("/proc/filesystems"), "cgroup2"))
		die(1,
		    "/proc/filesystems: this kernel has no cgroup2. It takes CONFIG_CGROUPS and CONFIG_MEMCG");
	if (!mount_point)
		die(1,
		    "/proc/self/mounts: cgroup2 is not mounted. Mount it: mount -t cgroup2 none /sys/fs/cgroup");
	if (!is_real_root())
		die(1,
		    "%s/cgroup.controllers: the memory controller is not enabled for this cgroup, as in a container. Outside, write +memory to cgroup.subtree_control of its parent",
		    mount_point);
	die(1,
	    "%s/cgroup.controllers: this kernel has no memory controller. It takes CONFIG_MEMCG",
	    mount_point);
}

/* ---- what a cgroup has ---- */

enum outcome {
	READ_DONE,
	READ_GONE,		/* the cgroup does not exist any more */
	READ_NO_CONTROLLER,
	READ_FAILED,		/* as errno says */
};

/* "/" is the mount point itself. */
static const char *below(const char *cgroup)
{
	return strcmp(cgroup, "/") ? cgroup : "";
}

static enum outcome why_not_read(const char *cgroup)
{
	struct stat st;
	int error = errno;

	if (error == ENODEV)
		return READ_GONE;
	if (error != ENOENT) {
		errno = error;
		return READ_FAILED;
	}
	return stat(at("%s%s", mount_point, below(cgroup)), &st) ? READ_GONE : READ_NO_CONTROLLER;
}

/* Add one line of memory.numa_stat to @on_node. False if it is not what it should be. */
static bool parse_nodes(const char *pos, enum item item, struct amount *on_node, bool *seen)
{
	uint64_t nid, bytes;

	while (*pos && *pos != '\n') {
		pos += *pos == ' ';
		if (*pos++ != 'N' || !parse_number(&pos, &nid) || nid >= MAX_NODES ||
		    *pos++ != '=' || !parse_number(&pos, &bytes))
			return false;
		seen[nid] = true;
		on_node[nid].bytes[item] = bytes;
	}
	return true;
}

/* Keep what is not 0: with many nodes and cgroups, most of it is. */
static void set_shares(struct usage *usage, const struct amount *on_node)
{
	static const struct amount none;

	for (uint64_t nid = 0; nid < MAX_NODES; nid++) {
		if (!memcmp(&on_node[nid], &none, sizeof(none)))
			continue;
		usage->share = resize(usage->share, usage->nr_shares + 1, sizeof(*usage->share));
		usage->share[usage->nr_shares++] = (struct share) { nid, on_node[nid] };
	}
}

static enum outcome read_nodes_of(struct sample *sample, const char *cgroup, struct usage *usage)
{
	const char *text = read_file(at("%s%s/memory.numa_stat", mount_point, below(cgroup)));
	struct amount on_node[MAX_NODES] = {};
	bool seen[MAX_NODES] = {};

	if (!text) {
		enum outcome outcome = why_not_read(cgroup);

		/* A kernel without NUMA has no such file. */
		return outcome == READ_NO_CONTROLLER ? READ_DONE : outcome;
	}
	for (int i = 0; i < NR_ITEMS; i++) {
		const char *pos = find_key(text, stat_names[i]);

		if (!pos)
			return READ_DONE;
		if (!parse_nodes(pos, i, on_node, seen)) {
			errno = EBADMSG;
			return READ_FAILED;
		}
	}
	usage->by_node = true;
	sample->by_node = true;
	set_shares(usage, on_node);
	for (int nid = 0; nid < MAX_NODES; nid++)
		sample->node[nid].seen |= seen[nid];
	return READ_DONE;
}

/* The total first: that has the kernel bring the statistics up to date. */
static enum outcome read_once(struct sample *sample, const char *cgroup, struct usage *usage)
{
	const char *text = read_file(at("%s%s/memory.stat", mount_point, below(cgroup)));

	memset(usage, 0, sizeof(*usage));
	if (!text)
		return why_not_read(cgroup);
	usage->total = read_amount(text, stat_names, 1);
	usage->direct = read_amount(text, direct_names, 1);
	if (!read_key(text, "zswap_incomp", &usage->incomp))
		usage->incomp = UNKNOWN;
	if (!is_known(&usage->total)) {
		errno = ENODATA;
		return READ_FAILED;
	}
	usage->valid = true;
	sample->direct |= is_known(&usage->direct);
	return read_nodes_of(sample, cgroup, usage);
}

static bool same_amount(const struct amount *a, const struct amount *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool same_usage(const struct usage *a, const struct usage *b)
{
	return a->by_node == b->by_node && a->incomp == b->incomp &&
	       same_amount(&a->total, &b->total) && same_amount(&a->direct, &b->direct) &&
	       a->nr_shares == b->nr_shares &&
	       (!a->nr_shares ||
		!memcmp(a->share, b->share, a->nr_shares * sizeof(*a->share)));
}

/* Whether the nodes have what the total says. They are of two files. */
static bool adds_up(const struct usage *usage)
{
	struct amount sum = {};

	if (!usage->by_node)
		return true;
	for (size_t n = 0; n < usage->nr_shares; n++)
		for (int i = 0; i < NR_ITEMS; i++)
			sum.bytes[i] += usage->share[n].amount.bytes[i];
	return same_amount(&sum, &usage->total);
}

/* Read until two reads in a row have found the same, and it adds up. */
static enum outcome read_usage(struct sample *sample, const char *cgroup, struct usage *usage)
{
	enum outcome outcome = read_once(sample, cgroup, usage);
	int error = errno;

	for (int i = 1; i < MAX_TRIES && outcome == READ_DONE && !usage->stable; i++) {
		struct usage before = *usage;

		outcome = read_once(sample, cgroup, usage);
		error = errno;
		usage->stable = outcome == READ_DONE && same_usage(&before, usage) &&
				adds_up(usage);
		free(before.share);
	}
	if (outcome != READ_DONE) {
		free(usage->share);
		memset(usage, 0, sizeof(*usage));
	}
	errno = error;
	return outcome;
}

/* ---- the tree ---- */

static void add_row(struct sample *sample, char *path, size_t depth)
{
	if (sample->nr_rows == sample->size_rows) {
		sample->size_rows = 2 * sample->size_rows + 16;
		sample->row = resize(sample->row, sample->size_rows, sizeof(*sample->row));
	}
	sample->row[sample->nr_rows++] = (struct row) { .path = path, .depth = depth };
}

static bool is_directory(const char *cgroup, const struct dirent *entry)
{
	struct stat st;

	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return !lstat(at("%s%s/%s", mount_point, below(cgroup), entry->d_name), &st) &&
	       S_ISDIR(st.st_mode);
}

static void list_children(struct sample *sample, size_t parent)
{
	const char *cgroup = sample->row[parent].path;
	size_t depth = sample->row[parent].depth + 1;
	DIR *dir = opendir(at("%s%s", mount_point, below(cgroup)));
	struct dirent *entry;

	if (!dir) {
		if (why_not_read(cgroup) == READ_FAILED)
			sample->row[parent].error = errno;
		return;
	}
	sample->row[parent].child = sample->nr_rows;
	while ((entry = readdir(dir))) {
		struct text path = {};

		if (!is_directory(cgroup, entry))
			continue;
		addf(&path, "%s/%s", below(cgroup), entry->d_name);
		add_row(sample, path.data, depth);
		sample->row[parent].nr_children++;
	}
	closedir(dir);
}

static void read_row(struct sample *sample, size_t index)
{
	struct row *row = &sample->row[index];

	switch (read_usage(sample, row->path, &row->usage)) {
	case READ_GONE:
		row->skipped = true;
		return;
	case READ_NO_CONTROLLER:
		/* Then none below it has one. */
		row->skipped = true;
		sample->no_controller++;
		return;
	case READ_FAILED:
		row->error = errno;
		break;
	case READ_DONE:
		break;
	}
	if (row->depth < opt.depth)
		list_children(sample, index);
}

/* What cannot be shown without the first row. */
static void check_top(const struct sample *sample)
{
	const struct row *top = sample->row;
	const char *cgroup = below(top->path);

	if (top->skipped && sample->no_controller)
		die(1,
		    "%s%s/memory.stat: the cgroup has no memory controller. Enable it: write +memory to cgroup.subtree_control of its parent",
		    mount_point, cgroup);
	if (top->skipped)
		die(1, "%s%s: there is no such cgroup. Find its name: systemd-cgls, or ls %s",
		    mount_point, cgroup, mount_point);
	if (top->error && top->error != ENODATA && !top->usage.valid && !top->nr_children)
		die(1, "%s%s: its statistics cannot be read: %s%s", mount_point, cgroup,
		    strerror(top->error), top->error == EACCES ? ". Try as root" : "");
	if (top->error == ENODATA)
		die(1,
		    "%s%s/memory.stat: no zswap and zswapped in it. It takes Linux 5.19 with CONFIG_ZSWAP",
		    mount_point, cgroup);
}

static double ratio_of(const struct amount *amount);
static const struct amount *find_share(const struct usage *usage, uint64_t nid);

static double sort_value(const struct usage *usage)
{
	switch (opt.sort) {
	case BY_COMPRESSED:
		return usage->total.bytes[COMPRESSED];
	case BY_ORIGINAL:
		return usage->total.bytes[ORIGINAL];
	case BY_RATIO:
		return ratio_of(&usage->total);
	case BY_DIRECT:
		return is_known(&usage->direct) ? usage->direct.bytes[COMPRESSED] : 0;
	case BY_NODE:
		return find_share(usage, opt.sort_nid)->bytes[COMPRESSED];
	default:
		return 0;
	}
}

/* The most first; by name what has as much as another. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *rows[] = { a, b };
	double value[2];

	for (int i = 0; i < 2; i++)
		value[i] = rows[i]->usage.valid ? sort_value(&rows[i]->usage) : 0;
	if (value[0] != value[1])
		return value[0] > value[1] ? -1 : 1;
	return strcmp(rows[0]->path, rows[1]->path);
}

/* Siblings are side by side: each row's children keep where theirs are. */
static void sort_rows(struct sample *sample)
{
	for (size_t i = 0; i < sample->nr_rows; i++)
		if (sample->row[i].nr_children > 1)
			qsort(sample->row + sample->row[i].child, sample->row[i].nr_children,
			      sizeof(*sample->row), compare_rows);
}

/* Whether a row has, in all and on each node, what @nr rows below it have together. */
static bool holds(const struct usage *usage, const struct row *below, size_t nr)
{
	struct amount on_node[MAX_NODES] = {}, sum = {};

	for (size_t r = 0; r < nr; r++) {
		const struct usage *part = &below[r].usage;

		for (int i = 0; part->valid && i < NR_ITEMS; i++) {
			sum.bytes[i] += part->total.bytes[i];
			for (size_t n = 0; n < part->nr_shares; n++)
				on_node[part->share[n].nid].bytes[i] +=
					part->share[n].amount.bytes[i];
		}
	}
	for (int i = 0; i < NR_ITEMS; i++) {
		if (sum.bytes[i] > usage->total.bytes[i])
			return false;
		for (uint64_t nid = 0; usage->by_node && nid < MAX_NODES; nid++)
			if (on_node[nid].bytes[i] > find_share(usage, nid)->bytes[i])
				return false;
	}
	return true;
}

/* Rows are read one after the other: what has grown meanwhile shows up below only. */
static void check_rows(struct sample *sample)
{
	for (size_t i = 0; i < sample->nr_rows; i++) {
		struct row *row = &sample->row[i];

		if (row->usage.valid && row->nr_children)
			row->usage.stable &= holds(&row->usage, sample->row + row->child,
						   row->nr_children);
	}
	if (sample->all.valid)
		sample->all.stable &= holds(&sample->all, sample->row, 1);
}

/*
 * The root comes first. When the statistics of any cgroup are due to be brought up to
 * date, the root's are, and with them all others': rows are of the same moment then.
 */
static void take_sample(struct sample *sample)
{
	bool from_root = !strcmp(opt.cgroup, "/");

	memset(sample, 0, sizeof(*sample));
	read_nodes(sample);
	if (!from_root && read_usage(sample, "/", &sample->all) != READ_DONE)
		sample->all_error = errno;
	add_row(sample, copy(opt.cgroup), 0);
	for (size_t i = 0; i < sample->nr_rows; i++)
		read_row(sample, i);
	check_top(sample);
	check_rows(sample);
	/* The same values in both places. */
	if (from_root)
		sample->all = sample->row->usage;
	sort_rows(sample);
	read_counters(sample);
	sample->enabled = !file_has_word(at(PATH_ENABLED), "N");
}

static void free_sample(struct sample *sample)
{
	if (strcmp(opt.cgroup, "/"))
		free(sample->all.share);
	for (size_t i = 0; i < sample->nr_rows; i++) {
		free(sample->row[i].path);
		free(sample->row[i].usage.share);
	}
	free(sample->row);
	for (int nid = 0; nid < MAX_NODES; nid++) {
		free(sample->node[nid].provider);
		free(sample->node[nid].use);
		free(sample->node[nid].state);
	}
}

/* Rows as they are shown: each one followed by those below it. */
static void walk(const struct sample *sample, const struct row *row,
		 void (*visit)(const struct row *row, void *arg), void *arg)
{
	if (row->skipped)
		return;
	visit(row, arg);
	for (size_t i = 0; i < row->nr_children; i++)
		walk(sample, sample->row + row->child + i, visit, arg);
}

static const struct amount *find_share(const struct usage *usage, uint64_t nid)
{
	static const struct amount none;
	size_t first = 0, last = usage->nr_shares;

	while (first < last) {
		size_t middle = (first + last) / 2;

		if (usage->share[middle].nid == nid)
			return &usage->share[middle].amount;
		if (usage->share[middle].nid < nid)
			first = middle + 1;
		else
			last = middle;
	}
	return &none;
}

/* How many times less it is than it was. 0: not known. */
static double ratio_of(const struct amount *amount)
{
	const uint64_t *bytes = amount->bytes;

	if (bytes[COMPRESSED] == UNKNOWN || bytes[ORIGINAL] == UNKNOWN || !bytes[COMPRESSED])
		return 0;
	return (double)bytes[ORIGINAL] / bytes[COMPRESSED];
}

/* ---- what is missing ---- */

enum { MAX_NOTES = 8 };

struct notes {
	struct text text[MAX_NOTES];
	int nr;
};

__printf(2, 3)
static void note(struct notes *notes, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_args(&notes->text[notes->nr++], fmt, args);
	va_end(args);
}

struct tally {
	size_t unstable;
	size_t failed;
	int error;
};

static void count_row(const struct row *row, void *arg)
{
	struct tally *tally = arg;

	tally->unstable += row->usage.valid && !row->usage.stable;
	tally->failed += !!row->error;
	if (row->error)
		tally->error = row->error;
}

static void make_notes(const struct sample *sample, struct notes *notes)
{
	struct tally tally = {};

	memset(notes, 0, sizeof(*notes));
	walk(sample, sample->row, count_row, &tally);
	/* Of the root, if it is no row. */
	if (strcmp(opt.cgroup, "/")) {
		tally.unstable += sample->all.valid && !sample->all.stable;
		tally.failed += !!sample->all_error;
		if (sample->all_error)
			tally.error = sample->all_error;
	}
	if (tally.unstable)
		note(notes,
		     "%zu marked ~: changed while they were read, and may not add up",
		     tally.unstable);
	if (tally.failed)
		note(notes, "%zu marked !: could not be read in full (%s)",
		     tally.failed, strerror(tally.error));
	if (sample->no_controller)
		note(notes, "%zu not shown: without a memory controller, part of the row above",
		     sample->no_controller);
	if (sample->row->usage.valid && !sample->by_node)
		note(notes, "no zswap in memory.numa_stat: this kernel does not tell nodes apart");
	if (!sample->by_counter)
		note(notes,
		     "no nr_zswap in /proc/vmstat: this kernel does not count nodes, nor what the root itself has");
	if (!is_real_root())
		note(notes, "%s is not the root of cgroups: nodes count more than is shown here",
		     mount_point);
	if (!sample->enabled)
		note(notes, "%s: zswap is off, nothing is added to what is there",
		     PATH_ENABLED);
}

static void free_notes(struct notes *notes)
{
	for (int i = 0; i < notes->nr; i++)
		free(notes->text[i].data);
}

/* ---- the table ---- */

/* How the columns are arranged. Group 0 is of all nodes. */
struct layout {
	size_t name;		/* columns of the name */
	size_t indent;		/* levels that it is indented by */
	size_t bytes;		/* of an amount */
	bool original;		/* shown by node */
	bool ratio;		/* also */
	bool direct;		/* shown of all nodes */
	int nid[MAX_NODES];	/* that are shown: group 1 is of the first */
	int nr_nodes;
};

/* A line of the table. */
struct line {
	const char *label;
	size_t depth;
	char mark;
	const struct usage *usage;
};

struct table {
	struct text *text;
	struct layout *layout;
	int first;		/* groups side by side */
	int last;
};

enum style { PLAIN, BOLD, DIM, WARN };

/* Whether colours are wanted: see no-color.org. */
static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
	       term && strcmp(term, "dumb");
}

static void add_styled(struct text *text, enum style style, const char *string)
{
	static const char * const codes[] = {
		[PLAIN] = "", [BOLD] = "\033[1m", [DIM] = "\033[2m", [WARN] = "\033[33m",
	};

	if (opt.colour && style != PLAIN)
		addf(text, "%s%s\033[0m", codes[style], string);
	else
		add(text, string);
}

/* To the right of its column. */
static void add_cell(struct text *text, size_t width, enum style style, const char *string)
{
	size_t len = strlen(string);

	if (len < width)
		add_spaces(text, width - len);
	add_styled(text, style, string);
}

/* Three digits, or four before a unit of 1024. */
static void format_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double value = bytes;
	int unit = -1;

	if (bytes == UNKNOWN) {
		snprintf(buf, size, "-");
		return;
	}
	if (opt.exact || bytes < 1024) {
		snprintf(buf, size, "%ju", bytes);
		return;
	}
	/* 1023.5 is 1024 when it is rounded. */
	do {
		value /= 1024;
		unit++;
	} while (value >= 1023.5);
	snprintf(buf, size, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value,
		 units[unit]);
}

static void format_ratio(char *buf, size_t size, double ratio)
{
	if (!ratio)
		snprintf(buf, size, "-");
	else if (ratio < 9999.5)
		snprintf(buf, size, "%.*f", ratio < 99.995 ? 2 : ratio < 999.95 ? 1 : 0, ratio);
	else
		snprintf(buf, size, ">9999");
}

static size_t width_of(uint64_t bytes)
{
	char buf[32];

	format_bytes(buf, sizeof(buf), bytes);
	return strlen(buf);
}

static void add_amount_cell(const struct table *table, const struct line *line, uint64_t bytes)
{
	char buf[32] = "?";

	if (line->usage->valid)
		format_bytes(buf, sizeof(buf), bytes);
	add_cell(table->text, table->layout->bytes,
		 !line->usage->valid ? WARN : !bytes || bytes == UNKNOWN ? DIM : PLAIN, buf);
}

static void add_ratio_cell(const struct table *table, const struct line *line,
			   const struct amount *amount)
{
	double ratio = ratio_of(amount);
	char buf[32] = "?";

	if (line->usage->valid)
		format_ratio(buf, sizeof(buf), ratio);
	add(table->text, " ");
	add_cell(table->text, RATIO_WIDTH, !line->usage->valid ? WARN : ratio ? PLAIN : DIM, buf);
}

static const char *kind_of(const struct node *node, char *buf, size_t size)
{
	if (node->private)
		snprintf(buf, size, "private%s%s", node->state && strcmp(node->state, "open") ?
			 " " : "", node->state && strcmp(node->state, "open") ?
			 node->state : "");
	else if (node->tier >= 0)
		snprintf(buf, size, "tier %d", node->tier);
	else
		snprintf(buf, size, "no tier");
	return buf;
}

/* The columns that belong to a group, with a space between two of them. */
static size_t cells_width(const struct layout *layout, int group)
{
	size_t width = layout->bytes;

	if (!group || layout->original)
		width += 1 + layout->bytes;
	if (!group || layout->ratio)
		width += 1 + RATIO_WIDTH;
	if (!group && layout->direct)
		width += 1 + layout->bytes;
	return width;
}

/* At least what is needed for the two lines above them. */
static size_t group_width(const struct sample *sample, const struct layout *layout, int group)
{
	size_t width = cells_width(layout, group), title, kind;
	char buf[64];

	if (!group)
		return width;
	title = snprintf(buf, sizeof(buf), "node %d", layout->nid[group - 1]);
	kind = strlen(kind_of(&sample->node[layout->nid[group - 1]], buf, sizeof(buf)));
	title = title > kind ? title : kind;
	return title > width ? title : width;
}

/*
 * Add a label in its place in the tree. Levels below the last one that is indented
 * have their number in front. Return the columns.
 */
static size_t add_label(struct text *text, const struct layout *layout,
			const struct line *line)
{
	size_t start = text->len, columns, len;
	size_t cut = start;

	if (line->depth <= layout->indent) {
		add_spaces(text, 2 * line->depth);
	} else {
		add_spaces(text, 2 * layout->indent);
		addf(text, "[%zu] ", line->depth);
	}
	columns = text->len - start;
	for (const char *name = line->label; *name; name += len) {
		/* Where "..." fits behind */
		if (columns + 3 <= layout->name)
			cut = text->len;
		columns += add_visible(text, name, &len);
	}
	if (columns <= layout->name)
		return columns;

	/* What stays are whole characters, and they may be wide. */
	text->len = cut;
	add(text, "...");
	columns = 3;
	for (const char *pos = text->data + start; pos < text->data + cut; pos += len) {
		uint32_t code;

		len = decode(pos, &code);
		columns += columns_of(code);
	}
	return columns;
}

static void add_group(const struct table *table, const struct line *line, int group)
{
	const struct layout *layout = table->layout;
	const struct usage *usage = line->usage;
	const struct amount *amount = &usage->total;

	if (group)
		amount = usage->by_node ? find_share(usage, layout->nid[group - 1]) : &unknown;
	add_amount_cell(table, line, amount->bytes[COMPRESSED]);
	if (!group || layout->original) {
		add(table->text, " ");
		add_amount_cell(table, line, amount->bytes[ORIGINAL]);
	}
	if (!group || layout->ratio)
		add_ratio_cell(table, line, amount);
	if (!group && layout->direct) {
		add(table->text, " ");
		add_amount_cell(table, line, usage->direct.bytes[COMPRESSED]);
	}
}

static void add_line(const struct sample *sample, const struct table *table,
		     const struct line *line)
{
	const struct layout *layout = table->layout;
	struct text *text = table->text;
	size_t columns = add_label(text, layout, line);
	char mark[2] = { line->mark };

	add_spaces(text, layout->name - columns + 1);
	add_styled(text, WARN, mark);
	for (int group = table->first; group < table->last; group++) {
		add_spaces(text, GAP + group_width(sample, layout, group) -
			   cells_width(layout, group));
		add_group(table, line, group);
	}
	add(text, "\n");
}

enum heading { TITLE, KIND, UNITS };

static void format_heading(const struct sample *sample, const struct layout *layout,
			   enum heading heading, int group, char *buf, size_t size)
{
	int width = layout->bytes, nid = group ? layout->nid[group - 1] : -1, len;

	buf[0] = '\0';
	if (heading == TITLE && group)
		snprintf(buf, size, "node %d", nid);
	else if (heading == TITLE)
		snprintf(buf, size, "all nodes");
	else if (heading == KIND && group)
		kind_of(&sample->node[nid], buf, size);
	if (heading != UNITS)
		return;

	len = snprintf(buf, size, "%*s", width, "compr");
	if (!group || layout->original)
		len += snprintf(buf + len, size - len, " %*s", width, "orig");
	if (!group || layout->ratio)
		len += snprintf(buf + len, size - len, " %*s", RATIO_WIDTH, "ratio");
	if (!group && layout->direct)
		snprintf(buf + len, size - len, " %*s", width, "direct");
}

static void add_heading(const struct sample *sample, const struct table *table,
			enum heading heading)
{
	static const char cgroup[] = "cgroup";
	const struct layout *layout = table->layout;
	struct text line = {};

	if (heading == UNITS)
		add(&line, cgroup);
	add_spaces(&line, layout->name + 2 - line.len);
	for (int group = table->first; group < table->last; group++) {
		size_t width = group_width(sample, layout, group), len;
		char buf[128];

		format_heading(sample, layout, heading, group, buf, sizeof(buf));
		len = strlen(buf);
		add_spaces(&line, GAP + width - len);
		add(&line, buf);
	}
	/* The title of a group without a kind would leave spaces at the end. */
	while (line.len && line.data[line.len - 1] == ' ')
		line.data[--line.len] = '\0';
	add_styled(table->text, BOLD, line.data);
	add(table->text, "\n");
	free(line.data);
}

struct lines {
	struct line *line;
	size_t nr;
	size_t size;
	size_t nr_rows;		/* of these, that are cgroups */
};

static void append_line(struct lines *lines, struct line line)
{
	if (lines->nr == lines->size) {
		lines->size = 2 * lines->size + 16;
		lines->line = resize(lines->line, lines->size, sizeof(line));
	}
	lines->line[lines->nr++] = line;
}

static char mark_of(const struct usage *usage, int error)
{
	if (error || !usage->valid)
		return '!';
	return usage->stable ? ' ' : '~';
}

static void append_row(const struct row *row, void *lines)
{
	const char *name = row->depth ? strrchr(row->path, '/') + 1 : row->path;

	append_line(lines, (struct line) {
		.label = name,
		.depth = row->depth,
		.mark = mark_of(&row->usage, row->error),
		.usage = &row->usage,
	});
}

/*
 * What the nodes count themselves, or what devices say that is taken up of their media.
 * Of the media there is no total but the sum.
 */
static void make_node_usage(const struct sample *sample, const struct layout *layout,
			    struct usage *usage, bool media)
{
	memset(usage, 0, sizeof(*usage));
	usage->valid = true;
	usage->by_node = true;
	usage->total = media ? unknown : sample->counted;
	usage->direct = unknown;
	for (int n = 0; n < layout->nr_nodes; n++) {
		const struct node *node = &sample->node[layout->nid[n]];
		struct amount amount = media ? unknown : node->counted;

		if (media)
			amount.bytes[COMPRESSED] = node->media_used;
		usage->share = resize(usage->share, n + 1, sizeof(*usage->share));
		usage->share[usage->nr_shares++] = (struct share) { layout->nid[n], amount };
		if (!media || node->media_used == UNKNOWN)
			continue;
		if (usage->total.bytes[COMPRESSED] == UNKNOWN)
			usage->total.bytes[COMPRESSED] = 0;
		usage->total.bytes[COMPRESSED] += node->media_used;
	}
}

static void widen(size_t *width, const struct amount *amount)
{
	for (int i = 0; i < NR_ITEMS; i++) {
		size_t needed = width_of(amount->bytes[i]);

		if (*width < needed)
			*width = needed;
	}
}

static void measure(struct layout *layout, const struct lines *lines)
{
	size_t name = strlen("cgroup");
	struct text text = {};

	layout->indent = MAX_INDENT;
	layout->name = SIZE_MAX;
	layout->bytes = strlen("direct");
	for (size_t i = 0; i < lines->nr; i++) {
		const struct usage *usage = lines->line[i].usage;
		size_t columns = add_label(&text, layout, &lines->line[i]);

		text.len = 0;
		if (name < columns)
			name = columns;
		widen(&layout->bytes, &usage->total);
		widen(&layout->bytes, &usage->direct);
		for (size_t n = 0; n < usage->nr_shares; n++)
			widen(&layout->bytes, &usage->share[n].amount);
	}
	layout->name = name;
	free(text.data);
}

static size_t table_width(const struct sample *sample, const struct layout *layout,
			  int first, int last)
{
	size_t width = layout->name + 2;

	for (int group = first; group < last; group++)
		width += GAP + group_width(sample, layout, group);
	return width;
}

/*
 * All nodes side by side with less of each, rather than all of some. Names get what
 * is left, but at least a third, or lines of what they need.
 */
static void fit(const struct sample *sample, struct layout *layout)
{
	size_t needed = layout->name, least = opt.width / 3, width;
	int last = layout->nr_nodes + 1;

	if (!opt.width)
		return;
	if (least < MIN_NAME_WIDTH)
		least = MIN_NAME_WIDTH;
	if (layout->name > least)
		layout->name = least;
	if (table_width(sample, layout, 0, last) > opt.width)
		layout->ratio = false;
	if (table_width(sample, layout, 0, last) > opt.width)
		layout->original = false;
	width = table_width(sample, layout, 0, last);
	if (width < opt.width) {
		layout->name += opt.width - width;
		if (layout->name > needed)
			layout->name = needed;
	}
	if (layout->name < needed && layout->name / 4 < layout->indent)
		layout->indent = layout->name / 4;
}

/* Some groups of columns, of all lines. */
static void add_band(const struct sample *sample, const struct lines *lines,
		     const struct table *table)
{
	add_heading(sample, table, TITLE);
	if (table->last > 1)
		add_heading(sample, table, KIND);
	add_heading(sample, table, UNITS);
	for (size_t i = 0; i < lines->nr; i++) {
		if (i == lines->nr_rows)
			add(table->text, "\n");
		add_line(sample, table, &lines->line[i]);
	}
}

static void add_bands(struct text *text, const struct sample *sample,
		      const struct lines *lines, struct layout *layout)
{
	struct table table = { .text = text, .layout = layout };
	int end = layout->nr_nodes + 1;

	fit(sample, layout);
	for (; table.first < end; table.first = table.last) {
		/* One at least, even if that is too wide. */
		table.last = table.first + 1;
		while (table.last < end &&
		       (!opt.width || table_width(sample, layout, table.first,
						  table.last + 1) <= opt.width))
			table.last++;
		if (table.first)
			add(text, "\n");
		add_band(sample, lines, &table);
	}
}

static void add_table(struct text *text, const struct sample *sample)
{
	struct layout layout = { .original = true, .ratio = true };
	struct usage counted, media;
	struct lines lines = {};
	struct notes notes;
	bool devices = false;

	layout.direct = sample->direct;
	for (int nid = 0; sample->by_node && nid < MAX_NODES; nid++) {
		if (!is_shown(&sample->node[nid]))
			continue;
		layout.nid[layout.nr_nodes++] = nid;
		devices |= sample->node[nid].media_used != UNKNOWN;
	}
	make_node_usage(sample, &layout, &counted, false);
	make_node_usage(sample, &layout, &media, true);

	walk(sample, sample->row, append_row, &lines);
	lines.nr_rows = lines.nr;
	append_line(&lines, (struct line) {
		"all cgroups", 0, mark_of(&sample->all, 0), &sample->all
	});
	append_line(&lines, (struct line) { "node counters", 0, ' ', &counted });
	if (devices)
		append_line(&lines, (struct line) { "device media", 0, ' ', &media });
	measure(&layout, &lines);
	add_bands(text, sample, &lines, &layout);

	make_notes(sample, &notes);
	for (int i = 0; i < notes.nr; i++)
		addf(text, "%s%s\n", i ? "" : "\n", notes.text[i].data);
	free_notes(&notes);
	free(counted.share);
	free(media.share);
	free(lines.line);
}

/* ---- JSON ---- */

/* Bytes that are no UTF-8 cannot be in JSON: U+FFFD stands for each. */
static void add_string(struct text *text, const char *string)
{
	size_t len;

	add(text, "\"");
	for (; *string; string += len) {
		uint32_t code;

		len = decode(string, &code);
		if (!len) {
			add(text, "\\ufffd");
			len = 1;
		} else if (code == '"' || code == '\\') {
			addf(text, "\\%c", code);
		} else if (code < 0x20 || code == 0x7f) {
			addf(text, "\\u%04x", code);
		} else {
			add_bytes(text, string, len);
		}
	}
	add(text, "\"");
}

static void add_number(struct text *text, const char *name, uint64_t value)
{
	addf(text, "\"%s\":", name);
	if (value == UNKNOWN)
		add(text, "null");
	else
		addf(text, "%ju", value);
}

static void add_flag(struct text *text, const char *name, bool value)
{
	addf(text, "\"%s\":%s", name, value ? "true" : "false");
}

/* Both items, with what follows their names. */
static void add_amount(struct text *text, const char * const *names, const char *suffix,
		       const struct amount *amount)
{
	for (int i = 0; i < NR_ITEMS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s%s", names[i], suffix);
		add(text, i ? "," : "");
		add_number(text, name, amount->bytes[i]);
	}
}

static void add_usage(struct text *text, const struct usage *usage)
{
	double ratio = ratio_of(&usage->total);

	add_flag(text, "stable", usage->stable);
	add(text, ",");
	add_amount(text, stat_names, "", usage->valid ? &usage->total : &unknown);
	if (usage->valid && ratio)
		addf(text, ",\"ratio\":%.2f,", ratio);
	else
		add(text, ",\"ratio\":null,");
	add_number(text, "zswap_incomp", usage->valid ? usage->incomp : UNKNOWN);
	add(text, ",");
	add_amount(text, direct_names, "", usage->valid ? &usage->direct : &unknown);
	if (!usage->by_node) {
		add(text, ",\"nodes\":null");
		return;
	}
	add(text, ",\"nodes\":[");
	for (size_t n = 0; n < usage->nr_shares; n++) {
		addf(text, "%s{\"node\":%ju,", n ? "," : "", usage->share[n].nid);
		add_amount(text, stat_names, "", &usage->share[n].amount);
		add(text, "}");
	}
	add(text, "]");
}

static void add_json_row(const struct row *row, void *arg)
{
	struct text *text = arg;

	/* The first row is the only one of its depth. */
	add(text, row->depth ? ",\n{\"path\":" : "\n{\"path\":");
	add_string(text, row->path);
	addf(text, ",\"depth\":%zu,", row->depth);
	add(text, "\"error\":");
	if (row->error)
		add_string(text, strerror(row->error));
	else
		add(text, "null");
	add(text, ",");
	add_usage(text, &row->usage);
	add(text, "}");
}

static void add_word(struct text *text, const char *name, const char *word)
{
	addf(text, "\"%s\":", name);
	add_string(text, word ? word : "");
}

static void add_json_node(struct text *text, const struct node *node, int nid)
{
	addf(text, "{\"node\":%d,", nid);
	add_number(text, "tier", node->tier < 0 ? UNKNOWN : (uint64_t)node->tier);
	add(text, ",");
	add_flag(text, "memory", node->memory);
	add(text, ",");
	add_flag(text, "private", node->private);
	add(text, ",");
	add_amount(text, vmstat_names, "_bytes", &node->counted);
	if (node->private) {
		add(text, ",");
		add_word(text, "provider", node->provider);
		add(text, ",");
		add_word(text, "use", node->use);
		add(text, ",");
		add_word(text, "state", node->state);
		add(text, ",");
		add_number(text, "media_used", node->media_used);
		add(text, ",");
		add_number(text, "media_total", node->media_total);
	}
	add(text, "}");
}

/* A node and a cgroup each have a line of their own. */
static void add_json(struct text *text, const struct sample *sample)
{
	struct notes notes;
	bool first = true;

	add(text, "{\"format\":1,");
	add_number(text, "page_size", opt.page_size);
	add(text, ",");
	add_flag(text, "by_node", sample->by_node);
	add(text, ",");
	add_flag(text, "zswap_enabled", sample->enabled);
	add(text, ",\n\"nodes\":[");
	for (int nid = 0; nid < MAX_NODES; nid++) {
		const struct node *node = &sample->node[nid];

		if (!node->online && !is_shown(node))
			continue;
		add(text, first ? "\n" : ",\n");
		add_json_node(text, node, nid);
		first = false;
	}
	add(text, "],\n\"machine\":{");
	add_amount(text, vmstat_names, "_bytes", &sample->counted);
	add(text, "},\n\"all_cgroups\":{");
	add_usage(text, &sample->all);
	add(text, "},\n\"cgroups\":[");
	walk(sample, sample->row, add_json_row, text);
	add(text, "],\n\"notes\":[");
	make_notes(sample, &notes);
	for (int i = 0; i < notes.nr; i++) {
		add(text, i ? "," : "");
		add_string(text, notes.text[i].data);
	}
	free_notes(&notes);
	add(text, "]}\n");
}

/* ---- output ---- */

/* Of the terminal, if it is one. */
static struct winsize screen_size(void)
{
	struct winsize size = {};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		memset(&size, 0, sizeof(size));
	return size;
}

static void write_all(const char *data, size_t len)
{
	while (len) {
		ssize_t nr = write(STDOUT_FILENO, data, len);

		if (nr < 0 && errno == EINTR)
			continue;
		/* Nobody wants to hear that nobody listens. */
		if (nr < 0 && errno == EPIPE)
			exit(1);
		if (nr < 0)
			die(1, "standard output: %s", strerror(errno));
		data += nr;
		len -= nr;
	}
}

static void show(struct text *text)
{
	struct sample *sample = resize(NULL, 1, sizeof(*sample));

	take_sample(sample);
	if (opt.json)
		add_json(text, sample);
	else
		add_table(text, sample);
	free_sample(sample);
	free(sample);
}

/* ---- the terminal ---- */

static bool on_screen;

static void leave_screen(void)
{
	static const char codes[] = "\033[?7h\033[?25h\033[?1049l";

	if (!on_screen)
		return;
	on_screen = false;
	/* There is nothing to be done if that fails, too. */
	if (write(STDOUT_FILENO, codes, strlen(codes)) < 0)
		return;
}

/* A screen of its own, without the cursor. What is too wide is cut off. */
static void enter_screen(void)
{
	static const char codes[] = "\033[?1049h\033[?25l\033[?7l";

	on_screen = true;
	write_all(codes, strlen(codes));
}

/*
 * Lines over what is there, without clearing it first: nothing flickers. @rows is
 * how many there is room for.
 */
static void draw(const struct text *text, size_t rows)
{
	const char *line = text->data, *end;
	struct text frame = {};
	size_t nr = 0, left = 0;

	add(&frame, "\033[H");
	for (; (end = strchr(line, '\n')); line = end + 1) {
		if (++nr >= rows && rows) {
			left++;
			continue;
		}
		add_bytes(&frame, line, end - line);
		add(&frame, "\033[K\r\n");
	}
	if (left)
		addf(&frame, "(%zu more lines)\033[K", left);
	add(&frame, "\033[J");
	write_all(frame.data, frame.len);
	free(frame.data);
}

static void add_time(struct text *text)
{
	time_t now = time(NULL);
	char buf[32];

	strftime(buf, sizeof(buf), "%T", localtime(&now));
	addf(text, "zswapstat: every %g s, %s\n\n", opt.delay, buf);
}

static void show_again(bool screen)
{
	struct text text = {};

	if (screen) {
		struct winsize size = screen_size();

		if (!opt.width_given)
			opt.width = size.ws_col;
		add_time(&text);
		show(&text);
		draw(&text, size.ws_row);
	} else {
		show(&text);
		add(&text, opt.json ? "" : "\n");
		write_all(text.data, text.len);
	}
	free(text.data);
}

/* Stop as SIGTSTP does, with the terminal as it was. */
static void suspend(bool screen)
{
	sigset_t set;

	leave_screen();
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Here it goes on after SIGCONT. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (screen)
		enter_screen();
}

/* Until SIGINT or another signal to end, which waits while a sample is taken. */
static void watch(void)
{
	struct timespec delay = {
		.tv_sec = opt.delay,
		.tv_nsec = (opt.delay - (time_t)opt.delay) * 1000000000,
	};
	bool screen = isatty(STDOUT_FILENO) && !opt.json;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	atexit(leave_screen);
	if (screen)
		enter_screen();
	do {
		show_again(screen);
		do {
			sig = sigtimedwait(&set, NULL, &delay);
		} while (sig < 0 && errno == EINTR);
		if (sig == SIGTSTP)
			suspend(screen);
	} while (sig < 0 || sig == SIGWINCH || sig == SIGTSTP);
	leave_screen();
}

/* ---- options ---- */

static void print_help(void)
{
	static const char text[] =
		"zswapstat [OPTION]...\n"
		"\n"
		"Shows which cgroup holds how much compressed memory on which node.\n"
		"\n"
		"  -w, --watch[=SECONDS]  show it again and again, every 2 seconds if not given\n"
		"  -s, --sort=KEY         name (default), compressed, original, ratio, direct,\n"
		"                         or nodeN: compressed on node N; most first\n"
		"  -d, --depth=N          N levels below the first cgroup, 0: none\n"
		"  -c, --cgroup=PATH      begin with this cgroup instead of the root\n"
		"  -j, --json             in JSON, in bytes\n"
		"  -b, --bytes            exact numbers of bytes\n"
		"      --width=COLUMNS    as if on such a terminal, 0: as wide as it gets\n"
		"      --root=DIR         read DIR/sys and DIR/proc, for instance of another machine\n"
		"      --page-size=BYTES  of that machine\n"
		"  -h, --help\n"
		"  -V, --version\n";

	write_all(text, strlen(text));
}

__noreturn
static void usage_error(const char *option, const char *value, const char *expected)
{
	die(2, "--%s: '%s' is not %s. See zswapstat --help", option, value, expected);
}

static uint64_t number_of(const char *option, const char *value, uint64_t max)
{
	const char *pos = value;
	uint64_t number;

	if (!parse_number(&pos, &number) || *pos || number > max)
		usage_error(option, value, "a number, or it is too large");
	return number;
}

static double delay_of(const char *value)
{
	char *end;
	double delay = strtod(value, &end);

	if (end == value || *end || !(delay >= 0.05 && delay <= 1e6))
		usage_error("watch", value, "a number of seconds, 0.05 or more");
	return delay;
}

static void set_sort(const char *value)
{
	static const char * const keys[] = {
		[BY_NAME] = "name", [BY_COMPRESSED] = "compressed", [BY_ORIGINAL] = "original",
		[BY_RATIO] = "ratio", [BY_DIRECT] = "direct",
	};

	for (size_t key = 0; key < ARRAY_SIZE(keys); key++) {
		if (strcmp(value, keys[key]))
			continue;
		opt.sort = key;
		return;
	}
	if (strncmp(value, "node", 4))
		usage_error("sort", value, "name, compressed, original, ratio, direct or nodeN");
	opt.sort = BY_NODE;
	opt.sort_nid = number_of("sort", value + 4, MAX_NODES - 1);
}

/* As it is below the mount point: "/", "/a/b". */
static const char *cgroup_of(const char *path)
{
	size_t len = strlen(mount_point);
	struct text text = {};

	/* It may be the path of the directory. */
	if (!strncmp(path, mount_point, len) && (!path[len] || path[len] == '/'))
		path += len;
	while (*path) {
		size_t word = strcspn(path, "/");

		if (word == 2 && !strncmp(path, "..", 2))
			usage_error("cgroup", opt.cgroup, "a path without '..'");
		if (word && !(word == 1 && *path == '.')) {
			add(&text, "/");
			add_bytes(&text, path, word);
		}
		path += word + !!path[word];
	}
	return text.len ? text.data : "/";
}

static void parse_options(int argc, char **argv)
{
	enum { ROOT = 256, PAGE_SIZE, WIDTH };
	static const struct option options[] = {
		{ "watch", optional_argument, NULL, 'w' },
		{ "sort", required_argument, NULL, 's' },
		{ "width", required_argument, NULL, WIDTH },
		{ "depth", required_argument, NULL, 'd' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "root", required_argument, NULL, ROOT },
		{ "page-size", required_argument, NULL, PAGE_SIZE },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int c;

	opt.page_size = sysconf(_SC_PAGESIZE);
	opt.delay = DEFAULT_DELAY;
	while ((c = getopt_long(argc, argv, "w::s:d:c:jbhV", options, NULL)) != -1) {
		switch (c) {
		case 'w':
			opt.watch = true;
			if (optarg)
				opt.delay = delay_of(optarg);
			break;
		case 's':
			set_sort(optarg);
			break;
		case WIDTH:
			opt.width = number_of("width", optarg, 1 << 20);
			opt.width_given = true;
			break;
		case 'd':
			opt.depth = number_of("depth", optarg, SIZE_MAX);
			break;
		case 'c':
			opt.cgroup = optarg;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'b':
			opt.exact = true;
			break;
		case ROOT:
			opt.root = optarg;
			break;
		case PAGE_SIZE:
			opt.page_size = number_of("page-size", optarg, 1 << 30);
			if (!opt.page_size)
				usage_error("page-size", optarg, "a size");
			break;
		case 'h':
			print_help();
			exit(0);
		case 'V':
			write_all("zswapstat 1\n", strlen("zswapstat 1\n"));
			exit(0);
		default:
			die(2, "see zswapstat --help");
		}
	}
	if (optind < argc)
		die(2, "'%s' is not an option. See zswapstat --help", argv[optind]);
}

int main(int argc, char **argv)
{
	struct text text = {};

	parse_options(argc, argv);
	find_cgroups();
	opt.cgroup = cgroup_of(opt.cgroup);
	opt.colour = wants_colour();
	if (opt.watch) {
		watch();
		return 0;
	}
	if (!opt.width_given)
		opt.width = screen_size().ws_col;
	show(&text);
	write_all(text.data, text.len);
	free(text.data);
	free(mount_point);
	return 0;
}
