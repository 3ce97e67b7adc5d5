/* One document on its way up, in three acts: read it, run the steps (in no transaction), store what
 * they made (in one). */
#ifndef LIBREPLICA_MIGRATE_JOB_H
#define LIBREPLICA_MIGRATE_JOB_H

#include "libreplica/migrate/migrate.h"

struct replica__job {
    int64_t number, seq; /* what was read */
    bool deleted;
    replica_doc *old;
    struct replica__sent_text *sent;
    size_t sent_count;
    int made;            /* REPLICA__MIGRATED_..., or < 0 and why */
    replica_error why;
    replica_doc *fresh;  /* the document as it is stored behind it, if it is wanted and there */
    bool done;           /* false: it was written by others meanwhile */
};

/* 1: there is something to do; 0: it has risen, is gone, or has nothing to rise for. */
int replica__job_read(replica_collection *coll, int64_t number, struct replica__job *job,
                      replica_error *err);
int replica__jobs_run(replica_collection *coll, struct replica__job *jobs, size_t n,
                      replica_error *err);
int replica__jobs_store(replica_collection *coll, struct replica__job *jobs, size_t n, bool wanted,
                        replica_error *err);
void replica__job_free(struct replica__job *job);

#endif
