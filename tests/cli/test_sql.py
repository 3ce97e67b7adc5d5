#!/usr/bin/env python3
"""sql: what one statement that reads says of the collections."""
from cli import main, test


@test
def each_row_is_an_object(t):
    t.ok('put', *t.notes, '{"id":"a","n":9007199254740993,"tags":["x","y"]}')
    t.ok('put', *t.notes, '{"id":"b","n":0.5}')
    t.same(t.ok('sql', '--db', t.db, "SELECT id, field(doc, 'n') AS n FROM notes ORDER BY id"),
           b'{"id":"a","n":9007199254740993}\n{"id":"b","n":0.5}\n')
    t.same(t.lines('sql', '--db', t.db, 'SELECT count(*) AS n, max(seq) AS seq FROM notes'),
           [{'n': 2, 'seq': 2}])
    t.same(t.lines('sql', '--db', t.db, "SELECT doc, rev FROM notes WHERE id = 'b'"),
           [{'doc': '{"id":"b","n":0.5}', 'rev': t.ok('get', *t.notes, '--rev', 'b').decode()[:-1]}])


@test
def values_are_json(t):
    t.ok('put', *t.notes, '{"id":"a","text":"x\\"\\u0000\\n"}')
    t.same(t.lines('sql', '--db', t.db,
                   "SELECT NULL AS a, 1e999 AS b, x'00ff' AS c, 1.0 AS d, CAST(x'ff' AS TEXT) AS e,"
                   " field(doc, 'text') AS f, 1 AS g, 2 AS g FROM notes"),
           [{'a': None, 'b': None, 'c': '00ff', 'd': 1.0, 'e': 'ff', 'f': 'x"\0\n', 'g': 1,
             'g:1': 2}])


@test
def parameters_and_standard_input(t):
    t.ok('put', *t.notes, '{"id":"a","n":1}')
    t.ok('put', *t.notes, '{"id":"b","n":2}')
    t.same(t.ok('sql', '--db', t.db, '--param', '2', '--param', '"b"', '-',
                stdin=b"SELECT id FROM notes WHERE field(doc, 'n') = ?1 AND id = ?2"),
           b'{"id":"b"}\n')
    t.fails(2, 'parameter', 'sql', '--db', t.db, 'SELECT ?1')
    t.fails(7, 'parameter 1', 'sql', '--db', t.db, '--param', '{', 'SELECT ?1')


@test
def a_name_with_a_dash_is_quoted(t):
    t.ok('put', '--db', t.db, '--collection', 'my-notes', '{"id":"a"}')
    t.same(t.ok('sql', '--db', t.db, 'SELECT id FROM "my-notes"'), b'{"id":"a"}\n')


@test
def what_would_write_is_refused_and_changes_nothing(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    for statement in ('DELETE FROM notes', "UPDATE main.doc SET body = '{}'", 'DROP TABLE doc',
                      "ATTACH 'x.db' AS x", 'PRAGMA user_version = 1', 'BEGIN', 'VACUUM',
                      'SELECT 1; SELECT 2', 'nonsense', '', 'SELECT * FROM main.doc'):
        t.fails(2, 'replica sql: ', 'sql', '--db', t.db, statement)
    t.same(t.ok('get', *t.notes, 'a'), b'{"id":"a"}\n')
    t.same(t.ok('check', '--db', t.db), b'')


if __name__ == '__main__':
    main()
