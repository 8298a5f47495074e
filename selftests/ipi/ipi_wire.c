// SPDX-License-Identifier: GPL-2.0
/* Interrupts that wait for a node, and on the wire. */
#include <stdlib.h>
#include <string.h>

#include "pending.h"
#include "tap.h"

#define VCPUS	512

static struct list_head queue;
static struct dvmm_ipi_pending every, vcpu[VCPUS];
static u8 bytes[DVMM_IPI_WIRE_MAX];

/* ---- what waits ---- */

static void begin(void)
{
	unsigned int i;

	INIT_LIST_HEAD(&queue);
	dvmm_ipi_pending_init(&every, DVMM_IPI_EVERY, 0);
	for (i = 0; i < VCPUS; i++)
		dvmm_ipi_pending_init(&vcpu[i], DVMM_IPI_VCPU, i);
}

static bool put(struct dvmm_ipi_pending *p, u8 mode, u8 vector, u8 flags)
{
	struct dvmm_ipi_msg msg = { .mode = mode, .vector = vector, .flags = flags };

	return dvmm_ipi_pend(&queue, p, &msg);
}

static bool put_fixed(struct dvmm_ipi_pending *p, u8 vector)
{
	return put(p, DVMM_IPI_FIXED, vector, DVMM_IPI_ASSERT);
}

/* One message's records; 0 when nothing waits. */
static unsigned int take(struct dvmm_ipi_record *records)
{
	unsigned int n, i, length = dvmm_ipi_take(&queue, bytes, &n);
	unsigned int at = 0;

	if (length && dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, bytes, length) != (int)n)
		tap_bail("what was packed is refused");
	for (i = 0; i < n; i++)
		at += dvmm_ipi_unpack(&records[i], bytes + at);
	return at == length ? n : 0;
}

static bool has_vector(const struct dvmm_ipi_record *r, u8 vector)
{
	return r->vectors[vector / 32] >> vector % 32 & 1;
}

static unsigned int vectors(const struct dvmm_ipi_record *r)
{
	unsigned int i, n = 0;

	for (i = 0; i < DVMM_IPI_WORDS; i++)
		n += hweight32(r->vectors[i]);
	return n;
}

static void merging(void)
{
	struct dvmm_ipi_record r[8];
	bool first, again, other;

	begin();
	first = put_fixed(&vcpu[5], 0x31);
	again = put_fixed(&vcpu[5], 0x31);
	other = put_fixed(&vcpu[5], 0xfe);
	tap_ok(first && !again && other, "a vector that waits already becomes one with it");
	tap_ok(take(r) == 1 && r[0].to == DVMM_IPI_VCPU && r[0].dest == 5 && !r[0].events &&
	       vectors(r) == 2 && has_vector(r, 0x31) && has_vector(r, 0xfe),
	       "what waits for a vCPU is one record");
	tap_ok(!take(r) && put_fixed(&vcpu[5], 0x31), "what was taken waits no more");
	begin();
	put_fixed(&every, 0x40);
	tap_ok(take(r) == 1 && r[0].to == DVMM_IPI_EVERY, "a broadcast is one record");
}

static void levels(void)
{
	struct dvmm_ipi_record r[8];
	unsigned int n;

	begin();
	put_fixed(&vcpu[1], 0x31);
	put(&vcpu[1], DVMM_IPI_FIXED, 0x50, DVMM_IPI_LEVEL | DVMM_IPI_ASSERT);
	n = take(r);
	tap_ok(n == 2 && !r[0].events && has_vector(&r[0], 0x31) && vectors(&r[0]) == 1 &&
	       r[1].events == DVMM_IPI_LEVELS && has_vector(&r[1], 0x50) && vectors(&r[1]) == 1,
	       "level-triggered vectors have a record of their own");
}

static void events(void)
{
	struct dvmm_ipi_record r[8];

	begin();
	put(&vcpu[1], DVMM_IPI_NMI, 0, 0);
	put(&vcpu[1], DVMM_IPI_SMI, 0, 0);
	put(&vcpu[1], DVMM_IPI_REMRD, 0, 0);
	tap_ok(!put(&vcpu[1], DVMM_IPI_NMI, 0, 0) && take(r) == 1 &&
	       r[0].events == (DVMM_IPI_NMIS | DVMM_IPI_SMIS | DVMM_IPI_UNHALTS),
	       "NMI, SMI and unhalt are a bit each");
}

