/* The bodies of both dialects, against what a stock server and client were seen to send. */
#include "replicator/wire.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

static const replica_remote_collection cities = { "cities", "id", 0 };
static const replica_remote_collection two[] = { { "cities", "id", 0 }, { "notes", "key", 2 } };

#define RXDB REPLICA__DIALECT_RXDB
#define OURS REPLICA__DIALECT_REPLICA

#define PAGE __attribute__((cleanup(replica__wire_page_free))) struct replica__wire_page
#define VERDICTS __attribute__((cleanup(replica__wire_verdicts_free))) struct replica__wire_verdicts

static replica_pull_request ask(const char *checkpoint)
{
    return (replica_pull_request){ &cities, 1, checkpoint, 2, 1000 };
}

static void check_pull_path(enum replica__dialect dialect, const replica_pull_request *request,
                            bool stream, const char *want)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__wire_pull_path(dialect, request, stream, &out);
    CHECK_INT(out.r, 0);
    CHECK_STR(out.data, want);
}

/* ---- paths ----------------------------------------------------------------------- */

TEST(a_first_pull_asks_from_the_beginning)
{
    replica_pull_request request = ask(NULL);

    check_pull_path(RXDB, &request, false, "/cities/0/pull?lwt=0&id=&limit=2");
    check_pull_path(RXDB, &request, true, "/cities/0/pullStream");
}

TEST(the_digits_of_lwt_go_back_as_they_came)
{
    replica_pull_request request = ask("{\"id\":\"c000001\",\"lwt\":1795287558008.040}");

    check_pull_path(RXDB, &request, false,
                    "/cities/0/pull?lwt=1795287558008.040&id=c000001&limit=2");
}

TEST(an_id_is_percent_encoded)
{
    replica_pull_request request = ask("{\"id\":\"a b&c=\\u00e9|\\\"\",\"lwt\":1e+3}");

    check_pull_path(RXDB, &request, false,
                    "/cities/0/pull?lwt=1e%2B3&id=a%20b%26c%3D%C3%A9%7C%22&limit=2");
}

TEST(other_scalar_members_of_a_checkpoint_become_parameters)
{
    replica_pull_request request = ask("{\"updatedAt\":5,\"id\":\"x\",\"a\":{},\"b\":[1],"
                                       "\"c\":null,\"d\":true,\"limit\":9}");

    check_pull_path(RXDB, &request, false, "/cities/0/pull?id=x&updatedAt=5&d=true&limit=2");
}

TEST(a_checkpoint_that_is_none_means_the_beginning)
{
    replica_pull_request request = ask("{\"id\":");

    check_pull_path(RXDB, &request, false, "/cities/0/pull?lwt=0&id=&limit=2");
    request.checkpoint = "[1]";
    check_pull_path(RXDB, &request, false, "/cities/0/pull?lwt=0&id=&limit=2");
}

TEST(our_pull_names_all_collections)
{
    replica_pull_request request = { two, 2, "{\"id\":\"ab1\",\"lwt\":7}", 100, 4096 };

    check_pull_path(OURS, &request, false,
                    "/_replica/1/pull?c=cities/0&c=notes/2&lwt=7&id=ab1&rows=100&bytes=4096");
    check_pull_path(OURS, &request, true,
                    "/_replica/1/stream?c=cities/0&c=notes/2&lwt=7&id=ab1");
}

TEST(a_stream_names_its_client_and_what_it_listens_to)
{
    static const char *const listen[] = { "/lamp/*", "a b", NULL };
    replica_pull_request request = { two, 1, NULL, 100, 4096, .listen = listen, .client = "tok" };

    check_pull_path(OURS, &request, true,
                    "/_replica/1/stream?c=cities/0&lwt=0&id=&client=tok&listen=%2Flamp%2F%2A"
                    "&listen=a%20b");
    check_pull_path(OURS, &request, false,
                    "/_replica/1/pull?c=cities/0&lwt=0&id=&rows=100&bytes=4096");
}

