// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family tells what is so, to those who may know, and takes whatever
 * it is asked with.
 *
 * usage: netlink [SEED [CASES]]
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "genl.h"
#include "tap.h"

#define NODES 3
#define MANY 120	/* machines: more than one message of a dump holds */
#define FLIGHTS 60
#define NOBODY 65534
#define EVENT_MS 5000

static struct genl s;

static uint64_t boottime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void ask_of(struct genl_request *r, uint8_t cmd, const uint8_t *uuid, int node)
{
	uint16_t number = node;

	genl_begin(&s, r, cmd);
	genl_add(r, DVMM_A_UUID, uuid, 16);
	if (node >= 0)
		genl_add(r, DVMM_A_NODE, &number, sizeof(number));
}

static int ask(uint8_t cmd, const uint8_t *uuid, int node, genl_fn fn, void *arg)
{
	struct genl_request r;

	ask_of(&r, cmd, uuid, node);
	return genl_ask(&s, &r, fn, arg);
}

static char *map(int region, int pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

/* ---- what is told is so ---- */

struct seen {
	const struct cluster *c;
	uint64_t since, until;
	int count, wrong;
};

static void see_machine(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct seen *seen = arg;
	uint64_t time = genl_num(a[DVMM_A_TIME]);

	if (cmd != DVMM_CMD_MACHINE_GET || !a[DVMM_A_UUID] ||
	    memcmp(genl_data(a[DVMM_A_UUID]), seen->c->uuid, 16) ||
	    genl_num(a[DVMM_A_NODE]) != (uint64_t)seen->count ||
	    genl_num(a[DVMM_A_NODES]) != NODES || genl_num(a[DVMM_A_MEMBERS]) != NODES ||
	    genl_num(a[DVMM_A_STATE]) != DVMM_MACHINE_STATE_READY ||
	    genl_num(a[DVMM_A_LINKS_UP]) != NODES - 1 || time < seen->since ||
	    time > seen->until || a[DVMM_A_REASON] || a[DVMM_A_SECURE])
		seen->wrong++;
	seen->count++;
}

static void see_link(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct seen *seen = arg;
	int node = seen->count / (NODES - 1), peer = seen->count % (NODES - 1);

	(void)cmd;
	peer += peer >= node;
	if (genl_num(a[DVMM_A_NODE]) != (uint64_t)node ||
	    genl_num(a[DVMM_A_PEER]) != (uint64_t)peer ||
	    strcmp(genl_text(a[DVMM_A_TRANSPORT]), "loop") || !a[DVMM_A_MEMBER] ||
	    genl_num(a[DVMM_A_LINK_STATUS]) != DVMM_LINK_STATUS_UP ||
	    genl_num(a[DVMM_A_BYTES_SENT]) < 40 * genl_num(a[DVMM_A_SENT]) ||
	    genl_num(a[DVMM_A_BYTES_RECEIVED]) < 40 * genl_num(a[DVMM_A_RECEIVED]) ||
	    !genl_num(a[DVMM_A_SENT]) || !genl_num(a[DVMM_A_RECEIVED]) || !a[DVMM_A_IN_FLIGHT])
		seen->wrong++;
	seen->count++;
}

static void see_region(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct seen *seen = arg;
	int node = seen->count / NODES, region = seen->count % NODES;
	uint64_t frames = genl_num(a[DVMM_A_FRAMES]);

	(void)cmd;
	if (genl_num(a[DVMM_A_NODE]) != (uint64_t)node ||
	    genl_num(a[DVMM_A_REGION]) != (uint64_t)region ||
	    genl_num(a[DVMM_A_HOME]) != (uint64_t)region || genl_num(a[DVMM_A_PAGES]) != 100 ||
	    genl_num(a[DVMM_A_LIMIT]) != (node == region ? 0 : 64) || frames > 100)
		seen->wrong++;
	seen->count++;
}

static void all_of(const struct cluster *c, uint64_t since, uint8_t cmd, genl_fn fn, int count,
		   const char *what)
{
	struct seen seen = { .c = c, .since = since, .until = boottime() };
	int ret = ask(cmd, c->uuid, -1, fn, &seen);

	tap_ok(!ret && seen.count == count && !seen.wrong,
	       "%s of a machine: %d rows, %d of them wrong, errno %d", what, seen.count,
	       seen.wrong, ret);
}

struct sums {
	uint64_t v[DVMM_A_STATS_MAX + 1];
	int count;
};

static void see_stats(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct nlattr *inner[DVMM_A_STATS_MAX + 1];
	struct sums *sums = arg;
	int i;

	(void)cmd;
	sums->count++;
	if (!a[DVMM_A_STATS])
		return;
	genl_split(genl_data(a[DVMM_A_STATS]), a[DVMM_A_STATS]->nla_len - NLA_HDRLEN, inner,
		   DVMM_A_STATS_MAX);
	for (i = 0; i <= DVMM_A_STATS_MAX; i++)
		sums->v[i] = genl_num(inner[i]);
}

/* "name: value" of debugfs, all ones if it is not there */
static uint64_t shown(const char *text, const char *name)
{
	char key[80];
	const char *at;

	snprintf(key, sizeof(key), "\n%s: ", name);
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : UINT64_MAX;
}

static const struct {
	int attr;
	const char *name;
} counters[] = {
	{ DVMM_A_STATS_FAULTS_READ, "faults_read" },
	{ DVMM_A_STATS_FAULTS_WRITE, "faults_write" },
	{ DVMM_A_STATS_FAULTS_UPGRADE, "faults_upgrade" },
	{ DVMM_A_STATS_FAULTS_LOCAL, "faults_local" },
	{ DVMM_A_STATS_MESSAGES_SENT, "messages_sent" },
	{ DVMM_A_STATS_MESSAGES_RECEIVED, "messages_received" },
	{ DVMM_A_STATS_BYTES_SENT, "bytes_sent" },
	{ DVMM_A_STATS_BYTES_RECEIVED, "bytes_received" },
	{ DVMM_A_STATS_PAGES_SENT, "pages_sent" },
	{ DVMM_A_STATS_PAGES_RECEIVED, "pages_received" },
	{ DVMM_A_STATS_INVALIDATIONS, "invalidations" },
	{ DVMM_A_STATS_DOWNGRADES, "downgrades" },
	{ DVMM_A_STATS_EVICTIONS, "evictions" },
	{ DVMM_A_STATS_DISCARDED, "discarded" },
	{ DVMM_A_STATS_PREFETCHES, "prefetches" },
	{ DVMM_A_STATS_FAULTS_FIRST, "faults_first" },
	{ DVMM_A_STATS_WAIT_NS, "wait_ns" },
	{ DVMM_A_STATS_FRAMES, "frames" },
	{ DVMM_A_STATS_PIN_WAITS, "pin_waits" },
	{ DVMM_A_STATS_LATENCY_P50, "latency_ns_p50" },
	{ DVMM_A_STATS_LATENCY_P90, "latency_ns_p90" },
	{ DVMM_A_STATS_LATENCY_P99, "latency_ns_p99" },
	{ DVMM_A_STATS_LATENCY_MAX, "latency_ns_max" },
	{ DVMM_A_STATS_ZEROS_ASKED, "zeros_asked" },
	{ DVMM_A_STATS_BLOCKS, "blocks" },
	{ DVMM_A_STATS_BLOCKS_SPLIT, "blocks_split" },
	{ DVMM_A_STATS_COPIES_ASKED, "copies_asked" },
	{ DVMM_A_STATS_COPIES_GOT, "copies_got" },
	{ DVMM_A_STATS_COPIES_USED, "copies_used" },
	{ DVMM_A_STATS_COPIES_LOST, "copies_lost" },
	{ DVMM_A_STATS_SNAPSHOT_COPIES, "snapshot_copies" },
};

/* Pages go to node 1 and come back; then nothing moves any more. */
static void work(const struct cluster *c)
{
	char *home = map(c->region[0][0], 100), *away = map(c->region[1][0], 100);
	int i;

	for (i = 0; i < 90; i++) {
		away[i * PAGE] = 1;
		home[i * PAGE]++;
		away[i * PAGE]++;
	}
	munmap(home, 100 * PAGE);
	munmap(away, 100 * PAGE);
}

static void stats_of(const struct cluster *c, int node)
{
	struct sums sums = {};
	char text[4096] = "";
	unsigned int i;
	int ret = ask(DVMM_CMD_STATS_GET, c->uuid, node, see_stats, &sums), wrong = 0;

	if (node_debugfs(c->uuid, node, "stats", text, sizeof(text)))
		tap_bail("debugfs: %s", strerror(errno));
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t other = shown(text, counters[i].name);

		if (sums.v[counters[i].attr] == other && other != UINT64_MAX)
			continue;
		tap_diag("%s is %llu here, %lld in debugfs", counters[i].name,
			 (unsigned long long)sums.v[counters[i].attr], (long long)other);
		wrong++;
	}
	tap_ok(!ret && sums.count == 1 && !wrong &&
	       sums.v[DVMM_A_STATS_MESSAGES_SENT] > (node < 2 ? 90 : 0),
	       "node %d: all %u counters are those of debugfs", node, i);
}

