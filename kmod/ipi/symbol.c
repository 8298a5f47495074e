// SPDX-License-Identifier: GPL-2.0
/* Finding functions that are not exported, in order to watch them. */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "symbol.h"

/* A probe that lives for an instant: modules may not look names up otherwise. */
static int address_of(const char *name, unsigned long *address)
{
	struct kprobe probe = { .symbol_name = name };
	int err = register_kprobe(&probe);

	if (err)
		return err;
	*address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

int dvmm_ipi_symbol(const char *name, unsigned long *start, unsigned long *size)
{
	char text[KSYM_SYMBOL_LEN];
	unsigned long address, offset;
	const char *plus;
	int err;

	err = address_of(name, &address);
	if (err)
		return err;
	/* "name+0xOFFSET/0xSIZE [module]" */
	sprint_symbol(text, address);
	plus = strrchr(text, '+');
	if (!plus || sscanf(plus, "+0x%lx/0x%lx", &offset, size) != 2)
		return -ENOENT;
	*start = address - offset;
	return 0;
}
