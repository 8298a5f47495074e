// SPDX-License-Identifier: GPL-2.0
/* Threads that send. */
#include <linux/kthread.h>
#include <linux/sched.h>

#include "senders.h"

static u32 next_random(u32 *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* A third carries nothing, a third a whole page, the rest anything between. */
static u32 random_length(u32 *state, u32 max)
{
	u32 r = next_random(state);

	switch (r % 3) {
	case 0:
		return 0;
	case 1:
		return max;
	}
	return next_random(state) % (max + 1);
}

static int send_all(void *data)
{
	struct xt_sender *s = data;
	u32 state = s->spec.seed;

	while (!s->err && !READ_ONCE(s->stop) && (!s->count || s->sent < s->count)) {
		s->spec.length = s->fixed ? s->max : random_length(&state, s->max);
		s->spec.seed = next_random(&state);
		s->err = s->burst ? 0 : xt_end_await_room(s->end, s->spec.lane);
		s->err = s->err ?: xt_end_send(s->end, &s->spec);
		if (!s->err)
			s->sent++;
		cond_resched();
	}
	complete(&s->finished);
	return 0;
}

static int start(struct xt_senders *g, struct xt_end *e, const struct xt_request *q,
		 u8 lane, u8 stream)
{
	struct xt_sender *s = &g->s[g->n];
	struct task_struct *task;

	s->end = e;
	s->spec.lane = lane;
	s->spec.stream = stream;
	s->spec.seed = q->seed + 97 * g->n;
	s->count = q->frames;
	s->max = min_t(u32, q->bytes, PAGE_SIZE);
	s->fixed = !(q->flags & XT_RANDOM_LENGTH);
	s->burst = q->flags & XT_BURST;
	init_completion(&s->finished);
	task = kthread_run(send_all, s, "xt-send/%u", g->n);
	if (IS_ERR(task))
		return PTR_ERR(task);
	g->n++;
	return 0;
}

/* A sender on each of the lanes and streams that are asked for. */
int xt_senders_add(struct xt_senders *g, struct xt_end *e, const struct xt_request *q)
{
	unsigned int lane, stream;
	int err;

	for (lane = 0; lane < DVMM_XPORT_LANES; lane++) {
		if (!(q->lanes & (1u << lane)))
			continue;
		for (stream = 0; stream < clamp(q->streams, 1u, (u32)XT_STREAMS); stream++) {
			if (g->n == XT_MAX_SENDERS)
				return -ENOSPC;
			err = start(g, e, q, lane, stream);
			if (err)
				return err;
		}
	}
	return 0;
}

/*
 * Returns how many frames were taken; *err: the last failure.  Those that do not
 * come to an end in time are stopped.
 */
u64 xt_senders_wait(struct xt_senders *g, long timeout, int *err)
{
	unsigned int i;
	u64 sent = 0;

	*err = 0;
	for (i = 0; i < g->n; i++) {
		struct xt_sender *s = &g->s[i];

		if (!wait_for_completion_timeout(&s->finished, timeout)) {
			WRITE_ONCE(s->stop, true);
			wait_for_completion(&s->finished);
			s->err = -ETIME;
		}
		sent += s->sent;
		if (s->err)
			*err = s->err;
	}
	return sent;
}
