// SPDX-License-Identifier: GPL-2.0
/* A link: its life, and sending. */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <dvmm/channel.h>

#include "link.h"
#include "machine/machine.h"
#include "machine/stats.h"
#include "machine/trace.h"
#include "receive.h"

#define HELLO_SECONDS	10
#define ANSWERS_MAX	1024	/* frames: 4 MiB of pages a peer */
#define BULK_MAX	32	/* frames in front of an interrupt */
/*
 * Frames: those for a fair peer are two at most for each request that is open in the machine, and
 * pages that are given back, which wait at DVMM_XPORT_QUEUE.
 */
#define UNREAD_MAX	(4 * DVMM_PEER_MAX)

static struct kmem_cache *xmits;

/* Each layer has a name of its own for these. */
static_assert(DVMM_KEY_LEN == DVMM_XPORT_KEY);
static_assert(DVMM_LINK_LANES == DVMM_XPORT_LANES);
static_assert(DVMM_XPORT_LANE_LAST == (int)DVMM_LANE_CTL);
static_assert(DVMM_MAX_NODE + 1 == DVMM_MAX_NODES);
static_assert(DVMM_PAGE_SIZE == DVMM_WIRE_PAYLOAD_MAX);
static_assert(DVMM_XPORT_PAYLOAD_MAX == DVMM_WIRE_PAYLOAD_MAX);
static_assert(DVMM_CHANNEL_DATA_MAX == DVMM_WIRE_PAYLOAD_MAX);
static_assert(sizeof(struct dvmm_wire_hdr) == DVMM_XPORT_HDR);

/* ---- references ---- */

static void link_free(struct kref *ref)
{
	struct dvmm_link *l = container_of(ref, struct dvmm_link, ref);

	dvmm_transport_put(l->x.ops);
	dvmm_machine_put(l->m);
	free_percpu(l->counts);
	kfree_rcu(l, rcu);
}

void dvmm_link_put(struct dvmm_link *l)
{
	kref_put(&l->ref, link_free);
}

struct dvmm_link *dvmm_link_get(struct dvmm_machine *m, u16 node)
{
	struct dvmm_link *l;

	rcu_read_lock();
	l = xa_load(&m->links, node);
	if (l && !kref_get_unless_zero(&l->ref))
		l = NULL;
	rcu_read_unlock();
	return l;
}

/* ---- sending ---- */

static void link_xmit_free(struct dvmm_xmit *x)
{
	if (x->page)
		put_page(x->page);
	kmem_cache_free(xmits, x);
}

static bool link_lane_answers(u8 lane)
{
	return lane == DVMM_LANE_FWD || lane == DVMM_LANE_RSP;
}

/* Datagrams of userspace share their lane with interrupts, which are not to wait for them. */
static bool link_xmit_is_bulk(const struct dvmm_xmit *x)
{
	const struct dvmm_wire_hdr *h = (const struct dvmm_wire_hdr *)x->hdr;

	return h->kind == DVMM_WIRE_CHANNEL && le16_to_cpu(h->index) >= DVMM_CHANNEL_USER;
}

static void link_xmit_done(struct dvmm_xport_link *x, struct dvmm_xmit *xmit)
{
	struct dvmm_link *l = x->core;

	if (link_lane_answers(xmit->lane) && atomic_dec_return(&l->answers) == ANSWERS_MAX - 1)
		wake_up_all(&l->wait);
	if (link_xmit_is_bulk(xmit) && atomic_dec_return(&l->bulk) == BULK_MAX - 1)
		wake_up_all(&l->wait);
	if (xmit->lane == DVMM_LANE_CTL && atomic_dec_return(&l->words) == DVMM_XPORT_QUEUE - 1)
		wake_up_all(&l->wait);
	link_xmit_free(xmit);
	if (atomic_dec_and_test(&l->in_flight))
		wake_up_all(&l->wait);
}

static void link_count_sent(struct dvmm_link *l, const struct dvmm_frame *f)
{
	struct dvmm_machine *m = l->m;

	this_cpu_inc(l->counts->sent);
	this_cpu_add(l->counts->bytes_sent, DVMM_XPORT_HDR + f->length);
	dvmm_stats_count(m, messages_sent);
	dvmm_stats_add(m, bytes_sent, DVMM_XPORT_HDR + f->length);
	if (f->msg.flags & DVMM_MSGF_PAGE)
		dvmm_stats_count(m, pages_sent);
	trace_dvmm_send(m->self, l->peer, f->kind, f->msg.type, f->index, f->page, f->msg.id);
}

