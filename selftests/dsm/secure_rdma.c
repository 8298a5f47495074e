// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets a connection of a secure machine over RDMA: only who proves its key.
 * Everybody else is told a challenge at most, and is not in the way of who has it.
 *
 * usage: secure_rdma ADDRESS	that of an RDMA device here
 */
#define RDMA_STATIC_PROVIDERS rxe
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>

#include "peer.h"
#include "tap.h"

#define PORT		7850	/* of the machine */
#define TRAP_PORT	7851	/* of who says to be node 0 and is not */
#define SAID		56	/* kmod/transport/rdma_cm.c */
#define NONCE		1	/* kmod/transport/greeting.h */
#define UP_MS		15000

static const char *address;
static uint8_t uuid[16];
static uint8_t key[DVMM_KEY_LEN] = "not known to whoever has no key";

struct node {
	int machine;
	int link;
};

/* ---- nodes ---- */

static struct node open_node(int self, int port, const uint8_t *its_key)
{
	struct dvmm_create_machine m = {
		.size = sizeof(m), .flags = DVMM_MACHINE_SECURE, .node = self, .nodes = PEER_NODES,
	};
	struct dvmm_link_connect c = { .size = sizeof(c), .sock = { -1, -1, -1, -1 } };
	struct node n;
	int dev = dev_open();

	memcpy(m.uuid, uuid, sizeof(m.uuid));
	n.machine = ioctl(dev, DVMM_CREATE_MACHINE, &m);
	close(dev);
	n.link = link_create(n.machine, !self, "rdma");
	snprintf(c.address, sizeof(c.address), "%s:%d", address, port);
	memcpy(c.key, its_key, sizeof(c.key));
	if (n.machine < 0 || n.link < 0 || ioctl(n.link, DVMM_LINK_CONNECT, &c))
		tap_bail("node %d: %s", self, strerror(errno));
	return n;
}

static void close_node(const struct node *n)
{
	close(n->link);
	close(n->machine);
}

/* ---- a stranger ---- */

static struct sockaddr_in at(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, address, &a.sin_addr);
	return a;
}

static int make_queue_pair(struct rdma_cm_id *id)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	return rdma_create_qp(id, NULL, &attr);
}

static size_t answered(const struct rdma_cm_event *ev)
{
	return ev->param.conn.private_data_len < SAID ? ev->param.conn.private_data_len : SAID;
}

