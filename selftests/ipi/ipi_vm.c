// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts between the nodes of a guest, on a running kernel: two KVM VMs over
 * one memory are two nodes of a machine, linked by the loop transport.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "checks.h"
#include "node.h"
#include "tap.h"

#define ALL_BUT_SELF	0xc0000
#define ALL		0x80000
#define LOGICAL		0x800
#define ASSERT		0x4000
#define NMI		0x400
#define INIT		0x500
#define SIPI		(0x600 | GUEST_CODE >> 12)

#define LOAD		2000
#define EVERYBODY	0xf

static const struct place four[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 1 } };

static uint32_t xapic(uint32_t dest)
{
	return dest << 24;
}

/* ---- attaching ---- */

static bool set_ftrace(const char *text)
{
	int fd = open("/proc/sys/kernel/ftrace_enabled", O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, 1) == 1;

	close(fd);
	return ok;
}

static void attach_fails(struct guest *g, unsigned int node, int vm, int error, const char *why)
{
	int ret = guest_attach(g, node, vm);
	int err = errno;

	if (!tap_ok(ret < 0 && err == error, "attach refuses %s", why))
		tap_diag("got %d, errno %d (%s)", ret, err, strerror(err));
}

static void bad_attachments(struct guest *g)
{
	int kvm = kvm_open();
	int empty = vm_create(NULL);
	int plain = ioctl_create_plain(kvm);

	attach_fails(g, 0, -1, EBADF, "a descriptor that is not open");
	attach_fails(g, 0, kvm, EINVAL, "a descriptor that is not a VM");
	attach_fails(g, 0, empty, EINVAL, "a VM without vCPUs");
	attach_fails(g, 0, plain, EINVAL, "a VM without a split irqchip");
	attach_fails(g, 0, g->vm[1], EINVAL, "a VM with another node's vCPUs");
	if (set_ftrace("0")) {
		attach_fails(g, 0, g->vm[0], ENODEV, "while ftrace is switched off");
		set_ftrace("1");
	} else {
		tap_skip("attach while ftrace is switched off", "a kernel of 7.x stays on");
	}
	close(plain);
	close(empty);
	close(kvm);
}

static void refused(int vm, const char *what)
{
	struct machine_params p = { .nodes = 2 };
	struct guest g = { .machine = { machine_create(&p) } };

	attach_fails(&g, 0, vm, EINVAL, what);
	close(g.machine[0]);
	close(vm);
}

static bool kvm_has(int kvm, int what, const char *name)
{
	if (ioctl(kvm, KVM_CHECK_EXTENSION, what) > 0)
		return true;
	tap_skip(name, "this kernel's KVM has none");
	return false;
}

/* What would lose interrupts, or writes, in silence. */
static void unfit_vms(void)
{
	int kvm = kvm_open();

	refused(ioctl_create_narrow(kvm), "a VM with 8-bit APIC ids");
	refused(ioctl_create_routeless(), "a VM without an MSI route");
	refused(ioctl_create_255(), "a VM with APIC id 255");
	if (kvm_has(kvm, KVM_CAP_HYPERV, "Hyper-V's interfaces"))
		refused(ioctl_create_hyperv(), "a VM with Hyper-V's interfaces");
	if (kvm_has(kvm, KVM_CAP_XEN_HVM, "Xen's interfaces"))
		refused(ioctl_create_xen(), "a VM with Xen's interfaces");
	close(kvm);
}

/* Nothing of KVM may be open. */
static void shadow_paging(void)
{
	const char *reload = "rmmod dvmm_ipi; m=kvm_amd p=npt; "
			     "grep -q ^kvm_amd /proc/modules || { m=kvm_intel p=ept; }; "
			     "rmmod $m && modprobe $m $p=%d";
	char off[256], on[256];
	int vm;

	snprintf(off, sizeof(off), reload, 0);
	snprintf(on, sizeof(on), reload, 1);
	if (system(off)) {
		tap_skip("attach refuses a VM without nested paging", "KVM cannot be loaded anew");
		return;
	}
	vm = vm_create(NULL);
	close(ioctl(vm, KVM_CREATE_VCPU, 0));
	refused(vm, "a VM without nested paging");
	if (system(on))
		tap_bail("KVM cannot be loaded anew");
}

#define CPUID_SVM	0x8000000a
#define SVM_ROGPT	(1u << 21)