static enum dvmm_lane link_frame_lane(const struct dvmm_frame *f)
{
	switch (f->kind) {
	case DVMM_WIRE_COHERENCE:
		return dvmm_msg_lane(f->msg.type);
	case DVMM_WIRE_BATCH:
		return f->index;
	case DVMM_WIRE_MEMBER:
		return dvmm_wire_member_lane(f);
	}
	return DVMM_LANE_CTL;
}

/* What answers FWD must not wait for room, so a member that reads nothing is stopped. */
static void link_count_unread(struct dvmm_link *l)
{
	if (atomic_inc_return(&l->in_flight) >= UNREAD_MAX && dvmm_link_matters(l))
		dvmm_link_fence(l->m, l->peer, "it does not read what it is sent");
}

int dvmm_link_send_on(struct dvmm_link *l, struct dvmm_frame *f, struct page *page)
{
	struct dvmm_xmit *x = kmem_cache_alloc(xmits, GFP_NOIO | __GFP_NOFAIL);
	int ret;

	if (f->kind == DVMM_WIRE_COHERENCE || f->kind == DVMM_WIRE_BATCH)
		dvmm_members_use(l->m, l->peer);
	f->msg.src = l->m->self;
	x->lane = link_frame_lane(f);
	x->length = f->length;
	x->page = page;
	dvmm_wire_encode(f, (struct dvmm_wire_hdr *)x->hdr);
	link_count_unread(l);
	if (link_lane_answers(x->lane))
		atomic_inc(&l->answers);
	if (link_xmit_is_bulk(x))
		atomic_inc(&l->bulk);
	if (x->lane == DVMM_LANE_CTL)
		atomic_inc(&l->words);
	ret = l->x.ops->send(&l->x, x);
	if (ret)
		link_xmit_done(&l->x, x);
	else
		link_count_sent(l, f);
	return ret;
}

static int link_send_in_turn(struct dvmm_link *l, struct dvmm_frame *f, struct page *page)
{
	if (f->kind == DVMM_WIRE_COHERENCE && link_frame_lane(f) < DVMM_BATCH_LANES)
		return dvmm_batch_send(l, f, page);
	return dvmm_link_send_on(l, f, page);
}

static bool link_ended(const struct dvmm_link *l)
{
	return READ_ONCE(l->state) == DVMM_LINK_DOWN || dvmm_machine_stopped(l->m);
}

static bool link_has_room(const struct dvmm_link *l, bool bulk)
{
	return atomic_read(&l->words) < DVMM_XPORT_QUEUE &&
	       (!bulk || atomic_read(&l->bulk) < BULK_MAX);
}

/*
 * Here and not in the transport, who sees only the end of the link: a thread of the kernel hears
 * no signal, and its own end may be waited for before links are closed.
 */
static int link_await_room(struct dvmm_link *l, const struct dvmm_frame *f)
{
	bool bulk = f->kind == DVMM_WIRE_CHANNEL && f->index >= DVMM_CHANNEL_USER;

	if (wait_event_killable(l->wait, link_has_room(l, bulk) || link_ended(l)))
		return -EINTR;
	return link_ended(l) ? -ENOTCONN : 0;
}

static int link_send_to(struct dvmm_machine *m, u16 node, struct dvmm_frame *f,
			struct page *page, bool nowait)
{
	struct dvmm_link *l = dvmm_link_get(m, node);
	int ret = -ENOTCONN;

	if (l && READ_ONCE(l->state) == DVMM_LINK_UP)
		ret = nowait ? 0 : link_await_room(l, f);
	if (!ret)
		ret = link_send_in_turn(l, f, page);
	else if (page)
		put_page(page);
	if (l)
		dvmm_link_put(l);
	return ret;
}

void dvmm_link_await_room(struct dvmm_link *l)
{
	wait_event_idle(l->wait, atomic_read(&l->answers) < ANSWERS_MAX || link_ended(l));
}

