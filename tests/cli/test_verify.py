#!/usr/bin/env python3
"""verify: a replica that was written to with sqlite, compared with its server."""
import json
import sqlite3

from cli import main, test


def pair(t, n=20):
    """A server and a replica in sync, with n documents; and the arguments of verify."""
    _, base = t.serve('server.db')
    lines = ''.join(json.dumps({'id': f'n{i:02}', 'v': i}) + '\n' for i in range(n))
    t.ok('import', *t.notes, t.path('in.jsonl', lines))
    url = f'{base}/notes/0'
    t.ok('sync', '--db', t.db, '--url', url, '--once')
    return url, ('verify', *t.notes, '--url', url)


def corrupt(t, *statements):
    db = sqlite3.connect(t.db)
    for sql in statements:
        db.execute(sql)
    db.commit()
    db.close()


@test
def where_nothing_differs_it_says_nothing(t):
    _, verify = pair(t)
    t.same(t.ok(*verify), b'')
    t.same(json.loads(t.ok(*verify, '--json')),
           {'compared': 20, 'different': 0, 'missing_here': 0, 'missing_there': 0, 'state': 0,
            'pending': 0, 'repaired': 0})


@test
def each_difference_is_found_and_repaired(t):
    _, verify = pair(t)
    corrupt(t, "UPDATE doc SET body = replace(body, '7', '8') WHERE id = 'n07'",
            "DELETE FROM doc WHERE id = 'n03'",
            "UPDATE state SET server_seq = 1000000 WHERE doc = (SELECT number FROM doc"
            " WHERE id = 'n11')",
            "UPDATE doc SET id = 'stray', body = '{\"id\":\"stray\"}' WHERE id = 'n05'")
    found = [b'different: notes/n07', b'missing here: notes/n03', b'missing here: notes/n05',
             b'missing there: notes/stray', b'state: notes/n11']
    result = t.run(*verify)
    t.same((result.code, sorted(result.out.splitlines())), (1, found))
    result = t.run(*verify, '--repair', '--json')
    lines = [json.loads(line) for line in result.out.splitlines()]
    t.same(result.code, 1)
    t.same(sorted(line['id'] for line in lines[:-1]), ['n03', 'n05', 'n07', 'n11', 'stray'])
    t.same(lines[-1]['repaired'], 5)
    t.same(t.ok(*verify), b'')
    t.same(t.ok('get', *t.notes, 'n07'), b'{"id": "n07", "v": 7}\n')
    log = [json.loads(line) for line in t.ok('conflicts', '--db', t.db, '--json').splitlines()]
    t.same(sorted((e['id'], e['rule']) for e in log), [('n07', 'verify'), ('stray', 'verify')])
    t.ok('check', '--db', t.db)


@test
def with_the_other_policy_what_is_here_is_sent(t):
    url, verify = pair(t)
    corrupt(t, "UPDATE doc SET body = '{\"id\":\"n07\",\"v\":\"here\"}' WHERE id = 'n07'")
    t.same(t.run(*verify, '--repair', '--policy', 'client-wins').code, 1)
    t.same(t.ok(*verify), b'')
    other = t.path('b.db')
    t.ok('sync', '--db', other, '--url', url, '--once')
    t.same(t.ok('get', '--db', other, '--collection', 'notes', 'n07'),
           b'{"id":"n07","v":"here"}\n')


@test
def what_is_to_be_sent_does_not_count_and_stays(t):
    url, verify = pair(t)
    t.ok('put', *t.notes, '{"id":"n01","v":"mine"}')
    t.ok('put', *t.notes, '{"id":"new"}')
    t.same(t.ok(*verify), b'')
    t.same(t.ok('get', *t.notes, 'n01'), b'{"id":"n01","v":"mine"}\n')
    t.ok('sync', '--db', t.db, '--url', url, '--once')
    t.same(t.ok(*verify), b'')


@test
def a_part_is_compared_as_it_is_replicated(t):
    url, _ = pair(t)
    part = t.path('part.db')
    t.ok('sync', '--db', part, '--url', url, '--once', '--filter', '{"v":{"$lt":5}}')
    summary = json.loads(t.ok('verify', '--db', part, '--collection', 'notes', '--url', url,
                              '--json'))
    t.same(summary['compared'], 5)
    t.same(len(t.ok('export', '--db', part, '--collection', 'notes').splitlines()), 5)


@test
def what_cannot_be_compared_is_told_by_the_exit_code(t):
    url, verify = pair(t, 3)
    t.same(t.run('verify', '--db', t.db, '--collection', 'notes', '--url',
                 url.replace('notes', 'other')).code, 2)
    t.same(t.run(*verify, '--repair', '--policy', 'mine').code, 2)
    t.fails(2, 'with --repair only', *verify, '--policy', 'server-wins')
    t.ok('put', '--db', t.db, '--collection', 'loose', '{"id":"a"}')
    t.same(t.run('verify', '--db', t.db, '--collection', 'loose', '--url',
                 url.replace('notes', 'loose')).code, 2)
    t.same(t.run('verify', '--db', t.path('none.db'), '--collection', 'notes', '--url', url).code,
           8)
    server = t.servers[-1] if hasattr(t, 'servers') else None
    if server:
        server.terminate()


@test
def a_server_that_is_not_reached_ends_it_at_once(t):
    server, base = t.serve('server.db')
    notes = (*t.notes, '--url', f'{base}/notes/0')
    t.ok('put', *t.notes, '{"id":"a"}')
    t.ok('sync', *notes, '--once')
    t.stop(server)
    t.fails(3, 'not verified: the server is not reached', 'verify', *notes)
    t.fails(3, 'not verified: the time is over', 'verify', *notes, '--timeout', '1')


main()
