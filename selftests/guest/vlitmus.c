// SPDX-License-Identifier: GPL-2.0
/*
 * vlitmus: memory-model litmus shapes between vCPUs of a guest. Each shape runs
 * with thread i on the i-th CPU named, so name CPUs of different nodes in turn.
 * Prints a line a shape; status 1 if x86-TSO forbids what was seen.
 *
 * usage: vlitmus SECONDS CPU...
 *	  vlitmus -x SECONDS CPU CPU	control: each thread has a memory of its own,
 *					and status 0 means that this was noticed
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "litmus_core.h"
#include "pin.h"
#include "tap.h"

struct run {
	const struct litmus_shape *shape;
	struct litmus_view view[LITMUS_THREADS];
	struct litmus_count count;
	uint64_t first, last;		/* batches; @last is set by thread 0 before its barrier */
	double deadline;
};

struct role {
	struct run *run;
	int number;
};

static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("vlitmus: mmap");
		exit(2);
	}
	return p;
}

static void set_up(struct run *r, bool own_memory)
{
	int i, loc;

	memset(r, 0, sizeof(*r));
	r->view[0].shared = memory(sizeof(struct litmus_shared));
	for (loc = 0; loc < LITMUS_LOCS; loc++)
		r->view[0].loc[loc] = memory(LITMUS_LOC_BYTES);
	for (i = 1; i < LITMUS_THREADS; i++) {
		r->view[i] = r->view[0];
		for (loc = 0; own_memory && loc < LITMUS_LOCS; loc++)
			r->view[i].loc[loc] = memory(LITMUS_LOC_BYTES);
	}
}

static void *run_role(void *arg)
{
	struct role *role = arg;
	struct run *r = role->run;
	uint64_t b;

	rnd_seed(role->number + 1);
	for (b = r->first; ; b++) {
		if (!role->number && seconds() > r->deadline)
			__atomic_store_n(&r->last, b, __ATOMIC_RELEASE);
		litmus_batch(r->shape, &r->view[role->number], role->number, b,
			     role->number ? NULL : &r->count);
		if (__atomic_load_n(&r->last, __ATOMIC_ACQUIRE) == b)
			return NULL;
	}
}

/* Batches grow over all shapes, for the memory is not reset. */
static void run_shape(struct run *r, const struct litmus_shape *shape, double secs, char **cpu)
{
	struct role role[LITMUS_THREADS];
	pthread_t thread[LITMUS_THREADS];
	int i;

	r->shape = shape;
	r->first = r->last + 1;
	r->deadline = seconds() + secs;
	memset(&r->count, 0, sizeof(r->count));
	for (i = 0; i < shape->threads; i++) {
		role[i] = (struct role){ r, i };
		thread[i] = start_on(atoi(cpu[i]), run_role, &role[i]);
	}
	for (i = 0; i < shape->threads; i++)
		pthread_join(thread[i], NULL);
	litmus_report(shape, &r->count);
	printf("shape %s slots %llu forbidden %llu lost %llu\n", shape->name,
	       (unsigned long long)r->count.slots, (unsigned long long)r->count.forbidden,
	       (unsigned long long)r->count.lost);
	fflush(stdout);
}

static int all_shapes(double secs, char **cpu, int cpus)
{
	struct run r;
	int i, bad = 0;

	set_up(&r, false);
	for (i = 0; i < litmus_shape_count; i++) {
		if (litmus_shapes[i].threads > cpus)
			continue;
		run_shape(&r, &litmus_shapes[i], secs / litmus_shape_count, cpu);
		bad |= r.count.forbidden || r.count.lost || !r.count.slots;
	}
	return bad;
}

static int control(double secs, char **cpu)
{
	struct run r;
	int i;

	set_up(&r, true);
	for (i = 0; strcmp(litmus_shapes[i].name, "SB+mfences"); i++)
		;
	run_shape(&r, &litmus_shapes[i], secs, cpu);
	return !r.count.forbidden;
}

int main(int argc, char **argv)
{
	bool own_memory = argc > 1 && !strcmp(argv[1], "-x");

	argv += own_memory;
	argc -= own_memory;
	if (argc < 4) {
		fprintf(stderr, "usage: vlitmus [-x] SECONDS CPU CPU...\n");
		return 2;
	}
	return own_memory ? control(atof(argv[1]), argv + 2) :
			    all_shapes(atof(argv[1]), argv + 2, argc - 2);
}