/* Those who answer and those who interrupt have bounds of their own. */
bool dvmm_link_is_calm(struct dvmm_machine *m, u16 node)
{
	struct dvmm_link *l = dvmm_link_get(m, node);
	int others;

	if (!l)
		return true;
	others = atomic_read(&l->in_flight) - atomic_read(&l->answers) - atomic_read(&l->words);
	dvmm_link_put(l);
	return others < DVMM_XPORT_QUEUE;
}

bool dvmm_link_matters(const struct dvmm_link *l)
{
	return READ_ONCE(l->agreed) && dvmm_members_matter(l->m, l->peer);
}

bool dvmm_link_speaks(struct dvmm_machine *m, u16 node, u64 feature)
{
	struct dvmm_link *l = dvmm_link_get(m, node);
	bool speaks = l && l->terms.features & feature;

	if (l)
		dvmm_link_put(l);
	return speaks;
}

/* A link that was up and goes down says itself why, if not yet then at once. */
static bool link_says_why(struct dvmm_machine *m, u16 node)
{
	struct dvmm_link *l = dvmm_link_get(m, node);
	bool says = l && READ_ONCE(l->agreed);

	if (l)
		dvmm_link_put(l);
	return says;
}

void dvmm_link_sent(struct dvmm_machine *m, u16 node, int ret)
{
	if (ret && dvmm_members_matter(m, node) && (ret != -ENOTCONN || !link_says_why(m, node)))
		dvmm_machine_fail(m, "node %u cannot reach node %u", m->self, node);
}

void dvmm_link_send(struct dvmm_machine *m, u16 node, struct dvmm_frame *f, struct page *page)
{
	dvmm_link_sent(m, node, link_send_to(m, node, f, page, true));
}

int dvmm_link_send_wait(struct dvmm_machine *m, u16 node, struct dvmm_frame *f,
			struct page *page)
{
	return link_send_to(m, node, f, page, false);
}

int dvmm_link_try_send(struct dvmm_machine *m, u16 node, struct dvmm_frame *f,
		       struct page *page)
{
	struct dvmm_link *l = dvmm_link_get(m, node);
	bool full = l && atomic_read(&l->in_flight) >= DVMM_XPORT_QUEUE;

	if (l)
		dvmm_link_put(l);
	if (!full)
		return link_send_to(m, node, f, page, true);
	if (page)
		put_page(page);
	return -EAGAIN;
}

/* ---- state ---- */

enum dvmm_link_state dvmm_link_move(struct dvmm_link *l, enum dvmm_link_state to)
{
	enum dvmm_link_state from;

	spin_lock(&l->lock);
	from = l->state;
	if (from != DVMM_LINK_DOWN)
		WRITE_ONCE(l->state, to);
	l->agreed |= from == DVMM_LINK_HELLO && to == DVMM_LINK_UP;
	spin_unlock(&l->lock);
	trace_dvmm_link(l->m->self, l->peer, from, to);
	wake_up_all(&l->wait);
	return from;
}

__printf(2, 0)
static void link_vfail(struct dvmm_link *l, const char *fmt, va_list args)
{
	char reason[DVMM_REASON_LEN];
	bool matters;

	vscnprintf(reason, sizeof(reason), fmt, args);
	spin_lock(&l->lock);
	matters = dvmm_link_matters(l);
	if (!matters && !l->why[0])
		strscpy(l->why, reason, sizeof(l->why));
	spin_unlock(&l->lock);
	if (matters)
		dvmm_machine_stop(l->m, reason);
}

void dvmm_link_fail(struct dvmm_link *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	link_vfail(l, fmt, args);
	va_end(args);
}

const char *dvmm_link_reason(const struct dvmm_link *l)
{
	return l->why[0] ? l->why : l->m->reason;
}

/* A link without a past, but for its descriptor. */
static void link_idle(struct dvmm_link *l)
{
	memset(l->due, 0, sizeof(l->due));
	memset(l->x.numbered, 0, sizeof(l->x.numbered));
	memset(&l->terms, 0, sizeof(l->terms));
	l->bye = false;
	spin_lock(&l->lock);
	l->why[0] = 0;
	l->agreed = false;
	WRITE_ONCE(l->state, DVMM_LINK_IDLE);
	spin_unlock(&l->lock);
	trace_dvmm_link(l->m->self, l->peer, DVMM_LINK_DOWN, DVMM_LINK_IDLE);
}

