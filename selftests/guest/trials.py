#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Trials: what users of such machines meet, one guest each.

usage: trials.py NAME...	names: the table at the end
"""
import glob
import lzma
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, '../../tools/testbed'))

import checks  # noqa: E402
from guestlib import PROGRAMS, Failed, Machine, Plain, Uneven, load, main, must, on, unload_all  # noqa: E402
from testbed import config  # noqa: E402

KIT = os.path.join(HERE, 'trial.tmp')                   # made here, seen in the nodes
IN_NODE = '/dvmm/selftests/guest/trial.tmp'
INITRD = '/tmp/trial.initrd'
GRUB = '/usr/lib/grub/i386-pc'
OVMF = '/usr/share/OVMF'
LINE = 'console=ttyS0 loglevel=5 panic=-1 net.ifnames=0'
TEN = 10 << 20
DISK = 1 << 20
TAP = 'dvmmtap'
TC = '/usr/bin/tc'                                      # busybox has one of its own


# ---- what a trial needs

def command(*words, **more):
    """A program of this machine that has to succeed; its output."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise Failed(f'{" ".join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def there(path, package):
    """A file of a package; without it there is no trial."""
    if not os.path.exists(path):
        raise Failed(f'{path} is not there: tools/testbed/setup trials (package {package})')
    return path


def set_up(key):
    """What the testbed's set-up found or built."""
    with open(os.path.join(config.tree_cache(), 'config')) as f:
        return re.search(f'^{key}=(.*)$', f.read(), re.M).group(1)


def stock_module(name):
    """A module of the nodes' kernel that their initramfs leaves out, unpacked."""
    kernel = set_up('KERNEL_DIR')
    found = glob.glob(f'{kernel}/lib/modules/*/kernel/**/{name}.ko*', recursive=True)
    if not found:
        raise Failed(f'{kernel} has no module {name}')
    with (lzma.open if found[0].endswith('.xz') else open)(found[0], 'rb') as packed:
        with open(os.path.join(KIT, f'{name}.ko'), 'wb') as out:
            shutil.copyfileobj(packed, out)


def initrd_with(hosts, *names):
    """The guest's initramfs with some more modules in its root directory; QEMU's argument."""
    root = os.path.join(KIT, 'extra')
    os.makedirs(root, exist_ok=True)
    for name in names:
        stock_module(name)
        os.replace(os.path.join(KIT, f'{name}.ko'), os.path.join(root, f'{name}.ko'))
    command('sh', '-c', f'find . | cpio --quiet -o -H newc -R 0:0 > {KIT}/extra.cpio', cwd=root)
    for host in set(hosts):
        must(host, f'cat /images/guest.cpio {PROGRAMS} {IN_NODE}/extra.cpio > {INITRD}')
    return f'-initrd {INITRD} '


def guest(t, m, words='', arguments='', bound=900, then=(), off=checks.power_off):
    """Boots a guest, has some checks look at it, and ends it."""
    plain = isinstance(m, Plain)
    if not plain:
        load(set(m.hosts))
    try:
        m.start(words, arguments)
        t.diag(f'guest up after {m.up(bound):.0f} s')
        checks.cpus_online(t, m)
        for check in then:
            check(t, m)
        checks.parallel(t, m, 1000000)
        off(t, m)
    finally:
        m.end()
    unload_all(t, [] if plain else sorted(set(m.hosts)))


# ---- firmware and disks

def _flash():
    for kind in ('CODE', 'VARS'):
        shutil.copy(there(f'{OVMF}/OVMF_{kind}_4M.fd', 'ovmf'), KIT)
    for host in (0, 1):
        must(host, f'cp {IN_NODE}/OVMF_*.fd /tmp')
    return ('-drive if=pflash,unit=0,format=raw,readonly=on,file=/tmp/OVMF_CODE_4M.fd '
            '-drive if=pflash,unit=1,format=raw,file=/tmp/OVMF_VARS_4M.fd')


def _efi(t, m):
    text = m.must('ls /sys/firmware/efi; dmesg | grep -m 1 "efi: EFI v"')
    t.ok('runtime' in text, 'the guest was booted by UEFI', text)


