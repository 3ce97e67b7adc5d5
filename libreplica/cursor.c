#include "libreplica/cursor.h"

#include "libreplica/migrate/migrate.h"

#include <string.h>

struct replica_cursor {
    replica_db *db; /* NULL: closed */
    struct replica__source *source;
    replica_doc **batch;
    size_t n, room, next;
    size_t bytes, max_docs, max_bytes;
    bool end; /* the batch is the last one */
    replica_cursor *later;
};

int replica__cursor_open(replica_collection *coll, struct replica__source *source, size_t docs,
                         size_t bytes, replica_cursor **ret_cursor, replica_error *err)
{
    replica_cursor *cursor = replica__alloc_zero(1, sizeof *cursor);

    if (!cursor) {
        source->free(source);
        return replica__enomem(err);
    }
    cursor->db = coll->db;
    cursor->source = source;
    cursor->max_docs = docs;
    cursor->max_bytes = bytes;
    cursor->later = coll->db->cursors;
    coll->db->cursors = cursor;
    *ret_cursor = cursor;
    return 0;
}

/* ---- what sources do ------------------------------------------------------------- */

int replica__cursor_add(replica_cursor *cursor, replica_doc *doc, replica_error *err)
{
    size_t len;

    if (cursor->n == cursor->room) {
        size_t room = cursor->room ? cursor->room * 2 : 16;
        replica_doc **grown = replica__realloc(cursor->batch, room, sizeof *grown);

        if (!grown) {
            replica_doc_unref(doc);
            return replica__enomem(err);
        }
        cursor->batch = grown;
        cursor->room = room;
    }
    replica_doc_json(doc, &len);
    cursor->bytes += len;
    cursor->batch[cursor->n++] = doc;
    return 0;
}

size_t replica__cursor_count(const replica_cursor *cursor)
{
    return cursor->n;
}

bool replica__cursor_is_full(const replica_cursor *cursor)
{
    return cursor->n >= cursor->max_docs || cursor->bytes >= cursor->max_bytes;
}

void replica__cursor_take_back(replica_cursor *cursor)
{
    for (size_t i = 0; i < cursor->n; i++)
        replica_doc_unref(cursor->batch[i]);
    cursor->n = cursor->next = cursor->bytes = 0;
}

int replica__cursor_migrate(replica_collection *coll, replica_cursor *cursor, int64_t last,
                            replica_error *err)
{
    size_t n = 0;
    int later = 0;
    int r = replica__migrate_docs(coll, cursor->batch, cursor->n, err);

    for (size_t i = 0; i < cursor->n; i++) {
        replica_doc *doc = cursor->batch[i];

        if (doc && replica_doc_sequence(doc) > last) {
            replica_doc_unref(doc);
            later = 1;
        } else if (doc) {
            cursor->batch[n++] = doc;
        }
    }
    cursor->n = n;
    return r < 0 ? r : later;
}

struct replica__source *
replica__cursor_source(const replica_cursor *cursor,
                       int (*fill)(struct replica__source *, replica_cursor *, replica_error *))
{
    return cursor && cursor->source && cursor->source->fill == fill ? cursor->source : NULL;
}

replica_doc *replica__cursor_last(const replica_cursor *cursor)
{
    return cursor && cursor->next ? cursor->batch[cursor->next - 1] : NULL;
}

/* ---- the program's side ---------------------------------------------------------- */

