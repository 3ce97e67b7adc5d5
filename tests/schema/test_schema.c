/* A schema from outside: options, counting, what it says of a collection, failed allocations. */
#include "tests/schema/schema_help.h"
#include "tests/support/fault.h"

#include "schema/collection.h"

#include <pthread.h>
#include <stdio.h>

TEST(unknown_options_and_flags_are_refused)
{
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;
    replica_schema *schema = NULL;

    opts.flags = 1u << 30;
    CHECK_RC(replica_schema_compile("{}", 2, &opts, &schema, &test_err), REPLICA_EINVAL);
    opts = (replica_schema_options){ .size = 1 };
    CHECK_RC(replica_schema_compile("{}", 2, &opts, &schema, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_schema_compile(NULL, 0, NULL, &schema, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_schema_compile("{}", 2, NULL, NULL, &test_err), REPLICA_EINVAL);
    CHECK(schema == NULL);
    CHECK_RC(replica_schema_compile("{}", 2, NULL, &schema, &test_err), 0);
    replica_schema_unref(schema);
}

TEST(the_uri_of_a_schema_is_what_its_references_are_relative_to)
{
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;
    const char *text = "{\"$ref\":\"b.json\",\"$defs\":{\"b\":{\"$id\":\"http://x/y/b.json\","
                       "\"type\":\"null\"}}}";
    replica_schema *schema = NULL;

    CHECK_RC(replica_schema_compile(text, REPLICA_NUL, &opts, &schema, &test_err),
             REPLICA_ESCHEMA);
    opts.uri = "http://x/y/a.json#";
    CHECK_RC(replica_schema_compile(text, REPLICA_NUL, &opts, &schema, &test_err), 0);
    CHECK_RC(validate_text(schema, "null"), 0);
    CHECK_RC(validate_text(schema, "1"), REPLICA_ESCHEMA);
    replica_schema_unref(schema);
}

TEST(a_schema_lives_as_long_as_somebody_holds_it)
{
    replica_schema *schema = schema_of("{'type':'null'}");

    CHECK(replica_schema_ref(schema) == schema);
    CHECK(replica_schema_unref(schema) == NULL);
    CHECK_RC(validate_text(schema, "null"), 0);
    CHECK(replica_schema_unref(schema) == NULL);
    CHECK(replica_schema_unref(NULL) == NULL);
}

TEST(the_text_need_not_live_as_long)
{
    char *text = quoted("{'enum':['abc'],'pattern':'a'}");
    replica_schema *schema = NULL;

    CHECK_RC(replica_schema_compile(text, REPLICA_NUL, NULL, &schema, &test_err), 0);
    memset(text, 'x', strlen(text));
    free(text);
    CHECK_RC(validate_text(schema, "'abc'"), 0);
    replica_schema_unref(schema);
}

TEST(a_collections_schema_knows_its_version_and_key)
{
    replica_schema *schema = NULL;
    const char *text = "{'version':3,'primaryKey':'id','type':'object','properties':{"
                       "'id':{'type':'string','maxLength':20}},'required':['id']}";

    CHECK_RC(compile_with(text, NULL, REPLICA_SCHEMA_COLLECTION, &schema), 0);
    CHECK_INT(replica_schema_version(schema), 3);
    CHECK_STR(replica_schema_key(schema), "id");
    CHECK(replica__schema_collection(schema) != NULL);
    replica_schema_unref(schema);
    schema = schema_of(text);
    CHECK_INT(replica_schema_version(schema), 0);
    CHECK_STR(replica_schema_key(schema), NULL);
    CHECK(replica__schema_collection(schema) == NULL);
    replica_schema_unref(schema);
}

#define WITH_DEFAULT                                                            \
    "{'version':0,'primaryKey':'id','type':'object','required':['id','o'],"     \
    "'properties':{'id':{'type':'string'},"                                     \
    "'o':{'type':'integer','minimum':0,'default':%s}}}"

TEST(a_default_keeps_to_its_own_propertys_schema)
{
    static const char *const bad[] = { "'x'", "-1", "null" };
    replica_schema *schema = NULL;
    char text[300];

    snprintf(text, sizeof text, WITH_DEFAULT, "0");
    CHECK_RC(compile_with(text, NULL, REPLICA_SCHEMA_COLLECTION, &schema), 0);
    replica_schema_unref(schema);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, WITH_DEFAULT, bad[i]);
        CHECK_RC(compile_with(text, NULL, REPLICA_SCHEMA_COLLECTION, &schema), REPLICA_ESCHEMA);
        CHECK_STR(test_err.where, "/properties/o");
    }
}

