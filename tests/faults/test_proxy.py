#!/usr/bin/env python3
"""The proxy as a program of its own: a script and a seed say what goes wrong."""
import json
import os
import subprocess
import sys

from faults import Client, Failure, main, test

PROXY = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'proxy.py')


class Running:
    def __init__(self, t, *args):
        self.process = subprocess.Popen([sys.executable, PROXY, *args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        t.started.append(self.process)
        self.url = self.process.stdout.readline().decode().split()[1]

    def line(self):
        name, target, fault, status = self.process.stdout.readline().decode().split()
        return f'{name} {target.split("?")[0]}', fault, int(status)


@test
def a_script_says_what_goes_wrong(t):
    _, url = t.serve()
    script = t.path('script', '\n'.join(json.dumps(rule) for rule in (
        {'fault': 'answer', 'match': '/hello', 'status': 503, 'body': 'not now'},
        {'fault': 'lose', 'match': 'POST .*/push'},
        {'fault': 'portal', 'match': '/pull', 'skip': 1})) + '\n')
    proxy = Running(t, '--to', url, '--script', script)
    a = Client(t, 'a', proxy.url, ['notes'])
    a.put('notes', {'id': 'a'})
    a.in_sync()
    a.do('now')
    a.in_sync()
    wanted = {('POST /_replica/1/push', 'lose', 0), ('GET /_replica/1/pull', 'portal', 200),
              ('POST /_replica/1/push', 'pass', 200)}
    said = [proxy.line()]
    t.same(said[0], ('GET /_replica/1/hello', 'answer', 503))
    while wanted - set(said):
        said.append(proxy.line())
    t.same([line[1] for line in said].count('lose'), 1)
    t.same(t.lines('export', '--db', t.path('server.db'), '--collection', 'notes'), [{'id': 'a'}])
    a.quit()


@test
def a_seed_rolls_the_dice(t):
    _, url = t.serve()
    proxy = Running(t, '--to', url, '--seed', '7')
    a = Client(t, 'a', proxy.url, ['notes'], 'f')
    faults = set()
    for n in range(40):
        a.put('notes', {'id': 'a', 'n': n})
        a.do('now')
        a.in_sync()
        faults.add(proxy.line()[1])
    if len(faults) < 3:
        raise Failure(f'only {faults}')
    a.quit()


if __name__ == '__main__':
    main()
