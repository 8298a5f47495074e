/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the TCP transport share: tcp.c has the life of a link, tcp_send.c
 * and tcp_receive.c move frames, tcp_sock.c holds sockets.
 */
#ifndef DVMM_TRANSPORT_TCP_H
#define DVMM_TRANSPORT_TCP_H

#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <dvmm/transport.h>
#include "gate.h"
#include "tcp_sock.h"

#define TCP_WHY_LEN	64

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

extern struct workqueue_struct *dvmm_tcp_writers;

static inline bool dvmm_tcp_dead(const struct tcp_link *l)
{
	return test_bit(LINK_DEAD, &l->flags);
}

/* tcp.c */

/**
 * dvmm_tcp_fail_late - a lane has come to its end
 * @t: the lane
 * @ctl_reader: true for the reader of CTL
 * @err: what the socket said
 * @why: the same in words
 *
 * From readers and writers only, so that disconnect() can wait for it.
 */
void dvmm_tcp_fail_late(struct tcp_lane *t, bool ctl_reader, int err, const char *why);
/** dvmm_tcp_explain - an error in words, static or in @buf of TCP_WHY_LEN bytes */
const char *dvmm_tcp_explain(int err, char *buf);

/* tcp_send.c */

/** dvmm_tcp_send - send() of the transport */
int dvmm_tcp_send(struct dvmm_xport_link *link, struct dvmm_xmit *x);
/** dvmm_tcp_write_queue - work of a lane's writer */
void dvmm_tcp_write_queue(struct work_struct *work);
/** dvmm_tcp_writable - the socket has room again.  In softirq */
void dvmm_tcp_writable(struct tcp_sock_held *s);
/** dvmm_tcp_lane_end - the link is dead: its reader finds out, what is queued is done with */
void dvmm_tcp_lane_end(struct tcp_lane *t);

/* tcp_receive.c */

/** dvmm_tcp_read - what a lane's reader does: greet, and hand frames up until the end */
int dvmm_tcp_read(void *data);

#endif
