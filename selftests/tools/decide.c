// SPDX-License-Identifier: GPL-2.0
/*
 * What dvmm balance decides, in worlds of hosts and vCPUs that only count: where the vCPUs of a
 * load come to rest, after how many steps; and that without hysteresis they do not.
 */
#include <string.h>

#include "../engine/tap.h"
#include "decide.h"

#define NODES	3
#define VCPUS	4
#define LOOKS	1000
#define APART	0.9	/* this share of its time a vCPU waits whose partners are all elsewhere */
#define MIB	(1ull << 20)
#define ROOM	{ 512, 512, 512 }

/**
 * struct world - hosts and what a guest wants of them
 * @cpus: of each host; 0: its node does not take part
 * @others: what runs there besides
 * @free: MiB of memory
 * @wants: of each vCPU, in percent of a CPU
 * @group: vCPUs of one letter share memory; '-': with nobody
 * @noise: percent, of each figure
 */
struct world {
	double cpus[NODES], others[NODES];
	unsigned int free[NODES];
	unsigned int wants[VCPUS + 1];
	char group[VCPUS + 1];
	unsigned int noise;
	unsigned int at[VCPUS];
	unsigned int seed;
};

struct sight {
	struct decide_node node[NODES];
	struct decide_vcpu vcpu[VCPUS];
	double frames[NODES * NODES];
	struct decide_look look;
};

static double noisy(struct world *w, double value)
{
	w->seed = w->seed * 1103515245 + 12345;
	return value * (1 + w->noise / 100.0 * ((w->seed >> 16) % 201 / 100.0 - 1));
}

static bool are_partners(const struct world *w, unsigned int a, unsigned int b)
{
	return a != b && w->group[a] != '-' && w->group[a] == w->group[b];
}

/* Share of a vCPU's partners that are elsewhere */
static double apart(const struct world *w, unsigned int vcpu)
{
	unsigned int i, all = 0, far = 0;

	for (i = 0; i < VCPUS; i++) {
		all += are_partners(w, vcpu, i) && w->wants[i];
		far += are_partners(w, vcpu, i) && w->wants[i] && w->at[i] != w->at[vcpu];
	}
	return all ? (double)far / all : 0;
}

static void see_vcpu(struct world *w, struct sight *s, unsigned int i)
{
	double wants = w->wants[i] / 100.0, waited = wants * APART * apart(w, i);

	s->vcpu[i] = (struct decide_vcpu){
		.node = w->at[i], .cell = i % NODES, .stays = !i,
		.ran = wants - waited, .waited = noisy(w, waited),
	};
}

static void see_frames(const struct world *w, struct sight *s)
{
	unsigned int a, b;

	for (a = 0; a < VCPUS; a++)
		for (b = 0; b < VCPUS; b++)
			if (are_partners(w, a, b) && w->at[a] != w->at[b])
				s->frames[w->at[a] * NODES + w->at[b]] +=
					100 * (s->vcpu[a].waited + s->vcpu[b].waited);
}

/* A host that has too few CPUs shares them out alike. */
static void see_host(struct world *w, struct sight *s, unsigned int node)
{
	double wish = 0, part, has = w->cpus[node] - w->others[node];
	unsigned int i;

	s->node[node] = (struct decide_node){ w->cpus[node] > 0, w->cpus[node], w->others[node],
					      w->free[node] * MIB };
	for (i = 0; i < VCPUS; i++)
		wish += w->at[i] == node ? s->vcpu[i].ran : 0;
	part = wish > has ? has / wish : 1;
	for (i = 0; i < VCPUS; i++) {
		struct decide_vcpu *v = &s->vcpu[i];

		if (w->at[i] != node)
			continue;
		v->queued = noisy(w, v->ran * (1 - part));
		v->ran = noisy(w, v->ran * part);
	}
}

static void see(struct world *w, struct sight *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->look = (struct decide_look){ NODES, VCPUS, s->node, s->vcpu, s->frames };
	for (i = 0; i < VCPUS; i++)
		see_vcpu(w, s, i);
	see_frames(w, s);
	for (i = 0; i < NODES; i++)
		see_host(w, s, i);
}

struct past {
	unsigned int held[VCPUS], times[VCPUS];
	struct decide_past past;
};

static void forget(struct past *p)
{
	memset(p, 0, sizeof(*p));
	p->past.held = p->held;
	p->past.times = p->times;
}

/* Steps within so many looks; @last gets the number of the last look that had one */
static unsigned int live(const struct decide_policy *policy, struct world *w, unsigned int looks,
			 unsigned int *last)
{
	unsigned int i, steps = 0;
	struct past p;
	struct sight s;

	forget(&p);
	for (i = 0, *last = 0; i < looks; i++) {
		struct decide_step step;

		see(w, &s);
		step = decide(policy, &p.past, &s.look);
		if (step.reason <= DECIDE_SETTLES)
			continue;
		w->at[step.vcpu] = step.to;
		*last = i;
		steps++;
	}
	return steps;
}