TEST(who_had_nothing_says_up_to_where_it_wants_no_tombstones)
{
    replica_pull_request request = { two, 1, NULL, 100, 4096, .fresh = -1 };

    check_pull_path(OURS, &request, false,
                    "/_replica/1/pull?c=cities/0&lwt=0&id=&fresh=0&rows=100&bytes=4096");
    request.fresh = 77;
    check_pull_path(OURS, &request, true, "/_replica/1/stream?c=cities/0&lwt=0&id=&fresh=77");
    check_pull_path(RXDB, &request, false, "/cities/0/pull?lwt=0&id=&limit=100");
}

TEST(a_filter_goes_along_escaped_to_a_server_of_ours)
{
    replica_pull_request request = { two, 1, NULL, 100, 4096, .keys = "x/*",
                                     .filter = "{\"a\": [1, \"\xc3\xa9&=\"]}" };

    check_pull_path(OURS, &request, true,
                    "/_replica/1/stream?c=cities/0&lwt=0&id=&keys=x%2F%2A"
                    "&filter=%7B%22a%22%3A%20%5B1%2C%20%22%C3%A9%26%3D%22%5D%7D");
    check_pull_path(RXDB, &request, false, "/cities/0/pull?lwt=0&id=&limit=100");
}

TEST(documents_are_asked_for_by_their_keys)
{
    static const char *const ids[] = { "a", "b\"\n" };
    replica_pull_request request = { &two[1], 1, NULL, 100, 4096, .ids = ids, .id_count = 2 };
    REPLICA_BUF body = REPLICA_BUF_INIT;

    replica__wire_documents_body(&request, &body);
    CHECK_STR(body.data, "{\"collection\":\"notes/2\",\"ids\":[\"a\",\"b\\\"\\n\"]}");
    replica__buf_clear(&body);
    request.keys = "/x/**";
    request.filter = "{\"n\":1}";
    replica__wire_documents_body(&request, &body);
    CHECK_STR(body.data, "{\"collection\":\"notes/2\",\"ids\":[\"a\",\"b\\\"\\n\"],"
                         "\"keys\":\"/x/**\",\"filter\":{\"n\":1}}");
}

/* ---- pages ----------------------------------------------------------------------- */

static int read_page(enum replica__dialect dialect, const replica_pull_request *request,
                     const char *body, struct replica__wire_page *ret)
{
    return replica__wire_read_page(dialect, request, body, strlen(body), ret, &test_err);
}

/* The body is refused, with an offset, and the output is left alone. */
static void check_refused(enum replica__dialect dialect, const char *body)
{
    replica_pull_request request = ask(NULL);
    struct replica__wire_page page;
    struct replica__wire_page before;

    memset(&page, 0x5A, sizeof(page));
    before = page;
    test_err.offset = -1;
    CHECK_RC(read_page(dialect, &request, body, &page), REPLICA_EHTTP);
    CHECK(test_err.offset >= 0 && test_err.offset <= (int64_t)strlen(body));
    CHECK(memcmp(&page, &before, sizeof(page)) == 0);
}

TEST(a_text_of_a_lower_version_is_told_as_such)
{
    static const char *const ids[] = { "a", "b" };
    replica_pull_request request = { &two[1], 1, NULL, 2, 1000, .ids = ids, .id_count = 2 };
    static const char body[] =
        "{\"meta\":[[0,3,1,0,\"w.1\",null,0],[0,4,1,0,\"w.2\",null,2]],"
        "\"documents\":[{\"key\":\"a\"},{\"key\":\"b\"}],\"head\":{\"id\":\"inc\",\"lwt\":9}}";
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(OURS, &request, body, &page), 0);
    CHECK_INT(page.docs[0].older, 2);
    CHECK_INT(page.docs[1].older, 0);
}

