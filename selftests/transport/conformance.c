// SPDX-License-Identifier: GPL-2.0
/*
 * Conformance of a transport:
 *   conformance NAME          every test
 *   conformance NAME NUMBER   one test, without patience (see faults.sh)
 *   conformance NAME bench    what a link costs
 * $XPORT_ADDRESS is where a transport listens that has to (rdma.sh).
 * What every transport has to do is in tests[], what concerns sockets in tcp.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sockets.h"
#include "suite.h"

int device = -1;
/* longest wait of a request in ms; 0: as long as the request says */
static unsigned int patience;
/* how much slower than usual the kernel is: more than 1 with a debug kernel */
static unsigned int slow = 1;

const char *failed(const char *fmt, ...)
{
	/* two, so that one may be quoted in the other */
	static char texts[2][400];
	static int turn;
	char *text = texts[turn ^= 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(texts[0]), fmt, ap);
	va_end(ap);
	return text;
}

/* 0 or the errno; a slow kernel has longer */
int ask(unsigned long what, struct xt_request *q)
{
	unsigned int ms = q->ms;
	int err;

	q->ms *= slow;
	if (patience && (!ms || ms > patience))
		q->ms = patience;
	err = ioctl(device, what, q) ? errno : 0;
	q->ms = ms;
	return err;
}

int open_link(const char *transport, struct xt_request *q)
{
	int err;

	memset(q, 0, sizeof(*q));
	memset(q->fd, -1, sizeof(q->fd));
	strncpy(q->transport, transport, sizeof(q->transport) - 1);
	if (getenv("XPORT_ADDRESS"))
		strncpy(q->address, getenv("XPORT_ADDRESS"), sizeof(q->address) - 1);
	if (!strcmp(transport, "tcp"))
		connect_lanes(q->fd);
	err = ask(XT_OPEN, q);
	close_lanes(q->fd, 2 * XT_LANES);
	return err;
}

/*
 * The end of a test that found this, or nothing.  The module finds frames that
 * never came back, and upcalls that came too late.
 */
const char *close_link(const char *bad)
{
	struct xt_request q = {};
	int err = ask(XT_CLOSE, &q);

	if (!bad && err)
		bad = failed("close: %s (%s)", strerror(err), q.text);
	return bad;
}

/* What a test returns that cannot run here. */
const char *const cannot = "";

static const char *start(const char *transport)
{
	struct xt_request q;
	int err = open_link(transport, &q);

	return err ? failed("open: %s (%s)", strerror(err), q.text) : NULL;
}

/* One request on a fresh link. */
static const char *with_link(const char *transport, unsigned long what, struct xt_request *q)
{
	const char *bad = start(transport);
	int err;

	if (bad)
		return bad;
	err = ask(what, q);
	if (err)
		bad = failed("%s (%s)", strerror(err), q->text);
	return close_link(bad);
}

static const char *registry(const char *transport)
{
	struct xt_request q = {};
	int err = ask(XT_REGISTRY, &q);

	(void)transport;
	return err ? failed("%s (%s)", strerror(err), q.text) : NULL;
}

static const char *idle(const char *transport)
{
	struct xt_request q = {};

	return with_link(transport, XT_COUNTS, &q);
}

static const char *refusals(const char *transport)
{
	struct xt_request q = {};

	return with_link(transport, XT_REFUSALS, &q);
}

static const char *traffic(const char *transport)
{
	struct xt_request q = {
		.flags = XT_BOTH_WAYS | XT_RANDOM_LENGTH,
		.lanes = 15, .frames = 400, .streams = 4, .bytes = 4096, .seed = 1, .ms = 120000,
	};

	return with_link(transport, XT_TRAFFIC, &q);
}

static const char *every_length(const char *transport)
{
	const char *bad = start(transport);
	unsigned int length;

	if (bad)
		return bad;
	for (length = 0; !bad && length <= 4096; length += length < 64 || length > 4030 ? 1 : 61) {
		struct xt_request q = {
			.lanes = 1u << length % 4, .frames = 1, .bytes = length, .seed = length,
		};
		int err = ask(XT_TRAFFIC, &q);

		if (err)
			bad = failed("%u bytes: %s (%s)", length, strerror(err), q.text);
	}
	return close_link(bad);
}

