/* The conflict rules in a schema: read, and held against the types at their paths. */
#include "libreplica/schema.h"
#include "schema/collection.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include "base/buf.h"

static void schema_free(replica_schema **s)
{
    replica_schema_unref(*s);
}
#define SCHEMA __attribute__((cleanup(schema_free))) replica_schema *

static int compile(const char *rules, replica_schema **ret)
{
    const replica_schema_options o = { .size = sizeof(o), .flags = REPLICA_SCHEMA_COLLECTION };
    REPLICA_BUF json = REPLICA_BUF_INIT;

    replica__buf_printf(
        &json,
        "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
        "\"id\":{\"type\":\"string\",\"maxLength\":100},"
        "\"n\":{\"type\":\"integer\"},"
        "\"at\":{\"type\":[\"string\",\"null\"]},"
        "\"flag\":{\"enum\":[true,false]},"
        "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
        "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
        "\"id\":{\"type\":\"string\"},\"done\":{\"type\":\"boolean\"},\"n\":{\"type\":\"number\"}},"
        "\"additionalProperties\":false}},"
        "\"lists\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":{"
        "\"type\":\"object\"}}},"
        "\"name\":{\"type\":\"object\",\"properties\":{\"first\":{\"type\":\"string\"},"
        "\"a/b\":{\"const\":7}}},"
        "\"ref\":{\"$ref\":\"#/$defs/x\"},"
        "\"any\":{}},\"$defs\":{\"x\":{\"type\":\"string\"}},\"x-conflict\":%s}",
        rules);
    if (json.r < 0)
        return json.r;
    return replica_schema_compile(json.data, json.len, &o, ret, &test_err);
}

static void check_fits(const char *rules)
{
    SCHEMA schema = NULL;

    CHECK_RC(compile(rules, &schema), 0);
    CHECK_STR(replica__rules_json(replica__schema_rules(schema)), rules);
}

static void check_refused(const char *rules, const char *message)
{
    SCHEMA schema = NULL;

    memset(&test_err, 0, sizeof(test_err));
    if (compile(rules, &schema) != REPLICA_ESCHEMA)
        test_fail(__FILE__, __LINE__, "%s was taken", rules);
    CHECK(!schema);
    CHECK_STR(test_err.where, "/x-conflict");
    if (message)
        CHECK_STR(test_err.message, message);
}

TEST(rules_that_can_serve_the_types_at_their_paths_are_taken)
{
    static const char *const fine[] = {
        "\"merge\"", "{\"\":\"merge\",\"delete\":\"ask\"}", "{\"\":\"last-write-wins\"}",
        "{\"/n\":\"sum\"}", "{\"/n\":\"max\"}", "{\"/at\":\"min\"}", "{\"/at\":\"text\"}",
        "{\"/tags\":\"set-union\"}", "{\"/items\":\"set-union\"}",
        "{\"/items\":{\"list-by-key\":\"id\"}}", "{\"/items/*\":{\"list-by-key\":\"n\"}}",
        "{\"/items/*/n\":\"sum\"}", "{\"/items/*\":\"merge\"}", "{\"/items/7/n\":\"sum\"}",
        "{\"/lists/*\":{\"list-by-key\":\"id\"}}", "{\"/lists/food\":\"set-union\"}",
        "{\"/lists/food/*/whatever\":\"sum\"}", "{\"/name\":\"merge\"}",
        "{\"/name/first\":\"text\"}", "{\"/name/a~1b\":\"sum\"}", "{\"/name/more\":\"sum\"}",
        "{\"/*\":\"sum\"}", "{\"/*/first\":\"text\"}", "{\"/ref\":\"sum\"}", "{\"/any\":\"sum\"}",
        "{\"/any/x/y\":\"text\"}", "{\"/flag\":\"client-wins\"}",
        "{\"\":{\"last-write-wins\":\"at\"}}", "{\"\":{\"last-write-wins\":\"/name/first\"}}",
        "{\"/name\":{\"last-write-wins\":\"n\"}}",
        "{\"\":{\"merge\":{\"last-write-wins\":\"at\"}}}",
    };

    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        check_fits(fine[i]);
}

TEST(rules_that_can_never_serve_the_type_at_their_path_are_refused)
{
    static const char *const wrong[] = {
        "\"sum\"", "{\"/n\":\"text\"}", "{\"/n\":\"merge\"}", "{\"/n\":\"set-union\"}",
        "{\"/at\":\"sum\"}", "{\"/flag\":\"max\"}", "{\"/flag\":\"sum\"}",
        "{\"/tags\":\"sum\"}", "{\"/tags\":\"text\"}", "{\"/tags\":{\"list-by-key\":\"id\"}}",
        "{\"/tags/*\":{\"list-by-key\":\"id\"}}", "{\"/items\":{\"list-by-key\":\"done\"}}",
        "{\"/items\":\"merge\"}", "{\"/items/*\":\"sum\"}", "{\"/items/*/done\":\"sum\"}",
        "{\"/items/*/x\":\"sum\"}", "{\"/lists/*\":\"sum\"}", "{\"/name\":\"sum\"}",
        "{\"/name/first\":\"sum\"}", "{\"/name/a~1b\":\"text\"}", "{\"/nmae\":\"merge\"}",
        "{\"/n/x\":\"sum\"}", "{\"\":{\"last-write-wins\":\"flag\"}}",
        "{\"\":{\"last-write-wins\":\"when\"}}",
        "{\"\":{\"merge\":{\"last-write-wins\":\"when\"}}}",
        "{\"\":{\"merge\":{\"text\":{\"last-write-wins\":\"when\"}}}}",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        check_refused(wrong[i], NULL);
    check_refused("{\"/n\":\"text\"}",
                  "the rule for '/n': text can never serve what the schema has there");
    check_refused("{\"/n\":{\"last-write-wins\":\"x\"}}",
                  "the rule for '/n': the schema has no such field, or no time in it");
}

TEST(what_are_no_rules_is_refused)
{
    check_refused("\"mrege\"", "the rule for '': no rule is called 'mrege'");
    check_refused("{\"/n\":{\"sum\":1}}", "the rule for '/n': sum takes no argument");
    check_refused("7", NULL);
    check_refused("null", NULL);
}

TEST(rules_belong_to_the_collection_and_not_to_a_property)
{
    const replica_schema_options o = { .size = sizeof(o), .flags = REPLICA_SCHEMA_COLLECTION };
    SCHEMA schema = NULL;

    CHECK_RC(replica_schema_compile(
                 "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{\"id\":"
                 "{\"type\":\"string\"},\"n\":{\"type\":\"number\",\"x-conflict\":\"sum\"}}}",
                 REPLICA_NUL, &o, &schema, &test_err),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/properties/n/x-conflict");
}

TEST(a_schema_without_rules_has_none)
{
    SCHEMA schema = NULL;

    CHECK_RC(replica_schema_compile("{\"x-conflict\":7}", REPLICA_NUL, NULL, &schema, &test_err),
             0);
    CHECK(!replica__schema_rules(schema));
    CHECK(!replica__schema_rules(NULL));
}

TEST(a_failed_allocation_fails_the_schema)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        SCHEMA schema = NULL;
        int r;

        fault_alloc(nth);
        r = compile("{\"\":{\"last-write-wins\":\"at\"},\"/items/*/n\":\"sum\",\"/*\":\"max\"}",
                    &schema);
        failed = fault_stop();
        CHECK(failed ? r == REPLICA_ENOMEM && !schema : r == 0);
    }
}
