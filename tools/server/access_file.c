/* Reading a file of access rules: what is wrong is named with its place. */
#include "tools/server/access_file.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/filter.h"
#include "tools/server/access_rules.h"
#include "tools/server/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 4 << 20, PLACE_MAX = 160, SETS_MAX = 1000 };

int replica__rules_bad(const struct rules_file *f, const char *place, const char *what)
{
    return replica__error_set(f->err, REPLICA_EINVAL, 0, "%s: %s: %s", f->name, place, what);
}

int replica__rules_enomem(const struct rules_file *f)
{
    return replica__enomem(f->err);
}

static bool is(struct replica__slice spelled, const char *name)
{
    return replica__json_string_is(spelled, name, strlen(name));
}

/* ---- a rule ---------------------------------------------------------------------- */

/* Names, each once, with a NUL behind it: no claim has one in its name, and no path. */
int replica__name_note(struct replica__buf *names, const char *name, size_t len)
{
    if (memchr(name, '\0', len))
        return 0;
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1)
        if (strlen(names->data + at) == len && memcmp(names->data + at, name, len) == 0)
            return 0;
    replica__buf_add(names, name, len);
    replica__buf_add(names, "", 1);
    return names->r;
}

static int note_name(void *ctx, const char *name, size_t len)
{
    return replica__name_note(ctx, name, len);
}

/* Is it a selector, with whatever claims? */
static int try_rule(const struct rules_file *f, const char *place, struct replica__json_value v)
{
    const struct replica__claims claims = { .trial = true };
    struct replica__selector *selector = NULL;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__slice where = { "", 0 };
    const char *why = "";
    replica_error inner = { 0 };
    int r = replica__claims_put(&claims, v, &text, &where, &why);

    if (r == REPLICA_EINVAL)
        return replica__error_set(f->err, REPLICA_EINVAL, 0, "%s: %s: %s: %.*s", f->name, place,
                                  why, (int)(where.len < 60 ? where.len : 60), where.data);
    if (r < 0)
        return replica__rules_enomem(f);
    r = replica__selector_parse(text.data, text.len, &selector, &inner);
    replica__selector_free(selector);
    if (r == REPLICA_ENOMEM)
        return replica__rules_enomem(f);
    if (r < 0)
        return replica__error_set(f->err, REPLICA_EINVAL, 0, "%s: %s%s%s: %s", f->name, place,
                                  inner.where[0] ? ", at " : "", inner.where, inner.message);
    return 0;
}

static int read_rule(const struct rules_file *f, const char *place, struct replica__json_value v,
                     struct replica__rule *ret)
{
    int r;

    if (v.type == REPLICA_JSON_TRUE || v.type == REPLICA_JSON_FALSE) {
        ret->kind = v.type == REPLICA_JSON_TRUE ? REPLICA__RULE_ALWAYS : REPLICA__RULE_NEVER;
        return 0;
    }
    if (v.type != REPLICA_JSON_OBJECT)
        return replica__rules_bad(f, place, "a rule is true, false or a selector");
    r = try_rule(f, place, v);
    if (r < 0)
        return r;
    if (replica__claims_each(v, note_name, &f->access->claims) < 0)
        return replica__rules_enomem(f);
    ret->kind = REPLICA__RULE_ASKED;
    ret->selector = v;
    return 0;
}

/* ---- fields ---------------------------------------------------------------------- */

static const char *text_of(const struct rules_file *f, struct replica__json_value string)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    const struct replica__slice spelled = { string.text.data + 1, string.text.len - 2 };

    replica__json_unescape(spelled, &text);
    if (text.r < 0)
        return NULL;
    return replica__arena_copy(f->access->arena, text.data ? text.data : "", text.len);
}

static bool has_field(const struct replica__rule_fields *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->fields[i].name, name) == 0)
            return true;
    return false;
}

