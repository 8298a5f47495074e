#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# One VM and two machines, in this kernel.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_twice
