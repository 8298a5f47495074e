/* SPDX-License-Identifier: GPL-2.0 */
/* libFuzzer's entry, which driver.c calls too. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

#endif
