// SPDX-License-Identifier: GPL-2.0
/* Hold time, migratory sharing, and what a page was used for before. */
#include "policy.h"
#include "set.h"

#define QUIET_HOLDS	256	/* until what was written after reads is thought to be left alone */

static u32 policy_age(const struct dvmm_step *s)
{
	return s->ctx->now - s->pg->stamp;
}

/* How long the page is still to be kept. */
static u32 policy_hold_left(const struct dvmm_step *s)
{
	u32 hold = s->ctx->policy->hold_us;

	return s->pg->flags & DVMM_PAGE_HELD && policy_age(s) < hold ? hold - policy_age(s) : 0;
}

static bool policy_written_of_late(const struct dvmm_step *s)
{
	return s->pg->flags & (DVMM_PAGE_WRITES | DVMM_PAGE_MIGRATORY) &&
	       policy_age(s) < (u64)s->ctx->policy->hold_us * QUIET_HOLDS;
}

bool dvmm_spares(const struct dvmm_step *s)
{
	return !policy_hold_left(s) && !policy_written_of_late(s);
}

bool dvmm_held(struct dvmm_step *s)
{
	u32 left = policy_hold_left(s);

	if (!left) {
		s->pg->flags &= ~DVMM_PAGE_HELD;
		return false;
	}
	dvmm_emit_defer(s);
	/*
	 * One timer at a time: an older one that is still on its way ends the
	 * hold early, which costs a little time and nothing else.
	 */
	if (!(s->pg->flags & DVMM_PAGE_ARMED)) {
		dvmm_emit(s, DVMM_ACT_TIMER)->delay_us = left;
		s->pg->flags |= DVMM_PAGE_ARMED;
	}
	return true;
}

/*
 * Migratory sharing is read, then written, by one node after the other.  It is
 * seen when a sharer upgrades a page whose only other copies are those of the
 * last writer (Cox and Fowler, ISCA 1993).  What a node did with an exclusive
 * grant is not reported, so after a few of them one read is granted shared and
 * the pattern has to show itself again.
 */
void dvmm_migratory_write(struct dvmm_step *s, u16 writer)
{
	const struct dvmm_ctx *ctx = s->ctx;
	u16 last = s->pg->peer;
	u64 others;

	if (!ctx->policy->migratory || !dvmm_set_exact(ctx->nodes))
		return;
	others = ctx->dir->sharers;
	if (writer != ctx->self)
		others &= ~dvmm_set_bit(writer, ctx->nodes);
	if (last != ctx->self)
		others &= ~dvmm_set_bit(last, ctx->nodes);
	if (writer != last && !others)
		s->pg->flags |= DVMM_PAGE_MIGRATORY;
	else
		s->pg->flags &= ~DVMM_PAGE_MIGRATORY;
}

bool dvmm_migratory_read(struct dvmm_step *s)
{
	if (!s->ctx->policy->migratory || !(s->pg->flags & DVMM_PAGE_MIGRATORY))
		return false;
	s->pg->flags -= DVMM_PAGE_MIGRATORY_ONE;
	return true;
}

/*
 * What was read and then written is asked for with the right to write the next time:
 * one request and not two.  A guess that was wrong shows when the right is taken
 * away unused, and is not made again before the next upgrade.
 */
void dvmm_history_upgrade(struct dvmm_step *s)
{
	if (s->ctx->policy->history)
		s->pg->flags |= DVMM_PAGE_WRITES;
}

void dvmm_history_taken(struct dvmm_step *s)
{
	if (!s->ctx->wrote)
		s->pg->flags &= ~DVMM_PAGE_WRITES;
}

bool dvmm_history_expects(const struct dvmm_step *s)
{
	return s->ctx->policy->history && s->pg->flags & DVMM_PAGE_WRITES;
}