static void truth(void)
{
	struct cluster c = {
		.nodes = NODES, .transport = "loop", .bytes = 100 * PAGE, .cache = 64 * PAGE,
	};
	uint64_t since = boottime();
	int node;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	all_of(&c, since, DVMM_CMD_MACHINE_GET, see_machine, NODES, "nodes");
	work(&c);
	all_of(&c, 0, DVMM_CMD_LINK_GET, see_link, NODES * (NODES - 1), "links");
	all_of(&c, 0, DVMM_CMD_REGION_GET, see_region, NODES * NODES, "regions");
	for (node = 0; node < NODES; node++)
		stats_of(&c, node);
	cluster_close(&c);
}

/* ---- flights ---- */

struct flights {
	int count, pinned, wrong;
	bool page[FLIGHTS];
};

static void see_flight(struct nlattr **a, uint8_t cmd, void *arg)
{
	uint64_t page = genl_num(a[DVMM_A_PAGE]);
	struct flights *f = arg;

	(void)cmd;
	f->count++;
	f->pinned += !!a[DVMM_A_PINNED];
	if (page >= FLIGHTS || f->page[page] || genl_num(a[DVMM_A_REGION]) ||
	    strcmp(genl_text(a[DVMM_A_FLIGHT_STATE]), "IM_AD") || !a[DVMM_A_ACKS] ||
	    !a[DVMM_A_WAITING] || !strstr(genl_text(a[DVMM_A_REASON]), "DATA"))
		f->wrong++;
	else
		f->page[page] = true;
}