static const char *bursts(const char *transport)
{
	struct xt_request q = {
		.flags = XT_BOTH_WAYS | XT_BURST,
		.lanes = 15, .frames = 3000, .streams = 1, .bytes = 0, .seed = 5, .ms = 120000,
	};

	return with_link(transport, XT_TRAFFIC, &q);
}

/* The status of a process that ends in time, or -1. */
static int reap(pid_t pid)
{
	unsigned int ms;
	int status;

	for (ms = 0; ms < (patience ?: 10000 * slow); ms += 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(10000);
	}
	return -1;
}

/* By a process of its own, which can be killed should it have to wait. */
static const char *burst(unsigned int lane, unsigned int frames)
{
	struct xt_request q = {
		.lanes = 1u << lane, .frames = frames, .bytes = 4096, .flags = XT_BURST,
	};
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(ask(XT_SEND, &q));
	status = reap(pid);
	if (!status)
		return NULL;
	if (status > 0)
		return failed("lane %u, sending: %s", lane, strerror(WEXITSTATUS(status)));
	kill(pid, SIGKILL);
	reap(pid);
	return failed("lane %u is full: the sender has to wait", lane);
}

/* While one lane's receiver stands still, frames on every other lane arrive. */
static const char *stall(const char *transport, unsigned int lane)
{
	struct xt_request hold = { .lanes = 1u << lane, .flags = XT_HOLD }, go = {};
	struct xt_request others = {
		.lanes = 15 & ~(1u << lane), .frames = 200, .streams = 2, .bytes = 4096,
		.flags = XT_RANDOM_LENGTH, .ms = 20000,
	};
	struct xt_request all = { .out = { 2000 + 3 * 2 * 200 }, .ms = 60000 };
	const char *bad = start(transport);
	int err;

	if (bad)
		return bad;
	ask(XT_STALL, &hold);
	bad = burst(lane, 2000);
	err = bad ? 0 : ask(XT_TRAFFIC, &others);
	if (err)
		bad = failed("lane %u stands still: %s (%s)", lane, strerror(err), others.text);
	ask(XT_STALL, &go);
	err = bad ? 0 : ask(XT_ARRIVED, &all);
	if (err)
		bad = failed("lane %u goes on: %s (%s)", lane, strerror(err), all.text);
	return close_link(bad);
}

static const char *lanes_independent(const char *transport)
{
	const char *bad = NULL;
	unsigned int lane;

	for (lane = 0; !bad && lane < XT_LANES; lane++)
		bad = stall(transport, lane);
	return bad;
}

/* More frames than any socket buffer takes. */
static const char *gone_when_full(const char *transport)
{
	struct xt_request hold = { .lanes = 8, .flags = XT_HOLD };
	const char *bad = start(transport);

	if (bad)
		return bad;
	ask(XT_STALL, &hold);
	return close_link(burst(3, 4000));
}

static const char *refused_frame(const char *transport)
{
	struct xt_request send = { .lanes = 4, .frames = 1, .bytes = 100, .flags = XT_BAD_RX };
	struct xt_request down = { .bytes = 1, .ms = 10000 }, other = { .ms = 10000 };
	const char *bad = start(transport);

	if (bad)
		return bad;
	ask(XT_SEND, &send);
	if (ask(XT_WAIT_DOWN, &down) || down.out[1] != 1 || strcmp(down.text, "protocol error"))
		bad = failed("receiver: %llu link_down, '%s'", down.out[1], down.text);
	if (ask(XT_WAIT_DOWN, &other) || other.out[1] != 1)
		bad = failed("sender: %llu link_down, '%s'", other.out[1], other.text);
	return close_link(bad);
}

