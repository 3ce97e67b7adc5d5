"""What the tests of faults share: the program under test as a process that is told line by line
what to do, a server that is killed and comes back, and the proxy between the two.

The harness is that of the command line (tests/cli/cli.py)."""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
from cli import Failure, main, test  # noqa: E402,F401  (what the tests import from here)
from proxy import Proxy  # noqa: E402

CLIENT = os.environ['CLIENT']
PATIENCE = 30   # s until everything is quiet
WAITING = 5     # REPLICA_SYNC_WAITING


class Died(Exception):
    """The client ended within a command: whether it was done is not known."""


class Refused(Exception):
    """The client's answer to a command is an error."""


class Client:
    """A program with a database, and a replication to `url`."""

    def __init__(self, t, name, url, collections, options='-'):
        self.t, self.name, self.options = t, name, options
        self.db = t.path(name + '.db')
        self.url = f'{url}/{collections[0].split("=")[0]}/0'
        self.collections = collections
        self.process = None
        self.said = []   # each line, and its answer
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [CLIENT, self.db, self.url, self.options, *self.collections], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.t.started.append(self.process)
        self.read('start')

    def read(self, line):
        answer = self.process.stdout.readline().decode()
        if answer.startswith('err '):
            raise Refused(f'{self.name}: {line}: {answer[4:].rstrip()}')
        if not answer.startswith('ok '):
            error = self.process.stderr.read().decode() if not answer else ''
            if self.process.wait() != -signal.SIGKILL:
                raise Failure(f'{self.name}: {line}: {answer!r} {error!r}')
            raise Died(line)
        return json.loads(answer[3:]) if answer[3:].strip() else None

    def send(self, line):
        try:
            self.process.stdin.write(line.encode() + b'\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # reading says what it died of

    def do(self, line):
        self.send(line)
        answer = self.read(line)
        self.said.append((line, answer))
        return answer

    def put(self, collection, document, rev='*'):
        self.do(f'put {collection} {rev} {json.dumps(document, separators=(",", ":"))}')

    def get(self, collection, key):
        got = self.do(f'get {collection} {key}')
        return got[1] if got else None

    def change(self, collection, key, edit):
        """Read, edit, write over what was read; again if the replication was faster."""
        for _ in range(1000):
            got = self.do(f'get {collection} {key}')
            rev, document = got if got else ('new', {'id': key})
            try:
                return self.put(collection, edit(document), rev)
            except Refused as refused:
                if 'REPLICA_ECONFLICT' not in str(refused):
                    raise
        raise Failure(f'{collection}/{key} changes all the time')

    def add(self, collection, key, amount):
        self.change(collection, key, lambda d: {**d, 'n': d.get('n', 0) + amount})

    def status(self):
        return self.do('status')

    def in_sync(self, seconds=PATIENCE):
        """Wait for it; a wait after an error is cut short, as a program may."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.do('wait 500'):
                return
            if self.status()['state'] == WAITING:
                self.do('now')
        raise Failure(f'{self.name} is not in sync after {seconds} s: {self.status()}')

    def until(self, condition, what, seconds=PATIENCE):
        """Until the status is so; it dispatches meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.status()
            if condition(status):
                return status
            try:
                self.do('wait 20')
            except Refused:
                pass  # it is halted: that may be what is waited for
        raise Failure(f'{self.name}: not {what} after {seconds} s: {self.status()}')

    def kill(self):
        self.process.kill()
        self.process.wait()

    def quit(self):
        self.send('quit')
        self.process.wait(timeout=PATIENCE)
        self.t.same((self.process.returncode, self.process.stderr.read()), (0, b''), self.name)

    def restart(self):
        self.quit()
        self.start()

    def rss(self):
        return rss(self.process.pid)


def rss(pid):
    """The most memory that the process ever had, in KiB."""
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        for line in f:
            if line.startswith('VmHWM'):
                return int(line.split()[1])
    return 0


class Server:
    """`replica serve` on a file, at a proxy's back."""

    def __init__(self, t, seed=None, name='server', serve=()):
        self.t, self.file, self.args = t, name + '.db', serve
        self.process, url = t.serve(self.file, *serve)
        self.proxy = Proxy(url, seed)
        self.url = self.proxy.url

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(timeout=PATIENCE)

    def start(self, *more):
        self.process, self.proxy.to = self.t.serve(self.file, *self.args, *more)

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        self.start()

    def documents(self, collection):
        """The live ones by key, and the number of each one's newest state, deleted or not."""
        db = sqlite3.connect(f'file:{self.t.path(self.file)}?mode=ro', uri=True)
        try:
            rows = db.execute('SELECT d.id, d.seq, d.flags, d.body FROM doc d JOIN collection c'
                              ' ON d.coll = c.id WHERE c.name = ?', (collection,)).fetchall()
        finally:
            db.close()
        return ({key: json.loads(body) for key, _, flags, body in rows if not flags & 1},
                {key: seq for key, seq, _, _ in rows})

    def close(self):
        self.proxy.close()


def check_file(t, path):
    """SQLite finds nothing wrong, nor does the library."""
    db = sqlite3.connect(path)
    t.same(db.execute('PRAGMA integrity_check').fetchall(), [('ok',)], path)
    db.close()
    t.ok('check', '--db', path)
