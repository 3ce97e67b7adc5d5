/* What the writes that read first have in common: the text a callback writes, putting a text that
 * must belong to a known key, and the pause after a lost race. */
#ifndef LIBREPLICA_TEXT_H
#define LIBREPLICA_TEXT_H

#include "base/buf.h"
#include "libreplica/db.h"

struct replica_text {
    struct replica__buf buf;
};

/* How often a write that read first tries again. */
#define REPLICA__ROUNDS 100

/* A pause that grows with the round and has jitter, so that many writers of one document do not
 * meet again and again. */
void replica__back_off(replica_db *db, int round);

/* Put a text whose primary key must be id (NULL: any): REPLICA_EJSON if it is another. */
int replica__put_as(replica_collection *coll, const char *id, const char *json, size_t len,
                    const char *base_rev, replica_doc **ret_doc, replica_doc **ret_stored,
                    replica_error *err);

#endif
