/* SPDX-License-Identifier: GPL-2.0 */
/* Transports that break the contract. */
#ifndef XT_FAULTY_H
#define XT_FAULTY_H

int xt_faulty_register(void);
void xt_faulty_unregister(void);

#endif
