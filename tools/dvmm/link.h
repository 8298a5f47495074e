/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets between the nodes of a shared region, one for each lane: the lower of a pair listens. */
#ifndef DVMM_LINK_H
#define DVMM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/dvmm.h>

#include "file.h"

/**
 * struct links - how links are made, and who is told
 * @self: this node
 * @key: of the machine, NULL: none is asked for
 * @config: digest of the machine file
 * @linked: a peer's sockets are there, and the callee's
 * @failed: they will not be; the text is the callee's
 * @arg: for both, which the default main loop calls
 */
struct links {
	const struct file *f;
	unsigned int self;
	const uint8_t *key;
	uint8_t uuid[16];
	uint8_t config[16];
	void (*linked)(void *arg, unsigned int peer, const int sock[DVMM_LINK_LANES]);
	void (*failed)(void *arg, char *why);
	void *arg;
};

/** links_begin - by threads, which use @l to the end; false after a line on stderr */
bool links_begin(struct links *l);

#endif
