/* RxDB's part of a schema: what is read, what is refused, what is filled in and compared. */
#include "schema/collection.h"

#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <locale.h>
#include <stdio.h>

typedef struct replica__collection_schema rules;

static void rules_free(rules **s)
{
    replica__collection_schema_free(*s);
}
#define RULES __attribute__((cleanup(rules_free))) rules *

/* A schema with these members behind the usual ones. */
#define SCHEMA(more) "{\"version\":3,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{" \
    "\"id\":{\"type\":\"string\",\"maxLength\":100},\"n\":{\"type\":\"integer\"}," \
    "\"name\":{\"type\":\"object\",\"properties\":{\"first\":{\"type\":\"string\"}}}}" more "}"
/* One with these properties. */
#define PROPERTIES(more) "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\"," \
    "\"properties\":{\"id\":{\"type\":\"string\"}" more "}}"

static rules *parsed(const char *json)
{
    rules *s = NULL;

    CHECK_RC(replica__json_check(json, strlen(json), NULL, &test_err), 0);
    CHECK_RC(replica__collection_schema_parse(json, strlen(json), &s, &test_err), 0);
    return s;
}

static void refused(const char *json, int code, const char *where)
{
    rules *s = NULL;
    int r;

    CHECK_RC(replica__json_check(json, strlen(json), NULL, &test_err), 0);
    r = replica__collection_schema_parse(json, strlen(json), &s, &test_err);
    if (r != code || s || test_err.code != code)
        test_fail(__FILE__, __LINE__, "%s gave %s, not %s: %s", json, replica_error_name(r),
                  replica_error_name(code), test_err.message);
    CHECK_STR(test_err.where, where);
    CHECK(test_err.message[0] != '\0');
}

/* ---- reading --------------------------------------------------------------------- */

TEST(version_and_key_are_read)
{
    RULES s = parsed(SCHEMA(""));

    CHECK_INT(s->version, 3);
    CHECK_STR(s->key, "id");
    CHECK(s->key_field_count == 0 && s->index_count == 0 && s->final_count == 0);
    CHECK(s->default_count == 0 && s->separator == NULL);
}

TEST(a_schema_of_an_rxdb_application_is_read_whole)
{
    RULES s = parsed(
        "{\"title\":\"hero\",\"description\":\"one\",\"version\":0,\"primaryKey\":{\"key\":\"id\","
        "\"fields\":[\"firstName\",\"name.last\"],\"separator\":\"|\"},\"type\":\"object\","
        "\"keyCompression\":false,\"sharding\":{\"shards\":9,\"mode\":\"collection\"},"
        "\"encrypted\":[],\"internalIndexes\":[[\"firstName\"]],\"properties\":{"
        "\"id\":{\"type\":\"string\",\"maxLength\":100,\"final\":true},"
        "\"firstName\":{\"type\":\"string\",\"final\":true,\"example\":\"x\"},"
        "\"name\":{\"type\":\"object\",\"properties\":{\"last\":{\"type\":\"string\","
        "\"default\":\"\"}}},"
        "\"power\":{\"type\":\"number\",\"default\":1.50,\"minimum\":0},"
        "\"friends\":{\"type\":\"array\",\"ref\":\"heroes\",\"items\":{\"type\":\"string\"},"
        "\"default\":[ ]},\"born\":{\"type\":\"integer\",\"final\":true}},"
        "\"required\":[\"id\"],\"indexes\":[\"firstName\",[\"name.last\",\"power\"]]}");

    CHECK_STR(s->key, "id");
    CHECK_INT(s->key_field_count, 2);
    CHECK_STR(s->key_fields[0], "firstName");
    CHECK_STR(s->key_fields[1], "name.last");
    CHECK_STR(s->separator, "|");
    CHECK_INT(s->final_count, 2); /* the key is final anyway */
    CHECK_STR(s->final[0], "firstName");
    CHECK_STR(s->final[1], "born");
    CHECK_INT(s->default_count, 2);
    CHECK_STR(s->defaults[0].name, "power");
    CHECK_STR(s->defaults[0].json, "1.50");
    CHECK_STR(s->defaults[1].name, "friends");
    CHECK_STR(s->defaults[1].json, "[ ]");
    CHECK_INT(s->index_count, 2);
    CHECK_INT(s->indexes[0].n, 1);
    CHECK_STR(s->indexes[0].fields[0], "firstName");
    CHECK_INT(s->indexes[1].n, 2);
    CHECK_STR(s->indexes[1].fields[0], "name.last");
    CHECK_STR(s->indexes[1].fields[1], "power");
}

