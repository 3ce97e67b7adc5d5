/* libreplicator: keeps collections of a libreplica database in step with a server.
 *
 * A replication joins one or more collections of one database to one server, under an identifier
 * that survives restarts.  It runs on a thread of the library with a database connection of its
 * own, or in the program's loop; every callback of the program runs in replica_db_dispatch(),
 * replica_db_wait() or the close that ends it, on the thread that calls that.
 *
 * The contract of every call is that of <libreplica/libreplica.h>. */
#ifndef REPLICATOR_REPLICATOR_H
#define REPLICATOR_REPLICATOR_H

#include <libreplica/libreplica.h>
#include <replicator/remote.h>

REPLICA_BEGIN

typedef struct replica_sync replica_sync;

enum {
    REPLICA_SYNC_STARTING = 1, /* has not spoken to the server yet */
    REPLICA_SYNC_PULLING = 2,
    REPLICA_SYNC_PUSHING = 3,
    REPLICA_SYNC_IDLE = 4,     /* nothing to do; see in_sync */
    REPLICA_SYNC_WAITING = 5,  /* after an error, until retry_ms is over */
    REPLICA_SYNC_PAUSED = 6,   /* by the program, or (with an error) by a refusal of the endpoint;
                                * after one of every document it tries again in five minutes */
    REPLICA_SYNC_STOPPED = 7,  /* ended: once and done, cancelled, or the database closed */
    REPLICA_SYNC_STANDBY = 8   /* another process replicates; this one takes over when it ends */
};

typedef struct replica_sync_status {
    size_t size;
    int state;              /* REPLICA_SYNC_...; in STANDBY the counts are this process's own */
    int in_sync;            /* all that was stored when head was asked for is on both sides, and
                             * nothing is dirty, under way or unsettled here */
    int64_t head;           /* the server's sequence number that in_sync is about; 0: not told */
    int streaming;          /* changes of the server arrive by themselves */
    int64_t pulled, pushed; /* documents since the start */
    int64_t bytes_down, bytes_up; /* of the bodies, as sent */
    int64_t pull_remaining; /* documents that the server still has for us; -1: unknown */
    int64_t push_remaining; /* dirty documents that wait to be sent */
    int64_t conflicts;      /* met since the start */
    int64_t unsettled;      /* documents that wait for an answer of the handler */
    int64_t rejected;       /* documents set aside */
    int64_t retry_ms;       /* WAITING: until the next attempt; else 0 */
    replica_error error;    /* the last one; code 0 after a success */
    int64_t unbundled;      /* bundles since the start whose members went one by one, as the server
                             * knows none */
    int64_t error_ms;       /* when error was met, since 1970; 0: there is none */
    int64_t pull_done;      /* documents that came, and */
    int64_t push_done;      /* that had their verdict, since it was last in sync: with what remains
                             * they are the whole */
} replica_sync_status;
#define REPLICA_SYNC_STATUS_INIT                                                    \
    { sizeof(replica_sync_status), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,        \
      { 0, 0, 0, "", "", { 0, 0, 0, 0 } }, 0, 0, 0, 0 }

/* What happens to a document; all pointers live for the call. */
enum {
    REPLICA_EVENT_RECEIVED = 1, /* written here */
    REPLICA_EVENT_SENT = 2,     /* taken by the server */
    REPLICA_EVENT_CONFLICT = 3, /* settled; result as the conflict log has it */
    REPLICA_EVENT_REJECTED = 4, /* set aside; see replica_rejected() */
    REPLICA_EVENT_LOCKED = 5    /* reason holds a lock on it; it waits, and is sent again */
};
typedef struct replica_sync_event {
    int kind;
    const char *collection;
    const char *id;
    replica_doc *assumed, *real, *local, *result; /* CONFLICT only; NULL where there is none */
    const char *rule;                             /* CONFLICT: what decided */
    int code;                                     /* REJECTED */
    const char *reason;
    intptr_t reserved[4];
} replica_sync_event;

/* Credentials: write the bearer token into out (at most room bytes with its NUL) and return 1; 0:
 * there is none; < 0: there will be none, the replication pauses with REPLICA_EAUTH.  Asked at the
 * start, and again after each 401, once for all requests in flight. */
typedef int (*replica_token_fn)(void *ctx, char *out, size_t room);

