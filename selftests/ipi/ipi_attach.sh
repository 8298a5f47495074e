#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A machine while a VM is being attached to it; dvmm-ipi-slow stands in for dvmm-ipi.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
rmmod dvmm-ipi 2> /dev/null
./ipi_attach
status=$?
! grep -q '^dvmm_ipi_slow ' /proc/modules || rmmod dvmm-ipi-slow || { echo "Bail out! dvmm-ipi-slow stays loaded"; exit 1; }
exit $status
