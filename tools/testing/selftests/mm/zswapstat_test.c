// SPDX-License-Identifier: GPL-2.0
/*
 * Test tools/mm/zswapstat: on files as kernels have them, which the test makes, as
 * any user; and against this kernel, as root.
 *
 * The program is the one beside the test, or that of the kernel tree, or what
 * ZSWAPSTAT in the environment says.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "cgroup_util.h"
#include "zswap_util.h"

#define MAX_ARGS	16
#define NOBODY		65534
#define CGROUPS		"sys/fs/cgroup"
#define NODES		"sys/devices/system/node"
#define PATH_ZSWAP	"/sys/module/zswap/parameters"
#define PATH_WALKS	PATH_ZSMALLOC "/zswap*/nodes"
#define PATH_DIRECT	"/sys/kernel/debug/zswap/direct_nodes"

/* What has become of the program. */
struct result {
	char out[1 << 20];
	char err[1 << 14];
	int status;		/* -signal if it was killed by one */
};

FIXTURE(zswapstat) {
	char dir[64];
	int program;
	struct result *result;
};

static int open_program(void)
{
	static const char * const places[] = { "zswapstat", "../../../mm/zswapstat" };
	const char *given = getenv("ZSWAPSTAT");
	char self[PATH_MAX] = {}, path[2 * PATH_MAX];
	int fd = -1;

	if (given)
		return open(given, O_RDONLY | O_CLOEXEC);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -1;
	dirname(self);
	for (size_t i = 0; i < ARRAY_SIZE(places) && fd < 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

/* ---- the files ---- */

static void make_directories(char *path)
{
	for (char *pos = path + 1; (pos = strchr(pos, '/')); pos++) {
		*pos = '\0';
		mkdir(path, 0755);
		*pos = '/';
	}
}

static void put_bytes(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	close(fd);
}

/* A file below the fixture's directory, with the directories above it. */
__printf(3, 4)
static void put(const char *dir, const char *name, const char *fmt, ...)
{
	char path[2 * PATH_MAX], *text;
	va_list args;
	int len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	make_directories(path);
	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	put_bytes(path, text, len);
	free(text);
}

struct on_node {
	int nid;
	unsigned long zswap;
	unsigned long zswapped;
};

/* What a cgroup has, node 1 being the private one. The last entry is no node. */
static void put_cgroup(const char *dir, const char *cgroup, const struct on_node *on)
{
	char zswap[1024] = "", zswapped[1024] = "", name[PATH_MAX];
	unsigned long total[2] = {}, direct[2] = {};
	size_t len[2] = {};

	for (; on->nid >= 0; on++) {
		len[0] += sprintf(zswap + len[0], " N%d=%lu", on->nid, on->zswap);
		len[1] += sprintf(zswapped + len[1], " N%d=%lu", on->nid, on->zswapped);
		total[0] += on->zswap;
		total[1] += on->zswapped;
		if (on->nid == 1) {
			direct[0] = on->zswap;
			direct[1] = on->zswapped;
		}
	}
	snprintf(name, sizeof(name), CGROUPS "%s/memory.stat", cgroup);
	put(dir, name,
	    "anon 77\nzswap %lu\nzswapped %lu\nzswap_incomp 4096\nzswap_direct %lu\nzswapped_direct %lu\nzswpin 5\n",
	    total[0], total[1], direct[0], direct[1]);
	snprintf(name, sizeof(name), CGROUPS "%s/memory.numa_stat", cgroup);
	put(dir, name, "anon N0=70 N1=7\nzswap%s\nzswapped%s\nslab_reclaimable N0=1 N1=2\n",
	    zswap, zswapped);
}

#define CGROUP(dir, name, ...) \
	put_cgroup(dir, name, (const struct on_node[]) { __VA_ARGS__, { .nid = -1 } })

static void put_node(const char *dir, int nid, long nr_zswap, long nr_zswapped)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), NODES "/node%d/vmstat", nid);
	put(dir, name, "nr_free_pages 1\nnr_zswap %ld\nnr_zswapped %ld\n", nr_zswap, nr_zswapped);
}

/* cgroup2, whatever there is on it. */
static void put_mount(const char *dir)
{
	put(dir, "proc/self/mounts",
	    "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n");
	put(dir, CGROUPS "/cgroup.controllers", "cpuset cpu io memory pids\n");
}

/* Node 0 has memory, node 1 compresses it. */
static void put_machine(const char *dir)
{
	put_mount(dir);
	put(dir, NODES "/online", "0-1\n");
	put(dir, NODES "/has_memory", "0\n");
	put(dir, NODES "/has_private_memory", "1\n");
	put(dir, NODES "/node1/private/provider", "emul\n");
	put(dir, NODES "/node1/private/use", "zswap\n");
	put(dir, NODES "/node1/private/state", "open\n");
	put(dir, NODES "/node1/private/media_used", "3145728\n");
	put(dir, NODES "/node1/private/media_total", "134217728\n");
	put(dir, "sys/devices/virtual/memory_tiering/memory_tier4/nodelist", "0\n");
	put(dir, "sys/devices/virtual/memory_tiering/uevent", "\n");
	put_node(dir, 0, 300, 1024);
	put_node(dir, 1, 1536, 1536);
	put(dir, "proc/vmstat", "nr_zswap 1836\nnr_zswapped 2560\n");
	put(dir, "sys/module/zswap/parameters/enabled", "Y\n");
	CGROUP(dir, "", { 0, 1200000, 4194304 }, { 1, 3145728, 6291456 });
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/* Those that nobody may look into, too. */
static int allow_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (S_ISDIR(st->st_mode))
		chmod(path, 0755);
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, allow_one, 16, FTW_PHYS);
	nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

/* ---- running it ---- */

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t len = pread(fd, buf, size - 1, 0);

	buf[len > 0 ? len : 0] = '\0';
	close(fd);
}

/* In the child: never returns. */
static void exec_program(int program, const char * const *args, bool drop)
{
	static char * const environment[] = { "TERM=xterm", NULL };

	if (drop && !geteuid() && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(126);
	fexecve(program, (char * const *)args, environment);
	_exit(127);
}

/* As nobody, whoever runs the test: what may not be read cannot be then. */
static void run(struct _test_data_zswapstat *self, const char * const *more)
{
	char root[128];
	const char *args[MAX_ARGS] = { "zswapstat", root, "--page-size=4096" };
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	int status;
	pid_t pid;

	snprintf(root, sizeof(root), "--root=%s", self->dir);
	for (int i = 0; more[i]; i++)
		args[3 + i] = more[i];
	pid = fork();
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		exec_program(self->program, args, true);
	}
	waitpid(pid, &status, 0);
	self->result->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	read_back(out, self->result->out, sizeof(self->result->out));
	read_back(err, self->result->err, sizeof(self->result->err));
}

#define RUN(...)	run(self, (const char * const []) { __VA_ARGS__, NULL })

/* It is that, and there is nothing else. */
#define EXPECT_OUTPUT(expected) do {					\
	EXPECT_EQ(0, self->result->status);				\
	EXPECT_STREQ("", self->result->err);				\
	EXPECT_STREQ(expected, self->result->out);			\
} while (0)

#define EXPECT_FAILURE(code, message) do {				\
	EXPECT_EQ(code, self->result->status);				\
	EXPECT_STREQ(message, self->result->err);			\
	EXPECT_STREQ("", self->result->out);				\
} while (0)

/* A line of output that begins like that, or "". It stays until the next call. */
static const char *line_of(const char *text, const char *begin)
{
	static char line[4096];
	const char *pos = text;

	while (strncmp(pos, begin, strlen(begin))) {
		pos = strchr(pos, '\n');
		if (!pos++)
			return "";
	}
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(pos, "\n"), pos);
	return line;
}

#define EXPECT_LINE(begin, expected)					\
	EXPECT_STREQ(expected, line_of(self->result->out, begin))

/* JSON as it can be written in C: with ' in place of ". It stays until the next but one. */
static const char *json(const char *text)
{
	static char bufs[2][1 << 16], *buf = bufs[0];
	size_t i;

	buf = buf == bufs[0] ? bufs[1] : bufs[0];
	for (i = 0; text[i]; i++)
		buf[i] = text[i] == '\'' ? '"' : text[i];
	buf[i] = '\0';
	return buf;
}

