#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In whose cgroup threads are.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_cgroup
