/* Settling conflicts: what a handler is asked, and what is done with its answer.
 *
 * What is no conflict comes first: a clean document simply takes the newer state; states that the
 * handler finds equal are settled, unless it counts; a re-creation over a tombstone needs no
 * handler.  Then the collection's rules merge, here; what they leave to the program, and what a
 * collection without rules has a handler for, is asked on the program's own thread, and only that
 * document waits. */
#include "replicator/session_state.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define BATCH 256
#define MAX_ROUNDS 10
#define MAX_ROUNDS_BY_RULES 1000 /* they do what they say; somebody is faster again and again */

struct batch {
    struct replica__unsettled of[BATCH];
    struct replica__settled answers[BATCH];
    struct replica__asked asked[BATCH]; /* whose answers these are */
    struct replica__buf texts[BATCH];   /* of answers by rules, or why there is none */
    size_t n;
    int64_t left[BATCH][2]; /* document and state of those that nobody here can settle */
    size_t left_n;
};

static void free_texts(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        replica__buf_free(&b->texts[i]);
}

/* ---- what is no conflict ---------------------------------------------------------- */

/* The server still has what was assumed: a server without sequence numbers shows our own pushes
 * again, and whoever wrote since then has changed nothing but this side. */
static bool is_unmoved(const struct replica__unsettled *u)
{
    size_t a_len, b_len;
    const char *a = replica_doc_json(u->assumed, &a_len);
    const char *b = replica_doc_json(u->real, &b_len);

    return u->assumed && replica_doc_deleted(u->assumed) == replica_doc_deleted(u->real) &&
           replica__json_equal(a, a_len, b, b_len, REPLICA_JSON_AS_JAVASCRIPT) > 0;
}

/* 0: it is one. */
static int settle_at_once(const struct replica__unsettled *u, const char **ret_rule)
{
    *ret_rule = NULL;
    if (u->clean)
        return REPLICA__SETTLE_REAL;
    if (is_unmoved(u))
        return REPLICA__SETTLE_LOCAL;
    if (!replica__unsettled_counts(u) && replica__states_equal(u->coll, u->real, u->local))
        return REPLICA__SETTLE_CLEAN;
    if (replica_doc_deleted(u->real) && replica_doc_deleted(u->local))
        return REPLICA__SETTLE_CLEAN; /* whatever is in the tombstones */
    if (u->lost) { /* the handler is for edits, and this is none */
        *ret_rule = u->lost_is_next ? NULL : "newest";
        return u->lost_is_newer ? REPLICA__SETTLE_LOCAL : REPLICA__SETTLE_REAL;
    }
    if (!u->assumed && replica_doc_deleted(u->real) && !replica_doc_deleted(u->local))
        return REPLICA__SETTLE_LOCAL;
    return 0;
}

/* ---- telling and writing ---------------------------------------------------------- */

static void tell_settled(struct replica__session *s, const struct replica__settled *a)
{
    const struct replica__unsettled *u = a->of;
    replica_sync_event event = { .kind = REPLICA_EVENT_CONFLICT,
                                 .collection = replica_collection_name(u->coll),
                                 .id = replica_doc_id(u->local),
                                 .assumed = u->assumed,
                                 .real = u->real,
                                 .local = u->local,
                                 .rule = a->rule };
    replica_doc *merged = NULL;

    s->status.conflicts += a->rule != NULL;
    if (a->how == REPLICA__SETTLE_ASIDE || a->how == REPLICA__SETTLE_REFUSED) {
        event.kind = REPLICA_EVENT_REJECTED;
        event.rule = NULL;
        event.code = a->code;
        event.reason = a->reason;
    } else if (!a->rule) {
        return; /* nobody lost anything */
    } else if (a->how == REPLICA__SETTLE_REAL) {
        event.result = u->real;
    } else if (a->how == REPLICA__SETTLE_LOCAL) {
        event.result = u->local;
    } else if (s->hooks->event) {
        bool deleted = a->how != REPLICA__SETTLE_JSON;

        if (replica__doc_new(u->coll, event.id, deleted ? "{}" : a->json, deleted ? 2 : a->len,
                             deleted, &merged, NULL) >= 0)
            event.result = merged;
    }
    replica__session_tell(s, &event);
    replica_doc_unref(merged);
}

/* What a refusal has set aside with the document that it was about. */
struct fellows {
    struct replica__session *s; /* NULL: only count */
    const struct batch *b;
    int64_t last;               /* entry that was there before */
};

