"""Very many documents between the real server and a program: $CLIENT, see client.c."""
import contextlib
import json
import os
import random
import sqlite3
import subprocess

import cli
from cli import Failure, main, test

CLIENT = os.environ['CLIENT']
BAD_DISK = os.environ['BAD_DISK_LIBRARY']
COUNT = int(os.environ.get('REPLICA_VOLUME', '50000'))
MB = 1 << 20
MOST = 64 * MB  # of memory, of either side
cli.TIMEOUT = cli.RUN_TIMEOUT = max(120, COUNT // 200)


def text(i):
    return '{"id":"d%07d","name":"%s","n":0}\n' % (i, 'x' * (100 + i % 100))


def fill(t, db, count):
    path = t.path('fill.jsonl')
    with open(path, 'w') as f:
        f.writelines(text(i) for i in range(count))
    t.ok('import', '--db', t.path(db), '--collection', 'notes', path)
    os.remove(path)


def peak(pid):
    """The most memory that a running process has had."""
    with open(f'/proc/{pid}/status') as f:
        for line in f:
            if line.startswith('VmHWM'):
                return int(line.split()[1]) * 1024
    raise Failure(f'no VmHWM of {pid}')


def client(t, *args, slow_us=0):
    """It runs; its memory is counted here, and everything that it says is read as it comes."""
    env = dict(os.environ)
    if slow_us:
        env.update(LD_PRELOAD=BAD_DISK, SLOW_DISK_US=str(slow_us))
    process = subprocess.Popen([CLIENT, *map(str, args)], cwd=t.folder, env=env,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t.started.append(process)
    return process


def run(t, *args, slow_us=0, line=None):
    """To its end; its most memory."""
    process = client(t, *args, slow_us=slow_us)
    for said in process.stdout:
        if line:
            line(json.loads(said), process)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failure(f'{args}: {process.returncode}, {process.stderr.read()!r}')
    return usage.ru_maxrss * 1024


def live(t, db):
    return row(t, db, 'SELECT count(*) FROM doc WHERE flags & 1 = 0')[0]


def row(t, db, sql):
    with contextlib.closing(sqlite3.connect(t.path(db))) as file:
        return file.execute(sql).fetchone()


def bounded(what, size, most=MOST):
    print(f'# {what}: {size / MB:.1f} MB', flush=True)
    if size > most:
        raise Failure(f'{what} had {size / MB:.1f} MB, more than {most / MB:.0f}')


@test
def a_first_pull_over_a_slow_disk_stays_small_and_says_how_far_it_is(t):
    fill(t, 'server.db', COUNT)
    server, url = t.serve()
    seen = []

    def told(status, process):
        if status['pulled'] and status['pull_remaining'] >= 0:
            seen.append(status['pulled'] + status['pull_remaining'])

    size = run(t, 'sync', t.db, f'{url}/notes/0', slow_us=300, line=told)
    t.same(live(t, 'a.db'), COUNT)
    if len(seen) < COUNT // 1000 // 2:
        raise Failure(f'only {len(seen)} statuses')
    wrong = [total for total in seen if abs(total - COUNT) > COUNT / 100]
    t.same(wrong, [], 'totals that are off by more than 1 %')
    bounded('the client', size)
    bounded('the server', peak(server.pid))


@test
def a_pull_that_is_killed_goes_on_where_it_was(t):
    fill(t, 'server.db', COUNT)
    server, url = t.serve()
    dice = random.Random(1)
    pulled = kills = 0

    def count(process, until):
        """How many it pulled until it was killed there, or ended."""
        last = 0
        for said in process.stdout:
            last = json.loads(said)['pulled']
            if until and last >= until:
                process.kill()
                break
        process.wait()
        return last

    while True:
        until = dice.randrange(1, COUNT // 4) if kills < 8 else 0
        process = client(t, 'sync', t.db, f'{url}/notes/0')
        pulled += count(process, until)
        if process.returncode == 0:
            break
        kills += 1
    t.same(live(t, 'a.db'), COUNT)
    # What was told and then was not committed, or committed and not told, is a page each time.
    if abs(pulled - COUNT) > kills * 2000:
        raise Failure(f'{pulled} documents pulled with {kills} kills')


@test
def a_new_client_hears_of_no_deletion_before_its_time(t):
    fill(t, 'server.db', COUNT)
    run(t, 'delete', t.path('server.db'), 100, COUNT)
    server, url = t.serve()
    last = {}
    run(t, 'sync', t.db, f'{url}/notes/0', line=lambda status, process: last.update(status))
    t.same(live(t, 'a.db'), 100)
    t.same(last['pulled'], 100)
    if last['bytes_down'] > 100_000:
        raise Failure(f'{last["bytes_down"]} bytes for 100 documents')


@test
def edits_of_a_long_time_offline_go_out_once_each(t):
    documents = max(COUNT // 5, 10)
    edits = COUNT * 2
    fill(t, 'server.db', documents)
    server, url = t.serve()
    run(t, 'sync', t.db, f'{url}/notes/0')
    run(t, 'edit', t.db, 0, documents, edits)
    last = {}
    kills = 0

    def told(status, process):
        nonlocal kills
        last.update(status)
        if kills < 1 and status['pushed'] > documents // 2:
            kills += 1
            process.kill()

    try:
        size = run(t, 'sync', t.db, f'{url}/notes/0', line=told)
        raise Failure('it was not killed')
    except Failure:
        if kills == 0:
            raise
    size = run(t, 'sync', t.db, f'{url}/notes/0', line=told)
    t.same((last['push_remaining'], last['in_sync']), (0, 1))
    each = edits // documents
    # Once by the import, and once for all the edits.
    t.same(row(t, 'server.db', 'SELECT count(*), max(height) FROM doc'
                               f""" WHERE body LIKE '%"n":{each}}}'"""), (documents, 2))
    bounded('the client', size)
    bounded('the server', peak(server.pid))


main()
