/* SPDX-License-Identifier: GPL-2.0 */
/* A file that is always whole. */
#ifndef DVMMD_STORE_H
#define DVMMD_STORE_H

#include <stdbool.h>

#include <json-c/json.h>

/** store_write - safe on the disk when it returns true */
bool store_write(const char *path, struct json_object *o);
/** store_read - NULL if there is none; NULL and @why, one line to be freed, if it is damaged */
struct json_object *store_read(const char *path, char **why);

#endif
