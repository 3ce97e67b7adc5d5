/* What the replicator needs of the store: the door between the two libraries.
 *
 * For each replication and document that needs one there is a row of state (see docs/format.md):
 *
 *   clean at    the local sequence number at which the document was in step, with the server's
 *               incarnation and sequence number of that state.  Any later write makes it dirty.
 *   base        the server's state that the first write over a clean document replaced.
 *   sent        the state that left and has no verdict yet.
 *   unsettled   the newest real master state of a document that could not be applied.
 *   aside       the document waits for the program; see replica_rejected().
 *
 * All calls here are made on the runner's thread with the runner's own database handle (or the
 * program's, in its loop).  Each is one transaction, and calls no handler inside it. */
#ifndef LIBREPLICA_STORE_H
#define LIBREPLICA_STORE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>

/* ---- opening --------------------------------------------------------------------- */

/* A second handle on the file of db, for the runner's thread: the same limits, collections with the
 * same handlers, the same gate between writers (the program's go first).  Closed with
 * replica_db_close() before db is. */
REPLICA_INTERNAL int replica__db_open_sibling(replica_db *db, replica_db **ret_sibling,
                                              replica_error *err);
REPLICA_INTERNAL bool replica__db_in_memory(const replica_db *db);
REPLICA_INTERNAL void replica__db_set_world(replica_db *db, const struct replica__world *world);
REPLICA_INTERNAL const struct replica__world *replica__db_world(const replica_db *db);
/* A server has told its clock, in ms since 1970: see stamp.h. */
REPLICA_INTERNAL void replica__db_server_time(replica_db *db, int64_t now_ms);
REPLICA_INTERNAL void replica__db_log(const replica_db *db, int level, const char *topic,
                                      const char *format, ...)
    __attribute__((format(printf, 4, 5)));
REPLICA_INTERNAL void replica__db_limits(const replica_db *db, struct replica__json_limits *ret,
                                         size_t *ret_max_key);
REPLICA_INTERNAL const replica_conflict_handler *
replica__collection_handler(const replica_collection *coll); /* never NULL */

/* Does it have rules for its conflicts, of whomever? */
REPLICA_INTERNAL bool replica__collection_has_rules(const replica_collection *coll);
/* The server has told its rules; they hold where nothing else decides.  1: something else does. */
REPLICA_INTERNAL int replica__collection_tell_rules(replica_collection *coll, const char *json,
                                                    size_t len, replica_error *err);

/* What its documents must keep to; borrowed; NULL: nothing. */
REPLICA_INTERNAL replica_schema *replica__collection_schema(const replica_collection *coll);

/* A state that is not stored here, as a document: for handlers, and for the log. */
REPLICA_INTERNAL int replica__doc_new(replica_collection *coll, const char *id, const char *json,
                                      size_t len, bool deleted, replica_doc **ret_doc,
                                      replica_error *err);
/* The hybrid logical clock that the state was stamped with; replica_doc_time() is its part in
 * ms. */
REPLICA_INTERNAL int64_t replica__doc_stamp(const replica_doc *doc);
/* Name of the bundle that wrote it; NULL: none. */
REPLICA_INTERNAL const char *replica__doc_bundle(const replica_doc *doc);
/* The version of the collection's schema that its text is of. */
REPLICA_INTERNAL int64_t replica__doc_version(const replica_doc *doc);
/* Does the handler (or the default) find them the same?  A deleted state equals no live one. */
REPLICA_INTERNAL bool replica__states_equal(const replica_collection *coll, replica_doc *a,
                                            replica_doc *b);

/* ---- the pump: how the library reaches the program's thread ----------------------- */

/* Run fn(ctx) inside the next dispatch of db.  Any thread.  Posts run in order.  When db closes
 * first, fn runs inside the close with closing set.  REPLICA_ENOMEM: fn will not run. */
typedef void (*replica__post_fn)(void *ctx, bool closing);
REPLICA_INTERNAL int replica__db_post(replica_db *db, replica__post_fn fn, void *ctx);