/* Threads of node 1, each of which wants a page of node 0. */
static void want(const struct cluster *c, int fifo[2], pid_t *pid)
{
	char *p;
	int i;

	for (i = 0; i < FLIGHTS; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_all(fifo, 2);
		p = map(c->region[1][0], FLIGHTS);
		p[i * PAGE] = 1;
		_exit(0);
	}
}

static struct flights look(const struct cluster *c, int node, uint32_t age)
{
	struct flights f = {};
	struct genl_request r;

	ask_of(&r, DVMM_CMD_FLIGHT_GET, c->uuid, node);
	genl_add(&r, DVMM_A_AGE_MS, &age, sizeof(age));
	if (genl_ask(&s, &r, see_flight, &f))
		f.wrong = 1000;
	return f;
}

/* Until all are there, @pinned or not; one that has only just begun is not as it will be. */
static struct flights look_for_all(const struct cluster *c, int node, bool pinned)
{
	uint64_t end = now_ns() + EVENT_MS * 1000000ull * tap_patience();
	struct flights f;

	do {
		f = look(c, node, 0);
	} while ((pinned ? f.pinned : f.count - f.wrong) < FLIGHTS && now_ns() < end);
	return f;
}

/* All pages of node 0 are in a pipe that nobody reads. */
static void pin(const struct cluster *c, int fifo[2])
{
	struct iovec v = { .iov_len = FLIGHTS * PAGE };

	v.iov_base = map(c->region[0][0], FLIGHTS);
	memset(v.iov_base, 1, v.iov_len);
	if (pipe2(fifo, O_CLOEXEC) || fcntl(fifo[1], F_SETPIPE_SZ, 2 * FLIGHTS * PAGE) < 0 ||
	    vmsplice(fifo[1], &v, 1, 0) != (ssize_t)v.iov_len)
		tap_bail("vmsplice: %s", strerror(errno));
}

