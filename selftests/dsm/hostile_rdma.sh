#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A hostile peer over soft RoCE in one kernel: hostile_rdma.sh [SEED [CASES]]

cd "$(dirname "$0")" || exit 1
if test -x ./hostile_rdma; then
	soft-roce ./hostile_rdma 10.78.0.1 "$@"
else
	echo "1..0 # SKIP hostile_rdma was not built: librdmacm-dev libibverbs-dev libnl-route-3-dev"
fi
