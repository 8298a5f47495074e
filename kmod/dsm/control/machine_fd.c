// SPDX-License-Identifier: GPL-2.0
/* A machine's descriptor: what userspace asks of it, and what it is made of. */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <dvmm/channel.h>

#include "debugfs.h"
#include "link/channel.h"
#include "link/clock.h"
#include "link/link.h"
#include "machine/args.h"
#include "machine/kvm.h"
#include "machine/machine.h"
#include "machine/stats.h"
#include "machine/trace.h"
#include "machine_fd.h"
#include "membership/leave.h"
#include "membership/membership.h"
#include "memory/message.h"
#include "memory/mover.h"
#include "memory/region.h"
#include "memory/watch.h"

/* ---- events ---- */

static struct dvmm_machine_event *machine_pop_event(struct dvmm_machine *m)
{
	struct dvmm_machine_event *ev;

	spin_lock_irq(&m->event_lock);
	ev = list_first_entry_or_null(&m->events, struct dvmm_machine_event, list);
	if (ev)
		list_del(&ev->list);
	spin_unlock_irq(&m->event_lock);
	return ev;
}

static ssize_t machine_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct dvmm_machine *m = file->private_data;
	struct dvmm_machine_event *ev;
	ssize_t ret = sizeof(ev->rec);

	if (len < sizeof(ev->rec))
		return -EINVAL;
	while (!(ev = machine_pop_event(m))) {
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

/* ---- requests ---- */

static int machine_ioctl_region(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_create_region arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_region_create(m, &arg);
}

static int machine_ioctl_link(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_create_link arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_link_create_fd(m, &arg);
}

static int machine_ioctl_channel(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_create_channel arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_channel_create_fd(m, &arg);
}

static int machine_ioctl_kvm(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_attach_kvm arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_kvm_attach(m, &arg);
}

static int machine_ioctl_clock(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_clock arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	ret = ret ?: dvmm_clock_measure(m, &arg);
	return ret ?: dvmm_args_out(uarg, &arg, sizeof(arg));
}

static int machine_ioctl_place(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_place_vcpu arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	ret = ret ?: dvmm_kvm_place(m, &arg);
	return ret ?: dvmm_args_out(uarg, &arg, sizeof(arg));
}

static int machine_ioctl_stop(struct dvmm_machine *m, void __user *uarg)
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

static int machine_ioctl_leave(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_leave arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_leave(m);
}

static int machine_ioctl_stats(struct dvmm_machine *m, void __user *uarg)
{
	struct dvmm_stats arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	if (ret)
		return ret;
	dvmm_stats_sum(m, dvmm_regions_frames(m), &arg);
	return dvmm_args_out(uarg, &arg, sizeof(arg));
}

static long machine_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	static const struct {
		unsigned int cmd;
		int (*call)(struct dvmm_machine *m, void __user *uarg);
	} calls[] = {
		{ DVMM_CREATE_REGION, machine_ioctl_region },
		{ DVMM_CREATE_LINK, machine_ioctl_link },
		{ DVMM_CREATE_CHANNEL, machine_ioctl_channel },
		{ DVMM_ATTACH_KVM, machine_ioctl_kvm },
		{ DVMM_PLACE_VCPU, machine_ioctl_place },
		{ DVMM_GET_CLOCK, machine_ioctl_clock },
		{ DVMM_STOP, machine_ioctl_stop },
		{ DVMM_GET_STATS, machine_ioctl_stats },
		{ DVMM_LEAVE, machine_ioctl_leave },
	};
	int i;

	/* The size in the number is the caller's view of the struct: ignore it. */
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (dvmm_args_same_cmd(cmd, calls[i].cmd))
			return calls[i].call(file->private_data, (void __user *)uarg);
	return -ENOTTY;
}

/* ---- the end ---- */

/* Tell the peers, then everyone who sleeps here. */
static void machine_stop_work(struct work_struct *work)
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
	dvmm_channels_free_early(m);
	dvmm_membership_end(m);
	dvmm_watch_end(m);
	dvmm_clock_exit(m);
	flush_workqueue(m->wq);
	dvmm_regions_release(m);
	dvmm_machine_unlist(m);
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

static const struct dvmm_link_upcalls machine_upcalls = {
	.first = dvmm_regions_limit,
	.coherence = dvmm_message_receive,
	.membership = dvmm_membership_receive,
};

static bool machine_possible(const struct dvmm_create_machine *arg)
{
	return arg->stall_s <= DVMM_STALL_MAX && !(arg->policy & ~DVMM_POLICY_MASK) &&
	       arg->nodes && arg->nodes <= DVMM_MAX_NODE + 1 && arg->node < arg->nodes &&
	       arg->hold_us <= DVMM_HOLD_MAX_US && dvmm_members_check(arg);
}

/* What is to be there before anybody finds it. */
static struct dvmm_machine *machine_make(const struct dvmm_create_machine *arg)
{
	struct dvmm_machine *m = dvmm_machine_alloc(arg);

	if (!m)
		return NULL;
	m->up = &machine_upcalls;
	INIT_WORK(&m->stop_work, machine_stop_work);
	dvmm_membership_init(m);
	if (!dvmm_mover_init(m))
		return m;
	dvmm_machine_put(m);
	return NULL;
}

static int machine_start(struct dvmm_machine *m)
{
	int ret = dvmm_clock_init(m);

	if (ret)
		return ret;
	ret = dvmm_watch_start(m);
	if (ret)
		goto clock;
	dvmm_debugfs_add(m);
	ret = anon_inode_getfd("dvmm-machine", &machine_fops, m, O_RDWR | O_CLOEXEC);
	if (ret >= 0)
		return ret;
	dvmm_debugfs_remove(m);
	dvmm_watch_end(m);
clock:
	dvmm_clock_exit(m);
	return ret;
}

int dvmm_machine_create_fd(const struct dvmm_create_machine *arg)
{
	struct dvmm_machine *m;
	int ret;

	if (!machine_possible(arg))
		return -EINVAL;
	m = machine_make(arg);
	if (!m)
		return -ENOMEM;
	ret = dvmm_machine_list(m);
	if (ret)
		goto put;
	ret = machine_start(m);
	if (ret >= 0)
		return ret;
	dvmm_machine_unlist(m);
put:
	dvmm_machine_put(m);
	return ret;
}
