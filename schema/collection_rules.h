/* The conflict rules in a collection's schema.  Private to the collection files. */
#ifndef SCHEMA_COLLECTION_RULES_H
#define SCHEMA_COLLECTION_RULES_H

#include "base/json.h"
#include "merge/rules.h"

/* Those under "x-conflict", counted for the caller; NULL: there are none.  REPLICA_ESCHEMA: they
 * are none, or one of them can never serve what the schema has at its path. */
int replica__collection_rules_read(struct replica__json_value schema, struct replica__rules **ret,
                                   replica_error *err);

#endif
