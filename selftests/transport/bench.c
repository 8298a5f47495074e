// SPDX-License-Identifier: GPL-2.0
/*
 * What a link costs beside the same bytes sent by two threads of one process
 * over a TCP connection on loopback: the same machine, the same run.  Both are
 * measured in turn, and the best turn of each counts: a machine that is busy
 * with something else spoils some turns, not all.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sockets.h"
#include "suite.h"

#define TURNS	12
#define ROUNDS	150
#define FRAMES	400
#define FRAME	(40 + 4096)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int pair[2];
static size_t answer_bytes;

static void *echo(void *arg)
{
	static char data[FRAME];

	while (recv(pair[1], data, 40, MSG_WAITALL) == 40)
		send(pair[1], data, answer_bytes, MSG_NOSIGNAL);
	return arg;
}

/* ns for one round trip: a header there, a header and so many bytes back */
static double plain_ping(size_t bytes)
{
	static char data[FRAME];
	pthread_t thread;
	double start;
	int i;

	connect_pair(&pair[0], &pair[1]);
	bytes += 40;
	answer_bytes = bytes;
	pthread_create(&thread, NULL, echo, NULL);
	start = now();
	for (i = 0; i < ROUNDS; i++) {
		send_bytes(pair[0], data, 40);
		if (recv(pair[0], data, bytes, MSG_WAITALL) != (ssize_t)bytes)
			die("ping");
	}
	start = (now() - start) / ROUNDS;
	close(pair[0]);
	pthread_join(thread, NULL);
	close(pair[1]);
	return start;
}

static void *sink(void *arg)
{
	static char data[1 << 16];

	while (recv(pair[1], data, sizeof(data), 0) > 0)
		;
	return arg;
}

/* ns for one frame of a stream */
static double plain_stream(size_t bytes)
{
	static char data[FRAME];
	pthread_t thread;
	double start;
	int i;

	connect_pair(&pair[0], &pair[1]);
	pthread_create(&thread, NULL, sink, NULL);
	start = now();
	for (i = 0; i < FRAMES; i++)
		send_bytes(pair[0], data, 40 + bytes);
	close(pair[0]);
	pthread_join(thread, NULL);
	start = (now() - start) / (FRAMES);
	close(pair[1]);
	return start;
}

static double link_ping(size_t bytes)
{
	struct xt_request q = { .frames = ROUNDS, .bytes = bytes };

	if (ask(XT_PING, &q))
		die("XT_PING");
	return q.out[1];
}

/* The contents are made and checked, so this is more than a link costs. */
static double link_stream(size_t bytes)
{
	struct xt_request q = { .lanes = 4, .frames = FRAMES, .bytes = bytes, .ms = 60000 };

	if (ask(XT_TRAFFIC, &q))
		die("XT_TRAFFIC");
	return (double)q.out[0] / FRAMES;
}

static void row(const char *transport, const char *what, size_t bytes,
		double (*link)(size_t bytes), double (*plain)(size_t bytes))
{
	double best = 1e18, best_plain = 1e18, t;
	int i;

	for (i = 0; i < TURNS; i++) {
		t = link(bytes);
		best = t < best ? t : best;
		t = plain(bytes);
		best_plain = t < best_plain ? t : best_plain;
	}
	printf("# %-5s %-28s %9.0f ns  %9.0f ns plain  ratio %.2f\n", transport, what, best,
	       best_plain, best / best_plain);
}

void bench(const char *transport)
{
	struct xt_request q;

	printf("TAP version 13\n1..1\n");
	if (open_link(transport, &q))
		die("open");
	row(transport, "ping of headers", 0, link_ping, plain_ping);
	row(transport, "ping answered with a page", 4096, link_ping, plain_ping);
	row(transport, "stream of pages, checked", 4096, link_stream, plain_stream);
	if (close_link(NULL))
		die("close");
	printf("ok 1 - %s: measured\n", transport);
}
