# SPDX-License-Identifier: GPL-2.0
"""A pool of hosts that are network namespaces: a corosync and a dvmmd in each.

All of it is in namespaces of its own, which end with the test; it needs no root.
"""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
DVMM = os.path.join(TREE, 'tools/dvmm/dvmm')
DVMMD = os.path.join(TREE, 'tools/dvmmd/dvmmd')
CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME', os.path.expanduser('~/.cache')), 'dvmm')
TOKEN_MS = 1000
PATIENCE = 60
INSIDE = 'DVMM_POOL_INSIDE'

CONF = '''totem {{
  version: 2
  cluster_name: dvmm
  transport: knet
  token: {token}
  token_coefficient: 0
  crypto_cipher: none
  crypto_hash: none
}}
system {{
  allow_knet_handle_fallback: yes
  sched_rr: no
  priority: 0
  move_to_root_cgroup: no
  state_dir: {directory}
}}
quorum {{
  provider: corosync_votequorum
  expected_votes: {hosts}
  {quorum}
}}
logging {{
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: {directory}/corosync.log
}}
nodelist {{
{nodes}}}
'''
NODE = '  node {{\n    nodeid: {0}\n    name: h{0}\n    ring0_addr: 10.99.0.{0}\n  }}\n'


class Tap:
    """Results of all."""
    count = failed = 0

    @classmethod
    def result(cls, fine, text):
        """One line."""
        cls.count += 1
        cls.failed += not fine
        print(f'{"" if fine else "not "}ok {cls.count} - {text}', flush=True)

    @classmethod
    def says(cls, done, status, text):
        """A command has ended with that status, and that text in a line on standard error."""
        fine = done[0] == status and (text in done[2] or not status) and done[2].count('\n') == (status != 0)
        if not fine:
            print(f'# status {done[0]}: {done[1]}{done[2]}')
        cls.result(fine, f'status {status}: {done[2].strip() or text}')


def corosync():
    """The program: installed, or as the set-up has unpacked it; None: there is none."""
    found = sorted(glob.glob(os.path.join(CACHE, 'corosync-*/usr/sbin/corosync')))
    return found[-1] if found else shutil.which('corosync', path='/usr/sbin:/usr/bin')


def enter_namespaces():
    """Start this program again as root of a user namespace; its end ends all in there."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = '1'
    user = ['--user', '--map-root-user'] if os.getuid() else []
    os.execvp('unshare', ['unshare', *user, '--net', '--mount', '--ipc', '--pid', '--fork', '--kill-child',
                          '--mount-proc', sys.executable] + sys.argv)


def wait_until(what, seconds, description):
    """The first true value of a function; TimeoutError if there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(description)
        time.sleep(0.02)


