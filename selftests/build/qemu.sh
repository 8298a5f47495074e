#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# QEMU's own test of what the series adds to it: what machine files say, and what is refused in them.

. "$(dirname "$0")/lib.sh"
[ -z "$DVMM_QEMU" ] || skip_all "DVMM_QEMU was not built here"
built=$("$top/qemu-patches/build" </dev/null | tail -n 1)
exec "$built/tests/test-dvmm-file" --tap -k
