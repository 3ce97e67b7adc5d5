#!/usr/bin/env python3
"""Tokens: listed and signed ones, at a server and with clients; and that nobody shows them."""
import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

from cli import Failure, main, test

SIGN = os.environ['SIGN_TOKEN']
ALGORITHMS = ('HS256', 'RS256', 'ES256', 'EdDSA')
LEEWAY = 60


class Key:
    def __init__(self, algorithm, kid):
        self.algorithm = algorithm
        out = subprocess.run([SIGN, 'key', algorithm, kid], check=True, capture_output=True).stdout
        self.private, self.public, self.file = out.decode().split('\n', 2)

    def token(self, **claims):
        return subprocess.run([SIGN, 'sign', self.algorithm, self.private, json.dumps(claims)],
                              check=True, capture_output=True).stdout.decode().strip()


def secret_file(t, name, text):
    """A file that only we can read; written at once, as who renews tokens does."""
    path = t.path(name)
    with open(os.open(path + '.new', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as f:
        f.write(text)
    os.rename(path + '.new', path)
    return path


def once(t, base, db, token, code=0, *options):
    file = secret_file(t, f'{db}.token', token + '\n')
    done = t.run('sync', '--db', t.path(db), '--url', f'{base}/notes/0', '--once', '--token-file',
                 file, '--timeout', '20', *options)
    t.same(done.code, code, done.err)
    return done


@test
def signed_tokens_are_let_in_by_a_key(t):
    for algorithm in ALGORITHMS:
        key = Key(algorithm, 'k')
        _, base = t.serve(f'{algorithm}.db', '--jwt-key', secret_file(t, 'key', key.file))
        t.ok('put', '--db', t.path(f'{algorithm}a.db'), '--collection', 'notes', '{"id":"a"}')
        once(t, base, f'{algorithm}a.db', key.token(sub='anna', exp=time.time() + 60))
        once(t, base, f'{algorithm}b.db', key.token(sub='otto'))
        t.same(t.ok('get', '--db', t.path(f'{algorithm}b.db'), '--collection', 'notes', 'a'),
               b'{"id":"a"}\n')


@test
def signed_tokens_are_let_in_by_a_set_of_keys(t):
    keys = [Key(algorithm, f'k{n}') for n, algorithm in enumerate(ALGORITHMS)]
    keys_file = secret_file(t, 'set', '{"keys":[' + ','.join(key.public for key in keys) + ']}')
    _, base = t.serve('server.db', '--jwks', keys_file)
    for key in keys:
        once(t, base, 'a.db', key.token(sub='anna'))


@test
def a_client_is_told_what_is_wrong_with_its_token(t):
    key, other = Key('ES256', 'k'), Key('ES256', 'k')
    stranger = Key('EdDSA', 'x')
    keys_file = secret_file(t, 'set', '{"keys":[' + key.public + ']}')
    _, base = t.serve('server.db', '--jwks', keys_file,
                      '--token-file', secret_file(t, 'tokens', 'l1sted {"exp":1000}\n'))
    for token, why in ((key.token(exp=time.time() - LEEWAY), 'has expired'),
                       (key.token(nbf=time.time() + LEEWAY + 30), 'is not yet valid'),
                       (other.token(sub='a'), 'signature of the token is wrong'),
                       (stranger.token(sub='a'), 'no key here is for the algorithm'),
                       ('l1sted', 'has expired'), ('nobodys', 'no token that is known here')):
        done = once(t, base, 'a.db', token, 4)
        t.same(why in done.err, True, done.err)
        t.same(token in done.err, False, done.err)


@test
def a_signed_token_for_somebody_else_is_refused_and_neither_side_is_shown(t):
    key = Key('EdDSA', 'k')
    _, base = t.serve('server.db', '--jwt-key', secret_file(t, 'key', key.file),
                      '--jwt-issuer', 'https://login.example/', '--jwt-audience', 'notes-server')
    good = {'iss': 'https://login.example/', 'aud': ['mail', 'notes-server']}
    once(t, base, 'a.db', key.token(**good))
    once(t, base, 'a.db', key.token(**{**good, 'aud': 'notes-server'}))
    for claims, why in (({**good, 'iss': 'https://evil.example/'}, 'is of another issuer'),
                        ({**good, 'aud': 'mail'}, 'is for another audience'),
                        ({'aud': 'notes-server'}, 'does not say who issued it'),
                        ({'iss': 'https://login.example/'}, 'does not say whom it is for')):
        token = key.token(**claims)
        done = once(t, base, 'a.db', token, 4)
        t.same(why in done.err, True, done.err)
        request = urllib.request.Request(base + '/_replica/1/hello',
                                         headers={'Authorization': 'Bearer ' + token})
        try:
            urllib.request.urlopen(request, timeout=20)
            raise Failure('it was let in')
        except urllib.error.HTTPError as error:
            answer = error.read().decode() + str(error.headers)
            t.same((error.code, why in answer), (401, True), answer)
        for shown in (token, token.split('.')[2], 'example', 'notes-server', 'mail'):
            t.same(shown in done.err.replace(base, '') + answer, False, shown)


@test
def what_signed_tokens_must_say_is_asked_of_some(t):
    args = ('serve', '--db', t.path('a.db'), '--listen', '127.0.0.1:0')
    for option in ('--jwt-issuer', '--jwt-audience'):
        t.fails(2, 'need --jwt-key or --jwks', *args, option, 'a')
        t.fails(2, 'a text that is not empty', *args, '--jwt-key', t.path('k', 'x' * 32), option, '')


@test
def a_server_without_a_key_that_it_can_use_does_not_start(t):
    key = Key('RS256', 'k')
    args = ('serve', '--db', t.path('a.db'), '--listen', '127.0.0.1:0')
    for option, text, message in (
            ('--jwt-key', '', 'has no key'), ('--jwt-key', key.public, 'looks like JSON'),
            ('--jwks', key.file, 'is no set of keys'), ('--jwks', '{"keys":[]}', 'has no key'),
            ('--jwks', '{"keys":[' + key.private + ']}', 'a private key'),
            ('--token-file', '# none\n', 'has no token'),
            ('--token-file', 'hidden {"sub":\n', 'line 1: behind the token')):
        done = t.run(*args, option, t.path('f', text))
        t.same((done.code, done.out), (2, b''), done.err)
        t.same(message in done.err, True, done.err)
        t.same('hidden' in done.err, False)
    for option in ('--jwt-key', '--jwks', '--token-file'):
        t.fails(8, 'absent', *args, option, t.path('absent'))


@test
def signed_tokens_open_the_server_to_the_network(t):
    key = secret_file(t, 'key', Key('EdDSA', 'k').file)
    server = t.start('serve', '--db', t.path('a.db'), '--listen', '0.0.0.0:0', '--jwt-key', key)
    t.same(server.stdout.readline().startswith(b'listening http://0.0.0.0:'), True)


def wait_for(what, condition):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise Failure(f'waited in vain: {what}')
        time.sleep(0.02)


@test
def a_live_client_reads_its_file_again_when_the_token_has_expired(t):
    key = Key('EdDSA', 'k')
    server, base = t.serve('server.db', '--jwt-key', secret_file(t, 'key', key.file))
    soon = time.time() - LEEWAY + 3
    file = secret_file(t, 'a.token', key.token(n=1, exp=soon) + '\n')
    live = t.start('sync', '--db', t.path('a.db'), '--url', f'{base}/notes/0', '--live',
                   '--token-file', file)

    def arrived(name):
        return t.run('get', '--db', t.path('a.db'), '--collection', 'notes', name).code == 0

    fresh = key.token(n=2, exp=time.time() + 600)
    for name in ('one', 'two'):
        t.ok('put', '--db', t.path('b.db'), '--collection', 'notes', json.dumps({'id': name}))
        once(t, base, 'b.db', fresh)
        wait_for(name, lambda: arrived(name))
        secret_file(t, 'a.token', fresh + '\n')
        wait_for('the first token has expired', lambda: time.time() > soon + LEEWAY)
    t.same(live.poll(), None)
    done = t.stop(live)
    t.same('credentials' in done.err, False, done.err)


# ---- secrets ------------------------------------------------------------------------

class Mirror(http.server.BaseHTTPRequestHandler):
    """A proxy that shows in its error what it was sent."""

    def do_GET(self):
        length = int(self.headers.get('Content-Length', 0))
        body = f'{self.requestline}\n{self.headers}'.encode() + self.rfile.read(length)
        self.send_response(502)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        pass


def command_lines(processes):
    for process in processes:
        try:
            with open(f'/proc/{process.pid}/cmdline', 'rb') as f:
                yield f.read()
        except FileNotFoundError:  # it has ended, or this system has other ways
            pass


@test
def no_output_shows_a_secret(t):
    key = Key('HS256', 'k')
    listed, wrong, password = 'l1sted-t0ken', 'wr0ng-t0ken', 'pa55-w0rd'
    signed = key.token(sub='anna', exp=time.time() + 600)
    expired = key.token(sub='anna', exp=1000)
    claim = 'claim-0f-nobody-else'
    basic = base64.b64encode(f'anna:{password}'.encode()).decode()
    secrets = [listed, wrong, password, signed, expired, basic, key.file.strip(), claim]
    secrets += [part for token in (signed, expired) for part in token.split('.')[1:]]
    seen = {}

    server, base = t.serve('server.db', '--log', '--jwt-key', secret_file(t, 'key', key.file),
                           '--token-file', secret_file(t, 'tokens', f'{listed} {{"x":"{claim}"}}\n'))
    with_password = base.replace('http://', f'http://anna:{password}@')
    t.ok('put', '--db', t.path('a.db'), '--collection', 'notes', '{"id":"a"}')
    live = t.start('sync', '--db', t.path('a.db'), '--url', f'{with_password}/notes/0', '--live',
                   '--json', '--token-file', secret_file(t, 'live.token', signed))

    def is_there():
        return once(t, base, 'b.db', listed, 0, '--json') and \
            t.run('get', '--db', t.path('b.db'), '--collection', 'notes', 'a').code == 0

    wait_for('the note', is_there)
    for n, line in enumerate(command_lines([server, live])):
        seen[f'process {n}'] = line.decode()
    t.same(all(b'anna' in line for line in list(command_lines([live]))), True)

    def note(name, *args):
        done = t.run(*args)
        seen[name] = done.out.decode() + done.err

    for name in ('a.db', 'b.db'):
        for args in (('status',), ('status', '--json'), ('check',), ('conflicts', 'list'),
                     ('rejected', 'list'), ('rejected', 'list', '--json')):
            note(f'{args} {name}', *args, '--db', t.path(name))
    mirror = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Mirror)
    threading.Thread(target=mirror.serve_forever, daemon=True).start()
    echo = f'http://anna:{password}@127.0.0.1:{mirror.server_port}'
    closed = 'http://anna:' + password + '@127.0.0.1:1'
    try:
        for n, (where, token) in enumerate(((base, wrong), (base, expired), (with_password, wrong),
                                            (echo, signed), (echo, listed), (closed, listed))):
            file = secret_file(t, f'{n}.token', token)
            common = ('--url', f'{where}/notes/0', '--token-file', file)
            note(f'sync {n}', 'sync', '--db', t.path('c.db'), '--once', '--timeout', '1', *common)
            note(f'trace {n}', 'sync', '--db', t.path('c.db'), '--once', '--timeout', '1',
                 '--trace', *common)
            note(f'lock {n}', 'lock', '--own', 'x', *common)
            note(f'locks {n}', 'locks', *common)
            note(f'status {n}', 'status', '--db', t.path('c.db'), '--json')
        note('no endpoint', 'sync', '--db', t.path('c.db'), '--once', '--url', with_password)
        note('no token', 'sync', '--db', t.path('c.db'), '--once', '--url', f'{base}/notes/0',
             '--token-file', t.path('bad', f'{wrong} {listed}\n'))
    finally:
        mirror.shutdown()
        mirror.server_close()
    t.same('502' in seen['sync 3'] and '401' in seen['sync 0'], True, seen['sync 3'])
    done = t.stop(live)
    seen['live'] = done.out.decode() + done.err
    done = t.stop(server)
    seen['server'] = done.out.decode() + done.err
    t.same(' 401 ' in seen['server'], True)
    mine = ('key', 'tokens', 'bad')
    for name in os.listdir(t.folder):
        if name not in mine and not name.endswith('.token'):
            with open(t.path(name), 'rb') as f:
                seen[f'file {name}'] = f.read().decode('latin-1')
    t.same(any(name.startswith('file ') and name.endswith('.db') for name in seen), True)
    for name, text in seen.items():
        for secret in secrets:
            t.same(secret in text, False, f'{name} shows {secret}')


main()
