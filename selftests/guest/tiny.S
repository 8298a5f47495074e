/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Firmware and guest in one: 64 KiB for -bios. CPU 0 starts CPU 1 and both do what the first byte
 * of the image says; what they come to is told by letters at port 0xe9 (-debugcon).
 *
 *	n	nothing
 *	p	CPU 1 tells pvpanic that it has panicked
 *	i	CPU 1 does to a device's memory what KVM cannot emulate
 *	f	CPU 1 shuts down (triple fault)
 *	q	CPU 1 reads a port for ever
 *	s	CPU 1 enters protected mode with descriptors in this image, as OVMF does, and writes to it
 *	m	CPU 1 writes to each page of its node's 128 MiB
 *	v	CPU 1 asks KVM to send an IPI by a hypercall that CPUID does not offer
 *	t	both compare their TSC; CPU 1 sets its own to 0 and resets the machine; they compare again
 *
 * Letters: B, A: CPU 0, CPU 1 has begun; =: the TSC of CPU 1 lies between two of CPU 0; <, >: it does not;
 * r, d: the hypercall was refused, done; m: the memory is written; s, w: the segments were loaded and the image is as it was, or has changed.
 */
#define OPERATION	0x500	/* in RAM, for CPU 1 */
#define BOOTS		0x501	/* survives a reset */
#define ASKED		0x504
#define ANSWERED	0x508
#define BEFORE		0x510
#define THERE		0x518
#define TRAMPOLINE	0x8000
#define NODE_1		0x08000000	/* its memory, with nodes of 128 MiB */
#define NODE_1_END	0x10000000
#define IMAGE_ROM	0xffff0000	/* the image has 64 KiB, and ends at 4 GiB */

#define MSR_TSC		0x10
#define MSR_APICBASE	0x1b
#define MSR_X2APIC_SVR	0x80f
#define MSR_X2APIC_ICR	0x830
#define ICR_INIT	0x4500
#define KVM_HC_SEND_IPI	10
#define KVM_ENOSYS	1000
#define ICR_STARTUP	(0x4600 | TRAMPOLINE >> 12)

.macro say letter
	movb	$\letter, %al
	outb	%al, $0xe9
.endm

/* a port access takes a microsecond at least */
.macro delay
	movw	$2000, %cx
1:	inb	$0x80, %al
	loop	1b
.endm

.macro ipi what
	movl	$MSR_X2APIC_ICR, %ecx
	movl	$1, %edx
	movl	$\what, %eax
	wrmsr
.endm

	.code16
	.text
image:
	.byte	'n'
	.org	0x10
start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7000, %sp
	movw	%cs, %ax
	movw	%ax, %ds
	movb	image, %al
	movb	%al, %es:OPERATION
	movw	$trampoline, %si
	movw	$TRAMPOLINE, %di
	movw	$(trampoline_end - trampoline), %cx
	rep movsb
	xorw	%ax, %ax
	movw	%ax, %ds
	movl	$0, ASKED
	movl	$0, ANSWERED
	incb	BOOTS
	say	'B'
	movl	$MSR_APICBASE, %ecx
	rdmsr
	orl	$0xc00, %eax
	wrmsr
	movl	$MSR_X2APIC_SVR, %ecx
	movl	$0x1ff, %eax
	xorl	%edx, %edx
	wrmsr
	ipi	ICR_INIT
	delay
	ipi	ICR_STARTUP
	delay
	ipi	ICR_STARTUP
	cmpb	$'t', OPERATION
	jne	rest
	rdtsc
	movl	%eax, BEFORE
	movl	%edx, BEFORE + 4
	movl	$1, ASKED
1:	pause
	cmpl	$0, ANSWERED
	je	1b
	rdtsc
	movl	THERE, %ebx
	movl	THERE + 4, %ecx
	/* not after now */
	subl	%ebx, %eax
	sbbl	%ecx, %edx
	jc	ahead
	/* not before then */
	subl	BEFORE, %ebx
	sbbl	BEFORE + 4, %ecx
	jc	behind
	say	'='
	jmp	compared
ahead:	say	'>'
	jmp	compared
behind:	say	'<'
compared:
	movl	$2, ASKED
rest:	hlt
	jmp	rest

/* CPU 1, from here on at TRAMPOLINE */
trampoline:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	say	'A'
	movb	OPERATION, %bl
	cmpb	$'p', %bl
	je	panic
	cmpb	$'i', %bl
	je	vector
	cmpb	$'f', %bl
	je	fault
	cmpb	$'q', %bl
	je	query
	cmpb	$'s', %bl
	je	segments
	cmpb	$'m', %bl
	je	segments
	cmpb	$'v', %bl
	je	hypercall
	cmpb	$'t', %bl
	je	clock
2:	hlt
	jmp	2b
panic:
	movw	$0x505, %dx
	movb	$1, %al
	outb	%al, %dx
	jmp	2b
vector:
	movw	$0xa000, %ax
	movw	%ax, %ds
	paddb	0, %mm0
	jmp	2b
fault:
	lidtw	nothing - trampoline + TRAMPOLINE
	int3
query:
	inb	$0x80, %al
	jmp	query
segments:
	lgdtl	table - trampoline + TRAMPOLINE
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $(6f - trampoline + TRAMPOLINE)
	.code32
6:	movw	$16, %ax
	movw	%ax, %ds
	cmpb	$'m', %bl
	je	9f
	movb	$0, IMAGE_ROM
	cmpb	$'s', IMAGE_ROM
	jne	7f
	say	's'
	jmp	8f
7:	say	'w'
8:	hlt
	jmp	8b
9:	movl	$NODE_1, %edi
10:	movl	%edi, (%edi)
	addl	$4096, %edi
	cmpl	$NODE_1_END, %edi
	jb	10b
	say	'm'
	jmp	8b
	.code16
table:
	.word	23
	.long	descriptors - image + IMAGE_ROM
hypercall:
	movl	$KVM_HC_SEND_IPI, %eax
	movl	$1, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	movl	$0x4000, %esi
	vmmcall
	cmpl	$-KVM_ENOSYS, %eax
	je	5f
	say	'd'
	jmp	2b
5:	say	'r'
	jmp	2b
clock:
3:	pause
	cmpl	$1, ASKED
	jne	3b
	rdtsc
	movl	%eax, THERE
	movl	%edx, THERE + 4
	movl	$1, ANSWERED
4:	pause
	cmpl	$2, ASKED
	jne	4b
	cmpb	$1, BOOTS
	jne	2b
	movl	$MSR_TSC, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	movw	$0xcf9, %dx
	movb	$6, %al
	outb	%al, %dx
	jmp	2b
nothing:
	.word	0
	.long	0
trampoline_end:

	.org	0xff00
descriptors:
	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff

	.org	0xfff0
	ljmp	$0xf000, $start
	.org	0x10000