/* Something of the library that works in dispatch, and ends when db closes. */
struct replica__guest {
    const char *name;
    void (*committed)(void *ctx);           /* this handle has committed; be quick */
    int64_t (*next_ms)(void *ctx);          /* monotonic time of the next work; -1: none */
    void (*work)(void *ctx);                /* in dispatch, when fd is ready or the time has come */
    void (*closing)(void *ctx);             /* the database closes: end now */
    void *ctx;
    struct replica__guest *next;            /* the store's */
};
REPLICA_INTERNAL void replica__db_add_guest(replica_db *db, struct replica__guest *guest);
REPLICA_INTERNAL void replica__db_remove_guest(replica_db *db, struct replica__guest *guest);
REPLICA_INTERNAL struct replica__poller *replica__db_poller(replica_db *db);
/* Inside a callback of this database now? */
REPLICA_INTERNAL bool replica__db_dispatching(const replica_db *db);
/* Has a callback closed it, which is carried out when the dispatch is over?  Waits end then. */
REPLICA_INTERNAL bool replica__db_close_wanted(const replica_db *db);
/* Is there a guest of this name? */
REPLICA_INTERNAL bool replica__db_has_guest(const replica_db *db, const char *name);
/* Make the poller wake when other processes write to the file; false where the system cannot. */
REPLICA_INTERNAL bool replica__db_watch(replica_db *db);
/* Has another connection committed since the last call?  1, 0. */
REPLICA_INTERNAL int replica__db_changed(replica_db *db, replica_error *err);
/* How long this handle waits for a lock. */
REPLICA_INTERNAL void replica__db_set_busy(replica_db *db, int busy_ms);

/* ---- events ---------------------------------------------------------------------- */

/* An event, as the table has it.  origin: the token of the handle that emitted it; or, behind an
 * REPLICA__EVENT_REMOTE, that of a client elsewhere.  Texts live for the call. */
#define REPLICA__EVENT_REMOTE '@'
#define REPLICA__EVENT_MAX (64 * 1024) /* of a payload */
struct replica__emitted {
    int64_t number; /* growing */
    const char *address;
    const char *payload;
    size_t len;
    const char *origin;
    int64_t time_ms;
};
/* All in one transaction.  Addresses and payloads are as replica_emit() takes them. */
REPLICA_INTERNAL int replica__events_add(replica_db *db, const struct replica__emitted *events,
                                         size_t n, replica_error *err);
/* Is it one that replica_emit() takes?  REPLICA_EINVAL, REPLICA_EJSON, REPLICA_ELIMIT. */
REPLICA_INTERNAL int replica__event_check(const replica_db *db,
                                          const struct replica__emitted *event,
                                          replica_error *err);
REPLICA_INTERNAL int replica__events_head(replica_db *db, int64_t *ret_head, replica_error *err);
/* fn for each event after the number *after, which moves behind each that fn has taken; it ends
 * when fn returns false: 1, else 0. */
typedef bool (*replica__emitted_fn)(void *ctx, const struct replica__emitted *event);
REPLICA_INTERNAL int replica__events_read(replica_db *db, int64_t *after, replica__emitted_fn fn,
                                          void *ctx, replica_error *err);
/* The patterns that handles on this file, of whatever process, listen to: a text of its own with a
 * NUL behind each, and one more behind the last; NULL: nobody does. */
REPLICA_INTERNAL int replica__events_wanted(replica_db *db, char **ret_patterns,
                                            replica_error *err);

/* ---- replications ---------------------------------------------------------------- */

struct replica__replication; /* an opened replication's rows */

/* Does the server take bundles as one?  Then they go out as one. */
REPLICA_INTERNAL void replica__replication_bundles(struct replica__replication *repl, bool bundles);
/* Open the replication called name, or create it; collections are those of db.  A range that was
 * under way when the program died is pushed again first. */
REPLICA_INTERNAL int replica__replication_open(replica_db *db, const char *name,
                                               replica_collection *const *colls, size_t n,
                                               struct replica__replication **ret_repl,
                                               replica_error *err);
/* Before its feeds: it is about the documents whose keys match this pattern, and that match this
 * selector (each NULL: all), both ways; the others are not pushed, and are passed over when they
 * come.  But what the server has is pushed when it is edited so that it matches no more.  Others
 * than the last time begin anew.  REPLICA_EINVAL, REPLICA_EJSON: no pattern, no selector. */
REPLICA_INTERNAL int replica__replication_about(struct replica__replication *repl,
                                                const char *keys, const char *filter,
                                                replica_error *err);
REPLICA_INTERNAL void replica__replication_close(struct replica__replication *repl);
REPLICA_INTERNAL int replica__replication_remove(replica_db *db, const char *name,
                                                 replica_error *err); /* 1, 0 */