static void starting(void)
{
	struct dvmm_ipi_record r[8];

	begin();
	put_fixed(&vcpu[1], 0x31);
	put(&vcpu[1], DVMM_IPI_NMI, 0, 0);
	put(&vcpu[1], DVMM_IPI_SIPI, 8, 0);
	put(&vcpu[1], DVMM_IPI_INIT, 0, DVMM_IPI_ASSERT);
	tap_ok(take(r) == 1 && r[0].events == DVMM_IPI_INITS && !r[0].sipi && !vectors(r),
	       "an INIT makes void what waits");
	put(&vcpu[1], DVMM_IPI_INIT, 0, DVMM_IPI_ASSERT);
	put(&vcpu[1], DVMM_IPI_SIPI, 8, 0);
	put_fixed(&vcpu[1], 0x31);
	tap_ok(take(r) == 1 && r[0].events == (DVMM_IPI_INITS | DVMM_IPI_SIPIS) &&
	       r[0].sipi == 8 && has_vector(r, 0x31), "and what comes after it stays");
}

/* INIT to one, SIPI to all: had the broadcast kept its place, the SIPI would come first. */
static void starting_order(void)
{
	struct dvmm_ipi_record r[8];

	begin();
	put_fixed(&every, 0x31);
	put(&vcpu[2], DVMM_IPI_INIT, 0, DVMM_IPI_ASSERT);
	put(&every, DVMM_IPI_SIPI, 8, 0);
	tap_ok(take(r) == 2 && r[0].to == DVMM_IPI_VCPU && r[0].events == DVMM_IPI_INITS &&
	       r[1].to == DVMM_IPI_EVERY && r[1].events == DVMM_IPI_SIPIS &&
	       has_vector(&r[1], 0x31),
	       "INIT and SIPI keep their order between destinations");
}

/* All that a guest can ask for, again and again, waits in the room that is there. */
static void flood(void)
{
	static struct dvmm_ipi_record r[DVMM_IPI_WIRE_MAX / 8];
	unsigned int i, v, n, messages = 0, sum = 0, merged = 0;

	begin();
	for (v = 0; v < 512; v++) {
		for (i = 0; i < VCPUS; i++)
			merged += !put_fixed(&vcpu[i], v);
	}
	while ((n = take(r))) {
		messages++;
		for (i = 0; i < n; i++)
			sum += vectors(&r[i]);
	}
	tap_ok(sum == 256 * VCPUS && merged == sum, "%u vectors for %d vCPUs, all twice: each once",
	       256, VCPUS);
	tap_diag("%u messages", messages);
}

/* ---- wire ---- */

static const u8 sample[] = {
	0x78, 0x56, 0x34, 0x12, DVMM_IPI_VCPU, DVMM_IPI_INITS | DVMM_IPI_SIPIS, 0x9a, 0x82,
	0x00, 0x00, 0x02, 0x00, 0x01, 0x00, 0x00, 0x80,
};

static void wire_bytes(void)
{
	struct dvmm_ipi_record back, record = {
		.dest = 0x12345678, .to = DVMM_IPI_VCPU,
		.events = DVMM_IPI_INITS | DVMM_IPI_SIPIS, .sipi = 0x9a,
	};
	u8 out[DVMM_IPI_RECORD_MAX];

	record.vectors[0x31 / 32] |= 1u << 0x31 % 32;
	record.vectors[7] = 0x80000001;
	tap_ok(dvmm_ipi_pack(out, &record) == sizeof(sample) &&
	       !memcmp(out, sample, sizeof(sample)), "a record has the documented bytes");
	tap_ok(dvmm_ipi_unpack(&back, sample) == sizeof(sample) &&
	       !memcmp(&back, &record, sizeof(back)), "a record reads back as it was");
}

static int judge(u32 dest, u8 to, u8 events, u8 sipi, u8 words)
{
	u8 record[40] = { dest, dest >> 8, dest >> 16, dest >> 24, to, events, sipi, words };

	return dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, record, 8 + 4 * hweight32(words));
}

