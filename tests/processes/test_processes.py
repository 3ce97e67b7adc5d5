#!/usr/bin/env python3
"""Several processes on one file: readers, writers, and replicators that are killed and stopped."""
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'cli'))
from cli import TIMEOUT, Failure, main, test

WORKER = os.environ['WORKER']
STANDBY = 'another process replicates'
REPLICATES = 'this process replicates now'


class Replicator:
    """replica sync --live, and what it says."""

    def __init__(self, t, db, url):
        self.process = t.start('sync', '--db', db, '--url', url, '--live')
        self.said = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.said.put(line.decode())

    def says(self, what):
        """Wait for it; other lines are passed over."""
        seen = []
        try:
            while not seen or what not in seen[-1]:
                seen.append(self.said.get(timeout=TIMEOUT))
        except queue.Empty:
            raise Failure(f'did not say {what!r}, but {seen!r}') from None

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, db):
        """Stop it, but not within a transaction: SQLite has no way around that."""
        while True:
            self.signal(signal.SIGSTOP)
            try:
                file = sqlite3.connect(db, timeout=1, isolation_level=None)
                file.execute('BEGIN IMMEDIATE')
                file.execute('ROLLBACK')
                return
            except sqlite3.OperationalError:
                self.signal(signal.SIGCONT)
            finally:
                file.close()

    def end(self, number):
        self.signal(number)
        self.process.wait(timeout=TIMEOUT)


class Worker:
    """A program of the test on the file, until it is told to end."""

    def __init__(self, t, *args):
        self.process = subprocess.Popen([WORKER, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        t.started.append(self.process)

    def begin(self):
        self.process.stdin.write(b'\n')
        self.process.stdin.flush()

    def end(self):
        out, err = self.process.communicate(timeout=TIMEOUT)
        if self.process.returncode or err:
            raise Failure(f'a worker ended with {self.process.returncode}: {err.decode()}')
        return int(out)


def wait_until(condition):
    """Each look is a program that runs; the alarm of the test is the bound."""
    while not condition():
        pass


def has(t, db, key):
    return t.run('get', '--db', db, '--collection', 'notes', key).code == 0


def check(t, db, count):
    done = subprocess.run([WORKER, 'check', db, str(count)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    t.same((done.returncode, done.stderr.decode()), (0, ''), db)


def setup(t):
    _, base = t.serve('server.db')
    db, url = t.path('a.db'), f'{base}/notes/0'
    t.ok('sync', '--db', db, '--url', url, '--once')
    return db, url, t.path('server.db')


@test
def replicators_that_are_killed_and_stopped_send_everything_once(t):
    db, url, server = setup(t)
    one = Replicator(t, db, url)
    writer, reader = Worker(t, 'write', db), Worker(t, 'read', db)
    wait_until(lambda: has(t, server, 'a1'))
    two = Replicator(t, db, url)
    two.says(STANDBY)

    one.end(signal.SIGKILL)
    two.says(REPLICATES)

    three = Replicator(t, db, url)
    three.says(STANDBY)
    two.stop(db)
    three.says(REPLICATES)
    two.signal(signal.SIGCONT)
    two.says(STANDBY)

    three.end(signal.SIGTERM)
    two.says(REPLICATES)

    count = writer.end()
    if reader.end() < 10:
        raise Failure('the reader did not look')
    t.ok('sync', '--db', db, '--url', url, '--once')
    check(t, db, count)
    check(t, server, count)
    t.same(t.ok('export', '--db', server, '--collection', 'notes'),
           t.ok('export', '--db', db, '--collection', 'notes'))
    t.ok('check', '--db', db)
    t.ok('check', '--db', server)


@test
def once_beside_one_that_lives_brings_what_the_server_has(t):
    db, url, server = setup(t)
    other = ('--db', t.path('b.db'), '--url', url, '--once')
    one = Replicator(t, db, url)
    t.ok('put', '--db', db, '--collection', 'notes', '{"id":"a"}')
    wait_until(lambda: has(t, server, 'a'))
    t.ok('sync', *other)
    t.ok('put', '--db', t.path('b.db'), '--collection', 'notes', '{"id":"b"}')
    t.ok('sync', *other)
    t.ok('put', '--db', db, '--collection', 'notes', '{"id":"c"}')
    out = t.ok('sync', '--db', db, '--url', url, '--once', '--json')
    if b'"in_sync":true' not in out:
        raise Failure(f'once said {out!r}')
    t.same(has(t, db, 'b'), True)
    t.same(has(t, server, 'c'), True)
    t.same(one.process.poll(), None)


@test
def once_beside_one_that_is_stopped_does_it_itself(t):
    db, url, server = setup(t)
    one = Replicator(t, db, url)
    t.ok('put', '--db', db, '--collection', 'notes', '{"id":"a"}')
    wait_until(lambda: has(t, server, 'a'))
    one.stop(db)
    t.ok('put', '--db', db, '--collection', 'notes', '{"id":"b"}')
    t.ok('sync', '--db', db, '--url', url, '--once')
    t.same(has(t, server, 'b'), True)
    one.signal(signal.SIGCONT)
    t.ok('put', '--db', db, '--collection', 'notes', '{"id":"c"}')
    wait_until(lambda: has(t, server, 'c'))


@test
def once_beside_one_that_cannot_reach_the_server_says_so_when_its_time_is_over(t):
    db, url, _ = setup(t)
    one = Replicator(t, db, 'http://127.0.0.1:1/notes/0')
    one.says('127.0.0.1')
    done = t.fails(1, 'another process replicates', 'sync', '--db', db, '--url',
                   'http://127.0.0.1:1/notes/0', '--once', '--timeout', '2')
    if 'not in sync: the time is over' not in done.err:
        raise Failure(done.err)


@test
def eight_threads_of_each_of_four_processes_count_to_a_hundred_thousand(t):
    db = t.path('count.db')
    workers = [Worker(t, 'count', db, '8', '3125') for _ in range(4)]
    for worker in workers:
        worker.begin()
    t.same(sum(worker.end() for worker in workers), 100000)
    t.same(t.ok('get', '--db', db, '--collection', 'notes', 'count'),
           b'{"id":"count","n":100000}\n')
    t.ok('check', '--db', db)


if __name__ == '__main__':
    main()