static void flights(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .bytes = FLIGHTS * PAGE };
	struct flights f;
	pid_t pid[FLIGHTS];
	int fifo[2], i;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	pin(&c, fifo);
	want(&c, fifo, pid);
	f = look_for_all(&c, 1, false);
	tap_ok(f.count == FLIGHTS && !f.wrong, "%d pages on their way, %d rows wrong", f.count,
	       f.wrong);
	f = look_for_all(&c, 0, true);
	tap_ok(f.pinned == FLIGHTS, "at home %d are known as pinned", f.pinned);
	f = look(&c, 1, 3600 * 1000);
	tap_ok(!f.count && !f.wrong, "none has been on its way for an hour");
	close_all(fifo, 2);
	for (i = 0; i < FLIGHTS; i++)
		waitpid(pid[i], NULL, 0);
	f = look(&c, 1, 0);
	tap_ok(!f.count, "once they have arrived, none is told of");
	cluster_close(&c);
}

/* ---- many machines, while others come and go ---- */

struct many {
	uint8_t uuid[MANY][16];
	int seen[MANY];
	int others;
};

static void see_many(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct many *m = arg;
	int i;

	(void)cmd;
	for (i = 0; i < MANY; i++)
		if (!memcmp(m->uuid[i], genl_data(a[DVMM_A_UUID]), 16))
			break;
	if (i < MANY)
		m->seen[i]++;
	else
		m->others++;
}

static int make(uint8_t uuid[16])
{
	struct machine_params p = { .nodes = 1 };
	int fd;

	random_uuid(p.uuid);
	memcpy(uuid, p.uuid, 16);
	fd = machine_create(&p);
	if (fd < 0)
		tap_bail("machine: %s", strerror(errno));
	return fd;
}

static pid_t come_and_go(void)
{
	pid_t pid = fork();
	uint8_t uuid[16];

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		close(make(uuid));
}

