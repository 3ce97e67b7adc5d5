/* Cursors: documents in some order, read in batches, so that no statement stays open between two
 * calls and no cursor holds a writer or the WAL back. */
#ifndef LIBREPLICA_CURSOR_H
#define LIBREPLICA_CURSOR_H

#include "libreplica/db.h"

void replica__cursors_orphan(replica_db *db);

#endif
