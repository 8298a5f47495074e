// SPDX-License-Identifier: GPL-2.0
/*
 * TCP transport: a lane is a connected socket that userspace has handed over,
 * with a TLS ULP on it if userspace wanted one.
 *
 * Each lane has a thread that sleeps in recvmsg(), and receives payload straight
 * into the page that goes up; a page that is sent becomes the socket's without a copy.
 * Whoever finds a lane idle writes to its socket
 * itself; what does not fit is left to a work item, which the socket wakes when it
 * has room.  Nobody ever waits in sendmsg(), so that no number of peers that do not
 * read keeps a worker from the others.
 *
 * Both ends begin each lane with a greeting, so that sockets in the wrong order,
 * of another machine or of something that is not dvmm at all are told apart
 * before the first frame.
 *
 * Dead peers: keepalive finds them on an idle lane, TCP_USER_TIMEOUT on a busy
 * one, both within @timeout seconds.  The timeout would also cut a lane whose
 * receiver is alive and slow; on CTL that is legitimate (userspace may be
 * stopped), so CTL has keepalive only and relies on the other lanes.
 */
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/sched/prio.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/unaligned.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <uapi/linux/tls.h>

#include <dvmm/transport.h>
#include "gate.h"
#include "greeting.h"
#include "tcp_sock.h"

#ifndef MSG_SPLICE_PAGES	/* before 6.5: what is given to a socket is copied */
#define MSG_SPLICE_PAGES 0
#endif

#define GREETING	"dvmm-tcp"
#define LANE_CTL	3
#define TIMEOUT_MIN	2
#define TIMEOUT_MAX	60
#define WHY_LEN		64

#define GREETING_MIN	10		/* seconds that a peer has to greet, at least */
/* A socket that is full for want of memory does not wake us. */
#define RETRY		(HZ / 10)

/* Content types of TLS records, RFC 8446 section 5.1 */
#define TLS_ALERT	21
#define TLS_DATA	23

/* The admin's: a network that mends itself may need longer to do so. */
static unsigned int timeout = 4;

static int set_timeout(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, TIMEOUT_MIN, TIMEOUT_MAX);
}

static const struct kernel_param_ops timeout_ops = {
	.set = set_timeout,
	.get = param_get_uint,
};
module_param_cb(timeout, &timeout_ops, &timeout, 0644);
MODULE_PARM_DESC(timeout, "seconds without an answer until a peer of a new link is lost (4; 2 to 60)");

/**
 * struct tcp_lane - one socket
 * @owner: the link
 * @held: the socket
 * @number: which lane
 * @reader: sleeps in recvmsg()
 * @writer: sends what a caller could not send at once
 * @lock: guards the fields below
 * @queue: frames to send, the first one perhaps partly sent
 * @queued: their number
 * @sent: bytes of the first one that are out
 * @busy: somebody is writing to the socket; the queue's head is theirs
 * @room: waits for @queued to fall
 * @tx_frames: frames sent
 * @tx_inline: of these, written by the caller of send() itself
 * @tx_bytes: headers and payload sent
 * @rx_frames: frames received
 * @rx_bytes: headers and payload received
 */
struct tcp_lane {
	struct tcp_link *owner;
	struct tcp_sock_held held;
	unsigned int number;
	struct task_struct *reader;
	struct delayed_work writer;
	spinlock_t lock; /* queue, queued, sent, busy, tx_* */
	struct list_head queue;
	unsigned int queued;
	size_t sent;
	bool busy;
	wait_queue_head_t room;
	u64 tx_frames;
	u64 tx_inline;
	u64 tx_bytes;
	u64 rx_frames;
	u64 rx_bytes;
};

/**
 * struct tcp_link - a link
 * @gate: keeps the link while send() runs; first
 * @link: what the core knows it by
 * @flags: LINK_UP, LINK_DEAD
 * @upcall: keeps link_up and link_down apart
 * @greeted: lanes whose greeting was right
 * @started: readers wait here until the link is up
 * @machine: UUID
 * @self: this node
 * @peer: node at the other end
 * @deadline: for the greetings
 * @lane: the sockets
 * @rcu: for kfree_rcu()
 */
