// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes of the RDMA transport: frames out, frames in, and the memory for them.
 *
 * The receiver of a SEND has posted pages of its own; a payload lands in one of them,
 * and that page goes up and becomes the frame of guest memory.  So the peer needs no
 * address of ours: no key is ever given out, and nothing that it says can make the
 * device write anywhere else.
 *
 * Flow control by credits: a sender never has more frames on their way than the
 * receiver has posted room for.  Room that is free again is told in the immediate
 * data of any message of that lane, or of one without a frame.  Messages without a
 * frame have room of their own.
 *
 * Completions come in a softirq of the completion queue (budget: the RDMA core's,
 * 256 a turn); frames are handed up by a work item a lane, so that a lane whose
 * receiver stands still holds up neither another one nor its own credits.
 */
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include <dvmm/transport.h>
#include "rdma.h"

#define DEAD_BEATS	7	/* without an answer */
#define HDR_STRIDE	64

/* ---- the end ---- */

/* Frames that were never posted; the others come back through their completions. */
void dvmm_rdma_lane_give_up(struct rdma_lane *t)
{
	struct dvmm_xport_link *link = t->owner->link;
	struct dvmm_xmit *x, *next;
	LIST_HEAD(frames);

	spin_lock_bh(&t->lock);
	list_splice_init(&t->queue, &frames);
	list_for_each_entry(x, &frames, list)
		t->queued--;
	spin_unlock_bh(&t->lock);
	wake_up_all(&t->moved);
	list_for_each_entry_safe(x, next, &frames, list)
		link->up->xmit_done(link, x);
}

/*
 * A queue pair that has broken takes nothing any more and gives back what it had, and
 * the completion that says why may still be on its way, or never come: it has a moment
 * to be the reason.
 */
static void link_fail_broken(struct rdma_link *l)
{
	if (!cmpxchg(&l->fault, NULL, "the RDMA device has broken a connection"))
		dvmm_rdma_kick(l, HZ / 10);
}

static void lane_fail_completion(struct rdma_lane *t, const struct ib_wc *wc)
{
	switch (wc->status) {
	case IB_WC_SUCCESS:
		return;
	case IB_WC_WR_FLUSH_ERR:
		if (READ_ONCE(t->connected) && READ_ONCE(t->open))
			link_fail_broken(t->owner);
		return;
	case IB_WC_RETRY_EXC_ERR:
		dvmm_rdma_fail(t->owner, "peer does not answer");
		return;
	case IB_WC_RNR_RETRY_EXC_ERR:
		dvmm_rdma_fail(t->owner, "peer has no room for what it allowed");
		return;
	default:
		dvmm_rdma_fail(t->owner, ib_wc_status_msg(wc->status));
	}
}

/* ---- sending ---- */

static struct rdma_slot *lane_take_slot(struct rdma_lane *t)
{
	struct rdma_slot *s = list_first_entry(&t->free, struct rdma_slot, list);

	lockdep_assert_held(&t->lock);
	list_del(&s->list);
	t->nfree--;
	return s;
}

static void lane_free_slot(struct rdma_slot *s)
{
	struct rdma_lane *t = s->lane;

	lockdep_assert_held(&t->lock);
	s->xmit = NULL;
	list_add(&s->list, &t->free);
	t->nfree++;
}

/* The message takes along what we owe. */
static int lane_post(struct rdma_slot *s, struct ib_sge *sge, int n)
{
	struct rdma_lane *t = s->lane;
	struct ib_send_wr wr = {
		.wr_cqe = &s->cqe,
		.sg_list = sge,
		.num_sge = n,
		.opcode = IB_WR_SEND_WITH_IMM,
		.send_flags = IB_SEND_SIGNALED,
		.ex.imm_data = cpu_to_be32(t->owed),
	};
	int err;

	lockdep_assert_held(&t->lock);
	err = ib_post_send(t->id->qp, &wr, NULL);
	if (!err)
		t->owed = 0;
	return err;
}

static void lane_unmap_payload(struct rdma_slot *s)
{
	if (s->xmit && s->xmit->length)
		ib_dma_unmap_page(s->lane->owner->device, s->page_dma, s->xmit->length,
				  DMA_TO_DEVICE);
}

