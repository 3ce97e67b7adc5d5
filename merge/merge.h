/* The three-way merge, on text: see <libreplica/merge.h>. */
#ifndef MERGE_MERGE_H
#define MERGE_MERGE_H

#include "base/buf.h"
#include "base/json.h"
#include "merge/rules.h"

struct replica__side {
    const char *json; /* NULL: none */
    size_t len;
    bool deleted;
    int64_t stamp;
    const char *writer;
};

/* Append the text to out where the outcome is one.  Returns REPLICA_MERGED_... of
 * <libreplica/merge.h>, or < 0. */
int replica__merge3(const struct replica__rules *rules, const struct replica__side *base,
                    const struct replica__side *ours, const struct replica__side *theirs,
                    struct replica__buf *out, replica_error *err);

/* Append a + b - less, exact; what is absent (NONE) is 0.  false: their digits lie more than 4,096
 * places apart, and nothing was written. */
bool replica__number_sum(struct replica__json_value a, struct replica__json_value b,
                         struct replica__json_value less, struct replica__buf *out);

#endif
