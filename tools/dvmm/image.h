/* SPDX-License-Identifier: GPL-2.0 */
/* Files that are copies of others, or what is different in them: cp and qemu-img. */
#ifndef DVMM_IMAGE_H
#define DVMM_IMAGE_H

#include <stdbool.h>

/* Each makes @to: true; false after a line on stderr, and @to is not there. */

/** image_copy - holes stay holes, and where the file system shares blocks, nothing is copied */
bool image_copy(const char *from, const char *to);

/** image_overlay - a qcow2 image that has what is written to it, and the rest from @from */
bool image_overlay(const char *from, const char *format, const char *to);

/** image_flatten - what a qcow2 image @from has with all that is below it, as a plain file */
bool image_flatten(const char *from, const char *to);

/**
 * image_difference - a qcow2 image of what a plain file has otherwise than an image beside @to
 * @whole: that file; @before: the image's name; @format: raw or qcow2
 */
bool image_difference(const char *whole, const char *before, const char *format, const char *to);

#endif
