#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest across two hosts comes up every time, while something else keeps one core of this machine busy.

usage: boots.py BOOTS CPUS-A-NODE [at-once]	at-once: all CPUs are there from the start
"""
import os
import subprocess
import sys

from guestlib import Failed, Machine, load, main, unload

BOUND = 600
WORDS = {False: 'CPUs brought up after the boot', True: 'all CPUs from the start'}


def boot(t, m, what):
    """One boot; seconds, or None."""
    load(set(m.hosts))
    try:
        m.start()
        seconds = m.up(BOUND)
        text = m.must('cat /sys/devices/system/cpu/online').strip()
        good, detail = text == m.all(), f'after {seconds:.0f} s CPUs {text} are online'
    except Failed as e:
        seconds, good, detail = None, False, e
    finally:
        m.end()
    t.ok(good, what, detail)
    for host in m.hosts:
        status, text = unload(host)
        if status:
            raise Failed(f'the modules of host {host} do not unload: {text}')
    return seconds if good else None


def test(t):
    """One after the other, with the time of each."""
    boots, cpus, at_once = int(sys.argv[1]), int(sys.argv[2]), 'at-once' in sys.argv
    times = []
    busy = subprocess.Popen(['sh', '-c', 'while :; do :; done'])
    try:
        for i in range(boots):
            m = Machine([0, 1], cpus=cpus, name='b', at_once=at_once)
            times.append(boot(t, m, f'boot {i + 1} of {boots}: {cpus} + {cpus} vCPUs, {WORDS[at_once]}'))
            load_now = os.getloadavg()[0]
            t.diag(f'{f"up after {times[-1]:.0f} s" if times[-1] else "not up"}; load of this machine {load_now:.1f}')
    finally:
        busy.kill()
        busy.wait()
    good = sorted(s for s in times if s)
    t.diag(f'{len(good)} of {boots} came up' + (f' after {good[0]:.0f} to {good[-1]:.0f} s' if good else ''))


main(test)