/* AMD's CPUs that can walk page tables without writing to them are told to. */
static bool walks_by_reading(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(CPUID_SVM, &a, &b, &c, &d) && d & SVM_ROGPT;
}

static unsigned int walks(void)
{
	FILE *f = popen("cat /sys/kernel/debug/dvmm/*/machine", "r");
	unsigned int n, sum = 0;
	char line[200];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "ipi_walks: %u", &n) == 1)
			sum += n;
	if (f)
		pclose(f);
	return sum;
}

static void good_attachments(struct guest *g)
{
	const unsigned int walkers = walks_by_reading() ? g->cpus : 0;
	unsigned int node;

	for (node = 0; node < g->nodes; node++) {
		if (!tap_ok(!guest_attach(g, node, g->vm[node]),
			    "node %u: a VM attaches and the hook fires", node))
			tap_bail("attach: %s (see the kernel log)", strerror(errno));
	}
	tap_ok(walks() == walkers, "%u of %u vCPUs walk their page tables by reading", walkers,
	       g->cpus);
	attach_fails(g, 0, g->vm[0], EBUSY, "a second VM on a node");
	tap_ok(!set_ftrace("0"), "ftrace cannot be switched off meanwhile");
}

/* ---- starting CPUs ---- */

static void start_all(struct guest *g)
{
	unsigned int i;
	bool ok = true;

	cpu_send(g, 0, ALL_BUT_SELF | INIT | ASSERT, 0);
	cpu_send(g, 0, ALL_BUT_SELF | SIPI | ASSERT, 0);
	for (i = 1; i < g->cpus; i++)
		ok &= wait_for(slot(g, i, SLOT_STARTS), 1, 20000);
	tap_ok(ok, "broadcast INIT and SIPI start the CPUs of both nodes");
	if (!ok)
		tap_bail("without its CPUs the rest says nothing");
	tap_ok(*slot(g, 0, SLOT_STARTS) == 1, "the sender does not start anew");
}

/* The order of INIT and SIPI is all: a SIPI that comes first is lost. */
static void restarts(struct guest *g)
{
	uint32_t before = *slot(g, 2, SLOT_STARTS);
	unsigned int i;

	for (i = 1; i <= 50; i++) {
		cpu_send(g, 0, INIT | ASSERT, xapic(2));
		cpu_send(g, 0, SIPI | ASSERT, xapic(2));
		if (!wait_for(slot(g, 2, SLOT_STARTS), before + i, 20000))
			break;
	}
	tap_ok(i == 51, "unicast INIT and SIPI restart a remote CPU 50 times of 50");
	tap_ok(*slot(g, 3, SLOT_STARTS) == 1, "its neighbour does not start anew");
}

/* ---- xAPIC ---- */

static void unicast(struct guest *g)
{
	cpu_send(g, 0, 0x41 | ASSERT, xapic(2));
	expect(g, 0x41, 1 << 2, "fixed, node 0 to node 1");
	cpu_send(g, 3, 0x42 | ASSERT, xapic(1));
	expect(g, 0x42, 1 << 1, "fixed, node 1 to node 0");
	cpu_send(g, 0, 0x43 | ASSERT, xapic(1));
	expect(g, 0x43, 1 << 1, "fixed within a node");
	cpu_send(g, 0, 0x44 | ASSERT, xapic(9));
	expect(g, 0x44, 0, "fixed to a CPU that is not there");
	cpu_send(g, 0, 0x45 | ASSERT | 0x40000, 0);
	expect(g, 0x45, 1, "shorthand self");
}

static void halted(struct guest *g)
{
	cpu_start(g, 2, CMD_HLT);
	pause_ms(50);
	cpu_send(g, 0, 0x46 | ASSERT, xapic(2));
	expect(g, 0x46, 1 << 2, "a halted CPU of the other node wakes");
}

static void broadcast(struct guest *g)
{
	cpu_send(g, 1, 0x51 | ASSERT, xapic(0xff));
	expect(g, 0x51, EVERYBODY, "physical broadcast");
	cpu_send(g, 2, 0x52 | ASSERT | ALL, 0);
	expect(g, 0x52, EVERYBODY, "shorthand all");
	cpu_send(g, 2, 0x53 | ASSERT | ALL_BUT_SELF, 0);
	expect(g, 0x53, EVERYBODY & ~(1 << 2), "shorthand all but self");
}