static int look_at_fellow(void *ctx, const replica_rejected_entry *e)
{
    struct fellows *f = ctx;
    replica_sync_event event = { .kind = REPLICA_EVENT_REJECTED,
                                 .collection = e->collection,
                                 .id = e->id,
                                 .code = e->code,
                                 .reason = e->reason };

    if (e->number <= f->last)
        return 0;
    if (!f->s) {
        f->last = e->number;
        return 0;
    }
    if (strcmp(e->replication, f->s->o.identifier) != 0)
        return 0;
    for (size_t i = 0; i < f->b->n; i++) {
        const struct replica__unsettled *u = f->b->answers[i].of;

        if (strcmp(replica_collection_name(u->coll), e->collection) == 0 &&
            strcmp(replica_doc_id(u->local), e->id) == 0)
            return 0; /* told already */
    }
    replica__session_tell(f->s, &event);
    return 0;
}

static bool any_refused(const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->answers[i].how == REPLICA__SETTLE_REFUSED)
            return true;
    }
    return false;
}

/* Write the answers.  false: the session has failed. */
static bool write_answers(struct replica__session *s, struct batch *b)
{
    struct fellows fellows = { .b = b };
    replica_error error = { .offset = -1 };
    bool refused = s->hooks->event && any_refused(b);

    if (b->n == 0)
        return true;
    if (refused)
        replica_rejected(s->db, NULL, look_at_fellow, &fellows, NULL);
    if (replica__settle(s->repl, b->answers, b->n, &error) < 0) {
        s->unsettled = true;
        replica__session_failed(s, &error, 0);
        return false;
    }
    for (size_t i = 0; i < b->n; i++) {
        if (!b->answers[i].done) {
            s->unsettled = true; /* it moved on: met again */
            continue;
        }
        tell_settled(s, &b->answers[i]);
        s->dirty |= b->answers[i].push || (b->answers[i].how != REPLICA__SETTLE_REAL &&
                                           b->answers[i].how != REPLICA__SETTLE_CLEAN);
        if (s->dirty)
            s->status.in_sync = 0; /* it may have been set aside until now */
    }
    fellows.s = s;
    if (refused)
        replica_rejected(s->db, NULL, look_at_fellow, &fellows, NULL);
    s->look_at_feeds = true; /* what could not be applied may be asked for again */
    replica__session_touch(s);
    return true;
}

/* ---- answers of the program -------------------------------------------------------- */

static void consider(struct replica__session *s, struct replica__unsettled *u, struct batch *b);

/* The states have risen.  A real one is stored so, and the question is met again; else the rules,
 * or the handler, see what they are to see. */
static void take_risen(struct replica__session *s, struct replica__asked *asked, struct batch *b)
{
    replica_error error = { .offset = -1 };

    if (asked->answer.code < 0) {
        b->answers[b->n++] = (struct replica__settled){ .of = &asked->of,
                                                        .how = REPLICA__SETTLE_ASIDE,
                                                        .code = asked->answer.code,
                                                        .reason = asked->answer.reason };
    } else if (!asked->of.real_older) {
        consider(s, &asked->of, b);
    } else {
        s->unsettled = true;
        if (replica__unsettled_put(s->repl, &asked->of, &error) < 0)
            replica__session_failed(s, &error, 0);
    }
}

static bool take_answers(struct replica__session *s)
{
    struct batch b = { .n = 0 };
    size_t taken = 0;
    bool fine;

    while (s->state == IDLE && taken < BATCH &&
           replica__asking_take(s->asking, &b.asked[taken]) > 0) {
        struct replica__asked *asked = &b.asked[taken++];

        if (asked->risen) {
            take_risen(s, asked, &b);
            continue;
        }
        b.answers[b.n++] = (struct replica__settled){
            .of = &asked->of,
            .how = asked->answer.how,
            .json = asked->answer.json,
            .len = asked->answer.len,
            .rule = "handler",
            .code = asked->answer.code,
            .reason = asked->answer.reason,
        };
    }
    fine = s->state == IDLE && write_answers(s, &b);
    free_texts(&b);
    for (size_t i = 0; i < taken; i++)
        replica__asking_free(&b.asked[i]);
    return fine && taken > 0;
}

/* ---- a round ---------------------------------------------------------------------- */

static void fail(struct replica__session *s, replica_error *error)
{
    s->unsettled = true;
    replica__session_failed(s, error, 0);
}

static void ask_failed(struct replica__session *s)
{
    replica_error error = { .offset = -1 };

    replica__enomem(&error);
    fail(s, &error);
}

/* The collection's rules; without any, the server wins.  false: the program is to say, or (the
 * session has failed) nobody. */
