/* ECMA-262 expressions with the u flag, read by their grammar and said again for PCRE2.
 *
 * Nothing of the text is handed through: each term is parsed, and what it means is written, every
 * character but letters and digits as \x{...}.  So whatever only PCRE2 knows (possessive
 * quantifiers, \Q, (?#...), verbs, inline options, recursion) is no expression here, and what both
 * know under one name but mean differently (\s, ., $, \d) has ECMA's meaning.
 *
 * More than the u flag takes are escapes of punctuation that needs none (\-, \@): without the flag
 * they are fine, and mean the same.  A group inside a repetition keeps what it captured in the
 * round before, where ECMA-262 forgets it; only a back reference can tell. */
#include "schema/pattern_syntax.h"

#include "base/error.h"
#include "schema/pattern.h"

#include <string.h>

enum {
    MAX_LENGTH = 64 * 1024, /* bytes of an expression */
    MAX_DEPTH = 200,        /* of groups in groups; PCRE2's own is 250 */
    MAX_NAMES = 500,        /* named groups, each looked for in the whole text */
    MAX_REPEAT = 65535,     /* PCRE2's */
};

#define LINE_END "\\n\\r\\x{2028}\\x{2029}"
#define SPACE "\\x{9}-\\x{d} \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACE "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}" \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}" \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

#define WORD "0-9A-Za-z_"
#define NO_WORD_OF_ASCII "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{5e}\\x{60}"
#define NO_WORD NO_WORD_OF_ASCII "\\x{7b}-\\x{10ffff}"
/* With the i flag the long s and the Kelvin sign are an s and a k. */
#define FOLDED_WORD WORD "\\x{17f}\\x{212a}"
#define NO_FOLDED_WORD NO_WORD_OF_ASCII "\\x{7b}-\\x{17e}\\x{180}-\\x{2129}\\x{212b}-\\x{10ffff}"
#define FOLDED_EDGE "(?:(?<=[" FOLDED_WORD "])(?![" FOLDED_WORD "])|" \
    "(?<![" FOLDED_WORD "])(?=[" FOLDED_WORD "]))"
#define NO_FOLDED_EDGE "(?:(?<=[" FOLDED_WORD "])(?=[" FOLDED_WORD "])|" \
    "(?<![" FOLDED_WORD "])(?![" FOLDED_WORD "]))"

struct reader {
    const char *start;
    const char *at;
    const char *end;
    unsigned flags;
    int depth;
    int groups; /* opened so far */
    int total;  /* in the whole text */
    int names;  /* met so far */
    struct replica__buf *out;
    replica_error *err;
};

static int wrong(struct reader *r, const char *at, const char *what)
{
    return replica__error_at(r->err, REPLICA_EINVAL, at - r->start, "not a regular expression: %s",
                             what);
}

static int too_much(struct reader *r, const char *what)
{
    return replica__error_at(r->err, REPLICA_ELIMIT, r->at - r->start, "regular expression: %s",
                             what);
}

static bool next_is(const struct reader *r, const char *what)
{
    size_t n = strlen(what);

    return (size_t)(r->end - r->at) >= n && memcmp(r->at, what, n) == 0;
}

static bool take(struct reader *r, const char *what)
{
    if (!next_is(r, what))
        return false;
    r->at += strlen(what);
    return true;
}

