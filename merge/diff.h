/* What one side changed in a text: by lines, and within these by words.  Private to merge/. */
#ifndef MERGE_DIFF_H
#define MERGE_DIFF_H

#include "base/json.h"

/* Bytes from ... to of the base are replaced by bytes of the side. */
struct hunk {
    size_t from, to;
    size_t side_from, side_to;
};

struct hunks {
    struct hunk *all; /* in order; at least a byte lies between two of them */
    size_t n, room;
};

/* 0 or REPLICA_ENOMEM.  Where the two differ too much, all of that is one hunk. */
int replica__diff(struct replica__slice base, struct replica__slice side, struct hunks *ret);
void replica__hunks_free(struct hunks *hunks);

#endif
