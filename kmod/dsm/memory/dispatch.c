// SPDX-License-Identifier: GPL-2.0
/* Bringing events to the engine and carrying out its actions. */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include <dvmm/channel.h>

#include "dispatch.h"
#include "flight.h"
#include "link/link.h"
#include "machine/stats.h"
#include "machine/trace.h"

#define AGAIN_MIN_US	5u
#define AGAIN_MAX_US	1000u
#define SPIN_NS		2000	/* for a reference that is as good as gone */
#define APART_US	20

static bool history = true;
module_param(history, bool, 0644);
MODULE_PARM_DESC(history, "ask to write at once for a page that was written after it was read the last time (on)");

/* ---- actions ---- */

static void act_send(struct dvmm_region *r, u64 index, const struct dvmm_action *a, u16 dst,
		     struct page *page)
{
	struct dvmm_frame frame = {
		.kind = DVMM_WIRE_COHERENCE,
		.index = r->id,
		.page = index,
		.epoch = r->m->epoch,
		.length = page ? DVMM_PAGE_SIZE : 0,
		.msg = a->msg,
	};

	dvmm_link_send(r->m, dst, &frame, page);
}

static void act_send_set(struct dvmm_region *r, u64 index, const struct dvmm_action *a)
{
	int node = -1;

	while ((node = dvmm_set_next(a->set, r->m->nodes, node)) >= 0)
		if (node != a->skip && node != r->m->self && dvmm_members_stays(r->m, node))
			act_send(r, index, a, node, NULL);
}

static void act_send_page(struct dvmm_flight *f, const struct dvmm_action *a)
{
	struct dvmm_region *r = f->r;
	bool last = a->last && dvmm_page_perm(dvmm_region_page(r, f->index)) == DVMM_PERM_NONE;
	struct page *page = dvmm_mem_read_out(r, f->index, last);

	if (!page) {
		dvmm_machine_fail(r->m, "node %u lost the frame of page %llu of region %u",
				  r->m->self, f->index, r->id);
		return;
	}
	if (last)
		dvmm_page_set_frame(r, f->index, false);
	act_send(r, f->index, a, a->dst, page);
}

/* The first time a little patience is cheaper than a timer and a worker. */
static int flight_lower(struct dvmm_flight *f, u8 perm)
{
	struct dvmm_region *r = f->r;
	int ret = dvmm_mem_lower(r, f->index, perm);
	u64 end;

	if (ret != -EAGAIN || f->again_us)
		return ret;
	end = ktime_get_ns() + SPIN_NS;
	do {
		cpu_relax();
		ret = dvmm_mem_lower(r, f->index, perm);
	} while (ret == -EAGAIN && ktime_get_ns() < end);
	return ret;
}

/* 0, or -EAGAIN: someone has the page pinned. */
static int act_set_perm(struct dvmm_flight *f, const struct dvmm_action *a)
{
	struct dvmm_region *r = f->r;
	u8 had = dvmm_page_perm(dvmm_region_page(r, f->index));
	int ret;

	dvmm_page_set_perm(r, f->index, a->perm);
	if (a->perm == DVMM_PERM_NONE && had != DVMM_PERM_NONE)
		dvmm_snapshot_lose(&r->snapshot, r, f->index);
	/* Equal: an attempt before this one met a pin. */
	if (a->perm > had || a->perm == DVMM_PERM_WRITE)
		return 0;
	ret = flight_lower(f, a->perm);
	if (a->perm < had && f->item->ev.type == DVMM_EV_EVICT)
		dvmm_stats_count(r->m, evictions);
	else if (a->perm < had)
		dvmm_stats_taken(r->m, a->perm);
	return ret;
}