struct tcp_link {
	struct dvmm_gate gate;
	struct dvmm_xport_link *link;
	unsigned long flags;
	struct mutex upcall; /* link_up and link_down do not overlap */
	atomic_t greeted;
	wait_queue_head_t started;
	u8 machine[16];
	u16 self;
	u16 peer;
	struct delayed_work deadline;
	struct tcp_lane lane[DVMM_XPORT_LANES];
	struct rcu_head rcu;
};

enum { LINK_UP, LINK_DEAD };

static struct workqueue_struct *writers;

static bool is_dead(const struct tcp_link *l)
{
	return test_bit(LINK_DEAD, &l->flags);
}

static void xmit_done(struct tcp_lane *t, struct list_head *frames)
{
	struct dvmm_xport_link *link = t->owner->link;
	struct dvmm_xmit *x, *next;

	list_for_each_entry_safe(x, next, frames, list)
		link->up->xmit_done(link, x);
}

/* Takes the queue from a lane that is dead and that nobody writes to. */
static void take_queue(struct tcp_lane *t, struct list_head *frames)
{
	lockdep_assert_held(&t->lock);
	list_splice_init(&t->queue, frames);
	t->queued = 0;
}

static void wake_lane(struct tcp_lane *t)
{
	LIST_HEAD(frames);

	kernel_sock_shutdown(t->held.sock, SHUT_RDWR);
	spin_lock_bh(&t->lock);
	if (!t->busy)
		take_queue(t, &frames);
	spin_unlock_bh(&t->lock);
	wake_up_all(&t->room);
	xmit_done(t, &frames);
}

/* Ends all traffic; every thread that waits somewhere finds out. */
static bool kill_link(struct tcp_link *l)
{
	unsigned int i;

	if (test_and_set_bit(LINK_DEAD, &l->flags))
		return false;
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		wake_lane(&l->lane[i]);
	wake_up_all(&l->started);
	return true;
}

/* From readers and writers only, so that disconnect() can wait for it. */
static void fail(struct tcp_link *l, const char *why)
{
	if (!kill_link(l))
		return;
	mutex_lock(&l->upcall);
	l->link->up->link_down(l->link, why);
	mutex_unlock(&l->upcall);
}

/*
 * The peer has closed the connection.  Why may stand in a message on CTL that is
 * still to be read, so the other lanes hold their tongue for a moment.
 */
static void fail_late(struct tcp_lane *t, bool ctl_reader, int err, const char *why)
{
	struct tcp_link *l = t->owner;

	if (!ctl_reader && (err == -EPIPE || err == -ECONNRESET))
		wait_event_idle_timeout(l->started, is_dead(l), HZ);
	fail(l, why);
}

static const char *explain(int err, char *buf)
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
	snprintf(buf, WHY_LEN, "socket error %d", err);
	return buf;
}

/* ---- sending ---- */

static int push_header(struct tcp_lane *t, struct dvmm_xmit *x, int flags)
{
	struct kvec v = { x->hdr + t->sent, DVMM_XPORT_HDR - t->sent };
	struct msghdr msg = { .msg_flags = flags | (x->length ? MSG_MORE : 0) };

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &v, 1, v.iov_len);
	return dvmm_tcp_sock_send(&t->held, &msg);
}

/* The socket refers to the page until the peer has it, which may be after xmit_done. */
static int push_page(struct tcp_lane *t, struct dvmm_xmit *x, int flags)
{
	size_t at = t->sent - DVMM_XPORT_HDR;
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };
	struct bio_vec v;

	bvec_set_page(&v, x->page, x->length - at, at);
	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, &v, 1, x->length - at);
	return dvmm_tcp_sock_send(&t->held, &msg);
}

/* Writes what is left of a frame, without waiting; 0 once all of it is out, or negative errno. */
static int push(struct tcp_lane *t, struct dvmm_xmit *x, int flags)
{
	int n;

	flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
	while (t->sent < DVMM_XPORT_HDR + x->length) {
		n = t->sent < DVMM_XPORT_HDR ? push_header(t, x, flags) : push_page(t, x, flags);
		if (n <= 0)
			return n ?: -EPIPE;
		t->sent += n;
	}
	return 0;
}

