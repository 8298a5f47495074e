// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes that leave a machine and join it while the others work: values are checked, and what
 * becomes of nodes that are no members harms nobody.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cluster.h"
#include "mover.h"
#include "tap.h"

#define NODES	3
#define CHUNK	512
#define PAGES	(2 * CHUNK + 100)	/* of each region; the last chunk is short */
#define WORDS	(PAGE / sizeof(uint64_t))
#define REGIONS	2
#define HOT	6		/* pages under load of each region */
#define WAIT_MS	5000

typedef volatile uint64_t word_t;

static const char *transport;
static struct mover mv;

struct world {
	struct cluster c;
	word_t *m[NODES][REGIONS];
	unsigned long adds;		/* of workers that have ended */
};

static void map(struct world *w, int node)
{
	int r;

	for (r = 0; r < REGIONS; r++) {
		void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			       w->c.region[node][r], 0);

		/* Blocks of 2 MiB in region 1, which is left in pieces. */
		if (p == MAP_FAILED ||
		    madvise(p, PAGES * PAGE, r ? MADV_NORMAL : MADV_NOHUGEPAGE))
			tap_bail("mmap: %s", strerror(errno));
		w->m[node][r] = p;
	}
}

static void unmap(struct world *w, int node)
{
	int r;

	for (r = 0; r < REGIONS; r++) {
		if (w->m[node][r])
			munmap((void *)w->m[node][r], PAGES * PAGE);
		w->m[node][r] = NULL;
	}
}

static void begin(struct world *w, uint64_t absent, int home)
{
	int i;

	*w = (struct world){
		.c = { .nodes = NODES, .transport = transport, .absent = absent,
		       .regions = REGIONS,
		       .spec = { { 0, PAGES * PAGE, 0 }, { home, PAGES * PAGE, 0 } } },
	};
	if (cluster_open(&w->c))
		tap_bail("cluster: %s", w->c.why);
	for (i = 0; i < NODES; i++)
		if (!(absent >> i & 1))
			map(w, i);
}

static void end(struct world *w)
{
	int i;

	for (i = 0; i < NODES; i++)
		unmap(w, i);
	cluster_close(&w->c);
}

static bool here(const struct world *w, int node)
{
	return !(w->c.absent >> node & 1);
}

/* ---- load: word 0 of a page is everybody's ---- */

struct worker {
	pthread_t thread;
	struct world *w;
	int node;
	unsigned long adds;
	volatile bool stop;
};

/* Who goes on reading on a node that leaves ends with SIGBUS. */
struct reader {
	pthread_t thread;
	struct world *w;
	int node;
};

static __thread sigjmp_buf bus;

static void on_bus(int sig)
{
	siglongjmp(bus, sig);
}

static void *read_on(void *arg)
{
	struct reader *k = arg;
	int page = 0;

	if (sigsetjmp(bus, 1))
		return k;
	for (;; page++)
		(void)k->w->m[k->node][page % REGIONS][page / REGIONS % PAGES * WORDS];
	return NULL;
}

static void start_reader(struct world *w, struct reader *k, int node)
{
	*k = (struct reader){ .w = w, .node = node };
	signal(SIGBUS, on_bus);
	if (pthread_create(&k->thread, NULL, read_on, k))
		tap_bail("pthread_create");
}

static bool reader_ended(struct reader *k)
{
	void *end = NULL;

	pthread_join(k->thread, &end);
	signal(SIGBUS, SIG_DFL);
	return end;
}

static word_t *hot(struct world *w, int node, int i)
{
	return w->m[node][i % REGIONS] + (i / REGIONS * 397 % PAGES) * WORDS;
}

static void *work(void *arg)
{
	struct worker *k = arg;
	int i = k->node;

	for (; !k->stop; i++) {
		word_t *p = hot(k->w, k->node, i % (REGIONS * HOT));

		__atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST);
		p[1 + k->node]++;
		k->adds++;
	}
	return NULL;
}