/* Who this replication is for its server: a token, while the lease is held. */
REPLICA_INTERNAL const char *
replica__replication_client(const struct replica__replication *repl);

/* ---- the lease: who replicates ---------------------------------------------------- */

/* Of all handles that have opened a replication, in whatever process, one holds its lease, and the
 * calls below are for that one: for the others they give REPLICA_ECANCELLED and change nothing. */

/* May it be taken?  1; 0: another one holds it and lives.  For who waits: look each time when
 * replica__lease_next() is over, for that is how a holder that has stopped is found out. */
REPLICA_INTERNAL int replica__lease_look(struct replica__replication *repl, replica_error *err);
/* Take it: 1; 0: another one has it.  *ret_same: nobody had it since this one did, and the feeds
 * are as they were. */
REPLICA_INTERNAL int replica__lease_take(struct replica__replication *repl, bool *ret_same,
                                         replica_error *err);
/* Give it back; others may take it at once.  Nothing if it is not held. */
REPLICA_INTERNAL void replica__lease_release(struct replica__replication *repl);
/* As of the last call that looked. */
REPLICA_INTERNAL bool replica__lease_held(const struct replica__replication *repl);
/* Show the processes that ask how far it is, while the lease is held: JSON of less than a thousand
 * bytes, as replica_replications() reads it.  It costs no commit, and is gone with the lease. */
REPLICA_INTERNAL void replica__lease_show(const struct replica__replication *repl,
                                          const char *json);
/* Monotonic ms of the next replica__lease_keep() of who holds it, or look of who does not. */
REPLICA_INTERNAL int64_t replica__lease_next(const struct replica__replication *repl);

/* Those who wait ask the holder to look at the server once more, and are answered when it is in
 * sync. */
struct replica__lease_asked {
    int64_t asked, answered; /* the number of the last question, and of the last answered one */
    int64_t head;            /* the server's, as of the answer; 0: not known */
};
/* Show that the holder lives.  1; 0: the lease was lost. */
REPLICA_INTERNAL int replica__lease_keep(struct replica__replication *repl,
                                         struct replica__lease_asked *ret_asked,
                                         replica_error *err);
/* The holder has looked since that was asked, and is in sync. */
REPLICA_INTERNAL int replica__lease_answer(struct replica__replication *repl, int64_t asked,
                                           int64_t head, replica_error *err);
/* Who waits asks.  Not for who holds it. */
REPLICA_INTERNAL int replica__lease_ask(struct replica__replication *repl, int64_t *ret_ticket,
                                        replica_error *err);
/* Was that answered and (push) is nothing left to be sent or settled?  1 and the head, 0. */
REPLICA_INTERNAL int replica__lease_answered(struct replica__replication *repl, int64_t ticket,
                                             bool push, int64_t *ret_head, replica_error *err);

/* ---- locks of the server's --------------------------------------------------------- */

struct replica__lock_job {
    enum { REPLICA__LOCK_DO_ASK, REPLICA__LOCK_DO_RENEW, REPLICA__LOCK_DO_UNLOCK } deed;
    bool provisional;         /* to be confirmed before the next push */
    replica_collection *coll; /* NULL: a key of the program's own */
    char *key;
    char name[128];           /* of the holder, for people */
    int64_t ttl;
    int64_t fence;            /* the file's number of it */
    int64_t server_fence;     /* RENEW, UNLOCK */
};
REPLICA_INTERNAL void replica__lock_job_free(struct replica__lock_job *job);

/* What the server is to be asked next: 1.  0: nothing; *ret_wait: look again in so many ms, -1:
 * when the file changes.  Not online: nothing is asked, and who waits for an answer is told so. */
REPLICA_INTERNAL int replica__lock_next(struct replica__replication *repl, bool online,
                                        struct replica__lock_job *ret_job, int64_t *ret_wait,
                                        replica_error *err);

struct replica__lock_told {
    enum {
        REPLICA__LOCK_GOT,      /* fence, and until when (wall clock) */
        REPLICA__LOCK_REFUSED,  /* name of the holder, and until when; or it was lost */
        REPLICA__LOCK_HAS_NONE, /* the server has no locks */
        REPLICA__LOCK_NO_ANSWER
    } what;
    int64_t fence, until;
    char name[128];
};
REPLICA_INTERNAL int replica__lock_answered(struct replica__replication *repl,
                                            const struct replica__lock_job *job,
                                            const struct replica__lock_told *told,
                                            replica_error *err);