static struct dvmm_xmit *head_of(struct tcp_lane *t, bool *more)
{
	struct dvmm_xmit *x = NULL;

	spin_lock_bh(&t->lock);
	if (!is_dead(t->owner))
		x = list_first_entry_or_null(&t->queue, struct dvmm_xmit, list);
	*more = x && !list_is_last(&x->list, &t->queue);
	spin_unlock_bh(&t->lock);
	return x;
}

static void frame_done(struct tcp_lane *t, struct dvmm_xmit *x)
{
	struct dvmm_xport_link *link = t->owner->link;

	spin_lock_bh(&t->lock);
	list_del(&x->list);
	t->tx_frames++;
	t->tx_bytes += DVMM_XPORT_HDR + x->length;
	t->sent = 0;
	if (t->queued-- == DVMM_XPORT_QUEUE)
		wake_up_all(&t->room);
	spin_unlock_bh(&t->lock);
	link->up->xmit_done(link, x);
}

/*
 * Gives the socket up.  Frames that are left are the writer's: at once, or, where the
 * socket was @full, when it has room.
 */
static void release_lane(struct tcp_lane *t, bool full)
{
	LIST_HEAD(frames);

	spin_lock_bh(&t->lock);
	t->busy = false;
	if (is_dead(t->owner))
		take_queue(t, &frames);
	else if (!list_empty(&t->queue) && full)
		queue_delayed_work(writers, &t->writer, RETRY);
	else if (!list_empty(&t->queue))
		mod_delayed_work(writers, &t->writer, 0);
	spin_unlock_bh(&t->lock);
	xmit_done(t, &frames);
}

/* In softirq.  A writer that runs now runs again. */
static void on_writable(struct tcp_sock_held *s)
{
	struct tcp_lane *t = container_of(s, struct tcp_lane, held);

	if (READ_ONCE(t->queued) && !is_dead(t->owner))
		mod_delayed_work(writers, &t->writer, 0);
}

static bool claim_lane(struct tcp_lane *t)
{
	bool mine;

	spin_lock_bh(&t->lock);
	mine = !t->busy;
	t->busy = true;
	spin_unlock_bh(&t->lock);
	return mine;
}

static int write_frames(struct tcp_lane *t)
{
	struct dvmm_xmit *x;
	int err = 0;
	bool more;

	while (!err && (x = head_of(t, &more))) {
		err = push(t, x, more ? MSG_MORE : 0);
		if (!err)
			frame_done(t, x);
	}
	return err;
}

static void write_queue(struct work_struct *work)
{
	struct tcp_lane *t = container_of(to_delayed_work(work), struct tcp_lane, writer);
	unsigned int noio = memalloc_noio_save();
	char buf[WHY_LEN];
	int err;

	if (claim_lane(t)) {
		err = write_frames(t);
		if (err && err != -EAGAIN)
			fail_late(t, false, err, explain(err, buf));
		release_lane(t, err == -EAGAIN);
	}
	memalloc_noio_restore(noio);
}

/*
 * The lane was idle: one frame, by the caller, as far as it goes.  Errors are the
 * writer's to find and report: the caller may hold locks that link_down needs.
 */
static void write_inline(struct tcp_lane *t, struct dvmm_xmit *x)
{
	int err = push(t, x, 0);

	if (!err) {
		t->tx_inline++;
		frame_done(t, x);
	}
	release_lane(t, err == -EAGAIN);
}

static int wait_for_room(struct tcp_lane *t)
{
	return wait_event_killable(t->room, is_dead(t->owner) ||
				   READ_ONCE(t->queued) < DVMM_XPORT_QUEUE) ?
	       -EINTR : 0;
}

