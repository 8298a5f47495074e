// SPDX-License-Identifier: GPL-2.0
/* A machine: its life, events, stop. */
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <dvmm/channel.h>

#include "machine.h"
#include "stats.h"
#include "trace.h"

ATOMIC_NOTIFIER_HEAD(dvmm_notices);

static LIST_HEAD(machines);
static u64 machines_made;
static DEFINE_MUTEX(machines_lock);	/* guards both */

static void machine_free(struct kref *ref)
{
	struct dvmm_machine *m = container_of(ref, struct dvmm_machine, ref);
	struct dvmm_machine_event *ev, *tmp;

	destroy_workqueue(m->wq);
	list_for_each_entry_safe(ev, tmp, &m->events, list)
		kfree(ev);
	xa_destroy(&m->regions);
	xa_destroy(&m->links);
	xa_destroy(&m->channels);
	free_percpu(m->stats);
	kfree(m->follow);
	kfree(m->mover);
	kfree(m->peers);
	mem_cgroup_put(m->memcg);
	kfree(m);
}

struct dvmm_machine *dvmm_machine_get(struct dvmm_machine *m)
{
	kref_get(&m->ref);
	return m;
}

void dvmm_machine_put(struct dvmm_machine *m)
{
	kref_put(&m->ref, machine_free);
}

struct dvmm_machine *dvmm_machine_next(u64 serial)
{
	struct dvmm_machine *m, *found = NULL;

	mutex_lock(&machines_lock);
	list_for_each_entry(m, &machines, list)
		if (m->serial >= serial) {
			found = dvmm_machine_get(m);
			break;
		}
	mutex_unlock(&machines_lock);
	return found;
}

void *dvmm_machine_kmalloc(struct dvmm_machine *m, size_t bytes)
{
	struct mem_cgroup *old = set_active_memcg(m->memcg);
	void *p = kmalloc(bytes, GFP_KERNEL_ACCOUNT);

	set_active_memcg(old);
	return p;
}

u16 dvmm_machine_self(const struct dvmm_machine *m)
{
	return m->self;
}
EXPORT_SYMBOL_NS_GPL(dvmm_machine_self, DVMM);

bool dvmm_machine_has(const struct dvmm_machine *m, u16 node)
{
	return dvmm_members_has(m, node);
}
EXPORT_SYMBOL_NS_GPL(dvmm_machine_has, DVMM);

u16 dvmm_machine_nodes(const struct dvmm_machine *m)
{
	return m->nodes;
}
EXPORT_SYMBOL_NS_GPL(dvmm_machine_nodes, DVMM);

/* Notices count on from the first four events in another way. */
static u32 machine_notice(u16 type)
{
	switch (type) {
	case DVMM_EVENT_JOINED:
		return DVMM_NOTICE_JOINED;
	case DVMM_EVENT_LEFT:
		return DVMM_NOTICE_LEFT;
	}
	return type;
}

void dvmm_machine_notice(const struct dvmm_machine *m, u32 notice, u16 peer, const char *reason)
{
	struct dvmm_notice_data n = { .m = m, .peer = peer, .reason = reason };

	atomic_notifier_call_chain(&dvmm_notices, notice, &n);
}

void dvmm_machine_event(struct dvmm_machine *m, u16 type, u16 node, const char *reason)
{
	struct dvmm_machine_event *ev = kzalloc(sizeof(*ev), GFP_ATOMIC);
	unsigned long flags;

	dvmm_machine_notice(m, machine_notice(type), node, reason);
	if (!ev) {
		pr_warn_ratelimited("dvmm: no memory for event %u of node %u\n", type, node);
		return;
	}
	ev->rec.type = type;
	ev->rec.node = node;
	strscpy(ev->rec.reason, reason ?: "", sizeof(ev->rec.reason));
	spin_lock_irqsave(&m->event_lock, flags);
	list_add_tail(&ev->list, &m->events);
	spin_unlock_irqrestore(&m->event_lock, flags);
	wake_up_all(&m->wait);
}

