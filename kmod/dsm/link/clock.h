/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Comparing TSCs over a link: two-way exchange, minimum-delay filter (Mills,
 * "Internet Time Synchronization", 1991; Cristian, "Probabilistic clock
 * synchronization", 1989).
 */
#ifndef DVMM_CLOCK_H
#define DVMM_CLOCK_H

#include <linux/dvmm.h>

struct dvmm_machine;

int dvmm_clock_init(struct dvmm_machine *m);
void dvmm_clock_exit(struct dvmm_machine *m);
/**
 * dvmm_clock_measure - DVMM_GET_CLOCK; sleeps for @arg->rounds round trips
 * @m: the machine
 * @arg: filled
 *
 * Return: 0, -EINVAL, -EINTR, -ETIMEDOUT if an answer takes longer than a second, -ENOTCONN
 * without a link or once the machine leaves.
 */
int dvmm_clock_measure(struct dvmm_machine *m, struct dvmm_clock *arg);

#endif