/* Are letters the same in both cases? */
static bool is_folded(const struct reader *r)
{
    return r->flags & REPLICA__PATTERN_IGNORE_CASE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- characters ------------------------------------------------------------------ */

static bool is_surrogate(uint32_t c)
{
    return c >= 0xD800 && c <= 0xDFFF;
}

static void put_char(struct reader *r, uint32_t c)
{
    if (c < 0x80 && (is_digit((char)c) || is_letter((char)c)))
        replica__buf_char(r->out, (char)c);
    else
        replica__buf_printf(r->out, "\\x{%x}", is_surrogate(c) ? 0xFFFDu : (unsigned)c);
}

/* All lone surrogates are one character, U+FFFD, in what is matched. */
static void put_range(struct reader *r, uint32_t low, uint32_t high)
{
    if (low < 0xD800 && high > 0xDFFF) { /* goes across them */
        put_range(r, low, 0xD7FF);
        put_range(r, 0xE000, high);
        return;
    }
    if (low < 0xD800 && is_surrogate(high)) {
        put_range(r, low, 0xD7FF);
        low = high;
    } else if (is_surrogate(low) && high > 0xDFFF) {
        put_range(r, 0xE000, high);
        high = low;
    }
    put_char(r, low);
    replica__buf_char(r->out, '-');
    put_char(r, is_surrogate(low) ? low : high);
}

/* One character of the text, which is UTF-8 or a surrogate in three bytes. */
static int read_char(struct reader *r, uint32_t *ret)
{
    unsigned char lead = (unsigned char)*r->at;
    int more = lead < 0x80 ? 0 : lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    uint32_t c = more == 0 ? lead : more == 1 ? lead & 0x1Fu : more == 2 ? lead & 0xFu : lead & 7u;

    if (more < 0 || r->end - r->at <= more)
        return wrong(r, r->at, "it is no UTF-8");
    for (int i = 1; i <= more; i++) {
        if (((unsigned char)r->at[i] & 0xC0) != 0x80)
            return wrong(r, r->at, "it is no UTF-8");
        c = c << 6 | ((unsigned char)r->at[i] & 0x3Fu);
    }
    if (c > 0x10FFFF)
        return wrong(r, r->at, "it is no UTF-8");
    r->at += more + 1;
    *ret = c;
    return 0;
}

/* Up to max hexadecimal digits; returns how many there were. */
static int read_hex(struct reader *r, int max, uint32_t *ret)
{
    uint32_t c = 0;
    int n = 0;

    for (; n < max && r->at < r->end; n++, r->at++) {
        char d = *r->at;

        if (is_digit(d))
            c = c << 4 | (uint32_t)(d - '0');
        else if ((d | 32) >= 'a' && (d | 32) <= 'f')
            c = c << 4 | (uint32_t)((d | 32) - 'a' + 10);
        else
            break;
    }
    *ret = c;
    return n;
}

/* Behind \u: XXXX, a pair of them, or {...}. */
static int read_unicode(struct reader *r, const char *from, uint32_t *ret)
{
    uint32_t c;
    uint32_t low;

    if (take(r, "{")) {
        while (next_is(r, "0") && !next_is(r, "0}"))
            r->at++;
        if (read_hex(r, 6, &c) == 0 || c > 0x10FFFF || !take(r, "}"))
            return wrong(r, from, "no code point in \\u{}");
        *ret = c;
        return 0;
    }
    if (read_hex(r, 4, &c) != 4)
        return wrong(r, from, "\\u without four hexadecimal digits");
    if (c >= 0xD800 && c <= 0xDBFF && next_is(r, "\\u")) {
        const char *back = r->at;

        r->at += 2;
        if (read_hex(r, 4, &low) == 4 && low >= 0xDC00 && low <= 0xDFFF)
            c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
        else
            r->at = back;
    }
    *ret = c;
    return 0;
}

/* An escape that stands for one character; r->at is behind the backslash. */
static int read_escape(struct reader *r, uint32_t *ret)
{
    static const char controls[] = "t\tn\nv\vf\fr\r";
    const char *from = r->at - 1;
    const char *control;
    char c;

    if (r->at >= r->end)
        return wrong(r, from, "a backslash at the end");
    c = *r->at++;
    control = c && is_letter(c) ? strchr(controls, c) : NULL;
    if (control) {
        *ret = (uint32_t)control[1];
        return 0;
    }
    switch (c) {
    case '0':
        if (r->at < r->end && is_digit(*r->at))
            return wrong(r, from, "\\0 before a digit");
        *ret = 0;
        return 0;
    case 'c':
        if (r->at >= r->end || !is_letter(*r->at))
            return wrong(r, from, "\\c without a letter");
        *ret = (uint32_t)*r->at++ & 31;
        return 0;
    case 'x':
        if (read_hex(r, 2, ret) != 2)
            return wrong(r, from, "\\x without two hexadecimal digits");
        return 0;
    case 'u':
        return read_unicode(r, from, ret);
    default:
        if (c <= ' ' || c == '_' || c == 127 || is_digit(c) || is_letter(c))
            return wrong(r, from, "an escape that is none");
        *ret = (uint32_t)c;
        return 0;
    }
}

/* ---- classes --------------------------------------------------------------------- */

static int put_property(struct reader *r, const char *from, bool complement)
{
    const char *name = r->at + 1;
    const char *close;

    if (!next_is(r, "{") || !(close = memchr(name, '}', (size_t)(r->end - name))))
        return wrong(r, from, "\\p without {a property}");
    if (!replica__pattern_property(name, (size_t)(close - name), complement, is_folded(r), r->out))
        return wrong(r, from, "a property that there is not");
    r->at = close + 1;
    return 0;
}

/* \d and its like, for the inside of a class.  1: it was one, 0: it is something else. */
static int put_set(struct reader *r)
{
    const char *from = r->at - 1;
    const char *set = NULL;

    if (r->at >= r->end)
        return 0;
    switch (*r->at) {
    case 'd': set = "0-9"; break;
    case 'D': set = "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}"; break;
    case 'w': set = is_folded(r) ? FOLDED_WORD : WORD; break;
    case 'W': set = is_folded(r) ? NO_FOLDED_WORD : NO_WORD; break;
    case 's': set = SPACE; break;
    case 'S': set = NO_SPACE; break;
    case 'p':
    case 'P': {
        int rc;

        r->at++;
        rc = put_property(r, from, r->at[-1] == 'P');
        return rc < 0 ? rc : 1;
    }
    default: return 0;
    }
    r->at++;
    replica__buf_str(r->out, set);
    return 1;
}

/* One side of a range, or a set (1), which is in out already. */
static int class_atom(struct reader *r, uint32_t *ret)
{
    int rc;

    if (!take(r, "\\"))
        return read_char(r, ret);
    rc = put_set(r);
    if (rc != 0)
        return rc;
    if (take(r, "b")) {
        *ret = '\b';
        return 0;
    }
    return read_escape(r, ret);
}

/* Behind the '['. */
static int class(struct reader *r)
{
    const char *from = r->at - 1;
    bool complement = take(r, "^");

    if (take(r, "]")) {
        replica__buf_str(r->out, complement ? "." : "[^\\x{0}-\\x{10ffff}]");
        return 0;
    }
    replica__buf_str(r->out, complement ? "[^" : "[");
    while (!take(r, "]")) {
        const char *atom = r->at;
        uint32_t low = 0;
        uint32_t high = 0;
        int set;
        int rc;

        if (r->at >= r->end)
            return wrong(r, from, "a class without its end");
        set = class_atom(r, &low);
        if (set < 0)
            return set;
        if (!next_is(r, "-") || next_is(r, "-]")) {
            if (!set)
                put_char(r, low);
            continue;
        }
        r->at++;
        if (r->at >= r->end)
            return wrong(r, from, "a class without its end");
        rc = class_atom(r, &high);
        if (rc < 0)
            return rc;
        if (set || rc || high < low)
            return wrong(r, atom, "a range that is none");
        put_range(r, low, high);
    }
    replica__buf_char(r->out, ']');
    return 0;
}

/* ---- groups ---------------------------------------------------------------------- */

/* The name behind "(?<" or "\k<", up to its '>'. */
static int group_name(struct reader *r, const char **ret_name, size_t *ret_len)
{
    const char *from = r->at;

    while (r->at < r->end && *r->at != '>') {
        char c = *r->at;

        if (!is_letter(c) && c != '_' && c != '$' && !(c & 0x80) &&
            !(is_digit(c) && r->at > from))
            return wrong(r, from, "a group's name that is none");
        r->at++;
    }
    if (r->at >= r->end || r->at == from)
        return wrong(r, from, "a group's name that is none");
    *ret_name = from;
    *ret_len = (size_t)(r->at - from);
    r->at++;
    return 0;
}

/* How many capturing groups the text has; with a name, the number of the first of that name, or
 * 0. */
static int count_groups(const struct reader *r, const char *name, size_t len)
{
    bool inside = false; /* a class */
    int n = 0;

    for (const char *at = r->start; at < r->end; at++) {
        size_t left = (size_t)(r->end - at);

        if (*at == '\\') {
            at++;
        } else if (inside) {
            inside = *at != ']';
        } else if (*at == '[') {
            inside = true;
        } else if (*at == '(') {
            bool named = left > 4 && memcmp(at, "(?<", 3) == 0 && at[3] != '=' && at[3] != '!';

            n += named || left < 2 || at[1] != '?';
            if (name && named && left > 3 + len && memcmp(at + 3, name, len) == 0 &&
                at[3 + len] == '>')
                return n;
        }
    }
    return name ? 0 : n;
}

static int disjunction(struct reader *r);

/* Behind the '(': ret_assertion tells whether it is one, which nothing may repeat. */
static int group(struct reader *r, bool *ret_assertion)
{
    static const char *const plain[] = { "?:", "?=", "?!", "?<=", "?<!" };
    const char *from = r->at - 1;
    const char *name;
    size_t len;
    size_t kind = 0;
    int rc;

    while (kind < 5 && !take(r, plain[kind]))
        kind++;
    *ret_assertion = kind > 0 && kind < 5;
    replica__buf_char(r->out, '(');
    if (kind < 5) {
        replica__buf_str(r->out, plain[kind]);
    } else {
        r->groups++;
        if (take(r, "?<")) {
            rc = group_name(r, &name, &len);
            if (rc < 0)
                return rc;
            if (++r->names > MAX_NAMES)
                return too_much(r, "too many named groups");
            if (count_groups(r, name, len) != r->groups)
                return wrong(r, name, "two groups of one name");
        } else if (next_is(r, "?")) {
            return wrong(r, from, "a group of an unknown kind");
        }
    }
    if (++r->depth > MAX_DEPTH)
        return too_much(r, "too many groups in groups");
    rc = disjunction(r);
    r->depth--;
    if (rc < 0)
        return rc;
    if (!take(r, ")"))
        return wrong(r, from, "a group without its end");
    replica__buf_char(r->out, ')');
    return 0;
}

/* ---- terms ----------------------------------------------------------------------- */

static int back_reference(struct reader *r, const char *from)
{
    const char *name;
    size_t len;
    int n = 0;
    int rc;

    if (take(r, "k")) {
        if (!take(r, "<"))
            return wrong(r, from, "\\k without a group's name");
        rc = group_name(r, &name, &len);
        if (rc < 0)
            return rc;
        if (++r->names > MAX_NAMES)
            return too_much(r, "too many names of groups");
        n = count_groups(r, name, len);
    } else {
        while (r->at < r->end && is_digit(*r->at) && n <= MAX_REPEAT)
            n = n * 10 + (*r->at++ - '0');
    }
    if (n == 0 || n > r->total)
        return wrong(r, from, "a reference to a group that there is not");
    replica__buf_printf(r->out, "\\g{%d}", n);
    return 0;
}

/* Behind a backslash outside a class. */
static int escape(struct reader *r, bool *ret_assertion)
{
    const char *from = r->at - 1;
    uint32_t c;
    int rc;

    if (next_is(r, "b") || next_is(r, "B")) {
        bool edge = *r->at++ == 'b';

        if (is_folded(r))
            replica__buf_str(r->out, edge ? FOLDED_EDGE : NO_FOLDED_EDGE);
        else
            replica__buf_str(r->out, edge ? "\\b" : "\\B");
        *ret_assertion = true;
        return 0;
    }
    if (next_is(r, "k") || (r->at < r->end && *r->at >= '1' && *r->at <= '9'))
        return back_reference(r, from);
    if (r->at < r->end && *r->at && strchr("dDwWsSpP", *r->at)) {
        replica__buf_char(r->out, '[');
        rc = put_set(r);
        replica__buf_char(r->out, ']');
        return rc < 0 ? rc : 0;
    }
    rc = read_escape(r, &c);
    if (rc < 0)
        return rc;
    put_char(r, c);
    return 0;
}

static int read_number(struct reader *r, int *ret)
{
    const char *from = r->at;
    int n = 0;

    for (; r->at < r->end && is_digit(*r->at); r->at++)
        n = n > MAX_REPEAT ? n : n * 10 + (*r->at - '0');
    *ret = n;
    return r->at == from ? wrong(r, from, "a repetition that is none") : 0;
}

/* * + ? {2} {2,} {2,3}, each lazy with a ? behind it; nothing if there is none. */
static int quantifier(struct reader *r, bool assertion)
{
    const char *from = r->at;
    int least;
    int most;
    int rc;

    if (r->at >= r->end || !*from || !strchr("*+?{", *from))
        return 0;
    if (assertion)
        return wrong(r, from, "repeats an assertion");
    r->at++;
    if (*from != '{') {
        replica__buf_char(r->out, *from);
    } else {
        rc = read_number(r, &least);
        if (rc < 0)
            return rc;
        most = least;
        if (take(r, ",")) {
            most = -1;
            if (!next_is(r, "}") && (rc = read_number(r, &most)) < 0)
                return rc;
        }
        if (!take(r, "}") || (most >= 0 && most < least))
            return wrong(r, from, "a repetition that is none");
        if (least > MAX_REPEAT || most > MAX_REPEAT)
            return too_much(r, "repeats too often");
        if (most < 0)
            replica__buf_printf(r->out, "{%d,}", least);
        else
            replica__buf_printf(r->out, "{%d,%d}", least, most);
    }
    if (take(r, "?"))
        replica__buf_char(r->out, '?');
    return 0;
}

/* ^ $ . and what stands for itself. */
static int plain_term(struct reader *r, bool *ret_assertion)
{
    bool lines = r->flags & REPLICA__PATTERN_MULTILINE;
    uint32_t c;
    int rc;

    *ret_assertion = true;
    if (take(r, "^")) {
        replica__buf_str(r->out, lines ? "(?<![^" LINE_END "])" : "^");
        return 0;
    }
    if (take(r, "$")) {
        replica__buf_str(r->out, lines ? "(?![^" LINE_END "])" : "$");
        return 0;
    }
    *ret_assertion = false;
    if (take(r, ".")) {
        replica__buf_str(r->out, r->flags & REPLICA__PATTERN_DOT_ALL ? "." : "[^" LINE_END "]");
        return 0;
    }
    if (*r->at && strchr("*+?{", *r->at))
        return wrong(r, r->at, "repeats nothing");
    if (*r->at && strchr("]}", *r->at))
        return wrong(r, r->at, "a bracket that was not opened");
    rc = read_char(r, &c);
    if (rc == 0)
        put_char(r, c);
    return rc;
}

static int term(struct reader *r)
{
    bool assertion = false;
    int rc;

    if (take(r, "("))
        rc = group(r, &assertion);
    else if (take(r, "["))
        rc = class(r);
    else if (take(r, "\\"))
        rc = escape(r, &assertion);
    else
        rc = plain_term(r, &assertion);
    return rc < 0 ? rc : quantifier(r, assertion);
}

/* Alternatives up to the group's end, or the text's. */
static int disjunction(struct reader *r)
{
    while (r->at < r->end && *r->at != ')') {
        if (take(r, "|")) {
            replica__buf_char(r->out, '|');
        } else {
            int rc = term(r);

            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

int replica__pattern_translate(const char *text, size_t len, unsigned flags,
                               struct replica__buf *out, replica_error *err)
{
    struct reader r = { .start = text, .at = text, .end = text + len, .flags = flags, .out = out,
                        .err = err };
    int rc;

    if (len > MAX_LENGTH)
        return too_much(&r, "too long");
    r.total = count_groups(&r, NULL, 0);
    rc = disjunction(&r);
    if (rc < 0)
        return rc;
    if (r.at < r.end)
        return wrong(&r, r.at, "a bracket that was not opened");
    return 0;
}
