// SPDX-License-Identifier: GPL-2.0
/* Comparing TSCs over a link. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include <dvmm/channel.h>

#include "clock.h"
#include "machine/machine.h"

#define ROUNDS_MAX	1000
#define LATE_MAX	10	/* exchanges of one measurement that may go without an answer */

enum clock_message { CLOCK_ASK = 1, CLOCK_ANSWER };

struct dvmm_clock_state {
	struct dvmm_channel *c;
	u64 asked;			/* id of the exchange under way, 0: none */
	u64 theirs;			/* the peer's TSC */
	u64 back;			/* our TSC when the answer came */
	u16 peer;
	struct completion answered;
	struct dvmm_machine *m;
};

static void clock_rx_answer(struct dvmm_clock_state *s, u16 node, u64 id, const void *data)
{
	if (node != READ_ONCE(s->peer) || id != READ_ONCE(s->asked))
		return;		/* late answer of an exchange that was given up */
	s->back = rdtsc_ordered();
	s->theirs = le64_to_cpu(*(const __le64 *)data);
	WRITE_ONCE(s->asked, 0);
	complete(&s->answered);
}

static int clock_rx(void *priv, u16 node, u8 type, u64 id, const void *data, unsigned int length)
{
	struct dvmm_clock_state *s = priv;
	__le64 tsc;

	if (type == CLOCK_ASK && !length) {
		tsc = cpu_to_le64(rdtsc_ordered());
		/* Without room the asker gets ETIMEDOUT: a late answer has no worth. */
		dvmm_channel_try_send(s->c, node, CLOCK_ANSWER, id, &tsc, sizeof(tsc));
		return 0;
	}
	if (type != CLOCK_ANSWER || length != sizeof(tsc))
		return -EPROTO;
	clock_rx_answer(s, node, id, data);
	return 0;
}

static const struct dvmm_channel_ops clock_ops = { .rx = clock_rx };

/* One exchange: 0, -ENOTCONN, -EINTR, or -ETIMEDOUT after a second. */
static int clock_exchange(struct dvmm_clock_state *s, u64 id, u64 *sent)
{
	long left;
	int ret;

	reinit_completion(&s->answered);
	WRITE_ONCE(s->asked, id);
	*sent = rdtsc_ordered();
	ret = dvmm_channel_send(s->c, s->peer, CLOCK_ASK, id, NULL, 0);
	if (ret)
		return ret;
	left = wait_for_completion_killable_timeout(&s->answered, HZ);
	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

/*
 * The fastest round trip has the least room for asymmetry.  A host that did not run
 * for a second, or whose queue was full, is asked again.
 */
static int clock_measure(struct dvmm_clock_state *s, struct dvmm_clock *arg)
{
	u64 best = U64_MAX, sent, trip;
	int i = 0, late = 0, ret;

	while (i < arg->rounds) {
		ret = clock_exchange(s, atomic64_inc_return(&s->m->next_id), &sent);
		if (ret == -ETIMEDOUT && late++ < LATE_MAX)
			continue;
		if (ret)
			return ret;
		i++;
		trip = s->back - sent;
		if (trip >= best)
			continue;
		best = trip;
		arg->offset = (s64)(s->theirs - (sent + trip / 2));
	}
	arg->error = best / 2;
	arg->tsc_khz = tsc_khz;
	return 0;
}

int dvmm_clock_measure(struct dvmm_machine *m, struct dvmm_clock *arg)
{
	struct dvmm_clock_state *s;
	int ret = -ENOTCONN;

	if (!arg->rounds || arg->rounds > ROUNDS_MAX || arg->peer >= m->nodes ||
	    arg->peer == m->self)
		return -EINVAL;
	if (mutex_lock_killable(&m->clock_lock))
		return -EINTR;
	s = m->clock;
	if (s) {
		WRITE_ONCE(s->peer, arg->peer);
		ret = clock_measure(s, arg);
		WRITE_ONCE(s->asked, 0);
	}
	mutex_unlock(&m->clock_lock);
	return ret;
}

int dvmm_clock_init(struct dvmm_machine *m)
{
	struct dvmm_clock_state *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int ret;

	if (!s)
		return -ENOMEM;
	s->m = m;
	init_completion(&s->answered);
	s->c = dvmm_channel_open(m, DVMM_CHANNEL_CLOCK, &clock_ops, s);
	ret = PTR_ERR_OR_ZERO(s->c);
	if (ret) {
		kfree(s);
		return ret;
	}
	/* The machine is listed: somebody may measure already. */
	mutex_lock(&m->clock_lock);
	m->clock = s;
	mutex_unlock(&m->clock_lock);
	return 0;
}

void dvmm_clock_exit(struct dvmm_machine *m)
{
	struct dvmm_clock_state *s;

	mutex_lock(&m->clock_lock);
	s = m->clock;
	m->clock = NULL;
	mutex_unlock(&m->clock_lock);
	dvmm_channel_close(s->c);
	kfree(s);
}
