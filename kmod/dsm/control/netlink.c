// SPDX-License-Identifier: GPL-2.0
/* The generic netlink family "dvmm". */
#include <net/genetlink.h>

#include "link/clock.h"
#include "link/link.h"
#include "machine/machine.h"
#include "machine/stats.h"
#include "memory/flight.h"
#include "memory/mover.h"
#include "memory/region.h"
#include "memory/watch.h"
#include "netlink.h"

static_assert((int)DVMM_NOTICE_LINK_UP == DVMM_EVENT_LINK_UP);
static_assert((int)DVMM_NOTICE_LINK_DOWN == DVMM_EVENT_LINK_DOWN);
static_assert((int)DVMM_NOTICE_STOPPED == DVMM_EVENT_STOPPED);
static_assert((int)DVMM_NOTICE_STALLED == DVMM_EVENT_STALLED);
static_assert((int)DVMM_LINK_STATUS_IDLE == DVMM_LINK_IDLE);
static_assert((int)DVMM_LINK_STATUS_CONNECTING == DVMM_LINK_CONNECTING);
static_assert((int)DVMM_LINK_STATUS_HELLO == DVMM_LINK_HELLO);
static_assert((int)DVMM_LINK_STATUS_UP == DVMM_LINK_UP);
static_assert((int)DVMM_LINK_STATUS_DOWN == DVMM_LINK_DOWN);

static struct genl_family family;

/**
 * struct netlink_place - where a dump goes on, in its callback
 * @serial: with this machine
 * @next: with what has this id, or after so many flights of region @region
 * @region: of flights
 */
struct netlink_place {
	u64 serial;
	unsigned long next;
	unsigned long region;
};

static struct netlink_place *netlink_place(struct netlink_callback *cb)
{
	static_assert(sizeof(struct netlink_place) <= sizeof(cb->ctx));
	return (struct netlink_place *)cb->ctx;
}

/* ---- who may see what ---- */

static bool netlink_wants(struct nlattr **attrs, const struct dvmm_machine *m)
{
	return (!attrs[DVMM_A_UUID] ||
		!memcmp(nla_data(attrs[DVMM_A_UUID]), m->uuid, sizeof(m->uuid))) &&
	       (!attrs[DVMM_A_NODE] || nla_get_u16(attrs[DVMM_A_NODE]) == m->self);
}

static bool netlink_may(const struct sk_buff *request, const struct dvmm_machine *m)
{
	return uid_eq(NETLINK_CREDS(request)->uid, m->owner) ||
	       netlink_capable(request, CAP_NET_ADMIN);
}

/* A machine that was asked for by name and may be seen: 0, -ENOENT or -EPERM. */
static int netlink_seek(const struct sk_buff *request, struct nlattr **attrs,
			struct dvmm_machine **found)
{
	struct dvmm_machine *m;
	int ret = -ENOENT;
	u64 serial;

	for (serial = 0; (m = dvmm_machine_next(serial)); serial++) {
		serial = m->serial;
		if (netlink_wants(attrs, m)) {
			ret = -EPERM;
			if (netlink_may(request, m)) {
				*found = m;
				return 0;
			}
		}
		dvmm_machine_put(m);
	}
	return ret;
}

/* The same with words, and with a reference on @found. */
static int netlink_find(const struct sk_buff *request, struct nlattr **attrs,
			struct netlink_ext_ack *extack, struct dvmm_machine **found)
{
	int ret = netlink_seek(request, attrs, found);

	if (ret == -ENOENT)
		NL_SET_ERR_MSG_ATTR(extack, attrs[DVMM_A_UUID],
				    "there is no such machine in this kernel");
	if (ret == -EPERM)
		NL_SET_ERR_MSG_ATTR(extack, attrs[DVMM_A_UUID],
				    "the machine is another user's: that takes CAP_NET_ADMIN");
	return ret;
}

