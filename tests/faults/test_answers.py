#!/usr/bin/env python3
"""Answers that are none: whatever status comes with whatever body, the program is told what came
and from where, nothing here changes, and when the server answers again all is well without help."""
import gzip
import json
import random

from faults import Client, Failure, Server, check_file, main, test

WIRE = 'application/vnd.libreplica+json'
HTML = '<!DOCTYPE html><html><body>Log in to the airport</body></html>'
BODIES = {
    'empty': ('application/json', b''),
    'html': ('text/html', HTML.encode()),
    'another shape': (WIRE, b'{"hello":["world",null,{"a":1}]}'),
    'a list': (WIRE, b'[1,2,3]'),
    'a number': (WIRE, b'7'),
    'cut off': (WIRE, b'{"documents":[{"id":"x","v":'),
    'huge': ('text/plain', b'x' * 3000000),
    'binary': ('application/octet-stream', bytes(range(256)) * 10),
    'no type': ('', b'{"error":"no"}'),
    'said to be packed': ('application/json', b'this is not gzip'),
    'packed html': ('text/html', gzip.compress(HTML.encode())),
}
STATUSES = [200, 201, 202, 204, 206, 300, 301, 302, 304, 307, 400, 402, 403, 404, 405, 406, 408,
            409, 410, 411, 412, 413, 415, 417, 418, 421, 422, 423, 425, 429, 431, 451, 499, 500,
            501, 502, 503, 504, 505, 507, 511, 520, 526, 599]
# What each is for, and how the program is brought to ask it.
DOORS = {'hello': 'GET .*/hello', 'pull': 'GET .*/pull', 'push': 'POST .*/push',
         'stream': 'GET .*/stream'}


def meant(door, status):
    """Answers that mean something there, and are tested where that is: another dialect, a document
    that is refused, a version, a timeline."""
    return (door == 'hello' and status in (404, 405, 501)) or \
        (door == 'push' and status in (403, 413, 422)) or \
        (door == 'pull' and status == 413) or \
        (status in (404, 426) and door in ('pull', 'push'))


def rule(server, door, status, kind, body):
    headers = [('Content-Encoding', 'gzip')] if 'packed' in kind else []
    if status in (301, 302, 307):
        headers.append(('Location', 'http://127.0.0.1:1/elsewhere'))
    server.proxy.rule('answer', DOORS[door], status=status, type=BODIES[kind][0], headers=headers,
                      body=b'' if status in (204, 304) else body)


class Bench:
    """A client that has what the server has; another one writes there."""

    def __init__(self, t):
        self.t = t
        self.server = Server(t)
        self.a = Client(t, 'a', self.server.url, ['notes'], '-')
        self.b = Client(t, 'b', self.server.url, ['notes'], '-')
        self.n = 0
        self.a.put('notes', {'id': 'kept', 'v': 1})
        self.a.in_sync()
        self.b.in_sync()

    def ask(self, door):
        """Bring it to ask, with something to be had or sent."""
        self.n += 1
        if door == 'push':
            self.a.put('notes', {'id': f'n{self.n}', 'v': 1})
        elif door == 'pull':
            self.b.put('notes', {'id': f'n{self.n}', 'v': 1})
            self.b.in_sync()
            self.a.do('now')
        elif door == 'hello':
            self.a.restart()
        else:
            self.server.proxy.cut_all()
            self.a.do('now')

    def try_one(self, door, status, kind):
        what = f'{door} {status} {kind}'
        before = {key: value for key, value in self.documents().items()}
        if door == 'stream':
            self.a.until(lambda s: s['streaming'], 'streaming')
        at = len(self.server.proxy.requests)
        self.a.do('forget')
        rule(self.server, door, status, kind, BODIES[kind][1])
        self.ask(door)
        if not self.server.proxy.wait_for(lambda: any(
                r.fault == 'answer' and r.done for r in self.server.proxy.requests[at:])):
            raise Failure(f'{what}: it was not asked')
        error = self.a.do('error 3000')
        self.check_error(what, door, status, kind, error)
        for key, value in before.items():
            self.t.same(self.a.get('notes', key), value, what)
        self.server.proxy.rules.clear()
        self.a.do('now')
        self.a.in_sync()
        self.t.same(self.a.do('rejected'), [], what)

    def check_error(self, what, door, status, kind, error):
        if error['code'] == 'REPLICA_OK' or not error['message']:
            raise Failure(f'{what}: said nothing: {error}')
        if self.server.url not in error['where'] or door not in error['where']:
            raise Failure(f'{what}: was not where it says: {error}')
        if 'packed' in kind and status not in (204, 304):
            return  # it may fail while it is unpacked
        if error['detail'] != status or str(status) not in error['message']:
            raise Failure(f'{what}: {error}')
        first = BODIES[kind][1][:12].decode('latin-1') if status not in (204, 304) else ''
        if kind in ('html', 'another shape', 'a list', 'cut off') and first not in error['message']:
            raise Failure(f'{what}: does not show what came: {error}')
        if len(error['message']) > 600:
            raise Failure(f'{what}: is too long')

    def documents(self):
        return {d['id']: d for d in self.a.do('snapshot')['collections']['notes']}

    def end(self):
        for client in (self.a, self.b):
            client.in_sync()
        self.t.same(self.documents(), self.server.documents('notes')[0])
        self.a.quit()
        self.b.quit()
        check_file(self.t, self.a.db)
        self.server.close()


