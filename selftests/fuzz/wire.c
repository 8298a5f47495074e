// SPDX-License-Identifier: GPL-2.0
/*
 * Decodes anything.  What is accepted must be in range, encode to the same
 * bytes again and be harmless to an engine that sees it.
 *
 * Input: lane, number of nodes, then a header.
 */
#include <stdlib.h>
#include "engine.h"
#include "fuzz.h"
#include "wire.h"

static void require(bool fine)
{
	if (!fine)
		abort();
}

static void feed(const struct dvmm_msg *m, u16 nodes, bool homed)
{
	const struct dvmm_policy policy = { 0 };
	struct dvmm_dir dir = { 0 };
	struct dvmm_ctx ctx = {
		.self = homed ? 0 : 1, .nodes = nodes, .fresh_id = 1,
		.dir = homed ? &dir : NULL, .policy = &policy,
	};
	struct dvmm_event ev = { .type = m->type, .msg = *m };
	struct dvmm_page pg = { 0 };
	struct dvmm_txn txn = { 0 };
	struct dvmm_actions out;

	dvmm_step(&ctx, &pg, &txn, &ev, &out);
	require(out.count <= DVMM_MAX_ACTIONS);
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct dvmm_wire_hdr hdr, again;
	struct dvmm_frame f;
	u16 nodes, peer;
	const char *why;

	if (len < 4 + sizeof(hdr))
		return 0;
	nodes = (u16)(2 + (in[1] | in[2] << 8) % (DVMM_MAX_NODES - 1));
	peer = in[3] % nodes;
	memcpy(&hdr, in + 4, sizeof(hdr));
	if (in[0] & 0x80) {
		/* Past the first checks, so that the later ones are reached. */
		hdr.magic = DVMM_WIRE_MAGIC;
		hdr.kind = DVMM_WIRE_COHERENCE;
		hdr.src = htole16(peer);
	}
	why = dvmm_wire_decode(&hdr, in[0] & 3, peer, nodes, &f);
	if (why) {
		require(*why);
		return 0;
	}
	require(f.length <= DVMM_WIRE_PAYLOAD_MAX && f.msg.src == peer);
	dvmm_wire_encode(&f, &again);
	require(!memcmp(&hdr, &again, sizeof(hdr)));
	if (f.kind != DVMM_WIRE_COHERENCE)
		return 0;
	require(dvmm_msg_known(f.msg.type) && f.msg.requester < nodes && f.msg.acks < nodes);
	if (dvmm_msg_of_chunk(f.msg.type))
		return 0;
	feed(&f.msg, nodes, false);
	feed(&f.msg, nodes, true);
	return 0;
}
