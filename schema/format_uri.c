/* URIs and IRIs (RFC 3986, 3987), and templates for them (RFC 6570). */
#include "schema/format_internal.h"

#define UNRESERVED_MARKS "-._~"
#define SUB_DELIMS "!$&'()*+,;="

/* The character's bytes; 0: it is none. */
static size_t decode(const struct format_text *t, uint32_t *ret)
{
    unsigned char lead = (unsigned char)*t->at;
    size_t more = lead < 0xC2 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : 0;
    uint32_t c = more == 1 ? lead & 0x1Fu : more == 2 ? lead & 0xFu : lead & 7u;

    if (more == 0 || format_left(t) <= more)
        return 0;
    for (size_t i = 1; i <= more; i++)
        c = c << 6 | ((unsigned char)t->at[i] & 0x3Fu);
    *ret = c;
    return more + 1;
}

bool replica__format_take_ucschar(struct format_text *t, bool private_too)
{
    uint32_t c;
    size_t n;
    bool ok;

    if (t->at == t->end || (*t->at & 0x80) == 0 || (n = decode(t, &c)) == 0)
        return false;
    if (c < 0x10000)
        ok = (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFDCF) ||
             (c >= 0xFDF0 && c <= 0xFFEF) || (private_too && c >= 0xE000 && c <= 0xF8FF);
    else /* the last two of each plane are no characters; E0000 to E0FFF are tags */
        ok = (c & 0xFFFF) <= 0xFFFD && !(c >= 0xE0000 && c <= 0xE0FFF) &&
             (c < 0xF0000 || private_too);
    if (ok)
        t->at += n;
    return ok;
}

/* One unreserved, escaped or delimiting character, or one of more. */
static bool take_char(struct format_text *t, const char *more, bool iri)
{
    if (format_at_end(t))
        return false;
    if (format_is_letter(*t->at) || format_is_digit(*t->at) ||
        format_is_one_of(*t->at, UNRESERVED_MARKS SUB_DELIMS) || format_is_one_of(*t->at, more)) {
        t->at++;
        return true;
    }
    return format_take_percent(t) || (iri && replica__format_take_ucschar(t, false));
}

static void take_chars(struct format_text *t, const char *more, bool iri)
{
    while (take_char(t, more, iri))
        ;
}

/* What stands in brackets, or the text's end. */
static bool is_ip_literal(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);
    size_t version = 0;
    const char *from;

    if (!format_take_one_of(&t, "vV"))
        return replica__format_ipv6(text, len);
    for (; !format_at_end(&t) && format_is_hex(*t.at); t.at++)
        version++;
    if (version == 0 || !format_take(&t, '.'))
        return false;
    from = t.at;
    while (!format_at_end(&t) && *t.at != '%' && take_char(&t, ":", false))
        ;
    return t.at > from && format_at_end(&t);
}

/* user@host:port */
static bool take_authority(struct format_text *t, bool iri)
{
    struct format_text user = *t;

    take_chars(&user, ":", iri);
    if (format_take(&user, '@'))
        *t = user;
    if (format_take(t, '[')) {
        const char *close = memchr(t->at, ']', format_left(t));

        if (!close || !is_ip_literal(t->at, (size_t)(close - t->at)))
            return false;
        t->at = close + 1;
    } else {
        take_chars(t, "", iri);
    }
    if (format_take(t, ':'))
        format_take_digits(t, SIZE_MAX);
    return format_at_end(t) || format_is_one_of(*t->at, "/?#");
}

/* "http:"; without a colon t stays where it is. */
static bool take_scheme(struct format_text *t)
{
    struct format_text s = *t;

    if (format_at_end(&s) || !format_is_letter(*s.at))
        return false;
    while (!format_at_end(&s) && (format_is_letter(*s.at) || format_is_digit(*s.at) ||
                                  format_is_one_of(*s.at, "+-.")))
        s.at++;
    if (!format_take(&s, ':'))
        return false;
    *t = s;
    return true;
}

static void take_query(struct format_text *t, bool iri)
{
    do {
        take_chars(t, ":@/?", iri);
    } while (iri && replica__format_take_ucschar(t, true));
}

static int is_uri(const char *text, size_t len, bool relative, bool iri)
{
    struct format_text t = format_text(text, len);
    bool scheme = take_scheme(&t);

    if (!scheme && !relative)
        return 0;
    if (format_left(&t) >= 2 && memcmp(t.at, "//", 2) == 0) {
        t.at += 2;
        if (!take_authority(&t, iri))
            return 0;
    } else if (!scheme) { /* a colon in the first segment would make it a scheme */
        take_chars(&t, "@", iri);
        if (!format_at_end(&t) && *t.at == ':')
            return 0;
    }
    take_chars(&t, ":@/", iri);
    if (format_take(&t, '?'))
        take_query(&t, iri);
    if (format_take(&t, '#'))
        take_chars(&t, ":@/?", iri);
    return format_at_end(&t);
}

int replica__format_uri(const char *text, size_t len)
{
    return is_uri(text, len, false, false);
}

int replica__format_uri_reference(const char *text, size_t len)
{
    return is_uri(text, len, true, false);
}

int replica__format_iri(const char *text, size_t len)
{
    return is_uri(text, len, false, true);
}

int replica__format_iri_reference(const char *text, size_t len)
{
    return is_uri(text, len, true, true);
}

/* ---- templates ------------------------------------------------------------------- */

static bool take_varchar(struct format_text *t)
{
    if (format_at_end(t))
        return false;
    if (format_is_letter(*t->at) || format_is_digit(*t->at) || *t->at == '_') {
        t->at++;
        return true;
    }
    return format_take_percent(t);
}

/* name, a.b, name:3, name* */
static bool take_variable(struct format_text *t)
{
    do {
        if (!take_varchar(t))
            return false;
        while (take_varchar(t))
            ;
    } while (format_take(t, '.'));
    if (format_take(t, ':'))
        return format_take_one_of(t, "123456789") && (format_take_digits(t, 3), true);
    format_take(t, '*');
    return true;
}

/* Behind the '{'. */
static bool take_expression(struct format_text *t)
{
    format_take_one_of(t, "+#./;?&=,!@|");
    do {
        if (!take_variable(t))
            return false;
    } while (format_take(t, ','));
    return format_take(t, '}');
}

int replica__format_uri_template(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);

    while (!format_at_end(&t)) {
        if (format_take(&t, '{')) {
            if (!take_expression(&t))
                return 0;
        } else if (*t.at > ' ' && *t.at < 127 && !format_is_one_of(*t.at, "\"%<>\\^`{|}")) {
            t.at++;
        } else if (!format_take_percent(&t) && !replica__format_take_ucschar(&t, true)) {
            return 0;
        }
    }
    return 1;
}
