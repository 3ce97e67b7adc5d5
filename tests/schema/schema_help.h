/* Short forms for tests of schemas: texts in, results out.  A ' in a text is a ". */
#ifndef TESTS_SCHEMA_SCHEMA_HELP_H
#define TESTS_SCHEMA_SCHEMA_HELP_H

#include "libreplica/schema.h"
#include "tests/support/test.h"

#include <stdlib.h>

/* Yours to free(). */
static inline char *quoted(const char *text)
{
    char *copy = strdup(text);

    CHECK(copy != NULL);
    for (char *at = copy; *at; at++) {
        if (*at == '\'')
            *at = '"';
    }
    return copy;
}

static inline int compile_with(const char *text, const replica_registry *registry, unsigned flags,
                               replica_schema **ret_schema)
{
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;
    char *json = quoted(text);
    int r;

    opts.registry = registry;
    opts.flags = flags;
    memset(&test_err, 0, sizeof(test_err));
    r = replica_schema_compile(json, REPLICA_NUL, &opts, ret_schema, &test_err);
    free(json);
    return r;
}

static inline replica_schema *schema_of(const char *text)
{
    replica_schema *schema = NULL;

    CHECK_RC(compile_with(text, NULL, 0, &schema), 0);
    return schema;
}

static inline int validate_text(const replica_schema *schema, const char *text)
{
    char *json = quoted(text);
    int r;

    memset(&test_err, 0, sizeof(test_err));
    r = replica_schema_validate(schema, json, REPLICA_NUL, NULL, NULL, &test_err);
    free(json);
    return r;
}

/* Compile, validate, forget. */
static inline int judge(const char *schema_text, const char *text)
{
    replica_schema *schema = schema_of(schema_text);
    int r = validate_text(schema, text);

    replica_schema_unref(schema);
    return r;
}

/* The schema is refused with this code, where and for this reason. */
#define CHECK_REFUSED(text, code, path, words)                     \
    do {                                                           \
        replica_schema *refused_ = NULL;                           \
        CHECK_RC(compile_with(text, NULL, 0, &refused_), code);    \
        CHECK(refused_ == NULL);                                   \
        CHECK_STR(test_err.where, path);                           \
        CHECK_STR(test_err.message, words);                        \
    } while (0)

#endif
