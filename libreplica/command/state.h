/* A command as the document that it is:
 *
 *     {"id": ADDRESS/TOKEN, "address": ADDRESS, "payload": JSON, "sent": MS, "expires": MS,
 *      "state": "waiting"|"claimed"|"done"|"failed", "attempt": N,
 *      "by": HANDLER, "lease": MS, "beat": N, "once": true,      (claimed)
 *      "result": JSON,                                           (done)
 *      "reason": TEXT, "expired": true}                          (failed)
 *
 * Who writes it writes all of it.  A document of the collection that is not of this form is no
 * command, and left alone. */
#ifndef LIBREPLICA_COMMAND_STATE_H
#define LIBREPLICA_COMMAND_STATE_H

#include "libreplica/db.h"

#define REPLICA__HANDLER_SIZE 48 /* of a handler's name: token, dot, number, NUL */
#define REPLICA__LEASE_MS 30000
#define REPLICA__LEASE_LEAST 100
#define REPLICA__LEASE_MOST (24 * 3600 * 1000)

enum replica__command_step {
    REPLICA__COMMAND_WAITING,
    REPLICA__COMMAND_CLAIMED,
    REPLICA__COMMAND_DONE,
    REPLICA__COMMAND_FAILED
};

struct replica__command_state {
    replica_doc *doc; /* of which the texts are slices, as spelled */
    struct replica__slice id, address, payload, result;
    struct replica__slice reason_spelled;
    const char *reason;  /* to write; NULL: as spelled */
    int64_t sent, expires; /* expires 0: never */
    enum replica__command_step step;
    int64_t attempt;     /* 0: nobody has tried */
    char by[REPLICA__HANDLER_SIZE];
    int64_t lease, beat;
    bool once, expired;
};

/* 1; 0: it is no command, or deleted.  ret holds a reference of doc. */
int replica__command_read(replica_doc *doc, struct replica__command_state *ret);
void replica__command_clear(struct replica__command_state *state);
#define REPLICA_COMMAND_STATE \
    __attribute__((cleanup(replica__command_clear))) struct replica__command_state
/* The stored state of one.  1; 0: there is none. */
int replica__command_find(replica_collection *coll, const char *id,
                          struct replica__command_state *ret, replica_error *err);
void replica__command_text(const struct replica__command_state *state, struct replica__buf *out);

/* Write `next` over the state `was`, unless that is stored no more.  1 and the new state in *was;
 * 0: it was written meanwhile.  A claim that never was in step did not count: with RENEW it is
 * replaced by one of the same number, and only such a one is replaced with UNCONFIRMED (else 0). */
enum replica__command_over { REPLICA__OVER_ANY, REPLICA__OVER_RENEW, REPLICA__OVER_UNCONFIRMED };
int replica__command_put(replica_collection *coll, struct replica__command_state *was,
                         struct replica__command_state *next, enum replica__command_over over,
                         replica_error *err);
/* Is this state in step with every replication of its collection?  1, 0. */
int replica__command_is_in_step(replica_collection *coll, const struct replica__command_state *s,
                                replica_error *err);

/* It expired, or was tried too often: failed with this reason.  As replica__command_put(). */
int replica__command_give_up(replica_collection *coll, struct replica__command_state *was,
                             const char *reason, bool expired, replica_error *err);
bool replica__command_is_expired(const replica_collection *coll,
                                 const struct replica__command_state *state);
/* May commands be kept in it?  REPLICA_EINVAL. */
int replica__command_check(const replica_collection *coll, replica_error *err);

#endif
