// SPDX-License-Identifier: GPL-2.0
/* The wire format: written in one place, checked in one place. */
#include "wire.h"

void dvmm_wire_encode(const struct dvmm_frame *f, struct dvmm_wire_hdr *hdr)
{
	const struct dvmm_msg *m = &f->msg;

	memset(hdr, 0, sizeof(*hdr));
	hdr->magic = DVMM_WIRE_MAGIC;
	hdr->kind = f->kind;
	hdr->type = m->type;
	hdr->flags = m->flags;
	hdr->src = cpu_to_le16(m->src);
	hdr->index = cpu_to_le16(f->index);
	hdr->requester = cpu_to_le16(m->requester);
	hdr->acks = cpu_to_le16(m->acks);
	hdr->length = cpu_to_le32(f->length);
	hdr->page = cpu_to_le64(f->page);
	hdr->epoch = cpu_to_le32(f->epoch);
	hdr->number = cpu_to_le32(f->number);
	hdr->id = cpu_to_le64(m->id);
}

static const char *wire_check_coherence(const struct dvmm_frame *f, enum dvmm_lane lane,
					u16 nodes)
{
	const struct dvmm_msg *m = &f->msg;
	bool page = m->flags & DVMM_MSGF_PAGE;

	if (!dvmm_msg_known(m->type))
		return "unknown coherence message";
	if (dvmm_msg_lane(m->type) != lane)
		return "coherence message on the wrong lane";
	if (m->flags & ~DVMM_MSGF_MASK)
		return "unknown flags";
	if (page && !dvmm_msg_may_carry_page(m->type))
		return "message cannot carry a page";
	if (page && m->flags & DVMM_MSGF_ZERO)
		return "page is both sent and zero";
	if (f->length != (page ? DVMM_WIRE_PAYLOAD_MAX : 0))
		return "length does not fit the message";
	if (m->requester >= nodes)
		return "requester is not a node of the machine";
	if (m->acks >= nodes)
		return "more acknowledgements than nodes";
	return NULL;
}

static const char *wire_check_link(const struct dvmm_frame *f)
{
	const struct dvmm_msg *m = &f->msg;

	if (!m->type || m->type >= DVMM_WIRE_LINK_TYPES)
		return "unknown link message";
	if (m->type == DVMM_WIRE_HELLO && f->length < DVMM_HELLO_MIN)
		return "HELLO is too short";
	if (m->flags)
		return "unknown flags";
	return NULL;
}

static const char *wire_check_batch(const struct dvmm_frame *f, enum dvmm_lane lane)
{
	if (lane > DVMM_LANE_FWD || f->index != lane)
		return "batch on the wrong lane";
	if (f->msg.type || f->msg.flags)
		return "unknown kind of batch";
	if (!f->length || f->length % sizeof(struct dvmm_wire_hdr))
		return "batch of broken headers";
	return NULL;
}

#define DVMM_LANE_ANY	DVMM_LANES

unsigned int dvmm_wire_member_lane(const struct dvmm_frame *f)
{
	static const u8 lanes[DVMM_WIRE_MEMBER_TYPES] = {
		[DVMM_WIRE_MEMBER_NONE] = DVMM_LANES,
#define X(name, lane, why) [DVMM_WIRE_##name] = DVMM_LANE_##lane,
		DVMM_MEMBER_MESSAGES(X)
#undef X
	};

	if (f->msg.type == DVMM_WIRE_GONE)
		return f->index;
	return f->msg.type < DVMM_WIRE_MEMBER_TYPES ? lanes[f->msg.type] : DVMM_LANES;
}

static const char *wire_check_member(const struct dvmm_frame *f, enum dvmm_lane lane)
{
	if (!f->msg.type || f->msg.type >= DVMM_WIRE_MEMBER_TYPES)
		return "unknown message of a member";
	if (dvmm_wire_member_lane(f) != lane)
		return "message of a member on the wrong lane";
	if (f->msg.flags)
		return "unknown flags";
	return f->length ? "message of a member with a payload" : NULL;
}

const char *dvmm_wire_decode(const struct dvmm_wire_hdr *hdr, enum dvmm_lane lane,
			     u16 peer, u16 nodes, struct dvmm_frame *f)
{
	struct dvmm_msg *m = &f->msg;

	memset(f, 0, sizeof(*f));
	if (hdr->magic != DVMM_WIRE_MAGIC)
		return "not a dvmm frame";
	f->kind = hdr->kind;
	f->index = le16_to_cpu(hdr->index);
	f->length = le32_to_cpu(hdr->length);
	f->page = le64_to_cpu(hdr->page);
	f->epoch = le32_to_cpu(hdr->epoch);
	f->number = le32_to_cpu(hdr->number);
	m->type = hdr->type;
	m->flags = hdr->flags;
	m->src = le16_to_cpu(hdr->src);
	m->requester = le16_to_cpu(hdr->requester);
	m->acks = le16_to_cpu(hdr->acks);
	m->id = le64_to_cpu(hdr->id);

	if (f->length > DVMM_WIRE_PAYLOAD_MAX)
		return "payload is too long";
	if (m->src != peer)
		return "sender is not the node at the other end";
	if (f->kind == DVMM_WIRE_COHERENCE)
		return wire_check_coherence(f, lane, nodes);
	if (f->kind == DVMM_WIRE_BATCH)
		return wire_check_batch(f, lane);
	if (f->kind == DVMM_WIRE_MEMBER)
		return wire_check_member(f, lane);
	if (lane != DVMM_LANE_CTL)
		return "frame on the wrong lane";
	switch (f->kind) {
	case DVMM_WIRE_CHANNEL:
		return NULL;
	case DVMM_WIRE_LINK:
		return wire_check_link(f);
	}
	return "unknown kind of frame";
}

const char *dvmm_wire_decode_batched(const struct dvmm_wire_hdr *hdr, enum dvmm_lane lane,
				     u16 peer, u16 nodes, struct dvmm_frame *f)
{
	const char *why = dvmm_wire_decode(hdr, lane, peer, nodes, f);

	if (!why && (f->kind != DVMM_WIRE_COHERENCE || f->length))
		why = "batch of other than messages without a page";
	return why;
}
