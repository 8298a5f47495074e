// SPDX-License-Identifier: GPL-2.0
/* Messages that leave together. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "batch.h"
#include "link.h"
#include "machine/machine.h"

#define BATCH_GFP	(GFP_NOIO | __GFP_NOFAIL)

void dvmm_batch_init(struct dvmm_batch *b)
{
	mutex_init(&b->lock);
}

static int batch_flush(struct dvmm_link *l, struct dvmm_batch *b)
{
	struct dvmm_frame f = {
		.kind = DVMM_WIRE_BATCH,
		.index = dvmm_msg_lane(b->first.msg.type),
		.length = b->count * sizeof(struct dvmm_wire_hdr),
		.epoch = l->m->epoch,
	};
	struct page *page = b->page;
	unsigned int count = b->count;

	b->page = NULL;
	b->count = 0;
	if (!count)
		return 0;
	if (count > 1)
		return dvmm_link_send_on(l, &f, page);
	put_page(page);
	return dvmm_link_send_on(l, &b->first, NULL);
}

static void batch_add(struct dvmm_link *l, struct dvmm_batch *b, struct dvmm_frame *f)
{
	struct dvmm_wire_hdr *hdr;

	f->msg.src = l->m->self;
	if (!b->page)
		b->page = alloc_page(BATCH_GFP);
	if (!b->count)
		b->first = *f;
	hdr = page_address(b->page);
	dvmm_wire_encode(f, &hdr[b->count++]);
}

int dvmm_batch_send(struct dvmm_link *l, struct dvmm_frame *f, struct page *page)
{
	struct dvmm_batch *b = &l->batch[dvmm_msg_lane(f->msg.type)];
	int ret = 0;

	/* A message of the same page that waits here was put here before this one. */
	if (!smp_load_acquire(&b->owner))
		return dvmm_link_send_on(l, f, page);
	mutex_lock(&b->lock);
	if (b->owner != current || page || b->count == DVMM_WIRE_BATCH_MAX)
		ret = batch_flush(l, b);
	if (b->owner == current && !page)
		batch_add(l, b, f);
	else
		ret = dvmm_link_send_on(l, f, page) ?: ret;
	mutex_unlock(&b->lock);
	return ret;
}

static bool batch_take(struct dvmm_link *l, struct dvmm_batch *b)
{
	bool ours;

	if (READ_ONCE(l->state) != DVMM_LINK_UP || !(l->terms.features & DVMM_FEATURE_BLOCKS))
		return false;
	mutex_lock(&b->lock);
	ours = !b->owner;
	if (ours)
		WRITE_ONCE(b->owner, current);
	mutex_unlock(&b->lock);
	return ours;
}

struct dvmm_link *dvmm_batch_open(struct dvmm_machine *m, u16 node, enum dvmm_lane lane)
{
	struct dvmm_link *l = dvmm_link_get(m, node);

	if (l && !batch_take(l, &l->batch[lane])) {
		dvmm_link_put(l);
		return NULL;
	}
	return l;
}

void dvmm_batch_close(struct dvmm_link *l, enum dvmm_lane lane)
{
	struct dvmm_batch *b;
	int ret;

	if (!l)
		return;
	b = &l->batch[lane];
	mutex_lock(&b->lock);
	ret = batch_flush(l, b);
	/* Pairs with dvmm_batch_send(): what waited here has left. */
	smp_store_release(&b->owner, NULL);
	mutex_unlock(&b->lock);
	dvmm_link_sent(l->m, l->peer, ret);
	dvmm_link_put(l);
}
