/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DVMM_MACHINE_FD_H
#define DVMM_MACHINE_FD_H

struct dvmm_create_machine;

/** dvmm_machine_create_fd - DVMM_CREATE_MACHINE; a descriptor or -errno */
int dvmm_machine_create_fd(const struct dvmm_create_machine *arg);

#endif
