/* What rules mean for somebody: compiled with its claims at the first request, and kept. */
#include "tools/server/access.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/filter.h"
#include "tools/server/access_file.h"
#include "tools/server/access_rules.h"

#include <assert.h>
#include <string.h>

/* So many rights are kept for those who come again. */
enum { RIGHTS_MAX = 256 };

struct grant {
    enum replica__rule_kind kind;
    struct replica__selector *selector; /* ASKED */
};

struct replica__grants {
    const struct replica__rule_set *set;
    struct grant deeds[REPLICA__DEEDS];
    char *name;
    uint64_t digest;
};

struct replica__rights {
    int refs;
    struct replica__access *access;
    struct replica__rights *next; /* in the access's list, the newest first */
    char *claims;                 /* an object: those that rules read, by their whole names */
    size_t claims_len;
    struct replica__grants **grants; /* for each set, and behind them for no set; NULL: not yet */
};

/* ---- rights ---------------------------------------------------------------------- */

static void grants_free(struct replica__grants *g)
{
    if (!g)
        return;
    for (int i = 0; i < REPLICA__DEEDS; i++)
        replica__selector_free(g->deeds[i].selector);
    replica__free(g->name);
    replica__free(g);
}

static void grants_free_ptr(struct replica__grants **g)
{
    grants_free(*g);
}

struct replica__rights *replica__rights_ref(struct replica__rights *rights)
{
    rights->refs++;
    return rights;
}

void replica__rights_unref(struct replica__rights *rights)
{
    if (!rights || --rights->refs > 0)
        return;
    for (size_t i = 0; rights->grants && i <= rights->access->n; i++)
        grants_free(rights->grants[i]);
    replica__free(rights->grants);
    replica__free(rights->claims);
    replica__free(rights);
}

void replica__access_forget(struct replica__access *access)
{
    struct replica__rights *next;

    for (struct replica__rights *r = access->rights; r; r = next) {
        next = r->next;
        replica__rights_unref(r);
    }
    access->rights = NULL;
    access->rights_count = 0;
}

/* Those that rules read, as far as the token has them. */
static void add_claims(const struct replica__access *access, const struct replica__who *who,
                       struct replica__buf *out)
{
    struct replica__json_value all = { 0 };

    if (who && who->claims)
        all = replica__json_value(who->claims, who->claims_len);
    replica__buf_char(out, '{');
    for (size_t at = 0; at < access->claims.len; at += strlen(access->claims.data + at) + 1) {
        const char *name = access->claims.data + at;
        struct replica__json_value v = replica__claim(all, name, strlen(name));

        if (v.type == REPLICA_JSON_NONE)
            continue;
        if (out->len > 1)
            replica__buf_char(out, ',');
        replica__buf_json_string(out, name, strlen(name));
        replica__buf_char(out, ':');
        replica__buf_add(out, v.text.data, v.text.len);
    }
    replica__buf_char(out, '}');
}

static struct replica__rights *find(struct replica__access *access, const char *claims, size_t len)
{
    for (struct replica__rights **at = &access->rights; *at; at = &(*at)->next) {
        struct replica__rights *found = *at;

        if (found->claims_len != len || memcmp(found->claims, claims, len) != 0)
            continue;
        *at = found->next;
        found->next = access->rights;
        return access->rights = found;
    }
    return NULL;
}

static void forget_oldest(struct replica__access *access)
{
    struct replica__rights **at = &access->rights;
    struct replica__rights *oldest;

    if (access->rights_count <= RIGHTS_MAX)
        return;
    while ((*at)->next)
        at = &(*at)->next;
    oldest = *at;
    *at = NULL;
    access->rights_count--;
    replica__rights_unref(oldest);
}

int replica__access_rights(struct replica__access *access, const struct replica__who *who,
                           struct replica__rights **ret_rights, replica_error *err)
{
    REPLICA_BUF claims = REPLICA_BUF_INIT;
    struct replica__rights *rights;

    add_claims(access, who, &claims);
    if (claims.r < 0)
        return replica__enomem(err);
    rights = find(access, claims.data, claims.len);
    if (!rights) {
        rights = replica__alloc_zero(1, sizeof(*rights));
        if (!rights)
            return replica__enomem(err);
        rights->refs = 1;
        rights->access = access;
        rights->grants = replica__alloc_zero(access->n + 1, sizeof(*rights->grants));
        rights->claims = replica__buf_take(&claims, &rights->claims_len);
        if (!rights->grants || !rights->claims) {
            replica__rights_unref(rights);
            return replica__enomem(err);
        }
        rights->next = access->rights;
        access->rights = rights;
        access->rights_count++;
        forget_oldest(access);
    }
    *ret_rights = replica__rights_ref(rights);
    return 0;
}

