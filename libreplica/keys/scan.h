/* A pattern at work: the live documents whose keys match, in key order.  What cannot match is
 * jumped over in the index of keys, and of what does not match nothing but the key is read. */
#ifndef LIBREPLICA_KEYS_SCAN_H
#define LIBREPLICA_KEYS_SCAN_H

#include "libreplica/keys/pattern.h"
#include "libreplica/query/reader.h"
#include "libreplica/query/scan.h"

struct replica__key_scan {
    replica_collection *coll;
    char *text;
    struct replica__pattern pattern;
    struct replica__buf from; /* the first key that it has not passed */
    bool ended;
    bool bare;                /* rows are handed out without their texts */

    /* While it runs. */
    struct replica__buf at, to; /* the statement's first key; where it jumps to */
    bool jumps;
    int passed;                 /* so many keys since it wanted to jump */
    replica__take_fn take;
    void *ctx;
};

/* REPLICA_EINVAL: no pattern. */
int replica__key_scan_begin(struct replica__key_scan *ret, replica_collection *coll,
                            const char *pattern, replica_error *err);
/* Give documents to take until it stops: what it said; 0: the end.  Called
 * again, it goes on behind the document at which it was stopped, or, after a failure, where this
 * call began. */
int replica__key_scan_run(struct replica__key_scan *scan, struct replica__reader *reader,
                          replica__take_fn take, void *ctx, replica_error *err);
void replica__key_scan_end(struct replica__key_scan *scan); /* of zeros is fine */
#define REPLICA_KEY_SCAN \
    __attribute__((cleanup(replica__key_scan_end))) struct replica__key_scan

#endif
