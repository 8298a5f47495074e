// SPDX-License-Identifier: GPL-2.0
/* must be offered wherever modules are: headers, functions, and one that no header declares */
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/sock.h>

int probe(struct page *page)
{
	kfree(page);
	return page_count(page);
}
