#include "libreplica/command/event.h"

#include "libreplica/txn.h"

#include <string.h>

/* An event lives so long, and no longer than there are so many behind it, in number and bytes. */
#define KEPT_MS 60000
#define KEPT_EVENTS 10000
#define KEPT_BYTES (16 * 1024 * 1024)
/* A batch ends behind the event that makes it so large. */
#define BATCH_BYTES (256 * 1024)

/* ---- the gate -------------------------------------------------------------------- */

int replica__address_check(const char *address, replica_error *err)
{
    REPLICA_BUF quoted = REPLICA_BUF_INIT;
    size_t len = address ? strlen(address) : 0;

    if (len == 0 || strchr(address, '*'))
        return replica__error_set(err, REPLICA_EINVAL, 0, "no address: it is empty, or has a star");
    if (len > REPLICA__ADDRESS_MOST)
        return replica__error_set(err, REPLICA_EINVAL, 0, "an address has at most %d bytes",
                                  REPLICA__ADDRESS_MOST);
    replica__buf_json_string(&quoted, address, len);
    if (quoted.r < 0)
        return replica__enomem(err);
    if (replica__json_check(quoted.data, quoted.len, NULL, NULL) < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "the address is not valid UTF-8");
    return 0;
}

int replica__payload_check(const replica_db *db, const char **payload, size_t *len, size_t max,
                           replica_error *err)
{
    const struct replica__json_limits limits = { .max_bytes = max,
                                                 .max_depth = db->limits.max_depth };
    int r;

    if (!*payload) {
        *payload = "null";
        *len = 4;
        return 0;
    }
    if (*len == REPLICA_NUL)
        *len = strlen(*payload);
    r = replica__json_check(*payload, *len, &limits, err);
    return r < 0 ? r : 0;
}

/* ---- the table ------------------------------------------------------------------- */

static int trim(replica_db *db, int64_t now, replica_error *err)
{
    return replica__sql_run(db, REPLICA__SQL_EVENT_TRIM, err, KEPT_EVENTS, KEPT_BYTES,
                            now - KEPT_MS, now + KEPT_MS);
}

static int add(replica_db *db, const struct replica__emitted *event, int64_t now,
               replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_EVENT_ADD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, event->address, REPLICA_NUL, &rc);
    replica__bind_text(stmt, 2, event->payload, event->len, &rc);
    replica__bind_int(stmt, 3, now, &rc);
    replica__bind_text(stmt, 4, event->origin, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 5, (int64_t)(event->len + strlen(event->address)), &rc);
    return replica__sql_step(db, stmt, rc, err);
}

int replica__events_add(replica_db *db, const struct replica__emitted *events, size_t n,
                        replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int64_t now = db->world->now_ms(db->world->ctx);
    int r = replica__txn_begin(db, &txn, err);

    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = add(db, &events[i], now, err);
        if (r >= 0)
            r = trim(db, now, err);
    }
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

int replica__events_head(replica_db *db, int64_t *ret_head, replica_error *err)
{
    return replica__sql_int(db, REPLICA__SQL_EVENT_HEAD, ret_head, err);
}

/* ---- reading --------------------------------------------------------------------- */

/* Texts are found by their place until the batch is whole, for the buffer moves as it grows. */
static int read_row(replica_db *db, sqlite3_stmt *stmt, struct replica__event_batch *batch,
                    size_t places[3], replica_error *err)
{
    struct replica__emitted *event = &batch->events[batch->n];
    static const int columns[] = { 1, 2, 4 };

    *event = (struct replica__emitted){ .number = sqlite3_column_int64(stmt, 0),
                                      .time_ms = sqlite3_column_int64(stmt, 3) };
    for (int i = 0; i < 3; i++) {
        const char *text = (const char *)sqlite3_column_text(stmt, columns[i]);

        if (!text)
            return replica__sql_error(db, sqlite3_errcode(db->sqlite), err);
        places[i] = batch->text.len;
        replica__buf_add(&batch->text, text, (size_t)sqlite3_column_bytes(stmt, columns[i]));
        replica__buf_char(&batch->text, '\0');
    }
    event->len = batch->text.len; /* for now: where it ends */
    return batch->text.r < 0 ? replica__enomem(err) : 0;
}

static void point(struct replica__event_batch *batch, size_t places[][3])
{
    for (size_t i = 0; i < batch->n; i++) {
        struct replica__emitted *event = &batch->events[i];

        event->address = batch->text.data + places[i][0];
        event->payload = batch->text.data + places[i][1];
        event->origin = batch->text.data + places[i][2];
        event->len = places[i][2] - places[i][1] - 1;
    }
}

int replica__event_batch_read(replica_db *db, int64_t after, struct replica__event_batch *ret,
                              replica_error *err)
{
    size_t most = sizeof(ret->events) / sizeof(ret->events[0]);
    size_t places[32][3];
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, REPLICA__SQL_EVENT_NEXT, &stmt, err);

    if (r < 0)
        return r;
    ret->n = 0;
    replica__buf_clear(&ret->text);
    replica__bind_int(stmt, 1, after, &rc);
    while (ret->n < most && ret->text.len < BATCH_BYTES &&
           (r = replica__sql_step(db, stmt, rc, err)) > 0) {
        r = read_row(db, stmt, ret, places[ret->n], err);
        if (r < 0)
            return r;
        ret->n++;
    }
    if (r < 0)
        return r;
    point(ret, places);
    return 0;
}

void replica__event_batch_free(struct replica__event_batch *batch)
{
    replica__buf_free(&batch->text);
}

int replica__events_read(replica_db *db, int64_t *after, replica__emitted_fn fn, void *ctx,
                         replica_error *err)
{
    REPLICA_EVENT_BATCH batch = { .n = 0 };
    int r;

    do {
        r = replica__event_batch_read(db, *after, &batch, err);
        for (size_t i = 0; r >= 0 && i < batch.n; i++) {
            if (!fn(ctx, &batch.events[i]))
                return 1;
            *after = batch.events[i].number;
        }
    } while (r >= 0 && batch.n > 0);
    return r;
}
