// SPDX-License-Identifier: GPL-2.0
/* Whether a VM's interrupts are seen: asked when it is attached and ever after. */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/sched.h>

#include "health.h"
#include "ipi.h"
#include "kvm_compat.h"
#include "walk.h"

#define HEALTH_PERIOD	HZ

/* The hook is worth nothing unless it fires on this very kernel. */
static bool health_hook_fires(struct dvmm_ipi *a)
{
	a->probed = false;
	WRITE_ONCE(a->prober, current);
	dvmm_kvm_probe(a->vm);
	WRITE_ONCE(a->prober, NULL);
	return a->probed;
}

int dvmm_ipi_health_first(struct dvmm_ipi *a)
{
	if (!health_hook_fires(a)) {
		pr_err("the hook on KVM's %s does not fire on this kernel: no VM can be attached\n",
		       DVMM_KVM_DELIVER);
		return -ENODEV;
	}
	dvmm_walk_report();
	a->walks = dvmm_walk_set(a->vm);
	return 0;
}

/* A live patch of KVM or a fault of ftrace would hang the guest without a word. */
static void health_look(struct work_struct *work)
{
	struct dvmm_ipi *a = container_of(work, struct dvmm_ipi, health.work);
	const char *why = dvmm_kvm_unfit(a->vm, NULL);

	if (why)
		dvmm_machine_fail(a->machine, "node %u: this VM: %s", a->table.self, why);
	if (!health_hook_fires(a))
		dvmm_machine_fail(a->machine,
				  "node %u: the hook on KVM's %s no longer fires: interrupts would be lost",
				  a->table.self, DVMM_KVM_DELIVER);
	WRITE_ONCE(a->walks, dvmm_walk_set(a->vm));
	schedule_delayed_work(&a->health, HEALTH_PERIOD);
}

void dvmm_ipi_health_start(struct dvmm_ipi *a)
{
	INIT_DELAYED_WORK(&a->health, health_look);
	schedule_delayed_work(&a->health, HEALTH_PERIOD);
}

void dvmm_ipi_health_stop(struct dvmm_ipi *a)
{
	cancel_delayed_work_sync(&a->health);
}
