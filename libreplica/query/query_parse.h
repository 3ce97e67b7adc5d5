/* What a query's files share. */
#ifndef LIBREPLICA_QUERY_PARSE_H
#define LIBREPLICA_QUERY_PARSE_H

#include "libreplica/query/mango.h"

/* A bit for each, and one for the primary key. */
enum { REPLICA__FIELDS_MAX = 63 };

#endif
