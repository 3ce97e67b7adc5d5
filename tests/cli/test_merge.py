#!/usr/bin/env python3
"""replica merge: three files, rules, and what comes out."""
import os

from cli import main, test

BASE = '{"id":"a","visits":1,"tags":["x"],"title":"old"}'
OURS = '{"id":"a","visits":3,"tags":["x","y"],"title":"mine"}'
THEIRS = '{"id":"a","visits":2,"tags":["x","z"],"title":"old"}\n'
RULES = '{"":"merge","/visits":"sum","/tags":"set-union"}'


def files(t, base=BASE, ours=OURS, theirs=THEIRS):
    texts = {'base': base, 'ours': ours, 'theirs': theirs}
    return [t.path(name, text) if text else '-' for name, text in texts.items()]


@test
def three_states_are_merged_by_rules(t):
    merged = b'{"id":"a","visits":4,"tags":["x","y","z"],"title":"mine"}\n'
    t.same(t.ok('merge', '--rules', RULES, *files(t)), merged)
    t.same(t.ok('merge', '--rules', '@' + t.path('rules', RULES + '\n'), *files(t)), merged)


@test
def a_bare_name_is_a_rule_and_without_one_the_server_wins(t):
    paths = files(t)
    t.same(t.ok('merge', '--rules', 'client-wins', *paths), OURS.encode() + b'\n')
    t.same(t.ok('merge', '--rules', '"client-wins"', *paths), OURS.encode() + b'\n')
    by_file = '@' + t.path('rules', 'client-wins\n')
    t.same(t.ok('merge', '--rules', by_file, *paths), OURS.encode() + b'\n')
    t.same(t.ok('merge', *paths), THEIRS.encode())


@test
def a_dash_is_no_ancestor_or_a_deletion(t):
    t.same(t.ok('merge', '--rules', 'sum', *files(t, None, '2', '3')), b'5\n')
    paths = files(t, '1', None, '3')
    t.same(t.ok('merge', '--rules', '{"delete":"edit-wins"}', *paths), b'3\n')
    done = t.run('merge', '--rules', '{"delete":"delete-wins"}', *paths)
    t.same((done.code, done.out, done.err), (0, b'', 'deleted\n'))
    done = t.run('merge', '--rules', '{"delete":"keep-copy"}', *paths)
    t.same((done.code, done.out), (0, b'3\n'))
    t.same('a copy is kept' in done.err, True)
    t.fails(6, 'leave it to the program', 'merge', '--rules', '{"delete":"ask"}', *paths)


@test
def by_last_write_wins_the_younger_file_wins(t):
    paths = files(t, '1', '2', '3')
    os.utime(paths[1], (2000, 2000))
    os.utime(paths[2], (1000, 1000))
    t.same(t.ok('merge', '--rules', 'last-write-wins', *paths), b'2\n')
    os.utime(paths[2], (3000, 3000))
    t.same(t.ok('merge', '--rules', 'last-write-wins', *paths), b'3\n')


@test
def what_cannot_be_merged_says_why(t):
    paths = files(t)
    t.fails(2, "--rules: '/n': no rule is called 'smu'", 'merge', '--rules', '{"/n":"smu"}', *paths)
    t.fails(2, 'sum can never serve a document', 'merge', '--rules', 'sum', *paths)
    t.fails(2, '--rules: larger than 65536 bytes', 'merge', '--rules',
            '@' + t.path('rules', '{' + ' ' * 70000 + '}'), *paths)
    t.fails(2, '--rules: byte 6:', 'merge', '--rules', '{"/n"', *paths)
    t.fails(7, 'ours: byte 2:', 'merge', paths[0], t.path('ours', '{'), paths[2])
    t.fails(8, 'nowhere', 'merge', paths[0], 'nowhere', paths[2])
    t.fails(2, 'an argument is missing', 'merge', paths[0], paths[1])


if __name__ == '__main__':
    main()
