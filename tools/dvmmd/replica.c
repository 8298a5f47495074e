// SPDX-License-Identifier: GPL-2.0
/* Views, who has the state, quorum, and what is stable. */
#include <stdio.h>
#include <string.h>

#include "../dvmm/json.h"
#include "replica.h"

enum replica_phase {
	REPLICA_ALONE,		/* in no view */
	REPLICA_GATHER,		/* members tell how far they are */
	REPLICA_SYNC,		/* the furthest one's state is on its way */
	REPLICA_READY,		/* all are equal: quorum is waited for */
	REPLICA_OPEN,
};

/**
 * struct replica_peer - a member of the view
 * @told: how far it is has come
 * @voted: for opening this view
 * @promised: the highest term that it had voted for before
 * @seen: the last of its sequences that it has told of in this open view
 */
struct replica_peer {
	struct replica_member member;
	bool told;
	bool voted;
	uint64_t promised;
	uint64_t term;
	uint64_t sequence;
	char *digest;
	uint64_t seen;
};

/**
 * struct replica_kept - a message that came before the view was open
 */
struct replica_kept {
	unsigned int sender;
	struct json_object *message;
};

/**
 * struct replica - see replica.h
 * @view: ring and members, as text: equal in all members of the view and in no other view
 * @peers: struct replica_peer, by node
 * @nodes: of the ring that quorum was last told about
 * @term: that this view has once it is open
 * @promised: the highest term that this member has voted for, in any view
 * @told: the last sequence that this member has told of
 * @voted: this member has voted in this view
 * @opened: a view was open once
 * @misfit: none was, and others speak another version
 */
struct replica {
	unsigned int self;
	const struct replica_ops *ops;
	void *arg;
	struct pool *pool;
	enum replica_phase phase;
	char *view;
	struct replica_ring ring;
	GArray *peers;
	GQueue kept;
	struct replica_ring quorum_ring;
	bool quorate;
	unsigned int enough;
	GArray *nodes;
	uint64_t term;
	uint64_t promised;
	uint64_t stable;
	uint64_t told;
	bool voted;
	bool opened;
	bool misfit;
	char why[128];
};

static void peer_clear(void *arg)
{
	g_free(((struct replica_peer *)arg)->digest);
}

static int peer_order(const void *a, const void *b)
{
	const struct replica_peer *x = a, *y = b;

	return (x->member.node > y->member.node) - (x->member.node < y->member.node);
}

static GArray *peers_new(const struct replica_member *members, unsigned int n)
{
	GArray *peers = g_array_new(FALSE, TRUE, sizeof(struct replica_peer));
	unsigned int i;

	g_array_set_clear_func(peers, peer_clear);
	for (i = 0; i < n; i++) {
		struct replica_peer peer = { .member = members[i] };

		g_array_append_val(peers, peer);
	}
	g_array_sort(peers, peer_order);
	return peers;
}

/* What an earlier process of this host has written down. */
static bool replica_load(struct replica *r, struct json_object *kept)
{
	struct json_object *state;

	r->promised = json_number_of(kept, "promised");
	r->pool = json_object_object_get_ex(kept, "state", &state) ? pool_load(state) : NULL;
	return r->pool;
}

struct replica *replica_new(unsigned int self, struct json_object *kept,
			    const struct replica_ops *ops, void *arg)
{
	struct replica *r = g_new0(struct replica, 1);

	r->self = self;
	r->ops = ops;
	r->arg = arg;
	if (!kept) {
		r->pool = pool_new();
	} else if (!replica_load(r, kept)) {
		g_free(r);
		return NULL;
	}
	r->peers = peers_new(NULL, 0);
	r->nodes = g_array_new(FALSE, FALSE, sizeof(unsigned int));
	g_queue_init(&r->kept);
	return r;
}

