/* Conflict rules and the three-way merge from outside: arguments are checked, texts pass the gate,
 * and the floor below does the work. */
#include "libreplica/merge.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/text.h"
#include "merge/merge.h"

#include <string.h>

static const struct replica__json_limits part_limits = { .max_bytes = 0, .max_depth = 1000 };

/* The public name of the same thing. */
static struct replica__rules *inner(const replica_rules *rules)
{
    return (struct replica__rules *)(uintptr_t)rules;
}

int replica_rules_compile(const char *json, size_t len, replica_rules **ret_rules,
                          replica_error *err)
{
    struct replica__rules *rules;
    int r;

    if (!json || !ret_rules)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no rules, or no place for them");
    r = replica__rules_compile(json, len, &rules, err);
    if (r == 0)
        *ret_rules = (replica_rules *)rules;
    return r;
}

replica_rules *replica_rules_ref(replica_rules *rules)
{
    return (replica_rules *)replica__rules_ref(inner(rules));
}

replica_rules *replica_rules_unref(replica_rules *rules)
{
    replica__rules_unref(inner(rules));
    return NULL;
}

int replica_rules_additive(const replica_rules *rules)
{
    return rules && replica__rules_additive(inner(rules));
}

int replica_rules_check(const replica_rules *rules, const char *key, replica_error *err)
{
    return rules ? replica__rules_check_document(inner(rules), key, err) : 0;
}

static int read_side(const replica_side *given, const char *name, struct replica__side *side,
                     replica_error *err)
{
    int r = 0;

    *side = (struct replica__side){ .deleted = true };
    if (!given)
        return 0;
    *side = (struct replica__side){ given->json, given->len, given->deleted != 0, given->stamp,
                                    given->writer };
    if (!side->json)
        return 0;
    if (side->len == REPLICA_NUL)
        side->len = strlen(side->json);
    r = replica__json_check(side->json, side->len, &part_limits, err);
    if (r < 0)
        replica__error_where(err, "%s", name);
    return r;
}

int replica_merge3(const replica_rules *rules, const replica_side *base, const replica_side *ours,
                   const replica_side *theirs, replica_text *out, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__side sides[3];
    int r;

    if (!ours || !theirs || !out)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no side, or no place for the text");
    r = read_side(base, "base", &sides[0], err);
    if (r == 0)
        r = read_side(ours, "ours", &sides[1], err);
    if (r == 0)
        r = read_side(theirs, "theirs", &sides[2], err);
    if (r < 0)
        return r;
    r = replica__merge3(rules ? inner(rules) : NULL, base ? &sides[0] : NULL, &sides[1], &sides[2],
                        &text, err);
    if (r != REPLICA_MERGED_TEXT)
        return r;
    text.max = out->buf.max;
    if (text.max > 0 && text.len > text.max)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "the merged text is too large");
    replica__buf_free(&out->buf);
    out->buf = text;
    text = (struct replica__buf)REPLICA_BUF_INIT;
    return r;
}

/* ---- texts --------------------------------------------------------------------------- */

int replica_text_new(replica_text **ret_text, replica_error *err)
{
    replica_text *text;

    if (!ret_text)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the text");
    text = replica__alloc_zero(1, sizeof(*text));
    if (!text)
        return replica__enomem(err);
    *ret_text = text;
    return 0;
}

const char *replica_text_json(const replica_text *text, size_t *ret_len)
{
    if (ret_len)
        *ret_len = text->buf.len;
    return text->buf.data ? text->buf.data : "";
}

void replica_text_free(replica_text *text)
{
    if (text)
        replica__buf_free(&text->buf);
    replica__free(text);
}
