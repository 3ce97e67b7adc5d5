/* Schemas that others refer to, from a folder. */
#ifndef TOOLS_CLI_REGISTRY_H
#define TOOLS_CLI_REGISTRY_H

#include "base/buf.h"
#include "libreplica/schema.h"

/* Add each *.json below folder, under its $id and as http://localhost:1234/ with its path below
 * folder.  0, or an exit code; the complaint is made. */
int registry_fill(replica_registry *registry, const char *folder);
/* The URL of a file that lies below folder; empty, if it does not. */
void registry_url(const char *folder, const char *file, struct replica__buf *ret_url);

#endif
