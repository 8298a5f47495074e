// SPDX-License-Identifier: GPL-2.0
/*
 * simulate				the tests
 * simulate homes			those of one change, on few nodes: sim_orders_names
 * simulate WORKLOAD NODES [SEED]	one run, told in full
 * simulate --csv			cost of accesses against nodes, for plots
 * simulate --changes			the same of changes
 */
#include <stdlib.h>
#include "../engine/tap.h"
#include "set.h"
#include "sim.h"

#define MAX_OPS 200000

static struct sim_op ops[MAX_OPS];
static struct sim_order orders[256];

static struct sim_config config(unsigned int nodes, unsigned int seed)
{
	return (struct sim_config) {
		.nodes = nodes, .pages = nodes < 32 ? 64 : 2 * nodes, .latency_ns = 1000,
		.jitter_ns = 400, .bytes_per_us = 12500, .service_ns = 150, .seed = seed,
		.policy.hold_us = 10, .state_bytes = 16384, .save_ns = 4000,
	};
}

static void report(const struct sim_config *c, const struct sim_result *r)
{
	unsigned int i;

	printf("# %u nodes, seed %u: %lu accesses (%lu without the engine) in %.3f ms\n",
	       c->nodes, c->seed, r->done, r->hits, (double)r->ns / 1e6);
	printf("# %lu messages, %.1f MB; busiest node received %lu messages, average %lu\n",
	       r->messages, (double)r->bytes / 1e6, r->busiest, r->mean);
	printf("# directory: %zu bytes a homed page\n",
	       sizeof(struct dvmm_page) + sizeof(struct dvmm_dir));
	printf("# %-16s %8s %9s %7s %8s %6s %9s %9s\n", "transition", "count", "messages",
	       "pages", "bytes", "hops", "mean us", "max us");
	for (i = 0; i < SIM_CLASSES; i++) {
		const struct sim_cost *k = &r->cost[i];
		double n = k->count ? (double)k->count : 1;

		if (k->count)
			printf("# %-16s %8lu %9.2f %7.2f %8.0f %6u %9.2f %9.2f\n",
			       sim_class_names[i], k->count, (double)k->messages / n,
			       (double)k->pages / n, (double)k->bytes / n, k->max_hops,
			       (double)k->ns / n / 1e3, (double)k->max_ns / 1e3);
	}
}

/*
 * Leave out accesses as long as the run still fails: halves first, then smaller
 * parts (Zeller and Hildebrandt, TSE 2002).  Returns how many are left.
 */
static unsigned int shrink(const struct sim_config *c, struct sim_op *prog, unsigned int count)
{
	unsigned int part = count / 2, at, n;
	struct sim_op *less = malloc(sizeof(*less) * (count + 1));
	struct sim_result res;

	while (less && part) {
		bool shorter = false;

		for (at = 0; at < count;) {
			n = at + part < count ? part : count - at;
			memcpy(less, prog, at * sizeof(*less));
			memcpy(less + at, prog + at + n, (count - at - n) * sizeof(*less));
			sim_run(c, less, count - n, &res);
			if (!res.error) {
				at += part;
				continue;
			}
			count -= n;
			memcpy(prog, less, count * sizeof(*less));
			shorter = true;
		}
		if (!shorter || part > count)
			part /= 2;
	}
	free(less);
	return count;
}

static void print_program(const struct sim_config *c, const struct sim_op *prog, unsigned int n)
{
	unsigned int i;

	printf("# nodes %u, pages %u, limit %u, hold %u, migratory %u, seed %u:\n", c->nodes,
	       c->pages, c->limit, c->policy.hold_us, c->policy.migratory, c->seed);
	for (i = 0; i < n && i < 40; i++)
		printf("#   node %u %s page %u after %u ns\n", prog[i].node,
		       prog[i].store ? "writes" : "reads", prog[i].page, prog[i].think_ns);
}

static unsigned int shown;

static bool run(const struct sim_config *c, unsigned int which, unsigned int per_node,
		struct sim_result *res)
{
	unsigned int n = sim_workload(which, c, per_node, ops, MAX_OPS);

