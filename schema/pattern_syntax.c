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
#include "schema/pattern_reader.h"

#include <string.h>

enum {
    MAX_LENGTH = 64 * 1024, /* bytes of an expression */
    MAX_DEPTH = 200,        /* of groups in groups; PCRE2's own is 250 */
    MAX_NAMES = 500,        /* named groups, each looked for in the whole text */
    MAX_REPEAT = 65535,     /* PCRE2's */
};

#define LINE_END "\\n\\r\\x{2028}\\x{2029}"

int replica__pattern_wrong(struct pattern_reader *r, const char *at, const char *what)
{
    return replica__error_at(r->err, REPLICA_EINVAL, at - r->start, "not a regular expression: %s",
                             what);
}

int replica__pattern_too_much(struct pattern_reader *r, const char *what)
{
    return replica__error_at(r->err, REPLICA_ELIMIT, r->at - r->start, "regular expression: %s",
                             what);
}

/* ---- groups ---------------------------------------------------------------------- */

/* The name behind "(?<" or "\k<", up to its '>'. */
static int group_name(struct pattern_reader *r, const char **ret_name, size_t *ret_len)
{
    const char *from = r->at;

    while (r->at < r->end && *r->at != '>') {
        char c = *r->at;

        if (!pattern_is_letter(c) && c != '_' && c != '$' && !(c & 0x80) &&
            !(pattern_is_digit(c) && r->at > from))
            return replica__pattern_wrong(r, from, "a group's name that is none");
        r->at++;
    }
    if (r->at >= r->end || r->at == from)
        return replica__pattern_wrong(r, from, "a group's name that is none");
    *ret_name = from;
    *ret_len = (size_t)(r->at - from);
    r->at++;
    return 0;
}

/* How many capturing groups the text has; with a name, the number of the first of that name, or
 * 0. */
static int count_groups(const struct pattern_reader *r, const char *name, size_t len)
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

static int disjunction(struct pattern_reader *r);

/* Behind the '(': ret_assertion tells whether it is one, which nothing may repeat. */
static int group(struct pattern_reader *r, bool *ret_assertion)
{
    static const char *const plain[] = { "?:", "?=", "?!", "?<=", "?<!" };
    const char *from = r->at - 1;
    const char *name;
    size_t len;
    size_t kind = 0;
    int rc;

    while (kind < 5 && !pattern_take(r, plain[kind]))
        kind++;
    *ret_assertion = kind > 0 && kind < 5;
    replica__buf_char(r->out, '(');
    if (kind < 5) {
        replica__buf_str(r->out, plain[kind]);
    } else {
        r->groups++;
        if (pattern_take(r, "?<")) {
            rc = group_name(r, &name, &len);
            if (rc < 0)
                return rc;
            if (++r->names > MAX_NAMES)
                return replica__pattern_too_much(r, "too many named groups");
            if (count_groups(r, name, len) != r->groups)
                return replica__pattern_wrong(r, name, "two groups of one name");
        } else if (pattern_next_is(r, "?")) {
            return replica__pattern_wrong(r, from, "a group of an unknown kind");
        }
    }
    if (++r->depth > MAX_DEPTH)
        return replica__pattern_too_much(r, "too many groups in groups");
    rc = disjunction(r);
    r->depth--;
    if (rc < 0)
        return rc;
    if (!pattern_take(r, ")"))
        return replica__pattern_wrong(r, from, "a group without its end");
    replica__buf_char(r->out, ')');
    return 0;
}

/* ---- terms ----------------------------------------------------------------------- */

static int back_reference(struct pattern_reader *r, const char *from)
{
    const char *name;
    size_t len;
    int n = 0;
    int rc;

    if (pattern_take(r, "k")) {
        if (!pattern_take(r, "<"))
            return replica__pattern_wrong(r, from, "\\k without a group's name");
        rc = group_name(r, &name, &len);
        if (rc < 0)
            return rc;
        if (++r->names > MAX_NAMES)
            return replica__pattern_too_much(r, "too many names of groups");
        n = count_groups(r, name, len);
    } else {
        while (r->at < r->end && pattern_is_digit(*r->at) && n <= MAX_REPEAT)
            n = n * 10 + (*r->at++ - '0');
    }
    if (n == 0 || n > r->total)
        return replica__pattern_wrong(r, from, "a reference to a group that there is not");
    replica__buf_printf(r->out, "\\g{%d}", n);
    return 0;
}

