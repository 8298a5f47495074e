#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a page costs between node VMs.

usage: bench.py [rdma]	four VMs over TCP; or two over RDMA (soft RoCE), beside the same two over TCP and beside
			perftest's ping-pong of the bare verbs
"""
import re
import subprocess
import sys
import time

from vmlib import ROCE, Failed, Machine, load, main, must, no_roce, on, soft_roce

HEADER, PAGE = 40, 4096
TURNS = 4
VERBS = 'ib_send_lat -F -R -e -d dvmm-rxe -n 100'


def measure(t, nodes, rdma, workload='bench', options=()):
    """Nothing passes or fails by its time. Returns what was told."""
    where = ' '.join((f'{nodes} node VMs over {"RDMA" if rdma else "TCP"}', *options))
    m = Machine(nodes, workload, ('--bytes', str(1024 * 4096), *options), bound=280, rdma=rdma)
    statuses = m.wait()
    print(f'# {where}:')
    for note in m.notes():
        print('# ' + note)
    t.ok(not any(statuses) and not m.bad(), f'{where}: measured', f'statuses {statuses}\n{m.text()}')
    return m.notes()


def verbs(size):
    """Microseconds that so many bytes take one way, typically; the programs sleep until they come."""
    with subprocess.Popen(['on', '-t', '30', '0', 'sh', '-c', f'{VERBS} -s {size}'], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(20):     # until the server listens
            text = on(1, f'{VERBS} -s {size} {ROCE}1', 30)[1]
            row = re.search(rf'^ *{size} +\d+ +[\d.]+ +[\d.]+ +([\d.]+)', text, re.M)
            if row:
                server.wait(30)
                return float(row.group(1))
            time.sleep(0.2)
        server.kill()
    raise Failed(f'no ping-pong of verbs: {text}')


def fastest(before, after):
    """The best turn of each size counts."""
    return tuple(min(pair) for pair in zip(before, after))


def verbs_turns():
    """The header of a request, and the header and page of its answer."""
    best = (float('inf'),) * 2
    for _ in range(TURNS):
        best = fastest(best, (verbs(HEADER), verbs(HEADER + PAGE)))
    return best


def beside_verbs(t, best, notes):
    """Rows over what the same messages cost by themselves."""
    fetch = sum(best)
    t.diag(f'bare verbs: {HEADER} bytes one way {best[0]:.0f} us, {HEADER + PAGE} bytes {best[1]:.0f} us: '
           f'a request and its page {fetch:.0f} us')
    rows = [re.match(r'(.*(?:miss|upgrade|first).*?) {2,}(\d+) ', note) for note in notes]
    rows = [(row.group(1), float(row.group(2)) / fetch) for row in rows if row]
    for what, ratio in rows:
        t.diag(f'{what:33} {ratio:6.2f} times that')
    t.ok(rows, 'there is something to compare', notes)


def over_rdma(t):
    """The same link by everything."""
    load(range(2))
    soft_roce(range(2))
    for node in range(2):
        must(node, 'modprobe rdma_ucm')     # for programs
    measure(t, 2, False)
    best = verbs_turns()
    notes = measure(t, 2, True)
    beside_verbs(t, fastest(best, verbs_turns()), notes)
    measure(t, 2, True, 'stream', ('--prefetch',))
    for node in range(2):
        no_roce(node)


def test(t):
    """One cluster."""
    if 'rdma' in sys.argv:
        over_rdma(t)
        return
    load(range(4))
    measure(t, 4, False)
    measure(t, 2, False, 'stream', ('--prefetch',))


main(test)
