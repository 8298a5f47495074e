// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA transport: a lane is a reliable connection (RC), a frame one SEND of two
 * pieces, header and page, without a copy (rdma_lane.c).  Here is the life of a link:
 * it is announced once all lanes are connected (rdma_cm.c), watched, and ended.
 */
#include <linux/inet.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include <dvmm/transport.h>
#include "rdma.h"

#define BEAT		(HZ / 2)
#define ALL_LANES	(10 * HZ)	/* from the first connection to the last */

struct workqueue_struct *dvmm_rdma_wq;
struct workqueue_struct *dvmm_rdma_rx_wq;

/* ---- the end of a link ---- */

void dvmm_rdma_kick(struct rdma_link *l, unsigned long delay)
{
	/* What there is to look at was written before; see link_opened(). */
	smp_mb();
	if (!test_bit(RDMA_CLOSING, &l->flags) && !test_bit(RDMA_OPENING, &l->flags))
		mod_delayed_work(dvmm_rdma_wq, &l->life, delay);
}

static bool link_kill(struct rdma_link *l)
{
	unsigned int i;

	if (test_and_set_bit(RDMA_DEAD, &l->flags))
		return false;
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_rdma_lane_give_up(&l->lane[i]);
	return true;
}

void dvmm_rdma_fail(struct rdma_link *l, const char *why)
{
	if (cmpxchg(&l->why, NULL, why))
		return;
	link_kill(l);
	dvmm_rdma_kick(l, 0);
}

/* ---- life of a link ---- */

/* A peer that has connected one lane and no other must not keep them for ever. */
static void link_await_lanes(struct rdma_link *l)
{
	unsigned long begun = READ_ONCE(l->begun);

	if (begun && time_after(jiffies, begun + ALL_LANES))
		dvmm_rdma_fail(l, "the peer has not connected all lanes within 10 s");
	else if (begun)
		queue_delayed_work(dvmm_rdma_wq, &l->life, HZ);
}

static void link_announce(struct rdma_link *l)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		if (READ_ONCE(l->lane[i].connected))
			continue;
		link_await_lanes(l);
		return;
	}
	dvmm_rdma_deaf(l);
	dvmm_rdma_proof_exit(l);
	set_bit(RDMA_UP, &l->flags);
	l->link->up->link_up(l->link);
	set_bit(RDMA_HEARS, &l->flags);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		queue_work(dvmm_rdma_rx_wq, &l->lane[i].receiver);
}

static bool lane_all_handed_up(struct rdma_lane *t)
{
	bool none;

	spin_lock_bh(&t->lock);
	none = t->bad || list_empty(&t->arrived);
	spin_unlock_bh(&t->lock);
	return none && !work_busy(&t->receiver);
}

/*
 * The last words of a peer that has hung up may be on their way up, and have to be
 * there first; but a receiver may stand still for ever.
 */
static void link_last_words(struct rdma_link *l)
{
	struct rdma_lane *t = &l->lane[DVMM_XPORT_LANE_LAST];

	if (!test_bit(RDMA_HEARS, &l->flags) || !test_bit(RDMA_CLOSED, &l->flags))
		return;
	dvmm_rdma_hang_up(t);
	wait_event_idle_timeout(t->moved, lane_all_handed_up(t), HZ);
}

static void link_tell(struct rdma_link *l)
{
	link_last_words(l);
	set_bit(RDMA_TOLD, &l->flags);
	l->link->up->link_down(l->link, l->why);
	dvmm_rdma_release(l);
	dvmm_rdma_proof_exit(l);
}

static void link_live(struct work_struct *work)
{
	struct rdma_link *l = container_of(work, struct rdma_link, life.work);

	/* A kick may come after disconnect() has looked for one: the end is its own then. */
	if (test_bit(RDMA_TOLD, &l->flags) || test_bit(RDMA_CLOSING, &l->flags))
		return;
	if (READ_ONCE(l->fault))
		dvmm_rdma_fail(l, l->fault);
	if (dvmm_rdma_dead(l)) {
		/* There is no reason where link_close() did it, which has no need to be told. */
		if (READ_ONCE(l->why))
			link_tell(l);
		return;
	}
	if (test_and_clear_bit(RDMA_AGAIN, &l->flags))
		dvmm_rdma_retry(l);
	if (test_bit(RDMA_UP, &l->flags))
		dvmm_rdma_beat(l);
	else
		link_announce(l);
	/* not mod_delayed_work(): somebody may have kicked meanwhile */
	if (test_bit(RDMA_UP, &l->flags) && !test_bit(RDMA_CLOSING, &l->flags))
		queue_delayed_work(dvmm_rdma_wq, &l->life, BEAT);
}

static int link_parse_address(struct rdma_link *l, const char *text)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? colon - text : 0;

	if (!n || n >= sizeof(host))
		return -EINVAL;
	if (*text == '[' && colon[-1] == ']') {	/* [IPv6]:PORT */
		text++;
		n -= 2;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	return inet_pton_with_scope(l->net, AF_UNSPEC, host, colon + 1, &l->address);
}

static bool has_sockets(const struct dvmm_xport_params *params)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++)
		if (params->sock[i])
			return true;
	return false;
}

static struct rdma_link *link_new(struct dvmm_xport_link *link,
				  const struct dvmm_xport_params *params)
{
	struct rdma_link *l = kvzalloc(sizeof(*l), GFP_KERNEL);
	unsigned int i;

	if (!l)
		return NULL;
	dvmm_gate_init(&l->gate);
	l->link = link;
	memcpy(l->machine, params->machine, sizeof(l->machine));
	l->self = params->self;
	l->peer = params->peer;
	l->net = get_net(current->nsproxy->net_ns);
	mutex_init(&l->lock);
	INIT_DELAYED_WORK(&l->life, link_live);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_rdma_lane_init(l, i);
	return l;
}

