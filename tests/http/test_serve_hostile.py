#!/usr/bin/env python3
"""What a server meets that stands open: nonsense, malice, and peers that take their time.

Whatever comes, the answer is one of the protocol's, the memory stays bounded, and the next request of
somebody else is answered."""
import gzip
import json
import os
import random
import re
import socket
import struct
import time
import unicodedata
import urllib.parse

from serve import Client, Stream, address, city, main, row, test

CITIES = '/cities/0/'
OURS = '/_replica/1/'
HUGE = ['-1', '-0', '9' * 18, '9223372036854775807', '9223372036854775808', '-9223372036854775808',
        '18446744073709551616', '9' * 400, '1e9', '0x10', ' 1', '+1', '1.5', 'NaN', '', 'null',
        '%00', '%', '%zz', '%ff', '1%00', "'", '"', '\\', '[', '{}', '../..', '%2e%2e', 'é'.encode().hex()]
NUL = '%00'


def rss_kb(process):
    with open(f'/proc/{process.pid}/status', encoding='utf-8') as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1])
    raise AssertionError('no VmRSS')


def peak_kb(process):
    with open(f'/proc/{process.pid}/status', encoding='utf-8') as f:
        for line in f:
            if line.startswith('VmHWM:'):
                return int(line.split()[1])
    raise AssertionError('no VmHWM')


def raw(url, data, half_closed=True):
    """Send bytes; all that comes until the server closes."""
    got = b''
    with socket.create_connection(address(url), timeout=10) as s:
        try:
            s.sendall(data)
            if half_closed:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was cut before it had said all
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    return got
                got += part
        except ConnectionError:
            return got
        except socket.timeout:
            raise AssertionError(f'not closed: {data[:200]!r}, {got[:200]!r}') from None


def statuses(answer):
    return [int(status) for status in re.findall(rb'HTTP/1.1 (\d\d\d) ', answer)]


def lives(t, url):
    t.same(Client(url).get(CITIES + 'pull?limit=1').status, 200, 'the server lives')


def is_told(t, answer, what):
    """An answer of the protocol's: an expected status, and an object that says why."""
    if answer.status >= 500 and answer.status not in (501, 503):
        t.same(answer.status, 400, what)
    if answer.status >= 400 and answer.body:
        t.same('error' in json.loads(answer.body), True, what)


# ---- parameters ------------------------------------------------------------------------------

@test
def negative_huge_and_broken_parameters_are_refused_or_harmless(t):
    url = t.serve()[1]
    client = Client(url)
    client.push(CITIES + 'push', [row(city('a'))])
    for value in HUGE:
        for path in (f'pull?limit={value}', f'pull?lwt={value}&limit=1', f'pull?id={value}&limit=1',
                     f'pull?lwt={value}&id={value}&limit={value}', f'pullStream?lwt={value}x'):
            if path.startswith('pullStream'):
                continue  # has no parameters: it would stream
            is_told(t, client.get(CITIES + urllib.parse.quote(path, safe='%/?=&')), path)
        for path in (f'pull?c={value}', f'pull?c=cities/{value}', f'pull?c=cities/0&rows={value}',
                     f'pull?c=cities/0&bytes={value}', f'pull?c=cities/0&lwt={value}',
                     f'pull?c=cities/0&id={value}', f'pull?c=cities/0&keys={value}',
                     f'pull?c=cities/0&filter={value}', f'pull?c=cities/0&fresh={value}',
                     f'pull?c=cities/0&id={value}&lwt={value}', f'doc/cities/0/{value}',
                     f'doc/cities/{value}/a', f'doc/{value}/0/a', f'{value}'):
            is_told(t, client.get(OURS + urllib.parse.quote(path, safe='%/?=&')), path)
    lives(t, url)


