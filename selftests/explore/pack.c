// SPDX-License-Identifier: GPL-2.0
/*
 * Worlds as short strings of bytes.  Two worlds that differ only in the names
 * of transactions, or of nodes that are no page's home, pack alike.
 */
#include "world.h"

struct packer {
	const struct world *w;
	u8 *out;
	u8 name[W_NODES];		/* old node -> new node */
	u8 old[W_NODES];		/* new node -> old node */
	u8 ids[W_NODES];		/* ids renamed so far */
	u8 rename[W_NODES][64];
};

static u8 node_name(const struct packer *p, unsigned int node)
{
	return node < W_NODES ? p->name[node] : (u8)node;
}

static u8 id_name(struct packer *p, u64 id)
{
	unsigned int node = id >> 8 & (W_NODES - 1);
	u8 n = id & 63;

	if (!n)
		return 0;
	if (!p->rename[node][n])
		p->rename[node][n] = ++p->ids[node];
	return p->rename[node][n];
}

static u64 pack_nodes(const struct packer *p, u64 set)
{
	unsigned int node;
	u64 named = 0;

	for (node = 0; node < p->w->cfg->nodes; node++)
		if (set >> node & 1)
			named |= 1ULL << node_name(p, node);
	return named;
}

static u64 pack_sharers(const struct packer *p, u64 set)
{
	return dvmm_set_group(p->w->cfg->machine) > 1 ? set : pack_nodes(p, set);
}

/* Messages of a move have numbers of their own, which would not fit into five bits. */
#define REHOME_SHIFT	(DVMM_MSG_REHOME + 1 - DVMM_EV_COUNT)

static void pack_rehome(struct packer *p, const struct w_event *e)
{
	const struct dvmm_msg *m = &e->ev.msg;
	bool last_writer = m->type == DVMM_MSG_TAKE && !(m->flags & DVMM_MSGF_EXCL);

	*p->out++ = (u8)(e->ev.type - REHOME_SHIFT) | (u8)(e->page << 5) | (u8)(e->data << 6);
	*p->out++ = m->flags | (u8)(node_name(p, m->src) << 4) |
		    (u8)((last_writer && !p->w->cfg->policy.migratory ? 0 :
			  node_name(p, m->requester)) << 6);
	*p->out++ = (u8)pack_sharers(p, m->id);
}

static void pack_event(struct packer *p, const struct w_event *e)
{
	const struct dvmm_msg *m = &e->ev.msg;

	if (e->ev.type > DVMM_MSG_REHOME) {
		pack_rehome(p, e);
		return;
	}
	*p->out++ = e->ev.type | (u8)(e->page << 5) | (u8)(e->data << 6);
	if (e->ev.type >= DVMM_MSG_COUNT)
		return;
	*p->out++ = m->flags | (u8)(node_name(p, m->src) << 4) |
		    (u8)(node_name(p, m->requester) << 6);
	*p->out++ = (u8)m->acks;
	/* Nobody looks at a PUT_S's id. */
	*p->out++ = m->type == DVMM_MSG_PUT_S ? 0 : id_name(p, m->id);
}

/*
 * Nobody looks at the owner where there is none; while homes stay, what stands there is
 * the same in all worlds that are alike.
 */
static bool has_peer(const struct packer *p, const struct w_page *pg)
{
	u8 state = pg->pg.state;

	return !p->w->cfg->rehomes || state == DVMM_ST_H_R || state >= DVMM_ST_H_FS ||
	       (state >= DVMM_ST_H_M && p->w->cfg->policy.migratory);
}

static bool has_requester(const struct packer *p, const struct w_page *pg)
{
	return !p->w->cfg->rehomes || pg->txn.peer_id;
}

static void pack_chunk(struct packer *p, unsigned int node)
{
	const struct dvmm_chunk *c = &p->w->chunk[node][0];
	const struct dvmm_move *m = &p->w->move[node];
	bool moving = c->phase == DVMM_CHUNK_ASKING || c->phase == DVMM_CHUNK_LEAVING;
	bool handing = c->phase == DVMM_CHUNK_GIVING || c->phase == DVMM_CHUNK_COMING;

	*p->out++ = (u8)(node_name(p, c->home) | node_name(p, c->prev) << 2 |
			 (moving ? node_name(p, m->to) : 0) << 4 | c->owes << 6);
	*p->out++ = (u8)(c->phase | (handing ? c->next : 0) << 4);
	*p->out++ = (u8)(c->busy | c->owed << 4);
	*p->out++ = moving ? (u8)pack_nodes(p, m->acked[0]) : 0;
}

