// SPDX-License-Identifier: GPL-2.0
/*
 * Giving interrupts to KVM as a device of the VM would: by the function that
 * serves the MSI entries of the VM's own routing table.  The table is public on
 * every kernel, while KVM's functions for this are kept for its own modules, or
 * not exported at all.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/kallsyms.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <asm/apicdef.h>

#include "kvm_compat.h"

/* An MSI's address (Intel SDM 3A, 11.11); its data has the bits of the ICR. */
#define MSI_ADDRESS		0xfee00000
#define MSI_DEST_SHIFT		12
#define MSI_DEST_LOW		0xff
#define MSI_LOGICAL		BIT(2)

/* No APIC's id, and no broadcast: who sends to it reaches nobody. */
#define NOBODY			0xfffffffe

typedef int (*sink_msi_fn)(struct kvm_kernel_irq_routing_entry *e, struct kvm *vm, int source,
			   int level, bool line_status);

/* The same for all VMs: KVM has one, and cannot go while this module is there. */
static sink_msi_fn sink_msi;

static DEFINE_PER_CPU(bool, sink_busy);

/* ---- one message ---- */

/*
 * KVM delivers without sleeping, as it does for an irqfd; so on this CPU the
 * mark is there for exactly this call and for interrupts that hit it.
 */
static unsigned int sink_send_msi(struct kvm *vm, u32 dest, u32 flags, u32 data)
{
	struct kvm_kernel_irq_routing_entry e = {
		.type = KVM_IRQ_ROUTING_MSI,
		.msi.address_lo = MSI_ADDRESS | (dest & MSI_DEST_LOW) << MSI_DEST_SHIFT | flags,
		.msi.address_hi = dest & ~MSI_DEST_LOW,
		.msi.data = data,
	};
	int reached;

	preempt_disable();
	this_cpu_write(sink_busy, true);
	reached = READ_ONCE(sink_msi)(&e, vm, KVM_USERSPACE_IRQ_SOURCE_ID, 1, false);
	this_cpu_write(sink_busy, false);
	preempt_enable();
	return max(reached, 0);
}

bool dvmm_kvm_is_ours(void)
{
	return this_cpu_read(sink_busy) && in_task();
}

void dvmm_kvm_probe(struct kvm *vm)
{
	sink_send_msi(vm, NOBODY, 0, APIC_DM_FIXED | APIC_INT_ASSERT | APIC_VECTOR_MASK);
}

/* ---- records ---- */

/**
 * struct target - whom a record is for
 * @vm: of this VM
 * @dest: destination
 * @flags: MSI_LOGICAL or 0
 * @reached: how many vCPUs took what most of them took
 */
struct target {
	struct kvm *vm;
	u32 dest;
	u32 flags;
	unsigned int reached;
};

static void sink_send(struct target *t, u32 mode_and_vector)
{
	unsigned int reached = sink_send_msi(t->vm, t->dest, t->flags,
					     APIC_INT_ASSERT | mode_and_vector);

	t->reached = max(t->reached, reached);
}

static void sink_send_vectors(struct target *t, const struct dvmm_ipi_record *record)
{
	u32 level = record->events & DVMM_IPI_LEVELS ? APIC_INT_LEVELTRIG : 0;
	int i;

	/* The highest first, as the APIC would take them. */
	for (i = DVMM_IPI_WORDS - 1; i >= 0; i--) {
		u32 bits = record->vectors[i];

		while (bits) {
			u32 bit = __fls(bits);

			sink_send(t, APIC_DM_FIXED | level | (i * 32 + bit));
			bits &= ~BIT(bit);
		}
	}
}

static unsigned int sink_inject_target(struct kvm *vm, u32 dest, u32 flags,
				       const struct dvmm_ipi_record *record)
{
	struct target t = { .vm = vm, .dest = dest, .flags = flags };

	if (record->events & DVMM_IPI_INITS)
		sink_send(&t, APIC_DM_INIT);
	if (record->events & DVMM_IPI_SIPIS)
		sink_send(&t, APIC_DM_STARTUP | record->sipi);
	if (record->events & DVMM_IPI_NMIS)
		sink_send(&t, APIC_DM_NMI);
	if (record->events & DVMM_IPI_SMIS)
		sink_send(&t, APIC_DM_SMI);
	if (record->events & DVMM_IPI_UNHALTS)
		sink_send(&t, APIC_DM_REMRD);
	sink_send_vectors(&t, record);
	return t.reached;
}

