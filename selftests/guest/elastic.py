#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Hosts join and leave a guest that runs and works: what each step gives, what is refused, and that nothing is lost.

usage: elastic.py [marks]       marks: of three hosts one joins amid moves, and hears another one late
"""
import sys
import time

import checks
from guestlib import FASTER_TSC, PATIENCE, Failed, Machine, load, main, must, on, unload, unload_all

LATE_MS = 500

# It needs no other process, and finds in each round what it has written in the one before.
JOB = """cd /tmp; i=0; echo 0 > done
while read n < done && test "$n" = $i; do
	i=$((i + 1)); echo $i > done
done
echo "$n is not $i" > done
"""


def start_job(m, cpu):
    """Counts on that CPU."""
    m.must(f"cat > /tmp/job << 'END'\n{JOB}END\nsetsid taskset -c {cpu} sh /tmp/job > /dev/null 2>&1 < /dev/null & true")


def rounds(m):
    """How many it has done; between two of them the file is empty."""
    text = m.must('until read n < /tmp/done; do :; done; echo $n', 240).split()
    if len(text) > 1:
        raise Failed(' '.join(text))
    return int(text[0])


def goes_on(t, m, what):
    """It works on, and has found everything that it had written."""
    before, end = rounds(m), time.monotonic() + 60
    now = rounds(m)
    while now == before and time.monotonic() < end:
        now = rounds(m)
    t.ok(now > before, f'the job goes on: {what}', (before, now))


def join(t, m, node):
    """A host comes."""
    begin = time.monotonic()
    m.start_node(node)
    info = m.await_state(node, 'member')
    t.ok(info['state'] == 'member', f'node {node} joins, {time.monotonic() - begin:.1f} s', (info, m.said(node), m.said(0)))
    if info['state'] != 'member':
        raise Failed(m.tail())


def populate(t, m, node):
    """It gets its vCPUs and its memory."""
    n, ms = m.move(*((cpu, f'node{node}') for cpu in m.local(node)))
    t.ok(n == m.cpus and m.nodes()[node]['vcpus'] == m.local(node), f'node {node} gets vCPUs, pause {ms:.0f} ms', m.nodes())
    status, text = on(m.hosts[0], f'dvmm rehome {m.file} node0 node{node} node{node} --here', 300)
    t.ok(status == 0 and f'{m.memory} MiB have another home' in text, f'node {node} gets its memory', text)


def depart(t, m, node):
    """It gives them back and leaves; its QEMU ends in good order, and then its module may go."""
    text = m.remove(node)
    t.ok('runs on node' in text, f'node {node} stays while it has vCPUs', text)
    m.move(*((cpu, 'node0') for cpu in m.local(node)))
    m.remove(node)
    info = m.await_state(node, 'absent', 20)
    t.ok(info['state'] == 'member' and 'home' in info.get('refusal', ''), f'node {node} stays while it has memory', info)
    status, text = m.rehome(node, 0)
    t.ok(status == 0 and f'{m.memory} MiB have another home' in text, f'node {node} gives its memory back', text)
    m.remove(node)
    info = m.await_state(node, 'absent')
    t.ok(info['state'] == 'absent', f'node {node} leaves', (info, m.said(node)))
    status, _ = m.ended(node, 30)
    t.ok(status == 0 and 'has left machine' in m.said(node), 'its QEMU ends in good order', (status, m.said(node)))


def refused(t, m):
    """What cannot be is said."""
    for node, want in ((0, 'has the devices'), (1, 'is not there'), (7, 'there is no node')):
        text = m.remove(node)
        t.ok(want in text, f'refused: {want}', text)
    text = m.ask_to_move((1, 'node1'))
    t.ok("node 'node1' is not there" in text, 'no vCPU moves to a node that is not there', text)


def another_command_line(t, m):
    """A host whose guest would differ finds out by itself."""
    must(m.hosts[1], f"printf '\n[guest]\ncpu = qemu64\n' >> {m.file}")
    m.start_node(1)
    status, _ = m.ended(1, 60)
    must(m.hosts[1], f"sed -i '/^.guest.$/,$d' {m.file}")
    t.ok(status == 1 and 'differs from' in m.said(1), 'one with another CPU is refused', (status, m.said(1)))
    m.start_node(1, around=FASTER_TSC)
    status, _ = m.ended(1, 60)
    t.ok(status == 1 and 'the TSC runs at' in m.said(1), 'one with a faster TSC is refused', (status, m.said(1)))
    t.ok(m.nodes()[1]['state'] == 'absent', 'and is no member', m.nodes()[1])


def kill(t, m, when):
    """It is absent again, and the guest works on."""
    m.kill(1)
    m.ended(1, 30)
    info = m.await_state(1, 'absent', 20)
    t.ok(info['state'] == 'absent' and m.run('true')[0] == 0, f'one that is killed {when} harms nobody',
         (info, m.said(0)))


def killed(t, m):
    """One that dies before it has a vCPU or memory."""
    m.start_node(1)
    must(m.hosts[1], 'sleep 0.4')
    kill(t, m, 'on its way in')
    join(t, m, 1)
    kill(t, m, 'before it has anything')


def test(t):
    """The whole life."""
    m = Machine([0, 1], cpus=1, memory=128, keys=('start = packed',), at_once=True, founders=1)
    load(range(2))
    try:
        m.start()
        m.up()
        checks.cpus_online(t, m)
        start_job(m, 1)
        refused(t, m)
        another_command_line(t, m)
        killed(t, m)
        for _ in range(2):
            join(t, m, 1)
            populate(t, m, 1)
            goes_on(t, m, 'on the host that has joined')
            depart(t, m, 1)
            status, text = unload(1)
            t.ok(status == 0, 'its modules go while the guest runs', text)
            goes_on(t, m, 'after it has left')
            load([1])
        t.ok(not m.panic(), 'the guest has seen nothing', m.panic())
    finally:
        m.end()
    unload_all(t, range(2))


def amid_moves(t, m, node):
    """A host comes while vCPU 1 goes to and fro."""
    m.start_node(node)
    end, moves = time.monotonic() + 120 * PATIENCE, 0
    while m.nodes()[node]['state'] != 'member' and time.monotonic() < end:
        m.move((1, f'node{moves % 2}'))
        moves += 1
    t.ok(m.nodes()[node]['state'] == 'member' and moves > 10, f'node {node} joins amid {moves} moves', (m.nodes()[node], m.said(node)))


def waited_for(t, m):
    """A move ends when the last mark is there; they come one by one, so that none of the move before would do."""
    at, pauses = 1 in m.nodes()[1]['vcpus'], []
    for _ in range(4):
        must(m.hosts[0], f'sleep {2 * LATE_MS / 1000}')
        at = not at
        pauses.append(m.move((1, f'node{int(at)}')))
    t.ok(all(n == 1 and ms >= LATE_MS for n, ms in pauses), f'moves end after the last mark, which takes {LATE_MS} ms', pauses)


def test_marks(t):
    """Of the marks that nodes send behind their last interrupt, one that joins counts none of a move before."""
    m = Machine([0, 1, 2], cpus=1, memory=128, keys=('start = packed',), founders=2)
    load(range(3))
    try:
        m.start()
        m.await_state(1, 'member')
        must(1, f'/usr/bin/tc qdisc add dev to2 root netem delay {LATE_MS}ms')
        amid_moves(t, m, 2)
        waited_for(t, m)
    finally:
        on(1, '/usr/bin/tc qdisc del dev to2 root')
        m.end()
    unload_all(t, range(3))


main(test_marks if sys.argv[1:] == ['marks'] else test)
