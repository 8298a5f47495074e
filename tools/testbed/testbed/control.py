# SPDX-License-Identifier: GPL-2.0
"""A running cluster's socket: test scripts and people reach its nodes here.

One JSON object a line. Requests: {"do": VERB, ...}; answers: any number of
{"out": TEXT}, then {"exit": STATUS} or {"error": TEXT}.
"""
import base64
import json
import os
import socket
import socketserver
import threading

from .agent import Lost, Timeout


def path_of(name):
    """The socket of a cluster by name."""
    if '/' in name:
        return name
    return os.path.join('/tmp', f'dvmm-cluster-{os.getuid()}-{name}')


class _Handler(socketserver.StreamRequestHandler):
    def tell(self, **words):
        self.wfile.write(json.dumps(words).encode() + b'\n')
        self.wfile.flush()

    def handle(self):
        try:
            request = json.loads(self.rfile.readline())
            status = self.server.owner.do(request, self.data)
            self.tell(exit=status or 0)
        except (Timeout, Lost) as e:
            self.tell(error=f'{type(e).__name__}: {e}', status=124)
        except (OSError, ValueError, KeyError, IndexError, RuntimeError) as e:
            try:
                self.tell(error=f'{type(e).__name__}: {e}', status=125)
            except OSError:
                pass

    def data(self, kind, data):
        self.tell(kind=kind, data=base64.b64encode(data).decode())


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Control:
    """Serves one cluster."""

    def __init__(self, cluster, path):
        self.cluster, self.path = cluster, path
        self.stopped = threading.Event()
        self.server = _Server(path, _Handler)
        self.server.owner = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """No more requests."""
        self.server.shutdown()
        self.server.server_close()
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass

    def do(self, request, on_data):
        """Carries out one request."""
        verb, nodes = request['do'], [int(n) for n in request.get('nodes', [])]
        if any(not 0 <= n < len(self.cluster.nodes) for n in nodes):
            raise ValueError(f'the cluster has nodes 0 to {len(self.cluster.nodes) - 1}')
        if verb == 'on':
            job = self.cluster.nodes[nodes[0]].spawn(request['argv'])
            return job.wait(request['bound'], on_data)
        if verb == 'lag':
            on_data('out', f'{self.cluster.nodes[nodes[0]].lag():.1f} ms\n'.encode())
        elif verb in ('kill', 'restart', 'pause', 'resume'):
            getattr(self.cluster.nodes[nodes[0]], verb)()
        elif verb in ('cut', 'mend'):
            getattr(self.cluster, verb)(*nodes)
        elif verb == 'reports':
            for node, line in self.cluster.reports():
                on_data('out', f'node {node}: {line}\n'.encode())
        elif verb == 'stop':
            self.stopped.set()
        else:
            raise ValueError(f'no such request: {verb}')
        return 0


def ask(name, request, on_data):
    """Sends a request to a cluster; its status."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path_of(name))
        file = sock.makefile('rw')
        file.write(json.dumps(request) + '\n')
        file.flush()
        for line in file:
            answer = json.loads(line)
            if 'data' in answer:
                on_data(answer['kind'], base64.b64decode(answer['data']))
            elif 'error' in answer:
                on_data('err', (answer['error'] + '\n').encode())
                return answer['status']
            else:
                return answer['exit']
    on_data('err', b'the cluster has gone\n')
    return 125
