#!/usr/bin/env python3
"""import and export: whole collections as JSON Lines."""
import os
import subprocess

from cli import REPLICA, main, test

ODD = (b'{"id":"a","n":9007199254740993}\n'
       b'{ "id" : "b" , "d" : 1.10 , "e":1E+2 }\n'
       b'{"z":"\\u0000\\/","id":"c","t":"\\ud800"}\n'
       b'{"id":"\xc3\xa9"}\n')


@test
def an_export_is_what_was_imported(t):
    t.ok('import', *t.notes, t.path('in.jsonl', ODD))
    t.same(t.ok('export', *t.notes), ODD)


@test
def a_pipe_can_be_imported(t):
    t.ok('import', *t.notes, stdin=ODD)
    t.ok('import', '--db', t.db, '--collection', 'more', '-', stdin=ODD)
    t.same(t.ok('export', '--db', t.db, '--collection', 'more'), ODD)


@test
def more_than_a_batch_arrives_in_full(t):
    rows = [b'{"id":"%06d","text":"%s"}\n' % (n, b'x' * (n % 97)) for n in range(12345)]
    t.ok('import', *t.notes, t.path('in.jsonl', b''.join(rows)))
    t.same(t.ok('export', *t.notes) == b''.join(rows), True)
    t.same(t.ok('ls', '--db', t.db), b'notes\t12345\n')


@test
def blank_lines_and_carriage_returns_do_not_count(t):
    t.ok('import', *t.notes, '-', stdin=b'\n{"id":"a"}\r\n \t\r\n\n{"id":"b"}')
    t.same(t.ok('export', *t.notes), b'{"id":"a"}\n{"id":"b"}\n')


@test
def an_empty_input_makes_an_empty_collection(t):
    t.ok('import', *t.notes, '-')
    t.same(t.ok('export', *t.notes), b'')


@test
def a_bad_line_is_named_and_nothing_is_imported(t):
    good = b''.join(b'{"id":"%d"}\n' % n for n in range(2500))
    path = t.path('notes.jsonl', good + b'{"id":"x" "y"}\n')
    done = t.fails(7, f'{path}:2501: byte 11: ', 'import', *t.notes, path)
    t.same(done.err, f"{path}:2501: byte 11: expected ',' or '}}'\nreplica import: nothing was imported\n")
    t.same(os.path.exists(t.db), False)
    t.fails(7, 'standard input:2: byte 12: ', 'import', *t.notes, '-', stdin=b'{"id":"a"}\n{"id":"b"} x\n')
    t.fails(7, "standard input:1: ", 'import', *t.notes, '-', stdin=b'{"no":"id"}\n')
    t.fails(7, 'standard input:1: ', 'import', *t.notes, '-', stdin=b'{"id":""}\n')
    t.fails(7, 'standard input:1: ', 'import', *t.notes, '-', stdin=b'{"id":1}\n')
    t.fails(7, "reserved", 'import', *t.notes, '-', stdin=b'{"id":"a","_deleted":false}\n')
    t.fails(7, 'standard input:2: ', 'import', *t.notes, '-', stdin=b'{"id":"a"}\n\xff\n')
    t.same(os.path.exists(t.db), False)


@test
def stored_ids_are_an_error_unless_they_may_be_replaced(t):
    t.ok('put', *t.notes, '{"id":"b","n":1}')
    text = b'{"id":"a"}\n{"id":"b","n":2}\n{"id":"c"}\n'
    t.fails(6, "standard input:2: 'b'", 'import', *t.notes, '-', stdin=text)
    t.same(t.ok('ls', *t.notes), b'b\n')
    t.ok('import', *t.notes, '--upsert', '-', stdin=text)
    t.same(t.ok('export', *t.notes), text)


@test
def an_id_that_comes_twice_stops_the_import(t):
    text = b'{"id":"a","n":1}\n{"id":"b"}\n{"id":"a","n":2}\n'
    done = t.fails(6, 'standard input:3: ', 'import', *t.notes, '-', stdin=text)
    t.same('2 documents were imported' in done.err, True, done.err)
    t.same(t.ok('export', *t.notes), b'{"id":"a","n":1}\n{"id":"b"}\n')


@test
def a_deleted_id_may_be_imported_again(t):
    t.ok('import', *t.notes, '-', stdin=b'{"id":"a"}\n')
    t.ok('delete', *t.notes, 'a')
    t.ok('import', *t.notes, '-', stdin=b'{"id":"a","n":2}\n')
    t.same(t.ok('export', *t.notes), b'{"id":"a","n":2}\n')


@test
def the_key_field_is_that_of_the_collection(t):
    t.ok('import', *t.notes, '--key', 'alpha_2', '-', stdin=b'{"alpha_2":"DE"}\n')
    t.ok('import', *t.notes, '-', stdin=b'{"alpha_2":"FR"}\n')
    t.same(t.ok('ls', *t.notes), b'DE\nFR\n')
    t.fails(2, "'alpha_2', not 'id'", 'import', *t.notes, '--key', 'id', '-', stdin=b'{"id":"x"}\n')


@test
def a_document_with_line_breaks_stays_one_line(t):
    t.ok('put', *t.notes, '{\n "id": "a",\r\n "t": "x\\ny"\n}')
    t.same(t.ok('get', *t.notes, 'a'), b'{\n "id": "a",\r\n "t": "x\\ny"\n}\n')
    t.same(t.ok('export', *t.notes), b'{  "id": "a",   "t": "x\\ny" }\n')


@test
def lines_may_be_as_long_as_a_document(t):
    big = b'{"id":"big","t":"' + b'x' * (15 << 20) + b'"}\n'
    t.ok('import', *t.notes, '-', stdin=big)
    t.same(t.ok('export', *t.notes) == big, True)
    t.fails(7, 'standard input:1: ', 'import', *t.notes, '--upsert', '-',
            stdin=b'{"id":"big","t":"' + b'x' * (16 << 20) + b'"}\n')
    t.fails(7, 'standard input:1: ', 'import', *t.notes, '-', stdin=b' ' * (17 << 20) + b'{}')


@test
def a_missing_file_and_a_folder_are_no_input(t):
    t.fails(8, 'none.jsonl: No such file', 'import', *t.notes, 'none.jsonl')
    t.fails(8, 'directory', 'import', *t.notes, t.folder)


@test
def an_output_that_cannot_be_written_is_a_failure(t):
    t.ok('import', *t.notes, '-', stdin=ODD)
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([REPLICA, 'export', *t.notes], stdout=full, stderr=subprocess.PIPE,
                              check=False)
    t.same((done.returncode, b'cannot be written' in done.stderr), (8, True), done.stderr)


if __name__ == '__main__':
    main()
