// SPDX-License-Identifier: GPL-2.0
/* corosync: closed process groups, quorum and votes. */
#include <string.h>

#include <arpa/inet.h>

#include <corosync/cfg.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <glib-unix.h>

#include "ring.h"

#define RING_GROUP	"dvmm"
#define RING_RETRY_MS	20

/**
 * struct ring - connections to the host's corosync
 * @id: the ring under the group
 * @members: of the group
 * @unsent: text that corosync had no room for
 */
struct ring {
	const struct ring_ops *ops;
	void *arg;
	cpg_handle_t cpg;
	quorum_handle_t quorum;
	votequorum_handle_t votes;
	unsigned int self;
	unsigned int watch[2];
	struct replica_ring id;
	GArray *members;
	bool pair;
	GQueue unsent;
	unsigned int retry;
};

/* ---- the group ---- */

static void ring_tell_view(struct ring *ring)
{
	if (ring->members->len)
		ring->ops->view(ring->arg, &ring->id,
				(struct replica_member *)ring->members->data, ring->members->len);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
		       uint32_t pid, void *data, size_t len)
{
	struct ring *ring;

	(void)group;
	(void)pid;
	cpg_context_get(handle, (void **)&ring);
	ring->ops->message(ring->arg, node, data, len);
}

static void on_members(cpg_handle_t handle, const struct cpg_name *group,
		       const struct cpg_address *members, size_t n,
		       const struct cpg_address *left, size_t n_left,
		       const struct cpg_address *joined, size_t n_joined)
{
	struct ring *ring;
	size_t i;

	(void)group;
	(void)left;
	(void)n_left;
	(void)joined;
	(void)n_joined;
	cpg_context_get(handle, (void **)&ring);
	g_array_set_size(ring->members, 0);
	for (i = 0; i < n; i++) {
		struct replica_member m = { members[i].nodeid, members[i].pid };

		g_array_append_val(ring->members, m);
	}
	ring_tell_view(ring);
}

static void on_ring(cpg_handle_t handle, struct cpg_ring_id id, uint32_t n, const uint32_t *nodes)
{
	struct ring *ring;

	(void)n;
	(void)nodes;
	cpg_context_get(handle, (void **)&ring);
	ring->id = (struct replica_ring){ id.nodeid, id.seq };
	ring_tell_view(ring);
}

/* ---- quorum ---- */

/*
 * Votes that hosts without a dvmmd have do not count; a quorum device's do. Of two hosts that have
 * lost each other corosync calls both quorate: only together they are it here.
 */
static unsigned int ring_enough(struct ring *ring, unsigned int n)
{
	struct votequorum_info info;
	int enough;

	if (votequorum_getinfo(ring->votes, ring->self, &info) != CS_OK)
		return n;
	ring->pair = info.flags & VOTEQUORUM_INFO_TWONODE;
	if (ring->pair)
		return 2;
	enough = (int)info.quorum + (int)n - (int)info.total_votes;
	return MAX(1, enough);
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id id,
		      uint32_t n, const uint32_t *nodes)
{
	struct replica_ring its = { id.nodeid, id.seq };
	struct ring *ring;
	const void *arg;

	quorum_context_get(handle, &arg);
	ring = (struct ring *)arg;
	ring->ops->quorum(ring->arg, &its, quorate, nodes, n, ring_enough(ring, n));
}

/* ---- messages go out ---- */

static cs_error_t ring_try(struct ring *ring, char *text)
{
	struct iovec io = { text, strlen(text) };

	return cpg_mcast_joined(ring->cpg, CPG_TYPE_AGREED, &io, 1);
}

static gboolean on_retry(gpointer arg)
{
	struct ring *ring = arg;

	while (ring->unsent.length) {
		if (ring_try(ring, ring->unsent.head->data) == CS_ERR_TRY_AGAIN)
			return G_SOURCE_CONTINUE;
		g_free(g_queue_pop_head(&ring->unsent));
	}
	ring->retry = 0;
	return G_SOURCE_REMOVE;
}

void ring_send(struct ring *ring, const char *text)
{
	g_queue_push_tail(&ring->unsent, g_strdup(text));
	if (!ring->retry && on_retry(ring))
		ring->retry = g_timeout_add(RING_RETRY_MS, on_retry, ring);
}

/* ---- connections ---- */

static void ring_lose(struct ring *ring)
{
	const struct ring_ops *ops = ring->ops;
	void *arg = ring->arg;

	ring_close(ring);
	ops->gone(arg);
}

static gboolean on_cpg(gint fd, GIOCondition condition, gpointer arg)
{
	struct ring *ring = arg;
	cs_error_t error = cpg_dispatch(ring->cpg, CS_DISPATCH_ALL);

	(void)fd;
	(void)condition;
	if (error == CS_OK || error == CS_ERR_TRY_AGAIN)
		return G_SOURCE_CONTINUE;
	ring_lose(ring);
	return G_SOURCE_CONTINUE;	/* ring_close() has removed it */
}

