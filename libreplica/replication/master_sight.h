/* What the reader of the master's feed sees of a document: whether it is asked for at all, and what
 * its eye (libreplica/feed.h) says of its text.
 *
 * Who reads on from a number and had a document before is told when it is not to be seen any
 * more. */
#ifndef LIBREPLICA_MASTER_SIGHT_H
#define LIBREPLICA_MASTER_SIGHT_H

#include "libreplica/db.h"
#include "libreplica/feed.h"
#include "libreplica/keys/pattern.h"
#include "libreplica/row.h"

struct replica__sight {
    replica_db *db;
    replica_collection *const *colls;
    const struct replica__feed_options *o;
    struct replica__pattern keys; /* where o->keys is one */
};

/* All are borrowed. */
int replica__sight_open(struct replica__sight *ret, replica_db *db,
                        replica_collection *const *colls, const struct replica__feed_options *o,
                        replica_error *err);
/* 1: the row is a part of the feed, and *ret_gone says whether only as one that is gone
 * (REPLICA__GONE_...; 0: it is there).  0: it is not. */
int replica__sight_of(const struct replica__sight *s, size_t collection,
                      const struct replica__row *row, int *ret_gone, replica_error *err);

#endif
