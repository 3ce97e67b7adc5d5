/* Live queries against the same queries run again after each commit: random queries over random
 * writes, of this handle, of another, of another process, and of a replication. */
#include "base/buf.h"
#include "libreplica/query.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUERIES 12
#define MOST 400 /* documents of a result */
#define IDS 300

struct watched {
    struct replica__buf query;
    replica_live *live;
    replica_doc *docs[MOST]; /* as the differences have it */
    size_t n;
    size_t told;
};

/* ---- following ------------------------------------------------------------------- */

static void take_out(struct watched *w, const replica_live_change *c)
{
    CHECK(c->from < w->n);
    CHECK_STR(replica_doc_id(w->docs[c->from]), replica_doc_id(c->doc));
    if (c->what == REPLICA_LIVE_REMOVED)
        CHECK_STR(replica_doc_rev(w->docs[c->from]), replica_doc_rev(c->doc));
    else
        CHECK(strcmp(replica_doc_rev(w->docs[c->from]), replica_doc_rev(c->doc)) != 0);
    replica_doc_unref(w->docs[c->from]);
    w->n--;
    memmove(&w->docs[c->from], &w->docs[c->from + 1], (w->n - c->from) * sizeof(replica_doc *));
}

static void put_in(struct watched *w, const replica_live_change *c)
{
    CHECK(c->to <= w->n && w->n < MOST);
    memmove(&w->docs[c->to + 1], &w->docs[c->to], (w->n - c->to) * sizeof(replica_doc *));
    w->docs[c->to] = replica_doc_ref(c->doc);
    w->n++;
}

static void follow(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                   const replica_error *err)
{
    struct watched *w = ctx;

    CHECK(!err);
    w->told += n;
    for (size_t i = 0; i < n; i++) {
        if (changes[i].what != REPLICA_LIVE_ADDED)
            take_out(w, &changes[i]);
        if (changes[i].what != REPLICA_LIVE_REMOVED)
            put_in(w, &changes[i]);
    }
}

/* The copy, the live result, and the query run again. */
static void compare(struct store *s, const struct watched *w)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    size_t at = 0;
    int r;

    CHECK_INT(replica_live_count(w->live), w->n);
    CHECK_RC(replica_find(s->coll, w->query.data, w->query.len, &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0) {
        replica_doc *live = replica_live_at(w->live, at);

        if (at >= w->n || strcmp(replica_doc_rev(doc), replica_doc_rev(w->docs[at])) != 0)
            test_fail(__FILE__, __LINE__, "%s: place %zu is %s, not %s", w->query.data, at,
                      at < w->n ? replica_doc_id(w->docs[at]) : "(none)", replica_doc_id(doc));
        CHECK_STR(replica_doc_rev(live), replica_doc_rev(doc));
        CHECK_STR(replica_doc_json(live, NULL), replica_doc_json(doc, NULL));
        at++;
    }
    CHECK_RC(r, 0);
    CHECK_INT(at, w->n);
    replica_cursor_close(cursor);
}

/* ---- queries --------------------------------------------------------------------- */

static void write_query(uint64_t *dice, struct replica__buf *out)
{
    static const char *const selectors[] = {
        "{}", "{\"n\":{\"$gt\":3}}", "{\"n\":{\"$lte\":5},\"t\":\"x\"}", "{\"a\":2}",
        "{\"a\":{\"$elemMatch\":{\"$gt\":1,\"$lt\":4}}}", "{\"t\":{\"$exists\":true}}",
        "{\"$or\":[{\"n\":1},{\"t\":{\"$in\":[\"y\",\"z\"]}}]}", "{\"n\":{\"$not\":{\"$gt\":4}}}",
        "{\"t\":{\"$regex\":\"^[xy]\"}}", "{\"n\":null}",
    };
    static const char *const sorts[] = {
        "[]", "[{\"n\":\"asc\"}]", "[{\"n\":\"desc\"}]", "[{\"t\":\"asc\"},{\"n\":\"desc\"}]",
        "[{\"a\":\"asc\"}]", "[{\"a\":\"desc\"},{\"t\":\"desc\"}]", "[{\"id\":\"desc\"}]",
    };

    replica__buf_printf(out, "{\"selector\":%s",
                        selectors[dice_roll(dice) % (sizeof selectors / sizeof selectors[0])]);
    if (dice_roll(dice) % 4)
        replica__buf_printf(out, ",\"sort\":%s",
                            sorts[dice_roll(dice) % (sizeof sorts / sizeof sorts[0])]);
    if (dice_roll(dice) % 3 == 0)
        replica__buf_printf(out, ",\"skip\":%d", (int)(dice_roll(dice) % 12));
    if (dice_roll(dice) % 2)
        replica__buf_printf(out, ",\"limit\":%d", (int)(dice_roll(dice) % 20) + 1);
    if (dice_roll(dice) % 3 == 0)
        replica__buf_str(out, ",\"fields\":[\"n\"]");
    replica__buf_char(out, '}');
}

/* ---- writes ---------------------------------------------------------------------- */

static void write_doc(uint64_t *dice, int id, struct replica__buf *out)
{
    static const char *const texts[] = { "x", "y", "z", "\\u00e4" };

    replica__buf_clear(out);
    replica__buf_printf(out, "{\"id\":\"d%d\"", id);
    if (dice_roll(dice) % 8)
        replica__buf_printf(out, ",\"n\":%d", (int)(dice_roll(dice) % 9));
    if (dice_roll(dice) % 4)
        replica__buf_printf(out, ",\"t\":\"%s\"", texts[dice_roll(dice) % 4]);
    if (dice_roll(dice) % 3)
        replica__buf_printf(out, ",\"a\":[%d,%d]", (int)(dice_roll(dice) % 5),
                            (int)(dice_roll(dice) % 5));
    replica__buf_char(out, '}');
}