struct replica__push_page;
/* The number of each row of the page. */
REPLICA_INTERNAL int replica__lock_fences(struct replica__replication *repl,
                                          struct replica__push_page *page, replica_error *err);

/* ---- feeds ----------------------------------------------------------------------- */

/* What came, and could not be applied then for what this collection, its limits and its unique
 * indexes asked, is wanted again if it could be now.  1: there was some, and its feeds are
 * reset. */
REPLICA_INTERNAL int replica__replication_mend(struct replica__replication *repl,
                                               replica_error *err);

/* A feed is what has one checkpoint and one push queue: all collections (one_feed), or each its
 * own.  Sets which; a change of mode forgets the checkpoints.  Returns the number of feeds. */
REPLICA_INTERNAL int replica__replication_feeds(struct replica__replication *repl, bool one_feed,
                                                replica_error *err);
/* 1 and one_feed as it was last set; 0: never was. */
REPLICA_INTERNAL int replica__replication_mode(struct replica__replication *repl,
                                               bool *ret_one_feed);
REPLICA_INTERNAL size_t replica__feed_collections(struct replica__replication *repl, size_t feed,
                                                  replica_collection *const **ret_colls);
/* Borrowed until the next call with this feed; NULL: from the beginning. */
REPLICA_INTERNAL const char *replica__feed_checkpoint(struct replica__replication *repl,
                                                      size_t feed);
REPLICA_INTERNAL int replica__feed_reset(struct replica__replication *repl, size_t feed,
                                         replica_error *err); /* checkpoint: none */
/* Has another handle reset it, since this one stored its checkpoint?  1, 0. */
REPLICA_INTERNAL int replica__feed_is_reset(struct replica__replication *repl, size_t feed,
                                            replica_error *err);

/* The head of this feed was reached, from the beginning: what was in step with an older version's
 * endpoint, and was not shown by this one's, is to be brought there.  1: there may be something to
 * push now; 0: all was confirmed before. */
REPLICA_INTERNAL int replica__feed_confirm(struct replica__replication *repl, size_t feed,
                                           replica_error *err);

/* Another version than the collection's may be the server's, if steps lead down to it.  The version
 * whose endpoint is asked: */
REPLICA_INTERNAL int64_t replica__endpoint_at(const struct replica__replication *repl,
                                              const replica_collection *coll);
/* The server has not the versions that were asked for: true, ask for those that are now at. */
REPLICA_INTERNAL bool replica__endpoint_next(struct replica__replication *repl, size_t feed,
                                             int code, int detail);
/* It has; the feed is of these from now on.  1: it was of others, and begins anew. */
REPLICA_INTERNAL int replica__endpoint_adopt(struct replica__replication *repl, size_t feed,
                                             replica_error *err);
REPLICA_INTERNAL bool replica__endpoint_is_new(const struct replica__replication *repl,
                                               size_t feed);

/* ---- pulling --------------------------------------------------------------------- */

struct replica__pulled {
    replica_collection *coll;
    struct replica__json_doc doc; /* as scanned; key found */
    bool deleted;
    int64_t sequence;             /* the server's; 0: unknown */
    int64_t stamp;
    const char *writer;           /* NULL: unknown */
    const char *bundle;
    int older;                    /* by so many versions than the collection's is its text */
    bool hint;                    /* it may be an old state: only for a clean document */
    int gone;                     /* REPLICA_GONE_... of remote.h: it is there, and not for us any
                                   * more; the text is only its key */
    /* It could not be scanned, or breaks a limit: set aside with this, under the key if one was
     * found.  code 0: fine. */
    int problem;
    const char *reason;
    int outcome;                  /* out: REPLICA__PULLED_... */
    char *id;                     /* out: unescaped; replica__free() it */
};
enum {
    REPLICA__PULLED_SAME = 0,      /* known already, or older than what is known */
    REPLICA__PULLED_WRITTEN = 1,
    REPLICA__PULLED_UNSETTLED = 2, /* the document is dirty or under way: settle it */
    REPLICA__PULLED_ASIDE = 3,
    REPLICA__PULLED_PASSED = 4     /* a hint about a document that is not clean: a page must tell */
};

