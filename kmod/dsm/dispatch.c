// SPDX-License-Identifier: GPL-2.0
/* Bringing events to the engine and carrying out its actions. */
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <dvmm/channel.h>

#include "dispatch.h"
#include "link.h"
#include "stats.h"
#include "trace.h"

#define AGAIN_MIN_US	5u
#define AGAIN_MAX_US	1000u
#define SPIN_NS		2000	/* for a reference that is as good as gone */

struct event_item {
	struct list_head list;
	struct dvmm_event ev;
	struct page *page;
};

/* What others may know of a flight, as of its last step; under the bucket lock. */
struct flight_sight {
	u8 state;
	u16 peer;
	bool pinned;
	struct dvmm_txn txn;
	unsigned long since;		/* of the last progress, in jiffies */
};

struct flight {
	struct list_head live;		/* in its bucket */
	struct dvmm_region *r;
	u64 index;
	struct dvmm_txn txn;
	struct flight_sight sight;
	struct list_head inbox;
	struct list_head deferred;
	unsigned int waiting;		/* length of @deferred */
	unsigned int messages;		/* of peers, in both lists */
	bool running;
	bool reoffer;			/* the deferred ones are due */
	bool from_deferred;		/* where @item came from */
	bool timer;			/* @hold_timer is armed or @timer_work pending */
	struct event_item *item;	/* being worked on */
	struct dvmm_actions acts;
	unsigned int next;		/* first action not yet done */
	struct work_struct work;	/* the runner, when it had to move */
	struct hrtimer again;		/* starts @work while the page is pinned */
	u32 again_us;			/* after how long it did so last */
	struct hrtimer hold_timer;
	struct work_struct timer_work;
};

static bool history = true;
module_param(history, bool, 0644);
MODULE_PARM_DESC(history, "ask to write at once for a page that was written after it was read the last time (on)");

static struct kmem_cache *flights;
static struct kmem_cache *items;

/* ---- existence ---- */

static struct flight *priv_flight(u64 priv)
{
	return (struct flight *)(unsigned long)(priv & ~DVMM_PRIV_BITS);
}

static void run_work(struct work_struct *work);
static void timer_work(struct work_struct *work);

static enum hrtimer_restart hold_expired(struct hrtimer *t)
{
	struct flight *f = container_of(t, struct flight, hold_timer);

	queue_work(f->r->m->wq, &f->timer_work);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart flight_again(struct hrtimer *t)
{
	struct flight *f = container_of(t, struct flight, again);

	queue_work(f->r->m->wq, &f->work);
	return HRTIMER_NORESTART;
}

static struct flight *flight_alloc(struct dvmm_region *r, u64 index)
{
	struct mem_cgroup *old = set_active_memcg(r->memcg);
	struct flight *f = kmem_cache_zalloc(flights, GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);

	set_active_memcg(old);
	f->r = r;
	f->index = index;
	f->sight.since = jiffies;
	INIT_LIST_HEAD(&f->inbox);
	INIT_LIST_HEAD(&f->deferred);
	INIT_WORK(&f->work, run_work);
	dvmm_hrtimer_setup(&f->again, flight_again);
	INIT_WORK(&f->timer_work, timer_work);
	dvmm_hrtimer_setup(&f->hold_timer, hold_expired);
	return f;
}

static bool item_of_peer(const struct event_item *item)
{
	return item->ev.type < DVMM_EV_LOAD;
}

/* A fair peer has a request and what ends its last one waiting, and an answer each. */
static bool flight_is_full(const struct flight *f)
{
	return f->messages > 4 * f->r->m->nodes;
}

static bool list_has(const struct list_head *items, u8 type)
{
	const struct event_item *item;

	list_for_each_entry(item, items, list)
		if (item->ev.type == type)
			return true;
	return false;
}

/*
 * The same local event waits already, and will wake whoever waits for the page.  So a
 * thread that comes back again and again, for each signal, leaves one item only.
 */
static bool flight_has(const struct flight *f, const struct event_item *item)
{
	u8 type = item->ev.type;

	return !item_of_peer(item) && (list_has(&f->inbox, type) || list_has(&f->deferred, type));
}

/* Put an item into the page's inbox; returns the flight if we must run it. */
static struct flight *deliver(struct dvmm_region *r, u64 index, struct event_item *item)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_page *pg = dvmm_region_page(r, index);
	struct flight *spare = NULL, *f;
	bool run, again;

