// SPDX-License-Identifier: GPL-2.0
/* A vCPU of the test's guest moves between nodes. */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "checks.h"
#include "move.h"
#include "node.h"
#include "tap.h"

#define MSR_APIC_BASE	0x1b
#define APIC_BASE_ON	0xc00		/* enabled, in x2APIC mode */

/* Registers of the local APIC, by their offset */
#define LAPIC_ISR	0x100
#define LAPIC_IRR	0x200
#define LAPIC_END	0x280

/* What the guest of the test has of a vCPU's state */
struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_lapic_state lapic;
};

static void must(int ret, const char *what)
{
	if (ret < 0)
		tap_bail("%s: %s", what, strerror(errno));
}

/* What KVM does for INIT and SIPI it does when it is asked for this; it changes all else. */
static void save(int fd, struct state *s)
{
	must(ioctl(fd, KVM_GET_MP_STATE, &s->mp), "KVM_GET_MP_STATE");
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &s->events), "KVM_GET_VCPU_EVENTS");
	must(ioctl(fd, KVM_GET_REGS, &s->regs), "KVM_GET_REGS");
	must(ioctl(fd, KVM_GET_SREGS, &s->sregs), "KVM_GET_SREGS");
	must(ioctl(fd, KVM_GET_FPU, &s->fpu), "KVM_GET_FPU");
	must(ioctl(fd, KVM_GET_LAPIC, &s->lapic), "KVM_GET_LAPIC");
}

static void set_apic_base(int fd, uint64_t base)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = MSR_APIC_BASE, .data = base } };

	must(ioctl(fd, KVM_SET_MSRS, &msrs) - 1, "APICBASE");
}

static void load(int fd, const struct state *s)
{
	set_apic_base(fd, s->sregs.apic_base);
	must(ioctl(fd, KVM_SET_LAPIC, &s->lapic), "KVM_SET_LAPIC");
	must(ioctl(fd, KVM_SET_SREGS, &s->sregs), "KVM_SET_SREGS");
	must(ioctl(fd, KVM_SET_REGS, &s->regs), "KVM_SET_REGS");
	must(ioctl(fd, KVM_SET_FPU, &s->fpu), "KVM_SET_FPU");
	must(ioctl(fd, KVM_SET_VCPU_EVENTS, &s->events), "KVM_SET_VCPU_EVENTS");
	must(ioctl(fd, KVM_SET_MP_STATE, &s->mp), "KVM_SET_MP_STATE");
}

static void park(int fd)
{
	struct state s;

	must(ioctl(fd, KVM_GET_SREGS, &s.sregs), "KVM_GET_SREGS");
	must(ioctl(fd, KVM_GET_LAPIC, &s.lapic), "KVM_GET_LAPIC");
	memset(s.lapic.regs + LAPIC_ISR, 0, LAPIC_END - LAPIC_ISR);
	must(ioctl(fd, KVM_SET_LAPIC, &s.lapic), "KVM_SET_LAPIC");
	set_apic_base(fd, s.sregs.apic_base & ~(uint64_t)APIC_BASE_ON);
}

static uint32_t route(struct mover *m, unsigned int at, uint16_t node)
{
	struct dvmm_place_vcpu p = { .size = sizeof(p), .id = m->cpu->id, .node = node };

	must(ioctl(m->g->machine[at], DVMM_PLACE_VCPU, &p), "DVMM_PLACE_VCPU");
	return p.eoi;
}

/* A device may answer it with the next interrupt, which has to take the old way. */
static void finish_eoi(struct mover *m)
{
	uint32_t vector = route(m, m->cpu->node, m->cpu->node);

	if (vector == DVMM_NO_VECTOR)
		return;
	m->ends++;
	if (m->fault != FAULT_NO_EOI)
		vcpu_ended(m->cpu, vector);
}

/* Every node has heard all others' marks behind their last interrupts. */
static void pass_marks(struct mover *m)
{
	struct dvmm_datagram d;
	unsigned int a, b;

	for (a = 0; a < m->g->nodes; a++)
		must(channel_send(m->channel[a], DVMM_NODE_ALL, 0, 0, NULL, 0), "mark");
	for (a = 0; a < m->g->nodes; a++) {
		for (b = 1; b < m->g->nodes; b++)
			if (channel_recv(m->channel[a], &d, NULL, 0, 20000) < 0)
				tap_bail("a mark does not come");
	}
}

static void change_routes(struct mover *m, uint16_t to)
{
	unsigned int at;

	finish_eoi(m);
	for (at = 0; at < m->g->nodes; at++)
		if (at || m->fault != FAULT_ONE_ROUTE)
			route(m, at, to);
}

/* Never two at a time: they would be one to the local APIC. */
static void send_last(struct mover *m)
{
	if (!m->last || taken(m->g, m->cpu->index, m->last) != m->lasts)
		return;
	msi_send(m->g, 0, msi_address(m->cpu->id, 0), m->last);
	m->lasts++;
}

static void move(struct mover *m, uint16_t to)
{
	struct vcpu *cpu = m->cpu;
	struct state s;

	guest_vcpu(cpu, to);
	park(cpu->fds[to]);
	guest_stop(m->g);
	send_last(m);
	if (m->fault == FAULT_NO_MARKS)
		save(cpu->fd, &s);
	change_routes(m, to);
	pass_marks(m);
	if (m->fault != FAULT_NO_MARKS)
		save(cpu->fd, &s);
	if (m->fault == FAULT_NO_IRR)
		memset(s.lapic.regs + LAPIC_IRR, 0, LAPIC_END - LAPIC_IRR);
	load(cpu->fds[to], &s);
	park(cpu->fd);
	cpu->node = to;
	cpu->fd = cpu->fds[to];
	cpu->run = cpu->runs[to];
	guest_go(m->g);
}

static void *mover_thread(void *arg)
{
	struct mover *m = arg;

	while (!m->enough) {
		pthread_rwlock_wrlock(&m->devices);
		move(m, (m->cpu->node + 1) % m->g->nodes);
		m->moves++;
		pthread_rwlock_unlock(&m->devices);
		usleep(m->moves * 7919 % 3000);
	}
	return NULL;
}

void mover_start(struct mover *m, struct guest *g, unsigned int cpu, enum fault fault)
{
	unsigned int i;

	*m = (struct mover) { .g = g, .cpu = &g->cpu[cpu], .fault = fault };
	pthread_rwlock_init(&m->devices, NULL);
	for (i = 0; i < g->nodes; i++) {
		m->channel[i] = channel_create(g->machine[i], DVMM_CHANNEL_USER);
		must(m->channel[i], "channel");
	}
	if (pthread_create(&m->thread, NULL, mover_thread, m))
		tap_bail("pthread_create");
}

void mover_stop(struct mover *m)
{
	m->enough = true;
	pthread_join(m->thread, NULL);
	close_all(m->channel, m->g->nodes);
}
