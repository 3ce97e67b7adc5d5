#!/usr/bin/env python3
"""Collections with a schema: put, import, sync, serve, ls; and purge."""
import json
import os
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'http'))
from serve import Client, main, test  # noqa: E402

HERO = {
    'version': 0,
    'primaryKey': 'id',
    'type': 'object',
    'properties': {
        'id': {'type': 'string', 'maxLength': 20},
        'age': {'type': 'integer', 'minimum': 0, 'maximum': 150},
        'rank': {'type': 'integer', 'default': 7},
    },
    'required': ['id', 'rank'],
}


def hero(t, **more):
    return t.path('hero.json', json.dumps({**HERO, **more}))


@test
def a_collection_that_is_created_with_a_schema_keeps_it(t):
    t.ok('put', *t.notes, '--schema', hero(t), '{"id":"a","age":5}')
    t.same(t.ok('get', *t.notes, 'a'), b'{"id":"a","age":5,"rank":7}\n')
    t.fails(7, '/age: maximum:', 'put', *t.notes, '{"id":"a","age":500}')
    t.fails(7, '/age: minimum:', 'patch', *t.notes, 'a', '{"age":-5}')
    t.same(t.ok('get', *t.notes, 'a'), b'{"id":"a","age":5,"rank":7}\n')
    t.same(t.lines('ls', '--db', t.db, '--json'),
           [{'collection': 'notes', 'key': 'id', 'version': 0, 'schema': True, 'documents': 1}])


@test
def another_schema_of_the_same_version_is_an_error(t):
    t.ok('put', *t.notes, '--schema', hero(t), '{"id":"a"}')
    t.ok('put', *t.notes, '--schema', t.path('same.json', json.dumps(HERO, indent=2)),
         '{"id":"b"}')
    t.fails(2, 'another schema', 'put', *t.notes, '--schema', hero(t, required=['id']),
            '{"id":"c"}')


@test
def an_import_names_file_line_and_path_and_imports_nothing(t):
    lines = t.path('heroes.jsonl', '{"id":"a"}\n{"id":"b","age":"old"}\n{"id":"c"}\n')
    done = t.fails(7, f'{lines}:2: /age: type:', 'import', *t.notes, '--schema', hero(t), lines)
    t.same('nothing was imported' in done.err, True)
    t.same(os.path.exists(t.db), False)
    t.ok('put', *t.notes, '--schema', hero(t), '{"id":"x"}')
    t.fails(7, f'{lines}:2: /age: type:', 'import', *t.notes, lines)
    t.same(t.ok('ls', *t.notes), b'x\n')


@test
def an_import_fills_in_composite_keys(t):
    schema = t.path('pair.json', json.dumps({
        'version': 0, 'primaryKey': {'key': 'id', 'fields': ['a', 'b'], 'separator': '|'},
        'type': 'object', 'required': ['id', 'a', 'b'], 'properties': {
            'id': {'type': 'string', 'maxLength': 99}, 'a': {'type': 'string'},
            'b': {'type': 'string'}}}))
    t.ok('import', *t.notes, '--schema', schema,
         t.path('pairs.jsonl', '{"a":"x","b":"y"}\n{"a":"x","b":"z"}\n'))
    t.same(t.ok('ls', *t.notes), b'x|y\nx|z\n')
    t.fails(6, '', 'import', *t.notes, t.path('pairs.jsonl', '{"a":"x","b":"y"}\n'))


@test
def a_server_refuses_the_rows_that_break_its_schema(t):
    client = Client(t.serve('server.db', '--schema', f'notes={hero(t)}')[1])
    rows = [{'newDocumentState': {'id': 'a', 'rank': 1, '_deleted': False}},
            {'newDocumentState': {'id': 'b', 'rank': 'high', '_deleted': False}},
            {'newDocumentState': {'id': 'c', 'rank': 3, '_deleted': False}}]
    answer = client.push('/notes/0/push', rows)
    t.same((answer.status, answer.json()), (200, [{'id': 'b', 'rank': 'high', '_deleted': True}]))
    page = client.get('/notes/0/pull?limit=10').json()
    t.same([d['id'] for d in page['documents']], ['a', 'c'])


@test
def a_server_with_a_schema_answers_at_its_version_only(t):
    client = Client(t.serve('server.db', '--schema', f'notes={hero(t, version=2)}')[1])
    t.same(client.get('/notes/2/pull?limit=10').status, 200)
    t.same(client.get('/notes/1/pull?limit=10').status, 426)


