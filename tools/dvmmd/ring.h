/* SPDX-License-Identifier: GPL-2.0 */
/* The group of dvmmds as corosync gives it: members, messages in one order, quorum. */
#ifndef DVMMD_RING_H
#define DVMMD_RING_H

#include "replica.h"

/**
 * struct ring_ops - what the group gives; in its order, except @quorum
 * @view: as replica_view()
 * @message: as replica_take()
 * @quorum: as replica_quorum()
 * @gone: corosync has ended; the ring is closed already
 */
struct ring_ops {
	void (*view)(void *arg, const struct replica_ring *ring,
		     const struct replica_member *members, unsigned int n);
	void (*message)(void *arg, unsigned int sender, const char *data, size_t len);
	void (*quorum)(void *arg, const struct replica_ring *ring, bool quorate,
		       const unsigned int *nodes, unsigned int n, unsigned int enough);
	void (*gone)(void *arg);
};

struct ring;

/**
 * ring_open - joins the group
 * @why: what is wrong, one line to be freed
 *
 * Return: NULL and @why.
 */
struct ring *ring_open(const struct ring_ops *ops, void *arg, char **why);
void ring_close(struct ring *ring);

/** ring_self - this host's node id */
unsigned int ring_self(const struct ring *ring);
/** ring_address - where the others reach this host, to be freed; "": it is not known */
char *ring_address(const struct ring *ring);
/** ring_send - to all members, this one too; in the order of calls */
void ring_send(struct ring *ring, const char *text);
/** ring_is_pair - two hosts, and no third vote */
bool ring_is_pair(const struct ring *ring);

#endif