	if (!priv_flight(READ_ONCE(pg->priv)))
		spare = flight_alloc(r, index);
	spin_lock(&b->lock);
	f = priv_flight(pg->priv);
	if (!f && !spare) {
		spin_unlock(&b->lock);
		return deliver(r, index, item);
	}
	if (!f) {
		f = spare;
		spare = NULL;
		WRITE_ONCE(pg->priv, pg->priv | (unsigned long)f);
		list_add_tail(&f->live, &b->flights);
	}
	again = flight_has(f, item);
	if (!again)
		list_add_tail(&item->list, &f->inbox);
	f->messages += item_of_peer(item);
	if (item_of_peer(item) && flight_is_full(f))
		dvmm_link_fence(r->m, item->ev.msg.src, "too many messages for one page");
	run = !f->running && !again;
	f->running |= run;
	spin_unlock(&b->lock);
	if (spare)
		kmem_cache_free(flights, spare);
	if (again)
		kmem_cache_free(items, item);
	return run ? f : NULL;
}

static void peer_more(struct dvmm_machine *m, u16 node, atomic_t *count, const char *why)
{
	if (atomic_inc_return(count) > DVMM_PEER_MAX)
		dvmm_link_fence(m, node, why);
}

static void item_free(struct dvmm_machine *m, struct event_item *item)
{
	if (item->page)
		put_page(item->page);
	if (item_of_peer(item))
		atomic_dec(&m->peers[item->ev.msg.src].parked);
	kmem_cache_free(items, item);
}

/*
 * A step that leaves page and transaction as they were is progress only where
 * nothing is awaited: else a peer could feign it.
 */
static bool flight_moved(const struct flight *f, const struct dvmm_page *pg)
{
	return f->sight.state != pg->state || memcmp(&f->sight.txn, &f->txn, sizeof(f->txn)) ||
	       (f->reoffer && dvmm_state_stable(pg->state));
}

static bool state_serves(u8 state)
{
	return state == DVMM_ST_H_FS || state == DVMM_ST_H_FM;
}

/* Count for whom a transaction is open. */
static void flight_serve(struct flight *f, const struct dvmm_page *pg)
{
	struct dvmm_machine *m = f->r->m;

	if (state_serves(f->sight.state))
		atomic_dec(&m->peers[f->sight.txn.requester].served);
	if (state_serves(pg->state))
		peer_more(m, f->txn.requester, &m->peers[f->txn.requester].served,
			  "it leaves too many transactions open");
}

/* By the runner, under the bucket lock. */
static void flight_note(struct flight *f, bool pinned)
{
	struct dvmm_page *pg = dvmm_region_page(f->r, f->index);

	f->sight.pinned = pinned;
	if (!flight_moved(f, pg))
		return;
	flight_serve(f, pg);
	f->sight.state = pg->state;
	f->sight.peer = pg->peer;
	f->sight.txn = f->txn;
	f->sight.since = jiffies;
}

static void flight_note_pin(struct flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	flight_note(f, true);
	spin_unlock(&b->lock);
}

/*
 * Choose what to do next.  False: nothing is left, and the flight may be gone.
 * Deferred events come first once anything else has happened, in arrival order.
 */
static bool next_item(struct flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);
	struct dvmm_page *pg = dvmm_region_page(f->r, f->index);
	bool gone = false;

	spin_lock(&b->lock);
	flight_note(f, false);
	f->from_deferred = f->reoffer && !list_empty(&f->deferred);
	f->item = list_first_entry_or_null(f->from_deferred ? &f->deferred : &f->inbox,
					   struct event_item, list);
	if (f->item) {
		list_del(&f->item->list);
		f->waiting -= f->from_deferred;
		f->messages -= item_of_peer(f->item);
		spin_unlock(&b->lock);
		return true;
	}
	f->running = false;
	if (list_empty(&f->deferred) && !f->timer && !f->r->dying &&
	    dvmm_state_stable(pg->state)) {
		WRITE_ONCE(pg->priv, pg->priv & DVMM_PRIV_BITS);
		list_del(&f->live);
		gone = true;
	}
	spin_unlock(&b->lock);
	if (gone)
		kmem_cache_free(flights, f);
	return false;
}

static void defer_item(struct flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	if (f->from_deferred)
		list_add(&f->item->list, &f->deferred);
	else
		list_add_tail(&f->item->list, &f->deferred);
	f->waiting++;
	f->messages += item_of_peer(f->item);
	spin_unlock(&b->lock);
	f->item = NULL;
}

/* ---- actions ---- */

