"""Stock RxDB clients through a server: RxDB's own (the reference, which also proves the harness) or
ours.  What holds with the one must hold with the other.

    test_stock.py rxdb | replica
"""
import json
import sys
import urllib.request

from interop import check, city, equal, main, test, until

MANY = 3000
PAGE = 100


def start(scope):
    return scope.rxdb_server() if sys.argv[1] == "rxdb" else scope.replica_server()


def test_of_ours(fn):
    """Where RxDB's server promises nothing."""
    return test(fn) if sys.argv[1] == "replica" else fn


def push_bundle(server, name, docs, before=None):
    """Write them as one, over the states of these numbers; gives their numbers."""
    with urllib.request.urlopen(server.base + "/_replica/1/hello") as answer:
        incarnation = json.load(answer)["incarnation"]
    meta = [[0, f"{name}.{i + 1}", 0, 0, 0 if before else -1, before[i] if before else 0, f"{name}.1"]
            for i in range(len(docs))]
    body = {"collections": ["cities/0"], "checkpoint": {"id": "", "lwt": 0},
            "incarnations": [incarnation], "meta": meta, "documents": docs}
    request = urllib.request.Request(server.base + "/_replica/1/push", json.dumps(body).encode(),
                                     {"Content-Type": "application/vnd.libreplica+json",
                                      "Replica-Uses": "operations, numbers, bundles"})
    with urllib.request.urlopen(request) as answer:
        verdicts = json.load(answer)["verdicts"]
    check(all(isinstance(verdict, int) for verdict in verdicts), f"the verdicts are {verdicts}")
    return verdicts


def same(*clients):
    """All have the same documents, in the end."""
    dumps = None

    def question():
        nonlocal dumps
        dumps = [client.do("dump") for client in clients]
        return all(dump == dumps[0] for dump in dumps)
    until("all clients have the same documents", question)
    return dumps[0]


