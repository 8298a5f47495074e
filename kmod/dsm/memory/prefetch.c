// SPDX-License-Identifier: GPL-2.0
/*
 * Windows that grow with what was read in order, as of files (Feiertag and
 * Organick, SOSP 1971; Wu et al., OLS 2007).
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "dispatch.h"
#include "link/batch.h"
#include "link/link.h"
#include "machine/stats.h"
#include "region.h"

#define PREFETCH_POLICY	16	/* pages ahead where the machine's policy says so */
#define PREFETCH_MOST	32
#define PREFETCH_REACH	8	/* from one page of a stream to the next one */
#define PREFETCH_SCAN	128	/* where the next ones are looked for */
#define PREFETCH_WRITTEN 2	/* pages, until the next one is asked for to write */
#define PREFETCH_RANGE	64	/* pages under way for who wants all of a range */

static unsigned int streams;
module_param(streams, uint, 0644);
MODULE_PARM_DESC(streams, "pages to ask for ahead of a thread that goes from page to page, at most (0; 0 to 32)");

/**
 * struct prefetch_plan - what to ask for
 * @step: from page to page
 * @need: to read or to write
 * @window: how many pages; 0: nothing
 */
struct prefetch_plan {
	s8 step;
	u8 need;
	u16 window;
};

void dvmm_prefetch_init(struct dvmm_region *r)
{
	int i;

	for (i = 0; i < DVMM_STREAMS; i++)
		spin_lock_init(&r->streams[i].lock);
}

static unsigned int prefetch_most(const struct dvmm_region *r)
{
	unsigned int most = min_t(unsigned int, READ_ONCE(streams), PREFETCH_MOST);

	if (r->limit)
		return 0;
	return r->m->prefetch ? max_t(unsigned int, most, PREFETCH_POLICY) : most;
}

static bool prefetch_near(const struct dvmm_stream *s, u64 index)
{
	return s->turn && abs((s64)(index - s->last)) <= PREFETCH_REACH;
}

/* The stream that @index belongs to; else a new one in the place of the oldest. */
static struct dvmm_stream *prefetch_find(struct dvmm_streams *group, u64 index)
{
	struct dvmm_stream *s, *oldest = group->each;

	for (s = group->each; s < group->each + DVMM_STREAMS_EACH; s++) {
		if (prefetch_near(s, index))
			return s;
		if (s->turn < oldest->turn)
			oldest = s;
	}
	*oldest = (struct dvmm_stream){ .last = index };
	return oldest;
}

/* What lies between is held already. */
static bool prefetch_in_order(struct dvmm_region *r, u64 from, u64 to, s8 step, u8 need)
{
	for (from += step; from != to; from += step)
		if (dvmm_page_perm(dvmm_region_page(r, from)) < need)
			return false;
	return true;
}

static bool prefetch_written(struct dvmm_region *r, u64 index)
{
	const struct dvmm_page *pg = dvmm_region_page(r, index);

	return dvmm_page_perm(pg) == DVMM_PERM_WRITE && dvmm_page_wrote(pg);
}

/* The way from the last page to @index, which is another one near it. */
static s8 prefetch_way(struct dvmm_region *r, const struct dvmm_stream *s, u64 index, u8 need)
{
	s8 way = (s8)(index - s->last), unit = way > 0 ? 1 : -1;

	return way != s->step && prefetch_in_order(r, s->last, index, unit, need) ? unit : way;
}

static void prefetch_step(struct dvmm_region *r, struct dvmm_stream *s, u64 index, u8 need,
			  u16 most)
{
	s8 way = prefetch_way(r, s, index, need);

	s->window = way == s->step ? clamp_t(u16, 2 * s->window, 2, most) : 0;
	s->step = way;
	s->written = prefetch_written(r, s->last) ? min(s->written + 1, PREFETCH_WRITTEN) : 0;
	s->last = index;
}

