// SPDX-License-Identifier: GPL-2.0
/* Moving the home of a chunk. */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "dispatch.h"
#include "link/link.h"
#include "mover.h"
#include "region.h"

#define WAIT_SECONDS	5
#define APART_US	20	/* between looks at a page that is not at rest */
#define TRY_AGAIN	1	/* id of UNABLE: not for want of memory */

static u64 mover_first(u64 index)
{
	return round_down(index, DVMM_CHUNK_PAGES);
}

static void mover_act(struct dvmm_region *r, u64 index, const struct dvmm_actions *acts)
{
	unsigned int i;

	lockdep_assert_held(&r->m->members.lock);
	for (i = 0; i < acts->count; i++)
		dvmm_dispatch_act(r, index, &acts->act[i]);
}

void dvmm_mover_send(struct dvmm_region *r, u64 index, const struct dvmm_actions *acts)
{
	mutex_lock(&r->m->members.lock);
	mover_act(r, index, acts);
	mutex_unlock(&r->m->members.lock);
}

/* ---- handing over ---- */

/* By the one who saw it end. */
static void mover_end(struct dvmm_machine *m, const char *unable, bool again)
{
	struct dvmm_mover *mv = m->mover;

	lockdep_assert_held(&m->members.lock);
	mv->unable = unable;
	mv->again = again;
	WRITE_ONCE(mv->r, NULL);
	wake_up_all(&m->wait);
}

/* The chunk may be on its way back already. */
static bool mover_is_gone(struct dvmm_region *r, u64 index)
{
	const struct dvmm_chunk *c = dvmm_homes_lock(r, index);
	bool gone = c->phase == DVMM_CHUNK_SETTLED && c->home != r->m->self;

	dvmm_homes_unlock(r, index);
	return gone;
}

static void mover_given(struct dvmm_machine *m)
{
	struct dvmm_mover *mv = m->mover;

	mutex_lock(&m->members.lock);
	if (mover_is_gone(mv->r, mv->first))
		dvmm_homes_drop_room(mv->r, mv->first);
	mover_end(m, NULL, false);
	mutex_unlock(&m->members.lock);
}

/* Which page is next; false: that was the last one. */
static bool mover_next(struct dvmm_mover *mv, u64 *index)
{
	const struct dvmm_chunk *c = dvmm_homes_lock(mv->r, mv->first);
	bool more = c->phase == DVMM_CHUNK_GIVING;

	*index = mv->first + c->next;
	dvmm_homes_unlock(mv->r, mv->first);
	return more;
}

static void mover_work(struct work_struct *work)
{
	struct dvmm_mover *mv = container_of(work, struct dvmm_mover, give);
	u64 index;

	while (mover_next(mv, &index)) {
		if (dvmm_machine_stopped(mv->m))
			return;
		if (!dvmm_dispatch_give(mv->r, index))
			usleep_range(APART_US, 2 * APART_US);
		cond_resched();
	}
	mover_given(mv->m);
}

/* ---- messages ---- */

static bool mover_moves(const struct dvmm_mover *mv, const struct dvmm_region *r, u64 index)
{
	return mv->r == r && mv->first == mover_first(index);
}

/* Return: where pages that are homed here since end; @first is where they begin. */
static u64 mover_decide(struct dvmm_region *r, u64 index, const struct dvmm_msg *msg, bool able,
			struct dvmm_actions *acts, u64 *first)
{
	struct dvmm_mover *mv = r->m->mover;
	struct dvmm_chunk *c = dvmm_homes_lock(r, index);
	u8 was = c->phase;
	u64 end;

	*first = mover_first(index) + c->next;
	dvmm_rehome_message(c, mover_moves(mv, r, index) ? &mv->move : NULL, r->m->self,
			    r->m->nodes, msg, able, acts);
	mv->coming += (c->phase == DVMM_CHUNK_COMING) - (was == DVMM_CHUNK_COMING);
	end = msg->type == DVMM_MSG_REST ? mover_first(index) + c->pages : 0;
	if (c->phase == DVMM_CHUNK_GIVING && !acts->count)
		queue_work(r->m->wq, &mv->give);
	dvmm_homes_unlock(r, index);
	return end;
}

/* PREP: does its sender know the same members?  One that tells of none knows of no other. */
static bool mover_agrees(struct dvmm_machine *m, const struct dvmm_msg *msg)
{
	return !dvmm_members_unsettled(m) &&
	       (!dvmm_link_speaks(m, msg->src, DVMM_FEATURE_MEMBERS) ||
		msg->id == dvmm_members_view(m));
}

static void mover_try_again(struct dvmm_actions *acts)
{
	if (acts->count && acts->act[0].msg.type == DVMM_MSG_UNABLE)
		acts->act[0].msg.id = TRY_AGAIN;
}

static void mover_refused(struct dvmm_machine *m, const struct dvmm_msg *msg)
{
	if (msg->id == TRY_AGAIN)
		mover_end(m, "a node joins or leaves just now: try again", true);
	else
		mover_end(m, "the new home has no room for it", false);
}

