/* A growing text.  Invariant: data is NULL, or has room bytes of which len are text and data[len]
 * is NUL; once r is set nothing changes any more. */
#include "base/buf.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

/* Make room for n more bytes and the NUL behind them.  Returns where they go, or NULL. */
static char *grow(struct replica__buf *b, size_t n)
{
    size_t max = b->max ? b->max : SIZE_MAX / 4;
    size_t room;
    char *data;

    if (b->r < 0)
        return NULL;
    if (b->len > max || n > max - b->len) {
        b->r = REPLICA_ELIMIT;
        return NULL;
    }
    if (n < b->room - b->len) /* one byte stays for the NUL; an empty room is 0 - 0 */
        return b->data + b->len;

    room = b->room ? b->room : FIRST_ROOM;
    while (room <= b->len + n)
        room *= 2;
    data = replica__realloc(b->data, room, 1);
    if (!data) {
        b->r = REPLICA_ENOMEM;
        return NULL;
    }
    b->data = data;
    b->room = room;
    b->data[b->len] = '\0';
    return b->data + b->len;
}

void replica__buf_add(struct replica__buf *b, const void *data, size_t len)
{
    char *to = grow(b, len);

    if (!to || len == 0)
        return;
    memcpy(to, data, len);
    to[len] = '\0';
    b->len += len;
}

void replica__buf_str(struct replica__buf *b, const char *s)
{
    replica__buf_add(b, s, strlen(s));
}

void replica__buf_char(struct replica__buf *b, char c)
{
    replica__buf_add(b, &c, 1);
}

void replica__buf_int(struct replica__buf *b, int64_t n)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0)
        digits[--at] = '-';
    replica__buf_add(b, digits + at, sizeof(digits) - at);
}

void replica__buf_printf(struct replica__buf *b, const char *format, ...)
{
    va_list args;
    char *to;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        if (b->r == 0)
            b->r = REPLICA_ELIMIT; /* longer than an int: no other reason with our formats */
        return;
    }
    to = grow(b, (size_t)n);
    if (!to)
        return;
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
}

/* What stands for this byte in a JSON string: an escape, or NULL for the byte itself. */
static const char *escape_of(unsigned char c, char room[8])
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    if (c >= 0x20 && c != '"' && c != '\\')
        return NULL;
    for (size_t i = 0; i + 1 < sizeof(short_forms) - 1; i += 2) {
        if ((unsigned char)short_forms[i] == c) {
            room[0] = '\\';
            room[1] = short_forms[i + 1];
            room[2] = '\0';
            return room;
        }
    }
    snprintf(room, 8, "\\u%04x", (unsigned)c);
    return room;
}

void replica__buf_json_string(struct replica__buf *b, const char *s, size_t len)
{
    size_t plain = 0; /* where the run of bytes that need no escape starts */
    char room[8];

    replica__buf_char(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *escape = escape_of(c, room);
        size_t width = 1;

        /* A lone surrogate, as replica__json_unescape() hands it out, is no UTF-8. */
        if (c == 0xED && len - i >= 3 && (unsigned char)s[i + 1] >= 0xA0) {
            snprintf(room, sizeof(room), "\\u%04x",
                     0xD000u | ((unsigned)s[i + 1] & 0x3F) << 6 | ((unsigned)s[i + 2] & 0x3F));
            escape = room;
            width = 3;
        }
        if (!escape)
            continue;
        replica__buf_add(b, s + plain, i - plain);
        replica__buf_str(b, escape);
        i += width - 1;
        plain = i + 1;
    }
    replica__buf_add(b, s + plain, len - plain);
    replica__buf_char(b, '"');
}

char *replica__buf_reserve(struct replica__buf *b, size_t n)
{
    return grow(b, n);
}

void replica__buf_clear(struct replica__buf *b)
{
    b->len = 0;
    b->r = 0;
    if (b->data)
        b->data[0] = '\0';
}

void replica__buf_free(struct replica__buf *b)
{
    replica__free(b->data);
    b->data = NULL;
    b->len = 0;
    b->room = 0;
}

char *replica__buf_take(struct replica__buf *b, size_t *ret_len)
{
    char *text = NULL;

    grow(b, 0); /* an empty text is a text too */
    if (b->r < 0) {
        replica__buf_free(b);
        return NULL;
    }
    text = b->data;
    if (ret_len)
        *ret_len = b->len;
    b->data = NULL;
    b->len = 0;
    b->room = 0;
    return text;
}
