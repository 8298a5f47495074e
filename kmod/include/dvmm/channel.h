/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contract between dvmm.ko and services that talk between nodes beside the
 * coherence protocol: interrupts, clock, and (through channel descriptors)
 * userspace.
 *
 * A channel is a number; its messages travel on the CTL lane, in order between
 * any two nodes.  Teardown: dvmm_channel_close() returns when no rx() runs or
 * will run.
 */
#ifndef DVMM_CHANNEL_H
#define DVMM_CHANNEL_H

#include <linux/types.h>

struct dvmm_machine;
struct dvmm_channel;

/**
 * struct dvmm_channel_ops - what a service of a channel offers
 * @rx: a message from @node.  @data holds @length bytes (0 .. 4096), valid
 *	during the call.  Process context, serialised per sending node; must not
 *	wait for another message.  Negative: the message is malformed and the link
 *	goes down.
 * @node_up: optional: messages to @node can be sent from now on
 * @node_down: optional: @node is gone
 */
struct dvmm_channel_ops {
	int (*rx)(void *priv, u16 node, u8 type, u64 id, const void *data,
		  unsigned int length);
	void (*node_up)(void *priv, u16 node);
	void (*node_down)(void *priv, u16 node);
};

/**
 * dvmm_channel_open - become the service of a channel
 * @m: the machine (this node's membership)
 * @id: channel number
 * @ops: static
 * @priv: handed to @ops
 *
 * Return: a channel or ERR_PTR(-EBUSY) if the id is taken.  Process context.
 */
struct dvmm_channel *dvmm_channel_open(struct dvmm_machine *m, u16 id,
				       const struct dvmm_channel_ops *ops, void *priv);

/** dvmm_channel_close - stop being it; process context, waits for rx() */
void dvmm_channel_close(struct dvmm_channel *c);

/**
 * dvmm_channel_send - send a message
 * @c: the channel
 * @node: receiver, not this node
 * @type: free for the service
 * @id: free for the service
 * @data: copied
 * @length: 0 .. 4096
 *
 * Process context; may wait for room (killable).
 * Return: 0, -ENOTCONN if there is no link or one end is no member, -EMSGSIZE, -EINTR, -ENOMEM.
 */
int dvmm_channel_send(struct dvmm_channel *c, u16 node, u8 type, u64 id,
		      const void *data, unsigned int length);

/**
 * dvmm_channel_try_send - the same, without waiting
 * @c: the channel
 * @node: receiver, not this node
 * @type: free for the service
 * @id: free for the service
 * @data: copied
 * @length: 0 .. 4096
 *
 * For rx(), which MUST NOT wait for room.  Return: as dvmm_channel_send(), or
 * -EAGAIN if there is no room.
 */
int dvmm_channel_try_send(struct dvmm_channel *c, u16 node, u8 type, u64 id,
			  const void *data, unsigned int length);

/** dvmm_machine_self - this node's number */
u16 dvmm_machine_self(const struct dvmm_machine *m);
/** dvmm_machine_has - does the node belong to the machine at present?  Any context */
bool dvmm_machine_has(const struct dvmm_machine *m, u16 node);
/** dvmm_machine_needs - is the loss of this node the end of the machine here?  Any context */
bool dvmm_machine_needs(const struct dvmm_machine *m, u16 node);
/** dvmm_machine_nodes - number of nodes of the machine, present or not */
u16 dvmm_machine_nodes(const struct dvmm_machine *m);
/**
 * dvmm_machine_fail - stop the machine on all nodes
 * @m: the machine
 * @fmt: the reason, shown to the user on every node
 *
 * Any context.  The first reason wins.
 */
__printf(2, 3) void dvmm_machine_fail(struct dvmm_machine *m, const char *fmt, ...);

#endif
