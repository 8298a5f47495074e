# SPDX-License-Identifier: GPL-2.0
"""What a kernel log says that no test may leave behind."""
import re

REPORT = re.compile(
    r'\bWARNING: |\bBUG: |\bBUG at |\bOops: |general protection fault|Kernel panic'
    r'|UBSAN: |KASAN: |KCSAN: |kmemleak: \d+ new|unable to handle|refcount_t: '
    r'|possible recursive locking|circular locking|inconsistent lock state'
    r'|INFO: task .* blocked|detected stall|soft lockup|list_(add|del) corruption'
    r'|sleeping function called|suspicious RCU usage|held lock freed|Bad page|Bad rss|still has locks held')

# said by stock kernels in these virtual machines, dvmm or not
HARMLESS = re.compile(r'Speculative Return Stack Overflow|RETBleed|Spectre|unable to handle.*IBPB'
                      # of the CPU that Bochs emulates, while the kernel starts
                      r'|WARNING: .* parse_legacy\+|WARNING: .* fpu__init_system_xstate\+')


def reports(text):
    """The lines of a kernel log that are reports of a fault."""
    return [line.strip() for line in text.splitlines()
            if REPORT.search(line) and not HARMLESS.search(line)]
