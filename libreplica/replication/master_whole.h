/* What a page of the feed needs to be whole: who sees a document as a bundle has written it sees no
 * other member of that bundle older.
 *
 * A page that holds such a document also holds the members that lie behind the page's end, in their
 * current states; for those the same holds in turn.  That is so for all bundles that have written a
 * document, as far as they are still known, and not only for the one that wrote its current state.
 * But where all hangs together (one document takes part in every bundle) that would be the whole
 * feed: when it is more than some, it is left at the bundles that wrote the states that the page
 * shows. */
#ifndef LIBREPLICA_MASTER_WHOLE_H
#define LIBREPLICA_MASTER_WHOLE_H

#include "libreplica/db.h"
#include "libreplica/feed.h"

/* A document's place in the feed. */
struct replica__feed_key {
    int64_t seq, number;
    size_t collection; /* index into those that are read */
};

/* The newest bundles that have written the document, at most so many, are added to names. */
int replica__master_bundles_of(replica_db *db, int64_t number, int64_t most,
                               struct replica__buf *names, replica_error *err);
/* Those of colls that are needed from behind `last`, in the order of sequence numbers.  Free
 * *ret_keys. */
int replica__master_whole(replica_db *db, replica_collection *const *colls, size_t n,
                          const struct replica__feed_bundles *bundles, int64_t last,
                          struct replica__feed_key **ret_keys, size_t *ret_count,
                          replica_error *err);
/* For qsort. */
int replica__feed_key_compare(const void *a, const void *b);

#endif
