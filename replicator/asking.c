#include "replicator/asking.h"

#include "base/alloc.h"
#include "replicator/session.h"

#include <pthread.h>
#include <string.h>

/* Questions on their way to the program's thread: more would only pile up. */
#define ON_THE_WAY 256
#define BUCKETS 256

struct question {
    struct replica__unsettled of;
    bool unheard; /* there is no handler */
    int64_t ticket;
    struct question *next;
};

struct answered {
    int64_t ticket;
    struct rising *risen; /* in place of an answer */
    struct replica__answer answer;
    char *text;
    struct answered *next;
};

struct replica__asking {
    pthread_mutex_t mutex; /* of all below, but for the questions, which are the session's */
    const struct replica__session_hooks *hooks; /* NULL: closed */
    int refs;
    size_t on_the_way;
    struct answered *first, **last;

    struct question *buckets[BUCKETS]; /* by document */
    size_t count, unheard;
    int64_t tickets;
};

struct replica__asking *replica__asking_new(const struct replica__session_hooks *hooks)
{
    struct replica__asking *a = replica__alloc_zero(1, sizeof *a);

    if (!a)
        return NULL;
    pthread_mutex_init(&a->mutex, NULL);
    a->hooks = hooks;
    a->refs = 1;
    a->last = &a->first;
    return a;
}

/* A question whose states are on their way up. */
struct rising {
    struct replica__asking *asking;
    struct replica__unsettled of; /* its documents, referenced */
    int64_t ticket;
    int code;
    replica_error why;
};

static void free_rising(struct rising *rising)
{
    if (rising)
        replica__unsettled_free(&rising->of, 1);
    replica__free(rising);
}

static void free_answer(struct answered *answer)
{
    free_rising(answer->risen);
    replica__free(answer->text);
    replica__free(answer);
}

static void unref(void *ctx)
{
    struct replica__asking *a = ctx;
    struct answered *next;
    int left;

    pthread_mutex_lock(&a->mutex);
    left = --a->refs;
    pthread_mutex_unlock(&a->mutex);
    if (left > 0)
        return;
    for (struct answered *answer = a->first; answer; answer = next) {
        next = answer->next;
        free_answer(answer);
    }
    pthread_mutex_destroy(&a->mutex);
    replica__free(a);
}

static void free_question(struct question *q)
{
    replica__unsettled_free(&q->of, 1);
    replica__free(q);
}

void replica__asking_close(struct replica__asking *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->mutex);
    a->hooks = NULL;
    pthread_mutex_unlock(&a->mutex);
    for (size_t i = 0; i < BUCKETS; i++) {
        struct question *next;

        for (struct question *q = a->buckets[i]; q; q = next) {
            next = q->next;
            free_question(q);
        }
        a->buckets[i] = NULL;
    }
    unref(a);
}

static struct question **bucket_of(struct replica__asking *a, int64_t doc)
{
    return &a->buckets[(uint64_t)doc % BUCKETS];
}

bool replica__asking_has(struct replica__asking *a, const struct replica__unsettled *u)
{
    for (struct question *q = *bucket_of(a, u->doc); q; q = q->next) {
        if (q->of.doc == u->doc && q->of.local_sequence == u->local_sequence &&
            q->of.unsettled == u->unsettled)
            return true;
    }
    return false;
}

bool replica__asking_ready(struct replica__asking *a)
{
    bool ready;

    pthread_mutex_lock(&a->mutex);
    ready = a->on_the_way < ON_THE_WAY;
    pthread_mutex_unlock(&a->mutex);
    return ready;
}

size_t replica__asking_count(struct replica__asking *a)
{
    return a->count;
}

size_t replica__asking_unheard(struct replica__asking *a)
{
    return a->unheard;
}

/* ---- on the program's thread ------------------------------------------------------ */

struct posted {
    struct replica__asking *asking;
    replica_conflict *conflict;
    void (*resolve)(void *ctx, replica_conflict *c);
    void *ctx;
};

static void run_handler(void *arg, bool closing)
{
    struct posted *p = arg;
    struct replica__asking *a = p->asking;
    bool closed;

    pthread_mutex_lock(&a->mutex);
    closed = !a->hooks;
    pthread_mutex_unlock(&a->mutex);
    if (closing || closed)
        replica__conflict_free(p->conflict); /* asked again when the replication starts anew */
    else
        p->resolve(p->ctx, p->conflict);
    pthread_mutex_lock(&a->mutex);
    a->on_the_way--;
    if (a->hooks && a->on_the_way == ON_THE_WAY / 2)
        a->hooks->wake(a->hooks->ctx); /* there is room for more */
    pthread_mutex_unlock(&a->mutex);
    unref(a);
    replica__free(p);
}

