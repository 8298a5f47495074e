// SPDX-License-Identifier: GPL-2.0
/*
 * What a node asks for ahead of need: blocks of untouched pages, blocks of pages to
 * read, the next pages of a thread's way, what was waited for next the last times, what
 * somebody says that it will be needed, and the right to write with a read.  Each is
 * counted in messages or requests, with the guess and without, and what is read is what was
 * written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define PAGES	512
#define ROUNDS	50
#define SOME	40	/* pages of an order that comes again */
#define TURNS	8
#define BORDER	8	/* pages at an edge, of */
#define FIELD	64

static const char *transport;

/* Region 0, homed on node 0, as @node sees it; what the home touches are single pages. */
static volatile uint64_t *map(const struct cluster *c, int node)
{
	void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       c->region[node][0], 0);

	if (p == MAP_FAILED || madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE))
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static void open_two(struct cluster *c, volatile uint64_t *m[2])
{
	*c = (struct cluster){ .nodes = 2, .transport = transport, .bytes = PAGES * PAGE };
	if (cluster_open(c))
		tap_bail("cluster: %s", c->why);
	m[0] = map(c, 0);
	m[1] = map(c, 1);
}

static void close_two(struct cluster *c, volatile uint64_t *m[2])
{
	munmap((void *)m[0], PAGES * PAGE);
	munmap((void *)m[1], PAGES * PAGE);
	cluster_close(c);
}

static volatile uint64_t *word(volatile uint64_t *m, int page)
{
	return m + page * PAGE / sizeof(*m);
}

static struct dvmm_stats stats(const struct cluster *c, int node)
{
	struct dvmm_stats s = { .size = sizeof(s) };

	if (machine_stats(c->machine[node], &s))
		tap_bail("DVMM_GET_STATS: %s", strerror(errno));
	return s;
}

static unsigned long messages(const struct cluster *c)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < c->nodes; i++)
		sum += stats(c, i).messages_sent;
	return sum;
}

/*
 * The home has written every @every-th page of the second half; node 1 writes to all
 * others and reads those.  How many messages that took; @wrong counts wrong words.
 */
static unsigned long touch(int every, int *wrong)
{
	volatile uint64_t *m[2];
	unsigned long before;
	struct cluster c;
	int p;

	open_two(&c, m);
	for (p = PAGES / 2; p < PAGES; p += every)
		*word(m[0], p) = p;
	before = messages(&c);
	for (p = 0; p < PAGES; p++) {
		bool theirs = p >= PAGES / 2 && (p - PAGES / 2) % every == 0;

		*wrong += *word(m[1], p) != (theirs ? (uint64_t)p : 0);
		if (!theirs)
			*word(m[1], p) = ~p;
	}
	before = messages(&c) - before;
	for (p = 0; p < PAGES / 2; p++)
		*wrong += *word(m[0], p) != (uint64_t)~p;
	close_two(&c, m);
	return before;
}

static void zeros(void)
{
	int wrong = 0, other = 0;
	unsigned long with, without;

	cluster_param("copies", 0);
	cluster_param("zeros", 0);
	without = touch(5, &other);
	cluster_param("zeros", 64);
	with = touch(5, &wrong);
	tap_ok(!wrong && !other, "%s: zeroes, and what the home had written, are where they belong",
	       transport);
	/* The last of them may not have been sent yet when they are counted. */
	tap_ok(without >= 2 * PAGES - 1, "%s: a page at a time, two messages each: %lu", transport,
	       without);
	tap_ok(with < without / 2, "%s: untouched pages come in blocks: %lu messages", transport,
	       with);
}

/*
 * The home writes all pages, node 1 reads them in order, @rounds times.  How many
 * messages node 1 needed.
 */
static unsigned long read_on(int rounds, int *wrong)
{
	volatile uint64_t *m[2];
	unsigned long before;
	struct cluster c;
	int i, p;

	open_two(&c, m);
	before = stats(&c, 1).messages_sent;
	for (i = 0; i < rounds; i++) {
		for (p = 0; p < PAGES; p++)
			*word(m[0], p) = p + i;
		for (p = 0; p < PAGES; p++)
			*wrong += *word(m[1], p) != (uint64_t)(p + i);
	}
	before = stats(&c, 1).messages_sent - before;
	close_two(&c, m);
	return before;
}

static void copies(void)
{
	unsigned long without, with, again;
	int wrong = 0;

	cluster_param("copies", 0);
	without = read_on(1, &wrong);
	cluster_param("copies", 16);
	with = read_on(1, &wrong);
	again = read_on(3, &wrong);
	tap_ok(!wrong, "%s: what is read is what the home wrote", transport);
	tap_ok(without >= PAGES, "%s: a page at a time, a request each: %lu", transport, without);
	tap_ok(with < PAGES / 4, "%s: pages that are read in order come in blocks: %lu requests",
	       transport, with);
	/* Each page again and again: a read, an INV_ACK, and a guess for every eighth. */
	tap_ok(again < with + 4 * PAGES + 2 * PAGES / 4,
	       "%s: guesses that are refused get rare: %lu requests in three rounds", transport,
	       again);
}

