// SPDX-License-Identifier: GPL-2.0
/* Flights: existence, inbox, what others see of them, and their end. */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "flight.h"
#include "link/link.h"

static struct kmem_cache *flights;
static struct kmem_cache *items;

/* ---- existence ---- */

static struct dvmm_flight *flight_of(u64 priv)
{
	return (struct dvmm_flight *)(unsigned long)(priv & ~DVMM_PRIV_BITS);
}

static enum hrtimer_restart flight_hold_over(struct hrtimer *t)
{
	struct dvmm_flight *f = container_of(t, struct dvmm_flight, hold_timer);

	queue_work(f->r->m->wq, &f->timer_work);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart flight_again(struct hrtimer *t)
{
	struct dvmm_flight *f = container_of(t, struct dvmm_flight, again);

	queue_work(f->r->m->wq, &f->work);
	return HRTIMER_NORESTART;
}

/* Rather than that somebody is killed for it, what a snapshot keeps goes. */
static struct dvmm_flight *flight_charge(struct dvmm_region *r)
{
	struct dvmm_flight *f = kmem_cache_zalloc(flights, GFP_KERNEL_ACCOUNT | __GFP_NORETRY |
						  __GFP_NOWARN);

	if (f)
		return f;
	dvmm_snapshot_give_up(&r->snapshot);
	return kmem_cache_zalloc(flights, GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
}

static struct dvmm_flight *flight_alloc(struct dvmm_region *r, u64 index)
{
	struct mem_cgroup *old = set_active_memcg(r->memcg);
	struct dvmm_flight *f = flight_charge(r);

	set_active_memcg(old);
	f->r = r;
	f->index = index;
	f->sight.since = jiffies;
	INIT_LIST_HEAD(&f->inbox);
	INIT_LIST_HEAD(&f->deferred);
	INIT_LIST_HEAD(&f->gated);
	INIT_WORK(&f->work, dvmm_dispatch_again);
	dvmm_hrtimer_setup(&f->again, flight_again);
	INIT_WORK(&f->timer_work, dvmm_dispatch_timer);
	dvmm_hrtimer_setup(&f->hold_timer, flight_hold_over);
	return f;
}

static bool flight_item_of_peer(const struct dvmm_item *item)
{
	return dvmm_msg_known(item->ev.type);
}

/* A fair peer has a request and what ends its last one waiting, and an answer each. */
static bool flight_is_full(const struct dvmm_flight *f)
{
	return f->messages > 4 * f->r->m->nodes;
}

static bool flight_item_in(const struct list_head *items, u8 type)
{
	const struct dvmm_item *item;

	list_for_each_entry(item, items, list)
		if (item->ev.type == type)
			return true;
	return false;
}

/*
 * The same local event waits already, and will wake whoever waits for the page.  So a
 * thread that comes back again and again, for each signal, leaves one item only.
 */
static bool flight_has(const struct dvmm_flight *f, const struct dvmm_item *item)
{
	u8 type = item->ev.type;

	return !flight_item_of_peer(item) &&
	       (flight_item_in(&f->inbox, type) || flight_item_in(&f->deferred, type) ||
		flight_item_in(&f->gated, type));
}

/* The page's flight, or NULL: somebody has to make one first. */
static struct dvmm_flight *flight_find(struct dvmm_bucket *b, struct dvmm_page *pg,
				       struct dvmm_flight **spare)
{
	struct dvmm_flight *f = flight_of(pg->priv);

	lockdep_assert_held(&b->lock);
	if (f || !*spare)
		return f;
	swap(f, *spare);
	WRITE_ONCE(pg->priv, pg->priv | (unsigned long)f);
	list_add_tail(&f->live, &b->flights);
	return f;
}

/* As flight_find(); the bucket is unlocked meanwhile where one has to be made. */
static struct dvmm_flight *flight_get(struct dvmm_bucket *b, struct dvmm_region *r, u64 index)
	__must_hold(&b->lock)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);
	struct dvmm_flight *spare = NULL, *f;

	while (!(f = flight_find(b, pg, &spare))) {
		spin_unlock(&b->lock);
		spare = flight_alloc(r, index);
		spin_lock(&b->lock);
	}
	if (spare)
		kmem_cache_free(flights, spare);
	return f;
}

struct dvmm_flight *dvmm_flight_deliver(struct dvmm_region *r, u64 index, struct dvmm_item *item)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_flight *f;
	bool again, run;

	spin_lock(&b->lock);
	f = flight_get(b, r, index);
	again = flight_has(f, item);
	run = !f->running && !again;
	if (!again)
		list_add_tail(&item->list, &f->inbox);
	f->messages += flight_item_of_peer(item);
	if (flight_item_of_peer(item) && flight_is_full(f))
		dvmm_link_fence(r->m, item->ev.msg.src, "too many messages for one page");
	f->running |= run;
	spin_unlock(&b->lock);
	if (again)
		kmem_cache_free(items, item);
	return run ? f : NULL;
}

