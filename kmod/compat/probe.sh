#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out what this kernel's headers offer: probe.sh OUT "PROBES" COMPILER FLAGS...
# A probe NAME.c that compiles without a warning becomes "#define HAVE_NAME 1".
# "No" is also what a probe says whose compiler does not work, so that two
# controls come first: control/works.c must compile, control/fails.c must not.

out=$1
probes=$2
shift 2
control=$(dirname "$0")/control

compile()
{
	source=$1
	shift
	"$@" -Werror -Wno-missing-prototypes -Wno-missing-declarations -DMODULE \
		-DKBUILD_MODNAME='"probe"' -DKBUILD_BASENAME='"probe"' \
		-c -o "$out.o" "$source" >"$out.log" 2>&1
}

broken()
{
	cat "$out.log" >&2
	echo "probe.sh: $1: what these headers offer cannot be found out: mend compiler or headers" >&2
	rm -f "$out.tmp" "$out.log" "$out.o"
	exit 1
}

compile "$control/works.c" "$@" || broken "control/works.c does not compile"
! compile "$control/fails.c" "$@" || broken "control/fails.c compiles"
{
	echo "/* SPDX-License-Identifier: GPL-2.0 */"
	echo "/* Made by kmod/compat/probe.sh. */"
	for probe in $probes; do
		name=$(basename "$probe" .c | tr a-z A-Z)
		! compile "$probe" "$@" || echo "#define HAVE_$name 1"
	done
} >"$out.tmp" && mv "$out.tmp" "$out"
rm -f "$out.log" "$out.o"