static int netlink_start(struct netlink_callback *cb)
{
	struct nlattr **attrs = dvmm_genl_attrs(cb);
	struct dvmm_machine *m;
	int ret;

	if (attrs[DVMM_A_UUID]) {
		ret = netlink_find(cb->skb, attrs, cb->extack, &m);
		if (!ret)
			dvmm_machine_put(m);
		return ret;
	}
	if (!attrs[DVMM_A_NODE])
		return 0;
	NL_SET_ERR_MSG_ATTR(cb->extack, attrs[DVMM_A_NODE],
			    "a node without a machine: give uuid as well");
	return -EINVAL;
}

/* ---- messages ---- */

/* Writes all of a thing, or fails for want of room. */
typedef int (*netlink_put_fn)(struct sk_buff *skb, const void *thing);

static int netlink_put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, DVMM_A_PAD);
}

static int netlink_put_name(struct sk_buff *skb, const struct dvmm_machine *m)
{
	return nla_put(skb, DVMM_A_UUID, sizeof(m->uuid), m->uuid) ?:
	       nla_put_u16(skb, DVMM_A_NODE, m->self);
}

static int netlink_message(struct sk_buff *skb, struct netlink_callback *cb,
			   const struct dvmm_machine *m, netlink_put_fn put, const void *thing)
{
	const struct genlmsghdr *asked = nlmsg_data(cb->nlh);
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
				NLM_F_MULTI, asked->cmd);

	if (!hdr)
		return -EMSGSIZE;
	if (netlink_put_name(skb, m) || put(skb, thing)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* What a dump says of one machine, from @at->next on; -EMSGSIZE: to be continued. */
typedef int (*netlink_tell_fn)(struct sk_buff *skb, struct netlink_callback *cb,
			       struct dvmm_machine *m);

static int netlink_dump(struct sk_buff *skb, struct netlink_callback *cb, netlink_tell_fn tell)
{
	struct netlink_place *at = netlink_place(cb);
	struct nlattr **attrs = dvmm_genl_attrs(cb);
	struct dvmm_machine *m;
	int ret = 0;

	while (!ret && (m = dvmm_machine_next(at->serial))) {
		if (m->serial != at->serial)
			*at = (struct netlink_place){ .serial = m->serial };
		if (netlink_wants(attrs, m) && netlink_may(cb->skb, m))
			ret = tell(skb, cb, m);
		if (!ret)
			*at = (struct netlink_place){ .serial = m->serial + 1 };
		dvmm_machine_put(m);
	}
	return skb->len ?: ret;
}

/* ---- machines ---- */

static u32 netlink_state(const struct dvmm_machine *m)
{
	if (m->stopped)
		return DVMM_MACHINE_STATE_STOPPED;
	return dvmm_machine_ready(m) ? DVMM_MACHINE_STATE_READY : DVMM_MACHINE_STATE_JOINING;
}

static int netlink_put_state(struct sk_buff *skb, struct dvmm_machine *m)
{
	char reason[DVMM_REASON_LEN];
	u32 state;
	u64 since;

	spin_lock_irq(&m->event_lock);
	state = netlink_state(m);
	since = m->since;
	memcpy(reason, m->reason, sizeof(reason));
	spin_unlock_irq(&m->event_lock);
	if (nla_put_u32(skb, DVMM_A_STATE, state) || netlink_put_u64(skb, DVMM_A_TIME, since))
		return -EMSGSIZE;
	return state == DVMM_MACHINE_STATE_STOPPED ? nla_put_string(skb, DVMM_A_REASON, reason) : 0;
}

static int netlink_put_machine(struct sk_buff *skb, const void *thing)
{
	struct dvmm_machine *m = (struct dvmm_machine *)thing;
	u32 hold = dvmm_hold_us(&m->hold, m->policy.hold_us, DVMM_PERM_WRITE);

	if (nla_put_u16(skb, DVMM_A_NODES, m->nodes) ||
	    nla_put_u16(skb, DVMM_A_MEMBERS, bitmap_weight(m->members.set, m->nodes)) ||
	    netlink_put_state(skb, m) ||
	    nla_put_u32(skb, DVMM_A_HOLD_US, hold) ||
	    nla_put_u16(skb, DVMM_A_LINKS_UP, atomic_read(&m->links_up)))
		return -EMSGSIZE;
	return m->secure ? nla_put_flag(skb, DVMM_A_SECURE) : 0;
}

static int netlink_tell_machine(struct sk_buff *skb, struct netlink_callback *cb,
				struct dvmm_machine *m)
{
	return netlink_message(skb, cb, m, netlink_put_machine, m);
}

static int netlink_dump_machines(struct sk_buff *skb, struct netlink_callback *cb)
{
	return netlink_dump(skb, cb, netlink_tell_machine);
}

/* ---- links ---- */

static int netlink_put_link(struct sk_buff *skb, const void *thing)
{
	const struct dvmm_link *l = thing;
	struct dvmm_link_counts sum = dvmm_link_sum(l);

	if (nla_put_u16(skb, DVMM_A_PEER, l->peer) ||
	    nla_put_string(skb, DVMM_A_TRANSPORT, l->x.ops->name) ||
	    nla_put_u32(skb, DVMM_A_LINK_STATUS, READ_ONCE(l->state)) ||
	    nla_put_u32(skb, DVMM_A_IN_FLIGHT, atomic_read(&l->in_flight)) ||
	    netlink_put_u64(skb, DVMM_A_SENT, sum.sent) ||
	    netlink_put_u64(skb, DVMM_A_RECEIVED, sum.received) ||
	    netlink_put_u64(skb, DVMM_A_BYTES_SENT, sum.bytes_sent) ||
	    netlink_put_u64(skb, DVMM_A_BYTES_RECEIVED, sum.bytes_received))
		return -EMSGSIZE;
	return dvmm_members_has(l->m, l->peer) ? nla_put_flag(skb, DVMM_A_MEMBER) : 0;
}

static int netlink_tell_links(struct sk_buff *skb, struct netlink_callback *cb,
			      struct dvmm_machine *m)
{
	struct netlink_place *at = netlink_place(cb);
	struct dvmm_link *l;
	unsigned long peer;
	int ret = 0;

	if (mutex_lock_killable(&m->lock))
		return -EINTR;
	xa_for_each_start(&m->links, peer, l, at->next) {
		ret = netlink_message(skb, cb, m, netlink_put_link, l);
		if (ret)
			break;
		at->next = peer + 1;
	}
	mutex_unlock(&m->lock);
	return ret;
}

static int netlink_dump_links(struct sk_buff *skb, struct netlink_callback *cb)
{
	return netlink_dump(skb, cb, netlink_tell_links);
}

/* ---- regions ---- */

static int netlink_put_region(struct sk_buff *skb, const void *thing)
{
	const struct dvmm_region *r = thing;

	if (nla_put_u16(skb, DVMM_A_REGION, r->id) || nla_put_u16(skb, DVMM_A_HOME, r->home) ||
	    netlink_put_u64(skb, DVMM_A_PAGES, r->npages) ||
	    netlink_put_u64(skb, DVMM_A_HOMED, dvmm_homes_count((struct dvmm_region *)r)) ||
	    netlink_put_u64(skb, DVMM_A_FRAMES, atomic64_read(&r->frames)) ||
	    netlink_put_u64(skb, DVMM_A_LIMIT, r->limit))
		return -EMSGSIZE;
	return 0;
}

static int netlink_tell_regions(struct sk_buff *skb, struct netlink_callback *cb,
				struct dvmm_machine *m)
{
	struct netlink_place *at = netlink_place(cb);
	struct dvmm_region *r;
	unsigned long id;
	int ret = 0;

	if (mutex_lock_killable(&m->lock))
		return -EINTR;
	xa_for_each_start(&m->regions, id, r, at->next) {
		ret = netlink_message(skb, cb, m, netlink_put_region, r);
		if (ret)
			break;
		at->next = id + 1;
	}
	mutex_unlock(&m->lock);
	return ret;
}

static int netlink_dump_regions(struct sk_buff *skb, struct netlink_callback *cb)
{
	return netlink_dump(skb, cb, netlink_tell_regions);
}

/* ---- statistics ---- */

struct netlink_stats {
	struct dvmm_stats sum;
	struct dvmm_stats_more more;
};

static const struct {
	u16 attr;
	u16 at;
} counters[] = {
#define COUNTER(name, field) { DVMM_A_STATS_##name, offsetof(struct netlink_stats, field) }
	COUNTER(FAULTS_READ, sum.faults_read),
	COUNTER(FAULTS_WRITE, sum.faults_write),
	COUNTER(FAULTS_UPGRADE, sum.faults_upgrade),
	COUNTER(FAULTS_LOCAL, sum.faults_local),
	COUNTER(MESSAGES_SENT, sum.messages_sent),
	COUNTER(MESSAGES_RECEIVED, sum.messages_received),
	COUNTER(BYTES_SENT, sum.bytes_sent),
	COUNTER(BYTES_RECEIVED, sum.bytes_received),
	COUNTER(PAGES_SENT, sum.pages_sent),
	COUNTER(PAGES_RECEIVED, sum.pages_received),
	COUNTER(INVALIDATIONS, sum.invalidations),
	COUNTER(DOWNGRADES, sum.downgrades),
	COUNTER(EVICTIONS, sum.evictions),
	COUNTER(DISCARDED, sum.discarded),
	COUNTER(PREFETCHES, sum.prefetches),
	COUNTER(FAULTS_FIRST, sum.faults_first),
	COUNTER(WAIT_NS, sum.wait_ns),
	COUNTER(FRAMES, sum.frames),
	COUNTER(LATENCY_P50, sum.latency_ns[0]),
	COUNTER(LATENCY_P90, sum.latency_ns[1]),
	COUNTER(LATENCY_P99, sum.latency_ns[2]),
	COUNTER(LATENCY_MAX, sum.latency_ns[3]),
	COUNTER(PIN_WAITS, more.pin_waits),
	COUNTER(ZEROS_ASKED, more.zeros_asked),
	COUNTER(BLOCKS, more.blocks),
	COUNTER(BLOCKS_SPLIT, more.blocks_split),
	COUNTER(COPIES_ASKED, more.copies_asked),
	COUNTER(COPIES_GOT, more.copies_got),
	COUNTER(COPIES_USED, more.copies_used),
	COUNTER(COPIES_LOST, more.copies_lost),
	COUNTER(SNAPSHOT_COPIES, more.snapshot_copies),
#undef COUNTER
};

/* All but the lengths and flags at the beginning. */
static_assert(ARRAY_SIZE(counters) ==
	      (sizeof(struct netlink_stats) - offsetof(struct netlink_stats, sum.faults_read)) /
	      sizeof(u64));
static_assert(ARRAY_SIZE(counters) == DVMM_A_STATS_MAX - DVMM_A_STATS_PAD);

static int netlink_put_stats(struct sk_buff *skb, const void *stats)
{
	struct nlattr *nest = nla_nest_start(skb, DVMM_A_STATS);
	int ret = nest ? 0 : -EMSGSIZE, i;

	for (i = 0; !ret && i < ARRAY_SIZE(counters); i++)
		ret = nla_put_u64_64bit(skb, counters[i].attr,
					*(const u64 *)(stats + counters[i].at), DVMM_A_STATS_PAD);
	if (!ret)
		nla_nest_end(skb, nest);
	return ret;
}

static int netlink_tell_stats(struct sk_buff *skb, struct netlink_callback *cb,
			      struct dvmm_machine *m)
{
	struct netlink_stats s = {};

	dvmm_stats_sum(m, dvmm_regions_frames(m), &s.sum);
	dvmm_stats_more(m, &s.more);
	return netlink_message(skb, cb, m, netlink_put_stats, &s);
}

static int netlink_dump_stats(struct sk_buff *skb, struct netlink_callback *cb)
{
	return netlink_dump(skb, cb, netlink_tell_stats);
}

/* ---- flights ---- */

struct netlink_flight {
	const struct dvmm_region *r;
	const struct dvmm_flight_view *v;
};

/**
 * struct netlink_flights - a walk through the flights of a machine
 * @skb: message
 * @cb: what was asked
 * @m: the machine
 * @age_ms: younger ones are left out
 * @seen: flights of the present region so far
 * @ret: -EMSGSIZE once the message is full
 */
struct netlink_flights {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	struct dvmm_machine *m;
	u32 age_ms;
	unsigned long seen;
	int ret;
};

static int netlink_put_flight(struct sk_buff *skb, const void *thing)
{
	const struct netlink_flight *f = thing;
	const struct dvmm_flight_view *v = f->v;
	char why[DVMM_WHY_LEN];

	dvmm_watch_why(f->r, v, why);
	if (nla_put_u16(skb, DVMM_A_REGION, f->r->id) ||
	    netlink_put_u64(skb, DVMM_A_PAGE, v->page) ||
	    nla_put_string(skb, DVMM_A_FLIGHT_STATE, dvmm_state_name(v->state)) ||
	    nla_put_u32(skb, DVMM_A_AGE_MS, v->age_ms) ||
	    nla_put_s32(skb, DVMM_A_ACKS, v->acks) ||
	    nla_put_u32(skb, DVMM_A_WAITING, v->waiting) ||
	    nla_put_string(skb, DVMM_A_REASON, why))
		return -EMSGSIZE;
	return v->pinned ? nla_put_flag(skb, DVMM_A_PINNED) : 0;
}

static void netlink_tell_flight(struct dvmm_region *r, const struct dvmm_flight_view *v, void *arg)
{
	struct netlink_flight flight = { .r = r, .v = v };
	struct netlink_place *at;
	struct netlink_flights *f = arg;

	at = netlink_place(f->cb);
	if (f->ret || f->seen++ < at->next || v->age_ms < f->age_ms)
		return;
	f->ret = netlink_message(f->skb, f->cb, f->m, netlink_put_flight, &flight);
	if (!f->ret)
		at->next = f->seen;
}

static int netlink_tell_flights(struct sk_buff *skb, struct netlink_callback *cb,
				struct dvmm_machine *m)
{
	struct nlattr *age = dvmm_genl_attrs(cb)[DVMM_A_AGE_MS];
	struct netlink_flights f = { .skb = skb, .cb = cb, .m = m };
	struct netlink_place *at = netlink_place(cb);
	struct dvmm_region *r;
	unsigned long id;

	f.age_ms = age ? nla_get_u32(age) : 0;
	if (mutex_lock_killable(&m->lock))
		return -EINTR;
	xa_for_each_start(&m->regions, id, r, at->region) {
		f.seen = 0;
		dvmm_flights_visit(r, netlink_tell_flight, &f);
		if (f.ret)
			break;
		at->region = id + 1;
		at->next = 0;
	}
	mutex_unlock(&m->lock);
	return f.ret;
}

static int netlink_dump_flights(struct sk_buff *skb, struct netlink_callback *cb)
{
	return netlink_dump(skb, cb, netlink_tell_flights);
}

/* ---- clocks ---- */

static int netlink_put_clock(struct sk_buff *skb, const void *thing)
{
	const struct dvmm_clock *c = thing;

	if (nla_put_u16(skb, DVMM_A_PEER, c->peer) ||
	    nla_put_s64(skb, DVMM_A_OFFSET, c->offset, DVMM_A_PAD) ||
	    netlink_put_u64(skb, DVMM_A_ERROR, c->error) ||
	    netlink_put_u64(skb, DVMM_A_TIME, ktime_get_boottime_ns()))
		return -EMSGSIZE;
	return nla_put_u32(skb, DVMM_A_TSC_KHZ, c->tsc_khz);
}

static int netlink_reply(struct genl_info *info, const struct dvmm_machine *m,
			 netlink_put_fn put, const void *thing)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_put_reply(skb, info, &family, 0, info->genlhdr->cmd);
	if (!hdr || netlink_put_name(skb, m) || put(skb, thing)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

static int netlink_measure(struct genl_info *info, struct dvmm_machine *m)
{
	struct dvmm_clock c = {
		.peer = nla_get_u16(info->attrs[DVMM_A_PEER]),
		.rounds = nla_get_u16(info->attrs[DVMM_A_ROUNDS]),
	};
	int ret = dvmm_clock_measure(m, &c);

	if (ret == -EINVAL)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[DVMM_A_PEER],
				    "not another node of the machine");
	if (ret == -ENOTCONN)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[DVMM_A_PEER],
				    "there is no link to this node");
	return ret ?: netlink_reply(info, m, netlink_put_clock, &c);
}

