/* Looking for inconsistencies. */
#include "base/json.h"
#include "libreplica/collection.h"
#include "libreplica/index/index.h"
#include "libreplica/shape.h"

#include <string.h>

struct checking {
    replica_db *db;
    void (*fn)(void *ctx, const char *where, const char *what);
    void *ctx;
    int found;
    replica_error *err;
};

static void report(struct checking *c, const char *where, const char *what)
{
    c->found++;
    if (c->fn)
        c->fn(c->ctx, where, what);
}

/* Questions whose every row is a finding: where, what. */
static const char *const questions[] = {
    "SELECT 'collection ' || coll, 'documents of a collection that is missing' FROM doc"
    " WHERE coll NOT IN (SELECT id FROM collection) GROUP BY coll",
    "SELECT c.name || '/' || d.id, 'its revision names an opening that is missing' FROM doc d"
    " JOIN collection c ON c.id = d.coll WHERE d.opening NOT IN (SELECT id FROM token)",
    "SELECT c.name || '/' || d.id, 'its writer is missing' FROM doc d"
    " JOIN collection c ON c.id = d.coll"
    " WHERE d.writer IS NOT NULL AND d.writer NOT IN (SELECT id FROM token)",
    "SELECT c.name || '/' || d.id, 'a height or sequence number below 1' FROM doc d"
    " JOIN collection c ON c.id = d.coll WHERE d.height < 1 OR d.seq < 1",
    "SELECT 'sequence ' || seq, 'two documents have this sequence number' FROM doc"
    " GROUP BY seq HAVING count(*) > 1",
    "SELECT 'index ' || id, 'its collection is missing' FROM idx"
    " WHERE coll <> 0 AND coll NOT IN (SELECT id FROM collection)",
    "SELECT 'index ' || idx, 'entries of an index that is missing' FROM entry"
    " WHERE idx NOT IN (SELECT id FROM idx) GROUP BY idx",
    "SELECT 'state of document ' || doc, 'the document is missing' FROM state"
    " WHERE doc NOT IN (SELECT number FROM doc)",
    "SELECT 'state of document ' || doc, 'the replication is missing' FROM state"
    " WHERE replication NOT IN (SELECT id FROM replication)",
    "SELECT 'state of document ' || s.doc, 'clean at a number that the document never had'"
    " FROM state s JOIN doc d ON d.number = s.doc WHERE s.clean_seq > d.seq",
    "SELECT c.name || '/' || d.id, 'it is set aside, and no entry tells so' FROM state s"
    " JOIN doc d ON d.number = s.doc AND d.seq = s.aside_seq JOIN collection c ON c.id = d.coll"
    " WHERE NOT EXISTS(SELECT 1 FROM aside a WHERE a.coll = d.coll AND a.doc = d.id"
    " AND a.replication = s.replication AND a.kind <> 5)",
    "SELECT 'kept state ' || k, 'it is missing' FROM ("
    " SELECT base AS k FROM state UNION SELECT sent FROM state UNION SELECT unsettled FROM state"
    " UNION SELECT assumed FROM conflict_log UNION SELECT real FROM conflict_log"
    " UNION SELECT local FROM conflict_log UNION SELECT result FROM conflict_log"
    " UNION SELECT kept FROM history)"
    " WHERE k IS NOT NULL AND k <> 0 AND k NOT IN (SELECT id FROM kept)",
    "WITH used(k) AS (SELECT base FROM state UNION ALL SELECT sent FROM state"
    " UNION ALL SELECT unsettled FROM state UNION ALL SELECT assumed FROM conflict_log"
    " UNION ALL SELECT real FROM conflict_log UNION ALL SELECT local FROM conflict_log"
    " UNION ALL SELECT result FROM conflict_log UNION ALL SELECT kept FROM history),"
    " counted(k, n) AS (SELECT k, count(*) FROM used WHERE k IS NOT NULL GROUP BY k)"
    " SELECT 'kept state ' || id, 'it counts ' || refs || ' references and has ' || ifnull(n, 0)"
    " FROM kept LEFT JOIN counted ON k = id WHERE refs <> ifnull(n, 0)",
    "SELECT 'history of document ' || doc, 'the document is missing' FROM history"
    " WHERE doc NOT IN (SELECT number FROM doc) GROUP BY doc",
    "SELECT 'conflict log', 'its size is counted as ' || value || ' and is ' || n FROM number,"
    " (SELECT ifnull(sum((SELECT 200 + ifnull(sum(length(CAST(body AS BLOB))), 0) FROM kept"
    "  WHERE id IN (assumed, real, local, result))), 0) AS n FROM conflict_log)"
    " WHERE name = 'log_bytes' AND value <> n",
};

