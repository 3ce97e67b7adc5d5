/* What the two files that read expressions share: the reader, and the characters, which
 * pattern_chars.c reads for pattern_syntax.c. */
#ifndef SCHEMA_PATTERN_READER_H
#define SCHEMA_PATTERN_READER_H

#include "base/buf.h"
#include "schema/pattern.h"

#include <stdbool.h>
#include <string.h>

struct pattern_reader {
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

/* Refuse what is at `at`, or more than there may be. */
int replica__pattern_wrong(struct pattern_reader *r, const char *at, const char *what);
int replica__pattern_too_much(struct pattern_reader *r, const char *what);

static inline bool pattern_next_is(const struct pattern_reader *r, const char *what)
{
    size_t n = strlen(what);

    return (size_t)(r->end - r->at) >= n && memcmp(r->at, what, n) == 0;
}

static inline bool pattern_take(struct pattern_reader *r, const char *what)
{
    if (!pattern_next_is(r, what))
        return false;
    r->at += strlen(what);
    return true;
}

/* Are letters the same in both cases? */
static inline bool pattern_is_folded(const struct pattern_reader *r)
{
    return r->flags & REPLICA__PATTERN_IGNORE_CASE;
}

static inline bool pattern_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool pattern_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One character of the text, which is UTF-8 or a surrogate in three bytes. */
int replica__pattern_read_char(struct pattern_reader *r, uint32_t *ret);
/* An escape that stands for one character; r->at is behind the backslash. */
int replica__pattern_read_escape(struct pattern_reader *r, uint32_t *ret);
/* A class; r->at is behind the '['. */
int replica__pattern_class(struct pattern_reader *r);
/* \d and its like, for the inside of a class.  1: it was one, 0: it is something else. */
int replica__pattern_put_set(struct pattern_reader *r);
/* \b, or \B. */
void replica__pattern_put_edge(struct pattern_reader *r, bool edge);
void replica__pattern_put_char(struct pattern_reader *r, uint32_t c);

#endif
