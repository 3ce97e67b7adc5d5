/* The one write path: every document that is stored, by whomever, is stored here. */
#ifndef LIBREPLICA_WRITE_H
#define LIBREPLICA_WRITE_H

#include "libreplica/row.h"

struct replica__write {
    replica_collection *coll;
    const char *id;
    size_t id_len;
    const char *json;
    size_t len;
    bool deleted;
    const char *bundle;  /* or NULL */
    bool firm;           /* a conflict refuses the bundle */

    /* What a replication brings; zero for a write of the program. */
    bool pulled;
    int64_t replication; /* whose pull or settling it is: it gets no base from it */
    int64_t stamp;       /* 0: now */
    int64_t writer, wseq; /* 0: this opening */

    bool versioned;      /* the text is of this version, and not of the collection's */
    int64_t version;
    enum {
        REPLICA__WRITE_EDIT = 0,
        REPLICA__WRITE_MIGRATED, /* no edit: what replications know follows */
        REPLICA__WRITE_DROPPED,  /* a tombstone that is in step with everybody */
        REPLICA__WRITE_ERASED    /* the same, and nothing is kept of what it replaces */
    } kind;
};
struct replica__written {
    int64_t number, seq, height, opening, stamp;
};

/* Write over `old` (NULL: there is none, and the caller has looked).  The caller holds a
 * transaction, and rolls it back after a failure; SQLite may have done so already (no memory, disk
 * full). */
int replica__write(replica_db *db, const struct replica__write *w, const struct replica__row *old,
                   struct replica__written *ret, replica_error *err);
/* Insert without having looked: 1 written, 0: there is a row of that key. */
int replica__write_new(replica_db *db, const struct replica__write *w, struct replica__written *ret,
                       replica_error *err);

/* The program's rule: is the stored revision the one that the write started from?  old NULL: none
 * is stored.  1; 0: no, a conflict; REPLICA_EINVAL: base_rev is no revision at all. */
int replica__write_base_is_current(replica_db *db, const struct replica__row *old,
                                   const char *base_rev, replica_error *err);
/* Word the conflict, and hand out the stored document, or NULL if none is or it is deleted. */
int replica__write_conflict(replica_collection *coll, const char *id,
                            const struct replica__row *old, const char *base_rev,
                            replica_doc **ret_stored, replica_error *err);

/* A write of the program: the base is checked, the row replaced.  1 written; 0 for a deletion of
 * what is not there; REPLICA_ECONFLICT with ret_stored. */
int replica__write_checked(replica_db *db, const struct replica__write *w, const char *base_rev,
                           struct replica__written *ret, replica_doc **ret_stored,
                           replica_error *err);
/* What was written, as a document. */
int replica__written_doc(replica_db *db, const struct replica__write *w,
                         const struct replica__written *written, replica_doc **ret_doc,
                         replica_error *err);

#endif