static int lane_post_frame(struct rdma_slot *s, struct dvmm_xmit *x)
{
	struct rdma_lane *t = s->lane;
	struct ib_device *device = t->owner->device;
	struct ib_sge sge[2] = {
		{ s->hdr_dma, DVMM_XPORT_HDR, t->owner->pd->local_dma_lkey },
		{ 0, x->length, t->owner->pd->local_dma_lkey },
	};
	int err;

	memcpy(s->hdr, x->hdr, DVMM_XPORT_HDR);
	ib_dma_sync_single_for_device(device, s->hdr_dma, DVMM_XPORT_HDR, DMA_TO_DEVICE);
	s->xmit = x;
	if (x->length) {
		s->page_dma = ib_dma_map_page(device, x->page, 0, x->length, DMA_TO_DEVICE);
		if (ib_dma_mapping_error(device, s->page_dma)) {
			s->xmit = NULL;
			return -EIO;
		}
		sge[1].addr = s->page_dma;
	}
	err = lane_post(s, sge, x->length ? 2 : 1);
	if (err)
		lane_unmap_payload(s);
	return err;
}

/* A message without a frame: credits, or a sign of life. */
static bool lane_post_empty(struct rdma_lane *t)
{
	struct rdma_slot *s;

	lockdep_assert_held(&t->lock);
	if (!t->open || !t->nfree)
		return !t->open;
	s = lane_take_slot(t);
	if (!lane_post(s, NULL, 0)) {
		t->tx_credits++;
		return true;
	}
	lane_free_slot(s);
	return false;
}

/* Post what may go.  Returns false if the device takes nothing any more. */
static bool lane_pump(struct rdma_lane *t)
{
	struct dvmm_xmit *x;
	struct rdma_slot *s;

	lockdep_assert_held(&t->lock);
	while (t->open && t->credits && t->nfree > RDMA_RESERVE && !list_empty(&t->queue)) {
		x = list_first_entry(&t->queue, struct dvmm_xmit, list);
		s = lane_take_slot(t);
		if (lane_post_frame(s, x)) {
			lane_free_slot(s);
			return false;
		}
		list_del(&x->list);
		t->credits--;
	}
	return t->owed < RDMA_CREDITS / 2 || lane_post_empty(t);
}

static void lane_pump_or_fail(struct rdma_lane *t)
{
	bool fine;

	spin_lock_bh(&t->lock);
	fine = lane_pump(t);
	spin_unlock_bh(&t->lock);
	if (!fine)
		link_fail_broken(t->owner);
}

static void lane_sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rdma_slot *s = container_of(wc->wr_cqe, struct rdma_slot, cqe);
	struct rdma_lane *t = s->lane;
	struct dvmm_xport_link *link = t->owner->link;
	struct dvmm_xmit *x = s->xmit;

	lane_unmap_payload(s);
	spin_lock_bh(&t->lock);
	lane_free_slot(s);
	t->completed++;
	if (x) {
		t->tx_frames++;
		t->tx_bytes += DVMM_XPORT_HDR + x->length;
		t->queued--;
	}
	spin_unlock_bh(&t->lock);
	if (x)
		link->up->xmit_done(link, x);
	wake_up_all(&t->moved);
	lane_fail_completion(t, wc);
	lane_pump_or_fail(t);
}

static int lane_send(struct rdma_lane *t, struct dvmm_xmit *x)
{
	bool fine;

	spin_lock_bh(&t->lock);
	if (dvmm_rdma_dead(t->owner)) {
		spin_unlock_bh(&t->lock);
		return -ENOTCONN;
	}
	dvmm_xport_number(t->owner->link, x);
	list_add_tail(&x->list, &t->queue);
	t->queued++;
	fine = lane_pump(t);
	spin_unlock_bh(&t->lock);
	if (!fine)
		link_fail_broken(t->owner);
	return 0;
}

int dvmm_rdma_send(struct dvmm_xport_link *link, struct dvmm_xmit *x)
{
	struct rdma_link *l = dvmm_gate_enter(link);
	int err = -ENOTCONN;

	if (!l)
		return err;
	if (!test_bit(RDMA_UP, &l->flags))
		goto leave;
	err = -EINVAL;
	if (x->lane >= DVMM_XPORT_LANES || x->length > DVMM_XPORT_PAYLOAD_MAX)
		goto leave;
	err = lane_send(&l->lane[x->lane], x);
leave:
	dvmm_gate_leave(&l->gate);
	return err;
}

/* What is posted is acknowledged by the peer's device, whatever its software does. */
static bool lane_stands_still(struct rdma_lane *t)
{
	bool dead;

	spin_lock_bh(&t->lock);
	if (t->nfree == RDMA_SLOTS || t->completed != t->seen)
		t->still = 0;
	else
		t->still++;
	t->seen = t->completed;
	dead = t->still >= DEAD_BEATS;
	spin_unlock_bh(&t->lock);
	return dead;
}