#define REPLICA_SYNC_PUSH_ONLY (1u << 0)
#define REPLICA_SYNC_PULL_ONLY (1u << 1)
#define REPLICA_SYNC_ONCE      (1u << 2) /* stop when in sync; else live until cancelled */
#define REPLICA_SYNC_IN_LOOP   (1u << 3) /* run in the program's dispatch instead of a thread */
#define REPLICA_SYNC_RXDB      (1u << 4) /* speak RxDB's dialect only; else ours where known */
#define REPLICA_SYNC_PAUSED_AT_START (1u << 5)

typedef struct replica_sync_options {
    size_t size;
    unsigned flags;
    /* NULL: made of the URL, without the version of a collection that has one, and the
     * collections' names. */
    const char *identifier;
    replica_collection *const *collections;
    size_t collection_count;
    /* The endpoint of the (first) collection as RxDB has it, with the others beside it:
     * http://host:port/{collection}/{version}.  Of a collection that has a version the last segment
     * is that, whatever it is here. */
    const char *url;
    const replica_remote *remote;     /* instead of url; copied */
    const char *const *headers;       /* "Name: value", NULL at the end; for HTTP; or NULL */
    replica_token_fn token;           /* NULL: no bearer token */
    int page_rows;                    /* 0: 1000 */
    int64_t page_bytes;               /* 0: 4 MiB */
    int request_timeout_ms;           /* of a request that makes no progress; 0: 30000 */
    void (*on_status)(void *ctx, const replica_sync_status *status); /* changed; coalesced */
    void (*on_event)(void *ctx, const replica_sync_event *event);    /* NULL costs nothing */
    void (*on_error)(void *ctx, const replica_error *error);         /* each failed attempt */
    void *ctx;
    replica_destroy_fn destroy;       /* of ctx; once, after the last callback */
    /* Only documents whose keys match this pattern (<libreplica/keys.h>), both ways; NULL: all. */
    const char *keys;
    /* Only documents that this selector matches (<libreplica/query.h>), both ways: what was never
     * at the server is not sent while it does not match; a document that leaves by an edit is sent
     * first.  NULL: all.  With another filter, or other keys, than the last time what leaves is
     * taken away here, and what enters comes; see docs/filters.md.  REPLICA_ELIMIT: it takes more
     * than 4 KiB of a URL. */
    const char *filter;
} replica_sync_options;
#define REPLICA_SYNC_OPTIONS_INIT                                                   \
    { sizeof(replica_sync_options), 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, 0, 0, \
      0, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* Start, or take up where the identifier was left.  The collections must be open, and belong to db.
 * When another process, or another handle on the file, runs the same identifier, one of them
 * replicates, with its own handlers and credentials.  The others stand by: what they write is sent,
 * they are in sync when that one is, and one of them takes over when it ends, pauses or stops.
 * ret_sync is yours until replica_sync_cancel(); closing the database cancels it too, and leaves
 * the handle to answer REPLICA_ECLOSED until you cancel it.
 * REPLICA_EINVAL: no or foreign collections, a URL that is none, an identifier that runs already.
 * REPLICA_ENOTSUP: a database in memory without REPLICA_SYNC_IN_LOOP.
 * REPLICA_EVERSION: libreplica is not of the very same version; or a collection's documents are on
 * their way to its version, and it was opened without the migrations. */
REPLICA_API int replica_sync_start(replica_db *db, const replica_sync_options *opts,
                                   replica_sync **ret_sync, replica_error *err);

/* End it and free the handle; NULL is fine.  What is under way is asked about at the next start.
 * Returns within a second, also from a callback. */
REPLICA_API void replica_sync_cancel(replica_sync *sync);

/* Forget a replication that does not run: its checkpoint and everything kept for it.  Documents
 * stay.  1; 0: there is none of that name.  REPLICA_EBUSY: it runs, here or in another process. */
REPLICA_API int replica_sync_remove(replica_db *db, const char *identifier, replica_error *err);

REPLICA_API int replica_sync_get_status(replica_sync *sync, replica_sync_status *ret_status,
                                        replica_error *err);

/* What it asked and decided lately: its last 256 requests and decisions, oldest first, for those
 * who want to know why.  No credentials are in it. */
typedef struct replica_sync_trace_entry {
    int64_t number;     /* growing by one: what is missing between two looks was more than 256 */
    int64_t time_ms;    /* since 1970: when it ended */
    const char *method; /* of a request over HTTP; NULL: it is a decision */
    const char *text;   /* a request's URL, without user, password and parameters; a decision in
                         * words */
    int status;         /* of the answer; 0: there was none */
    int64_t bytes_up, bytes_down; /* of the bodies */
    int64_t ms;         /* that it took */
    const char *error;  /* in words; NULL: none */
} replica_sync_trace_entry;
/* fn for each; stops when fn returns other than 0, and returns that.  The entry lives for the
 * call. */
REPLICA_API int replica_sync_trace(replica_sync *sync,
                                   int (*fn)(void *ctx, const replica_sync_trace_entry *entry),
                                   void *ctx, replica_error *err);

REPLICA_API const char *replica_sync_identifier(replica_sync *sync);

REPLICA_API int replica_sync_pause(replica_sync *sync, replica_error *err);
REPLICA_API int replica_sync_resume(replica_sync *sync, replica_error *err); /* and ends a wait */
/* Try now: ends a wait after an error, and asks the server for changes (in STANDBY the process that
 * replicates does).  On Linux a replication by URL notices by itself that the network is back; on
 * other systems a program that is told so calls this. */
REPLICA_API int replica_sync_now(replica_sync *sync, replica_error *err);
/* Pull everything again from the beginning; what is here and unchanged stays as it is. */
REPLICA_API int replica_sync_resync(replica_sync *sync, replica_error *err);

/* ---- verifying ------------------------------------------------------------------- */

typedef struct replica_verify_difference {
    int kind;               /* REPLICA_VERIFY_... */
    const char *collection;
    const char *id;
    intptr_t reserved[4];
} replica_verify_difference;
typedef struct replica_verify_options {
    size_t size;
    replica_collection *collection; /* NULL: all of the replication's */
    int repair;             /* REPLICA_REPAIR_... */
    void (*on_difference)(void *ctx, const replica_verify_difference *difference); /* or NULL */
    void *ctx;
    int timeout_ms;         /* -1: none */
} replica_verify_options;
#define REPLICA_VERIFY_OPTIONS_INIT { sizeof(replica_verify_options), NULL, 0, NULL, NULL, -1 }
typedef struct replica_verify_result {
    size_t size;
    int64_t compared;       /* documents of the server's */
    int64_t different, missing_here, missing_there, state; /* as REPLICA_VERIFY_... has them */
    int64_t pending;        /* differ, and wait to be sent or settled: that is as it should be */
    int64_t repaired;
} replica_verify_result;
#define REPLICA_VERIFY_RESULT_INIT { sizeof(replica_verify_result), 0, 0, 0, 0, 0, 0, 0 }

/* Compare all that is here and in step with what the server has, by digests of ranges of keys, and
 * tell exactly what differs, as it does when somebody wrote to the file, or to the server's, behind
 * the libraries' backs.  What is to be sent, pulled or settled does not count.  It waits until
 * there is nothing else to do, and dispatches meanwhile; on_difference runs within the call.  A
 * repair is a transaction for each document, and the state that loses is in the conflict log, under
 * the rule "verify"; what REPLICA_REPAIR_SERVER is to send has yet to be sent when this returns.
 * 1: all was compared, and ret_result says what was found; 0: the time is over.  REPLICA_ENOTSUP:
 * the server cannot compare ranges; REPLICA_EBUSY: another call verifies, or another process
 * replicates; REPLICA_ELIMIT: more than a million documents differ; else as
 * replica_sync_wait_in_sync(). */
REPLICA_API int replica_sync_verify(replica_sync *sync, const replica_verify_options *opts,
                                    replica_verify_result *ret_result, replica_error *err);

/* ---- waiting --------------------------------------------------------------------- */

/* Dispatch until in sync: 1.  0: timeout_ms (-1: none) is over.  REPLICA_ECLOSED: it ended before;
 * any error that only the program can mend (REPLICA_EAUTH, REPLICA_EVERSION, a refusing endpoint)
 * is returned too. */
REPLICA_API int replica_sync_wait_in_sync(replica_sync *sync, int timeout_ms, replica_error *err);

/* Where a document is on its way to the server: REPLICA_DOC_... */
REPLICA_API int replica_sync_doc_state(replica_sync *sync, replica_collection *coll, const char *id,
                                       int *ret_state, replica_error *err);
/* Dispatch until the state that is stored now is on the server (1) or superseded; 0: the time is
 * over; REPLICA_EHTTP: it was set aside. */
REPLICA_API int replica_sync_wait_pushed(replica_sync *sync, replica_collection *coll,
                                         const char *id, int timeout_ms, replica_error *err);

REPLICA_END

#endif
