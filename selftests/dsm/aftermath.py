# SPDX-License-Identifier: GPL-2.0
"""Machines of vmlib in the midst of their work, and what is left when they have ended."""
import re

from vmlib import PATIENCE, Failed, Machine, must, on, unload

BOUND = 5 * PATIENCE
# waits until pages move in the midst of a workload
BUSY = ('for i in $(seq 200); do awk \'/^pages_received/ {n = $2} END {exit n < 100}\' '
        '/sys/kernel/debug/dvmm/*/stats && exit 0; usleep 100000; done; exit 1')


def at_work(m):
    """Waits until all nodes move pages."""
    m.runs()
    for node in range(len(m.processes)):
        must(node, BUSY)
    early = m.bad()
    if early:
        raise Failed(f'over before it began: {early}\n{m.text()}')


def paths(node):
    """What becomes of a page on its way to or from this node."""
    return set(re.findall(r'path: (\S+)', must(node, 'cat /sys/kernel/debug/dvmm/*/lanes')))


def stops(t, m, node, began, reason, what):
    """One node that is left."""
    p = m.processes[node]
    line = p.wait_for('^not ok.* stopped: ', BOUND + 10)
    if not t.ok(line, f'{what}: node {node} stops', m.text()):
        return
    took = line[0] - began
    t.ok(took <= BOUND, f'{what}: node {node} within {BOUND} s', f'{took:.1f} s')
    t.ok(any(r in line[1] for r in reason), f'{what}: node {node} says why', line[1])
    t.diag(f'{took:.1f} s: {line[1]}')


def traces(node):
    """What shows that a machine lives in a node's kernel."""
    look = {
        'socket': f'netstat -tn | grep -E ":{Machine.port} .*(ESTABLISHED|CLOSE_WAIT)"',
        'thread': 'ps | grep "[d]vmm/"',
        'memory': 'grep "dvmm_region" /proc/vmallocinfo',
        'file': 'ls -d /sys/kernel/debug/dvmm/*',
        'module': 'grep ^dvmm /proc/modules',
    }
    return {what: on(node, script + ' 2>/dev/null')[1].strip() for what, script in look.items()}


def clean(t, node, what):
    """Nothing is left of the machine in a node's kernel."""
    status, text = unload(node)
    t.ok(status == 0, f'{what}: the modules of node {node} unload', text)
    left = {name: text for name, text in traces(node).items() if text}
    t.ok(not left, f'{what}: no socket, thread, memory or file of it is left on node {node}', left)
