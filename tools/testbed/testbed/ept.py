# SPDX-License-Identifier: GPL-2.0
"""An Intel host emulated by Bochs that runs a list of tests by itself."""
import glob
import os
import re
import signal
import subprocess
import threading
import time
import tty

from . import config, klog
from .tap import Tap

# idle=poll: Bochs emulates a halted CPU six times slower than one that works
GRUB = '''set timeout=0
menuentry dvmm {
	linux /boot/vmlinuz console=ttyS0 loglevel=4 panic=-1 oops=panic nowatchdog mitigations=off idle=poll dvmm.run=/ept-run
	initrd /boot/initrd
}
'''
BOCHS = '''cpu: model=corei7_skylake_x, ips=200000000, ignore_bad_msrs=1
memory: guest=2048, host=2048
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
display_library: term
com1: enabled=1, mode=file, dev={serial}
log: {log}
'''


def pack(tree, out):
    """A directory as a cpio archive."""
    subprocess.run(f'cd {tree} && find . | cpio --quiet -o -H newc -R 0:0 >> {out}', shell=True, check=True)


def copy_tests(chosen, root):
    """The work tree's files that tests use, without sources and objects."""
    for part in ('tools/testbed/node-bin', 'tools/dvmm'):
        if os.path.exists(os.path.join(config.TREE, part)):
            os.makedirs(os.path.join(root, 'dvmm', os.path.dirname(part)), exist_ok=True)
            subprocess.run(['cp', '-a', os.path.join(config.TREE, part), os.path.join(root, 'dvmm', part)], check=True)
    os.makedirs(os.path.join(root, 'dvmm', 'selftests'))
    for group in {t.group for t in chosen} | {'lib'}:
        path = os.path.join(config.TREE, 'selftests', group)
        if os.path.isdir(path):
            subprocess.run(['cp', '-a', path, os.path.join(root, 'dvmm', 'selftests', group)], check=True)
    for path in glob.glob(os.path.join(root, 'dvmm', '**', '*.[cho]'), recursive=True):
        os.unlink(path)


def make_iso(chosen, logs):
    """The boot image; returns its path."""
    conf = config.Config()
    work = os.path.join(logs, 'iso')
    root = os.path.join(logs, 'overlay')
    os.makedirs(os.path.join(work, 'boot', 'grub'))
    os.makedirs(root)
    copy_tests(chosen, root)
    subprocess.run(['cp', '-a', conf.node_qemu, os.path.join(root, 'qemu')], check=True)
    subprocess.run(['cp', '-a', conf.images, os.path.join(root, 'images')], check=True)
    for path in glob.glob(os.path.join(root, 'images', 'debian*')):
        os.unlink(path)
    subprocess.run(['cp', os.path.join(os.path.dirname(config.HERE), 'image', 'ept-run'), root], check=True)
    with open(os.path.join(root, 'ept.tests'), 'w') as f:
        for test in chosen:
            f.write(f'{test.bound * 4:g} {test.group} {" ".join(test.argv)}\n')
    initrd = os.path.join(work, 'boot', 'initrd')
    subprocess.run(['cp', conf.initrd, initrd], check=True)
    pack(root, initrd)
    subprocess.run(['cp', conf.kernel, os.path.join(work, 'boot', 'vmlinuz')], check=True)
    with open(os.path.join(work, 'boot', 'grub', 'grub.cfg'), 'w') as f:
        f.write(GRUB)
    iso = os.path.join(logs, 'ept.iso')
    with open(os.path.join(logs, 'grub-mkrescue'), 'wb') as log:
        subprocess.run(['grub-mkrescue', '-o', iso, work], stdout=log, stderr=log, check=True)
    subprocess.run(['rm', '-rf', work, root], check=True)
    return iso


def start_bochs(iso, logs):
    """The emulator's process; the package has its debugger built in: 'c' continues."""
    serial = os.path.join(logs, 'serial')
    rc, commands = os.path.join(logs, 'bochsrc'), os.path.join(logs, 'commands')
    with open(rc, 'w') as f:
        f.write(BOCHS.format(iso=iso, serial=serial, log=os.path.join(logs, 'bochs.log')))
    with open(commands, 'w') as f:
        f.write('c\n')
    process = subprocess.Popen(['bochs', '-q', '-f', rc, '-rc', commands], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                               env=dict(os.environ, TERM='linux'))
    threading.Thread(target=watch_terminal, args=(process, os.path.join(logs, 'bochs.terminal')), daemon=True).start()
    return process, serial


