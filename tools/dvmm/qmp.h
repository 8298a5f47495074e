/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU's monitor. */
#ifndef DVMM_QMP_H
#define DVMM_QMP_H

#include "place.h"

/** qmp_connect - a socket in DIR, "qmp" or "console"; -1 with errno */
int qmp_connect(const struct place *p, const char *name);
/** qmp_process - who listens there; 0: nobody */
int qmp_process(const struct place *p);
struct json_object;

/**
 * qmp_call - a command with arguments
 * @arguments: an object, or NULL; stays the caller's
 * @answer: the caller's from now on; NULL where there is none
 *
 * Return: 0; or 1 or 7 (no answer within @seconds) or 3 (does not run) after a line on stderr
 */
int qmp_call(const struct place *p, const char *command, struct json_object *arguments,
	     struct json_object **answer, double seconds);
/** qmp_set_capability - of a migration stream; 0, or as qmp_call() */
int qmp_set_capability(const struct place *p, const char *name, bool on);
/* Nodes' memory is not in it. */
#define QMP_WITHOUT_REGIONS	"x-ignore-shared"
/** qmp_command - 0; or 1 or 7 (no answer within @seconds) after a line on stderr */
int qmp_command(const struct place *p, const char *command, double seconds);

#endif
