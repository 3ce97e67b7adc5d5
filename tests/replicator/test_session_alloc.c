/* A whole small session in which each allocation fails once: an error, another attempt, and in the
 * end both sides have the same, each edit exactly once. */
#include "tests/replicator/talk_support.h"

#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a server that keeps numbers ---------------------------------------------------- */

struct kept {
    char id[8];
    int v;
    bool deleted;
    int64_t sequence;
    char operation[100];
};

struct server {
    struct kept docs[10];
    size_t n;
    int64_t head;
    bool stock; /* it knows no operation ids, and tells no numbers */
};

static struct kept *find(struct server *s, const char *id, size_t len)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strlen(s->docs[i].id) == len && strncmp(s->docs[i].id, id, len) == 0)
            return &s->docs[i];
    }
    return NULL;
}

static struct kept *set(struct server *s, const char *id, size_t len, int v, bool deleted)
{
    struct kept *k = find(s, id, len);

    if (!k) {
        k = &s->docs[s->n++];
        snprintf(k->id, sizeof k->id, "%.*s", (int)len, id);
    }
    k->v = v;
    k->deleted = deleted;
    k->sequence = ++s->head;
    return k;
}

static void write_kept(const struct server *s, char *to, size_t room, const struct kept *k)
{
    size_t len = strlen(to);
    int sequence = s->stock ? 0 : (int)k->sequence;

    if (k->deleted)
        snprintf(to + len, room - len, "-%s@%d ", k->id, sequence);
    else
        snprintf(to + len, room - len, "%s=%d@%d ", k->id, k->v, sequence);
}

/* Two documents at most, in order. */
static void answer_pull(struct server *s, struct talk *t)
{
    const char *lwt = strstr(t->from, "\"lwt\":");
    int64_t at = lwt ? atoll(lwt + 6) : 0;
    char docs[200] = "", checkpoint[60];

    for (int count = 0; count < 2 && at < s->head; count++) {
        const struct kept *next = NULL;

        for (size_t i = 0; i < s->n; i++) {
            if (s->docs[i].sequence > at && (!next || s->docs[i].sequence < next->sequence))
                next = &s->docs[i];
        }
        if (!next)
            break;
        write_kept(s, docs, sizeof docs, next);
        at = next->sequence;
    }
    snprintf(checkpoint, sizeof checkpoint, "{\"id\":\"inc\",\"lwt\":%d}", (int)at);
    talk_say_page(t, &t->pull, &(struct said){ docs, checkpoint,
                                               .at_head = !s->stock && at == s->head,
                                               .head = s->stock ? 0 : s->head });
}

/* Is the assumed state ("<5", "<-", "<@3", or none) the one that is here? */
static bool is_assumed(const struct kept *k, const char *assumed)
{
    if (!k)
        return !assumed;
    if (!assumed)
        return false;
    if (assumed[1] == '@')
        return atoll(assumed + 2) == k->sequence;
    return assumed[1] == '-' ? k->deleted : !k->deleted && atoi(assumed + 1) == k->v;
}

static void judge(struct server *s, const char *row, const char *operation, char *to, size_t room)
{
    bool deleted = *row == '-';
    const char *id = row + deleted;
    const char *end = row + strcspn(row, " ");
    size_t len = strcspn(id, "=< ");
    const char *assumed = strchr(row, '<');
    struct kept *k = find(s, id, len);
    size_t at = strlen(to);

    if (assumed && assumed > end)
        assumed = NULL;
    if (k && !s->stock && strcmp(k->operation, operation) == 0) {
        snprintf(to + at, room - at, "already@%d ", (int)k->sequence);
    } else if (!is_assumed(k, assumed)) {
        write_kept(s, to, room, k);
    } else {
        k = set(s, id, len, deleted ? 0 : atoi(id + len + 1), deleted);
        snprintf(k->operation, sizeof k->operation, "%s", operation);
        snprintf(to + at, room - at, "taken@%d ", s->stock ? 0 : (int)k->sequence);
    }
}

static void answer_push(struct server *s, struct talk *t)
{
    char verdicts[400] = "", operation[100];
    const char *row = t->pushed, *op = t->operations;

    for (size_t i = 0; i < t->pushed_rows; i++) {
        snprintf(operation, sizeof operation, "%.*s", (int)strcspn(op, " "), op);
        judge(s, row, operation, verdicts, sizeof verdicts);
        row += strcspn(row, " ");
        row += *row == ' ';
        op += strcspn(op, " ") + 1;
    }
    talk_say_verdicts(t, verdicts, NULL, NULL);
}

/* ---- the session ------------------------------------------------------------------ */

/* v = real + local - assumed, whatever fails. */
static void add_up(void *ctx, replica_conflict *c)
{
    replica_doc *states[] = { replica_conflict_real(c), replica_conflict_local(c),
                              replica_conflict_assumed(c) };
    int v[3] = { 0 };
    char json[100];
    int r;

    for (int i = 0; i < 3; i++) {
        const char *at = states[i] && !replica_doc_deleted(states[i])
                             ? strstr(replica_doc_json(states[i], NULL), "\"v\":")
                             : NULL;
        v[i] = at ? atoi(at + 4) : 0;
    }
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"v\":%d}", replica_conflict_id(c),
             v[0] + v[1] - v[2]);
    while ((r = replica_conflict_use_json(c, json, REPLICA_NUL, &test_err)) == REPLICA_ENOMEM)
        continue;
    CHECK_RC(r, 0);
}

