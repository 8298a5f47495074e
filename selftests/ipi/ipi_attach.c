// SPDX-License-Identifier: GPL-2.0
/* Attaching a VM may take seconds; what else happens to the machine does not wait for it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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

static pthread_t attach_begin(struct attachment *a, int machine)
{
	pthread_t thread;

	*a = (struct attachment){ .machine = machine };
	a->vm = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (pthread_create(&thread, NULL, attach_thread, a))
		tap_bail("pthread_create");
	return thread;
}

static void open_machine(struct cluster *c)
{
	*c = (struct cluster){ .nodes = 2, .transport = "loop", .regions = 1,
			       .spec = { { 0, 16 * PAGE, 0 } } };
	if (cluster_open(c))
		tap_bail("machine of 2 nodes: %s", c->why);
}

/* Node 1 stops, and node 0 hears of it at once, although a VM is being attached to node 1. */
static void stops_meanwhile(const struct cluster *c, const struct attachment *a)
{
	struct dvmm_event_record ev = {};
	int ret;

	machine_stop(a->machine, "enough");
	ret = event_want(c->machine[0], DVMM_EVENT_STOPPED, &ev, PROMPT_MS * tap_patience());
	tap_ok(ret == 1 && !a->done, "the machine stops everywhere meanwhile");
	tap_ok(!strcmp(ev.reason, "enough"), "for the reason given (%s)", ev.reason);
}

/* ---- dvmm-ipi takes its time to be loaded ---- */

#define MODPROBE	"/proc/sys/kernel/modprobe"
#define SLOW		"/tmp/dvmm-modprobe"
#define FIFO		SLOW ".fifo"

static void put(const char *file, const char *text)
{
	FILE *f = fopen(file, "we");

	if (!f || fputs(text, f) < 0 || fclose(f))
		tap_bail("%s: %s", file, strerror(errno));
}

static void get(const char *file, char *line, int n)
{
	FILE *f = fopen(file, "re");

	if (!f || !fgets(line, n, f))
		tap_bail("%s: %s", file, strerror(errno));
	fclose(f);
}

/* It ends when nobody has the FIFO open to write, and loads nothing. */
static void modprobe_make(void)
{
	unlink(FIFO);
	put(SLOW, "#!/bin/sh\nread end < " FIFO "\n");
	if (chmod(SLOW, 0700) || mkfifo(FIFO, 0600))
		tap_bail("%s: %s", FIFO, strerror(errno));
}

static void loading(void)
{
	struct attachment a;
	char before[256];
	struct cluster c;
	pthread_t thread;
	int fifo;

	open_machine(&c);
	modprobe_make();
	get(MODPROBE, before, sizeof(before));
	put(MODPROBE, SLOW);
	thread = attach_begin(&a, c.machine[1]);
	/* Comes back when modprobe runs. */
	fifo = open(FIFO, O_WRONLY | O_CLOEXEC);
	put(MODPROBE, before);
	tap_ok(fifo >= 0 && !a.done, "to attach a VM the kernel asks for dvmm-ipi");
	stops_meanwhile(&c, &a);
	close(fifo);
	pthread_join(thread, NULL);
	tap_ok(a.error == ENODEV, "without the module there is no attachment (error %d)", a.error);
	close(a.vm);
	cluster_close(&c);
}

/* ---- dvmm-ipi-slow takes its time to attach ---- */

static void attaching(void)
{
	struct attachment a;
	struct cluster c;
	pthread_t thread;

	open_machine(&c);
	thread = attach_begin(&a, c.machine[1]);
	usleep(300000);
	tap_ok(!a.done && attach_error(a.machine, a.vm) == EBUSY && !a.done,
	       "while a VM is being attached another one is refused at once");
	tap_ok(machine_leave(a.machine) && errno == EBUSY && !a.done,
	       "and the node does not leave the machine");
	stops_meanwhile(&c, &a);
	pthread_join(thread, NULL);
	tap_ok(!a.error, "the attachment comes to its end (error %d)", a.error);
	tap_ok(attach_error(a.machine, a.vm) == EBUSY, "and is the only one");
	close(a.vm);
	cluster_close(&c);
}

int main(void)
{
	tap_start(60);
	klog_open();
	close(dev_open());
	loading();
	if (system("modprobe dvmm-ipi-slow"))
		tap_skip("attaching", "no module dvmm-ipi-slow");
	else
		attaching();
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
