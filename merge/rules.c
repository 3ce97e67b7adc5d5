/* Conflict rules, compiled: their life, and what is asked of them.  They do not change any more,
 * and are counted. */
#include "merge/rule.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"

#include <string.h>

static const struct replica__json_limits rules_limits = { .max_bytes = 65536, .max_depth = 8 };

static const struct rule server_wins = { .kind = REPLICA__RULE_SERVER_WINS };
static const struct replica__rules none = { .root = { .rule = &server_wins }, .nodes = 1 };

/* A name without its quotes, which a shell would eat. */
static bool is_bare(const char *json, size_t len)
{
    size_t n = 0;

    while (n < len && ((json[n] >= 'a' && json[n] <= 'z') || json[n] == '-'))
        n++;
    return n > 0 && n == len;
}

static void drop(struct replica__rules **rules)
{
    replica__rules_unref(*rules);
}

int replica__rules_compile(const char *json, size_t len, struct replica__rules **ret,
                           replica_error *err)
{
    __attribute__((cleanup(drop))) struct replica__rules *rules = NULL;
    REPLICA_BUF text = { .max = rules_limits.max_bytes };
    int r = 0;

    if (len == REPLICA_NUL)
        len = strlen(json);
    if (is_bare(json, len) && len <= rules_limits.max_bytes / 2)
        replica__buf_json_string(&text, json, len);
    else if ((r = replica__json_check(json, len, &rules_limits, err)) == 0)
        replica__buf_add(&text, json, len);
    if (r < 0)
        return r;
    rules = replica__alloc_zero(1, sizeof(*rules));
    if (!rules)
        return replica__enomem(err);
    rules->refs = 1;
    if (text.r < 0)
        return replica__enomem(err);
    rules->nodes = 1;
    rules->arena = replica__arena_new(1024);
    if (rules->arena)
        rules->json = replica__arena_copy(rules->arena, text.data, text.len);
    if (!rules->json)
        return replica__enomem(err);
    r = replica__rules_read(rules, err);
    if (r < 0)
        return r;
    if (!rules->root.rule)
        rules->root.rule = &server_wins;
    *ret = rules;
    rules = NULL;
    return 0;
}

struct replica__rules *replica__rules_ref(struct replica__rules *rules)
{
    __atomic_add_fetch(&rules->refs, 1, __ATOMIC_RELAXED);
    return rules;
}

