// SPDX-License-Identifier: GPL-2.0
/*
 * A peer that speaks the wire format badly: truncated, oversized, impossible and
 * random frames.  The link goes down with a reason, and the kernel is unharmed.
 *
 * usage: hostile [SEED [CASES]]	a family has its share of CASES
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "peer.h"
#include "tap.h"

#define DOWN_MS 6000 /* 5 s are allowed, the rest is this machine's */
#define LOOK_MS 300 /* for a message that has arrived to be looked at */
#define BEFORE_HELLO_MS 12000 /* other lanes wait 5 s for the HELLO first */

enum verdict { FINE, DIED, SILENT, MUTE, SHUT };

/* Something is wrong with the case if this is not one of the two first. */
static const char *const verdict_names[] = {
	"unharmed",
	"down with a reason",
	"down without a reason",
	"neither up nor down",
	"down, and nobody is let in afterwards",
};

static char reason[DVMM_REASON_LEN];

static enum verdict await_event(struct peer *p, int type, int ms)
{
	struct dvmm_event_record ev;

	if (event_want(p->machine, type, &ev, ms) != 1)
		return MUTE;
	memcpy(reason, ev.reason, sizeof(reason));
	return ev.reason[0] ? DIED : SILENT;
}

static enum verdict await_down(struct peer *p, int ms)
{
	return await_event(p, DVMM_EVENT_STOPPED, ms);
}

/* Nothing was agreed: it costs the link alone, and the right peer comes in after that. */
static enum verdict await_refusal(struct peer *p, int ms)
{
	enum verdict v = await_event(p, DVMM_EVENT_LINK_DOWN, ms);

	if (v != DIED)
		return v;
	return peer_again(p) || peer_join(p) || !peer_alive(p, 2000) ? SHUT : DIED;
}

/* ---- the families: each spoils the link in its own way ---- */

typedef void (*family_fn)(struct peer *p);

static void bad_hello(struct peer *p)
{
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_wire_hello o = peer_hello(p);
	uint16_t any = rnd_range(DVMM_WIRE_VERSION + 1, 0xffff);

	switch (rnd() % 9) {
	case 0:
		o.version_min = cpu_to_le16(any);
		break;
	case 1:
		o.version_max = 0;
		break;
	case 2:
		o.node = cpu_to_le16(any);
		break;
	case 3:
		o.nodes = cpu_to_le16(any + 1);
		break;
	case 4:
		o.page_size = cpu_to_le32(rnd() | 1);
		break;
	case 5:
		o.machine[rnd() % 16] ^= 1 << rnd() % 8;
		break;
	case 6:
		o.config[rnd() % 16] ^= 1 << rnd() % 8;
		break;
	case 7:
		h.length = cpu_to_le32(rnd() % sizeof(o));
		break;
	case 8:
		o.required = cpu_to_le64(1ull << rnd_range(48, 63));
		break;
	}
	peer_send(p, DVMM_LANE_CTL, &h, &o, le32_to_cpu(h.length));
}

static void second_hello(struct peer *p)
{
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_wire_hello o = peer_hello(p);

	peer_send(p, rnd() % DVMM_LANES, &h, &o, sizeof(o));
}

/* A sound coherence message of a type, for a page that exists. */
static struct dvmm_wire_hdr sound(int type)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_COHERENCE, type, 0);

	h.index = cpu_to_le16(rnd() % PEER_NODES);
	h.page = cpu_to_le64(rnd() % PEER_PAGES);
	h.requester = cpu_to_le16(PEER_SELF);
	h.id = cpu_to_le64(rnd_range(1, 1000));
	return h;
}

/* One field of a header that stands for itself; @which: 0 .. 9. */
static void spoil_field(struct dvmm_wire_hdr *h, unsigned int which)
{
	switch (which) {
	case 0:
		h->magic ^= rnd_range(1, 255);
		break;
	case 1:
		h->kind = rnd_range(5, 255);
		break;
	case 2:
		h->type = rnd_range(DVMM_MSG_COUNT, 255);
		break;
	case 3:
		h->flags = rnd_range(0x10, 0xff);
		break;
	case 4:
		h->src = cpu_to_le16(rnd_range(2, 0xffff));
		break;
	case 5:
		h->length = cpu_to_le32(rnd_range(DVMM_WIRE_PAYLOAD_MAX + 1, UINT32_MAX));
		break;
	case 6:
		h->requester = cpu_to_le16(rnd_range(PEER_NODES, 0xffff));
		break;
	case 7:
		h->acks = cpu_to_le16(rnd_range(PEER_NODES, 0xffff));
		break;
	case 8:
		h->page = cpu_to_le64(rnd_range(PEER_PAGES, UINT64_MAX));
		break;
	case 9:
		h->index = cpu_to_le16(rnd_range(PEER_NODES, 0xffff));
		break;
	}
}

