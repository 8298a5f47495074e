// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of the RDMA transport.  The lower node listens at an address, the
 * higher one asks for a connection a lane.  Who asks, and for which lane, stands in
 * the private data of request and answer, so that whoever comes from another machine
 * is told so and refused before anything is posted for him.  With a key that is proved
 * there (rdma_proof.c), and whoever has none is told a challenge and nothing else.
 */
#include <linux/slab.h>
#include <rdma/ib_cm.h>

#include <dvmm/transport.h>
#include "rdma.h"

#define GREETING	"dvmmrdma"
#define RESOLVE_MS	2000
#define AGAIN_DELAY	(HZ / 5)
#define RETRIES		6	/* soft RoCE takes 7 for "for ever" */
#define ACK_TIMEOUT	17	/* 4.096 us << 17 = 0.54 s; with RETRIES some 4 s */
#define RNR_TIMER	12	/* 0.64 ms; 0 would be 655 ms */

/* What goes over the wire: 56 bytes, all that a request has room for. */
struct said {
	struct dvmm_greeting greeting;
	u8 proof[RDMA_PROOF];
};

static_assert(sizeof(struct said) == 56);

static void cm_fill_greeting(struct dvmm_greeting *g, const struct rdma_lane *t, u16 from, u16 to)
{
	bool secure = t->owner->secure;

	dvmm_greeting_fill(g, GREETING, t->number, secure ? t->nonce : t->owner->machine, from, to);
	g->flags = secure ? DVMM_GREETING_NONCE : 0;
}

static void cm_our_greeting(struct dvmm_greeting *g, const struct rdma_lane *t)
{
	cm_fill_greeting(g, t, t->owner->self, t->owner->peer);
}

/* What is wrong with a greeting from the peer, or NULL. */
static const char *cm_check_greeting(struct rdma_link *l, const struct rdma_conn_param *c)
{
	const struct dvmm_greeting *g = c->private_data;
	struct dvmm_greeting wanted;
	const char *why;

	if (c->private_data_len < sizeof(struct said))
		return "the other end is not dvmm";
	cm_fill_greeting(&wanted, &l->lane[0], l->peer, l->self);
	if (l->secure)	/* its number, whatever it is */
		memcpy(wanted.machine, g->machine, sizeof(wanted.machine));
	why = dvmm_greeting_wrong(g, &wanted);
	if (!why && g->lane >= DVMM_XPORT_LANES)
		why = "the peer asks for a lane that does not exist";
	return why;
}

/* ---- the device ---- */

static int cm_take_device(struct rdma_link *l, struct ib_device *device)
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
static void cm_on_device_event(struct ib_event *ev, void *context)
{
	struct rdma_lane *t = context;

	if (ev->event == IB_EVENT_COMM_EST || ev->event == IB_EVENT_QP_LAST_WQE_REACHED)
		return;
	WRITE_ONCE(t->owner->fault, ib_event_msg(ev->event));
	dvmm_rdma_kick(t->owner, 0);
}