static void flight_peer_more(struct dvmm_machine *m, u16 node, atomic_t *count, const char *why)
{
	if (atomic_inc_return(count) > DVMM_PEER_MAX)
		dvmm_link_fence(m, node, why);
}

struct dvmm_item *dvmm_item_alloc(u8 type)
{
	struct dvmm_item *item = kmem_cache_zalloc(items, GFP_KERNEL | __GFP_NOFAIL);

	item->ev.type = type;
	return item;
}

struct dvmm_item *dvmm_item_message(struct dvmm_machine *m, const struct dvmm_msg *msg,
				    struct page *page)
{
	struct dvmm_item *item = dvmm_item_alloc(msg->type);

	item->ev.msg = *msg;
	item->page = page;
	flight_peer_more(m, msg->src, &m->peers[msg->src].parked, "too many of its messages wait");
	return item;
}

void dvmm_item_free(struct dvmm_machine *m, struct dvmm_item *item)
{
	if (item->page)
		put_page(item->page);
	if (flight_item_of_peer(item))
		atomic_dec(&m->peers[item->ev.msg.src].parked);
	kmem_cache_free(items, item);
}

/*
 * A step that leaves page and transaction as they were is progress only where
 * nothing is awaited: else a peer could feign it.
 */
static bool flight_moved(const struct dvmm_flight *f, const struct dvmm_page *pg)
{
	return f->sight.state != pg->state || memcmp(&f->sight.txn, &f->txn, sizeof(f->txn)) ||
	       (f->reoffer && dvmm_state_stable(pg->state));
}

static bool flight_state_serves(u8 state)
{
	return state == DVMM_ST_H_FS || state == DVMM_ST_H_FM;
}

/* Count for whom a transaction is open. */
static void flight_serve(struct dvmm_flight *f, const struct dvmm_page *pg)
{
	struct dvmm_machine *m = f->r->m;

	if (flight_state_serves(f->sight.state))
		atomic_dec(&m->peers[f->sight.txn.requester].served);
	if (flight_state_serves(pg->state))
		flight_peer_more(m, f->txn.requester, &m->peers[f->txn.requester].served,
				 "it leaves too many transactions open");
}

/* By the runner, under the bucket lock. */
static void flight_note(struct dvmm_flight *f, bool pinned)
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

void dvmm_flight_note_pin(struct dvmm_flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	flight_note(f, true);
	spin_unlock(&b->lock);
}

static struct list_head *flight_turn(struct dvmm_flight *f)
{
	if (f->reoffer && !list_empty(&f->deferred))
		return &f->deferred;
	return f->due && !list_empty(&f->gated) ? &f->gated : &f->inbox;
}

static bool flight_is_over(const struct dvmm_flight *f, const struct dvmm_page *pg)
{
	return list_empty(&f->deferred) && list_empty(&f->gated) && !f->timer &&
	       !f->r->dying && dvmm_state_stable(pg->state);
}

bool dvmm_flight_next(struct dvmm_flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);
	struct dvmm_page *pg = dvmm_region_page(f->r, f->index);
	bool gone = false;

	spin_lock(&b->lock);
	flight_note(f, false);
	f->from = flight_turn(f);
	f->item = list_first_entry_or_null(f->from, struct dvmm_item, list);
	if (f->item) {
		list_del(&f->item->list);
		f->waiting -= f->from != &f->inbox;
		f->due &= !list_empty(&f->gated);
		f->messages -= flight_item_of_peer(f->item);
		spin_unlock(&b->lock);
		return true;
	}
	f->running = false;
	if (flight_is_over(f, pg)) {
		WRITE_ONCE(pg->priv, pg->priv & DVMM_PRIV_BITS);
		list_del(&f->live);
		gone = true;
	}
	spin_unlock(&b->lock);
	if (gone)
		kmem_cache_free(flights, f);
	return false;
}

void dvmm_flight_defer(struct dvmm_flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	if (f->from == &f->deferred)
		list_add(&f->item->list, &f->deferred);
	else
		list_add_tail(&f->item->list, &f->deferred);
	f->waiting++;
	f->messages += flight_item_of_peer(f->item);
	spin_unlock(&b->lock);
	f->item = NULL;
}

/* ---- the gate ---- */

