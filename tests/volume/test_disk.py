"""Disks that are full, broken or read-only, under a client and under a server: a clear error, no
checkpoint that moves, and all goes on when the cause is gone.  bad_disk.c makes the disk fail."""
import contextlib
import errno
import json
import os
import sqlite3
import subprocess

from cli import REPLICA, Failure, main, test

CLIENT = os.environ['CLIENT']
BAD_DISK = os.environ['BAD_DISK_LIBRARY']
COUNT = 20000


class Disk:
    """One that fails while it is told to."""

    def __init__(self, t, name):
        self.order = t.path(name)
        self.env = dict(os.environ, LD_PRELOAD=BAD_DISK, BAD_DISK=self.order)

    def fail(self, number, kinds):
        with open(self.order + '.new', 'w') as f:
            f.write(f'{number} {kinds}')
        os.rename(self.order + '.new', self.order)

    def mend(self):
        os.remove(self.order)


class Client:
    """A program that lives on: see client.c."""

    def __init__(self, t, url, disk=None):
        self.process = subprocess.Popen([CLIENT, 'live', t.db, f'{url}/notes/0'], cwd=t.folder,
                                        env=disk.env if disk else None, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        t.started.append(self.process)

    def say(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()

    def until(self, holds):
        """Read what it says, until that holds of a line; the line."""
        for said in self.process.stdout:
            said = json.loads(said)
            if holds(said):
                return said
        raise Failure(f'it ended: {self.process.stderr.read()!r}')

    def in_sync(self):
        self.until(lambda said: said.get('in_sync'))

    def fails_with(self, *names):
        return self.until(lambda said: said.get('error') in names)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def fill(t, db, first, count):
    path = t.path('fill.jsonl')
    with open(path, 'w') as f:
        f.writelines('{"id":"d%07d","name":"%s","n":0}\n' % (i, 'x' * 150)
                     for i in range(first, first + count))
    t.ok('import', '--db', t.path(db), '--collection', 'notes', path)


def row(t, db, sql):
    with contextlib.closing(sqlite3.connect(t.path(db))) as file:
        return file.execute(sql).fetchone()


def serve(t, disk):
    """A server on a disk that may fail."""
    process = subprocess.Popen([REPLICA, 'serve', '--db', t.path('server.db'), '--listen',
                                '127.0.0.1:0'], cwd=t.folder, env=disk.env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    t.started.append(process)
    process.stderr = open(os.devnull, 'rb')
    return process, process.stdout.readline().decode().split()[1]


def checkpoint_covers_what_is_there(t):
    """The server's numbers are those of its import, one by one: so many documents must be here."""
    checkpoint = row(t, 'a.db', 'SELECT checkpoint FROM feed')[0]
    count = row(t, 'a.db', 'SELECT count(*) FROM doc')[0]
    t.same(count, json.loads(checkpoint)['lwt'] if checkpoint else 0, 'documents and checkpoint')
    if not 0 < count < COUNT:
        raise Failure(f'{count} of {COUNT} documents: it did not fail in the middle')


def a_pull_stops(t, number, kinds, *names):
    disk = Disk(t, 'order')
    fill(t, 'server.db', 0, COUNT)
    _, url = t.serve()
    client = Client(t, url, disk)
    client.until(lambda said: said.get('pulled', 0) >= COUNT // 4)
    disk.fail(number, kinds)
    client.fails_with(*names)
    checkpoint_covers_what_is_there(t)
    disk.mend()
    client.say('now')
    client.in_sync()
    t.same(row(t, 'a.db', 'SELECT count(*) FROM doc')[0], COUNT)
    client.end()
    t.ok('check', '--db', t.db)


@test
def a_full_disk_stops_a_pull_and_no_more(t):
    a_pull_stops(t, errno.ENOSPC, 'w', 'REPLICA_EFULL')


@test
def a_disk_that_cannot_be_written_stops_a_pull_and_no_more(t):
    a_pull_stops(t, errno.EIO, 'w', 'REPLICA_EIO')


@test
def a_disk_that_cannot_be_read_stops_a_pull_and_no_more(t):
    a_pull_stops(t, errno.EIO, 'rw', 'REPLICA_EIO')


def a_push_stops(t, number, kinds, *names):
    disk = Disk(t, 'order')
    _, url = t.serve()
    fill(t, 'a.db', 0, COUNT)
    client = Client(t, url, disk)
    client.until(lambda said: said.get('pushed', 0) >= COUNT // 4)
    disk.fail(number, kinds)
    client.fails_with(*names)
    disk.mend()
    client.say('now')
    client.in_sync()
    # What was sent before, and whose verdict could not be written, was asked about.
    t.same(row(t, 'server.db', 'SELECT count(*), max(height) FROM doc'), (COUNT, 1))
    client.end()
    t.ok('check', '--db', t.db)


@test
def a_full_disk_stops_a_push_and_no_more(t):
    a_push_stops(t, errno.ENOSPC, 'w', 'REPLICA_EFULL')


@test
def a_disk_that_cannot_be_written_stops_a_push_and_no_more(t):
    a_push_stops(t, errno.EIO, 'w', 'REPLICA_EIO')


@test
def a_write_on_a_full_disk_fails_and_comes_through_when_there_is_room(t):
    disk = Disk(t, 'order')
    _, url = t.serve()
    client = Client(t, url, disk)
    client.in_sync()
    disk.fail(errno.ENOSPC, 'w')
    client.say('{"id":"a","n":1}')
    client.until(lambda said: said.get('put') == 'REPLICA_EFULL')
    disk.mend()
    t.same(t.run('get', *t.notes, 'a').code, 1)
    client.say('{"id":"a","n":2}')
    client.until(lambda said: said.get('put') == 'done')
    client.until(lambda said: said.get('in_sync') and said['pushed'] == 1)
    t.same(t.ok('get', '--db', t.path('server.db'), '--collection', 'notes', 'a'),
           b'{"id":"a","n":2}\n')
    client.end()


def a_server_stops(t, number, kinds):
    disk = Disk(t, 'order')
    _, url = serve(t, disk)
    fill(t, 'a.db', 0, COUNT)
    client = Client(t, url)
    client.until(lambda said: said.get('pushed', 0) >= COUNT // 4)
    disk.fail(number, kinds)
    t.same(client.fails_with('REPLICA_EHTTP')['detail'] in (500, 503), True)
    disk.mend()
    client.say('now')
    client.in_sync()
    t.same(row(t, 'server.db', 'SELECT count(*), max(height) FROM doc'), (COUNT, 1))
    t.same(t.lines('rejected', '--db', t.db), [])
    client.end()
    t.ok('check', '--db', t.path('server.db'))


@test
def a_server_whose_disk_is_full_takes_all_when_there_is_room(t):
    a_server_stops(t, errno.ENOSPC, 'w')


@test
def a_server_whose_disk_cannot_be_written_takes_all_when_it_can(t):
    a_server_stops(t, errno.EIO, 'w')


@test
def a_replica_on_a_read_only_disk_says_so(t):
    folder = t.path('mounted')
    os.mkdir(folder)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8m', 'none', folder],
                      stderr=subprocess.DEVNULL).returncode != 0:
        print('# only who may mount can try this', flush=True)
        return
    try:
        db = os.path.join(folder, 'a.db')
        _, url = t.serve()
        t.ok('put', '--db', db, '--collection', 'notes', '{"id":"a"}')
        subprocess.run(['mount', '-o', 'remount,ro', folder], check=True)
        for words in (('sync', '--db', db, '--url', f'{url}/notes/0', '--once'),
                      ('put', '--db', db, '--collection', 'notes', '{"id":"b"}')):
            done = t.run(*words)
            t.same((done.code != 0, 'read-only' in done.err), (True, True), done.err)
        subprocess.run(['mount', '-o', 'remount,rw', folder], check=True)
        t.ok('sync', '--db', db, '--url', f'{url}/notes/0', '--once')
    finally:
        subprocess.run(['umount', folder], check=True)


main()
