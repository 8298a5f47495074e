/* SPDX-License-Identifier: GPL-2.0 */
/* Kernels since 7.2 have what is left of it here. */
#include <linux/folio_batch.h>