@test
def a_client_without_a_schema_finds_its_document_refused_with_the_reason(t):
    _, base = t.serve('server.db', '--schema', f'notes={hero(t)}')
    t.ok('put', *t.notes, '{"id":"good","rank":1}')
    t.ok('put', *t.notes, '{"id":"bad","rank":"high"}')
    t.fails(0, 'set aside: notes/bad', 'sync', '--db', t.db, '--url', f'{base}/notes/0', '--once')
    entry, = t.lines('rejected', '--db', t.db, '--json')
    t.same((entry['id'], entry['code']), ('bad', 422))
    t.same(entry['reason'].startswith('/rank: type:'), True)
    t.ok('put', *t.notes, '{"id":"bad","rank":2}')
    t.ok('sync', '--db', t.db, '--url', f'{base}/notes/0', '--once')
    t.same(t.lines('rejected', '--db', t.db, '--json'), [])


@test
def a_client_with_a_schema_sets_aside_what_breaks_it(t):
    _, base = t.serve('server.db')
    t.ok('put', *t.notes, '{"id":"bad","rank":"high"}')
    t.ok('put', *t.notes, '{"id":"good","rank":1}')
    t.ok('sync', '--db', t.db, '--url', f'{base}/notes/0', '--once')
    other = t.path('b.db')
    done = t.run('sync', '--db', other, '--url', f'{base}/notes/0', '--schema', hero(t), '--once')
    t.same((done.code, 'set aside: notes/bad' in done.err), (0, True), done.err)
    t.same(t.ok('ls', '--db', other, '--collection', 'notes'), b'good\n')
    entry, = t.lines('rejected', '--db', other, '--json')
    t.same(entry['id'], 'bad')
    t.ok('put', *t.notes, '{"id":"bad","rank":2}')
    t.ok('sync', '--db', t.db, '--url', f'{base}/notes/0', '--once')
    t.ok('sync', '--db', other, '--url', f'{base}/notes/0', '--once')
    t.same(t.lines('rejected', '--db', other, '--json'), [])


@test
def wrong_calls_are_said_to_be_wrong(t):
    t.fails(2, 'NAME=FILE', 'serve', '--db', t.db, '--listen', '127.0.0.1:0', '--schema', 'x')
    t.fails(2, '--key is too much', 'serve', '--db', t.db, '--listen', '127.0.0.1:0', '--key',
            'notes=id', '--schema', f'notes={hero(t)}')
    t.fails(7, 'bad.json', 'serve', '--db', t.db, '--listen', '127.0.0.1:0', '--schema',
            'notes=' + t.path('bad.json', '{'))
    t.fails(8, 'absent.json', 'put', *t.notes, '--schema', t.path('absent.json'), '{"id":"a"}')
    t.fails(2, 'version', 'sync', '--db', t.db, '--url', 'http://127.0.0.1:9/notes/1', '--once',
            '--schema', hero(t))


@test
def old_tombstones_are_forgotten(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    t.ok('delete', *t.notes, 'a')
    t.ok('put', *t.notes, '{"id":"z"}')
    t.same(t.ok('purge', '--db', t.db), b'0\n')
    t.same(t.ok('purge', *t.notes, '--older', '0'), b'1\n')
    t.same(len(t.ok('changes', *t.notes).splitlines()), 1)
    t.ok('check', '--db', t.db)
    t.fails(1, 'no collection', 'purge', '--db', t.db, '--collection', 'none', '--older', '0')


def purged(base):
    with urllib.request.urlopen(base + '/_replica/1/hello') as answer:
        return b'"purged":true' in answer.read()


@test
def a_file_that_serves_is_purged_too(t):
    server, base = t.serve('server.db')
    there = ('--db', t.path('server.db'), '--collection', 'notes')
    for doc in (b'{"id":"a"}', b'{"id":"z"}'):
        t.ok('put', *there, stdin=doc)
    t.ok('delete', *there, 'a')
    t.ok('put', *there, stdin=b'{"id":"z","n":2}')
    t.same(t.ok('purge', '--db', t.path('server.db'), '--older', '0'), b'1\n')
    t.same(purged(base), True)
    t.stop(server)


@test
def a_server_purges_by_itself(t):
    there = ('--db', t.path('server.db'), '--collection', 'notes')
    for doc in (b'{"id":"a"}', b'{"id":"z"}'):
        t.ok('put', *there, stdin=doc)
    t.ok('delete', *there, 'a')
    t.ok('put', *there, stdin=b'{"id":"z","n":2}')
    server, base = t.serve('server.db', '--purge-before', '0s')
    end = time.monotonic() + 20
    while not purged(base):
        assert time.monotonic() < end
    t.stop(server)
    t.same(len(t.ok('changes', *there).splitlines()), 1)
    for age in ('30', 'd', '1w', '-1d', '1d ', '12345678d', ''):
        t.fails(2, '--purge-before', 'serve', '--db', t.path('server.db'), '--listen', '127.0.0.1:0',
                '--purge-before', age)


main()
