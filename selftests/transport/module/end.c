// SPDX-License-Identifier: GPL-2.0
/* One end of a link under test. */
#include <linux/highmem.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "end.h"

#define ENOUGH	(DVMM_XPORT_QUEUE / 2)	/* frames under way on a lane */

static_assert(sizeof(struct xt_header) == DVMM_XPORT_HDR);
static_assert(offsetof(struct xt_header, length) == DVMM_XPORT_LENGTH_AT);
static_assert(offsetof(struct xt_header, number) == DVMM_XPORT_NUMBER_AT);

/* ---- contents ---- */

static u32 word(u32 seed, u32 at)
{
	u32 x = seed + at * 2654435761u;

	x ^= x >> 15;
	return x * 2246822519u;
}

static void fill(u8 *p, u32 length, u32 seed)
{
	u32 at, w;

	for (at = 0; at < length; at += sizeof(w)) {
		w = word(seed, at);
		memcpy(p + at, &w, min_t(u32, sizeof(w), length - at));
	}
}

static bool matches(const u8 *p, u32 length, u32 seed)
{
	u32 at, w;

	for (at = 0; at < length; at += sizeof(w)) {
		w = word(seed, at);
		if (memcmp(p + at, &w, min_t(u32, sizeof(w), length - at)))
			return false;
	}
	return true;
}

/* ---- sending ---- */

static struct dvmm_xmit *new_xmit(const struct xt_spec *s, u64 seq)
{
	struct dvmm_xmit *x = kzalloc(sizeof(*x), GFP_KERNEL);
	struct xt_header *h;

	if (!x)
		return NULL;
	if (s->length) {
		x->page = alloc_page(GFP_KERNEL);
		if (!x->page) {
			kfree(x);
			return NULL;
		}
		/* behind the payload: what the receiver must not see */
		memset(page_address(x->page), 0x5a, PAGE_SIZE);
		fill(page_address(x->page), s->length, s->seed + 1);
	}
	x->lane = s->lane;
	x->length = s->length;
	h = (struct xt_header *)x->hdr;
	h->seq = cpu_to_le64(seq);
	h->lane = s->lane;
	h->stream = s->stream;
	h->kind = s->kind;
	h->refuse = s->refuse;
	h->length = cpu_to_le32(s->length);
	h->seed = cpu_to_le32(s->seed);
	h->bytes = cpu_to_le32(s->bytes);
	fill(h->fill, sizeof(h->fill), s->seed);
	fill(h->rest, sizeof(h->rest), s->seed);
	return x;
}

static void free_xmit(struct dvmm_xmit *x)
{
	if (x->page)
		put_page(x->page);
	kfree(x);
}

/* One caller at a time for each stream, so that numbers are given in order. */
int xt_end_send(struct xt_end *e, const struct xt_spec *s)
{
	u64 *seq = &e->tx[s->lane][s->stream];
	struct dvmm_xmit *x = new_xmit(s, *seq);
	int err;

	if (!x)
		return -ENOMEM;
	atomic_inc(&e->under_way[s->lane]);
	err = e->link.ops->send(&e->link, x);
	if (err) {
		atomic_dec(&e->under_way[s->lane]);
		free_xmit(x);
		return err;
	}
	if (s->kind == XT_KIND_DATA)
		(*seq)++;
	atomic64_inc(&e->accepted);
	return 0;
}

/* A transport takes whatever it is given: the bound is ours. */
int xt_end_await_room(struct xt_end *e, unsigned int lane)
{
	return wait_event_killable(e->changed, atomic_read(&e->under_way[lane]) < ENOUGH ||
				   atomic_read(&e->downs));
}

/* ---- upcalls ---- */

static void note(struct xt_end *e)
{
	if (!READ_ONCE(e->open))
		atomic_inc(&e->late);
	wake_up_all(&e->changed);
}

static void link_up(struct dvmm_xport_link *link)
{
	struct xt_end *e = link->core;

	atomic_inc(&e->ups);
	note(e);
}

static void link_down(struct dvmm_xport_link *link, const char *why)
{
	struct xt_end *e = link->core;

	strscpy(e->why, why, sizeof(e->why));
	atomic_inc(&e->downs);
	note(e);
}

