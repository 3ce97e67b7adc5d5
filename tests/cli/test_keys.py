#!/usr/bin/env python3
"""--keys: documents by patterns over their keys."""
import json

from cli import main, test

KEYS = ['/client/bob/volume', '/client/alice/volume', '/client/alice/mute', '/client/alice',
        '/client/al!/volume', '/client/a.c/volume', '/clients/x/volume', '/client/bob/mix/volume']


def fill(t):
    lines = [json.dumps({'id': key, 'n': len(key), 'volume': key.endswith('volume')}) for key in KEYS]
    t.ok('import', *t.notes, '-', stdin='\n'.join(lines).encode())


def ids(t, pattern, *args):
    return [doc['id'] for doc in t.lines('find', *t.notes, '--keys', pattern, *args)]


@test
def find_prints_what_matches_in_key_order(t):
    fill(t)
    t.same(ids(t, '/client/*/volume'),
           ['/client/a.c/volume', '/client/al!/volume', '/client/alice/volume', '/client/bob/volume'])
    t.same(ids(t, '/client/alice/**'),
           ['/client/alice', '/client/alice/mute', '/client/alice/volume'])
    t.same(ids(t, '/client/alice'), ['/client/alice'])
    t.same(t.ok('find', *t.notes, '--keys', '**/volume', '--count'), b'6\n')
    t.same(ids(t, 'nobody/**'), [])


@test
def a_query_asks_among_what_matches(t):
    fill(t)
    for pattern in ['/client/*/volume', '/client/**', '**/volume', '**/mix/**', '/client/**/volume',
                    '/client/alice', '*', '**', '/client/a.c/*', '**/**', '/client/*/**/volume',
                    '/**/volume/**']:
        every = ids(t, pattern)
        t.same(ids(t, pattern, '{}'), every, pattern)
        t.same(ids(t, pattern, '{"sort":[{"id":"desc"}],"skip":1,"limit":2}'), every[::-1][1:3], pattern)
        t.same(t.ok('find', *t.notes, '--keys', pattern, '--count', '{"selector":{"volume":true}}'),
               b'%d\n' % sum(key.endswith('volume') for key in every), pattern)
    t.same(ids(t, '/client/**', '{"selector":{"n":{"$lt":19}},"fields":["id"]}'),
           ['/client/a.c/volume', '/client/al!/volume', '/client/alice', '/client/alice/mute',
            '/client/bob/volume'])
    plan = t.ok('find', *t.notes, '--keys', '/client/alice/**', '--explain', '{}')
    t.same(b'every document' in plan, False, plan)


@test
def what_is_wrong_is_said(t):
    fill(t)
    t.fails(2, 'a star stands alone', 'find', *t.notes, '--keys', '/a*')
    t.fails(2, 'there is no query', 'find', *t.notes)
    t.fails(2, 'either an ID', 'delete', *t.notes, '--keys', '/client/**', '/client/alice')
    t.fails(2, 'either an ID', 'delete', *t.notes)
    t.fails(2, '--keys comes with', 'ls', '--db', t.notes[1], '--keys', '**')
    t.fails(2, 'selector', 'find', *t.notes, '--keys', '**', '{"selector":7}')


@test
def ls_and_delete_take_patterns(t):
    fill(t)
    t.same(t.ok('ls', *t.notes, '--keys', '/client/alice/*'),
           b'/client/alice/mute\n/client/alice/volume\n')
    t.same(t.ok('delete', *t.notes, '--keys', '/client/alice/*'), b'2\n')
    t.same(t.ok('ls', *t.notes, '--keys', '/client/alice/**'), b'/client/alice\n')
    t.same(t.run('delete', *t.notes, '--keys', '/client/alice/*').code, 1)


