/* Time to live: a guest of the pump, which deletes what has expired.
 *
 * There is no index of expiry times.  The change feed is read once from its beginning, and from
 * then on as it grows; what it tells goes into a list of the documents that expire next, which is
 * sorted and keeps the earliest 4,096.  When that list is used up and there were more, the feed is
 * read again: so a document is read once for each 4,096 that expire, and a write costs nothing.
 *
 * Nothing unsynced expires: a document that waits for anything in any replication of its collection
 * (purge.h) is left alone.  While there are such, the feed is read again after a second, two, four
 * ... up to ten minutes.  Work comes in slices that keep the program's loop waiting less than 20
 * ms. */
#include "libreplica/ttl.h"

#include "base/json.h"
#include "libreplica/purge.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <stdlib.h>
#include <string.h>

#define KEEP 4096
#define READ_ROWS 500  /* of the feed at a time: 0.5 ms, or 2 ms with a field */
#define WRITE_ROWS 100 /* in a transaction: 3 ms */
#define SLICE_MS 5
#define BUSY_MS 20     /* for the lock; then later */
#define LOOK_MS 60000  /* whatever else: other processes write, and clocks are set */
#define AGAIN_MS 1000
#define AGAIN_MAX_MS (10 * 60 * 1000)
#define FAILED_MS 10000

struct due {
    int64_t at; /* ms since 1970 */
    int64_t doc;
};

/* Of one collection. */
struct expiry {
    replica_collection *coll;
    char *field; /* NULL: the last write */
    int64_t ttl_ms;
    struct due list[2 * KEEP];
    size_t first, n;  /* what is used up, and where the rest ends */
    bool sorted;
    bool more;        /* later ones were dropped: at or after `limit` */
    int64_t limit;
    int64_t read_to;  /* sequence number of the feed */
    bool waits;       /* expired ones are not in sync yet */
    int64_t again_ms; /* how long until they are looked at again */
    int64_t rest_to;  /* monotonic; after a failure: nothing before */
    struct expiry *next;
};

/* Of a handle.  Times are monotonic. */
struct replica__ttl {
    struct replica__guest guest;
    replica_db *db;
    struct expiry *first;
    int64_t looked;   /* when the feed was last looked at */
    int64_t again_at; /* when to read the feeds anew; 0: not */
};

