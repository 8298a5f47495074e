/* SPDX-License-Identifier: GPL-2.0 */
/* Watching the place in KVM where every interrupt message is resolved. */
#ifndef DVMM_IPI_HOOK_H
#define DVMM_IPI_HOOK_H

/**
 * dvmm_ipi_hook_get - have the hook in place
 *
 * Return: 0 or -errno, after a line in the kernel log.  Process context.
 */
int dvmm_ipi_hook_get(void);

/** dvmm_ipi_hook_put - need it no more; after the last one no handler runs */
void dvmm_ipi_hook_put(void);

#endif