/*
 * Not of a machine that has stopped: link_close() does it.  Nor twice: it may have been asked for
 * while it ran, and the link be another one by now.
 */
static void link_let_go(struct work_struct *work)
{
	struct dvmm_link *l = container_of(work, struct dvmm_link, let_go);
	char reason[DVMM_REASON_LEN];

	if (dvmm_machine_stopped(l->m) || READ_ONCE(l->state) != DVMM_LINK_DOWN)
		return;
	/* connect(), which has it, may still be at work on what disconnect() frees. */
	mutex_lock(&l->m->lock);
	mutex_unlock(&l->m->lock);
	l->x.ops->disconnect(&l->x);
	cancel_delayed_work_sync(&l->hello_due);
	dvmm_members_unlinked(l->m, l->peer);
	if (dvmm_link_matters(l)) {
		/* It has become a member since its link went down. */
		dvmm_machine_stop(l->m, l->why);
		return;
	}
	mutex_lock(&l->m->lock);
	strscpy(reason, l->why, sizeof(reason));
	l->attached = false;
	link_idle(l);
	mutex_unlock(&l->m->lock);
	dvmm_machine_event(l->m, DVMM_EVENT_LINK_DOWN, l->peer, reason);
}

void dvmm_link_established(struct dvmm_link *l, const struct dvmm_terms *terms)
{
	bool ready;

	l->terms = *terms;
	if (dvmm_link_move(l, DVMM_LINK_UP) != DVMM_LINK_HELLO)
		return;
	ready = dvmm_members_linked(l->m, l->peer);
	dvmm_machine_event(l->m, DVMM_EVENT_LINK_UP, l->peer, NULL);
	if (ready)
		dvmm_machine_notice(l->m, DVMM_NOTICE_READY, l->m->self, NULL);
}

/* Returns true if it is the end of the machine; else the link is let go of. */
static bool link_end(struct dvmm_link *l)
{
	dvmm_link_move(l, DVMM_LINK_DOWN);
	if (dvmm_link_matters(l)) {
		/* Perhaps only since it was said what is wrong. */
		dvmm_machine_stop(l->m, dvmm_link_reason(l));
		return true;
	}
	spin_lock(&l->lock);
	if (!dvmm_machine_stopped(l->m))
		queue_work(system_unbound_wq, &l->let_go);
	spin_unlock(&l->lock);
	return false;
}

void dvmm_link_give_up(struct dvmm_link *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	link_vfail(l, fmt, args);
	va_end(args);
	link_end(l);
}

static void link_hello_due(struct work_struct *work)
{
	struct dvmm_link *l = container_of(to_delayed_work(work), struct dvmm_link, hello_due);

	if (READ_ONCE(l->state) != DVMM_LINK_HELLO)
		return;
	dvmm_link_give_up(l, "node %u has heard no HELLO from node %u within %u s",
			  l->m->self, l->peer, HELLO_SECONDS);
}

static void link_up(struct dvmm_xport_link *x)
{
	struct dvmm_link *l = x->core;

	dvmm_link_move(l, DVMM_LINK_HELLO);
	schedule_delayed_work(&l->hello_due, HELLO_SECONDS * HZ);
	dvmm_receive_hello_send(l);
}

static void link_down(struct dvmm_xport_link *x, const char *why)
{
	struct dvmm_link *l = x->core;

	dvmm_link_fail(l, "node %u lost its link to node %u: %s", l->m->self, l->peer, why);
	if (link_end(l))
		dvmm_machine_event(l->m, DVMM_EVENT_LINK_DOWN, l->peer, why);
}

static int link_rx(struct dvmm_xport_link *x, unsigned int lane, const void *hdr,
		   struct page *page)
{
	struct dvmm_link *l = x->core;
	u32 length = get_unaligned_le32(hdr + DVMM_XPORT_LENGTH_AT);

	this_cpu_inc(l->counts->received);
	this_cpu_add(l->counts->bytes_received, DVMM_XPORT_HDR + length);
	return dvmm_receive(x, lane, hdr, page);
}

