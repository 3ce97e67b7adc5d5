/* Validation, for those who have a value that passed the gate already. */
#ifndef SCHEMA_VALIDATE_H
#define SCHEMA_VALIDATE_H

#include "base/json.h"
#include "libreplica/schema.h"

/* replica_schema_validate() of a value that passed the gate. */
int replica__schema_validate_value(const replica_schema *schema, struct replica__json_value value,
                                   int (*fn)(void *ctx, const replica_schema_finding *finding),
                                   void *ctx, replica_error *err);

#endif
