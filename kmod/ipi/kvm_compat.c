// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that dvmm-ipi knows about the inside of KVM (6.12).
 *
 * Functions that KVM exports are linked, so that a kernel with other types
 * refuses to load this module (CONFIG_MODVERSIONS), and one without them does
 * not link it.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/dvmm.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <asm/apicdef.h>

#include "kvm_compat.h"
#include "kvm_exports.h"

/* KVM has names for the bits, but not for where they are. */
#define MODE_SHIFT		8
#define SHORTHAND_SHIFT		18

#define NESTED_LEVELS_MIN	4

static bool in_x2apic_mode(const struct kvm_vcpu *vcpu)
{
	const u64 mode = X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE;

	return (vcpu->arch.apic_base & mode) == mode;
}

static enum dvmm_ipi_space map_space(const struct kvm_apic_map *map)
{
	switch (map ? map->logical_mode : KVM_APIC_MODE_MAP_DISABLED) {
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

/* The sender's own mode rules over the width of a vCPU's destinations. */
static enum dvmm_ipi_space ipi_space(const struct kvm_apic_map *map, const void *src)
{
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	enum dvmm_ipi_space space = map_space(map);

	if (!vcpu || vcpu->arch.apic != src)
		return DVMM_IPI_MIXED;
	if (in_x2apic_mode(vcpu))
		return DVMM_IPI_X2APIC;
	return space == DVMM_IPI_X2APIC ? DVMM_IPI_MIXED : space;
}

void dvmm_kvm_read(struct dvmm_kvm_sight *sight, struct kvm *vm, const void *src,
		   const void *argument)
{
	const struct kvm_apic_map *map = rcu_dereference(vm->arch.apic_map);
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
	sight->space = src ? ipi_space(map, src) : map_space(map);
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

static bool present(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.apic && vcpu->arch.apic_base & MSR_IA32_APICBASE_ENABLE;
}

/* De-asserting a level-triggered fixed interrupt is a no-op of every local APIC. */
void dvmm_kvm_probe(struct kvm *vm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu->arch.apic) {
			kvm_apic_send_ipi(vcpu->arch.apic,
					  APIC_DEST_SELF | APIC_INT_LEVELTRIG, 0);
			return;
		}
	}
}

static bool is_foreign(const struct kvm_vcpu *vcpu, const struct dvmm_ipi_table *t)
{
	u32 id = vcpu->vcpu_id;

	if (!t || !present(vcpu))
		return false;
	return id >= t->count || t->node_of[id] != t->self;
}

/*
 * Shadow paging has four levels only where the guest's own tables are shadowed,
 * and nested paging never has fewer.
 */
static bool is_shadowed(const struct kvm_vcpu *vcpu)
{
	union kvm_mmu_page_role role = vcpu->arch.root_mmu.root_role;

	return !role.direct || role.level < NESTED_LEVELS_MIN;
}

static bool has_xen(const struct kvm *vm)
{
#ifdef CONFIG_KVM_XEN
	return vm->arch.xen_hvm_config.msr || vm->arch.xen_hvm_config.flags;
#else
	return false;
#endif
}

static bool has_hyperv(const struct kvm_vcpu *vcpu)
{
#ifdef CONFIG_KVM_HYPERV
	return vcpu->arch.hyperv_enabled;
#else
	return false;
#endif
}

static const char *vcpu_unfit(const struct kvm_vcpu *vcpu, const struct dvmm_ipi_table *t)
{
	if (is_foreign(vcpu, t))
		return "a vCPU belongs to another node or none: create only this node's";
	if (has_hyperv(vcpu))
		return "Hyper-V's interfaces serve one host's vCPUs only: take hv-* from -cpu";
	if (is_shadowed(vcpu))
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
	if (has_xen(vm))
		return "Xen's interfaces serve one host's vCPUs only: take xen-version away";
	kvm_for_each_vcpu(i, vcpu, vm) {
		why = vcpu_unfit(vcpu, t);
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

/*
 * AMD's AVIC delivers a broadcast to running vCPUs without an exit, so that
 * other nodes would miss it.  A split irqchip has no PIT in the kernel, hence
 * nobody else sets or clears this reason, and Intel's APICv, which exits on
 * everything but a unicast, does not know it and stays on.
 */
static void inhibit_avic(struct kvm *vm, bool inhibit)
{
	kvm_set_or_clear_apicv_inhibit(vm, APICV_INHIBIT_REASON_PIT_REINJ, inhibit);
}

static void *sink_bind(struct file *file)
{
	struct kvm *vm;

	if (!file_is_kvm(file))
		return ERR_PTR(-EINVAL);
	vm = file->private_data;
	if (READ_ONCE(vm->arch.irqchip_mode) != KVM_IRQCHIP_SPLIT) {
		pr_err("the VM needs a split irqchip (KVM_CAP_SPLIT_IRQCHIP)\n");
		return ERR_PTR(-EINVAL);
	}
	if (!atomic_read(&vm->online_vcpus)) {
		pr_err("the VM has no vCPU yet\n");
		return ERR_PTR(-EINVAL);
	}
	kvm_get_kvm(vm);
	inhibit_avic(vm, true);
	return vm;
}

static void sink_unbind(void *sink)
{
	inhibit_avic(sink, false);
	kvm_put_kvm(sink);
}

static bool addressed(struct kvm_vcpu *vcpu, const struct dvmm_ipi_record *record)
{
	if (!present(vcpu))
		return false;
	if (record->to == DVMM_IPI_EVERY)
		return true;
	return kvm_apic_match_dest(vcpu, NULL, 0, record->dest,
				   record->to == DVMM_IPI_LOGICALLY ? APIC_DEST_LOGICAL :
								      APIC_DEST_PHYSICAL);
}

/*
 * "Self" delivers any mode to exactly this vCPU, whatever mode its APIC is in
 * (an APIC in xAPIC mode could not name an id above 255), and the hook never
 * takes it for something to forward.
 */
static void vcpu_send(struct kvm_vcpu *vcpu, u32 mode_and_vector)
{
	kvm_apic_send_ipi(vcpu->arch.apic, APIC_DEST_SELF | APIC_INT_ASSERT | mode_and_vector, 0);
}

static void vcpu_inject_vectors(struct kvm_vcpu *vcpu, const struct dvmm_ipi_record *record)
{
	u32 level = record->events & DVMM_IPI_LEVELS ? APIC_INT_LEVELTRIG : 0;
	int i;

	/* The highest first, as the APIC would take them. */
	for (i = DVMM_IPI_WORDS - 1; i >= 0; i--) {
		u32 bits = record->vectors[i];

		while (bits) {
			u32 bit = __fls(bits);

			vcpu_send(vcpu, APIC_DM_FIXED | level | (i * 32 + bit));
			bits &= ~BIT(bit);
		}
	}
}

static void vcpu_inject(struct kvm_vcpu *vcpu, const struct dvmm_ipi_record *record)
{
	if (record->events & DVMM_IPI_INITS)
		vcpu_send(vcpu, APIC_DM_INIT);
	if (record->events & DVMM_IPI_SIPIS)
		vcpu_send(vcpu, APIC_DM_STARTUP | record->sipi);
	if (record->events & DVMM_IPI_NMIS)
		vcpu_send(vcpu, APIC_DM_NMI);
	if (record->events & DVMM_IPI_SMIS)
		vcpu_send(vcpu, APIC_DM_SMI);
	if (record->events & DVMM_IPI_UNHALTS)
		vcpu_send(vcpu, APIC_DM_REMRD);
	vcpu_inject_vectors(vcpu, record);
}

static unsigned int inject_one(struct kvm *vm, const struct dvmm_ipi_record *record)
{
	struct kvm_vcpu *vcpu;

	if (record->dest >= KVM_MAX_VCPU_IDS)
		return 0;
	vcpu = kvm_get_vcpu_by_id(vm, record->dest);
	if (!vcpu || !present(vcpu))
		return 0;
	vcpu_inject(vcpu, record);
	return 1;
}

static unsigned int sink_inject(void *sink, const struct dvmm_ipi_record *record)
{
	unsigned int reached = 0;
	struct kvm *vm = sink;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (record->to == DVMM_IPI_VCPU)
		return inject_one(vm, record);
	kvm_for_each_vcpu(i, vcpu, vm) {
		if (addressed(vcpu, record)) {
			vcpu_inject(vcpu, record);
			reached++;
		}
	}
	return reached;
}

const struct dvmm_irq_sink_ops dvmm_kvm_sink = {
	.bind = sink_bind,
	.unbind = sink_unbind,
	.inject = sink_inject,
};
