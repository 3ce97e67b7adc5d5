/* Short forms for tests of JSON: texts with a NUL in, results out. */
#ifndef TESTS_BASE_JSON_HELP_H
#define TESTS_BASE_JSON_HELP_H

#include "base/json.h"
#include "tests/support/test.h"

static inline int check_text(const char *text)
{
    return replica__json_check(text, strlen(text), NULL, &test_err);
}

static inline struct replica__json_value value_of(const char *text)
{
    return replica__json_value(text, strlen(text));
}

static inline struct replica__slice slice_of(const char *text)
{
    return (struct replica__slice){ text, strlen(text) };
}

#define CHECK_SLICE(slice, text) \
    CHECK_MEM((slice).data, (slice).len, (text), strlen(text))

#endif
