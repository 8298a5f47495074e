/* SPDX-License-Identifier: GPL-2.0 */
/* Interrupts between nodes, as bytes.  Pure: also built into the tests. */
#ifndef DVMM_IPI_WIRE_H
#define DVMM_IPI_WIRE_H

#include "env.h"

#define DVMM_IPI_WIRE_RECORDS	2	/* channel message type: records of this format */
#define DVMM_IPI_WIRE_MAX	4096	/* bytes of a message */
#define DVMM_IPI_RECORD_MAX	40	/* bytes of a record */

/* Whom a record means among the receiver's vCPUs. */
#define DVMM_IPI_VCPU		0	/* the one whose APIC id is the destination */
#define DVMM_IPI_EVERY		1	/* every one; the destination is 0 */
#define DVMM_IPI_BROADCAST	2	/* those to whom 0xff or 0xffffffff is a broadcast */
#define DVMM_IPI_LOGICALLY	3	/* those whose APIC matches these 8 bits logically */

#define DVMM_IPI_INITS		0x01
#define DVMM_IPI_SIPIS		0x02
#define DVMM_IPI_NMIS		0x04
#define DVMM_IPI_SMIS		0x08
#define DVMM_IPI_UNHALTS	0x10	/* KVM's own: unhalt by hypercall */
#define DVMM_IPI_LEVELS		0x20	/* the vectors are level-triggered; alone */
#define DVMM_IPI_EVENTS		0x3f

#define DVMM_IPI_WORDS		8	/* 32 vectors each */

/**
 * struct dvmm_ipi_record - what some vCPUs get
 * @dest: see @to
 * @to: DVMM_IPI_VCPU .. DVMM_IPI_LOGICALLY
 * @events: DVMM_IPI_INITS | ... ; an INIT comes before all else, a SIPI next
 * @sipi: page of the start-up code, 0 without DVMM_IPI_SIPIS
 * @vectors: a bit for each vector
 */
struct dvmm_ipi_record {
	u32 dest;
	u8 to;
	u8 events;
	u8 sipi;
	u32 vectors[DVMM_IPI_WORDS];
};

/**
 * struct dvmm_ipi_wire - the beginning of a record between nodes
 * @dest: see struct dvmm_ipi_record; little-endian
 * @to: likewise
 * @events: likewise
 * @sipi: likewise
 * @words: which words of the vectors follow, little-endian; the others are 0
 */
struct dvmm_ipi_wire {
	__le32 dest;
	u8 to;
	u8 events;
	u8 sipi;
	u8 words;
};

static_assert(sizeof(struct dvmm_ipi_wire) == 8, "fixed by the wire format");

/**
 * dvmm_ipi_pack - write a record
 * @data: at least DVMM_IPI_RECORD_MAX bytes, at any alignment
 * @record: the record
 *
 * Return: number of bytes written.
 */
unsigned int dvmm_ipi_pack(void *data, const struct dvmm_ipi_record *record);

/**
 * dvmm_ipi_unpack - read a record of a message that was checked
 * @record: result
 * @data: where it begins, at any alignment
 *
 * Return: number of bytes read.
 */
unsigned int dvmm_ipi_unpack(struct dvmm_ipi_record *record, const void *data);

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
