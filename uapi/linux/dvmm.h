/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Userspace interface of dvmm.
 *
 * Everything is a file descriptor:
 *
 *   /dev/dvmm --CREATE_MACHINE--> machine --CREATE_REGION---> region  (mmap)
 *                                    |-----CREATE_LINK------> link
 *                                    |-----CREATE_CHANNEL---> channel (read, write, poll)
 *                                    '-----ATTACH_KVM, PLACE_VCPU, LEAVE
 *
 * A machine descriptor is one node's membership of a distributed machine;
 * several nodes of one machine may live in one kernel.  Every descriptor keeps
 * the machine alive; the machine stops everywhere when the descriptor of a node that
 * belongs to it is closed, unless the node has left before (DVMM_LEAVE).
 *
 * Every ioctl argument starts with its size, so that fields can be added:
 * the kernel accepts a shorter or longer struct as long as the bytes that it
 * does not know are zero (E2BIG otherwise).  Unknown flags and non-zero
 * reserved fields get EINVAL.  A call that fails changes nothing.
 */
#ifndef _UAPI_LINUX_DVMM_H
#define _UAPI_LINUX_DVMM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DVMM_API_VERSION	1
#define DVMM_MAX_NODE		1023
#define DVMM_MAX_REGION		255
#define DVMM_MAX_CHANNEL	63
#define DVMM_NODE_ALL		0xffff
#define DVMM_LINK_LANES		4
#define DVMM_KEY_LEN		32
#define DVMM_REASON_LEN		128
#define DVMM_CHANNEL_DATA_MAX	4096

/**
 * struct dvmm_version - DVMM_GET_VERSION, on /dev/dvmm
 * @size: sizeof(struct dvmm_version)
 * @flags: must be 0
 * @api: DVMM_API_VERSION of the loaded module
 * @wire_min: lowest wire version spoken
 * @wire_max: highest wire version spoken
 * @page_size: unit of coherence in bytes
 */
struct dvmm_version {
	__u32 size;
	__u32 flags;
	__u32 api;
	__u32 wire_min;
	__u32 wire_max;
	__u32 page_size;
};

/**
 * struct dvmm_create_machine - DVMM_CREATE_MACHINE, on /dev/dvmm
 * @size: sizeof(struct dvmm_create_machine)
 * @flags: DVMM_MACHINE_*
 * @uuid: names the machine, the same on all nodes
 * @config: digest of the machine's description; nodes with another one are refused
 * @node: this node, 0 .. @nodes - 1
 * @nodes: number of nodes that there may be at a time, 1 .. DVMM_MAX_NODE + 1
 * @hold_us: minimum time a granted page is kept, microseconds, 0 (none) ..
 *	DVMM_HOLD_MAX_US; raised to twice what a fetch from another node costs at its
 *	fastest
 * @policy: DVMM_POLICY_*
 * @stall_s: the machine stops, naming the page, once a page of a region has been
 *	on its way for so many seconds without progress; at most DVMM_STALL_MAX,
 *	0: never
 * @absent: nodes that are not there now, a bit each: node n is bit n % 64 of word n / 64;
 *	they may join later.  Not @node itself, and in machines of more than 64 nodes none
 *
 * Return: a machine descriptor.  EEXIST: this node of this machine exists in
 * this kernel already.
 */
struct dvmm_create_machine {
	__u32 size;
	__u32 flags;
	__u8 uuid[16];
	__u8 config[16];
	__u16 node;
	__u16 nodes;
	__u32 hold_us;
	__u32 policy;
	__u32 stall_s;
	__u64 absent[16];
};

#define DVMM_STALL_MAX		86400
#define DVMM_HOLD_MAX_US	100000

/*
 * Peers have to prove that they belong to the machine: DVMM_LINK_CONNECT takes nothing
 * else, until the end of the machine.
 */
#define DVMM_MACHINE_SECURE	0x1

/*
 * The node joins a machine that runs already, and of which all nodes but those in @absent are
 * members: once linked to each of them it asks to be one.  DVMM_EVENT_JOINED with its own
 * number says that it is, and not before does it reach memory or send datagrams; the
 * machine stops here, and nowhere else, with the reason if a member refuses.
 */
#define DVMM_MACHINE_JOIN	0x2

#define DVMM_POLICY_MIGRATORY	0x1	/* grant reads of migrating pages exclusively */
#define DVMM_POLICY_PREFETCH	0x2	/* read ahead of a thread that reads page after page */
#define DVMM_POLICY_MASK	0x3

