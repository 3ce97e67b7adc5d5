/* A push at the master, row by row. */
#include "libreplica/master.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"
#define A3 "{\"id\":\"a\",\"n\":3}"
#define X "aaaaaaaaaaaaaaaa"
#define Y "bbbbbbbbbbbbbbbb"

static struct replica__master_row row(struct store *s, const char *json, const char *operation)
{
    struct replica__pulled scanned;

    store_scan(s, &(struct come){ .json = json }, &scanned);
    return (struct replica__master_row){ .coll = s->coll, .doc = scanned.doc,
        .operation = operation };
}

static const struct replica__pusher ours, stock_client = { .stock = true };

static int push_some(struct store *s, struct replica__master_row *rows, size_t n, bool stock)
{
    int64_t before = -1, after = -1;
    int r = replica__master_push(s->db, rows, n, &(struct replica__pusher){ .stock = stock },
                                 &before, &after, &test_err);

    CHECK(r < 0 || (before >= 0 && after >= before));
    for (size_t i = 0; i < n; i++)
        rows[i].real = replica_doc_unref(rows[i].real);
    return r;
}

/* One row; gives its verdict. */
static int push(struct store *s, struct replica__master_row r, bool stock)
{
    CHECK_RC(push_some(s, &r, 1, stock), 0);
    return r.verdict;
}

static struct replica__master_row with_text(struct replica__master_row r, const char *assumed)
{
    r.assumed = REPLICA__ASSUMED_TEXT;
    r.assumed_json = assumed;
    r.assumed_len = strlen(assumed);
    return r;
}

TEST(a_new_document_is_taken_with_its_writer_stamp_and_bundle)
{
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    struct replica__master_row r = row(&s, A1, X ".7");
    int64_t before = -1, after = -1;

    r.stamp = INT64_C(1699999999999) << 16;
    r.bundle = X ".6";
    CHECK_RC(replica__master_push(s.db, &r, 1, &ours, &before, &after, &test_err), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(r.sequence, 1);
    CHECK_INT(before, 0);
    CHECK_INT(after, 1);
    CHECK_STR(store_json(&s, "a"), A1);
    CHECK_STR(replica_doc_writer(s.shown), X ".7");
    CHECK_INT(replica_doc_time(s.shown), 1699999999999);
    CHECK_INT(store_sql_int(&s, "SELECT bundle = '" X ".6' FROM doc"), 1);
}

static int forbid(void *ctx, const struct replica__guarded *write, struct replica__buf *out,
                  int *ret_code, const char **ret_reason)
{
    (void)ctx;
    (void)write;
    (void)out;
    *ret_code = 403;
    *ret_reason = "not allowed";
    return 0;
}

static int hide(void *ctx, size_t row, const char *json, size_t len, struct replica__buf *out)
{
    (void)ctx;
    (void)row;
    (void)json;
    (void)len;
    (void)out;
    return 0;
}

TEST(what_is_refused_leaves_nothing_in_the_file)
{
    STORE s = store_with(A1);
    const struct replica__guard guard = { forbid, hide, NULL };
    const struct replica__pusher stranger = { .guard = &guard };
    int64_t tokens = store_sql_int(&s, "SELECT count(*) FROM token");
    struct replica__master_row rows[] = { row(&s, A2, X ".7"), row(&s, "{\"id\":\"b\"}", Y ".1") };
    int64_t before, after;

    CHECK_RC(replica__master_push(s.db, rows, 2, &stranger, &before, &after, &test_err), 0);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(rows[1].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM token"), tokens);
}

TEST(a_row_without_an_assumed_state_for_what_is_there_is_a_conflict)
{
    STORE s = store_with(A1);
    struct replica__master_row r = row(&s, A2, X ".7");
    int64_t before, after;

    CHECK_RC(replica__master_push(s.db, &r, 1, &ours, &before, &after, &test_err), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_INT(r.sequence, 1);
    CHECK_STR(replica_doc_json(r.real, NULL), A1);
    CHECK_INT(before, after);
    replica_doc_unref(r.real);
    CHECK_STR(store_json(&s, "a"), A1);
}

TEST(a_tombstone_is_there_too)
{
    STORE s = store_with(A1);

    store_delete(&s, "a");
    struct replica__master_row r = row(&s, A2, X ".7");
    int64_t before, after;
    CHECK_RC(replica__master_push(s.db, &r, 1, &ours, &before, &after, &test_err), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_INT(replica_doc_deleted(r.real), 1);
    replica_doc_unref(r.real);
    r = with_text(row(&s, A2, X ".8"), A1);
    r.assumed_deleted = true;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_TAKEN);
    CHECK_STR(store_json(&s, "a"), A2);
}

TEST(an_assumed_text_is_compared_as_javascript_reads_it)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":9007199254740993,\"m\":1.0}");

    CHECK_INT(push(&s, with_text(row(&s, A2, X ".7"), A3), false), REPLICA_VERDICT_CONFLICT);
    CHECK_INT(push(&s,
                   with_text(row(&s, A2, X ".8"),
                             "{\"m\":1,\"n\":9007199254740992,\"_deleted\":false,\"id\":\"a\"}"),
                   false),
              REPLICA_VERDICT_TAKEN);
}

TEST(an_assumed_number_is_that_of_the_stored_state)
{
    STORE s = store_empty();
    const char *inc = NULL;
    struct replica__master_row r;

    CHECK_RC(replica__master_incarnation(s.db, &inc, &test_err), 0);
    store_put(&s, A1);
    r = row(&s, A2, X ".7");
    r.assumed = REPLICA__ASSUMED_NUMBER;
    r.assumed_incarnation = "nobody";
    r.assumed_sequence = 1;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_CONFLICT);
    r.assumed_incarnation = inc;
    r.assumed_sequence = 2;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_CONFLICT);
    r.assumed_sequence = 1;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_TAKEN);
}

