/* Bundles at the master: pushed as one, and shown as one. */
#include "libreplica/master.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <string.h>

#define X "aaaaaaaaaaaaaaaa"
#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define B1 "{\"id\":\"b\",\"n\":1}"
#define B2 "{\"id\":\"b\",\"n\":2}"
#define C1 "{\"id\":\"c\",\"n\":1}"
#define C2 "{\"id\":\"c\",\"n\":2}"

static const struct replica__pusher ours;

enum { MAX_ROWS = 8 };
struct push {
    struct replica__master_row rows[MAX_ROWS];
    size_t n;
};

static void push_free(struct push *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->rows[i].real = replica_doc_unref(p->rows[i].real);
}
#define PUSH __attribute__((cleanup(push_free))) struct push

/* assumed NULL: it must be new. */
static struct replica__master_row *add(struct push *p, struct store *s, const char *bundle,
                                       const char *json, const char *assumed)
{
    static char operations[64][40];
    static int next;
    char *operation = operations[next++ % 64];
    struct replica__pulled scanned;

    snprintf(operation, sizeof operations[0], X ".%d", next);
    store_scan(s, &(struct come){ .json = json }, &scanned);
    p->rows[p->n] = (struct replica__master_row){
        .coll = s->coll,
        .doc = scanned.doc,
        .operation = operation,
        .bundle = bundle,
        .assumed = assumed ? REPLICA__ASSUMED_TEXT : REPLICA__ASSUMED_NONE,
        .assumed_json = assumed,
        .assumed_len = assumed ? strlen(assumed) : 0,
    };
    return &p->rows[p->n++];
}

/* The verdicts, a letter each: Taken, Already, Conflict, Refused, "-" none. */
static const char *verdicts(struct store *s, struct push *p)
{
    static char text[MAX_ROWS + 1];
    int64_t before = -1, after = -1;

    CHECK_RC(replica__master_push(s->db, p->rows, p->n, &ours, &before, &after, &test_err), 0);
    for (size_t i = 0; i < p->n; i++) {
        switch (p->rows[i].verdict) {
        case REPLICA_VERDICT_TAKEN: text[i] = 'T'; break;
        case REPLICA_VERDICT_ALREADY: text[i] = 'A'; break;
        case REPLICA_VERDICT_CONFLICT: text[i] = 'C'; break;
        case REPLICA_VERDICT_REFUSED: text[i] = 'R'; break;
        default: text[i] = '-'; break;
        }
        CHECK((p->rows[i].real != NULL) == (text[i] == 'C'));
    }
    text[p->n] = '\0';
    return text;
}

static void index_on(struct store *s, const char *field, unsigned flags)
{
    replica_index_options opts = REPLICA_INDEX_OPTIONS_INIT;

    opts.fields = &field;
    opts.n = 1;
    opts.flags = flags;
    CHECK_RC(replica_index_create(s->coll, &opts, &test_err), 1);
    CHECK_RC(replica_index_wait(s->coll, &test_err), 0);
}

/* ---- pushing --------------------------------------------------------------------- */

TEST(a_bundle_is_taken_as_one)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 };

    add(&p, &s, X ".1", A2, A1);
    add(&p, &s, X ".1", B1, NULL);
    CHECK_STR(verdicts(&s, &p), "TT");
    CHECK_INT(p.rows[0].sequence, 2);
    CHECK_INT(p.rows[1].sequence, 3);
    CHECK_STR(store_json(&s, "a"), A2);
    CHECK_STR(store_json(&s, "b"), B1);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM member WHERE bundle = '" X ".1'"), 2);
    store_sound(&s);
}

TEST(a_conflict_in_one_member_keeps_the_whole_bundle_out)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 };

    add(&p, &s, X ".1", B1, NULL);
    add(&p, &s, X ".1", A2, "{\"id\":\"a\",\"n\":0}");
    add(&p, &s, X ".1", C1, NULL);
    CHECK_STR(verdicts(&s, &p), "-C-");
    CHECK_STR(replica_doc_json(p.rows[1].real, NULL), A1);
    CHECK_STR(store_json(&s, "a"), A1);
    CHECK(!store_json(&s, "b"));
    CHECK(!store_json(&s, "c"));
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM member"), 0);
    store_sound(&s);
}

