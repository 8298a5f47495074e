#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""dvmm on two hosts with a machine between them: both tell the same, and the one that is left tells what came of
the other."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'dsm'))
from vmlib import PATIENCE, Machine, load, main, must, on  # noqa: E402

TOOL = '/dvmm/tools/dvmm/dvmm'
UUID = '74776f2d-686f-7374-732d-2d2d2d2d2d2d'


def told(node):
    """What a host says of its machine."""
    machines = json.loads(must(node, f'{TOOL} status {UUID} --json'))['machines']
    return machines[0] if len(machines) == 1 else {}


def counters(node):
    """The same counters as debugfs has them."""
    text = must(node, f'cat /sys/kernel/debug/dvmm/{UUID}.{node}/stats')
    return {key: int(value) for key, value in (line.split(': ') for line in text.splitlines()[1:])}


def used(node):
    """The host's link, once some pages came over it."""
    end = time.monotonic() + 20 * PATIENCE
    while True:
        link = told(node)['links'][0]
        if link['bytes_received'] > 4096 * 5 or time.monotonic() > end:
            return link


def agrees(t, node):
    """State, link and counters."""
    link = used(node)
    t.ok(link['peer'] == 1 - node and link['state'] == 'up' and link['transport'] == 'tcp' and
         link['bytes_received'] > 4096 * 5, f'host {node}: its link is up and used', link)
    before, m, after = counters(node), told(node), counters(node)
    t.ok(m['state'] == 'ready' and m['node'] == node and m['nodes'] == m['members'] == 2 and m['links_up'] == 1, f'host {node}: ready', m)
    wrong = [key for key, value in m['stats'].items()
             if not key.startswith(('latency', 'frames')) and not before[key] <= value <= after[key]]
    t.ok(not wrong and set(m['stats']) == set(after), f'host {node}: counters are those of debugfs', (wrong, m['stats']))
    rate = json.loads(must(node, f'{TOOL} top {UUID} -n 1 -d 1 --json'))[0]
    t.ok(rate['faults_read'] + rate['faults_write'] + rate['faults_upgrade'] > 0 and rate['waiting'] > 0,
         f'host {node}: top sees it at work', rate)
    t.diag(f'host {node}: {rate}')


# nodes have no sshd: a shell behind a port, for as long as the test takes
FILE = f"""[machine]
name = two
uuid = {UUID}
security = none
[node node0]
address = 10.77.0.1
cpus = 1
memory = 2M
[node node1]
address = 10.77.0.2
cpus = 1
memory = 2M
"""
NETSH = '#!/bin/sh\\necho "$2 2>&1" | busybox nc $1 9000\\n'


def both_traced(t):
    """What both hosts do, by the clock of one."""
    must(1, 'busybox nc -ll -p 9000 -e sh > /dev/null 2>&1 < /dev/null & echo $! > /tmp/nc.pid')
    for node in range(2):
        must(node, f"mkdir -p /tmp/etc && echo '{FILE}' > /tmp/etc/two.conf")
    must(0, f"printf '{NETSH}' > /tmp/netsh && chmod +x /tmp/netsh")
    status, text = on(0, f'DVMM_SSH=/tmp/netsh {TOOL} trace two -d 3 --dir /tmp/etc > /tmp/trace 2>&1; s=$?; '
                      'head -n 3 /tmp/trace; exit $s', 60)
    t.diag(text)
    # A frame is told once it was sent, which may be late; when it came is certain.
    got = [line.split() for line in must(0, "grep -E 'dvmm_receive: .* ((FWD_)?GET_[SM]|(OWN_)?DATA) ' /tmp/trace").splitlines()]
    t.ok(not status and {line[1] for line in got} == {'node0', 'node1'}, 'trace has frames of both hosts', (status, text))
    asked = {tuple(line[6:]): line for line in got if 'GET' in line[5]}
    took = [(asked[key][1], float(line[0]) - float(asked[key][0])) for line in got if 'DATA' in line[5]
            for key in [tuple(line[6:])] if key in asked and asked[key][1] != line[1]]
    least = {node: min((s for n, s in took if n == node), default=-1) for node in ('node0', 'node1')}
    t.ok(all(0 < s < 0.5 for s in least.values()), 'by its clock a page comes to one host after the other one was asked for it, '
         f'both ways: {len(took)} pages, least ' + ', '.join(f'{s * 1e3:.2f} ms' for s in least.values()), took[:9])
    must(1, 'kill $(cat /tmp/nc.pid)')


def test(t):
    """Everything."""
    load(range(2))
    must(0, f'{TOOL} events --json -n 4 > /tmp/events 2>&1 & echo $! > /tmp/events.pid')
    m = Machine(2, 'counters', ('--seconds', '100', '--uuid', 'two-hosts-------'), bound=130)
    m.runs()
    for node in range(2):
        agrees(t, node)
    both_traced(t)
    must(1, 'busybox killall -9 dvmm-node')
    ends = f'for i in $(seq {100 * PATIENCE}); do grep -q stopped /tmp/events && exit 0; usleep 100000; done; exit 1'
    ended = on(0, ends, 60)[0]
    events = [json.loads(line) for line in must(0, 'cat /tmp/events').splitlines()]
    t.ok(not ended and [e['event'] for e in events[:3]] == ['created', 'link-up', 'ready'] and
         all(e['uuid'] == UUID and e['node'] == 0 for e in events), 'events of host 0: created, link up, ready', events)
    last = next((e for e in events if e['event'] == 'stopped'), {})
    t.ok('node 1' in last.get('reason', ''), 'and stopped, for node 1, once its process was killed', events)
    m.wait()
    status, text = on(0, f'{TOOL} is-active {UUID}')
    t.ok(status == 4 and 'no such machine' in text, 'then it is not there any more', (status, text))


main(test)
