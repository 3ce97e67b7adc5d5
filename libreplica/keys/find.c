/* Reading, counting and deleting what matches a pattern. */
#include "libreplica/cursor.h"
#include "libreplica/document.h"
#include "libreplica/keys.h"
#include "libreplica/keys/scan.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/query/shelf.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

/* ---- a cursor's source ----------------------------------------------------------- */

/* A batch: what one call of the program waits for, at most. */
#define BATCH 128
#define BATCH_BYTES (1024 * 1024)

struct finding {
    struct replica__source source;
    struct replica__key_scan scan;
};

struct filling {
    replica_collection *coll;
    replica_cursor *cursor;
};

static int take(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct filling *filling = ctx;
    replica_db *db = filling->coll->db;
    replica_doc *doc = replica_doc_ref(row->doc);
    int r = 0;

    if (!doc) {
        r = replica__row_doc(db, filling->coll->name, row, &doc, err);
        if (r < 0)
            return r;
        replica__shelf_keep(db, row->number, doc);
    }
    r = replica__cursor_add(filling->cursor, doc, err);
    return r < 0 ? r : replica__cursor_is_full(filling->cursor);
}

/* 1: there may be more, from where the scan is now. */
static int fill_batch(struct finding *f, struct replica__reader *reader, replica_cursor *cursor,
                      replica_error *err)
{
    struct filling filling = { f->scan.coll, cursor };
    REPLICA_READ read = NULL;
    int r = replica__read_begin(f->scan.coll->db, &read, err);

    return r < 0 ? r : replica__key_scan_run(&f->scan, reader, take, &filling, err);
}

static int fill(struct replica__source *self, replica_cursor *cursor, replica_error *err)
{
    struct finding *f = (struct finding *)self;
    struct replica__reader *reader = NULL;
    int more = 0;
    int r = replica__reader_main(f->scan.coll->db, &reader, err);

    while (r >= 0 && (more = fill_batch(f, reader, cursor, err)) >= 0) {
        r = replica__cursor_migrate(f->scan.coll, cursor, INT64_MAX, err);
        if (r >= 0 && (more == 0 || replica__cursor_count(cursor) > 0))
            break;
    }
    return r < 0 ? r : more;
}

static void free_finding(struct replica__source *self)
{
    struct finding *f = (struct finding *)self;

    replica__key_scan_end(&f->scan);
    replica__free(f);
}

int replica_keys_find(replica_collection *coll, const char *pattern, replica_cursor **ret_cursor,
                      replica_error *err)
{
    REPLICA_KEY_SCAN scan = { .coll = NULL };
    struct finding *f;
    int r;

    if (!ret_cursor)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the cursor");
    r = replica__key_scan_begin(&scan, coll, pattern, err);
    if (r < 0)
        return r;
    f = replica__alloc_zero(1, sizeof *f);
    if (!f)
        return replica__enomem(err);
    f->source = (struct replica__source){ .fill = fill, .free = free_finding };
    f->scan = scan;
    memset(&scan, 0, sizeof scan);
    return replica__cursor_open(coll, &f->source, BATCH, BATCH_BYTES, ret_cursor, err);
}

/* ---- counting -------------------------------------------------------------------- */

struct counting {
    const replica_collection *coll;
    int64_t count;
};

static int count_one(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct counting *counting = ctx;
    int r = replica__migrate_shows(counting->coll, row, err);

    counting->count += r > 0;
    return r < 0 ? r : 0;
}

int replica_keys_count(replica_collection *coll, const char *pattern, int64_t *ret_count,
                       replica_error *err)
{
    struct counting counting = { .coll = coll };
    struct replica__reader *reader = NULL;
    REPLICA_KEY_SCAN scan = { .coll = NULL };
    REPLICA_READ read = NULL;
    int r;

    if (!ret_count)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the count");
    r = replica__key_scan_begin(&scan, coll, pattern, err);
    if (r >= 0)
        r = replica__migrate_before_query(coll, err);
    if (r >= 0)
        r = replica__reader_main(coll->db, &reader, err);
    if (r >= 0)
        r = replica__read_begin(coll->db, &read, err);
    if (r < 0)
        return r;
    scan.bare = true;
    r = replica__key_scan_run(&scan, reader, count_one, &counting, err);
    if (r < 0)
        return r;
    *ret_count = counting.count;
    return 0;
}

/* ---- deleting -------------------------------------------------------------------- */

/* A transaction ends after so many documents, or so much work: with its commit, below 20 ms. */
#define DOCS 500
#define MS 8

/* Keys, one behind the other, each with its NUL. */
struct keys {
    struct replica__buf text;
    size_t n, at;
};

static int take_key(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct keys *keys = ctx;

    replica__buf_add(&keys->text, row->id, row->id_len);
    replica__buf_char(&keys->text, '\0');
    if (keys->text.r < 0)
        return replica__enomem(err);
    return ++keys->n == DOCS;
}

/* 1: there may be more behind them. */
static int read_keys(struct replica__key_scan *scan, struct keys *keys, replica_error *err)
{
    struct replica__reader *reader = NULL;
    REPLICA_READ read = NULL;
    int r = replica__reader_main(scan->coll->db, &reader, err);

    if (r >= 0)
        r = replica__read_begin(scan->coll->db, &read, err);
    replica__buf_clear(&keys->text);
    keys->n = keys->at = 0;
    return r < 0 ? r : replica__key_scan_run(scan, reader, take_key, keys, err);
}

/* What comes before a document that cannot be deleted stays deleted; so that error is remembered
 * over the commit. */
static int delete_some(replica_collection *coll, struct keys *keys, int64_t *count,
                       replica_error *err)
{
    replica_db *db = coll->db;
    int64_t until_ms = db->world->monotonic_ms(db->world->ctx) + MS, deleted = 0;
    replica_error why = { .offset = -1 };
    REPLICA_TXN txn = NULL;
    int refused = 0;
    int r = replica__txn_begin(db, &txn, err);

    for (int i = 1; r >= 0 && keys->n > 0; i++) {
        const char *id = keys->text.data + keys->at;
        struct replica__written written;

        r = replica__write_checked(
            db,
            &(struct replica__write){
                .coll = coll, .id = id, .id_len = strlen(id), .deleted = true },
            REPLICA_ANY_REV, &written, NULL, &why);
        if (r == REPLICA_ELOCKED) {
            refused = r;
            r = 0;
            break;
        }
        deleted += r > 0;
        keys->at += strlen(id) + 1;
        keys->n--;
        if (i % 16 == 0 && db->world->monotonic_ms(db->world->ctx) >= until_ms)
            break;
    }
    if (r >= 0)
        r = replica__txn_commit(&txn, &why);
    if (r >= 0)
        *count += deleted;
    if ((r < 0 || refused) && err && why.code)
        *err = why;
    return r < 0 ? r : refused;
}

int replica_keys_delete(replica_collection *coll, const char *pattern, int64_t *ret_count,
                        replica_error *err)
{
    REPLICA_KEY_SCAN scan = { .coll = NULL };
    struct keys keys = { .n = 0 };
    int64_t count = 0;
    int r = replica__key_scan_begin(&scan, coll, pattern, err);
    int more = r >= 0;

    scan.bare = true;
    while (r >= 0 && more > 0) {
        r = more = read_keys(&scan, &keys, err);
        while (r >= 0 && keys.n > 0)
            r = delete_some(coll, &keys, &count, err);
    }
    replica__buf_free(&keys.text);
    if (ret_count)
        *ret_count = count;
    return r < 0 ? r : 0;
}