TEST(all_conflicts_of_a_bundle_are_told_at_once)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 };

    store_put(&s, B1);
    add(&p, &s, X ".1", A2, NULL);
    add(&p, &s, X ".1", C1, NULL);
    add(&p, &s, X ".1", B2, NULL);
    CHECK_STR(verdicts(&s, &p), "C-C");
}

TEST(a_bundle_that_stays_out_hinders_none_beside_it)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 };

    add(&p, &s, NULL, "{\"id\":\"before\"}", NULL);
    add(&p, &s, X ".1", B1, NULL);
    add(&p, &s, X ".1", A2, NULL);
    add(&p, &s, X ".2", C1, NULL);
    add(&p, &s, X ".2", "{\"id\":\"d\"}", NULL);
    add(&p, &s, NULL, "{\"id\":\"behind\"}", NULL);
    CHECK_STR(verdicts(&s, &p), "T-CTTT");
    CHECK_INT(p.rows[0].sequence, 2);
    CHECK_INT(p.rows[3].sequence, 3);
    CHECK_INT(p.rows[5].sequence, 5);
    CHECK(!store_json(&s, "b"));
    CHECK_STR(store_json(&s, "c"), C1);
    store_sound(&s);
}

TEST(a_bundle_that_comes_again_is_already_taken_as_one)
{
    STORE s = store_empty();
    PUSH p = { .n = 0 };

    add(&p, &s, X ".1", A1, NULL);
    add(&p, &s, X ".1", B1, NULL);
    CHECK_STR(verdicts(&s, &p), "TT");
    CHECK_STR(verdicts(&s, &p), "AA");
    CHECK_INT(p.rows[1].sequence, 2);
}

TEST(a_bundle_that_was_resolved_goes_with_all_its_members)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 }, again = { .n = 0 };

    add(&p, &s, X ".1", A2, NULL);
    add(&p, &s, X ".1", B1, NULL);
    CHECK_STR(verdicts(&s, &p), "C-");
    add(&again, &s, X ".1", A2, A1);
    add(&again, &s, X ".1", B1, NULL);
    CHECK_STR(verdicts(&s, &again), "TT");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM member"), 2);
}

TEST(a_bundle_with_a_member_that_is_refused_is_refused)
{
    STORE s = store_empty();
    PUSH p = { .n = 0 };

    add(&p, &s, X ".1", A1, NULL);
    add(&p, &s, X ".1", B1, NULL)->operation = "no operation";
    add(&p, &s, X ".1", C1, NULL);
    CHECK_STR(verdicts(&s, &p), "RRR");
    CHECK_INT(p.rows[0].code, 422);
    CHECK_STR(p.rows[0].reason, "with its bundle: not an operation id");
    CHECK_STR(p.rows[1].reason, "not an operation id");
    CHECK(!store_json(&s, "a"));
}

TEST(a_member_that_breaks_the_schema_refuses_those_in_conflict_too)
{
    STORE s = store_empty();
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    PUSH p = { .n = 0 };

    opts.schema_json = "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":"
                       "{\"id\":{\"type\":\"string\",\"maxLength\":9},\"n\":{\"maximum\":5}}}";
    CHECK_RC(replica_db_collection(s.db, "strict", &opts, &s.coll, &test_err), 0);
    store_put(&s, A1);
    add(&p, &s, X ".1", A2, NULL);
    add(&p, &s, X ".1", B1, NULL);
    add(&p, &s, X ".1", "{\"id\":\"c\",\"n\":6}", NULL);
    CHECK_STR(verdicts(&s, &p), "RRR");
    CHECK_INT(p.rows[0].code, 422);
    CHECK(!store_json(&s, "b"));
}

TEST(a_unique_index_takes_back_what_a_bundle_has_written)
{
    STORE s = store_empty();
    PUSH p = { .n = 0 }, alone = { .n = 0 };

    index_on(&s, "n", REPLICA_INDEX_UNIQUE);
    store_put(&s, A1);
    add(&p, &s, X ".1", B2, NULL);
    add(&p, &s, X ".1", C1, NULL);
    CHECK_STR(verdicts(&s, &p), "RR");
    CHECK(!store_json(&s, "b"));
    add(&alone, &s, NULL, C2, NULL); /* b has not kept the place */
    CHECK_STR(verdicts(&s, &alone), "T");
    store_sound(&s);
}

