#!/usr/bin/env python3
"""emit and listen: events and durable commands, on one file and through a server."""
import json
import signal
import subprocess
import time

from cli import REPLICA, main, test


def read(process, n):
    return [json.loads(process.stdout.readline()) for _ in range(n)]


def listen(t, db, pattern, *options):
    """A listener that is there: it has heard something."""
    listener = t.start('listen', '--db', db, pattern, *options)
    deadline = time.monotonic() + 20
    emitted = 0
    while time.monotonic() < deadline:
        t.ok('emit', '--db', db, 'ready', str(emitted))
        emitted += 1
        time.sleep(0.05)
        if select(listener):
            break
    heard = -1
    while heard < emitted - 1:  # all that were emitted before it was known to listen
        heard = read(listener, 1)[0]['payload']
    return listener


def select(process):
    import select as s
    return bool(s.select([process.stdout], [], [], 0)[0])


def sync(t, db, url):
    """A program that keeps the file in step, from when the file is."""
    t.ok('sync', '--db', db, '--url', url, '--once')
    return t.start('sync', '--db', db, '--url', url, '--live')


@test
def an_event_is_printed_by_who_listens_and_by_nobody_else(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    t.ok('emit', '--db', t.db, '/lamp/1', '"too early"')
    everything = listen(t, t.db, '**')
    t.ok('emit', '--db', t.db, '/lamp/1', '{"on": 1.0,\n "n": 12345678901234567890}')
    t.ok('emit', '--db', t.db, '/door')
    line = everything.stdout.readline()
    assert b'"payload":{"on": 1.0,  "n": 12345678901234567890}' in line, line
    t.same(json.loads(line)['address'], '/lamp/1')
    door = read(everything, 1)[0]
    t.same((door['address'], door['payload'], door['origin']), ('/door', None, 'process'))
    done = t.stop(everything)
    t.same((done.code, done.err), (0, ''))


@test
def what_is_no_address_pattern_or_payload_is_refused(t):
    t.ok('put', *t.notes, '{"id":"a"}')
    t.fails(2, 'star', 'emit', '--db', t.db, '/a/*')
    t.fails(7, 'expected a value', 'emit', '--db', t.db, '/a', '{"n":')
    t.fails(2, 'pattern', 'listen', '--db', t.db, 'a*')
    t.fails(2, '--durable', 'emit', '--db', t.db, '--wait', '/a')
    t.fails(2, '--handle', 'listen', '--db', t.db, '--answer', '/a')
    t.ok('put', '--db', t.db, '--collection', 'keyed', '--key', 'name', '{"name":"a"}')
    t.fails(2, 'commands', 'emit', '--db', t.db, '--durable', '--collection', 'keyed', '/a')


COMMANDS = ('--collection', 'commands')


@test
def a_command_waits_for_its_handler_and_its_result_comes_back(t):
    key = t.ok('emit', '--db', t.db, '--durable', *COMMANDS, '/print/a4', '{"copies":2}')
    waiting = t.start('emit', '--db', t.db, '--durable', *COMMANDS, '--wait', '/print/a5')
    while b'a5' not in t.ok('ls', '--db', t.db, *COMMANDS):
        time.sleep(0.02)
    handled = t.ok('listen', '--db', t.db, '--handle', *COMMANDS, '/print/*', '--answer',
                   '--count', '2', stdin=b'{"pages": 2.0}\n"thin"\n')
    first, second = [json.loads(line) for line in handled.splitlines()]
    t.same((first['id'], first['payload'], first['attempt']), (key.decode().strip(), {'copies': 2}, 1))
    t.same(second['address'], '/print/a5')
    out, _ = waiting.communicate(timeout=20)
    t.same(json.loads(out)['result'], 'thin')
    stored = t.ok('get', '--db', t.db, *COMMANDS, first['id'])
    assert b'"result":{"pages": 2.0}' in stored, stored
    t.same(len(t.ok('ls', '--db', t.db, *COMMANDS).split()), 1)  # the other's result was taken


@test
def a_command_fails_is_tried_again_or_expires(t):
    def emit(*options):
        return t.start('emit', '--db', t.db, '--durable', *COMMANDS, '--wait', *options, '/do')

    t.fails(1, 'no result yet', 'emit', '--db', t.db, '--durable', *COMMANDS, '--wait',
            '--timeout', '50', '/other')
    t.fails(1, 'expired', 'emit', '--db', t.db, '--durable', *COMMANDS, '--expires', '1', '--wait',
            '/do')
    waiting = emit()
    handled = t.ok('listen', '--db', t.db, '--handle', *COMMANDS, '/do', '--answer', '--count',
                   '3', stdin=b'?not yet\n?not yet\n!no paper\n')
    t.same([json.loads(line)['attempt'] for line in handled.splitlines()], [1, 2, 3])
    _, err = waiting.communicate(timeout=20)
    t.same(waiting.returncode, 1)
    assert b'no paper' in err, err


@test
def a_command_of_a_handler_that_was_killed_goes_to_the_next_one(t):
    t.ok('emit', '--db', t.db, '--durable', *COMMANDS, '/do', '1')
    dead = subprocess.Popen([REPLICA, 'listen', '--db', t.db, '--handle', *COMMANDS, '/do',
                             '--answer', '--lease', '300'], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t.started.append(dead)
    t.same(read(dead, 1)[0]['attempt'], 1)
    dead.kill()
    handled = t.lines('listen', '--db', t.db, '--handle', *COMMANDS, '/do', '--count', '1')
    t.same(handled[0]['attempt'], 2)


@test
def a_handler_that_ends_gives_its_command_back(t):
    t.ok('emit', '--db', t.db, '--durable', *COMMANDS, '/do', '1')
    t.fails(7, 'input has ended', 'listen', '--db', t.db, '--handle', *COMMANDS, '/do', '--answer')
    handled = t.lines('listen', '--db', t.db, '--handle', *COMMANDS, '/do', '--count', '1')
    t.same(handled[0]['attempt'], 2)


# ---- through a server ----------------------------------------------------------------------


@test
def events_reach_the_listeners_of_other_clients_and_of_the_server(t):
    server, base = t.serve('server.db')
    a, b = t.path('a.db'), t.path('b.db')
    sync(t, a, f'{base}/notes/0')
    sync(t, b, f'{base}/notes/0')
    there = t.start('listen', '--db', b, '/lamp/*')
    at_server = t.start('listen', '--db', t.path('server.db'), '/lamp/*')
    deadline = time.monotonic() + 20
    while not (select(there) and select(at_server)):  # until both are known to listen
        if time.monotonic() > deadline:
            raise AssertionError(f'nothing is heard: {select(there)}, {select(at_server)}')
        t.ok('emit', '--db', a, '/lamp/ready', '0')
        time.sleep(0.1)
    t.ok('emit', '--db', a, '/door', '1')
    t.ok('emit', '--db', a, '/lamp/1', '{"on": 1.0}')
    t.ok('emit', '--db', t.path('server.db'), '/lamp/2', '2')
    for listener, origins in ((there, ['replication', 'replication']),
                              (at_server, ['replication', 'process'])):
        heard = []
        while len(heard) < 2:
            event = read(listener, 1)[0]
            if event['address'] != '/lamp/ready':
                heard.append(event)
        heard.sort(key=lambda e: e['address'])
        t.same([e['address'] for e in heard], ['/lamp/1', '/lamp/2'])
        t.same([e['origin'] for e in heard], origins)
        t.same(heard[0]['payload'], {'on': 1.0})


@test
def an_event_comes_once_and_never_back(t):
    _, base = t.serve('server.db')
    a, b = t.path('a.db'), t.path('b.db')
    sync(t, a, f'{base}/notes/0')
    sync(t, b, f'{base}/notes/0')
    here = t.start('listen', '--db', a, '**')
    there = t.start('listen', '--db', b, '**')
    while not (select(here) and select(there)):
        t.ok('emit', '--db', a, 'ready', '0')
        time.sleep(0.1)
    for i in range(50):
        t.ok('emit', '--db', a, 'n', str(i))
        t.ok('emit', '--db', b, 'm', str(i))
    time.sleep(0.5)  # what came twice, or back, would come now
    t.ok('emit', '--db', a, 'end')
    t.ok('emit', '--db', b, 'end')
    for listener in (here, there):
        heard, ends = [], 0
        while ends < 2:
            event = read(listener, 1)[0]
            ends += event['address'] == 'end'
            heard.append((event['address'], event['payload']))
        t.same(sorted(e[1] for e in heard if e[0] == 'n'), list(range(50)))
        t.same(sorted(e[1] for e in heard if e[0] == 'm'), list(range(50)))


@test
def a_command_of_one_client_is_done_by_another(t):
    _, base = t.serve('server.db')
    a, b = t.path('a.db'), t.path('b.db')
    sync(t, a, f'{base}/commands/0')
    sync(t, b, f'{base}/commands/0')
    waiting = t.start('emit', '--db', a, '--durable', *COMMANDS, '--wait', '/do', '[1]')
    handled = t.ok('listen', '--db', b, '--handle', *COMMANDS, '/do', '--answer', '--count', '1',
                   stdin=b'{"sum": 1.50}\n')
    t.same(json.loads(handled)['payload'], [1])
    out, err = waiting.communicate(timeout=20)
    t.same(json.loads(out)['result'], {'sum': 1.5}, err)


@test
def of_two_clients_that_handle_each_command_goes_to_one(t):
    _, base = t.serve('server.db')
    files = [t.path(name) for name in ('a.db', 'b.db', 'c.db')]
    for db in files:
        sync(t, db, f'{base}/commands/0')
    handlers = [t.start('listen', '--db', db, '--handle', *COMMANDS, '/do') for db in files[1:]]
    waiting = []
    for i in range(12):
        waiting.append(t.start('emit', '--db', files[0], '--durable', *COMMANDS, '--wait', '/do',
                               str(i)))
    for process in waiting:
        out, err = process.communicate(timeout=30)
        t.same((process.returncode, err), (0, b''))
    seen = []
    for handler in handlers:
        done = t.stop(handler, signal.SIGTERM)
        seen += [json.loads(line) for line in done.out.splitlines()]
    t.same(sorted(c['payload'] for c in seen), list(range(12)))
    t.same({c['attempt'] for c in seen}, {1})


if __name__ == '__main__':
    main()
