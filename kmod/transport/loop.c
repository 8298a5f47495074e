// SPDX-License-Identifier: GPL-2.0
/*
 * Loop transport: a link between two nodes of one machine in one kernel, and the
 * reference for what a transport has to do.
 *
 * The two ends find each other by machine and node numbers.  They share a
 * struct pair of two pipes, one for each direction, each with a queue for every
 * lane.  send() copies the frame into the queue; a thread of the receiving end
 * takes it out and hands it up.  The sender's frame is done with as soon as it
 * is copied, so nothing of one end's core is ever touched by the other end.
 *
 * Locks: pairs_lock before nothing; a queue's lock is innermost.
 */
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/wait.h>

#include <dvmm/transport.h>
#include "gate.h"

/**
 * struct loop_frame - a frame under way
 * @list: in a queue
 * @hdr: the header
 * @page: the payload's copy, zero behind its end; NULL if there is none
 */
struct loop_frame {
	struct list_head list;
	u8 hdr[DVMM_XPORT_HDR];
	struct page *page;
};

/**
 * struct queue - a lane in one direction
 * @lock: guards the fields below
 * @frames: sent and not yet received
 * @length: their number
 * @frames_in: number ever sent
 * @bytes_in: headers and payload ever sent
 * @work: the receiver waits for frames
 */
struct queue {
	spinlock_t lock; /* frames, length, frames_in, bytes_in */
	struct list_head frames;
	unsigned int length;
	u64 frames_in;
	u64 bytes_in;
	wait_queue_head_t work;
};

/**
 * struct pair - what two ends share
 * @list: in pairs, until both ends are there or the first one has left
 * @refs: one for each end
 * @machine: UUID
 * @node: the two nodes, the lower one first
 * @ends: bits of the ends that have come
 * @down: one end is gone
 * @pipe: a queue for each sending end and lane
 * @started: ends wait here for each other
 */
struct pair {
	struct list_head list;
	refcount_t refs;
	u8 machine[16];
	u16 node[2];
	unsigned long ends;
	bool down;
	struct queue pipe[2][DVMM_XPORT_LANES];
	wait_queue_head_t started;
};

struct loop_end;

/**
 * struct receiver - takes a lane's frames out and hands them up
 * @end: whose
 * @lane: which lane
 * @task: the thread
 * @frames: number of frames handed up
 */
struct receiver {
	struct loop_end *end;
	unsigned int lane;
	struct task_struct *task;
	u64 frames;
};

/**
 * struct loop_end - one end of a link
 * @gate: keeps the end while send() runs; first
 * @link: what the core knows it by
 * @pair: shared with the other end
 * @side: index of this end in the pair
 * @flags: END_UP, END_DEAD
 * @upcall: keeps link_up and link_down apart
 * @receiver: threads
 * @rcu: for kfree_rcu()
 */
struct loop_end {
	struct dvmm_gate gate;
	struct dvmm_xport_link *link;
	struct pair *pair;
	unsigned int side;
	unsigned long flags;
	struct mutex upcall; /* link_up and link_down do not overlap */
	struct receiver receiver[DVMM_XPORT_LANES];
	struct rcu_head rcu;
};

enum { END_UP, END_DEAD };


static LIST_HEAD(pairs);
static DEFINE_MUTEX(pairs_lock);

/* ---- frames and queues ---- */

static void loop_free_frame(struct loop_frame *f)
{
	if (f->page)
		__free_page(f->page);
	kfree(f);
}

static struct loop_frame *loop_copy_frame(const struct dvmm_xmit *x)
{
	struct loop_frame *f = kmalloc(sizeof(*f), GFP_NOIO);

	if (!f)
		return NULL;
	f->page = NULL;
	if (!x->length)
		return f;
	f->page = alloc_page(GFP_NOIO);
	if (!f->page) {
		kfree(f);
		return NULL;
	}
	memcpy_page(f->page, 0, x->page, 0, x->length);
	zero_user_segment(f->page, x->length, PAGE_SIZE);
	return f;
}

static void loop_init_queue(struct queue *q)
{
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->frames);
	init_waitqueue_head(&q->work);
}

static int loop_push(struct loop_end *e, struct dvmm_xmit *x, struct loop_frame *f)
{
	struct pair *p = e->pair;
	struct queue *q = &p->pipe[e->side][x->lane];

	spin_lock_bh(&q->lock);
	if (p->down) {
		spin_unlock_bh(&q->lock);
		return -ENOTCONN;
	}
	dvmm_xport_number(e->link, x);
	memcpy(f->hdr, x->hdr, sizeof(f->hdr));
	list_add_tail(&f->list, &q->frames);
	q->length++;
	q->frames_in++;
	q->bytes_in += DVMM_XPORT_HDR + x->length;
	spin_unlock_bh(&q->lock);
	wake_up(&q->work);
	return 0;
}

static struct loop_frame *loop_pop(struct queue *q)
{
	struct loop_frame *f;

