/* SPDX-License-Identifier: GPL-2.0 */
/* What the pure files (route, wire, ring) need from their surroundings. */
#ifndef DVMM_IPI_ENV_H
#define DVMM_IPI_ENV_H

#ifdef __KERNEL__
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>
#else
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#define cpu_to_le32(x) htole32(x)
#define le32_to_cpu(x) le32toh(x)
#define hweight32(x) ((unsigned int)__builtin_popcount(x))
#endif

#endif
