// SPDX-License-Identifier: GPL-2.0
/*
 * A peer that sends malformed interrupts: two nodes over TCP, and between them a
 * man in the middle who rewrites node 0's interrupt datagrams.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"
#include "middle.h"
#include "node.h"
#include "tap.h"
#include "wire.h"

#define FLOOD		200

/* ---- what he does ---- */

static void nothing(struct frame *f)
{
	(void)f;
}

static void empty(struct frame *f)
{
	f->length = 0;
}

static void cut_short(struct frame *f)
{
	f->length = 7;
}

static void one_byte_more(struct frame *f)
{
	f->length++;
}

static void words_missing(struct frame *f)
{
	f->data[7] = 0xff;
}

static void other_type(struct frame *f)
{
	f->header[AT_TYPE] = 1;
}

static void bad_target(struct frame *f)
{
	f->data[4] = DVMM_IPI_LOGICALLY + 1;
}

static void bad_event(struct frame *f)
{
	f->data[5] |= 0x80;
}

static void bad_page(struct frame *f)
{
	f->data[6] = 8;
}

/* NMIs, and last nothing at all. */
static void bad_last(struct frame *f)
{
	unsigned int at;

	memset(f->data, 0, 64);
	for (at = 0; at < 56; at += 8)
		f->data[at + 5] = DVMM_IPI_NMIS;
	f->length = 64;
}

static uint32_t random_dest(uint8_t to)
{
	switch (to) {
	case DVMM_IPI_EVERY:
		return 0;
	case DVMM_IPI_BROADCAST:
		return rnd_range(0, 1) ? 0xff : ~0u;
	case DVMM_IPI_LOGICALLY:
		return rnd_range(0, 255);
	default:
		return rnd_range(0, 1) ? rnd_range(0, 4) : rnd();
	}
}

/* Well-formed, and nothing that an interrupt controller would ever send. */
static void anything_valid(struct frame *f)
{
	struct dvmm_ipi_record r;
	unsigned int i;

	f->length = 0;
	while (f->length + DVMM_IPI_RECORD_MAX <= DVMM_IPI_WIRE_MAX / 2) {
		r = (struct dvmm_ipi_record) { .to = rnd_range(0, DVMM_IPI_LOGICALLY) };
		r.dest = random_dest(r.to);
		r.events = rnd_range(1, DVMM_IPI_LEVELS);
		r.sipi = r.events & DVMM_IPI_SIPIS ? rnd() : 0;
		for (i = 0; i < DVMM_IPI_WORDS; i++)
			r.vectors[i] = rnd_range(0, 3) ? 0 : 1u << rnd_range(0, 31);
		if (r.events == DVMM_IPI_LEVELS)
			r.vectors[2] = 1;
		f->length += dvmm_ipi_pack(f->data + f->length, &r);
	}
}

static const struct {
	const char *what;
	rewrite_fn rewrite;
} malformed[] = {
	{ "no record", empty },
	{ "a record cut short", cut_short },
	{ "a record and a byte", one_byte_more },
	{ "a record without its words", words_missing },
	{ "another type", other_type },
	{ "an impossible target", bad_target },
	{ "an unknown event", bad_event },
	{ "a start-up page without SIPI", bad_page },
	{ "one bad record among good ones", bad_last },
};

static void join(struct guest *g, struct middle *m, rewrite_fn rewrite)
{
	int node;

	middle_join(g, m, rewrite);
	for (node = 0; node < 2; node++) {
		if (guest_attach(g, node, g->vm[node]))
			tap_bail("node %d: attach: %s", node, strerror(errno));
	}
}

static void refuse(struct guest *g, const char *what, rewrite_fn rewrite)
{
	struct dvmm_event_record ev = { 0 };
	struct middle m;

	join(g, &m, rewrite);
	msi_send(g, 0, msi_address(2, 0), 0x41);
	tap_ok(event_want(g->machine[1], DVMM_EVENT_STOPPED, &ev, 10000) == 1 &&
	       strstr(ev.reason, "malformed"), "%s takes the machine down", what);
	tap_diag("reason: %s", ev.reason);
	middle_part(g, &m);
}

static void survive(struct guest *g, const char *what, rewrite_fn rewrite, unsigned int times)
{
	struct dvmm_event_record ev = { 0 };
	struct middle m;
	unsigned int i;

	join(g, &m, rewrite);
	for (i = 0; i < times; i++) {
		msi_send(g, 0, msi_address(2, 0), 0x41);
		pause_ms(1);
	}
	tap_ok(event_want(g->machine[1], DVMM_EVENT_STOPPED, &ev, 500) == 0,
	       "%s does no harm", what);
	middle_part(g, &m);
}

int main(void)
{
	static const struct place places[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 1 } };
	struct guest *g;
	unsigned int i;

	tap_start(290);
	tap_diag("seed %llu", (unsigned long long)rnd_seed(now_ns()));
	klog_open();
	close(dev_open());
	close(kvm_open());
	g = guest_create(places, 4, 2);
	survive(g, "an honest man in the middle", nothing, 3);
	for (i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
		refuse(g, malformed[i].what, malformed[i].rewrite);
	survive(g, "any well-formed record", anything_valid, FLOOD);
	survive(g, "and afterwards an honest one", nothing, 3);
	guest_destroy(g);
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
