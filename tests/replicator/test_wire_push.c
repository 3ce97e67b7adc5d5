/* Pushes and their answers in both dialects: what the client writes the server reads. */
#include "replicator/wire.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#define RXDB REPLICA__DIALECT_RXDB
#define OURS REPLICA__DIALECT_REPLICA

#define VERDICTS __attribute__((cleanup(replica__wire_verdicts_free))) struct replica__wire_verdicts
#define PUSH __attribute__((cleanup(replica__wire_push_free))) struct replica__wire_push

#define ROW(id_, json_) { .id = id_, .json = json_, .len = sizeof(json_) - 1 }

static const replica_remote_collection colls[] = { { "cities", "id", 0 }, { "notes", "key", 2 } };

static replica_push_request ask(const replica_remote_row *rows, size_t n)
{
    return (replica_push_request){ colls, 2, "{\"id\":\"ab\",\"lwt\":7}", rows, n };
}

static void check_body(enum replica__dialect dialect, const replica_push_request *request,
                       const char *want)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__wire_push_body(dialect, request, &out);
    CHECK_INT(out.r, 0);
    CHECK_STR(out.data, want);
}

/* ---- what is sent ---------------------------------------------------------------- */

TEST(a_push_goes_where_the_dialect_has_it)
{
    replica_push_request request = ask(NULL, 0);
    REPLICA_BUF rxdb = REPLICA_BUF_INIT;
    REPLICA_BUF ours = REPLICA_BUF_INIT;

    replica__wire_push_path(RXDB, &request, &rxdb);
    CHECK_STR(rxdb.data, "/cities/0/push");
    replica__wire_push_path(OURS, &request, &ours);
    CHECK_STR(ours.data, "/_replica/1/push");
}

TEST(documents_go_to_a_stock_server_with_deleted_as_last_member)
{
    replica_remote_row rows[] = { ROW("a", "{\"id\":\"a\"}"), ROW("b", "{ \"id\" : \"b\" }"),
                                  ROW("", "{ }") };
    replica_push_request request = ask(rows, 3);

    rows[1].deleted = 1;
    rows[1].assumed = "{\"id\":\"b\",\"x\":1}";
    rows[1].assumed_len = strlen(rows[1].assumed);
    check_body(RXDB, &request,
               "[{\"newDocumentState\":{\"id\":\"a\",\"_deleted\":false}},"
               "{\"assumedMasterState\":{\"id\":\"b\",\"x\":1,\"_deleted\":false},"
               "\"newDocumentState\":{ \"id\" : \"b\" ,\"_deleted\":true}},"
               "{\"newDocumentState\":{ \"_deleted\":false}}]");
}

TEST(an_empty_push_is_an_empty_array)
{
    replica_push_request request = ask(NULL, 0);

    check_body(RXDB, &request, "[]");
}

TEST(an_assumed_state_with_a_number_goes_without_its_text)
{
    replica_remote_row row = ROW("a", "{\"id\":\"a\"}");
    replica_push_request request = ask(&row, 1);

    row.operation = "op.5";
    row.stamp = 99;
    row.assumed = "{\"id\":\"a\",\"old\":1}";
    row.assumed_len = strlen(row.assumed);
    row.assumed_incarnation = "cd";
    row.assumed_sequence = 31;
    row.assumed_deleted = 1;
    check_body(OURS, &request,
               "{\"collections\":[\"cities/0\",\"notes/2\"],"
               "\"checkpoint\":{\"id\":\"ab\",\"lwt\":7},"
               "\"incarnations\":[\"cd\"],\"meta\":[[0,\"op.5\",99,2,0,31,null]],"
               "\"documents\":[{\"id\":\"a\"}]}");
}

TEST(a_push_without_a_checkpoint_says_it_is_at_the_beginning)
{
    replica_push_request request = { colls, 1, NULL, NULL, 0 };

    check_body(OURS, &request,
               "{\"collections\":[\"cities/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},"
               "\"incarnations\":[],\"meta\":[],\"documents\":[]}");
}

/* ---- what the server reads ------------------------------------------------------- */

static int read_push(enum replica__dialect dialect, const char *body, size_t max_rows,
                     struct replica__wire_push *ret)
{
    static const struct replica__json_limits limits = { 40, 0 };

