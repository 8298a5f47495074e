# SPDX-License-Identifier: GPL-2.0
"""One dvmm-node process in each node VM of a kept cluster ($DVMM_CLUSTER)."""
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'guest'))
from guestlib import PATIENCE, ROCE, Failed, Tap, load, main, must, no_roce, on, soft_roce, unload  # noqa: E402,F401

PROGRAM = '/dvmm/selftests/dsm/dvmm-node'


class Process:
    """dvmm-node in one node VM, with the time of each line it prints."""

    def __init__(self, node, words, bound):
        self.node, self.lines = node, []
        self.news = threading.Condition()
        self.job = subprocess.Popen(['on', '-t', str(bound), str(node), PROGRAM] + words, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.job.stdout:
            with self.news:
                self.lines.append((time.monotonic(), raw.decode('utf-8', 'replace').rstrip()))
                self.news.notify_all()

    def find(self, pattern):
        """The first line that matches, as (time, line), or None."""
        return next((line for line in self.lines if re.search(pattern, line[1])), None)

    def wait_for(self, pattern, bound):
        """That line, once it is there; None after the bound."""
        with self.news:
            self.news.wait_for(lambda: self.find(pattern), bound * PATIENCE)
            return self.find(pattern)

    def status(self, bound):
        """How it ended; 124 if it did not."""
        try:
            status = self.job.wait(bound)
        except subprocess.TimeoutExpired:
            self.job.kill()
            return 124
        self.reader.join(5)
        return status

    def text(self):
        """All that it said."""
        return '\n'.join(f'node {self.node}: {line}' for _, line in self.lines)

    def bad(self):
        """Its results that are not as they should be."""
        return [line for _, line in self.lines if line.startswith(('not ok', 'Bail out', 'usage'))]


class Machine:
    """A workload on the first nodes of the cluster, each in a VM of its own, over TCP or RDMA; hosts[i] is the VM of
    node i, if not the i-th."""

    port = 7500

    def __init__(self, nodes, workload, options=(), last=(), bound=120, rdma=False, hosts=None):
        Machine.port += 1
        hosts = hosts or range(nodes)
        bound *= PATIENCE
        peers = ','.join(f'{i}=10.77.0.{h + 1}:{Machine.port + 100 * (len(set(hosts)) == 1) * i}'
                         for i, h in enumerate(hosts))
        if rdma:
            port = 8000 + Machine.port % 100 * 10
            options = ('--rdma', ','.join(f'{i}={ROCE}{h + 1}:{port}' for i, h in enumerate(hosts)), *options)
        self.bound, self.end = bound, time.monotonic() + bound
        self.processes = []
        for i in range(nodes):
            words = ['--self', str(i), '--peers', peers, '--bound', str(bound - 10), *options]
            words += list(last) if i == nodes - 1 else []
            self.processes.append(Process(hosts[i], words + [workload], bound))

    def runs(self):
        """Waits until every node works."""
        for p in self.processes:
            if not p.wait_for('^# node . runs', 60):
                raise Failed(f'node {p.node} does not come to run\n{self.text()}')

    def wait(self):
        """The statuses of all nodes."""
        return [p.status(max(1, self.end - time.monotonic())) for p in self.processes]

    def bad(self):
        """What any node complained of."""
        return [f'node {p.node}: {line}' for p in self.processes for line in p.bad()]

    def notes(self):
        """What the nodes counted."""
        return [line[2:] for p in self.processes for _, line in p.lines
                if line.startswith('# ') and not line.endswith(' runs')]

    def text(self):
        """All that was said."""
        return '\n'.join(p.text() for p in self.processes)
