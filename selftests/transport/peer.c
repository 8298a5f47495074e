// SPDX-License-Identifier: GPL-2.0
/*
 * One end of a TCP link between two nodes, until it goes down:
 *   peer serve PORT [busy]     end 0; busy: pages on REQ all the time
 *   peer join HOST PORT        end 1
 * Prints "up", and "down: REASON" when the link has gone.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module/xport-test.h"

static int device;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void serve(int port, __s32 *fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1, i;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&at, sizeof(at)) || listen(l, XT_LANES))
		die("listen");
	for (i = 0; i < XT_LANES; i++) {
		fd[i] = accept(l, NULL, NULL);
		if (fd[i] < 0)
			die("accept");
	}
	close(l);
}

/* The server may start a moment later. */
static int reach(const struct addrinfo *at)
{
	int i, s;

	for (i = 0; i < 100; i++) {
		s = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(s, at->ai_addr, at->ai_addrlen))
			return s;
		close(s);
		usleep(100000);
	}
	die("connect");
	return -1;
}

static void join(const char *host, const char *port, __s32 *fd)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *at;
	int i;

	if (getaddrinfo(host, port, &hints, &at))
		die(host);
	for (i = 0; i < XT_LANES; i++)
		fd[i] = reach(at);
}

static void wait_for_up(int side)
{
	struct xt_request q = { .bytes = side, .ms = 1 };
	int i;

	for (i = 0; i < 500 && !q.out[0]; i++)
		ioctl(device, XT_WAIT_DOWN, &q);
	if (!q.out[0])
		die("link_up");
	printf("up\n");
	fflush(stdout);
}

static pid_t keep_busy(void)
{
	struct xt_request q = { .lanes = 1, .frames = 100000000, .bytes = 4096 };
	pid_t pid = fork();

	if (pid)
		return pid;
	ioctl(device, XT_SEND, &q);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct xt_request q = { .transport = "tcp", .flags = XT_ONE_END };
	int side = argc > 3 && !strcmp(argv[1], "join"), busy = argc > 3 && !side;
	struct xt_request down = { .bytes = side, .ms = 60000 };
	pid_t pid = 0;

	if (argc < 3)
		return 2;
	if (system("modprobe dvmm-xport-test"))
		fprintf(stderr, "modprobe dvmm-xport-test failed\n");
	device = open("/dev/dvmm-xport-test", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/dvmm-xport-test");
	memset(q.fd, -1, sizeof(q.fd));
	if (side)
		join(argv[2], argv[3], q.fd + XT_LANES);
	else
		serve(atoi(argv[2]), q.fd);
	q.flags |= side ? XT_SECOND : 0;
	if (ioctl(device, XT_OPEN, &q))
		die("XT_OPEN");
	wait_for_up(side);
	if (busy)
		pid = keep_busy();
	if (ioctl(device, XT_WAIT_DOWN, &down))
		die("XT_WAIT_DOWN");
	printf("down: %s\n", down.text);
	if (pid && waitpid(pid, NULL, 0) != pid)
		die("waitpid");
	return 0;
}