TEST(what_a_collection_needs_must_be_there)
{
    refused("true", REPLICA_ESCHEMA, "");
    refused("{\"version\":0,\"primaryKey\":\"id\",\"properties\":{\"id\":{\"type\":\"string\"}}}",
            REPLICA_ESCHEMA, "/type");
    refused("{\"type\":\"object\",\"primaryKey\":\"id\",\"properties\":{\"id\":{\"type\":"
            "\"string\"}}}", REPLICA_ESCHEMA, "/version");
    refused("{\"type\":\"object\",\"version\":0,\"properties\":{\"id\":{\"type\":\"string\"}}}",
            REPLICA_ESCHEMA, "/primaryKey");
    refused("{\"type\":\"object\",\"version\":0,\"primaryKey\":\"id\"}", REPLICA_ESCHEMA,
            "/primaryKey");
}

TEST(a_version_is_a_small_integer)
{
    static const char *const wrong[] = { "-1", "1.5", "\"1\"", "null", "2147483648" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char json[200];

        snprintf(json, sizeof(json), "{\"type\":\"object\",\"version\":%s,\"primaryKey\":\"id\","
                 "\"properties\":{\"id\":{\"type\":\"string\"}}}", wrong[i]);
        refused(json, REPLICA_ESCHEMA, "/version");
    }
}

#define KEYED(key) "{\"type\":\"object\",\"version\":0,\"primaryKey\":" key ",\"properties\":{" \
    "\"id\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},\"o\":{\"type\":\"object\"}}}"

TEST(a_key_is_a_text_among_the_properties)
{
    refused(KEYED("\"other\""), REPLICA_ESCHEMA, "/primaryKey");
    refused(KEYED("\"n\""), REPLICA_ESCHEMA, "/primaryKey");
    refused(KEYED("\"\""), REPLICA_ESCHEMA, "/primaryKey");
    refused(KEYED("7"), REPLICA_ESCHEMA, "/primaryKey");
    refused(KEYED("\"i\\u0000d\""), REPLICA_ESCHEMA, "/primaryKey");
}

TEST(a_composite_key_names_its_fields)
{
    refused(KEYED("{}"), REPLICA_ESCHEMA, "/primaryKey/key");
    refused(KEYED("{\"key\":\"id\",\"fields\":[\"n\"]}"), REPLICA_ESCHEMA,
            "/primaryKey/separator");
    refused(KEYED("{\"key\":\"id\",\"separator\":\"|\"}"), REPLICA_ESCHEMA, "/primaryKey/fields");
    refused(KEYED("{\"key\":\"id\",\"fields\":[],\"separator\":\"|\"}"), REPLICA_ESCHEMA,
            "/primaryKey/fields");
    refused(KEYED("{\"key\":\"id\",\"fields\":[\"x\"],\"separator\":\"|\"}"), REPLICA_ESCHEMA,
            "/primaryKey/fields");
    refused(KEYED("{\"key\":\"id\",\"fields\":[\"o\"],\"separator\":\"|\"}"), REPLICA_ESCHEMA,
            "/primaryKey/fields");
    refused(KEYED("{\"key\":\"id\",\"fields\":[\"id\"],\"separator\":\"|\"}"), REPLICA_ESCHEMA,
            "/primaryKey/fields");
    refused(KEYED("{\"key\":\"n\",\"fields\":[\"id\"],\"separator\":\"|\"}"), REPLICA_ESCHEMA,
            "/primaryKey");
}

