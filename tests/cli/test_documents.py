#!/usr/bin/env python3
"""put, get, delete, patch: one document at a time."""
from cli import main, test


@test
def what_was_put_comes_back_byte_by_byte(t):
    text = ('{ "id" : "a", "n":9007199254740993, "d":0.1000000000000000055511151231257827,'
            ' "big":1e400,"u":"\\u0000\\ud800\\u00e9","z":1,"a":{"b":[1,  2]}}')
    t.ok('put', *t.notes, text)
    t.same(t.ok('get', *t.notes, 'a'), text.encode() + b'\n')


@test
def put_reads_standard_input_and_prints_the_revision(t):
    rev = t.ok('put', *t.notes, '-', stdin=b'{"id":"a"}').decode().strip()
    t.same(rev.startswith('1-'), True, rev)
    t.same(t.ok('get', *t.notes, '--rev', 'a').decode().strip(), rev)


@test
def put_replaces_only_the_revision_that_is_named(t):
    first = t.ok('put', *t.notes, '{"id":"a","n":1}').decode().strip()
    second = t.ok('put', *t.notes, '--rev', first, '{"id":"a","n":2}').decode().strip()
    t.same(second.startswith('2-'), True, second)
    t.fails(6, second, 'put', *t.notes, '--rev', first, '{"id":"a","n":3}')
    t.fails(6, second, 'put', *t.notes, '--new', '{"id":"a","n":3}')
    t.same(t.ok('get', *t.notes, 'a'), b'{"id":"a","n":2}\n')


@test
def put_without_a_revision_replaces_what_is_there(t):
    t.ok('put', *t.notes, '{"id":"a","n":1}')
    t.ok('put', *t.notes, '{"id":"a","n":2}')
    t.same(t.ok('get', *t.notes, 'a'), b'{"id":"a","n":2}\n')


@test
def another_key_is_chosen_when_the_collection_is_created(t):
    t.ok('put', *t.notes, '--key', 'code', '{"code":"de","id":"x"}')
    t.same(t.ok('get', *t.notes, 'de'), b'{"code":"de","id":"x"}\n')
    t.ok('put', *t.notes, '{"code":"fr"}')
    t.fails(2, "'code', not 'id'", 'put', *t.notes, '--key', 'id', '{"id":"x"}')


@test
def bad_texts_are_refused_with_their_place_and_nothing_is_written(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    t.fails(7, 'argument: byte 11: expected', 'put', *t.notes, '{"id":"b",}')
    t.fails(7, 'standard input: byte 7: ', 'put', *t.notes, '-', stdin=b'{"id":\xff}')
    t.fails(7, 'id', 'put', *t.notes, '{"n":1}')
    t.fails(7, '', 'put', *t.notes, '[]')
    t.fails(7, '', 'put', *t.notes, '{"id":"b","id":"c"}')
    t.fails(7, '_secret', 'put', *t.notes, '{"id":"b","_secret":1}')
    t.fails(7, '', 'put', *t.notes, '-')
    t.same(t.ok('ls', *t.notes), b'a\n')


@test
def a_patch_keeps_the_bytes_that_it_does_not_name(t):
    t.ok('put', *t.notes, '{"id":"a", "n": 9007199254740993 ,"x":1,"y":{"z":1.50}}')
    rev = t.ok('patch', *t.notes, 'a', '{"x":null,"w":true}').decode()
    t.same(rev.startswith('2-'), True, rev)
    text = t.ok('get', *t.notes, 'a').decode()
    for part in ('"n": 9007199254740993', '"y":{"z":1.50}', '"w":true'):
        t.same(part in text, True, f'{part} in {text}')
    t.same('"x"' in text, False, text)
    t.fails(1, 'nobody', 'patch', *t.notes, 'nobody', '{}')
    t.fails(7, 'argument: byte', 'patch', *t.notes, 'a', '{')
    t.fails(6, '', 'patch', *t.notes, '--rev', '1-x.1', 'a', '{"x":1}')
    t.ok('patch', *t.notes, '--rev', rev.strip(), 'a', '-', stdin=b'{"x":2}')


@test
def what_was_deleted_is_not_there(t):
    rev = t.ok('put', *t.notes, '{"id":"a"}').decode().strip()
    t.fails(6, '', 'delete', *t.notes, '--rev', '7-x.7', 'a')
    t.same(t.ok('delete', *t.notes, '--rev', rev, 'a'), b'')
    t.fails(1, "no 'a'", 'get', *t.notes, 'a')
    t.fails(1, "no 'a'", 'delete', *t.notes, 'a')
    t.same(t.ok('ls', *t.notes), b'')
    t.same(t.ok('put', *t.notes, '--new', '{"id":"a"}').startswith(b'3-'), True)


@test
def ids_of_any_spelling_are_found(t):
    for key in ('-dash', 'a b', '\u00e9\U0001f600', 'a\tb', '..', 'x/y', "it's"):
        text = '{"id":"%s"}' % key.replace('\t', '\\t')
        t.ok('put', *t.notes, text)
        t.same(t.ok('get', *t.notes, '--', key).decode(), text + '\n')


@test
def reading_creates_nothing(t):
    for command in (('get', *t.notes, 'a'), ('export', *t.notes), ('ls', *t.notes),
                    ('status', '--db', t.db), ('check', '--db', t.db),
                    ('delete', *t.notes, 'a'), ('patch', *t.notes, 'a', '{}')):
        t.fails(8, 'a.db', *command)
    t.ok('put', '--db', t.db, '--collection', 'other', '{"id":"a"}')
    for command in (('get', *t.notes, 'a'), ('export', *t.notes), ('ls', *t.notes),
                    ('changes', *t.notes), ('watch', *t.notes), ('delete', *t.notes, 'a')):
        t.fails(1, "no collection 'notes'", *command)
    t.same(t.ok('ls', '--db', t.db), b'other\t1\n')


if __name__ == '__main__':
    main()
