#!/usr/bin/env python3
"""A proxy between clients and a server that does to their talk what networks and strangers do.

    proxy.py --to http://127.0.0.1:8080 [--listen PORT] [--script FILE] [--seed N]

It reads requests whole, passes them on, and answers whole; streams it passes on as they come. What
goes wrong is said by rules, one JSON object a line:

    {"fault":"lose","match":"POST .*/push","skip":1,"times":2}

`match` is a regular expression for "METHOD target" (all), `skip` so many requests are let through
first (0), `times` so often it happens (1; 0: always). The first rule that fits is the one. Faults:

    cut            the connection ends before anything reaches the server
    cut-request    the server gets half of the request
    lose           the server answers, and the client never hears of it
    cut-answer     half of the answer arrives (or `bytes` of it)
    truncate       half of the body, as if it were all
    delay          `before` ms, then the server is asked, `after` ms, then the answer is given
    swallow        the request goes nowhere, and the connection stays
    swallow-answer the server answers, nothing arrives, and the connection stays
    freeze         a stream: after `bytes` nothing comes any more, and the connection stays
    end            a stream: after `bytes` it ends
    twice          the server gets the request twice, the client the second answer
    replay         the server gets an old push first (`back`: the last but so many)
    answer         `status`, `type`, `body`, `headers` instead of the server's answer
    portal         a page in HTML that wants a log-in
    cap            no more than `rows` are asked for
    limit          413 if the body has more than `bytes`
    stale          an answer from before to the same path
    refuse         `status` if the body has the text `if`
    refuse-rows    each row of a push is refused by a verdict of `status`
    rewrite        `from` in the answer's body is `to`
    pass           nothing happens

With a seed, what no rule is for goes wrong by dice. What was asked and what came of it is kept."""
import argparse
import asyncio
import json
import random
import re
import sys
import threading

MOST_KEPT = 400  # old pushes and answers, to be replayed
PORTAL = b'<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Log in to go on</body>'

# By dice: what happens of a thousand requests, and what it does not suit.
CHANCES = [('cut', 25), ('cut-request', 15), ('lose', 40), ('cut-answer', 20), ('truncate', 10),
           ('delay', 60), ('twice', 25), ('replay', 20), ('portal', 10), ('cap', 60),
           ('stale', 10), ('status', 25), ('swallow', 8), ('swallow-answer', 8)]
STREAM_CHANCES = [('end', 200), ('freeze', 60), ('cut', 50), ('status', 50), ('delay', 100)]
STATUSES = [400, 408, 429, 500, 502, 503, 504]


class Message:
    """A request or an answer: its first line, its headers, its body."""

    def __init__(self, line, headers, body=b''):
        self.line, self.headers, self.body = line, headers, body

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    def bytes(self):
        """Whole, with the length of the body that it has now."""
        left = ('content-length', 'transfer-encoding', 'connection')
        lines = [self.line] + [f'{k}: {v}' for k, v in self.headers if k.lower() not in left]
        if self.body or not self.line.startswith(('GET', 'HTTP/1.1 204', 'HTTP/1.1 304')):
            lines.append(f'Content-Length: {len(self.body)}')
        return '\r\n'.join(lines + ['', '']).encode('latin-1') + self.body

    def status(self):
        return int(self.line.split(' ', 2)[1])


class Request:
    """What was asked, and what came of it."""

    def __init__(self, message):
        self.method, self.target, _ = message.line.split(' ', 2)
        self.message = message
        self.name = f'{self.method} {self.target}'
        self.path = self.target.split('?')[0]
        self.fault = None
        self.status = 0    # that the client got
        self.answer = None  # of the server, if it was asked
        self.done = False

    @property
    def is_stream(self):
        return self.path.endswith(('/stream', '/pullStream'))


async def read_head(reader):
    head = await reader.readuntil(b'\r\n\r\n')
    lines = head.decode('latin-1').split('\r\n')
    headers = [tuple(part.strip() for part in line.split(':', 1)) for line in lines[1:] if line]
    return Message(lines[0], headers), head


async def read_chunks(reader):
    body = b''
    while True:
        size = int((await reader.readline()).split(b';')[0], 16)
        piece = await reader.readexactly(size + 2)
        body += piece[:-2]
        if size == 0:
            return body


async def read_body(reader, message, is_answer):
    length = message.header('content-length')
    if 'chunked' in (message.header('transfer-encoding') or ''):
        return await read_chunks(reader)
    if length is not None:
        return await reader.readexactly(int(length))
    return await reader.read() if is_answer else b''


