#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Two Debian hosts, installed from the packages and then emulated, get a guest in the lines of the tutorial: doctor, create, push, up;
and another one as a domain of libvirt, from the example that is installed.

usage: two-hosts.py [RELEASE [QEMU-PACKAGE]]    takes half an hour, most of it for QEMU (qemu-patches/package)

RELEASE is Debian's of the hosts, by its codename; this machine's own without one.  Another one's has a kernel of its own
($DVMM_KERNEL, the same word), and QEMU is built in a root of it.
"""
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..'))
sys.path[:0] = [f'{TOP}/selftests/guest', f'{TOP}/tools/testbed']
from guestlib import Failed, Tap, must, on  # noqa: E402
from testbed import config  # noqa: E402

NAME = 'two-hosts'
HOSTS = {'alpha': '10.77.0.1', 'beta': '10.77.0.2'}
PACKAGES = 'systemd-sysv,udev,kmod,openssh-server,openssh-client,iproute2,dkms,gcc,libc6-dev,make,bpftrace,qemu-system-common,apparmor,libvirt-daemon-system,libvirt-clients,virtinst,qemu-system-x86'
ARGS = ('-device virtio-serial-pci,max_ports=4 -chardev socket,id=agent,path=/tmp/agent.big,server=on,wait=off '
        '-device virtserialport,chardev=agent,name=dvmm.agent')

PACKAGE = '''cd "$1" && git ls-files -co --exclude-standard | tar -c -T - | tar -x -C "$2/tree" && cd "$2/tree" &&
	DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b && cp ../dvmm_*.deb ../dvmm-dkms_*.deb ../debs'''

# QEMU for the release of the root directory that it is built in.
QEMU = r'''set -eux
root=$1 tmp=$2
cp -a "$tmp/tree" "$root/tree"
chroot "$root" env XDG_CACHE_HOME=/cache PATH=/usr/sbin:/usr/bin:/sbin:/bin /tree/qemu-patches/package /debs
cp "$root"/debs/*.deb "$tmp/debs/"
'''

# In the host's root directory; what fails ends it.
INSTALL = r'''set -eux
root=$1 debs=$2 version=$3 kernel=$4 image=$5
in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
mkdir -p "$root/lib/modules"
cp -a "$kernel/lib/modules/$version" "$root/lib/modules/"
ln -sfn "/usr/src/linux-headers-$version" "$root/lib/modules/$version/build"
cp "$debs"/*.deb "$root/tmp"
in_root sh -c 'apt-get install -y --no-install-recommends /tmp/*.deb'
in_root dkms status dvmm -k "$version" | grep installed
in_root depmod "$version"
rm "$root"/tmp/*.deb
mkdir -p -m 700 "$root/root/.ssh"
ssh-keygen -q -t ed25519 -N '' -f "$root/root/.ssh/id_ed25519"
cp "$root/root/.ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
echo "* $(cut -d ' ' -f 1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" > "$root/root/.ssh/known_hosts"
rm -f "$root/etc/hostname"
echo 'cgroup_device_acl = ["/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/kvm", "/dev/dvmm"]' \
	>> "$root/etc/libvirt/qemu.conf"
mkdir -p "$root/etc/apparmor.d/local/abstractions"
echo '/usr/lib/dvmm/* PUx,' >> "$root/etc/apparmor.d/local/usr.sbin.libvirtd"
printf '%s\n' '/usr/lib/dvmm/* rmix,' '/dev/dvmm rw,' '/run/dvmm/** rwk,' >> "$root/etc/apparmor.d/local/abstractions/libvirt-qemu"
cp "$image/dvmm-agent.service" "$root/etc/systemd/system/"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer getty@tty1.service \
	systemd-timesyncd.service systemd-pstore.service systemd-random-seed.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
ln -sf ../dvmm-agent.service "$root/etc/systemd/system/multi-user.target.wants/"
'''


# Within 9 s the other host's QEMU has ended.
NO_QEMU = ('for n in 1 2 3 4 5 6 7 8 9; do ssh beta pidof qemu-system-x86_64 || break; sleep 1; done; '
           'ssh beta ! pidof qemu-system-x86_64')


def run(words, bound):
    """A command on this machine: (status, output)."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=bound, check=False)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def own_release():
    """This machine's, by its codename."""
    return run(['sh', '-c', '. /etc/os-release; echo $VERSION_CODENAME'], 10)[1].strip()