/* Each node in turn reads a counter and writes it back. */
static unsigned long count(uint64_t *end)
{
	volatile uint64_t *m[2];
	unsigned long before;
	struct cluster c;
	int i;

	open_two(&c, m);
	before = messages(&c);
	for (i = 0; i < 2 * ROUNDS; i++) {
		uint64_t was = *m[i % 2];

		*m[i % 2] = was + 1;
	}
	before = messages(&c) - before;
	*end = *m[0];
	close_two(&c, m);
	return before;
}

/* A producer writes, a consumer reads: a right to write would only be in the way. */
static unsigned long produce(int *wrong)
{
	volatile uint64_t *m[2];
	unsigned long before;
	struct cluster c;
	int i;

	open_two(&c, m);
	*m[1] = *m[0] + 1;		/* once, the consumer wrote */
	before = messages(&c);
	for (i = 0; i < ROUNDS; i++) {
		*m[0] = i;
		*wrong += *m[1] != (uint64_t)i;
	}
	before = messages(&c) - before;
	close_two(&c, m);
	return before;
}

static unsigned long waits(const struct cluster *c, int node)
{
	struct dvmm_stats s = stats(c, node);

	return s.faults_read + s.faults_write + s.faults_upgrade;
}

/* Where a thread goes: up, down, or to and fro by ever longer leaps. */
static int up(int i)
{
	return 2 * i;
}

static int down(int i)
{
	return PAGES - 1 - 2 * i;
}

static int about(int i)
{
	return 31 * i % PAGES;
}

/*
 * The other node has written to what is on the way, @rest to the rest.  @node goes to half of
 * all pages and adds to each, or but reads: how often it waited.
 */
static unsigned long go(int node, int rest, int (*way)(int), bool adds, int *wrong)
{
	static char theirs[PAGES];
	volatile uint64_t *m[2];
	unsigned long before;
	struct cluster c;
	int i, p;

	open_two(&c, m);
	memset(theirs, 0, sizeof(theirs));
	for (i = 0; i < PAGES / 2; i++)
		theirs[way(i)] = 1;
	for (p = 0; p < PAGES; p++)
		*word(m[theirs[p] ? !node : rest], p) = p;
	before = waits(&c, node);
	for (i = 0; i < PAGES / 2; i++) {
		*wrong += *word(m[node], way(i)) != (uint64_t)way(i);
		if (adds)
			*word(m[node], way(i)) += 1;
	}
	before = waits(&c, node) - before;
	for (i = 0; i < PAGES / 2; i++)
		*wrong += *word(m[!node], way(i)) != (uint64_t)(way(i) + adds);
	close_two(&c, m);
	return before;
}

