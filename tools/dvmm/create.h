/* SPDX-License-Identifier: GPL-2.0 */
/* A machine file and its key. */
#ifndef DVMM_CREATE_H
#define DVMM_CREATE_H

#include "file.h"

/** create_mac - an address that no other card has, as far as chance goes; to be freed */
char *create_mac(void);

/**
 * create_machine - write both, the key being a new one
 * @path: of the file, @key: of its key; neither may be there
 * @text: of the file
 *
 * Return: 0, or an exit status after a line on stderr: then @path is not there
 */
int create_machine(const char *path, const char *key, const char *text);

#endif
