/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wire format: every frame on every link is this header and up to 4096 bytes
 * of payload.  All fields are little-endian.  One decode function checks
 * everything before anyone else looks.
 */
#ifndef DVMM_ENGINE_WIRE_H
#define DVMM_ENGINE_WIRE_H

#include "hello.h"
#include "messages.h"

#define DVMM_WIRE_MAGIC		0xd5
#define DVMM_WIRE_PAYLOAD_MAX	4096

/* Kinds of frames. */
#define DVMM_WIRE_COHERENCE	1	/* type: enum dvmm_event_type */
#define DVMM_WIRE_CHANNEL	2	/* index: channel; page: free for the channel */
#define DVMM_WIRE_LINK		3	/* type: enum dvmm_wire_link_type */
#define DVMM_WIRE_BATCH		4	/* index: lane; payload: headers of COHERENCE, no page */
#define DVMM_WIRE_MEMBER	5	/* type: enum dvmm_wire_member_type; no payload */

enum dvmm_wire_link_type {
	DVMM_WIRE_HELLO = 1,	/* payload: struct dvmm_wire_hello */
	DVMM_WIRE_PING,		/* id is echoed, payload is echoed */
	DVMM_WIRE_PONG,
	DVMM_WIRE_BYE,		/* payload: reason, text without a final NUL */
	DVMM_WIRE_LINK_TYPES,
};

/* name, lane, meaning; numbers go over the wire: append only */
#define DVMM_MEMBER_MESSAGES(X)							\
	X(JOIN,     REQ, "to each member: let me be one; id: those that I know")	\
	X(HOMES,    FWD, "to who joins: id pages from this one on are homed here")	\
	X(JOIN_OK,  FWD, "to who joins: you know of all that is homed here")	\
	X(JOINED,   REQ, "to each member: all have said JOIN_OK")		\
	X(WELCOME,  FWD, "to who joins: you are a member here")			\
	X(LEAVE,    REQ, "to each member: I hold nothing and am nobody's home")	\
	X(LEAVE_OK, FWD, "to who leaves: you get nothing more that needs an answer") \
	X(GONE,     ANY, "to each member: nothing more comes on this lane; index: the lane")

enum dvmm_wire_member_type {
	DVMM_WIRE_MEMBER_NONE,
#define X(name, lane, why) DVMM_WIRE_##name,
	DVMM_MEMBER_MESSAGES(X)
#undef X
	DVMM_WIRE_MEMBER_TYPES,
};

struct dvmm_wire_hdr {
	u8 magic;
	u8 kind;
	u8 type;
	u8 flags;
	__le16 src;
	__le16 index;		/* region or channel */
	__le16 requester;
	__le16 acks;
	__le32 length;		/* of the payload */
	__le64 page;		/* page number within the region */
	__le32 epoch;
	__le32 number;		/* of the frame on its lane; the transport writes it */
	__le64 id;
};
dvmm_static_assert(sizeof(struct dvmm_wire_hdr) == 40, "wire header is 40 bytes");

#define DVMM_WIRE_BATCH_MAX	(DVMM_WIRE_PAYLOAD_MAX / sizeof(struct dvmm_wire_hdr))

/**
 * struct dvmm_frame - a header, decoded and checked
 * @kind: DVMM_WIRE_COHERENCE or another
 * @index: of the region or channel; GONE: the lane
 * @length: of the payload, in bytes
 * @page: number within the region
 * @epoch: of the machine
 * @number: of the frame on its lane; the transport writes it
 * @msg: of channel, link and member frames only type, src and id count
 */
struct dvmm_frame {
	u8 kind;
	u16 index;
	u32 length;
	u64 page;
	u32 epoch;
	u32 number;
	struct dvmm_msg msg;
};

/**
 * dvmm_wire_encode - write a header
 * @f: what to say; @f->msg.src is the sender
 * @hdr: filled
 */
void dvmm_wire_encode(const struct dvmm_frame *f, struct dvmm_wire_hdr *hdr);

/**
 * dvmm_wire_decode - check and read a header
 * @hdr: sizeof(*hdr) bytes from the peer
 * @lane: the lane it came on
 * @peer: the node at the other end of the link
 * @nodes: number of nodes of the machine
 * @f: filled on success
 *
 * Return: NULL, or a static text that says what is wrong with the header.
 */
const char *dvmm_wire_decode(const struct dvmm_wire_hdr *hdr, enum dvmm_lane lane,
			     u16 peer, u16 nodes, struct dvmm_frame *f);

/** dvmm_wire_member_lane - the lane of a frame of kind MEMBER; DVMM_LANES or beyond: none */
unsigned int dvmm_wire_member_lane(const struct dvmm_frame *f);

/** dvmm_wire_decode_batched - the same for a header that came in a batch */
const char *dvmm_wire_decode_batched(const struct dvmm_wire_hdr *hdr, enum dvmm_lane lane,
				     u16 peer, u16 nodes, struct dvmm_frame *f);

#endif
