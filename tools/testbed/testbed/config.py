# SPDX-License-Identifier: GPL-2.0
"""What set-up found and built, and what a cluster is made of."""
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'dvmm')


def tree_cache():
    """The directory of this work tree in the cache."""
    return os.path.join(CACHE, 'tree-' + hashlib.sha256(TREE.encode()).hexdigest()[:12])


def new_log_directory(name):
    """A fresh directory for the logs of one run."""
    base = os.environ.get('DVMM_LOGS') or os.path.join(tree_cache(), 'logs')
    prune(base, 40)
    path = os.path.join(base, time.strftime('%Y%m%d-%H%M%S-') + f'{name}-{os.getpid()}')
    os.makedirs(path)
    return path


def prune(directory, keep):
    """Leaves only the newest entries of a directory of things that can be made again."""
    try:
        paths = [os.path.join(directory, name) for name in os.listdir(directory)]
        for path in sorted(paths, key=os.path.getmtime)[:-keep]:
            subprocess.run(['rm', '-rf', path], check=False)
    except OSError:
        pass


def nested_kvm():
    """Whether this machine's KVM can run a hypervisor in a guest."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return False
    for module in ('kvm_amd', 'kvm_intel'):
        try:
            with open(f'/sys/module/{module}/parameters/nested') as f:
                return f.read().strip() in ('1', 'Y')
        except OSError:
            pass
    return False


class Config:
    """Every value that a node's command line needs."""

    def __init__(self, memory=2048, cpus=1, share=None, modules=None, append='', debug=None, pool=False):
        with open(os.path.join(tree_cache(), f'config.{debug}' if debug else 'config')) as f:
            self.set_up = dict(line.strip().split('=', 1) for line in f if '=' in line)
        self.memory, self.cpus, self.share, self.append = memory, cpus, share, append
        self.tree = TREE
        self.qemu = os.environ.get('DVMM_NODE_QEMU') or self.set_up['QEMU']
        self.node_qemu = self.set_up.get('NODE_QEMU')
        self.images = self.set_up.get('IMAGES')
        self.kernel = self.set_up['KERNEL']
        self.version = self.set_up['VERSION']
        self.nested = nested_kvm()
        self.accel = (['-accel', 'kvm', '-cpu', 'host'] if self.nested else
                      ['-accel', 'tcg,thread=multi', '-cpu', 'max'])
        self.clock = '' if self.nested else f'tsc_early_khz={tsc_khz(self.set_up["INITRAMFS"])}'
        self.firmware = [w for d in ('/usr/share/seabios', '/usr/share/qemu') for w in ('-L', d)]
        self.stream_options = stream_options(self.qemu)
        if modules is None and 'MODULES' in self.set_up:
            modules = [self.set_up['MODULES']]
        self.initrd = initrd(self.set_up, modules)
        if pool:
            self.initrd = joined(self.initrd, self.set_up['POOL'])
            self.append += ' testbed.systemd'

    def describe(self):
        """One line about how nodes run here."""
        how = 'nested KVM' if self.nested else 'software emulation (no nested virtualisation here)'
        return f'nodes: {how}, kernel {self.version}, {self.memory} MiB, {self.cpus} CPU each'


def tsc_khz(initramfs):
    """The frequency of this machine's TSC, which emulated nodes have too and cannot measure when it is busy."""
    return subprocess.run([os.path.join(initramfs, 'agent', 'tsckhz')], capture_output=True, text=True, check=True).stdout.strip()


def stream_options(qemu):
    """A client of a link comes again after its peer was lost, where QEMU can."""
    text = subprocess.run([qemu, '--version'], capture_output=True, text=True, check=True).stdout
    version = tuple(int(n) for n in re.search(r'version (\d+)\.(\d+)', text).groups())
    if version >= (9, 2):
        return ',reconnect-ms=200'
    return ',reconnect=1' if version >= (8, 0) else ''


def built_modules(directories):
    """Kernel modules below directories, newest build of each name."""
    found = {}
    for top in directories:
        for where, _, names in os.walk(top):
            for name in names:
                if name.endswith('.ko'):
                    path = os.path.join(where, name)
                    if name not in found or os.path.getmtime(path) > os.path.getmtime(found[name]):
                        found[name] = path
    return found


def initrd(set_up, directories):
    """The node's initramfs with the project's modules added; its path."""
    if directories is None:
        directories = [TREE]
    modules = built_modules(directories)
    key = hashlib.sha256(set_up['INITRAMFS'].encode())
    for name, path in sorted(modules.items()):
        key.update(f'{name}{path}{os.stat(path).st_mtime_ns}'.encode())
    out = os.path.join(tree_cache(), 'initrd', key.hexdigest()[:16])
    if not os.path.exists(out):
        make_initrd(set_up, modules, out)
    return out


def make_initrd(set_up, modules, out):
    """Appends modules and a new modules.dep to the prepared archive."""
    os.makedirs(os.path.dirname(out), exist_ok=True)
    prune(os.path.dirname(out), 12)
    with tempfile.TemporaryDirectory() as work:
        lib = f'lib/modules/{set_up["VERSION"]}'
        root = os.path.join(set_up['INITRAMFS'], 'root')
        os.makedirs(os.path.join(work, lib))
        subprocess.run(['cp', '-al', os.path.join(root, lib, '.'), os.path.join(work, lib)], check=True)
        subprocess.run(f'rm -f {work}/{lib}/modules.[ads]*', shell=True, check=True)
        ours = os.path.join(work, lib, 'updates', 'dkms')
        os.makedirs(ours)
        for path in modules.values():
            subprocess.run(['objcopy', '-g', path, os.path.join(ours, os.path.basename(path))], check=True)
        subprocess.run(['depmod', '-b', work, set_up['VERSION']], check=True)
        mine = f'{out}.{os.path.basename(work)}'    # another lane may make the same
        subprocess.run(f'cp {set_up["INITRAMFS"]}/node.cpio {mine} && cd {work} && '
                       f'find lib/modules/*/modules.* lib/modules/*/updates | cpio --quiet -o -H newc -R 0:0 '
                       f'>> {mine} && mv {mine} {out}', shell=True, check=True)


def joined(first, second):
    """An archive that is two of them, one behind the other; its path."""
    out = f'{first}-{os.path.basename(second)}'
    if not os.path.exists(out):
        subprocess.run(f'cat {first} {second} > {out}.tmp && mv {out}.tmp {out}', shell=True, check=True)
    return out


def end_on_signals():
    """SIGTERM and SIGHUP end the program as an exception does, so that no machine outlives it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))


def copy_sparse(source, target):
    """A copy of an image that takes no more room than it must."""
    subprocess.run(['cp', '--sparse=always', '--reflink=auto', source, target], check=True)
