/* Locks that the server hands out, and what they do to pushes. */
#include "libreplica/store.h"
#include "tests/server/office.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* In which the store's time is the test's. */
static struct office *with_clock(void)
{
    struct office *o = office_open(NULL, NULL);

    replica__db_set_world(o->db, &o->clock.world);
    return o;
}

static const char *lock(struct office *o, const char *client, const char *rest)
{
    char body[400];

    snprintf(body, sizeof(body),
             "{\"client\":\"%s\",\"name\":\"%.1s.\",\"collection\":\"notes/0\",%s}", client, client,
             rest);
    return post(o, "/_replica/1/lock", body);
}

static const char *unlock(struct office *o, const char *client, const char *rest)
{
    char body[400];

    snprintf(body, sizeof(body), "{\"client\":\"%s\",\"collection\":\"notes/0\",%s}", client, rest);
    return post(o, "/_replica/1/unlock", body);
}

/* What becomes of one new row of this client: the verdict. */
static const char *push(struct office *o, const char *client, int number, const char *id,
                        const char *fence)
{
    static char verdict[300];
    char body[600];
    const char *answer;

    snprintf(body, sizeof(body),
             "{\"collections\":[\"notes/0\"],\"client\":\"%s\",\"checkpoint\":{\"id\":\"\","
             "\"lwt\":0},\"incarnations\":[],"
             "\"meta\":[[0,\"%saaaaaaaaaaaaaaa.%d\",0,0,-1,0,null%s]],"
             "\"documents\":[{\"id\":\"%s\",\"n\":%d}]}",
             client, client, number, fence, id, number);
    answer = post(o, "/_replica/1/push", body);
    CHECK_INT(status(o), 200);
    snprintf(verdict, sizeof(verdict), "%.*s", (int)(strstr(answer, "],\"inc") - answer - 13),
             answer + 13);
    return verdict;
}

TEST(a_lock_is_one_clients_and_the_others_are_told_whose)
{
    OFFICE o = with_clock();

    CHECK_STR(lock(o, "alice", "\"key\":\"n1\",\"ttl\":60000"), "{\"fence\":1,\"left\":60000}");
    clock_pass(&o->clock, 10000);
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"locked\":\"a.\",\"left\":50000}");
    CHECK_STR(lock(o, "bob", "\"key\":\"n2\""), "{\"fence\":1,\"left\":30000}");
    CHECK_STR(post(o, "/_replica/1/lock", "{\"client\":\"bob\",\"key\":\"n1\"}"),
              "{\"fence\":1,\"left\":30000}"); /* a key of the clients' own */
}

TEST(asking_again_renews_it_under_the_same_number)
{
    OFFICE o = with_clock();

    CHECK_STR(lock(o, "alice", "\"key\":\"n1\""), "{\"fence\":1,\"left\":30000}");
    clock_pass(&o->clock, 29000);
    CHECK_STR(lock(o, "alice", "\"key\":\"n1\""), "{\"fence\":1,\"left\":30000}");
    clock_pass(&o->clock, 29000);
    CHECK_STR(lock(o, "alice", "\"key\":\"n1\",\"fence\":1"), "{\"fence\":1,\"left\":30000}");
    clock_pass(&o->clock, 30001); /* it has run out: this is another lock */
    CHECK_STR(lock(o, "alice", "\"key\":\"n1\",\"fence\":1"), "{\"lost\":true}");
    CHECK_STR(lock(o, "alice", "\"key\":\"n1\""), "{\"fence\":2,\"left\":30000}");
}

TEST(unlocking_needs_the_holder)
{
    OFFICE o = with_clock();

    lock(o, "alice", "\"key\":\"n1\"");
    CHECK_STR(unlock(o, "bob", "\"key\":\"n1\""), "{\"unlocked\":false}");
    CHECK_STR(unlock(o, "a.", "\"key\":\"n1\""), "{\"unlocked\":false}"); /* the name is none */
    CHECK_STR(unlock(o, "bob", "\"key\":\"n1\",\"fence\":1"), "{\"unlocked\":false}");
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"locked\":\"a.\",\"left\":30000}");
    CHECK_STR(unlock(o, "alice", "\"key\":\"n1\",\"fence\":9"), "{\"unlocked\":false}");
    CHECK_STR(unlock(o, "alice", "\"key\":\"n1\",\"fence\":1"), "{\"unlocked\":true}");
    CHECK_STR(unlock(o, "alice", "\"key\":\"n1\",\"fence\":1"), "{\"unlocked\":false}");
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"fence\":2,\"left\":30000}");
}

