// SPDX-License-Identifier: GPL-2.0
/*
 * What each transition costs beside a ping of the same size on the same link in
 * the same run, and how many messages and bytes it takes, by the nodes' own
 * counters.  Everything is done several times, and the fastest time counts: a
 * machine that is busy with something else spoils some turns, not all.
 */
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "plain.h"
#include "tap.h"
#include "work.h"

#define TURNS		8
#define PAGES		16	/* of a turn */
#define PINGS		100
#define HEADER		40
#define STREAM_PAGES	256
#define MAX_GIVEN	5
#define FIRST_TOUCH	512	/* pages from here on are touched once */

enum kind { LOAD = 1, STORE };

struct access {
	uint8_t node, kind;
};

/* Pages are homed on node 0; each is brought into a state, then comes the access. */
static const struct row {
	const char *what;
	struct access given[MAX_GIVEN];
	struct access then;
} rows[] = {
	{ "read miss, home has the page", { { 0, STORE } }, { 1, LOAD } },
	{ "write miss, home has the page", { { 0, STORE } }, { 1, STORE } },
	{ "read miss, a third node owns it", { { 2, STORE } }, { 1, LOAD } },
	{ "write miss, a third node owns it", { { 2, STORE } }, { 1, STORE } },
	{ "upgrade, no other sharer", { { 0, STORE }, { 1, LOAD } }, { 1, STORE } },
	{ "upgrade, 1 other sharer", { { 0, STORE }, { 1, LOAD }, { 2, LOAD } }, { 1, STORE } },
	{ "upgrade, 3 other sharers", { { 0, STORE }, { 1, LOAD }, { 2, LOAD }, { 3, LOAD },
	  { 4, LOAD } }, { 1, STORE } },
	{ "upgrade at home, 1 sharer", { { 0, STORE }, { 1, LOAD } }, { 0, STORE } },
	{ "upgrade at home, 3 sharers", { { 0, STORE }, { 1, LOAD }, { 2, LOAD }, { 3, LOAD } },
	  { 0, STORE } },
	{ "first read elsewhere", { }, { 1, LOAD } },
	{ "first write at home", { }, { 0, STORE } },
};

/* What nodes send to node 0; the counters are sums over nodes and turns. */
struct cost {
	uint64_t ns;
	uint64_t messages;
	uint64_t bytes;
	uint64_t pages;
};

static void work_on(struct actor *a, struct access what, size_t first)
{
	volatile uint64_t *word;
	size_t p;

	for (p = first; a->self == what.node && p < first + PAGES; p++) {
		word = (uint64_t *)actor_page(a, 0, p);
		if (what.kind == STORE)
			*word = p;
		else
			(void)*word;
	}
}

/* What was granted is kept for a while, and what is off the path still travels. */
static int settle(struct actor *a)
{
	static const struct timespec longest_hold = { .tv_nsec = 120000000 };

	if (actor_meet(a))
		return -1;
	nanosleep(&longest_hold, NULL);
	return actor_meet(a);
}

static int counters(struct actor *a, struct cost *c)
{
	struct dvmm_stats s;

	if (machine_stats(a->machine, &s))
		return actor_fail(a, "statistics: %s", strerror(errno));
	c->messages += s.messages_sent;
	c->bytes += s.bytes_sent;
	c->pages += s.pages_sent;
	return 0;
}

static int prepare(struct actor *a, const struct row *r, size_t first)
{
	int i;

	for (i = 0; i < MAX_GIVEN && r->given[i].kind; i++) {
		work_on(a, r->given[i], first);
		if (settle(a))
			return -1;
	}
	return 0;
}

static int turn(struct actor *a, const struct row *r, size_t first, struct cost *c)
{
	struct cost before = { 0 };
	uint64_t start;

	if (prepare(a, r, first) || counters(a, &before) || actor_meet(a))
		return -1;
	start = now_ns();
	work_on(a, r->then, first);
	if (a->self == r->then.node && (!c->ns || now_ns() - start < c->ns))
		c->ns = now_ns() - start;
	if (settle(a) || counters(a, c))
		return -1;
	c->messages -= before.messages;
	c->bytes -= before.bytes;
	c->pages -= before.pages;
	return 0;
}

