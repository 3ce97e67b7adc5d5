/* Bundles on the wire: pushed as one, and in every page and event as one. */
#include "tests/server/office.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUSH "/_replica/1/push"

/* Push rows to notes/0; meta and documents without their brackets. */
static const char *push(struct office *o, const char *meta, const char *documents)
{
    char body[4000];

    snprintf(body, sizeof(body),
             "{\"collections\":[\"notes/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},"
             "\"incarnations\":[\"%s\"],\"meta\":[%s],\"documents\":[%s]}",
             o->incarnation, meta, documents);
    return post(o, PUSH, body);
}

/* Documents {"id":...} of the ids in the text, one letter each, new ones, in a bundle; NULL: in
 * none. */
static void put(struct office *o, const char *ids, const char *bundle)
{
    static int operation;
    REPLICA_BUF meta = REPLICA_BUF_INIT;
    REPLICA_BUF documents = REPLICA_BUF_INIT;

    for (const char *id = ids; *id; id++) {
        const char *comma = id == ids ? "" : ",";

        replica__buf_printf(&meta, "%s[0,\"abc.%d\",65536,0,-1,0,", comma, ++operation);
        if (bundle)
            replica__buf_printf(&meta, "\"%s\"]", bundle);
        else
            replica__buf_str(&meta, "null]");
        replica__buf_printf(&documents, "%s{\"id\":\"%c\"}", comma, *id);
    }
    CHECK(strstr(push(o, meta.data, documents.data), "{\"verdicts\":["));
    CHECK(!strstr(o->reply.body.data, "\"conflict\"") && !strstr(o->reply.body.data, "null"));
}

/* Write the document over the state of this number, in no bundle. */
static void change(struct office *o, char id, int number)
{
    static int operation;
    char meta[100], document[60];

    snprintf(meta, sizeof(meta), "[0,\"xyz.%d\",65536,0,0,%d,null]", ++operation, number);
    snprintf(document, sizeof(document), "{\"id\":\"%c\",\"again\":%d}", id, operation);
    CHECK(!strstr(push(o, meta, document), "\"conflict\""));
    CHECK(!strstr(o->reply.body.data, "\"refused\""));
}

/* ---- pushing --------------------------------------------------------------------- */

TEST(hello_says_that_bundles_are_known_and_how_large_they_may_be)
{
    OFFICE o = office_open(NULL, NULL);
    const char *hello = get(o, "/_replica/1/hello");

    CHECK(strstr(hello, "\"bundles\""));
    CHECK(strstr(hello, "\"bundle\":100000"));
}

TEST(a_conflict_leaves_the_other_rows_of_its_bundle_without_a_verdict)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "b", "abc.0");
    CHECK(strstr(push(o, "[0,\"xyz.101\",0,0,-1,0,\"xyz.101\"],"
                         "[0,\"xyz.102\",0,0,-1,0,\"xyz.101\"],"
                         "[0,\"xyz.103\",0,0,-1,0,null]",
                      "{\"id\":\"a\"},{\"id\":\"b\",\"n\":2},{\"id\":\"c\"}"),
                 "{\"verdicts\":[null,{\"conflict\":[1,65536,0,\"abc."));
    CHECK(strstr(o->reply.body.data, "\",\"abc.0\"],\"document\":{\"id\":\"b\"}},2],"));
    CHECK(!strstr(get(o, "/_replica/1/pull?c=notes/0"), "\"a\""));
}

TEST(a_firm_bundle_is_refused_by_a_conflict)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "b", NULL);
    CHECK(strstr(push(o, "[0,\"xyz.101\",0,8,-1,0,\"xyz.101\"],"
                         "[0,\"xyz.102\",0,8,-1,0,\"xyz.101\"]",
                      "{\"id\":\"a\"},{\"id\":\"b\",\"n\":2}"),
                 "{\"verdicts\":[{\"refused\":409,\"reason\":\"with its bundle: the document has "
                 "changed\"},{\"refused\":409,\"reason\":\"the document has changed\"}]"));
}

