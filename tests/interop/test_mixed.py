"""A C client and a stock RxDB client share our server."""
import json
import sys

from interop import HERE, check, city, equal, main, test, until

MANY = 3000


def same(c, *clients):
    """The C client's file and all others have the same documents, in the end."""
    dumps = None

    def question():
        nonlocal dumps
        dumps = [c.dump()] + [client.do("dump") for client in clients]
        return all(dump == dumps[0] for dump in dumps)
    until("all have the same documents", question)
    return dumps[0]


def settled(c, js):
    """Both are in step with the server, which is where they meet."""
    js.do("sync")
    c.sync(c.url)


def pair(scope, docs, **options):
    """A server, a C client and a stock one, which have the same documents."""
    server = scope.replica_server()
    c = scope.replica("c")
    c.url = server.url
    c.load(docs)
    c.sync(server.url)
    js = scope.client(server.url, **options)
    js.do("waitCount", count=len(docs))
    js.do("sync")
    return server, c, js


@test
def a_document_of_each_reaches_the_other(scope):
    server, c, js = pair(scope, [city(1)])
    equal("the C client's document at the other", js.do("get", id="c000001"), city(1))
    js.do("insert", doc=city(2))
    settled(c, js)
    equal("what both have", same(c, js), [city(1), city(2)])


@test
def changes_go_live_both_ways(scope):
    server, c, js = pair(scope, [city(1)])
    c.live(server.url)
    for n in range(1, 6):
        js.do("patch", id="c000001", fields={"visits": 2 * n - 1, "updatedBy": "js"})
        c.wait("c000001", {"visits": 2 * n - 1})
        c.patch("c000001", {"visits": 2 * n, "updatedBy": "c"})
        js.wait("c000001", {"visits": 2 * n})
    js.do("insert", doc=city(2))
    c.wait("c000002", {})
    c.put(city(3))
    js.wait("c000003", {})
    js.do("remove", id="c000003")
    c.wait("c000003", None)
    c.delete("c000002")
    js.wait("c000002", None)
    equal("errors", js.errors(), [])


@test
def what_arrives_is_seen_by_a_process_that_watches(scope):
    server, c, js = pair(scope, [city(1)])
    c.live(server.url)
    watch = c.watch()
    # Which of the two is ready first is open: changes go on until one is seen.
    visits = 0

    def question():
        nonlocal visits
        visits += 1
        js.do("patch", id="c000001", fields={"visits": visits})
        return not watch.lines.empty()
    until("a change is seen", question)
    equal("the id", json.loads(watch.line())["id"], "c000001")


@test
def a_handler_in_javascript_settles_a_conflict_with_a_C_client(scope):
    server, c, js = pair(scope, [city(1, visits=10)], handler="merge")
    js.do("offline")
    js.do("patch", id="c000001", fields={"visits": 13, "tags": ["ad", "geo", "js"]})
    c.patch("c000001", {"visits": 14, "tags": ["ad", "c", "geo"], "updatedBy": "c"})
    c.sync(server.url)
    js.do("online")
    js.wait("c000001", {"visits": 17, "tags": ["ad", "c", "geo", "js"]})
    settled(c, js)
    asked = js.do("seen")["conflicts"]
    equal("the states that the handler was shown",
          [[a[state]["visits"] for state in ("assumed", "real", "local")] for a in asked[:1]],
          [[10, 14, 13]])
    equal("the visits everywhere", [doc["visits"] for doc in same(c, js)], [17])


@test
def a_conflict_at_the_C_client_goes_as_it_was_told(scope):
    server, c, js = pair(scope, [city(1), city(2)])
    for id, rule, winner in (("c000001", "server-wins", "js"), ("c000002", "client-wins", "c")):
        js.do("patch", id=id, fields={"visits": 1, "updatedBy": "js"})
        js.do("sync")
        c.patch(id, {"visits": 2, "updatedBy": "c"})
        c.sync(server.url, "--on-conflict", rule)
        js.wait(id, {"updatedBy": winner})
        equal(f"who wins by {rule}", c.get(id)["updatedBy"], winner)
    same(c, js)


