/* Looking for inconsistencies. */
#include "libreplica/accept.h"
#include "libreplica/collection.h"
#include "libreplica/db.h"
#include "libreplica/document.h"
#include "libreplica/txn.h"

#include <string.h>

struct checking {
    replica_db *db;
    void (*fn)(void *ctx, const char *where, const char *what);
    void *ctx;
    int found;
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
    "SELECT 'state of document ' || doc, 'the document is missing' FROM state"
    " WHERE doc NOT IN (SELECT number FROM doc)",
    "SELECT 'state of document ' || doc, 'the replication is missing' FROM state"
    " WHERE replication NOT IN (SELECT id FROM replication)",
    "SELECT 'state of document ' || s.doc, 'clean at a number that the document never had'"
    " FROM state s JOIN doc d ON d.number = s.doc WHERE s.clean_seq > d.seq",
    "SELECT 'kept state ' || k, 'it is missing' FROM ("
    " SELECT base AS k FROM state UNION SELECT sent FROM state UNION SELECT unsettled FROM state"
    " UNION SELECT assumed FROM conflict_log UNION SELECT real FROM conflict_log"
    " UNION SELECT local FROM conflict_log UNION SELECT result FROM conflict_log)"
    " WHERE k IS NOT NULL AND k <> 0 AND k NOT IN (SELECT id FROM kept)",
    "WITH used(k) AS (SELECT base FROM state UNION ALL SELECT sent FROM state"
    " UNION ALL SELECT unsettled FROM state UNION ALL SELECT assumed FROM conflict_log"
    " UNION ALL SELECT real FROM conflict_log UNION ALL SELECT local FROM conflict_log"
    " UNION ALL SELECT result FROM conflict_log),"
    " counted(k, n) AS (SELECT k, count(*) FROM used WHERE k IS NOT NULL GROUP BY k)"
    " SELECT 'kept state ' || id, 'it counts ' || refs || ' references and has ' || ifnull(n, 0)"
    " FROM kept LEFT JOIN counted ON k = id WHERE refs <> ifnull(n, 0)",
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
    int r = ask(c, "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
                "SQLite", err);

    return r < 0 ? r : c->found - before;
}

static void check_document(struct checking *c, replica_collection *coll, replica_doc *doc)
{
    REPLICA_ACCEPTED a = { 0 };
    replica_error why = { .offset = -1 };
    char where[256];
    size_t len;
    const char *json = replica_doc_json(doc, &len);
    int r = replica__accept(coll, json, len, &a, &why);

    sqlite3_snprintf(sizeof where, where, "%s/%s", coll->name, replica_doc_id(doc));
    if (r < 0)
        report(c, where, why.message);
    else if (strcmp(a.id, replica_doc_id(doc)) != 0)
        report(c, where, "the primary key in its text is another");
}

static int check_collection(void *ctx, const char *name)
{
    struct checking *c = ctx;
    replica_collection *coll;
    replica_cursor *cursor;
    replica_doc *doc;
    int r = replica_db_collection(c->db, name, NULL, &coll, NULL);

    if (r >= 0)
        r = replica_changes(coll, 0, &cursor, NULL);
    if (r < 0)
        return r;
    while ((r = replica_cursor_next(cursor, &doc, NULL)) > 0)
        check_document(c, coll, doc);
    replica_cursor_close(cursor);
    return r;
}

int replica_check(replica_db *db, void (*fn)(void *ctx, const char *where, const char *what),
                  void *ctx, replica_error *err)
{
    struct checking c = { .db = db, .fn = fn, .ctx = ctx };
    int r;

    if (!db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    r = integrity(&c, err);
    for (size_t i = 0; r == 0 && i < sizeof questions / sizeof questions[0]; i++)
        r = ask(&c, questions[i], NULL, err);
    if (r == 0) /* in a damaged file the rest would only repeat it */
        r = replica_db_collections(db, check_collection, &c, err);
    return r < 0 ? r : c.found;
}