static void nmi(struct guest *g)
{
	cpu_send(g, 0, NMI | ASSERT, xapic(3));
	expect(g, 2, 1 << 3, "NMI to the other node");
	cpu_send(g, 3, NMI | ASSERT | ALL_BUT_SELF, 0);
	expect(g, 2, EVERYBODY & ~(1 << 3), "NMI to all but self");
}

static void set_logical(struct guest *g, uint32_t dfr, const uint8_t *ids)
{
	unsigned int i;

	for (i = 0; i < g->cpus; i++) {
		*slot(g, i, SLOT_DFR) = dfr;
		*slot(g, i, SLOT_LDR) = (uint32_t)ids[i] << 24;
		cpu_do(g, i, CMD_LOGICAL);
	}
}

static void flat(struct guest *g)
{
	static const uint8_t ids[] = { 1, 2, 4, 8 };

	set_logical(g, 0xffffffff, ids);
	cpu_send(g, 0, 0x61 | ASSERT | LOGICAL, xapic(0xa));
	expect(g, 0x61, 0xa, "logical flat, one CPU of each node");
	cpu_send(g, 0, 0x62 | ASSERT | LOGICAL, xapic(0x4));
	expect(g, 0x62, 0x4, "logical flat, the other node");
	cpu_send(g, 3, 0x63 | ASSERT | LOGICAL, xapic(0xff));
	expect(g, 0x63, EVERYBODY, "logical flat, everybody");
	lowest(g, 0xf, xapic(0xf), "logical flat");
}

static void cluster(struct guest *g)
{
	static const uint8_t ids[] = { 0x11, 0x21, 0x12, 0x22 };

	set_logical(g, 0x0fffffff, ids);
	cpu_send(g, 0, 0x64 | ASSERT | LOGICAL, xapic(0x23));
	expect(g, 0x64, 0xa, "logical cluster, one CPU of each node");
	cpu_send(g, 0, 0x65 | ASSERT | LOGICAL, xapic(0x12));
	expect(g, 0x65, 0x4, "logical cluster, the other node");
	lowest(g, 0x5, xapic(0x13), "logical cluster");
}

/* ---- devices ---- */

static void msi(struct guest *g)
{
	msi_send(g, 0, msi_address(3, 0), 0x71);
	expect(g, 0x71, 1 << 3, "MSI to the other node");
	msi_send(g, 1, msi_address(0, 0), 0x72);
	expect(g, 0x72, 1 << 0, "MSI from node 1 to node 0");
	msi_send(g, 0, msi_address(0xff, 0), 0x73);
	expect(g, 0x73, EVERYBODY, "MSI to everybody");
	msi_send(g, 0, msi_address(0x6, MSI_LOGICAL), 0x74);
	expect(g, 0x74, 0x6, "logical MSI, one CPU of each node");
	msi_send(g, 0, msi_address(2, 0), 0x75 | NMI);
	expect(g, 2, 1 << 2, "NMI by MSI");
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		tap_bail("eventfd: %s", strerror(errno));
}

/*
 * KVM delivers a broadcast of an irqfd in one step or in two, as the case may be:
 * then it may come twice to other nodes, and never not at all.
 */
static void irqfd(struct guest *g)
{
	int fd = irqfd_create(g, 0, 30, msi_address(3, 0), 0x76);

	signal_fd(fd);
	expect(g, 0x76, 1 << 3, "irqfd to the other node");
	close(fd);
	fd = irqfd_create(g, 0, 31, msi_address(0xff, 0), 0x77);
	signal_fd(fd);
	expect_all(g, 0x77, 0, "irqfd to everybody");
	close(fd);
	close(irqfd_create_signalled(g, 0, 32, msi_address(0xff, 0), 0x79));
	expect_all(g, 0x79, 0, "irqfd to everybody that was signalled before it was made");
}

