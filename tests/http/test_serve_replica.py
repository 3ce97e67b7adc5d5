#!/usr/bin/env python3
"""Our own dialect over HTTP, several processes on one file, and many streams."""
import json
import resource
import time

from serve import Client, Stream, city, main, row, test

HELLO = '/_replica/1/hello'
PULL = '/_replica/1/pull?c=cities/0'
TYPE = 'application/vnd.libreplica+json'


def push_body(operation, document):
    return json.dumps({'collections': ['cities/0'], 'incarnations': [],
                       'meta': [[0, operation, 0, 0, -1, 0, None]], 'documents': [document]})


@test
def hello_names_the_incarnation_of_this_start(t):
    server, url = t.serve()
    answer = Client(url).get(HELLO, Replica_Uses='operations, numbers')
    t.same((answer.status, answer.headers['Content-Type']), (200, TYPE))
    first = answer.json()
    t.same((first['replica'], first['heartbeat'], first['limits']['rows']), (1, 15, 1000))
    t.stop(server)
    t.same(Client(t.serve()[1]).get(HELLO).json()['incarnation'] != first['incarnation'], True)


@test
def an_extension_that_is_unknown_is_refused_before_the_body(t):
    client = Client(t.serve()[1])
    answer = client.ask('POST', '/_replica/1/push', push_body('abc.1', {'id': 'a'}),
                        Replica_Uses='operations, telepathy')
    t.same((answer.status, answer.json()['error']), (501, 'extension'))
    t.same(client.get(PULL).json()['documents'], [])


@test
def an_operation_that_is_pushed_twice_takes_effect_once(t):
    client = Client(t.serve()[1])
    answers = [client.ask('POST', '/_replica/1/push', push_body('abc.1', {'id': 'a', 'n': 1}))
               for i in range(2)]
    t.same([a.json()['verdicts'] for a in answers], [[1], [{'already': 1}]])
    t.same(answers[0].headers['Content-Type'], TYPE)


@test
def a_lost_timeline_is_named(t):
    client = Client(t.serve()[1])
    answer = client.get(PULL + '&id=zzz&lwt=3')
    t.same((answer.status, answer.json()['common']), (409, {'id': '', 'lwt': 0}))
    t.same(client.get('/_replica/1/stream?c=cities/0&id=zzz&lwt=3').status, 409)


@test
def a_stream_goes_on_where_the_last_one_ended(t):
    url = t.serve()[1]
    client = Client(url)
    client.push('/cities/0/push', [row(city('a'))])
    stream = Stream(url, '/_replica/1/stream?c=cities/0&id=&lwt=0')
    lines = stream.event().split('\n')
    t.same(lines[0].startswith('id: '), True, lines)
    stream.close()
    client.push('/cities/0/push', [row(city('b'))])
    stream = Stream(url, '/_replica/1/stream?c=cities/0', Last_Event_ID=lines[0][4:])
    page = stream.page()
    t.same([d['id'] for d in page['documents']], ['b'])
    t.same(f'{page["follows"]["id"]}.{page["follows"]["lwt"]}', lines[0][4:])