def some(door):
    """Each status and each body at least once; the same ones each time."""
    dice = random.Random(door)
    kinds = list(BODIES)
    chosen = [(status, kinds[i % len(kinds)]) for i, status in enumerate(STATUSES)]
    chosen += [(200, kind) for kind in kinds] + [(dice.choice(STATUSES), kind) for kind in kinds]
    asked = [(status, kind) for status, kind in chosen if not meant(door, status)]
    return asked[::3] if door == 'stream' else asked  # which waits longest before it asks again


def add(door):
    def holds(t):
        bench = Bench(t)
        if door == 'stream':
            bench.b.do('pause')  # the answer is not for its stream
        for status, kind in some(door):
            bench.try_one(door, status, kind)
        bench.b.do('resume')
        bench.end()
    holds.__name__ = f'any_answer_to_{door}_is_told_changes_nothing_and_passes'
    test(holds)


for each in DOORS:
    add(each)


# ---- answers in the right form with nonsense in them ------------------------------


@test
def a_page_that_never_ends_is_no_loop(t):
    """The same pages again and again, each with a checkpoint that moves."""
    bench = Bench(t)
    pages = [json.dumps({'now': 1, 'meta': [], 'documents': [], 'follows': {'id': 'x', 'lwt': n},
                         'checkpoint': {'id': 'x', 'lwt': n % 3 + 1000},
                         'head': {'id': 'x', 'lwt': 10 ** 9}}) for n in range(3)]
    for n in range(60):
        bench.server.proxy.rule('answer', 'GET .*/pull', type=WIRE, body=pages[n % 3])
    at = bench.server.proxy.count('GET .*/pull')
    bench.a.do('now')
    error = bench.a.do('error 3000')
    t.same(error['code'], 'REPLICA_EHTTP', str(error))
    if bench.server.proxy.count('GET .*/pull') - at > 40:
        raise Failure('went round and round')
    bench.server.proxy.rules.clear()
    bench.a.do('now')
    bench.end()


@test
def rows_without_verdict_are_sent_again(t):
    bench = Bench(t)
    for verdicts in ('[null]', '[]', '[null,null]', '[{"conflict":[1,1,0,"x.1",null],"document":'
                     '{"id":"other"}}]', '[{"unheard":1}]', '["taken"]', '[-5]'):
        at = bench.server.proxy.count('POST .*/push')
        bench.server.proxy.rule('answer', 'POST .*/push', type=WIRE,
                                body='{"verdicts":' + verdicts + ',"incarnation":"x"}')
        bench.n += 1
        bench.a.put('notes', {'id': f'n{bench.n}', 'v': 1})
        bench.server.proxy.wait_for(lambda: bench.server.proxy.count('POST .*/push') > at)
        bench.a.in_sync()
        t.same(bench.server.documents('notes')[0].get(f'n{bench.n}'), {'id': f'n{bench.n}', 'v': 1},
               verdicts)
    bench.end()