static void start(struct world *w, struct worker *k, int node)
{
	*k = (struct worker){ .w = w, .node = node };
	if (pthread_create(&k->thread, NULL, work, k))
		tap_bail("pthread_create");
}

static void halt(struct worker *k)
{
	k->stop = true;
	pthread_join(k->thread, NULL);
	k->w->adds += k->adds;
}

static bool counted(struct world *w, int node)
{
	unsigned long all = 0, each = 0;
	int i, n;

	for (i = 0; i < REGIONS * HOT; i++) {
		all += *hot(w, node, i);
		for (n = 0; n < NODES; n++)
			each += hot(w, node, i)[1 + n];
	}
	if (all != w->adds || each != w->adds)
		tap_diag("node %d sees %lu and %lu of %lu", node, all, each, w->adds);
	return all == w->adds && each == w->adds;
}

static bool all_counted(struct world *w)
{
	bool ok = true;
	int i;

	for (i = 0; i < NODES; i++)
		if (here(w, i))
			ok &= counted(w, i);
	return ok;
}

/* ---- moves and leaves ---- */

static int move(struct world *w, int from, int region, int page, int to)
{
	int ret, tries = 0;

	do {
		if (tries)
			usleep(2000);
		ret = mover_move(&mv, w->c.uuid, from, region, page, to);
	} while ((ret == EBUSY || (ret == EINVAL && strstr(mv.s.why, "being moved already"))) &&
		 tries++ < 1000);
	return ret;
}

static int move_all(struct world *w, int from, int region, int to)
{
	int page, ret = 0;

	for (page = 0; page < PAGES && !ret; page += CHUNK)
		ret = move(w, from, region, page, to);
	return ret;
}

/* Who has only just become another's home may still be seen to be moving. */
static int leave(struct world *w, int node)
{
	int ret, tries = 0;

	do {
		if (tries)
			usleep(2000);
		ret = machine_leave(w->c.machine[node]) ? errno : 0;
	} while (ret == EBUSY && tries++ < 100);
	return ret;
}

static bool heard(struct world *w, int type, int node)
{
	struct dvmm_event_record ev;
	bool ok = true;
	int i;

	for (i = 0; i < NODES; i++)
		if (i != node && here(w, i))
			ok &= event_want(w->c.machine[i], type, &ev, WAIT_MS) == 1 &&
			      ev.node == node;
	return ok;
}

/* It has gone, and its descriptors go. */
static bool departed(struct world *w, int node, const char *when, int ret)
{
	struct dvmm_event_record ev = {};
	struct dvmm_stats s;
	char want[40];
	bool ok;

	snprintf(want, sizeof(want), "node %d has left", node);
	machine_stats(w->c.machine[node], &s);
	ok = event_want(w->c.machine[node], DVMM_EVENT_STOPPED, &ev, WAIT_MS) == 1 &&
	     !strcmp(ev.reason, want);
	tap_ok(!ret && ok && !s.frames, "%s: %s node %d leaves (%s; %s; %llu frames)", transport,
	       when, node, strerror(ret), ev.reason, (unsigned long long)s.frames);
	tap_ok(heard(w, DVMM_EVENT_LEFT, node), "%s: the others hear of it", transport);
	unmap(w, node);
	ok = !cluster_drop(&w->c, node);
	tap_ok(ok, "%s: its links end, and nobody else does", transport);
	return !ret && ok;
}

static bool depart(struct world *w, int node, const char *when)
{
	return departed(w, node, when, leave(w, node));
}

static bool arrive(struct world *w, int node, const char *when)
{
	int ret = cluster_join(&w->c, node);

	tap_ok(!ret && heard(w, DVMM_EVENT_JOINED, node), "%s: %s node %d joins (%s)", transport,
	       when, node, ret ? w->c.why : "and the others hear of it");
	if (!ret)
		map(w, node);
	return !ret;
}

