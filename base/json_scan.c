/* The gate: the only code that reads JSON nobody has read before.
 *
 * One pass, no recursion, no tree.  The names of all open objects lie in one array, each object's
 * behind its parent's; duplicates are looked for as names come in while an object has few, and by
 * sorting when a large one ends, so that no input makes it quadratic. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/json_internal.h"

#include <string.h>

enum {
    FEW_NAMES = 32,   /* up to here an object's names are compared one with another */
    NAMES_AT_HAND = 64 /* without asking the allocator */
};

enum field { FIELD_OTHER, FIELD_KEY, FIELD_DELETED };

struct frame {
    uint64_t seen; /* two bits for each name */
    size_t first;  /* its first name */
    bool object;
};

struct scanner {
    const char *text; /* offsets count from here */
    const char *end;
    size_t max_bytes; /* where end is the limit instead of the text's end; else 0 */
    replica_error *err;
    int r;

    struct frame *frames; /* of the open containers, [1] is the outermost */
    int depth;
    int max_depth;

    struct json_name *names; /* of the open objects */
    size_t n_names;
    size_t room;
    struct json_name *heap; /* names, once they had to move */

    struct replica__json_doc *doc; /* what is found at top level, or NULL */
    const char *key;
    size_t key_len;
    enum field field;     /* the top-level member whose value is being read */
    const char *value_at; /* where that starts */
};

/* ---- what is wrong --------------------------------------------------------------- */

static const char *fail(struct scanner *s, const char *at, const char *expected)
{
    int64_t offset = at - s->text;

    if (at >= s->end && s->max_bytes > 0)
        s->r = replica__error_at(s->err, REPLICA_ELIMIT, offset, "larger than %zu bytes",
                                 s->max_bytes);
    else if (at >= s->end)
        s->r = replica__error_at(s->err, REPLICA_EJSON, offset,
                                 "expected %s, but the text ends here", expected);
    else
        s->r = replica__error_at(s->err, REPLICA_EJSON, offset, "expected %s", expected);
    return NULL;
}

static const char *fail_duplicate(struct scanner *s, const struct json_name *name)
{
    int shown = name->spelled.len < 64 ? (int)name->spelled.len : 64;

    s->r = replica__error_at(s->err, REPLICA_EJSON, name->spelled.data - 1 - s->text,
                             "the name \"%.*s\" comes twice in one object", shown,
                             name->spelled.data);
    return NULL;
}

/* ---- strings --------------------------------------------------------------------- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *scan_escape(struct scanner *s, const char *at)
{
    if (s->end - at < 2)
        return fail(s, s->end, "an escape");
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        for (int i = 2; i < 6; i++) {
            if (s->end - at <= i || !is_hex(at[i]))
                return fail(s, at + i, "four hexadecimal digits");
        }
        return at + 6;
    default:
        return fail(s, at, "an escape of JSON");
    }
}

/* What is no plain run of ASCII: an escape, or a character of several bytes. */
static const char *scan_special(struct scanner *s, const char *at, bool *escaped)
{
    size_t width;

    if (*at == '\\') {
        *escaped = true;
        return scan_escape(s, at);
    }
    if ((unsigned char)*at < 0x20)
        return fail(s, at, "an escape instead of a control character");
    width = replica__utf8_width(at, s->end);
    if (width == 0 && s->max_bytes > 0 && s->end - at < 4)
        return fail(s, s->end, "a string"); /* perhaps cut in two by the limit */
    return width ? at + width : fail(s, at, "UTF-8");
}

/* Behind the closing quote of the string that starts behind its opening quote at at. */
static const char *scan_string(struct scanner *s, const char *at, bool *escaped)
{
    while (at) {
        while (s->end - at >= 8) {
            uint64_t x = json_load(at);
            uint64_t stop = ((x ^ JSON_EACH('"')) - JSON_EACH(1)) |
                            ((x ^ JSON_EACH('\\')) - JSON_EACH(1)) | (x - JSON_EACH(0x20)) | x;

            stop &= JSON_EACH(0x80); /* right up to and with the first hit; borrows lie above it */
            if (stop) {
                at += __builtin_ctzll(stop) / 8;
                break;
            }
            at += 8;
        }
        if (at == s->end)
            return fail(s, at, "'\"'");
        if (*at == '"')
            return at + 1;
        if ((unsigned char)(*at - 0x20) < 0x60 && *at != '\\')
            at++; /* near the end of the text */
        else
            at = scan_special(s, at, escaped);
    }
    return NULL;
}

/* ---- numbers and words ----------------------------------------------------------- */

static const char *scan_digits(struct scanner *s, const char *at)
{
    const char *start = at;

    while (at < s->end && (unsigned char)(*at - '0') < 10)
        at++;
    return at > start ? at : fail(s, at, "a digit");
}

static const char *scan_number(struct scanner *s, const char *at)
{
    if (*at == '-')
        at++;
    if (at < s->end && *at == '0')
        at++; /* and no digit behind it */
    else
        at = scan_digits(s, at);
    if (at && at < s->end && *at == '.')
        at = scan_digits(s, at + 1);
    if (at && at < s->end && (*at | 0x20) == 'e') {
        at++;
        if (at < s->end && (*at == '+' || *at == '-'))
            at++;
        at = scan_digits(s, at);
    }
    return at;
}

