#include "replicator/retry.h"

/* The spread of those that the server sent away: a part of the time that it asked for. */
enum { AFTER_PART = 4 };

int64_t replica__retry_delay(int attempt, uint64_t dice, int64_t after_ms)
{
    int64_t spread = REPLICA__RETRY_CAP_MS;

    if (attempt < 1)
        attempt = 1;
    if (attempt - 1 < 20 && (int64_t)REPLICA__RETRY_BASE_MS << (attempt - 1) < spread)
        spread = (int64_t)REPLICA__RETRY_BASE_MS << (attempt - 1);
    if (after_ms <= 0)
        return (int64_t)(dice % (uint64_t)(spread + 1));
    if (after_ms > REPLICA__RETRY_CAP_MS)
        after_ms = REPLICA__RETRY_CAP_MS;
    if (spread < after_ms / AFTER_PART)
        spread = after_ms / AFTER_PART;
    if (spread > REPLICA__RETRY_CAP_MS / AFTER_PART)
        spread = REPLICA__RETRY_CAP_MS / AFTER_PART;
    return after_ms + (int64_t)(dice % (uint64_t)(spread + 1));
}
