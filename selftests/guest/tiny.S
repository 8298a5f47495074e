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
 *	w	CPU 1 writes bytes to the serial port
 *	o	both write to it in turns, then CPU 0 reads each time what CPU 1 has written there
 *	k	CPU 1 kicks ioeventfds of a pci-testdev in slot 16, CPU 0 ends them, CPU 1 counts
 *	e	CPU 1 loads segments that there are not, one after the other; CPU 0 writes to the page of CPU 1's stack
 *	h	CPU 1 has an interrupt and an STI before it writes to a page; CPU 0 writes there as well
 *	t	both compare their TSC; CPU 1 sets its own to 0 and resets the machine; they compare again
 *
 * Letters: B, A: CPU 0, CPU 1 has begun; =: the TSC of CPU 1 lies between two of CPU 0; <, >: it does not;
 * w, k: it is done; o: it is, and all bytes were right; x: one was not;
 * e: 64 exceptions, or 65,536 more, have come; x: one had another one's error code;
 * h: 64 interrupts, or 4,096 more, have come; x: one came before the instruction behind STI;
 * r, d: the hypercall was refused, done; m: the memory is written; s, w: the segments were loaded and the image is as it was, or has changed.
 */
#define OPERATION	0x500	/* in RAM, for CPU 1 */
#define BOOTS		0x501	/* survives a reset */
#define ASKED		0x504
#define ANSWERED	0x508
#define BEFORE		0x510
#define THERE		0x518
#define NEXT		0x520	/* the byte that is written next */
#define TURN		0x524	/* the CPU that does it */
#define IDT		0x3000
#define STACK		0x4000	/* a page of its own */
#define STACK_TOP	0x4ff0
#define OWN_STACK_TOP	0x6ff0
#define GP_VECTOR	13
#define IPI_VECTOR	64
#define FIRST_SELECTOR	0x18	/* behind the last of the table's */
#define NMI_VECTOR	(2 * 4)
#define TRAMPOLINE	0x8000
#define NODE_1		0x08000000	/* its memory, with nodes of 128 MiB */
#define NODE_1_END	0x10000000
#define IMAGE_ROM	0xffff0000	/* the image has 64 KiB, and ends at 4 GiB */

#define MSR_TSC		0x10
#define MSR_APICBASE	0x1b
#define MSR_X2APIC_EOI	0x80b
#define MSR_X2APIC_SVR	0x80f
#define MSR_X2APIC_ICR	0x830
#define ICR_INIT	0x4500
#define ICR_NMI		0x4400
#define ICR_FIXED	0x4000
#define KVM_HC_SEND_IPI	10
#define KVM_ENOSYS	1000
#define SERIAL		0x3f8
#define SERIAL_LCR	0x3fb
#define LCR_DLAB	0x80	/* the first port reads as it was written */
#define WRITES		4096
#define BURST		128	/* WRITES in turns */
#define READS		8
#define PCI_ADDRESS	0xcf8
#define PCI_DATA	0xcfc
#define TESTDEV		0x80008000
#define TESTDEV_PORT	0xc000	/* its number of a test; behind it what that is */
#define TESTDEV_COUNT	(TESTDEV_PORT + 12)
#define TEST_PORT	(TESTDEV_PORT + 131)	/* of test 0; one each for 1 and 2 */
#define TEST_DATA	0xfa	/* of test 2 */
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

.macro enable_x2apic
	movl	$MSR_APICBASE, %ecx
	rdmsr
	orl	$0xc00, %eax
	wrmsr
	movl	$MSR_X2APIC_SVR, %ecx
	movl	$0x1ff, %eax
	xorl	%edx, %edx
	wrmsr
.endm

.macro ipi whom, what
	movl	$MSR_X2APIC_ICR, %ecx
	movl	$\whom, %edx
	movl	$\what, %eax
	wrmsr
.endm

.macro pci register, value
	movw	$PCI_ADDRESS, %dx
	movl	$(TESTDEV + \register), %eax
	outl	%eax, %dx
	movw	$PCI_DATA, %dx
	movl	$\value, %eax
	outl	%eax, %dx
.endm

.macro write_times count, port, value
	movw	$\port, %dx
	movb	$\value, %al
	movw	$\count, %cx
1:	outb	%al, %dx
	loop	1b
.endm

.macro gate vector, handler
	movl	$(8 << 16 | (\handler - trampoline + TRAMPOLINE)), IDT + \vector * 8
	movl	$0x8e00, IDT + \vector * 8 + 4
	lidtl	gates - trampoline + TRAMPOLINE
.endm

.macro await_turn mine
1:	pause
	cmpb	$\mine, TURN
	jne	1b
.endm

/* WRITES bytes, BURST in each turn; the last turn is CPU 1's */
.macro write_in_turns mine, other
2:	await_turn \mine
	movl	NEXT, %ebx
	movw	$SERIAL, %dx
	movw	$BURST, %cx
