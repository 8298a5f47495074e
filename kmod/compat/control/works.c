// SPDX-License-Identifier: GPL-2.0
/* must compile wherever modules do: headers, and a function that no header declares */
#include <linux/module.h>
#include <linux/mm.h>
#include <net/sock.h>

int probe(struct page *page)
{
	return page_count(page);
}
