// SPDX-License-Identifier: GPL-2.0
/* Opening and closing all nodes of a machine. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define LINK_UP_MS 20000

static int fail(struct cluster *c, const char *fmt, ...)
{
	int err = errno;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(c->why, sizeof(c->why), fmt, args);
	va_end(args);
	snprintf(c->why + n, sizeof(c->why) - n, ": %s", strerror(err));
	return -1;
}

static bool absent(const struct cluster *c, int node)
{
	return c->absent >> node & 1;
}

/*
 * Where a slow CPU does all that nodes do, whoever asks next comes first: without a hold time
 * a page is taken from its home before the thread that waits for it there has run.
 */
static uint32_t cluster_hold_us(const struct cluster *c)
{
	bool slow = tap_patience() > 1 || getenv("DVMM_HURRY");

	return c->hold_us || !slow ? c->hold_us : 100;
}

static int open_machine(struct cluster *c, int node, uint32_t flags)
{
	struct machine_params p = {
		.nodes = c->nodes, .hold_us = cluster_hold_us(c), .policy = c->policy,
		.stall_s = c->stall_s, .self = node, .flags = flags,
		.absent = c->absent & ~(1ull << node),
	};

	memcpy(p.uuid, c->uuid, sizeof(c->uuid));
	c->machine[node] = machine_create(&p);
	return c->machine[node] < 0 ? fail(c, "machine of node %d", node) : 0;
}

static int open_machines(struct cluster *c)
{
	int i;

	random_uuid(c->uuid);
	for (i = 0; i < c->nodes; i++)
		if (!absent(c, i) && open_machine(c, i, 0))
			return -1;
	return 0;
}

static void default_regions(struct cluster *c)
{
	int i;

	if (c->regions)
		return;
	c->regions = c->nodes;
	for (i = 0; i < c->nodes; i++)
		c->spec[i] = (struct cluster_region){ i, c->bytes, c->cache };
}

static int open_node_regions(struct cluster *c, int node)
{
	int r;

	for (r = 0; r < c->regions; r++) {
		const struct cluster_region *s = &c->spec[r];

		c->region[node][r] = region_create(c->machine[node], r, s->home, s->bytes,
						   s->cache);
		if (c->region[node][r] < 0)
			return fail(c, "region %d on node %d", r, node);
	}
	return 0;
}

static int open_regions(struct cluster *c)
{
	int i;

	for (i = 0; i < c->nodes; i++)
		if (!absent(c, i) && open_node_regions(c, i))
			return -1;
	return 0;
}

static int open_sockets(struct cluster *c, int a, int b)
{
	int lane, end[2];

	for (lane = 0; lane < DVMM_LINK_LANES; lane++) {
		if (tcp_pair(end))
			return fail(c, "TCP connection over loopback");
		c->sock[a][b][lane] = end[0];
		c->sock[b][a][lane] = end[1];
	}
	return 0;
}

static int connect_end(struct cluster *c, int self, int peer)
{
	const int *sock = c->sock[self][peer];

	if (c->link[self][peer] < 0)
		c->link[self][peer] = link_create(c->machine[self], peer, c->transport);
	if (c->link[self][peer] < 0)
		return fail(c, "%s link of node %d to %d", c->transport, self, peer);
	if (link_connect(c->link[self][peer], sock[0] < 0 ? NULL : sock))
		return fail(c, "connecting node %d to %d", self, peer);
	return 0;
}

int cluster_link(struct cluster *c, int a, int b)
{
	if (!strcmp(c->transport, "tcp") && open_sockets(c, a, b))
		return -1;
	return connect_end(c, a, b) || connect_end(c, b, a) ? -1 : 0;
}

static int open_links(struct cluster *c)
{
	int a, b;

	for (a = 0; a < c->nodes; a++)
		for (b = a + 1; b < c->nodes; b++)
			if (!absent(c, a) && !absent(c, b) && cluster_link(c, a, b))
				return -1;
	return 0;
}

static int count_present(const struct cluster *c)
{
	return c->nodes - __builtin_popcountll(c->absent);
}

static int await_links(struct cluster *c)
{
	struct dvmm_event_record ev;
	int i, up;

	for (i = 0; i < c->nodes; i++) {
		for (up = 1; !absent(c, i) && up < count_present(c); up++) {
			int ret = event_next(c->machine[i], &ev, LINK_UP_MS);

			if (ret == 1 && ev.type == DVMM_EVENT_LINK_UP)
				continue;
			errno = ret ? EPROTO : ETIME;
			return fail(c, "node %d waits for LINK_UP, event %d (%s)", i,
				    ret == 1 ? ev.type : 0, ret == 1 ? ev.reason : "");
		}
	}
	return 0;
}

