#!/usr/bin/env python3
"""sync, conflicts, rejected: between databases, through the server and without one."""
import http.server
import json
import signal
import socket
import threading
import time

from cli import main, test

ODD = (b'{"id":"a","n":9007199254740993}\n'
       b'{ "id" : "b" , "d" : 1.10 , "e":1E+2 }\n'
       b'{"z":"\\u0000\\/","id":"c","t":"\\ud800"}\n')


class Peer:
    """One database of a test."""

    def __init__(self, t, name, url, *options):
        self.t, self.db, self.url, self.options = t, t.path(name), url, options
        self.notes = ('--db', self.db, '--collection', 'notes')

    def once(self, *options):
        return self.t.ok('sync', '--db', self.db, '--url', self.url, '--once', *self.options,
                         *options)

    def put(self, text):
        return self.t.ok('put', *self.notes, text).decode().strip()

    def get(self, key):
        return self.t.ok('get', *self.notes, key).decode().rstrip('\n')

    def export(self):
        return self.t.ok('export', *self.notes)


def peers(t, *options, serve=()):
    _, base = t.serve('server.db', *serve)
    return [Peer(t, name, f'{base}/notes/0', *options) for name in ('a.db', 'b.db')]


class Stock(http.server.BaseHTTPRequestHandler):
    """A server that keeps nothing, speaks RxDB's dialect, and refuses documents called bad."""
    status = 200

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if '/_replica/' in self.path or 'pullStream' in self.path:
            self.answer(404, {})
        else:
            self.answer(self.status, {'documents': [], 'checkpoint': {'id': '', 'lwt': 0}})

    def do_POST(self):
        rows = self.rfile.read(int(self.headers['Content-Length']))
        if '/_replica/' in self.path:
            self.answer(404, {})
        elif any(row['newDocumentState']['id'] == 'bad' for row in json.loads(rows)):
            self.answer(422, {'error': 'a word that is not allowed'})
        else:
            self.answer(self.status, [])

    def log_message(self, *args):
        pass


def stock(status=200):
    handler = type('Handler', (Stock,), {'status': status})
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f'http://127.0.0.1:{server.server_port}/notes/0'


@test
def what_one_imports_the_other_exports(t):
    a, b = peers(t)
    t.ok('import', *a.notes, '-', stdin=ODD)
    a.once()
    b.once()
    t.same(b.export(), ODD)
    b.put('{"id":"d"}')
    t.ok('delete', *b.notes, 'a')
    b.once()
    a.once()
    t.same(a.export(), b.export())
    t.same(t.ok('ls', *a.notes), b'b\nc\nd\n')


@test
def a_third_that_speaks_only_the_dialect_of_rxdb_takes_part(t):
    a, b = peers(t)
    t.ok('import', *a.notes, '-', stdin=ODD)
    a.once()
    b.once('--dialect', 'rxdb')
    t.same(b.export(), ODD)
    b.put('{"id":"d"}')
    b.once('--dialect', 'rxdb')
    a.once()
    t.same(a.get('d'), '{"id":"d"}')


@test
def several_collections_with_keys_of_their_own_go_together(t):
    _, base = t.serve('server.db', '--key', 'codes=code', '--key', 'names=code')
    a, b = t.path('a.db'), t.path('b.db')
    t.ok('import', '--db', a, '--collection', 'codes', '--key', 'code', '-', stdin=b'{"code":"x"}\n')
    t.ok('import', '--db', a, '--collection', 'names', '--key', 'code', '-', stdin=b'{"code":"y"}\n')
    both = ('--collection', 'names', '--collection', 'codes', '--url', f'{base}/codes/0', '--once')
    t.ok('sync', '--db', a, *both)
    t.ok('sync', '--db', b, *both, '--key', 'code')
    t.same(t.ok('ls', '--db', b), b'codes\t1\nnames\t1\n')
    t.same(t.ok('get', '--db', b, '--collection', 'names', 'y'), b'{"code":"y"}\n')


@test
def the_summary_says_what_was_done(t):
    a, b = peers(t)
    t.ok('import', *a.notes, '-', stdin=ODD)
    summary = json.loads(a.once('--json'))
    t.same((summary['in_sync'], summary['pushed'], summary['rejected']), (True, 3, 0))
    [status] = t.lines('status', '--db', a.db, '--json')
    t.same([r['dirty'] for r in status['replications']], [0])
    t.same(json.loads(b.once('--json'))['pulled'], 3)


