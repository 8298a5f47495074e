# SPDX-License-Identifier: GPL-2.0
"""A record of what a job asked of other nodes, by class of page and by name."""
import os
import re

import hotpages
import traceclasses
import whoasks
from guestlib import must

TRACE = '/sys/kernel/tracing'
EVENTS = 'dvmm/dvmm_step kvm/kvm_page_fault'


def record(hosts):
    """Starts tracing; what the buffer cannot take is lost and told of, nothing is overwritten."""
    for host in hosts:
        must(host, f'test -e {TRACE}/trace || mount -t tracefs none {TRACE}; cd {TRACE}; echo 0 > tracing_on; '
             'echo > trace; echo nooverwrite > trace_options; echo 131072 > buffer_size_kb; '
             f'for e in {EVENTS}; do echo 1 > events/$e/enable; done; echo 1 > tracing_on')


def fetch(hosts, where):
    """Stops tracing: (a file of each host, how many events were lost)."""
    paths, lost = [], 0
    for host in hosts:
        text = must(host, f'cd {TRACE}; echo 0 > tracing_on; for e in {EVENTS}; do echo 0 > events/$e/enable; done; '
                    'cat per_cpu/cpu*/stats | grep -E "overrun|dropped"; grep -E "dvmm_step:|kvm_page_fault:" trace; '
                    'echo > trace; echo 4 > buffer_size_kb', 300)
        lost += sum(map(int, re.findall(r'(?:overrun|dropped events): (\d+)', text)))
        paths.append(os.path.join(where, f'node{host}.trace'))
        with open(paths[-1], 'w') as f:
            f.write(text)
    return paths, lost


def names(symbols, m, region, number, faults):
    """What lives at the addresses of a page that were asked for most."""
    frame = hotpages.frame_of(m, region, number)
    rows = []
    for (address, _), hits in faults[frame].most_common(3):
        rows.append(f'{symbols.nearest(address) or hex(address)} ({hits})')
    return ', '.join(rows) or symbols.at(frame << 12) or 'no name'


def show(t, m, paths, lost):
    """The tables of a record."""
    pages, faults = traceclasses.read(paths)
    symbols = hotpages.Symbols(m)
    t.diag(f'{lost} events lost' if lost else 'no event lost')
    for text in traceclasses.table(pages):
        t.diag(text)
    for region, number, page in traceclasses.hottest(pages):
        t.diag(f'{len(page.requests):5} requests {page.wait_ms():8.0f} ms  {traceclasses.classify(page):18} '
               f'{names(symbols, m, region, number, faults)}')
    whoasks.show(t, m, paths, symbols)
