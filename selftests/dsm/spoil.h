/* SPDX-License-Identifier: GPL-2.0 */
/* Planted faults: what a workload's checker must find. */
#ifndef DVMM_TEST_SPOIL_H
#define DVMM_TEST_SPOIL_H

#include "actor.h"

/**
 * spoil_start - damage what the actors work on, until the program ends
 * @a: the actor of the node that does the damage
 * @fault: "stale:REGION:PAGE": changes of the page are undone soon after, as if a
 *	write had been lost; "flip:REGION:PAGE": a bit of every word of the page is
 *	turned; "stray": the channel carries a datagram too many
 *
 * Return: 0 or -1.
 */
int spoil_start(struct actor *a, const char *fault);

#endif
