#include "tests/replicator/talk_support.h"

#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/tmp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define OK(call)                                                                          \
    do {                                                                                  \
        int ok_ = (call);                                                                 \
        if (ok_ < 0)                                                                      \
            test_fail(__FILE__, __LINE__, "%s gave %s: %s: %s", #call,                    \
                      replica_error_name(ok_), test_err.where, test_err.message);         \
    } while (0)

#define MAX_DOCS 300
#define MAX_STEPS 3000

static const char *const names[] = { "notes", "tasks", "lists" };

static void add(char *to, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *to, size_t room, const char *format, ...)
{
    size_t len = strlen(to);
    va_list args;

    va_start(args, format);
    vsnprintf(to + len, room - len, format, args);
    va_end(args);
}

/* ---- documents, written shortly --------------------------------------------------- */

struct short_doc {
    char collection[200], id[200], json[500];
    bool deleted;
    int64_t sequence;
};

static const char *read_doc(const char *at, struct short_doc *ret)
{
    char text[200] = "", *name = text, *mark;
    size_t len = strcspn(at, " ");

    *ret = (struct short_doc){ 0 };
    snprintf(text, sizeof text, "%.*s", (int)len, at);
    mark = strchr(text, '@');
    if (mark) {
        ret->sequence = atoll(mark + 1);
        *mark = '\0';
    }
    mark = strchr(text, '/');
    if (mark) {
        *mark = '\0';
        snprintf(ret->collection, sizeof ret->collection, "%s", text);
        name = mark + 1;
    }
    ret->deleted = *name == '-';
    name += ret->deleted;
    mark = strchr(name, '=');
    if (mark)
        *mark = '\0';
    snprintf(ret->id, sizeof ret->id, "%s", name);
    if (mark)
        snprintf(ret->json, sizeof ret->json, "{\"id\":\"%s\",\"v\":%s}", name, mark + 1);
    else
        snprintf(ret->json, sizeof ret->json, "{\"id\":\"%s\"}", name);
    return at + len + strspn(at + len, " ");
}

static size_t read_docs(const char *text, struct short_doc *docs, size_t room)
{
    size_t n = 0;

    while (text && *text) {
        CHECK(n < room);
        text = read_doc(text, &docs[n++]);
    }
    return n;
}

/* The value of "v", or the whole text. */
static void show_value(char *to, size_t room, const char *json, size_t len, bool deleted)
{
    const char *v = strstr(json, "\"v\":");

    if (deleted)
        add(to, room, "-");
    else if (v)
        add(to, room, "%.*s", (int)strcspn(v + 4, ",}"), v + 4);
    else
        add(to, room, "%.*s", (int)len, json);
}

/* ---- the remote ------------------------------------------------------------------ */

static int started(struct talk *t, replica_call **place, replica_call *call)
{
    if (t->refuse_start < 0)
        return t->refuse_start;
    CHECK(!*place);
    *place = call;
    if (t->inside)
        t->inside(t, call);
    return 0;
}

static int hello(void *ctx, replica_call *call)
{
    struct talk *t = ctx;
    int r;

    t->hellos++;
    r = started(t, &t->hello, call);
    if (r >= 0 && !t->o.silent && t->hello) {
        t->hello = NULL;
        replica_call_hello(call, t->o.features);
    }
    return r;
}

static void note_feed(struct talk *t, const replica_remote_collection *colls, size_t n)
{
    t->feed[0] = '\0';
    for (size_t i = 0; i < n; i++)
        add(t->feed, sizeof t->feed, "%s%s", i ? " " : "", colls[i].name);
}

static int pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct talk *t = ctx;

    t->pulls++;
    snprintf(t->from, sizeof t->from, "%s", request->checkpoint ? request->checkpoint : "");
    t->rows = request->rows;
    note_feed(t, request->collections, request->count);
    return started(t, &t->pull, call);
}

static void note_row(struct talk *t, const replica_push_request *request,
                     const replica_remote_row *row)
{
    add(t->pushed, sizeof t->pushed, "%s", t->pushed[0] ? " " : "");
    if (row->collection > 0)
        add(t->pushed, sizeof t->pushed, "%s/", request->collections[row->collection].name);
    add(t->pushed, sizeof t->pushed, "%s%s%s", row->deleted ? "-" : "", row->id,
        row->deleted ? "" : "=");
    if (!row->deleted)
        show_value(t->pushed, sizeof t->pushed, row->json, row->len, false);
    if (row->assumed) {
        add(t->pushed, sizeof t->pushed, "<");
        show_value(t->pushed, sizeof t->pushed, row->assumed, row->assumed_len,
                   row->assumed_deleted);
    } else if (row->assumed_sequence) {
        add(t->pushed, sizeof t->pushed, "<@%lld", (long long)row->assumed_sequence);
    }
    add(t->operations, sizeof t->operations, "%s ", row->operation);
}

