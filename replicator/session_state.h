/* The session's inside, shared by its files: session.c decides, pull_side, push_side, stream_side
 * and settle_side do, session_call.c asks, and call.c takes the answers. */
#ifndef REPLICATOR_SESSION_STATE_H
#define REPLICATOR_SESSION_STATE_H

#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"
#include "replicator/asking.h"
#include "replicator/lowering.h"
#include "replicator/ranges.h"
#include "replicator/session.h"

#include <string.h>

/* More patterns of events than these are asked for as everything: they are part of a URL. */
#define REPLICA__LISTEN_MOST 16

enum session_state {
    STANDBY,
    HELLO,
    IDLE,
    PULLING,
    PUSHING,
    WAITING,
    PAUSED,
    DONE,
    SESSION_STATES
};

/* A question that was put to the remote.  The remote knows it by its address. */
enum call_kind { CALL_HELLO, CALL_PULL, CALL_PUSH, CALL_STREAM, CALL_ASK };

/* Who puts questions of another kind, and takes their answers: one of the two, once. */
struct asker {
    const char *what; /* "lock", "emit", ... */
    void (*answered)(struct replica__session *s, const char *json, size_t len); /* valid JSON */
    void (*failed)(struct replica__session *s, const replica_error *error, int64_t retry_ms);
};

struct replica_call {
    struct replica__session *session;
    enum call_kind kind;
    size_t feed;
    bool open;        /* started, and not answered */
    int64_t deadline; /* monotonic ms: the watchdog's */
    const struct asker *asker; /* ASK */
};

/* A page that came, copied, and waits to be applied. */
struct arrived {
    struct replica__pulled *docs;
    size_t n;
    struct replica__arena *arena;
    char *checkpoint, *follows, *incarnation; /* of the arena; NULL: none */
    int64_t head, remaining;
    bool at_head;
};

struct answered { /* verdicts that came */
    struct replica__verdict *verdicts;
    struct replica__arena *arena;
    char *checkpoint, *follows, *incarnation;
};

#define PARTED 64

/* A row that the server refused alone, and of which is not known yet whether the refusal was meant
 * for it or for everything. */
#define SUSPECTS 3
struct suspect {
    struct replica__push_page page; /* of this one row */
    size_t feed;
    int code;
    char reason[200];
};

struct feed {
    bool at_head;       /* the last iteration reached it, and nothing is known to have come since */
    bool wanted;        /* pull it */
    int64_t news_at;    /* pull it then, as the server says so all the time; 0: it does not */
    int64_t pulled_at;  /* when an iteration last ended */
    int idle_pulls;     /* iterations in a row that brought nothing */
    bool from_start;    /* resync: forget the checkpoint first */
    bool half;          /* conflicts may wait for their bundles' other members */
    bool swept;         /* nothing in step lies outside the filter, */
    int64_t swept_to;   /* as far as documents up to this number were looked at */
    int64_t remaining;
    replica_call stream;
    bool streaming;     /* it is open */
    int64_t heard;      /* monotonic ms: when the stream last said anything */
    int64_t stream_at;  /* when to open it (again) */
    int stream_failures;
    char *opened_at;    /* checkpoint when the stream was asked for; of servers without an order */
    bool went_back;     /* the checkpoint was put back there since */
    int walks;          /* comparisons since its last page */
    bool fresh;         /* nothing is here, nor ever was: no tombstones are wanted */
};

/* Asking the server what it knows of the incarnations before. */
struct probe {
    bool active;
    bool lost;            /* it does not know our checkpoint, or the newest marker */
    char incarnation[65]; /* the server's now; "": not told */
    struct replica__marker markers[REPLICA__MARKERS];
    size_t n, next;
};

struct replica__session {
    replica_db *db;
    struct replica__replication *repl;
    replica_remote remote;
    const struct replica__session_hooks *hooks;
    struct replica__session_options o;
    replica_remote_collection *named; /* the collections, as the remote is told */
    replica_collection **colls;
    char *keys;             /* only documents of this pattern; NULL: all */
    char *filter;           /* only those that this selector matches; NULL: all */
    enum session_state state;
    unsigned features;
    bool greeted;
    int64_t look_at;        /* STANDBY: when to look whether the lease is free */
    bool resync;            /* was told before the server was greeted */
    bool look_at_feeds;     /* somebody may have reset them */
    bool look_at_unapplied; /* what could not be applied may be applied now, */
    int64_t unapplied_at;   /* but not before this */
    bool look_at_lease;     /* somebody may have taken the lease, or asked something */
    int64_t asked, answered; /* of those who wait: see lease_side.c */
    int64_t ticket;         /* STANDBY: what was asked of who replicates; 0: nothing */
    bool stalled;           /* until the program has taken events: the hook wakes us */
    int busy;               /* > 0: inside a step or answer, where commits of its handle are ours */

