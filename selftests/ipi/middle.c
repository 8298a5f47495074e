// SPDX-License-Identifier: GPL-2.0
/* A man in the middle between two nodes. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checks.h"
#include "middle.h"
#include "node.h"
#include "tap.h"

#define GREETING	32		/* bytes before the first frame of a lane */
#define AT_KIND		1
#define AT_INDEX	6
#define AT_LENGTH	12
#define KIND_CHANNEL	2
#define LANE_CTL	3

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
	if (!read_all(fd, f->header, MIDDLE_HEADER))
		return false;
	memcpy(&f->length, f->header + AT_LENGTH, 4);
	return f->length <= sizeof(f->data) && read_all(fd, f->data, f->length);
}

static bool is_interrupt(const struct frame *f)
{
	return f->header[AT_KIND] == KIND_CHANNEL && !f->header[AT_INDEX] &&
	       !f->header[AT_INDEX + 1];
}

static bool wait_until_told(struct pipe *p)
{
	while (*p->stalled)
		pause_ms(2);
	return true;
}

static void pass_frames(struct pipe *p)
{
	uint8_t greeting[GREETING];
	struct frame f;

	if (!read_all(p->from, greeting, GREETING) || !write_all(p->to, greeting, GREETING))
		return;
	while (wait_until_told(p) && read_frame(p->from, &f)) {
		if (is_interrupt(&f)) {
			p->rewrite(&f);
			memcpy(f.header + AT_LENGTH, &f.length, 4);
		}
		if (!write_all(p->to, f.header, MIDDLE_HEADER) ||
		    !write_all(p->to, f.data, f.length))
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

/* ---- nodes, with him between the first two ---- */

static void make_pipe(struct middle *m, struct pipe *p, int from, int to, rewrite_fn rewrite)
{
	*p = (struct pipe) { .from = from, .to = to, .rewrite = rewrite, .stalled = &m->stalled };
	if (pthread_create(&p->thread, NULL, pipe_thread, p))
		tap_bail("pthread_create");
}

static void small_buffers(int fd)
{
	int bytes = 16384;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
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
	if (lane == LANE_CTL) {
		small_buffers(a[0]);
		small_buffers(a[1]);
	}
	make_pipe(m, &m->pipe[2 * lane], a[1], b[1], lane == LANE_CTL ? rewrite : NULL);
	make_pipe(m, &m->pipe[2 * lane + 1], b[1], a[1], NULL);
}

static void make_machines(struct guest *g, bool late)
{
	struct machine_params p = { .nodes = g->nodes };

	random_uuid(p.uuid);
	for (p.self = 0; p.self < g->nodes; p.self++) {
		p.absent = late && !p.self ? 2 : 0;
		p.flags = late && p.self ? DVMM_MACHINE_JOIN : 0;
		g->machine[p.self] = machine_create(&p);
		if (g->machine[p.self] < 0)
			tap_bail("machine: %s", strerror(errno));
	}
}

static void link_first(struct guest *g, struct middle *m, rewrite_fn rewrite)
{
	int sock[2][DVMM_LINK_LANES];
	int lane, node;

	m->stalled = false;
	for (lane = 0; lane < DVMM_LINK_LANES; lane++)
		make_lane(m, lane, sock, rewrite);
	m->ctl = dup(sock[0][LANE_CTL]);
	for (node = 0; node < 2; node++) {
		g->link[node][!node] = link_create(g->machine[node], !node, "tcp");
		if (link_connect(g->link[node][!node], sock[node]))
			tap_bail("connect: %s", strerror(errno));
		close_all(sock[node], DVMM_LINK_LANES);
	}
}

void middle_join(struct guest *g, struct middle *m, rewrite_fn rewrite)
{
	struct dvmm_event_record ev;
	unsigned int a, b;

	make_machines(g, false);
	link_first(g, m, rewrite);
	for (a = 0; a < g->nodes; a++) {
		for (b = a + 1; b < g->nodes; b++) {
			if (b > 1)
				guest_link(g, a, b);
		}
	}
	for (a = 0; a < g->nodes; a++) {
		for (b = 1; b < g->nodes; b++) {
			if (event_want(g->machine[a], DVMM_EVENT_LINK_UP, &ev, 10000) != 1)
				tap_bail("node %u: a link does not come up", a);
		}
	}
}

void middle_join_late(struct guest *g, struct middle *m, rewrite_fn rewrite)
{
	struct dvmm_event_record ev;

	make_machines(g, true);
	link_first(g, m, rewrite);
	if (event_want(g->machine[0], DVMM_EVENT_JOINED, &ev, 10000) != 1)
		tap_bail("node 1 does not join");
}

void middle_stall(struct middle *m, bool stall)
{
	unsigned int patience = 120000;

	/* The link would be given up before the test has seen anything. */
	setsockopt(m->ctl, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
	m->stalled = stall;
}

void middle_cut(struct middle *m)
{
	int lane;

	for (lane = 0; lane < DVMM_LINK_LANES; lane++)
		shutdown(m->end[2 * lane], SHUT_RDWR);
}

void middle_part(struct guest *g, struct middle *m)
{
	unsigned int i;

	m->stalled = false;
	close(m->ctl);
	for (i = 0; i < g->nodes; i++)
		guest_leave(g, i);
	for (i = 0; i < 2 * DVMM_LINK_LANES; i++)
		shutdown(m->end[i], SHUT_RDWR);
	for (i = 0; i < 2 * DVMM_LINK_LANES; i++)
		pthread_join(m->pipe[i].thread, NULL);
	close_all(m->end, 2 * DVMM_LINK_LANES);
}
