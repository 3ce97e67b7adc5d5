/* RxDB's dialect, as its clients see it. */
#include "tests/server/office.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define ROW(document) "{\"newDocumentState\":" document "}"
#define OVER(assumed, document) \
    "{\"newDocumentState\":" document ",\"assumedMasterState\":" assumed "}"
#define A1 "{\"id\":\"a\",\"n\":1,\"_deleted\":false}"
#define A2 "{\"id\":\"a\",\"n\":2,\"_deleted\":false}"
#define A3 "{\"id\":\"a\",\"n\":3,\"_deleted\":false}"
#define GONE "{\"id\":\"a\",\"n\":1,\"_deleted\":true}"

TEST(a_pull_of_what_does_not_exist_is_empty_and_creates_nothing)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__storage_coll *coll;

    CHECK_STR(get(o, "/notes/0/pull?lwt=0&id=&limit=5"),
              "{\"documents\":[],\"checkpoint\":{\"id\":\"\",\"lwt\":0}}");
    CHECK(o->reply.no_store);
    CHECK_RC(o->storage->ops->find(o->storage, "notes", &coll, &test_err), 0);
}

TEST(what_was_pushed_is_pulled_with_its_deleted_flag_and_a_checkpoint)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(post(o, "/notes/0/push", "[" ROW(A1) "," ROW("{\"id\":\"b\"}") "]"), "[]");
    CHECK_STR(get(o, "/notes/0/pull?limit=5"),
              at(o, "{\"documents\":[" A1 ",{\"id\":\"b\",\"_deleted\":false}],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":2}}"));
    CHECK_STR(get(o, at(o, "/notes/0/pull?id=@&lwt=1&limit=5")),
              at(o, "{\"documents\":[{\"id\":\"b\",\"_deleted\":false}],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":2}}"));
}

TEST(at_the_end_the_checkpoint_that_was_asked_with_comes_back)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "]");
    CHECK_STR(get(o, at(o, "/notes/0/pull?id=@&lwt=1&limit=5")),
              at(o, "{\"documents\":[],\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}"));
}

TEST(a_checkpoint_of_another_server_starts_from_the_beginning)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(get(o, "/notes/0/pull?id=c%22x&lwt=1795287558008.04&limit=5"),
              "{\"documents\":[],\"checkpoint\":{\"id\":\"c%22x\",\"lwt\":1795287558008.04}}");
    post(o, "/notes/0/push", "[" ROW(A1) "]");
    CHECK_STR(get(o, "/notes/0/pull?id=c000001&lwt=1795287558008.04&limit=5"),
              at(o, "{\"documents\":[" A1 "],\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}"));
    CHECK_STR(get(o, at(o, "/notes/0/pull?id=@&lwt=7&limit=5")),
              at(o, "{\"documents\":[" A1 "],\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}"));
}

TEST(the_limit_is_1_unless_given_and_0_is_an_empty_page)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "," ROW("{\"id\":\"b\"}") "]");
    CHECK_STR(get(o, "/notes/0/pull"),
              at(o, "{\"documents\":[" A1 "],\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}"));
    CHECK_STR(get(o, "/notes/0/pull?lwt=0&id=&limit=0"),
              "{\"documents\":[],\"checkpoint\":{\"id\":\"\",\"lwt\":0}}");
}

TEST(a_parameter_that_is_none_is_named)
{
    OFFICE o = office_open(NULL, NULL);

    get(o, "/notes/0/pull?limit=abc");
    CHECK_INT(status(o), 400);
    CHECK(strstr(o->reply.body.data, "limit"));
    get(o, "/notes/0/pull?limit=10001");
    CHECK_INT(status(o), 400);
    get(o, "/notes/0/pull?lwt=1x&limit=5");
    CHECK_INT(status(o), 400);
    CHECK(strstr(o->reply.body.data, "lwt"));
}

