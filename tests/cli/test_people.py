#!/usr/bin/env python3
"""What people and scripts ask: status, rejected, the exit codes of sync, its trace."""
import http.server
import json
import signal
import socket
import threading
import time

from cli import main, test


class Judge(http.server.BaseHTTPRequestHandler):
    """A server of RxDB's dialect that keeps nothing and refuses documents whose key is bad...

    What it refuses and how it answers are its server's: bad (a prefix), status, silent.
    """

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.server.silent:
            self.server.gate.wait()
            self.close_connection = True
        elif '/_replica/' in self.path or 'pullStream' in self.path:
            self.answer(404, {})
        else:
            self.answer(self.server.status,
                        {'documents': [], 'checkpoint': {'id': '', 'lwt': 0}})

    def do_POST(self):
        rows = self.rfile.read(int(self.headers['Content-Length']))
        if '/_replica/' in self.path:
            self.answer(404, {})
        elif any(row['newDocumentState']['id'].startswith(self.server.bad)
                 for row in json.loads(rows)):
            self.answer(self.server.refusal, {'error': 'not this one'})
        else:
            self.answer(self.server.status, [])

    def log_message(self, *args):
        pass


class Server:
    def __init__(self, status=200, bad='bad', refusal=422, silent=False):
        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Judge)
        self.http.daemon_threads = True
        self.http.status, self.http.bad, self.http.refusal = status, bad, refusal
        self.http.silent, self.http.gate = silent, threading.Event()
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f'http://127.0.0.1:{self.http.server_port}/notes/0'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.http.gate.set()
        self.http.shutdown()
        self.http.server_close()


def status(t, db=None, *options):
    [found] = t.lines('status', '--db', db or t.db, '--json', *options)
    return found


def nowhere():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return f'http://127.0.0.1:{s.getsockname()[1]}/notes/0'


def put(t, *keys):
    for key in keys:
        t.ok('put', *t.notes, json.dumps({'id': key, 'n': 1}))


def sync(t, url, *options):
    return ('sync', '--db', t.db, '--url', url, '--once', *options)


# ---- status --------------------------------------------------------------------------


@test
def a_database_that_never_replicated_is_not_in_sync_and_has_nothing_pending(t):
    put(t, 'a')
    found = status(t)
    t.same([found[name] for name in ('in_sync', 'pending', 'rejected', 'last_error', 'as_of')],
           [False, [], 0, None, None])


@test
def the_status_tells_what_is_pending_until_it_is_in_sync(t):
    _, base = t.serve()
    put(t, 'a')
    t.ok(*sync(t, base + '/notes/0'))
    found = status(t)
    t.same([found[name] for name in ('in_sync', 'pending', 'rejected', 'last_error')],
           [True, [], 0, None])
    [one] = found['replications']
    t.same((one['in_sync'], one['state'], one['collections'], found['as_of'] == one['as_of']),
           (True, 'stopped', 'notes', True))
    t.same(json.loads(one['checkpoint'])['lwt'], 1)
    put(t, 'b', 'c')
    found = status(t)
    t.same(found['in_sync'], False)
    t.same([(p['collection'], p['id'], p['reason']) for p in found['pending']],
           [('notes', 'b', 'to be sent'), ('notes', 'c', 'to be sent')])
    text = t.ok('status', '--db', t.db).decode()
    t.same('  notes/b: to be sent\n' in text, True, text)
    t.ok(*sync(t, base + '/notes/0'))
    t.same(status(t)['in_sync'], True)


@test
def a_server_that_is_gone_is_the_last_error_until_it_is_back(t):
    process, base = t.serve()
    put(t, 'a')
    t.ok(*sync(t, base + '/notes/0'))
    t.stop(process)
    t.fails(3, '', *sync(t, base + '/notes/0'))
    found = status(t)
    t.same((found['in_sync'], found['last_error']['code']), (False, 'REPLICA_ENET'))
    t.same(found['last_error']['where'].startswith(base), True, found)
    port = base.rsplit(':', 1)[1]
    again = t.start('serve', '--db', t.path('server.db'), '--listen', f'127.0.0.1:{port}')
    again.stdout.readline()
    t.ok(*sync(t, base + '/notes/0'))
    found = status(t)
    t.same((found['in_sync'], found['last_error']), (True, None))


@test
def a_thousand_that_are_pending_are_counted_and_the_first_hundred_shown(t):
    lines = b''.join(b'{"id":"%05d"}\n' % n for n in range(1000))
    t.ok('import', *t.notes, '-', stdin=lines)
    t.fails(3, '', *sync(t, nowhere()))
    found = status(t)
    t.same((found['pending_count'], len(found['pending'])), (1000, 100))
    t.same([p['id'] for p in found['pending']], ['%05d' % n for n in range(100)])
    t.same(len(status(t, None, '--all')['pending']), 1000)
    text = t.ok('status', '--db', t.db).decode()
    t.same('and 990 more' in text, True, text)


def until(t, wanted, db=None):
    """Ask for the status, as a person would, until it is as wanted."""
    end = time.monotonic() + 20
    while True:
        found = status(t, db)
        if wanted(found) or time.monotonic() > end:
            return found


