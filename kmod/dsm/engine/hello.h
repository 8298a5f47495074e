/* SPDX-License-Identifier: GPL-2.0 */
/*
 * HELLO: what both ends of a link say first, and what they agree on.
 *
 * A change of the wire format that an older node would misread raises
 * DVMM_WIRE_VERSION; one that two nodes may agree on takes a feature bit.  A
 * sender MUST NOT use a feature before it is agreed on.
 */
#ifndef DVMM_ENGINE_HELLO_H
#define DVMM_ENGINE_HELLO_H

#include "env.h"

#define DVMM_WIRE_VERSION	2	/* highest spoken */
#define DVMM_WIRE_VERSION_MIN	2	/* lowest spoken */

/*
 * Features that this node speaks: X(NAME, bit, "name").  A bit is never given
 * away twice.
 */
#define DVMM_WIRE_FEATURES(X)	\
	X(BLOCKS, 0, "blocks")	/* GET_Z, and frames of kind BATCH */	\
	X(COPIES, 1, "copies")	/* GET_C */			\
	X(HOMES, 2, "homes")	/* messages of rehome.h */	\
	X(MEMBERS, 3, "members")	/* frames of kind MEMBER, PREP with a view */

#define DVMM_FEATURE_BIT(name, bit, text)	DVMM_FEATURE_##name = 1ull << (bit),
#define DVMM_FEATURE_OR(name, bit, text)	| DVMM_FEATURE_##name
enum dvmm_wire_feature { DVMM_FEATURE_NONE = 0, DVMM_WIRE_FEATURES(DVMM_FEATURE_BIT) };

#define DVMM_FEATURES_SPOKEN	(0ull DVMM_WIRE_FEATURES(DVMM_FEATURE_OR))
#define DVMM_FEATURES_REQUIRED	0ull	/* of these, those that a peer must speak */

/*
 * The first two fields stay where they are in every version; a later version
 * may append fields, which an older one does not look at.
 */
struct dvmm_wire_hello {
	__le16 version_min;
	__le16 version_max;
	__le16 node;
	__le16 nodes;
	__le32 page_size;
	__le32 flags;		/* DVMM_HELLO_*; of no meaning before feature "members" */
	__le64 features;
	u8 machine[16];
	u8 config[16];		/* digest of the machine file; must be equal */
	__le64 required;	/* since version 2 */
};
dvmm_static_assert(sizeof(struct dvmm_wire_hello) == 64, "hello is 64 bytes");

#define DVMM_HELLO_JOINS	0x1	/* the sender is to become a member */

#define DVMM_HELLO_MIN	4	/* bytes: what every version begins with */
#define DVMM_HELLO_WHY	100	/* room for a reason */

/**
 * struct dvmm_terms - what two nodes have agreed on
 * @version: of the wire format
 * @features: DVMM_FEATURE_*
 */
struct dvmm_terms {
	u16 version;
	u64 features;
};

/**
 * dvmm_hello_fill - what this dvmm says
 * @h: filled
 * @node: this node
 * @nodes: number of nodes of the machine
 * @machine: UUID
 * @config: digest of the machine file
 */
void dvmm_hello_fill(struct dvmm_wire_hello *h, u16 node, u16 nodes, const u8 *machine,
		     const u8 *config);

/**
 * dvmm_hello_agree - compare the peer's HELLO with ours
 * @data: payload of the peer's, nothing of it checked yet
 * @length: its bytes
 * @ours: what we have sent
 * @peer: the node that should be there
 * @terms: filled on success
 * @why: DVMM_HELLO_WHY bytes: on failure, what does not fit
 *
 * Return: true if the link may come up.
 */
bool dvmm_hello_agree(const void *data, size_t length, const struct dvmm_wire_hello *ours,
		      u16 peer, struct dvmm_terms *terms, char *why);

/**
 * dvmm_features_print - the names of features, with commas between them
 * @features: one that has no name is a number: "feature-17"
 * @buf: filled; "none" for none; cut at @size
 * @size: bytes of @buf
 */
void dvmm_features_print(u64 features, char *buf, size_t size);

#endif
