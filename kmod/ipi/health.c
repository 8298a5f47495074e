// SPDX-License-Identifier: GPL-2.0
/* Whether a VM's interrupts are seen: asked when it is attached and ever after. */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include "health.h"
#include "ipi.h"
#include "kvm_compat.h"
#include "walk.h"

#define HEALTH_PERIOD	HZ

/* The hook is worth nothing unless it fires on this very kernel. */
static bool health_hook_fires(struct dvmm_ipi *a)
{
	WRITE_ONCE(a->probed, false);
	dvmm_kvm_probe(a->vm);
	return READ_ONCE(a->probed);
}

int dvmm_ipi_health_first(struct dvmm_ipi *a)
{
	if (!health_hook_fires(a)) {
		pr_err("the hook on KVM's delivery of interrupts does not fire on this kernel: no VM can be attached\n");
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
	const char *why = dvmm_kvm_unfit(a->vm, NULL) ?: dvmm_kvm_unseen(a->vm);

	if (why)
		dvmm_machine_fail(a->machine, "node %u: this VM: %s", a->table.self, why);
	if (!health_hook_fires(a))
		dvmm_machine_fail(a->machine,
				  "node %u: the hook on KVM's delivery of interrupts no longer fires: they would be lost",
				  a->table.self);
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