static int found(struct store *s, const char *words)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    int n = 0;

    CHECK_RC(replica_search(s->coll, NULL, words, 10, &cursor, &test_err), 0);
    while (replica_cursor_next(cursor, &doc, &test_err) > 0)
        n++;
    replica_cursor_close(cursor);
    return n;
}

TEST(full_text_finds_nothing_of_a_bundle_that_stayed_out)
{
    STORE s = store_with("{\"id\":\"a\",\"t\":\"apple\"}");
    PUSH p = { .n = 0 }, next = { .n = 0 };

    index_on(&s, "t", REPLICA_INDEX_TEXT);
    add(&p, &s, X ".1", "{\"id\":\"b\",\"t\":\"pear\"}", NULL);
    add(&p, &s, X ".1", "{\"id\":\"a\",\"t\":\"plum\"}", NULL);
    add(&p, &s, NULL, "{\"id\":\"c\",\"t\":\"fig\"}", NULL);
    CHECK_STR(verdicts(&s, &p), "-CT");
    CHECK_INT(found(&s, "pear"), 0);
    CHECK_INT(found(&s, "plum"), 0);
    CHECK_INT(found(&s, "apple"), 1);
    CHECK_INT(found(&s, "fig"), 1);
    add(&next, &s, X ".1", "{\"id\":\"b\",\"t\":\"pear\"}", NULL);
    CHECK_STR(verdicts(&s, &next), "T");
    CHECK_INT(found(&s, "pear"), 1);
    store_sound(&s);
}

TEST(a_conflict_refuses_a_firm_bundle)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 }, one = { .n = 0 };

    add(&p, &s, X ".1", B1, NULL)->firm = true;
    add(&p, &s, X ".1", A2, NULL)->firm = true;
    CHECK_STR(verdicts(&s, &p), "RR");
    CHECK_INT(p.rows[0].code, 409);
    CHECK_INT(p.rows[1].code, 409);
    CHECK(!store_json(&s, "b"));
    add(&one, &s, X ".2", A2, NULL)->firm = true;
    CHECK_STR(verdicts(&s, &one), "R");
    CHECK_INT(one.rows[0].code, 409);
}

TEST(a_document_that_is_twice_in_a_bundle_refuses_it)
{
    STORE s = store_empty();
    PUSH p = { .n = 0 };

    add(&p, &s, X ".1", A1, NULL);
    add(&p, &s, X ".1", A2, NULL);
    CHECK_STR(verdicts(&s, &p), "RR");
    CHECK(!store_json(&s, "a"));
}

TEST(openings_that_were_met_in_a_bundle_that_stayed_out_are_forgotten_with_it)
{
    STORE s = store_with(A1);
    PUSH p = { .n = 0 }, other = { .n = 0 };

    add(&p, &s, X ".1", B1, NULL)->operation = "zzzz.1";
    add(&p, &s, X ".1", A2, NULL)->operation = "zzzz.2";
    CHECK_STR(verdicts(&s, &p), "-C");
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM token WHERE text = 'zzzz'"), 0);
    add(&other, &s, NULL, C1, NULL)->operation = "yyyy.1";
    add(&other, &s, NULL, B1, NULL)->operation = "zzzz.3";
    CHECK_STR(verdicts(&s, &other), "TT");
    store_json(&s, "b");
    CHECK_STR(replica_doc_writer(s.shown), "zzzz.3");
    store_sound(&s);
}

TEST(a_conflict_says_which_bundle_wrote_the_real_state)
{
    STORE s = store_empty();
    PUSH p = { .n = 0 }, late = { .n = 0 };

    add(&p, &s, X ".1", A1, NULL);
    CHECK_STR(verdicts(&s, &p), "T");
    add(&late, &s, NULL, A2, NULL);
    CHECK_STR(verdicts(&s, &late), "C");
    CHECK_STR(replica__doc_bundle(late.rows[0].real), X ".1");
}

TEST(a_conflict_with_a_later_write_of_a_member_names_its_bundle_too)
{
    STORE s = store_empty();
    PUSH p = { .n = 0 }, one = { .n = 0 }, late = { .n = 0 };

    add(&p, &s, X ".1", A1, NULL);
    add(&p, &s, X ".1", B1, NULL);
    CHECK_STR(verdicts(&s, &p), "TT");
    add(&one, &s, NULL, A2, A1);
    CHECK_STR(verdicts(&s, &one), "T");
    add(&late, &s, NULL, "{\"id\":\"a\",\"n\":3}", NULL);
    CHECK_STR(verdicts(&s, &late), "C");
    CHECK_STR(replica__doc_bundle(late.rows[0].real), X ".1"); /* its others are pulled first */
}