static int ask(struct checking *c, const char *sql, const char *where, replica_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db->sqlite, sql, -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        report(c, where ? where : (const char *)sqlite3_column_text(stmt, 0),
               (const char *)sqlite3_column_text(stmt, where ? 0 : 1));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : replica__sql_error(c->db, rc, err);
}

static int integrity(struct checking *c, replica_error *err)
{
    int before = c->found;
    int r = ask(c,
                "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
                "SQLite", err);

    return r < 0 ? r : c->found - before;
}

/* What passed the gate once, whatever its limits were: so the limits of today do not count. */
static const struct replica__json_limits no_limits = { .max_bytes = 0, .max_depth = 1000 };

static void check_document(struct checking *c, const char *where, const char *key, const char *id,
                           const char *body, size_t len)
{
    struct replica__json_doc found;
    replica_error why = { .offset = -1 };
    size_t pos = 0;
    int r = replica__json_scan(body, len, &pos, key, &no_limits, &found, &why);

    if (r < 0)
        report(c, where, why.message);
    else if (pos < len)
        report(c, where, "there is text behind the object");
    else if (found.reserved)
        report(c, where, "it has reserved names");
    else if (!found.key.data || !replica__json_string_is(found.key, id, strlen(id)))
        report(c, where, "the primary key in its text is another");
}

/* From the tables themselves: a document whose revision is damaged has a text, too. */
static int check_documents(struct checking *c, replica_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db->sqlite,
                                "SELECT c.name || '/' || d.id, c.key, d.id, d.body FROM doc d"
                                " JOIN collection c ON c.id = d.coll",
                                -1, &stmt, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *texts[4];

        rc = SQLITE_OK;
        for (int i = 0; i < 4; i++) {
            texts[i] = (const char *)sqlite3_column_text(stmt, i);
            if (!texts[i])
                rc = SQLITE_NOMEM;
        }
        if (rc == SQLITE_OK)
            check_document(c, texts[0], texts[1], texts[2], texts[3],
                           (size_t)sqlite3_column_bytes(stmt, 3));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : replica__sql_error(c->db, rc, err);
}

/* Kept states can be handed out, compared and restored, so they are documents too. */
static int check_kept(struct checking *c, replica_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db->sqlite, "SELECT id, body FROM kept", -1, &stmt, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *body = (const char *)sqlite3_column_text(stmt, 1);
        replica_error why = { .offset = -1 };
        char where[60];

        sqlite3_snprintf(sizeof where, where, "kept state %lld", sqlite3_column_int64(stmt, 0));
        rc = body ? SQLITE_OK : SQLITE_NOMEM;
        if (body && replica__json_check(body, (size_t)sqlite3_column_bytes(stmt, 1), &no_limits,
                                        &why) < 0)
            report(c, where, why.message);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : replica__sql_error(c->db, rc, err);
}

/* Documents of the version of today; older ones will be migrated. */
static int check_shape(void *ctx, const char *name)
{
    struct checking *c = ctx;
    replica_error why = { .offset = -1 };
    REPLICA_BORROWED coll = NULL;
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int rc = SQLITE_OK;
    int r = replica__collection_borrow(c->db, name, &coll, &why);

    if (r < 0) {
        report(c, name, why.message);
        return r == REPLICA_ENOMEM ? r : 0;
    }
    if (!coll->schema)
        return 0;
    r = replica__sql_get(c->db, REPLICA__SQL_DOC_FEED, &stmt, c->err);
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_int(stmt, 2, 0, &rc);
    replica__bind_int(stmt, 3, -1, &rc); /* all */
    while (r >= 0 && (r = replica__sql_step(c->db, stmt, rc, c->err)) > 0) {
        r = replica__row_read(c->db, stmt, &row, c->err);
        if (r >= 0 && row.version == coll->version && !(row.flags & REPLICA__FLAG_DELETED) &&
            replica__shape_check(coll, row.id, row.body, row.len, &why) < 0)
            report(c, why.where, why.message);
    }
    return r;
}

static void found_in_index(void *ctx, const char *where, const char *what)
{
    report(ctx, where, what);
}

int replica_check(replica_db *db, void (*fn)(void *ctx, const char *where, const char *what),
                  void *ctx, replica_error *err)
{
    struct checking c = { .db = db, .fn = fn, .ctx = ctx, .err = err };
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = integrity(&c, err);
    for (size_t i = 0; r == 0 && i < sizeof questions / sizeof questions[0]; i++)
        r = ask(&c, questions[i], NULL, err);
    if (r == 0) /* in a damaged file the rest would only repeat it */
        r = check_documents(&c, err);
    if (r == 0)
        r = check_kept(&c, err);
    if (r == 0)
        r = replica_db_collections(db, check_shape, &c, err);
    if (r == 0)
        r = replica__index_check(db, found_in_index, &c, err);
    return r < 0 ? r : c.found;
}
