#!/usr/bin/env python3
"""Answers that are lost: what a push has done is done once, whoever restarts meanwhile and whatever
is written before the server is asked again; and old requests that come late bring nothing back."""
import http.client
import itertools
import json

from faults import Client, Failure, Server, check_file, main, test

BASE = {'n': 10, 'w': ['x'], 'items': [{'id': 'i', 'c': 1}], 't': 'one two three'}
PAUSED = 6  # REPLICA_SYNC_PAUSED
RULES = {
    'server-wins': None, 'client-wins': '"client-wins"', 'last-write-wins': '"last-write-wins"',
    'max': '{"":"merge","/n":"max"}', 'min': '{"":"merge","/n":"min"}',
    'sum': '{"":"merge","/n":"sum"}', 'set-union': '{"":"merge","/w":"set-union"}',
    'list-by-key': '{"":"merge","/items":{"list-by-key":"id"},"/items/*/c":"sum"}',
    'text': '{"":"merge","/t":"text"}', 'merge': '"merge"', 'add': 'add',
}
OURS = [name + ('=' + rules if rules else '') for name, rules in RULES.items()]


def first(d):
    if 'w' not in d:
        return {**d, 'n': d['n'] + 5}
    return {**d, 'n': d['n'] + 5, 'w': d['w'] + ['y'], 't': 'one two three four',
            'items': [{'id': 'i', 'c': 3}, {'id': 'j', 'c': 1}]}


def second(d):
    if 'w' not in d:
        return {**d, 'n': d['n'] + 3}
    return {**d, 'n': d['n'] + 3, 'w': d['w'] + ['z'], 't': 'zero one two three four',
            'items': [{'id': 'i', 'c': 7}, {'id': 'j', 'c': 1}]}


def third(d):
    """Of somebody else, who has seen the first."""
    if 'w' not in d:
        return {**d, 'n': d['n'] + 100}
    return {**d, 'n': d['n'] + 100, 'w': d['w'] + ['b']}


class Pair:
    """Two clients that have the same, and a server."""

    def __init__(self, t, options='f'):
        self.t = t
        self.server = Server(t)
        self.a = Client(t, 'a', self.server.url, OURS, options)
        self.b = Client(t, 'b', self.server.url, OURS, options)
        for name in RULES:
            self.a.put(name, {'id': 'd', 'n': 10} if name == 'add' else {'id': 'd', **BASE})
        self.a.in_sync()
        self.b.do('now')
        self.b.in_sync()
        self.all_have(lambda name, document: document)

    def edit(self, client, how, goes_on=True):
        """All of them, so that they go in one push."""
        client.do('pause')
        client.until(lambda s: s['state'] == PAUSED, 'paused')
        for name in RULES:
            client.change(name, 'd', how)
        if goes_on:
            client.do('resume')

    def lose(self):
        """The next push is taken, and nobody here hears of it."""
        self.server.proxy.rule('lose', 'POST .*/push')

    def wait_lost(self):
        lost = self.server.proxy.wait_for(
            lambda: any(r.fault == 'lose' and r.done for r in self.server.proxy.requests))
        self.t.same(lost, True, 'a push was lost')

    def restart(self, what):
        if 'server' in what:
            self.server.restart()
        if 'client' in what:
            self.a.kill()
            self.a.start()

    def settle(self):
        for client in (self.a, self.b, self.a, self.b):
            client.do('now')
            client.in_sync()

    def all_have(self, wanted):
        for name in RULES:
            there, _ = self.server.documents(name)
            for client in (self.a, self.b):
                self.t.same(client.get(name, 'd'), there['d'], f'{client.name} {name}')
            self.t.same(there['d'], wanted(name, there['d']), name)

    def end(self):
        for client in (self.a, self.b):
            self.t.same(client.do('rejected'), [])
            client.quit()
            check_file(self.t, client.db)
        self.server.close()


def base(name):
    return {'id': 'd', 'n': 10} if name == 'add' else {'id': 'd', **BASE}


def lost(t, restart, edited):
    pair = Pair(t)
    pair.lose()
    pair.edit(pair.a, first)
    pair.wait_lost()
    if edited:
        pair.edit(pair.a, second)
    pair.restart(restart)
    pair.settle()
    wanted = {name: second(first(base(name))) if edited else first(base(name)) for name in RULES}
    pair.all_have(lambda name, document: wanted[name])
    for client in (pair.a, pair.b):  # nobody was in anybody's way
        t.same(client.do('log'), [], client.name)
    pair.end()