/* Node 0 gets the sum over all nodes; one node has measured a time. */
static int collect(struct actor *a, struct cost *c)
{
	struct cost other;
	int i;

	if (a->self)
		return send(a->plain[0], c, sizeof(*c), MSG_NOSIGNAL) == sizeof(*c) ?
		       0 : actor_fail(a, "node 0 has gone");
	for (i = 1; i < a->nodes; i++) {
		if (recv(a->plain[i], &other, sizeof(other), MSG_WAITALL) != sizeof(other))
			return actor_fail(a, "node %d has gone", i);
		c->ns += other.ns;
		c->messages += other.messages;
		c->bytes += other.bytes;
		c->pages += other.pages;
	}
	return 0;
}

/* ---- the link without dvmm ---- */

struct plain {
	double ping;	/* a page there and back */
	double fetch;	/* a header there, a header and a page back */
	double stream;	/* one page of many */
};

static double faster(double a, double b)
{
	return !a || b < a ? b : a;
}

static int measure_plain(struct actor *a, struct plain *best)
{
	double ping, fetch, stream;

	if (a->self < 2) {
		ping = plain_ping(a, PAGE, PAGE, PINGS);
		fetch = plain_ping(a, HEADER, HEADER + PAGE, PINGS);
		stream = plain_stream(a, 4 * STREAM_PAGES);
		if (ping < 0 || fetch < 0 || stream < 0)
			return actor_fail(a, "plain connection broke");
		best->ping = faster(best->ping, ping);
		best->fetch = faster(best->fetch, fetch);
		best->stream = faster(best->stream, stream);
	}
	return actor_meet(a);
}

/* Node 1 has measured, node 0 prints. */
static int tell_plain(struct actor *a, struct plain *p)
{
	const int n = sizeof(*p);

	if (a->self == 1 && send(a->plain[0], p, n, MSG_NOSIGNAL) != n)
		return actor_fail(a, "node 0 has gone");
	if (a->self)
		return 0;
	if (recv(a->plain[1], p, n, MSG_WAITALL) != n)
		return actor_fail(a, "node 1 has gone");
	tap_diag("plain TCP: ping of 4 KiB %.0f us, header answered with a page %.0f us",
		 p->ping / 1e3, p->fetch / 1e3);
	tap_diag("plain TCP: stream %.1f us a page", p->stream / 1e3);
	return 0;
}

/* ---- what a page costs the host; by the lanes of a node alone in its kernel ---- */

struct lanes {
	bool copied; /* out of a socket; else the device moves pages */
	uint64_t frames;
	uint64_t credits; /* messages without a frame */
	uint64_t rooms; /* offered for what may come */
};

static uint64_t word_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool read_lanes(struct lanes *l)
{
	char line[400];
	glob_t found;
	FILE *f = NULL;

	memset(l, 0, sizeof(*l));
	if (!glob("/sys/kernel/debug/dvmm/*/lanes", 0, NULL, &found) && found.gl_pathc == 1)
		f = fopen(found.gl_pathv[0], "r");
	globfree(&found);
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		l->copied |= !!strstr(line, " path: copy-out ");
		l->frames += word_after(line, " sent: ");
		l->credits += word_after(line, " credits: ");
		l->rooms += word_after(line, " received: ");
	}
	fclose(f);
	return true;
}

static void show_lanes(const struct lanes *before)
{
	struct lanes l;
	double frames;

	if (!read_lanes(&l) || l.frames == before->frames)
		return;
	tap_diag("copies of a page between frames of guest memory, by the hosts' CPUs: %d",
		 l.copied ? 1 : 0);
	frames = l.frames - before->frames;
	if (l.credits)
		tap_diag("doorbells, per frame sent: 1, for credits or life %.2f, for room %.2f",
			 (l.credits - before->credits) / frames,
			 (l.rooms - before->rooms) / frames);
}

