#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Documentation builds without a warning, and so do the contracts in headers; what troubleshooting explains is said by something.

. "$(dirname "$0")/lib.sh"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$top" || exit 1

echo "TAP version 13"
echo "1..3"
fail=0

if command -v sphinx-build >/dev/null; then
	make -s htmldocs HTML="$tmp/html" >"$tmp/log" 2>&1 && [ -s "$tmp/html/troubleshooting.html" ]
	result $? 1 "sphinx has nothing to say about Documentation" "$tmp/log"
else
	echo "ok 1 - sphinx has nothing to say about Documentation # SKIP python3-sphinx is not installed"
fi

# What stands for something else, in a message or in what prints it, ends a piece of it.
python3 - >"$tmp/log" <<'END'
import glob
import re
said = ''
for name in glob.glob('kmod/**/*.c', recursive=True) + glob.glob('tools/dvmm/*.c') + glob.glob('qemu-patches/*.patch'):
    with open(name, encoding='utf-8') as f:
        said += re.sub(r'"\s*\n\+?\s*"|" DVMM_DEVICE *"', '', f.read().replace('" DVMM_DEVICE)', '/dev/dvmm"'))
with open('Documentation/troubleshooting.rst', encoding='utf-8') as f:
    titles = [line for line in f if line.startswith('``') and not line.startswith('``/')]
others = 'Property ', 'could not load PC BIOS'     # QEMU's own
for text in re.findall(r'``([^`]+)``', ''.join(titles)):
    pieces = [p for p in re.split(r"\.\.\.|'[^' ]*'|\b[A-Z]\b|ADDRESS|127\.0\.1\.1|: (?:Add|Conn|No r|Cann|Perm)\S.*", text) if p]
    piece = max(pieces, key=len).strip(" ':")
    if not text.startswith(others) and piece not in said:
        print(f'nothing says "{piece}" of: {text}')
END
[ ! -s "$tmp/log" ]
result $? 2 "what troubleshooting explains is said" "$tmp/log"

# The kernel's own reader of such comments
reader=${KDIR:-/}/scripts/kernel-doc
if [ -x "$reader" ]; then
	find kmod uapi -name '*.h' -exec "$reader" -none {} + >"$tmp/log" 2>&1
	! grep -q warning "$tmp/log"
	result $? 3 "kernel-doc has nothing to say about the headers" "$tmp/log"
else
	echo "ok 3 - kernel-doc has nothing to say about the headers # SKIP no headers of a kernel"
fi
exit $fail
