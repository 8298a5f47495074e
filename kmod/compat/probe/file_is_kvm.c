// SPDX-License-Identifier: GPL-2.0
/* Every module may ask whether a file is a VM (6.1, 6.12; not 7.2). */
#include <linux/kvm_host.h>

bool probe(struct file *file);
bool probe(struct file *file)
{
	return file_is_kvm(file);
}
