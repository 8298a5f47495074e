/* SPDX-License-Identifier: GPL-2.0 */
/* The service that dvmm.ko finds: binding a VM to a node. */
#ifndef DVMM_IPI_ATTACH_H
#define DVMM_IPI_ATTACH_H

struct dvmm_kvm_service;

/** dvmm_ipi_service - for dvmm_kvm_register() */
extern const struct dvmm_kvm_service dvmm_ipi_service;

#endif
