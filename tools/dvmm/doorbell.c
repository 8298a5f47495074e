// SPDX-License-Identifier: GPL-2.0
/*
 * Each client has an eventfd, which its peers write to.  Peers on other nodes have one here too,
 * which this process reads: it sends on how often they were rung, and sends no more before that is
 * answered, so that however fast a guest rings, few datagrams are on their way.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib-unix.h>
#include <linux/dvmm.h>

#include "doorbell.h"
#include "file.h"
#include "verbs.h"

#define PROTOCOL	0
#define CLIENTS		64	/* of a node */
#define PEERS		(FILE_NODES_MAX * CLIENTS)
#define ROOM		(4 << 20)	/* for what a client is to read when it comes */

enum { DATAGRAM_JOINS, DATAGRAM_LEAVES, DATAGRAM_RINGS, DATAGRAM_RUNG };

/**
 * struct peer - a client of any node
 * @event: what rings it, -1: there is none
 * @socket: a client's of this node, -1: it is another's
 * @watch: source of @socket, or of @event if another node's is to be rung, 0: none
 */
struct peer {
	struct doorbell *d;
	unsigned int id;
	int event;
	int socket;
	guint watch;
};

struct doorbell {
	unsigned int node;
	int region;
	int channel;
	char *path;
	int listener;
	struct peer peers[PEERS];
};

/* ---- to clients ---- */

/* A client that does not read what it is sent is one no more: on_client() sees it. */
static void client_send(const struct peer *to, int64_t number, int fd)
{
	int64_t data = GINT64_TO_LE(number);
	struct iovec v = { &data, sizeof(data) };
	char control[CMSG_SPACE(sizeof(fd))] = {};
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(to->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(data))
		shutdown(to->socket, SHUT_RDWR);
}

/* All clients of this node but the peer itself learn that it is there, or that it is not. */
static void clients_tell(struct doorbell *d, const struct peer *p, int fd)
{
	unsigned int i;

	for (i = d->node * CLIENTS; i < (d->node + 1) * CLIENTS; i++)
		if (d->peers[i].socket >= 0 && i != p->id)
			client_send(&d->peers[i], p->id, fd);
}

static void client_greet(struct doorbell *d, const struct peer *p)
{
	unsigned int i;

	client_send(p, PROTOCOL, -1);
	client_send(p, p->id, -1);
	client_send(p, -1, d->region);
	for (i = 0; i < PEERS; i++)
		if (d->peers[i].event >= 0 && i != p->id)
			client_send(p, i, d->peers[i].event);
	client_send(p, p->id, p->event);
}

/* ---- to other nodes ---- */

/* What fails is the machine's end, which its own descriptor tells of. */
static void doorbell_send(struct doorbell *d, unsigned int node, unsigned int type, unsigned int id,
			  uint32_t count)
{
	struct dvmm_datagram h = {
		.node = node, .type = type, .id = (uint64_t)count << 32 | id,
	};

	if (write(d->channel, &h, sizeof(h)) < 0)
		return;
}

/* ---- peers ---- */

static bool peer_begin(struct peer *p)
{
	p->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->event >= 0;
}

static void peer_end(struct peer *p)
{
	if (p->watch)
		g_source_remove(p->watch);
	if (p->socket >= 0)
		close(p->socket);
	close(p->event);
	p->watch = 0;
	p->socket = -1;
	p->event = -1;
}

/* Another node's is rung: not again before that one has answered. */
static gboolean on_rung(gint fd, GIOCondition condition, gpointer arg)
{
	struct peer *p = arg;
	uint64_t count;

	(void)condition;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return G_SOURCE_CONTINUE;
	p->watch = 0;
	doorbell_send(p->d, p->id / CLIENTS, DATAGRAM_RINGS, p->id, MIN(count, UINT32_MAX));
	return G_SOURCE_REMOVE;
}

static void peer_watch(struct peer *p)
{
	if (!p->watch && p->event >= 0)
		p->watch = g_unix_fd_add(p->event, G_IO_IN, on_rung, p);
}

static void peer_ring(const struct peer *p, uint64_t count)
{
	if (p->socket >= 0 && write(p->event, &count, sizeof(count)) < 0)
		return;		/* it has been rung as often as can be counted */
}