static void replica_keep(struct replica *r)
{
	struct json_object *o = json_object_new_object();

	json_number(o, "dvmm", REPLICA_VERSION);
	json_number(o, "promised", r->promised);
	json_object_object_add(o, "state", pool_save(r->pool));
	r->ops->keep(r->arg, o);
	json_object_put(o);
}

static void kept_free(void *arg)
{
	struct replica_kept *k = arg;

	json_object_put(k->message);
	g_free(k);
}

void replica_free(struct replica *r)
{
	g_queue_clear_full(&r->kept, kept_free);
	g_array_unref(r->peers);
	g_array_unref(r->nodes);
	pool_free(r->pool);
	g_free(r->view);
	g_free(r);
}

__attribute__((__format__(__printf__, 2, 3)))
static void replica_say(struct replica *r, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	r->ops->say(r->arg, line);
}

/* ---- what goes out; @o is freed ---- */

static void replica_send(struct replica *r, const char *kind, struct json_object *o)
{
	json_number(o, "dvmm", REPLICA_VERSION);
	json_text(o, "kind", kind);
	r->ops->send(r->arg, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static struct json_object *replica_word(struct replica *r)
{
	struct json_object *o = json_object_new_object();

	json_text(o, "view", r->view);
	return o;
}

static void replica_hello(struct replica *r)
{
	struct json_object *o = replica_word(r);
	char *digest = pool_digest(r->pool);

	json_number(o, "promised", r->promised);
	json_number(o, "term", r->pool->term);
	json_number(o, "sequence", r->pool->sequence);
	json_text(o, "digest", digest);
	g_free(digest);
	replica_send(r, "hello", o);
}

static void replica_tell_seen(struct replica *r)
{
	struct json_object *o = replica_word(r);

	replica_keep(r);
	r->told = r->pool->decided;
	json_number(o, "sequence", r->told);
	replica_send(r, "seen", o);
}

/* ---- quorum ---- */

static struct json_object *replica_ring_nodes(const struct replica *r)
{
	struct json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < r->nodes->len; i++)
		json_object_array_add(list, json_object_new_uint64(g_array_index(r->nodes,
										 unsigned int, i)));
	return list;
}

/* Rings are compared with the view's: the flag of another ring says nothing about this one. */
static bool replica_is_quorate(const struct replica *r)
{
	return r->quorate && r->quorum_ring.node == r->ring.node &&
	       r->quorum_ring.sequence == r->ring.sequence && r->peers->len >= r->enough;
}

static void replica_try_vote(struct replica *r)
{
	struct json_object *o;

	if (r->phase != REPLICA_READY || r->voted || !replica_is_quorate(r))
		return;
	r->voted = true;
	r->promised = r->term;
	replica_keep(r);
	o = replica_word(r);
	json_number(o, "term", r->term);
	json_object_object_add(o, "ring", replica_ring_nodes(r));
	replica_send(r, "open", o);
}

void replica_quorum(struct replica *r, const struct replica_ring *ring, bool quorate,
		    const unsigned int *nodes, unsigned int n, unsigned int enough)
{
	r->quorum_ring = *ring;
	r->quorate = quorate;
	r->enough = enough;
	g_array_set_size(r->nodes, 0);
	g_array_append_vals(r->nodes, nodes, n);
	if (r->voted && !replica_is_quorate(r))
		replica_send(r, "close", replica_word(r));
	replica_try_vote(r);
}

/* ---- a view begins ---- */

static char *view_text(const struct replica_ring *ring, const GArray *peers)
{
	GString *s = g_string_new(NULL);
	unsigned int i;

	g_string_printf(s, "%u.%" G_GINT64_MODIFIER "x", ring->node, ring->sequence);
	for (i = 0; i < peers->len; i++) {
		const struct replica_peer *peer = &g_array_index(peers, struct replica_peer, i);

		g_string_append_printf(s, " %u/%u", peer->member.node, peer->member.pid);
	}
	return g_string_free(s, FALSE);
}

void replica_view(struct replica *r, const struct replica_ring *ring,
		  const struct replica_member *members, unsigned int n)
{
	GArray *peers = peers_new(members, n);
	char *view = view_text(ring, peers);

	if (r->view && !strcmp(view, r->view)) {
		g_free(view);
		g_array_unref(peers);
		return;
	}
	g_queue_clear_full(&r->kept, kept_free);
	g_array_unref(r->peers);
	r->peers = peers;
	g_free(r->view);
	r->view = view;
	r->ring = *ring;
	r->phase = REPLICA_GATHER;
	r->voted = false;
	replica_say(r, "view %s", r->view);
	replica_hello(r);
	r->ops->changed(r->arg);
}

static struct replica_peer *replica_peer(struct replica *r, unsigned int node)
{
	unsigned int i;

	for (i = 0; i < r->peers->len; i++) {
		struct replica_peer *peer = &g_array_index(r->peers, struct replica_peer, i);

		if (peer->member.node == node)
			return peer;
	}
	return NULL;
}

void replica_leave(struct replica *r)
{
	g_queue_clear_full(&r->kept, kept_free);
	g_array_set_size(r->peers, 0);
	g_clear_pointer(&r->view, g_free);
	r->phase = REPLICA_ALONE;
	r->voted = false;
	r->ops->changed(r->arg);
}

/* ---- whose state it is ---- */

static bool peer_is_further(const struct replica_peer *a, const struct replica_peer *b)
{
	if (a->term != b->term)
		return a->term > b->term;
	if (a->sequence != b->sequence)
		return a->sequence > b->sequence;
	return a->member.node < b->member.node;
}

/* NULL: not all have told */
static struct replica_peer *replica_furthest(struct replica *r, bool *equal)
{
	struct replica_peer *best = &g_array_index(r->peers, struct replica_peer, 0);
	unsigned int i;

	*equal = true;
	for (i = 0; i < r->peers->len; i++) {
		struct replica_peer *peer = &g_array_index(r->peers, struct replica_peer, i);

		if (!peer->told)
			return NULL;
		*equal &= !strcmp(peer->digest, best->digest);
		if (peer_is_further(peer, best))
			best = peer;
	}
	return best;
}

static void replica_be_ready(struct replica *r)
{
	unsigned int i;

	r->phase = REPLICA_READY;
	r->term = 0;
	for (i = 0; i < r->peers->len; i++)
		r->term = MAX(r->term, g_array_index(r->peers, struct replica_peer, i).promised);
	r->term++;
	replica_try_vote(r);
}

static void replica_take_hello(struct replica *r, struct replica_peer *peer,
			       struct json_object *m)
{
	struct json_object *o;
	bool equal;

	peer->told = true;
	peer->promised = json_number_of(m, "promised");
	peer->term = json_number_of(m, "term");
	peer->sequence = json_number_of(m, "sequence");
	g_free(peer->digest);
	peer->digest = g_strdup(json_text_of(m, "digest"));
	peer = replica_furthest(r, &equal);
	if (!peer || r->phase != REPLICA_GATHER)
		return;
	if (equal) {
		replica_be_ready(r);
		return;
	}
	r->phase = REPLICA_SYNC;
	if (peer->member.node != r->self)
		return;
	o = replica_word(r);
	json_object_object_add(o, "state", pool_save(r->pool));
	replica_send(r, "state", o);
}

static void replica_take_state(struct replica *r, struct replica_peer *peer, struct json_object *m)
{
	struct json_object *state;
	struct pool *pool;
	bool equal;

	if (r->phase != REPLICA_SYNC || peer != replica_furthest(r, &equal))
		return;
	pool = json_object_object_get_ex(m, "state", &state) ? pool_load(state) : NULL;
	if (!pool) {
		replica_say(r, "host %u sends a state that is none: it is left alone: install the "
			    "same dvmmd on all hosts", peer->member.node);
		return;
	}
	if (pool->term != r->pool->term || pool->sequence != r->pool->sequence)
		replica_say(r, "state of term %" G_GUINT64_FORMAT ", sequence %" G_GUINT64_FORMAT
			    " taken from host %u", pool->term, pool->sequence, peer->member.node);
	pool_free(r->pool);
	r->pool = pool;
	replica_be_ready(r);
	r->ops->changed(r->arg);
}

/* ---- open ---- */

static void replica_apply(struct replica *r, unsigned int sender, struct json_object *m)
{
	char *why = pool_apply(r->pool, sender, m);

	if (why)
		replica_say(r, "refused: %s", why);
	if (sender == r->self)
		r->ops->done(r->arg, m, why);
	g_free(why);
}

/* One word at a time: what is decided until it comes back goes with the next. */
static void replica_may_tell(struct replica *r)
{
	struct replica_peer *self = replica_peer(r, r->self);

	if (self && self->seen == r->told && r->told != r->pool->decided)
		replica_tell_seen(r);
}

static bool replica_all_voted(const struct replica *r)
{
	unsigned int i;

	for (i = 0; i < r->peers->len; i++)
		if (!g_array_index(r->peers, struct replica_peer, i).voted)
			return false;
	return true;
}

/* @ring: as the last of the voters has it */
static void replica_open(struct replica *r, struct json_object *ring)
{
	struct json_object *members = json_object_new_array();
	struct replica_kept *k;
	unsigned int i;

	for (i = 0; i < r->peers->len; i++) {
		struct replica_peer *peer = &g_array_index(r->peers, struct replica_peer, i);

		peer->seen = 0;
		json_object_array_add(members, json_object_new_uint64(peer->member.node));
	}
	pool_open(r->pool, r->term, ring, members);
	json_object_put(members);
	r->phase = REPLICA_OPEN;
	r->opened = true;
	while ((k = g_queue_pop_head(&r->kept))) {
		replica_apply(r, k->sender, k->message);
		kept_free(k);
	}
	replica_say(r, "open: term %" G_GUINT64_FORMAT ", %u hosts", r->pool->term, r->peers->len);
	replica_tell_seen(r);
}

static void replica_take_open(struct replica *r, struct replica_peer *peer, struct json_object *m)
{
	struct json_object *ring = json_list_of(m, "ring");

	if (r->phase != REPLICA_READY || !ring || json_number_of(m, "term") != r->term)
		return;
	peer->voted = true;
	if (!replica_all_voted(r))
		return;
	replica_open(r, ring);
	r->ops->changed(r->arg);
}

/* Quorum was lost under the same ring: all stop at the same message, and vote anew. */
static void replica_take_close(struct replica *r, struct replica_peer *peer, struct json_object *m)
{
	unsigned int i;

	(void)peer;
	(void)m;
	if (r->phase < REPLICA_READY)
		return;
	for (i = 0; i < r->peers->len; i++) {
		struct replica_peer *one = &g_array_index(r->peers, struct replica_peer, i);

		one->voted = false;
		one->promised = r->term;
	}
	r->voted = false;
	replica_say(r, "closed: quorum is lost");
	replica_be_ready(r);
	r->ops->changed(r->arg);
}

static void replica_take_seen(struct replica *r, struct replica_peer *peer, struct json_object *m)
{
	uint64_t all = UINT64_MAX;
	unsigned int i;

	if (r->phase != REPLICA_OPEN)
		return;
	peer->seen = json_number_of(m, "sequence");
	for (i = 0; i < r->peers->len; i++)
		all = MIN(all, g_array_index(r->peers, struct replica_peer, i).seen);
	if (all > r->stable) {
		r->stable = all;
		r->ops->changed(r->arg);
	}
	replica_may_tell(r);
}

/* ---- messages ---- */

static const struct {
	const char *kind;
	void (*take)(struct replica *r, struct replica_peer *peer, struct json_object *m);
} replica_words[] = {
	{ "hello", replica_take_hello },
	{ "state", replica_take_state },
	{ "open", replica_take_open },
	{ "close", replica_take_close },
	{ "seen", replica_take_seen },
};

/* Words about a view other than ours were sent before it began. */
static bool replica_take_word(struct replica *r, unsigned int sender, struct json_object *m)
{
	struct replica_peer *peer = replica_peer(r, sender);
	bool ours = peer && !strcmp(json_text_of(m, "view"), r->view);
	const char *kind = json_text_of(m, "kind");
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(replica_words); i++) {
		if (strcmp(kind, replica_words[i].kind))
			continue;
		if (ours)
			replica_words[i].take(r, peer, m);
		return true;
	}
	return false;
}

