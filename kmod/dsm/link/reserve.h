/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages for those who receive.  Page faults of others wait for them, perhaps those
 * of whoever writes memory back, so a receiver does not reclaim memory itself before
 * the pages that are kept for it are gone; a worker brings new ones.
 *
 * dvmm_xport_page() is in the transports' contract.
 */
#ifndef DVMM_RESERVE_H
#define DVMM_RESERVE_H

int dvmm_reserve_init(void);
void dvmm_reserve_exit(void);

#endif