/* A stock client takes a short page for the end. */
TEST(a_page_is_filled_to_its_limit_in_parts)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__buf body = { 0 };
    const char *page;
    size_t documents = 0;

    for (int from = 0; from < 3000; from += 500) {
        replica__buf_clear(&body);
        for (int i = from; i < from + 500; i++)
            replica__buf_printf(&body,
                                "%s{\"newDocumentState\":{\"id\":\"d%05d\",\"text\":\"%0400d\"}}",
                                i > from ? "," : "[", i, i);
        replica__buf_char(&body, ']');
        CHECK_STR(post(o, "/notes/0/push", body.data), "[]");
    }
    replica__buf_free(&body);
    page = get(o, "/notes/0/pull?limit=2999");
    for (const char *d = page; (d = strstr(d, "\"_deleted\":false")); d++)
        documents++;
    CHECK_INT(documents, 2999);
    CHECK(strstr(page, at(o, "],\"checkpoint\":{\"id\":\"@\",\"lwt\":2999}}")));
    CHECK_RC(replica__json_check(page, strlen(page), NULL, &test_err), 0);
}

TEST(an_update_from_the_real_state_is_taken)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "]");
    CHECK_STR(post(o, "/notes/0/push", "[" OVER(A1, A2) "]"), "[]");
    CHECK_STR(get(o, "/notes/0/pull?limit=5"),
              at(o, "{\"documents\":[" A2 "],\"checkpoint\":{\"id\":\"@\",\"lwt\":2}}"));
}

TEST(a_conflict_is_answered_with_the_real_state_and_spares_the_other_rows)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "]");
    post(o, "/notes/0/push", "[" OVER(A1, A2) "]");
    CHECK_STR(post(o, "/notes/0/push", "[" OVER(A1, A3) "," ROW("{\"id\":\"b\"}") "]"),
              "[" A2 "]");
    CHECK_STR(post(o, "/notes/0/push", "[" ROW(A3) "]"), "[" A2 "]");
    CHECK(strstr(get(o, "/notes/0/pull?limit=5"), "\"id\":\"b\""));
}

TEST(pushing_the_real_state_again_is_success)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "]");
    CHECK_STR(post(o, "/notes/0/push", "[" OVER(A3, A1) "]"), "[]");
    CHECK_STR(post(o, "/notes/0/push", "[" ROW(A1) "]"), "[]");
}

TEST(a_tombstone_is_kept_pulled_and_met_as_a_conflict)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "]");
    CHECK_STR(post(o, "/notes/0/push", "[" OVER(A1, GONE) "]"), "[]");
    CHECK_STR(get(o, "/notes/0/pull?limit=5"),
              at(o, "{\"documents\":[" GONE "],\"checkpoint\":{\"id\":\"@\",\"lwt\":2}}"));
    CHECK_STR(post(o, "/notes/0/push", "[" ROW(A2) "]"), "[" GONE "]");
    CHECK_STR(post(o, "/notes/0/push", "[" OVER(GONE, A2) "]"), "[]");
}

TEST(reserved_members_are_cut_and_the_rest_keeps_its_bytes)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(post(o, "/notes/0/push",
                   "[" ROW("{ \"id\":\"a\", \"n\":1e2 ,\"_rev\":\"1-x\",\"_attachments\":{} }")
                   "]"), "[]");
    CHECK_STR(get(o, "/notes/0/pull?limit=5"),
              at(o, "{\"documents\":[{ \"id\":\"a\", \"n\":1e2,\"_deleted\":false  }],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}"));
}

TEST(a_row_that_cannot_be_stored_comes_back_deleted_and_alone)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(post(o, "/notes/0/push",
                   "[" ROW("{\"x\":1,\"_deleted\":false}") "," ROW(A1) ","
                   ROW("{\"id\":7}") "]"),
              "[{\"x\":1,\"_deleted\":true},{\"id\":7,\"_deleted\":true}]");
    CHECK_INT(o->reply.delay_ms, 0);
    CHECK(strstr(get(o, "/notes/0/pull?limit=5"), A1));
}

/* Deeper than is stored, but JSON. */
#define FIFTY_OPEN "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
#define FIFTY_CLOSE "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
#define DEEP FIFTY_OPEN FIFTY_OPEN FIFTY_CLOSE FIFTY_CLOSE

