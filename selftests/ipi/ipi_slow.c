// SPDX-License-Identifier: GPL-2.0
/*
 * Three nodes, one of which does not read: the others get their interrupts.  What waits for a
 * CPU there is not mixed with what goes where that CPU is placed next.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "checks.h"
#include "middle.h"
#include "node.h"
#include "tap.h"

#define ALL_BUT_SELF	0xc0000
#define ASSERT		0x4000
#define INIT		0x500
#define SIPI		(0x600 | GUEST_CODE >> 12)
#define CHANNEL		20

static const struct place places[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 2 } };

static void honest(struct frame *f)
{
	(void)f;
}

static void start_all(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->nodes; i++) {
		if (guest_attach(g, i, g->vm[i]))
			tap_bail("node %u: attach: %s", i, strerror(errno));
	}
	guest_run(g);
	cpu_send(g, 0, ALL_BUT_SELF | INIT | ASSERT, 0);
	cpu_send(g, 0, ALL_BUT_SELF | SIPI | ASSERT, 0);
	for (i = 1; i < g->cpus; i++) {
		if (!wait_for(slot(g, i, SLOT_STARTS), 1, 20000))
			tap_bail("CPU %u does not start", i);
	}
}

/* ---- a full lane ---- */

struct filler {
	int channel[2];
	volatile unsigned int sent;
	volatile bool enough;
	pthread_t thread;
};

static void *fill(void *arg)
{
	static uint8_t data[DVMM_CHANNEL_DATA_MAX];
	struct filler *f = arg;

	while (!f->enough && channel_send(f->channel[0], 1, 0, 0, data, sizeof(data)) >= 0)
		f->sent++;
	return NULL;
}

/* Datagrams travel on the lane of interrupts. */
static void fill_lane(struct guest *g, struct filler *f)
{
	unsigned int before;

	f->channel[0] = channel_create(g->machine[0], CHANNEL);
	f->channel[1] = channel_create(g->machine[1], CHANNEL);
	if (f->channel[0] < 0 || f->channel[1] < 0 || pthread_create(&f->thread, NULL, fill, f))
		tap_bail("a channel to fill the lane: %s", strerror(errno));
	do {
		before = f->sent;
		pause_ms(500);
	} while (f->sent != before);
	tap_diag("%u datagrams fill the lane", before);
}

/* ---- placing ---- */

#define UNDER_WAY	(-1)

struct placing {
	struct guest *g;
	uint32_t id;
	uint16_t node;
	volatile int error;
	pthread_t thread;
};

static void *place(void *arg)
{
	struct placing *p = arg;
	struct dvmm_place_vcpu v = { .size = sizeof(v), .id = p->id, .node = p->node };

	p->error = ioctl(p->g->machine[0], DVMM_PLACE_VCPU, &v) ? errno : 0;
	return NULL;
}

/* On node 0 */
static void place_start(struct placing *p, struct guest *g, uint32_t id, uint16_t node)
{
	*p = (struct placing) { .g = g, .id = id, .node = node, .error = UNDER_WAY };
	if (pthread_create(&p->thread, NULL, place, p))
		tap_bail("pthread_create");
	pause_ms(300);
}

/* SIPI comes last, whatever waits; a CPU that runs passes over it. */
static void place_while_full(struct guest *g, struct placing *p)
{
	unsigned int before;

	fill_way(g, msi_address(2, 0), 0x44);
	place_start(p, g, 2, 2);
	tap_ok(p->error == UNDER_WAY, "a CPU is placed elsewhere when nothing waits for it");
	before = counted(2, "ipi_received");
	msi_send(g, 0, msi_address(2, 0), SIPI);
	pause_ms(300);
	tap_ok(counted(2, "ipi_received") == before, "nothing that waits goes there");
}

static void placed(struct guest *g, struct placing *p)
{
	unsigned int ms;

	for (ms = 0; ms < 30000 * tap_patience() && !taken(g, 2, 0x44); ms += 10)
		pause_ms(10);
	tap_ok(taken(g, 2, 0x44), "it comes where the CPU was");
	pthread_join(p->thread, NULL);
	tap_ok(!p->error, "and then the CPU is placed (%s)", strerror(p->error));
}

static void stop_while_full(struct guest *g, struct middle *m)
{
	struct placing p;
	unsigned int ms;

	middle_stall(m, true);
	fill_way(g, msi_address(0xff, 0), 0x45);
	place_start(&p, g, 3, 1);
	tap_ok(p.error == UNDER_WAY, "another one is placed when all is on its way");
	machine_stop(g->machine[0], "enough");
	for (ms = 0; ms < 3000 * tap_patience() && p.error == UNDER_WAY; ms += 10)
		pause_ms(10);
	tap_ok(p.error != UNDER_WAY, "or the machine has stopped (%d)", p.error);
	middle_stall(m, false);
	pthread_join(p.thread, NULL);
}

int main(void)
{
	struct dvmm_event_record ev;
	struct filler filler = { 0 };
	struct placing placing;
	struct middle m;
	struct guest *g;

	tap_start(200);
	klog_open();
	close_all((int[]){ dev_open(), kvm_open() }, 2);
	g = guest_create(places, 4, 3);
	middle_join(g, &m, honest);
	start_all(g);
	middle_stall(&m, true);
	fill_lane(g, &filler);
	cpu_send(g, 0, 0x41 | ASSERT, 2 << 24);
	cpu_send(g, 0, 0x42 | ASSERT, 3 << 24);
	expect(g, 0x42, 1 << 3, "a node that does not read delays no other node's interrupt");
	cpu_send(g, 0, 0x43 | ASSERT | ALL_BUT_SELF, 0);
	tap_ok(wait_for(slot(g, 3, SLOT_COUNTS + 0x43 * 4), 1, 10000), "nor its broadcast");
	tap_ok(!event_want(g->machine[0], DVMM_EVENT_STOPPED, &ev, 10), "the machine goes on");
	place_while_full(g, &placing);
	filler.enough = true;
	middle_stall(&m, false);
	tap_ok(wait_for(slot(g, 2, SLOT_COUNTS + 0x41 * 4), 1, 30000 * tap_patience()),
	       "when it reads again it gets its own");
	placed(g, &placing);
	pthread_join(filler.thread, NULL);
	stop_while_full(g, &m);
	close_all(filler.channel, 2);
	middle_part(g, &m);
	guest_destroy(g);
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
