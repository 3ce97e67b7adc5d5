/* Indexes: for each document its keys, in one table, kept in step by the one write path.
 *
 *     idx     the indexes of each collection, and how far each is built
 *     entry   (idx, key, doc): key is the fields' keys (key.h) joined, then the primary key's, so
 *             that an index alone gives the order of a query
 *
 * There is no table for each index: creating and dropping is data, not schema, in every process at
 * once.  A value that is an array gives an entry for each element, besides the one for itself; the
 * index is then marked `multikey`, once and for all, and answers which documents may match, but no
 * longer in which order, nor alone.
 *
 * An index that is being built has entries for the documents up to the number `built`, and every
 * write keeps those of the documents it writes; documents in between are the builder's, in slices
 * that keep writers waiting less than 20 ms. */
#ifndef LIBREPLICA_INDEX_H
#define LIBREPLICA_INDEX_H

#include "libreplica/mango.h"
#include "libreplica/row.h"

#define REPLICA__INDEX_MULTIKEY (1u << 8)
#define REPLICA__INDEX_SCHEMA   (1u << 9)

struct replica__index {
    int64_t number;
    char *name;
    struct replica__path *fields;
    size_t n;
    unsigned flags;                     /* REPLICA_INDEX_..., REPLICA__INDEX_... */
    char *where;
    struct replica__selector *partial;  /* of where; NULL: all documents */
    int64_t built;                      /* up to this document's number; INT64_MAX: ready */
    struct replica__index *next;
};

/* The collection's indexes, read again when another connection changed them.  Borrowed until the
 * next call that may. */
int replica__indexes_of(replica_collection *coll, struct replica__index **ret_first,
                        replica_error *err);
void replica__indexes_forget(replica_collection *coll);

/* In the transaction of a write: take the old state's keys out (old NULL: there was none), put the
 * new one's in (json NULL: deleted).  REPLICA_ECONFLICT: a unique index has them already; the
 * caller rolls back. */
int replica__index_write(replica_db *db, replica_collection *coll, int64_t doc, const char *id,
                         size_t id_len, const struct replica__row *old, const char *json,
                         size_t len, replica_error *err);
/* The document's row goes altogether (a purge). */
int replica__index_purge(replica_db *db, replica_collection *coll, const struct replica__row *old,
                         replica_error *err);

/* Make the indexes of the schema be those of the collection. */
int replica__indexes_follow_schema(replica_collection *coll, replica_error *err);

/* Build a slice of what is not built: 1 more to do, 0 all is built. */
int replica__index_build(replica_db *db, int64_t until_ms, replica_error *err);

#endif