static int push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct talk *t = ctx;

    t->pushes++;
    t->pushed[0] = t->operations[0] = '\0';
    t->pushed_rows = request->row_count;
    snprintf(t->push_checkpoint, sizeof t->push_checkpoint, "%s",
             request->checkpoint ? request->checkpoint : "");
    note_feed(t, request->collections, request->count);
    for (size_t i = 0; i < request->row_count; i++)
        note_row(t, request, &request->rows[i]);
    return started(t, &t->push, call);
}

static int stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct talk *t = ctx;
    size_t feed = 0;

    while (feed < 2 && strcmp(request->collections[0].name, names[feed]) != 0)
        feed++;
    t->streams++;
    snprintf(t->stream_from, sizeof t->stream_from, "%s",
             request->checkpoint ? request->checkpoint : "");
    return started(t, &t->stream[feed], call);
}

static void cancel(void *ctx, replica_call *call)
{
    struct talk *t = ctx;
    replica_call **places[] = { &t->hello, &t->pull, &t->push, &t->stream[0], &t->stream[1],
                                &t->stream[2] };

    t->cancels++;
    t->cancelled = call;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (*places[i] == call)
            *places[i] = NULL;
    }
}

static void destroy(void *ctx)
{
    struct talk *t = ctx;

    t->destroyed++;
    CHECK(!t->hello && !t->pull && !t->push && !t->stream[0] && !t->stream[1] && !t->stream[2]);
}

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
    static const char *const kinds[] = { "?", "received", "sent", "conflict", "rejected" };
    struct talk *t = ctx;

    add(t->events, sizeof t->events, "%s %s", kinds[e->kind], e->id);
    if (e->rule)
        add(t->events, sizeof t->events, " %s", e->rule);
    if (e->kind == REPLICA_EVENT_REJECTED)
        add(t->events, sizeof t->events, " %d", e->code);
    add(t->events, sizeof t->events, "; ");
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
    OK(replica_db_open(t->o.path ? t->o.path : tmp_path("test.db"), NULL, &t->db, &test_err));
    replica__db_set_world(t->db, &t->clock.world);
    for (int i = 0; i < (t->o.collections ? t->o.collections : 1); i++)
        OK(replica_db_collection(t->db, names[i], &o, &t->colls[i], &test_err));
}

int talk_start(struct talk *t)
{
    const struct replica__session_options o = {
        .identifier = "r1",
        .collections = t->colls,
        .count = t->o.collections ? (size_t)t->o.collections : 1,
        .push = !t->o.pull_only,
        .pull = !t->o.push_only,
        .live = !t->o.once,
        .rows = t->o.rows ? t->o.rows : 100,
        .bytes = 1 << 20,
        .paused = t->o.paused,
    };
    const replica_remote remote = {
        .size = sizeof remote,
        .ctx = t,
        .hello = hello,
        .pull = pull,
        .push = push,
        .stream = stream,
        .cancel = cancel,
        .destroy = destroy,
    };

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
        if (name[0] && strcmp(names[i], name) == 0)
            return t->colls[i];
    }
    return t->colls[0];
}

void talk_put(struct talk *t, const char *docs)
{
    while (*docs) {
        struct short_doc d;

        docs = read_doc(docs, &d);
        if (d.deleted)
            CHECK_RC(replica_delete(collection(t, d.collection), d.id, REPLICA_ANY_REV, NULL,
                                    &test_err), 1);
        else
            OK(replica_upsert(collection(t, d.collection), d.json, REPLICA_NUL, NULL, &test_err));
    }
    replica__session_changed(t->session);
}

const char *talk_have(struct talk *t, const char *id)
{
    static char shown[300];
    struct short_doc d;
    replica_doc *doc = NULL;
    int r;

    read_doc(id, &d);
    r = replica_get(collection(t, d.collection), d.id, &doc, &test_err);
    OK(r);
    if (r == 0)
        return "-";
    snprintf(shown, sizeof shown, "%s=", d.id);
    show_value(shown, sizeof shown, replica_doc_json(doc, NULL), 200, false);
    replica_doc_unref(doc);
    return shown;
}

