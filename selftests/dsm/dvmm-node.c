// SPDX-License-Identifier: GPL-2.0
/*
 * dvmm-node: one node's part of a workload, with real TCP to the other nodes.
 *
 * The same command line runs on every host, but for --self:
 *   dvmm-node --self 0 --peers 0=10.0.0.1:7000,1=10.0.0.2:7000 counters
 * The lower node of a pair listens.  For each lane the higher one connects and
 * says who it is and which lane this is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

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
	struct sockaddr_in at[CLUSTER_NODES];
	int sock[CLUSTER_NODES][CONNECTIONS];
	int link[CLUSTER_NODES];
	int region[CLUSTER_NODES];
	size_t bytes, cache;
	unsigned int seconds, bound;
	uint32_t hold_us, policy;
	uint64_t rounds;
	bool json;
	const char *uuid;
} me = { .self = -1, .bytes = 2 << 20, .seconds = 5, .bound = 240, .hold_us = 100 };

static void usage(void)
{
	int i;

	fprintf(stderr,
		"usage: dvmm-node --self N --peers 0=ADDRESS:PORT,1=ADDRESS:PORT[,...] [options] WORKLOAD\n"
		"  --seconds N  how long the workload runs (5)\n"
		"  --rounds N   how much it does at most\n"
		"  --bound N    seconds after which the program gives up (240)\n"
		"  --bytes N    length of each node's region (2097152)\n"
		"  --cache N    how much of another node's region a node may hold (no limit)\n"
		"  --hold N     microseconds for which a granted page is kept (100)\n"
		"  --migratory  grant migratory pages exclusively\n"
		"  --uuid TEXT  name of the machine, up to 16 letters (all nodes alike)\n"
		"  --json       figures as JSON\nworkloads:\n");
	for (i = 0; i < workload_count; i++)
		fprintf(stderr, "  %-10s %s\n", workloads[i].name, workloads[i].proves);
	exit(2);
}

static void parse_peers(char *text)
{
	char *word, *eq, *colon;
	int n;

	for (word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		eq = strchr(word, '=');
		colon = strrchr(word, ':');
		if (!eq || !colon || colon < eq)
			usage();
		*eq = *colon = 0;
		n = atoi(word);
		if (n != me.nodes || n >= CLUSTER_NODES)
			usage();
		me.at[n].sin_family = AF_INET;
		me.at[n].sin_port = htons(atoi(colon + 1));
		if (inet_pton(AF_INET, eq + 1, &me.at[n].sin_addr) != 1)
			usage();
		me.nodes++;
	}
}

static void option(int opt, char *arg)
{
	switch (opt) {
	case 's':
		me.self = atoi(arg);
		break;
	case 'p':
		parse_peers(arg);
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
	case 'u':
		me.uuid = arg;
		break;
	case 'j':
		me.json = true;
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
		{ "json", 0, NULL, 'j' },      { NULL, 0, NULL, 0 },
	};
	const struct workload *w;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		option(opt, optarg);
	w = optind == argc - 1 ? workload_find(argv[optind]) : NULL;
	if (!w || me.self < 0 || me.self >= me.nodes)
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

static void open_links(int machine)
{
	struct dvmm_event_record ev;
	int peer, up;

	for (peer = 0; peer < me.nodes; peer++) {
		if (peer == me.self)
			continue;
		me.link[peer] = link_create(machine, peer, "tcp");
		if (me.link[peer] < 0 || link_connect(me.link[peer], me.sock[peer]))
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
		.json = me.json,
		.plain = me.self < 2 && me.nodes > 1 ? me.sock[!me.self][PLAIN] : -1,
	};
	int r;

	for (r = 0; r < me.nodes; r++)
		a.bytes[r] = me.bytes;
	return a;
}

/*
 * Memory behind a lost node is gone for good, and so is this workload: say why
 * instead of dying of the signal.
 */
static int machine_fd = -1;

static void lost(int sig)
{
	struct dvmm_event_record ev;

	(void)sig;
	if (event_want(machine_fd, DVMM_EVENT_STOPPED, &ev, 5000) == 1)
		tap_diag("stopped: %s", ev.reason);
	tap_ok(false, "node %d: the machine stopped", me.self);
	_exit(1);
}

static int linger(int machine)
{
	struct dvmm_event_record ev;

	/* Node 0 leaves when it is done; the others wait for that, or leaving is a loss. */
	if (!me.self)
		return 0;
	return event_want(machine, DVMM_EVENT_STOPPED, &ev, 60000) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct workload *w = parse(argc, argv);
	struct actor a;
	int machine, ret;

	tap_start(me.bound);
	klog_open();
	close(dev_open());
	connect_all();
	machine = open_machine();
	open_regions(machine);
	open_links(machine);
	machine_fd = machine;
	signal(SIGBUS, lost);
	a = as_actor(machine);
	ret = actor_map(&a, me.region) ?: w->run(&a);
	tap_ok(!ret, "%s, node %d of %d over TCP: %s%s%s", w->name, me.self, me.nodes, w->proves,
	       ret ? ": " : "", ret ? a.why : "");
	fflush(stdout);
	if (!ret)
		tap_ok(!linger(machine), "node %d ends with the machine", me.self);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