/* Torn at random points, under load, both ways on every lane. */
static const char *torn(const char *transport)
{
	const char *bad = NULL;
	unsigned int i;

	for (i = 0; !bad && i < 40; i++) {
		struct xt_request q = {
			.lanes = 15, .streams = 1, .bytes = 4096, .seed = i * 7919,
			.flags = XT_RANDOM_LENGTH, .ms = 10000,
		};

		bad = with_link(transport, XT_TEAR, &q);
		if (!bad && q.out[0] > slow * 5000000000ull)
			bad = failed("disconnect() took %llu ms", q.out[0] / 1000000);
		if (bad)
			bad = failed("round %u: %s", i, bad);
	}
	return bad;
}

static const char *last_words(const char *transport)
{
	const char *bad = NULL;
	unsigned int i;

	for (i = 0; !bad && i < 20; i++) {
		struct xt_request q = {
			.lanes = 7, .streams = 1, .bytes = 4096, .seed = i,
			.flags = XT_RANDOM_LENGTH, .ms = 10000,
		};

		bad = with_link(transport, XT_LAST_WORDS, &q);
	}
	return bad;
}

static const char *many_lives(const char *transport)
{
	const char *bad = NULL;
	unsigned int i;

	for (i = 0; !bad && i < 100; i++) {
		bad = start(transport);
		bad = bad ?: close_link(NULL);
	}
	return bad;
}

static const struct test tests[] = {
	{ "the registry refuses what does not fit", registry },
	{ "a link comes up and goes", idle },
	{ "send() refuses lanes and lengths that do not exist", refusals },
	{ "every length arrives, with zeros behind", every_length },
	{ "random frames on all lanes, both ways, keep order and contents", traffic },
	{ "bursts are neither lost nor refused", bursts },
	{ "a lane that stands still holds up no other, nor its senders", lanes_independent },
	{ "what a full lane has when the link goes is given back", gone_when_full },
	{ "a refused frame takes the link down", refused_frame },
	{ "the last frame on CTL comes before link_down", last_words },
	{ "torn under load: one link_down, every frame done", torn },
	{ "many links, one after the other", many_lives },
	{ }
};

static int run(const struct test *t, const char *transport, int number, int only)
{
	int failures = 0;

	for (; t->name; t++, number++) {
		const char *bad;

		if (only && number != only)
			continue;
		bad = t->run(transport);

		if (bad == cannot) {
			printf("ok %d - %s: %s # SKIP not on this kernel\n", number, transport,
			       t->name);
			continue;
		}
		if (bad) {
			struct xt_request q = {};

			printf("# %s\n", bad);
			/* the next test starts without a link */
			ask(XT_CLOSE, &q);
			failures++;
		}
		printf("%sok %d - %s: %s\n", bad ? "not " : "", number, transport, t->name);
		fflush(stdout);
	}
	return failures;
}

static int count(const struct test *t)
{
	int n = 0;

	while (t[n].name)
		n++;
	return n;
}

int main(int argc, char **argv)
{
	const char *transport = argc > 1 ? argv[1] : "loop";
	int tcp = !strcmp(transport, "tcp"), failures, n = count(tests);
	int only = argc > 2 ? atoi(argv[2]) : 0;

	if (getenv("DVMM_PATIENCE"))
		slow = atoi(getenv("DVMM_PATIENCE"));
	signal(SIGPIPE, SIG_IGN);
	if (system("modprobe dvmm-xport-test"))
		fprintf(stderr, "modprobe dvmm-xport-test failed\n");
	device = open("/dev/dvmm-xport-test", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/dvmm-xport-test");
	if (argc > 2 && !strcmp(argv[2], "bench")) {
		bench(transport);
		return 0;
	}
	if (only)
		patience = slow > 1 ? 10000 * slow : 3000;
	else
		printf("TAP version 13\n1..%d\n",
		       n + (tcp ? count(tcp_tests) + count(abuse_tests) : 0));
	failures = run(tests, transport, 1, only);
	if (tcp) {
		failures += run(tcp_tests, transport, n + 1, only);
		failures += run(abuse_tests, transport, n + 1 + count(tcp_tests), only);
	}
	return failures ? 1 : 0;
}
