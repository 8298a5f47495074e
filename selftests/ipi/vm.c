// SPDX-License-Identifier: GPL-2.0
/* Nodes of one guest in one process: a KVM VM each, over the same memory. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node.h"
#include "tap.h"
#include "vm.h"

extern const uint8_t guest_start[], guest_end[];

#define IOAPIC_PINS	24
#define MAX_CPUID	256

static int must(int ret, const char *what)
{
	if (ret < 0)
		tap_bail("%s: %s", what, strerror(errno));
	return ret;
}

int kvm_open(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		tap_skip_all("/dev/kvm: %s", strerror(errno));
	return fd;
}

/* ---- VMs ---- */

static void set_irqchip(int vm)
{
	struct kvm_enable_cap split = {
		.cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS },
	};
	struct kvm_enable_cap x2apic = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	};

	must(ioctl(vm, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");
	must(ioctl(vm, KVM_ENABLE_CAP, &x2apic), "KVM_CAP_X2APIC_API");
}

void vm_route(int vm, unsigned int gsi, uint64_t address, uint32_t data)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {
				.address_lo = address,
				.address_hi = address >> 32,
				.data = data,
			},
		},
	};

	must(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), "KVM_SET_GSI_ROUTING");
}

int vm_create(uint8_t *memory)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_MEMORY,
		.userspace_addr = (uintptr_t)memory,
	};
	int kvm = kvm_open();
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");

	close(kvm);
	/* Both are for Intel; where they are not needed they do no harm. */
	ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &(uint64_t){ 0xfffbc000 });
	set_irqchip(vm);
	vm_route(vm, 0, 0xfee00000, 0);
	must(ioctl(vm, KVM_SET_BOOT_CPU_ID, 0), "KVM_SET_BOOT_CPU_ID");
	if (memory)
		must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "memory");
	return vm;
}

/* ---- vCPUs ---- */

static struct kvm_cpuid2 *supported_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_CPUID * sizeof(c->entries[0]));
	int kvm = kvm_open();

	c->nent = MAX_CPUID - 1;
	must(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c), "KVM_GET_SUPPORTED_CPUID");
	close(kvm);
	return c;
}

static void set_cpuid(struct vcpu *cpu, int fd)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	unsigned int i;

	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffffff) | cpu->id << 24;
			e->ecx |= 1 << 21;	/* x2APIC */
		}
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = cpu->id;
	}
	c->entries[c->nent++] = (struct kvm_cpuid_entry2) {
		.function = GUEST_CPUID, .eax = cpu->index,
	};
	must(ioctl(fd, KVM_SET_CPUID2, c), "KVM_SET_CPUID2");
	free(c);
}

