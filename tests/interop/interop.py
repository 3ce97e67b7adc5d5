"""The harness: children that are steered, waiting with deadlines, and TAP.

    @test
    def a_sentence_that_is_true_when_this_passes(scope):
        server = scope.rxdb_server()
        a = scope.client(server.url)
        ...

A scope ends what it started, and keeps databases in a folder that it removes.  Nothing here sleeps
for a result: a client answers when it is so, and where only asking helps, asking has an end.
"""
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, os.fspath(HERE.parent / "tools"))
import npm  # noqa: E402, beside the other scripts that bring data

DEADLINE = 30  # seconds that anything may take; far more than it does
POLL = 0.02    # seconds between two questions, where only asking helps


class Failed(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failed(message)


def equal(what, is_, want):
    if is_ != want:
        raise Failed(f"{what} is\n    {json.dumps(is_)[:2000]}\nnot\n    {json.dumps(want)[:2000]}")


def until(what, question, deadline=DEADLINE):
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + deadline
    while True:
        answer = question()
        if answer:
            return answer
        check(time.monotonic() < end, f"not within {deadline} s: {what}")
        time.sleep(POLL)


class Child:
    """A process whose lines are read with a deadline."""

    def __init__(self, name, argv, cwd=None, env=None):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stderr=self.log,
                                        stdout=subprocess.PIPE, text=True, bufsize=1, env=env)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, deadline=DEADLINE):
        try:
            line = self.lines.get(timeout=deadline)
        except queue.Empty:
            raise Failed(f"{self.name}: no answer within {deadline} s{self.said()}") from None
        if line is None:
            raise Failed(f"{self.name} ended{self.said()}")
        return line

    def said(self):
        self.log.seek(0)
        text = self.log.read()[-1500:].strip()
        return "; it said:\n" + text if text else ""

    def wait(self, deadline=DEADLINE):
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {deadline} s{self.said()}") from None

    def terminate(self, deadline=DEADLINE):
        """Ask it to end, as its user would."""
        self.process.terminate()
        return self.wait(deadline)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.log.close()


class Client(Child):
    """A stock RxDB client; see client.mjs for what it can do."""

    def __init__(self, name, node, folder, options):
        super().__init__("client " + name, [node, "client.mjs", json.dumps(options)], cwd=folder)
        self.calls = 0
        check(json.loads(self.line()).get("ready"), "the client does not start")

    def do(self, command, **arguments):
        self.calls += 1
        message = {"call": self.calls, "do": command, **arguments}
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
        except BrokenPipeError:
            raise Failed(f"{self.name} is gone{self.said()}") from None
        answer = json.loads(self.line(arguments.get("ms", 0) / 1000 + 2 * DEADLINE))
        equal("the number of the call", answer.get("call"), self.calls)
        if "error" in answer:
            raise Failed(f"{self.name}: {command} {json.dumps(arguments)[:200]}: {answer['error']}; "
                         f"replication: {self.errors() if command != 'seen' else ''}")
        return answer["ok"]

    def wait(self, id, match, **arguments):  # until the document looks like this
        return self.do("wait", id=id, match=match, **arguments)

    def reconnected(self, count):
        """When the server was away: its stream is open for the count-th time.  What happened between
        its last pull and that a stock client misses, so it asks, as programs do that come online."""
        self.do("opened", count=count)
        self.do("resync")

    def errors(self):
        return self.do("seen")["errors"][-3:]


