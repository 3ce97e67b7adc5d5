#!/usr/bin/env python3
"""Options, helps and usage errors of every command."""
import os
import re
import subprocess

from cli import main, test

COMMANDS = ('put', 'get', 'delete', 'patch', 'import', 'export', 'ls', 'find', 'index', 'changes',
            'watch', 'emit', 'listen', 'lock', 'unlock', 'locks', 'sync',
            'status', 'conflicts', 'merge', 'history', 'rejected', 'check', 'serve')


@test
def every_command_explains_itself(t):
    overview = t.ok('--help').decode()
    t.same(t.ok('help').decode(), overview)
    for command in COMMANDS:
        t.same(f'\n  {command} ' in overview, True, command)
        text = t.ok(command, '--help').decode()
        t.same(text.startswith(f'usage: replica {command} '), True, text[:80])
        t.same(t.ok('help', command).decode(), text)


@test
def the_manual_and_the_completion_know_every_option(t):
    root = os.environ['REPLICA_SOURCE']
    with open(os.path.join(root, 'docs/man/replica.1'), encoding='utf-8') as f:
        manual = f.read().replace('\\-', '-')
    with open(os.path.join(root, 'tools/completion/replica.bash'), encoding='utf-8') as f:
        completion = f.read()
    for command in COMMANDS:
        t.same(f'.SS {command}\n' in manual, True, command)
        for option in re.findall(r'\n  (--[a-z-]+)', t.ok(command, '--help').decode()):
            t.same(option in completion, True, f'{command} {option} in the completion')
            t.same(option in manual, True, f'{command} {option} in the manual')


@test
def the_completion_completes(t):
    script = os.path.join(os.environ['REPLICA_SOURCE'], 'tools/completion/replica.bash')

    def complete(*words):
        done = subprocess.run(
            ['bash', '-c', f'. {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _replica;'
             ' printf "%s\\n" "${COMPREPLY[@]}"', 'bash', *words],
            stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().split()

    t.same(complete('replica', 'st'), ['status'])
    t.same(complete('replica', 'sync', '--on'), ['--once', '--on-conflict'])
    t.same(complete('replica', 'sync', '--dialect', 'r'), ['rxdb'])
    t.same(complete('replica', 'rejected', 'd'), ['discard'])


@test
def the_version_is_that_of_the_library(t):
    t.same(bool(re.fullmatch(rb'replica \d+\.\d+\.\d+\n', t.ok('--version'))), True)


@test
def wrong_calls_say_what_is_wrong(t):
    for message, args in (
            ('a command is missing', ()),
            ("no command 'frob'", ('frob',)),
            ('--db is missing', ('get', '--collection', 'notes', 'a')),
            ('--collection is missing', ('get', '--db', 'a.db', 'a')),
            ('an argument is missing: ID', ('get', *t.notes)),
            ("'b' is one argument too many", ('get', *t.notes, 'a', 'b')),
            ("no option '--frob'", ('get', *t.notes, '--frob', 'a')),
            ("no option '-x'", ('get', *t.notes, '-x')),
            ('--db takes a value', ('get', '--db')),
            ('--upsert takes no value', ('import', *t.notes, '--upsert=yes')),
            ("--since takes a number, not 'x'", ('changes', *t.notes, '--since', 'x')),
            ("--since takes a number, not '-1'", ('changes', *t.notes, '--since=-1')),
            ('exclude each other', ('put', *t.notes, '--new', '--rev', '1-a', '{}')),
            ('list, show or restore', ('conflicts', '--db', 'a.db', 'frob', '1')),
            ('takes the number', ('conflicts', '--db', 'a.db', 'show')),
            ('no number of an entry', ('rejected', '--db', 'a.db', 'retry', '0')),
            ('takes no number', ('conflicts', '--db', 'a.db', 'list', '1')),
            ('takes the numbers', ('rejected', '--db', 'a.db', 'discard')),
            ('exclude each other', ('rejected', '--db', 'a.db', 'retry', '--all', '1')),
            ('list, retry, discard or export', ('rejected', '--db', 'a.db', 'frob')),
            ('local, server or came', ('rejected', '--db', 'a.db', 'export', '--state', 'x')),
            ('the key of a document', ('conflicts', '--db', 'a.db', 'ours', 'x')),
            ('either --once or --live', ('sync', '--db', 'a.db', '--url', 'http://h/a/0')),
            ('does not look like', ('sync', '--db', 'a.db', '--once', '--url', 'http://h/a')),
            ('does not look like', ('sync', '--db', 'a.db', '--once', '--url', 'a/0')),
            ('does not look like', ('sync', '--db', 'a.db', '--once', '--url', 'http://h//0')),
            ('auto or rxdb', ('sync', '--db', 'a.db', '--once', '--url', 'http://h/a/0',
                              '--dialect', 'couch')),
            ('server-wins or client-wins', ('sync', '--db', 'a.db', '--once', '--url',
                                            'http://h/a/0', '--on-conflict', 'mine'))):
        done = t.fails(2, message, *args)
        t.same(('Try: replica' in done.err, done.out), (True, b''), args)
    t.same(os.listdir(t.folder), [])


@test
def options_stand_anywhere_and_take_both_spellings(t):
    t.ok('put', '{"id":"a"}', f'--db={t.db}', '--collection=notes')
    t.same(t.ok('get', 'a', *t.notes), b'{"id":"a"}\n')


@test
def a_name_that_no_collection_may_have_is_a_usage_error(t):
    t.fails(2, '', 'put', '--db', t.db, '--collection', '1/2', '{"id":"a"}')


if __name__ == '__main__':
    main()
