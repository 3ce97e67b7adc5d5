#!/usr/bin/env python3
"""What a server refuses: rows end in the list of rejected documents and their neighbours arrive; a
refusal of everything rejects nothing and costs little; what a page brings and cannot be applied is
set aside and comes when its cause is gone."""
import json
import math

from faults import Client, Failure, Refused, Server, main, test

PAUSED = 6  # REPLICA_SYNC_PAUSED
MANY = 100000


def pushes(server):
    return server.proxy.count('POST .*/push')


def write_access_is_lost(t, options, fault):
    server = Server(t)
    a = Client(t, 'a', server.url, ['notes'], options)
    a.put('notes', {'id': 'before'})
    a.in_sync()
    server.proxy.rule(fault, 'POST .*/push', times=0, status=403)
    a.do('pause')
    a.do(f'fill notes 0 {MANY} 20')
    at = pushes(server)
    a.do('resume')
    status = a.until(lambda s: s['state'] == PAUSED and s['code'] != 'REPLICA_OK', 'refused')
    t.same((status['code'], status['detail']), ('REPLICA_EHTTP', 403))
    try:
        a.do('wait 1000')
        raise Failure('a wait did not say what is in the way')
    except Refused as refused:
        t.same('REPLICA_EHTTP' in str(refused), True, str(refused))
    t.same(a.do('rejected'), [])
    t.same(a.status()['dirty'] >= MANY, True)
    if pushes(server) - at > 6:
        raise Failure(f'{pushes(server) - at} pushes to be refused')
    server.proxy.rules.clear()
    a.do('resume')
    a.in_sync()
    t.same(len(server.documents('notes')[0]), MANY + 1)
    t.same(a.do('rejected'), [])
    a.quit()
    server.close()


@test
def a_token_that_lost_write_access_rejects_none_of_a_hundred_thousand(t):
    write_access_is_lost(t, '-', 'refuse')


@test
def verdicts_that_refuse_each_of_a_hundred_thousand_reject_none(t):
    write_access_is_lost(t, '-', 'refuse-rows')


@test
def in_the_dialect_of_rxdb_it_is_the_same(t):
    write_access_is_lost(t, 'r', 'refuse')


@test
def halving_finds_each_row_that_is_refused(t):
    for options in ('-', 'r'):
        for n, at in ((1, 0), (2, 1), (256, 0), (256, 255), (256, 100), (1000, 999)):
            server = Server(t, name=f'server{options}{n}.{at}')
            a = Client(t, f'a{options}{n}.{at}', server.url, ['notes'], options)
            a.in_sync()
            server.proxy.rule('refuse', 'POST .*/push', times=0, status=422,
                              **{'if': f'"f{at:07}"'})
            asked = pushes(server)
            a.do('pause')
            a.do(f'fill notes 0 {n} 10')
            a.do('resume')
            a.in_sync()
            asked = pushes(server) - asked
            most = 1 + 2 * math.ceil(math.log2(n)) + 2
            if asked > most:
                raise Failure(f'{asked} pushes for row {at} of {n}')
            t.same([(e['id'], e['code']) for e in a.do('rejected')], [(f'f{at:07}', 422)])
            t.same(len(server.documents('notes')[0]), n - 1)
            a.quit()
            server.close()


SCHEMA = {'title': 'notes', 'version': 0, 'primaryKey': 'id', 'type': 'object',
          'properties': {'id': {'type': 'string', 'maxLength': 100}, 'n': {'type': 'integer'}},
          'required': ['id']}


@test
def what_the_servers_schema_refuses_is_listed_edited_and_discarded(t):
    server = Server(t, serve=('--schema', 'notes=' + t.path('schema.json', json.dumps(SCHEMA))))
    a = Client(t, 'a', server.url, ['notes'], '-')
    for key in ('good', 'edited', 'discarded'):
        a.put('notes', {'id': key, 'n': 1})
    a.in_sync()
    for key in ('edited', 'discarded', 'retried'):
        a.put('notes', {'id': key, 'n': 'no number'})
    a.put('notes', {'id': 'good', 'n': 2})
    a.in_sync()
    a.restart()
    a.in_sync()
    entries = {e['id']: e for e in a.do('rejected')}
    t.same({key: (e['code'], e['kind']) for key, e in entries.items()},
           {key: (422, 1) for key in ('edited', 'discarded', 'retried')})
    t.same(all(e['reason'] for e in entries.values()), True)
    t.same(server.documents('notes')[0]['good'], {'id': 'good', 'n': 2})
    a.put('notes', {'id': 'edited', 'n': 3})
    a.do(f'discard {entries["discarded"]["number"]}')
    a.do(f'retry {entries["retried"]["number"]}')
    a.do('now')
    a.in_sync()
    t.same([e['id'] for e in a.do('rejected')], ['retried'])
    t.same(a.get('notes', 'discarded'), {'id': 'discarded', 'n': 1})
    there = server.documents('notes')[0]
    t.same((there['edited']['n'], there['discarded']['n'], 'retried' in there), (3, 1, False))
    logged = [e for e in a.do('log') if e['id'] == 'discarded']
    t.same(logged[0]['local']['doc']['n'], 'no number')
    a.quit()
    server.close()


