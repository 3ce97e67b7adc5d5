#!/usr/bin/env python3
"""The programs of examples/, run as their users run them; $EXAMPLES is where they are built."""
import os
import re
import subprocess

from cli import TIMEOUT, main, test

SOURCE = os.environ['REPLICA_SOURCE']
EXAMPLES = os.environ['EXAMPLES']


def example(t, name, *args, stdin=''):
    done = subprocess.run([os.path.join(EXAMPLES, name), *args], input=stdin.encode(), cwd=t.folder,
                          timeout=TIMEOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    t.same((done.returncode, done.stderr.decode()), (0, ''), name)
    return done.stdout.decode()


@test
def the_program_in_the_readme_is_the_one_that_is_tested(t):
    with open(os.path.join(SOURCE, 'examples/notes.c'), encoding='utf-8') as f:
        program = f.read()
    with open(os.path.join(SOURCE, 'README.md'), encoding='utf-8') as f:
        readme = f.read()
    t.same(f'```c\n{program}```\n' in readme, True)
    t.same(len(program.splitlines()) <= 25, True)


@test
def every_link_in_the_readme_leads_somewhere(t):
    with open(os.path.join(SOURCE, 'README.md'), encoding='utf-8') as f:
        links = re.findall(r'\]\((?!http)([^)#]+)', f.read())
    t.same(len(links) > 5, True)
    t.same([link for link in links if not os.path.exists(os.path.join(SOURCE, link))], [])


def the_code_on_the_page_compiles(t, page):
    with open(os.path.join(SOURCE, 'docs', page), encoding='utf-8') as f:
        blocks = re.findall(r'```c\n(.*?)```', f.read(), re.S)
    t.same(len(blocks) > 0, True)
    done = subprocess.run(['cc', '-std=c99', '-fsyntax-only', '-Wall', '-Werror', '-I', SOURCE,
                           '-x', 'c', '-'], input=''.join(blocks).encode(), timeout=TIMEOUT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    t.same((done.returncode, done.stdout.decode()), (0, ''))


@test
def the_code_on_the_page_about_conflicts_compiles(t):
    the_code_on_the_page_compiles(t, 'conflicts.md')


@test
def the_code_on_the_page_about_bundles_compiles(t):
    the_code_on_the_page_compiles(t, 'bundles.md')


@test
def the_code_on_the_page_about_status_compiles(t):
    the_code_on_the_page_compiles(t, 'status.md')


@test
def the_code_on_the_page_about_access_compiles(t):
    the_code_on_the_page_compiles(t, 'access.md')


@test
def the_code_on_the_page_about_filters_compiles(t):
    the_code_on_the_page_compiles(t, 'filters.md')


@test
def the_code_on_the_page_about_verify_compiles(t):
    the_code_on_the_page_compiles(t, 'verify.md')


@test
def the_code_on_the_page_about_keys_compiles(t):
    the_code_on_the_page_compiles(t, 'keys.md')


@test
def the_code_on_the_page_about_commands_compiles(t):
    the_code_on_the_page_compiles(t, 'commands.md')


@test
def the_code_on_the_page_about_locks_compiles(t):
    the_code_on_the_page_compiles(t, 'locks.md')


@test
def the_code_on_the_page_about_migrations_compiles(t):
    the_code_on_the_page_compiles(t, 'migrations.md')


@test
def the_code_on_the_page_about_schemas_compiles(t):
    the_code_on_the_page_compiles(t, 'schemas.md')


@test
def the_tests_on_the_page_about_promises_are_there(t):
    with open(os.path.join(SOURCE, 'docs/promises.md'), encoding='utf-8') as f:
        names = set(re.findall(r'`([a-z0-9_]{16,})`', f.read()))
    there = set()
    for path, _, files in os.walk(os.path.join(SOURCE, 'tests')):
        for name in files:
            if name.endswith(('.c', '.py')):
                with open(os.path.join(path, name), encoding='utf-8') as f:
                    there |= names & set(re.findall(r'\w+', f.read()))
    t.same(len(names) > 0, True)
    t.same(sorted(names - there), [])


@test
def a_note_is_kept_without_a_server_and_goes_out_with_one(t):
    t.same(example(t, 'notes', 'http://127.0.0.1:9/notes/0'), 'kept until there is one\n')
    _, base = t.serve('server.db')
    t.same(example(t, 'notes', f'{base}/notes/0'), 'on the server\n')
    t.same(t.ok('get', '--db', t.path('server.db'), '--collection', 'notes', 'n1'),
           b'{"id":"n1","text":"written without a network"}\n')


@test
def the_store_by_itself(t):
    out = [line.split(None, 2) for line in example(t, 'crud', t.db).splitlines()]
    t.same([line[0] for line in out],
           ['put', 'patched', 'conflict', 'stored', 'stored', 'changed', 'changed', 'changed'])
    t.same(out[2][1:], out[1][1:])
    t.same(sorted(' '.join(line[1:]) for line in out[5:]), ['bread', 'butter', 'milk (deleted)'])
    t.same(t.ok('export', '--db', t.db, '--collection', 'todo'),
           b'{"id":"bread"}\n{"id":"butter"}\n')


@test
def a_program_comes_back_as_its_next_version(t):
    t.same(example(t, 'migration', '1', t.db), '4 notes of version 1\n')
    t.same(b'migrate' in t.ok('status', '--db', t.db), False)
    milk, tea = ('{"id":"%s","text":"%s it","done":false}' % x for x in (('milk', 'buy'),
                                                                         ('tea', 'make')))
    odd = "set aside: 'odd' cannot be migrated to version 2: this is no note"
    t.same(example(t, 'migration', '2', t.db).splitlines(), ['4 to migrate', tea, milk, tea, odd])
    t.same(example(t, 'migration', '2', t.db).splitlines(), ['1 to migrate', tea, milk, tea, odd])
    t.same(b'0 of them to migrate, 1 that could not' in t.ok('status', '--db', t.db), True)
    refused = subprocess.run([os.path.join(EXAMPLES, 'migration'), '1', t.db],
                             capture_output=True, text=True, check=False)
    t.same(refused.returncode, 1)
    t.same('higher than 1' in refused.stderr, True)


@test
def a_catalogue_answers_and_keeps_an_answer_up_to_date(t):
    lines = example(t, 'queries', t.db).splitlines()
    t.same(lines[0].split(': ')[0], 'refused  books/1/title')
    t.same(lines[2], 'index author,year: 1 range, in the order asked for.')
    t.same([line.split('"title":"')[1].split('"')[0] for line in lines if '"title":' in line],
           ['Fundamental Algorithms', 'Sorting and Searching',       # found
            'Fundamental Algorithms', 'Sorting and Searching', 'The C Programming Language',
            'Fundamental Algorithms'])                                # lent
    t.same([line for line in lines if line.endswith('on the shelf')],
           ['3 on the shelf', '2 on the shelf'])


@test
def two_people_work_at_one_stock(t):
    lines = ['15 pieces of fruit', '/order/apples: {"pieces":1}', 'the order is done',
             'pears are locked by alice, who counts', '13 pieces of fruit',
             'merged: {"left":7,"tags":["green"],"shelf":3}']
    t.same(example(t, 'together', t.db).splitlines(), lines)
    t.same(example(t, 'together', t.db).splitlines(), lines)


@test
def lines_become_documents_while_a_replication_runs(t):
    token = t.path('token', 'sesame-open-1234\n')
    _, base = t.serve('server.db', '--token-file', token)
    out = example(t, 'sync', t.db, f'{base}/lines/0', token, stdin='one\n"two" \\ 2\n')
    t.same(sorted(out.splitlines()), ['sent lines/line-0001', 'sent lines/line-0002'])
    t.same(t.ok('export', '--db', t.path('server.db'), '--collection', 'lines'),
           b'{"id":"line-0001","text":"one"}\n{"id":"line-0002","text":"\\"two\\" \\\\ 2"}\n')


@test
def members_that_one_side_changed_are_merged(t):
    _, base = t.serve('server.db')
    a, b = t.path('a.db'), t.path('b.db')

    def put(db, text):
        t.ok('put', '--db', db, '--collection', 'notes', text)

    def merge(db):
        return example(t, 'conflict', db, f'{base}/notes/0', 'notes', 'codes=code')

    put(a, '{"id":"x","n": 9007199254740993,"s":"a \\" }","o":{"p":[1,{}]},"gone":1,"both":0}')
    put(a, '{"id":"deleted"}')
    put(a, '{"id":"edited"}')
    t.same((merge(a), merge(b)), ('', ''))
    t.ok('patch', '--db', a, '--collection', 'notes', 'x', '{"s":"A","both":1,"new-a":[]}')
    t.ok('patch', '--db', b, '--collection', 'notes', 'x',
         '{"o":{"p":2},"gone":null,"both":2,"new-b":-1}')
    t.ok('delete', '--db', a, '--collection', 'notes', 'deleted')
    put(b, '{"id":"deleted","n":1}')
    put(a, '{"id":"edited","n":1}')
    t.ok('delete', '--db', b, '--collection', 'notes', 'edited')
    t.same(merge(a), '')
    out = merge(b)
    t.same(out.count('conflict notes/'), 3, out)
    for word in ('assumed', 'real', 'local', 'result'):
        t.same(out.count(f'  {word} '), 3, out)
    merge(a)
    export = t.ok('export', '--db', a, '--collection', 'notes')
    t.same(export, t.ok('export', '--db', b, '--collection', 'notes'))
    t.same(export,
           b'{"id":"deleted","n":1}\n{"id":"edited","n":1}\n'
           b'{"id":"x","n":9007199254740993,"s":"A","o":{"p":2},"both":1,"new-a":[],"new-b":-1}\n')


@test
def a_transport_of_the_programs_own_carries_both_ways(t):
    t.same(sorted(example(t, 'pipes').splitlines()),
           ['child has {"id":"ours","text":"written by the parent"}',
            'child has {"id":"theirs","text":"written by the child"}',
            'parent has {"id":"theirs","text":"written by the child"}'])


if __name__ == '__main__':
    main()
