# SPDX-License-Identifier: GPL-2.0
"""Which guest pages travel most, and what the guest's kernel keeps there."""
import bisect
import re

from guestlib import must, on

TRACE = '/sys/kernel/tracing'
SEND = f'{TRACE}/events/dvmm/dvmm_send/trigger'
HIST = 'hist:keys=index,page:size=65536 if kind == 1'
# The guest shows addresses as they are; needed once to find out what is where.
WORDS = 'nokaslr no_hash_pointers'
DIRECT_MAP = 0xffff888000000000
KERNEL_MAP = 0xffffffff80000000
# bits of /proc/kpageflags, from the kernel's admin-guide/mm/pagemap.rst
FLAGS = {10: 'free', 26: 'page table', 7: 'slab', 12: 'anonymous', 5: 'page cache', 32: 'reserved'}


def record(hosts):
    """Begins to count messages by page on all hosts; those of a batch have no frame of their own and are left out."""
    for host in set(hosts):
        must(host, f"echo '{HIST}' > {SEND}")


def counts(hosts):
    """{(region, page): messages} of all hosts."""
    total = {}
    for host in set(hosts):
        text = must(host, f'cat {TRACE}/events/dvmm/dvmm_send/hist; echo "!{HIST}" > {SEND}', 120)
        for index, page, hits in re.findall(r'index: +(\d+), page: +(\d+) \} hitcount: +(\d+)', text):
            key = int(index), int(page)
            total[key] = total.get(key, 0) + int(hits)
    return total


class Symbols:
    """The guest kernel's names for physical addresses."""

    def __init__(self, m):
        text = m.must("grep -E ' [bBdDrRvVA] [^[]*$| T _text$' /proc/kallsyms", 300)     # all of it takes minutes
        rows = [(int(a, 16), n) for a, n in re.findall(r'^(\w+) \w (\S+)$', text, re.M)]
        self.image = sorted(r for r in rows if r[0] >= KERNEL_MAP and r[0] < 0xffffffffa0000000)
        self.percpu = sorted(r for r in rows if r[0] < 1 << 20)
        names = dict((n, a) for a, n in rows)
        iomem = m.must('cat /proc/iomem')
        code = int(re.search(r'(\w+)-\w+ : Kernel code', iomem).group(1), 16)
        self.text = names['_text']
        self.to_image = self.text - code
        self.image_end = int(re.search(r'-(\w+) : Kernel bss', iomem).group(1), 16)
        self.image_start = code
        bases = re.findall(r'^cpu: (\d+)\n(?:.*\n)*? *\.base: +(?:0x)?(\w+)', m.must('cat /proc/timer_list'), re.M)
        self.areas = {int(cpu): (int(base, 16) - names['hrtimer_bases'] - DIRECT_MAP) & ~0xfff for cpu, base in bases}
        self.percpu_size = (self.percpu[-1][0] | 0xfff) + 1

    def at(self, address):
        """What lives on the page at a physical address, or None."""
        if self.image_start <= address <= self.image_end:
            return ', '.join(_within(self.image, address + self.to_image))
        for cpu, area in self.areas.items():
            if area <= address < area + self.percpu_size:
                return f'CPU {cpu}: ' + ', '.join(_within(self.percpu, address - area))
        return None

    def nearest(self, address):
        """The symbol at a physical address, with the offset from it, or None."""
        if self.image_start <= address <= self.image_end:
            return nearest_of(self.image, address + self.to_image)
        for cpu, area in self.areas.items():
            if area <= address < area + self.percpu_size:
                return f'CPU {cpu}: {nearest_of(self.percpu, address - area)}'
        return None


def nearest_of(symbols, address):
    """"name+0x12"; the symbol that an address belongs to."""
    at, name = symbols[max(0, bisect.bisect_right(symbols, (address, '~')) - 1)]
    return f'{name}+{address - at:#x}' if address != at else name


def _within(symbols, start, most=8):
    """Names in a page; the one that reaches into it first."""
    first = max(0, bisect.bisect_right(symbols, (start, '')) - 1)
    last = bisect.bisect_left(symbols, (start + 4096, ''))
    found = [name for _, name in symbols[first:last]]
    return found[:most] + ['...'] * (len(found) > most)


def _flags(m, frame):
    text = m.must(f'dd if=/proc/kpageflags bs=8 skip={frame} count=1 2>/dev/null | od -An -tx8').strip()
    bits = int(text or '0', 16)
    return next((name for bit, name in FLAGS.items() if bits >> bit & 1), f'flags {bits:x}')


def frame_of(m, region, page):
    """Guest frame number of a page of a region; memory above 2 GiB is not for these tests."""
    return region * (m.memory << 20 >> 12) + page


def name(m, hottest):
    """[(messages, region, page, what lives there)]."""
    symbols = Symbols(m)
    rows = []
    for (region, page), hits in hottest:
        frame = frame_of(m, region, page)
        rows.append((hits, region, page, symbols.at(frame << 12) or _flags(m, frame)))
    return rows


def stop(hosts):
    """No counting any more, whatever happened."""
    for host in set(hosts):
        on(host, f'echo "!{HIST}" > {SEND} 2>/dev/null')
