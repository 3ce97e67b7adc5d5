#!/usr/bin/env python3
"""conflicts, history, and documents at the server by their path."""
import http.client
import json
import urllib.parse

from cli import main, test


def loser(t):
    """A database that lost two conflicts, about x and about y/1; its options."""
    _, base = t.serve()
    winner = ('--db', t.path('b.db'), '--collection', 'notes')

    def once(store):
        t.ok('sync', '--db', store[1], '--url', f'{base}/notes/0', '--once')

    for key in ('x', 'y/1'):
        t.ok('put', *t.notes, json.dumps({'id': key, 'n': 0, 'deep': {'a': 1, 'b': 1}}))
        once(t.notes)
        once(winner)
        t.ok('put', *winner, json.dumps({'id': key, 'n': 1, 'deep': {'a': 1, 'b': 1}}))
        t.ok('put', *t.notes, json.dumps({'id': key, 'n': 2, 'deep': {'a': 5, 'b': 1},
                                          'long': 'ä' * 200}, ensure_ascii=False))
        once(winner)
        once(t.notes)
    return ('--db', t.db)


@test
def show_prints_where_the_states_differ_and_nothing_else(t):
    db = loser(t)
    shown = t.ok('conflicts', *db, 'show', '1').decode()
    for block in ('/n\n    assumed  0\n    real     1\n    local    2\n    result   1\n',
                  '/deep/a\n    assumed  1\n    real     unchanged\n    local    5\n'
                  '    result   1\n',
                  '/long\n    assumed  -\n    real     -\n    local    "' + 'ä' * 149 + ' ...\n'):
        t.same(block in shown, True, f'{block!r} in {shown!r}')
    t.same(('/id' in shown, '/deep/b' in shown), (False, False))
    [_, assumed, real, local, result] = shown.splitlines()[:5]
    t.same([line.split()[:2] for line in (assumed, real, local)],
           [[name, 'written'] for name in ('assumed', 'real', 'local')])
    t.same(result, '    result   the real one')
    [entry] = t.lines('conflicts', *db, '--json', '--id', 'x')
    t.same(real.endswith(' by ' + entry['writer']), True)


@test
def what_others_wrote_does_not_steer_the_terminal(t):
    _, base = t.serve()
    key = 'a\x1b[2J\nb\x9bc'
    other = ('--db', t.path('b.db'), '--collection', 'notes')
    for n, store in enumerate((t.notes, other)):
        t.ok('put', *store, json.dumps({'id': key, f'm\x9b{n}': f'\x7f{n}'}, ensure_ascii=False))
    for store in (t.notes, other):
        t.ok('sync', '--db', store[1], '--url', f'{base}/notes/0', '--once')
    listed = t.ok('conflicts', *other[:2]).decode()
    t.same(' notes/a\\u001b[2J\\u000ab\\u009bc server-wins\n' in listed, True, listed)
    shown = t.ok('conflicts', *other[:2], 'show', '1').decode()
    t.same('/m\\u009b0\n    assumed  -\n    real     "\\u007f0"\n' in shown, True, shown)
    t.same([c for c in shown if c != '\n' and not c.isprintable()], [])


@test
def a_deletion_that_lost_is_shown_as_one(t):
    _, base = t.serve()
    other = ('--db', t.path('b.db'), '--collection', 'notes')
    for step in (('put', *t.notes, '{"id":"x"}'), 'a', 'b', ('put', *other, '{"id":"x","n":1}'),
                 ('delete', *t.notes, 'x'), 'b', 'a'):
        if isinstance(step, str):
            step = ('sync', '--db', t.path(f'{step}.db'), '--url', f'{base}/notes/0', '--once')
        t.ok(*step)
    shown = t.ok('conflicts', '--db', t.db, 'show', '1').decode()
    t.same('    local    deleted ' in shown, True, shown)
    t.same('(the whole document)' in shown or '/n\n' in shown, True, shown)


@test
def the_log_is_filtered_and_exported(t):
    db = loser(t)

    def numbers(*options):
        return [entry['number'] for entry in t.lines('conflicts', *db, '--json', *options)]

    t.same(numbers(), [1, 2])
    t.same(numbers('--collection', 'notes'), [1, 2])
    t.same(numbers('--id', 'x'), [1])
    t.same(numbers('--collection', 'notes', '--id', 'y/1'), [2])
    t.same(numbers('--keys', 'y/*'), [2])
    t.same(numbers('--rule', 'server-wins'), [1, 2])
    t.same(numbers('--rule', 'merge'), [])
    t.same(numbers('--after', '1'), [2])
    t.same(numbers('--days', '1'), [1, 2])
    t.same(numbers('--days', '0'), [])
    [entry] = t.lines('conflicts', *db, '--json', 'show', '2')
    t.same((entry['id'], entry['local']['n'], entry['real']['n'], entry['result']['n']),
           ('y/1', 2, 1, 1))
    t.fails(2, '', 'conflicts', *db, '--keys', 'y*')
    t.fails(1, 'other', 'conflicts', *db, '--collection', 'other')


