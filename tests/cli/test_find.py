#!/usr/bin/env python3
"""find, index: queries, and what makes them fast."""
import json

from cli import main, test

CITIES = [
    {'id': 'a', 'name': 'Ulm', 'country': 'DE', 'visits': 3},
    {'id': 'b', 'name': 'Bonn', 'country': 'DE', 'visits': 9},
    {'id': 'c', 'name': 'Graz', 'country': 'AT', 'visits': 5},
    {'id': 'd', 'name': 'Jena', 'country': 'DE'},
]


def fill(t):
    t.ok('import', *t.notes, '-', stdin='\n'.join(map(json.dumps, CITIES)).encode())


def ids(t, query, *options):
    return [doc['id'] for doc in t.lines('find', *t.notes, *options, json.dumps(query))]


@test
def find_prints_documents_in_the_order_of_the_query(t):
    fill(t)
    german = {'selector': {'country': 'DE'}, 'sort': [{'name': 'asc'}]}
    for _ in range(2):
        t.same(ids(t, {}), ['a', 'b', 'c', 'd'])
        t.same(ids(t, german), ['b', 'd', 'a'])
        t.same(ids(t, {**german, 'skip': 1, 'limit': 1}), ['d'])
        t.same(ids(t, {'selector': {'visits': {'$gte': 5}}, 'sort': [{'visits': 'desc'}]}), ['b', 'c'])
        t.ok('index', 'create', *t.notes, 'country', 'name')
    t.same(t.ok('find', *t.notes, '{"fields":["name"],"limit":1}'), b'{"id":"a","name":"Ulm"}\n')


@test
def a_query_may_come_from_standard_input(t):
    fill(t)
    t.same(t.ok('find', *t.notes, '--count', '-', stdin=b'{"selector":{"country":"DE"}}'), b'3\n')


@test
def a_document_comes_as_it_was_put(t):
    t.ok('put', *t.notes, '{ "id" : "a", "n":9007199254740993 }')
    t.same(t.ok('find', *t.notes, '{"selector":{"n":9007199254740993}}'),
           b'{ "id" : "a", "n":9007199254740993 }\n')
    t.same(t.ok('find', *t.notes, '{"selector":{"n":9007199254740992}}'), b'')


@test
def explain_warns_of_full_scans(t):
    fill(t)
    query = '{"selector":{"country":"DE"},"sort":[{"name":"asc"}]}'
    said = t.ok('find', *t.notes, '--explain', query).decode()
    t.same('FULL SCAN' in said and '(country, name)' in said, True, said)
    t.ok('index', 'create', *t.notes, 'country', 'name')
    said = t.ok('find', *t.notes, '--explain', query).decode()
    t.same(said, 'index country,name: 1 range, in the order asked for.\n')
    t.same(t.ok('explain', *t.notes, query).decode(), said)


@test
def what_is_no_query_is_refused(t):
    fill(t)
    t.fails(2, '$foo', 'find', *t.notes, '{"selector":{"n":{"$foo":1}}}')
    t.fails(2, 'argument: byte', 'find', *t.notes, '{"selector":}')
    t.fails(2, 'none', 'find', *t.notes, '{"index":"none"}')
    t.fails(2, 'two things', 'find', *t.notes, '--count', '--explain', '{}')
    t.fails(1, 'no collection', 'find', '--db', t.db, '--collection', 'other', '{}')


@test
def indexes_are_created_listed_and_dropped(t):
    fill(t)
    t.ok('index', 'create', *t.notes, 'country', 'name')
    t.ok('index', 'create', *t.notes, 'country', 'name')
    t.ok('index', 'create', *t.notes, '--name', 'seen', '--where', '{"visits":{"$gt":4}}', 'visits')
    t.same(t.ok('index', 'ls', *t.notes).decode(),
           'country,name\tcountry,name\tready\nseen\tvisits\tready\twhere {"visits":{"$gt":4}}\n')
    t.same(t.lines('index', 'ls', *t.notes, '--json')[1],
           {'name': 'seen', 'fields': ['visits'], 'where': {'visits': {'$gt': 4}}, 'unique': False,
            'text': False, 'schema': False, 'ready': True})
    t.ok('check', '--db', t.db)
    t.ok('index', 'drop', *t.notes, 'country', 'name')
    t.ok('index', 'drop', *t.notes, '--name', 'seen')
    t.same(t.ok('index', 'ls', *t.notes), b'')
    t.fails(1, 'no such index', 'index', 'drop', *t.notes, 'country')
    t.fails(1, 'no such', 'index', 'drop', *t.notes, '--name', 'seen')
    t.fails(2, 'fields', 'index', 'drop', *t.notes, '--name', 'seen', 'visits')
    t.fails(2, 'fields', 'index', 'create', *t.notes)
    t.fails(2, 'action', 'index', 'make', *t.notes, 'x')


@test
def an_index_with_a_name_is_dropped_by_its_fields_where_there_is_one(t):
    fill(t)
    t.ok('index', 'create', *t.notes, '--name', 'first', '--where', '{"visits":\n1}', 'name')
    t.same(len(t.lines('index', 'ls', *t.notes, '--json')), 1)
    t.ok('index', 'create', *t.notes, '--name', 'second', 'name')
    t.fails(2, 'several', 'index', 'drop', *t.notes, 'name')
    t.ok('index', 'drop', *t.notes, '--name', 'first')
    t.ok('index', 'drop', *t.notes, 'name')
    t.same(t.ok('index', 'ls', *t.notes), b'')


@test
def a_unique_index_refuses_the_second_document(t):
    fill(t)
    t.ok('index', 'create', *t.notes, '--unique', 'name')
    t.fails(6, "document 'a'", 'put', *t.notes, '{"id":"x","name":"Ulm"}')
    t.fails(6, 'cannot be built', 'index', 'create', *t.notes, '--unique', 'country')


main()
