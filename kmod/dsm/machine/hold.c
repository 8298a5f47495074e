// SPDX-License-Identifier: GPL-2.0
/* How long a granted page is kept. */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>

#include "engine/engine.h"
#include "hold.h"

#define WINDOW_NS	(2 * NSEC_PER_SEC)

static u64 hold_faster(u64 a, u64 b)
{
	return !a ? b : !b ? a : min(a, b);
}

void dvmm_hold_learn(struct dvmm_hold *h, u64 now, u64 ns)
{
	if (now - READ_ONCE(h->since) > WINDOW_NS) {
		WRITE_ONCE(h->since, now);
		WRITE_ONCE(h->last, READ_ONCE(h->best));
		WRITE_ONCE(h->best, 0);
	}
	WRITE_ONCE(h->best, hold_faster(READ_ONCE(h->best), ns));
}

u32 dvmm_hold_us(const struct dvmm_hold *h, u32 floor_us, u8 perm)
{
	u32 halves = perm == DVMM_PERM_WRITE ? DVMM_HOLD_WRITE : DVMM_HOLD_READ;
	u64 fetch = hold_faster(READ_ONCE(h->best), READ_ONCE(h->last));

	if (!floor_us)
		return 0;
	return max_t(u64, floor_us,
		     min_t(u64, div_u64(fetch * halves, 2 * NSEC_PER_USEC),
			   DVMM_HOLD_MAX_US));
}
