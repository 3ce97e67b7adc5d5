/* Reading the master's feed: one moment of the file, in the order of sequence numbers, and with
 * what makes bundles whole. */
#include "libreplica/master.h"

#include "libreplica/db.h"
#include "libreplica/replication/master_sight.h"
#include "libreplica/replication/master_whole.h"
#include "libreplica/txn.h"

#include <stdlib.h>
#include <string.h>

/* So much of the feed is looked through for a pattern at a time. */
#define WINDOW 50000

/* Under an eye so much of it is looked at, at a time: texts are read for that. */
enum { LOOKS = 4000, LOOK_BYTES = 16 << 20 };

/* Where a read of the feed is. */
struct reading {
    replica_db *db;
    replica_collection *const *colls;
    size_t n;
    const struct replica__feed_options *o;
    replica__feed_emit emit;
    void *ctx;
    int64_t last;
    struct replica__sight sight;
    size_t shown;     /* rows, in their places */
    size_t looked_at; /* bytes */
    int64_t until;                /* o->until, or nearer; 0: the head */
    struct replica__feed_bundles *bundles;
    int64_t *numbers; /* of the documents that were shown */
    size_t count;
};

static bool is_behind(const struct reading *reading, int64_t seq)
{
    return reading->until && seq > reading->until;
}

/* So many rows may be read for the sake of those that are shown. */
static size_t most_looks(const struct reading *reading)
{
    return reading->o->eye && reading->o->rows < LOOKS ? LOOKS : reading->o->rows;
}

static bool is_full(const struct reading *reading)
{
    return reading->shown >= reading->o->rows ||
           (reading->looked_at > 0 && reading->o->eye &&
            (reading->looked_at > LOOK_BYTES || replica__eye_late(reading->o->eye)));
}

/* Those of one bundle mostly come in a run. */
static int note_bundle(struct replica__buf *names, const char *name, replica_error *err)
{
    size_t len = strlen(name) + 1;

    if (names->len >= len && memcmp(names->data + names->len - len, name, len) == 0 &&
        (names->len == len || !names->data[names->len - len - 1]))
        return 0;
    replica__buf_add(names, name, len);
    return names->r < 0 ? replica__enomem(err) : 0;
}

