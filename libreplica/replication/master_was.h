/* What a server's access rules read of its documents, as it was.
 *
 * Who has a document and may not see it any more must be told so, and nobody else.  Therefore the
 * collection names the fields that rules read (collection.reads), and each write that changes one
 * of them, by whatever process, keeps what they were before, with its number: table `was`. */
#ifndef LIBREPLICA_MASTER_WAS_H
#define LIBREPLICA_MASTER_WAS_H

#include "libreplica/row.h"

/* As stored, for a collection that is being opened. */
int replica__was_open(replica_collection *coll, replica_error *err);
/* Another connection has written: this is what is stored now (NULL: no fields). */
int replica__was_know(replica_collection *coll, const char *reads, replica_error *err);

/* A write with the number `until` is about to replace `old`, in a collection with reads. */
int replica__was_keep(replica_db *db, const replica_collection *coll,
                      const struct replica__row *old, const char *json, size_t len, int64_t until,
                      replica_error *err);
/* fn for what the fields of a document were, newest first, as far as that was replaced after
 * `since`; it stops where fn returns other than 0, and returns that. */
int replica__was_each(replica_db *db, int64_t doc, int64_t since,
                      int (*fn)(void *ctx, const char *fields, size_t len), void *ctx,
                      replica_error *err);

/* Of documents of a collection behind the number *after, what was replaced up to `until` is of no
 * use any more.  Some of it goes, and *after moves.  1: there is more; 0: that was all. */
int replica__was_trim(replica_db *db, int64_t coll, int64_t until, int64_t *after,
                      replica_error *err);
/* The document goes. */
int replica__was_drop(replica_db *db, int64_t doc, replica_error *err);

#endif
