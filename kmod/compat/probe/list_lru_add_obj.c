// SPDX-License-Identifier: GPL-2.0
/* list_lru_add() finds out itself whose object it is given (until 6.7). */
#include <linux/list_lru.h>

bool probe(struct list_lru *lru, struct list_head *item);
bool probe(struct list_lru *lru, struct list_head *item)
{
	return list_lru_add_obj(lru, item);
}