FIXTURE_SETUP(zswapstat)
{
	self->program = open_program();
	if (self->program < 0)
		SKIP(return, "no zswapstat: make -C tools/mm zswapstat");
	self->result = calloc(1, sizeof(*self->result));
	ASSERT_NE(NULL, self->result);
	strcpy(self->dir, "/tmp/zswapstat_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chmod(self->dir, 0755));
	umask(022);
	/* service managers start what they start with it ignored */
	signal(SIGPIPE, SIG_DFL);
}

FIXTURE_TEARDOWN(zswapstat)
{
	remove_tree(self->dir);
	close(self->program);
	free(self->result);
}

/* ---- on files that are made ---- */

static const char expected_table[] =
	"                                  all nodes               node 0               node 1\n"
	"                                                          tier 4              private\n"
	"cgroup            compr   orig ratio direct   compr   orig ratio   compr   orig ratio\n"
	"/                 4.14M  10.0M  2.41  3.00M   1.14M  4.00M  3.50   3.00M  6.00M  2.00\n"
	"  system          3.19M  6.19M  1.94  3.00M    195K   190K  0.97   3.00M  6.00M  2.00\n"
	"    db            1023K  2.00M  2.00  1023K       0      0     -   1023K  2.00M  2.00\n"
	"  web              977K  3.81M  4.00      0    977K  3.81M  4.00       0      0     -\n"
	"\n"
	"all cgroups       4.14M  10.0M  2.41  3.00M   1.14M  4.00M  3.50   3.00M  6.00M  2.00\n"
	"node counters     7.17M  10.0M  1.39      -   1.17M  4.00M  3.41   6.00M  6.00M  1.00\n"
	"device media      3.00M      -     -      -       -      -     -   3.00M      -     -\n";

static const char expected_table_json[] =
	"{'format':1,'page_size':4096,'by_node':true,'zswap_enabled':true,\n"
	"'nodes':[\n"
	"{'node':0,'tier':4,'memory':true,'private':false,'nr_zswap_bytes':1228800,'nr_zswapped_bytes':4194304},\n"
	"{'node':1,'tier':null,'memory':false,'private':true,'nr_zswap_bytes':6291456,'nr_zswapped_bytes':6291456,'provider':'emul','use':'zswap','state':'open','media_used':3145728,'media_total':134217728}],\n"
	"'machine':{'nr_zswap_bytes':7520256,'nr_zswapped_bytes':10485760},\n"
	"'all_cgroups':{'stable':true,'zswap':4345728,'zswapped':10485760,'ratio':2.41,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':1200000,'zswapped':4194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"'cgroups':[\n"
	"{'path':'/','depth':0,'error':null,'stable':true,'zswap':4345728,'zswapped':10485760,'ratio':2.41,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':1200000,'zswapped':4194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"{'path':'/system','depth':1,'error':null,'stable':true,'zswap':3345728,'zswapped':6485760,'ratio':1.94,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':200000,'zswapped':194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"{'path':'/system/db','depth':2,'error':null,'stable':true,'zswap':1047552,'zswapped':2097152,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':1047552,'zswapped_direct':2097152,'nodes':[{'node':1,'zswap':1047552,'zswapped':2097152}]},\n"
	"{'path':'/web','depth':1,'error':null,'stable':true,'zswap':1000000,'zswapped':4000000,'ratio':4.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1000000,'zswapped':4000000}]}],\n"
	"'notes':[]}\n";

TEST_F(zswapstat, table)
{
	put_machine(self->dir);
	CGROUP(self->dir, "/web", { 0, 1000000, 4000000 }, { 1, 0, 0 });
	CGROUP(self->dir, "/system", { 0, 200000, 194304 }, { 1, 3145728, 6291456 });
	CGROUP(self->dir, "/system/db", { 0, 0, 0 }, { 1, 1047552, 2097152 });
	RUN(NULL);
	EXPECT_OUTPUT(expected_table);
	RUN("--json");
	EXPECT_OUTPUT(json(expected_table_json));
}

static const char expected_selection[] =
	"                                        all nodes                   node 0                   node 1\n"
	"                                                                    tier 4                  private\n"
	"cgroup              compr     orig ratio   direct     compr     orig ratio     compr     orig ratio\n"
	"/a                   2000     4096  2.05        0      2000     4096  2.05         0        0     -\n"
	"  b                  1500     4096  2.73        0      1500     4096  2.73         0        0     -\n"
	"\n"
	"all cgroups       4345728 10485760  2.41  3145728   1200000  4194304  3.50   3145728  6291456  2.00\n"
	"node counters     7520256 10485760  1.39        -   1228800  4194304  3.41   6291456  6291456  1.00\n"
	"device media      3145728        -     -        -         -        -     -   3145728        -     -\n"
	"";

TEST_F(zswapstat, selection)
{
	put_machine(self->dir);
	CGROUP(self->dir, "/a", { 0, 2000, 4096 }, { 1, 0, 0 });
	CGROUP(self->dir, "/a/b", { 0, 1500, 4096 }, { 1, 0, 0 });
	CGROUP(self->dir, "/a/b/c", { 0, 1000, 4096 }, { 1, 0, 0 });
	RUN("--bytes", "--cgroup=//a/./", "--depth=1");
	EXPECT_OUTPUT(expected_selection);
	RUN("-b", "-c", "/sys/fs/cgroup/a/b/c", "-d", "0");
	EXPECT_LINE("/a/b/c",
		    "/a/b/c               1000     4096  4.10        0      1000     4096  4.10         0        0     -");
	EXPECT_LINE("/a ", "");
}

static const char expected_base[] =
	"                           all nodes\n"
	"cgroup            compr   orig ratio\n"
	"/                 1.81M  7.61M  4.20\n"
	"  x                 700  4.00K  5.85\n"
	"\n"
	"all cgroups       1.81M  7.61M  4.20\n"
	"node counters     1.86M  7.61M  4.09\n"
	"\n"
	"no zswap in memory.numa_stat: this kernel does not tell nodes apart\n"
	"no nr_zswap in /proc/vmstat: this kernel does not count nodes, nor what the root itself has\n"
	"/sys/module/zswap/parameters/enabled: zswap is off, nothing is added to what is there\n";

static const char expected_base_json[] =
	"{'format':1,'page_size':4096,'by_node':false,'zswap_enabled':false,\n"
	"'nodes':[\n"
	"{'node':0,'tier':null,'memory':true,'private':false,'nr_zswap_bytes':null,'nr_zswapped_bytes':null},\n"
	"{'node':1,'tier':null,'memory':true,'private':false,'nr_zswap_bytes':null,'nr_zswapped_bytes':null}],\n"
	"'machine':{'nr_zswap_bytes':1949696,'nr_zswapped_bytes':7979008},\n"
	"'all_cgroups':{'stable':true,'zswap':1900000,'zswapped':7979008,'ratio':4.20,'zswap_incomp':null,'zswap_direct':null,'zswapped_direct':null,'nodes':null},\n"
	"'cgroups':[\n"
	"{'path':'/','depth':0,'error':null,'stable':true,'zswap':1900000,'zswapped':7979008,'ratio':4.20,'zswap_incomp':null,'zswap_direct':null,'zswapped_direct':null,'nodes':null},\n"
	"{'path':'/x','depth':1,'error':null,'stable':true,'zswap':700,'zswapped':4096,'ratio':5.85,'zswap_incomp':null,'zswap_direct':null,'zswapped_direct':null,'nodes':null}],\n"
	"'notes':['no zswap in memory.numa_stat: this kernel does not tell nodes apart','no nr_zswap in /proc/vmstat: this kernel does not count nodes, nor what the root itself has','/sys/module/zswap/parameters/enabled: zswap is off, nothing is added to what is there']}\n"
	"";

/* What Linux had before: no nodes. */
TEST_F(zswapstat, without_series)
{
	put_mount(self->dir);
	put(self->dir, NODES "/online", "0-1\n");
	put(self->dir, NODES "/has_memory", "0-1\n");
	put(self->dir, NODES "/node0/vmstat", "nr_free_pages 1\n");
	put(self->dir, "proc/vmstat", "nr_free_pages 2\nzswpin 5\n");
	put(self->dir, "proc/meminfo", "Zswap:   1904 kB\nZswapped:   7792 kB\n");
	put(self->dir, "sys/module/zswap/parameters/enabled", "N\n");
	put(self->dir, CGROUPS "/memory.stat", "anon 1\nzswap 1900000\nzswapped 7979008\n");
	put(self->dir, CGROUPS "/memory.numa_stat", "anon N0=1 N1=0\n");
	put(self->dir, CGROUPS "/x/memory.stat", "anon 1\nzswap 700\nzswapped 4096\n");
	put(self->dir, CGROUPS "/x/memory.numa_stat", "anon N0=1 N1=0\n");
	RUN(NULL);
	EXPECT_OUTPUT(expected_base);
	RUN("--json");
	EXPECT_OUTPUT(json(expected_base_json));

	/* Nor does a kernel without NUMA have such a file. */
	EXPECT_EQ(0, unlink(strcat(strcpy((char [PATH_MAX]) {}, self->dir),
				   "/" CGROUPS "/memory.numa_stat")));
	RUN(NULL);
	EXPECT_LINE("/ ", "/                 1.81M  7.61M  4.20");
}

/* Where there is nothing to show: what, why, and what to do. */
TEST_F(zswapstat, nothing_to_show)
{
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /proc/self/mounts: No such file or directory. Mount proc there\n");

	put(self->dir, "proc/self/mounts", "proc /proc proc rw 0 0\n");
	put(self->dir, "proc/filesystems", "nodev\tproc\nnodev\tcgroup\n\text4\n");
	RUN("--json");
	EXPECT_FAILURE(1,
		       "zswapstat: /proc/filesystems: this kernel has no cgroup2. It takes CONFIG_CGROUPS and CONFIG_MEMCG\n");

	put(self->dir, "proc/filesystems", "nodev\tproc\nnodev\tcgroup2\n\text4\n");
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /proc/self/mounts: cgroup2 is not mounted. Mount it: mount -t cgroup2 none /sys/fs/cgroup\n");

	put(self->dir, "proc/cmdline", "cgroup_disable=cpu,io cgroup_disable=pids,memory quiet\n");
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /proc/cmdline: the memory controller is switched off by cgroup_disable=memory. Boot without it\n");

	put(self->dir, "proc/cmdline", "cgroup_disable=memory_of_old,io memory cgroup_disable=\n");
	put(self->dir, "proc/self/mounts",
	    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/memo\\040ry cgroup rw,memory 0 0\n");
	put(self->dir, CGROUPS "/unified/cgroup.controllers", "cpu pids\n");
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/memo ry: the memory controller is on cgroup v1, which has no statistics of zswap. Boot with cgroup_no_v1=memory, or with systemd.unified_cgroup_hierarchy=1\n");

	put(self->dir, "proc/self/mounts", "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/unified/cgroup.controllers: this kernel has no memory controller. It takes CONFIG_MEMCG\n");

	put(self->dir, CGROUPS "/unified/cgroup.type", "domain\n");
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/unified/cgroup.controllers: the memory controller is not enabled for this cgroup, as in a container. Outside, write +memory to cgroup.subtree_control of its parent\n");

	put_mount(self->dir);
	put(self->dir, CGROUPS "/memory.stat", "anon 1\nzswapfoo 5\n");
	RUN(NULL);
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/memory.stat: no zswap and zswapped in it. It takes Linux 5.19 with CONFIG_ZSWAP\n");

	RUN("--cgroup=/nope");
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/nope: there is no such cgroup. Find its name: systemd-cgls, or ls /sys/fs/cgroup\n");

	put(self->dir, CGROUPS "/bare/cgroup.procs", "\n");
	RUN("--cgroup=bare");
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/bare/memory.stat: the cgroup has no memory controller. Enable it: write +memory to cgroup.subtree_control of its parent\n");
}

static const char expected_names[] =
	"                                               all nodes               node 0               node 1\n"
	"                                                                       tier 4              private\n"
	"cgroup                         compr   orig ratio direct   compr   orig ratio   compr   orig ratio\n"
	"/                              4.14M  10.0M  2.41  3.00M   1.14M  4.00M  3.50   3.00M  6.00M  2.00\n"
	"  gr\303\274n \346\274\242\345\255\227                        1      2  2.00      0       1      2  2.00       0      0     -\n"
	"  line\\x0abreak\\x1b[2J             1      2  2.00      0       1      2  2.00       0      0     -\n"
	"  with space                       1      2  2.00      0       1      2  2.00       0      0     -\n"
	"  \\xe2\\x80\\xaequot\"back\\           1      2  2.00      0       1      2  2.00       0      0     -\n"
	"  \\xff\\xc0\\xaf\\xed\\xa0\\x80         1      2  2.00      0       1      2  2.00       0      0     -\n"
	"\n"
	"all cgroups                    4.14M  10.0M  2.41  3.00M   1.14M  4.00M  3.50   3.00M  6.00M  2.00\n"
	"node counters                  7.17M  10.0M  1.39      -   1.17M  4.00M  3.41   6.00M  6.00M  1.00\n"
	"device media                   3.00M      -     -      -       -      -     -   3.00M      -     -\n"
	"";

static const char expected_names_json[] =
	"{'format':1,'page_size':4096,'by_node':true,'zswap_enabled':true,\n"
	"'nodes':[\n"
	"{'node':0,'tier':4,'memory':true,'private':false,'nr_zswap_bytes':1228800,'nr_zswapped_bytes':4194304},\n"
	"{'node':1,'tier':null,'memory':false,'private':true,'nr_zswap_bytes':6291456,'nr_zswapped_bytes':6291456,'provider':'emul','use':'zswap','state':'open','media_used':3145728,'media_total':134217728}],\n"
	"'machine':{'nr_zswap_bytes':7520256,'nr_zswapped_bytes':10485760},\n"
	"'all_cgroups':{'stable':true,'zswap':4345728,'zswapped':10485760,'ratio':2.41,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':1200000,'zswapped':4194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"'cgroups':[\n"
	"{'path':'/','depth':0,'error':null,'stable':true,'zswap':4345728,'zswapped':10485760,'ratio':2.41,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':1200000,'zswapped':4194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"{'path':'/gr\303\274n \346\274\242\345\255\227','depth':1,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]},\n"
	"{'path':'/line\\u000abreak\\u001b[2J','depth':1,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]},\n"
	"{'path':'/with space','depth':1,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]},\n"
	"{'path':'/\342\200\256quot\\\"back\\\\\",'depth':1,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]},\n"
	"{'path':'/\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd','depth':1,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]}],\n"
	"'notes':[]}\n";

TEST_F(zswapstat, odd_names)
{
	put_machine(self->dir);
	CGROUP(self->dir, "/with space", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/line\nbreak\033[2J", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/gr\xc3\xbcn \xe6\xbc\xa2\xe5\xad\x97", { 0, 1, 2 }, { 1, 0, 0 });
	/* Bytes that are nothing, too long a form, a surrogate; the text turned around */
	CGROUP(self->dir, "/\xff\xc0\xaf\xed\xa0\x80", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/\xe2\x80\xaequot\"back\\", { 0, 1, 2 }, { 1, 0, 0 });
	RUN(NULL);
	EXPECT_OUTPUT(expected_names);
	RUN("--json");
	EXPECT_OUTPUT(json(expected_names_json));
}

/* Deeper than what is indented, and than what fits. */
TEST_F(zswapstat, deep_tree)
{
	char cgroup[1024] = "", begin[64];

	put_machine(self->dir);
	for (int i = 1; i <= 40; i++) {
		sprintf(cgroup + strlen(cgroup), "/level%d", i);
		CGROUP(self->dir, cgroup, { 0, 1000 - i, 4096 }, { 1, 0, 0 });
	}
	RUN(NULL);
	EXPECT_EQ(0, self->result->status);
	for (int i = 1; i <= 40; i++) {
		if (i <= 16)
			sprintf(begin, "%*slevel%d ", 2 * i, "", i);
		else
			sprintf(begin, "%32s[%d] level%d ", "", i, i);
		EXPECT_STRNE("", line_of(self->result->out, begin));
	}
	RUN("--depth=40", "--width=80");
	EXPECT_LINE("                level8 ",
		    "                level8                  992  4.00K  4.13      0     992        0");
	EXPECT_LINE("                [9] level9 ",
		    "                [9] level9              991  4.00K  4.13      0     991        0");
	EXPECT_LINE("                [40] level40 ",
		    "                [40] level40            960  4.00K  4.27      0     960        0");
}

static const char expected_sparse[] =
	"                                  all nodes               node 0               node 1               node 7            node 1023\n"
	"                                                          tier 4       private closed              tier 22              tier 22\n"
	"cgroup            compr   orig ratio direct   compr   orig ratio   compr   orig ratio   compr   orig ratio   compr   orig ratio\n"
	"/                 8.00E  8.00E  1.00  1023K    1023  1.00K  1.00   1023K  1.00M  1.00   9.99K   100K 10.00   8.00E  8.00E  1.00\n"
	"\n"
	"all cgroups       8.00E  8.00E  1.00  1023K    1023  1.00K  1.00   1023K  1.00M  1.00   9.99K   100K 10.00   8.00E  8.00E  1.00\n"
	"node counters     7.17M  10.0M  1.39      -   1.17M  4.00M  3.41   6.00M  6.00M  1.00       0      0     -   4.00P  8.00P  2.00\n"
	"device media      3.00M      -     -      -       -      -     -   3.00M      -     -       -      -     -       -      -     -\n"
	"";

static const char expected_sparse_json[] =
	"{'format':1,'page_size':4096,'by_node':true,'zswap_enabled':true,\n"
	"'nodes':[\n"
	"{'node':0,'tier':4,'memory':true,'private':false,'nr_zswap_bytes':1228800,'nr_zswapped_bytes':4194304},\n"
	"{'node':1,'tier':null,'memory':false,'private':true,'nr_zswap_bytes':6291456,'nr_zswapped_bytes':6291456,'provider':'emul','use':'zswap','state':'closed','media_used':3145728,'media_total':134217728},\n"
	"{'node':7,'tier':22,'memory':true,'private':false,'nr_zswap_bytes':0,'nr_zswapped_bytes':0},\n"
	"{'node':9,'tier':null,'memory':false,'private':false,'nr_zswap_bytes':0,'nr_zswapped_bytes':0},\n"
	"{'node':1023,'tier':22,'memory':true,'private':false,'nr_zswap_bytes':4503599627370496,'nr_zswapped_bytes':9007199254740992}],\n"
	"'machine':{'nr_zswap_bytes':7520256,'nr_zswapped_bytes':10485760},\n"
	"'all_cgroups':{'stable':true,'zswap':9223372036855834616,'zswapped':9223372036855927244,'ratio':1.00,'zswap_incomp':4096,'zswap_direct':1047552,'zswapped_direct':1048064,'nodes':[{'node':0,'zswap':1023,'zswapped':1024},{'node':1,'zswap':1047552,'zswapped':1048064},{'node':7,'zswap':10234,'zswapped':102349},{'node':1023,'zswap':9223372036854775807,'zswapped':9223372036854775807}]},\n"
	"'cgroups':[\n"
	"{'path':'/','depth':0,'error':null,'stable':true,'zswap':9223372036855834616,'zswapped':9223372036855927244,'ratio':1.00,'zswap_incomp':4096,'zswap_direct':1047552,'zswapped_direct':1048064,'nodes':[{'node':0,'zswap':1023,'zswapped':1024},{'node':1,'zswap':1047552,'zswapped':1048064},{'node':7,'zswap':10234,'zswapped':102349},{'node':1023,'zswap':9223372036854775807,'zswapped':9223372036854775807}]}],\n"
	"'notes':[]}\n";

/* Nodes that are not there, without memory, closed; all that 64 bits hold. */
TEST_F(zswapstat, sparse_nodes)
{
	put_machine(self->dir);
	put(self->dir, NODES "/online", "0-1,7,9,1023\n");
	put(self->dir, NODES "/has_memory", "0,7,1023\n");
	put(self->dir, NODES "/node1/private/state", "closed\n");
	put_node(self->dir, 7, 0, 0);
	put_node(self->dir, 9, 0, 0);
	put_node(self->dir, 1023, 1099511627776, 2199023255552);
	put(self->dir, "sys/devices/virtual/memory_tiering/memory_tier22/nodelist", "7,1023\n");
	CGROUP(self->dir, "", { 0, 1023, 1024 }, { 1, 1023 << 10, 1048064 }, { 7, 10234, 102349 },
	       { 1023, 9223372036854775807, 9223372036854775807 });
	RUN(NULL);
	EXPECT_OUTPUT(expected_sparse);
	RUN("--json");
	EXPECT_OUTPUT(json(expected_sparse_json));
}

static const char expected_unreadable[] =
	"                                  all nodes               node 0               node 1\n"
	"                                                          tier 4              private\n"
	"cgroup            compr   orig ratio direct   compr   orig ratio   compr   orig ratio\n"
	"/                 4.14M  10.0M  2.41  3.00M   1.14M  4.00M  3.50   3.00M  6.00M  2.00\n"
	"  open                1      2  2.00      0       1      2  2.00       0      0     -\n"
	"  shut        !       ?      ?     ?      ?       ?      ?     ?       ?      ?     ?\n"
	"  stat        !       ?      ?     ?      ?       ?      ?     ?       ?      ?     ?\n"
	"    below             1      2  2.00      0       1      2  2.00       0      0     -\n"
	"  unlisted    !       1      2  2.00      0       1      2  2.00       0      0     -\n"
	"\n"
	"all cgroups       4.14M  10.0M  2.41  3.00M   1.14M  4.00M  3.50   3.00M  6.00M  2.00\n"
	"node counters     7.17M  10.0M  1.39      -   1.17M  4.00M  3.41   6.00M  6.00M  1.00\n"
	"device media      3.00M      -     -      -       -      -     -   3.00M      -     -\n"
	"\n"
	"3 marked !: could not be read in full (Permission denied)\n";

static const char expected_unreadable_json[] =
	"{'format':1,'page_size':4096,'by_node':true,'zswap_enabled':true,\n"
	"'nodes':[\n"
	"{'node':0,'tier':4,'memory':true,'private':false,'nr_zswap_bytes':1228800,'nr_zswapped_bytes':4194304},\n"
	"{'node':1,'tier':null,'memory':false,'private':true,'nr_zswap_bytes':6291456,'nr_zswapped_bytes':6291456,'provider':'emul','use':'zswap','state':'open','media_used':3145728,'media_total':134217728}],\n"
	"'machine':{'nr_zswap_bytes':7520256,'nr_zswapped_bytes':10485760},\n"
	"'all_cgroups':{'stable':true,'zswap':4345728,'zswapped':10485760,'ratio':2.41,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':1200000,'zswapped':4194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"'cgroups':[\n"
	"{'path':'/','depth':0,'error':null,'stable':true,'zswap':4345728,'zswapped':10485760,'ratio':2.41,'zswap_incomp':4096,'zswap_direct':3145728,'zswapped_direct':6291456,'nodes':[{'node':0,'zswap':1200000,'zswapped':4194304},{'node':1,'zswap':3145728,'zswapped':6291456}]},\n"
	"{'path':'/open','depth':1,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]},\n"
	"{'path':'/shut','depth':1,'error':'Permission denied','stable':false,'zswap':null,'zswapped':null,'ratio':null,'zswap_incomp':null,'zswap_direct':null,'zswapped_direct':null,'nodes':null},\n"
	"{'path':'/stat','depth':1,'error':'Permission denied','stable':false,'zswap':null,'zswapped':null,'ratio':null,'zswap_incomp':null,'zswap_direct':null,'zswapped_direct':null,'nodes':null},\n"
	"{'path':'/stat/below','depth':2,'error':null,'stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]},\n"
	"{'path':'/unlisted','depth':1,'error':'Permission denied','stable':true,'zswap':1,'zswapped':2,'ratio':2.00,'zswap_incomp':4096,'zswap_direct':0,'zswapped_direct':0,'nodes':[{'node':0,'zswap':1,'zswapped':2}]}],\n"
	"'notes':['3 marked !: could not be read in full (Permission denied)']}\n";

TEST_F(zswapstat, unreadable)
{
	char path[PATH_MAX];

	put_machine(self->dir);
	CGROUP(self->dir, "/open", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/shut", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/shut/below", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/unlisted", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/stat", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/stat/below", { 0, 1, 2 }, { 1, 0, 0 });
	snprintf(path, sizeof(path), "%s/" CGROUPS "/shut", self->dir);
	ASSERT_EQ(0, chmod(path, 0));
	snprintf(path, sizeof(path), "%s/" CGROUPS "/unlisted", self->dir);
	ASSERT_EQ(0, chmod(path, 0111));
	snprintf(path, sizeof(path), "%s/" CGROUPS "/stat/memory.stat", self->dir);
	ASSERT_EQ(0, chmod(path, 0));
	RUN(NULL);
	EXPECT_OUTPUT(expected_unreadable);
	RUN("--json");
	EXPECT_OUTPUT(json(expected_unreadable_json));
	RUN("--cgroup=shut");
	EXPECT_FAILURE(1,
		       "zswapstat: /sys/fs/cgroup/shut: its statistics cannot be read: Permission denied. Try as root\n");
	/* The sum over all is marked as any other, and counted as such. */
	snprintf(path, sizeof(path), "%s/" CGROUPS "/memory.stat", self->dir);
	ASSERT_EQ(0, chmod(path, 0));
	RUN("--cgroup=open");
	EXPECT_LINE("1 marked !", "1 marked !: could not be read in full (Permission denied)");
}

/* What is mounted is a part of the tree. */
TEST_F(zswapstat, container)
{
	put_machine(self->dir);
	put(self->dir, CGROUPS "/cgroup.type", "domain\n");
	RUN(NULL);
	EXPECT_EQ(0, self->result->status);
	EXPECT_LINE("/sys/fs/cgroup is",
		    "/sys/fs/cgroup is not the root of cgroups: nodes count more than is shown here");
}

/* What is no number or no node is not taken for one. */
TEST_F(zswapstat, malformed)
{
	static const char * const lines[] = {
		" N0=x", " N0", " N1024=0", " M0=0", " N0=18446744073709551616", " N0=-1",
		" N0=5,N1=2",
	};

	put_machine(self->dir);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		CGROUP(self->dir, "/x", { 0, 0, 0 }, { 1, 0, 0 });
		put(self->dir, CGROUPS "/x/memory.numa_stat", "zswap%s\nzswapped N0=0\n",
		    lines[i]);
		RUN(NULL);
		EXPECT_LINE("  x",
			    "  x           !       ?      ?     ?      ?       ?      ?     ?       ?      ?     ?");
	}
	put(self->dir, CGROUPS "/x/memory.stat", "zswap 5\nzswapped 99999999999999999999\n");
	RUN(NULL);
	EXPECT_LINE("1 marked !",
		    "1 marked !: could not be read in full (No data available)");
}

/* A cgroup without a memory controller, and all below it, belong to the row above. */
TEST_F(zswapstat, no_controller)
{
	put_machine(self->dir);
	put(self->dir, CGROUPS "/bare/deep/cgroup.procs", "\n");
	put(self->dir, CGROUPS "/bare2/cgroup.procs", "\n");
	RUN(NULL);
	EXPECT_EQ(0, self->result->status);
	EXPECT_EQ(NULL, strstr(self->result->out, "bare"));
	EXPECT_LINE("2 not",
		    "2 not shown: without a memory controller, part of the row above");
}

struct feeder {
	pid_t pid;
	bool *done;		/* shared: all texts have been asked for */
};

/*
 * In the child: give who opens @path one text after the other, the last one again
 * and again. Remove @gone when it is opened the first time.
 */
static void feed(const char *path, const char * const *texts, const char *gone, bool *done)
{
	char next[PATH_MAX + 8];

	snprintf(next, sizeof(next), "%s.next", path);
	for (int i = 0; texts[i + 1]; i++) {
		int fd = open(path, O_WRONLY);

		if (fd < 0)
			_exit(1);
		/* Whoever has this pipe keeps it: the next one to open gets another. */
		if (texts[i + 2])
			mkfifo(next, 0666);
		else
			put_bytes(next, texts[i + 1], strlen(texts[i + 1]));
		rename(next, path);
		if (gone)
			remove_tree(gone);
		*done = !texts[i + 2];
		if (write(fd, texts[i], strlen(texts[i])) < 0)
			_exit(1);
		close(fd);
	}
	_exit(0);
}

static struct feeder start_feeding(struct _test_data_zswapstat *self, const char *file,
				   const char *gone, const char * const *texts)
{
	char path[PATH_MAX], removed[PATH_MAX];
	struct feeder feeder;

	snprintf(path, sizeof(path), "%s/" CGROUPS "/%s", self->dir, file);
	snprintf(removed, sizeof(removed), "%s/" CGROUPS "/%s", self->dir, gone ? gone : "");
	unlink(path);
	mkfifo(path, 0666);
	feeder.done = mmap(NULL, sizeof(*feeder.done), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	feeder.pid = fork();
	if (!feeder.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		feed(path, texts, gone ? removed : NULL, feeder.done);
	}
	return feeder;
}

/* Return whether all texts were read. It may not have come to its end yet. */
static bool stop_feeding(struct feeder feeder)
{
	bool done;

	kill(feeder.pid, SIGKILL);
	waitpid(feeder.pid, NULL, 0);
	done = *feeder.done;
	munmap(feeder.done, sizeof(*feeder.done));
	return done;
}

#define FEED(file, gone, ...)						\
	start_feeding(self, file, gone,					\
		      (const char * const []) { __VA_ARGS__, NULL })

#define STAT(zswap, zswapped)	"zswap " #zswap "\nzswapped " #zswapped "\n"

/* While a cgroup is read for the first time it goes away, and so does another. */
TEST_F(zswapstat, vanishes)
{
	struct feeder feeder[2];
	char *first;

	put_machine(self->dir);
	CGROUP(self->dir, "/gone", { 0, 1, 2 }, { 1, 0, 0 });
	feeder[0] = FEED("gone/memory.stat", "gone", STAT(1, 2), STAT(1, 2));
	RUN(NULL);
	EXPECT_TRUE(stop_feeding(feeder[0]));
	EXPECT_EQ(0, self->result->status);
	EXPECT_EQ(NULL, strstr(self->result->out, "gone"));
	EXPECT_EQ(NULL, strstr(self->result->out, "marked"));

	/* One of two that have been listed, whichever is not read first */
	CGROUP(self->dir, "/a/one", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/a", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/b/one", { 0, 1, 2 }, { 1, 0, 0 });
	CGROUP(self->dir, "/b", { 0, 1, 2 }, { 1, 0, 0 });
	feeder[0] = FEED("a/one/memory.stat", "b/one", STAT(1, 2), STAT(1, 2));
	feeder[1] = FEED("b/one/memory.stat", "a/one", STAT(1, 2), STAT(1, 2));
	RUN(NULL);
	EXPECT_TRUE(stop_feeding(feeder[0]) != stop_feeding(feeder[1]));
	EXPECT_EQ(0, self->result->status);
	first = strstr(self->result->out, "    one ");
	ASSERT_NE(NULL, first);
	EXPECT_EQ(NULL, strstr(first + 1, "    one "));
	EXPECT_EQ(NULL, strstr(self->result->out, "marked"));
}

/* It is read until it is the same twice, and not any longer. */
TEST_F(zswapstat, changes_and_settles)
{
	struct feeder feeder;

	put_machine(self->dir);
	CGROUP(self->dir, "/x", { 0, 30, 60 }, { 1, 0, 0 });
	feeder = FEED("x/memory.stat", NULL, STAT(10, 20), STAT(20, 40), STAT(30, 60),
		      STAT(30, 60));
	RUN("--bytes");
	EXPECT_TRUE(stop_feeding(feeder));
	EXPECT_LINE("  x",
		    "  x                    30       60  2.00        -        30       60  2.00         0        0     -");
	EXPECT_EQ(NULL, strstr(self->result->out, "marked"));
}

static const char expected_changing[] = {
	"{'path':'/x','depth':1,'error':null,'stable':false,'zswap':50,'zswapped':100,'ratio':2.00,'zswap_incomp':null,'zswap_direct':null,'zswapped_direct':null,'nodes':[{'node':0,'zswap':50,'zswapped':100}]}],"
};

TEST_F(zswapstat, changes_always)
{
	struct feeder feeder;

	put_machine(self->dir);
	CGROUP(self->dir, "/x", { 0, 50, 100 }, { 1, 0, 0 });
	feeder = FEED("x/memory.stat", NULL, STAT(10, 20), STAT(20, 40), STAT(30, 60), STAT(40, 80),
		      STAT(50, 100));
	RUN("--json");
	EXPECT_TRUE(stop_feeding(feeder));
	EXPECT_LINE(json("{'path':'/x'"), json(expected_changing));
}

/* Nodes that move: the total is always the same. */
TEST_F(zswapstat, nodes_change)
{
	struct feeder feeder;

	put_machine(self->dir);
	CGROUP(self->dir, "/x", { 0, 3, 3 }, { 1, 0, 0 });
	feeder = FEED("x/memory.numa_stat", NULL,
		      "zswap N0=1 N1=2\nzswapped N0=1 N1=2\n",
		      "zswap N0=2 N1=1\nzswapped N0=2 N1=1\n",
		      "zswap N0=3 N1=0\nzswapped N0=3 N1=0\n",
		      "zswap N0=3 N1=0\nzswapped N0=3 N1=0\n");
	RUN("--bytes");
	EXPECT_TRUE(stop_feeding(feeder));
	EXPECT_LINE("  x",
		    "  x                     3        3  1.00        0         3        3  1.00         0        0     -");
}

TEST_F(zswapstat, does_not_add_up)
{
	put_machine(self->dir);
	CGROUP(self->dir, "/x", { 0, 3, 3 }, { 1, 0, 0 });
	put(self->dir, CGROUPS "/x/memory.numa_stat", "zswap N0=3 N1=0\nzswapped N0=2 N1=0\n");
	RUN("--bytes");
	EXPECT_LINE("  x",
		    "  x           ~         3        3  1.00        0         3        2  0.67         0        0     -");
	EXPECT_LINE("1 marked ~",
		    "1 marked ~: changed while they were read, and may not add up");
	/* The sum over all is marked as any other. */
	put(self->dir, CGROUPS "/memory.stat", "zswap 5\nzswapped 5\n");
	RUN("--bytes", "--cgroup=x");
	EXPECT_STRNE("", line_of(self->result->out, "all cgroups   ~ "));
	EXPECT_STRNE("", line_of(self->result->out, "2 marked ~"));
}

/* A row that has less than those below it was read before these have grown. */
TEST_F(zswapstat, less_than_below)
{
	put_machine(self->dir);
	CGROUP(self->dir, "/x", { 0, 10, 20 }, { 1, 10, 20 });
	CGROUP(self->dir, "/x/a", { 0, 5, 10 }, { 1, 5, 10 });
	CGROUP(self->dir, "/x/b", { 0, 5, 10 }, { 1, 5, 10 });
	RUN(NULL);
	EXPECT_EQ(NULL, strstr(self->result->out, "marked"));
	CGROUP(self->dir, "/x/b", { 0, 5, 11 }, { 1, 5, 10 });
	RUN(NULL);
	EXPECT_STRNE("", line_of(self->result->out, "  x           ~ "));
	EXPECT_STRNE("", line_of(self->result->out, "1 marked ~"));
	/* On one node, though not in all */
	CGROUP(self->dir, "/x/b", { 0, 6, 10 }, { 1, 4, 10 });
	RUN(NULL);
	EXPECT_STRNE("", line_of(self->result->out, "  x           ~ "));
	/* The sum over all */
	CGROUP(self->dir, "/x", { 0, 1200001, 4194304 }, { 1, 10, 20 });
	RUN("--cgroup=x");
	EXPECT_STRNE("", line_of(self->result->out, "all cgroups   ~ "));
}

static const char *order_of_rows(const char *out)
{
	static char order[64];
	const char *pos = strstr(out, "\n/");
	size_t nr = 0;

	for (; pos && pos[1] != '\n'; pos = strchr(pos + 1, '\n'))
		order[nr++] = pos[1 + strspn(pos + 1, " ")];
	order[nr] = '\0';
	return order;
}

TEST_F(zswapstat, sort)
{
	put_machine(self->dir);
	CGROUP(self->dir, "/a", { 0, 100, 200 }, { 1, 30, 90 });
	CGROUP(self->dir, "/b", { 0, 90, 600 }, { 1, 20, 20 });
	CGROUP(self->dir, "/c", { 0, 200, 500 }, { 1, 10, 20 });
	CGROUP(self->dir, "/d", { 0, 100, 200 }, { 1, 30, 90 });
	CGROUP(self->dir, "/a/y", { 0, 1, 9 }, { 1, 0, 0 });
	CGROUP(self->dir, "/a/z", { 0, 9, 9 }, { 1, 0, 0 });
	RUN(NULL);
	EXPECT_STREQ("/ayzbcd", order_of_rows(self->result->out));
	RUN("--sort=name");
	EXPECT_STREQ("/ayzbcd", order_of_rows(self->result->out));
	RUN("--sort=compressed");
	EXPECT_STREQ("/cazydb", order_of_rows(self->result->out));
	RUN("-s", "original");
	EXPECT_STREQ("/bcayzd", order_of_rows(self->result->out));
	RUN("--sort", "ratio");
	EXPECT_STREQ("/bcayzd", order_of_rows(self->result->out));
	RUN("--sort=direct");
	EXPECT_STREQ("/ayzdbc", order_of_rows(self->result->out));
	RUN("--sort=node0");
	EXPECT_STREQ("/cazydb", order_of_rows(self->result->out));
	RUN("--sort=node1");
	EXPECT_STREQ("/ayzdbc", order_of_rows(self->result->out));
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	for (; *text; text += strcspn(text, "\n") + 1)
		if (strcspn(text, "\n") > longest)
			longest = strcspn(text, "\n");
	return longest;
}

static const char expected_width[] =
	"                                         all nodes  node 0\n"
	"                                                    tier 4\n"
	"cgroup                   compr   orig ratio direct   compr\n"
	"/                        4.14M  10.0M  2.41  3.00M   1.14M\n"
	"  some-cgroup-wit...         1      2  2.00      0       1\n"
	"\n"
	"all cgroups              4.14M  10.0M  2.41  3.00M   1.14M\n"
	"node counters            7.17M  10.0M  1.39      -   1.17M\n"
	"device media             3.00M      -     -      -       -\n"
	"\n"
	"                         node 1\n"
	"                        private\n"
	"cgroup                    compr\n"
	"/                         3.00M\n"
	"  some-cgroup-wit...          0\n"
	"\n"
	"all cgroups               3.00M\n"
	"node counters             6.00M\n"
	"device media              3.00M\n";

TEST_F(zswapstat, width)
{
	char option[32];

	put_machine(self->dir);
	CGROUP(self->dir, "/some-cgroup-with-a-name-that-is-long-enough.slice", { 0, 1, 2 },
	       { 1, 0, 0 });
	for (int width = 55; width < 140; width++) {
		sprintf(option, "--width=%d", width);
		RUN(option);
		EXPECT_EQ(0, self->result->status);
		EXPECT_GE(width, longest_line(self->result->out));
	}
	RUN("--width=60");
	EXPECT_OUTPUT(expected_width);
}

TEST_F(zswapstat, usage)
{
	static const char * const wrong[] = {
		"--nope", "--depth=", "--depth=x", "--depth=-1", "--sort=size", "--sort=node",
		"--sort=node1024", "--watch=0", "--watch=nan", "--watch=1s", "--width=w",
		"--page-size=4k", "--page-size=0", "--cgroup=a/../..", "argument",
	};

	put_machine(self->dir);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		RUN(wrong[i]);
		EXPECT_EQ(2, self->result->status) TH_LOG("%s", wrong[i]);
		EXPECT_STREQ("", self->result->out);
		EXPECT_NE(NULL, strstr(self->result->err, "--help"));
	}
	RUN("--help");
	EXPECT_EQ(0, self->result->status);
	EXPECT_LINE("zswapstat", "zswapstat [OPTION]...");
	RUN("--version");
	EXPECT_OUTPUT("zswapstat 1\n");
}

/* ---- what it writes to ---- */

static pid_t start(struct _test_data_zswapstat *self, int out, int err, const char *option)
{
	char root[128];
	const char *args[4] = { "zswapstat", root, option };
	pid_t pid;

	snprintf(root, sizeof(root), "--root=%s", self->dir);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		exec_program(self->program, args, false);
	}
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST_F(zswapstat, write_errors)
{
	int out, fds[2], err = memfd_create("err", MFD_CLOEXEC);

	put_machine(self->dir);
	out = open("/dev/full", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, out);
	EXPECT_EQ(1, finish(start(self, out, err, "--json")));
	close(out);
	read_back(err, self->result->err, sizeof(self->result->err));
	EXPECT_STREQ("zswapstat: standard output: No space left on device\n", self->result->err);

	/* A pipe that nobody reads, with the signal and without: not a word of it. */
	err = memfd_create("err", MFD_CLOEXEC);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	close(fds[0]);
	EXPECT_EQ(-SIGPIPE, finish(start(self, fds[1], err, "--json")));
	signal(SIGPIPE, SIG_IGN);
	EXPECT_EQ(1, finish(start(self, fds[1], err, "--json")));
	signal(SIGPIPE, SIG_DFL);
	read_back(err, self->result->err, sizeof(self->result->err));
	EXPECT_STREQ("", self->result->err);
	close(fds[1]);
}

/* Read until @text has come @times, or what has come is all. Return how often. */
static int read_times(int fd, char *buf, size_t size, const char *text, int times)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	int found = 0;

	while (found < times && len < size - 1 && poll(&pfd, 1, 10000) > 0) {
		ssize_t nr = read(fd, buf + len, size - 1 - len);

		if (nr <= 0)
			break;
		len += nr;
		buf[len] = '\0';
		found = 0;
		for (char *pos = buf; (pos = strstr(pos, text)); pos++)
			found++;
	}
	return found;
}

TEST_F(zswapstat, watch)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	int fds[2];

	put_machine(self->dir);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid;

		ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
		pid = start(self, fds[1], STDERR_FILENO, "--watch=0.05");
		close(fds[1]);
		EXPECT_LE(3, read_times(fds[0], self->result->out, sizeof(self->result->out),
					"node counters", 3));
		EXPECT_EQ(0, kill(pid, signals[i]));
		EXPECT_EQ(0, finish(pid));
		EXPECT_EQ(NULL, strchr(self->result->out, '\033'));
		close(fds[0]);
	}
	/* When nobody reads any more, it ends, too. */
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	close(fds[0]);
	EXPECT_EQ(-SIGPIPE, finish(start(self, fds[1], STDERR_FILENO, "--watch=0.05")));
	close(fds[1]);
}

static int open_terminal(int *slave, int rows, int columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ioctl(fd, TIOCSWINSZ, &size))
		return -1;
	*slave = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *slave < 0 ? -1 : fd;
}

/* It may not have stopped yet, or not at all: of an orphaned group it doesn't. */
static int go_on(pid_t pid, int fd, char *buf, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	do {
		kill(pid, SIGCONT);
	} while (!poll(&pfd, 1, 100));
	return read_times(fd, buf, size, "\033[?1049h\033[?25l\033[?7l", 1);
}

/* It draws over what is there, within the screen, and leaves it as it was. */
TEST_F(zswapstat, watch_terminal)
{
	char *out = self->result->out;
	int fd, slave;
	pid_t pid;

	put_machine(self->dir);
	for (char name[] = "/a"; name[1] <= 'z'; name[1]++)
		CGROUP(self->dir, name, { 0, 1, 2 }, { 1, 0, 0 });
	fd = open_terminal(&slave, 20, 80);
	if (fd < 0)
		SKIP(return, "no pseudoterminals");
	pid = start(self, slave, STDERR_FILENO, "--watch=0.05");
	EXPECT_LE(2, read_times(fd, out, sizeof(self->result->out),
				"(17 more lines)\033[K\033[J", 2));
	EXPECT_EQ(out, strstr(out, "\033[?1049h\033[?25l\033[?7l\033[Hzswapstat: every 0.05 s, "));
	EXPECT_NE(NULL, strstr(out, "\033[1m"));
	EXPECT_EQ(NULL, strstr(out, "\033[2J"));
	EXPECT_EQ(NULL, strstr(out, "node counters"));
	/* So it does when it is stopped. */
	EXPECT_EQ(0, kill(pid, SIGTSTP));
	EXPECT_EQ(1, read_times(fd, out, sizeof(self->result->out),
				"\033[?7h\033[?25h\033[?1049l", 1));
	EXPECT_EQ(1, go_on(pid, fd, out, sizeof(self->result->out)));
	EXPECT_EQ(0, kill(pid, SIGINT));
	EXPECT_EQ(1, read_times(fd, out, sizeof(self->result->out),
				"\033[?7h\033[?25h\033[?1049l", 1));
	EXPECT_EQ(0, finish(pid));

	/* Nor is there any colour for who does not want it. */
	pid = fork();
	if (!pid) {
		static char * const environment[] = { "TERM=xterm", "NO_COLOR=1", NULL };
		char root[128];
		char *args[3] = { "zswapstat", root };

		sprintf(root, "--root=%s", self->dir);
		dup2(slave, STDOUT_FILENO);
		fexecve(self->program, args, environment);
		_exit(127);
	}
	EXPECT_EQ(1, read_times(fd, out, sizeof(self->result->out), "device media", 1));
	EXPECT_EQ(0, finish(pid));
	EXPECT_EQ(NULL, strchr(out, '\033'));
	close(slave);
	close(fd);
}

/* Most of the time goes into making them. */
TEST_F_TIMEOUT(zswapstat, many_cgroups, 300)
{
	char cgroup[64];
	int rows = 0;

	put_machine(self->dir);
	for (int i = 0; i < 3000; i++) {
		sprintf(cgroup, i < 30 ? "/s%d" : "/s%d/u%d", i % 30, i);
		CGROUP(self->dir, cgroup, { 0, i, 2 * i }, { 1, 0, 0 });
	}
	RUN(NULL);
	EXPECT_EQ(0, self->result->status);
	for (const char *pos = self->result->out; (pos = strstr(pos, "\n  ")); pos++)
		rows++;
	/* The three lines above the table are none. */
	EXPECT_EQ(3000, rows - 1);
}

/* ---- on this kernel ---- */

enum { PARENT, FIRST, SECOND, NR_LIVE };

#define LIVE		"/zswapstat_test"
#define MAX_JOBS	16

/* A cgroup with two below it, which have pages on each node in turn. */
struct live {
	struct _test_data_zswapstat *self;
	char root[PATH_MAX];
	struct zswap_cg cg[NR_LIVE];
	unsigned long ino[NR_LIVE];
	struct zswap_tree tree;
	struct swapout job[MAX_JOBS];
	int nr_jobs;
	int node[MAX_NODES];
	int nr_nodes;		/* in order */
	bool private;
};

static const char * const live_paths[] = {
	[PARENT] = LIVE, [FIRST] = LIVE "/first", [SECOND] = LIVE "/second",
};

/* What is found of a cgroup on a node, or of all if @ino is 0. */
struct found {
	long bytes[NR_ZSWAP_ITEMS];
	long pages;
};

static void add_found(const char *path, unsigned long ino, int nid, struct found *found)
{
	FILE *file = fopen(path, "r");
	char line[256], who[32], pages[32];
	long bytes[NR_ZSWAP_ITEMS];
	int node;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %d %*d %*d %ld %ld %31s", who, &node, &bytes[ZSWAP],
			   &bytes[ZSWAPPED], pages) != 5 || node != nid)
			continue;
		if (ino ? strtoul(who, NULL, 10) != ino : strcmp(who, "all"))
			continue;
		found->bytes[ZSWAP] += bytes[ZSWAP];
		found->bytes[ZSWAPPED] += bytes[ZSWAPPED];
		found->pages += atol(pages);
	}
	if (file)
		fclose(file);
}

