// SPDX-License-Identifier: GPL-2.0
/* ->error_remove_folio is ->error_remove_page before 6.8. */
#include <linux/fs.h>

int probe(struct address_space *mapping, struct folio *folio);
int probe(struct address_space *mapping, struct folio *folio)
{
	return mapping->a_ops->error_remove_folio(mapping, folio);
}
