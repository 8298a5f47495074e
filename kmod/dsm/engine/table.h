/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol's table: what each event means in each state.  The table itself
 * is in table.c; handlers are in cache.c and home.c.
 */
#ifndef DVMM_ENGINE_TABLE_H
#define DVMM_ENGINE_TABLE_H

#include "messages.h"
#include "states.h"

/* name, what it does */
#define DVMM_HANDLERS(X)						\
	X(impossible, "FENCE the sender, or FAIL if the event is local")	\
	X(ignore,     "nothing")					\
	X(stall,      "DEFER: wait for the page's next step")		\
	X(wake,       "the permission is already there: WAKE")		\
	X(timer,      "the hold time is over")				\
	DVMM_CACHE_HANDLERS(X)						\
	DVMM_HOME_HANDLERS(X)

#define DVMM_CACHE_HANDLERS(X)						\
	X(ask_read,    "send GET_S; IS_D; or, by history, ask_write")	\
	X(ask_write,   "send GET_M; IM_AD")				\
	X(ask_touch,   "send GET_Z; IZ_D")				\
	X(ask_copy,    "send GET_C; IZ_D")				\
	X(ask_upgrade, "send GET_M with SHARED; SM_AD")			\
	X(drop,        "perm NONE, send PUT_S; I")			\
	X(give_back,   "perm NONE, send PUT_M with the page; MI_A")	\
	X(put_done,    "WAKE those who came meanwhile; I")		\
	X(data_read,   "fill, grant READ (S) or, with EXCL, WRITE (M)")	\
	X(data_ahead,  "with the page or ZERO: as data_read.  Refused: WAKE; I") \
	X(own_read,    "as data_read; send UNBLOCK, with the page if READ") \
	X(data_write,  "fill; M if all acknowledgements are there, else IM_A") \
	X(own_write,   "fill, grant WRITE, send UNBLOCK; M")		\
	X(data_upgrade, "M if all acknowledgements are there, else SM_A")	\
	X(ack_early,   "count an acknowledgement that overtook the DATA")	\
	X(ack,         "count an acknowledgement; grant WRITE at the last (M)") \
	X(inv,         "unless held: perm NONE, send INV_ACK; I")	\
	X(inv_upgrade, "unless held: perm NONE, send INV_ACK; IM_AD")	\
	X(inv_late,    "the copy is gone already: send INV_ACK")	\
	X(fwd_read,    "unless held: perm READ, send OWN_DATA; S")	\
	X(fwd_write,   "unless held: perm NONE, send OWN_DATA with EXCL; I") \
	X(fwd_early,   "DEFER until all acknowledgements are there")	\
	X(fwd_put,     "send OWN_DATA from the frame being given back; II_A")

#define DVMM_HOME_HANDLERS(X)						\
	X(touch,       "fill with zeroes, grant WRITE; H_M")		\
	X(touch_far,   "send DATA with ZERO and EXCL; H_R")		\
	X(refuse,      "send DATA with nothing")			\
	X(m_read,      "unless held: perm READ, send DATA with the page; H_S") \
	X(m_copy,      "as m_read; but refuse what is held or written of late") \
	X(m_write,     "unless held: perm NONE, send DATA with the page; H_R") \
	X(s_read,      "send DATA with the page; H_S")			\
	X(s_write,     "unless held: perm NONE, INV to the sharers, DATA; H_R") \
	X(r_read,      "send FWD_GET_S to the owner; H_FS")		\
	X(r_write,     "send FWD_GET_M to the owner; H_FM")		\
	X(busy,        "DEFER until the request in progress is done")	\
	X(put_s,       "forget the sharer")				\
	X(put_m,       "fill, perm WRITE, send PUT_ACK; H_M")		\
	X(put_m_late,  "the page moved on meanwhile: send PUT_ACK, forget the sharer") \
	X(unblock_read, "fill, perm READ; H_S")				\
	X(unblock_write, "the requester is the owner; H_R")		\
	X(home_read,   "send FWD_GET_S to the owner for itself; H_RS_D; or home_write") \
	X(home_write,  "send FWD_GET_M to the owner for itself; H_RM_D")	\
	X(home_upgrade, "H_M if nobody shares, else INV to the sharers; H_SM_A") \
	X(home_own_read, "fill, grant READ; H_S")			\
	X(home_own_write, "fill, grant WRITE; H_M")			\
	X(home_ack,    "count an acknowledgement; grant WRITE at the last (H_M)")

enum dvmm_handler {
#define X(name, why) DVMM_DO_##name,
	DVMM_HANDLERS(X)
#undef X
	DVMM_DO_COUNT,
};

/** dvmm_table_row - the row of @state for a page that is @homed here or not */
u8 dvmm_table_row(u8 state, bool homed);
/**
 * dvmm_table_cell - what an event means in a state
 * @row: result of dvmm_table_row(), below DVMM_ST_COUNT
 * @type: enum dvmm_event_type, 1 .. DVMM_EV_COUNT - 1
 */
enum dvmm_handler dvmm_table_cell(u8 row, u8 type);
/** dvmm_handler_name - the handler's name as in DVMM_HANDLERS() */
const char *dvmm_handler_name(enum dvmm_handler h);

#endif