/* By a walk over what is stored, in RAM and on private nodes. */
static struct found find_stored(unsigned long ino, int nid)
{
	struct found found = {};
	glob_t files = {};

	if (!glob(PATH_WALKS, 0, NULL, &files))
		for (size_t i = 0; i < files.gl_pathc; i++)
			add_found(files.gl_pathv[i], ino, nid, &found);
	globfree(&files);
	add_found(PATH_DIRECT, ino, nid, &found);
	return found;
}

/* A number of a line of JSON, behind what is before it; 0 if that is not there. */
static long json_number(const char *line, const char *before, const char *key)
{
	char word[64];
	const char *pos = *before ? strstr(line, before) : line;

	snprintf(word, sizeof(word), "\"%s\":", key);
	pos = pos ? strstr(pos, word) : NULL;
	return pos ? atol(pos + strlen(word)) : 0;
}

/* A row includes those below it; what is found is of each on its own. */
static struct found find_below(const struct live *live, int cg, int nid)
{
	struct found found = find_stored(cg < 0 ? 0 : live->ino[cg], nid);

	for (int child = FIRST; cg == PARENT && child < NR_LIVE; child++) {
		struct found more = find_stored(live->ino[child], nid);

		found.bytes[ZSWAP] += more.bytes[ZSWAP];
		found.bytes[ZSWAPPED] += more.bytes[ZSWAPPED];
	}
	return found;
}

