#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest with more memory than either of its hosts, and all of it in use."""
import re

import checks
from guestlib import Failed, Machine, load, main, must, unload_all


def host_memory(node):
    """MiB of a host."""
    return int(re.search(r'MemTotal: *(\d+)', must(node, 'cat /proc/meminfo')).group(1)) >> 10


def test(t):
    """Three quarters of each host's memory, filled and checked from both sides."""
    smallest = min(host_memory(0), host_memory(1))
    share = (smallest * 11 // 16) & ~1
    m = Machine([0, 1], cpus=1, memory=share, name='l')
    if m.memory * 2 <= smallest:
        raise Failed(f'hosts of {smallest} MiB')
    load({0, 1})
    try:
        m.start()
        t.diag(f'guest up after {m.up(600):.0f} s')
        checks.cpus_online(t, m)
        total = int(re.search(r'MemTotal: *(\d+)', m.must('cat /proc/meminfo')).group(1)) >> 10
        t.ok(total > smallest, f'the guest has {total} MiB, its hosts {smallest} MiB each')
        free = int(re.search(r'MemAvailable: *(\d+)', m.must('cat /proc/meminfo')).group(1)) >> 10
        each = (free - 96) // 2
        status, text = m.run(f'fill {each} 0 1', 600)
        t.diag(text)
        t.ok(status == 0 and ' 0 wrong' in text, f'{2 * each} MiB hold what both nodes wrote', text)
        checks.faults(t, m, 'filled')
        checks.power_off(t, m)
    finally:
        m.end()
    unload_all(t, (0, 1))


main(test)