# ---- what cannot be applied -------------------------------------------------------


class Reader:
    """One writes through a good connection, another reads what the proxy makes of it."""

    def __init__(self, t, options='-', rules=''):
        self.t = t
        self.server = Server(t, name='server' + options)
        self.writer = Client(t, 'writer' + options, self.server.proxy.to, ['notes'], 'r')
        self.reader = Client(t, 'reader' + options, self.server.url, ['notes' + rules], options)

    def write(self, *documents):
        for document in documents:
            self.writer.put('notes', document)
        self.writer.in_sync()

    def read(self):
        self.reader.do('now')
        self.reader.in_sync()

    def end(self):
        self.t.same(self.reader.do('rejected'), [])
        here = {d['id']: d for d in self.reader.do('snapshot')['collections']['notes']}
        self.t.same(here, self.server.documents('notes')[0])
        self.writer.quit()
        self.reader.quit()
        self.server.close()


@test
def broken_json_in_one_document_is_set_aside_and_the_rest_applied(t):
    for options in ('-', 'r'):
        both = Reader(t, options)
        both.server.proxy.rule('rewrite', 'GET .*(pull|[sS]tream)', times=0,
                               **{'from': '"MARK"', 'to': '[MARK]'})
        both.server.proxy.rule('cut', '.*[sS]tream', times=0)
        both.server.proxy.rules.reverse()  # events are not rewritten: without them,
        both.server.proxy.cut_all()        # and without a stream that was open before
        both.write({'id': 'a'}, {'id': 'b', 't': 'MARK'}, {'id': 'c'})
        both.read()
        t.same((both.reader.get('notes', 'a'), both.reader.get('notes', 'b'),
                both.reader.get('notes', 'c')), ({'id': 'a'}, None, {'id': 'c'}), options)
        entries = both.reader.do('rejected')
        t.same([(e['kind'], e['reason'] != '') for e in entries], [(2, True)])
        both.server.proxy.rules.clear()
        both.reader.restart()
        both.reader.do(f'retry {both.reader.do("rejected")[0]["number"]}')
        both.read()
        both.end()


@test
def a_document_that_was_too_large_comes_when_the_limit_is_raised(t):
    both = Reader(t, 'l')
    both.write({'id': 'a'}, {'id': 'b', 't': 'x' * 2000}, {'id': 'c'})
    both.read()
    t.same((both.reader.get('notes', 'a'), both.reader.get('notes', 'b'),
            both.reader.get('notes', 'c')), ({'id': 'a'}, None, {'id': 'c'}))
    entries = [(e['kind'], e['id']) for e in both.reader.do('rejected')]
    t.same([kind for kind, _ in entries], [2])
    both.reader.restart()
    both.read()
    t.same([(e['kind'], e['id']) for e in both.reader.do('rejected')], entries, 'and stays')
    both.reader.options = '-'
    both.reader.restart()
    both.reader.until(lambda s: both.reader.get('notes', 'b') is not None, 'in possession of b')
    both.end()


@test
def a_handler_that_failed_is_asked_again_when_the_program_says_so(t):
    both = Reader(t, rules='=fail')
    both.write({'id': 'a', 'n': 1})
    both.read()
    both.reader.do('pause')
    both.reader.put('notes', {'id': 'a', 'n': 3})
    both.write({'id': 'a', 'n': 11}, {'id': 'b', 'n': 1})
    both.reader.do('resume')
    both.read()
    entries = both.reader.do('rejected')
    t.same([(e['id'], e['reason']) for e in entries], [('a', 'the handler fails')])
    t.same(both.reader.get('notes', 'b'), {'id': 'b', 'n': 1})
    both.reader.quit()
    both.reader.collections = ['notes=add']
    both.reader.start()
    both.reader.do(f'retry {entries[0]["number"]}')
    both.read()
    t.same(both.server.documents('notes')[0]['a'], {'id': 'a', 'n': 13})
    both.end()


if __name__ == '__main__':
    main()