def watch_terminal(process, path):
    """Keeps what Bochs says, and reads the screen that it draws for somebody to look at: once that
    terminal is full, Bochs stands still."""
    with open(path, 'wb', buffering=0) as f:
        for line in process.stdout:
            f.write(line)
            found = re.search(rb'connected to screen "([^"]+)"', line)
            if found:
                threading.Thread(target=look_at, args=(found.group(1),), daemon=True).start()


def look_at(screen):
    """Reads a screen and forgets it."""
    fd = os.open(screen, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass    # Bochs has ended


class Reader:
    """Makes results of what comes over the serial line."""

    def __init__(self, say, expected):
        self.say, self.expected = say, expected
        self.tap = self.name = None
        self.left = []
        self.passed = self.failed = self.skipped = self.ended = 0
        self.over = False
        self.began = time.monotonic()

    def line(self, text):
        """One line."""
        if text.startswith('@@ begin '):
            self.tap, self.name, self.began = Tap(), '/'.join(text[9:].split(' ', 1)), time.monotonic()
        elif text.startswith('@@ end ') and self.tap:
            self.end(int(text.split()[2]))
        elif text.startswith('@@ left ') and self.tap:
            self.left.append(text[8:])
        elif text.startswith('@@ klog '):
            self.klog(text[8:])
        elif text.startswith('@@ vmx'):
            self.vmx(text)
        elif 'dvmm.run: status' in text:
            self.over = True
        elif self.tap:
            self.tap.line(text)

    def vmx(self, text):
        """The host must be what it is meant to be."""
        self.say(text[3:])
        if text.split()[2:] != ['1', 'ept', 'Y']:
            self.fail('the emulated host has no VMX with EPT')

    def klog(self, text):
        """A warning of the host's kernel."""
        for report in klog.reports(text):
            self.fail('kernel log: ' + report)

    def fail(self, text):
        """A failure outside of a test."""
        self.failed += 1
        self.say('FAILED ' + text)

    def end(self, status):
        """A test is over."""
        self.tap.end(None if status == 137 else status, 0)
        self.tap.failures += self.left
        self.left = []
        self.ended += 1
        self.passed += self.tap.passed
        self.failed += len(self.tap.failures)
        self.skipped += self.tap.skipped
        self.say(f'{"FAILED" if self.tap.failures else "ok":6} {self.name}: {self.tap.passed} passed, '
                 f'{len(self.tap.failures)} failed ({time.monotonic() - self.began:.0f} s)')
        for failure in self.tap.failures[:10]:
            self.say('         ' + failure)
        self.tap = None


def follow(process, serial, reader, limit):
    """Reads the serial line until the end of the tests, the emulator or time."""
    deadline = time.monotonic() + limit
    rest, done = b'', 0
    while not reader.over and time.monotonic() < deadline:
        over = process.poll() is not None
        if os.path.exists(serial):
            with open(serial, 'rb') as f:
                f.seek(done)
                data = f.read()
            done += len(data)
            *lines, rest = (rest + data).split(b'\n')
            for text in lines:
                reader.line(text.decode('utf-8', 'replace').rstrip('\r'))
        if over:
            return
        time.sleep(0.5)


def end_session(process):
    """Kills the emulator, and its children where they have a process group of their own."""
    children = subprocess.run(['pgrep', '-P', str(process.pid)], capture_output=True, text=True, check=False)
    for pid in [int(word) for word in children.stdout.split()] + [process.pid]:
        try:
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def run(chosen, logs, limit, say):
    """Runs the tests; the exit status."""
    say('making the boot image')
    iso = make_iso(chosen, logs)
    process, serial = start_bochs(iso, logs)
    reader = Reader(say, len(chosen))
    say(f'Bochs boots it; its console: {serial}')
    try:
        follow(process, serial, reader, limit)
    finally:
        end_session(process)
        os.unlink(iso)
    if reader.ended < len(chosen):
        reader.fail(f'{len(chosen) - reader.ended} programs did not run to their end')
    print(f'{reader.passed} passed, {reader.failed} failed' + (f', {reader.skipped} skipped' if reader.skipped else ''))
    return 1 if reader.failed else 0
