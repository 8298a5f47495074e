#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What the bench's jobs ask of the other host, by counts alone: each once on a guest that started packed and was spread.

$DVMM_BENCH_JOBS: which, as NAME or NAME=SIZE; $DVMM_BENCH_TRACE: which to record as well, in a run of their own;
$DVMM_BENCH_PARAMS: settings of the module to go through, each job under each, as "copies=0 copies=16,zeros=8"
(a name with slashes is that of files of the guest, as in "/proc/sys/kernel/sched_autogroup_enabled=0");
$DVMM_BENCH_KEYS: lines for the machine file, as in "prefetch = off,migratory = on";
$DVMM_BENCH_WORDS: more words for the guest's kernel; $DVMM_BENCH_TUNE: a script for the guest before the first job.
No time is compared, so this may be run beside other work.
"""
import os
import shutil
import tempfile

import benchjobs
import benchtrace
import hotpages
from guestlib import Machine, load, main, must

COUNTS = benchjobs.COUNTS + ('zeros_asked', 'prefetches', 'copies_asked', 'copies_got', 'copies_used', 'copies_lost')
JOBS = os.environ.get('DVMM_BENCH_JOBS', '').split() or list(benchjobs.ALL)
PARAMS = os.environ.get('DVMM_BENCH_PARAMS', '').split() or ['']
KEEP = os.environ.get('DVMM_BENCH_KEEP')
WORDS = os.environ.get('DVMM_BENCH_WORDS', '')
KEYS = list(filter(None, os.environ.get('DVMM_BENCH_KEYS', '').split(',')))
TUNE = os.environ.get('DVMM_BENCH_TUNE')
TRACED = os.environ.get('DVMM_BENCH_TRACE', '').split()
SPENT = ('user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest')
CPUS = 2
MEMORY = 512            # MiB on each host, as in bench.py


def counts(m):
    """By node."""
    return [{key: int(m.stats(node).get(key, 0)) for key in COUNTS} for node in range(len(m.hosts))]


def spent(host):
    """Seconds of a host's CPUs so far, by what they did: the first row of /proc/stat, of which the guest's are the user's too."""
    row = dict(zip(SPENT, (int(n) / 100 for n in must(host, 'head -n 1 /proc/stat').split()[1:])))
    return dict(row, user=row['user'] - row['guest'])


def counted(t, m, job):
    """One run: what each node asked, and what its host's CPUs did meanwhile."""
    before, busy, ping = counts(m), [spent(host) for host in m.hosts], benchjobs.Ping()
    took = benchjobs.seconds(m, job, (0, m.far()))
    busy = [{key: s - old[key] for key, s in spent(host).items()} for host, old in zip(m.hosts, busy)]
    price, after = ping.median(), counts(m)
    for node, row in enumerate(busy):
        t.diag(f'{job:17} {took:6.1f} s node {node}: ' + ', '.join(f'{key} {s:.1f} s' for key, s in row.items() if s >= 0.05))
    for node, (a, b) in enumerate(zip(before, after)):
        d = {key: b[key] - a[key] for key in COUNTS}
        asked = d['faults_read'] + d['faults_write'] + d['faults_upgrade']
        t.diag(f'{job:17} {took:6.1f} s node {node}: read {d["faults_read"]} write {d["faults_write"]} upgrade '
               f'{d["faults_upgrade"]} first {d["faults_first"]} messages {d["messages_sent"]} wait '
               f'{d["wait_ns"] / 1e9:.2f} s, {d["wait_ns"] / 1e6 / asked if asked else 0:.1f} ms each, ping {price} ms; '
               f'ahead: {d["zeros_asked"]} zeroes, {d["prefetches"]} in streams, {d["copies_asked"]} copies asked, '
               f'{d["copies_got"]} came; {d["copies_used"]} used, {d["copies_lost"]} lost')


def recorded(t, m, job):
    """One run with a trace."""
    with tempfile.TemporaryDirectory() as where:
        benchtrace.record(m.hosts)
        took = benchjobs.seconds(m, job, (0, m.far()))
        t.diag(f'{job}, recorded: {took:.2f} s')
        paths, lost = benchtrace.fetch(m.hosts, where)
        if KEEP:
            shutil.copytree(where, os.path.join(KEEP, job))
        benchtrace.show(t, m, paths, lost)


def set_params(m, setting):
    """Parameters of the module, on all hosts; or files of the guest."""
    for word in filter(None, setting.split(',')):
        name, value = word.split('=')
        if name.startswith('/'):
            m.must(f'for f in {name}; do echo {value} > $f || exit; done')
        for host in [] if name.startswith('/') else m.hosts:
            must(host, f'echo {value} > /sys/module/dvmm/parameters/{name}')


def test(t):
    """Boot, spread, jobs."""
    load({0, 1})
    m = Machine([0, 1], cpus=CPUS, memory=MEMORY, keys=['start = packed', 'timeout = 600', *KEYS], at_once=True)
    try:
        set_params(m, PARAMS[0] if '/' not in PARAMS[0] else '')
        m.start(f'{hotpages.WORDS} {WORDS}')
        t.diag(f'up after {m.up(900):.0f} s')
        m.spread()
        for node, c in enumerate(counts(m)):
            t.diag(f'boot: node {node}: {c}')
        if TUNE:
            t.diag(m.must(TUNE, 120))
        for job in JOBS:
            for setting in PARAMS:
                set_params(m, setting)
                t.diag(f'{job} {setting}')
                counted(t, m, job)
            if job in TRACED:
                recorded(t, m, job)
        t.ok(True, 'counted')
    finally:
        m.end()


main(test)
