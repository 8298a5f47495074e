// SPDX-License-Identifier: GPL-2.0
/* Interrupts that wait for their way to another node. */
#include "pending.h"

void dvmm_ipi_pending_init(struct dvmm_ipi_pending *p, u8 to, u32 dest)
{
	*p = (struct dvmm_ipi_pending) { .to = to, .dest = dest };
	INIT_LIST_HEAD(&p->waiting);
}

static void pending_clear(struct dvmm_ipi_pending *p)
{
	p->events = 0;
	p->sipi = 0;
	memset(p->edge, 0, sizeof(p->edge));
	memset(p->level, 0, sizeof(p->level));
}

static bool pending_add_vector(u32 *words, u8 vector)
{
	u32 bit = 1u << vector % 32;
	bool fresh = !(words[vector / 32] & bit);

	words[vector / 32] |= bit;
	return fresh;
}

static bool pending_add_event(struct dvmm_ipi_pending *p, u8 event)
{
	bool fresh = !(p->events & event);

	p->events |= event;
	return fresh;
}

static bool pending_add_sipi(struct dvmm_ipi_pending *p, u8 page)
{
	bool fresh = p->sipi != page;

	p->sipi = page;
	return pending_add_event(p, DVMM_IPI_SIPIS) || fresh;
}

static bool pending_add(struct dvmm_ipi_pending *p, const struct dvmm_ipi_msg *msg)
{
	switch (msg->mode) {
	case DVMM_IPI_FIXED:
	case DVMM_IPI_LOWEST:
		return pending_add_vector(msg->flags & DVMM_IPI_LEVEL ? p->level : p->edge,
					  msg->vector);
	case DVMM_IPI_INIT:
		pending_clear(p);
		return pending_add_event(p, DVMM_IPI_INITS);
	case DVMM_IPI_SIPI:
		return pending_add_sipi(p, msg->vector);
	case DVMM_IPI_NMI:
		return pending_add_event(p, DVMM_IPI_NMIS);
	case DVMM_IPI_SMI:
		return pending_add_event(p, DVMM_IPI_SMIS);
	case DVMM_IPI_REMRD:
		return pending_add_event(p, DVMM_IPI_UNHALTS);
	default:
		return false;
	}
}

static bool pending_starts(const struct dvmm_ipi_msg *msg)
{
	return msg->mode == DVMM_IPI_INIT || msg->mode == DVMM_IPI_SIPI;
}

bool dvmm_ipi_pend(struct list_head *queue, struct dvmm_ipi_pending *p,
		   const struct dvmm_ipi_msg *msg)
{
	bool fresh = pending_add(p, msg);

	if (pending_starts(msg))
		list_move_tail(&p->waiting, queue);
	else if (fresh && list_empty(&p->waiting))
		list_add_tail(&p->waiting, queue);
	return fresh;
}

static unsigned int pending_pack(void *data, const struct dvmm_ipi_pending *p, u8 events, u8 sipi,
				 const u32 *vectors)
{
	struct dvmm_ipi_record record = {
		.dest = p->dest,
		.to = p->to,
		.events = events,
		.sipi = sipi,
	};

	memcpy(record.vectors, vectors, sizeof(record.vectors));
	return dvmm_ipi_pack(data, &record);
}

static bool pending_any(const u32 *words)
{
	u32 sum = 0;
	unsigned int i;

	for (i = 0; i < DVMM_IPI_WORDS; i++)
		sum |= words[i];
	return sum;
}

static unsigned int pending_take(struct dvmm_ipi_pending *p, char *data, unsigned int *records)
{
	unsigned int n = 0;

	if (p->events || pending_any(p->edge)) {
		n += pending_pack(data, p, p->events, p->sipi, p->edge);
		++*records;
	}
	if (pending_any(p->level)) {
		n += pending_pack(data + n, p, DVMM_IPI_LEVELS, 0, p->level);
		++*records;
	}
	pending_clear(p);
	list_del_init(&p->waiting);
	return n;
}

unsigned int dvmm_ipi_take(struct list_head *queue, void *data, unsigned int *records)
{
	unsigned int n = 0;

	*records = 0;
	while (!list_empty(queue) && n + 2 * DVMM_IPI_RECORD_MAX <= DVMM_IPI_WIRE_MAX)
		n += pending_take(list_first_entry(queue, struct dvmm_ipi_pending, waiting),
				  (char *)data + n, records);
	return n;
}
