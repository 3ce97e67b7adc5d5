#include "libreplica/replication/master_was.h"

#include "libreplica/master.h"
#include "libreplica/txn.h"

#include <string.h>

/* Documents whose rows are looked at in one step of trimming. */
#define TRIMMED 200

/* ---- which fields ---------------------------------------------------------------- */

int replica__was_know(replica_collection *coll, const char *reads, replica_error *err)
{
    char *copy = NULL;

    if (!coll->reads && !reads)
        return 0;
    if (coll->reads && reads && strcmp(coll->reads, reads) == 0)
        return 0;
    if (reads) {
        copy = replica__strdup(reads);
        if (!copy)
            return replica__enomem(err);
    }
    replica__free(coll->reads);
    coll->reads = copy;
    return 0;
}

int replica__was_open(replica_collection *coll, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(coll->db, REPLICA__SQL_COLL_READS, &stmt, err, coll->number);

    if (r <= 0)
        return r;
    return replica__was_know(coll, (const char *)sqlite3_column_text(stmt, 0), err);
}

static bool has(struct replica__json_value list, struct replica__slice spelled, bool *ret_failed)
{
    struct replica__json_iter it = replica__json_iter(list);
    struct replica__buf name = REPLICA_BUF_INIT;
    bool found = false;

    replica__json_unescape(spelled, &name);
    *ret_failed = name.r < 0;
    while (!*ret_failed && !found && replica__json_next(&it))
        found = it.value.type == REPLICA_JSON_STRING &&
                replica__json_string_is((struct replica__slice){ it.value.text.data + 1,
                                                                 it.value.text.len - 2 },
                                        name.data ? name.data : "", name.len);
    replica__buf_free(&name);
    return found;
}

/* Those that are stored, and those that are given. */
static void join(const char *stored, const char *given, struct replica__buf *out)
{
    struct replica__json_value known = { 0 };
    struct replica__json_iter it = replica__json_iter(replica__json_value(given, strlen(given)));
    size_t n = 0;

    replica__buf_char(out, '[');
    if (stored) {
        known = replica__json_value(stored, strlen(stored));
        n = replica__json_count(known);
        replica__buf_add(out, known.text.data + 1, known.text.len - 2);
    }
    while (replica__json_next(&it)) {
        struct replica__slice name = { it.value.text.data + 1, it.value.text.len - 2 };
        bool failed = false;

        if (n > 0 && stored && has(known, name, &failed))
            continue;
        if (failed)
            out->r = REPLICA_ENOMEM;
        if (n++ > 0)
            replica__buf_char(out, ',');
        replica__buf_add(out, it.value.text.data, it.value.text.len);
    }
    replica__buf_char(out, ']');
}