class Host:
    """One host: a namespace that is held by a process which waits."""

    def __init__(self, pool, number):
        self.pool, self.number, self.name = pool, number, f'h{number}'
        self.directory = os.path.join(pool.directory, self.name)
        os.makedirs(self.directory)
        self.corosync = self.daemon = None
        self.holder = subprocess.Popen(
            ['unshare', '--net', '--mount', '--ipc', '--propagation', 'private', 'sh', '-c',
             'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm && ip link set lo up && echo held && '
             'exec sleep infinity'], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == 'held\n'
        pool.run(f'ip link add v{number} type veth peer name eth0 netns {self.holder.pid}')
        pool.run(f'ip link set v{number} master br0 up')
        self.run(f'ip addr add 10.99.0.{number}/24 dev eth0')
        self.run('ip link set eth0 up')

    def inside(self, *argv):
        """Words that run a program on the host."""
        return ['nsenter', '-t', str(self.holder.pid), '-n', '-m', '-i', *argv]

    def run(self, text):
        """A command on the host that has to succeed."""
        subprocess.run(self.inside(*text.split()), check=True)

    def corosync_start(self):
        """As a host that boots."""
        path = os.path.join(self.directory, 'corosync.conf')
        with open(path, 'w') as f:
            f.write(CONF.format(token=TOKEN_MS, directory=self.directory, hosts=self.pool.size,
                                quorum=self.pool.quorum,
                                nodes=''.join(NODE.format(i + 1) for i in range(self.pool.size))))
        self.corosync = subprocess.Popen(self.inside(corosync(), '-f', '-c', path), stdout=subprocess.DEVNULL,
                                         stderr=open(os.path.join(self.directory, 'corosync.out'), 'a'))

    def daemon_start(self, *more):
        """A dvmmd; it finds its corosync when that is there."""
        log = open(os.path.join(self.directory, 'dvmmd.log'), 'a')
        self.daemon = subprocess.Popen(
            self.inside(DVMMD, '--name', self.name, '--state', self.directory,
                        '--store', os.path.join(self.directory, 'pool.json'), *self.pool.options(self), *more),
            stdout=log, stderr=log, env={**os.environ, **self.pool.environment(self)})

    @staticmethod
    def _kill(process):
        if process:
            # nsenter has become the program itself
            process.send_signal(signal.SIGKILL)
            process.wait()

    def daemon_kill(self):
        """Its dvmmd is gone without a word."""
        self._kill(self.daemon)
        self.daemon = None

    def corosync_kill(self):
        """Its corosync is gone without a word."""
        self._kill(self.corosync)
        self.corosync = None

    def kill(self):
        """The power is off."""
        self.corosync_kill()
        self.daemon_kill()
        self.pool.host_is_off(self)

    def boot(self):
        """The power is on."""
        self.pool.host_is_on(self)
        self.corosync_start()
        self.daemon_start()

    def link(self, on):
        """Its cable."""
        self.pool.run(f'ip link set v{self.number} {"up" if on else "down"}')

    def dvmm(self, *words):
        """What the command says: status, standard output and error."""
        done = subprocess.run([DVMM, *words, '--state', self.directory], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def decide(self, *words):
        """As dvmm(); a loaded machine's hosts may lose each other for a moment, so it is asked until the pool decides."""
        end, unknown = time.monotonic() + PATIENCE, False
        while True:
            done = self.dvmm(*words)
            lost = 'have just changed' in done[2]
            if not lost and done[0] != 3 or time.monotonic() > end:
                break
            unknown |= lost
            time.sleep(0.2)
        was_done = unknown and re.search('is defined|no such machine|it is (starting|running)|does not run', done[2])
        return (0, '', '') if was_done else done

    def ask(self, **request):
        """The daemon's answer; {} if there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(10)
                s.connect(os.path.join(self.directory, 'dvmmd.sock'))
                s.sendall(json.dumps(request).encode() + b'\n')
                with s.makefile() as f:
                    return json.loads(f.readline() or '{}')
        except (OSError, ValueError):
            return {}

    def log(self):
        """What its dvmmd has said."""
        with open(os.path.join(self.directory, 'dvmmd.log')) as f:
            return f.read()


class Pool:
    """Some hosts on one bridge."""

    def __init__(self, size, quorum=''):
        self.size, self.quorum = size, quorum
        self.directory = tempfile.mkdtemp(prefix='dvmm-pool-')
        self.run('ip link set lo up')
        for bridge in range(2):
            self.run(f'ip link add br{bridge} type bridge')
            self.run(f'ip link set br{bridge} up')
        self.hosts = [Host(self, i + 1) for i in range(size)]

    @staticmethod
    def run(text):
        """A command that has to succeed."""
        subprocess.run(text.split(), check=True)

    def environment(self, _host):
        """Of a host's dvmmd."""
        return {}

    def options(self, _host):
        """More words for a host's dvmmd."""
        return []

    def host_is_on(self, host):
        """What else comes with it."""

    def host_is_off(self, host):
        """What else goes with it."""

    def boot(self):
        """All hosts."""
        for host in self.hosts:
            host.boot()

    def side(self, host, number):
        """Put a host's cable into another bridge: hosts reach each other in the same one."""
        self.run(f'ip link set v{host.number} master br{number}')

    def open_alike(self, hosts=None):
        """Whether those hosts decide, and have the same state; all of them if none are named."""
        hosts = self.hosts if hosts is None else hosts
        seen = [h.ask(do='machines') for h in hosts]
        return all(a.get('closed') == '' for a in seen) and len({a['digest'] for a in seen}) == 1 and seen[0]

    def close(self):
        """Nothing is left."""
        for host in self.hosts:
            host.kill()
            host.holder.kill()
            host.holder.wait()
        for bridge in range(2):
            self.run(f'ip link del br{bridge}')
        shutil.rmtree(self.directory)
