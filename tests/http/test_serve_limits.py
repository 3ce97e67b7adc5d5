#!/usr/bin/env python3
"""Who is let in, how much is taken, and how a server ends."""
import gzip
import os
import re
import signal
import socket

from serve import Client, Stream, address, city, main, row, test

CITIES = '/cities/0/'


def guarded(t, *args):
    tokens = t.path('tokens', '# ours\nsecret\nother\n')
    os.chmod(tokens, 0o600)
    return t.serve('server.db', '--token-file', tokens, *args)


@test
def nobody_is_let_in_without_a_token(t):
    url = guarded(t)[1]
    for headers in ({}, {'Authorization': 'Bearer wrong'}, {'Authorization': 'Basic secret'}):
        for method, path, body in (('GET', CITIES + 'pull', None), ('POST', CITIES + 'push', '[]'),
                                   ('GET', '/nope', None), ('GET', CITIES + 'pullStream', None),
                                   ('GET', '/_replica/1/hello', None)):
            answer = Client(url).ask(method, path, body, **headers)
            t.same((answer.status, answer.json()['error']), (401, 'token'), path)
            t.same(answer.headers['WWW-Authenticate'], 'Bearer')
    for token in ('secret', 'other'):
        t.same(Client(url).get(CITIES + 'pull', Authorization=f'Bearer {token}').status, 200)
    t.same(Client(url).ask('OPTIONS', CITIES + 'push', Origin='http://a').status, 200)


@test
def a_refused_push_is_answered_before_the_connection_ends(t):
    url = guarded(t)[1]
    answer = Client(url).ask('POST', CITIES + 'push', b'x' * 4000000)
    t.same(answer.status, 401)


@test
def a_token_file_that_others_can_read_is_warned_about(t):
    tokens = t.path('tokens', 'secret\n')
    os.chmod(tokens, 0o644)
    server, _ = t.serve('server.db', '--token-file', tokens)
    done = t.stop(server)
    t.same('can be read by others' in done.err, True, done.err)
    t.same('secret' in done.err, False)


@test
def listening_beyond_loopback_needs_tokens_or_force(t):
    done = t.run('serve', '--db', t.path('a.db'), '--listen', '0.0.0.0:0')
    t.same((done.code != 0, done.out), (True, b''))
    t.same('tokens' in done.err, True, done.err)
    guarded(t)
    server = t.start('serve', '--db', t.path('b.db'), '--listen', '0.0.0.0:0', '--allow-remote')
    t.same(server.stdout.readline().startswith(b'listening http://0.0.0.0:'), True)


def own_address():
    """An address of this machine that is not loopback, or None; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(('192.0.2.1', 9))
            return s.getsockname()[0]
        except OSError:
            return None


def without_now(body):
    """The server's clock goes on between two answers."""
    return re.sub(rb'"now":\d+', b'"now":0', body)


@test
def answers_that_leave_the_machine_are_compressed_when_asked(t):
    host = own_address()
    if host is None or os.environ.get('WITH_GZIP') == 'no':
        return  # only loopback here, or built without
    server = t.start('serve', '--db', t.path('b.db'), '--listen', '0.0.0.0:0', '--allow-remote')
    port = server.stdout.readline().decode().rsplit(':', 1)[1].strip()
    near, far = Client(f'http://127.0.0.1:{port}'), Client(f'http://{host}:{port}')
    rows = [row(city(f'c{i:05}', text='x' * 300)) for i in range(5000)]
    for start in range(0, 5000, 1000):
        near.push(CITIES + 'push', rows[start:start + 1000])
    for path in (CITIES + 'pull?limit=50', CITIES + 'pull?limit=5000',
                 '/_replica/1/pull?c=cities/0&rows=50'):
        plain = near.get(path, Accept_Encoding='gzip')
        small = far.get(path, Accept_Encoding='gzip, deflate')
        t.same((plain.headers['Content-Encoding'], small.headers['Content-Encoding']),
               (None, 'gzip'), path)
        t.same(small.headers['Vary'], 'Accept-Encoding')
        t.same(without_now(gzip.decompress(small.body)) == without_now(plain.body), True, path)
        t.same(len(small.body) < len(plain.body) / 4, True, path)
    t.same(far.get(CITIES + 'pull', Accept_Encoding='gzip').headers['Content-Encoding'], None)


