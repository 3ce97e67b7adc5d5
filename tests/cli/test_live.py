#!/usr/bin/env python3
"""watch --query and search: answers that are kept up to date, and documents by their words."""
import json
import signal

from cli import main, test


def put(t, text):
    t.ok('put', *t.notes, text)


def read(watch, n):
    return [json.loads(watch.stdout.readline()) for _ in range(n)]


@test
def watch_prints_the_answer_of_a_query_and_then_what_changes_in_it(t):
    put(t, '{"id":"a","n":1}')
    put(t, '{"id":"b","n":2}')
    put(t, '{"id":"x","n":0}')
    watch = t.start('watch', *t.notes, '--query',
                    '{"selector":{"n":{"$gt":0}},"sort":[{"n":"asc"}]}')
    t.same(read(watch, 2), [{'change': 'added', 'to': 0, 'id': 'a', 'doc': {'id': 'a', 'n': 1}},
                            {'change': 'added', 'to': 1, 'id': 'b', 'doc': {'id': 'b', 'n': 2}}])
    put(t, '{"id":"a","n":3}')
    t.same(read(watch, 1),
           [{'change': 'moved', 'from': 0, 'to': 1, 'id': 'a', 'doc': {'id': 'a', 'n': 3}}])
    put(t, '{"id":"a","n":4}')
    t.same(read(watch, 1),
           [{'change': 'changed', 'from': 1, 'to': 1, 'id': 'a', 'doc': {'id': 'a', 'n': 4}}])
    t.ok('delete', *t.notes, 'b')
    t.same(read(watch, 1), [{'change': 'removed', 'from': 0, 'id': 'b'}])
    done = t.stop(watch, signal.SIGTERM)
    t.same((done.code, done.out, done.err), (0, b'', ''))


@test
def watch_with_a_query_ends_after_the_number_that_was_asked_for(t):
    for key in 'abc':
        put(t, '{"id":"%s"}' % key)
    t.same([c['id'] for c in t.lines('watch', *t.notes, '--query', '{}', '--count', '2')],
           ['a', 'b'])
    t.same([c['doc'] for c in t.lines('watch', *t.notes, '--query', '{"skip":1,"limit":1}',
                                      '--count', '1')], [{'id': 'b'}])


@test
def a_query_that_is_none_is_refused(t):
    put(t, '{"id":"a"}')
    t.fails(2, '$what', 'watch', *t.notes, '--query', '{"selector":{"a":{"$what":1}}}')
    t.fails(2, '--query', 'watch', *t.notes, '--query', '{}', '--since', '0')


@test
def search_prints_documents_with_rank_and_snippet(t):
    put(t, '{"id":"a","title":"The quick fox","body":{"text":"jumps"}}')
    put(t, '{"id":"b","title":"The slow fox","body":{"text":"sees another fox"}}')
    t.fails(2, 'no text index', 'search', *t.notes, 'fox')
    t.ok('index', 'create', *t.notes, '--text', 'title', 'body.text')
    found = t.lines('search', *t.notes, 'fox')
    t.same([f['id'] for f in found], ['b', 'a'])
    t.same(found[0]['rank'] > found[1]['rank'] > 0, True)
    t.same(found[1]['snippet'], 'The quick [fox]')
    t.same(found[1]['doc'], {'id': 'a', 'title': 'The quick fox', 'body': {'text': 'jumps'}})
    t.same([f['id'] for f in t.lines('search', *t.notes, '--limit', '1', 'fox')], ['b'])
    t.same([f['id'] for f in t.lines('search', *t.notes, 'body.text:jum*')], ['a'])
    t.same(t.ok('search', *t.notes, 'wolf'), b'')
    t.fails(2, 'syntax', 'search', *t.notes, 'AND')
    t.fails(2, 'no field', 'search', *t.notes, 'nosuch:fox')
    t.same(t.ok('check', '--db', t.db), b'')


if __name__ == '__main__':
    main()
