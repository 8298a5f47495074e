# SPDX-License-Identifier: GPL-2.0
"""The command dvmm where an administrator sits who is on none of a machine's hosts."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'guest'))
from guestlib import PATIENCE, load, main, must, on, unload  # noqa: E402, F401

TOOL = os.path.join(HERE, '..', '..', 'tools', 'dvmm', 'dvmm')
BOOT = 300


class Desk:
    """Where the administrator sits. Its directories have the same names on the nodes."""

    def __init__(self):
        self.dir = tempfile.mkdtemp()
        self.places = ['--dir', f'{self.dir}/etc', '--state', f'{self.dir}/run']
        os.environ['DVMM_SSH'] = os.path.join(HERE, 'node-ssh')

    def packed(self, name):
        """A machine that boots soon and can begin with a checkpoint: status of the change, and its file."""
        path = f'{self.dir}/etc/{name}.conf'
        return subprocess.run(['sed', '-i', 's/^uuid/start = packed\\nuuid/', path], check=False).returncode, path

    def dvmm(self, *words, bound=BOOT):
        """The command: status and what it says."""
        done = subprocess.run([TOOL, *words, *self.places], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=bound, check=False)
        return done.returncode, done.stdout.decode('utf-8', 'replace')

    def there(self, node, *words):
        """The command on a node."""
        return on(node, ' '.join(['dvmm', *words, *self.places]))

    def runs(self, node):
        """Whether that node's QEMU does."""
        return on(node, 'pidof qemu-system-x86_64')[0] == 0
