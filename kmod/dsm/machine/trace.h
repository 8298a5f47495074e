/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: every step of the protocol, every frame, every link change. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dvmm

#if !defined(DVMM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DVMM_TRACE_H

#include <linux/tracepoint.h>

#include "engine/engine.h"
#include "engine/wire.h"
#include "machine.h"

/* All that a step depends on and all that came of it: selftests/conform repeats it. */
TRACE_EVENT(dvmm_step,
	TP_PROTO(const struct dvmm_machine *m, u16 region, u64 page, bool again,
		 const struct dvmm_ctx *ctx, const struct dvmm_event *ev, u8 from, u8 to,
		 const struct dvmm_actions *out),
	TP_ARGS(m, region, page, again, ctx, ev, from, to, out),
	TP_STRUCT__entry(
		__array(u8, machine, 4)
		__field(u16, node)
		__field(u16, nodes)
		__field(u16, region)
		__field(u16, home)
		__field(u64, page)
		__string(event, dvmm_event_name(ev->type))
		__string(from, dvmm_state_name(from))
		__string(to, dvmm_state_name(to))
		__field(bool, again)
		__field(u8, flags)
		__field(u16, src)
		__field(u16, requester)
		__field(u16, acks)
		__field(u64, id)
		__field(u64, fresh)
		__field(u32, now)
		__field(u32, hold)
		__field(u8, migratory)
		__field(u8, history)
		__field(bool, wrote)
		__field(unsigned int, actions)
		__field(u32, digest)
	),
	TP_fast_assign(
		memcpy(__entry->machine, m->uuid, 4);
		__entry->node = ctx->self;
		__entry->nodes = ctx->nodes;
		__entry->region = region;
		__entry->home = ctx->home;
		__entry->page = page;
		dvmm_assign_str(event, dvmm_event_name(ev->type));
		dvmm_assign_str(from, dvmm_state_name(from));
		dvmm_assign_str(to, dvmm_state_name(to));
		__entry->again = again;
		__entry->flags = ev->msg.flags;
		__entry->src = ev->msg.src;
		__entry->requester = ev->msg.requester;
		__entry->acks = ev->msg.acks;
		__entry->id = ev->msg.id;
		__entry->fresh = ctx->fresh_id;
		__entry->now = ctx->now;
		__entry->hold = ctx->policy->hold_us;
		__entry->migratory = ctx->policy->migratory;
		__entry->history = ctx->policy->history;
		__entry->wrote = ctx->wrote;
		__entry->actions = out->count;
		__entry->digest = dvmm_actions_digest(out);
	),
	TP_printk("node=%u region=%u page=%llu %s: %s -> %s actions=%u digest=%08x machine=%*phN nodes=%u home=%u again=%u src=%u flags=%#x requester=%u acks=%u id=%llu fresh=%llu now=%u hold=%u migratory=%u history=%u wrote=%u",
		  __entry->node, __entry->region, __entry->page, __get_str(event),
		  __get_str(from), __get_str(to), __entry->actions, __entry->digest, 4,
		  __entry->machine, __entry->nodes, __entry->home, __entry->again,
		  __entry->src, __entry->flags, __entry->requester, __entry->acks,
		  __entry->id, __entry->fresh, __entry->now, __entry->hold,
		  __entry->migratory, __entry->history, __entry->wrote)
);

#define dvmm_frame_name(kind, type)						\
	((kind) == DVMM_WIRE_COHERENCE ? dvmm_event_name(type) :		\
	 (kind) == DVMM_WIRE_CHANNEL ? "channel" :				\
	 (kind) == DVMM_WIRE_BATCH ? "batch" : "link")

DECLARE_EVENT_CLASS(dvmm_frame,
	TP_PROTO(u16 node, u16 peer, u8 kind, u8 type, u16 index, u64 page, u64 id),
	TP_ARGS(node, peer, kind, type, index, page, id),
	TP_STRUCT__entry(
		__field(u16, node)
		__field(u16, peer)
		__field(u8, kind)
		__field(u16, index)
		__field(u64, page)
		__field(u64, id)
		__string(type, dvmm_frame_name(kind, type))
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->peer = peer;
		__entry->kind = kind;
		__entry->index = index;
		__entry->page = page;
		__entry->id = id;
		dvmm_assign_str(type, dvmm_frame_name(kind, type));
	),
	TP_printk("node=%u peer=%u %s index=%u page=%llu id=%llu", __entry->node, __entry->peer,
		  __get_str(type), __entry->index, __entry->page, __entry->id)
);

DEFINE_EVENT(dvmm_frame, dvmm_send,
	TP_PROTO(u16 node, u16 peer, u8 kind, u8 type, u16 index, u64 page, u64 id),
	TP_ARGS(node, peer, kind, type, index, page, id)
);

DEFINE_EVENT(dvmm_frame, dvmm_receive,
	TP_PROTO(u16 node, u16 peer, u8 kind, u8 type, u16 index, u64 page, u64 id),
	TP_ARGS(node, peer, kind, type, index, page, id)
);

/* A thread has a page, or has given up; had and need: 0 nothing, 1 to read, 2 to write. */
TRACE_EVENT(dvmm_wait,
	TP_PROTO(u16 node, u16 region, u64 page, u8 had, u8 need, u64 ns, int ret),
	TP_ARGS(node, region, page, had, need, ns, ret),
	TP_STRUCT__entry(
		__field(u16, node)
		__field(u16, region)
		__field(u64, page)
		__field(u64, ns)
		__field(int, ret)
		__field(u8, had)
		__field(u8, need)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->region = region;
		__entry->page = page;
		__entry->ns = ns;
		__entry->ret = ret;
		__entry->had = had;
		__entry->need = need;
	),
	TP_printk("node=%u region=%u page=%llu had=%u need=%u ns=%llu ret=%d", __entry->node,
		  __entry->region, __entry->page, __entry->had, __entry->need, __entry->ns,
		  __entry->ret)
);

TRACE_EVENT(dvmm_link,
	TP_PROTO(u16 node, u16 peer, int from, int to),
	TP_ARGS(node, peer, from, to),
	TP_STRUCT__entry(
		__field(u16, node)
		__field(u16, peer)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->peer = peer;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("node=%u peer=%u state %d -> %d", __entry->node, __entry->peer,
		  __entry->from, __entry->to)
);

TRACE_EVENT(dvmm_stall,
	TP_PROTO(u16 node, u16 region, u64 page, u8 state, unsigned int age_ms, const char *why),
	TP_ARGS(node, region, page, state, age_ms, why),
	TP_STRUCT__entry(
		__field(u16, node)
		__field(u16, region)
		__field(u64, page)
		__field(unsigned int, age_ms)
		__string(state, dvmm_state_name(state))
		__string(why, why)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->region = region;
		__entry->page = page;
		__entry->age_ms = age_ms;
		dvmm_assign_str(state, dvmm_state_name(state));
		dvmm_assign_str(why, why);
	),
	TP_printk("node=%u region=%u page=%llu state=%s age_ms=%u %s", __entry->node,
		  __entry->region, __entry->page, __get_str(state), __entry->age_ms,
		  __get_str(why))
);

TRACE_EVENT(dvmm_stop,
	TP_PROTO(u16 node, const char *reason),
	TP_ARGS(node, reason),
	TP_STRUCT__entry(
		__field(u16, node)
		__string(reason, reason)
	),
	TP_fast_assign(
		__entry->node = node;
		dvmm_assign_str(reason, reason);
	),
	TP_printk("node=%u reason=%s", __entry->node, __get_str(reason))
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