def root(tmp, release, include, hook, bound):
    """A root directory of a release, and what is done in it: (status, output)."""
    lines = run(['sh', '-c', f'. {TOP}/tools/testbed/lib/debian.sh; own_sources'], 60)[1]
    with open(f'{tmp}/sources.list', 'w', encoding='ascii') as f:
        f.writelines(line.replace(own_release(), release) + '\n' for line in lines.splitlines() if 'backports' not in line)
    return run(['mmdebstrap', '--variant=apt', f'--include={include}', '--aptopt=Acquire::Languages "none"',
                '--dpkgopt=path-exclude=/usr/share/locale/*', f'--customize-hook=sh {hook}', release, f'{tmp}/root',
                f'{tmp}/sources.list'], bound)


def qemu(tmp, release):
    """qemu-system-dvmm of this tree: (status, output)."""
    if release == own_release():
        return run([f'{TOP}/qemu-patches/package', f'{tmp}/debs'], 5400)
    with open(f'{tmp}/qemu', 'w', encoding='ascii') as f:
        f.write(QEMU)
    done = root(tmp, release, 'dpkg-dev', f'{tmp}/qemu "$1" {tmp}', 5400)
    run(['rm', '-rf', '--one-file-system', f'{tmp}/root'], 300)
    return done


def packages(t, tmp, release):
    """dvmm, dvmm-dkms and qemu-system-dvmm, of this tree."""
    os.mkdir(f'{tmp}/tree')
    os.mkdir(f'{tmp}/debs')
    status, text = run(['sh', '-c', PACKAGE, 'sh', TOP, tmp], 900)
    if not status and len(sys.argv) > 2:
        status, text = run(['cp', sys.argv[2], f'{tmp}/debs'], 60)
    elif not status:
        status, text = qemu(tmp, release)
    names = sorted(name.split('_')[0] for name in os.listdir(f'{tmp}/debs'))
    t.ok(not status and names == ['dvmm', 'dvmm-dkms', 'qemu-system-dvmm'], 'the packages are built', (names, text[-2000:]))
    if status:
        raise Failed('there are no packages')


def host(t, tmp, release, conf):
    """A Debian root directory with them."""
    with open(f'{tmp}/install', 'w', encoding='ascii') as f:
        f.write(INSTALL)
    status, text = root(tmp, release, f'{PACKAGES},linux-headers-{conf.version}',
                        f'{tmp}/install "$1" {tmp}/debs {conf.version} {conf.set_up["KERNEL_DIR"]} {TOP}/tools/testbed/image', 2400)
    t.ok(not status, f'a Debian {release} host gets them by apt, and dkms builds for {conf.version}', text[-3000:])
    if status:
        raise Failed('there is no host')


def lines(t):
    """What an administrator types on the first one."""
    for node, name in enumerate(HOSTS):
        must(node, f'hostname {name}; ' +
             ''.join(f'echo "{address} {other}" >> /etc/hosts; ' for other, address in HOSTS.items()) +
             f'until ssh -o BatchMode=yes {name} true; do sleep 1; done', 300)
        must(node, 'modprobe dvmm')
    text = must(0, 'modinfo -F filename dvmm; dpkg-query -W dvmm dvmm-dkms qemu-system-dvmm; systemctl is-system-running || true')
    t.ok('updates/dkms/' in text, 'the module is that of dkms', text)
    t.diag(text)
    status, text = on(0, 'dvmm doctor alpha beta', 300)
    t.diag(text)
    failed = [line for line in text.splitlines() if 'FAIL' in line]
    t.ok('PASS' in text and not [line for line in failed if 'qemu' in line or 'kernel' in line or 'module' in line],
         'dvmm doctor alpha beta: what was installed passes', (status, failed))
    words = must(0, '/dvmm/tools/testbed/node-bin/guest words').strip()
    nodes = ' '.join(f'--node {name}={address},cpus=1,memory=128M' for name, address in HOSTS.items())
    must(0, 'ip link add br0 type bridge && ip addr add 10.9.0.1/24 dev br0 && ip link set br0 up && '
         'mkdir -p /etc/qemu && echo allow br0 > /etc/qemu/bridge.conf')
    for line, want in ((f'dvmm create big {nodes} --net bridge:br0 --kernel /images/vmlinuz --initrd /images/guest.cpio --machine q35,smm=off,hpet=off '
                        f"--args '{ARGS}' --append 'console=ttyS0 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}'", 'are written'),
                       ('dvmm push big', 'beta has it'), ('dvmm up big', 'running after')):
        status, text = on(0, line, 300)
        t.diag(text)
        t.ok(status == 0 and want in text, ' '.join(line.split()[:3]), (status, text))