static void act_send(struct flight *f, const struct dvmm_action *a, u16 dst, struct page *page)
{
	struct dvmm_frame frame = {
		.kind = DVMM_WIRE_COHERENCE,
		.index = f->r->id,
		.page = f->index,
		.epoch = f->r->m->epoch,
		.length = page ? DVMM_PAGE_SIZE : 0,
		.msg = a->msg,
	};

	dvmm_link_send(f->r->m, dst, &frame, page);
}

static void act_send_set(struct flight *f, const struct dvmm_action *a)
{
	struct dvmm_machine *m = f->r->m;
	int node = -1;

	while ((node = dvmm_set_next(a->set, m->nodes, node)) >= 0)
		if (node != a->skip && node != m->self)
			act_send(f, a, node, NULL);
}

static void act_send_page(struct flight *f, const struct dvmm_action *a)
{
	struct dvmm_region *r = f->r;
	bool last = a->last && dvmm_page_perm(dvmm_region_page(r, f->index)) == DVMM_PERM_NONE;
	struct page *page = r->mem->read_out(r, f->index, last);

	if (!page) {
		dvmm_machine_fail(r->m, "node %u lost the frame of page %llu of region %u",
				  r->m->self, f->index, r->id);
		return;
	}
	if (last)
		dvmm_page_set_frame(r, f->index, false);
	act_send(f, a, a->dst, page);
}

/* The first time a little patience is cheaper than a timer and a worker. */
static int flight_lower(struct flight *f, u8 perm)
{
	struct dvmm_region *r = f->r;
	int ret = r->mem->lower(r, f->index, perm);
	u64 end;

	if (ret != -EAGAIN || f->again_us)
		return ret;
	end = ktime_get_ns() + SPIN_NS;
	do {
		cpu_relax();
		ret = r->mem->lower(r, f->index, perm);
	} while (ret == -EAGAIN && ktime_get_ns() < end);
	return ret;
}

/* 0, or -EAGAIN: someone has the page pinned. */
static int act_set_perm(struct flight *f, const struct dvmm_action *a)
{
	struct dvmm_region *r = f->r;
	u8 had = dvmm_page_perm(dvmm_region_page(r, f->index));
	int ret;

	dvmm_page_set_perm(r, f->index, a->perm);
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

static void act_fill(struct flight *f, const struct dvmm_action *a)
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
	if (r->mem->fill(r, f->index, page))
		dvmm_machine_fail(r->m, "node %u has no memory for page %llu of region %u",
				  r->m->self, f->index, r->id);
	else
		dvmm_page_set_frame(r, f->index, true);
	if (a->zero && !dvmm_region_is_home(r))
		dvmm_waiter_untouched(r, f->index);
}

static void start_hold(struct flight *f, u32 us)
{
	hrtimer_start(&f->hold_timer, ns_to_ktime(us * 1000ull), HRTIMER_MODE_REL);
}

static void act_timer(struct flight *f, const struct dvmm_action *a)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	f->timer = true;
	spin_unlock(&b->lock);
	start_hold(f, a->delay_us);
}

static int act(struct flight *f, const struct dvmm_action *a)
{
	switch (a->type) {
	case DVMM_ACT_SEND:
		act_send(f, a, a->dst, NULL);
		return 0;
	case DVMM_ACT_SEND_SET:
		act_send_set(f, a);
		return 0;
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
		defer_item(f);
		return 0;
	case DVMM_ACT_TIMER:
		act_timer(f, a);
		return 0;
	case DVMM_ACT_FENCE:
		dvmm_link_fence(f->r->m, a->dst, a->why);
		return 0;
	case DVMM_ACT_FAIL:
		dvmm_machine_fail(f->r->m, "node %u: %s", f->r->m->self, a->why);
		return 0;
	}
	WARN_ONCE(1, "dvmm: unknown action %u\n", a->type);
	return 0;
}

/* ---- running ---- */

static u32 now_us(void)
{
	return (u32)ktime_to_us(ktime_get());
}

