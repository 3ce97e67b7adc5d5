#include "replicator/retry.h"

int64_t replica__retry_delay(int attempt, uint64_t dice, int64_t after_ms)
{
    int64_t most = REPLICA__RETRY_CAP_MS;
    int64_t delay;

    if (attempt < 1)
        attempt = 1;
    if (attempt - 1 < 20 && (int64_t)REPLICA__RETRY_BASE_MS << (attempt - 1) < most)
        most = (int64_t)REPLICA__RETRY_BASE_MS << (attempt - 1);
    delay = (int64_t)(dice % (uint64_t)(most + 1));
    if (after_ms > REPLICA__RETRY_CAP_MS)
        after_ms = REPLICA__RETRY_CAP_MS;
    if (after_ms > 0)
        delay += after_ms;
    return delay < REPLICA__RETRY_CAP_MS ? delay : REPLICA__RETRY_CAP_MS;
}