/* Apply a page and move the feed's checkpoint (NULL: it stays) in one transaction. incarnation: of
 * the sequence numbers, or NULL. */
REPLICA_INTERNAL int replica__pull_apply(struct replica__replication *repl, size_t feed,
                                         struct replica__pulled *docs, size_t n,
                                         const char *incarnation, const char *checkpoint,
                                         replica_error *err);

/* The replication is about other documents than before: those that are in step and none of them any
 * more are taken away, some at a time, from behind *after on.  1: there are more to look at; 0:
 * that was all. */
REPLICA_INTERNAL int replica__outside_sweep(struct replica__replication *repl, size_t feed,
                                            int64_t *after, replica_error *err);

/* Words of erased documents that large full-text indexes still have: a slice of them goes.  *begun:
 * 0 at first, and the caller's from then on.  1: there is more; 0: there is none. */
REPLICA_INTERNAL int replica__words_step(struct replica__replication *repl, int64_t *begun,
                                         replica_error *err);

/* ---- reconciling ----------------------------------------------------------------- */

/* What is here and what the server has are compared by ranges of keys, where the feed cannot tell
 * what is gone.  Known is what the server has as far as this replication knows, in step with its
 * endpoint's version: the newest state of it that came, or was taken.  The progress is durable, and
 * moves with the documents that were applied. */
struct replica__reconcile {
    char why[24];      /* "horizon", "view", then "texts", "filter", "keys", "resync", "verify",
                        * "returned", "overwritten" */
    char *head;        /* the checkpoint that was the server's head when it began; NULL: not told */
    size_t collection; /* of the feed: those before it are compared, */
    char *after;       /* and of this one all up to this key; NULL: nothing */
};
REPLICA_INTERNAL void replica__reconcile_free(struct replica__reconcile *progress);
/* Its reason, for one that begins all over again. */
REPLICA_INTERNAL void replica__reconcile_anew(struct replica__reconcile *progress);
/* Is one under way, or to begin?  1, 0. */
REPLICA_INTERNAL int replica__reconcile_get(struct replica__replication *repl, size_t feed,
                                            struct replica__reconcile *ret, replica_error *err);
/* Begin one, or note how far it is. */
REPLICA_INTERNAL int replica__reconcile_put(struct replica__replication *repl, size_t feed,
                                            const struct replica__reconcile *progress,
                                            replica_error *err);
/* It has compared all: the feed goes on from its head.  Or (whole false) there is none any more,
 * and the checkpoint stays. */
REPLICA_INTERNAL int replica__reconcile_end(struct replica__replication *repl, size_t feed,
                                            bool whole, replica_error *err);
/* Apply what the server answered about single documents, and note how far it is. */
REPLICA_INTERNAL int replica__reconcile_apply(struct replica__replication *repl, size_t feed,
                                              struct replica__pulled *docs, size_t n,
                                              const char *incarnation,
                                              const struct replica__reconcile *progress,
                                              replica_error *err);
/* Is anything of the feed's collections known?  1, 0. */
REPLICA_INTERNAL int replica__known_any(struct replica__replication *repl, size_t feed,
                                        replica_error *err);
/* A range of keys of a collection: after < key <= to (NULL: from the first, to the last). */
struct replica__key_range {
    replica_collection *coll;
    const char *after, *to;
    bool texts; /* compared by texts, not by numbers */
};
/* Is what is known of it other than `count` documents with this digest together?  1, 0;
 * REPLICA_EHTTP: no digest. */
REPLICA_INTERNAL int replica__known_differs(struct replica__replication *repl,
                                            const struct replica__key_range *range, int64_t count,
                                            const char *hex, size_t len, replica_error *err);
struct replica__known {
    char *id;          /* replica__free() it */
    int64_t sequence;  /* the server's; 0: it told none */
    char hex[33];      /* texts: its digest; else "" */
    bool outside;      /* its key is none of those that are replicated */
};
/* The first n of the range, in the order of their keys.  Gives how many. */
REPLICA_INTERNAL int replica__known_list(struct replica__replication *repl,
                                         const struct replica__key_range *range,
                                         struct replica__known *ret, size_t n,
                                         replica_error *err);

/* Tombstones with numbers up to this are not wanted: nothing was here when the feed began.  0: all
 * are. */
