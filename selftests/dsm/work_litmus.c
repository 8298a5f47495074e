// SPDX-License-Identifier: GPL-2.0
/* Litmus shapes with their threads on different nodes. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "litmus_core.h"
#include "tap.h"
#include "work.h"

/* Every location and what is reported lie in different regions, so at different homes. */
#define LITMUS_X	256
#define LITMUS_Y	272
#define LITMUS_SHARED	288

struct role {
	struct actor *a;
	const struct litmus_shape *shape;
	struct litmus_view view;
	struct litmus_count count;
	uint64_t batch;		/* first one */
	uint64_t batches;
	int role;
	pthread_t thread;
};

static void *role_run(void *arg)
{
	struct role *r = arg;
	uint64_t b;

	rnd_seed(r->role * 1000003ull + r->batch);
	for (b = 0; b < r->batches; b++)
		litmus_batch(r->shape, &r->view, r->role, r->batch + b, &r->count);
	return NULL;
}

static void role_init(struct role *r, struct actor *a, const struct litmus_shape *s, int role)
{
	r->a = a;
	r->shape = s;
	r->role = role;
	r->view.loc[0] = actor_page(a, 0, LITMUS_X);
	r->view.loc[1] = actor_page(a, a->regions - 1, LITMUS_Y);
	r->view.shared = (struct litmus_shared *)actor_page(a, 0, LITMUS_SHARED);
}

static void roles_go(struct role *r, int n, uint64_t batch, uint64_t batches)
{
	int i;

	for (i = 0; i < n; i++) {
		r[i].batch = batch;
		r[i].batches = batches;
	}
	for (i = 1; i < n; i++)
		if (pthread_create(&r[i].thread, NULL, role_run, &r[i]))
			tap_bail("no thread");
	if (n)
		role_run(&r[0]);
	for (i = 1; i < n; i++)
		pthread_join(r[i].thread, NULL);
}

/* Thread i of a shape runs on node i mod nodes; thread 0, which counts, on node 0. */
static int shape_run(struct actor *a, const struct litmus_shape *s, uint64_t *batch)
{
	struct role r[LITMUS_THREADS];
	uint64_t start = now_ns(), batches = 0;
	const uint64_t chunk = 4;
	int i, n = 0;

	memset(r, 0, sizeof(r));
	for (i = a->self; i < s->threads; i += a->nodes)
		role_init(&r[n++], a, s, i);
	do {
		roles_go(r, n, *batch, chunk);
		*batch += chunk;
		batches += chunk;
	} while (!actor_over(a, start) && batches < (a->rounds ? a->rounds : UINT64_MAX));
	if (a->self)
		return 0;
	litmus_report(s, &r[0].count);
	if (r[0].count.lost)
		return actor_fail(a, "%s: %llu lost writes", s->name,
				  (unsigned long long)r[0].count.lost);
	if (r[0].count.forbidden)
		return actor_fail(a, "%s: %s seen %llu times", s->name, s->shows,
				  (unsigned long long)r[0].count.forbidden);
	return 0;
}

int work_litmus(struct actor *a)
{
	struct actor part = *a;
	uint64_t batch = 1;
	int i, ret = 0;

	part.seconds = (a->seconds + litmus_shape_count - 1) / litmus_shape_count;
	for (i = 0; i < litmus_shape_count && !ret; i++)
		ret = shape_run(&part, &litmus_shapes[i], &batch);
	memcpy(a->why, part.why, sizeof(a->why));
	return ret;
}