static int store(replica_collection *coll, const char *given, replica_error *err)
{
    REPLICA_BUF joined = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    join(coll->reads, given, &joined);
    if (joined.r < 0)
        return replica__enomem(err);
    if (coll->reads && strcmp(coll->reads, joined.data) == 0)
        return 0;
    r = replica__sql_get(coll->db, REPLICA__SQL_COLL_SET_READS, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_text(stmt, 2, joined.data, joined.len, &rc);
    r = replica__sql_step(coll->db, stmt, rc, err);
    return r < 0 ? r : replica__was_know(coll, joined.data, err);
}

/* The transaction knows what is stored now: see replica__migrate_know(). */
int replica__master_reads(replica_collection *coll, const char *fields, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct replica__json_value v = replica__json_value(fields, strlen(fields));
    int r;

    if (v.type != REPLICA_JSON_ARRAY || replica__json_count(v) == 0)
        return 0;
    r = replica__txn_begin(coll->db, &txn, err);
    if (r >= 0)
        r = store(coll, fields, err);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* ---- keeping --------------------------------------------------------------------- */

static bool is_member_changed(const struct replica__json_value *a,
                              const struct replica__json_value *b)
{
    if (a->type != b->type)
        return true;
    if (a->type == REPLICA_JSON_NONE ||
        (a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0))
        return false;
    /* Without memory to compare they count as different, which costs a row. */
    return replica__json_equal(a->text.data, a->text.len, b->text.data, b->text.len, 0) <= 0;
}

/* The old values, if one of them is another than the new one; else out stays empty. */
static void add_changed(struct replica__json_value reads, const struct replica__row *old,
                        const char *json, size_t len, struct replica__buf *out)
{
    struct replica__json_value was = replica__json_value(old->body, old->len);
    struct replica__json_value is = replica__json_value(json, len);
    struct replica__json_iter it = replica__json_iter(reads);
    REPLICA_BUF name = REPLICA_BUF_INIT;
    bool changed = false;

    replica__buf_char(out, '{');
    while (replica__json_next(&it)) {
        struct replica__json_value a, b;

        replica__buf_clear(&name);
        replica__json_unescape((struct replica__slice){ it.value.text.data + 1,
                                                        it.value.text.len - 2 }, &name);
        if (name.r < 0 || !name.data)
            break;
        a = replica__json_member(was, name.data, name.len);
        b = replica__json_member(is, name.data, name.len);
        changed = changed || is_member_changed(&a, &b);
        if (a.type == REPLICA_JSON_NONE)
            continue;
        if (out->len > 1)
            replica__buf_char(out, ',');
        replica__buf_add(out, it.value.text.data, it.value.text.len);
        replica__buf_char(out, ':');
        replica__buf_add(out, a.text.data, a.text.len);
    }
    replica__buf_char(out, '}');
    if (name.r < 0)
        out->r = name.r;
    else if (!changed)
        replica__buf_clear(out);
}

/* Of rows that say the same the newest one tells it all. */
static int drop_same(replica_db *db, int64_t doc, const struct replica__buf *fields,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_WAS_SAME, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, doc, &rc);
    replica__bind_text(stmt, 2, fields->data, fields->len, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

int replica__was_keep(replica_db *db, const replica_collection *coll,
                      const struct replica__row *old, const char *json, size_t len, int64_t until,
                      replica_error *err)
{
    REPLICA_BUF fields = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    add_changed(replica__json_value(coll->reads, strlen(coll->reads)), old, json, len, &fields);
    if (fields.r < 0)
        return replica__error_set(err, fields.r, 0, "keeping what '%s' was", old->id);
    if (fields.len == 0)
        return 0;
    r = drop_same(db, old->number, &fields, err);
    if (r >= 0)
        r = replica__sql_get(db, REPLICA__SQL_WAS_PUT, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, old->number, &rc);
    replica__bind_int(stmt, 2, until, &rc);
    replica__bind_text(stmt, 3, fields.data, fields.len, &rc);
    return replica__sql_step(db, stmt, rc, err);
}

/* ---- reading --------------------------------------------------------------------- */

int replica__was_each(replica_db *db, int64_t doc, int64_t since,
                      int (*fn)(void *ctx, const char *fields, size_t len), void *ctx,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(db, REPLICA__SQL_WAS_LIST, &stmt, err, doc, since);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        const char *fields = (const char *)sqlite3_column_text(stmt, 0);

        if (!fields)
            return replica__enomem(err);
        r = fn(ctx, fields, (size_t)sqlite3_column_bytes(stmt, 0));
        if (r != 0)
            return r;
    }
    return r;
}

/* ---- forgetting ------------------------------------------------------------------ */

int replica__was_trim(replica_db *db, int64_t coll, int64_t until, int64_t *after,
                      replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t last;
    int r = replica__sql_row(db, REPLICA__SQL_WAS_NEXT, &stmt, err, *after, TRIMMED);

    last = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    if (r < 0 || last == 0)
        return r < 0 ? r : 0;
    r = replica__sql_run(db, REPLICA__SQL_WAS_TRIM, err, coll, until, *after, last);
    if (r < 0)
        return r;
    *after = last;
    return 1;
}

int replica__was_drop(replica_db *db, int64_t doc, replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_WAS_DROP, err, doc);
}
