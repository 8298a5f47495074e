// SPDX-License-Identifier: GPL-2.0
/* What machines do at present: rates between two looks. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "kernel.h"

struct look {
	GPtrArray *list;
	double at;	/* seconds */
};

/**
 * struct rates - of a machine, a second
 * @waiting: threads that waited for a page, on average
 * @share: of its vCPUs' time, in percent; -1: how many it has is not known
 */
struct rates {
	double read, write, upgrade, sent, received, waiting, share;
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static const struct machine *same(const GPtrArray *list, const struct machine *m)
{
	unsigned int i;

	for (i = 0; i < list->len; i++) {
		const struct machine *other = g_ptr_array_index(list, i);

		if (other->node == m->node && !strcmp(other->uuid, m->uuid))
			return other;
	}
	return NULL;
}

static double rate(const struct machine *now, const struct machine *then, int counter, double s)
{
	return (now->stats[counter] - then->stats[counter]) / s;
}

static struct rates rates(const struct machine *now, const struct machine *then, double s)
{
	struct rates r = {
		.read = rate(now, then, DVMM_A_STATS_FAULTS_READ, s),
		.write = rate(now, then, DVMM_A_STATS_FAULTS_WRITE, s),
		.upgrade = rate(now, then, DVMM_A_STATS_FAULTS_UPGRADE, s),
		.sent = rate(now, then, DVMM_A_STATS_BYTES_SENT, s),
		.received = rate(now, then, DVMM_A_STATS_BYTES_RECEIVED, s),
		.waiting = rate(now, then, DVMM_A_STATS_WAIT_NS, s) / 1e9,
		.share = -1,
	};
	const struct file_node *n;

	if (now->file && now->node < now->file->nodes->len) {
		n = g_ptr_array_index(now->file->nodes, now->node);
		if (n->cpus)
			r.share = 100 * r.waiting / n->cpus;
	}
	return r;
}

static void print_rates(const struct machine *m, const struct rates *r)
{
	char buf[16], share[16] = "-";

	if (r->share >= 0)
		snprintf(share, sizeof(share), "%.1f", r->share);
	printf("%-16.16s %-8.8s %8.0f %8.0f %8.0f %8.2f %6s %8.0f %8.2f %8.2f\n", machine_name(m),
	       machine_node(m, m->node, buf), r->read, r->write, r->upgrade, r->waiting, share,
	       m->stats[DVMM_A_STATS_LATENCY_P99] / 1e3, r->sent / 1e6, r->received / 1e6);
}

static struct json_object *rates_object(const struct machine *m, const struct rates *r)
{
	struct json_object *o = json_object_new_object();

	json_text(o, "name", machine_name(m));
	json_text(o, "uuid", m->uuid);
	json_number(o, "node", m->node);
	json_real(o, "faults_read", r->read);
	json_real(o, "faults_write", r->write);
	json_real(o, "faults_upgrade", r->upgrade);
	json_real(o, "waiting", r->waiting);
	if (r->share >= 0)
		json_real(o, "waiting_percent", r->share);
	json_number(o, "latency_ns_p99", m->stats[DVMM_A_STATS_LATENCY_P99]);
	json_real(o, "bytes_sent", r->sent);
	json_real(o, "bytes_received", r->received);
	return o;
}

/* A machine that was not there at the last look has no rates yet. */
static void show(const struct options *o, const struct look *now, const struct look *then)
{
	struct json_object *rows = json_object_new_array();
	unsigned int i;

	if (!o->json)
		printf("%-16s %-8s %8s %8s %8s %8s %6s %8s %8s %8s\n", "MACHINE", "NODE", "READ/s",
		       "WRITE/s", "UPGR/s", "WAITING", "WAIT%", "p99 us", "TX MB/s", "RX MB/s");
	for (i = 0; i < now->list->len; i++) {
		const struct machine *m = g_ptr_array_index(now->list, i);
		const struct machine *before = same(then->list, m);
		struct rates r;

		if (!before)
			continue;
		r = rates(m, before, now->at - then->at);
		if (o->json)
			json_object_array_add(rows, rates_object(m, &r));
		else
			print_rates(m, &r);
	}
	if (o->json)
		json_print(rows);
	else
		json_object_put(rows);
	fflush(stdout);
}

int verb_top(const struct options *o, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	struct look then, now;
	unsigned long pass;
	int status;
	struct kernel *k = kernel_open(&status);

	if (!k)
		return status;
	then.list = kernel_machines(k, o, word, &status);
	then.at = seconds();
	for (pass = 0; !status && (!o->count || pass < o->count); pass++) {
		usleep(o->delay * 1000000);
		now.list = kernel_machines(k, o, word, &status);
		now.at = seconds();
		if (!now.list)
			break;
		if (!o->json && !o->count && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		show(o, &now, &then);
		g_ptr_array_unref(then.list);
		then = now;
	}
	if (then.list)
		g_ptr_array_unref(then.list);
	kernel_close(k);
	return status;
}
