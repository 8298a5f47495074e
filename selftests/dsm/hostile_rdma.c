// SPDX-License-Identifier: GPL-2.0
/*
 * A peer with an RDMA device of its own and no good will: greetings, lengths and
 * credits that cannot be, a flood, and reads, writes and atomics at addresses and keys
 * that it makes up.  The link goes down with a reason (a device that refuses a key need not
 * tell its host), the guest's memory is as it was, and the kernel is unharmed.
 *
 * usage: hostile_rdma ADDRESS [SEED [CASES]]	ADDRESS is that of an RDMA device here
 */
#define RDMA_STATIC_PROVIDERS rxe
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>

#include "cluster.h"
#include "peer.h"
#include "tap.h"

#define PORT_BASE 7950
#define ROOM (sizeof(struct dvmm_wire_hdr) + 2 * DVMM_WIRE_PAYLOAD_MAX)
#define RECEIVES 64
#define CREDITS 64 /* kmod/transport/rdma.h */
#define DOWN_MS 6000
#define SENT_MS 5000
#define LOOK_MS 100
#define FLOOD 4096 /* frames */

struct lane {
	struct rdma_cm_id *id;
	struct ibv_mr *mr;
	uint32_t sent; /* frames */
	uint8_t buf[(RECEIVES + 1) * ROOM];
};

/* One real node, and this program as the other. */
static struct {
	int machine; /* -1: closed */
	int region;
	int link;
	uint64_t *memory; /* of @region */
	uint8_t uuid[16];
	struct sockaddr_in address;
	struct lane lane[DVMM_LINK_LANES];
	char refused[200];
} me = { .machine = -1, .region = -1, .link = -1 };

static struct peer_greeting good_greeting(int lane)
{
	return peer_greeting("dvmmrdma", me.uuid, lane);
}

/* ---- a lane ---- */

/* The connection manager tells the other end. */
static void hang_up(struct lane *t)
{
	if (!t->id)
		return;
	if (t->mr)
		ibv_dereg_mr(t->mr);
	if (t->id->qp)
		rdma_destroy_qp(t->id);
	rdma_destroy_id(t->id);
	t->id = NULL;
	t->mr = NULL;
}

static int prepare(struct lane *t)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.cap = { .max_send_wr = 2 * CREDITS, .max_recv_wr = RECEIVES,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};
	int i, ret = rdma_create_qp(t->id, NULL, &attr);

	t->sent = 0;
	if (ret)
		return ret;
	t->mr = ibv_reg_mr(t->id->pd, t->buf, sizeof(t->buf), IBV_ACCESS_LOCAL_WRITE);
	for (i = 1; t->mr && i <= RECEIVES; i++)
		ret |= rdma_post_recv(t->id, NULL, t->buf + i * ROOM, ROOM, t->mr);
	return t->mr ? ret : -1;
}

/* 0, or -1 with what the other end said in me.refused */
static int ask(struct lane *t, const void *greeting, size_t n)
{
	struct rdma_conn_param c = {
		.private_data = greeting,
		.private_data_len = n,
		.retry_count = 2,
		.rnr_retry_count = 2,
		.responder_resources = 1,
		.initiator_depth = 1,
	};
	int ret = rdma_create_id(NULL, &t->id, NULL, RDMA_PS_TCP);

	me.refused[0] = 0;
	if (ret)
		return ret;
	ret = rdma_resolve_addr(t->id, NULL, (struct sockaddr *)&me.address, 2000);
	if (!ret)
		ret = rdma_resolve_route(t->id, 2000);
	if (!ret)
		ret = prepare(t);
	if (!ret)
		ret = rdma_connect(t->id, &c);
	if (ret && t->id->event && t->id->event->param.conn.private_data_len)
		snprintf(me.refused, sizeof(me.refused), "%.*s",
			 t->id->event->param.conn.private_data_len,
			 (const char *)t->id->event->param.conn.private_data);
	return ret;
}

static int ask_well(int lane)
{
	struct peer_greeting g = good_greeting(lane);

	return ask(&me.lane[lane], &g, sizeof(g));
}

