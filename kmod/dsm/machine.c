// SPDX-License-Identifier: GPL-2.0
/* A machine: creation, events, stop, and its descriptor. */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <dvmm/channel.h>

#include "args.h"
#include "channel.h"
#include "clock.h"
#include "debugfs.h"
#include "kvm.h"
#include "leave.h"
#include "link.h"
#include "machine.h"
#include "netlink.h"
#include "region.h"
#include "stats.h"
#include "trace.h"

static LIST_HEAD(machines);
static u64 machines_made;
static DEFINE_MUTEX(machines_lock);	/* guards both */

struct machine_event {
	struct list_head list;
	struct dvmm_event_record rec;
};

static void machine_free(struct kref *ref)
{
	struct dvmm_machine *m = container_of(ref, struct dvmm_machine, ref);
	struct machine_event *ev, *tmp;

	destroy_workqueue(m->wq);
	list_for_each_entry_safe(ev, tmp, &m->events, list)
		kfree(ev);
	dvmm_channels_free_early(m);
	xa_destroy(&m->regions);
	xa_destroy(&m->links);
	xa_destroy(&m->channels);
	free_percpu(m->stats);
	kfree(m->follow);
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

void dvmm_machine_event(struct dvmm_machine *m, u16 type, u16 node, const char *reason)
{
	struct machine_event *ev = kzalloc(sizeof(*ev), GFP_ATOMIC);
	unsigned long flags;

	dvmm_netlink_event(m, machine_notice(type), node, reason);
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

/* Tell the peers, then everyone who sleeps here. */
static void stop_work(struct work_struct *work)
{
	struct dvmm_machine *m = container_of(work, struct dvmm_machine, stop_work);

	pr_info("dvmm: %pUb node %u stopped: %s\n", m->uuid, m->self, m->reason);
	trace_dvmm_stop(m->self, m->reason);
	dvmm_links_bye(m, m->reason);
	dvmm_machine_event(m, DVMM_EVENT_STOPPED, m->self, m->reason);
	dvmm_regions_wake(m);
	dvmm_channels_wake(m);
	dvmm_machine_put(m);
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

/* ---- the descriptor ---- */

static struct machine_event *pop_event(struct dvmm_machine *m)
{
	struct machine_event *ev;

	spin_lock_irq(&m->event_lock);
	ev = list_first_entry_or_null(&m->events, struct machine_event, list);
	if (ev)
		list_del(&ev->list);
	spin_unlock_irq(&m->event_lock);
	return ev;
}

static ssize_t machine_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct dvmm_machine *m = file->private_data;
	struct machine_event *ev;
	ssize_t ret = sizeof(ev->rec);

	if (len < sizeof(ev->rec))
		return -EINVAL;
	while (!(ev = pop_event(m))) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(m->wait, !list_empty_careful(&m->events)))
			return -ERESTARTSYS;
	}
	if (copy_to_user(buf, &ev->rec, sizeof(ev->rec)))
		ret = -EFAULT;
	kfree(ev);
	return ret;
}