TEST(a_row_that_is_no_document_refuses_its_bundle_and_nothing_else)
{
    OFFICE o = office_open(NULL, NULL);
    const char *answer =
        push(o, "[0,\"xyz.101\",0,0,-1,0,null],[0,\"xyz.102\",0,0,-1,0,\"xyz.102\"],"
                "[0,\"xyz.103\",0,0,-1,0,\"xyz.102\"],[0,\"xyz.104\",0,0,-1,0,\"xyz.102\"],"
                "[0,\"xyz.105\",0,0,-1,0,\"xyz.105\"]",
             "{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":3},{\"id\":\"c\"},{\"id\":\"d\"}");

    CHECK(strstr(answer, "{\"verdicts\":[1,{\"refused\":422,\"reason\":\"with its bundle: the "
                         "primary key"));
    CHECK(strstr(answer, "\"},2],\"incarnation\""));
    CHECK(strstr(get(o, "/_replica/1/pull?c=notes/0"),
                 "\"documents\":[{\"id\":\"a\"},{\"id\":\"d\"}]"));
}

TEST(a_bundle_in_pieces_breaks_the_body)
{
    OFFICE o = office_open(NULL, NULL);

    push(o, "[0,\"xyz.101\",0,0,-1,0,\"xyz.101\"],[0,\"xyz.102\",0,0,-1,0,null],"
            "[0,\"xyz.103\",0,0,-1,0,\"xyz.101\"]",
         "{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}");
    CHECK_INT(status(o), 400);
    CHECK(strstr(get(o, "/_replica/1/pull?c=notes/0"), "\"documents\":[]"));
}

/* A body with n rows, of which `free_rows` are in no bundle. */
static const char *push_many(struct office *o, int n, int free_rows)
{
    REPLICA_BUF body = REPLICA_BUF_INIT;

    replica__buf_str(&body, "{\"collections\":[\"notes/0\"],\"meta\":[");
    for (int i = 0; i < n; i++)
        replica__buf_printf(&body, "%s[0,\"xyz.%d\",0,0,-1,0,%s]", i ? "," : "", i + 1,
                            i < n - free_rows ? "\"xyz.1\"" : "null");
    replica__buf_str(&body, "],\"documents\":[");
    for (int i = 0; i < n; i++)
        replica__buf_printf(&body, "%s{\"id\":\"k%d\"}", i ? "," : "", i);
    replica__buf_str(&body, "]}");
    CHECK(body.r == 0);
    return post(o, PUSH, body.data);
}

TEST(a_bundle_may_be_larger_than_a_page)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK(strstr(push_many(o, 1500, 1), "\"limit\":1000"));
    CHECK_INT(status(o), 413);
    push_many(o, 1500, 0);
    CHECK_INT(status(o), 200);
    CHECK(strstr(o->reply.body.data, ",1500],\"incarnation\""));
    /* and is read in one page, behind which is the end */
    CHECK(strstr(get(o, "/_replica/1/pull?c=notes/0&rows=10"), "{\"id\":\"k1499\"}]"));
    CHECK(strstr(o->reply.body.data, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":1500},"
                                           "\"head\":{\"id\":\"@\",\"lwt\":1500},"
                                           "\"remaining\":0}")));
}

/* ---- reading --------------------------------------------------------------------- */

static const char *documents(const char *body)
{
    static char room[2000];
    const char *from = strstr(body, "\"documents\":[");
    size_t n = 0;

    CHECK(from != NULL);
    for (from += 13; *from && *from != ']' && n + 2 < sizeof(room); from++)
        if (strncmp(from, "{\"id\":\"", 7) == 0)
            room[n++] = from[7];
    room[n] = '\0';
    return room;
}

