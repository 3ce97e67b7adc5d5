/* How long to wait after a failure: exponential backoff with full jitter, so that many clients of a
 * server that comes back do not come at once.  Pure: the dice are given.
 *
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: the delay is drawn evenly from 0
 * to min(cap, base * 2^attempt). */
#ifndef REPLICATOR_RETRY_H
#define REPLICATOR_RETRY_H

#include <stdint.h>

#define REPLICA__RETRY_BASE_MS 1000
#define REPLICA__RETRY_CAP_MS (5 * 60 * 1000)

/* attempt: failures in a row, from 1.  after_ms: what the server asked for (0: nothing); it is
 * obeyed up to the cap, with jitter on top: the attempt's, but at least a quarter of what was asked
 * for, as a server asks all of them for the same, and at most a quarter of the cap. */
int64_t replica__retry_delay(int attempt, uint64_t dice, int64_t after_ms);

#endif
