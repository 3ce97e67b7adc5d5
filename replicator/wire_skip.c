/* A reader over bytes from outside.  Invariant: start <= at <= end; a function that fails has
 * worded the error and says nothing about where `at` is left. */
#include "replicator/wire_skip.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A checkpoint is a few numbers and an id of at most 1,024 bytes, each of six at worst. */
enum { MAX_CHECKPOINT = 16 * 1024 };

int replica__wire_fail(const struct replica__wire_in *in, const char *where, const char *format,
                       ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return replica__error_at(in->err, in->code, (where ? where : in->at) - in->start, "%s", text);
}

static void skip_space(struct replica__wire_in *in)
{
    while (in->at < in->end
           && (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

bool replica__wire_take(struct replica__wire_in *in, char c)
{
    skip_space(in);
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

int replica__wire_end(struct replica__wire_in *in)
{
    skip_space(in);
    return in->at == in->end ? 0 : replica__wire_fail(in, NULL, "text behind the end of the body");
}

/* Between two elements, or at the end of them all. */
static int next_of(struct replica__wire_in *in, bool *first, char close)
{
    if (replica__wire_take(in, close))
        return 0;
    if (!*first && !replica__wire_take(in, ','))
        return replica__wire_fail(in, NULL, "expected ',' or '%c'", close);
    *first = false;
    return 1;
}

int replica__wire_element(struct replica__wire_in *in, bool *first)
{
    return next_of(in, first, ']');
}

int replica__wire_member(struct replica__wire_in *in, bool *first, struct replica__slice *ret_name)
{
    struct replica__slice name;
    int r = next_of(in, first, '}');

    if (r <= 0)
        return r;
    r = replica__wire_string(in, &name);
    if (r < 0)
        return r;
    if (!replica__wire_take(in, ':'))
        return replica__wire_fail(in, NULL, "expected ':'");
    *ret_name = name;
    return 1;
}

/* Behind the quote that closes the string whose first character is at p; NULL: there is none. */
static const char *string_end(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\' && ++p == end)
            break;
    }
    return NULL;
}

int replica__wire_string(struct replica__wire_in *in, struct replica__slice *ret_spelled)
{
    const char *start;
    const char *end;

    if (!replica__wire_take(in, '"'))
        return replica__wire_fail(in, NULL, "expected a string");
    start = in->at;
    end = string_end(start, in->end);
    if (!end)
        return replica__wire_fail(in, start - 1, "a string without an end");
    in->at = end;
    ret_spelled->data = start;
    ret_spelled->len = (size_t)(end - 1 - start);
    return 0;
}

/* Everything else in a value is of no interest until its end. */
static const unsigned char counts[256] = { ['"'] = 1, ['{'] = 1, ['['] = 1, ['}'] = 1, [']'] = 1 };

/* Behind the bracket that closes the one at p; NULL: there is none. */
static const char *bracket_end(const char *p, const char *end)
{
    size_t depth = 0;

    for (;;) {
        while (p < end && !counts[(unsigned char)*p])
            p++;
        if (p == end)
            return NULL;
        if (*p == '"') {
            p = string_end(p + 1, end);
            if (!p)
                return NULL;
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        else if (--depth == 0)
            return p + 1;
        p++;
    }
}

static const char *scalar_end(const char *p, const char *end)
{
    while (p < end && !memchr(",]} \t\r\n", *p, 7))
        p++;
    return p;
}

int replica__wire_value(struct replica__wire_in *in, struct replica__slice *ret_value)
{
    const char *start;
    const char *end;

    skip_space(in);
    start = in->at;
    if (start == in->end)
        return replica__wire_fail(in, NULL, "the body ends where a value should be");
    if (*start == '{' || *start == '[')
        end = bracket_end(start, in->end);
    else if (*start == '"')
        end = string_end(start + 1, in->end);
    else
        end = scalar_end(start, in->end);
    if (!end)
        return replica__wire_fail(in, start, "a value without an end");
    if (end == start)
        return replica__wire_fail(in, start, "expected a value");
    in->at = end;
    ret_value->data = start;
    ret_value->len = (size_t)(end - start);
    return 0;
}

int replica__wire_int(struct replica__wire_in *in, int64_t *ret_n)
{
    const char *start;
    bool minus;
    int64_t n = 0;
    bool fits = true;

    minus = replica__wire_take(in, '-');
    start = in->at;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        int digit = *in->at - '0';

        fits = fits && !__builtin_mul_overflow(n, (int64_t)10, &n)
            && !__builtin_sub_overflow(n, (int64_t)digit, &n); /* the negative side is longer */
    }
    if (in->at == start || scalar_end(in->at, in->end) != in->at)
        return replica__wire_fail(in, start, "expected an integer");
    if (!fits || (!minus && n == INT64_MIN))
        return replica__wire_fail(in, start, "an integer beyond 64 bits");
    *ret_n = minus ? n : -n;
    return 0;
}

bool replica__wire_null(struct replica__wire_in *in)
{
    skip_space(in);
    if (in->end - in->at < 4 || memcmp(in->at, "null", 4) != 0
        || scalar_end(in->at, in->end) != in->at + 4)
        return false;
    in->at += 4;
    return true;
}

bool replica__wire_name_is(struct replica__slice spelled, const char *name)
{
    size_t len = strlen(name);

    if (spelled.len == len && memcmp(spelled.data, name, len) == 0)
        return true;
    if (spelled.len <= len || !memchr(spelled.data, '\\', spelled.len))
        return false;
    return replica__json_check(spelled.data - 1, spelled.len + 2, NULL, NULL) == 0
        && replica__json_string_is(spelled, name, len);
}

static bool is_plain(struct replica__slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c < 0x20 || c > 0x7E || c == '\\')
            return false;
    }
    return true;
}

int replica__wire_plain(struct replica__wire_in *in, struct replica__slice *ret_text)
{
    struct replica__slice text;
    int r = replica__wire_string(in, &text);

    if (r < 0)
        return r;
    if (!is_plain(text))
        return replica__wire_fail(in, text.data, "a token with characters that are not plain");
    *ret_text = text;
    return 0;
}

int replica__wire_text(struct replica__wire_in *in, struct replica__buf *out, const char **ret_text)
{
    size_t start = out->len;
    struct replica__slice spelled;
    int r;

    if (replica__wire_null(in)) {
        *ret_text = NULL;
        return 0;
    }
    r = replica__wire_string(in, &spelled);
    if (r < 0)
        return r;
    if (is_plain(spelled)) {
        replica__buf_add(out, spelled.data, spelled.len);
    } else {
        r = replica__json_check(spelled.data - 1, spelled.len + 2, NULL, NULL);
        if (r == REPLICA_ENOMEM)
            return replica__enomem(in->err);
        if (r < 0)
            return replica__wire_fail(in, spelled.data, "not a JSON string");
        replica__json_unescape(spelled, out);
        if (out->r == 0 && memchr(out->data + start, '\0', out->len - start))
            return replica__wire_fail(in, spelled.data, "a text with U+0000");
    }
    replica__buf_char(out, '\0');
    if (out->r < 0)
        return replica__enomem(in->err);
    *ret_text = out->data + start;
    return 0;
}

struct replica__wire_in replica__wire_part(const struct replica__wire_in *in,
                                           struct replica__slice part)
{
    struct replica__wire_in ret = *in;

    ret.at = part.data;
    ret.end = part.len > 0 ? part.data + part.len : part.data; /* which may be NULL */
    return ret;
}

/* `id` and `lwt` of one of our checkpoints. */
static int checkpoint_parts(const struct replica__wire_in *whole, struct replica__slice text,
                            struct replica__slice *ret_id, int64_t *ret_lwt)
{
    struct replica__wire_in in = replica__wire_part(whole, text);
    struct replica__slice name, value;
    bool first = true;
    bool id = false, lwt = false;
    int r;

    if (!replica__wire_take(&in, '{'))
        return replica__wire_fail(&in, NULL, "a checkpoint must be an object");
    while ((r = replica__wire_member(&in, &first, &name)) > 0) {
        if (!id && replica__wire_name_is(name, "id")) {
            r = replica__wire_plain(&in, ret_id);
            id = true;
        } else if (!lwt && replica__wire_name_is(name, "lwt")) {
            r = replica__wire_int(&in, ret_lwt);
            lwt = true;
        } else {
            r = replica__wire_value(&in, &value);
        }
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (!id || !lwt || *ret_lwt < 0)
        return replica__wire_fail(&in, text.data, "a checkpoint without id and lwt");
    return 0;
}

int replica__wire_checkpoint(struct replica__wire_in *in, struct replica__slice *ret_text,
                             struct replica__slice *ret_id, int64_t *ret_lwt)
{
    struct replica__slice text, id = { "", 0 };
    int64_t lwt = 0;
    int r = replica__wire_value(in, &text);

    if (r < 0)
        return r;
    if (text.len > MAX_CHECKPOINT)
        return replica__wire_fail(in, text.data, "a checkpoint of more than %d bytes",
                                  MAX_CHECKPOINT);
    r = replica__json_check(text.data, text.len, NULL, NULL);
    if (r == REPLICA_ENOMEM)
        return replica__enomem(in->err);
    if (r < 0 || text.data[0] != '{')
        return replica__wire_fail(in, text.data, "a checkpoint must be a JSON object");
    if (ret_lwt) {
        r = checkpoint_parts(in, text, &id, &lwt);
        if (r < 0)
            return r;
        *ret_lwt = lwt;
        *ret_id = id;
    }
    *ret_text = text;
    return 0;
}
