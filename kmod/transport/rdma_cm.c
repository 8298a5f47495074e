// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of the RDMA transport.  The lower node listens at an address, the
 * higher one asks for a connection a lane.  Who asks, and for which lane, stands in
 * the private data of request and answer, so that whoever comes from another machine
 * is told so and refused before anything is posted for him.
 */
#include <linux/slab.h>
#include <rdma/ib_cm.h>

#include <dvmm/transport.h>
#include "greeting.h"
#include "rdma.h"

#define GREETING	"dvmmrdma"
#define RESOLVE_MS	2000
#define AGAIN_DELAY	(HZ / 5)
#define RETRIES		6	/* soft RoCE takes 7 for "for ever" */
#define ACK_TIMEOUT	17	/* 4.096 us << 17 = 0.54 s; with RETRIES some 4 s */

static void fill_greeting(struct dvmm_greeting *g, const struct rdma_lane *t, u16 from, u16 to)
{
	dvmm_greeting_fill(g, GREETING, t->number, t->owner->machine, from, to);
}

/* What is wrong with a greeting from the peer, or NULL. */
static const char *check_greeting(struct rdma_link *l, const struct rdma_conn_param *c)
{
	const struct dvmm_greeting *g = c->private_data;
	struct dvmm_greeting wanted;
	const char *why;

	if (c->private_data_len < sizeof(*g))
		return "the other end is not dvmm";
	fill_greeting(&wanted, &l->lane[0], l->peer, l->self);
	why = dvmm_greeting_wrong(g, &wanted);
	if (!why && g->lane >= DVMM_XPORT_LANES)
		why = "the peer asks for a lane that does not exist";
	return why;
}

/* ---- the device ---- */

static int take_device(struct rdma_link *l, struct ib_device *device)
{
	struct ib_pd *pd;
	struct ib_cq *cq;

	lockdep_assert_held(&l->lock);
	if (l->device)
		return l->device == device ? 0 : -EXDEV;
	if (device->attrs.max_send_sge < 2 || device->attrs.max_recv_sge < 2)
		return -EOPNOTSUPP;
	pd = ib_alloc_pd(device, 0);
	if (IS_ERR(pd))
		return PTR_ERR(pd);
	/* one more in each queue for draining it */
	cq = ib_alloc_cq_any(device, l, DVMM_XPORT_LANES * 2 * (RDMA_SLOTS + 1),
			     IB_POLL_SOFTIRQ);
	if (IS_ERR(cq)) {
		ib_dealloc_pd(pd);
		return PTR_ERR(cq);
	}
	l->device = device;
	l->pd = pd;
	l->cq = cq;
	return 0;
}

/* A peer that tries keys is one reason. May be an interrupt: the life work does the rest. */
static void on_device_event(struct ib_event *ev, void *context)
{
	struct rdma_lane *t = context;

	if (ev->event == IB_EVENT_COMM_EST || ev->event == IB_EVENT_QP_LAST_WQE_REACHED)
		return;
	WRITE_ONCE(t->owner->fault, ib_event_msg(ev->event));
	dvmm_rdma_kick(t->owner, 0);
}

static int make_queue_pair(struct rdma_lane *t)
{
	struct rdma_link *l = t->owner;
	struct ib_qp_init_attr attr = {
		.event_handler = on_device_event,
		.qp_context = t,
		.qp_type = IB_QPT_RC,
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.send_cq = l->cq,
		.recv_cq = l->cq,
		.cap = {
			.max_send_wr = RDMA_SLOTS + 1,
			.max_recv_wr = RDMA_SLOTS + 1,
			.max_send_sge = 2,
			.max_recv_sge = 2,
		},
	};
	int err = rdma_create_qp(t->id, l->pd, &attr);

	if (err)
		return err;
	spin_lock_bh(&t->lock);
	t->open = true;
	spin_unlock_bh(&t->lock);
	return dvmm_rdma_lane_fill(t);
}

