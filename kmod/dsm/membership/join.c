// SPDX-License-Identifier: GPL-2.0
/* A node becomes a member of a machine that runs. */
#include <dvmm/channel.h>

#include "join.h"
#include "link/link.h"
#include "link/receive.h"
#include "machine/machine.h"
#include "membership.h"
#include "memory/mover.h"
#include "memory/region.h"

#define JOIN_SECONDS	10

/* ---- who joins ---- */

static void join_to(struct dvmm_machine *m, enum dvmm_member_phase phase)
{
	WRITE_ONCE(m->members.phase, phase);
}

void dvmm_join_ask(struct dvmm_machine *m)
{
	join_to(m, DVMM_MEMBER_ASKING);
	dvmm_membership_send_due(m, DVMM_WIRE_JOIN, dvmm_members_view(m) & ~BIT_ULL(m->self));
}

static bool join_is_due(const struct dvmm_machine *m, u16 node, enum dvmm_member_phase phase)
{
	return m->members.phase == phase && m->members.due >> node & 1;
}

static const char *join_take(struct dvmm_region *r, u64 first, u64 n, u16 node)
{
	u64 index;

	if (first % DVMM_CHUNK_PAGES || !n || first >= r->npages || n > r->npages - first)
		return "HOMES beyond its region";
	for (index = first; index < first + n; index += DVMM_CHUNK_PAGES) {
		struct dvmm_chunk *c = dvmm_homes_lock(r, index);

		dvmm_chunk_init(c, node, c->pages);
		dvmm_homes_unlock(r, index);
	}
	return NULL;
}

const char *dvmm_join_homes(struct dvmm_machine *m, u16 node, const struct dvmm_frame *f)
{
	struct dvmm_region *r;
	const char *why;

	if (!join_is_due(m, node, DVMM_MEMBER_ASKING))
		return "HOMES of a node that was not asked";
	r = dvmm_region_get(m, f->index);
	if (!r)
		return "HOMES of an unknown region";
	why = join_take(r, f->page, f->msg.id, node);
	dvmm_region_put(r);
	return why;
}

/* A chunk whose home nobody has told of is at the region's first one, if that is there. */
static bool join_all_homed(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned long id;
	u64 index;

	/* Regions stay as they are from the first link to the last. */
	xa_for_each(&m->regions, id, r)
		for (index = 0; index < r->npages; index += DVMM_CHUNK_PAGES) {
			u16 home = dvmm_homes_of(r, index);

			if (home == m->self || !dvmm_members_has(m, home))
				return false;
		}
	return true;
}

static void join_enter(struct dvmm_machine *m)
{
	if (!join_all_homed(m)) {
		dvmm_machine_fail(m, "node %u cannot join: some memory has no home", m->self);
		return;
	}
	join_to(m, DVMM_MEMBER_ENTERING);
	dvmm_membership_send_due(m, DVMM_WIRE_JOINED, 0);
}

static void join_in(struct dvmm_machine *m)
{
	join_to(m, DVMM_MEMBER_IN);
	dvmm_members_update(m);
	dvmm_machine_event(m, DVMM_EVENT_JOINED, m->self, NULL);
	dvmm_machine_notice(m, DVMM_NOTICE_READY, m->self, NULL);
}

const char *dvmm_join_answered(struct dvmm_machine *m, u16 node, u8 type)
{
	bool entering = type == DVMM_WIRE_WELCOME;

	if (!join_is_due(m, node, entering ? DVMM_MEMBER_ENTERING : DVMM_MEMBER_ASKING))
		return entering ? "WELCOME of a node that was not asked" :
				  "JOIN_OK of a node that was not asked";
	if (!dvmm_members_answer(m, node))
		return NULL;
	if (entering)
		join_in(m);
	else
		join_enter(m);
	return NULL;
}

/* ---- members ---- */

static const char *join_refusal(const struct dvmm_machine *m, u64 view)
{
	const struct dvmm_members *s = &m->members;

	if (s->phase != DVMM_MEMBER_IN || s->joining >= 0 || s->asks_in >= 0 || s->asks_out ||
	    !bitmap_empty(s->leaving, m->nodes))
		return "another node joins or leaves just now: try again";
	if (view != dvmm_members_view(m))
		return "its idea of who belongs to the machine differs from ours";
	return NULL;
}

