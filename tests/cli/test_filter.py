#!/usr/bin/env python3
"""sync --filter: a part of a collection, through edits, other filters and kills."""
import json
import os
import random
import subprocess

from cli import REPLICA, main, test


def ids(t, db):
    """What is in a database: key and text of each document."""
    lines = t.ok('export', '--db', db, '--collection', 'notes').splitlines()
    return {json.loads(line)['id']: json.loads(line) for line in lines}


@test
def only_what_matches_comes_and_goes(t):
    _, base = t.serve('server.db')
    url = f'{base}/notes/0'
    all_of_it, part = t.path('all.db'), t.path('part.db')
    t.ok('put', '--db', all_of_it, '--collection', 'notes', '{"id":"a","owner":"alice"}')
    t.ok('put', '--db', all_of_it, '--collection', 'notes', '{"id":"b","owner":"bob"}')
    t.ok('sync', '--db', all_of_it, '--url', url, '--once')
    t.ok('put', '--db', part, '--collection', 'notes', '{"id":"c","owner":"alice"}')
    t.ok('put', '--db', part, '--collection', 'notes', '{"id":"d","owner":"bob"}')
    alice = t.path('alice.json', '{"owner":"alice"}')
    t.ok('sync', '--db', part, '--url', url, '--once', '--filter', f'@{alice}')
    t.same(sorted(ids(t, part)), ['a', 'c', 'd'])
    t.ok('sync', '--db', all_of_it, '--url', url, '--once')
    t.same(sorted(ids(t, all_of_it)), ['a', 'b', 'c'])


@test
def what_is_edited_outside_is_sent_and_leaves(t):
    _, base = t.serve('server.db')
    url = f'{base}/notes/0'
    sync = ('sync', '--db', t.db, '--url', url, '--once', '--filter', '{"open":true}')
    t.ok('put', *t.notes, '{"id":"a","open":true}')
    t.ok(*sync)
    t.ok('put', *t.notes, '{"id":"a","open":false}')
    t.ok(*sync)
    t.same(ids(t, t.db), {})
    other = t.path('b.db')
    t.ok('sync', '--db', other, '--url', url, '--once')
    t.same(ids(t, other), {'a': {'id': 'a', 'open': False}})


@test
def what_is_no_selector_is_a_mistake_of_the_caller(t):
    sync = ('sync', '--db', t.db, '--url', 'http://127.0.0.1:9/notes/0', '--once', '--filter')
    for wrong in ('{', '[]', '{"a":{"$x":1}}', '', '@none.json'):
        result = t.run(*sync, wrong)
        t.same(result.code, 8 if wrong[:1] == '@' else 2, wrong)
        assert result.err
    result = t.run(*sync, json.dumps({'a': '!' * 4000}))
    t.same(result.code, 2)
    assert '4096' in result.err, result.err


def match(doc, filter):
    """As the server and the client have it; by brute force."""
    if filter is None:
        return True
    (field, test_), = filter.items()
    value = doc.get(field)
    if '$lt' in test_:
        return value is not None and value < test_['$lt']
    if '$in' in test_:
        return value in test_['$in']
    return value == test_['$eq']


FILTERS = [None, {'n': {'$lt': 5}}, {'n': {'$lt': 8}}, {'g': {'$in': ['x', 'y']}},
           {'g': {'$eq': 'z'}}]


def kill_on_the_way(t, args, delay):
    process = subprocess.Popen([REPLICA, *args], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def live_at_random(t, *options):
    seed = int(os.environ.get('SEED', '20251122'))
    r = random.Random(seed)
    _, base = t.serve('server.db')
    url = f'{base}/notes/0'
    all_of_it, part = t.path('all.db'), t.path('part.db')
    sync_all = ('sync', '--db', all_of_it, '--url', url, '--once')

    def edit(db, keys):
        lines = ''.join(json.dumps({'id': k, 'n': r.randrange(10), 'g': r.choice('xyz')}) + '\n'
                        for k in keys)
        t.ok('import', '--upsert', '--db', db, '--collection', 'notes',
             t.path('edits.jsonl', lines))

    edit(all_of_it, [f'k{i:03}' for i in range(60)])
    edit(part, ['p0'])
    t.ok(*sync_all)
    for turn in range(12):
        filter = r.choice(FILTERS)
        sync_part = ['sync', '--db', part, '--url', url, '--once', *options]
        if filter:
            sync_part += ['--filter', json.dumps(filter)]
        edit(all_of_it, r.sample([f'k{i:03}' for i in range(70)], 15))
        mine = r.sample([f'm{i}' for i in range(8)], 3)  # of this one only: no conflicts
        edit(part, mine)
        t.ok(*sync_all)
        if r.random() < 0.5:
            kill_on_the_way(t, sync_part, r.random() * 0.1)
        t.ok(*sync_part)
        t.ok(*sync_all)
        there = ids(t, all_of_it)
        here = ids(t, part)
        inside = {k: d for k, d in there.items() if match(d, filter)}
        kept = {k: d for k, d in here.items() if match(d, filter)}
        assert kept == inside, (seed, turn, filter, sorted(set(kept) ^ set(inside)))
        for k, d in here.items():  # outside is only what was written here and never sent
            assert match(d, filter) or k[0] in 'mp', (seed, turn, filter, k)


@test
def random_edits_filters_and_kills_leave_what_brute_force_says(t):
    live_at_random(t)


@test
def so_they_do_with_a_server_that_knows_no_filters(t):
    live_at_random(t, '--dialect', 'rxdb')


main()