static void refused(struct world *w, int node, const char *what)
{
	int ret = machine_leave(w->c.machine[node]) ? errno : 0;

	tap_ok(ret == EBUSY, "%s: %s cannot leave (%s)", transport, what, strerror(ret));
}

/* Region 1 was made at node 2, which goes. */
static void leaves(void)
{
	struct worker k[NODES];
	struct reader reader;
	struct world w;
	int i, ret;

	begin(&w, 0, 2);
	for (i = 0; i < NODES; i++)
		start(&w, &k[i], i);
	start_reader(&w, &reader, 2);
	usleep(200000);
	refused(&w, 2, "a home of memory");
	halt(&k[2]);
	ret = move_all(&w, 2, 1, 1);
	tap_ok(!ret, "%s: its memory goes to another home under load (%s %s)", transport,
	       strerror(ret), ret ? mv.s.why : "");
	ret = leave(&w, 2);
	tap_ok(reader_ended(&reader), "%s: who reads there meanwhile gets SIGBUS", transport);
	departed(&w, 2, "under load", ret);
	usleep(100000);
	ret = move(&w, 1, 1, 0, 0);
	tap_ok(!ret, "%s: homes move without it (%s)", transport, strerror(ret));
	ret = move(&w, 1, 1, CHUNK, 2);
	tap_ok(ret == EINVAL && strstr(mv.s.why, "no member"), "%s: and not to it (%s)",
	       transport, mv.s.why);
	halt(&k[0]);
	halt(&k[1]);
	tap_ok(all_counted(&w), "%s: nothing is lost: %lu", transport, w.adds);
	end(&w);
}

/* It comes back, as a new machine, becomes a home, and goes again. */
static void comes_and_goes(void)
{
	struct worker k[NODES];
	bool ok = true;
	struct world w;
	int i, n, ret;

	begin(&w, 0, 2);
	for (i = 0; i < NODES - 1; i++)
		start(&w, &k[i], i);
	ret = move(&w, 2, 1, 0, 0) ?: move(&w, 2, 1, CHUNK, 1) ?: move(&w, 2, 1, PAGES - 1, 0);
	ret = ret ?: move(&w, 0, 0, CHUNK, 1);
	tap_ok(!ret, "%s: homes are scattered (%s %s)", transport, strerror(ret),
	       ret ? mv.s.why : "");
	ok = depart(&w, 2, "then");
	for (n = 0; n < 3 && ok; n++) {
		ok = arrive(&w, 2, "under load");
		if (!ok)
			break;
		start(&w, &k[2], 2);
		usleep(100000);
		ret = move(&w, 0, 1, 0, 2) ?: move(&w, 1, 0, CHUNK, 2);
		tap_ok(!ret, "%s: it becomes a home (%s %s)", transport, strerror(ret),
		       ret ? mv.s.why : "");
		usleep(50000);
		halt(&k[2]);
		ret = move(&w, 2, 1, 0, 0) ?: move(&w, 2, 0, CHUNK, 1);
		tap_ok(!ret, "%s: and is none again (%s %s)", transport, strerror(ret),
		       ret ? mv.s.why : "");
		ok = depart(&w, 2, "again");
	}
	halt(&k[0]);
	halt(&k[1]);
	tap_ok(all_counted(&w), "%s: nothing is lost: %lu", transport, w.adds);
	end(&w);
}

/* It begins with one node. */
static void grows(void)
{
	struct worker k[NODES];
	struct world w;
	int i, ret;

	begin(&w, 6, 0);
	start(&w, &k[0], 0);
	usleep(20000);
	if (!arrive(&w, 2, "to a node that is alone"))
		goto out;
	start(&w, &k[2], 2);
	usleep(50000);
	ret = move(&w, 0, 0, 0, 2) ?: move(&w, 0, 1, CHUNK, 2);
	tap_ok(!ret, "%s: homes move to it (%s %s)", transport, strerror(ret),
	       ret ? mv.s.why : "");
	if (!arrive(&w, 1, "to two"))
		goto out;
	start(&w, &k[1], 1);
	usleep(50000);
	ret = move_all(&w, 0, 0, 1);
	tap_ok(ret == EINVAL || !ret, "%s: homes move to the third (%s %s)", transport,
	       strerror(ret), ret ? mv.s.why : "");
	for (i = 1; i < NODES; i++)
		halt(&k[i]);
out:
	halt(&k[0]);
	tap_ok(all_counted(&w), "%s: nothing is lost: %lu", transport, w.adds);
	end(&w);
}

