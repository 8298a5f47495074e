/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contract between dvmm.ko, which owns machines, and the module that knows KVM.
 * At most one such service is registered; dvmm.ko loads it by name when a VM is
 * attached.  Teardown: every detach() has returned before unregister is called,
 * because an attachment holds a reference on the service's module.
 */
#ifndef DVMM_KVM_SERVICE_H
#define DVMM_KVM_SERVICE_H

#include <linux/types.h>

struct dvmm_machine;
struct file;
struct module;
struct seq_file;

/**
 * struct dvmm_kvm_service - what dvmm-ipi offers to dvmm.ko
 * @owner: THIS_MODULE
 * @attach: bind the KVM VM behind @vm to node @m.  @nodes_of[apic id] is a node
 *	or 0xffff; copied.  Process context, MAY take seconds: no lock of dvmm.ko is
 *	held, and @m MAY stop meanwhile.  Returns the service's own word or ERR_PTR;
 *	the service holds a reference on the VM until detach
 * @place: a vCPU runs on another node from now on: see struct dvmm_place_vcpu, whose
 *	@eoi is the result.  Process context, MAY wait for room to the node where
 *	the vCPU was; nobody calls it twice at a time, nor while detach() runs
 * @runs: is any vCPU placed on this node?  Takes no lock
 * @detach: undo; returns when no interrupt of this VM is in flight here
 * @show: optional, for debugfs
 */
struct dvmm_kvm_service {
	struct module *owner;
	void *(*attach)(struct dvmm_machine *m, struct file *vm,
			const u16 *nodes_of, unsigned int count);
	int (*place)(void *priv, u32 id, u16 node, u32 *eoi);
	bool (*runs)(void *priv);
	void (*detach)(void *priv);
	void (*show)(void *priv, struct seq_file *m);
};

/** dvmm_kvm_register - offer the service; -EBUSY if one is registered */
int dvmm_kvm_register(const struct dvmm_kvm_service *s);
/** dvmm_kvm_unregister - withdraw it; attachments hold a module reference */
void dvmm_kvm_unregister(const struct dvmm_kvm_service *s);

#endif
