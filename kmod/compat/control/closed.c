// SPDX-License-Identifier: GPL-2.0
/* must compile, and yet not be offered: a function that no kernel exports */
#include <linux/module.h>

void dvmm_function_that_no_kernel_has(void);

void probe(void)
{
	dvmm_function_that_no_kernel_has();
}
