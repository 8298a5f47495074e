// SPDX-License-Identifier: GPL-2.0
/*
 * A page that does not arrive is named: in debugfs, as an event, and, beyond the
 * machine's bound, as the reason for which it stops on all nodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "peer.h"
#include "tap.h"

#define STALL_S		3
#define REPORT_MS	5000	/* a second, the look, and this machine's slowness */
#define STOP_MS		15000
#define AT		5	/* the page */
#define PEERS		6

static char *map(const struct cluster *c, int node)
{
	char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c->region[node][0],
		       0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static int fifo[2];

/* A pipe that nobody reads holds a page of node 0, its home. */
static void pin(const struct cluster *c)
{
	struct iovec v = { .iov_len = PAGE };
	char *p = map(c, 0);

	p[AT * PAGE] = 42;
	v.iov_base = p + AT * PAGE;
	if (pipe2(fifo, O_CLOEXEC) || vmsplice(fifo[1], &v, 1, 0) != (ssize_t)PAGE)
		tap_bail("vmsplice: %s", strerror(errno));
}

/* Node 1 writes to the page; status 0 once it has found there what node 0 wrote. */
static pid_t want(const struct cluster *c)
{
	pid_t pid = fork();
	volatile char *p;

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_all(fifo, 2);
	p = map(c, 1);	/* a mapping is not inherited */
	p[AT * PAGE + 1] = 1;
	_exit(p[AT * PAGE] != 42);
}

static bool event_says(int machine, int type, int ms, const char *what, const char *text)
{
	struct dvmm_event_record ev = {};
	int ret = event_want(machine, type, &ev, ms);

	return tap_ok(ret == 1 && strstr(ev.reason, text), "%s: \"%s\" (%s)", what, text,
		      ret == 1 ? ev.reason : "no event");
}

static void flights_say(const uint8_t *uuid, int node, const char *what, const char *text)
{
	char buf[4096] = "";
	int ret = node_debugfs(uuid, node, "flights", buf, sizeof(buf));

	tap_ok(!ret && strstr(buf, text), "%s: node %d lists \"%s\"", what, node, text);
	if (ret || !strstr(buf, text))
		tap_diag("%s", ret ? strerror(errno) : buf);
}

/* One line names page, region, state, and whom it waits for. */
static void log_says(const uint8_t *uuid, const char *transport, const char *why)
{
	char name[UUID_TEXT], who[128];

	uuid_text(uuid, name);
	snprintf(who, sizeof(who), "%s node 0: page %d of region 0 stalled for", name, AT);
	tap_ok(klog_says(who, why), "%s: the kernel log has the page and \"%s\"", transport, why);
}

/* ---- somebody has the page pinned ---- */

static void pinned(const char *transport)
{
	struct cluster c = {
		.nodes = 2, .transport = transport, .bytes = 16 * PAGE, .stall_s = STALL_S,
	};
	int status = 0;
	pid_t child;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	pin(&c);
	child = want(&c);
	event_says(c.machine[0], DVMM_EVENT_STALLED, REPORT_MS, "a pinned page",
		   "pinned on node 0");
	event_says(c.machine[1], DVMM_EVENT_STALLED, REPORT_MS, "a page pinned elsewhere",
		   "waits for DATA by way of node 0");
	flights_say(c.uuid, 0, transport, "region: 0 page: 5 state: H_R");
	flights_say(c.uuid, 0, transport, "why: pinned on node 0");
	flights_say(c.uuid, 1, transport, "state: IM_AD");
	log_says(c.uuid, transport, "in H_R: pinned on node 0");
	event_says(c.machine[0], DVMM_EVENT_STOPPED, STOP_MS, "over the bound",
		   "page 5 of region 0 stalled for");
	event_says(c.machine[1], DVMM_EVENT_STOPPED, STOP_MS, "over the bound",
		   "pinned on node 0");
	waitpid(child, &status, 0);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
	       "%s: who waited for the page is told", transport);
	close_all(fifo, 2);
	cluster_close(&c);
}

