// SPDX-License-Identifier: GPL-2.0
/* The wire format: round trips, each field refused, and noise. */
#include <stdlib.h>
#include "tap.h"
#include "wire.h"

#define NODES	4
#define PEER	2

static struct dvmm_frame frame(u8 type)
{
	struct dvmm_frame f = {
		.kind = DVMM_WIRE_COHERENCE, .index = 3, .page = 0x123456789abcULL,
		.epoch = 0x76543210, .number = 0xfedcba98,
		.msg = { .type = type, .src = PEER, .requester = 1, .acks = 3,
			 .id = 0x1122334455667788ULL },
	};

	if (dvmm_msg_may_carry_page(type)) {
		f.msg.flags = DVMM_MSGF_PAGE;
		f.length = DVMM_WIRE_PAYLOAD_MAX;
	}
	return f;
}

static bool same(const struct dvmm_frame *a, const struct dvmm_frame *b)
{
	return a->kind == b->kind && a->index == b->index && a->length == b->length &&
	       a->page == b->page && a->epoch == b->epoch && a->number == b->number &&
	       a->msg.type == b->msg.type &&
	       a->msg.flags == b->msg.flags && a->msg.src == b->msg.src &&
	       a->msg.requester == b->msg.requester && a->msg.acks == b->msg.acks &&
	       a->msg.id == b->msg.id;
}

static void test_round_trip(void)
{
	unsigned int bad = 0;
	u8 type;

	for (type = 1; type < DVMM_MSG_REHOME_END; type++) {
		struct dvmm_frame f = frame(type), g;
		struct dvmm_wire_hdr hdr;

		if (!dvmm_msg_known(type))
			continue;
		dvmm_wire_encode(&f, &hdr);
		bad += dvmm_wire_decode(&hdr, dvmm_msg_lane(type), PEER, NODES, &g) ||
		       !same(&f, &g);
	}
	tap(!bad, "every message survives the wire");
}

static void test_bytes(void)
{
	static const u8 want[40] = {
		0xd5, 1, DVMM_MSG_DATA, 1, 2, 0, 3, 0, 1, 0, 3, 0, 0, 0x10, 0, 0,
		0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0,
		0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe,
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
	};
	struct dvmm_frame f = frame(DVMM_MSG_DATA);
	struct dvmm_wire_hdr hdr;

	dvmm_wire_encode(&f, &hdr);
	tap(!memcmp(&hdr, want, sizeof(want)), "every byte is where the format says");
}

static bool refused(const struct dvmm_wire_hdr *hdr, u8 lane)
{
	struct dvmm_frame f;

	return dvmm_wire_decode(hdr, lane, PEER, NODES, &f);
}

static void test_refusals(void)
{
	struct dvmm_frame f = frame(DVMM_MSG_DATA);
	struct dvmm_wire_hdr good, h;

	dvmm_wire_encode(&f, &good);
#define REFUSES(what, change) do {					\
		h = good;						\
		change;							\
		tap(refused(&h, DVMM_LANE_FWD), "refused: " what);	\
	} while (0)
	tap(!refused(&good, DVMM_LANE_FWD), "a good header is taken");
	tap(refused(&good, DVMM_LANE_REQ), "refused: wrong lane");
	REFUSES("magic", h.magic = 0);
	REFUSES("kind 0", h.kind = 0);
	REFUSES("kind 6", h.kind = 6);
	REFUSES("type 0", h.type = 0);
	REFUSES("a local event", h.type = DVMM_EV_LOAD);
	REFUSES("type 255", h.type = 255);
	REFUSES("unknown flag", h.flags |= 0x10);
	REFUSES("page and zero", h.flags |= DVMM_MSGF_ZERO);
	REFUSES("page where none may be", h.type = DVMM_MSG_INV);
	REFUSES("payload without its flag", h.flags = 0);
	REFUSES("flag without its payload", h.length = 0);
	REFUSES("short page", h.length = htole32(4095));
	REFUSES("long page", h.length = htole32(4097));
	REFUSES("endless page", h.length = 0xffffffff);
	REFUSES("sender is someone else", h.src = htole16(1));
	REFUSES("requester beyond the machine", h.requester = htole16(NODES));
	REFUSES("too many acknowledgements", h.acks = htole16(NODES));
#undef REFUSES
}

static void test_other_kinds(void)
{
	struct dvmm_frame f = { .kind = DVMM_WIRE_LINK, .length = sizeof(struct dvmm_wire_hello),
				.msg = { .type = DVMM_WIRE_HELLO, .src = PEER } }, g;
	struct dvmm_wire_hdr h;

	dvmm_wire_encode(&f, &h);
	tap(!dvmm_wire_decode(&h, DVMM_LANE_CTL, PEER, NODES, &g), "HELLO is taken");
	h.length = htole32(DVMM_HELLO_MIN - 1);
	tap(refused(&h, DVMM_LANE_CTL), "refused: short HELLO");
	h.type = DVMM_WIRE_LINK_TYPES;
	tap(refused(&h, DVMM_LANE_CTL), "refused: unknown link message");
	f.kind = DVMM_WIRE_CHANNEL;
	f.msg.type = 200;
	f.msg.flags = 0xff;
	dvmm_wire_encode(&f, &h);
	tap(!dvmm_wire_decode(&h, DVMM_LANE_CTL, PEER, NODES, &g) && g.msg.flags == 0xff,
	    "type and flags of a channel are its own");
	tap(refused(&h, DVMM_LANE_FWD), "refused: channel frame on a lane of the protocol");
	h.length = htole32(DVMM_WIRE_PAYLOAD_MAX + 1);
	tap(refused(&h, DVMM_LANE_CTL), "refused: long channel payload");
}

