// SPDX-License-Identifier: GPL-2.0
/*
 * TCP transport: a lane is a connected socket that userspace has handed over,
 * with a TLS ULP on it if userspace wanted one.  Here is the life of a link.
 *
 * Dead peers: keepalive finds them on an idle lane, TCP_USER_TIMEOUT on a busy
 * one, both within @timeout seconds.  The timeout would also cut a lane whose
 * receiver is alive and slow; on CTL that is legitimate (userspace may be
 * stopped), so CTL has keepalive only and relies on the other lanes.
 */
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/sched/prio.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "tcp.h"

#define TIMEOUT_MIN	2
#define TIMEOUT_MAX	60
#define GREETING_MIN	10		/* seconds that a peer has to greet, at least */

/* The admin's: a network that mends itself may need longer to do so. */
static unsigned int timeout = 4;

static int tcp_set_timeout(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, TIMEOUT_MIN, TIMEOUT_MAX);
}

static const struct kernel_param_ops timeout_ops = {
	.set = tcp_set_timeout,
	.get = param_get_uint,
};
module_param_cb(timeout, &timeout_ops, &timeout, 0644);
MODULE_PARM_DESC(timeout, "seconds without an answer until a peer of a new link is lost (4; 2 to 60)");

struct workqueue_struct *dvmm_tcp_writers;

/* ---- the end of a link ---- */

/* Ends all traffic; every thread that waits somewhere finds out. */
static bool link_kill(struct tcp_link *l)
{
	unsigned int i;

	if (test_and_set_bit(LINK_DEAD, &l->flags))
		return false;
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_tcp_lane_end(&l->lane[i]);
	wake_up_all(&l->started);
	return true;
}

/* From readers and writers only, so that disconnect() can wait for it. */
static void link_fail(struct tcp_link *l, const char *why)
{
	if (!link_kill(l))
		return;
	mutex_lock(&l->upcall);
	l->link->up->link_down(l->link, why);
	mutex_unlock(&l->upcall);
}

/*
 * The peer has closed the connection.  Why may stand in a message on CTL that is
 * still to be read, so the other lanes hold their tongue for a moment.
 */
void dvmm_tcp_fail_late(struct tcp_lane *t, bool ctl_reader, int err, const char *why)
{
	struct tcp_link *l = t->owner;

	if (!ctl_reader && (err == -EPIPE || err == -ECONNRESET))
		wait_event_idle_timeout(l->started, dvmm_tcp_dead(l), HZ);
	link_fail(l, why);
}

const char *dvmm_tcp_explain(int err, char *buf)
{
	switch (err) {
	case -EPIPE:
		return "connection closed by peer";
	case -ECONNRESET:
		return "connection reset by peer";
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return "peer does not answer";
	case -ECONNABORTED:
		return "TLS alert from peer";
	case -EBADMSG:
		return "TLS record is not authentic";
	case -ENOMEM:
		return "out of memory";
	}
	snprintf(buf, TCP_WHY_LEN, "socket error %d", err);
	return buf;
}

/* ---- life of a link ---- */

/* Whatever it says meanwhile: it may say it one byte at a time. */
static void link_on_deadline(struct work_struct *work)
{
	struct tcp_link *l = container_of(to_delayed_work(work), struct tcp_link, deadline);
	char why[TCP_WHY_LEN];

	if (test_bit(LINK_UP, &l->flags))
		return;
	snprintf(why, sizeof(why), "the peer has not greeted on %u of %u lanes",
		 DVMM_XPORT_LANES - atomic_read(&l->greeted), DVMM_XPORT_LANES);
	link_fail(l, why);
}

static void lane_init(struct tcp_link *l, unsigned int i)
{
	struct tcp_lane *t = &l->lane[i];

	t->owner = l;
	t->number = i;
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->queue);
	INIT_DELAYED_WORK(&t->writer, dvmm_tcp_write_queue);
}

static struct tcp_link *link_new(struct dvmm_xport_link *link,
				 const struct dvmm_xport_params *params)
{
	struct tcp_link *l = kzalloc(sizeof(*l), GFP_KERNEL);
	unsigned int i;

	if (!l)
		return NULL;
	dvmm_gate_init(&l->gate);
	l->link = link;
	mutex_init(&l->upcall);
	init_waitqueue_head(&l->started);
	memcpy(l->machine, params->machine, sizeof(l->machine));
	l->self = params->self;
	l->peer = params->peer;
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		lane_init(l, i);
	INIT_DELAYED_WORK(&l->deadline, link_on_deadline);
	return l;
}

