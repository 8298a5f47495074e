/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of the simulated machine.  sim.c has events, links and the executor,
 * vcpu.c accesses, homes.c homes that move, churn.c nodes that join and leave, and
 * cut.c checkpoints.
 */
#ifndef DVMM_SIM_MACHINE_H
#define DVMM_SIM_MACHINE_H

#include "rehome.h"
#include "sim.h"

#define SIM_LOOK_NS	20000	/* between looks at what others have to end */
#define SIM_HEADER	40	/* bytes of a message */

struct event;
struct sim;

/* What an event does; it frees the event or keeps it. */
typedef void sim_act(struct sim *s, struct event *e);

/* Something that happens on a node at a time. */
struct event {
	u64 at, order;
	sim_act *act;
	u16 node, page;
	u16 what;			/* the vCPU, or the number of an order */
	bool served;			/* takes no time of the node, or has had its turn */
	u8 hops;
	u32 version;			/* of the page that comes along */
	struct dvmm_event ev;
	struct event *next;		/* in a queue */
};

struct queue {
	struct event *first, **last;
};

/* What one access has cost so far. */
struct bill {
	u8 class, hops;
	bool open;
	u64 since;
	unsigned int messages, pages, bytes;
	struct sim_cost *also;		/* what else it is part of, or NULL */
};

struct spage {
	struct dvmm_page pg;
	struct dvmm_txn txn;
	struct dvmm_dir dir;		/* while it is homed here */
	u32 version;
	u8 perm;
	bool frame;
	struct queue deferred, gated;
	struct bill bill;
};

struct vcpu {
	unsigned int *todo, count, next;	/* indices of its accesses */
	u16 node;
	bool waiting;				/* for a page */
	bool due;				/* its turn is in the queue of events */
	u32 turns;				/* those of before are void */
	bool away;				/* on its way to another node */
	u64 since;
	struct vcpu *beside;			/* the next one on its node */
};

/* How far a node is; from OUT on as enum dvmm_member_phase. */
enum phase { OUT, ASKING, REFUSED, ENTERING, IN, EMPTYING, PARTING, GONE, EMPTY };

/* What a node knows of the others, in a machine whose sets of sharers are exact. */
struct member {
	u8 phase;
	u64 view, leaving, due, asks_out;
	int joining, asks_in;			/* -1: none */
	u8 gone[64];				/* lanes on which a node has said so */
	u64 since;
	unsigned int part;			/* chunks below have been asked for */
	bool settling;				/* looks again at what waits */
};

struct snode {
	struct spage *page;
	struct dvmm_chunk *chunk;
	struct dvmm_move move;
	int moving;				/* the chunk that goes from here; -1: none */
	unsigned int coming;			/* chunks that come here */
	struct vcpu *vcpus;			/* those that run here */
	unsigned int inbound;			/* those that are on their way */
	unsigned int cached;
	bool stopped;				/* for a checkpoint */
	bool leaves;				/* has been told to */
	struct member member;
	u32 lives;				/* how often it has left */
	u8 *told;				/* as it joined: how often of a chunk */
	u64 ids, busy, port;
	unsigned long received;
};

struct cut;

struct sim {
	const struct sim_config *cfg;
	const struct sim_op *ops;
	struct sim_result *res;
	struct snode *node;
	struct vcpu *vcpu;
	u32 *version;			/* last written, of each page */
	u64 *lane;			/* when the last message of a lane arrives */
	u64 *moved;			/* when a chunk's move began */
	struct cut *cut;
	struct event **heap;
	unsigned int heap_count, heap_room;
	unsigned int chunks;
	u64 now, order, rnd;
	unsigned int inv_acks;
};

/* sim.c */
void sim_fails(struct sim *s, const char *why);
void *sim_zalloc(size_t count, size_t size);
struct event *sim_event(unsigned int node, unsigned int page, u8 type, sim_act *act);
void sim_push(struct sim *s, struct event *e, u64 at);
/** sim_post - a message goes from @src to the event's node */
void sim_post(struct sim *s, struct event *e, unsigned int src, unsigned int lane,
	      unsigned int bytes, struct sim_cost *cost);
/** sim_note - post a message that is none of the engine's; returns it, to be filled */
struct event *sim_note(struct sim *s, struct sim_cost *cost, unsigned int src, unsigned int dst,
		       unsigned int lane, unsigned int bytes, sim_act *act);