void replica__rules_unref(struct replica__rules *rules)
{
    if (rules && __atomic_sub_fetch(&rules->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        replica__arena_free(rules->arena);
        replica__free(rules);
    }
}

/* ---- asking them ----------------------------------------------------------------- */

const char *replica__rule_name(enum replica__rule_kind kind)
{
    static const char *const names[] = {
        [REPLICA__RULE_SERVER_WINS] = "server-wins",
        [REPLICA__RULE_CLIENT_WINS] = "client-wins",
        [REPLICA__RULE_LAST_WRITE_WINS] = "last-write-wins",
        [REPLICA__RULE_MAX] = "max",
        [REPLICA__RULE_MIN] = "min",
        [REPLICA__RULE_SUM] = "sum",
        [REPLICA__RULE_SET_UNION] = "set-union",
        [REPLICA__RULE_LIST_BY_KEY] = "list-by-key",
        [REPLICA__RULE_TEXT] = "text",
        [REPLICA__RULE_MERGE] = "merge",
    };

    return names[kind];
}

unsigned replica__rule_types(enum replica__rule_kind kind)
{
    switch (kind) {
    case REPLICA__RULE_MAX:
    case REPLICA__RULE_MIN:
        return 1u << REPLICA_JSON_NUMBER | 1u << REPLICA_JSON_STRING;
    case REPLICA__RULE_SUM:
        return 1u << REPLICA_JSON_NUMBER;
    case REPLICA__RULE_SET_UNION:
    case REPLICA__RULE_LIST_BY_KEY:
        return 1u << REPLICA_JSON_ARRAY;
    case REPLICA__RULE_TEXT:
        return 1u << REPLICA_JSON_STRING;
    case REPLICA__RULE_MERGE:
        return 1u << REPLICA_JSON_OBJECT;
    default:
        return ~0u;
    }
}

const struct replica__rules *replica__rules_none(void)
{
    return &none;
}

bool replica__rules_additive(const struct replica__rules *rules)
{
    return rules->additive;
}

static int refuse(const struct entry *e, const char *what, replica_error *err)
{
    replica__error_set(err, REPLICA_EINVAL, 0, "%s can never serve %s",
                       replica__rule_name(e->rule->kind), what);
    replica__error_where(err, "%s", e->path);
    return REPLICA_EINVAL;
}

/* Is the path that of the member called name? */
static bool is_member(const char *path, const char *name)
{
    if (*path++ != '/')
        return false;
    for (; *path && *name; path++, name++) {
        bool escaped = *path == '~' && path[1];
        char c = !escaped ? *path : *++path == '0' ? '~' : '/';

        if (c != *name)
            return false;
    }
    return !*path && !*name;
}

int replica__rules_check_document(const struct replica__rules *rules, const char *key,
                                  replica_error *err)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct entry *e = &rules->entries[i];
        unsigned types = replica__rule_types(e->rule->kind);

        if (!*e->path && !(types & 1u << REPLICA_JSON_OBJECT))
            return refuse(e, "a document, which is an object", err);
        if (key && is_member(e->path, key) && !(types & 1u << REPLICA_JSON_STRING))
            return refuse(e, "the primary key, which is a text", err);
    }
    return 0;
}

const char *replica__rules_json(const struct replica__rules *rules)
{
    return rules->json;
}

/* A bare name is that of "". */
static struct replica__json_value whole(struct replica__json_value v)
{
    return v.type == REPLICA_JSON_OBJECT && replica__json_count(v) == 1
               ? replica__json_member(v, "", 0) : v;
}

bool replica__rules_same(const struct replica__rules *a, const struct replica__rules *b)
{
    struct replica__json_value x = replica__json_value(a->json, strlen(a->json));
    struct replica__json_value y = replica__json_value(b->json, strlen(b->json));

    if (x.type != y.type) {
        x = whole(x);
        y = whole(y);
    }
    return x.type && y.type &&
           replica__json_equal(x.text.data, x.text.len, y.text.data, y.text.len, 0) == 1;
}

enum replica__delete_policy replica__rules_delete(const struct replica__rules *rules)
{
    return rules->on_delete;
}

const char *replica__rules_name(const struct replica__rules *rules)
{
    return replica__rule_name(rules->root.rule->kind);
}

int replica__rules_each(const struct replica__rules *rules,
                        int (*fn)(void *ctx, const char *path, enum replica__rule_kind kind,
                                  const char *argument),
                        void *ctx)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = rules->entries[i].rule;
        int r = fn(ctx, rules->entries[i].path, rule->kind,
                   rule->other ? replica__rule_name(rule->other->kind) : rule->field);

        if (r != 0)
            return r;
    }
    return 0;
}

int replica__rules_each_field(const struct replica__rules *rules,
                              int (*fn)(void *ctx, const char *path, const char *field), void *ctx)
{
    for (size_t i = 0; i < rules->n; i++)
        for (const struct rule *rule = rules->entries[i].rule; rule; rule = rule->other) {
            bool has_one = rule->kind == REPLICA__RULE_LAST_WRITE_WINS && rule->field;
            int r = has_one ? fn(ctx, rules->entries[i].path, rule->field) : 0;

            if (r != 0)
                return r;
        }
    return 0;
}

const struct rule_node *replica__rules_root(const struct replica__rules *rules)
{
    return &rules->root;
}

size_t replica__rules_nodes(const struct replica__rules *rules)
{
    return rules->nodes;
}
