// SPDX-License-Identifier: GPL-2.0
/* How the clocks of the nodes go, beside each other: two measurements, some time apart. */
#include <stdio.h>
#include <unistd.h>

#include "json.h"
#include "kernel.h"

#define ROUNDS	50

/**
 * struct drift - what two measurements say
 * @us: bound of the error of the offset
 * @ppm: how much faster the other clock is
 * @doubt: bound of the error of that
 */
struct drift {
	double us, ppm, doubt;
};

static struct drift drift(const struct machine_clock *then, const struct machine_clock *now)
{
	double cycles = (now->time - then->time) / 1e6 * now->khz;

	return (struct drift){
		.us = now->error * 1e3 / now->khz,
		.ppm = (now->offset - then->offset) / cycles * 1e6,
		.doubt = (now->error + then->error) / cycles * 1e6,
	};
}

static void print_clock(const struct machine *m, unsigned int peer, const struct machine_clock *c,
			const struct drift *d)
{
	char ours[16], theirs[16];

	printf("%s: %s to %s: offset %lld cycles within %.1f us, ", machine_name(m),
	       machine_node(m, m->node, ours), machine_node(m, peer, theirs),
	       (long long)c->offset, d->us);
	printf("%+.2f ppm within %.2f\n", d->ppm, d->doubt);
}

static struct json_object *clock_object(const struct machine *m, unsigned int peer,
					const struct machine_clock *c, const struct drift *d)
{
	struct json_object *o = json_object_new_object();

	json_text(o, "uuid", m->uuid);
	json_number(o, "node", m->node);
	json_number(o, "peer", peer);
	json_object_object_add(o, "offset", json_object_new_int64(c->offset));
	json_number(o, "error", c->error);
	json_number(o, "tsc_khz", c->khz);
	json_real(o, "ppm", d->ppm);
	json_real(o, "ppm_error", d->doubt);
	return o;
}

static int clock_of(const struct options *o, struct kernel *k, const struct machine *m,
		    unsigned int peer, struct json_object *rows)
{
	unsigned int rounds = o->count ? MIN(o->count, DVMM_CLOCK_ROUNDS_MAX) : ROUNDS;
	struct machine_clock then, now;
	int status = kernel_clock(k, m, peer, rounds, &then);
	struct drift d;

	if (status)
		return status;
	usleep(o->delay * 1000000);
	status = kernel_clock(k, m, peer, rounds, &now);
	if (status)
		return status;
	d = drift(&then, &now);
	if (o->json)
		json_object_array_add(rows, clock_object(m, peer, &now, &d));
	else
		print_clock(m, peer, &now, &d);
	return 0;
}

static int clocks_of(const struct options *o, struct kernel *k, const struct machine *m,
		     struct json_object *rows)
{
	int status = 0;
	unsigned int i;

	for (i = 0; !status && i < m->links->len; i++) {
		const struct machine_link *l = g_ptr_array_index(m->links, i);

		if (l->status == DVMM_LINK_STATUS_UP)
			status = clock_of(o, k, m, l->peer, rows);
	}
	return status;
}

int verb_clock(const struct options *o, int argc, char **argv)
{
	struct json_object *rows = json_object_new_array();
	int status;
	struct kernel *k = kernel_open(&status);
	GPtrArray *list = k ? kernel_machines(k, o, argc > 1 ? argv[1] : NULL, &status) : NULL;
	unsigned int i;

	for (i = 0; !status && i < list->len; i++)
		status = clocks_of(o, k, g_ptr_array_index(list, i), rows);
	if (o->json && !status)
		json_print(rows);
	else
		json_object_put(rows);
	if (list)
		g_ptr_array_unref(list);
	if (k)
		kernel_close(k);
	return status;
}
