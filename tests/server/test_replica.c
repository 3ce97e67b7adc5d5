/* Our own dialect. */
#include "tests/server/office.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <string.h>

#define PUSH "/_replica/1/push"

/* Push one row to notes/0. */
static const char *push(struct office *o, const char *checkpoint, const char *meta,
                        const char *document)
{
    char body[2000];

    snprintf(body, sizeof(body),
             "{\"collections\":[\"notes/0\"],\"checkpoint\":%s,\"incarnations\":[\"%s\"],"
             "\"meta\":[%s],\"documents\":[%s]}",
             checkpoint, o->incarnation, meta, document);
    return post(o, PUSH, body);
}
#define START "{\"id\":\"\",\"lwt\":0}"

TEST(hello_says_what_is_known_and_how_much_is_taken)
{
    OFFICE o = office_open(NULL, NULL);
    const char *hello = get(o, "/_replica/1/hello");

    CHECK(strstr(hello, "{\"replica\":1,\"uses\":[\"operations\",\"numbers\""));
    CHECK(strstr(hello, at(o, "\"incarnation\":\"@\",\"heartbeat\":15")));
    CHECK(strstr(hello, "\"limits\":{\"rows\":1000,\"bytes\":4194304,\"document\":16777216,"
                        "\"bundle\":100000}}"));
}

TEST(hello_tells_the_rules_of_collections_and_of_all_others)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK(!strstr(get(o, "/_replica/1/hello"), "\"rules\""));
    CHECK_RC(replica__storage_store_prepare(o->storage, "notes", NULL, "{\"/n\": \"sum\"}",
                                            &test_err), 0);
    CHECK(strstr(get(o, "/_replica/1/hello"),
                 ",\"rules\":{\"notes\":{\"/n\": \"sum\"}},\"limits\""));
    CHECK_RC(replica__storage_store_rules(o->storage, "\"magic\"", &test_err), REPLICA_EINVAL);
    CHECK_RC(replica__storage_store_rules(o->storage, "\"merge\"", &test_err), 0);
    CHECK(strstr(get(o, "/_replica/1/hello"),
                 ",\"rules\":{\"*\":\"merge\",\"notes\":{\"/n\": \"sum\"}},"));
}

TEST(a_collection_is_prepared_with_the_key_that_was_configured)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_RC(replica__storage_store_prepare(o->storage, "people", NULL, "\"merge\"", &test_err),
             0);
    CHECK(strstr(push(o, START, "[0,\"abc.7\",0,0,-1,0,null]", "{\"id\":\"a\"}"),
                 "\"verdicts\":[1]"));
    CHECK(strstr(get(o, "/_replica/1/hello"), "\"rules\":{\"people\":\"merge\"}"));
}

TEST(an_extension_that_is_unknown_is_refused)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__request request = { .method = "GET", .path = "/_replica/1/hello" };
    struct replica__reply reply;

    request.uses = "operations, numbers";
    CHECK(!replica__service_refuses(o->service, &request, &reply));
    request.uses = "operations, telepathy";
    CHECK(replica__service_refuses(o->service, &request, &reply));
    CHECK_INT(reply.status, 501);
    CHECK(strstr(reply.body.data, "telepathy"));
    replica__reply_free(&reply);
}

TEST(a_pull_has_meta_beside_documents)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(push(o, START, "[0,\"abc.7\",4242,0,-1,0,\"b1\"]", "{\"id\":\"a\"}"),
              at(o, "{\"verdicts\":[1],\"incarnation\":\"@\",\"follows\":{\"id\":\"\",\"lwt\":0},"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}"));
    CHECK_STR(get(o, "/_replica/1/pull?c=other/0&c=notes/0&id=&lwt=0"),
              at(o, "{\"now\":1700000000000,\"meta\":[[1,1,4242,0,\"abc.7\",\"b1\"]],"
                    "\"documents\":[{\"id\":\"a\"}],\"follows\":{\"id\":\"\",\"lwt\":0},"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":1},"
                    "\"head\":{\"id\":\"@\",\"lwt\":1},\"remaining\":0}"));
}

TEST(a_pull_says_how_many_documents_remain)
{
    OFFICE o = office_open(NULL, NULL);
    char row[64], id[64];

    for (int i = 1; i <= 5; i++) {
        snprintf(row, sizeof(row), "[0,\"abc.%d\",0,0,-1,0,null]", i);
        snprintf(id, sizeof(id), "{\"id\":\"a%d\"}", i);
        push(o, START, row, id);
    }
    CHECK(strstr(get(o, "/_replica/1/pull?c=notes/0&rows=2"),
                 at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":2},\"head\":{\"id\":\"@\",\"lwt\":5},"
                       "\"remaining\":3}")));
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=2&rows=2")),
                 at(o, "\"follows\":{\"id\":\"@\",\"lwt\":2},"
                       "\"checkpoint\":{\"id\":\"@\",\"lwt\":4},"
                       "\"head\":{\"id\":\"@\",\"lwt\":5},\"remaining\":1}")));
    push(o, START, "[0,\"abc.9\",0,0,-1,0,null]", "{\"id\":\"a9\"}");
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=2&rows=2")),
                 "\"remaining\":2}"));
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=2&bytes=1")),
                 "\"remaining\":3}"));
}

