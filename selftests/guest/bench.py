#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a guest across two hosts costs beside the same guest on one of them. Ratios; nothing fails by time."""
import os
import re
import tempfile
import time

import benchjobs
import benchtrace
import hotpages
from guestlib import Machine, Plain, load, main, unload_all

HOTTEST = 20
CPUS = 2                # of the guest, on each host
MEMORY = 512            # MiB on each host; a guest of less than 512 in all turns huge pages off
# of the kernels of all guests
WORDS = f'{hotpages.WORDS} {os.environ.get("DVMM_BENCH_WORDS", "")}'
TRACED = os.environ.get('DVMM_BENCH_TRACE', '').split()         # jobs to record as well


def port_ns(m, cpu):
    """The fastest read of a device's port from a CPU, in our time."""
    text = m.must(f'portread {cpu} 200', 240)
    return float(re.search(r'best ([\d.]+)', text).group(1)) / m.seconds(1)


def booted(t, m, what):
    """Starts a guest; seconds until it answers."""
    m.start(WORDS)
    took = m.up(900)
    t.diag(f'{what}: guest up after {took:.0f} s')
    return took


def plain(t, like):
    """Boot and jobs on one host without dvmm: {name: seconds}."""
    m = Plain(like.total, like.memory * len(like.hosts))
    try:
        times = {'boot': booted(t, m, f'one host, {m.total} vCPUs, plain KVM')}
        for job in benchjobs.JOBS:
            times[job] = benchjobs.seconds(m, job, (0, like.far()))
        return times
    finally:
        m.end()


def packed(t, like):
    """Boot with all CPUs from the start: on one host, and over two, where they begin on one and then spread."""
    one = Plain(like.total, like.memory * len(like.hosts), at_once=True)
    two = Machine(like.hosts, cpus=like.cpus, memory=like.memory, name='k', keys=['start = packed'], at_once=True)
    try:
        alone = booted(t, one, f'one host, {one.total} vCPUs at once, plain KVM')
        one.end()
        took = booted(t, two, f'two hosts, {two.total} vCPUs at once, packed')
        begin = time.monotonic()
        n, ms = two.spread()
        took += time.monotonic() - begin
        t.diag(f'{n} vCPUs spread, pause {ms:.0f} ms; {took:.0f} s until all are on their hosts, {took / alone:.2f} of '
               f'one host; {two.stats(0)["messages_sent"]} messages')
        return {'one': alone, 's': took, 'gain': alone / took}
    finally:
        one.end()
        two.end()


def one_node(t, like):
    """Boot of a machine of one node."""
    m = Machine([0], cpus=like.total, memory=like.memory * len(like.hosts), name='o')
    try:
        took = booted(t, m, f'one host, {m.total} vCPUs, a machine of one node')
        s = m.stats(0)
        t.diag(f'boot of one node: first touches {s["faults_first"]}, other faults {s["faults_read"]} {s["faults_write"]} '
               f'{s["faults_upgrade"]}')
        return took
    finally:
        m.end()


def faults(t, m):
    """Remote faults of the boot, and where."""
    for node in range(len(m.hosts)):
        s = m.stats(node)
        t.diag(f'boot: node {node}: first touches {s["faults_first"]}; faults: read {s["faults_read"]} write '
               f'{s["faults_write"]} upgrade {s["faults_upgrade"]}; messages {s["messages_sent"]}, bytes {s["bytes_sent"]}')
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


def jobs(t, m, one):
    """All jobs on a CPU of each host, beside their time on one."""
    table = {}
    t.diag(benchjobs.HEAD)
    for job, goal in benchjobs.JOBS.items():
        row = benchjobs.across(m, job, (0, m.far()))
        t.diag(benchjobs.line(job, one[job], row, goal))
        table[job] = dict(row, one=one[job], gain=one[job] / row['s'])
    return table


def traced(t, m):
    """The jobs that are to be recorded, once more: tracing has its price."""
    for job in TRACED:
        with tempfile.TemporaryDirectory() as where:
            benchtrace.record(m.hosts)
            t.diag(f'{job}, recorded: {benchjobs.seconds(m, job, (0, m.far())):.2f} s')
            benchtrace.show(t, m, *benchtrace.fetch(m.hosts, where))


def report(t, table):
    """What changed since the last run."""
    for text in benchjobs.compare(table, benchjobs.last()):
        t.diag(text)
    benchjobs.keep(table)
    t.diag(f'the table is in {benchjobs.KEPT}')


def two_hosts(t, m, one):
    """Boot and jobs over two hosts; the table."""
    hotpages.record(m.hosts)
    boot = booted(t, m, f'two hosts, {m.total} vCPUs')
    t.diag(f'boot on two hosts / on one: {boot / one["boot"]:.2f}')
    faults(t, m)
    table = jobs(t, m, one)
    table['boot'] = {'one': one['boot'], 's': boot, 'gain': one['boot'] / boot}
    exits(t, m)
    traced(t, m)
    return table


def test(t):
    """One host, then a machine of one node, then two hosts."""
    m = Machine([0, 1], cpus=CPUS, memory=MEMORY)
    one = plain(t, m)
    load({0, 1})
    try:
        own = one_node(t, m)
        t.diag(f'boot of a machine of one node / plain: {own / one["boot"]:.2f}')
        spread = packed(t, m)
        table = two_hosts(t, m, one)
        table['boot packed'] = spread
        table['one node'] = {'one': one['boot'], 's': own, 'gain': one['boot'] / own}
        report(t, table)
        t.ok(True, 'measured')
    finally:
        hotpages.stop(m.hosts)
        m.end()
    unload_all(t, (0, 1))


main(test)
