/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DVMM_CHARDEV_H
#define DVMM_CHARDEV_H

int dvmm_chardev_init(void);
void dvmm_chardev_exit(void);

#endif