def guest(t):
    """It has both hosts' CPUs and memory."""
    status, text = on(0, "agentctl -w 400 -t 400 /tmp/agent.big sh -c 'nproc; ls -d /sys/devices/system/node/node?; work 300000 1'", 450)
    t.ok(status == 0 and text.startswith('2\n') and 'node1' in text and 'correct' in text,
         'the guest has CPUs and memory of both and works', text)
    t.diag(text)
    status, text = on(1, 'dvmm status big', 60)
    t.ok(status == 0 and re.search('node beta', text), 'the other host tells of its node', text)


def network(t):
    """A MiB out of the satellite's CPU, through vhost and the bridge."""
    status, text = on(0, "agentctl -w 100 -t 200 /tmp/agent.big sh -c 'ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up && mkdir -p /www && "
                      "head -c 1048576 /dev/urandom > /www/f && md5sum < /www/f && taskset 2 httpd -p 10.9.0.2:80 -h /www'; "
                      "bash -c 'until exec 3<> /dev/tcp/10.9.0.2/80; do test $((i += 1)) -lt 20 || exit; done; printf \"GET /f HTTP/1.0\\r\\n\\r\\n\" >&3; LC_ALL=C sed \"1,/^\\r$/d\" <&3 | md5sum'; "
                      'ps -eT -o comm= | grep -c ^vhost-', 300)
    sums = re.findall('^[0-9a-f]{32}', text, re.M)
    t.ok(status == 0 and len(sums) == 2 and sums[0] == sums[1], 'a MiB out of the guest, by vhost and a bridge', text)


def leaves(t):
    """A host that leaves: its service ends by itself, and asks nobody to power the guest off."""
    status, text = on(0, 'dvmm evacuate big beta && dvmm remove big beta', 300)
    t.ok(status == 0 and 'has left' in text, 'evacuate and remove', (status, text))
    status, text = on(1, 'for n in $(seq 40); do state=$(systemctl show -P ActiveState dvmm@big); test $state = inactive && break; sleep 0.5; done; '
                      'echo $state', 60)
    t.ok(text.strip() == 'inactive', 'the service of the host that has left ends', text)
    status, text = on(0, 'sleep 5; dvmm is-active big && systemctl is-active dvmm@big', 60)
    t.ok(status == 0, 'that of the other one, and the guest, go on', (status, text))


def down(t):
    """It ends on both hosts."""
    status, text = on(0, f'dvmm down big --force; {NO_QEMU}', 200)
    t.ok(status == 0, 'dvmm down', text)


def traces(t):
    """Each script of bpftrace finds something while the guest works; of stalls there are none."""
    must(0, "agentctl -w 100 -t 100 /tmp/agent.big sh -c 'setsid sh -c \"while :; do work 300000 2; done\" > /dev/null 2>&1 &'", 120)
    for name, want in (('waits', '@read_us'), ('pages', '@us'), ('who', '@us'), ('messages', r'@sent\[1, '), ('interrupts', '@(sent|injected)'),
                       ('stalls', '')):
        status, text = on(0, f'timeout -s INT 40 bpftrace /usr/share/doc/dvmm/examples/{name}.bt -c "/usr/bin/sleep 12" 2>&1', 100)
        t.ok(status in (0, 124) and 'Attaching' in text and re.search(want, text), f'{name}.bt', (status, text[-2000:]))


