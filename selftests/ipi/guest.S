/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest of the interrupt tests: every CPU comes here from its SIPI, counts the
 * interrupts it takes and does what it is told.  Position: GUEST_CODE.
 */
#include "guest.h"

#define AT(label)	(label - guest_start + GUEST_CODE)
#define XAPIC		0xfee00000
#define MSR_APIC_BASE	0x1b
#define MSR_SVR		0x80f
#define MSR_ICR		0x830
#define MSR_EOI		0x80b
#define SVR_ON		0x1ff

	.section .rodata
	.globl guest_start, guest_end
	.balign 16
	.code16
guest_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	AT(gdt_pointer)
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$8, $AT(flat)

	.code32
flat:
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$GUEST_CPUID, %eax
	xorl	%ecx, %ecx
	cpuid
	imull	$GUEST_SLOT_SIZE, %eax, %ebp
	addl	$GUEST_SLOTS, %ebp		/* ebp: our slot, for good */
	leal	GUEST_SLOT_SIZE(%ebp), %esp
	lidtl	AT(idt_pointer)

	/* INIT leaves an APIC in x2APIC mode. */
	movl	$MSR_APIC_BASE, %ecx
	rdmsr
	shrl	$10, %eax
	andl	$1, %eax
	movl	%eax, SLOT_X2APIC(%ebp)
	call	switch_on
	lock incl SLOT_STARTS(%ebp)
	sti

next:
	movw	$GUEST_PORT, %dx
	inl	%dx, %eax
	cmpl	$CMD_ICR, %eax
	je	do_icr
	cmpl	$CMD_X2APIC, %eax
	je	do_x2apic
	cmpl	$CMD_LOGICAL, %eax
	je	do_logical
	cmpl	$CMD_HLT, %eax
	je	do_hlt
	cmpl	$CMD_SWEEP, %eax
	je	do_sweep
	cmpl	$CMD_HYPERCALL, %eax
	je	do_hypercall
	cmpl	$CMD_CLI, %eax
	je	do_cli
	cmpl	$CMD_STI, %eax
	je	do_sti
	cmpl	$CMD_PING, %eax
	je	do_ping
	cmpl	$CMD_AWAIT, %eax
	je	do_await
	jmp	next

do_icr:
	movl	SLOT_REPEAT(%ebp), %edi
1:	movl	SLOT_ICR_LOW(%ebp), %eax
	call	send
	decl	%edi
	jg	1b
	jmp	next

do_sweep:
	movl	SLOT_REPEAT(%ebp), %edi
1:	movl	$0x30, %esi
2:	movl	SLOT_ICR_LOW(%ebp), %eax
	orl	%esi, %eax
	call	send
	incl	%esi
	cmpl	$0xf0, %esi
	jb	2b
	decl	%edi
	jg	1b
	jmp	next

do_x2apic:
	movl	$MSR_APIC_BASE, %ecx
	rdmsr
	orl	$0xc00, %eax
	wrmsr
	movl	$1, SLOT_X2APIC(%ebp)
	call	switch_on
	jmp	next

do_logical:
	movl	SLOT_DFR(%ebp), %eax
	movl	%eax, XAPIC + 0xe0
	movl	SLOT_LDR(%ebp), %eax
	movl	%eax, XAPIC + 0xd0
	jmp	next

do_hlt:
	hlt
	jmp	next

do_cli:
	cli
	jmp	next

do_sti:
	sti
	jmp	next

do_hypercall:
	movl	$10, %eax			/* KVM_HC_SEND_IPI */
	movl	$0xe, %ebx			/* ids 1, 2, 3 */
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	movl	$0x4031, %esi
	vmmcall
	jmp	next

do_ping:
	movl	SLOT_REPEAT(%ebp), %edi
	movl	SLOT_COUNTS + VECTOR_PING * 4(%ebp), %esi
1:	movl	SLOT_ICR_LOW(%ebp), %eax
	incl	%esi
	call	send
	call	await
	decl	%edi
	jg	1b
	jmp	next

do_await:
	movl	SLOT_COUNTS + VECTOR_PING * 4(%ebp), %esi
	addl	SLOT_REPEAT(%ebp), %esi
	call	await
	jmp	next

/* Halts until VECTOR_PING has been taken as often as esi says. */
await:
	cli
	cmpl	SLOT_COUNTS + VECTOR_PING * 4(%ebp), %esi
	je	1f
	sti
	hlt
	jmp	await
1:	sti
	ret

/* eax: low word of the ICR */
send:
	movl	SLOT_ICR_HIGH(%ebp), %edx
	testl	$1, SLOT_X2APIC(%ebp)
	jz	1f
	movl	$MSR_ICR, %ecx
	wrmsr
	ret
1:	movl	%edx, XAPIC + 0x310
	movl	%eax, XAPIC + 0x300
	ret

switch_on:
	testl	$1, SLOT_X2APIC(%ebp)
	jz	1f
	movl	$MSR_SVR, %ecx
	movl	$SVR_ON, %eax
	xorl	%edx, %edx
	wrmsr
	ret
1:	movl	$SVR_ON, XAPIC + 0xf0
	ret

/* A stub is 16 bytes: the vector is pushed, the handler is common. */
	.balign 16
stubs:
	.set	vector, 0
	.rept	256
	.balign 16
	pushl	$vector
	jmp	taken
	.set	vector, vector + 1
	.endr

taken:
	pushl	%eax
	pushl	%ecx
	pushl	%edx
	movl	12(%esp), %eax
	lock incl SLOT_COUNTS(%ebp, %eax, 4)
	cmpl	$2, %eax
	jne	1f
	lock incl SLOT_NMIS(%ebp)
	jmp	3f
1:	testl	$1, SLOT_X2APIC(%ebp)
	jz	2f
	movl	$MSR_EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	jmp	4f
2:	movl	$0, XAPIC + 0xb0
4:	cmpl	$VECTOR_ECHO, 12(%esp)
	jne	3f
	movl	SLOT_ICR_LOW(%ebp), %eax
	call	send
3:	popl	%edx
	popl	%ecx
	popl	%eax
	addl	$4, %esp
	iretl

	.balign 8
idt:
	.set	vector, 0
	.rept	256
	.word	AT(stubs) + vector * 16
	.word	8
	.word	0x8e00
	.word	0
	.set	vector, vector + 1
	.endr
idt_pointer:
	.word	256 * 8 - 1
	.long	AT(idt)

	.balign 8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	AT(gdt)
guest_end:
	.section .note.GNU-stack, "", @progbits
