#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Nodes that are lost: the others end within 5 s, say why, and leave nothing behind.

A host that is silent is lost after 4 s (Documentation/transports.rst); then QEMU has two more to end in.

usage: lost.py one|two      both nodes in one kernel, or each in its own
"""
import re
import subprocess
import sys
import time

from guestlib import PATIENCE, Failed, Machine, load, main, must, on, unload_all

BOUND = 5 * PATIENCE
SILENT = 6 * PATIENCE


def running(m, bound=60):
    """Waits until vCPUs run on all nodes: each has faulted pages in."""
    uuid = re.search(r'uuid = (\S+)', must(m.hosts[0], f'cat {m.file}')).group(1)
    for node, host in enumerate(m.hosts):
        file = f'/sys/kernel/debug/dvmm/{uuid}.{node}/stats'
        status, text = on(host, f'for i in $(seq {bound * 5}); do '
                          f'awk \'/^faults_(read|write)/ {{n += $2}} END {{exit n < 4}}\' {file} 2>/dev/null && exit 0; '
                          f'usleep 200000; done; cat {file}; exit 1', bound + 30)
        if status:
            raise Failed(f'node {node} does not get to run: {text}\n{m.tail()}')


def ends_with(t, m, node, reason, what, bound=BOUND):
    """A node that lost another one."""
    status, seconds = m.ended(node, 20)
    text = m.said(node)
    t.ok(status not in (0, 124), f'{what}: QEMU of node {node} ends with an error', f'status {status}\n{text}')
    t.ok(seconds <= bound, f'{what}: within {bound} s', f'{seconds:.1f} s')
    t.ok(re.search(reason, text) is not None, f'{what}: it says why', text)
    t.diag(f'{seconds:.1f} s: ' + (text.strip().splitlines() or ['nothing said'])[-1])


def clean(t, hosts, what):
    """Nothing is left of the machine in the kernels."""
    unload_all(t, sorted(set(hosts)), f'{what}: ')


def killed_qemu(t, hosts, victim, what):
    """SIGKILL for one QEMU while the guest boots."""
    m = Machine(hosts, cpus=1, memory=128, name='k', at_once=True)
    load(set(hosts))
    try:
        m.start()
        running(m)
        m.kill(victim)
        ends_with(t, m, 1 - victim, f"node{victim}|node {victim}|'node{victim}'", what)
    finally:
        m.end()
    clean(t, hosts, what)


def killed_node(t):
    """The whole host of a satellite dies."""
    m = Machine([0, 1], cpus=1, memory=128, name='k', at_once=True)
    load({0, 1})
    try:
        m.start()
        running(m)
        subprocess.run(['cluster', 'kill', '1'], check=True, timeout=30)
        ends_with(t, m, 0, "node1|node 1|'node1'", 'killed host', SILENT)
    finally:
        on(0, f'guest kill {m.process(0)}; rm -rf /run/guest/{m.process(0)}')
    clean(t, [0], 'killed host')
    subprocess.run(['cluster', 'restart', '1'], check=True, timeout=120)


def absent(t, hosts):
    """A node whose peer never comes says whom it waits for, and gives up in time."""
    m = Machine(hosts, cpus=1, memory=128, name='k', keys=('timeout = 4',))
    load(set(hosts))
    for node in range(2):
        m.write_file()
        m.start_node(node)
        begin = time.monotonic()
        status, _ = m.ended(node, 30)
        text = m.said(node)
        t.ok(status not in (0, 124) and time.monotonic() - begin < 15, f'node {node} gives up waiting for its peer', text)
        t.ok(f'node{1 - node}' in text, f'node {node} says for whom it waited', text)
    m.end()
    clean(t, hosts, 'absent peer')


def test(t):
    """In one kernel or in two."""
    hosts = [0, 1] if sys.argv[1:2] == ['two'] else [0, 0]
    killed_qemu(t, hosts, 1, 'killed satellite')
    killed_qemu(t, hosts, 0, 'killed boot node')
    absent(t, hosts)
    if hosts == [0, 1]:
        killed_node(t)


main(test)