static int netlink_clock(struct sk_buff *skb, struct genl_info *info)
{
	struct dvmm_machine *m;
	int ret;

	if (GENL_REQ_ATTR_CHECK(info, DVMM_A_UUID) || GENL_REQ_ATTR_CHECK(info, DVMM_A_NODE) ||
	    GENL_REQ_ATTR_CHECK(info, DVMM_A_PEER) || GENL_REQ_ATTR_CHECK(info, DVMM_A_ROUNDS))
		return -EINVAL;
	ret = netlink_find(skb, info->attrs, info->extack, &m);
	if (ret)
		return ret;
	ret = netlink_measure(info, m);
	dvmm_machine_put(m);
	return ret;
}

/* ---- homes that move ---- */

struct netlink_moved {
	u16 region;
	u64 page;
	u16 to;
	unsigned int told;
};

static int netlink_put_moved(struct sk_buff *skb, const void *thing)
{
	const struct netlink_moved *v = thing;

	if (nla_put_u16(skb, DVMM_A_REGION, v->region) ||
	    netlink_put_u64(skb, DVMM_A_PAGE, v->page) ||
	    nla_put_u16(skb, DVMM_A_PEER, v->to))
		return -EMSGSIZE;
	return netlink_put_u64(skb, DVMM_A_TOUCHED, v->told);
}