static void replica_hold(struct replica *r, unsigned int sender, struct json_object *m)
{
	struct replica_kept *k = g_new(struct replica_kept, 1);

	k->sender = sender;
	k->message = json_object_get(m);
	g_queue_push_tail(&r->kept, k);
}

static void replica_take_other(struct replica *r, unsigned int sender, unsigned int version)
{
	replica_say(r, "host %u speaks version %u of the pool's messages, this one %u: install the "
		    "same dvmmd on all hosts", sender, version, REPLICA_VERSION);
	if (version && !r->opened) {
		r->misfit = true;
		r->ops->changed(r->arg);
	}
}

bool replica_is_misfit(const struct replica *r)
{
	return r->misfit;
}

static void replica_take_object(struct replica *r, unsigned int sender, struct json_object *m)
{
	if (json_number_of(m, "dvmm") != REPLICA_VERSION) {
		replica_take_other(r, sender, json_number_of(m, "dvmm"));
		return;
	}
	if (replica_take_word(r, sender, m))
		return;
	if (r->phase != REPLICA_OPEN) {
		replica_hold(r, sender, m);
		return;
	}
	replica_apply(r, sender, m);
	replica_may_tell(r);
	r->ops->changed(r->arg);
}

void replica_take(struct replica *r, unsigned int sender, const char *data, size_t len)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *m = json_tokener_parse_ex(t, data, len);

	if (m && json_object_is_type(m, json_type_object))
		replica_take_object(r, sender, m);
	else
		replica_say(r, "host %u sends what is no message: is another program in the group "
			    "'dvmm'?", sender);
	json_object_put(m);
	json_tokener_free(t);
}

