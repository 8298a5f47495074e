// SPDX-License-Identifier: GPL-2.0
/* Cells go where there are CPUs and memory enough. */
#include <string.h>

#include "../dvmm/json.h"
#include "machine.h"
#include "placement.h"

/**
 * struct room - what a host has left
 */
struct room {
	unsigned int id;
	const char *name;
	int64_t cpus;
	int64_t memory;
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
	return r->cpus != best->cpus ? r->cpus > best->cpus : r->id < best->id;
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
		if (r)
			room_take(r, cell);
		else
			why = placement_refuse(machine, cell);
		hosts[i] = r ? r->id : 0;
	}
	for (i = 0; i < n && !why; i++) {
		cell = json_object_array_get_idx(cells, i);
		json_number(cell, "host", hosts[i]);
		json_text(cell, "state", "starting");
	}
	g_array_unref(list);
	return why;
}
