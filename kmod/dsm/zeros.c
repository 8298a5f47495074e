// SPDX-License-Identifier: GPL-2.0
/* Blocks of untouched pages. */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "batch.h"
#include "dispatch.h"
#include "region.h"
#include "stats.h"
#include "zeros.h"

#define ZEROS_MIN	8
#define ZEROS_MAX	64

static unsigned int zeros = ZEROS_MAX;
module_param(zeros, uint, 0644);
MODULE_PARM_DESC(zeros, "untouched pages of another node to ask for at once, at most (64; 0 to 64)");

void dvmm_zeros_init(struct dvmm_region *r)
{
	int i;

	for (i = 0; i < DVMM_STREAMS; i++)
		spin_lock_init(&r->zeros[i].lock);
}

static bool zeros_near(const struct dvmm_zeros *z, u64 index)
{
	return z->window && index + z->window >= z->first && index < z->first + 2 * z->window;
}

/* The block that @index is in; @window: its length. */
static u64 zeros_block(struct dvmm_zeros *z, u64 index, u32 most, u32 *window)
{
	u64 first;

	spin_lock(&z->lock);
	z->window = zeros_near(z, index) ? 2 * z->window : ZEROS_MIN;
	z->window = min(z->window, most);
	z->first = round_down(index, z->window);
	*window = z->window;
	first = z->first;
	spin_unlock(&z->lock);
	return first;
}

/* Nothing is held and nothing under way. */
static bool zeros_wanted(struct dvmm_region *r, u64 index)
{
	return index < r->npages && !READ_ONCE(dvmm_region_page(r, index)->priv);
}

void dvmm_zeros_ask(struct dvmm_region *r, u64 index)
{
	u32 most = min(READ_ONCE(zeros), ZEROS_MAX), window;
	struct dvmm_link *batch;
	u64 first, i;

	if (most < 2 || r->limit)
		return;
	batch = dvmm_batch_open(r->m, r->home, DVMM_LANE_REQ);
	if (!batch)
		return;
	first = zeros_block(&r->zeros[current->pid % DVMM_STREAMS], index,
			    rounddown_pow_of_two(most), &window);
	for (i = first; i < first + window; i++)
		if (zeros_wanted(r, i)) {
			dvmm_dispatch_local(r, i, DVMM_EV_TOUCH);
			dvmm_stats_count(r->m, zeros_asked);
		}
	dvmm_batch_close(batch, DVMM_LANE_REQ);
}
