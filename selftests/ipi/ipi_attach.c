// SPDX-License-Identifier: GPL-2.0
/* Attaching a VM may take seconds; what else happens to the machine does not wait for it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define PROMPT_MS	1500	/* for what may not wait for the attachment */

struct attachment {
	int machine;
	int vm;
	volatile int error;
	volatile bool done;
};

static int attach_error(int machine, int vm)
{
	uint16_t node_of = 0;
	struct dvmm_attach_kvm arg = {
		.size = sizeof(arg), .vm = vm, .nodes_of = (uintptr_t)&node_of, .count = 1,
	};

	return ioctl(machine, DVMM_ATTACH_KVM, &arg) ? errno : 0;
}

static void *attach_thread(void *arg)
{
	struct attachment *a = arg;

	a->error = attach_error(a->machine, a->vm);
	a->done = true;
	return NULL;
}

int main(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .regions = 1,
			     .spec = { { 0, 16 * PAGE, 0 } } };
	struct dvmm_event_record ev = {};
	struct attachment a = {};
	pthread_t thread;
	int ret;

	tap_start(60);
	klog_open();
	close(dev_open());
	if (cluster_open(&c))
		tap_bail("machine of 2 nodes: %s", c.why);
	a.machine = c.machine[1];
	a.vm = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (pthread_create(&thread, NULL, attach_thread, &a))
		tap_bail("pthread_create");
	usleep(300000);
	tap_ok(!a.done && attach_error(a.machine, a.vm) == EBUSY && !a.done,
	       "while a VM is being attached another one is refused at once");
	tap_ok(machine_leave(a.machine) && errno == EBUSY && !a.done,
	       "and the node does not leave the machine");
	machine_stop(a.machine, "enough");
	ret = event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, PROMPT_MS * tap_patience());
	tap_ok(ret == 1 && !a.done, "the machine stops everywhere meanwhile");
	tap_ok(!strcmp(ev.reason, "enough"), "for the reason given (%s)", ev.reason);
	pthread_join(thread, NULL);
	tap_ok(!a.error, "the attachment comes to its end (error %d)", a.error);
	tap_ok(attach_error(a.machine, a.vm) == EBUSY, "and is the only one");
	cluster_close(&c);
	close(a.vm);
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
