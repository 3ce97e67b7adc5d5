/* Rules over names that are no documents: the addresses of events, and keys of clients' own locks.
 *
 * A rule is a list of patterns, as libreplica/keys.h has them, in which a claim may stand for a
 * segment.  A claim is never put into a pattern, where it could bring a star or a slash along: the
 * pattern is asked with a star in its place, and the segment there is compared with it. */
#include "libreplica/keys.h"
#include "tools/server/access_file.h"
#include "tools/server/access_rules.h"

#include <string.h>

#define AUTH "$auth."

enum { PATHS_MAX = 64, PATH_BYTES = 1000 };

/* ---- reading --------------------------------------------------------------------- */

static bool is_many(const char *segment, size_t len)
{
    return len == 2 && memcmp(segment, "**", 2) == 0;
}

/* A segment that may be a claim, into the pattern.  NULL, or why it is none. */
static const char *add_segment(const struct rules_file *f, const char *segment, size_t len,
                               bool behind_many, struct replica__path_rule *ret,
                               struct replica__buf *pattern)
{
    const char *found = strstr(segment, AUTH);
    size_t skip = strlen(AUTH);
    bool claim = found == segment;

    if (claim)
        found = strstr(segment + skip, AUTH);
    if ((found && found < segment + len) || (claim && memchr(segment, '*', len)))
        return "a claim stands for what lies between two slashes, and for all of that";
    if (!claim) {
        replica__buf_add(pattern, segment, len);
        ret->segments++;
        return NULL;
    }
    if (len == skip)
        return "\"$auth.\" without the name of a claim";
    if (behind_many)
        return "a claim stands before the first \"**\"";
    if (ret->n == REPLICA__PATH_CLAIMS)
        return "there are more than 8 claims in a pattern";
    ret->claims[ret->n].segment = ret->segments++;
    ret->claims[ret->n].name = replica__arena_copy(f->access->arena, segment + skip, len - skip);
    if (!ret->claims[ret->n].name ||
        replica__name_note(&f->access->claims, segment + skip, len - skip) < 0)
        pattern->r = REPLICA_ENOMEM;
    ret->n++;
    replica__buf_char(pattern, '*');
    return NULL;
}

static int read_path(const struct rules_file *f, const char *place,
                     struct replica__json_value v, struct replica__path_rule *ret)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF pattern = REPLICA_BUF_INIT;
    const char *why = NULL;
    bool behind_many = false, more = true;

    if (v.type != REPLICA_JSON_STRING)
        return replica__rules_bad(f, place, "a pattern is a text");
    replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    replica__buf_char(&text, '\0');
    if (text.r < 0)
        return replica__rules_enomem(f);
    if (strlen(text.data) + 1 != text.len || text.len > PATH_BYTES)
        return replica__rules_bad(f, place, "a pattern has at most 999 bytes, and no U+0000");
    for (const char *at = text.data; !why && more; at++) {
        size_t len = strcspn(at, "/");

        why = add_segment(f, at, len, behind_many, ret, &pattern);
        behind_many = behind_many || is_many(at, len);
        at += len;
        more = *at == '/';
        if (more)
            replica__buf_char(&pattern, '/');
    }
    if (pattern.r < 0)
        return replica__rules_enomem(f);
    ret->pattern = replica__arena_copy(f->access->arena, pattern.data ? pattern.data : "",
                                       pattern.len);
    if (!ret->pattern)
        return replica__rules_enomem(f);
    if (!why && !replica_key_matches(ret->pattern, ret->pattern)) /* as every pattern does */
        why = "that is no pattern (a star beside other characters, more than 64 segments)";
    return why ? replica__rules_bad(f, place, why) : 0;
}

int replica__paths_read(const struct rules_file *f, const char *place,
                        struct replica__json_value v, struct replica__path_rules *ret)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t n = v.type == REPLICA_JSON_ARRAY ? replica__json_count(v) : 0;
    int r = 0;

    if (v.type == REPLICA_JSON_NONE || v.type == REPLICA_JSON_FALSE)
        return 0;
    if (v.type == REPLICA_JSON_TRUE) {
        ret->kind = REPLICA__RULE_ALWAYS;
        return 0;
    }
    if (v.type != REPLICA_JSON_ARRAY)
        return replica__rules_bad(f, place, "it is true, false or a list of patterns");
    if (n > PATHS_MAX)
        return replica__rules_bad(f, place, "there are more than 64 patterns");
    ret->kind = REPLICA__RULE_ASKED;
    ret->items = replica__arena_zero(f->access->arena, n ? n : 1, sizeof(*ret->items));
    if (!ret->items)
        return replica__rules_enomem(f);
    while (r == 0 && replica__json_next(&it))
        r = read_path(f, place, it.value, &ret->items[ret->n++]);
    return r;
}

/* ---- asking ---------------------------------------------------------------------- */

/* An empty one is nobody's. */
static bool is_segment(struct replica__json_value v, const char *segment, size_t len)
{
    return len > 0 && v.type == REPLICA_JSON_STRING &&
           replica__json_string_is((struct replica__slice){ v.text.data + 1, v.text.len - 2 },
                                   segment, len);
}

/* Is the segment the claim, or one of its members? */
static bool is_claim(struct replica__json_value claim, const char *segment, size_t len)
{
    struct replica__json_iter it = replica__json_iter(claim);
    bool found = is_segment(claim, segment, len);

    while (!found && claim.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        found = is_segment(it.value, segment, len);
    return found;
}

/* The path matches the pattern, and so has that many segments at least. */
static bool claims_hold(const struct replica__path_rule *rule, struct replica__json_value claims,
                        const char *path)
{
    unsigned segment = 0;

    for (size_t i = 0; i < rule->n; i++) {
        const char *name = rule->claims[i].name;

        for (; segment < rule->claims[i].segment; segment++)
            path += strcspn(path, "/") + 1;
        if (!is_claim(replica__claim(claims, name, strlen(name)), path, strcspn(path, "/")))
            return false;
    }
    return true;
}

bool replica__paths_hold(const struct replica__path_rules *rules, struct replica__json_value claims,
                         const char *path)
{
    for (size_t i = 0; i < rules->n; i++)
        if (replica_key_matches(rules->items[i].pattern, path) > 0 &&
            claims_hold(&rules->items[i], claims, path))
            return true;
    return rules->kind == REPLICA__RULE_ALWAYS;
}
