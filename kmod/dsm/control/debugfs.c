// SPDX-License-Identifier: GPL-2.0
/* What a machine shows of itself. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "debugfs.h"
#include "link/link.h"
#include "machine/kvm.h"
#include "machine/machine.h"
#include "machine/stats.h"
#include "memory/region.h"
#include "memory/watch.h"

static struct dentry *root;

static const char *debugfs_state(const struct dvmm_machine *m)
{
	if (dvmm_machine_stopped(m))
		return "stopped";
	return dvmm_machine_ready(m) ? "ready" : "joining";
}

static int machine_show(struct seq_file *seq, void *unused)
{
	struct dvmm_machine *m = seq->private;

	seq_puts(seq, "v: 1\n");
	seq_printf(seq, "uuid: %pUb\n", m->uuid);
	seq_printf(seq, "node: %u\n", m->self);
	seq_printf(seq, "nodes: %u\n", m->nodes);
	seq_printf(seq, "state: %s\n", debugfs_state(m));
	seq_printf(seq, "reason: %s\n", dvmm_machine_stopped(m) ? m->reason : "");
	seq_printf(seq, "hold_us: %u\n",
		   dvmm_hold_us(&m->hold, m->policy.hold_us, DVMM_PERM_WRITE));
	dvmm_kvm_show(m, seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(machine);

static int stats_show(struct seq_file *seq, void *unused)
{
	struct dvmm_machine *m = seq->private;
	struct dvmm_stats_more more;
	struct dvmm_stats s = {};

	dvmm_stats_sum(m, dvmm_regions_frames(m), &s);
	dvmm_stats_more(m, &more);
	seq_puts(seq, "v: 1\n");
#define X(field) seq_printf(seq, #field ": %llu\n", s.field);
	DVMM_STATS(X)
#undef X
#define X(field) seq_printf(seq, #field ": %llu\n", more.field);
	DVMM_STATS_MORE(X)
#undef X
	seq_printf(seq, "frames: %llu\n", s.frames);
	seq_printf(seq, "latency_ns_p50: %llu\n", s.latency_ns[0]);
	seq_printf(seq, "latency_ns_p90: %llu\n", s.latency_ns[1]);
	seq_printf(seq, "latency_ns_p99: %llu\n", s.latency_ns[2]);
	seq_printf(seq, "latency_ns_max: %llu\n", s.latency_ns[3]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int links_show(struct seq_file *seq, void *unused)
{
	seq_puts(seq, "v: 1\n");
	dvmm_links_show(seq->private, seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(links);

static int lanes_show(struct seq_file *seq, void *unused)
{
	seq_puts(seq, "v: 1\n");
	dvmm_lanes_show(seq->private, seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(lanes);

static int regions_show(struct seq_file *seq, void *unused)
{
	struct dvmm_machine *m = seq->private;
	struct dvmm_region *r;
	unsigned long id;

	seq_puts(seq, "v: 1\n");
	mutex_lock(&m->lock);
	xa_for_each(&m->regions, id, r) {
		seq_printf(seq, "region: %lu home: %u bytes: %llu frames: %llu limit: %llu\n",
			   id, r->home, r->npages << PAGE_SHIFT, (u64)atomic64_read(&r->frames),
			   r->limit);
	}
	mutex_unlock(&m->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

static int flights_show(struct seq_file *seq, void *unused)
{
	seq_puts(seq, "v: 1\n");
	dvmm_watch_show(seq->private, seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(flights);

void dvmm_debugfs_add(struct dvmm_machine *m)
{
	char name[UUID_STRING_LEN + 8];

	snprintf(name, sizeof(name), "%pUb.%u", m->uuid, m->self);
	m->debugfs = debugfs_create_dir(name, root);
	debugfs_create_file("machine", 0400, m->debugfs, m, &machine_fops);
	debugfs_create_file("stats", 0400, m->debugfs, m, &stats_fops);
	debugfs_create_file("links", 0400, m->debugfs, m, &links_fops);
	debugfs_create_file("lanes", 0400, m->debugfs, m, &lanes_fops);
	debugfs_create_file("regions", 0400, m->debugfs, m, &regions_fops);
	debugfs_create_file("flights", 0400, m->debugfs, m, &flights_fops);
}

void dvmm_debugfs_remove(struct dvmm_machine *m)
{
	debugfs_remove_recursive(m->debugfs);
}

void dvmm_debugfs_init(void)
{
	root = debugfs_create_dir("dvmm", NULL);
}

void dvmm_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