/* RDMA_CLOSING is set, or nothing was begun. */
static void link_free(struct rdma_link *l)
{
	cancel_delayed_work_sync(&l->life);
	dvmm_rdma_release(l);
	dvmm_rdma_proof_exit(l);
	/* nobody is left who could kick it */
	cancel_delayed_work_sync(&l->life);
	put_net(l->net);
	kvfree_rcu(l, rcu);
}

/* One kick for all that came to nothing meanwhile. */
static void link_opened(struct rdma_link *l)
{
	clear_bit(RDMA_OPENING, &l->flags);
	/* Pairs with the one in dvmm_rdma_kick(). */
	smp_mb__after_atomic();
	dvmm_rdma_kick(l, 0);
}

/* Taken off, so that nobody else does it. */
static void link_end(struct rdma_link *l)
{
	set_bit(RDMA_CLOSING, &l->flags);
	link_kill(l);
	cancel_delayed_work_sync(&l->life);
	set_bit(RDMA_TOLD, &l->flags);
	dvmm_gate_close(&l->gate);
	link_free(l);
}

static int link_begin(struct dvmm_xport_link *link, struct rdma_link *l)
{
	bool ours;
	int err;

	set_bit(RDMA_OPENING, &l->flags);
	dvmm_gate_open(&l->gate, link);
	err = dvmm_rdma_open(l);
	if (!err)
		link_opened(l);
	/* If not, disconnect() has it, and waits for us. */
	ours = err && dvmm_gate_take(link);
	dvmm_gate_leave(&l->gate);
	if (ours)
		link_end(l);
	return err;
}

static int link_open(struct dvmm_xport_link *link, const struct dvmm_xport_params *params,
		     bool passive)
{
	struct rdma_link *l;
	int err = -EINVAL;

	if (has_sockets(params))
		return err;
	l = link_new(link, params);
	if (!l)
		return -ENOMEM;
	l->passive = passive;
	l->secure = params->secure;
	err = params->secure ? dvmm_rdma_proof_init(l, params->key) : 0;
	err = err ?: link_parse_address(l, params->address);
	if (!err)
		return link_begin(link, l);
	link_free(l);
	return err;
}

static int link_listen(struct dvmm_xport_link *link, const struct dvmm_xport_params *params)
{
	return link_open(link, params, true);
}

static int link_connect(struct dvmm_xport_link *link, const struct dvmm_xport_params *params)
{
	return link_open(link, params, false);
}

static bool lane_all_sent(struct rdma_lane *t)
{
	return dvmm_rdma_dead(t->owner) || !READ_ONCE(t->queued);
}

static void link_close(struct dvmm_xport_link *link)
{
	struct rdma_link *l = dvmm_gate_take(link);

	if (!l)
		return;
	/* Our own last words: the peer's device must have them before we hang up. */
	wait_event_idle_timeout(l->lane[DVMM_XPORT_LANE_LAST].moved,
				lane_all_sent(&l->lane[DVMM_XPORT_LANE_LAST]), HZ / 2);
	link_end(l);
}

/* Values hold no blank. */
static void lane_show_trouble(const char *why, struct seq_file *m)
{
	seq_puts(m, " tries_again: ");
	for (; *why; why++)
		seq_putc(m, *why == ' ' ? '-' : *why);
}

static void lane_show(struct dvmm_xport_link *link, unsigned int lane, struct seq_file *m)
{
	struct rdma_link *l = dvmm_gate_enter(link);
	const struct rdma_lane *t;
	const char *trouble;

	if (!l)
		return;
	t = &l->lane[lane];
	trouble = READ_ONCE(t->trouble);
	mutex_lock(&l->lock);
	seq_printf(m, " path: into-frame device: %s",
		   l->device ? dev_name(&l->device->dev) : "none");
	mutex_unlock(&l->lock);
	seq_printf(m, " sent_bytes: %llu sent: %llu credits: %llu", t->tx_bytes, t->tx_frames,
		   t->tx_credits);
	seq_printf(m, " received_bytes: %llu received: %llu queued: %u", t->rx_bytes,
		   t->rx_frames, READ_ONCE(t->queued));
	if (trouble)
		lane_show_trouble(trouble, m);
	dvmm_gate_leave(&l->gate);
}

static const struct dvmm_transport_ops rdma_ops = {
	.name		= "rdma",
	.owner		= THIS_MODULE,
	.version	= DVMM_TRANSPORT_VERSION,
	.size		= sizeof(struct dvmm_transport_ops),
	.listen		= link_listen,
	.connect	= link_connect,
	.disconnect	= link_close,
	.send		= dvmm_rdma_send,
	.show		= lane_show,
};

static void end_queues(void)
{
	if (dvmm_rdma_rx_wq)
		destroy_workqueue(dvmm_rdma_rx_wq);
	if (dvmm_rdma_wq)
		destroy_workqueue(dvmm_rdma_wq);
}

static int __init start_module(void)
{
	int err;

	dvmm_rdma_wq = alloc_workqueue("dvmm-rdma", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	dvmm_rdma_rx_wq = alloc_workqueue("dvmm-rx", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 512);
	err = dvmm_rdma_wq && dvmm_rdma_rx_wq ? dvmm_transport_register(&rdma_ops) : -ENOMEM;
	if (err)
		end_queues();
	return err;
}

static void __exit end_module(void)
{
	dvmm_transport_unregister(&rdma_ops);
	end_queues();
	/* kvfree_rcu() of the last links needs nothing of this module */
}

module_init(start_module);
module_exit(end_module);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dvmm: links over RDMA");
MODULE_ALIAS("dvmm-transport-rdma");
MODULE_IMPORT_NS(DVMM);
