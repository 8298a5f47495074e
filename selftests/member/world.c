// SPDX-License-Identifier: GPL-2.0
/* What corosync, systemd and chance do to dvmmds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/dvmm/json.h"
#include "machine.h"
#include "world.h"

#define QUORUM	(HOSTS / 2 + 1)

struct host hosts[HOSTS];
const char *world_wrong;
unsigned int world_decided, world_refused, world_started, world_fenced;

static GPtrArray *rings;
static GHashTable *digests;	/* of the state by its term and sequence */
static unsigned int stable_runs[MACHINES], last_pid, last_asked;
static GRand *chance_of;

static unsigned int chance(unsigned int n)
{
	return g_rand_int_range(chance_of, 0, n);
}

static void be_wrong(const char *why)
{
	if (!world_wrong)
		world_wrong = why;
}

/* ---- rings ---- */

static void item_free(void *arg)
{
	g_free(((struct item *)arg)->text);
	g_free(arg);
}

static void ring_free(void *arg)
{
	struct ring *ring = arg;

	g_ptr_array_unref(ring->wire);
	g_free(ring);
}

static void ring_put(struct ring *ring, int what, struct host *h, char *text)
{
	struct item *item = g_new0(struct item, 1);

	item->what = what;
	item->sender = h->id;
	item->pid = h->pid;
	item->text = text;
	g_ptr_array_add(ring->wire, item);
}

/* ---- rules ---- */

/* Equal positions have equal states, whoever is there. */
static void check_equal(struct host *h)
{
	const struct pool *p = replica_pool(h->r);
	char *key = g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, p->term,
				    p->sequence);
	char *digest = pool_digest(p), *known = g_hash_table_lookup(digests, key);

	if (known && strcmp(known, digest))
		be_wrong("two replicas of one term and sequence differ");
	if (!known)
		g_hash_table_insert(digests, g_strdup(key), g_strdup(digest));
	g_free(digest);
	g_free(key);
}

/* What was stable once is known to all who decide later. */
static void check_stable(struct host *h)
{
	const struct pool *p = replica_pool(h->r);

	json_object_object_foreach(p->machines, name, machine) {
		unsigned int m = name[1] - '0', run = json_number_of(machine, "run");

		if (run < stable_runs[m])
			be_wrong("a stable decision is lost");
		if (json_number_of(machine, "since") <= replica_stable(h->r))
			stable_runs[m] = run;
	}
}

static void check(struct host *h)
{
	if (!h->r || !replica_is_open(h->r))
		return;
	if (h->ring->n < QUORUM || h->group_n < QUORUM)
		be_wrong("a minority decides");
	check_equal(h);
	check_stable(h);
}

static void check_once(unsigned int m)
{
	unsigned int i, c, run = 0, cells[HOSTS] = {};

	for (i = 0; i < HOSTS; i++) {
		for (c = 0; c < HOSTS; c++) {
			if (!hosts[i].running[m][c])
				continue;
			if (cells[c]++ || (run && run != hosts[i].runs[m][c]))
				be_wrong("a machine runs twice");
			run = hosts[i].runs[m][c];
		}
	}
}

/* ---- what dvmmd's shell does ---- */

static void on_keep(void *arg, struct json_object *kept)
{
	struct host *h = arg;

	g_free(h->kept);
	h->kept = g_strdup(json_object_to_json_string_ext(kept, JSON_C_TO_STRING_PLAIN));
}

static void on_send(void *arg, const char *text)
{
	g_queue_push_tail(&((struct host *)arg)->outbox, g_strdup(text));
}

static void on_say(void *arg, const char *line)
{
	if (getenv("VERBOSE"))
		printf("# %u: %s\n", ((struct host *)arg)->id, line);
}

static void on_done(void *arg, struct json_object *message, const char *why)
{
	(void)arg;
	(void)message;
	if (why)
		world_refused++;
	else
		world_decided++;
}

static void on_changed(void *arg)
{
	struct host *h = arg;

	if (h->units)
		units_look(h->units, h->r, UNITS_LEFT_KNOWN);
}

static const struct replica_ops replica_ops = {
	on_keep, on_send, on_say, on_done, on_changed
};

static void on_start(void *arg, struct unit *u)
{
	struct host *h = arg;
	unsigned int m = u->machine[1] - '0';

	h->running[m][u->cell] = true;
	h->runs[m][u->cell] = u->run;
	world_started++;
	check_once(m);
}

static void on_stop(void *arg, struct unit *u)
{
	(void)arg;
	(void)u;	/* it takes its time: unit_event() */
}

