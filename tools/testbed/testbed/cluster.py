# SPDX-License-Identifier: GPL-2.0
"""Several nodes and the links between them."""
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor

from .node import Node


class Cluster:
    """Use as a context manager: no machine outlives it."""

    def __init__(self, count, config, directory):
        os.makedirs(directory, exist_ok=True)
        self.directory = os.path.realpath(directory)
        self.sockets = tempfile.mkdtemp(prefix='dvmm-')
        self.nodes = [Node(i, count, config, self.directory, self.sockets) for i in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def boot(self, bound=420):
        """Starts all nodes and waits until all of them answer."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.ready(bound)

    def stop(self):
        """Ends all nodes."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda n: n.power_off(3), self.nodes))
        shutil.rmtree(self.sockets, ignore_errors=True)

    def kill(self):
        """Ends all nodes at once."""
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def cut(self, a, b):
        """No frame passes between two nodes any more."""
        self.nodes[a].link(b, False)
        self.nodes[b].link(a, False)

    def mend(self, a, b):
        """Undoes cut()."""
        self.nodes[a].link(b, True)
        self.nodes[b].link(a, True)

    def reports(self):
        """New fault reports of all nodes, as (node, line)."""
        return [(n.index, line) for n in self.nodes if os.path.exists(n.console) for line in n.new_reports()]
