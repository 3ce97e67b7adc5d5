#!/usr/bin/env python3
"""schema check, schema validate."""
import json
import os

from cli import main, test

SUITES = os.environ.get('REPLICA_SUITES',
                        os.path.join(os.environ['REPLICA_SOURCE'], '..', 'shared', 'suites'))
ISO = '/usr/share/iso-codes/json'

NOTE = json.dumps({'type': 'object', 'required': ['id'], 'properties': {
    'id': {'type': 'string', 'maxLength': 3}, 'n': {'type': 'integer'},
    'at': {'format': 'date'}, 'a/b': {'enum': [1]}}})


def printed(result):
    return result.out.decode().splitlines()


@test
def valid_lines_print_nothing(t):
    t.same(t.ok('schema', 'validate', '--schema', t.path('s.json', NOTE),
                t.path('v', '{"id":"a"}\n\n{"id":"b","n":9007199254740993}\n')), b'')


@test
def an_invalid_line_is_printed_with_its_paths(t):
    done = t.run('schema', 'validate', '--schema', t.path('s.json', NOTE),
                 t.path('v', '{"id":"a"}\n\n{"id":"b","n":"x"}\n[]\n{"id":"c","a/b":2}\n'))
    t.same((done.code, done.err), (1, ''))
    t.same([line.split(': ')[:3] for line in printed(done)],
           [['3', '/n', '/properties/n/type'], ['4', '', '/type'],
            ['5', '/a~1b', '/properties/a~1b/enum']])


@test
def a_line_has_one_finding_or_all_of_them(t):
    schema = t.path('s.json', NOTE)
    bad = b'{"id":"long","n":1.5}\n{"n":1}\n'
    done = t.run('schema', 'validate', '--schema', schema, stdin=bad)
    t.same([line.split(':')[0] for line in printed(done)], ['1', '2'])
    done = t.run('schema', 'validate', '--all', '--schema', schema, '-', stdin=bad)
    t.same(done.code, 1)
    t.same([line.split(': ')[:3] for line in printed(done)],
           [['1', '/id', '/properties/id/maxLength'], ['1', '/n', '/properties/n/type'],
            ['2', '', '/required']])


@test
def a_line_that_is_no_json_is_invalid_and_the_next_one_is_looked_at(t):
    done = t.run('schema', 'validate', '--schema', t.path('s.json', NOTE),
                 stdin=b'{"id":\n{"id":"a","id":"b"}\n{"id":7}\n')
    t.same(done.code, 1)
    t.same([line.split(': ')[:4] for line in printed(done)][:2],
           [['1', '', '', 'no JSON'], ['2', '', '', 'no JSON']])
    t.same(printed(done)[2].startswith('3: /id: /properties/id/type: '), True, printed(done))


@test
def formats_assert_when_asked_to(t):
    args = ('schema', 'validate', '--schema', t.path('s.json', NOTE))
    t.ok(*args, stdin=b'{"id":"a","at":"2023-02-29"}')
    done = t.run(*args, '--formats', stdin=b'{"id":"a","at":"2023-02-29"}')
    t.same((done.code, printed(done)[0].split(': ')[:3]),
           (1, ['1', '/at', '/properties/at/format']))


@test
def a_bad_schema_is_exit_2(t):
    for text, message in [('{"type":"nothing"}', 'type'), ('{"pattern":"("}', 'pattern'),
                          ('{"type":', 'byte 9'), ('{"$ref":"#/a"}', '$ref'),
                          ('{"$ref":"http://example.com/x"}', 'http://example.com/x')]:
        schema = t.path('bad.json', text)
        t.fails(2, message, 'schema', 'validate', '--schema', schema, stdin=b'1')
        t.fails(2, message, 'schema', 'check', schema)
    t.fails(2, 'none.json', 'schema', 'validate', '--schema', t.path('none.json'), stdin=b'1')


@test
def check_names_each_bad_file(t):
    good, bad = t.path('good.json', 'true'), t.path('bad.json', '{"type":1}')
    worse = t.path('worse.json', '{"minimum":"1"}')
    t.ok('schema', 'check', good, good)
    done = t.fails(2, 'bad.json', 'schema', 'check', bad, good, worse)
    t.same(('worse.json' in done.err, 'good.json' in done.err), (True, False), done.err)