@test
def conflicts_for_rows_that_were_never_sent_change_nothing(t):
    server = Server(t)
    a = Client(t, 'a', server.url, ['notes'], 'r')
    a.put('notes', {'id': 'mine', 'v': 1})
    a.in_sync()
    server.proxy.rule('answer', 'POST .*/push', body=json.dumps(
        [{'id': 'mine', 'v': 99, '_deleted': False}, {'id': 'foreign', 'v': 1, '_deleted': False}]))
    a.put('notes', {'id': 'other', 'v': 1})
    server.proxy.wait_for(lambda: any(r.fault == 'answer' for r in server.proxy.requests))
    a.in_sync()
    t.same(a.get('notes', 'mine'), {'id': 'mine', 'v': 1})
    t.same(a.get('notes', 'foreign'), None)
    t.same(server.documents('notes')[0]['other'], {'id': 'other', 'v': 1})
    a.quit()
    server.close()


@test
def short_and_empty_pages_and_the_same_document_twice_are_only_pages(t):
    for options in ('-', 'r'):
        server = Server(t, name='server' + options)
        a = Client(t, 'a' + options, server.url, ['notes'], options)
        b = Client(t, 'b' + options, server.url, ['notes'], options + 's')
        server.proxy.rule('cap', 'GET .*/pull', times=0, rows=1)
        a.do('fill notes 0 40 10')
        a.in_sync()
        b.in_sync()
        for n in range(5):
            a.put('notes', {'id': 'f0000003', 't': str(n)})
        a.in_sync()
        b.do('now')
        b.in_sync()
        t.same({d['id']: d for d in b.do('snapshot')['collections']['notes']},
               server.documents('notes')[0])
        a.quit()
        b.quit()
        server.close()


@test
def a_document_twice_in_a_page_is_its_later_state(t):
    server = Server(t)
    a = Client(t, 'a', server.url, ['notes'], '-')
    a.put('notes', {'id': 'x', 'v': 1})
    a.in_sync()
    page = next(r for r in reversed(server.proxy.requests)
                if r.path.endswith('/pull') and r.answer and b'"documents"' in r.answer.body)
    body = json.loads(page.answer.body)
    head = body['head']
    body.update(documents=[{'id': 'y', 'v': 1}, {'id': 'y', 'v': 2}], follows=head,
                meta=[[0, head['lwt'] + n, 1, 0, f'w.{n}', None] for n in (1, 2)],
                checkpoint=head)
    server.proxy.rule('answer', 'GET .*/pull', type=WIRE, body=json.dumps(body))
    a.do('now')
    a.until(lambda s: a.get('notes', 'y') is not None, 'told of y')
    t.same(a.get('notes', 'y'), {'id': 'y', 'v': 2})
    a.quit()
    server.close()


@test
def what_is_too_large_for_the_way_goes_in_halves_and_one_that_is_too_large_alone_is_rejected(t):
    server = Server(t)
    a = Client(t, 'a', server.url, ['notes'], '-')
    a.in_sync()
    server.proxy.rule('limit', 'POST .*/push', times=0, bytes=20000)
    a.do('fill notes 0 300 300')
    a.put('notes', {'id': 'g', 't': 'x' * 50000})
    a.do('fill notes 300 400 300')
    a.in_sync()
    t.same([(e['id'], e['code'], e['kind']) for e in a.do('rejected')], [('g', 413, 1)])
    t.same(len(server.documents('notes')[0]), 400)
    server.proxy.heal()
    a.do(f'retry {a.do("rejected")[0]["number"]}')
    a.in_sync()
    t.same(len(server.documents('notes')[0]), 401)
    a.quit()
    server.close()


if __name__ == "__main__":
    main()