/* ---- who does not become a member harms nobody ---- */

static void give_up(struct world *w, const char *what)
{
	bool dropped = !cluster_drop(&w->c, 2);

	tap_ok(dropped && all_counted(w), "%s: %s: the others go on", transport, what);
}

/* How it ends for a member: LINK_DOWN or STOPPED; @joined: node 2 had become one as well. */
static int fate(struct world *w, int node, bool *joined)
{
	struct dvmm_event_record ev;

	while (event_next(w->c.machine[node], &ev, WAIT_MS) == 1) {
		*joined |= ev.type == DVMM_EVENT_JOINED;
		if (ev.type == DVMM_EVENT_LINK_DOWN || ev.type == DVMM_EVENT_STOPPED)
			return ev.type;
	}
	return 0;
}

/* Whether the machine goes on; if it had joined, its end is the end of the machine. */
static bool ends_while_it_joins(struct world *w, int us, bool *wrong)
{
	bool joined = false;
	int ends[2];

	if (cluster_make(&w->c, 2) || cluster_link(&w->c, 0, 2) || cluster_link(&w->c, 1, 2))
		tap_bail("node 2: %s", w->c.why);
	usleep(us);
	close_all(&w->c.machine[2], 1);
	ends[0] = fate(w, 0, &joined);
	ends[1] = fate(w, 1, &joined);
	if (joined)
		return false;
	*wrong = ends[0] != DVMM_EVENT_LINK_DOWN || ends[1] != DVMM_EVENT_LINK_DOWN;
	cluster_forget(&w->c, 2);
	return !*wrong;
}

static void ends_early(void)
{
	struct dvmm_event_record ev = {};
	bool wrong = false;
	struct world w;
	int i;

	begin(&w, 4, 0);
	if (cluster_make(&w.c, 2))
		tap_bail("node 2: %s", w.c.why);
	give_up(&w, "it is made and ends");
	if (cluster_make(&w.c, 2) || cluster_link(&w.c, 0, 2))
		tap_bail("node 2: %s", w.c.why);
	tap_ok(event_want(w.c.machine[0], DVMM_EVENT_LINK_UP, &ev, WAIT_MS) == 1,
	       "%s: a link to a node that is no member comes up", transport);
	give_up(&w, "it is linked to one of two and ends");
	for (i = 0; i < 20 && ends_while_it_joins(&w, i * 100, &wrong); i++)
		;
	tap_ok(!wrong, "%s: it ends before it is a member, %d times: the others go on", transport,
	       i);
	end(&w);
}

static void other_view(void)
{
	struct world w;
	int ret;

	begin(&w, 6, 0);
	/* It takes node 1 for a member, which is not there to be linked; then for none. */
	arrive(&w, 1, "first");
	w.c.absent |= 2;
	ret = cluster_join(&w.c, 2);
	tap_ok(ret && strstr(w.c.why, "idea of who belongs"), "%s: who knows other members: %s",
	       transport, w.c.why);
	w.c.absent &= ~2ull;
	arrive(&w, 2, "with the right ones");
	tap_ok(all_counted(&w), "%s: and it is as it should be", transport);
	end(&w);
}

static void all(const char *name)
{
	transport = name;
	leaves();
	comes_and_goes();
	grows();
	ends_early();
	other_view();
}

int main(void)
{
	tap_start(180);
	klog_open();
	close(dev_open());
	mover_open(&mv);
	all("loop");
	all("tcp");
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
