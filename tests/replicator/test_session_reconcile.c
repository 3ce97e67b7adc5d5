/* A session that compares what is here with its server. */
#include "base/buf.h"
#include "libreplica/replication/range.h"
#include "tests/replicator/talk_support.h"
#include "tests/support/fault.h"
#include "tests/support/tmp.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define RANGES (OURS | REPLICA_REMOTE_RANGES | REPLICA_REMOTE_KEYS)
#define HEAD CP("50")
#define OF_NOTES \
    "{\"collection\":\"notes/0\",\"collections\":[\"notes/0\"],\"of\":\"numbers\""

/* "a@1 b@2": calls fn for each. */
static void each(const char *docs, void (*fn)(void *ctx, const char *id, size_t len, int64_t n),
                 void *ctx)
{
    while (*docs) {
        size_t len = strcspn(docs, "@");

        fn(ctx, docs, len, atoll(docs + len + 1));
        docs += strcspn(docs, " ");
        docs += strspn(docs, " ");
    }
}

struct sum {
    struct replica__digest digest;
    int count;
};

static void add(void *ctx, const char *id, size_t len, int64_t number)
{
    struct sum *sum = ctx;

    replica__digest_add(&sum->digest, replica__digest_number(id, len, number));
    sum->count++;
}

/* A chunk that ends with the key `to` (NULL: nowhere), as the server has it. */
static void chunk(struct replica__buf *out, const char *to, const char *docs)
{
    struct sum sum = { { 0, 0 }, 0 };
    char hex[REPLICA__DIGEST_HEX + 1];

    each(docs, add, &sum);
    replica__digest_hex(sum.digest, hex);
    replica__buf_printf(out, to ? "[\"%s\"," : "[null%s,", to ? to : "");
    replica__buf_printf(out, "%d,\"%s\"]", sum.count, hex);
}

static void say(struct talk *t, const char *head, const char *what, struct replica__buf *list,
                const char *rest)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_printf(&text, "{\"head\":%s,\"%s\":[%s]%s}", head, what, list->data, rest);
    talk_answer(t, text.data);
}

/* "a=1 b=2": the same by texts, in one chunk. */
static void say_texts(struct talk *t, const char *docs)
{
    struct replica__digest sum = { 0, 0 };
    char hex[REPLICA__DIGEST_HEX + 1], id[2] = "", json[64], text[200];
    int n = 0;

    CHECK(strncmp(t->asked, "digests ", 8) == 0);
    CHECK(strstr(t->asked, "\"of\":\"texts\""));
    for (; *docs; docs += strcspn(docs, " "), docs += strspn(docs, " "), n++) {
        id[0] = docs[0];
        snprintf(json, sizeof json, "{\"id\":\"%s\",\"v\":%d}", id, atoi(docs + 2));
        replica__digest_add(&sum, replica__digest_text(id, 1, json, strlen(json)));
    }
    replica__digest_hex(sum, hex);
    snprintf(text, sizeof text, "{\"head\":%s,\"chunks\":[[null,%d,\"%s\"]]}", HEAD, n, hex);
    talk_answer(t, text);
}

/* All of the server's collection in one chunk. */
static void say_digests(struct talk *t, const char *docs)
{
    REPLICA_BUF list = REPLICA_BUF_INIT;

    CHECK(strncmp(t->asked, "digests ", 8) == 0);
    chunk(&list, NULL, docs);
    say(t, HEAD, "chunks", &list, "");
}

static void add_id(void *ctx, const char *id, size_t len, int64_t number)
{
    struct replica__buf *list = ctx;

    replica__buf_printf(list, "%s[\"%.*s\",%lld]", list->len > 0 ? "," : "", (int)len, id,
                        (long long)number);
}

static void say_ids(struct talk *t, const char *docs)
{
    REPLICA_BUF list = REPLICA_BUF_INIT;

    CHECK(strncmp(t->asked, "ids ", 4) == 0);
    replica__buf_str(&list, "");
    each(docs, add_id, &list);
    if (!list.data)
        replica__buf_char(&list, ' ');
    say(t, HEAD, "ids", &list, ",\"to\":null");
}