TEST(documents_by_their_keys_stand_nowhere_and_may_be_gone)
{
    static const char *const ids[] = { "a", "b", "c", "d" };
    replica_pull_request request = { &cities, 1, NULL, 2, 1000, .ids = ids, .id_count = 4 };
    static const char body[] =
        "{\"now\":5,\"meta\":[[0,3,1,0,\"w.1\",null],[0,0,0,1,\"\",null],[0,4,1,2,\"\",null],"
        "[0,5,1,4,\"\",null]],\"documents\":[{\"id\":\"a\",\"n\":1},{\"id\":\"b\"},{\"id\":\"c\"},"
        "{\"id\":\"d\"}],\"head\":{\"id\":\"inc-0123\",\"lwt\":9}}";
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(OURS, &request, body, &page), 0);
    CHECK_INT(page.page.count, 4);
    CHECK_STR(page.page.checkpoint, NULL);
    CHECK_STR(page.page.incarnation, "inc");
    CHECK_INT(page.page.head, 9);
    CHECK_INT(page.page.now_ms, 5);
    CHECK_INT(page.docs[0].gone, 0);
    CHECK(page.docs[1].deleted && page.docs[1].sequence == 0);
    CHECK(!page.docs[2].deleted && page.docs[2].gone == REPLICA_GONE_VIEW);
    CHECK_INT(page.docs[3].gone, REPLICA_GONE_FILTER);
    replica__wire_page_free(&page);
    request.id_count = 3;
    CHECK_RC(read_page(OURS, &request, body, &page), REPLICA_EHTTP);
    check_refused(OURS, body);
}

TEST(of_a_collection_that_is_not_there_no_documents_are_told)
{
    static const char *const ids[] = { "a" };
    static const char absent[] = "{\"now\":5,\"meta\":[],\"documents\":[],\"absent\":true,"
                                 "\"head\":{\"id\":\"inc\",\"lwt\":9}}";
    static const char silent[] = "{\"meta\":[],\"documents\":[],\"absent\":false,"
                                 "\"head\":{\"id\":\"inc\",\"lwt\":9}}";
    static const char both[] =
        "{\"meta\":[[0,3,1,0,\"w.1\",null]],\"documents\":[{\"id\":\"a\"}],\"absent\":true,"
        "\"head\":{\"id\":\"inc\",\"lwt\":9}}";
    replica_pull_request request = { &cities, 1, NULL, 2, 1000, .ids = ids, .id_count = 1 };
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(OURS, &request, absent, &page), 0);
    CHECK_INT(page.page.absent, 1);
    CHECK_STR(page.page.incarnation, "inc");
    replica__wire_page_free(&page);
    CHECK_RC(read_page(OURS, &request, silent, &page), 0);
    CHECK_INT(page.page.absent, 0);
    replica__wire_page_free(&page);
    CHECK_RC(read_page(OURS, &request, both, &page), 0);
    CHECK_INT(page.page.absent, 0);
}

TEST(a_page_of_a_stock_server_is_read)
{
    replica_pull_request request = ask(NULL);
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(RXDB, &request,
                       "{\"documents\":[{\"id\":\"c0\",\"a\":\"}]\\\"\",\"_deleted\":false},"
                       "{\"id\":\"c1\",\"_deleted\":true}],"
                       "\"checkpoint\":{\"id\":\"c1\",\"lwt\":1795287558008.04}}", &page), 0);
    CHECK_INT(page.page.count, 2);
    CHECK_MEM(page.page.docs[0].json, page.page.docs[0].len,
              "{\"id\":\"c0\",\"a\":\"}]\\\"\",\"_deleted\":false}", 39);
    CHECK_STR(page.page.docs[1].collection, "cities");
    CHECK_STR(page.page.checkpoint, "{\"id\":\"c1\",\"lwt\":1795287558008.04}");
    CHECK(page.page.incarnation == NULL && page.page.follows == NULL);
    CHECK_INT(page.page.at_head, 0);
    CHECK_INT(page.page.remaining, -1);
}

TEST(an_empty_page_of_a_stock_server_is_the_end)
{
    replica_pull_request request = ask(NULL);
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(RXDB, &request,
                       " { \"checkpoint\" : {\"id\":\"\",\"lwt\":0} , \"documents\" : [ ] } ",
                       &page), 0);
    CHECK_INT(page.page.count, 0);
    CHECK_INT(page.page.at_head, 1);
    CHECK_STR(page.page.checkpoint, "{\"id\":\"\",\"lwt\":0}");
}

