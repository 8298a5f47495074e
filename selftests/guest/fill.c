// SPDX-License-Identifier: GPL-2.0
/*
 * fill: a thread on each CPU named fills memory of its own, then checks all of
 * it and, for every 64th page, that of the next thread: it may be elsewhere.
 * Prints what was done; status 1 if a page did not hold what was written.
 *
 * usage: fill MIB-A-THREAD CPU...
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>

#include "pin.h"

enum { MOST = 64, PAGE = 4096, PAGE_WORDS = PAGE / 8, STRIDE = 64 };

static struct part {
	int number;
	uint64_t *memory;
	uint64_t wrong;
	double wrote, checked;
} part[MOST];

static uint64_t pages;
static int parts;
static pthread_barrier_t all;

static uint64_t expected(int number, uint64_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull + number;
}

static void write_part(struct part *p)
{
	uint64_t i;

	p->memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (p->memory == MAP_FAILED) {
		perror("fill: mmap");
		exit(2);
	}
	for (i = 0; i < pages; i++) {
		p->memory[i * PAGE_WORDS] = expected(p->number, i);
		p->memory[i * PAGE_WORDS + PAGE_WORDS - 1] = ~expected(p->number, i);
	}
}

static uint64_t check_part(const struct part *p, uint64_t step)
{
	uint64_t i, wrong = 0;

	for (i = 0; i < pages; i += step)
		wrong += p->memory[i * PAGE_WORDS] != expected(p->number, i) ||
			 p->memory[i * PAGE_WORDS + PAGE_WORDS - 1] != ~expected(p->number, i);
	return wrong;
}

static void *run(void *arg)
{
	struct part *p = arg;
	double begin = seconds();

	write_part(p);
	p->wrote = seconds() - begin;
	pthread_barrier_wait(&all);
	begin = seconds();
	p->wrong = check_part(p, 1) + check_part(&part[(p->number + 1) % parts], STRIDE);
	p->checked = seconds() - begin;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[MOST];
	uint64_t wrong = 0;
	int i;

	parts = argc - 2;
	if (parts < 1 || parts > MOST) {
		fprintf(stderr, "usage: fill MIB-A-THREAD CPU...\n");
		return 2;
	}
	pages = strtoull(argv[1], NULL, 0) * 256;
	pthread_barrier_init(&all, NULL, parts);
	for (i = 0; i < parts; i++) {
		part[i].number = i;
		thread[i] = start_on(atoi(argv[i + 2]), run, &part[i]);
	}
	for (i = 0; i < parts; i++) {
		pthread_join(thread[i], NULL);
		printf("fill: cpu %s wrote in %.1f s, checked in %.1f s, %llu wrong\n", argv[i + 2],
		       part[i].wrote, part[i].checked, (unsigned long long)part[i].wrong);
		wrong += part[i].wrong;
	}
	printf("fill: %llu pages, %llu wrong\n", (unsigned long long)(pages * parts),
	       (unsigned long long)wrong);
	return wrong != 0;
}