	spin_lock_bh(&q->lock);
	f = list_first_entry_or_null(&q->frames, struct loop_frame, list);
	if (f) {
		list_del(&f->list);
		q->length--;
	}
	spin_unlock_bh(&q->lock);
	return f;
}

static void loop_drain(struct queue *q)
{
	struct loop_frame *f;

	while ((f = loop_pop(q)))
		loop_free_frame(f);
}

/* ---- pairs ---- */

static struct pair *loop_find_pair(const u8 *machine, const u16 *node)
{
	struct pair *p;

	lockdep_assert_held(&pairs_lock);
	list_for_each_entry(p, &pairs, list)
		if (!memcmp(p->machine, machine, sizeof(p->machine)) &&
		    p->node[0] == node[0] && p->node[1] == node[1])
			return p;
	return NULL;
}

static struct pair *loop_new_pair(const u8 *machine, const u16 *node)
{
	struct pair *p = kzalloc(sizeof(*p), GFP_KERNEL);
	unsigned int i, k;

	if (!p)
		return NULL;
	refcount_set(&p->refs, 1);
	memcpy(p->machine, machine, sizeof(p->machine));
	p->node[0] = node[0];
	p->node[1] = node[1];
	init_waitqueue_head(&p->started);
	for (i = 0; i < 2; i++)
		for (k = 0; k < DVMM_XPORT_LANES; k++)
			loop_init_queue(&p->pipe[i][k]);
	list_add(&p->list, &pairs);
	return p;
}

static void loop_put_pair(struct pair *p)
{
	unsigned int i, k;

	if (!refcount_dec_and_test(&p->refs))
		return;
	for (i = 0; i < 2; i++)
		for (k = 0; k < DVMM_XPORT_LANES; k++)
			loop_drain(&p->pipe[i][k]);
	kfree(p);
}

/* Returns the pair that the other end waits with, or a new one to wait with. */
static struct pair *loop_join_pair(const struct dvmm_xport_params *params, unsigned int side)
{
	u16 node[2] = { min(params->self, params->peer), max(params->self, params->peer) };
	struct pair *p;

	mutex_lock(&pairs_lock);
	p = loop_find_pair(params->machine, node);
	if (!p) {
		p = loop_new_pair(params->machine, node) ?: ERR_PTR(-ENOMEM);
	} else if (test_bit(side, &p->ends)) {
		p = ERR_PTR(-EADDRINUSE);
	} else {
		refcount_inc(&p->refs);
		list_del_init(&p->list);
	}
	if (!IS_ERR(p))
		set_bit(side, &p->ends);
	mutex_unlock(&pairs_lock);
	return p;
}

static bool loop_both_there(const struct pair *p)
{
	return (READ_ONCE(p->ends) & 3) == 3;
}

/* Nothing more is sent either way; both ends' threads find out. */
static void loop_bring_down(struct pair *p)
{
	unsigned int i, k;

	mutex_lock(&pairs_lock);
	list_del_init(&p->list);
	mutex_unlock(&pairs_lock);
	WRITE_ONCE(p->down, true);
	for (i = 0; i < 2; i++) {
		for (k = 0; k < DVMM_XPORT_LANES; k++) {
			struct queue *q = &p->pipe[i][k];

			/* after this, loop_push() has seen p->down */
			spin_lock_bh(&q->lock);
			spin_unlock_bh(&q->lock);
			wake_up_all(&q->work);
		}
	}
	wake_up_all(&p->started);
}

/* ---- receiving ---- */

/* From receivers only, so that disconnect() can wait for it. */
static void loop_fail(struct loop_end *e, const char *why)
{
	if (test_and_set_bit(END_DEAD, &e->flags))
		return;
	loop_bring_down(e->pair);
	mutex_lock(&e->upcall);
	e->link->up->link_down(e->link, why);
	mutex_unlock(&e->upcall);
}

/*
 * The first receiver to come here announces the link, the others wait until
 * that is done.
 */
static void loop_announce(struct loop_end *e)
{
	wait_event_idle(e->pair->started, loop_both_there(e->pair) || READ_ONCE(e->pair->down));
	if (!loop_both_there(e->pair))
		return;
	mutex_lock(&e->upcall);
	if (!test_bit(END_DEAD, &e->flags) && !test_and_set_bit(END_UP, &e->flags))
		e->link->up->link_up(e->link);
	mutex_unlock(&e->upcall);
}

static struct loop_frame *loop_next_frame(struct loop_end *e, struct queue *q)
{
	struct loop_frame *f = NULL;

	wait_event_idle(q->work, (f = loop_pop(q)) || READ_ONCE(e->pair->down));
	/* Nothing is pushed once the pair is down: this is the rest. */
	return f ?: loop_pop(q);
}

static int loop_hand_up(struct receiver *r, struct loop_frame *f)
{
	struct dvmm_xport_link *link = r->end->link;
	int err;

	r->frames++;
	err = link->up->link_rx(link, r->lane, f->hdr, f->page);
	f->page = NULL;
	loop_free_frame(f);
	return err;
}

