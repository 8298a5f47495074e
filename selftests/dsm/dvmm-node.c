// SPDX-License-Identifier: GPL-2.0
/*
 * dvmm-node: one node's part of a workload, with real TCP to the other nodes.
 *
 * The same command line runs on every host, but for --self:
 *   dvmm-node --self 0 --peers 0=10.0.0.1:7000,1=10.0.0.2:7000 counters
 * The lower node of a pair listens.  For each lane the higher one connects and
 * says who it is and which lane this is.  With --rdma the lanes are left to the
 * transport, at the lower node's address there and its port plus the higher node.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spoil.h"
#include "tap.h"
#include "work.h"

#define PLAIN DVMM_LINK_LANES /* one connection more, for comparison */
#define CONNECTIONS (DVMM_LINK_LANES + 1)
#define CONNECT_S 60

struct greeting {
	uint32_t magic;
	uint16_t node;
	uint16_t lane;
};
#define GREETING 0x6d6d7664 /* "dvmm" */

static struct node {
	int self, nodes;
	int rdmas; /* 0: links by TCP */
	struct sockaddr_in at[CLUSTER_NODES];
	struct sockaddr_in rdma[CLUSTER_NODES];
	int sock[CLUSTER_NODES][CONNECTIONS];
	int link[CLUSTER_NODES];
	int region[CLUSTER_NODES];
	size_t bytes, cache;
	unsigned int seconds, bound;
	uint32_t hold_us, policy;
	uint64_t rounds;
	const char *uuid;
	const char *fault;
	int machine;
	int done;
} me = { .self = -1, .bytes = 2 << 20, .seconds = 5, .bound = 240, .hold_us = 100 };

static void usage(void)
{
	int i;

	fprintf(stderr,
		"usage: dvmm-node --self N --peers 0=ADDRESS:PORT,1=ADDRESS:PORT[,...] [options] WORKLOAD\n"
		"  --rdma LIST  links by RDMA, with the addresses of LIST (as --peers)\n"
		"  --seconds N  how long the workload runs (5)\n"
		"  --rounds N   how much it does at most\n"
		"  --bound N    seconds after which the program gives up (240)\n"
		"  --bytes N    length of each node's region (2097152)\n"
		"  --cache N    how much of another node's region a node may hold (no limit)\n"
		"  --hold N     microseconds for which a granted page is kept (100)\n"
		"  --migratory  grant migratory pages exclusively\n"
		"  --prefetch   read ahead\n"
		"  --uuid TEXT  name of the machine, up to 16 letters (all nodes alike)\n"
		"  --fault KIND[:REGION:PAGE]  damage what the workload works on:\n"
		"               stale (undo changes of the page), flip (one bit), stray (a datagram)\n"
		"workloads:\n");
	for (i = 0; i < workload_count; i++)
		fprintf(stderr, "  %-10s %s\n", workloads[i].name, workloads[i].proves);
	exit(2);
}

static int parse_addresses(char *text, struct sockaddr_in *at)
{
	char *word, *eq, *colon;
	int n, count = 0;

	for (word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		eq = strchr(word, '=');
		colon = strrchr(word, ':');
		if (!eq || !colon || colon < eq)
			usage();
		*eq = *colon = 0;
		n = atoi(word);
		if (n != count || n >= CLUSTER_NODES)
			usage();
		at[n].sin_family = AF_INET;
		at[n].sin_port = htons(atoi(colon + 1));
		if (inet_pton(AF_INET, eq + 1, &at[n].sin_addr) != 1)
			usage();
		count++;
	}
	return count;
}

static void option(int opt, char *arg)
{
	switch (opt) {
	case 's':
		me.self = atoi(arg);
		break;
	case 'p':
		me.nodes = parse_addresses(arg, me.at);
		break;
	case 'R':
		me.rdmas = parse_addresses(arg, me.rdma);
		break;
	case 't':
		me.seconds = atoi(arg);
		break;
	case 'r':
		me.rounds = strtoull(arg, NULL, 0);
		break;
	case 'l':
		me.bound = atoi(arg);
		break;
	case 'b':
		me.bytes = strtoull(arg, NULL, 0);
		break;
	case 'c':
		me.cache = strtoull(arg, NULL, 0);
		break;
	case 'h':
		me.hold_us = atoi(arg);
		break;
	case 'm':
		me.policy |= DVMM_POLICY_MIGRATORY;
		break;
	case 'a':
		me.policy |= DVMM_POLICY_PREFETCH;
		break;
	case 'u':
		me.uuid = arg;
		break;
	case 'f':
		me.fault = arg;
		break;
	default:
		usage();
	}
}

