/* SPDX-License-Identifier: GPL-2.0 */
/* The KVM VM of a node; the work is dvmm-ipi's. */
#ifndef DVMM_KVM_H
#define DVMM_KVM_H

#include <linux/dvmm.h>

struct dvmm_machine;
struct seq_file;

/** dvmm_kvm_attach - DVMM_ATTACH_KVM */
int dvmm_kvm_attach(struct dvmm_machine *m, const struct dvmm_attach_kvm *arg);
/** dvmm_kvm_place - DVMM_PLACE_VCPU; the result is in @arg */
int dvmm_kvm_place(struct dvmm_machine *m, struct dvmm_place_vcpu *arg);
/** dvmm_kvm_runs - is a VM or a vCPU on its way, or one placed here?  With m->lock */
bool dvmm_kvm_runs(const struct dvmm_machine *m);
void dvmm_kvm_detach(struct dvmm_machine *m);
void dvmm_kvm_show(struct dvmm_machine *m, struct seq_file *seq);

#endif
