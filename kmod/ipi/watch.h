/* SPDX-License-Identifier: GPL-2.0 */
/* What happens when KVM is given an interrupt message. */
#ifndef DVMM_IPI_WATCH_H
#define DVMM_IPI_WATCH_H

#include "message.h"

struct dvmm_ipi;
struct kvm;

/** dvmm_ipi_watch - from now on the messages of @a's VM; -EBUSY if it is watched */
int dvmm_ipi_watch(struct dvmm_ipi *a);

/** dvmm_ipi_unwatch - undo; on return no handler uses @a.  Process context */
void dvmm_ipi_unwatch(struct dvmm_ipi *a);

/**
 * dvmm_ipi_deliver - KVM is about to resolve a message
 * @vm: the VM, watched or not
 * @src: sender's local APIC, NULL for a device
 * @irq: the message, on the stack of KVM
 *
 * Any context but NMI.
 */
void dvmm_ipi_deliver(struct kvm *vm, const void *src, void *irq);

/**
 * dvmm_ipi_hypercall - KVM is about to deliver the IPIs of a PV_SEND_IPI
 * @vm: the VM, watched or not
 * @msg: mode and vector
 * @first: APIC id of bit 0 of @bits[0]
 * @bits: vCPUs
 * @width: bits that count in each of @bits
 *
 * Any context but NMI.
 */
void dvmm_ipi_hypercall(struct kvm *vm, const struct dvmm_ipi_msg *msg, u32 first,
			const u64 bits[2], unsigned int width);

#endif