/* Without a bound the machine waits, and the page arrives when the pin is gone. */
static void unpinned(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .bytes = 16 * PAGE };
	int status = -1;
	struct dvmm_event_record ev;
	pid_t child;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	pin(&c);
	child = want(&c);
	event_says(c.machine[0], DVMM_EVENT_STALLED, REPORT_MS, "no bound", "pinned on node 0");
	tap_ok(event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, 1000 * (STALL_S + 2)) == 0,
	       "no bound: the machine goes on");
	close_all(fifo, 2);
	waitpid(child, &status, 0);
	tap_ok(!status, "the page arrives once the pin is gone");
	cluster_close(&c);
}

/* ---- a pin that is short ---- */

#define PIN_US	100000
#define LOOKS	40	/* one a tick would be 25 where a tick has 4 ms */

static unsigned long pin_waits(const struct cluster *c)
{
	char buf[4096] = "", *at;

	if (node_debugfs(c->uuid, 0, "stats", buf, sizeof(buf)))
		tap_bail("debugfs: %s", strerror(errno));
	at = strstr(buf, "pin_waits: ");
	return at ? strtoul(at + strlen("pin_waits: "), NULL, 0) : 0;
}

/* How often is a page looked at that cannot leave?  The best of five: CPUs are busy. */
static void looked_at(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .bytes = 16 * PAGE };
	unsigned long looks, most = 0;
	int i, status = 0, failed = 0;
	pid_t child;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	for (i = 0; i < 5 && most < LOOKS; i++) {
		pin(&c);
		looks = pin_waits(&c);
		child = want(&c);
		usleep(PIN_US);
		looks = pin_waits(&c) - looks;
		most = looks > most ? looks : most;
		close_all(fifo, 2);
		waitpid(child, &status, 0);
		failed += status != 0;
	}
	tap_ok(!failed && most >= LOOKS, "a pinned page is looked at %lu times in %d ms", most,
	       PIN_US / 1000);
	cluster_close(&c);
}

/* ---- a peer does not answer ---- */

static void ask(struct peer *p)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_COHERENCE, DVMM_MSG_GET_M, 0);

	h.src = cpu_to_le16(p->self);
	h.requester = cpu_to_le16(p->self);
	h.page = cpu_to_le64(AT);
	h.id = cpu_to_le64(1);
	peer_send(p, DVMM_LANE_REQ, &h, NULL, 0);
}

static bool join(struct peer *p, int self, int nodes, int machine, const uint8_t *uuid)
{
	memset(p, -1, sizeof(*p));
	p->self = self;
	p->nodes = nodes;
	p->joins = false;
	p->machine = machine;
	memcpy(p->uuid, uuid, sizeof(p->uuid));
	return !peer_connect(p) && !peer_join(p);
}

static int *signals; /* that the child has handled */

static void on_usr1(int sig)
{
	(void)sig;
	++*(volatile int *)signals;
}

static pid_t reader(int region)
{
	pid_t pid = fork();
	char *m;

	if (pid)
		return pid;
	signal(SIGUSR1, on_usr1);
	alarm(60);
	m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);
	if (m != MAP_FAILED)
		(void)*(volatile char *)(m + AT * PAGE);
	_exit(0);
}

#define SIGNALS	50

/* Each signal makes the thread come back and ask again; the page is busy all the while. */
static void asks_once(const uint8_t *uuid, int region)
{
	pid_t pid;
	int i, ms, waiting = -1;
	char buf[4096] = "", *at;

	signals = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = signals == MAP_FAILED ? -1 : reader(region);
	if (pid < 0)
		tap_bail("no reader: %s", strerror(errno));
	usleep(200000 * tap_patience());
	for (i = 0; i < SIGNALS; i++) {
		kill(pid, SIGUSR1);
		for (ms = 0; ms < 1000 && *(volatile int *)signals <= i; ms++)
			usleep(1000);
	}
	if (node_debugfs(uuid, 0, "flights", buf, sizeof(buf)))
		tap_bail("debugfs: %s", strerror(errno));
	at = strstr(buf, "waiting: ");
	if (at)
		waiting = atoi(at + strlen("waiting: "));
	tap_ok(*signals == SIGNALS && waiting >= 1 && waiting <= 2,
	       "a thread that is interrupted %d times waits for a busy page with %d requests",
	       *signals, waiting);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(signals, PAGE);
}