/* Posts what @wr says of @n bytes of the lane's buffer; the status of its completion, or -1. */
static int post(struct lane *t, struct ibv_send_wr *wr, size_t n, int ms)
{
	struct ibv_sge sge = { (uintptr_t)t->buf, n, t->mr->lkey };
	struct ibv_send_wr *bad;
	struct ibv_wc wc;
	uint64_t end = now_ns() + ms * 1000000ull;
	int got = 0;

	wr->sg_list = &sge;
	wr->num_sge = n ? 1 : 0;
	if (ibv_post_send(t->id->qp, wr, &bad))
		return -1;
	while (!got && now_ns() < end)
		got = ibv_poll_cq(t->id->send_cq, 1, &wc);
	return got == 1 ? (int)wc.status : -1;
}

static int send_bytes(struct lane *t, size_t n, uint32_t credits)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND_WITH_IMM, .imm_data = htonl(credits) };

	return post(t, &wr, n, SENT_MS);
}

static int send_frame(int lane, const struct dvmm_wire_hdr *h, const void *data, size_t n)
{
	struct lane *t = &me.lane[lane];
	struct dvmm_wire_hdr numbered = *h;

	numbered.number = cpu_to_le32(t->sent++);
	memcpy(t->buf, &numbered, sizeof(numbered));
	if (n)
		memcpy(t->buf + sizeof(*h), data, n);
	return send_bytes(t, sizeof(*h) + n, 0);
}

/* ---- a machine ---- */

static void close_machine(void)
{
	int i;

	for (i = 0; i < DVMM_LINK_LANES; i++)
		hang_up(&me.lane[i]);
	if (me.memory)
		munmap(me.memory, PEER_PAGES * PAGE);
	me.memory = NULL;
	close_all(&me.region, 1);
	close_all(&me.link, 1);
	close_all(&me.machine, 1);
}

static void fill_memory(void)
{
	size_t i;

	me.memory = mmap(NULL, PEER_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, me.region, 0);
	if (me.memory == MAP_FAILED)
		tap_bail("no memory: %s", strerror(errno));
	for (i = 0; i < PEER_PAGES * PAGE / sizeof(*me.memory); i++)
		me.memory[i] = ~i;
}

static bool memory_intact(void)
{
	size_t i;

	for (i = 0; i < PEER_PAGES * PAGE / sizeof(*me.memory); i++)
		if (me.memory[i] != ~i)
			return false;
	return true;
}

static int open_machine(void)
{
	struct machine_params mp = { .self = 0, .nodes = PEER_NODES };
	static unsigned int n;
	char address[40];

	random_uuid(me.uuid);
	memcpy(mp.uuid, me.uuid, sizeof(mp.uuid));
	me.address.sin_port = htons(PORT_BASE + n++ % 40);
	snprintf(address, sizeof(address), "%s:%d", inet_ntoa(me.address.sin_addr),
		 ntohs(me.address.sin_port));
	me.machine = machine_create(&mp);
	me.region = region_create(me.machine, 0, 0, PEER_PAGES * PAGE, 0);
	me.link = link_create(me.machine, PEER_SELF, "rdma");
	if (me.machine < 0 || me.region < 0 || me.link < 0)
		return -1;
	return link_connect_at(me.link, address);
}

static int join(void)
{
	struct peer fake = { .self = PEER_SELF, .nodes = PEER_NODES, .machine = me.machine };
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_event_record ev;
	struct dvmm_wire_hello hello;
	int i;

	memcpy(fake.uuid, me.uuid, sizeof(fake.uuid));
	hello = peer_hello(&fake);
	for (i = 0; i < DVMM_LINK_LANES; i++)
		if (ask_well(i))
			return -1;
	if (send_frame(DVMM_LANE_CTL, &h, &hello, sizeof(hello)))
		return -1;
	return event_want(me.machine, DVMM_EVENT_LINK_UP, &ev, 5000) == 1 ? 0 : -1;
}

/* ---- the families: each returns true if the peer's own device saw what it should ---- */

/* Acknowledged or not: whoever takes offence may hang up before its device has done that. */
static bool went_out(int status)
{
	return status >= 0;
}

