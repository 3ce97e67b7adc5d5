#include "replicator/verify_walk.h"

#include "base/alloc.h"
#include "base/error.h"

/* Documents that are asked for, and judged, at once. */
#define BATCH 500

void replica__verify_walk_stop(struct replica__verify_walk *w)
{
    replica__ranges_free(&w->ranges);
}

void replica__verify_walk_free(struct replica__verify_walk *w)
{
    replica__verify_walk_stop(w);
    replica__free(w->after);
    w->after = NULL;
}

static void next_pass(struct replica__verify_walk *w)
{
    if (++w->pass < REPLICA__PASSES)
        return;
    w->pass = REPLICA__PASS_ODD;
    w->coll++;
}

/* All up to this key is compared in this pass (NULL: to the end). */
static int pass(struct replica__verify_walk *w, const char *key, replica_error *err)
{
    char *copy = replica__strdup(key);
    int64_t ended;

    if (key && !copy)
        return replica__enomem(err);
    replica__free(w->after);
    w->after = copy;
    ended = replica__ranges_pass(&w->ranges, copy);
    if (w->pass == REPLICA__PASS_TEXTS)
        w->compared += ended;
    if (!copy)
        next_pass(w);
    return 0;
}

static int find_odd(struct replica__verify_walk *w, struct replica__replication *repl,
                    replica_collection *coll, replica_error *err)
{
    struct replica__ranges *ranges = &w->ranges;
    int r = replica__ranges_room(ranges, BATCH, err);

    if (r >= 0)
        r = replica__verify_odd(repl, w->feed, coll, w->after, ranges->asked, BATCH, err);
    if (r < 0)
        return r;
    ranges->asked_count = (size_t)r;
    if (r == BATCH && !(ranges->to = replica__strdup(ranges->asked[BATCH - 1])))
        return replica__enomem(err);
    return r ? REPLICA__RANGES_ASK_DOCUMENTS : REPLICA__RANGES_COMPARED;
}

int replica__verify_walk_next(struct replica__verify_walk *w, struct replica__replication *repl,
                              replica_collection *coll, replica_error *err)
{
    const struct replica__ranges_known known = {
        .repl = repl,
        .range = { .coll = coll, .after = w->after, .texts = w->pass == REPLICA__PASS_TEXTS },
        .most = BATCH,
    };
    bool odd = w->pass == REPLICA__PASS_ODD && w->ranges.asked_count == w->ranges.asked_from;
    int r = odd ? find_odd(w, repl, coll, err) : replica__ranges_next(&w->ranges, &known, err);

    return r == REPLICA__RANGES_COMPARED ? pass(w, w->ranges.to, err) : r;
}

int replica__verify_walk_judged(struct replica__verify_walk *w, replica_error *err)
{
    return pass(w, w->ranges.to, err);
}
