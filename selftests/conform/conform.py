#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Records what the kernel's engine does under load, a node a VM, and lets "conform"
repeat it; then spoils the record in many ways, each of which must be noticed.

usage: conform.py NODES [SEED]
"""
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'dsm'))
from vmlib import Machine, load, main, must  # noqa: E402

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
CONFORM = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'conform')
TRACE = '/sys/kernel/tracing'

# workload, seconds, options: what reaches many cells of the table in a short time
WORK = (
    ('pressure', 1, ('--cache', str(100 * 4096))),
    ('counters', 3, ('--migratory', '--hold', '0')),
    ('counters', 3, ()),
)


def record(nodes):
    """Starts tracing: nothing is overwritten, so what is lost shows."""
    for node in nodes:
        must(node, f'test -e {TRACE}/trace || mount -t tracefs none {TRACE}; cd {TRACE}; echo 0 > tracing_on; '
             'echo > trace; echo nooverwrite > trace_options; echo 65536 > buffer_size_kb; '
             'echo 1 > events/dvmm/dvmm_step/enable; echo 1 > tracing_on')


def fetch(nodes, where):
    """Stops tracing; a node's record is a file of its name."""
    for node in nodes:
        text = must(node, f'cd {TRACE}; echo 0 > tracing_on; echo 0 > events/dvmm/dvmm_step/enable; '
                    'cat per_cpu/cpu*/stats | grep -E "overrun|dropped"; grep dvmm_step: trace; '
                    'echo > trace; echo 4 > buffer_size_kb', 120)
        lost = sum(map(int, re.findall(r'(?:overrun|dropped events): (\d+)', text)))
        with open(os.path.join(where, f'node{node}'), 'w') as f:
            f.write(f'LOST {lost} EVENTS\n' if lost else '')
            f.writelines(line + '\n' for line in text.splitlines() if 'dvmm_step:' in line)


def conforms(where, names):
    """The verdict of "conform": (status, what it says)."""
    done = subprocess.run([CONFORM, '-s', str(SEED % 1000)] + [os.path.join(where, n) for n in names],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


# ---- spoiling ----

def other(pattern, values):
    """Replaces what a pattern finds by another one of the values."""
    def spoil(chance, line):
        found = re.search(pattern, line)
        if not found:
            return None
        value = chance.choice([v for v in values if v != found.group(1)])
        return [line[:found.start(1)] + value + line[found.end(1):]]
    return spoil


def more(field):
    """Counts a field up by one."""
    def spoil(_, line):
        found = re.search(rf' {field}=(\d+)', line)
        return [line[:found.start(1)] + str(int(found.group(1)) + 1) + line[found.end(1):]]
    return spoil


def if_message(spoil):
    """Only lines about messages."""
    return lambda chance, line: spoil(chance, line) if 'id=0 fresh' not in line else None


def if_changes(spoil):
    """Only lines in which the state changes."""
    def only(chance, line):
        before, after = re.search(r': (\w+) -> (\w+)', line).groups()
        return spoil(chance, line) if before != after else None
    return only


def if_asks(spoil):
    """Only lines in which a request begins: its id goes into it."""
    return lambda chance, line: spoil(chance, line) if re.search(r' (LOAD|STORE): [IS] -> [IS]\w*_', line) else None


def if_take(spoil):
    """Only lines in which a home changes hands."""
    return lambda chance, line: spoil(chance, line) if ' TAKE:' in line else None


STATES = 'I S M IS_D IM_AD IM_A SM_AD SM_A MI_A H_M H_S H_R H_FS H_FM'.split()
MESSAGES = 'GET_S GET_M FWD_GET_S FWD_GET_M INV DATA OWN_DATA INV_ACK UNBLOCK PUT_S'.split()

SPOILERS = {
    'another state before': other(r': (\w+) ->', STATES),
    'another state after': other(r'-> (\w+)', STATES),
    'another event': if_message(other(r'page=\d+ (\w+):', MESSAGES)),
    'other actions': other(r'digest=(\w+)', ['00000000', '12345678']),
    'an action more': more('actions'),
    'another transaction': if_message(more('id')),
    'another number of acknowledgements': if_message(more('acks')),
    'another fresh id': if_asks(more('fresh')),
    'a step that is missing': if_changes(lambda chance, line: []),
    'a step made twice': if_changes(lambda chance, line: [line, line]),
}


# of a TAKE's lines, both ends
MOVE_SPOILERS = {
    'a home that stays': if_take(lambda chance, line: []),
    'a home that moves twice': if_take(lambda chance, line: [line, line]),
    'a home that moves to another node': if_take(other(r' home=(\d+)', ['0', '1', '2'])),
    'other sharers': if_take(more('id')),
    'another owner': if_take(other(r' requester=(\d+)', ['0', '1', '2'])),
    'another state at a move': if_take(other(r'-> (\w+)', STATES)),
}


def whose(line):
    """The page of a machine and the node that a line is about."""
    return re.search(r'(node=\d+ region=\d+ page=\d+) .* (machine=\w+)', line).groups()


def spoil_one(lines, spoil, chance):
    """The lines, one of the first half changed; it must not be the page's last on this node."""
    half = len(lines) // 2
    for at in chance.sample(range(half), half):
        new = spoil(chance, lines[at])
        if new is not None and any(whose(line) == whose(lines[at]) for line in lines[at + 1:]):
            return lines[:at] + new + lines[at + 1:]
    return None


def moves(t):
    """Homes that move, of machines whose nodes are all in one kernel: their end that gives, and the one that takes."""
    with tempfile.TemporaryDirectory() as where:
        record([0])
        must(0, '/dvmm/selftests/dsm/rehome some', 120)
        fetch([0], where)
        status, text = conforms(where, ['node0'])
        found = re.search(r'(\d+) ends of homes', text)
        t.ok(not status and found and int(found.group(1)) > 100, 'homes move: the record conforms', text)
        t.diag(text.splitlines()[-1])
        control(t, where, ['node0'], random.Random(SEED), MOVE_SPOILERS)


def control(t, where, names, chance, spoilers):
    """Every way to spoil the record, at several places."""
    name = names[0]
    with open(os.path.join(where, name)) as f:
        lines = f.readlines()
    for what, spoil in spoilers.items():
        statuses = []
        for _ in range(5):
            spoiled = spoil_one(lines, spoil, chance)
            if spoiled is None:
                statuses.append('no such line')
                continue
            with open(os.path.join(where, 'spoiled'), 'w') as f:
                f.writelines(spoiled)
            statuses.append(conforms(where, ['spoiled'] + names[1:])[0])
        t.ok(set(statuses) == {1}, f'control: {what} is noticed', f'statuses {statuses}, seed {SEED}')


def test(t):
    """Everything."""
    nodes = range(NODES)
    names = [f'node{node}' for node in nodes]
    t.diag(f'seed {SEED}')
    load(nodes)
    with tempfile.TemporaryDirectory() as where:
        for workload, seconds, options in WORK:
            record(nodes)
            m = Machine(NODES, workload, ('--seconds', str(seconds), *options), bound=90)
            statuses = m.wait()
            fetch(nodes, where)
            status, text = conforms(where, names)
            good = not any(statuses) and not status
            t.ok(good, f'{" ".join((workload, *options))}: the record conforms', f'{statuses} {text}')
            t.diag(text.splitlines()[-1])
        control(t, where, names, random.Random(SEED), SPOILERS)
    moves(t)


main(test)
