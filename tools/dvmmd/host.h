/* SPDX-License-Identifier: GPL-2.0 */
/* What a host has, as the kernel tells it. */
#ifndef DVMMD_HOST_H
#define DVMMD_HOST_H

#include <json-c/json.h>

/**
 * host_look - all of it, as an object of the caller's
 * @root: directory in which /proc and /sys are looked for: "" but in tests
 * @name: of the host
 * @qemu: what its QEMU says of its version, or ""
 */
struct json_object *host_look(const char *root, const char *name, const char *qemu);

#endif
