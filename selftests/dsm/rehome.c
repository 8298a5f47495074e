// SPDX-License-Identifier: GPL-2.0
/*
 * Homes that move: at rest, each kind of page, in messages; under load from all nodes, whose
 * values are checked; back and forth; and with a node that ends in the middle.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cgroup.h"
#include "cluster.h"
#include "mover.h"
#include "tap.h"

#define NODES	3
#define CHUNK	512
#define PAGES	(3 * CHUNK - 100)	/* the last chunk is short */
#define BLOCK	(CHUNK * PAGE)
#define WORDS	(PAGE / sizeof(uint64_t))
#define HOT	6		/* pages under load */
#define MOVES	24
#define MANY	70
#define WAIT_MS	5000

typedef volatile uint64_t word_t;

static const char *transport;
static struct mover mv;

struct world {
	struct cluster c;
	word_t *m[NODES];
};

static word_t *map(const struct cluster *c, int node, int advice)
{
	void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       c->region[node][0], 0);

	if (p == MAP_FAILED || madvise(p, PAGES * PAGE, advice))
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

/* Region 0 is homed on node 0. */
static void begin(struct world *w, uint32_t hold_us, uint32_t policy, int advice)
{
	int i;

	w->c = (struct cluster){ .nodes = NODES, .transport = transport, .bytes = PAGES * PAGE,
				 .hold_us = hold_us, .policy = policy };
	if (cluster_open(&w->c))
		tap_bail("cluster: %s", w->c.why);
	for (i = 0; i < NODES; i++)
		w->m[i] = map(&w->c, i, advice);
}

static void end(struct world *w)
{
	int i;

	for (i = 0; i < NODES; i++)
		munmap((void *)w->m[i], PAGES * PAGE);
	cluster_close(&w->c);
}

static word_t *at(struct world *w, int node, int page)
{
	return w->m[node] + page * WORDS;
}

static struct dvmm_stats sum(const struct world *w)
{
	struct dvmm_stats all = {}, s;
	int i;

	for (i = 0; i < NODES; i++) {
		s = (struct dvmm_stats){ .size = sizeof(s) };
		if (machine_stats(w->c.machine[i], &s))
			tap_bail("DVMM_GET_STATS: %s", strerror(errno));
		all.messages_sent += s.messages_sent;
		all.pages_sent += s.pages_sent;
	}
	return all;
}

/* Who has only just become the home may still be taking pages. */
static int move(struct world *w, int from, int page, int to)
{
	int ret, tries = 0;

	do {
		if (tries)
			usleep(2000);
		ret = mover_move(&mv, w->c.uuid, from, 0, page, to);
	} while (ret == EINVAL && strstr(mv.s.why, "being moved already") && tries++ < 1000);
	return ret;
}