static int lane_new_reader(struct tcp_lane *t)
{
	struct task_struct *task;

	task = kthread_create(dvmm_tcp_read, t, "dvmm-tcp/%u-%u.%u", t->owner->self,
			      t->owner->peer, t->number);
	if (IS_ERR(task))
		return PTR_ERR(task);
	/* A vCPU must not keep a reader from the CPU: another node's vCPU waits for it. */
	set_user_nice(task, MIN_NICE);
	/* It may end by itself long before kthread_stop(). */
	t->reader = get_task_struct(task);
	return 0;
}

static void link_stop_readers(struct tcp_link *l)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		if (!l->lane[i].reader)
			continue;
		kthread_stop(l->lane[i].reader);
		put_task_struct(l->lane[i].reader);
	}
}

static void link_give_sockets(struct tcp_link *l)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++)
		if (l->lane[i].held.sock)
			dvmm_tcp_sock_give(&l->lane[i].held);
}

static int link_take_sockets(struct tcp_link *l, const struct dvmm_xport_params *params)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < DVMM_XPORT_LANES && !err; i++)
		err = dvmm_tcp_sock_take(&l->lane[i].held, params->sock[i], dvmm_tcp_writable);
	return err;
}

static int link_new_readers(struct tcp_link *l)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < DVMM_XPORT_LANES && !err; i++)
		err = lane_new_reader(&l->lane[i]);
	return err;
}

static void link_start_readers(struct tcp_link *l)
{
	unsigned int seconds = READ_ONCE(timeout), i;

	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_tcp_sock_tune(&l->lane[i].held, seconds, i == DVMM_XPORT_LANE_LAST);
	queue_delayed_work(dvmm_tcp_writers, &l->deadline, max(GREETING_MIN, 2 * seconds) * HZ);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		wake_up_process(l->lane[i].reader);
}

static int link_open(struct dvmm_xport_link *link, const struct dvmm_xport_params *params)
{
	struct tcp_link *l;
	unsigned int i;
	int err;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		err = dvmm_tcp_sock_check(params, i);
		if (err)
			return err;
	}
	l = link_new(link, params);
	if (!l)
		return -ENOMEM;
	err = link_take_sockets(l, params) ?: link_new_readers(l);
	if (err) {
		link_stop_readers(l);
		link_give_sockets(l);
		kfree_rcu(l, rcu);
		return err;
	}
	WRITE_ONCE(link->priv, l);
	link_start_readers(l);
	return 0;
}

static void link_close(struct dvmm_xport_link *link)
{
	struct tcp_link *l = dvmm_gate_take(link);
	unsigned int i;

	if (!l)
		return;
	link_kill(l);
	cancel_delayed_work_sync(&l->deadline);
	link_stop_readers(l);
	dvmm_gate_close(&l->gate);
	link_give_sockets(l);
	/* A writer that has found the end shuts the sockets of all lanes. */
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		cancel_delayed_work_sync(&l->lane[i].writer);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		sockfd_put(l->lane[i].held.sock);
	kfree_rcu(l, rcu);
}

static void lane_show(struct dvmm_xport_link *link, unsigned int lane, struct seq_file *m)
{
	struct tcp_link *l = dvmm_gate_enter(link);
	const struct tcp_lane *t;

	if (!l)
		return;
	t = &l->lane[lane];
	seq_printf(m, " path: copy-out sent_bytes: %llu sent: %llu by_caller: %llu",
		   t->tx_bytes, t->tx_frames, t->tx_inline);
	seq_printf(m, " received_bytes: %llu received: %llu queued: %u",
		   t->rx_bytes, t->rx_frames, READ_ONCE(t->queued));
	dvmm_gate_leave(&l->gate);
}

static const struct dvmm_transport_ops tcp_ops = {
	.name		= "tcp",
	.owner		= THIS_MODULE,
	.version	= DVMM_TRANSPORT_VERSION,
	.size		= sizeof(struct dvmm_transport_ops),
	.connect	= link_open,
	.disconnect	= link_close,
	.send		= dvmm_tcp_send,
	.show		= lane_show,
};

static int __init tcp_init(void)
{
	int err;

	dvmm_tcp_writers = alloc_workqueue("dvmm-tcp", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!dvmm_tcp_writers)
		return -ENOMEM;
	err = dvmm_transport_register(&tcp_ops);
	if (err)
		destroy_workqueue(dvmm_tcp_writers);
	return err;
}

static void __exit tcp_exit(void)
{
	dvmm_transport_unregister(&tcp_ops);
	destroy_workqueue(dvmm_tcp_writers);
	dvmm_tcp_sock_exit();
	/* kfree_rcu() of the last links needs nothing of this module */
}

module_init(tcp_init);
module_exit(tcp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dvmm: links over TCP sockets");
MODULE_ALIAS("dvmm-transport-tcp");
MODULE_IMPORT_NS(DVMM);
