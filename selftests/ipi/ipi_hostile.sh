#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A peer that sends malformed interrupts, over TCP.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_hostile