REPLICA_INTERNAL int64_t replica__feed_fresh(const struct replica__replication *repl, size_t feed);
/* Stored with the next page. */
REPLICA_INTERNAL void replica__feed_set_fresh(struct replica__replication *repl, size_t feed,
                                              int64_t number);
/* Has none of its collections any document, and none ever had?  1, 0. */
REPLICA_INTERNAL int replica__feed_is_empty(struct replica__replication *repl, size_t feed,
                                            replica_error *err);

/* The server does not know what lies above `common` of this incarnation: those documents are to be
 * brought back, and the feed starts from `checkpoint`. */
REPLICA_INTERNAL int replica__feed_lost(struct replica__replication *repl, size_t feed,
                                        const char *incarnation, int64_t common,
                                        const char *checkpoint, replica_error *err);
/* Is anything of that still to be brought back?  1, 0. */
REPLICA_INTERNAL int replica__lost_any(struct replica__replication *repl, replica_error *err);

/* The highest number of each incarnation that clean markers hold, but for `except`; highest first.
 * Returns how many. */
#define REPLICA__MARKERS 64
struct replica__marker {
    char incarnation[65];
    int64_t sequence;
};
REPLICA_INTERNAL int replica__replication_markers(struct replica__replication *repl,
                                                  const char *except, struct replica__marker *ret,
                                                  size_t n, replica_error *err);

/* ---- pushing --------------------------------------------------------------------- */

/* The state that was pulled, as a document. */
REPLICA_INTERNAL int replica__doc_of_pulled(const struct replica__pulled *pulled, const char *id,
                                            replica_doc **ret_doc, replica_error *err);

struct replica__push_row {
    replica_collection *coll;
    size_t coll_index;   /* in the feed's collections */
    int64_t doc;         /* the store's own number of the document */
    int64_t sequence;    /* local, of the state that is sent */
    char *id;
    char *operation;     /* token of the revision */
    char *bundle;        /* or NULL */
    bool firm;           /* a conflict refuses the bundle */
    size_t unit;         /* rows with the same number are taken or refused as one */
    char *json;
    size_t len;
    bool deleted;
    int64_t stamp;
    char *assumed;       /* NULL: none */
    size_t assumed_len;
    bool assumed_deleted;
    char *assumed_incarnation;
    int64_t assumed_sequence;
    int64_t fence;       /* of the server's lock under which it was written; 0: none */
    bool again;          /* it went out before, and no verdict came */
    int64_t version;     /* of json */
    int64_t endpoint;    /* the version that the server has */
    int held;            /* it cannot be taken down to that: < 0, */
    const char *why;     /* and why */
};
struct replica__push_page {
    struct replica__push_row *rows;
    size_t n;
    size_t units;        /* they stand together */
    struct replica__arena *arena; /* of the rows' texts */
    int64_t from, to;    /* the range of the change feed that it covers; the store's own */
    bool more;           /* there may be more to push behind it */
};

/* Take the next rows, at most `rows` and about `bytes`, and make durable that they are under way.
 * Rows that went out before come first.  1; 0: nothing to push in this pass.  At most two pages are
 * out at a time; verdicts come in the order in which they were taken. */
REPLICA_INTERNAL int replica__push_next(struct replica__replication *repl, size_t feed, size_t rows,
                                        size_t bytes, struct replica__push_page *ret_page,
                                        replica_error *err);
REPLICA_INTERNAL void replica__push_page_free(struct replica__push_page *page);
/* Are there texts of a higher version than the server's?  Then the page is taken down before it is
 * sent: on the program's thread, in no transaction.  Rows for which that cannot be done are held;
 * they are not to be sent, and are judged as set aside. */
REPLICA_INTERNAL bool replica__push_page_is_high(const struct replica__push_page *page);
REPLICA_INTERNAL int replica__push_page_lower(struct replica__push_page *page, replica_error *err);

/* Not taken, because another row of its bundle was not: it goes again when that one does. */
#define REPLICA__VERDICT_BACK (-1)
struct replica__verdict {
    int verdict;                  /* REPLICA_VERDICT_... of libreplica.h; REPLICA__VERDICT_BACK */
    int64_t sequence;
    struct replica__pulled real;  /* CONFLICT */
    bool half;                    /* CONFLICT: real's bundle has others, which are yet to come */
    bool perhaps_taken;           /* CONFLICT: when it went out before, it may have been taken */
    int code;
    const char *reason;
    int aside;                    /* REFUSED: kind, if it was not the server; 0 */
};
/* Apply the verdicts, one for each row, and move the checkpoint if it is given.  Rows without a
 * verdict, and those that come later, stay under way or dirty; the next pass takes them. */
