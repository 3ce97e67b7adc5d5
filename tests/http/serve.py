"""What the tests of `replica serve` share: raw HTTP, so that bytes can be compared.

The harness is that of the command line (tests/cli/cli.py)."""
import http.client
import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
from cli import Failure, main, test  # noqa: E402,F401  (what the tests import from here)


def address(url):
    host, port = url.split('//')[1].rsplit(':', 1)
    return host, int(port)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection that is kept alive."""

    def __init__(self, url, timeout=30):
        self.connection = http.client.HTTPConnection(*address(url), timeout=timeout)

    def ask(self, method, path, body=None, **headers):
        names = {name.replace('_', '-'): value for name, value in headers.items()}
        self.connection.request(method, path, body, names)
        return Answer(self.connection.getresponse())

    def get(self, path, **headers):
        return self.ask('GET', path, **headers)

    def push(self, path, rows, **headers):
        return self.ask('POST', path, json.dumps(rows, separators=(',', ':')), **headers)


class Stream:
    """An event stream, read as it comes."""

    def __init__(self, url, path, **headers):
        self.socket = socket.create_connection(address(url), timeout=30)
        lines = [f'GET {path} HTTP/1.1', 'Host: x', 'Accept: text/event-stream']
        lines += [f'{name.replace("_", "-")}: {value}' for name, value in headers.items()]
        self.socket.sendall('\r\n'.join(lines + ['', '']).encode())
        self.raw = b''
        self.head = self.until(b'\r\n\r\n').decode()
        self.text = b''

    def until(self, end):
        while end not in self.raw:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.raw)
            self.raw += data
        got, self.raw = self.raw.split(end, 1)
        return got

    def chunk(self):
        size = int(self.until(b'\r\n'), 16)
        if size == 0:
            return b''
        while len(self.raw) < size + 2:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.raw)
            self.raw += data
        chunk, self.raw = self.raw[:size], self.raw[size + 2:]
        return chunk

    def event(self):
        """The next event's lines, heartbeats left out; None at the end."""
        while True:
            while b'\n\n' not in self.text:
                chunk = self.chunk()
                if not chunk:
                    return None
                self.text += chunk
            event, self.text = self.text.split(b'\n\n', 1)
            if not event.startswith(b':'):
                return event.decode()

    def page(self):
        event = self.event()
        if event is None:
            return None
        return json.loads('\n'.join(line[6:] for line in event.split('\n')
                                    if line.startswith('data: ')))

    def close(self):
        self.socket.close()


def city(id, visits=0, deleted=False, **more):
    return {'id': id, 'name': 'Sant Julià de Lòria', 'lat': 42.53176, 'visits': visits,
            'tags': ['ad', 'geo'], **more, '_deleted': deleted}


def row(new, assumed=None):
    return {'newDocumentState': new} if assumed is None else \
        {'newDocumentState': new, 'assumedMasterState': assumed}