/* In sync with these documents, and then told that the horizon has passed. */
static struct talk *late(const struct talk_options *o, const char *docs)
{
    struct talk *t = talk_begin(o);

    talk_settle_down(t, docs, CP("9"));
    CHECK(t->status.in_sync);
    replica__session_now(t->session);
    talk_run(t);
    CHECK_STR(t->from, CP("9"));
    talk_reconcile(t, &t->pull, "horizon");
    return t;
}

/* Until the next attempt. */
static void wait_out(struct talk *t)
{
    CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
    for (int i = 0; i < 20 && t->status.state == REPLICA_SYNC_WAITING; i++)
        talk_next(t);
}

static const struct talk_options ranges = { .features = RANGES };

/* The walk is over, and the feed goes on from the head that was noted. */
static void at_rest(struct talk *t)
{
    CHECK_STR(t->from, HEAD);
    CHECK_STR(t->ids, "");
    talk_page(t, &(struct said){ "", HEAD, .at_head = 1 });
}

TEST(what_is_the_same_on_both_sides_is_found_so_with_one_question)
{
    TALK t = late(&ranges, "a=1@1 b=1@2");

    CHECK_STR(t->asked, "digests " OF_NOTES ",\"after\":null}");
    CHECK_INT(t->status.state, REPLICA_SYNC_PULLING);
    CHECK(!t->status.in_sync);
    say_digests(t, "a@1 b@2");
    at_rest(t);
    CHECK(t->status.in_sync);
    CHECK_INT(t->asks, 1);
    CHECK_STR(talk_have(t, "a"), "a=1");
}

TEST(what_was_removed_goes_and_what_is_new_or_newer_comes)
{
    TALK t = late(&ranges, "a=1@1 b=1@2 c=1@3");

    say_digests(t, "a@1 b@20 d@21");
    CHECK_STR(t->asked, "ids " OF_NOTES ",\"after\":null,"
                        "\"to\":null}");
    say_ids(t, "a@1 b@20 d@21");
    CHECK_STR(t->ids, "b c d");
    talk_page(t, &(struct said){ "b=2@20 -c d=1@21" });
    at_rest(t);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_STR(talk_have(t, "b"), "b=2");
    CHECK_STR(talk_have(t, "c"), "-");
    CHECK_STR(talk_have(t, "d"), "d=1");
    CHECK(t->status.in_sync);
    CHECK_INT(t->pushes, 0);
}

TEST(a_removed_document_that_was_edited_here_is_a_conflict_with_a_tombstone)
{
    TALK t = late(&(struct talk_options){ .features = RANGES, .resolve = talk_use_real }, "a=1@1");

    talk_put(t, "a=2");
    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->ids, "a");
    talk_page(t, &(struct said){ "-a" });
    at_rest(t);
    CHECK_INT(t->conflicts, 1);
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_INT(talk_logged(t), 1);
    CHECK_INT(t->pushes, 0);
    CHECK(t->status.in_sync);
}

TEST(a_collection_that_is_not_there_has_none_of_its_documents)
{
    TALK t = late(&ranges, "a=1@1 b=1@2");

    talk_put(t, "x=1");
    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->ids, "a b");
    talk_page(t, &(struct said){ "", .absent = 1 });
    at_rest(t);
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_STR(t->pushed, "x=1");
    talk_taken(t);
    CHECK_STR(talk_have(t, "x"), "x=1");
    CHECK(t->status.in_sync);
}

TEST(an_edit_that_wins_over_a_removal_is_sent_over_the_tombstone)
{
    TALK t = late(&(struct talk_options){ .features = RANGES, .resolve = talk_use_local },
                  "a=1@1");

    talk_put(t, "a=2");
    say_digests(t, "");
    say_ids(t, "");
    talk_page(t, &(struct said){ "-a" });
    at_rest(t);
    CHECK_STR(t->pushed, "a=2<-");
    talk_verdicts(t, "taken@51");
    CHECK_STR(talk_have(t, "a"), "a=2");
    CHECK(t->status.in_sync);
}