static void level(struct guest *g)
{
	unsigned int i;
	uint64_t end;

	/* The IOAPIC's pins as routes of the node where the CPU is. */
	close(irqfd_create(g, 1, 5, msi_address(3, 0), 0x78 | MSI_LEVEL));
	for (i = 1; i <= 3; i++) {
		msi_send(g, 0, msi_address(3, 0), 0x78 | MSI_LEVEL);
		wait_for(slot(g, 3, SLOT_COUNTS + 0x78 * 4), i, 10000);
		end = now_ns() + 10000000000ull;
		while (__atomic_load_n(&g->cpu[3].eois[0x78], __ATOMIC_SEQ_CST) < i &&
		       now_ns() < end)
			pause_ms(1);
	}
	tap_ok(in_tmr(g, 3, 0x78), "the other node's local APIC knows that it is level-triggered");
	tap_ok(g->cpu[3].eois[0x78] == 3, "a level-triggered MSI's EOI leaves KVM, 3 of 3");
	expect_times(g, 0x78, 1 << 3, 3, "level-triggered MSI to the other node");
}

/* ---- x2APIC ---- */

static void x2apic(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->cpus; i++)
		cpu_do(g, i, CMD_X2APIC);
	cpu_send(g, 0, 0x81 | ASSERT, 2);
	expect(g, 0x81, 1 << 2, "x2APIC fixed, node 0 to node 1");
	cpu_send(g, 3, 0x82 | ASSERT, 0);
	expect(g, 0x82, 1 << 0, "x2APIC fixed, node 1 to node 0");
	cpu_send(g, 0, 0x83 | ASSERT, 0xffffffff);
	expect(g, 0x83, EVERYBODY, "x2APIC broadcast");
	cpu_send(g, 0, 0x84 | ASSERT, 0xff);
	expect(g, 0x84, 0, "x2APIC 0xff is no broadcast");
	cpu_send(g, 0, 0x85 | ASSERT | LOGICAL, 0xa);
	expect(g, 0x85, 0xa, "x2APIC logical, one CPU of each node");
	cpu_send(g, 2, 0x86 | ASSERT | ALL_BUT_SELF, 0);
	expect(g, 0x86, EVERYBODY & ~(1 << 2), "x2APIC all but self");
	cpu_send(g, 0, NMI | ASSERT, 3);
	expect(g, 2, 1 << 3, "x2APIC NMI to the other node");
	msi_send(g, 0, msi_address(0xffffffff, 0), 0x87);
	expect(g, 0x87, EVERYBODY, "x2APIC MSI to everybody");
	lowest(g, 0xf, 0xf, "x2APIC logical");
}

/* ---- order, load ---- */

static void sweep(struct guest *g, unsigned int times)
{
	*slot(g, 0, SLOT_REPEAT) = times;
	*slot(g, 0, SLOT_ICR_LOW) = ASSERT;
	*slot(g, 0, SLOT_ICR_HIGH) = 2;
	cpu_do(g, 0, CMD_SWEEP);
}

/* Starved senders find much at once: the same vectors become one, none is lost. */
static void starved(struct guest *g)
{
	uint64_t end = now_ns() + 20000000000ull;
	struct dvmm_event_record ev;
	unsigned int senders, vector, missing = 0;

	senders = starve_senders(true);
	sweep(g, 40);
	starve_senders(false);
	tap_ok(senders == g->nodes, "each node has a sender to the other");
	for (vector = 0x30; vector < 0xf0; vector++) {
		while (!taken(g, 2, vector) && now_ns() < end)
			pause_ms(1);
		missing += !taken(g, 2, vector);
	}
	tap_ok(!missing, "7680 messages to a starved sender: every vector arrives");
	tap_diag("vector 0x30 of 40: %u taken", taken(g, 2, 0x30));
	tap_ok(event_want(g->machine[0], DVMM_EVENT_STOPPED, &ev, 10) == 0,
	       "and they do not stop the machine");
	wait_quiet(g, 2);
	clear_counts(g);
	cpu_send(g, 0, 0x9a | ASSERT, 2);
	expect(g, 0x9a, 1 << 2, "nor the next one");
}

/* INIT and SIPI of a starved sender: the other CPU starts, and only starts. */
static void starved_start(struct guest *g)
{
	uint32_t before = *slot(g, 2, SLOT_STARTS);

	starve_senders(true);
	cpu_send(g, 0, 0x31 | ASSERT, 0xffffffff);
	cpu_send(g, 0, INIT | ASSERT, 2);
	cpu_send(g, 0, SIPI | ASSERT | ALL_BUT_SELF, 0);
	starve_senders(false);
	tap_ok(wait_for(slot(g, 2, SLOT_STARTS), before + 1, 20000),
	       "INIT to one and SIPI to all keep their order");
	cpu_do(g, 2, CMD_NOP);
	wait_quiet(g, 1);
	clear_counts(g);
}

