/* SPDX-License-Identifier: GPL-2.0 */
/* One interrupt message, as an interrupt controller puts it on the APIC bus. */
#ifndef DVMM_IPI_MESSAGE_H
#define DVMM_IPI_MESSAGE_H

#include "env.h"

/* Delivery modes and shorthands have the numbers of the ICR (Intel SDM 3A, 11.6.1). */
#define DVMM_IPI_FIXED		0
#define DVMM_IPI_LOWEST		1
#define DVMM_IPI_SMI		2
#define DVMM_IPI_REMRD		3	/* KVM's own: unhalt by hypercall */
#define DVMM_IPI_NMI		4
#define DVMM_IPI_INIT		5
#define DVMM_IPI_SIPI		6
#define DVMM_IPI_EXTINT		7

#define DVMM_IPI_TO_DEST	0
#define DVMM_IPI_TO_SELF	1
#define DVMM_IPI_TO_ALL		2
#define DVMM_IPI_TO_OTHERS	3

#define DVMM_IPI_LOGICAL	0x01	/* dest is a logical destination */
#define DVMM_IPI_LEVEL		0x02	/* level-triggered */
#define DVMM_IPI_ASSERT		0x04
#define DVMM_IPI_MSI		0x08	/* from a device: no vCPU sent it */
#define DVMM_IPI_FLAGS		0x0f

/**
 * struct dvmm_ipi_msg - an interrupt message
 * @dest: APIC id or logical destination, as far as @shorthand leaves it a meaning
 * @vector: interrupt vector; page of the start-up code for SIPI
 * @mode: delivery mode, DVMM_IPI_FIXED .. DVMM_IPI_EXTINT
 * @shorthand: DVMM_IPI_TO_*
 * @flags: DVMM_IPI_LOGICAL | LEVEL | ASSERT | MSI
 */
struct dvmm_ipi_msg {
	u32 dest;
	u8 vector;
	u8 mode;
	u8 shorthand;
	u8 flags;
};

#endif
