// SPDX-License-Identifier: GPL-2.0
/*
 * Transports that break the contract, one way each: loop with a fault in front.
 * The suite must find every one of them.
 */
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <dvmm/transport.h>

#include "faulty.h"

enum fault {
	DROP, DUPLICATE, REORDER, WRONG_LANE, DIRTY_TAIL, FLIP_PAYLOAD, FLIP_HEADER, LOSE_DONE,
	DOWN_TWICE, DOWN_NEVER, DOWN_AT_CLOSE, UP_TWICE, ONE_QUEUE, WAIT_FOR_ROOM, REFUSE_FULL,
	SEND_AFTER_DOWN, IGNORE_REFUSAL, ANY_LANE, NO_NUMBER,
};

/**
 * struct faulty_end - a link's private part
 * @inner: the loop link behind it; its core is this struct
 * @outer: the link that the core knows
 * @fault: what goes wrong
 * @count: frames seen, to go wrong now and then only
 * @down: link_down has come
 * @list: all ends there ever were: senders may still look at one that is closed
 * @kept: REORDER: a frame that the next one overtakes, for each lane
 */
struct faulty_end {
	struct dvmm_xport_link inner;
	struct dvmm_xport_link *outer;
	enum fault fault;
	atomic_t count;
	bool down;
	struct list_head list;
	struct {
		u8 hdr[DVMM_XPORT_HDR];
		struct page *page;
		bool full;
	} kept[DVMM_XPORT_LANES];
};

struct faulty_ops {
	struct dvmm_transport_ops ops;
	enum fault fault;
	bool registered;
};

static const struct dvmm_transport_ops *loop;
static LIST_HEAD(ends);

static bool now_and_then(struct faulty_end *e)
{
	return atomic_inc_return(&e->count) % 50 == 0;
}

/* ---- upcalls ---- */

static void pass_up(struct dvmm_xport_link *link)
{
	struct faulty_end *e = link->core;

	e->outer->up->link_up(e->outer);
	if (e->fault == UP_TWICE)
		e->outer->up->link_up(e->outer);
}

static void pass_down(struct dvmm_xport_link *link, const char *why)
{
	struct faulty_end *e = link->core;

	WRITE_ONCE(e->down, true);
	if (e->fault == DOWN_NEVER)
		return;
	e->outer->up->link_down(e->outer, why);
	if (e->fault == DOWN_TWICE)
		e->outer->up->link_down(e->outer, why);
}

static int pass(struct faulty_end *e, unsigned int lane, const void *hdr, struct page *page)
{
	return e->outer->up->link_rx(e->outer, lane, hdr, page);
}

static int pass_twice(struct faulty_end *e, unsigned int lane, const void *hdr,
		      struct page *page)
{
	struct page *copy = page ? alloc_page(GFP_KERNEL) : NULL;

	if (copy)
		copy_highpage(copy, page);
	return pass(e, lane, hdr, page) ?: pass(e, lane, hdr, copy);
}

static int pass_later(struct faulty_end *e, unsigned int lane, const void *hdr,
		      struct page *page)
{
	int err;

	if (!e->kept[lane].full) {
		memcpy(e->kept[lane].hdr, hdr, DVMM_XPORT_HDR);
		e->kept[lane].page = page;
		e->kept[lane].full = true;
		return 0;
	}
	e->kept[lane].full = false;
	err = pass(e, lane, hdr, page);
	return err ?: pass(e, lane, e->kept[lane].hdr, e->kept[lane].page);
}

static int pass_in_turn(struct faulty_end *e, unsigned int lane, const void *hdr,
			struct page *page)
{
	static DEFINE_MUTEX(turn);
	int err;

	mutex_lock(&turn);
	err = pass(e, lane, hdr, page);
	mutex_unlock(&turn);
	return err;
}

static int pass_spoilt(struct faulty_end *e, unsigned int lane, const void *hdr,
		       struct page *page)
{
	u8 spoilt[DVMM_XPORT_HDR];

	memcpy(spoilt, hdr, sizeof(spoilt));
	if (e->fault == FLIP_HEADER)
		spoilt[34] ^= 4;
	else if (e->fault == NO_NUMBER)
		memset(spoilt + DVMM_XPORT_NUMBER_AT, 0, sizeof(u32));
	else if (page && e->fault == FLIP_PAYLOAD)
		*(u8 *)page_address(page) ^= 1;
	else if (page && e->fault == DIRTY_TAIL)
		*((u8 *)page_address(page) + PAGE_SIZE - 1) = 1;
	return pass(e, lane, spoilt, page);
}

static int rx(struct dvmm_xport_link *link, unsigned int lane, const void *hdr,
	      struct page *page)
{
	struct faulty_end *e = link->core;

