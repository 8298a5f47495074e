#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Every workload with each node in a VM of its own, over TCP; and every checker
with a fault that it has to find.

usage: vms.py NODES [SECONDS-PER-WORKLOAD [WORKLOAD]]
"""
import re
import sys

from vmlib import Machine, load, main

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
WANTED = sys.argv[3:]

# workload, seconds, options
WORK = (
    ('zero', 1, ()),
    ('upgrade', 1, ()),
    ('barriers', 1, ()),
    ('channel', 1, ()),
    ('counters', 1, ()),
    ('counters', 1, ('--migratory',)),
    ('prodcons', 1, ()),
    ('fork', 1, ()),
    ('scan', 1, ()),
    ('scan', 1, ('--prefetch',)),
    ('io', 1, ()),
    ('pressure', 1, ('--cache', str(100 * 4096))),
    ('litmus', 5, ()),
)

# workload, what the last node does to it, what one of the checkers then says
FAULTS = (
    ('zero', f'flip:0:{512 - 16 - 60}', 'is not zero'),
    ('upgrade', 'stale:0:8', 'after the write by'),
    ('barriers', 'stale:0:12', 'left barrier'),
    ('channel', 'stray', 'sent round'),
    ('counters', f'stale:{NODES - 1}:0', 'expected|went from|differ'),
    ('prodcons', 'flip:0:34', 'arrived as'),
    ('fork', f'stale:{NODES - 1}:0', 'expected'),
    ('scan', 'flip:0:60', 'page 60 of region 0 holds'),
    ('io', 'flip:0:70', 'word'),
    ('pressure', 'stale:0:100', 'region 0 page 100'),
    ('litmus', 'flip:0:64', 'lost writes'),
)


def sound(t, workload, times, options):
    """All nodes find what they should."""
    m = Machine(NODES, workload, ('--seconds', str(times * SECONDS), *options), bound=60 + 4 * times * SECONDS)
    statuses = m.wait()
    t.ok(not any(statuses) and not m.bad(), f'{workload}{"".join(" " + o for o in options)}: {NODES} VMs agree',
         f'statuses {statuses}\n{m.text()}')
    if workload == 'scan':
        ahead = re.search('asked ahead for [1-9]', '\n'.join(m.notes()))
        t.ok(bool(ahead) == ('--prefetch' in options), 'pages are asked for ahead where that is wanted', m.notes())
    for note in m.notes():
        t.diag(note)


def spoiled(t, workload, fault, complaint):
    """At least one node finds out, for the right reason, and none hangs."""
    m = Machine(NODES, workload, ('--seconds', '20'), last=('--fault', fault), bound=90)
    statuses = m.wait()
    first = [p.find(f'^not ok.*({complaint})') for p in m.processes]
    t.ok(any(first) and 124 not in statuses, f'control: {workload} finds {fault}', f'statuses {statuses}\n{m.text()}')
    for _, line in filter(None, first):
        t.diag(line)


def test(t):
    """Everything."""
    load(range(NODES))
    for workload, *rest in WORK:
        if not WANTED or workload in WANTED:
            sound(t, workload, *rest)
    for workload, *rest in FAULTS:
        if not WANTED or workload in WANTED:
            spoiled(t, workload, *rest)


main(test)
