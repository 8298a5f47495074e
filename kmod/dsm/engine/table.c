// SPDX-License-Identifier: GPL-2.0
/*
 * The table.  A row has one entry for every event, in the order of messages.h;
 * a row that is missing or too short does not compile.
 */
#include "table.h"

#define ROW(get_s, get_m, put_s, put_m, unblock, get_z, get_c,		\
	    fwd_get_s, fwd_get_m, inv, data, put_ack, own_data, inv_ack,	\
	    load, store, touch, copy, evict, timer) {			\
	[DVMM_MSG_GET_S] = DVMM_DO_##get_s,				\
	[DVMM_MSG_GET_M] = DVMM_DO_##get_m,				\
	[DVMM_MSG_PUT_S] = DVMM_DO_##put_s,				\
	[DVMM_MSG_PUT_M] = DVMM_DO_##put_m,				\
	[DVMM_MSG_UNBLOCK] = DVMM_DO_##unblock,				\
	[DVMM_MSG_GET_Z] = DVMM_DO_##get_z,				\
	[DVMM_MSG_GET_C] = DVMM_DO_##get_c,				\
	[DVMM_MSG_FWD_GET_S] = DVMM_DO_##fwd_get_s,			\
	[DVMM_MSG_FWD_GET_M] = DVMM_DO_##fwd_get_m,			\
	[DVMM_MSG_INV] = DVMM_DO_##inv,					\
	[DVMM_MSG_DATA] = DVMM_DO_##data,				\
	[DVMM_MSG_PUT_ACK] = DVMM_DO_##put_ack,				\
	[DVMM_MSG_OWN_DATA] = DVMM_DO_##own_data,			\
	[DVMM_MSG_INV_ACK] = DVMM_DO_##inv_ack,				\
	[DVMM_EV_LOAD] = DVMM_DO_##load,				\
	[DVMM_EV_STORE] = DVMM_DO_##store,				\
	[DVMM_EV_TOUCH] = DVMM_DO_##touch,				\
	[DVMM_EV_COPY] = DVMM_DO_##copy,				\
	[DVMM_EV_EVICT] = DVMM_DO_##evict,				\
	[DVMM_EV_TIMER] = DVMM_DO_##timer }

dvmm_static_assert(DVMM_EV_COUNT == 21, "a new event needs a column in ROW()");

/* What only a home receives, and what it never does. */
#define TO_HOME		impossible, impossible, impossible, impossible, impossible, impossible,	\
			impossible
#define TO_CACHE	impossible, impossible, impossible, impossible, impossible
#define ROW2(...)	ROW(__VA_ARGS__)

/* A cache: FWD_GET_S, FWD_GET_M, INV, DATA, PUT_ACK, OWN_DATA, INV_ACK; local. */
#define ROW_I ROW2(TO_HOME,						\
	impossible, impossible, inv_late, impossible, impossible,	\
	impossible, impossible,						\
	ask_read, ask_write, ask_touch, ask_copy, ignore, timer)
#define ROW_S ROW2(TO_HOME,						\
	impossible, impossible, inv, impossible, impossible,		\
	impossible, impossible,						\
	wake, ask_upgrade, ignore, ignore, drop, timer)
#define ROW_M ROW2(TO_HOME,						\
	fwd_read, fwd_write, impossible, impossible, impossible,	\
	impossible, impossible,						\
	wake, wake, ignore, ignore, give_back, timer)
#define ROW_IS_D ROW2(TO_HOME,						\
	impossible, impossible, inv_late, data_read, impossible,	\
	own_read, impossible,						\
	ignore, ignore, ignore, ignore, ignore, timer)
#define ROW_IZ_D ROW2(TO_HOME,						\
	impossible, impossible, inv_late, data_ahead, impossible,	\
	impossible, impossible,						\
	ignore, ignore, ignore, ignore, ignore, timer)
#define ROW_IM_AD ROW2(TO_HOME,						\
	impossible, impossible, inv_late, data_write, impossible,	\
	own_write, ack_early,						\
	ignore, ignore, ignore, ignore, ignore, timer)