def ovmf(t):
    """UEFI firmware, whose own code runs on all CPUs: they find its descriptors in flash."""
    guest(t, Machine([0, 1], cpus=1, name='o'), '', _flash(), then=[_efi])


def ovmf_plain(t):
    """The same without dvmm."""
    guest(t, Plain(2, 512), '', _flash(), then=[_efi])


def grub_disk(host):
    """A disk with a partition, GRUB, a kernel and its initramfs; in the node's /tmp."""
    there(f'{GRUB}/boot.img', 'grub-pc-bin')
    root, image = os.path.join(KIT, 'root'), os.path.join(KIT, 'grub.img')
    os.makedirs(f'{root}/boot/grub', exist_ok=True)
    words = must(host, 'guest words').strip()
    with open(f'{root}/boot/grub/grub.cfg', 'w') as f:
        f.write('serial --unit=0\nterminal_output serial\nset timeout=0\nmenuentry guest {\n'
                f'linux /vmlinuz {LINE} tsc=reliable {words}\ninitrd /initrd\n}}\n')
    images = set_up('IMAGES')
    command('sh', '-c', f'cp {images}/vmlinuz {root}/vmlinuz; cat {images}/guest.cpio {HERE}/programs.cpio > {root}/initrd')
    command('sh', '-ec', f'rm -f {image}; truncate -s 96M {image}; echo 2048,,L,* | sfdisk -q {image}; '
            f'mke2fs -q -t ext4 -d {root} -E offset=1048576 {image} 94M; '
            f'grub-mkimage -O i386-pc -d {GRUB} -o {KIT}/core.img -p "(hd0,msdos1)/boot/grub" '
            'biosdisk part_msdos ext2 normal linux serial terminal; '
            f'dd if={GRUB}/boot.img of={image} bs=440 count=1 conv=notrunc status=none; '
            f'dd if={KIT}/core.img of={image} bs=512 seek=1 conv=notrunc status=none')
    must(host, f'cp {IN_NODE}/grub.img /tmp/grub.img', 120)


class FromDisk(Machine):
    """No kernel on QEMU's command line."""

    def place(self, node):
        """And what to boot from, which the boot node alone has."""
        return f'{super().place(node)} -b -d /tmp/grub.img'


def _from_disk(t, m):
    text = must(m.hosts[0], f'cat {m.log(0, "console")}')
    line = m.must('cat /proc/cmdline')
    t.ok('BOOT_IMAGE=/vmlinuz' in line, 'the kernel came from the disk, by GRUB', line + text[:500])


def grub(t):
    """The BIOS, GRUB and the kernel read a virtio disk."""
    grub_disk(0)
    guest(t, FromDisk([0, 1], cpus=1, name='g'), then=[_from_disk])


class Debian(Machine):
    """A whole Debian, with systemd; its disk stays as it is."""

    def place(self, node):
        """And its disk, which the boot node alone has."""
        return f'{super().place(node)} -d /images/debian.img -i /images/debian.initrd'


def _login(t, m):
    text = must(m.hosts[0], f'for i in $(seq 600); do grep -m 1 "login:" {m.log(0, "console")} && break; sleep 1; done', 630)
    t.ok('login:' in text, 'a login prompt is there', text + m.tail())


def _shut_down(t, m):
    """As its user would; the last process runs on a CPU of the last node."""
    m.run(f'echo {m.far()} > /sys/kernel/reboot/cpu; systemctl --no-block poweroff', 120)
    for node in range(len(m.hosts)):
        status, seconds = m.ended(node, 900)
        t.diag(f'QEMU of node {node}: status {status} after {seconds:.0f} s')
        t.ok(status == 0, f'the shut-down ends QEMU of node {node} with status 0', m.tail())


def debian(t):
    """Debian boots to its login prompt, and systemd shuts it down."""
    there(os.path.join(set_up('IMAGES'), 'debian.img'), 'none: tools/testbed/setup debian')
    must(0, 'mkdir -p /var/tmp')                        # of -snapshot
    guest(t, Debian([0, 1], cpus=1, memory=384, name='s'), 'root=/dev/vda rw', '-snapshot', 1800, [_login], _shut_down)


