#include "tools/server/access_rules.h"

#include <string.h>

#define AUTH "$auth."

static struct replica__slice inner(struct replica__json_value string)
{
    return (struct replica__slice){ string.text.data + 1, string.text.len - 2 };
}

/* ---- claims ---------------------------------------------------------------------- */

/* A claim's name may have points, too: the longest name counts. */
static struct replica__json_value find(struct replica__json_value v, const char *name, size_t len)
{
    struct replica__json_value found = { 0 };

    if (v.type != REPLICA_JSON_OBJECT)
        return found;
    found = replica__json_member(v, name, len);
    for (size_t end = len; found.type == REPLICA_JSON_NONE && end > 0; end--) {
        if (name[end - 1] != '.' || end == len)
            continue;
        found = find(replica__json_member(v, name, end - 1), name + end, len - end);
    }
    return found;
}

/* Objects are conditions, or would be in some places. */
static bool has_object(struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    bool found = v.type == REPLICA_JSON_OBJECT;

    while (!found && v.type == REPLICA_JSON_ARRAY && replica__json_next(&it))
        found = has_object(it.value);
    return found;
}

struct replica__json_value replica__claim(struct replica__json_value all, const char *name,
                                          size_t len)
{
    struct replica__json_value v = find(all, name, len);

    if (v.type == REPLICA_JSON_NULL || has_object(v))
        v.type = REPLICA_JSON_NONE;
    return v;
}

/* ---- putting them in ------------------------------------------------------------- */

struct putting {
    const struct replica__claims *claims;
    struct replica__buf *out;
    struct replica__slice *where;
    const char **why;
};

static int refuse(struct putting *p, struct replica__slice where, const char *why)
{
    *p->where = where;
    *p->why = why;
    return REPLICA_EINVAL;
}

static bool is(struct replica__slice spelled, const char *name)
{
    return replica__json_string_is(spelled, name, strlen(name));
}

/* Of the operators that can be asked with a claim, what they take. */
static const char *example(struct replica__slice operator)
{
    if (is(operator, "$in") || is(operator, "$nin") || is(operator, "$all"))
        return "[\"x\"]";
    if (is(operator, "$size"))
        return "1";
    if (is(operator, "$exists"))
        return "true";
    return is(operator, "$type") ? "\"string\"" : "\"x\"";
}

static int put_string(struct putting *p, struct replica__json_value v,
                      struct replica__slice operator)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__json_value claim;
    size_t skip = strlen(AUTH);

    replica__json_unescape(inner(v), &text);
    if (text.r < 0)
        return REPLICA_ENOMEM;
    if (text.len < skip || memcmp(text.data, AUTH, skip) != 0) {
        replica__buf_add(p->out, v.text.data, v.text.len);
        return 1;
    }
    if (text.len == skip && p->claims->trial)
        return refuse(p, v.text, "\"$auth.\" without the name of a claim");
    if (p->claims->trial && (is(operator, "$regex") || is(operator, "$options")))
        return refuse(p, v.text, "a claim cannot be a pattern: it could match all");
    if (p->claims->trial) {
        replica__buf_str(p->out, example(operator));
        return 1;
    }
    claim = replica__claim(p->claims->all, text.data + skip, text.len - skip);
    replica__buf_add(p->out, claim.text.data, claim.type == REPLICA_JSON_NONE ? 0 : claim.text.len);
    return claim.type != REPLICA_JSON_NONE;
}

static bool names_claim(struct replica__slice spelled)
{
    return spelled.len >= strlen(AUTH) && memcmp(spelled.data, AUTH, strlen(AUTH)) == 0;
}

static int put_name(struct putting *p, struct replica__slice name, bool first)
{
    if (p->claims->trial && names_claim(name))
        return refuse(p, name, "a claim stands for a value, not for a name");
    if (!first)
        replica__buf_char(p->out, ',');
    replica__buf_char(p->out, '"');
    replica__buf_add(p->out, name.data, name.len);
    replica__buf_str(p->out, "\":");
    return 1;
}

/* Any value, of this operator or name: one claim that is missing is missing for all of it. */
static int put_value(struct putting *p, struct replica__json_value v,
                     struct replica__slice operator)
{
    struct replica__json_iter it = replica__json_iter(v);
    bool object = v.type == REPLICA_JSON_OBJECT;
    bool first = true;
    int r = 1;

    if (v.type == REPLICA_JSON_STRING)
        return put_string(p, v, operator);
    if (!object && v.type != REPLICA_JSON_ARRAY) {
        replica__buf_add(p->out, v.text.data, v.text.len);
        return 1;
    }
    replica__buf_char(p->out, object ? '{' : '[');
    while (r > 0 && replica__json_next(&it)) {
        if (object)
            r = put_name(p, it.name, first);
        else if (!first)
            replica__buf_char(p->out, ',');
        first = false;
        if (r > 0)
            r = put_value(p, it.value, object ? it.name : (struct replica__slice){ "", 0 });
    }
    replica__buf_char(p->out, object ? '}' : ']');
    return r;
}

