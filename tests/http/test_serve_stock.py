#!/usr/bin/env python3
"""RxDB's dialect over HTTP: what a stock server answers, byte by byte where that counts."""
from serve import Client, Stream, city, main, row, test

CITIES = '/cities/0/'


@test
def an_empty_pull_is_answered_like_a_stock_server_does(t):
    client = Client(t.serve()[1])
    for query in ('?lwt=0&id=&limit=2', '?lwt=0&id=&limit=0', ''):
        answer = client.get(CITIES + 'pull' + query)
        t.same(answer.status, 200)
        t.same(answer.body, b'{"documents":[],"checkpoint":{"id":"","lwt":0}}')
        t.same(answer.headers['Content-Type'], 'application/json; charset=utf-8')
        t.same(answer.headers['Content-Length'], '47')
        t.same(answer.headers['Cache-Control'], 'no-store')


@test
def documents_come_back_as_they_were_pushed(t):
    client = Client(t.serve()[1])
    body = ('[{"newDocumentState":{"id":"c000000","name":"Sant Julià de Lòria","lat":42.53176,'
            '"n":9007199254740993,"tags":["ad","geo"],"_deleted":false}}]').encode()
    answer = client.ask('POST', CITIES + 'push', body, Content_Type='application/json')
    t.same((answer.status, answer.body), (200, b'[]'))
    answer = client.get(CITIES + 'pull?lwt=0&id=&limit=10')
    t.same(answer.body.split(b',"checkpoint"')[0],
           b'{"documents":[' + body[len(b'[{"newDocumentState":'):-len(b'}]')] + b']')
    checkpoint = answer.json()['checkpoint']
    t.same(checkpoint['lwt'], 1)
    empty = client.get(CITIES + f'pull?lwt=1&id={checkpoint["id"]}&limit=10')
    t.same(empty.json(), {'documents': [], 'checkpoint': checkpoint})


@test
def an_unknown_checkpoint_is_echoed_when_there_is_nothing(t):
    client = Client(t.serve()[1])
    t.same(client.get(CITIES + 'pull?lwt=99999999999999&id=zzz&limit=2').body,
           b'{"documents":[],"checkpoint":{"id":"zzz","lwt":99999999999999}}')
    t.same(client.get(CITIES + 'pull?lwt=1795287558008.04&id=c000001&limit=2').body,
           b'{"documents":[],"checkpoint":{"id":"c000001","lwt":1795287558008.04}}')


@test
def conflicts_and_tombstones_are_answered(t):
    client = Client(t.serve()[1])
    first, second, third = city('a'), city('a', 1), city('a', 7)
    gone = city('a', 1, deleted=True)
    t.same(client.push(CITIES + 'push', [row(first)]).body, b'[]')
    t.same(client.push(CITIES + 'push', [row(second, first)]).body, b'[]')
    t.same(client.push(CITIES + 'push', [row(third, first)]).json(), [second])
    t.same(client.push(CITIES + 'push', [row(third), row(city('b'))]).json(), [second])
    t.same(client.push(CITIES + 'push', [row(second, city('a', 99))]).body, b'[]')
    t.same(client.push(CITIES + 'push', [row(gone, second)]).body, b'[]')
    page = client.get(CITIES + 'pull?limit=10').json()
    t.same(page['documents'], [city('b'), gone])
    t.same(client.push(CITIES + 'push', []).body, b'[]')


@test
def a_pull_fills_its_page_however_large_it_is(t):
    client = Client(t.serve()[1])
    for start in range(0, 9000, 1000):
        client.push(CITIES + 'push', [row(city(f'c{i:06}', text='x' * 200))
                                      for i in range(start, start + 1000)])
    page = client.get(CITIES + 'pull?limit=8999')
    t.same(page.headers['Transfer-Encoding'], 'chunked')
    t.same([d['id'] for d in page.json()['documents']], [f'c{i:06}' for i in range(8999)])
    t.same(page.json()['checkpoint']['lwt'], 8999)


@test
def a_stream_begins_silently_and_brings_what_is_written(t):
    url = t.serve()[1]
    client = Client(url)
    client.push(CITIES + 'push', [row(city('s0'))])
    stream = Stream(url, CITIES + 'pullStream')
    for line in ('HTTP/1.1 200 OK', 'Content-Type: text/event-stream; charset=utf-8',
                 'Cache-Control: no-cache', 'X-Accel-Buffering: no',
                 'Transfer-Encoding: chunked'):
        if line not in stream.head.split('\r\n'):
            raise AssertionError(f'no {line!r} in {stream.head!r}')
    client.push(CITIES + 'push', [row(city('s1'))])
    event = stream.event()
    t.same(event.startswith('data: {"documents":[{"id":"s1",'), True, event)
    client.push(CITIES + 'push', [row(city('s2')), row(city('s3'))])
    page = stream.page()
    t.same(page['documents'], [city('s2'), city('s3')])
    client.push(CITIES + 'push', [row(city('s1', deleted=True), city('s1'))])
    page = stream.page()
    t.same(page['documents'], [city('s1', deleted=True)])
    t.same(client.get(CITIES + f'pull?limit=9&id={page["checkpoint"]["id"]}'
                      f'&lwt={page["checkpoint"]["lwt"]}').json()['documents'], [])


@test
def a_browser_may_ask(t):
    client = Client(t.serve()[1])
    answer = client.ask('OPTIONS', CITIES + 'push', Origin='http://app.example',
                        Access_Control_Request_Method='POST',
                        Access_Control_Request_Headers='content-type,authorization')
    t.same((answer.status, answer.body), (200, b''))
    t.same(answer.headers['Access-Control-Allow-Origin'], '*')
    t.same(answer.headers['Access-Control-Allow-Methods'], 'GET,HEAD,PUT,PATCH,POST,DELETE')
    t.same(answer.headers['Access-Control-Allow-Headers'], 'content-type,authorization')
    t.same(answer.headers['Vary'], 'Access-Control-Request-Headers')
    answer = client.get(CITIES + 'pull', Origin='http://app.example')
    t.same(answer.headers['Access-Control-Allow-Origin'], '*')
    t.same(client.get(CITIES + 'pull').headers['Access-Control-Allow-Origin'], None)


@test
def what_cannot_be_answered_is_refused_with_its_reason(t):
    client = Client(t.serve()[1])
    client.push('/cities/1/push', [row(city('a'))])
    for status, word, method, path in (
            (404, 'path', 'GET', '/nope'), (405, 'method', 'GET', '/cities/1/push'),
            (404, 'version', 'GET', '/cities/2/pull'), (426, 'version', 'GET', '/cities/0/pull'),
            (400, 'request', 'GET', '/cities/1/pull?limit=abc'),
            (400, 'request', 'GET', '/cities/1/pull?limit=10001')):
        answer = client.ask(method, path)
        t.same((answer.status, answer.json()['error']), (status, word), path)
    answer = client.ask('POST', '/cities/1/push', '[{"newDocumentState":')
    t.same(answer.status, 400)
    t.same('byte 21' in answer.json()['message'], True, answer.body)
    t.same(client.ask('POST', '/cities/1/push', '{"a":1}').status, 400)
    t.same(client.get('/cities/1/pull').status, 200, 'and the connection lives')


@test
def a_refused_row_that_comes_again_waits(t):
    client = Client(t.serve()[1])
    wrong = {'x': 1}
    answers = [client.push(CITIES + 'push', [row(wrong)]) for i in range(2)]
    for answer in answers:
        t.same(answer.json(), [{'x': 1, '_deleted': True}])


main()