static void bad_header(struct peer *p)
{
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	int type = rnd_range(1, DVMM_MSG_COUNT - 1);
	struct dvmm_wire_hdr h = sound(type);
	unsigned int which = rnd() % 12;
	int lane = peer_lane(type);
	size_t n = 0;

	spoil_field(&h, which);
	if (which == 10)
		lane = (lane + rnd_range(1, DVMM_LANES - 1)) % DVMM_LANES;
	if (which == 11) {
		n = rnd_range(1, DVMM_WIRE_PAYLOAD_MAX - 1);
		h.length = cpu_to_le32(n);
		h.flags = rnd() & DVMM_MSGF_PAGE;
	}
	peer_send(p, lane, &h, junk, n);
}

/* As it should be, and then one thing is not. */
static void bad_batch(struct peer *p)
{
	struct dvmm_wire_hdr batch = peer_hdr(DVMM_WIRE_BATCH, 0, 0), h[DVMM_WIRE_BATCH_MAX];
	unsigned int k, n = rnd_range(2, DVMM_WIRE_BATCH_MAX), bytes = n * sizeof(*h);
	int lane = DVMM_LANE_REQ;

	for (k = 0; k < n; k++) {
		h[k] = sound(DVMM_MSG_GET_Z);
		h[k].src = cpu_to_le16(PEER_SELF);
		h[k].index = 0;
	}
	k = rnd() % n;
	switch (rnd() % 7) {
	case 0:
		bytes -= rnd_range(1, sizeof(*h) - 1);
		break;
	case 1:
		lane = rnd_range(DVMM_LANE_RSP, DVMM_LANE_CTL);
		break;
	case 2:
		batch.flags = rnd_range(1, 255);
		break;
	case 3:
		h[k] = batch;
		break;
	case 4:
		h[k].type = DVMM_MSG_PUT_M;
		h[k].flags = DVMM_MSGF_PAGE;
		h[k].length = cpu_to_le32(DVMM_WIRE_PAYLOAD_MAX);
		break;
	case 5:
		h[k].type = DVMM_MSG_INV;
		break;
	case 6:
		h[k].page = cpu_to_le64(rnd_range(PEER_PAGES, UINT64_MAX));
		break;
	}
	batch.index = cpu_to_le16(lane);
	batch.length = cpu_to_le32(bytes);
	peer_send(p, lane, &batch, h, bytes);
}

static void bad_link_frame(struct peer *p)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, 0);

	switch (rnd() % 4) {
	case 0:
		h.type = 0;
		break;
	case 1:
		h.type = rnd_range(DVMM_WIRE_LINK_TYPES, 255);
		break;
	case 2:
		h.flags = rnd_range(1, 255);
		break;
	case 3:
		h.type = DVMM_WIRE_BYE;
		break;
	}
	peer_send(p, DVMM_LANE_CTL, &h, NULL, 0);
}

static void cut_header(struct peer *p)
{
	struct dvmm_wire_hdr h = sound(DVMM_MSG_GET_S);
	int lane = rnd() % DVMM_LANES;

	if (send(p->sock[lane], &h, rnd_range(0, sizeof(h) - 1), MSG_NOSIGNAL) < 0)
		return;
	shutdown(p->sock[lane], rnd() % 2 ? SHUT_WR : SHUT_RDWR);
}

static void cut_payload(struct peer *p)
{
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	struct dvmm_wire_hdr h = sound(DVMM_MSG_PUT_M);

	h.flags = DVMM_MSGF_PAGE;
	h.length = cpu_to_le32(DVMM_WIRE_PAYLOAD_MAX);
	peer_send(p, DVMM_LANE_REQ, &h, junk, rnd_range(0, sizeof(junk) - 1));
	shutdown(p->sock[DVMM_LANE_REQ], SHUT_WR);
}