static int lane_send(struct tcp_lane *t, struct dvmm_xmit *x)
{
	bool idle;

	spin_lock_bh(&t->lock);
	if (is_dead(t->owner)) {
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
		write_inline(t, x);
	return 0;
}

static int send_frame(struct dvmm_xport_link *link, struct dvmm_xmit *x, bool nowait)
{
	struct tcp_link *l = dvmm_gate_enter(link);
	struct tcp_lane *t;
	int err = -ENOTCONN;

	if (!l)
		return err;
	if (!test_bit(LINK_UP, &l->flags))
		goto leave;
	err = -EINVAL;
	if (x->lane >= DVMM_XPORT_LANES || x->length > DVMM_XPORT_PAYLOAD_MAX)
		goto leave;
	t = &l->lane[x->lane];
	err = nowait ? 0 : wait_for_room(t);
	if (!err)
		err = lane_send(t, x);
leave:
	dvmm_gate_leave(&l->gate);
	return err;
}

/* ---- receiving ---- */

/* The type of TLS record that the bytes came from; data where there is no TLS. */
static u8 record_type(const struct msghdr *msg, struct cmsghdr *cmsg, size_t room)
{
	if (room - msg->msg_controllen < CMSG_LEN(sizeof(u8)) ||
	    cmsg->cmsg_level != SOL_TLS || cmsg->cmsg_type != TLS_GET_RECORD_TYPE)
		return TLS_DATA;
	return *(u8 *)CMSG_DATA(cmsg);
}

/*
 * Fills an iterator from the socket.  TLS records that are not data: an alert
 * ends the link; handshake records (session tickets) mean nothing to us, and if
 * one changed keys the next record fails to decrypt.
 */
static int receive(struct tcp_lane *t, struct msghdr *msg)
{
	union {
		struct cmsghdr hdr;
		u8 space[CMSG_SPACE(sizeof(u8))];
	} control;
	int n;

	while (msg_data_left(msg)) {
		msg->msg_control = &control;
		msg->msg_controllen = sizeof(control);
		msg->msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
		n = dvmm_tcp_sock_recv(&t->held, msg);
		if (n <= 0)
			return n ?: -EPIPE;
		switch (record_type(msg, &control.hdr, sizeof(control))) {
		case TLS_DATA:
			break;
		case TLS_ALERT:
			return -ECONNABORTED;
		default:
			iov_iter_revert(&msg->msg_iter, n);
		}
	}
	return 0;
}

static int receive_bytes(struct tcp_lane *t, void *to, size_t length)
{
	struct kvec v = { to, length };
	struct msghdr msg = {};

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &v, 1, length);
	return receive(t, &msg);
}

static int receive_page(struct tcp_lane *t, struct page *page, size_t length)
{
	struct msghdr msg = {};
	struct bio_vec v;

	bvec_set_page(&v, page, length, 0);
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, &v, 1, length);
	return receive(t, &msg);
}

static int receive_payload(struct tcp_lane *t, u32 length, struct page **page)
{
	struct page *p;
	int err;

	*page = NULL;
	if (!length)
		return 0;
	p = dvmm_xport_page();
	err = receive_page(t, p, length);
	if (err) {
		__free_page(p);
		return err;
	}
	zero_user_segment(p, length, PAGE_SIZE);
	*page = p;
	return 0;
}

/*
 * An answer goes by another lane, so there is nothing for TCP to add its
 * acknowledgement to, and it would send one by itself for each frame.  Nobody
 * waits for them.  The delayed-acknowledgement timer undoes this.
 */
static void ack_later(struct tcp_lane *t)
{
	struct sock *sk = t->held.sock->sk;

	/* Looked at without the socket's lock: it is for speed, and mostly so already. */
	if (!inet_csk_in_pingpong_mode(sk))
		tcp_sock_set_quickack(sk, 0);
}

