#include "tests/schema/schema_help.h"

static replica_registry *registry_new(void)
{
    replica_registry *registry = NULL;

    CHECK_RC(replica_registry_new(&registry, &test_err), 0);
    return registry;
}

static int add(replica_registry *registry, const char *uri, const char *text)
{
    char *json = quoted(text);
    int r = replica_registry_add(registry, uri, json, REPLICA_NUL, &test_err);

    free(json);
    return r;
}

static int judge_with(const replica_registry *registry, const char *schema_text, const char *text)
{
    replica_schema *schema = NULL;
    int r;

    CHECK_RC(compile_with(schema_text, registry, 0, &schema), 0);
    r = validate_text(schema, text);
    replica_schema_unref(schema);
    return r;
}

TEST(a_schema_is_found_under_its_uri_and_under_each_id_in_it)
{
    replica_registry *registry = registry_new();

    CHECK_RC(add(registry, "http://example.com/a.json",
                 "{'$id':'http://example.com/other/name.json','type':'string',"
                 "'$defs':{'b':{'$id':'b.json','type':'null'}}}"),
             0);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/a.json'}", "'x'"), 0);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/a.json'}", "1"), REPLICA_ESCHEMA);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/other/name.json'}", "1"),
             REPLICA_ESCHEMA);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/other/b.json'}", "null"), 0);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/other/b.json'}", "1"),
             REPLICA_ESCHEMA);
    replica_registry_free(registry);
}

TEST(what_was_compiled_does_not_need_the_registry_any_more)
{
    replica_registry *registry = registry_new();
    replica_schema *schema = NULL;

    CHECK_RC(add(registry, "http://example.com/a.json", "{'type':'string','pattern':'^a'}"), 0);
    CHECK_RC(compile_with("{'$ref':'http://example.com/a.json'}", registry, 0, &schema), 0);
    replica_registry_free(registry);
    CHECK_RC(validate_text(schema, "'b'"), REPLICA_ESCHEMA);
    CHECK_STR(test_err.message,
              "pattern: does not match the pattern (at http://example.com/a.json#/pattern)");
    replica_schema_unref(schema);
}

TEST(a_schema_without_a_draft_has_the_draft_of_who_refers_to_it)
{
    replica_registry *registry = registry_new();

    CHECK_RC(add(registry, "http://example.com/a.json",
                 "{'definitions':{'n':{'id':'#n','type':'integer'}},'items':[{'type':'null'}]}"),
             0);
    CHECK_RC(judge_with(registry,
                        "{'$schema':'http://json-schema.org/draft-04/schema#',"
                        "'$ref':'http://example.com/a.json#n'}",
                        "1.5"),
             REPLICA_ESCHEMA);
    CHECK_RC(judge_with(registry,
                        "{'$schema':'http://json-schema.org/draft-07/schema#',"
                        "'$ref':'http://example.com/a.json'}",
                        "[1]"),
             REPLICA_ESCHEMA);
    replica_registry_free(registry);
}

TEST(a_schema_that_has_a_draft_keeps_it)
{
    replica_registry *registry = registry_new();

    CHECK_RC(add(registry, "http://example.com/a.json",
                 "{'$schema':'http://json-schema.org/draft-07/schema#','items':[{'type':'null'}]}"),
             0);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/a.json'}", "[1]"), REPLICA_ESCHEMA);
    replica_registry_free(registry);
}

TEST(the_newest_of_two_schemas_with_one_uri_counts)
{
    replica_registry *registry = registry_new();

    CHECK_RC(add(registry, "http://example.com/a.json", "{'type':'string'}"), 0);
    CHECK_RC(add(registry, "http://example.com/a.json", "{'type':'null'}"), 0);
    CHECK_RC(judge_with(registry, "{'$ref':'http://example.com/a.json'}", "null"), 0);
    replica_registry_free(registry);
}

