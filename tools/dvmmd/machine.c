// SPDX-License-Identifier: GPL-2.0
/* What happens to machines: defined, started, ready, ended, stopped, lost, fenced. */
#include <stdio.h>
#include <string.h>

#include "../dvmm/json.h"
#include "machine.h"
#include "placement.h"

#define MACHINE_RESTARTS_MAX 3
#define CELL_CPUS_MAX	4096
#define CELL_MEMORY_MAX	(1ull << 52)

static bool machine_is(struct json_object *o, const char *state)
{
	return !strcmp(json_text_of(o, "state"), state);
}

struct json_object *machine_cells(struct json_object *machine)
{
	return json_list_of(machine, "cells");
}

bool cell_may_run(struct json_object *cell)
{
	return !machine_is(cell, "idle") && !machine_is(cell, "ended");
}

/* The first cell that may run, NULL: none may. */
static struct json_object *machine_alive(struct json_object *machine)
{
	struct json_object *cells = machine_cells(machine), *cell;
	size_t i;

	for (i = 0; i < json_object_array_length(cells); i++) {
		cell = json_object_array_get_idx(cells, i);
		if (cell_may_run(cell))
			return cell;
	}
	return NULL;
}

static void machine_become(struct pool *p, struct json_object *machine, const char *state,
			   const char *reason)
{
	json_text(machine, "state", state);
	json_text(machine, "reason", reason);
	json_number(machine, "since", p->sequence);
}

static const char *machine_host_name(struct pool *p, unsigned int id)
{
	struct json_object *host = pool_host(p, id);

	return host ? json_text_of(host, "name") : "?";
}

/* ---- defined ---- */

static bool cell_is_fine(struct json_object *cell)
{
	return json_object_is_type(cell, json_type_object) &&
	       pool_name_is_fine(json_text_of(cell, "node")) &&
	       json_number_of(cell, "cpus") <= CELL_CPUS_MAX &&
	       json_number_of(cell, "memory") <= CELL_MEMORY_MAX;
}

static bool machine_is_fine(struct json_object *machine)
{
	struct json_object *cells;
	size_t i;

	if (!json_object_is_type(machine, json_type_object))
		return false;
	cells = machine_cells(machine);
	if (!cells || !json_object_array_length(cells) ||
	    !pool_name_is_fine(json_text_of(machine, "name")) || !*json_text_of(machine, "uuid"))
		return false;
	for (i = 0; i < json_object_array_length(cells); i++)
		if (!cell_is_fine(json_object_array_get_idx(cells, i)))
			return false;
	return true;
}

bool machines_are_fine(struct json_object *machines)
{
	json_object_object_foreach(machines, name, machine)
		if (!machine_is_fine(machine) || strcmp(json_text_of(machine, "name"), name))
			return false;
	return true;
}

/* NULL: no other has its name or its UUID, and there is room */
static char *machine_rival(struct pool *p, struct json_object *machine)
{
	const char *name = json_text_of(machine, "name"), *uuid = json_text_of(machine, "uuid");
	struct json_object *all;
	size_t len;

	if (pool_machine(p, name))
		return g_strdup_printf("%s: a machine of that name is defined: dvmm undefine %s",
				       name, name);
	json_object_object_foreach(p->machines, other, m)
		if (!g_ascii_strcasecmp(json_text_of(m, "uuid"), uuid))
			return g_strdup_printf("%s: %s has the same UUID: give it another",
					       name, other);
	all = pool_save(p);
	len = strlen(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN)) +
	      strlen(json_object_to_json_string_ext(machine, JSON_C_TO_STRING_PLAIN));
	json_object_put(all);
	if (len < POOL_TEXT_MAX)
		return NULL;
	return g_strdup_printf("%s: the pool is full: undefine machines", name);
}

static char *machine_define(struct pool *p, struct json_object *message)
{
	struct json_object *told = NULL, *machine = NULL, *cells;
	char *why;
	size_t i;

	json_object_object_get_ex(message, "machine", &told);
	if (!machine_is_fine(told) || json_object_deep_copy(told, &machine, NULL))
		return g_strdup("that is no machine: use the dvmm of this version");
	why = machine_rival(p, machine);
	if (why) {
		json_object_put(machine);
		return why;
	}
	cells = machine_cells(machine);
	for (i = 0; i < json_object_array_length(cells); i++)
		json_text(json_object_array_get_idx(cells, i), "state", "idle");
	json_number(machine, "run", 0);
	machine_become(p, machine, "stopped", "");
	json_object_object_add(p->machines, json_text_of(machine, "name"), machine);
	return NULL;
}