TEST(a_row_that_comes_again_is_already_taken_with_its_number)
{
    STORE s = store_empty();
    struct replica__master_row rows[1];

    CHECK_INT(push(&s, row(&s, A1, X ".7"), false), REPLICA_VERDICT_TAKEN);
    rows[0] = row(&s, A1, X ".7");
    CHECK_RC(push_some(&s, rows, 1, false), 0);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_ALREADY);
    CHECK_INT(rows[0].sequence, 1);
    store_reopen(&s);
    rows[0] = row(&s, A1, X ".7");
    CHECK_RC(push_some(&s, rows, 1, false), 0);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_ALREADY);
}

TEST(a_row_is_already_taken_though_others_wrote_since)
{
    STORE s = store_empty();
    struct replica__master_row r;

    CHECK_INT(push(&s, row(&s, A1, X ".7"), false), REPLICA_VERDICT_TAKEN);
    CHECK_INT(push(&s, with_text(row(&s, A2, Y ".3"), A1), false), REPLICA_VERDICT_TAKEN);
    r = row(&s, A1, X ".7");
    CHECK_RC(push_some(&s, &r, 1, false), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_ALREADY);
    CHECK_INT(r.sequence, 0); /* overwritten since */
    store_put(&s, A3); /* the server's own program */
    store_delete(&s, "a");
    CHECK_INT(push(&s, row(&s, A1, X ".7"), false), REPLICA_VERDICT_ALREADY);
    CHECK_INT(push(&s, row(&s, A2, Y ".3"), false), REPLICA_VERDICT_ALREADY);
    store_reopen(&s);
    CHECK_INT(push(&s, row(&s, A1, X ".7"), false), REPLICA_VERDICT_ALREADY);
    CHECK_INT(push(&s, row(&s, A1, X ".6"), false), REPLICA_VERDICT_ALREADY); /* a lower one, too */
    CHECK_INT(push(&s, row(&s, A1, X ".8"), false), REPLICA_VERDICT_CONFLICT);
    CHECK(!store_json(&s, "a"));
    store_sound(&s);
}

TEST(a_row_with_an_assumed_state_for_what_is_absent_is_taken)
{
    STORE s = store_empty();

    CHECK_INT(push(&s, with_text(row(&s, A2, X ".7"), A1), false), REPLICA_VERDICT_TAKEN);
}