    return replica__wire_read_push(dialect, body, strlen(body), max_rows, &limits, ret, &test_err);
}

#define CHECK_SLICE(is, want) CHECK_MEM((is).data, (is).len, want, strlen(want))

TEST(the_server_reads_what_the_client_wrote)
{
    replica_remote_row rows[] = { ROW("a", "{\"id\":\"a\"}"), ROW("b", "{\"key\":\"b\"}"),
                                  ROW("c", "{\"id\":\"c\"}"), ROW("d", "{\"id\":\"d\"}") };
    replica_push_request request = ask(rows, 4);
    REPLICA_BUF body = REPLICA_BUF_INIT;
    PUSH push = { .rows = NULL };

    rows[0].operation = "op.1";
    rows[1].collection = 1;
    rows[1].deleted = 1;
    rows[1].stamp = INT64_MAX;
    rows[1].bundle = "bun.2";
    rows[1].firm = 1;
    rows[1].assumed_incarnation = "i1";
    rows[1].assumed_sequence = 5;
    rows[2].assumed_incarnation = "i2";
    rows[2].assumed_sequence = 6;
    rows[3].assumed = "{\"id\":\"d\",\"_x\":\"]\"}";
    rows[3].assumed_len = strlen(rows[3].assumed);
    rows[3].assumed_deleted = 1;
    replica__wire_push_body(OURS, &request, &body);
    CHECK_RC(read_push(OURS, body.data, 4, &push), 0);

    CHECK_INT(push.collection_count, 2);
    CHECK_SLICE(push.collections[1], "notes/2");
    CHECK_SLICE(push.checkpoint_id, "ab");
    CHECK_INT(push.checkpoint_lwt, 7);
    CHECK_INT(push.n, 4);
    CHECK_SLICE(push.rows[0].document, "{\"id\":\"a\"}");
    CHECK_SLICE(push.rows[0].operation, "op.1");
    CHECK_INT(push.rows[0].assumed.len, 0);
    CHECK_INT(push.rows[0].assumed_incarnation.len, 0);
    CHECK_INT(push.rows[1].collection, 1);
    CHECK(push.rows[1].deleted && !push.rows[1].assumed_deleted);
    CHECK_INT(push.rows[1].stamp, INT64_MAX);
    CHECK_SLICE(push.rows[1].bundle, "bun.2");
    CHECK(push.rows[1].firm && !push.rows[0].firm && !push.rows[3].firm);
    CHECK_SLICE(push.rows[1].assumed_incarnation, "i1");
    CHECK_INT(push.rows[1].assumed_sequence, 5);
    CHECK_SLICE(push.rows[2].assumed_incarnation, "i2");
    CHECK_SLICE(push.rows[3].assumed, "{\"id\":\"d\",\"_x\":\"]\"}");
    CHECK(push.rows[3].assumed_deleted);
}

TEST(the_server_reads_a_push_of_a_stock_client)
{
    PUSH push = { .rows = NULL };

    CHECK_RC(read_push(RXDB,
                       "[{\"assumedMasterState\":{\"id\":\"a\"},\"newDocumentState\":{\"id\":\"a\","
                       "\"_deleted\":true}}, {\"x\":[1,{}],\"newDocumentState\":{\"id\":broken}, "
                       "\"assumedMasterState\":null}]", 2, &push), 0);
    CHECK_INT(push.n, 2);
    CHECK_SLICE(push.rows[0].assumed, "{\"id\":\"a\"}");
    CHECK_SLICE(push.rows[0].document, "{\"id\":\"a\",\"_deleted\":true}");
    CHECK_SLICE(push.rows[1].document, "{\"id\":broken}");
    CHECK_INT(push.rows[1].assumed.len, 0);
}