	sim_run(c, ops, n, res);
	if (!res->error)
		return true;
	/* One counterexample is enough to read. */
	if (shown++)
		return false;
	printf("# %s: %s\n", sim_workloads[which], res->error);
	n = shrink(c, ops, n);
	print_program(c, ops, n);
	return false;
}

/* Every workload, with policies and with room for few pages, on @nodes nodes. */
static void test_nodes(unsigned int nodes, unsigned int seeds, unsigned int per_node)
{
	unsigned int which, seed, bad = 0, runs = 0;
	unsigned long done = 0, messages = 0;
	struct sim_result res;

	for (which = 0; sim_workloads[which]; which++)
		for (seed = 1; seed <= seeds; seed++) {
			struct sim_config c = config(nodes, seed);

			c.policy.hold_us = seed & 1 ? 0 : 20;
			c.policy.migratory = seed >> 1 & 1;
			c.policy.history = seed >> 2 & 1;
			c.limit = seed % 3 ? 0 : 8;
			bad += !run(&c, which, per_node, &res);
			done += res.done;
			messages += res.messages;
			runs++;
		}
	tap(!bad,
	    "%u nodes: %u runs, %lu accesses, %lu messages, at most 3 hops, every value right",
	    nodes, runs, done, messages);
}

/* All nodes read a page, then one of them writes it. */
static void test_upgrade(unsigned int nodes)
{
	unsigned int i, n = 0, k = nodes - 2;	/* neither the home nor the writer */
	struct sim_config c = config(nodes, 1);
	const struct sim_cost *up;
	struct sim_result res;
	bool fine;

	c.pages = nodes;
	ops[n++] = (struct sim_op) { .store = true };
	for (i = 1; i < nodes; i++)
		ops[n++] = (struct sim_op) { .node = (u16)i, .think_ns = 100000 };
	ops[n++] = (struct sim_op) { .node = 1, .store = true, .think_ns = 1000000 };
	sim_run(&c, ops, n, &res);
	up = &res.cost[SIM_UPGRADE];
	fine = !res.error && up->count == 1 && up->max_hops == (k ? 3 : 2);
	if (dvmm_set_exact(nodes))
		fine = fine && up->messages == 2 + 2 * k && !up->pages;
	else
		fine = fine && up->messages == 2 + 2 * k && up->pages == 1;
	tap(fine, "upgrade with %u other sharers: %lu messages, %lu with a page, %u hops, %.1f us",
	    k, up->messages, up->pages, up->max_hops, (double)up->ns / 1e3);
}

/*
 * Homes and vCPUs move, nodes leave and come back, checkpoints are made, while every
 * workload goes on.  A quarter of the nodes is to come.
 */
static struct sim_config changing(unsigned int which, unsigned int nodes, unsigned int seed)
{
	struct sim_config c = config(nodes, seed);

	c.policy.hold_us = seed & 1 ? 0 : 10;
	c.policy.migratory = seed >> 1 & 1;
	c.policy.history = seed >> 2 & 1;
	c.limit = seed % 5 ? 0 : 8;
	c.chunk = nodes < 32 ? 8 : 4;
	c.present = which == SIM_LEAVE || which > SIM_MOVE ? nodes - nodes / 4 : nodes;
	c.spread = seed % 2;
	if (seed % 3 == 0)
		c.jitter_ns = 20000;
	c.orders = orders;
	c.order_count = sim_orders(which, &c, 200000, orders, 256);
	return c;
}

static unsigned long ended(const struct sim_result *sum, unsigned int change)
{
	return sum->change[change].count;
}

/* Of what was to change, has each kind? */
static bool happened(const struct sim_result *sum, unsigned int which)
{
	static const u8 changes[] = { SIM_REHOME, SIM_MOVE, SIM_LEAVE, SIM_CHECKPOINT };
	bool all = true;
	unsigned int i;

	for (i = 0; i < sizeof(changes); i++)
		all &= (which < 4 && i != which) || ended(sum, changes[i]);
	return all && (which < 4 || ended(sum, SIM_JOIN));
}