/* Of a cgroup, or of the sum over all if @cg is -1. */
static bool row_holds(const struct live *live, int cg, const struct zswap_stat *stat)
{
	const char *what = cg < 0 ? "all" : live_paths[cg];
	const int *nid = live->node;
	char node[32], begin[64];
	const char *line;

	if (cg < 0)
		strcpy(begin, "\"all_cgroups\"");
	else
		snprintf(begin, sizeof(begin), "{\"path\":\"%s\"", what);
	line = line_of(live->self->result->out, begin);
	if (strstr(line, "\"stable\":false")) {
		zswap_set_mismatch("%s: zswapstat has not found it stable", what);
		return false;
	}

	for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
		if (zswap_differ(stat->total[i], json_number(line, "", zswap_stat_names[i]),
				 "%s: %s in memory.stat, zswapstat", what, zswap_stat_names[i]))
			return false;
	for (int n = 0; n < live->nr_nodes; n++) {
		struct found found = find_below(live, cg, nid[n]);

		snprintf(node, sizeof(node), "{\"node\":%d,", nid[n]);
		for (int i = 0; i < NR_ZSWAP_ITEMS; i++) {
			long shown = json_number(line, node, zswap_stat_names[i]);

			if (zswap_differ(zswap_on_node(stat, i, nid[n]), shown,
					 "%s: %s of node %d in memory.numa_stat, zswapstat",
					 what, zswap_stat_names[i], nid[n]) ||
			    zswap_differ(found.bytes[i], shown,
					 "%s: %s of node %d as found, zswapstat",
					 what, zswap_stat_names[i], nid[n]))
				return false;
		}
	}
	return true;
}

