// SPDX-License-Identifier: GPL-2.0
/* TCP connections over loopback, for the conformance suite. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

void die(const char *what)
{
	perror(what);
	printf("Bail out! %s\n", what);
	exit(1);
}

static int listen_somewhere(struct sockaddr_in *at)
{
	socklen_t length = sizeof(*at);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (l < 0 || bind(l, (struct sockaddr *)at, sizeof(*at)) || listen(l, 8) ||
	    getsockname(l, (struct sockaddr *)at, &length))
		die("listen on loopback");
	return l;
}

void connect_pair(int *a, int *b)
{
	struct sockaddr_in at;
	int l = listen_somewhere(&at);
	int on = 1;

	*a = socket(AF_INET, SOCK_STREAM, 0);
	if (*a < 0 || connect(*a, (struct sockaddr *)&at, sizeof(at)))
		die("connect over loopback");
	*b = accept(l, NULL, NULL);
	if (*b < 0)
		die("accept");
	setsockopt(*a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(*b, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(l);
}

/* fd[0 .. 3] and fd[4 .. 7] are the two ends of each lane */
void connect_lanes(__s32 *fd)
{
	int i;

	for (i = 0; i < XT_LANES; i++)
		connect_pair(&fd[i], &fd[XT_LANES + i]);
}

void close_lanes(__s32 *fd, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

void send_bytes(int fd, const void *p, size_t length)
{
	if (send(fd, p, length, MSG_NOSIGNAL) != (ssize_t)length)
		die("send");
}

/* What the module's end 1 would say to its end 0. */
struct greeting good_greeting(unsigned int lane)
{
	struct greeting g = { .version = 1, .lane = lane, .from = 1, .to = 0 };

	memcpy(g.magic, "dvmm-tcp", sizeof(g.magic));
	memcpy(g.machine, "xport-test", 10);
	return g;
}

void greet_lanes(const __s32 *fd)
{
	struct greeting g;
	int i;

	for (i = 0; i < XT_LANES; i++) {
		g = good_greeting(i);
		send_bytes(fd[i], &g, sizeof(g));
	}
}