@test
def the_status_beside_a_live_replication_and_after_it_was_killed(t):
    process, base = t.serve()
    put(t, 'a')
    live = t.start('sync', '--db', t.db, '--url', base + '/notes/0', '--live')
    found = until(t, lambda s: s['in_sync'])
    found = until(t, lambda s: s['replications'][0]['streaming'])
    [one] = found['replications']
    t.same((one['state'], one['in_sync'], one['streaming'], one['next_retry']),
           ('idle', True, True, None))
    t.same((one['push_done'], one['push_remaining'], one['bytes_up'] > 0), (1, 0, True))
    put(t, 'b')
    found = until(t, lambda s: s['in_sync'])
    t.same((found['in_sync'], found['pending']), (True, []))
    t.stop(process, signal.SIGKILL)
    put(t, 'c')
    found = until(t, lambda s: s['last_error'])
    t.same((found['in_sync'], [p['id'] for p in found['pending']]), (False, ['c']))
    found = until(t, lambda s: s['replications'][0]['next_retry'])
    t.same(found['replications'][0]['state'], 'waiting')
    t.stop(live, signal.SIGKILL)
    found = status(t)
    t.same([(r['state'], r['streaming'], r['push_remaining']) for r in found['replications']],
           [('stopped', None, 1)])
    t.same((found['in_sync'], [p['id'] for p in found['pending']]), (False, ['c']))
    t.same(found['last_error']['code'], 'REPLICA_ENET')


# ---- exit codes ------------------------------------------------------------------------


@test
def sync_ends_with_0_when_in_sync_also_when_documents_were_rejected(t):
    with Server() as server:
        put(t, 'a', 'bad')
        done = t.run(*sync(t, server.url))
        t.same((done.code, done.err.count('set aside: notes/bad')), (0, 1), done.err)
        found = status(t)
        t.same((found['in_sync'], found['pending'], found['rejected']), (True, [], 1))


@test
def sync_ends_with_3_when_the_server_cannot_be_reached(t):
    put(t, 'a')
    t.fails(3, '', *sync(t, nowhere()))
    t.fails(3, '', *sync(t, nowhere(), '--timeout', '1'))
    with Server(silent=True) as server:
        start = time.monotonic()
        t.fails(3, 'the server has not answered', *sync(t, server.url, '--timeout', '1'))
        t.same(time.monotonic() - start < 10, True)


@test
def sync_ends_with_4_when_credentials_are_missing_or_refused(t):
    _, base = t.serve('server.db', '--token-file', t.path('tokens', 'sesame-open-1234\n'))
    put(t, 'a')
    t.fails(4, '', *sync(t, base + '/notes/0'))
    t.fails(4, '', *sync(t, base + '/notes/0', '--token-file', t.path('wrong', 'knock-5678\n')))
    found = status(t)
    t.same((found['in_sync'], found['last_error']['code']), (False, 'REPLICA_EAUTH'))
    with Server(bad='', refusal=403) as server:  # a token that may write nothing
        put(t, *[f'x{n}' for n in range(10)])
        t.fails(4, '', *sync(t, server.url))
        t.same(status(t)['rejected'], 0)


@test
def sync_ends_with_5_when_the_schema_is_outdated(t):
    _, base = t.serve()
    other = t.path('other.db')
    t.ok('sync', '--db', other, '--url', base + '/notes/1', '--once', '--key', 'id')
    put(t, 'a')
    t.ok('put', '--db', other, '--collection', 'notes', '{"id":"z"}')
    t.ok('sync', '--db', other, '--url', base + '/notes/1', '--once')
    t.fails(5, '', *sync(t, base + '/notes/0'))


@test
def sync_ends_with_1_when_a_server_does_not_serve_for_as_long_as_it_may_try(t):
    with Server(status=503) as server:
        put(t, 'a')
        t.fails(1, 'the time is over', *sync(t, server.url, '--timeout', '1'))
        t.same(status(t)['last_error']['detail'], 503)


@test
def the_trace_tells_requests_and_decisions_as_they_happen(t):
    with Server() as server:
        put(t, 'a', 'bad', 'c', 'd')
        done = t.run(*sync(t, server.url, '--trace'))
        t.same(done.code, 0, done.err)
        lines = done.err.splitlines()
        t.same(any(' POST http://127.0.0.1' in line and '/notes/0/push 422, ' in line
                   for line in lines), True, done.err)
        t.same(any(' rows was refused: ' in line for line in lines), True, done.err)


# ---- rejected --------------------------------------------------------------------------


def refused(t, server):
    put(t, 'a', 'bad1', 'bad2', 'bad3')
    t.fails(0, 'set aside', *sync(t, server.url))
    return t.lines('rejected', 'list', '--db', t.db, '--json')