TEST(a_row_that_is_refused_does_not_refuse_the_others)
{
    STORE s = store_empty();
    struct replica__master_row rows[] = {
        row(&s, A1, X ".1"),
        row(&s, "{\"n\":1}", X ".2"),
        row(&s, "{\"id\":\"b\"}", "no operation"),
        row(&s, "{\"id\":\"c\",\"_meta\":{},\"n\":1}", X ".4"),
        row(&s, A2, X ".5"),
    };

    CHECK_RC(push_some(&s, rows, 5, false), 0);
    CHECK_INT(rows[0].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(rows[1].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(rows[1].code, 422);
    CHECK(strstr(rows[1].reason, "id"));
    CHECK_INT(rows[2].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(rows[3].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(rows[4].verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_STR(store_json(&s, "c"), "{\"id\":\"c\",\"n\":1}");
    store_sound(&s);
}

TEST(a_key_that_is_too_long_is_refused_with_413)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;

    opts.max_key = 3;
    STORE s = store_open(":memory:", &opts);
    struct replica__master_row r = row(&s, "{\"id\":\"abcd\"}", X ".1");
    CHECK_RC(push_some(&s, &r, 1, false), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(r.code, 413);
}

TEST(a_stock_row_equal_to_the_real_state_is_taken_without_a_write)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1.0}");
    struct replica__master_row r = row(&s, A1, NULL);
    int64_t before, after;

    CHECK_RC(replica__master_push(s.db, &r, 1, &stock_client, &before, &after, &test_err), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(before, after);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":1.0}");
    /* ours is not stock */
    CHECK_INT(push(&s, row(&s, A1, X ".1"), false), REPLICA_VERDICT_CONFLICT);
}

TEST(a_stock_row_keeps_the_spelling_of_what_it_did_not_change)
{
    STORE s = store_with("{\"id\":\"a\",\"big\":9007199254740993,\"n\":1}");

    CHECK_INT(push(&s, with_text(row(&s, "{\"id\":\"a\",\"big\":9007199254740992,\"n\":2}", NULL),
                                 "{\"id\":\"a\",\"big\":9007199254740992,\"n\":1}"), true),
              REPLICA_VERDICT_TAKEN);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"big\":9007199254740993,\"n\":2}");
}

TEST(deletions_are_pushed_with_their_text)
{
    STORE s = store_with(A1);
    struct replica__master_row r = with_text(row(&s, A1, X ".7"), A1);

    r.deleted = true;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_TAKEN);
    CHECK(!store_json(&s, "a"));
    CHECK_INT(push(&s, with_text(row(&s, "{\"id\":\"b\",\"_deleted\":true}", X ".8"), A1), false),
              REPLICA_VERDICT_TAKEN);
    CHECK(!store_json(&s, "b"));
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM doc WHERE flags & 1"), 2);
}

TEST(a_stamp_from_the_far_future_is_brought_down_to_a_minute_from_now)
{
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    struct replica__master_row r = row(&s, A1, X ".7");

    r.stamp = INT64_C(32503680000000) << 16;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_TAKEN);
    CHECK(store_json(&s, "a") && replica_doc_time(s.shown) == 1700000060000);
}

TEST(a_pushed_state_is_stamped_above_the_one_that_it_replaces)
{
    struct clock clock;

    clock_start(&clock, 1700000000000, 1);
    STORE s = store_empty();
    replica__db_set_world(s.db, &clock.world);
    store_put(&s, A1);
    struct replica__master_row r = with_text(row(&s, A2, X ".7"), A1);

    r.stamp = INT64_C(1600000000000) << 16; /* the clock of its writer was years behind */
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_TAKEN);
    CHECK(store_sql_int(&s, "SELECT stamp FROM doc") == (INT64_C(1700000000000) << 16) + 1);
}

TEST(a_pushed_document_is_dirty_for_the_servers_own_replications)
{
    STORE s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, A1, 5);
    CHECK_INT(push(&s, with_text(row(&s, A2, X ".7"), A1), false), REPLICA_VERDICT_TAKEN);
    CHECK_INT(store_push(&s, &page), 1);
    CHECK_STR(page.rows[0].assumed, A1);
    store_sound(&s);
}

TEST(a_failed_push_hands_out_no_states)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    STORE s = store_with(A1);

    opts.flags = REPLICA_DB_READ_ONLY;
    STORE reader = store_open(s.path, &opts);
    struct replica__master_row r = row(&reader, A2, X ".7");
    int64_t before = 77, after = 77;
    CHECK_RC(replica__master_push(reader.db, &r, 1, &ours, &before, &after, &test_err),
             REPLICA_EREADONLY);
    CHECK(!r.real);
    CHECK_INT(before, 77);
}

