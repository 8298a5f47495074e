// SPDX-License-Identifier: GPL-2.0
/*
 * Windows that grow with what was read in order, as of files (Feiertag and
 * Organick, SOSP 1971; Wu et al., OLS 2007).
 */
#include <linux/minmax.h>
#include <linux/sched.h>

#include "dispatch.h"
#include "region.h"
#include "stats.h"

void dvmm_prefetch_init(struct dvmm_region *r)
{
	int i;

	for (i = 0; i < DVMM_STREAMS; i++)
		spin_lock_init(&r->streams[i].lock);
}

/* The pages to ask for now: from @first to below the result. */
static u64 prefetch_advance(struct dvmm_stream *s, u64 index, u64 npages, u64 *first)
{
	u64 end;

	spin_lock(&s->lock);
	if (index == s->next) {
		s->window = clamp(2 * s->window, 1u, (u32)DVMM_PREFETCH_MAX);
	} else if (index + 1 != s->next) {	/* not just the same page again */
		s->window = 0;
		s->asked = 0;
	}
	s->next = index + 1;
	*first = max(s->asked, index + 1);
	end = min(index + 1 + s->window, npages);
	s->asked = max(s->asked, end);
	spin_unlock(&s->lock);
	return end;
}

/*
 * Nothing is held, nothing is under way, and as far as this node knows somebody
 * has data: the home knows of each page that nobody has touched.
 */
static bool prefetch_worth_asking(struct dvmm_region *r, u64 index)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);

	if (READ_ONCE(pg->priv))
		return false;
	return READ_ONCE(pg->state) != 0 || !dvmm_homes_here(r, index);
}

void dvmm_prefetch(struct dvmm_region *r, u64 index)
{
	u64 first, end;

	if (!r->m->prefetch || r->limit)
		return;
	end = prefetch_advance(&r->streams[current->pid % DVMM_STREAMS], index, r->npages, &first);
	for (; first < end; first++) {
		if (!prefetch_worth_asking(r, first))
			continue;
		dvmm_dispatch_local(r, first, DVMM_EV_LOAD);
		dvmm_stats_count(r->m, prefetches);
	}
}