void dvmm_rdma_beat(struct rdma_link *l)
{
	struct rdma_lane *t = &l->lane[DVMM_XPORT_LANE_LAST];
	unsigned int i;

	for (i = 0; i < DVMM_XPORT_LANES; i++) {
		if (lane_stands_still(&l->lane[i])) {
			dvmm_rdma_fail(l, "peer does not answer");
			return;
		}
	}
	spin_lock_bh(&t->lock);
	if (t->nfree == RDMA_SLOTS)
		lane_post_empty(t);
	spin_unlock_bh(&t->lock);
}

/* ---- receiving ---- */

static int lane_map_page(struct rdma_slot *s, struct page *page)
{
	struct ib_device *device = s->lane->owner->device;

	s->page_dma = ib_dma_map_page(device, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(device, s->page_dma))
		return -EIO;
	s->page = page;
	return 0;
}

static struct page *lane_unmap_page(struct rdma_slot *s)
{
	struct page *page = s->page;

	ib_dma_unmap_page(s->lane->owner->device, s->page_dma, PAGE_SIZE, DMA_FROM_DEVICE);
	s->page = NULL;
	return page;
}

/* Once the connection has ended, nothing is offered and nothing comes. */
static int lane_offer(struct rdma_slot *s)
{
	struct rdma_lane *t = s->lane;
	u32 key = t->owner->pd->local_dma_lkey;
	struct ib_sge sge[2] = {
		{ s->hdr_dma, DVMM_XPORT_HDR, key },
		{ s->page_dma, PAGE_SIZE, key },
	};
	struct ib_recv_wr wr = { .wr_cqe = &s->cqe, .sg_list = sge, .num_sge = 2 };
	int err = 0;

	spin_lock_bh(&t->lock);
	if (t->open)
		err = ib_post_recv(t->id->qp, &wr, NULL);
	spin_unlock_bh(&t->lock);
	return err;
}

/* False: the peer says more than can be true. */
static bool lane_add_credits(struct rdma_lane *t, const struct ib_wc *wc)
{
	u32 more = wc->wc_flags & IB_WC_WITH_IMM ? be32_to_cpu(wc->ex.imm_data) : 0;
	bool fine;

	spin_lock_bh(&t->lock);
	fine = more <= RDMA_CREDITS - t->credits;
	if (fine)
		t->credits += more;
	spin_unlock_bh(&t->lock);
	return fine;
}

static void lane_received(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rdma_slot *s = container_of(wc->wr_cqe, struct rdma_slot, cqe);
	struct rdma_lane *t = s->lane;

	if (wc->status != IB_WC_SUCCESS) {
		lane_fail_completion(t, wc);
		return;
	}
	if (!lane_add_credits(t, wc)) {
		dvmm_rdma_fail(t->owner, "peer gives more credits than there are");
		return;
	}
	s->bytes = wc->byte_len;
	if (!s->bytes) {
		if (lane_offer(s))
			link_fail_broken(t->owner);
	} else {
		spin_lock_bh(&t->lock);
		list_add_tail(&s->list, &t->arrived);
		spin_unlock_bh(&t->lock);
		queue_work(dvmm_rdma_rx_wq, &t->receiver);
	}
	lane_pump_or_fail(t);
}

static const char *lane_check_length(const struct rdma_slot *s, u32 *length)
{
	if (s->bytes < DVMM_XPORT_HDR)
		return "message shorter than a header";
	*length = get_unaligned_le32(s->hdr + DVMM_XPORT_LENGTH_AT);
	if (*length != s->bytes - DVMM_XPORT_HDR)
		return "message of another length than its header says";
	return NULL;
}

/* Take the frame out of the slot and offer that again, with a new page. */
static const char *lane_take_frame(struct rdma_slot *s, u8 *hdr, struct page **page)
{
	struct rdma_lane *t = s->lane;
	struct page *fresh;
	const char *why;
	u32 length;

	ib_dma_sync_single_for_cpu(t->owner->device, s->hdr_dma, DVMM_XPORT_HDR,
				   DMA_FROM_DEVICE);
	why = lane_check_length(s, &length);
	if (why)
		return why;
	memcpy(hdr, s->hdr, DVMM_XPORT_HDR);
	*page = NULL;
	if (length) {
		fresh = dvmm_xport_page();
		*page = lane_unmap_page(s);
		zero_user_segment(*page, length, PAGE_SIZE);
		if (lane_map_page(s, fresh)) {
			__free_page(fresh);
			return "the device cannot use our memory";
		}
	}
	t->rx_frames++;
	t->rx_bytes += s->bytes;
	return lane_offer(s) ? "the device takes no more work" : NULL;
}

static struct rdma_slot *lane_next_arrived(struct rdma_lane *t)
{
	struct rdma_slot *s = NULL;

