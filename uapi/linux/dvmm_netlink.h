/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What machines of this kernel are doing, told by the generic netlink family "dvmm".
 *
 * Documentation/netlink/dvmm.yaml is the same in the form that programs read.  The
 * family tells, and DVMM_CMD_REHOME changes; that one is for those who may see the machine.
 * It is there in the initial network namespace.
 *
 * Each DVMM_CMD_*_GET but CLOCK_GET is a dump.  Without attributes it is about all machines
 * that the sender may see: with CAP_NET_ADMIN all, else those that its user has created.
 * DVMM_A_UUID chooses one machine, DVMM_A_NODE with it one of its nodes.  ENOENT: there
 * is no such machine in this kernel.  EPERM: it is another user's.  Other attributes get
 * EINVAL, with the attribute and a text by extended acknowledgment.
 *
 * Every answer and every event begins with DVMM_A_UUID and DVMM_A_NODE.  An answer is
 * true of the time at which its part of the dump was made.
 */
#ifndef _UAPI_LINUX_DVMM_NETLINK_H
#define _UAPI_LINUX_DVMM_NETLINK_H

#define DVMM_FAMILY_NAME	"dvmm"
#define DVMM_FAMILY_VERSION	1

/* Multicast group of DVMM_CMD_EVENT; to join it takes CAP_NET_ADMIN. */
#define DVMM_MCGRP_EVENTS	"events"

#define DVMM_CLOCK_ROUNDS_MAX	100

/**
 * enum dvmm_cmd - requests, and what answers carry besides machine and node
 * @DVMM_CMD_MACHINE_GET: nodes, members, state, reason, time, hold-us, secure,
 *	links-up
 * @DVMM_CMD_LINK_GET: peer, member, transport, link-status, in-flight, and what went
 *	through it
 * @DVMM_CMD_REGION_GET: region, home, pages, homed, frames, limit
 * @DVMM_CMD_STATS_GET: stats
 * @DVMM_CMD_FLIGHT_GET: region, page, flight-state, age-ms, pinned, acks, waiting, reason;
 *	only flights at least DVMM_A_AGE_MS old if that is in the request
 * @DVMM_CMD_EVENT: not a request: event, time, and peer and reason where there are any
 * @DVMM_CMD_CLOCK_GET: no dump: offset, error, tsc-khz, time.  The request has uuid, node, peer
 *	and rounds; the peer is asked so many times, and all ends with the first answer that
 *	takes longer than a second (ETIMEDOUT).  ENOTCONN: there is no link to it
 * @DVMM_CMD_REHOME: no dump: region, page, peer, touched.  The request has uuid, node, region, page
 *	and peer: node, which is the home of the page, makes peer the home of the 2 MiB that the
 *	page is in, all of which may be in use meanwhile; the answer comes when that is done.
 *	EINVAL, ENOENT, EBUSY, ENOTCONN, EOPNOTSUPP: nothing has happened, the text says why.
 *	ENOMEM: the same, peer has no room.  EBUSY also while a node joins or leaves.
 *	ETIMEDOUT: it goes on, but takes long.  EIO: the machine has stopped
 */
enum dvmm_cmd {
	DVMM_CMD_MACHINE_GET = 1,
	DVMM_CMD_LINK_GET,
	DVMM_CMD_REGION_GET,
	DVMM_CMD_STATS_GET,
	DVMM_CMD_FLIGHT_GET,
	DVMM_CMD_EVENT,
	DVMM_CMD_CLOCK_GET,
	DVMM_CMD_REHOME,

	/* private: */
	__DVMM_CMD_MAX,
	DVMM_CMD_MAX = (__DVMM_CMD_MAX - 1)
};

/**
 * enum dvmm_machine_state - DVMM_A_STATE
 * @DVMM_MACHINE_STATE_JOINING: not all links are up yet
 * @DVMM_MACHINE_STATE_READY: linked to all other members
 * @DVMM_MACHINE_STATE_STOPPED: for ever, for DVMM_A_REASON
 */
enum dvmm_machine_state {
	DVMM_MACHINE_STATE_JOINING,
	DVMM_MACHINE_STATE_READY,
	DVMM_MACHINE_STATE_STOPPED,
};

/** enum dvmm_link_status - DVMM_A_LINK_STATUS */
enum dvmm_link_status {
	DVMM_LINK_STATUS_IDLE,
	DVMM_LINK_STATUS_CONNECTING,
	DVMM_LINK_STATUS_HELLO,
	DVMM_LINK_STATUS_UP,
	DVMM_LINK_STATUS_DOWN,
};

