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

static bool pend_vector(u32 *words, u8 vector)
{
	u32 bit = 1u << vector % 32;
	bool fresh = !(words[vector / 32] & bit);

	words[vector / 32] |= bit;
	return fresh;
}

static bool pend_event(struct dvmm_ipi_pending *p, u8 event)
{
	bool fresh = !(p->events & event);

	p->events |= event;
	return fresh;
}

static bool pend_sipi(struct dvmm_ipi_pending *p, u8 page)
{
	bool fresh = p->sipi != page;

	p->sipi = page;
	return pend_event(p, DVMM_IPI_SIPIS) || fresh;
}

static bool pend(struct dvmm_ipi_pending *p, const struct dvmm_ipi_msg *msg)
{
	switch (msg->mode) {
	case DVMM_IPI_FIXED:
	case DVMM_IPI_LOWEST:
		return pend_vector(msg->flags & DVMM_IPI_LEVEL ? p->level : p->edge, msg->vector);
	case DVMM_IPI_INIT:
		pending_clear(p);
		return pend_event(p, DVMM_IPI_INITS);
	case DVMM_IPI_SIPI:
		return pend_sipi(p, msg->vector);
	case DVMM_IPI_NMI:
		return pend_event(p, DVMM_IPI_NMIS);
	case DVMM_IPI_SMI:
		return pend_event(p, DVMM_IPI_SMIS);
	case DVMM_IPI_REMRD:
		return pend_event(p, DVMM_IPI_UNHALTS);
	default:
		return false;
	}
}

static bool starts(const struct dvmm_ipi_msg *msg)
{
	return msg->mode == DVMM_IPI_INIT || msg->mode == DVMM_IPI_SIPI;
}

bool dvmm_ipi_pend(struct list_head *queue, struct dvmm_ipi_pending *p,
		   const struct dvmm_ipi_msg *msg)
{
	bool fresh = pend(p, msg);

	if (starts(msg))
		list_move_tail(&p->waiting, queue);
	else if (fresh && list_empty(&p->waiting))
		list_add_tail(&p->waiting, queue);
	return fresh;
}

static unsigned int pack(void *data, const struct dvmm_ipi_pending *p, u8 events, u8 sipi,
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

static bool any(const u32 *words)
{
	u32 sum = 0;
	unsigned int i;

	for (i = 0; i < DVMM_IPI_WORDS; i++)
		sum |= words[i];
	return sum;
}

static unsigned int take(struct dvmm_ipi_pending *p, char *data, unsigned int *records)
{
	unsigned int n = 0;

	if (p->events || any(p->edge)) {
		n += pack(data, p, p->events, p->sipi, p->edge);
		++*records;
	}
	if (any(p->level)) {
		n += pack(data + n, p, DVMM_IPI_LEVELS, 0, p->level);
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
		n += take(list_first_entry(queue, struct dvmm_ipi_pending, waiting),
			  (char *)data + n, records);
	return n;
}