    struct feed *feeds;
    size_t feed_count;
    size_t feed;            /* the one being pulled or pushed */

    replica_call hello, pull, push;
    size_t pull_rows, push_rows; /* halved when pages are too large, and grown again */
    size_t push_most;       /* what push_rows grows to */
    char incarnation[65];   /* the server's, as it is known here; "": not yet */
    struct probe probe;
    struct arrived page;    /* came, and is applied in the next step */
    bool has_page;
    char *asked_from;       /* checkpoint of the pull that is out */
    size_t pages;           /* of this iteration */
    char *met;              /* a checkpoint of this iteration; coming again it is a circle */
    size_t barren;          /* how long pages have brought nothing: see pull_side.c */
    bool last_page;         /* the page that came ends the iteration */
    struct walk *walk;      /* reconcile_side.c; NULL: nothing is being compared */
    struct verify *verify;  /* verify_side.c; NULL: nobody wants it */
    replica_call range;     /* what it asks */

    bool dirty;             /* there may be something to push */
    bool unsettled;         /* there may be something to settle */
    bool rounding;          /* a round over them has begun, */
    int64_t settled_to;     /* and looked at documents up to this number */
    /* Pages: judged has its verdicts, sent is out, ready is the next one. */
    struct replica__push_page judged, sent, ready;
    bool has_ready;
    struct answered verdicts;
    bool has_verdicts;
    struct replica__lowering *lowering; /* the page that is taken down to the server's version */
    bool searching;         /* a page was refused: halving until the row is found */
    bool goes_on;           /* the pass ended to settle or pull, and the next one goes on with it */
    size_t halved;          /* its half, while a row is asked about alone; 0: none is */
    struct {                /* bundles whose members go one by one, as last met */
        uint64_t name;
        int rows;
    } parted[PARTED];
    size_t parted_at;
    bool delayed;           /* rows of this pass come later */
    bool counted;           /* what it has to send */
    bool count_anew;        /* it was in sync: what is done from here on is of the next time */
    int delays;             /* passes in a row that had such */
    int64_t later_at;       /* when what was put off has its turn; 0: nothing was */
    bool with_later;        /* this pass takes it */
    struct suspect suspects[SUSPECTS];
    size_t suspect_count;
    size_t refusals;        /* of rows alone, in succession, over all passes */
    bool told_apart;        /* a row was taken: refusals are meant for their rows */

    replica_call lock;      /* lock_side.c */
    struct replica__lock_job lock_job; /* what it asks */
    int64_t lock_asked;     /* wall clock: when it was */
    bool look_at_locks;     /* there may be some to ask for */
    int64_t locks_at;       /* when to look at them next; 0: when something happens */

    replica_call emit;      /* event_side.c */
    bool look_at_events;    /* there may be some to send, or somebody may listen to others */
    bool emits;             /* from the event with this number on */
    int64_t emitted;
    int64_t emit_at;        /* after a failure: not before */
    char *listened;         /* patterns that the stream was opened with, each with its NUL, */
    const char *patterns[REPLICA__LISTEN_MOST + 1]; /* and as the remote was told */
    struct {                /* note_side.c */
        struct replica__note stored, next;
        bool known;         /* what is stored was read */
        bool failed;        /* to write it, the last time */
        int64_t moved;      /* documents, when next was last in sync; -1: say it anew */
        int64_t at;         /* not before this */
        int64_t show_at;    /* what moves is shown to others from then on; what has changed, at */
        int shown_state, shown_streaming; /* once: this was */
    } note;
    struct replica__asking *asking;
    int failures;           /* in a row */
    int64_t network_at;     /* the network's return is not heeded before */
    bool look_at_words;     /* of what was erased there may be some left, */
    int64_t words_at, words_begun; /* which are merged away from then on */
    int64_t wait_until;     /* WAITING; PAUSED: 0, or when to try again */
    bool held;              /* IDLE: all that is left waits for what is set aside */
    int64_t stuck_at;       /* when work that does not move is looked for; 0: there is none */
    int64_t poll_at;        /* ask the server without being told */
    replica_sync_status status;
    bool status_changed;
};

