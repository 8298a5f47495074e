# SPDX-License-Identifier: GPL-2.0
# How scripts of the testbed talk.

say() {
	echo "setup: $*"
}

die() {
	echo "setup: $*" >&2
	exit 1
}

# tell_progress LOG: for as long as this shell lives, now and then how far that is
tell_progress() {
	told=0
	while sleep "${SAY_EVERY:-15}" > /dev/null 2>&1 9>&- && kill -0 $$ 2> /dev/null; do
		told=$((told + ${SAY_EVERY:-15}))
		say "... $told s: $(tr '\r' '\n' < "$1" 2> /dev/null | grep . | tail -n 1 | cut -c1-100)"
	done
}

# patiently LOG COMMAND...: tells how far it is while it runs; its status
patiently() {
	patient_log=$1
	shift
	: > "$patient_log"
	tell_progress "$patient_log" >&2 9>&- &
	patient_teller=$!
	patient_status=0
	"$@" || patient_status=$?
	kill "$patient_teller"
	wait "$patient_teller" 2> /dev/null || true
	return "$patient_status"
}

# quietly LOG COMMAND...: shows the end of the output only if it fails
quietly() {
	quiet_log=$1
	shift
	patiently "$quiet_log" into "$quiet_log" "$@" || {
		tail -n 40 "$quiet_log" >&2
		die "failed: $* (all of its output: $quiet_log)"
	}
}

into() {
	into_log=$1
	shift
	"$@" > "$into_log" 2>&1 < /dev/null
}

# key FILE-OR-TEXT...: a short name for these inputs
key() {
	for key_input; do
		if test -f "$key_input"; then cat "$key_input"; else echo "$key_input"; fi
	done | sha256sum | cut -c1-16
}
