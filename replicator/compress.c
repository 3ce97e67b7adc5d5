/* zstd at its quickest level: a page of documents shrinks about seven times in less time than any
 * link but the loopback needs for the difference. */
#include "replicator/compress.h"

#ifdef REPLICA_HAVE_ZSTD
#include <zstd.h>

enum { LEVEL = 1 };

bool replica__compress_has_zstd(void)
{
    return true;
}

int replica__compress_zstd(const char *bytes, size_t len, struct replica__buf *out)
{
    size_t room = ZSTD_compressBound(len);
    char *to = ZSTD_isError(room) ? NULL : replica__buf_reserve(out, room);
    size_t n;

    if (!to)
        return out->r < 0 ? out->r : REPLICA_ELIMIT;
    n = ZSTD_compress(to, room, bytes, len, LEVEL);
    if (ZSTD_isError(n)) /* the room suffices: only memory can be missing */
        return REPLICA_ENOMEM;
    to[n] = '\0';
    out->len += n;
    return 0;
}

#else

bool replica__compress_has_zstd(void)
{
    return false;
}

int replica__compress_zstd(const char *bytes, size_t len, struct replica__buf *out)
{
    return REPLICA_ENOTSUP;
}

#endif
