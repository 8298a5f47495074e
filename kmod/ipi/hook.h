/* SPDX-License-Identifier: GPL-2.0 */
/* Watching the places in KVM where interrupt messages are resolved. */
#ifndef DVMM_IPI_HOOK_H
#define DVMM_IPI_HOOK_H

/**
 * dvmm_ipi_hooks_place - have the hooks in place, from now on
 *
 * Return: 0 or -errno, after a line in the kernel log.  Process context.
 */
int dvmm_ipi_hooks_place(void);

/**
 * dvmm_ipi_hooks_remove - take them away; on return no handler runs
 *
 * Only when the module goes.  MUST NOT return while a handler may be called: it
 * never does if ftrace fails to remove one.  Process context.
 */
void dvmm_ipi_hooks_remove(void);

#endif
