#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Documentation/netlink/dvmm.yaml and uapi/linux/dvmm_netlink.h say the same: names and
numbers of commands, attributes and values."""
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..')


def in_header(text):
    """{enum: {NAME: number}} and {define: value} of the header."""
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    enums = {}
    for name, body in re.findall(r'enum (\w+) \{(.*?)\}', text, flags=re.S):
        number, enums[name] = 0, {}
        for entry in filter(None, (e.strip() for e in body.split(','))):
            word, _, value = (w.strip() for w in entry.partition('='))
            if word.startswith('__') or '__' in value:
                continue
            number = int(value) if value else number
            enums[name][word] = number
            number += 1
    return enums, dict(re.findall(r'#define (DVMM_\w+)\s+(\S+)', text))


def c_name(*words):
    """A name as C has it."""
    return '_'.join(words).upper().replace('-', '_')


def numbered(prefix, names, start):
    """{NAME: number} of a list."""
    return {c_name(prefix + name): start + i for i, name in enumerate(names)}


def in_spec(spec):
    """The same, of the specification."""
    enums = {'dvmm_' + d['name'].replace('-', '_'):
             numbered(f'dvmm-{d["name"]}-', d['entries'], d.get('value-start', 0))
             for d in spec['definitions'] if d['type'] == 'enum'}
    for s in spec['attribute-sets']:
        enums[s['enum-name'].replace('-', '_')] = numbered(s['name-prefix'], [a['name'] for a in s['attributes']], 1)
    ops = spec['operations']
    enums[ops['enum-name'].replace('-', '_')] = numbered(ops['name-prefix'], [o['name'] for o in ops['list']], 1)
    defines = {'DVMM_FAMILY_NAME': f'"{spec["name"]}"', 'DVMM_FAMILY_VERSION': str(spec.get('version', 1))}
    for const in (d for d in spec['definitions'] if d['type'] == 'const'):
        defines[c_name('dvmm', const['name'])] = str(const['value'])
    for group in spec['mcast-groups']['list']:
        defines[c_name('dvmm-mcgrp', group['name'])] = f'"{group["name"]}"'
    return enums, defines


def dangling(spec):
    """Attributes that an operation names and its set does not have."""
    sets = {s['name']: {a['name'] for a in s['attributes']} for s in spec['attribute-sets']}
    bad = []
    for op in spec['operations']['list']:
        parts = [op.get(call, {}).get(way) for call in ('do', 'dump') for way in ('request', 'reply')]
        for part in (*parts, op.get('event')):
            bad += [f'{op["name"]}: {a}' for a in (part or {}).get('attributes', [])
                    if a not in sets[op['attribute-set']]]
    return bad


def read(name):
    """A file of the tree."""
    with open(os.path.join(TOP, name), encoding='utf-8') as f:
        return f.read()


def main():
    """TAP."""
    print('TAP version 13')
    try:
        import yaml
    except ImportError:
        print('1..0 # SKIP no python3-yaml')
        return 0
    header = read('uapi/linux/dvmm_netlink.h')
    spec = yaml.safe_load(read('Documentation/netlink/dvmm.yaml'))
    includes = in_header(header)
    includes[1].pop('_UAPI_LINUX_DVMM_NETLINK_H', None)
    for ours, theirs in zip(includes, in_spec(spec)):
        for key in sorted(set(ours) | set(theirs)):
            if ours.get(key) != theirs.get(key):
                print(f'# {key}: {ours.get(key)} in the header, {theirs.get(key)} in the specification')
    same = includes == in_spec(spec)
    seen = in_header(header.replace('DVMM_A_NODE,\n', '', 1)) != in_spec(spec)
    lost = dangling(spec)
    print('1..3')
    print(f'{"ok" if same else "not ok"} 1 - header and specification agree')
    print(f'{"ok" if seen else "not ok"} 2 - an attribute that only one of them has is seen')
    print(f'{"not ok" if lost else "ok"} 3 - operations name attributes that there are {lost or ""}')
    return 0 if same and seen and not lost else 1


sys.exit(main())