@test
def the_schema_of_a_collection_has_a_key_and_no_word_that_nobody_knows(t):
    schema = {'version': 0, 'primaryKey': 'id', 'type': 'object',
              'properties': {'id': {'type': 'string', 'maxLength': 100}}, 'indexes': []}
    t.ok('schema', 'check', '--collection', t.path('s.json', json.dumps(schema)))
    t.fails(2, 'primaryKey', 'schema', 'check', '--collection',
            t.path('k.json', json.dumps({**schema, 'primaryKey': 'other'})))
    t.fails(2, 'crdt', 'schema', 'check', '--collection',
            t.path('c.json', json.dumps({**schema, 'crdt': {'field': 'id'}})))
    t.fails(2, 'encrypted', 'schema', 'validate', '--collection', '--schema',
            t.path('e.json', json.dumps({**schema, 'encrypted': ['id']})), stdin=b'{}')
    t.ok('schema', 'check', t.path('c.json'))  # to a validator it is an annotation


@test
def a_registry_holds_schemas_under_their_id_and_path(t):
    os.makedirs(t.path('reg/a b'))
    t.path('reg/a b/int.json', '{"type":"integer"}')
    t.path('reg/named.json', '{"$id":"http://example.com/named","type":"string"}')
    t.path('reg/readme.txt', 'no schema')
    schema = t.path('s.json', json.dumps({'properties': {
        'n': {'$ref': 'http://localhost:1234/a%20b/int.json'},
        's': {'$ref': 'http://example.com/named'}}}))
    args = ('schema', 'validate', '--schema', schema, '--registry', t.path('reg'), '--all')
    t.ok(*args, stdin=b'{"n":1,"s":""}')
    done = t.run(*args, stdin=b'{"n":"","s":1}')
    t.same([line.split(': ')[:2] for line in printed(done)], [['1', '/n'], ['1', '/s']])
    t.fails(2, 'a%20b', 'schema', 'check', schema)
    t.path('reg/bad.json', '{')
    t.fails(2, 'bad.json', *args, stdin=b'{}')


@test
def a_schema_in_the_registry_refers_to_its_neighbours_by_path(t):
    os.makedirs(t.path('reg/sub'))
    t.path('reg/int.json', '{"type":"integer"}')
    schema = t.path('reg/sub/s.json', '{"$ref":"../int.json"}')
    t.ok('schema', 'validate', '--schema', schema, '--registry', t.path('reg') + '/', stdin=b'1')
    t.fails(2, 'int.json', 'schema', 'check', schema)


@test
def a_pattern_cannot_hang_the_program(t):
    done = t.run('schema', 'validate', '--schema', t.path('s.json', '{"pattern":"^(a+)+$"}'),
                 stdin=b'"' + b'a' * 1000 + b'!"\n"aa"\n')
    t.same(done.code, 1)
    t.same(len(printed(done)), 1, printed(done))
    t.same(printed(done)[0].startswith('1: '), True, printed(done))


@test
def usage_errors_are_exit_2(t):
    for args in [(), ('nonsense',), ('check',), ('validate',),
                 ('check', '--all', 'x'), ('validate', '--schema', 'x', 'a', 'b')]:
        t.same(t.run('schema', *args).code, 2, args)


@test
def the_remotes_of_the_official_suite_are_a_registry(t):
    suite = os.path.join(SUITES, 'json-schema')
    if not os.path.isdir(suite):
        print('# no JSON-Schema-Test-Suite (REPLICA_SUITES says where)')
        return
    with open(os.path.join(suite, 'tests/draft2020-12/refRemote.json'), encoding='utf-8') as f:
        groups = json.load(f)
    for group in groups:
        schema = t.path('s.json', json.dumps(group['schema']))
        lines = '\n'.join(json.dumps(one['data']) for one in group['tests']).encode()
        done = t.run('schema', 'validate', '--schema', schema, '--registry',
                     os.path.join(suite, 'remotes'), stdin=lines)
        bad = {int(line.split(':')[0]) for line in printed(done)}
        t.same(bad, {n for n, one in enumerate(group['tests'], 1) if not one['valid']},
               group['description'] + done.err)


@test
def the_files_of_iso_codes_keep_to_their_schemas(t):
    if not os.path.isdir(ISO):
        print('# the package iso-codes is not installed')
        return
    for number in ['639-2', '639-3', '639-5', '3166-1', '3166-2', '3166-3', '4217', '15924']:
        with open(f'{ISO}/iso_{number}.json', encoding='utf-8') as f:
            whole = json.dumps(json.load(f)).encode()
        t.same(t.ok('schema', 'validate', '--formats', '--schema', f'{ISO}/schema-{number}.json',
                    stdin=whole), b'', number)


if __name__ == '__main__':
    main()