@test
def pages_and_streams_are_about_a_pattern_of_keys(t):
    url = t.serve()[1]
    client = Client(url)
    t.same('keys' in client.get(HELLO).json()['uses'], True)
    client.push('/cities/0/push', [row(city('de/ulm')), row(city('at/graz')), row(city('de/bonn'))])
    page = client.get(PULL + '&keys=de/*').json()
    t.same([d['id'] for d in page['documents']], ['de/ulm', 'de/bonn'])
    t.same(page['checkpoint'], page['head'])
    page = client.get(PULL + '&keys=de/*&rows=1').json()
    t.same(([d['id'] for d in page['documents']], page['remaining']), (['de/ulm'], 1))
    t.same(client.get(PULL + '&keys=de*').status, 400)
    t.same(client.get('/_replica/1/stream?c=cities/0&keys=**de').status, 400)
    here = client.get(PULL + '&keys=at/*').json()['checkpoint']
    stream = Stream(url, '/_replica/1/stream?c=cities/0&keys=at/*&id={id}&lwt={lwt}'.format(**here))
    other = Stream(url, '/_replica/1/stream?c=cities/0&id={id}&lwt={lwt}'.format(**here))
    for i in range(5):
        client.push('/cities/0/push', [row(city(f'de/{i}'))])
        client.push('/cities/0/push', [row(city(f'at/{i}'))])
    seen, follows = [], here
    while len(seen) < 5:
        page = stream.page()
        t.same(page['follows'], follows)
        follows = page['checkpoint']
        seen += [d['id'] for d in page['documents']]
    t.same(seen, [f'at/{i}' for i in range(5)])
    seen = []
    while len(seen) < 10:
        seen += [d['id'] for d in other.page()['documents']]
    stream.close()
    other.close()


@test
def what_another_process_writes_reaches_the_streams(t):
    first, second = t.serve()[1], t.serve()[1]
    stream = Stream(first, '/cities/0/pullStream')
    client = Client(second)
    for i in range(20):
        client.push('/cities/0/push', [row(city(f'c{i}'))])
        t.same([d['id'] for d in stream.page()['documents']], [f'c{i}'])


@test
def the_locks_of_a_client_that_hangs_up_begin_to_end_at_once(t):
    url = t.serve()[1]
    client = Client(url)
    client.push('/cities/0/push', [row(city('a'))])
    stream = Stream(url, '/_replica/1/stream?c=cities/0&client=holder')
    stream.page()
    asked = {'client': 'holder', 'name': 'h', 'collection': 'cities/0', 'key': 'a', 'ttl': 90000}
    t.same(client.ask('POST', '/_replica/1/lock', json.dumps(asked)).json()['left'], 90000)
    stream.close()
    left, end = [90000], time.monotonic() + 10
    while left and left[0] > 10000 and time.monotonic() < end:
        locks = client.ask('POST', '/_replica/1/locks', '{}').json()['locks']
        left = [lock['left'] for lock in locks]
    t.same(left and left[0] > 10000, False)


@test
def a_thousand_streams_get_every_change_in_order(t):
    count = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100), hard))
        count = min(count, hard - 100)
    url = t.serve()[1]
    client = Client(url)
    client.push('/cities/0/push', [row(city('a'))])
    here = client.get(PULL).json()['checkpoint']
    streams = [Stream(url, '/cities/0/pullStream' if i % 2 else
                      '/_replica/1/stream?c=cities/0&id={id}&lwt={lwt}'.format(**here))
               for i in range(count)]
    for i in range(3):
        client.push('/cities/0/push', [row(city(f'n{i}'))])
    for stream in streams:
        seen = []
        while len(seen) < 3:
            seen += [d['id'] for d in stream.page()['documents']]
        t.same(seen, ['n0', 'n1', 'n2'])
        stream.close()
    t.same(client.get(PULL).status, 200)


@test
def a_key_with_a_byte_0_is_the_key_of_nothing(t):
    client = Client(t.serve('server.db')[1])
    doc = '/_replica/1/doc/notes/0/'
    t.same(client.ask('PUT', doc + 'a', '{"id":"a"}').status, 201)
    t.same(client.ask('PUT', doc + 'a%00b', '{"id":"a"}').status, 422)
    t.same(client.ask('DELETE', doc + 'a%00b').status, 404)
    t.same(client.get(doc + '%00').status, 404)
    t.same(client.get(doc + '%61').status, 200)
    t.same(client.ask('PUT', doc + '100%/%C3%a9+', '{"id":"100%/é+"}'.encode()).status, 201)
    t.same(client.get(doc + '100%25%2F%c3%A9%2b').json(), {'id': '100%/é+'})


main()
