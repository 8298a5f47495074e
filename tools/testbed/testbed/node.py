# SPDX-License-Identifier: GPL-2.0
"""One node: a virtual machine with an agent."""
import os
import signal
import subprocess
import time

from . import klog
from .agent import Agent, Lost, Timeout
from .qmp import Qmp

KERNEL_LINE = ('console=ttyS0 loglevel=6 panic=-1 oops=panic tsc=reliable nowatchdog '
               'rcupdate.rcu_cpu_stall_timeout=120 net.ifnames=0')


class Node:
    """A node of a cluster; its files are DIRECTORY/nodeI.*"""

    def __init__(self, index, count, config, directory, sockets):
        self.index, self.count, self.config = index, count, config
        self.directory, self.sockets = directory, sockets
        self.console = os.path.join(directory, f'node{index}.console')
        self.process = self.agent = self.qmp = None
        self.read_to = 0
        self.cpu = None

    def _socket(self, kind):
        return os.path.join(self.sockets, f'{self.index}.{kind}')

    def _cards(self):
        words = []
        for peer in range(self.count):
            if peer == self.index:
                continue
            low, high = min(peer, self.index), max(peer, self.index)
            server = 'on' if self.index == low else 'off'
            path = os.path.join(self.sockets, f'link{low}-{high}')
            words += ['-netdev', f'stream,id=to{peer},server={server},addr.type=unix,addr.path={path}'
                      + (self.config.stream_options if server == 'off' else ''),
                      '-device', f'virtio-net-pci,id=card{peer},netdev=to{peer},romfile=,'
                      f'mac=52:54:00:77:{self.index:02x}:{peer:02x}']
        return words

    def _share(self, tag, path, options):
        return ['-virtfs', f'local,path={path},mount_tag={tag},security_model=none,{options}'] if path else []

    def command(self):
        """QEMU's command line."""
        c = self.config
        share = c.share and os.path.realpath(c.share)
        return ([c.qemu, '-name', f'dvmm-node{self.index}', '-nodefaults', '-display', 'none', '-no-reboot',
                 '-machine', 'q35', '-m', str(c.memory), '-smp', str(c.cpus)] + c.accel + c.firmware
                + ['-kernel', c.kernel, '-initrd', c.initrd,
                   '-append', f'{KERNEL_LINE} {c.clock} testbed.node={self.index} testbed.nodes={self.count} {c.append}',
                   '-chardev', f'file,id=con,path={self.console},append=on', '-serial', 'chardev:con',
                   '-device', 'virtio-serial-pci,max_ports=2',
                   '-chardev', f'socket,id=agent,path={self._socket("agent")},server=on,wait=off',
                   '-device', 'virtserialport,chardev=agent,name=dvmm.agent',
                   '-qmp', f'unix:{self._socket("qmp")},server=on,wait=off']
                + self._share('dvmm', c.tree, 'readonly=on') + self._share('qemu', c.node_qemu, 'readonly=on')
                + self._share('images', c.images, 'readonly=on') + self._share('log', self.directory, '')
                + self._share('share', share, '') + self._cards())

    def start(self):
        """Starts the machine; returns when its management socket answers."""
        with open(os.path.join(self.directory, f'node{self.index}.qemu'), 'ab') as log:
            log.write((' '.join(self.command()) + '\n').encode())
            log.flush()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.qmp = Qmp(self._socket('qmp'))
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Lost(f'node {self.index}: QEMU did not start: {self.last_words()}') from None
                time.sleep(0.02)
        self.agent = Agent(self._socket('agent'))

    def ready(self, bound=120):
        """Waits until the agent answers."""
        try:
            self.agent.ready(bound)
        except (Lost, Timeout) as e:
            raise type(e)(f'node {self.index} did not come up: {e}; see {self.console}') from None

    def last_words(self):
        """The end of QEMU's own output."""
        with open(os.path.join(self.directory, f'node{self.index}.qemu'), 'rb') as log:
            return log.read().decode('utf-8', 'replace').strip().splitlines()[-1][-300:]

    def spawn(self, argv, stdin=False):
        """A job on this node."""
        return self.agent.start(argv, stdin)

    def run(self, argv, bound=60, on_data=None):
        """(status, output) of a command on this node."""
        parts = []

        def collect(kind, data):
            parts.append(data)
            if on_data:
                on_data(kind, data)
        status = self.spawn(argv).wait(bound, collect)
        return status, b''.join(parts).decode('utf-8', 'replace')

    def sh(self, script, bound=60, on_data=None):
        """(status, output) of a shell script on this node."""
        return self.run(['sh', '-c', script], bound, on_data)

    def alive(self):
        """Whether the machine runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """Power is gone."""
        if self.alive():
            os.kill(self.process.pid, signal.SIGKILL)
        if self.process:
            self.process.wait(30)

    def pause(self):
        """Stops the machine and its QEMU."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        """Goes on after pause()."""
        os.kill(self.process.pid, signal.SIGCONT)

    def lag(self):
        """Its clock and CPUs stand still for 5 ms or more: its TSC is behind from then on. No more ms than that."""
        begin = time.monotonic()
        self.qmp.do('stop')
        time.sleep(0.005)
        self.qmp.do('cont')
        return (time.monotonic() - begin) * 1000

    def restart(self, bound=120):
        """Boots a killed node again."""
        self.kill()
        self.start()
        self.ready(bound)

    def link(self, peer, up):
        """Plugs or pulls the cable to a peer, on this side."""
        self.qmp.do('set_link', name=f'card{peer}', up=up)

    def power_off(self, bound=10):
        """Lets the kernel say goodbye, then pulls the plug."""
        if self.alive() and self.agent and not self.agent.gone:
            try:
                self.agent.start(['poweroff', '-f'])
                self.process.wait(bound)
            except (Lost, subprocess.TimeoutExpired):
                pass
        self.kill()

    def cpu_seconds(self):
        """Processor time that the machine has used, in real seconds."""
        with open(f'/proc/{self.process.pid}/stat') as f:
            words = f.read().rsplit(')', 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')

    def new_console(self):
        """What the kernel said since the last call."""
        with open(self.console, 'rb') as f:
            f.seek(self.read_to)
            data = f.read()
        self.read_to += len(data)
        return data.decode('utf-8', 'replace')

    def new_reports(self):
        """Fault reports in the kernel log since the last call."""
        return klog.reports(self.new_console())