static bool nodes_hold(const struct live *live)
{
	const char *out = live->self->result->out;

	for (int n = 0; n < live->nr_nodes; n++) {
		char begin[32];

		snprintf(begin, sizeof(begin), "{\"node\":%d,", live->node[n]);
		if (zswap_differ(find_stored(0, live->node[n]).pages * getpagesize(),
				 json_number(line_of(out, begin), "", "nr_zswap_bytes"),
				 "node %d: pages found, zswapstat", live->node[n]))
			return false;
	}
	return true;
}

/* The same row of the table: what it is called, and numbers, by node in order. */
static bool table_row_holds(const struct live *live, const char *label,
			    const struct zswap_stat *stat)
{
	const char *out = live->self->result->out;
	bool direct = strstr(out, " direct");
	char *pos = (char *)line_of(out, label);

	pos += strlen(pos) ? strlen(label) : 0;
	for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
		if (zswap_differ(stat->total[i], strtol(pos, &pos, 10),
				 "%s: %s in memory.stat, table", label, zswap_stat_names[i]))
			return false;
	for (int n = 0; n < live->nr_nodes; n++) {
		/* The ratio, which may be "-" */
		pos += strspn(pos, " ");
		pos += strcspn(pos, " ");
		if (!n && direct)
			strtol(pos, &pos, 10);
		for (int i = 0; i < NR_ZSWAP_ITEMS; i++)
			if (zswap_differ(zswap_on_node(stat, i, live->node[n]),
					 strtol(pos, &pos, 10),
					 "%s: %s of node %d in memory.numa_stat, table",
					 label, zswap_stat_names[i], live->node[n]))
				return false;
	}
	return true;
}

