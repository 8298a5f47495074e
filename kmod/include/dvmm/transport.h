/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contract between dvmm.ko and its transports.
 *
 * A transport moves frames between two nodes over a link of DVMM_XPORT_LANES
 * ordered lanes.  A frame is a fixed header and at most one page of payload.
 * Lanes are independent: a lane whose receiver is slow must not hold up
 * another.  Frames are never lost, duplicated or reordered within a lane while
 * the link is up; a transport that cannot keep this promise reports link_down.
 *
 * Life of a link:
 *   connect or listen -> link_up -> send / link_rx ... -> link_down (exactly once
 *   after link_up or a failed connect) ; disconnect may be called at any time
 *   after connect or listen and returns when no upcall runs or will run and
 *   every frame has been handed to xmit_done.
 *
 * Teardown order: disconnect every link, then unregister the transport.
 */
#ifndef DVMM_TRANSPORT_H
#define DVMM_TRANSPORT_H

#include <linux/types.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/unaligned.h>

struct page;
struct seq_file;

#define DVMM_TRANSPORT_VERSION	7
#define DVMM_XPORT_LANES	4
#define DVMM_XPORT_LANE_LAST	3	/* carries the last words; userspace may hold it up */
#define DVMM_XPORT_HDR		40	/* bytes of every frame's header */
#define DVMM_XPORT_LENGTH_AT	12	/* le32 in the header: bytes of payload */
#define DVMM_XPORT_NUMBER_AT	28	/* le32 in the header: see dvmm_xport_number() */
#define DVMM_XPORT_PAYLOAD_MAX	4096
#define DVMM_XPORT_KEY		32
#define DVMM_XPORT_QUEUE	1024	/* frames on their way: then datagrams wait, in the core */

/**
 * struct dvmm_xmit - a frame on its way out
 * @list: the transport's while it owns the frame
 * @hdr: the header, as it goes on the wire
 * @length: bytes of payload, 0 .. DVMM_XPORT_PAYLOAD_MAX; equals the header's
 * @lane: 0 .. DVMM_XPORT_LANES - 1
 * @page: order-0 page whose first @length bytes are the payload; NULL if none.
 *	Nobody MAY write to it from send() on: a transport MAY take references of its
 *	own, and refer to the page beyond xmit_done
 *
 * Allocated and freed by the core; between send() and xmit_done() the
 * transport owns it.
 */
struct dvmm_xmit {
	struct list_head list;
	u8 hdr[DVMM_XPORT_HDR] __aligned(8);
	u32 length;
	u8 lane;
	struct page *page;
};

/**
 * struct dvmm_xport_params - how to reach the peer
 * @machine: UUID of the machine
 * @self: this node
 * @peer: the node at the other end
 * @sock: connected sockets (references owned by the core until connect()
 *	returned 0, then by the transport, which drops them with sockfd_put());
 *	NULL where the transport does not use sockets
 * @address: transport-specific text
 * @secure: the peer MUST have proved that it belongs to the machine before link_up; a
 *	transport that cannot tell strangers from peers refuses with -ENOKEY.  Within
 *	one kernel there are no strangers
 * @key: DVMM_XPORT_KEY bytes that peers have in common, all 0 if there are none; valid
 *	during connect() and listen().  Whoever copies it MUST wipe the copy once it is of
 *	no more use
 */
struct dvmm_xport_params {
	const u8 *machine;
	u16 self;
	u16 peer;
	struct socket *sock[DVMM_XPORT_LANES];
	const char *address;
	bool secure;
	const u8 *key;
};

/**
 * struct dvmm_xport_link - one link as core and transport share it
 * @up: upcalls, set by the core before connect()
 * @ops: the transport
 * @core: the core's own
 * @priv: the transport's own, set in connect()
 * @numbered: frames numbered so far on each lane; the lane's lock guards it
 */
struct dvmm_xport_link {
	const struct dvmm_transport_upcalls *up;
	const struct dvmm_transport_ops *ops;
	void *core;
	void *priv;
	u32 numbered[DVMM_XPORT_LANES];
};

/**
 * dvmm_xport_number - write a frame's number on its lane into its header
 * @link: the link
 * @x: the frame
 *
 * A transport MUST call it once for each frame that send() takes, under the lock
 * that gives the frames of a lane their order.  The receiving core takes a link
 * down whose numbers have a gap.  The count outlives the transport's private part.
 */
static inline void dvmm_xport_number(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	put_unaligned_le32(link->numbered[x->lane]++, x->hdr + DVMM_XPORT_NUMBER_AT);
}

