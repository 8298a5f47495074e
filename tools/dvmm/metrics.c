// SPDX-License-Identifier: GPL-2.0
/* All figures in the text format of Prometheus. */
#include <stdio.h>

#include "kernel.h"

static void labels(const struct machine *m)
{
	char buf[16];

	printf("{machine=\"%s\",uuid=\"%s\",node=\"%s\"", machine_name(m), m->uuid,
	       machine_node(m, m->node, buf));
}

static void head(const char *name, const char *type, const char *help)
{
	printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void states(const GPtrArray *list)
{
	unsigned int i, state;

	head("dvmm_machine_state", "gauge", "1 for the state that the machine is in");
	for (i = 0; i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		for (state = 0; state <= DVMM_MACHINE_STATE_STOPPED; state++) {
			fputs("dvmm_machine_state", stdout);
			labels(m);
			printf(",state=\"%s\"} %d\n", machine_states[state], state == m->state);
		}
	}
}

#define NS (1 / 1e9)

static const struct {
	int counter;
	const char *name, *kind, *type, *help;
	double unit;
} figures[] = {
	{ DVMM_A_STATS_FAULTS_READ, "dvmm_faults_total", "read", "counter",
	  "accesses that had to ask for a page", 1 },
	{ DVMM_A_STATS_FAULTS_WRITE, "dvmm_faults_total", "write", NULL, NULL, 1 },
	{ DVMM_A_STATS_FAULTS_UPGRADE, "dvmm_faults_total", "upgrade", NULL, NULL, 1 },
	{ DVMM_A_STATS_FAULTS_LOCAL, "dvmm_faults_total", "local", NULL, NULL, 1 },
	{ DVMM_A_STATS_FAULTS_FIRST, "dvmm_faults_total", "first", NULL, NULL, 1 },
	{ DVMM_A_STATS_WAIT_NS, "dvmm_fault_wait_seconds_total", NULL, "counter",
	  "time that accesses waited for pages", NS },
	{ DVMM_A_STATS_LATENCY_P50, "dvmm_fault_wait_seconds", "p50", "gauge",
	  "wait of a fault since the machine began", NS },
	{ DVMM_A_STATS_LATENCY_P90, "dvmm_fault_wait_seconds", "p90", NULL, NULL, NS },
	{ DVMM_A_STATS_LATENCY_P99, "dvmm_fault_wait_seconds", "p99", NULL, NULL, NS },
	{ DVMM_A_STATS_LATENCY_MAX, "dvmm_fault_wait_seconds", "max", NULL, NULL, NS },
	{ DVMM_A_STATS_MESSAGES_SENT, "dvmm_messages_total", "sent", "counter",
	  "messages between nodes", 1 },
	{ DVMM_A_STATS_MESSAGES_RECEIVED, "dvmm_messages_total", "received", NULL, NULL, 1 },
	{ DVMM_A_STATS_BYTES_SENT, "dvmm_bytes_total", "sent", "counter",
	  "headers and payload of messages", 1 },
	{ DVMM_A_STATS_BYTES_RECEIVED, "dvmm_bytes_total", "received", NULL, NULL, 1 },
	{ DVMM_A_STATS_PAGES_SENT, "dvmm_pages_total", "sent", "counter",
	  "messages that carried a page", 1 },
	{ DVMM_A_STATS_PAGES_RECEIVED, "dvmm_pages_total", "received", NULL, NULL, 1 },
	{ DVMM_A_STATS_INVALIDATIONS, "dvmm_taken_total", "invalidated", "counter",
	  "pages that peers took away or made read-only", 1 },
	{ DVMM_A_STATS_DOWNGRADES, "dvmm_taken_total", "downgraded", NULL, NULL, 1 },
	{ DVMM_A_STATS_EVICTIONS, "dvmm_evictions_total", NULL, "counter",
	  "pages given up for room", 1 },
	{ DVMM_A_STATS_DISCARDED, "dvmm_discarded_total", NULL, "counter",
	  "messages that came too late", 1 },
	{ DVMM_A_STATS_PREFETCHES, "dvmm_prefetches_total", NULL, "counter",
	  "pages asked for ahead", 1 },
	{ DVMM_A_STATS_ZEROS_ASKED, "dvmm_zeros_asked_total", NULL, "counter",
	  "untouched pages of other nodes asked for ahead", 1 },
	{ DVMM_A_STATS_BLOCKS, "dvmm_blocks_total", NULL, "counter",
	  "untouched blocks of 2 MiB taken at their home", 1 },
	{ DVMM_A_STATS_BLOCKS_SPLIT, "dvmm_blocks_split_total", NULL, "counter",
	  "blocks of 2 MiB that are single pages since", 1 },
	{ DVMM_A_STATS_COPIES_ASKED, "dvmm_copies_asked_total", NULL, "counter",
	  "pages of other nodes asked for ahead, to read them", 1 },
	{ DVMM_A_STATS_COPIES_GOT, "dvmm_copies_total", "got", "counter",
	  "pages read ahead that came, were used, or went before that", 1 },
	{ DVMM_A_STATS_COPIES_USED, "dvmm_copies_total", "used", NULL, NULL, 1 },
	{ DVMM_A_STATS_COPIES_LOST, "dvmm_copies_total", "lost", NULL, NULL, 1 },
	{ DVMM_A_STATS_PIN_WAITS, "dvmm_pin_waits_total", NULL, "counter",
	  "how often a page was asked for while pinned", 1 },
	{ DVMM_A_STATS_FRAMES, "dvmm_frames", NULL, "gauge", "pages held by this node", 1 },
};

static void stats(const GPtrArray *list)
{
	unsigned int f, i;

	for (f = 0; f < G_N_ELEMENTS(figures); f++) {
		if (figures[f].type)
			head(figures[f].name, figures[f].type, figures[f].help);
		for (i = 0; i < list->len; i++) {
			const struct machine *m = g_ptr_array_index(list, i);

			fputs(figures[f].name, stdout);
			labels(m);
			if (figures[f].kind)
				printf(",kind=\"%s\"", figures[f].kind);
			printf("} %.15g\n", m->stats[figures[f].counter] * figures[f].unit);
		}
	}
}

static void link_labels(const char *name, const struct machine *m, const struct machine_link *l)
{
	char buf[16];

	fputs(name, stdout);
	labels(m);
	printf(",peer=\"%s\",transport=\"%s\"", machine_node(m, l->peer, buf), l->transport);
}

static void link_up(const struct machine *m, const struct machine_link *l)
{
	link_labels("dvmm_link_up", m, l);
	printf("} %d\n", l->status == DVMM_LINK_STATUS_UP);
}

static void link_bytes(const struct machine *m, const struct machine_link *l)
{
	link_labels("dvmm_link_bytes_total", m, l);
	printf(",kind=\"sent\"} %llu\n", (unsigned long long)l->bytes_sent);
	link_labels("dvmm_link_bytes_total", m, l);
	printf(",kind=\"received\"} %llu\n", (unsigned long long)l->bytes_received);
}

static void links(const GPtrArray *list, void (*fn)(const struct machine *m,
						    const struct machine_link *l))
{
	unsigned int i, j;

	for (i = 0; i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		for (j = 0; j < m->links->len; j++)
			fn(m, g_ptr_array_index(m->links, j));
	}
}

int verb_metrics(const struct options *o, int argc, char **argv)
{
	int status;
	struct kernel *k = kernel_open(&status);
	GPtrArray *list = k ? kernel_machines(k, o, argc > 1 ? argv[1] : NULL, &status) : NULL;

	if (list) {
		states(list);
		stats(list);
		head("dvmm_link_up", "gauge", "1 if the link is up");
		links(list, link_up);
		head("dvmm_link_bytes_total", "counter", "headers and payload on a link");
		links(list, link_bytes);
		g_ptr_array_unref(list);
	}
	if (k)
		kernel_close(k);
	return status;
}
