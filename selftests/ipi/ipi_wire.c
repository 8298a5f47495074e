// SPDX-License-Identifier: GPL-2.0
/* Messages in the ring and on the wire. */
#include <stdlib.h>
#include <string.h>

#include "ring.h"
#include "route.h"
#include "tap.h"
#include "wire.h"

static struct dvmm_ipi_ring ring;

static struct dvmm_ipi_entry entry(u32 dest, u8 mode, int to)
{
	return (struct dvmm_ipi_entry) {
		.msg = { .dest = dest, .vector = 0x40, .mode = mode, .flags = DVMM_IPI_ASSERT },
		.to = to,
	};
}

static void fill(u8 mode)
{
	u32 i;

	/* Begin where the counters wrap around. */
	ring.head = -DVMM_IPI_RING_SIZE / 2u;
	ring.tail = ring.head;
	for (i = 0; i < DVMM_IPI_RING_SIZE; i++) {
		struct dvmm_ipi_entry e = entry(i, mode, i & 1);

		if (dvmm_ipi_ring_put(&ring, &e))
			tap_bail("a ring with room refuses entry %u", i);
	}
}

static bool drains_in_order(void)
{
	struct dvmm_ipi_entry out[100];
	u32 next = 0;
	unsigned int i, n;

	while ((n = dvmm_ipi_ring_take(&ring, out, 100))) {
		for (i = 0; i < n; i++, next++) {
			if (out[i].msg.dest != next || out[i].to != (int)(next & 1))
				return false;
		}
	}
	return next == DVMM_IPI_RING_SIZE && dvmm_ipi_ring_empty(&ring);
}

static void ring_keeps_order(void)
{
	fill(DVMM_IPI_FIXED);
	tap_ok(drains_in_order(), "the ring keeps the order, across the wrap of its counters");
}

static void full_ring(void)
{
	struct dvmm_ipi_entry known = entry(77, DVMM_IPI_FIXED, 1);
	struct dvmm_ipi_entry elsewhere = entry(77, DVMM_IPI_FIXED, 0);
	struct dvmm_ipi_entry fresh = entry(DVMM_IPI_RING_SIZE, DVMM_IPI_FIXED, 0);

	fill(DVMM_IPI_FIXED);
	tap_ok(dvmm_ipi_ring_put(&ring, &known) == 1,
	       "a full ring merges a message that waits already");
	tap_ok(dvmm_ipi_ring_put(&ring, &elsewhere) == -ENOSPC,
	       "a message to another node is not the same");
	tap_ok(dvmm_ipi_ring_put(&ring, &fresh) == -ENOSPC, "a full ring refuses a new message");
	tap_ok(drains_in_order(), "a refused or merged message leaves the ring as it was");
}

static void init_counts(void)
{
	struct dvmm_ipi_entry init = entry(77, DVMM_IPI_INIT, 1);

	fill(DVMM_IPI_INIT);
	tap_ok(dvmm_ipi_ring_put(&ring, &init) == -ENOSPC, "INIT is never merged");
}

/* ---- wire ---- */

static const u8 sample[] = { 0x78, 0x56, 0x34, 0x12, 0x31, DVMM_IPI_NMI, 3, 0x05 };

static void wire_bytes(void)
{
	struct dvmm_ipi_msg msg = {
		.dest = 0x12345678, .vector = 0x31, .mode = DVMM_IPI_NMI,
		.shorthand = DVMM_IPI_TO_OTHERS, .flags = DVMM_IPI_LOGICAL | DVMM_IPI_ASSERT,
	};
	struct dvmm_ipi_msg back;
	struct dvmm_ipi_wire wire;

	dvmm_ipi_pack(&wire, &msg);
	tap_ok(!memcmp(&wire, sample, sizeof(wire)), "a record has the documented bytes");
	dvmm_ipi_unpack(&back, &wire, 0);
	tap_ok(!memcmp(&back, &msg, sizeof(msg)), "a record reads back as it was");
}

