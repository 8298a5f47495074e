// SPDX-License-Identifier: GPL-2.0
/*
 * Which vCPU had better be elsewhere.
 *
 * What a host runs for the machine is what its vCPUs want, or what it has of CPUs if that is less.
 * A step is worth its gain in that sum.  Two things are not known before it is tried: how much a
 * vCPU waits for pages where it has not been, which is taken for nothing, and what else changes
 * meanwhile.  So the look after a step judges it, and a vCPU that a step has failed for, or that
 * has come back to whom it shares memory with, is left alone, longer each time: with any load the
 * steps become rare.
 */
#include <stddef.h>

#include "decide.h"

#define ACTIVE		0.05	/* a vCPU that wants less does not count */
#define WAITS		0.3	/* this share of time is worth a look at whom it waits for */
#define MOSTLY		0.5
#define HOLD_LONGER	2	/* each time four times as long */
#define HOLD_TIMES	5	/* at most so often */

const struct decide_policy decide_usual = {
	.gain = 0.2, .loss = 0.1, .hold = 6, .room = 128 << 20, .settle = 1,
};

const char *const decide_reasons[] = {
	[DECIDE_REST] = "rest",
	[DECIDE_SETTLES] = "settles",
	[DECIDE_CROWDED] = "crowded",
	[DECIDE_APART] = "apart",
	[DECIDE_WORSE] = "worse",
};

static double decide_max(double a, double b)
{
	return a > b ? a : b;
}

static double decide_min(double a, double b)
{
	return a < b ? a : b;
}

static double wish_of(const struct decide_vcpu *v)
{
	return v->ran + v->queued;
}

static double wish_at(const struct decide_look *look, unsigned int node)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < look->vcpus; i++)
		sum += look->vcpu[i].node == node ? wish_of(&look->vcpu[i]) : 0;
	return sum;
}

static unsigned int active_at(const struct decide_look *look, unsigned int node)
{
	unsigned int i, n = 0;

	for (i = 0; i < look->vcpus; i++)
		n += look->vcpu[i].node == node &&
		     wish_of(&look->vcpu[i]) + look->vcpu[i].waited > ACTIVE;
	return n;
}

/* What a node's host runs of @wish */
static double runs_at(const struct decide_look *look, unsigned int node, double wish)
{
	const struct decide_node *n = &look->node[node];

	return decide_min(wish, decide_max(0, n->cpus - n->others));
}

/* Part of a node's frames that goes to or comes from another one */
static double frames_share(const struct decide_look *look, unsigned int node, unsigned int peer)
{
	double all = 0;
	unsigned int i;

	for (i = 0; i < look->nodes; i++)
		all += look->frames[node * look->nodes + i];
	return all > 0 ? look->frames[node * look->nodes + peer] / all : 0;
}

/* What the vCPUs of node @to would not wait for, were @v there */
static double partners_back(const struct decide_look *look, const struct decide_vcpu *v,
			    unsigned int to)
{
	unsigned int i, among = active_at(look, v->node);
	double waited = 0;

	for (i = 0; i < look->vcpus; i++)
		waited += look->vcpu[i].node == to ? look->vcpu[i].waited : 0;
	return among ? waited * frames_share(look, to, v->node) / among : 0;
}

/* CPUs that run more once @v is at node @to, where @more of them is wanted beside what it wants */
static double gain_of(const struct decide_look *look, const struct decide_vcpu *v,
		      unsigned int to, double more)
{
	double from = wish_at(look, v->node), there = wish_at(look, to);
	double before = runs_at(look, v->node, from) + runs_at(look, to, there);

	return runs_at(look, v->node, from - wish_of(v)) +
	       runs_at(look, to, there + wish_of(v) + more) - before;
}

static struct decide_step step_crowded(const struct decide_look *look, unsigned int vcpu,
				       unsigned int to)
{
	const struct decide_vcpu *v = &look->vcpu[vcpu];

	return (struct decide_step){ DECIDE_CROWDED, vcpu, v->node, to, gain_of(look, v, to, 0) };
}

static struct decide_step step_apart(const struct decide_look *look, unsigned int vcpu,
				     unsigned int to)
{
	const struct decide_vcpu *v = &look->vcpu[vcpu];
	double share = frames_share(look, v->node, to), gain = 0;

	if (v->waited >= WAITS && share >= MOSTLY)
		gain = gain_of(look, v, to, v->waited * share + partners_back(look, v, to));
	return (struct decide_step){ DECIDE_APART, vcpu, v->node, to, gain };
}

/* Of those that gain as much, the one that goes to its cell */
static bool is_better(const struct decide_look *look, const struct decide_step *a,
		      const struct decide_step *b)
{
	double near = look->vcpu[a->vcpu].cell == a->to, was = look->vcpu[b->vcpu].cell == b->to;

	return a->gain + near * ACTIVE > b->gain + was * ACTIVE + ACTIVE / 2;
}

static void choose(const struct decide_look *look, struct decide_step *best,
		   struct decide_step step, double least)
{
	if (step.gain >= least && step.gain > 0 &&
	    (best->reason == DECIDE_REST || is_better(look, &step, best)))
		*best = step;
}

