/* What a replication asks and decides, shown as it happens. */
#ifndef TOOLS_CLI_TRACE_H
#define TOOLS_CLI_TRACE_H

#include "replicator/replicator.h"

/* On standard error, a line for each entry behind the number *last, which moves along. */
void cli_trace(replica_sync *sync, int64_t *last);

#endif
