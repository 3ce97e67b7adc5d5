#!/usr/bin/env python3
"""Access rules between real programs: what ends leaves the client, what begins reaches it, and
nothing that was not for somebody is ever in its file."""
import json
import os
import select
import shutil

from serve import Client, Stream, main, test

OWNER = {'read': {'$or': [{'owner': '$auth.sub'}, {'readers': '$auth.sub'}]},
         'write': {'$or': [{'owner': '$auth.sub'}, {'readers': '$auth.sub'}]}}
SECRET = '5ec4e7b1'


class World:
    """A server with rules, and replicas of anna's and bob's."""

    def __init__(self, t, rules=None):
        self.t = t
        self.say(anna={'sub': 'anna'}, bob={'sub': 'bob'})
        self.rule(rules or {'notes': OWNER})
        self.server, self.url = None, None
        self.start()

    def say(self, **claims):
        """What their tokens say from the next start on."""
        for name in claims:
            self.t.path(name + '.token', f'token-of-{name}\n')
        self.t.path('tokens', ''.join(f'token-of-{name} {json.dumps(said)}\n'
                                      for name, said in claims.items()))

    def rule(self, collections, **more):
        self.t.path('rules.json', json.dumps({'collections': collections, **more}))

    def start(self, *more):
        args = ['serve', '--db', self.t.path('server.db'), '--token-file', self.t.path('tokens'),
                '--rules-file', self.t.path('rules.json'), '--listen',
                self.url.split('//')[1] if self.url else '127.0.0.1:0', *more]
        os.chmod(self.t.path('tokens'), 0o600)
        self.server = self.t.start(*args)
        line = self.server.stdout.readline().decode()
        self.t.same(line.startswith('listening '), True, line)
        self.url = line.split()[1]

    def restart(self, *more):
        self.t.same(self.t.stop(self.server).code, 0)
        self.start(*more)

    def notes(self, name):
        return ('--db', self.t.path(name + '.db'), '--collection', 'notes')

    def put(self, name, **document):
        self.t.ok('put', *self.notes(name), '--rev', '*', json.dumps(document))

    def sync(self, *names):
        for name in names:
            done = self.t.run('sync', *self.notes(name), '--url', self.url + '/notes/0', '--once',
                              '--token-file', self.t.path(name + '.token'), '--timeout', '20')
            self.t.same(done.code, 0, done.err)

    def has(self, name):
        lines = self.t.ok('export', *self.notes(name)).decode().splitlines()
        return sorted(json.loads(line)['id'] for line in lines)

    def rejected(self, name):
        lines = self.t.ok('rejected', 'list', '--db', self.t.path(name + '.db'), '--json')
        return sorted((entry['id'], entry['kind']) for entry in map(json.loads, lines.splitlines()))

    def is_in_file(self, name, text):
        """Anywhere in the bytes of the file and what stands beside it."""
        return any(text.encode() in open(path, 'rb').read()
                   for path in (self.t.path(name + '.db'), self.t.path(name + '.db-wal'))
                   if os.path.exists(path))


@test
def each_gets_what_is_for_it_and_what_is_not_is_never_in_its_file(t):
    w = World(t)
    w.put('anna', id='a', owner='anna', t='mine')
    w.put('anna', id='s', owner='anna', readers=['bob'], t='shared')
    w.put('bob', id='b', owner='bob', t=SECRET)
    w.sync('anna', 'bob', 'anna')
    t.same(w.has('anna'), ['a', 's'])
    t.same(w.has('bob'), ['b', 's'])
    t.same(w.is_in_file('anna', SECRET), False)


@test
def what_a_document_takes_away_leaves_and_what_it_gives_comes(t):
    w = World(t)
    w.put('anna', id='s', owner='anna', readers=['bob'], t='7e12c0ffee')
    w.sync('anna', 'bob')
    t.same(w.has('bob'), ['s'])
    w.put('bob', id='s', owner='anna', readers=['bob'], t='0ddba11ed')
    w.sync('bob', 'anna')
    w.put('anna', id='s', owner='anna', t=SECRET)
    w.sync('anna', 'bob')
    t.same(w.has('bob'), [])
    for text in ('7e12c0ffee', '0ddba11ed'):
        t.same(w.is_in_file('bob', text), False, text)
    t.same(w.is_in_file('bob', SECRET), False)
    w.put('anna', id='s', owner='anna', readers=['bob'], t='two')
    w.sync('anna', 'bob')
    t.same(w.has('bob'), ['s'])
    t.ok('check', '--db', t.path('bob.db'))