static void add(struct sim_result *sum, const struct sim_result *r)
{
	unsigned int i;

	sum->done += r->done;
	sum->saved += r->saved;
	sum->copies += r->copies;
	for (i = 0; i < SIM_CHANGES; i++)
		sum->change[i].count += r->change[i].count;
}

static void test_change(unsigned int which, unsigned int nodes, unsigned int seeds,
			unsigned int per_node)
{
	unsigned int load, seed, bad = 0;
	struct sim_result res, sum = { 0 };

	for (load = 0; sim_workloads[load]; load++)
		for (seed = 1; seed <= seeds; seed++) {
			struct sim_config c = changing(which, nodes, seed + 7 * load);

			bad += !run(&c, load, per_node, &res);
			add(&sum, &res);
		}
	printf("# moved: %lu homes, %lu vCPUs; nodes joined: %lu, left: %lu\n",
	       ended(&sum, SIM_REHOME), ended(&sum, SIM_MOVE), ended(&sum, SIM_JOIN),
	       ended(&sum, SIM_LEAVE));
	tap(!bad && happened(&sum, which),
	    "%u nodes, %s: %lu accesses, %lu checkpoints of %lu pages, %lu of them copied", nodes,
	    sim_orders_names[which], sum.done, ended(&sum, SIM_CHECKPOINT), sum.saved, sum.copies);
}

static void test_loss(unsigned int nodes, unsigned int seeds)
{
	unsigned int seed, bad = 0;
	struct sim_result res;

	for (seed = 1; seed <= seeds; seed++) {
		struct sim_config c = config(nodes, seed);

		c.lose_node = (u16)(seed % nodes);
		c.lose_at_ns = 1000 + seed * 977 % 300000;
		c.limit = seed & 1 ? 8 : 0;
		bad += !run(&c, 4 + seed % 3, 100, &res);
	}
	tap(!bad, "%u nodes, one lost at %u moments: no wrong value before all stop", nodes, seeds);
}

/* A checker that cannot fail proves nothing. */
static void test_planted(void)
{
	struct sim_config c = config(8, 3);
	unsigned int n = sim_workload(4, &c, 200, ops, MAX_OPS), left;
	struct sim_result res;

	c.drop = 3;
	sim_run(&c, ops, n, &res);
	if (!tap(res.error, "a lost acknowledgement is noticed: %s", res.error))
		return;
	left = shrink(&c, ops, n);
	sim_run(&c, ops, left, &res);
	print_program(&c, ops, left);
	tap(res.error && left <= 16, "and shrinks from %u accesses to %u", n, left);
}

static int csv(void)
{
	static const unsigned int nodes[] = { 2, 4, 8, 16, 32, 64, 128, 256, 512 };
	unsigned int which, i, k;
	struct sim_result r;

	puts("workload,nodes,transition,count,messages,bytes,hops,mean_us,busiest,mean_received");
	for (which = 0; sim_workloads[which]; which++)
		for (i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
			struct sim_config c = config(nodes[i], 1);

			run(&c, which, nodes[i] > 64 ? 50 : 400, &r);
			for (k = 0; k < SIM_CLASSES; k++)
				if (r.cost[k].count)
					printf("%s,%u,%s,%lu,%.3f,%.1f,%u,%.3f,%lu,%lu\n",
					       sim_workloads[which], nodes[i], sim_class_names[k],
					       r.cost[k].count,
					       (double)r.cost[k].messages / (double)r.cost[k].count,
					       (double)r.cost[k].bytes / (double)r.cost[k].count,
					       r.cost[k].max_hops,
					       (double)r.cost[k].ns / (double)r.cost[k].count / 1e3,
					       r.busiest, r.mean);
		}
	return 0;
}