bool dvmm_flight_behind(const struct dvmm_flight *f)
{
	return f->from == &f->inbox && !list_empty(&f->gated);
}

void dvmm_flight_gate(struct dvmm_flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	list_add_tail(&f->item->list, &f->gated);
	f->waiting++;
	f->messages += flight_item_of_peer(f->item);
	spin_unlock(&b->lock);
	f->item = NULL;
}

struct dvmm_flight *dvmm_flight_open(struct dvmm_region *r, u64 index)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_flight *f;
	bool run = false;

	spin_lock(&b->lock);
	f = flight_of(dvmm_region_page(r, index)->priv);
	if (f && !list_empty(&f->gated)) {
		f->due = true;
		run = !f->running;
		f->running = true;
	}
	spin_unlock(&b->lock);
	return run ? f : NULL;
}

struct dvmm_flight *dvmm_flight_seize(struct dvmm_region *r, u64 index, bool gate)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_flight *f;
	bool free;

	spin_lock(&b->lock);
	f = flight_get(b, r, index);
	free = !f->running && list_empty(&f->deferred) && (gate || list_empty(&f->gated));
	f->running |= free;
	spin_unlock(&b->lock);
	return free ? f : NULL;
}

/* ---- the hold timer ---- */

void dvmm_flight_keep(struct dvmm_flight *f, u32 us)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);

	spin_lock(&b->lock);
	f->timer = true;
	spin_unlock(&b->lock);
	hrtimer_start(&f->hold_timer, ns_to_ktime(us * 1000ull), HRTIMER_MODE_REL);
}

bool dvmm_flight_kept(struct dvmm_flight *f)
{
	struct dvmm_bucket *b = dvmm_region_bucket(f->r, f->index);
	struct dvmm_item *item = dvmm_item_alloc(DVMM_EV_TIMER);
	bool run;

	spin_lock(&b->lock);
	f->timer = false;
	list_add_tail(&item->list, &f->inbox);
	run = !f->running;
	f->running = true;
	spin_unlock(&b->lock);
	return run;
}

/* ---- claims ---- */

bool dvmm_flight_claim(struct dvmm_region *r, u64 index)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_page *pg = dvmm_region_page(r, index);
	struct dvmm_flight *f = flight_alloc(r, index);
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

struct dvmm_flight *dvmm_flight_claimed(struct dvmm_region *r, u64 index)
{
	return flight_of(READ_ONCE(dvmm_region_page(r, index)->priv));
}

/* ---- seeing ---- */

static void flight_view(const struct dvmm_flight *f, struct dvmm_flight_view *v)
{
	*v = (struct dvmm_flight_view) {
		.page = f->index,
		.state = f->sight.state,
		.pinned = f->sight.pinned,
		.running = f->running,
		.asked = f->sight.txn.asked,
		.owner = f->sight.peer,
		.requester = f->sight.txn.requester,
		.acks = f->sight.txn.acks,
		.waiting = f->waiting,
		.age_ms = jiffies_to_msecs(jiffies - f->sight.since),
	};
}

void dvmm_flights_visit(struct dvmm_region *r, dvmm_flight_fn fn, void *arg)
{
	struct dvmm_flight_view v;
	struct dvmm_flight *f;
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

static void flight_free(struct dvmm_flight *f)
{
	struct dvmm_item *item, *tmp;
	unsigned int i;

	/* Each may start the other; the second time round it knows that the machine has stopped. */
	for (i = 0; i < 2; i++) {
		hrtimer_cancel(&f->hold_timer);
		cancel_work_sync(&f->timer_work);
		hrtimer_cancel(&f->again);
		cancel_work_sync(&f->work);
	}
	list_splice_init(&f->deferred, &f->inbox);
	list_splice_init(&f->gated, &f->inbox);
	list_for_each_entry_safe(item, tmp, &f->inbox, list)
		dvmm_item_free(f->r->m, item);
	if (f->item)
		dvmm_item_free(f->r->m, f->item);
	kmem_cache_free(flights, f);
}

void dvmm_flights_forget(struct dvmm_region *r)
{
	struct dvmm_flight *f, *tmp;
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

int dvmm_flight_init(void)
{
	flights = kmem_cache_create("dvmm_flight", sizeof(struct dvmm_flight),
				    DVMM_PRIV_BITS + 1, SLAB_HWCACHE_ALIGN, NULL);
	items = KMEM_CACHE(dvmm_item, 0);
	if (flights && items)
		return 0;
	dvmm_flight_exit();
	return -ENOMEM;
}

void dvmm_flight_exit(void)
{
	kmem_cache_destroy(items);
	kmem_cache_destroy(flights);
}
