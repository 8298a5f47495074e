#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Works for as long as one likes, with every value checked: processes on all nodes with
policies chosen by chance, then a guest whose CPUs come and go.

usage: soak.py NODES; $DVMM_SOAK_MINUTES (10), $DVMM_SOAK_SEED
"""
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
for other in ('dsm', 'guest'):
    sys.path.insert(0, os.path.join(HERE, '..', other))
import checks  # noqa: E402
import guestlib  # noqa: E402
from vmlib import Machine, load, main, unload  # noqa: E402

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
MINUTES = float(os.environ.get('DVMM_SOAK_MINUTES') or 10)
SEED = int(os.environ.get('DVMM_SOAK_SEED') or random.randrange(1 << 30))

WORK = ('counters', 'prodcons', 'pressure', 'litmus', 'fork', 'io', 'scan', 'upgrade', 'barriers', 'zero')
CHURN = (checks.parallel, checks.litmus, checks.signals, checks.hotplug, checks.stop_cont, checks.nmi, checks.stays_home)


def options(chance, workload):
    """Policies and room: nothing of this may change a value."""
    words = ['--hold', str(chance.choice((0, 100, 3000)))]
    words += ['--migratory'] * chance.randrange(2) + ['--prefetch'] * chance.randrange(2)
    if workload == 'pressure' or chance.randrange(2):
        words += ['--cache', str(chance.choice((100, 200, 400)) * 4096)]
    return words


def processes(t, chance, until):
    """A workload after the other on all nodes."""
    while time.monotonic() < until:
        workload = chance.choice(WORK)
        words = options(chance, workload)
        m = Machine(NODES, workload, ('--seconds', '20', *words), bound=150)
        statuses = m.wait()
        t.ok(not any(statuses) and not m.bad(), ' '.join((workload, *words)), f'{statuses}\n{m.text()}')
        for note in m.notes():
            t.diag(note)


def guest(t, chance, until):
    """A guest that works while its CPUs and its clock come and go."""
    m = guestlib.Machine(list(range(NODES)), name='s')
    try:
        m.start()
        t.diag(f'guest up after {m.up(900):.0f} s')
        while time.monotonic() < until:
            chance.choice(CHURN)(t, m)
        checks.cpus_online(t, m)
        checks.faults(t, m, 'soak')
        checks.power_off(t, m)
    finally:
        m.end()


def test(t):
    """Half of the time each."""
    t.diag(f'seed {SEED}, {MINUTES:g} minutes')
    chance = random.Random(SEED)
    begin = time.monotonic()
    load(range(NODES))
    processes(t, chance, begin + 30 * MINUTES)
    guest(t, chance, begin + 60 * MINUTES)
    for node in range(NODES):
        t.ok(unload(node)[0] == 0, f'the modules of node {node} unload')


main(test)
