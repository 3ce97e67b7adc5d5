#include "tests/support/rise.h"

#include "tests/support/test.h"

#include <stdio.h>

int rise_steps;

static bool says(replica_doc *doc, const char *word)
{
    return strstr(replica_doc_json(doc, NULL), word) != NULL;
}

int rise_step(void *ctx, replica_doc *doc, replica_text *out)
{
    size_t len;
    const char *json = replica_doc_json(doc, &len);
    char member[40];

    rise_steps++;
    if (says(doc, "\"keep\""))
        return REPLICA_MIGRATE_KEEP;
    if (says(doc, "\"drop\""))
        return REPLICA_MIGRATE_DROP;
    if (says(doc, "\"fail\"")) {
        replica_text_add(out, "no way up", REPLICA_NUL);
        return -1;
    }
    if (says(doc, "\"bad\"")) {
        replica_text_add(out, "{", 1);
        return REPLICA_MIGRATE_PUT;
    }
    if (says(doc, "\"key\"")) {
        replica_text_add(out, "{\"id\":\"other\"}", REPLICA_NUL);
        return REPLICA_MIGRATE_PUT;
    }
    snprintf(member, sizeof member, ",\"v%d\":0}", (int)(intptr_t)ctx);
    replica_text_add(out, json, len - 1);
    replica_text_add(out, member, REPLICA_NUL);
    return REPLICA_MIGRATE_PUT;
}

const replica_migration rise_migrations[3] = {
    { .to = 1, .up = rise_step, .ctx = (void *)(intptr_t)1 },
    { .to = 2, .up = rise_step, .ctx = (void *)(intptr_t)2 },
    { .to = 3, .up = rise_step, .ctx = (void *)(intptr_t)3 },
};

struct store rise_open(const char *path, unsigned flags, int version)
{
    const replica_db_options db = { .size = sizeof db, .flags = flags };
    const replica_collection_options coll = { .size = sizeof coll,
                                              .version = version,
                                              .migrations = rise_migrations,
                                              .migration_count = (size_t)version };
    struct store s = { .path = path };

    CHECK_RC(replica_db_open(path, &db, &s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(s.db, "notes", &coll, &s.coll, &test_err), 0);
    return s;
}

void rise_to(struct store *s, int version)
{
    bool replicated = s->repl != NULL;

    store_close(s);
    *s = rise_open(s->path, 0, version);
    if (replicated)
        store_replicate(s, "r1");
}

void rise_finish(struct store *s)
{
    replica_migration_progress p = { .left = 1 };

    for (int i = 0; i < 100000 && replica_db_timeout(s->db) == 0; i++)
        CHECK(replica_db_dispatch(s->db, 0, &test_err) >= 0);
    CHECK_RC(replica_migration_state(s->coll, &p, &test_err), 0);
    CHECK_INT(p.left, 0);
}

int64_t rise_count(struct store *s, int version)
{
    char sql[100];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM doc WHERE flags & 1 = 0 AND version = %d",
             version);
    return store_sql_int(s, sql);
}
