/* A session in the test's hand: its beginning, its hooks, its time, its database. */
#include "tests/replicator/talk_short_support.h"

#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <stdlib.h>

#define OK(call)                                                                          \
    do {                                                                                  \
        int ok_ = (call);                                                                 \
        if (ok_ < 0)                                                                      \
            test_fail(__FILE__, __LINE__, "%s gave %s: %s: %s", #call,                    \
                      replica_error_name(ok_), test_err.where, test_err.message);         \
    } while (0)

#define MAX_STEPS 3000

/* ---- the hooks ------------------------------------------------------------------- */

static int post(void *ctx, replica__post_fn fn, void *arg)
{
    struct talk *t = ctx;

    CHECK(t->post_count < sizeof t->posts / sizeof *t->posts);
    t->posts[t->post_count++] = (struct talk_post){ fn, arg };
    return 0;
}

static void wake(void *ctx)
{
}

static void status(void *ctx, const replica_sync_status *s)
{
    struct talk *t = ctx;

    t->status = *s;
    t->statuses++;
}

static void event(void *ctx, const replica_sync_event *e)
{
    static const char *const kinds[] = { "?",        "received", "sent",
                                         "conflict", "rejected", "locked" };
    struct talk *t = ctx;

    talk_add_text(t->events, sizeof t->events, "%s %s", kinds[e->kind], e->id);
    if (e->rule)
        talk_add_text(t->events, sizeof t->events, " %s", e->rule);
    if (e->kind == REPLICA_EVENT_REJECTED)
        talk_add_text(t->events, sizeof t->events, " %d", e->code);
    talk_add_text(t->events, sizeof t->events, "; ");
}

static void error(void *ctx, const replica_error *e)
{
    struct talk *t = ctx;

    t->error = *e;
    t->errors++;
}

static bool ready(void *ctx)
{
    return !((struct talk *)ctx)->full;
}

/* ---- the beginning and the end ---------------------------------------------------- */

static void open_database(struct talk *t)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options o = REPLICA_COLLECTION_OPTIONS_INIT;

    handler.is_equal = t->o.is_equal;
    handler.resolve = t->o.resolve;
    handler.flags = t->o.handler_flags;
    handler.ctx = t;
    if (handler.resolve || handler.is_equal)
        o.handler = &handler;
    o.rules = t->o.rules;
    o.schema_json = t->o.schema;
    OK(replica_db_open(t->o.path ? t->o.path : tmp_path("test.db"), NULL, &t->db, &test_err));
    replica__db_set_world(t->db, &t->clock.world);
    for (int i = 0; i < (t->o.collections ? t->o.collections : 1); i++)
        OK(replica_db_collection(t->db, talk_names[i], &o, &t->colls[i], &test_err));
}

int talk_start(struct talk *t)
{
    const struct replica__session_options o = {
        .identifier = "r1",
        .collections = t->colls,
        .count = t->o.collections ? (size_t)t->o.collections : 1,
        .keys = t->o.keys,
        .push = !t->o.pull_only,
        .pull = !t->o.push_only,
        .live = !t->o.once,
        .rows = t->o.rows ? t->o.rows : 100,
        .bytes = 1 << 20,
        .paused = t->o.paused,
    };
    const replica_remote remote = talk_remote(t);

    t->hooks = (struct replica__session_hooks){ post, wake, status, event, error, ready, t };
    return replica__session_new(t->db, &o, &remote, &t->hooks, &t->session, &test_err);
}

struct talk *talk_begin(const struct talk_options *o)
{
    struct talk *t = calloc(1, sizeof *t);

    t->o = *o;
    clock_start(&t->clock, 1700000000000, 7);
    open_database(t);
    OK(talk_start(t));
    return t;
}

static void run_posts(struct talk *t, bool closing)
{
    for (size_t i = 0; i < t->post_count; i++)
        t->posts[i].fn(t->posts[i].arg, closing);
    t->post_count = 0;
}

void talk_stop(struct talk *t)
{
    int destroyed = t->destroyed;

    if (!t->session)
        return;
    replica__session_free(t->session);
    t->session = NULL;
    CHECK_INT(t->destroyed, destroyed + 1);
    run_posts(t, true);
}

static void finding(void *ctx, const char *where, const char *what)
{
    snprintf(ctx, 300, "%s: %s", where, what);
}

static void check_file(struct talk *t)
{
    char found[300] = "";

    fault_stop();
    OK(replica_check(t->db, finding, found, &test_err));
    CHECK_STR(found, "");
}

void talk_restart(struct talk *t)
{
    talk_stop(t);
    replica_db_close(t->db);
    open_database(t);
    OK(talk_start(t));
}

void talk_end(struct talk **at)
{
    struct talk *t = *at;

    talk_stop(t);
    check_file(t);
    replica_db_close(t->db);
    if (t->conflict)
        CHECK_RC(replica_conflict_fail(t->conflict, NULL, NULL), REPLICA_ECLOSED);
    if (t->earlier)
        CHECK_RC(replica_conflict_fail(t->earlier, NULL, NULL), REPLICA_ECLOSED);
    free(t);
}

/* ---- time ------------------------------------------------------------------------ */