static void run_to_sync(struct server *s, struct talk *t)
{
    for (int i = 0; i < 200; i++) {
        talk_run(t);
        if (t->pull)
            answer_pull(s, t);
        else if (t->push)
            answer_push(s, t);
        else if (t->status.in_sync)
            return;
        else
            talk_next(t);
    }
    test_fail(__FILE__, __LINE__, "it never gets in sync: %s", t->error.message);
}

static bool was_ordered(int r)
{
    return r == REPLICA_ENOMEM || r == REPLICA_EIO || r == REPLICA_EFULL || r == REPLICA_EBUSY;
}

static void put(struct talk *t, const char *json)
{
    int r;

    while (was_ordered(r = replica_upsert(t->colls[0], json, REPLICA_NUL, NULL, &test_err)))
        continue;
    CHECK_RC(r, 0);
    replica__session_changed(t->session);
}

static void check_same(struct server *s, struct talk *t, const char *const *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char id[8], shown[20] = "-";
        const struct kept *k;

        snprintf(id, sizeof id, "%.*s", (int)strcspn(want[i], "="), want[i]);
        k = find(s, id, strlen(id));
        if (k && !k->deleted)
            snprintf(shown, sizeof shown, "%s=%d", k->id, k->v);
        CHECK_STR(shown, strchr(want[i], '=') ? want[i] : "-");
        CHECK_STR(talk_have(t, id), strchr(want[i], '=') ? want[i] : "-");
        CHECK_INT(talk_state(t, id), REPLICA_DOC_IN_SYNC);
    }
}

static void fail_alloc(int nth)
{
    fault_alloc(nth);
}

static void fail_write(int nth)
{
    fault_io(FAULT_WRITE, nth, SQLITE_IOERR_WRITE);
}

static void fail_full(int nth)
{
    fault_io(FAULT_WRITE, nth, SQLITE_FULL);
}

static bool whole_session(unsigned features, const char *path, void (*order)(int nth), int nth)
{
    static const char *const want[] = { "a=116", "b", "c=1", "d=1", "e=9" };
    TALK t = talk_begin(&(struct talk_options){ .features = features, .path = path, .rows = 2,
                                                .resolve = add_up,
                                                .handler_flags = REPLICA_HANDLER_ADDITIVE });
    struct server s = { .stock = features == 0 };
    bool failed;

    set(&s, "a", 1, 1, false);
    set(&s, "b", 1, 1, false);
    set(&s, "d", 1, 1, false);
    talk_put(t, "a=5 c=1");
    order(nth);
    run_to_sync(&s, t);
    set(&s, "a", 1, 16, false); /* somebody adds 10, and we 100 */
    put(t, "{\"id\":\"a\",\"v\":106}");
    put(t, "{\"id\":\"e\",\"v\":9}");
    while (was_ordered(replica_delete(t->colls[0], "b", REPLICA_ANY_REV, NULL, &test_err)))
        continue;
    replica__session_changed(t->session);
    run_to_sync(&s, t);
    failed = fault_stop();
    check_same(&s, t, want, 5);
    CHECK_STR(talk_rejected(t), "");
    return failed;
}

LONG_TEST(a_session_of_pull_push_and_conflict_survives_each_failing_allocation)
{
    int nth = 0;

    while (whole_session(OURS & ~(unsigned)REPLICA_REMOTE_STREAM, ":memory:", fail_alloc, nth))
        nth += 1 + nth / 500; /* the later ones are much like each other */
    CHECK(nth > 100);
}

LONG_TEST(a_session_with_a_server_without_operation_ids_survives_each_failing_allocation)
{
    int nth = 0;

    while (whole_session(0, ":memory:", fail_alloc, nth))
        nth += 1 + nth / 500; /* the later ones are much like each other */
    CHECK(nth > 100);
}

static void check_io(unsigned features, void (*order)(int nth))
{
    char path[40];
    int nth = 0;

    do
        snprintf(path, sizeof path, "io%u-%d.db", features, nth);
    while (whole_session(features, tmp_path(path), order, nth++));
    CHECK(nth > 5);
}

LONG_TEST(a_session_survives_each_failing_write)
{
    check_io(OURS & ~(unsigned)REPLICA_REMOTE_STREAM, fail_write);
    check_io(0, fail_write);
}

LONG_TEST(a_session_survives_a_disk_that_is_full_for_a_moment)
{
    check_io(OURS & ~(unsigned)REPLICA_REMOTE_STREAM, fail_full);
    check_io(0, fail_full);
}

LONG_TEST(a_session_that_begins_again_survives_each_failing_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        TALK t = talk_begin(&(struct talk_options){ .features = OURS, .path = ":memory:" });
        int r;

        talk_stop(t);
        fault_alloc(nth);
        r = talk_start(t);
        failed = fault_stop();
        if (r < 0) {
            CHECK_RC(r, REPLICA_ENOMEM);
            CHECK_INT(t->destroyed, 1); /* not the second one: it stays the caller's */
            CHECK_RC(talk_start(t), 0);
        }
        talk_run(t);
        CHECK(t->pull);
    }
}

LONG_TEST(events_of_a_stream_survive_each_failing_allocation)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        TALK t = talk_begin(&(struct talk_options){ .features = OURS, .path = ":memory:" });

        talk_settle_down(t, "a=1@1", CP("1"));
        talk_open_stream(t);
        fault_alloc(nth);
        talk_event(t, &(struct said){ "b=1@2", CP("2"), CP("1") });
        failed = fault_stop();
        for (int i = 0; i < 5 && strcmp(talk_have(t, "b"), "-") == 0; i++) {
            talk_next(t);
            if (t->pull)
                talk_page(t, &(struct said){ "b=1@2", CP("2"), .at_head = 1 });
        }
        CHECK_STR(talk_have(t, "b"), "b=1");
    }
}
