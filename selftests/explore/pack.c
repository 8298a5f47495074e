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

static void pack_event(struct packer *p, const struct w_event *e)
{
	const struct dvmm_msg *m = &e->ev.msg;

	*p->out++ = e->ev.type | (u8)(e->page << 5) | (u8)(e->data << 6);
	if (e->ev.type >= DVMM_MSG_COUNT)
		return;
	*p->out++ = m->flags | (u8)(node_name(p, m->src) << 4) |
		    (u8)(node_name(p, m->requester) << 6);
	*p->out++ = (u8)m->acks;
	/* Nobody looks at a PUT_S's id. */
	*p->out++ = m->type == DVMM_MSG_PUT_S ? 0 : id_name(p, m->id);
}

static u64 pack_sharers(const struct packer *p, u64 set)
{
	unsigned int node;
	u64 named = 0;

	if (dvmm_set_group(p->w->cfg->machine) > 1)
		return set;
	for (node = 0; node < p->w->cfg->nodes; node++)
		if (set >> node & 1)
			named |= 1ULL << node_name(p, node);
	return named;
}

static void pack_page(struct packer *p, const struct w_page *pg)
{
	unsigned int i;

	*p->out++ = pg->pg.state;
	*p->out++ = pg->pg.flags;
	*p->out++ = pg->frame | (u8)(pg->loading << 2) | (u8)(pg->storing << 3) |
		    (u8)(pg->timer << 4) | (u8)((pg->txn.id != 0) << 5) |
		    (u8)((pg->txn.peer_id != 0) << 6) | (u8)(pg->wrote << 7);
	*p->out++ = node_name(p, pg->pg.peer);
	*p->out++ = (u8)pack_sharers(p, pg->dir.sharers);
	if (pg->txn.id || pg->txn.peer_id) {
		*p->out++ = id_name(p, pg->txn.id);
		*p->out++ = id_name(p, pg->txn.peer_id);
		*p->out++ = node_name(p, pg->txn.requester);
		*p->out++ = (u8)pg->txn.acks;
		*p->out++ = pg->txn.want;
	}
	*p->out++ = pg->deferred;
	for (i = 0; i < pg->deferred; i++)
		pack_event(p, &pg->defer[i]);
}

static u8 pack_cut(const struct packer *p)
{
	u8 a = node_name(p, p->w->ends[0]), b = node_name(p, p->w->ends[1]);

	return p->w->cut ? (u8)(1 << a | 1 << b) : 0;
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

static bool is_home(const struct w_config *cfg, unsigned int node)
{
	unsigned int page;

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

		if (i != at && (is_home(cfg, at) || is_home(cfg, i)))
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
	if (e->ev.type >= DVMM_MSG_COUNT)
		return;
	m->type = e->ev.type;
	m->flags = *u->in & 0xf;
	m->src = *u->in >> 4 & 3;
	m->requester = *u->in++ >> 6;
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
	}
	pg->perm = dvmm_state_perm(pg->pg.state);
	pg->deferred = *u->in++;
	for (i = 0; i < pg->deferred; i++)
		unpack_event(u, &pg->defer[i]);
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

void w_unpack(struct world *w, const struct w_config *cfg, const u8 *in)
{
	struct unpacker u = { .w = w, .in = in };
	unsigned int n = cfg->nodes, a, b, i, lane;

	w_init(w, cfg);
	for (i = 0; i < cfg->pages; i++)
		w->zero[i] = *u.in++;
	unpack_cut(w, *u.in++);
	for (a = 0; a < n; a++)
		for (i = 0; i < cfg->pages; i++)
			unpack_page(&u, a, &w->page[a][i]);
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
