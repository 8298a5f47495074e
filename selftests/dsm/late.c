// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that gets the CPU late still finds the page for which it has waited.
 *
 * One CPU, which a busy process keeps from a nice one.  The nice one writes to a
 * page that the other node writes to without pause: whenever the page comes, the
 * other node asks for it again, often before the nice one runs.  A page that was
 * not kept until then has to come again for the same fault.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define WRITES	100
#define NICE	10
#define BUSY_NS	80000000ull
#define PAUSE_US 40000

static void one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		tap_bail("sched_setaffinity: %s", strerror(errno));
}

static volatile uint64_t *map(const struct cluster *c, int node)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c->region[node][0], 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

/* Runs until it is killed, or its parent has ended. */
static pid_t child(const struct cluster *c, void (*work)(const struct cluster *c))
{
	pid_t pid = fork();

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work(c);
	_exit(0);
}

/* With pauses: from what it fetches then, the node knows how fast a fetch can be. */
static void be_busy(const struct cluster *c)
{
	uint64_t end;

	(void)c;
	for (;;) {
		for (end = now_ns() + BUSY_NS; now_ns() < end;)
			;
		usleep(PAUSE_US);
	}
}

static void write_always(const struct cluster *c)
{
	volatile uint64_t *p = map(c, 0);
	uint64_t i;

	for (i = 0;; i++)
		p[0] = i;
}

static void write_late(const struct cluster *c)
{
	volatile uint64_t *p = map(c, 1);
	int i;

	if (nice(NICE) != NICE)
		_exit(2);
	for (i = 0; i < WRITES; i++) {
		p[1] = i;
		/* until the other node has it: it needs the CPU for that */
		usleep(20000);
	}
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void late(const char *transport)
{
	struct cluster c = { .nodes = 2, .transport = transport, .bytes = PAGE, .hold_us = 1000 };
	struct dvmm_stats s;
	pid_t busy, other;
	int status;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	busy = child(&c, be_busy);
	other = child(&c, write_always);
	waitpid(child(&c, write_late), &status, 0);
	if (machine_stats(c.machine[1], &s))
		tap_bail("DVMM_GET_STATS: %s", strerror(errno));
	tap_ok(!status, "%s: a thread that runs late makes its writes", transport);
	tap_diag("%llu faults, for which the page came %llu times",
		 (unsigned long long)s.faults_write, (unsigned long long)s.pages_received);
	tap_ok(s.pages_received <= s.faults_write + s.faults_write / 20,
	       "%s: the page is kept until it runs", transport);
	end_child(other);
	end_child(busy);
	cluster_close(&c);
}

int main(void)
{
	tap_start(200);
	klog_open();
	close(dev_open());
	one_cpu();
	late("loop");
	late("tcp");
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
