#include "tests/merge/merge_help.h"

#include "tests/support/fault.h"

static void check_refused(const char *json, int code, const char *where, const char *message)
{
    struct replica__rules *rules = NULL;

    memset(&test_err, 0, sizeof(test_err));
    CHECK_INT(replica__rules_compile(json, REPLICA_NUL, &rules, &test_err), code);
    CHECK(!rules);
    CHECK_STR(test_err.where, where);
    if (message)
        CHECK_STR(test_err.message, message);
}

TEST(unknown_names_are_refused_with_their_path)
{
    check_refused("mrege", REPLICA_EINVAL, "", "no rule is called 'mrege'");
    check_refused("{\"\":\"merge\",\"/a\":\"mrege\"}", REPLICA_EINVAL, "/a",
                  "no rule is called 'mrege'");
    check_refused("{\"/a\":{\"sums\":1}}", REPLICA_EINVAL, "/a", "no rule is called 'sums'");
    check_refused("{\"\":{\"merge\":\"smu\"}}", REPLICA_EINVAL, "", "no rule is called 'smu'");
    check_refused("{\"delete\":\"merge\"}", REPLICA_EINVAL, "delete",
                  "\"delete\" is edit-wins, delete-wins, keep-copy or ask");
    check_refused("{\"delete\":1}", REPLICA_EINVAL, "delete", NULL);
}

TEST(what_is_no_path_is_refused)
{
    check_refused("{\"visits\":\"sum\"}", REPLICA_EINVAL, "visits",
                  "no path: it is empty, starts with '/', or is \"delete\"");
    check_refused("{\"/a~b\":\"sum\"}", REPLICA_EINVAL, "/a~b",
                  "'~' is spelled '~0' in a path");
    check_refused("{\"/a/**\":\"sum\"}", REPLICA_EINVAL, "/a/**",
                  "'**' is for patterns of keys: '*' is one segment");
    check_refused("{\"/a\\u0000b\":\"sum\"}", REPLICA_EINVAL, "", "a text with U+0000");
}

TEST(arguments_that_a_rule_cannot_have_are_refused)
{
    check_refused("list-by-key", REPLICA_EINVAL, "", NULL);
    check_refused("{\"/a\":\"list-by-key\"}", REPLICA_EINVAL, "/a",
                  "list-by-key needs the member that tells elements apart: "
                  "{\"list-by-key\": \"id\"}");
    check_refused("{\"/a\":{\"list-by-key\":7}}", REPLICA_EINVAL, "/a",
                  "list-by-key takes the name of a member");
    check_refused("{\"/a\":{\"list-by-key\":\"\"}}", REPLICA_EINVAL, "/a", NULL);
    check_refused("{\"/a\":{\"last-write-wins\":null}}", REPLICA_EINVAL, "/a",
                  "last-write-wins takes the name of a field");
    check_refused("{\"/a\":{\"last-write-wins\":\"/~\"}}", REPLICA_EINVAL, "/a", NULL);
    check_refused("{\"/a\":{\"sum\":1}}", REPLICA_EINVAL, "/a", "sum takes no argument");
    check_refused("{\"/a\":{\"max\":\"min\"}}", REPLICA_EINVAL, "/a", "max takes no argument");
    check_refused("{\"/a\":{\"server-wins\":1}}", REPLICA_EINVAL, "/a",
                  "server-wins takes no argument");
    check_refused("{\"/a\":{\"merge\":\"merge\"}}", REPLICA_EINVAL, "/a",
                  "the rule for the leaves of merge cannot be merge");
    check_refused("{\"/a\":{\"text\":\"sum\"}}", REPLICA_EINVAL, "/a",
                  "overlapping edits of a text fall to server-wins, client-wins or "
                  "last-write-wins");
    check_refused("{\"/a\":{\"merge\":\"list-by-key\"}}", REPLICA_EINVAL, "/a", NULL);
    check_refused("{\"/a\":{}}", REPLICA_EINVAL, "/a", "a rule is a name, or {name: argument}");
    check_refused("{\"/a\":{\"text\":\"sum\",\"merge\":\"sum\"}}", REPLICA_EINVAL, "/a", NULL);
    check_refused("{\"/a\":[\"sum\"]}", REPLICA_EINVAL, "/a", NULL);
    check_refused("[\"sum\"]", REPLICA_EINVAL, "", "rules are a name, or an object of paths");
    check_refused("true", REPLICA_EINVAL, "", NULL);
}

TEST(what_is_no_json_is_refused_with_its_place)
{
    check_refused("{\"\":\"merge\"", REPLICA_EJSON, "", NULL);
    CHECK_INT(test_err.offset, 11);
    check_refused("{\"/a\":\"sum\",\"/\\u0061\":\"max\"}", REPLICA_EJSON, "", NULL);
    check_refused("", REPLICA_EJSON, "", NULL);
}

TEST(there_is_a_bound_on_paths_and_on_their_length)
{
    for (int n = 256; n <= 257; n++) {
        REPLICA_BUF json = REPLICA_BUF_INIT;
        struct replica__rules *rules = NULL;

        for (int i = 0; i < n; i++)
            replica__buf_printf(&json, "%s\"/m%d\":\"sum\"", i ? "," : "{", i);
        replica__buf_char(&json, '}');
        if (n == 257)
            check_refused(json.data, REPLICA_EINVAL, "/m256", "more than 256 paths");
        else
            CHECK_RC(replica__rules_compile(json.data, json.len, &rules, &test_err), 0);
        replica__rules_unref(rules);
    }
    for (int n = 64; n <= 65; n++) {
        REPLICA_BUF json = REPLICA_BUF_INIT;
        struct replica__rules *rules = NULL;

        replica__buf_str(&json, "{\"");
        for (int i = 0; i < n; i++)
            replica__buf_str(&json, "/*");
        replica__buf_str(&json, "\":\"sum\"}");
        CHECK_INT(replica__rules_compile(json.data, json.len, &rules, &test_err),
                  n == 64 ? 0 : REPLICA_EINVAL);
        replica__rules_unref(rules);
    }
}

