/* A client and our own server that are compared: after deletions were purged, when other documents
 * may be seen, when it is interrupted again and again.  And a random life of both, after which both
 * sides have the same. */
#include "replicator/replicator.h"
#include "tests/http/served.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000

struct pair {
    struct served *served;
    replica_db *sdb, *cdb; /* a handle beside the server's; the client's */
    replica_collection *there, *here;
    unsigned seed;
    int purges;
};

static void open_side(const char *name, replica_db **db, replica_collection **coll)
{
    CHECK_RC(replica_db_open(tmp_path(name), NULL, db, &test_err), 0);
    CHECK_RC(replica_db_collection(*db, "notes", NULL, coll, &test_err), 0);
}

static struct pair pair_begin(void)
{
    struct pair p = { .served = served_start() };

    open_side("server.db", &p.sdb, &p.there);
    open_side("client.db", &p.cdb, &p.here);
    return p;
}

static void pair_end(struct pair *p)
{
    replica_db_close(p->cdb);
    replica_db_close(p->sdb);
    served_stop(p->served);
}
#define PAIR __attribute__((cleanup(pair_end))) struct pair

static replica_sync *start(struct pair *p)
{
    replica_collection *colls[] = { p->here };
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;
    replica_sync *sync = NULL;

    o.flags = REPLICA_SYNC_ONCE | REPLICA_SYNC_IN_LOOP;
    o.identifier = "r1";
    o.collections = colls;
    o.collection_count = 1;
    o.url = served_url(p->served, "/notes/0");
    o.page_rows = 20;
    CHECK_RC(replica_sync_start(p->cdb, &o, &sync, &test_err), 0);
    return sync;
}

static replica_sync_status sync_whole(struct pair *p)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    replica_sync *sync = start(p);

    CHECK_RC(replica_sync_wait_in_sync(sync, WAIT_MS, &test_err), 1);
    CHECK_RC(replica_sync_get_status(sync, &status, &test_err), 0);
    replica_sync_cancel(sync);
    return status;
}

static void put(replica_collection *coll, const char *id, const char *rest)
{
    char json[200];

    snprintf(json, sizeof json, "{\"id\":\"%s\"%s}", id, rest);
    CHECK_RC(replica_upsert(coll, json, REPLICA_NUL, NULL, &test_err), 0);
}

static void delete(replica_collection *coll, const char *id)
{
    CHECK(replica_delete(coll, id, REPLICA_ANY_REV, NULL, &test_err) >= 0);
}

/* The text, or "-". */
static const char *have(replica_collection *coll, const char *id)
{
    static char text[4][300];
    static int at;
    replica_doc *doc = NULL;
    char *to = text[at++ % 4];

    CHECK(replica_get(coll, id, &doc, &test_err) >= 0);
    snprintf(to, sizeof text[0], "%s", doc ? replica_doc_json(doc, NULL) : "-");
    replica_doc_unref(doc);
    return to;
}

/* All that was deleted at the server.  The newest document and the newest write always stay. */
static void purge(struct pair *p)
{
    int64_t count = 0;
    char id[20];

    snprintf(id, sizeof id, "~%d", p->purges++);
    put(p->there, id, "");
    for (int i = 0; count == 0 && i < 1000; i++) { /* what was deleted in this very ms stays */
        put(p->there, id, "");
        CHECK_RC(replica_purge(p->sdb, p->there, 0, 0, &count, &test_err), 0);
    }
    CHECK(count > 0);
}

struct list {
    int n, revoked;
    char keys[4000]; /* of others: " a b " */
    char text[300];  /* of the last revoked one */
};

static int note_rejected(void *ctx, const replica_rejected_entry *e)
{
    struct list *list = ctx;
    size_t len = strlen(list->keys);

    list->n++;
    if (e->kind == REPLICA_ASIDE_REVOKED) {
        list->revoked++;
        snprintf(list->text, sizeof list->text, "%s", e->text ? e->text : "-");
    } else {
        snprintf(list->keys + len, sizeof list->keys - len, "%s ", e->id);
    }
    return 0;
}