@test
def one_direction_leaves_the_other_alone(t):
    a, b = peers(t)
    a.put('{"id":"a"}')
    a.once('--push-only')
    b.put('{"id":"b"}')
    b.once('--pull-only')
    t.same(b.export(), b'{"id":"a"}\n{"id":"b"}\n')
    a.once()
    t.same(a.export(), b'{"id":"a"}\n')
    b.once()
    a.once('--push-only')
    t.same(a.export(), b'{"id":"a"}\n')
    a.once()
    t.same(a.export(), b.export())


@test
def the_server_wins_a_conflict_and_what_lost_can_be_restored(t):
    a, b = peers(t)
    a.put('{"id":"x","n":0}')
    a.once()
    b.once()
    a.put('{"id":"x","n":1}')
    b.put('{"id":"x","n":2}')
    a.once()
    b.once()
    t.same(b.get('x'), '{"id":"x","n":1}')
    [entry] = t.lines('conflicts', '--db', b.db, '--json')
    t.same([entry[s] for s in ('assumed', 'real', 'local', 'result')],
           [{'id': 'x', 'n': n} for n in (0, 1, 2, 1)])
    t.same((entry['collection'], entry['id'], entry['deleted']), ('notes', 'x', []))
    number = str(entry['number'])
    t.same(' notes/x ' in t.ok('conflicts', '--db', b.db).decode(), True)
    t.same('/n\n    assumed  0\n' in t.ok('conflicts', '--db', b.db, 'show', number).decode(),
           True)
    t.ok('conflicts', '--db', b.db, 'restore', number)
    t.same(b.get('x'), '{"id":"x","n":2}')
    b.once()
    a.once()
    t.same(a.get('x'), '{"id":"x","n":2}')
    [status] = t.lines('status', '--db', b.db, '--json')
    t.same(status['conflicts'] >= 1, True)


@test
def the_client_wins_a_conflict_if_it_is_told_to(t):
    a, b = peers(t)
    a.put('{"id":"x","n":0}')
    a.once()
    b.once()
    a.put('{"id":"x","n":1}')
    a.once()
    b.put('{"id":"x","n":2}')
    b.once('--on-conflict', 'client-wins')
    a.once()
    t.same((a.get('x'), b.get('x')), ('{"id":"x","n":2}',) * 2)


COUNT = '{"":"merge","/n":"sum"}'


def count_twice(a, b, *options):
    """Both add to what both have, and meet."""
    a.put('{"id":"x","n":5}')
    a.once()
    b.once()
    a.put('{"id":"x","n":6}')
    b.put('{"id":"x","n":15,"by":"b"}')
    a.once()
    b.once(*options)
    a.once()
    return a.get('x'), b.get('x')


@test
def rules_are_a_text_a_file_or_a_name(t):
    a, b = peers(t)
    t.same(count_twice(a, b, '--rules', COUNT), ('{"id":"x","n":16,"by":"b"}',) * 2)
    [entry] = t.lines('conflicts', '--db', b.db, '--json')
    t.same(entry['rule'], 'merge')
    a.put('{"id":"x","n":1}')
    b.put('{"id":"x","n":2}')
    a.once()
    b.once('--rules', 'client-wins')
    a.once()
    t.same(a.get('x'), '{"id":"x","n":2}')
    a.put('{"id":"x","n":3}')
    b.put('{"id":"x","n":4}')
    a.once()
    b.once('--rules', '@' + t.path('rules.json', COUNT))
    t.same(b.get('x'), '{"id":"x","n":5}')


@test
def rules_that_are_none_end_the_command(t):
    a, _ = peers(t)
    sync = ('sync', '--db', a.db, '--url', a.url, '--once')
    t.fails(2, 'magic', *sync, '--rules', 'magic')
    t.fails(2, 'sum can never serve a document', *sync, '--rules', 'sum')
    t.fails(2, '/id: sum can never serve the primary key', *sync, '--rules', '{"/id":"sum"}')
    t.fails(2, '"delete" is edit-wins, ', *sync, '--rules', '{"delete":"merge"}')
    t.fails(2, 'exclude each other', *sync, '--rules', COUNT, '--on-conflict', 'server-wins')
    t.fails(8, 'missing.json', *sync, '--rules', '@' + t.path('missing.json'))


@test
def a_server_tells_the_rules_of_a_collection(t):
    a, b = peers(t, serve=('--rules', 'notes=' + COUNT, '--rules', 'client-wins'))
    t.same(count_twice(a, b), ('{"id":"x","n":16,"by":"b"}',) * 2)


