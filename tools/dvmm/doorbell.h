/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The doorbell of a shared region: an ivshmem server (QEMU's docs/specs/ivshmem-spec) on each node.
 * Clients of all nodes are each other's peers.
 */
#ifndef DVMM_DOORBELL_H
#define DVMM_DOORBELL_H

#include <stdbool.h>

struct doorbell;

/**
 * doorbell_new - of node @node, for the default main loop
 * @region: what clients get to map
 * @channel: to the doorbells of the other nodes
 */
struct doorbell *doorbell_new(unsigned int node, int region, int channel);

/** doorbell_listen - clients may come; false after a line on stderr */
bool doorbell_listen(struct doorbell *d, const char *path);

/** doorbell_free - clients see the end of their connections */
void doorbell_free(struct doorbell *d);

#endif