TEST(a_collections_schema_is_closed_at_top_level_unless_it_says_otherwise)
{
    static const struct {
        const char *rest;
        int more, deep;
    } cases[] = {
        { "", REPLICA_ESCHEMA, 0 },
        { ",'additionalProperties':true", 0, 0 },
        { ",'additionalProperties':{'type':'number'}", 0, 0 },
        { ",'unevaluatedProperties':{'type':'number'}", 0, 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        replica_schema *schema = NULL;
        char text[300];

        snprintf(text, sizeof text,
                 "{'version':0,'primaryKey':'id','type':'object','properties':{"
                 "'id':{'type':'string'},'o':{'type':'object'}}%s}", cases[i].rest);
        CHECK_RC(compile_with(text, NULL, REPLICA_SCHEMA_COLLECTION, &schema), 0);
        CHECK_RC(validate_text(schema, "{'id':'a','more':1}"), cases[i].more);
        CHECK_RC(validate_text(schema, "{'id':'a','o':{'more':1}}"), cases[i].deep);
        replica_schema_unref(schema);
    }
}

TEST(a_collections_schema_may_have_the_lists_of_items_that_rxdb_takes)
{
    replica_schema *schema = NULL;
    const char *text = "{'version':0,'primaryKey':'id','type':'object','properties':{"
                       "'id':{'type':'string','maxLength':20},"
                       "'at':{'items':[{'type':'number'},{'type':'number'}]}}}";

    CHECK_RC(compile_with(text, NULL, REPLICA_SCHEMA_COLLECTION, &schema), 0);
    CHECK_RC(validate_text(schema, "{'id':'a','at':[1,2,'x']}"), 0);
    CHECK_RC(validate_text(schema, "{'id':'a','at':[1,'2']}"), REPLICA_ESCHEMA);
    CHECK_STR(test_err.where, "/at/1");
    replica_schema_unref(schema);
    CHECK_REFUSED(text, REPLICA_ESCHEMA, "/properties/at", "items: must be a schema");
}

TEST(a_collections_schema_has_no_keywords_that_nobody_knows)
{
    replica_schema *schema = NULL;

    CHECK_RC(compile_with("{'version':0,'primaryKey':'id','type':'object','properties':{"
                          "'id':{'type':'string'}},'maxLenght':3}",
                          NULL, REPLICA_SCHEMA_COLLECTION, &schema),
             REPLICA_ENOTSUP);
    CHECK(schema == NULL);
}

/* ---- threads ---------------------------------------------------------------------- */

struct worker {
    replica_schema *schema;
    int wrong;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < 2000; i++) {
        char text[64];

        snprintf(text, sizeof(text), "{\"n\":%d,\"t\":\"\\u0061%d\"}", i, i);
        w->wrong += replica_schema_validate(w->schema, text, REPLICA_NUL, NULL, NULL, NULL) !=
                    (i < 1000 ? 0 : REPLICA_ESCHEMA);
        replica_schema_unref(replica_schema_ref(w->schema));
    }
    return NULL;
}

TEST(threads_may_share_a_schema)
{
    replica_schema *schema = schema_of("{'properties':{'n':{'maximum':999},"
                                       "'t':{'pattern':'^a[0-9]+$'}}}");
    struct worker workers[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){ schema, 0 };
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_INT(workers[i].wrong, 0);
    }
    replica_schema_unref(schema);
}

/* ---- failed allocations ----------------------------------------------------------- */

static const char everything[] =
    "{\"$id\":\"http://x/a\",\"$defs\":{\"b\":{\"$id\":\"b\",\"$dynamicAnchor\":\"n\","
    "\"type\":[\"object\",\"integer\"],\"properties\":{\"n\":{\"$dynamicRef\":\"#n\"}}}},"
    "\"$dynamicAnchor\":\"n\",\"$ref\":\"b\",\"properties\":{\"\\u0061\":{\"pattern\":\"^a+$\","
    "\"format\":\"date\"},\"l\":{\"uniqueItems\":true,\"contains\":{\"const\":{\"x\":1}}},"
    "\"m\":{\"multipleOf\":0.5,\"enum\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]},"
    "\"r\":{\"$ref\":\"http://x/remote\"}},\"patternProperties\":{\"^p\":{\"type\":\"null\"}},"
    "\"required\":[\"a\"],\"dependentRequired\":{\"l\":[\"m\"]},"
    "\"anyOf\":[{\"properties\":{\"y\":true}},false],\"unevaluatedProperties\":false}";

