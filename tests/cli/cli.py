"""Drives the real program: $REPLICA, in a folder of its own for each test.  Speaks TAP.

A test is a function whose name is the sentence that is true when it passes:

    @test
    def what_was_put_comes_back(t):
        t.ok('put', *t.notes, '{"id":"a"}')
        t.same(t.ok('get', *t.notes, 'a'), b'{"id":"a"}\\n')
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback

REPLICA = os.environ['REPLICA']
TIMEOUT = 40
RUN_TIMEOUT = 25  # of one program; before that of the whole test, which would not say which
_tests = []


def test(function):
    _tests.append(function)
    return function


class Failure(Exception):
    pass


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class Test:
    """What a test gets: a folder, the program, and checks that say what they saw."""

    def __init__(self, folder):
        self.folder = folder
        self.db = os.path.join(folder, 'a.db')
        self.notes = ('--db', self.db, '--collection', 'notes')
        self.started = []

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, 'wb') as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, *args, stdin=b''):
        process = subprocess.Popen([REPLICA, *args], cwd=self.folder, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.started.append(process)
        try:
            out, err = process.communicate(stdin, timeout=RUN_TIMEOUT)
        except subprocess.TimeoutExpired:  # sync says how far it came when it is interrupted
            late = self.stop(process)
            raise Failure(f'{" ".join(args)}: not done after {RUN_TIMEOUT} s; said {late.out!r},'
                          f' {late.err!r}') from None
        return Result(process.returncode, out, err.decode())

    def ok(self, *args, stdin=b''):
        """Run, expect exit 0 and a silent standard error; the output."""
        done = self.run(*args, stdin=stdin)
        self.same((done.code, done.err), (0, ''), ' '.join(args))
        return done.out

    def fails(self, code, message, *args, stdin=b''):
        """Run, expect this exit code, and a message that contains this."""
        done = self.run(*args, stdin=stdin)
        self.same(done.code, code, f'{" ".join(args)}: {done.err}')
        if message not in done.err:
            raise Failure(f'{" ".join(args)}: said {done.err!r}, not {message!r}')
        return done

    def lines(self, *args):
        return [json.loads(line) for line in self.ok(*args).splitlines()]

    def start(self, *args):
        """A program that goes on; ended with the test."""
        process = subprocess.Popen([REPLICA, *args], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.started.append(process)
        return process

    def serve(self, db='server.db', *args):
        """A server; its process and its base URL."""
        process = self.start('serve', '--db', self.path(db), '--listen', '127.0.0.1:0', *args)
        line = process.stdout.readline().decode()
        if not line.startswith('listening http://'):
            raise Failure(f'serve said {line!r}, {process.stderr.read()!r}')
        return process, line.split()[1]

    def stop(self, process, number=signal.SIGTERM):
        """Send a signal; the result."""
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
        return Result(process.returncode, out, err.decode())

    def same(self, got, wanted, what=''):
        if got != wanted:
            raise Failure(f'{what + ": " if what else ""}got {got!r}, wanted {wanted!r}')

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


def too_late(number, frame):
    raise Failure(f'not done after {TIMEOUT} s')


def main():
    signal.signal(signal.SIGALRM, too_late)
    print(f'1..{len(_tests)}', flush=True)
    for n, function in enumerate(_tests, 1):
        sentence = function.__name__.replace('_', ' ')
        with tempfile.TemporaryDirectory() as folder:
            t = Test(folder)
            signal.alarm(TIMEOUT)
            try:
                function(t)
                print(f'ok {n} - {sentence}', flush=True)
            except Exception:  # a test that breaks is one that fails, and says where
                print(f'not ok {n} - {sentence}')
                print('# ' + traceback.format_exc().replace('\n', '\n# '), flush=True)
            finally:
                signal.alarm(0)
                t.end()
    sys.exit(0)
