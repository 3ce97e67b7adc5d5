#include "tools/server/squeeze.h"

#include "base/alloc.h"

#include <string.h>
#include <strings.h>
#ifdef REPLICA_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef REPLICA_HAVE_ZSTD
#include <zstd.h>
#endif

enum { STEP = 32 * 1024, GZIP_LEVEL = 1, GZIP_WINDOW = 15 + 16, ZSTD_LEVEL = 1 };

struct replica__squeeze {
    enum replica__coding coding;
#ifdef REPLICA_HAVE_ZLIB
    z_stream gzip;
#endif
#ifdef REPLICA_HAVE_ZSTD
    ZSTD_CStream *zstd;
#endif
};

/* ---- choosing -------------------------------------------------------------------- */

const char *replica__coding_name(enum replica__coding coding)
{
    switch (coding) {
    case REPLICA__CODING_GZIP: return "gzip";
    case REPLICA__CODING_ZSTD: return "zstd";
    case REPLICA__CODING_NONE: break;
    }
    return NULL;
}

static bool can(enum replica__coding coding)
{
#ifdef REPLICA_HAVE_ZLIB
    if (coding == REPLICA__CODING_GZIP)
        return true;
#endif
#ifdef REPLICA_HAVE_ZSTD
    if (coding == REPLICA__CODING_ZSTD)
        return true;
#endif
    return false;
}

/* Does the list name the coding, and not with q=0? */
static bool accepts(const char *list, const char *name)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        size_t word;
        const char *q;

        while (len > 0 && (*list == ' ' || *list == '\t')) {
            list++;
            len--;
        }
        word = strcspn(list, " \t;,");
        q = memchr(list, '=', len);
        if (word == strlen(name) && strncasecmp(list, name, word) == 0)
            return !q || strspn(q + 1, "0.") < (size_t)(list + len - q - 1);
        list += len;
        list += *list == ',';
    }
    return false;
}

enum replica__coding replica__coding_choose(const char *accept_encoding)
{
    static const enum replica__coding best[] = { REPLICA__CODING_ZSTD, REPLICA__CODING_GZIP };

    for (size_t i = 0; accept_encoding && i < sizeof(best) / sizeof(best[0]); i++)
        if (can(best[i]) && accepts(accept_encoding, replica__coding_name(best[i])))
            return best[i];
    return REPLICA__CODING_NONE;
}

enum replica__coding replica__coding_named(const char *content_encoding)
{
    static const enum replica__coding all[] = { REPLICA__CODING_ZSTD, REPLICA__CODING_GZIP };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (can(all[i]) && strcasecmp(content_encoding, replica__coding_name(all[i])) == 0)
            return all[i];
    return REPLICA__CODING_NONE;
}

/* ---- compressing ----------------------------------------------------------------- */

enum replica__coding replica__squeeze_coding(const struct replica__squeeze *s)
{
    return s->coding;
}