const char *dvmm_join_asked(struct dvmm_link *l, u64 view)
{
	struct dvmm_machine *m = l->m;
	const char *why;

	if (dvmm_members_has(m, l->peer))
		return "JOIN of a member";
	if (m->members.joining == l->peer || m->members.asks_in == l->peer)
		return "JOIN twice";
	/* Whoever does not read why would have each answer kept for it. */
	if (l->why[0])
		return "JOIN after a refusal";
	why = join_refusal(m, view);
	if (why) {
		/* It takes the link down when it has read this. */
		dvmm_link_fail(l, "node %u does not let node %u join: %s", m->self, l->peer, why);
		dvmm_receive_bye_send(l, dvmm_link_reason(l));
		return NULL;
	}
	m->members.asks_in = l->peer;
	dvmm_members_settle(m);
	return NULL;
}

/* How many pages from @first on, chunk by chunk, came here from where the region was made. */
static u64 join_run(struct dvmm_region *r, u64 first)
{
	u64 end = first;

	while (end < r->npages && dvmm_homes_of(r, end) == r->m->self)
		end = min(end + DVMM_CHUNK_PAGES, r->npages);
	return end - first;
}

static void join_tell_region(struct dvmm_region *r, u16 node)
{
	struct dvmm_frame f = {
		.kind = DVMM_WIRE_MEMBER,
		.index = r->id,
		.epoch = r->m->epoch,
		.msg = { .type = DVMM_WIRE_HOMES },
	};

	if (dvmm_region_is_home(r))
		return;
	for (; f.page < r->npages; f.page += f.msg.id ?: DVMM_CHUNK_PAGES) {
		f.msg.id = join_run(r, f.page);
		if (f.msg.id)
			dvmm_link_send(r->m, node, &f, NULL);
	}
}

bool dvmm_join_settle(struct dvmm_machine *m)
{
	struct dvmm_members *s = &m->members;
	struct dvmm_region *r;
	unsigned long id;

	if (s->asks_in < 0)
		return false;
	if (dvmm_mover_busy(m))
		return true;
	s->joining = s->asks_in;
	s->asks_in = -1;
	xa_for_each(&m->regions, id, r)
		join_tell_region(r, s->joining);
	dvmm_membership_send(m, s->joining, DVMM_WIRE_JOIN_OK, 0);
	s->joined_by = jiffies + JOIN_SECONDS * HZ;
	mod_delayed_work(m->wq, &s->overdue, JOIN_SECONDS * HZ);
	return false;
}

static int join_late(struct dvmm_machine *m)
{
	int node = -1;

	mutex_lock(&m->members.lock);
	if (time_after_eq(jiffies, m->members.joined_by))
		node = m->members.joining;
	mutex_unlock(&m->members.lock);
	return node;
}

/* Until JOINED no home moves from or to here, and nobody else joins. */
void dvmm_join_overdue(struct work_struct *work)
{
	struct dvmm_machine *m = container_of(to_delayed_work(work), struct dvmm_machine,
					      members.overdue);
	int node = join_late(m);
	struct dvmm_link *l = node < 0 ? NULL : dvmm_link_get(m, node);

	if (!l)
		return;
	dvmm_link_give_up(l, "node %u has heard no JOINED from node %d within %u s", m->self,
			  node, JOIN_SECONDS);
	dvmm_link_put(l);
}

const char *dvmm_join_done(struct dvmm_machine *m, u16 node)
{
	if (m->members.joining != node)
		return "JOINED without JOIN_OK";
	m->members.joining = -1;
	set_bit(node, m->members.unused);
	set_bit(node, m->members.set);
	dvmm_members_update(m);
	dvmm_membership_send(m, node, DVMM_WIRE_WELCOME, 0);
	dvmm_machine_event(m, DVMM_EVENT_JOINED, node, NULL);
	dvmm_members_settle(m);		/* who leaves has waited for that */
	return NULL;
}