static bool run_live(const struct live *live, const char * const *args)
{
	struct result *result = live->self->result;
	int out = memfd_create("out", MFD_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		dup2(out, STDOUT_FILENO);
		exec_program(live->self->program, args, false);
	}
	result->status = finish(pid);
	read_back(out, result->out, sizeof(result->out));
	return !zswap_differ(0, result->status, "status of zswapstat");
}

static bool live_settled(void *arg)
{
	static const char * const json_args[] = { "zswapstat", "--json", NULL };
	static const char * const table_args[] = {
		"zswapstat", "--bytes", "--cgroup=" LIVE, NULL
	};
	struct live *live = arg;
	struct zswap_stat all;

	for (int cg = FIRST; cg < NR_LIVE; cg++)
		make_stats_flush(live->cg[cg].path);
	write_text("/proc/sys/vm/stat_refresh", "1", 1);
	if (!run_live(live, json_args))
		return false;
	for (int cg = 0; cg < NR_LIVE; cg++)
		if (read_zswap_stat(live->cg[cg].path, &live->cg[cg].stat)) {
			zswap_set_mismatch("%s: cannot read the statistics", live_paths[cg]);
			return false;
		}
	if (read_zswap_stat(live->root, &all)) {
		zswap_set_mismatch("cannot read the statistics of the root");
		return false;
	}
	for (int cg = 0; cg < NR_LIVE; cg++)
		if (!row_holds(live, cg, &live->cg[cg].stat))
			return false;
	if (!row_holds(live, -1, &all) || !nodes_hold(live))
		return false;

	return run_live(live, table_args) &&
	       table_row_holds(live, LIVE " ", &live->cg[PARENT].stat) &&
	       table_row_holds(live, "  first ", &live->cg[FIRST].stat) &&
	       table_row_holds(live, "  second ", &live->cg[SECOND].stat) &&
	       table_row_holds(live, "all cgroups ", &all);
}