int replica__squeeze_open(enum replica__coding coding, struct replica__squeeze **ret_squeeze)
{
    struct replica__squeeze *s = replica__alloc_zero(1, sizeof(*s));

    if (!s)
        return REPLICA_ENOMEM;
    s->coding = coding;
#ifdef REPLICA_HAVE_ZLIB
    if (coding == REPLICA__CODING_GZIP &&
        deflateInit2(&s->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
            Z_OK) {
        replica__free(s);
        return REPLICA_ENOMEM;
    }
#endif
#ifdef REPLICA_HAVE_ZSTD
    if (coding == REPLICA__CODING_ZSTD) {
        s->zstd = ZSTD_createCStream();
        if (!s->zstd || ZSTD_isError(ZSTD_initCStream(s->zstd, ZSTD_LEVEL))) {
            replica__squeeze_close(s);
            return REPLICA_ENOMEM;
        }
    }
#endif
    *ret_squeeze = s;
    return 0;
}

#ifdef REPLICA_HAVE_ZLIB
static int add_gzip(struct replica__squeeze *s, const char *data, size_t len,
                    enum replica__squeeze_end end, struct replica__buf *out)
{
    const int flush[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
    int rc = Z_OK;
    bool full = true;

    s->gzip.next_in = (z_const Bytef *)(uintptr_t)data;
    s->gzip.avail_in = (uInt)len; /* parts are far below 4 GB */
    while (full && rc != Z_STREAM_END) {
        char *to = replica__buf_reserve(out, STEP);

        if (!to)
            return out->r;
        s->gzip.next_out = (Bytef *)to;
        s->gzip.avail_out = STEP;
        rc = deflate(&s->gzip, flush[end]);
        if (rc == Z_STREAM_ERROR)
            return REPLICA_EINVAL;
        out->len += STEP - s->gzip.avail_out;
        full = s->gzip.avail_out == 0;
    }
    return 0;
}
#endif

#ifdef REPLICA_HAVE_ZSTD
static int add_zstd(struct replica__squeeze *s, const char *data, size_t len,
                    enum replica__squeeze_end end, struct replica__buf *out)
{
    const ZSTD_EndDirective how[] = { ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end };
    ZSTD_inBuffer in = { data, len, 0 };
    size_t left = 1;

    while (left > 0) {
        ZSTD_outBuffer to = { replica__buf_reserve(out, STEP), STEP, 0 };

        if (!to.dst)
            return out->r;
        left = ZSTD_compressStream2(s->zstd, &to, &in, how[end]);
        if (ZSTD_isError(left))
            return REPLICA_ENOMEM;
        out->len += to.pos;
        if (end == REPLICA__SQUEEZE_MORE && in.pos == in.size)
            break;
    }
    return 0;
}
#endif

int replica__squeeze_add(struct replica__squeeze *s, const char *data, size_t len,
                         enum replica__squeeze_end end, struct replica__buf *out)
{
#ifdef REPLICA_HAVE_ZLIB
    if (s->coding == REPLICA__CODING_GZIP)
        return add_gzip(s, data, len, end, out);
#endif
#ifdef REPLICA_HAVE_ZSTD
    if (s->coding == REPLICA__CODING_ZSTD)
        return add_zstd(s, data, len, end, out);
#endif
    replica__buf_add(out, data, len);
    return out->r;
}

void replica__squeeze_close(struct replica__squeeze *s)
{
    if (!s)
        return;
#ifdef REPLICA_HAVE_ZLIB
    if (s->coding == REPLICA__CODING_GZIP)
        deflateEnd(&s->gzip);
#endif
#ifdef REPLICA_HAVE_ZSTD
    ZSTD_freeCStream(s->zstd);
#endif
    replica__free(s);
}

/* ---- decompressing --------------------------------------------------------------- */

#ifdef REPLICA_HAVE_ZSTD
static void free_dstream(ZSTD_DStream **stream)
{
    ZSTD_freeDStream(*stream);
}

static int read_zstd(const char *data, size_t len, struct replica__buf *out)
{
    __attribute__((cleanup(free_dstream))) ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { data, len, 0 };
    size_t left = 1;

    if (!stream || ZSTD_isError(ZSTD_initDStream(stream)))
        return REPLICA_ENOMEM;
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 23); /* 8 MB, whatever is asked for */
    while (left > 0) {
        ZSTD_outBuffer to = { replica__buf_reserve(out, STEP), STEP, 0 };

        if (!to.dst)
            return out->r;
        left = ZSTD_decompressStream(stream, &to, &in);
        if (ZSTD_isError(left) || (left > 0 && to.pos == 0 && in.pos == in.size))
            return REPLICA_EINVAL;
        out->len += to.pos;
    }
    return in.pos == in.size ? 0 : REPLICA_EINVAL;
}
#endif

#ifdef REPLICA_HAVE_ZLIB
static void end_inflate(z_stream *gzip)
{
    inflateEnd(gzip);
}

static int read_gzip(const char *data, size_t len, struct replica__buf *out)
{
    __attribute__((cleanup(end_inflate))) z_stream gzip = { 0 };
    int rc = Z_OK;

    if (inflateInit2(&gzip, GZIP_WINDOW) != Z_OK)
        return REPLICA_ENOMEM;
    gzip.next_in = (z_const Bytef *)(uintptr_t)data;
    gzip.avail_in = (uInt)len; /* a body is far below 4 GB */
    while (rc != Z_STREAM_END) {
        char *to = replica__buf_reserve(out, STEP);

        if (!to)
            return out->r;
        gzip.next_out = (Bytef *)to;
        gzip.avail_out = STEP;
        rc = inflate(&gzip, Z_NO_FLUSH);
        if (rc == Z_MEM_ERROR)
            return REPLICA_ENOMEM;
        if (rc != Z_OK && rc != Z_STREAM_END) /* Z_BUF_ERROR: it was cut */
            return REPLICA_EINVAL;
        out->len += STEP - gzip.avail_out;
    }
    return gzip.avail_in == 0 ? 0 : REPLICA_EINVAL;
}
#endif

int replica__unsqueeze(enum replica__coding coding, const char *data, size_t len,
                       struct replica__buf *out)
{
#ifdef REPLICA_HAVE_ZSTD
    if (coding == REPLICA__CODING_ZSTD)
        return read_zstd(data, len, out);
#endif
#ifdef REPLICA_HAVE_ZLIB
    if (coding == REPLICA__CODING_GZIP)
        return read_gzip(data, len, out);
#endif
    (void)coding;
    replica__buf_add(out, data, len);
    return out->r;
}