@test
def an_edit_of_what_is_gone_waits_in_the_list_of_rejected_documents(t):
    w = World(t)
    w.put('anna', id='s', owner='anna', readers=['bob'], t='one')
    w.sync('anna', 'bob')
    w.put('bob', id='s', owner='anna', readers=['bob'], t='edit of bob')
    w.put('bob', id='n', owner='bob', t='neighbour')
    w.put('anna', id='s', owner='anna', t=SECRET)
    w.sync('anna', 'bob')
    t.same(w.has('bob'), ['n'])
    t.same(w.rejected('bob'), [('s', 'revoked')])
    t.same(w.is_in_file('bob', SECRET), False)
    t.same(w.has('server'), ['n', 's'])


@test
def claims_that_change_take_away_and_give_also_what_is_old(t):
    w = World(t, {'notes': {'read': {'team': {'$in': '$auth.teams'}}, 'write': True}})
    w.say(anna={'teams': ['x', 'y']}, bob={'teams': ['x']})
    w.restart()
    w.put('anna', id='x', team='x')
    w.put('anna', id='y', team='y')
    w.sync('anna', 'bob')
    t.same(w.has('bob'), ['x'])
    w.say(anna={'teams': ['x', 'y']}, bob={'teams': ['y']})
    w.restart()
    w.sync('bob')
    t.same(w.has('bob'), ['y'])
    w.say(anna={'teams': ['x', 'y']}, bob={})
    w.restart()
    w.sync('bob')
    t.same(w.has('bob'), [])


@test
def rules_that_change_do_the_same(t):
    w = World(t, {'notes': {'read': True, 'write': True}})
    w.put('anna', id='a', owner='anna')
    w.put('anna', id='b', owner='bob')
    w.sync('anna', 'bob')
    t.same(w.has('bob'), ['a', 'b'])
    w.rule({'notes': OWNER})
    w.restart()
    w.sync('anna', 'bob')
    t.same((w.has('anna'), w.has('bob')), (['a'], ['b']))
    w.rule({'notes': {'read': True, 'write': True}})
    w.restart()
    w.sync('anna', 'bob')
    t.same((w.has('anna'), w.has('bob')), (['a', 'b'], ['a', 'b']))


@test
def a_write_that_is_not_allowed_is_rejected_and_its_neighbours_arrive(t):
    w = World(t)
    w.put('bob', id='b', owner='bob', t=SECRET)
    w.put('anna', id='b', owner='anna', t='taken over')
    w.put('anna', id='x', owner='bob', t='given away')
    w.put('anna', id='a', owner='anna')
    w.sync('bob', 'anna', 'bob')
    t.same(w.has('server'), ['a', 'b'])
    t.same(w.has('bob'), ['b'])
    t.same(w.rejected('anna'), [('b', 'refused'), ('x', 'refused')])
    t.same(w.is_in_file('anna', SECRET), False)


@test
def what_could_not_be_applied_leaves_the_list_with_the_right_to_see_it(t):
    w = World(t)
    t.ok('put', *w.notes('bob'), '--schema', t.path('schema.json', json.dumps({
        'version': 0, 'primaryKey': 'id', 'type': 'object', 'additionalProperties': True,
        'required': ['id'], 'properties': {'id': {'type': 'string', 'maxLength': 50},
                                           'n': {'maximum': 5}}})),
        '{"id":"own","owner":"bob"}')
    w.put('anna', id='new', owner='anna', readers=['bob'], n=7, t=SECRET)
    w.put('anna', id='old', owner='anna', readers=['bob'])
    w.put('anna', id='stays', owner='anna', readers=['bob', 'staff'], n=7)
    w.sync('anna', 'bob')
    w.put('anna', id='old', owner='anna', readers=['bob'], n=7, t=SECRET)
    w.sync('anna', 'bob')
    t.same(w.rejected('bob'), [(key, 'unapplied') for key in ('new', 'old', 'stays')])
    w.say(anna={'sub': 'anna'}, bob={'sub': 'staff'})
    w.restart()
    w.sync('bob')
    t.same((w.has('bob'), w.rejected('bob')), ([], [('stays', 'unapplied')]))
    t.same(w.is_in_file('bob', SECRET), False)