/* As they are in the table. */
static void add_live_node(struct live *live, int nid)
{
	int n = live->nr_nodes++;

	for (; n && live->node[n - 1] > nid; n--)
		live->node[n] = live->node[n - 1];
	live->node[n] = nid;
}

/* What is missing, or NULL. */
static const char *set_up_live(struct live *live)
{
	int private = open("/sys/devices/system/node/has_private_memory", O_RDONLY);
	struct zswap_stat stat;
	char nid[16];
	glob_t files;

	if (geteuid())
		return "not root";
	if (access(PATH_ZSWAP, F_OK))
		return "no zswap in this kernel";
	if (cg_find_unified_root(live->root, sizeof(live->root), NULL) ||
	    cg_read_strstr(live->root, "cgroup.controllers", "memory") ||
	    cg_write(live->root, "cgroup.subtree_control", "+memory"))
		return "no memory controller on cgroup v2";
	if (!has_zswap_by_node(live->root, &stat))
		return "no statistics of zswap by node, or no swap";
	if (glob(PATH_WALKS, 0, NULL, &files))
		return "no " PATH_WALKS ": no debugfs, or no CONFIG_ZSMALLOC_STAT";
	globfree(&files);

	live->nr_nodes = zswap_read_nodes(live->node);
	/* One for each node, and of each cgroup */
	live->nr_jobs = live->nr_nodes < MAX_JOBS ? live->nr_nodes : MAX_JOBS;
	if (live->nr_jobs < 2)
		live->nr_jobs = 2;
	for (int i = 0; i < live->nr_jobs; i++)
		live->job[i] = (struct swapout) {
			.nr_pages = 512,
			.eighths = -1,
			.node = live->node[i % live->nr_nodes],
		};
	if (private >= 0) {
		read_back(private, nid, sizeof(nid));
		live->private = nid[0] != '\n';
		if (live->private)
			add_live_node(live, atoi(nid));
	}
	return live->nr_nodes < 2 ? "two nodes are needed" : NULL;
}

