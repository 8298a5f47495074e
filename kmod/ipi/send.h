/* SPDX-License-Identifier: GPL-2.0 */
/* Interrupts from this node to others, and from others to it. */
#ifndef DVMM_IPI_SEND_H
#define DVMM_IPI_SEND_H

#include "message.h"

struct dvmm_channel_ops;
struct dvmm_ipi;

/** dvmm_ipi_send_create - make room for what may wait for each node; 0 or -ENOMEM */
int dvmm_ipi_send_create(struct dvmm_ipi *a);
/** dvmm_ipi_send_destroy - free it, also after a creation that failed */
void dvmm_ipi_send_destroy(struct dvmm_ipi *a);

/** dvmm_ipi_send_start - start a thread for each other node; 0 or -errno */
int dvmm_ipi_send_start(struct dvmm_ipi *a);
/** dvmm_ipi_send_stop - stop those that run; what waits is dropped */
void dvmm_ipi_send_stop(struct dvmm_ipi *a);

/**
 * dvmm_ipi_send_vcpus - send a message to the vCPUs of other nodes among some
 * @a: the VM
 * @first: APIC id of bit 0
 * @bits: a bit for each vCPU
 * @msg: mode, vector and trigger mode count
 *
 * Any context but NMI, as all of these.
 */
void dvmm_ipi_send_vcpus(struct dvmm_ipi *a, u32 first, u64 bits, const struct dvmm_ipi_msg *msg);

/**
 * dvmm_ipi_send_group - send a message to every other node, which knows whom it means
 * @a: the VM
 * @msg: to a shorthand, a broadcast or eight logical bits
 */
void dvmm_ipi_send_group(struct dvmm_ipi *a, const struct dvmm_ipi_msg *msg);

/**
 * dvmm_ipi_send_place - a vCPU runs on another node from now on
 * @a: the VM
 * @id: APIC id of a vCPU of the machine
 * @node: where what is sent to it goes from now on
 *
 * Process context; waits until nothing waits for the vCPU.  Callers serialise.  What is
 * sent through dvmm_ipi_send_vcpus() meanwhile waits for one node or the other.  Once the
 * machine has stopped the senders drop all there is, and nothing waits any more.
 * Return: 0 or -ERESTARTSYS, and the vCPU is where it was.
 */
int dvmm_ipi_send_place(struct dvmm_ipi *a, u32 id, u16 node);

/**
 * dvmm_ipi_send_flush - wait until all that has waited is on its way
 * @a: the VM
 *
 * Process context.  In a machine that has stopped it is dropped instead.
 * Return: 0 or -ERESTARTSYS.
 */
int dvmm_ipi_send_flush(struct dvmm_ipi *a);

/** dvmm_ipi_channel_ops - what a struct dvmm_ipi does on its channel */
extern const struct dvmm_channel_ops dvmm_ipi_channel_ops;

#endif
