# SPDX-License-Identifier: GPL-2.0
"""What a booted guest over several nodes has to do. Each function gives its results to a Tap."""
import concurrent.futures
import json
import math
import re
import shlex
import subprocess
import time

from guestlib import must, on

DATA = 1 << 18
SYS_CPU = '/sys/devices/system/cpu'
SYS_NODE = '/sys/devices/system/node'


def cpus_online(t, m):
    """All CPUs, with the APIC ids that the machine file gives them."""
    text = m.must('cat /sys/devices/system/cpu/online; grep -c ^processor /proc/cpuinfo')
    want = [m.all(), str(m.total)]
    t.ok(text.split() == want, f'all {m.total} CPUs come online', text)
    text = m.must("awk '/^apicid/ {print $3}' /proc/cpuinfo")
    t.ok([int(w) for w in text.split()] == list(range(m.total)), 'APIC ids follow the nodes', text)


def cpus_came_later(t, m):
    """The kernel booted on one CPU, as its line says, and the guest's init told of each other one."""
    text = m.must('cat /proc/cmdline')
    t.ok('maxcpus=1' in text.split(), 'the kernel line says that one CPU boots', text)
    text = must(m.hosts[0], f'cat {m.log(0, "console")}')
    came = [int(n) for n in re.findall(r'guest: CPU (\d+) is up', text)]
    t.ok(came[:m.total - 1] == list(range(1, m.total)), 'the guest tells of each CPU that it brings up', came)


def numa(t, m):
    """One NUMA node a host: CPUs, memory, distances."""
    count = len(m.hosts)
    for node in range(count):
        text = m.must(f'cat {SYS_NODE}/node{node}/cpulist {SYS_NODE}/node{node}/distance; '
                      f"awk '/MemTotal/ {{print $4}}' {SYS_NODE}/node{node}/meminfo")
        cpulist, distance, total = text.splitlines()
        cpus = m.local(node)
        want = f'{cpus[0]}-{cpus[-1]}' if len(cpus) > 1 else str(cpus[0])
        t.ok(cpulist == want, f'NUMA node {node} has the CPUs of its host', cpulist)
        want = ['10' if i == node else '40' for i in range(count)]
        t.ok(distance.split() == want, f'NUMA node {node} knows its distances', distance)
        # The kernel keeps some for itself, and the first one holds holes for the firmware.
        t.ok(0.6 * m.memory <= int(total) / 1024 <= m.memory, f'NUMA node {node} has the memory of its host', total)
    text = m.must(f'ls -d {SYS_NODE}/node[0-9]*')
    t.ok(len(text.split()) == count, 'there is no other NUMA node', text)


def _numastat(m, node):
    text = m.must(f'cat {SYS_NODE}/node{node}/numastat')
    return {k: int(v) for k, v in re.findall(r'^(\w+) (\d+)', text, re.M)}


def stays_home(t, m):
    """Memory that a CPU asks for comes from its own host."""
    pages = 4096
    for node in range(len(m.hosts)):
        before = _numastat(m, node)
        m.must(f'dd if=/dev/zero of=/dev/shm/home bs=64k count={pages // 16} 2>/dev/null && rm /dev/shm/home', 120,
               m.local(node)[-1])
        after = _numastat(m, node)
        local = after['local_node'] - before['local_node']
        away = after['numa_foreign'] - before['numa_foreign']
        t.ok(local >= pages and away < pages // 100, f'allocations on node {node} stay at home',
             f'{local} local and {away} foreign of {pages}')


def clock(t, m):
    """The TSC is the clock, and no CPU sees it go backwards."""
    # "tsc-early" for some seconds, until the kernel has refined what it knows of the frequency
    name = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
    text = m.must(f'i=0; while read c < {name}; test $c = tsc-early && test $i -lt 30; do sleep {m.seconds(10):.3f}; '
                  'i=$((i + 1)); done; echo $c', 400)
    t.ok(text.strip() == 'tsc', 'the clocksource is tsc', text)
    t.diag(f'clocksource {text.strip()}; our time is {m.slow:.0f} times the guest\'s')
    text = m.run("dmesg | grep -iE 'tsc.*(warp|unstable|unsynchron)|Measured.*cycles TSC|clocksource.*unstable'")[1]
    t.ok(not text.strip(), 'the kernel has nothing against the TSC', text)
    if m.one_kernel:
        warps(t, m)
    else:
        drift(t, m)


