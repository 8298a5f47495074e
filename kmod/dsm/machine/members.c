// SPDX-License-Identifier: GPL-2.0
/* Which nodes belong to a machine at present. */
#include "engine/set.h"
#include "machine.h"
#include "members.h"

/* ---- who belongs ---- */

bool dvmm_members_has(const struct dvmm_machine *m, u16 node)
{
	return test_bit(node, m->members.set);
}

bool dvmm_members_have(const struct dvmm_machine *m, u64 sharers)
{
	int node = -1;

	while (dvmm_set_exact(m->nodes) &&
	       (node = dvmm_set_next(sharers, m->nodes, node)) >= 0)
		if (!dvmm_members_has(m, node))
			return false;
	return true;
}

bool dvmm_members_stays(const struct dvmm_machine *m, u16 node)
{
	return dvmm_members_has(m, node) && !test_bit(node, m->members.leaving);
}

bool dvmm_members_matter(const struct dvmm_machine *m, u16 node)
{
	return dvmm_members_has(m, node) && !test_bit(node, m->members.unused) &&
	       READ_ONCE(m->members.phase) != DVMM_MEMBER_GONE;
}

void dvmm_members_use(struct dvmm_machine *m, u16 node)
{
	if (unlikely(test_bit(node, m->members.unused)))
		clear_bit(node, m->members.unused);
}

static bool members_all_stay(const struct dvmm_machine *m, const u16 *nodes_of, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (nodes_of[i] != DVMM_NODE_ALL &&
		    (nodes_of[i] >= m->nodes || !dvmm_members_stays(m, nodes_of[i])))
			return false;
	return true;
}

bool dvmm_members_use_for_vcpus(struct dvmm_machine *m, const u16 *nodes_of, u32 count)
{
	bool all;
	u32 i;

	mutex_lock(&m->members.lock);
	all = members_all_stay(m, nodes_of, count);
	for (i = 0; all && i < count; i++)
		if (nodes_of[i] != DVMM_NODE_ALL)
			dvmm_members_use(m, nodes_of[i]);
	mutex_unlock(&m->members.lock);
	return all;
}

u16 dvmm_members_use_others(struct dvmm_machine *m)
{
	u16 node, n = 0;

	lockdep_assert_held(&m->members.lock);
	for (node = 0; node < m->nodes; node++) {
		if (node == m->self || !dvmm_members_stays(m, node))
			continue;
		dvmm_members_use(m, node);
		n++;
	}
	return n;
}

u64 dvmm_members_view(const struct dvmm_machine *m)
{
	u64 view = 0;
	u16 node;

	for (node = 0; node < m->nodes && dvmm_set_exact(m->nodes); node++)
		view |= (u64)dvmm_members_stays(m, node) << node;
	return view;
}

bool dvmm_members_joins(const struct dvmm_machine *m)
{
	return READ_ONCE(m->members.phase) < DVMM_MEMBER_IN;
}

bool dvmm_members_parts(const struct dvmm_machine *m)
{
	return READ_ONCE(m->members.phase) > DVMM_MEMBER_IN;
}

int dvmm_members_may_send(const struct dvmm_machine *m, u16 node)
{
	return dvmm_members_has(m, node) && !dvmm_members_joins(m) ? 0 : -ENOTCONN;
}

const char *dvmm_members_unsettled(const struct dvmm_machine *m)
{
	const struct dvmm_members *s = &m->members;

	/* What waits goes before the next move, or it might wait for ever. */
	if (s->joining >= 0 || s->asks_in >= 0 || s->asks_out || dvmm_members_joins(m))
		return "a node joins or leaves just now: try again";
	return dvmm_members_parts(m) ? "this node leaves the machine" : NULL;
}

/* ---- links ---- */

bool dvmm_members_all_linked(const struct dvmm_machine *m)
{
	u16 node;

	for (node = 0; node < m->nodes; node++)
		if (node != m->self && dvmm_members_has(m, node) &&
		    !test_bit(node, m->members.linked))
			return false;
	return true;
}

