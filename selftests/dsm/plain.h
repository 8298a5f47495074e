/* SPDX-License-Identifier: GPL-2.0 */
/* What the same link does without dvmm: the actor's plain TCP connection, used by both ends. */
#ifndef DVMM_TEST_PLAIN_H
#define DVMM_TEST_PLAIN_H

#include "actor.h"

/**
 * plain_ping - round trips of @ask bytes there and @answer bytes back
 * @a: node 0 answers, node 1 asks
 * @rounds: how many
 *
 * Return: nanoseconds for one, 0 at the node that answers; -1 if the peer has gone.
 */
double plain_ping(struct actor *a, size_t ask, size_t answer, int rounds);

/**
 * plain_stream - so many pages from node 0 to node 1
 *
 * In pieces as large as TCP likes them: what the link can do.
 *
 * Return: nanoseconds for one page; what node 1 measured counts.
 */
double plain_stream(struct actor *a, size_t pages);

#endif
