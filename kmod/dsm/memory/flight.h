/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A page with anything under way has a flight: its transaction, its inbox, its
 * deferred events, and those kept at the gate until the page is homed here.  One
 * context at a time runs a flight (dispatch.h); everyone else only adds to the inbox.
 *
 * What peers have here is bounded (peer.h); beyond that a peer is fenced.
 *
 * Locks: the bucket lock (region.h) guards a flight's lists and its existence; what
 * is said to be the runner's belongs to whoever runs it.
 */
#ifndef DVMM_FLIGHT_H
#define DVMM_FLIGHT_H

#include <linux/hrtimer.h>
#include <linux/workqueue.h>

#include "engine/rehome.h"
#include "region.h"

struct page;

/* An event on its way to the engine. */
struct dvmm_item {
	struct list_head list;
	struct dvmm_event ev;
	struct page *page;
};

/* What others may know of a flight, as of its last step; under the bucket lock. */
struct dvmm_flight_sight {
	u8 state;
	u16 peer;
	bool pinned;
	struct dvmm_txn txn;
	unsigned long since;		/* of the last progress, in jiffies */
};

struct dvmm_flight {
	struct list_head live;		/* in its bucket */
	struct dvmm_region *r;
	u64 index;
	struct dvmm_txn txn;
	struct dvmm_flight_sight sight;
	struct list_head inbox;
	struct list_head deferred;
	struct list_head gated;		/* the runner's; see engine/rehome.h */
	unsigned int waiting;		/* length of @deferred and @gated */
	unsigned int messages;		/* of peers, in all three lists */
	bool running;
	bool reoffer;			/* the deferred ones are due */
	bool due;			/* the gated ones are: the page is homed here */
	struct list_head *from;		/* where @item came from */
	bool timer;			/* @hold_timer is armed or @timer_work pending */
	struct dvmm_item *item;	/* being worked on */
	struct dvmm_visit visit;	/* of @item's step */
	bool entered;			/* the step began, and is to be left */
	struct dvmm_actions acts;
	unsigned int next;		/* first action not yet done */
	struct work_struct work;	/* the runner, when it had to move */
	struct hrtimer again;		/* starts @work while the page is pinned */
	u32 again_us;			/* after how long it did so last */
	struct hrtimer hold_timer;
	struct work_struct timer_work;
};


int dvmm_flight_init(void);
void dvmm_flight_exit(void);

/** dvmm_item_alloc - a local event */
struct dvmm_item *dvmm_item_alloc(u8 type);
/** dvmm_item_message - a peer's message, which counts as its until the item is freed */
struct dvmm_item *dvmm_item_message(struct dvmm_machine *m, const struct dvmm_msg *msg,
				    struct page *page);
void dvmm_item_free(struct dvmm_machine *m, struct dvmm_item *item);

/**
 * dvmm_flight_deliver - put an item into a page's inbox
 * @r: the region
 * @index: page number
 * @item: consumed
 *
 * Return: the flight if the caller MUST run it.
 */
struct dvmm_flight *dvmm_flight_deliver(struct dvmm_region *r, u64 index, struct dvmm_item *item);

/**
 * dvmm_flight_next - choose what to do next
 * @f: a flight that the caller runs
 *
 * Deferred events come first once anything else has happened, then gated ones that are
 * due, each in arrival order.
 * Return: true with @f->item; false: nothing is left, the caller runs it no more, and
 * it may be gone.
 */
bool dvmm_flight_next(struct dvmm_flight *f);
/** dvmm_flight_defer - keep @f->item until the page has come to rest */
void dvmm_flight_defer(struct dvmm_flight *f);
/** dvmm_flight_again - was @f->item deferred before? */
static inline bool dvmm_flight_again(const struct dvmm_flight *f)
{
	return f->from == &f->deferred;
}

/** dvmm_flight_behind - would @f->item overtake what is kept at the gate? */
bool dvmm_flight_behind(const struct dvmm_flight *f);
/** dvmm_flight_gate - keep @f->item until dvmm_flight_open() */
void dvmm_flight_gate(struct dvmm_flight *f);
/** dvmm_flight_open - what was kept is due; the flight, if the caller MUST run it */
struct dvmm_flight *dvmm_flight_open(struct dvmm_region *r, u64 index);
/**
 * dvmm_flight_seize - become the runner of a page that has nothing waiting
 * @r: the region
 * @index: page number
 * @gate: what is kept at the gate does not count
 *
 * Return: its flight; NULL: try again in a moment.
 */
struct dvmm_flight *dvmm_flight_seize(struct dvmm_region *r, u64 index, bool gate);
/** dvmm_flight_note_pin - let others know that a pin holds up the flight */
void dvmm_flight_note_pin(struct dvmm_flight *f);
/** dvmm_flight_keep - start the hold timer, with @us to go */
void dvmm_flight_keep(struct dvmm_flight *f, u32 us);
/** dvmm_flight_kept - the hold time is over: TIMER into the inbox; true: the caller MUST run it */
bool dvmm_flight_kept(struct dvmm_flight *f);

/** dvmm_flight_claim - become the runner of a page that nobody has touched or asks for */
bool dvmm_flight_claim(struct dvmm_region *r, u64 index);
/** dvmm_flight_claimed - the flight of a page that the caller has claimed */
struct dvmm_flight *dvmm_flight_claimed(struct dvmm_region *r, u64 index);

/** dvmm_dispatch_again - the work of a flight that was parked (dispatch.c) */
void dvmm_dispatch_again(struct work_struct *work);
/** dvmm_dispatch_timer - the work of its hold timer (dispatch.c) */
void dvmm_dispatch_timer(struct work_struct *work);

/**
 * struct dvmm_flight_view - a flight as it was after its last step
 * @page: page number
 * @state: enum dvmm_state
 * @pinned: a mapping is to be taken away, and somebody here has the page pinned
 * @running: somebody is at work on it, or parked with a pinned page
 * @asked: the home that this node's own request went to
 * @owner: at the home, the node that owns the page, if one does
 * @requester: at the home, the node that is being served
 * @acks: INV_ACKs to come, as far as is known
 * @waiting: events that wait for the page to be stable
 * @age_ms: since page or transaction changed last
 */
struct dvmm_flight_view {
	u64 page;
	u8 state;
	bool pinned;
	bool running;
	u16 asked;
	u16 owner;
	u16 requester;
	s16 acks;
	unsigned int waiting;
	unsigned int age_ms;
};

typedef void (*dvmm_flight_fn)(struct dvmm_region *r, const struct dvmm_flight_view *v, void *arg);

/**
 * dvmm_flights_visit - look at all flights of a region
 * @r: the region
 * @fn: called for each one, under a bucket lock: MUST NOT sleep
 * @arg: handed to @fn
 *
 * A flight that comes or goes meanwhile MAY be left out.  Process context.
 */
void dvmm_flights_visit(struct dvmm_region *r, dvmm_flight_fn fn, void *arg);

/** dvmm_flights_forget - free what is left of a region nobody uses any more */
void dvmm_flights_forget(struct dvmm_region *r);

#endif
