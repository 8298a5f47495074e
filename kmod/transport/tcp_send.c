// SPDX-License-Identifier: GPL-2.0
/*
 * Frames out.  Whoever finds a lane idle writes to its socket itself; what does not fit
 * is left to a work item, which the socket wakes when it has room.  Nobody ever waits in
 * sendmsg(), so that no number of peers that do not read keeps a worker from the others.
 */
#include <linux/bvec.h>
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/uio.h>

#include "tcp.h"

/* A socket that is full for want of memory does not wake us. */
#define RETRY		(HZ / 10)

static void lane_xmit_done(struct tcp_lane *t, struct list_head *frames)
{
	struct dvmm_xport_link *link = t->owner->link;
	struct dvmm_xmit *x, *next;

	list_for_each_entry_safe(x, next, frames, list)
		link->up->xmit_done(link, x);
}

/* Takes the queue from a lane that is dead and that nobody writes to. */
static void lane_take_queue(struct tcp_lane *t, struct list_head *frames)
{
	lockdep_assert_held(&t->lock);
	list_splice_init(&t->queue, frames);
	t->queued = 0;
}

void dvmm_tcp_lane_end(struct tcp_lane *t)
{
	LIST_HEAD(frames);

	kernel_sock_shutdown(t->held.sock, SHUT_RDWR);
	spin_lock_bh(&t->lock);
	if (!t->busy)
		lane_take_queue(t, &frames);
	spin_unlock_bh(&t->lock);
	lane_xmit_done(t, &frames);
}

static int lane_push_header(struct tcp_lane *t, struct dvmm_xmit *x, int flags)
{
	struct kvec v = { x->hdr + t->sent, DVMM_XPORT_HDR - t->sent };
	struct msghdr msg = { .msg_flags = flags | (x->length ? MSG_MORE : 0) };

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &v, 1, v.iov_len);
	return dvmm_tcp_sock_send(&t->held, &msg);
}

/* The socket refers to the page until the peer has it, which may be after xmit_done. */
static int lane_push_page(struct tcp_lane *t, struct dvmm_xmit *x, int flags)
{
	size_t at = t->sent - DVMM_XPORT_HDR;
	struct msghdr msg = { .msg_flags = flags | DVMM_MSG_SPLICE };
	struct bio_vec v;

	bvec_set_page(&v, x->page, x->length - at, at);
	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, &v, 1, x->length - at);
	return dvmm_tcp_sock_send(&t->held, &msg);
}

/* Writes what is left of a frame, without waiting; 0 once all of it is out, or negative errno. */
static int lane_push(struct tcp_lane *t, struct dvmm_xmit *x, int flags)
{
	int n;

	flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
	while (t->sent < DVMM_XPORT_HDR + x->length) {
		n = t->sent < DVMM_XPORT_HDR ? lane_push_header(t, x, flags) :
					       lane_push_page(t, x, flags);
		if (n <= 0)
			return n ?: -EPIPE;
		t->sent += n;
	}
	return 0;
}

static struct dvmm_xmit *lane_head(struct tcp_lane *t, bool *more)
{
	struct dvmm_xmit *x = NULL;

	spin_lock_bh(&t->lock);
	if (!dvmm_tcp_dead(t->owner))
		x = list_first_entry_or_null(&t->queue, struct dvmm_xmit, list);
	*more = x && !list_is_last(&x->list, &t->queue);
	spin_unlock_bh(&t->lock);
	return x;
}

static void lane_frame_done(struct tcp_lane *t, struct dvmm_xmit *x)
{
	struct dvmm_xport_link *link = t->owner->link;

	spin_lock_bh(&t->lock);
	list_del(&x->list);
	t->tx_frames++;
	t->tx_bytes += DVMM_XPORT_HDR + x->length;
	t->sent = 0;
	t->queued--;
	spin_unlock_bh(&t->lock);
	link->up->xmit_done(link, x);
}