static void load(struct guest *g)
{
	unsigned int cpu;
	bool ok = true;

	for (cpu = 0; cpu < 4; cpu++) {
		*slot(g, cpu, SLOT_REPEAT) = LOAD;
		*slot(g, cpu, SLOT_ICR_LOW) = ASSERT | (0x91 + cpu);
		*slot(g, cpu, SLOT_ICR_HIGH) = cpu ^ 2;
		cpu_start(g, cpu, CMD_ICR);
	}
	for (cpu = 0; cpu < 4; cpu++)
		ok &= cpu_do(g, cpu, CMD_NOP);
	tap_ok(ok, "%d crossing interrupts are sent", 4 * LOAD);
	for (cpu = 0; cpu < 4; cpu++)
		tap_diag("CPU %u: %u of %d interrupts, the rest merged", cpu,
			 taken(g, cpu, 0x91 + (cpu ^ 2)), LOAD);
	cpu_send(g, 0, 0x99 | ASSERT, 2);
	expect(g, 0x99, 1 << 2, "and then the next one");
}

/* ---- hypercalls ---- */

/* Vector 0x31 to id 0 + bit: guest.S. */
static void pv_send_ipi(struct guest *g)
{
	cpu_do(g, 0, CMD_HYPERCALL);
	expect(g, 0x31, EVERYBODY & ~1u, "a PV_SEND_IPI reaches CPUs of both nodes");
}

/* ---- other users of the hooked function ---- */

#define HOOKED "kvm_irq_delivery_to_apic_fast"

/* Some kernels have the one with underscores alone watched, others have it not. */
static bool share(const char *name)
{
	char filter[128], probe[128];

	snprintf(probe, sizeof(probe), "p:dvmm_test_probe %s\n", name);
	snprintf(filter, sizeof(filter), "%s\n", name);
	return trace_put("set_ftrace_filter", filter) && trace_put("current_tracer", "function") &&
	       trace_put("kprobe_events", probe) &&
	       trace_put("events/kprobes/dvmm_test_probe/enable", "1");
}

static void tracers(struct guest *g)
{
	bool shared = share("__" HOOKED) || share(HOOKED);

	tap_ok(shared, "a function tracer and a kprobe share the hooked function");
	cpu_send(g, 0, 0x9b | ASSERT, 2);
	expect(g, 0x9b, 1 << 2, "an interrupt is still carried");
	trace_put("events/kprobes/dvmm_test_probe/enable", "0");
	trace_put("kprobe_events", "\n");
	trace_put("current_tracer", "nop");
	trace_put("set_ftrace_filter", "\n");
	cpu_send(g, 0, 0x9c | ASSERT, 2);
	expect(g, 0x9c, 1 << 2, "and after they have gone");
}

/* ---- the end of it ---- */

static void leave(struct guest *g)
{
	struct dvmm_event_record ev;

	guest_leave(g, 1);
	tap_ok(event_want(g->machine[0], DVMM_EVENT_STOPPED, &ev, 10000) == 1,
	       "a node that leaves stops the machine");
	tap_diag("reason: %s", ev.reason);
	cpu_send(g, 0, 0xa1 | ASSERT, 2);
	expect(g, 0xa1, 0, "a stopped machine carries nothing");
	cpu_send(g, 0, 0xa2 | ASSERT, 1);
	expect(g, 0xa2, 1 << 1, "the VM itself goes on");
}

/*
 * Machines come and go while the VMs send: every other message finds a new one.
 * Two where time is short: in Bochs a sender keeps the CPU for the third of a
 * second before the next thread has its turn.
 */
static void churn(void)
{
	struct guest *g = guest_create(four, 4, 2);
	unsigned int machines = getenv("DVMM_HURRY") ? 2 : 20;
	unsigned int i, bad = 0;

	guest_run(g);
	*slot(g, 0, SLOT_REPEAT) = 1u << 30;
	*slot(g, 0, SLOT_ICR_LOW) = 0x31 | ASSERT;
	*slot(g, 0, SLOT_ICR_HIGH) = xapic(2);
	cpu_start(g, 0, CMD_ICR);
	for (i = 0; i < machines; i++) {
		guest_join(g);
		bad += guest_attach(g, 0, g->vm[0]) || guest_attach(g, 1, g->vm[1]);
		pause_ms(5);
		guest_leave(g, i & 1);
		guest_leave(g, !(i & 1));
	}
	tap_ok(!bad, "%u machines come and go while a vCPU sends", machines);
	guest_destroy(g);
}