@test
def missing_parameters_and_bodies_are_told(t):
    url = t.serve()[1]
    client = Client(url)
    for path in ('pull', 'stream', 'pull?', 'pull?c', 'pull?c=', 'pull?rows=1', 'doc', 'doc/',
                 'doc/cities', 'doc/cities/0', 'doc/cities/0/'):
        answer = client.get(OURS + path)
        t.same(answer.status in (400, 404, 405), True, f'{path}: {answer.status}')
        is_told(t, answer, path)
    bodies = ['', '{}', '[]', 'null', '0', '""', '[', '{"', '[[]]', '[{}]', '[null]', '[1]', '{"a":1}',
              '\x00', '[' * 5000, '{"a":' * 5000, '"' + 'x' * 70000 + '"', '[1,]', '{"a":1,"a":2}',
              '{"rows":[]}', '{"rows":{}}', '{"rows":[{}]}', '{"rows":[[]]}', '{"collection":1}',
              '{"collection":"cities/0","after":1}', '{"collection":"cities/0","ids":[1]}',
              '{"collection":"cities/0","ids":["a",{}],"rows":-1}', '{"checkpoint":{"id":1,"lwt":"x"}}',
              '{"checkpoint":{"id":"x","lwt":-1},"rows":[]}', '{"collection":"nope/0","ids":["a"]}',
              '{"events":[{}]}', '{"events":1}', '{"key":1}', '{"key":"a","ms":-1}']
    for path in ('push', 'emit', 'lock', 'unlock', 'locks', 'digests', 'ids', 'documents', 'hello',
                 'nothing'):
        for body in bodies:
            answer = client.ask('POST', OURS + path, body)
            is_told(t, answer, f'{path} {body[:40]}')
            if path in ('push', 'emit') and body[:1] not in ('{', '['):
                t.same(answer.status >= 400, True, f'{path} {body[:40]}')
    for body in bodies:
        is_told(t, client.ask('POST', CITIES + 'push', body), body[:40])
    lives(t, url)


@test
def more_parameters_than_there_may_be_are_refused_and_none_is_overlooked(t):
    url = t.serve()[1]
    client = Client(url)
    client.push(CITIES + 'push', [row(city('a')), row(city('b'))])
    many = '&'.join('x' for _ in range(200))
    t.same(client.get(OURS + f'pull?c=cities/0&{many}&keys=a').status, 400)
    some = '&'.join('x' for _ in range(100))
    page = client.get(OURS + f'pull?c=cities/0&{some}&keys=a').json()
    t.same([d['id'] for d in page['documents']], ['a'])
    t.same(client.get(OURS + 'pull?' + '&'.join(f'c=c{i}/0' for i in range(100))).status, 400)


@test
def checkpoints_of_others_are_no_keys(t):
    one, other = t.serve('one.db')[1], t.serve('other.db')[1]
    Client(one).push(CITIES + 'push', [row(city(f'a{i}')) for i in range(5)])
    Client(other).push(CITIES + 'push', [row(city('b'))])
    checkpoint = Client(one).get(OURS + 'pull?c=cities/0').json()['checkpoint']
    answer = Client(other).get(OURS + 'pull?c=cities/0&id={id}&lwt={lwt}'.format(**checkpoint))
    t.same((answer.status, answer.json()['error']), (409, 'timeline'))
    page = Client(other).get(CITIES + 'pull?limit=5&id={id}&lwt={lwt}'.format(**checkpoint)).json()
    t.same([d['id'] for d in page['documents']], ['b'])  # the beginning, for such a client
    mine = Client(other).get(OURS + 'pull?c=cities/0').json()['checkpoint']
    for lwt, status in ((mine['lwt'] + 1, 409), (10 ** 15, 409), (2 ** 63, 400)):  # beyond the end
        answer = Client(other).get(OURS + f'pull?c=cities/0&id={mine["id"]}&lwt={lwt}')
        t.same(answer.status, status, str(lwt))
    stream = Client(other).get(OURS + 'stream?c=cities/0&id={id}&lwt={lwt}'.format(**checkpoint))
    t.same(stream.status, 409)
    stream = Client(other).get(OURS + 'stream?c=cities/0', Last_Event_ID='x' * 3000 + '.1')
    t.same(stream.status, 400)


# ---- ids -------------------------------------------------------------------------------------