/* The mutex is held.  false: the session has ended, and the answer is still the caller's. */
static bool put_answer(struct replica__asking *a, struct answered *answer)
{
    if (!a->hooks)
        return false;
    *a->last = answer;
    a->last = &answer->next;
    a->hooks->wake(a->hooks->ctx);
    return true;
}

static int take_answer(void *ctx, int64_t ticket, const struct replica__answer *given)
{
    struct replica__asking *a = ctx;
    const char *text = given->json ? given->json : given->reason;
    size_t len = given->json ? given->len : text ? strlen(text) : 0;
    struct answered *answer = replica__alloc_zero(1, sizeof *answer);
    bool closed;

    if (answer && text)
        answer->text = replica__strndup(text, len);
    if (!answer || (text && !answer->text)) {
        replica__free(answer);
        return REPLICA_ENOMEM;
    }
    answer->ticket = ticket;
    answer->answer = *given;
    pthread_mutex_lock(&a->mutex);
    closed = !put_answer(a, answer);
    pthread_mutex_unlock(&a->mutex);
    if (closed)
        free_answer(answer);
    return closed ? REPLICA_ECLOSED : 0;
}

/* The answer was allocated before: nothing can fail any more. */
static void give_risen(struct replica__asking *a, struct answered *answer)
{
    bool closed;

    pthread_mutex_lock(&a->mutex);
    closed = !put_answer(a, answer);
    a->on_the_way--;
    pthread_mutex_unlock(&a->mutex);
    if (closed)
        free_answer(answer);
    unref(a);
}

static void run_steps(void *arg, bool closing)
{
    struct answered *answer = arg;
    struct rising *rising = answer->risen;
    struct replica__asking *a = rising->asking;
    bool closed;

    pthread_mutex_lock(&a->mutex);
    closed = !a->hooks;
    pthread_mutex_unlock(&a->mutex);
    if (!closing && !closed)
        rising->code = replica__unsettled_rise(&rising->of, &rising->why);
    give_risen(a, answer);
}

/* ---- on the session's ------------------------------------------------------------- */

/* An older question about the same document is of no use any more; its answer will find nothing. */
static void forget(struct replica__asking *a, int64_t doc)
{
    struct question **at = bucket_of(a, doc);

    while (*at && (*at)->of.doc != doc)
        at = &(*at)->next;
    if (*at) {
        struct question *q = *at;

        *at = q->next;
        a->count--;
        a->unheard -= q->unheard;
        free_question(q);
    }
}

static void hold(struct replica__asking *a, int refs)
{
    pthread_mutex_lock(&a->mutex);
    a->refs += refs;
    a->on_the_way++;
    pthread_mutex_unlock(&a->mutex);
}

/* It tells its bucket, too. */
static int64_t next_ticket(struct replica__asking *a, const struct replica__unsettled *u)
{
    return ++a->tickets * BUCKETS + u->doc % BUCKETS;
}

static void take_over(struct replica__asking *a, struct question *q, struct replica__unsettled *u,
                      int64_t ticket)
{
    forget(a, u->doc);
    *q = (struct question){ .of = *u, .ticket = ticket };
    u->assumed = u->real = u->local = NULL;
    q->next = *bucket_of(a, q->of.doc);
    *bucket_of(a, q->of.doc) = q;
    a->count++;
}

void replica__asking_begin_round(struct replica__asking *a)
{
    for (size_t i = 0; a->unheard > 0 && i < BUCKETS; i++) {
        struct question *next;

        for (struct question *q = a->buckets[i]; q; q = next) {
            next = q->next;
            if (q->unheard)
                forget(a, q->of.doc);
        }
    }
}

/* Nothing is posted, and no answer comes. */
static int let_wait(struct replica__asking *a, struct replica__unsettled *u)
{
    struct question *q = replica__alloc(sizeof *q);

    if (!q)
        return REPLICA_ENOMEM;
    take_over(a, q, u, next_ticket(a, u));
    q->unheard = true;
    a->unheard++;
    return 0;
}

