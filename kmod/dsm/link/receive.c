// SPDX-License-Identifier: GPL-2.0
/* What arrives on a link.  Nothing here trusts the peer. */
#include <linux/ctype.h>
#include <linux/mm.h>

#include <dvmm/channel.h>

#include "channel.h"
#include "machine/machine.h"
#include "machine/stats.h"
#include "machine/trace.h"
#include "receive.h"

/* Answers must not wait for room, so a peer that reads none is stopped. */
#define PINGS_MAX	(4 * DVMM_XPORT_QUEUE)

/* ---- frames of the link itself ---- */

static void rx_send_own(struct dvmm_link *l, u8 type, u64 id, const void *data, u32 length)
{
	struct dvmm_frame f = {
		.kind = DVMM_WIRE_LINK,
		.length = length,
		.epoch = l->m->epoch,
		.msg = { .type = type, .id = id },
	};
	struct page *page = NULL;

	if (length) {
		page = alloc_page(GFP_KERNEL | __GFP_NOFAIL);
		memcpy(page_address(page), data, length);
	}
	dvmm_link_send_on(l, &f, page);
}

static void rx_our_hello(const struct dvmm_link *l, struct dvmm_wire_hello *h)
{
	const struct dvmm_machine *m = l->m;

	dvmm_hello_fill(h, m->self, m->nodes, m->uuid, m->config);
	if (dvmm_members_joins(m))
		h->flags |= cpu_to_le32(DVMM_HELLO_JOINS);
	if (m->members.elastic)
		h->required |= cpu_to_le64(DVMM_FEATURE_MEMBERS);
}

void dvmm_receive_hello_send(struct dvmm_link *l)
{
	struct dvmm_wire_hello h;

	rx_our_hello(l, &h);
	rx_send_own(l, DVMM_WIRE_HELLO, 0, &h, sizeof(h));
}

void dvmm_receive_bye_send(struct dvmm_link *l, const char *reason)
{
	enum dvmm_link_state state = READ_ONCE(l->state);

	if (state == DVMM_LINK_HELLO || state == DVMM_LINK_UP)
		rx_send_own(l, DVMM_WIRE_BYE, 0, reason, strlen(reason));
}

/* Only who is no member can become one, and only who is to be one has any business here. */
static const char *rx_misplaced(const struct dvmm_link *l, const struct dvmm_wire_hello *theirs)
{
	bool joins = le32_to_cpu(theirs->flags) & DVMM_HELLO_JOINS;

	if (joins == !dvmm_members_has(l->m, l->peer))
		return NULL;
	return joins ? "it is to join, and is a member already" :
		       "it is no member, and not to join";
}

static const char *rx_hello(struct dvmm_link *l, const struct dvmm_frame *f, const void *data)
{
	struct dvmm_wire_hello ours;
	struct dvmm_terms terms;
	char why[DVMM_HELLO_WHY];
	const char *misplaced;
	bool agreed;

	if (READ_ONCE(l->state) != DVMM_LINK_HELLO)
		return "HELLO out of turn";
	rx_our_hello(l, &ours);
	agreed = dvmm_hello_agree(data, f->length, &ours, l->peer, &terms, why);
	misplaced = agreed ? rx_misplaced(l, data) : why;
	if (misplaced) {
		dvmm_link_fail(l, "node %u refuses node %u: %s", l->m->self, l->peer, misplaced);
		return "HELLO does not fit";
	}
	dvmm_link_established(l, &terms);
	dvmm_channels_node_up(l->m, l->peer);
	return NULL;
}

static const char *rx_bye(struct dvmm_link *l, const struct dvmm_frame *f, const void *data)
{
	char reason[DVMM_REASON_LEN];
	size_t n = min_t(size_t, f->length, sizeof(reason) - 1), i;

	if (!n)
		return "BYE without a reason";
	for (i = 0; i < n; i++)
		reason[i] = isprint(((const u8 *)data)[i]) ? ((const char *)data)[i] : '?';
	reason[n] = 0;
	dvmm_link_fail(l, "%s", reason);
	WRITE_ONCE(l->bye, true);
	wake_up_all(&l->wait);
	return dvmm_link_matters(l) || dvmm_machine_stopped(l->m) ? NULL : "BYE";
}

static const char *rx_link(struct dvmm_link *l, const struct dvmm_frame *f, const void *data)
{
	switch (f->msg.type) {
	case DVMM_WIRE_HELLO:
		return rx_hello(l, f, data);
	case DVMM_WIRE_BYE:
		return rx_bye(l, f, data);
	case DVMM_WIRE_PING:
		if (atomic_read(&l->in_flight) > PINGS_MAX)
			return "PINGs come faster than their answers are read";
		rx_send_own(l, DVMM_WIRE_PONG, f->msg.id, data, f->length);
		return NULL;
	}
	return "unknown link message";
}