static const struct workload *parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "self", 1, NULL, 's' },      { "peers", 1, NULL, 'p' },
		{ "seconds", 1, NULL, 't' },   { "rounds", 1, NULL, 'r' },
		{ "bound", 1, NULL, 'l' },     { "bytes", 1, NULL, 'b' },
		{ "cache", 1, NULL, 'c' },     { "hold", 1, NULL, 'h' },
		{ "migratory", 0, NULL, 'm' }, { "uuid", 1, NULL, 'u' },
		{ "fault", 1, NULL, 'f' },     { "rdma", 1, NULL, 'R' },
		{ "prefetch", 0, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	const struct workload *w;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		option(opt, optarg);
	w = optind == argc - 1 ? workload_find(argv[optind]) : NULL;
	if (!w || me.self < 0 || me.self >= me.nodes || (me.rdmas && me.rdmas != me.nodes))
		usage();
	return w;
}

/* ---- connections ---- */

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int listen_here(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in any = me.at[me.self];

	any.sin_addr.s_addr = htonl(INADDR_ANY);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 64))
		tap_bail("port %d: %s", ntohs(any.sin_port), strerror(errno));
	return fd;
}

/* The peer may not be up yet: try again until it listens. */
static int connect_to(int peer)
{
	uint64_t end = now_ns() + CONNECT_S * 1000000000ull;
	int fd;

	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(fd, (struct sockaddr *)&me.at[peer], sizeof(me.at[peer])))
			return fd;
		close(fd);
		if (now_ns() > end)
			tap_bail("node %d does not answer within %d s: %s", peer, CONNECT_S,
				 strerror(errno));
		poll(NULL, 0, 100);
	}
}

static void accept_one(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct greeting g;
	int fd;

	if (poll(&p, 1, CONNECT_S * 1000) <= 0)
		tap_bail("node %d waited %d s for its peers", me.self, CONNECT_S);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || recv(fd, &g, sizeof(g), MSG_WAITALL) != sizeof(g) || g.magic != GREETING ||
	    g.node <= me.self || g.node >= me.nodes || g.lane >= CONNECTIONS ||
	    me.sock[g.node][g.lane] >= 0)
		tap_bail("a stranger connected");
	no_delay(fd);
	me.sock[g.node][g.lane] = fd;
}

static void greet(int peer, int lane)
{
	struct greeting g = { .magic = GREETING, .node = me.self, .lane = lane };
	int fd = connect_to(peer);

	no_delay(fd);
	if (write(fd, &g, sizeof(g)) != sizeof(g))
		tap_bail("greeting node %d: %s", peer, strerror(errno));
	me.sock[peer][lane] = fd;
}

static void connect_all(void)
{
	int listener = listen_here();
	int peer, lane, n;

	memset(me.sock, -1, sizeof(me.sock));
	for (peer = 0; peer < me.self; peer++)
		for (lane = 0; lane < CONNECTIONS; lane++)
			greet(peer, lane);
	for (n = 0; n < (me.nodes - 1 - me.self) * CONNECTIONS; n++)
		accept_one(listener);
	close(listener);
}

/* ---- the machine ---- */

static int open_machine(void)
{
	struct machine_params p = {
		.self = me.self,
		.nodes = me.nodes,
		.hold_us = me.hold_us,
		.policy = me.policy,
	};
	int fd;

	/* Without a name: the same one on all nodes, from what they have in common. */
	if (me.uuid)
		memcpy(p.uuid, me.uuid, strnlen(me.uuid, sizeof(p.uuid)));
	else
		memcpy(p.uuid, &me.at[0], sizeof(p.uuid));
	fd = machine_create(&p);
	if (fd < 0)
		tap_bail("machine: %s", strerror(errno));
	return fd;
}

