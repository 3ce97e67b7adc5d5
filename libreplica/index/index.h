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
 * Every write keeps the entries of the documents it writes, from the moment on that the index is
 * there.  What was there before is the builder's: it has put in the entries of the documents up to
 * the number `built`, which may fall, but only rises to "all" when all of them are there.  It works
 * in slices that keep writers waiting less than 20 ms.
 *
 * An index that was dropped belongs to collection 0 until its entries are gone.  Full text
 * (REPLICA_INDEX_TEXT) has its rows here, and its words elsewhere: replica__index_is_ordered(). */
#ifndef LIBREPLICA_INDEX_H
#define LIBREPLICA_INDEX_H

#include "libreplica/query/mango.h"
#include "libreplica/query.h"
#include "libreplica/row.h"

#define REPLICA__INDEX_MULTIKEY (1u << 8)
#define REPLICA__INDEX_SCHEMA (1u << 9)
#define REPLICA__INDEX_WIDE (1u << 10) /* only its first field says something: index/keys.h */
#define REPLICA__INDEX_FIELDS 16

struct replica__index {
    int64_t number;
    char *name;
    struct replica__path *fields;
    const char **field_names; /* the paths' texts */
    size_t n;
    unsigned flags; /* REPLICA_INDEX_..., REPLICA__INDEX_... */
    char *where;
    struct replica__selector *partial; /* of where; NULL: all documents */
    int64_t built;                     /* up to this document's number; INT64_MAX: ready */
    struct replica__index_statements *statements; /* of full text: index/text.h */
    struct replica__index *next;
};

/* The collection's indexes, in the order of their names, read again when another connection changed
 * them: as of the last replica__txn_know().  Borrowed until the next one. */
int replica__indexes_of(replica_collection *coll, struct replica__index **ret_first,
                        replica_error *err);
/* This handle changed the table. */
void replica__indexes_forget(replica_db *db);
void replica__indexes_free(struct replica__index *first);
/* One index of any collection, for the builder: 1; 0: there is none, or it was dropped. */
int replica__index_read(replica_db *db, int64_t number, struct replica__index **ret_index,
                        int64_t *ret_coll, replica_error *err);
/* Are its entries in `entry`?  (Else it is full text.) */
static inline bool replica__index_is_ordered(const struct replica__index *index)
{
    return !(index->flags & REPLICA_INDEX_TEXT);
}

/* ---- the write path -------------------------------------------------------------- */

/* Before anything is written: does no other document have this text's place in a unique index?
 * Else REPLICA_ECONFLICT, worded, and db->taken is set.  The caller holds the transaction. */
int replica__index_fits(replica_collection *coll, const char *id, size_t id_len, const char *json,
                        size_t len, replica_error *err);
/* In the transaction of a write: take the old state's keys out (old NULL: there was none), put the
 * new one's in (json NULL: deleted). */
int replica__index_write(replica_collection *coll, int64_t doc, const char *id, size_t id_len,
                         const struct replica__row *old, const char *json, size_t len,
                         replica_error *err);
/* Words of documents that were erased in this transaction are to be nowhere any more: FTS5 marks
 * them as deleted until it merges what has them.  1: large indexes still have them; 0. */
int replica__index_forget_words(replica_collection *coll, replica_error *err);
/* A slice of that for large ones, which the first one begins.  1: there may be more; 0: that was
 * all. */
int replica__index_merge_words(replica_collection *coll, bool begin, replica_error *err);
/* The document's row goes altogether (a purge). */
int replica__index_purge(replica_db *db, replica_collection *coll, const struct replica__row *old,
                         replica_error *err);

/* Make the indexes of the schema (NULL: none) be those of the collection: what is missing is
 * created, what came from a schema and is no longer in it is dropped.  In no transaction; when all
 * is as it should be, nothing is written. */
struct replica__collection_schema;
int replica__indexes_follow_schema(replica_collection *coll,
                                   const struct replica__collection_schema *schema,
                                   replica_error *err);

/* ---- building -------------------------------------------------------------------- */

/* Build a slice of what is not built (coll NULL: of anything), or take one away of what was
 * dropped: 1 more to do, 0 all is built.  An index that cannot be built is left alone until
 * `again`. */
int replica__index_build(replica_db *db, replica_collection *coll, bool again, replica_error *err);
/* Something may be left to build: let dispatch do it. */
void replica__index_build_later(replica_db *db);
void replica__index_build_end(replica_db *db);

/* Every live document has the entries that it must have, and there are no others: fn for what is
 * found otherwise. */
int replica__index_check(replica_db *db, void (*fn)(void *ctx, const char *where, const char *what),
                         void *ctx, replica_error *err);

#endif