/* ---- transitions ---- */

static int nodes_of(const struct row *r)
{
	int i, most = r->then.node;

	for (i = 0; i < MAX_GIVEN && r->given[i].kind; i++)
		most = r->given[i].node > most ? r->given[i].node : most;
	return most + 1;
}

static int run_row(struct actor *a, const struct row *r, struct cost *c, size_t *untouched,
		   struct plain *plain)
{
	size_t first = 0;
	int i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < TURNS; i++) {
		if (!r->given[0].kind) {
			first = *untouched;
			*untouched += PAGES;
		}
		if (measure_plain(a, plain) || turn(a, r, first, c))
			return -1;
	}
	return collect(a, c);
}

static void show_row(const struct row *r, const struct cost *c, const struct plain *p)
{
	const double ns = (double)c->ns / PAGES, each = TURNS * PAGES;

	tap_diag("%-33s %7.0f %6.2f %6.2f %9.2f %6.0f %6.2f", r->what, ns / 1e3, ns / p->ping,
		 ns / p->fetch, c->messages / each, c->bytes / each, c->pages / each);
}

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int transitions(struct actor *a, struct plain *plain)
{
	struct cost cost[ROWS];
	size_t untouched = FIRST_TOUCH, i;

	for (i = 0; i < ROWS; i++)
		if (nodes_of(&rows[i]) <= a->nodes &&
		    run_row(a, &rows[i], &cost[i], &untouched, plain))
			return -1;
	if (tell_plain(a, plain))
		return -1;
	if (!a->self)
		tap_diag("%-33s %7s %6s %6s %9s %6s %6s", "a transition takes", "us", "pings",
			 "fetch", "messages", "bytes", "pages");
	for (i = 0; i < ROWS && !a->self; i++) {
		if (nodes_of(&rows[i]) <= a->nodes)
			show_row(&rows[i], &cost[i], plain);
		else
			tap_diag("%-33s needs %d nodes", rows[i].what, nodes_of(&rows[i]));
	}
	return 0;
}

/* ---- ping-pong: a page for each thread of node 0 and its partner on node 1 ---- */

#define PING_PONG_S	1
#define MAX_THREADS	4

struct player {
	volatile uint64_t *word;
	uint64_t end;
	int self;
	pthread_t thread;
};

static void *play(void *arg)
{
	struct player *p = arg;
	unsigned int spins = 0;

	while (now_ns() < p->end) {
		if (*p->word % 2 == (unsigned int)p->self)
			(*p->word)++;
		else
			sync_relax(&spins);
	}
	return NULL;
}

