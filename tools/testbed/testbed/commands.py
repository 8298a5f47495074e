# SPDX-License-Identifier: GPL-2.0
"""The verbs of the cluster command."""
import glob
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from . import config, control
from .agent import Lost, Timeout
from .cluster import Cluster


def say(text):
    """A line for the person who looks on."""
    print(text, file=sys.stderr, flush=True)


def show(kind, data):
    """A command's output goes where it would."""
    stream = sys.stdout if kind == 'out' else sys.stderr
    stream.buffer.write(data)
    stream.flush()


def _boot(args, name):
    config.end_on_signals()
    conf = config.Config(args.memory, args.cpus, args.share, args.modules, args.append, pool=args.pool)
    logs = config.new_log_directory(name)
    say(f'{conf.describe()}; logs in {logs}')
    cluster = Cluster(args.nodes, conf, logs)
    start = time.monotonic()
    try:
        cluster.boot()
    except BaseException:
        cluster.kill()
        raise
    say(f'{args.nodes} node(s) up after {time.monotonic() - start:.1f} s')
    return cluster


def run(args):
    """Boots, runs, prints, ends."""
    argv = args.command[1:] if args.command[:1] == ['--'] else args.command
    with _boot(args, 'run') as cluster:
        nodes = cluster.nodes if args.all else cluster.nodes[:1]
        try:
            with ThreadPoolExecutor(len(nodes)) as pool:
                status = max(pool.map(lambda n: n.spawn(argv).wait(args.bound, show), nodes))
        except (Lost, Timeout) as e:
            say(f'{type(e).__name__}: {e}')
            status = 124
        reports = cluster.reports()
    for node, text in reports:
        say(f'node {node}: {text}')
    return status or (1 if reports else 0)


def start(args):
    """Boots and stays, in the background."""
    path = control.path_of(args.name)
    if os.path.exists(path):
        say(f'{path} exists: cluster stop {args.name} first')
        return 1
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        return 0 if os.read(read_end, 1) == b'+' else 1
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with _boot(args, args.name) as cluster:
        service = control.Control(cluster, path)
        signal.signal(signal.SIGTERM, lambda *_: service.stopped.set())
        os.write(write_end, b'+')
        os.close(write_end)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        service.stopped.wait()
        service.close()
    return 0


def _name_and_rest(words, more):
    """Splits [NAME] REST; NAME is there if the first word is no number."""
    name = os.environ.get('DVMM_CLUSTER')
    if words and not (words[0].isdigit() and (name or more == 0)):
        return words[0], words[1:]
    return name, words


def on(args):
    """Runs a command in a kept cluster."""
    name, words = _name_and_rest(args.words, 1)
    argv = words[2:] if words[1:2] == ['--'] else words[1:]
    return control.ask(name, {'do': 'on', 'nodes': words[:1], 'argv': argv, 'bound': args.bound}, show)


def simple(args):
    """Verbs that only name nodes."""
    name, nodes = _name_and_rest(args.words, 1)
    return control.ask(name, {'do': args.verb, 'nodes': nodes}, show)


def stop(args):
    """Ends a kept cluster."""
    path = control.path_of(args.words[0] if args.words else os.environ['DVMM_CLUSTER'])
    try:
        control.ask(path, {'do': 'stop'}, show)
    except ConnectionRefusedError:
        os.unlink(path)
        return 0
    deadline = time.monotonic() + 30
    while os.path.exists(path) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return 0


def list_all(_):
    """Names of the kept clusters."""
    prefix = control.path_of('')
    for path in glob.glob(prefix + '*'):
        print(path[len(prefix):])
    return 0


def main(args):
    """Does what the command line says."""
    verbs = {'run': run, 'start': start, 'on': on, 'stop': stop, 'list': list_all}
    try:
        return verbs.get(args.verb, simple)(args)
    except FileNotFoundError as e:
        say(f'{e}\nrun tools/testbed/setup first' if 'config' in str(e) else str(e))
    except (Lost, Timeout, ConnectionError) as e:
        say(f'{type(e).__name__}: {e}')
    return 125
