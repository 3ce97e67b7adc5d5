/* Does a collection's schema say anything that nobody here would act on?  Private to the collection
 * files. */
#ifndef SCHEMA_COLLECTION_WORDS_H
#define SCHEMA_COLLECTION_WORDS_H

#include "base/json.h"
#include "libreplica/libreplica.h"

/* REPLICA_ENOTSUP: a keyword that has a meaning, or might have, and is not supported.
 * REPLICA_ESCHEMA: one of RxDB's where RxDB does not take it, or with a value that it cannot have.
 * where: its path. */
int replica__collection_words_check(struct replica__json_value schema, replica_error *err);

#endif
