/* SPDX-License-Identifier: GPL-2.0 */
/* Threads of a guest program, each on a CPU of its own. */
#ifndef DVMM_GUEST_PIN_H
#define DVMM_GUEST_PIN_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/** start_on - run @body(@arg) in a new thread that stays on @cpu */
static inline pthread_t start_on(int cpu, void *(*body)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
	if (pthread_create(&thread, &attr, body, arg)) {
		fprintf(stderr, "no thread on CPU %d\n", cpu);
		exit(2);
	}
	pthread_attr_destroy(&attr);
	return thread;
}

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#endif