static void step(struct flight *f)
{
	struct dvmm_region *r = f->r;
	struct dvmm_page *pg = dvmm_region_page(r, f->index);
	u32 now = now_us();
	struct dvmm_policy policy = {
		.hold_us = dvmm_waiter_hold_us(r, f->index, now),
		.migratory = r->m->policy.migratory,
		.history = READ_ONCE(history),
	};
	struct dvmm_ctx ctx = {
		.self = r->m->self,
		.home = r->home,
		.nodes = r->m->nodes,
		.now = now,
		.fresh_id = atomic64_inc_return(&r->m->next_id),
		.wrote = dvmm_page_wrote(pg),
		.dir = dvmm_region_dir(r, f->index),
		.policy = &policy,
	};
	u8 from = pg->state;

	f->next = 0;
	f->acts.count = 0;
	if (dvmm_machine_stopped(r->m))
		return;
	dvmm_step(&ctx, pg, &f->txn, &f->item->ev, &f->acts);
	trace_dvmm_step(r->m, r->id, f->index, f->from_deferred, &ctx, &f->item->ev, from,
			pg->state, &f->acts);
}

/* After the last action: what nobody needs any more goes. */
static void finish(struct flight *f)
{
	struct dvmm_page *pg = dvmm_region_page(f->r, f->index);

	f->reoffer = f->item;		/* not deferred: something has happened */
	if (f->item)
		item_free(f->r->m, f->item);
	f->item = NULL;
	if (!dvmm_state_has_frame(pg->state) && dvmm_page_has_frame(pg)) {
		/* A machine that stops leaves actions undone, and this may be one of them. */
		dvmm_page_set_perm(f->r, f->index, DVMM_PERM_NONE);
		f->r->mem->drop(f->r, f->index);
		dvmm_page_set_frame(f->r, f->index, false);
	}
}

/*
 * Most references that are no mappings are there for a moment (a batch on its way
 * to the LRU, a fault that ends); pins of I/O stay longer.
 */
static void flight_park(struct flight *f)
{
	dvmm_stats_count(f->r->m, pin_waits);
	flight_note_pin(f);
	f->again_us = clamp(2 * f->again_us, AGAIN_MIN_US, AGAIN_MAX_US);
	hrtimer_start(&f->again, ns_to_ktime(f->again_us * 1000ull), HRTIMER_MODE_REL);
}

/*
 * Execute from the first action not yet done.  False: the page is pinned, and the
 * rest is the workqueue's, which is the runner now.
 */
static bool execute(struct flight *f)
{
	for (; f->next < f->acts.count; f->next++) {
		if (act(f, &f->acts.act[f->next]) == -EAGAIN) {
			flight_park(f);
			return false;
		}
		f->again_us = 0;
	}
	finish(f);
	return true;
}

static void run(struct flight *f)
{
	while (next_item(f)) {
		step(f);
		if (!execute(f))
			return;
	}
}

static void run_work(struct work_struct *work)
{
	struct flight *f = container_of(work, struct flight, work);
	unsigned int noio = memalloc_noio_save();

	/* Once stopped, do not wait for a pin: nothing is sent any more. */
	if (dvmm_machine_stopped(f->r->m) && f->next < f->acts.count)
		f->next = f->acts.count;
	if (execute(f))
		run(f);
	memalloc_noio_restore(noio);
}

static struct event_item *item_alloc(u8 type)
{
	struct event_item *item = kmem_cache_zalloc(items, GFP_KERNEL | __GFP_NOFAIL);

	item->ev.type = type;
	return item;
}

/* The access for which the page is kept is still to come, or has only just come. */
static bool too_early(struct flight *f)
{
	u32 now = now_us();
	u32 age = now - READ_ONCE(dvmm_region_page(f->r, f->index)->stamp);
	u32 hold = dvmm_waiter_hold_us(f->r, f->index, now);

	if (age >= hold || dvmm_machine_stopped(f->r->m))
		return false;
	start_hold(f, hold - age);
	return true;
}

static void timer_work(struct work_struct *work)
{
	struct flight *f = container_of(work, struct flight, timer_work);
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);
	struct event_item *item;
	bool go;

	if (too_early(f))
		return;
	item = item_alloc(DVMM_EV_TIMER);
	spin_lock(&b->lock);
	f->timer = false;
	list_add_tail(&item->list, &f->inbox);
	go = !f->running;
	f->running = true;
	spin_unlock(&b->lock);
	if (go)
		run(f);
}

void dvmm_dispatch_local(struct dvmm_region *r, u64 index, u8 type)
{
	struct flight *f = deliver(r, index, item_alloc(type));

	if (f)
		run(f);
}

void dvmm_dispatch_message(struct dvmm_region *r, u64 index,
			   const struct dvmm_msg *msg, struct page *page)
{
	struct event_item *item = item_alloc(msg->type);
	struct flight *f;

	item->ev.msg = *msg;
	item->page = page;
	peer_more(r->m, msg->src, &r->m->peers[msg->src].parked, "too many of its messages wait");
	f = deliver(r, index, item);
	if (f)
		run(f);
}

