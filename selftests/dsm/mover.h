/* SPDX-License-Identifier: GPL-2.0 */
/* DVMM_CMD_REHOME, as a call. */
#ifndef DVMM_TEST_MOVER_H
#define DVMM_TEST_MOVER_H

#include <stdint.h>

#include "genl.h"

/**
 * struct mover - a socket, and what its last answer said
 * @s: @s.why is the text of a refusal
 * @touched: pages that had been used
 */
struct mover {
	struct genl s;
	uint64_t touched;
};

/** mover_open - ends the program with a skip where the family is not there */
void mover_open(struct mover *mv);
/** mover_move - node @from makes @to the home of the chunk of a page; 0 or an errno */
int mover_move(struct mover *mv, const uint8_t uuid[16], uint16_t from, uint16_t region,
	       uint64_t page, uint16_t to);
/** mover_homed - how many pages of a region @node serves */
uint64_t mover_homed(struct mover *mv, const uint8_t uuid[16], uint16_t node, uint16_t region);

#endif
