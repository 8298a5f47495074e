// SPDX-License-Identifier: GPL-2.0
/* How long a page is kept for the threads that wait for it. */
#include <linux/ktime.h>
#include <linux/minmax.h>

#include "region.h"
#include "waiter.h"

void dvmm_waiter_begin(struct dvmm_region *r, struct dvmm_waiter *w, u64 index, u8 need)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);

	w->index = index;
	w->need = need;
	w->untouched = false;
	spin_lock(&b->lock);
	list_add(&w->list, &b->waiters.list);
	spin_unlock(&b->lock);
}

void dvmm_waiter_untouched(struct dvmm_region *r, u64 index)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_waiter *w;

	spin_lock(&b->lock);
	list_for_each_entry(w, &b->waiters.list, list)
		w->untouched |= w->index == index;
	spin_unlock(&b->lock);
}

void dvmm_waiter_end(struct dvmm_region *r, struct dvmm_waiter *w)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, w->index);

	spin_lock(&b->lock);
	list_del(&w->list);
	b->waiters.served = w->index;
	b->waiters.served_us = (u32)ktime_to_us(ktime_get());
	spin_unlock(&b->lock);
}

/* Has the page what a thread waits for, which has not run since? */
static bool waiter_to_come(const struct dvmm_waiters *ws, u64 index, u8 perm)
{
	const struct dvmm_waiter *w;

	list_for_each_entry(w, &ws->list, list)
		if (w->index == index && w->need <= perm)
			return true;
	return false;
}

/* From the grant until the access had its chance. */
static u32 waiter_served_after(const struct dvmm_bucket *b, const struct dvmm_page *pg, u64 index,
			       u32 age)
{
	u32 since;

	if (waiter_to_come(&b->waiters, index, dvmm_page_perm(pg)))
		return age;
	since = b->waiters.served_us - READ_ONCE(pg->stamp);
	return b->waiters.served == index && since < age ? since : 0;
}

u32 dvmm_waiter_hold_us(struct dvmm_region *r, u64 index, u32 now)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_page *pg = dvmm_region_page(r, index);
	u32 least = dvmm_hold_us(&r->m->hold, r->m->policy.hold_us, dvmm_page_perm(pg));
	u32 age = now - READ_ONCE(pg->stamp);
	u32 hold;

	if (!least || age >= DVMM_HOLD_MAX_US)
		return least;
	spin_lock(&b->lock);
	hold = least + waiter_served_after(b, pg, index, age);
	spin_unlock(&b->lock);
	return max_t(u32, least, min_t(u32, hold, DVMM_HOLD_MAX_US));
}