static void pack_page(struct packer *p, const struct w_page *pg)
{
	unsigned int i;

	*p->out++ = pg->pg.state;
	*p->out++ = pg->pg.flags;
	*p->out++ = pg->frame | (u8)(pg->loading << 2) | (u8)(pg->storing << 3) |
		    (u8)(pg->timer << 4) | (u8)((pg->txn.id != 0) << 5) |
		    (u8)((pg->txn.peer_id != 0) << 6) | (u8)(pg->wrote << 7);
	*p->out++ = has_peer(p, pg) ? node_name(p, pg->pg.peer) : 0;
	*p->out++ = (u8)pack_sharers(p, pg->dir.sharers);
	if (pg->txn.id || pg->txn.peer_id) {
		*p->out++ = id_name(p, pg->txn.id);
		*p->out++ = id_name(p, pg->txn.peer_id);
		*p->out++ = has_requester(p, pg) ? node_name(p, pg->txn.requester) : 0;
		*p->out++ = (u8)pg->txn.acks;
		*p->out++ = pg->txn.want;
		if (p->w->cfg->rehomes)
			*p->out++ = pg->txn.id ? node_name(p, pg->txn.asked) : 0;
	}
	*p->out++ = pg->deferred | (u8)(pg->gated << 4);
	for (i = 0; i < pg->deferred; i++)
		pack_event(p, &pg->defer[i]);
	for (i = 0; i < pg->gated; i++)
		pack_event(p, &pg->gate[i]);
}

static u8 pack_cut(const struct packer *p)
{
	u8 a = node_name(p, p->w->ends[0]), b = node_name(p, p->w->ends[1]);

	return p->w->cut ? (u8)(1 << a | 1 << b) : 0;
}

static void pack_saved(struct packer *p)
{
	unsigned int i;

	*p->out++ = p->w->phase;
	for (i = 0; i < p->w->cfg->pages; i++) {
		const struct w_saved *s = &p->w->saved[i];

		*p->out++ = (u8)(s->left | s->looked << 1 | s->written << 2 | s->kept << 3);
	}
}

static unsigned int pack_as(struct packer *p, u8 *out)
{
	const struct world *w = p->w;
	unsigned int n = w->cfg->nodes, a, b, i, lane;

	p->out = out;
	memset(p->ids, 0, sizeof(p->ids));
	memset(p->rename, 0, sizeof(p->rename));
	for (i = 0; i < w->cfg->pages; i++)
		*p->out++ = w->zero[i];
	*p->out++ = pack_cut(p);
	if (w->cfg->snapshot)
		pack_saved(p);
	if (w->cfg->rehomes)
		*p->out++ = w->rehomes;
	for (a = 0; a < n && w->cfg->rehomes; a++)
		pack_chunk(p, p->old[a]);
	for (a = 0; a < n; a++)
		for (i = 0; i < w->cfg->pages; i++)
			pack_page(p, &w->page[p->old[a]][i]);
	for (a = 0; a < n; a++)
		for (b = 0; b < n; b++)
			for (lane = 0; lane < W_LANES; lane++) {
				const struct w_queue *q = &w->q[p->old[a]][p->old[b]][lane];

				if (a == b)
					continue;
				*p->out++ = q->count;
				for (i = 0; i < q->count; i++)
					pack_event(p, &q->e[i]);
			}
	return (unsigned int)(p->out - out);
}

/* A node whose part is fixed by the configuration; that of homes that move is not. */
static bool is_fixed(const struct w_config *cfg, unsigned int node)
{
	unsigned int page;

	if (cfg->snapshot && !node)
		return true;
	if (cfg->rehomes)
		return false;
	for (page = 0; page < cfg->pages; page++)
		if (cfg->home[page] == node)
			return true;
	return false;
}

/* Try every renaming of the nodes from @at on and keep the smallest string. */
static void permute(struct packer *p, unsigned int at, u8 *best, unsigned int *len)
{
	const struct w_config *cfg = p->w->cfg;
	unsigned int i;
	u8 buf[W_PACK_MAX];

	if (at >= cfg->nodes || at >= W_NODES) {
		unsigned int n;

		for (i = 0; i < cfg->nodes; i++)
			p->name[p->old[i]] = (u8)i;
		n = pack_as(p, buf);
		if (!*len || n < *len || (n == *len && memcmp(buf, best, n) < 0)) {
			memcpy(best, buf, n);
			*len = n;
		}
		return;
	}
	for (i = at; i < cfg->nodes && i < W_NODES; i++) {
		u8 t = p->old[at];

		if (i != at && (is_fixed(cfg, at) || is_fixed(cfg, i)))
			continue;
		p->old[at] = p->old[i];
		p->old[i] = t;
		permute(p, at + 1, best, len);
		p->old[i] = p->old[at];
		p->old[at] = t;
	}
}

unsigned int w_pack(const struct world *w, u8 *out)
{
	struct packer p = { .w = w };
	unsigned int i, len = 0;

	for (i = 0; i < W_NODES; i++)
		p.old[i] = (u8)i;
	permute(&p, 0, out, &len);
	return len;
}

struct unpacker {
	struct world *w;
	const u8 *in;
};

static u64 id_of(struct unpacker *u, unsigned int node, u8 n)
{
	if (!n)
		return 0;
	if (n > u->w->ids[node])
		u->w->ids[node] = n;
	return (u64)node << 8 | n;
}

