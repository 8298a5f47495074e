#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A vCPU moves between three KVM VMs that are nodes of a machine in this kernel.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_move "$@"