static void random_bytes(struct peer *p)
{
	uint8_t buf[512];
	size_t n = rnd_range(sizeof(struct dvmm_wire_hdr), sizeof(buf)), i;

	for (i = 0; i < n; i++)
		buf[i] = rnd();
	/* One byte that cannot begin a frame. */
	buf[0] = DVMM_WIRE_MAGIC + 1;
	if (send(p->sock[rnd() % DVMM_LANES], buf, n, MSG_NOSIGNAL) < 0)
		return;
}

static void before_hello(struct peer *p)
{
	struct dvmm_wire_hdr h = sound(DVMM_MSG_GET_S);

	peer_send(p, DVMM_LANE_REQ, &h, NULL, 0);
}

static void hang_up(struct peer *p)
{
	if (rnd() % 2)
		close_all(&p->sock[rnd() % DVMM_LANES], 1);
	else
		peer_hang_up(p);
}

static int some_message(void)
{
	return rnd() % 2 ? rnd_range(1, DVMM_MSG_COUNT - 1) :
			   rnd_range(DVMM_MSG_REHOME + 1, DVMM_MSG_REHOME_END - 1);
}

/* Every header is in order, and the protocol was never followed. */
static void impossible(struct peer *p)
{
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	unsigned int k, n = rnd_range(1, 20);

	for (k = 0; k < n; k++) {
		int type = some_message();
		struct dvmm_wire_hdr h = sound(type);
		bool page = peer_carries(type) && rnd() % 2;

		h.page = cpu_to_le64(rnd() % 4);
		h.flags = rnd() & DVMM_MSGF_MASK & ~DVMM_MSGF_PAGE;
		h.requester = cpu_to_le16(rnd() % PEER_NODES);
		h.acks = cpu_to_le16(rnd() % PEER_NODES);
		if (page) {
			h.flags = (h.flags | DVMM_MSGF_PAGE) & ~DVMM_MSGF_ZERO;
			h.length = cpu_to_le32(DVMM_WIRE_PAYLOAD_MAX);
		}
		if (peer_send(p, peer_lane(type), &h, junk, page ? sizeof(junk) : 0))
			return;
	}
}

/* A frame is missing, comes twice or has overtaken another one. */
static void out_of_turn(struct peer *p)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, 0);
	unsigned int k, n = rnd() % 4;

	for (k = 0; k < n; k++)
		peer_send(p, DVMM_LANE_CTL, &h, NULL, 0);
	h.number = cpu_to_le32(rnd() % 2 ? rnd_range(1, 5) : rnd_range(1, UINT32_MAX));
	peer_send(p, DVMM_LANE_CTL, &h, NULL, 0);
}

/* Cannot be right in any state of the page: nobody asked, or it is not ours to say. */
static void unasked(struct peer *p)
{
	static const uint8_t answers[] = {
		DVMM_MSG_DATA, DVMM_MSG_PUT_ACK, DVMM_MSG_OWN_DATA, DVMM_MSG_INV_ACK,
	};
	static const uint8_t orders[] = { DVMM_MSG_FWD_GET_S, DVMM_MSG_FWD_GET_M, DVMM_MSG_INV };
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	bool answer = rnd() % 2;
	int type = answer ? answers[rnd() % 4] : orders[rnd() % 3];
	struct dvmm_wire_hdr h = sound(type);
	size_t n = type == DVMM_MSG_OWN_DATA ? sizeof(junk) : 0;

	/* We home region 1: its answers may come from us, region 0's orders may not. */
	h.index = cpu_to_le16(answer);
	h.requester = 0;
	h.id = cpu_to_le64(1ull << 50);
	h.flags = n ? DVMM_MSGF_PAGE : 0;
	h.length = cpu_to_le32(n);
	peer_send(p, peer_lane(type), &h, junk, n);
}

/* Another epoch, channels nobody has, PINGs with anything in them. */
static void harmless(struct peer *p)
{
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	struct dvmm_wire_hdr h;
	size_t n = rnd() % (sizeof(junk) + 1);

	switch (rnd() % 3) {
	case 0:
		h = sound(DVMM_MSG_GET_M);
		h.epoch = cpu_to_le32(rnd_range(2, UINT32_MAX));
		peer_send(p, DVMM_LANE_REQ, &h, NULL, 0);
		return;
	case 1:
		h = peer_hdr(DVMM_WIRE_CHANNEL, rnd(), n);
		h.index = cpu_to_le16(rnd_range(DVMM_CHANNEL_USER, DVMM_MAX_CHANNEL));
		break;
	default:
		h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_PING, n);
		h.id = cpu_to_le64(rnd());
	}
	peer_send(p, DVMM_LANE_CTL, &h, junk, n);
}