IDS = [':/?#[]@!$&\'()*+,;=', '%', '%2F', '%00', '%25', '..', '.', '../../etc/passwd', '/', '//', '/a/',
       ' ', 'a b', '\t', '\n', 'a\r\nb: c', '"', '\\', '\\u0041', '<script>', '{}', '\x7f', '~', 'é',
       unicodedata.normalize('NFC', 'Å-twin'), unicodedata.normalize('NFD', 'Å-twin'), '\u202e', '😀',
       '\ufeff', '*', '?', 'a?b=c', 'a#b', 'a;b', 'a&b=c', '+', '-', '--', "'; DROP TABLE doc; --",
       'x' * 1024, 'é' * 512]


@test
def ids_of_every_kind_are_documents_of_their_own_everywhere(t):
    url = t.serve()[1]
    client = Client(url)
    t.same(len(set(IDS)), len(IDS))
    answer = client.push(CITIES + 'push', [row({'id': i, 'n': n, '_deleted': False})
                                           for n, i in enumerate(IDS)])
    t.same((answer.status, answer.body), (200, b'[]'))
    wanted = {i: n for n, i in enumerate(IDS)}
    page = client.get(CITIES + 'pull?limit=1000').json()
    t.same({d['id']: d['n'] for d in page['documents']}, wanted)
    page = client.get(OURS + 'pull?c=cities/0').json()
    t.same({d['id']: d['n'] for d in page['documents']}, wanted)
    for n, i in enumerate(IDS):
        path = OURS + 'doc/cities/0/' + urllib.parse.quote(i, safe='')
        answer = client.get(path)
        t.same((answer.status, answer.json()), (200, {'id': i, 'n': n}), repr(i))
        tag = answer.headers['ETag']
        answer = client.ask('PUT', path, json.dumps({'id': i, 'n': -n}), If_Match=tag)
        t.same(answer.status in (200, 204), True, f'{i!r}: {answer.status} {answer.body!r}')
        t.same(client.get(path).json()['n'], -n, repr(i))
    page = client.get(OURS + 'pull?c=cities/0').json()
    t.same({d['id']: d['n'] for d in page['documents']}, {i: -n for n, i in enumerate(IDS)})


@test
def such_ids_come_through_the_command_line_and_go_round(t):
    url = t.serve()[1]
    a, b = t.path('a.db'), t.path('b.db')
    for n, i in enumerate(IDS):
        t.ok('put', '--db', a, '--collection', 'cities', json.dumps({'id': i, 'n': n}))
    for db in (a, b):
        done = t.run('sync', '--db', db, '--collection', 'cities', '--url', url + '/cities/0', '--once')
        t.same(done.code, 0, done.err)
    for n, i in enumerate(IDS):
        t.same(json.loads(t.ok('get', '--db', b, '--collection', 'cities', '--', i)),
               {'id': i, 'n': n}, repr(i))
    for i in IDS[:20]:
        t.ok('delete', '--db', b, '--collection', 'cities', '--', i)
    for db in (b, a):
        done = t.run('sync', '--db', db, '--collection', 'cities', '--url', url + '/cities/0', '--once')
        t.same(done.code, 0, done.err)
    left = [json.loads(line)['id'] for line in
            t.ok('find', '--db', a, '--collection', 'cities', '{}').splitlines()]
    t.same(sorted(left), sorted(IDS[20:]))


@test
def ids_that_cannot_be_are_refused_alone(t):
    url = t.serve()[1]
    client = Client(url)
    bad = ['', 'x' * 1025, 'a\x00b', 'é' * 513]
    rows = [row({'id': i, '_deleted': False}) for i in bad] + [row({'id': 'good', '_deleted': False})]
    answer = client.push(CITIES + 'push', rows)
    t.same((answer.status, sorted(d['id'] for d in answer.json())), (200, sorted(bad)))
    t.same([d['id'] for d in client.get(CITIES + 'pull?limit=9').json()['documents']], ['good'])
    for i in bad:
        path = OURS + 'doc/cities/0/' + urllib.parse.quote(i, safe='')
        t.same(client.ask('PUT', path, '{}').status in (400, 404, 405, 422), True, repr(i))


# ---- bodies ----------------------------------------------------------------------------------