/* True if the connection is granted; what the other end has said is in @answer. */
static bool ask(const void *said, uint8_t answer[SAID])
{
	struct rdma_conn_param c = {
		.private_data = said, .private_data_len = SAID,
		.retry_count = 2, .rnr_retry_count = 2,
	};
	struct sockaddr_in a = at(PORT);
	struct rdma_cm_id *id;
	bool granted;

	memset(answer, 0, SAID);
	if (rdma_create_id(NULL, &id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(id, NULL, (struct sockaddr *)&a, 2000) ||
	    rdma_resolve_route(id, 2000) || make_queue_pair(id))
		tap_bail("an RDMA connection: %s", strerror(errno));
	granted = !rdma_connect(id, &c);
	if (id->event && id->event->param.conn.private_data_len)
		memcpy(answer, id->event->param.conn.private_data, answered(id->event));
	rdma_destroy_qp(id);
	rdma_destroy_id(id);
	return granted;
}

static bool holds(const uint8_t *data, size_t n, const void *what, size_t length)
{
	size_t i;

	for (i = 0; i + length <= n; i++)
		if (!memcmp(data + i, what, length))
			return true;
	return false;
}

static bool silent(const uint8_t answer[SAID])
{
	static const uint8_t nothing[SAID];

	return !memcmp(answer, nothing, SAID);
}

static struct peer_greeting strange_greeting(void)
{
	struct peer_greeting g = peer_greeting("dvmmrdma", uuid, 0);

	g.reserved[0] = NONCE;
	random_uuid(g.machine);
	return g;
}

/* What a node without a key says; a copy of it is a copy of what goes over the wire. */
static void plain_greeting(void)
{
	struct peer_greeting g = peer_greeting("dvmmrdma", uuid, 0);
	uint8_t said[SAID] = {}, answer[SAID];
	bool granted;

	memcpy(said, &g, sizeof(g));
	granted = ask(said, answer);
	tap_ok(!granted && silent(answer), "a copied greeting: refused, and told nothing");
}

static void guessed_proof(void)
{
	struct peer_greeting g = strange_greeting();
	uint8_t said[SAID] = {}, answer[SAID];
	bool granted;
	int i;

	memcpy(said, &g, sizeof(g));
	for (i = 0; i < 3; i++) {
		granted = ask(said, answer);
		tap_ok(!granted && holds(answer, SAID, "dvmmrdma", 8) &&
		       !holds(answer, SAID, uuid, sizeof(uuid)),
		       "made-up proof %d: refused, and told a challenge without UUID", i);
		random_uuid(said + sizeof(g));
	}
}

/* ---- who says to be node 0 ---- */

static struct rdma_cm_id *trap(void)
{
	struct sockaddr_in a = at(TRAP_PORT);
	struct rdma_cm_id *id;

	if (rdma_create_id(NULL, &id, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(id, (struct sockaddr *)&a) || rdma_listen(id, 8))
		tap_bail("an RDMA listener: %s", strerror(errno));
	return id;
}

/* Gives each caller a challenge; what a caller answers to it for lane 0 is in @said. */
static bool lure(struct rdma_cm_id *listener, uint8_t said[SAID])
{
	struct peer_greeting g = strange_greeting();
	static const uint8_t none[SAID - sizeof(g)];
	struct rdma_cm_id *id;
	const uint8_t *got;
	bool proof, leak;
	int i;

	g.from = 0;
	g.to = 1;
	for (i = 0; i < 40; i++) {
		if (rdma_get_request(listener, &id))
			return false;
		got = id->event->param.conn.private_data;
		memcpy(said, got, SAID);
		leak = holds(said, SAID, uuid, sizeof(uuid));
		proof = memcmp(said + sizeof(g), none, sizeof(none)) && said[9] == 0;
		g.lane = said[9];
		random_uuid(g.machine);
		rdma_reject(id, &g, sizeof(g));
		rdma_destroy_id(id);
		if (leak || proof)
			return !leak;
	}
	return false;
}

/* Takes a caller as node 0 would, but for the proof. */
static void pretend(struct rdma_cm_id *listener)
{
	struct peer_greeting g = strange_greeting();
	uint8_t said[SAID] = {};
	struct rdma_conn_param c = { .private_data = said, .private_data_len = SAID };
	struct rdma_cm_id *id;

	if (rdma_get_request(listener, &id))
		return;
	g.from = 0;
	g.to = 1;
	g.lane = ((const uint8_t *)id->event->param.conn.private_data)[9];
	memcpy(said, &g, sizeof(g));
	if (!make_queue_pair(id))
		rdma_accept(id, &c);
	rdma_destroy_qp(id);
	rdma_destroy_id(id);
}

static void replay(void)
{
	struct rdma_cm_id *listener = trap();
	struct node victim = open_node(1, TRAP_PORT, key);
	struct dvmm_event_record ev = {};
	uint8_t said[SAID], answer[SAID];
	bool lured = lure(listener, said), granted;

	tap_ok(lured, "a node that is lured proves its key to any challenge, and tells no UUID");
	granted = ask(said, answer);
	tap_ok(lured && !granted, "a proof of another time, said again: refused");
	pretend(listener);
	rdma_destroy_id(listener);
	tap_ok(event_want(victim.machine, DVMM_EVENT_LINK_DOWN, &ev, UP_MS) == 1 &&
	       strstr(ev.reason, "does not have our key"),
	       "who says to be the other node and proves nothing is found out");
	tap_diag("%s", ev.reason);
	close_node(&victim);
}

static void other_key(void)
{
	uint8_t other[DVMM_KEY_LEN] = "Not known to whoever has no key";
	struct node n = open_node(1, PORT, other);
	struct dvmm_event_record ev = {};
	int ret = event_want(n.machine, DVMM_EVENT_LINK_DOWN, &ev, UP_MS);

	tap_ok(ret == 1 && strstr(ev.reason, "does not take our key"),
	       "a node with another key is refused, and says why");
	tap_diag("%s", ev.reason);
	close_node(&n);
}

int main(int argc, char **argv)
{
	struct dvmm_event_record ev;
	struct node waits, comes;
	uint64_t began;

	if (argc != 2) {
		fprintf(stderr, "usage: secure_rdma ADDRESS\n");
		return 2;
	}
	address = argv[1];
	tap_start(180);
	ibv_free_device_list(ibv_get_device_list(NULL)); /* makes the static provider known */
	klog_open();
	random_uuid(uuid);
	waits = open_node(0, PORT, key);
	plain_greeting();
	guessed_proof();
	replay();
	other_key();
	began = now_ns();
	comes = open_node(1, PORT, key);
	tap_ok(event_want(comes.machine, DVMM_EVENT_LINK_UP, &ev, UP_MS) == 1 &&
	       event_want(waits.machine, DVMM_EVENT_LINK_UP, &ev, UP_MS) == 1,
	       "after them, the node that has the key joins");
	tap_diag("%llu ms", (unsigned long long)(now_ns() - began) / 1000000);
	close_node(&comes);
	close_node(&waits);
	tap_ok(klog_clean(), "no complaints of the kernel");
	return tap_end();
}