static void open_regions(int machine)
{
	int r;

	for (r = 0; r < me.nodes; r++) {
		me.region[r] = region_create(machine, r, r, me.bytes, me.cache);
		if (me.region[r] < 0)
			tap_bail("region %d: %s", r, strerror(errno));
	}
}

static int open_rdma(int peer)
{
	int low = peer < me.self ? peer : me.self, high = peer + me.self - low;
	char host[INET_ADDRSTRLEN], text[64];

	me.link[peer] = link_create(me.machine, peer, "rdma");
	inet_ntop(AF_INET, &me.rdma[low].sin_addr, host, sizeof(host));
	snprintf(text, sizeof(text), "%s:%d", host, ntohs(me.rdma[low].sin_port) + high);
	return link_connect_at(me.link[peer], text);
}

static int open_tcp(int peer)
{
	me.link[peer] = link_create(me.machine, peer, "tcp");
	return link_connect(me.link[peer], me.sock[peer]);
}

static void open_links(int machine)
{
	struct dvmm_event_record ev;
	int peer, up;

	for (peer = 0; peer < me.nodes; peer++) {
		if (peer == me.self)
			continue;
		if (me.rdmas ? open_rdma(peer) : open_tcp(peer))
			tap_bail("link to node %d: %s", peer, strerror(errno));
		close_all(me.sock[peer], DVMM_LINK_LANES);
	}
	for (up = 1; up < me.nodes; up++)
		if (event_next(machine, &ev, CONNECT_S * 1000) != 1 ||
		    ev.type != DVMM_EVENT_LINK_UP)
			tap_bail("links do not come up: %s", ev.reason);
}

static struct actor as_actor(int machine)
{
	struct actor a = {
		.self = me.self,
		.nodes = me.nodes,
		.machine = machine,
		.channel = -1,
		.regions = me.nodes,
		.cache = me.cache,
		.seconds = me.seconds,
		.rounds = me.rounds,
	};
	int r;

	for (r = 0; r < me.nodes; r++) {
		a.bytes[r] = me.bytes;
		a.region[r] = me.region[r];
		a.plain[r] = me.sock[r][PLAIN];
	}
	return a;
}

/*
 * A machine that stops before its time ends the program, whatever it does: who
 * spins on a page that it holds would never notice.
 */
static void *watch(void *unused)
{
	struct dvmm_event_record ev;

	(void)unused;
	while (event_want(me.machine, DVMM_EVENT_STOPPED, &ev, 60000) != 1)
		;
	if (__atomic_load_n(&me.done, __ATOMIC_ACQUIRE))
		return NULL;
	tap_ok(false, "node %d stopped: %s", me.self, ev.reason);
	_exit(tap_end());
}

/* Memory that is gone for good: watch() says why. */
static void lost(int sig)
{
	(void)sig;
	sleep(6);
	tap_ok(false, "node %d: SIGBUS, and the machine has not stopped", me.self);
	_exit(tap_end());
}

static void guard(void)
{
	pthread_t thread;

	signal(SIGBUS, lost);
	if (pthread_create(&thread, NULL, watch, NULL))
		tap_bail("no thread");
}

/* Leaving stops the machine, so all come to the end before any leaves. */
static void part(struct actor *a)
{
	int ret = actor_meet(a);

	__atomic_store_n(&me.done, 1, __ATOMIC_RELEASE);
	ret = ret ?: actor_meet(a);
	tap_ok(!ret, "node %d comes to the end with all others", me.self);
}

int main(int argc, char **argv)
{
	const struct workload *w = parse(argc, argv);
	struct actor a;
	int ret;

	tap_start(me.bound);
	klog_open();
	close(dev_open());
	connect_all();
	me.machine = open_machine();
	open_regions(me.machine);
	open_links(me.machine);
	guard();
	a = as_actor(me.machine);
	ret = actor_map(&a);
	if (!ret && me.fault)
		ret = spoil_start(&a, me.fault);
	tap_diag("node %d runs", me.self);
	ret = ret ?: w->run(&a);
	tap_ok(!ret, "%s, node %d of %d over %s: %s%s%s", w->name, me.self, me.nodes,
	       me.rdmas ? "RDMA" : "TCP", w->proves, ret ? ": " : "", ret ? a.why : "");
	if (!ret)
		part(&a);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
