/* SPDX-License-Identifier: GPL-2.0 */
/* Where the vCPUs of a machine had better be: a look in, a step out.  No I/O, no clock. */
#ifndef DVMM_DECIDE_H
#define DVMM_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct decide_node - a node and its host, of one look
 * @takes: it takes part, and may get vCPUs
 * @cpus: of its host
 * @others: of those, as many as work for others than this node's vCPUs
 * @free: bytes of its host's memory
 */
struct decide_node {
	bool takes;
	double cpus;
	double others;
	uint64_t free;
};

/**
 * struct decide_vcpu - a vCPU, of one look
 * @node: where it runs
 * @cell: the node that has it, and memory near it, in the machine file
 * @ran: share of the time that it ran, 0 .. 1
 * @queued: that it could have run, and others did
 * @waited: that it waited for a page
 * @stays: it cannot move
 */
struct decide_vcpu {
	unsigned int node, cell;
	double ran, queued, waited;
	bool stays;
};

/**
 * struct decide_look - what was measured
 * @frames: between nodes, a second: from A to B and back at [A * nodes + B]
 */
struct decide_look {
	unsigned int nodes, vcpus;
	struct decide_node *node;
	struct decide_vcpu *vcpu;
	double *frames;
};

/**
 * struct decide_policy - how eager it is
 * @gain: the least gain that is worth a step, in CPUs
 * @loss: the part of what ran before that may be lost by a step before it is taken back
 * @hold: looks that a vCPU is left alone for after a failure; four times as many after the next
 * @room: bytes that a host keeps free
 * @settle: looks after a step that say nothing yet: pages follow the vCPU
 */
struct decide_policy {
	double gain, loss;
	unsigned int hold;
	uint64_t room;
	unsigned int settle;
};

extern const struct decide_policy decide_usual;

enum decide_reason {
	DECIDE_REST,		/* nothing is worth a step */
	DECIDE_SETTLES,		/* the step before is too young to be judged */
	DECIDE_CROWDED,		/* its host has too few CPUs, another one has some left */
	DECIDE_APART,		/* it waits for pages of the node that it goes to */
	DECIDE_WORSE,		/* the step before did harm, and is taken back */
};

extern const char *const decide_reasons[];

/**
 * struct decide_step - what to do
 * @gain: in CPUs that run more, as expected; for DECIDE_WORSE those that ran less, as measured
 */
struct decide_step {
	enum decide_reason reason;
	unsigned int vcpu, from, to;
	double gain;
};

/**
 * struct decide_past - what is remembered between looks; zeroed at first
 * @held: looks for which each vCPU is left alone yet
 * @times: how often each has been
 * @young: looks for which nothing is decided
 * @last: the step whose effect the next look shows; DECIDE_REST: none
 * @ran: what ran before it, in CPUs
 * @wanted: and would have run, had there been CPUs and pages
 */
struct decide_past {
	unsigned int *held, *times, young;
	struct decide_step last;
	double ran, wanted;
};

/**
 * decide - the next step
 *
 * It MUST be called once a look.  Until the caller says otherwise the step is taken as done.
 */
struct decide_step decide(const struct decide_policy *policy, struct decide_past *past,
			  const struct decide_look *look);

/** decide_refused - the step that it gave last was not done: the vCPU is left alone for a while */
void decide_refused(const struct decide_policy *policy, struct decide_past *past);

/** decide_expect - make a look what it is expected to be after a step */
void decide_expect(struct decide_look *look, const struct decide_step *step);

#endif
