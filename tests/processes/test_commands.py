#!/usr/bin/env python3
"""Commands whose handlers, replicators and server are killed: each takes effect once."""
import json
import os
import random
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'cli'))
from cli import main, test

HANDLER = os.environ['HANDLER']
COUNTS = ('--collection', 'counts')
COMMANDS = ('--collection', 'commands')


class Handler:
    """A handler on a file; killed, it is started again."""

    def __init__(self, t, db):
        self.t, self.db = t, db
        self.start()

    def start(self):
        self.process = subprocess.Popen([HANDLER, 'handle', self.db], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.t.started.append(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def end(self):
        _, err = self.process.communicate(timeout=20)
        self.t.same((self.process.returncode, err), (0, b''))


def send(t, db, first, last):
    done = subprocess.run([HANDLER, 'send', db, str(first), str(last)], capture_output=True,
                          timeout=20)
    t.same((done.returncode, done.stderr), (0, b''))


def states(t, db):
    if t.run('ls', '--db', db, *COMMANDS).code:
        return []  # nobody has brought one yet
    return [json.loads(line) for line in t.ok('export', '--db', db, *COMMANDS).splitlines()]


def settle(t, db, n, disturb, seconds):
    """Until all n are done there; meanwhile, and so far, things go wrong."""
    deadline = time.monotonic() + seconds
    while True:
        found = [c['state'] for c in states(t, db)]
        if found.count('done') == n:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f'not done: {found}')
        disturb(deadline - time.monotonic())


def check(t, db, n):
    count = json.loads(t.ok('get', '--db', db, *COUNTS, 'count'))
    t.same(count['n'], n)
    t.same(len(t.ok('ls', '--db', db, *COUNTS).splitlines()), n + 1)
    t.ok('check', '--db', db)


@test
def on_one_file_a_command_takes_effect_once_whoever_is_killed(t):
    handlers = [Handler(t, t.db) for _ in range(3)]
    dice = random.Random(7)
    send(t, t.db, 0, 60)

    def kill_one(left):
        if left > 15:
            dice.choice(handlers).kill()
        time.sleep(0.1 if left > 15 else 0.3)

    settle(t, t.db, 60, kill_one, 30)
    for handler in handlers:
        handler.end()
    check(t, t.db, 60)


@test
def through_a_server_a_command_takes_effect_once_whoever_is_killed(t):
    dice = random.Random(11)
    with socket.socket() as s:  # a port that the server has again when it is started again
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    server_db, files = t.path('server.db'), [t.path(name) for name in ('a.db', 'b.db', 'c.db')]
    url = f'http://127.0.0.1:{port}/commands/0'

    def serve():
        process = t.start('serve', '--db', server_db, '--listen', f'127.0.0.1:{port}')
        process.stdout.readline()
        return process

    def sync(db):
        return t.start('sync', '--db', db, *COMMANDS, *COUNTS, '--url', url, '--live')

    server = [serve()]
    for db in files:
        t.ok('sync', '--db', db, *COMMANDS, *COUNTS, '--url', url, '--once')
    syncs = [sync(db) for db in files]
    handlers = [Handler(t, db) for db in files[1:]]
    send(t, files[0], 0, 20)
    send(t, files[2], 20, 30)

    def disturb(left):
        what = dice.randrange(8) if left > 18 else 9
        if what < 4:
            dice.choice(handlers).kill()
        elif what < 7:
            i = dice.randrange(len(syncs))
            syncs[i].kill()
            syncs[i].wait()
            syncs[i] = sync(files[i])
        elif what == 7:
            server[0].kill()
            server[0].wait()
            server[0] = serve()
        time.sleep(0.2)

    settle(t, server_db, 30, disturb, 35)
    for handler in handlers:
        handler.end()
    for process in [*syncs, server[0]]:
        t.stop(process)
    check(t, server_db, 30)


if __name__ == '__main__':
    main()