static void bad_fields(void)
{
	const u8 nmi = DVMM_IPI_NMIS;

	tap_ok(judge(~0u, DVMM_IPI_VCPU, nmi, 0, 0) == 1, "any id is good");
	tap_ok(judge(0, DVMM_IPI_LOGICALLY + 1, nmi, 0, 0) < 0, "an unknown target is refused");
	tap_ok(judge(1, DVMM_IPI_EVERY, nmi, 0, 0) < 0, "everybody with a destination is refused");
	tap_ok(judge(0xfe, DVMM_IPI_BROADCAST, nmi, 0, 0) < 0 &&
	       judge(0xff, DVMM_IPI_BROADCAST, nmi, 0, 0) == 1, "a broadcast to one is refused");
	tap_ok(judge(0x100, DVMM_IPI_LOGICALLY, nmi, 0, 0) < 0, "nine logical bits are refused");
	tap_ok(judge(1, DVMM_IPI_VCPU, 0x40, 0, 0) < 0, "an unknown event is refused");
	tap_ok(judge(1, DVMM_IPI_VCPU, 0, 0, 0) < 0, "a record of nothing is refused");
	tap_ok(judge(1, DVMM_IPI_VCPU, nmi, 8, 0) < 0, "a page without SIPI is refused");
	tap_ok(judge(1, DVMM_IPI_VCPU, DVMM_IPI_LEVELS, 0, 0) < 0 &&
	       judge(1, DVMM_IPI_VCPU, DVMM_IPI_LEVELS | nmi, 0, 1) < 0 &&
	       judge(1, DVMM_IPI_VCPU, DVMM_IPI_LEVELS, 0, 1) == 1,
	       "level-triggered vectors come alone");
}

/* Records of 8, 12, ... 40 bytes one after the other, cut at every byte. */
static void bad_lengths(void)
{
	static u8 data[DVMM_IPI_WIRE_MAX + 8];
	unsigned int ends[512], at = 0, count = 0, n, next = 0, bad = 0;

	memset(data, 0, sizeof(data));
	while (at + 40 <= DVMM_IPI_WIRE_MAX) {
		data[at + 5] = DVMM_IPI_NMIS;
		data[at + 7] = (1 << count % 9) - 1;
		at += 8 + 4 * (count % 9);
		ends[count++] = at;
	}
	for (n = 0; n <= at; n++) {
		bool whole = next < count && n == ends[next];

		next += whole;
		bad += dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, data, n) !=
		       (whole ? (int)next : -EBADMSG);
	}
	tap_ok(!bad && count > 100, "only whole records are good");
	for (n = 0; n < sizeof(data); n += 8)
		memcpy(data + n, (u8[]){ 1, 0, 0, 0, 0, DVMM_IPI_NMIS, 0, 0 }, 8);
	tap_ok(dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, data, DVMM_IPI_WIRE_MAX) == 512 &&
	       dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, data, sizeof(data)) < 0,
	       "a message of %d bytes is the longest", DVMM_IPI_WIRE_MAX);
	tap_ok(dvmm_ipi_check(1, data, 8) < 0 && dvmm_ipi_check(3, data, 8) < 0,
	       "an unknown message type is refused");
}

/* One bad record anywhere spoils the message: nothing of it may be injected. */
static void bad_anywhere(void)
{
	static u8 data[DVMM_IPI_WIRE_MAX];
	unsigned int at, missed = 0;

	for (at = 0; at < sizeof(data); at += 8)
		data[at + 5] = DVMM_IPI_NMIS;
	for (at = 0; at < sizeof(data); at += 8) {
		data[at + 5] = 0x80;
		missed += dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, data, sizeof(data)) != -EBADMSG;
		data[at + 5] = DVMM_IPI_NMIS;
	}
	tap_ok(!missed, "a bad record at any place spoils the message");
}

static bool possible(const struct dvmm_ipi_record *r)
{
	return r->to <= DVMM_IPI_LOGICALLY && !(r->events & ~DVMM_IPI_EVENTS) &&
	       (!r->sipi || r->events & DVMM_IPI_SIPIS);
}

static void random_bytes(void)
{
	/* At the end of its room and one byte off, so that a wrong access is seen. */
	unsigned int round, i, wrong = 0, good = 0;

	for (round = 0; round < 200000; round++) {
		unsigned int length = rnd_range(0, 64), at = 0;
		u8 *room = malloc(length + 1), *data = room + 1;
		struct dvmm_ipi_record r;
		int n;

		for (i = 0; i < length; i++)
			data[i] = rnd_range(0, 2) ? rnd_range(0, 3) : rnd();
		n = dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, data, length);
		good += n > 0;
		for (; n > 0; n--) {
			at += dvmm_ipi_unpack(&r, data + at);
			wrong += !possible(&r);
		}
		wrong += at && at != length;
		free(room);
	}
	tap_ok(!wrong && good, "200000 random messages: %u accepted, none with an impossible field",
	       good);
}

int main(int argc, char **argv)
{
	tap_start(60);
	tap_diag("seed %llu",
		 (unsigned long long)rnd_seed(argc > 1 ? strtoull(argv[1], NULL, 0) : 0));
	merging();
	levels();
	events();
	starting();
	starting_order();
	flood();
	wire_bytes();
	bad_fields();
	bad_lengths();
	bad_anywhere();
	random_bytes();
	return tap_end();
}