REPLICA_INTERNAL int replica__push_apply(struct replica__replication *repl, size_t feed,
                                         const struct replica__push_page *page,
                                         const struct replica__verdict *verdicts,
                                         const char *incarnation, const char *checkpoint,
                                         replica_error *err);
/* Verdicts on rows that are taken or refused as one, as they come from the server: what is said of
 * some is said of all.  Before they are applied. */
REPLICA_INTERNAL void replica__verdicts_as_one(const struct replica__push_page *page,
                                               struct replica__verdict *verdicts);
/* Did something wait in this pass for what was under way in it? */
REPLICA_INTERNAL bool replica__push_waited(const struct replica__replication *repl);
/* Begin a pass.  Rows of pages that are out, whose answer never came, are taken again first; those
 * that were told to come later only if with_later. */
REPLICA_INTERNAL void replica__push_again(struct replica__replication *repl, size_t feed,
                                          bool with_later);

/* ---- settling -------------------------------------------------------------------- */

struct replica__unsettled {
    replica_collection *coll;
    int64_t doc, local_sequence, unsettled; /* the store's: what the answer is for */
    replica_doc *assumed;  /* NULL: none */
    replica_doc *real;
    replica_doc *local;
    int rounds;            /* of conflicts since it was last clean */
    bool clean;            /* local is in step with an older state: real simply replaces it */
    bool real_older;       /* real was kept in an older version than the collection's */
    bool lost;             /* local was in step, until the server lost it; nobody edited it, */
    bool lost_is_newer;    /* and it is newer than what the server has now */
    bool lost_is_next;     /* and it came after what the server has now */
    bool firm;             /* bundles join it to others, and a conflict refuses them all */
};
enum {
    REPLICA__SETTLE_REAL = 1,     /* write the real state; the local one goes to the conflict log */
    REPLICA__SETTLE_LOCAL = 2,    /* the local state stays; real becomes its base */
    REPLICA__SETTLE_JSON = 3,     /* write this text over both */
    REPLICA__SETTLE_DELETE = 4,   /* delete */
    REPLICA__SETTLE_CLEAN = 5,    /* they are equal for the handler.  The local text stays if the
                                   * content is the same; else REAL, with the rule "equal" */
    REPLICA__SETTLE_ASIDE = 6,    /* the handler failed: code and reason */
    REPLICA__SETTLE_COPY = 7,     /* delete, and keep the state that is not under a new key */
    REPLICA__SETTLE_REFUSED = 8   /* a conflict refuses it, with all that bundles join it to: they
                                   * are set aside with code and reason, as if by the server */
};
struct replica__settled {
    const struct replica__unsettled *of;
    int how;
    const char *json;
    size_t len;
    const char *rule;      /* for the log; NULL: not logged */
    int code;
    const char *reason;
    bool done;             /* out: false: the document moved on, and is met again */
    bool push;             /* out: the real state is to be pushed, in the collection's version */
};
/* Up to n documents that can be settled now (not under way), after the document number `after`.
 * Returns how many. */
REPLICA_INTERNAL int replica__unsettled_next(struct replica__replication *repl, int64_t after,
                                             struct replica__unsettled *ret, size_t n,
                                             replica_error *err);
/* Is one of its states of an older version than the collection? */
REPLICA_INTERNAL bool replica__unsettled_is_older(const struct replica__unsettled *u);
/* Bring assumed and real up, by the steps: on the program's thread.  A real state that is dropped
 * is a deletion; an assumed one, none.  REPLICA_EUSER and others: it cannot be done. */
REPLICA_INTERNAL int replica__unsettled_rise(struct replica__unsettled *u, replica_error *err);
/* The real state has risen: from now on it is what is unsettled.  (The base stays what the server
 * had: it rises only to be asked about.) */
REPLICA_INTERNAL int replica__unsettled_put(struct replica__replication *repl,
                                            const struct replica__unsettled *u,
                                            replica_error *err);
/* All was pulled up to the head: conflicts whose real state came without its bundle's others can be
 * settled. */
REPLICA_INTERNAL int replica__feed_whole(struct replica__replication *repl, size_t feed,
                                         replica_error *err);