/* NULL: none of it can be anywhere */
static char *machine_why_alive(struct pool *p, struct json_object *machine)
{
	struct json_object *cell = machine_alive(machine);
	const char *name = json_text_of(machine, "name"), *host;

	if (!cell)
		return NULL;
	host = machine_host_name(p, json_number_of(cell, "host"));
	if (machine_is(cell, "lost"))
		return g_strdup_printf("%s: it may still run on %s, which is out of reach: when "
				       "that host is surely off, dvmm fenced %s", name, host, host);
	return g_strdup_printf("%s: it is %s on %s: dvmm stop %s", name,
			       json_text_of(machine, "state"), host, name);
}

static char *machine_undefine(struct pool *p, struct json_object *machine)
{
	char *why = machine_why_alive(p, machine);

	if (!why)
		json_object_object_del(p->machines, json_text_of(machine, "name"));
	return why;
}

/* ---- from start to end ---- */

/* @from: the checkpoint that it begins with, "": none */
static char *machine_begin(struct pool *p, struct json_object *machine, const char *from)
{
	char *why = placement_make(p, machine);

	if (why)
		return why;
	json_text(machine, "from", from);
	json_number(machine, "run", json_number_of(machine, "run") + 1);
	machine_become(p, machine, "starting", "");
	return NULL;
}

static char *machine_start(struct pool *p, struct json_object *machine,
			   struct json_object *message)
{
	char *why = machine_why_alive(p, machine);

	if (!why)
		why = machine_begin(p, machine, json_text_of(message, "from"));
	if (why)
		return why;
	json_text(machine, "restart", json_text_of(message, "restart"));
	json_number(machine, "every", json_number_of(message, "every"));
	json_number(machine, "restarts", 0);
	return NULL;
}

/*
 * A machine that has failed, and is surely nowhere any more, goes on from its checkpoint; not for
 * ever, as what it fails of may be in it.  Where there is no room it waits for hosts.
 */
static void machine_may_restart(struct pool *p, struct json_object *machine)
{
	uint64_t restarts = json_number_of(machine, "restarts");
	char *checkpoint, *reason, *why;

	if (!*json_text_of(machine, "restart") || machine_alive(machine) ||
	    restarts >= MACHINE_RESTARTS_MAX)
		return;
	checkpoint = g_strdup(json_text_of(machine, "restart"));
	why = machine_begin(p, machine, checkpoint);
	if (!why) {
		json_number(machine, "restarts", restarts + 1);
	} else {
		reason = g_strdup_printf("not begun again: %s", why);
		json_text(machine, "reason", reason);
		g_free(reason);
	}
	g_free(why);
	g_free(checkpoint);
}

bool machines_look(struct pool *p)
{
	bool begun = false;

	json_object_object_foreach(p->machines, name, machine) {
		(void)name;
		if (!machine_is(machine, "failed"))
			continue;
		machine_may_restart(p, machine);
		begun |= !machine_is(machine, "failed");
	}
	return begun;
}

static char *machine_stop(struct pool *p, struct json_object *machine)
{
	json_text(machine, "restart", "");
	if (machine_is(machine, "stopped"))
		return g_strdup_printf("%s: it does not run", json_text_of(machine, "name"));
	if (!machine_is(machine, "failed"))
		machine_become(p, machine, "stopping", "");
	else if (!machine_alive(machine))
		machine_become(p, machine, "stopped", "");
	return NULL;
}

/* The cell that a host tells of; NULL: it is not that host's in this run */
static struct json_object *machine_cell_of(struct json_object *machine, unsigned int sender,
					   struct json_object *message)
{
	struct json_object *cells = machine_cells(machine), *cell;
	uint64_t index = json_number_of(message, "cell");

	if (json_number_of(message, "run") != json_number_of(machine, "run") ||
	    index >= json_object_array_length(cells))
		return NULL;
	cell = json_object_array_get_idx(cells, index);
	return json_number_of(cell, "host") == sender && cell_may_run(cell) ? cell : NULL;
}

static bool machine_all_run(struct json_object *machine)
{
	struct json_object *cells = machine_cells(machine);
	size_t i;

	for (i = 0; i < json_object_array_length(cells); i++)
		if (!machine_is(json_object_array_get_idx(cells, i), "running"))
			return false;
	return true;
}

static void machine_ready(struct pool *p, struct json_object *machine, struct json_object *cell)
{
	json_text(cell, "state", "running");
	if (machine_is(machine, "starting") && machine_all_run(machine))
		machine_become(p, machine, "running", "");
}

/* One cell that has ended ends all of them. */
static void machine_ended(struct pool *p, struct json_object *machine, struct json_object *cell,
			  const char *reason)
{
	json_text(cell, "state", "ended");
	if (machine_is(machine, "starting") || machine_is(machine, "running"))
		machine_become(p, machine, *reason ? "failed" : "stopping", reason);
	if (machine_is(machine, "stopping") && !machine_alive(machine))
		machine_become(p, machine, "stopped", "");
	else if (machine_is(machine, "failed"))
		machine_may_restart(p, machine);
}

