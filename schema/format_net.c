/* Names and addresses of machines and mailboxes: RFC 1123, 2673, 4291, 5321 and 6531. */
#include "schema/format_internal.h"

enum { MAX_LABEL = 63, MAX_HOST = 253, MAX_LOCAL = 64 };

bool replica__format_is_ldh(const char *label, size_t len)
{
    if (len == 0 || len > MAX_LABEL || label[0] == '-' || label[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!format_is_letter(label[i]) && !format_is_digit(label[i]) && label[i] != '-')
            return false;
    return true;
}

static int is_label(const char *label, size_t len)
{
    if (!replica__format_is_ldh(label, len))
        return 0;
#ifdef REPLICA_HAVE_IDN2
    if (len >= 4 && (label[0] | 32) == 'x' && (label[1] | 32) == 'n' && label[2] == '-' &&
        label[3] == '-')
        return replica__format_a_label(label, len);
#endif
    return 1;
}

/* In a mailbox of RFC 6531 labels are UTF-8, in whatever form the user typed them. */
static int is_utf8_label(const char *label, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((label[i] & 0x80) == 0 && !format_is_letter(label[i]) && !format_is_digit(label[i]) &&
            label[i] != '-')
            return 0;
    return len > 0 && len <= (size_t)MAX_LABEL * 4 && label[0] != '-' && label[len - 1] != '-';
}

static int is_host(const char *text, size_t len, int (*label)(const char *, size_t))
{
    const char *at = text;
    const char *end = text + len;

    if (len == 0)
        return 0;
    for (;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        int r = label(at, (size_t)((dot ? dot : end) - at));

        if (r <= 0 || !dot)
            return r;
        at = dot + 1;
    }
}

int replica__format_hostname(const char *text, size_t len)
{
    return len <= MAX_HOST ? is_host(text, len, is_label) : 0;
}

int replica__format_ipv4(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);

    for (int i = 0; i < 4; i++) {
        const char *from;
        int n = 0;

        if (i > 0 && !format_take(&t, '.'))
            return 0;
        from = t.at;
        if (format_take_digits(&t, 3) == 0 || (*from == '0' && t.at - from > 1))
            return 0;
        for (; from < t.at; from++)
            n = n * 10 + (*from - '0');
        if (n > 255)
            return 0;
    }
    return format_at_end(&t);
}

int replica__format_ipv6(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);
    bool gap = false;
    int groups = 0;

    if (len >= 2 && memcmp(text, "::", 2) == 0) {
        gap = true;
        t.at += 2;
    }
    while (!format_at_end(&t) && groups < 8) {
        struct format_text group = t;
        int digits = 0;

        while (digits < 4 && group.at < group.end && format_is_hex(*group.at)) {
            group.at++;
            digits++;
        }
        if (digits == 0)
            return 0;
        if (!format_at_end(&group) && *group.at == '.') {
            if (!replica__format_ipv4(t.at, format_left(&t)))
                return 0;
            groups += 2;
            t.at = t.end;
            break;
        }
        t = group;
        groups++;
        if (format_at_end(&t))
            break;
        if (!format_take(&t, ':') || format_at_end(&t))
            return 0;
        if (*t.at == ':') {
            if (gap)
                return 0;
            gap = true;
            t.at++;
        }
    }
    return format_at_end(&t) && (gap ? groups < 8 : groups == 8);
}

/* ---- mailboxes ------------------------------------------------------------------- */

static bool is_atom(char c, bool utf8)
{
    return format_is_letter(c) || format_is_digit(c) ||
           format_is_one_of(c, "!#$%&'*+-/=?^_`{|}~") || (utf8 && (c & 0x80));
}

/* "joe bloggs": anything printable, quotes and backslashes behind a backslash. */
static bool take_quoted(struct format_text *t, bool utf8)
{
    if (!format_take(t, '"'))
        return false;
    while (t->at < t->end && *t->at != '"') {
        if (*t->at == '\\' && ++t->at == t->end)
            return false;
        if (!(*t->at >= ' ' && *t->at < 127) && !(utf8 && (*t->at & 0x80)))
            return false;
        t->at++;
    }
    return format_take(t, '"');
}

/* joe.bloggs */
static bool take_atoms(struct format_text *t, bool utf8)
{
    do {
        const char *from = t->at;

        while (t->at < t->end && is_atom(*t->at, utf8))
            t->at++;
        if (t->at == from)
            return false;
    } while (format_take(t, '.'));
    return true;
}

/* [127.0.0.1], [IPv6:::1] */
static int is_literal(const char *text, size_t len)
{
    static const char ipv6[] = "IPv6:";

    if (len < 2 || text[len - 1] != ']')
        return 0;
    text++;
    len -= 2;
    if (len > sizeof(ipv6) - 1 && memcmp(text, ipv6, sizeof(ipv6) - 1) == 0)
        return replica__format_ipv6(text + sizeof(ipv6) - 1, len - (sizeof(ipv6) - 1));
    return replica__format_ipv4(text, len);
}

static int is_mailbox(const char *text, size_t len, bool utf8)
{
    struct format_text t = format_text(text, len);
    bool quoted = len > 0 && text[0] == '"';

    if (!(quoted ? take_quoted(&t, utf8) : take_atoms(&t, utf8)))
        return 0;
    if (t.at - text > MAX_LOCAL || !format_take(&t, '@') || format_at_end(&t))
        return 0;
    if (*t.at == '[')
        return is_literal(t.at, format_left(&t));
    if (utf8)
        return is_host(t.at, format_left(&t), is_utf8_label);
    return replica__format_hostname(t.at, format_left(&t));
}

int replica__format_email(const char *text, size_t len)
{
    return is_mailbox(text, len, false);
}

int replica__format_idn_email(const char *text, size_t len)
{
    return is_mailbox(text, len, true);
}
