// SPDX-License-Identifier: GPL-2.0
/* What members say to each other. */
#include "engine/set.h"
#include "join.h"
#include "leave.h"
#include "link/link.h"
#include "machine/machine.h"
#include "membership.h"

#define AGAIN_MS	1

void dvmm_membership_send(struct dvmm_machine *m, u16 node, u8 type, u64 id)
{
	struct dvmm_frame f = {
		.kind = DVMM_WIRE_MEMBER,
		.epoch = m->epoch,
		.msg = { .type = type, .id = id },
	};

	lockdep_assert_held(&m->members.lock);
	dvmm_link_send(m, node, &f, NULL);
}

void dvmm_membership_send_due(struct dvmm_machine *m, u8 type, u64 id)
{
	u16 node;

	m->members.due = dvmm_members_view(m) & ~dvmm_set_bit(m->self, m->nodes);
	for (node = 0; node < m->nodes; node++)
		if (m->members.due >> node & 1)
			dvmm_membership_send(m, node, type, id);
}

static const char *membership_got(struct dvmm_link *l, unsigned int lane,
				  const struct dvmm_frame *f)
{
	switch (f->msg.type) {
	case DVMM_WIRE_JOIN:
		return dvmm_join_asked(l, f->msg.id);
	case DVMM_WIRE_HOMES:
		return dvmm_join_homes(l->m, l->peer, f);
	case DVMM_WIRE_JOIN_OK:
	case DVMM_WIRE_WELCOME:
		return dvmm_join_answered(l->m, l->peer, f->msg.type);
	case DVMM_WIRE_JOINED:
		return dvmm_join_done(l->m, l->peer);
	case DVMM_WIRE_LEAVE:
		return dvmm_leave_asked(l->m, l->peer);
	case DVMM_WIRE_LEAVE_OK:
		return dvmm_leave_answered(l->m, l->peer);
	case DVMM_WIRE_GONE:
		return dvmm_leave_gone(l->m, l->peer, lane);
	}
	return "unknown message of a member";
}

const char *dvmm_membership_receive(struct dvmm_link *l, unsigned int lane,
				    const struct dvmm_frame *f)
{
	const char *why;

	if (!(l->terms.features & DVMM_FEATURE_MEMBERS))
		return "message of a member from a node that does not know them";
	mutex_lock(&l->m->members.lock);
	why = membership_got(l, lane, f);
	mutex_unlock(&l->m->members.lock);
	return why;
}

/* ---- what has to wait ---- */

static void membership_settle(struct work_struct *work)
{
	struct dvmm_machine *m = container_of(to_delayed_work(work), struct dvmm_machine,
					      members.settle);
	bool again;

	if (dvmm_machine_stopped(m))
		return;
	mutex_lock(&m->members.lock);
	if (m->members.phase == DVMM_MEMBER_LINKING && dvmm_members_all_linked(m))
		dvmm_join_ask(m);
	again = dvmm_join_settle(m);
	again |= dvmm_leave_settle(m);
	mutex_unlock(&m->members.lock);
	if (again)
		queue_delayed_work(m->wq, &m->members.settle, msecs_to_jiffies(AGAIN_MS));
}

/* ---- life ---- */

void dvmm_membership_init(struct dvmm_machine *m)
{
	INIT_DELAYED_WORK(&m->members.settle, membership_settle);
	INIT_DELAYED_WORK(&m->members.overdue, dvmm_join_overdue);
}

void dvmm_membership_end(struct dvmm_machine *m)
{
	cancel_delayed_work_sync(&m->members.settle);
	cancel_delayed_work_sync(&m->members.overdue);
}