static void check_no_document(const char *json, const char *key, const char *where,
                              const char *message)
{
    RULES *rules = rules_of(json);

    memset(&test_err, 0, sizeof(test_err));
    CHECK_INT(replica__rules_check_document(rules, key, &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.where, where);
    CHECK_STR(test_err.message, message);
}

TEST(rules_that_can_never_serve_a_document_or_its_key_are_found)
{
    static const char *const fine[] = {
        "merge", "server-wins", "last-write-wins", "{\"/a~1b\":\"max\"}", "{\"/a\":\"sum\"}",
        "{\"/a~1\":\"sum\"}", "{\"/a~1b/c\":\"sum\"}", "{\"\":{\"merge\":\"sum\"}}",
    };
    static const char *const wrong[] = { "sum", "max", "min", "set-union", "text" };

    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        RULES *rules = rules_of(fine[i]);

        CHECK_RC(replica__rules_check_document(rules, "a/b", &test_err), 0);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        RULES *rules = rules_of(wrong[i]);

        CHECK_INT(replica__rules_check_document(rules, NULL, &test_err), REPLICA_EINVAL);
    }
    check_no_document("sum", NULL, "", "sum can never serve a document, which is an object");
    check_no_document("{\"\":{\"list-by-key\":\"id\"}}", "id", "",
                      "list-by-key can never serve a document, which is an object");
    check_no_document("{\"/a~1b\":\"sum\"}", "a/b", "/a~1b",
                      "sum can never serve the primary key, which is a text");
}

TEST(rules_tell_what_they_are)
{
    RULES *rules = rules_of(" {\"\":\"merge\",\"/n\":\"sum\",\"delete\":\"ask\"}");
    RULES *bare = rules_of("client-wins");
    RULES *none = rules_of("{\"/a\":{\"merge\":{\"text\":\"client-wins\"}}}");
    RULES *leaves = rules_of("{\"\":{\"merge\":\"sum\"}}");

    CHECK_STR(replica__rules_json(rules), " {\"\":\"merge\",\"/n\":\"sum\",\"delete\":\"ask\"}");
    CHECK_STR(replica__rules_json(bare), "\"client-wins\"");
    CHECK_STR(replica__rules_name(rules), "merge");
    CHECK_STR(replica__rules_name(bare), "client-wins");
    CHECK_STR(replica__rules_name(none), "server-wins");
    CHECK(replica__rules_additive(rules) && replica__rules_additive(leaves));
    CHECK(!replica__rules_additive(bare) && !replica__rules_additive(none));
    CHECK_INT(replica__rules_delete(rules), REPLICA__DELETE_ASK);
    CHECK_INT(replica__rules_delete(bare), REPLICA__DELETE_BY_RULE);
}

static int list(void *ctx, const char *path, enum replica__rule_kind kind, const char *argument)
{
    struct replica__buf *out = ctx;

    replica__buf_printf(out, "%s=%d(%s) ", path, (int)kind, argument ? argument : "");
    return strcmp(path, "/stop") == 0 ? 42 : 0;
}

TEST(each_path_is_told_with_its_rule_and_argument_until_somebody_has_enough)
{
    RULES *rules = rules_of("{\"/a\":{\"merge\":\"sum\"},\"\":{\"last-write-wins\":\"/x\"},"
                            "\"/stop\":\"max\",\"/z\":\"min\"}");
    REPLICA_BUF out = REPLICA_BUF_INIT;

    CHECK_INT(replica__rules_each(rules, list, &out), 42);
    CHECK_STR(out.data, "/a=9(sum) =2(/x) /stop=3() ");
}

TEST(rules_are_the_same_if_they_say_the_same)
{
    RULES *bare = rules_of("merge");
    RULES *quoted = rules_of(" \"merge\"");
    RULES *object = rules_of("{\"\": \"merge\"}");
    RULES *more = rules_of("{\"\":\"merge\",\"/n\":\"sum\"}");
    RULES *turned = rules_of("{\"/n\":\"sum\",\"\":\"merge\"}");
    RULES *other = rules_of("{\"/n\":\"merge\"}");

    CHECK(replica__rules_same(bare, quoted) && replica__rules_same(bare, object));
    CHECK(replica__rules_same(object, quoted) && replica__rules_same(more, turned));
    CHECK(!replica__rules_same(bare, more) && !replica__rules_same(more, bare));
    CHECK(!replica__rules_same(bare, other) && !replica__rules_same(object, other));
}

TEST(rules_are_counted)
{
    struct replica__rules *rules = rules_of("merge");
    struct replica__rules *same = replica__rules_ref(rules);

    CHECK(same == rules);
    replica__rules_unref(rules);
    CHECK_STR(replica__rules_name(same), "merge");
    replica__rules_unref(same);
    replica__rules_unref(NULL);
}

TEST(a_failed_allocation_fails_the_compilation)
{
    const char *json = "{\"\":{\"merge\":{\"last-write-wins\":\"/a/b\"}},\"/a/*/c\":"
                       "{\"list-by-key\":\"id\"},\"/n\":{\"last-write-wins\":\"at\"}}";

    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__rules *rules = NULL;
        int r;

        fault_alloc(nth);
        r = replica__rules_compile(json, REPLICA_NUL, &rules, &test_err);
        failed = fault_stop();
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 0);
        CHECK((rules == NULL) == (r < 0));
        replica__rules_unref(rules);
    }
}
