// SPDX-License-Identifier: GPL-2.0
/* A member leaves a machine that goes on. */
#include <linux/delay.h>

#include <dvmm/channel.h>

#include "engine/set.h"
#include "leave.h"
#include "link/link.h"
#include "link/receive.h"
#include "machine/kvm.h"
#include "machine/machine.h"
#include "membership.h"
#include "memory/dispatch.h"
#include "memory/mover.h"
#include "memory/region.h"

#define APART_US	200	/* between looks at what others have to end */

/* ---- who leaves: may it? ---- */

static u64 leave_homed(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned long id;
	u64 n = 0;

	xa_for_each(&m->regions, id, r)
		n += dvmm_homes_count(r);
	return n;
}

static const char *leave_busy(struct dvmm_machine *m)
{
	if (dvmm_kvm_runs(m))
		return "vCPUs are placed on it: place them on other nodes first";
	if (dvmm_members_unsettled(m))
		return dvmm_members_unsettled(m);
	if (dvmm_mover_busy(m))
		return "the home of a chunk moves just now: try again";
	return leave_homed(m) ? "it is the home of memory: move that to other nodes first" : NULL;
}

static int leave_refuse(const struct dvmm_machine *m, const char *why)
{
	pr_info("dvmm: %pUb node %u cannot leave: %s\n", m->uuid, m->self, why);
	return -EBUSY;
}

static bool leave_all_know(struct dvmm_machine *m)
{
	u16 node;

	for (node = 0; node < m->nodes; node++)
		if (node != m->self && dvmm_members_has(m, node) &&
		    !dvmm_link_speaks(m, node, DVMM_FEATURE_MEMBERS))
			return false;
	return dvmm_set_exact(m->nodes);
}

static int leave_begin_locked(struct dvmm_machine *m)
{
	const char *why;

	lockdep_assert_held(&m->members.lock);
	if (dvmm_machine_stopped(m))
		return -EIO;
	why = leave_busy(m);
	if (why)
		return leave_refuse(m, why);
	if (!dvmm_machine_ready(m))
		return -ENOTCONN;
	if (!leave_all_know(m))
		return -EOPNOTSUPP;
	WRITE_ONCE(m->members.phase, DVMM_MEMBER_EMPTYING);
	return 0;
}

/* With the lock under which a VM is attached and a vCPU comes: neither does from then on. */
static int leave_begin(struct dvmm_machine *m)
{
	int ret;

	mutex_lock(&m->lock);
	mutex_lock(&m->members.lock);
	ret = leave_begin_locked(m);
	mutex_unlock(&m->members.lock);
	mutex_unlock(&m->lock);
	return ret;
}

/* ---- who leaves: nothing is to be here ---- */

static bool leave_flies(const struct dvmm_page *pg)
{
	return READ_ONCE(pg->priv) & ~DVMM_PRIV_BITS;
}

/* How many pages of a chunk are held or under way; those at rest are sent away. */
static unsigned int leave_empty_some(struct dvmm_region *r, u64 first)
{
	u64 index, end = min(first + DVMM_CHUNK_PAGES, r->npages);
	unsigned int n = 0;

	for (index = first; index < end; index++) {
		const struct dvmm_page *pg = dvmm_region_page(r, index);
		bool flies = leave_flies(pg);

		n += flies || dvmm_page_has_frame(pg);
		if (!flies && dvmm_page_has_frame(pg) &&
		    dvmm_link_is_calm(r->m, dvmm_homes_of(r, index)))
			dvmm_dispatch_local(r, index, DVMM_EV_EVICT);
	}
	return n;
}

