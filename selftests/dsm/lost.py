#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A node VM, its process or its cable is lost while all nodes work: the others stop
within 5 s, say what was lost, and their modules unload with nothing left.

usage: lost.py NODES
"""
import subprocess
import sys
import time

from aftermath import at_work, clean, stops, traces
from vmlib import PATIENCE, Machine, load, main, must

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
FIRST_PORT = Machine.port + 1
# until something is lost
OPTIONS = ('--seconds', str(60 * PATIENCE), '--cache', str(100 * 4096))


def cluster(*words):
    """A verb of the testbed."""
    subprocess.run(['cluster', *words], check=True, timeout=120)


def lose(t, what, workload, action, left, reason):
    """The machine loses something while it works."""
    load(range(NODES))
    m = Machine(NODES, workload, OPTIONS)
    at_work(m)
    if Machine.port == FIRST_PORT:
        found = traces(0)
        t.ok(all(found.values()), f'control: of a machine that lives, {", ".join(found)} are seen', found)
    began = time.monotonic()
    action()
    for node in left:
        stops(t, m, node, began, reason, what)
    return m


def after(t, m, left, what):
    """When the cluster is whole again."""
    m.wait()
    for node in left:
        clean(t, node, what)


def killed_process(t, node, workload):
    """SIGKILL: the descriptors are closed without a word."""
    what = f'{workload}, killed process of node {node}'
    left = [n for n in range(NODES) if n != node]
    m = lose(t, what, workload, lambda: must(node, 'busybox killall -KILL dvmm-node'), left,
             [f'node {node} left the machine'])
    after(t, m, range(NODES), what)


def cut_link(t, workload):
    """No frame passes between nodes 0 and 1."""
    what = f'{workload}, cut cable'
    m = lose(t, what, workload, lambda: cluster('cut', '0', '1'), range(NODES),
             ['node 0 lost its link to node 1: ', 'node 1 lost its link to node 0: '])
    cluster('mend', '0', '1')
    after(t, m, range(NODES), what)


def killed_host(t, node, workload):
    """A whole host is gone at once."""
    what = f'{workload}, killed VM of node {node}'
    left = [n for n in range(NODES) if n != node]
    m = lose(t, what, workload, lambda: cluster('kill', str(node)), left,
             [f'node {n} lost its link to node {node}: ' for n in left])
    after(t, m, left, what)
    cluster('restart', str(node))


def test(t):
    """Everything."""
    killed_process(t, NODES - 1, 'counters')
    killed_process(t, 0, 'pressure')
    cut_link(t, 'counters')
    killed_host(t, NODES - 1, 'pressure')


main(test)
