// SPDX-License-Identifier: GPL-2.0
/* What a page costs with all nodes in this kernel, over TCP; and its metadata. */
#include <stdio.h>
#include <unistd.h>

#include "tap.h"
#include "work.h"

#define METADATA_BYTES (512ul << 20)

/* All that a region's metadata is made of comes from vmalloc. */
static long vmalloc_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[100];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmallocUsed: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void metadata(int home, const char *where)
{
	struct machine_params m = { .nodes = 2 };
	int machine, region;
	long before;

	random_uuid(m.uuid);
	machine = machine_create(&m);
	before = vmalloc_kib();
	region = region_create(machine, 0, home, METADATA_BYTES, 0);
	if (tap_ok(region >= 0, "a region of %lu MiB, %s", METADATA_BYTES >> 20, where))
		tap_diag("metadata of a page %s: %.2f bytes", where,
			 (vmalloc_kib() - before) * 1024.0 / (METADATA_BYTES / PAGE));
	close_all(&region, 1);
	close_all(&machine, 1);
}

static void transitions(void)
{
	struct cluster c = {
		.nodes = CLUSTER_NODES, .transport = "tcp", .bytes = 1024 * PAGE,
		.hold_us = 100,
	};
	char why[200];
	int ret;

	if (cluster_open(&c) || cluster_plain(&c)) {
		tap_ok(false, "%d nodes: %s", c.nodes, c.why);
		return;
	}
	ret = cluster_run(&c, work_bench, 0, why);
	cluster_close(&c);
	tap_ok(!ret, "%d nodes in one kernel over TCP: measured%s%s", CLUSTER_NODES,
	       ret ? ": " : "", ret ? why : "");
}

int main(void)
{
	tap_start(280);
	klog_open();
	close(dev_open());
	metadata(0, "at its home");
	metadata(1, "elsewhere");
	transitions();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