TEST(collections_share_one_feed_and_one_push)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK(strstr(post(o, PUSH,
                      "{\"collections\":[\"notes/0\",\"people/0\"],\"incarnations\":[],"
                      "\"meta\":[[0,\"abc.1\",0,0,-1,0,null],[1,\"abc.2\",0,0,-1,0,null]],"
                      "\"documents\":[{\"id\":\"a\"},{\"name\":\"Ann\"}]}"),
                 "{\"verdicts\":[1,2]"));
    CHECK(strstr(get(o, "/_replica/1/pull?c=people/0&c=notes/0"),
                 "\"documents\":[{\"id\":\"a\"},{\"name\":\"Ann\"}]"));
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=people/0&id=@&lwt=1")),
                 "\"documents\":[{\"name\":\"Ann\"}]"));
}

/* The head of a page without a collection is not passed over when the collection comes. */
TEST(a_collection_that_is_created_later_is_met)
{
    OFFICE o = office_open(NULL, NULL);

    push(o, START, "[0,\"abc.1\",0,0,-1,0,null]", "{\"id\":\"a\"}");
    CHECK(strstr(get(o, "/_replica/1/pull?c=late/0"),
                 at(o, "\"documents\":[],\"follows\":{\"id\":\"\",\"lwt\":0},"
                       "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}")));
    post(o, "/late/0/push", "[{\"newDocumentState\":{\"id\":\"x\"}}]");
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=late/0&id=@&lwt=1")),
                 "\"documents\":[{\"id\":\"x\"}]"));
}

TEST(an_operation_takes_effect_once)
{
    OFFICE o = office_open(NULL, NULL);

    push(o, START, "[0,\"abc.7\",0,0,-1,0,null]", "{\"id\":\"a\",\"n\":1}");
    CHECK(strstr(push(o, START, "[0,\"abc.7\",0,0,-1,0,null]", "{\"id\":\"a\",\"n\":1}"),
                 "{\"verdicts\":[{\"already\":1}]"));
    push(o, START, "[0,\"abc.8\",0,0,0,1,null]", "{\"id\":\"a\",\"n\":2}");
    CHECK(strstr(push(o, START, "[0,\"abc.7\",0,0,-1,0,null]", "{\"id\":\"a\",\"n\":1}"),
                 "{\"verdicts\":[{\"already\":0}]"));
}

TEST(a_conflict_carries_the_real_state_and_where_it_is_from)
{
    OFFICE o = office_open(NULL, NULL);

    push(o, START, "[0,\"abc.7\",65537,0,-1,0,null]", "{\"id\":\"a\",\"n\":1}");
    CHECK(strstr(push(o, START, "[0,\"xyz.1\",0,0,-1,0,null]", "{\"id\":\"a\",\"n\":2}"),
                 "{\"verdicts\":[{\"conflict\":[1,65537,0,\"abc.7\",null],"
                 "\"document\":{\"id\":\"a\",\"n\":1}}]"));
}

TEST(an_assumed_state_can_be_a_number_or_a_text)
{
    OFFICE o = office_open(NULL, NULL);

    push(o, START, "[0,\"abc.1\",0,0,-1,0,null]", "{\"id\":\"a\",\"n\":1}");
    CHECK(strstr(push(o, START, "[0,\"abc.2\",0,1,0,1,null]", "{\"id\":\"a\",\"n\":2}"),
                 "{\"verdicts\":[2]"));
    CHECK(strstr(post(o, PUSH,
                      "{\"collections\":[\"notes/0\"],\"incarnations\":[],"
                      "\"meta\":[[0,\"abc.3\",0,6,-1,0,null]],"
                      "\"documents\":[{\"id\":\"a\",\"n\":3}],"
                      "\"assumed\":[{\"n\":2.0,\"id\":\"a\"}]}"),
                 "{\"verdicts\":[3]"));
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=1")),
                 ",0,\"abc.3\",null]],\"documents\":[{\"id\":\"a\",\"n\":3}]"));
}

TEST(a_row_that_cannot_be_stored_is_refused_alone)
{
    OFFICE o = office_open(NULL, NULL);
    const char *answer =
        post(o, PUSH, "{\"collections\":[\"notes/0\"],\"incarnations\":[],"
                      "\"meta\":[[0,\"abc.1\",0,0,-1,0,null],[0,\"abc.2\",0,0,-1,0,null],"
                      "[0,\"abc.3\",0,0,-1,0,null]],"
                      "\"documents\":[{\"id\":1},{\"id\":\"a\"},{\"id\":\"b\",\"x\":01}]}");

    CHECK_INT(status(o), 200);
    CHECK(strstr(answer, "{\"verdicts\":[{\"refused\":422,\"reason\":\"the primary key"));
    CHECK(strstr(answer, "},1,{\"refused\":422"));
}