TEST(fresh_writes_wait_and_are_sent_when_it_is_over)
{
    TALK t = late(&ranges, "a=1@1");

    talk_put(t, "x=1");
    CHECK_INT(t->pushes, 0);
    say_digests(t, "");
    talk_put(t, "y=1");
    say_ids(t, "");
    CHECK_STR(t->ids, "a");
    talk_put(t, "z=1");
    talk_page(t, &(struct said){ "-a" });
    CHECK_INT(t->pushes, 0);
    at_rest(t);
    CHECK_STR(t->pushed, "x=1 y=1 z=1");
    talk_taken(t);
    CHECK_STR(talk_have(t, "y"), "y=1");
    CHECK(t->status.in_sync);
}

TEST(what_was_sent_without_a_verdict_is_asked_about_before_its_conflict_is_met)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RANGES, .resolve = talk_use_real });

    talk_settle_down(t, "a=1@1", CP("9"));
    talk_put(t, "a=2");
    talk_run(t);
    CHECK_STR(t->pushed, "a=2<1");
    talk_reconcile(t, &t->push, "horizon");
    CHECK_STR(t->from, CP("9"));
    talk_reconcile(t, &t->pull, "horizon");
    say_digests(t, "a@12");
    say_ids(t, "a@12");
    talk_page(t, &(struct said){ "a=7@12" });
    at_rest(t);
    CHECK_INT(t->conflicts, 0);
    CHECK_STR(t->pushed, "a=2<1");
    talk_verdicts(t, "already");
    CHECK_STR(talk_have(t, "a"), "a=7");
    CHECK(t->status.in_sync);
}

TEST(what_may_not_be_seen_any_more_leaves_and_its_unsent_edit_is_listed)
{
    TALK t = late(&ranges, "a=1@1 b=1@2");

    talk_put(t, "b=2");
    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->ids, "a b");
    talk_page(t, &(struct said){ "!a@1 !b@2" });
    at_rest(t);
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_STR(talk_rejected(t), "b 403; ");
    CHECK_INT(t->pushes, 0);
    CHECK(strstr(t->events, "rejected b 403; "));
    CHECK(t->status.in_sync);
}

TEST(pages_and_events_take_away_too)
{
    TALK t = talk_begin(&ranges);

    talk_settle_down(t, "a=1@1 b=1@2 c=1@3", CP("9"));
    replica__session_now(t->session);
    talk_run(t);
    talk_page(t, &(struct said){ "!a@10 ?c@11", CP("11"), .at_head = 1 });
    CHECK_STR(talk_have(t, "a"), "-");
    CHECK_STR(talk_have(t, "c"), "-");
    talk_open_stream(t);
    talk_event(t, &(struct said){ "!b@12", CP("12"), .follows = CP("11") });
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_INT(t->pushes, 0);
    CHECK(t->status.in_sync);
}

TEST(a_walk_goes_on_where_it_was_when_the_program_was_killed)
{
    TALK t = late(&ranges, "a=1@1 b=1@2 c=1@3 d=1@4");
    REPLICA_BUF list = REPLICA_BUF_INIT;

    chunk(&list, "b", "a@1");
    replica__buf_char(&list, ',');
    chunk(&list, NULL, "c@3 d@4 e@30");
    say(t, HEAD, "chunks", &list, "");
    say_ids(t, "a@1");
    CHECK_STR(t->ids, "b");
    talk_page(t, &(struct said){ "-b" });
    CHECK(strncmp(t->asked, "ids ", 4) == 0);
    talk_restart(t);
    talk_run(t);
    CHECK_INT(t->pulls, 3);
    CHECK_STR(t->asked, "digests " OF_NOTES ",\"after\":\"b\"}");
    replica__buf_clear(&list);
    chunk(&list, NULL, "c@3 d@4 e@60");
    say(t, CP("70"), "chunks", &list, "");
    say_ids(t, "c@3 d@4 e@60");
    CHECK_STR(t->ids, "e");
    talk_page(t, &(struct said){ "e=1@60" });
    at_rest(t); /* from the first head */
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_STR(talk_have(t, "e"), "e=1");
}