static int put_group(struct putting *p, struct replica__json_value v, bool negated);

/* $and, $or, $nor.  Of alternatives those stay whose claims are there; where one of them being
 * false makes the whole true, none may be missing. */
static int put_groups(struct putting *p, struct replica__slice name, struct replica__json_value v,
                      bool negated)
{
    struct replica__json_iter it = replica__json_iter(v);
    bool alternatives = is(name, "$or") && !negated;
    size_t n = 0;

    if (v.type == REPLICA_JSON_STRING && p->claims->trial)
        return refuse(p, v.text, "a claim cannot stand for conditions");
    if (v.type != REPLICA_JSON_ARRAY) /* which the selector's parser refuses */
        return put_value(p, v, name);
    replica__buf_char(p->out, '[');
    while (replica__json_next(&it)) {
        size_t start = p->out->len;
        int r;

        if (n > 0)
            replica__buf_char(p->out, ',');
        r = put_group(p, it.value, negated || is(name, "$nor"));
        if (r < 0 || (r == 0 && !alternatives))
            return r;
        if (r == 0 && p->out->r == 0) {
            p->out->len = start;
            p->out->data[start] = '\0';
        }
        n += r > 0;
    }
    replica__buf_char(p->out, ']');
    return n > 0 || replica__json_count(v) == 0;
}

static int put_group(struct putting *p, struct replica__json_value v, bool negated)
{
    struct replica__json_iter it = replica__json_iter(v);
    bool first = true;
    int r = 1;

    if (v.type != REPLICA_JSON_OBJECT)
        return put_value(p, v, (struct replica__slice){ "", 0 });
    replica__buf_char(p->out, '{');
    while (r > 0 && replica__json_next(&it)) {
        bool groups = is(it.name, "$and") || is(it.name, "$or") || is(it.name, "$nor");

        r = put_name(p, it.name, first);
        first = false;
        if (r > 0)
            r = groups ? put_groups(p, it.name, it.value, negated)
                       : put_value(p, it.value, it.name);
    }
    replica__buf_char(p->out, '}');
    return r;
}

int replica__claims_put(const struct replica__claims *claims, struct replica__json_value selector,
                        struct replica__buf *out, struct replica__slice *ret_where,
                        const char **ret_why)
{
    struct putting p = { claims, out, ret_where, ret_why };
    int r = put_group(&p, selector, false);

    return r >= 0 && out->r < 0 ? out->r : r;
}

/* ---- what a rule reads ----------------------------------------------------------- */

int replica__claims_each(struct replica__json_value selector,
                         int (*fn)(void *ctx, const char *name, size_t len), void *ctx)
{
    struct replica__json_iter it = replica__json_iter(selector);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    size_t skip = strlen(AUTH);
    int r = 0;

    if (selector.type == REPLICA_JSON_STRING) {
        replica__json_unescape(inner(selector), &text);
        if (text.r < 0)
            return text.r;
        return text.len > skip && memcmp(text.data, AUTH, skip) == 0
                   ? fn(ctx, text.data + skip, text.len - skip)
                   : 0;
    }
    if (selector.type != REPLICA_JSON_OBJECT && selector.type != REPLICA_JSON_ARRAY)
        return 0;
    while (r >= 0 && replica__json_next(&it))
        r = replica__claims_each(it.value, fn, ctx);
    return r < 0 ? r : 0;
}

int replica__fields_each(struct replica__json_value selector,
                         int (*fn)(void *ctx, const char *name, size_t len), void *ctx)
{
    struct replica__json_iter it = replica__json_iter(selector);
    int r = 0;

    if (selector.type != REPLICA_JSON_OBJECT)
        return 0;
    while (r >= 0 && replica__json_next(&it)) {
        REPLICA_BUF name = REPLICA_BUF_INIT;
        struct replica__json_iter groups = replica__json_iter(it.value);
        const char *dot;

        replica__json_unescape(it.name, &name);
        if (name.r < 0)
            return name.r;
        if (name.len > 0 && name.data[0] == '$') {
            while (r >= 0 && it.value.type == REPLICA_JSON_ARRAY && replica__json_next(&groups))
                r = replica__fields_each(groups.value, fn, ctx);
            continue;
        }
        dot = name.len ? memchr(name.data, '.', name.len) : NULL;
        if (name.len > 0)
            r = fn(ctx, name.data, dot ? (size_t)(dot - name.data) : name.len);
    }
    return r < 0 ? r : 0;
}
