// SPDX-License-Identifier: GPL-2.0
/* What a transport over sockets has to stand: bad sockets and hostile peers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sockets.h"
#include "suite.h"

/* end 0 is dvmm's, at the other ends of its sockets is this program */
static int open_one(__s32 *mine)
{
	struct xt_request q = { .transport = "tcp", .flags = XT_ONE_END };
	__s32 fd[2 * XT_LANES];
	int err;

	connect_lanes(fd);
	memset(q.fd, -1, sizeof(q.fd));
	memcpy(q.fd, fd, XT_LANES * sizeof(*fd));
	memcpy(mine, fd + XT_LANES, XT_LANES * sizeof(*fd));
	err = ask(XT_OPEN, &q);
	close_lanes(fd, XT_LANES);
	return err;
}

/* The link must go down once, for a reason that begins so; ups -1: up or not. */
const char *expect_down(const char *why, int ups)
{
	struct xt_request q = { .ms = 10000 };
	int err = ask(XT_WAIT_DOWN, &q);

	if (err)
		return failed("not down: %s", strerror(err));
	if (q.out[1] != 1 || (ups >= 0 && (int)q.out[0] != ups))
		return failed("%llu up, %llu down", q.out[0], q.out[1]);
	if (strncmp(q.text, why, strlen(why)))
		return failed("reason '%s' instead of '%s'", q.text, why);
	return NULL;
}

static const char *bad_greeting(const struct greeting *g, unsigned int lane, const char *why)
{
	__s32 mine[XT_LANES];
	const char *bad;

	if (open_one(mine))
		return "open";
	send_bytes(mine[lane], g, sizeof(*g));
	bad = expect_down(why, 0);
	close_lanes(mine, XT_LANES);
	return close_link(bad);
}

static const char *greetings(const char *transport)
{
	struct greeting g[5];
	const char *bad;
	int i;

	(void)transport;
	for (i = 0; i < 5; i++)
		g[i] = good_greeting(1);
	memcpy(g[0].magic, "SSH-2.0-", 8);
	g[1].version = 9;
	g[2].lane = 2;
	g[3].from = 5;
	g[4].machine[15] ^= 1;
	bad = bad_greeting(&g[0], 1, "the other end is not dvmm");
	bad = bad ?: bad_greeting(&g[1], 1, "the peer speaks another version");
	bad = bad ?: bad_greeting(&g[2], 1, "the sockets are in the wrong order");
	bad = bad ?: bad_greeting(&g[3], 1, "the other end is another node");
	return bad ?: bad_greeting(&g[4], 1, "the peer belongs to another machine");
}

const char *wait_up(void)
{
	struct xt_request q = { .ms = 1 };
	int i;

	for (i = 0; i < 500; i++) {
		ask(XT_WAIT_DOWN, &q);
		if (q.out[0])
			return NULL;
	}
	return "no link_up after four right greetings";
}

/* A greeted link, then some bytes on a lane, then perhaps the end of the stream. */
static const char *bytes(unsigned int lane, const void *p, size_t length, int then_close,
			 const char *why)
{
	__s32 mine[XT_LANES];
	const char *bad;

	if (open_one(mine))
		return "open";
	greet_lanes(mine);
	bad = wait_up();
	if (!bad) {
		send_bytes(mine[lane], p, length);
		if (then_close)
			shutdown(mine[lane], SHUT_WR);
		bad = expect_down(why, 1);
	}
	close_lanes(mine, XT_LANES);
	return close_link(bad);
}

static void set_length(__u8 *hdr, __u32 length)
{
	memcpy(hdr + 12, &length, sizeof(length));
}

static const char *lengths(const char *transport)
{
	static const __u32 length[] = { 4097, 65536, 0x7fffffff, 0x80000000, 0xffffffff };
	const char *bad = NULL;
	__u8 hdr[40] = {};
	char why[64];
	unsigned int i;

	(void)transport;
	for (i = 0; !bad && i < sizeof(length) / sizeof(*length); i++) {
		set_length(hdr, length[i]);
		snprintf(why, sizeof(why), "frame with %u bytes of payload on lane %u", length[i],
			 i % XT_LANES);
		bad = bytes(i % XT_LANES, hdr, sizeof(hdr), 0, why);
	}
	return bad;
}

static const char *truncated(const char *transport)
{
	__u8 frame[140] = {};
	const char *bad;

	(void)transport;
	set_length(frame, 4096);
	bad = bytes(0, frame, 17, 1, "connection closed by peer");
	bad = bad ?: bytes(1, frame, 40, 1, "connection closed by peer");
	bad = bad ?: bytes(2, frame, 140, 1, "connection closed by peer");
	return bad ?: bytes(3, frame, 0, 1, "connection closed by peer");
}