REPLICA_INTERNAL void replica__unsettled_free(struct replica__unsettled *u, size_t n);
/* Are equal states of it two changes, as a counter's are? */
REPLICA_INTERNAL bool replica__unsettled_counts(const struct replica__unsettled *u);
/* What its collection's rules say.  how 0: that the program is to be asked.  The text of JSON is in
 * out.  < 0: they come to nothing. */
REPLICA_INTERNAL int replica__unsettled_merge(const struct replica__unsettled *u,
                                              struct replica__buf *out, int *ret_how,
                                              const char **ret_rule, replica_error *err);
REPLICA_INTERNAL int replica__settle(struct replica__replication *repl,
                                     struct replica__settled *answers, size_t n,
                                     replica_error *err);

/* ---- verifying -------------------------------------------------------------------- */

/* Beside REPLICA_VERIFY_...: not to be told of. */
enum { REPLICA__VERIFY_SAME = 0, REPLICA__VERIFY_PENDING = 100, REPLICA__VERIFY_LATER = 101 };
struct replica__verify_how {
    const char *incarnation; /* of the sequence numbers, or NULL */
    int64_t position;        /* of the feed: what has a higher number is yet to come */
    int repair;              /* REPLICA_REPAIR_... */
};
/* Does what the server has told about a document differ from what is here, though it should not?
 * *ret_kind; mended, if that is wanted, in the same transaction. */
REPLICA_INTERNAL int replica__verify(struct replica__replication *repl, size_t feed,
                                     struct replica__pulled *doc,
                                     const struct replica__verify_how *how, int *ret_kind,
                                     replica_error *err);
/* What is noted of documents that are no more, of whatever replication, goes; some at a time.  1:
 * there may be more; 0. */
REPLICA_INTERNAL int replica__verify_tidy(struct replica__replication *repl, replica_error *err);
/* Documents behind the key `after` (NULL: the first) that are in no state in which replicating
 * leaves them, whatever the server says: the first n keys, each yours to free.  Gives how many. */
REPLICA_INTERNAL int replica__verify_odd(struct replica__replication *repl, size_t feed,
                                         replica_collection *coll, const char *after,
                                         char **ret_ids, size_t n, replica_error *err);

/* ---- what is noted down for people ------------------------------------------------ */

struct replica__note {
    int64_t synced_ms;   /* when it was last in sync; 0: never, or it began anew since */
    int64_t synced_head; /* the server's number then; 0: not told */
    replica_error error; /* what it fails by since; code 0: nothing */
    int64_t error_ms;
};
REPLICA_INTERNAL int replica__note_get(struct replica__replication *repl,
                                       struct replica__note *ret, replica_error *err);
REPLICA_INTERNAL int replica__note_put(struct replica__replication *repl,
                                       const struct replica__note *note, replica_error *err);
/* Nobody but a person can say what becomes of these (doc and unsettled of each), as they are: for
 * replica_pending(). */
REPLICA_INTERNAL int replica__unsettled_leave(struct replica__replication *repl,
                                              const int64_t (*left)[2], size_t n,
                                              replica_error *err);

/* ---- what is left to do ---------------------------------------------------------- */

struct replica__backlog {
    int64_t dirty;     /* documents to be sent, under way or not */
    int64_t sent;      /* of these: under way */
    int64_t unsettled;
    int64_t aside;
};
REPLICA_INTERNAL int replica__replication_backlog(struct replica__replication *repl,
                                                  struct replica__backlog *ret,
                                                  replica_error *err);
/* Is there anything to push, under way or unsettled?  1, 0: cheaper than counting.  What is held
 * for a document that is set aside, as they are of one bundle, is asked for by itself. */
REPLICA_INTERNAL int replica__replication_pending(struct replica__replication *repl,
                                                  replica_error *err);
REPLICA_INTERNAL int replica__replication_held(struct replica__replication *repl,
                                               replica_error *err);
/* The same counts for the replication called name, from any handle on the file; zero if there is
 * none. */
REPLICA_INTERNAL int replica__backlog_of(replica_db *db, const char *name,
                                         struct replica__backlog *ret, replica_error *err);
/* State of one document for the replication called name: REPLICA_DOC_... of replicator.h. */
REPLICA_INTERNAL int replica__doc_state(replica_collection *coll, const char *id,
                                        const char *replication, int *ret_state,
                                        replica_error *err);

#endif
