#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Interrupts between two nodes, measured beside small messages.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_bench
