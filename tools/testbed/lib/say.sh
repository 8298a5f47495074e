# SPDX-License-Identifier: GPL-2.0
# How scripts of the testbed talk.

say() {
	echo "setup: $*"
}

die() {
	echo "setup: $*" >&2
	exit 1
}

# quietly LOG COMMAND...: shows the end of the output only if it fails
quietly() {
	quiet_log=$1
	shift
	"$@" > "$quiet_log" 2>&1 < /dev/null || {
		tail -n 40 "$quiet_log" >&2
		die "failed: $* (all of its output: $quiet_log)"
	}
}

# key FILE-OR-TEXT...: a short name for these inputs
key() {
	for key_input; do
		if test -f "$key_input"; then cat "$key_input"; else echo "$key_input"; fi
	done | sha256sum | cut -c1-16
}