static bool decide_by_rules(struct replica__session *s, struct replica__settled *answer,
                            struct replica__buf *text)
{
    const struct replica__unsettled *u = answer->of;
    replica_error error = { .offset = -1 };
    int r;

    if (!replica__collection_has_rules(u->coll)) {
        answer->how = replica__collection_handler(u->coll)->resolve ? 0 : REPLICA__SETTLE_REAL;
        answer->rule = "server-wins";
        return answer->how != 0;
    }
    r = replica__unsettled_merge(u, text, &answer->how, &answer->rule, &error);
    if (r == REPLICA_ENOMEM) {
        fail(s, &error);
        return false;
    }
    answer->json = text->data;
    answer->len = text->len;
    if (r < 0) {
        replica__buf_clear(text);
        replica__buf_str(text, error.message);
        answer->how = REPLICA__SETTLE_ASIDE;
        answer->rule = NULL;
        answer->code = r;
        answer->reason = text->data ? text->data : "";
    }
    return answer->how != 0;
}

/* One document: an answer at once, or a question; without a handler to ask, one that waits. */
static void consider(struct replica__session *s, struct replica__unsettled *u, struct batch *b)
{
    struct replica__settled answer = { .of = u };
    int rounds = replica__collection_has_rules(u->coll) ? MAX_ROUNDS_BY_RULES : MAX_ROUNDS;

    if (replica__unsettled_is_older(u)) {
        if (replica__asking_rise(s->asking, u) < 0)
            ask_failed(s);
        return;
    }
    answer.how = settle_at_once(u, &answer.rule);
    if (u->firm && !u->clean && answer.how != REPLICA__SETTLE_LOCAL) {
        /* Equal states, too: each would be one bundle's work, and only one of those is there. */
        answer.how = REPLICA__SETTLE_REFUSED;
        answer.rule = NULL;
        answer.code = 409;
        answer.reason = "a conflict, and its bundle is firm";
    } else if (answer.how != REPLICA__SETTLE_CLEAN && !u->clean && u->rounds > rounds) {
        answer.how = REPLICA__SETTLE_ASIDE;
        answer.code = REPLICA_ECONFLICT;
        answer.reason = "the conflict came again after each answer";
    }
    if (answer.how || decide_by_rules(s, &answer, &b->texts[b->n])) {
        b->answers[b->n++] = answer;
        return;
    }
    if (!replica__collection_handler(u->coll)->resolve) {
        b->left[b->left_n][0] = u->doc;
        b->left[b->left_n++][1] = u->unsettled;
    }
    if (s->state == IDLE && replica__asking_ask(s->asking, s->db, u) < 0)
        ask_failed(s);
}

static bool round_step(struct replica__session *s)
{
    struct batch b = { .n = 0 };
    replica_error error = { .offset = -1 };
    int n;

    if (!s->rounding) { /* what becomes unsettled from here on is for the next round */
        replica__asking_begin_round(s->asking);
        s->rounding = true;
        s->unsettled = false;
        s->settled_to = -1;
    }
    n = replica__unsettled_next(s->repl, s->settled_to, b.of, BATCH, &error);
    if (n < 0) {
        s->unsettled = true;
        replica__session_failed(s, &error, 0);
        return false;
    }
    s->rounding = n == BATCH;
    if (n > 0)
        s->settled_to = b.of[n - 1].doc;
    for (int i = 0; i < n && s->state == IDLE; i++) {
        if (!replica__asking_has(s->asking, &b.of[i]))
            consider(s, &b.of[i], &b);
    }
    if (s->state == IDLE)
        write_answers(s, &b);
    if (s->state == IDLE) /* for people: a failure of it is none of the session's */
        replica__unsettled_leave(s->repl, b.left, b.left_n, NULL);
    free_texts(&b);
    replica__unsettled_free(b.of, (size_t)n);
    return s->state == IDLE && (s->rounding || b.n > 0);
}

static void count_unsettled(struct replica__session *s)
{
    int64_t waiting = (int64_t)replica__asking_count(s->asking);

    if (s->status.unsettled != waiting) {
        s->status.unsettled = waiting;
        replica__session_touch(s);
    }
}

bool replica__settle_side_is_due(const struct replica__session *s)
{
    return s->unsettled && replica__asking_ready(s->asking);
}

bool replica__settle_side_step(struct replica__session *s)
{
    bool done = take_answers(s);

    if (s->state == IDLE && (s->unsettled || s->rounding) && replica__asking_ready(s->asking))
        done |= round_step(s);
    count_unsettled(s);
    return done && s->state == IDLE;
}
