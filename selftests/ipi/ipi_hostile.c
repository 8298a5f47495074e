// SPDX-License-Identifier: GPL-2.0
/*
 * A peer that sends malformed interrupts: two nodes over TCP, and between them a
 * man in the middle who rewrites node 0's interrupt datagrams.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checks.h"
#include "node.h"
#include "tap.h"
#include "wire.h"

#define GREETING	32		/* bytes before the first frame of a lane */
#define HEADER		40
#define AT_KIND		1
#define AT_TYPE		2
#define AT_INDEX	6
#define AT_LENGTH	12
#define KIND_CHANNEL	2
#define LANE_CTL	3
#define FLOOD		200

struct frame {
	uint8_t header[HEADER];
	uint8_t data[DVMM_CHANNEL_DATA_MAX];
	uint32_t length;
};

typedef void (*rewrite_fn)(struct frame *f);

/** struct pipe - one direction of one lane; @rewrite only where node 0's datagrams pass */
struct pipe {
	int from;
	int to;
	rewrite_fn rewrite;
	pthread_t thread;
};

/* ---- the man in the middle ---- */

static bool read_all(int fd, void *to, size_t n)
{
	return !n || recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static bool write_all(int fd, const void *from, size_t n)
{
	return !n || send(fd, from, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool read_frame(int fd, struct frame *f)
{
	if (!read_all(fd, f->header, HEADER))
		return false;
	memcpy(&f->length, f->header + AT_LENGTH, 4);
	return f->length <= sizeof(f->data) && read_all(fd, f->data, f->length);
}

static bool is_interrupt(const struct frame *f)
{
	return f->header[AT_KIND] == KIND_CHANNEL && !f->header[AT_INDEX] &&
	       !f->header[AT_INDEX + 1];
}

static void pass_frames(struct pipe *p)
{
	uint8_t greeting[GREETING];
	struct frame f;

	if (!read_all(p->from, greeting, GREETING) || !write_all(p->to, greeting, GREETING))
		return;
	while (read_frame(p->from, &f)) {
		if (is_interrupt(&f)) {
			p->rewrite(&f);
			memcpy(f.header + AT_LENGTH, &f.length, 4);
		}
		if (!write_all(p->to, f.header, HEADER) || !write_all(p->to, f.data, f.length))
			return;
	}
}

static void pass_bytes(struct pipe *p)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(p->from, buf, sizeof(buf), 0)) > 0) {
		if (!write_all(p->to, buf, n))
			return;
	}
}

static void *pipe_thread(void *arg)
{
	struct pipe *p = arg;

	if (p->rewrite)
		pass_frames(p);
	else
		pass_bytes(p);
	shutdown(p->from, SHUT_RDWR);
	shutdown(p->to, SHUT_RDWR);
	return NULL;
}

/* ---- two nodes with him between them ---- */

struct middle {
	struct pipe pipe[2 * DVMM_LINK_LANES];
	int end[2 * DVMM_LINK_LANES];	/* his ends */
};

static void make_pipe(struct pipe *p, int from, int to, rewrite_fn rewrite)
{
	*p = (struct pipe) { .from = from, .to = to, .rewrite = rewrite };
	if (pthread_create(&p->thread, NULL, pipe_thread, p))
		tap_bail("pthread_create");
}

static void make_lane(struct middle *m, int lane, int sock[2][DVMM_LINK_LANES],
		      rewrite_fn rewrite)
{
	int a[2], b[2];

	if (tcp_pair(a) || tcp_pair(b))
		tap_bail("tcp_pair: %s", strerror(errno));
	sock[0][lane] = a[0];
	sock[1][lane] = b[0];
	m->end[2 * lane] = a[1];
	m->end[2 * lane + 1] = b[1];
	make_pipe(&m->pipe[2 * lane], a[1], b[1], lane == LANE_CTL ? rewrite : NULL);
	make_pipe(&m->pipe[2 * lane + 1], b[1], a[1], NULL);
}

static void make_machines(struct guest *g)
{
	struct machine_params p = { .nodes = 2 };

	random_uuid(p.uuid);
	for (p.self = 0; p.self < 2; p.self++) {
		g->machine[p.self] = machine_create(&p);
		if (g->machine[p.self] < 0)
			tap_bail("machine: %s", strerror(errno));
	}
}

static void join(struct guest *g, struct middle *m, rewrite_fn rewrite)
{
	int sock[2][DVMM_LINK_LANES];
	struct dvmm_event_record ev;
	int lane, node;

	make_machines(g);
	for (lane = 0; lane < DVMM_LINK_LANES; lane++)
		make_lane(m, lane, sock, rewrite);
	for (node = 0; node < 2; node++) {
		g->link[node][!node] = link_create(g->machine[node], !node, "tcp");
		if (link_connect(g->link[node][!node], sock[node]))
			tap_bail("connect: %s", strerror(errno));
		close_all(sock[node], DVMM_LINK_LANES);
	}
	for (node = 0; node < 2; node++) {
		if (event_want(g->machine[node], DVMM_EVENT_LINK_UP, &ev, 10000) != 1)
			tap_bail("node %d: the link does not come up", node);
		if (guest_attach(g, node, g->vm[node]))
			tap_bail("node %d: attach: %s", node, strerror(errno));
	}
}