TEST(the_metaschemas_are_always_there)
{
    static const char *const uris[] = { "https://json-schema.org/draft/2020-12/schema",
                                        "http://json-schema.org/draft-07/schema#",
                                        "http://json-schema.org/draft-04/schema#" };

    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        char text[200];

        strcpy(text, "{'$ref':'");
        strcat(text, uris[i]);
        strcat(text, "'}");
        CHECK_RC(judge(text, "{'minLength':1,'properties':{'a':{'type':'string'}}}"), 0);
        CHECK_RC(judge(text, "{'properties':{'a':{'type':'text'}}}"), REPLICA_ESCHEMA);
        CHECK_RC(judge(text, "{'minLength':-1}"), REPLICA_ESCHEMA);
    }
}

TEST(the_metaschemas_are_valid_for_themselves)
{
    static const char *const names[] = { "schema", "meta/core", "meta/applicator",
                                         "meta/unevaluated", "meta/validation", "meta/meta-data",
                                         "meta/format-annotation", "meta/format-assertion",
                                         "meta/content" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[400];

        strcpy(text, "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
                     "'$ref':'https://json-schema.org/draft/2020-12/");
        strcat(text, names[i]);
        strcat(text, "','unevaluatedProperties':true}");
        CHECK_RC(judge(text, "{'title':'x'}"), 0);
    }
}

TEST(a_metaschema_in_the_registry_says_which_vocabularies_count)
{
    replica_registry *registry = registry_new();

    CHECK_RC(add(registry, "http://example.com/meta",
                 "{'$schema':'https://json-schema.org/draft/2020-12/schema','$vocabulary':{"
                 "'https://json-schema.org/draft/2020-12/vocab/applicator':true}}"),
             0);
    CHECK_RC(judge_with(registry, "{'$schema':'http://example.com/meta','type':'null'}", "1"), 0);
    CHECK_RC(judge_with(registry,
                        "{'$schema':'http://example.com/meta','properties':{'a':false}}",
                        "{'a':1}"),
             REPLICA_ESCHEMA);
    replica_registry_free(registry);
}

TEST(a_vocabulary_that_must_be_known_and_is_not_is_refused)
{
    replica_registry *registry = registry_new();
    replica_schema *schema = NULL;

    CHECK_RC(add(registry, "http://example.com/meta",
                 "{'$schema':'https://json-schema.org/draft/2020-12/schema','$vocabulary':{"
                 "'http://example.com/vocabulary':true}}"),
             0);
    CHECK_RC(compile_with("{'$schema':'http://example.com/meta'}", registry, 0, &schema),
             REPLICA_ENOTSUP);
    CHECK_STR(test_err.message,
              "$vocabulary: 'http://example.com/vocabulary' is not known here");
    replica_registry_free(registry);
}

TEST(metaschemas_that_only_name_each_other_are_refused)
{
    replica_registry *registry = registry_new();
    replica_schema *schema = NULL;

    CHECK_RC(add(registry, "http://example.com/a", "{'$schema':'http://example.com/b'}"), 0);
    CHECK_RC(add(registry, "http://example.com/b", "{'$schema':'http://example.com/a'}"), 0);
    CHECK_RC(compile_with("{'$schema':'http://example.com/a'}", registry, 0, &schema),
             REPLICA_ENOTSUP);
    replica_registry_free(registry);
}

TEST(what_is_no_json_is_not_added)
{
    replica_registry *registry = registry_new();

    CHECK_RC(add(registry, "http://example.com/a", "{'type':"), REPLICA_EJSON);
    CHECK_STR(test_err.where, "http://example.com/a");
    CHECK_RC(replica_registry_add(registry, NULL, "{}", 2, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_registry_add(registry, "a", NULL, 2, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_registry_new(NULL, &test_err), REPLICA_EINVAL);
    replica_registry_free(registry);
    replica_registry_free(NULL);
}

TEST(a_bad_schema_in_the_registry_is_named_by_its_uri)
{
    replica_registry *registry = registry_new();
    replica_schema *schema = NULL;

    CHECK_RC(add(registry, "http://example.com/a", "{'items':{'type':'text'}}"), 0);
    CHECK_RC(compile_with("{'$ref':'http://example.com/a'}", registry, 0, &schema),
             REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "http://example.com/a#/items");
    replica_registry_free(registry);
}