/* What was made by halves is hung up like the rest. */
static int prepare(struct rdma_lane *t)
{
	struct rdma_link *l = t->owner;
	int err;

	mutex_lock(&l->lock);
	err = take_device(l, t->id->device);
	mutex_unlock(&l->lock);
	return err ?: make_queue_pair(t);
}

static void conn_param(struct rdma_conn_param *c, struct dvmm_greeting *g, struct rdma_lane *t)
{
	fill_greeting(g, t, t->owner->self, t->owner->peer);
	*c = (struct rdma_conn_param) {
		.private_data = g,
		.private_data_len = sizeof(*g),
		.retry_count = RETRIES,
		.rnr_retry_count = RETRIES,
	};
}

/* ---- events ---- */

static void cannot(struct rdma_link *l, const char *what, int err)
{
	mutex_lock(&l->lock);
	if (!READ_ONCE(l->why))
		snprintf(l->text, sizeof(l->text), "%s: error %d", what, -err);
	mutex_unlock(&l->lock);
	dvmm_rdma_fail(l, l->text);
}

static void ask_peer(struct rdma_lane *t)
{
	struct rdma_conn_param c;
	struct dvmm_greeting g;
	int err = prepare(t);

	conn_param(&c, &g, t);
	if (!err)
		err = rdma_connect_locked(t->id, &c);
	if (err)
		cannot(t->owner, "cannot use the RDMA device", err);
}

static int refuse(struct rdma_cm_id *id, const char *why)
{
	rdma_reject(id, why, strlen(why) + 1, IB_CM_REJ_CONSUMER_DEFINED);
	return -ECONNREFUSED;	/* the connection manager destroys @id then */
}

static int answer_peer(struct rdma_lane *t)
{
	struct rdma_conn_param c;
	struct dvmm_greeting g;
	int err = prepare(t);

	conn_param(&c, &g, t);
	return err ?: rdma_accept(t->id, &c);
}

static int peer_asks(struct rdma_link *l, struct rdma_cm_id *id, const struct rdma_cm_event *ev)
{
	const struct dvmm_greeting *g = ev->param.conn.private_data;
	const char *why = check_greeting(l, &ev->param.conn);
	struct rdma_lane *t;
	int err;

	if (why)
		return refuse(id, why);
	t = &l->lane[g->lane];
	if (t->id || dvmm_rdma_dead(l))
		return refuse(id, "this lane has its connection already");
	t->id = id;
	id->context = t;
	rdma_set_ack_timeout(id, ACK_TIMEOUT);
	err = answer_peer(t);
	/* @id stays with the lane, and is hung up with it */
	if (err)
		cannot(l, "cannot use the RDMA device", err);
	return 0;
}

static void established(struct rdma_lane *t, const struct rdma_cm_event *ev)
{
	struct rdma_link *l = t->owner;
	const char *why = l->passive ? NULL : check_greeting(l, &ev->param.conn);

	if (why) {
		dvmm_rdma_fail(l, why);
		return;
	}
	WRITE_ONCE(t->connected, true);
	dvmm_rdma_kick(l, 0);
}

/* Nobody is there yet; or, on a link that is up, not any more. */
static void nobody(struct rdma_lane *t, const char *why)
{
	if (test_bit(RDMA_UP, &t->owner->flags)) {
		dvmm_rdma_fail(t->owner, why);
		return;
	}
	WRITE_ONCE(t->trouble, why);
	set_bit(RDMA_AGAIN, &t->owner->flags);
	dvmm_rdma_kick(t->owner, AGAIN_DELAY);
}

static void rejected(struct rdma_lane *t, struct rdma_cm_event *ev)
{
	struct rdma_link *l = t->owner;
	const char *said;
	u8 n;

	if (ev->status == IB_CM_REJ_INVALID_SERVICE_ID) {
		nobody(t, "nobody listens at the peer's address");
		return;
	}
	said = rdma_consumer_reject_data(t->id, ev, &n);
	mutex_lock(&l->lock);
	if (!READ_ONCE(l->why))
		snprintf(l->text, sizeof(l->text), "the peer refused: %*pE",
			 said ? min_t(int, strnlen(said, n), 50) : 0, said);
	mutex_unlock(&l->lock);
	dvmm_rdma_fail(l, said ? l->text : rdma_reject_msg(t->id, ev->status));
}

