#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a guest across two hosts costs beside the same guest on one of them. Ratios; nothing fails by time."""
import re

import hotpages
from guestlib import Machine, Plain, load, main, unload

LIMIT = 10000000
HOTTEST = 20


def work_seconds(m, cpus, turns=3):
    """The parallel job on some CPUs, checked; the best of some turns, in the guest's seconds."""
    best = None
    for _ in range(turns):
        text = m.must(f'work {LIMIT}', 240, cpus)
        took = float(re.search(r'in ([\d.]+) s: correct', text).group(1))
        best = min(best or took, took)
    return best


def port_ns(m, cpu):
    """The fastest read of a device's port from a CPU, in our time."""
    text = m.must(f'portread {cpu} 200', 240)
    return float(re.search(r'best ([\d.]+)', text).group(1)) / m.seconds(1)


def plain(t, like):
    """Boot and work on one host."""
    m = Plain(like.total, like.memory * len(like.hosts))
    try:
        m.start(hotpages.WORDS)
        boot = m.up(600)
        one, two = work_seconds(m, '0'), work_seconds(m, '0,1')
        t.diag(f'one host, {m.total} vCPUs: guest up after {boot:.0f} s; job on 1 vCPU {one:.3f} s, on 2 {two:.3f} s')
        return boot, one, two
    finally:
        m.end()


def faults(t, m):
    """Remote faults of the boot, and where."""
    for node in range(len(m.hosts)):
        s = m.stats(node)
        t.diag(f'boot: node {node}: faults: read {s["faults_read"]} write {s["faults_write"]} upgrade '
               f'{s["faults_upgrade"]}; messages {s["messages_sent"]}, bytes {s["bytes_sent"]}')
    total = hotpages.counts(m.hosts)
    t.diag(f'boot: {sum(total.values())} messages for {len(total)} pages; those with the most:')
    hottest = sorted(total.items(), key=lambda row: -row[1])[:HOTTEST]
    for hits, region, page, what in hotpages.name(m, hottest):
        t.diag(f'{hits:6} messages  region {region} page {page:6}  {what}')


def exits(t, m):
    """Device accesses of a remote CPU beside the small message's round trip."""
    near, far = port_ns(m, 0), port_ns(m, m.far())
    text = m.qmp('{"execute": "query-dvmm"}')
    trip = 2 * max(int(n) for n in re.findall(r'"tsc-error-ns": (\d+)', text))
    t.diag(f'port read: boot node {near / 1e3:.0f} us, other node {far / 1e3:.0f} us, round trip {trip / 1e3:.0f} us')
    t.diag(f'remote MMIO exit / round trip: {far / trip:.2f}; less what it costs on the boot node: {(far - near) / trip:.2f}')


def test(t):
    """One host, then two."""
    m = Machine([0, 1])
    boot, one, two = plain(t, m)
    load({0, 1})
    try:
        hotpages.record(m.hosts)
        m.start(hotpages.WORDS)
        across = m.up(900)
        t.diag(f'two hosts: guest up after {across:.0f} s; boot / that on one host: {across / boot:.2f}')
        faults(t, m)
        job = work_seconds(m, f'0,{m.far()}')
        t.diag(f'job on 2 hosts with 1 vCPU each {job:.3f} s; / 1 vCPU: {job / one:.2f}; / 2 vCPUs of one host: {job / two:.2f}')
        exits(t, m)
        t.ok(True, 'measured')
    finally:
        hotpages.stop(m.hosts)
        m.end()
    for host in (0, 1):
        t.ok(unload(host)[0] == 0, f'the modules of host {host} unload')


main(test)
