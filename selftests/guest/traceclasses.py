#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sorts the pages of a recorded run into sharing classes, with what each class asked and waited.

Reads lines of the tracepoints dvmm_step (kmod/dsm/machine/trace.h) and, if there are any, kvm_page_fault, of all nodes: a
file a node. What a page's home decided, in its order, is the history of the page; how long a request took is told by
the node that made it. Classes are those of Bennett, Carter and Zwaenepoel (PPoPP 1990), as far as misses show them.

usage: traceclasses.py TRACE...
"""
import collections
import re
import sys

STEP = re.compile(r'node=(\d+) region=(\d+) page=(\d+) (\w+): (\w+) -> (\w+) .*? home=(\d+) again=(\d+) src=(\d+) '
                  r'flags=(\w+) .*? now=(\d+) ')
FAULT = re.compile(r'kvm_page_fault: vcpu \d+ rip 0x(\w+) address 0x(\w+)')
ASKS = {('LOAD', 'IS_D'): 'read', ('LOAD', 'H_RS_D'): 'read', ('LOAD', 'H_RM_D'): 'read', ('STORE', 'IM_AD'): 'write',
        ('STORE', 'H_RM_D'): 'write', ('STORE', 'SM_AD'): 'upgrade', ('STORE', 'H_SM_A'): 'upgrade'}
SETTLED = {'I', 'S', 'M', 'H_S', 'H_M', 'H_R'}
ZERO = 0x2
KINDS = ('read', 'write', 'upgrade', 'zero')
CLASSES = ('first touch at home', 'first touch from afar', 'cold', 'read mostly', 'migratory', 'producer-consumer',
           'write-shared')
Request = collections.namedtuple('Request', 'node kind wait_us')


class Page:
    """What happened to one page."""

    def __init__(self):
        self.history = []               # (node, 'read' or 'write') as its home decided
        self.requests = []
        self.first = 0                  # first touches at home
        self.open = {}                  # node: (kind, begun)

    def decided(self, node, write):
        """The home has let a node read or write."""
        self.history.append((node, 'write' if write else 'read'))

    def answered(self, node, now, zero):
        """A node has what it asked for."""
        kind, begun = self.open.pop(node)
        self.requests.append(Request(node, 'zero' if zero else kind, (now - begun) % (1 << 32)))

    def wait_ms(self):
        """All waits, in milliseconds."""
        return sum(r.wait_us for r in self.requests) / 1000


def step(page, found):
    """One line of dvmm_step."""
    node, event, old, new = int(found[1]), found[4], found[5], found[6]
    home, src, now = int(found[7]), int(found[9]), int(found[11])
    if old == 'H_U' and new == 'H_M':
        page.first += 1
    if (event, new) in ASKS and old != new:
        page.open[node] = ASKS[event, new], now
    elif node in page.open and new in SETTLED and old != new:
        page.answered(node, now, event == 'DATA' and int(found[10], 0) & ZERO)
    if node == home and old != new:
        if event in ('GET_S', 'GET_M'):
            page.decided(src, event == 'GET_M')
        elif event in ('LOAD', 'STORE'):
            page.decided(node, event == 'STORE')
    elif node == home and event == 'GET_S' and old == 'H_S':
        page.decided(src, False)


def is_migratory(history):
    """Most writes follow a read of the same node, and nodes take turns."""
    pairs = sum(a[0] == b[0] and (a[1], b[1]) == ('read', 'write') for a, b in zip(history, history[1:]))
    return 2 * pairs > sum(what == 'write' for _, what in history)


def classify(page):
    """The name of a page's class."""
    nodes = {r.node for r in page.requests}
    writers = {node for node, what in page.history if what == 'write'}
    reads = sum(what == 'read' for _, what in page.history)
    if not page.requests:
        return 'first touch at home'
    if len(page.requests) == 1 and page.requests[0].kind == 'zero':
        return 'first touch from afar'
    if len(page.requests) == len(nodes):
        return 'cold'
    if len(writers) < 2:
        return 'producer-consumer' if writers else 'read mostly'
    if reads > 9 * (len(page.history) - reads):
        return 'read mostly'
    return 'migratory' if is_migratory(page.history) else 'write-shared'


def read(paths):
    """({(region, page): Page}, {frame: Counter of (address, instruction)})."""
    pages, faults = collections.defaultdict(Page), collections.defaultdict(collections.Counter)
    for path in paths:
        with open(path) as f:
            for text in f:
                found = STEP.search(text)
                if found:
                    step(pages[int(found[2]), int(found[3])], found)
                found = FAULT.search(text)
                if found:
                    address = int(found[2], 16)
                    faults[address >> 12][address, int(found[1], 16)] += 1
    return pages, faults


def table(pages):
    """Lines: a class, its pages, requests by kind, waits."""
    groups = collections.defaultdict(list)
    for page in pages.values():
        groups[classify(page)].append(page)
    everything = sum(page.wait_ms() for page in pages.values()) or 1
    yield f'{"class":22} {"pages":>6} ' + ' '.join(f'{kind:>7}' for kind in KINDS) + f' {"wait s":>7} {"share":>6} {"ms each":>7}'
    for name in CLASSES:
        group = groups.get(name, [])
        kinds = collections.Counter(r.kind for page in group for r in page.requests)
        wait, requests = sum(page.wait_ms() for page in group), sum(kinds.values())
        yield (f'{name:22} {len(group):6} ' + ' '.join(f'{kinds[kind]:7}' for kind in KINDS)
               + f' {wait / 1000:7.1f} {100 * wait / everything:5.0f}% {wait / requests if requests else 0:7.1f}')


def hottest(pages, most=20):
    """[(region, page, Page)], those that were waited for longest."""
    rows = sorted(pages.items(), key=lambda row: -row[1].wait_ms())[:most]
    return [(region, number, page) for (region, number), page in rows if page.requests]


def main():
    """Tables of the traces named."""
    if len(sys.argv) < 2:
        sys.exit('usage: traceclasses.py TRACE..., one of each node')
    pages, _ = read(sys.argv[1:])
    if not pages:
        sys.exit('no line of dvmm_step in: ' + ' '.join(sys.argv[1:]))
    for text in table(pages):
        print(text)
    for region, number, page in hottest(pages):
        print(f'region {region} page {number}: {len(page.requests)} requests, {page.wait_ms():.0f} ms, {classify(page)}')


if __name__ == '__main__':
    main()
