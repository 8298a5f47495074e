// SPDX-License-Identifier: GPL-2.0
/* What the interrupt tests look at. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "checks.h"
#include "tap.h"

#define SETTLE_MS	40	/* how long a second delivery is waited for */

void pause_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

int ioctl_create_plain(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

	if (vcpu < 0)
		tap_bail("a VM without irqchip: %s", strerror(errno));
	close(vcpu);
	return vm;
}

int ioctl_create_narrow(int kvm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (ioctl(vm, KVM_ENABLE_CAP, &split) || close(ioctl(vm, KVM_CREATE_VCPU, 0)))
		tap_bail("a VM with 8-bit ids: %s", strerror(errno));
	vm_route(vm, 0, 0xfee00000, 0);
	return vm;
}

int ioctl_create_routeless(void)
{
	struct kvm_irq_routing none = { .nr = 0 };
	int vm = vm_create(NULL);

	if (ioctl(vm, KVM_SET_GSI_ROUTING, &none) || close(ioctl(vm, KVM_CREATE_VCPU, 0)))
		tap_bail("a VM without routes: %s", strerror(errno));
	return vm;
}

int ioctl_create_255(void)
{
	int vm = vm_create(NULL);

	if (close(ioctl(vm, KVM_CREATE_VCPU, 255)))
		tap_bail("a VM with APIC id 255: %s", strerror(errno));
	return vm;
}

int ioctl_create_hyperv(void)
{
	int vm = vm_create(NULL), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry;
	} cpuid = {
		.head.nent = 1,
		.entry = { .function = 0x40000001, .eax = 0x31237648 /* "Hv#1" */ },
	};

	if (vcpu < 0 || ioctl(vcpu, KVM_SET_CPUID2, &cpuid))
		tap_bail("a VM with Hyper-V's interfaces: %s", strerror(errno));
	close(vcpu);
	return vm;
}

int ioctl_create_xen(void)
{
	struct kvm_xen_hvm_config xen = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL, .msr = 0x40000000,
	};
	int vm = vm_create(NULL);

	if (close(ioctl(vm, KVM_CREATE_VCPU, 0)) || ioctl(vm, KVM_XEN_HVM_CONFIG, &xen))
		tap_bail("a VM with Xen's interfaces: %s", strerror(errno));
	return vm;
}

uint64_t msi_address(uint32_t dest, uint32_t flags)
{
	return 0xfee00000 | (dest & 0xff) << 12 | flags | (uint64_t)(dest & ~0xffu) << 32;
}

void expect_times(struct guest *g, unsigned int vector, uint32_t set, unsigned int times,
		  const char *what)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < g->cpus; i++) {
		if (set & 1u << i)
			wait_for(slot(g, i, SLOT_COUNTS + vector * 4), times, 10000);
	}
	pause_ms(SETTLE_MS);
	for (i = 0; i < g->cpus; i++)
		wrong += taken(g, i, vector) != (set & 1u << i ? times : 0);
	if (!tap_ok(!wrong, "%s", what)) {
		for (i = 0; i < g->cpus; i++)
			tap_diag("CPU %u took vector 0x%x %u times, want %u", i, vector,
				 taken(g, i, vector), set & 1u << i ? times : 0);
	}
	clear_counts(g);
}

void expect(struct guest *g, unsigned int vector, uint32_t set, const char *what)
{
	expect_times(g, vector, set, 1, what);
}

void expect_all(struct guest *g, unsigned int vector, unsigned int node, const char *what)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < g->cpus; i++) {
		uint64_t end = now_ns() + 10000000000ull;

		while (!taken(g, i, vector) && now_ns() < end)
			pause_ms(1);
	}
	pause_ms(SETTLE_MS);
	for (i = 0; i < g->cpus; i++) {
		unsigned int n = taken(g, i, vector);

		wrong += n != 1 && !(n == 2 && g->cpu[i].node != node);
		tap_diag("CPU %u took vector 0x%x %u times", i, vector, n);
	}
	tap_ok(!wrong, "%s", what);
	clear_counts(g);
}

static unsigned int takers(struct guest *g, unsigned int vector, uint32_t *set)
{
	unsigned int i, n = 0;

	for (i = 0; i < g->cpus; i++) {
		n += taken(g, i, vector);
		if (taken(g, i, vector))
			*set |= 1u << i;
	}
	return n;
}