TEST(indexes_are_on_properties)
{
    refused(SCHEMA(",\"indexes\":[\"other\"]"), REPLICA_ESCHEMA, "/indexes");
    refused(SCHEMA(",\"indexes\":[[\"n\",\"name.last\"]]"), REPLICA_ESCHEMA, "/indexes");
    refused(SCHEMA(",\"indexes\":[\"n.first\"]"), REPLICA_ESCHEMA, "/indexes");
    refused(SCHEMA(",\"indexes\":[[]]"), REPLICA_ESCHEMA, "/indexes");
    refused(SCHEMA(",\"indexes\":[7]"), REPLICA_ESCHEMA, "/indexes");
    refused(SCHEMA(",\"indexes\":\"n\""), REPLICA_ESCHEMA, "/indexes");
}

TEST(what_is_not_supported_is_refused)
{
    refused(SCHEMA(",\"encrypted\":[\"n\"]"), REPLICA_ENOTSUP, "/encrypted");
    refused(SCHEMA(",\"attachments\":{}"), REPLICA_ENOTSUP, "/attachments");
    refused(SCHEMA(",\"crdt\":{\"field\":\"n\"}"), REPLICA_ENOTSUP, "/crdt");
    refused(SCHEMA(",\"indices\":[\"n\"]"), REPLICA_ENOTSUP, "/indices");
    refused(SCHEMA(",\"encrypted\":true"), REPLICA_ESCHEMA, "/encrypted");
    refused(SCHEMA(",\"keyCompression\":1"), REPLICA_ESCHEMA, "/keyCompression");
    refused(PROPERTIES(",\"a\":{\"index\":true}"), REPLICA_ENOTSUP, "/properties/a/index");
    refused(PROPERTIES(",\"a\":{\"version\":1}"), REPLICA_ENOTSUP, "/properties/a/version");
    refused(PROPERTIES(",\"a\":{\"anyOf\":[true,{\"unique\":true}]}"), REPLICA_ENOTSUP,
            "/properties/a/anyOf/1/unique");
    refused(PROPERTIES(",\"a\":{\"properties\":{\"b\":{\"final\":true}}}"), REPLICA_ENOTSUP,
            "/properties/a/properties/b/final");
    refused(PROPERTIES(",\"_rev\":{\"type\":\"string\"}"), REPLICA_ENOTSUP, "/properties");
}

TEST(words_of_rxdb_have_their_types_and_places)
{
    refused(PROPERTIES(",\"a\":{\"final\":1}"), REPLICA_ESCHEMA, "/properties/a/final");
    refused(PROPERTIES(",\"a\":{\"ref\":true}"), REPLICA_ESCHEMA, "/properties/a/ref");
    refused(PROPERTIES(",\"a\":{\"items\":{\"default\":1}}"), REPLICA_ESCHEMA,
            "/properties/a/items/default");
    rules_free(&(rules *){ parsed(PROPERTIES(",\"a\":{\"items\":{\"default\":0}}")) });
}

TEST(a_property_may_be_called_like_a_keyword)
{
    RULES s = parsed(PROPERTIES(
        ",\"encrypted\":{\"type\":\"array\"},\"crdt\":true,\"final\":{\"type\":\"boolean\"},"
        "\"a\":{\"properties\":{\"default\":{\"enum\":[{\"unknown\":1}]}},\"x-mine\":1}"));

    CHECK_INT(s->final_count, 0);
    CHECK_INT(s->default_count, 0);
}

TEST(the_draft_says_which_words_there_are)
{
    rules_free(&(rules *){ parsed("{\"$schema\":\"http://json-schema.org/draft-07/schema#\","
        "\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{\"id\":{\"type\":"
        "\"string\"},\"a\":{\"items\":[true],\"additionalItems\":false}}}") });
    refused(PROPERTIES(",\"a\":{\"additionalItems\":false}"), REPLICA_ENOTSUP,
            "/properties/a/additionalItems");
}