def zstd_bomb(size):
    """A frame whose blocks each repeat one byte; there is no zstd in Python's library."""
    frame = b'\x28\xb5\x2f\xfd\x00\x58'  # magic; no checksum, no size; a window of 2 MiB
    left = size
    while left > 0:
        n = min(left, 128 * 1024)
        left -= n
        head = (n << 3) | (1 << 1) | (left == 0)  # RLE block
        frame += struct.pack('<I', head)[:3] + b' '
    return frame


@test
def bombs_are_refused_and_cost_no_more_than_the_limit(t):
    server, url = t.serve('server.db', '--max-body', '4000000')
    client = Client(url)
    codings = [('zstd', zstd_bomb(1 << 30)), ('zstd', zstd_bomb(5000000))]
    if os.environ.get('WITH_GZIP') != 'no':
        codings += [('gzip', gzip.compress(bytes(1 << 29))), ('gzip', gzip.compress(b' ' * 5000000))]
    before = peak_kb(server)
    for name, bomb in codings:
        if 'zstd' not in client.get(OURS + 'hello').json()['uses'] and name == 'zstd':
            continue
        for path in (CITIES + 'push', OURS + 'push'):
            answer = client.ask('POST', path, bomb, Content_Encoding=name)
            t.same((answer.status, answer.json()['error']), (413, 'size'), name)
        for broken in (bomb[:-1], bomb[:10], b'', b'x', bomb[:100] + b'x' * 50):
            answer = client.ask('POST', CITIES + 'push', broken, Content_Encoding=name)
            t.same(answer.status in (400, 413), True, f'{name} {len(broken)} {answer.status}')
    t.same(peak_kb(server) - before < 20000, True, f'{before} -> {peak_kb(server)} kB')
    t.same(client.ask('POST', CITIES + 'push', b'[]', Content_Encoding='br').status, 400)
    lives(t, url)


@test
def compressed_pushes_are_taken(t):
    if os.environ.get('WITH_GZIP') == 'no':
        return
    url = t.serve()[1]
    body = json.dumps([row(city('a', text='x' * 10000))]).encode()
    answer = Client(url).ask('POST', CITIES + 'push', gzip.compress(body), Content_Encoding='gzip')
    t.same((answer.status, answer.body), (200, b'[]'))
    t.same(Client(url).get(CITIES + 'pull?limit=2').json()['documents'][0]['text'], 'x' * 10000)


@test
def nesting_has_an_end(t):
    url = t.serve()[1]
    client = Client(url)
    for depth, good in ((50, True), (200, False), (100000, False), (2000000, False)):
        deep = '[' * depth + ']' * depth
        body = '[{"newDocumentState":{"id":"d%d","a":%s,"_deleted":false}}]' % (depth, deep)
        answer = client.ask('POST', CITIES + 'push', body)
        if good:
            t.same((answer.status, answer.body), (200, b'[]'))
        else:
            t.same(answer.status in (200, 400), True, str(answer.status))
            t.same(answer.body != b'[]', True)
    for depth in (200, 100000):
        for body in ('{"rows":' * depth, '[' * depth + ']' * depth, '{"a":' * depth + '1' + '}' * depth):
            for path in ('push', 'emit', 'lock', 'digests', 'ids', 'documents'):
                is_told(t, client.ask('POST', OURS + path, body), path)
    deep = urllib.parse.quote('{"$not":' * 300 + '{}' + '}' * 300)
    is_told(t, client.get(OURS + 'pull?c=cities/0&filter=' + deep), 'filter')
    lives(t, url)


# ---- HTTP ------------------------------------------------------------------------------------

@test
def heads_without_end_are_refused(t):
    server, url = t.serve('server.db')
    before = rss_kb(server)
    for head in (b'GET /' + b'x' * 4000000 + b' HTTP/1.1\r\n\r\n',
                 b'GET / HTTP/1.1\r\n' + b'X-A: b\r\n' * 500000 + b'\r\n',
                 b'GET / HTTP/1.1\r\nX: ' + b'y' * 4000000 + b'\r\n\r\n',
                 b'X' * 4000000,
                 b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;'
                 + b'x' * 4000000):
        got = statuses(raw(url, head))
        t.same(all(400 <= status < 500 for status in got), True, str(got))
    t.same(rss_kb(server) - before < 20000, True)
    lives(t, url)


