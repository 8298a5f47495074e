/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory-model litmus shapes (Alglave, Maranget, Tautschnig: Herding Cats,
 * TOPLAS 2014) on memory that somebody else provides: regions of dvmm, RAM of a
 * guest, or something deliberately incoherent.
 *
 * A batch runs a shape in each of LITMUS_SLOTS slots; between batches all threads
 * meet.  Values grow from batch to batch, so nothing is reset: a load that
 * returns a value of an earlier batch counts as 0, one of a batch before that is
 * a lost write.
 */
#ifndef DVMM_TEST_LITMUS_CORE_H
#define DVMM_TEST_LITMUS_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync.h"

#define LITMUS_THREADS	4
#define LITMUS_REGS	4
#define LITMUS_LOCS	2
#define LITMUS_SLOTS	1024
#define LITMUS_STRIDE	16	/* bytes between slots: 256 slots a page */
#define LITMUS_OUTCOMES	256	/* 4 registers of 2 bits */

typedef volatile uint64_t litmus_cell;

/**
 * struct litmus_slot - what a thread of a shape works on
 * @x: first location
 * @y: second location
 * @g: values of this batch are @g + 1 .. @g + 3
 * @r: the registers of this slot
 */
struct litmus_slot {
	litmus_cell *x;
	litmus_cell *y;
	uint64_t g;
	uint64_t *r[LITMUS_REGS];
};

/**
 * struct litmus_shape - a shape
 * @name: its name in the literature
 * @threads: number of threads
 * @regs: number of registers
 * @final: registers @regs - 2 and @regs - 1 are x and y after the batch
 * @run: one function a thread
 * @forbidden: outcomes that x86-TSO forbids, NULL if every one is allowed
 * @shows: what of that shows, for the reader
 */
struct litmus_shape {
	const char *name;
	int threads;
	int regs;
	bool final;
	void (*run[LITMUS_THREADS])(const struct litmus_slot *s);
	bool (*forbidden)(const uint8_t *r);
	const char *shows;
};

extern const struct litmus_shape litmus_shapes[];
extern const int litmus_shape_count;

/**
 * struct litmus_shared - what all threads see alike; all zeroes at first
 * @sync: where they meet
 * @reg: the registers
 */
struct litmus_shared {
	struct sync sync;
	uint64_t reg[LITMUS_REGS][LITMUS_SLOTS] __attribute__((aligned(4096)));
};

#define LITMUS_LOC_BYTES	(LITMUS_SLOTS * LITMUS_STRIDE)

/**
 * struct litmus_view - one thread's view of the memory
 * @loc: LITMUS_LOC_BYTES each, page aligned, the memory under test
 * @shared: must be coherent, or everything looks wrong
 */
struct litmus_view {
	char *loc[LITMUS_LOCS];
	struct litmus_shared *shared;
};

/**
 * struct litmus_count - what came out
 * @seen: how often each outcome; index: two bits a register, register 0 lowest
 * @forbidden: how many were forbidden
 * @lost: loads of values that had been overwritten before the batch began
 * @slots: how many slots were looked at
 */
struct litmus_count {
	uint64_t seen[LITMUS_OUTCOMES];
	uint64_t forbidden;
	uint64_t lost;
	uint64_t slots;
};

/**
 * litmus_batch - one thread's part in a batch; all threads of the shape call it
 * @s: the shape
 * @v: this thread's view
 * @role: thread 0 .. @s->threads - 1
 * @batch: 1, 2, ... ever growing for the memory, over all shapes
 * @count: added to by thread 0; others may pass NULL
 */
void litmus_batch(const struct litmus_shape *s, const struct litmus_view *v, int role,
		  uint64_t batch, struct litmus_count *count);

/** litmus_judge - count an outcome, given as registers */
void litmus_judge(const struct litmus_shape *s, const uint8_t *r, struct litmus_count *c);
/** litmus_report - print the outcomes as diagnostic lines */
void litmus_report(const struct litmus_shape *s, const struct litmus_count *c);

#endif
