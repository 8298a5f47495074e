// SPDX-License-Identifier: GPL-2.0
/* Opening and closing all nodes of a machine. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
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

static int open_machines(struct cluster *c)
{
	struct machine_params p = {
		.nodes = c->nodes, .hold_us = c->hold_us, .policy = c->policy,
		.stall_s = c->stall_s,
	};
	int i;

	random_uuid(p.uuid);
	memcpy(c->uuid, p.uuid, sizeof(c->uuid));
	for (i = 0; i < c->nodes; i++) {
		p.self = i;
		c->machine[i] = machine_create(&p);
		if (c->machine[i] < 0)
			return fail(c, "machine of node %d", i);
	}
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

static int open_regions(struct cluster *c)
{
	int i, r;

	for (i = 0; i < c->nodes; i++) {
		for (r = 0; r < c->regions; r++) {
			const struct cluster_region *s = &c->spec[r];

			c->region[i][r] = region_create(c->machine[i], r, s->home,
							s->bytes, s->cache);
			if (c->region[i][r] < 0)
				return fail(c, "region %d on node %d", r, i);
		}
	}
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

	c->link[self][peer] = link_create(c->machine[self], peer, c->transport);
	if (c->link[self][peer] < 0)
		return fail(c, "%s link of node %d to %d", c->transport, self, peer);
	if (link_connect(c->link[self][peer], sock[0] < 0 ? NULL : sock))
		return fail(c, "connecting node %d to %d", self, peer);
	return 0;
}

static int open_links(struct cluster *c)
{
	int a, b;

	for (a = 0; a < c->nodes; a++) {
		for (b = a + 1; b < c->nodes; b++) {
			if (!strcmp(c->transport, "tcp") && open_sockets(c, a, b))
				return -1;
			if (connect_end(c, a, b) || connect_end(c, b, a))
				return -1;
		}
	}
	return 0;
}

static int await_links(struct cluster *c)
{
	struct dvmm_event_record ev;
	int i, up;

	for (i = 0; i < c->nodes; i++) {
		for (up = 1; up < c->nodes; up++) {
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