/* Who knows a client's token is that client. */
TEST(no_answer_shows_a_clients_token)
{
    OFFICE o = with_clock();

    lock(o, "alicesecret", "\"key\":\"n1\"");
    post(o, "/_replica/1/lock", "{\"client\":\"bobsecret\",\"key\":\"k\"}");
    CHECK_STR(post(o, "/_replica/1/locks", "{}"),
              "{\"locks\":[{\"collection\":null,\"key\":\"k\",\"name\":\"another client\","
              "\"fence\":1,\"left\":30000},"
              "{\"collection\":\"notes\",\"key\":\"n1\",\"name\":\"a.\","
              "\"fence\":1,\"left\":30000}]}");
    CHECK(!strstr(lock(o, "carol", "\"key\":\"n1\""), "secret"));
    CHECK(!strstr(push(o, "carol", 1, "n1", ""), "secret"));
}

TEST(a_push_of_others_comes_back_with_the_holders_name)
{
    OFFICE o = with_clock();

    lock(o, "alice", "\"key\":\"n1\"");
    CHECK_STR(push(o, "bob", 1, "n1", ""), "{\"locked\":\"a.\",\"retry\":5000}");
    CHECK_STR(push(o, "", 1, "n1", ""), "{\"locked\":\"a.\",\"retry\":5000}");
    CHECK_STR(push(o, "bob", 2, "n2", ""), "1");
    CHECK_STR(push(o, "alice", 1, "n1", ""), "2");
    CHECK_STR(push(o, "alice", 1, "n1", ""), "{\"already\":2}");
    clock_pass(&o->clock, 28000);
    CHECK_STR(push(o, "bob", 1, "n1", ""), "{\"locked\":\"a.\",\"retry\":2000}");
    clock_pass(&o->clock, 2001);
    CHECK(strstr(push(o, "bob", 1, "n1", ""), "{\"conflict\":[2,"));
}

TEST(a_push_of_the_holder_renews_its_lock)
{
    OFFICE o = with_clock();

    lock(o, "alice", "\"key\":\"n1\"");
    clock_pass(&o->clock, 20000);
    CHECK_STR(push(o, "alice", 1, "n1", ",1"), "1");
    clock_pass(&o->clock, 20000);
    CHECK_STR(push(o, "bob", 1, "n1", ""), "{\"locked\":\"a.\",\"retry\":5000}");
}

TEST(what_was_taken_before_somebody_locked_it_is_told_as_taken)
{
    OFFICE o = with_clock();

    CHECK_STR(push(o, "bob", 1, "n1", ""), "1");
    lock(o, "alice", "\"key\":\"n1\"");
    CHECK_STR(push(o, "bob", 1, "n1", ""), "{\"already\":1}");
}

/* It was away past its time, and comes with what it wrote under the lock that it had. */
TEST(a_number_that_was_given_out_again_is_refused)
{
    OFFICE o = with_clock();

    lock(o, "alice", "\"key\":\"n1\"");
    clock_pass(&o->clock, 30001);
    lock(o, "bob", "\"key\":\"n1\"");
    CHECK_STR(push(o, "bob", 1, "n1", ",2"), "1");
    CHECK_STR(push(o, "alice", 1, "n1", ",1"),
              "{\"refused\":409,\"reason\":\"the lock it was written under was lost\"}");
    unlock(o, "bob", "\"key\":\"n1\"");
    CHECK_STR(push(o, "alice", 1, "n1", ",1"),
              "{\"refused\":409,\"reason\":\"the lock it was written under was lost\"}");
    clock_pass(&o->clock, (int64_t)31 * 24 * 3600 * 1000);
    lock(o, "carol", "\"key\":\"other\""); /* the row is forgotten, the number is not */
    CHECK_STR(push(o, "alice", 1, "n1", ",1"),
              "{\"refused\":409,\"reason\":\"the lock it was written under was lost\"}");
    CHECK_STR(lock(o, "alice", "\"key\":\"n1\""), "{\"fence\":3,\"left\":30000}");
}