void dvmm_machine_stop(struct dvmm_machine *m, const char *reason)
{
	unsigned long flags;
	bool first;

	spin_lock_irqsave(&m->event_lock, flags);
	first = !m->stopped;
	if (first) {
		strscpy(m->reason, reason, sizeof(m->reason));
		m->since = ktime_get_boottime_ns();
		WRITE_ONCE(m->stopped, true);
		dvmm_machine_get(m);	/* put by stop_work() */
		/*
		 * Under the lock: whoever finds the machine stopped can flush the
		 * work.  Not on m->wq: the work may drop the last reference, which
		 * frees it.
		 */
		schedule_work(&m->stop_work);
	}
	spin_unlock_irqrestore(&m->event_lock, flags);
}

void dvmm_machine_fail(struct dvmm_machine *m, const char *fmt, ...)
{
	char reason[DVMM_REASON_LEN];
	va_list args;

	va_start(args, fmt);
	vscnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	dvmm_machine_stop(m, reason);
}
EXPORT_SYMBOL_NS_GPL(dvmm_machine_fail, DVMM);

/* ---- creation ---- */

static void machine_init(struct dvmm_machine *m, const struct dvmm_create_machine *arg)
{
	kref_init(&m->ref);
	m->owner = current_uid();
	m->since = ktime_get_boottime_ns();
	memcpy(m->uuid, arg->uuid, sizeof(m->uuid));
	memcpy(m->config, arg->config, sizeof(m->config));
	m->self = arg->node;
	m->nodes = arg->nodes;
	m->epoch = 1;
	m->policy.hold_us = arg->hold_us;
	m->policy.migratory = !!(arg->policy & DVMM_POLICY_MIGRATORY);
	m->prefetch = !!(arg->policy & DVMM_POLICY_PREFETCH);
	m->stall_s = arg->stall_s;
	m->secure = !!(arg->flags & DVMM_MACHINE_SECURE);
	mutex_init(&m->lock);
	mutex_init(&m->place_lock);
	xa_init(&m->regions);
	xa_init(&m->links);
	xa_init(&m->channels);
	spin_lock_init(&m->event_lock);
	INIT_LIST_HEAD(&m->events);
	init_waitqueue_head(&m->wait);
	mutex_init(&m->early_lock);
	mutex_init(&m->clock_lock);
	INIT_LIST_HEAD(&m->early);
	atomic64_set(&m->next_id, 1);
	dvmm_members_init(m, arg);
}

struct dvmm_machine *dvmm_machine_alloc(const struct dvmm_create_machine *arg)
{
	struct dvmm_machine *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return NULL;
	machine_init(m, arg);
	m->memcg = get_mem_cgroup_from_mm(current->mm);
	m->stats = dvmm_stats_alloc();
	/* To take a mapping away may sleep, and must not hold up another page: many workers. */
	m->wq = alloc_workqueue("dvmm/%u", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 256,
				m->self);
	m->peers = kcalloc(m->nodes, sizeof(*m->peers), GFP_KERNEL);
	if (m->stats && m->wq && m->peers)
		return m;
	if (m->wq)
		destroy_workqueue(m->wq);
	free_percpu(m->stats);
	kfree(m->peers);
	mem_cgroup_put(m->memcg);
	kfree(m);
	return NULL;
}

static bool machine_exists(const struct dvmm_machine *new)
{
	struct dvmm_machine *m;

	lockdep_assert_held(&machines_lock);
	list_for_each_entry(m, &machines, list)
		if (m->self == new->self && !memcmp(m->uuid, new->uuid, sizeof(m->uuid)))
			return true;
	return false;
}

int dvmm_machine_list(struct dvmm_machine *m)
{
	int ret = 0;

	mutex_lock(&machines_lock);
	if (machine_exists(m))
		ret = -EEXIST;
	else
		list_add_tail(&m->list, &machines);
	m->serial = ++machines_made;
	mutex_unlock(&machines_lock);
	if (!ret)
		dvmm_machine_notice(m, DVMM_NOTICE_CREATED, m->self, NULL);
	return ret;
}

void dvmm_machine_unlist(struct dvmm_machine *m)
{
	mutex_lock(&machines_lock);
	list_del(&m->list);
	mutex_unlock(&machines_lock);
	dvmm_machine_notice(m, DVMM_NOTICE_REMOVED, m->self, NULL);
}