/**
 * struct dvmm_transport_upcalls - what a transport calls
 * @link_up: both directions of all lanes work.  Process context.
 * @link_down: the link is broken; @why is a text, valid during the call.  Called
 *	exactly once unless disconnect() came first.  Process context; must not
 *	call disconnect() from here.
 * @link_rx: a frame has arrived.  @hdr is valid during the call; @page (NULL if
 *	the header's length is 0) becomes the core's, which may make it a frame of
 *	guest memory: the transport received the payload straight into it, and
 *	bytes past the length are zero.  Process context, may sleep briefly; in the
 *	scope of memalloc_noio_save(), since page faults of others wait for what it
 *	does, perhaps those of whoever writes memory back; serialised per lane.
 *	Non-zero return: the frame was bad; the transport takes the link down with
 *	"protocol error" if the core did not name a reason.
 * @xmit_done: the frame given to send() is no longer needed, sent or not.
 *	Any context in which spinlocks may be taken with BHs off, not hard irq.
 */
struct dvmm_transport_upcalls {
	void (*link_up)(struct dvmm_xport_link *link);
	void (*link_down)(struct dvmm_xport_link *link, const char *why);
	int (*link_rx)(struct dvmm_xport_link *link, unsigned int lane,
		       const void *hdr, struct page *page);
	void (*xmit_done)(struct dvmm_xport_link *link, struct dvmm_xmit *x);
};

/**
 * struct dvmm_transport_ops - a transport
 * @name: as given by userspace; module alias "dvmm-transport-<name>"
 * @owner: THIS_MODULE
 * @version: DVMM_TRANSPORT_VERSION; another one is refused at registration
 * @size: sizeof(struct dvmm_transport_ops)
 * @listen: wait for the peer; for transports where one side is passive.  The
 *	core calls listen() on the lower node if the transport has it, else
 *	connect() on both; disconnect() ends either.  Errors: negative errno,
 *	nothing is left behind
 * @connect: start the link; link_up follows, perhaps before connect() returns.
 *	Process context.  0 or negative errno; on error nothing is left behind
 * @disconnect: end the link; see "Life of a link".  Process context, sleeps
 * @send: queue a frame.  Process context, MAY sleep briefly.  It MUST NOT wait for
 *	room, nor refuse for want of it: the protocol's own messages are sent from
 *	link_rx, which must not wait.  The core bounds how many frames are queued.
 *	0: the transport owns @x.  Negative errno (-ENOTCONN after link_down or
 *	disconnect): the caller still owns it.
 *	Any number of callers at once; order of frames of one caller is kept
 * @show: optional: counters of a lane for debugfs, as " key: value" pairs on one
 *	line; a value holds no blank.  "path" says what happens to a page on its
 *	way.  At any time, as @send; may sleep
 */
struct dvmm_transport_ops {
	const char *name;
	struct module *owner;
	u32 version;
	u32 size;
	int (*listen)(struct dvmm_xport_link *link,
		      const struct dvmm_xport_params *params);
	int (*connect)(struct dvmm_xport_link *link,
		       const struct dvmm_xport_params *params);
	void (*disconnect)(struct dvmm_xport_link *link);
	int (*send)(struct dvmm_xport_link *link, struct dvmm_xmit *x);
	void (*show)(struct dvmm_xport_link *link, unsigned int lane, struct seq_file *m);
};

/**
 * dvmm_transport_register - offer a transport
 * @ops: static; stays valid until unregistered
 *
 * Return: 0, -EEXIST for a name that is taken, -EINVAL for a version or size
 * that this dvmm.ko does not know (with a line in the kernel log).
 */
int dvmm_transport_register(const struct dvmm_transport_ops *ops);

/**
 * dvmm_transport_unregister - withdraw a transport
 * @ops: as registered
 *
 * Links hold a reference on @ops->owner, so no link uses it any more.
 */
void dvmm_transport_unregister(const struct dvmm_transport_ops *ops);

/**
 * dvmm_transport_get - find a transport, loading its module if need be
 * @name: e.g. "tcp"
 *
 * Return: the transport with a reference on its module, to be given back with
 * dvmm_transport_put(), or NULL.  Process context.
 */
const struct dvmm_transport_ops *dvmm_transport_get(const char *name);

/**
 * dvmm_xport_page - a page to receive a payload in
 *
 * A receiver MUST take its pages here: it never fails for want of memory, and while
 * there are pages in reserve it does not reclaim any itself.  Return: a page with one
 * reference, its contents undefined.  Process context, may sleep.
 */
struct page *dvmm_xport_page(void);

/** dvmm_transport_put - give back what dvmm_transport_get() returned */
void dvmm_transport_put(const struct dvmm_transport_ops *ops);

#endif
