#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A node that does not read, in this kernel.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_slow
