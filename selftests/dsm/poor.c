// SPDX-License-Identifier: GPL-2.0
/* A host without free memory: the threads that receive do not fail for it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define PAGES	512ul	/* eight times what is in reserve */

static volatile uint64_t *map(int region)
{
	void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static sigjmp_buf after_fault;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(after_fault, 1);
}

static int denied(void)
{
	FILE *f = fopen("/sys/module/dvmm_poor/parameters/denied", "re");
	int n = 0;

	if (!f || fscanf(f, "%d", &n) != 1)
		tap_bail("dvmm-poor does not count");
	fclose(f);
	return n;
}

static size_t pages_wrong(volatile uint64_t *p)
{
	size_t i, wrong = 0;

	if (sigsetjmp(after_fault, 1))
		return PAGES;
	for (i = 0; i < PAGES; i++)
		wrong += p[i * PAGE / 8] != i + 1;
	return wrong;
}

int main(void)
{
	struct cluster c = { .nodes = 2, .transport = "tcp", .regions = 1,
			     .spec = { { 0, PAGES * PAGE, 0 } } };
	struct sigaction bus = { .sa_handler = on_sigbus };
	volatile uint64_t *near, *far;
	struct dvmm_event_record ev = {};
	size_t i, wrong;
	int n, stopped;

	tap_start(50);
	klog_open();
	close(dev_open());
	sigaction(SIGBUS, &bus, NULL);
	if (cluster_open(&c))
		tap_bail("machine of 2 nodes: %s", c.why);
	near = map(c.region[0][0]);
	far = map(c.region[1][0]);
	for (i = 0; i < PAGES; i++)
		near[i * PAGE / 8] = i + 1;
	if (system("modprobe dvmm-poor"))
		tap_skip_all("no module dvmm-poor");
	wrong = pages_wrong(far);
	n = denied();
	system("rmmod dvmm-poor");
	stopped = event_want(c.machine[1], DVMM_EVENT_STOPPED, &ev, 100);
	tap_ok(!wrong && stopped != 1, "%lu pages arrive without free memory (%zu wrong; %s)",
	       PAGES, wrong, stopped == 1 ? ev.reason : "the machine goes on");
	tap_ok(n >= (int)PAGES, "each was refused once or more (%d)", n);
	cluster_close(&c);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