static struct list rejected(struct pair *p)
{
    struct list list = { .keys = " " };

    CHECK_RC(replica_rejected(p->cdb, NULL, note_rejected, &list, &test_err), 0);
    return list;
}

static int note_conflict(void *ctx, const replica_conflict_entry *e)
{
    (void)e;
    ++*(int *)ctx;
    return 0;
}

/* ---- what must hold ---------------------------------------------------------------- */

TEST(who_was_away_while_deletions_were_purged_has_what_the_server_has)
{
    PAIR p = pair_begin();
    int logged = 0;

    for (const char *id = "abcdef"; *id; id++)
        put(p.there, (char[]){ *id, '\0' }, ",\"n\":1");
    sync_whole(&p);
    CHECK_STR(have(p.here, "f"), "{\"id\":\"f\",\"n\":1}");

    delete(p.there, "a");        /* removed */
    delete(p.there, "b");        /* removed, and edited here */
    put(p.there, "c", ",\"n\":2"); /* changed */
    put(p.there, "g", ",\"n\":1"); /* new */
    purge(&p);
    put(p.here, "b", ",\"n\":9");
    put(p.here, "x", ",\"n\":1"); /* fresh here */
    put(p.here, "d", ",\"n\":7"); /* edited here alone */
    sync_whole(&p);

    CHECK_STR(have(p.here, "a"), "-");
    CHECK_STR(have(p.here, "b"), "-");
    CHECK_STR(have(p.here, "c"), "{\"id\":\"c\",\"n\":2}");
    CHECK_STR(have(p.here, "g"), "{\"id\":\"g\",\"n\":1}");
    CHECK_STR(have(p.there, "x"), "{\"id\":\"x\",\"n\":1}");
    CHECK_STR(have(p.there, "d"), "{\"id\":\"d\",\"n\":7}");
    CHECK_STR(have(p.there, "a"), "-");
    CHECK_STR(have(p.there, "b"), "-");
    CHECK_RC(replica_conflict_log(p.cdb, NULL, 0, note_conflict, &logged, &test_err), 0);
    CHECK_INT(logged, 1); /* what was edited, and is gone */
}

TEST(what_is_gone_stays_gone_when_its_client_comes_back_late)
{
    PAIR p = pair_begin();

    for (int i = 0; i < 300; i++) {
        char id[20];

        snprintf(id, sizeof id, "k%03d", i);
        put(p.there, id, ",\"n\":1");
    }
    sync_whole(&p);
    for (int i = 0; i < 300; i += 3) {
        char id[20];

        snprintf(id, sizeof id, "k%03d", i);
        delete(p.there, id);
    }
    purge(&p);
    sync_whole(&p);
    for (int i = 0; i < 300; i++) {
        char id[20];

        snprintf(id, sizeof id, "k%03d", i);
        CHECK_STR(have(p.here, id), have(p.there, id));
    }
    CHECK_INT(rejected(&p).n, 0);
}

TEST(a_new_client_takes_no_tombstones)
{
    PAIR p = pair_begin();
    replica_sync_status status;

    for (int i = 0; i < 400; i++) {
        char id[20];

        snprintf(id, sizeof id, "k%03d", i);
        put(p.there, id, ",\"n\":1");
        if (i % 20)
            delete(p.there, id);
    }
    status = sync_whole(&p);
    CHECK_INT(status.pulled, 20);
}