/* ---- reading --------------------------------------------------------------------- */

struct shown {
    struct replica__buf text;
    size_t stop; /* behind so many that are in their place */
    size_t most; /* completing ones */
};

/* "a@1 " for what is in its place, "+b@2 " for what completes a bundle and joins the page, and
 * "(+c@9) " for what comes again. */
static int show(void *ctx, const struct replica__feed_doc *doc)
{
    struct shown *shown = ctx;

    replica__buf_printf(&shown->text, "%s%s%zu/%s%s%lld%s ", doc->again ? "(" : "",
                        doc->whole ? "+" : "", doc->collection, doc->id, doc->deleted ? "-" : "@",
                        (long long)doc->sequence, doc->again ? ")" : "");
    CHECK(doc->whole || !doc->again);
    if (doc->whole)
        return shown->most && --shown->most == 0;
    return shown->stop && --shown->stop == 0;
}

static struct shown shown;

static const char *read_with(struct store *s, replica_collection *const *colls, size_t n,
                             const struct replica__feed_options *o, int64_t *ret_last)
{
    int r;

    replica__buf_clear(&shown.text);
    replica__buf_str(&shown.text, "");
    *ret_last = -1;
    r = replica__master_read(s->db, colls, n, o, show, &shown, ret_last, &test_err);
    CHECK(r >= 0);
    replica__buf_printf(&shown.text, "%s%lld", r ? "end " : "", (long long)*ret_last);
    return shown.text.data;
}

/* The page of notes after `since`, and where it ends. */
static const char *read_page(struct store *s, int64_t since, size_t rows)
{
    int64_t last;

    return read_with(s, &s->coll, 1,
                     &(struct replica__feed_options){ .since = since, .rows = rows }, &last);
}

/* Write documents {"id":...} of these names, separated by blanks, in a bundle. */
static void write_bundle(struct store *s, const char *ids)
{
    replica_bundle *bundle = NULL;
    char id[20], json[60];
    int n;

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    for (; sscanf(ids, "%19s%n", id, &n) == 1; ids += n) {
        snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
        CHECK_RC(replica_bundle_put(bundle, s->coll, json, REPLICA_NUL, REPLICA_ANY_REV,
                                    &test_err), 0);
    }
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}

static void write_alone(struct store *s, const char *id)
{
    char json[60];

    snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
    store_put(s, json);
}

TEST(a_page_ends_behind_a_bundle_that_it_began)
{
    STORE s = store_empty();

    write_alone(&s, "x");
    write_bundle(&s, "a b c");
    write_alone(&s, "y");
    CHECK_STR(read_page(&s, 0, 1), "0/x@1 1");
    CHECK_STR(read_page(&s, 0, 2), "0/x@1 0/a@2 +0/b@3 +0/c@4 4");
    CHECK_STR(read_page(&s, 4, 2), "0/y@5 end 5");
    CHECK_STR(read_page(&s, 2, 1), "0/b@3 +0/c@4 4"); /* of an older server's checkpoint */
    replica__buf_free(&shown.text);
}

TEST(what_completes_the_last_bundle_may_be_the_end)
{
    STORE s = store_empty();

    write_bundle(&s, "a b");
    CHECK_STR(read_page(&s, 0, 1), "0/a@1 +0/b@2 end 2");
    replica__buf_free(&shown.text);
}

TEST(a_member_that_was_written_again_comes_with_its_bundle_and_again_in_its_place)
{
    STORE s = store_empty();

    write_bundle(&s, "a b");
    write_alone(&s, "x");
    write_alone(&s, "y");
    write_alone(&s, "b");
    CHECK_STR(read_page(&s, 0, 1), "0/a@1 (+0/b@5) 1");
    CHECK_STR(read_page(&s, 0, 2), "0/a@1 0/x@3 (+0/b@5) 3");
    CHECK_STR(read_page(&s, 3, 9), "0/y@4 0/b@5 end 5");
    replica__buf_free(&shown.text);
}