static void unpack_event(struct unpacker *u, struct w_event *e)
{
	struct dvmm_msg *m = &e->ev.msg;

	e->ev.type = *u->in & 0x1f;
	e->page = *u->in >> 5 & 1;
	e->data = *u->in++ >> 6;
	if (e->ev.type >= DVMM_MSG_COUNT && e->ev.type < DVMM_EV_COUNT)
		return;
	if (e->ev.type >= DVMM_EV_COUNT)
		e->ev.type += REHOME_SHIFT;
	m->type = e->ev.type;
	m->flags = *u->in & 0xf;
	m->src = *u->in >> 4 & 3;
	m->requester = *u->in++ >> 6;
	if (m->type > DVMM_MSG_REHOME) {
		m->id = *u->in++;
		return;
	}
	m->acks = *u->in++;
	m->id = id_of(u, m->requester, *u->in++);
}

static void unpack_page(struct unpacker *u, unsigned int node, struct w_page *pg)
{
	unsigned int i;
	u8 bits;

	pg->pg.state = *u->in++;
	pg->pg.flags = *u->in++;
	bits = *u->in++;
	pg->frame = bits & 3;
	pg->loading = bits >> 2 & 1;
	pg->storing = bits >> 3 & 1;
	pg->timer = bits >> 4 & 1;
	pg->pg.peer = *u->in++;
	pg->dir.sharers = *u->in++;
	pg->wrote = bits >> 7;
	if (bits >> 5 & 3) {
		u8 id = *u->in++, peer_id = *u->in++;

		pg->txn.requester = *u->in++;
		pg->txn.id = id_of(u, node, id);
		pg->txn.peer_id = id_of(u, pg->txn.requester, peer_id);
		pg->txn.acks = (int8_t)*u->in++;
		pg->txn.want = *u->in++;
		if (u->w->cfg->rehomes)
			pg->txn.asked = *u->in++;
	}
	pg->perm = dvmm_state_perm(pg->pg.state);
	pg->deferred = *u->in & 0xf;
	pg->gated = *u->in++ >> 4;
	for (i = 0; i < pg->deferred; i++)
		unpack_event(u, &pg->defer[i]);
	for (i = 0; i < pg->gated; i++)
		unpack_event(u, &pg->gate[i]);
}

static void unpack_chunk(struct unpacker *u, unsigned int node)
{
	struct dvmm_chunk *c = &u->w->chunk[node][0];
	struct dvmm_move *m = &u->w->move[node];
	unsigned int i;

	c->home = *u->in & 3;
	c->prev = *u->in >> 2 & 3;
	m->to = *u->in >> 4 & 3;
	c->owes = *u->in++ >> 6;
	c->phase = *u->in & 0xf;
	c->next = *u->in++ >> 4;
	c->busy = *u->in & 0xf;
	c->owed = *u->in++ >> 4;
	m->acked[0] = *u->in++;
	m->others = u->w->cfg->nodes - 1;
	m->left = m->others;
	for (i = 0; i < u->w->cfg->nodes; i++)
		m->left -= m->acked[0] >> i & 1;
}

/* While homes stay, what is open is counted again. */
static void count_open(struct world *w, unsigned int node, unsigned int page)
{
	struct dvmm_chunk *c = w_chunk(w, node, page);

	c->busy += w->page[node][page].txn.id && !dvmm_chunk_homed(c, (u16)node, 0);
	w->page[node][page].txn.asked = w->page[node][page].txn.id ? c->home : 0;
}

static void unpack_cut(struct world *w, u8 ends)
{
	w->cut = ends;
	while (ends && !(ends >> w->ends[0] & 1))
		w->ends[0]++;
	w->ends[1] = w->ends[0];
	while (ends && !(ends >> ++w->ends[1] & 1))
		;
}

static void unpack_saved(struct unpacker *u)
{
	unsigned int i;

	u->w->phase = *u->in++;
	for (i = 0; i < u->w->cfg->pages; i++) {
		struct w_saved *s = &u->w->saved[i];
		u8 bits = *u->in++;

		s->left = bits & 1;
		s->looked = bits >> 1 & 1;
		s->written = bits >> 2 & 1;
		s->kept = bits >> 3;
	}
}

void w_unpack(struct world *w, const struct w_config *cfg, const u8 *in)
{
	struct unpacker u = { .w = w, .in = in };
	unsigned int n = cfg->nodes, a, b, i, lane;

	w_init(w, cfg);
	for (i = 0; i < cfg->pages; i++)
		w->zero[i] = *u.in++;
	unpack_cut(w, *u.in++);
	if (cfg->snapshot)
		unpack_saved(&u);
	if (cfg->rehomes)
		w->rehomes = *u.in++;
	for (a = 0; a < n && cfg->rehomes; a++)
		unpack_chunk(&u, a);
	for (a = 0; a < n; a++)
		for (i = 0; i < cfg->pages; i++) {
			unpack_page(&u, a, &w->page[a][i]);
			if (!cfg->rehomes)
				count_open(w, a, i);
		}
	for (a = 0; a < n; a++)
		for (b = 0; b < n; b++)
			for (lane = 0; lane < W_LANES; lane++) {
				struct w_queue *q = &w->q[a][b][lane];

				if (a == b)
					continue;
				q->count = *u.in++;
				for (i = 0; i < q->count; i++)
					unpack_event(&u, &q->e[i]);
			}
}