int replica_cursor_next(replica_cursor *cursor, replica_doc **ret_doc, replica_error *err)
{
    if (!cursor || !ret_doc)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no cursor, or no place");
    if (!cursor->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the cursor's database is closed");
    if (cursor->next == cursor->n) {
        int r;

        replica__cursor_take_back(cursor);
        if (cursor->end)
            return 0;
        r = cursor->source->fill(cursor->source, cursor, err);
        if (r < 0) {
            replica__cursor_take_back(cursor);
            return r;
        }
        cursor->end = r == 0;
        if (cursor->n == 0)
            return 0;
    }
    *ret_doc = cursor->batch[cursor->next++];
    return 1;
}

static void end_source(replica_cursor *cursor)
{
    if (cursor->source)
        cursor->source->free(cursor->source);
    cursor->source = NULL;
}

void replica_cursor_close(replica_cursor *cursor)
{
    if (!cursor)
        return;
    if (cursor->db) {
        replica_cursor **at = &cursor->db->cursors;

        while (*at != cursor)
            at = &(*at)->later;
        *at = cursor->later;
    }
    end_source(cursor);
    replica__cursor_take_back(cursor);
    replica__free(cursor->batch);
    replica__free(cursor);
}

void replica__cursors_orphan(replica_db *db)
{
    for (replica_cursor *c = db->cursors; c; c = c->later) {
        end_source(c);
        c->db = NULL;
    }
    db->cursors = NULL;
}

/* ---- all, and the feed ----------------------------------------------------------- */

#define BATCH 64
#define BATCH_BYTES (256 * 1024)

struct listing {
    struct replica__source source;
    replica_collection *coll;
    bool feed;     /* by sequence number, else by key */
    int64_t since; /* feed: the last one read */
    char *after;   /* else: the last key read */
};

static int list(struct listing *l, replica_cursor *cursor, replica_doc **ret_last,
                replica_error *err)
{
    replica_db *db = l->coll->db;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, l->feed ? REPLICA__SQL_DOC_FEED : REPLICA__SQL_DOC_ALL, &stmt,
                             err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, l->coll->number, &rc);
    if (l->feed)
        replica__bind_int(stmt, 2, l->since, &rc);
    else
        replica__bind_text(stmt, 2, l->after, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 3, BATCH, &rc);
    while (!replica__cursor_is_full(cursor)) {
        struct replica__row row;

        r = replica__sql_step(db, stmt, rc, err);
        if (r <= 0)
            return r;
        r = replica__row_read(db, stmt, &row, err);
        if (r >= 0)
            r = replica__row_doc(db, l->coll->name, &row, ret_last, err);
        if (r >= 0)
            r = replica__cursor_add(cursor, *ret_last, err);
        if (r < 0)
            return r;
    }
    return 1;
}

/* A batch.  The next one begins behind it, unless something fails. */
static int fill_batch(struct listing *l, replica_cursor *cursor, replica_error *err)
{
    replica_doc *last = NULL;
    REPLICA_FREE char *id = NULL;
    int64_t sequence;
    int more = list(l, cursor, &last, err);
    int r;

    if (more < 0 || !last)
        return more;
    sequence = replica_doc_sequence(last);
    id = replica__strdup(replica_doc_id(last)); /* it may be dropped */
    r = id ? replica__cursor_migrate(l->coll, cursor, l->feed ? sequence : INT64_MAX, err)
           : replica__enomem(err);
    if (r < 0)
        return r;
    replica__free(l->after);
    l->after = id;
    id = NULL;
    l->since = sequence;
    return more | r;
}

static int fill_listing(struct replica__source *self, replica_cursor *cursor, replica_error *err)
{
    struct listing *l = (struct listing *)self;
    int more;

    do
        more = fill_batch(l, cursor, err);
    while (more > 0 && cursor->n == 0);
    return more;
}

static void free_listing(struct replica__source *self)
{
    struct listing *l = (struct listing *)self;

    replica__free(l->after);
    replica__free(l);
}

static int open_listing(replica_collection *coll, bool feed, int64_t since, const char *after,
                        replica_cursor **ret_cursor, replica_error *err)
{
    struct listing *l;

    if (!coll || !ret_cursor || since < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no such place");
    l = replica__alloc_zero(1, sizeof *l);
    if (!l)
        return replica__enomem(err);
    l->source = (struct replica__source){ .fill = fill_listing, .free = free_listing };
    l->coll = coll;
    l->feed = feed;
    l->since = since;
    l->after = replica__strdup(after ? after : "");
    if (!l->after) {
        replica__free(l);
        return replica__enomem(err);
    }
    return replica__cursor_open(coll, &l->source, BATCH, BATCH_BYTES, ret_cursor, err);
}

int replica_all(replica_collection *coll, const char *after, replica_cursor **ret_cursor,
                replica_error *err)
{
    return open_listing(coll, false, 0, after, ret_cursor, err);
}

int replica_changes(replica_collection *coll, int64_t since, replica_cursor **ret_cursor,
                    replica_error *err)
{
    return open_listing(coll, true, since, NULL, ret_cursor, err);
}
