// SPDX-License-Identifier: GPL-2.0
/*
 * A machine is torn at a random moment of its work, again and again: every node
 * stops in time and says why, every access comes to an end, no value is wrong before
 * that, and at the end the memory is back.
 *
 * usage: torn [ROUNDS-PER-TRANSPORT [SEED]]
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define NODES	3
#define PAGES	8
#define STOP_MS	5000
#define SLACK_KB 1500 /* a page lost in each of 500 rounds is more */

/* One node's vCPU: it counts in a word of its own in every page. */
struct worker {
	pthread_t thread;
	struct cluster *c;
	int node;
	uint64_t seed;
	unsigned long done;
	bool over; /* who holds all pages would never get SIGBUS */
	char wrong[100];
};

static __thread sigjmp_buf after_fault;
static char why[200];

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(after_fault, 1);
}

static uint32_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static void count(struct worker *w, volatile uint64_t *word[NODES][PAGES])
{
	static __thread uint64_t have[NODES][PAGES];
	int region, page;

	memset(have, 0, sizeof(have));
	if (sigsetjmp(after_fault, 1))
		return;
	for (; !__atomic_load_n(&w->over, __ATOMIC_RELAXED); w->done++) {
		region = next(&w->seed) % NODES;
		page = next(&w->seed) % PAGES;
		if (*word[region][page] != have[region][page]) {
			snprintf(w->wrong, sizeof(w->wrong),
				 "node %d: page %d of region %d went back", w->node, page, region);
			return;
		}
		++*word[region][page];
		have[region][page]++;
	}
}

/* Whatever became of a page, an access to it ends. */
static void touch_all(volatile uint64_t *word[NODES][PAGES])
{
	volatile int i;

	for (i = 0; i < NODES * PAGES; i++)
		if (!sigsetjmp(after_fault, 1))
			++*word[i / PAGES][i % PAGES];
}

static void *work(void *arg)
{
	volatile uint64_t *word[NODES][PAGES];
	struct worker *w = arg;
	char *map[NODES];
	int i, j;

	for (i = 0; i < NODES; i++) {
		map[i] = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			      w->c->region[w->node][i], 0);
		if (map[i] == MAP_FAILED)
			return strcpy(w->wrong, "mmap");
		for (j = 0; j < PAGES; j++)
			word[i][j] = (uint64_t *)(map[i] + j * PAGE) + w->node;
	}
	count(w, word);
	touch_all(word);
	for (i = 0; i < NODES; i++)
		munmap(map[i], PAGES * PAGE);
	return NULL;
}

/* ---- what is torn ---- */

static const char *tear_lane(struct cluster *c)
{
	int a = rnd_range(0, NODES - 1), b = (a + rnd_range(1, NODES - 1)) % NODES;
	int how = rnd() & 1 ? SHUT_RDWR : SHUT_WR;

	shutdown(c->sock[a][b][rnd_range(0, DVMM_LINK_LANES - 1)], how);
	return "lost its link";
}

static const char *leave(struct cluster *c)
{
	int node = rnd_range(0, NODES - 1);

	close(c->machine[node]);
	c->machine[node] = -1;
	return "left the machine";
}

static const char *order(struct cluster *c)
{
	machine_stop(c->machine[rnd_range(0, NODES - 1)], "the test says so");
	return "the test says so";
}

static const char *tear(struct cluster *c)
{
	bool tcp = !strcmp(c->transport, "tcp");

	switch (rnd_range(0, tcp ? 3 : 1)) {
	case 0:
		return leave(c);
	case 1:
		return order(c);
	default:
		return tear_lane(c);
	}
}

/* ---- a round ---- */

static bool stopped(struct cluster *c, int node, const char *reason)
{
	struct dvmm_event_record ev = {};

	if (c->machine[node] < 0)
		return true;
	if (event_want(c->machine[node], DVMM_EVENT_STOPPED, &ev, STOP_MS) == 1 &&
	    strstr(ev.reason, reason))
		return true;
	snprintf(why, sizeof(why), "node %d: \"%.100s\", not \"%s\"", node, ev.reason, reason);
	return false;
}

/* A thread that does not end is the fault that is looked for: the bound of all tells. */
static unsigned long finish(struct worker *w)
{
	__atomic_store_n(&w->over, true, __ATOMIC_RELAXED);
	pthread_join(w->thread, NULL);
	if (w->wrong[0])
		snprintf(why, sizeof(why), "%s", w->wrong);
	return w->done;
}

/* @instead: the reason to look for, if not the true one */
static bool torn(const char *transport, const char *instead, unsigned long *done)
{
	struct cluster c = { .nodes = NODES, .transport = transport, .bytes = PAGES * PAGE };
	struct worker w[NODES] = {};
	const char *reason;
	int i;

	why[0] = 0;
	if (cluster_open(&c)) {
		snprintf(why, sizeof(why), "%.190s", c.why);
		return false;
	}
	for (i = 0; i < NODES; i++) {
		w[i].c = &c;
		w[i].node = i;
		w[i].seed = rnd();
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	usleep(rnd_range(0, 20000));
	reason = tear(&c);
	for (i = 0; i < NODES; i++)
		stopped(&c, i, instead ? instead : reason);
	for (i = 0; i < NODES; i++)
		*done += finish(&w[i]);
	cluster_close(&c);
	return !why[0];
}

static long available_kb(void)
{
	char line[100];
	long kb = 0;
	FILE *f;

	f = fopen("/proc/sys/vm/drop_caches", "w");
	if (f) {
		fputs("3", f);
		fclose(f);
	}
	f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* A debug kernel: KASAN keeps it for a while. */
static bool keeps_freed(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

static void many(const char *transport, int rounds)
{
	unsigned long done = 0;
	int i, bad = 0;
	long before, lost;

	torn(transport, NULL, &done);	/* what is allocated once and for ever */
	before = available_kb();
	for (i = 0; i < rounds && bad < 5; i++) {
		if (i % 50 == 49)
			tap_diag("%s: %d rounds, %lu accesses", transport, i + 1, done);
		if (!torn(transport, NULL, &done)) {
			tap_diag("%s, round %d: %s", transport, i, why);
			bad++;
		}
	}
	lost = before - available_kb();
	tap_ok(!bad, "%s: torn %d times in %lu accesses, stopped with the reason each time",
	       transport, i, done);
	if (!keeps_freed())
		tap_ok(lost < SLACK_KB, "%s: %ld KiB less are available afterwards", transport,
		       lost);
	else
		tap_skip("memory is back", "KASAN keeps what was freed, kmemleak tells");
}

static void control(void)
{
	unsigned long done = 0;
	long before;
	char *p;

	tap_ok(!torn("loop", "the moon", &done), "control: a wrong reason is noticed (%s)", why);
	if (keeps_freed())
		return;
	before = available_kb();
	p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	tap_ok(before - available_kb() >= SLACK_KB, "control: 2 MiB that are gone are noticed");
	munmap(p, 2 << 20);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 500;
	struct sigaction sa = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : now_ns();

	tap_start(60 + 4 * rounds);
	tap_diag("seed %llu", (unsigned long long)rnd_seed(seed));
	klog_open();
	close(dev_open());
	sigaction(SIGBUS, &sa, NULL);
	control();
	many("loop", rounds);
	many("tcp", rounds);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