static int netlink_move(struct genl_info *info, struct dvmm_machine *m)
{
	struct netlink_moved v = {
		.region = nla_get_u16(info->attrs[DVMM_A_REGION]),
		.page = nla_get_u64(info->attrs[DVMM_A_PAGE]),
		.to = nla_get_u16(info->attrs[DVMM_A_PEER]),
	};
	const char *why;
	int ret = dvmm_mover_run(m, v.region, v.page, v.to, &v.told, &why);

	if (!ret)
		return netlink_reply(info, m, netlink_put_moved, &v);
	if (info->extack)
		info->extack->_msg = why;
	return ret;
}

static int netlink_rehome(struct sk_buff *skb, struct genl_info *info)
{
	struct dvmm_machine *m;
	int ret;

	if (GENL_REQ_ATTR_CHECK(info, DVMM_A_UUID) || GENL_REQ_ATTR_CHECK(info, DVMM_A_NODE) ||
	    GENL_REQ_ATTR_CHECK(info, DVMM_A_REGION) || GENL_REQ_ATTR_CHECK(info, DVMM_A_PAGE) ||
	    GENL_REQ_ATTR_CHECK(info, DVMM_A_PEER))
		return -EINVAL;
	ret = netlink_find(skb, info->attrs, info->extack, &m);
	if (ret)
		return ret;
	ret = netlink_move(info, m);
	dvmm_machine_put(m);
	return ret;
}