TEST(an_error_on_the_way_is_waited_out_and_the_walk_goes_on)
{
    TALK t = late(&ranges, "a=1@1 b=1@2");

    talk_fail(t, &t->ask, REPLICA_ENET, 0, 0);
    CHECK(!t->status.in_sync);
    wait_out(t);
    say_digests(t, "a@1");
    say_ids(t, "a@1");
    talk_fail(t, &t->pull, REPLICA_EHTTP, 503, 5000);
    wait_out(t);
    say_digests(t, "a@1");
    say_ids(t, "a@1");
    talk_page(t, &(struct said){ "-b" });
    at_rest(t);
    CHECK(t->status.in_sync);
}

TEST(an_answer_that_does_not_come_is_asked_for_again)
{
    TALK t = late(&ranges, "a=1@1");

    CHECK(t->ask);
    talk_pass(t, 5 * 60 * 1000);
    CHECK_INT(t->error.code, REPLICA_ETIMEOUT);
    CHECK(!t->ask);
    wait_out(t);
    CHECK(t->ask);
    say_digests(t, "a@1");
    at_rest(t);
}

TEST(it_can_be_paused_and_resumed_and_cancelled)
{
    TALK t = late(&ranges, "a=1@1");

    replica__session_pause(t->session, true);
    talk_run(t);
    CHECK(!t->ask);
    replica__session_pause(t->session, false);
    talk_run(t);
    say_digests(t, "");
    say_ids(t, "");
    CHECK(t->pull);
    replica__session_pause(t->session, true);
    talk_run(t);
    CHECK(!t->pull);
    replica__session_pause(t->session, false);
    talk_run(t);
    CHECK(t->ask); /* and the end of the test cancels it */
}

TEST(nonsense_is_an_error_and_changes_nothing)
{
    static const char *const answers[] = {
        "[]",
        "{}",
        "{\"head\":" HEAD "}",
        "{\"head\":" HEAD ",\"chunks\":[]}",
        "{\"head\":7,\"chunks\":[[null,0,\"00000000000000000000000000000000\"]]}",
        "{\"head\":" HEAD ",\"chunks\":[[null,0,\"0\"]]}",
        "{\"head\":" HEAD ",\"chunks\":[[null,0,\"0000000000000000000000000000000z\"]]}",
        "{\"head\":" HEAD ",\"chunks\":[[null,-1,\"00000000000000000000000000000000\"]]}",
        "{\"head\":" HEAD ",\"chunks\":[[\"\",0,\"00000000000000000000000000000000\"]]}",
        "{\"head\":" HEAD ",\"chunks\":[[\"b\",0,\"00000000000000000000000000000000\"],"
        "[\"a\",0,\"00000000000000000000000000000000\"]]}",
        "{\"head\":" HEAD ",\"chunks\":[[null,0,\"00000000000000000000000000000000\"],"
        "[\"a\",0,\"00000000000000000000000000000000\"]]}",
    };
    TALK t = late(&ranges, "a=1@1");

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        CHECK(t->ask);
        talk_answer(t, answers[i]);
        CHECK_INT(t->error.code, REPLICA_EHTTP);
        wait_out(t);
    }
    CHECK_STR(talk_have(t, "a"), "a=1");
    say_digests(t, "");
    talk_answer(t, "{\"head\":" HEAD ",\"ids\":[[\"b\",1],[\"a\",2]],\"to\":null}");
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    wait_out(t);
    say_digests(t, "");
    say_ids(t, "");
    talk_page(t, &(struct said){ "-b" }); /* another one than was asked for */
    CHECK_INT(t->error.code, REPLICA_EHTTP);
    CHECK_STR(talk_have(t, "a"), "a=1");
}

