/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine: one node's membership of a distributed guest.
 *
 * Life: created by DVMM_CREATE_MACHINE; "ready" once it is a member (members.h) and links
 * to all others are up; "stopped" once, for the first reason, for ever; released when its
 * descriptor is closed.  Every region, link and channel descriptor holds a
 * reference.
 *
 * Locks: @lock (mutex) orders changes of regions, links, channels and the KVM
 * attachment; @event_lock (spinlock) guards the event list and the reason.
 * Teardown: stop -> detach KVM -> disconnect links -> end the watch -> drain @wq ->
 * put reference.
 */
#ifndef DVMM_MACHINE_H
#define DVMM_MACHINE_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <linux/dvmm.h>
#include <linux/dvmm_netlink.h>

#include "engine/engine.h"
#include "hold.h"
#include "members.h"
#include "peer.h"

struct dvmm_clock_state;
struct dvmm_follow;
struct dvmm_kvm_service;
struct dvmm_link_upcalls;
struct dvmm_mover;
struct dvmm_stats_cpu;
struct dvmm_watch;
struct mem_cgroup;

/* One that the descriptor's reader has not read. */
struct dvmm_machine_event {
	struct list_head list;
	struct dvmm_event_record rec;
};

struct dvmm_machine {
	struct kref ref;
	struct list_head list;
	u64 serial;			/* machines are listed in this order */
	kuid_t owner;			/* whose process created it */
	u8 uuid[16];
	u8 config[16];
	u16 self;
	u16 nodes;
	u32 epoch;
	struct dvmm_policy policy;	/* its hold_us is a floor */
	bool prefetch;			/* read ahead */
	u32 stall_s;			/* bound of a flight's age; 0: none */
	bool secure;			/* links prove who they are */
	struct dvmm_hold hold;
	struct dvmm_follow *follow;

	struct mutex lock;		/* guards what nodes are made of: see above */
	bool started;			/* a link was connected: regions are fixed */
	struct xarray regions;		/* id -> struct dvmm_region, no reference */
	struct xarray links;		/* peer -> struct dvmm_link */
	const struct dvmm_link_upcalls *up;	/* of links */
	struct xarray channels;		/* id -> struct dvmm_channel */
	struct dvmm_peer *peers;	/* one a node */
	atomic_long_t unread;		/* bytes of datagrams that userspace has to read */
	struct mutex place_lock;	/* a vCPU is placed at a time; outside of @lock */
	bool kvm_claimed;		/* a VM is being attached, or a vCPU placed */
	const struct dvmm_kvm_service *kvm;
	void *kvm_priv;

	atomic_t links_up;		/* to members and others */
	bool stopped;
	char reason[DVMM_REASON_LEN];
	u64 since;			/* joining, ready or stopped; ktime_get_boottime_ns() */
	spinlock_t event_lock;		/* guards @events, @stopped, @since and @reason */
	struct list_head events;	/* of struct dvmm_machine_event */
	wait_queue_head_t wait;		/* ready, stopped, events, room on channels */
	struct work_struct stop_work;	/* tells everyone: machine_fd.c */
	struct workqueue_struct *wq;

	struct mutex early_lock;	/* see channel.h */
	struct list_head early;		/* datagrams whose channel is not open yet */
	unsigned int early_count;
	struct mutex clock_lock;	/* one measurement at a time; guards @clock */
	struct dvmm_clock_state *clock;	/* NULL once the machine leaves */
	struct dvmm_watch *watch;
	struct dvmm_mover *mover;
	struct dvmm_members members;

	atomic64_t next_id;
	struct dvmm_stats_cpu __percpu *stats;
	struct mem_cgroup *memcg;	/* who made the machine pays for what it keeps */
	struct dentry *debugfs;
};

static inline bool dvmm_machine_ready(const struct dvmm_machine *m)
{
	return READ_ONCE(m->members.ready);
}

static inline bool dvmm_machine_stopped(const struct dvmm_machine *m)
{
	return READ_ONCE(m->stopped);
}

/** dvmm_machine_alloc - one that nobody knows yet, or NULL; what is above it is the caller's */
struct dvmm_machine *dvmm_machine_alloc(const struct dvmm_create_machine *arg);
/** dvmm_machine_list - let it be found; 0, or -EEXIST: this host is that node already */
int dvmm_machine_list(struct dvmm_machine *m);
void dvmm_machine_unlist(struct dvmm_machine *m);
struct dvmm_machine *dvmm_machine_get(struct dvmm_machine *m);
void dvmm_machine_put(struct dvmm_machine *m);
/**
 * dvmm_machine_next - for who looks at all machines in turn
 * @serial: where to begin
 *
 * Return: the first machine that has this serial or a higher one, to be given back with
 * dvmm_machine_put(), or NULL.  It MAY leave or be gone from the list meanwhile: what it
 * is made of is valid under its lock.
 */
struct dvmm_machine *dvmm_machine_next(u64 serial);
/** dvmm_machine_kmalloc - @bytes for the machine's account, in whatever thread; kfree() */
void *dvmm_machine_kmalloc(struct dvmm_machine *m, size_t bytes);

/**
 * struct dvmm_notice_data - what happens to machines, for who follows all of them
 * @m: the machine
 * @peer: the node that it is about
 * @reason: text or NULL
 */
struct dvmm_notice_data {
	const struct dvmm_machine *m;
	u16 peer;
	const char *reason;
};

/* Who is called with enum dvmm_notice and a struct dvmm_notice_data; does not sleep. */
extern struct atomic_notifier_head dvmm_notices;

/** dvmm_machine_notice - tell those who follow, if there are any; not in hard interrupts */
void dvmm_machine_notice(const struct dvmm_machine *m, u32 notice, u16 peer, const char *reason);
/** dvmm_machine_event - tell the reader of the machine descriptor as well */
void dvmm_machine_event(struct dvmm_machine *m, u16 type, u16 node, const char *reason);
/** dvmm_machine_stop - stop here for @reason; the first call wins.  Any context */
void dvmm_machine_stop(struct dvmm_machine *m, const char *reason);

#endif
