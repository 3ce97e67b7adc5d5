/* A replication as the program holds it: the handle, and what the program's thread and the runner's
 * share.
 *
 * The session belongs to the runner: a thread with a database handle of its own, or the program's
 * dispatch.  What goes between the two is under the mutex: commands one way, the status the other;
 * callbacks travel as posts. */
#ifndef REPLICATOR_SYNC_STATE_H
#define REPLICATOR_SYNC_STATE_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/os.h"
#include "replicator/session.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    COMMAND_STOP = 1 << 0,
    COMMAND_CHANGED = 1 << 1,
    COMMAND_PAUSE = 1 << 2,
    COMMAND_RESUME = 1 << 3,
    COMMAND_NOW = 1 << 4,
    COMMAND_RESYNC = 1 << 5,
    COMMAND_TOKEN = 1 << 6,
    COMMAND_VERIFY = 1 << 7
};

struct replica_sync {
    atomic_int refs;       /* the handle, and each post on its way */
    replica_db *db;        /* the program's; NULL: it has closed, or this was cancelled */
    char *identifier;
    replica_sync_options o; /* callbacks and flags; its pointers are not kept */
    struct replica__guest guest;
    bool ended;            /* on the program's thread: no callback from now on */

    /* the runner's */
    replica_db *run_db;    /* a sibling, or db itself */
    struct replica__session *session;
    replica_remote remote;
    bool http;
    int network;           /* tells when it comes back; -1 */
    struct replica__session_hooks hooks;
    pthread_t thread;
    bool has_thread;

    struct replica__trace *trace; /* has a mutex of its own */

    pthread_mutex_t mutex; /* of all below */
    unsigned commands;
    uint64_t changes, seen; /* commits of the program; and those that the session knows of */
    replica_sync_status status;
    bool status_posted;
    int64_t retry_at;      /* monotonic ms of the next attempt; 0: none is waited for */
    char *token;           /* for COMMAND_TOKEN; NULL: there will be none */
    int events;            /* on their way */
    struct replica__verifying *verifying; /* for COMMAND_VERIFY */
};

/* ---- runner.c -------------------------------------------------------------------- */

/* Make the session, and run it. */
int replica__runner_start(replica_sync *sync, const struct replica__session_options *o,
                 replica_error *err);
/* End it; when this returns nothing of the runner's is left. */
void replica__runner_stop(replica_sync *sync);
/* Any thread. */
void replica__runner_command(replica_sync *sync, unsigned command);
/* The same, and from here on it is not in sync before the session has looked. */
void replica__runner_look(replica_sync *sync, unsigned command);
void replica__runner_wake(replica_sync *sync);

/* ---- trace.c --------------------------------------------------------------------- */

struct replica__trace *replica__trace_new(void);
void replica__trace_free(struct replica__trace *trace); /* NULL is fine */
/* Number and time are given here.  Any thread. */
void replica__trace_add(struct replica__trace *trace, const replica_sync_trace_entry *entry);

/* ---- tell.c ---------------------------------------------------------------------- */

/* The hooks of the session: from the runner's thread to the program's. */
void replica__tell_set_hooks(replica_sync *sync);
/* For the HTTP remote: ask the program for its token. */
int replica__tell_token(void *ctx, bool refused, char *out, size_t room);

/* For the HTTP remote: a request has ended. */
void replica__tell_trace(void *ctx, const replica_sync_trace_entry *entry);

/* ---- sync.c ---------------------------------------------------------------------- */

void replica__sync_read_status(replica_sync *sync, replica_sync_status *ret);
/* Waiting, and dispatching meanwhile. */
struct replica__sync_wait {
    replica_sync *sync;
    int64_t until; /* monotonic ms; -1: for ever */
};
struct replica__sync_wait replica__sync_wait_for(replica_sync *sync, int timeout_ms);
/* Dispatch once.  1: look again; 0: the time is over. */
int replica__sync_wait_some(struct replica__sync_wait *w, replica_error *err);
/* An error that only the program can mend; 0: there is none. */
int replica__sync_halted(const replica_sync_status *status, replica_error *err);

/* ---- verify.c -------------------------------------------------------------------- */

/* For COMMAND_VERIFY: hand it to the session. */
void replica__verifying_begin(struct replica__verifying *v, struct replica__session *session);

/* Time left until the next attempt; with the mutex. */
int64_t replica__sync_retry_ms(const replica_sync *sync);

void replica__sync_ref(replica_sync *sync);
void replica__sync_unref(replica_sync *sync);

#endif