static const struct dvmm_transport_upcalls upcalls = {
	.link_up = link_up,
	.link_down = link_down,
	.link_rx = link_rx,
	.xmit_done = link_xmit_done,
};

void dvmm_link_fence(struct dvmm_machine *m, u16 node, const char *why)
{
	dvmm_machine_fail(m, "node %u broke the protocol, says node %u: %s", node, m->self, why);
}

bool dvmm_link_is_up(struct dvmm_machine *m, u16 node)
{
	struct dvmm_link *l = dvmm_link_get(m, node);
	bool up = l && READ_ONCE(l->state) == DVMM_LINK_UP;

	if (l)
		dvmm_link_put(l);
	return up;
}

/* ---- the end ---- */

void dvmm_link_say_bye(struct dvmm_machine *m, u16 node, const char *reason)
{
	struct dvmm_link *l = dvmm_link_get(m, node);

	if (!l)
		return;
	dvmm_receive_bye_send(l, reason);
	dvmm_link_put(l);
}

void dvmm_links_bye(struct dvmm_machine *m, const char *reason)
{
	unsigned long peer;
	struct dvmm_link *l;

	mutex_lock(&m->lock);
	xa_for_each(&m->links, peer, l) {
		dvmm_receive_bye_send(l, reason);
		wake_up_all(&l->wait);
	}
	mutex_unlock(&m->lock);
}

/*
 * A peer answers our BYE with its own; to hang up before that could make it report
 * a lost link instead of the reason.  All have the same second for it.
 */
static void links_await_bye(struct dvmm_machine *m)
{
	unsigned long end = jiffies + HZ, now, peer;
	struct dvmm_link *l;

	xa_for_each(&m->links, peer, l) {
		if (!l->attached)
			continue;
		now = jiffies;
		wait_event_timeout(l->wait,
				   (READ_ONCE(l->bye) && !atomic_read(&l->in_flight)) ||
				   READ_ONCE(l->state) == DVMM_LINK_DOWN,
				   time_before(now, end) ? end - now : 0);
	}
}

static void link_close(struct dvmm_link *l)
{
	/* The machine has stopped: who has not seen that has queued it before we have the lock. */
	spin_lock(&l->lock);
	spin_unlock(&l->lock);
	cancel_work_sync(&l->let_go);
	if (!l->attached)
		return;
	dvmm_link_move(l, DVMM_LINK_DOWN);
	l->x.ops->disconnect(&l->x);
	cancel_delayed_work_sync(&l->hello_due);
	l->attached = false;
}

void dvmm_links_close(struct dvmm_machine *m)
{
	unsigned long peer;
	struct dvmm_link *l;

	links_await_bye(m);
	xa_for_each(&m->links, peer, l) {
		link_close(l);
		mutex_lock(&m->lock);
		xa_erase(&m->links, peer);
		mutex_unlock(&m->lock);
		dvmm_link_put(l);
	}
}

static const char * const state_names[] = {
	[DVMM_LINK_IDLE] = "idle",
	[DVMM_LINK_CONNECTING] = "connecting",
	[DVMM_LINK_HELLO] = "hello",
	[DVMM_LINK_UP] = "up",
	[DVMM_LINK_DOWN] = "down",
};

struct dvmm_link_counts dvmm_link_sum(const struct dvmm_link *l)
{
	struct dvmm_link_counts sum = {}, *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(l->counts, cpu);
		sum.sent += READ_ONCE(c->sent);
		sum.received += READ_ONCE(c->received);
		sum.bytes_sent += READ_ONCE(c->bytes_sent);
		sum.bytes_received += READ_ONCE(c->bytes_received);
	}
	return sum;
}

static void link_show(struct dvmm_link *l, struct seq_file *seq)
{
	struct dvmm_link_counts sum = dvmm_link_sum(l);
	enum dvmm_link_state state = READ_ONCE(l->state);
	char features[100];

	seq_printf(seq, "peer: %u transport: %s state: %s sent: %llu received: %llu",
		   l->peer, l->x.ops->name, state_names[state],
		   sum.sent, sum.received);
	if (state == DVMM_LINK_UP) {
		dvmm_features_print(l->terms.features, features, sizeof(features));
		seq_printf(seq, " version: %u features: %s", l->terms.version, features);
	}
	seq_putc(seq, '\n');
}

