// SPDX-License-Identifier: GPL-2.0
/*
 * While this module is loaded the threads that receive for dvmm-tcp get no page from
 * the kernel, unless they ask for one that must not fail.  For tests.
 */
#include <linux/ftrace.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

#define WHO	"dvmm-tcp/"

/* Where kernels give pages out: 6.1; 6.12; later ones. */
static const char * const allocators[] = {
	"__alloc_pages", "__alloc_pages_noprof", "__alloc_frozen_pages_noprof",
};

static atomic_t denied = ATOMIC_INIT(0);

static int poor_get_denied(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&denied));
}

static const struct kernel_param_ops denied_ops = { .get = poor_get_denied };
module_param_cb(denied, &denied_ops, NULL, 0444);

static noinline struct page *poor_nothing(void)
{
	atomic_inc(&denied);
	return NULL;
}

static bool notrace poor_denies(gfp_t gfp)
{
	return in_task() && !(gfp & __GFP_NOFAIL) && !strncmp(current->comm, WHO, sizeof(WHO) - 1);
}

static void notrace poor_redirect(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (poor_denies((__force gfp_t)ftrace_regs_get_argument(fregs, 0)))
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)poor_nothing);
}

static struct ftrace_ops poor_ops = {
	.func = poor_redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION,
};

static int __init poor_init(void)
{
	bool found = false;
	char name[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(allocators); i++) {
		strscpy(name, allocators[i], sizeof(name));
		if (!ftrace_set_filter(&poor_ops, name, strlen(name), !found))
			found = true;
	}
	return found ? register_ftrace_function(&poor_ops) : -ENOENT;
}

static void __exit poor_exit(void)
{
	unregister_ftrace_function(&poor_ops);
	ftrace_free_filter(&poor_ops);
}

module_init(poor_init);
module_exit(poor_exit);
MODULE_DESCRIPTION("dvmm test: no memory for those who receive");
MODULE_LICENSE("GPL");
