/* Reconciliation, as the client's file has it: what is known of the server's documents, by ranges
 * of keys, and how far the comparison is.
 *
 * Known is what the server has as far as this replication knows: the newest state of it that came
 * or was taken, live, and shown by the endpoint of this version.  What is here and was never there
 * is not known, nor is what the server has lost: both are pushed. */
#include "libreplica/replication/reconcile.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/pull.h"
#include "libreplica/replication/range.h"
#include "libreplica/store.h"
#include "libreplica/txn.h"

#include <string.h>

/* ---- the progress ----------------------------------------------------------------- */

void replica__reconcile_free(struct replica__reconcile *progress)
{
    replica__free(progress->head);
    replica__free(progress->after);
    *progress = (struct replica__reconcile){ .why = "" };
}

void replica__reconcile_anew(struct replica__reconcile *progress)
{
    if (strcmp(progress->why, "texts") == 0)
        memcpy(progress->why, "view", sizeof "view");
}

/* Whose collections are counted. */
static void print_collections(const struct replica__feed *feed, struct replica__buf *out)
{
    replica__buf_str(out, ",\"of\":[");
    for (size_t i = 0; i < feed->n; i++)
        replica__buf_printf(out, "%s%lld", i ? "," : "", (long long)feed->colls[i]->number);
    replica__buf_char(out, ']');
}

/* feed NULL: it has yet to begin. */
static int print(const struct replica__feed *feed, const struct replica__reconcile *progress,
                 struct replica__buf *out, replica_error *err)
{
    replica__buf_str(out, "{\"why\":");
    replica__buf_json_string(out, progress->why, strlen(progress->why));
    if (progress->head) {
        replica__buf_str(out, ",\"head\":");
        replica__buf_str(out, progress->head);
    }
    if (progress->collection > 0) {
        replica__buf_str(out, ",\"collection\":");
        replica__buf_int(out, (int64_t)progress->collection);
    }
    if (progress->after) {
        replica__buf_str(out, ",\"after\":");
        replica__buf_json_string(out, progress->after, strlen(progress->after));
    }
    if (feed)
        print_collections(feed, out);
    replica__buf_char(out, '}');
    return out->r < 0 ? replica__enomem(err) : 0;
}

/* It was made with these collections, in this order.  1, 0. */
static int is_of(const struct replica__feed *feed, const char *text, replica_error *err)
{
    struct replica__json_value of = replica__json_member(replica__json_value(text, strlen(text)),
                                                         "of", 2);
    REPLICA_BUF now = REPLICA_BUF_INIT;

    print_collections(feed, &now);
    if (now.r < 0)
        return replica__enomem(err);
    return of.type == REPLICA_JSON_ARRAY && now.len == of.text.len + strlen(",\"of\":") &&
           memcmp(now.data + strlen(",\"of\":"), of.text.data, of.text.len) == 0;
}

/* NULL if it is none, or without memory. */
static char *read_string(struct replica__json_value v)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (v.type != REPLICA_JSON_STRING)
        return NULL;
    replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    return text.r < 0 ? NULL : replica__strndup(text.data ? text.data : "", text.len);
}

/* What is no progress begins at the beginning. */
static int parse(const char *text, struct replica__reconcile *ret, replica_error *err)
{
    struct replica__reconcile p = { .why = "" };
    struct replica__json_value v, why, head, after;
    int64_t collection = 0;

    if (replica__json_check(text, strlen(text), NULL, NULL) < 0)
        text = "{}";
    v = replica__json_value(text, strlen(text));
    if (v.type != REPLICA_JSON_OBJECT)
        v = replica__json_value("{}", 2);
    why = replica__json_member(v, "why", 3);
    head = replica__json_member(v, "head", 4);
    after = replica__json_member(v, "after", 5);
    if (why.type == REPLICA_JSON_STRING && why.text.len - 2 < sizeof p.why) {
        memcpy(p.why, why.text.data + 1, why.text.len - 2);
        p.why[why.text.len - 2] = '\0';
    }
    if (replica__json_int(replica__json_member(v, "collection", 10), &collection) &&
        collection > 0)
        p.collection = (size_t)collection;
    if (head.type == REPLICA_JSON_OBJECT)
        p.head = replica__strndup(head.text.data, head.text.len);
    p.after = read_string(after);
    if ((head.type == REPLICA_JSON_OBJECT && !p.head) ||
        (after.type == REPLICA_JSON_STRING && !p.after)) {
        replica__reconcile_free(&p);
        return replica__enomem(err);
    }
    *ret = p;
    return 0;
}