TEST(a_broken_document_leaves_the_others_readable)
{
    replica_pull_request request = ask(NULL);
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(RXDB, &request,
                       "{\"documents\":[{\"id\":\"a\",,\"x\":tru},"
                       "{\"id\":\"b\",\"\\q\":1,\"id\":2},"
                       "{\"id\":\"c\xff\"},{\"id\":\"d\"}],\"checkpoint\":{\"lwt\":1}}", &page), 0);
    CHECK_INT(page.page.count, 4);
    CHECK_MEM(page.page.docs[3].json, page.page.docs[3].len, "{\"id\":\"d\"}", 10);
}

TEST(a_deep_document_is_found_without_a_stack)
{
    enum { DEPTH = 200000 };
    replica_pull_request request = ask(NULL);
    REPLICA_BUF body = REPLICA_BUF_INIT;
    PAGE page = { .docs = NULL };

    replica__buf_str(&body, "{\"documents\":[");
    for (int i = 0; i < DEPTH; i++)
        replica__buf_char(&body, '[');
    for (int i = 0; i < DEPTH; i++)
        replica__buf_char(&body, ']');
    replica__buf_str(&body, "],\"checkpoint\":{}}");
    CHECK_RC(replica__wire_read_page(RXDB, &request, body.data, body.len, &page, &test_err), 0);
    CHECK_INT(page.page.docs[0].len, 2 * DEPTH);
}

TEST(what_is_no_page_is_refused_with_an_offset)
{
    static const char *const bodies[] = {
        "", " ", "[]", "{}", "null", "<html>", "{\"documents\":{}}", "{\"documents\":[}",
        "{\"documents\":[{]}", "{\"documents\":[{\"a\":\"]}", "{\"documents\":[]",
        "{\"documents\":[],}", "{\"documents\":[,]}", "{\"documents\":[{},]}",
        "{\"documents\":[{} {}]}", "{\"documents\":[],\"documents\":[]}", "{\"documents\":[]}x",
        "{\"documents\":[{}]}", "{\"documents\":[{}],\"checkpoint\":5}",
        "{\"documents\":[],\"checkpoint\":{\"lwt\":01}}", "{\"documents\" []}", "{documents:[]}",
        "{\"documents\":[],\"checkpoint\":{\"lwt\":\"\xff\"}}", "{\"code\":503,\"error\":true}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        check_refused(RXDB, bodies[i]);
}

#define FEED "\"follows\":{\"id\":\"ab\",\"lwt\":4},\"checkpoint\":{\"id\":\"ab\",\"lwt\":9}," \
             "\"head\":{\"id\":\"ab\",\"lwt\":9},\"remaining\":0"

TEST(our_page_has_its_meta_beside_its_documents)
{
    replica_pull_request request = { two, 2, NULL, 100, 4096 };
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(OURS, &request,
                       "{\"meta\":[[1,8,9007199254740993,1,\"tok.1\",null],"
                       "[0,9,5,0,\"t\\u00e9\",\"bundle-7\",\"later\"]],"
                       "\"documents\":[{\"key\":\"a\"},{\"id\":\"b\"}],\"future\":{\"x\":[1]}," FEED
                       "}", &page), 0);
    CHECK_INT(page.page.count, 2);
    CHECK_STR(page.page.docs[0].collection, "notes");
    CHECK_INT(page.page.docs[0].sequence, 8);
    CHECK_INT(page.page.docs[0].stamp, 9007199254740993);
    CHECK_INT(page.page.docs[0].deleted, 1);
    CHECK_STR(page.page.docs[0].writer, "tok.1");
    CHECK_STR(page.page.docs[0].bundle, NULL);
    CHECK_STR(page.page.docs[1].collection, "cities");
    CHECK_INT(page.page.docs[1].deleted, 0);
    CHECK_STR(page.page.docs[1].writer, "t\xc3\xa9");
    CHECK_STR(page.page.docs[1].bundle, "bundle-7");
    CHECK_STR(page.page.follows, "{\"id\":\"ab\",\"lwt\":4}");
    CHECK_STR(page.page.checkpoint, "{\"id\":\"ab\",\"lwt\":9}");
    CHECK_STR(page.page.incarnation, "ab");
    CHECK_INT(page.page.head, 9);
    CHECK_INT(page.page.at_head, 1);
    CHECK_INT(page.page.remaining, 0);
}

