/* A command that runs while a lock is held, as flock(1) runs one. */
#ifndef TOOLS_CLI_HOLD_H
#define TOOLS_CLI_HOLD_H

#include "tools/cli/cli.h"

/* Run argv (NULL at the end) until it ends, or with no argv until a signal comes; meanwhile call
 * keep(ctx, ms) again and again: it waits for at most so many ms, and keeps the lock.  Returns the
 * command's exit code, as a shell has it, or one of ours. */
int cli_hold(char **argv, void (*keep)(void *ctx, int ms), void *ctx);

#endif
