/* A remote: how the replication protocol reaches the other side.
 *
 * The HTTP remote is one; a program can write its own, for a transport of its own.  A remote is a
 * struct of callbacks that start something and return at once; the answer is given later, through
 * the call that was started, with exactly one of the replica_call_ functions below (a stream may
 * give any number of pages before its one end).  Everything happens on the runner's thread: the
 * callbacks, and the answers, which a remote gives inside the start itself or inside its `work`.
 *
 * What an answer points to is copied or used up before the answering function returns. */
#ifndef REPLICATOR_REMOTE_H
#define REPLICATOR_REMOTE_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

typedef struct replica_call replica_call; /* one question that waits for its answer */

/* What the other side can do, told in the answer to hello. */
#define REPLICA_REMOTE_ONE_FEED   (1u << 0) /* several collections in one feed and one push */
#define REPLICA_REMOTE_OPERATIONS (1u << 1) /* operation ids: a row sent twice takes effect once */
#define REPLICA_REMOTE_ROWS       (1u << 2) /* a verdict by row; without: one status for all */
#define REPLICA_REMOTE_ORDER      (1u << 3) /* `follows`, `head` and sequence numbers are given */
#define REPLICA_REMOTE_STREAM     (1u << 4)
#define REPLICA_REMOTE_BUNDLES    (1u << 5) /* rows of one bundle are taken or refused as one */
#define REPLICA_REMOTE_LOCKS      (1u << 6) /* `ask` "lock"; fencing numbers with rows */
#define REPLICA_REMOTE_EVENTS     (1u << 7) /* `ask` "emit"; told "event" on the stream */
#define REPLICA_REMOTE_KEYS       (1u << 8) /* `keys` of a pull request */
#define REPLICA_REMOTE_FILTER     (1u << 9) /* `filter` of a pull request */
#define REPLICA_REMOTE_RANGES     (1u << 10) /* `ask` "digests", "ids"; pull with `ids`, `fresh` */
#define REPLICA_REMOTE_PURGED     (1u << 11) /* tombstones were purged there */
#define REPLICA_REMOTE_VIEWS      (1u << 12) /* who asks decides what is there to be seen */

/* ---- what comes ------------------------------------------------------------------ */

/* The document is there, and not for us any more: */
#define REPLICA_GONE_VIEW   1 /* access to it ended */
#define REPLICA_GONE_FILTER 2 /* it does not match the filter */

typedef struct replica_remote_doc {
    const char *collection; /* NULL: the only one that was asked for */
    const char *json;       /* reserved members are allowed: "_deleted" counts, the rest is cut */
    size_t len;
    int deleted;            /* or "_deleted": true in json */
    int64_t sequence;       /* the server's; 0: unknown */
    int64_t stamp;          /* hybrid logical clock; 0: unknown */
    const char *writer;     /* token of the revision at its writer; NULL: unknown */
    const char *bundle;     /* NULL: none */
    intptr_t older;         /* by so many versions than the collection's is its text; 0: not */
    intptr_t gone;          /* REPLICA_GONE_...: json is only the key; 0: it is not */
} replica_remote_doc;

typedef struct replica_remote_page {
    size_t size;
    const replica_remote_doc *docs;
    size_t count;
    const char *checkpoint;  /* text for the next pull, kept as it is; NULL: unchanged */
    const char *follows;     /* checkpoint that this page follows without a gap; NULL: not told */
    const char *incarnation; /* of the sequence numbers; NULL: none */
    int64_t head;            /* sequence number at the feed's end as of the request; 0: not told */
    int64_t remaining;       /* documents after this page; -1: not told */
    int at_head;             /* the page reached the head as of the request */
    int64_t now_ms;          /* the server's clock, since 1970; 0: not told */
    int absent;              /* to `ids`: there is no such collection, and none of them */
} replica_remote_page;
#define REPLICA_REMOTE_PAGE_INIT \
    { sizeof(replica_remote_page), NULL, 0, NULL, NULL, NULL, 0, -1, 0, 0, 0 }

/* The judgement of one row; what the kinds mean is said in libreplica.h. */
typedef struct replica_remote_verdict {
    int verdict;
    int64_t sequence;       /* TAKEN, ALREADY: the server's number of that state; 0: unknown */
    replica_remote_doc real;
    int code;               /* REFUSED: HTTP status */
    const char *reason;
    int64_t retry_ms;
    intptr_t reserved[2];
} replica_remote_verdict;

typedef struct replica_remote_verdicts {
    size_t size;
    const replica_remote_verdict *verdicts; /* one for each row that was sent, in its order */
    size_t count;
    const char *incarnation; /* of the sequence numbers; NULL: none */
    const char *follows;     /* with checkpoint: no document of others lies between the two */
    const char *checkpoint;  /* NULL: not told */
} replica_remote_verdicts;
#define REPLICA_REMOTE_VERDICTS_INIT { sizeof(replica_remote_verdicts), NULL, 0, NULL, NULL, NULL }

/* ---- what goes ------------------------------------------------------------------- */

typedef struct replica_remote_collection {
    const char *name;
    const char *key; /* name of the primary key field */
    int version;     /* of the schema */
} replica_remote_collection;

