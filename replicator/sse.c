/* The line machine of server-sent events.
 *
 * Invariant: where the pieces are cut makes no difference.  All that is carried from one to the
 * next is the unfinished line, the unfinished event, whether a CR was the last byte, and how much
 * of a byte order mark was seen.  An event that the stream's end cuts off is never given out. */
#include "replicator/sse.h"

#include <string.h>

enum { NAME_MAX_BYTES = 64 * 1024 }; /* of a type or an id: they are no data */

static const char bom[3] = { '\xEF', '\xBB', '\xBF' };

void replica__sse_init(struct replica__sse *s, size_t max)
{
    memset(s, 0, sizeof(*s));
    s->max = max;
    s->line.max = max;
    s->data.max = max;
    s->type.max = s->id.max = s->last_id.max = max < NAME_MAX_BYTES ? max : NAME_MAX_BYTES;
    s->retry_ms = -1;
}

void replica__sse_free(struct replica__sse *s)
{
    replica__buf_free(&s->line);
    replica__buf_free(&s->data);
    replica__buf_free(&s->type);
    replica__buf_free(&s->id);
    replica__buf_free(&s->last_id);
}

void replica__sse_stop(struct replica__sse *s)
{
    s->stopped = true;
}

static void set(struct replica__buf *b, const char *text, size_t len)
{
    if (b->r == 0)
        replica__buf_clear(b);
    replica__buf_add(b, text, len);
}

/* An empty line: the event is complete, if it has data. */
static void dispatch(struct replica__sse *s, const struct replica__sse_handlers *h)
{
    struct replica__sse_event event;

    if (s->id.data) { /* an empty id is one too */
        set(&s->last_id, s->id.data, s->id.len);
        replica__buf_free(&s->id);
    }
    if (s->has_data && s->last_id.r == 0) {
        event.type = s->type.len > 0 ? s->type.data : "message";
        event.data = s->data.data ? s->data.data : "";
        event.len = s->data.len;
        event.last_id = s->last_id.data ? s->last_id.data : "";
        h->event(h->ctx, &event);
    }
    s->has_data = false;
    replica__buf_clear(&s->data);
    replica__buf_clear(&s->type);
}

/* Digits only, by the book; a number beyond reason is ignored. */
static void set_retry(struct replica__sse *s, const char *value, size_t len)
{
    int64_t ms = 0;

    if (len == 0 || len > 9)
        return;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return;
        ms = ms * 10 + (value[i] - '0');
    }
    s->retry_ms = ms;
}

static bool is(const char *name, size_t len, const char *want)
{
    return len == strlen(want) && memcmp(name, want, len) == 0;
}

static void take_field(struct replica__sse *s, const char *name, size_t name_len,
                       const char *value, size_t len)
{
    if (is(name, name_len, "data")) {
        if (s->has_data)
            replica__buf_char(&s->data, '\n');
        replica__buf_add(&s->data, value, len);
        s->has_data = true;
    } else if (is(name, name_len, "event")) {
        set(&s->type, value, len);
    } else if (is(name, name_len, "id")) {
        if (!memchr(value, '\0', len))
            set(&s->id, value, len);
    } else if (is(name, name_len, "retry")) {
        set_retry(s, value, len);
    }
}

static void take_line(struct replica__sse *s, const char *line, size_t len,
                      const struct replica__sse_handlers *h)
{
    const char *colon = len ? memchr(line, ':', len) : NULL;
    const char *value;

    if (len == 0) {
        dispatch(s, h);
        return;
    }
    if (colon == line) {
        if (h->comment)
            h->comment(h->ctx);
        return;
    }
    if (!colon) {
        take_field(s, line, len, line + len, 0);
        return;
    }
    value = colon + 1;
    if (value < line + len && *value == ' ')
        value++;
    take_field(s, line, (size_t)(colon - line), value, (size_t)(line + len - value));
}

/* Skip a byte order mark at the stream's start; what only looked like one is part of the line. */
static size_t skip_bom(struct replica__sse *s, const char *bytes, size_t len)
{
    size_t i = 0;

    while (s->bom < 3 && i < len && bytes[i] == bom[s->bom]) {
        s->bom++;
        i++;
    }
    if (s->bom < 3 && i < len) {
        replica__buf_add(&s->line, bom, s->bom);
        s->bom = 3;
    }
    return i;
}

static int failure(const struct replica__sse *s)
{
    return s->line.r < 0 ? s->line.r : s->data.r < 0 ? s->data.r : s->type.r < 0 ? s->type.r
        : s->id.r < 0 ? s->id.r : s->last_id.r;
}

/* Up to the next CR or LF. */
static size_t line_part(const char *bytes, size_t len)
{
    const char *lf = memchr(bytes, '\n', len);
    const char *cr = memchr(bytes, '\r', lf ? (size_t)(lf - bytes) : len);

    return cr ? (size_t)(cr - bytes) : lf ? (size_t)(lf - bytes) : len;
}

int replica__sse_feed(struct replica__sse *s, const char *bytes, size_t len,
                      const struct replica__sse_handlers *h)
{
    size_t i = skip_bom(s, bytes, len);
    int r = failure(s);

    while (i < len && r == 0 && !s->stopped) {
        size_t part;
        bool whole;

        if (s->after_cr) {
            s->after_cr = false;
            if (bytes[i] == '\n') {
                i++;
                continue;
            }
        }
        part = line_part(bytes + i, len - i);
        whole = i + part < len;
        if (whole && s->line.len == 0 && part <= s->max) { /* the common case: nothing is copied */
            take_line(s, bytes + i, part, h);
        } else {
            replica__buf_add(&s->line, bytes + i, part);
            if (whole && s->line.r == 0) {
                take_line(s, s->line.data ? s->line.data : "", s->line.len, h);
                replica__buf_clear(&s->line);
            }
        }
        i += part;
        if (whole)
            s->after_cr = bytes[i++] == '\r';
        r = failure(s);
    }
    return r;
}
