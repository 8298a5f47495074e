/* SPDX-License-Identifier: GPL-2.0 */
/* Kernels before 6.12 have it in asm/. */
#include <asm/unaligned.h>