static const char *scan_word(struct scanner *s, const char *at, const char *word, size_t len)
{
    size_t left = (size_t)(s->end - at);

    if (left >= len && memcmp(at, word, len) == 0)
        return at + len;
    return fail(s, left < len && memcmp(at, word, left) == 0 ? s->end : at, word);
}

static const char *scan_scalar(struct scanner *s, const char *at)
{
    bool escaped = false;

    switch (*at) {
    case '"':
        at = scan_string(s, at + 1, &escaped);
        if (at && s->doc && escaped && s->depth == 1 && s->field == FIELD_KEY)
            s->doc->key_escaped = true;
        return at;
    case 't':
        return scan_word(s, at, "true", 4);
    case 'f':
        return scan_word(s, at, "false", 5);
    case 'n':
        return scan_word(s, at, "null", 4);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(s, at);
    default:
        return fail(s, at, "a value");
    }
}

/* ---- names ----------------------------------------------------------------------- */

static int grow_names(struct scanner *s)
{
    size_t room = s->room * 2;
    struct json_name *names = replica__realloc(s->heap, room, sizeof(*names));

    if (!names)
        return replica__enomem(s->err);
    if (!s->heap)
        memcpy(names, s->names, s->n_names * sizeof(*names));
    s->heap = names;
    s->names = names;
    s->room = room;
    return 0;
}

/* Two of 64 bits, from a signature's better end. */
static inline uint64_t two_bits(uint64_t signature)
{
    return UINT64_C(1) << (signature >> 58) | UINT64_C(1) << (signature >> 52 & 63);
}

static bool is_known(const struct scanner *s, size_t first, const struct json_name *name)
{
    for (size_t i = first; i < s->n_names; i++) {
        if (s->names[i].signature == name->signature &&
            replica__json_name_compare(&s->names[i], name) == 0)
            return true;
    }
    return false;
}

/* The name is new in its object as far as it is cheap to know; end_object() knows the rest. */
static bool add_name(struct scanner *s, const struct json_name *name)
{
    struct frame *f = &s->frames[s->depth];
    uint64_t bits = two_bits(name->signature);

    if ((f->seen & bits) == bits && s->n_names - f->first < FEW_NAMES &&
        is_known(s, f->first, name))
        return fail_duplicate(s, name);
    if (s->n_names == s->room) {
        s->r = grow_names(s);
        if (s->r < 0)
            return false;
    }
    f->seen |= bits;
    s->names[s->n_names++] = *name;
    return true;
}

static inline bool is_name(struct replica__slice spelled, bool escaped, const char *name,
                           size_t len)
{
    if (escaped)
        return replica__json_string_is(spelled, name, len);
    return spelled.len == len && memcmp(spelled.data, name, len) == 0;
}

/* What a name at top level means to us. */
static enum field field_of(struct scanner *s, struct replica__slice spelled, bool escaped)
{
    if (json_name_reserved(spelled)) {
        s->doc->reserved = true;
        if (is_name(spelled, escaped, "_deleted", 8))
            return FIELD_DELETED;
    }
    return s->key && is_name(spelled, escaped, s->key, s->key_len) ? FIELD_KEY : FIELD_OTHER;
}

/* From a member's opening quote to the first byte of its value. */
static const char *scan_name(struct scanner *s, const char *at)
{
    struct json_name name;
    bool escaped = false;

    if (at == s->end || *at != '"')
        return fail(s, at, "a name in quotes");
    name.spelled.data = at + 1;
    at = scan_string(s, at + 1, &escaped);
    if (!at)
        return NULL;
    name.spelled.len = (size_t)(at - 1 - name.spelled.data);
    name.signature = json_signature(name.spelled, escaped);
    if (!add_name(s, &name))
        return NULL;
    at = json_skip_blank(at, s->end);
    if (at == s->end || *at != ':')
        return fail(s, at, "':'");
    at = json_skip_blank(at + 1, s->end);
    if (s->depth == 1 && s->doc) {
        s->field = field_of(s, name.spelled, escaped);
        s->value_at = at;
    }
    return at;
}

/* ---- containers ------------------------------------------------------------------ */

static const char *begin(struct scanner *s, const char *at)
{
    struct frame *f;

    if (s->depth == s->max_depth) {
        s->r = replica__error_at(s->err, REPLICA_ELIMIT, at - s->text,
                                 "nested deeper than %d levels", s->max_depth);
        return NULL;
    }
    f = &s->frames[++s->depth];
    f->object = *at == '{';
    f->first = s->n_names;
    f->seen = 0;
    at = json_skip_blank(at + 1, s->end);
    return at < s->end ? at : fail(s, at, f->object ? "a name or '}'" : "a value or ']'");
}