@test
def a_server_tells_rules_for_all_others_and_who_has_a_say_goes_by_that(t):
    a, b = peers(t, serve=('--rules', COUNT))
    t.same(count_twice(a, b), ('{"id":"x","n":16,"by":"b"}',) * 2)
    a.put('{"id":"x","n":1}')
    b.put('{"id":"x","n":2}')
    a.once()
    b.once('--on-conflict', 'server-wins')
    t.same(b.get('x'), '{"id":"x","n":1}')


@test
def a_server_refuses_rules_that_are_none(t):
    serve = ('serve', '--db', t.path('s.db'), '--listen', '127.0.0.1:0', '--rules')
    t.fails(2, 'magic', *serve, 'notes=magic')
    t.fails(2, 'magic', *serve, 'magic')
    t.fails(2, 'sum can never serve a document', *serve, 'notes=sum')
    t.fails(2, 'sum can never serve a document', *serve, 'sum')
    t.fails(2, 'twice', *serve, 'merge', '--rules', 'client-wins')
    t.fails(2, 'twice', *serve, 'notes=merge', '--rules', 'notes=client-wins')
    t.fails(2, 'NAME=', *serve, 'notes=')


@test
def the_schemas_rules_are_told_and_must_fit_it(t):
    schema = {'version': 0, 'primaryKey': 'id', 'type': 'object', 'properties': {
        'id': {'type': 'string', 'maxLength': 9}, 'n': {'type': 'integer'}, 'by': {'type': 'string'}},
        'x-conflict': {'': 'merge', '/n': 'sum'}}
    a, b = peers(t, serve=('--schema', 'notes=' + t.path('good.json', json.dumps(schema))))
    t.same(count_twice(a, b), ('{"id":"x","n":16,"by":"b"}',) * 2)
    schema['x-conflict'] = {'/id': 'sum'}
    t.fails(7, '/id', 'serve', '--db', t.path('s.db'), '--listen', '127.0.0.1:0', '--schema',
            'notes=' + t.path('bad.json', json.dumps(schema)))


@test
def a_deletion_that_somebody_is_to_judge_waits_and_the_rest_is_sent(t):
    a, b = peers(t)
    a.put('{"id":"x","n":0}')
    a.once()
    b.once()
    t.ok('delete', *a.notes, 'x')
    a.once()
    b.put('{"id":"x","n":2}')
    b.put('{"id":"y"}')
    ask = ('sync', '--db', b.db, '--url', b.url, '--once', '--rules',
           '{"":"merge","delete":"ask"}')
    t.fails(1, '1 in conflict', *ask)
    t.fails(1, '1 in conflict', *ask)
    a.once()
    t.same(a.get('y'), '{"id":"y"}')
    b.once('--rules', '{"":"merge","delete":"keep-copy"}')
    a.once()
    copy, y = t.ok('ls', *a.notes).decode().split()
    t.same((copy[:2], y), ('x~', 'y'))


@test
def a_server_that_is_not_there_is_told_at_once_and_the_queue_stays(t):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{s.getsockname()[1]}/notes/0'
    t.ok('put', *t.notes, '{"id":"a"}')
    start = time.monotonic()
    t.fails(3, 'not in sync', 'sync', '--db', t.db, '--url', url, '--once')
    t.same(time.monotonic() - start < 20, True)
    t.fails(3, 'the time is over', 'sync', '--db', t.db, '--url', url, '--once', '--timeout', '1')
    [[replication]] = [s['replications'] for s in t.lines('status', '--db', t.db, '--json')]
    t.same((replication['collections'], replication['dirty'], replication['rejected']),
           ('notes', 1, 0))
    t.same(t.ok('ls', *t.notes), b'a\n')


@test
def credentials_are_asked_for_and_never_shown(t):
    token, other = 'sesame-open-1234', 'knock-knock-5678'
    a, _ = peers(t, serve=('--token-file', t.path('tokens', token + '\n')))
    a.put('{"id":"a"}')
    sync = ('sync', '--db', a.db, '--url', a.url, '--once')
    t.fails(4, '', *sync)
    done = t.fails(4, '', *sync, '--token-file', t.path('wrong', other + '\n'))
    t.same(other in done.err, False, done.err)
    t.fails(4, 'No such file', *sync, '--token-file', t.path('none'))
    t.fails(4, 'empty', *sync, '--token-file', t.path('empty', ''))
    t.ok(*sync, '--token-file', t.path('right', f'  {token}\n'))


