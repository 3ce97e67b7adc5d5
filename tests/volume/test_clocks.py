"""Clocks that are a day off, either way: two servers on one file, and clients, none of whom agrees with
another.  Nothing is skipped, and nothing comes again and again."""
import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import threading

from cli import REPLICA, Failure, main, test

DAY = 24 * 3600
BAD_DISK = os.environ['BAD_DISK_LIBRARY']


def off_by(seconds):
    return dict(os.environ, LD_PRELOAD=BAD_DISK, CLOCK_AHEAD_S=str(seconds))


def serve(t, seconds):
    process = subprocess.Popen([REPLICA, 'serve', '--db', t.path('server.db'), '--listen',
                                '127.0.0.1:0'], cwd=t.folder, env=off_by(seconds),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    t.started.append(process)
    line = process.stdout.readline().decode()
    if not line.startswith('listening http://'):
        raise Failure(f'serve said {line!r}')
    return int(line.rstrip().rsplit(':', 1)[1])


class Balancer:
    """One address for several servers: each connection goes to the next one."""

    def __init__(self, ports):
        self.ports, self.connections = ports, 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.url = 'http://127.0.0.1:%d' % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here, _ = self.listener.accept()
            there = socket.create_connection(('127.0.0.1', self.ports[self.connections % 2]))
            self.connections += 1
            for pair in ((here, there), (there, here)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    @staticmethod
    def carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def put(t, db, seconds, *documents):
    for document in documents:
        done = subprocess.run([REPLICA, 'put', '--db', t.path(db), '--collection', 'notes',
                               json.dumps(document)], env=off_by(seconds), capture_output=True)
        t.same((done.returncode, done.stderr), (0, b''))


def sync(t, db, seconds, url):
    done = subprocess.run([REPLICA, 'sync', '--db', t.path(db), '--url', f'{url}/notes/0', '--once',
                           '--json'], env=off_by(seconds), capture_output=True)
    t.same((done.returncode, done.stderr), (0, b''), f'{db} {done.stdout}')
    return json.loads(done.stdout)


def documents(t, db):
    with contextlib.closing(sqlite3.connect(t.path(db))) as file:
        return dict(file.execute('SELECT id, body FROM doc WHERE flags & 1 = 0'))


@test
def two_servers_on_one_file_whose_clocks_differ_by_two_days_are_as_one(t):
    ports = [serve(t, DAY), serve(t, -DAY)]
    both = Balancer(ports)
    urls = {'ahead.db': f'http://127.0.0.1:{ports[0]}', 'behind.db': f'http://127.0.0.1:{ports[1]}',
            'both.db': both.url}
    clocks = {'ahead.db': DAY, 'behind.db': -DAY, 'both.db': 0}
    rounds = 6
    for n in range(rounds):
        for db, url in urls.items():
            put(t, db, clocks[db], {'id': f'{db}-{n}', 'n': n}, {'id': 'shared', 'by': db, 'n': n})
            sync(t, db, clocks[db], url)
    before = both.connections
    for _ in range(2):
        for db, url in urls.items():
            last = sync(t, db, clocks[db], url)
    wanted = documents(t, 'server.db')
    t.same(len(wanted), 3 * rounds + 1)
    for db in urls:
        t.same(documents(t, db), wanted, db)
    # In sync, nothing is brought again by the change from one server to the other.
    for db, url in urls.items():
        again = sync(t, db, clocks[db], url)
        t.same((again['pulled'], again['pushed']), (0, 0), db)
    if both.connections - before > 40:
        raise Failure(f'{both.connections - before} connections for four looks')


@test
def a_clock_that_is_set_by_a_day_between_two_looks_skips_nothing(t):
    for start, steps in ((0, (DAY, -DAY, 0)), (DAY, (-DAY, DAY))):
        _, url = t.serve(f'server{start}.db')
        a, b = f'a{start}.db', f'b{start}.db'
        for n, step in enumerate((start, *steps)):
            put(t, a, step, {'id': f'n{n}', 'n': n}, {'id': 'one', 'n': n})
            sync(t, a, step, url)
            sync(t, b, -step, url)
            put(t, b, -step, {'id': f'm{n}', 'n': n})
            sync(t, b, -step, url)
            sync(t, a, step, url)
        t.same(documents(t, a), documents(t, f'server{start}.db'))
        t.same(documents(t, b), documents(t, a))
        t.same(json.loads(documents(t, b)['one'])['n'], len(steps))


main()