def add_lost(restart, edited):
    def holds(t):
        lost(t, restart, edited)
    holds.__name__ = 'a_push_whose_answer_was_lost_counts_once' \
        + ('_with_an_edit_before_the_next_try' if edited else '') \
        + (f'_and_a_restart_of_{"_and_".join(restart)}' if restart else '')
    test(holds)


for each in itertools.product(((), ('client',), ('server',), ('client', 'server')),
                              (False, True)):
    add_lost(*each)


@test
def what_somebody_else_wrote_between_is_added_to(t):
    pair = Pair(t)
    pair.lose()
    pair.edit(pair.a, first)
    pair.wait_lost()
    pair.edit(pair.a, second, False)
    pair.b.do('now')
    pair.b.until(lambda s: all(pair.b.get(name, 'd')['n'] == 15 for name in RULES), 'told')
    pair.edit(pair.b, third)
    pair.b.in_sync()
    pair.a.do('resume')
    pair.settle()
    for name, n in (('sum', 118), ('add', 118), ('max', 115), ('min', 18)):
        t.same(pair.server.documents(name)[0]['d']['n'], n, name)
    t.same(sorted(pair.server.documents('set-union')[0]['d']['w']), ['b', 'x', 'y', 'z'])
    t.same(pair.server.documents('text')[0]['d']['t'], 'zero one two three four')
    pair.all_have(lambda name, document: document)
    pair.end()


def post(url, message):
    """An old request, once more."""
    host, port = url.split('//')[1].rsplit(':', 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request('POST', message.line.split(' ')[1], message.body, dict(message.headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@test
def old_pushes_that_come_late_bring_nothing_back(t):
    pair = Pair(t)
    pair.edit(pair.a, first)
    pair.a.in_sync()
    pair.b.do('now')
    pair.b.in_sync()
    pair.edit(pair.b, third)
    pair.b.do('del server-wins * d')
    pair.b.put('merge', {'id': 'new', 'n': 1})
    pair.settle()
    pair.b.do('del merge * new')
    pair.settle()
    before = {name: pair.server.documents(name) for name in RULES}
    old = list(pair.server.proxy.pushes)
    for restarted in (False, True):
        if restarted:
            pair.server.restart()
        for message in old + old[::-1]:
            status, body = post(pair.server.proxy.to, message)
            if status == 200 and any(isinstance(v, int) for v in json.loads(body)['verdicts']):
                raise Failure(f'taken again: {message.body} {body}')
        t.same({name: pair.server.documents(name) for name in RULES}, before)
    pair.settle()
    t.same({name: pair.server.documents(name) for name in RULES}, before)
    pair.end()


@test
def old_pushes_of_the_dialect_of_rxdb_bring_nothing_back(t):
    server = Server(t)
    a = Client(t, 'a', server.url, ['notes'], 'rf')
    a.put('notes', {'id': 'a', 'v': 1})
    a.put('notes', {'id': 'gone', 'v': 1})
    a.in_sync()
    a.put('notes', {'id': 'a', 'v': 2})
    a.do('del notes * gone')
    a.in_sync()
    before = server.documents('notes')
    for message in list(server.proxy.pushes):
        post(server.proxy.to, message)
    t.same(server.documents('notes')[0], before[0])
    a.do('now')
    a.in_sync()
    t.same(a.get('notes', 'a'), {'id': 'a', 'v': 2})
    t.same(a.get('notes', 'gone'), None)
    a.quit()
    server.close()


@test
def in_the_dialect_of_rxdb_a_lost_answer_is_no_conflict_with_oneself(t):
    server = Server(t)
    rules = ['sum=' + RULES['sum'], 'add=add', 'server-wins']
    a = Client(t, 'a', server.url, rules, 'rf')
    for name in ('sum', 'add', 'server-wins'):
        a.put(name, {'id': 'd', 'n': 10})
    a.in_sync()
    server.proxy.rule('lose', 'POST .*/push', times=3)
    for name in ('sum', 'add', 'server-wins'):
        a.add(name, 'd', 5)
    server.proxy.wait_for(lambda: server.proxy.count('POST .*/push') >= 4)
    for name in ('sum', 'add', 'server-wins'):
        a.add(name, 'd', 3)
    a.kill()
    a.start()
    a.in_sync()
    for name in ('sum', 'add', 'server-wins'):
        t.same(server.documents(name)[0]['d'], {'id': 'd', 'n': 18}, name)
        t.same(a.get(name, 'd'), {'id': 'd', 'n': 18}, name)
    t.same(a.do('log'), [])
    a.quit()
    server.close()


if __name__ == "__main__":
    main()
