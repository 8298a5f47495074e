// SPDX-License-Identifier: GPL-2.0
/* Cells go where there are CPUs and memory enough. */
#include <stdio.h>
#include <string.h>

#include "../dvmm/json.h"
#include "machine.h"
#include "placement.h"

#define TRIP_UNKNOWN	1000000	/* microseconds */

/**
 * struct room - what a host has left
 * @trips: microseconds from there to others, by id
 * @far: microseconds to it from all hosts that the machine has nodes on already
 */
struct room {
	unsigned int id;
	const char *name;
	int64_t cpus;
	int64_t memory;
	struct json_object *trips;
	uint64_t far;
};

static void room_take(struct room *r, struct json_object *cell)
{
	r->cpus -= json_number_of(cell, "cpus");
	r->memory -= json_number_of(cell, "memory");
}

/* What all machines' cells may use there. */
static void room_count(struct pool *p, struct room *r)
{
	json_object_object_foreach(p->machines, name, machine) {
		struct json_object *cells = machine_cells(machine);
		size_t i;

		(void)name;
		for (i = 0; i < json_object_array_length(cells); i++) {
			struct json_object *cell = json_object_array_get_idx(cells, i);

			if (cell_may_run(cell) && json_number_of(cell, "host") == r->id)
				room_take(r, cell);
		}
	}
}

static GArray *rooms(struct pool *p)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct room));

	json_object_object_foreach(p->hosts, key, host) {
		struct room r = {
			.id = strtoul(key, NULL, 10), .name = json_text_of(host, "name"),
			.cpus = json_number_of(host, "cpus"),
			.memory = json_number_of(host, "memory"),
		};

		if (strcmp(json_text_of(host, "state"), "present"))
			continue;
		json_object_object_get_ex(host, "round_trips", &r.trips);
		room_count(p, &r);
		g_array_append_val(list, r);
	}
	return list;
}

static bool room_is_better(const struct room *r, const struct room *best, const char *node)
{
	bool named = !strcmp(r->name, node), best_named = best && !strcmp(best->name, node);

	if (!best || named != best_named)
		return !best || named;
	if (r->cpus != best->cpus)
		return r->cpus > best->cpus;
	return r->far != best->far ? r->far < best->far : r->id < best->id;
}

/* The machine's next nodes had better be near that one. */
static void rooms_draw(GArray *list, const struct room *taken)
{
	unsigned int i;
	char key[16];

	for (i = 0; i < list->len; i++) {
		struct room *r = &g_array_index(list, struct room, i);
		uint64_t us;

		snprintf(key, sizeof(key), "%u", r->id);
		us = json_number_of(taken->trips, key);
		if (r != taken)
			r->far += us ? us : TRIP_UNKNOWN;
	}
}

static struct room *room_for(GArray *list, struct json_object *cell)
{
	int64_t cpus = json_number_of(cell, "cpus"), memory = json_number_of(cell, "memory");
	const char *node = json_text_of(cell, "node");
	struct room *best = NULL;
	unsigned int i;

	for (i = 0; i < list->len; i++) {
		struct room *r = &g_array_index(list, struct room, i);

		if (r->cpus >= cpus && r->memory >= memory && room_is_better(r, best, node))
			best = r;
	}
	return best;
}

static char *placement_refuse(struct json_object *machine, struct json_object *cell)
{
	return g_strdup_printf("%s: no host has room for node %s: %u CPUs and %u MiB are wanted: "
			       "stop machines or add a host", json_text_of(machine, "name"),
			       json_text_of(cell, "node"),
			       (unsigned int)json_number_of(cell, "cpus"),
			       (unsigned int)(json_number_of(cell, "memory") >> 20));
}

char *placement_make(struct pool *p, struct json_object *machine)
{
	struct json_object *cells = machine_cells(machine), *cell;
	size_t i, n = json_object_array_length(cells);
	GArray *list = rooms(p);
	g_autofree unsigned int *hosts = g_new0(unsigned int, n);
	char *why = NULL;

	for (i = 0; i < n && !why; i++) {
		struct room *r;

		cell = json_object_array_get_idx(cells, i);
		r = room_for(list, cell);
		if (!r) {
			why = placement_refuse(machine, cell);
			break;
		}
		hosts[i] = r->id;
		room_take(r, cell);
		rooms_draw(list, r);
	}
	for (i = 0; i < n && !why; i++) {
		cell = json_object_array_get_idx(cells, i);
		json_number(cell, "host", hosts[i]);
		json_text(cell, "state", "starting");
	}
	g_array_unref(list);
	return why;
}