static void any_channel(struct peer *p)
{
	static uint8_t junk[DVMM_WIRE_PAYLOAD_MAX];
	size_t n = rnd() % 64;
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_CHANNEL, rnd(), n);

	h.index = cpu_to_le16(rnd() % 2 ? rnd() : rnd() % 4);
	h.id = cpu_to_le64(rnd());
	peer_send(p, DVMM_LANE_CTL, &h, junk, n);
}

/* ---- running them ---- */

enum expect { MUST_DIE, MUST_LIVE, EITHER };

static const struct family {
	const char *name;
	family_fn spoil;
	bool joined; /* after HELLOs; before them it is the link's end, not the machine's */
	enum expect expect;
	int ms;
	unsigned int share; /* of a hundred of the cases asked for */
} families[] = {
	{ "HELLO that does not fit", bad_hello, false, MUST_DIE, DOWN_MS, 100 },
	{ "a second HELLO", second_hello, true, MUST_DIE, DOWN_MS, 10 },
	{ "message before HELLO", before_hello, false, MUST_DIE, BEFORE_HELLO_MS, 1 },
	{ "header with one wrong field", bad_header, true, MUST_DIE, DOWN_MS, 300 },
	{ "batch with one thing wrong", bad_batch, true, MUST_DIE, DOWN_MS, 100 },
	{ "frame out of turn", out_of_turn, true, MUST_DIE, DOWN_MS, 50 },
	{ "link frame with a wrong field", bad_link_frame, true, MUST_DIE, DOWN_MS, 50 },
	{ "stream that ends in a header", cut_header, true, MUST_DIE, DOWN_MS, 100 },
	{ "stream that ends in a payload", cut_payload, true, MUST_DIE, DOWN_MS, 50 },
	{ "random bytes", random_bytes, true, MUST_DIE, DOWN_MS, 100 },
	{ "random bytes instead of HELLO", random_bytes, false, MUST_DIE, DOWN_MS, 50 },
	{ "peer hangs up", hang_up, true, MUST_DIE, DOWN_MS, 50 },
	{ "peer hangs up before HELLO", hang_up, false, MUST_DIE, DOWN_MS, 20 },
	{ "answers and orders out of nowhere", unasked, true, MUST_DIE, DOWN_MS, 100 },
	{ "sound messages in an impossible order", impossible, true, EITHER, DOWN_MS, 300 },
	{ "random channel messages", any_channel, true, EITHER, DOWN_MS, 50 },
	{ "frames to be ignored or echoed", harmless, true, MUST_LIVE, DOWN_MS, 100 },
};

/* A process that uses the memory meanwhile; what it reads is the peer's affair. */
static pid_t user_of(struct peer *p)
{
	pid_t pid = fork();
	volatile char *m;
	int i;

	if (pid)
		return pid;
	alarm(60);
	/* Or the link would not be cut when the parent closes its end. */
	peer_hang_up(p);
	close_all(&p->link, 1);
	close_all(&p->machine, 1);
	for (i = 0; i < 64; i++) {
		m = mmap(NULL, PEER_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 p->region[i / 2 % 2], 0);
		if (m == MAP_FAILED)
			break;
		if (i % 2)
			m[i % 4 * PAGE]++;
		else
			(void)m[i % 4 * PAGE];
	}
	_exit(0);
}

/* Lanes are not in step: a PING may be answered before what was sent first is looked at. */
static enum verdict alive_or_down(struct peer *p, int ms)
{
	if (peer_alive(p, 2000) && await_down(p, LOOK_MS) == MUTE)
		return FINE;
	return reason[0] ? DIED : await_down(p, ms);
}

static enum verdict run_case(const struct family *f, bool with_user)
{
	enum verdict v = MUTE;
	struct peer p;
	pid_t user = 0;

	reason[0] = 0;
	if (peer_open(&p))
		tap_bail("machine: %s", strerror(errno));
	if (f->joined && peer_join(&p)) {
		peer_close(&p);
		snprintf(reason, sizeof(reason), "HELLO failed");
		return MUTE;
	}
	if (with_user)
		user = user_of(&p);
	f->spoil(&p);
	if (!f->joined)
		v = await_refusal(&p, f->ms);
	else if (f->expect == MUST_DIE)
		v = await_down(&p, f->ms);
	else
		v = alive_or_down(&p, f->ms);
	peer_close(&p);
	if (user > 0) {
		kill(user, SIGKILL);
		waitpid(user, NULL, 0);
	}
	return v;
}