/* Where there is a CPU for each node, a thread comes to pages that are still on their way. */
static bool alone(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

static void streams_of(const char *who, int node)
{
	unsigned long without, with, apart, reads, lost, lost_without;
	int wrong = 0;

	cluster_param("streams", 0);
	without = go(node, node, down, true, &wrong);
	lost_without = go(node, node, about, true, &wrong);
	cluster_param("streams", 16);
	with = go(node, node, down, true, &wrong);
	apart = go(node, !node, up, true, &wrong);
	reads = go(node, node, up, false, &wrong);
	lost = go(node, node, about, true, &wrong);
	cluster_param("streams", 0);
	tap_ok(!wrong, "%s, %s: who goes from page to page finds what was written", transport, who);
	tap_ok(without >= PAGES / 2, "%s, %s: it waits for each page: %lu times for %d", transport,
	       who, without, PAGES / 2);
	tap_ok(with < without / (alone() ? 4 : 2),
	       "%s, %s: downwards, adding, it waits %lu times", transport, who, with);
	tap_ok(apart < without / 4, "%s, %s: and where what it leaves out is elsewhere, %lu times",
	       transport, who, apart);
	tap_ok(reads < PAGES / 4, "%s, %s: upwards, reading, %lu times", transport, who, reads);
	tap_ok(lost <= lost_without + lost_without / 8,
	       "%s, %s: without order nothing is lost: %lu times, %lu before", transport, who,
	       lost, lost_without);
}

/* The other node has written to every second page; @node is told that it will need half. */
static void willneed(int node)
{
	volatile uint64_t *m[2];
	unsigned long before, asked, ahead, late;
	struct cluster c;
	int p, ret, wrong = 0;

	open_two(&c, m);
	for (p = 0; p < PAGES; p += 2)
		*word(m[!node], p) = p;
	before = waits(&c, node);
	ret = posix_fadvise(c.region[node][0], PAGES / 2 * PAGE + 1, 0, POSIX_FADV_WILLNEED);
	asked = waits(&c, node) - before;
	ahead = stats(&c, node).prefetches;
	before = waits(&c, node);
	for (p = PAGES / 2; p < PAGES; p += 2)
		wrong += *word(m[node], p) != (uint64_t)p;
	late = waits(&c, node) - before;
	tap_ok(!ret && !wrong && !late, "%s, node %d: what will be needed is there: %lu waits",
	       transport, node, late);
	tap_ok(ahead >= PAGES / 4, "%s, node %d: asked for ahead: %lu of %d", transport, node,
	       ahead, PAGES / 2);
	/* By loop, too, a page may take longer to come than the thread to wait for it. */
	if (!strcmp(transport, "tcp") && alone())
		tap_ok(asked < PAGES / 8, "%s, node %d: many come at a time: %lu waits for %d",
		       transport, node, asked, PAGES / 4);
	for (p = 0; p < PAGES / 2; p += 2)
		wrong += *word(m[node], p) != (uint64_t)p;
	tap_ok(!wrong && waits(&c, node) - before >= PAGES / 4,
	       "%s, node %d: no other page came", transport, node);
	tap_ok(posix_fadvise(c.region[node][0], -1, 0, POSIX_FADV_WILLNEED) == EINVAL &&
	       !posix_fadvise(c.region[node][0], 2 * PAGES * PAGE, 0, POSIX_FADV_WILLNEED) &&
	       !posix_fadvise(c.region[node][0], 0, 0, POSIX_FADV_RANDOM),
	       "%s, node %d: refused: before the first page; nothing: behind the last", transport,
	       node);
	close_two(&c, m);
}

static void history(void)
{
	unsigned long with, without, read_with, read_without;
	uint64_t end, end_without;
	int wrong = 0;

	cluster_param("history", 0);
	without = count(&end_without);
	read_without = produce(&wrong);
	cluster_param("history", 1);
	with = count(&end);
	read_with = produce(&wrong);
	tap_ok(end == 2 * ROUNDS && end_without == end && !wrong, "%s: no count is lost",
	       transport);
	tap_ok(without >= 7 * ROUNDS, "%s: a read and an upgrade a turn: %lu messages in %d turns",
	       transport, without, 2 * ROUNDS);
	tap_ok(with <= 5 * ROUNDS, "%s: by history one request a turn: %lu messages", transport,
	       with);
	tap_ok(read_with <= read_without + 10,
	       "%s: a consumer goes on reading: %lu messages, %lu without", transport, read_with,
	       read_without);
}

/* Node 1 reads some pages in an order without steps, and again each time they are written. */
static unsigned long repeat(int (*way)(int), int *wrong)
{
	volatile uint64_t *m[2];
	unsigned long before;
	struct cluster c;
	int i, turn;

	open_two(&c, m);
	before = waits(&c, 1);
	for (turn = 1; turn <= TURNS; turn++) {
		for (i = 0; i < SOME; i++)
			*word(m[0], way(i)) = turn * PAGES + i;
		for (i = 0; i < SOME; i++)
			*wrong += *word(m[1], way(i)) != (uint64_t)(turn * PAGES + i);
	}
	before = waits(&c, 1) - before;
	close_two(&c, m);
	return before;
}

static void order(void)
{
	unsigned long without, with;
	int wrong = 0;

	without = repeat(about, &wrong);
	cluster_param("follow", 4);
	with = repeat(about, &wrong);
	cluster_param("follow", 0);
	tap_ok(!wrong, "%s: what comes in the order of before is what was written", transport);
	tap_ok(without >= SOME * TURNS, "%s: each is waited for: %lu times for %d", transport,
	       without, SOME * TURNS);
	tap_ok(with < without / 2, "%s: in an order that is known, %lu times", transport, with);
}

/*
 * A neighbour: @node reads the edge of a field each time the other one has written to all of
 * it.  How many pages it was ahead of its reader.
 */
static unsigned long border(int node, int *wrong)
{
	volatile uint64_t *m[2];
	unsigned long ahead;
	struct cluster c;
	int p, turn;

	open_two(&c, m);
	for (turn = 1; turn <= TURNS; turn++) {
		for (p = 0; p < FIELD; p++)
			*word(m[!node], p) = turn * PAGES + p;
		for (p = 0; p < BORDER; p++)
			*wrong += *word(m[node], p) != (uint64_t)(turn * PAGES + p);
	}
	ahead = stats(&c, node).prefetches;
	close_two(&c, m);
	return ahead;
}

static void edges(int node)
{
	unsigned long ahead;
	int wrong = 0;

	cluster_param("streams", 16);
	ahead = border(node, &wrong);
	cluster_param("streams", 0);
	tap_ok(!wrong, "%s, node %d: what is read at an edge is what was written", transport, node);
	tap_ok(ahead >= TURNS && ahead < (TURNS + 3) * BORDER,
	       "%s, node %d: beyond the edge it is ahead but once: %lu pages in %d turns of %d",
	       transport, node, ahead, TURNS, BORDER);
}

int main(void)
{
	static const char *const transports[] = { "loop", "tcp" };
	size_t i;

	tap_start(100);
	dev_there();
	for (i = 0; i < 2; i++) {
		transport = transports[i];
		zeros();
		copies();
		cluster_param("copies", 0);
		willneed(0);
		willneed(1);
		history();
	}
	order();
	streams_of("the home", 0);
	streams_of("another node", 1);
	edges(0);
	edges(1);
	return tap_end();
}