static void act_fill(struct dvmm_flight *f, const struct dvmm_action *a)
{
	struct page *page = a->zero ? NULL : f->item->page;
	struct dvmm_region *r = f->r;

	if (!a->zero && !page) {
		dvmm_machine_fail(r->m, "page %llu of region %u came without its contents",
				  f->index, r->id);
		return;
	}
	if (!a->zero)
		f->item->page = NULL;
	if (dvmm_mem_fill(r, f->index, page))
		dvmm_machine_fail(r->m, "node %u has no memory for page %llu of region %u",
				  r->m->self, f->index, r->id);
	else
		dvmm_page_set_frame(r, f->index, true);
	if (a->zero && !dvmm_homes_here(r, f->index))
		dvmm_waiter_untouched(r, f->index);
}

void dvmm_dispatch_act(struct dvmm_region *r, u64 index, const struct dvmm_action *a)
{
	switch (a->type) {
	case DVMM_ACT_SEND:
		act_send(r, index, a, a->dst, NULL);
		return;
	case DVMM_ACT_SEND_SET:
		act_send_set(r, index, a);
		return;
	case DVMM_ACT_FENCE:
		dvmm_link_fence(r->m, a->dst, a->why);
		return;
	}
	WARN_ONCE(1, "dvmm: unknown action %u\n", a->type);
}

static int flight_act(struct dvmm_flight *f, const struct dvmm_action *a)
{
	switch (a->type) {
	case DVMM_ACT_SEND_PAGE:
		act_send_page(f, a);
		return 0;
	case DVMM_ACT_SET_PERM:
		return act_set_perm(f, a);
	case DVMM_ACT_FILL:
		act_fill(f, a);
		return 0;
	case DVMM_ACT_WAKE:
		dvmm_region_wake(f->r, f->index);
		return 0;
	case DVMM_ACT_DEFER:
		dvmm_flight_defer(f);
		return 0;
	case DVMM_ACT_TIMER:
		dvmm_flight_keep(f, a->delay_us);
		return 0;
	case DVMM_ACT_FAIL:
		dvmm_machine_fail(f->r->m, "node %u: %s", f->r->m->self, a->why);
		return 0;
	}
	dvmm_dispatch_act(f->r, f->index, a);
	return 0;
}

/* ---- running ---- */

static u32 flight_now_us(void)
{
	return (u32)ktime_to_us(ktime_get());
}

static struct dvmm_policy flight_policy(const struct dvmm_flight *f, u32 now)
{
	return (struct dvmm_policy) {
		.hold_us = dvmm_waiter_hold_us(f->r, f->index, now),
		.migratory = f->r->m->policy.migratory,
		.history = READ_ONCE(history),
	};
}

/* Begin a step in which @home is the page's home. */
static struct dvmm_ctx flight_ctx(const struct dvmm_flight *f, u16 home, u32 now)
{
	struct dvmm_region *r = f->r;

	return (struct dvmm_ctx) {
		.self = r->m->self,
		.home = home,
		.nodes = r->m->nodes,
		.now = now,
		.fresh_id = atomic64_inc_return(&r->m->next_id),
		.wrote = dvmm_page_wrote(dvmm_region_page(r, f->index)),
		.dir = home == r->m->self ? dvmm_homes_dir(r, f->index) : NULL,
	};
}

static bool flight_enter(struct dvmm_flight *f)
{
	f->next = 0;
	f->acts.count = 0;
	if (!dvmm_machine_stopped(f->r->m))
		f->entered = dvmm_homes_enter(f);
	return f->entered;
}

static void flight_step(struct dvmm_flight *f)
{
	struct dvmm_region *r = f->r;
	struct dvmm_page *pg = dvmm_region_page(r, f->index);
	u32 now = flight_now_us();
	struct dvmm_policy policy = flight_policy(f, now);
	struct dvmm_ctx ctx;
	u8 from = pg->state;

	if (!flight_enter(f))
		return;
	ctx = flight_ctx(f, f->visit.home, now);
	ctx.policy = &policy;
	dvmm_step(&ctx, pg, &f->txn, &f->item->ev, &f->acts);
	if (from == DVMM_ST_IZ_D && pg->state == DVMM_ST_S)
		dvmm_ahead_got(r, f->index);
	trace_dvmm_step(r->m, r->id, f->index, dvmm_flight_again(f), &ctx, &f->item->ev, from,
			pg->state, &f->acts);
}