TEST(a_page_of_ours_holds_bundles_whole)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "x", NULL);
    put(o, "abc", "abc.1");
    put(o, "y", NULL);
    CHECK_STR(documents(get(o, "/_replica/1/pull?c=notes/0&rows=1")), "x");
    CHECK_STR(documents(get(o, "/_replica/1/pull?c=notes/0&rows=2")), "xabc");
    CHECK(strstr(o->reply.body.data,
                 at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":4},\"head\":{\"id\":\"@\",\"lwt\":5},"
                       "\"remaining\":1}")));
    CHECK_STR(documents(get(o, "/_replica/1/pull?c=notes/0&bytes=11")), "xabc");
    CHECK_STR(documents(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=4&rows=1"))), "y");
}

TEST(what_completes_a_page_from_behind_is_counted_where_it_comes_again)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "ab", "abc.1");
    put(o, "x", NULL);
    put(o, "y", NULL);
    change(o, 'b', 2);
    CHECK_STR(documents(get(o, "/_replica/1/pull?c=notes/0&rows=1")), "ab");
    CHECK(strstr(o->reply.body.data, "\"meta\":[[0,1,65536,0,\"abc."));
    CHECK(strstr(o->reply.body.data, "],[0,5,"));
    CHECK(strstr(o->reply.body.data,
                 at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":1},\"head\":{\"id\":\"@\",\"lwt\":5},"
                       "\"remaining\":3}")));
    CHECK_STR(documents(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=1&rows=1"))), "x");
    CHECK(strstr(o->reply.body.data, "\"remaining\":2}"));
    CHECK_STR(documents(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=3"))), "yb");
}

TEST(an_event_holds_bundles_whole)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__reply reply;
    const char *text;

    push_many(o, 1001, 0);
    office_stream(o, "/_replica/1/stream?c=notes/0&id=&lwt=0", NULL, &reply);
    CHECK_STR(stream_text(&reply), ":\n\n");
    replica__service_tick(o->service);
    text = stream_text(&reply);
    CHECK(text && strstr(text, "{\"id\":\"k1000\"}"));
    CHECK(strstr(text, at(o, "id: @.1001\n")) && !strstr(text, at(o, "id: @.1000\n")));
    replica__reply_free(&reply);
}

TEST(a_page_for_stock_clients_holds_bundles_whole)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "x", NULL);
    put(o, "ab", "abc.1");
    put(o, "y", NULL);
    CHECK_STR(documents(get(o, "/notes/0/pull?limit=1")), "x");
    CHECK_STR(documents(get(o, "/notes/0/pull?limit=2")), "xab");
    CHECK(strstr(o->reply.body.data, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":3}}")));
    CHECK_STR(documents(get(o, at(o, "/notes/0/pull?id=@&lwt=3&limit=2"))), "y");
    change(o, 'b', 3);
    CHECK_STR(documents(get(o, "/notes/0/pull?limit=2")), "xab");
    CHECK(strstr(o->reply.body.data, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":2}}")));
    CHECK_STR(documents(get(o, at(o, "/notes/0/pull?id=@&lwt=2&limit=5"))), "yb");
}

TEST(a_page_in_parts_holds_bundles_whole)
{
    OFFICE o = office_open(NULL, NULL);
    const char *page;

    put(o, "ab", "abc.1"); /* in the first part of the page */
    push_many(o, 250, 250);
    put(o, "y", NULL);
    change(o, 'b', 2);
    page = get(o, "/notes/0/pull?limit=250");
    CHECK(strstr(page, "{\"id\":\"a\",\"_deleted\":false},{\"id\":\"k0\""));
    CHECK(strstr(page, "{\"id\":\"k248\",\"_deleted\":false},{\"id\":\"b\",\"again\":"));
    CHECK(strstr(page, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":251}}")));
}

TEST(who_reads_one_collection_of_a_bundle_gets_what_is_in_it)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK(strstr(post(o, PUSH,
                      "{\"collections\":[\"notes/0\",\"people/0\"],\"meta\":"
                      "[[0,\"abc.1\",0,0,-1,0,\"abc.1\"],[1,\"abc.2\",0,0,-1,0,\"abc.1\"],"
                      "[0,\"abc.3\",0,0,-1,0,\"abc.1\"]],"
                      "\"documents\":[{\"id\":\"a\"},{\"name\":\"Ann\"},{\"id\":\"b\"}]}"),
                 "{\"verdicts\":[1,2,3]"));
    CHECK_STR(documents(get(o, "/notes/0/pull?limit=1")), "ab");
    CHECK(strstr(get(o, "/people/0/pull?limit=1"), "[{\"name\":\"Ann\",\"_deleted\":false}]"));
}