bool dvmm_members_update(struct dvmm_machine *m)
{
	struct dvmm_members *s = &m->members;
	bool was, ready;

	spin_lock_irq(&m->event_lock);
	was = s->ready;
	ready = !dvmm_members_joins(m) && dvmm_members_all_linked(m);
	WRITE_ONCE(s->ready, ready);
	ready = ready && !was && !m->stopped;
	if (ready)
		m->since = ktime_get_boottime_ns();
	spin_unlock_irq(&m->event_lock);
	return ready;
}

bool dvmm_members_linked(struct dvmm_machine *m, u16 node)
{
	struct dvmm_members *s = &m->members;

	set_bit(node, s->linked);
	atomic_inc(&m->links_up);
	if (dvmm_members_joins(m))
		dvmm_members_settle(m);
	return dvmm_members_update(m);
}

void dvmm_members_drop(struct dvmm_machine *m, u16 node)
{
	struct dvmm_members *s = &m->members;

	lockdep_assert_held(&m->members.lock);
	clear_bit(node, s->set);
	clear_bit(node, s->leaving);
	clear_bit(node, s->unused);
	s->asks_out &= ~dvmm_set_bit(node, m->nodes);
	m->peers[node].gone = 0;
	dvmm_members_answer(m, node);
	dvmm_members_update(m);
	dvmm_machine_event(m, DVMM_EVENT_LEFT, node, NULL);
	wake_up_all(&m->wait);
}

void dvmm_members_unlinked(struct dvmm_machine *m, u16 node)
{
	struct dvmm_members *s = &m->members;

	mutex_lock(&m->members.lock);
	if (test_and_clear_bit(node, s->linked))
		atomic_dec(&m->links_up);
	if (s->joining == node)
		s->joining = -1;
	if (s->asks_in == node)
		s->asks_in = -1;
	if (test_bit(node, s->unused)) {
		dvmm_members_drop(m, node);
	} else {
		dvmm_members_answer(m, node);
		dvmm_members_update(m);
	}
	mutex_unlock(&m->members.lock);
	wake_up_all(&m->wait);
}

bool dvmm_members_answer(struct dvmm_machine *m, u16 node)
{
	struct dvmm_members *s = &m->members;
	u64 was = s->due;

	lockdep_assert_held(&m->members.lock);
	if (!dvmm_set_exact(m->nodes))
		return false;
	s->due &= ~dvmm_set_bit(node, m->nodes);
	return was && !s->due;
}

void dvmm_members_settle(struct dvmm_machine *m)
{
	mod_delayed_work(m->wq, &m->members.settle, 0);
}

/* ---- life ---- */

static bool members_absent(const struct dvmm_create_machine *arg, u16 node)
{
	return arg->absent[node / 64] >> node % 64 & 1;
}

bool dvmm_members_check(const struct dvmm_create_machine *arg)
{
	u16 node, absent = 0;

	for (node = arg->nodes; node <= DVMM_MAX_NODE; node++)
		if (members_absent(arg, node))
			return false;
	for (node = 0; node < arg->nodes; node++)
		absent += members_absent(arg, node);
	if (arg->flags & DVMM_MACHINE_JOIN && absent + 1 >= arg->nodes)
		return false;
	if (!dvmm_set_exact(arg->nodes) && (absent || arg->flags & DVMM_MACHINE_JOIN))
		return false;
	return !members_absent(arg, arg->node);
}

void dvmm_members_init(struct dvmm_machine *m, const struct dvmm_create_machine *arg)
{
	struct dvmm_members *s = &m->members;
	u16 node;

	static_assert(DVMM_MAX_NODES == 64 * ARRAY_SIZE(arg->absent));
	mutex_init(&s->lock);
	for (node = 0; node < m->nodes; node++)
		if (!members_absent(arg, node))
			set_bit(node, s->set);
	s->phase = arg->flags & DVMM_MACHINE_JOIN ? DVMM_MEMBER_LINKING : DVMM_MEMBER_IN;
	s->joining = -1;
	s->asks_in = -1;
	s->elastic = arg->flags & DVMM_MACHINE_JOIN || !bitmap_full(s->set, m->nodes);
	dvmm_members_update(m);
}