static gboolean on_votes(gint fd, GIOCondition condition, gpointer arg)
{
	struct ring *ring = arg;
	cs_error_t error = quorum_dispatch(ring->quorum, CS_DISPATCH_ALL);

	(void)fd;
	(void)condition;
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN)
		ring_lose(ring);
	return G_SOURCE_CONTINUE;
}

static cs_error_t ring_connect_quorum(struct ring *ring)
{
	quorum_model_v1_data_t model = {
		.model = QUORUM_MODEL_V1, .quorum_notify_fn = on_quorum,
	};
	uint32_t type;
	cs_error_t error = votequorum_initialize(&ring->votes, NULL);

	if (error == CS_OK)
		error = quorum_model_initialize(&ring->quorum, QUORUM_MODEL_V1,
						(quorum_model_data_t *)&model, &type, ring);
	if (error == CS_OK && type != QUORUM_SET)
		error = CS_ERR_NOT_EXIST;
	return error;
}

static cs_error_t ring_connect(struct ring *ring)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1, .cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_members,
		.cpg_totem_confchg_fn = on_ring, .flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	cs_error_t error = cpg_model_initialize(&ring->cpg, CPG_MODEL_V1,
						(cpg_model_data_t *)&model, ring);

	if (error == CS_OK)
		error = cpg_local_get(ring->cpg, &ring->self);
	return error == CS_OK ? ring_connect_quorum(ring) : error;
}

static cs_error_t ring_join(struct ring *ring)
{
	struct cpg_name group = { .length = strlen(RING_GROUP), .value = RING_GROUP };
	int fd;
	cs_error_t error = cpg_join(ring->cpg, &group);

	if (error != CS_OK || cpg_fd_get(ring->cpg, &fd) != CS_OK)
		return error;
	ring->watch[0] = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_cpg, ring);
	if (quorum_fd_get(ring->quorum, &fd) == CS_OK)
		ring->watch[1] = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_votes, ring);
	return quorum_trackstart(ring->quorum, CS_TRACK_CURRENT | CS_TRACK_CHANGES);
}

static char *ring_why(cs_error_t error)
{
	switch (error) {
	case CS_ERR_ACCESS:
		return g_strdup("corosync lets only root in: run as root, or see uidgid in "
				"corosync.conf(5)");
	case CS_ERR_NOT_EXIST:
		return g_strdup("corosync has no quorum: write provider: corosync_votequorum into "
				"the section quorum of /etc/corosync/corosync.conf");
	case CS_ERR_LIBRARY:
	case CS_ERR_TRY_AGAIN:
		return g_strdup("corosync does not run on this host: systemctl start corosync");
	default:
		return g_strdup_printf("corosync: %s: systemctl status corosync",
				       cs_strerror(error));
	}
}

struct ring *ring_open(const struct ring_ops *ops, void *arg, char **why)
{
	struct ring *ring = g_new0(struct ring, 1);
	cs_error_t error;

	ring->ops = ops;
	ring->arg = arg;
	ring->members = g_array_new(FALSE, FALSE, sizeof(struct replica_member));
	g_queue_init(&ring->unsent);
	error = ring_connect(ring);
	if (error == CS_OK)
		error = ring_join(ring);
	if (error == CS_OK)
		return ring;
	*why = ring_why(error);
	ring_close(ring);
	return NULL;
}

void ring_close(struct ring *ring)
{
	int i;

	for (i = 0; i < 2; i++)
		if (ring->watch[i])
			g_source_remove(ring->watch[i]);
	if (ring->retry)
		g_source_remove(ring->retry);
	if (ring->cpg)
		cpg_finalize(ring->cpg);
	if (ring->quorum)
		quorum_finalize(ring->quorum);
	if (ring->votes)
		votequorum_finalize(ring->votes);
	g_queue_clear_full(&ring->unsent, g_free);
	g_array_unref(ring->members);
	g_free(ring);
}

unsigned int ring_self(const struct ring *ring)
{
	return ring->self;
}

char *ring_address(const struct ring *ring)
{
	corosync_cfg_node_address_t address;
	corosync_cfg_handle_t handle;
	char text[INET6_ADDRSTRLEN] = "";
	int n = 0;

	if (corosync_cfg_initialize(&handle, NULL) != CS_OK)
		return g_strdup("");
	if (corosync_cfg_get_node_addrs(handle, ring->self, 1, &n, &address) == CS_OK && n) {
		const struct sockaddr_in *in = (void *)address.address;
		const struct sockaddr_in6 *in6 = (void *)address.address;

		inet_ntop(in->sin_family, in->sin_family == AF_INET ? (void *)&in->sin_addr :
			  (void *)&in6->sin6_addr, text, sizeof(text));
	}
	corosync_cfg_finalize(handle);
	return g_strdup(text);
}

bool ring_is_pair(const struct ring *ring)
{
	return ring->pair;
}
