/* SPDX-License-Identifier: GPL-2.0 */
/* Transient units of the host's systemd. */
#ifndef DVMMD_SERVICE_H
#define DVMMD_SERVICE_H

#include <stdbool.h>

#include "unit.h"

/**
 * struct service_ops - what is heard of units
 * @found: one that an earlier dvmmd of this host has started runs
 * @known: all of those were told
 * @active: it is ready
 * @ended: and why; "" for no fault
 */
struct service_ops {
	void (*found)(void *arg, const char *machine, const char *node, unsigned int run,
		      unsigned int cell);
	void (*known)(void *arg);
	void (*active)(void *arg, const char *machine, const char *node);
	void (*ended)(void *arg, const char *machine, const char *node, const char *reason);
};

struct services;

/**
 * services_open - connects to systemd, and tells later what of dvmmd's runs there
 * @why: what is wrong, one line to be freed
 *
 * Return: NULL and @why.
 */
struct services *services_open(const struct service_ops *ops, void *arg, char **why);
void services_close(struct services *all);
/** services_are_known - whether what an earlier dvmmd has left was told */
bool services_are_known(const struct services *all);

/**
 * service_start - its end is told, also if it does not begin
 * @commands: as runner_prepare() gives them; it is active when all but the first have ended well
 */
void service_start(struct services *all, const struct unit *u, const GPtrArray *commands);
void service_stop(struct services *all, const struct unit *u);

/** service_name - of the unit, to be freed: no two cells have the same */
char *service_name(const char *machine, const char *node);

#endif