/**
 * struct dvmm_create_region - DVMM_CREATE_REGION, on a machine
 * @size: sizeof(struct dvmm_create_region)
 * @flags: must be 0
 * @id: 0 .. DVMM_MAX_REGION, the same on all nodes
 * @home: node that homes the region, the same on all nodes: one that is there, but for
 *	who joins
 * @reserved: must be 0
 * @bytes: length, a multiple of 4096
 * @cache_bytes: how much of the region this node may hold while it is not its
 *	home, a multiple of 4096; 0: its share of the memory that is available when
 *	the first link is connected, no limit if all of it fits
 *
 * Return: a region descriptor for mmap(MAP_SHARED).  EEXIST: the id is taken.
 * EBUSY: the machine was started already.  ENOMEM: no memory for its
 * tables.
 */
struct dvmm_create_region {
	__u32 size;
	__u32 flags;
	__u16 id;
	__u16 home;
	__u32 reserved;
	__u64 bytes;
	__u64 cache_bytes;
};

#define DVMM_REGION_CACHE_MIN	(64 * 4096)

/**
 * struct dvmm_create_link - DVMM_CREATE_LINK, on a machine
 * @size: sizeof(struct dvmm_create_link)
 * @flags: must be 0
 * @peer: node at the other end
 * @reserved: must be 0
 * @transport: name, NUL-terminated: "loop", "tcp", "rdma"
 *
 * The module dvmm-transport-<name> is loaded if need be.
 * Return: a link descriptor; the link is idle until DVMM_LINK_CONNECT, and again after
 * DVMM_EVENT_LINK_DOWN: that is, before it was up, and while @peer is no member.
 * EPROTONOSUPPORT: no such transport.  EEXIST: a link to @peer exists.
 */
struct dvmm_create_link {
	__u32 size;
	__u32 flags;
	__u16 peer;
	__u16 reserved;
	char transport[16];
};

/**
 * struct dvmm_link_connect - DVMM_LINK_CONNECT, on a link
 * @size: sizeof(struct dvmm_link_connect)
 * @flags: must be 0
 * @sock: tcp: one connected stream socket for each lane, in the order REQ, FWD,
 *	RSP, CTL; the kernel takes its own references.  A TLS ULP set by
 *	userspace stays in force.  Other transports: all -1
 * @address: loop: must be empty (peers find each other by machine UUID);
 *	rdma: "address:port"; tcp: must be empty
 * @key: rdma, of a machine with DVMM_MACHINE_SECURE: what peers prove that they have,
 *	the same on all nodes; the kernel forgets it once the link is up or down.
 *	Otherwise all 0
 *
 * ENOKEY: the machine has DVMM_MACHINE_SECURE, and a socket has no TLS with keys for
 * both directions, or @key is all 0.
 * Asynchronous: DVMM_EVENT_LINK_UP tells when both ends agreed.  At any time: a peer
 * that is no member does no harm, whatever becomes of the link.
 */
struct dvmm_link_connect {
	__u32 size;
	__u32 flags;
	__s32 sock[DVMM_LINK_LANES];
	char address[64];
	__u8 key[DVMM_KEY_LEN];
};

/**
 * struct dvmm_create_channel - DVMM_CREATE_CHANNEL, on a machine
 * @size: sizeof(struct dvmm_create_channel)
 * @flags: must be 0
 * @id: DVMM_CHANNEL_USER .. DVMM_MAX_CHANNEL; one owner per id and node
 * @reserved: must be 0
 *
 * Return: a channel descriptor.  read() and write() move whole datagrams:
 * struct dvmm_datagram, then @length bytes.  Datagrams between two nodes keep
 * their order; those that arrive before the channel exists are kept (at most
 * 1,024).  The machine stops if a reader lets 16,384 pile up, or 32 MiB with all
 * channels of the node.  read() returns 0 once the machine has stopped and nothing
 * is left to read.
 */
struct dvmm_create_channel {
	__u32 size;
	__u32 flags;
	__u16 id;
	__u16 reserved[3];
};

#define DVMM_CHANNEL_IPI	0	/* of the kernel */
#define DVMM_CHANNEL_CLOCK	1	/* of the kernel */
#define DVMM_CHANNEL_USER	16	/* first one for userspace */

/**
 * struct dvmm_datagram - what precedes the data on a channel descriptor
 * @node: write: receiver, a member (ENOTCONN), or DVMM_NODE_ALL for all others; read: sender
 * @type: free for the users of the channel
 * @reserved: zero
 * @length: bytes that follow, at most DVMM_CHANNEL_DATA_MAX
 * @id: free for the users of the channel
 */
struct dvmm_datagram {
	__u16 node;
	__u8 type;
	__u8 reserved;
	__u32 length;
	__u64 id;
};

/**
 * struct dvmm_attach_kvm - DVMM_ATTACH_KVM, on a machine
 * @size: sizeof(struct dvmm_attach_kvm)
 * @flags: must be 0
 * @vm: descriptor of a KVM virtual machine whose local vCPUs belong to this node
 * @count: number of entries of @nodes_of, at most DVMM_MAX_APIC_ID + 1
 * @nodes_of: user address of __u16[@count]: the node of each APIC id, or
 *	DVMM_NODE_ALL where there is none; it has to be a member
 *
 * Loads dvmm-ipi if need be, and tests its hook: ENODEV with a line in the
 * kernel log if this kernel's KVM cannot be watched.  EBUSY: a VM is attached.
 */