static void many(void)
{
	static struct many m;
	struct genl_request r;
	int fd[MANY], i, round, wrong = 0, ret = 0;
	pid_t pid;

	for (i = 0; i < MANY; i++)
		fd[i] = make(m.uuid[i]);
	pid = come_and_go();
	for (round = 0; round < 20 && !ret; round++) {
		memset(m.seen, 0, sizeof(m.seen));
		genl_begin(&s, &r, DVMM_CMD_STATS_GET + (round & 1) * (DVMM_CMD_MACHINE_GET -
								       DVMM_CMD_STATS_GET));
		ret = genl_ask(&s, &r, see_many, &m);
		for (i = 0; i < MANY; i++)
			wrong += m.seen[i] != 1;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close_all(fd, MANY);
	tap_ok(!ret && !wrong, "%d machines are each told of once while others come and go", MANY);
	tap_diag("of those others %d were seen", m.others);
}

/* ---- events ---- */

struct event {
	int type;
	uint64_t node, peer;
	char why[200];
	uint8_t uuid[16];
};

static void see_event(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct event *e = arg;

	memset(e, 0, sizeof(*e));
	e->type = cmd == DVMM_CMD_EVENT && a[DVMM_A_TIME] ? (int)genl_num(a[DVMM_A_EVENT]) : -1;
	e->node = genl_num(a[DVMM_A_NODE]);
	e->peer = genl_num(a[DVMM_A_PEER]);
	strncpy(e->why, genl_text(a[DVMM_A_REASON]), sizeof(e->why) - 1);
	if (a[DVMM_A_UUID])
		memcpy(e->uuid, genl_data(a[DVMM_A_UUID]), 16);
}

static bool event_is(const struct event *e, const struct cluster *c, int type, uint64_t node)
{
	return e->type == type && e->node == node && !memcmp(e->uuid, c->uuid, 16);
}

/* A machine that stops and its link that goes down are told in any order: others are kept. */
static void expect(struct genl *f, const struct cluster *c, int type, uint64_t node,
		   uint64_t peer, const char *why, const char *what)
{
	static struct event kept[16];
	static unsigned int count;
	struct event e = {};
	unsigned int i;
	int ret = 0;

	for (i = 0; i < count && !event_is(&kept[i], c, type, node); i++)
		;
	if (i < count) {
		e = kept[i];
		kept[i] = kept[--count];
	}
	while (!ret && !event_is(&e, c, type, node)) {
		if (e.type && count < sizeof(kept) / sizeof(kept[0]))
			kept[count++] = e;
		memset(&e, 0, sizeof(e));
		ret = genl_event(f, EVENT_MS, see_event, &e);
	}
	tap_ok(!ret && e.peer == peer && strstr(e.why, why), "event: node %d: %s (%s)", (int)node,
	       what, ret ? "none" : e.why);
}

static void events(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .bytes = 4 * PAGE };
	const uint64_t none = UINT64_MAX;
	struct genl f;

	if (genl_open(&f) || genl_follow(&f))
		tap_bail("events: %s", strerror(errno));
	if (cluster_open(&c))
		tap_bail("%s", c.why);
	expect(&f, &c, DVMM_NOTICE_CREATED, 0, none, "", "created");
	expect(&f, &c, DVMM_NOTICE_CREATED, 1, none, "", "created");
	expect(&f, &c, DVMM_NOTICE_READY, 0, none, "", "ready");
	machine_stop(c.machine[0], "enough of it");
	expect(&f, &c, DVMM_NOTICE_STOPPED, 0, none, "enough of it", "stopped");
	expect(&f, &c, DVMM_NOTICE_STOPPED, 1, none, "enough of it", "stopped");
	cluster_close(&c);
	expect(&f, &c, DVMM_NOTICE_REMOVED, 0, none, "", "gone");
	close(f.fd);
}

static void link_events(void)
{
	struct cluster c = { .nodes = 2, .transport = "tcp", .bytes = 4 * PAGE };
	struct genl f;

	if (genl_open(&f) || genl_follow(&f))
		tap_bail("events: %s", strerror(errno));
	if (cluster_open(&c))
		tap_bail("%s", c.why);
	expect(&f, &c, DVMM_NOTICE_LINK_UP, 0, 1, "", "its link is up");
	cluster_keep(&c, 0);
	expect(&f, &c, DVMM_NOTICE_STOPPED, 0, UINT64_MAX, "node 1 left", "stopped");
	expect(&f, &c, DVMM_NOTICE_LINK_DOWN, 0, 1, "", "its link is down");
	cluster_close(&c);
	close(f.fd);
}

/* ---- clocks ---- */

static void see_clock(struct nlattr **a, uint8_t cmd, void *arg)
{
	int64_t offset = genl_num(a[DVMM_A_OFFSET]);
	uint64_t error = genl_num(a[DVMM_A_ERROR]);

	/* Nodes of one kernel have one clock. */
	*(int *)arg = cmd == DVMM_CMD_CLOCK_GET && a[DVMM_A_OFFSET] &&
		      genl_num(a[DVMM_A_PEER]) == 1 && genl_num(a[DVMM_A_TSC_KHZ]) > 1000 &&
		      (uint64_t)llabs(offset) <= error;
}