/* The home before may have waited for the end of this step. */
static void flight_leave(struct dvmm_flight *f)
{
	if (f->entered && !dvmm_machine_stopped(f->r->m))
		dvmm_homes_leave(f);
	f->entered = false;
}

/* After the last action: what nobody needs any more goes. */
static void flight_finish(struct dvmm_flight *f)
{
	struct dvmm_page *pg = dvmm_region_page(f->r, f->index);

	f->reoffer = f->item || !f->entered;	/* not deferred: something has happened */
	flight_leave(f);
	if (f->item)
		dvmm_item_free(f->r->m, f->item);
	f->item = NULL;
	if (!dvmm_state_has_frame(pg->state) && dvmm_page_has_frame(pg)) {
		/* A machine that stops leaves actions undone, and this may be one of them. */
		dvmm_page_set_perm(f->r, f->index, DVMM_PERM_NONE);
		dvmm_mem_drop(f->r, f->index);
		dvmm_page_set_frame(f->r, f->index, false);
	}
}

/*
 * Most references that are no mappings are there for a moment (a batch on its way
 * to the LRU, a fault that ends); pins of I/O stay longer.
 */
static void flight_park(struct dvmm_flight *f)
{
	dvmm_stats_count(f->r->m, pin_waits);
	dvmm_flight_note_pin(f);
	f->again_us = clamp(2 * f->again_us, AGAIN_MIN_US, AGAIN_MAX_US);
	hrtimer_start(&f->again, ns_to_ktime(f->again_us * 1000ull), HRTIMER_MODE_REL);
}

/*
 * Execute from the first action not yet done.  False: the page is pinned, and the
 * rest is the workqueue's, which is the runner now.
 */
static bool flight_execute(struct dvmm_flight *f)
{
	for (; f->next < f->acts.count; f->next++) {
		if (flight_act(f, &f->acts.act[f->next]) == -EAGAIN) {
			flight_park(f);
			return false;
		}
		f->again_us = 0;
	}
	flight_finish(f);
	return true;
}

static void flight_run(struct dvmm_flight *f)
{
	while (dvmm_flight_next(f)) {
		flight_step(f);
		if (!flight_execute(f))
			return;
	}
}

void dvmm_dispatch_again(struct work_struct *work)
{
	struct dvmm_flight *f = container_of(work, struct dvmm_flight, work);
	unsigned int noio = memalloc_noio_save();

	/* Once stopped, do not wait for a pin: nothing is sent any more. */
	if (dvmm_machine_stopped(f->r->m) && f->next < f->acts.count)
		f->next = f->acts.count;
	if (flight_execute(f))
		flight_run(f);
	memalloc_noio_restore(noio);
}

/* The access for which the page is kept is still to come, or has only just come. */
static bool flight_too_early(struct dvmm_flight *f)
{
	u32 now = flight_now_us();
	u32 age = now - READ_ONCE(dvmm_region_page(f->r, f->index)->stamp);
	u32 hold = dvmm_waiter_hold_us(f->r, f->index, now);

	if (age >= hold || dvmm_machine_stopped(f->r->m))
		return false;
	dvmm_flight_keep(f, hold - age);
	return true;
}

void dvmm_dispatch_timer(struct work_struct *work)
{
	struct dvmm_flight *f = container_of(work, struct dvmm_flight, timer_work);

	if (!flight_too_early(f) && dvmm_flight_kept(f))
		flight_run(f);
}

void dvmm_dispatch_local(struct dvmm_region *r, u64 index, u8 type)
{
	struct dvmm_flight *f = dvmm_flight_deliver(r, index, dvmm_item_alloc(type));

	if (f)
		flight_run(f);
}

