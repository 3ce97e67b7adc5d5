/* Internationalized names of machines (RFC 5890 to 5893), with libidn2; the only file that knows
 * it.
 *
 * libidn2 checks one label.  What it leaves out is here: a name in which one label runs from right
 * to left asks something of the others, too, and the two kinds of digits do not mix. */
#include "schema/format_internal.h"

#include <idn2.h>

enum { MAX_LABEL = 63, MAX_HOST = 253, MAX_BYTES = MAX_LABEL * 4 };

/* One character of UTF-8 that libidn2 took. */
static uint32_t next_char(const char **at)
{
    const unsigned char *p = (const unsigned char *)*at;
    int more = p[0] < 0x80 ? 0 : p[0] < 0xE0 ? 1 : p[0] < 0xF0 ? 2 : 3;
    uint32_t c = more == 0 ? p[0] : p[0] & (0x3Fu >> more);

    for (int i = 1; i <= more; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    *at += more + 1;
    return c;
}

/* What of a label the rule of RFC 5893 asks, and libidn2 does not. */
struct direction {
    bool right_to_left; /* some character does */
    bool arabic_digits;
    bool other_digits;
    bool digit_first;
};

/* The blocks whose characters run from right to left unless they are digits. */
static bool runs_left(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8FF) || (c >= 0xFB1D && c <= 0xFDFF) ||
           (c >= 0xFE70 && c <= 0xFEFF) || (c >= 0x10800 && c <= 0x10FFF) ||
           (c >= 0x1E800 && c <= 0x1EFFF);
}

static struct direction direction_of(const char *label, size_t len)
{
    struct direction d = { .digit_first = len > 0 && format_is_digit(label[0]) };
    const char *end = label + len;

    while (label < end) {
        uint32_t c = next_char(&label);
        bool arabic = c >= 0x660 && c <= 0x669;
        bool digit = c <= '9' || (c >= 0x6F0 && c <= 0x6F9);

        d.arabic_digits |= arabic;
        d.other_digits |= digit && c >= '0';
        d.right_to_left |= !digit && runs_left(c);
    }
    return d;
}

static int verdict(int rc)
{
    return rc == IDN2_OK ? 1 : rc == IDN2_MALLOC ? REPLICA_ENOMEM : 0;
}

/* A label beyond ASCII with its NUL: encoded to a_label. */
static int encode(const char *label, size_t len, char a_label[MAX_LABEL + 1])
{
    uint8_t *encoded = NULL;
    struct direction d;
    int r;

    r = verdict(idn2_register_u8((const uint8_t *)label, NULL, &encoded, 0));
    if (r > 0) {
        d = direction_of(label, len);
        r = strlen((const char *)encoded) <= MAX_LABEL &&
            !(d.right_to_left && d.arabic_digits && d.other_digits);
    }
    if (r > 0)
        memcpy(a_label, encoded, strlen((const char *)encoded) + 1);
    idn2_free(encoded);
    return r;
}

static bool same_letters(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] | 32) : a[i];

        if (c != b[i])
            return false;
    }
    return b[len] == '\0';
}

/* ret_direction: of what it decodes to. */
static int check_a_label(const char *label, size_t len, struct direction *ret_direction)
{
    char text[MAX_LABEL + 1];
    char again[MAX_LABEL + 1];
    char *decoded = NULL;
    int r;

    if (len > MAX_LABEL)
        return 0;
    memcpy(text, label, len);
    text[len] = '\0';
    r = verdict(idn2_to_unicode_8z8z(text, &decoded, 0));
    if (r > 0) {
        bool ascii = true;

        for (const char *at = decoded; *at; at++)
            ascii = ascii && (*at & 0x80) == 0;
        r = ascii ? 0 : encode(decoded, strlen(decoded), again);
    }
    if (r > 0) {
        *ret_direction = direction_of(decoded, strlen(decoded));
        r = same_letters(label, again, len);
    }
    idn2_free(decoded);
    return r;
}

int replica__format_a_label(const char *label, size_t len)
{
    struct direction d;

    return check_a_label(label, len, &d);
}

/* One label: its length in ASCII, and its direction. */
static int check_label(const char *label, size_t len, size_t *ret_len, struct direction *ret)
{
    char text[MAX_BYTES + 1];
    char a_label[MAX_LABEL + 1];
    bool ascii = true;
    int r;

    if (len == 0 || len > MAX_BYTES || memchr(label, '\0', len))
        return 0;
    for (size_t i = 0; i < len; i++)
        ascii = ascii && (label[i] & 0x80) == 0;
    *ret_len = len;
    if (ascii && len >= 4 && (label[0] | 32) == 'x' && (label[1] | 32) == 'n' && label[2] == '-' &&
        label[3] == '-')
        return replica__format_is_ldh(label, len) ? check_a_label(label, len, ret) : 0;
    memcpy(text, label, len);
    text[len] = '\0';
    if (ascii) {
        *ret = direction_of(text, len);
        return replica__format_is_ldh(label, len);
    }
    r = encode(text, len, a_label);
    if (r > 0) {
        *ret_len = strlen(a_label);
        *ret = direction_of(text, len);
    }
    return r;
}

/* The end of the label: U+002E, U+3002, U+FF0E or U+FF61, which has ret_len bytes. */
static const char *find_dot(const char *at, const char *end, size_t *ret_len)
{
    static const char *const dots[] = { ".", "\xE3\x80\x82", "\xEF\xBC\x8E", "\xEF\xBD\xA1" };

    for (; at < end; at++) {
        for (size_t i = 0; i < sizeof(dots) / sizeof(dots[0]); i++) {
            *ret_len = strlen(dots[i]);
            if ((size_t)(end - at) >= *ret_len && memcmp(at, dots[i], *ret_len) == 0)
                return at;
        }
    }
    return NULL;
}

int replica__format_idn_hostname(const char *text, size_t len)
{
    const char *end = text + len;
    bool right_to_left = false;
    bool digit_first = false;
    size_t total = 0;

    for (;;) {
        struct direction d = { .right_to_left = false };
        size_t label_len = 0;
        size_t dot_len = 0;
        const char *dot = find_dot(text, end, &dot_len);
        int r = check_label(text, (size_t)((dot ? dot : end) - text), &label_len, &d);

        if (r <= 0)
            return r;
        total += label_len + (dot != NULL);
        right_to_left |= d.right_to_left;
        digit_first |= d.digit_first;
        if (total > MAX_HOST)
            return 0;
        if (!dot)
            return !(right_to_left && digit_first);
        text = dot + dot_len;
    }
}