static void two_nodes(void)
{
	struct guest *g = guest_create(four, 4, 2);

	guest_join(g);
	bad_attachments(g);
	good_attachments(g);
	guest_run(g);
	start_all(g);
	unicast(g);
	halted(g);
	broadcast(g);
	nmi(g);
	flat(g);
	msi(g);
	irqfd(g);
	level(g);
	cluster(g);
	restarts(g);
	x2apic(g);
	starved(g);
	starved_start(g);
	tracers(g);
	pv_send_ipi(g);
	load(g);
	leave(g);
	guest_destroy(g);
}

/* ---- ids above 255, three nodes ---- */

static void wide_ids(void)
{
	static const struct place places[] = { { 0, 0 }, { 300, 1 }, { 5, 2 }, { 301, 1 } };
	struct guest *g = guest_create(places, 4, 3);
	bool ok;

	guest_join(g);
	good_attachments(g);
	guest_run(g);
	cpu_do(g, 0, CMD_X2APIC);
	/* The other end is in xAPIC mode, whose register has no room for this id. */
	cpu_send(g, 0, INIT | ASSERT, 300);
	cpu_send(g, 0, SIPI | ASSERT, 300);
	ok = wait_for(slot(g, 1, SLOT_STARTS), 1, 20000);
	tap_ok(ok, "INIT and SIPI reach an id above 255 that is in xAPIC mode");
	cpu_send(g, 0, ALL_BUT_SELF | INIT | ASSERT, 0);
	cpu_send(g, 0, ALL_BUT_SELF | SIPI | ASSERT, 0);
	/* The second time for this one; a command that it has not yet done would be lost. */
	ok &= wait_for(slot(g, 1, SLOT_STARTS), 2, 20000);
	ok &= wait_for(slot(g, 2, SLOT_STARTS), 1, 20000);
	ok &= wait_for(slot(g, 3, SLOT_STARTS), 1, 20000);
	if (!tap_ok(ok, "broadcast INIT and SIPI start CPUs of three nodes"))
		tap_bail("without its CPUs the rest says nothing");
	cpu_do(g, 1, CMD_X2APIC);
	cpu_do(g, 2, CMD_X2APIC);
	cpu_do(g, 3, CMD_X2APIC);
	cpu_send(g, 0, 0xb1 | ASSERT, 301);
	expect(g, 0xb1, 1 << 3, "fixed to an id above 255");
	cpu_send(g, 3, 0xb2 | ASSERT, 5);
	expect(g, 0xb2, 1 << 2, "fixed from an id above 255");
	cpu_send(g, 0, 0xb3 | ASSERT | LOGICAL, 300u / 16 << 16 | 3u << 300 % 16);
	expect(g, 0xb3, 1 << 1 | 1 << 3, "logical cluster of ids above 255");
	msi_send(g, 2, msi_address(300, 0), 0xb4);
	expect(g, 0xb4, 1 << 1, "MSI to an id above 255");
	guest_destroy(g);
}

/* A live patch of KVM, say: the function that is watched is called no more. */
static void silent_hook(void)
{
	struct guest *g = guest_create(four, 4, 2);
	struct dvmm_event_record ev = { 0 };

	guest_join(g);
	good_attachments(g);
	if (system("modprobe dvmm-ipi-silence"))
		tap_bail("no module dvmm-ipi-silence");
	tap_ok(event_want(g->machine[1], DVMM_EVENT_STOPPED, &ev, 10000) == 1 &&
	       strstr(ev.reason, "no longer fires"),
	       "a hook that falls silent stops the machine with the reason");
	tap_diag("reason: %s", ev.reason);
	guest_destroy(g);
	system("rmmod dvmm-ipi-silence");
}

int main(void)
{
	tap_start(580);
	klog_open();
	close(dev_open());
	close(kvm_open());
	unfit_vms();
	two_nodes();
	silent_hook();
	wide_ids();
	churn();
	shadow_paging();
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