static int make_live_cgroups(struct live *live)
{
	char path[2 * PATH_MAX];

	/* what a run that was interrupted has left */
	for (int cg = NR_LIVE; cg--;) {
		snprintf(path, sizeof(path), "%s%s", live->root, live_paths[cg]);
		rmdir(path);
	}
	live->tree.cg = live->cg;
	if (zswap_add_cg(&live->tree, live->root, NULL, "zswapstat_test") ||
	    zswap_add_cg(&live->tree, live->root, live->cg, "first") ||
	    zswap_add_cg(&live->tree, live->root, live->cg, "second"))
		return -1;
	for (int cg = 0; cg < NR_LIVE; cg++) {
		struct stat st;

		if (stat(live->cg[cg].path, &st))
			return -1;
		live->ino[cg] = st.st_ino;
	}
	return 0;
}

TEST_F_TIMEOUT(zswapstat, live, 900)
{
	static struct live live;
	const char *missing = set_up_live(&live);
	char enabled[8] = "", shrinker[8] = "";
	int on_nodes = 0;

	if (missing)
		SKIP(return, "%s", missing);
	live.self = self;
	ASSERT_EQ(0, make_live_cgroups(&live));
	read_text(PATH_ZSWAP "/enabled", enabled, sizeof(enabled));
	read_text(PATH_ZSWAP "/shrinker_enabled", shrinker, sizeof(shrinker));
	write_text(PATH_ZSWAP "/enabled", "Y", 1);
	write_text(PATH_ZSWAP "/shrinker_enabled", "N", 1);

	for (int i = 0; i < live.nr_jobs; i++)
		EXPECT_EQ(0, start_swapout(&live.job[i], live.cg[i % 2 ? SECOND : FIRST].path));
	EXPECT_EQ(0, zswap_settle("stored", live_settled, &live));
	for (int n = 0; n < live.nr_nodes; n++)
		on_nodes += zswap_on_node(&live.cg[PARENT].stat, ZSWAP, live.node[n]) > 0;
	/* With a private node, not all of RAM needs to have something. */
	EXPECT_TRUE(live.private ? on_nodes >= 2 : on_nodes == live.nr_jobs)
		TH_LOG("on %d nodes", on_nodes);

	for (int i = 0; i < live.nr_jobs; i++)
		stop_swapout(&live.job[i]);
	EXPECT_EQ(0, zswap_settle("freed", live_settled, &live));
	EXPECT_EQ(0, live.cg[PARENT].stat.total[ZSWAP]);
	zswap_destroy_tree(&live.tree);
	write_text(PATH_ZSWAP "/enabled", enabled, 1);
	write_text(PATH_ZSWAP "/shrinker_enabled", shrinker, 1);
}

TEST_HARNESS_MAIN