TEST(documents_that_do_not_fit_are_asked_for_again)
{
    TALK t = late(&ranges, "a=1@1 b=1@2 c=1@3");

    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->ids, "a b c");
    talk_page(t, &(struct said){ "-a" });
    CHECK_STR(t->ids, "b c");
    talk_page(t, &(struct said){ "-b -c" });
    at_rest(t);
    CHECK_STR(talk_have(t, "c"), "-");
}

TEST(an_answer_that_is_too_large_is_asked_for_in_smaller_parts)
{
    TALK t = late(&(struct talk_options){ .features = RANGES, .rows = 2 }, "a=1@1 b=1@2 c=1@3");

    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->ids, "a b");
    talk_fail(t, &t->pull, REPLICA_ELIMIT, 413, 0);
    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->ids, "a");
    talk_page(t, &(struct said){ "-a" });
    CHECK_STR(t->ids, "b");
}

TEST(all_collections_of_a_feed_are_compared)
{
    TALK t = late(&(struct talk_options){ .features = RANGES, .collections = 2 },
                  "a=1@1 tasks/a=1@2");

    CHECK(strstr(t->asked, "\"notes/0\""));
    say_digests(t, "a@1");
    CHECK(strstr(t->asked, "\"tasks/0\""));
    say_digests(t, "");
    say_ids(t, "");
    CHECK_STR(t->feed, "tasks");
    talk_page(t, &(struct said){ "tasks/-a" });
    CHECK_STR(t->from, HEAD);
    CHECK_STR(t->feed, "notes tasks");
}

TEST(a_broken_document_is_set_aside_and_the_rest_is_compared)
{
    TALK t = late(&(struct talk_options){ .features = RANGES,
                                          .schema = "{\"version\":0,\"primaryKey\":\"id\","
                                                    "\"type\":\"object\",\"properties\":{\"id\":"
                                                    "{\"type\":\"string\",\"maxLength\":50},\"v\":"
                                                    "{\"type\":\"number\"}}}" },
                  "a=1@1");

    say_digests(t, "a@1 b@20 c@21");
    say_ids(t, "a@1 b@20 c@21");
    talk_page(t, &(struct said){ "b=\"x\"@20 c=1@21" });
    at_rest(t);
    CHECK(strstr(talk_rejected(t), "b "));
    CHECK_STR(talk_have(t, "c"), "c=1");
}

static void check_resync_compares(unsigned feature)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RANGES | feature });

    talk_settle_down(t, "a=1@1 b=1@2", CP("9"));
    replica__session_resync(t->session);
    talk_run(t);
    say_digests(t, "a@1");
    say_ids(t, "a@1");
    talk_page(t, &(struct said){ "-b" });
    at_rest(t);
    CHECK_STR(talk_have(t, "b"), "-");
}

TEST(a_resync_compares_where_tombstones_were_purged)
{
    check_resync_compares(REPLICA_REMOTE_PURGED);
}

TEST(a_resync_compares_where_readers_see_different_documents)
{
    check_resync_compares(REPLICA_REMOTE_VIEWS);
}

TEST(a_resync_pulls_from_the_beginning_where_nothing_was_purged)
{
    TALK t = talk_begin(&ranges);

    talk_settle_down(t, "a=1@1", CP("9"));
    replica__session_resync(t->session);
    talk_run(t);
    CHECK(t->pull);
    CHECK_STR(t->from, "");
    CHECK_INT(t->asks, 0);
}

TEST(other_keys_take_away_what_they_leave_out)
{
    TALK t = talk_begin(&ranges);

    talk_settle_down(t, "b=1@2 c=1@3", CP("9"));
    talk_put(t, "c=2");
    talk_run(t);
    talk_fail(t, &t->push, REPLICA_ENET, 0, 0);
    talk_stop(t);
    t->o.keys = "a";
    CHECK_RC(talk_start(t), 0);
    talk_run(t);
    CHECK(strstr(t->asked, "\"keys\":\"a\""));
    say_digests(t, "a@7");
    say_ids(t, "a@7");
    CHECK_STR(t->ids, "a");
    talk_page(t, &(struct said){ "a=1@7" });
    at_rest(t);
    CHECK_STR(talk_have(t, "b"), "-");
    CHECK_STR(talk_have(t, "c"), "c=2"); /* it was edited */
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK(t->status.in_sync);
}