@test
def a_body_whose_length_is_told_in_two_ways_ends_the_connection(t):
    url = t.serve()[1]
    hidden = b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    for lines in (b'Content-Length: 5\r\nTransfer-Encoding: chunked',
                  b'Transfer-Encoding: chunked\r\nContent-Length: 5',
                  b'Content-Length: 2\r\nContent-Length: 40',
                  b'Content-Length: 0\r\nContent-Length: 40',
                  b'Transfer-Encoding: xchunked', b'Transfer-Encoding: chunked, identity',
                  b'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
                  b'Transfer-Encoding:\x0bchunked', b'Content-Length: -1', b'Content-Length: +5',
                  b'Content-Length: 0x5', b'Content-Length: 99999999999999999999',
                  b'Content-Length: 5 5', b'Content-Length: 5,5'):
        answer = raw(url, b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\n' + lines +
                     b'\r\n\r\n0\r\n\r\n' + hidden)
        got = statuses(answer)
        t.same(all(status in (400, 413) for status in got), True, f'{lines}: {got}')
        t.same(b'smuggled' in answer, False, str(lines))
    lives(t, url)


@test
def requests_that_come_together_are_answered_in_order(t):
    url = t.serve()[1]
    push = json.dumps([row(city('a'))]).encode()
    requests = [b'GET /cities/0/pull HTTP/1.1\r\nHost: x\r\n\r\n',
                b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b'
                % (len(push), push),
                b'GET /nope HTTP/1.1\r\nHost: x\r\n\r\n',
                b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
                b'%x\r\n%b\r\n0\r\n\r\n' % (len(push), push),
                b'GET /cities/0/pull?limit=5 HTTP/1.1\r\nHost: x\r\n\r\n']
    answer = raw(url, b''.join(requests) * 20 + b'GET /last HTTP/1.1\r\nHost: x\r\n'
                 b'Connection: close\r\n\r\n', False)
    t.same(statuses(answer), [200, 200, 404, 200, 200] * 20 + [404])


@test
def broken_requests_end_their_connection_only(t):
    url = t.serve('server.db', '--patience', '1')[1]
    for data in (b'\r\n\r\n', b'\x00' * 100, b'GET\r\n\r\n', b'GET /\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
                 b'GET / HTTP/1.1\r\n: x\r\n\r\n', b'GET / HTTP/1.1\r\nHost x\r\n\r\n',
                 b'GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\nabcde', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
                 b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + os.urandom(500), os.urandom(5000),
                 b'GET http://else.where/cities/0/pull HTTP/1.1\r\nHost: x\r\n\r\n',
                 b'CONNECT a:80 HTTP/1.1\r\nHost: x\r\n\r\n', b'TRACE / HTTP/1.1\r\nHost: x\r\n\r\n',
                 b'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', b'get / http/1.1\r\n\r\n',
                 b'GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n',
                 b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
                 b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
                 b'ffffffffffffffff\r\nabc', b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\n'
                 b'Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n'):
        t.same(all(status in (200, 400, 404, 405, 414, 431, 505) for status in statuses(raw(url, data))),
               True, repr(data[:60]))
    lives(t, url)