TEST(a_refused_edit_of_what_is_here_is_answered_with_our_state)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "]");
    CHECK_STR(post(o, "/notes/0/push", "[" OVER(A1, "{\"id\":\"a\",\"n\":" DEEP "}") ","
                   ROW("{\"id\":\"b\",\"n\":" DEEP ",\"_deleted\":false}") "]"),
              "[" A1 ",{\"id\":\"b\",\"n\":" DEEP ",\"_deleted\":true}]");
}

TEST(a_document_that_is_no_json_breaks_the_body)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[" ROW(A1) "," ROW("{\"id\":\"a\",\"n\":01}") "]");
    CHECK_INT(status(o), 400);
    CHECK(strstr(o->reply.body.data, "byte 91 of the body"));
    CHECK_STR(get(o, "/notes/0/pull"), "{\"documents\":[],\"checkpoint\":{\"id\":\"\",\"lwt\":0}}");
}

TEST(who_sends_a_refused_row_again_waits_longer_each_time)
{
    static const int waits[] = { 0, 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
    OFFICE o = office_open(NULL, NULL);

    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        post(o, "/notes/0/push", "[" ROW("{\"x\":1}") "]");
        CHECK_INT(o->reply.delay_ms, waits[i]);
    }
    post(o, "/notes/0/push", "[" ROW("{\"x\":2}") "]");
    CHECK_INT(o->reply.delay_ms, 0);
    clock_pass(&o->clock, 3600000);
    post(o, "/notes/0/push", "[" ROW("{\"x\":1}") "]");
    CHECK_INT(o->reply.delay_ms, 0);
}

TEST(a_body_that_is_broken_is_refused_with_its_byte)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", "[{\"newDocumentState\":");
    CHECK_INT(status(o), 400);
    CHECK(strstr(o->reply.body.data, "byte 21"));
    post(o, "/notes/0/push", "{}");
    CHECK_INT(status(o), 400);
    CHECK(strstr(o->reply.body.data, "byte 0"));
}

TEST(an_empty_push_is_fine_and_creates_nothing)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__storage_coll *coll;

    CHECK_STR(post(o, "/notes/0/push", "[]"), "[]");
    CHECK_RC(o->storage->ops->find(o->storage, "notes", &coll, &test_err), 0);
}

TEST(too_many_rows_are_refused_with_the_limit)
{
    const struct replica__service_options two = { .stock_rows = 2 };
    OFFICE o = office_open(NULL, &two);

    post(o, "/notes/0/push", "[" ROW(A1) "," ROW(A1) "," ROW(A1) "]");
    CHECK_INT(status(o), 413);
    CHECK(strstr(o->reply.body.data, "\"limit\":2"));
}

TEST(a_configured_key_is_the_key)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(post(o, "/people/0/push", "[" ROW("{\"name\":\"Ann\"}") "]"), "[]");
    CHECK_STR(post(o, "/people/0/push", "[" ROW("{\"name\":\"Ann\",\"x\":1}") "]"),
              "[{\"name\":\"Ann\",\"_deleted\":false}]");
}

TEST(an_older_schema_version_is_outdated_and_a_newer_one_is_not_here)
{
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/3/push", "[" ROW(A1) "]");
    get(o, "/notes/2/pull");
    CHECK_INT(status(o), 426);
    get(o, "/notes/4/pull");
    CHECK_INT(status(o), 404);
    post(o, "/notes/2/push", "[" ROW(A1) "]");
    CHECK_INT(status(o), 426);
}

TEST(unknown_paths_and_wrong_methods_are_told_apart)
{
    static const char *const unknown[] = { "/", "/nope", "/notes/pull", "/notes/00/pull",
                                           "/notes/x/pull", "/1/0/pull", "/a/notes/0/pull",
                                           "/notes/0/", "/_replica/2/hello", "/_replica/1/" };
    OFFICE o = office_open(NULL, NULL);

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        get(o, unknown[i]);
        CHECK_INT(status(o), 404);
    }
    get(o, "/notes/0/push");
    CHECK_INT(status(o), 405);
    CHECK_STR(o->reply.allow, "POST");
    post(o, "/notes/0/pull", "");
    CHECK_INT(status(o), 405);
    CHECK_STR(o->reply.allow, "GET");
}
