#!/usr/bin/env python3
"""ls, changes, watch, status, check: what a database says about itself."""
import json
import signal
import sqlite3

from cli import main, test


@test
def collections_are_listed_with_their_number_of_documents(t):
    t.ok('put', *t.notes, '{"id":"b"}')
    t.ok('put', *t.notes, '{"id":"a"}')
    t.ok('put', '--db', t.db, '--collection', 'Codes', '--key', 'code', '{"code":"x"}')
    t.same(t.ok('ls', '--db', t.db), b'Codes\t1\nnotes\t2\n')
    t.same(t.lines('ls', '--db', t.db, '--json'),
           [{'collection': 'Codes', 'key': 'code', 'version': 0, 'documents': 1},
            {'collection': 'notes', 'key': 'id', 'version': 0, 'documents': 2}])
    t.same(t.ok('ls', *t.notes), b'a\nb\n')
    t.same(t.lines('ls', *t.notes, '--json'), ['a', 'b'])


@test
def the_change_feed_has_each_document_once_in_the_order_of_writes(t):
    for text in ('{"id":"a"}', '{"id":"b"}', '{"id":"a","n":2}'):
        t.ok('put', *t.notes, text)
    t.ok('delete', *t.notes, 'b')
    changes = t.lines('changes', *t.notes)
    t.same([(c['id'], c['deleted'], c['rev'].split('-')[0]) for c in changes],
           [('a', False, '2'), ('b', True, '2')])
    t.same(changes[0]['seq'] < changes[1]['seq'], True)
    t.same(t.lines('changes', *t.notes, '--since', str(changes[0]['seq'])), changes[1:])
    t.same(t.lines('changes', *t.notes, '--limit', '1'), changes[:1])
    docs = t.lines('changes', *t.notes, '--docs')
    t.same([c['doc'] for c in docs], [{'id': 'a', 'n': 2}, None])


@test
def watch_prints_what_another_process_writes(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    watch = t.start('watch', *t.notes, '--since', '0', '--docs')
    t.same(json.loads(watch.stdout.readline())['id'], 'a')
    t.ok('put', *t.notes, '{"id":"b","n":7}')
    t.same(json.loads(watch.stdout.readline())['doc'], {'id': 'b', 'n': 7})
    t.ok('delete', *t.notes, 'a')
    change = json.loads(watch.stdout.readline())
    t.same((change['id'], change['deleted'], change['doc']), ('a', True, None))
    done = t.stop(watch, signal.SIGINT)
    t.same((done.code, done.out, done.err), (0, b'', ''))


@test
def watch_ends_after_the_number_that_was_asked_for(t):
    for key in 'abc':
        t.ok('put', *t.notes, '{"id":"%s"}' % key)
    t.same([c['id'] for c in t.lines('watch', *t.notes, '--since', '0', '--count', '2')],
           ['a', 'b'])


@test
def the_status_counts(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    t.ok('put', *t.notes, '{"id":"a","n":1}')
    [status] = t.lines('status', '--db', t.db, '--json')
    t.same((status['documents'], status['conflicts'], status['rejected']), (1, 0, 0))
    t.same(status['collections'],
           [{'collection': 'notes', 'key': 'id', 'version': 0, 'documents': 1}])
    t.same(status['sequence'], t.lines('changes', *t.notes)[0]['seq'])
    t.same(b'notes' in t.ok('status', '--db', t.db), True)


@test
def empty_lists_are_empty(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    for command in ('conflicts', 'rejected'):
        t.same(t.ok(command, '--db', t.db), b'')
        t.same(t.ok(command, '--db', t.db, 'list', '--json'), b'')
    for command in (('conflicts', 'show'), ('conflicts', 'restore'), ('rejected', 'retry'),
                    ('rejected', 'discard')):
        t.fails(1, 'no entry 9', command[0], '--db', t.db, command[1], '9')


@test
def a_sound_database_has_no_findings(t):
    t.ok('import', *t.notes, '-', stdin=b''.join(b'{"id":"%d"}\n' % n for n in range(100)))
    t.ok('delete', *t.notes, '7')
    t.same(t.ok('check', '--db', t.db), b'')


@test
def a_damaged_text_is_a_finding(t):
    t.ok('import', *t.notes, '-', stdin=b'{"id":"a","t":"unlike-any-other"}\n{"id":"b"}\n')
    with sqlite3.connect(t.db) as db:
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    db.close()
    with open(t.db, 'rb') as f:
        content = f.read()
    t.same(content.count(b'unlike-any-other'), 1)
    t.path('a.db', content.replace(b'"unlike-any-other"', b'unlike-any-other""'))
    done = t.run('check', '--db', t.db)
    t.same((done.code, b'a' in done.out), (1, True), done.err)
    t.same(json.loads(t.run('check', '--db', t.db, '--json').out.splitlines()[0])['what'] != '',
           True)


@test
def a_file_that_is_no_database_is_refused(t):
    t.path('a.db', b'this is no database, whatever its name says' * 100)
    t.fails(8, 'a.db', 'ls', '--db', t.db)
    t.fails(8, 'a.db', 'put', *t.notes, '{"id":"a"}')


@test
def a_file_of_a_newer_format_is_refused(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    with sqlite3.connect(t.db) as db:
        db.execute('PRAGMA user_version = 9999')
    db.close()
    t.fails(5, 'a.db', 'ls', '--db', t.db)


if __name__ == '__main__':
    main()