@test
def so_it_does_when_the_filter_changes_with_the_claims(t):
    w = World(t)
    w.say(anna={'sub': 'anna'}, bob={'sub': 'bob'}, carl={'sub': 'staff'})
    w.restart()
    t.ok('put', *w.notes('bob'), '--schema', t.path('schema.json', json.dumps({
        'version': 0, 'primaryKey': 'id', 'type': 'object', 'additionalProperties': True,
        'required': ['id'], 'properties': {'id': {'type': 'string', 'maxLength': 50},
                                           'n': {'maximum': 5}}})),
        '{"id":"own","owner":"bob"}')
    w.put('anna', id='new', owner='anna', readers=['bob'], n=7, t=SECRET)
    w.put('anna', id='both', owner='anna', readers=['bob', 'staff'])
    w.sync('anna', 'bob')
    t.same(w.rejected('bob'), [('new', 'unapplied')])
    t.ok('sync', *w.notes('bob'), '--url', w.url + '/notes/0', '--once', '--token-file',
         t.path('carl.token'), '--filter', '{"owner":"anna"}')
    t.same((w.has('bob'), w.rejected('bob')), (['both'], []))
    t.same(w.is_in_file('bob', SECRET), False)


def loses_and_takes_away(t, lose):
    """A server that lost what is not for bob any more gets it back from him, and he loses it."""
    w = World(t, {'notes': {'read': {'team': {'$in': '$auth.teams'}}, 'write': True}})
    w.say(anna={'teams': ['x', 'y']}, bob={'teams': ['x', 'y']})
    w.restart()
    for key in ('x', 'y'):
        w.put('anna', id=key, team=key)
    w.sync('anna', 'bob')
    t.same(t.stop(w.server).code, 0)
    shutil.copy(t.path('server.db'), t.path('backup.db'))
    w.start()
    w.put('anna', id='x2', team='x')
    w.put('anna', id='y2', team='y', t=SECRET)
    w.put('anna', id='x', team='y', t=SECRET)
    w.sync('anna', 'bob')
    t.same(t.stop(w.server).code, 0)
    for end in ('', '-wal', '-shm'):
        if os.path.exists(t.path('server.db' + end)):
            os.remove(t.path('server.db' + end))
    if not lose:
        shutil.copy(t.path('backup.db'), t.path('server.db'))
    w.say(anna={'teams': ['x', 'y']}, bob={'teams': ['x']})
    w.start()
    w.sync('bob')
    t.same(w.has('server'), ['x', 'x2', 'y', 'y2'])
    t.same((w.has('bob'), w.rejected('bob')), (['x2'], []))
    t.same(w.is_in_file('bob', SECRET), False)
    w.sync('anna')
    t.same(w.has('anna'), ['x', 'x2', 'y', 'y2'])


@test
def what_a_restored_server_gets_back_leaves_who_may_not_see_it_any_more(t):
    loses_and_takes_away(t, lose=False)


@test
def what_a_wiped_server_gets_back_leaves_them_too(t):
    loses_and_takes_away(t, lose=True)


@test
def a_collection_that_has_access_rules_rises_and_gets_other_rules(t):
    w = World(t)
    w.put('anna', id='s', owner='anna', readers=['bob'], n=1)
    w.put('anna', id='a', owner='anna', t=SECRET)
    w.sync('anna', 'bob')
    schema = t.path('schema.json', json.dumps({
        'version': 1, 'primaryKey': 'id', 'type': 'object', 'required': ['id'],
        'properties': {'id': {'type': 'string', 'maxLength': 50}, 'owner': {'type': 'string'}}}))
    w.restart('--rules', 'notes={"/n":"max"}')
    asked = Client(w.url)
    bob = {'Authorization': 'Bearer token-of-bob'}
    t.same(asked.get('/_replica/1/hello', **bob).json()['rules'], {'notes': {'/n': 'max'}})
    w.restart('--schema', 'notes=' + schema)
    asked = Client(w.url)
    t.same(asked.get('/notes/0/pull?limit=5', **bob).status, 426)
    t.same(asked.get('/notes/1/pull?limit=5', **bob).json()['documents'], [])
    t.same(asked.push('/notes/1/push', [{'newDocumentState': {'id': 'b', 'owner': 'bob'}}],
                      **bob).json(), [])
    t.same([d['id'] for d in asked.get('/notes/1/pull?limit=5', **bob).json()['documents']], ['b'])
    t.same(SECRET.encode() in asked.get('/notes/1/pull?limit=5', **bob).body, False)