TEST(under_other_rules_a_document_loses_a_field_under_the_number_that_it_had)
{
    TALK t = talk_begin(&ranges);

    talk_settle_down(t, "a=1@1 b=1@2", CP("9"));
    replica__session_now(t->session);
    talk_run(t);
    talk_reconcile(t, &t->pull, "view");
    say_digests(t, "a@1 b@2");
    say_texts(t, "a=1 b=0");
    CHECK(strstr(t->asked, "\"of\":\"texts\""));
    talk_answer(t, "{\"head\":" HEAD ",\"ids\":[[\"b\",\"0123456789abcdef0123456789abcdef\"]],"
                   "\"to\":null}");
    CHECK_STR(t->ids, "a b");
    talk_page(t, &(struct said){ "a=1@1 b=0@2" });
    at_rest(t);
    CHECK_STR(talk_have(t, "a"), "a=1");
    CHECK_STR(talk_have(t, "b"), "b=0");
    CHECK_INT(t->pushes, 0);
    CHECK(t->status.in_sync);
}

static int64_t ask_file(const char *path, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *file = NULL;
    int64_t n;

    CHECK_INT(sqlite3_open(path, &file), SQLITE_OK);
    sqlite3_busy_timeout(file, 1000);
    CHECK_INT(sqlite3_prepare_v2(file, sql, -1, &stmt, NULL), SQLITE_OK);
    n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    sqlite3_close(file);
    return n;
}

TEST(words_that_an_earlier_program_left_in_indexes_go_before_a_single_sync_ends)
{
    const char *path = tmp_path("test.db");
    static const char count[] = "SELECT count(*) FROM number WHERE name = 'words'";
    TALK t = talk_begin(&(struct talk_options){ .features = RANGES, .once = true });

    ask_file(path, "INSERT INTO number(name, value) VALUES('words', 1)");
    CHECK_INT(ask_file(path, count), 1);
    talk_settle_down(t, "a=1@1", CP("9"));
    CHECK_INT(ask_file(path, count), 0);
}

TEST(a_server_that_asks_for_one_walk_after_the_other_is_given_time)
{
    TALK t = late(&ranges, "a=1@1");

    for (int i = 0; i < 4; i++) {
        int asks;

        say_digests(t, "a@1");
        if (i > 0)
            say_texts(t, "a=1");
        asks = t->asks;
        talk_reconcile(t, &t->pull, "view");
        CHECK_INT(t->status.state, REPLICA_SYNC_WAITING);
        CHECK(talk_wait_ms(t) >= 2000 << i);
        CHECK_INT(t->asks, asks);
        wait_out(t);
    }
}

TEST(a_new_incarnation_is_asked_what_it_knows_before_what_is_absent_counts)
{
    TALK t = late(&ranges, "a=1@1 b=1@9");
    REPLICA_BUF list = REPLICA_BUF_INIT;

    chunk(&list, NULL, "a@1");
    say(t, "{\"id\":\"new\",\"lwt\":5}", "chunks", &list, "");
    CHECK_STR(t->from, CP("9")); /* the newest marker */
    CHECK(t->pull);
    {
        replica_call *call = t->pull;

        t->pull = NULL;
        replica_call_lost(call, "inc", 4);
        talk_run(t);
    }
    t->o.incarnation = "new";
    CHECK(strncmp(t->asked, "digests ", 8) == 0);
    replica__buf_clear(&list);
    chunk(&list, NULL, "a@1");
    say(t, "{\"id\":\"new\",\"lwt\":5}", "chunks", &list, "");
    CHECK_STR(t->from, "{\"id\":\"new\",\"lwt\":5}"); /* b is not known any more: nothing differs */
    talk_page(t, &(struct said){ "", "{\"id\":\"new\",\"lwt\":5}", .at_head = 1 });
    CHECK_STR(t->pushed, "b=1");
    CHECK_STR(talk_have(t, "b"), "b=1");
}