static unsigned int sink_inject_one(struct kvm *vm, const struct dvmm_ipi_record *record)
{
	if (record->dest >= KVM_MAX_VCPU_IDS || !kvm_get_vcpu_by_id(vm, record->dest))
		return 0;
	return sink_inject_target(vm, record->dest, 0, record);
}

static unsigned int sink_inject_every(struct kvm *vm, const struct dvmm_ipi_record *record)
{
	unsigned int reached = 0;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, vm)
		reached += sink_inject_target(vm, vcpu->vcpu_id, 0, record);
	return reached;
}

static unsigned int sink_inject(void *sink, const struct dvmm_ipi_record *record)
{
	switch (record->to) {
	case DVMM_IPI_VCPU:
		return sink_inject_one(sink, record);
	case DVMM_IPI_EVERY:
		return sink_inject_every(sink, record);
	case DVMM_IPI_LOGICALLY:
		return sink_inject_target(sink, record->dest, MSI_LOGICAL, record);
	default:
		return sink_inject_target(sink, record->dest, 0, record);
	}
}

/* ---- a VM ---- */

static bool sink_file_is_vm(struct file *file)
{
#ifdef HAVE_FILE_IS_KVM
	return file_is_kvm(file);
#else
	char name[KSYM_SYMBOL_LEN];

	snprintf(name, sizeof(name), "%ps", file->f_op);
	return !strcmp(name, "kvm_vm_fops [kvm]") || !strcmp(name, "kvm_vm_fops");
#endif
}

/*
 * Kernels without CONFIG_MODVERSIONS load modules that were built for other
 * types.  What must be so in any VM is not where these modules look for it then.
 */
static bool sink_is_alien(struct kvm *vm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (READ_ONCE(vm->mm) != current->mm)
		return true;
	kvm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu->kvm != vm || vcpu->vcpu_idx != i)
			return true;
	}
	return false;
}

static sink_msi_fn sink_table_msi(const struct kvm_irq_routing_table *table)
{
	const struct kvm_kernel_irq_routing_entry *e;
	u32 gsi;

	for (gsi = 0; table && gsi < table->nr_rt_entries; gsi++) {
		hlist_for_each_entry(e, &table->map[gsi], link) {
			if (e->type == KVM_IRQ_ROUTING_MSI)
				return e->set;
		}
	}
	return NULL;
}

static sink_msi_fn sink_vm_msi(struct kvm *vm)
{
	int idx = srcu_read_lock(&vm->irq_srcu);
	sink_msi_fn msi = sink_table_msi(srcu_dereference(vm->irq_routing, &vm->irq_srcu));

	srcu_read_unlock(&vm->irq_srcu, idx);
	return msi;
}

static const char *sink_vm_useless(struct kvm *vm)
{
	if (sink_is_alien(vm))
		return "the VM is another process's, or another KVM's: build the modules anew";
	if (READ_ONCE(vm->arch.irqchip_mode) != KVM_IRQCHIP_SPLIT)
		return "the VM needs a split irqchip (KVM_CAP_SPLIT_IRQCHIP)";
	if (!atomic_read(&vm->online_vcpus))
		return "the VM has no vCPU yet";
	return NULL;
}

static void *sink_bind(struct file *file)
{
	sink_msi_fn msi = NULL;
	const char *why;
	struct kvm *vm;

	if (!sink_file_is_vm(file))
		return ERR_PTR(-EINVAL);
	vm = file->private_data;
	why = sink_vm_useless(vm);
	if (!why)
		msi = sink_vm_msi(vm);
	if (!why && !msi)
		why = "the VM needs an MSI route (KVM_SET_GSI_ROUTING), whatever its message";
	if (why) {
		pr_err("%s\n", why);
		return ERR_PTR(-EINVAL);
	}
	WRITE_ONCE(sink_msi, msi);
	dvmm_kvm_know(file->f_op->owner);
	kvm_get_kvm(vm);
	return vm;
}

static void sink_unbind(void *sink)
{
	kvm_put_kvm(sink);
}

const struct dvmm_irq_sink_ops dvmm_kvm_sink = {
	.bind = sink_bind,
	.unbind = sink_unbind,
	.inject = sink_inject,
};
