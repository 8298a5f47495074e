// SPDX-License-Identifier: GPL-2.0
/* Litmus shapes with their threads on different nodes. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "litmus_core.h"
#include "tap.h"
#include "work.h"

/*
 * A shape is run in several places at once: most of the time a thread waits for a
 * page.  Every location and what is reported lie in different regions, so at
 * different homes.
 */
#define PLACES		6
#define PLACE		64	/* page of the first one */
#define PLACE_PAGES	32
#define LITMUS_X	0	/* within a place */
#define LITMUS_Y	8
#define LITMUS_SHARED	16

struct role {
	const struct litmus_shape *shape;
	struct litmus_view view;
	struct litmus_count count;
	uint64_t batch;
	int role;
	int place;
	pthread_t thread;
};

static void *role_run(void *arg)
{
	struct role *r = arg;

	rnd_seed((r->place * LITMUS_THREADS + r->role) * 1000003ull + r->batch);
	litmus_batch(r->shape, &r->view, r->role, r->batch, &r->count);
	return NULL;
}

static void role_init(struct role *r, struct actor *a, const struct litmus_shape *s, int role,
		      int place)
{
	const size_t page = PLACE + place * PLACE_PAGES;

	r->shape = s;
	r->role = role;
	r->place = place;
	r->view.loc[0] = actor_page(a, 0, page + LITMUS_X);
	r->view.loc[1] = actor_page(a, a->regions - 1, page + LITMUS_Y);
	r->view.shared = (struct litmus_shared *)actor_page(a, 0, page + LITMUS_SHARED);
}

static void roles_go(struct role *r, int n, uint64_t batch)
{
	int i;

	for (i = 0; i < n; i++) {
		r[i].batch = batch;
		if (pthread_create(&r[i].thread, NULL, role_run, &r[i]))
			tap_bail("no thread");
	}
	for (i = 0; i < n; i++)
		pthread_join(r[i].thread, NULL);
}

/* Thread i of a shape runs on node i mod nodes; thread 0, which counts, on node 0. */
static int roles_init(struct role *r, struct actor *a, const struct litmus_shape *s)
{
	int place, i, n = 0;

	memset(r, 0, PLACES * LITMUS_THREADS * sizeof(*r));
	for (place = 0; place < PLACES; place++)
		for (i = a->self; i < s->threads; i += a->nodes)
			role_init(&r[n++], a, s, i, place);
	return n;
}

static void add_count(struct litmus_count *sum, const struct litmus_count *c)
{
	int o;

	for (o = 0; o < LITMUS_OUTCOMES; o++)
		sum->seen[o] += c->seen[o];
	sum->forbidden += c->forbidden;
	sum->lost += c->lost;
	sum->slots += c->slots;
}

static int judge(struct actor *a, const struct litmus_shape *s, const struct litmus_count *c)
{
	litmus_report(s, c);
	if (c->lost)
		return actor_fail(a, "%s: %llu lost writes", s->name, (unsigned long long)c->lost);
	if (c->forbidden)
		return actor_fail(a, "%s: %s seen %llu times", s->name, s->shows,
				  (unsigned long long)c->forbidden);
	return 0;
}

static int shape_run(struct actor *a, const struct litmus_shape *s, uint64_t *batch,
		     uint64_t *rounds)
{
	static struct role r[PLACES * LITMUS_THREADS];
	uint64_t start = now_ns(), batches = 0;
	struct litmus_count sum = { 0 };
	int n = roles_init(r, a, s), i;

	do {
		roles_go(r, n, (*batch)++);
		batches++;
	} while (!actor_over(a, start) && (!a->rounds || batches < a->rounds));
	for (i = 0; i < n; i++)
		add_count(&sum, &r[i].count);
	*rounds += sum.slots;
	return a->self ? 0 : judge(a, s, &sum);
}

int work_litmus(struct actor *a)
{
	struct actor part = *a;
	uint64_t batch = 1, rounds = 0;
	int i, ret = 0;

	part.seconds = (a->seconds + litmus_shape_count - 1) / litmus_shape_count;
	for (i = 0; i < litmus_shape_count && !ret; i++)
		ret = shape_run(&part, &litmus_shapes[i], &batch, &rounds);
	if (!a->self)
		tap_diag("litmus: %llu rounds of %d shapes", (unsigned long long)rounds, i);
	memcpy(a->why, part.why, sizeof(a->why));
	return ret;
}
