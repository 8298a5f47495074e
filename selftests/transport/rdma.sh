#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The conformance suite over soft RoCE in one kernel: rdma.sh [ARGUMENTS OF conformance]

cd "$(dirname "$0")" || exit 1
netdev=to1
address=10.78.0.1	# of its own: the cable's are point to point, which RoCE does not know
if ! ip addr add $address/24 dev $netdev || ! modprobe rdma_rxe ||
	! rdma link add dvmm-rxe type rxe netdev $netdev; then
	echo "Bail out! no soft RoCE on $netdev"
	exit 1
fi
trap 'rdma link delete dvmm-rxe; ip addr del $address/24 dev $netdev' EXIT
XPORT_ADDRESS=$address:7900
export XPORT_ADDRESS
./conformance rdma "$@"
