/* The file: its tables, and the version of its format.  docs/format.md explains each. */
#ifndef LIBREPLICA_FORMAT_H
#define LIBREPLICA_FORMAT_H

#include "libreplica/libreplica.h"

#define REPLICA__APPLICATION_ID 0x52706c31 /* "Rpl1" */
#define REPLICA__FORMAT_VERSION 4

/* Create the tables in an empty file, or find out that the file is ours and of a version that we
 * know.  REPLICA_ECORRUPT: not one of ours; REPLICA_EVERSION: newer.  Neither is touched. */
int replica__format_open(replica_db *db, replica_error *err);

#endif