3:	movb	%bl, %al
	outb	%al, %dx
	incl	%ebx
	loop	3b
	movl	%ebx, NEXT
	movb	$\other, TURN
	cmpl	$(WRITES - BURST), %ebx
	jb	2b
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
	movl	$0, NEXT
	movb	$0, TURN
	movw	$woken, NMI_VECTOR
	movw	%cs, NMI_VECTOR + 2
	incb	BOOTS
	say	'B'
	enable_x2apic
	ipi	1, ICR_INIT
	delay
	ipi	1, ICR_STARTUP
	delay
	ipi	1, ICR_STARTUP
	cmpb	$'o', OPERATION
	je	turns
	cmpb	$'k', OPERATION
	je	unkick
	cmpb	$'e', OPERATION
	je	disturb
	cmpb	$'h', OPERATION
	je	disturb
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
turns:
	write_in_turns 0, 1
	await_turn 0
	movb	$1, TURN
	movl	$READS, %ebx
	movw	$SERIAL, %dx
4:	await_turn 0
	inb	%dx, %al
	cmpb	NEXT, %al
	jne	wrong
	movb	$1, TURN
	decl	%ebx
	jnz	4b
	say	'o'
	jmp	rest
wrong:	say	'x'
	jmp	rest
unkick:
	hlt
	cmpb	$1, TURN
	jne	unkick
	movw	$TESTDEV_PORT, %dx
	xorb	%al, %al
	outb	%al, %dx
	movb	$2, TURN
	jmp	rest
disturb:
	lock incl STACK
	jmp	disturb
woken:	iretw

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
	cmpb	$'e', %bl
	je	segments
	cmpb	$'h', %bl
	je	segments
	cmpb	$'v', %bl
	je	hypercall
	cmpb	$'t', %bl
	je	clock
	cmpb	$'w', %bl
	je	writes
	cmpb	$'o', %bl
	je	in_turns
	cmpb	$'k', %bl
	je	kicks
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
	cmpb	$'e', %bl
	je	exceptions
	cmpb	$'h', %bl
	je	shadow
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
exceptions:
	movw	%ax, %ss
	movl	$STACK_TOP, %esp
	gate	GP_VECTOR, excepted
	xorl	%ebx, %ebx
15:	movzbl	%bl, %edx
	leal	FIRST_SELECTOR(, %edx, 8), %edx
	movl	%edx, %fs
16:	incl	%ebx
	cmpw	$64, %bx
	jne	15b
	say	'e'
	jmp	15b
excepted:
	popl	%ecx
	cmpl	%edx, %ecx
	je	17f
	say	'x'
17:	movl	$(16b - trampoline + TRAMPOLINE), (%esp)
	iretl
shadow:
	movw	%ax, %ss
	movl	$OWN_STACK_TOP, %esp
	gate	IPI_VECTOR, interrupted
	enable_x2apic
	xorl	%ebx, %ebx
18:	cli
	ipi	1, ICR_FIXED | IPI_VECTOR
	sti
19:	lock incl STACK
	nop
	incl	%ebx
	andw	$4095, %bx
	cmpw	$64, %bx
	jne	18b
	say	'h'
	jmp	18b
interrupted:
	cmpl	$(19b - trampoline + TRAMPOLINE), (%esp)
	jne	20f
	say	'x'
20:	movl	$MSR_X2APIC_EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	iretl
gates:	.word	IPI_VECTOR * 8 + 7
	.long	IDT
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
writes:
	xorl	%ebx, %ebx
	movw	$SERIAL, %dx
11:	movb	%bl, %al
	outb	%al, %dx
	incl	%ebx
	cmpl	$WRITES, %ebx
	jb	11b
	say	'w'
12:	hlt
	jmp	12b
in_turns:
	write_in_turns 1, 0
	await_turn 1
	movw	$SERIAL_LCR, %dx
	movb	$LCR_DLAB, %al
	outb	%al, %dx
	movw	$SERIAL, %dx
	movl	$READS, %ebx
13:	movb	$0x55, %al
	outb	%al, %dx
	outb	%al, %dx
	movb	%bl, %al
	outb	%al, %dx
	movb	%al, NEXT
	movb	$0, TURN
	await_turn 1
	decl	%ebx
	jnz	13b
	jmp	12b
kicks:
	enable_x2apic
	pci	0x14, TESTDEV_PORT
	pci	4, 1
	write_times 1, TESTDEV_PORT, 1
	write_times WRITES, TEST_PORT + 1, 0
	write_times 1, TESTDEV_PORT, 2
	write_times 2, TEST_PORT + 2, 0
	write_times 60, TEST_PORT + 2, TEST_DATA
	movb	$1, TURN
	ipi	0, ICR_NMI
	await_turn 2
	write_times 10, TEST_PORT, TEST_DATA
	movw	$TESTDEV_COUNT, %dx
	inb	%dx, %al
	cmpb	$10, %al
	jne	14f
	say	'k'
	jmp	12b
14:	say	'x'
	jmp	12b
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
