/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Five hosts in one process: rings that break and merge, groups that dvmmds join and leave, and
 * machines whose units start and end. The replicas and units are those of dvmmd.
 *
 * What corosync promises is kept to: one order of messages in a ring, the same messages before the
 * next ring for all that go there together. All else is chance: how far a part that is cut off got,
 * what was not sent yet and goes out in the next ring, when a host hears of its quorum.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>

#include "unit.h"

#define HOSTS		5
#define MACHINES	3

/**
 * struct item - in a ring's order: a message, or that a host's dvmmd has joined or left
 */
struct item {
	enum { MESSAGE, JOIN, LEAVE } what;
	unsigned int sender;
	unsigned int pid;
	char *text;
};

struct ring {
	struct replica_ring id;
	unsigned int hosts[HOSTS];
	unsigned int n;
	GPtrArray *wire;	/* struct item */
};

struct host {
	unsigned int id;
	bool on;		/* its corosync runs */
	unsigned int part;	/* hosts of one part reach each other */
	unsigned int pid;	/* of its dvmmd, 0: none */
	bool joined;		/* to the group, as the host itself has seen */
	struct replica *r;
	struct units *units;
	struct ring *ring;
	unsigned int at;	/* next of the ring's wire */
	bool quorum_told;
	GQueue outbox;		/* text that no ring has yet */
	struct replica_member group[HOSTS];
	unsigned int group_n;
	uint64_t ring_sequence;
	bool running[MACHINES][HOSTS];	/* units, whoever knows of them: by machine and cell */
	unsigned int runs[MACHINES][HOSTS];
	char *kept;		/* on its disk */
};

extern struct host hosts[HOSTS];
/* Why the run is wrong, NULL: it is not. */
extern const char *world_wrong;
extern unsigned int world_decided, world_refused, world_started, world_fenced;

void world_begin(unsigned int seed);
void world_end(void);
/** world_step - one thing happens, by chance; @calm: no host comes or goes */
void world_step(bool calm);
/** world_heal - all hosts run, and reach each other */
void world_heal(void);
/** world_is_quiet - nothing is on its way */
bool world_is_quiet(void);
/** world_ask - host @i proposes @kind for machine @m; NULL, or the refusal, to be freed */
char *world_ask(unsigned int i, const char *kind, unsigned int m);

#endif
