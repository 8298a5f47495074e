/* SPDX-License-Identifier: GPL-2.0 */
/* Extensible ioctl arguments: { u32 size; u32 flags; ... }. */
#ifndef DVMM_ARGS_H
#define DVMM_ARGS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * dvmm_args_in - copy and check an argument
 * @arg: kernel's struct, filled (zeroes where the caller's is shorter)
 * @uarg: the caller's struct
 * @known: sizeof(*@arg)
 * @flags: flags that are known
 *
 * Return: 0; -EFAULT; -EINVAL for a size below the two first fields or unknown
 * flags; -E2BIG if bytes that we do not know are set.
 */
int dvmm_args_in(void *arg, const void __user *uarg, size_t known, u32 flags);

/** dvmm_args_out - give a result back, as much as the caller's size holds */
int dvmm_args_out(void __user *uarg, const void *arg, size_t known);

/** dvmm_args_same_cmd - compare ioctl numbers without the size they encode */
static inline bool dvmm_args_same_cmd(unsigned int a, unsigned int b)
{
	return !((a ^ b) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT));
}

#endif