TEST(a_push_tells_a_new_checkpoint_only_if_nothing_of_others_lies_between)
{
    OFFICE o = office_open(NULL, NULL);

    push(o, START, "[0,\"abc.1\",0,0,-1,0,null]", "{\"id\":\"a\"}");
    CHECK(!strstr(push(o, START, "[0,\"xyz.1\",0,0,-1,0,null]", "{\"id\":\"b\"}"), "follows"));
    CHECK(strstr(push(o, at(o, "{\"id\":\"@\",\"lwt\":2}"), "[0,\"xyz.2\",0,0,-1,0,null]",
                      "{\"id\":\"c\"}"),
                 at(o, "\"follows\":{\"id\":\"@\",\"lwt\":2},"
                       "\"checkpoint\":{\"id\":\"@\",\"lwt\":3}}")));
    /* What others wrote elsewhere is not in the way. */
    post(o, "/other/0/push", "[{\"newDocumentState\":{\"id\":\"x\"}}]");
    CHECK(strstr(push(o, at(o, "{\"id\":\"@\",\"lwt\":3}"), "[0,\"xyz.3\",0,0,-1,0,null]",
                      "{\"id\":\"d\"}"),
                 at(o, "\"follows\":{\"id\":\"@\",\"lwt\":3},"
                       "\"checkpoint\":{\"id\":\"@\",\"lwt\":5}}")));
}

TEST(a_lost_timeline_is_named_with_what_is_common)
{
    OFFICE o = office_open(NULL, NULL);
    const char *unknown = "{\"error\":\"timeline\",\"message\":\"the checkpoint is from a lost "
                          "timeline\",\"common\":{\"id\":\"\",\"lwt\":0}}";

    push(o, START, "[0,\"abc.1\",0,0,-1,0,null]", "{\"id\":\"a\"}");
    CHECK_STR(get(o, "/_replica/1/pull?c=notes/0&id=zzz&lwt=1"), unknown);
    CHECK_INT(status(o), 409);
    CHECK_STR(push(o, "{\"id\":\"zzz\",\"lwt\":1}", "[0,\"abc.2\",0,0,-1,0,null]",
                   "{\"id\":\"b\"}"), unknown);
    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=9")),
                 at(o, "\"common\":{\"id\":\"@\",\"lwt\":1}}")));
    CHECK_INT(status(o), 409);
}

TEST(a_checkpoint_outlives_a_restart)
{
    const char *path = tmp_path("a.db");
    struct office *first = office_open(path, NULL);
    char question[200];

    push(first, START, "[0,\"abc.1\",0,0,-1,0,null]", "{\"id\":\"a\"}");
    snprintf(question, sizeof(question), "/_replica/1/pull?c=notes/0&id=%s&lwt=1",
             first->incarnation);
    office_close(&first);

    OFFICE o = office_open(path, NULL);
    CHECK(strstr(get(o, question), at(o, "\"documents\":[],\"follows\":{\"id\":\"")));
    CHECK(strstr(o->reply.body.data, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}")));
    CHECK_INT(status(o), 200);
}

TEST(a_parameter_that_is_none_is_named)
{
    static const struct {
        const char *question, *word;
    } wrong[] = {
        { "/_replica/1/pull", "c is missing" },
        { "/_replica/1/pull?c=notes", "c: 'notes'" },
        { "/_replica/1/pull?c=notes/0&c=notes/0", "notes twice" },
        { "/_replica/1/pull?c=notes/0&lwt=-1", "lwt" },
        { "/_replica/1/pull?c=notes/0&id=%22", "id" },
        { "/_replica/1/pull?c=notes/0&rows=0", "rows" },
        { "/_replica/1/pull?c=notes/0&bytes=x", "bytes" },
    };
    OFFICE o = office_open(NULL, NULL);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        get(o, wrong[i].question);
        CHECK_INT(status(o), 400);
        CHECK(strstr(o->reply.body.data, wrong[i].word));
    }
    post(o, PUSH, "{\"collections\":[\"no\"],\"incarnations\":[],\"meta\":[],\"documents\":[]}");
    CHECK_INT(status(o), 400);
}

TEST(versions_are_told_apart_here_too)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/3/push", "[{\"newDocumentState\":{\"id\":\"x\"}}]");
    get(o, "/_replica/1/pull?c=notes/2");
    CHECK_INT(status(o), 426);
    get(o, "/_replica/1/pull?c=notes/4");
    CHECK_INT(status(o), 404);
}

TEST(too_many_rows_are_refused_with_the_limit)
{
    const struct replica__service_options one = { .rows = 1 };
    OFFICE o = office_open(NULL, &one);

    post(o, PUSH, "{\"collections\":[\"notes/0\"],\"incarnations\":[],"
                  "\"meta\":[[0,\"abc.1\",0,0,-1,0,null],[0,\"abc.2\",0,0,-1,0,null]],"
                  "\"documents\":[{\"id\":\"a\"},{\"id\":\"b\"}]}");
    CHECK_INT(status(o), 413);
    CHECK(strstr(o->reply.body.data, "\"limit\":1}"));
}
