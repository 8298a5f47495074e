// SPDX-License-Identifier: GPL-2.0
/* For LD_PRELOAD: KVM says that the host's TSC runs faster than it does, by one part in 100. */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
	va_list more;
	void *arg;
	int ret;

	va_start(more, request);
	arg = va_arg(more, void *);
	va_end(more);
	ret = syscall(SYS_ioctl, fd, request, arg);
	return request == KVM_GET_TSC_KHZ && ret > 0 ? ret + ret / 100 : ret;
}
