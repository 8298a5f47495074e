/* SPDX-License-Identifier: GPL-2.0 */
/* One machine's debugfs files as text for people or as JSON. */
#ifndef DVMM_REPORT_H
#define DVMM_REPORT_H

#include <stdbool.h>

void report_begin(bool json);
/**
 * report_machine - print one machine
 * @dir: debugfs directory of dvmm
 * @name: "<uuid>.<node>"
 * @json: form
 * @index: how many came before
 *
 * Return: 0; 1 if a file could not be read or is of a version that this
 * program does not know (said on stderr).
 */
int report_machine(const char *dir, const char *name, bool json, int index);
void report_end(bool json, int count);

#endif