TEST(who_has_nothing_asks_for_no_tombstones_until_the_head_of_its_first_page)
{
    TALK t = talk_begin(&ranges);

    talk_run(t);
    CHECK_INT(t->fresh, -1);
    talk_page(t, &(struct said){ "a=1@1", CP("1"), .head = 9 });
    CHECK_INT(t->fresh, 9);
    talk_restart(t);
    talk_run(t);
    CHECK_STR(t->from, CP("1"));
    CHECK_INT(t->fresh, 9);
    talk_page(t, &(struct said){ "b=1@12", CP("12"), .head = 12, .at_head = 1 });
    replica__session_now(t->session);
    talk_run(t);
    CHECK_INT(t->fresh, 0);
}

TEST(who_has_a_document_is_told_of_all_tombstones)
{
    TALK t = talk_begin(&(struct talk_options){ .features = RANGES, .silent = true });

    talk_put(t, "a=1");
    talk_run(t);
    {
        replica_call *call = t->hello;

        t->hello = NULL;
        replica_call_hello(call, RANGES);
        talk_run(t);
    }
    CHECK(t->pull);
    CHECK_INT(t->fresh, 0);
}

/* A server that answers whatever is asked: a is as it was, b is newer, c was removed, d may not be
 * seen any more, e is new. */
static void answer_anything(struct talk *t, const char *digests)
{
    static const char ids[] = "{\"head\":" HEAD ",\"ids\":[[\"a\",1],[\"b\",20],[\"e\",21]],"
                              "\"to\":null}";

    if (t->ask && strncmp(t->asked, "digests ", 8) == 0)
        talk_answer(t, digests);
    else if (t->ask)
        talk_answer(t, ids);
    else if (t->pull && strcmp(t->ids, "b c d e") == 0)
        talk_page(t, &(struct said){ "b=2@20 -c !d@4 e=1@21" });
    else if (t->pull && t->ids[0])
        test_fail(__FILE__, __LINE__, "asked for '%s'", t->ids);
    else if (t->pull && strcmp(t->from, CP("9")) == 0)
        talk_reconcile(t, &t->pull, "view");
    else if (t->pull)
        talk_page(t, &(struct said){ "", HEAD, .at_head = 1 });
    else if (t->push)
        talk_taken(t);
    else
        talk_next(t);
}

LONG_TEST(a_walk_survives_each_failing_allocation)
{
    REPLICA_BUF list = REPLICA_BUF_INIT;
    REPLICA_BUF digests = REPLICA_BUF_INIT;

    chunk(&list, NULL, "a@1 b@20 e@21");
    replica__buf_printf(&digests, "{\"head\":%s,\"chunks\":[%s]}", HEAD, list.data);
    for (int nth = 0, failed = 1; failed; nth += 1 + nth / 200) {
        TALK t = late(&(struct talk_options){ .features = RANGES & ~(unsigned)REPLICA_REMOTE_STREAM,
                                              .path = ":memory:" },
                      "a=1@1 b=1@2 c=1@3 d=1@4");

        talk_put(t, "d=2");
        fault_alloc(nth);
        for (int i = 0; i < 6; i++)
            answer_anything(t, digests.data);
        failed = fault_stop();
        for (int i = 0; i < 100 && !t->status.in_sync; i++)
            answer_anything(t, digests.data);
        CHECK(t->status.in_sync);
        CHECK_STR(talk_have(t, "a"), "a=1");
        CHECK_STR(talk_have(t, "b"), "b=2");
        CHECK_STR(talk_have(t, "c"), "-");
        CHECK_STR(talk_have(t, "d"), "-");
        CHECK_STR(talk_have(t, "e"), "e=1");
        CHECK_STR(talk_rejected(t), "d 403; ");
    }
}
