/* SPDX-License-Identifier: GPL-2.0 */
/* Messages about memory, as links bring them. */
#ifndef DVMM_MESSAGE_H
#define DVMM_MESSAGE_H

struct dvmm_frame;
struct dvmm_link;
struct page;

/**
 * dvmm_message_receive - a message about a page, or about the home of a chunk
 * @l: its link, to a member
 * @f: the message, which fits its lane
 * @page: its payload or NULL; set to NULL if it is consumed
 *
 * Context: a transport's receive thread.  Return: NULL or what is wrong with it.
 */
const char *dvmm_message_receive(struct dvmm_link *l, const struct dvmm_frame *f,
				 struct page **page);

#endif