def timers(t, m):
    """Its clock tells the timers of each CPU how fast the TSC is, in 32 bits: what goes over them makes timers early."""
    told = int(re.search(r'tsc_early_khz=(\d+)', m.must('cat /proc/cmdline')).group(1)) * 125
    text = m.must('sed -n "/^Clock Event Device: lapic-deadline/,/^$/p" /proc/timer_list', 120)
    early = [told * 2 ** int(shift) / (int(mult) * 1e9)
             for mult, shift in re.findall(r'^ mult: +(\d+)\n shift: +(\d+)', text, re.M)]
    t.ok(len(early) == m.total and max(early) < (told // 2 ** 32 + 1) * 1.01,
         'timers are as little early as can be', (early, told / 2 ** 32, text))


def warp(m, seconds):
    """How far a CPU has seen another one's TSC in its future, in ms, and what was said."""
    cpus = ' '.join(map(str, m.interleaved()))
    text = m.run(f'tscwarp {m.seconds(seconds):.3f} {cpus}', seconds * 2 + 100, m.all())[1]
    found = re.search(r'handovers [1-9]\d* worst (\d+)', text)
    return int(found.group(1)) / m.nodes()[1]['tsc-khz'] if found else math.inf, text


def warps(t, m):
    """No CPU sees the TSC go backwards when it comes from another one."""
    worst, text = warp(m, 10)
    t.ok(not worst, 'no CPU sees another one\'s TSC in its future', text)
    t.diag(text)


def lag(m, done, turn, often):
    """Lets the hosts' clocks drift apart: first a satellite's is too slow, then the boot node's. The longest three lags, ms."""
    lags = [0, 0]
    while not done():
        text = subprocess.run(['cluster', 'lag', str(m.hosts[time.monotonic() < turn])], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        lags.append(float(text.split()[0]))
        time.sleep(often)
    return max(map(sum, zip(lags, lags[1:], lags[2:])))


def drift(t, m, seconds=20, often=2):
    """
    The same while clocks drift apart. What two comparisons have seen is made good, and the first one comes up to 5 s after the
    last quiet one: three lags, each two seconds after the other, may come together by then.
    """
    def advanced():
        return [m.nodes(node)[node]['tsc-advanced-ns'] / 1e6 for node in (0, 1)]
    before = advanced()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        warped = pool.submit(warp, m, seconds)
        longest = lag(m, warped.done, time.monotonic() + seconds / 2, often)
    worst, text = warped.result()
    good = [b - a for a, b in zip(before, advanced())]
    t.ok(worst <= longest, f'clocks drift apart by {good[0]:.1f} and {good[1]:.1f} ms, and no CPU sees that: {worst:.1f} ms, '
         f'{longest:.1f} by three lags', text)
    t.diag(text)
    t.ok(min(good) > 0, 'both hosts were made to keep up', good)


def parallel(t, m, limit=3000000):
    """Work on all CPUs, checked."""
    status, text = m.run(f'work {limit}', 240, m.all())
    t.diag(text)
    t.ok(status == 0 and 'correct' in text and len(re.findall(r'^cpu', text, re.M)) == m.total,
         f'a parallel computation on {m.total} CPUs is right', text)


def signals(t, m):
    """The vCPU threads of every node leave the guest again and again for a signal (QEMU's own, without effect)."""
    for node, host in enumerate(m.hosts):
        must(host, f'pid=$(cat /run/guest/{m.process(node)}/pid); setsid timeout 10 sh -c '
             '"while kill -USR1 $pid; do usleep 20000; done" > /dev/null 2>&1 < /dev/null &')
    parallel(t, m)


def litmus(t, m, seconds=20):
    """Memory-model shapes between CPUs of different nodes."""
    cpus = ' '.join(map(str, m.interleaved()))
    status, text = m.run(f'vlitmus -x {m.seconds(4):.3f} {cpus}', 60, m.all())
    t.ok(status == 0, 'litmus: the checker notices memory that is not shared', text)
    status, text = m.run(f'vlitmus {m.seconds(seconds):.3f} {cpus}', seconds * 3 + 60, m.all())
    t.diag(text)
    rows = re.findall(r'^shape (\S+) slots (\d+) forbidden (\d+) lost (\d+)', text, re.M)
    for name, slots, forbidden, lost in rows:
        t.ok(int(slots) and forbidden == lost == '0', f'litmus {name}: nothing that x86-TSO forbids in {slots} slots')
    want = 10 if m.total >= 4 else 8
    t.ok(status == 0 and len(rows) == want, 'litmus: all shapes ran', text)


def _nmi_cpus(m):
    """CPUs that have answered a backtrace's NMI, idle ones included."""
    text = m.must('dmesg | grep "NMI backtrace for cpu" || true')
    return sorted({int(n) for n in re.findall(r'NMI backtrace for cpu (\d+)', text)})


def nmi(t, m):
    """sysrq-l asks all CPUs by NMI, from either side."""
    for cpu in (0, m.far()):
        m.must('dmesg -n 1; dmesg -c > /dev/null')      # a console at the far end of a wire is slow
        m.must('echo l > /proc/sysrq-trigger', 60, cpu)
        seen = _nmi_cpus(m)
        t.ok(seen == list(range(m.total)), f'NMIs from CPU {cpu} are answered by all CPUs', f'answers: {seen}')


def hotplug(t, m):
    """A CPU of the last node goes and comes back."""
    cpu = m.far()
    status, text = m.run(f'echo 0 > {SYS_CPU}/cpu{cpu}/online && cat {SYS_CPU}/online', 120)
    left = f'0-{cpu - 1}' if cpu > 1 else '0'
    t.ok(status == 0 and text.strip() == left, f'CPU {cpu} goes offline', text)
    status, text = m.run(f'echo 1 > {SYS_CPU}/cpu{cpu}/online && cat {SYS_CPU}/online && taskset -c {cpu} echo alive', 180)
    t.ok(status == 0 and text.split() == [f'0-{m.total - 1}', 'alive'], f'CPU {cpu} comes back and works', text)


def _irqs(m, pattern):
    """Interrupts whose line matches: {number: [count on each CPU]}."""
    found = {}
    for line in m.must('cat /proc/interrupts').splitlines():
        if re.search(pattern, line) and re.match(r'\s*\d+:', line):
            words = line.split()
            found[int(words[0][:-1])] = [int(w) for w in words[1:1 + m.total]]
    return found


def _move(m, irqs, cpu):
    m.must(' && '.join(f'echo {cpu} > /proc/irq/{n}/smp_affinity_list' for n in irqs))


def _grew(m, pattern, before, cpu):
    after = _irqs(m, pattern)
    return sum(after[n][cpu] - before[n][cpu] for n in before if n in after)


def msi_affinity(t, m):
    """The agent's own device: its interrupts move to a remote CPU and back."""
    device = m.must('basename $(readlink -f /sys/class/virtio-ports/vport*p1/device/..) 2>/dev/null || true').strip()
    pattern = f'{device if device.startswith("virtio") else "virtio0"}-'
    before = _irqs(m, pattern)
    if not t.ok(bool(before), 'the serial device has interrupts', m.must('cat /proc/interrupts')):
        return
    cpu = m.far()
    _move(m, before, cpu)
    before = _irqs(m, pattern)
    alive = [m.run(f'echo {i}', 60)[1].strip() == str(i) for i in range(10)]
    t.ok(all(alive), f'the serial device lives with its MSIs on CPU {cpu}', alive)
    t.ok(_grew(m, pattern, before, cpu) >= 10, f'its MSIs do arrive on CPU {cpu}', _irqs(m, pattern))
    _move(m, before, 0)
    t.ok(m.run('echo back', 60)[1].strip() == 'back', 'the serial device lives with its MSIs on CPU 0 again')


def level_affinity(t, m):
    """A level-triggered IOAPIC interrupt, acknowledged on a remote CPU."""
    disk = m.must('for d in /sys/block/vd*; do test "$(cat $d/size)" = 32768 && basename $d; done').strip()
    pattern = r'IO-APIC.*virtio'
    irqs = _irqs(m, pattern)
    if not t.ok(len(irqs) == 1, 'the second disk has one IOAPIC interrupt', m.must('cat /proc/interrupts')):
        return
    for cpu in (m.far(), 0):
        _move(m, irqs, cpu)
        before = _irqs(m, pattern)
        # far from each other: no kernel makes one request of them
        status, text = m.run('echo 3 > /proc/sys/vm/drop_caches; for i in 0 32 64 96 128 160 192 224; do '
                             f'dd if=/dev/{disk} of=/dev/null bs=64k skip=$i count=1 || exit; done', 120)
        t.ok(status == 0, f'a disk with level-triggered interrupts on CPU {cpu} reads', text)
        t.ok(_grew(m, pattern, before, cpu) >= 4, f'its interrupts do arrive on CPU {cpu}', _irqs(m, pattern))


def disk_write(t, m, megabytes=1):
    """Written from a CPU of the last node, read on the first: its checksum."""
    cpu = m.far()
    m.must(f'dd if=/dev/urandom of=/tmp/data bs=64k count={16 * megabytes} 2>/dev/null', 120)
    want = m.must('md5sum < /tmp/data').split()[0]
    m.must('dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/dev/null && rm /tmp/data', 400, cpu)
    t.ok(disk_sum(m, 0, megabytes) == want, f'a disk written on CPU {cpu} reads back identical on CPU 0', want)
    return want


def disk_sum(m, cpu, megabytes=1):
    """Checksum of the disk's beginning, read on a CPU."""
    m.must('echo 3 > /proc/sys/vm/drop_caches')
    return m.must(f'dd if=/dev/vda bs=64k count={16 * megabytes} 2>/dev/null | md5sum', 180, cpu).split()[0]


def serial_transfer(t, m):
    """256 KiB over virtio-serial in, on a remote CPU, and out again."""
    host, cpu = m.hosts[0], m.far()
    want = must(host, f'head -c {DATA} /dev/urandom > /tmp/sent && md5sum < /tmp/sent').split()[0]
    port = m.must("for p in /sys/class/virtio-ports/*; do test $(cat $p/name) = data && basename $p; done").strip()
    begin = time.monotonic()
    must(host, f'setsid sh -c "cat /tmp/sent > /tmp/{m.name}.pipe.in" > /dev/null 2>&1 < /dev/null &')
    got = m.must(f'head -c {DATA} /dev/{port} > /tmp/sent && md5sum < /tmp/sent', 300, cpu).split()[0]
    t.ok(got == want, f'256 KiB through virtio-serial into CPU {cpu} are intact', f'{got}, not {want}')
    middle = time.monotonic()
    must(host, f'setsid sh -c "head -c {DATA} /tmp/{m.name}.pipe.out | md5sum > /tmp/sent.sum" > /dev/null 2>&1 < /dev/null &')
    m.must(f'cat /tmp/sent > /dev/{port}; rm /tmp/sent', 300, cpu)
    got = must(host, 'for i in $(seq 300); do test -s /tmp/sent.sum && break; usleep 100000; done; cat /tmp/sent.sum', 60)
    t.ok(got.split()[:1] == [want], f'256 KiB through virtio-serial out of CPU {cpu} are intact', f'{got}, not {want}')
    t.diag(f'virtio-serial: 256 KiB in {middle - begin:.0f} s in, {time.monotonic() - middle:.0f} s out')


def vcpu_seconds(m, node):
    """How long the vCPUs of a node have run."""
    text = must(m.hosts[node], f'guest vcpus {m.process(node)}')
    return sum(float(s) for s in re.findall(r': ([\d.]+) s', text))


def stop_cont(t, m):
    """QMP stop holds the vCPUs of every node, cont lets them go on."""
    m.must('setsid sh -c "while :; do :; done" > /dev/null 2>&1 < /dev/null & echo $! > /tmp/spinner')
    m.qmp('{"execute": "stop"}')
    text = m.qmp('{"execute": "query-status"}')
    t.ok('"paused"' in text, 'stop pauses the machine', text)
    before = [vcpu_seconds(m, i) for i in range(len(m.hosts))]
    must(m.hosts[0], 'sleep 2')
    after = [vcpu_seconds(m, i) for i in range(len(m.hosts))]
    t.ok(all(b - a < 0.05 for a, b in zip(before, after)), 'no vCPU of any node runs meanwhile', f'{before} {after}')
    m.qmp('{"execute": "cont"}')
    status, text = m.run('kill -9 $(cat /tmp/spinner); echo on', 60)
    t.ok(status == 0 and 'on' in text, 'the guest goes on after cont', text)


def idles(t, m):
    """A guest that has nothing to do leaves its hosts alone."""
    before = [vcpu_seconds(m, i) for i in range(len(m.hosts))]
    must(m.hosts[0], 'sleep 5')
    after = [vcpu_seconds(m, i) for i in range(len(m.hosts))]
    t.ok(all(b - a < 2.5 for a, b in zip(before, after)), 'an idle guest sleeps', f'{before} {after}')


def query(t, m):
    """query-dvmm describes the machine of the machine file."""
    text = m.qmp('{"execute": "query-dvmm"}')
    rows = [json.loads(line) for line in text.splitlines() if line.startswith('{"return": {') and 'nodes' in line]
    if not t.ok(len(rows) == 1, 'query-dvmm answers', text):
        return
    info = rows[0]['return']
    t.diag(json.dumps(info))
    nodes = info['nodes']
    cells = [(c['name'], c['node'], c['base-cpu'], c['cpus'], c['memory'] >> 20) for c in info['cells']]
    t.ok(info['running'] and cells == [(f'node{i}', f'node{i}', m.local(i)[0], m.cpus, m.memory) for i in range(len(m.hosts))] and
         [n['name'] for n in nodes] == [c[0] for c in cells], 'query-dvmm describes nodes and cells', text)
    skews = [n['tsc-error-ns'] for n in nodes if not n['self']]
    t.ok(len(skews) == len(m.hosts) - 1, 'query-dvmm reports the residual skew of the clocks', text)
    t.diag(f'residual TSC skew: at most {skews} ns')


def reboot(t, m, bound=600):
    """Reset asked for on a remote CPU; the guest comes up again."""
    cpu = m.far()
    first = m.must('cat /proc/sys/kernel/random/boot_id')
    must(m.hosts[0], f'rm -f /tmp/{m.name}.reset; setsid sh -c "qmp -t 120 -e RESET /run/guest/{m.process(0)}/qmp '
         f'> /tmp/{m.name}.reset 2>&1; echo status $? >> /tmp/{m.name}.reset" > /dev/null 2>&1 < /dev/null &')
    m.run(f'sync; echo {cpu} > /sys/kernel/reboot/cpu; (usleep {1e6 * m.seconds(1):.0f}; taskset -c {cpu} reboot -f) > /dev/null 2>&1 &', 60)
    text = on(m.hosts[0], f'for i in $(seq 1200); do grep -q ^status /tmp/{m.name}.reset && break; usleep 100000; done; '
              f'cat /tmp/{m.name}.reset', 130)[1]
    if not t.ok('status 0' in text, f'a reboot on CPU {cpu} resets the machine', text + m.tail()):
        return False
    seconds = m.up(bound)
    second = m.must('cat /proc/sys/kernel/random/boot_id')
    t.ok(first != second, f'the guest has booted anew ({seconds:.0f} s)', first)
    return True


def power_off(t, m):
    """Power-off on a remote CPU; every QEMU ends with status 0."""
    cpu = m.far()
    m.run(f'echo {cpu} > /sys/kernel/reboot/cpu; (usleep {1e6 * m.seconds(1):.0f}; taskset -c {cpu} poweroff -f) > /dev/null 2>&1 &', 60)
    for node in range(len(m.hosts)):
        status, _ = m.ended(node, 60)
        t.ok(status == 0, f'power-off on CPU {cpu} ends QEMU of node {node} with status 0',
             f'status {status}\n{shlex.quote(m.said(node))}')


def reads_ahead(t, m):
    """What a CPU of one host reads in order, the other host's had written: most of it comes before it is asked for."""
    before = [m.stats(node) for node in range(len(m.hosts))]
    m.must(f'benchjob reader=1 {m.local(0)[0]} {m.far()}', 200)
    asked, read = (sum(int(m.stats(node)[key]) - int(old[key]) for node, old in enumerate(before))
                   for key in ('prefetches', 'faults_read'))
    t.ok(asked >= 128, f'of 256 pages that are read in order {asked} are asked for ahead, {read} waits for reads', before)


def faults(t, m, what):
    """For the reader: what it cost so far."""
    for node in range(len(m.hosts)):
        s = m.stats(node)
        t.diag(f'{what}: node {node}: read {s["faults_read"]} write {s["faults_write"]} upgrade {s["faults_upgrade"]} '
               f'local {s["faults_local"]} messages {s["messages_sent"]} bytes {s["bytes_sent"]} '
               f'fetch p50 {int(s["latency_ns_p50"]) / 1e6:.1f} ms')