@test
def paths_lead_nowhere_else(t):
    t.path('secret.txt', 'secret')
    url = t.serve()[1]
    Client(url).push(CITIES + 'push', [row(city('a'))])
    for path in ('/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/cities/0/../../secret.txt',
                 '/cities%2f0%2fpull', '/cities/0/pull%00', '/cities/0%00/pull', '/cities/0/%70ull%00.txt',
                 '//cities/0/pull', '/cities//0/pull', '/cities/0//pull', '/cities/0/pull/', '/./cities/0/pull',
                 '/cities/0/%2570ull', '/cities/00/pull', '/cities/-0/pull', '/cities/+0/pull',
                 '/_replica/1/../../cities/0/pull', '/_replica/1/doc/cities/0/../../../../secret.txt',
                 '/_replica//1/hello', '/_replica/01/hello', '/_replica/1/hello/', '/server.db',
                 '/_replica/1/doc/..%2fcities/0/a', '/_replica/1/doc/cities%2f0/a', '/\\..\\secret.txt'):
        answer = raw(url, b'GET ' + path.encode() + b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        head, _, body = answer.partition(b'\r\n\r\n')
        t.same(body == b'secret' or b'SQLite' in body, False, path)
        if statuses(head) == [200]:  # an escaped slash or letter is that slash or letter, and no more
            t.same(path in ('/cities%2f0%2fpull', '/_replica/1/doc/cities%2f0/a'), True, path)
    t.same(Client(url).get('/cities/0/%70ull?limit=1').status, 200)
    t.same(Client(url).get(OURS + 'doc/cities/0/' + urllib.parse.quote('../../secret.txt', safe='')).status,
           404)


def mutate(dice, data):
    data = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data))
        end = min(len(data), at + dice.randint(1, 40))
        what = dice.randrange(6)
        if what == 0:
            data[at] = dice.randrange(256)
        elif what == 1:
            del data[at:end]
        elif what == 2:
            data[at:at] = data[at:end] * dice.choice((1, 2, 300))
        elif what == 3:
            data[at:at] = dice.choice((b'\r\n', b'\n', b'\0', b'%', b' ', b':', b'\r\n\r\n', b'-1', b'9' * 30))
        elif what == 4:
            data = data[:at + 1]
        else:
            data += data[at:end]
        if not data:
            data = bytearray(b'x')
    return bytes(data)


@test
def requests_that_are_broken_at_random_break_nothing(t):
    dice = random.Random(5)
    server, url = t.serve('server.db', '--patience', '1')
    push = json.dumps([row(city('a')), row(city('b'))]).encode()
    packed = gzip.compress(push)
    requests = [
        b'GET /cities/0/pull?lwt=0&id=&limit=5 HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET /_replica/1/pull?c=cities/0&c=notes/2&id=&lwt=0&rows=5&keys=a*&filter=%7B%22a%22%3A1%7D '
        b'HTTP/1.1\r\nHost: x\r\nReplica-Uses: operations, numbers\r\nAccept-Encoding: zstd\r\n\r\n',
        b'GET /_replica/1/stream?c=cities/0 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: a.5\r\n\r\n',
        b'PUT /_replica/1/doc/cities/0/a HTTP/1.1\r\nHost: x\r\nIf-Match: "1-a"\r\nContent-Length: 10\r\n'
        b'\r\n{"id":"a"}',
        b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b' % (len(push), push),
        b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n'
        % (len(push), push),
        b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b'
        % (len(packed), packed)]
    before = rss_kb(server)
    for n in range(600):
        with socket.create_connection(address(url), timeout=0.02) as s:
            try:
                s.sendall(mutate(dice, dice.choice(requests)) * dice.choice((1, 1, 1, 5)))
                if n % 3:
                    s.recv(4096)
            except OSError:
                pass
        if n % 50 == 0:
            lives(t, url)
    lives(t, url)
    t.same(rss_kb(server) - before < 30000, True, f'{before} -> {rss_kb(server)} kB')
    done = t.stop(server)
    t.same((done.code, done.err), (0, ''))


# ---- time and numbers ------------------------------------------------------------------------

