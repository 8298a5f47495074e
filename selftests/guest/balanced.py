#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest that has started packed on one of two hosts and works there: dvmm balance spreads it, and its jobs end, and right."""
import re
import time

import checks
from guestlib import TICKLESS, Failed, Machine, load, main, must, on, unload_all

STATE = '/tmp/balance'
ENOUGH = '/tmp/enough'
RESULTS = '/tmp/results'
# The job that runs all the while has rounds that are long beside their beginning and end, where its threads share much.
ROUND = 3000000
LIMIT = 1000000
BOUND = 120
# as dvmm-guest has it: where two CPUs tick, their ticks may take all the time of busy hosts
# Nodes have no sshd: a shell behind a port of the satellite.
PORT = 9000
SSH = f'#!/bin/sh\necho "$2" | busybox nc $1 {PORT}\n'


def prepare(m):
    """The command finds the monitors, and the other host."""
    for node, host in enumerate(m.hosts):
        where = f'{STATE}/{m.name}.machine/node{node}'
        must(host, f'rm -rf {where} && mkdir -p {where} && ln -s /run/guest/{m.process(node)}/qmp {where}/qmp')
    must(m.hosts[0], f"printf '%s' '{SSH}' > {STATE}/ssh && chmod +x {STATE}/ssh")
    must(m.hosts[1], f'busybox nc -ll -p {PORT} -e sh > /dev/null 2>&1 < /dev/null & echo $! > {STATE}/nc.pid')


def dismiss(m):
    """Nobody listens any more."""
    on(m.hosts[1], f'kill $(cat {STATE}/nc.pid); rm -rf {STATE}')
    on(m.hosts[0], f'rm -rf {STATE}')


def balance(m, *words):
    """The command on the boot host: status and what it says."""
    return on(m.hosts[0], f'DVMM_SSH={STATE}/ssh dvmm balance {m.file} -d 3 --state {STATE} {" ".join(words)} 2>&1', BOUND)


def places(m):
    """Which vCPUs each node runs."""
    return [n['vcpus'] for n in m.nodes()]


def fixed(t, m, what):
    """A job of a size, begun now: seconds until its end."""
    begin = time.monotonic()
    status, text = m.run(f'work {LIMIT}', BOUND, m.all())
    took = time.monotonic() - begin
    t.ok(status == 0 and ': correct' in text and len(re.findall(r'^cpu', text, re.M)) == m.total,
         f'a job that begins {what} ends, and right: {took:.1f} s', f'status {status}\n{text}')
    if status == 124:
        raise Failed(f'it has not ended after {BOUND} s: {places(m)}\n{m.tail()}')
    return took


def begin_busy(m):
    """A job on all CPUs that begins again until it is told to end."""
    m.must(f'rm -f {ENOUGH}; setsid work {ROUND} 5000 {ENOUGH} > {RESULTS} 2>&1 < /dev/null & echo $! > /tmp/job', 60, m.all())


def results(m):
    """Of the job: right ones and wrong ones."""
    text = m.must(f'cat {RESULTS}', 120)
    return text.count(': correct'), text.count('WRONG')


def goes_on(t, m, what):
    """There are more of them."""
    before, end = results(m)[0], time.monotonic() + 2 * BOUND
    now, wrong = results(m)
    while now == before and not wrong and time.monotonic() < end:
        now, wrong = results(m)
    t.ok(now > before and not wrong, f'the job that runs all the while has right results {what}', (before, now, wrong))


def end_busy(t, m):
    """It is told to end."""
    text = m.must(f'touch {ENOUGH}; until ! kill -0 $(cat /tmp/job) 2> /dev/null; do :; done; tail -n 3 {RESULTS}', BOUND)
    right, wrong = results(m)
    t.ok(right and not wrong, f'it ends when it is told to, after {right} right results', text)


def spread(t, m):
    """By what is measured. On a busy machine less may run then, and the step is taken back: that is right as well."""
    t.ok(places(m) == [[0, 1], []], 'all vCPUs are on the boot node', places(m))
    status, text = balance(m, '--once')
    t.diag(text)
    back = 'vCPU 1 from node1 to node0: back again' in text
    t.ok(status == 0 and 'vCPU 1 from node0 to node1: it' in text and places(m) == ([[0, 1], []] if back else [[0], [1]]),
         'dvmm balance moves a vCPU to the host that has a CPU left', (status, text, places(m)))
    if back:
        t.diag('it has taken the step back; what follows is spread by hand')
        m.spread()


def all_of_it(t, m):
    """One boot."""
    m.start(TICKLESS)
    t.diag(f'up after {m.up():.0f} s')
    checks.cpus_online(t, m)
    checks.timers(t, m)
    packed = fixed(t, m, 'on one host')
    begin_busy(m)
    prepare(m)
    spread(t, m)
    goes_on(t, m, 'on two hosts')
    fixed(t, m, 'beside it after the spread')
    end_busy(t, m)
    apart = fixed(t, m, 'on two hosts')
    t.diag(f'alone: {packed:.1f} s on one host, {apart:.1f} s on two')
    t.ok(not m.panic(), 'the guest has seen nothing', m.panic())


def test(t):
    """With one vCPU of each node."""
    m = Machine([0, 1], cpus=1, memory=128, keys=['start = packed'], at_once=True)
    load(range(2))
    try:
        all_of_it(t, m)
    finally:
        dismiss(m)
        m.end()
    unload_all(t, range(2))


main(test)
