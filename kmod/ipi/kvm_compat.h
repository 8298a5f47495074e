/* SPDX-License-Identifier: GPL-2.0 */
/* Everything that dvmm-ipi knows about the inside of KVM. */
#ifndef DVMM_IPI_KVM_COMPAT_H
#define DVMM_IPI_KVM_COMPAT_H

#include "route.h"
#include "sink.h"

struct kvm;
struct module;

/*
 * The functions of KVM that are watched.  Where there is DVMM_KVM_DELIVER_INNER,
 * most messages come by it alone, and those of DVMM_KVM_DELIVER come by it too.
 */
#define DVMM_KVM_DELIVER_INNER	"__kvm_irq_delivery_to_apic_fast"
#define DVMM_KVM_DELIVER	"kvm_irq_delivery_to_apic_fast"
#define DVMM_KVM_PV_SEND_IPI	"kvm_pv_send_ipi"

/**
 * struct dvmm_kvm_sight - an interrupt message as KVM was given it
 * @msg: the message
 * @space: how this guest's destinations are to be read at the moment, if that
 *	makes a difference to the message
 * @one_only: lowest priority: one vCPU takes it
 * @again: KVM is about to give up, and will be given the same message anew
 */
struct dvmm_kvm_sight {
	struct dvmm_ipi_msg msg;
	enum dvmm_ipi_space space;
	bool one_only;
	bool again;
};

/**
 * dvmm_kvm_read - understand the arguments of DVMM_KVM_DELIVER
 * @sight: result
 * @vm: first argument
 * @src: second argument: the sender's local APIC, NULL for a device
 * @irq: third argument
 *
 * Inside rcu_read_lock(); any context but NMI.
 */
void dvmm_kvm_read(struct dvmm_kvm_sight *sight, struct kvm *vm, const void *src,
		   const void *irq);

/**
 * dvmm_kvm_read_icr - understand the ICR of DVMM_KVM_PV_SEND_IPI
 * @msg: result: mode, vector and trigger mode
 * @icr: fifth argument
 *
 * Return: false if KVM refuses it.
 */
bool dvmm_kvm_read_icr(struct dvmm_ipi_msg *msg, u64 icr);

/**
 * dvmm_kvm_redirect - give KVM another destination than it was called with
 * @irq: third argument of DVMM_KVM_DELIVER, on the caller's stack
 * @dest: the new destination, in the same mode
 */
void dvmm_kvm_redirect(void *irq, u32 dest);

/**
 * dvmm_kvm_probe - let KVM deliver a message that is for nobody
 * @vm: a VM that dvmm_kvm_sink has bound
 */
void dvmm_kvm_probe(struct kvm *vm);

/**
 * dvmm_kvm_is_ours - does dvmm_kvm_sink or dvmm_kvm_probe() send what KVM delivers
 *
 * To be asked where DVMM_KVM_DELIVER is watched; any context but NMI.
 */
bool dvmm_kvm_is_ours(void);

/**
 * dvmm_kvm_unfit - look for what would lose interrupts or writes of this VM
 * @vm: the VM
 * @t: table with this node's number, NULL to allow vCPUs of other nodes: one that is
 *	about to move here is made before it belongs here
 *
 * Return: what is wrong and how to avoid it, or NULL.
 */
const char *dvmm_kvm_unfit(struct kvm *vm, const struct dvmm_ipi_table *t);

/** dvmm_kvm_know - before the two below: the module that a VM's descriptor belongs to, or NULL */
void dvmm_kvm_know(const struct module *kvm);

/**
 * dvmm_kvm_forbid_apicv - forbid KVM, where it lets us, what CPUs would deliver unseen
 * @vm: the VM; nobody else does this to it at the same time
 * @forbid: false allows it again
 *
 * Process context.
 */
void dvmm_kvm_forbid_apicv(struct kvm *vm, bool forbid);

/** dvmm_kvm_unseen - what CPUs deliver unseen all the same, and how to avoid it; or NULL */
const char *dvmm_kvm_unseen(const struct kvm *vm);

/**
 * dvmm_kvm_take_eoi - what a vCPU leaves undone
 * @vm: the VM
 * @id: APIC id of a vCPU that does not run
 *
 * Process context.
 * Return: vector of an end of interrupt that KVM was going to report to the VMM, which
 * it no longer will; DVMM_NO_VECTOR if there is none.
 */
u32 dvmm_kvm_take_eoi(struct kvm *vm, u32 id);

/** dvmm_kvm_sink - KVM as a sink; its word is the struct kvm */
extern const struct dvmm_irq_sink_ops dvmm_kvm_sink;

#endif
