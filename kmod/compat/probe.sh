#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out what this kernel's headers offer: probe.sh OUT "PROBES" COMPILER FLAGS...
# A probe NAME.c that compiles without a warning becomes "#define HAVE_NAME 1".

out=$1
probes=$2
shift 2

{
	echo "/* SPDX-License-Identifier: GPL-2.0 */"
	echo "/* Made by kmod/compat/probe.sh. */"
	for probe in $probes; do
		name=$(basename "$probe" .c | tr a-z A-Z)
		if "$@" -Werror -Wno-missing-prototypes -DMODULE -DKBUILD_MODNAME='"probe"' \
			-DKBUILD_BASENAME='"probe"' \
			-c -o /dev/null "$probe" >/dev/null 2>&1; then
			echo "#define HAVE_$name 1"
		fi
	done
} >"$out.tmp" && mv "$out.tmp" "$out"
