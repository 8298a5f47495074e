#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The compile probes say what is so, and a compiler that does not work stops the
# build instead of making every answer "no".

. "$(dirname "$0")/lib.sh"
[ -n "$KDIR" ] || skip_all "no kernel headers"
copy_tree

# build [VARIABLE=VALUE...]: the smallest module, and the probes before it
build()
{
	rm -f "$tmp/tree/kmod/compat/probes.h"
	make -C "$tmp/tree" modules KDIR="$KDIR" DVMM_MODULES=dvmm-loop \
		KBUILD_MODPOST_WARN=1 "$@" >"$tmp/log" 2>&1
}

# compiler COMMAND: one that does COMMAND instead where a probe is compiled
compiler()
{
	real=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' "$KDIR/.config")
	command -v "$real" >/dev/null || real=gcc
	cat >"$tmp/cc" <<-END
		#!/bin/sh
		case "\$*" in *KBUILD_MODNAME='"probe"'*) $1 ;; esac
		exec $real "\$@"
	END
	chmod +x "$tmp/cc"
}

echo "TAP version 13"
echo "1..8"
fail=0

echo 'int probe(int a) { return a; }' >"$tmp/tree/kmod/compat/probe/planted_yes.c"
echo 'int probe(int a) { return no_such_function(a); }' >"$tmp/tree/kmod/compat/probe/planted_no.c"
cat >"$tmp/tree/kmod/compat/probe/planted_unexported.c" <<'END'
int no_such_function(int a);
int probe(int a) { return no_such_function(a); }
END
kept=$(awk -F'\t' '$5 != "" { print $2; exit }' "$KDIR/Module.symvers")
sed "s/no_such_function/$kept/" "$tmp/tree/kmod/compat/probe/planted_unexported.c" \
	>"$tmp/tree/kmod/compat/probe/planted_kept.c"
sed "s/no_such_function/int_sqrt/" "$tmp/tree/kmod/compat/probe/planted_unexported.c" \
	>"$tmp/tree/kmod/compat/probe/planted_exported.c"
build KCFLAGS=-Wmissing-declarations
result $? 1 "a module is built after the probes" "$tmp/log"
grep -q '^#define HAVE_PLANTED_YES 1' "$tmp/tree/kmod/compat/probes.h"
result $? 2 "a probe that compiles says yes, though no header declares its function" \
	"$tmp/tree/kmod/compat/probes.h"
! grep -q PLANTED_NO "$tmp/tree/kmod/compat/probes.h"
result $? 3 "a probe that does not compile says no"

grep -q '^#define HAVE_PLANTED_EXPORTED 1' "$tmp/tree/kmod/compat/probes.h" &&
	! grep -q PLANTED_UNEXPORTED "$tmp/tree/kmod/compat/probes.h"
result $? 4 "a probe that calls what the kernel does not export says no" "$tmp/tree/kmod/compat/probes.h"
[ -n "$kept" ] && ! grep -q PLANTED_KEPT "$tmp/tree/kmod/compat/probes.h"
result $? 5 "so does one that calls what it exports to some modules only ($kept)"

compiler "echo planted >&2; exit 1"
! build CC="$tmp/cc" && grep -q 'control/works.c does not compile: .*mend' "$tmp/log"
result $? 6 "a compiler that fails is named, and the build stops" "$tmp/log"
compiler "exit 0"
! build CC="$tmp/cc" && grep -q 'control/fails.c compiles: .*mend' "$tmp/log"
result $? 7 "a compiler that accepts everything is named, and the build stops" "$tmp/log"

# Other kernels' headers are not always at hand: names that compat.h has an own one for.
! grep -rnwE '__assign_str|hrtimer_init|hrtimer_setup|folio_mapcount\(folio' "$top/kmod/dsm" "$top/kmod/ipi" \
	"$top/kmod/transport" --include='*.[ch]' >"$tmp/log"
result $? 8 "no file goes past compat.h" "$tmp/log"
exit $fail