/* ---- filling --------------------------------------------------------------------- */

#define FILLING PROPERTIES(",\"a\":{\"default\":{ \"x\" : 1.0 }},\"b\":{\"default\":null}," \
    "\"c\":{\"default\":\"d\"}")
#define COMPOSITE "{\"version\":0,\"type\":\"object\",\"primaryKey\":{\"key\":\"id\",\"fields\":[" \
    "\"a\",\"b.c\"],\"separator\":\"|\"},\"properties\":{\"id\":{\"type\":\"string\"},\"a\":{" \
    "\"type\":\"string\",\"default\":\"A\"},\"b\":{\"properties\":{\"c\":{\"type\":\"number\"}}}}}"

static void filled(const char *schema, const char *json, const char *want)
{
    RULES s = parsed(schema);
    REPLICA_BUF out = REPLICA_BUF_INIT;

    CHECK_RC(replica__collection_schema_fill(s, json, strlen(json), &out, &test_err), want != NULL);
    CHECK_STR(out.data, want);
}

TEST(defaults_go_behind_the_last_member)
{
    filled(FILLING, "{\"id\":\"1\" }",
           "{\"id\":\"1\",\"a\":{ \"x\" : 1.0 },\"b\":null,\"c\":\"d\" }");
    filled(FILLING, "{\"c\" :1.0, \"a\":null}", "{\"c\" :1.0, \"a\":null,\"b\":null}");
    filled(FILLING, "{}", "{\"a\":{ \"x\" : 1.0 },\"b\":null,\"c\":\"d\"}");
}

TEST(what_is_there_stays_as_it_is)
{
    filled(FILLING, "{\"b\":1,\"\\u0061\":2,\"c\":3}", NULL);
    filled(SCHEMA(""), "{}", NULL);
}

TEST(a_composite_key_is_filled_in)
{
    filled(COMPOSITE, "{\"a\":\"x\\\"\",\"b\":{\"c\":1.50}}",
           "{\"a\":\"x\\\"\",\"b\":{\"c\":1.50},\"id\":\"x\\\"|1.5\"}");
    filled(COMPOSITE, "{\"b\":{\"c\":true}}",
           "{\"b\":{\"c\":true},\"a\":\"A\",\"id\":\"A|true\"}");
    filled(COMPOSITE, "{\"a\":\"\",\"b\":{\"c\":\"\"},\"id\":\"other\"}", NULL);
}

static void key_refused(const char *json, const char *where)
{
    RULES s = parsed(COMPOSITE);
    REPLICA_BUF out = REPLICA_BUF_INIT;

    CHECK_RC(replica__collection_schema_fill(s, json, strlen(json), &out, &test_err),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, where);
    CHECK(out.data == NULL);
}

TEST(a_composite_key_needs_its_fields)
{
    key_refused("{\"a\":\"x\"}", "/b.c");
    key_refused("{\"a\":null,\"b\":{\"c\":1}}", "/a");
    key_refused("{\"a\":\"x\",\"b\":{\"c\":[]}}", "/b.c");
    key_refused("{\"a\":\"x\",\"b\":[1]}", "/b.c");
}

