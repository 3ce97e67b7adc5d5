#include "tests/support/store.h"

#include "base/alloc.h"
#include "libreplica/sql.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define OK(call)                                                                          \
    do {                                                                                  \
        int ok_ = (call);                                                                 \
        if (ok_ < 0)                                                                      \
            test_fail(__FILE__, __LINE__, "%s gave %s: %s: %s", #call,                    \
                      replica_error_name(ok_), test_err.where, test_err.message);         \
    } while (0)

/* ---- databases ------------------------------------------------------------------- */

struct store store_open(const char *path, const replica_db_options *opts)
{
    struct store s = { .path = path };

    OK(replica_db_open(path, opts, &s.db, &test_err));
    OK(replica_db_collection(s.db, "notes", NULL, &s.coll, &test_err));
    return s;
}

struct store store_empty(void)
{
    return store_open(tmp_path("test.db"), NULL);
}

struct store store_memory(void)
{
    return store_open(":memory:", NULL);
}

struct store store_with(const char *json)
{
    struct store s = store_empty();

    store_put(&s, json);
    return s;
}

void store_close(struct store *s)
{
    s->shown = replica_doc_unref(s->shown);
    replica__replication_close(s->repl);
    s->repl = NULL;
    replica_db_close(s->db);
    s->db = NULL;
}

void store_reopen(struct store *s)
{
    bool replicated = s->repl != NULL;

    store_close(s);
    *s = store_open(s->path, NULL);
    if (replicated)
        store_replicate(s, "r1");
}

void store_put(struct store *s, const char *json)
{
    OK(replica_upsert(s->coll, json, REPLICA_NUL, NULL, &test_err));
}

void store_delete(struct store *s, const char *id)
{
    CHECK_RC(replica_delete(s->coll, id, REPLICA_ANY_REV, NULL, &test_err), 1);
}

static replica_doc *show(struct store *s, const char *id)
{
    replica_doc *doc = NULL;

    OK(replica_get(s->coll, id, &doc, &test_err));
    replica_doc_unref(s->shown);
    s->shown = doc;
    return doc;
}

const char *store_json(struct store *s, const char *id)
{
    replica_doc *doc = show(s, id);

    return doc ? replica_doc_json(doc, NULL) : NULL;
}

const char *store_rev(struct store *s, const char *id)
{
    replica_doc *doc = show(s, id);

    return doc ? replica_doc_rev(doc) : NULL;
}

static void finding(void *ctx, const char *where, const char *what)
{
    snprintf(ctx, 300, "%s: %s", where, what);
}

void store_prepare(replica_db *db)
{
    for (int i = 0; i < REPLICA__SQL_COUNT; i++) {
        REPLICA_STMT stmt = NULL;

        OK(replica__sql_get(db, (enum replica__sql)i, &stmt, &test_err));
    }
}

void store_sound(struct store *s)
{
    char found[300] = "";

    OK(replica_check(s->db, finding, found, &test_err));
    CHECK_STR(found, "");
}

/* ---- the file -------------------------------------------------------------------- */

static sqlite3 *look_into(struct store *s)
{
    sqlite3 *sqlite = NULL;

    if (sqlite3_open(s->path, &sqlite) != SQLITE_OK)
        test_fail(__FILE__, __LINE__, "cannot open %s", s->path);
    sqlite3_busy_timeout(sqlite, 5000);
    return sqlite;
}

