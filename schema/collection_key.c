/* What a collection's schema does with a document's text: fills it in, and compares. */
#include "schema/collection.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT = 17 }; /* digits that tell each double from all others */

static struct replica__slice inside(struct replica__json_value text)
{
    return (struct replica__slice){ text.text.data + 1, text.text.len - 2 };
}

/* The value at "a.b"; type NONE: there is none. */
static struct replica__json_value field(struct replica__json_value v, const char *path)
{
    for (;;) {
        size_t n = strcspn(path, ".");

        if (v.type != REPLICA_JSON_OBJECT)
            return (struct replica__json_value){ .type = REPLICA_JSON_NONE };
        v = replica__json_member(v, path, n);
        if (path[n] == '\0')
            return v;
        path += n + 1;
    }
}

/* ---- the composite key ----------------------------------------------------------- */

/* The fewest digits that mean x, and where its point is: 0.digits * 10^point.  Neither printing nor
 * reading them sees the locale's decimal point. */
static int shortest(double x, char digits[EXACT + 1], int *ret_point)
{
    for (int n = 1;; n++) {
        char text[64];
        char again[64];
        const char *e;
        int len = 0;

        snprintf(text, sizeof(text), "%.*e", n - 1, x);
        e = strchr(text, 'e');
        for (const char *at = text; at < e; at++)
            if (*at >= '0' && *at <= '9')
                digits[len++] = *at;
        digits[len] = '\0';
        *ret_point = (int)strtol(e + 1, NULL, 10) + 1;
        snprintf(again, sizeof(again), "%se%d", digits, *ret_point - len);
        if (n == EXACT || strtod(again, NULL) == x)
            return len;
    }
}

/* As JavaScript's String() has it. */
static void add_double(double x, struct replica__buf *out)
{
    char digits[EXACT + 1];
    int point;
    int n;

    if (x < 0) {
        replica__buf_char(out, '-');
        x = -x;
    }
    if (isinf(x)) {
        replica__buf_str(out, "Infinity");
        return;
    }
    n = shortest(x, digits, &point);
    if (point > 21 || point < -5) {
        replica__buf_printf(out, "%c%s%se%+d", digits[0], n > 1 ? "." : "", digits + 1, point - 1);
        return;
    }
    if (point <= 0)
        replica__buf_str(out, "0.");
    for (int i = point; i < 0; i++)
        replica__buf_char(out, '0');
    for (int i = 0; i < n || i < point; i++) {
        if (i == point && i > 0)
            replica__buf_char(out, '.');
        replica__buf_char(out, i < n ? digits[i] : '0');
    }
}

/* Integers are exact, also those that JavaScript cannot hold. */
static void add_number(struct replica__json_value v, struct replica__buf *out)
{
    int64_t n;

    if (replica__json_int(v, &n))
        replica__buf_int(out, n);
    else
        add_double(replica__json_double(v), out);
}

static int missing(const struct replica__collection_schema *s, size_t i, const char *what,
                   replica_error *err)
{
    replica__error_set(err, REPLICA_ESCHEMA, 0, "the key '%s' has the field '%s', %s", s->key,
                       s->key_fields[i], what);
    replica__error_where(err, "/%s", s->key_fields[i]);
    return REPLICA_ESCHEMA;
}

static int compose(const struct replica__collection_schema *s, struct replica__json_value doc,
                   struct replica__buf *out, replica_error *err)
{
    for (size_t i = 0; i < s->key_field_count; i++) {
        struct replica__json_value v = field(doc, s->key_fields[i]);

        if (i > 0)
            replica__buf_str(out, s->separator);
        switch (v.type) {
        case REPLICA_JSON_STRING: replica__json_unescape(inside(v), out); break;
        case REPLICA_JSON_NUMBER: add_number(v, out); break;
        case REPLICA_JSON_TRUE: replica__buf_str(out, "true"); break;
        case REPLICA_JSON_FALSE: replica__buf_str(out, "false"); break;
        case REPLICA_JSON_NONE: return missing(s, i, "which is missing", err);
        default: return missing(s, i, "which is no text, number or boolean", err);
        }
    }
    return out->r == 0 ? 0 : replica__enomem(err);
}

int replica__collection_schema_check_key(const struct replica__collection_schema *s,
                                         const char *json, size_t len, replica_error *err)
{
    struct replica__json_value doc = replica__json_value(json, len);
    REPLICA_BUF key = REPLICA_BUF_INIT;
    struct replica__json_value v;
    int r;

    if (s->key_field_count == 0)
        return 0;
    assert(doc.type == REPLICA_JSON_OBJECT);
    r = compose(s, doc, &key, err);
    if (r < 0)
        return r;
    v = replica__json_member(doc, s->key, REPLICA_NUL);
    if (v.type == REPLICA_JSON_STRING &&
        replica__json_string_is(inside(v), key.data ? key.data : "", key.len))
        return 0;
    replica__error_set(err, REPLICA_ESCHEMA, 0,
                       "the key '%s' is not what its fields make: '%.200s'", s->key,
                       key.data ? key.data : "");
    replica__error_where(err, "/%s", s->key);
    return REPLICA_ESCHEMA;
}