# As for a cloud's image, but that this one has neither locales nor ssh.
USER_DATA = '''#cloud-config
locale: false
ssh_genkeytypes: []
write_files:
- path: /root/written
  content: words of a file
runcmd:
- [ sh, -c, "nproc > /root/ran" ]
'''


def _seed(host):
    """A NoCloud disk, in the node's /tmp."""
    there('/usr/bin/genisoimage', 'genisoimage')
    for name, text in (('user-data', USER_DATA), ('meta-data', 'instance-id: trial\nlocal-hostname: cloudy\n')):
        with open(os.path.join(KIT, name), 'w') as f:
            f.write(text)
    command('genisoimage', '-quiet', '-output', f'{KIT}/seed.iso', '-volid', 'cidata', '-rational-rock', f'{KIT}/user-data',
            f'{KIT}/meta-data')
    must(host, f'cp {IN_NODE}/seed.iso /tmp/seed.iso')
    return ('-snapshot -drive if=none,id=seed,format=raw,readonly=on,file=/tmp/seed.iso '
            '-device virtio-blk-pci,drive=seed')


def _cloudy(t, m):
    status, text = m.run('cloud-init status --wait --long', 1500)
    t.ok(status == 0 and 'status: done' in text, 'cloud-init ends without an error', text)
    text = m.must('hostname; cat /root/written; echo; cat /root/ran')
    t.ok(text.split('\n')[:3] == ['cloudy', 'words of a file', str(m.total)], 'its disk has said name, file and command', text)


def cloud_init(t):
    """A Debian of two hosts is told by a NoCloud disk what it is."""
    there(os.path.join(set_up('IMAGES'), 'debian.img'), 'none: tools/testbed/setup debian')
    must(0, 'mkdir -p /var/tmp')
    guest(t, Debian([0, 1], cpus=1, memory=384, name='i'), 'root=/dev/vda rw cloud-init=enabled', _seed(0), 1800, [_cloudy], _shut_down)


# ---- devices

WWW = '/tmp/www'


def _serve_once(m, address):
    """Ten MB of the boot node's host, for one reader; their checksum."""
    return must(m.hosts[0], f'mkdir -p {WWW}; head -c {TEN} /dev/urandom > {WWW}/ten; md5sum < {WWW}/ten; '
                f'setsid sh -c "echo \\$\\$ > /tmp/httpd.pid; exec httpd -f -p {address}:7600 -h {WWW}" '
                '> /dev/null 2>&1 < /dev/null &').split()[0]


def _fetched(address):
    """A script that reads them; their checksum and number."""
    return f'mkdir -p {WWW}; wget -q -O {WWW}/got http://{address}:7600/ten; md5sum < {WWW}/got; stat -c %s {WWW}/got'


def _both_ways(t, m, host, far):
    """10 MB from the boot node's host to a CPU of the last node, and back.

    By programs that hand files over whole: from one that writes 1 KiB at a time each KiB becomes a packet, since the network
    is faster than the guest.
    """
    cpu = m.far()
    want = [_serve_once(m, host), '-', str(TEN)]
    status, got = m.run(_fetched(host), 600, cpu)
    t.ok(got.split() == want, f'10 MB into CPU {cpu} are intact', f'status {status}, {got}')
    t.diag('and back')
    must(m.hosts[0], 'kill $(cat /tmp/httpd.pid)')
    m.must(f'cd {WWW} && mv got ten && httpd -p {far}:7600 -h {WWW}', 60, cpu)
    status, got = on(m.hosts[0], _fetched(far), 600)
    t.ok(got.split() == want, f'10 MB out of CPU {cpu} are intact', f'status {status}, {got}')
    t.diag('and done')


