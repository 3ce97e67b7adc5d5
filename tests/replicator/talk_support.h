/* A session in the test's hand: its server is the test, its time passes when the test says so.
 *
 *     TALK t = talk_begin(&(struct talk_options){ .features = OURS });
 *
 *     talk_run(t);
 *     talk_page(t, &(struct said){ "a=1@1", CP("1"), .at_head = 1 });
 *     CHECK_STR(talk_have(t, "a"), "a=1");
 *
 * Documents are written down shortly: "a=1" is {"id":"a","v":1}, "-a" its tombstone, "@7" behind it
 * the server's sequence number, "^1700" its stamp in ms, "~b" its bundle, "tasks/a=1" one of
 * another collection than the first; "!a" and "?a" are a that access ended to, and that left the
 * filter; several stand with a space between.  Rows that were pushed are
 * shown in the same way, with the assumed state behind '<': "a=2<1 b=1 -c<1 d=1<-". */
#ifndef TESTS_REPLICATOR_TALK_SUPPORT_H
#define TESTS_REPLICATOR_TALK_SUPPORT_H

#include "replicator/remote.h"
#include "replicator/session.h"
#include "tests/support/clock.h"
#include "tests/support/test.h"

#define OURS                                                                              \
    (REPLICA_REMOTE_ONE_FEED | REPLICA_REMOTE_OPERATIONS | REPLICA_REMOTE_ROWS |          \
     REPLICA_REMOTE_ORDER | REPLICA_REMOTE_STREAM)
#define RXDB REPLICA_REMOTE_STREAM
/* A checkpoint at this number of the server's one incarnation. */
#define CP(number) "{\"id\":\"inc\",\"lwt\":" number "}"

struct talk_options {
    unsigned features;
    bool once, push_only, pull_only, paused;
    bool silent;       /* hello is not answered by itself */
    int collections;   /* 0: 1; "notes", "tasks", "lists" */
    size_t rows;       /* 0: 100 */
    void (*resolve)(void *ctx, replica_conflict *c); /* ctx is the talk */
    int (*is_equal)(void *ctx, replica_doc *a, replica_doc *b);
    unsigned handler_flags;
    const char *rules; /* of all collections */
    const char *schema;
    const char *told;  /* what hello tells of "notes" */
    const char *keys;  /* only these */
    const char *incarnation; /* of pages; NULL: "inc" */
    const char *path;  /* NULL: test.db in the test's folder */
};

struct talk_post {
    replica__post_fn fn;
    void *arg;
};

struct talk {
    struct talk_options o;
    replica_db *db;
    replica_collection *colls[3];
    struct clock clock;
    struct replica__session *session;
    struct replica__session_hooks hooks;

    /* the server's side: what was asked, and is not answered */
    replica_call *hello, *pull, *push, *stream[3];
    replica_call *ask;       /* a question of another kind, */
    char asked[4000];        /* which was this: "emit {...}" */
    char listen[3000];       /* of the last stream: patterns, with a space behind each */
    replica_call *cancelled; /* the last one */
    int hellos, pulls, pushes, streams, asks, cancels, destroyed;
    char from[300];          /* checkpoint of the last pull; "" from the beginning */
    char stream_from[300];   /* of the last stream */
    int rows;                /* asked for by the last pull */
    int64_t fresh;           /* and this; */
    char ids[2000];          /* documents that it asked for, with a space between; "": a page */
    char feed[100];          /* collections of the last pull or push */
    char pushed[8000];       /* rows of the last push */
    char units[2000];        /* the same rows' keys: "a b+c! d", a bundle's joined, firm with ! */
    char push_checkpoint[300];
    size_t pushed_rows;
    char operations[2000];   /* of the last push, with a space behind each */
    int refuse_start;        /* a start returns this */
    void (*inside)(struct talk *t, replica_call *call); /* called within the start */

    /* the program's side */
    replica_sync_status status;
    int statuses, errors;
    replica_error error;     /* the last one */
    char events[8000];       /* "received a; sent b; conflict c handler; rejected d 422; " */
    bool full;               /* events have no room */
    bool away;               /* posts are not run */
    struct talk_post posts[1000];
    size_t post_count;
    int conflicts;           /* handlers that ran */
    replica_conflict *conflict; /* for handlers: kept for later */
    replica_conflict *earlier;
};

struct talk *talk_begin(const struct talk_options *o);
void talk_end(struct talk **t);
#define TALK __attribute__((cleanup(talk_end))) struct talk *
/* The session ends and begins again on the same file, as in a new process (reopen). */
void talk_restart(struct talk *t);
void talk_stop(struct talk *t);
int talk_start(struct talk *t); /* the result of replica__session_new() */

/* Step, and run what was posted, until nothing is left to do at once. */
void talk_run(struct talk *t);
void talk_pass(struct talk *t, int64_t ms); /* time passes in one leap; then run */
int64_t talk_wait_ms(struct talk *t);       /* until the session's next step; -1: none */
/* Let time pass until the session's next step, and run. */
void talk_next(struct talk *t);

/* The program writes.  It is told to the session. */
void talk_put(struct talk *t, const char *docs);
void talk_bundle(struct talk *t, const char *docs, bool firm);
const char *talk_have(struct talk *t, const char *id); /* "a=1", or "-" */
int talk_state(struct talk *t, const char *id);        /* REPLICA_DOC_... */
int talk_logged(struct talk *t);                       /* entries in the conflict log */
const char *talk_rejected(struct talk *t);             /* "a 422; b 403; ", sorted as listed */
void talk_forget_events(struct talk *t);

/* ---- the server answers; each ends with talk_run() --------------------------------- */

struct said {
    const char *docs;
    const char *checkpoint;
    const char *follows;
    int at_head, absent;
    int64_t head, remaining, now_ms;
};
void talk_page(struct talk *t, const struct said *said);
/* Without running: for answers that come in one turn, or from inside. */
void talk_say_page(struct talk *t, replica_call **call, const struct said *said);
void talk_event(struct talk *t, const struct said *said);
void talk_open_stream(struct talk *t);
/* One for each row: "taken", "taken@5", "already", "refused", "refused:403", "locked:500",
 * "later:500", "none", or the real state of a conflict ("a=3@7"). */
void talk_verdicts(struct talk *t, const char *verdicts);
void talk_say_verdicts(struct talk *t, const char *verdicts, const char *follows,
                       const char *checkpoint);
void talk_taken(struct talk *t); /* all rows */
void talk_fail(struct talk *t, replica_call **call, int code, int detail, int64_t retry_ms);
void talk_answer(struct talk *t, const char *json); /* to what was asked */
void talk_reconcile(struct talk *t, replica_call **call, const char *why);
/* Bring the session to rest: the pull answered with this page at the head. */
void talk_settle_down(struct talk *t, const char *docs, const char *checkpoint);

/* Handlers. */
void talk_keep(void *ctx, replica_conflict *c);   /* keeps it in t->conflict */
void talk_use_local(void *ctx, replica_conflict *c);
void talk_use_real(void *ctx, replica_conflict *c);
void talk_add(void *ctx, replica_conflict *c);    /* v = real + local - assumed */

#endif
