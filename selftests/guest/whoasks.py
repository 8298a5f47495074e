# SPDX-License-Identifier: GPL-2.0
"""Who asked for what in a record of both hosts: the guest's instruction, what the page holds, and when.

A request is taken for that of the page fault that the same thread of a node took last (kvm_page_fault); what comes of
no such fault is the VMM's.
"""
import collections
import re

import hotpages
import traceclasses
from guestlib import must

LINE = re.compile(r'^\s*(?:.*)-(\d+)\s+\[')
FAULT = re.compile(r'kvm_page_fault: vcpu \d+ rip 0x(\w+) address 0x(\w+)')
USER = 1 << 47
PARTS = 10              # of a record, for when

# The first that fits the function's name; what guests do, as Linux 6.12 names it.
GROUPS = (
    ('memory for programs', r'clear_page|copy_page|copy_mc|clear_huge|clear_subpage|memset_orig|do_anonymous|handle_mm|wp_page|'
     r'rmqueue|get_page_from|free_unref|free_pcp|lru|folio|page_counter|charge|_vma|^mas_|mmap|munmap|pte|pmd|pgd|tlb|mod_.*state|zone|kmem|slab|'
     r'^kfree|^kmalloc'),
    ('interrupts between CPUs', r'smp_call|llist|call_single|csd_|flush_smp|ipi|apic|reschedule|cpumask'),
    ('balancing, who is idle', r'balance|nohz|idle|^sd_|select_task|load_avg|update_group|find_busiest|util|calc_load|cpuhp|menu_|haltpoll|loadavg'),
    ('wake-ups, scheduling', r'futex|wake|ttwu|sched|queue_task|enqueue|dequeue|pick_|update_curr|rq_|_rq|switch|plist|task_|vruntime|__update_|min_|'
     r'entity'),
    ('ticks, clock, timers', r'tick|timer|ktime|timekeep|clock|jiffies|process_times|account_|_update_vsyscall|vsyscall|timespec|vtime'),
    ('locks, RCU', r'rcu|spin|mutex|lock|rwsem|lockref|srcu|refcount|percpu_ref'),
)
Asked = collections.namedtuple('Asked', 'node kind page rip address part again')


class Text:
    """Names of the guest kernel's instructions: its kernel is that of the nodes, whose own tells where they are."""

    def __init__(self, host, guest_text):
        text = must(host, "grep -E ' [tTwW] [^[]*$' /proc/kallsyms | grep -v '\\['", 300)
        rows = sorted((int(a, 16), n) for a, n in re.findall(r'^(\w+) \w (\S+)$', text, re.M))
        start = next(a for a, n in rows if n == '_text')
        self.rows = [(a - start + guest_text, n) for a, n in rows if a >= start]

    def function(self, rip):
        """The function an instruction is in."""
        if rip < USER:
            return 'program'
        return hotpages.nearest_of(self.rows, rip).split('+')[0]


def group(function):
    """The name of a function's group."""
    if function in ('program', 'VMM'):
        return {'program': 'the program itself', 'VMM': 'the VMM'}[function]
    return next((name for name, pattern in GROUPS if re.search(pattern, function)), 'files, processes, other')


def _numbered(paths):
    """(file's number, thread, line), of all files."""
    for number, path in enumerate(paths):
        with open(path) as f:
            for text in f:
                found = LINE.match(text)
                if found:
                    yield number, found[1], text


def _requests(paths):
    """(node, kind, page, rip, address, now) of each; rip and address are None where no fault was before it."""
    last = {}
    for number, thread, text in _numbered(paths):
        fault = FAULT.search(text)
        if fault:
            last[number, thread] = int(fault[1], 16), int(fault[2], 16)
            continue
        step = traceclasses.STEP.search(text)
        if step and step[5] != step[6] and (step[4], step[6]) in traceclasses.ASKS:
            rip, address = last.pop((number, thread), (None, None))
            kind = traceclasses.ASKS[step[4], step[6]]
            yield int(step[1]), kind, (int(step[2]), int(step[3])), rip, address, int(step[11])