/* ---- behind a purge -------------------------------------------------------------- */

/* "a" was pushed, deleted as number 2, and purged. */
static struct store purged(struct clock *clock)
{
    struct store s = store_empty();
    int64_t count = 0;

    clock_start(clock, 1700000000000, 1);
    replica__db_set_world(s.db, &clock->world);
    CHECK_INT(push(&s, row(&s, A1, X ".7"), false), REPLICA_VERDICT_TAKEN);
    store_delete(&s, "a");
    store_put(&s, "{\"id\":\"z\"}");
    clock_pass(clock, 1000);
    CHECK_RC(replica_purge(s.db, s.coll, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    return s;
}

static struct replica__master_row with_number(struct replica__master_row r, int64_t number)
{
    r.assumed = REPLICA__ASSUMED_NUMBER;
    r.assumed_incarnation = "inc";
    r.assumed_sequence = number;
    return r;
}

TEST(an_edit_of_what_was_purged_meets_its_tombstone)
{
    struct clock clock;
    STORE s = purged(&clock);
    struct replica__master_row r = with_text(row(&s, A2, X ".8"), A1);
    int64_t before, after;

    CHECK_RC(replica__master_push(s.db, &r, 1, &ours, &before, &after, &test_err), 0);
    CHECK_INT(r.verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_INT(r.sequence, 2);
    CHECK_INT(before, after);
    CHECK_INT(replica_doc_deleted(r.real), 1);
    CHECK_INT(replica_doc_sequence(r.real), 2);
    CHECK_STR(replica_doc_json(r.real, NULL), "{\"id\":\"a\"}");
    CHECK_INT(r.real_version, -1);
    replica_doc_unref(r.real);
    CHECK_INT(push(&s, with_number(row(&s, A2, X ".8"), 1), false), REPLICA_VERDICT_CONFLICT);
    CHECK_STR(store_json(&s, "a"), NULL);
}

TEST(the_same_from_a_stock_client)
{
    struct clock clock;
    STORE s = purged(&clock);

    CHECK_INT(push(&s, with_text(row(&s, A2, NULL), A1), true), REPLICA_VERDICT_CONFLICT);
    CHECK_STR(store_json(&s, "a"), NULL);
}

TEST(who_answers_the_purged_tombstone_is_taken)
{
    struct clock clock;
    STORE s = purged(&clock);
    struct replica__master_row r = with_text(row(&s, A2, X ".9"), "{\"id\":\"a\"}");

    r.assumed_deleted = true;
    CHECK_INT(push(&s, r, false), REPLICA_VERDICT_TAKEN);
    CHECK_STR(store_json(&s, "a"), A2);
}

TEST(a_new_document_is_taken_behind_a_purge)
{
    struct clock clock;
    STORE s = purged(&clock);

    CHECK_INT(push(&s, row(&s, A2, Y ".1"), false), REPLICA_VERDICT_TAKEN);
    CHECK_STR(store_json(&s, "a"), A2);
}

TEST(what_was_made_from_a_state_behind_the_horizon_was_lost_here_and_comes_back)
{
    struct clock clock;
    STORE s = purged(&clock);

    CHECK_INT(push(&s, with_number(row(&s, A2, X ".8"), 3), false), REPLICA_VERDICT_TAKEN);
    CHECK_STR(store_json(&s, "a"), A2);
}

/* Its checkpoint is the beginning, as that of the first push of all. */
TEST(a_push_of_long_ago_that_comes_again_brings_nothing_back)
{
    struct clock clock;
    STORE s = purged(&clock);
    const struct replica__pusher undated = { .undated = true };
    struct replica__master_row again = row(&s, A1, X ".7"), later = row(&s, A2, X ".8");
    int64_t before, after;

    CHECK_RC(replica__master_push(s.db, &again, 1, &undated, &before, &after, &test_err), 0);
    CHECK_INT(again.verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_INT(before, after);
    replica_doc_unref(again.real);
    CHECK_STR(store_json(&s, "a"), NULL);
    CHECK_RC(replica__master_push(s.db, &later, 1, &undated, &before, &after, &test_err), 0);
    CHECK_INT(later.verdict, REPLICA_VERDICT_TAKEN);
}