typedef struct replica_pull_request {
    const replica_remote_collection *collections;
    size_t count;           /* 1 unless ONE_FEED */
    const char *checkpoint; /* NULL: from the beginning */
    int rows;               /* at most, but for whole bundles */
    int64_t bytes;          /* about */
    const char *keys;       /* only these: a pattern; NULL: all */
    const char *const *listen; /* stream: events with these addresses, patterns; NULL at the end */
    const char *client;     /* stream: who this is; locks wait a while for who went away */
    const char *filter;     /* only what this selector matches: JSON; NULL: all */
    /* These documents, whatever their place in the feed, instead of a page: each is answered, in
     * this order, as far as they fit; one that is not there as deleted.  NULL: a page. */
    const char *const *ids;
    size_t id_count;
    /* Of who had nothing when it began: tombstones with numbers up to this are not wanted; -1: up
     * to the head as of the request; 0: all are. */
    int64_t fresh;
} replica_pull_request;

typedef struct replica_remote_row {
    size_t collection;      /* index into the request's collections */
    const char *id;
    const char *json;       /* the new state, without reserved members */
    size_t len;
    int deleted;
    const char *operation;  /* operation id: token of the revision that is sent */
    int64_t stamp;
    const char *bundle;     /* or NULL */
    const char *assumed;    /* assumed master state; NULL: none (must be new) */
    size_t assumed_len;
    int assumed_deleted;
    const char *assumed_incarnation; /* of the assumed state; NULL: unknown */
    int64_t assumed_sequence;
    int firm;               /* a conflict refuses its bundle */
    int64_t fence;          /* of the lock under which it was written; 0: none */
} replica_remote_row;

typedef struct replica_push_request {
    const replica_remote_collection *collections;
    size_t count;
    const char *checkpoint; /* the pull checkpoint, or NULL */
    const replica_remote_row *rows; /* those of one bundle stand together */
    size_t row_count;
    const char *client;     /* who this is; a lock's holder.  NULL: nobody */
} replica_push_request;

/* ---- the remote ------------------------------------------------------------------ */

/* A start returns 0, or < 0 if it could not start; then the call must not be answered.  A start
 * may answer before it returns.  Requests live until the start returns. */
typedef struct replica_remote {
    size_t size;
    void *ctx;
    int (*hello)(void *ctx, replica_call *call); /* answered by replica_call_hello */
    int (*pull)(void *ctx, replica_call *call, const replica_pull_request *request);
    int (*push)(void *ctx, replica_call *call, const replica_push_request *request);
    /* NULL: no stream; the replication then asks every 30 s. */
    int (*stream)(void *ctx, replica_call *call, const replica_pull_request *request);
    /* The answer is no longer wanted; the call is gone when this returns. */
    void (*cancel)(void *ctx, replica_call *call);
    /* What to wait for: a descriptor that becomes readable (-1: none), and a time in ms
     * (-1: none); then `work` is called.  NULL where the remote always answers at once. */
    int (*fd)(void *ctx);
    int (*timeout)(void *ctx);
    void (*work)(void *ctx);
    /* Called once, also when replica_sync_start() fails; no call is open then. */
    void (*destroy)(void *ctx);
    /* A small question of another kind, by name ("lock", "unlock", "locks", "emit", "digests",
     * "ids"; docs/protocol.md has the JSON of each); answered by replica_call_answer().  NULL:
     * there are none. */
    int (*ask)(void *ctx, replica_call *call, const char *what, const char *json, size_t len);
} replica_remote;
#define REPLICA_REMOTE_INIT \
    { sizeof(replica_remote), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* ---- answers --------------------------------------------------------------------- */

/* Before the answer to hello: the server's rules for the conflicts of a collection ("*": of all),
 * as <libreplica/merge.h> has them, of len bytes.  They hold where the program has said nothing. */
REPLICA_API void replica_call_rules(replica_call *call, const char *collection, const char *json,
                                    size_t len);
REPLICA_API void replica_call_hello(replica_call *call, unsigned features);
REPLICA_API void replica_call_page(replica_call *call, const replica_remote_page *page);
REPLICA_API void replica_call_verdicts(replica_call *call, const replica_remote_verdicts *answer);
/* A stream is open; a page that it brings (any number); something changed, ask again. */
REPLICA_API void replica_call_open(replica_call *call);
REPLICA_API void replica_call_event(replica_call *call, const replica_remote_page *page);
REPLICA_API void replica_call_resync(replica_call *call);
/* Something arrived on the stream, if only a heartbeat: it is alive, and its silence is counted
 * from here on. */
REPLICA_API void replica_call_alive(replica_call *call);

/* The answer to `ask`; and what a stream brings besides pages ("event"). */
REPLICA_API void replica_call_answer(replica_call *call, const char *json, size_t len);
REPLICA_API void replica_call_told(replica_call *call, const char *what, const char *json,
                                   size_t len);

/* Any call can fail, and a stream ends so.  error->code: REPLICA_ENET, ETIMEOUT, EHTTP, EAUTH,
 * EVERSION, ELIMIT (a smaller page may do), ENOTSUP, ...; detail: the HTTP status or curl code.
 * retry_ms: not before; 0: not told. */
REPLICA_API void replica_call_fail(replica_call *call, const replica_error *error,
                                   int64_t retry_ms);
/* The checkpoint is from a lost timeline of the server: what lies above `common` there is unknown
 * to the server that answers.  "" and 0: nothing is common. */
REPLICA_API void replica_call_lost(replica_call *call, const char *incarnation, int64_t common);
/* The checkpoint is known, and what lies behind it is not enough: "horizon", deletions before it
 * were purged; "view", other documents may be seen now.  The client compares all that it has. */
REPLICA_API void replica_call_reconcile(replica_call *call, const char *why);

REPLICA_END

#endif
