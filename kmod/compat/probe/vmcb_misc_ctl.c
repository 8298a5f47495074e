// SPDX-License-Identifier: GPL-2.0
/* nested_ctl of AMD's VMCB is misc_ctl in 7.2. */
#include <linux/kvm_host.h>
#include <asm/svm.h>

u64 probe(struct vmcb_control_area *control);
u64 probe(struct vmcb_control_area *control)
{
	return control->misc_ctl;
}