static struct prefetch_plan prefetch_advance(struct dvmm_region *r, u64 index, u8 need, u16 most)
{
	struct dvmm_streams *group = &r->streams[current->pid % DVMM_STREAMS];
	struct prefetch_plan plan = { .need = need };
	struct dvmm_stream *s;

	spin_lock(&group->lock);
	s = prefetch_find(group, index);
	s->turn = ++group->turn;
	if (index != s->last) {		/* not just the same page again */
		prefetch_step(r, s, index, need, most);
		plan.step = s->step;
		plan.window = s->window;
		if (s->written == PREFETCH_WRITTEN)
			plan.need = DVMM_PERM_WRITE;
	}
	spin_unlock(&group->lock);
	return plan;
}

bool dvmm_prefetch_has_data(struct dvmm_region *r, u64 index)
{
	return READ_ONCE(dvmm_region_page(r, index)->state) != 0 || !dvmm_homes_here(r, index);
}

bool dvmm_prefetch_page(struct dvmm_region *r, u64 index, u8 need)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);

	if (dvmm_page_perm(pg) >= need)
		return dvmm_page_ahead(pg);
	if (READ_ONCE(pg->priv) & ~DVMM_PRIV_BITS)
		return true;
	if (!dvmm_prefetch_has_data(r, index))
		return false;
	dvmm_page_set_guess(r, index, DVMM_PRIV_AHEAD);
	dvmm_dispatch_local(r, index, need == DVMM_PERM_WRITE ? DVMM_EV_STORE : DVMM_EV_LOAD);
	dvmm_stats_count(r->m, prefetches);
	return true;
}

static void prefetch_ask(struct dvmm_region *r, u64 index, struct prefetch_plan plan)
{
	struct dvmm_link *batch = NULL;
	unsigned int far = 0;

	if (!dvmm_homes_here(r, index))
		batch = dvmm_batch_open(r->m, dvmm_homes_of(r, index), DVMM_LANE_REQ);
	/* Below the first page there is a very large number. */
	for (index += plan.step; plan.window && index < r->npages; index += plan.step) {
		if (dvmm_page_overshot(dvmm_region_page(r, index)))
			break;
		plan.window -= dvmm_prefetch_page(r, index, plan.need);
		if (++far == PREFETCH_SCAN)
			break;
	}
	dvmm_batch_close(batch, DVMM_LANE_REQ);
}

void dvmm_prefetch(struct dvmm_region *r, u64 index, u8 need)
{
	unsigned int most = prefetch_most(r);
	struct prefetch_plan plan;

	if (!most)
		return;
	plan = prefetch_advance(r, index, need, most);
	if (plan.window)
		prefetch_ask(r, index, plan);
}

static void prefetch_ask_all(struct dvmm_region *r, u64 first, u64 end)
{
	struct dvmm_link *batch = NULL;

	if (!dvmm_homes_here(r, first))
		batch = dvmm_batch_open(r->m, dvmm_homes_of(r, first), DVMM_LANE_REQ);
	for (; first < end; first++)
		dvmm_prefetch_page(r, first, DVMM_PERM_READ);
	dvmm_batch_close(batch, DVMM_LANE_REQ);
}

static int prefetch_await_all(struct dvmm_region *r, u64 first, u64 end)
{
	static const struct dvmm_wait wait = { TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT };
	int ret = 0;

	for (; first < end && !ret; first++)
		if (dvmm_page_perm(dvmm_region_page(r, first)) == DVMM_PERM_NONE &&
		    dvmm_prefetch_has_data(r, first))
			ret = dvmm_region_acquire(r, first, DVMM_PERM_READ, &wait);
	return ret;
}

int dvmm_prefetch_range(struct dvmm_region *r, u64 first, u64 end)
{
	int ret = 0;
	u64 next;

	for (; first < end && !ret && !r->limit; first = next) {
		next = min(first + PREFETCH_RANGE, end);
		prefetch_ask_all(r, first, next);
		ret = prefetch_await_all(r, first, next);
		cond_resched();
	}
	return ret;
}
