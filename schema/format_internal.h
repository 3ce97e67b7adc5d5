/* What the files of the formats share: a text that is read from left to right, and each other. */
#ifndef SCHEMA_FORMAT_INTERNAL_H
#define SCHEMA_FORMAT_INTERNAL_H

#include "libreplica/libreplica.h"

#include <stdbool.h>
#include <string.h>

struct format_text {
    const char *at;
    const char *end;
};

static inline struct format_text format_text(const char *text, size_t len)
{
    return (struct format_text){ text, text + len };
}

static inline size_t format_left(const struct format_text *t)
{
    return (size_t)(t->end - t->at);
}

static inline bool format_at_end(const struct format_text *t)
{
    return t->at == t->end;
}

static inline bool format_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool format_is_hex(char c)
{
    return format_is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static inline bool format_is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static inline bool format_is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static inline bool format_take(struct format_text *t, char c)
{
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

/* One of the bytes in set; NUL is none of them. */
static inline bool format_take_one_of(struct format_text *t, const char *set)
{
    if (t->at == t->end || !format_is_one_of(*t->at, set))
        return false;
    t->at++;
    return true;
}

/* Digits, at most max of them; returns how many. */
static inline size_t format_take_digits(struct format_text *t, size_t max)
{
    size_t n = 0;

    while (n < max && t->at < t->end && format_is_digit(*t->at)) {
        t->at++;
        n++;
    }
    return n;
}

/* Exactly two digits; -1: there are not. */
static inline int format_take_two(struct format_text *t)
{
    if (format_left(t) < 2 || !format_is_digit(t->at[0]) || !format_is_digit(t->at[1]))
        return -1;
    t->at += 2;
    return (t->at[-2] - '0') * 10 + (t->at[-1] - '0');
}

/* %41 */
static inline bool format_take_percent(struct format_text *t)
{
    if (format_left(t) < 3 || t->at[0] != '%' || !format_is_hex(t->at[1]) ||
        !format_is_hex(t->at[2]))
        return false;
    t->at += 3;
    return true;
}

/* One character beyond ASCII that RFC 3987 lets stand in an IRI (ucschar, and iprivate where they
 * may). */
bool replica__format_take_ucschar(struct format_text *t, bool private_too);

int replica__format_date(const char *text, size_t len);
int replica__format_time(const char *text, size_t len);
int replica__format_date_time(const char *text, size_t len);
int replica__format_duration(const char *text, size_t len);

int replica__format_hostname(const char *text, size_t len);
int replica__format_ipv4(const char *text, size_t len);
int replica__format_ipv6(const char *text, size_t len);
int replica__format_email(const char *text, size_t len);
int replica__format_idn_email(const char *text, size_t len);

int replica__format_uri(const char *text, size_t len);
int replica__format_uri_reference(const char *text, size_t len);
int replica__format_iri(const char *text, size_t len);
int replica__format_iri_reference(const char *text, size_t len);
int replica__format_uri_template(const char *text, size_t len);

/* A letter, digit or hyphen in each place, and no hyphen at the edges. */
bool replica__format_is_ldh(const char *label, size_t len);

#ifdef REPLICA_HAVE_IDN2
int replica__format_idn_hostname(const char *text, size_t len);
/* Is the label that starts with xn-- what a label of IDNA2008 is encoded to? */
int replica__format_a_label(const char *label, size_t len);
#endif

#endif