/* Each field stands in one list, once. */
static int add_field(const struct rules_file *f, const char *place,
                     struct replica__json_value v, const char *what,
                     const struct replica__rule_fields *other, struct replica__rule_fields *ret)
{
    REPLICA_BUF why = REPLICA_BUF_INIT;
    struct replica__rule_field *field = &ret->fields[ret->n];

    if (v.type != REPLICA_JSON_STRING || v.text.len == 2)
        return replica__rules_bad(f, place, "a field is a name, and not empty");
    if (v.text.data[1] == '_')
        return replica__rules_bad(f, place, "names with a leading underscore are reserved");
    field->name = text_of(f, v);
    if (!field->name)
        return replica__rules_enomem(f);
    if (strlen(field->name) > 200)
        return replica__rules_bad(f, place, "a field with a long name");
    if (has_field(ret, field->name) || has_field(other, field->name))
        return replica__rules_bad(f, place, "a field is named twice");
    replica__buf_printf(&why, "'%.60s' %s", field->name, what);
    field->why = why.r < 0 ? NULL : replica__arena_text(f->access->arena, why.data);
    if (!field->why)
        return replica__rules_enomem(f);
    ret->n++;
    return 0;
}

static int read_fields(const struct rules_file *f, const char *place, struct replica__json_value v,
                       const char *what, const struct replica__rule_fields *other,
                       struct replica__rule_fields *ret)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t n = replica__json_count(v);
    int r = 0;

    if (v.type != REPLICA_JSON_ARRAY)
        return replica__rules_bad(f, place, "a list of fields is an array");
    if (n > REPLICA__FIELDS_MAX)
        return replica__rules_bad(f, place, "more than 64 fields");
    ret->fields = replica__arena_zero(f->access->arena, n ? n : 1, sizeof(*ret->fields));
    if (!ret->fields)
        return replica__rules_enomem(f);
    while (r == 0 && replica__json_next(&it))
        r = add_field(f, place, it.value, what, other, ret);
    return r;
}

static int find_reads(const struct rules_file *f, struct replica__rule_set *set)
{
    const struct replica__rule *read = &set->rules[REPLICA__DEED_READ];
    REPLICA_BUF names = REPLICA_BUF_INIT;
    REPLICA_BUF reads = REPLICA_BUF_INIT;

    if (read->kind != REPLICA__RULE_ASKED)
        return 0;
    if (replica__fields_each(read->selector, note_name, &names) < 0)
        return replica__rules_enomem(f);
    if (names.len == 0) /* it is the same for all documents */
        return 0;
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
        replica__buf_char(&reads, at > 0 ? ',' : '[');
        replica__buf_json_string(&reads, names.data + at, strlen(names.data + at));
    }
    replica__buf_char(&reads, ']');
    set->reads = reads.r < 0 ? NULL : replica__arena_text(f->access->arena, reads.data);
    return set->reads ? 0 : replica__rules_enomem(f);
}

/* ---- a collection ---------------------------------------------------------------- */

static const struct {
    const char *name;
    enum replica__deed first, last;
} deeds[] = {
    { "write", REPLICA__DEED_CREATE, REPLICA__DEED_DELETE }, /* before the single ones */
    { "read", REPLICA__DEED_READ, REPLICA__DEED_READ },
    { "create", REPLICA__DEED_CREATE, REPLICA__DEED_CREATE },
    { "update", REPLICA__DEED_UPDATE, REPLICA__DEED_UPDATE },
    { "delete", REPLICA__DEED_DELETE, REPLICA__DEED_DELETE },
};
enum { DEED_NAMES = sizeof(deeds) / sizeof(deeds[0]) };

static bool is_known(struct replica__slice name)
{
    for (size_t i = 0; i < DEED_NAMES; i++)
        if (is(name, deeds[i].name))
            return true;
    return is(name, "serverOnly") || is(name, "readOnly");
}

/* A word that is misspelled would deny, or allow, in silence. */
static int check_words(const struct rules_file *f, const char *collection,
                       struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    char place[PLACE_MAX];

    while (replica__json_next(&it)) {
        if (is_known(it.name))
            continue;
        snprintf(place, sizeof(place), "collections.%s.%.*s", collection,
                 (int)(it.name.len < 40 ? it.name.len : 40), it.name.data);
        return replica__rules_bad(f, place, "there is no such rule (read, write, create, update, "
                                            "delete, serverOnly, readOnly)");
    }
    return 0;
}