static int cm_make_queue_pair(struct rdma_lane *t)
{
	struct rdma_link *l = t->owner;
	struct ib_qp_init_attr attr = {
		.event_handler = cm_on_device_event,
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
static int cm_prepare(struct rdma_lane *t)
{
	struct rdma_link *l = t->owner;
	int err;

	/* Nobody would take down what is made now: see dvmm_rdma_hang_up(). */
	if (dvmm_rdma_dead(l))
		return -ECONNABORTED;
	if (rdma_protocol_iwarp(t->id->device, rdma_start_port(t->id->device))) {
		dvmm_rdma_fail(l, "iWARP devices send no immediate data: use the transport tcp");
		return -EOPNOTSUPP;
	}
	mutex_lock(&l->lock);
	err = cm_take_device(l, t->id->device);
	mutex_unlock(&l->lock);
	return err ?: cm_make_queue_pair(t);
}

static void conn_param(struct rdma_conn_param *c, const struct said *s)
{
	*c = (struct rdma_conn_param) {
		.private_data = s,
		.private_data_len = sizeof(*s),
		.retry_count = RETRIES,
		.rnr_retry_count = RETRIES,
	};
}

/* ---- events ---- */

static void cm_cannot(struct rdma_link *l, const char *what, int err)
{
	mutex_lock(&l->lock);
	if (!READ_ONCE(l->why))
		snprintf(l->text, sizeof(l->text), "%s: error %d", what, -err);
	mutex_unlock(&l->lock);
	dvmm_rdma_fail(l, l->text);
}

static void cm_ask_peer(struct rdma_lane *t)
{
	struct rdma_conn_param c;
	struct said s = {};
	int err = cm_prepare(t);

	cm_our_greeting(&t->request, t);
	s.greeting = t->request;
	if (t->challenge.version)
		dvmm_rdma_prove(t->owner, true, &t->request, &t->challenge, s.proof);
	conn_param(&c, &s);
	if (!err)
		err = rdma_connect_locked(t->id, &c);
	if (err)
		cm_cannot(t->owner, "cannot use the RDMA device", err);
}

/* The connection manager destroys @id then. */
static int cm_refuse(struct rdma_cm_id *id, const void *data, size_t n)
{
	rdma_reject(id, data, n, IB_CM_REJ_CONSUMER_DEFINED);
	return -ECONNREFUSED;
}

/* Who has a key to hide tells strangers nothing. */
static int cm_refuse_because(struct rdma_link *l, struct rdma_cm_id *id, const char *why)
{
	return cm_refuse(id, why, l->secure ? 0 : strlen(why) + 1);
}

static void cm_set_timers(struct rdma_cm_id *id)
{
	rdma_set_ack_timeout(id, ACK_TIMEOUT);
	rdma_set_min_rnr_timer(id, RNR_TIMER);
}

/* The lane is theirs who asked. */
static int cm_answer_peer(struct rdma_lane *t, const struct dvmm_greeting *request)
{
	struct rdma_conn_param c;
	struct said s = {};
	int err = cm_prepare(t);

	cm_our_greeting(&s.greeting, t);
	if (t->owner->secure) {
		dvmm_rdma_prove(t->owner, false, request, &s.greeting, s.proof);
		dvmm_rdma_new_nonce(t);
	}
	conn_param(&c, &s);
	return err ?: rdma_accept(t->id, &c);
}

static bool cm_has_key(struct rdma_lane *t, const struct said *s)
{
	struct dvmm_greeting challenge;

	cm_our_greeting(&challenge, t);
	return dvmm_rdma_proved(t->owner, true, &s->greeting, &challenge, s->proof);
}

static int cm_challenge(struct rdma_cm_id *id, const struct rdma_lane *t)
{
	struct dvmm_greeting g;

	cm_our_greeting(&g, t);
	return cm_refuse(id, &g, sizeof(g));
}

static int cm_peer_asks(struct rdma_link *l, struct rdma_cm_id *id, const struct rdma_cm_event *ev)
{
	const struct said *s = ev->param.conn.private_data;
	const char *why = cm_check_greeting(l, &ev->param.conn);
	struct rdma_lane *t;
	int err;

	if (why)
		return cm_refuse_because(l, id, why);
	t = &l->lane[s->greeting.lane];
	if (t->id || dvmm_rdma_dead(l))
		return cm_refuse_because(l, id, "this lane has its connection already");
	if (l->secure && !cm_has_key(t, s))
		return cm_challenge(id, t);
	/* Handlers of two devices may run at once where the address is a wildcard. */
	if (cmpxchg(&t->id, NULL, id))
		return cm_refuse_because(l, id, "this lane has its connection already");
	id->context = t;
	cm_set_timers(id);
	err = cm_answer_peer(t, &s->greeting);
	/* @id stays with the lane, and is hung up with it */
	if (err)
		cm_cannot(l, "cannot use the RDMA device", err);
	return 0;
}

/* What is wrong with the answer of the passive side, or NULL. */
static const char *cm_check_answer(struct rdma_lane *t, const struct rdma_cm_event *ev)
{
	const struct said *s = ev->param.conn.private_data;
	const char *why = cm_check_greeting(t->owner, &ev->param.conn);

	if (why || !t->owner->secure)
		return why;
	if (!dvmm_rdma_proved(t->owner, false, &t->request, &s->greeting, s->proof))
		return "the other end does not have our key";
	return NULL;
}

static void cm_established(struct rdma_lane *t, const struct rdma_cm_event *ev)
{
	struct rdma_link *l = t->owner;
	const char *why = l->passive ? NULL : cm_check_answer(t, ev);

	if (why) {
		dvmm_rdma_fail(l, why);
		return;
	}
	WRITE_ONCE(t->connected, true);
	cmpxchg(&l->begun, 0, jiffies ?: 1);
	dvmm_rdma_kick(l, 0);
}

/* Nobody is there yet; or, on a link that is up, not any more. */
static void cm_again(struct rdma_lane *t, const char *why, unsigned long delay)
{
	WRITE_ONCE(t->trouble, why);
	set_bit(RDMA_AGAIN, &t->owner->flags);
	dvmm_rdma_kick(t->owner, delay);
}

static void cm_nobody(struct rdma_lane *t, const char *why)
{
	if (test_bit(RDMA_UP, &t->owner->flags))
		dvmm_rdma_fail(t->owner, why);
	else
		cm_again(t, why, AGAIN_DELAY);
}

/* True if the peer wants a proof, and has not had it for this very challenge. */
static bool cm_is_challenge(struct rdma_lane *t, const void *said, u8 n)
{
	struct dvmm_greeting wanted;

	if (!t->owner->secure || !said || n < sizeof(wanted))
		return false;
	cm_fill_greeting(&wanted, t, t->owner->peer, t->owner->self);
	memcpy(wanted.machine, ((const struct dvmm_greeting *)said)->machine,
	       sizeof(wanted.machine));
	if (memcmp(said, &wanted, sizeof(wanted)) || !memcmp(said, &t->challenge, sizeof(wanted)))
		return false;
	t->challenge = wanted;
	return true;
}

/* Why the peer has refused, as far as it says so. */
static const char *cm_refusal(struct rdma_lane *t, const char *said, u8 n)
{
	struct rdma_link *l = t->owner;

	if (l->secure && n >= sizeof(t->challenge) &&
	    !memcmp(said, &t->challenge, sizeof(t->challenge)))
		return "the peer does not take our key: it has to be the same on all nodes";
	if (!n || !*said)
		return "the peer refused and says nothing: compare 'security' in the machine files";
	mutex_lock(&l->lock);
	if (!READ_ONCE(l->why))
		snprintf(l->text, sizeof(l->text), "the peer refused: %*pE",
			 min_t(int, strnlen(said, n), 50), said);
	mutex_unlock(&l->lock);
	return l->text;
}

static void cm_rejected(struct rdma_lane *t, struct rdma_cm_event *ev)
{
	const char *said;
	u8 n = 0;

	if (ev->status == IB_CM_REJ_INVALID_SERVICE_ID) {
		cm_nobody(t, "nobody listens at the peer's address");
		return;
	}
	said = rdma_consumer_reject_data(t->id, ev, &n);
	if (!said)
		dvmm_rdma_fail(t->owner, rdma_reject_msg(t->id, ev->status));
	else if (cm_is_challenge(t, said, n))
		cm_again(t, "the peer wants the key to be proved", 0);
	else
		dvmm_rdma_fail(t->owner, cm_refusal(t, said, n));
}

static int cm_on_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct rdma_lane *t = id->context;
	struct rdma_link *l = t->owner;
	int err;

	switch (ev->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return cm_peer_asks(l, id, ev);
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		err = rdma_resolve_route(id, RESOLVE_MS);
		if (err)
			cm_cannot(l, "no route to the peer", err);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		cm_ask_peer(t);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		cm_established(t, ev);
		break;
	case RDMA_CM_EVENT_REJECTED:
		cm_rejected(t, ev);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
		cm_nobody(t, "no RDMA device reaches the peer's address");
		break;
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_CONNECT_ERROR:
		cm_nobody(t, "the peer's address does not answer");
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

static int cm_start_lane(struct rdma_lane *t)
{
	struct rdma_link *l = t->owner;
	struct rdma_cm_id *id;

	id = rdma_create_id(l->net, cm_on_event, t, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	t->id = id;
	cm_set_timers(id);
	return rdma_resolve_addr(id, NULL, (struct sockaddr *)&l->address, RESOLVE_MS);
}

static int cm_start_listener(struct rdma_link *l)
{
	struct rdma_cm_id *id;

	/* any lane will do: requests say which one they are for */
	id = rdma_create_id(l->net, cm_on_event, &l->lane[0], RDMA_PS_TCP, IB_QPT_RC);
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
		return cm_start_listener(l);
	for (i = 0; i < DVMM_XPORT_LANES && !err; i++)
		err = cm_start_lane(&l->lane[i]);
	return err;
}

/* @t->id still says that the lane is not free. */
static void cm_end_connection(struct rdma_lane *t)
{
	struct rdma_cm_id *id = t->id;

	spin_lock_bh(&t->lock);
	t->open = false;
	spin_unlock_bh(&t->lock);
	/* A handler at work may be making the queue pair; a later one finds the link dead. */
	rdma_lock_handler(id);
	rdma_unlock_handler(id);
	if (id->qp) {
		rdma_disconnect(id);
		ib_drain_qp(id->qp);
		rdma_destroy_qp(id);
	}
	rdma_destroy_id(id);
	t->connected = false;
}

void dvmm_rdma_hang_up(struct rdma_lane *t)
{
	if (!t->id)
		return;
	cm_end_connection(t);
	t->id = NULL;
}

/* The listener's handler may give the lane to whoever asks, once nothing is left in it. */
static void cm_clear_lane(struct rdma_lane *t)
{
	cm_end_connection(t);
	dvmm_rdma_lane_drain(t);
	WRITE_ONCE(t->trouble, NULL);
	/* Pairs with cmpxchg() in cm_peer_asks(). */
	smp_store_release(&t->id, NULL);
}

void dvmm_rdma_retry(struct rdma_link *l)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		struct rdma_lane *t = &l->lane[i];

		if (!t->trouble)
			continue;
		cm_clear_lane(t);
		if (!l->passive)	/* else the peer asks again */
			err = cm_start_lane(t);
		if (err)
			cm_cannot(l, "cannot reach the peer", err);
	}
}

void dvmm_rdma_deaf(struct rdma_link *l)
{
	if (l->listener)
		rdma_destroy_id(l->listener);
	l->listener = NULL;
}

void dvmm_rdma_release(struct rdma_link *l)
{
	unsigned int i;

	/* first, so that no connection comes any more */
	dvmm_rdma_deaf(l);
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
