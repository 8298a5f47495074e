/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An actor is one node's part in a workload: a process with the node's
 * descriptors and mappings.  Actors of all nodes run the same function, be they
 * children of one process or programs in different hosts.
 */
#ifndef DVMM_TEST_ACTOR_H
#define DVMM_TEST_ACTOR_H

#include <stdbool.h>
#include <stdio.h>

#include "cluster.h"
#include "sync.h"

#define ACTOR_CHANNEL	DVMM_CHANNEL_USER
#define ACTOR_WORK	16	/* pages of region 0 before the workload's own */

/**
 * struct actor - one node's part
 * @self: node
 * @nodes: of the machine
 * @machine: descriptor
 * @channel: descriptor of ACTOR_CHANNEL, -1 until actor_channel()
 * @regions: number of @map; region r is homed on node r
 * @map: each region
 * @bytes: length of each region
 * @cache: limit of the cache of each region, 0 if there is none
 * @seconds: how long a workload that may end any time should run
 * @rounds: if not 0, how much it should do at most
 * @region: descriptor of each region
 * @plain: a TCP connection to each other node beside the links, or -1
 * @why: what failed
 */
struct actor {
	int self;
	int nodes;
	int machine;
	int channel;
	int regions;
	char *map[CLUSTER_REGIONS];
	size_t bytes[CLUSTER_REGIONS];
	size_t cache;
	unsigned int seconds;
	uint64_t rounds;
	int region[CLUSTER_REGIONS];
	int plain[CLUSTER_NODES];
	char why[200];
};

typedef int (*actor_fn)(struct actor *a);

/** actor_fail - returns -1 after noting what failed */
int actor_fail(struct actor *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** actor_barrier - all nodes, through the first pages of region 0 */
void actor_barrier(struct actor *a);
/** actor_meet - all nodes, through @a->plain: no page and no message moves; 0 or -1 */
int actor_meet(struct actor *a);
/** actor_page - page @page of the part of region @region that workloads may use */
char *actor_page(struct actor *a, int region, size_t page);
/** actor_pages - how many there are */
size_t actor_pages(struct actor *a, int region);
/** actor_channel - open the actor's channel; 0 or -1 */
int actor_channel(struct actor *a);
/**
 * actor_ns - @a->seconds in nanoseconds
 *
 * Divided by DVMM_HURRY of the environment, for a host whose clock runs too fast for what it does.
 */
uint64_t actor_ns(const struct actor *a);
/** actor_over - true from actor_ns() after @start on, told alike to all nodes */
bool actor_over(struct actor *a, uint64_t start);

/** actor_map - map the regions of @a->region; 0 or -1 */
int actor_map(struct actor *a);

/**
 * cluster_run - run @fn as a child process for each node of @c
 * @c: an open cluster
 * @fn: the workload
 * @seconds: given to the actors
 * @why: 200 bytes: filled with the first failure
 *
 * Return: 0 if all returned 0.
 */
int cluster_run(struct cluster *c, actor_fn fn, unsigned int seconds, char *why);
/** cluster_run_as - as cluster_run(), with everything else taken from @model */
int cluster_run_as(struct cluster *c, actor_fn fn, const struct actor *model, char *why);

#endif
