/* SPDX-License-Identifier: GPL-2.0 */
/* What arrives on a link, and the frames that links exchange themselves. */
#ifndef DVMM_RECEIVE_H
#define DVMM_RECEIVE_H

#include "link.h"

/** dvmm_receive - struct dvmm_transport_upcalls.link_rx */
int dvmm_receive(struct dvmm_xport_link *x, unsigned int lane, const void *hdr,
		 struct page *page);
void dvmm_receive_hello_send(struct dvmm_link *l);
void dvmm_receive_bye_send(struct dvmm_link *l, const char *reason);

/* From link.c: the peer's HELLO fits; send whatever the state is. */
void dvmm_link_established(struct dvmm_link *l, const struct dvmm_terms *terms);

#endif