/* On error @buf says what is wrong with the frame, or is empty. */
static int receive_frame(struct tcp_lane *t, char *buf)
{
	struct dvmm_xport_link *link = t->owner->link;
	u8 hdr[DVMM_XPORT_HDR] __aligned(8);
	struct page *page;
	u32 length;
	int err;

	ack_later(t);
	err = receive_bytes(t, hdr, sizeof(hdr));
	if (err)
		return err;
	length = get_unaligned_le32(hdr + DVMM_XPORT_LENGTH_AT);
	if (length > DVMM_XPORT_PAYLOAD_MAX) {
		snprintf(buf, WHY_LEN, "frame with %u bytes of payload on lane %u",
			 length, t->number);
		return -EPROTO;
	}
	err = receive_payload(t, length, &page);
	if (err)
		return err;
	t->rx_frames++;
	t->rx_bytes += sizeof(hdr) + length;
	if (!link->up->link_rx(link, t->number, hdr, page))
		return 0;
	strscpy(buf, "protocol error", WHY_LEN);
	return -EPROTO;
}

static void fill_greeting(struct dvmm_greeting *g, const struct tcp_lane *t, u16 from, u16 to)
{
	dvmm_greeting_fill(g, GREETING, t->number, t->owner->machine, from, to);
}

static int send_greeting(struct tcp_lane *t)
{
	struct tcp_link *l = t->owner;
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	struct dvmm_greeting g;
	struct kvec v = { &g, sizeof(g) };
	int n;

	fill_greeting(&g, t, l->self, l->peer);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &v, 1, sizeof(g));
	n = dvmm_tcp_sock_send(&t->held, &msg);
	if (n == sizeof(g))
		return 0;
	return n < 0 ? n : -EPIPE;
}

static int greet(struct tcp_lane *t, char *buf)
{
	struct tcp_link *l = t->owner;
	struct dvmm_greeting is, wanted;
	const char *why;
	int err;

	err = send_greeting(t);
	if (!err)
		err = receive_bytes(t, &is, sizeof(is));
	if (err)
		return err;
	fill_greeting(&wanted, t, l->peer, l->self);
	why = dvmm_greeting_wrong(&is, &wanted);
	if (!why && is.lane != wanted.lane)
		why = "the sockets are in the wrong order";
	if (!why)
		return 0;
	strscpy(buf, why, WHY_LEN);
	return -EPROTO;
}

/* The last lane to be greeted announces the link; nothing is received before. */
static void start_link(struct tcp_link *l)
{
	if (atomic_inc_return(&l->greeted) < DVMM_XPORT_LANES) {
		wait_event_idle(l->started, is_dead(l) || test_bit(LINK_UP, &l->flags));
		/* link_up may still run: frames come after it */
		mutex_lock(&l->upcall);
		mutex_unlock(&l->upcall);
		return;
	}
	mutex_lock(&l->upcall);
	if (!is_dead(l)) {
		set_bit(LINK_UP, &l->flags);
		wake_up_all(&l->started);
		l->link->up->link_up(l->link);
	}
	mutex_unlock(&l->upcall);
}

/* What page faults of others wait for must not itself wait for storage. */
static int read_lane(void *data)
{
	unsigned int noio = memalloc_noio_save();
	struct tcp_lane *t = data;
	struct tcp_link *l = t->owner;
	char buf[WHY_LEN] = "";
	int err;

	err = greet(t, buf);
	if (!err)
		start_link(l);
	while (!err && !is_dead(l))
		err = receive_frame(t, buf);
	if (err)
		fail_late(t, t->number == LANE_CTL, err, *buf ? buf : explain(err, buf));
	memalloc_noio_restore(noio);
	return 0;
}

/* Whatever it says meanwhile: it may say it one byte at a time. */
static void on_deadline(struct work_struct *work)
{
	struct tcp_link *l = container_of(to_delayed_work(work), struct tcp_link, deadline);
	char why[WHY_LEN];

	if (test_bit(LINK_UP, &l->flags))
		return;
	snprintf(why, sizeof(why), "the peer has not greeted on %u of %u lanes",
		 DVMM_XPORT_LANES - atomic_read(&l->greeted), DVMM_XPORT_LANES);
	fail(l, why);
}

/* ---- life of a link ---- */

static void init_lane(struct tcp_link *l, unsigned int i)
{
	struct tcp_lane *t = &l->lane[i];

	t->owner = l;
	t->number = i;
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->queue);
	init_waitqueue_head(&t->room);
	INIT_DELAYED_WORK(&t->writer, write_queue);
}