TEST(a_composite_key_agrees_with_its_fields)
{
    static const char good[] = "{\"a\":\"x\",\"b\":{\"c\":2},\"id\":\"x\\u007c2\"}";
    static const char bad[] = "{\"a\":\"x\",\"b\":{\"c\":2},\"id\":\"x|3\"}";
    static const char none[] = "{\"a\":\"x\",\"b\":{\"c\":2}}";
    RULES s = parsed(COMPOSITE);
    RULES plain = parsed(SCHEMA(""));

    CHECK_RC(replica__collection_schema_check_key(s, good, strlen(good), &test_err), 0);
    CHECK_RC(replica__collection_schema_check_key(plain, none, strlen(none), &test_err), 0);
    CHECK_RC(replica__collection_schema_check_key(s, bad, strlen(bad), &test_err),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/id");
    CHECK_STR(test_err.message, "the key 'id' is not what its fields make: 'x|2'");
    CHECK_RC(replica__collection_schema_check_key(s, none, strlen(none), &test_err),
             REPLICA_ESCHEMA);
}

/* The right sides are what String(number) gives in JavaScript. */
TEST(numbers_in_keys_are_spelled_as_javascript_does)
{
    static const char *const numbers[][2] = {
        { "0", "0" }, { "-0.0", "0" }, { "7", "7" }, { "-7.00", "-7" }, { "1e3", "1000" },
        { "0.1", "0.1" }, { "1.10", "1.1" }, { "-123.456", "-123.456" }, { "5e-324", "5e-324" },
        { "1e-6", "0.000001" }, { "1e-7", "1e-7" }, { "1.25e-7", "1.25e-7" },
        { "0.30000000000000004", "0.30000000000000004" }, { "1e20", "100000000000000000000" },
        { "123456789012345680000", "123456789012345680000" }, { "1e21", "1e+21" },
        { "1.7976931348623157e308", "1.7976931348623157e+308" }, { "1e400", "Infinity" },
        { "9007199254740993", "9007199254740993" }, /* which it does not have */
        { "1.5e300", "1.5e+300" }, { "99999.5", "99999.5" }, { "-2.5e-9", "-2.5e-9" },
    };

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            char json[100];
            char want[200];

            snprintf(json, sizeof(json), "{\"a\":\"\",\"b\":{\"c\":%s}}", numbers[i][0]);
            snprintf(want, sizeof(want), "{\"a\":\"\",\"b\":{\"c\":%s},\"id\":\"|%s\"}",
                     numbers[i][0], numbers[i][1]);
            filled(COMPOSITE, json, want);
        }
        if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) /* a comma for a point, where there is one */
            break;
    }
    setlocale(LC_NUMERIC, "C");
}

/* ---- final fields ---------------------------------------------------------------- */

static int check_final(const char *before, const char *after)
{
    RULES s = parsed(PROPERTIES(",\"a\":{\"final\":true},\"b\":{\"final\":false}"));

    return replica__collection_schema_check_final(s, before, strlen(before), after, strlen(after),
                                                  &test_err);
}

TEST(final_fields_keep_their_values)
{
    CHECK_RC(check_final("{\"a\":{\"x\":1,\"y\":[2]}}", "{\"b\":1,\"a\":{\"y\":[2],\"x\":1.0}}"),
             0);
    CHECK_RC(check_final("{\"b\":1}", "{\"b\":2}"), 0);
    CHECK_RC(check_final("{\"a\":9007199254740993}", "{\"a\":9007199254740992}"),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/a");
    CHECK_RC(check_final("{\"a\":null}", "{}"), REPLICA_ESCHEMA);
    CHECK_RC(check_final("{}", "{\"a\":null}"), REPLICA_ESCHEMA);
}

/* ---- memory ---------------------------------------------------------------------- */

TEST(a_failed_allocation_fails_the_call_and_nothing_else)
{
    static const char json[] = "{\"b\":{\"c\":2}}";
    static const char want[] = "{\"b\":{\"c\":2},\"a\":\"A\",\"id\":\"A|2\"}";

    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF out = REPLICA_BUF_INIT;
        RULES s = NULL;
        int r;

        fault_alloc(nth);
        r = replica__collection_schema_parse(COMPOSITE, strlen(COMPOSITE), &s, &test_err);
        if (r == 0)
            r = replica__collection_schema_fill(s, json, strlen(json), &out, &test_err);
        if (r == 1)
            r = replica__collection_schema_check_key(s, want, strlen(want), &test_err);
        if (r == 0)
            r = replica__collection_schema_check_final(s, json, strlen(json), want, strlen(want),
                                                       &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM && test_err.code == r));
        if (r == 0)
            CHECK_STR(out.data, want);
    }
}