def _card(driver, modules=''):
    """A check that finds the network card of a driver and uses it; its interrupts go to the CPU that does so.

    Packets are large, since each one costs some messages between the hosts.
    """
    def check(t, m):
        must(m.hosts[0], f'ip addr add 10.0.1.2/24 dev {TAP} && ip link set {TAP} mtu 9000 up')
        m.must(f'for module in {modules}; do insmod /$module.ko || exit 1; done', 120)
        dev = m.must(f'for d in /sys/class/net/eth*; do case $(readlink $d/device/driver) in */{driver}) basename $d ;; '
                     'esac; done').strip()
        m.must(f'ip addr add 10.0.1.15/24 dev {dev} && ip link set {dev} mtu 9000 up && '
               f'for i in $(seq 200); do test "$(cat /sys/class/net/{dev}/carrier)" = 1 && break; usleep 10000; done', 120)
        m.must(f'cd /sys/class/net/{dev}/device; for irq in $(ls msi_irqs ../msi_irqs 2> /dev/null | grep "^[0-9]"); do '
               f'echo {m.far()} > /proc/irq/$irq/smp_affinity_list || exit 1; done', 60)
        _both_ways(t, m, '10.0.1.2', '10.0.1.15')
    return check


def _net(device):
    stock_module('tun')
    must(0, f'grep -q ^tun /proc/modules || insmod {IN_NODE}/tun.ko')
    return f'-netdev tap,id=n,ifname={TAP},script=no,downscript=no -device {device},netdev=n,romfile='


def e1000e(t):
    """10 MB through an e1000e into a satellite's CPU and out of it."""
    m = Machine([0, 1], cpus=1, name='d')
    guest(t, m, '', initrd_with(m.hosts, 'e1000e') + _net('e1000e'), then=[_card('e1000e', 'e1000e')])


def virtio_net(t):
    """The same with virtio-net."""
    guest(t, Machine([0, 1], cpus=1, name='d'), '', _net('virtio-net-pci'), then=[_card('virtio_net')])


def _screen(t, m):
    """The VGA's text memory is a device of the boot node; a satellite's CPU reads it."""
    m.must('echo 0123456789 across the hosts > /dev/tty1')
    read = f'dd if=/dev/mem bs=4096 skip={0xb8000 // 4096} count=1 2>/dev/null | od -An -v -tx1 -w2 | cut -c2-3 | tr -d "\\n"'
    here, there_ = (m.must(read, 120, cpu).strip() for cpu in (0, m.far()))
    want = b'0123456789 across the hosts'.hex()
    t.ok(want in here, 'CPU 0 finds the text in the VGA memory', bytes.fromhex(here[:4000]))
    t.ok(here == there_, f'CPU {m.far()} finds the same screen', there_[:400])
    text = m.must('cat /dev/vcs1', 120, m.far())
    t.ok('0123456789 across the hosts' in text, f'CPU {m.far()} reads the text from its console', text[:200])


def vga(t):
    """A VGA, whose text memory is a device to a satellite."""
    guest(t, Machine([0, 1], cpus=1, name='d'), '', '-device VGA', then=[_screen])


def _bar(t, m):
    look = 'for d in /sys/bus/pci/devices/*; do grep -qs 0x1110 $d/device && echo $d/resource2; done'
    words = f'$({look}) 2000'
    for cpu in (0, m.far()):
        text = m.must(f'bar {words} {cpu}', 120)
        said = dict(re.findall(r'^cpu \d+ (\w+): (.*)$', text, re.M))
        t.ok([said.get(w) for w in ('8', '16', '32', '64', 'sse')] == ['ok'] * 5, f'CPU {cpu} copies there and back', text)
        t.ok(said.get('avx') in ('ok', 'Illegal instruction'), f'AVX on CPU {cpu}: {said.get("avx")}', text)
        t.ok('added: 2000 of 2000' in text, f'CPU {cpu} alone adds there with locked instructions', text)
    status, text = m.run(f'bar {words} 0 {m.far()}', 120)
    t.ok(status == 0, 'both at once come to their end', text)
    t.diag(text)


def bar(t):
    """RAM behind a BAR, which is a device to a satellite."""
    guest(t, Machine([0, 1], cpus=1, name='v'), '', '-object memory-backend-ram,id=hm,size=1M,share=on '
          '-device ivshmem-plain,memdev=hm', then=[_bar])


# ---- interrupts, memory, clock

