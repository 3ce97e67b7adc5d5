"""A whole life at random: clients and a server, real files and sockets, a bad network between them,
and sudden deaths; then all is quiet, and what must hold is checked. The seed says it all, as far as
real processes let it."""
import collections
import json
import os
import random
import signal

from faults import Client, Died, Failure, Refused, Server, check_file, rss

OURS = ('notes', 'sums={"":"merge","/n":"sum"}', 'adds=add', 'sets={"":"merge","/w":"set-union"}')
STOCK = ('notes', 'sets={"":"merge","/w":"set-union"}')
KEYS = 6
STEPS = 160
MEMORY_KIB = 96 * 1024   # of a client or a server; with a page in flight they are far below
REQUESTS = 40            # for each thing that is done, to all ends; a loop makes thousands


class Life:
    def __init__(self, t, seed):
        self.t = t
        self.dice = random.Random(seed)
        self.stock = seed % 5 == 4
        self.collections = STOCK if self.stock else OURS
        self.names = [spec.split('=')[0] for spec in self.collections]
        self.server = Server(t, seed)
        self.server.proxy.on_answer = self.judged
        self.up = True
        self.clients = [self.client(n) for n in range(self.dice.randint(2, 3))]
        self.tokens = 0
        self.deeds = 0
        self.written = {name: set() for name in self.names}   # acknowledged tokens
        self.perhaps = []                                     # (token, what it replaced)
        self.replaced = set()                                 # by a program that had read it
        self.taken = set()                                    # by the server, at some time
        self.added = {}                                       # by collection and key
        self.perhaps_added = {}

    def client(self, n):
        return Client(self.t, f'c{n}', self.server.url, self.collections,
                      ('r' if self.stock else '') + 'f' + ('s' if self.dice.randrange(2) else ''))

    # ---- what the network shows ----

    def judged(self, request, answer):
        """On the proxy's thread: the server's answer, whether or not the client gets it."""
        if not request.path.endswith('/push') or answer.status() != 200:
            return
        rows, said = json.loads(request.message.body), json.loads(answer.body)
        if self.stock:
            refused = {document['id'] for document in said}
            documents = [row['newDocumentState'] for row in rows
                         if row['newDocumentState']['id'] not in refused]
        else:
            documents = [document for document, verdict in zip(rows['documents'], said['verdicts'])
                         if isinstance(verdict, int) or (verdict and 'already' in verdict)]
        self.taken |= {document['w'] for document in documents
                       if isinstance(document.get('w'), str)}

    # ---- what happens ----

    def token(self, client):
        self.tokens += 1
        return f'{client.name}.{self.tokens}'

    def dies(self, client, line):
        """Killed within a command, or just behind it."""
        client.send(line)
        client.kill()

    def note(self, client, dies):
        key, token = f'n{self.dice.randrange(KEYS)}', self.token(client)
        got = client.do(f'get notes {key}')
        rev, before = (got[0], got[1].get('w')) if got else ('new', None)
        delete = got and self.dice.randrange(5) == 0
        line = f'del notes {rev} {key}' if delete else \
            f'put notes {rev} {{"id":"{key}","w":"{token}"}}'
        if dies:
            self.perhaps.append((None if delete else token, before))
            return self.dies(client, line)
        try:
            client.do(line)
        except Refused as refused:
            if 'REPLICA_ECONFLICT' in str(refused):
                return None  # something was pulled meanwhile
            raise
        self.replaced.add(before)
        if not delete:
            self.written['notes'].add(token)
        return None

    def member(self, client, dies):
        key, token = f's{self.dice.randrange(KEYS)}', self.token(client)
        if dies:
            document = client.get('sets', key) or {'id': key, 'w': []}
            document['w'].append(token)
            rev = client.do(f'get sets {key}')
            return self.dies(client, f'put sets {rev[0] if rev else "new"} '
                             + json.dumps({**(rev[1] if rev else {'id': key}),
                                           'w': (rev[1]['w'] if rev else []) + [token]}))
        client.change('sets', key, lambda d: {**d, 'w': d.get('w', []) + [token]})
        self.written['sets'].add(token)
        return None

    def count(self, client, dies):
        name = self.dice.choice(('sums', 'adds'))
        key, amount = f'k{self.dice.randrange(2)}', self.dice.randint(1, 10 ** 6)
        if dies:
            got = client.do(f'get {name} {key}')
            self.perhaps_added.setdefault((name, key), []).append(amount)
            return self.dies(client, f'put {name} {got[0] if got else "new"} '
                             f'{{"id":"{key}","n":{(got[1]["n"] if got else 0) + amount}}}')
        client.add(name, key, amount)
        self.added[name, key] = self.added.get((name, key), 0) + amount
        return None

    def edit(self, dies=False):
        client = self.dice.choice(self.clients)
        what = self.dice.choice([self.note, self.member] + ([] if self.stock else [self.count]))
        what(client, dies)
        if dies:
            client.start()

    def restart_client(self):
        client = self.dice.choice(self.clients)
        if self.dice.randrange(2):
            client.quit()
        else:
            client.kill()
        client.start()

    def server_goes(self):
        if self.up:
            self.server.stop(self.dice.choice((signal.SIGKILL, signal.SIGTERM)))
        else:
            self.server.start()
        self.up = not self.up
        self.server.proxy.cut_all()

    def restart_server(self):
        if self.up:
            self.server_goes()
            self.server_goes()

    def look(self):
        self.check_claim(self.dice.choice(self.clients))

    def pass_time(self):
        self.dice.choice(self.clients).do(f'wait {self.dice.randrange(150)}')

    def hurry(self):
        self.dice.choice(self.clients).do('now')

    def step(self):
        deeds = ((60, self.edit), (4, lambda: self.edit(True)), (4, self.restart_client),
                 (3, self.server_goes), (2, self.restart_server), (10, self.look),
                 (25, self.pass_time), (10, self.hurry))
        self.deeds += 1
        self.dice.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])[0]()

    # ---- what must hold ----

    def check_claim(self, client):
        """Who says to be in sync as of a head has what the server had then, and has sent all."""
        seen = client.do('snapshot')
        status = seen['status']
        if not status['in_sync'] or self.stock:
            return
        if status['dirty'] or status['unsettled']:
            raise Failure(f'{client.name} says to be in sync, and {status}')
        for name in self.names:
            here = {document['id']: document for document in seen['collections'][name]}
            there, numbers = self.server.documents(name)
            for key in here.keys() | there.keys():
                if here.get(key) != there.get(key) and numbers.get(key, 0) <= status['head']:
                    raise Failure(f'{client.name} says to be in sync as of {status["head"]}: '
                                  f'{name}/{key} is {here.get(key)} here, and {there.get(key)} '
                                  f'there as of {numbers.get(key)}')

    def quiet(self):
        """Until all are in sync, and nobody has anything new for another one."""
        if not self.up:
            self.server_goes()
        self.server.proxy.heal()
        for client in self.clients:
            client.do('now')
        for _ in range(4):
            for client in self.clients:
                client.in_sync()
                self.check_claim(client)
        self.server.proxy.wait_for(lambda: False, 0.1)
        for client in self.clients:
            client.do('now')
            client.in_sync()
        before = len(self.server.proxy.requests)
        self.server.proxy.wait_for(lambda: len(self.server.proxy.requests) > before + 20, 0.7)
        more = [request.name for request in self.server.proxy.requests[before:]]
        if len(more) > 20:
            raise Failure(f'when all was quiet there were {more}')

    def check_equal(self):
        for name in self.names:
            there, _ = self.server.documents(name)
            for client in self.clients:
                here = client.do('snapshot')['collections'][name]
                self.t.same({document['id']: document for document in here}, there,
                            f'{client.name} {name}')

    def check_notes(self, logs):
        there, _ = self.server.documents('notes')
        logged = {state['doc'].get('w') for log in logs for entry in log
                  if entry['collection'] == 'notes'
                  for state in (entry['local'], entry['result']) if state}
        found = {document.get('w') for document in there.values()} | logged | self.taken
        written = found | self.replaced | {before for _, before in self.perhaps}
        replaced = self.replaced | {before for token, before in self.perhaps
                                    if token is None or token in written}
        lost = self.written['notes'] - found - replaced
        if lost:
            self.show_history(lost)
            raise Failure(f'{lost} are nowhere')

    def check_sets(self):
        there, _ = self.server.documents('sets')
        found = {token for document in there.values() for token in document['w']}
        lost = self.written['sets'] - found
        if lost:
            raise Failure(f'{lost} are in no set')

    def check_sums(self):
        for name in ('sums', 'adds'):
            there, _ = self.server.documents(name)
            for key in {key for coll, key in self.added if coll == name}:
                wanted = {self.added[name, key]}
                for amount in self.perhaps_added.get((name, key), ()):
                    wanted |= {total + amount for total in wanted}
                if there[key]['n'] not in wanted:
                    raise Failure(f'{name}/{key} is {there[key]["n"]}, not one of {wanted}')

    def check_memory(self):
        for name, kib in [(client.name, client.rss()) for client in self.clients] + \
                [('the server', rss(self.server.process.pid))]:
            if kib > MEMORY_KIB:
                raise Failure(f'{name} had {kib} KiB')

    def check_requests(self):
        asked = len(self.server.proxy.requests)
        if asked > REQUESTS * (self.deeds + 10) * len(self.clients):
            raise Failure(f'{asked} requests for {self.deeds} deeds')

    def live(self):
        for _ in range(STEPS):
            self.step()
        self.quiet()
        logs = [client.do('log') for client in self.clients]
        for client in self.clients:
            self.t.same(client.do('rejected'), [], client.name)
        self.check_equal()
        self.check_notes(logs)
        self.check_sets()
        if not self.stock:
            self.check_sums()
        self.check_memory()
        self.check_requests()
        for client in self.clients:
            client.quit()
            check_file(self.t, client.db)
        self.server.stop()
        check_file(self.t, self.t.path(self.server.file))
        self.server.close()
        if os.environ.get('REPLICA_FAULT_SHOW'):
            self.show()

    def show_history(self, tokens):
        """What the network saw of them."""
        for number, request in enumerate(self.server.proxy.requests):
            for message in (request.message, request.answer):
                if message and any(token.encode() in message.body for token in tokens):
                    print(f'# {number} {request.name} {request.fault} {request.status}: '
                          f'{message.body}', flush=True)
        for client in self.clients:
            for line, answer in client.said:
                if any(token in line + str(answer) for token in tokens) and 'snap' not in line:
                    print(f'# {client.name} {line} {answer}', flush=True)

    def show(self):
        faults = collections.Counter(r.fault for r in self.server.proxy.requests)
        print(f'# {dict(faults)}, {len(self.taken)} taken', flush=True)


def life(t, seed):
    try:
        Life(t, seed).live()
    except (Failure, Died, Refused) as failure:
        raise Failure(f'seed {seed}: {failure}') from failure
