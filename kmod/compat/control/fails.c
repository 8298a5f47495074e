// SPDX-License-Identifier: GPL-2.0
/* must not compile: a function that no kernel has */
#include <linux/module.h>

void probe(void)
{
	dvmm_function_that_no_kernel_has();
}
