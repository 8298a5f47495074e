// SPDX-License-Identifier: GPL-2.0
/*
 * Both ends of a lane prove the key, then say who they are, so that a wrong machine file shows here
 * and by name.  A thread for each node that is called, and for each caller: they wait for one other
 * end each, and one that is silent keeps nobody else waiting.
 */
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "tls.h"
#include "verbs.h"

#define MAGIC		"dvmmshar"
#define VERSION		1
#define LANES		DVMM_LINK_LANES
#define RETRY_MS	200
#define TRY_S		2
#define ANSWER_S	10
#define LISTENERS	8
#define CALLERS		64

enum {
	HELLO_OK,
	HELLO_VERSION,
	HELLO_UUID,
	HELLO_CONFIG,
	HELLO_NODE,
	HELLO_AGAIN,
	HELLO_GONE,
	HELLO_KINDS
};

static const char *const hello_text[HELLO_KINDS] = {
	[HELLO_VERSION] = "another version of dvmm",
	[HELLO_UUID] = "a machine with another UUID",
	[HELLO_CONFIG] = "its machine file is another one: dvmm push",
	[HELLO_NODE] = "a node that is not expected there",
	[HELLO_AGAIN] = "that node is connected already",
	[HELLO_GONE] = "it hung up",
};

/* Little-endian; the same in both directions. */
struct hello {
	char magic[8];
	uint32_t version;
	uint32_t status;
	uint16_t from;
	uint16_t to;
	uint32_t lane;
	uint8_t uuid[16];
	uint8_t config[16];
};

_Static_assert(sizeof(struct hello) == 56, "the layout is part of the protocol");

struct caller {
	struct listening *l;
	int fd;
	char address[NI_MAXHOST];
};

/**
 * struct listening - those that call this node
 * @sock: of each peer and lane, -1: not yet
 * @callers: that many have not been heard
 */
struct listening {
	struct links *l;
	GMutex lock;
	int sock[FILE_NODES_MAX][LANES];
	unsigned int callers;
	struct pollfd fd[LISTENERS];
	unsigned int fds;
};

/* ---- what the main loop is told ---- */

struct news {
	struct links *l;
	unsigned int peer;
	int sock[LANES];
	char *why;
};

static gboolean on_news(gpointer arg)
{
	struct news *n = arg;

	if (n->why)
		n->l->failed(n->l->arg, n->why);
	else
		n->l->linked(n->l->arg, n->peer, n->sock);
	g_free(n);
	return G_SOURCE_REMOVE;
}

static void links_tell(struct links *l, unsigned int peer, const int *sock, char *why)
{
	struct news *n = g_new0(struct news, 1);

	*n = (struct news){ .l = l, .peer = peer, .why = why };
	if (sock)
		memcpy(n->sock, sock, sizeof(n->sock));
	g_idle_add(on_news, n);
}

/* ---- who is there ---- */

/* Whoever is refused learns why, and neither UUID nor digest. */
static struct hello hello_make(const struct links *l, unsigned int to, unsigned int lane,
			       unsigned int status)
{
	struct hello h = { .magic = MAGIC, .version = htole32(VERSION), .status = htole32(status) };

	if (status != HELLO_OK)
		return h;
	h.from = htole16(l->self);
	h.to = htole16(to);
	h.lane = htole32(lane);
	memcpy(h.uuid, l->uuid, sizeof(h.uuid));
	memcpy(h.config, l->config, sizeof(h.config));
	return h;
}

static unsigned int hello_check(const struct links *l, const struct hello *h)
{
	if (le32toh(h->version) != VERSION)
		return HELLO_VERSION;
	if (memcmp(h->uuid, l->uuid, sizeof(h->uuid)))
		return HELLO_UUID;
	if (memcmp(h->config, l->config, sizeof(h->config)))
		return HELLO_CONFIG;
	if (le16toh(h->to) != l->self || le16toh(h->from) >= l->f->nodes->len ||
	    le32toh(h->lane) >= LANES)
		return HELLO_NODE;
	return HELLO_OK;
}

static bool hello_send(int fd, const struct hello *h)
{
	return send(fd, h, sizeof(*h), MSG_NOSIGNAL) == sizeof(*h);
}

static bool hello_receive(int fd, struct hello *h)
{
	return recv(fd, h, sizeof(*h), MSG_WAITALL) == sizeof(*h) &&
	       !memcmp(h->magic, MAGIC, sizeof(h->magic));
}

