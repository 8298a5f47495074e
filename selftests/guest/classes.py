#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The analyser of recorded runs on histories made by hand, one of each class, and the bench's comparison."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
import benchjobs  # noqa: E402
import traceclasses  # noqa: E402
import whoasks  # noqa: E402
from guestlib import Tap  # noqa: E402

HOME = 0


class Run:
    """Lines of both nodes as the tracepoint has them; node 0 is the home of all."""

    def __init__(self):
        self.lines, self.now = {0: [], 1: []}, 100

    def step(self, node, page, event, old, new, src=0, flags=0):
        """One step, a millisecond after the last."""
        self.now += 1000
        self.lines[node].append(
            f'  x-1 [000] ..... 1.0: dvmm_step: node={node} region=0 page={page} {event}: {old} -> {new} actions=1 '
            f'digest=00000000 machine=00 nodes=2 home={HOME} again=0 src={src} flags={flags:#x} requester={src} acks=0 '
            f'id=1 fresh=2 now={self.now} hold=0 migratory=0 history=0 wrote=0\n')

    def fault(self, node, rip, address):
        """A vCPU of a node meets a page that is not here."""
        self.now += 1
        self.lines[node].append(f'  x-1 [000] ..... 1.0: kvm_page_fault: vcpu 0 rip {rip:#x} address {address:#x} error_code 0x4\n')

    def far_read(self, page, home='H_M'):
        """Node 1 reads."""
        self.step(1, page, 'LOAD', 'I', 'IS_D')
        self.step(0, page, 'GET_S', home, 'H_S', 1)
        self.step(1, page, 'DATA', 'IS_D', 'S', 0, 1)

    def far_write(self, page, home='H_M', had='I'):
        """Node 1 writes."""
        self.step(1, page, 'STORE', had, 'IM_AD' if had == 'I' else 'SM_AD')
        self.step(0, page, 'GET_M', home, 'H_R', 1)
        self.step(1, page, 'DATA', 'IM_AD' if had == 'I' else 'SM_AD', 'M', 0, 5)

    def near_read(self, page):
        """The home reads what node 1 has written."""
        self.step(0, page, 'LOAD', 'H_R', 'H_RS_D')
        self.step(0, page, 'OWN_DATA', 'H_RS_D', 'H_S', 1, 1)

    def near_write(self, page, had='H_S'):
        """The home writes."""
        new = 'H_SM_A' if had == 'H_S' else 'H_RM_D'
        self.step(0, page, 'STORE', had, new)
        self.step(0, page, 'INV_ACK', new, 'H_M', 1)

    def plant(self):
        """A page of each class, by its number."""
        self.step(0, 0, 'STORE', 'H_U', 'H_M')
        self.step(1, 1, 'STORE', 'I', 'IM_AD')
        self.step(0, 1, 'GET_M', 'H_U', 'H_R', 1)
        self.step(1, 1, 'DATA', 'IM_AD', 'M', 0, 6)
        self.far_read(2)
        self.far_write(3)
        self.near_write(3, 'H_R')
        for _ in range(30):             # of a node that has little room
            self.far_read(3, 'H_S')
        for _ in range(4):
            self.far_read(4)
            self.far_write(4, 'H_S', 'S')
            self.near_read(4)
            self.near_write(4)
            self.far_read(5)
            self.near_write(5)
            self.far_write(6)
            self.near_write(6, 'H_R')

    def write(self, where):
        """A file of each node."""
        paths = []
        for node, lines in self.lines.items():
            paths.append(os.path.join(where, f'node{node}'))
            with open(paths[-1], 'w') as f:
                f.writelines(lines)
        return paths


def classes(t):
    """Every planted class is told, with its waits."""
    run = Run()
    run.plant()
    with tempfile.TemporaryDirectory() as where:
        pages, _ = traceclasses.read(run.write(where))
    for number, name in enumerate(traceclasses.CLASSES):
        found = traceclasses.classify(pages[0, number])
        t.ok(found == name, f'a page that is {name}', found)
    t.ok(pages[0, 2].requests == [(1, 'read', 2000)], 'a wait is from the question to the answer', pages[0, 2].requests)
    t.ok([r.kind for r in pages[0, 1].requests] == ['zero'], 'a page of zeroes is a kind of its own')
    rows = list(traceclasses.table(pages))
    t.ok(len(rows) == len(traceclasses.CLASSES) + 1, 'the table has a row for each class')
    t.ok(traceclasses.hottest(pages)[0][1] == 3, 'the page that was waited for longest comes first')


def asking(t):
    """A request is its fault's, once; the same node's next one for that page is no first one."""
    run = Run()
    run.fault(1, 0x401000, 0x2abc)
    run.far_read(2)
    run.far_read(5)
    run.fault(1, 0xffffffff81000040, 0x2008)
    run.far_write(2, 'H_S', 'S')
    run.near_write(2, 'H_R')
    with tempfile.TemporaryDirectory() as where:
        asked = whoasks.read(run.write(where))
    t.ok([(a.node, a.kind, a.page[1]) for a in asked if a.node] == [(1, 'read', 2), (1, 'read', 5), (1, 'upgrade', 2)],
         'requests of a node in their order', asked)
    t.ok([a.rip for a in asked if a.node] == [0x401000, None, 0xffffffff81000040], 'each has the instruction of its fault', asked)
    t.ok([a.again for a in asked] == [False, False, False, True], 'what a node asked for before is told', asked)
    t.ok([a.kind for a in asked if not a.node] == ['write'], 'and so is what the home asks', asked)
    a, page = asked[0], (0, 9)
    kinds = ['read', 'read', 'read', 'upgrade', 'read', 'read', 'read']
    t.ok(whoasks.third_reads([a._replace(page=page, kind=kind) for kind in kinds]) == 2,
         'third reads are told, anew after a write')
    rows = list(whoasks.rows_of('node', asked, lambda a: a.node))
    t.ok(rows[1].split() == ['1', '3', '2', '0', '1', '0', '3', '2', '2'], 'rows are counted, the largest first', rows)


def grouping(t):
    """Functions belong to one group each; an instruction to the function before it."""
    for function, name in {'program': 'the program itself', 'VMM': 'the VMM', 'llist_add_batch': 'interrupts between CPUs',
                           'clear_page_erms': 'memory for programs', 'try_to_wake_up': 'wake-ups, scheduling',
                           'ktime_get': 'ticks, clock, timers', 'sched_balance_rq': 'balancing, who is idle',
                           'native_queued_spin_lock_slowpath': 'locks, RCU', 'do_exit': 'files, processes, other'}.items():
        t.ok(whoasks.group(function) == name, f'{function} is of "{name}"', whoasks.group(function))


def comparison(t):
    """A figure that got worse is told, one that did not change is not."""
    before = {'ep': {'gain': 1.8}, 'sort': {'gain': 1.0}, 'gone': {'gain': 1}}
    said = list(benchjobs.compare({'ep': {'gain': 1.2}, 'sort': {'gain': 1.05}, 'new': {'gain': 2}}, before))
    t.ok(len(said) == 1 and 'WORSE' in said[0], 'what is slower than the last time is told', said)


def main():
    """All of them."""
    t = Tap()
    classes(t)
    asking(t)
    grouping(t)
    comparison(t)
    sys.exit(t.end())


main()
