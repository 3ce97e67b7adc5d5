/* The list of replications, for those who want to know what is not on a server yet. */
#include "base/json.h"
#include "libreplica/replication/replication.h"
#include "libreplica/store.h"

#include <string.h>

struct entry {
    replica_replication_entry shown;
    replica_error error;
    replica_running running;
    char *identifier, *collections, *checkpoint, *keys, *filter;
};

static void entry_free(struct entry *e)
{
    replica__free(e->identifier);
    replica__free(e->collections);
    replica__free(e->checkpoint);
    replica__free(e->keys);
    replica__free(e->filter);
}

/* NULL stays NULL. */
static char *take_text(sqlite3_stmt *stmt, int column, bool *failed)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    char *copy = replica__strdup(text);

    *failed |= !copy && sqlite3_column_type(stmt, column) != SQLITE_NULL;
    return copy;
}

static int read_error(sqlite3_stmt *stmt, int column, struct entry *e, replica_error *err)
{
    const char *json = (const char *)sqlite3_column_text(stmt, column);
    int r;

    if (!json)
        return sqlite3_column_type(stmt, column) == SQLITE_NULL ? 0 : replica__enomem(err);
    r = replica__note_read_error(json, &e->error, &e->shown.error_ms, err);
    if (r >= 0)
        e->shown.error = &e->error;
    return r;
}

static int read_row(sqlite3_stmt *stmt, struct entry *e, replica_error *err)
{
    replica_replication_entry *shown = &e->shown;
    bool failed = false;

    e->identifier = take_text(stmt, 0, &failed);
    e->collections = take_text(stmt, 1, &failed);
    e->keys = take_text(stmt, 10, &failed);
    e->filter = take_text(stmt, 11, &failed);
    e->checkpoint = take_text(stmt, 12, &failed);
    if (failed)
        return replica__enomem(err);
    shown->identifier = e->identifier;
    shown->collections = e->collections ? e->collections : "";
    shown->checkpoint = e->checkpoint;
    shown->keys = e->keys;
    shown->filter = e->filter;
    shown->started_ms = sqlite3_column_int64(stmt, 2);
    shown->dirty = sqlite3_column_int64(stmt, 3);
    shown->unsettled = sqlite3_column_int64(stmt, 4);
    shown->rejected = sqlite3_column_int64(stmt, 5);
    shown->synced_ms = sqlite3_column_int64(stmt, 7);
    shown->synced_head = sqlite3_column_int64(stmt, 8);
    shown->in_sync = shown->synced_ms && !shown->dirty && !shown->unsettled &&
                     sqlite3_column_type(stmt, 9) == SQLITE_NULL && !sqlite3_column_int(stmt, 13);
    return read_error(stmt, 9, e, err);
}

/* Members that are not there are of another version of the library: 0. */
static void read_running(const char *json, struct entry *e)
{
    const struct replica__json_value v = replica__json_value(json, strlen(json));
    replica_running *running = &e->running;
    int64_t state = 0, streaming = 0;
    const struct {
        const char *name;
        int64_t *to;
    } members[] = {
        { "told", &running->told_ms },
        { "state", &state },
        { "streaming", &streaming },
        { "pulled", &running->pulled },
        { "pushed", &running->pushed },
        { "bytesDown", &running->bytes_down },
        { "bytesUp", &running->bytes_up },
        { "pullDone", &running->pull_done },
        { "pullRemaining", &running->pull_remaining },
        { "pushDone", &running->push_done },
        { "pushRemaining", &running->push_remaining },
        { "retry", &running->retry_ms },
    };

    if (replica__json_check(json, strlen(json), NULL, NULL) < 0)
        return;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        replica__json_int(replica__json_member(v, members[i].name, REPLICA_NUL), members[i].to);
    running->state = (int)state;
    running->streaming = (int)streaming;
    e->shown.running = running;
}

/* The entry behind the one called `after`: 1; 0: there is none.  The statement is closed with this
 * function, for fn may use the database. */
static int next(replica_db *db, const char *after, struct entry *e, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    char shown[REPLICA__SHOWN];
    int64_t number;
    int r = replica__sql_row_text(db, REPLICA__SQL_REPL_NEXT, &stmt, err, after, REPLICA_NUL);

    if (r <= 0)
        return r;
    r = read_row(stmt, e, err);
    number = sqlite3_column_int64(stmt, 6);
    replica__sql_reset(&stmt);
    if (r >= 0)
        r = replica__lease_runs(db, number, shown, err);
    if (r < 0)
        return r;
    e->shown.runs = r;
    if (r > 0 && shown[0])
        read_running(shown, e);
    return 1;
}

int replica_replications(replica_db *db,
                         int (*fn)(void *ctx, const replica_replication_entry *entry), void *ctx,
                         replica_error *err)
{
    struct entry entries[2] = { { .identifier = NULL }, { .identifier = NULL } };
    size_t at = 0;
    bool more;
    int r;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    do {
        struct entry *last = &entries[at], *e = &entries[!at];

        *e = (struct entry){ .identifier = NULL };
        r = next(db, last->identifier ? last->identifier : "", e, err);
        entry_free(last);
        at = !at;
        more = r > 0;
        if (more)
            r = fn(ctx, &e->shown);
    } while (more && r == 0);
    entry_free(&entries[at]);
    return r;
}
