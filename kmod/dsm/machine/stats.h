/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of a machine: per CPU, summed when read. */
#ifndef DVMM_STATS_H
#define DVMM_STATS_H

#include <linux/percpu.h>
#include <linux/dvmm.h>

#include "machine.h"

#define DVMM_LATENCY_BUCKETS	256	/* 8 for each power of two of nanoseconds */

/* The counters of struct dvmm_stats. */
#define DVMM_STATS(X)		\
	X(faults_read)		\
	X(faults_write)		\
	X(faults_upgrade)	\
	X(faults_local)		\
	X(messages_sent)	\
	X(messages_received)	\
	X(bytes_sent)		\
	X(bytes_received)	\
	X(pages_sent)		\
	X(pages_received)	\
	X(invalidations)	\
	X(downgrades)		\
	X(evictions)		\
	X(discarded)		\
	X(prefetches)		\
	X(faults_first)		\
	X(wait_ns)

/* Those that struct dvmm_stats has no room for: debugfs and netlink show them. */
#define DVMM_STATS_MORE(X)	\
	X(pin_waits)		\
	X(zeros_asked)		\
	X(copies_asked)		\
	X(copies_got)		\
	X(copies_used)		\
	X(copies_lost)		\
	X(blocks)		\
	X(blocks_split)		\
	X(snapshot_copies)

struct dvmm_stats_cpu {
#define X(field) u64 field;
	DVMM_STATS(X)
	DVMM_STATS_MORE(X)
#undef X
	u64 latency_max;
	u32 latency[DVMM_LATENCY_BUCKETS];
};

#define dvmm_stats_add(m, counter, n)	this_cpu_add((m)->stats->counter, n)
#define dvmm_stats_count(m, counter)	this_cpu_inc((m)->stats->counter)

struct dvmm_stats_cpu __percpu *dvmm_stats_alloc(void);
/** dvmm_stats_fault - a fault on a page held with @had waited @ns for @need, of another node */
void dvmm_stats_fault(struct dvmm_machine *m, u8 had, u8 need, u64 ns);
/** dvmm_stats_taken - a peer brought this node's permission down to @perm */
void dvmm_stats_taken(struct dvmm_machine *m, u8 perm);
/**
 * dvmm_stats_sum - fill everything after size and flags
 * @m: the machine
 * @frames: what dvmm_regions_frames() tells
 * @out: filled
 */
void dvmm_stats_sum(struct dvmm_machine *m, u64 frames, struct dvmm_stats *out);

/*
 * struct dvmm_stats_more - sums of what struct dvmm_stats has no room for
 * @pin_waits: how often a page was asked for while pinned
 * @zeros_asked: untouched pages asked for ahead of need
 * @copies_asked: pages with contents asked for ahead of need
 * @copies_got: how many of them came
 * @copies_used: and were used; pages of streams among them
 * @copies_lost: and went before they were used; likewise
 * @blocks: untouched blocks of 2 MiB taken at their home
 * @blocks_split: how many of them are single pages since
 * @snapshot_copies: pages copied before they changed, for who reads them as they were
 */
struct dvmm_stats_more {
#define X(field) u64 field;
	DVMM_STATS_MORE(X)
#undef X
};

void dvmm_stats_more(struct dvmm_machine *m, struct dvmm_stats_more *out);

#endif