static int read_set(const struct rules_file *f, struct replica__json_value v,
                    struct replica__rule_set *set)
{
    struct replica__json_value member;
    char place[PLACE_MAX];
    int r;

    snprintf(place, sizeof(place), "collections.%s", set->name);
    if (v.type != REPLICA_JSON_OBJECT)
        return replica__rules_bad(f, place, "the rules of a collection are an object");
    r = check_words(f, set->name, v);
    for (size_t i = 0; r == 0 && i < DEED_NAMES; i++) {
        struct replica__rule rule = { 0 };

        member = replica__json_member(v, deeds[i].name, REPLICA_NUL);
        if (member.type == REPLICA_JSON_NONE)
            continue;
        snprintf(place, sizeof(place), "collections.%s.%s", set->name, deeds[i].name);
        r = read_rule(f, place, member, &rule);
        for (int d = deeds[i].first; d <= (int)deeds[i].last; d++)
            set->rules[d] = rule;
    }
    member = replica__json_member(v, "serverOnly", REPLICA_NUL);
    snprintf(place, sizeof(place), "collections.%s.serverOnly", set->name);
    if (r == 0 && member.type != REPLICA_JSON_NONE)
        r = read_fields(f, place, member, "is kept by the server alone", &set->read_only,
                        &set->server_only);
    member = replica__json_member(v, "readOnly", REPLICA_NUL);
    snprintf(place, sizeof(place), "collections.%s.readOnly", set->name);
    if (r == 0 && member.type != REPLICA_JSON_NONE)
        r = read_fields(f, place, member, "is written by the server alone", &set->server_only,
                        &set->read_only);
    return r < 0 ? r : find_reads(f, set);
}

static bool is_name(const char *name)
{
    struct replica__target target;
    char path[PLACE_MAX];
    int len = snprintf(path, sizeof(path), "%.100s/0", name);

    return strcmp(name, "*") == 0 || replica__target_parse(path, (size_t)len, &target);
}

static int read_collections(const struct rules_file *f, struct replica__json_value v)
{
    struct replica__access *access = f->access;
    struct replica__json_iter it = replica__json_iter(v);
    size_t n = replica__json_count(v);
    int r = 0;

    if (v.type != REPLICA_JSON_OBJECT)
        return replica__rules_bad(f, "collections", "they are an object of names");
    if (n > SETS_MAX)
        return replica__rules_bad(f, "collections", "there are more than 1000");
    access->sets = replica__arena_zero(access->arena, n + 1, sizeof(*access->sets));
    if (!access->sets)
        return replica__rules_enomem(f);
    while (r == 0 && replica__json_next(&it)) {
        struct replica__rule_set *set = &access->sets[access->n++];
        const struct replica__json_value name = {
            REPLICA_JSON_STRING, { it.name.data - 1, it.name.len + 2 }
        };

        set->name = text_of(f, name);
        if (!set->name)
            return replica__rules_enomem(f);
        if (!is_name(set->name)) {
            char place[PLACE_MAX];

            snprintf(place, sizeof(place), "collections.%.80s", set->name);
            return replica__rules_bad(f, place, "that is no name of a collection, nor \"*\"");
        }
        r = read_set(f, it.value, set);
    }
    return r;
}

/* ---- events and locks ------------------------------------------------------------- */

static int read_events(const struct rules_file *f, struct replica__json_value v)
{
    struct replica__path_rules *doors = f->access->doors;
    struct replica__json_iter it = replica__json_iter(v);
    int r = 0;

    if (v.type == REPLICA_JSON_NONE)
        return 0;
    if (v.type != REPLICA_JSON_OBJECT)
        return replica__rules_bad(f, "events", "they are an object");
    while (r == 0 && replica__json_next(&it)) {
        if (is(it.name, "listen"))
            r = replica__paths_read(f, "events.listen", it.value, &doors[REPLICA__DOOR_LISTEN]);
        else if (is(it.name, "emit"))
            r = replica__paths_read(f, "events.emit", it.value, &doors[REPLICA__DOOR_EMIT]);
        else
            r = replica__rules_bad(f, "events", "there is no such rule (listen, emit)");
    }
    return r;
}

