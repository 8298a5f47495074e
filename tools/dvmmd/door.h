/* SPDX-License-Identifier: GPL-2.0 */
/* Where programs of this host ask: a unix socket; one line of JSON in, one out. */
#ifndef DVMMD_DOOR_H
#define DVMMD_DOOR_H

#include <stdbool.h>

#include <json-c/json.h>

struct door;
struct door_call;

/**
 * door_take - somebody asks
 * @call: to be given to door_answer(), now or later, once
 * @may_change: it is root, or who runs this daemon
 */
typedef void door_take(void *arg, struct door_call *call, struct json_object *request,
		       bool may_change);

/**
 * door_open - listens
 * @why: what is wrong, one line to be freed
 *
 * Return: NULL and @why.
 */
struct door *door_open(const char *path, door_take *take, void *arg, char **why);
void door_close(struct door *door);

/** door_answer - @answer is freed; nobody may be there any more to read it */
void door_answer(struct door_call *call, struct json_object *answer);
/** door_refuse - an answer with that exit status and one line; @line is freed */
void door_refuse(struct door_call *call, int status, char *line);

#endif