TEST(bundles_that_hang_together_come_together)
{
    STORE s = store_empty();

    write_bundle(&s, "a b");
    write_alone(&s, "x");
    write_bundle(&s, "b c");
    write_alone(&s, "y");
    write_bundle(&s, "c d");
    CHECK_STR(read_page(&s, 0, 1), "0/a@1 (+0/b@4) (+0/c@7) (+0/d@8) 1");
    CHECK_STR(read_page(&s, 1, 2), "0/x@3 0/b@4 (+0/c@7) (+0/d@8) 4");
    replica__buf_free(&shown.text);
}

TEST(a_state_that_is_ahead_brings_the_bundles_in_between)
{
    STORE s = store_empty();

    write_bundle(&s, "a hub");
    write_alone(&s, "x");
    write_bundle(&s, "b hub");
    write_bundle(&s, "c hub");
    CHECK_STR(read_page(&s, 0, 1), "0/a@1 (+0/b@4) (+0/c@6) (+0/hub@7) 1");
    replica__buf_free(&shown.text);
}

TEST(where_all_hangs_together_only_the_newest_bundles_come)
{
    STORE s = store_empty();

    for (int i = 0; i < 1100; i++) {
        char ids[40];

        snprintf(ids, sizeof ids, "n%d hub", i);
        write_bundle(&s, ids);
    }
    CHECK_STR(read_page(&s, 0, 1), "0/n0@1 (+0/n1099@2199) (+0/hub@2200) 1");
    CHECK(strstr(read_page(&s, 2000, 1), "+0/n1002@2005 ")); /* they are few again */
    replica__buf_free(&shown.text);
}

TEST(members_that_were_written_again_since_hang_together_still)
{
    STORE s = store_empty();

    write_bundle(&s, "a b");
    write_alone(&s, "a");
    write_alone(&s, "x");
    write_alone(&s, "b");
    CHECK_STR(read_page(&s, 0, 1), "0/a@3 (+0/b@5) 3");
    CHECK_STR(read_page(&s, 3, 1), "0/x@4 4");
    replica__buf_free(&shown.text);
}

/* How many members are known of a bundle whose documents were all written again. */
static int64_t left_of_a_past_bundle(bool serving)
{
    STORE s = store_empty();
    const char *incarnation;

    if (serving)
        CHECK_RC(replica__master_incarnation(s.db, &incarnation, &test_err), 0);
    write_bundle(&s, "a b");
    write_alone(&s, "a");
    write_alone(&s, "b");
    for (int i = 0; i < 10; i++)
        write_bundle(&s, "c d");
    return store_sql_int(&s, "SELECT count(*) FROM member m JOIN doc d ON d.number = m.doc"
                             " WHERE d.id IN ('a', 'b')");
}

TEST(a_server_remembers_past_bundles_for_a_while)
{
    CHECK_INT(left_of_a_past_bundle(false), 0);
    CHECK_INT(left_of_a_past_bundle(true), 2);
}

TEST(a_page_at_the_head_needs_nothing)
{
    STORE s = store_empty();

    write_bundle(&s, "a b");
    write_alone(&s, "a");
    CHECK_STR(read_page(&s, 0, 5), "0/b@2 0/a@3 end 3");
    CHECK_STR(read_page(&s, 3, 5), "end 3");
    replica__buf_free(&shown.text);
}