	switch (e->fault) {
	case DUPLICATE:
		return now_and_then(e) ? pass_twice(e, lane, hdr, page) :
					 pass(e, lane, hdr, page);
	case REORDER:
		return pass_later(e, lane, hdr, page);
	case WRONG_LANE:
		return pass(e, (lane + now_and_then(e)) % DVMM_XPORT_LANES, hdr, page);
	case ONE_QUEUE:
		return pass_in_turn(e, lane, hdr, page);
	case IGNORE_REFUSAL:
		pass(e, lane, hdr, page);
		return 0;
	default:
		return pass_spoilt(e, lane, hdr, page);
	}
}

static void done(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	struct faulty_end *e = link->core;

	if (e->fault != LOSE_DONE || !now_and_then(e))
		e->outer->up->xmit_done(e->outer, x);
}

static const struct dvmm_transport_upcalls upcalls = {
	.link_up	= pass_up,
	.link_down	= pass_down,
	.link_rx	= rx,
	.xmit_done	= done,
};

/* ---- table ---- */

static int open_faulty(struct dvmm_xport_link *link, const struct dvmm_xport_params *params)
{
	struct faulty_end *e = kzalloc(sizeof(*e), GFP_KERNEL);
	int err;

	if (!e)
		return -ENOMEM;
	e->inner.up = &upcalls;
	e->inner.ops = loop;
	e->inner.core = e;
	e->outer = link;
	e->fault = container_of(link->ops, struct faulty_ops, ops)->fault;
	link->priv = e;
	err = loop->connect(&e->inner, params);
	if (err) {
		link->priv = NULL;
		kfree(e);
		return err;
	}
	/* the caller opens one link at a time */
	list_add(&e->list, &ends);
	return 0;
}

static void close_faulty(struct dvmm_xport_link *link)
{
	struct faulty_end *e = link->priv;

	if (!e)
		return;
	loop->disconnect(&e->inner);
	if (e->fault == DOWN_AT_CLOSE && !e->down)
		link->up->link_down(link, "closed");
	WRITE_ONCE(e->down, true);
}

static void wait_for_room(struct faulty_end *e)
{
	while (!READ_ONCE(e->down) && !fatal_signal_pending(current))
		msleep(20);
}

static int send_down(struct faulty_end *e, struct dvmm_xmit *x)
{
	int err = loop->send(&e->inner, x);

	if (err != -ENOTCONN || e->fault != SEND_AFTER_DOWN)
		return err;
	e->outer->up->xmit_done(e->outer, x);
	return 0;
}

static int send_faulty(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	struct faulty_end *e = link->priv;

	switch (e->fault) {
	case DROP:
		if (!now_and_then(e) || e->down)
			break;
		link->up->xmit_done(link, x);
		return 0;
	case REFUSE_FULL:
		if (now_and_then(e))
			return -EAGAIN;
		break;
	case WAIT_FOR_ROOM:
		if (now_and_then(e))
			wait_for_room(e);
		break;
	case ANY_LANE:
		if (x->lane >= DVMM_XPORT_LANES)
			return 0;
		break;
	default:
		break;
	}
	return send_down(e, x);
}

#define FAULTY(n, f) {				\
	.ops = {				\
		.name = n,			\
		.owner = THIS_MODULE,		\
		.version = DVMM_TRANSPORT_VERSION, \
		.size = sizeof(struct dvmm_transport_ops), \
		.connect = open_faulty,		\
		.disconnect = close_faulty,	\
		.send = send_faulty,		\
	},					\
	.fault = f,				\
}

static struct faulty_ops table[] = {
	FAULTY("bad-drop", DROP),
	FAULTY("bad-duplicate", DUPLICATE),
	FAULTY("bad-reorder", REORDER),
	FAULTY("bad-lane", WRONG_LANE),
	FAULTY("bad-tail", DIRTY_TAIL),
	FAULTY("bad-payload", FLIP_PAYLOAD),
	FAULTY("bad-header", FLIP_HEADER),
	FAULTY("bad-done", LOSE_DONE),
	FAULTY("bad-down2", DOWN_TWICE),
	FAULTY("bad-down0", DOWN_NEVER),
	FAULTY("bad-close", DOWN_AT_CLOSE),
	FAULTY("bad-up2", UP_TWICE),
	FAULTY("bad-turn", ONE_QUEUE),
	FAULTY("bad-wait", WAIT_FOR_ROOM),
	FAULTY("bad-full", REFUSE_FULL),
	FAULTY("bad-after", SEND_AFTER_DOWN),
	FAULTY("bad-refusal", IGNORE_REFUSAL),
	FAULTY("bad-check", ANY_LANE),
	FAULTY("bad-number", NO_NUMBER),
};

void xt_faulty_unregister(void)
{
	struct faulty_end *e, *next;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].registered)
			dvmm_transport_unregister(&table[i].ops);
	list_for_each_entry_safe(e, next, &ends, list)
		kfree(e);
	dvmm_transport_put(loop);
}

int xt_faulty_register(void)
{
	unsigned int i;
	int err;

	loop = dvmm_transport_get("loop");
	if (!loop)
		return -ENOENT;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		err = dvmm_transport_register(&table[i].ops);
		if (err) {
			xt_faulty_unregister();
			return err;
		}
		table[i].registered = true;
	}
	return 0;
}