static struct lane *any_lane(void)
{
	return &me.lane[rnd() % DVMM_LINK_LANES];
}

static bool too_many_credits(void)
{
	return went_out(send_bytes(any_lane(), 0, rnd_range(CREDITS + 1, UINT32_MAX)));
}

static bool short_message(void)
{
	return went_out(send_bytes(any_lane(), rnd_range(1, sizeof(struct dvmm_wire_hdr) - 1),
				   0));
}

/* More or less than the header says, but no more than there is room for. */
static bool wrong_length(void)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, 0);
	size_t n = rnd_range(0, DVMM_WIRE_PAYLOAD_MAX);
	struct lane *t = &me.lane[DVMM_LANE_CTL];

	h.length = cpu_to_le32(n + rnd_range(1, UINT32_MAX));
	memcpy(t->buf, &h, sizeof(h));
	return went_out(send_bytes(t, sizeof(h) + n, 0));
}

/* The device itself refuses what does not fit into the page that is offered. */
static bool too_long(void)
{
	size_t least = sizeof(struct dvmm_wire_hdr) + DVMM_WIRE_PAYLOAD_MAX + 1;

	return send_bytes(any_lane(), rnd_range(least, ROOM), 0) != IBV_WC_SUCCESS;
}

/* Nobody was given a key, so none is right. */
static bool one_sided(void)
{
	static const int opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_RDMA_READ,
		IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct ibv_send_wr wr = { .opcode = opcodes[rnd() % 4] };
	uint64_t at = rnd() % 2 ? rnd() : 0xffff888000000000 + rnd() % (1ull << 31);
	uint32_t key = rnd() % 2 ? rnd() : rnd() % 4096;
	size_t n = 8;

	if (wr.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = at & ~7ull;
		wr.wr.atomic.rkey = key;
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = at;
		wr.wr.rdma.rkey = key;
		n = rnd_range(1, ROOM);
	}
	/* Reads and atomics do not even begin: the kernel's end offers no room for them. */
	return post(any_lane(), &wr, n, LOOK_MS) != IBV_WC_SUCCESS;
}

static bool random_header(void)
{
	struct lane *t = any_lane();
	size_t i;

	for (i = 0; i < sizeof(struct dvmm_wire_hdr); i++)
		t->buf[i] = rnd();
	t->buf[0] = DVMM_WIRE_MAGIC + 1;
	memset(t->buf + offsetof(struct dvmm_wire_hdr, length), 0, 4);
	return went_out(send_bytes(t, sizeof(struct dvmm_wire_hdr), 0));
}

/*
 * Asks on, whatever the credits allow, and takes no answer: the kernel's end stands
 * still before its memory is full, and then there is no room offered.
 */
static bool flood(void)
{
	static const uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, sizeof(junk));
	int i = 0;

	while (i < FLOOD && !send_frame(DVMM_LANE_CTL, &h, junk, sizeof(junk)))
		i++;
	tap_diag("%d frames of %d were taken", i, FLOOD);
	return i < FLOOD;
}

static bool leave(void)
{
	hang_up(any_lane());
	return true;
}

static const struct family {
	const char *name;
	bool (*spoil)(void);
	unsigned int share; /* of a hundred of the cases asked for */
	bool may_live; /* with the memory as it was */
} families[] = {
	{ "more credits than there are", too_many_credits, 100, false },
	{ "a message shorter than a header", short_message, 100, false },
	{ "a message of another length than it says", wrong_length, 100, false },
	{ "a message longer than the page that is offered", too_long, 100, false },
	{ "reads, writes and atomics with made-up keys", one_sided, 400, true },
	{ "headers of noise", random_header, 100, false },
	{ "a lane that hangs up", leave, 50, false },
	{ "frames beyond the credits", flood, 0, true },
};