static const char *reset(const char *transport)
{
	struct linger now = { .l_onoff = 1 };
	__s32 mine[XT_LANES];
	const char *bad;

	(void)transport;
	if (open_one(mine))
		return "open";
	greet_lanes(mine);
	bad = wait_up();
	setsockopt(mine[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close_lanes(mine + 1, 1);
	bad = bad ?: expect_down("connection reset by peer", 1);
	close_lanes(mine, XT_LANES);
	return close_link(bad);
}

/* Thousands of streams of noise: down, or waiting for more, but never harm. */
static const char *noise(const char *transport)
{
	__s32 mine[XT_LANES];
	__u8 data[300];
	unsigned int round, i;
	const char *bad = NULL;

	(void)transport;
	srand(20);
	for (round = 0; !bad && round < 300; round++) {
		if (open_one(mine))
			return "open";
		if (round & 1)
			greet_lanes(mine);
		for (i = 0; i < sizeof(data); i++)
			data[i] = rand() >> 7;
		/* some with a length that is allowed */
		if (round % 3 == 0)
			set_length(data, rand() % 4097);
		send(mine[rand() % XT_LANES], data, rand() % sizeof(data), MSG_NOSIGNAL);
		close_lanes(mine, XT_LANES);
		bad = expect_down("", -1);
		bad = close_link(bad);
	}
	return bad;
}

/* Sockets of a kernel before 6.5 copy what they are given: kmod/compat/probe/sendpage.c */
static bool sockets_copy(void)
{
	int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	return sscanf(name.release, "%d.%d", &major, &minor) == 2 && major * 100 + minor < 605;
}

/* The socket goes on referring to a page of which there is no copy. */
static const char *no_copy(const char *transport)
{
	struct xt_request hold = { .lanes = 1, .flags = XT_HOLD }, go = {}, counts = {};
	struct xt_request send = { .lanes = 1, .frames = 8, .bytes = 4096 };
	struct xt_request all = { .out = { 8 }, .ms = 20000 };
	struct xt_request q;
	const char *bad = NULL;
	int err;

	if (sockets_copy())
		return cannot;
	if (open_link(transport, &q))
		return "open";
	ask(XT_STALL, &hold);
	err = ask(XT_SEND, &send);
	ask(XT_COUNTS, &counts);
	if (err || counts.out[6] != 8)
		bad = failed("of %llu pages that were sent %llu are in the socket", counts.out[1],
			     counts.out[6]);
	ask(XT_STALL, &go);
	err = ask(XT_ARRIVED, &all);
	if (!bad && err)
		bad = failed("%s (%s)", strerror(err), all.text);
	return close_link(bad);
}

static int try_open(const __s32 *fd, struct xt_request *q)
{
	memset(q, 0, sizeof(*q));
	memset(q->fd, -1, sizeof(q->fd));
	strcpy(q->transport, "tcp");
	q->flags = XT_ONE_END;
	memcpy(q->fd, fd, XT_LANES * sizeof(*fd));
	return ask(XT_OPEN, q);
}

static const char *try_socket(const __s32 *good, int fd, int wanted, const char *what)
{
	struct xt_request q;
	__s32 try[XT_LANES];
	int err;

	memcpy(try, good, sizeof(try));
	try[2] = fd;
	err = try_open(try, &q);
	if (err != wanted || q.text[0])
		return failed("%s: %s instead of %s; %s", what, strerror(err), strerror(wanted),
			      q.text);
	return NULL;
}

/* Refused sockets still are what they were before. */
static const char *still_usable(const __s32 *fd)
{
	char c = 'x';

	if (send(fd[0], &c, 1, 0) != 1 || recv(fd[XT_LANES], &c, 1, 0) != 1)
		return "a socket is not usable after a refused connect()";
	return NULL;
}

static const char *sockets(const char *transport)
{
	__s32 fd[2 * XT_LANES];
	int udp = socket(AF_INET, SOCK_DGRAM, 0), fresh = socket(AF_INET, SOCK_STREAM, 0);
	int un = socket(AF_UNIX, SOCK_STREAM, 0);
	const char *bad;

	(void)transport;
	connect_lanes(fd);
	bad = try_socket(fd, -1, EBADF, "no socket");
	bad = bad ?: try_socket(fd, 0x7fffff, EBADF, "no descriptor");
	bad = bad ?: try_socket(fd, device, ENOTSOCK, "a device");
	bad = bad ?: try_socket(fd, udp, EPROTOTYPE, "UDP");
	bad = bad ?: try_socket(fd, un, EPROTOTYPE, "a Unix socket");
	bad = bad ?: try_socket(fd, fresh, ENOTCONN, "a socket that is not connected");
	bad = bad ?: try_socket(fd, fd[0], EINVAL, "the same socket twice");
	bad = bad ?: still_usable(fd);
	close_lanes(fd, 2 * XT_LANES);
	close(udp);
	close(un);
	close(fresh);
	return bad;
}

const struct test tcp_tests[] = {
	{ "sockets that will not do are refused and left alone", sockets },
	{ "greetings that do not fit name the difference", greetings },
	{ "lengths that are too large name the length", lengths },
	{ "a stream that ends within a frame", truncated },
	{ "a reset connection", reset },
	{ "noise does no harm", noise },
	{ "a page is sent without a copy of it", no_copy },
	{ "random frames under TLS", tls_traffic },
	{ "TLS records that are not data", tls_records },
	{ }
};