bool replica__rights_may(const struct replica__rights *rights, enum replica__door door,
                         const char *path)
{
    return !rights ||
           replica__paths_hold(&rights->access->doors[door],
                               replica__json_value(rights->claims, rights->claims_len), path);
}

/* ---- grants ---------------------------------------------------------------------- */

/* The rule with the claims in it, appended to out, too.  What is no selector with these claims (one
 * has another type than the rule wants) never holds. */
static int compile(const struct replica__rights *rights, const struct replica__rule *rule,
                   struct grant *ret, struct replica__buf *out)
{
    const struct replica__claims claims = {
        .all = replica__json_value(rights->claims, rights->claims_len)
    };
    struct replica__slice where;
    const char *why;
    size_t start = out->len;
    int r;

    ret->kind = rule->kind;
    if (rule->kind != REPLICA__RULE_ASKED) {
        replica__buf_str(out, rule->kind == REPLICA__RULE_ALWAYS ? "true" : "false");
        return out->r;
    }
    r = replica__claims_put(&claims, rule->selector, out, &where, &why);
    if (r > 0)
        r = replica__selector_parse(out->data + start, out->len - start, &ret->selector, NULL);
    else if (r == 0)
        r = REPLICA_EINVAL;
    if (r == 0 || r == REPLICA_ENOMEM)
        return r;
    ret->kind = REPLICA__RULE_NEVER;
    if (out->r == 0 && out->data)
        out->data[out->len = start] = '\0';
    replica__buf_str(out, "false");
    return out->r;
}

static int make_grants(const struct replica__rights *rights, const struct replica__rule_set *set,
                       struct replica__grants **ret)
{
    __attribute__((cleanup(grants_free_ptr))) struct replica__grants *g =
        replica__alloc_zero(1, sizeof(*g));
    REPLICA_BUF name = REPLICA_BUF_INIT;
    REPLICA_BUF scrap = REPLICA_BUF_INIT;
    int r;

    if (!g)
        return REPLICA_ENOMEM;
    g->set = set;
    replica__buf_char(&name, '[');
    r = compile(rights, &set->rules[REPLICA__DEED_READ], &g->deeds[REPLICA__DEED_READ], &name);
    for (int i = REPLICA__DEED_READ + 1; r >= 0 && i < REPLICA__DEEDS; i++) {
        replica__buf_clear(&scrap);
        r = compile(rights, &set->rules[i], &g->deeds[i], &scrap);
    }
    for (size_t i = 0; i < set->server_only.n; i++) {
        const char *field = set->server_only.fields[i].name;

        replica__buf_char(&name, ',');
        replica__buf_json_string(&name, field, strlen(field));
    }
    replica__buf_char(&name, ']');
    if (r < 0 || name.r < 0)
        return REPLICA_ENOMEM;
    g->digest = replica__json_digest(name.data, name.len);
    g->name = replica__buf_take(&name, NULL);
    *ret = g;
    g = NULL;
    return 0;
}

int replica__rights_in(struct replica__rights *rights, const char *collection,
                       const struct replica__grants **ret_grants, replica_error *err)
{
    const struct replica__rule_set *set = replica__access_set(rights->access, collection);
    struct replica__grants **at = &rights->grants[set - rights->access->sets];

    if (!*at && make_grants(rights, set, at) < 0)
        return replica__enomem(err);
    *ret_grants = *at;
    return 0;
}

bool replica__grants_any(const struct replica__grants *grants, enum replica__deed deed)
{
    return grants->deeds[deed].kind != REPLICA__RULE_NEVER;
}

bool replica__grants_always(const struct replica__grants *grants, enum replica__deed deed)
{
    return grants->deeds[deed].kind == REPLICA__RULE_ALWAYS;
}

/* A regular expression that takes too long is no leave. */
int replica__grants_match(const struct replica__grants *grants, enum replica__deed deed,
                          const char *json, size_t len)
{
    const struct grant *grant = &grants->deeds[deed];
    int r;

    if (grant->kind != REPLICA__RULE_ASKED)
        return grant->kind == REPLICA__RULE_ALWAYS;
    r = replica__selector_match_within(grant->selector, json, len);
    return r == REPLICA_ELIMIT ? 0 : r;
}

uint64_t replica__grants_digest(const struct replica__grants *grants)
{
    return grants->digest;
}

