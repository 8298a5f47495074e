/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of the coherence protocol and local events: one number space.
 *
 * A message's lane says what it may wait for: a message on a lane may wait only
 * for messages of a later lane.  Everything that a home sends to one node
 * travels on FWD and so stays in order: a node that sees DATA knows that every
 * earlier INV has been seen.
 */
#ifndef DVMM_ENGINE_MESSAGES_H
#define DVMM_ENGINE_MESSAGES_H

#include "env.h"

/* name, lane, may carry a page, meaning; numbers go over the wire: append only */
#define DVMM_MESSAGES(X)						\
	X(GET_S,     REQ, 0, "to home: let me read")			\
	X(GET_M,     REQ, 0, "to home: let me write; SHARED flag: I hold a copy") \
	X(PUT_S,     REQ, 0, "to home: I dropped my clean copy; no answer")	\
	X(PUT_M,     REQ, 1, "to home: I give my owned page back")		\
	X(UNBLOCK,   REQ, 1, "to home: what you forwarded for me is done")	\
	X(FWD_GET_S, FWD, 0, "to owner: send requester a copy, keep one")	\
	X(FWD_GET_M, FWD, 0, "to owner: send requester the page, keep none")	\
	X(INV,       FWD, 0, "to sharer: drop your copy, tell requester")	\
	X(DATA,      FWD, 1, "from home: the page, zeroes, only the right, or a refusal") \
	X(PUT_ACK,   FWD, 0, "from home: your PUT_M is done")			\
	X(OWN_DATA,  RSP, 1, "from owner: the page that you asked home for")	\
	X(INV_ACK,   RSP, 0, "from sharer: my copy is gone")		\
	X(GET_Z,     REQ, 0, "to home: let me have it if nobody has touched it") \
	X(GET_C,     REQ, 0, "to home: let me have a copy if you can spare one")

/*
 * The same for messages that move a chunk's home (rehome.h).  They are no events of
 * a page's table; their numbers follow from DVMM_MSG_REHOME on, append only.
 */
#define DVMM_REHOME_MESSAGES(X)						\
	X(PREP,      FWD, 0, "home to the next one: be the chunk's home")	\
	X(PREPPED,   REQ, 0, "next home: I keep requests until you hand over")	\
	X(UNABLE,    REQ, 0, "instead of PREPPED: I have no memory for it")	\
	X(MOVE,      FWD, 0, "home to all others: ask requester from now on")	\
	X(MOVE_ACK,  REQ, 0, "to the old home: nothing that I asked of you is open") \
	X(TAKE,      FWD, 1, "old home to the new one: a page's directory entry") \
	X(REST,      FWD, 0, "old home to the new one: all else is untouched")

/* name, meaning */
#define DVMM_LOCAL_EVENTS(X)					\
	X(LOAD,  "a local access wants READ")			\
	X(STORE, "a local access wants WRITE")			\
	X(TOUCH, "the page is wanted if nobody has touched it")	\
	X(COPY,  "a copy is wanted if the home can spare one")	\
	X(EVICT, "the frame is wanted for another page")	\
	X(TIMER, "a TIMER action has run out")

enum dvmm_event_type {
	DVMM_EV_NONE,
#define X(name, lane, page, why) DVMM_MSG_##name,
	DVMM_MESSAGES(X)
#undef X
#define X(name, why) DVMM_EV_##name,
	DVMM_LOCAL_EVENTS(X)
#undef X
	DVMM_EV_COUNT,
};
#define DVMM_MSG_COUNT ((int)DVMM_EV_LOAD)	/* messages are 1 .. DVMM_MSG_COUNT - 1 */

enum dvmm_rehome_type {
	DVMM_MSG_REHOME = 31,
#define X(name, lane, page, why) DVMM_MSG_##name,
	DVMM_REHOME_MESSAGES(X)
#undef X
	DVMM_MSG_REHOME_END,
};

enum dvmm_lane { DVMM_LANE_REQ, DVMM_LANE_FWD, DVMM_LANE_RSP, DVMM_LANE_CTL, DVMM_LANES };

enum dvmm_perm { DVMM_PERM_NONE, DVMM_PERM_READ, DVMM_PERM_WRITE };

/* Flags of a message. */
#define DVMM_MSGF_PAGE		0x01	/* 4096 bytes of payload follow */
#define DVMM_MSGF_ZERO		0x02	/* the page is all zeroes, no payload */
#define DVMM_MSGF_EXCL		0x04	/* the grant is WRITE */
#define DVMM_MSGF_SHARED	0x08	/* GET_M: the sender holds a copy */
#define DVMM_MSGF_MASK		0x0f

/**
 * struct dvmm_msg - a message of the protocol, decoded
 * @type: enum dvmm_event_type, below DVMM_MSG_COUNT, or enum dvmm_rehome_type
 * @flags: DVMM_MSGF_*
 * @src: sender; filled in by the executor, checked against the link on receipt
 * @requester: node on whose behalf the message travels
 * @acks: DATA: how many INV_ACKs the requester must collect
 * @id: the requester's transaction
 */
struct dvmm_msg {
	u8 type;
	u8 flags;
	u16 src;
	u16 requester;
	u16 acks;
	u64 id;
};

/** dvmm_msg_known - true for messages, of pages and of chunks */
bool dvmm_msg_known(u8 type);
/** dvmm_msg_of_chunk - true for those of enum dvmm_rehome_type */
bool dvmm_msg_of_chunk(u8 type);
enum dvmm_lane dvmm_msg_lane(u8 type);
/** dvmm_msg_may_carry_page - true if @type may have DVMM_MSGF_PAGE */
bool dvmm_msg_may_carry_page(u8 type);

#endif