static int ask_clock(const uint8_t *uuid, uint16_t peer, uint16_t rounds, int *good)
{
	struct genl_request r;

	ask_of(&r, DVMM_CMD_CLOCK_GET, uuid, 0);
	r.n.nlmsg_flags = NLM_F_REQUEST;
	genl_add(&r, DVMM_A_PEER, &peer, sizeof(peer));
	if (rounds)
		genl_add(&r, DVMM_A_ROUNDS, &rounds, sizeof(rounds));
	return genl_ask(&s, &r, see_clock, good);
}

/* Asks without end, so that a machine leaves while somebody measures. */
static pid_t measure_on(struct cluster *c)
{
	pid_t pid = fork();
	int good, ret;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cluster_close(c);	/* these are copies: the machine stays */
	if (genl_open(&s))
		_exit(1);
	do {
		ret = ask_clock(c->uuid, 1, 100, &good);
	} while (!ret || ret == ENOTCONN || ret == ETIMEDOUT);
	_exit(ret != ENOENT);
}

static void clocks(void)
{
	struct cluster c = { .nodes = 2, .transport = "tcp", .bytes = 4 * PAGE };
	int good = 0, ret, status = -1;
	pid_t pid;

	if (cluster_open(&c))
		tap_bail("%s", c.why);
	ret = ask_clock(c.uuid, 1, 10, &good);
	tap_ok(!ret && good, "the clock of the other node is ours (%s)", strerror(ret));
	tap_ok(ask_clock(c.uuid, 1, 0, &good) == EINVAL, "refused: a clock without rounds");
	tap_ok(ask_clock(c.uuid, 1, 101, &good) == ERANGE, "refused: too many rounds");
	tap_ok(ask_clock(c.uuid, 0, 1, &good) == EINVAL && strstr(s.why, "not another node"),
	       "refused: the clock of the same node (%s)", s.why);
	tap_ok(ask_clock(c.uuid, 7, 1, &good) == EINVAL && strstr(s.why, "not another node"),
	       "refused: the clock of a node that is not");
	pid = measure_on(&c);
	usleep(100000);
	cluster_close(&c);
	waitpid(pid, &status, 0);
	tap_ok(!status, "a machine may leave while its clock is measured");
}

/* ---- who may know ---- */

/* What the start of a dump has to say is not handed on by 6.1; by 6.12 it is. */
static bool kernel_hands_on(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 12));
}

static void count(struct nlattr **a, uint8_t cmd, void *arg)
{
	(void)a;
	(void)cmd;
	++*(int *)arg;
}

/* Results of a child, as bits: 1 the wrong number seen, 2 not refused, 4 may follow, 8 blind */
static int as_nobody(const uint8_t *uuid, int dev)
{
	struct dvmm_create_machine own = { .size = sizeof(own), .nodes = 1 };
	struct genl_request r;
	int n = 0, bad = 0;

	if (setgid(NOBODY) || setuid(NOBODY) || genl_open(&s))
		return 16;
	genl_begin(&s, &r, DVMM_CMD_MACHINE_GET);
	if (genl_ask(&s, &r, count, &n) || n)
		bad |= 1;
	if (ask(DVMM_CMD_STATS_GET, uuid, -1, count, &n) != EPERM ||
	    (kernel_hands_on() && !strstr(s.why, "CAP_NET_ADMIN")))
		bad |= 2;
	if (!genl_follow(&s) || errno != EPERM)
		bad |= 4;
	random_uuid(own.uuid);
	n = 0;
	if (ioctl(dev, DVMM_CREATE_MACHINE, &own) < 0 ||
	    ask(DVMM_CMD_STATS_GET, own.uuid, 0, count, &n) || n != 1)
		bad |= 8;
	return bad;
}

