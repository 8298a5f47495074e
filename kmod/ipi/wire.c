// SPDX-License-Identifier: GPL-2.0
/* Interrupts between nodes: packing and judging records. */
#include "wire.h"

unsigned int dvmm_ipi_pack(void *data, const struct dvmm_ipi_record *record)
{
	struct dvmm_ipi_wire wire = {
		.dest = cpu_to_le32(record->dest),
		.to = record->to,
		.events = record->events,
		.sipi = record->sipi,
	};
	char *at = (char *)data + sizeof(wire);
	unsigned int i;

	for (i = 0; i < DVMM_IPI_WORDS; i++) {
		__le32 word = cpu_to_le32(record->vectors[i]);

		if (!word)
			continue;
		wire.words |= 1u << i;
		memcpy(at, &word, sizeof(word));
		at += sizeof(word);
	}
	memcpy(data, &wire, sizeof(wire));
	return at - (char *)data;
}

static unsigned int wire_length(const struct dvmm_ipi_wire *wire)
{
	return sizeof(*wire) + hweight32(wire->words) * sizeof(__le32);
}

unsigned int dvmm_ipi_unpack(struct dvmm_ipi_record *record, const void *data)
{
	const char *at = (const char *)data + sizeof(struct dvmm_ipi_wire);
	struct dvmm_ipi_wire wire;
	unsigned int i;

	memcpy(&wire, data, sizeof(wire));
	*record = (struct dvmm_ipi_record) {
		.dest = le32_to_cpu(wire.dest),
		.to = wire.to,
		.events = wire.events,
		.sipi = wire.sipi,
	};
	for (i = 0; i < DVMM_IPI_WORDS; i++) {
		__le32 word;

		if (!(wire.words & 1u << i))
			continue;
		memcpy(&word, at, sizeof(word));
		record->vectors[i] = le32_to_cpu(word);
		at += sizeof(word);
	}
	return at - (const char *)data;
}

static bool dest_valid(u8 to, u32 dest)
{
	switch (to) {
	case DVMM_IPI_VCPU:
		return true;
	case DVMM_IPI_EVERY:
		return !dest;
	case DVMM_IPI_BROADCAST:
		return dest == 0xff || dest == 0xffffffff;
	case DVMM_IPI_LOGICALLY:
		return dest <= 0xff;
	default:
		return false;
	}
}

static bool wire_valid(const struct dvmm_ipi_wire *wire)
{
	if (!dest_valid(wire->to, le32_to_cpu(wire->dest)))
		return false;
	if (wire->events & ~DVMM_IPI_EVENTS || !(wire->events | wire->words))
		return false;
	if (wire->events & DVMM_IPI_LEVELS && (wire->events != DVMM_IPI_LEVELS || !wire->words))
		return false;
	return !wire->sipi || wire->events & DVMM_IPI_SIPIS;
}

int dvmm_ipi_check(u8 type, const void *data, unsigned int length)
{
	const char *at = data;
	int count = 0;

	if (type != DVMM_IPI_WIRE_RECORDS || !length || length > DVMM_IPI_WIRE_MAX)
		return -EBADMSG;
	while (length) {
		struct dvmm_ipi_wire wire;

		if (length < sizeof(wire))
			return -EBADMSG;
		memcpy(&wire, at, sizeof(wire));
		if (!wire_valid(&wire) || length < wire_length(&wire))
			return -EBADMSG;
		at += wire_length(&wire);
		length -= wire_length(&wire);
		count++;
	}
	return count;
}
