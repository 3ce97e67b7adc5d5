"""Our client on RxDB's own server; a stock client is the witness."""
import re
import sys

from interop import check, city, equal, main, test, until

MANY = 3000


def same(c, js):
    dumps = None

    def question():
        nonlocal dumps
        dumps = [c.dump(), js.do("dump")]
        return dumps[0] == dumps[1]
    until("both have the same documents", question)
    return dumps[0]


def start(scope, docs=(), **options):
    """The server, our client with these documents, in step, and a stock client that has them too."""
    server = scope.rxdb_server()
    c = scope.replica("c")
    js = scope.client(server.url, **options)
    if docs:
        c.load(docs)
        c.sync(server.url)
    js.do("waitCount", count=len(docs))
    js.do("sync")
    return server, c, js


@test
def what_our_client_pushes_arrives_and_what_it_pulls_is_all(scope):
    server, c, js = start(scope, [city(1), city(2)])
    equal("what arrived", js.do("dump"), [city(1), city(2)])
    js.do("insert", doc=city(3))
    js.do("sync")
    c.sync(server.url)
    equal("what both have", same(c, js), [city(1), city(2), city(3)])


@test
def a_second_sync_asks_from_where_the_first_ended_digit_by_digit(scope):
    server, c, js = start(scope, [city(1)])
    for n in range(2, 8):  # one by one: the server's times get their decimals
        js.do("insert", doc=city(n))
        js.do("sync")
    c.sync(server.url)
    server.requests()
    c.sync(server.url)
    asked = [line for line in server.requests() if "/pull?" in line]
    check(asked, "it did not ask")
    for line in asked:
        check(re.search(r"lwt=\d{13}(\.\d\d?)?&", line + "&") and "c000007" in line,
              f"asked from another place: {line}")
    check(len(asked) <= 3, f"{len(asked)} requests for nothing")
    js.do("patch", id="c000002", fields={"visits": 1})
    js.do("sync")
    c.sync(server.url)
    equal("the visits", c.get("c000002")["visits"], 1)
    same(c, js)


@test
def changes_go_live_both_ways(scope):
    server, c, js = start(scope, [city(1)])
    c.live(server.url)
    for n in range(1, 6):
        js.do("patch", id="c000001", fields={"visits": 2 * n - 1, "updatedBy": "js"})
        c.wait("c000001", {"visits": 2 * n - 1})
        c.patch("c000001", {"visits": 2 * n, "updatedBy": "c"})
        js.wait("c000001", {"visits": 2 * n})
    js.do("insert", doc=city(2))
    c.wait("c000002", {})
    c.delete("c000002")
    js.wait("c000002", None)


@test
def in_a_conflict_the_server_wins_unless_told_otherwise(scope):
    server, c, js = start(scope, [city(1)])
    js.do("patch", id="c000001", fields={"visits": 1, "updatedBy": "js"})
    js.do("sync")
    c.patch("c000001", {"visits": 2, "updatedBy": "c"})
    c.sync(server.url)
    equal("what both have", same(c, js), [city(1, visits=1, updatedBy="js")])
    equal("what lost", [entry["local"]["visits"] for entry in c.conflicts()], [2])


@test
def in_a_conflict_the_client_wins_when_told(scope):
    server, c, js = start(scope, [city(1)])
    js.do("patch", id="c000001", fields={"visits": 1, "updatedBy": "js"})
    js.do("sync")
    c.patch("c000001", {"visits": 2, "updatedBy": "c"})
    c.sync(server.url, "--on-conflict", "client-wins")
    js.wait("c000001", {"visits": 2})
    equal("what both have", same(c, js), [city(1, visits=2, updatedBy="c")])


@test
def a_conflict_that_the_push_meets_is_settled_too(scope):
    server, c, js = start(scope, [city(1)])
    js.do("patch", id="c000001", fields={"visits": 1, "updatedBy": "js"})
    js.do("sync")
    c.patch("c000001", {"visits": 2, "updatedBy": "c"})
    c.sync(server.url, "--push-only", "--on-conflict", "client-wins")
    js.wait("c000001", {"visits": 2, "updatedBy": "c"})
    c.sync(server.url)
    same(c, js)


@test
def deletions_go_both_ways(scope):
    server, c, js = start(scope, [city(1), city(2), city(3)])
    c.delete("c000001")
    js.do("remove", id="c000002")
    js.do("sync")
    c.sync(server.url)
    js.wait("c000001", None)
    equal("what is left", same(c, js), [city(3)])


@test
def a_deleted_document_is_created_again_without_a_conflict(scope):
    server, c, js = start(scope, [city(1), city(2)])
    c.delete("c000001")
    js.do("remove", id="c000002")
    js.do("sync")
    c.sync(server.url)
    c.put(city(1, visits=5))
    c.put(city(2, visits=6))
    c.sync(server.url)
    js.wait("c000001", {"visits": 5})
    js.wait("c000002", {"visits": 6})
    same(c, js)
    equal("the conflict log", c.conflicts(), [])


@test
def a_document_that_somebody_else_deleted_is_created_again_by_a_client_that_never_saw_it(scope):
    server, c, js = start(scope)
    js.do("insert", doc=city(1))
    js.do("sync")
    js.do("remove", id="c000001")
    js.do("sync")
    c.load([city(1, visits=9)])
    c.sync(server.url)
    js.wait("c000001", {"visits": 9})
    same(c, js)


@test
def one_direction_is_enough_when_asked(scope):
    server, c, js = start(scope)
    js.do("insert", doc=city(1))
    js.do("sync")
    c.load([city(2)])
    c.sync(server.url, "--push-only")
    js.wait("c000002", {})
    equal("what a push alone brings", c.dump(), [city(2)])
    d = scope.replica("d")
    d.load([city(3)])
    d.sync(server.url, "--pull-only")
    equal("what a pull alone brings", d.dump(), [city(1), city(2), city(3)])
    js.do("sync")
    equal("what a pull alone sends", js.do("count"), 2)


@test
def without_the_right_token_it_says_so_and_keeps_everything(scope):
    server = scope.rxdb_server(token="s3cret-token")
    c = scope.replica("c")
    c.load([city(1)])
    c.sync(server.url, codes=(4,))
    c.sync(server.url, "--token-file", scope.token_file("wrong"), codes=(4,))
    c.sync(server.url, "--token-file", scope.token_file("s3cret-token"))
    js = scope.client(server.url, token="s3cret-token")
    js.wait("c000001", {})
    same(c, js)


@test
def a_server_that_is_not_there_costs_nothing(scope):
    server = scope.rxdb_server()
    server.kill()
    c = scope.replica("c")
    c.load([city(1)])
    c.sync(server.url, codes=(3,))
    equal("what is kept", c.dump(), [city(1)])
    server = scope.rxdb_server()
    js = scope.client(server.url)
    c.sync(server.url)
    js.wait("c000001", {})


@test
def many_documents_travel_both_ways_below_the_servers_limit(scope):
    server, c, js = start(scope, batch=100)
    c.load([city(n) for n in range(MANY)])
    js.do("bulk", docs=[city(n) for n in range(MANY, 2 * MANY)])
    js.do("sync", ms=120000)
    c.sync(server.url)
    js.do("waitCount", count=2 * MANY, ms=120000)
    js.do("sync", ms=120000)
    equal("what both have", same(c, js), [city(n) for n in range(2 * MANY)])


sys.exit(main())
