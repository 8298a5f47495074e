/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernels, found by the compile probes in probe/ and
 * smoothed out here, so that no other file asks which kernel it is built for.
 * Force-included in every file of the modules.
 */
#ifndef DVMM_COMPAT_H
#define DVMM_COMPAT_H

#include "probes.h"

#ifndef HAVE_NS_BARE
/* EXPORT_SYMBOL_NS_GPL(sym, DVMM) and MODULE_IMPORT_NS(DVMM) want a string. */
#define DVMM "DVMM"
#endif

/*
 * Older kernels derive from sk_allocation whether current->task_frag may be
 * used: GFP_NOIO says no.
 */
#ifdef HAVE_SK_USE_TASK_FRAG
#define dvmm_sk_own_frag(sk) ((sk)->sk_use_task_frag = false)
#else
#define dvmm_sk_own_frag(sk) ((void)(sk))
#endif

#ifdef HAVE_HRTIMER_SETUP
#define dvmm_hrtimer_setup(timer, fn) \
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL)
#else
#define dvmm_hrtimer_setup(timer, fn) do {				\
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);		\
	(timer)->function = (fn);					\
} while (0)
#endif

/*
 * Before 6.5 what is given to a socket is copied.  A stable 6.1 has the flag all the
 * same, but its TLS takes no message that bears it.
 */
#ifdef HAVE_SENDPAGE
#define DVMM_MSG_SPLICE 0
#else
#define DVMM_MSG_SPLICE MSG_SPLICE_PAGES
#endif

#ifndef HAVE_VM_FLAGS_SET
#define vm_flags_set(vma, flags) ((void)((vma)->vm_flags |= (flags)))
#endif

/* In a struct address_space_operations: what happens to a folio with a memory error. */
#ifdef HAVE_ERROR_REMOVE_FOLIO
#define DVMM_ERROR_REMOVE(fn) .error_remove_folio = (fn)
#else
#define DVMM_ERROR_REMOVE(fn) \
	.error_remove_page = (int (*)(struct address_space *, struct page *))(fn)
#endif

#ifndef HAVE_COPY_MC_HIGHPAGE
#define copy_mc_highpage(to, from) (copy_highpage(to, from), 0)
#endif

#ifndef HAVE_RELEASE_FAULT_LOCK
#define release_fault_lock(vmf) mmap_read_unlock((vmf)->vma->vm_mm)
#endif

/* In a tracepoint's TP_fast_assign; @src is what __string() was given. */
#ifdef HAVE_ASSIGN_STR_ONE
#define dvmm_assign_str(dst, src) __assign_str(dst)
#else
#define dvmm_assign_str(dst, src) __assign_str(dst, src)
#endif

/* The attributes that a dump was asked for with. */
#ifdef HAVE_GENL_INFO_DUMP
#define dvmm_genl_attrs(cb) (genl_info_dump(cb)->attrs)
#else
#define dvmm_genl_attrs(cb) (genl_dumpit_info(cb)->attrs)
#endif

/* In a struct genl_multicast_group: who joins it needs CAP_NET_ADMIN. */
#ifdef HAVE_GENL_MCAST_CAP
#define DVMM_GENL_MCAST_ADMIN GENL_MCAST_CAP_NET_ADMIN
#else
#define DVMM_GENL_MCAST_ADMIN GENL_UNS_ADMIN_PERM
#endif

#ifndef HAVE_FTRACE_REGS_ARGUMENT
#define ftrace_regs_get_argument(fregs, n) regs_get_kernel_argument(&(fregs)->regs, n)
#define ftrace_regs_set_instruction_pointer(fregs, ip) \
	ftrace_instruction_pointer_set(fregs, ip)
#endif

/*
 * Of a struct kvm_apic_map, where KVM shows it: KVM_APIC_MODE_* or nothing of
 * the kind.  In older kernels each bit is a mode that some vCPU is in, so that
 * what all have in common is one bit.
 */
#if defined(HAVE_APIC_MAP_LOGICAL_MODE)
#define dvmm_apic_map_mode(map) ((map)->logical_mode)
#elif defined(HAVE_APIC_MAP_MODE)
#define dvmm_apic_map_mode(map) ((map)->mode)
#endif

/* Of a struct kvm, where it can have Xen's interfaces. */
#if defined(HAVE_XEN_HVM_CONFIG)
#define dvmm_xen_config(vm) ((vm)->arch.xen_hvm_config)
#elif defined(HAVE_XEN_CONFIG_NESTED)
#define dvmm_xen_config(vm) ((vm)->arch.xen.hvm_config)
#elif IS_ENABLED(CONFIG_KVM_XEN)
#error "this kernel's KVM hides where a VM has Xen's interfaces"
#endif

/* In a struct vmcb_control_area: the word at 090h. */
#ifdef HAVE_VMCB_MISC_CTL
#define dvmm_nested_ctl misc_ctl
#else
#define dvmm_nested_ctl nested_ctl
#endif

#endif