static void on_tell(void *arg, struct json_object *message)
{
	g_free(replica_propose(((struct host *)arg)->r, message));
}

static const struct unit_ops unit_ops = { on_start, on_stop, on_tell };

/* ---- a dvmmd ---- */

static void find_units(struct host *h)
{
	unsigned int m, c;

	for (m = 0; m < MACHINES; m++) {
		for (c = 0; c < HOSTS; c++) {
			char name[8], node[8];

			if (!h->running[m][c])
				continue;
			snprintf(name, sizeof(name), "m%u", m);
			snprintf(node, sizeof(node), "n%u", c);
			unit_be_active(units_add(h->units, name, node, h->runs[m][c], c));
		}
	}
}

static void daemon_start(struct host *h)
{
	struct json_object *kept = h->kept ? json_tokener_parse(h->kept) : NULL;

	h->pid = ++last_pid;
	h->joined = false;
	h->quorum_told = false;
	h->r = replica_new(h->id, kept, &replica_ops, h);
	json_object_put(kept);
	h->units = units_new(h->id, &unit_ops, h);
	find_units(h);
	ring_put(h->ring, JOIN, h, NULL);
}

static void daemon_end(struct host *h)
{
	replica_free(h->r);
	units_free(h->units);
	h->r = NULL;
	h->units = NULL;
	h->pid = 0;
	h->joined = false;
	g_queue_clear_full(&h->outbox, g_free);
}

static void daemon_kill(struct host *h)
{
	ring_put(h->ring, LEAVE, h, NULL);
	daemon_end(h);
}

static void tell_host(struct host *h)
{
	struct json_object *m = json_object_new_object(), *o = json_object_new_object();
	char name[8];

	snprintf(name, sizeof(name), "h%u", h->id);
	json_text(o, "name", name);
	json_number(o, "cpus", 8);
	json_number(o, "memory", 8ull << 30);
	json_text(m, "kind", "host");
	json_object_object_add(m, "host", o);
	g_free(replica_propose(h->r, m));
	json_object_put(m);
}

/* ---- views and messages reach a host ---- */

static void new_view(struct host *h)
{
	units_new_view(h->units);
	replica_view(h->r, &h->ring->id, h->group, h->group_n);
}

static void group_change(struct host *h, const struct item *item)
{
	unsigned int i, n = 0;

	for (i = 0; i < h->group_n; i++)
		if (h->group[i].node != item->sender)
			h->group[n++] = h->group[i];
	if (item->what == JOIN)
		h->group[n++] = (struct replica_member){ item->sender, item->pid };
	h->group_n = n;
	if (item->what == JOIN && item->pid == h->pid)
		h->joined = true;
	if (h->joined)
		new_view(h);
}

/* Where the view is not open a state comes as a whole, or not at all. */
static void take(struct host *h, const struct item *item)
{
	uint64_t before = replica_pool(h->r)->sequence;

	replica_take(h->r, item->sender, item->text, strlen(item->text));
	if (!replica_is_open(h->r) && replica_pool(h->r)->sequence != before &&
	    !strstr(item->text, "\"kind\":\"state\""))
		be_wrong("something is decided in a view that is not open");
}

static void deliver(struct host *h)
{
	const struct item *item = g_ptr_array_index(h->ring->wire, h->at++);
	bool open = h->joined && replica_is_open(h->r);

	if (item->what != MESSAGE)
		group_change(h, item);
	else if (h->joined)
		take(h, item);
	if (!open && h->joined && replica_is_open(h->r))
		tell_host(h);
	check(h);
}

static void hear_quorum(struct host *h)
{
	h->quorum_told = true;
	replica_quorum(h->r, &h->ring->id, h->ring->n >= QUORUM, h->ring->hosts, h->ring->n,
		       QUORUM);
}

/* ---- rings change ---- */

/* All that go on together have got the same of the old ring, and maybe not all that others got. */
static void settle_old(struct ring *old, unsigned int part)
{
	unsigned int i, to = 0;

	for (i = 0; i < HOSTS; i++)
		if (hosts[i].on && hosts[i].ring == old && hosts[i].part == part)
			to = MAX(to, hosts[i].at);
	to += chance(old->wire->len - to + 1);
	for (i = 0; i < HOSTS; i++)
		while (hosts[i].on && hosts[i].ring == old && hosts[i].part == part &&
		       hosts[i].at < to)
			deliver(&hosts[i]);
}

static struct ring *ring_new(unsigned int part)
{
	struct ring *ring = g_new0(struct ring, 1);
	unsigned int i;

