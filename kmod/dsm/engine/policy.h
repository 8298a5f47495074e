/* SPDX-License-Identifier: GPL-2.0 */
/* Choices that may change what a page costs, never what it holds. */
#ifndef DVMM_ENGINE_POLICY_H
#define DVMM_ENGINE_POLICY_H

#include "step.h"

/**
 * dvmm_held - must the page be kept a little longer?
 * @s: a step that would take a permission away
 *
 * Return: true if so; the event is then deferred and a timer on its way.
 */
bool dvmm_held(struct dvmm_step *s);

/**
 * dvmm_spares - at the home, which has the only copy: can it give one away for a guess?
 * @s: a step that would share the page
 *
 * Not what is to be kept a little longer, nor what was lately written after others had read it.
 */
bool dvmm_spares(const struct dvmm_step *s);

/** dvmm_migratory_write - at the home: @writer takes a shared page to write */
void dvmm_migratory_write(struct dvmm_step *s, u16 writer);
/** dvmm_migratory_read - at the home: shall this read be granted exclusively? */
bool dvmm_migratory_read(struct dvmm_step *s);

/** dvmm_history_upgrade - this node writes to a page that it has read */
void dvmm_history_upgrade(struct dvmm_step *s);
/** dvmm_history_taken - this node's right to write goes, used or not */
void dvmm_history_taken(struct dvmm_step *s);
/** dvmm_history_expects - will this node, which wants to read, write as well? */
bool dvmm_history_expects(const struct dvmm_step *s);

#endif
