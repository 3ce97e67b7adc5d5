/* Full-text indexes: one FTS5 table each, over the words of the fields.
 *
 *     text_<n>_doc   a view: the words of each document that the index wants, a column for each
 *                    field (c0, c1, ...)
 *     text_<n>       the FTS5 table, which has the index only and reads texts through the view:
 *                    nothing is stored twice, and there are snippets all the same
 *
 * Documents up to the number `built` are in it, and each write keeps that so; those behind it are
 * the builder's.  An entry can only be taken out with the words that were put in, so both happen in
 * the transaction that writes the document. */
#ifndef LIBREPLICA_INDEX_TEXT_H
#define LIBREPLICA_INDEX_TEXT_H

#include "libreplica/index/index.h"

/* In the transaction that adds, or drops, the index's row.  REPLICA_ENOTSUP: SQLite was built
 * without FTS5. */
int replica__index_text_create(replica_db *db, int64_t coll, const struct replica__index *index,
                               replica_error *err);
int replica__index_text_drop(replica_db *db, int64_t number, replica_error *err);
/* In the transaction of a write; as replica__index_write(). */
int replica__index_text_write(replica_db *db, struct replica__index *index, int64_t doc,
                              const struct replica__row *old, const char *json, size_t len,
                              replica_error *err);
/* Put in documents until the time is up, in a transaction of its own: 1 more to do, 0 all is
 * built. */
int replica__index_text_build(replica_db *db, int64_t coll, int64_t number, int64_t until_ms,
                              replica_error *err);
/* 0: sound; 1: not; it is looked at whole, against the documents when it is built. */
int replica__index_text_check(replica_db *db, const struct replica__index *index,
                              replica_error *err);

/* The statements of an index, kept with it. */
struct replica__index_statements;
void replica__index_text_free(struct replica__index_statements *statements);

#endif
