/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs that a guest's CPUs do together, each with a result that is checked. */
#ifndef DVMM_GUEST_BENCHJOB_H
#define DVMM_GUEST_BENCHJOB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { MOST_CPUS = 64, PAGE = 4096 };

/**
 * struct job - what the CPUs do together
 * @name: as the command line has it
 * @size: how much, where the command line does not say
 * @unit: of @size, for the reader
 * @prepare: one thread, before the others exist; not measured; may be NULL
 * @part: each thread's part, @me of @cpus, for the @round-th time, from 0 on; measured
 *	from the first to the last
 * @right: one thread, after all parts: is the result what it has to be?
 * @spoil: one thread, before @right: makes it wrong, to show that @right finds it
 * @once: cannot be done more than once in a process
 */
struct job {
	const char *name;
	uint64_t size;
	const char *unit;
	void (*prepare)(void);
	void (*part)(int me, uint64_t round);
	bool (*right)(void);
	void (*spoil)(void);
	bool once;
};

extern const struct job compute_jobs[], system_jobs[];

/* Of the run: how many threads, on which CPUs, how much to do, how many times. */
extern int cpus, cpu_of[MOST_CPUS];
extern uint64_t size, times;

/** meet - wait until all threads are here */
void meet(void);
/** job_memory - zeroed pages that nobody had yet; ends the process if there are none */
void *job_memory(uint64_t bytes);
/** share - where the part of thread @me of @total things begins; that of @me + 1 is its end */
uint64_t share(uint64_t total, int me);
/** die - end the process, with what failed and errno's text */
_Noreturn void die(const char *what);
/** self - the path of this program */
extern const char *self;

/** leaf_main - a process of the job "tree": DEPTH */
int leaf_main(unsigned int depth);

#endif