static struct tcp_link *new_link(struct dvmm_xport_link *link,
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
		init_lane(l, i);
	INIT_DELAYED_WORK(&l->deadline, on_deadline);
	return l;
}

static int new_reader(struct tcp_lane *t)
{
	struct task_struct *task;

	task = kthread_create(read_lane, t, "dvmm-tcp/%u-%u.%u", t->owner->self,
			      t->owner->peer, t->number);
	if (IS_ERR(task))
		return PTR_ERR(task);
	/* A vCPU must not keep a reader from the CPU: another node's vCPU waits for it. */
	set_user_nice(task, MIN_NICE);
	/* It may end by itself long before kthread_stop(). */
	t->reader = get_task_struct(task);
	return 0;
}

static void stop_readers(struct tcp_link *l)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		if (!l->lane[i].reader)
			continue;
		kthread_stop(l->lane[i].reader);
		put_task_struct(l->lane[i].reader);
	}
}

static void give_sockets(struct tcp_link *l)
{
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++)
		if (l->lane[i].held.sock)
			dvmm_tcp_sock_give(&l->lane[i].held);
}

static int take_sockets(struct tcp_link *l, const struct dvmm_xport_params *params)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < DVMM_XPORT_LANES && !err; i++)
		err = dvmm_tcp_sock_take(&l->lane[i].held, params->sock[i], on_writable);
	return err;
}

static int new_readers(struct tcp_link *l)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < DVMM_XPORT_LANES && !err; i++)
		err = new_reader(&l->lane[i]);
	return err;
}

static void start_readers(struct tcp_link *l)
{
	unsigned int seconds = READ_ONCE(timeout), i;

	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_tcp_sock_tune(&l->lane[i].held, seconds, i == LANE_CTL);
	queue_delayed_work(writers, &l->deadline, max(GREETING_MIN, 2 * seconds) * HZ);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		wake_up_process(l->lane[i].reader);
}

static int open_link(struct dvmm_xport_link *link, const struct dvmm_xport_params *params)
{
	struct tcp_link *l;
	unsigned int i;
	int err;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		err = dvmm_tcp_sock_check(params, i);
		if (err)
			return err;
	}
	l = new_link(link, params);
	if (!l)
		return -ENOMEM;
	err = take_sockets(l, params) ?: new_readers(l);
	if (err) {
		stop_readers(l);
		give_sockets(l);
		kfree_rcu(l, rcu);
		return err;
	}
	WRITE_ONCE(link->priv, l);
	start_readers(l);
	return 0;
}

static void close_link(struct dvmm_xport_link *link)
{
	struct tcp_link *l = dvmm_gate_take(link);
	unsigned int i;

	if (!l)
		return;
	kill_link(l);
	cancel_delayed_work_sync(&l->deadline);
	stop_readers(l);
	dvmm_gate_close(&l->gate);
	give_sockets(l);
	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		cancel_delayed_work_sync(&l->lane[i].writer);
		sockfd_put(l->lane[i].held.sock);
	}
	kfree_rcu(l, rcu);
}

static void show_lane(struct dvmm_xport_link *link, unsigned int lane, struct seq_file *m)
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
	.connect	= open_link,
	.disconnect	= close_link,
	.send		= send_frame,
	.show		= show_lane,
};

static int __init start_module(void)
{
	int err;

	writers = alloc_workqueue("dvmm-tcp", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!writers)
		return -ENOMEM;
	err = dvmm_transport_register(&tcp_ops);
	if (err)
		destroy_workqueue(writers);
	return err;
}

static void __exit end_module(void)
{
	dvmm_transport_unregister(&tcp_ops);
	destroy_workqueue(writers);
	/* kfree_rcu() of the last links needs nothing of this module */
}

module_init(start_module);
module_exit(end_module);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dvmm: links over TCP sockets");
MODULE_ALIAS("dvmm-transport-tcp");
MODULE_IMPORT_NS(DVMM);