/* ---- where it comes to rest ---- */

static const struct {
	const char *name;
	struct world w;
	const char *at;		/* nodes of the vCPUs in the end; '?': any */
	unsigned int steps;	/* at most */
} rests[] = {
	{ "a guest that idles stays", { { 1, 1, 1 }, {}, ROOM, {}, "----", 0, {}, 0 },
	  "0000", 0 },
	{ "three workers of one CPU get one each, their own cells' first",
	  { { 1, 1, 1 }, {}, ROOM, { 100, 100, 100 }, "----", 0, {}, 0 }, "0120", 2 },
	{ "so do they with what measuring adds and leaves out",
	  { { 1, 1, 1 }, {}, ROOM, { 100, 100, 100 }, "----", 5, {}, 7 }, "0120", 2 },
	{ "a node that is not there gets none",
	  { { 1, 1, 0 }, {}, ROOM, { 100, 100, 100 }, "----", 5, {}, 1 },
	  "0??0", 1 },
	{ "nor one whose host has no memory left",
	  { { 1, 1, 1 }, {}, { 512, 100, 512 }, { 100, 100, 0 }, "----", 5, {}, 1 },
	  "0200", 1 },
	{ "nor one whose host has other work",
	  { { 1, 1, 1 }, { 0, 0, 1 }, ROOM, { 100, 0, 100 }, "----", 5, {}, 1 },
	  "0010", 1 },
	{ "a host that gets other work gives them away",
	  { { 1, 1, 1 }, { 0, 1, 0 }, ROOM, { 0, 100, 0 }, "----", 5, { 0, 1 }, 1 },
	  "0?00", 1 },
	{ "hosts with more CPUs take more",
	  { { 1, 2, 1 }, {}, ROOM, { 100, 100, 100, 100 }, "----", 5, {}, 1 },
	  "0???", 3 },
	{ "what little a crowded host would gain is left",
	  { { 1, 1, 1 }, {}, ROOM, { 60, 30, 20 }, "----", 0, {}, 1 },
	  "0000", 0 },
	{ "two that wait for each other's pages are packed again",
	  { { 1, 1, 1 }, {}, ROOM, { 0, 100, 100 }, "-aa-", 5, { 0, 1, 2 }, 1 },
	  "0??0", 12 },
	{ "those that share with vCPU 0 come back to it",
	  { { 1, 1, 1 }, {}, ROOM, { 100, 100, 0 }, "aa--", 5, { 0, 1 }, 1 },
	  "0000", 12 },
};

static bool matches(const struct world *w, const char *at)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		if (at[i] != '?' && w->at[i] != (unsigned int)at[i] - '0')
			return false;
	return true;
}

static void test_rests(void)
{
	unsigned int i, last;

	for (i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		struct world w = rests[i].w;
		unsigned int steps = live(&decide_usual, &w, LOOKS, &last);

		tap(matches(&w, rests[i].at) && steps <= rests[i].steps,
		    "%s: vCPUs on %u %u %u %u after %u steps, the last at look %u of %u",
		    rests[i].name, w.at[0], w.at[1], w.at[2], w.at[3], steps, last, LOOKS);
	}
}

static void test_crowds(void)
{
	struct world w = rests[7].w;
	unsigned int i, last, on[NODES] = {};

	live(&decide_usual, &w, LOOKS, &last);
	for (i = 0; i < VCPUS; i++)
		on[w.at[i]]++;
	tap(on[0] == 1 && on[1] == 2 && on[2] == 1, "four workers on hosts of 1, 2 and 1: %u %u %u",
	    on[0], on[1], on[2]);
}

/* Apart they wait, together they are crowded: the trap of a policy that has no memory. */
static const struct world trap = {
	{ 1, 1, 0 }, {}, ROOM, { 100, 100, 0 }, "aa--", 5, {}, 3,
};

static void test_planted(void)
{
	static const struct {
		const char *name;
		struct decide_policy policy;
		unsigned int least, most;
	} cases[] = {
		{ "as usual", { 0.2, 0.1, 6, 0, 1 }, 1, 16 },
		{ "planted: nothing is held", { 0.2, 0.1, 0, 0, 0 }, LOOKS / 2, LOOKS },
		{ "planted: nothing is held or taken back", { 0.2, 1, 0, 0, 0 }, LOOKS / 2, LOOKS },
	};
	unsigned int i, last, steps;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w = trap;

		steps = live(&cases[i].policy, &w, LOOKS, &last);
		tap(steps >= cases[i].least && steps <= cases[i].most,
		    "a pair that is slow apart and crowded together, %s: %u steps in %u looks",
		    cases[i].name, steps, LOOKS);
	}
}