char *replica_propose(struct replica *r, struct json_object *message)
{
	if (r->phase != REPLICA_OPEN)
		return g_strdup_printf("the pool decides nothing: %s", replica_phase(r));
	json_object_get(message);
	json_object_object_del(message, "view");
	json_number(message, "dvmm", REPLICA_VERSION);
	r->ops->send(r->arg, json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN));
	json_object_put(message);
	return NULL;
}

const struct pool *replica_pool(const struct replica *r)
{
	return r->pool;
}

bool replica_is_open(const struct replica *r)
{
	return r->phase == REPLICA_OPEN;
}

uint64_t replica_stable(const struct replica *r)
{
	return r->stable;
}

/* Who is waited for. */
static const char *replica_why_gather(struct replica *r)
{
	unsigned int i;

	for (i = 0; i < r->peers->len; i++) {
		const struct replica_peer *peer = &g_array_index(r->peers, struct replica_peer, i);

		if (!peer->told)
			snprintf(r->why, sizeof(r->why), "host %u has not told yet how far "
				 "it is: try again, or see its dvmmd", peer->member.node);
	}
	return r->why;
}

const char *replica_phase(struct replica *r)
{
	switch (r->phase) {
	case REPLICA_ALONE:
		return "this host is in no group: systemctl start corosync";
	case REPLICA_GATHER:
		return replica_why_gather(r);
	case REPLICA_SYNC:
		return "the pool's state is on its way to a host that has come: try again";
	case REPLICA_READY:
		return "it is not quorate: bring up more of its hosts";
	case REPLICA_OPEN:
		break;
	}
	return "";
}
