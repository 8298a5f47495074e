// SPDX-License-Identifier: GPL-2.0
/*
 * What KVM's messages and VMs mean.  Types come from KVM's public headers; what
 * differs between kernels is found by compile probes, and what a kernel keeps
 * for its own modules is not used.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/dvmm.h>
#include <linux/irqflags.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <asm/apicdef.h>

#include "kvm_compat.h"

/* KVM has names for the bits, but not for where they are. */
#define MODE_SHIFT		8
#define SHORTHAND_SHIFT		18

#define NESTED_LEVELS_MIN	4

#define XAPIC_BROADCAST		0xff
#define X2APIC_BROADCAST	0xffffffff

static bool compat_in_x2apic_mode(const struct kvm_vcpu *vcpu)
{
	const u64 mode = X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE;

	return (vcpu->arch.apic_base & mode) == mode;
}

static bool compat_present(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.apic && vcpu->arch.apic_base & MSR_IA32_APICBASE_ENABLE;
}

#ifdef dvmm_apic_map_mode
static enum dvmm_ipi_space compat_vm_space(struct kvm *vm)
{
	const struct kvm_apic_map *map = rcu_dereference(vm->arch.apic_map);

	switch (map ? dvmm_apic_map_mode(map) : 0) {
	case KVM_APIC_MODE_XAPIC_FLAT:
		return DVMM_IPI_FLAT;
	case KVM_APIC_MODE_XAPIC_CLUSTER:
		return DVMM_IPI_CLUSTER;
	case KVM_APIC_MODE_X2APIC:
		return DVMM_IPI_X2APIC;
	default:
		return DVMM_IPI_MIXED;
	}
}
#else
static bool compat_started(const struct kvm_vcpu *vcpu)
{
	const int state = READ_ONCE(vcpu->arch.mp_state);

	return compat_present(vcpu) && state != KVM_MP_STATE_UNINITIALIZED &&
	       state != KVM_MP_STATE_INIT_RECEIVED;
}

/*
 * This KVM keeps to itself how it reads logical destinations.  In x2APIC mode
 * there is one way only; in xAPIC mode there are two.
 */
static enum dvmm_ipi_space compat_vm_space(struct kvm *vm)
{
	struct kvm_vcpu *vcpu;
	bool any = false;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, vm) {
		if (!compat_started(vcpu))
			continue;
		if (!compat_in_x2apic_mode(vcpu))
			return DVMM_IPI_MIXED;
		any = true;
	}
	return any ? DVMM_IPI_X2APIC : DVMM_IPI_MIXED;
}
#endif

static const struct kvm_vcpu *compat_vcpu_of_apic(struct kvm *vm, const void *apic)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu->arch.apic == apic)
			return vcpu;
	}
	return NULL;
}

/* The sender's own mode rules over the width of a vCPU's destinations. */
static enum dvmm_ipi_space compat_ipi_space(struct kvm *vm, const void *src)
{
	const struct kvm_vcpu *vcpu = compat_vcpu_of_apic(vm, src);
	enum dvmm_ipi_space space;

	if (vcpu && compat_in_x2apic_mode(vcpu))
		return DVMM_IPI_X2APIC;
	space = compat_vm_space(vm);
	return space == DVMM_IPI_X2APIC ? DVMM_IPI_MIXED : space;
}

static bool compat_is_broadcast(const struct dvmm_ipi_msg *msg)
{
	return msg->dest == XAPIC_BROADCAST || msg->dest == X2APIC_BROADCAST;
}

/* Looks at vCPUs, so only for a destination whose meaning depends on it. */
static enum dvmm_ipi_space compat_msg_space(struct kvm *vm, const void *src,
					    const struct dvmm_ipi_msg *msg)
{
	if (msg->shorthand != DVMM_IPI_TO_DEST)
		return DVMM_IPI_MIXED;
	if (!(msg->flags & DVMM_IPI_LOGICAL) && !compat_is_broadcast(msg))
		return DVMM_IPI_MIXED;
	return src ? compat_ipi_space(vm, src) : compat_vm_space(vm);
}

/*
 * Some kernels try a vCPU's write of its ICR in x2APIC mode at once, with
 * interrupts off.  There KVM serves neither shorthands nor broadcasts: it gives
 * up, and the same write comes with interrupts on.
 */
static bool compat_comes_again(const void *src, const struct dvmm_ipi_msg *msg)
{
	if (!src || !irqs_disabled())
		return false;
	return msg->shorthand >= DVMM_IPI_TO_ALL || msg->dest == X2APIC_BROADCAST;
}