def read(paths):
    """[Asked] of a record."""
    rows = list(_requests(paths))
    begin, end = {}, {}
    for node, _, _, _, _, now in rows:
        begin[node], end[node] = min(now, begin.get(node, now)), max(now, end.get(node, now))
    seen, asked = set(), []
    for node, kind, page, rip, address, now in rows:
        part = PARTS * (now - begin[node]) // (end[node] - begin[node] + 1)
        asked.append(Asked(node, kind, page, rip, address, part, (node, page) in seen))
        seen.add((node, page))
    return asked


def third_reads(asked):
    """How many reads are of pages that their node has read twice before, and has not written to since."""
    reads, found = collections.Counter(), 0
    for a in asked:
        key = a.node, a.page
        found += a.kind == 'read' and reads[key] >= 2
        reads[key] = reads[key] + 1 if a.kind == 'read' else 0
    return found


class Places:
    """What the pages of a guest hold."""

    def __init__(self, m, symbols):
        self.m, self.symbols, self.flags = m, symbols, {}
        text = m.must('cat /proc/iomem')
        found = re.findall(r'(\w+)-(\w+) : Kernel (code|rodata|data|bss)', text)
        self.sections = [(int(a, 16) >> 12, int(b, 16) >> 12, name) for a, b, name in found]
        zero = next((a for a, n in symbols.image if n == 'empty_zero_page'), None)
        self.zero = zero and (zero - symbols.to_image) >> 12

    def look(self, frames):
        """Asks the guest of what these are, all at once."""
        text = self.m.must('od -An -v -tx8 -w8 /proc/kpageflags', 300)
        all_flags = text.split()
        self.flags = {frame: int(all_flags[frame], 16) for frame in frames if frame < len(all_flags)}

    def of(self, frame):
        """The kind of a frame."""
        if frame == self.zero:
            return 'the page of zeroes'
        for first, last, name in self.sections:
            if first <= frame <= last:
                return {'code': "the kernel's text", 'rodata': "the kernel's constants"}.get(name, "the kernel's data")
        for cpu, area in self.symbols.areas.items():
            if area <= frame << 12 < area + self.symbols.percpu_size:
                return 'data of a CPU'
        bits = self.flags.get(frame, 0)
        name = next((name for bit, name in hotpages.FLAGS.items() if bits >> bit & 1), 'other pages of the kernel')
        return {'anonymous': 'memory of programs', 'free': 'freed since: of programs'}.get(name, name)


def rows_of(title, asked, key):
    """Lines: how many requests of each kind, those of node 0 and 1, and first ones, by a key."""
    groups = collections.defaultdict(list)
    for a in asked:
        groups[key(a)].append(a)
    kinds = ('read', 'write', 'upgrade')
    yield f'{title:28} {"all":>6} ' + ' '.join(f'{kind:>7}' for kind in kinds) + f' {"node 0":>7} {"node 1":>7} {"first":>6} {"pages":>6}'
    for name, some in sorted(groups.items(), key=lambda row: -len(row[1])):
        count = collections.Counter(a.kind for a in some)
        yield (f'{str(name):28} {len(some):6} ' + ' '.join(f'{count[kind]:7}' for kind in kinds)
               + f' {sum(a.node == 0 for a in some):7} {sum(a.node == 1 for a in some):7} {sum(not a.again for a in some):6} '
               f'{len({a.page for a in some}):6}')


def show(t, m, paths, symbols):
    """All tables of a record."""
    asked = read(paths)
    text = Text(m.hosts[0], symbols.text)
    places = Places(m, symbols)
    frames = {a.page: hotpages.frame_of(m, *a.page) for a in asked}
    places.look(set(frames.values()))

    def function(a):
        return 'VMM' if a.rip is None else text.function(a.rip)

    for line in rows_of('what', asked, lambda a: places.of(frames[a.page])):
        t.diag(line)
    for line in rows_of('who', asked, lambda a: group(function(a))):
        t.diag(line)
    for line in rows_of('tenth of the record', asked, lambda a: a.part):
        t.diag(line)
    t.diag(f'reads of pages that the node has read twice before and not written to since: {third_reads(asked)}')
    for line in list(rows_of('function', asked, function))[:41]:
        t.diag(line)
