# SPDX-License-Identifier: GPL-2.0
"""Jobs of the bench: what each took, what it asked of other nodes, and a table beside the last one."""
import json
import os
import re

from guestlib import must

# name: its goal, two hosts with one CPU each over one host (design goal, not a bound)
ALL = {'ep': 1.9, 'stencil': 1.3, 'sort': 1.3, 'spmv': 1.0, 'tree': 1.3, 'counter': 1.0,
       'pipes': None, 'touch': None, 'reader': None}
# As large as what somebody would spread: seconds of work for a host, and waiting as OpenMP's threads do at first.
LARGE = ('ep=40000000', 'sort=6000000', 'stencil=2048', 'stencil+spin', 'stencil+spin=2048')
WANTED = os.environ.get('DVMM_BENCH_JOBS', '').split()


def name(job):
    """NAME of NAME[+spin][=SIZE][:TIMES]."""
    return re.split('[+=:]', job)[0]


JOBS = {job: ALL[name(job)] for job in WANTED or (*ALL, *LARGE)}
COUNTS = ('faults_first', 'faults_read', 'faults_write', 'faults_upgrade', 'messages_sent', 'wait_ns')
KEPT = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'dvmm', 'bench-guest.json')


class Ping:
    """Pings, of a page's size unless told, from node 0 to another for as long as a job runs: one process of the node, once a second.

    A program of this machine for each would take the nodes' CPUs from them, a sixth of a job's time.
    """

    OUT = '/run/bench-ping'

    def __init__(self, peer='10.77.0.2', size=4056):
        self.pid = must(0, f'ping -i 1 -s {size} {peer} > {self.OUT} 2>&1 & echo $!').strip()

    def median(self):
        """Ends it: milliseconds; None without an answer."""
        text = must(0, f'kill -INT {self.pid}; while test -d /proc/{self.pid}; do usleep 10000; done; cat {self.OUT}')
        times = sorted(float(ms) for ms in re.findall(r'time=([\d.]+)', text))
        return times[len(times) // 2] if times else None


def ticks(m, cpus):
    """Timer interrupts of the guest's CPUs so far."""
    row = m.must('grep LOC: /proc/interrupts').split()[1:]
    return sum(int(row[cpu]) for cpu in cpus)


def counts(m):
    """The machine's counters, all nodes together."""
    nodes = [m.stats(node) for node in range(len(m.hosts))]
    return {key: sum(int(s[key]) for s in nodes) for key in COUNTS}


def seconds(m, job, cpus, bound=1500):
    """One run of a job, checked; our seconds."""
    text = m.must(f'benchjob {job} ' + ' '.join(str(cpu) for cpu in cpus), bound)
    found = re.search(r': ([\d.]+) s: correct', text)
    return float(found.group(1)) * m.scale()


def across(m, job, cpus):
    """A run over hosts: its time, requests by kind, price and the share of time spent waiting."""
    ticked, before, ping = ticks(m, cpus), counts(m), Ping()
    took = seconds(m, job, cpus)
    price, after = ping.median(), counts(m)
    d = {key: after[key] - before[key] for key in COUNTS}
    asked = d['faults_read'] + d['faults_write'] + d['faults_upgrade']
    wait_ms = d['wait_ns'] / 1e6
    ticked = ticks(m, cpus) - ticked
    return {'s': took, 'first': d['faults_first'], 'read': d['faults_read'], 'write': d['faults_write'],
            'upgrade': d['faults_upgrade'], 'messages': d['messages_sent'],
            'ms': wait_ms / asked if asked else 0, 'ping': price,
            'pings': wait_ms / asked / price if asked and price else 0,
            'tick': asked / ticked if ticked else 0,
            'waiting': wait_ms / 1e3 / (took * len(cpus)) if took else 0}


HEAD = (f'{"job":17} {"1 host":>8} {"2 hosts":>8} {"gain":>6} {"goal":>5} {"read":>6} {"write":>6} {"upgr":>6} '
        f'{"first":>6} {"msgs":>7} {"ms":>5} {"pings":>5} {"tick":>5} {"wait":>5}')


def line(job, one, row, goal=None):
    """A row of the table; "gain" is one host's time over that of two."""
    return (f'{job:17} {one:8.2f} {row["s"]:8.2f} {one / row["s"]:6.2f} {goal or "-":>5} {row["read"]:6} {row["write"]:6} '
            f'{row["upgrade"]:6} {row["first"]:6} {row["messages"]:7} {row["ms"]:5.1f} {row["pings"]:5.1f} {row["tick"]:5.1f} '
            f'{100 * row["waiting"]:4.0f}%')


def last():
    """The table of the run before, or an empty one."""
    try:
        with open(KEPT) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def keep(table):
    """Writes the table for the next run to compare with."""
    os.makedirs(os.path.dirname(KEPT), exist_ok=True)
    with open(KEPT + '.new', 'w') as f:
        json.dump(table, f, indent=1)
    os.rename(KEPT + '.new', KEPT)


def compare(table, before):
    """Lines about each figure that changed by more than a tenth, as ratios to one host's of its own run."""
    for job, row in table.items():
        if job in before:
            old, new = before[job]['gain'], row['gain']
            if abs(new - old) > old / 10:
                yield f'{job}: gain {new:.2f}, {old:.2f} the last time: {"better" if new > old else "WORSE"}'
