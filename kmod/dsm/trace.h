/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: every step of the protocol, every frame, every link change. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dvmm

#if !defined(DVMM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DVMM_TRACE_H

#include <linux/tracepoint.h>

#include "engine/engine.h"
#include "engine/wire.h"

TRACE_EVENT(dvmm_step,
	TP_PROTO(u16 node, u16 region, u64 page, u8 event, u8 from, u8 to, unsigned int actions),
	TP_ARGS(node, region, page, event, from, to, actions),
	TP_STRUCT__entry(
		__field(u16, node)
		__field(u16, region)
		__field(u64, page)
		__string(event, dvmm_event_name(event))
		__string(from, dvmm_state_name(from))
		__string(to, dvmm_state_name(to))
		__field(unsigned int, actions)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->region = region;
		__entry->page = page;
		__assign_str(event);
		__assign_str(from);
		__assign_str(to);
		__entry->actions = actions;
	),
	TP_printk("node=%u region=%u page=%llu %s: %s -> %s actions=%u", __entry->node,
		  __entry->region, __entry->page, __get_str(event), __get_str(from),
		  __get_str(to), __entry->actions)
);

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
		__string(type, kind == DVMM_WIRE_COHERENCE ? dvmm_event_name(type) :
			 kind == DVMM_WIRE_CHANNEL ? "channel" : "link")
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->peer = peer;
		__entry->kind = kind;
		__entry->index = index;
		__entry->page = page;
		__entry->id = id;
		__assign_str(type);
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

TRACE_EVENT(dvmm_stop,
	TP_PROTO(u16 node, const char *reason),
	TP_ARGS(node, reason),
	TP_STRUCT__entry(
		__field(u16, node)
		__string(reason, reason)
	),
	TP_fast_assign(
		__entry->node = node;
		__assign_str(reason);
	),
	TP_printk("node=%u reason=%s", __entry->node, __get_str(reason))
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
