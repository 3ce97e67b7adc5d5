/* The states of an entry of the conflict log, for a terminal. */
#ifndef TOOLS_CONFLICT_SHOW_H
#define TOOLS_CONFLICT_SHOW_H

#include "base/json.h"
#include "tools/cli/cli.h"

void cli_show_conflict(const replica_conflict_entry *entry);

#endif
