/* SPDX-License-Identifier: GPL-2.0 */
/* Who takes interrupts: KVM, or a fake in tests. */
#ifndef DVMM_IPI_SINK_H
#define DVMM_IPI_SINK_H

#include "wire.h"

struct file;

/**
 * struct dvmm_irq_sink_ops - the interrupt controllers of one node's vCPUs
 * @bind: take a reference on the VM behind @vm.  Process context.  Returns the
 *	sink's own word or ERR_PTR
 * @unbind: give the reference back.  Process context
 * @inject: deliver a record to every vCPU of this sink that it means.  Process
 *	context.  Returns the number of vCPUs
 */
struct dvmm_irq_sink_ops {
	void *(*bind)(struct file *vm);
	void (*unbind)(void *sink);
	unsigned int (*inject)(void *sink, const struct dvmm_ipi_record *record);
};

#endif
