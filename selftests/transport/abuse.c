// SPDX-License-Identifier: GPL-2.0
/* What links over sockets must stand from peers, from networks and from whoever kept a socket. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sockets.h"
#include "suite.h"

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* End 0 over the first four sockets; the program keeps all eight. */
static int open_kept(const __s32 *fd)
{
	struct xt_request q = { .transport = "tcp", .flags = XT_ONE_END };

	memset(q.fd, -1, sizeof(q.fd));
	memcpy(q.fd, fd, XT_LANES * sizeof(*fd));
	return ask(XT_OPEN, &q);
}

/* ---- a peer that does not greet ---- */

/* One lane says a byte now and then, so no single wait of the reader's is long. */
static const char *silence(const char *transport)
{
	struct greeting g = good_greeting(2);
	struct xt_request q = { .ms = 1000 };
	__s32 fd[2 * XT_LANES];
	double start = seconds(), took;
	const char *bad = NULL;
	int i;

	(void)transport;
	connect_lanes(fd);
	if (open_kept(fd))
		return "open";
	for (i = 0; i < 31 && ask(XT_WAIT_DOWN, &q) == ETIME; i++)
		send_bytes(fd[XT_LANES + 2], (char *)&g + i, 1);
	took = seconds() - start;
	if (q.out[1] != 1)
		bad = failed("still not down after %.0f s", took);
	else if (strcmp(q.text, "the peer has not greeted on 4 of 4 lanes"))
		bad = failed("reason '%s'", q.text);
	else if (took < 8)
		bad = failed("down after %.1f s", took);
	bad = close_link(bad);
	close_lanes(fd, 2 * XT_LANES);
	return bad;
}

/* ---- a user that has kept the sockets ---- */

static const char *barred(const char *what, long got)
{
	return got >= 0 || errno != EOPNOTSUPP ? failed("%s: %ld, %s", what, got, strerror(errno)) :
						 NULL;
}

static const char *kept_sockets(const char *transport)
{
	struct xt_request q = { .frames = 1, .lanes = 1 };
	__s32 fd[2 * XT_LANES];
	int on = 1;
	socklen_t n = sizeof(on);
	const char *bad;
	char c = 0;

	(void)transport;
	connect_lanes(fd);
	if (open_kept(fd))
		return "open";
	greet_lanes(fd + XT_LANES);
	bad = wait_up();
	bad = bad ?: barred("write", write(fd[0], &c, 1));
	bad = bad ?: barred("read", read(fd[0], &c, 1));
	bad = bad ?: barred("recv", recv(fd[3], &c, 1, MSG_PEEK | MSG_DONTWAIT));
	bad = bad ?: barred("send", send(fd[3], &c, 1, MSG_OOB | MSG_NOSIGNAL));
	bad = bad ?: barred("setsockopt", setsockopt(fd[0], IPPROTO_TCP, TCP_CORK, &on, n));
	bad = bad ?: barred("getsockopt", getsockopt(fd[0], IPPROTO_TCP, TCP_CORK, &on, &n));
	if (!bad && ask(XT_SEND, &q))
		bad = "the link does not send any more";
	bad = close_link(bad);
	/* The connection has ended; the descriptor is a socket's again. */
	if (!bad && (write(fd[0], &c, 1) >= 0 || errno == EOPNOTSUPP))
		bad = failed("after disconnect: %s", strerror(errno));
	close_lanes(fd, 2 * XT_LANES);
	return bad;
}

static const char *two_links(const char *transport)
{
	__s32 fd[2 * XT_LANES];
	const char *bad = NULL;
	int first = device, err;

	(void)transport;
	connect_lanes(fd);
	if (open_kept(fd))
		return "open";
	device = open("/dev/dvmm-xport-test", O_RDWR | O_CLOEXEC);
	err = open_kept(fd);
	if (err != EBUSY)
		bad = failed("a second link over the same sockets: %s", strerror(err));
	close(device);
	device = first;
	bad = close_link(bad);
	close_lanes(fd, 2 * XT_LANES);
	return bad;
}

/* ---- many peers that do not read ---- */

#define TIMEOUT_OF "/sys/module/dvmm_tcp/parameters/timeout"

/* Peers that do not read, or whose packets are lost, must not be taken for dead meanwhile. */
static bool patient(void)
{
	return !system("cp " TIMEOUT_OF " /tmp/timeout && echo 60 > " TIMEOUT_OF);
}

