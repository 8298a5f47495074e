/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lets send() run at any time while disconnect() takes the link's private part
 * away: whoever enters the gate keeps the private part alive until it leaves.
 */
#ifndef DVMM_TRANSPORT_GATE_H
#define DVMM_TRANSPORT_GATE_H

#include <linux/completion.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>

#include <dvmm/transport.h>

/**
 * struct dvmm_gate - first member of what link->priv points to
 * @users: callers inside, and one for the link itself
 * @empty: nobody is inside any more
 */
struct dvmm_gate {
	refcount_t users;
	struct completion empty;
};

static inline void dvmm_gate_init(struct dvmm_gate *g)
{
	refcount_set(&g->users, 1);
	init_completion(&g->empty);
}

/**
 * dvmm_gate_open - from now on there is a private part to enter, and to disconnect
 * @g: the gate
 * @link: the link
 *
 * The caller is inside: disconnect() waits until it has left.
 */
static inline void dvmm_gate_open(struct dvmm_gate *g, struct dvmm_xport_link *link)
{
	refcount_inc(&g->users);
	WRITE_ONCE(link->priv, g);
}

/** dvmm_gate_enter - the link's private part, or NULL once it is disconnected */
static inline void *dvmm_gate_enter(struct dvmm_xport_link *link)
{
	struct dvmm_gate *g;

	rcu_read_lock();
	g = READ_ONCE(link->priv);
	if (g && !refcount_inc_not_zero(&g->users))
		g = NULL;
	rcu_read_unlock();
	return g;
}

static inline void dvmm_gate_leave(struct dvmm_gate *g)
{
	if (refcount_dec_and_test(&g->users))
		complete(&g->empty);
}

/**
 * dvmm_gate_take - take the private part off the link, for disconnect()
 * @link: the link
 *
 * Return: the private part; NULL if another call had it.  To be freed after a
 * grace period.
 */
static inline void *dvmm_gate_take(struct dvmm_xport_link *link)
{
	return xchg(&link->priv, NULL);
}

/** dvmm_gate_close - wait until nobody is inside; nobody enters any more */
static inline void dvmm_gate_close(struct dvmm_gate *g)
{
	dvmm_gate_leave(g);
	wait_for_completion(&g->empty);
}

#endif