static void play_all(struct actor *a, int threads)
{
	struct player p[MAX_THREADS];
	int i;

	for (i = 0; i < threads; i++) {
		p[i].word = (uint64_t *)actor_page(a, 0, PAGES + i);
		p[i].end = now_ns() + PING_PONG_S * 1000000000ull;
		p[i].self = a->self;
		if (pthread_create(&p[i].thread, NULL, play, &p[i]))
			tap_bail("no thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(p[i].thread, NULL);
}

/* Moves are counted by the nodes themselves. */
static int ping_pong(struct actor *a, int threads, double *most)
{
	struct cost before = { 0 }, c = { 0 };

	if (actor_meet(a) || counters(a, &before) || actor_meet(a))
		return -1;
	if (a->self < 2)
		play_all(a, threads);
	if (settle(a) || counters(a, &c))
		return -1;
	c.pages -= before.pages;
	if (collect(a, &c))
		return -1;
	if ((double)c.pages / PING_PONG_S > *most)
		*most = (double)c.pages / PING_PONG_S;
	return 0;
}

static int ping_pongs(struct actor *a, const struct plain *plain)
{
	int threads, i;
	double most;

	for (threads = 1; threads <= MAX_THREADS; threads *= 2) {
		most = 0;
		for (i = 0; i < TURNS / 2; i++)
			if (ping_pong(a, threads, &most))
				return -1;
		if (!a->self)
			tap_diag("ping-pong, %d threads a node: %.0f page moves/s, %.2f a ping",
				 threads, most, most * plain->ping / 1e9);
	}
	return 0;
}

/* ---- reading many pages in a row ---- */

struct reader {
	struct actor *a;
	size_t first, pages;
	pthread_t thread;
};

static void *read_pages(void *arg)
{
	struct reader *r = arg;
	size_t p;

	for (p = r->first; p < r->first + r->pages; p++)
		(void)*(volatile uint64_t *)actor_page(r->a, 0, p);
	return NULL;
}

static uint64_t read_all(struct actor *a, int threads)
{
	struct reader r[MAX_THREADS];
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < threads; i++) {
		r[i] = (struct reader){
			.a = a,
			.first = i * STREAM_PAGES / threads,
			.pages = STREAM_PAGES / threads,
		};
		if (pthread_create(&r[i].thread, NULL, read_pages, &r[i]))
			tap_bail("no thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(r[i].thread, NULL);
	return now_ns() - start;
}

static void write_all(struct actor *a)
{
	size_t p;

	for (p = 0; p < STREAM_PAGES; p++)
		*(volatile uint64_t *)actor_page(a, 0, p) = p;
}

static int read_turn(struct actor *a, int threads, struct cost *c)
{
	uint64_t ns;

	if (!a->self)
		write_all(a);
	if (settle(a))
		return -1;
	if (a->self == 1) {
		ns = read_all(a, threads);
		c->ns = !c->ns || ns < c->ns ? ns : c->ns;
	}
	return actor_meet(a);
}

static int sequential(struct actor *a, int threads, const struct plain *plain)
{
	struct cost before = { 0 }, c = { 0 };
	int i;

	if (!a->self)
		write_all(a);
	if (settle(a) || counters(a, &before) || actor_meet(a))
		return -1;
	for (i = 0; i < TURNS / 2; i++)
		if (read_turn(a, threads, &c))
			return -1;
	if (counters(a, &c))
		return -1;
	c.pages -= before.pages;
	if (collect(a, &c))
		return -1;
	/* More where some were asked for ahead in vain. */
	if (!a->self && c.pages < STREAM_PAGES * TURNS / 2)
		return actor_fail(a, "%llu pages moved, expected %d", (unsigned long long)c.pages,
				  STREAM_PAGES * TURNS / 2);
	if (!a->self)
		tap_diag("sequential remote read, %d threads: %.1f us a page, %.1f %% of stream",
			 threads, (double)c.ns / STREAM_PAGES / 1e3,
			 100 * plain->stream * STREAM_PAGES / c.ns);
	return 0;
}

int work_bench(struct actor *a)
{
	struct lanes before;
	struct plain plain = { 0 };

	if (a->nodes < 2)
		return actor_fail(a, "one node is not enough");
	if (actor_pages(a, 0) < FIRST_TOUCH + 2 * TURNS * PAGES)
		return actor_fail(a, "regions are too short");
	read_lanes(&before);
	if (transitions(a, &plain) || ping_pongs(a, &plain) || sequential(a, 1, &plain) ||
	    sequential(a, 4, &plain))
		return -1;
	if (!a->self)
		show_lanes(&before);
	return 0;
}

int work_stream(struct actor *a)
{
	struct plain plain = { 0 };

	if (a->nodes < 2)
		return actor_fail(a, "one node is not enough");
	if (actor_pages(a, 0) < STREAM_PAGES)
		return actor_fail(a, "regions are too short");
	if (measure_plain(a, &plain) || tell_plain(a, &plain))
		return -1;
	return sequential(a, 1, &plain) ?: sequential(a, 4, &plain);
}
