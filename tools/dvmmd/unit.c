// SPDX-License-Identifier: GPL-2.0
/* Starts, ends and tells of the cells of this host, as the agreed state wants it. */
#include <string.h>

#include "../dvmm/json.h"
#include "machine.h"
#include "unit.h"

/**
 * struct units - all of a host
 */
struct units {
	unsigned int self;
	const struct unit_ops *ops;
	void *arg;
	GPtrArray *list;
};

static void unit_free(void *arg)
{
	struct unit *u = arg;

	g_free(u->machine);
	g_free(u->node);
	g_free(u->reason);
	g_free(u);
}

struct units *units_new(unsigned int self, const struct unit_ops *ops, void *arg)
{
	struct units *all = g_new0(struct units, 1);

	all->self = self;
	all->ops = ops;
	all->arg = arg;
	all->list = g_ptr_array_new_with_free_func(unit_free);
	return all;
}

void units_free(struct units *all)
{
	g_ptr_array_unref(all->list);
	g_free(all);
}

struct unit *units_add(struct units *all, const char *machine, const char *node, unsigned int run,
		       unsigned int cell)
{
	struct unit *u = g_new0(struct unit, 1);

	u->machine = g_strdup(machine);
	u->node = g_strdup(node);
	u->run = run;
	u->cell = cell;
	u->reason = g_strdup("");
	u->because = "";
	g_ptr_array_add(all->list, u);
	return u;
}

struct unit *units_find(struct units *all, const char *machine, const char *node)
{
	unsigned int i;

	for (i = 0; i < all->list->len; i++) {
		struct unit *u = g_ptr_array_index(all->list, i);

		if (!strcmp(u->machine, machine) && !strcmp(u->node, node))
			return u;
	}
	return NULL;
}

void unit_be_active(struct unit *u)
{
	u->told &= u->state == UNIT_ACTIVE;
	u->state = UNIT_ACTIVE;
}

void unit_end(struct unit *u, const char *reason)
{
	if (u->state == UNIT_ENDED)
		return;
	u->state = UNIT_ENDED;
	u->told = false;
	g_free(u->reason);
	u->reason = g_strdup(reason);
}

void units_new_view(struct units *all)
{
	unsigned int i;

	for (i = 0; i < all->list->len; i++)
		((struct unit *)g_ptr_array_index(all->list, i))->told = false;
}

static void unit_stop(struct units *all, struct unit *u, const char *because)
{
	if (u->stopping || u->state == UNIT_ENDED)
		return;
	u->stopping = true;
	u->because = because;
	all->ops->stop(all->arg, u);
}

void units_stop_all(struct units *all, const char *because)
{
	unsigned int i;

	for (i = 0; i < all->list->len; i++)
		unit_stop(all, g_ptr_array_index(all->list, i), because);
}

unsigned int units_alive(const struct units *all)
{
	unsigned int i, n = 0;

	for (i = 0; i < all->list->len; i++)
		n += ((struct unit *)g_ptr_array_index(all->list, i))->state != UNIT_ENDED;
	return n;
}

/* ---- what the state says of a unit ---- */

/* NULL: the state knows of no such run here */
static struct json_object *unit_cell(struct units *all, const struct unit *u,
				     struct json_object *machine)
{
	struct json_object *cells = machine ? machine_cells(machine) : NULL, *cell;

	if (!cells || json_number_of(machine, "run") != u->run ||
	    u->cell >= json_object_array_length(cells))
		return NULL;
	cell = json_object_array_get_idx(cells, u->cell);
	return json_number_of(cell, "host") == all->self && cell_may_run(cell) ? cell : NULL;
}

static bool unit_machine_goes_on(struct json_object *machine)
{
	const char *state = json_text_of(machine, "state");

	return !strcmp(state, "starting") || !strcmp(state, "running");
}

static void unit_tell(struct units *all, struct unit *u, const char *kind)
{
	struct json_object *o;

	if (u->told)
		return;
	u->told = true;
	o = json_object_new_object();
	json_text(o, "kind", kind);
	json_text(o, "name", u->machine);
	json_number(o, "run", u->run);
	json_number(o, "cell", u->cell);
	json_text(o, "reason", u->reason);
	all->ops->tell(all->arg, o);
	json_object_put(o);
}

/* false: nobody has to know of it any more */
static bool unit_look(struct units *all, struct unit *u, const struct pool *p)
{
	struct json_object *machine = pool_machine(p, u->machine);
	struct json_object *cell = unit_cell(all, u, machine);

	if (u->state == UNIT_ENDED) {
		if (cell)
			unit_tell(all, u, "ended");
		return cell;
	}
	if (!cell || !unit_machine_goes_on(machine))
		unit_stop(all, u, "");
	else if (u->state == UNIT_ACTIVE && !strcmp(json_text_of(cell, "state"), "starting"))
		unit_tell(all, u, "ready");
	return true;
}

/* ---- cells without a unit ---- */

/* @sure: a start is no decision that may be lost */
static void units_start(struct units *all, struct json_object *machine, struct json_object *cell,
			unsigned int index, bool sure, enum units_left left)
{
	const char *name = json_text_of(machine, "name"), *node = json_text_of(cell, "node");
	bool begins = !strcmp(json_text_of(machine, "state"), "starting") &&
		      !strcmp(json_text_of(cell, "state"), "starting");
	struct unit *u;

	/* One of an earlier run first has to end. */
	if (units_find(all, name, node) || !(begins ? sure : left == UNITS_LEFT_KNOWN))
		return;
	u = units_add(all, name, node, json_number_of(machine, "run"), index);
	if (begins) {
		all->ops->start(all->arg, u);
		return;
	}
	unit_end(u, "its QEMU is gone");
	unit_tell(all, u, "ended");
}

static void units_look_at(struct units *all, struct json_object *machine, uint64_t stable,
			  enum units_left left)
{
	struct json_object *cells = machine_cells(machine), *cell;
	bool sure = json_number_of(machine, "since") <= stable;
	size_t i;

	for (i = 0; i < json_object_array_length(cells); i++) {
		cell = json_object_array_get_idx(cells, i);
		if (cell_may_run(cell) && json_number_of(cell, "host") == all->self)
			units_start(all, machine, cell, i, sure, left);
	}
}

void units_look(struct units *all, const struct replica *r, enum units_left left)
{
	const struct pool *p = replica_pool(r);
	unsigned int i = 0;

	if (!replica_is_open(r))
		return;
	while (i < all->list->len) {
		if (unit_look(all, g_ptr_array_index(all->list, i), p))
			i++;
		else
			g_ptr_array_remove_index(all->list, i);
	}
	if (left == UNITS_LEFT_AWAITED)
		return;
	json_object_object_foreach(p->machines, name, machine) {
		(void)name;
		units_look_at(all, machine, replica_stable(r), left);
	}
}
