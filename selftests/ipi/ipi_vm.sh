#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Two KVM VMs as two nodes of a machine, in this kernel.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_vm