@test
def rules_and_a_handler_that_says_the_same_agree(scope):
    rules = '{"":{"merge":"client-wins"},"/visits":"sum","/tags":"set-union"}'
    server, c, js = pair(scope, [city(1, visits=0, tags=[])], handler="merge")
    visits, tags = 0, set()
    for n in range(1, 6):
        js.do("offline")
        mine, theirs = c.get("c000001"), js.do("get", id="c000001")
        c.patch("c000001", {"visits": mine["visits"] + n, "tags": mine["tags"] + [f"c{n}"]})
        js.do("patch", id="c000001", fields={"visits": theirs["visits"] + 10 * n,
                                             "tags": sorted(theirs["tags"] + [f"j{n}"])})
        if n % 2:  # who is there first, and has nothing to settle
            c.sync(server.url, "--rules", rules)
        js.do("online")
        js.do("sync")
        c.sync(server.url, "--rules", rules)
        visits += 11 * n
        tags |= {f"c{n}", f"j{n}"}
        js.wait("c000001", {"visits": visits})
    settled(c, js)
    doc, = same(c, js)
    equal("what both have added", (doc["visits"], set(doc["tags"])), (visits, tags))


@test
def the_later_of_two_by_a_field_wins_on_either_side(scope):
    server, c, js = pair(scope, [city(1, visits=1), city(2, visits=1)])
    rules = '{"":{"last-write-wins":"visits"}}'
    for id, here, there in (("c000001", 7, 5), ("c000002", 5, 7)):
        js.do("patch", id=id, fields={"visits": there, "updatedBy": "js"})
        js.do("sync")
        c.patch(id, {"visits": here, "updatedBy": "c"})
        c.sync(server.url, "--rules", rules)
        js.wait(id, {"visits": 7})
        equal("the time that won", c.get(id)["visits"], 7)
    same(c, js)


@test
def the_state_that_lost_is_in_the_conflict_log(scope):
    server, c, js = pair(scope, [city(1)])
    js.do("patch", id="c000001", fields={"visits": 1})
    js.do("sync")
    c.patch("c000001", {"visits": 2})
    c.sync(server.url)
    equal("the visits in the log",
          [[entry[state]["visits"] for state in ("assumed", "real", "local")]
           for entry in c.conflicts()], [[0, 1, 2]])


@test
def deletions_go_both_ways_and_a_deleted_document_can_come_again(scope):
    server, c, js = pair(scope, [city(1), city(2), city(3)])
    c.delete("c000001")
    js.do("remove", id="c000002")
    settled(c, js)
    js.wait("c000001", None)
    equal("what is left", same(c, js), [city(3)])
    js.do("insert", doc=city(1, visits=5))
    c.put(city(2, visits=6))
    settled(c, js)
    js.wait("c000002", {"visits": 6})
    settled(c, js)
    equal("what both have", same(c, js), [city(1, visits=5), city(2, visits=6), city(3)])


@test
def after_a_restart_of_the_server_both_go_on_by_themselves(scope):
    server, c, js = pair(scope, [city(1), city(2)])
    c.live(server.url)
    equal("the server's exit code", server.terminate(), 0)
    js.do("patch", id="c000001", fields={"visits": 1, "updatedBy": "js"})
    c.patch("c000002", {"visits": 2, "updatedBy": "c"})
    server = scope.replica_server(listen=server.address)
    js.reconnected(2)
    js.wait("c000002", {"visits": 2})
    c.wait("c000001", {"visits": 1})
    server.kill()
    js.do("patch", id="c000001", fields={"visits": 3})
    server = scope.replica_server(listen=server.address)
    js.reconnected(3)
    c.wait("c000001", {"visits": 3})
    c.patch("c000002", {"visits": 4})
    js.wait("c000002", {"visits": 4})
    same(c, js)


