// SPDX-License-Identifier: GPL-2.0
/* Interrupt messages between nodes: packing and judging them. */
#include "wire.h"

void dvmm_ipi_pack(struct dvmm_ipi_wire *wire, const struct dvmm_ipi_msg *msg)
{
	wire->dest = cpu_to_le32(msg->dest);
	wire->vector = msg->vector;
	wire->mode = msg->mode;
	wire->shorthand = msg->shorthand;
	wire->flags = msg->flags;
}

void dvmm_ipi_unpack(struct dvmm_ipi_msg *msg, const void *data, unsigned int index)
{
	struct dvmm_ipi_wire wire;

	memcpy(&wire, (const char *)data + index * sizeof(wire), sizeof(wire));
	msg->dest = le32_to_cpu(wire.dest);
	msg->vector = wire.vector;
	msg->mode = wire.mode;
	msg->shorthand = wire.shorthand;
	msg->flags = wire.flags;
}

static bool valid(const struct dvmm_ipi_msg *msg)
{
	if (msg->mode >= DVMM_IPI_EXTINT || msg->flags & ~DVMM_IPI_FLAGS)
		return false;
	if (msg->shorthand == DVMM_IPI_TO_SELF || msg->shorthand > DVMM_IPI_TO_OTHERS)
		return false;
	/* Devices have no shorthands. */
	return msg->shorthand == DVMM_IPI_TO_DEST || !(msg->flags & DVMM_IPI_MSI);
}

int dvmm_ipi_check(u8 type, const void *data, unsigned int length)
{
	unsigned int i, count = length / sizeof(struct dvmm_ipi_wire);
	struct dvmm_ipi_msg msg;

	if (type != DVMM_IPI_WIRE_BATCH || length % sizeof(struct dvmm_ipi_wire))
		return -EBADMSG;
	if (!count || count > DVMM_IPI_BATCH_MAX)
		return -EBADMSG;
	for (i = 0; i < count; i++) {
		dvmm_ipi_unpack(&msg, data, i);
		if (!valid(&msg))
			return -EBADMSG;
	}
	return count;
}