static void set_patience(int fd, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static void set_options(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	set_patience(fd, 0);
}

/* ---- calling a lower node ---- */

static struct addrinfo *resolve(const struct file_node *n, const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a = NULL;
	char port[16];
	int ret;

	snprintf(port, sizeof(port), "%u", n->port);
	ret = getaddrinfo(n->address, port, &hints, &a);
	*why = ret ? gai_strerror(ret) : NULL;
	return a;
}

/* At any of its addresses; -1 with errno */
static int call_once(const struct addrinfo *a)
{
	int fd = -1;

	for (; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		set_patience(fd, TRY_S);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

/* NULL, or why there is no such lane, to be freed */
static char *call_lane(struct links *l, unsigned int peer, unsigned int lane, int fd)
{
	const char *name = file_node(l->f, peer)->name;
	struct hello h = hello_make(l, peer, lane, HELLO_OK);
	unsigned int status;
	char *why, *text;

	set_patience(fd, ANSWER_S);
	why = l->key ? tls_secure(fd, l->key, false, ANSWER_S * 1000) : NULL;
	if (why) {
		text = g_strdup_printf("no TLS with node '%s': %s: the key (%s) and 'security' "
				       "have to be the same on all nodes", name, why, l->f->key);
		g_free(why);
		return text;
	}
	if (!hello_send(fd, &h) || !hello_receive(fd, &h))
		return g_strdup_printf("node '%s' hung up, or what listens there is no dvmm share",
				       name);
	status = le32toh(h.status);
	if (status == HELLO_OK)
		status = hello_check(l, &h);
	set_options(fd);
	return status == HELLO_OK ? NULL :
	       g_strdup_printf("node '%s' refused: %s", name,
			       status < HELLO_KINDS ? hello_text[status] : "it does not say why");
}

static int call_until(struct links *l, const struct file_node *n, gint64 deadline, char **why)
{
	const char *text;
	struct addrinfo *a = resolve(n, &text);
	int fd = -1;

	while (a && (fd = call_once(a)) < 0) {
		text = strerror(errno);
		if (g_get_monotonic_time() > deadline)
			break;
		g_usleep(RETRY_MS * 1000);
	}
	if (fd < 0)
		*why = g_strdup_printf("node '%s' (%s port %u) did not answer within %u s: %s: "
				       "dvmm share there as well", n->name, n->address, n->port,
				       l->f->timeout, text);
	if (a)
		freeaddrinfo(a);
	return fd;
}

struct call {
	struct links *l;
	unsigned int peer;
};

static gpointer call_peer(gpointer arg)
{
	struct call *c = arg;
	gint64 deadline = g_get_monotonic_time() + c->l->f->timeout * G_USEC_PER_SEC;
	unsigned int lane;
	int sock[LANES];
	char *why = NULL;

	for (lane = 0; lane < LANES && !why; lane++) {
		sock[lane] = call_until(c->l, file_node(c->l->f, c->peer), deadline, &why);
		if (!why)
			why = call_lane(c->l, c->peer, lane, sock[lane]);
	}
	links_tell(c->l, c->peer, why ? NULL : sock, why);
	g_free(c);
	return NULL;
}

/* ---- being called by a higher one ---- */

static bool lanes_complete(const int *sock)
{
	unsigned int lane;

	for (lane = 0; lane < LANES && sock[lane] >= 0;)
		lane++;
	return lane == LANES;
}

/* Its lane is taken, or the answer says why not. */
static unsigned int caller_take(struct caller *c, const struct hello *h)
{
	struct links *l = c->l->l;
	unsigned int status = hello_check(l, h), from = le16toh(h->from), lane = le32toh(h->lane);
	struct hello answer;

	g_mutex_lock(&c->l->lock);
	if (status == HELLO_OK && from <= l->self)
		status = HELLO_NODE;
	if (status == HELLO_OK && c->l->sock[from][lane] >= 0)
		status = HELLO_AGAIN;
	answer = hello_make(l, from, lane, status);
	if (!hello_send(c->fd, &answer)) {
		status = HELLO_GONE;
	} else if (status == HELLO_OK) {
		set_options(c->fd);
		c->l->sock[from][lane] = c->fd;
		if (lanes_complete(c->l->sock[from]))
			links_tell(l, from, c->l->sock[from], NULL);
	}
	g_mutex_unlock(&c->l->lock);
	return status;
}

/* Why it is refused, NULL: it is not; to be freed */
static char *caller_hear(struct caller *c)
{
	const uint8_t *key = c->l->l->key;
	char *why, *text;
	unsigned int status;
	struct hello h;

	set_patience(c->fd, ANSWER_S);
	why = key ? tls_secure(c->fd, key, true, ANSWER_S * 1000) : NULL;
	if (why) {
		text = g_strdup_printf("no TLS by the key: %s", why);
		g_free(why);
		return text;
	}
	if (!hello_receive(c->fd, &h))
		return g_strdup("it does not speak dvmm share");
	status = caller_take(c, &h);
	return status == HELLO_OK ? NULL : g_strdup(hello_text[status]);
}

static gpointer caller_serve(gpointer arg)
{
	struct caller *c = arg;
	char *why = caller_hear(c);

	if (why) {
		fprintf(stderr, "dvmm: a caller from %s is refused: %s\n", c->address, why);
		close(c->fd);
	}
	g_free(why);
	g_atomic_int_add(&c->l->callers, -1);
	g_free(c);
	return NULL;
}

static void listening_accept(struct listening *l, int listener)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct caller *c;
	int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	c = g_new0(struct caller, 1);
	c->l = l;
	c->fd = fd;
	if (getnameinfo((struct sockaddr *)&from, len, c->address, sizeof(c->address), NULL, 0,
			NI_NUMERICHOST))
		strcpy(c->address, "an unknown address");
	g_atomic_int_inc(&l->callers);
	g_thread_unref(g_thread_new("caller", caller_serve, c));
}

static const char *listening_misses(struct listening *l)
{
	const char *name = NULL;
	unsigned int i;

	g_mutex_lock(&l->lock);
	for (i = l->l->self + 1; i < l->l->f->nodes->len && !name; i++)
		if (!lanes_complete(l->sock[i]))
			name = file_node(l->l->f, i)->name;
	g_mutex_unlock(&l->lock);
	return name;
}

static gpointer listening_serve(gpointer arg)
{
	struct listening *l = arg;
	gint64 deadline = g_get_monotonic_time() + l->l->f->timeout * G_USEC_PER_SEC;
	const char *missing;
	unsigned int i, fds;

	while ((missing = listening_misses(l)) && g_get_monotonic_time() < deadline) {
		fds = g_atomic_int_get(&l->callers) < CALLERS ? l->fds : 0;
		if (poll(l->fd, fds, RETRY_MS) <= 0)
			continue;
		for (i = 0; i < fds; i++)
			if (l->fd[i].revents)
				listening_accept(l, l->fd[i].fd);
	}
	for (i = 0; i < l->fds; i++)
		close(l->fd[i].fd);
	if (missing)
		links_tell(l->l, 0, NULL,
			   g_strdup_printf("node '%s' did not connect within %u s: dvmm share "
					   "there as well", missing, l->l->f->timeout));
	return NULL;
}

static void listening_open(struct listening *l, const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (fd >= 0 && !bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, CALLERS))
		l->fd[l->fds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	else if (fd >= 0)
		close(fd);
}

static bool listening_begin(struct links *links)
{
	const struct file_node *n = file_node(links->f, links->self);
	struct listening *l = g_new0(struct listening, 1);
	const char *why;
	struct addrinfo *a = resolve(n, &why), *i;
	char *what;

	l->l = links;
	memset(l->sock, -1, sizeof(l->sock));
	for (i = a; i && l->fds < LISTENERS; i = i->ai_next)
		listening_open(l, i);
	if (!why && !l->fds)
		why = strerror(errno);
	if (a)
		freeaddrinfo(a);
	if (l->fds) {
		g_thread_unref(g_thread_new("listener", listening_serve, l));
		return true;
	}
	what = g_strdup_printf("node '%s' cannot listen on %s port %u: %s", n->name, n->address,
			       n->port, why);
	verb_fail(0, what, "write an address of this host and a free port");
	g_free(what);
	return false;
}

bool links_begin(struct links *l)
{
	unsigned int i;
	struct call *c;

	if (l->self + 1 < l->f->nodes->len && !listening_begin(l))
		return false;
	for (i = 0; i < l->self; i++) {
		c = g_new(struct call, 1);
		*c = (struct call){ l, i };
		g_thread_unref(g_thread_new("call", call_peer, c));
	}
	return true;
}