void dvmm_kvm_read(struct dvmm_kvm_sight *sight, struct kvm *vm, const void *src,
		   const void *argument)
{
	const struct kvm_lapic_irq *irq = argument;

	sight->msg = (struct dvmm_ipi_msg) {
		.dest = irq->dest_id,
		.vector = irq->vector,
		.mode = irq->delivery_mode >> MODE_SHIFT & 7,
		.shorthand = irq->shorthand >> SHORTHAND_SHIFT & 3,
		.flags = (irq->dest_mode == APIC_DEST_LOGICAL ? DVMM_IPI_LOGICAL : 0) |
			 (irq->trig_mode ? DVMM_IPI_LEVEL : 0) |
			 (irq->level ? DVMM_IPI_ASSERT : 0) |
			 (src ? 0 : DVMM_IPI_MSI),
	};
	sight->one_only = irq->msi_redir_hint || irq->delivery_mode == APIC_DM_LOWEST;
	sight->space = compat_msg_space(vm, src, &sight->msg);
	sight->again = compat_comes_again(src, &sight->msg);
}

bool dvmm_kvm_read_icr(struct dvmm_ipi_msg *msg, u64 icr)
{
	*msg = (struct dvmm_ipi_msg) {
		.vector = icr & APIC_VECTOR_MASK,
		.mode = icr >> MODE_SHIFT & 7,
		.flags = (icr & APIC_INT_LEVELTRIG ? DVMM_IPI_LEVEL : 0) |
			 (icr & APIC_INT_ASSERT ? DVMM_IPI_ASSERT : 0),
	};
	return !(icr & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT)) && !dvmm_ipi_is_nothing(msg);
}

void dvmm_kvm_redirect(void *irq, u32 dest)
{
	((struct kvm_lapic_irq *)irq)->dest_id = dest;
}

static bool compat_is_foreign(const struct kvm_vcpu *vcpu, const struct dvmm_ipi_table *t)
{
	u32 id = vcpu->vcpu_id;

	if (!t || !compat_present(vcpu))
		return false;
	return id >= t->count || t->node_of[id] != t->self;
}

/*
 * Shadow paging has four levels only where the guest's own tables are shadowed,
 * and nested paging never has fewer.
 */
static bool compat_is_shadowed(const struct kvm_vcpu *vcpu)
{
	union kvm_mmu_page_role role = vcpu->arch.root_mmu.root_role;

	return !role.direct || role.level < NESTED_LEVELS_MIN;
}

static bool compat_has_xen(const struct kvm *vm)
{
#ifdef dvmm_xen_config
	return dvmm_xen_config(vm).msr || dvmm_xen_config(vm).flags;
#else
	return false;
#endif
}

static bool compat_has_hyperv(const struct kvm_vcpu *vcpu)
{
#ifdef HAVE_HYPERV_ENABLED
	return vcpu->arch.hyperv_enabled;
#else
	return false;
#endif
}

static const char *compat_vcpu_unfit(const struct kvm_vcpu *vcpu, const struct dvmm_ipi_table *t)
{
	if (compat_is_foreign(vcpu, t))
		return "a vCPU belongs to another node or none: create only this node's";
	if (compat_has_hyperv(vcpu))
		return "Hyper-V's interfaces serve one host's vCPUs only: take hv-* from -cpu";
	/* What is sent to it would go to all APICs in xAPIC mode. */
	if (vcpu->vcpu_id == XAPIC_BROADCAST && compat_present(vcpu))
		return "APIC id 255 is every xAPIC's broadcast: leave this vCPU out";
	if (compat_is_shadowed(vcpu))
		return "KVM uses no nested paging: load kvm_amd with npt=1 or kvm_intel with ept=1";
	return NULL;
}

const char *dvmm_kvm_unfit(struct kvm *vm, const struct dvmm_ipi_table *t)
{
	struct kvm_vcpu *vcpu;
	const char *why;
	unsigned long i;

	if (!vm->arch.x2apic_format || !vm->arch.x2apic_broadcast_quirk_disabled)
		return "its APIC ids have 8 bits: enable both flags of KVM_CAP_X2APIC_API";
	if (compat_has_xen(vm))
		return "Xen's interfaces serve one host's vCPUs only: take xen-version away";
	kvm_for_each_vcpu(i, vcpu, vm) {
		why = compat_vcpu_unfit(vcpu, t);
		if (why)
			return why;
	}
	return NULL;
}

/* An interrupt whose end is lost would keep its pin of the IOAPIC busy for ever. */
u32 dvmm_kvm_take_eoi(struct kvm *vm, u32 id)
{
	struct kvm_vcpu *vcpu = kvm_get_vcpu_by_id(vm, id);

	if (vcpu && kvm_check_request(KVM_REQ_IOAPIC_EOI_EXIT, vcpu))
		return vcpu->arch.pending_ioapic_eoi;
	return DVMM_NO_VECTOR;
}