TEST(the_server_refuses_more_rows_than_it_takes)
{
    static const char two[] = "[{\"newDocumentState\":{}},{\"newDocumentState\":{}}]";
    PUSH push = { .rows = NULL };

    CHECK_RC(read_push(RXDB, two, 1, &push), REPLICA_ELIMIT);
    CHECK_INT(test_err.offset, 25);
    CHECK_RC(read_push(OURS, "{\"collections\":[\"a/0\"],\"meta\":[],\"documents\":[{},{}]}", 1,
                       &push), REPLICA_ELIMIT);
    CHECK_RC(read_push(OURS, "{\"incarnations\":[\"a\",\"b\"]}", 1, &push), REPLICA_ELIMIT);
    CHECK(push.rows == NULL);
    CHECK_RC(read_push(RXDB, two, 2, &push), 0);
}

TEST(the_server_refuses_a_document_that_is_too_large)
{
    PUSH push = { .rows = NULL };

    CHECK_RC(read_push(RXDB, "[{\"newDocumentState\":{\"id\":"
                       "\"0123456789012345678901234567890123\"}}]", 9, &push), REPLICA_ELIMIT);
    CHECK_INT(test_err.offset, 21);
}

TEST(what_is_no_push_is_refused_with_an_offset)
{
    static const char *const stock[] = {
        "", "{}", "[", "[]x", "[{}]", "[5]", "[{\"newDocumentState\":5}]",
        "[{\"newDocumentState\":{}]", "[{\"newDocumentState\":{},\"assumedMasterState\":7}]",
        "[{\"newDocumentState\":{}}{}]",
    };
    static const char *const ours[] = {
        "[]", "{}", "{\"meta\":[],\"documents\":[]",
        "{\"collections\":[\"a/0\"],\"meta\":[],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,0,-1,0,null]],\"documents\":[]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[1,\"o\",1,0,-1,0,null]],\"documents\":[{}]}",
        "{\"collections\":[],\"meta\":[[0,\"o\",1,0,-1,0,null]],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,0,0,5,null]],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"incarnations\":[\"i\"],"
            "\"meta\":[[0,\"o\",1,0,0,0,null]],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,0,-1,5,null]],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,4,-1,0,null]],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,0,-1,0,null]],\"documents\":[{}],"
            "\"assumed\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,0,-1,0,null]],\"documents\":[{}],"
            "\"assumed\":[]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"o\",1,0,-1,0,null]],\"documents\":[{}],"
            "\"assumed\":[null,null]}",
        "{\"collections\":[\"a/0\"],\"meta\":[[0,\"\\u0041\",1,0,-1,0,null]],\"documents\":[{}]}",
        "{\"collections\":[\"a/0\"],\"meta\":[],\"documents\":[],\"checkpoint\":{\"lwt\":1}}",
    };
    PUSH push = { .rows = NULL };

    for (size_t i = 0; i < sizeof(stock) / sizeof(stock[0]); i++) {
        test_err.offset = -1;
        CHECK_RC(read_push(RXDB, stock[i], 9, &push), REPLICA_EJSON);
        CHECK(test_err.offset >= 0 && test_err.offset <= (int64_t)strlen(stock[i]));
    }
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        test_err.offset = -1;
        CHECK_RC(read_push(OURS, ours[i], 9, &push), REPLICA_EJSON);
        CHECK(test_err.offset >= 0 && test_err.offset <= (int64_t)strlen(ours[i]));
    }
    CHECK(push.rows == NULL);
}

TEST(more_than_64_collections_are_too_many)
{
    REPLICA_BUF body = REPLICA_BUF_INIT;
    PUSH push = { .rows = NULL };

    replica__buf_str(&body, "{\"collections\":[\"c/0\"");
    for (int i = 1; i < 64; i++)
        replica__buf_str(&body, ",\"c/0\"");
    replica__buf_str(&body, "],\"meta\":[],\"documents\":[]}");
    CHECK_RC(read_push(OURS, body.data, 9, &push), 0);
    replica__buf_clear(&body);
    replica__buf_str(&body, "{\"collections\":[\"c/0\"");
    for (int i = 1; i < 65; i++)
        replica__buf_str(&body, ",\"c/0\"");
    replica__buf_str(&body, "],\"meta\":[],\"documents\":[]}");
    CHECK_RC(read_push(OURS, body.data, 9, &push), REPLICA_ELIMIT);
}

/* ---- what is answered ------------------------------------------------------------ */

static int read_verdicts(enum replica__dialect dialect, const replica_push_request *request,
                         const char *body, struct replica__wire_verdicts *ret)
{
    return replica__wire_read_verdicts(dialect, request, body, strlen(body), ret, &test_err);
}

