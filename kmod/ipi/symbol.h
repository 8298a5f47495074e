/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DVMM_IPI_SYMBOL_H
#define DVMM_IPI_SYMBOL_H

/**
 * dvmm_ipi_symbol - find a function that is not exported
 * @name: its name
 * @start: result: its address
 * @size: result: its length in bytes
 *
 * Return: 0 or -errno.  Process context.
 */
int dvmm_ipi_symbol(const char *name, unsigned long *start, unsigned long *size);

#endif