/* ---- the others ---- */

/* Each message as if it had come alone; what answers them leaves together, too. */
static const char *rx_batch_each(struct dvmm_link *l, unsigned int lane, const void *data,
				 unsigned int count)
{
	const struct dvmm_wire_hdr *hdr = data;
	struct page *none = NULL;
	struct dvmm_frame f;
	const char *why = NULL;

	for (; count && !why; count--, hdr++) {
		why = dvmm_wire_decode_batched(hdr, lane, l->peer, l->m->nodes, &f);
		if (!why && lane == DVMM_LANE_REQ)
			dvmm_link_await_room(l);
		if (!why)
			why = l->m->up->coherence(l, &f, &none);
	}
	return why;
}

static const char *rx_batch(struct dvmm_link *l, unsigned int lane, const struct dvmm_frame *f,
			    const void *data)
{
	struct dvmm_link *answers = NULL;
	const char *why;

	if (!(l->terms.features & DVMM_FEATURE_BLOCKS))
		return "batch from a node that does not know them";
	if (lane == DVMM_LANE_REQ)
		answers = dvmm_batch_open(l->m, l->peer, DVMM_LANE_FWD);
	why = rx_batch_each(l, lane, data, f->length / sizeof(struct dvmm_wire_hdr));
	dvmm_batch_close(answers, DVMM_LANE_FWD);
	return why;
}

/* HELLO comes on the CTL lane; what overtook it on another lane waits here. */
static bool rx_wait_up(struct dvmm_link *l)
{
	/* One that is down was up, or has said why not. */
	return wait_event_timeout(l->wait, READ_ONCE(l->state) >= DVMM_LINK_UP, 5 * HZ);
}

static void rx_count(struct dvmm_link *l, const struct dvmm_frame *f)
{
	struct dvmm_machine *m = l->m;

	dvmm_stats_count(m, messages_received);
	dvmm_stats_add(m, bytes_received, DVMM_XPORT_HDR + f->length);
	if (f->msg.flags & DVMM_MSGF_PAGE)
		dvmm_stats_count(m, pages_received);
	trace_dvmm_receive(m->self, l->peer, f->kind, f->msg.type, f->index, f->page,
			   f->msg.id);
}

static const char *rx_frame(struct dvmm_link *l, unsigned int lane,
			    const struct dvmm_frame *f, struct page **page)
{
	const void *data = *page ? page_address(*page) : NULL;

	rx_count(l, f);
	if (f->kind == DVMM_WIRE_LINK)
		return rx_link(l, f, data);
	if (!rx_wait_up(l))
		return "message before HELLO";
	if (lane == DVMM_LANE_REQ)
		dvmm_link_await_room(l);
	if (READ_ONCE(l->state) == DVMM_LINK_DOWN || dvmm_machine_stopped(l->m)) {
		dvmm_stats_count(l->m, discarded);
		return NULL;
	}
	if (f->kind == DVMM_WIRE_MEMBER)
		return l->m->up->membership(l, lane, f);
	if (!dvmm_members_has(l->m, l->peer))
		return "message of a node that is no member";
	if (f->kind == DVMM_WIRE_CHANNEL)
		return dvmm_channel_receive(l->m, l->peer, f, data);
	dvmm_members_use(l->m, l->peer);
	if (f->kind == DVMM_WIRE_BATCH)
		return rx_batch(l, lane, f, data);
	return l->m->up->coherence(l, f, page);
}

/* A frame that was lost, doubled or overtaken is a peer or a transport that is broken. */
static const char *rx_check_number(struct dvmm_link *l, unsigned int lane, u32 number)
{
	u32 due = l->due[lane]++;

	if (number == due)
		return NULL;
	dvmm_link_fail(l, "node %u has frame %u of node %u on lane %u where %u was due",
		       l->m->self, number, l->peer, lane, due);
	return "frame out of turn";
}

int dvmm_receive(struct dvmm_xport_link *x, unsigned int lane, const void *hdr,
		 struct page *page)
{
	struct dvmm_link *l = x->core;
	struct dvmm_frame f;
	const char *why;

	why = dvmm_wire_decode(hdr, lane, l->peer, l->m->nodes, &f);
	if (!why && !!f.length != !!page)
		why = "payload is missing";
	if (!why)
		why = rx_check_number(l, lane, f.number);
	if (!why)
		why = rx_frame(l, lane, &f, &page);
	if (page)
		put_page(page);
	if (!why)
		return 0;
	dvmm_link_fail(l, "node %u broke the protocol, says node %u: %s", l->peer, l->m->self, why);
	/* The transport hangs up when we return. */
	dvmm_receive_bye_send(l, dvmm_link_reason(l));
	return -EPROTO;
}