/* ---- the file -------------------------------------------------------------------- */

static void close_ptr(struct replica__access **access)
{
    replica__access_close(*access);
}

static int read_all(const struct rules_file *f, const char *text, size_t len)
{
    const char *copy = replica__arena_copy(f->access->arena, text, len);
    replica_error inner = { .offset = -1 };
    struct replica__json_value v;
    struct replica__json_iter it;
    int r;

    if (!copy)
        return replica__rules_enomem(f);
    r = replica__json_check(copy, len, NULL, &inner);
    if (r == REPLICA_ENOMEM)
        return replica__rules_enomem(f);
    if (r < 0)
        return replica__error_at(f->err, r, inner.offset, "%s: byte %lld: %s", f->name,
                                 (long long)inner.offset, inner.message);
    v = replica__json_value(copy, len);
    it = replica__json_iter(v);
    if (v.type != REPLICA_JSON_OBJECT)
        return replica__rules_bad(f, "rules", "they are an object with a member \"collections\"");
    while (replica__json_next(&it))
        if (!is(it.name, "collections") && !is(it.name, "events") && !is(it.name, "locks"))
            return replica__rules_bad(f, "rules", "there is nothing but \"collections\", "
                                                  "\"events\" and \"locks\" in them");
    r = read_collections(f, replica__json_member(v, "collections", REPLICA_NUL));
    if (r == 0)
        r = read_events(f, replica__json_member(v, "events", REPLICA_NUL));
    if (r == 0)
        r = replica__paths_read(f, "locks", replica__json_member(v, "locks", REPLICA_NUL),
                                &f->access->doors[REPLICA__DOOR_LOCK]);
    return r;
}

int replica__access_parse(const char *name, const char *text, size_t len,
                          struct replica__access **ret_access, replica_error *err)
{
    __attribute__((cleanup(close_ptr))) struct replica__access *access =
        replica__alloc_zero(1, sizeof(*access));
    struct rules_file f = { name, access, err };
    int r;

    if (!access)
        return replica__enomem(err);
    access->arena = replica__arena_new(4096);
    if (!access->arena)
        return replica__enomem(err);
    r = read_all(&f, text, len);
    if (r < 0)
        return r;
    *ret_access = access;
    access = NULL;
    return 0;
}

int replica__access_open(const char *path, struct replica__access **ret_access, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    FILE *file = fopen(path, "rbe");
    char part[4096];
    size_t n;
    int failed;

    if (!file)
        return replica__error_set(err, REPLICA_EIO, errno, "%s: %s", path, strerror(errno));
    text.max = FILE_MAX_BYTES;
    while ((n = fread(part, 1, sizeof(part), file)) > 0)
        replica__buf_add(&text, part, n);
    failed = ferror(file) ? errno : 0;
    fclose(file);
    if (failed)
        return replica__error_set(err, REPLICA_EIO, failed, "%s: %s", path, strerror(failed));
    if (text.r < 0)
        return replica__error_set(err, text.r, 0, "%s: more than %d bytes", path, FILE_MAX_BYTES);
    return replica__access_parse(path, text.data ? text.data : "", text.len, ret_access, err);
}

void replica__access_close(struct replica__access *access)
{
    if (!access)
        return;
    replica__access_forget(access);
    replica__buf_free(&access->claims);
    replica__arena_free(access->arena);
    replica__free(access);
}

const struct replica__rule_set *replica__access_set(const struct replica__access *access,
                                                    const char *collection)
{
    const struct replica__rule_set *others = &access->sets[access->n];

    for (size_t i = 0; i < access->n; i++) {
        if (strcmp(access->sets[i].name, collection) == 0)
            return &access->sets[i];
        if (strcmp(access->sets[i].name, "*") == 0)
            others = &access->sets[i];
    }
    return others;
}

const char *replica__access_reads(const struct replica__access *access, const char *collection)
{
    return replica__access_set(access, collection)->reads;
}

bool replica__access_hides(const struct replica__access *access, const char *collection,
                           const char *field)
{
    return has_field(&replica__access_set(access, collection)->server_only, field);
}
