/* SPDX-License-Identifier: GPL-2.0 */
/* Where vCPUs are to go, as QEMU is told. */
#ifndef DVMM_MOVE_H
#define DVMM_MOVE_H

#include "place.h"

struct json_object;

/** move_add - one more vCPU, to the node of that name, in an array for move_ask() */
void move_add(struct json_object *vcpus, unsigned int vcpu, const char *node);
/** move_add_all - all of them */
void move_add_all(struct json_object *vcpus, const struct file *f, unsigned int node);

/**
 * move_ask - the boot node's QEMU moves them
 * @seconds: how long it may take, 0: as long as it should
 * @answer: as of qmp_call()
 */
int move_ask(const struct place *p, struct json_object *vcpus, double seconds,
	     struct json_object **answer);

#endif