TEST(documents_that_may_not_be_seen_any_more_leave_and_come_back)
{
    PAIR p = pair_begin();
    struct list list;

    put(p.there, "a", ",\"open\":true,\"n\":1");
    put(p.there, "b", ",\"open\":true,\"n\":1");
    put(p.there, "c", ",\"open\":false,\"n\":1");
    served_rules(p.served, "{\"collections\":{\"notes\":{\"read\":{\"n\":1},\"write\":true}}}");
    sync_whole(&p);
    CHECK_STR(have(p.here, "c"), "{\"id\":\"c\",\"open\":false,\"n\":1}");
    put(p.here, "c", ",\"open\":false,\"n\":1,\"mine\":1");
    served_rules(p.served,
                 "{\"collections\":{\"notes\":{\"read\":{\"open\":true},\"write\":true}}}");
    sync_whole(&p);
    CHECK_STR(have(p.here, "a"), "{\"id\":\"a\",\"open\":true,\"n\":1}");
    CHECK_STR(have(p.here, "c"), "-");
    CHECK_STR(have(p.there, "c"), "{\"id\":\"c\",\"open\":false,\"n\":1}");
    list = rejected(&p);
    CHECK_INT(list.revoked, 1);
    CHECK_STR(list.text, "{\"id\":\"c\",\"open\":false,\"n\":1,\"mine\":1}");
    put(p.there, "b", ",\"open\":false,\"n\":1"); /* and by an edit */
    sync_whole(&p);
    CHECK_STR(have(p.here, "b"), "-");
    served_rules(p.served, NULL);
    sync_whole(&p);
    CHECK_STR(have(p.here, "b"), have(p.there, "b"));
    CHECK_STR(have(p.here, "c"), have(p.there, "c"));
}

/* ---- a life ------------------------------------------------------------------------ */

static int dice(struct pair *p, int sides)
{
    p->seed = p->seed * 1103515245 + 12345;
    return (int)(p->seed >> 16 & 0x7fff) % sides;
}

/* The client writes nothing that it could not see: what it made itself it would keep. */
static void act(struct pair *p, replica_collection *coll)
{
    bool open = coll == p->here || dice(p, 4);
    char id[20], rest[60];

    snprintf(id, sizeof id, "k%02d", dice(p, 60));
    snprintf(rest, sizeof rest, ",\"open\":%s,\"n\":%d", open ? "true" : "false",
             dice(p, 1000));
    if (dice(p, 3) == 0)
        delete(coll, id);
    else
        put(coll, id, rest);
}

static const char open_only[] =
    "{\"collections\":{\"notes\":{\"read\":{\"open\":true},\"write\":true}}}";

/* Begin, go on for some dispatches, and stop; as often as that. */
static void interrupt(struct pair *p, int times)
{
    for (int i = 0; i < times; i++) {
        replica_sync *sync = start(p);
        int steps = dice(p, 40);

        for (int k = 0; k < steps; k++)
            CHECK(replica_db_wait(p->cdb, 5, &test_err) >= 0);
        replica_sync_cancel(sync);
        if (dice(p, 2)) {
            replica_db_close(p->cdb);
            open_side("client.db", &p->cdb, &p->here);
        }
    }
}

static void check_same(struct pair *p, bool hides)
{
    struct list list = rejected(p);

    for (int i = 0; i < 60; i++) {
        char id[20], listed[24];
        const char *there, *here;

        snprintf(id, sizeof id, "k%02d", i);
        snprintf(listed, sizeof listed, " %s ", id);
        there = have(p->there, id);
        here = have(p->here, id);
        if (strstr(list.keys, listed))
            continue;
        if (hides && strstr(there, "\"open\":false"))
            there = "-";
        CHECK_STR(here, there);
    }
}

TEST(after_a_random_life_both_sides_have_the_same_but_for_what_was_refused)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        PAIR p = pair_begin();
        bool hides = false;

        p.seed = seed * 7919;
        for (int round = 0; round < 8; round++) {
            for (int i = dice(&p, 25); i > 0; i--)
                act(&p, p.there);
            for (int i = dice(&p, 8); i > 0; i--)
                act(&p, p.here);
            if (dice(&p, 2)) {
                put(p.there, "gone", "");
                delete(p.there, "gone");
                purge(&p);
            }
            if (dice(&p, 3) == 0)
                served_rules(p.served, (hides = !hides) ? open_only : NULL);
            interrupt(&p, dice(&p, 3));
            sync_whole(&p);
            check_same(&p, hides);
        }
        CHECK_RC(replica_check(p.cdb, NULL, NULL, &test_err), 0);
        remove(tmp_path("client.db"));
        pair_end(&p);
        p = (struct pair){ 0 };
    }
}