@test
def what_is_wrong_with_a_url_is_said_without_what_is_secret_in_it(t):
    for url in ('http://u:open-sesame@h:1/notes/0?key=knock-5678', 'http://h:1/notes/0#knock-5678'):
        for command in (('sync', '--db', t.db, '--once'), ('lock', 'k'), ('locks',)):
            done = t.fails(2, '', *command, '--url', url)
            t.same(('open-sesame' in done.err, 'knock-5678' in done.err), (False, False), done.err)


@test
def an_outdated_schema_version_is_an_error_of_its_own(t):
    a, b = peers(t)
    a.url = a.url[:-1] + '1'
    a.put('{"id":"a"}')
    a.once()
    t.same(t.lines('ls', '--db', a.db, '--json')[0]['version'], 1)
    b.put('{"id":"b"}')
    t.fails(5, '', 'sync', '--db', b.db, '--url', b.url, '--once')
    t.fails(5, 'version', 'sync', '--db', a.db, '--url', b.url, '--once')
    b.url = a.url
    b.once()
    a.once()
    t.same(a.export(), b'{"id":"a"}\n{"id":"b"}\n')


@test
def a_refused_document_is_set_aside_and_the_others_go_on(t):
    server, url = stock()
    for key in ('a', 'bad', 'c'):
        t.ok('put', *t.notes, '{"id":"%s"}' % key)
    sync = ('sync', '--db', t.db, '--url', url, '--once')
    t.fails(0, 'set aside: notes/bad', *sync)
    [entry] = t.lines('rejected', '--db', t.db, '--json')
    t.same((entry['collection'], entry['id'], entry['kind'], entry['code'], entry['local']),
           ('notes', 'bad', 'refused', 422, {'id': 'bad'}))
    t.same(' notes/bad refused 422 ' in t.ok('rejected', '--db', t.db).decode(), True)
    number = str(entry['number'])
    t.ok('rejected', '--db', t.db, 'retry', number)
    t.fails(0, 'set aside: notes/bad', *sync)
    number = str(t.lines('rejected', '--db', t.db, '--json')[0]['number'])
    t.ok('rejected', '--db', t.db, 'discard', number)
    t.same(t.ok('rejected', '--db', t.db), b'')
    t.same(t.ok('ls', *t.notes), b'a\nc\n')
    t.ok(*sync)
    server.shutdown()


@test
def a_server_that_refuses_everything_is_told_apart(t):
    server, url = stock(503)
    t.ok('put', *t.notes, '{"id":"a"}')
    t.fails(1, 'the time is over', 'sync', '--db', t.db, '--url', url, '--once', '--timeout', '1')
    server.shutdown()


@test
def live_changes_arrive_by_themselves(t):
    a, b = peers(t)
    a.put('{"id":"a"}')
    b.put('{"id":"b"}')
    live = [t.start('sync', '--db', p.db, '--url', p.url, '--live') for p in (a, b)]
    watch = t.start('watch', *b.notes, '--since', '0', '--docs')
    seen = {json.loads(watch.stdout.readline())['id'] for _ in range(2)}
    t.same(seen, {'a', 'b'})
    t.ok('put', *a.notes, '{"id":"a","n":1}')
    t.same(json.loads(watch.stdout.readline())['doc'], {'id': 'a', 'n': 1})
    t.same({c['id'] for c in t.lines('watch', *a.notes, '--since', '0', '--count', '2')},
           {'a', 'b'})
    t.same(t.stop(watch).code, 0)
    for process in live:
        done = t.stop(process, signal.SIGINT)
        t.same((done.code, done.err), (0, ''))


@test
def an_interrupted_sync_is_not_in_sync(t):
    server, url = stock(503)
    t.ok('put', *t.notes, '{"id":"a"}')
    process = t.start('sync', '--db', t.db, '--url', url, '--live')
    process.stderr.readline()
    done = t.stop(process, signal.SIGINT)
    t.same((done.code, 'interrupted' in done.err), (1, True), done.err)
    server.shutdown()


@test
def everything_that_was_synced_is_sound(t):
    a, b = peers(t)
    t.ok('import', *a.notes, '-', stdin=b''.join(b'{"id":"%d"}\n' % n for n in range(3000)))
    a.once()
    b.once()
    t.ok('delete', *b.notes, '7')
    b.once()
    a.once()
    t.same(a.export() == b.export(), True)
    for db in (a.db, b.db, t.path('server.db')):
        t.same(t.ok('check', '--db', db), b'')


if __name__ == '__main__':
    main()