struct dvmm_attach_kvm {
	__u32 size;
	__u32 flags;
	__s32 vm;
	__u32 count;
	__u64 nodes_of;
};

#define DVMM_MAX_APIC_ID	4095

/**
 * struct dvmm_place_vcpu - DVMM_PLACE_VCPU, on a machine: a vCPU runs elsewhere from now on
 * @size: sizeof(struct dvmm_place_vcpu)
 * @flags: must be 0
 * @id: its APIC id
 * @node: where its interrupts go from now on
 * @reserved: must be 0
 * @eoi: result, where the vCPU has run so far, also if it stays: vector of an end of
 *	interrupt that KVM has accepted and not reported, which is the caller's from
 *	now on; otherwise DVMM_NO_VECTOR
 *
 * To be called on every node, while no vCPU of the machine runs.  On return every
 * interrupt that was seen here is on its way, in front of whatever this node sends
 * over a channel afterwards; if the machine has stopped, what waited is dropped.
 * EINVAL: no such vCPU, or no such member.  ENOTCONN: no VM is attached.  EBUSY: this
 * node leaves, and is to get it.  EINTR: killed.
 */
struct dvmm_place_vcpu {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u16 node;
	__u16 reserved;
	__u32 eoi;
};

#define DVMM_NO_VECTOR		0xffffffff

/**
 * struct dvmm_clock - DVMM_GET_CLOCK, on a machine
 * @size: sizeof(struct dvmm_clock)
 * @flags: must be 0
 * @peer: node to compare with; measured anew by this call
 * @rounds: number of exchanges, 1 .. 1000
 * @offset: peer's TSC minus this node's TSC at one instant, in cycles
 * @error: half of the fastest round trip, in cycles: bound of the error of @offset
 * @tsc_khz: this kernel's TSC frequency
 *
 * An exchange that has no answer after a second is made again, ten times in all.
 * ETIMEDOUT: the peer answers no more.  ENOTCONN: no link to it.
 */
struct dvmm_clock {
	__u32 size;
	__u32 flags;
	__u16 peer;
	__u16 rounds;
	__u32 tsc_khz;
	__s64 offset;
	__u64 error;
};

/**
 * struct dvmm_stop - DVMM_STOP, on a machine: stop the machine on all nodes
 * @size: sizeof(struct dvmm_stop)
 * @flags: must be 0
 * @reason: text, NUL-terminated, given to all nodes
 */
struct dvmm_stop {
	__u32 size;
	__u32 flags;
	char reason[DVMM_REASON_LEN];
};

/**
 * struct dvmm_leave - DVMM_LEAVE, on a machine: this node leaves, and the machine goes on
 * @size: sizeof(struct dvmm_leave)
 * @flags: must be 0
 *
 * Waits until nothing of the others' is here and all of them know; from the call on accesses
 * to memory wait, until the machine has stopped here and they get SIGBUS.  On success it
 * has: "node 2 has left".  Its descriptor is to be closed; then the node may join again, as
 * a new machine, in this kernel or another.
 *
 * EBUSY, with a line in the kernel log that says which: the node is the home of pages, a
 * vCPU is placed here, a node joins, a home moves, or this node leaves already.  ENOTCONN:
 * not all members are linked.  EOPNOTSUPP: a member's dvmm does not let nodes leave, or the
 * machine has more than 64 nodes.  In all these cases nothing has happened.  EIO: the
 * machine has stopped.  EINTR: the caller was killed on the way.
 */
struct dvmm_leave {
	__u32 size;
	__u32 flags;
};

/**
 * struct dvmm_create_snapshot - DVMM_CREATE_SNAPSHOT, on a region: what it contains now
 * @size: sizeof(struct dvmm_create_snapshot)
 * @flags: must be 0
 *
 * Nobody MAY write to the region, on any node, from before the call until it returns, nor have
 * pages of it pinned to do so later.  It brings what others have here; from then on pages are
 * copied before they change or go.
 *
 * Return: a descriptor that is read at the offset of a page, whole pages at a time, each once:
 * ENODATA the second time.  ENOMEM: there was no room for copies, and the snapshot is
 * gone; the machine is not harmed.  What was not read is let go of with the descriptor.
 *
 * EBUSY: there is one already.  ENOSPC: the region may not have all of its pages here
 * (@cache_bytes).  EIO: the machine has not started, or has stopped.  EINTR.
 */
struct dvmm_create_snapshot {
	__u32 size;
	__u32 flags;
};

