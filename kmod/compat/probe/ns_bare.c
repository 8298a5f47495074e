// SPDX-License-Identifier: GPL-2.0
/* namespaces of symbols are bare words (until 6.12), not strings */
#include <linux/module.h>

MODULE_IMPORT_NS(DVMM);
