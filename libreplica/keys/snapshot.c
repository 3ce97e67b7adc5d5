#include "libreplica/keys/snapshot.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/query/shelf.h"
#include "libreplica/txn.h"

#include <string.h>

/* So much is read at a time. */
#define BATCH 64
#define BATCH_BYTES (256 * 1024)

static int keep(struct replica__key_snapshot *s, replica_doc *doc, replica_error *err)
{
    size_t len;

    if (s->n == s->room) {
        size_t room = s->room ? s->room * 2 : BATCH;
        replica_doc **grown = replica__realloc(s->docs, room, sizeof(*grown));

        if (!grown) {
            replica_doc_unref(doc);
            return replica__enomem(err);
        }
        s->docs = grown;
        s->room = room;
    }
    replica_doc_json(doc, &len);
    s->bytes += len;
    s->docs[s->n++] = doc;
    return 0;
}

static int take(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct replica__key_snapshot *s = ctx;
    replica_collection *coll = s->scan.coll;
    replica_doc *doc = NULL;
    int r = replica__migrate_shows(coll, row, err);

    if (r <= 0)
        return r;
    if (row->doc) {
        doc = replica_doc_ref(row->doc);
    } else {
        r = replica__row_doc(coll->db, coll->name, row, &doc, err);
        if (r < 0)
            return r;
        replica__shelf_keep(coll->db, row->number, doc);
    }
    r = keep(s, doc, err);
    return r < 0 ? r : s->own && (s->n == BATCH || s->bytes >= BATCH_BYTES);
}

/* The next ones.  After a failure none of them are there, and it can be called again. */
static int fill(struct replica__key_snapshot *s, replica_error *err)
{
    struct replica__reader *reader = s->own;
    REPLICA_READ read = NULL;
    int r = 0;

    s->n = s->at = s->bytes = 0;
    if (!reader) {
        r = replica__reader_main(s->scan.coll->db, &reader, err);
        if (r >= 0)
            r = replica__read_begin(s->scan.coll->db, &read, err);
    }
    if (r >= 0)
        r = replica__key_scan_run(&s->scan, reader, take, s, err);
    while (r < 0 && s->n > 0)
        replica_doc_unref(s->docs[--s->n]);
    return r < 0 ? r : 0;
}

static int read_head(struct replica__key_snapshot *s, struct replica__reader *reader,
                     replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__reader_get(reader, REPLICA__FIND_HEAD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, s->scan.coll->number, &rc);
    r = replica__reader_step(reader, stmt, rc, err);
    if (r < 0)
        return r;
    s->head = sqlite3_column_int64(stmt, 0);
    return 0;
}

int replica__key_snapshot_begin(struct replica__key_snapshot *ret, replica_collection *coll,
                                const char *pattern, replica_error *err)
{
    struct replica__key_snapshot s = { .own = NULL };
    struct replica__reader *reader = NULL;
    int r = replica__key_scan_begin(&s.scan, coll, pattern, err);

    if (r >= 0)
        r = replica__migrate_before_query(coll, err);
    if (r >= 0)
        r = coll->db->memory ? replica__reader_main(coll->db, &reader, err)
                             : replica__reader_open(coll->db, &s.own, err);
    if (r >= 0)
        r = read_head(&s, s.own ? s.own : reader, err);
    if (r >= 0 && !s.own)
        r = fill(&s, err);
    if (r < 0) {
        replica__key_snapshot_end(&s);
        return r;
    }
    *ret = s;
    return 0;
}

int replica__key_snapshot_next(struct replica__key_snapshot *s, replica_doc **ret_doc,
                               replica_error *err)
{
    while (s->at == s->n) {
        int r;

        if (s->scan.ended)
            return 0;
        r = fill(s, err);
        if (r < 0)
            return r;
    }
    *ret_doc = s->docs[s->at++];
    return 1;
}

void replica__key_snapshot_end(struct replica__key_snapshot *s)
{
    while (s->n > s->at)
        replica_doc_unref(s->docs[--s->n]);
    replica__free(s->docs);
    replica__key_scan_end(&s->scan);
    replica__reader_close(s->own);
    memset(s, 0, sizeof *s);
}
