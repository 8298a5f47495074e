/* SPDX-License-Identifier: GPL-2.0 */
/* An instance of tracefs of our own, so that no other user of tracefs notices. */
#ifndef DVMM_TRACEFS_H
#define DVMM_TRACEFS_H

#include <stdbool.h>

#define TRACEFS	"/sys/kernel/tracing"

/** tracefs_make - its directory, for tracefs_end(); NULL after a line on stderr */
char *tracefs_make(void);
void tracefs_end(char *dir);

/** tracefs_write - false after a line on stderr */
bool tracefs_write(const char *dir, const char *file, const char *text);
/** tracefs_read - all of it, to be freed; "" if it cannot be read */
char *tracefs_read(const char *dir, const char *file);
/** tracefs_sleep - that long, or until somebody wants this process to end */
void tracefs_sleep(double seconds);

#endif
