/* A program of version 2 and a server of ours that is still at version 1. */
#include "libreplica/master.h"
#include "replicator/replicator.h"
#include "tests/http/served.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/storage.h"

#include <pthread.h>
#include <stdio.h>

static pthread_t program;
static int downs;

/* Back: without what the step up put in at the end. */
static int step_down(void *ctx, replica_doc *doc, replica_text *out)
{
    const char *json = replica_doc_json(doc, NULL);
    const char *member = strstr(json, ",\"v2\"");

    (void)ctx;
    CHECK(pthread_equal(pthread_self(), program));
    downs++;
    if (strstr(json, "\"nodown\"")) {
        replica_text_add(out, "no way down", REPLICA_NUL);
        return -1;
    }
    if (strstr(json, "\"hidden\""))
        return REPLICA_MIGRATE_DROP;
    if (!member)
        return REPLICA_MIGRATE_KEEP;
    replica_text_add(out, json, (size_t)(member - json));
    replica_text_add(out, "}", 1);
    return REPLICA_MIGRATE_PUT;
}

struct client {
    struct store s;
    replica_sync *sync;
    const char *url;
    unsigned flags;
    int conflicts;
    char seen[3][80];
};

static void client_end(struct client *c)
{
    replica_sync_cancel(c->sync);
    c->sync = NULL;
    store_close(&c->s);
}
#define CLIENT __attribute__((cleanup(client_end))) struct client

static void merge(void *ctx, replica_conflict *c)
{
    struct client *of = ctx;

    of->conflicts++;
    snprintf(of->seen[0], 80, "%s", replica_doc_json(replica_conflict_assumed(c), NULL));
    snprintf(of->seen[1], 80, "%s", replica_doc_json(replica_conflict_real(c), NULL));
    snprintf(of->seen[2], 80, "%s", replica_doc_json(replica_conflict_local(c), NULL));
    CHECK_RC(replica_conflict_use_json(c, "{\"id\":\"x\",\"n\":3,\"v2\":1}", REPLICA_NUL,
                                       &test_err), 0);
}