int replica__reconcile_get(struct replica__replication *repl, size_t feed,
                           struct replica__reconcile *ret, replica_error *err)
{
    struct replica__reconcile progress = { .why = "" };
    const char *text = repl->feeds[feed].reconcile;
    int r;

    if (!text)
        return 0;
    r = parse(text, &progress, err);
    if (r >= 0 && (progress.head || progress.after || progress.collection)) {
        r = is_of(&repl->feeds[feed], text, err);
        if (r <= 0) { /* others were added, or went: all over again */
            replica__free(progress.head);
            replica__free(progress.after);
            progress.head = progress.after = NULL;
            progress.collection = 0;
            replica__reconcile_anew(&progress);
        }
    }
    if (r < 0) {
        replica__reconcile_free(&progress);
        return r;
    }
    *ret = progress;
    return 1;
}

int replica__reconcile_want(struct replica__replication *repl, const char *why, replica_error *err)
{
    struct replica__reconcile progress = { .why = "" };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r;

    sqlite3_snprintf(sizeof progress.why, progress.why, "%s", why);
    r = print(NULL, &progress, &text, err);
    if (r >= 0)
        r = replica__sql_get(repl->db, REPLICA__SQL_FEED_RECONCILE_ALL, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_text(stmt, 2, text.data, text.len, &rc);
    return replica__sql_step(repl->db, stmt, rc, err);
}

int replica__reconcile_put(struct replica__replication *repl, size_t feed,
                           const struct replica__reconcile *progress, replica_error *err)
{
    return replica__reconcile_apply(repl, feed, NULL, 0, NULL, progress, err);
}

int replica__reconcile_apply(struct replica__replication *repl, size_t feed,
                             struct replica__pulled *docs, size_t n, const char *incarnation,
                             const struct replica__reconcile *progress, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r = print(&repl->feeds[feed], progress, &text, err);

    if (r < 0)
        return r;
    return replica__pull_page(repl, feed,
                              &(struct replica__pull_page){
                                  .docs = docs,
                                  .n = n,
                                  .incarnation = incarnation,
                                  .reconciles = true,
                                  .reconcile = text.data,
                                  .begins = !progress->head,
                              },
                              err);
}

int replica__reconcile_end(struct replica__replication *repl, size_t feed, bool whole,
                           replica_error *err)
{
    struct replica__reconcile progress = { .why = "" };
    int r = replica__reconcile_get(repl, feed, &progress, err);

    if (r > 0)
        r = replica__pull_page(repl, feed,
                               &(struct replica__pull_page){
                                   .checkpoint = whole ? progress.head : NULL,
                                   .reconciles = true,
                               },
                               err);
    replica__reconcile_free(&progress);
    return r;
}

/* ---- what is known ---------------------------------------------------------------- */

int replica__known_any(struct replica__replication *repl, size_t feed, replica_error *err)
{
    const struct replica__feed *f = &repl->feeds[feed];

    for (size_t i = 0; i < f->n; i++) {
        int r = replica__sql_run(repl->db, REPLICA__SQL_KNOWN_ANY, err, repl->number,
                                 f->colls[i]->number, replica__endpoint_version(repl, f->colls[i]));

        if (r != 0)
            return r;
    }
    return 0;
}

static int find(struct replica__replication *repl, const struct replica__key_range *range,
                sqlite3_stmt **stmt, replica_error *err)
{
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_KNOWN_RANGE, stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(*stmt, 1, repl->number, &rc);
    replica__bind_int(*stmt, 2, range->coll->number, &rc);
    replica__bind_int(*stmt, 3, replica__endpoint_version(repl, range->coll), &rc);
    replica__bind_text(*stmt, 4, range->after ? range->after : "", REPLICA_NUL, &rc);
    replica__bind_text(*stmt, 5, range->to, REPLICA_NUL, &rc);
    replica__bind_int(*stmt, 6, range->texts, &rc);
    return rc == SQLITE_OK ? 0 : replica__sql_error(repl->db, rc, err);
}

static struct replica__slice column(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);

    return (struct replica__slice){ text, (size_t)sqlite3_column_bytes(stmt, i) };
}

