// SPDX-License-Identifier: GPL-2.0
/* A machine that loses something stops everywhere within 5 s, with the true reason. */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define STOP_MS 5000

static const char *const transports[] = { "loop", "tcp" };
static sigjmp_buf after_fault;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(after_fault, 1);
}

/* What a touch of a page gives: true if the access got SIGBUS. */
static bool touch_fails(volatile char *p)
{
	if (sigsetjmp(after_fault, 1))
		return true;
	*p = 1;
	return false;
}

static bool opened(struct cluster *c, const char *transport, int nodes)
{
	*c = (struct cluster){ .nodes = nodes, .transport = transport, .bytes = 16 * PAGE };
	if (!cluster_open(c))
		return true;
	tap_ok(false, "%s: machine of %d nodes: %s", transport, nodes, c->why);
	return false;
}

/* Node @node must stop in time, and its reason must hold @reason. */
static void stops(struct cluster *c, int node, const char *reason, const char *what)
{
	struct dvmm_event_record ev = {};
	uint64_t start = now_ns();
	int ret = event_want(c->machine[node], DVMM_EVENT_STOPPED, &ev, STOP_MS);

	tap_ok(ret == 1 && strstr(ev.reason, reason),
	       "%s: %s stops node %d with \"%s\" (%s), %llu ms", c->transport, what, node, reason,
	       ev.reason, (unsigned long long)(now_ns() - start) / 1000000);
}

static void node_leaves(const char *transport)
{
	struct cluster c;

	if (!opened(&c, transport, 3))
		return;
	close(c.machine[1]);
	c.machine[1] = -1;
	stops(&c, 0, "node 1 left the machine", "a node that leaves");
	stops(&c, 2, "node 1 left the machine", "a node that leaves");
	cluster_close(&c);
}

/* The child is node 1; killing it closes its descriptors without a word. */
static void process_killed(const char *transport)
{
	struct cluster c;
	pid_t child;

	if (!opened(&c, transport, 2))
		return;
	child = fork();
	if (!child) {
		cluster_keep(&c, 1);
		pause();
		_exit(0);
	}
	cluster_keep(&c, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	stops(&c, 0, "node 1 left the machine", "a killed process");
	cluster_close(&c);
}

static void stop_called(const char *transport)
{
	struct cluster c;

	if (!opened(&c, transport, 2))
		return;
	machine_stop(c.machine[0], "the administrator said so");
	stops(&c, 0, "the administrator said so", "DVMM_STOP");
	stops(&c, 1, "the administrator said so", "DVMM_STOP");
	cluster_close(&c);
}

static void lane_cut(void)
{
	struct cluster c;
	int lane;

	for (lane = 0; lane < DVMM_LINK_LANES; lane++) {
		if (!opened(&c, "tcp", 2))
			return;
		shutdown(c.sock[0][1][lane], SHUT_RDWR);
		stops(&c, 0, "link", "a cut lane");
		stops(&c, 1, "link", "a cut lane");
		cluster_close(&c);
	}
}

/* A page that is not held cannot be had any more; one that is held still can. */
static void memory_after(const char *transport)
{
	struct cluster c;
	char *p;

	if (!opened(&c, transport, 2))
		return;
	p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c.region[1][0], 0);
	if (!tap_ok(p != MAP_FAILED, "%s: node 1 maps the region of node 0", transport)) {
		cluster_close(&c);
		return;
	}
	p[0] = 1;
	machine_stop(c.machine[0], "test");
	stops(&c, 1, "test", "DVMM_STOP");
	tap_ok(!touch_fails(p), "%s: a page that was held stays", transport);
	/* Not of the block that came with the first one. */
	tap_ok(touch_fails(p + 15 * PAGE), "%s: a page that was not gets SIGBUS", transport);
	munmap(p, 16 * PAGE);
	cluster_close(&c);
}

/* Begin to connect to nobody. */
static int connect_in_vain(int machine, int far[DVMM_LINK_LANES])
{
	int link = link_create(machine, 1, "tcp"), near[DVMM_LINK_LANES], i, end[2];

	for (i = 0; i < DVMM_LINK_LANES; i++) {
		if (tcp_pair(end))
			tap_bail("TCP over loopback");
		near[i] = end[0];
		far[i] = end[1];
	}
	if (link_connect(link, near))
		tap_bail("DVMM_LINK_CONNECT");
	close_all(near, DVMM_LINK_LANES);
	return link;
}

/* While links come up an access waits for the machine to be ready; a signal ends it. */
static void waiter_killed(void)
{
	int machine, region, link, far[DVMM_LINK_LANES], status = 0;
	struct machine_params m = { .nodes = 2 };
	pid_t child;

	random_uuid(m.uuid);
	machine = machine_create(&m);
	region = region_create(machine, 0, 1, 16 * PAGE, 0);
	link = connect_in_vain(machine, far);
	child = fork();
	if (!child) {
		char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);

		signal(SIGBUS, SIG_DFL);
		*(volatile char *)p = 1;
		_exit(0);
	}
	usleep(200000);	/* there is no event for "it waits now" */
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "a waiting access can be killed");
	close(region);
	close(link);
	close_all(far, DVMM_LINK_LANES);
	close(machine);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_sigbus };
	size_t i;

	tap_start(120);
	klog_open();
	close(dev_open());
	sigaction(SIGBUS, &sa, NULL);
	for (i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		node_leaves(transports[i]);
		process_killed(transports[i]);
		stop_called(transports[i]);
		memory_after(transports[i]);
	}
	lane_cut();
	waiter_killed();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