static void xmit_done(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	struct xt_end *e = link->core;

	if (x->page && page_count(x->page) > 1)
		atomic64_inc(&e->shared);
	atomic_dec(&e->under_way[x->lane]);
	free_xmit(x);
	atomic64_inc(&e->done);
	note(e);
}

static const char *wrong(struct xt_end *e, unsigned int lane, const struct xt_header *h,
			 const struct page *page)
{
	u32 length = le32_to_cpu(h->length);
	u32 seed = le32_to_cpu(h->seed);
	const u8 *p;

	if (h->lane != lane)
		return "lane";
	if (h->stream >= XT_STREAMS)
		return "stream";
	if (!matches(h->fill, sizeof(h->fill), seed) || !matches(h->rest, sizeof(h->rest), seed))
		return "header";
	if (h->kind == XT_KIND_DATA && le64_to_cpu(h->seq) != e->rx[lane][h->stream])
		return "order";
	if (le32_to_cpu(h->number) != e->due[lane])
		return "number";
	if (!length != !page)
		return "presence of a page";
	if (!page)
		return NULL;
	p = page_address(page);
	if (!matches(p, length, seed + 1))
		return "payload";
	if (memchr_inv(p + length, 0, PAGE_SIZE - length))
		return "bytes behind the payload";
	return NULL;
}

static void answer(struct xt_end *e, const struct xt_header *h)
{
	struct xt_spec s = {
		.lane = 2,
		.kind = XT_KIND_PONG,
		.seed = le32_to_cpu(h->seed),
		.length = min_t(u32, le32_to_cpu(h->bytes), PAGE_SIZE),
	};

	xt_end_send(e, &s);
}

static void count_frame(struct xt_end *e, unsigned int lane, const struct xt_header *h,
			const struct page *page)
{
	const char *what = wrong(e, lane, h, page);

	if (!what) {
		if (h->kind == XT_KIND_DATA)
			e->rx[lane][h->stream]++;
		atomic64_inc(&e->received);
		return;
	}
	if (atomic_inc_return(&e->errors) == 1)
		snprintf(e->error, sizeof(e->error), "lane %u stream %u frame %llu: %s is wrong",
			 lane, h->stream, le64_to_cpu(h->seq), what);
}

static int link_rx(struct dvmm_xport_link *link, unsigned int lane, const void *hdr,
		   struct page *page)
{
	const struct xt_header *h = hdr;
	struct xt_end *e = link->core;

	if (!atomic_read(&e->ups) && atomic_inc_return(&e->errors) == 1)
		strscpy(e->error, "a frame before link_up", sizeof(e->error));
	if (!(current->flags & PF_MEMALLOC_NOIO) && atomic_inc_return(&e->errors) == 1)
		strscpy(e->error, "link_rx may wait for storage", sizeof(e->error));
	wait_event(e->changed, !test_bit(lane, &e->held));
	/* Time is measured with the pings: their contents are not checked. */
	if (h->kind == XT_KIND_PING)
		answer(e, h);
	else if (h->kind == XT_KIND_PONG)
		complete(&e->pong);
	else
		count_frame(e, lane, h, page);
	e->due[lane] = le32_to_cpu(h->number) + 1;
	if (h->kind == XT_KIND_LAST && !atomic_read(&e->downs))
		e->last = true;
	if (page)
		put_page(page);
	note(e);
	return h->refuse ? -EPROTO : 0;
}

static const struct dvmm_transport_upcalls upcalls = {
	.link_up	= link_up,
	.link_down	= link_down,
	.link_rx	= link_rx,
	.xmit_done	= xmit_done,
};

/* ---- life ---- */

void xt_end_init(struct xt_end *e, const struct dvmm_transport_ops *ops)
{
	memset(e, 0, sizeof(*e));
	e->link.up = &upcalls;
	e->link.ops = ops;
	e->link.core = e;
	init_waitqueue_head(&e->changed);
	init_completion(&e->pong);
}

void xt_end_close(struct xt_end *e)
{
	if (!e->open)
		return;
	e->held = 0;
	wake_up_all(&e->changed);
	e->link.ops->disconnect(&e->link);
	WRITE_ONCE(e->open, false);
}
