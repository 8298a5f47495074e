// SPDX-License-Identifier: GPL-2.0
/* sendmsg() that takes pages by reference (since 6.5) */
#include <linux/socket.h>

int probe(void);
int probe(void)
{
	return MSG_SPLICE_PAGES;
}
