/* The JSON floor against arbitrary bytes: two texts with a 0x1E byte between them.
 *
 * Whatever passes the gate must hold what base/json.h says about it; whatever does not must be
 * refused with a place inside the text. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(condition)  \
    do {                 \
        if (!(condition)) \
            abort();     \
    } while (0)

struct text {
    const char *data;
    size_t len;
    bool gated;
    struct replica__json_value value; /* if it is gated */
};

static bool passes(const char *data, size_t len)
{
    replica_error err;
    int r = replica__json_check(data, len, NULL, &err);

    MUST(r == 0 || r == REPLICA_EJSON || r == REPLICA_ELIMIT);
    MUST(r == 0 || (err.code == r && err.message[0]));
    MUST(r == 0 || (err.offset >= 0 && (size_t)err.offset <= len));
    return r == 0;
}

static int equal(const struct text *a, const char *data, size_t len, unsigned flags)
{
    int r = replica__json_equal(a->data, a->len, data, len, flags);

    MUST(r == 0 || r == 1);
    MUST(replica__json_equal(data, len, a->data, a->len, flags) == r);
    return r;
}

/* ---- the same content in other words ----------------------------------------------- */

static void print_string(struct replica__slice spelled, struct replica__buf *out)
{
    REPLICA_BUF meaning = REPLICA_BUF_INIT;

    replica__json_unescape(spelled, &meaning);
    MUST(meaning.len <= spelled.len);
    MUST(replica__json_string_is(spelled, meaning.data ? meaning.data : "", meaning.len));
    replica__buf_json_string(out, meaning.data, meaning.len);
}

static void print(struct replica__json_value v, struct replica__buf *out);

/* Members from the last to the first. */
static void print_members(struct replica__json_value v, struct replica__json_iter it, bool *first,
                          struct replica__buf *out)
{
    REPLICA_BUF name = REPLICA_BUF_INIT;

    if (!replica__json_next(&it))
        return;
    print_members(v, it, first, out);
    if (!*first)
        replica__buf_str(out, " ,\n");
    *first = false;
    print_string(it.name, out);
    replica__buf_char(out, ':');
    print(it.value, out);

    replica__json_unescape(it.name, &name);
    MUST(replica__json_member(v, name.data ? name.data : "", name.len).text.data ==
         it.value.text.data);
}

