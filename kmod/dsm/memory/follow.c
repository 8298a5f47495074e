// SPDX-License-Identifier: GPL-2.0
/*
 * Misses of shared data come in the same order again and again, which can be had by
 * recording it (Joseph and Grunwald, ISCA 1997; Wenisch et al., ISCA 2005).
 */
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "follow.h"
#include "link/batch.h"
#include "machine/machine.h"
#include "prefetch.h"
#include "region.h"

#define FOLLOW_MOST	8
#define FOLLOW_NEAR	(20 * NSEC_PER_MSEC)	/* what comes later does not belong together */
#define FOLLOW_TRUST	3
#define FOLLOW_SURE	2	/* of FOLLOW_TRUST: pages are asked for */
#define FOLLOW_INDEX	48	/* bits of a page's index, below its region's */

static unsigned int follow;
module_param(follow, uint, 0644);
MODULE_PARM_DESC(follow, "pages to ask for that were waited for next the last times, at most (0; 0 to 8)");

/* What is known of a machine, from the first time that it is asked for; NULL without memory. */
static struct dvmm_follow *follow_of(struct dvmm_machine *m)
{
	struct dvmm_follow *f = READ_ONCE(m->follow), *other;

	if (f)
		return f;
	f = kzalloc(sizeof(*f), GFP_NOIO);
	if (!f)
		return NULL;
	spin_lock_init(&f->lock);
	other = cmpxchg(&m->follow, NULL, f);
	if (!other)
		return f;
	kfree(f);
	return other;
}

static struct dvmm_follow_next *follow_at(struct dvmm_follow *f, u64 page)
{
	return &f->table[hash_64(page, DVMM_FOLLOW_BITS)];
}

static void follow_learn(struct dvmm_follow *f, u64 page, u64 next, u8 need)
{
	struct dvmm_follow_next *e = follow_at(f, page);

	if (e->page == page && e->next == next) {
		e->trust = min(e->trust + 1, FOLLOW_TRUST);
		e->need = need;
	} else if (e->page == page && e->trust) {
		e->trust--;
	} else {
		*e = (struct dvmm_follow_next){ page, next, need, 1 };
	}
}

/* The pages that follow; how many. */
static unsigned int follow_walk(struct dvmm_follow *f, u64 page, struct dvmm_follow_next *path,
				unsigned int most)
{
	unsigned int n = 0;

	while (n < most) {
		struct dvmm_follow_next *e = follow_at(f, page);

		if (e->page != page || e->trust < FOLLOW_SURE)
			break;
		path[n++] = *e;
		page = e->next;
	}
	return n;
}

static unsigned int follow_advance(struct dvmm_follow *f, u64 page, u8 need,
				   struct dvmm_follow_next *path, unsigned int most)
{
	struct dvmm_follow_last *last = &f->last[current->pid % DVMM_FOLLOW_THREADS];
	u64 now = ktime_get_ns();
	unsigned int n;

	spin_lock(&f->lock);
	if (last->page != page) {
		if (now - last->at < FOLLOW_NEAR)
			follow_learn(f, last->page, page, need);
		last->page = page;
	}
	last->at = now;
	n = follow_walk(f, page, path, most);
	spin_unlock(&f->lock);
	return n;
}

/* Of another region a fault has no reference: its machine may be at its end. */
static void follow_ask(struct dvmm_region *r, const struct dvmm_follow_next *e)
{
	if (e->next >> FOLLOW_INDEX == r->id)
		dvmm_prefetch_page(r, e->next & (BIT_ULL(FOLLOW_INDEX) - 1), e->need);
}

void dvmm_follow(struct dvmm_region *r, u64 index, u8 need)
{
	unsigned int i, n, most = min_t(unsigned int, READ_ONCE(follow), FOLLOW_MOST);
	struct dvmm_follow *f = most && !r->limit ? follow_of(r->m) : NULL;
	struct dvmm_follow_next path[FOLLOW_MOST];
	struct dvmm_link *batch = NULL;

	if (!f)
		return;
	n = follow_advance(f, (u64)r->id << FOLLOW_INDEX | index, need, path, most);
	if (n && !dvmm_homes_here(r, index))
		batch = dvmm_batch_open(r->m, dvmm_homes_of(r, index), DVMM_LANE_REQ);
	for (i = 0; i < n; i++)
		follow_ask(r, &path[i]);
	dvmm_batch_close(batch, DVMM_LANE_REQ);
}