void dvmm_dispatch_message(struct dvmm_region *r, u64 index,
			   const struct dvmm_msg *msg, struct page *page)
{
	struct dvmm_flight *f;

	f = dvmm_flight_deliver(r, index, dvmm_item_message(r->m, msg, page));
	if (f)
		flight_run(f);
}

/* ---- homes that move ---- */

/* For the record: who gives a page away gets the TAKE from itself. */
static void flight_given(struct dvmm_flight *f, struct dvmm_ctx *ctx, u8 from)
{
	struct dvmm_event ev = { .type = DVMM_MSG_TAKE, .msg = f->acts.act[0].msg };

	if (!f->acts.count || ev.msg.type != DVMM_MSG_TAKE)
		return;
	ev.msg.src = ctx->self;
	ctx->home = f->acts.act[0].dst;
	trace_dvmm_step(f->r->m, f->r->id, f->index, false, ctx, &ev, from,
			dvmm_region_page(f->r, f->index)->state, &f->acts);
}

bool dvmm_dispatch_give(struct dvmm_region *r, u64 index)
{
	struct dvmm_flight *f = dvmm_flight_seize(r, index, false);
	static const struct dvmm_policy none;
	struct dvmm_ctx ctx;
	bool given;
	u8 from;

	if (!f)
		return false;
	ctx = flight_ctx(f, r->m->self, flight_now_us());
	ctx.policy = &none;
	f->next = 0;
	from = dvmm_region_page(r, index)->state;
	given = dvmm_homes_give(f, &ctx);
	flight_given(f, &ctx, from);
	flight_execute(f);
	flight_run(f);
	return given;
}

/* Whoever runs the page has done all that matters, and is about to end. */
static struct dvmm_flight *flight_await(struct dvmm_region *r, u64 index)
{
	struct dvmm_flight *f;

	while (!(f = dvmm_flight_seize(r, index, true)) && !dvmm_machine_stopped(r->m))
		usleep_range(APART_US, 2 * APART_US);
	return f;
}

void dvmm_dispatch_take(struct dvmm_region *r, u64 index, const struct dvmm_msg *msg,
			struct page *page)
{
	struct dvmm_item *item = dvmm_item_message(r->m, msg, page);
	struct dvmm_flight *f = flight_await(r, index);
	static const struct dvmm_policy none;
	struct dvmm_ctx ctx;
	u64 first;
	u8 from;

	if (!f) {
		dvmm_item_free(r->m, item);
		return;
	}
	ctx = flight_ctx(f, r->m->self, flight_now_us());
	ctx.policy = &none;
	f->next = 0;
	f->item = item;
	from = dvmm_region_page(r, index)->state;
	first = dvmm_homes_take(f, &ctx);
	trace_dvmm_step(r->m, r->id, index, false, &ctx, &item->ev, from,
			dvmm_region_page(r, index)->state, &f->acts);
	flight_execute(f);
	flight_run(f);
	dvmm_dispatch_open(r, first, index + 1);
}

void dvmm_dispatch_open(struct dvmm_region *r, u64 first, u64 end)
{
	struct dvmm_flight *f;

	for (; first < end; first++) {
		f = dvmm_flight_open(r, first);
		if (f)
			flight_run(f);
	}
}

/* ---- runs of untouched pages ---- */

u64 dvmm_dispatch_claim(struct dvmm_region *r, u64 first, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		if (!dvmm_flight_claim(r, first + i))
			break;
	return i;
}

void dvmm_dispatch_touch(struct dvmm_region *r, u64 first, u64 n)
{
	u64 i;

	for (i = first; i < first + n; i++) {
		struct dvmm_flight *f = dvmm_flight_claimed(r, i);

		f->item = dvmm_item_alloc(DVMM_EV_TOUCH);
		flight_step(f);
		flight_execute(f);
	}
}

void dvmm_dispatch_release(struct dvmm_region *r, u64 first, u64 n)
{
	u64 i;

	for (i = first; i < first + n; i++)
		flight_run(dvmm_flight_claimed(r, i));
}