/* ---- clients that come and go ---- */

/* A client has nothing to say: what comes is its end. */
static gboolean on_client(gint fd, GIOCondition condition, gpointer arg)
{
	struct peer *p = arg;
	struct doorbell *d = p->d;

	(void)fd;
	(void)condition;
	p->watch = 0;
	peer_end(p);
	clients_tell(d, p, -1);
	doorbell_send(d, DVMM_NODE_ALL, DATAGRAM_LEAVES, p->id, 0);
	return G_SOURCE_REMOVE;
}

static struct peer *client_free(struct doorbell *d)
{
	struct peer *p = &d->peers[d->node * CLIENTS], *end = p + CLIENTS;

	while (p < end && p->event >= 0)
		p++;
	return p < end ? p : NULL;
}

static gboolean on_call(gint listener, GIOCondition condition, gpointer arg)
{
	struct doorbell *d = arg;
	struct peer *p = client_free(d);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), room = ROOM;

	(void)condition;
	if (fd < 0)
		return G_SOURCE_CONTINUE;
	if (!p || !peer_begin(p)) {
		fprintf(stderr, "dvmm: %s: a client is refused: there are %u at most\n", d->path,
			CLIENTS);
		close(fd);
		return G_SOURCE_CONTINUE;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	p->socket = fd;
	p->watch = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_client, p);
	client_greet(d, p);
	clients_tell(d, p, p->event);
	doorbell_send(d, DVMM_NODE_ALL, DATAGRAM_JOINS, p->id, 0);
	return G_SOURCE_CONTINUE;
}

/* ---- from other nodes ---- */

/* Of the sender's clients, or, if it rings, of this node's */
static void doorbell_take(struct doorbell *d, const struct dvmm_datagram *h)
{
	unsigned int node = h->type == DATAGRAM_RINGS ? d->node : h->node, id = (uint32_t)h->id;
	struct peer *p = id < PEERS && id / CLIENTS == node ? &d->peers[id] : NULL;

	if (!p)
		return;
	if (h->type == DATAGRAM_JOINS && p->event < 0 && peer_begin(p)) {
		peer_watch(p);
		clients_tell(d, p, p->event);
	} else if (h->type == DATAGRAM_LEAVES && p->event >= 0) {
		peer_end(p);
		clients_tell(d, p, -1);
	} else if (h->type == DATAGRAM_RINGS) {
		peer_ring(p, h->id >> 32);
		doorbell_send(d, h->node, DATAGRAM_RUNG, id, 0);
	} else if (h->type == DATAGRAM_RUNG) {
		peer_watch(p);
	}
}

static gboolean on_datagram(gint fd, GIOCondition condition, gpointer arg)
{
	struct {
		struct dvmm_datagram head;
		char data[DVMM_CHANNEL_DATA_MAX];
	} d;
	ssize_t len = read(fd, &d, sizeof(d));

	(void)condition;
	if (len > 0)
		doorbell_take(arg, &d.head);
	return len > 0;
}

/* ---- begin and end ---- */

struct doorbell *doorbell_new(unsigned int node, int region, int channel)
{
	struct doorbell *d = g_new0(struct doorbell, 1);
	unsigned int i;

	d->node = node;
	d->region = region;
	d->channel = channel;
	d->listener = -1;
	for (i = 0; i < PEERS; i++)
		d->peers[i] = (struct peer){ .d = d, .id = i, .event = -1, .socket = -1 };
	g_unix_fd_add(channel, G_IO_IN, on_datagram, d);
	return d;
}

bool doorbell_listen(struct doorbell *d, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
	unlink(path);
	d->path = g_strdup(path);
	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->listener < 0 || bind(d->listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(d->listener, CLIENTS))
		return verb_fail(0, path, strerror(errno));
	g_unix_fd_add(d->listener, G_IO_IN, on_call, d);
	return true;
}

void doorbell_free(struct doorbell *d)
{
	unsigned int i;

	if (d->listener >= 0) {
		unlink(d->path);
		close(d->listener);
	}
	for (i = 0; i < PEERS; i++)
		if (d->peers[i].event >= 0)
			peer_end(&d->peers[i]);
	g_free(d->path);
	g_free(d);
}
