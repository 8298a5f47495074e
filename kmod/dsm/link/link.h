/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A link: this node's connection to one other node.
 *
 *	IDLE -> CONNECTING -> HELLO -> UP -> DOWN
 *
 * A link comes up when the transport says so and the peer's HELLO fits ours.
 * A machine that lost a link that was UP to a member (members.h) has stopped, and there is
 * no way back.  What else goes wrong costs the link alone, since nothing of the machine was the
 * peer's: the link is DOWN, and IDLE once the transport has let go of it.
 *
 * Ownership: m->links holds a reference until the machine leaves; the
 * descriptor holds another.  Lock: @lock guards @state, @agreed and @why, and @let_go is
 * queued under it.
 */
#ifndef DVMM_LINK_H
#define DVMM_LINK_H

#include <linux/kref.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/dvmm.h>

#include <dvmm/transport.h>

#include "batch.h"
#include "engine/wire.h"

struct dvmm_machine;
struct page;
struct seq_file;

enum dvmm_link_state {
	DVMM_LINK_IDLE,
	DVMM_LINK_CONNECTING,
	DVMM_LINK_HELLO,
	DVMM_LINK_UP,
	DVMM_LINK_DOWN,
};

/* Headers and payload in the bytes. */
struct dvmm_link_counts {
	u64 sent;
	u64 received;
	u64 bytes_sent;
	u64 bytes_received;
};

/**
 * struct dvmm_link_upcalls - what a machine's links have others do; as its descriptor says
 * @first: the first link is about to be connected: regions stay as they are; m->lock held
 * @coherence: a message about memory: dvmm_message_receive()
 * @membership: a message of a member: dvmm_membership_receive()
 */
struct dvmm_link_upcalls {
	void (*first)(struct dvmm_machine *m);
	const char *(*coherence)(struct dvmm_link *l, const struct dvmm_frame *f,
				 struct page **page);
	const char *(*membership)(struct dvmm_link *l, unsigned int lane,
				  const struct dvmm_frame *f);
};

struct dvmm_link {
	struct kref ref;
	struct rcu_head rcu;
	struct dvmm_machine *m;
	u16 peer;
	struct dvmm_xport_link x;
	spinlock_t lock;		/* guards these three */
	enum dvmm_link_state state;
	bool agreed;			/* it was UP since it was IDLE */
	char why[DVMM_REASON_LEN];	/* what went wrong first, and cost only the link */
	struct work_struct let_go;	/* from DOWN to IDLE */
	struct delayed_work hello_due;	/* the peer must have said HELLO by then */
	struct dvmm_terms terms;	/* agreed on; constant from UP on */
	bool open;			/* there is a descriptor; under m->lock */
	bool attached;			/* connect() succeeded: disconnect() is due */
	bool bye;			/* the peer has said why it stops */
	atomic_t in_flight;		/* frames the transport owns */
	atomic_t answers;		/* of these, on the lanes FWD and RSP */
	atomic_t words;			/* of these, on the lane CTL */
	atomic_t bulk;			/* of those, datagrams of userspace */
	struct dvmm_batch batch[DVMM_BATCH_LANES];
	u32 due[DVMM_LANES];		/* number of the next frame; each lane's reader's own */
	struct dvmm_link_counts __percpu *counts;
	wait_queue_head_t wait;		/* state, in_flight, answers, words, bulk */
};

int dvmm_link_init(void);
void dvmm_link_exit(void);

/** dvmm_link_create_fd - DVMM_CREATE_LINK; a descriptor or -errno */
int dvmm_link_create_fd(struct dvmm_machine *m, const struct dvmm_create_link *arg);

/**
 * dvmm_link_claim - a link for a new descriptor: a new one, or one that is idle and has none
 * @m: the machine
 * @peer: the other end
 * @ops: its transport; the link's, or given back
 *
 * Return: a link with a reference for the descriptor; ERR_PTR(-ENOMEM), (-EEXIST): it has one,
 * or (-EIO): the machine has stopped.
 */
struct dvmm_link *dvmm_link_claim(struct dvmm_machine *m, u16 peer,
				  const struct dvmm_transport_ops *ops);
/** dvmm_link_move - from one state to another, but DOWN stays; returns the one before */
enum dvmm_link_state dvmm_link_move(struct dvmm_link *l, enum dvmm_link_state to);

