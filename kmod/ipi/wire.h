/* SPDX-License-Identifier: GPL-2.0 */
/* Interrupt messages between nodes.  Pure: also built into the tests. */
#ifndef DVMM_IPI_WIRE_H
#define DVMM_IPI_WIRE_H

#include "message.h"

#define DVMM_IPI_WIRE_BATCH	1	/* channel message type: an array of records */
#define DVMM_IPI_BATCH_MAX	256	/* records */

/**
 * struct dvmm_ipi_wire - one interrupt message between nodes
 * @dest: see struct dvmm_ipi_msg; little-endian
 * @vector: likewise
 * @mode: likewise, below DVMM_IPI_EXTINT
 * @shorthand: likewise, never DVMM_IPI_TO_SELF
 * @flags: likewise
 */
struct dvmm_ipi_wire {
	__le32 dest;
	u8 vector;
	u8 mode;
	u8 shorthand;
	u8 flags;
};

static_assert(sizeof(struct dvmm_ipi_wire) == 8, "fixed by the wire format");

/** dvmm_ipi_pack - write a message into a record */
void dvmm_ipi_pack(struct dvmm_ipi_wire *wire, const struct dvmm_ipi_msg *msg);

/**
 * dvmm_ipi_unpack - read record @index of a batch that was checked
 * @msg: result
 * @data: the batch, at any alignment
 * @index: below the count that dvmm_ipi_check() returned
 */
void dvmm_ipi_unpack(struct dvmm_ipi_msg *msg, const void *data, unsigned int index);

/**
 * dvmm_ipi_check - judge a channel message from a peer
 * @type: channel message type
 * @data: its bytes, at any alignment
 * @length: number of bytes
 *
 * Return: number of records, all of them well-formed, or -EBADMSG.
 */
int dvmm_ipi_check(u8 type, const void *data, unsigned int length);

#endif