@test
def the_rejected_are_listed_and_exported_and_can_be_imported(t):
    with Server() as server:
        entries = refused(t, server)
        t.same([(e['collection'], e['id'], e['kind'], e['code']) for e in entries],
               [('notes', f'bad{n}', 'refused', 422) for n in (1, 2, 3)])
        out = t.ok('rejected', 'export', '--db', t.db)
        t.same(sorted(json.loads(line)['id'] for line in out.splitlines()),
               ['bad1', 'bad2', 'bad3'])
        other = t.path('other.db')
        t.ok('import', '--db', other, '--collection', 'notes', '-', stdin=out)
        t.same(t.ok('ls', '--db', other, '--collection', 'notes'), b'bad1\nbad2\nbad3\n')
        one = t.lines('rejected', 'export', '--db', t.db, '--json', str(entries[1]['number']))
        t.same([(e['id'], e['local'], e['server']) for e in one],
               [('bad2', {'id': 'bad2', 'n': 1}, None)])
        t.same(t.lines('rejected', 'list', '--db', t.db, '--json', '--collection', 'none'), [])


@test
def the_rejected_are_retried_one_several_or_all(t):
    with Server() as server:
        numbers = [str(e['number']) for e in refused(t, server)]
        server.http.bad = 'worse'
        t.ok('rejected', 'retry', '--db', t.db, numbers[0])
        t.same([p['id'] for p in status(t)['pending']], ['bad1'])
        t.ok('rejected', 'retry', '--db', t.db, '--all')
        t.same(status(t)['rejected'], 0)
        t.same(status(t)['in_sync'], False)
        t.ok(*sync(t, server.url))
        t.same(status(t)['in_sync'], True)
        t.fails(1, 'no entry 99', 'rejected', 'retry', '--db', t.db, '99')


@test
def the_rejected_are_discarded_and_gone_where_the_server_has_none(t):
    with Server() as server:
        numbers = [str(e['number']) for e in refused(t, server)]
        t.ok('rejected', 'discard', '--db', t.db, *numbers[:2])
        t.same(t.ok('ls', *t.notes), b'a\nbad3\n')
        t.ok('rejected', 'discard', '--db', t.db, '--collection', 'notes')
        t.same(t.ok('ls', *t.notes), b'a\n')
        t.same(status(t)['rejected'], 0)
        t.ok(*sync(t, server.url))


@test
def an_edit_of_a_rejected_document_goes_out_by_itself_and_the_list_survives_all_else(t):
    with Server() as server:
        refused(t, server)
        t.fails(0, 'set aside: notes/bad2', *sync(t, server.url))
        t.same(status(t)['rejected'], 3)
        server.http.bad = 'bad1'
        t.ok('put', *t.notes, '{"id":"bad3","n":2}')
        t.fails(0, 'set aside: notes/bad2', *sync(t, server.url))
        t.same([e['id'] for e in t.lines('rejected', '--db', t.db, '--json')], ['bad1', 'bad2'])


# ---- what waits for a person -------------------------------------------------------------

ASK = ('--rules', '{"":"merge","delete":"ask"}')


def asked(t):
    """x was deleted at the server and edited here."""
    _, base = t.serve()
    url = base + '/notes/0'
    other = t.path('other.db')
    put(t, 'x')
    t.ok(*sync(t, url))
    t.ok('sync', '--db', other, '--url', url, '--once')
    t.ok('delete', '--db', other, '--collection', 'notes', 'x')
    t.ok('sync', '--db', other, '--url', url, '--once')
    t.ok('put', *t.notes, '{"id":"x","n":2}')
    t.fails(1, '1 in conflict', *sync(t, url, *ASK))
    t.same([(p['id'], p['reason']) for p in status(t)['pending']],
           [('x', 'in conflict, waits for a person')])
    return url, other


@test
def a_person_keeps_the_edit(t):
    url, other = asked(t)
    [entry] = t.lines('conflicts', 'waiting', '--db', t.db, '--json')
    t.same((entry['id'], entry['local'], entry['deleted']),
           ('x', {'id': 'x', 'n': 2}, ['real']))
    t.same(b'waits for a person' in t.ok('conflicts', 'waiting', '--db', t.db), True)
    t.ok('conflicts', 'ours', '--db', t.db, '--collection', 'notes', 'x')
    t.ok(*sync(t, url, *ASK))
    t.ok('sync', '--db', other, '--url', url, '--once')
    t.same(t.ok('get', '--db', other, '--collection', 'notes', 'x'), b'{"id":"x","n":2}\n')
    t.fails(1, 'no conflict', 'conflicts', 'ours', '--db', t.db, '--collection', 'notes', 'x')


@test
def a_person_takes_the_deletion_beside_a_live_replication(t):
    url, _ = asked(t)
    live = t.start('sync', '--db', t.db, '--url', url, '--live', *ASK)
    until(t, lambda s: s['replications'][0]['state'] == 'idle')
    t.ok('conflicts', 'theirs', '--db', t.db, '--collection', 'notes', 'x')
    t.same(until(t, lambda s: s['in_sync'])['in_sync'], True)
    t.same(t.stop(live).code, 0)
    t.same(t.ok('ls', *t.notes), b'')
    [entry] = [e for e in t.lines('conflicts', '--db', t.db, '--json')]
    t.same((entry['rule'], entry['local']), ('person', {'id': 'x', 'n': 2}))


main()
