// SPDX-License-Identifier: GPL-2.0
/*
 * report - the guest's end of the channel to the host
 *
 *	report PORT run ARGV	runs the command of file ARGV (arguments that end
 *				in NUL bytes) and sends what it prints and its
 *				exit status
 *	report PORT fail TEXT	says why the guest could not be set up
 *
 * The channel is a serial port of its own, so that neither the kernel log nor
 * anything else can mix with it. It carries frames: a type ('b' begun,
 * 'o' stdout, 'e' stderr, 'x' exit status, 'f' failure), the length (4 bytes,
 * little endian) and the bytes. An 'x' or 'f' is the last one; a channel that
 * ends without it is a guest that died.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int port;

static void send_all(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(port, data, len);

		if (n < 0 && errno != EINTR)
			err(1, "channel");
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
}

static void send_frame(char type, const char *data, uint32_t len)
{
	char head[5] = { type, len, len >> 8, len >> 16, len >> 24 };

	send_all(head, sizeof(head));
	send_all(data, len);
}

static void open_port(const char *name)
{
	struct termios tio;

	port = open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (port < 0)
		err(1, "%s", name);
	if (!tcgetattr(port, &tio)) {
		cfmakeraw(&tio);
		tcsetattr(port, TCSANOW, &tio);
	}
}

static char **read_argv(const char *name)
{
	struct stat st;
	char **argv, *buf;
	size_t argc = 0;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", name);
	buf = malloc(st.st_size + 1);
	argv = calloc(st.st_size + 1, sizeof(*argv));
	if (!buf || !argv || read(fd, buf, st.st_size) != st.st_size)
		err(1, "%s", name);
	for (char *arg = buf; arg < buf + st.st_size; arg += strlen(arg) + 1)
		argv[argc++] = arg;
	return argv;
}

/* Forwards what is there to read, and drops the pipe at its end. */
static void forward(struct pollfd *pfd, char type)
{
	char buf[4096];
	ssize_t n = read(pfd->fd, buf, sizeof(buf));

	if (n > 0)
		send_frame(type, buf, n);
	else if (n == 0 || errno != EINTR)
		pfd->fd = -1;
}

static volatile sig_atomic_t child_gone;

static void on_child(int sig)
{
	(void)sig;
	child_gone = 1;
}

static int run(char **argv)
{
	struct sigaction sa = { .sa_handler = on_child };
	struct pollfd pfd[2];
	int out[2], errors[2], status;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(errors, O_CLOEXEC))
		err(1, "pipe");
	sigaction(SIGCHLD, &sa, NULL);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		dup2(errors[1], STDERR_FILENO);
		execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(out[1]);
	close(errors[1]);

	pfd[0] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = errors[0], .events = POLLIN };
	while (pfd[0].fd >= 0 || pfd[1].fd >= 0) {
		/*
		 * A daemon that the command leaves behind keeps the pipes open:
		 * once the command is gone, what is in them is all there is.
		 */
		int n = poll(pfd, 2, child_gone ? 0 : 1000);

		if (n < 0 && errno != EINTR)
			err(1, "poll");
		if (n == 0 && child_gone)
			break;
		if (n <= 0)
			continue;
		if (pfd[0].revents)
			forward(&pfd[0], 'o');
		if (pfd[1].revents)
			forward(&pfd[1], 'e');
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(1, "waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	char number[16];

	if (argc != 4)
		errx(2, "usage: report PORT run ARGV | report PORT fail TEXT");
	open_port(argv[1]);
	if (!strcmp(argv[2], "fail")) {
		send_frame('f', argv[3], strlen(argv[3]));
	} else {
		send_frame('b', "", 0);
		snprintf(number, sizeof(number), "%d", run(read_argv(argv[3])));
		send_frame('x', number, strlen(number));
	}
	tcdrain(port);
	return 0;
}
