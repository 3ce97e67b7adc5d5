#!/usr/bin/env python3
"""Connections that are dead and do not say so: requests that nobody answers, streams on which
nothing comes, servers that hang; and that whoever closes or cancels meanwhile is not held up."""
import signal
import time

from faults import Client, Failure, Server, main, test

HEARTBEAT = 15  # s


def pair(t, options='f'):
    server = Server(t)
    a = Client(t, 'a', server.url, ['notes'], options)
    a.put('notes', {'id': 'kept'})
    a.in_sync()
    return server, a


@test
def a_request_that_nobody_answers_is_given_up_and_asked_again(t):
    server, a = pair(t)
    for fault in ('swallow', 'swallow-answer'):
        for match in ('GET .*/pull', 'POST .*/push'):
            a.do('forget')
            server.proxy.rule(fault, match)
            a.put('notes', {'id': fault, 'match': match})
            a.do('now')
            error = a.do('error 8000')
            t.same(error['code'], 'REPLICA_ETIMEOUT', f'{fault} {match} {error}')
            t.same(server.url in error['where'], True, str(error))
            a.in_sync()
            t.same(server.documents('notes')[0][fault], {'id': fault, 'match': match})
    a.quit()
    server.close()


@test
def a_server_that_hangs_for_a_while_is_not_lost(t):
    server, a = pair(t)
    server.process.send_signal(signal.SIGSTOP)
    a.do('forget')
    a.put('notes', {'id': 'meanwhile'})
    t.same(a.do('error 8000')['code'], 'REPLICA_ETIMEOUT')
    server.process.send_signal(signal.SIGCONT)
    a.in_sync()
    t.same('meanwhile' in server.documents('notes')[0], True)
    a.quit()
    server.close()


@test
def closing_and_cancelling_take_less_than_a_second(t):
    for where in ('close', 'cancel', 'callback'):
        for match in ('GET .*/pull', 'POST .*/push', '.*'):
            server = Server(t, name=f'server-{where}{len(match)}')
            a = Client(t, f'{where}{len(match)}', server.url, ['notes'], '-')
            a.in_sync()
            server.proxy.rule('swallow-answer', match, times=0)
            at = server.proxy.count()
            a.put('notes', {'id': 'x'})
            a.do('now')
            server.proxy.wait_for(lambda: server.proxy.count() > at)
            took = a.do(f'end {where}')
            if took >= 1000:
                raise Failure(f'{where} with {match} out took {took} ms')
            a.process.stdin.close()
            a.process.wait(timeout=10)
            t.same(a.process.returncode, 0, where)
            server.close()


@test
def a_stream_on_which_nothing_comes_is_noticed_within_two_heartbeats(t):
    server, a = pair(t, '-')
    b = Client(t, 'b', server.proxy.to, ['notes'], '-')
    a.until(lambda s: s['streaming'], 'streaming')
    server.proxy.rule('freeze', 'GET .*/stream', bytes=0)
    server.proxy.cut_all()
    frozen = server.proxy.wait_for(lambda: any(r.fault == 'freeze' for r in server.proxy.requests))
    t.same(frozen, True)
    a.in_sync()
    begin = time.monotonic()
    b.put('notes', {'id': 'unheard'})
    b.in_sync()
    a.until(lambda s: a.get('notes', 'unheard') is not None, 'told', 2 * HEARTBEAT + 5)
    if time.monotonic() - begin > 2 * HEARTBEAT + 2:
        raise Failure(f'after {time.monotonic() - begin} s')
    a.until(lambda s: s['streaming'], 'streaming again')
    a.quit()
    b.quit()
    server.close()


if __name__ == '__main__':
    main()