/* Look for duplicates among many names, and forget them. */
static bool end_object(struct scanner *s)
{
    struct json_name *names = s->names + s->frames[s->depth].first;
    size_t n = s->n_names - s->frames[s->depth].first;
    const struct json_name *twice = NULL;

    s->n_names -= n;
    if (n <= FEW_NAMES)
        return true;
    replica__json_names_sort(names, n);
    for (size_t i = 1; i < n; i++) {
        const struct json_name *later = &names[i];

        if (replica__json_name_compare(&names[i - 1], later) != 0)
            continue;
        if (names[i - 1].spelled.data > later->spelled.data)
            later = &names[i - 1];
        if (!twice || later->spelled.data < twice->spelled.data)
            twice = later;
    }
    return !twice || fail_duplicate(s, twice);
}

/* A member's value at top level was read: is it one that we look for? */
static bool note_value(struct scanner *s, const char *end)
{
    size_t len = (size_t)(end - s->value_at);
    char c = *s->value_at;

    if (s->field == FIELD_KEY && c == '"') {
        s->doc->key.data = s->value_at + 1;
        s->doc->key.len = len - 2;
    } else if (s->field == FIELD_DELETED) {
        if (c != 't' && c != 'f')
            return fail(s, s->value_at, "true or false for \"_deleted\"");
        s->doc->deleted = c == 't';
    }
    s->field = FIELD_OTHER;
    return true;
}

/* Behind a value: go to the next value, or end what ends here. */
static const char *scan_behind(struct scanner *s, const char *at)
{
    while (s->depth > 0) {
        const struct frame *f = &s->frames[s->depth];
        char close = f->object ? '}' : ']';

        if (s->depth == 1 && s->field != FIELD_OTHER && !note_value(s, at))
            return NULL;
        at = json_skip_blank(at, s->end);
        if (at < s->end && *at == ',') {
            at = json_skip_blank(at + 1, s->end);
            return f->object ? scan_name(s, at) : at;
        }
        if (at == s->end || *at != close)
            return fail(s, at, f->object ? "',' or '}'" : "',' or ']'");
        if (f->object && !end_object(s))
            return NULL;
        s->depth--;
        at++;
    }
    return at;
}

static const char *scan_value(struct scanner *s, const char *at)
{
    do {
        char c;

        at = json_skip_blank(at, s->end);
        if (at == s->end)
            return fail(s, at, "a value");
        c = *at;
        if (c == '{' || c == '[') {
            at = begin(s, at);
            if (at && *at != c + 2) { /* '{' + 2 is '}', '[' + 2 is ']' */
                at = c == '{' ? scan_name(s, at) : at;
                continue;
            }
        } else {
            at = scan_scalar(s, at);
        }
        if (at)
            at = scan_behind(s, at);
    } while (at && s->depth > 0);
    return at;
}

/* ---- doors ----------------------------------------------------------------------- */

/* Give the scanner its room, let it run from at, and take the room back. */
static const char *run(struct scanner *s, const struct replica__json_limits *limits,
                       const char *at)
{
    struct frame frames[JSON_DEPTH_CEILING + 1];
    struct json_name names[NAMES_AT_HAND];
    int max_depth = limits && limits->max_depth > 0 ? limits->max_depth : JSON_DEPTH_DEFAULT;

    s->max_depth = max_depth < JSON_DEPTH_CEILING ? max_depth : JSON_DEPTH_CEILING;
    s->frames = frames;
    s->names = names;
    s->room = NAMES_AT_HAND;
    at = scan_value(s, at);
    replica__free(s->heap);
    return at;
}

int replica__json_check(const char *text, size_t len, const struct replica__json_limits *limits,
                        replica_error *err)
{
    struct scanner s = { .text = text, .end = text + len, .err = err };
    size_t max = limits ? limits->max_bytes : 0;
    const char *at = json_skip_blank(text, s.end);

    if (max > 0) {
        const char *end = s.end;

        while (end > at && json_is_blank(end[-1]))
            end--;
        if ((size_t)(end - at) > max)
            return replica__error_at(err, REPLICA_ELIMIT, at + max - text,
                                     "larger than %zu bytes", max);
    }
    at = run(&s, limits, at);
    if (!at)
        return s.r;
    at = json_skip_blank(at, s.end);
    if (at < s.end)
        fail(&s, at, "the end of the text");
    return s.r;
}

int replica__json_scan(const char *text, size_t len, size_t *pos, const char *key,
                       const struct replica__json_limits *limits,
                       struct replica__json_doc *ret_doc, replica_error *err)
{
    struct replica__json_doc doc = { .deleted = false };
    struct scanner s = { .text = text, .end = text + len, .err = err, .doc = &doc, .key = key };
    size_t max = limits ? limits->max_bytes : 0;
    const char *at = json_skip_blank(text + *pos, s.end);

    if (at == s.end || *at != '{') {
        fail(&s, at, "'{'");
        return s.r;
    }
    if (max > 0 && (size_t)(s.end - at) > max) {
        s.end = at + max;
        s.max_bytes = max;
    }
    s.key_len = key ? strlen(key) : 0;
    doc.text.data = at;
    at = run(&s, limits, at);
    if (!at)
        return s.r;
    doc.text.len = (size_t)(at - doc.text.data);
    *pos = (size_t)(at - text);
    *ret_doc = doc;
    return 0;
}