static void part(struct guest *g, struct middle *m)
{
	unsigned int i;

	guest_leave(g, 0);
	guest_leave(g, 1);
	for (i = 0; i < 2 * DVMM_LINK_LANES; i++)
		shutdown(m->end[i], SHUT_RDWR);
	for (i = 0; i < 2 * DVMM_LINK_LANES; i++)
		pthread_join(m->pipe[i].thread, NULL);
	close_all(m->end, 2 * DVMM_LINK_LANES);
}

/* ---- what he does ---- */

static void nothing(struct frame *f)
{
	(void)f;
}

static void empty(struct frame *f)
{
	f->length = 0;
}

static void cut_short(struct frame *f)
{
	f->length = 7;
}

static void one_byte_more(struct frame *f)
{
	f->length = 9;
}

static void too_many(struct frame *f)
{
	f->length = (DVMM_IPI_BATCH_MAX + 1) * 8;
	memset(f->data, 0, f->length);
}

static void other_type(struct frame *f)
{
	f->header[AT_TYPE] = 2;
}

static void bad_mode(struct frame *f)
{
	f->data[5] = DVMM_IPI_EXTINT;
}

static void to_self(struct frame *f)
{
	f->data[6] = DVMM_IPI_TO_SELF;
	f->data[7] = DVMM_IPI_ASSERT;
}

static void bad_flag(struct frame *f)
{
	f->data[7] |= 0x80;
}

static void bad_last(struct frame *f)
{
	memset(f->data, 0, 64);
	f->data[63] = 0xff;
	f->length = 64;
}

/* Well-formed, and nothing that an interrupt controller would ever send. */
static void anything_valid(struct frame *f)
{
	unsigned int i;

	for (i = 0; i < DVMM_IPI_BATCH_MAX; i++) {
		uint8_t *r = f->data + i * 8;
		uint32_t dest = rnd_range(0, 1) ? rnd_range(0, 4) : rnd();

		memcpy(r, &dest, 4);
		r[4] = rnd();
		r[5] = rnd_range(DVMM_IPI_FIXED, DVMM_IPI_SIPI);
		r[6] = rnd_range(0, 2) ? DVMM_IPI_TO_DEST : rnd_range(2, 3);
		r[7] = rnd_range(0, r[6] ? 7 : 15);
	}
	f->length = DVMM_IPI_BATCH_MAX * 8;
}

static const struct {
	const char *what;
	rewrite_fn rewrite;
} malformed[] = {
	{ "no record", empty },
	{ "a record cut short", cut_short },
	{ "a record and a byte", one_byte_more },
	{ "too many records", too_many },
	{ "another type", other_type },
	{ "an impossible delivery mode", bad_mode },
	{ "shorthand self", to_self },
	{ "an unknown flag", bad_flag },
	{ "one bad record among good ones", bad_last },
};

static void refuse(struct guest *g, const char *what, rewrite_fn rewrite)
{
	struct dvmm_event_record ev = { 0 };
	struct middle m;

	join(g, &m, rewrite);
	msi_send(g, 0, msi_address(2, 0), 0x41);
	tap_ok(event_want(g->machine[1], DVMM_EVENT_STOPPED, &ev, 10000) == 1 &&
	       strstr(ev.reason, "malformed"), "%s takes the machine down", what);
	tap_diag("reason: %s", ev.reason);
	part(g, &m);
}

static void survive(struct guest *g, const char *what, rewrite_fn rewrite, unsigned int times)
{
	struct dvmm_event_record ev = { 0 };
	struct middle m;
	unsigned int i;

	join(g, &m, rewrite);
	for (i = 0; i < times; i++) {
		msi_send(g, 0, msi_address(2, 0), 0x41);
		pause_ms(1);
	}
	tap_ok(event_want(g->machine[1], DVMM_EVENT_STOPPED, &ev, 500) == 0,
	       "%s does no harm", what);
	part(g, &m);
}

int main(void)
{
	static const struct place places[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 1 } };
	struct guest *g;
	unsigned int i;

	tap_start(290);
	tap_diag("seed %llu", (unsigned long long)rnd_seed(now_ns()));
	klog_open();
	close(dev_open());
	close(kvm_open());
	g = guest_create(places, 4, 2);
	survive(g, "an honest man in the middle", nothing, 3);
	for (i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
		refuse(g, malformed[i].what, malformed[i].rewrite);
	survive(g, "any well-formed record", anything_valid, FLOOD);
	survive(g, "and afterwards an honest one", nothing, 3);
	guest_destroy(g);
	tap_ok(klog_clean(), "the kernel has not complained");
	return tap_end();
}
