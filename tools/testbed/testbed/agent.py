# SPDX-License-Identifier: GPL-2.0
"""Commands in a node, by way of its agent."""
import queue
import socket
import threading
import time

from . import line


class Timeout(Exception):
    """Something did not happen within its bound."""


class Lost(Exception):
    """The node, or its agent, is no longer there."""


class Job:
    """A running command: its output as it comes, and its end."""

    def __init__(self, agent, ident, argv):
        self.agent, self.ident, self.argv = agent, ident, argv
        self.events = queue.Queue()
        self.status = None

    def next(self, deadline):
        """The next ('out'|'err', bytes) or ('exit', status)."""
        try:
            kind, data = self.events.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            raise Timeout(' '.join(self.argv)) from None
        if kind == 'lost':
            raise Lost(data)
        if kind == 'exit':
            self.status = data
        return kind, data

    def wait(self, bound, on_data=None):
        """The exit status, within bound seconds, or kills it: Timeout."""
        deadline = time.monotonic() + bound
        try:
            while self.status is None:
                kind, data = self.next(deadline)
                if kind != 'exit' and on_data:
                    on_data(kind, data)
        except Timeout:
            self.kill()
            raise
        return self.status

    def kill(self, signal=9):
        """Signals the command's whole session."""
        self.agent.send('kill', self.ident, str(signal))

    def feed(self, data):
        """Standard input."""
        for i in range(0, len(data), 4096):
            self.agent.send('in', self.ident, data[i:i + 4096])

    def eof(self):
        """End of standard input."""
        self.agent.send('eof', self.ident)


class Agent:
    """The connection to one agent."""

    def __init__(self, path):
        self.jobs = {}
        self.count = 0
        self.lock = threading.Lock()
        self.greeted = threading.Event()
        self.gone = None
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        threading.Thread(target=self._read, daemon=True).start()
        self.send('hello', 'driver')

    def ready(self, bound):
        """Waits until the agent answers."""
        if not self.greeted.wait(bound):
            raise Timeout('the agent of the node')
        if self.gone:
            raise Lost(self.gone)

    def send(self, *words):
        """One line to the agent."""
        with self.lock:
            try:
                self.sock.sendall(line.make(*words))
            except OSError as e:
                raise Lost(str(e)) from None

    def start(self, argv, stdin=False):
        """A job running argv."""
        with self.lock:
            self.count += 1
            ident = str(self.count)
        job = self.jobs[ident] = Job(self, ident, argv)
        if self.gone:
            raise Lost(self.gone)
        self.send('run', ident, *argv)
        if not stdin:
            job.eof()
        return job

    def lost(self, why):
        """Tells every job that there is nothing more to come."""
        self.gone = why
        self.greeted.set()
        for job in list(self.jobs.values()):
            job.events.put(('lost', why))

    def close(self):
        """Ends the connection."""
        self.sock.close()

    def _read(self):
        rest = b''
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError as e:
                return self.lost(str(e))
            if not data:
                return self.lost('the node has gone')
            *lines, rest = (rest + data).split(b'\n')
            for text in lines:
                self._heard(text.strip().split(b' '))

    def _heard(self, words):
        kind, ident = words[0].decode('latin1'), words[1].decode('latin1') if len(words) > 1 else ''
        data = line.unescape(words[2]) if len(words) > 2 else b''
        if kind == 'hello':
            self.greeted.set()
        elif kind == 'exit' and ident in self.jobs:
            self.jobs.pop(ident).events.put(('exit', int(data)))
        elif kind in ('out', 'err') and ident in self.jobs:
            self.jobs[ident].events.put((kind, data))
