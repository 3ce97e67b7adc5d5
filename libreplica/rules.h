/* The rules for a collection's conflicts: those of its options, or else its schema's; or those that
 * the server has told to a collection that has no way of its own. */
#ifndef LIBREPLICA_RULES_H
#define LIBREPLICA_RULES_H

#include "libreplica/db.h"

/* Behind its schema: these from now on (NULL: the schema's).  REPLICA_EJSON; REPLICA_EINVAL: they
 * are none, or "keep-copy" meets a composite key; REPLICA_ESCHEMA: a rule that cannot serve what
 * the schema has at its path. */
int replica__rules_open(replica_collection *coll, const char *given, replica_error *err);
/* The same as another handle's. */
void replica__rules_copy(replica_collection *coll, const replica_collection *from);
/* Do the options of a second opening agree?  given: NULL agrees. */
bool replica__rules_agree(const replica_collection *coll, const char *given);
void replica__rules_close(replica_collection *coll);

#endif