static bool impatient(void)
{
	return !system("cat /tmp/timeout > " TIMEOUT_OF);
}

#define STUCK 70 /* links: 280 lanes */

/* A link whose lanes are full, and stay so; the descriptor that holds it, or -1. */
static int stuck_link(__s32 *fd)
{
	struct xt_request q = { .frames = 24, .bytes = 4096 };
	int small = 4096, i, last = device, mine;

	connect_lanes(fd);
	for (i = 0; i < 2 * XT_LANES; i++)
		setsockopt(fd[i], SOL_SOCKET, i < XT_LANES ? SO_SNDBUF : SO_RCVBUF, &small,
			   sizeof(small));
	mine = open("/dev/dvmm-xport-test", O_RDWR | O_CLOEXEC);
	device = mine;
	if (mine < 0 || open_kept(fd))
		mine = -1;
	close_lanes(fd, XT_LANES);
	greet_lanes(fd + XT_LANES);
	if (mine >= 0 && wait_up())
		mine = -1;
	for (i = 0; i < XT_LANES && mine >= 0; i++) {
		q.lanes = 1u << i;
		if (ask(XT_SEND, &q))
			mine = -1;
	}
	device = last;
	return mine;
}

static const char *stuck(const char *transport)
{
	static __s32 fd[STUCK][2 * XT_LANES];
	struct xt_request others = {
		.flags = XT_BOTH_WAYS | XT_RANDOM_LENGTH, .lanes = 15, .frames = 200,
		.streams = 2, .bytes = 4096, .ms = 20000,
	};
	int held[STUCK], i, n;
	const char *bad = NULL;
	struct xt_request q;

	if (!patient())
		return "cannot set the timeout";
	for (n = 0; !bad && n < STUCK; n++) {
		held[n] = stuck_link(fd[n]);
		if (held[n] < 0)
			bad = failed("link %d: %s", n, strerror(errno));
	}
	if (!bad && open_link(transport, &q))
		bad = "open";
	if (!bad && ask(XT_TRAFFIC, &others))
		bad = failed("beside %d lanes that are full: %s", 4 * STUCK, others.text);
	bad = close_link(bad);
	for (i = 0; i < n; i++) {
		close_lanes(fd[i], 2 * XT_LANES);
		if (held[i] >= 0)
			close(held[i]);
	}
	return impatient() ? bad : "cannot set the timeout back";
}

/* ---- a network that loses ---- */

#define PINGS 60

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * Of round trips of small frames one in two loses something.  What is lost is noticed
 * after a few round trips: TCP's own floor is 200 ms, and twice as much the second time.
 */
static const char *lossy_pings(double *ms)
{
	struct xt_request q = { .frames = 1, .ms = 60000 };
	const char *bad = NULL;
	int i;

	if (system("/usr/bin/tc qdisc add dev lo root netem loss 25%"))
		return "cannot spoil the network";
	for (i = 0; !bad && i < PINGS; i++) {
		if (ask(XT_PING, &q))
			bad = failed("ping %d: %s", i, strerror(errno));
		ms[i] = q.out[0] / 1e6;
	}
	if (system("/usr/bin/tc qdisc del dev lo root"))
		bad = "cannot mend the network";
	return bad;
}

static const char *loss(const char *transport)
{
	double ms[PINGS], slow;
	struct xt_request q;
	const char *bad;

	if (!patient())
		return "cannot set the timeout";
	if (open_link(transport, &q))
		return "open";
	bad = lossy_pings(ms);
	bad = close_link(impatient() ? bad : "cannot set the timeout back");
	if (bad)
		return bad;
	qsort(ms, PINGS, sizeof(*ms), by_size);
	slow = ms[PINGS * 3 / 4];
	printf("# round trips with a quarter lost each way: %.1f ms, of the slower half %.0f ms\n",
	       ms[PINGS / 4], slow);
	return slow > 150 ? failed("a round trip that loses a frame takes %.0f ms", slow) : NULL;
}

const struct test abuse_tests[] = {
	{ "a peer that does not greet is dropped after 10 s", silence },
	{ "whoever has kept a socket can neither write nor read it", kept_sockets },
	{ "a socket belongs to one link", two_links },
	{ "280 lanes that are full hold up no other", stuck },
	{ "the loss of a small frame is soon noticed", loss },
	{ }
};