def ends(s, seconds):
    """Does the server close it by then?  What it says before is read."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def drip(s, data, until):
    """A byte at a time; True if the other side ends it before the time is over."""
    s.setblocking(False)
    for byte in data:
        if time.monotonic() > until:
            return False
        try:
            s.send(bytes([byte]))
        except BlockingIOError:
            pass
        except OSError:
            return True
        try:
            if s.recv(1000) == b'':
                return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        time.sleep(0.05)
    return False


@test
def who_takes_all_the_time_in_the_world_is_cut(t):
    url = t.serve('server.db', '--patience', '1')[1]
    slow = [socket.create_connection(address(url), timeout=30) for _ in range(3)]
    until = time.monotonic() + 20
    t.same(drip(slow[0], b'GET /cities/0/pull HTTP/1.1\r\n' + b'X-Slow: yes\r\n' * 1000, until), True,
           'a head')
    slow[1].sendall(b'POST /cities/0/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n')
    t.same(drip(slow[1], b'[' + b' ' * 4999, until), True, 'a body')
    t.same(ends(slow[2], 10), True, 'silence')
    lives(t, url)
    for s in slow:
        s.close()


@test
def who_does_not_take_its_answer_is_cut_and_others_are_served(t):
    server, url = t.serve('server.db', '--patience', '1')
    client = Client(url)
    for start in range(0, 3000, 500):
        client.push(CITIES + 'push', [row(city(f'c{i}', text='x' * 2000))
                                      for i in range(start, start + 500)])
    before = rss_kb(server)
    slow = []
    for _ in range(50):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(address(url))
        s.sendall(b'GET /cities/0/pull?limit=3000 HTTP/1.1\r\nHost: x\r\n\r\n')
        slow.append(s)
    lives(t, url)
    # Held whole, the answers would be 300 MB.
    t.same(rss_kb(server) - before < 150000, True, f'{before} -> {rss_kb(server)} kB')
    end = time.monotonic() + 20
    with open(f'/proc/{server.pid}/status', encoding='utf-8'):
        files = f'/proc/{server.pid}/fd'
    while len(os.listdir(files)) > 45 and time.monotonic() < end:
        lives(t, url)
        time.sleep(0.1)
    t.same(len(os.listdir(files)) <= 45, True, 'they were cut')
    for s in slow:
        s.close()


@test
def thousands_of_connections_that_say_nothing_hold_nobody_up(t):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(3000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server, url = t.serve('server.db')
    before = rss_kb(server)
    idle = [socket.create_connection(address(url), timeout=30) for _ in range(count)]
    lives(t, url)
    Client(url).push(CITIES + 'push', [row(city('a'))])
    t.same((rss_kb(server) - before) / count < 25, True, 'kB for each')
    for s in idle:
        s.close()
    lives(t, url)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@test
def where_there_are_few_descriptors_it_says_so_and_goes_on(t):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    program = ['sh', '-c', 'ulimit -n 100; exec "$0" "$@"', os.environ['REPLICA'], 'serve', '--db',
               t.path('few.db'), '--listen', '127.0.0.1:0', '--patience', '1']
    import subprocess
    server = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=t.folder)
    t.started.append(server)
    url = server.stdout.readline().decode().split()[1]
    idle = [socket.create_connection(address(url), timeout=30) for _ in range(150)]
    answer = Client(url).get(CITIES + 'pull?limit=1')  # once those before it were cut
    t.same(answer.status, 200)
    for s in idle:
        s.close()
    lives(t, url)
    done = t.stop(server)
    t.same((done.code, 'are taken' in done.err), (0, True), done.err)
    t.same(done.err.count('are taken') <= 2, True, done.err)


@test
def a_slow_reader_of_a_stream_holds_up_nobody_and_gets_what_is_newest(t):
    server, url = t.serve('server.db')
    client = Client(url)
    client.push(CITIES + 'push', [row(city('a', text=''))])
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(address(url))
    slow.sendall(b'GET /cities/0/pullStream HTTP/1.1\r\nHost: x\r\n\r\n')
    fast = Stream(url, CITIES + 'pullStream')
    old = city('a', text='')
    before = rss_kb(server)
    for n in range(300):
        new = city('a', text=f'{n:04}' + 'x' * 20000)
        t.same(client.push(CITIES + 'push', [row(new, old)]).body, b'[]')
        t.same(fast.page()['documents'][-1]['text'][:4], f'{n:04}')
        old = new
    t.same(rss_kb(server) - before < 10000, True, f'{before} -> {rss_kb(server)} kB')
    slow.settimeout(10)
    got = b''
    while b'"text":"0299' not in got[-60000:]:
        part = slow.recv(65536)
        t.same(part != b'', True, 'it was cut too early')
        got += part
    events = got.count(b'data: ')
    t.same(events < 100, True, f'{events} events of 300 writes')
    fast.close()
    slow.close()


main()