static int leave_pause(struct dvmm_machine *m)
{
	usleep_range(APART_US, 2 * APART_US);
	if (dvmm_machine_stopped(m))
		return -EIO;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/*
 * A step that might ask for a page has looked whether this node leaves (dvmm_homes_enter()),
 * or has its flight where it is seen here: both happen under the chunk's lock.
 */
static int leave_empty_chunk(struct dvmm_region *r, u64 first)
{
	int ret = 0;

	dvmm_homes_lock(r, first);
	dvmm_homes_unlock(r, first);
	while (!ret && leave_empty_some(r, first))
		ret = leave_pause(r->m);
	return ret;
}

static int leave_empty(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned long id;
	int ret = 0;
	u64 first;

	xa_for_each(&m->regions, id, r)
		for (first = 0; !ret && first < r->npages; first += DVMM_CHUNK_PAGES)
			ret = leave_empty_chunk(r, first);
	return ret;
}

static bool leave_parked(const struct dvmm_machine *m, u16 node)
{
	return atomic_read(&m->peers[node].parked) || atomic_read(&m->peers[node].served);
}

/* What came before the last LEAVE_OK is done: INVs of pages that had been given back. */
static int leave_quiet(struct dvmm_machine *m)
{
	int ret = 0;
	u16 node;

	for (node = 0; node < m->nodes; node++)
		while (!ret && leave_parked(m, node))
			ret = leave_pause(m);
	return ret;
}

/* ---- who leaves: telling the others ---- */

static int leave_await(struct dvmm_machine *m)
{
	if (wait_event_killable(m->wait, !READ_ONCE(m->members.due) || dvmm_machine_stopped(m)))
		return -EINTR;
	return dvmm_machine_stopped(m) ? -EIO : 0;
}

static void leave_part(struct dvmm_machine *m)
{
	mutex_lock(&m->members.lock);
	WRITE_ONCE(m->members.phase, DVMM_MEMBER_PARTING);
	dvmm_membership_send_due(m, DVMM_WIRE_LEAVE, 0);
	mutex_unlock(&m->members.lock);
}

static void leave_go(struct dvmm_machine *m)
{
	struct dvmm_frame f = {
		.kind = DVMM_WIRE_MEMBER,
		.epoch = m->epoch,
		.msg = { .type = DVMM_WIRE_GONE },
	};
	u16 node;

	mutex_lock(&m->members.lock);
	WRITE_ONCE(m->members.phase, DVMM_MEMBER_GONE);
	for (node = 0; node < m->nodes; node++) {
		if (node == m->self || !dvmm_members_has(m, node))
			continue;
		/* Answered by BYE. */
		m->members.due |= BIT_ULL(node);
		for (f.index = 0; f.index < DVMM_LANES; f.index++)
			dvmm_link_send(m, node, &f, NULL);
	}
	mutex_unlock(&m->members.lock);
}

int dvmm_leave(struct dvmm_machine *m)
{
	int ret = leave_begin(m) ?: leave_empty(m);

	if (ret)
		return ret;
	leave_part(m);
	ret = leave_await(m) ?: leave_quiet(m);
	if (ret)
		return ret;
	leave_go(m);
	ret = leave_await(m);
	if (!ret)
		dvmm_machine_fail(m, "node %u has left", m->self);
	return ret;
}

const char *dvmm_leave_answered(struct dvmm_machine *m, u16 node)
{
	if (m->members.phase != DVMM_MEMBER_PARTING || !(m->members.due >> node & 1))
		return "LEAVE_OK of a node that was not asked";
	if (dvmm_members_answer(m, node))
		wake_up_all(&m->wait);
	return NULL;
}

/* ---- the others ---- */

const char *dvmm_leave_asked(struct dvmm_machine *m, u16 node)
{
	struct dvmm_members *s = &m->members;

	if (!dvmm_members_has(m, node))
		return "LEAVE of a node that is no member";
	if (!dvmm_set_exact(m->nodes))
		return "LEAVE in a machine that nobody can leave";
	if (test_bit(node, s->leaving) || s->asks_out >> node & 1)
		return "LEAVE twice";
	s->asks_out |= BIT_ULL(node);
	dvmm_members_settle(m);
	return NULL;
}

const char *dvmm_leave_gone(struct dvmm_machine *m, u16 node, unsigned int lane)
{
	u8 *gone = &m->peers[node].gone;

	if (!dvmm_members_has(m, node))
		return "GONE of a node that is no member";
	/* One that leaves as well, and had let this one go, has not asked it. */
	if (!test_bit(node, m->members.leaving) && m->members.phase < DVMM_MEMBER_PARTING)
		return "GONE of a node that was not let go";
	if (*gone & BIT(lane))
		return "GONE twice";
	*gone |= BIT(lane);
	dvmm_members_settle(m);
	return NULL;
}

/* Of a page at rest that is homed here. */
static const char *leave_page_kept(struct dvmm_region *r, u64 index, u16 node)
{
	const struct dvmm_page *pg = dvmm_region_page(r, index);
	const struct dvmm_dir *dir = dvmm_homes_dir(r, index);

	if (pg->state == DVMM_ST_H_R && pg->peer == node)
		return "it leaves with a page that it owns";
	if (pg->state == DVMM_ST_H_S && dir->sharers & dvmm_set_bit(node, r->m->nodes))
		return "it leaves with a page that it shares";
	return NULL;
}

/* Of a page that is under way nobody can tell: all that the node asked for has ended. */
static const char *leave_chunk_kept(struct dvmm_region *r, u64 first, u16 node)
{
	u64 index, end = min(first + DVMM_CHUNK_PAGES, r->npages);
	const char *why = NULL;

	if (dvmm_homes_of(r, first) == node)
		return "it leaves as the home of memory";
	if (!dvmm_homes_here(r, first))
		return NULL;
	for (index = first; !why && index < end; index++) {
		struct dvmm_bucket *b = dvmm_region_bucket(r, index);

		spin_lock(&b->lock);
		if (!leave_flies(dvmm_region_page(r, index)))
			why = leave_page_kept(r, index, node);
		spin_unlock(&b->lock);
	}
	cond_resched();
	return why;
}

static const char *leave_kept(struct dvmm_machine *m, u16 node)
{
	const char *why = NULL;
	struct dvmm_region *r;
	unsigned long id;
	u64 first;

	xa_for_each(&m->regions, id, r)
		for (first = 0; !why && first < r->npages; first += DVMM_CHUNK_PAGES)
			why = leave_chunk_kept(r, first, node);
	return why;
}

static void leave_let_go(struct dvmm_machine *m, u16 node)
{
	struct dvmm_members *s = &m->members;
	const char *why = leave_kept(m, node);

	s->asks_out &= ~BIT_ULL(node);
	if (why) {
		dvmm_link_fence(m, node, why);
		return;
	}
	set_bit(node, s->leaving);
	dvmm_membership_send(m, node, DVMM_WIRE_LEAVE_OK, 0);
}

static void leave_forget(struct dvmm_machine *m, u16 node)
{
	char reason[32];

	dvmm_members_drop(m, node);
	snprintf(reason, sizeof(reason), "node %u has left", node);
	dvmm_link_say_bye(m, node, reason);
}

static bool leave_settle_one(struct dvmm_machine *m, u16 node)
{
	const struct dvmm_members *s = &m->members;
	bool asks = s->asks_out >> node & 1;

	if (!asks && m->peers[node].gone != BIT(DVMM_LANES) - 1)
		return false;
	if (leave_parked(m, node))
		return true;
	if (!asks) {
		leave_forget(m, node);
		return false;
	}
	if (s->joining >= 0 || dvmm_members_joins(m) || dvmm_mover_busy(m))
		return true;
	leave_let_go(m, node);
	return false;
}

bool dvmm_leave_settle(struct dvmm_machine *m)
{
	bool again = false;
	u16 node;

	for (node = 0; node < m->nodes && dvmm_set_exact(m->nodes); node++)
		again |= leave_settle_one(m, node);
	return again;
}
