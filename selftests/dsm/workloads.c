// SPDX-License-Identifier: GPL-2.0
/* The list of workloads. */
#include <string.h>

#include "work.h"

const struct workload workloads[] = {
	{ "zero", work_zero, "first touch finds zeroes" },
	{ "upgrade", work_upgrade, "a write after shared reads reaches all readers" },
	{ "counters", work_counters, "atomics and locks lose nothing" },
	{ "prodcons", work_prodcons, "producer and consumer: every item arrives intact, in order" },
	{ "barriers", work_barriers, "nobody leaves a barrier early" },
	{ "channel", work_channel, "datagrams arrive whole and in order" },
	{ "fork", work_fork, "forked writers lose nothing" },
	{ "scan", work_scan, "who reads in order finds what was written last" },
	{ "io", work_io, "file I/O moves pages that another node wrote" },
	{ "litmus", work_litmus, "no outcome that x86-TSO forbids" },
	{ "bench", work_bench, "what a page costs" },
	{ "stream", work_stream, "what pages in a row cost" },
	{ "pressure", work_pressure, "eviction loses no write and keeps to the limit" },
};
const int workload_count = sizeof(workloads) / sizeof(workloads[0]);

const struct workload *workload_find(const char *name)
{
	int i;

	for (i = 0; i < workload_count; i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	return NULL;
}