static int64_t monotonic(const replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

static int64_t now(const replica_db *db)
{
    return db->world->now_ms(db->world->ctx);
}

/* ---- when does it expire? --------------------------------------------------------- */

static bool digits(const char **at, const char *end, int n, int *ret)
{
    *ret = 0;
    for (; n > 0; n--, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *ret = *ret * 10 + (**at - '0');
    }
    return true;
}

static bool mark(const char **at, const char *end, const char *any)
{
    if (*at == end || !strchr(any, **at) || !**at)
        return false;
    (*at)++;
    return true;
}

/* Days since 1970 of the Gregorian calendar; years begin in March, so that leap days end them. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Z", "+02:00": minutes that the clock there is ahead. */
static bool read_zone(const char **at, const char *end, int *ret)
{
    int sign, hours, minutes;

    *ret = 0;
    if (mark(at, end, "Zz"))
        return true;
    if (*at == end || (**at != '+' && **at != '-'))
        return false;
    sign = *(*at)++ == '-' ? -1 : 1;
    if (!digits(at, end, 2, &hours) || !mark(at, end, ":") || !digits(at, end, 2, &minutes))
        return false;
    *ret = sign * (hours * 60 + minutes);
    return hours < 24 && minutes < 60;
}

static bool read_rfc3339(const char *at, const char *end, int64_t *ret_ms)
{
    int year, month, day, hour, minute, second, zone, scale = 100, ms = 0;

    if (!digits(&at, end, 4, &year) || !mark(&at, end, "-") || !digits(&at, end, 2, &month) ||
        !mark(&at, end, "-") || !digits(&at, end, 2, &day) || !mark(&at, end, "Tt ") ||
        !digits(&at, end, 2, &hour) || !mark(&at, end, ":") || !digits(&at, end, 2, &minute) ||
        !mark(&at, end, ":") || !digits(&at, end, 2, &second))
        return false;
    if (mark(&at, end, ".")) {
        for (; at < end && *at >= '0' && *at <= '9'; at++, scale /= 10)
            ms += (*at - '0') * scale;
    }
    if (!read_zone(&at, end, &zone) || at != end || month < 1 || month > 12 || day < 1 ||
        day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    minute += hour * 60 - zone;
    *ret_ms = ((days_of(year, month, day) * 1440 + minute) * 60 + second) * 1000 + ms;
    return true;
}

static bool read_text(struct replica__slice spelled, int64_t *ret_ms)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (!memchr(spelled.data, '\\', spelled.len))
        return read_rfc3339(spelled.data, spelled.data + spelled.len, ret_ms);
    replica__json_unescape(spelled, &text);
    return text.r >= 0 && text.len && read_rfc3339(text.data, text.data + text.len, ret_ms);
}

bool replica__ttl_time(struct replica__json_value v, int64_t *ret_ms)
{
    double number;

    if (v.type == REPLICA_JSON_STRING)
        return read_text((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, ret_ms);
    if (v.type != REPLICA_JSON_NUMBER)
        return false;
    number = replica__json_double(v);
    if (number >= 1e17)
        return false;
    /* Whatever is so long ago is over, by whatever time to live. */
    if (number <= -1e17 || !replica__json_int(v, ret_ms))
        *ret_ms = number <= -1e17 ? -INT64_C(100000000000000000) : (int64_t)number;
    return true;
}

/* false: never. */
static bool expires_at(const struct expiry *e, int64_t stamp, const char *body, size_t len,
                       int64_t *ret_ms)
{
    int64_t from = stamp >> 16;

    if (e->field && !replica__ttl_time(replica__json_member(replica__json_value(body, len),
                                                            e->field, REPLICA_NUL), &from))
        return false;
    return !__builtin_add_overflow(from, e->ttl_ms, ret_ms);
}

/* ---- the list --------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct due *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

static void sort(struct expiry *e)
{
    if (!e->sorted)
        qsort(e->list + e->first, e->n - e->first, sizeof *e->list, compare);
    e->sorted = true;
}

static void add(struct expiry *e, int64_t doc, int64_t at)
{
    if (e->more && at >= e->limit)
        return;
    if (e->n == 2 * KEEP) {
        sort(e);
        memmove(e->list, e->list + e->first, (e->n - e->first) * sizeof *e->list);
        e->n -= e->first;
        e->first = 0;
    }
    if (e->n == 2 * KEEP) {
        e->n = KEEP;
        e->more = true;
        e->limit = e->list[KEEP].at;
        if (at >= e->limit)
            return;
    }
    e->list[e->n++] = (struct due){ at, doc };
    e->sorted = e->n - e->first == 1;
}

static void read_anew(struct expiry *e)
{
    e->first = e->n = 0;
    e->sorted = true;
    e->more = e->waits = false;
    e->read_to = 0;
}

/* ---- reading the feed ------------------------------------------------------------- */

static int read_row(struct expiry *e, sqlite3_stmt *stmt, replica_error *err)
{
    replica_db *db = e->coll->db;
    const struct replica__row row = { .number = sqlite3_column_int64(stmt, 0),
                                      .seq = sqlite3_column_int64(stmt, 3) };
    const char *body = "";
    size_t len = 0;
    int64_t at;
    int r = 1;

    if (sqlite3_column_int64(stmt, 6) & REPLICA__FLAG_DELETED)
        return 0;
    if (e->field) { /* else the text is not touched */
        body = (const char *)sqlite3_column_text(stmt, 12);
        len = (size_t)sqlite3_column_bytes(stmt, 12);
        if (!body)
            return replica__enomem(err);
    }
    if (!expires_at(e, sqlite3_column_int64(stmt, 7), body, len, &at))
        return 0;
    if (at <= now(db))
        r = replica__doc_passed(db, &row, 0, err);
    if (r > 0)
        add(e, row.number, at);
    else if (r == 0)
        e->waits = true;
    return r < 0 ? r : 0;
}

/* 1: there is more. */
static int read_some(struct expiry *e, replica_error *err)
{
    replica_db *db = e->coll->db;
    REPLICA_STMT stmt = NULL;
    int rows = 0;
    int r = replica__sql_with(db, REPLICA__SQL_DOC_FEED, &stmt, err, e->coll->number, e->read_to,
                              READ_ROWS);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        rows++;
        r = read_row(e, stmt, err);
        if (r < 0)
            return r;
        e->read_to = sqlite3_column_int64(stmt, 3);
    }
    if (r == 0 && rows < READ_ROWS) /* of other collections */
        e->read_to = e->read_to > db->head ? e->read_to : db->head;
    return r < 0 ? r : rows == READ_ROWS;
}

/* ---- expiring --------------------------------------------------------------------- */

/* Is it still so that it has expired, and is it in sync? */
static int expire_one(struct expiry *e, int64_t number, replica_error *err)
{
    replica_db *db = e->coll->db;
    REPLICA_STMT stmt = NULL;
    struct replica__written written;
    struct replica__row row;
    int64_t at;
    int r = replica__row_by_number(db, number, &stmt, &row, err);

    if (r <= 0)
        return r;
    if (row.coll != e->coll->number || row.flags & REPLICA__FLAG_DELETED ||
        !expires_at(e, row.stamp, row.body, row.len, &at) || at > now(db))
        return 0;
    r = replica__doc_passed(db, &row, 0, err);
    if (r <= 0) {
        e->waits |= r == 0;
        return r;
    }
    r = replica__write(db,
                       &(struct replica__write){
                           .coll = e->coll,
                           .id = row.id,
                           .id_len = row.id_len,
                           .json = row.body,
                           .len = row.len,
                           .deleted = true,
                           .versioned = true,
                           .version = row.version,
                       },
                       &row, &written, err);
    if (r == REPLICA_ELOCKED) {
        e->waits = true;
        return 0;
    }
    return r;
}

/* 1: there is more to do now. */
static int expire_some(struct expiry *e, replica_error *err)
{
    replica_db *db = e->coll->db;
    REPLICA_TXN txn = NULL;
    int busy_ms = db->busy_ms;
    size_t first = e->first;
    int r;

    sort(e);
    if (first == e->n || e->list[first].at > now(db))
        return 0;
    db->busy_ms = BUSY_MS < busy_ms ? BUSY_MS : busy_ms;
    r = replica__txn_begin(db, &txn, err);
    db->busy_ms = busy_ms;
    for (int i = 0; r >= 0 && i < WRITE_ROWS && first < e->n && e->list[first].at <= now(db); i++)
        r = expire_one(e, e->list[first++].doc, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    e->first = first;
    return first < e->n && e->list[first].at <= now(db);
}

/* ---- the guest -------------------------------------------------------------------- */

/* 1: there is more to do now. */
static int do_slice(struct expiry *e, int64_t at, replica_error *err)
{
    int r = replica__txn_know(e->coll->db, err);

    do
        r = r < 0 ? r : read_some(e, err);
    while (r > 0 && monotonic(e->coll->db) < at + SLICE_MS);
    if (r == 0)
        r = expire_some(e, err);
    if (r == 0 && e->first == e->n && e->more) {
        bool waits = e->waits;

        read_anew(e);
        e->waits = waits;
        return 1;
    }
    return r;
}

/* A collection that fails does not hold up the others. */
static bool work_on(struct expiry *e, int64_t at)
{
    replica_error error = { .offset = -1 };
    int r = do_slice(e, at, &error);

    if (r < 0) {
        replica__db_log(e->coll->db, REPLICA_LOG_WARNING, "ttl", "%s: %s", e->coll->name,
                        error.message);
        e->rest_to = at + (r == REPLICA_EBUSY ? 10 * BUSY_MS : FAILED_MS);
    }
    return r > 0;
}

static void work(void *ctx)
{
    struct replica__ttl *ttl = ctx;
    int64_t at = monotonic(ttl->db);
    bool again = ttl->again_at && at >= ttl->again_at;
    bool more = false;

    for (struct expiry *e = ttl->first; e; e = e->next) {
        if (again && e->waits)
            read_anew(e);
        more |= at >= e->rest_to && work_on(e, at);
    }
    if (again)
        ttl->again_at = 0;
    ttl->looked = more ? 0 : at;
}

static int64_t next_of(struct replica__ttl *ttl, struct expiry *e, int64_t at)
{
    replica_db *db = ttl->db;
    int64_t next = at + LOOK_MS;

    if (e->rest_to > at)
        return e->rest_to;
    sort(e);
    if (e->read_to < db->head)
        return at;
    if (e->first < e->n && e->list[e->first].at - now(db) < LOOK_MS)
        next = e->list[e->first].at > now(db) ? at + e->list[e->first].at - now(db) : at;
    if (!e->waits) {
        e->again_ms = AGAIN_MS;
    } else if (!ttl->again_at) {
        ttl->again_at = at + e->again_ms;
        e->again_ms = e->again_ms * 2 < AGAIN_MAX_MS ? e->again_ms * 2 : AGAIN_MAX_MS;
    }
    return next;
}

static int64_t next_ms(void *ctx)
{
    struct replica__ttl *ttl = ctx;
    int64_t at = monotonic(ttl->db);
    int64_t next = ttl->looked ? ttl->looked + LOOK_MS : at;

    for (struct expiry *e = ttl->first; e; e = e->next) {
        int64_t mine = next_of(ttl, e, at);

        next = mine < next ? mine : next;
    }
    if (ttl->again_at && ttl->again_at < next)
        next = ttl->again_at;
    return next;
}

static void committed(void *ctx)
{
    (void)ctx; /* the head has moved: next_ms() sees it */
}

static void closing(void *ctx)
{
    struct replica__ttl *ttl = ctx;

    while (ttl->first) {
        struct expiry *e = ttl->first;

        ttl->first = e->next;
        replica__free(e->field);
        replica__free(e);
    }
    ttl->db->ttl = NULL;
    replica__free(ttl);
}

static int add_guest(replica_db *db, replica_error *err)
{
    struct replica__ttl *ttl = replica__alloc_zero(1, sizeof *ttl);

    if (!ttl)
        return replica__enomem(err);
    ttl->db = db;
    ttl->guest = (struct replica__guest){ .name = "ttl",
                                          .committed = committed,
                                          .next_ms = next_ms,
                                          .work = work,
                                          .closing = closing,
                                          .ctx = ttl };
    db->ttl = ttl;
    replica__db_add_guest(db, &ttl->guest);
    return 0;
}

int replica__ttl_start(replica_collection *coll, const char *field, int64_t ttl_ms,
                       replica_error *err)
{
    replica_db *db = coll->db;
    struct expiry *e;
    int r = db->ttl ? 0 : add_guest(db, err);

    if (r < 0)
        return r;
    e = replica__alloc_zero(1, sizeof *e);
    if (e && field)
        e->field = replica__strdup(field);
    if (!e || (field && !e->field)) {
        replica__free(e);
        return replica__enomem(err);
    }
    e->coll = coll;
    e->ttl_ms = ttl_ms;
    e->again_ms = AGAIN_MS;
    read_anew(e);
    e->next = db->ttl->first;
    db->ttl->first = e;
    return 0;
}

bool replica__ttl_is(const replica_collection *coll, const char *field, int64_t ttl_ms)
{
    const struct expiry *e = coll->db->ttl ? coll->db->ttl->first : NULL;

    while (e && e->coll != coll)
        e = e->next;
    return e && e->ttl_ms == ttl_ms && (!field || !e->field ? field == e->field
                                                            : strcmp(field, e->field) == 0);
}