static void permission(void)
{
	uint8_t uuid[16];
	int fd = make(uuid), dev = dev_open(), status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(as_nobody(uuid, dev));
	waitpid(pid, &status, 0);
	status = WEXITSTATUS(status);
	tap_ok(!(status & 17), "another user sees no machine of others");
	tap_ok(!(status & 18), "one that he names is refused, with the reason");
	tap_ok(!(status & 20), "he cannot follow events");
	tap_ok(!(status & 24), "he sees his own");
	close(dev);
	close(fd);
}

/* ---- bad input ---- */

static const struct bad {
	const char *what;
	uint8_t cmd;
	int type;
	uint8_t n;		/* bytes of data */
	uint8_t fill;
	bool uuid;		/* comes after a right uuid */
	int error;
	const char *why;	/* in the text, where the kernel itself gives none: "" */
} bads[] = {
	{ "a uuid too short", DVMM_CMD_MACHINE_GET, DVMM_A_UUID, 15, 1, false, ERANGE, "" },
	{ "a uuid too long", DVMM_CMD_MACHINE_GET, DVMM_A_UUID, 17, 1, false, ERANGE, "" },
	{ "an unknown uuid", DVMM_CMD_MACHINE_GET, DVMM_A_UUID, 16, 1, false, ENOENT, "no such" },
	{ "a node alone", DVMM_CMD_LINK_GET, DVMM_A_NODE, 2, 0, false, EINVAL, "uuid" },
	{ "a node beyond all", DVMM_CMD_LINK_GET, DVMM_A_NODE, 2, 255, true, ERANGE, "" },
	{ "a node of one byte", DVMM_CMD_LINK_GET, DVMM_A_NODE, 1, 0, true, EINVAL, "" },
	{ "a node of four bytes", DVMM_CMD_LINK_GET, DVMM_A_NODE, 4, 0, true, EINVAL, "" },
	{ "a node that is elsewhere", DVMM_CMD_LINK_GET, DVMM_A_NODE, 2, 1, true, ENOENT,
	  "no such" },
	{ "an answer's attribute", DVMM_CMD_STATS_GET, DVMM_A_REASON, 4, 0, true, EINVAL, "" },
	{ "padding", DVMM_CMD_STATS_GET, DVMM_A_PAD, 0, 0, true, EINVAL, "" },
	{ "an age where none is asked", DVMM_CMD_STATS_GET, DVMM_A_AGE_MS, 4, 0, true, EINVAL, "" },
	{ "an age of eight bytes", DVMM_CMD_FLIGHT_GET, DVMM_A_AGE_MS, 8, 0, true, EINVAL, "" },
	{ "an attribute that does not exist", DVMM_CMD_REGION_GET, 200, 4, 0, true, EINVAL, "" },
	{ "attribute 0", DVMM_CMD_REGION_GET, 0, 4, 0, true, EINVAL, "" },
	{ "a command that does not exist", 99, DVMM_A_UUID, 16, 1, false, EOPNOTSUPP, "" },
	{ "command 0", 0, DVMM_A_UUID, 16, 1, false, EOPNOTSUPP, "" },
	{ "an event as a request", DVMM_CMD_EVENT, DVMM_A_UUID, 16, 1, false, EOPNOTSUPP, "" },
};

static void refuse(const struct bad *b, const uint8_t *uuid)
{
	struct genl_request r;
	uint8_t data[64];
	int ret, n = 0;

	memset(data, b->fill, sizeof(data));
	genl_begin(&s, &r, b->cmd);
	if (b->uuid)
		genl_add(&r, DVMM_A_UUID, uuid, 16);
	genl_add(&r, b->type, data, b->n);
	s.why[0] = 0;
	s.where = 0;
	ret = genl_ask(&s, &r, count, &n);
	tap_ok(ret == b->error && !n &&
	       (!kernel_hands_on() ||
		(strstr(s.why, b->why) &&
		 (ret == EOPNOTSUPP || s.where >= NLMSG_HDRLEN + GENL_HDRLEN))),
	       "refused: %s: %s (%s, attribute at %u)", b->what, strerror(ret), s.why, s.where);
}

