/* The characters of an expression, its escapes, and classes of them, said again for PCRE2. */
#include "schema/pattern_reader.h"
#include "schema/pattern_syntax.h"

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

/* ---- characters ------------------------------------------------------------------ */

static bool is_surrogate(uint32_t c)
{
    return c >= 0xD800 && c <= 0xDFFF;
}

void replica__pattern_put_char(struct pattern_reader *r, uint32_t c)
{
    if (c < 0x80 && (pattern_is_digit((char)c) || pattern_is_letter((char)c)))
        replica__buf_char(r->out, (char)c);
    else
        replica__buf_printf(r->out, "\\x{%x}", is_surrogate(c) ? 0xFFFDu : (unsigned)c);
}

/* All lone surrogates are one character, U+FFFD, in what is matched. */
static void put_range(struct pattern_reader *r, uint32_t low, uint32_t high)
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
    replica__pattern_put_char(r, low);
    replica__buf_char(r->out, '-');
    replica__pattern_put_char(r, is_surrogate(low) ? low : high);
}

int replica__pattern_read_char(struct pattern_reader *r, uint32_t *ret)
{
    unsigned char lead = (unsigned char)*r->at;
    int more = lead < 0x80 ? 0 : lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    uint32_t c = more == 0 ? lead : more == 1 ? lead & 0x1Fu : more == 2 ? lead & 0xFu : lead & 7u;

    if (more < 0 || r->end - r->at <= more)
        return replica__pattern_wrong(r, r->at, "it is no UTF-8");
    for (int i = 1; i <= more; i++) {
        if (((unsigned char)r->at[i] & 0xC0) != 0x80)
            return replica__pattern_wrong(r, r->at, "it is no UTF-8");
        c = c << 6 | ((unsigned char)r->at[i] & 0x3Fu);
    }
    if (c > 0x10FFFF)
        return replica__pattern_wrong(r, r->at, "it is no UTF-8");
    r->at += more + 1;
    *ret = c;
    return 0;
}

/* Up to max hexadecimal digits; returns how many there were. */
static int read_hex(struct pattern_reader *r, int max, uint32_t *ret)
{
    uint32_t c = 0;
    int n = 0;

    for (; n < max && r->at < r->end; n++, r->at++) {
        char d = *r->at;

        if (pattern_is_digit(d))
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
static int read_unicode(struct pattern_reader *r, const char *from, uint32_t *ret)
{
    uint32_t c;
    uint32_t low;

    if (pattern_take(r, "{")) {
        while (pattern_next_is(r, "0") && !pattern_next_is(r, "0}"))
            r->at++;
        if (read_hex(r, 6, &c) == 0 || c > 0x10FFFF || !pattern_take(r, "}"))
            return replica__pattern_wrong(r, from, "no code point in \\u{}");
        *ret = c;
        return 0;
    }
    if (read_hex(r, 4, &c) != 4)
        return replica__pattern_wrong(r, from, "\\u without four hexadecimal digits");
    if (c >= 0xD800 && c <= 0xDBFF && pattern_next_is(r, "\\u")) {
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

int replica__pattern_read_escape(struct pattern_reader *r, uint32_t *ret)
{
    static const char controls[] = "t\tn\nv\vf\fr\r";
    const char *from = r->at - 1;
    const char *control;
    char c;

    if (r->at >= r->end)
        return replica__pattern_wrong(r, from, "a backslash at the end");
    c = *r->at++;
    control = c && pattern_is_letter(c) ? strchr(controls, c) : NULL;
    if (control) {
        *ret = (uint32_t)control[1];
        return 0;
    }
    switch (c) {
    case '0':
        if (r->at < r->end && pattern_is_digit(*r->at))
            return replica__pattern_wrong(r, from, "\\0 before a digit");
        *ret = 0;
        return 0;
    case 'c':
        if (r->at >= r->end || !pattern_is_letter(*r->at))
            return replica__pattern_wrong(r, from, "\\c without a letter");
        *ret = (uint32_t)*r->at++ & 31;
        return 0;
    case 'x':
        if (read_hex(r, 2, ret) != 2)
            return replica__pattern_wrong(r, from, "\\x without two hexadecimal digits");
        return 0;
    case 'u':
        return read_unicode(r, from, ret);
    default:
        if (c <= ' ' || c == '_' || c == 127 || pattern_is_digit(c) || pattern_is_letter(c))
            return replica__pattern_wrong(r, from, "an escape that is none");
        *ret = (uint32_t)c;
        return 0;
    }
}

/* ---- classes --------------------------------------------------------------------- */

static int put_property(struct pattern_reader *r, const char *from, bool complement)
{
    const char *name = r->at + 1;
    const char *close;

    if (!pattern_next_is(r, "{") || !(close = memchr(name, '}', (size_t)(r->end - name))))
        return replica__pattern_wrong(r, from, "\\p without {a property}");
    if (!replica__pattern_property(name, (size_t)(close - name), complement, pattern_is_folded(r),
                                    r->out))
        return replica__pattern_wrong(r, from, "a property that there is not");
    r->at = close + 1;
    return 0;
}

int replica__pattern_put_set(struct pattern_reader *r)
{
    const char *from = r->at - 1;
    const char *set = NULL;

    if (r->at >= r->end)
        return 0;
    switch (*r->at) {
    case 'd': set = "0-9"; break;
    case 'D': set = "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}"; break;
    case 'w': set = pattern_is_folded(r) ? FOLDED_WORD : WORD; break;
    case 'W': set = pattern_is_folded(r) ? NO_FOLDED_WORD : NO_WORD; break;
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
static int class_atom(struct pattern_reader *r, uint32_t *ret)
{
    int rc;

    if (!pattern_take(r, "\\"))
        return replica__pattern_read_char(r, ret);
    rc = replica__pattern_put_set(r);
    if (rc != 0)
        return rc;
    if (pattern_take(r, "b")) {
        *ret = '\b';
        return 0;
    }
    return replica__pattern_read_escape(r, ret);
}

int replica__pattern_class(struct pattern_reader *r)
{
    const char *from = r->at - 1;
    bool complement = pattern_take(r, "^");

    if (pattern_take(r, "]")) {
        replica__buf_str(r->out, complement ? "." : "[^\\x{0}-\\x{10ffff}]");
        return 0;
    }
    replica__buf_str(r->out, complement ? "[^" : "[");
    while (!pattern_take(r, "]")) {
        const char *atom = r->at;
        uint32_t low = 0;
        uint32_t high = 0;
        int set;
        int rc;

        if (r->at >= r->end)
            return replica__pattern_wrong(r, from, "a class without its end");
        set = class_atom(r, &low);
        if (set < 0)
            return set;
        if (!pattern_next_is(r, "-") || pattern_next_is(r, "-]")) {
            if (!set)
                replica__pattern_put_char(r, low);
            continue;
        }
        r->at++;
        if (r->at >= r->end)
            return replica__pattern_wrong(r, from, "a class without its end");
        rc = class_atom(r, &high);
        if (rc < 0)
            return rc;
        if (set || rc || high < low)
            return replica__pattern_wrong(r, atom, "a range that is none");
        put_range(r, low, high);
    }
    replica__buf_char(r->out, ']');
    return 0;
}

void replica__pattern_put_edge(struct pattern_reader *r, bool edge)
{
    if (pattern_is_folded(r))
        replica__buf_str(r->out, edge ? FOLDED_EDGE : NO_FOLDED_EDGE);
    else
        replica__buf_str(r->out, edge ? "\\b" : "\\B");
}