const char *replica__grants_name(const struct replica__grants *grants)
{
    return grants->name;
}

/* ---- fields ---------------------------------------------------------------------- */

static struct replica__json_value member(const char *json, size_t len, const char *name)
{
    return replica__json_member(replica__json_value(json, len), name, REPLICA_NUL);
}

int replica__grants_cut(const struct replica__grants *grants, const char *key, const char *json,
                        size_t len, struct replica__buf *out)
{
    const struct replica__rule_fields *hidden = &grants->set->server_only;
    const char *names[REPLICA__FIELDS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < hidden->n; i++)
        if (strcmp(hidden->fields[i].name, key) != 0 &&
            member(json, len, hidden->fields[i].name).type != REPLICA_JSON_NONE)
            names[n++] = hidden->fields[i].name;
    if (n == 0)
        return 0;
    replica__json_cut_members(json, len, names, n, out);
    return out->r < 0 ? out->r : 1;
}

/* The client's text with what it does not know of the old one. */
static int add_hidden(const struct replica__rule_fields *hidden, const char *key, const char *old,
                      size_t old_len, const char *json, size_t len, struct replica__buf *out)
{
    for (size_t i = 0; i < hidden->n; i++) {
        struct replica__json_value v = member(old, old_len, hidden->fields[i].name);
        REPLICA_BUF value = REPLICA_BUF_INIT;
        REPLICA_BUF next = REPLICA_BUF_INIT;

        if (v.type == REPLICA_JSON_NONE || strcmp(hidden->fields[i].name, key) == 0)
            continue;
        replica__buf_add(&value, v.text.data, v.text.len);
        if (value.r < 0)
            return value.r;
        replica__json_add_member(json, len, hidden->fields[i].name, value.data, &next);
        if (next.r < 0)
            return next.r;
        replica__buf_free(out);
        *out = next;
        next = (struct replica__buf)REPLICA_BUF_INIT;
        json = out->data;
        len = out->len;
    }
    return 0;
}

/* 1; 0: a field that clients do not write, and why not. */
static int fields_kept(const struct replica__rule_set *set, const char *key, const char *old,
                       size_t old_len, const char *json, size_t len, const char **ret_why)
{
    for (size_t i = 0; i < set->server_only.n; i++)
        if (strcmp(set->server_only.fields[i].name, key) != 0 &&
            member(json, len, set->server_only.fields[i].name).type != REPLICA_JSON_NONE) {
            *ret_why = set->server_only.fields[i].why;
            return 0;
        }
    for (size_t i = 0; i < set->read_only.n; i++) {
        const struct replica__rule_field *field = &set->read_only.fields[i];
        struct replica__json_value is = member(json, len, field->name);
        struct replica__json_value was = { 0 };
        int same;

        if (strcmp(field->name, key) == 0)
            continue;
        if (old)
            was = member(old, old_len, field->name);
        same = is.type == was.type;
        if (same && is.type != REPLICA_JSON_NONE)
            same = replica__json_equal(is.text.data, is.text.len, was.text.data, was.text.len, 0);
        if (same <= 0) {
            *ret_why = field->why;
            return same;
        }
    }
    return 1;
}

/* ---- writes ---------------------------------------------------------------------- */

int replica__grants_judge(const struct replica__grants *grants, const char *key, const char *old,
                          size_t old_len, const char *json, size_t len, bool deleted,
                          struct replica__buf *out, bool *ret_seen, const char **ret_why)
{
    enum replica__deed deed = !old      ? REPLICA__DEED_CREATE
                              : deleted ? REPLICA__DEED_DELETE
                                        : REPLICA__DEED_UPDATE;
    int r;

    *ret_why = "not allowed";
    if (old && deleted) {
        json = old; /* which is what its tombstone says */
        len = old_len;
    } else {
        r = fields_kept(grants->set, key, old, old_len, json, len, ret_why);
        if (r > 0 && old)
            r = add_hidden(&grants->set->server_only, key, old, old_len, json, len, out) < 0
                    ? REPLICA_ENOMEM
                    : 1;
        if (r <= 0)
            return r;
        json = out->len > 0 ? out->data : json;
        len = out->len > 0 ? out->len : len;
    }
    r = old ? replica__grants_match(grants, deed, old, old_len) : 1;
    if (r > 0 && json != old)
        r = replica__grants_match(grants, deed, json, len);
    if (r <= 0)
        return r;
    r = replica__grants_match(grants, REPLICA__DEED_READ, json, len);
    if (r < 0)
        return r;
    *ret_seen = r > 0;
    return 1;
}
