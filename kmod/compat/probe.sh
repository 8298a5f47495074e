#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out what this kernel offers: probe.sh OUT SYMVERS NM "PROBES" COMPILER FLAGS...
# A probe NAME.c becomes "#define HAVE_NAME 1" if it compiles without a warning, and
# SYMVERS, the kernel's Module.symvers, has all functions that it calls, for every module.
# "No" is also what a probe says whose compiler does not work, so that three controls come
# first: control/works.c must be offered; control/fails.c must not compile, and
# control/closed.c must, but calls what no kernel exports.

out=$1
symvers=$2
nm=$3
probes=$4
shift 4
control=$(dirname "$0")/control

compile()
{
	source=$1
	shift
	"$@" -Werror -Wno-missing-prototypes -Wno-missing-declarations -DMODULE \
		-DKBUILD_MODNAME='"probe"' -DKBUILD_BASENAME='"probe"' \
		-c -o "$out.o" "$source" >"$out.log" 2>&1
}

# A fifth column names the modules, or the namespace, that a symbol is kept for.
exported()
{
	$nm -u "$out.o" >"$out.calls" && awk 'NR == FNR { if ($5 == "") open[$2]; next }
		!($NF in open) { print $NF " is not exported to every module"; closed = 1 }
		END { exit closed }' FS='\t' "$symvers" FS=' ' "$out.calls" >"$out.log"
}

offered()
{
	compile "$@" && exported
}

broken()
{
	cat "$out.log" >&2
	echo "probe.sh: $1: what these headers offer cannot be found out: mend compiler or headers" >&2
	rm -f "$out.tmp" "$out.log" "$out.calls" "$out.o"
	exit 1
}

test -s "$symvers" || { echo "probe.sh: no $symvers: install the kernel's headers" >&2; exit 1; }
compile "$control/works.c" "$@" || broken "control/works.c does not compile"
! compile "$control/fails.c" "$@" || broken "control/fails.c compiles"
offered "$control/works.c" "$@" || broken "control/works.c calls what is not in $symvers"
compile "$control/closed.c" "$@" || broken "control/closed.c does not compile"
! exported || broken "control/closed.c calls what $symvers should not have"
{
	echo "/* SPDX-License-Identifier: GPL-2.0 */"
	echo "/* Made by kmod/compat/probe.sh. */"
	for probe in $probes; do
		name=$(basename "$probe" .c | tr a-z A-Z)
		! offered "$probe" "$@" || echo "#define HAVE_$name 1"
	done
} >"$out.tmp" && mv "$out.tmp" "$out"
rm -f "$out.log" "$out.calls" "$out.o"
