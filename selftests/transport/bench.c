// SPDX-License-Identifier: GPL-2.0
/*
 * What a link costs beside the same bytes sent by two threads of one process
 * over a TCP connection on loopback: the same machine, the same run.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sockets.h"
#include "suite.h"

#define ROUNDS	2000
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

/* ns for one round trip: 40 bytes there, so many back */
static double plain_ping(size_t bytes)
{
	static char data[FRAME];
	pthread_t thread;
	double start;
	int i;

	connect_pair(&pair[0], &pair[1]);
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
static double plain_stream(void)
{
	static char data[FRAME];
	pthread_t thread;
	double start;
	int i;

	connect_pair(&pair[0], &pair[1]);
	pthread_create(&thread, NULL, sink, NULL);
	start = now();
	for (i = 0; i < ROUNDS * 4; i++)
		send_bytes(pair[0], data, sizeof(data));
	close(pair[0]);
	pthread_join(thread, NULL);
	start = (now() - start) / (ROUNDS * 4);
	close(pair[1]);
	return start;
}

static void row(const char *transport, const char *what, double mine, double plain)
{
	printf("%-5s %-28s %9.0f ns  %9.0f ns plain  ratio %.2f\n", transport, what, mine, plain,
	       mine / plain);
}

static void bench_ping(const char *transport, unsigned int bytes, const char *what)
{
	struct xt_request q = { .frames = ROUNDS, .bytes = bytes };

	if (ask(XT_PING, &q))
		die("XT_PING");
	row(transport, what, q.out[1], plain_ping(40 + bytes));
}

static void bench_stream(const char *transport)
{
	struct xt_request q = { .lanes = 4, .frames = ROUNDS * 4, .bytes = 4096, .ms = 60000 };

	if (ask(XT_TRAFFIC, &q))
		die("XT_TRAFFIC");
	/* the contents are made and checked: this bounds the cost from above */
	row(transport, "stream of pages, checked", (double)q.out[0] / q.frames, plain_stream());
}

void bench(const char *transport)
{
	struct xt_request q;

	if (open_link(transport, &q))
		die("open");
	bench_ping(transport, 0, "ping of headers");
	bench_ping(transport, 4096, "ping answered with a page");
	bench_stream(transport);
	if (close_link(NULL))
		die("close");
}