/* What is no question of attributes. */
static void refuse_headers(const uint8_t *uuid)
{
	struct genl_request r;
	int n = 0;

	ask_of(&r, DVMM_CMD_MACHINE_GET, uuid, 0);
	r.n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	tap_ok(genl_ask(&s, &r, count, &n) == EOPNOTSUPP && !n, "refused: what is not a dump");
	ask_of(&r, DVMM_CMD_MACHINE_GET, uuid, 0);
	r.g.reserved = 1;
	tap_ok(genl_ask(&s, &r, count, &n) == EINVAL && !n, "refused: reserved bits");
	ask_of(&r, DVMM_CMD_MACHINE_GET, uuid, 0);
	r.n.nlmsg_len -= 3;
	tap_ok(genl_ask(&s, &r, count, &n) == EINVAL && !n, "refused: an attribute cut short");
}

static void bad_input(void)
{
	uint8_t uuid[16];
	int fd = make(uuid);
	unsigned int i;

	for (i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		refuse(&bads[i], uuid);
	refuse_headers(uuid);
	close(fd);
}

/* ---- whatever comes ---- */

/* Attributes by chance, of which many are nearly right. */
static void by_chance(struct genl_request *r, const uint8_t *uuid)
{
	uint8_t data[64];
	int i, left = rnd_range(0, 6);

	genl_begin(&s, r, rnd_range(0, 9) ? rnd_range(1, DVMM_CMD_MAX) : rnd());
	if (!rnd_range(0, 9))
		r->n.nlmsg_flags = NLM_F_REQUEST | rnd();
	if (rnd_range(0, 1))
		genl_add(r, DVMM_A_UUID, uuid, 16);
	while (left--) {
		for (i = 0; i < (int)sizeof(data); i++)
			data[i] = rnd_range(0, 3) ? 0 : rnd();
		genl_add(r, rnd_range(0, 3) ? rnd_range(0, DVMM_A_MAX) : rnd(), data,
			 rnd_range(0, sizeof(data)));
	}
	if (!rnd_range(0, 4))
		((uint8_t *)r)[rnd_range(sizeof(r->n), r->n.nlmsg_len - 1)] = rnd();
	if (!rnd_range(0, 9))
		r->n.nlmsg_len -= rnd_range(0, r->n.nlmsg_len - sizeof(r->n));
}

/* Neither the answer nor its end may come to what was sent: read what there is. */
static void drain(void)
{
	char buf[32768];

	while (recv(s.fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
}

static void hostile(uint64_t seed, int cases)
{
	struct genl_request r;
	uint8_t uuid[16];
	int fd = make(uuid), i, n = 0, sent = 0;
	pid_t pid = come_and_go();

	rnd_seed(seed);
	for (i = 0; i < cases; i++) {
		by_chance(&r, uuid);
		sent += send(s.fd, &r, r.n.nlmsg_len, MSG_DONTWAIT) > 0;
		drain();
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(s.fd);
	tap_ok(sent > cases / 2, "seed %llu: %d requests by chance, %d taken",
	       (unsigned long long)seed, cases, sent);
	tap_ok(!genl_open(&s) && !ask(DVMM_CMD_STATS_GET, uuid, 0, count, &n) && n == 1,
	       "after that it still tells the truth");
	close(fd);
}

int main(int argc, char **argv)
{
	tap_start(200);
	klog_open();
	close(dev_open());
	if (genl_open(&s))
		tap_bail("there is no family %s", DVMM_FAMILY_NAME);
	tap_ok(s.version == DVMM_FAMILY_VERSION && s.group,
	       "the family is there, version %u", s.version);
	truth();
	flights();
	many();
	events();
	link_events();
	clocks();
	permission();
	bad_input();
	hostile(argc > 1 ? strtoull(argv[1], NULL, 0) : 1, argc > 2 ? atoi(argv[2]) : 5000);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