/*
 * Gives the socket up.  Frames that are left are the writer's: at once, or, where the
 * socket was @full, when it has room.
 */
static void lane_release(struct tcp_lane *t, bool full)
{
	LIST_HEAD(frames);

	spin_lock_bh(&t->lock);
	t->busy = false;
	if (dvmm_tcp_dead(t->owner))
		lane_take_queue(t, &frames);
	else if (!list_empty(&t->queue) && full)
		queue_delayed_work(dvmm_tcp_writers, &t->writer, RETRY);
	else if (!list_empty(&t->queue))
		mod_delayed_work(dvmm_tcp_writers, &t->writer, 0);
	spin_unlock_bh(&t->lock);
	lane_xmit_done(t, &frames);
}

/* In softirq.  A writer that runs now runs again. */
void dvmm_tcp_writable(struct tcp_sock_held *s)
{
	struct tcp_lane *t = container_of(s, struct tcp_lane, held);

	if (READ_ONCE(t->queued) && !dvmm_tcp_dead(t->owner))
		mod_delayed_work(dvmm_tcp_writers, &t->writer, 0);
}

static bool lane_claim(struct tcp_lane *t)
{
	bool mine;

	spin_lock_bh(&t->lock);
	mine = !t->busy;
	t->busy = true;
	spin_unlock_bh(&t->lock);
	return mine;
}

static int lane_write_frames(struct tcp_lane *t)
{
	struct dvmm_xmit *x;
	int err = 0;
	bool more;

	while (!err && (x = lane_head(t, &more))) {
		err = lane_push(t, x, more ? MSG_MORE : 0);
		if (!err)
			lane_frame_done(t, x);
	}
	return err;
}

void dvmm_tcp_write_queue(struct work_struct *work)
{
	struct tcp_lane *t = container_of(to_delayed_work(work), struct tcp_lane, writer);
	unsigned int noio = memalloc_noio_save();
	char buf[TCP_WHY_LEN];
	int err;

	if (lane_claim(t)) {
		err = lane_write_frames(t);
		if (err && err != -EAGAIN)
			dvmm_tcp_fail_late(t, false, err, dvmm_tcp_explain(err, buf));
		lane_release(t, err == -EAGAIN);
	}
	memalloc_noio_restore(noio);
}

/*
 * The lane was idle: one frame, by the caller, as far as it goes.  Errors are the
 * writer's to find and report: the caller may hold locks that link_down needs.
 */
static void lane_write_inline(struct tcp_lane *t, struct dvmm_xmit *x)
{
	int err = lane_push(t, x, 0);

	if (!err) {
		t->tx_inline++;
		lane_frame_done(t, x);
	}
	lane_release(t, err == -EAGAIN);
}

static int lane_send(struct tcp_lane *t, struct dvmm_xmit *x)
{
	bool idle;

	spin_lock_bh(&t->lock);
	if (dvmm_tcp_dead(t->owner)) {
		spin_unlock_bh(&t->lock);
		return -ENOTCONN;
	}
	idle = !t->busy && list_empty(&t->queue);
	if (idle)
		t->busy = true;
	dvmm_xport_number(t->owner->link, x);
	list_add_tail(&x->list, &t->queue);
	t->queued++;
	spin_unlock_bh(&t->lock);
	if (idle)
		lane_write_inline(t, x);
	return 0;
}

int dvmm_tcp_send(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	struct tcp_link *l = dvmm_gate_enter(link);
	int err = -ENOTCONN;

	if (!l)
		return err;
	if (!test_bit(LINK_UP, &l->flags))
		goto leave;
	err = -EINVAL;
	if (x->lane >= DVMM_XPORT_LANES || x->length > DVMM_XPORT_PAYLOAD_MAX)
		goto leave;
	err = lane_send(&l->lane[x->lane], x);
leave:
	dvmm_gate_leave(&l->gate);
	return err;
}