/* ---- events ---- */

static const struct genl_multicast_group groups[] = {
	{ .name = DVMM_MCGRP_EVENTS, .flags = DVMM_GENL_MCAST_ADMIN },
};

static int netlink_put_event(struct sk_buff *skb, const struct dvmm_notice_data *n, u32 notice)
{
	void *hdr = genlmsg_put(skb, 0, 0, &family, 0, DVMM_CMD_EVENT);

	if (!hdr || netlink_put_name(skb, n->m) || nla_put_u32(skb, DVMM_A_EVENT, notice) ||
	    netlink_put_u64(skb, DVMM_A_TIME, ktime_get_boottime_ns()) ||
	    (n->peer != n->m->self && nla_put_u16(skb, DVMM_A_PEER, n->peer)) ||
	    (n->reason && *n->reason && nla_put_string(skb, DVMM_A_REASON, n->reason)))
		return -EMSGSIZE;
	genlmsg_end(skb, hdr);
	return 0;
}

/* What cannot be delivered is lost; its receiver gets ENOBUFS. */
static int netlink_notice(struct notifier_block *nb, unsigned long notice, void *data)
{
	const struct dvmm_notice_data *n = data;
	struct sk_buff *skb;

	if (!genl_has_listeners(&family, &init_net, 0))
		return NOTIFY_DONE;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (skb && !netlink_put_event(skb, n, notice)) {
		genlmsg_multicast(&family, skb, 0, 0, GFP_ATOMIC);
		return NOTIFY_OK;
	}
	pr_warn_ratelimited("dvmm: no memory to tell of event %lu of node %u\n", notice, n->peer);
	nlmsg_free(skb);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_follower = { .notifier_call = netlink_notice };

/* ---- the family ---- */

#define NETLINK_NAME							\
	[DVMM_A_UUID] = NLA_POLICY_EXACT_LEN(sizeof_field(struct dvmm_machine, uuid)), \
	[DVMM_A_NODE] = NLA_POLICY_MAX(NLA_U16, DVMM_MAX_NODE)

static const struct nla_policy name_policy[] = { NETLINK_NAME };

static const struct nla_policy flight_policy[] = {
	NETLINK_NAME,
	[DVMM_A_AGE_MS] = { .type = NLA_U32 },
};

static const struct nla_policy clock_policy[] = {
	NETLINK_NAME,
	[DVMM_A_PEER] = NLA_POLICY_MAX(NLA_U16, DVMM_MAX_NODE),
	[DVMM_A_ROUNDS] = NLA_POLICY_RANGE(NLA_U16, 1, DVMM_CLOCK_ROUNDS_MAX),
};

static const struct nla_policy rehome_policy[] = {
	NETLINK_NAME,
	[DVMM_A_PEER] = NLA_POLICY_MAX(NLA_U16, DVMM_MAX_NODE),
	[DVMM_A_REGION] = NLA_POLICY_MAX(NLA_U16, DVMM_MAX_REGION),
	[DVMM_A_PAGE] = { .type = NLA_U64 },
};

#define NETLINK_GET(number, names, dump) {	\
	.cmd = number,				\
	.policy = names,			\
	.maxattr = ARRAY_SIZE(names) - 1,	\
	.start = netlink_start,			\
	.dumpit = dump,				\
}

