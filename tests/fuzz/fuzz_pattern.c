/* Regular expressions and formats: the input is flags, a line feed, an expression, a line feed, and
 * a subject.
 *
 * What the translation takes PCRE2 takes, too, but for what it cannot do; a group around an
 * expression changes nothing; and no format reads beyond its text. */
#include "base/json.h"
#include "schema/format.h"
#include "schema/pattern.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const formats[] = {
    "date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname",
    "ipv4", "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uri-template",
    "json-pointer", "relative-json-pointer", "regex", "uuid",
};

/* A text of its own size, so that reading one byte too far is seen. */
static char *exactly(const char *text, size_t len)
{
    char *copy = malloc(len + !len);

    if (!copy)
        abort();
    if (len)
        memcpy(copy, text, len);
    return copy;
}

/* As all texts are that come from JSON. */
static bool is_text(const char *text, size_t len)
{
    REPLICA_BUF json = REPLICA_BUF_INIT;

    replica__buf_json_string(&json, text, len);
    return json.r == 0 && replica__json_check(json.data, json.len, NULL, NULL) == 0;
}

static void try_formats(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        replica__format_fn fn = replica__format_find(formats[i], strlen(formats[i]), 2020);
        int r = fn ? fn(text, len) : 0;

        if (r != 0 && r != 1)
            abort();
    }
}

/* What PCRE2 cannot do. */
static bool looks_behind(const char *text, size_t len)
{
    for (size_t i = 0; i + 4 <= len; i++)
        if (memcmp(text + i, "(?<=", 4) == 0 || memcmp(text + i, "(?<!", 4) == 0)
            return true;
    return false;
}

static struct replica__pattern *compile(const char *text, size_t len, unsigned flags)
{
    struct replica__pattern *p = NULL;
    replica_error err = { 0 };
    int r = replica__pattern_compile(text, len, flags, &p, &err);

    if (r == 0)
        return p;
    if (p || err.code != r || err.offset < 0 || (size_t)err.offset > len)
        abort();
    if (r == REPLICA_ENOTSUP && !looks_behind(text, len))
        abort();
    return NULL;
}

static void try_pattern(const char *text, size_t len, unsigned flags, const char *subject,
                        size_t subject_len)
{
    struct replica__pattern *p = compile(text, len, flags);
    struct replica__pattern *q;
    REPLICA_BUF group = REPLICA_BUF_INIT;
    int r;

    if (!p)
        return;
    replica__buf_str(&group, "(?:");
    replica__buf_add(&group, text, len);
    replica__buf_char(&group, ')');
    r = replica__pattern_match(p, subject, subject_len);
    q = compile(group.data, group.len, flags);
    if (q && r >= 0 && replica__pattern_match(q, subject, subject_len) == !r)
        abort();
    replica__pattern_free(p);
    replica__pattern_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    const char *end = text + len;
    const char *first = len ? memchr(text, '\n', len) : NULL;
    const char *second = first ? memchr(first + 1, '\n', (size_t)(end - first - 1)) : NULL;
    unsigned flags = 0;
    char *pattern;
    char *subject;

    if (!second || end - text > 4000 ||
        replica__pattern_flags(text, (size_t)(first - text), &flags, NULL) < 0)
        return 0;
    pattern = exactly(first + 1, (size_t)(second - first - 1));
    subject = exactly(second + 1, (size_t)(end - second - 1));
    if (is_text(subject, (size_t)(end - second - 1))) {
        try_formats(subject, (size_t)(end - second - 1));
        try_pattern(pattern, (size_t)(second - first - 1), flags, subject,
                    (size_t)(end - second - 1));
    }
    free(pattern);
    free(subject);
    return 0;
}