	ring->wire = g_ptr_array_new_with_free_func(item_free);
	g_ptr_array_add(rings, ring);
	for (i = 0; i < HOSTS; i++) {
		struct host *h = &hosts[i];

		if (!h->on || h->part != part)
			continue;
		ring->hosts[ring->n++] = h->id;
		ring->id.sequence = MAX(ring->id.sequence, h->ring_sequence);
	}
	ring->id.node = ring->hosts[0];
	ring->id.sequence += 4;
	return ring;
}

static void enter(struct host *h, struct ring *ring, const struct replica_member *group,
		  unsigned int n)
{
	h->ring = ring;
	h->at = 0;
	h->ring_sequence = ring->id.sequence;
	h->quorum_told = false;
	h->group_n = n;
	memcpy(h->group, group, n * sizeof(*group));
	if (h->joined)
		new_view(h);
	else if (h->pid)
		ring_put(ring, JOIN, h, NULL);
}

static bool part_changed(unsigned int part)
{
	struct ring *first = NULL;
	unsigned int i, n = 0;

	for (i = 0; i < HOSTS; i++) {
		if (!hosts[i].on || hosts[i].part != part)
			continue;
		if (!hosts[i].ring || (first && first != hosts[i].ring))
			return true;
		first = hosts[i].ring;
		n++;
	}
	return first && first->n != n;
}

static void reform(unsigned int part)
{
	struct replica_member group[HOSTS];
	unsigned int i, n = 0;
	struct ring *ring;

	for (i = 0; i < HOSTS; i++)
		if (hosts[i].on && hosts[i].part == part && hosts[i].ring)
			settle_old(hosts[i].ring, part);
	ring = ring_new(part);
	for (i = 0; i < HOSTS; i++)
		if (hosts[i].on && hosts[i].part == part && hosts[i].joined)
			group[n++] = (struct replica_member){ hosts[i].id, hosts[i].pid };
	for (i = 0; i < HOSTS; i++)
		if (hosts[i].on && hosts[i].part == part)
			enter(&hosts[i], ring, group, n);
}

static void reform_all(void)
{
	unsigned int part;

	for (part = 0; part < HOSTS; part++)
		if (part_changed(part))
			reform(part);
}

/* ---- what happens ---- */

static void host_off(struct host *h)
{
	if (h->pid)
		daemon_end(h);
	h->on = false;
	h->ring = NULL;
	memset(h->running, 0, sizeof(h->running));
}

static void host_on(struct host *h)
{
	h->on = true;
	reform_all();
	daemon_start(h);
}

static void cut(void)
{
	unsigned int i, parts = 1 + chance(3);

	for (i = 0; i < HOSTS; i++)
		hosts[i].part = chance(parts);
	reform_all();
}

static void originate(struct host *h)
{
	if (h->joined && h->outbox.length)
		ring_put(h->ring, MESSAGE, h, g_queue_pop_head(&h->outbox));
}

/* It is cut off when it has seen a decision that the others may not have seen. */
static void cut_in_start(struct host *h)
{
	unsigned int i;

	if (!h->joined || !replica_is_open(h->r))
		return;
	last_asked = chance(MACHINES);
	g_free(world_ask(h->id - 1, "start", last_asked));
	while (h->outbox.length)
		originate(h);
	while (h->at < h->ring->wire->len)
		deliver(h);
	for (i = 0; i < HOSTS; i++)
		hosts[i].part = h == &hosts[i];
	reform_all();
}

static void disturb(struct host *h)
{
	switch (chance(8)) {
	case 6:
	case 7:
		cut_in_start(h);
		break;
	case 0:
	case 1:
		cut();
		break;
	case 2:
		if (h->on && h->pid)
			daemon_kill(h);
		break;
	case 3:
	case 4:
		if (h->on && !h->pid)
			daemon_start(h);
		else if (!h->on)
			host_on(h);
		break;
	default:
		if (h->on)
			host_off(h);
		reform_all();
	}
}

static void unit_event(struct host *h)
{
	unsigned int m = chance(MACHINES), c = chance(HOSTS);
	char name[8], node[8];
	struct unit *u;

	snprintf(name, sizeof(name), "m%u", m);
	snprintf(node, sizeof(node), "n%u", c);
	if (!h->running[m][c])
		return;
	u = h->units ? units_find(h->units, name, node) : NULL;
	if (u && !u->stopping && chance(8)) {
		unit_be_active(u);
	} else if (u ? u->stopping || !chance(8) : !chance(40)) {
		h->running[m][c] = false;
		if (u)
			unit_end(u, u->stopping ? u->because : "it crashed");
	}
	if (h->units)
		units_look(h->units, h->r, UNITS_LEFT_KNOWN);
}

