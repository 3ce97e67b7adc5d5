/* The collections that are open on a handle. */
#ifndef LIBREPLICA_COLLECTION_H
#define LIBREPLICA_COLLECTION_H

#include "libreplica/db.h"

/* The stored collection for a call of ours, opened as it is stored where the program has not opened
 * it: what the program asks for later may still say with which options. */
int replica__collection_borrow(replica_db *db, const char *name, replica_collection **ret_coll,
                               replica_error *err);
void replica__collection_return(replica_collection **coll);
#define REPLICA_BORROWED __attribute__((cleanup(replica__collection_return))) replica_collection *

/* Open on `to` what is open on `from`, with the same handlers; `from` goes on owning them. */
int replica__collections_copy(replica_db *from, replica_db *to, replica_error *err);
void replica__collections_free(replica_db *db);
replica_collection *replica__collection_by_number(replica_db *db, int64_t number);
/* The stored name, also of a collection that is not open.  Room of 65 bytes. */
int replica__collection_name(replica_db *db, int64_t number, char *ret_name, replica_error *err);

#endif