TEST(an_empty_array_of_a_stock_server_takes_all_rows)
{
    replica_remote_row rows[] = { ROW("a", "{\"id\":\"a\"}"), ROW("b", "{\"id\":\"b\"}") };
    replica_push_request request = ask(rows, 2);
    VERDICTS v = { .verdicts = NULL };

    CHECK_RC(read_verdicts(RXDB, &request, " [ ] ", &v), 0);
    CHECK_INT(v.answer.count, 2);
    CHECK_INT(v.answer.verdicts[0].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(v.answer.verdicts[1].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_STR(v.answer.incarnation, NULL);
}

TEST(conflicts_find_their_rows_by_key_in_any_order)
{
    replica_remote_row rows[] = { ROW("a", "{}"), ROW("b", "{}"), ROW("\xc3\xa9", "{}") };
    replica_push_request request = ask(rows, 3);
    VERDICTS v = { .verdicts = NULL };

    CHECK_RC(read_verdicts(RXDB, &request,
                           "[{\"x\":{\"id\":\"b\"},\"\\u0069d\":\"\\u00e9\",\"y\":1},"
                           "{\"id\":\"a\",\"bro ken\",}]", &v), 0);
    CHECK_INT(v.answer.verdicts[0].verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_INT(v.answer.verdicts[1].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(v.answer.verdicts[2].verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_MEM(v.answer.verdicts[0].real.json, v.answer.verdicts[0].real.len,
              "{\"id\":\"a\",\"bro ken\",}", 21);
    CHECK_STR(v.answer.verdicts[2].real.collection, "cities");
}

TEST(what_is_no_list_of_conflicts_is_no_verdict_at_all)
{
    static const char *const bodies[] = {
        "", "{}", "null", "{\"error\":true}", "<html>", "[", "[]]", "[5]", "[{}]", "[{\"id\":5}]",
        "[{\"id\":\"x\"}]", "[{\"id\":\"a\"}", "[{\"x\" 5,\"id\":\"a\"}]", "[{\"id\":\"a\"},]",
    };
    replica_remote_row row = ROW("a", "{}");
    replica_push_request request = ask(&row, 1);
    VERDICTS v = { .verdicts = NULL };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        test_err.offset = -1;
        CHECK_RC(read_verdicts(RXDB, &request, bodies[i], &v), REPLICA_EHTTP);
        CHECK(test_err.offset >= 0 && test_err.offset <= (int64_t)strlen(bodies[i]));
    }
    CHECK(v.verdicts == NULL);
}

TEST(each_row_has_a_verdict_of_its_own)
{
    replica_remote_row rows[9] = { ROW("a", "{}") };
    replica_push_request request = ask(rows, 9);
    VERDICTS v = { .verdicts = NULL };
    const replica_remote_verdict *is;

    for (size_t i = 1; i < 9; i++)
        rows[i] = rows[0];
    rows[2].collection = 1;
    CHECK_RC(read_verdicts(OURS, &request,
                           "{\"incarnation\":\"ab\",\"verdicts\":[105,{\"already\":0},"
                           "{\"document\":{\"key\":\"}\"},\"conflict\":[7,8,1,\"w.1\",null]},"
                           "{\"refused\":403,\"reason\":\"not \\\"yours\\\"\"},"
                           "{\"locked\":\"ann\",\"retry\":500},{\"later\":250},null,"
                           "{\"from a later time\":[]}],"
                           "\"follows\":{\"id\":\"ab\",\"lwt\":7},"
                           "\"checkpoint\":{\"id\":\"ab\",\"lwt\":106}}", &v), 0);
    is = v.answer.verdicts;
    CHECK_INT(v.answer.count, 9);
    CHECK_INT(is[0].verdict, REPLICA_VERDICT_TAKEN);
    CHECK_INT(is[0].sequence, 105);
    CHECK_INT(is[1].verdict, REPLICA_VERDICT_ALREADY);
    CHECK_INT(is[1].sequence, 0);
    CHECK_INT(is[2].verdict, REPLICA_VERDICT_CONFLICT);
    CHECK_INT(is[2].real.sequence, 7);
    CHECK_INT(is[2].real.stamp, 8);
    CHECK_INT(is[2].real.deleted, 1);
    CHECK_STR(is[2].real.writer, "w.1");
    CHECK_STR(is[2].real.collection, "notes");
    CHECK_MEM(is[2].real.json, is[2].real.len, "{\"key\":\"}\"}", 11);
    CHECK_INT(is[3].verdict, REPLICA_VERDICT_REFUSED);
    CHECK_INT(is[3].code, 403);
    CHECK_STR(is[3].reason, "not \"yours\"");
    CHECK_INT(is[4].verdict, REPLICA_VERDICT_LOCKED);
    CHECK_STR(is[4].reason, "ann");
    CHECK_INT(is[4].retry_ms, 500);
    CHECK_INT(is[5].verdict, REPLICA_VERDICT_LATER);
    CHECK_INT(is[5].retry_ms, 250);
    for (int i = 6; i < 9; i++) /* the last was not in the answer */
        CHECK_INT(is[i].verdict, REPLICA_VERDICT_NONE);
    CHECK_STR(v.answer.incarnation, "ab");
    CHECK_STR(v.answer.follows, "{\"id\":\"ab\",\"lwt\":7}");
    CHECK_STR(v.answer.checkpoint, "{\"id\":\"ab\",\"lwt\":106}");
}

TEST(what_is_no_list_of_verdicts_is_refused)
{
    static const char *const bodies[] = {
        "", "[]", "{}", "{\"verdicts\":{}}", "{\"verdicts\":[1,2]}", "{\"verdicts\":[\"x\"]}",
        "{\"verdicts\":[1.5]}", "{\"verdicts\":[true]}", "{\"verdicts\":[1]", "{\"verdicts\":[1]}x",
        "{\"verdicts\":[{\"conflict\":[1,2,0,\"w\",null]}]}", "{\"verdicts\":[{\"conflict\":5}]}",
        "{\"verdicts\":[{\"refused\":\"no\"}]}", "{\"verdicts\":[{\"refused\":4030}]}",
        "{\"verdicts\":[1],\"incarnation\":7}", "{\"verdicts\":[1],\"checkpoint\":{\"lwt\":1}}",
        "{\"verdicts\":[{\"reason\":\"\\u12\"}]}",
    };
    replica_remote_row row = ROW("a", "{}");
    replica_push_request request = ask(&row, 1);
    VERDICTS v = { .verdicts = NULL };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        test_err.offset = -1;
        CHECK_RC(read_verdicts(OURS, &request, bodies[i], &v), REPLICA_EHTTP);
        CHECK(test_err.offset >= 0 && test_err.offset <= (int64_t)strlen(bodies[i]));
    }
    CHECK(v.verdicts == NULL);
}

/* ---- memory ---------------------------------------------------------------------- */

TEST(a_failed_allocation_fails_the_push_and_nothing_else)
{
    replica_remote_row row = ROW("a", "{\"id\":\"a\"}");
    replica_push_request request = ask(&row, 1);

    row.assumed_incarnation = "ab";
    row.assumed_sequence = 3;
    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF body = REPLICA_BUF_INIT;
        PUSH push = { .rows = NULL };
        int r;

        fault_alloc(nth);
        replica__wire_push_body(OURS, &request, &body);
        r = body.r ? body.r : read_push(OURS, body.data, 9, &push);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(r < 0 || push.n == 1);
    }
}

TEST(a_failed_allocation_fails_the_verdicts_and_nothing_else)
{
    replica_remote_row row = ROW("a", "{}");
    replica_push_request request = ask(&row, 1);

    for (int nth = 0, failed = 1; failed; nth++) {
        VERDICTS v = { .verdicts = NULL };
        int r;

        fault_alloc(nth);
        r = read_verdicts(OURS, &request,
                          "{\"verdicts\":[{\"refused\":422,\"reason\":\"\\u00e9\"}],"
                          "\"checkpoint\":{\"id\":\"a\",\"lwt\":1}}", &v);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        CHECK(r < 0 || strcmp(v.answer.verdicts[0].reason, "\xc3\xa9") == 0);
    }
}