static __poll_t machine_poll(struct file *file, poll_table *wait)
{
	struct dvmm_machine *m = file->private_data;

	poll_wait(file, &m->wait, wait);
	return list_empty_careful(&m->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static int ioctl_region(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_create_region arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_region_create(m, &arg);
}

static int ioctl_link(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_create_link arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_link_create(m, &arg);
}

static int ioctl_channel(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_create_channel arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_channel_create_fd(m, &arg);
}

static int ioctl_kvm(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_attach_kvm arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_kvm_attach(m, &arg);
}

static int ioctl_clock(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_clock arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	ret = ret ?: dvmm_clock_measure(m, &arg);
	return ret ?: dvmm_args_out(uarg, &arg, sizeof(arg));
}

static int ioctl_place(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_place_vcpu arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	ret = ret ?: dvmm_kvm_place(m, &arg);
	return ret ?: dvmm_args_out(uarg, &arg, sizeof(arg));
}

static int ioctl_stop(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_stop arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	if (ret)
		return ret;
	if (strnlen(arg.reason, sizeof(arg.reason)) == sizeof(arg.reason))
		return -EINVAL;
	dvmm_machine_stop(m, arg.reason);
	return 0;
}

static int ioctl_leave(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_leave arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_leave(m);
}

static int ioctl_stats(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_stats arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	if (ret)
		return ret;
	dvmm_stats_sum(m, &arg);
	return dvmm_args_out(uarg, &arg, sizeof(arg));
}

static long machine_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	static const struct {
		unsigned int cmd;
		int (*call)(struct dvmm_machine *m, void __user *uarg);
	} calls[] = {
		{ DVMM_CREATE_REGION, ioctl_region },
		{ DVMM_CREATE_LINK, ioctl_link },
		{ DVMM_CREATE_CHANNEL, ioctl_channel },
		{ DVMM_ATTACH_KVM, ioctl_kvm },
		{ DVMM_PLACE_VCPU, ioctl_place },
		{ DVMM_GET_CLOCK, ioctl_clock },
		{ DVMM_STOP, ioctl_stop },
		{ DVMM_GET_STATS, ioctl_stats },
		{ DVMM_LEAVE, ioctl_leave },
	};
	int i;

	/* The size in the number is the caller's view of the struct: ignore it. */
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (dvmm_args_same_cmd(cmd, calls[i].cmd))
			return calls[i].call(file->private_data, (void __user *)uarg);
	return -ENOTTY;
}

static void machine_unlist(struct dvmm_machine *m)
{
	mutex_lock(&machines_lock);
	list_del(&m->list);
	mutex_unlock(&machines_lock);
	dvmm_netlink_event(m, DVMM_NOTICE_REMOVED, m->self, NULL);
}

/*
 * The node leaves.  Order: peers learn the reason while links still work, then
 * interrupts, then links; memory goes when its last mapping does.
 */
static int machine_release(struct inode *inode, struct file *file)
{
	struct dvmm_machine *m = file->private_data;

	dvmm_machine_fail(m, "node %u left the machine", m->self);
	flush_work(&m->stop_work);
	dvmm_kvm_detach(m);
	dvmm_links_close(m);
	dvmm_members_end(m);
	dvmm_watch_end(m);
	dvmm_clock_exit(m);
	flush_workqueue(m->wq);
	dvmm_regions_release(m);
	machine_unlist(m);
	dvmm_debugfs_remove(m);
	dvmm_machine_put(m);
	return 0;
}

static const struct file_operations machine_fops = {
	.owner = THIS_MODULE,
	.read = machine_read,
	.poll = machine_poll,
	.unlocked_ioctl = machine_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = machine_release,
	.llseek = noop_llseek,
};

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
	INIT_WORK(&m->stop_work, stop_work);
	mutex_init(&m->early_lock);
	mutex_init(&m->clock_lock);
	INIT_LIST_HEAD(&m->early);
	atomic64_set(&m->next_id, 1);
	dvmm_watch_init(m);
	dvmm_mover_init(m);
	dvmm_members_init(m, arg);
}

static struct dvmm_machine *machine_alloc(const struct dvmm_create_machine *arg)
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

static int machine_list(struct dvmm_machine *m)
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
		dvmm_netlink_event(m, DVMM_NOTICE_CREATED, m->self, NULL);
	return ret;
}

int dvmm_machine_create(const struct dvmm_create_machine *arg)
{
	struct dvmm_machine *m;
	int ret;

	if (arg->stall_s > DVMM_STALL_MAX || arg->policy & ~DVMM_POLICY_MASK || !arg->nodes ||
	    arg->nodes > DVMM_MAX_NODE + 1 || arg->node >= arg->nodes ||
	    arg->hold_us > DVMM_HOLD_MAX_US || !dvmm_members_check(arg))
		return -EINVAL;
	m = machine_alloc(arg);
	if (!m)
		return -ENOMEM;
	ret = machine_list(m);
	if (ret)
		goto drop;
	ret = dvmm_clock_init(m);
	if (ret)
		goto unlist;
	dvmm_debugfs_add(m);
	dvmm_watch_start(m);
	ret = anon_inode_getfd("dvmm-machine", &machine_fops, m, O_RDWR | O_CLOEXEC);
	if (ret >= 0)
		return ret;
	dvmm_watch_end(m);
	dvmm_debugfs_remove(m);
	dvmm_clock_exit(m);
unlist:
	machine_unlist(m);
drop:
	dvmm_machine_put(m);
	return ret;
}