/** dvmm_link_get - the link to @node, or NULL; dvmm_link_put() it */
struct dvmm_link *dvmm_link_get(struct dvmm_machine *m, u16 node);
void dvmm_link_put(struct dvmm_link *l);
/** dvmm_link_send_on - hand a frame to the transport, whatever waits; 0 or -errno */
int dvmm_link_send_on(struct dvmm_link *l, struct dvmm_frame *f, struct page *page);
/** dvmm_link_sent - what came of sending: stop the machine unless all is well */
void dvmm_link_sent(struct dvmm_machine *m, u16 node, int ret);

/**
 * dvmm_link_send - send a frame without waiting for room
 * @m: the machine
 * @node: receiver
 * @frame: what; the sender is filled in
 * @page: payload of @frame->length bytes or NULL; consumed
 *
 * A frame that cannot be sent because the link is down is dropped: the machine
 * stops for that very reason.  Process context.
 */
void dvmm_link_send(struct dvmm_machine *m, u16 node, struct dvmm_frame *frame,
		    struct page *page);

/*
 * dvmm_link_send_wait - the same with a datagram, waiting for room
 *
 * Killable.  Return: 0; -EINTR; -ENOTCONN when the link or the machine is at its end.
 */
int dvmm_link_send_wait(struct dvmm_machine *m, u16 node, struct dvmm_frame *frame,
			struct page *page);

/** dvmm_link_try_send - the same, without waiting; -EAGAIN if there is no room */
int dvmm_link_try_send(struct dvmm_machine *m, u16 node, struct dvmm_frame *frame,
		       struct page *page);

/**
 * dvmm_link_await_room - wait until the peer has read enough of our answers
 * @l: the link
 *
 * For the reader of lane REQ, before it looks at a request: what answers it goes
 * on FWD and RSP, whose readers never wait for REQ.  Returns at once, and MAY
 * return without room, when link or machine are at their end.
 */
void dvmm_link_await_room(struct dvmm_link *l);

/**
 * dvmm_link_is_calm - does a peer have little to read that it has not asked for?
 * @m: the machine
 * @node: the peer; true of one without a link
 *
 * For who sends frames as fast as it can, before each: if not, it MUST NOT send this one now.
 */
bool dvmm_link_is_calm(struct dvmm_machine *m, u16 node);

/**
 * dvmm_link_fail - something is wrong with a link
 * @l: the link
 * @fmt: what
 *
 * The end of the machine if the link was UP to a member, else what LINK_DOWN will say; only the
 * first reason counts.  The caller takes the link down.
 */
__printf(2, 3)
void dvmm_link_fail(struct dvmm_link *l, const char *fmt, ...);

/** dvmm_link_give_up - the same, and takes it down; process context */
__printf(2, 3)
void dvmm_link_give_up(struct dvmm_link *l, const char *fmt, ...);

/** dvmm_link_reason - what BYE says on a link that is given up: the link's, or the machine's */
const char *dvmm_link_reason(const struct dvmm_link *l);

/** dvmm_link_fence - @node broke the protocol: stop, and say why to everyone */
void dvmm_link_fence(struct dvmm_machine *m, u16 node, const char *why);
/** dvmm_link_matters - was it UP to a member, so that its loss is the machine's end? */
bool dvmm_link_matters(const struct dvmm_link *l);
/** dvmm_link_speaks - has @node agreed to a feature? */
bool dvmm_link_speaks(struct dvmm_machine *m, u16 node, u64 feature);
/** dvmm_link_say_bye - tell one peer why its link is given up; it hangs up */
void dvmm_link_say_bye(struct dvmm_machine *m, u16 node, const char *reason);
/** dvmm_link_is_up - true if frames can be sent to @node */
bool dvmm_link_is_up(struct dvmm_machine *m, u16 node);
/** dvmm_links_bye - tell all peers why this machine stops */
void dvmm_links_bye(struct dvmm_machine *m, const char *reason);
/** dvmm_links_close - let what is queued leave (bounded), then disconnect */
void dvmm_links_close(struct dvmm_machine *m);
/** dvmm_link_sum - what has gone over a link so far */
struct dvmm_link_counts dvmm_link_sum(const struct dvmm_link *l);
void dvmm_links_show(struct dvmm_machine *m, struct seq_file *seq);
/** dvmm_lanes_show - a row a lane, as its transport tells */
void dvmm_lanes_show(struct dvmm_machine *m, struct seq_file *seq);

#endif