static int judge(unsigned int offset, u8 value)
{
	u8 bytes[sizeof(sample)];

	memcpy(bytes, sample, sizeof(sample));
	bytes[offset] = value;
	return dvmm_ipi_check(DVMM_IPI_WIRE_BATCH, bytes, sizeof(bytes));
}

static void bad_fields(void)
{
	tap_ok(judge(4, 0xff) == 1, "any vector is good");
	tap_ok(judge(5, DVMM_IPI_EXTINT) == -EBADMSG, "EXTINT is refused");
	tap_ok(judge(5, 200) == -EBADMSG, "an unknown delivery mode is refused");
	tap_ok(judge(6, DVMM_IPI_TO_SELF) == -EBADMSG, "shorthand self is refused");
	tap_ok(judge(6, 4) == -EBADMSG, "an unknown shorthand is refused");
	tap_ok(judge(7, 0x10) == -EBADMSG, "an unknown flag is refused");
	tap_ok(judge(7, DVMM_IPI_MSI) == -EBADMSG, "a device's shorthand is refused");
}

static void bad_lengths(void)
{
	static u8 bytes[(DVMM_IPI_BATCH_MAX + 1) * sizeof(struct dvmm_ipi_wire)];
	const unsigned int most = DVMM_IPI_BATCH_MAX * sizeof(struct dvmm_ipi_wire);
	unsigned int n, bad = 0;

	for (n = 0; n <= sizeof(bytes); n++) {
		int want = n && n <= most && n % 8 == 0 ? (int)n / 8 : -EBADMSG;

		bad += dvmm_ipi_check(DVMM_IPI_WIRE_BATCH, bytes, n) != want;
	}
	tap_ok(!bad, "only whole records, 1 to %d of them, are good", DVMM_IPI_BATCH_MAX);
	tap_ok(dvmm_ipi_check(0, sample, 8) == -EBADMSG && dvmm_ipi_check(2, sample, 8) == -EBADMSG,
	       "an unknown message type is refused");
}

/* One bad record anywhere spoils the batch: nothing of it may be injected. */
static void bad_anywhere(void)
{
	u8 bytes[DVMM_IPI_BATCH_MAX * 8];
	unsigned int i, missed = 0;

	memset(bytes, 0, sizeof(bytes));
	for (i = 0; i < DVMM_IPI_BATCH_MAX; i++) {
		bytes[i * 8 + 5] = 7;
		missed += dvmm_ipi_check(DVMM_IPI_WIRE_BATCH, bytes, sizeof(bytes)) != -EBADMSG;
		bytes[i * 8 + 5] = 0;
	}
	tap_ok(!missed, "a bad record at any place spoils the batch");
}

static void random_bytes(void)
{
	/* One byte off, so that a wrong access is seen by the sanitizer. */
	u8 room[1 + 64];
	u8 *bytes = room + 1;
	unsigned int round, i, wrong = 0, good = 0;

	for (round = 0; round < 200000; round++) {
		unsigned int length = rnd_range(0, 64);
		int n;

		for (i = 0; i < length; i++)
			bytes[i] = rnd_range(0, 1) ? rnd_range(0, 7) : rnd();
		n = dvmm_ipi_check(DVMM_IPI_WIRE_BATCH, bytes, length);
		good += n > 0;
		for (i = 0; n > 0 && i < (unsigned int)n; i++) {
			struct dvmm_ipi_msg msg;

			dvmm_ipi_unpack(&msg, bytes, i);
			wrong += msg.mode >= DVMM_IPI_EXTINT || msg.shorthand == 1 ||
				 msg.shorthand > 3 || msg.flags & ~DVMM_IPI_FLAGS;
		}
	}
	tap_ok(!wrong && good, "200000 random messages: %u accepted, none with an impossible field",
	       good);
}

int main(int argc, char **argv)
{
	tap_start(60);
	tap_diag("seed %llu",
		 (unsigned long long)rnd_seed(argc > 1 ? strtoull(argv[1], NULL, 0) : 0));
	ring_keeps_order();
	full_ring();
	init_counts();
	wire_bytes();
	bad_fields();
	bad_lengths();
	bad_anywhere();
	random_bytes();
	return tap_end();
}
