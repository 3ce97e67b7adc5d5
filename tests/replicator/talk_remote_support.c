/* The other side of a session: what is asked is written down, and the test answers. */
#include "tests/replicator/talk_short_support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const talk_names[3] = { "notes", "tasks", "lists" };

void talk_add_text(char *to, size_t room, const char *format, ...)
{
    size_t len = strlen(to);
    va_list args;

    va_start(args, format);
    vsnprintf(to + len, room - len, format, args);
    va_end(args);
}

/* ---- documents, written shortly --------------------------------------------------- */

const char *talk_read_doc(const char *at, struct short_doc *ret)
{
    char text[200] = "", *name = text, *mark;
    size_t len = strcspn(at, " ");

    *ret = (struct short_doc){ 0 };
    snprintf(text, sizeof text, "%.*s", (int)len, at);
    mark = strchr(text, '~');
    if (mark) {
        snprintf(ret->bundle, sizeof ret->bundle, "%s", mark + 1);
        *mark = '\0';
    }
    mark = strchr(text, '^');
    if (mark) {
        ret->stamp = atoll(mark + 1) << 16;
        *mark = '\0';
    }
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
    ret->gone = *name == '!' ? REPLICA_GONE_VIEW : *name == '?' ? REPLICA_GONE_FILTER : 0;
    name += ret->gone != 0;
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

void talk_show_value(char *to, size_t room, const char *json, size_t len, bool deleted)
{
    const char *v = strstr(json, "\"v\":");

    if (deleted)
        talk_add_text(to, room, "-");
    else if (v)
        talk_add_text(to, room, "%.*s", (int)strcspn(v + 4, ",}"), v + 4);
    else
        talk_add_text(to, room, "%.*s", (int)len, json);
}

static size_t read_docs(const char *text, struct short_doc *docs, size_t room)
{
    size_t n = 0;

    while (text && *text) {
        CHECK(n < room);
        text = talk_read_doc(text, &docs[n++]);
    }
    return n;
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
        if (t->o.told)
            replica_call_rules(call, "notes", t->o.told, REPLICA_NUL);
        replica_call_hello(call, t->o.features);
    }
    return r;
}

static void note_feed(struct talk *t, const replica_remote_collection *colls, size_t n)
{
    t->feed[0] = '\0';
    for (size_t i = 0; i < n; i++)
        talk_add_text(t->feed, sizeof t->feed, "%s%s", i ? " " : "", colls[i].name);
}

static int pull(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct talk *t = ctx;

    t->pulls++;
    snprintf(t->from, sizeof t->from, "%s", request->checkpoint ? request->checkpoint : "");
    t->rows = request->rows;
    t->fresh = request->fresh;
    t->ids[0] = '\0';
    for (size_t i = 0; i < request->id_count; i++)
        talk_add_text(t->ids, sizeof t->ids, "%s%s", i ? " " : "", request->ids[i]);
    note_feed(t, request->collections, request->count);
    return started(t, &t->pull, call);
}

static void note_row(struct talk *t, const replica_push_request *request,
                     const replica_remote_row *row)
{
    talk_add_text(t->pushed, sizeof t->pushed, "%s", t->pushed[0] ? " " : "");
    if (row->collection > 0)
        talk_add_text(t->pushed, sizeof t->pushed, "%s/",
                      request->collections[row->collection].name);
    talk_add_text(t->pushed, sizeof t->pushed, "%s%s%s", row->deleted ? "-" : "", row->id,
                  row->deleted ? "" : "=");
    if (!row->deleted)
        talk_show_value(t->pushed, sizeof t->pushed, row->json, row->len, false);
    if (row->assumed) {
        talk_add_text(t->pushed, sizeof t->pushed, "<");
        talk_show_value(t->pushed, sizeof t->pushed, row->assumed, row->assumed_len,
                   row->assumed_deleted);
    } else if (row->assumed_sequence) {
        talk_add_text(t->pushed, sizeof t->pushed, "<@%lld", (long long)row->assumed_sequence);
    }
    talk_add_text(t->operations, sizeof t->operations, "%s ", row->operation);
}

