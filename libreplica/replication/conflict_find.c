/* Reading the conflict log: entries one by one, and a filter over them. */
#include "base/options.h"
#include "libreplica/collection.h"
#include "libreplica/keys/pattern.h"
#include "libreplica/replication/conflict_log.h"

#include <string.h>

void replica__log_entry_free(struct replica__log_entry *e)
{
    replica_doc_unref(e->shown.assumed);
    replica_doc_unref(e->shown.real);
    replica_doc_unref(e->shown.local);
    replica_doc_unref(e->shown.result);
    replica__free(e->id);
    replica__free(e->replication);
    replica__free(e->rule);
}

int replica__replication_name(replica_db *db, int64_t number, char **ret_name, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_row(db, REPLICA__SQL_REPL_NAME, &stmt, err, number);

    if (r < 0)
        return r;
    *ret_name = replica__strdup(r > 0 ? (const char *)sqlite3_column_text(stmt, 0) : "");
    return *ret_name ? 0 : replica__enomem(err);
}

/* The row that the statement stands on; replication: whose it is. */
static int read_row(sqlite3_stmt *stmt, struct replica__log_entry *e, int64_t *ret_replication,
                    replica_error *err)
{
    e->shown.number = sqlite3_column_int64(stmt, 0);
    *ret_replication = sqlite3_column_int64(stmt, 1);
    e->coll = sqlite3_column_int64(stmt, 2);
    e->id = replica__strdup((const char *)sqlite3_column_text(stmt, 3));
    e->shown.time_ms = sqlite3_column_int64(stmt, 4);
    e->rule = replica__strdup((const char *)sqlite3_column_text(stmt, 5));
    for (int i = 0; i < 4; i++)
        e->kept[i] = sqlite3_column_int64(stmt, 6 + i);
    return e->id && e->rule ? 0 : replica__enomem(err);
}

int replica__log_next(replica_db *db, int64_t after, int64_t coll, const char *id,
                      struct replica__log_entry *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int64_t replication;
    int rc = SQLITE_OK;
    int r = replica__sql_get(db, id ? REPLICA__SQL_LOG_OF_DOC : REPLICA__SQL_LOG_LIST, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, after, &rc);
    if (id) {
        replica__bind_int(stmt, 2, coll, &rc);
        replica__bind_text(stmt, 3, id, REPLICA_NUL, &rc);
    }
    r = replica__sql_step(db, stmt, rc, err);
    if (r <= 0)
        return r;
    r = read_row(stmt, ret, &replication, err);
    replica__sql_reset(&stmt);
    if (r >= 0)
        r = replica__collection_name(db, ret->coll, ret->collection, err);
    if (r >= 0)
        r = replica__replication_name(db, replication, &ret->replication, err);
    if (r < 0)
        return r;
    ret->shown.collection = ret->collection;
    ret->shown.id = ret->id;
    ret->shown.rule = ret->rule;
    ret->shown.replication = ret->replication;
    return 1;
}

int replica__log_states(replica_db *db, struct replica__log_entry *e, replica_error *err)
{
    replica_doc **docs[] = { &e->shown.assumed, &e->shown.real, &e->shown.local, &e->shown.result };
    int r = 0;

    for (int i = 0; r >= 0 && i < 4; i++)
        r = replica__kept_doc(db, e->collection, e->id, e->kept[i], docs[i], err);
    return r;
}

/* ---- filters --------------------------------------------------------------------- */

int replica__log_filter(replica_db *db, const replica_conflict_filter *given,
                        replica_conflict_filter *ret, replica_error *err)
{
    struct replica__pattern pattern;
    int r = replica__options(given, given ? given->size : 0, ret, sizeof *ret, err);

    if (r >= 0 && ((ret->coll && ret->coll->db != db) || ret->from_ms < 0 || ret->to_ms < 0))
        r = replica__error_set(err, REPLICA_EINVAL, 0,
                               "another database's collection, or a time below zero");
    return r < 0 || !ret->keys ? r : replica__pattern_parse(&pattern, ret->keys, err);
}

static bool is_it(const char *wanted, const char *is)
{
    return !wanted || strcmp(wanted, is) == 0;
}

bool replica__log_matches(const replica_conflict_filter *f, const struct replica__log_entry *e)
{
    struct replica__pattern pattern;

    return (!f->coll || f->coll->number == e->coll) && e->shown.number > f->after &&
           e->shown.time_ms >= f->from_ms && (!f->to_ms || e->shown.time_ms < f->to_ms) &&
           is_it(f->id, e->id) && is_it(f->rule, e->rule) &&
           is_it(f->replication, e->replication) &&
           (!f->keys || (replica__pattern_parse(&pattern, f->keys, NULL) >= 0 &&
                         replica__pattern_matches(&pattern, e->id, strlen(e->id))));
}

/* ---- the program's calls --------------------------------------------------------- */

int replica_conflict_find(replica_db *db, const replica_conflict_filter *filter,
                          int (*fn)(void *ctx, const replica_conflict_entry *entry), void *ctx,
                          replica_error *err)
{
    replica_conflict_filter f;
    int64_t after;
    int r;

    if (!db || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no function");
    r = replica__log_filter(db, filter, &f, err);
    after = f.after;
    while (r == 0) {
        REPLICA_LOG_ENTRY e = { .kept = { 0 } };

        r = replica__log_next(db, after, f.coll ? f.coll->number : 0, f.coll ? f.id : NULL, &e,
                              err);
        if (r <= 0)
            return r;
        after = e.shown.number;
        r = 0;
        if (!replica__log_matches(&f, &e))
            continue;
        r = replica__log_states(db, &e, err);
        if (r >= 0)
            r = fn(ctx, &e.shown);
    }
    return r;
}

int replica_conflict_log(replica_db *db, replica_collection *coll, int64_t after,
                         int (*fn)(void *ctx, const replica_conflict_entry *entry), void *ctx,
                         replica_error *err)
{
    replica_conflict_filter filter = REPLICA_CONFLICT_FILTER_INIT;

    filter.coll = coll;
    filter.after = after;
    return replica_conflict_find(db, &filter, fn, ctx, err);
}