void talk_run(struct talk *t)
{
    for (int i = 0; i < MAX_STEPS; i++) {
        bool again = replica__session_step(t->session);

        if (!t->away && t->post_count > 0) {
            run_posts(t, false);
            again = true;
        }
        if (!again && replica__session_next(t->session) > t->clock.monotonic_ms)
            return;
        if (!again && replica__session_next(t->session) < 0)
            return;
    }
    test_fail(__FILE__, __LINE__, "the session does not come to rest: %d pulls, %d pushes",
              t->pulls, t->pushes);
}

void talk_pass(struct talk *t, int64_t ms)
{
    clock_pass(&t->clock, ms);
    talk_run(t);
}

int64_t talk_wait_ms(struct talk *t)
{
    int64_t next = replica__session_next(t->session);

    return next < 0 ? -1 : next - t->clock.monotonic_ms;
}

void talk_next(struct talk *t)
{
    int64_t ms = talk_wait_ms(t);

    CHECK(ms >= 0);
    talk_pass(t, ms);
}

/* ---- the program ----------------------------------------------------------------- */

static replica_collection *collection(struct talk *t, const char *name)
{
    for (int i = 0; i < 3; i++) {
        if (name[0] && strcmp(talk_names[i], name) == 0)
            return t->colls[i];
    }
    return t->colls[0];
}

void talk_put(struct talk *t, const char *docs)
{
    while (*docs) {
        struct short_doc d;

        docs = talk_read_doc(docs, &d);
        if (d.deleted)
            CHECK_RC(replica_delete(collection(t, d.collection), d.id, REPLICA_ANY_REV, NULL,
                                    &test_err), 1);
        else
            OK(replica_upsert(collection(t, d.collection), d.json, REPLICA_NUL, NULL, &test_err));
    }
    replica__session_changed(t->session);
}

void talk_bundle(struct talk *t, const char *docs, bool firm)
{
    replica_bundle *bundle = NULL;

    OK(replica_bundle_begin(t->db, &bundle, &test_err));
    if (firm)
        OK(replica_bundle_set_firm(bundle, &test_err));
    while (*docs) {
        struct short_doc d;

        docs = talk_read_doc(docs, &d);
        OK(replica_bundle_put(bundle, collection(t, d.collection), d.json, REPLICA_NUL,
                              REPLICA_ANY_REV, &test_err));
    }
    OK(replica_bundle_commit(bundle, NULL, &test_err));
    replica__session_changed(t->session);
}

const char *talk_have(struct talk *t, const char *id)
{
    static char shown[300];
    struct short_doc d;
    replica_doc *doc = NULL;
    int r;

    talk_read_doc(id, &d);
    r = replica_get(collection(t, d.collection), d.id, &doc, &test_err);
    OK(r);
    if (r == 0)
        return "-";
    snprintf(shown, sizeof shown, "%s=", d.id);
    talk_show_value(shown, sizeof shown, replica_doc_json(doc, NULL), 200, false);
    replica_doc_unref(doc);
    return shown;
}

int talk_state(struct talk *t, const char *id)
{
    struct short_doc d;
    int state = -1;

    talk_read_doc(id, &d);
    OK(replica__doc_state(collection(t, d.collection), d.id, "r1", &state, &test_err));
    return state;
}

static int count_entry(void *ctx, const replica_conflict_entry *entry)
{
    ++*(int *)ctx;
    return 0;
}

int talk_logged(struct talk *t)
{
    int n = 0;

    OK(replica_conflict_log(t->db, NULL, 0, count_entry, &n, &test_err));
    return n;
}

static int show_rejected(void *ctx, const replica_rejected_entry *entry)
{
    talk_add_text(ctx, 2000, "%s %d; ", entry->id, entry->code);
    return 0;
}

const char *talk_rejected(struct talk *t)
{
    static char shown[2000];

    shown[0] = '\0';
    OK(replica_rejected(t->db, NULL, show_rejected, shown, &test_err));
    return shown;
}

void talk_forget_events(struct talk *t)
{
    t->events[0] = '\0';
}

/* ---- handlers -------------------------------------------------------------------- */

void talk_keep(void *ctx, replica_conflict *c)
{
    struct talk *t = ctx;

    t->conflicts++;
    CHECK(!t->earlier);
    t->earlier = t->conflict;
    t->conflict = c;
}

void talk_use_local(void *ctx, replica_conflict *c)
{
    ((struct talk *)ctx)->conflicts++;
    OK(replica_conflict_use(c, replica_conflict_local(c), &test_err));
}

void talk_use_real(void *ctx, replica_conflict *c)
{
    ((struct talk *)ctx)->conflicts++;
    OK(replica_conflict_use(c, replica_conflict_real(c), &test_err));
}

static int value_of(replica_doc *doc)
{
    const char *v = doc && !replica_doc_deleted(doc) ? strstr(replica_doc_json(doc, NULL), "\"v\":")
                                                     : NULL;

    return v ? atoi(v + 4) : 0;
}

void talk_add(void *ctx, replica_conflict *c)
{
    char json[200];
    int sum = value_of(replica_conflict_real(c)) + value_of(replica_conflict_local(c)) -
              value_of(replica_conflict_assumed(c));

    ((struct talk *)ctx)->conflicts++;
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"v\":%d}", replica_conflict_id(c), sum);
    OK(replica_conflict_use_json(c, json, REPLICA_NUL, &test_err));
}