static const struct genl_ops ops[] = {
	NETLINK_GET(DVMM_CMD_MACHINE_GET, name_policy, netlink_dump_machines),
	NETLINK_GET(DVMM_CMD_LINK_GET, name_policy, netlink_dump_links),
	NETLINK_GET(DVMM_CMD_REGION_GET, name_policy, netlink_dump_regions),
	NETLINK_GET(DVMM_CMD_STATS_GET, name_policy, netlink_dump_stats),
	NETLINK_GET(DVMM_CMD_FLIGHT_GET, flight_policy, netlink_dump_flights),
	{
		.cmd = DVMM_CMD_CLOCK_GET,
		.policy = clock_policy,
		.maxattr = ARRAY_SIZE(clock_policy) - 1,
		.doit = netlink_clock,
	},
	{
		.cmd = DVMM_CMD_REHOME,
		.policy = rehome_policy,
		.maxattr = ARRAY_SIZE(rehome_policy) - 1,
		.doit = netlink_rehome,
	},
};

static struct genl_family family __ro_after_init = {
	.name = DVMM_FAMILY_NAME,
	.version = DVMM_FAMILY_VERSION,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.parallel_ops = true,
};

int dvmm_netlink_init(void)
{
	int ret = genl_register_family(&family);

	if (!ret)
		atomic_notifier_chain_register(&dvmm_notices, &netlink_follower);
	return ret;
}

void dvmm_netlink_exit(void)
{
	atomic_notifier_chain_unregister(&dvmm_notices, &netlink_follower);
	genl_unregister_family(&family);
}