class Server(Child):
    """Either server: what it listens on is its first line."""

    def __init__(self, name, argv, cwd=None):
        super().__init__(name, argv, cwd=cwd)
        words = self.line().split()
        check(words[:1] == ["listening"] and len(words) == 2, f"{name} says {words}")
        self.base = words[1]
        self.url = self.base + "/cities/0"
        self.address = self.base.removeprefix("http://")

    def requests(self):
        """What was asked since the last time: rxdb-server's lines "GET /cities/0/pull?..."."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while (line := self.lines.get_nowait()) is not None:
                lines.append(line)
        return lines


class Replica:
    """Our program on one database file."""

    def __init__(self, scope, name, collection="cities"):
        self.scope = scope
        self.db = os.fspath(scope.folder / (name + ".db"))
        self.collection = collection

    def argv(self, command, *arguments):
        return [program(), command, "--db", self.db, "--collection", self.collection, *arguments]

    def run(self, command, *arguments, text=None, codes=(0,), deadline=2 * DEADLINE):
        done = subprocess.run(self.argv(command, *arguments), input=text, capture_output=True,
                              text=True, timeout=deadline)
        check(done.returncode in codes, f"replica {command} {' '.join(arguments)[:200]} ended with "
              f"{done.returncode}: {done.stderr.strip()[-800:]}")
        self.said = done.stderr
        return done.stdout

    def put(self, doc):
        self.run("import", "--upsert", "-", text=json.dumps(doc) + "\n")

    def load(self, docs):
        self.run("import", "-", text="".join(json.dumps(d, ensure_ascii=False) + "\n" for d in docs))

    def patch(self, id, fields):
        self.run("patch", id, json.dumps(fields))

    def delete(self, id):
        self.run("delete", id)

    def dump(self):
        if not os.path.exists(self.db):
            return []
        docs = [json.loads(line) for line in self.run("export").splitlines()]
        return sorted(docs, key=lambda doc: doc["id"])

    def get(self, id):
        return next((doc for doc in self.dump() if doc["id"] == id), None)

    def sync(self, url, *flags, codes=(0,), mode="--once", deadline=4 * DEADLINE):
        return self.run("sync", "--url", url, mode, *flags, codes=codes, deadline=deadline)

    def live(self, url, *flags):
        """A process that keeps the file in step until the scope ends."""
        return self.scope.own(Child("replica sync --live",
                                    self.argv("sync", "--url", url, "--live", *flags)))

    def conflicts(self):
        """What the conflict log has: objects with assumed, real and local, among others."""
        argv = [program(), "conflicts", "--db", self.db, "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=2 * DEADLINE)
        check(done.returncode == 0, f"replica conflicts: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def watch(self):
        return self.scope.own(Child("replica watch", self.argv("watch")))

    def wait(self, id, match):
        """Until the document looks like this (None: is gone)."""
        def question():
            doc = self.get(id)
            if match is None or doc is None:
                return doc is None and match is None
            return all(doc.get(name) == value for name, value in match.items())
        until(f"{id} is {match} in {Path(self.db).name}", question)


def city(number, **fields):
    """A document that schema.json describes."""
    return {"id": f"c{number:06d}", "name": f"Sant Julià {number}", "lat": 42.46372, "lng": 1.49129,
            "country": "AD", "admin1": "06", "admin2": "", "path": f"/city/AD/06/{number}",
            "visits": 0, "tags": ["ad", "geo"], "updatedBy": "seed", **fields}


def build_folder():
    """Where the build keeps what is installed."""
    return Path(os.environ.get("INTEROP_BUILD", "/tmp/libreplica-interop")).absolute()


def program():
    return os.environ["REPLICA"]


class Scope(contextlib.ExitStack):
    def __init__(self):
        super().__init__()
        self.build = build_folder()
        self.folder = Path(tempfile.mkdtemp(prefix="replica-interop-"))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.clients = 0

    def own(self, child):
        self.callback(child.kill)
        return child

    def client(self, url, streams=True, **options):
        """A stock client whose stream is open, unless it will be refused one."""
        self.clients += 1
        name = options.setdefault("name", f"c{self.clients}")
        client = self.own(Client(name, npm.node(self.build), self.build, {"url": url, **options}))
        if streams:
            client.do("opened", count=1)
        return client

    def rxdb_server(self, **options):
        argv = [npm.node(self.build), "server.cjs", json.dumps(options)]
        return self.own(Server("rxdb-server", argv, cwd=self.build))

    def replica_server(self, name="server", listen="127.0.0.1:0", token=None, schema=None):
        """listen: the address of an earlier one, to start again where it was.  schema: a file."""
        argv = [program(), "serve", "--db", os.fspath(self.folder / (name + ".db")),
                "--listen", listen]
        if token:
            argv += ["--token-file", self.token_file(token)]
        if schema:
            argv += ["--schema", f"cities={schema}"]
        return self.own(Server("replica serve", argv))

    def token_file(self, token):
        path = self.folder / ("token-" + token)
        path.write_text(token + "\n")
        path.chmod(0o600)
        return os.fspath(path)

    def findings(self, name):
        """What `replica check` finds in that database."""
        done = subprocess.run([program(), "check", "--db", self.folder / (name + ".db")],
                              capture_output=True, text=True, timeout=2 * DEADLINE)
        return (done.stdout + done.stderr).splitlines() if done.returncode else []

    def replica(self, name, **options):
        return Replica(self, name, **options)


TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def prepare():
    """Install what is missing, and put our scripts beside it, where Node finds the packages."""
    build = build_folder()
    npm.install(build, (HERE / "package.json").read_text())
    for name in ("client.mjs", "server.cjs", "schema.json"):
        shutil.copy(HERE / name, build / name)
    npm.node(build)


def bail_out():
    """Why no test can say anything."""
    path = os.environ.get("REPLICA", "")
    return "" if os.access(path, os.X_OK) else f"$REPLICA is '{path}', which is no program"


def run(fn, number):
    sentence = fn.__name__.replace("_", " ")
    started = time.monotonic()
    try:
        with Scope() as scope:
            fn(scope)
    except Exception as error:  # whatever it is, the next test still runs
        text = str(error) if isinstance(error, Failed) else traceback.format_exc()
        print(f"not ok {number} - {sentence}")
        print("\n".join("# " + line for line in text.splitlines()), flush=True)
        return 1
    print(f"ok {number} - {sentence}  # {time.monotonic() - started:.1f} s", flush=True)
    return 0


def main():
    """Run the tests, or those whose name contains $INTEROP_ONLY; speak TAP."""
    tests = [fn for fn in TESTS if os.environ.get("INTEROP_ONLY", "") in fn.__name__]
    if bail_out():
        print("Bail out! " + bail_out())
        return 1
    try:
        prepare()
    except npm.Missing as reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    print(f"1..{len(tests)}", flush=True)
    failed = sum(run(fn, number) for number, fn in enumerate(tests, 1))
    return 1 if failed else 0
