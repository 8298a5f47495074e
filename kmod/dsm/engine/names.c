// SPDX-License-Identifier: GPL-2.0
/* Names and attributes, generated from the lists. */
#include "engine.h"
#include "table.h"

static const struct {
	const char *name;
	u8 perm;
	bool frame;
	bool stable;
} states[DVMM_ST_COUNT] = {
#define X(n, p, f, s, why) \
	[DVMM_ST_##n] = { .name = #n, .perm = DVMM_PERM_##p, .frame = f, .stable = s },
	DVMM_CACHE_STATES(X)
	DVMM_HOME_STATES(X)
#undef X
};

static const struct {
	const char *name;
	u8 lane;
	bool page;
} events[DVMM_MSG_REHOME_END] = {
#define X(n, l, p, why) [DVMM_MSG_##n] = { .name = #n, .lane = DVMM_LANE_##l, .page = p },
	DVMM_MESSAGES(X)
	DVMM_REHOME_MESSAGES(X)
#undef X
#define X(n, why) [DVMM_EV_##n] = { .name = #n, .lane = DVMM_LANES },
	DVMM_LOCAL_EVENTS(X)
#undef X
};

static const char * const actions[] = {
	[DVMM_ACT_SEND] = "SEND",
	[DVMM_ACT_SEND_SET] = "SEND_SET",
	[DVMM_ACT_SEND_PAGE] = "SEND_PAGE",
	[DVMM_ACT_SET_PERM] = "SET_PERM",
	[DVMM_ACT_FILL] = "FILL",
	[DVMM_ACT_WAKE] = "WAKE",
	[DVMM_ACT_DEFER] = "DEFER",
	[DVMM_ACT_TIMER] = "TIMER",
	[DVMM_ACT_FENCE] = "FENCE",
	[DVMM_ACT_FAIL] = "FAIL",
};

static const char * const handlers[] = {
#define X(n, why) [DVMM_DO_##n] = #n,
	DVMM_HANDLERS(X)
#undef X
};

enum dvmm_perm dvmm_state_perm(u8 state)
{
	return state < DVMM_ST_COUNT ? states[state].perm : DVMM_PERM_NONE;
}

bool dvmm_state_has_frame(u8 state)
{
	return state < DVMM_ST_COUNT && states[state].frame;
}

bool dvmm_state_stable(u8 state)
{
	return state < DVMM_ST_COUNT && states[state].stable;
}

bool dvmm_msg_of_chunk(u8 type)
{
	return type > DVMM_MSG_REHOME && type < DVMM_MSG_REHOME_END;
}

bool dvmm_msg_known(u8 type)
{
	return (type && type < DVMM_MSG_COUNT) || dvmm_msg_of_chunk(type);
}

enum dvmm_lane dvmm_msg_lane(u8 type)
{
	return dvmm_msg_known(type) ? events[type].lane : DVMM_LANES;
}

bool dvmm_msg_may_carry_page(u8 type)
{
	return dvmm_msg_known(type) && events[type].page;
}

const char *dvmm_state_name(u8 state)
{
	return state < DVMM_ST_COUNT ? states[state].name : "?";
}

const char *dvmm_event_name(u8 type)
{
	return type < DVMM_MSG_REHOME_END && events[type].name ? events[type].name : "?";
}

const char *dvmm_action_name(u8 type)
{
	return type && type <= DVMM_ACT_FAIL ? actions[type] : "?";
}

const char *dvmm_handler_name(enum dvmm_handler h)
{
	return h < DVMM_DO_COUNT ? handlers[h] : "?";
}
