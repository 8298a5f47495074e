/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: every interrupt message that is seen, sent and injected.  Their fields are
 * plain ones: a structure in an event is unknown to tools without the module's BTF.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dvmm_ipi

#if !defined(DVMM_IPI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DVMM_IPI_TRACE_H

#include <linux/tracepoint.h>

#include "message.h"
#include "wire.h"

#define dvmm_ipi_modes				\
	{ DVMM_IPI_FIXED, "fixed" },		\
	{ DVMM_IPI_LOWEST, "lowest" },		\
	{ DVMM_IPI_SMI, "smi" },		\
	{ DVMM_IPI_REMRD, "unhalt" },		\
	{ DVMM_IPI_NMI, "nmi" },		\
	{ DVMM_IPI_INIT, "init" },		\
	{ DVMM_IPI_SIPI, "sipi" },		\
	{ DVMM_IPI_EXTINT, "extint" }

#define dvmm_ipi_shorthands			\
	{ DVMM_IPI_TO_DEST, "dest" },		\
	{ DVMM_IPI_TO_SELF, "self" },		\
	{ DVMM_IPI_TO_ALL, "all" },		\
	{ DVMM_IPI_TO_OTHERS, "others" }

#define dvmm_ipi_flag_names			\
	{ DVMM_IPI_LOGICAL, "logical" },	\
	{ DVMM_IPI_LEVEL, "level" },		\
	{ DVMM_IPI_ASSERT, "assert" },		\
	{ DVMM_IPI_MSI, "msi" }

#define dvmm_ipi_targets			\
	{ DVMM_IPI_VCPU, "vcpu" },		\
	{ DVMM_IPI_EVERY, "every" },		\
	{ DVMM_IPI_BROADCAST, "broadcast" },	\
	{ DVMM_IPI_LOGICALLY, "logical" }

#define dvmm_ipi_event_names			\
	{ DVMM_IPI_INITS, "init" },		\
	{ DVMM_IPI_SIPIS, "sipi" },		\
	{ DVMM_IPI_NMIS, "nmi" },		\
	{ DVMM_IPI_SMIS, "smi" },		\
	{ DVMM_IPI_UNHALTS, "unhalt" },		\
	{ DVMM_IPI_LEVELS, "level" }

/* KVM was given a message.  route: a node, -1: no other node, -2: all others. */
TRACE_EVENT(dvmm_ipi_seen,
	    TP_PROTO(u16 node, const struct dvmm_ipi_msg *msg, int route),
	    TP_ARGS(node, msg, route),
	    TP_STRUCT__entry(__field(int, route)
			     __field(u32, dest)
			     __field(u16, node)
			     __field(u8, vector)
			     __field(u8, mode)
			     __field(u8, shorthand)
			     __field(u8, flags)),
	    TP_fast_assign(__entry->route = route;
			   __entry->dest = msg->dest;
			   __entry->node = node;
			   __entry->vector = msg->vector;
			   __entry->mode = msg->mode;
			   __entry->shorthand = msg->shorthand;
			   __entry->flags = msg->flags;),
	    TP_printk("node %u route %d: %s to %s 0x%x vector 0x%02x %s",
		      __entry->node, __entry->route,
		      __print_symbolic(__entry->mode, dvmm_ipi_modes),
		      __print_symbolic(__entry->shorthand, dvmm_ipi_shorthands),
		      __entry->dest, __entry->vector,
		      __print_flags(__entry->flags, "|", dvmm_ipi_flag_names))
);

/* A vCPU runs on another node from now on. */
TRACE_EVENT(dvmm_ipi_place,
	    TP_PROTO(u16 node, u32 id, u16 from, u16 to),
	    TP_ARGS(node, id, from, to),
	    TP_STRUCT__entry(__field(u32, id)
			     __field(u16, node)
			     __field(u16, from)
			     __field(u16, to)),
	    TP_fast_assign(__entry->id = id;
			   __entry->node = node;
			   __entry->from = from;
			   __entry->to = to;),
	    TP_printk("node %u: vcpu 0x%x from %u to %u",
		      __entry->node, __entry->id, __entry->from, __entry->to)
);

/* Records go to a node. */
TRACE_EVENT(dvmm_ipi_send,
	    TP_PROTO(u16 node, u16 to, unsigned int count),
	    TP_ARGS(node, to, count),
	    TP_STRUCT__entry(__field(u16, node)
			     __field(u16, to)
			     __field(unsigned int, count)),
	    TP_fast_assign(__entry->node = node;
			   __entry->to = to;
			   __entry->count = count;),
	    TP_printk("node %u to %u: %u records",
		      __entry->node, __entry->to, __entry->count)
);

/* A record of a node was given to KVM, for so many vCPUs. */
TRACE_EVENT(dvmm_ipi_inject,
	    TP_PROTO(u16 node, u16 from, const struct dvmm_ipi_record *record,
		     unsigned int reached),
	    TP_ARGS(node, from, record, reached),
	    TP_STRUCT__entry(__field(unsigned int, reached)
			     __field(u16, node)
			     __field(u16, from)
			     __field(u32, dest)
			     __field(u8, to)
			     __field(u8, events)
			     __field(u8, sipi)
			     __array(u32, vectors, DVMM_IPI_WORDS)),
	    TP_fast_assign(__entry->reached = reached;
			   __entry->node = node;
			   __entry->from = from;
			   __entry->dest = record->dest;
			   __entry->to = record->to;
			   __entry->events = record->events;
			   __entry->sipi = record->sipi;
			   memcpy(__entry->vectors, record->vectors, sizeof(record->vectors));),
	    TP_printk("node %u from %u: %s 0x%x %s page 0x%02x vectors %s reached %u",
		      __entry->node, __entry->from,
		      __print_symbolic(__entry->to, dvmm_ipi_targets), __entry->dest,
		      __print_flags(__entry->events, "|", dvmm_ipi_event_names),
		      __entry->sipi,
		      __print_array(__entry->vectors, DVMM_IPI_WORDS, 4),
		      __entry->reached)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
