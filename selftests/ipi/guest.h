/* SPDX-License-Identifier: GPL-2.0 */
/* What the test and its guest agree on.  Also read by the assembler. */
#ifndef DVMM_TEST_IPI_GUEST_H
#define DVMM_TEST_IPI_GUEST_H

#define GUEST_CODE	0x8000		/* page 8: the vector of the SIPI */
#define GUEST_SLOTS	0x100000
#define GUEST_SLOT_SIZE	0x10000		/* slot below, stack above */
#define GUEST_MEMORY	0x200000
#define GUEST_CPUID	0x40000f00	/* eax: index of the vCPU */
#define GUEST_PORT	0x500		/* reading it asks for a command */

#define SLOT_STARTS	0x00		/* times that it came out of SIPI */
#define SLOT_ICR_LOW	0x04
#define SLOT_ICR_HIGH	0x08
#define SLOT_NMIS	0x0c
#define SLOT_REPEAT	0x10
#define SLOT_X2APIC	0x14
#define SLOT_LDR	0x18
#define SLOT_DFR	0x1c
#define SLOT_COUNTS	0x400		/* interrupts taken, one word a vector */

#define CMD_NOP		0
#define CMD_ICR		1		/* write the ICR SLOT_REPEAT times */
#define CMD_X2APIC	2
#define CMD_LOGICAL	3		/* set LDR and DFR */
#define CMD_HLT		4
#define CMD_SWEEP	5		/* ICR with vectors 0x30 .. 0xef, SLOT_REPEAT times */
#define CMD_HYPERCALL	6		/* PV_SEND_IPI */
#define CMD_CLI		7
#define CMD_STI		8
#define CMD_PING	9		/* write the ICR and await an answer, SLOT_REPEAT times */
#define CMD_AWAIT	10		/* halt until SLOT_REPEAT more answers were taken */

#define VECTOR_PING	0x3e		/* an answer */
#define VECTOR_ECHO	0x3f		/* asks for an answer: the handler writes the ICR */

#endif