static bool run_case(const struct family *f, char *why, size_t n)
{
	struct dvmm_event_record ev = {};
	bool device = false, well = false;

	if (open_machine() || join()) {
		snprintf(why, n, "no link: %s %s", strerror(errno), me.refused);
	} else {
		if (f->may_live)
			fill_memory();
		device = f->spoil();
		if (event_want(me.machine, DVMM_EVENT_STOPPED, &ev,
			       f->may_live ? LOOK_MS : DOWN_MS) == 1)
			well = ev.reason[0];
		else
			well = f->may_live && memory_intact();
		snprintf(why, n, "%s, %s", device ? "the device agrees" : "the device did not mind",
			 ev.reason[0] ? ev.reason : well ? "unharmed" : "not down");
	}
	close_machine();
	return device && well;
}

static void run_family(const struct family *f, uint64_t seed, unsigned int cases)
{
	unsigned int i, bad = 0, n = cases * f->share / 100 + 1;
	char why[400] = "";

	for (i = 0; i < n; i++) {
		uint64_t s = rnd_seed(seed * 1000003 + (f - families) * 100000 + i);

		if (run_case(f, why, sizeof(why)))
			continue;
		if (!bad++)
			tap_diag("%s: case %u (state %llu): %s", f->name, i,
				 (unsigned long long)s, why);
	}
	tap_ok(!bad, "%s: %u cases, %u otherwise", f->name, n, bad);
	tap_diag("the last one: %s", why);
}

/* ---- greetings: refused, and the link goes on waiting for the right peer ---- */

static void spoil_greeting(struct peer_greeting *g, size_t *n, unsigned int how)
{
	switch (how) {
	case 0:
		g->magic[rnd() % 8] ^= 1 << rnd() % 8;
		break;
	case 1:
		g->version += rnd_range(1, 255);
		break;
	case 2:
		g->lane = rnd_range(DVMM_LINK_LANES, 255);
		break;
	case 3:
		g->from = cpu_to_le16(rnd_range(2, 0xffff));
		break;
	case 4:
		g->to = cpu_to_le16(rnd_range(1, 0xffff));
		break;
	case 5:
		g->machine[rnd() % 16] ^= 1 << rnd() % 8;
		break;
	default:
		*n = 0;
	}
}

static void greetings(void)
{
	unsigned int how, refused = 0;
	struct lane *t = &me.lane[0];
	int joined = -1;

	if (open_machine())
		tap_bail("machine: %s", strerror(errno));
	for (how = 0; how < 7; how++) {
		struct peer_greeting g = good_greeting(0);
		size_t n = sizeof(g);

		spoil_greeting(&g, &n, how);
		refused += ask(t, &g, n) && me.refused[0];
		tap_diag("greeting %u: %s", how, me.refused);
		hang_up(t);
	}
	tap_ok(refused == 7, "greetings that do not fit: %u of 7 refused with a reason", refused);
	joined = join();
	tap_ok(!joined, "after that the right peer is let in");
	me.lane[0].id = NULL; /* leaks with the program: the lane itself stays connected */
	tap_ok(ask_well(0), "the same lane twice: nobody listens once the link is up");
	close_machine();
}

static void one_lane(void)
{
	struct dvmm_event_record ev = {};

	if (open_machine() || ask_well(2))
		tap_bail("machine: %s", strerror(errno));
	tap_ok(event_want(me.machine, DVMM_EVENT_LINK_DOWN, &ev, 20000) == 1 &&
	       strstr(ev.reason, "has not connected all lanes within 10 s"),
	       "a peer of one lane is dropped: %s", ev.reason);
	close_machine();
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	unsigned int cases = 20;
	size_t i;

	if (argc > 3)
		cases = atoi(argv[3]);
	me.address.sin_family = AF_INET;
	if (argc < 2 || !inet_aton(argv[1], &me.address.sin_addr)) {
		fprintf(stderr, "usage: hostile_rdma ADDRESS [SEED [CASES]]\n");
		return 2;
	}
	tap_start(280);
	ibv_free_device_list(ibv_get_device_list(NULL)); /* makes the static provider known */
	klog_open();
	close(dev_open());
	tap_diag("seed %llu, %u cases", (unsigned long long)seed, cases);
	greetings();
	one_lane();
	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		run_family(&families[i], seed, cases);
	tap_ok(!open_machine() && !join(), "afterwards a sound peer is let in");
	close_machine();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