static int on_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct rdma_lane *t = id->context;
	struct rdma_link *l = t->owner;
	int err;

	switch (ev->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return peer_asks(l, id, ev);
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		err = rdma_resolve_route(id, RESOLVE_MS);
		if (err)
			cannot(l, "no route to the peer", err);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		ask_peer(t);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		established(t, ev);
		break;
	case RDMA_CM_EVENT_REJECTED:
		rejected(t, ev);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
		nobody(t, "no RDMA device reaches the peer's address");
		break;
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_CONNECT_ERROR:
		nobody(t, "the peer's address does not answer");
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		set_bit(RDMA_CLOSED, &l->flags);
		dvmm_rdma_fail(l, "connection closed by peer");
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		dvmm_rdma_fail(l, "the RDMA device was removed");
		break;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		dvmm_rdma_fail(l, "the address of the RDMA device has changed");
		break;
	default:
		break;
	}
	return 0;
}

/* ---- beginning and end ---- */

static int start_lane(struct rdma_lane *t)
{
	struct rdma_link *l = t->owner;
	struct rdma_cm_id *id;

	id = rdma_create_id(l->net, on_event, t, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	WRITE_ONCE(t->trouble, NULL);
	t->id = id;
	rdma_set_ack_timeout(id, ACK_TIMEOUT);
	return rdma_resolve_addr(id, NULL, (struct sockaddr *)&l->address, RESOLVE_MS);
}

static int start_listener(struct rdma_link *l)
{
	struct rdma_cm_id *id;

	/* any lane will do: requests say which one they are for */
	id = rdma_create_id(l->net, on_event, &l->lane[0], RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	l->listener = id;
	return rdma_bind_addr(id, (struct sockaddr *)&l->address) ?:
	       rdma_listen(id, DVMM_XPORT_LANES);
}

int dvmm_rdma_open(struct rdma_link *l)
{
	unsigned int i;
	int err = 0;

	if (l->passive)
		return start_listener(l);
	for (i = 0; i < DVMM_XPORT_LANES && !err; i++)
		err = start_lane(&l->lane[i]);
	return err;
}

void dvmm_rdma_retry(struct rdma_link *l)
{
	unsigned int i;
	int err;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		struct rdma_lane *t = &l->lane[i];

		if (!t->trouble)
			continue;
		dvmm_rdma_hang_up(t);
		dvmm_rdma_lane_drain(t);
		err = start_lane(t);
		if (err)
			cannot(l, "cannot reach the peer", err);
	}
}

void dvmm_rdma_hang_up(struct rdma_lane *t)
{
	struct rdma_cm_id *id = t->id;

	if (!id)
		return;
	spin_lock_bh(&t->lock);
	t->open = false;
	spin_unlock_bh(&t->lock);
	if (id->qp) {
		rdma_disconnect(id);
		ib_drain_qp(id->qp);
		rdma_destroy_qp(id);
	}
	rdma_destroy_id(id);
	t->id = NULL;
	t->connected = false;
}

void dvmm_rdma_release(struct rdma_link *l)
{
	unsigned int i;

	/* first, so that no connection comes any more */
	if (l->listener)
		rdma_destroy_id(l->listener);
	l->listener = NULL;
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_rdma_hang_up(&l->lane[i]);
	for (i = 0; i < DVMM_XPORT_LANES; i++)
		dvmm_rdma_lane_drain(&l->lane[i]);
	mutex_lock(&l->lock);
	if (l->device) {
		ib_free_cq(l->cq);
		ib_dealloc_pd(l->pd);
	}
	l->device = NULL;
	mutex_unlock(&l->lock);
}