@test
def a_document_of_one_client_reaches_another(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("insert", doc=city(1))
    equal("the document at b", b.wait("c000001", {"visits": 0}), city(1))


@test
def a_client_that_comes_later_gets_everything(scope):
    server = start(scope)
    a = scope.client(server.url)
    a.do("bulk", docs=[city(n) for n in range(7)])
    a.do("sync")
    b = scope.client(server.url)
    b.do("sync")
    equal("b's documents", b.do("dump"), [city(n) for n in range(7)])


@test_of_ours
def a_bundle_of_others_is_never_shown_by_half(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url, batch=3)
    docs = [city(n) for n in range(7)]
    b.do("together", ids=[doc["id"] for doc in docs])
    numbers = push_bundle(server, "first", docs)
    b.do("waitCount", count=7)
    b.do("offline")
    a.do("bulk", docs=[city(n) for n in range(10, 15)])
    a.do("sync")
    push_bundle(server, "second", [city(n, visits=1) for n in range(7)], numbers)
    a.do("bulk", docs=[city(n) for n in range(15, 25)])
    a.wait("c000003", {"visits": 1})
    a.do("patch", id="c000003", fields={"path": "/elsewhere"})  # comes behind the others
    a.do("sync")
    b.do("online")
    b.wait("c000003", {"path": "/elsewhere"})
    b.do("sync")
    same(a, b)
    for visits in b.do("seen")["visits"]:
        check(visits in ([], [0] * 7, [1] * 7), f"b was shown {visits}")


@test
def changes_go_live_both_ways(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("insert", doc=city(1))
    b.wait("c000001", {"visits": 0})
    for n in range(1, 6):
        b.do("patch", id="c000001", fields={"visits": 2 * n - 1, "updatedBy": "b"})
        a.wait("c000001", {"visits": 2 * n - 1})
        a.do("patch", id="c000001", fields={"visits": 2 * n, "updatedBy": "a"})
        b.wait("c000001", {"visits": 2 * n})
    equal("errors", [a.errors(), b.errors()], [[], []])


@test
def a_custom_handler_settles_a_conflict(scope):
    server = start(scope)
    a = scope.client(server.url, handler="merge")
    b = scope.client(server.url, handler="merge")
    a.do("insert", doc=city(1, visits=10))
    b.wait("c000001", {"visits": 10})
    a.do("sync")
    b.do("offline")
    b.do("patch", id="c000001", fields={"visits": 12, "tags": ["ad", "geo", "b"]})
    a.do("patch", id="c000001", fields={"visits": 15, "name": "of a", "tags": ["a", "ad", "geo"]})
    a.do("sync")
    b.do("online")
    merged = {"visits": 17, "tags": ["a", "ad", "b", "geo"]}
    b.wait("c000001", merged)
    a.wait("c000001", merged)
    asked = b.do("seen")["conflicts"]
    equal("the states that b's handler was shown",
          [[c[state]["visits"] for state in ("assumed", "real", "local")] for c in asked[:1]],
          [[10, 15, 12]])
    same(a, b)


@test
def without_a_handler_the_servers_state_wins(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("insert", doc=city(1))
    b.wait("c000001", {"visits": 0})
    b.do("offline")
    b.do("patch", id="c000001", fields={"visits": 1, "updatedBy": "b"})
    a.do("patch", id="c000001", fields={"visits": 2, "updatedBy": "a"})
    a.do("sync")
    b.do("online")
    b.wait("c000001", {"visits": 2, "updatedBy": "a"})
    b.do("sync")
    equal("what both have", same(a, b), [city(1, visits=2, updatedBy="a")])


@test
def the_same_new_id_on_both_sides_is_a_conflict(scope):
    server = start(scope)
    a = scope.client(server.url, handler="merge")
    b = scope.client(server.url, handler="merge")
    b.do("sync")
    b.do("offline")
    b.do("insert", doc=city(1, visits=1, updatedBy="b"))
    a.do("insert", doc=city(1, visits=2, updatedBy="a"))
    a.do("sync")
    b.do("online")
    a.wait("c000001", {"visits": 3, "updatedBy": "b"})
    same(a, b)


@test
def a_deletion_reaches_the_others_and_stays(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("bulk", docs=[city(1), city(2)])
    b.do("waitCount", count=2)
    b.do("remove", id="c000001")
    a.wait("c000001", None)
    b.do("sync")
    c = scope.client(server.url)
    c.do("sync")
    equal("what is left", same(a, b, c), [city(2)])


@test
def a_deleted_document_can_be_created_again(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("insert", doc=city(1))
    b.wait("c000001", {"visits": 0})
    a.do("remove", id="c000001")
    b.wait("c000001", None)
    b.do("insert", doc=city(1, visits=7, updatedBy="again"))
    a.wait("c000001", {"visits": 7, "updatedBy": "again"})
    same(a, b)


@test
def what_was_written_without_a_network_goes_out_later(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("bulk", docs=[city(n) for n in range(10)])
    b.do("waitCount", count=10)
    a.do("sync")
    b.do("sync")
    b.do("offline")
    for n in range(5):
        b.do("patch", id=f"c{n:06d}", fields={"visits": 100 + n, "updatedBy": "b"})
    b.do("remove", id="c000009")
    b.do("insert", doc=city(10))
    for n in range(5, 8):
        a.do("patch", id=f"c{n:06d}", fields={"visits": 200 + n, "updatedBy": "a"})
    a.do("sync")
    b.do("online")
    a.wait("c000010", {})
    a.wait("c000009", None)
    b.wait("c000007", {"visits": 207})
    want = [city(n, visits=100 + n, updatedBy="b") for n in range(5)]
    want += [city(n, visits=200 + n, updatedBy="a") for n in range(5, 8)]
    equal("what both have", same(a, b), want + [city(8), city(10)])


@test
def many_documents_travel_in_pages_both_ways(scope):
    server = start(scope)
    a = scope.client(server.url, batch=PAGE)
    b = scope.client(server.url, batch=PAGE)
    a.do("bulk", docs=[city(n) for n in range(MANY)])
    b.do("bulk", docs=[city(n) for n in range(MANY, 2 * MANY)])
    a.do("waitCount", count=2 * MANY, ms=120000)
    b.do("waitCount", count=2 * MANY, ms=120000)
    a.do("sync", ms=120000)
    b.do("sync", ms=120000)
    c = scope.client(server.url, batch=PAGE)
    c.do("waitCount", count=2 * MANY, ms=120000)
    c.do("sync", ms=120000)
    counts = c.do("seen")["counts"]
    check(counts["pulls"] >= 2 * MANY / PAGE, f"only {counts['pulls']} pulls")
    equal("the largest page", counts["largestPage"], PAGE)
    equal("what all have", same(a, b, c), [city(n) for n in range(2 * MANY)])


@test_of_ours
def a_document_that_the_server_refuses_stops_no_other(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    deep = []
    for _ in range(120):  # more than the server takes
        deep = [deep]
    a.do("bulk", docs=[city(1), city(2, tags=deep), city(3)])
    b.do("waitCount", count=2)
    a.do("patch", id="c000001", fields={"visits": 1})
    b.wait("c000001", {"visits": 1})
    a.wait("c000002", None)  # a stock client can only be told that it is gone
    a.do("sync")
    equal("what both have", same(a, b), [city(1, visits=1), city(3)])


@test_of_ours
def after_a_restart_of_the_server_clients_go_on_by_themselves(scope):
    server = start(scope)
    a, b = scope.client(server.url), scope.client(server.url)
    a.do("bulk", docs=[city(1), city(2)])
    b.do("waitCount", count=2)
    a.do("sync")
    equal("the server's exit code", server.terminate(), 0)
    a.do("patch", id="c000001", fields={"visits": 1})
    b.do("patch", id="c000002", fields={"visits": 2})
    server = scope.replica_server(listen=server.address)
    a.reconnected(2)
    b.reconnected(2)
    b.wait("c000001", {"visits": 1})
    a.wait("c000002", {"visits": 2})
    server.kill()
    a.do("insert", doc=city(3))
    server = scope.replica_server(listen=server.address)
    b.reconnected(3)
    b.wait("c000003", {})
    equal("what both have", same(a, b), [city(1, visits=1), city(2, visits=2), city(3)])
    equal("what is wrong with the server's file", scope.findings("server"), [])


@test_of_ours
def a_client_of_an_outdated_schema_version_is_told_so(scope):
    server = start(scope)
    a = scope.client(server.base + "/cities/1")
    a.do("insert", doc=city(1))
    a.do("sync")
    old = scope.client(server.base + "/cities/0", streams=False)
    old.do("insert", doc=city(2))
    until("the old client is told", lambda: any("426" in text for text in old.errors()))
    equal("what the new one has", a.do("dump"), [city(1)])


sys.exit(main())
