/* SPDX-License-Identifier: GPL-2.0 */
/* All nodes of a machine in this kernel, held by this process. */
#ifndef DVMM_TEST_CLUSTER_H
#define DVMM_TEST_CLUSTER_H

#include "node.h"

#define CLUSTER_NODES	5
#define CLUSTER_REGIONS	5

struct cluster_region {
	int home;
	size_t bytes;
	size_t cache;
};

/**
 * struct cluster - a machine
 * @nodes: set by the caller
 * @transport: set by the caller
 * @regions: set by the caller; 0: one of @bytes for each node
 * @bytes: set by the caller, see @regions
 * @cache: set by the caller, see @regions
 * @spec: set by the caller if @regions is not 0
 * @hold_us: set by the caller
 * @policy: set by the caller
 * @stall_s: set by the caller
 * @absent: set by the caller: a bit for each node that is not there at first; the present ones
 *	later
 * @uuid: of the machine
 * @machine: descriptor of each node
 * @region: [node][region]
 * @link: [node][peer], -1 on the diagonal
 * @sock: [node][peer][lane]: this process' references on the TCP sockets, so that
 *	a test can cut them; -1 otherwise
 * @plain: [node][peer]: connections beside the links, -1 until cluster_plain()
 * @why: what went wrong in cluster_open()
 */
struct cluster {
	int nodes;
	const char *transport;
	int regions;
	size_t bytes;
	size_t cache;
	struct cluster_region spec[CLUSTER_REGIONS];
	uint32_t hold_us;
	uint32_t policy;
	uint32_t stall_s;
	uint64_t absent;
	uint8_t uuid[16];
	int machine[CLUSTER_NODES];
	int region[CLUSTER_NODES][CLUSTER_REGIONS];
	int link[CLUSTER_NODES][CLUSTER_NODES];
	int sock[CLUSTER_NODES][CLUSTER_NODES][DVMM_LINK_LANES];
	int plain[CLUSTER_NODES][CLUSTER_NODES];
	char why[200];
};

/** cluster_open - create everything and wait until all links are up; 0 or -1 */
int cluster_open(struct cluster *c);
/** cluster_make - the machine and the regions of an absent node, which is to join; 0 or -1 */
int cluster_make(struct cluster *c, int node);
/** cluster_link - connect two nodes, both ways; 0 or -1 */
int cluster_link(struct cluster *c, int a, int b);
/** cluster_join - an absent node becomes a member; 0, or -1 and @c->why, and it is closed */
int cluster_join(struct cluster *c, int node);
/** cluster_forget - close all that a node has, which is absent again */
void cluster_forget(struct cluster *c, int node);
/** cluster_drop - the same, and await that others have no link to it; 0 or -1 */
int cluster_drop(struct cluster *c, int node);
/** cluster_plain - a TCP connection between every two nodes; 0 or -1 */
int cluster_plain(struct cluster *c);
/** cluster_close - close all descriptors, node 0 last */
void cluster_close(struct cluster *c);
/** cluster_keep - close the descriptors of all nodes but @node */
void cluster_keep(struct cluster *c, int node);
/** cluster_param - set a parameter of dvmm, for all machines; or end the test */
void cluster_param(const char *name, int value);

#endif
