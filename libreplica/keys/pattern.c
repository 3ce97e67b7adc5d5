/* Patterns over keys.  A key is matched segment by segment, with one step back to the last "**";
 * what is read in order jumps as far as the segments before the first "**" allow. */
#include "libreplica/keys/pattern.h"

#include "base/error.h"
#include "libreplica/keys.h"

#include <string.h>

static int segment_add(struct replica__pattern *p, size_t at, size_t len, replica_error *err)
{
    const char *segment = p->text + at;

    if (p->n == REPLICA__PATTERN_SEGMENTS)
        return replica__error_at(err, REPLICA_EINVAL, (int64_t)at,
                                 "a pattern of more than %d segments", REPLICA__PATTERN_SEGMENTS);
    if (at + len > UINT32_MAX)
        return replica__error_set(err, REPLICA_EINVAL, 0, "a pattern of more than 4 GiB");
    if (memchr(segment, '*', len)) {
        if (len > 2 || segment[0] != '*' || segment[len - 1] != '*')
            return replica__error_at(err, REPLICA_EINVAL, (int64_t)at,
                                     "a pattern's segment \"%.*s\" has a star beside other"
                                     " characters", (int)(len < 100 ? len : 100), segment);
        p->stars |= UINT64_C(1) << p->n;
    }
    p->segments[p->n].at = (uint32_t)at;
    p->segments[p->n].len = (uint32_t)len;
    p->n++;
    return 0;
}

int replica__pattern_parse(struct replica__pattern *ret, const char *text, replica_error *err)
{
    struct replica__pattern p = { .text = text };
    size_t at = 0;
    bool more = true;

    if (!text)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no pattern");
    while (more) {
        size_t len = strcspn(text + at, "/");
        int r = segment_add(&p, at, len, err);

        if (r < 0)
            return r;
        more = text[at + len] != '\0';
        at += len + 1;
    }
    while (p.fixed < p.n && replica__pattern_kind(&p, p.fixed) != REPLICA__SEGMENT_MANY)
        p.fixed++;
    *ret = p;
    return 0;
}

enum replica__segment_kind replica__pattern_kind(const struct replica__pattern *p, unsigned i)
{
    if (!(p->stars >> i & 1))
        return REPLICA__SEGMENT_NAME;
    return p->segments[i].len == 1 ? REPLICA__SEGMENT_ANY : REPLICA__SEGMENT_MANY;
}

/* ---- matching -------------------------------------------------------------------- */

static size_t segment_length(const char *key, size_t len, size_t at)
{
    const char *slash = at < len ? memchr(key + at, '/', len - at) : NULL;

    return slash ? (size_t)(slash - key) - at : len - at;
}

static bool takes_one(const struct replica__pattern *p, unsigned i, const char *segment,
                      size_t len)
{
    return replica__pattern_kind(p, i) == REPLICA__SEGMENT_ANY ||
           (p->segments[i].len == len && memcmp(p->text + p->segments[i].at, segment, len) == 0);
}

bool replica__pattern_matches(const struct replica__pattern *p, const char *key, size_t len)
{
    unsigned i = 0, many = p->n; /* the last "**" that was met, and behind which it went on */
    size_t at = 0, many_at = 0;  /* len + 1: behind the last segment */

    while (at <= len) {
        size_t here;

        if (i < p->n && replica__pattern_kind(p, i) == REPLICA__SEGMENT_MANY) {
            many = i++;
            many_at = at;
            continue;
        }
        here = segment_length(key, len, at);
        if (i < p->n && takes_one(p, i, key + at, here)) {
            i++;
            at += here + 1;
        } else if (many < p->n) { /* it takes one segment more */
            many_at += segment_length(key, len, many_at) + 1;
            at = many_at;
            i = many + 1;
        } else {
            return false;
        }
    }
    while (i < p->n && replica__pattern_kind(p, i) == REPLICA__SEGMENT_MANY)
        i++;
    return i == p->n;
}

int replica_key_matches(const char *pattern, const char *key)
{
    struct replica__pattern p;

    return pattern && key && replica__pattern_parse(&p, pattern, NULL) >= 0 &&
           replica__pattern_matches(&p, key, strlen(key));
}

/* ---- jumping --------------------------------------------------------------------- */

/* A key of which all before `at` fits the segments before i: what is the rest to segment i? */
enum rest {
    REST_FITS,     /* the segment does, and a slash follows it */
    REST_IS_LAST,  /* the segment does, and is the key's last one */
    REST_IS_LESS,  /* all that fits comes behind the key */
    REST_IS_ABOVE, /* all that fits comes before it */
    REST_IS_BESIDE /* the segment itself comes before it, what lies below the segment behind it */
};

static enum rest compare_rest(const char *name, size_t name_len, const char *rest, size_t rest_len)
{
    int c = memcmp(rest, name, rest_len < name_len ? rest_len : name_len);

    if (c != 0 || rest_len < name_len)
        return c > 0 ? REST_IS_ABOVE : REST_IS_LESS;
    if (rest_len == name_len)
        return REST_IS_LAST;
    if (rest[name_len] == '/')
        return REST_FITS;
    return (unsigned char)rest[name_len] < '/' ? REST_IS_BESIDE : REST_IS_ABOVE;
}

/* The least that the segments from i on ask for, up to the first star. */
static void add_least(const struct replica__pattern *p, unsigned i, struct replica__buf *out)
{
    for (; i < p->fixed && !(p->stars >> i & 1); i++) {
        replica__buf_add(out, p->text + p->segments[i].at, p->segments[i].len);
        if (i + 1 < p->fixed)
            replica__buf_char(out, '/');
    }
}

/* Behind all that lies below the "*" segment that ends at `end`; '0' comes next to the slash. */
static enum replica__seek seek_over(const char *key, size_t end, struct replica__buf *out)
{
    if (end == SIZE_MAX)
        return REPLICA__SEEK_END;
    replica__buf_add(out, key, end);
    replica__buf_char(out, '0');
    return REPLICA__SEEK_TO;
}

enum replica__seek replica__pattern_seek(const struct replica__pattern *p, const char *key,
                                         size_t len, struct replica__buf *ret_from)
{
    bool open = p->fixed < p->n; /* "**" follows */
    size_t at = 0, star_end = SIZE_MAX;

    replica__buf_clear(ret_from);
    for (unsigned i = 0; i < p->fixed; i++) {
        const char *name = p->text + p->segments[i].at;
        size_t here = p->segments[i].len;
        bool last = i + 1 == p->fixed;
        enum rest rest = REST_FITS;

        if (p->stars >> i & 1) {
            here = segment_length(key, len, at);
            if (at + here == len)
                return REPLICA__SEEK_NEXT; /* names that begin with this one follow */
            star_end = at + here;
        } else {
            rest = compare_rest(name, here, key + at, len - at);
        }
        if (rest == REST_IS_LESS) {
            replica__buf_add(ret_from, key, at);
            add_least(p, i, ret_from);
            return REPLICA__SEEK_TO;
        }
        if (rest == REST_IS_ABOVE || (last && !open))
            return seek_over(key, star_end, ret_from);
        if (rest != REST_FITS) {
            replica__buf_add(ret_from, key, at + here);
            replica__buf_char(ret_from, '/');
            add_least(p, i + 1, ret_from);
            return REPLICA__SEEK_TO;
        }
        at += here + 1;
    }
    return REPLICA__SEEK_NEXT;
}