#define ROW_IM_A ROW2(TO_HOME,						\
	fwd_early, fwd_early, impossible, impossible, impossible,	\
	impossible, ack,						\
	ignore, ignore, ignore, ignore, ignore, timer)
#define ROW_SM_AD ROW2(TO_HOME,						\
	impossible, impossible, inv_upgrade, data_upgrade, impossible,	\
	impossible, ack_early,						\
	wake, ignore, ignore, ignore, ignore, timer)
#define ROW_SM_A ROW2(TO_HOME,						\
	fwd_early, fwd_early, impossible, impossible, impossible,	\
	impossible, ack,						\
	wake, ignore, ignore, ignore, ignore, timer)
#define ROW_MI_A ROW2(TO_HOME,						\
	fwd_put, fwd_put, impossible, impossible, put_done,		\
	impossible, impossible,						\
	ignore, ignore, ignore, ignore, ignore, timer)
#define ROW_II_A ROW2(TO_HOME,						\
	impossible, impossible, inv_late, impossible, put_done,		\
	impossible, impossible,						\
	ignore, ignore, ignore, ignore, ignore, timer)

/* The home: GET_S, GET_M, PUT_S, PUT_M, UNBLOCK, GET_Z, GET_C; OWN_DATA, INV_ACK; local. */
#define ROW_H_U ROW2(							\
	touch_far, touch_far, impossible, impossible, impossible, touch_far, refuse,	\
	TO_CACHE, impossible, impossible,				\
	touch, touch, touch, ignore, ignore, impossible)
#define ROW_H_M ROW2(							\
	m_read, m_write, put_s, put_m_late, impossible, refuse, m_copy,	\
	TO_CACHE, impossible, impossible,				\
	wake, wake, ignore, ignore, ignore, timer)
#define ROW_H_S ROW2(							\
	s_read, s_write, put_s, put_m_late, impossible, refuse, s_read,	\
	TO_CACHE, impossible, impossible,				\
	wake, home_upgrade, ignore, ignore, ignore, timer)
#define ROW_H_R ROW2(							\
	r_read, r_write, put_s, put_m, impossible, refuse, refuse,	\
	TO_CACHE, impossible, impossible,				\
	home_read, home_write, ignore, ignore, ignore, timer)
#define ROW_H_FS ROW2(							\
	busy, busy, put_s, put_m_late, unblock_read, refuse, refuse,	\
	TO_CACHE, impossible, impossible,				\
	stall, stall, ignore, ignore, ignore, timer)
#define ROW_H_FM ROW2(							\
	busy, busy, put_s, put_m_late, unblock_write, refuse, refuse,	\
	TO_CACHE, impossible, impossible,				\
	stall, stall, ignore, ignore, ignore, timer)
#define ROW_H_RS_D ROW2(						\
	busy, busy, put_s, put_m_late, impossible, refuse, refuse,	\
	TO_CACHE, home_own_read, impossible,				\
	ignore, stall, ignore, ignore, ignore, timer)
#define ROW_H_RM_D ROW2(						\
	busy, busy, put_s, put_m_late, impossible, refuse, refuse,	\
	TO_CACHE, home_own_write, impossible,				\
	ignore, ignore, ignore, ignore, ignore, timer)
#define ROW_H_SM_A ROW2(						\
	busy, busy, put_s, put_m_late, impossible, refuse, refuse,	\
	TO_CACHE, impossible, home_ack,					\
	wake, ignore, ignore, ignore, ignore, timer)

static const u8 table[DVMM_ST_COUNT][DVMM_EV_COUNT] = {
#define X(name, perm, frame, stable, why) [DVMM_ST_##name] = ROW_##name,
	DVMM_CACHE_STATES(X)
	DVMM_HOME_STATES(X)
#undef X
};

u8 dvmm_table_row(u8 state, bool homed)
{
	if (!homed)
		return state < DVMM_ST_HOME_FIRST ? state : DVMM_ST_COUNT;
	if (!state)
		return DVMM_ST_H_U;
	return state > DVMM_ST_H_U && state < DVMM_ST_COUNT ? state : DVMM_ST_COUNT;
}

enum dvmm_handler dvmm_table_cell(u8 row, u8 type)
{
	return table[row][type];
}
