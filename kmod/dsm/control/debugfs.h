/* SPDX-License-Identifier: GPL-2.0 */
/* debugfs: dvmm/<uuid>.<node>/{machine,stats,links,lanes,regions,flights}, read only, "v: 1". */
#ifndef DVMM_DEBUGFS_H
#define DVMM_DEBUGFS_H

struct dvmm_machine;

void dvmm_debugfs_init(void);
void dvmm_debugfs_exit(void);
void dvmm_debugfs_add(struct dvmm_machine *m);
/** dvmm_debugfs_remove - returns when no reader is left */
void dvmm_debugfs_remove(struct dvmm_machine *m);

#endif