@test
def what_each_wrote_without_a_network_meets_later(scope):
    server, c, js = pair(scope, [city(n) for n in range(6)])
    js.do("offline")
    for n in range(3):
        js.do("patch", id=f"c{n:06d}", fields={"visits": n, "updatedBy": "js"})
    js.do("insert", doc=city(7))
    for n in range(3, 6):
        c.patch(f"c{n:06d}", {"visits": n, "updatedBy": "c"})
    c.put(city(8))
    js.do("online")
    settled(c, js)
    js.wait("c000008", {})
    js.wait("c000005", {"visits": 5})
    settled(c, js)
    want = [city(n, visits=n, updatedBy="js" if n < 3 else "c") for n in range(6)]
    equal("what both have", same(c, js), want + [city(7), city(8)])


@test
def a_number_that_javascript_cannot_hold_survives_its_edit(scope):
    server, c, js = pair(scope, [city(1)])
    text = ('{"id":"big","name":"\\u0041 b","lat":1.00000000000000000001,"lng":1e2,'
            '"visits":9007199254740993,"tags":[]}')
    c.run("import", "-", text=text + "\n")
    c.sync(server.url)
    js.wait("big", {"name": "A b"})
    js.do("patch", id="big", fields={"updatedBy": "js"})
    settled(c, js)
    line = next(line for line in c.run("export").splitlines() if '"big"' in line)
    equal("who edited it", json.loads(line)["updatedBy"], "js")
    for spelling in ('"visits":9007199254740993', '"lat":1.00000000000000000001', '"lng":1e2'):
        check(spelling in line, f"{spelling} is gone from {line}")


@test
def ids_with_any_characters_travel(scope):
    ids = ["a&b=c", "100%", "#1", "with space", "ümläut/ß", "日本", "q?x=1+2", "'\"\\"]
    server, c, js = pair(scope, [city(1, id=id) for id in ids], batch=2)
    for number, id in enumerate(ids):
        js.do("patch", id=id, fields={"visits": number + 1})
    settled(c, js)
    equal("the visits", {doc["id"]: doc["visits"] for doc in same(c, js)},
          {id: number + 1 for number, id in enumerate(ids)})


@test
def a_server_with_the_schema_of_the_application_refuses_what_breaks_it(scope):
    server = scope.replica_server(schema=HERE / "schema.json")
    js = scope.client(server.url)
    js.do("insert", doc=city(1))
    js.do("sync")
    c = scope.replica("c")
    c.load([city(2), city(3, visits="many")])
    c.sync(server.url)
    check("set aside: cities/c000003" in c.said, "a document that breaks the schema was taken")
    js.do("waitCount", count=2)
    equal("what the stock client has", js.do("dump"), [city(1), city(2)])
    c.put(city(3))
    c.sync(server.url)
    js.wait("c000003", {"visits": 0})
    equal("what both have", same(c, js), [city(1), city(2), city(3)])


@test
def without_the_token_nobody_gets_anything(scope):
    server = scope.replica_server(token="s3cret-token")
    c, thief = scope.replica("c"), scope.replica("thief")
    c.load([city(1)])
    c.sync(server.url, "--token-file", scope.token_file("s3cret-token"))
    js = scope.client(server.url, token="s3cret-token")
    js.wait("c000001", {})
    thief.load([city(2)])
    thief.sync(server.url, codes=(4,))
    thief.sync(server.url, "--token-file", scope.token_file("wrong"), codes=(4,))
    equal("what the thief has", thief.dump(), [city(2)])
    js.do("sync")
    equal("what the server has", js.do("dump"), [city(1)])


@test
def many_documents_travel_both_ways(scope):
    server = scope.replica_server()
    c = scope.replica("c")
    c.url = server.url
    c.load([city(n) for n in range(MANY)])
    js = scope.client(server.url, batch=100)
    js.do("bulk", docs=[city(n) for n in range(MANY, 2 * MANY)])
    c.sync(server.url)
    js.do("waitCount", count=2 * MANY, ms=120000)
    js.do("sync", ms=120000)
    c.sync(server.url)
    equal("what both have", same(c, js), [city(n) for n in range(2 * MANY)])
    equal("what is wrong with the files", [scope.findings("server"), scope.findings("c")], [[], []])


sys.exit(main())
