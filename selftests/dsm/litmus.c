// SPDX-License-Identifier: GPL-2.0
/*
 * Litmus shapes between nodes in one kernel, and proof that the checker sees what
 * it must: fabricated outcomes, private copies, and a memory that reorders.
 *
 * usage: litmus [SECONDS-PER-RUN]
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "litmus_core.h"
#include "tap.h"
#include "work.h"

/* ---- the checker itself ---- */

static bool shape_can_fail(const struct litmus_shape *s)
{
	struct litmus_count c;
	uint8_t r[LITMUS_REGS];
	unsigned int o;
	int i;

	memset(&c, 0, sizeof(c));
	for (o = 0; o < LITMUS_OUTCOMES; o++) {
		for (i = 0; i < LITMUS_REGS; i++)
			r[i] = o >> (2 * i) & 3;
		litmus_judge(s, r, &c);
	}
	return s->forbidden ? c.forbidden && c.forbidden < c.slots : !c.forbidden;
}

static void fabricated(void)
{
	int i, bad = 0;

	for (i = 0; i < litmus_shape_count; i++)
		bad += !shape_can_fail(&litmus_shapes[i]);
	tap_ok(!bad, "of all fabricated outcomes each shape refuses some and accepts some");
}

static const struct litmus_shape *shape(const char *name)
{
	int i;

	for (i = 0; i < litmus_shape_count; i++)
		if (!strcmp(litmus_shapes[i].name, name))
			return &litmus_shapes[i];
	tap_bail("no shape %s", name);
}

/* ---- memories that are not coherent ---- */

struct liar {
	const struct litmus_shape *shape;
	struct litmus_view view[2];
	struct litmus_count count;
	uint64_t batches;
	bool copy;		/* a thread carries y, then x, from view 0 to view 1 */
	int over;
};

struct liar_role {
	struct liar *l;
	int role;
};

static void *liar_run(void *arg)
{
	struct liar_role *r = arg;
	struct liar *l = r->l;
	uint64_t b;

	rnd_seed(r->role + 1);
	for (b = 1; b <= l->batches; b++)
		litmus_batch(l->shape, &l->view[r->role], r->role, b,
			     r->role ? NULL : &l->count);
	return NULL;
}

static void *carry(void *arg)
{
	const struct timespec late = { .tv_nsec = 300000 };
	struct liar *l = arg;

	while (!__atomic_load_n(&l->over, __ATOMIC_RELAXED)) {
		memcpy(l->view[1].loc[1], l->view[0].loc[1], LITMUS_LOC_BYTES);
		nanosleep(&late, NULL);
		memcpy(l->view[1].loc[0], l->view[0].loc[0], LITMUS_LOC_BYTES);
		sched_yield();
	}
	return NULL;
}

static char *memory(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("no memory");
	return p;
}

static void liar_init(struct liar *l, const char *name, bool private)
{
	int i, v;

	memset(l, 0, sizeof(*l));
	l->shape = shape(name);
	l->batches = 100;
	l->view[0].shared = (struct litmus_shared *)memory(sizeof(struct litmus_shared));
	l->view[1].shared = l->view[0].shared;
	for (v = 0; v < 2; v++)
		for (i = 0; i < LITMUS_LOCS; i++)
			l->view[v].loc[i] = v && !private ? l->view[0].loc[i] :
							   memory(LITMUS_LOC_BYTES);
}

static void liar_go(struct liar *l)
{
	struct liar_role r[2] = { { l, 0 }, { l, 1 } };
	pthread_t t[2], c;

	if (l->copy && pthread_create(&c, NULL, carry, l))
		tap_bail("no thread");
	if (pthread_create(&t[0], NULL, liar_run, &r[0]) ||
	    pthread_create(&t[1], NULL, liar_run, &r[1]))
		tap_bail("no thread");
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	__atomic_store_n(&l->over, 1, __ATOMIC_RELAXED);
	if (l->copy)
		pthread_join(c, NULL);
	litmus_report(l->shape, &l->count);
}

static void controls(void)
{
	struct liar l;

	liar_init(&l, "SB+mfences", true);
	liar_go(&l);
	tap_ok(l.count.forbidden, "control: private copies show SB's forbidden outcome");
	tap_ok(l.count.lost, "control: private copies show lost writes");
	liar_init(&l, "MP", true);
	l.copy = true;
	liar_go(&l);
	tap_ok(l.count.forbidden, "control: a memory that delays x shows MP's forbidden outcome");
	liar_init(&l, "MP", false);
	liar_go(&l);
	tap_ok(!l.count.forbidden && !l.count.lost, "control: ordinary memory is accepted");
}

/* ---- nodes ---- */

static void between(int nodes, const char *transport, unsigned int seconds, uint32_t hold_us,
		    uint32_t policy)
{
	struct cluster c = {
		.nodes = nodes, .transport = transport, .bytes = 512 * PAGE,
		.hold_us = hold_us, .policy = policy,
	};
	char why[200];
	int ret;

	if (cluster_open(&c)) {
		tap_ok(false, "%d nodes over %s: %s", nodes, transport, c.why);
		return;
	}
	ret = cluster_run(&c, work_litmus, seconds, why);
	cluster_close(&c);
	tap_ok(!ret, "%d nodes, %s, hold %u us%s: nothing that x86-TSO forbids%s%s", nodes,
	       transport, hold_us, policy ? ", migratory" : "", ret ? ": " : "",
	       ret ? why : "");
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 20;

	tap_start(180 + 8 * seconds);
	klog_open();
	fabricated();
	controls();
	if (!dev_there()) {
		tap_skip("between nodes", "no /dev/dvmm (as root: modprobe dvmm)");
		return tap_end();
	}
	between(2, "loop", seconds, 0, 0);
	between(2, "loop", seconds, 100, 0);
	between(4, "loop", seconds, 100, 0);
	between(2, "tcp", seconds, 100, 0);
	between(4, "tcp", seconds, 0, DVMM_POLICY_MIGRATORY);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
