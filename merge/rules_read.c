/* Conflict rules, read: their JSON becomes a tree of paths, each with its rule, in one arena. */
#include "merge/rule.h"

#include "base/arena.h"
#include "base/error.h"

#include <string.h>

static const char *const delete_names[] = {
    [REPLICA__DELETE_EDIT_WINS] = "edit-wins",
    [REPLICA__DELETE_DELETE_WINS] = "delete-wins",
    [REPLICA__DELETE_KEEP_COPY] = "keep-copy",
    [REPLICA__DELETE_ASK] = "ask",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int refuse(replica_error *err, const char *path, const char *what)
{
    replica__error_set(err, REPLICA_EINVAL, 0, "%s", what);
    replica__error_where(err, "%s", path);
    return REPLICA_EINVAL;
}

static struct replica__slice inside(struct replica__json_value text)
{
    return (struct replica__slice){ text.text.data + 1, text.text.len - 2 };
}

/* What a string means, into the arena; no NULs. */
static int read_text(struct replica__rules *rules, struct replica__slice spelled, const char *path,
                     const char **ret, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__json_unescape(spelled, &text);
    if (text.r == 0 && text.len > 0 && memchr(text.data, '\0', text.len))
        return refuse(err, path, "a text with U+0000");
    *ret = text.r == 0
               ? replica__arena_copy(rules->arena, text.data ? text.data : "", text.len) : NULL;
    return *ret ? 0 : replica__enomem(err);
}

/* ---- paths ----------------------------------------------------------------------- */

/* "~1" in a segment means a slash, "~0" a tilde.  NULL: another tilde is in it, or no memory. */
static char *read_segment(struct replica__rules *rules, const char *from, size_t len)
{
    char *text = replica__arena_copy(rules->arena, from, len);
    char *to = text;

    for (size_t i = 0; text && i < len; i++) {
        if (from[i] != '~') {
            *to++ = from[i];
        } else if (i + 1 < len && (from[i + 1] == '0' || from[i + 1] == '1')) {
            *to++ = from[++i] == '0' ? '~' : '/';
        } else {
            return NULL;
        }
    }
    if (text)
        *to = '\0';
    return text;
}

static int split(struct replica__rules *rules, const char *path, const char *where,
                 const struct pointer **ret, replica_error *err)
{
    struct pointer *p = replica__arena_zero(rules->arena, 1, sizeof(*p));
    size_t n = 0;

    for (const char *at = path; *at; at++)
        n += *at == '/';
    if (n > MAX_SEGMENTS)
        return refuse(err, where, "a path with more than 64 segments");
    if (p)
        p->segments = replica__arena_zero(rules->arena, n + 1, sizeof(*p->segments));
    while (p && p->segments && *path == '/') {
        size_t len = strcspn(path + 1, "/");
        char *text = read_segment(rules, path + 1, len);

        if (!text)
            return rules->arena->failed ? replica__enomem(err)
                                        : refuse(err, where, "'~' is spelled '~0' in a path");
        if (strcmp(text, "**") == 0)
            return refuse(err, where, "'**' is for patterns of keys: '*' is one segment");
        p->segments[p->n++] = (struct replica__slice){ text, strlen(text) };
        path += len + 1;
    }
    *ret = p;
    return p && p->segments ? 0 : replica__enomem(err);
}

static struct rule_node *child(struct rule_node *node, struct replica__slice name, bool star)
{
    struct rule_node *at = star ? node->star : node->literals;

    while (at && !star && (at->name.len != name.len ||
                           memcmp(at->name.data, name.data, name.len) != 0))
        at = at->next;
    return at;
}

/* The node that the path ends at, made where it is not there. */
static struct rule_node *node_at(struct replica__rules *rules, const struct pointer *p)
{
    struct rule_node *node = &rules->root;

    for (size_t i = 0; node && i < p->n; i++) {
        bool star = p->segments[i].len == 1 && p->segments[i].data[0] == '*';
        struct rule_node *next = child(node, p->segments[i], star);

        if (!next) {
            next = replica__arena_zero(rules->arena, 1, sizeof(*next));
            if (!next)
                return NULL;
            next->stars = node->stars + star;
            rules->nodes++;
            if (star) {
                node->star = next;
            } else {
                next->name = p->segments[i];
                next->next = node->literals;
                node->literals = next;
            }
        }
        node = next;
    }
    return node;
}

/* ---- rules ----------------------------------------------------------------------- */

static int kind_called(const char *name)
{
    for (int i = 0; i < REPLICA__RULE_KINDS; i++)
        if (strcmp(replica__rule_name((enum replica__rule_kind)i), name) == 0)
            return i;
    return -1;
}

static int read_rule(struct replica__rules *rules, struct replica__json_value v, const char *path,
                     const struct rule **ret, replica_error *err);

/* The rule that a rule falls to, in its argument. */
static int read_other(struct replica__rules *rules, struct rule *rule,
                      struct replica__json_value v, const char *path, replica_error *err)
{
    int r = read_rule(rules, v, path, &rule->other, err);

    if (r < 0)
        return r;
    if (rule->kind == REPLICA__RULE_MERGE && rule->other->kind == REPLICA__RULE_MERGE)
        return refuse(err, path, "the rule for the leaves of merge cannot be merge");
    if (rule->kind == REPLICA__RULE_TEXT && rule->other->kind != REPLICA__RULE_SERVER_WINS &&
        rule->other->kind != REPLICA__RULE_CLIENT_WINS &&
        rule->other->kind != REPLICA__RULE_LAST_WRITE_WINS)
        return refuse(err, path,
                      "overlapping edits of a text fall to server-wins, client-wins or "
                      "last-write-wins");
    return 0;
}

static int read_argument(struct replica__rules *rules, struct rule *rule,
                         struct replica__json_value v, const char *path, replica_error *err)
{
    int r;

    switch (rule->kind) {
    case REPLICA__RULE_MERGE:
    case REPLICA__RULE_TEXT:
        return read_other(rules, rule, v, path, err);
    case REPLICA__RULE_LAST_WRITE_WINS:
    case REPLICA__RULE_LIST_BY_KEY:
        if (v.type != REPLICA_JSON_STRING || v.text.len == 2)
            return refuse(err, path, rule->kind == REPLICA__RULE_LIST_BY_KEY
                                         ? "list-by-key takes the name of a member"
                                         : "last-write-wins takes the name of a field");
        r = read_text(rules, inside(v), path, &rule->field, err);
        return r;
    default:
        replica__error_set(err, REPLICA_EINVAL, 0, "%s takes no argument",
                           replica__rule_name(rule->kind));
        replica__error_where(err, "%s", path);
        return REPLICA_EINVAL;
    }
}

/* The field of a last-write-wins: a name, or the path to it. */
static int read_way(struct replica__rules *rules, struct rule *rule, const char *path,
                    replica_error *err)
{
    struct pointer *p;

    if (rule->field[0] == '/')
        return split(rules, rule->field, path, &rule->way, err);
    p = replica__arena_zero(rules->arena, 1, sizeof(*p));
    if (p)
        p->segments = replica__arena_zero(rules->arena, 1, sizeof(*p->segments));
    if (!p || !p->segments)
        return replica__enomem(err);
    p->segments[0] = (struct replica__slice){ rule->field, strlen(rule->field) };
    p->n = 1;
    rule->way = p;
    return 0;
}

static int make_rule(struct replica__rules *rules, const char *name,
                     const struct replica__json_value *argument, const char *path,
                     const struct rule **ret, replica_error *err)
{
    struct rule *rule = replica__arena_zero(rules->arena, 1, sizeof(*rule));
    int kind = kind_called(name);
    int r = 0;

    if (!rule)
        return replica__enomem(err);
    if (kind < 0) {
        replica__error_set(err, REPLICA_EINVAL, 0, "no rule is called '%.100s'", name);
        replica__error_where(err, "%s", path);
        return REPLICA_EINVAL;
    }
    rule->kind = (enum replica__rule_kind)kind;
    if (argument)
        r = read_argument(rules, rule, *argument, path, err);
    else if (rule->kind == REPLICA__RULE_LIST_BY_KEY)
        r = refuse(err, path, "list-by-key needs the member that tells elements apart: "
                              "{\"list-by-key\": \"id\"}");
    if (r == 0 && rule->kind == REPLICA__RULE_LAST_WRITE_WINS && rule->field)
        r = read_way(rules, rule, path, err);
    if (r < 0)
        return r;
    rules->additive = rules->additive || rule->kind == REPLICA__RULE_SUM;
    *ret = rule;
    return 0;
}

/* "name", or {"name": argument} */
static int read_rule(struct replica__rules *rules, struct replica__json_value v, const char *path,
                     const struct rule **ret, replica_error *err)
{
    struct replica__json_iter it = replica__json_iter(v);
    const char *name;
    int r;

    if (v.type == REPLICA_JSON_STRING) {
        r = read_text(rules, inside(v), path, &name, err);
        return r < 0 ? r : make_rule(rules, name, NULL, path, ret, err);
    }
    if (v.type != REPLICA_JSON_OBJECT || replica__json_count(v) != 1)
        return refuse(err, path, "a rule is a name, or {name: argument}");
    replica__json_next(&it);
    r = read_text(rules, it.name, path, &name, err);
    return r < 0 ? r : make_rule(rules, name, &it.value, path, ret, err);
}

/* ---- all of it ------------------------------------------------------------------- */

static int add_rule(struct replica__rules *rules, const char *path, struct replica__json_value v,
                    replica_error *err)
{
    const struct pointer *p;
    const struct rule *rule;
    struct rule_node *node;
    int r;

    if (*path && *path != '/')
        return refuse(err, path, "no path: it is empty, starts with '/', or is \"delete\"");
    if (rules->n == MAX_PATHS)
        return refuse(err, path, "more than 256 paths");
    r = split(rules, path, path, &p, err);
    if (r == 0)
        r = read_rule(rules, v, path, &rule, err);
    if (r < 0)
        return r;
    node = node_at(rules, p);
    if (!node)
        return replica__enomem(err);
    node->rule = rule;
    rules->entries[rules->n++] = (struct entry){ path, rule };
    return 0;
}

static int read_delete(struct replica__rules *rules, struct replica__json_value v,
                       replica_error *err)
{
    for (size_t i = 1; i < COUNT(delete_names); i++)
        if (v.type == REPLICA_JSON_STRING &&
            replica__json_string_is(inside(v), delete_names[i], REPLICA_NUL)) {
            rules->on_delete = (enum replica__delete_policy)i;
            return 0;
        }
    return refuse(err, "delete", "\"delete\" is edit-wins, delete-wins, keep-copy or ask");
}

static int read_members(struct replica__rules *rules, struct replica__json_value v,
                        replica_error *err)
{
    struct replica__json_iter it = replica__json_iter(v);

    while (replica__json_next(&it)) {
        const char *path;
        int r = read_text(rules, it.name, "", &path, err);

        if (r == 0)
            r = strcmp(path, "delete") == 0 ? read_delete(rules, it.value, err)
                                            : add_rule(rules, path, it.value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int replica__rules_read(struct replica__rules *rules, replica_error *err)
{
    struct replica__json_value v = replica__json_value(rules->json, strlen(rules->json));

    if (v.type == REPLICA_JSON_OBJECT)
        return read_members(rules, v, err);
    if (v.type == REPLICA_JSON_STRING)
        return add_rule(rules, "", v, err);
    return refuse(err, "", "rules are a name, or an object of paths");
}
