/* Bundles that are open when their database closes answer REPLICA_ECLOSED from then on. */
#ifndef LIBREPLICA_BUNDLE_H
#define LIBREPLICA_BUNDLE_H

#include "libreplica/db.h"

void replica__bundles_orphan(replica_db *db);

#endif