int replica__asking_ask(struct replica__asking *a, replica_db *db, struct replica__unsettled *u)
{
    const replica_conflict_handler *handler = replica__collection_handler(u->coll);
    int64_t ticket = next_ticket(a, u);
    struct replica__conflict_parts parts = { .of = u,
                                             .key = replica_collection_key(u->coll),
                                             .schema = replica__collection_schema(u->coll),
                                             .answer = take_answer,
                                             .unref = unref,
                                             .ctx = a,
                                             .ticket = ticket };
    struct question *q;
    struct posted *p;
    size_t max_key;

    if (!handler->resolve)
        return let_wait(a, u);
    q = replica__alloc(sizeof *q);
    p = replica__alloc(sizeof *p);
    replica__db_limits(db, &parts.limits, &max_key);
    if (q && p)
        p->conflict = replica__conflict_new(&parts);
    if (!q || !p || !p->conflict) {
        replica__free(q);
        replica__free(p);
        return REPLICA_ENOMEM;
    }
    p->asking = a;
    p->resolve = handler->resolve;
    p->ctx = handler->ctx;
    hold(a, 2); /* the post's, and the conflict's */
    if (a->hooks->post(a->hooks->ctx, run_handler, p) < 0) {
        replica__conflict_free(p->conflict);
        pthread_mutex_lock(&a->mutex);
        a->on_the_way--;
        pthread_mutex_unlock(&a->mutex);
        unref(a);
        replica__free(q);
        replica__free(p);
        return REPLICA_ENOMEM;
    }
    take_over(a, q, u, ticket);
    return 0;
}

int replica__asking_rise(struct replica__asking *a, struct replica__unsettled *u)
{
    struct question *q = replica__alloc(sizeof *q);
    struct answered *answer = replica__alloc_zero(1, sizeof *answer);
    struct rising *rising = replica__alloc_zero(1, sizeof *rising);

    if (!q || !answer || !rising) {
        replica__free(q);
        replica__free(answer);
        replica__free(rising);
        return REPLICA_ENOMEM;
    }
    *rising = (struct rising){ .asking = a, .of = *u, .ticket = next_ticket(a, u) };
    replica_doc_ref(u->assumed);
    replica_doc_ref(u->real);
    replica_doc_ref(u->local);
    answer->ticket = rising->ticket;
    answer->risen = rising;
    hold(a, 1);
    if (a->hooks->post(a->hooks->ctx, run_steps, answer) < 0) {
        pthread_mutex_lock(&a->mutex);
        a->on_the_way--;
        pthread_mutex_unlock(&a->mutex);
        unref(a);
        free_answer(answer);
        replica__free(q);
        return REPLICA_ENOMEM;
    }
    take_over(a, q, u, rising->ticket);
    return 0;
}

static struct question *take_question(struct replica__asking *a, int64_t ticket)
{
    struct question **at = bucket_of(a, ticket);
    struct question *q;

    while (*at && (*at)->ticket != ticket)
        at = &(*at)->next;
    q = *at;
    if (q) {
        *at = q->next;
        a->count--;
    }
    return q;
}

static struct answered *next_answer(struct replica__asking *a)
{
    struct answered *answer;

    pthread_mutex_lock(&a->mutex);
    answer = a->first;
    if (answer) {
        a->first = answer->next;
        if (!a->first)
            a->last = &a->first;
    }
    pthread_mutex_unlock(&a->mutex);
    return answer;
}

/* What came back in place of the question's states; or why it cannot be asked. */
static void take_risen(struct rising *rising, struct replica__asked *ret)
{
    struct replica__unsettled asked = ret->of;

    ret->of = rising->of;
    rising->of = asked;
    ret->risen = true;
    ret->answer.code = rising->code < 0 ? rising->code : 0;
    if (rising->code < 0)
        ret->text = replica__strdup(rising->why.message);
    ret->answer.reason = ret->text;
}

int replica__asking_take(struct replica__asking *a, struct replica__asked *ret)
{
    struct answered *answer;

    while ((answer = next_answer(a))) {
        struct question *q = take_question(a, answer->ticket);

        if (!q) { /* it was asked anew since */
            free_answer(answer);
            continue;
        }
        *ret =
            (struct replica__asked){ .of = q->of, .answer = answer->answer, .text = answer->text };
        if (ret->answer.json)
            ret->answer.json = ret->text;
        if (ret->answer.reason)
            ret->answer.reason = ret->text;
        if (answer->risen)
            take_risen(answer->risen, ret);
        replica__free(q);
        free_rising(answer->risen);
        replica__free(answer);
        return 1;
    }
    return 0;
}

void replica__asking_free(struct replica__asked *asked)
{
    replica__unsettled_free(&asked->of, 1);
    replica__free(asked->text);
}
