// SPDX-License-Identifier: GPL-2.0
/* Capacity: choose victims and wait for their frames. */
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/sched/signal.h>

#include "dispatch.h"
#include "evict.h"
#include "homes.h"
#include "link/link.h"

static bool evict_try_reserve(struct dvmm_region *r)
{
	bool ok;

	spin_lock(&r->room_lock);
	ok = atomic64_read(&r->frames) + r->reserved < r->limit;
	r->reserved += ok;
	spin_unlock(&r->room_lock);
	return ok;
}

static bool evict_worth(struct dvmm_region *r, u64 index)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);

	return dvmm_page_perm(pg) != DVMM_PERM_NONE &&
	       !(READ_ONCE(pg->priv) & ~DVMM_PRIV_BITS) &&
	       dvmm_link_is_calm(r->m, dvmm_homes_of(r, index));
}

unsigned int dvmm_evict_take(struct dvmm_region *r, u64 index[DVMM_EVICT_BATCH])
{
	pgoff_t at, end = r->npages - 1;
	struct folio_batch batch;
	unsigned int i, n;

	folio_batch_init(&batch);
	spin_lock(&r->room_lock);
	at = r->hand;
	n = min(filemap_get_folios(r->mapping, &at, end, &batch), DVMM_EVICT_BATCH);
	for (i = 0; i < n; i++)
		index[i] = batch.folios[i]->index;
	/* From amid a block it would be found again, and the last one for ever. */
	r->hand = n ? folio_next_index(batch.folios[n - 1]) : 0;
	spin_unlock(&r->room_lock);
	for (i = 0; i < folio_batch_count(&batch); i++)
		folio_put(batch.folios[i]);
	return n;
}

/*
 * Send frames away in the order of their places: with the accessed bits inside
 * KVM's tables there is no cheap word on use, and a sweep needs none.
 */
static void evict_some(struct dvmm_region *r)
{
	u64 index[DVMM_EVICT_BATCH];
	unsigned int i, n;

	n = dvmm_evict_take(r, index) ?: dvmm_evict_take(r, index);
	for (i = 0; i < n; i++)
		if (evict_worth(r, index[i]))
			dvmm_dispatch_local(r, index[i], DVMM_EV_EVICT);
}

static bool evict_has_room(struct dvmm_region *r)
{
	return atomic64_read(&r->frames) + READ_ONCE(r->reserved) < r->limit ||
	       dvmm_machine_stopped(r->m);
}

int dvmm_evict_reserve(struct dvmm_region *r, unsigned int state)
{
	if (!r->limit)
		return 0;
	while (!evict_try_reserve(r)) {
		if (dvmm_machine_stopped(r->m))
			return -EIO;
		evict_some(r);
		/* The bound is for victims that a pin or a new request has saved. */
		wait_event_killable_timeout(r->room, evict_has_room(r), msecs_to_jiffies(10));
		if (signal_pending_state(state, current))
			return -EINTR;
	}
	return 0;
}

void dvmm_evict_unreserve(struct dvmm_region *r)
{
	if (!r->limit)
		return;
	spin_lock(&r->room_lock);
	r->reserved--;
	spin_unlock(&r->room_lock);
	wake_up_all(&r->room);
}
