#!/usr/bin/env python3
"""lock, unlock, locks: at a server, and in a database."""
import json
import os

from cli import main, test


def endpoint(t):
    _, base = t.serve('server.db')
    return f'{base}/notes/0'


def locked(t, url, *args):
    return json.loads(t.ok('lock', '--url', url, *args))


@test
def a_lock_at_a_server_is_given_back_by_its_holder_only(t):
    url = endpoint(t)
    mine = locked(t, url, '--name', 'alice', 'n1')
    t.same((mine['fence'], mine['left']), (1, 30000))
    t.fails(6, "'n1' is locked by \"alice\"", 'lock', '--url', url, '--name', 'bob', 'n1')
    t.fails(1, 'not locked by this client', 'unlock', '--url', url, '--client', 'alice', 'n1')
    t.fails(1, 'not locked by this client', 'unlock', '--url', url, '--client', mine['client'],
            '--fence', '9', 'n1')
    t.ok('unlock', '--url', url, '--client', mine['client'], '--fence', '1', 'n1')
    t.same(locked(t, url, '--name', 'bob', 'n1')['fence'], 2)


@test
def a_lock_is_renewed_with_its_token(t):
    url = endpoint(t)
    mine = locked(t, url, '--name', 'alice', '--ttl', '60000', 'n1')
    again = locked(t, url, '--client', mine['client'], '--fence', '1', '--ttl', '90000', 'n1')
    t.same((again['fence'], again['left']), (1, 90000))
    t.same(t.lines('locks', '--url', url, '--json')[0]['name'], 'alice')
    t.fails(6, 'was lost', 'lock', '--url', url, '--client', mine['client'], '--fence', '7', 'n1')


@test
def a_command_runs_while_the_lock_is_held(t):
    url = endpoint(t)
    replica = os.environ['REPLICA']
    held = t.ok('lock', '--url', url, '--name', 'alice', 'n1', '--', replica, 'locks', '--url', url)
    t.same(held.split(b'\t')[:3], [b'notes/n1', b'alice', b'1'])
    t.same(t.run('lock', '--url', url, 'n1', '--', 'sh', '-c', 'exit 42').code, 42)
    t.same(t.run('lock', '--url', url, 'n1', '--', '/no/such/program').code, 127)
    t.fails(1, '', 'locks', '--url', url)  # given back each time


@test
def who_waits_gets_it_when_its_time_is_over(t):
    url = endpoint(t)
    locked(t, url, '--ttl', '300', 'n1')
    t.same(locked(t, url, '--wait', '20000', 'n1')['fence'], 2)


@test
def the_list_is_for_people_and_for_programs(t):
    url = endpoint(t)
    t.fails(1, '', 'locks', '--url', url)
    locked(t, url, '--name', 'alice', 'n1')
    locked(t, url, '--name', 'bob', '--own', 'printer')
    people = t.ok('locks', '--url', url).decode().splitlines()
    t.same([line.split('\t')[:3] for line in people],
           [['printer', 'bob', '1'], ['notes/n1', 'alice', '1']])
    programs = t.lines('locks', '--url', url, '--json')
    t.same([sorted(entry) for entry in programs],
           [['collection', 'fence', 'key', 'left', 'name']] * 2)
    t.same(t.lines('locks', '--db', t.path('server.db'), '--json')[1]['name'], 'alice')


@test
def what_others_call_themselves_does_not_steer_a_terminal(t):
    url = endpoint(t)
    locked(t, url, '--name', 'a\x1b[31m\nb', 'n\t1')
    t.same(t.ok('locks', '--url', url).decode().split('\t')[:2],
           ['notes/n\\u00091', 'a\\u001b[31m\\u000ab'])
    holder = t.start('lock', '--db', t.db, '--own', '--name', 'a\x1b[31m', 'n1')
    holder.stdout.readline()
    t.fails(6, 'locked by a\\u001b[31m', 'lock', '--db', t.db, '--own', 'n1')
    t.stop(holder)


@test
def a_watch_tells_what_is_locked_and_unlocked(t):
    url = endpoint(t)
    mine = locked(t, url, '--name', 'alice', 'n1')
    watch = t.start('locks', '--url', url, '--watch', '--count', '2')
    t.same(json.loads(watch.stdout.readline()),
           {'change': 'locked', 'collection': 'notes', 'key': 'n1', 'name': 'alice', 'fence': 1})
    t.ok('unlock', '--url', url, '--client', mine['client'], 'n1')
    t.same(json.loads(watch.stdout.readline())['change'], 'unlocked')
    t.same(watch.wait(), 0)


@test
def a_lock_in_a_database_keeps_other_processes_out(t):
    t.ok('put', *t.notes, '{"id":"n1"}')
    holder = t.start('lock', *t.notes, '--name', 'alice', 'n1')
    t.same(json.loads(holder.stdout.readline()), {'fence': 1})
    t.fails(6, 'locked by alice', 'put', *t.notes, '{"id":"n1","v":2}')
    t.fails(6, 'locked by alice', 'lock', *t.notes, 'n1', '--', 'true')
    t.ok('put', *t.notes, '{"id":"n2"}')
    t.same(t.stop(holder).code, 0)
    t.ok('put', *t.notes, '{"id":"n1","v":2}')


@test
def a_holder_that_was_killed_keeps_its_lock_until_its_time_is_over(t):
    holder = t.start('lock', '--db', t.db, '--own', '--ttl', '500', 'job')
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    t.ok('lock', '--db', t.db, '--own', '--wait', '20000', 'job', '--', 'true')


@test
def what_makes_no_sense_is_a_usage_error(t):
    t.fails(2, 'either --url, or --db', 'lock', 'n1')
    t.fails(2, 'either --url, or --db', 'lock', '--db', t.db, 'n1')
    t.fails(2, 'either --url, or --db', 'lock', *t.notes, '--client', 'x', 'n1')
    t.fails(2, 'does not look like', 'lock', '--url', 'ftp://x', 'n1')
    t.fails(2, '--client is missing', 'unlock', '--url', 'http://127.0.0.1:1/notes/0', 'n1')
    t.fails(2, 'either --url or --db', 'locks')
    t.fails(3, '', 'lock', '--url', 'http://127.0.0.1:1/notes/0', 'n1')
    t.fails(9, "'ttl' is not between", 'lock', '--url', endpoint(t), '--ttl', '1', 'n1')


if __name__ == '__main__':
    main()