/* Behind a backslash outside a class. */
static int escape(struct pattern_reader *r, bool *ret_assertion)
{
    const char *from = r->at - 1;
    uint32_t c;
    int rc;

    if (pattern_next_is(r, "b") || pattern_next_is(r, "B")) {
        bool edge = *r->at++ == 'b';

        replica__pattern_put_edge(r, edge);
        *ret_assertion = true;
        return 0;
    }
    if (pattern_next_is(r, "k") || (r->at < r->end && *r->at >= '1' && *r->at <= '9'))
        return back_reference(r, from);
    if (r->at < r->end && *r->at && strchr("dDwWsSpP", *r->at)) {
        replica__buf_char(r->out, '[');
        rc = replica__pattern_put_set(r);
        replica__buf_char(r->out, ']');
        return rc < 0 ? rc : 0;
    }
    rc = replica__pattern_read_escape(r, &c);
    if (rc < 0)
        return rc;
    replica__pattern_put_char(r, c);
    return 0;
}

static int read_number(struct pattern_reader *r, int *ret)
{
    const char *from = r->at;
    int n = 0;

    for (; r->at < r->end && pattern_is_digit(*r->at); r->at++)
        n = n > MAX_REPEAT ? n : n * 10 + (*r->at - '0');
    *ret = n;
    return r->at == from ? replica__pattern_wrong(r, from, "a repetition that is none") : 0;
}

/* * + ? {2} {2,} {2,3}, each lazy with a ? behind it; nothing if there is none. */
static int quantifier(struct pattern_reader *r, bool assertion)
{
    const char *from = r->at;
    int least;
    int most;
    int rc;

    if (r->at >= r->end || !*from || !strchr("*+?{", *from))
        return 0;
    if (assertion)
        return replica__pattern_wrong(r, from, "repeats an assertion");
    r->at++;
    if (*from != '{') {
        replica__buf_char(r->out, *from);
    } else {
        rc = read_number(r, &least);
        if (rc < 0)
            return rc;
        most = least;
        if (pattern_take(r, ",")) {
            most = -1;
            if (!pattern_next_is(r, "}") && (rc = read_number(r, &most)) < 0)
                return rc;
        }
        if (!pattern_take(r, "}") || (most >= 0 && most < least))
            return replica__pattern_wrong(r, from, "a repetition that is none");
        if (least > MAX_REPEAT || most > MAX_REPEAT)
            return replica__pattern_too_much(r, "repeats too often");
        if (most < 0)
            replica__buf_printf(r->out, "{%d,}", least);
        else
            replica__buf_printf(r->out, "{%d,%d}", least, most);
    }
    if (pattern_take(r, "?"))
        replica__buf_char(r->out, '?');
    return 0;
}

/* ^ $ . and what stands for itself. */
static int plain_term(struct pattern_reader *r, bool *ret_assertion)
{
    bool lines = r->flags & REPLICA__PATTERN_MULTILINE;
    uint32_t c;
    int rc;

    *ret_assertion = true;
    if (pattern_take(r, "^")) {
        replica__buf_str(r->out, lines ? "(?<![^" LINE_END "])" : "^");
        return 0;
    }
    if (pattern_take(r, "$")) {
        replica__buf_str(r->out, lines ? "(?![^" LINE_END "])" : "$");
        return 0;
    }
    *ret_assertion = false;
    if (pattern_take(r, ".")) {
        replica__buf_str(r->out, r->flags & REPLICA__PATTERN_DOT_ALL ? "." : "[^" LINE_END "]");
        return 0;
    }
    if (*r->at && strchr("*+?{", *r->at))
        return replica__pattern_wrong(r, r->at, "repeats nothing");
    if (*r->at && strchr("]}", *r->at))
        return replica__pattern_wrong(r, r->at, "a bracket that was not opened");
    rc = replica__pattern_read_char(r, &c);
    if (rc == 0)
        replica__pattern_put_char(r, c);
    return rc;
}

static int term(struct pattern_reader *r)
{
    bool assertion = false;
    int rc;

    if (pattern_take(r, "("))
        rc = group(r, &assertion);
    else if (pattern_take(r, "["))
        rc = replica__pattern_class(r);
    else if (pattern_take(r, "\\"))
        rc = escape(r, &assertion);
    else
        rc = plain_term(r, &assertion);
    return rc < 0 ? rc : quantifier(r, assertion);
}

/* Alternatives up to the group's end, or the text's. */
static int disjunction(struct pattern_reader *r)
{
    while (r->at < r->end && *r->at != ')') {
        if (pattern_take(r, "|")) {
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
    struct pattern_reader r = { .start = text, .at = text, .end = text + len, .flags = flags,
                                .out = out, .err = err };
    int rc;

    if (len > MAX_LENGTH)
        return replica__pattern_too_much(&r, "too long");
    r.total = count_groups(&r, NULL, 0);
    rc = disjunction(&r);
    if (rc < 0)
        return rc;
    if (r.at < r.end)
        return replica__pattern_wrong(&r, r.at, "a bracket that was not opened");
    return 0;
}