static void mover_chunk(struct dvmm_region *r, u64 index, const struct dvmm_msg *msg)
{
	struct dvmm_actions acts;
	u64 first, end;
	bool able, prep = msg->type == DVMM_MSG_PREP, agrees;

	mutex_lock(&r->m->members.lock);
	agrees = prep && mover_agrees(r->m, msg);
	able = agrees && dvmm_homes_make_room(r, index);
	end = mover_decide(r, index, msg, able, &acts, &first);
	if (prep && !agrees)
		mover_try_again(&acts);
	mover_act(r, index, &acts);
	if (msg->type == DVMM_MSG_UNABLE && !acts.count)
		mover_refused(r->m, msg);
	mutex_unlock(&r->m->members.lock);
	dvmm_dispatch_open(r, first, end);
}

void dvmm_mover_message(struct dvmm_region *r, u64 index, const struct dvmm_msg *msg,
			struct page *page)
{
	if (msg->type == DVMM_MSG_TAKE)
		dvmm_dispatch_take(r, index, msg, page);
	else
		mover_chunk(r, index, msg);
}

/* ---- asking for a move ---- */

static int mover_check(struct dvmm_machine *m, const char **why)
{
	u16 node;

	*why = "the machine has stopped";
	if (dvmm_machine_stopped(m))
		return -EIO;
	*why = "not all nodes are linked";
	if (!dvmm_machine_ready(m))
		return -ENOTCONN;
	*why = "a node's dvmm cannot move homes: install the same on all";
	for (node = 0; node < m->nodes; node++)
		if (node != m->self && dvmm_members_has(m, node) &&
		    !dvmm_link_speaks(m, node, DVMM_FEATURE_HOMES))
			return -EOPNOTSUPP;
	return 0;
}

static int mover_start(struct dvmm_region *r, u64 index, u16 to, const char **why)
{
	struct dvmm_mover *mv = r->m->mover;
	struct dvmm_actions acts;

	*why = mv->r ? "another chunk is being moved from here" : dvmm_members_unsettled(r->m);
	if (*why)
		return -EBUSY;
	if (to < r->m->nodes && !dvmm_members_stays(r->m, to)) {
		*why = "the new home is no member of the machine";
		return -EINVAL;
	}
	*why = dvmm_rehome_start(dvmm_homes_lock(r, index), &mv->move, r->m->self, r->m->nodes,
				 to, &acts);
	dvmm_homes_unlock(r, index);
	if (*why)
		return -EINVAL;
	/* Nobody is dropped before it has acknowledged: its loss is the machine's end. */
	mv->move.others = dvmm_members_use_others(r->m);
	acts.act[0].msg.id = dvmm_members_view(r->m);
	mv->first = mover_first(index);
	mv->told = 0;
	WRITE_ONCE(mv->r, r);
	mover_act(r, index, &acts);
	return 0;
}

static int mover_outcome(struct dvmm_machine *m, const char **why)
{
	struct dvmm_mover *mv = m->mover;
	int ret;

	mutex_lock(&m->members.lock);
	*why = mv->unable;
	ret = mv->unable ? mv->again ? -EBUSY : -ENOMEM : 0;
	mutex_unlock(&m->members.lock);
	return ret;
}

static int mover_await(struct dvmm_machine *m, const char **why)
{
	long left = wait_event_killable_timeout(m->wait, !READ_ONCE(m->mover->r) ||
						dvmm_machine_stopped(m), WAIT_SECONDS * HZ);

	*why = "the machine has stopped";
	if (READ_ONCE(m->mover->r) && dvmm_machine_stopped(m))
		return -EIO;
	*why = "it has not ended yet, and goes on";
	if (left <= 0)
		return left ? -EINTR : -ETIMEDOUT;
	return mover_outcome(m, why);
}

static int mover_move(struct dvmm_region *r, u64 index, u16 to, const char **why)
{
	int ret = mover_check(r->m, why);

	if (ret)
		return ret;
	mutex_lock(&r->m->members.lock);
	ret = mover_start(r, index, to, why);
	mutex_unlock(&r->m->members.lock);
	return ret ?: mover_await(r->m, why);
}

static struct dvmm_region *mover_region(struct dvmm_machine *m, u16 id)
{
	struct dvmm_region *r;

	mutex_lock(&m->lock);
	r = dvmm_region_get(m, id);
	mutex_unlock(&m->lock);
	return r;
}

int dvmm_mover_run(struct dvmm_machine *m, u16 region, u64 index, u16 to, unsigned int *told,
		   const char **why)
{
	struct dvmm_region *r = mover_region(m, region);
	int ret = -EBUSY;

	*why = r ? "the region has no such page" : "there is no such region";
	if (!r)
		return -ENOENT;
	if (index >= r->npages) {
		ret = -EINVAL;
	} else if (!mutex_trylock(&m->mover->user)) {
		*why = "another chunk is being moved from here";
	} else {
		ret = mover_move(r, index, to, why);
		*told = m->mover->told;
		mutex_unlock(&m->mover->user);
	}
	dvmm_region_put(r);
	return ret;
}

bool dvmm_mover_busy(const struct dvmm_machine *m)
{
	lockdep_assert_held(&m->members.lock);
	return m->mover->r || m->mover->coming;
}

int dvmm_mover_init(struct dvmm_machine *m)
{
	struct dvmm_mover *mv = kzalloc(sizeof(*mv), GFP_KERNEL);

	if (!mv)
		return -ENOMEM;
	mv->m = m;
	mutex_init(&mv->user);
	INIT_WORK(&mv->give, mover_work);
	m->mover = mv;
	return 0;
}