TEST(a_bundle_with_one_locked_member_writes_none)
{
    OFFICE o = with_clock();
    const char *answer;

    lock(o, "alice", "\"key\":\"n1\"");
    answer = post(o, "/_replica/1/push",
                  "{\"collections\":[\"notes/0\"],\"client\":\"bob\",\"incarnations\":[],"
                  "\"meta\":[[0,\"baaaaaaaaaaaaaaa.1\",0,0,-1,0,\"b1\"],"
                  "[0,\"baaaaaaaaaaaaaaa.2\",0,0,-1,0,\"b1\"]],"
                  "\"documents\":[{\"id\":\"free\"},{\"id\":\"n1\"}]}");
    CHECK(strstr(answer, "{\"verdicts\":[null,{\"locked\":\"a.\",\"retry\":5000}]"));
    CHECK_STR(get(o, "/notes/0/pull?limit=9"),
              "{\"documents\":[],\"checkpoint\":{\"id\":\"\",\"lwt\":0}}");
}

TEST(a_stock_client_is_told_the_current_state)
{
    OFFICE o = with_clock();

    CHECK_STR(push(o, "alice", 1, "n1", ""), "1");
    lock(o, "alice", "\"key\":\"n1\"");
    CHECK_STR(post(o, "/notes/0/push",
                   "[{\"assumedMasterState\":{\"id\":\"n1\",\"n\":1,\"_deleted\":false},"
                   "\"newDocumentState\":{\"id\":\"n1\",\"n\":5,\"_deleted\":false}}]"),
              "[{\"id\":\"n1\",\"n\":1,\"_deleted\":false}]");
    unlock(o, "alice", "\"key\":\"n1\"");
    CHECK_STR(post(o, "/notes/0/push",
                   "[{\"assumedMasterState\":{\"id\":\"n1\",\"n\":1,\"_deleted\":false},"
                   "\"newDocumentState\":{\"id\":\"n1\",\"n\":5,\"_deleted\":false}}]"),
              "[]");
}

TEST(who_goes_away_loses_its_locks_after_a_while_unless_it_comes_back)
{
    OFFICE o = with_clock();
    struct replica__reply first, second;

    lock(o, "alice", "\"key\":\"n1\",\"ttl\":3600000");
    lock(o, "alice", "\"key\":\"brief\",\"ttl\":5000");
    office_stream(o, at(o, "/_replica/1/stream?c=notes/0&client=alice"), NULL, &first);
    office_stream(o, at(o, "/_replica/1/stream?c=notes/0&client=alice"), NULL, &second);
    replica__reply_free(&first);
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"locked\":\"a.\",\"left\":3600000}");
    replica__reply_free(&second);
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"locked\":\"a.\",\"left\":10000}");
    CHECK_STR(lock(o, "bob", "\"key\":\"brief\""), "{\"locked\":\"a.\",\"left\":5000}");
    clock_pass(&o->clock, 9000);
    CHECK_STR(lock(o, "alice", "\"key\":\"n1\",\"fence\":1,\"ttl\":3600000"),
              "{\"fence\":1,\"left\":3600000}");
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"locked\":\"a.\",\"left\":3600000}");
    CHECK_STR(lock(o, "bob", "\"key\":\"brief\""), "{\"fence\":2,\"left\":30000}");
}