@test
def history_prints_the_states_before_the_stored_one(t):
    t.ok('put', *t.notes, '{"id":"a","n":0}')
    t.fails(1, 'no earlier state', 'history', *t.notes, 'a')
    t.ok('history', *t.notes, '--keep', '2')
    revs = [t.ok('put', *t.notes, '{"id":"a","n":%d}' % n).decode().strip() for n in range(1, 4)]
    t.ok('delete', *t.notes, 'a')
    lines = t.lines('history', *t.notes, '--json', 'a')
    t.same([line['doc']['n'] for line in lines], [3, 2])
    t.same([line['rev'] for line in lines], [revs[2], revs[1]])
    t.same([line['deleted'] for line in lines], [False, False])
    t.same([line.split()[0] for line in t.ok('history', *t.notes, 'a').decode().splitlines()],
           [revs[2], revs[1]])
    t.ok('history', *t.notes, '--keep', '0')
    t.ok('put', *t.notes, '{"id":"a","n":9}')
    t.same([line['rev'] for line in t.lines('history', *t.notes, '--json', 'a')],
           [revs[2], revs[1]])
    t.fails(2, 'either', 'history', *t.notes)
    t.fails(2, 'either', 'history', *t.notes, 'a', '--keep', '1')
    t.fails(1, 'other', 'history', '--db', t.db, '--collection', 'other', '--keep', '1')


class Documents:
    """The documents of a server, by HTTP."""

    def __init__(self, base, collection):
        self.prefix = f'/_replica/1/doc/{collection}/0/'
        self.connection = http.client.HTTPConnection(base.split('//')[1], timeout=20)

    def ask(self, method, key, body=None, **conditions):
        headers = {name.replace('_', '-'): value for name, value in conditions.items()}
        self.connection.request(method, self.prefix + urllib.parse.quote(key, safe=''),
                                json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers['ETag'], json.loads(text) if text else None


@test
def documents_at_the_server_have_revisions_as_entity_tags(t):
    _, base = t.serve()
    notes = Documents(base, 'notes')
    key = '/client/älice/volume'

    status, first, _ = notes.ask('PUT', key, {'id': key, 'v': 1}, If_None_Match='*')
    t.same(status, 201)
    t.same(notes.ask('PUT', key, {'id': key, 'v': 2}, If_None_Match='*'),
           (412, first, {'error': 'revision', 'message': 'another revision is stored',
                         'rev': first.strip('"'), 'document': {'id': key, 'v': 1}}))
    t.same(notes.ask('GET', key), (200, first, {'id': key, 'v': 1}))
    t.same(notes.ask('GET', key, If_None_Match=first), (304, first, None))
    status, second, document = notes.ask('PATCH', key, {'v': 2}, If_Match=first)
    t.same((status, document), (200, {'id': key, 'v': 2}))
    t.same(notes.ask('DELETE', key, If_Match=first)[:2], (412, second))
    t.same(notes.ask('DELETE', key, If_Match=second), (204, None, None))
    t.same(notes.ask('GET', key)[0], 404)
    t.same(notes.ask('POST', key, {})[0], 405)


@test
def what_is_written_by_its_path_reaches_the_clients(t):
    _, base = t.serve()
    notes = Documents(base, 'notes')
    notes.ask('PUT', 'a', {'id': 'a', 'n': 1})
    sync = ('sync', '--db', t.db, '--url', f'{base}/notes/0', '--once')
    t.ok(*sync)
    t.same(t.lines('export', *t.notes), [{'id': 'a', 'n': 1}])
    t.ok('put', *t.notes, '{"id":"a","n":2}')
    t.ok(*sync)
    _, tag, document = notes.ask('GET', 'a')
    t.same(document, {'id': 'a', 'n': 2})
    t.same(notes.ask('PUT', 'a', {'id': 'a', 'n': 3}, If_Match=tag)[0], 200)
    t.ok(*sync)
    t.same(t.lines('export', *t.notes), [{'id': 'a', 'n': 3}])


if __name__ == '__main__':
    main()