/* Until a VMM has set its APIC, KVM does not find the newest vCPU by its id. */
static void set_lapic(int fd)
{
	struct kvm_lapic_state lapic;

	must(ioctl(fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	must(ioctl(fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
}

void guest_vcpu(struct vcpu *cpu, uint16_t node)
{
	int fd = cpu->fds[node];

	if (fd >= 0)
		return;
	fd = must(ioctl(cpu->g->vm[node], KVM_CREATE_VCPU, (long)cpu->id), "KVM_CREATE_VCPU");
	cpu->runs[node] = mmap(NULL, cpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cpu->runs[node] == MAP_FAILED)
		tap_bail("mmap of a vCPU: %s", strerror(errno));
	cpu->fds[node] = fd;
	set_cpuid(cpu, fd);
	set_lapic(fd);
}

static void create_vcpu(struct guest *g, unsigned int index, const struct place *place)
{
	struct vcpu *cpu = &g->cpu[index];
	int kvm = kvm_open();

	cpu->run_size = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	close(kvm);
	cpu->g = g;
	cpu->index = index;
	cpu->id = place->id;
	cpu->node = place->node;
	memset(cpu->fds, -1, sizeof(cpu->fds));
	guest_vcpu(cpu, place->node);
	cpu->fd = cpu->fds[place->node];
	cpu->run = cpu->runs[place->node];
	pthread_mutex_init(&cpu->lock, NULL);
	pthread_cond_init(&cpu->changed, NULL);
}

/* The boot processor begins where the others begin after their SIPI. */
static void set_entry(struct vcpu *cpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rflags = 2 };

	must(ioctl(cpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = GUEST_CODE;
	sregs.cs.selector = GUEST_CODE >> 4;
	must(ioctl(cpu->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(cpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* Hand out a command, or nothing soon, so that the vCPU takes its interrupts. */
static int next_command(struct vcpu *cpu)
{
	struct timespec until;
	int command;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 2000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&cpu->lock);
	cpu->asking = true;
	pthread_cond_broadcast(&cpu->changed);
	if (!cpu->command && !cpu->quit)
		pthread_cond_timedwait(&cpu->changed, &cpu->lock, &until);
	command = cpu->command;
	cpu->command = CMD_NOP;
	cpu->asking = command == CMD_NOP;
	pthread_mutex_unlock(&cpu->lock);
	return command;
}

void vcpu_ended(struct vcpu *cpu, unsigned int vector)
{
	__atomic_fetch_add(&cpu->eois[vector], 1, __ATOMIC_SEQ_CST);
	if (cpu->ended)
		cpu->ended(cpu);
}

static bool handle_exit(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		if (run->io.port != GUEST_PORT || run->io.direction != KVM_EXIT_IO_IN)
			return false;
		*(uint32_t *)((char *)run + run->io.data_offset) = next_command(cpu);
		return true;
	case KVM_EXIT_IOAPIC_EOI:
		vcpu_ended(cpu, run->eoi.vector);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	default:
		return false;
	}
}

/* A KVM_RUN that was left for a signal has done what the last exit was about. */
static void rest(struct vcpu *cpu)
{
	pthread_mutex_lock(&cpu->lock);
	while (cpu->g->stop && !cpu->quit) {
		cpu->stopped = true;
		pthread_cond_broadcast(&cpu->changed);
		pthread_cond_wait(&cpu->changed, &cpu->lock);
	}
	cpu->stopped = false;
	pthread_mutex_unlock(&cpu->lock);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *cpu = arg;

	while (!cpu->quit) {
		if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN) {
				rest(cpu);
				continue;
			}
			tap_bail("vCPU %u: KVM_RUN: %s", cpu->index, strerror(errno));
		}
		if (!handle_exit(cpu))
			tap_bail("vCPU %u: exit %u", cpu->index, cpu->run->exit_reason);
	}
	return NULL;
}

static void no_op(int signal)
{
	(void)signal;
}

/* ---- the guest ---- */

struct guest *guest_create(const struct place *places, unsigned int cpus, unsigned int nodes)
{
	struct guest *g = calloc(1, sizeof(*g));
	unsigned int i;

	g->nodes = nodes;
	g->cpus = cpus;
	g->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->memory == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	memcpy(g->memory + GUEST_CODE, guest_start, guest_end - guest_start);
	memset(g->node_of, 0xff, sizeof(g->node_of));
	memset(g->machine, -1, sizeof(g->machine));
	memset(g->link, -1, sizeof(g->link));
	for (i = 0; i < nodes; i++)
		g->vm[i] = vm_create(g->memory);
	for (i = 0; i < cpus; i++) {
		create_vcpu(g, i, &places[i]);
		g->node_of[places[i].id] = places[i].node;
	}
	set_entry(&g->cpu[0]);
	return g;
}

void guest_link(struct guest *g, unsigned int a, unsigned int b)
{
	g->link[a][b] = must(link_create(g->machine[a], b, "loop"), "link");
	g->link[b][a] = must(link_create(g->machine[b], a, "loop"), "link");
	must(link_connect(g->link[a][b], NULL), "connect");
	must(link_connect(g->link[b][a], NULL), "connect");
}

void guest_join(struct guest *g)
{
	struct machine_params p = { .nodes = g->nodes };
	struct dvmm_event_record ev;
	unsigned int a, b;

	random_uuid(p.uuid);
	for (a = 0; a < g->nodes; a++) {
		p.self = a;
		g->machine[a] = must(machine_create(&p), "machine");
	}
	for (a = 0; a < g->nodes; a++) {
		for (b = a + 1; b < g->nodes; b++)
			guest_link(g, a, b);
	}
	for (a = 0; a < g->nodes; a++) {
		for (b = 1; b < g->nodes; b++) {
			if (event_want(g->machine[a], DVMM_EVENT_LINK_UP, &ev, 10000) != 1)
				tap_bail("node %u: a link does not come up", a);
		}
	}
}

int guest_attach(struct guest *g, unsigned int node, int vm)
{
	struct dvmm_attach_kvm arg = {
		.size = sizeof(arg),
		.vm = vm,
		.count = MAX_IDS,
		.nodes_of = (uintptr_t)g->node_of,
	};

	return ioctl(g->machine[node], DVMM_ATTACH_KVM, &arg);
}

void guest_run(struct guest *g)
{
	struct sigaction sa = { .sa_handler = no_op };
	unsigned int i;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < g->cpus; i++) {
		if (pthread_create(&g->cpu[i].thread, NULL, vcpu_thread, &g->cpu[i]))
			tap_bail("pthread_create");
		g->cpu[i].started = true;
	}
}

static void await_rest(struct vcpu *cpu)
{
	struct timespec wait = { .tv_nsec = 1000000 };
	bool stopped;

	cpu->run->immediate_exit = 1;
	for (;;) {
		pthread_mutex_lock(&cpu->lock);
		stopped = cpu->stopped;
		pthread_mutex_unlock(&cpu->lock);
		if (stopped)
			return;
		pthread_kill(cpu->thread, SIGUSR1);
		nanosleep(&wait, NULL);
	}
}

void guest_stop(struct guest *g)
{
	unsigned int i;

	g->stop = true;
	for (i = 0; i < g->cpus; i++)
		await_rest(&g->cpu[i]);
}

void guest_go(struct guest *g)
{
	unsigned int i;

	g->stop = false;
	for (i = 0; i < g->cpus; i++) {
		g->cpu[i].run->immediate_exit = 0;
		pthread_mutex_lock(&g->cpu[i].lock);
		pthread_cond_broadcast(&g->cpu[i].changed);
		pthread_mutex_unlock(&g->cpu[i].lock);
	}
}

void guest_leave(struct guest *g, unsigned int node)
{
	unsigned int i;

	for (i = 0; i < g->nodes; i++) {
		close_all(&g->link[node][i], 1);
		g->link[node][i] = -1;
	}
	close_all(&g->machine[node], 1);
	g->machine[node] = -1;
}

static void stop_vcpu(struct vcpu *cpu)
{
	struct timespec wait = { .tv_nsec = 1000000 };
	unsigned int node;

	cpu->quit = true;
	cpu->run->immediate_exit = 1;
	/* Again and again: a signal between the test and KVM_RUN does nothing. */
	while (cpu->started && pthread_tryjoin_np(cpu->thread, NULL)) {
		pthread_kill(cpu->thread, SIGUSR1);
		nanosleep(&wait, NULL);
	}
	for (node = 0; node < GUEST_NODES; node++) {
		if (cpu->fds[node] < 0)
			continue;
		munmap(cpu->runs[node], cpu->run_size);
		close(cpu->fds[node]);
	}
}

void guest_destroy(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->cpus; i++)
		stop_vcpu(&g->cpu[i]);
	for (i = 0; i < g->nodes; i++) {
		guest_leave(g, i);
		close(g->vm[i]);
	}
	munmap(g->memory, GUEST_MEMORY);
	free(g);
}

volatile uint32_t *slot(struct guest *g, unsigned int cpu, unsigned int offset)
{
	return (uint32_t *)(g->memory + GUEST_SLOTS + cpu * GUEST_SLOT_SIZE + offset);
}

uint32_t taken(struct guest *g, unsigned int cpu, unsigned int vector)
{
	return *slot(g, cpu, SLOT_COUNTS + vector * 4);
}

void clear_counts(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->cpus; i++) {
		memset((void *)slot(g, i, SLOT_COUNTS), 0, 256 * 4);
		*slot(g, i, SLOT_NMIS) = 0;
	}
}

/* ---- commands ---- */

static bool wait_asking(struct vcpu *cpu)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	while (!(cpu->asking && !cpu->command) && !err)
		err = pthread_cond_timedwait(&cpu->changed, &cpu->lock, &until);
	return !err;
}

bool cpu_start(struct guest *g, unsigned int cpu, int command)
{
	struct vcpu *c = &g->cpu[cpu];
	bool ok;

	pthread_mutex_lock(&c->lock);
	ok = wait_asking(c);
	if (ok) {
		c->command = command;
		c->asking = false;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	return ok;
}

bool cpu_do(struct guest *g, unsigned int cpu, int command)
{
	struct vcpu *c = &g->cpu[cpu];
	bool ok;

	if (!cpu_start(g, cpu, command))
		return false;
	pthread_mutex_lock(&c->lock);
	ok = wait_asking(c);
	pthread_mutex_unlock(&c->lock);
	return ok;
}

bool cpu_send(struct guest *g, unsigned int cpu, uint32_t low, uint32_t high)
{
	*slot(g, cpu, SLOT_ICR_LOW) = low;
	*slot(g, cpu, SLOT_ICR_HIGH) = high;
	*slot(g, cpu, SLOT_REPEAT) = 1;
	return cpu_do(g, cpu, CMD_ICR);
}

/* ---- devices ---- */

int msi_send(struct guest *g, unsigned int node, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = address,
		.address_hi = address >> 32,
		.data = data,
	};

	return ioctl(g->vm[node], KVM_SIGNAL_MSI, &msi);
}

static int assign_irqfd(struct guest *g, unsigned int node, unsigned int gsi, uint64_t address,
			uint32_t data, unsigned int signals)
{
	struct kvm_irqfd arg = { .gsi = gsi };

	vm_route(g->vm[node], gsi, address, data);
	arg.fd = must(eventfd(signals, EFD_CLOEXEC), "eventfd");
	must(ioctl(g->vm[node], KVM_IRQFD, &arg), "KVM_IRQFD");
	return arg.fd;
}

int irqfd_create(struct guest *g, unsigned int node, unsigned int gsi, uint64_t address,
		 uint32_t data)
{
	return assign_irqfd(g, node, gsi, address, data, 0);
}

int irqfd_create_signalled(struct guest *g, unsigned int node, unsigned int gsi,
			   uint64_t address, uint32_t data)
{
	return assign_irqfd(g, node, gsi, address, data, 1);
}

bool wait_for(volatile uint32_t *word, uint32_t value, unsigned int ms)
{
	struct timespec pause = { .tv_nsec = 500000 };
	uint64_t end = now_ns() + ms * 1000000ull;

	while (*word != value) {
		if (now_ns() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}
