// SPDX-License-Identifier: GPL-2.0
/* Counters of a machine. */
#include <linux/log2.h>
#include <linux/slab.h>

#include "stats.h"

struct dvmm_stats_cpu __percpu *dvmm_stats_alloc(void)
{
	return alloc_percpu(struct dvmm_stats_cpu);
}

/* Eight linear steps within each power of two: an error of at most 1/8. */
static unsigned int stats_latency_bucket(u64 ns)
{
	unsigned int exp = ilog2(ns | 8);
	unsigned int bucket = (exp - 3) * 8 + ((ns >> (exp - 3)) & 7);

	return min_t(unsigned int, bucket, DVMM_LATENCY_BUCKETS - 1);
}

static u64 stats_bucket_ns(unsigned int bucket)
{
	return (8ull + (bucket & 7)) << (bucket / 8);
}

void dvmm_stats_fault(struct dvmm_machine *m, u8 had, u8 need, u64 ns)
{
	if (need == DVMM_PERM_READ)
		dvmm_stats_count(m, faults_read);
	else if (had == DVMM_PERM_READ)
		dvmm_stats_count(m, faults_upgrade);
	else
		dvmm_stats_count(m, faults_write);
	dvmm_stats_add(m, wait_ns, ns);
	this_cpu_inc(m->stats->latency[stats_latency_bucket(ns)]);
	if (ns > this_cpu_read(m->stats->latency_max))
		this_cpu_write(m->stats->latency_max, ns);
}

void dvmm_stats_taken(struct dvmm_machine *m, u8 perm)
{
	if (perm == DVMM_PERM_NONE)
		dvmm_stats_count(m, invalidations);
	else
		dvmm_stats_count(m, downgrades);
}

static u64 stats_percentile(const u64 *hist, u64 total, unsigned int percent)
{
	u64 seen = 0, want = DIV_ROUND_UP_ULL(total * percent, 100);
	int i;

	for (i = 0; total && i < DVMM_LATENCY_BUCKETS; i++) {
		seen += hist[i];
		if (seen >= want)
			return stats_bucket_ns(i);
	}
	return 0;
}

static void stats_sum_latency(struct dvmm_machine *m, struct dvmm_stats *out)
{
	static const u8 percents[] = { 50, 90, 99 };
	u64 *hist = kcalloc(DVMM_LATENCY_BUCKETS, sizeof(*hist), GFP_KERNEL);
	u64 total = 0;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct dvmm_stats_cpu *s = per_cpu_ptr(m->stats, cpu);

		out->latency_ns[3] = max(out->latency_ns[3], s->latency_max);
		for (i = 0; hist && i < DVMM_LATENCY_BUCKETS; i++) {
			hist[i] += s->latency[i];
			total += s->latency[i];
		}
	}
	for (i = 0; hist && i < ARRAY_SIZE(percents); i++)
		out->latency_ns[i] = stats_percentile(hist, total, percents[i]);
	kfree(hist);
}

void dvmm_stats_sum(struct dvmm_machine *m, u64 frames, struct dvmm_stats *out)
{
	int cpu;

	*out = (struct dvmm_stats){ .size = out->size, .flags = out->flags };
	for_each_possible_cpu(cpu) {
		struct dvmm_stats_cpu *s = per_cpu_ptr(m->stats, cpu);

#define X(field) out->field += s->field;
		DVMM_STATS(X)
#undef X
	}
	stats_sum_latency(m, out);
	out->frames = frames;
}

void dvmm_stats_more(struct dvmm_machine *m, struct dvmm_stats_more *out)
{
	int cpu;

	*out = (struct dvmm_stats_more){};
	for_each_possible_cpu(cpu) {
		struct dvmm_stats_cpu *s = per_cpu_ptr(m->stats, cpu);

#define X(field) out->field += s->field;
		DVMM_STATS_MORE(X)
#undef X
	}
}
