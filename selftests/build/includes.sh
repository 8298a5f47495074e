#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Includes flow one way: uapi <- engine <- the folders of dsm in their order; transport/ and
# ipi/ see only their own headers, the uapi, their contracts in include/dvmm and the kernel.
# Since a function is declared in its file's header, calls flow as includes do.

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

# dsm ROOT: each folder of dvmm.ko, in Kbuild's order, sees itself and what is below it
dsm()
{
	below=engine
	for folder in $(sed -n 's/^dsm-folders := //p' Kbuild | tr ' ' '\n' | tac); do
		[ "$folder" != engine ] || continue
		[ ! -d "$1/kmod/dsm/$folder" ] || offences "$1/kmod/dsm/$folder" \
			"linux/dvmm(_netlink)?\.h|dvmm/$own|($below)/$own|$own"
		below="$below|$folder"
	done
	find "$1/kmod/dsm" -maxdepth 1 -name '*.[ch]' 2>/dev/null
}

# tree ROOT: every rule of the project, against the sources under ROOT
tree()
{
	[ ! -d "$1/uapi/linux" ] || offences "$1/uapi/linux" 'none'
	[ ! -d "$1/kmod/include/dvmm" ] || offences "$1/kmod/include/dvmm" 'none'
	[ ! -d "$1/kmod/dsm/engine" ] ||
		offences "$1/kmod/dsm/engine" "linux/dvmm\.h|$own"
	dsm "$1"
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
mkdir -p "$tmp/kmod/dsm/engine" "$tmp/kmod/dsm/link" "$tmp/kmod/transport"
echo '#include "../machine.h"' >"$tmp/kmod/dsm/engine/a.c"
echo '#include "../dsm/link/link.h"' >"$tmp/kmod/transport/b.c"
printf '#include "link.h"\n#include "memory/region.h"\n#include "machine/machine.h"\n' >"$tmp/kmod/dsm/link/c.c"
: >"$tmp/kmod/dsm/nowhere.c"
found=$(tree "$tmp" | wc -l)
if [ "$found" = 4 ]; then
	echo "ok 2 - includes of the wrong direction are found, and a file without a folder"
else
	tree "$tmp" | sed 's/^/# /'
	echo "not ok 2 - includes of the wrong direction are found, and a file without a folder"
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