static void write_some(struct store *s, uint64_t *dice, int n)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    for (int i = 0; i < n; i++) {
        int id = (int)(dice_roll(dice) % IDS);
        char name[16];

        snprintf(name, sizeof name, "d%d", id);
        write_doc(dice, id, &text);
        if (dice_roll(dice) % 4)
            store_put(s, text.data);
        else
            CHECK(replica_delete(s->coll, name, REPLICA_ANY_REV, NULL, &test_err) >= 0);
    }
}

static void in_a_bundle(struct store *s, uint64_t *dice)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    replica_bundle *bundle = NULL;
    int first = (int)(dice_roll(dice) % IDS);

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    for (int i = 0; i < 5; i++) {
        write_doc(dice, (first + i) % IDS, &text);
        CHECK_RC(replica_bundle_put(bundle, s->coll, text.data, text.len, REPLICA_ANY_REV,
                                    &test_err), 0);
    }
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}

static void in_another_process(const char *path, uint64_t dice)
{
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        struct store s = store_open(path, NULL);

        write_some(&s, &dice, 5);
        store_close(&s);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

static void by_a_pull(struct store *s, uint64_t *dice, int64_t *sequence)
{
    REPLICA_BUF a = REPLICA_BUF_INIT, b = REPLICA_BUF_INIT;
    int first = (int)(dice_roll(dice) % IDS);
    struct come docs[2];
    char checkpoint[40];

    write_doc(dice, first, &a);
    write_doc(dice, (first + 1) % IDS, &b);
    docs[0] = (struct come){ .json = a.data, .sequence = ++*sequence,
                             .deleted = dice_roll(dice) % 4 == 0 };
    docs[1] = (struct come){ .json = b.data, .sequence = ++*sequence };
    snprintf(checkpoint, sizeof checkpoint, "%lld.inc", (long long)*sequence);
    CHECK(store_pull(s, checkpoint, docs, 2) >= 0);
}

/* So many from the beginning of a result: what is behind its window moves up, and runs out. */
static void delete_first(struct store *s, const struct watched *w, size_t n)
{
    for (size_t i = 0; i < n && i < w->n; i++)
        CHECK(replica_delete(s->coll, replica_doc_id(w->docs[i]), REPLICA_ANY_REV, NULL,
                             &test_err) >= 0);
}

/* ---- all together ---------------------------------------------------------------- */

static void settle(struct store *s)
{
    for (int i = 0; i < 50; i++) {
        int r = replica_db_dispatch(s->db, 1000, &test_err);

        CHECK(r >= 0);
        if (r == 0 && replica_db_timeout(s->db) != 0)
            return;
    }
}

static void start(struct store *s, struct watched *w, uint64_t *dice)
{
    *w = (struct watched){ .query = REPLICA_BUF_INIT };
    write_query(dice, &w->query);
    CHECK_RC(replica_live_start(s->coll, w->query.data, w->query.len, follow, w, NULL, &w->live,
                                &test_err), 0);
}

static void end(struct watched *w)
{
    replica_live_cancel(w->live);
    for (size_t i = 0; i < w->n; i++)
        replica_doc_unref(w->docs[i]);
    replica__buf_free(&w->query);
}

static void add_index(struct store *s, const char *first, const char *second)
{
    const char *const fields[] = { first, second };
    const replica_index_options o = { .size = sizeof o, .fields = fields, .n = second ? 2 : 1 };

    CHECK_RC(replica_index_create(s->coll, &o, &test_err), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

static void run(uint64_t seed, int commits, bool processes)
{
    STORE s = store_empty();
    STORE other = store_open(s.path, NULL);
    struct watched watched[QUERIES];
    uint64_t dice = seed;
    int64_t sequence = 1000000;
    size_t told = 0;

    store_replicate(&s, "r1");
    write_some(&s, &dice, 600);
    if (seed % 2 == 0) {
        add_index(&s, "n", NULL);
        add_index(&s, "a", NULL);
        add_index(&s, "t", "n");
    }
    for (int i = 0; i < QUERIES; i++)
        start(&s, &watched[i], &dice);
    for (int commit = 0; commit < commits; commit++) {
        switch (dice_roll(&dice) % (processes ? 7 : 6)) {
        case 0: write_some(&s, &dice, 1); break;
        case 1: write_some(&s, &dice, (int)(dice_roll(&dice) % 60)); break;
        case 2: write_some(&other, &dice, 2); break;
        case 3: in_a_bundle(&s, &dice); break;
        case 4: by_a_pull(&s, &dice, &sequence); break;
        case 5: delete_first(&s, &watched[dice_roll(&dice) % QUERIES], 15); break;
        default: in_another_process(s.path, dice_roll(&dice));
        }
        if (commit % 40 == 20) {
            end(&watched[commit % QUERIES]);
            start(&s, &watched[commit % QUERIES], &dice);
        }
        /* A look of our own: the system's notice of another's commit may take a moment. */
        CHECK_RC(replica_upsert(s.coll, "{\"id\":\"tick\"}", REPLICA_NUL, NULL, &test_err), 0);
        settle(&s);
        for (int i = 0; i < QUERIES; i++)
            compare(&s, &watched[i]);
    }
    for (int i = 0; i < QUERIES; i++) {
        told += watched[i].told;
        end(&watched[i]);
    }
    CHECK(told > (size_t)commits);
    store_sound(&s);
    store_close(&other);
    store_close(&s);
    unlink(s.path); /* the next run begins with a new file */
}

LONG_TEST(differences_lead_to_what_the_query_gives_after_each_commit)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed, 120, false);
}

LONG_TEST(also_with_another_process)
{
    run(77, 150, true);
}
