/* SPDX-License-Identifier: GPL-2.0 */
/* The workloads; each is one node's part (struct actor) and checks every value. */
#ifndef DVMM_TEST_WORK_H
#define DVMM_TEST_WORK_H

#include "actor.h"

struct workload {
	const char *name;
	actor_fn run;
	const char *proves;
};

extern const struct workload workloads[];
extern const int workload_count;

/** workload_find - by name, or NULL */
const struct workload *workload_find(const char *name);

int work_counters(struct actor *a);
int work_prodcons(struct actor *a);
int work_pressure(struct actor *a);
int work_zero(struct actor *a);
int work_upgrade(struct actor *a);
int work_barriers(struct actor *a);
int work_channel(struct actor *a);
int work_fork(struct actor *a);
int work_io(struct actor *a);
int work_scan(struct actor *a);
int work_bench(struct actor *a);
int work_stream(struct actor *a);
int work_litmus(struct actor *a);

#endif