/* One change, in a machine where all nodes use all memory. */
static void change_row(const char *name, unsigned int nodes, struct sim_order order,
		       unsigned int pages, unsigned int chunk, bool spread)
{
	struct sim_config c = config(nodes, 1);
	unsigned int per_node = nodes > 64 ? 380 : nodes > 16 ? 1000 : 2000, i;
	struct sim_cost sum = { 0 };
	const struct sim_cost *own;
	struct sim_result r;

	c.pages = pages;
	c.chunk = chunk;
	c.spread = spread;
	c.present = order.change == SIM_JOIN ? nodes - 1 : nodes;
	c.orders = &order;
	c.order_count = 1;
	run(&c, 6, per_node, &r);
	/* Who leaves moves its homes and vCPU; who joins gets some. */
	for (i = 0; i < SIM_CHANGES; i++) {
		sum.messages += r.change[i].messages;
		sum.bytes += r.change[i].bytes;
	}
	own = &r.change[order.change];
	printf("%s,%u,%lu,%lu,%lu,%.3f,%.3f,%lu,%lu\n", name, nodes, own->count, sum.messages,
	       sum.bytes, (double)own->ns / (double)(own->count ? own->count : 1) / 1e3,
	       (double)r.pause_ns / 1e3, r.saved, r.copies);
}

static int csv_changes(void)
{
	static const u16 nodes[] = { 2, 4, 8, 16, 32, 64, 128, 256, 512 };
	struct sim_order join = { 50000, SIM_JOIN, 0, 0 }, leave = { 50000, SIM_LEAVE, 0, 0 };
	struct sim_order home = { 50000, SIM_REHOME, 0, 0 };
	struct sim_order checkpoint = { 1000000, SIM_CHECKPOINT, 0, 0 };
	unsigned int i;

	puts("change,nodes,count,messages,bytes,us,pause_us,pages,copies");
	for (i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		u16 n = nodes[i];

		join.what = n - 1;
		leave.what = n - 1;
		home.to = n - 1;
		change_row("join", n, join, n * 4u, 4, false);
		change_row("leave", n, leave, n * 4u, 4, false);
		change_row("home", n, home, 1024, 512, false);
		change_row("checkpoint", n, checkpoint, 1024, 2, false);
		change_row("spread", n, checkpoint, 1024, 2, true);
	}
	return 0;
}

static int one_run(char **argv, int argc)
{
	unsigned int which, nodes = (unsigned int)atoi(argv[2]);
	struct sim_config c = config(nodes, argc > 3 ? (unsigned int)atoi(argv[3]) : 1);
	struct sim_result res;
	bool fine;

	for (which = 0; sim_workloads[which] && strcmp(sim_workloads[which], argv[1]); which++)
		;
	if (!sim_workloads[which] || nodes < 2 || nodes > DVMM_MAX_NODES) {
		fprintf(stderr, "simulate WORKLOAD NODES [SEED]\n");
		return 2;
	}
	fine = run(&c, which, nodes > 64 ? 100 : 1000, &res);
	report(&c, &res);
	return !fine;
}

static void test_few(unsigned int which)
{
	test_change(which, 4, 40, 50);
	test_change(which, 16, 10, 50);
	test_change(which, 65, 2, 20);
}

static int test_named(const char *name)
{
	unsigned int which;

	for (which = 0; sim_orders_names[which] && strcmp(sim_orders_names[which], name); which++)
		;
	if (!sim_orders_names[which]) {
		fprintf(stderr, "simulate: there is no test %s: simulate all\n", name);
		return 2;
	}
	test_few(which);
	return tap_done();
}

int main(int argc, char **argv)
{
	static const unsigned int nodes[] = { 2, 3, 8, 64, 65, 192, 512 };
	unsigned int i;

	if (argc > 1 && !strcmp(argv[1], "--csv"))
		return csv();
	if (argc > 1 && !strcmp(argv[1], "--changes"))
		return csv_changes();
	if (argc > 2)
		return one_run(argv, argc);
	if (argc > 1)
		return test_named(argv[1]);
	puts("TAP version 13");
	for (i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		test_nodes(nodes[i], nodes[i] > 65 ? 3 : 12, nodes[i] > 65 ? 20 : 100);
		test_upgrade(nodes[i]);
	}
	for (i = 0; sim_orders_names[i]; i++)
		test_few(i);
	test_change(i - 1, 64, 2, 20);
	test_change(i - 1, 512, 1, 20);
	test_loss(4, 100);
	test_loss(16, 20);
	test_planted();
	return tap_done();
}