static void note_bundle(struct talk *t, const replica_push_request *request, size_t i)
{
    const char *name = request->rows[i].bundle;
    const char *last = i > 0 ? request->rows[i - 1].bundle : NULL;

    talk_add_text(t->units, sizeof t->units, "%s%s%s",
                  i == 0 ? "" : name && last && strcmp(name, last) == 0 ? "+" : " ",
                  request->rows[i].id, request->rows[i].firm ? "!" : "");
}

static int push(void *ctx, replica_call *call, const replica_push_request *request)
{
    struct talk *t = ctx;

    t->pushes++;
    t->pushed[0] = t->operations[0] = t->units[0] = '\0';
    t->pushed_rows = request->row_count;
    snprintf(t->push_checkpoint, sizeof t->push_checkpoint, "%s",
             request->checkpoint ? request->checkpoint : "");
    note_feed(t, request->collections, request->count);
    for (size_t i = 0; i < request->row_count; i++) {
        note_row(t, request, &request->rows[i]);
        note_bundle(t, request, i);
    }
    return started(t, &t->push, call);
}

static int stream(void *ctx, replica_call *call, const replica_pull_request *request)
{
    struct talk *t = ctx;
    size_t feed = 0;

    while (feed < 2 && strcmp(request->collections[0].name, talk_names[feed]) != 0)
        feed++;
    t->streams++;
    snprintf(t->stream_from, sizeof t->stream_from, "%s",
             request->checkpoint ? request->checkpoint : "");
    t->listen[0] = '\0';
    for (size_t i = 0; request->listen && request->listen[i]; i++)
        talk_add_text(t->listen, sizeof t->listen, "%s ", request->listen[i]);
    return started(t, &t->stream[feed], call);
}

static int ask(void *ctx, replica_call *call, const char *what, const char *json, size_t len)
{
    struct talk *t = ctx;

    t->asks++;
    snprintf(t->asked, sizeof t->asked, "%s %.*s", what, (int)len, json);
    return started(t, &t->ask, call);
}

static void cancel(void *ctx, replica_call *call)
{
    struct talk *t = ctx;
    replica_call **places[] = { &t->hello, &t->pull, &t->push, &t->stream[0], &t->stream[1],
                                &t->stream[2], &t->ask };

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
    CHECK(!t->ask);
    CHECK(!t->hello && !t->pull && !t->push && !t->stream[0] && !t->stream[1] && !t->stream[2]);
}

replica_remote talk_remote(struct talk *t)
{
    return (replica_remote){
        .size = sizeof(replica_remote),
        .ctx = t,
        .hello = hello,
        .pull = pull,
        .push = push,
        .stream = stream,
        .ask = ask,
        .cancel = cancel,
        .destroy = destroy,
    };
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
                                        .gone = d[i].gone,
                                        .sequence = d[i].sequence,
                                        .bundle = d[i].bundle[0] ? d[i].bundle : NULL };
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
    page.incarnation = t->o.features & REPLICA_REMOTE_ORDER
                           ? t->o.incarnation ? t->o.incarnation : "inc"
                           : NULL;
    page.head = said->head;
    page.remaining = said->remaining;
    page.now_ms = said->now_ms;
    page.at_head = said->at_head;
    page.absent = said->absent;
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
        talk_read_doc(at, d);
        v->real = (replica_remote_doc){ .json = d->json,
                                        .len = strlen(d->json),
                                        .deleted = d->deleted,
                                        .sequence = d->sequence,
                                        .stamp = d->stamp,
                                        .bundle = d->bundle[0] ? d->bundle : NULL };
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

void talk_answer(struct talk *t, const char *json)
{
    replica_call *call = t->ask;

    CHECK(call);
    t->ask = NULL;
    replica_call_answer(call, json, strlen(json));
    talk_run(t);
}

void talk_taken(struct talk *t)
{
    char verdicts[MAX_DOCS * 6 + 1] = "";

    for (size_t i = 0; i < t->pushed_rows; i++)
        talk_add_text(verdicts, sizeof verdicts, "taken ");
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

void talk_reconcile(struct talk *t, replica_call **call, const char *why)
{
    replica_call *answered = *call;

    CHECK(answered);
    *call = NULL;
    replica_call_reconcile(answered, why);
    talk_run(t);
}

void talk_settle_down(struct talk *t, const char *docs, const char *checkpoint)
{
    talk_run(t);
    talk_page(t, &(struct said){ docs, checkpoint, .at_head = 1 });
}
