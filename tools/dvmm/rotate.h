/* SPDX-License-Identifier: GPL-2.0 */
/* One name for the last of several checkpoints: NAME is a symbolic link to NAME.N. */
#ifndef DVMM_ROTATE_H
#define DVMM_ROTATE_H

#include <stdbool.h>

/**
 * rotate_next - where the next one is to be made
 * @link: the name
 *
 * Return: to be freed; NULL after a line on stderr: @link is something else.
 */
char *rotate_next(const char *link);

/**
 * rotate_to - @link names @dir from now on, at once
 *
 * Those with lower numbers are removed, and what is left of some that were never whole.
 * Return: true; false after a line on stderr: then @link is as it was.
 */
bool rotate_to(const char *link, const char *dir);

/** rotate_forget - those before @dir are removed; only such as have a file @having, if not NULL */
void rotate_forget(const char *link, const char *dir, const char *having);

#endif