/* ---- session.c ------------------------------------------------------------------- */

int64_t replica__session_clock(const struct replica__session *s);
void replica__session_move(struct replica__session *s, enum session_state to);
void replica__session_want_all(struct replica__session *s); /* pull every feed */
void replica__session_log(const struct replica__session *s, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void replica__session_touch(struct replica__session *s); /* the status changed */
void replica__session_tell(struct replica__session *s, const replica_sync_event *event);
/* So many documents came, so many that were sent have their verdict. */
void replica__session_count(struct replica__session *s, int64_t pulled, int64_t pushed);

/* ---- session_failure.c ----------------------------------------------------------- */

/* An attempt failed: what it means for the whole session. */
void replica__session_failed(struct replica__session *s, const replica_error *error,
                             int64_t retry_ms);
/* Everything that is under way with the server ends; what was sent is asked about again. */
void replica__session_stop_work(struct replica__session *s);
void replica__session_note_error(struct replica__session *s, const replica_error *error);
/* The endpoint refuses everything: pause with this error, and try again after a long while. */
void replica__session_halt_refused(struct replica__session *s, const replica_error *error);
/* The program must mend this: pause with this error. */
void replica__session_halt(struct replica__session *s, const replica_error *error);
void replica__session_succeeded(
    struct replica__session *s); /* a request was answered as it should be */

/* ---- session_call.c -------------------------------------------------------------- */

/* Start a question; false: it failed at once, and the session has been told. */
bool replica__session_begin_call(struct replica__session *s, replica_call *call,
                                 enum call_kind kind, size_t feed);
/* Put a question of another kind; `call` is not open.  < 0: it could not start, and the asker hears
 * nothing. */
int replica__session_ask(struct replica__session *s, replica_call *call, const struct asker *asker,
                         const char *json, size_t len);
/* Give up a question that has no answer for too long: the asker is told. */
void replica__session_watch_ask(struct replica__session *s, replica_call *call);
/* The same for one that is no asker's: the session fails. */
void replica__session_watch_call(struct replica__session *s, replica_call *call, const char *what);
void replica__session_cancel_call(struct replica__session *s, replica_call *call);
size_t replica__session_feed_request(struct replica__session *s, size_t feed,
                                     const replica_remote_collection **ret);

/* ---- pull_side.c ----------------------------------------------------------------- */

void replica__pull_side_begin(struct replica__session *s, size_t feed);
void replica__pull_side_step(struct replica__session *s); /* PULLING: apply what came */
void replica__pull_side_answer(struct replica__session *s, const replica_remote_page *page);
void replica__pull_side_failed(struct replica__session *s, const replica_error *error,
                               int64_t retry_ms);
void replica__pull_side_stop(struct replica__session *s);
/* All that this version's endpoint has was shown, or nobody asks it: what it has not is to be
 * pushed.  false: the session has failed. */
bool replica__pull_side_confirm(struct replica__session *s, size_t feed);
/* Copy a page, so that it outlives its answer. */
int replica__arrived_copy(struct replica__session *s, size_t feed, const replica_remote_page *from,
              struct arrived *ret, replica_error *err);
void replica__arrived_free(struct arrived *page);
/* Apply it; checkpoint NULL: it does not move. */
int replica__arrived_apply(struct replica__session *s, size_t feed, struct arrived *page,
               const char *checkpoint, replica_error *err);
void replica__arrived_tell(struct replica__session *s, const struct arrived *page);
int replica__arrived_doc(struct replica__session *s, size_t feed, const replica_remote_doc *from,
             struct replica__arena *arena, struct replica__pulled *ret, replica_error *err);

/* ---- identity_side.c ------------------------------------------------------------- */

/* Find out what is common with a server that names this incarnation (NULL: not told); lost: it does
 * not know our checkpoint. */
void replica__identity_begin(struct replica__session *s, const char *incarnation, bool lost);
void replica__identity_page(struct replica__session *s); /* the answer to a question of this side */
void replica__identity_lost(struct replica__session *s, const char *incarnation, int64_t common);
void replica__identity_known(struct replica__session *s);
void replica__identity_stop(struct replica__session *s);
bool replica__identity_is_new(const struct replica__session *s, const char *incarnation);

/* ---- range_side.c ---------------------------------------------------------------- */

struct replica__range_question {
    size_t feed, collection;
    bool texts;        /* of texts, not of numbers */
    bool heads;        /* the head is a checkpoint of all collections of the feed */
    const char *after; /* behind this key; NULL: from the first */
};
/* Ask for the digests of a collection; or, with the ranges that are listed next, for the keys. */
int replica__range_ask(struct replica__session *s, const struct asker *asker,
                       const struct replica__range_question *question,
                       const struct replica__ranges *list, replica_error *err);
/* The pull that is to be asked for is of the single documents that the ranges ask for. */
void replica__range_request(struct replica__session *s, size_t feed, size_t collection,
                            const struct replica__ranges *ranges, replica_pull_request *request);
/* Its page, copied; checked to be an answer to that.  A collection that is not there has none of
 * the documents. */
int replica__range_page(struct replica__session *s, size_t feed, replica_collection *coll,
                        const struct replica__ranges *ranges, const replica_remote_page *page,
                        struct arrived *ret, replica_error *err);
/* The same for documents of which nothing is said but what is said of all. */
struct replica__range_keys {
    size_t feed;
    replica_collection *coll;
    char *const *ids;
    size_t n;
};
int replica__range_all(struct replica__session *s, const struct replica__range_keys *keys,
                       const replica_remote_doc *all, const replica_remote_page *page,
                       struct arrived *ret, replica_error *err);

/* ---- verify_side.c --------------------------------------------------------------- */

/* Begin or go on, if somebody wants that.  true: the state has changed. */
bool replica__verify_side_begin(struct replica__session *s);
bool replica__verify_side_runs(const struct replica__session *s);
void replica__verify_side_step(struct replica__session *s); /* PULLING */
bool replica__verify_side_has_work(const struct replica__session *s);
/* The pull that is to be asked for is of single documents; and what was answered. */
void replica__verify_side_request(struct replica__session *s, replica_pull_request *request);
void replica__verify_side_page(struct replica__session *s, const replica_remote_page *page);
void replica__verify_side_stop(struct replica__session *s); /* it goes on later */
void replica__verify_side_end(struct replica__session *s);  /* the session ends */

/* ---- filter_side.c --------------------------------------------------------------- */

/* true: something was done, and there may be more. */
bool replica__filter_side_step(struct replica__session *s);

/* ---- reconcile_side.c ------------------------------------------------------------ */

/* Instead of a pull: go on with a comparison, or begin one.  false: there is none. */
bool replica__reconcile_side_begin(struct replica__session *s, size_t feed);
void replica__reconcile_side_step(struct replica__session *s); /* PULLING */
bool replica__reconcile_side_has_work(
    const struct replica__session *s); /* without waiting for an answer */
/* The pull that is to be asked for is of single documents; and what was answered. */
void replica__reconcile_side_request(struct replica__session *s, replica_pull_request *request);
void replica__reconcile_side_page(struct replica__session *s, const replica_remote_page *page);
void replica__reconcile_side_stop(struct replica__session *s);
/* The server says so: compare all that is here with it, by ranges, before anything else is pulled
 * or pushed. */
void replica__reconcile_begin(struct replica__session *s, size_t feed, const char *why);

/* ---- reconcile_due.c ------------------------------------------------------------- */

/* The file says that one is under way, or to begin; or there is no checkpoint, and pages from the
 * beginning do not tell what is gone: deletions that were purged, what may not be seen any more,
 * and what left the filter.  1 and what there is of it; 0: there is none. */
int replica__reconcile_find(struct replica__session *s, size_t feed, struct replica__reconcile *ret,
                            replica_error *err);
bool replica__reconcile_is_of_returned(const struct replica__reconcile *at);
/* A comparison is to come, for this reason; unless there is one to come anyway.  1: it is noted. */
int replica__reconcile_side_note(struct replica__session *s, size_t feed, const char *why,
                                 replica_error *err);
/* Compare when all that is to be pushed was, with a server that has access rules. */
int replica__reconcile_side_after(struct replica__session *s, size_t feed, replica_error *err);
/* It was: is there such a comparison?  1: its feed is wanted; 0. */
int replica__reconcile_side_due(struct replica__session *s, replica_error *err);

/* ---- push_side.c ----------------------------------------------------------------- */

void replica__push_side_begin(struct replica__session *s);
void replica__push_side_step(struct replica__session *s);
bool replica__push_side_has_work(
    const struct replica__session *s); /* without waiting for an answer */
void replica__push_side_answer(struct replica__session *s, const replica_remote_verdicts *answer);
void replica__push_side_failed(struct replica__session *s, const replica_error *error,
                               int64_t retry_ms);
void replica__push_side_stop(struct replica__session *s);

/* ---- stream_side.c --------------------------------------------------------------- */

void replica__stream_side_step(struct replica__session *s);
int64_t replica__stream_side_next(const struct replica__session *s);
void replica__stream_side_opened(struct replica__session *s, size_t feed);
void replica__stream_side_event(struct replica__session *s, size_t feed,
                                const replica_remote_page *page);
void replica__stream_side_heard(struct replica__session *s, size_t feed);
void replica__stream_side_news(struct replica__session *s,
                               size_t feed); /* there is something to pull */
void replica__stream_side_failed(struct replica__session *s, size_t feed,
                                 const replica_error *error, int64_t retry_ms);
void replica__stream_side_stop(struct replica__session *s);

/* It is closed, and opened anew at once: with other parameters. */
void replica__stream_side_again(struct replica__session *s, size_t feed);

/* ---- lock_side.c ----------------------------------------------------------------- */

void replica__lock_side_step(struct replica__session *s);
int64_t replica__lock_side_next(const struct replica__session *s);
/* A provisional lock is being confirmed: nothing is pushed meanwhile. */
bool replica__lock_side_holds(const struct replica__session *s);
void replica__lock_side_stop(struct replica__session *s);

/* ---- event_side.c ---------------------------------------------------------------- */

void replica__event_side_step(struct replica__session *s);
int64_t replica__event_side_next(const struct replica__session *s);
/* The server tells events, as JSON. */
void replica__event_side_told(struct replica__session *s, const char *json, size_t len);
/* The patterns that a stream is to be opened with, NULL at the end; or NULL: none. */
const char *const *replica__event_side_listen(struct replica__session *s);
void replica__event_side_stop(struct replica__session *s);

/* ---- settle_side.c --------------------------------------------------------------- */

/* Settle what can be, ask the program about the rest.  true: something was done. */
bool replica__settle_side_step(struct replica__session *s);
/* Has anything become unsettled that can be settled, or asked about, now? */
bool replica__settle_side_is_due(const struct replica__session *s);

/* ---- lease_side.c ---------------------------------------------------------------- */

void replica__lease_side_step(struct replica__session *s); /* STANDBY */
/* Show that we live, see who asks, and notice that the lease is lost. */
void replica__lease_side_keep(struct replica__session *s);
void replica__lease_side_lost(struct replica__session *s);
void replica__lease_side_answer(struct replica__session *s); /* in sync */
void replica__lease_side_forget(struct replica__session *s); /* the server, as it was known */

/* ---- note_side.c ----------------------------------------------------------------- */

void replica__note_side_begin(struct replica__session *s); /* the lease is ours */
void replica__note_side_error(struct replica__session *s, const replica_error *error);
void replica__note_side_fine(struct replica__session *s); /* no error any more */
void replica__note_side_synced(struct replica__session *s);
void replica__note_side_unsynced(struct replica__session *s); /* the file says so already */
void replica__note_side_step(struct replica__session *s);
void replica__note_side_flush(struct replica__session *s); /* now or never */
int64_t replica__note_side_next(const struct replica__session *s);
void replica__note_side_show(struct replica__session *s); /* the status, to those who ask */

/* ---- checkpoint.c ---------------------------------------------------------------- */

/* Where a page or answer stands against the checkpoint that is stored: may it be moved there? */
bool replica__checkpoint_extends(const char *stored, const char *follows, const char *next);
/* The incarnation that it names; "" if there is none. */
/* Its sequence number; 0: it names none. */
int64_t replica__checkpoint_number(const char *text);
void replica__checkpoint_incarnation(const char *text, char *ret, size_t room);
bool replica__checkpoint_covers(const char *stored, const char *next);

#endif
