// SPDX-License-Identifier: GPL-2.0
/* The other end of a link, in userspace. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "tap.h"

/* Everything or nothing: 1, 0 after @ms, -1 at the end of the stream. */
static int take(int fd, void *buf, size_t n, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t got = 0;
	ssize_t k;

	while (got < n) {
		if (poll(&p, 1, ms) <= 0)
			return 0;
		k = recv(fd, (char *)buf + got, n - got, 0);
		if (k <= 0)
			return -1;
		got += k;
	}
	return 1;
}

struct peer_greeting peer_greeting(const char *magic, const uint8_t uuid[16], int lane)
{
	struct peer_greeting g = { .version = 1, .lane = lane, .from = cpu_to_le16(PEER_SELF) };

	memcpy(g.magic, magic, sizeof(g.magic));
	memcpy(g.machine, uuid, sizeof(g.machine));
	return g;
}

static int greet(struct peer *p, int lane)
{
	struct peer_greeting g = peer_greeting("dvmm-tcp", p->uuid, lane), theirs;

	g.from = cpu_to_le16(p->self);
	if (send(p->sock[lane], &g, sizeof(g), MSG_NOSIGNAL) != sizeof(g))
		return -1;
	return take(p->sock[lane], &theirs, sizeof(theirs), 5000) == 1 ? 0 : -1;
}

static int greet_all(struct peer *p)
{
	int lane;

	for (lane = 0; lane < DVMM_LINK_LANES; lane++)
		if (greet(p, lane))
			return -1;
	return 0;
}

static int connect_link(struct peer *p)
{
	int theirs[DVMM_LINK_LANES] = { -1, -1, -1, -1 }, end[2], i, ret;

	memset(p->sent, 0, sizeof(p->sent));
	for (i = 0; i < DVMM_LINK_LANES; i++) {
		if (tcp_pair(end))
			tap_bail("TCP over loopback: %s", strerror(errno));
		theirs[i] = end[0];
		p->sock[i] = end[1];
	}
	ret = p->link < 0 ? -1 : link_connect(p->link, theirs);
	memcpy(p->kept, theirs, sizeof(p->kept));
	return ret ? ret : greet_all(p);
}

int peer_connect(struct peer *p)
{
	p->link = link_create(p->machine, p->self, "tcp");
	return connect_link(p);
}

int peer_again(struct peer *p)
{
	peer_hang_up(p);
	return connect_link(p);
}

int peer_open(struct peer *p)
{
	static const struct peer_plan plain = { .home = { 0, 1 } };

	return peer_open_as(p, &plain);
}

int peer_open_as(struct peer *p, const struct peer_plan *plan)
{
	struct machine_params mp = {
		.nodes = plan->nodes ?: PEER_NODES, .flags = plan->flags, .absent = plan->absent,
	};
	int r;

	memset(p, -1, sizeof(*p));
	p->self = PEER_SELF;
	p->nodes = mp.nodes;
	p->joins = plan->absent >> PEER_SELF & 1;
	random_uuid(p->uuid);
	memcpy(mp.uuid, p->uuid, sizeof(mp.uuid));
	p->machine = machine_create(&mp);
	if (p->machine < 0)
		return -1;
	for (r = 0; r < PEER_NODES; r++)
		p->region[r] = region_create(p->machine, r, plan->home[r], PEER_PAGES * PAGE, 0);
	if (p->region[0] >= 0 && p->region[1] >= 0 && !peer_connect(p))
		return 0;
	peer_close(p);
	return -1;
}

void peer_hang_up(struct peer *p)
{
	close_all(p->kept, DVMM_LINK_LANES);
	close_all(p->sock, DVMM_LINK_LANES);
}

void peer_close(struct peer *p)
{
	peer_hang_up(p);
	close_all(p->region, PEER_NODES);
	close_all(&p->link, 1);
	close_all(&p->machine, 1);
}

struct dvmm_wire_hdr peer_hdr(int kind, int type, unsigned int length)
{
	return (struct dvmm_wire_hdr){
		.magic = DVMM_WIRE_MAGIC,
		.kind = kind,
		.type = type,
		.src = cpu_to_le16(PEER_SELF),
		.length = cpu_to_le32(length),
		.epoch = cpu_to_le32(1),
	};
}

struct dvmm_wire_hello peer_hello(const struct peer *p)
{
	static const uint8_t config[16];
	struct dvmm_wire_hello h;

	dvmm_hello_fill(&h, p->self, p->nodes, p->uuid, config);
	if (p->joins)
		h.flags = cpu_to_le32(DVMM_HELLO_JOINS);
	return h;
}

int peer_lane(int type)
{
	static const uint8_t lanes[] = {
#define X(name, lane, page, why) [DVMM_MSG_##name] = DVMM_LANE_##lane,
		DVMM_MESSAGES(X)
		DVMM_REHOME_MESSAGES(X)
#undef X
	};

	return type < (int)sizeof(lanes) ? lanes[type] : 0;
}

bool peer_carries(int type)
{
	static const bool carries[] = {
#define X(name, lane, page, why) [DVMM_MSG_##name] = page,
		DVMM_MESSAGES(X)
		DVMM_REHOME_MESSAGES(X)
#undef X
	};

	return type < (int)sizeof(carries) && carries[type];
}

int peer_send(struct peer *p, int lane, const struct dvmm_wire_hdr *h, const void *data, size_t n)
{
	uint8_t buf[sizeof(*h) + 2 * DVMM_WIRE_PAYLOAD_MAX];

	struct dvmm_wire_hdr numbered = *h;

	numbered.number = cpu_to_le32(le32_to_cpu(h->number) + p->sent[lane]++);
	memcpy(buf, &numbered, sizeof(numbered));
	if (n)
		memcpy(buf + sizeof(*h), data, n);
	n += sizeof(*h);
	return send(p->sock[lane], buf, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

int peer_recv(struct peer *p, int lane, struct peer_frame *f, int ms)
{
	int ret = take(p->sock[lane], &f->hdr, sizeof(f->hdr), ms);
	uint32_t n = le32_to_cpu(f->hdr.length);

	if (ret <= 0 || !n)
		return ret;
	return n > sizeof(f->data) ? -1 : take(p->sock[lane], f->data, n, ms);
}

int peer_join(struct peer *p)
{
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_wire_hello hello = peer_hello(p);
	struct dvmm_event_record ev;
	struct peer_frame f;

	if (peer_recv(p, DVMM_LANE_CTL, &f, 5000) != 1 || f.hdr.type != DVMM_WIRE_HELLO)
		return -1;
	h.src = cpu_to_le16(p->self);
	if (peer_send(p, DVMM_LANE_CTL, &h, &hello, sizeof(hello)))
		return -1;
	return event_next(p->machine, &ev, 5000) == 1 && ev.type == DVMM_EVENT_LINK_UP ? 0 : -1;
}

bool peer_alive(struct peer *p, int ms)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, 0);
	struct peer_frame f;

	h.id = cpu_to_le64(0x70696e67);
	if (peer_send(p, DVMM_LANE_CTL, &h, NULL, 0))
		return false;
	while (peer_recv(p, DVMM_LANE_CTL, &f, ms) == 1)
		if (f.hdr.kind == DVMM_WIRE_LINK && f.hdr.type == DVMM_WIRE_PONG &&
		    f.hdr.id == h.id)
			return true;
	return false;
}
