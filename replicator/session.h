/* A session: the replication protocol as a state machine.
 *
 * It does no I/O of its own, reads no clock and throws no dice: the world of its database handle
 * tells the time, a remote reaches the server, hooks reach the program.  Whoever runs it calls
 * replica__session_step() when something was answered, when time has come, or when the database
 * changed; the step does what can be done at once, and starts what must be waited for.
 *
 *     STANDBY  another process replicates; takes over when that one ends, or stops
 *     HELLO    asks what the server can do
 *     IDLE     decides what is next: settle, pull, push, or nothing
 *     PULLING  page by page until the head; the next page is asked for before one is applied
 *     PUSHING  page by page; the next page is ready before the verdicts come
 *     WAITING  after a failure, until its time
 *     PAUSED   until the program says so
 *     DONE     once, and in sync
 *
 * Beside these a stream may be open; what it brings is applied in any state.  All functions belong
 * to the runner's thread, but for those marked otherwise. */
#ifndef REPLICATOR_SESSION_H
#define REPLICATOR_SESSION_H

#include "libreplica/store.h"
#include "replicator/replicator.h"

struct replica__session;

struct replica__session_hooks {
    /* Run fn(arg) on the program's thread. */
    int (*post)(void *ctx, replica__post_fn fn, void *arg);
    /* Call step soon.  Any thread. */
    void (*wake)(void *ctx);
    /* The status changed, something happened, an attempt failed.  NULL: nobody listens. */
    void (*status)(void *ctx, const replica_sync_status *status);
    void (*event)(void *ctx, const replica_sync_event *event);
    void (*error)(void *ctx, const replica_error *error);
    /* May more events come now, or would they pile up?  NULL: always. */
    bool (*ready)(void *ctx);
    void *ctx;
    void (*bytes)(void *ctx, int64_t *ret_down, int64_t *ret_up); /* of the remote; or NULL */
    /* A decision, for people; without number and time.  NULL: nobody listens. */
    void (*trace)(void *ctx, const replica_sync_trace_entry *entry);
};

struct replica__session_options {
    const char *identifier;
    replica_collection *const *collections; /* of db */
    size_t count;
    const char *keys;    /* a pattern; NULL: all */
    const char *filter;  /* a selector; NULL: all */
    bool push, pull, live;
    bool may_downgrade;  /* speak RxDB's dialect to a server that knew ours before */
    size_t rows;         /* of a page */
    int64_t bytes;
    bool paused;
};

/* Who wants all that is here to be compared with the server. */
struct replica__verify_ask {
    const char *collection; /* by its name, which lives until it has ended; NULL: all */
    int repair;             /* REPLICA_REPAIR_... */
    /* May more be told?  1; 0: not now, it wakes the session; < 0: nobody listens any more. */
    int (*room)(void *ctx);
    void (*found)(void *ctx, int kind, const char *collection, const char *id);
    /* Once.  error NULL: all was compared. */
    void (*ended)(void *ctx, const replica_verify_result *result, const replica_error *error);
    void *ctx;
};

/* remote is copied, and destroyed with the session. hooks live as long as it. */
int replica__session_new(replica_db *db, const struct replica__session_options *o,
                         const replica_remote *remote, const struct replica__session_hooks *hooks,
                         struct replica__session **ret_session, replica_error *err);
void replica__session_free(struct replica__session *s);

/* Do what can be done.  true: call again at once; false: when something happens, or at
 * replica__session_next(). */
bool replica__session_step(struct replica__session *s);
/* Monotonic time in ms of the next step; -1: when something happens. */
int64_t replica__session_next(const struct replica__session *s);
/* Step again at this time at the latest (-1: there is none), so that others see that we live. */
int64_t replica__session_lease_at(const struct replica__session *s);

/* The database was written to by others: there may be something to push or to settle. */
void replica__session_changed(struct replica__session *s);
void replica__session_pause(struct replica__session *s, bool paused);
void replica__session_now(struct replica__session *s);    /* end a wait, ask the server */
/* A link, an address or a route was added: what waits after a network error tries at once, but no
 * oftener than every ten seconds. */
void replica__session_network(struct replica__session *s);
void replica__session_resync(struct replica__session *s); /* from the beginning */

/* When it has nothing else to do. */
void replica__session_verify(struct replica__session *s, const struct replica__verify_ask *ask);

/* Within a step: what is committed now is the session's own. */
bool replica__session_busy(const struct replica__session *s);
/* The status as it was last told; retry_ms is the moment of the next attempt, monotonic. */
void replica__session_status(const struct replica__session *s, replica_sync_status *ret);

#endif
