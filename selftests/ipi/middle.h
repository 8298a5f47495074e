/* SPDX-License-Identifier: GPL-2.0 */
/* A man in the middle between two nodes. */
#ifndef DVMM_TEST_IPI_MIDDLE_H
#define DVMM_TEST_IPI_MIDDLE_H

#include <linux/dvmm.h>

#include "vm.h"

#define MIDDLE_HEADER	40
#define AT_TYPE		2		/* in the header of a datagram */

struct frame {
	uint8_t header[MIDDLE_HEADER];
	uint8_t data[DVMM_CHANNEL_DATA_MAX];
	uint32_t length;
};

typedef void (*rewrite_fn)(struct frame *f);

/** struct pipe - one direction of one lane; @rewrite only where node 0's datagrams pass */
struct pipe {
	int from;
	int to;
	rewrite_fn rewrite;
	volatile bool *stalled;
	pthread_t thread;
};

/** struct middle - @end: his ends; @ctl: node 0's end of the lane of datagrams */
struct middle {
	struct pipe pipe[2 * DVMM_LINK_LANES];
	int end[2 * DVMM_LINK_LANES];
	int ctl;
	volatile bool stalled;
};

/**
 * middle_join - machines for all nodes of @g, linked, not attached
 *
 * Node 0 and 1 are linked by TCP through him, and @rewrite sees each interrupt
 * datagram of node 0; the others by loop.
 */
void middle_join(struct guest *g, struct middle *m, rewrite_fn rewrite);
/** middle_join_late - the same for two nodes, of which node 1 joins a machine without it */
void middle_join_late(struct guest *g, struct middle *m, rewrite_fn rewrite);
/** middle_stall - read no more of node 0's datagrams, or go on */
void middle_stall(struct middle *m, bool stall);
/** middle_cut - node 0 finds its link to node 1 closed */
void middle_cut(struct middle *m);
/** middle_part - all nodes leave */
void middle_part(struct guest *g, struct middle *m);

#endif