/**
 * enum dvmm_notice - DVMM_A_EVENT
 * @DVMM_NOTICE_LINK_UP: the link to DVMM_A_PEER
 * @DVMM_NOTICE_LINK_DOWN: the link to DVMM_A_PEER, for DVMM_A_REASON
 * @DVMM_NOTICE_STOPPED: the machine, for DVMM_A_REASON
 * @DVMM_NOTICE_STALLED: a page has been on its way for more than a second; DVMM_A_PEER is
 *	waited for, DVMM_A_REASON says more; not again before there was none
 * @DVMM_NOTICE_CREATED: a node of a machine came to be in this kernel
 * @DVMM_NOTICE_READY: it is linked to all others; one that is alone is ready when created
 * @DVMM_NOTICE_REMOVED: it is gone from this kernel
 * @DVMM_NOTICE_JOINED: DVMM_A_PEER, or this node if there is none, is a member now
 * @DVMM_NOTICE_LEFT: DVMM_A_PEER is none any more
 */
enum dvmm_notice {
	DVMM_NOTICE_LINK_UP = 1,
	DVMM_NOTICE_LINK_DOWN,
	DVMM_NOTICE_STOPPED,
	DVMM_NOTICE_STALLED,
	DVMM_NOTICE_CREATED,
	DVMM_NOTICE_READY,
	DVMM_NOTICE_REMOVED,
	DVMM_NOTICE_JOINED,
	DVMM_NOTICE_LEFT,
};

/**
 * enum dvmm_attr - attributes of requests, answers and events
 * @DVMM_A_PAD: for alignment
 * @DVMM_A_UUID: 16 bytes: names a machine
 * @DVMM_A_NODE: u16: which of its nodes this kernel is
 * @DVMM_A_NODES: u16: how many it has
 * @DVMM_A_STATE: u32: enum dvmm_machine_state
 * @DVMM_A_REASON: string
 * @DVMM_A_TIME: u64: CLOCK_BOOTTIME in ns: since when the state holds; of an event,
 *	when it happened
 * @DVMM_A_HOLD_US: u32: how long a granted page is kept at present
 * @DVMM_A_SECURE: flag: links prove who they are
 * @DVMM_A_LINKS_UP: u16: how many links are up
 * @DVMM_A_PEER: u16: node at the other end of a link, or that an event is about
 * @DVMM_A_TRANSPORT: string
 * @DVMM_A_LINK_STATUS: u32: enum dvmm_link_status
 * @DVMM_A_IN_FLIGHT: u32: frames that wait to be sent or acknowledged
 * @DVMM_A_SENT: u64: frames
 * @DVMM_A_RECEIVED: u64: frames
 * @DVMM_A_BYTES_SENT: u64: headers and payload
 * @DVMM_A_BYTES_RECEIVED: u64: headers and payload
 * @DVMM_A_REGION: u16
 * @DVMM_A_HOME: u16: node where a region is at home, but for what has moved
 * @DVMM_A_PAGES: u64: length of a region
 * @DVMM_A_FRAMES: u64: pages of it that are held here
 * @DVMM_A_LIMIT: u64: how many may be held here; 0: no limit
 * @DVMM_A_PAGE: u64: number of a page within its region
 * @DVMM_A_FLIGHT_STATE: string: name of the page's state (Documentation/protocol.rst)
 * @DVMM_A_AGE_MS: u32: since page or transaction changed last
 * @DVMM_A_PINNED: flag: somebody here has the page pinned
 * @DVMM_A_ACKS: s32: acknowledgments to come, as far as is known
 * @DVMM_A_WAITING: u32: events that wait for the page
 * @DVMM_A_STATS: nest of enum dvmm_stats_attr
 * @DVMM_A_EVENT: u32: enum dvmm_notice
 * @DVMM_A_ROUNDS: u16: exchanges, 1 .. DVMM_CLOCK_ROUNDS_MAX
 * @DVMM_A_OFFSET: s64: the peer's TSC minus this node's at one instant, in cycles
 * @DVMM_A_ERROR: u64: bound of the error of that, in cycles
 * @DVMM_A_TSC_KHZ: u32: of this kernel
 * @DVMM_A_HOMED: u64: pages of a region whose home this node is
 * @DVMM_A_TOUCHED: u64: of the pages that got another home, those that had been used
 * @DVMM_A_MEMBERS: u16: how many of its nodes belong to the machine at present
 * @DVMM_A_MEMBER: flag: the node at the other end of a link does
 */
