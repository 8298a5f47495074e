// SPDX-License-Identifier: GPL-2.0
/*
 * A member that is not in use yet is lost while a broadcast waits for room on the way to it; so is
 * one that is in use for a vCPU alone, of which it has not heard.
 */
#include <errno.h>
#include <string.h>

#include "checks.h"
#include "middle.h"
#include "node.h"
#include "tap.h"

static const struct place idle[] = { { 0, 0 }, { 1, 0 } }, used[] = { { 0, 0 }, { 1, 1 } };

static void honest(struct frame *f)
{
	(void)f;
}

static struct guest *join(const struct place *places, struct middle *m)
{
	struct guest *g = guest_create(places, 2, 2);

	middle_join_late(g, m, honest);
	if (guest_attach(g, 0, g->vm[0]))
		tap_bail("attach: %s", strerror(errno));
	return g;
}

static void with_vcpu(void)
{
	struct dvmm_event_record ev;
	struct middle m;
	struct guest *g = join(used, &m);

	middle_cut(&m);
	tap_ok(event_want(g->machine[0], DVMM_EVENT_STOPPED, &ev, 10000) == 1,
	       "the loss of a new member that has a vCPU stops the machine");
	middle_part(g, &m);
	guest_destroy(g);
}

int main(void)
{
	struct dvmm_event_record ev;
	struct middle m;
	struct guest *g;

	tap_start(100);
	klog_open();
	close_all((int[]){ dev_open(), kvm_open() }, 2);
	with_vcpu();
	g = join(idle, &m);
	middle_stall(&m, true);
	fill_way(g, msi_address(0xff, 0), 0x41);
	middle_cut(&m);
	tap_ok(event_want(g->machine[0], DVMM_EVENT_LEFT, &ev, 10000) == 1,
	       "a member that is not in use is let go when it is lost");
	tap_ok(!event_want(g->machine[0], DVMM_EVENT_STOPPED, &ev, 1000),
	       "and what waited for it does not stop the machine");
	middle_part(g, &m);
	guest_destroy(g);
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