static void begin(struct client *c, int version, bool down)
{
    const replica_migration steps[] = {
        { .to = 1, .up = rise_step, .ctx = (void *)(intptr_t)1 },
        { .to = 2, .up = rise_step, .down = down ? step_down : NULL, .ctx = (void *)(intptr_t)2 },
    };
    const replica_conflict_handler handler = { .size = sizeof handler, .resolve = merge, .ctx = c };
    const replica_collection_options o = { .size = sizeof o,
                                           .version = version,
                                           .handler = &handler,
                                           .migrations = steps,
                                           .migration_count = (size_t)version };
    replica_sync_options sync = REPLICA_SYNC_OPTIONS_INIT;

    program = pthread_self();
    CHECK_RC(replica_db_open(c->s.path, NULL, &c->s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(c->s.db, "notes", &o, &c->s.coll, &test_err), 0);
    sync.flags = c->flags;
    sync.collections = &c->s.coll;
    sync.collection_count = 1;
    sync.url = c->url;
    CHECK_RC(replica_sync_start(c->s.db, &sync, &c->sync, &test_err), 0);
}

static void again(struct client *c, int version, bool down)
{
    client_end(c);
    begin(c, version, down);
}

static struct client *client(struct client *c, struct served *s, const char *name, unsigned flags)
{
    *c = (struct client){ .s = { .path = tmp_path(name) }, .flags = flags };
    c->url = served_url(s, "/notes/1");
    return c;
}

static void in_sync(struct client *c)
{
    CHECK_RC(replica_sync_wait_in_sync(c->sync, 10000, &test_err), 1);
}

static void wait_for(struct client *c, const char *id, const char *json)
{
    const char *is = NULL;

    for (int i = 0; i < 1000 && (!(is = store_json(&c->s, id)) || strcmp(is, json) != 0); i++)
        replica_db_wait(c->s.db, 10, NULL);
    CHECK_STR(store_json(&c->s, id), json);
}

static int state(struct client *c, const char *id)
{
    int state = -1;

    CHECK_RC(replica_sync_doc_state(c->sync, c->s.coll, id, &state, &test_err), 0);
    return state;
}

static int raise_server(void *ctx)
{
    const replica_collection_options o = { .size = sizeof o, .version = 2 };
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

/* Each of these runs in our own dialect and in that of RxDB. */
#define BOTH(sentence)                                 \
    static void sentence(unsigned flags);              \
    TEST(sentence##__in_the_loop)                      \
    {                                                  \
        sentence(REPLICA_SYNC_IN_LOOP);                \
    }                                                  \
    TEST(sentence##__in_our_dialect)                   \
    {                                                  \
        sentence(0);                                   \
    }                                                  \
    TEST(sentence##__in_the_dialect_of_rxdb)           \
    {                                                  \
        sentence(REPLICA_SYNC_RXDB);                   \
    }                                                  \
    static void sentence(unsigned flags)

BOTH(a_new_program_writes_with_an_old_one_through_the_old_server)
{
    SERVED s = served_start();
    CLIENT old, new;

    begin(client(&old, s, "old.db", flags), 1, false);
    store_put(&old.s, "{\"id\":\"x\",\"n\":0}");
    in_sync(&old);
    begin(client(&new, s, "new.db", flags), 2, true);
    wait_for(&new, "x", "{\"id\":\"x\",\"n\":0,\"v2\":0}");
    store_put(&new.s, "{\"id\":\"x\",\"n\":1,\"v2\":7}");
    store_put(&new.s, "{\"id\":\"y\",\"v2\":7}");
    in_sync(&new);
    CHECK(downs > 0);
    wait_for(&old, "x", "{\"id\":\"x\",\"n\":1}");
    wait_for(&old, "y", "{\"id\":\"y\"}");
    CHECK_STR(store_json(&new.s, "x"), "{\"id\":\"x\",\"n\":1,\"v2\":7}");
    CHECK_INT(state(&new, "x"), REPLICA_DOC_IN_SYNC);
    /* Again, over what was taken; nobody else wrote, so nobody is asked. */
    store_put(&new.s, "{\"id\":\"x\",\"n\":2,\"v2\":8}");
    in_sync(&new);
    wait_for(&old, "x", "{\"id\":\"x\",\"n\":2}");
    store_put(&old.s, "{\"id\":\"x\",\"n\":3}");
    in_sync(&old);
    wait_for(&new, "x", "{\"id\":\"x\",\"n\":3,\"v2\":0}");
    store_delete(&new.s, "y");
    in_sync(&new);
    for (int i = 0; i < 1000 && store_json(&old.s, "y"); i++)
        replica_db_wait(old.s.db, 10, NULL);
    CHECK_STR(store_json(&old.s, "y"), NULL);
    CHECK_INT(new.conflicts, 0);
    CHECK_INT(old.conflicts, 0);
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE version <> 1"), 0);
    store_sound(&new.s);
}

BOTH(an_upgraded_program_goes_on_with_the_old_server)
{
    SERVED s = served_start();
    CLIENT a;

    begin(client(&a, s, "a.db", flags), 1, false);
    store_put(&a.s, "{\"id\":\"x\",\"n\":0}");
    in_sync(&a);
    replica_sync_cancel(a.sync);
    a.sync = NULL;
    store_put(&a.s, "{\"id\":\"y\",\"n\":0}");
    again(&a, 2, true);
    in_sync(&a);
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE version = 1"), 2);
    CHECK_STR(store_json(&a.s, "x"), "{\"id\":\"x\",\"n\":0,\"v2\":0}");
    store_put(&a.s, "{\"id\":\"x\",\"n\":1,\"v2\":0}");
    in_sync(&a);
    CHECK_INT(server_int("SELECT json_extract(body, '$.n') FROM doc WHERE id = 'x'"), 1);
    CHECK_INT(a.conflicts, 0);
    again(&a, 2, true);
    in_sync(&a);
    CHECK_INT(server_int("SELECT max(height) FROM doc"), 2); /* nothing is sent twice */
    store_sound(&a.s);
}

BOTH(the_handler_sees_three_new_states_and_its_answer_goes_out_in_the_old_version)
{
    SERVED s = served_start();
    CLIENT old, new;

    begin(client(&old, s, "old.db", flags), 1, false);
    store_put(&old.s, "{\"id\":\"x\",\"n\":0}");
    in_sync(&old);
    begin(client(&new, s, "new.db", flags), 2, true);
    wait_for(&new, "x", "{\"id\":\"x\",\"n\":0,\"v2\":0}");
    in_sync(&new);
    replica_sync_cancel(new.sync);
    new.sync = NULL;
    store_put(&new.s, "{\"id\":\"x\",\"n\":1,\"v2\":5}");
    store_put(&old.s, "{\"id\":\"x\",\"n\":2}");
    in_sync(&old);
    again(&new, 2, true);
    in_sync(&new);
    CHECK_INT(new.conflicts, 1);
    CHECK_STR(new.seen[0], "{\"id\":\"x\",\"n\":0,\"v2\":0}");
    CHECK_STR(new.seen[1], "{\"id\":\"x\",\"n\":2,\"v2\":0}");
    CHECK_STR(new.seen[2], "{\"id\":\"x\",\"n\":1,\"v2\":5}");
    wait_for(&old, "x", "{\"id\":\"x\",\"n\":3}");
    CHECK_STR(store_json(&new.s, "x"), "{\"id\":\"x\",\"n\":3,\"v2\":1}");
    CHECK_INT(old.conflicts, 0);
    store_sound(&new.s);
}

BOTH(when_the_server_is_raised_the_program_goes_to_its_own_version)
{
    SERVED s = served_start();
    CLIENT old, new;

    begin(client(&old, s, "old.db", flags), 1, false);
    store_put(&old.s, "{\"id\":\"x\",\"n\":0}");
    in_sync(&old);
    begin(client(&new, s, "new.db", flags), 2, true);
    wait_for(&new, "x", "{\"id\":\"x\",\"n\":0,\"v2\":0}");
    store_put(&new.s, "{\"id\":\"y\",\"v2\":7}");
    store_put(&new.s, "{\"id\":\"z\",\"hidden\":1,\"v2\":7}");
    in_sync(&new);
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE id = 'z'"), 0);
    client_end(&old);
    served_change(s, raise_server, NULL);
    store_put(&new.s, "{\"id\":\"y\",\"v2\":8}");
    CHECK_RC(replica_sync_now(new.sync, &test_err), 0);
    for (int i = 0; i < 1000 && server_int("SELECT count(*) FROM doc WHERE version = 2") < 3; i++)
        replica_db_wait(new.s.db, 10, NULL);
    in_sync(&new);
    CHECK_INT(server_int("SELECT count(*) FROM doc WHERE version = 2"), 3);
    CHECK_INT(server_int("SELECT json_extract(body, '$.v2') FROM doc WHERE id = 'y'"), 8);
    CHECK_STR(store_json(&new.s, "y"), "{\"id\":\"y\",\"v2\":8}");
    CHECK_STR(store_json(&new.s, "x"), "{\"id\":\"x\",\"n\":0,\"v2\":0}");
    CHECK_INT(state(&new, "z"), REPLICA_DOC_IN_SYNC); /* there is a place for it now */
    CHECK_INT(store_sql_int(&new.s, "SELECT count(*) FROM aside"), 0);
    CHECK_INT(new.conflicts, 0);
    store_sound(&new.s);
}

struct found {
    int n, kind;
    char reason[200];
};

static int note(void *ctx, const replica_rejected_entry *entry)
{
    struct found *f = ctx;

    f->n++;
    f->kind = entry->kind;
    snprintf(f->reason, sizeof f->reason, "%s", entry->reason);
    return 0;
}

BOTH(a_document_that_cannot_go_down_is_set_aside_and_the_others_go_on)
{
    SERVED s = served_start();
    CLIENT old, new;
    struct found f = { 0 };

    begin(client(&old, s, "old.db", flags), 1, false);
    store_put(&old.s, "{\"id\":\"x\"}");
    in_sync(&old);
    begin(client(&new, s, "new.db", flags), 2, true);
    wait_for(&new, "x", "{\"id\":\"x\",\"v2\":0}");
    store_put(&new.s, "{\"id\":\"a\",\"v2\":0}");
    store_put(&new.s, "{\"id\":\"b\",\"nodown\":1,\"v2\":0}");
    store_put(&new.s, "{\"id\":\"c\",\"v2\":0}");
    in_sync(&new);
    wait_for(&old, "a", "{\"id\":\"a\"}");
    wait_for(&old, "c", "{\"id\":\"c\"}");
    CHECK_INT(server_int("SELECT count(*) FROM doc"), 3);
    CHECK_INT(state(&new, "b"), REPLICA_DOC_REJECTED);
    CHECK_RC(replica_rejected(new.s.db, NULL, note, &f, &test_err), 0);
    CHECK_INT(f.n, 1);
    CHECK_INT(f.kind, REPLICA_ASIDE_MIGRATION);
    CHECK(strstr(f.reason, "no way down"));
    store_put(&new.s, "{\"id\":\"b\",\"v2\":0}"); /* another state may have one */
    in_sync(&new);
    wait_for(&old, "b", "{\"id\":\"b\"}");
    CHECK_INT(store_sql_int(&new.s, "SELECT count(*) FROM aside"), 0);
    store_sound(&new.s);
}

BOTH(without_a_way_back_the_old_server_is_waited_for)
{
    SERVED s = served_start();
    CLIENT a;
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    begin(client(&a, s, "a.db", flags), 1, false);
    store_put(&a.s, "{\"id\":\"x\"}");
    in_sync(&a);
    again(&a, 2, false);
    store_put(&a.s, "{\"id\":\"y\",\"v2\":0}");
    for (int i = 0; i < 1000 && status.error.code == 0; i++) {
        replica_db_wait(a.s.db, 10, NULL);
        CHECK_RC(replica_sync_get_status(a.sync, &status, &test_err), 0);
    }
    CHECK_INT(status.error.code, REPLICA_EVERSION);
    CHECK_INT(status.error.detail, 404);
    CHECK(!status.in_sync);
    CHECK_INT(server_int("SELECT count(*) FROM doc"), 1);
}
