/* What a page of the feed needs to be whole: who sees a document as a bundle has written it sees no
 * other member of that bundle older.
 *
 * A page that holds such a document also holds the members that lie behind the page's end, in their
 * current states; for those the same holds in turn.  Such a state may come from a later bundle than
 * the reader has seen, and may have been written by bundles in between: their other members come,
 * too, as long as they are few.  In a collection where all hangs together (one document that takes
 * part in every bundle) that would be all of it; then it is left at the bundles that wrote what the
 * page shows. */
#ifndef LIBREPLICA_MASTER_WHOLE_H
#define LIBREPLICA_MASTER_WHOLE_H

#include "libreplica/db.h"

/* A document's place in the feed. */
struct replica__feed_key {
    int64_t seq, number;
    size_t collection; /* index into those that are read */
};

/* Those of colls that are needed from behind `last`, in the order of sequence numbers.  names: of
 * the bundles that the page shows, each with a NUL.  Free *ret_keys. */
int replica__master_whole(replica_db *db, replica_collection *const *colls, size_t n,
                          const struct replica__buf *names, int64_t last,
                          struct replica__feed_key **ret_keys, size_t *ret_count,
                          replica_error *err);
/* For qsort. */
int replica__feed_key_compare(const void *a, const void *b);

#endif