/* ---- runs of untouched pages ---- */

/* Become the runner of a page that nobody has touched or asks for. */
static bool flight_claim(struct dvmm_region *r, u64 index)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_page *pg = dvmm_region_page(r, index);
	struct flight *f = flight_alloc(r, index);
	bool free;

	spin_lock(&b->lock);
	free = !pg->priv && !pg->state;
	if (free) {
		f->running = true;
		WRITE_ONCE(pg->priv, (unsigned long)f);
		list_add_tail(&f->live, &b->flights);
	}
	spin_unlock(&b->lock);
	if (!free)
		kmem_cache_free(flights, f);
	return free;
}

static struct flight *flight_claimed(struct dvmm_region *r, u64 index)
{
	return priv_flight(READ_ONCE(dvmm_region_page(r, index)->priv));
}

u64 dvmm_dispatch_claim(struct dvmm_region *r, u64 first, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		if (!flight_claim(r, first + i))
			break;
	return i;
}

void dvmm_dispatch_touch(struct dvmm_region *r, u64 first, u64 n)
{
	u64 i;

	for (i = first; i < first + n; i++) {
		struct flight *f = flight_claimed(r, i);

		f->item = item_alloc(DVMM_EV_TOUCH);
		step(f);
		execute(f);
	}
}

void dvmm_dispatch_release(struct dvmm_region *r, u64 first, u64 n)
{
	u64 i;

	for (i = first; i < first + n; i++)
		run(flight_claimed(r, i));
}

/* ---- seeing ---- */

static void flight_view(const struct flight *f, struct dvmm_flight_view *v)
{
	*v = (struct dvmm_flight_view) {
		.page = f->index,
		.state = f->sight.state,
		.pinned = f->sight.pinned,
		.running = f->running,
		.owner = f->sight.peer,
		.requester = f->sight.txn.requester,
		.acks = f->sight.txn.acks,
		.waiting = f->waiting,
		.age_ms = jiffies_to_msecs(jiffies - f->sight.since),
	};
}

void dvmm_dispatch_visit(struct dvmm_region *r, dvmm_flight_fn fn, void *arg)
{
	struct dvmm_flight_view v;
	struct flight *f;
	int i;

	for (i = 0; i < DVMM_BUCKETS; i++) {
		struct dvmm_bucket *b = &r->buckets[i];

		spin_lock(&b->lock);
		list_for_each_entry(f, &b->flights, live) {
			flight_view(f, &v);
			fn(r, &v, arg);
		}
		spin_unlock(&b->lock);
		cond_resched();
	}
}

/* ---- the end ---- */

static void flight_free(struct flight *f)
{
	struct event_item *item, *tmp;
	unsigned int i;

	/* Each may start the other; the second time round it knows that the machine has stopped. */
	for (i = 0; i < 2; i++) {
		hrtimer_cancel(&f->hold_timer);
		cancel_work_sync(&f->timer_work);
		hrtimer_cancel(&f->again);
		cancel_work_sync(&f->work);
	}
	list_splice_init(&f->deferred, &f->inbox);
	list_for_each_entry_safe(item, tmp, &f->inbox, list)
		item_free(f->r->m, item);
	if (f->item)
		item_free(f->r->m, f->item);
	kmem_cache_free(flights, f);
}

void dvmm_dispatch_forget(struct dvmm_region *r)
{
	struct flight *f, *tmp;
	int i;

	/* The machine has stopped, so runners find nothing to do; none frees. */
	for (i = 0; i < DVMM_BUCKETS; i++) {
		spin_lock(&r->buckets[i].lock);
		r->dying = true;
		spin_unlock(&r->buckets[i].lock);
	}
	for (i = 0; i < DVMM_BUCKETS; i++)
		list_for_each_entry_safe(f, tmp, &r->buckets[i].flights, live)
			flight_free(f);
}

int dvmm_dispatch_init(void)
{
	flights = kmem_cache_create("dvmm_flight", sizeof(struct flight), 0,
				    SLAB_HWCACHE_ALIGN, NULL);
	items = KMEM_CACHE(event_item, 0);
	if (flights && items)
		return 0;
	dvmm_dispatch_exit();
	return -ENOMEM;
}

void dvmm_dispatch_exit(void)
{
	kmem_cache_destroy(items);
	kmem_cache_destroy(flights);
}