/**
 * struct dvmm_event_record - what read() on a machine descriptor returns
 * @type: DVMM_EVENT_*
 * @node: the node that the event is about; for STALLED, the one that is waited for
 * @reserved: zero
 * @reason: text, NUL-terminated, for LINK_DOWN, STOPPED and STALLED
 *
 * One record a read; EAGAIN if there is none and O_NONBLOCK is set.  After
 * STOPPED every access to a region's memory that is not held gets SIGBUS.
 * JOINED: the node, or this one, is a member from now on.  LEFT: it is none any more, also
 * since it was lost before it had anything; LINK_DOWN follows when its link may be connected
 * again.  STALLED comes when a page has
 * been on its way for more than a second, and not again before there was none; the machine
 * goes on.
 */
struct dvmm_event_record {
	__u16 type;
	__u16 node;
	__u32 reserved;
	char reason[DVMM_REASON_LEN];
};

#define DVMM_EVENT_LINK_UP	1
#define DVMM_EVENT_LINK_DOWN	2
#define DVMM_EVENT_STOPPED	3
#define DVMM_EVENT_STALLED	4
#define DVMM_EVENT_JOINED	5
#define DVMM_EVENT_LEFT		6

/**
 * struct dvmm_stats - DVMM_GET_STATS, on a machine; all counts since creation
 * @size: sizeof(struct dvmm_stats)
 * @flags: must be 0
 * @faults_read: accesses that had to ask for READ
 * @faults_write: accesses that had to ask for WRITE of a page not held
 * @faults_upgrade: accesses that had to ask for WRITE of a page held READ
 * @faults_local: faults that found the permission already there
 * @messages_sent: protocol and channel messages
 * @messages_received: protocol and channel messages
 * @bytes_sent: headers and payload
 * @bytes_received: headers and payload
 * @pages_sent: messages that carried a page
 * @pages_received: messages that carried a page
 * @invalidations: pages taken away by a peer
 * @downgrades: pages made read-only for a peer
 * @evictions: pages given up for room
 * @discarded: messages of another epoch or after the stop
 * @frames: frames held now
 * @latency_ns: p50, p90, p99 and maximum of the wait of a remote fault
 * @prefetches: pages asked for before a thread that reads in order wanted them
 * @faults_first: accesses at the home to pages that nobody had touched; they
 *	ask no other node and are in none of the other faults_ counts
 * @wait_ns: how long the faults of faults_read, faults_write and faults_upgrade
 *	waited in all, in nanoseconds
 */
struct dvmm_stats {
	__u32 size;
	__u32 flags;
	__u64 faults_read;
	__u64 faults_write;
	__u64 faults_upgrade;
	__u64 faults_local;
	__u64 messages_sent;
	__u64 messages_received;
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 pages_sent;
	__u64 pages_received;
	__u64 invalidations;
	__u64 downgrades;
	__u64 evictions;
	__u64 discarded;
	__u64 frames;
	__u64 latency_ns[4];
	__u64 prefetches;
	__u64 faults_first;
	__u64 wait_ns;
};

#define DVMM_IOCTL_BASE		0xD5
#define DVMM_GET_VERSION	_IOWR(DVMM_IOCTL_BASE, 0x00, struct dvmm_version)
#define DVMM_CREATE_MACHINE	_IOW(DVMM_IOCTL_BASE, 0x01, struct dvmm_create_machine)
#define DVMM_CREATE_REGION	_IOW(DVMM_IOCTL_BASE, 0x02, struct dvmm_create_region)
#define DVMM_CREATE_LINK	_IOW(DVMM_IOCTL_BASE, 0x03, struct dvmm_create_link)
#define DVMM_CREATE_CHANNEL	_IOW(DVMM_IOCTL_BASE, 0x04, struct dvmm_create_channel)
#define DVMM_ATTACH_KVM		_IOW(DVMM_IOCTL_BASE, 0x05, struct dvmm_attach_kvm)
#define DVMM_GET_CLOCK		_IOWR(DVMM_IOCTL_BASE, 0x06, struct dvmm_clock)
#define DVMM_STOP		_IOW(DVMM_IOCTL_BASE, 0x07, struct dvmm_stop)
#define DVMM_GET_STATS		_IOWR(DVMM_IOCTL_BASE, 0x08, struct dvmm_stats)
#define DVMM_PLACE_VCPU		_IOWR(DVMM_IOCTL_BASE, 0x09, struct dvmm_place_vcpu)
#define DVMM_LEAVE		_IOW(DVMM_IOCTL_BASE, 0x0a, struct dvmm_leave)
#define DVMM_CREATE_SNAPSHOT	_IOW(DVMM_IOCTL_BASE, 0x0b, struct dvmm_create_snapshot)
#define DVMM_LINK_CONNECT	_IOW(DVMM_IOCTL_BASE, 0x10, struct dvmm_link_connect)

#endif
