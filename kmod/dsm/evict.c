// SPDX-License-Identifier: GPL-2.0
/* Capacity: choose victims and wait for their frames. */
#include <linux/pagemap.h>
#include <linux/pagevec.h>

#include "dispatch.h"
#include "evict.h"

#define EVICT_BATCH	16

static bool try_reserve(struct dvmm_region *r)
{
	bool ok;

	spin_lock(&r->room_lock);
	ok = r->frames + r->reserved < r->limit;
	r->reserved += ok;
	spin_unlock(&r->room_lock);
	return ok;
}

static bool worth_evicting(struct dvmm_region *r, u64 index)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);

	return dvmm_page_perm(pg) != DVMM_PERM_NONE && !(READ_ONCE(pg->priv) & ~DVMM_PRIV_BITS);
}

/*
 * Send the next few frames after the hand away, oldest place first: with the
 * accessed bits inside KVM's tables there is no cheap word on use, and first
 * in, first out needs none.
 */
static unsigned int evict_some(struct dvmm_region *r)
{
	struct folio_batch batch;
	pgoff_t at, end = r->npages - 1;
	unsigned int i, sent = 0;

	folio_batch_init(&batch);
	spin_lock(&r->room_lock);
	at = r->hand;
	spin_unlock(&r->room_lock);
	filemap_get_folios(r->mapping, &at, end, &batch);
	for (i = 0; i < folio_batch_count(&batch) && sent < EVICT_BATCH; i++) {
		pgoff_t index = batch.folios[i]->index;

		at = index + 1;
		/* Our reference must not look like a pin. */
		folio_put(batch.folios[i]);
		if (!worth_evicting(r, index))
			continue;
		dvmm_dispatch_local(r, index, DVMM_EV_EVICT);
		sent++;
	}
	for (; i < folio_batch_count(&batch); i++)
		folio_put(batch.folios[i]);
	spin_lock(&r->room_lock);
	r->hand = at > end || !folio_batch_count(&batch) ? 0 : at;
	spin_unlock(&r->room_lock);
	return sent;
}

static bool has_room(struct dvmm_region *r)
{
	return READ_ONCE(r->frames) + READ_ONCE(r->reserved) < r->limit ||
	       dvmm_machine_stopped(r->m);
}

int dvmm_evict_reserve(struct dvmm_region *r)
{
	if (!r->limit)
		return 0;
	while (!try_reserve(r)) {
		if (dvmm_machine_stopped(r->m))
			return -EIO;
		evict_some(r);
		/* The bound is for victims that a pin or a new request has saved. */
		if (wait_event_killable_timeout(r->room, has_room(r),
						msecs_to_jiffies(10)) < 0)
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
