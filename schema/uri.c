/* Resolving references: RFC 3986, section 5.2, on text that may be anything. */
#include "schema/uri.h"

#include <string.h>

struct parts {
    struct replica__slice scheme; /* data NULL: there is none; the same with the next two */
    struct replica__slice authority;
    struct replica__slice path;
    struct replica__slice query;
};

void replica__uri_split(struct replica__slice uri, struct replica__slice *ret_base,
                        struct replica__slice *ret_fragment)
{
    const char *hash = uri.len ? memchr(uri.data, '#', uri.len) : NULL;

    *ret_base = uri;
    *ret_fragment = (struct replica__slice){ NULL, 0 };
    if (!hash)
        return;
    ret_base->len = (size_t)(hash - uri.data);
    ret_fragment->data = hash + 1;
    ret_fragment->len = uri.len - ret_base->len - 1;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_scheme_char(char c)
{
    return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

static struct parts take_apart(struct replica__slice uri)
{
    struct parts p = { 0 };
    const char *at = uri.data;
    const char *end = uri.data + uri.len;
    const char *from = at;

    while (at < end && is_scheme_char(*at))
        at++;
    if (at < end && *at == ':' && at > from && is_alpha(*from))
        p.scheme = (struct replica__slice){ from, (size_t)(at++ - from) };
    else
        at = from;
    if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
        from = at += 2;
        while (at < end && *at != '/' && *at != '?')
            at++;
        p.authority = (struct replica__slice){ from, (size_t)(at - from) };
    }
    from = at;
    while (at < end && *at != '?')
        at++;
    p.path = (struct replica__slice){ from, (size_t)(at - from) };
    if (at < end)
        p.query = (struct replica__slice){ at + 1, (size_t)(end - at - 1) };
    return p;
}

static bool starts(struct replica__slice s, const char *with)
{
    size_t n = strlen(with);

    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static bool is(struct replica__slice s, const char *text)
{
    return s.len == strlen(text) && starts(s, text);
}

static void drop(struct replica__slice *s, size_t n)
{
    s->data += n;
    s->len -= n;
}

/* Back to before the last segment that out has behind floor. */
static void drop_segment(struct replica__buf *out, size_t floor)
{
    if (out->r < 0)
        return;
    while (out->len > floor && out->data[--out->len] != '/')
        continue;
}

/* Section 5.2.4, in the order of its rules. */
static void add_without_dots(struct replica__slice path, struct replica__buf *out)
{
    size_t floor = out->len;
    size_t n;

    while (path.len > 0) {
        if (starts(path, "../")) {
            drop(&path, 3);
        } else if (starts(path, "./") || starts(path, "/./")) {
            drop(&path, 2);
        } else if (starts(path, "/../")) {
            drop(&path, 3);
            drop_segment(out, floor);
        } else if (is(path, "/.")) {
            replica__buf_char(out, '/');
            return;
        } else if (is(path, "/..")) {
            drop_segment(out, floor);
            replica__buf_char(out, '/');
            return;
        } else if (is(path, ".") || is(path, "..")) {
            return;
        } else {
            for (n = 1; n < path.len && path.data[n] != '/'; n++)
                continue;
            replica__buf_add(out, path.data, n);
            drop(&path, n);
        }
    }
}

/* Section 5.2.3: ref's path beside the last segment of base's. */
static void add_merged(const struct parts *base, struct replica__slice path,
                       struct replica__buf *out)
{
    REPLICA_BUF merged = REPLICA_BUF_INIT;
    size_t n = base->path.len;

    while (n > 0 && base->path.data[n - 1] != '/')
        n--;
    if (base->authority.data && base->path.len == 0)
        replica__buf_char(&merged, '/');
    replica__buf_add(&merged, base->path.data, n);
    replica__buf_add(&merged, path.data, path.len);
    if (merged.r < 0)
        out->r = merged.r;
    else if (merged.len > 0)
        add_without_dots((struct replica__slice){ merged.data, merged.len }, out);
}

static void add_part(struct replica__buf *out, const char *before, struct replica__slice part,
                     const char *behind)
{
    if (!part.data)
        return;
    replica__buf_str(out, before);
    replica__buf_add(out, part.data, part.len);
    replica__buf_str(out, behind);
}

void replica__uri_resolve(struct replica__slice base_text, struct replica__slice ref_text,
                          struct replica__buf *out)
{
    struct parts base = take_apart(base_text);
    struct parts ref = take_apart(ref_text);

    if (ref_text.len == 0) {
        replica__buf_add(out, base_text.data, base_text.len);
        return;
    }
    add_part(out, "", ref.scheme.data ? ref.scheme : base.scheme, ":");
    if (ref.scheme.data || ref.authority.data) {
        add_part(out, "//", ref.authority, "");
        add_without_dots(ref.path, out);
    } else {
        add_part(out, "//", base.authority, "");
        if (ref.path.len == 0) {
            replica__buf_add(out, base.path.data, base.path.len);
            if (!ref.query.data)
                ref.query = base.query;
        } else if (ref.path.data[0] == '/') {
            add_without_dots(ref.path, out);
        } else {
            add_merged(&base, ref.path, out);
        }
    }
    add_part(out, "?", ref.query, "");
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

void replica__uri_decode(struct replica__slice text, struct replica__buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%' && i + 2 < text.len && hex(text.data[i + 1]) >= 0 &&
            hex(text.data[i + 2]) >= 0) {
            c = (char)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
            i += 2;
        }
        replica__buf_char(out, c);
    }
}

bool replica__uri_equal(struct replica__slice a, struct replica__slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

uint64_t replica__uri_hash(struct replica__slice uri)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < uri.len; i++)
        h = (h ^ (unsigned char)uri.data[i]) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}