/* Who says that a host is off knows it. */
static void fence(struct host *h)
{
	struct host *lost = &hosts[chance(HOSTS)];
	unsigned int m, c;
	struct json_object *o;
	char name[8];

	for (m = 0; m < MACHINES; m++)
		for (c = 0; c < HOSTS; c++)
			if (lost->running[m][c])
				return;
	if (lost->on && lost->ring == h->ring)
		return;
	snprintf(name, sizeof(name), "h%u", lost->id);
	o = json_object_new_object();
	json_text(o, "kind", "fenced");
	json_text(o, "name", name);
	if (h->joined)
		g_free(replica_propose(h->r, o));
	json_object_put(o);
	world_fenced++;
}

static struct json_object *machine_object(unsigned int m)
{
	struct json_object *o = json_object_new_object(), *cells = json_object_new_array(), *cell;
	char text[32];
	unsigned int c;

	snprintf(text, sizeof(text), "m%u", m);
	json_text(o, "name", text);
	json_text(o, "uuid", text);
	for (c = 0; c < 2 + m % 2; c++) {
		cell = json_object_new_object();
		snprintf(text, sizeof(text), "n%u", c);
		json_text(cell, "node", text);
		json_number(cell, "cpus", 3);
		json_number(cell, "memory", 2ull << 30);
		json_object_array_add(cells, cell);
	}
	json_object_object_add(o, "cells", cells);
	return o;
}

char *world_ask(unsigned int i, const char *kind, unsigned int m)
{
	struct json_object *o;
	char name[8], *why;

	if (!hosts[i].joined)
		return g_strdup("no dvmmd");
	o = json_object_new_object();
	snprintf(name, sizeof(name), "m%u", m);
	json_text(o, "kind", kind);
	json_text(o, "name", name);
	if (!strcmp(kind, "define"))
		json_object_object_add(o, "machine", machine_object(m));
	why = replica_propose(hosts[i].r, o);
	json_object_put(o);
	return why;
}

static void ask(struct host *h)
{
	static const char *const kinds[] = { "define", "start", "start", "stop" };

	if (chance(2))
		last_asked = chance(MACHINES);
	g_free(world_ask(h->id - 1, kinds[chance(4)], last_asked));
}

static void progress(struct host *h)
{
	switch (chance(8)) {
	case 0:
	case 1:
	case 2:
		originate(h);
		break;
	case 3:
		if (h->joined && !h->quorum_told)
			hear_quorum(h);
		break;
	case 4:
		unit_event(h);
		break;
	default:
		if (h->at < h->ring->wire->len)
			deliver(h);
	}
}

void world_step(bool calm)
{
	struct host *h = &hosts[chance(HOSTS)];
	unsigned int what = chance(calm ? 800 : 1000);

	if (what >= 992)
		disturb(h);
	else if (!h->on)
		return;
	else if (what < 800)
		progress(h);
	else if (what < 830)
		ask(h);
	else if (what < 840)
		fence(h);
	else if (what < 845 && h->joined && !replica_is_open(h->r))
		units_stop_all(h->units, "the pool is lost");
}

/* ---- begin and end ---- */

void world_heal(void)
{
	unsigned int i;

	for (i = 0; i < HOSTS; i++) {
		hosts[i].part = 0;
		hosts[i].on = true;
	}
	reform_all();
	for (i = 0; i < HOSTS; i++)
		if (!hosts[i].pid)
			daemon_start(&hosts[i]);
}

bool world_is_quiet(void)
{
	unsigned int i;

	for (i = 0; i < HOSTS; i++)
		if (hosts[i].outbox.length || hosts[i].at < hosts[i].ring->wire->len ||
		    !hosts[i].quorum_told)
			return false;
	return true;
}

void world_begin(unsigned int seed)
{
	unsigned int i;

	chance_of = g_rand_new_with_seed(seed);
	rings = g_ptr_array_new_with_free_func(ring_free);
	digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	memset(hosts, 0, sizeof(hosts));
	memset(stable_runs, 0, sizeof(stable_runs));
	world_wrong = NULL;
	for (i = 0; i < HOSTS; i++) {
		hosts[i].id = i + 1;
		g_queue_init(&hosts[i].outbox);
	}
	world_heal();
}

void world_end(void)
{
	unsigned int i;

	for (i = 0; i < HOSTS; i++) {
		if (hosts[i].pid)
			daemon_end(&hosts[i]);
		g_free(hosts[i].kept);
	}
	g_hash_table_unref(digests);
	g_ptr_array_unref(rings);
	g_rand_free(chance_of);
}