/* It does not know that they were to end sooner, and renews them when it would have done so. */
TEST(who_comes_back_in_time_has_its_locks_for_their_whole_time)
{
    OFFICE o = with_clock();
    struct replica__reply stream;

    lock(o, "alice", "\"key\":\"n1\",\"ttl\":3600000");
    lock(o, "alice", "\"key\":\"brief\",\"ttl\":5000");
    office_stream(o, at(o, "/_replica/1/stream?c=notes/0&client=alice"), NULL, &stream);
    replica__reply_free(&stream);
    clock_pass(&o->clock, 9000);
    office_stream(o, at(o, "/_replica/1/stream?c=notes/0&client=alice"), NULL, &stream);
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"locked\":\"a.\",\"left\":3600000}");
    CHECK_STR(lock(o, "bob", "\"key\":\"brief\""), "{\"fence\":2,\"left\":30000}");
    replica__reply_free(&stream);
    clock_pass(&o->clock, 10001); /* too late */
    office_stream(o, at(o, "/_replica/1/stream?c=notes/0&client=alice"), NULL, &stream);
    CHECK_STR(lock(o, "bob", "\"key\":\"n1\""), "{\"fence\":2,\"left\":30000}");
    replica__reply_free(&stream);
}

TEST(a_program_on_the_servers_file_keeps_to_the_same_locks)
{
    OFFICE o = with_clock();
    replica_collection *notes = NULL;
    replica_lock *mine = NULL;

    lock(o, "alice", "\"key\":\"n1\"");
    CHECK_RC(replica_db_collection(o->db, "notes", NULL, &notes, &test_err), 0);
    CHECK_RC(replica_put(notes, "{\"id\":\"n1\"}", REPLICA_NUL, NULL, NULL, NULL, &test_err),
             REPLICA_ELOCKED);
    CHECK_STR(test_err.where, "a.");
    CHECK_RC(replica_lock_acquire(o->db, notes, "n1", NULL, &mine, &test_err), REPLICA_ELOCKED);
    CHECK_RC(replica_lock_acquire(o->db, notes, "n2", NULL, &mine, &test_err), 1);
    CHECK(strstr(push(o, "bob", 1, "n2", ""), "{\"locked\":"));
    replica_lock_release(mine);
    CHECK_STR(push(o, "bob", 1, "n2", ""), "1");
}

LONG_TEST(a_list_of_very_many_locks_is_cut_and_says_so)
{
    OFFICE o = with_clock();
    const char *answer;

    for (int i = 0; i < 1100; i++) {
        char body[1200];

        snprintf(body, sizeof(body), "{\"client\":\"c\",\"key\":\"%01000d\"}", i);
        CHECK(strstr(post(o, "/_replica/1/lock", body), "\"fence\":1"));
        if (i == 3)
            CHECK(!strstr(post(o, "/_replica/1/locks", "{}"), "more"));
    }
    answer = post(o, "/_replica/1/locks", "{}");
    CHECK(strlen(answer) < (1 << 20) + 2000);
    CHECK_STR(answer + strlen(answer) - 14, "],\"more\":true}");
}

TEST(what_makes_no_sense_is_answered_with_400)
{
    OFFICE o = with_clock();
    static const char *const bodies[] = {
        "", "[]", "{", "{\"key\":\"k\"}", "{\"client\":\"c\"}",
        "{\"client\":\"a b\",\"key\":\"k\"}",
        "{\"client\":\"c\",\"key\":\"\"}", "{\"client\":\"c\",\"key\":7}",
        "{\"client\":\"c\",\"key\":\"a\\u0000\"}", "{\"client\":\"c\",\"key\":\"k\",\"ttl\":99}",
        "{\"client\":\"c\",\"key\":\"k\",\"ttl\":86400001}",
        "{\"client\":\"c\",\"key\":\"k\",\"ttl\":-1}",
        "{\"client\":\"c\",\"key\":\"k\",\"collection\":\"no/collection\"}",
        ("{\"client\":\"0123456789012345678901234567890123456789012345678901234567890123456789\","
         "\"key\":\"k\"}"),
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        post(o, "/_replica/1/lock", bodies[i]);
        CHECK_INT(status(o), 400);
    }
    post(o, "/_replica/1/lock", "{\"client\":\"c\",\"key\":\"k\",\"collection\":\"none\"}");
    CHECK_INT(status(o), 404);
    get(o, "/_replica/1/lock");
    CHECK_INT(status(o), 405);
    CHECK_STR(post(o, "/_replica/1/locks", ""), "{\"locks\":[]}");
}
