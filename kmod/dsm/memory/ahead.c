// SPDX-License-Identifier: GPL-2.0
/* Blocks of pages that nobody has asked for yet. */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "ahead.h"
#include "dispatch.h"
#include "link/batch.h"
#include "link/link.h"
#include "machine/stats.h"
#include "region.h"

#define AHEAD_MIN	8
#define AHEAD_MAX	64

/*
 * A copy that is asked for costs a credit, one that is used earns some, and so does each
 * read that had to ask: where guesses are wrong, a block is asked for once in a while.
 */
#define AHEAD_CREDIT_USED	4
#define AHEAD_CREDIT_MAX	256

static unsigned int zeros = AHEAD_MAX;
module_param(zeros, uint, 0644);
MODULE_PARM_DESC(zeros, "untouched pages of another node to ask for at once, at most (64; 0 to 64)");

static unsigned int copies;
module_param(copies, uint, 0644);
MODULE_PARM_DESC(copies, "pages of another node to read at once, at most (0; 0 to 64)");

/**
 * struct ahead_kind - what is asked for
 * @event: the engine's word for it
 * @most: the parameter
 * @feature: without which a peer does not know it
 * @alone: length of the block where nothing near was asked for before
 */
struct ahead_kind {
	u8 event;
	const unsigned int *most;
	u64 feature;
	u32 alone;
};

static const struct ahead_kind ahead_kinds[DVMM_AHEAD_KINDS] = {
	[DVMM_AHEAD_ZEROS] = { DVMM_EV_TOUCH, &zeros, DVMM_FEATURE_BLOCKS, AHEAD_MIN },
	[DVMM_AHEAD_COPIES] = { DVMM_EV_COPY, &copies, DVMM_FEATURE_COPIES, 1 },
};

void dvmm_ahead_init(struct dvmm_region *r)
{
	int kind, i;

	for (kind = 0; kind < DVMM_AHEAD_KINDS; kind++)
		for (i = 0; i < DVMM_STREAMS; i++)
			spin_lock_init(&r->ahead[kind][i].lock);
	atomic_set(&r->credit, AHEAD_MIN);
}

static void ahead_earn(struct dvmm_region *r, int n)
{
	if (atomic_read(&r->credit) < AHEAD_CREDIT_MAX)
		atomic_add(n, &r->credit);
}

/* In the last block, or in one of its size at either side. */
static bool ahead_near(const struct dvmm_ahead *a, u64 index)
{
	u32 reach = max_t(u32, a->window, AHEAD_MIN);

	return a->window && index + reach >= a->first && index < a->first + 2 * reach;
}

/* The block that @index is in; its length, or 0 for just the same page again. */
static u32 ahead_block(struct dvmm_ahead *a, u64 index, u32 alone, u32 most, u64 *first)
{
	u32 window = 0;

	spin_lock(&a->lock);
	if (!a->window || index != a->last) {
		window = ahead_near(a, index) ? max_t(u32, 2 * a->window, AHEAD_MIN) : alone;
		window = min(window, most);
		a->window = window;
		a->first = round_down(index, window);
		a->last = index;
	}
	*first = a->first;
	spin_unlock(&a->lock);
	return window;
}

/* Nothing is held and nothing under way. */
static bool ahead_wanted(struct dvmm_region *r, u64 index)
{
	return index < r->npages && !READ_ONCE(dvmm_region_page(r, index)->priv);
}

static void ahead_count(struct dvmm_region *r, u8 event)
{
	if (event == DVMM_EV_TOUCH) {
		dvmm_stats_count(r->m, zeros_asked);
	} else {
		dvmm_stats_count(r->m, copies_asked);
		atomic_dec(&r->credit);
	}
}

static void ahead_ask_each(struct dvmm_region *r, const struct ahead_kind *k, u64 first, u32 window)
{
	u64 i;

	for (i = first; i < first + window; i++) {
		if (!ahead_wanted(r, i))
			continue;
		dvmm_dispatch_local(r, i, k->event);
		ahead_count(r, k->event);
	}
}

static void ahead_ask_block(struct dvmm_region *r, u64 index, enum dvmm_ahead_kind kind)
{
	struct dvmm_ahead *a = &r->ahead[kind][current->pid % DVMM_STREAMS];
	const struct ahead_kind *k = &ahead_kinds[kind];
	u32 most = min(READ_ONCE(*k->most), AHEAD_MAX), window;
	struct dvmm_link *batch;
	u64 first;

	if (most < 2)
		return;
	window = ahead_block(a, index, k->alone, rounddown_pow_of_two(most), &first);
	if (window < 2)
		return;
	batch = dvmm_batch_open(r->m, dvmm_homes_of(r, first), DVMM_LANE_REQ);
	if (batch && batch->terms.features & k->feature)
		ahead_ask_each(r, k, first, window);
	dvmm_batch_close(batch, DVMM_LANE_REQ);
}

void dvmm_ahead_zeros(struct dvmm_region *r, u64 index)
{
	if (!r->limit)
		ahead_ask_block(r, index, DVMM_AHEAD_ZEROS);
}

void dvmm_ahead_copies(struct dvmm_region *r, u64 index)
{
	if (r->limit || dvmm_homes_here(r, index))
		return;
	ahead_earn(r, 1);
	if (atomic_read(&r->credit) >= AHEAD_MIN)
		ahead_ask_block(r, index, DVMM_AHEAD_COPIES);
}

void dvmm_ahead_got(struct dvmm_region *r, u64 index)
{
	dvmm_page_set_guess(r, index, DVMM_PRIV_AHEAD);
	dvmm_stats_count(r->m, copies_got);
}

bool dvmm_ahead_used(struct dvmm_region *r, u64 index)
{
	const struct dvmm_page *pg = dvmm_region_page(r, index);
	bool ahead = dvmm_page_ahead(pg);

	if (ahead || dvmm_page_overshot(pg))
		dvmm_page_set_guess(r, index, 0);
	if (!ahead)
		return false;
	dvmm_stats_count(r->m, copies_used);
	ahead_earn(r, AHEAD_CREDIT_USED);
	return true;
}

void dvmm_ahead_lost(struct dvmm_region *r, u64 index)
{
	if (!dvmm_page_ahead(dvmm_region_page(r, index)))
		return;
	dvmm_page_set_guess(r, index, DVMM_PRIV_OVERSHOT);
	dvmm_stats_count(r->m, copies_lost);
}