/* Where no bundle was ever written, there is nothing to remember. */
static int note(struct reading *reading, const struct replica__row *row, replica_error *err)
{
    int r = row->bundle ? note_bundle(&reading->bundles->shown, row->bundle, err) : 0;

    if (r < 0 || !reading->db->bundled)
        return r;
    if ((reading->count & (reading->count - 1)) == 0) { /* room for twice as many */
        int64_t *grown = replica__realloc(reading->numbers,
                                          reading->count ? reading->count * 2 : 1, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        reading->numbers = grown;
    }
    reading->numbers[reading->count++] = row->number;
    return 0;
}

/* with: what else is said of it.  0, or > 0: the reader stops behind it. */
static int emit_row(const struct reading *reading, size_t collection,
                    const struct replica__row *row, const struct replica__feed_doc *with,
                    replica_error *err)
{
    char writer[REPLICA__OPERATION_SIZE];
    REPLICA_BUF only_key = REPLICA_BUF_INIT;
    int r = replica__row_operation(reading->db, row, writer, err);

    if (r < 0)
        return r;
    if (with->gone)
        replica__row_key_text(reading->colls[collection]->key, row, &only_key);
    if (only_key.r < 0)
        return replica__enomem(err);
    return reading->emit(reading->ctx, &(struct replica__feed_doc){
                                           .collection = collection,
                                           .id = row->id,
                                           .json = with->gone ? only_key.data : row->body,
                                           .len = with->gone ? only_key.len : row->len,
                                           .deleted = (row->flags & REPLICA__FLAG_DELETED) != 0,
                                           .sequence = row->seq,
                                           .stamp = row->stamp,
                                           .writer = writer,
                                           .bundle = row->bundle,
                                           .whole = with->whole,
                                           .again = with->again,
                                           .gone = with->gone,
                                       });
}

/* A row in its place. */
static int read_row(struct reading *reading, size_t collection, const struct replica__row *row,
                    replica_error *err)
{
    struct replica__feed_doc with = { 0 };
    int r = replica__sight_of(&reading->sight, collection, row, &with.gone, err);

    reading->looked_at += row->len;
    if (r > 0) {
        reading->shown++;
        r = note(reading, row, err);
        if (r >= 0)
            r = emit_row(reading, collection, row, &with, err);
    }
    if (r >= 0)
        reading->last = row->seq;
    return r;
}

/* One collection: its index is the feed. */
static int read_one(struct reading *reading, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    size_t looks = most_looks(reading), n = 0;
    int rc = SQLITE_OK;
    bool fresh = reading->o->fresh > reading->o->since;
    int r = replica__sql_get(reading->db, fresh ? REPLICA__SQL_DOC_FRESH : REPLICA__SQL_DOC_FEED,
                             &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, reading->colls[0]->number, &rc);
    replica__bind_int(stmt, 2, reading->o->since, &rc);
    replica__bind_int(stmt, 3, (int64_t)looks + 1, &rc);
    if (fresh)
        replica__bind_int(stmt, 4, reading->o->fresh, &rc);
    while ((r = replica__sql_step(reading->db, stmt, rc, err)) > 0) {
        struct replica__row row;

        if (n++ == looks || is_full(reading))
            return 0;
        r = replica__row_read(reading->db, stmt, &row, err);
        if (r >= 0 && is_behind(reading, row.seq))
            return 1;
        if (r >= 0)
            r = read_row(reading, 0, &row, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    return r < 0 ? r : 1;
}

/* Which statement tells the keys of a collection, and what it wants to know besides. */
static int find_keys(const struct reading *reading, sqlite3_stmt **ret_stmt, int *rc,
                     replica_error *err)
{
    const struct replica__feed_options *o = reading->o;
    int64_t until = reading->until ? reading->until : INT64_MAX;
    enum replica__sql which = o->keys    ? REPLICA__SQL_DOC_FEED_OF_KEYS
                              : o->fresh ? REPLICA__SQL_DOC_FRESH_KEYS
                                         : REPLICA__SQL_DOC_FEED_KEYS;
    int r = replica__sql_get(reading->db, which, ret_stmt, err);

    if (r < 0 || (!o->keys && !o->fresh))
        return r;
    replica__bind_int(*ret_stmt, 4, o->keys ? until : o->fresh, rc);
    if (!o->keys)
        return 0;
    replica__bind_text(*ret_stmt, 5, o->keys, REPLICA_NUL, rc);
    replica__bind_int(*ret_stmt, 6, o->fresh, rc);
    return 0;
}

/* Several, or those of a pattern: at most `rows` keys of each, then in order. */
static int read_keys(const struct reading *reading, int64_t since, size_t rows,
                     struct replica__feed_key **ret_keys, size_t *ret_count, replica_error *err)
{
    struct replica__feed_key *keys = NULL;
    size_t count = 0, room = 0;

    for (size_t i = 0; i < reading->n; i++) {
        REPLICA_STMT stmt = NULL;
        int rc = SQLITE_OK;
        int r = find_keys(reading, &stmt, &rc, err);

        if (r >= 0) {
            replica__bind_int(stmt, 1, reading->colls[i]->number, &rc);
            replica__bind_int(stmt, 2, since, &rc);
            replica__bind_int(stmt, 3, (int64_t)rows + 1, &rc);
        }
        while (r >= 0 && (r = replica__sql_step(reading->db, stmt, rc, err)) > 0) {
            if (count == room) {
                struct replica__feed_key *grown =
                    replica__realloc(keys, room ? room * 2 : 256, sizeof *grown);

                if (!grown) {
                    r = replica__enomem(err);
                    break;
                }
                keys = grown;
                room = room ? room * 2 : 256;
            }
            keys[count++] = (struct replica__feed_key){ .seq = sqlite3_column_int64(stmt, 0),
                                                         .number = sqlite3_column_int64(stmt, 1),
                                                         .collection = i };
        }
        if (r < 0) {
            replica__free(keys);
            return r;
        }
    }
    if (count > 0)
        qsort(keys, count, sizeof *keys, replica__feed_key_compare);
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

static int read_many(struct reading *reading, replica_error *err)
{
    REPLICA_FREE struct replica__feed_key *keys = NULL;
    size_t looks = most_looks(reading), count = 0;
    int r = read_keys(reading, reading->o->since, looks, &keys, &count, err);

    for (size_t i = 0; r >= 0 && i < count; i++) {
        REPLICA_STMT stmt = NULL;
        struct replica__row row;

        if (i == looks || is_full(reading))
            return 0;
        if (is_behind(reading, keys[i].seq))
            return 1;
        r = replica__row_by_number(reading->db, keys[i].number, &stmt, &row, err);
        if (r > 0)
            r = read_row(reading, keys[i].collection, &row, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    return r < 0 ? r : 1;
}

/* ---- whole bundles --------------------------------------------------------------- */

/* What the page needs of behind its end. */
struct rest {
    struct replica__feed_key *keys;
    size_t count;
    size_t joined; /* so many are what comes next anyway: the page ends behind them */
    bool end;      /* and there is nothing else */
};

static int is_next_shown(const struct reading *reading, const struct replica__feed_key *key,
                         replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int gone;
    int r = replica__row_by_number(reading->db, key->number, &stmt, &row, err);

    return r > 0 ? replica__sight_of(&reading->sight, key->collection, &row, &gone, err) : r;
}

/* Members that are not asked for, or not to be seen, would look like gaps. */
static int keep_shown(const struct reading *reading, struct rest *rest, replica_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < rest->count; i++) {
        int r = is_next_shown(reading, &rest->keys[i], err);

        if (r < 0)
            return r;
        if (r > 0)
            rest->keys[kept++] = rest->keys[i];
    }
    rest->count = kept;
    return 0;
}

/* A large bundle would come again with each page that has a part of it, were the page not to end
 * behind what it has without a gap. */
static int join(const struct reading *reading, struct rest *rest, replica_error *err)
{
    REPLICA_FREE struct replica__feed_key *next = NULL;
    size_t n = 0;
    int r = read_keys(reading, reading->last, rest->count, &next, &n, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (i > rest->count) /* of one collection no more was read: others may lie in between */
            return 0;
        if (is_behind(reading, next[i].seq)) {
            rest->end = true;
            return 0;
        }
        if (rest->joined < rest->count && rest->keys[rest->joined].number == next[i].number) {
            rest->joined++;
            continue;
        }
        r = is_next_shown(reading, &next[i], err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    rest->end = rest->joined == rest->count && n <= rest->count;
    return 0;
}

static int emit_rest(struct reading *reading, const struct rest *rest, replica_error *err)
{
    for (size_t i = 0; i < rest->count; i++) {
        const struct replica__feed_key *key = &rest->keys[i];
        struct replica__feed_doc with = { .whole = true, .again = i >= rest->joined };
        REPLICA_STMT stmt = NULL;
        struct replica__row row;
        int r = replica__row_by_number(reading->db, key->number, &stmt, &row, err);

        if (r > 0)
            r = replica__sight_of(&reading->sight, key->collection, &row, &with.gone, err);
        if (r > 0)
            r = emit_row(reading, key->collection, &row, &with, err);
        if (r < 0)
            return r;
        if (i < rest->joined)
            reading->last = key->seq;
        if (r > 0)
            return 0;
    }
    return rest->end;
}

/* The page may have ended before the head.  1: it reaches the end all the same. */
static int make_whole(struct reading *reading, replica_error *err)
{
    struct rest rest = { NULL, 0, 0, false };
    int r = replica__master_whole(reading->db, reading->colls, reading->n, reading->bundles,
                                  reading->last, &rest.keys, &rest.count, err);

    if (r >= 0 && (reading->o->keys || reading->o->eye))
        r = keep_shown(reading, &rest, err);
    if (r >= 0 && rest.count > 0)
        r = join(reading, &rest, err);
    if (r >= 0 && rest.count > 0)
        r = emit_rest(reading, &rest, err);
    replica__free(rest.keys);
    return r;
}

/* Enough that whoever follows them finds that they are too many. */
#define ALL_MOST ((size_t)1 << 20)
#define NEWEST_BUNDLES 64 /* of each document */

static int note_all(struct reading *reading, replica_error *err)
{
    struct replica__buf *all = &reading->bundles->all;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < reading->count && all->len < ALL_MOST; i++)
        r = replica__master_bundles_of(reading->db, reading->numbers[i], NEWEST_BUNDLES, all, err);
    return r;
}

static int read_feed(struct reading *reading, replica_error *err)
{
    const struct replica__feed_options *o = reading->o;
    bool part = o->bundles && o->rows > 0;
    int end = 0, r;

    if (o->rows > 0)
        end = reading->n == 1 && !o->keys ? read_one(reading, err) : read_many(reading, err);
    if (end < 0 || (end > 0 && !reading->until && !part))
        return end;
    r = note_all(reading, err);
    if (r < 0 || part || reading->bundles->all.len + reading->bundles->shown.len == 0)
        return r < 0 ? r : end;
    r = make_whole(reading, err);
    return r < 0 ? r : end || r;
}

static void reading_free(struct reading *reading)
{
    replica__free(reading->numbers);
}

int replica__master_read(replica_db *db, replica_collection *const *colls, size_t n,
                         const struct replica__feed_options *options, replica__feed_emit emit,
                         void *ctx, int64_t *ret_last, replica_error *err)
{
    __attribute__((cleanup(replica__feed_bundles_free))) struct replica__feed_bundles bundles = {
        REPLICA_BUF_INIT, REPLICA_BUF_INIT
    };
    __attribute__((cleanup(reading_free))) struct reading reading = {
        .db = db, .colls = colls, .n = n, .o = options, .emit = emit, .ctx = ctx,
        .last = options->since, .until = options->until,
        .bundles = options->bundles ? options->bundles : &bundles
    };
    REPLICA_READ read = NULL;
    int64_t end;
    int r = replica__sight_open(&reading.sight, db, colls, options, err);

    if (r >= 0)
        r = replica__read_begin(db, &read, err);
    if (r >= 0)
        r = replica__txn_know(db, err);
    if (r < 0)
        return r;
    end = options->until ? options->until : db->head;
    if (options->keys && end - options->since > WINDOW)
        end = reading.until = options->since + WINDOW;
    r = read_feed(&reading, err);
    if (r < 0)
        return r;
    *ret_last = r > 0 && end > reading.last ? end : reading.last;
    return r > 0 && reading.until == options->until; /* there is more behind the window */
}
