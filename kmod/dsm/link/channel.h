/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Channels inside dvmm.ko: delivery, and channels owned by userspace.
 *
 * Datagrams that arrive before their channel exists are kept (at most
 * DVMM_EARLY_MAX a machine).  A userspace channel whose reader lets more than
 * DVMM_UNREAD_MAX pile up, or a node whose channels hold more than
 * DVMM_UNREAD_BYTES together, stops the machine: to wait would hold up
 * interrupts, which share the lane.
 *
 * Locks: rx() runs under the SRCU of channel.c; m->early_lock (mutex) orders the
 * opening of a channel with datagrams that found none.
 */
#ifndef DVMM_CHANNEL_INTERNAL_H
#define DVMM_CHANNEL_INTERNAL_H

#include <linux/dvmm.h>

#include "engine/wire.h"
#include "machine/machine.h"

#define DVMM_EARLY_MAX	1024
#define DVMM_UNREAD_MAX	16384
#define DVMM_UNREAD_BYTES	(32l << 20)

/** dvmm_channel_create_fd - DVMM_CREATE_CHANNEL; a descriptor or -errno */
int dvmm_channel_create_fd(struct dvmm_machine *m, const struct dvmm_create_channel *arg);
/** dvmm_channel_receive - deliver a datagram; NULL or what is wrong with it */
const char *dvmm_channel_receive(struct dvmm_machine *m, u16 node,
				 const struct dvmm_frame *f, const void *data);
void dvmm_channels_node_up(struct dvmm_machine *m, u16 node);
/** dvmm_channels_wake - readers of a stopped machine get an end of file */
void dvmm_channels_wake(struct dvmm_machine *m);
/** dvmm_channels_free_early - drop what nobody came for; after the last link has gone */
void dvmm_channels_free_early(struct dvmm_machine *m);

#endif