@test
def a_body_that_is_too_large_is_refused_with_the_limit(t):
    url = t.serve('server.db', '--max-body', '10000')[1]
    client = Client(url)
    small = client.push(CITIES + 'push', [row(city('a', text='x' * 5000))])
    t.same((small.status, small.body), (200, b'[]'))
    answer = client.push(CITIES + 'push', [row(city('b', text='x' * 20000))])
    t.same((answer.status, answer.json()['error'], answer.json()['limit']), (413, 'size', 10000))
    answer = client.ask('POST', CITIES + 'push', iter([b'x' * 6000, b'x' * 6000]))
    t.same(answer.status, 413, 'in chunks')
    t.same(client.get(CITIES + 'pull?limit=9').status, 200, 'and the connection lives')


@test
def who_asks_first_is_told_not_to_send(t):
    url = t.serve('server.db', '--max-body', '10000')[1]
    with socket.create_connection(address(url), timeout=30) as s:
        s.sendall(b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n'
                  b'Expect: 100-continue\r\n\r\n')
        t.same(s.recv(1000).split(b'\r\n')[0].split(b' ')[1], b'413')


@test
def streams_have_a_limit(t):
    url = t.serve('server.db', '--max-streams', '2')[1]
    first, second = Stream(url, CITIES + 'pullStream'), Stream(url, CITIES + 'pullStream')
    answer = Client(url).get(CITIES + 'pullStream')
    t.same((answer.status, answer.json()['error']), (503, 'busy'))
    t.same(int(answer.headers['Retry-After']) > 0, True)
    first.close()
    second.close()


@test
def a_client_that_goes_in_the_middle_of_a_body_is_forgotten(t):
    server, url = t.serve('server.db', '--log')
    with socket.create_connection(address(url), timeout=30) as s:
        s.sendall(b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[')
    t.same(Client(url).get(CITIES + 'pull').status, 200)
    t.same(t.stop(server).code, 0)


@test
def a_signal_ends_streams_and_the_server_cleanly(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        server, url = t.serve()
        checkpoint = Client(url).get('/_replica/1/pull?c=cities/0').json()['checkpoint']
        streams = [Stream(url, CITIES + 'pullStream'),
                   Stream(url, '/_replica/1/stream?c=cities/0&id={id}&lwt={lwt}'
                          .format(**checkpoint))]
        Client(url).push(CITIES + 'push', [row(city(f'a{number}'))])
        for stream in streams:
            t.same(stream.page()['documents'][0]['id'], f'a{number}')
        done = t.stop(server, number)
        t.same((done.code, done.err), (0, ''))
        for stream in streams:
            t.same(stream.event(), None)
        t.same(os.path.exists(t.path('server.db-wal')), False, 'the database was closed')


@test
def a_delayed_answer_does_not_hold_the_end_up(t):
    server, url = t.serve()
    client = Client(url)
    for i in range(3):
        client.connection.request('POST', CITIES + 'push', '[{"newDocumentState":{"x":1}}]')
        if i < 2:
            client.connection.getresponse().read()
    Client(url).get(CITIES + 'pull')  # the third push was read before this was
    done = t.stop(server)
    t.same((done.code, done.err), (0, ''))
    t.same(client.connection.getresponse().read(), b'[{"x":1,"_deleted":true}]')


@test
def the_log_has_a_line_per_request_and_no_secrets(t):
    server, url = guarded(t, '--log')
    client = Client(url)
    client.get(CITIES + 'pull?id=private', Authorization='Bearer secret')
    client.get('/a%0ab', Authorization='Bearer wrong')
    lines = t.stop(server).err.splitlines()
    t.same([line.split(' ')[1:5] for line in lines],
           [['127.0.0.1', 'GET', '/cities/0/pull', '200'], ['127.0.0.1', 'GET', '/a?b', '401']])
    t.same(any(word in line for line in lines for word in ('secret', 'private', 'wrong')), False)


@test
def a_restart_keeps_checkpoints(t):
    server, url = t.serve()
    client = Client(url)
    client.push(CITIES + 'push', [row(city('a'))])
    checkpoint = client.get(CITIES + 'pull?limit=5').json()['checkpoint']
    t.stop(server)
    client = Client(t.serve()[1])
    client.push(CITIES + 'push', [row(city('b'))])
    page = client.get(CITIES + f'pull?limit=5&id={checkpoint["id"]}&lwt={checkpoint["lwt"]}')
    t.same(page.json()['documents'], [city('b')])
    t.same(page.json()['checkpoint']['id'] != checkpoint['id'], True, 'the incarnation is new')


@test
def a_key_that_is_not_the_stored_one_is_refused(t):
    server, url = t.serve('server.db', '--key', 'cities=name')
    Client(url).push(CITIES + 'push', [row(city('a'))])
    t.stop(server)
    done = t.run('serve', '--db', t.path('server.db'), '--listen', '127.0.0.1:0', '--key',
                 'cities=id')
    t.same((done.code != 0, "'name'" in done.err), (True, True), done.err)


main()