@test
def watch_prints_what_is_there_and_then_what_changes(t):
    fill(t)
    watching = t.start('watch', *t.notes, '--keys', '/client/alice/*', '--count', '4')
    there = [json.loads(watching.stdout.readline()) for _ in range(2)]
    t.same([change['id'] for change in there], ['/client/alice/mute', '/client/alice/volume'])
    t.ok('put', *t.notes, '{"id":"/client/bob/mute"}')
    t.ok('put', *t.notes, '{"id":"/client/alice/mute","on":true}')
    t.ok('delete', *t.notes, '/client/alice/volume')
    changes = [json.loads(watching.stdout.readline()) for _ in range(2)]
    t.same([change['id'] for change in changes], ['/client/alice/mute', '/client/alice/volume'])
    t.same(watching.wait(10), 0)


@test
def sync_exchanges_what_matches_and_begins_anew_with_another_pattern(t):
    fill(t)
    _, base = t.serve('server.db')
    there = ['--db', t.path('there.db'), '--collection', 'notes']

    def sync(where, *args):
        t.ok('sync', '--db', where[1], '--url', f'{base}/notes/0', '--once', *args)

    sync(t.notes)
    t.ok('put', *there, '{"id":"/client/carol/volume"}')
    t.ok('put', *there, '{"id":"/client/carol/mute"}')
    sync(there, '--keys', '/client/*/volume')
    t.same(t.ok('ls', *there).split(),
           [b'/client/a.c/volume', b'/client/al!/volume', b'/client/alice/volume',
            b'/client/bob/volume', b'/client/carol/mute', b'/client/carol/volume'])
    sync(t.notes)
    t.same(t.ok('ls', *t.notes, '--keys', '/client/carol/*'), b'/client/carol/volume\n')
    sync(there, '--keys', '/client/*/*')
    sync(t.notes)
    t.same(t.ok('ls', *t.notes, '--keys', '/client/carol/*'),
           b'/client/carol/mute\n/client/carol/volume\n')
    t.same(t.ok('ls', *there, '--keys', '/client/alice/*'),
           b'/client/alice/mute\n/client/alice/volume\n')
    sync(there)
    t.same(t.ok('ls', *there), t.ok('ls', *t.notes))
    t.fails(2, 'no pattern', 'sync', '--db', there[1], '--url', f'{base}/notes/0', '--once',
            '--keys', 'a*')


@test
def from_a_server_that_knows_no_patterns_only_what_matches_is_kept(t):
    fill(t)
    _, base = t.serve('server.db')
    there = ['--db', t.path('there.db'), '--collection', 'notes']
    t.ok('sync', '--db', t.notes[1], '--url', f'{base}/notes/0', '--once')
    t.ok('put', *there, '{"id":"/client/carol/mute"}')
    for _ in range(2):
        t.ok('sync', '--db', there[1], '--url', f'{base}/notes/0', '--once', '--dialect', 'rxdb',
             '--keys', '/client/*/volume')
        t.same(t.ok('ls', *there).split(),
               [b'/client/a.c/volume', b'/client/al!/volume', b'/client/alice/volume',
                b'/client/bob/volume', b'/client/carol/mute'])
    t.ok('sync', '--db', t.notes[1], '--url', f'{base}/notes/0', '--once')
    t.same(t.ok('ls', *t.notes, '--keys', '/client/carol/*'), b'')


@test
def a_live_replication_gets_the_changes_that_match(t):
    _, base = t.serve('server.db')
    there = ['--db', t.path('there.db'), '--collection', 'notes']
    t.ok('put', *there, '{"id":"/own"}')
    t.start('sync', '--db', there[1], '--url', f'{base}/notes/0', '--live', '--keys', '/client/*/volume')
    watching = t.start('watch', *there, '--since', '1', '--count', '3')
    for name in 'abc':
        for what in 'mute', 'volume':
            t.ok('put', *t.notes, json.dumps({'id': f'/client/{name}/{what}'}))
        t.ok('sync', '--db', t.notes[1], '--url', f'{base}/notes/0', '--once')
        t.same(json.loads(watching.stdout.readline())['id'], f'/client/{name}/volume')
    t.same(watching.wait(10), 0)


if __name__ == '__main__':
    main()
