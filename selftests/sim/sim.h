/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine of 2 to 1024 nodes on the real engine, with links that take time.
 * Everything follows from a program of accesses and a seed, so that a failure
 * can be repeated and shrunk.
 */
#ifndef DVMM_SIM_H
#define DVMM_SIM_H

#include <stdio.h>
#include "engine.h"

/* One access of a vCPU, and how long it computes before it. */
struct sim_op {
	u16 node;			/* of the vCPU, at the beginning */
	u16 page;
	bool store;
	u32 think_ns;
};

/* What is to change while all work; what cannot be at once is tried again. */
enum sim_change { SIM_JOIN, SIM_LEAVE, SIM_REHOME, SIM_MOVE, SIM_CHECKPOINT, SIM_CHANGES };

struct sim_order {
	u64 at_ns;
	u8 change;
	u16 what;			/* the node, chunk or vCPU; nothing for a checkpoint */
	u16 to;				/* whither a chunk or vCPU goes */
};

struct sim_config {
	unsigned int nodes, pages;
	unsigned int limit;		/* foreign pages a node may cache; 0: any */
	u32 latency_ns, jitter_ns;	/* one way */
	u32 bytes_per_us;		/* of a node's port */
	u32 service_ns;			/* a node's time for one message */
	struct dvmm_policy policy;
	unsigned int seed;
	u64 lose_at_ns;			/* when a node dies; 0: never */
	u16 lose_node;
	unsigned int drop;		/* planted fault: the nth INV_ACK is lost */
	unsigned int chunk;		/* pages whose home moves as one; 0: one */
	unsigned int present;		/* nodes at the beginning; 0: all */
	unsigned int state_bytes;	/* of a vCPU that moves */
	u32 save_ns;			/* to write a page of a checkpoint */
	bool spread;			/* each home saves its pages, not node 0 all */
	const struct sim_order *orders;
	unsigned int order_count;
};

enum sim_class {
	SIM_FIRST, SIM_READ_MISS, SIM_WRITE_MISS, SIM_UPGRADE, SIM_HOME_READ, SIM_HOME_WRITE,
	SIM_EVICT_CLEAN, SIM_EVICT_OWNED, SIM_SAVE, SIM_CLASSES,
};

struct sim_cost {
	unsigned long count, messages, pages, bytes;
	u64 ns, max_ns;
	unsigned int max_hops;
};

struct sim_result {
	const char *error;		/* NULL: all is well */
	u64 ns;
	unsigned long done, hits;	/* accesses; those that needed no engine */
	unsigned long messages, bytes;
	unsigned long busiest, mean;	/* messages received by a home */
	struct sim_cost cost[SIM_CLASSES];
	struct sim_cost change[SIM_CHANGES];
	unsigned long again;		/* orders that had to be tried again */
	unsigned long saved, copies;	/* pages of checkpoints; those kept before they changed */
	u64 pause_ns;			/* the longest that vCPUs stood still */
};

extern const char * const sim_class_names[SIM_CLASSES];

/** sim_run - run @count accesses of @ops; the result's error says what broke */
void sim_run(const struct sim_config *cfg, const struct sim_op *ops, unsigned int count,
	     struct sim_result *res);

/* workload.c */
extern const char * const sim_workloads[];
/** sim_workload - make a program; returns its length, at most @max */
unsigned int sim_workload(unsigned int which, const struct sim_config *cfg,
			  unsigned int per_node, struct sim_op *ops, unsigned int max);

/* orders.c */
extern const char * const sim_orders_names[];
/** sim_orders - make orders for a time; @cfg->chunk MUST be set; returns how many */
unsigned int sim_orders(unsigned int which, const struct sim_config *cfg, u64 span_ns,
			struct sim_order *orders, unsigned int max);
/** sim_random - the next number of a sequence */
u32 sim_random(u64 *state);

#endif