int talk_state(struct talk *t, const char *id)
{
    struct short_doc d;
    int state = -1;

    read_doc(id, &d);
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
    add(ctx, 2000, "%s %d; ", entry->id, entry->code);
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

/* ---- answers --------------------------------------------------------------------- */

static size_t make_docs(const char *text, struct short_doc *d, replica_remote_doc *docs)
{
    size_t n = read_docs(text, d, MAX_DOCS);

    for (size_t i = 0; i < n; i++)
        docs[i] = (replica_remote_doc){ .collection = d[i].collection[0] ? d[i].collection : NULL,
                                        .json = d[i].json,
                                        .len = strlen(d[i].json),
                                        .deleted = d[i].deleted,
                                        .sequence = d[i].sequence };
    return n;
}

static void with_page(const struct talk *t, const struct said *said, replica_call *call,
                      void (*answer)(replica_call *call, const replica_remote_page *page))
{
    struct short_doc *d = calloc(MAX_DOCS, sizeof *d);
    replica_remote_doc *docs = calloc(MAX_DOCS, sizeof *docs);
    replica_remote_page page = REPLICA_REMOTE_PAGE_INIT;

    page.count = make_docs(said->docs, d, docs);
    for (size_t i = 0; i < page.count; i++) {
        if (!docs[i].collection && (t->o.features & REPLICA_REMOTE_ONE_FEED) && t->colls[1])
            docs[i].collection = "notes";
    }
    page.docs = docs;
    page.checkpoint = said->checkpoint;
    page.follows = said->follows;
    page.incarnation = t->o.features & REPLICA_REMOTE_ORDER ? "inc" : NULL;
    page.head = said->head;
    page.remaining = said->remaining;
    page.at_head = said->at_head;
    answer(call, &page);
    free(docs);
    free(d);
}

void talk_say_page(struct talk *t, replica_call **call, const struct said *said)
{
    replica_call *answered = *call;

    CHECK(answered);
    *call = NULL;
    with_page(t, said, answered, replica_call_page);
}

void talk_page(struct talk *t, const struct said *said)
{
    talk_say_page(t, &t->pull, said);
    talk_run(t);
}

void talk_event(struct talk *t, const struct said *said)
{
    CHECK(t->stream[0]);
    with_page(t, said, t->stream[0], replica_call_event);
    talk_run(t);
}

void talk_open_stream(struct talk *t)
{
    CHECK(t->stream[0]);
    replica_call_open(t->stream[0]);
    talk_run(t);
}

static const char *read_verdict(const char *at, struct short_doc *d, replica_remote_verdict *v)
{
    static const struct {
        const char *word;
        int verdict;
    } words[] = {
        { "taken", REPLICA_VERDICT_TAKEN },     { "already", REPLICA_VERDICT_ALREADY },
        { "refused", REPLICA_VERDICT_REFUSED }, { "locked", REPLICA_VERDICT_LOCKED },
        { "later", REPLICA_VERDICT_LATER },     { "none", REPLICA_VERDICT_NONE },
    };
    size_t len = strcspn(at, " ");
    size_t word = strcspn(at, " @:");

    *v = (replica_remote_verdict){ .verdict = REPLICA_VERDICT_CONFLICT };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) == word && strncmp(at, words[i].word, word) == 0) {
            v->verdict = words[i].verdict;
            v->sequence = at[word] == '@' ? atoll(at + word + 1) : 0;
            v->retry_ms = at[word] == ':' ? atoll(at + word + 1) : 0;
            v->code = v->verdict != REPLICA_VERDICT_REFUSED ? 0 : v->retry_ms ? (int)v->retry_ms
                                                                             : 422;
            v->reason = v->verdict == REPLICA_VERDICT_REFUSED ? "no" : NULL;
        }
    }
    if (v->verdict == REPLICA_VERDICT_CONFLICT) {
        read_doc(at, d);
        v->real = (replica_remote_doc){ .json = d->json,
                                        .len = strlen(d->json),
                                        .deleted = d->deleted,
                                        .sequence = d->sequence };
    }
    return at + len + strspn(at + len, " ");
}

void talk_say_verdicts(struct talk *t, const char *text, const char *follows,
                       const char *checkpoint)
{
    struct short_doc *d = calloc(MAX_DOCS, sizeof *d);
    replica_remote_verdict *verdicts = calloc(MAX_DOCS, sizeof *verdicts);
    replica_remote_verdicts answer = REPLICA_REMOTE_VERDICTS_INIT;
    replica_call *call = t->push;

    CHECK(call);
    for (; *text; answer.count++) {
        CHECK(answer.count < MAX_DOCS);
        text = read_verdict(text, &d[answer.count], &verdicts[answer.count]);
    }
    answer.verdicts = verdicts;
    answer.incarnation = t->o.features & REPLICA_REMOTE_ORDER ? "inc" : NULL;
    answer.follows = follows;
    answer.checkpoint = checkpoint;
    t->push = NULL;
    replica_call_verdicts(call, &answer);
    free(verdicts);
    free(d);
}

void talk_verdicts(struct talk *t, const char *verdicts)
{
    talk_say_verdicts(t, verdicts, NULL, NULL);
    talk_run(t);
}

void talk_taken(struct talk *t)
{
    char verdicts[MAX_DOCS * 6 + 1] = "";

    for (size_t i = 0; i < t->pushed_rows; i++)
        add(verdicts, sizeof verdicts, "taken ");
    talk_verdicts(t, verdicts);
}

void talk_fail(struct talk *t, replica_call **call, int code, int detail, int64_t retry_ms)
{
    replica_call *failed = *call;
    replica_error e = { .code = code, .detail = detail, .offset = -1 };

    CHECK(failed);
    snprintf(e.message, sizeof e.message, "status %d", detail);
    *call = NULL;
    replica_call_fail(failed, &e, retry_ms);
    talk_run(t);
}

void talk_settle_down(struct talk *t, const char *docs, const char *checkpoint)
{
    talk_run(t);
    talk_page(t, &(struct said){ docs, checkpoint, .at_head = 1 });
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
