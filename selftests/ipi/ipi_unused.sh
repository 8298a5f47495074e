#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The loss of a new member, with a man in the middle of its link.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
exec ./ipi_unused
