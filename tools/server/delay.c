#include "tools/server/delay.h"

#include <string.h>

enum { FIRST_MS = 1000, FORGET_MS = 600000 };

static uint64_t hash(uint64_t h, const char *text, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u; /* where the text ends counts too */
}

uint64_t replica__delay_key(const char *peer, const char *collection, const char *what,
                            uint64_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    h = hash(h, peer, strlen(peer));
    h = hash(h, collection, strlen(collection));
    return hash(h, what, len);
}

int64_t replica__delay_refused(struct replica__delays *delays, uint64_t key, int64_t now_ms)
{
    int slot = (int)(key % REPLICA__DELAYS);
    int64_t ms = FIRST_MS;

    if (delays->seen[slot].key != key || now_ms - delays->seen[slot].last_ms > FORGET_MS) {
        delays->seen[slot].key = key;
        delays->seen[slot].count = 0;
    }
    delays->seen[slot].last_ms = now_ms;
    if (delays->seen[slot].count++ == 0)
        return 0;
    for (int i = 2; i < delays->seen[slot].count && ms < REPLICA__DELAY_MAX_MS; i++)
        ms *= 2;
    return ms < REPLICA__DELAY_MAX_MS ? ms : REPLICA__DELAY_MAX_MS;
}