def _cluster_mode(t, m):
    text = m.must('dmesg | grep -iE "x2apic|DMAR-IR"')
    t.diag(text)
    t.ok('cluster x2apic' in text, 'the guest sends IPIs to x2APIC clusters', text)


IOMMU = '-device intel-iommu,intremap=on,eim=on'


def x2apic(t):
    """An IOMMU that remaps interrupts: Linux then uses logical x2APIC destinations."""
    guest(t, Machine([0, 1], name='x'), '', IOMMU, then=[_cluster_mode, checks.nmi, checks.msi_affinity, checks.litmus])


def x2apic_plain(t):
    """The same without dvmm."""
    guest(t, Plain(4, 512), '', IOMMU, then=[_cluster_mode])


def _filled(t, m):
    free = int(re.search(r'MemAvailable: *(\d+)', m.must('cat /proc/meminfo')).group(1)) >> 10
    text = m.must('grep -E "System RAM|PCI" /proc/iomem | head -n 20')
    t.diag(text)
    status, text = m.run(f'fill {(free - 48) // 2} 0 {m.far()}', 600)
    t.ok(status == 0 and ' 0 wrong' in text, 'all memory holds what both nodes wrote', text)


def _begins(starts):
    """A check that the last node's memory is known as what begins at these addresses."""
    def check(t, m):
        text = m.must('dmesg | grep -E "node +[0-9]+: .mem"')
        found = [int(start, 16) for start in re.findall(rf'node +{len(m.hosts) - 1}: .mem (0x[0-9a-f]+)', text)]
        t.ok(found == starts, f"the last node's memory begins at {', '.join(map(hex, starts))}", text)
    return check


def hole(t):
    """The PCI hole between the nodes, and inside one.

    With memory above 4 GiB Linux takes 64 MiB of the first node's for bounce buffers, if they fit, which is half of it.
    """
    for below, starts in ((128, [4 << 30]), (192, [128 << 20, 4 << 30])):
        t.diag(f'max-ram-below-4g={below}M')
        guest(t, Machine([0, 1], cpus=1, memory=128, name='h', guest=[f'machine = q35,max-ram-below-4g={below}M']),
              'swiotlb=noforce', then=[checks.numa, _begins(starts), _filled])


def _other_clock(t, m):
    base = '/sys/devices/system/clocksource/clocksource0'
    t.ok('acpi_pm' in m.must(f'cat {base}/available_clocksource'), 'there is another clock')
    for name in ('acpi_pm', 'tsc'):
        m.must(f'echo {name} > {base}/current_clocksource', 120, m.far())
        text = m.must(f'cat {base}/current_clocksource; uptime; dmesg | grep -i "clocksource: Switched" | tail -n 1', 120, m.far())
        t.ok(text.split()[0] == name, f'the clock is {name}', text)
        checks.parallel(t, m, 2000000)


def clocksource(t):
    """Five nodes: the clock is changed to a port of the boot node and back while they work."""
    m = Machine([0] * 5, cpus=1, memory=96, name='k')
    guest(t, m, then=[_other_clock])


# ---- shapes

def _shape(t, m):
    text = m.must('dmesg | grep -E "not on the same|topology|WARNING" || true')
    t.ok('WARNING' not in text, 'the kernel has nothing against the topology', text)
    t.diag(m.must('lscpu -e=CPU,NODE,SOCKET'))


def uneven(t):
    """1 + 3 vCPUs on two hosts."""
    guest(t, Uneven([0, 1], [1, 3], name='u'), then=[checks.numa, _shape, checks.nmi])


def many(t):
    """8 + 4 vCPUs on two nodes of one kernel."""
    guest(t, Uneven([0, 0], [8, 4], name='w'), then=[checks.numa, _shape, checks.nmi])


# ---- devices that a guest of one host has

DRIVERS = ('scsi_common', 'scsi_mod', 'libata', 'libahci', 'ahci', 'cdrom', 'sr_mod', 'usb-common', 'usbcore', 'xhci-hcd', 'xhci-pci')


