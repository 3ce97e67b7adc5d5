/* How long a client waits that asks again and again for what was refused.
 *
 * A client of RxDB's dialect takes a refusal for a conflict, and a program there may answer it with
 * the same row for ever.  Repeats are delayed: 1 s, 2 s, ... 30 s.  The table is small and lossy: a
 * newer document takes an older one's place. */
#ifndef SERVER_DELAY_H
#define SERVER_DELAY_H

#include <stdint.h>

enum { REPLICA__DELAYS = 256, REPLICA__DELAY_MAX_MS = 30000 };

struct replica__delays {
    struct {
        uint64_t key;
        int64_t last_ms;
        int count;
    } seen[REPLICA__DELAYS];
};

/* Of who and what: peer, collection and the document's key (or text). */
uint64_t replica__delay_key(const char *peer, const char *collection, const char *what,
                            uint64_t len);
/* This was refused now: how long does its answer wait, in ms? */
int64_t replica__delay_refused(struct replica__delays *delays, uint64_t key, int64_t now_ms);

#endif