TEST(the_members_of_our_page_come_in_any_order)
{
    replica_pull_request request = ask(NULL);
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(OURS, &request,
                       "{\"head\":{\"lwt\":12,\"id\":\"ab\"},\"documents\":[{\"id\":\"b\"}],"
                       "\"remaining\":3,\"checkpoint\":{\"id\":\"ab\",\"lwt\":9},"
                       "\"m\\u0065ta\":[[0,9,5,0,\"t\",null]]}", &page), 0);
    CHECK_INT(page.page.docs[0].sequence, 9);
    CHECK_INT(page.page.at_head, 0);
    CHECK_INT(page.page.head, 12);
    CHECK_INT(page.page.remaining, 3);
    CHECK_STR(page.page.follows, NULL);
}

TEST(the_head_of_another_incarnation_is_not_reached_by_its_number)
{
    replica_pull_request request = ask(NULL);
    PAGE page = { .docs = NULL };

    CHECK_RC(read_page(OURS, &request,
                       "{\"documents\":[],\"meta\":[],\"checkpoint\":{\"id\":\"ab\",\"lwt\":9},"
                       "\"head\":{\"id\":\"cd\",\"lwt\":9}}", &page), 0);
    CHECK_INT(page.page.at_head, 0);
}

TEST(our_page_with_a_wrong_meta_is_refused)
{
    static const char *const metas[] = {
        "\"meta\":[]", "\"meta\":{}", "\"meta\":[[0,9,5,0,\"t\",null],[0,9,5,0,\"t\",null]]",
        "\"meta\":[[1,9,5,0,\"t\",null]]", "\"meta\":[[-1,9,5,0,\"t\",null]]",
        "\"meta\":[[0,0,5,0,\"t\",null]]", "\"meta\":[[0]]", "\"meta\":[[0,9.5,5,0,\"t\",null]]",
        "\"meta\":[[0,9223372036854775808,5,0,\"t\",null]]", "\"meta\":[[0,9,5,0,7,null]]",
        "\"meta\":[[0,9,5,0,\"\\u0000\",null]]", "\"meta\":[[0,9,5,0,\"\\x\",null]]",
        "\"meta\":[[0,9,5,0,\"\xc3\",null]]", "\"meta\":[7]", "\"meta\":null", "\"meta\":[[0,9,",
    };

    for (size_t i = 0; i < sizeof(metas) / sizeof(metas[0]); i++) {
        REPLICA_BUF body = REPLICA_BUF_INIT;

        replica__buf_printf(&body, "{%s,\"documents\":[{\"id\":\"b\"}]," FEED "}", metas[i]);
        check_refused(OURS, body.data);
    }
    check_refused(OURS, "{\"documents\":[],\"meta\":[]}"); /* no checkpoint */
    check_refused(OURS, "{\"documents\":[],\"checkpoint\":{\"id\":\"\\n\",\"lwt\":1}}");
    check_refused(OURS, "{\"documents\":[],\"checkpoint\":{\"id\":\"a\",\"lwt\":-1}}");
    check_refused(OURS, "{\"documents\":[],\"checkpoint\":{\"id\":\"a\"}}");
}

TEST(a_page_without_end_is_too_many_documents)
{
    replica_pull_request request = ask(NULL);
    REPLICA_BUF body = REPLICA_BUF_INIT;
    struct replica__wire_page page;

    replica__buf_str(&body, "{\"documents\":[{}");
    for (int i = 0; i < 150000; i++)
        replica__buf_str(&body, ",{}");
    replica__buf_str(&body, "],\"checkpoint\":{}}");
    CHECK_RC(replica__wire_read_page(RXDB, &request, body.data, body.len, &page, &test_err),
             REPLICA_ELIMIT);
}

TEST(a_failed_allocation_fails_the_page_and_nothing_else)
{
    static const char body[] = "{\"meta\":[[0,8,5,0,\"t\\u00e9\",\"b\"]],\"documents\":[{}]," FEED
                               "}";
    replica_pull_request request = ask(NULL);

    for (int nth = 0, failed = 1; failed; nth++) {
        PAGE page = { .docs = NULL };
        int r;

        fault_alloc(nth);
        r = read_page(OURS, &request, body, &page);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(r < 0 || strcmp(page.page.docs[0].writer, "t\xc3\xa9") == 0);
    }
}
