// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas of a pool's state under joins, kills, cuts and merges in any order: equal where they
 * decide, no machine twice, a minority decides nothing, nothing stable is lost; and once all is
 * healed they agree and do what they are asked.
 *
 * replicas [RUNS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/tap.h"
#include "../../tools/dvmm/json.h"
#include "../../tools/dvmmd/machine.h"
#include "world.h"

#define STEPS	6000
#define PATIENCE	200000

static void calm_down(void)
{
	unsigned int i;

	for (i = 0; i < PATIENCE && !world_wrong && !world_is_quiet(); i++)
		world_step(true);
	if (!world_wrong && !world_is_quiet())
		world_wrong = "it does not come to rest";
}

/* Where nothing is on its way, what should not run is being ended. */
static void check_units(struct host *h)
{
	const struct pool *p = replica_pool(h->r);
	unsigned int c;

	json_object_object_foreach(p->machines, name, machine) {
		const char *state = json_text_of(machine, "state");
		bool goes_on = !strcmp(state, "running") || !strcmp(state, "starting");

		for (c = 0; c < HOSTS && !goes_on; c++) {
			char node[8];
			struct unit *u;

			snprintf(node, sizeof(node), "n%u", c);
			u = units_find(h->units, name, node);
			if (h->running[name[1] - '0'][c] && (!u || !u->stopping))
				world_wrong = "a unit of a machine that has stopped is left alone";
		}
	}
}

static void check_agreement(void)
{
	char *digest;
	unsigned int i;

	if (world_wrong)
		return;
	digest = pool_digest(replica_pool(hosts[0].r));
	for (i = 0; i < HOSTS && !world_wrong; i++) {
		char *other = pool_digest(replica_pool(hosts[i].r));

		if (!replica_is_open(hosts[i].r))
			world_wrong = "a healed pool is not open";
		else if (strcmp(digest, other))
			world_wrong = "healed replicas differ";
		g_free(other);
	}
	for (i = 0; i < HOSTS && !world_wrong; i++)
		check_units(&hosts[i]);
	g_free(digest);
}

static bool is_in_state(unsigned int m, const char *state)
{
	char name[8];
	struct json_object *machine;

	snprintf(name, sizeof(name), "m%u", m);
	machine = pool_machine(replica_pool(hosts[0].r), name);
	return machine && !strcmp(json_text_of(machine, "state"), state);
}

/* What all of it is for: it can be asked for a machine, and has it. */
static void check_service(void)
{
	unsigned int i;

	if (world_wrong)
		return;
	g_free(world_ask(1, "stop", 0));
	calm_down();
	for (i = 0; i < PATIENCE && !world_wrong && !is_in_state(0, "stopped"); i++) {
		world_step(true);
		if (!(i % 1000))
			g_free(world_ask(3, is_in_state(0, "failed") ? "stop" : "define", 0));
	}
	if (!world_wrong && !is_in_state(0, "stopped"))
		world_wrong = "a machine cannot be stopped";
	g_free(world_ask(2, "stop", 1));
	g_free(world_ask(2, "stop", 2));
	calm_down();
	g_free(world_ask(2, "start", 0));
	calm_down();
	if (!world_wrong && !is_in_state(0, "starting") && !is_in_state(0, "running") &&
	    !is_in_state(0, "failed") && !is_in_state(0, "stopping"))
		world_wrong = "a machine is not started";
}

static bool run(unsigned int seed)
{
	unsigned int i;

	world_begin(seed);
	for (i = 0; i < STEPS && !world_wrong; i++)
		world_step(false);
	if (!world_wrong)
		world_heal();
	calm_down();
	check_agreement();
	check_service();
	check_agreement();
	if (world_wrong)
		printf("# seed %u, step %u: %s\n", seed, i, world_wrong);
	world_end();
	return !world_wrong;
}

/* @text: a message, with ' for "; whether it is refused */
static bool apply(struct pool *p, unsigned int sender, const char *text)
{
	char *quoted = g_strdelimit(g_strdup(text), "'", '"');
	struct json_object *message = json_tokener_parse(quoted);
	char *why = pool_apply(p, sender, message);
	bool refused = why;

	json_object_put(message);
	g_free(quoted);
	g_free(why);
	return refused;
}

static void view(struct pool *p, uint64_t term, const char *hosts)
{
	struct json_object *ring = json_tokener_parse(hosts);

	pool_open(p, term, ring, ring);
	json_object_put(ring);
}

/* A host that has come back by another id, and is lost again: it is what is said to be off. */
static void test_two_of_a_name(void)
{
	static const char host[] = "{'kind':'host','host':{'name':'a','cpus':1,'memory':4096}}";
	struct pool *p = pool_new();
	const char *state;
	bool refused = apply(p, 1, host);

	refused |= apply(p, 2, "{'kind':'host','host':{'name':'b','cpus':0,'memory':0}}");
	view(p, 1, "[2]");
	refused |= apply(p, 3, host);
	view(p, 2, "[2,3]");
	refused |= apply(p, 2, "{'kind':'define','machine':{'name':'m','uuid':'u','cells':"
			 "[{'node':'n','cpus':1,'memory':4096}]}}");
	refused |= apply(p, 2, "{'kind':'start','name':'m'}");
	view(p, 3, "[2]");
	refused |= apply(p, 2, "{'kind':'fenced','name':'a'}");
	state = json_text_of(json_object_array_get_idx(machine_cells(pool_machine(p, "m")), 0),
			     "state");
	tap(!refused && !strcmp(state, "ended"), "all that are away of one name are fenced");
	pool_free(p);
}

int main(int argc, char **argv)
{
	unsigned int runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 300, good = 0, i;
	unsigned int seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

	test_two_of_a_name();
	for (i = 0; i < runs && good == i; i++)
		good += run(seed + i);
	tap(good == runs, "%u runs of %u hosts, %u steps each", runs, HOSTS, STEPS);
	tap(world_decided > runs && world_refused > runs && world_started > runs &&
	    world_fenced > runs, "%u decisions, %u refusals, %u units started, %u fences",
	    world_decided, world_refused, world_started, world_fenced);
	return tap_done();
}