static int loop_receive(void *data)
{
	struct receiver *r = data;
	struct loop_end *e = r->end;
	struct queue *q = &e->pair->pipe[!e->side][r->lane];
	struct loop_frame *f;
	unsigned int noio = memalloc_noio_save();
	int err = 0;

	loop_announce(e);
	while (!err && !test_bit(END_DEAD, &e->flags) && (f = loop_next_frame(e, q)))
		err = loop_hand_up(r, f);
	/*
	 * What was sent before the other end left still arrives; why it left may
	 * stand in a message on CTL.
	 */
	if (!err && r->lane != DVMM_XPORT_LANE_LAST)
		wait_event_idle_timeout(e->pair->started, test_bit(END_DEAD, &e->flags), HZ);
	loop_fail(e, err ? "protocol error" : "link closed by peer");
	memalloc_noio_restore(noio);
	return 0;
}

/* ---- sending ---- */

static int loop_send_copy(struct loop_end *e, struct dvmm_xmit *x)
{
	struct loop_frame *f = loop_copy_frame(x);
	int err;

	if (!f)
		return -ENOMEM;
	err = loop_push(e, x, f);
	if (err)
		loop_free_frame(f);
	return err;
}

static int loop_send_frame(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	struct loop_end *e = dvmm_gate_enter(link);
	int err = -ENOTCONN;

	if (!e)
		return err;
	if (!test_bit(END_UP, &e->flags))
		goto leave;
	err = -EINVAL;
	if (x->lane >= DVMM_XPORT_LANES || x->length > DVMM_XPORT_PAYLOAD_MAX)
		goto leave;
	err = loop_send_copy(e, x);
	if (!err)
		link->up->xmit_done(link, x);
leave:
	dvmm_gate_leave(&e->gate);
	return err;
}

/* ---- life of a link ---- */

static void loop_stop_receivers(struct loop_end *e)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		if (!e->receiver[i].task)
			continue;
		kthread_stop(e->receiver[i].task);
		put_task_struct(e->receiver[i].task);
	}
}

static int loop_new_receivers(struct loop_end *e, const struct dvmm_xport_params *params)
{
	struct task_struct *task;
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		struct receiver *r = &e->receiver[i];

		r->end = e;
		r->lane = i;
		task = kthread_create(loop_receive, r, "dvmm-loop/%u-%u.%u", params->self,
				      params->peer, i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		/* It may end by itself long before kthread_stop(). */
		r->task = get_task_struct(task);
	}
	return 0;
}

static int loop_open_link(struct dvmm_xport_link *link, const struct dvmm_xport_params *params)
{
	struct loop_end *e;
	unsigned int i;
	int err;

	if (params->self == params->peer || *params->address)
		return -EINVAL;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	dvmm_gate_init(&e->gate);
	e->link = link;
	mutex_init(&e->upcall);
	e->side = params->self > params->peer;
	err = loop_new_receivers(e, params);
	if (err)
		goto stop;
	e->pair = loop_join_pair(params, e->side);
	err = PTR_ERR_OR_ZERO(e->pair);
	if (err)
		goto stop;
	WRITE_ONCE(link->priv, e);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		wake_up_process(e->receiver[i].task);
	wake_up_all(&e->pair->started);
	return 0;
stop:
	loop_stop_receivers(e);
	kfree(e);
	return err;
}

static void loop_close_link(struct dvmm_xport_link *link)
{
	struct loop_end *e = dvmm_gate_take(link);

	if (!e)
		return;
	set_bit(END_DEAD, &e->flags);
	loop_bring_down(e->pair);
	loop_stop_receivers(e);
	dvmm_gate_close(&e->gate);
	loop_put_pair(e->pair);
	kfree_rcu(e, rcu);
}

static void loop_show_lane(struct dvmm_xport_link *link, unsigned int lane, struct seq_file *m)
{
	struct loop_end *e = dvmm_gate_enter(link);
	const struct queue *q;

	if (!e)
		return;
	q = &e->pair->pipe[e->side][lane];
	seq_printf(m, " path: hand-over sent_bytes: %llu sent: %llu received: %llu queued: %u",
		   q->bytes_in, q->frames_in, e->receiver[lane].frames, READ_ONCE(q->length));
	dvmm_gate_leave(&e->gate);
}

static const struct dvmm_transport_ops loop_ops = {
	.name		= "loop",
	.owner		= THIS_MODULE,
	.version	= DVMM_TRANSPORT_VERSION,
	.size		= sizeof(struct dvmm_transport_ops),
	.connect	= loop_open_link,
	.disconnect	= loop_close_link,
	.send		= loop_send_frame,
	.show		= loop_show_lane,
};

static int __init loop_start_module(void)
{
	return dvmm_transport_register(&loop_ops);
}

static void __exit loop_end_module(void)
{
	dvmm_transport_unregister(&loop_ops);
}

module_init(loop_start_module);
module_exit(loop_end_module);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dvmm: links within one kernel");
MODULE_ALIAS("dvmm-transport-loop");
MODULE_IMPORT_NS(DVMM);