static void test_batch(void)
{
	struct dvmm_frame f = { .kind = DVMM_WIRE_BATCH, .index = DVMM_LANE_REQ, .msg.src = PEER,
				.length = 2 * sizeof(struct dvmm_wire_hdr) }, g;
	struct dvmm_wire_hdr h;

	dvmm_wire_encode(&f, &h);
	tap(!dvmm_wire_decode(&h, DVMM_LANE_REQ, PEER, NODES, &g), "a batch is taken");
	tap(refused(&h, DVMM_LANE_FWD) && refused(&h, DVMM_LANE_CTL),
	    "refused: batch of another lane");
	h.length = htole32(2 * sizeof(h) - 1);
	tap(refused(&h, DVMM_LANE_REQ), "refused: batch that ends within a header");
	h.length = 0;
	tap(refused(&h, DVMM_LANE_REQ), "refused: empty batch");
	h.length = htole32(2 * sizeof(h));
	tap(!!dvmm_wire_decode_batched(&h, DVMM_LANE_REQ, PEER, NODES, &g),
	    "refused: batch in a batch");
	f = frame(DVMM_MSG_DATA);
	dvmm_wire_encode(&f, &h);
	tap(!!dvmm_wire_decode_batched(&h, DVMM_LANE_FWD, PEER, NODES, &g),
	    "refused: page in a batch");
	f = frame(DVMM_MSG_INV);
	f.msg.flags = 0;
	f.length = 0;
	dvmm_wire_encode(&f, &h);
	tap(!dvmm_wire_decode_batched(&h, DVMM_LANE_FWD, PEER, NODES, &g),
	    "a message in a batch is taken");
}

static void test_member(void)
{
	struct dvmm_frame f = { .kind = DVMM_WIRE_MEMBER,
				.msg = { .type = DVMM_WIRE_HOMES, .src = PEER, .id = 512 } }, g;
	struct dvmm_wire_hdr h;

	dvmm_wire_encode(&f, &h);
	tap(!dvmm_wire_decode(&h, DVMM_LANE_FWD, PEER, NODES, &g) && g.msg.id == 512,
	    "a message of a member is taken");
	tap(refused(&h, DVMM_LANE_REQ), "refused: on another lane");
	h.length = htole32(8);
	tap(refused(&h, DVMM_LANE_FWD), "refused: with a payload");
	h.length = 0;
	h.flags = 1;
	tap(refused(&h, DVMM_LANE_FWD), "refused: with flags");
	h.flags = 0;
	h.type = DVMM_WIRE_MEMBER_TYPES;
	tap(refused(&h, DVMM_LANE_FWD), "refused: unknown message of a member");
	h.type = 0;
	tap(refused(&h, DVMM_LANE_FWD), "refused: none");
	h.type = DVMM_WIRE_GONE;
	h.index = htole16(DVMM_LANE_CTL);
	tap(!dvmm_wire_decode(&h, DVMM_LANE_CTL, PEER, NODES, &g), "GONE is taken on its lane");
	tap(refused(&h, DVMM_LANE_RSP), "refused: GONE on another lane");
}

/* What decode lets through must be in range, whatever came. */
static void test_noise(void)
{
	unsigned int i, j, taken = 0, bad = 0;

	srandom(1);
	for (i = 0; i < 200000; i++) {
		u8 lane = (u8)(random() & 3);
		struct dvmm_wire_hdr h;
		struct dvmm_frame f;

		f = frame((u8)(1 + random() % (DVMM_MSG_COUNT - 1)));
		dvmm_wire_encode(&f, &h);
		for (j = random() % 4; j; j--)
			((u8 *)&h)[random() % sizeof(h)] = (u8)random();
		if (dvmm_wire_decode(&h, lane, PEER, NODES, &f))
			continue;
		taken++;
		bad += f.length > DVMM_WIRE_PAYLOAD_MAX || f.msg.src != PEER ||
		       (f.kind == DVMM_WIRE_COHERENCE &&
			(f.msg.requester >= NODES || f.msg.acks >= NODES ||
			 !dvmm_msg_known(f.msg.type) || dvmm_msg_lane(f.msg.type) != lane));
	}
	tap(taken && !bad, "200000 damaged headers: %u taken, all in range", taken);
}

int main(void)
{
	test_round_trip();
	test_bytes();
	test_refusals();
	test_other_kinds();
	test_batch();
	test_member();
	test_noise();
	return tap_done();
}
