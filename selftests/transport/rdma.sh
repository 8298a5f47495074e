#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The conformance suite over soft RoCE in one kernel: rdma.sh [ARGUMENTS OF conformance]

cd "$(dirname "$0")" || exit 1
XPORT_ADDRESS=10.78.0.1:7900
export XPORT_ADDRESS
soft-roce ./conformance rdma "$@"
