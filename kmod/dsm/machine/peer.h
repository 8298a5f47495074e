/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a peer has under way here, so that no peer can take a host's memory.
 *
 * A fair peer has a message or a transaction open for each thread that waits for
 * a page and for each page that it reads ahead or gives back: far fewer than
 * DVMM_PEER_MAX.  One that has more is fenced.  To make it wait instead would not
 * do: UNBLOCK, which ends a transaction, comes on the lane of the requests.
 */
#ifndef DVMM_PEER_H
#define DVMM_PEER_H

#include <linux/atomic.h>

#define DVMM_PEER_MAX	16384

/**
 * struct dvmm_peer - counts of one node, kept by another
 * @parked: its messages that wait in a flight
 * @served: transactions that its UNBLOCK has to end
 * @gone: lanes on which it has said GONE, a bit each; under m->members.lock
 */
struct dvmm_peer {
	atomic_t parked;
	atomic_t served;
	u8 gone;
};

#endif
