/* SPDX-License-Identifier: GPL-2.0 */
/* A cgroup of the test's own, to see what is charged to it. */
#ifndef DVMM_TEST_CGROUP_H
#define DVMM_TEST_CGROUP_H

#include <stdbool.h>

/** cgroup_make - mount the hierarchy and make the group; false with errno where there is none */
bool cgroup_make(void);
/** cgroup_remove - nobody is in it any more */
void cgroup_remove(void);
/** cgroup_enter - this process joins the group */
bool cgroup_enter(void);
/** cgroup_leave - and goes back to the root */
bool cgroup_leave(void);
/** cgroup_bound - its memory.max, e.g. "6M" or "max" */
bool cgroup_bound(const char *bytes);
/** cgroup_slow - its memory.high */
bool cgroup_slow(const char *bytes);
/** cgroup_orphan - the group goes, whatever is charged to it; nobody is in it any more */
bool cgroup_orphan(void);
/** cgroup_bytes - its memory.current */
long long cgroup_bytes(void);
/** cgroup_put - write to any file; for others in /proc and /sys, too */
bool cgroup_put(const char *file, const char *text);

#endif
