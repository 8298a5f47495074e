// SPDX-License-Identifier: GPL-2.0
/*
 * In whose cgroup a machine's threads work: what sends the guest's interrupts in the VMM's; what
 * answers other nodes in the root, where no bound of this VMM can hold them up.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "node.h"
#include "tap.h"
#include "vm.h"

#define NODES	2
#define READERS	(NODES * DVMM_LINK_LANES)

/* The first line, without its end; empty where there is none. */
static void read_line(const char *pid, const char *file, char *line, int n)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	f = fopen(path, "re");
	if (!f || !fgets(line, n, f))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	if (f)
		fclose(f);
}

/* Threads whose names begin so, and how many of them are in a cgroup. */
struct threads {
	const char *name;
	const char *group;
	int all;
	int in;
};

static void threads_add(struct threads *t, const char *pid)
{
	char name[64], group[256];

	read_line(pid, "comm", name, sizeof(name));
	if (strncmp(name, t->name, strlen(t->name)))
		return;
	read_line(pid, "cgroup", group, sizeof(group));
	tap_diag("%s: %s", name, group);
	t->all++;
	t->in += !strcmp(group, t->group);
}

static void threads_count(struct threads *t)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		tap_bail("/proc: %s", strerror(errno));
	while ((entry = readdir(dir)))
		threads_add(t, entry->d_name);
	closedir(dir);
}

static void look(void)
{
	struct threads senders = { .name = "dvmm-ipi/", .group = "0::/owner" };
	struct threads readers = { .name = "dvmm-loop/", .group = "0::/" };

	threads_count(&senders);
	threads_count(&readers);
	tap_ok(senders.all == NODES && senders.in == NODES,
	       "who sends interrupts is in the cgroup of the VMM (%d of %d)", senders.in,
	       senders.all);
	tap_ok(readers.all == READERS && readers.in == READERS,
	       "who answers other nodes is not (%d of %d)", readers.in, readers.all);
}

int main(void)
{
	static const struct place places[] = { { 0, 0 }, { 1, 1 } };
	struct guest *g;
	int node;

	tap_start(60);
	klog_open();
	close_all((int[]){ dev_open(), kvm_open() }, 2);
	if (!cgroup_make())
		tap_skip_all("cgroup: %s", strerror(errno));
	g = guest_create(places, 2, NODES);
	if (!cgroup_enter())
		tap_bail("cgroup: %s", strerror(errno));
	guest_join(g);
	for (node = 0; node < NODES; node++)
		if (guest_attach(g, node, g->vm[node]))
			tap_bail("attach: %s", strerror(errno));
	look();
	guest_destroy(g);
	cgroup_leave();
	cgroup_remove();
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