static const char a_value[] =
    "{\"\\u0061\":\"a\\u0061\",\"l\":[{\"x\":1.0,\"y\":0},{\"x\":1},1,2,3,4,5,6,7,8,9,10,11,12,13],"
    "\"m\":5,\"n\":{\"n\":{\"a\":\"a\"},\"a\":\"a\"},\"r\":\"x\",\"p\\u0061\":null,\"y\":1}";

static int compile_everything(const replica_registry *registry, replica_schema **ret)
{
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;

    opts.registry = registry;
    return replica_schema_compile(everything, REPLICA_NUL, &opts, ret, &test_err);
}

TEST(a_failed_allocation_fails_the_registry_and_leaks_nothing)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        replica_registry *registry = NULL;
        int r;

        fault_alloc(nth);
        r = replica_registry_new(&registry, &test_err);
        if (r == 0)
            r = replica_registry_add(registry, "http://x/remote",
                                     "{\"$id\":\"y\",\"items\":{\"id\":\"\\u007a\"}}", REPLICA_NUL,
                                     &test_err);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 0);
        replica_registry_free(registry);
    }
}

TEST(a_failed_allocation_fails_the_compilation_and_leaks_nothing)
{
    replica_registry *registry = NULL;

    CHECK_RC(replica_registry_new(&registry, &test_err), 0);
    CHECK_RC(replica_registry_add(registry, "http://x/remote", "{\"minLength\":1}", REPLICA_NUL,
                                  &test_err),
             0);
    for (int nth = 0, failed = 1; failed; nth++) {
        replica_schema *schema = NULL;
        int r;

        fault_alloc(nth);
        r = compile_everything(registry, &schema);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM && schema == NULL));
        if (r == 0)
            CHECK_RC(replica_schema_validate(schema, a_value, REPLICA_NUL, NULL, NULL, &test_err),
                     0);
        replica_schema_unref(schema);
    }
    replica_registry_free(registry);
}

static int ignore(void *ctx, const replica_schema_finding *finding)
{
    ++*(int *)ctx;
    return 0;
}

static void validate_with_faults(const char *text, int want)
{
    replica_registry *registry = NULL;
    replica_schema *schema = NULL;

    CHECK_RC(replica_registry_new(&registry, &test_err), 0);
    CHECK_RC(replica_registry_add(registry, "http://x/remote", "{\"minLength\":1}", REPLICA_NUL,
                                  &test_err),
             0);
    CHECK_RC(compile_everything(registry, &schema), 0);
    for (int nth = 0, failed = 1; failed; nth++) {
        int findings = 0;
        int r;

        fault_alloc(nth);
        r = replica_schema_validate(schema, text, REPLICA_NUL, nth % 2 ? ignore : NULL, &findings,
                                    &test_err);
        failed = fault_stop();
        CHECK(r == want || (failed && r == REPLICA_ENOMEM));
    }
    replica_schema_unref(schema);
    replica_registry_free(registry);
}

TEST(a_failed_allocation_never_makes_a_valid_value_invalid)
{
    validate_with_faults(a_value, 0);
}

TEST(a_failed_allocation_never_makes_an_invalid_value_valid)
{
    validate_with_faults("{\"\\u0061\":\"b\\u0061\",\"l\":[1,1],\"m\":5.5,\"r\":\"\",\"p\":1,"
                         "\"\\u007a\\u0061\":1}",
                         REPLICA_ESCHEMA);
}

TEST(a_valid_value_without_escapes_needs_no_memory)
{
    replica_schema *schema = schema_of("{'properties':{'a':{'type':'string','maxLength':3},"
                                       "'l':{'uniqueItems':true}},'required':['a'],"
                                       "'anyOf':[{'required':['l']},true]}");
    int r;

    fault_alloc(0);
    r = replica_schema_validate(schema, "{\"a\":\"abc\",\"l\":[1,2,3]}", REPLICA_NUL, NULL, NULL,
                                &test_err);
    CHECK(!fault_stop());
    CHECK_RC(r, 0);
    replica_schema_unref(schema);
}