def _devices(sums):
    """Drivers, and then a disk and a CD are read by the other node's CPU."""
    def check(t, m):
        text = m.must(f'for module in {" ".join(DRIVERS)}; do insmod /$module.ko || exit 1; done; '
                      'for i in $(seq 500); do test -b /dev/sr0 && ls /sys/bus/usb/devices/*/product > /dev/null 2>&1 && '
                      'grep -q Tablet /sys/bus/usb/devices/*/product && break; usleep 1000; done; '
                      'cat /sys/bus/usb/devices/*/product; grep -m 1 "model name" /proc/cpuinfo', 300)
        t.ok('QEMU USB Tablet' in text and 'EPYC' in text, 'a tablet behind xHCI, and the CPU has a model of its own', text)
        for disk, want in sums.items():
            got = m.must(f'head -c {DISK} /dev/{disk} | md5sum', 200, m.far())
            t.ok(got == want, f'{disk} is read by CPU {m.far()}', f'{got} for {want}')
    return check


def devices(t):
    """A named CPU model, a disk with an I/O thread, a CD, USB."""
    m = Machine([0, 1], cpus=1, name='v', guest=['cpu = EPYC'])
    sums = {disk: must(0, f'head -c {DISK} /dev/urandom > /tmp/{disk}.img; md5sum < /tmp/{disk}.img') for disk in ('vda', 'sr0')}
    guest(t, m, '', initrd_with(m.hosts, *DRIVERS) + '-object iothread,id=io -drive if=none,id=disk,format=raw,file=/tmp/vda.img '
          '-device virtio-blk-pci,drive=disk,iothread=io -drive if=none,id=cd,format=raw,media=cdrom,file=/tmp/sr0.img '
          '-device ide-cd,drive=cd -device qemu-xhci -device usb-tablet', then=[_devices(sums)])


# ---- networks

def black_hole(t):
    """Small frames arrive, large ones do not: the machine ends and says so."""
    stock_module('act_police')
    m = Machine([0, 1], cpus=1, memory=128, name='b', keys=('timeout = 30',))
    load({0, 1})
    try:
        must(1, f'insmod {IN_NODE}/act_police.ko; ethtool -K to0 gro off; {TC} qdisc add dev to0 clsact && '
             f'{TC} filter add dev to0 ingress matchall action police rate 10gbit burst 100m mtu 1500 conform-exceed drop')
        m.start()
        ends = [m.ended(node, 60) for node in (0, 1)]
        said = [m.said(node) for node in (0, 1)]
        t.diag(must(1, f'{TC} -s filter show dev to0 ingress | tail -n 4'))
        for node, (status, seconds) in enumerate(ends):
            t.diag(f'node {node}: status {status} after {seconds:.0f} s: {said[node]}')
            t.ok(status not in (0, 124), f'QEMU of node {node} ends with an error', status)
            t.ok(re.search(f'node{1 - node}|node {1 - node}', said[node]), f'node {node} names its peer', said[node])
        t.ok('MTU' in said[0] + said[1], 'and it is said that large packets may not pass', said)
    finally:
        m.end()
        on(1, f'{TC} qdisc del dev to0 clsact; rmmod act_police')
    unload_all(t, (0, 1))


TRIALS = {
    'ovmf': ovmf, 'ovmf-plain': ovmf_plain, 'grub': grub, 'debian': debian, 'cloud-init': cloud_init, 'vga': vga, 'e1000e': e1000e,
    'virtio-net': virtio_net, 'x2apic': x2apic, 'x2apic-plain': x2apic_plain,
    'bar': bar, 'devices': devices, 'hole': hole, 'clocksource': clocksource, 'uneven': uneven, 'many': many, 'black-hole': black_hole,
}


def test(t):
    """Those that are asked for."""
    os.makedirs(KIT, exist_ok=True)
    for name in sys.argv[1:]:
        t.diag(f'trial {name}')
        try:
            TRIALS[name](t)
        except Failed as e:
            t.ok(False, f'trial {name} could go on to its end', e)


if not sys.argv[1:] or set(sys.argv[1:]) - set(TRIALS):
    sys.exit('usage: trials.py NAME...; names: ' + ' '.join(TRIALS))
main(test)
