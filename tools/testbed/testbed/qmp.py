# SPDX-License-Identifier: GPL-2.0
"""QEMU's management socket."""
import json
import socket
import threading


class Qmp:
    """One connection; commands are answered in order, events are dropped."""

    def __init__(self, path, bound=120):
        self.lock = threading.Lock()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(bound)
        self.sock.connect(path)
        self.file = self.sock.makefile('rw')
        json.loads(self.file.readline())
        self.do('qmp_capabilities')

    def do(self, command, **arguments):
        """The command's result; RuntimeError where QEMU refuses."""
        with self.lock:
            self.file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
            self.file.flush()
            while True:
                answer = json.loads(self.file.readline())
                if 'error' in answer:
                    raise RuntimeError(answer['error']['desc'])
                if 'return' in answer:
                    return answer['return']
