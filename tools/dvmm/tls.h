/* SPDX-License-Identifier: GPL-2.0 */
/* TLS 1.3 on a lane: both ends prove the machine's key, then the kernel has the traffic's keys. */
#ifndef DVMM_TLS_H
#define DVMM_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/dvmm.h>

/** tls_key - read a key's file; false after a line on stderr */
bool tls_key(const char *path, uint8_t key[DVMM_KEY_LEN]);

/**
 * tls_secure - from now on what is read and written there is encrypted
 * @fd: a connected socket that blocks
 * @server: which end this is
 * @ms: how long the other end may take
 *
 * Return: NULL, or why there is none, to be freed
 */
char *tls_secure(int fd, const uint8_t key[DVMM_KEY_LEN], bool server, unsigned int ms);

#endif
