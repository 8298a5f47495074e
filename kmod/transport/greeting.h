/* SPDX-License-Identifier: GPL-2.0 */
/* The first thing that both ends of a lane say: who they are, and which lane it is. */
#ifndef DVMM_TRANSPORT_GREETING_H
#define DVMM_TRANSPORT_GREETING_H

#include <linux/string.h>
#include <linux/types.h>

#define DVMM_GREETING_V	1
#define DVMM_GREETING_NONCE	0x1	/* says no UUID; the key is to be proved */

/**
 * struct dvmm_greeting - 32 bytes, as they go over the wire
 * @magic: the transport
 * @version: DVMM_GREETING_V
 * @lane: which lane
 * @from: sending node
 * @to: receiving node
 * @flags: DVMM_GREETING_*
 * @reserved: zero
 * @machine: UUID, or with DVMM_GREETING_NONCE a number that is used once
 */
struct dvmm_greeting {
	u8 magic[8];
	u8 version;
	u8 lane;
	__le16 from;
	__le16 to;
	u8 flags;
	u8 reserved;
	u8 machine[16];
};

static_assert(sizeof(struct dvmm_greeting) == 32);

static inline void dvmm_greeting_fill(struct dvmm_greeting *g, const char *magic, u8 lane,
				      const u8 *machine, u16 from, u16 to)
{
	memset(g, 0, sizeof(*g));
	memcpy(g->magic, magic, sizeof(g->magic));
	g->version = DVMM_GREETING_V;
	g->lane = lane;
	g->from = cpu_to_le16(from);
	g->to = cpu_to_le16(to);
	memcpy(g->machine, machine, sizeof(g->machine));
}

/** dvmm_greeting_wrong - what of @is, but for the lane, is not as @wanted; or NULL */
static inline const char *dvmm_greeting_wrong(const struct dvmm_greeting *is,
					      const struct dvmm_greeting *wanted)
{
	if (memcmp(is->magic, wanted->magic, sizeof(is->magic)))
		return "the other end is not dvmm";
	if (is->version != wanted->version)
		return "the peer speaks another version of this transport";
	if (is->flags != wanted->flags)
		return "only one of the two asks for a proof of the key";
	if (memcmp(is->machine, wanted->machine, sizeof(is->machine)))
		return "the peer belongs to another machine";
	if (is->from != wanted->from || is->to != wanted->to)
		return "the other end is another node";
	return NULL;
}

#endif
