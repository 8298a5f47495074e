/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Between the conformance suite of the transports and its kernel module: one
 * struct for all requests on /dev/dvmm-xport-test.
 */
#ifndef XPORT_TEST_H
#define XPORT_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XT_LANES	4
#define XT_TEXT		128

/**
 * struct xt_request - a request and its result
 * @transport: OPEN: name
 * @address: OPEN: where end 0 listens, if the transport does
 * @fd: OPEN: sockets of end 0, then of end 1; -1 where there is none
 * @flags: XT_*
 * @lanes: bit mask
 * @frames: how many, for each lane and stream
 * @streams: senders on a lane
 * @bytes: payload; XT_RANDOM_LENGTH overrides
 * @seed: of lengths and contents
 * @ms: how long to wait
 * @out: results, by request
 * @text: result: what is wrong, or why the link went down
 */
struct xt_request {
	char transport[16];
	char address[64];
	__s32 fd[2 * XT_LANES];
	__u32 flags;
	__u32 lanes;
	__u32 frames;
	__u32 streams;
	__u32 bytes;
	__u32 seed;
	__u32 ms;
	__u32 reserved;
	__u64 out[8];
	char text[XT_TEXT];
};

#define XT_ONE_END	(1u << 0)	/* OPEN: end 0 only, not waiting for link_up */
#define XT_SECOND	(1u << 6)	/* OPEN with XT_ONE_END: end 1 instead */
#define XT_BOTH_WAYS	(1u << 1)	/* TRAFFIC: both ends send */
#define XT_RANDOM_LENGTH (1u << 2)	/* TRAFFIC */
#define XT_BURST	(1u << 3)	/* TRAFFIC, SEND: however many are under way */
#define XT_BAD_RX	(1u << 4)	/* SEND: the receiver refuses the frame */
#define XT_HOLD		(1u << 5)	/* STALL: hold the lanes; without it: let go */

/*
 * OPEN makes a link, with both ends here, and waits until both are up.
 * CLOSE disconnects both ends.
 */
#define XT_OPEN		_IOWR('X', 1, struct xt_request)
#define XT_CLOSE	_IOWR('X', 2, struct xt_request)
/* Senders on @lanes, checked by the receivers; returns when all has arrived. */
#define XT_TRAFFIC	_IOWR('X', 3, struct xt_request)
/* The receivers of end 1 on @lanes stop in link_rx, or go on. */
#define XT_STALL	_IOWR('X', 4, struct xt_request)
/* @frames from the calling thread on the lowest of @lanes; out[0]: number sent. */
#define XT_SEND		_IOWR('X', 5, struct xt_request)
/* Wait until out[0] frames in all have arrived at end 1. */
#define XT_ARRIVED	_IOWR('X', 6, struct xt_request)
/* Senders both ways, and end 0 disconnects after @ms (with @seed: microseconds). */
#define XT_TEAR		_IOWR('X', 7, struct xt_request)
/* Wait up to @ms for end @bytes to go down; text: why; out[0..1]: ups and downs. */
#define XT_WAIT_DOWN	_IOWR('X', 8, struct xt_request)
/* end 0 sends one frame on CTL and disconnects at once, with load on the others. */
#define XT_LAST_WORDS	_IOWR('X', 9, struct xt_request)
/* @frames round trips of an empty frame, answered with @bytes; out[0..2]: ns. */
#define XT_PING		_IOWR('X', 10, struct xt_request)
/*
 * out[0..3]: accepted and done by end 0, then by end 1; [4..5] frames received;
 * [6]: frames done by end 0 to whose page the transport still refers.
 */
#define XT_COUNTS	_IOWR('X', 11, struct xt_request)
/* What the registry refuses. */
#define XT_REGISTRY	_IOWR('X', 12, struct xt_request)
/* What send() refuses. */
#define XT_REFUSALS	_IOWR('X', 13, struct xt_request)

#endif
