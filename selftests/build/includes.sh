#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Includes flow one way: uapi <- engine <- dsm glue; transport/ and ipi/ see only
# their own headers, the uapi, their contracts in include/dvmm and the kernel.

cd "$(dirname "$0")/../.." || exit 1

# offences DIRECTORY ALLOWED: lines of DIRECTORY's sources (not its directories)
# that include a file of this project outside ALLOWED, an extended regex.
offences()
{
	find "$1" -maxdepth 1 -name '*.[ch]' -exec \
		grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+("|<dvmm/|<linux/dvmm(_netlink)?\.h>)' {} + |
		grep -vE "include[[:space:]]+[\"<]($2)[\">]"
}

own='[a-z0-9_]+\.h'

# tree ROOT: every rule of the project, against the sources under ROOT
tree()
{
	[ ! -d "$1/uapi/linux" ] || offences "$1/uapi/linux" 'none'
	[ ! -d "$1/kmod/include/dvmm" ] || offences "$1/kmod/include/dvmm" 'none'
	[ ! -d "$1/kmod/dsm/engine" ] ||
		offences "$1/kmod/dsm/engine" "linux/dvmm\.h|$own"
	[ ! -d "$1/kmod/dsm" ] ||
		offences "$1/kmod/dsm" "linux/dvmm(_netlink)?\.h|dvmm/$own|engine/$own|$own"
	[ ! -d "$1/kmod/transport" ] ||
		offences "$1/kmod/transport" "linux/dvmm\.h|dvmm/transport\.h|$own"
	[ ! -d "$1/kmod/ipi" ] ||
		offences "$1/kmod/ipi" "linux/dvmm\.h|dvmm/(channel|kvm)\.h|$own"
	# The engine is compiled into userspace: what it takes from the kernel
	# goes through env.h.
	grep -HnE '#[[:space:]]*include[[:space:]]*<' "$1"/kmod/dsm/engine/*.[ch] 2>/dev/null |
		grep -vE '/env\.h:|<linux/dvmm\.h>'
}

echo "TAP version 13"
echo "1..3"
fail=0

bad=$(tree .)
if [ -z "$bad" ]; then
	echo "ok 1 - includes flow one way"
else
	echo "$bad" | sed 's/^/# /'
	echo "not ok 1 - includes flow one way"
	fail=1
fi

# The check must see what it is there for.
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/kmod/dsm/engine" "$tmp/kmod/transport"
echo '#include "../machine.h"' >"$tmp/kmod/dsm/engine/a.c"
echo '#include "../dsm/link.h"' >"$tmp/kmod/transport/b.c"
found=$(tree "$tmp" | wc -l)
if [ "$found" = 2 ]; then
	echo "ok 2 - an include of the wrong direction is found"
else
	tree "$tmp" | sed 's/^/# /'
	echo "not ok 2 - an include of the wrong direction is found"
	fail=1
fi

echo '#include <linux/sched.h>' >"$tmp/kmod/dsm/engine/a.c"
rm "$tmp/kmod/transport/b.c"
if tree "$tmp" | grep -q 'sched.h'; then
	echo "ok 3 - a kernel header in the engine is found"
else
	echo "not ok 3 - a kernel header in the engine is found"
	fail=1
fi
exit $fail