class Proxy:
    """Runs in a thread of its own; rules and what was asked can be looked at at any time."""

    def __init__(self, to, seed=None, rules=(), port=0):
        self.to = to
        self.port = port
        self.rules = [dict(rule) for rule in rules]
        self.dice = random.Random(seed) if seed is not None else None
        self.requests = []
        self.ended = []      # the same, as they end
        self.pushes = []     # as they were sent, for replays
        self.answers = {}    # by path, for stale ones
        self.on_answer = None
        self.changed = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self.writers = set()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait(10)
        self.url = f'http://127.0.0.1:{self.port}'

    # ---- for the test's thread ----

    def rule(self, fault, match='', times=1, skip=0, **more):
        self.rules.append({'fault': fault, 'match': match, 'times': times, 'skip': skip, **more})

    def heal(self):
        """Nothing goes wrong from here on, and what hangs is let go."""
        self.rules, self.dice = [], None
        self.cut_all()

    def cut_all(self):
        self.loop.call_soon_threadsafe(self._cut_all)

    def wait_for(self, condition, timeout=20):
        """Until it holds; asked again whenever something was asked or answered."""
        with self.changed:
            return self.changed.wait_for(condition, timeout)

    def count(self, match=''):
        return sum(1 for request in list(self.requests) if re.search(match, request.name))

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    # ---- the loop's ----

    def run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, '127.0.0.1', self.port, limit=1 << 20))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        self._cut_all()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _cut_all(self):
        for writer in list(self.writers):
            writer.transport.abort()

    def note(self):
        with self.changed:
            self.changed.notify_all()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self.exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                ValueError, OSError):
            pass
        finally:
            self.writers.discard(writer)
            writer.transport.abort()

    async def exchange(self, reader, writer):
        """One request and its answer.  False: the connection ends."""
        message, _ = await read_head(reader)
        message.body = await read_body(reader, message, False)
        request = Request(message)
        rule = self.pick(request)
        request.fault = rule['fault']
        self.requests.append(request)
        self.note()
        try:
            if request.is_stream and rule['fault'] not in ('cut', 'answer', 'portal', 'swallow'):
                return await self.stream(request, rule, reader, writer)
            return await self.handle(request, rule, reader, writer)
        finally:
            request.done = True
            self.ended.append(request)
            self.note()

    def pick(self, request):
        for rule in self.rules:
            if not re.search(rule.get('match', ''), request.name):
                continue
            if rule.get('skip', 0) > 0:
                rule['skip'] -= 1
                continue
            times = rule.get('times', 1)
            if times < 0:
                continue
            if times > 0:
                rule['times'] = times - 1 or -1
            return rule
        return self.roll(request) if self.dice else {'fault': 'pass'}

    def roll(self, request):
        number = self.dice.randrange(1000)
        for fault, chance in STREAM_CHANCES if request.is_stream else CHANCES:
            if number < chance:
                break
            number -= chance
        else:
            return {'fault': 'pass'}
        if fault == 'status':
            return {'fault': 'answer', 'status': self.dice.choice(STATUSES), 'type': 'text/plain',
                    'body': 'no', 'ask': self.dice.randrange(2)}
        return {'fault': fault, 'before': self.dice.randrange(100), 'rows': self.dice.randint(1, 3),
                'after': self.dice.randrange(100), 'back': self.dice.randrange(20),
                'bytes': self.dice.randrange(20000)}

    async def handle(self, request, rule, reader, writer):
        fault = rule['fault']
        if fault == 'cut':
            return False
        if fault == 'swallow':
            return await self.hang(reader)
        if fault == 'portal':
            return await self.give(request, self.made(200, 'text/html', PORTAL), writer)
        if fault == 'answer':
            if rule.get('ask'):
                await self.ask(request)
            return await self.give(request, self.answer_of(rule), writer)
        if fault == 'limit' and len(request.message.body) > rule['bytes']:
            body = json.dumps({'error': 'size', 'message': 'too large', 'limit': rule['bytes']})
            return await self.give(request, self.made(413, 'application/json', body.encode()),
                                   writer)
        if fault == 'refuse' and rule.get('if', '').encode() in request.message.body:
            return await self.give(request, self.made(rule['status'], 'application/json',
                                                      b'{"error":"refused"}'), writer)
        if fault == 'refuse-rows':
            return await self.give(request, self.refused_rows(request, rule), writer)
        if fault == 'stale' and self.answers.get(request.path):
            return await self.give(request, self.answers[request.path][0], writer)
        if fault == 'delay':
            await asyncio.sleep(rule.get('before', 0) / 1000)
        if fault == 'cut-request':
            await self.ask_half(request)
            return False
        if fault == 'replay' and self.pushes:
            await self.ask(Request(self.pushes[-1 - min(rule.get('back', 0),
                                                        len(self.pushes) - 1)]))
        if fault == 'cap':
            request.message.line = re.sub(r'([?&](?:rows|limit)=)\d+', rf'\g<1>{rule["rows"]}',
                                          request.message.line)
        answer = await self.ask(request)
        if fault == 'twice':
            answer = await self.ask(request)
        if fault == 'lose':
            return False
        if fault == 'swallow-answer':
            return await self.hang(reader)
        if fault == 'delay':
            await asyncio.sleep(rule.get('after', 0) / 1000)
        if fault == 'rewrite':
            answer.body = answer.body.replace(rule['from'].encode(), rule['to'].encode())
        if fault == 'truncate':
            answer = Message(answer.line, answer.headers, answer.body[:len(answer.body) // 2])
        if fault == 'cut-answer':
            data = answer.bytes()
            writer.write(data[:min(rule.get('bytes', len(data)), len(data)) // 2])
            await writer.drain()
            return False
        return await self.give(request, answer, writer)

    async def hang(self, reader):
        """Until the client has enough."""
        while await reader.read(65536):
            pass
        return False

    @staticmethod
    def made(status, kind, body, headers=()):
        return Message(f'HTTP/1.1 {status} As the test says',
                       [('Content-Type', kind), *headers] if kind else list(headers), body)

    def refused_rows(self, request, rule):
        rows = len(json.loads(request.message.body)['documents'])
        verdict = {'refused': rule['status'], 'reason': 'not by you'}
        return self.made(200, 'application/vnd.libreplica+json',
                         json.dumps({'verdicts': [verdict] * rows}).encode())

    def answer_of(self, rule):
        body = rule.get('body', b'')
        return self.made(rule.get('status', 200), rule.get('type', 'application/json'),
                         body.encode() if isinstance(body, str) else body,
                         rule.get('headers', ()))

    async def give(self, request, answer, writer):
        request.status = answer.status()
        writer.write(answer.bytes())
        await writer.drain()
        return True

    # ---- the server ----

    async def connect(self):
        host, port = self.to.split('//')[1].rsplit(':', 1)
        return await asyncio.open_connection(host, int(port), limit=1 << 20)

    async def ask_half(self, request):
        reader, writer = await self.connect()
        data = request.message.bytes()
        writer.write(data[:len(data) // 2])
        await writer.drain()
        writer.close()

    async def ask(self, request):
        """The server's answer, whole; one connection for each, so that it may restart."""
        reader, writer = await self.connect()
        try:
            writer.write(request.message.bytes())
            await writer.drain()
            answer, _ = await read_head(reader)
            if answer.status() not in (204, 304):
                answer.body = await read_body(reader, answer, True)
        finally:
            writer.transport.abort()
        request.answer = answer
        self.remember(request, answer)
        return answer

    def remember(self, request, answer):
        if request.path.endswith('/push'):
            self.pushes = self.pushes[-MOST_KEPT:] + [request.message]
        elif request.path.endswith('/pull') and answer.status() == 200:
            self.answers.setdefault(request.path, []).append(answer)
            if len(self.answers[request.path]) > 20:
                self.answers[request.path].pop(0)
        if self.on_answer:
            self.on_answer(request, answer)

    async def stream(self, request, rule, listener, client):
        """As it comes, up to where the rule says."""
        fault = rule['fault']
        left = rule.get('bytes', 0) if fault in ('freeze', 'end') else None
        if fault == 'delay':
            await asyncio.sleep(rule.get('before', 0) / 1000)
        reader, writer = await self.connect()
        self.writers.add(writer)
        gone = asyncio.ensure_future(listener.read(1))
        try:
            writer.write(request.message.bytes())
            await writer.drain()
            while True:
                piece = asyncio.ensure_future(reader.read(65536))
                await asyncio.wait((piece, gone), return_when=asyncio.FIRST_COMPLETED)
                if not piece.done():
                    piece.cancel()
                    return False
                data = piece.result()
                if not data:
                    return False
                if request.status == 0:
                    request.status = int(data.split(b' ', 2)[1])
                if left is not None and len(data) >= left:
                    client.write(data[:left])
                    await client.drain()
                    if fault == 'end':
                        return False
                    await gone
                    return False
                left = left - len(data) if left is not None else None
                client.write(data)
                await client.drain()
        finally:
            gone.cancel()
            self.writers.discard(writer)
            writer.transport.abort()


def main():
    parser = argparse.ArgumentParser(description='A proxy that does what networks do.')
    parser.add_argument('--to', required=True)
    parser.add_argument('--listen', type=int, default=0)
    parser.add_argument('--script')
    parser.add_argument('--seed', type=int)
    args = parser.parse_args()
    rules = []
    if args.script:
        with open(args.script, encoding='utf-8') as f:
            rules = [json.loads(line) for line in f if line.strip()]
    proxy = Proxy(args.to.rstrip('/'), args.seed, rules, args.listen)
    print(f'listening {proxy.url}', flush=True)
    shown = 0
    try:
        while True:
            proxy.wait_for(lambda: shown < len(proxy.ended), 3600)
            for request in proxy.ended[shown:]:
                print(f'{request.name} {request.fault} {request.status}', flush=True)
                shown += 1
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == '__main__':
    main()
