/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of a machine: per CPU, summed when read. */
#ifndef DVMM_STATS_H
#define DVMM_STATS_H

#include <linux/percpu.h>
#include <linux/dvmm.h>

#include "machine.h"

#define DVMM_LATENCY_BUCKETS	256	/* 8 for each power of two of nanoseconds */

struct dvmm_stats_cpu {
	u64 faults_read;
	u64 faults_write;
	u64 faults_upgrade;
	u64 faults_local;
	u64 messages_sent;
	u64 messages_received;
	u64 bytes_sent;
	u64 bytes_received;
	u64 pages_sent;
	u64 pages_received;
	u64 invalidations;
	u64 downgrades;
	u64 evictions;
	u64 discarded;
	u64 pin_waits;
	u64 latency_max;
	u32 latency[DVMM_LATENCY_BUCKETS];
};

#define dvmm_stats_add(m, field, n)	this_cpu_add((m)->stats->field, n)
#define dvmm_stats_count(m, field)	this_cpu_inc((m)->stats->field)

struct dvmm_stats_cpu __percpu *dvmm_stats_alloc(void);
/** dvmm_stats_fault - a fault on a page held with @had waited @ns for @need */
void dvmm_stats_fault(struct dvmm_machine *m, u8 had, u8 need, u64 ns);
/** dvmm_stats_taken - a peer brought this node's permission down to @perm */
void dvmm_stats_taken(struct dvmm_machine *m, u8 perm);
/** dvmm_stats_sum - fill everything after size and flags */
void dvmm_stats_sum(struct dvmm_machine *m, struct dvmm_stats *out);
/** dvmm_stats_pin_waits - how often a page was asked for while pinned */
u64 dvmm_stats_pin_waits(struct dvmm_machine *m);

#endif