static bool as_expected(const struct family *f, enum verdict v)
{
	return f->expect == MUST_DIE  ? v == DIED :
	       f->expect == MUST_LIVE ? v == FINE :
					v == FINE || v == DIED;
}

/* A machine mostly waits when it comes and goes, so several do at once. */
#define WORKERS 8

/* What the workers of a family have seen, in memory that they share. */
struct tally {
	unsigned int count[SHUT + 1];
	unsigned int bad;
};

static void run_share(const struct family *f, uint64_t seed, unsigned int first, unsigned int n,
		      struct tally *t)
{
	unsigned int i;

	for (i = first; i < n; i += WORKERS) {
		uint64_t s = rnd_seed(seed * 1000003 + (f - families) * 100000 + i);
		enum verdict v = run_case(f, f->joined && i / WORKERS % 4 == 3);

		__atomic_add_fetch(&t->count[v], 1, __ATOMIC_RELAXED);
		if (as_expected(f, v) || __atomic_fetch_add(&t->bad, 1, __ATOMIC_RELAXED) > 4)
			continue;
		tap_diag("%s: case %u (state %llu): %s (%s)", f->name, i, (unsigned long long)s,
			 verdict_names[v], reason);
	}
}

static bool run_workers(const struct family *f, uint64_t seed, unsigned int n, struct tally *t)
{
	pid_t pid[WORKERS];
	int i, status, failed = 0;

	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_share(f, seed, i, n, t);
		exit(0);
	}
	for (i = 0; i < WORKERS; i++)
		failed += pid[i] < 0 || waitpid(pid[i], &status, 0) != pid[i] || status;
	return !failed;
}

static void run_family(const struct family *f, uint64_t seed, unsigned int cases)
{
	unsigned int n = cases * f->share / 100 + 1;
	uint64_t start = now_ns();
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool ended;

	if (t == MAP_FAILED)
		tap_bail("no memory");
	ended = run_workers(f, seed, n, t);
	tap_ok(ended && !t->bad && t->count[DIED] + t->count[FINE] == n,
	       "%s: %u cases, %u down with a reason, %u unharmed%s", f->name, n, t->count[DIED],
	       t->count[FINE], t->bad ? ", others wrong" : ended ? "" : ", a worker failed");
	tap_diag("%llu ms a case", (unsigned long long)(now_ns() - start) / 1000000 / n);
	munmap(t, sizeof(*t));
}

/* ---- a peer of another dvmm ---- */

/* Whether both ends are told the same, in words that an admin can act upon. */
static void other_dvmm(uint16_t min, uint16_t max, uint64_t required, const char *want)
{
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_wire_hello o;
	struct peer_frame f;
	bool told = false;
	struct peer p;

	reason[0] = 0;
	if (peer_open(&p))
		tap_bail("machine: %s", strerror(errno));
	o = peer_hello(&p);
	o.version_min = cpu_to_le16(min);
	o.version_max = cpu_to_le16(max);
	o.required = cpu_to_le64(required);
	peer_send(&p, DVMM_LANE_CTL, &h, &o, sizeof(o));
	await_event(&p, DVMM_EVENT_LINK_DOWN, DOWN_MS);
	while (!told && peer_recv(&p, DVMM_LANE_CTL, &f, DOWN_MS) == 1)
		told = f.hdr.type == DVMM_WIRE_BYE &&
		       !memcmp(f.data, reason, le32_to_cpu(f.hdr.length));
	tap_ok(told && !strcmp(reason, want), "both ends are told: %s", reason);
	peer_close(&p);
}

/* The line of the only link of all machines here. */
static bool link_shows(const char *want)
{
	FILE *f = popen("cat /sys/kernel/debug/dvmm/*/links", "r");
	bool found = false;
	char line[400];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, want))
			found = true;
	if (f)
		pclose(f);
	return found;
}

