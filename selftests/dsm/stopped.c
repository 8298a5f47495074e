// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU that wants a page of a machine that has stopped goes to sleep; it neither
 * keeps a CPU busy until its VM is ended, nor delays that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define CODE_AT		0x1000
#define SHARED_AT	0x10000	/* 1000:0000 */
#define PAGES		16
#define LOOK_MS		2000
#define SLEEPS_MAX	(LOOK_MS / 10)
#define PROMPT_MS	500

/* sti; mov $0x1000, %ax; mov %ax, %ds; 1: mov 0, %al; jmp 1b */
static const uint8_t code[] = {
	0xfb, 0xb8, 0x00, 0x10, 0x8e, 0xd8, 0xa0, 0x00, 0x00, 0xeb, 0xfb,
};

struct vcpu {
	int vm;
	int fd;
	struct kvm_run *run;
	volatile pid_t tid;
	volatile bool end;
	volatile bool ended;
	volatile int error;	/* of KVM_RUN */
	pthread_t thread;
};

static int must(int ret, const char *what)
{
	if (ret < 0)
		tap_bail("%s: %s", what, strerror(errno));
	return ret;
}

static void on_usr1(int sig)
{
	(void)sig;
}

static void *run(void *arg)
{
	struct vcpu *v = arg;

	v->tid = gettid();
	while (!v->end)
		if (ioctl(v->fd, KVM_RUN, 0) && errno != EINTR)
			v->error = errno;
	v->ended = true;
	return NULL;
}

static void *pages(size_t bytes, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static void set_memory(struct vcpu *v, unsigned int slot, uint64_t at, size_t bytes, void *p)
{
	struct kvm_userspace_memory_region memory = {
		.slot = slot, .guest_phys_addr = at, .memory_size = bytes,
		.userspace_addr = (uintptr_t)p,
	};

	must(ioctl(v->vm, KVM_SET_USER_MEMORY_REGION, &memory), "KVM_SET_USER_MEMORY_REGION");
}

static void set_start(struct vcpu *v)
{
	struct kvm_regs regs = { .rip = CODE_AT, .rsp = CODE_AT, .rflags = 2 };
	struct kvm_sregs sregs;

	must(ioctl(v->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(v->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(v->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* KVM lets a fault wait behind the vCPU's back only with a local APIC. */
static void vcpu_create(struct vcpu *v, int kvm, int region)
{
	char *own = pages(SHARED_AT, -1);

	memset(v, 0, sizeof(*v));
	memcpy(own + CODE_AT, code, sizeof(code));
	v->vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(v->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	set_memory(v, 0, 0, SHARED_AT, own);
	set_memory(v, 1, SHARED_AT, PAGES * PAGE, pages(PAGES * PAGE, region));
	v->fd = must(ioctl(v->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	set_start(v);
	if (pthread_create(&v->thread, NULL, run, v))
		tap_bail("pthread_create");
}

/* True if a signal gets it out of KVM_RUN in time. */
static bool vcpu_end(struct vcpu *v)
{
	uint64_t start = now_ns();

	v->end = true;
	pthread_kill(v->thread, SIGUSR1);
	while (!v->ended && now_ns() - start < PROMPT_MS * tap_patience() * 1000000ull)
		usleep(1000);
	return v->ended;
}

int main(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .regions = 1,
			     .spec = { { 1, PAGES * PAGE, 0 } } };
	struct sigaction usr1 = { .sa_handler = on_usr1 };
	struct dvmm_event_record ev;
	struct vcpu v;
	long before, slept;
	int kvm;

	tap_start(60);
	klog_open();
	close(dev_open());
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		tap_skip_all("/dev/kvm: %s", strerror(errno));
	sigaction(SIGUSR1, &usr1, NULL);
	if (cluster_open(&c))
		tap_bail("machine of 2 nodes: %s", c.why);
	machine_stop(c.machine[0], "enough");
	if (event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, 5000) != 1)
		tap_bail("the machine does not stop");
	vcpu_create(&v, kvm, c.region[0][0]);
	usleep(500000 * tap_patience());
	before = thread_switches(v.tid);
	usleep(LOOK_MS * 1000);
	slept = thread_switches(v.tid) - before;
	tap_ok(!v.ended && slept >= 0 && slept < SLEEPS_MAX,
	       "a vCPU that wants a page of a stopped machine sleeps (%ld times in %d ms)",
	       slept, LOOK_MS);
	tap_diag("KVM_RUN: %s", v.error ? strerror(v.error) : "no error");
	tap_ok(vcpu_end(&v), "and can be ended at once");
	pthread_join(v.thread, NULL);
	close_all((int[]){ v.fd, v.vm, kvm }, 3);
	cluster_close(&c);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