static bool may_go(const struct decide_policy *policy, const struct decide_past *past,
		   const struct decide_look *look, unsigned int vcpu, unsigned int to)
{
	const struct decide_vcpu *v = &look->vcpu[vcpu];

	return !v->stays && !past->held[vcpu] && v->node != to && look->node[to].takes &&
	       look->node[to].free >= policy->room && look->node[v->node].takes;
}

static struct decide_step best_step(const struct decide_policy *policy,
				    const struct decide_past *past, const struct decide_look *look)
{
	struct decide_step best = { DECIDE_REST };
	unsigned int vcpu, to;

	for (vcpu = 0; vcpu < look->vcpus; vcpu++)
		for (to = 0; to < look->nodes; to++) {
			if (!may_go(policy, past, look, vcpu, to))
				continue;
			choose(look, &best, step_crowded(look, vcpu, to), policy->gain);
			choose(look, &best, step_apart(look, vcpu, to), policy->gain);
		}
	return best;
}

/* ---- what came of the step before ---- */

static double sum_ran(const struct decide_look *look)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < look->vcpus; i++)
		sum += look->vcpu[i].ran;
	return sum;
}

static double sum_wanted(const struct decide_look *look)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < look->vcpus; i++)
		sum += wish_of(&look->vcpu[i]) + look->vcpu[i].waited;
	return sum;
}

/*
 * Less runs, and less of what wants to: a guest that has less to do is no reason, nor is one that
 * has more to do.
 */
static bool was_bad(const struct decide_policy *policy, const struct decide_past *past,
		    const struct decide_look *look)
{
	double kept = 1 - policy->loss, ran = sum_ran(look), wanted = sum_wanted(look);

	return ran < past->ran * kept && ran * past->wanted < past->ran * wanted * kept;
}

static void hold(const struct decide_policy *policy, struct decide_past *past, unsigned int vcpu)
{
	past->held[vcpu] = policy->hold << (past->times[vcpu] * HOLD_LONGER);
	past->times[vcpu] += past->times[vcpu] < HOLD_TIMES;
}

/* With all that share its node, which would only leave in its stead */
static void hold_together(const struct decide_policy *policy, struct decide_past *past,
			  const struct decide_look *look, const struct decide_step *step)
{
	unsigned int i;

	for (i = 0; i < look->vcpus; i++)
		if (i == step->vcpu || look->vcpu[i].node == step->to)
			hold(policy, past, i);
}

static bool can_return(const struct decide_look *look, const struct decide_step *last)
{
	return look->vcpu[last->vcpu].node == last->to && look->node[last->from].takes &&
	       look->node[last->to].takes;
}

static void age(struct decide_past *past, const struct decide_look *look)
{
	unsigned int i;

	for (i = 0; i < look->vcpus; i++)
		past->held[i] -= past->held[i] > 0;
}

struct decide_step decide(const struct decide_policy *policy, struct decide_past *past,
			  const struct decide_look *look)
{
	struct decide_step step = past->last;

	age(past, look);
	if (past->young) {
		past->young--;
		return (struct decide_step){ .reason = DECIDE_SETTLES };
	}
	past->last.reason = DECIDE_REST;
	past->young = policy->settle;
	if (step.reason != DECIDE_REST && can_return(look, &step) && was_bad(policy, past, look)) {
		step = (struct decide_step){ DECIDE_WORSE, step.vcpu, step.to, step.from,
					     past->ran - sum_ran(look) };
		hold_together(policy, past, look, &step);
		return step;
	}
	step = best_step(policy, past, look);
	if (step.reason == DECIDE_APART)
		hold_together(policy, past, look, &step);
	past->young = step.reason == DECIDE_REST ? 0 : policy->settle;
	past->last = step;
	past->ran = sum_ran(look);
	past->wanted = sum_wanted(look);
	return step;
}

void decide_refused(const struct decide_policy *policy, struct decide_past *past)
{
	if (past->last.reason != DECIDE_REST)
		hold(policy, past, past->last.vcpu);
	past->last.reason = DECIDE_REST;
	past->young = 0;
}

/* ---- without doing it ---- */

/* What a host has is shared out alike among those who want it. */
static void share_out(struct decide_look *look, unsigned int node)
{
	double wish = wish_at(look, node), runs = runs_at(look, node, wish);
	unsigned int i;

	for (i = 0; i < look->vcpus; i++) {
		struct decide_vcpu *v = &look->vcpu[i];
		double wants = wish_of(v);

		if (v->node != node || wish <= 0)
			continue;
		v->ran = wants * runs / wish;
		v->queued = wants - v->ran;
	}
}

void decide_expect(struct decide_look *look, const struct decide_step *step)
{
	struct decide_vcpu *v = &look->vcpu[step->vcpu];

	v->node = step->to;
	if (step->reason == DECIDE_APART) {
		v->queued += v->waited;
		v->waited = 0;
	}
	share_out(look, step->from);
	share_out(look, step->to);
}
