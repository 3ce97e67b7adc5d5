#!/usr/bin/env python3
"""A server that was restored to an earlier day, or wiped: clients bring back what it lost, once, and
nothing that it meant to lose (P14)."""
import glob
import os
import shutil
import sqlite3

from serve import Failure, main, test


class Fleet:
    """A server that keeps its address, and clients in one folder."""

    def __init__(self, t, *options):
        self.t, self.options = t, options
        self.server, self.url = t.serve('server.db', *options)

    def db(self, name):
        return ('--db', self.t.path(name + '.db'), '--collection', 'notes')

    def put(self, name, json):
        self.t.ok('put', *self.db(name), '--rev', '*', json)

    def sync(self, *names):
        for name in names:
            self.t.ok('sync', *self.db(name), '--url', self.url + '/notes/0', '--once',
                      '--timeout', '30')

    def content(self, name):
        return sorted(self.t.ok('export', *self.db(name)).decode().splitlines())

    def stop(self):
        self.t.same(self.t.stop(self.server).code, 0)

    def start(self):
        self.server = self.t.start('serve', '--db', self.t.path('server.db'), '--listen',
                                   self.url.split('//')[1], *self.options)
        line = self.server.stdout.readline().decode()
        if self.url not in line:
            raise Failure(f'serve said {line!r}')

    def forget(self):
        for path in glob.glob(self.t.path('server.db*')):
            os.remove(path)

    def all_have(self, names, wanted):
        for name in (*names, 'server'):
            self.t.same(self.content(name), wanted, name)
            self.t.ok('check', '--db', self.t.path(name + '.db'))


def lose_a_day(t):
    """n1 and n2 are in the backup; after it n1 is edited, n2 deleted, n3 made."""
    fleet = Fleet(t)
    fleet.put('a', '{"id":"n1","v":1}')
    fleet.put('a', '{"id":"n2","v":1}')
    fleet.sync('a', 'b')
    fleet.stop()
    shutil.copy(t.path('server.db'), t.path('backup'))
    fleet.start()
    fleet.put('a', '{"id":"n1","v":2}')
    fleet.put('a', '{"id":"n3","v":1}')
    t.ok('delete', *fleet.db('a'), 'n2')
    fleet.sync('a', 'b')
    fleet.stop()
    fleet.forget()
    shutil.copy(t.path('backup'), t.path('server.db'))
    fleet.start()
    return fleet


@test
def what_a_restored_server_lost_is_brought_back_once(t):
    fleet = lose_a_day(t)
    fleet.sync('b', 'a', 'b')
    fleet.all_have('ab', ['{"id":"n1","v":2}', '{"id":"n3","v":1}'])
    for name in 'ab':  # what was replaced is kept, but no handler was asked
        log = t.lines('conflicts', 'list', '--db', t.path(name + '.db'), '--json')
        t.same({entry['rule'] for entry in log} - {'newest'}, set(), name)


@test
def new_writes_to_a_restored_server_do_not_hide_what_it_lost(t):
    fleet = lose_a_day(t)
    for i in range(4, 10):  # these take the numbers that were given out before
        fleet.put('c', '{"id":"n%d","v":1}' % i)
    fleet.sync('c', 'b', 'a', 'c', 'b')
    fleet.all_have('abc', ['{"id":"n1","v":2}', '{"id":"n3","v":1}']
                   + ['{"id":"n%d","v":1}' % i for i in range(4, 10)])


@test
def an_edit_that_was_never_sent_survives_the_restore(t):
    fleet = lose_a_day(t)
    fleet.put('b', '{"id":"n3","v":3}')
    fleet.sync('a', 'b', 'a')
    t.same(fleet.content('a'), fleet.content('b'))
    t.same(fleet.content('a'), fleet.content('server'))
    log = t.lines('conflicts', 'list', '--db', t.path('b.db'), '--json')
    kept = fleet.content('b') + [str(entry) for entry in log]
    t.same(any('"v":3' in text or "'v': 3" in text for text in kept), True, str(kept))


@test
def a_wiped_server_is_filled_again(t):
    fleet = lose_a_day(t)
    fleet.sync('b', 'a', 'b')
    fleet.stop()
    fleet.forget()
    fleet.start()
    fleet.sync('b', 'a')
    fleet.all_have('ab', ['{"id":"n1","v":2}', '{"id":"n3","v":1}'])


@test
def a_collection_that_the_server_has_no_more_does_not_stop_the_rest(t):
    rules = '{"collections":{"notes":{"read":%s,"write":true},"tasks":{"read":true,"write":true}}}'
    fleet = Fleet(t, '--rules-file', t.path('rules', rules % 'true'))
    tasks = ('--db', t.path('a.db'), '--collection', 'tasks')
    both = ('sync', *fleet.db('a'), '--collection', 'tasks', '--url', fleet.url + '/notes/0',
            '--once', '--timeout', '10')
    fleet.put('a', '{"id":"n1","v":1}')
    fleet.put('a', '{"id":"n2","v":2}')
    t.ok('put', *tasks, '{"id":"t1"}')
    t.ok(*both)
    fleet.stop()
    with sqlite3.connect(t.path('server.db')) as db:
        db.execute("UPDATE collection SET name = 'other' WHERE name = 'tasks'")
    db.close()
    t.path('rules', rules % '{"v":1}')
    fleet.start()
    t.ok('put', *tasks, '{"id":"t2"}')
    t.ok(*both)
    t.same(fleet.content('a'), ['{"id":"n1","v":1}'])
    for name in ('a', 'server'):
        t.same(t.ok('export', '--db', t.path(name + '.db'), '--collection', 'tasks'),
               b'{"id":"t2"}\n', name)


@test
def what_was_rejected_waits_as_before_when_its_server_was_wiped(t):
    rules = '{"collections":{"notes":{"read":true,"write":{"v":{"$lt":9}}}}}'
    fleet = Fleet(t, '--rules-file', t.path('rules', rules))
    for i in 1, 2, 3:
        fleet.put('a', '{"id":"n%d","v":1}' % i)
    fleet.sync('a')
    for i in 1, 2, 3:
        fleet.put('a', '{"id":"n%d","v":9}' % i)
    sync = ('sync', *fleet.db('a'), '--url', fleet.url + '/notes/0', '--once', '--timeout', '10')
    t.fails(0, 'set aside', *sync)
    fleet.stop()
    fleet.forget()
    fleet.start()
    t.fails(0, 'set aside', *sync)
    entries = t.lines('rejected', '--db', fleet.db('a')[1], '--json')
    t.same([(e['id'], e['code']) for e in entries], [('n1', 403), ('n2', 403), ('n3', 403)])
    t.ok('rejected', 'discard', '--db', fleet.db('a')[1], str(entries[0]['number']))
    t.ok('rejected', 'retry', '--db', fleet.db('a')[1], str(entries[1]['number']))
    fleet.put('a', '{"id":"n3","v":3}')
    t.fails(0, 'set aside: notes/n2', *sync)
    t.ok('rejected', 'discard', '--db', fleet.db('a')[1], '--all')
    fleet.sync('a', 'b')
    fleet.all_have('ab', ['{"id":"n1","v":1}', '{"id":"n2","v":1}', '{"id":"n3","v":3}'])


main()
