/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One end of a link under test: it plays the core.  Every frame says which
 * stream of which lane it belongs to, its number and the seed of its contents;
 * the receiver checks all of it.
 */
#ifndef XT_END_H
#define XT_END_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <dvmm/transport.h>

#include "xport-test.h"

#define XT_STREAMS	4
#define XT_KIND_DATA	0
#define XT_KIND_PING	1
#define XT_KIND_PONG	2
#define XT_KIND_LAST	3

/**
 * struct xt_header - DVMM_XPORT_HDR bytes
 * @seq: number within the stream
 * @length: where the contract wants it
 * @fill: made from @seed, as is @rest
 * @number: where the contract wants it
 */
struct xt_header {
	__le64 seq;
	u8 lane;
	u8 stream;
	u8 kind;
	u8 refuse;
	__le32 length;
	__le32 seed;
	__le32 bytes;
	u8 fill[4];
	__le32 number;
	u8 rest[8];
};

/**
 * struct xt_end - one end
 * @link: as the transport knows it; must outlive it
 * @open: connected and not yet disconnected
 * @changed: woken at every event that somebody may wait for
 * @ups: link_up calls
 * @downs: link_down calls
 * @late: upcalls after disconnect() returned
 * @why: text of the last link_down
 * @accepted: frames that send() took
 * @done: frames that came back through xmit_done
 * @shared: of these, those to whose page somebody else still refers
 * @under_way: frames that the transport has, on each lane
 * @received: frames that arrived and were right
 * @errors: frames that were wrong
 * @last: the frame of XT_LAST_WORDS came before link_down
 * @held: bit mask of lanes whose link_rx waits
 * @error: text of the first wrong frame
 * @tx: next number of each stream; its senders' own
 * @rx: next number that must arrive
 * @due: number of the next frame of each lane
 * @pong: an answer came
 */
struct xt_end {
	struct dvmm_xport_link link;
	bool open;
	wait_queue_head_t changed;
	atomic_t ups;
	atomic_t downs;
	atomic_t late;
	char why[XT_TEXT];
	atomic64_t accepted;
	atomic64_t done;
	atomic64_t shared;
	atomic_t under_way[DVMM_XPORT_LANES];
	atomic64_t received;
	atomic_t errors;
	bool last;
	unsigned long held;
	char error[XT_TEXT];
	u64 tx[DVMM_XPORT_LANES][XT_STREAMS];
	u64 rx[DVMM_XPORT_LANES][XT_STREAMS];
	u32 due[DVMM_XPORT_LANES];
	struct completion pong;
};

/**
 * struct xt_spec - what to send
 * @seed: of the contents
 * @length: of the payload
 */
struct xt_spec {
	u8 lane;
	u8 stream;
	u8 kind;
	bool refuse;
	u32 seed;
	u32 length;
	u32 bytes;
};

void xt_end_init(struct xt_end *e, const struct dvmm_transport_ops *ops);
/* Never waits. */
int xt_end_send(struct xt_end *e, const struct xt_spec *s);
/* Until few are under way on a lane, or the link is down; 0 or -ERESTARTSYS. */
int xt_end_await_room(struct xt_end *e, unsigned int lane);
void xt_end_close(struct xt_end *e);

#endif
