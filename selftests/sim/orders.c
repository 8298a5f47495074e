// SPDX-License-Identifier: GPL-2.0
/* Orders to change what works: random ones, for a run. */
#include "sim.h"

const char * const sim_orders_names[] = { "homes", "vcpus", "churn", "checkpoints", "all", NULL };

static struct sim_order order_of(unsigned int which, const struct sim_config *cfg, u64 *rnd)
{
	static const u8 changes[] = { SIM_REHOME, SIM_MOVE, SIM_LEAVE, SIM_CHECKPOINT };
	struct sim_order o = { .to = (u16)(sim_random(rnd) % cfg->nodes) };
	u32 r = sim_random(rnd);

	o.change = changes[which < 4 ? which : sim_random(rnd) % 4];
	if (o.change == SIM_REHOME)
		o.what = (u16)(r % (cfg->pages / cfg->chunk));
	else if (o.change == SIM_MOVE)
		o.what = (u16)(r % cfg->nodes);
	else		/* node 0 has what cannot go elsewhere: it stays */
		o.what = (u16)(1 + r % (cfg->nodes - 1));
	return o;
}

unsigned int sim_orders(unsigned int which, const struct sim_config *cfg, u64 span_ns,
			struct sim_order *orders, unsigned int max)
{
	u64 rnd = cfg->seed * 40503u + which, at = 0;
	unsigned int n = 0;

	while (n + 1 < max && at < span_ns) {
		struct sim_order o = order_of(which, cfg, &rnd);

		at += 1 + sim_random(&rnd) % (span_ns / 8);
		o.at_ns = at;
		orders[n++] = o;
		if (o.change == SIM_LEAVE) {
			/* Who has left is to come back. */
			o.at_ns += sim_random(&rnd) % span_ns;
			o.change = SIM_JOIN;
			orders[n++] = o;
		}
	}
	return n;
}