/* KVM keeps to itself how logical destinations are read in xAPIC mode (ipi.rst). */
static bool mode_unclear(void)
{
	struct utsname u;
	int major, minor;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 7 || (major == 7 && minor >= 3));
}

void lowest(struct guest *g, uint32_t set, uint32_t dest, const char *what)
{
	bool once = dest < MAX_IDS || !mode_unclear();
	unsigned int vector, n, wrong = 0;
	uint32_t used = 0;

	for (vector = 0xc0; vector < 0xd0; vector++)
		cpu_send(g, vector & 3, vector | 0x4000 | 0x100 | 0x800, dest);
	pause_ms(SETTLE_MS * 4);
	for (vector = 0xc0; vector < 0xd0; vector++) {
		n = takers(g, vector, &used);
		wrong += once ? n != 1 : !n;
	}
	if (!tap_ok(!wrong && used == set, "%s, lowest priority: 16 messages, each taken %s",
		    what, once ? "once" : "by one or more"))
		tap_diag("%u taken wrongly; CPUs 0x%x of 0x%x took some", wrong, used, set);
	clear_counts(g);
}

static uint32_t all_taken(struct guest *g, unsigned int cpu)
{
	unsigned int vector;
	uint32_t sum = 0;

	for (vector = 0; vector < 256; vector++)
		sum += taken(g, cpu, vector);
	return sum;
}

void wait_quiet(struct guest *g, unsigned int cpu)
{
	uint32_t now, before = ~0u;

	while ((now = all_taken(g, cpu)) != before) {
		before = now;
		pause_ms(SETTLE_MS * 5);
	}
}

bool in_tmr(struct guest *g, unsigned int cpu, unsigned int vector)
{
	struct kvm_lapic_state lapic;
	uint32_t word;

	if (ioctl(g->cpu[cpu].fd, KVM_GET_LAPIC, &lapic))
		tap_bail("KVM_GET_LAPIC: %s", strerror(errno));
	memcpy(&word, lapic.regs + 0x180 + vector / 32 * 16, sizeof(word));
	return word >> vector % 32 & 1;
}

/* ---- senders ---- */

static bool is_sender(int pid)
{
	char path[64], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = 0;
	fclose(f);
	return !strncmp(comm, "dvmm-ipi/", 9);
}

unsigned int starve_senders(bool starve)
{
	struct sched_param param = { .sched_priority = 0 };
	int policy = starve ? SCHED_IDLE : SCHED_OTHER;
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned int found = 0;

	while (proc && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 0 && is_sender(pid))
			found += !sched_setscheduler(pid, policy, &param);
	}
	if (proc)
		closedir(proc);
	return found;
}

/* ---- a way that is full ---- */

unsigned int counted(unsigned int node, const char *name)
{
	FILE *f = popen("mount -t debugfs none /sys/kernel/debug 2> /dev/null; "
			"cat /sys/kernel/debug/dvmm/*/machine", "r");
	unsigned int n, at = ~0u, result = 0;
	char line[200], key[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %u", key, &n) != 2)
			continue;
		if (!strcmp(key, "node"))
			at = n;
		else if (at == node && !strcmp(key, name))
			result = n;
	}
	if (f)
		pclose(f);
	return result;
}

/* The sender had time for each of them, and takes none any more. */
void fill_way(struct guest *g, uint64_t address, uint32_t data)
{
	const unsigned int several = 32;
	unsigned int before, i, rounds = 0;

	do {
		before = counted(0, "ipi_merged");
		for (i = 0; i < several; i++) {
			msi_send(g, 0, address, data);
			pause_ms(1);
		}
		if (++rounds == 400)
			tap_bail("a way that is never full");
	} while (counted(0, "ipi_merged") < before + several - 1);
	tap_diag("%u messages fill the way", rounds * several);
}

/* ---- tracers ---- */

#define TRACEFS "/sys/kernel/tracing"

bool trace_put(const char *name, const char *text)
{
	char path[256];
	bool ok;
	int fd;

	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	snprintf(path, sizeof(path), TRACEFS "/%s", name);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}