/* Of the row that the statement stands on. */
static int digest_row(sqlite3_stmt *stmt, const struct replica__key_range *range,
                      struct replica__digest *ret, replica_error *err)
{
    struct replica__slice id = column(stmt, 0), text;

    if (!id.data)
        return replica__enomem(err);
    if (!range->texts) {
        *ret = replica__digest_number(id.data, id.len, sqlite3_column_int64(stmt, 1));
        return 0;
    }
    text = column(stmt, 2);
    if (!text.data)
        return replica__enomem(err);
    *ret = replica__digest_text(id.data, id.len, text.data, text.len);
    return 0;
}

/* It ends where there are more than the server has: what is here may be much. */
int replica__known_differs(struct replica__replication *repl,
                           const struct replica__key_range *range, int64_t count, const char *hex,
                           size_t len, replica_error *err)
{
    struct replica__digest theirs, ours = { 0, 0 };
    REPLICA_STMT stmt = NULL;
    int64_t n = 0;
    int r;

    if (!replica__digest_parse(hex, len, &theirs))
        return replica__error_set(err, REPLICA_EHTTP, 200, "a digest that is none");
    r = find(repl, range, &stmt, err);
    while (r >= 0 && (r = replica__sql_step(repl->db, stmt, SQLITE_OK, err)) > 0) {
        struct replica__digest one;

        if (++n > count)
            return 1;
        r = digest_row(stmt, range, &one, err);
        if (r >= 0)
            replica__digest_add(&ours, one);
    }
    return r < 0 ? r : n != count || !replica__digest_equal(ours, theirs);
}

static int read_known(struct replica__replication *repl, sqlite3_stmt *stmt,
                      const struct replica__key_range *range, struct replica__known *ret,
                      replica_error *err)
{
    struct replica__known k = { .sequence = sqlite3_column_int64(stmt, 1) };
    struct replica__slice id = column(stmt, 0);
    struct replica__digest digest;
    int r = digest_row(stmt, range, &digest, err);

    if (r < 0)
        return r;
    if (range->texts)
        replica__digest_hex(digest, k.hex);
    k.outside = !replica__replication_has_key(repl, id.data, id.len);
    k.id = replica__strndup(id.data, id.len);
    if (!k.id)
        return replica__enomem(err);
    *ret = k;
    return 0;
}

int replica__known_list(struct replica__replication *repl, const struct replica__key_range *range,
                        struct replica__known *ret, size_t n, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    size_t count = 0;
    int r = find(repl, range, &stmt, err);

    while (r >= 0 && count < n && (r = replica__sql_step(repl->db, stmt, SQLITE_OK, err)) > 0) {
        r = read_known(repl, stmt, range, &ret[count], err);
        count += r >= 0;
    }
    if (r >= 0)
        return (int)count;
    for (size_t i = 0; i < count; i++) {
        replica__free(ret[i].id);
        ret[i].id = NULL;
    }
    return r;
}

/* ---- who begins ------------------------------------------------------------------- */

int64_t replica__feed_fresh(const struct replica__replication *repl, size_t feed)
{
    return repl->feeds[feed].fresh;
}

void replica__feed_set_fresh(struct replica__replication *repl, size_t feed, int64_t number)
{
    repl->feeds[feed].fresh = number;
}

int replica__feed_is_empty(struct replica__replication *repl, size_t feed, replica_error *err)
{
    const struct replica__feed *f = &repl->feeds[feed];

    for (size_t i = 0; i < f->n; i++) {
        int r = replica__sql_run(repl->db, REPLICA__SQL_COLL_TOUCHED, err, f->colls[i]->number);

        if (r != 0)
            return r < 0 ? r : 0;
    }
    return 1;
}