def domain():
    """The example, for the small guest of the test: the kernel and its words for a disk's boot loader, no network of libvirt's."""
    tree = ET.parse(f'{TOP}/tools/libvirt/domain.xml').getroot()
    tree.find('name').text = 'virt'
    tree.find('memory').attrib['unit'], tree.find('memory').text, tree.find('vcpu').text = 'MiB', '256', '2'
    words = must(0, '/dvmm/tools/testbed/node-bin/guest words').strip()
    for key, value in (('kernel', '/var/lib/libvirt/vmlinuz'), ('initrd', '/var/lib/libvirt/guest.cpio'),
                       ('cmdline', f'console=ttyS0 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}')):
        ET.SubElement(tree.find('os'), key).text = value
    devices = tree.find('devices')
    devices.find('disk/driver').attrib['type'] = 'raw'
    devices.find('disk/source').attrib['file'] = '/var/lib/libvirt/images/virt.img'
    devices.remove(devices.find('interface'))
    devices.append(ET.fromstring('<channel type="unix"><source mode="bind" path="/var/lib/libvirt/qemu/agent.virt"/>'
                                 '<target type="virtio" name="dvmm.agent"/></channel>'))
    return ET.tostring(tree, encoding='unicode')


def libvirt(t):
    """A domain has CPUs and memory of both hosts, and a screen by VNC; nothing of it is left."""
    nodes = ' '.join(f'--node {name}={address},cpus=1,memory=128M' for name, address in HOSTS.items())
    must(0, f'dvmm create virt {nodes} --machine q35,smm=off,hpet=off && dvmm push virt', 120)
    must(0, 'cp /images/vmlinuz /images/guest.cpio /var/lib/libvirt/ && truncate -s 64M /var/lib/libvirt/images/virt.img && '
         f'cat > /root/virt.xml << "END"\n{domain()}\nEND\nsystemctl start libvirtd', 200)
    text = must(0, 'cat /sys/module/apparmor/parameters/enabled; grep -c "^libvirtd" /sys/kernel/security/apparmor/profiles || true')
    t.ok(text.startswith("Y") and int(text.split()[1]) > 0, "AppArmor confines libvirtd", text)
    status, text = on(0, 'virsh define /root/virt.xml && virsh start virt', 400)
    t.ok(status == 0, 'virsh start of a domain', (status, text, on(0, 'tail -n 20 /var/log/libvirt/qemu/virt.log; '
                                                                                'dmesg | grep DENIED | tail; cat /run/dvmm/virt/*/log')))
    status, text = on(0, "agentctl -w 400 -t 400 /var/lib/libvirt/qemu/agent.virt sh -c 'nproc; ls -d /sys/devices/system/node/node?; "
                      "work 300000 1; ls /sys/block'", 450)
    t.ok(status == 0 and text.startswith('2\n') and 'node1' in text and 'correct' in text and 'vda' in text,
         'it has the CPUs and memory of both hosts', text)
    status, text = on(0, "bash -c 'exec 3<> /dev/tcp/127.0.0.1/5900; head -c 4 <&3'; virsh list; dvmm nodes virt; virsh suspend virt && "
                      'virsh resume virt', 120)
    t.ok(status == 0 and text.startswith('RFB ') and re.search('virt +running', text) and re.search('beta +member', text),
         'VNC, virsh and dvmm tell of it', text)
    status, text = on(0, f'virsh destroy virt; {NO_QEMU} && test ! -e /run/dvmm/virt && virsh undefine virt', 120)
    t.ok(status == 0, 'virsh destroy; its satellite has ended', text)


def inst(script):
    """A shell script in the guest that virt-install has made."""
    return on(0, f"agentctl -w 400 -t 400 /var/lib/libvirt/qemu/agent.inst sh -c '{script}'", 450)