int cluster_open(struct cluster *c)
{
	memset(c->machine, -1, sizeof(c->machine));
	memset(c->region, -1, sizeof(c->region));
	memset(c->link, -1, sizeof(c->link));
	memset(c->sock, -1, sizeof(c->sock));
	memset(c->plain, -1, sizeof(c->plain));
	c->why[0] = 0;
	default_regions(c);
	if (!open_machines(c) && !open_regions(c) && !open_links(c) && !await_links(c))
		return 0;
	cluster_close(c);
	return -1;
}

int cluster_plain(struct cluster *c)
{
	int a, b, end[2];

	for (a = 0; a < c->nodes; a++) {
		for (b = a + 1; b < c->nodes; b++) {
			if (tcp_pair(end))
				return fail(c, "TCP connection over loopback");
			c->plain[a][b] = end[0];
			c->plain[b][a] = end[1];
		}
	}
	return 0;
}

static void close_node(struct cluster *c, int i)
{
	close_all(c->region[i], CLUSTER_REGIONS);
	close_all(c->link[i], CLUSTER_NODES);
	close_all(c->sock[i][0], CLUSTER_NODES * DVMM_LINK_LANES);
	close_all(c->plain[i], CLUSTER_NODES);
	close_all(&c->machine[i], 1);
}

/* ---- nodes that come and go ---- */

int cluster_make(struct cluster *c, int node)
{
	return open_machine(c, node, DVMM_MACHINE_JOIN) || open_node_regions(c, node) ? -1 : 0;
}

static int link_to_all(struct cluster *c, int node)
{
	int i;

	for (i = 0; i < c->nodes; i++)
		if (i != node && !absent(c, i) && cluster_link(c, i, node))
			return -1;
	return 0;
}

/* JOINED of @node on its own descriptor, or why it has stopped. */
static int await_joined(struct cluster *c, int node)
{
	struct dvmm_event_record ev;

	while (event_next(c->machine[node], &ev, LINK_UP_MS) == 1) {
		if (ev.type == DVMM_EVENT_JOINED && ev.node == node)
			return 0;
		if (ev.type == DVMM_EVENT_STOPPED) {
			snprintf(c->why, sizeof(c->why), "%s", ev.reason);
			return -1;
		}
	}
	errno = ETIME;
	return fail(c, "node %d waits for JOINED", node);
}

int cluster_join(struct cluster *c, int node)
{
	if (!cluster_make(c, node) && !link_to_all(c, node) && !await_joined(c, node)) {
		c->absent &= ~(1ull << node);
		return 0;
	}
	cluster_drop(c, node);
	return -1;
}

static void close_ends(struct cluster *c, int i, int node)
{
	close_all(c->sock[i][node], DVMM_LINK_LANES);
	close_all(&c->plain[i][node], 1);
}

void cluster_forget(struct cluster *c, int node)
{
	int i;

	c->absent |= 1ull << node;
	close_node(c, node);
	for (i = 0; i < c->nodes; i++)
		close_ends(c, i, node);
}

int cluster_drop(struct cluster *c, int node)
{
	struct dvmm_event_record ev;
	int i, ret = 0;

	cluster_forget(c, node);
	for (i = 0; i < c->nodes; i++) {
		if (absent(c, i) || c->link[i][node] < 0)
			continue;
		/* Some keep the descriptor of an idle link, some make a new one. */
		if (i % 2)
			close_all(&c->link[i][node], 1);
		if (event_want(c->machine[i], DVMM_EVENT_LINK_DOWN, &ev, LINK_UP_MS) != 1 ||
		    ev.node != node)
			ret = -1;
	}
	return ret;
}

void cluster_close(struct cluster *c)
{
	int i;

	for (i = CLUSTER_NODES - 1; i >= 0; i--)
		close_node(c, i);
}

void cluster_keep(struct cluster *c, int node)
{
	int i;

	for (i = 0; i < CLUSTER_NODES; i++)
		if (i != node)
			close_node(c, i);
}

void cluster_param(const char *name, int value)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/dvmm/parameters/%s", name);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%d\n", value) < 0 || fclose(f))
		tap_bail("%s: %s", path, strerror(errno));
}