void dvmm_links_show(struct dvmm_machine *m, struct seq_file *seq)
{
	unsigned long peer;
	struct dvmm_link *l;

	mutex_lock(&m->lock);
	xa_for_each(&m->links, peer, l)
		link_show(l, seq);
	mutex_unlock(&m->lock);
}

void dvmm_lanes_show(struct dvmm_machine *m, struct seq_file *seq)
{
	unsigned int lane;
	unsigned long peer;
	struct dvmm_link *l;

	mutex_lock(&m->lock);
	xa_for_each(&m->links, peer, l) {
		for (lane = 0; l->attached && l->x.ops->show && lane < DVMM_LINK_LANES; lane++) {
			seq_printf(seq, "peer: %lu lane: %u", peer, lane);
			l->x.ops->show(&l->x, lane, seq);
			seq_putc(seq, '\n');
		}
	}
	mutex_unlock(&m->lock);
}

/* ---- creation ---- */

static struct dvmm_link *link_alloc(struct dvmm_machine *m, u16 peer,
				    const struct dvmm_transport_ops *ops)
{
	struct dvmm_link *l = kzalloc(sizeof(*l), GFP_KERNEL);
	unsigned int i;

	if (!l)
		return NULL;
	l->counts = alloc_percpu(struct dvmm_link_counts);
	if (!l->counts) {
		kfree(l);
		return NULL;
	}
	kref_init(&l->ref);
	l->m = dvmm_machine_get(m);
	l->peer = peer;
	l->x.up = &upcalls;
	l->x.ops = ops;
	l->x.core = l;
	spin_lock_init(&l->lock);
	INIT_DELAYED_WORK(&l->hello_due, link_hello_due);
	INIT_WORK(&l->let_go, link_let_go);
	init_waitqueue_head(&l->wait);
	for (i = 0; i < DVMM_BATCH_LANES; i++)
		dvmm_batch_init(&l->batch[i]);
	return l;
}

static int link_publish(struct dvmm_link *l)
{
	int ret;

	mutex_lock(&l->m->lock);
	ret = dvmm_machine_stopped(l->m) ? -EIO :
	      xa_insert(&l->m->links, l->peer, l, GFP_KERNEL);
	mutex_unlock(&l->m->lock);
	return ret == -EBUSY ? -EEXIST : ret;
}

/* With a reference for m->links and one for the descriptor. */
static struct dvmm_link *link_make(struct dvmm_machine *m, u16 peer,
				   const struct dvmm_transport_ops *ops)
{
	struct dvmm_link *l = link_alloc(m, peer, ops);
	int ret;

	if (!l) {
		dvmm_transport_put(ops);
		return ERR_PTR(-ENOMEM);
	}
	l->open = true;
	kref_get(&l->ref);
	ret = link_publish(l);
	if (!ret)
		return l;
	dvmm_link_put(l);
	dvmm_link_put(l);
	return ERR_PTR(ret);
}

/* A link that is idle and has no descriptor any more gets a new one. */
static struct dvmm_link *link_take_over(struct dvmm_machine *m, u16 peer,
					const struct dvmm_transport_ops *ops)
{
	struct dvmm_link *l;

	mutex_lock(&m->lock);
	l = xa_load(&m->links, peer);
	if (l && !l->open && l->state == DVMM_LINK_IDLE && !dvmm_machine_stopped(m)) {
		dvmm_transport_put(l->x.ops);
		l->x.ops = ops;
		l->open = true;
		kref_get(&l->ref);
	} else {
		l = NULL;
	}
	mutex_unlock(&m->lock);
	return l;
}

struct dvmm_link *dvmm_link_claim(struct dvmm_machine *m, u16 peer,
				  const struct dvmm_transport_ops *ops)
{
	return link_take_over(m, peer, ops) ?: link_make(m, peer, ops);
}

int dvmm_link_init(void)
{
	xmits = KMEM_CACHE(dvmm_xmit, 0);
	return xmits ? 0 : -ENOMEM;
}

void dvmm_link_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(xmits);
}