enum dvmm_attr {
	DVMM_A_PAD = 1,
	DVMM_A_UUID,
	DVMM_A_NODE,
	DVMM_A_NODES,
	DVMM_A_STATE,
	DVMM_A_REASON,
	DVMM_A_TIME,
	DVMM_A_HOLD_US,
	DVMM_A_SECURE,
	DVMM_A_LINKS_UP,
	DVMM_A_PEER,
	DVMM_A_TRANSPORT,
	DVMM_A_LINK_STATUS,
	DVMM_A_IN_FLIGHT,
	DVMM_A_SENT,
	DVMM_A_RECEIVED,
	DVMM_A_BYTES_SENT,
	DVMM_A_BYTES_RECEIVED,
	DVMM_A_REGION,
	DVMM_A_HOME,
	DVMM_A_PAGES,
	DVMM_A_FRAMES,
	DVMM_A_LIMIT,
	DVMM_A_PAGE,
	DVMM_A_FLIGHT_STATE,
	DVMM_A_AGE_MS,
	DVMM_A_PINNED,
	DVMM_A_ACKS,
	DVMM_A_WAITING,
	DVMM_A_STATS,
	DVMM_A_EVENT,
	DVMM_A_ROUNDS,
	DVMM_A_OFFSET,
	DVMM_A_ERROR,
	DVMM_A_TSC_KHZ,
	DVMM_A_HOMED,
	DVMM_A_TOUCHED,
	DVMM_A_MEMBERS,
	DVMM_A_MEMBER,

	/* private: */
	__DVMM_A_MAX,
	DVMM_A_MAX = (__DVMM_A_MAX - 1)
};

/**
 * enum dvmm_stats_attr - in DVMM_A_STATS, all u64
 *
 * As the fields of struct dvmm_stats of the same names; besides,
 * @DVMM_A_STATS_PIN_WAITS: how often a page was asked for while pinned,
 * @DVMM_A_STATS_LATENCY_P50: wait of a remote fault in ns, of the median,
 * @DVMM_A_STATS_LATENCY_P90: of nine in ten,
 * @DVMM_A_STATS_LATENCY_P99: of 99 in a hundred,
 * @DVMM_A_STATS_LATENCY_MAX: and of the longest,
 * @DVMM_A_STATS_ZEROS_ASKED: untouched pages of other nodes asked for ahead of need,
 * @DVMM_A_STATS_BLOCKS: untouched blocks of 2 MiB taken at their home,
 * @DVMM_A_STATS_BLOCKS_SPLIT: how many of them are single pages since,
 * @DVMM_A_STATS_COPIES_ASKED: pages with contents asked for ahead of need,
 * @DVMM_A_STATS_COPIES_GOT: how many of them came,
 * @DVMM_A_STATS_COPIES_USED: and were used,
 * @DVMM_A_STATS_COPIES_LOST: and went before they were used,
 * @DVMM_A_STATS_SNAPSHOT_COPIES: pages copied before they changed, for who reads them as they were.
 */
enum dvmm_stats_attr {
	/* private: as in struct dvmm_stats */
	DVMM_A_STATS_PAD = 1,
	DVMM_A_STATS_FAULTS_READ,
	DVMM_A_STATS_FAULTS_WRITE,
	DVMM_A_STATS_FAULTS_UPGRADE,
	DVMM_A_STATS_FAULTS_LOCAL,
	DVMM_A_STATS_MESSAGES_SENT,
	DVMM_A_STATS_MESSAGES_RECEIVED,
	DVMM_A_STATS_BYTES_SENT,
	DVMM_A_STATS_BYTES_RECEIVED,
	DVMM_A_STATS_PAGES_SENT,
	DVMM_A_STATS_PAGES_RECEIVED,
	DVMM_A_STATS_INVALIDATIONS,
	DVMM_A_STATS_DOWNGRADES,
	DVMM_A_STATS_EVICTIONS,
	DVMM_A_STATS_DISCARDED,
	DVMM_A_STATS_PREFETCHES,
	DVMM_A_STATS_FAULTS_FIRST,
	DVMM_A_STATS_WAIT_NS,
	DVMM_A_STATS_FRAMES,
	/* public: */
	DVMM_A_STATS_PIN_WAITS,
	DVMM_A_STATS_LATENCY_P50,
	DVMM_A_STATS_LATENCY_P90,
	DVMM_A_STATS_LATENCY_P99,
	DVMM_A_STATS_LATENCY_MAX,
	DVMM_A_STATS_ZEROS_ASKED,
	DVMM_A_STATS_BLOCKS,
	DVMM_A_STATS_BLOCKS_SPLIT,
	DVMM_A_STATS_COPIES_ASKED,
	DVMM_A_STATS_COPIES_GOT,
	DVMM_A_STATS_COPIES_USED,
	DVMM_A_STATS_COPIES_LOST,
	DVMM_A_STATS_SNAPSHOT_COPIES,

	/* private: */
	__DVMM_A_STATS_MAX,
	DVMM_A_STATS_MAX = (__DVMM_A_STATS_MAX - 1)
};

#endif