TEST(a_bundle_over_collections_is_whole_for_who_reads_them)
{
    STORE s = store_empty();
    replica_collection *colls[2] = { s.coll };
    replica_bundle *bundle = NULL;
    int64_t last;

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &colls[1], &test_err), 0);
    CHECK_RC(replica_bundle_begin(s.db, &bundle, &test_err), 0);
    for (int i = 0; i < 4; i++)
        CHECK_RC(replica_bundle_put(bundle, colls[i % 2],
                                    i < 2 ? "{\"id\":\"a\"}" : "{\"id\":\"b\"}", REPLICA_NUL, NULL,
                                    &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    write_alone(&s, "x");
    CHECK_STR(read_with(&s, colls, 2, &(struct replica__feed_options){ .rows = 1 }, &last),
              "0/a@1 +1/a@2 +0/b@3 +1/b@4 4");
    CHECK_STR(read_with(&s, colls + 1, 1, &(struct replica__feed_options){ .rows = 1 }, &last),
              "0/a@2 +0/b@4 end 5");
    replica__buf_free(&shown.text);
}

TEST(what_completes_a_bundle_is_not_joined_over_what_was_not_looked_at)
{
    STORE s = store_empty();
    replica_collection *colls[2] = { s.coll };
    int64_t last;

    CHECK_RC(replica_db_collection(s.db, "tasks", NULL, &colls[1], &test_err), 0);
    write_bundle(&s, "a b");
    for (int i = 0; i < 3; i++)
        CHECK_RC(replica_put(colls[1], i == 0 ? "{\"id\":\"t\"}" : i == 1 ? "{\"id\":\"u\"}"
                                                                         : "{\"id\":\"v\"}",
                             REPLICA_NUL, NULL, NULL, NULL, &test_err), 0);
    write_alone(&s, "b");
    store_sql(&s, "UPDATE doc SET version = -1 WHERE id IN ('t', 'u')"); /* have yet to rise */
    CHECK_STR(read_with(&s, colls, 2, &(struct replica__feed_options){ .rows = 1 }, &last),
              "0/a@1 (+0/b@6) 1");
    replica__buf_free(&shown.text);
}

TEST(a_bundle_is_whole_as_far_as_its_keys_are_asked_for)
{
    STORE s = store_empty();
    int64_t last;

    write_bundle(&s, "in/a out/a in/b out/b in/c");
    write_alone(&s, "in/x");
    CHECK_STR(read_with(&s, &s.coll, 1,
                        &(struct replica__feed_options){ .rows = 1, .keys = "in/*" }, &last),
              "0/in/a@1 +0/in/b@3 +0/in/c@5 5");
    CHECK_STR(read_with(&s, &s.coll, 1,
                        &(struct replica__feed_options){ .rows = 1, .keys = "out/*" }, &last),
              "0/out/a@2 +0/out/b@4 end 6");
    replica__buf_free(&shown.text);
}

TEST(a_deleted_member_comes_as_a_tombstone)
{
    STORE s = store_empty();

    write_bundle(&s, "a b");
    write_alone(&s, "x");
    store_delete(&s, "b");
    CHECK_STR(read_page(&s, 0, 1), "0/a@1 (+0/b-4) 1");
    replica__buf_free(&shown.text);
}

TEST(a_reader_that_stops_gets_the_rest_of_the_bundle_all_the_same)
{
    STORE s = store_empty();

    write_bundle(&s, "a b c d");
    write_alone(&s, "x");
    shown.stop = 2;
    CHECK_STR(read_page(&s, 0, 9), "0/a@1 0/b@2 +0/c@3 +0/d@4 4");
    shown.stop = 2;
    shown.most = 1; /* and one that must stop goes on behind what it took */
    CHECK_STR(read_page(&s, 0, 9), "0/a@1 0/b@2 +0/c@3 3");
    replica__buf_free(&shown.text);
}

TEST(an_end_that_is_given_ends_the_page_but_no_bundle)
{
    STORE s = store_empty();
    int64_t last;

    write_alone(&s, "x");
    write_bundle(&s, "a b");
    CHECK_STR(read_with(&s, &s.coll, 1,
                        &(struct replica__feed_options){ .rows = 9, .until = 2 }, &last),
              "0/x@1 0/a@2 (+0/b@3) end 2");
    CHECK_STR(read_with(&s, &s.coll, 1,
                        &(struct replica__feed_options){ .rows = 1, .until = 2 }, &last),
              "0/x@1 1");
    replica__buf_free(&shown.text);
}

TEST(a_page_in_parts_is_made_whole_by_its_last_one)
{
    STORE s = store_empty();
    struct replica__feed_bundles bundles = { REPLICA_BUF_INIT, REPLICA_BUF_INIT };
    struct replica__feed_options o = { .rows = 1, .bundles = &bundles };
    int64_t last;

    write_bundle(&s, "a b");
    write_alone(&s, "x");
    write_alone(&s, "b");
    CHECK_STR(read_with(&s, &s.coll, 1, &o, &last), "0/a@1 1");
    o.since = last;
    CHECK_STR(read_with(&s, &s.coll, 1, &o, &last), "0/x@3 3");
    o.since = last;
    write_alone(&s, "a"); /* it was shown, and the page must be right for what was */
    o.rows = 0;
    CHECK_STR(read_with(&s, &s.coll, 1, &o, &last), "+0/b@4 +0/a@5 end 5");
    replica__feed_bundles_free(&bundles);
    replica__buf_free(&shown.text);
}
