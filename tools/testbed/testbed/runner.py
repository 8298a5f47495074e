# SPDX-License-Identifier: GPL-2.0
"""Runs tests one after the other on one cluster that is kept."""
import atexit
import os
import signal
import subprocess
import threading
import time

from . import config, control
from .agent import Lost, Timeout
from .cluster import Cluster
from .tap import Tap

TIDY = '/dvmm/tools/testbed/node-bin/tidy'
IN_NODE = '/dvmm/selftests/'


class Sink:
    """Output of a test: to its log, and by lines to TAP."""

    def __init__(self, path, tap, show=None):
        self.log, self.tap, self.rest, self.show = open(path, 'wb'), tap, b'', show

    def data(self, kind, data):
        """Some bytes of standard output ('out') or error."""
        self.log.write(data)
        self.log.flush()
        if kind != 'out':
            return
        *lines, self.rest = (self.rest + data).split(b'\n')
        for raw in lines:
            text = raw.decode('utf-8', 'replace').rstrip('\r')
            self.tap.line(text)
            if self.show:
                self.show(text)

    def close(self):
        """No more output."""
        if self.rest:
            self.data('out', b'\n')
        self.log.close()


running = set()                                         # programs of this host, by whichever thread


def run_on_host(test, sink, bound, environment=None):
    """The status of a host program, or None after its bound."""
    program = [os.path.join(test.directory, test.argv[0])] + test.argv[1:]
    process = subprocess.Popen(program, cwd=test.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=dict(os.environ, **(environment or {})),
                               start_new_session=True)
    running.add(process)
    pumps = [threading.Thread(target=_pump, args=(stream, kind, sink))
             for stream, kind in ((process.stdout, 'out'), (process.stderr, 'err'))]
    for pump in pumps:
        pump.start()
    try:
        status = process.wait(bound)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        _end_group(process)
        running.discard(process)
    for pump in pumps:
        pump.join(5)
    return status


@atexit.register
def _end_all():
    """A thread that waits for one does not see that we are told to end."""
    for process in list(running):
        _end_group(process)


def _end_group(process):
    """All that a program has started, also where we are to end: its output would keep our threads alive."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _pump(stream, kind, sink):
    while True:
        data = stream.read1(65536)
        if not data:
            return
        sink.data(kind, data)


class Totals:
    """What all tests of a check came to."""

    def __init__(self, logs, say):
        self.logs, self.say = logs, say
        self.programs = self.passed = self.failed = self.skipped = 0
        self.bad = []
        self.lock = threading.Lock()

    def count(self, test, tap, seconds):
        """A test is over, in any thread."""
        with self.lock:
            self._count_locked(test, tap, seconds)

    def _count_locked(self, test, tap, seconds):
        self.programs += 1
        self.passed += tap.passed
        self.failed += len(tap.failures)
        self.skipped += tap.skipped
        parts = [f'{tap.passed} passed']
        parts += [f'{len(tap.failures)} failed'] if tap.failures else []
        parts += [f'{tap.skipped} skipped'] if tap.skipped else []
        self.say(f'{"FAILED" if tap.failures else "ok":6} {test.name}: {", ".join(parts)} ({seconds:.1f} s)')
        for text in tap.skips[:3]:
            self.say(f'         {text}')
        for text in tap.failures[:10]:
            self.say(f'         {text}')
        if tap.failures:
            self.bad.append((test.name, tap.failures[0]))
            self.say(f'         log: {os.path.join(self.logs, test.file_name() + ".log")}')

    def text(self):
        """The last line."""
        return f'{self.passed} passed, {self.failed} failed' + (f', {self.skipped} skipped' if self.skipped else '')


class Runner:
    """Owns a cluster; others may run beside it under the same logs and totals."""

    def __init__(self, totals, make_config, nodes, patience=1, name='cluster'):
        self.totals, self.make_config, self.nodes, self.patience, self.name = totals, make_config, nodes, patience, name
        self.logs, self.say = totals.logs, totals.say
        self.cluster = self.control = None
        self.boots = 0

    def run(self, test):
        """Runs one test and says how it went."""
        tap, start = Tap(), time.monotonic()
        sink = Sink(os.path.join(self.logs, test.file_name() + '.log'), tap, print if test.bench else None)
        try:
            status = self._status(test, sink)
            sink.close()
            tap.end(status, test.bound * self.patience)
        except (Lost, Timeout, OSError, RuntimeError, ValueError) as e:
            sink.close()
            tap.failures.append(f'{type(e).__name__}: {e}')
            status = None
        if test.where != 'host':
            self._after(tap, test, status)
        self.totals.count(test, tap, time.monotonic() - start)

    def _status(self, test, sink):
        if test.where == 'host':
            return run_on_host(test, sink, test.bound)
        self._need_cluster(test)
        if test.where == 'cluster':
            return run_on_host(test, sink, test.bound * self.patience,
                               {'DVMM_CLUSTER': self.control.path, 'DVMM_PATIENCE': str(self.patience),
                                'PATH': os.path.join(config.TREE, 'tools/testbed') + ':'
                                + os.path.join(config.TREE, 'tools/testbed/host-bin') + ':'
                                + os.environ['PATH']})
        script = f'cd "$0" && DVMM_PATIENCE={self.patience} exec "$@"'
        job = self.cluster.nodes[0].spawn(['sh', '-c', script, IN_NODE + test.group, './' + test.argv[0]]
                                          + test.argv[1:])
        try:
            return job.wait(test.bound * self.patience, sink.data)
        except Timeout:
            return None

    def _need_cluster(self, test):
        """All the nodes that any test needs; of slow ones no more than this one needs."""
        nodes = self.nodes if self.patience == 1 else test.nodes
        if self.cluster and len(self.cluster.nodes) >= nodes:
            return
        self.close()
        self.boots += 1
        conf = self.make_config()
        self.say(f'  booting {nodes} nodes: {conf.describe()}')
        start = time.monotonic()
        self.cluster = Cluster(nodes, conf, os.path.join(self.logs, f'{self.name}{self.boots}'))
        self.cluster.boot()
        self.cluster.reports()
        self.control = control.Control(self.cluster, os.path.join(self.cluster.sockets, 'control'))
        self.say(f'  nodes up after {time.monotonic() - start:.0f} s')

    def _after(self, tap, test, status):
        """A test leaves nodes as they were, or it failed."""
        if not self.cluster:
            return
        broken = status is None or test.planted
        for node in self.cluster.nodes:
            problem = self._tidy(node)
            if problem:
                broken = True
                tap.failures.append(f'node {node.index}: {problem}')
        for index, text in [] if test.planted else self.cluster.reports():
            broken = True
            tap.failures.append(f'kernel log of node {index}: {text}')
        if broken:
            self._drop(test)

    def _tidy(self, node):
        if not node.alive():
            return 'is not running after the test'
        try:
            status, text = node.run(['sh', TIDY], 60 * self.patience)
        except (Lost, Timeout) as e:
            return f'does not answer after the test: {e}'
        return text.strip() if status else None

    def _drop(self, test):
        """The next test gets fresh nodes; this one's are kept in the logs."""
        for node in self.cluster.nodes:
            if node.alive() and not node.agent.gone:
                try:
                    node.sh(f'dmesg > /log/node{node.index}.dmesg', 10)
                except (Lost, Timeout):
                    pass
        self.say(f'  nodes are booted anew after {test.name}')
        self.close(at_once=True)

    def close(self, at_once=False):
        """Ends the nodes."""
        if self.control:
            self.control.close()
        if self.cluster:
            self.cluster.kill() if at_once else self.cluster.stop()
        self.control = self.cluster = None