/** sim_happen - an event of a page */
void sim_happen(struct sim *s, struct event *e);
void sim_offer_again(struct sim *s, struct spage *p);
void sim_execute(struct sim *s, struct event *e, const struct dvmm_actions *out);
void sim_keep(struct queue *q, struct event *e);
/** sim_context - for a step of a page */
struct dvmm_ctx sim_context(struct sim *s, unsigned int node, unsigned int page);
/** sim_flies - is something of the page under way at the node? */
bool sim_flies(const struct spage *p);
/** sim_paid - something that costs @c has ended, and began at @since */
void sim_paid(const struct sim *s, struct sim_cost *c, u64 since);

static inline struct spage *sim_page(struct sim *s, unsigned int node, unsigned int page)
{
	return &s->node[node].page[page];
}

/* vcpu.c */
void vcpu_init(struct sim *s, unsigned int count);
void vcpu_wake(struct sim *s, unsigned int node, unsigned int page);
/** vcpu_go - those of a node go on after they were stopped */
void vcpu_go(struct sim *s, unsigned int node);
/** vcpu_move - to another node; false: not now */
bool vcpu_move(struct sim *s, struct vcpu *v, unsigned int to);
void vcpu_close_bill(struct sim *s, struct bill *b);
void vcpu_open_bill(struct sim *s, struct spage *p, u8 class);

/* homes.c */
void homes_init(struct sim *s);
struct dvmm_chunk *homes_chunk(struct sim *s, unsigned int node, unsigned int page);
u16 homes_at(const struct sim *s, unsigned int page);
bool homes_here(struct sim *s, unsigned int node, unsigned int page);
/** homes_of - the page's home, or its next one while no node is */
unsigned int homes_of(struct sim *s, unsigned int page);
/** homes_have - is the chunk homed at the node, and not on its way? */
bool homes_have(struct sim *s, unsigned int chunk, unsigned int node);
/** homes_move - begin to move a chunk, unless it is there; false: not now */
bool homes_move(struct sim *s, unsigned int chunk, unsigned int to);
sim_act homes_message;
/** homes_count - chunks that are homed at the node, in part too; @first: one of them */
unsigned int homes_count(struct sim *s, unsigned int node, unsigned int *first);
/** homes_check - at rest all know the home */
void homes_check(struct sim *s, unsigned int chunk);

/* churn.c */
void churn_init(struct sim *s);
/** churn_stays - is @node a member as @self sees it, and not leaving? */
bool churn_stays(const struct sim *s, unsigned int self, unsigned int node);
u16 churn_others(const struct sim *s, unsigned int self);
u64 churn_view(const struct sim *s, unsigned int self);
/** churn_unsettled - may no home move from or to here? */
bool churn_unsettled(const struct sim *s, unsigned int node);
/** churn_linked - may a message be sent to the node? */
bool churn_linked(const struct sim *s, unsigned int node);
/** churn_join, churn_leave - go on with it; true: done */
bool churn_join(struct sim *s, unsigned int node);
bool churn_leave(struct sim *s, unsigned int node);
/** churn_bill - what the messages of an access of @node are part of besides, or NULL */
struct sim_cost *churn_bill(struct sim *s, unsigned int node);
/** churn_pick - some node that is in and stays */
unsigned int churn_pick(struct sim *s);
static inline bool churn_in(const struct sim *s, unsigned int node)
{
	return s->node[node].member.phase == IN && !s->node[node].leaves;
}

/* cut.c */
void cut_init(struct sim *s);
void cut_end(struct sim *s);
/** cut_make - begin a checkpoint; false: not now */
bool cut_make(struct sim *s);
/** cut_runs - has one begun, and not ended? */
bool cut_runs(const struct sim *s);
/** cut_stands - is one being made? */
bool cut_stands(const struct sim *s);
/** cut_saves - has the node something to write for one yet? */
bool cut_saves(const struct sim *s, unsigned int node);
/** cut_fill, cut_lose, cut_write - before a frame is filled, a page lost or written to */
void cut_fill(struct sim *s, unsigned int node, unsigned int page);
void cut_lose(struct sim *s, unsigned int node, unsigned int page);
void cut_write(struct sim *s, unsigned int node, unsigned int page);

#endif
