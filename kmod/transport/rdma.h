/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the RDMA transport share: rdma.c has the life of a link, rdma_lane.c
 * moves frames, rdma_cm.c makes, watches and ends connections, rdma_proof.c proves keys.
 *
 * Concurrency: rdma_lane.lock guards what it says.  Everything about the life of a
 * link - announcing it, trying again, giving its device back - is done by one work
 * item, rdma_link.life, or by disconnect() when that work item cannot run any more;
 * the connection manager's handlers and completions only set flags and kick it.  Until all
 * lanes are started, with RDMA_OPENING, connect() or listen() has the link for itself.
 * Lock order: none of these locks is held while another one is taken.
 * Teardown: listener, connections (drained), completion queue, protection domain,
 * memory of the slots; only then the link.
 */
#ifndef DVMM_TRANSPORT_RDMA_H
#define DVMM_TRANSPORT_RDMA_H

#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include "gate.h"
#include "greeting.h"

#define RDMA_CREDITS	64	/* frames that the peer of a lane has room for */
#define RDMA_RESERVE	4	/* room beside that, for messages without a frame */
#define RDMA_SLOTS	(RDMA_CREDITS + RDMA_RESERVE)
#define RDMA_PROOF	24	/* bytes of a proof that go over the wire */

struct rdma_lane;

/**
 * struct rdma_slot - a message on its way out, or room for one to come
 * @cqe: names the slot to the completion
 * @list: free, or arrived
 * @lane: whose it is
 * @hdr: DVMM_XPORT_HDR bytes of @lane->headers
 * @hdr_dma: the same, to the device
 * @page: out: of the frame; in: where a payload goes
 * @page_dma: the same, to the device
 * @xmit: out: the frame; NULL: a message without one
 * @bytes: in: what has arrived
 */
struct rdma_slot {
	struct ib_cqe cqe;
	struct list_head list;
	struct rdma_lane *lane;
	u8 *hdr;
	u64 hdr_dma;
	struct page *page;
	u64 page_dma;
	struct dvmm_xmit *xmit;
	u32 bytes;
};

/**
 * struct rdma_lane - one queue pair
 * @owner: the link
 * @number: which lane
 * @id: the connection, with its queue pair; NULL: none
 * @connected: both ends said so
 * @trouble: why nobody was found; static
 * @nonce: ours, in greetings of a link with a key
 * @challenge: asking: what the peer said that is to be proved; magic 0: nothing yet
 * @request: asking: our own greeting of this connection
 * @headers: memory of all slots' headers
 * @headers_dma: the same, to the device
 * @tx: slots for messages out
 * @rx: slots for messages in
 * @lock: guards the fields below, up to @bad
 * @open: messages may be posted to the queue pair of @id
 * @queue: frames to send
 * @queued: frames taken and not yet done
 * @credits: frames that the peer has room for
 * @owed: room that the peer has not been told of
 * @free: slots of @tx
 * @nfree: their number
 * @completed: counts messages that came back from the device
 * @seen: @completed at the last beat
 * @still: beats since which it has not moved, though something is posted
 * @arrived: slots of @rx with a frame for the core
 * @bad: the core has refused a frame: no more are handed up
 * @moved: woken when frames have been sent or handed up: the end waits for the last
 * @receiver: hands @arrived up
 * @tx_frames: frames sent
 * @tx_bytes: headers and payload sent
 * @tx_credits: messages without a frame
 * @rx_frames: frames received
 * @rx_bytes: headers and payload received
 */
struct rdma_lane {
	struct rdma_link *owner;
	unsigned int number;
	struct rdma_cm_id *id;
	bool connected;
	const char *trouble;
	u8 nonce[16];
	struct dvmm_greeting challenge;
	struct dvmm_greeting request;
	u8 *headers;
	u64 headers_dma;
	struct rdma_slot tx[RDMA_SLOTS];
	struct rdma_slot rx[RDMA_SLOTS];
	spinlock_t lock; /* see above */
	bool open;
	struct list_head queue;
	unsigned int queued;
	unsigned int credits;
	unsigned int owed;
	struct list_head free;
	unsigned int nfree;
	unsigned int completed;
	unsigned int seen;
	unsigned int still;
	struct list_head arrived;
	bool bad;
	wait_queue_head_t moved;
	struct work_struct receiver;
	u64 tx_frames;
	u64 tx_bytes;
	u64 tx_credits;
	u64 rx_frames;
	u64 rx_bytes;
};

/**
 * struct rdma_link - a link
 * @gate: keeps the link while send() runs; first
 * @link: what the core knows it by
 * @flags: RDMA_*
 * @why: reason of RDMA_DEAD, static or in @text
 * @text: room for @why
 * @fault: what the device has told of a queue pair, in whatever context; static
 * @machine: UUID
 * @self: this node
 * @peer: node at the other end
 * @passive: the peer connects to us
 * @secure: peers prove that they have the key
 * @mac: the key; NULL once all lanes are connected
 * @net: network namespace of whoever connected
 * @address: of the passive side
 * @begun: jiffies of the first connection; 0: none yet
 * @listener: where the peer asks for connections
 * @lock: guards @device, @pd, @cq, @mac (a mutex; handlers of several lanes come at once)
 * @device: all lanes are on this one
 * @pd: protection domain
 * @cq: completions of all lanes
 * @life: see above
 * @rcu: for kvfree_rcu()
 * @lane: the lanes
 */
