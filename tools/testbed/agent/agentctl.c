// SPDX-License-Identifier: GPL-2.0
/*
 * agentctl: runs one command through an agent, shows what it prints and ends
 * with its status; 124 when the bound passes, 125 when no agent answers.
 * A node uses it to reach its guest, through the socket of the guest's port.
 *
 * usage: agentctl [-t SECONDS] [-w SECONDS] UNIX-SOCKET COMMAND [ARGUMENT...]
 *	-t  bound for the command (60)
 *	-w  bound for the agent's first answer (60)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "line.h"

static struct line_reader reader;
static char nonce[32];
static int greeted, ended, status;

static void heard(char *line, void *ctx)
{
	char *w[3];
	int n = line_split(line, w, 3);
	size_t len;

	(void)ctx;
	if (n < 2 || strcmp(w[1], nonce))
		return;
	if (!strcmp(w[0], "hello"))
		greeted = 1;
	if (n < 3)
		return;
	len = line_unescape(w[2]);
	if (!strcmp(w[0], "out")) {
		line_write(1, w[2], len);
	} else if (!strcmp(w[0], "err")) {
		line_write(2, w[2], len);
	} else if (!strcmp(w[0], "exit")) {
		status = atoi(w[2]);
		ended = 1;
	}
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whoever is behind the socket has gone: a machine that has ended, or its QEMU. */
static int gone;

/* Until *@flag is set or the time is over; 0, or -1. */
static int hear_until(int fd, const int *flag, long deadline)
{
	static char buf[65536];

	while (!*flag) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		long left = deadline - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, left) < 0)
			return -1;
		if (!p.revents)
			continue;
		n = read(fd, buf, sizeof(buf));
		gone = n <= 0;
		if (gone)
			return -1;
		line_feed(&reader, buf, n, heard, NULL);
	}
	return 0;
}

static void complain(const char *what, long bound)
{
	if (gone)
		fprintf(stderr, "agentctl: %s: the machine has closed the connection\n", what);
	else
		fprintf(stderr, "agentctl: %s within %ld s\n", what, bound);
}

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	return fd;
}

static void send_run(int fd, char **argv)
{
	static char buf[LINE_MAX_LEN];
	size_t n = snprintf(buf, 64, "run %s", nonce);

	for (; *argv; argv++) {
		size_t len = strlen(*argv);

		if (n + 3 * len + 2 > sizeof(buf)) {
			fprintf(stderr, "agentctl: command too long\n");
			exit(125);
		}
		buf[n++] = ' ';
		n += line_escape(buf + n, *argv, len);
	}
	buf[n++] = '\n';
	line_write(fd, buf, n);
	dprintf(fd, "eof %s\n", nonce);
}

int main(int argc, char **argv)
{
	long bound = 60, greeting = 60, start = now_ms();
	int fd, c;

	while ((c = getopt(argc, argv, "+t:w:")) != -1) {
		if (c == 't')
			bound = atol(optarg);
		else if (c == 'w')
			greeting = atol(optarg);
		else
			return 2;
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: agentctl [-t s] [-w s] SOCKET COMMAND...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	snprintf(nonce, sizeof(nonce), "c%d.%ld", getpid(), now_ms());
	fd = dial(argv[optind]);
	if (fd < 0) {
		fprintf(stderr, "agentctl: %s: %s\n", argv[optind], strerror(errno));
		return 125;
	}
	dprintf(fd, "\nhello %s\n", nonce);
	if (hear_until(fd, &greeted, start + greeting * 1000)) {
		complain("no answer", greeting);
		return 125;
	}
	send_run(fd, argv + optind + 1);
	if (hear_until(fd, &ended, now_ms() + bound * 1000)) {
		dprintf(fd, "kill %s %d\n", nonce, SIGKILL);
		complain("no end", bound);
		return 124;
	}
	return status;
}