int64_t store_sql_int(struct store *s, const char *sql)
{
    sqlite3 *sqlite = look_into(s);
    sqlite3_stmt *stmt = NULL;
    int64_t value;

    if (sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        test_fail(__FILE__, __LINE__, "%s: %s", sql, sqlite3_errmsg(sqlite));
    value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(sqlite);
    return value;
}

void store_sql(struct store *s, const char *sql)
{
    sqlite3 *sqlite = look_into(s);

    if (sqlite3_exec(sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", sql, sqlite3_errmsg(sqlite));
    sqlite3_close(sqlite);
}

int store_words(const char *word)
{
    static const char *const names[] = { "test.db", "test.db-wal" };
    size_t len = strlen(word);
    int n = 0;

    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(tmp_path(names[i]), "rb");
        char window[64] = { 0 };
        int c;

        while (f && (c = getc(f)) != EOF) {
            memmove(window, window + 1, len - 1);
            window[len - 1] = (char)c;
            n += memcmp(window, word, len) == 0;
        }
        if (f)
            fclose(f);
    }
    return n;
}

int64_t store_size(struct store *s)
{
    char wal[512];
    struct stat about;
    int64_t size = 0;

    snprintf(wal, sizeof wal, "%s-wal", s->path);
    if (stat(s->path, &about) == 0)
        size += about.st_size;
    if (stat(wal, &about) == 0)
        size += about.st_size;
    return size;
}

/* ---- pulling --------------------------------------------------------------------- */

void store_replicate(struct store *s, const char *name)
{
    bool same;

    replica__replication_close(s->repl);
    s->repl = NULL;
    OK(replica__replication_open(s->db, name, &s->coll, 1, &s->repl, &test_err));
    OK(replica__lease_take(s->repl, &same, &test_err));
    OK(replica__replication_feeds(s->repl, true, &test_err));
}

struct store store_replicated(void)
{
    struct store s = store_empty();

    store_replicate(&s, "r1");
    return s;
}

void store_scan(struct store *s, const struct come *c, struct replica__pulled *ret)
{
    struct replica__json_limits limits;
    size_t max_key, pos = 0;

    *ret = (struct replica__pulled){ .coll = s->coll,
                                     .deleted = c->deleted,
                                     .sequence = c->sequence,
                                     .stamp = c->stamp,
                                     .writer = c->writer,
                                     .problem = c->problem };
    if (c->problem) {
        ret->doc.text = (struct replica__slice){ c->json, strlen(c->json) };
        ret->reason = "a problem";
        return;
    }
    replica__db_limits(s->db, &limits, &max_key);
    OK(replica__json_scan(c->json, strlen(c->json), &pos, "id", &limits, &ret->doc, &test_err));
}

int store_pull_as(struct store *s, const char *incarnation, const char *checkpoint,
                  struct come *docs, size_t n)
{
    struct replica__pulled *pulled = calloc(n ? n : 1, sizeof *pulled);
    int r;

    for (size_t i = 0; i < n; i++)
        store_scan(s, &docs[i], &pulled[i]);
    r = replica__pull_apply(s->repl, 0, pulled, n, incarnation, checkpoint, &test_err);
    for (size_t i = 0; i < n; i++) {
        docs[i].outcome = pulled[i].outcome;
        replica__free(pulled[i].id);
    }
    free(pulled);
    return r;
}

int store_pull(struct store *s, const char *checkpoint, struct come *docs, size_t n)
{
    return store_pull_as(s, "inc", checkpoint, docs, n);
}

int store_pull_one(struct store *s, const char *json, int64_t sequence)
{
    struct come doc = { .json = json, .sequence = sequence };

    OK(store_pull(s, NULL, &doc, 1));
    return doc.outcome;
}

int store_pull_gone(struct store *s, const char *id, int64_t sequence, int why)
{
    struct replica__pulled doc;
    char json[100];
    int outcome;

    snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
    store_scan(s, &(struct come){ .json = json, .sequence = sequence }, &doc);
    doc.gone = why;
    OK(replica__pull_apply(s->repl, 0, &doc, 1, "inc", NULL, &test_err));
    outcome = doc.outcome;
    replica__free(doc.id);
    return outcome;
}

void store_clean(struct store *s, const char *json, int64_t sequence)
{
    CHECK_INT(store_pull_one(s, json, sequence), REPLICA__PULLED_WRITTEN);
}

/* ---- pushing --------------------------------------------------------------------- */

int store_push(struct store *s, struct replica__push_page *page)
{
    int r;

    replica__push_page_free(page);
    r = replica__push_next(s->repl, 0, 100, 1 << 20, page, &test_err);
    return r < 0 ? r : (int)page->n;
}

int store_push_again(struct store *s, struct replica__push_page *page)
{
    replica__push_again(s->repl, 0, true);
    return store_push(s, page);
}

int store_judge(struct store *s, const struct replica__push_page *page, int verdict,
                int64_t sequence, const char *real)
{
    struct replica__verdict *verdicts = calloc(page->n ? page->n : 1, sizeof *verdicts);
    int r;

    for (size_t i = 0; i < page->n; i++) {
        verdicts[i].verdict = verdict;
        verdicts[i].sequence = sequence ? sequence + (int64_t)i : 0;
        if (real)
            store_scan(s, &(struct come){ .json = real, .sequence = sequence }, &verdicts[i].real);
        if (verdict == REPLICA_VERDICT_REFUSED) {
            verdicts[i].code = 422;
            verdicts[i].reason = "no";
        }
    }
    r = replica__push_apply(s->repl, 0, page, verdicts, "inc", NULL, &test_err);
    free(verdicts);
    return r;
}

void store_push_all(struct store *s, int64_t sequence)
{
    PAGE page = { 0 };
    int n;

    replica__push_again(s->repl, 0, true);
    while ((n = store_push(s, &page)) > 0) {
        OK(store_judge(s, &page, REPLICA_VERDICT_TAKEN, sequence, NULL));
        sequence += n;
    }
    OK(n);
}

/* ---- settling -------------------------------------------------------------------- */

struct replica__unsettled store_question(struct store *s)
{
    struct replica__unsettled u = { 0 };

    CHECK_RC(replica__unsettled_next(s->repl, -1, &u, 1, &test_err), 1);
    return u;
}

void store_question_free(struct replica__unsettled *u)
{
    replica__unsettled_free(u, 1);
}

bool store_settle(struct store *s, const struct replica__unsettled *u, int how, const char *json,
                  const char *rule)
{
    struct replica__settled answer = { .of = u,
                                       .how = how,
                                       .json = json,
                                       .len = json ? strlen(json) : 0,
                                       .rule = rule,
                                       .code = REPLICA_EUSER,
                                       .reason = "gave up" };

    OK(replica__settle(s->repl, &answer, 1, &test_err));
    return answer.done;
}

int store_state(struct store *s, const char *id)
{
    int state = -1;

    OK(replica__doc_state(s->coll, id, "r1", &state, &test_err));
    return state;
}
