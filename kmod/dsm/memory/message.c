// SPDX-License-Identifier: GPL-2.0
/* A message about memory has arrived. */
#include "dispatch.h"
#include "link/link.h"
#include "machine/machine.h"
#include "machine/stats.h"
#include "message.h"
#include "mover.h"
#include "region.h"

/* Whom a message has this node answer, or ask from now on. */
static bool message_names_stranger(const struct dvmm_machine *m, const struct dvmm_msg *msg)
{
	switch (msg->type) {
	case DVMM_MSG_FWD_GET_S:
	case DVMM_MSG_FWD_GET_M:
	case DVMM_MSG_INV:
	case DVMM_MSG_MOVE:
		return !dvmm_members_has(m, msg->requester);
	case DVMM_MSG_TAKE:
		/* Of a shared page the requester is who wrote last, and may have left. */
		return msg->flags & DVMM_MSGF_EXCL ? !dvmm_members_has(m, msg->requester) :
						     !dvmm_members_have(m, msg->id);
	}
	return false;
}

const char *dvmm_message_receive(struct dvmm_link *l, const struct dvmm_frame *f,
				 struct page **page)
{
	struct dvmm_machine *m = l->m;
	struct dvmm_region *r;

	if (f->epoch != m->epoch) {
		dvmm_stats_count(m, discarded);
		return NULL;
	}
	if (dvmm_msg_of_chunk(f->msg.type) && !(l->terms.features & DVMM_FEATURE_HOMES))
		return "message of a chunk from a node that does not know them";
	if (message_names_stranger(m, &f->msg))
		return "message names a node that is no member";
	r = dvmm_region_get(m, f->index);
	if (!r)
		return "message for an unknown region";
	if (f->page >= r->npages) {
		dvmm_region_put(r);
		return "message for a page beyond its region";
	}
	if (dvmm_msg_of_chunk(f->msg.type))
		dvmm_mover_message(r, f->page, &f->msg, *page);
	else
		dvmm_dispatch_message(r, f->page, &f->msg, *page);
	*page = NULL;
	dvmm_region_put(r);
	return NULL;
}