def changes(t):
    """A disk comes and goes, and the machine is reset."""
    image = '/var/lib/libvirt/images/more.img'
    status, text = on(0, f'truncate -s 8M {image} && virsh attach-disk inst {image} vdb', 120)
    seen = inst('for i in $(seq 999); do test -b /dev/vdb && { echo words > /dev/vdb; } 2> /dev/null && break; usleep 1000; done; sync; cat /sys/block/vdb/size')
    words = on(0, f'virsh detach-disk inst vdb && head -c 5 {image}', 120)
    t.ok(status == 0 and seen == (0, '16384\n') and 'words' in words[1], 'a disk comes', (status, text, seen, words))
    gone = inst('for i in $(seq 999); do test -e /dev/vdb || break; usleep 1000; done; ls /sys/block')
    t.ok(gone[0] == 0 and 'vda' in gone[1] and 'vdb' not in gone[1], 'and goes', gone)
    first = inst('cat /proc/sys/kernel/random/boot_id')
    status, text = on(0, 'virsh reset inst', 120)
    t.ok(status == 0, 'virsh reset', text)
    again = inst('cat /proc/sys/kernel/random/boot_id; nproc')
    t.ok(again[0] == 0 and again[1].split()[0] != first[1].strip() and again[1].split()[1] == '2', 'begins it anew', (first, again))


def virt_install(t):
    """A domain as virt-install makes it, by the words of libvirt.rst, and what its kernel needs here."""
    nodes = ' '.join(f'--node {name}={address},cpus=1,memory=128M' for name, address in HOSTS.items())
    must(0, f'dvmm create inst {nodes} --machine q35,smm=off,hpet=off && dvmm push inst', 120)
    words = must(0, '/dvmm/tools/testbed/node-bin/guest words').strip()
    with open(f'{TOP}/Documentation/libvirt.rst', encoding='utf-8') as f:
        said = re.search(r'    virt-install --name big (.*?)\n\n', f.read(), re.S).group(1)
    said = re.sub(r'--memory \d+ --vcpus \d+', '--memory 256 --vcpus 2', said).replace('\\\n', ' ')
    said = re.sub(r'--disk \S+ --network \S+', '--disk /var/lib/libvirt/images/virt.img,format=raw,bus=virtio --network none', said)
    more = ('--noautoconsole --boot kernel=/var/lib/libvirt/vmlinuz,initrd=/var/lib/libvirt/guest.cpio,'
            f'kernel_args="console=ttyS0 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}" '
            '--channel unix,source.mode=bind,source.path=/var/lib/libvirt/qemu/agent.inst,target.type=virtio,target.name=dvmm.agent')
    status, text = on(0, f'virt-install --name inst {said} {more}', 400)
    t.ok(status == 0, 'virt-install of a domain', (status, said, text, on(0, 'tail -n 20 /var/log/libvirt/qemu/inst.log; '
                                                                                    'dmesg | grep DENIED | tail')))
    status, text = inst('nproc; ls -d /sys/devices/system/node/node?; work 300000 1')
    t.ok(status == 0 and text.startswith('2\n') and 'node1' in text and 'correct' in text,
         'it has the CPUs and memory of both hosts', text)
    changes(t)
    status, text = on(0, f'virsh destroy inst; {NO_QEMU} && virsh undefine inst', 120)
    t.ok(status == 0, 'and goes like the other', text)


def main():
    """One life."""
    t = Tap()
    conf = config.Config()
    release = sys.argv[1] if len(sys.argv) > 1 else own_release()
    os.environ['DVMM_CLUSTER'] = NAME
    os.environ['PATH'] = f'{TOP}/tools/testbed:{TOP}/tools/testbed/host-bin:{os.environ["PATH"]}'
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)
        try:
            packages(t, tmp, release)
            host(t, tmp, release, conf)
            status, text = run(['cluster', 'start', '-n', '2', '--share', f'{tmp}/root', '--append', 'testbed.host', NAME], 600)
            t.ok(not status, 'both hosts boot', text)
            lines(t)
            guest(t)
            network(t)
            traces(t)
            leaves(t)
            down(t)
            libvirt(t)
            virt_install(t)
            status, text = on(0, 'modprobe -r dvmm_tcp dvmm_ipi dvmm && ! grep ^dvmm /proc/modules', 60)
            t.ok(status == 0, 'the modules go', text)
            text = run(['cluster', 'reports', NAME], 60)[1]
            t.ok(not text.strip(), 'their kernels have nothing to report', text)
        except Failed as error:
            t.ok(False, 'the test could go on to its end', error)
        finally:
            run(['cluster', 'stop', NAME], 120)
    return t.end()


sys.exit(main())
