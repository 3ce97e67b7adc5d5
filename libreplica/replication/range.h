/* Digests of documents and of ranges of keys, by which two sides find where they differ.
 *
 * A document's is of its key and its sequence number at the server, or of its key and its text;
 * that of a range is all of its documents' together (replica__digest_add), in any order, and that
 * of an empty one is zero.  docs/protocol.md has the bytes. */
#ifndef REPLICATION_RANGE_H
#define REPLICATION_RANGE_H

#include "libreplica/libreplica.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replica__digest {
    uint64_t high, low;
};

enum {
    REPLICA__DIGEST_HEX = 32,  /* characters; and a NUL behind them */
    REPLICA__RANGE_ROWS = 1000 /* documents of a chunk, where nothing else is asked for */
};

REPLICA_INTERNAL struct replica__digest replica__digest_number(const char *id, size_t id_len,
                                                               int64_t sequence);
/* json: as its reader sees it. */
REPLICA_INTERNAL struct replica__digest replica__digest_text(const char *id, size_t id_len,
                                                             const char *json, size_t len);

static inline void replica__digest_add(struct replica__digest *range, struct replica__digest doc)
{
    range->high ^= doc.high;
    range->low ^= doc.low;
}

static inline bool replica__digest_equal(struct replica__digest a, struct replica__digest b)
{
    return a.high == b.high && a.low == b.low;
}

REPLICA_INTERNAL void replica__digest_hex(struct replica__digest digest,
                                          char ret_hex[REPLICA__DIGEST_HEX + 1]);
/* false: it is none; lower case only. */
REPLICA_INTERNAL bool replica__digest_parse(const char *hex, size_t len,
                                            struct replica__digest *ret_digest);

#endif
