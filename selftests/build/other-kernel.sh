#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The modules run on another kernel than the nodes of every check have: some programs of each part, and
# a guest over two of its hosts.  All of dsm and ipi: DVMM_KERNEL=SERIES make check T="dsm ipi", in a clone.
#
# usage: other-kernel.sh SERIES

. "$(dirname "$0")/lib.sh"
series=${1:?which series, as 6.1}

# One lane: this is run beside others.  A tree of its own, where make builds what has changed since the last time.
tree=${XDG_CACHE_HOME:-$HOME/.cache}/dvmm/other-kernel-$series
log=$tree.log
mkdir -p "$tree"
(cd "$top" && git ls-files -co --exclude-standard) | sort >"$tree.files"
cmp -s "$tree.files" "$tree/.files" || rm -rf "$tree"
mkdir -p "$tree"
tar -C "$top" -c -T "$tree.files" | tar -C "$tree" -x
mv "$tree.files" "$tree/.files"

DVMM_KERNEL=$series "$tree/tools/testbed/check" --serial dsm/uapi dsm/frames dsm/charge dsm/block dsm/guess dsm/snapshot \
	dsm/rehome dsm/members dsm/netlink dsm/stopped ipi/ipi_vm.sh ipi/ipi_attach.sh "transport/conformance tcp" \
	"guest/two-nodes.py two quick small rdma stock" >"$log" 2>&1 </dev/null
status=$?

echo "TAP version 13"
fail=0
count=1
grep -q ", kernel $series\\." "$log"
result $? 1 "nodes run $(sed -n 's/.*, kernel \([^,]*\),.*/\1/p' "$log" | head -n 1)" "$log"
program='^\[ *[0-9]*\] \(ok\|FAILED\) '
while read -r line; do
	count=$((count + 1))
	[ "${line#*FAILED}" = "$line" ]
	result $? $count "$(echo "$line" | sed "s/$program *//")" "$log"
done <<END
$(grep "$program" "$log")
END
[ $status = 0 ] && grep -q "^\[.*\] $((count - 1)) test programs" "$log"
result $? $((count + 1)) "that were all: $(tail -n 1 "$log")" "$log"
echo "1..$((count + 1))"
exit $fail
