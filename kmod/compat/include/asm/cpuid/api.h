/* SPDX-License-Identifier: GPL-2.0 */
/* 6.1 and 6.12 have cpuid_edx() here. */
#include <asm/processor.h>