static void print(struct replica__json_value v, struct replica__buf *out)
{
    struct replica__json_iter it = replica__json_iter(v);
    bool first = true;

    switch (v.type) {
    case REPLICA_JSON_STRING:
        print_string((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, out);
        break;
    case REPLICA_JSON_ARRAY:
        replica__buf_char(out, '[');
        while (replica__json_next(&it)) {
            if (!first)
                replica__buf_char(out, ',');
            first = false;
            print(it.value, out);
        }
        replica__buf_char(out, ']');
        break;
    case REPLICA_JSON_OBJECT:
        replica__buf_char(out, '{');
        print_members(v, it, &first, out);
        replica__buf_char(out, '}');
        break;
    default:
        MUST(v.type != REPLICA_JSON_NONE);
        replica__buf_add(out, v.text.data, v.text.len);
    }
}

/* ---- what must hold ---------------------------------------------------------------- */

static void a_text_equals_itself_in_other_words(const struct text *t)
{
    REPLICA_BUF other = REPLICA_BUF_INIT;

    print(t->value, &other);
    MUST(other.r == 0 && passes(other.data, other.len));
    MUST(equal(t, t->data, t->len, 0) == 1);
    MUST(equal(t, other.data, other.len, 0) == 1);
    MUST(equal(t, other.data, other.len, REPLICA_JSON_AS_JAVASCRIPT) == 1);
    MUST(equal(t, other.data, other.len, REPLICA_JSON_SKIP_RESERVED) == 1);
    MUST(replica__json_digest(t->data, t->len) == replica__json_digest(other.data, other.len));
}

static void a_number_agrees_with_itself(struct replica__json_value v)
{
    int64_t n;

    MUST(replica__json_number_compare(v.text, v.text) == 0);
    if (replica__json_int(v, &n))
        MUST(replica__json_double(v) == (double)n);
}

static void what_is_cut_and_added_leaves_no_trace(const struct replica__json_doc *doc)
{
    struct text whole = { .data = doc->text.data, .len = doc->text.len };
    REPLICA_BUF cut = REPLICA_BUF_INIT;
    REPLICA_BUF added = REPLICA_BUF_INIT;
    REPLICA_BUF again = REPLICA_BUF_INIT;
    struct replica__json_doc other;
    size_t pos = 0;

    replica__json_cut_reserved(doc, &cut);
    MUST(passes(cut.data, cut.len));
    MUST(equal(&whole, cut.data, cut.len, REPLICA_JSON_SKIP_RESERVED) == 1);
    MUST(doc->reserved || (cut.len == doc->text.len && !memcmp(cut.data, whole.data, cut.len)));

    replica__json_add_member(cut.data, cut.len, "_deleted", "true", &added);
    MUST(replica__json_scan(added.data, added.len, &pos, NULL, NULL, &other, NULL) == 0);
    MUST(pos == added.len && other.deleted && other.reserved);
    replica__json_cut_reserved(&other, &again);
    MUST(again.len == cut.len && memcmp(again.data, cut.data, cut.len) == 0);
}

static void a_scan_agrees_with_a_check(const struct text *t)
{
    struct replica__json_doc doc;
    size_t pos = 0;
    int r = replica__json_scan(t->data, t->len, &pos, "id", NULL, &doc, NULL);
    struct replica__json_value rest;

    if (r < 0) {
        struct replica__json_value deleted = replica__json_member(t->value, "_deleted", 8);

        MUST(!t->gated || t->value.type != REPLICA_JSON_OBJECT ||
             (deleted.type != REPLICA_JSON_NONE && deleted.type != REPLICA_JSON_TRUE &&
              deleted.type != REPLICA_JSON_FALSE));
        return;
    }
    rest = replica__json_value(t->data + pos, t->len - pos);
    MUST(t->gated == (rest.type == REPLICA_JSON_NONE && rest.text.len == 0));
    MUST(passes(doc.text.data, doc.text.len));
    if (t->gated) {
        struct replica__json_value key = replica__json_member(t->value, "id", 2);

        MUST((key.type == REPLICA_JSON_STRING) == (doc.key.data != NULL));
        MUST(!doc.key.data || (doc.key.data == key.text.data + 1 &&
                               doc.key.len == key.text.len - 2));
    }
    what_is_cut_and_added_leaves_no_trace(&doc);
}

static void equality_agrees_with_digests(const struct text *a, const struct text *b)
{
    int same = equal(a, b->data, b->len, REPLICA_JSON_SKIP_RESERVED);

    if (same)
        MUST(replica__json_digest(a->data, a->len) == replica__json_digest(b->data, b->len));
    if (equal(a, b->data, b->len, 0))
        MUST(same && equal(a, b->data, b->len, REPLICA_JSON_AS_JAVASCRIPT));
}

static void a_patched_text_passes_and_stays_when_patched_again(const struct text *a,
                                                               const struct text *b)
{
    REPLICA_BUF once = REPLICA_BUF_INIT;
    REPLICA_BUF twice = REPLICA_BUF_INIT;

    replica__json_merge_patch(a->data, a->len, b->data, b->len, &once);
    MUST(once.r == 0 && passes(once.data, once.len));
    replica__json_merge_patch(once.data, once.len, b->data, b->len, &twice);
    MUST(twice.len == once.len && memcmp(twice.data, once.data, once.len) == 0);
}

static void a_kept_spelling_changes_nothing(const struct text *stored, const struct text *next)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__json_keep_spelling(stored->data, stored->len, next->data, next->len, &out);
    MUST(out.r == 0 && passes(out.data, out.len));
    MUST(equal(next, out.data, out.len, REPLICA_JSON_AS_JAVASCRIPT) == 1);
}

static struct text text_of(const uint8_t *data, size_t len)
{
    struct text t = { .data = (const char *)data, .len = len };

    t.gated = passes(t.data, t.len);
    if (t.gated)
        t.value = replica__json_value(t.data, t.len);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *split = len ? memchr(data, 0x1E, len) : NULL;
    size_t a_len = split ? (size_t)(split - data) : len;
    struct text a = text_of(data, a_len);
    struct text b = text_of(split ? split + 1 : data, split ? len - a_len - 1 : len);

    a_scan_agrees_with_a_check(&a);
    if (!a.gated)
        return 0;
    a_text_equals_itself_in_other_words(&a);
    if (a.value.type == REPLICA_JSON_NUMBER)
        a_number_agrees_with_itself(a.value);
    if (!b.gated)
        return 0;
    equality_agrees_with_digests(&a, &b);
    a_kept_spelling_changes_nothing(&a, &b);
    if (a.value.type == REPLICA_JSON_OBJECT && b.value.type == REPLICA_JSON_OBJECT)
        a_patched_text_passes_and_stays_when_patched_again(&a, &b);
    return 0;
}