@test
def events_and_locks_go_to_those_whom_the_rules_name(t):
    w = World(t)
    w.rule({'notes': OWNER}, locks=['/u/$auth.sub'],
           events={'listen': ['/u/$auth.sub/**', '/news'], 'emit': ['/u/*/in', '/news']})
    w.restart()
    w.put('anna', id='a', owner='anna')
    w.sync('anna')
    token = {name: {'Authorization': f'Bearer token-of-{name}'} for name in ('anna', 'bob')}
    streams = {name: Stream(w.url, '/_replica/1/stream?c=notes/0&listen=/**', **token[name])
               for name in token}
    asked = Client(w.url)

    def post(who, path, **body):
        answer = asked.ask('POST', '/_replica/1/' + path, json.dumps(body), **token[who])
        return answer.status, answer.json()

    def told(name):
        while True:
            lines = streams[name].event().split('\n')
            if lines[0] == 'event: event':
                return lines[1]

    t.same(post('bob', 'emit', events=[['/u/anna/out', SECRET]])[0], 403)
    t.same(post('bob', 'emit', events=[['/u/anna/in', 1], ['/x', SECRET]]),
           (200, {'taken': 1, 'refused': 1}))
    t.same(post('anna', 'emit', events=[['/news', 2]]), (200, {'taken': 1}))
    t.same(told('anna'), 'data: {"events":[["/u/anna/in",1]]}')
    t.same(told('anna'), 'data: {"events":[["/news",2]]}')
    t.same(told('bob'), 'data: {"events":[["/news",2]]}')

    lock = {'client': 'c', 'name': 'n', 'collection': None, 'key': '/u/anna'}
    t.same(post('bob', 'lock', **lock)[0], 403)
    t.same('fence' in post('anna', 'lock', **lock)[1], True)
    t.same([len(post(name, 'locks')[1]['locks']) for name in ('anna', 'bob')], [1, 0])


@test
def a_program_that_listens_hears_what_the_rules_allow_to_its_client(t):
    w = World(t)
    w.rule({'notes': OWNER}, events={'listen': ['/u/$auth.sub/*'], 'emit': ['/u/**']})
    w.restart()
    w.sync('anna', 'bob')
    for name in ('anna', 'bob'):
        t.start('sync', *w.notes(name), '--live', '--url', w.url + '/notes/0', '--token-file',
                t.path(name + '.token'))
    listener = t.start('listen', '--db', t.path('bob.db'), '/**')
    heard = []
    for n in range(200):
        t.ok('emit', '--db', t.path('anna.db'), '/u/anna/x', f'"{SECRET}"')
        t.ok('emit', '--db', t.path('anna.db'), '/u/bob/x', str(n))
        if select.select([listener.stdout], [], [], 0.1)[0]:
            heard.append(json.loads(listener.stdout.readline()))
            break
    t.same([event['address'] for event in heard], ['/u/bob/x'])
    t.same(w.is_in_file('bob', SECRET), False)


@test
def a_rules_file_that_is_wrong_keeps_the_server_from_starting(t):
    w = World(t)
    w.rule({'notes': {'raed': True}})
    t.fails(2, 'collections.notes.raed: there is no such rule', 'serve', '--db', t.path('s.db'),
            '--listen', '127.0.0.1:0', '--rules-file', t.path('rules.json'))


@test
def without_tokens_rules_with_claims_are_closed(t):
    t.path('rules.json', json.dumps({'collections': {'notes': OWNER,
                                                     'open': {'read': True, 'write': True}}}))
    _, url = t.serve('server.db', '--rules-file', t.path('rules.json'))
    asked = Client(url)
    t.same(asked.push('/notes/0/push', [{'newDocumentState': {'id': 'a', 'owner': None}}]).json(),
           [{'id': 'a', 'owner': None, '_deleted': True}])
    t.same(asked.push('/open/0/push', [{'newDocumentState': {'id': 'a'}}]).json(), [])
    t.same(len(asked.get('/open/0/pull?limit=5').json()['documents']), 1)


if __name__ == '__main__':
    main()