/* Without a least gain the noise of measuring moves vCPUs about. */
static void test_least_gain(void)
{
	static const struct decide_policy any = { .loss = 0.1 };
	struct world w = {
		{ 1, 1, 1 }, {}, ROOM, { 36, 36, 36, 36 }, "----", 10, { 0, 1, 0, 0 }, 5,
	};
	struct world same = w;
	unsigned int last, steps = live(&decide_usual, &w, LOOKS, &last);
	unsigned int more = live(&any, &same, LOOKS, &last);

	tap(!steps && more,
	    "what noise seems to gain is no reason: %u steps; planted, without a least gain: %u",
	    steps, more);
}

/* ---- one step after the other ---- */

static struct decide_step next(struct past *p, struct world *w)
{
	struct sight s;
	struct decide_step step;

	do {
		see(w, &s);
		step = decide(&decide_usual, &p->past, &s.look);
	} while (step.reason == DECIDE_SETTLES);
	if (step.reason != DECIDE_REST)
		w->at[step.vcpu] = step.to;
	return step;
}

static void test_worse(void)
{
	struct world w = trap;
	struct decide_step step;
	struct past p;

	forget(&p);
	step = next(&p, &w);
	tap(step.reason == DECIDE_CROWDED && step.vcpu == 1 && step.to == 1 && step.gain > 0.8,
	    "a crowded pair is tried apart");
	step = next(&p, &w);
	tap(step.reason == DECIDE_WORSE && step.vcpu == 1 && step.to == 0 && step.gain > 0.5,
	    "less of it runs: it is taken back, %.2f CPUs fewer ran", step.gain);
	step = next(&p, &w);
	tap(step.reason == DECIDE_REST, "and not tried again at once");
}

static void test_ended(void)
{
	struct world w = rests[1].w;
	struct decide_step step;
	struct past p;

	forget(&p);
	next(&p, &w);
	memset(w.wants, 0, sizeof(w.wants));
	step = next(&p, &w);
	tap(step.reason == DECIDE_REST,
	    "a job that ends after a step is no reason to take it back");
}

/* Pages follow a vCPU: for one look both wait, whatever comes of it. */
static void test_settles(void)
{
	struct world w = rests[1].w, young = w;
	struct sight s;
	struct past p;

	forget(&p);
	next(&p, &w);
	memset(young.wants, 0, sizeof(young.wants));
	see(&young, &s);
	s.vcpu[0].waited = 1;
	s.vcpu[1].waited = 1;
	s.vcpu[1].node = w.at[1];
	tap(decide(&decide_usual, &p.past, &s.look).reason == DECIDE_SETTLES &&
	    next(&p, &w).reason == DECIDE_CROWDED,
	    "what is seen right after a step is no reason to take it back");
}

static void test_left(void)
{
	struct world w = trap;
	struct decide_step step;
	struct past p;

	forget(&p);
	next(&p, &w);
	w.cpus[1] = 0;
	step = next(&p, &w);
	tap(step.reason == DECIDE_REST, "a step to a node that leaves is left alone");
}

static void test_refused(void)
{
	struct world w = trap;
	struct decide_step step;
	struct past p;
	unsigned int looks = 0;

	forget(&p);
	step = next(&p, &w);
	w.at[step.vcpu] = step.from;
	decide_refused(&decide_usual, &p.past);
	while (next(&p, &w).reason == DECIDE_REST && looks < LOOKS)
		looks++;
	tap(looks + 1 >= decide_usual.hold && looks < LOOKS,
	    "one that was refused is asked again after %u looks", looks + 1);
}

/* What --dry-run tells: steps that are expected to be the last ones */
static void test_expected(void)
{
	struct world w = rests[1].w;
	struct decide_step step;
	unsigned int steps = 0;
	struct sight s;
	struct past p;

	forget(&p);
	see(&w, &s);
	for (;;) {
		step = decide(&decide_usual, &p.past, &s.look);
		if (step.reason == DECIDE_SETTLES)
			continue;
		if (step.reason == DECIDE_REST || ++steps > 9)
			break;
		decide_expect(&s.look, &step);
	}
	tap(steps == 2 && s.vcpu[1].node == 1 && s.vcpu[2].node == 2 && s.vcpu[1].ran > 0.95,
	    "what is expected of all steps: %u of them, vCPU 1 runs %.2f", steps, s.vcpu[1].ran);
}

int main(void)
{
	puts("TAP version 13");
	test_rests();
	test_crowds();
	test_planted();
	test_least_gain();
	test_worse();
	test_ended();
	test_settles();
	test_left();
	test_refused();
	test_expected();
	return tap_done();
}