/* The new home takes the pages after the old one's answer. */
static bool homed(struct world *w, int node, uint64_t pages)
{
	uint64_t end = now_ns() + WAIT_MS * 1000000ull * tap_patience();

	while (mover_homed(&mv, w->c.uuid, node, 0) != pages) {
		if (now_ns() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static uint64_t value(int page)
{
	return 0x5eed0000ull + page;
}

/* Pages whose value is wrong on some node. */
static int wrong(struct world *w, int first, int end)
{
	int page, node, bad = 0;

	for (page = first; page < end; page++)
		for (node = 0; node < NODES; node++)
			bad += *at(w, node, page) != value(page);
	return bad;
}

/* ---- what a move costs ---- */

static void untouched(void)
{
	struct dvmm_stats before, after;
	struct world w;
	int ret;

	begin(&w, 0, 0, MADV_NOHUGEPAGE);
	before = sum(&w);
	ret = move(&w, 0, CHUNK + 7, 1);
	after = sum(&w);
	tap_ok(!ret && !mv.touched && homed(&w, 1, CHUNK) && homed(&w, 0, PAGES - CHUNK),
	       "%s: an untouched chunk has another home (%s)", transport, strerror(ret));
	tap_ok(after.messages_sent - before.messages_sent == 2 * NODES &&
	       after.pages_sent == before.pages_sent,
	       "%s: for %llu messages in %d nodes, and no contents", transport,
	       (unsigned long long)(after.messages_sent - before.messages_sent), NODES);
	ret = move(&w, 0, PAGES - 1, 2);
	tap_ok(!ret && homed(&w, 2, PAGES % CHUNK), "%s: so has the short one at the end (%s)",
	       transport, strerror(ret));
	*at(&w, 2, CHUNK) = 1;
	*at(&w, 1, PAGES - 1) = 2;
	tap_ok(*at(&w, 0, CHUNK) == 1 && *at(&w, 2, PAGES - 1) == 2 && !*at(&w, 0, PAGES - 2),
	       "%s: where pages are used as ever", transport);
	end(&w);
}

enum kind { MINE, THEIRS, THIRD, ALL, OTHERS, KINDS };

/* Page @page of the first chunk gets each kind of state at its home. */
static void touch(struct world *w, int page)
{
	static const int writer[KINDS] = { 0, 1, 2, 0, 2 };
	enum kind kind = page % KINDS;
	int node;

	*at(w, writer[kind], page) = value(page);
	for (node = 0; node < NODES && kind == ALL; node++)
		(void)*at(w, node, page);
	if (kind == OTHERS)
		(void)*at(w, 0, page);
}

static void touched(void)
{
	struct dvmm_stats before, after;
	unsigned long messages, pages;
	struct world w;
	int page, ret;

	begin(&w, 0, 0, MADV_NOHUGEPAGE);
	/* Pages that are asked for ahead of need are touched, too. */
	cluster_param("zeros", 0);
	for (page = 0; page < 20 * KINDS; page++)
		touch(&w, page);
	cluster_param("zeros", 64);
	before = sum(&w);
	ret = move(&w, 0, 0, 1);
	after = sum(&w);
	messages = after.messages_sent - before.messages_sent;
	pages = after.pages_sent - before.pages_sent;
	tap_ok(!ret && mv.touched == 20 * KINDS && messages == 2 * NODES + mv.touched,
	       "%s: %llu touched pages take a message each: %lu in all (%s)", transport,
	       (unsigned long long)mv.touched, messages, strerror(ret));
	tap_ok(pages == 20, "%s: contents only of shared pages that the new home has not: %lu",
	       transport, pages);
	page = wrong(&w, 0, 20 * KINDS);
	tap_ok(!page, "%s: all nodes see what was written (%d wrong)", transport, page);
	end(&w);
}

/* All 512 pages in one frame of 2 MiB, which goes on being used. */
static void whole_block(void)
{
	struct world w;
	int page, ret;

	begin(&w, 0, 0, MADV_NORMAL);
	for (page = 0; page < CHUNK; page++)
		*at(&w, 0, page) = value(page);
	ret = move(&w, 0, 0, 2);
	tap_ok(!ret && mv.touched == CHUNK, "%s: a chunk that is in use at its home moves (%s)",
	       transport, strerror(ret));
	page = wrong(&w, 0, CHUNK);
	tap_ok(!page, "%s: with its values (%d wrong)", transport, page);
	ret = move(&w, 0, CHUNK, 1);
	for (page = CHUNK; page < 2 * CHUNK; page++)
		*at(&w, page % 2, page) = value(page);
	page = wrong(&w, CHUNK, 2 * CHUNK);
	tap_ok(!ret && !page, "%s: a new home is the first to touch what is untouched (%d wrong)",
	       transport, page);
	end(&w);
}

/* Where a block of 2 MiB fits. */
static word_t *map_block(const struct cluster *c, int node, int page)
{
	char *room = mmap(NULL, 2 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = room + BLOCK - (uintptr_t)room % BLOCK;

	if (room == MAP_FAILED ||
	    mmap(at, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, c->region[node][0],
		 page * PAGE) == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return (word_t *)at;
}

static uint64_t frames(const struct cluster *c, int node)
{
	struct dvmm_stats s = { .size = sizeof(s) };

	if (machine_stats(c->machine[node], &s))
		tap_bail("DVMM_GET_STATS: %s", strerror(errno));
	return s.frames;
}

static bool given_back(const struct cluster *c, int node, uint64_t left)
{
	uint64_t end = now_ns() + WAIT_MS * 1000000ull * tap_patience();

	while (frames(c, node) > left) {
		if (now_ns() > end)
			return false;
		if (!cgroup_put("/proc/sys/vm/drop_caches", "2"))
			tap_bail("drop_caches: %s", strerror(errno));
		usleep(100000);
	}
	return true;
}

/* Who gives copies back finds none that may go, and behind them a block that ends the region. */
static void block_at_the_end(void)
{
	struct world w = { .c = { .nodes = 2, .transport = transport, .bytes = 2 * BLOCK } };
	word_t *near, *far;
	int page, fd;

	if (cluster_open(&w.c))
		tap_bail("cluster: %s", w.c.why);
	near = map_block(&w.c, 0, 0);
	far = map_block(&w.c, 1, 0);
	for (page = 0; page < CHUNK; page++)
		near[page * WORDS] = value(page);
	for (page = 0; page < CHUNK; page++)
		if (far[page * WORDS] != value(page))
			tap_bail("page %d is wrong", page);
	if (move(&w, 0, CHUNK, 1) || !homed(&w, 1, CHUNK))
		tap_bail("a move: %s", mv.s.why);
	*map_block(&w.c, 1, CHUNK) = 1;
	if (frames(&w.c, 1) != 2 * CHUNK) {
		tap_skip("a block at the end", "no 2 MiB are free");
		cluster_close(&w.c);
		return;
	}
	fd = snapshot_create(w.c.region[1][0]);
	if (fd < 0 || !cgroup_put("/proc/sys/vm/drop_caches", "2"))
		tap_bail("a snapshot: %s", strerror(errno));
	usleep(200000);	/* it has gone through them */
	close(fd);
	tap_ok(given_back(&w.c, 1, CHUNK + CHUNK / 8),
	       "%s: copies in front of a block are given back: %llu frames are left", transport,
	       (unsigned long long)frames(&w.c, 1));
	cluster_close(&w.c);
}

static void round_trips(void)
{
	static const int way[] = { 1, 2, 0, 2, 1, 0 };
	int page, ret = 0, bad = 0, home = 0;
	struct world w;
	unsigned int i;

	begin(&w, 0, 0, MADV_NOHUGEPAGE);
	for (i = 0; i < 6 && !ret; i++) {
		for (page = i * 10; page < (int)i * 10 + 10; page++)
			touch(&w, page);
		ret = move(&w, home, 0, way[i]);
		home = way[i];
		bad += wrong(&w, 0, i * 10 + 10);
	}
	tap_ok(!ret && !bad && homed(&w, 0, PAGES) && homed(&w, 1, 0) && homed(&w, 2, 0),
	       "%s: a chunk wanders over all nodes and comes back (%s, %d wrong)", transport,
	       strerror(ret), bad);
	end(&w);
}

/* More TAKEs than a node may keep messages of a peer, none of which it keeps. */
static void many(void)
{
	unsigned long told = 0;
	int page, ret = 0, i;
	struct world w;

	begin(&w, 0, 0, MADV_NORMAL);
	for (page = 0; page < CHUNK; page++)
		*at(&w, 0, page) = value(page);
	for (i = 0; i < MANY && !ret; i++) {
		ret = move(&w, i % 2, 0, 1 - i % 2);
		told += ret ? 0 : mv.touched;
	}
	page = ret ? 0 : wrong(&w, 0, CHUNK);
	tap_ok(!ret && told == MANY * CHUNK && !page,
	       "%s: %d moves of a chunk that is full: %lu pages handed over (%s, %d wrong)",
	       transport, i, told, strerror(ret), page);
	end(&w);
}

/* ---- under load ---- */

struct worker {
	pthread_t thread;
	struct world *w;
	int node;
	unsigned long adds;
	unsigned long back;		/* values that were lower than before */
	volatile bool *stop;
};

/* Word 0 of a page is everybody's; word 1 + n is counted up by node n alone. */
static void work_on(struct worker *k, uint64_t seen[HOT][NODES], int page)
{
	word_t *p = at(k->w, k->node, page * 31);
	int n;

	__atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST);
	p[1 + k->node]++;
	k->adds++;
	for (n = 0; n < NODES; n++) {
		uint64_t now = at(k->w, k->node, (page + 1) % HOT * 31)[1 + n];
		uint64_t *last = &seen[(page + 1) % HOT][n];

		k->back += now < *last;
		*last = now;
	}
}

static void *work(void *arg)
{
	uint64_t seen[HOT][NODES] = {};
	struct worker *k = arg;
	int page = k->node;

	while (!*k->stop)
		work_on(k, seen, page++ % HOT);
	return NULL;
}

static unsigned long counted(struct world *w, int first, int last)
{
	unsigned long all = 0;
	int page, n;

	for (page = 0; page < HOT; page++)
		for (n = first; n <= last; n++)
			all += at(w, 0, page * 31)[n];
	return all;
}

static void start(struct world *w, struct worker k[NODES], volatile bool *stop)
{
	int i;

	for (i = 0; i < NODES; i++) {
		k[i] = (struct worker){ .w = w, .node = i, .stop = stop };
		if (pthread_create(&k[i].thread, NULL, work, &k[i]))
			tap_bail("pthread_create");
	}
}

/* The number of moves that were made. */
static int wander(struct world *w, int moves, int *ret)
{
	int i, home = 0, to;

	for (i = 0; i < moves; i++) {
		to = (home + 1 + i % (NODES - 1)) % NODES;
		usleep(20000);
		*ret = move(w, home, 0, to);
		if (*ret)
			break;
		home = to;
	}
	return i;
}

static void under_load(const char *what, uint32_t hold_us, uint32_t policy)
{
	unsigned long adds = 0, back = 0;
	struct worker k[NODES];
	volatile bool stop = false;
	struct world w;
	int i, n, ret = 0;

	begin(&w, hold_us, policy, MADV_NOHUGEPAGE);
	start(&w, k, &stop);
	n = wander(&w, MOVES, &ret);
	stop = true;
	for (i = 0; i < NODES; i++) {
		pthread_join(k[i].thread, NULL);
		adds += k[i].adds;
		back += k[i].back;
	}
	tap_ok(n == MOVES, "%s: %s: %d moves under load from all nodes (%s %s)", transport, what, n,
	       strerror(ret), ret ? mv.s.why : "");
	tap_ok(adds > MOVES && counted(&w, 0, 0) == adds && counted(&w, 1, NODES) == adds && !back,
	       "%s: %s: no write is lost and none seen twice: %lu (%lu back)", transport, what,
	       adds, back);
	end(&w);
}

/* ---- refused ---- */

static void refused(const char *what, int ret, int want, const char *text)
{
	tap_ok(ret == want && strstr(mv.s.why, text), "%s: refused: %s (%s: %s)", transport, what,
	       strerror(ret), mv.s.why);
}

static void refusals(void)
{
	struct dvmm_event_record ev;
	struct world w;

	begin(&w, 0, 0, MADV_NOHUGEPAGE);
	refused("to a node that there is not", move(&w, 0, 0, NODES), EINVAL, "no such node");
	refused("beyond the region", move(&w, 0, PAGES, 1), EINVAL, "no such page");
	refused("of a region that there is not",
		mover_move(&mv, w.c.uuid, 0, NODES + 1, 0, 1), ENOENT, "no such region");
	refused("by a node that is not the home", move(&w, 1, 0, 2), EINVAL, "another node");
	refused("to where it is", move(&w, 0, 0, 0), EINVAL, "there already");
	machine_stop(w.c.machine[2], "enough");
	event_want(w.c.machine[0], DVMM_EVENT_STOPPED, &ev, WAIT_MS);
	refused("on a machine that has stopped", move(&w, 0, 0, 1), EIO, "has stopped");
	end(&w);
}

/* Where what is held is bounded, pages that cannot leave have no room. */
static void no_room(void)
{
	struct cluster c = { .nodes = 2, .transport = transport, .regions = 1,
			     .spec = { { 0, PAGES * PAGE, DVMM_REGION_CACHE_MIN } } };

	if (cluster_open(&c))
		tap_bail("cluster: %s", c.why);
	refused("by a node that has no room", mover_move(&mv, c.uuid, 0, 0, 0, 1), ENOMEM,
		"no room");
	tap_ok(mover_move(&mv, c.uuid, 0, 0, 0, 1) == ENOMEM &&
	       mover_homed(&mv, c.uuid, 0, 0) == PAGES,
	       "%s: and nothing has happened", transport);
	cluster_close(&c);
}

/* ---- the end in the middle ---- */

static volatile int moves;

static void *ends(void *arg)
{
	struct world *w = arg;

	while (!moves)
		usleep(1000);
	usleep(150000);
	close(w->c.machine[2]);
	w->c.machine[2] = -1;
	return NULL;
}

/* Nobody touches memory meanwhile: that would be SIGBUS. */
static void node_dies(void)
{
	struct dvmm_event_record ev = {};
	pthread_t thread;
	struct world w;
	int i, ret;

	begin(&w, 0, 0, MADV_NOHUGEPAGE);
	for (i = 0; i < 20 * KINDS; i++)
		touch(&w, i);
	moves = 0;
	if (pthread_create(&thread, NULL, ends, &w))
		tap_bail("pthread_create");
	while (!(ret = move(&w, moves % 2, 0, 1 - moves % 2)))
		moves++;
	if (!moves)
		tap_bail("the first move: %s: %s", strerror(ret), mv.s.why);
	pthread_join(thread, NULL);
	tap_ok(ret == EIO || ret == ENOTCONN,
	       "%s: a node leaves during moves: one fails after %d (%s: %s)", transport, moves,
	       strerror(ret), mv.s.why);
	tap_ok(event_want(w.c.machine[0], DVMM_EVENT_STOPPED, &ev, WAIT_MS) == 1 &&
	       strstr(ev.reason, "node 2 left"), "%s: and the machine says why: %s", transport,
	       ev.reason);
	end(&w);
}

static void all(const char *name)
{
	transport = name;
	untouched();
	touched();
	whole_block();
	block_at_the_end();
	round_trips();
	many();
	under_load("no policy", 0, 0);
	under_load("hold time, migratory, read ahead", 200,
		   DVMM_POLICY_MIGRATORY | DVMM_POLICY_PREFETCH);
	refusals();
	no_room();
	node_dies();
}

/* What is worth a record (selftests/conform). */
static void some(const char *name)
{
	transport = name;
	touched();
	under_load("no policy", 0, 0);
	under_load("migratory", 0, DVMM_POLICY_MIGRATORY);
}

/* usage: rehome [some] */
int main(int argc, char **argv)
{
	void (*run)(const char *name) = argc > 1 && !strcmp(argv[1], "some") ? some : all;

	tap_start(180);
	klog_open();
	close(dev_open());
	mover_open(&mv);
	run("loop");
	run("tcp");
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