/* A dvmm of the future that still speaks our version, and says more than we know. */
static void later_dvmm(void)
{
	struct {
		struct dvmm_wire_hello hello;
		uint8_t later[40];
	} o;
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(o));
	struct dvmm_event_record ev;
	char want[60];
	struct peer p;

	memset(&o, 0xff, sizeof(o));
	if (peer_open(&p))
		tap_bail("machine: %s", strerror(errno));
	o.hello = peer_hello(&p);
	o.hello.version_max = cpu_to_le16(DVMM_WIRE_VERSION + 7);
	o.hello.features = cpu_to_le64(UINT64_MAX);
	peer_send(&p, DVMM_LANE_CTL, &h, &o, sizeof(o));
	tap_ok(event_want(p.machine, DVMM_EVENT_LINK_UP, &ev, DOWN_MS) == 1,
	       "a later dvmm that speaks our version is let in");
	snprintf(want, sizeof(want), " version: %u features: ", DVMM_WIRE_VERSION);
	tap_ok(link_shows(want) && !link_shows("feature-"),
	       "the link shows the version and the features agreed on");
	peer_close(&p);
}

static void other_dvmms(void)
{
	char want[DVMM_REASON_LEN];

	snprintf(want, sizeof(want),
		 "node 0 refuses node 1: it speaks wire versions 7 to 9, not %u to %u: install the same dvmm on both",
		 DVMM_WIRE_VERSION_MIN, DVMM_WIRE_VERSION);
	other_dvmm(7, 9, 0, want);
	snprintf(want, sizeof(want),
		 "node 0 refuses node 1: it speaks wire versions 1 to 1, not %u to %u: install the same dvmm on both",
		 DVMM_WIRE_VERSION_MIN, DVMM_WIRE_VERSION);
	other_dvmm(1, 1, 0, want);
	other_dvmm(DVMM_WIRE_VERSION, DVMM_WIRE_VERSION, 1ull << 62,
		   "node 0 refuses node 1: it wants what we lack: feature-62: install the same dvmm on both");
	later_dvmm();
}

/* A stranger that greets well and then has nothing to say. */
static void no_hello(void)
{
	uint64_t start = now_ns();
	struct peer p;

	reason[0] = 0;
	if (peer_open(&p))
		tap_bail("machine: %s", strerror(errno));
	await_event(&p, DVMM_EVENT_LINK_DOWN, 20000);
	tap_ok(strstr(reason, "no HELLO from node 1 within 10 s"),
	       "a peer that says no HELLO is dropped after %.1f s: %s", (now_ns() - start) / 1e9,
	       reason);
	peer_close(&p);
}

/* ---- a socket that its first owner has kept ---- */

static void write_guest_memory(const struct peer *p)
{
	char *m = mmap(NULL, PEER_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       p->region[1], 0);

	alarm(5);
	if (m != MAP_FAILED && write(p->kept[DVMM_LANE_REQ], m, 64) < 0 && errno == EOPNOTSUPP)
		_exit(0);
	_exit(1);
}

/*
 * The page is not here, and the request for it would have to go by the very socket that
 * the write holds: whoever does that must not be stuck for ever.
 */
static void kept_socket(void)
{
	int status = -1, i;
	struct peer p;
	pid_t pid;

	if (peer_open(&p) || peer_join(&p))
		tap_bail("no link: %s", strerror(errno));
	pid = fork();
	if (!pid)
		write_guest_memory(&p);
	for (i = 0; i < 200 && waitpid(pid, &status, WNOHANG) != pid; i++) {
		if (i == 100)
			kill(pid, SIGKILL);
		usleep(100000);
	}
	tap_ok(i < 100 && status == 0,
	       "guest memory written to a socket of the link: %s",
	       i == 200 ? "the writer cannot be killed" : i >= 100 ? "the writer had to be killed" :
	       status ? "taken" : "refused");
	peer_close(&p);
}

static void still_works(void)
{
	struct cluster c = { .nodes = 2, .transport = "tcp", .bytes = 64 * PAGE };
	int ret = cluster_open(&c);

	tap_ok(!ret, "afterwards a sound cluster comes up%s%s", ret ? ": " : "", ret ? c.why : "");
	if (!ret)
		cluster_close(&c);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	unsigned int cases = 200;
	size_t i;

	if (argc > 2)
		cases = atoi(argv[2]);
	tap_start(900);
	klog_open();
	close(dev_open());
	tap_diag("seed %llu, %u cases", (unsigned long long)seed, cases);
	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		run_family(&families[i], seed, cases);
	other_dvmms();
	no_hello();
	kept_socket();
	still_works();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
