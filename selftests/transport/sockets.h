/* SPDX-License-Identifier: GPL-2.0 */
/* TCP connections over loopback, for the conformance suite. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "module/xport-test.h"

struct greeting {
	__u8 magic[8];
	__u8 version;
	__u8 lane;
	__u16 from;
	__u16 to;
	__u8 reserved[2];
	__u8 machine[16];
};

void die(const char *what);
void connect_pair(int *a, int *b);
void connect_lanes(__s32 *fd);
void close_lanes(__s32 *fd, int n);
void send_bytes(int fd, const void *p, size_t length);
struct greeting good_greeting(unsigned int lane);
void greet_lanes(const __s32 *fd);

#endif