static char *machine_told(struct pool *p, struct json_object *machine, unsigned int sender,
			  const char *kind, struct json_object *message)
{
	struct json_object *cell = machine_cell_of(machine, sender, message);

	if (!cell)
		return g_strdup_printf("%s: host %u tells of a cell that it does not run: "
				       "nothing to be done", json_text_of(machine, "name"), sender);
	if (!strcmp(kind, "ready"))
		machine_ready(p, machine, cell);
	else
		machine_ended(p, machine, cell, json_text_of(message, "reason"));
	return NULL;
}

/* ---- hosts that are gone ---- */

typedef void machine_visit(struct pool *p, struct json_object *machine, struct json_object *cell,
			   const char *name);

static void machines_visit(struct pool *p, unsigned int host, machine_visit *visit)
{
	json_object_object_foreach(p->machines, name, machine) {
		struct json_object *cells = machine_cells(machine);
		size_t i;

		(void)name;
		for (i = 0; i < json_object_array_length(cells); i++) {
			struct json_object *cell = json_object_array_get_idx(cells, i);

			if (cell_may_run(cell) && json_number_of(cell, "host") == host)
				visit(p, machine, cell, machine_host_name(p, host));
		}
	}
}

static void machine_lose(struct pool *p, struct json_object *machine, struct json_object *cell,
			 const char *name)
{
	char *reason = g_strdup_printf("host %s is out of reach", name);

	json_text(cell, "state", "lost");
	if (machine_is(machine, "starting") || machine_is(machine, "running"))
		machine_become(p, machine, "failed", reason);
	g_free(reason);
}

void machines_lose_host(struct pool *p, unsigned int id)
{
	machines_visit(p, id, machine_lose);
}

static bool machine_lost_on(struct json_object *machine, unsigned int id)
{
	struct json_object *cells = machine_cells(machine), *cell;
	size_t i;

	for (i = 0; i < json_object_array_length(cells); i++) {
		cell = json_object_array_get_idx(cells, i);
		if (machine_is(cell, "lost") && json_number_of(cell, "host") == id)
			return true;
	}
	return false;
}

bool machines_lost_on(const struct pool *p, unsigned int id)
{
	json_object_object_foreach(p->machines, name, machine) {
		(void)name;
		if (machine_lost_on(machine, id))
			return true;
	}
	return false;
}

static void machine_fence(struct pool *p, struct json_object *machine, struct json_object *cell,
			  const char *name)
{
	(void)name;
	machine_ended(p, machine, cell, "its host was fenced");
}

static void machines_fence(struct pool *p, unsigned int id, struct json_object *host)
{
	json_object_object_del(host, "unfenced");
	machines_visit(p, id, machine_fence);
}

/*
 * What is said of a host that is away: that it is off, or why it could not be made sure.  One that
 * came back by another id has its name twice.
 */
static char *machines_take_fence(struct pool *p, const char *kind, struct json_object *message)
{
	const char *name = json_text_of(message, "name");
	bool away = false;

	json_object_object_foreach(p->hosts, key, host) {
		if (strcmp(json_text_of(host, "name"), name) || !machine_is(host, "away"))
			continue;
		away = true;
		if (!strcmp(kind, "fenced"))
			machines_fence(p, strtoul(key, NULL, 10), host);
		else
			json_text(host, "unfenced", json_text_of(message, "reason"));
	}
	if (away)
		return NULL;
	return g_strdup_printf(pool_has_named(p, name) ?
			       "%s: the host is in the pool: only one that is away can be fenced" :
			       "%s: there is no such host: dvmm hosts", name);
}

/* ---- messages ---- */

char *machines_apply(struct pool *p, unsigned int sender, const char *kind,
		     struct json_object *message)
{
	const char *name = json_text_of(message, "name");
	struct json_object *machine;

	if (!strcmp(kind, "define"))
		return machine_define(p, message);
	if (!strcmp(kind, "fenced") || !strcmp(kind, "unfenced"))
		return machines_take_fence(p, kind, message);
	machine = pool_machine(p, name);
	if (!machine)
		return g_strdup_printf("%s: there is no such machine in the pool: dvmm machines",
				       name);
	if (!strcmp(kind, "undefine"))
		return machine_undefine(p, machine);
	if (!strcmp(kind, "start"))
		return machine_start(p, machine, message);
	if (!strcmp(kind, "stop"))
		return machine_stop(p, machine);
	if (!strcmp(kind, "ready") || !strcmp(kind, "ended"))
		return machine_told(p, machine, sender, kind, message);
	return g_strdup_printf("host %u asks for '%s', which is not known here: install the same "
			       "dvmmd on all hosts", sender, kind);
}