	spin_lock_bh(&t->lock);
	if (!t->bad && !test_bit(RDMA_TOLD, &t->owner->flags))
		s = list_first_entry_or_null(&t->arrived, struct rdma_slot, list);
	if (s)
		list_del(&s->list);
	spin_unlock_bh(&t->lock);
	return s;
}

static void lane_hand_up(struct rdma_lane *t, struct rdma_slot *s)
{
	struct dvmm_xport_link *link = t->owner->link;
	u8 hdr[DVMM_XPORT_HDR] __aligned(8);
	struct page *page = NULL;
	const char *why = lane_take_frame(s, hdr, &page);

	if (why) {
		t->bad = true;
		if (page)
			__free_page(page);
		dvmm_rdma_fail(t->owner, why);
		return;
	}
	if (link->up->link_rx(link, t->number, hdr, page)) {
		t->bad = true;
		dvmm_rdma_fail(t->owner, "protocol error");
		return;
	}
	spin_lock_bh(&t->lock);
	t->owed++;
	spin_unlock_bh(&t->lock);
	lane_pump_or_fail(t);
}

/*
 * Frames that come before link_up wait for it.  Those that came before link_down are
 * still handed up: the reason may stand in them.
 */
static void lane_receive(struct work_struct *work)
{
	struct rdma_lane *t = container_of(work, struct rdma_lane, receiver);
	unsigned int noio;
	struct rdma_slot *s;

	if (!test_bit(RDMA_HEARS, &t->owner->flags))
		return;
	noio = memalloc_noio_save();
	while ((s = lane_next_arrived(t)))
		lane_hand_up(t, s);
	memalloc_noio_restore(noio);
	wake_up_all(&t->moved);
}

/* ---- memory ---- */

static void lane_slots(struct rdma_lane *t, struct rdma_slot *slots, unsigned int first,
		       void (*done)(struct ib_cq *cq, struct ib_wc *wc))
{
	unsigned int i;

	for (i = 0; i < RDMA_SLOTS; i++) {
		slots[i].lane = t;
		slots[i].cqe.done = done;
		slots[i].hdr = t->headers + (first + i) * HDR_STRIDE;
		slots[i].hdr_dma = t->headers_dma + (first + i) * HDR_STRIDE;
		slots[i].xmit = NULL;
	}
}

void dvmm_rdma_lane_init(struct rdma_link *l, unsigned int number)
{
	struct rdma_lane *t = &l->lane[number];

	t->owner = l;
	t->number = number;
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->queue);
	INIT_LIST_HEAD(&t->free);
	INIT_LIST_HEAD(&t->arrived);
	init_waitqueue_head(&t->moved);
	INIT_WORK(&t->receiver, lane_receive);
}

static int lane_headers(struct rdma_lane *t)
{
	size_t size = 2 * RDMA_SLOTS * HDR_STRIDE;

	t->headers = kzalloc(size, GFP_KERNEL);
	if (!t->headers)
		return -ENOMEM;
	t->headers_dma = ib_dma_map_single(t->owner->device, t->headers, size,
					   DMA_BIDIRECTIONAL);
	if (!ib_dma_mapping_error(t->owner->device, t->headers_dma))
		return 0;
	kfree(t->headers);
	t->headers = NULL;
	return -EIO;
}

int dvmm_rdma_lane_fill(struct rdma_lane *t)
{
	unsigned int i;
	int err = lane_headers(t);

	if (err)
		return err;
	lane_slots(t, t->tx, 0, lane_sent);
	lane_slots(t, t->rx, RDMA_SLOTS, lane_received);
	t->credits = RDMA_CREDITS;
	t->owed = 0;
	for (i = 0; i < RDMA_SLOTS; i++)
		list_add_tail(&t->tx[i].list, &t->free);
	t->nfree = RDMA_SLOTS;
	for (i = 0; i < RDMA_SLOTS && !err; i++) {
		struct page *page = alloc_page(GFP_KERNEL);

		if (!page)
			return -ENOMEM;
		err = lane_map_page(&t->rx[i], page);
		if (err)
			__free_page(page);
		else
			err = lane_offer(&t->rx[i]);
	}
	return err;
}

void dvmm_rdma_lane_drain(struct rdma_lane *t)
{
	unsigned int i;

	cancel_work_sync(&t->receiver);
	if (!t->headers)
		return;
	for (i = 0; i < RDMA_SLOTS; i++)
		if (t->rx[i].page)
			__free_page(lane_unmap_page(&t->rx[i]));
	INIT_LIST_HEAD(&t->free);
	INIT_LIST_HEAD(&t->arrived);
	ib_dma_unmap_single(t->owner->device, t->headers_dma,
			    2 * RDMA_SLOTS * HDR_STRIDE, DMA_BIDIRECTIONAL);
	kfree(t->headers);
	t->headers = NULL;
}
