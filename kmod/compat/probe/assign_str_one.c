// SPDX-License-Identifier: GPL-2.0
/* __assign_str() takes no source: __string() keeps it (since 6.10) */
#include <linux/kernel.h>
#include <linux/stringify.h>
#include <trace/stages/stage6_event_callback.h>

const char *probe(void)
{
	return __stringify(__assign_str(field));
}
