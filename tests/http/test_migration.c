/* Two versions of a program and one server of ours, over a real connection, while both rise. */
#include "libreplica/master.h"
#include "replicator/replicator.h"
#include "tests/http/served.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/storage.h"

#include <stdio.h>

struct client {
    struct store s;
    replica_sync *sync;
    const char *url;
    unsigned flags;
};

static void client_end(struct client *c)
{
    replica_sync_cancel(c->sync);
    c->sync = NULL;
    store_close(&c->s);
}
#define CLIENT __attribute__((cleanup(client_end))) struct client

static void start(struct client *c)
{
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;

    o.flags = c->flags;
    o.collections = &c->s.coll;
    o.collection_count = 1;
    o.url = c->url;
    CHECK_RC(replica_sync_start(c->s.db, &o, &c->sync, &test_err), 0);
}

static struct client client(struct served *s, const char *name, int version, unsigned flags)
{
    struct client c = { .s = rise_open(tmp_path(name), 0, version), .flags = flags };

    c.url = served_url(s, "/notes/0"); /* whatever the collection's version is */
    start(&c);
    return c;
}

/* The program comes back as version 1. */
static void upgrade(struct client *c)
{
    replica_sync_cancel(c->sync);
    c->sync = NULL;
    rise_to(&c->s, 1);
    start(c);
}

static void in_sync(struct client *c)
{
    CHECK_RC(replica_sync_wait_in_sync(c->sync, 10000, &test_err), 1);
}

/* "In sync" is said as of some head: wait for this document. */
static void wait_for(struct client *c, const char *id)
{
    for (int i = 0; i < 1000 && !store_json(&c->s, id); i++)
        replica_db_wait(c->s.db, 10, NULL);
    CHECK(store_json(&c->s, id) != NULL);
}

/* The server is configured with version 1: its documents stay as they are. */
static int raise_server(void *ctx)
{
    const replica_collection_options o = { .size = sizeof o, .version = 1 };
    replica_db *db = NULL;
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_open(tmp_path("server.db"), NULL, &db, &test_err), 0);
    replica__db_keep_texts(db);
    CHECK_RC(replica_db_collection(db, "notes", &o, &coll, &test_err), 0);
    replica_db_close(db);
    return 0;
}

static int64_t server_int(const char *sql)
{
    struct store s = { .path = tmp_path("server.db") };

    return store_sql_int(&s, sql);
}

static void nothing_is_lost(unsigned flags)
{
    SERVED s = served_start();
    CLIENT a = client(s, "a.db", 0, flags);
    CLIENT b = client(s, "b.db", 0, flags);

    store_put(&a.s, "{\"id\":\"both\"}");
    store_put(&a.s, "{\"id\":\"edited\",\"n\":0}");
    in_sync(&a);
    wait_for(&b, "both");
    wait_for(&b, "edited");
    in_sync(&b);
    replica_sync_cancel(b.sync);
    b.sync = NULL;
    store_put(&b.s, "{\"id\":\"edited\",\"n\":1}"); /* nobody has seen it */
    store_put(&b.s, "{\"id\":\"new\"}");
    store_put(&a.s, "{\"id\":\"last\"}"); /* only the server has, just before the upgrade */
    in_sync(&a);
    replica_sync_cancel(a.sync);
    a.sync = NULL;
    served_change(s, raise_server, NULL);
    start(&b);
    upgrade(&b);
    in_sync(&b);
    CHECK_STR(store_json(&b.s, "last"), NULL); /* its client has yet to bring it up */
    start(&a);
    upgrade(&a);
    in_sync(&a);
    in_sync(&b);
    wait_for(&b, "last");
    for (int i = 0; i < 2; i++) {
        struct store *of = i ? &a.s : &b.s;

        CHECK_STR(store_json(of, "both"), "{\"id\":\"both\",\"v1\":0}");
        CHECK_STR(store_json(of, "edited"), "{\"id\":\"edited\",\"n\":1,\"v1\":0}");
        CHECK_STR(store_json(of, "new"), "{\"id\":\"new\",\"v1\":0}");
        CHECK_STR(store_json(of, "last"), "{\"id\":\"last\",\"v1\":0}");
    }
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE version = 1"), 4);
    CHECK_INT(server_int("SELECT max(height) FROM doc WHERE id = 'both'"), 2); /* brought once */
}

TEST(nothing_is_lost_when_client_and_server_rise)
{
    nothing_is_lost(0);
}

TEST(nothing_is_lost_when_they_speak_the_dialect_of_rxdb)
{
    nothing_is_lost(REPLICA_SYNC_RXDB);
}

TEST(a_state_of_the_old_version_that_nobody_has_seen_is_a_conflict_and_not_overwritten)
{
    SERVED s = served_start();
    CLIENT a = client(s, "a.db", 0, 0);
    CLIENT b = client(s, "b.db", 0, 0);

    store_put(&a.s, "{\"id\":\"x\",\"n\":0}");
    in_sync(&a);
    wait_for(&b, "x");
    in_sync(&b);
    replica_sync_cancel(b.sync);
    b.sync = NULL;
    store_put(&a.s, "{\"id\":\"x\",\"n\":1}");
    in_sync(&a);
    store_put(&b.s, "{\"id\":\"x\",\"n\":2}");
    served_change(s, raise_server, NULL);
    start(&b);
    upgrade(&b);
    in_sync(&b);
    /* The default: the server's state wins, in the new version; the edit is in the log. */
    CHECK_STR(store_json(&b.s, "x"), "{\"id\":\"x\",\"n\":1,\"v1\":0}");
    CHECK_INT(store_sql_int(&b.s, "SELECT count(*) FROM conflict_log"), 1);
}

TEST(an_upgraded_client_waits_for_the_server_and_its_queue_is_safe)
{
    SERVED s = served_start();
    CLIENT a = client(s, "a.db", 0, 0);
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    store_put(&a.s, "{\"id\":\"x\"}");
    in_sync(&a);
    upgrade(&a);
    store_put(&a.s, "{\"id\":\"y\",\"v1\":0}");
    for (int i = 0; i < 1000 && status.error.code == 0; i++) {
        replica_db_wait(a.s.db, 10, NULL);
        CHECK_RC(replica_sync_get_status(a.sync, &status, &test_err), 0);
    }
    CHECK_INT(status.error.code, REPLICA_EVERSION);
    CHECK(strstr(status.error.message, "the server has no version 1 yet"));
    CHECK(!status.in_sync);
    served_change(s, raise_server, NULL);
    CHECK_RC(replica_sync_now(a.sync, &test_err), 0);
    in_sync(&a);
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE version = 1"), 2);
}

TEST(an_old_client_is_told_and_its_queue_is_safe)
{
    SERVED s = served_start();
    CLIENT a = client(s, "a.db", 0, 0);

    in_sync(&a);
    store_put(&a.s, "{\"id\":\"x\"}");
    in_sync(&a);
    served_change(s, raise_server, NULL);
    store_put(&a.s, "{\"id\":\"y\"}");
    for (int i = 0; i < 1000; i++) {
        replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

        replica_db_wait(a.s.db, 10, NULL);
        CHECK_RC(replica_sync_get_status(a.sync, &status, &test_err), 0);
        if (status.state == REPLICA_SYNC_PAUSED)
            break;
    }
    CHECK_RC(replica_sync_wait_in_sync(a.sync, 1000, &test_err), REPLICA_EVERSION);
    CHECK_INT(test_err.detail, 426);
    upgrade(&a);
    in_sync(&a);
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE version = 1"), 2);
}
