// SPDX-License-Identifier: GPL-2.0
/* DVMM_CMD_REHOME, as a call. */
#include "mover.h"
#include "tap.h"

void mover_open(struct mover *mv)
{
	*mv = (struct mover){};
	if (genl_open(&mv->s))
		tap_skip_all("there is no generic netlink family dvmm");
}

static void name(struct mover *mv, struct genl_request *r, uint8_t cmd, const uint8_t uuid[16],
		 uint16_t node)
{
	genl_begin(&mv->s, r, cmd);
	genl_add(r, DVMM_A_UUID, uuid, 16);
	genl_add(r, DVMM_A_NODE, &node, sizeof(node));
}

static void see_moved(struct nlattr **a, uint8_t cmd, void *arg)
{
	if (cmd == DVMM_CMD_REHOME)
		*(uint64_t *)arg = genl_num(a[DVMM_A_TOUCHED]);
}

int mover_move(struct mover *mv, const uint8_t uuid[16], uint16_t from, uint16_t region,
	       uint64_t page, uint16_t to)
{
	struct genl_request r;

	name(mv, &r, DVMM_CMD_REHOME, uuid, from);
	r.n.nlmsg_flags = NLM_F_REQUEST;
	genl_add(&r, DVMM_A_REGION, &region, sizeof(region));
	genl_add(&r, DVMM_A_PAGE, &page, sizeof(page));
	genl_add(&r, DVMM_A_PEER, &to, sizeof(to));
	mv->touched = UINT64_MAX;
	return genl_ask(&mv->s, &r, see_moved, &mv->touched);
}

struct seen {
	uint16_t region;
	uint64_t homed;
};

static void see_region(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct seen *s = arg;

	if (cmd == DVMM_CMD_REGION_GET && genl_num(a[DVMM_A_REGION]) == s->region)
		s->homed = genl_num(a[DVMM_A_HOMED]);
}

uint64_t mover_homed(struct mover *mv, const uint8_t uuid[16], uint16_t node, uint16_t region)
{
	struct seen s = { .region = region, .homed = UINT64_MAX };
	struct genl_request r;

	name(mv, &r, DVMM_CMD_REGION_GET, uuid, node);
	genl_ask(&mv->s, &r, see_region, &s);
	return s.homed;
}