/* ---- filling --------------------------------------------------------------------- */

/* The defaults that doc has no value for, as one text that is a member but for the first name;
 * returns that name, or NULL. */
static const char *missing_defaults(const struct replica__collection_schema *s,
                                    struct replica__json_value doc, struct replica__buf *members)
{
    const char *first = NULL;

    for (size_t i = 0; i < s->default_count; i++) {
        const struct replica__default *d = &s->defaults[i];

        if (replica__json_member(doc, d->name, REPLICA_NUL).type != REPLICA_JSON_NONE)
            continue;
        if (first) {
            replica__buf_char(members, ',');
            replica__buf_json_string(members, d->name, strlen(d->name));
            replica__buf_char(members, ':');
        } else {
            first = d->name;
        }
        replica__buf_str(members, d->json);
    }
    return first;
}

static int add_key(const struct replica__collection_schema *s, const char *json, size_t len,
                   struct replica__buf *out, replica_error *err)
{
    REPLICA_BUF key = REPLICA_BUF_INIT;
    REPLICA_BUF spelled = REPLICA_BUF_INIT;
    int r = compose(s, replica__json_value(json, len), &key, err);

    if (r < 0)
        return r;
    replica__buf_json_string(&spelled, key.data ? key.data : "", key.len);
    if (spelled.r < 0)
        return replica__enomem(err);
    replica__json_add_member(json, len, s->key, spelled.data, out);
    return 1;
}

/* out stays as it is unless the text is whole. */
static int finish(struct replica__buf *text, struct replica__buf *out, replica_error *err)
{
    if (text->r == 0)
        replica__buf_add(out, text->data, text->len);
    if (text->r == REPLICA_ENOMEM || out->r == REPLICA_ENOMEM)
        return replica__enomem(err);
    if (out->r < 0)
        return replica__error_set(err, out->r, 0, "the document is too large with its defaults");
    return 1;
}

int replica__collection_schema_fill(const struct replica__collection_schema *s, const char *json,
                                    size_t len, struct replica__buf *out, replica_error *err)
{
    struct replica__json_value doc = replica__json_value(json, len);
    REPLICA_BUF members = REPLICA_BUF_INIT;
    REPLICA_BUF defaulted = REPLICA_BUF_INIT;
    REPLICA_BUF keyed = REPLICA_BUF_INIT;
    const char *first;
    int r;

    assert(doc.type == REPLICA_JSON_OBJECT);
    first = missing_defaults(s, doc, &members);
    if (members.r < 0)
        return replica__enomem(err);
    if (first) {
        replica__json_add_member(json, len, first, members.data, &defaulted);
        if (defaulted.r < 0)
            return replica__enomem(err);
        doc = replica__json_value(defaulted.data, defaulted.len);
    }
    if (s->key_field_count == 0 ||
        replica__json_member(doc, s->key, REPLICA_NUL).type != REPLICA_JSON_NONE)
        return first ? finish(&defaulted, out, err) : 0;
    r = add_key(s, doc.text.data, doc.text.len, &keyed, err);
    return r < 0 ? r : finish(&keyed, out, err);
}

/* ---- final fields ---------------------------------------------------------------- */

int replica__collection_schema_check_final(const struct replica__collection_schema *s,
                                           const char *old_json, size_t old_len,
                                           const char *new_json, size_t new_len,
                                           replica_error *err)
{
    struct replica__json_value before = replica__json_value(old_json, old_len);
    struct replica__json_value after = replica__json_value(new_json, new_len);

    for (size_t i = 0; i < s->final_count; i++) {
        struct replica__json_value a = replica__json_member(before, s->final[i], REPLICA_NUL);
        struct replica__json_value b = replica__json_member(after, s->final[i], REPLICA_NUL);
        int same = a.type == b.type;

        if (same && a.type != REPLICA_JSON_NONE)
            same = replica__json_equal(a.text.data, a.text.len, b.text.data, b.text.len, 0);
        if (same < 0)
            return replica__enomem(err);
        if (!same) {
            replica__error_set(err, REPLICA_ESCHEMA, 0,
                               "the field '%s' is final: it keeps its first value", s->final[i]);
            replica__error_where(err, "/%s", s->final[i]);
            return REPLICA_ESCHEMA;
        }
    }
    return 0;
}
