/* SPDX-License-Identifier: GPL-2.0 */
/* One page of a recorded machine: its steps, and all that follows from them. */
#ifndef DVMM_CONFORM_MODEL_H
#define DVMM_CONFORM_MODEL_H

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>

#include "rehome.h"
#include "table.h"

#define TRACE_NODES	16

/* One line. */
struct trace_step {
	const char *file;
	unsigned int line;
	u16 node;
	bool again;		/* was deferred before */
	u16 home;		/* of the page; the next one if this node gives it away */
	struct dvmm_event ev;
	u8 from, to;
	unsigned int actions;
	u32 digest;
	u64 fresh;
	u32 now;
	struct dvmm_policy policy;
	bool wrote;
};

/* All lines about one page; of each node in their order. */
struct trace_page {
	u32 machine;
	u16 region;
	u16 nodes;
	u64 page;
	GArray *steps[TRACE_NODES];	/* of struct trace_step */
};

struct model;

/** trace_is_take - does a home change hands here? */
static inline bool trace_is_take(const struct trace_step *s)
{
	return s->ev.type == DVMM_MSG_TAKE;
}

struct model *model_new(const struct trace_page *page);
void model_free(struct model *m);
/** model_next - the first step of @node that was not made yet, or NULL */
const struct trace_step *model_next(const struct model *m, int node);
/** model_ready - false: it receives a message that is not sent yet */
bool model_ready(const struct model *m, const struct trace_step *s);
/** model_step - make the next step of its node; returns what is wrong, or NULL */
const char *model_step(struct model *m, const struct trace_step *s);
/** model_tell - what the engine did in the last step, beside what was recorded */
void model_tell(const struct model *m, const struct trace_step *s, FILE *f);

#endif
