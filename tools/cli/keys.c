/* Patterns of keys where they meet a query: the selector gets a condition on the primary key. */
#include "tools/cli/keys.h"

#include "base/json.h"

#include <string.h>

int cli_check_keys(const char *pattern)
{
    if (replica_key_matches(pattern, pattern)) /* as every pattern matches itself */
        return 0;
    return cli_usage("'%s' is no pattern of keys: a star stands alone between slashes", pattern);
}

static void add_escaped(const char *text, size_t len, struct replica__buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("^$\\.*+?()[]{}|/", text[i]))
            replica__buf_char(out, '\\');
        replica__buf_char(out, text[i]);
    }
}

static bool is_many(const char *segment, size_t len)
{
    return len == 2 && memcmp(segment, "**", 2) == 0;
}

/* Only "**" from here on? */
static bool is_open(const char *rest)
{
    while (rest && is_many(rest, strcspn(rest, "/")))
        rest = rest[2] ? rest + 3 : NULL;
    return !rest;
}

static void add_expression(const char *pattern, struct replica__buf *out)
{
    bool behind = false; /* a segment, so that a slash comes first */

    replica__buf_char(out, '^');
    for (const char *at = pattern; at;) {
        size_t len = strcspn(at, "/");

        if (is_open(at)) {
            replica__buf_str(out, behind ? "(?:\\/[^\\/]*)*" : "[^\\/]*(?:\\/[^\\/]*)*");
            break;
        }
        if (behind)
            replica__buf_str(out, "\\/");
        behind = !is_many(at, len);
        if (!behind)
            replica__buf_str(out, "(?:[^\\/]*\\/)*");
        else if (len == 1 && *at == '*')
            replica__buf_str(out, "[^\\/]*");
        else
            add_escaped(at, len, out);
        at = at[len] ? at + len + 1 : NULL;
    }
    replica__buf_char(out, '$');
}

/* The segments before the first star: all keys lie between them and what '0', the character behind
 * the slash, makes of them. */
static size_t fixed_length(const char *pattern)
{
    size_t star = strcspn(pattern, "*");

    return pattern[star] ? (star > 0 ? star - 1 : 0) : star;
}

static void add_condition(const char *key, const char *pattern, struct replica__buf *out)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    size_t fixed = fixed_length(pattern);

    replica__buf_char(out, '{');
    replica__buf_json_string(out, key, strlen(key));
    replica__buf_str(out, ":{");
    if (fixed > 0) {
        replica__buf_str(out, "\"$gte\":");
        replica__buf_json_string(out, pattern, fixed);
        replica__buf_str(out, ",\"$lt\":");
        replica__buf_add(&text, pattern, fixed);
        replica__buf_char(&text, '0');
        replica__buf_json_string(out, text.data, text.len);
        replica__buf_char(out, ',');
        replica__buf_clear(&text);
    }
    add_expression(pattern, &text);
    replica__buf_str(out, "\"$regex\":");
    replica__buf_json_string(out, text.data ? text.data : "", text.len);
    replica__buf_str(out, "}}");
    if (text.r < 0)
        out->r = text.r;
}

void cli_query_of_keys(const char *query, size_t len, const char *key, const char *pattern,
                       struct replica__buf *out)
{
    struct replica__json_value v = replica__json_value(query, len);
    struct replica__json_value selector = replica__json_member(v, "selector", REPLICA_NUL);
    struct replica__json_iter it = replica__json_iter(v);

    replica__buf_str(out, "{\"selector\":{\"$and\":[");
    if (selector.type != REPLICA_JSON_NONE) {
        replica__buf_add(out, selector.text.data, selector.text.len);
        replica__buf_char(out, ',');
    }
    add_condition(key, pattern, out);
    replica__buf_str(out, "]}");
    while (replica__json_next(&it)) {
        if (it.value.text.data == selector.text.data)
            continue;
        replica__buf_str(out, ",\"");
        replica__buf_add(out, it.name.data, it.name.len);
        replica__buf_str(out, "\":");
        replica__buf_add(out, it.value.text.data, it.value.text.len);
    }
    replica__buf_char(out, '}');
}