struct rdma_link {
	struct dvmm_gate gate;
	struct dvmm_xport_link *link;
	unsigned long flags;
	const char *why;
	char text[80];
	const char *fault;
	u8 machine[16];
	u16 self;
	u16 peer;
	bool passive;
	bool secure;
	struct crypto_shash *mac;
	struct net *net;
	struct sockaddr_storage address;
	unsigned long begun;
	struct rdma_cm_id *listener;
	struct mutex lock; /* device, pd, cq, mac */
	struct ib_device *device;
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct delayed_work life;
	struct rcu_head rcu;
	struct rdma_lane lane[DVMM_XPORT_LANES];
};

enum {
	RDMA_UP,	/* frames may be sent */
	RDMA_HEARS,	/* link_up has returned: frames may be handed up */
	RDMA_DEAD,	/* nothing is sent any more */
	RDMA_CLOSED,	/* the peer has hung up */
	RDMA_TOLD,	/* link_down was called */
	RDMA_CLOSING,	/* disconnect() has begun */
	RDMA_AGAIN,	/* nobody listens yet: try again */
	RDMA_OPENING,	/* lanes are still being started: kicks wait */
};

extern struct workqueue_struct *dvmm_rdma_wq;
/* Apart: whoever hands frames up may stand still in the core. */
extern struct workqueue_struct *dvmm_rdma_rx_wq;

static inline bool dvmm_rdma_dead(const struct rdma_link *l)
{
	return test_bit(RDMA_DEAD, &l->flags);
}

/* rdma.c */

/**
 * dvmm_rdma_fail - the link is broken
 * @l: the link
 * @why: static, or in @l->text
 *
 * Context: any but hard irq.  The first reason counts.
 */
void dvmm_rdma_fail(struct rdma_link *l, const char *why);
/** dvmm_rdma_kick - let the life work look at the link, @delay jiffies from now */
void dvmm_rdma_kick(struct rdma_link *l, unsigned long delay);

/* rdma_lane.c */

/** dvmm_rdma_send - send() of the transport */
int dvmm_rdma_send(struct dvmm_xport_link *link, struct dvmm_xmit *x);
/** dvmm_rdma_lane_give_up - give back what was not posted; the rest comes back by itself */
void dvmm_rdma_lane_give_up(struct rdma_lane *t);
/** dvmm_rdma_lane_init - no memory yet */
void dvmm_rdma_lane_init(struct rdma_link *l, unsigned int number);
/** dvmm_rdma_lane_fill - memory for all slots, and room for messages; 0 or negative errno */
int dvmm_rdma_lane_fill(struct rdma_lane *t);
/** dvmm_rdma_lane_drain - the queue pair is gone: give all memory back */
void dvmm_rdma_lane_drain(struct rdma_lane *t);
/** dvmm_rdma_beat - ask the peer for a sign of life; every half second */
void dvmm_rdma_beat(struct rdma_link *l);

/* rdma_cm.c */

/** dvmm_rdma_open - begin to listen or to connect; 0 or negative errno */
int dvmm_rdma_open(struct rdma_link *l);
/** dvmm_rdma_retry - begin anew with the lanes that found nobody, or leave it to who asks */
void dvmm_rdma_retry(struct rdma_link *l);
/** dvmm_rdma_hang_up - end a lane's connection; its completions have all come then */
void dvmm_rdma_hang_up(struct rdma_lane *t);
/** dvmm_rdma_deaf - nobody can ask for a connection any more */
void dvmm_rdma_deaf(struct rdma_link *l);
/** dvmm_rdma_release - end all connections and give the device back */
void dvmm_rdma_release(struct rdma_link *l);

/* rdma_proof.c */

/** dvmm_rdma_proof_init - 0; -ENOKEY: @key is all 0; or another negative errno */
int dvmm_rdma_proof_init(struct rdma_link *l, const u8 *key);
/** dvmm_rdma_proof_exit - forget the key */
void dvmm_rdma_proof_exit(struct rdma_link *l);
/**
 * dvmm_rdma_prove - make a proof of RDMA_PROOF bytes
 * @l: the link
 * @asking: of the side that asks for the connection
 * @request: what that side has said
 * @challenge: what the other side has said
 * @proof: filled
 *
 * Return: false if the key is forgotten already.  Context: process.
 */
bool dvmm_rdma_prove(struct rdma_link *l, bool asking, const struct dvmm_greeting *request,
		     const struct dvmm_greeting *challenge, u8 *proof);
/** dvmm_rdma_proved - true if @proof is the peer's */
bool dvmm_rdma_proved(struct rdma_link *l, bool asking, const struct dvmm_greeting *request,
		      const struct dvmm_greeting *challenge, const u8 *proof);
/** dvmm_rdma_new_nonce - what was proved with the old one proves nothing any more */
void dvmm_rdma_new_nonce(struct rdma_lane *t);

#endif
