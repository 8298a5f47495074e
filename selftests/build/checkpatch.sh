#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# checkpatch --strict has nothing to say about our sources.

cd "$(dirname "$0")/../.." || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# unpack_checkpatch SOURCE: what checkpatch needs, out of Debian's linux-source
unpack_checkpatch()
{
	root=$(basename "$1" .tar.xz)/scripts
	tar -C "$scratch" --strip-components=2 --occurrence=1 -xf "$1" \
		"$root/checkpatch.pl" "$root/spelling.txt" "$root/const_structs.checkpatch"
}

source=$(ls /usr/src/linux-source-*.tar.xz 2>/dev/null | sort -V | tail -n 1)
checkpatch=${CHECKPATCH:-$scratch/checkpatch.pl}
[ -n "$CHECKPATCH" ] || [ -z "$source" ] || unpack_checkpatch "$source"
if [ ! -f "$checkpatch" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP no checkpatch.pl: install linux-source-6.12 or give CHECKPATCH="
	exit 0
fi

# About patches to the kernel's own tree.
ignore=FILE_PATH_CHANGES,LINUX_VERSION_CODE,EMBEDDED_FILENAME
# States, events and messages are lists of macros (X-macros), and tables are laid
# out in columns: these types complain of nothing else.
ignore=$ignore,COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_UNUSED,TRAILING_SEMICOLON
ignore=$ignore,LINE_SPACING,MACRO_ARG_PRECEDENCE,BRACKET_SPACE,MULTISTATEMENT_MACRO_USE_DO_WHILE,MACRO_WITH_FLOW_CONTROL
# British spelling; BIT() is not for uapi headers.
ignore=$ignore,TYPO_SPELLING,BIT_MACRO
# TRACE_EVENT() is laid out like this everywhere.
trace=$ignore,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,SPACING
# Userspace and the engine's shim have the types of the C library.
# Vectors of arguments are made where they are used, of what is known there.
user=$ignore,PREFER_KERNEL_TYPES,CAMELCASE,CONST_STRUCT,SSCANF_TO_KSTRTO
user=$user,CONSTANT_COMPARISON,SPLIT_STRING,PREFER_FALLTHROUGH,VOLATILE
user=$user,STATIC_CONST_CHAR_ARRAY,ARRAY_SIZE,AVOID_EXTERNS,STRNCPY,STRCPY,PREFER_DEFINED_ATTRIBUTE_MACRO,EMBEDDED_FUNCTION_NAME

# check IGNORE: complaints about the files named on stdin, NUL-terminated
check()
{
	xargs -0 -r -n 40 perl "$checkpatch" --no-tree --strict --terse --no-summary \
		--quiet --max-line-length=100 --typedefsfile selftests/build/typedefs \
		--ignore "$1" --file
}

sources()
{
	find "$@" -name '*.[ch]' ! -name '*.mod.c' ! -name probes.h ! -name '*.gen.[ch]' -print0
}

echo "TAP version 13"
echo "1..2"
fail=0
bad=$(sources kmod uapi ! -name env.h ! -name trace.h | check "$ignore"
	sources kmod/ipi/trace.h kmod/dsm/machine/trace.h | check "$trace"
	sources kmod/dsm/engine/env.h tools selftests | check "$user")
if [ -z "$bad" ]; then
	echo "ok 1 - checkpatch --strict is silent"
else
	echo "$bad" | sed 's/^/# /'
	echo "not ok 1 - checkpatch --strict is silent"
	fail=1
fi

planted=$scratch/planted.c
printf '// SPDX-License-Identifier: GPL-2.0\nint f(void) {\n\treturn 1;\n}\n' >"$planted"
if printf '%s\0' "$planted" | check "$ignore" | grep -q "open brace"; then
	echo "ok 2 - a misplaced brace is seen"
else
	echo "not ok 2 - a misplaced brace is seen"
	fail=1
fi
exit $fail
