// SPDX-License-Identifier: GPL-2.0
/*
 * Frames in.  Each lane has a thread that sleeps in recvmsg(), and receives payload
 * straight into the page that goes up.
 *
 * Both ends begin each lane with a greeting, so that sockets in the wrong order,
 * of another machine or of something that is not dvmm at all are told apart
 * before the first frame.
 */
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/tcp.h>
#include <linux/unaligned.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <uapi/linux/tls.h>

#include "greeting.h"
#include "tcp.h"

#define GREETING	"dvmm-tcp"

/* Content types of TLS records, RFC 8446 section 5.1 */
#define TLS_ALERT	21
#define TLS_DATA	23

/* The type of TLS record that the bytes came from; data where there is no TLS. */
static u8 lane_record_type(const struct msghdr *msg, struct cmsghdr *cmsg, size_t room)
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
static int lane_receive(struct tcp_lane *t, struct msghdr *msg)
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
		switch (lane_record_type(msg, &control.hdr, sizeof(control))) {
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

static int lane_receive_bytes(struct tcp_lane *t, void *to, size_t length)
{
	struct kvec v = { to, length };
	struct msghdr msg = {};

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &v, 1, length);
	return lane_receive(t, &msg);
}

static int lane_receive_page(struct tcp_lane *t, struct page *page, size_t length)
{
	struct msghdr msg = {};
	struct bio_vec v;

	bvec_set_page(&v, page, length, 0);
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, &v, 1, length);
	return lane_receive(t, &msg);
}

static int lane_receive_payload(struct tcp_lane *t, u32 length, struct page **page)
{
	struct page *p;
	int err;

	*page = NULL;
	if (!length)
		return 0;
	p = dvmm_xport_page();
	err = lane_receive_page(t, p, length);
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
static void lane_ack_later(struct tcp_lane *t)
{
	struct sock *sk = t->held.sock->sk;

	/* Looked at without the socket's lock: it is for speed, and mostly so already. */
	if (!data_race(inet_csk_in_pingpong_mode(sk)))
		tcp_sock_set_quickack(sk, 0);
}

/* On error @buf says what is wrong with the frame, or is empty. */
static int lane_receive_frame(struct tcp_lane *t, char *buf)
{
	struct dvmm_xport_link *link = t->owner->link;
	u8 hdr[DVMM_XPORT_HDR] __aligned(8);
	struct page *page;
	u32 length;
	int err;

	lane_ack_later(t);
	err = lane_receive_bytes(t, hdr, sizeof(hdr));
	if (err)
		return err;
	length = get_unaligned_le32(hdr + DVMM_XPORT_LENGTH_AT);
	if (length > DVMM_XPORT_PAYLOAD_MAX) {
		snprintf(buf, TCP_WHY_LEN, "frame with %u bytes of payload on lane %u",
			 length, t->number);
		return -EPROTO;
	}
	err = lane_receive_payload(t, length, &page);
	if (err)
		return err;
	t->rx_frames++;
	t->rx_bytes += sizeof(hdr) + length;
	if (!link->up->link_rx(link, t->number, hdr, page))
		return 0;
	strscpy(buf, "protocol error", TCP_WHY_LEN);
	return -EPROTO;
}

/* ---- greeting ---- */

static void lane_fill_greeting(struct dvmm_greeting *g, const struct tcp_lane *t, u16 from, u16 to)
{
	dvmm_greeting_fill(g, GREETING, t->number, t->owner->machine, from, to);
}

static int lane_send_greeting(struct tcp_lane *t)
{
	struct tcp_link *l = t->owner;
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	struct dvmm_greeting g;
	struct kvec v = { &g, sizeof(g) };
	int n;

	lane_fill_greeting(&g, t, l->self, l->peer);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &v, 1, sizeof(g));
	n = dvmm_tcp_sock_send(&t->held, &msg);
	if (n == sizeof(g))
		return 0;
	return n < 0 ? n : -EPIPE;
}

static int lane_greet(struct tcp_lane *t, char *buf)
{
	struct tcp_link *l = t->owner;
	struct dvmm_greeting is, wanted;
	const char *why;
	int err;

	err = lane_send_greeting(t);
	if (!err)
		err = lane_receive_bytes(t, &is, sizeof(is));
	if (err)
		return err;
	lane_fill_greeting(&wanted, t, l->peer, l->self);
	why = dvmm_greeting_wrong(&is, &wanted);
	if (!why && is.lane != wanted.lane)
		why = "the sockets are in the wrong order";
	if (!why)
		return 0;
	strscpy(buf, why, TCP_WHY_LEN);
	return -EPROTO;
}

/* ---- the reader ---- */

/* The last lane to be greeted announces the link; nothing is received before. */
static void link_start(struct tcp_link *l)
{
	if (atomic_inc_return(&l->greeted) < DVMM_XPORT_LANES) {
		wait_event_idle(l->started, dvmm_tcp_dead(l) || test_bit(LINK_UP, &l->flags));
		/* link_up may still run: frames come after it */
		mutex_lock(&l->upcall);
		mutex_unlock(&l->upcall);
		return;
	}
	mutex_lock(&l->upcall);
	if (!dvmm_tcp_dead(l)) {
		set_bit(LINK_UP, &l->flags);
		wake_up_all(&l->started);
		l->link->up->link_up(l->link);
	}
	mutex_unlock(&l->upcall);
}

/* What page faults of others wait for must not itself wait for storage. */
int dvmm_tcp_read(void *data)
{
	unsigned int noio = memalloc_noio_save();
	struct tcp_lane *t = data;
	struct tcp_link *l = t->owner;
	char buf[TCP_WHY_LEN] = "";
	int err;

	err = lane_greet(t, buf);
	if (!err)
		link_start(l);
	while (!err && !dvmm_tcp_dead(l))
		err = lane_receive_frame(t, buf);
	if (err)
		dvmm_tcp_fail_late(t, t->number == DVMM_XPORT_LANE_LAST, err,
				   *buf ? buf : dvmm_tcp_explain(err, buf));
	memalloc_noio_restore(noio);
	return 0;
}
