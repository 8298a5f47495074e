/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU's command line for a node of a machine. */
#ifndef DVMM_GUEST_H
#define DVMM_GUEST_H

#include "place.h"

/** guest_is_path - whether the value of that key is one */
bool guest_is_path(const char *key);
/** guest_image_format - what QEMU calls the format of an image of that name */
const char *guest_image_format(const char *path);
/**
 * guest_argv - program and arguments
 * @from: the checkpoint that the boot node begins with, or NULL
 * @waits: its state is not loaded before QEMU is told to
 *
 * Return: to be freed by g_strfreev()
 */
char **guest_argv(const struct file *f, const struct place *p, const char *from, bool waits);

/** guest_program - the QEMU to be used: $DVMM_QEMU, the packaged one, or that of the path */
const char *guest_program(void);

/* Firmware of firmware = uefi; variables are copied from there. */
#define GUEST_UEFI_CODE	"/usr/share/OVMF/OVMF_CODE_4M.fd"
#define GUEST_UEFI_VARS	"/usr/share/OVMF/OVMF_VARS_4M.fd"
/* What puts a card into a bridge that /etc/qemu/bridge.conf allows; of qemu-system-common. */
#define GUEST_BRIDGE	"/usr/lib/qemu/qemu-bridge-helper"

#endif