/* Node 1 gets the page, node 2 asks for it, and both are silent ever after. */
static void withheld(void)
{
	struct machine_params mp = { .nodes = 3, .stall_s = STALL_S };
	struct peer one, two;
	struct peer_frame f;
	int machine, region;

	random_uuid(mp.uuid);
	machine = machine_create(&mp);
	region = region_create(machine, 0, 0, 16 * PAGE, 0);
	if (machine < 0 || region < 0 || !join(&one, 1, 3, machine, mp.uuid) ||
	    !join(&two, 2, 3, machine, mp.uuid))
		tap_bail("two peers: %s", strerror(errno));
	ask(&one);
	tap_ok(peer_recv(&one, DVMM_LANE_FWD, &f, 5000) == 1 && f.hdr.type == DVMM_MSG_DATA,
	       "a peer gets a page");
	ask(&two);
	asks_once(mp.uuid, region);
	event_says(machine, DVMM_EVENT_STALLED, REPORT_MS, "UNBLOCK withheld",
		   "in H_FM: node 0 waits for UNBLOCK of node 2, served by node 1");
	event_says(machine, DVMM_EVENT_STOPPED, STOP_MS, "UNBLOCK withheld",
		   "waits for UNBLOCK of node 2");
	peer_hang_up(&one);
	peer_hang_up(&two);
	close(one.link);
	close(two.link);
	close(region);
	close(machine);
}

/* A node that leaves gives all silent peers one second together, not one each. */
static void silent_peers(void)
{
	struct machine_params mp = { .nodes = PEERS + 1 };
	struct peer p[PEERS];
	uint64_t start;
	int machine, i;

	random_uuid(mp.uuid);
	machine = machine_create(&mp);
	for (i = 0; i < PEERS; i++)
		if (machine < 0 || !join(&p[i], i + 1, PEERS + 1, machine, mp.uuid))
			tap_bail("peer %d: %s", i + 1, strerror(errno));
	start = now_ns();
	close(machine);
	start = (now_ns() - start) / 1000000;
	tap_ok(start < 3000 * tap_patience(), "a node leaves %d silent peers in %llu ms", PEERS,
	       (unsigned long long)start);
	for (i = 0; i < PEERS; i++) {
		peer_hang_up(&p[i]);
		close(p[i].link);
	}
}

/* ---- a clock that answers late ---- */

#define ASK		1	/* of the clock's channel */
#define ANSWER		2
#define ROUNDS		3

static pid_t compare_clocks(const struct peer *p)
{
	struct dvmm_clock arg = { .size = sizeof(arg), .peer = p->self, .rounds = ROUNDS };
	pid_t pid = fork();

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (!pid)
		_exit(ioctl(p->machine, DVMM_GET_CLOCK, &arg) ? errno : 0);
	return pid;
}

/* Questions answered, with as many after the first left open, until @pid is content. */
static int answer_all_but(struct peer *p, int open, pid_t pid, int *status)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_CHANNEL, ANSWER, sizeof(__le64));
	__le64 tsc = cpu_to_le64(1);
	struct peer_frame f;
	int asked = 0;

	h.index = cpu_to_le16(DVMM_CHANNEL_CLOCK);
	while (waitpid(pid, status, WNOHANG) != pid) {
		if (peer_recv(p, DVMM_LANE_CTL, &f, 100) != 1 || f.hdr.type != ASK)
			continue;
		if (++asked > 1 && asked <= open + 1)
			continue;
		h.id = f.hdr.id;
		peer_send(p, DVMM_LANE_CTL, &h, &tsc, sizeof(tsc));
	}
	return asked;
}

static void late_clock(int open, int err)
{
	struct peer p;
	int asked, status;

	if (peer_open(&p) || peer_join(&p))
		tap_bail("a peer: %s", strerror(errno));
	asked = answer_all_but(&p, open, compare_clocks(&p), &status);
	tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == err,
	       "clocks are compared with %d of %d questions left open: %s", open, asked,
	       strerror(WEXITSTATUS(status)));
	peer_close(&p);
}

int main(void)
{
	tap_start(110);
	klog_open();
	close(dev_open());
	looked_at();
	unpinned();
	pinned("loop");
	pinned("tcp");
	withheld();
	silent_peers();
	late_clock(1, 0);
	late_clock(100, ETIMEDOUT);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
