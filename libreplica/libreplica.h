/* libreplica: an offline-first, replicating document database.
 *
 * The contract of every call, unless its own comment says otherwise:
 *   result   < 0 failed (a REPLICA_E code; `err`, if given, says why); 0 done, or "none";
 *            > 0 "yes", or "here is one".
 *   outputs  are called ret_x, and are untouched on failure.  One exception: ret_stored.
 *   owner    what ret_x receives is yours: give it to its _unref, _cancel or _close.
 *            A returned pointer is borrowed, and lives as long as what it came from.
 *   threads  a replica_db belongs to one thread at a time; open the file once per thread.
 *            Documents are immutable and may cross threads and outlive their database.
 *            Callbacks run inside replica_db_dispatch(), replica_db_wait() or the close that
 *            ends them, unless they say otherwise.
 *   fork     do not use a handle in a child of the process that opened it; open the file anew.
 *   text     UTF-8 with a NUL.  JSON has a length, or REPLICA_NUL for "up to the NUL".
 *   errors   every call may fail with REPLICA_EINVAL (a bug of the caller), REPLICA_ENOMEM,
 *            REPLICA_EIO, REPLICA_ECORRUPT and, where it writes, REPLICA_EBUSY, REPLICA_EFULL
 *            and REPLICA_EREADONLY.  A comment names the codes that come on top of these.
 *
 * Replication lives in <replicator/replicator.h>. */
#ifndef LIBREPLICA_H
#define LIBREPLICA_H

#include <libreplica/export.h>

REPLICA_BEGIN

#define REPLICA_NUL ((size_t)-1)

typedef struct replica_db replica_db;                 /* an open database file */
typedef struct replica_collection replica_collection; /* documents of one kind */
typedef struct replica_doc replica_doc;               /* one immutable state of one document */
typedef struct replica_cursor replica_cursor;         /* the answer to one question */
typedef struct replica_bundle replica_bundle;         /* writes that commit or fail as one */
typedef struct replica_observer replica_observer;     /* a registered listener */
typedef struct replica_conflict replica_conflict;     /* a question put to the program */
typedef struct replica_text replica_text;             /* JSON that a callback writes */
typedef void (*replica_destroy_fn)(void *ctx);

/* "1.2.3" of the library that runs, which may be newer than the header. */
REPLICA_API const char *replica_version(void);

/* ---- errors ---------------------------------------------------------------------- */

enum {
    REPLICA_EINVAL = -1,     /* a bug in the calling program */
    REPLICA_ENOMEM = -2,
    REPLICA_EJSON = -3,      /* not a JSON object we take; offset says where */
    REPLICA_ESCHEMA = -4,    /* the document breaks the collection's schema; where: its path */
    REPLICA_ECONFLICT = -5,  /* another revision is stored; nothing was written; detail 409 */
    REPLICA_EBUSY = -6,      /* another connection holds the write lock */
    REPLICA_EFULL = -7,      /* the disk, or SQLite's limit, is full */
    REPLICA_EREADONLY = -8,  /* opened read-only, or the file cannot be written */
    REPLICA_EIO = -9,        /* detail: the extended SQLite code, or errno */
    REPLICA_ECORRUPT = -10,  /* the file is damaged, or not one of ours */
    REPLICA_EVERSION = -11,  /* the file, schema or library is of another version */
    REPLICA_ELIMIT = -12,    /* too large, too deep, too many */
    REPLICA_ENET = -13,      /* no answer; detail: the curl code */
    REPLICA_EHTTP = -14,     /* an answer we cannot use; detail: the HTTP status */
    REPLICA_EAUTH = -15,     /* credentials are missing or refused; detail: the HTTP status */
    REPLICA_ETIMEOUT = -16,
    REPLICA_ECANCELLED = -17,
    REPLICA_ECLOSED = -18,   /* what this belongs to has been closed */
    REPLICA_ENOTSUP = -19,   /* not supported here, or by the other side */
    REPLICA_EUSER = -20,     /* a callback of the program failed */
    REPLICA_ELOCKED = -21    /* another one holds a lock on it; where: the holder's name */
};

typedef struct replica_error {
    int code;
    int detail;           /* see the code; 0 if there is none */
    int64_t offset;       /* of the byte in the text that was given; -1 if there is none */
    char where[256];      /* collection and id ("notes/n1"), path, or URL; "" if unknown */
    char message[512];    /* one line for a log; never parse it */
    intptr_t reserved[4];
} replica_error;
REPLICA_API const char *replica_error_name(int code); /* "REPLICA_ECONFLICT" */

/* ---- databases ------------------------------------------------------------------- */

/* Log levels.  DEBUG also names every request and every move of a state machine. */
enum {
    REPLICA_LOG_ERROR = 1,
    REPLICA_LOG_WARNING = 2,
    REPLICA_LOG_INFO = 3,
    REPLICA_LOG_DEBUG = 4
};

/* Options start with their own size and mean "default" where they are zero, so that a
 * later field cannot break a program that was compiled without it. */
typedef struct replica_db_options {
    size_t size;
    unsigned flags; /* REPLICA_DB_... */
    int busy_ms;    /* how long to wait for a lock; 0: 5000, REPLICA_NO_WAIT: not at all */
    void (*log)(void *ctx, int level, const char *topic, const char *line); /* any thread */
    void *log_ctx;
    size_t max_document; /* bytes of JSON; 0: 16 MiB */
    size_t max_key;      /* bytes of a primary key; 0: 1024 */
    int max_depth;       /* of nesting; 0: 100 */
    int max_bundle;      /* members of a bundle; 0: 1000 */
    int64_t log_ms;      /* the conflict log's entries go when they are older; 0: 90 days */
    int64_t log_bytes;   /* or when it is larger; 0: 64 MiB */
} replica_db_options;
#define REPLICA_DB_OPTIONS_INIT { sizeof(replica_db_options), 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0 }
#define REPLICA_DB_MUST_EXIST (1u << 0)
#define REPLICA_DB_FULL_SYNC  (1u << 1) /* survive a power cut too: one fsync per commit */
#define REPLICA_DB_READ_ONLY  (1u << 2) /* implies MUST_EXIST; every write is REPLICA_EREADONLY */
#define REPLICA_NO_WAIT (-1)

/* path ":memory:" is a database of this handle alone, for tests.  REPLICA_EVERSION: the file
 * was written by a newer library; it was not touched.  REPLICA_ECORRUPT: not one of ours. */
REPLICA_API int replica_db_open(const char *path, const replica_db_options *opts,
                                replica_db **ret_db, replica_error *err);

/* Ends what runs on it: replications, observers, cursors and bundles become REPLICA_ECLOSED,
 * each destroy callback is called.  NULL is fine.  Within a callback of this database the
 * call is noted, and carried out when the dispatch that runs the callback returns. */
REPLICA_API void replica_db_close(replica_db *db);

/* ---- collections ----------------------------------------------------------------- */

/* What becomes of a document that was changed on both sides. */
typedef struct replica_conflict_handler {
    size_t size;
    /* Same content?  Any thread, asked often: be quick and pure.  NULL: same JSON, exact. */
    int (*is_equal)(void *ctx, replica_doc *a, replica_doc *b);
    /* c is yours until an answer succeeds, at once or days later; only this document
     * waits.  NULL: the real master state wins. */
    void (*resolve)(void *ctx, replica_conflict *c);
    void *ctx;
    replica_destroy_fn destroy;
    unsigned flags; /* REPLICA_HANDLER_... */
} replica_conflict_handler;
#define REPLICA_CONFLICT_HANDLER_INIT \
    { sizeof(replica_conflict_handler), NULL, NULL, NULL, NULL, 0 }
/* The handler adds what both sides did (counters): equal states are not the same change. */
#define REPLICA_HANDLER_ADDITIVE (1u << 0)

typedef struct replica_collection_options {
    size_t size;
    const char *key;         /* the top-level string field that is the primary key; NULL: as it is
                              * stored, and "id" for a new collection */
    const char *schema_json; /* of a collection, as <libreplica/schema.h> says; NULL: any object.
                              * It has the key and the version: both may be left out here */
    const replica_conflict_handler *handler; /* copied; NULL: the default */
    int version;             /* of the schema; part of the endpoint's URL */
    const struct replica_migration *migrations; /* copied; a step for each version that is met */
    size_t migration_count;
    const char *ttl_field;   /* documents expire ttl_ms after the time in this field (a number, ms
                              * since 1970, or RFC 3339 text); NULL: after their last write */
    int64_t ttl_ms;          /* expiry is a deletion that replicates; nothing unsynced expires.
                              * 0: never */
    const char *rules;       /* for conflicts, JSON as <libreplica/merge.h> has it; they decide
                              * before handler->resolve, which is asked what they leave to the
                              * program.  NULL: those under "x-conflict" in the schema; else the
                              * handler alone */
    int history;             /* so many earlier states of each document are kept, from now on and
                              * by whoever writes to the file; 0: as it is stored, and none for a
                              * new collection; REPLICA_HISTORY_NONE: none */
} replica_collection_options;
#define REPLICA_COLLECTION_OPTIONS_INIT \
    { sizeof(replica_collection_options), NULL, NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0 }

/* Open, or create.  Opened again on the same db it is the same handle, and opts must be NULL or
 * agree.  name: [A-Za-z][A-Za-z0-9_-]{0,63}.  REPLICA_EINVAL: the name is not one, or the stored
 * key is another, or another schema of the same version, or a step between the stored version and
 * the asked one is missing.  REPLICA_EVERSION: the stored version is higher.  REPLICA_ESCHEMA,
 * REPLICA_EJSON, REPLICA_ENOTSUP: the schema is refused; or (where: "collection/id/path") a
 * document that was stored without one breaks it.  opts NULL opens what is there, with its stored
 * schema, and creates with the defaults.  The handler's destroy is called when db closes, and also
 * when this call fails. */
REPLICA_API int replica_db_collection(replica_db *db, const char *name,
                                      const replica_collection_options *opts,
                                      replica_collection **ret_coll, /* borrowed from db */
                                      replica_error *err);
REPLICA_API const char *replica_collection_name(replica_collection *coll);
REPLICA_API const char *replica_collection_key(replica_collection *coll);
REPLICA_API int replica_collection_version(replica_collection *coll);
/* The text of its schema, as it is stored; NULL: it has none. */
REPLICA_API const char *replica_collection_schema(replica_collection *coll);
REPLICA_API replica_db *replica_collection_db(replica_collection *coll);
/* The rules that decide its conflicts, as they were given; NULL: there are none. */
REPLICA_API const char *replica_collection_rules(replica_collection *coll);

/* The collection's live documents.  REPLICA_EINVAL only for a NULL. */
REPLICA_API int replica_collection_count(replica_collection *coll, int64_t *ret_count,
                                         replica_error *err);

/* Calls fn with each stored collection's name, opened or not, in name order; stops when fn
 * returns other than 0, and returns that. */
REPLICA_API int replica_db_collections(replica_db *db, int (*fn)(void *ctx, const char *name),
                                       void *ctx, replica_error *err);

/* ---- documents ------------------------------------------------------------------- */

REPLICA_API replica_doc *replica_doc_ref(replica_doc *doc);
REPLICA_API replica_doc *replica_doc_unref(replica_doc *doc); /* returns NULL, takes NULL */
REPLICA_API const char *replica_doc_id(replica_doc *doc);
REPLICA_API const char *replica_doc_rev(replica_doc *doc); /* "" for a state not stored here */
REPLICA_API int replica_doc_deleted(replica_doc *doc);
REPLICA_API int64_t replica_doc_sequence(replica_doc *doc); /* 0 for a state not stored here */
REPLICA_API const char *replica_doc_collection(replica_doc *doc);
REPLICA_API const char *replica_doc_json(replica_doc *doc, size_t *ret_len); /* as it was put */
/* When it was written, in ms since 1970 of its writer's clock, and who that was: the token of a
 * revision.  For people; order comes from sequence numbers. */
REPLICA_API int64_t replica_doc_time(replica_doc *doc);
REPLICA_API const char *replica_doc_writer(replica_doc *doc);

/* ---- writes ---------------------------------------------------------------------- */

#define REPLICA_ANY_REV "*"

/* Store json under the key that it contains.
 * base_rev: the revision you read, NULL for "must be new" (which a tombstone is), or
 * REPLICA_ANY_REV to overwrite.  ret_doc may be NULL.
 * REPLICA_ECONFLICT: another revision is stored; ret_stored receives it, or NULL if there is
 * none.  REPLICA_EJSON, REPLICA_ELIMIT: the text is refused; offset says where.  REPLICA_ESCHEMA:
 * it breaks the collection's schema; where: "collection/id/path".  Where it may be new (NULL and
 * REPLICA_ANY_REV), defaults and a composite key that are missing are filled in. */
REPLICA_API int replica_put(replica_collection *coll, const char *json, size_t len,
                            const char *base_rev, replica_doc **ret_doc,
                            replica_doc **ret_stored, replica_error *err);

/* Delete.  base_rev as above, but not NULL.  1: deleted; 0: it was not there. */
REPLICA_API int replica_delete(replica_collection *coll, const char *id, const char *base_rev,
                               replica_doc **ret_stored, replica_error *err);

/* Apply an RFC 7396 merge patch to the revision base_rev, or to whatever is stored with
 * REPLICA_ANY_REV, trying again by itself if somebody was faster.  What the patch does not name
 * keeps its bytes.  1: written; 0: there is no such document. */
REPLICA_API int replica_patch(replica_collection *coll, const char *id, const char *patch,
                              size_t len, const char *base_rev, replica_doc **ret_doc,
                              replica_doc **ret_stored, replica_error *err);

/* Read, let fn write a new text into out, put; again if somebody was faster, REPLICA_ECONFLICT
 * after 100 times.  fn runs in this call, on this thread, with no transaction open; it returns
 * < 0 to fail (the call fails with REPLICA_EUSER), 0 to leave the document, 1 to put what it wrote,
 * 2 to delete.  1: written; 0: fn left it.  current is NULL if there is none: what fn writes is
 * then inserted. */
typedef int (*replica_modify_fn)(void *ctx, replica_doc *current, replica_text *out);
enum { REPLICA_MODIFY_KEEP = 0, REPLICA_MODIFY_PUT = 1, REPLICA_MODIFY_DELETE = 2 };
REPLICA_API int replica_modify(replica_collection *coll, const char *id, replica_modify_fn fn,
                               void *ctx, replica_doc **ret_doc, replica_error *err);

/* Append to a text; a failure is remembered and reported by the call that reads it. */
REPLICA_API void replica_text_add(replica_text *out, const char *json, size_t len);

/* Put, whether or not it is there: replica_put() with REPLICA_ANY_REV, said plainly. */
REPLICA_API int replica_upsert(replica_collection *coll, const char *json, size_t len,
                               replica_doc **ret_doc, replica_error *err);

/* Many writes in as few transactions as keep other writers waiting less than 20 ms.  Each row is
 * judged by itself; code tells how it went.  Returns the number of rows that failed, or < 0 if
 * the rest could not be tried (rows not tried have code REPLICA_ECANCELLED). */
typedef struct replica_bulk_row {
    const char *json;     /* NULL: delete id */
    size_t len;
    const char *id;       /* for a deletion only */
    const char *base_rev; /* as in replica_put() */
    int code;             /* out: 0, or REPLICA_E... */
    int64_t offset;       /* out: with REPLICA_EJSON; else -1 */
    char *rev;            /* out: NULL, or room for REPLICA_REV_SIZE bytes */
} replica_bulk_row;
#define REPLICA_REV_SIZE 64
REPLICA_API int replica_bulk(replica_collection *coll, replica_bulk_row *rows, size_t n,
                             replica_error *err); /* err: of the first row that failed */

/* A bundle collects writes and commits them all, or none.  Commit and cancel end it.  When the
 * commit fails, err->where names the member.  REPLICA_ELIMIT: too many members.  REPLICA_ENOTSUP
 * from the commit: its collections replicate to different servers.
 * Our server takes a bundle as one, or refuses it as one, and other clients get it as one
 * (docs/bundles.md); what is written to a member before it was sent joins it. */
REPLICA_API int replica_bundle_begin(replica_db *db, replica_bundle **ret_bundle,
                                     replica_error *err);
REPLICA_API int replica_bundle_put(replica_bundle *bundle, replica_collection *coll,
                                   const char *json, size_t len, const char *base_rev,
                                   replica_error *err);
REPLICA_API int replica_bundle_delete(replica_bundle *bundle, replica_collection *coll,
                                      const char *id, const char *base_rev, replica_error *err);
/* A conflict of one member is not resolved, but refuses the whole: all are set aside as one. */
REPLICA_API int replica_bundle_set_firm(replica_bundle *bundle, replica_error *err);
REPLICA_API int replica_bundle_commit(replica_bundle *bundle, replica_doc **ret_stored,
                                      replica_error *err);
REPLICA_API void replica_bundle_cancel(replica_bundle *bundle);

/* ---- reads ----------------------------------------------------------------------- */

/* 1; 0 and NULL: absent or deleted.  In a collection with migrations a document rises when it is
 * read, here and below: REPLICA_EUSER if it cannot (cursors leave it out), REPLICA_EVERSION if
 * another program has raised the collection. */
REPLICA_API int replica_get(replica_collection *coll, const char *id, replica_doc **ret_doc,
                            replica_error *err);

/* ret_docs[i] for ids[i], NULL where absent or deleted; returns how many were found.  All are of
 * one moment. */
REPLICA_API int replica_get_many(replica_collection *coll, const char *const *ids, size_t n,
                                 replica_doc **ret_docs, replica_error *err);

/* All live documents in key order (bytewise), from after the key `after` (NULL: from the first).
 * A cursor holds no lock: a document written while it is open may be seen before or after. */
REPLICA_API int replica_all(replica_collection *coll, const char *after,
                            replica_cursor **ret_cursor, replica_error *err);

/* The change feed: each document once, tombstones too, in the order of its last write, from after
 * the sequence number `since`. */
REPLICA_API int replica_changes(replica_collection *coll, int64_t since,
                                replica_cursor **ret_cursor, replica_error *err);

/* while ((r = replica_cursor_next(cursor, &doc, &err)) > 0) ...: 1, 0 at the end.  The document is
 * borrowed and lives until the next call. */
REPLICA_API int replica_cursor_next(replica_cursor *cursor, replica_doc **ret_doc,
                                    replica_error *err);
REPLICA_API void replica_cursor_close(replica_cursor *cursor); /* NULL is fine */

/* The highest sequence number that a commit has used; 0 in a new file. */
REPLICA_API int replica_db_sequence(replica_db *db, int64_t *ret_sequence, replica_error *err);

/* ---- observers ------------------------------------------------------------------- */

/* Where a change came from. */
enum { REPLICA_LOCAL = 1, REPLICA_REPLICATION = 2, REPLICA_OTHER_PROCESS = 3 };

typedef struct replica_change {
    replica_doc *doc; /* borrowed; its tombstone if it was deleted */
    int64_t sequence;
    int origin;       /* REPLICA_LOCAL (this handle), REPLICA_REPLICATION, or
                       * REPLICA_OTHER_PROCESS (also: another handle on the same file) */
} replica_change;
typedef void (*replica_change_fn)(void *ctx, const replica_change *change);

/* fn for each document changed after this call, in order of sequence numbers; a document written
 * twice before a dispatch is told once, in its last state.  destroy is called once, after the last
 * fn, and also when this call fails.  ret_observer NULL: until the database closes. */
REPLICA_API int replica_observe(replica_collection *coll, replica_change_fn fn, void *ctx,
                                replica_destroy_fn destroy, replica_observer **ret_observer,
                                replica_error *err);
REPLICA_API void replica_observer_cancel(replica_observer *observer); /* fn is not called again */

/* ---- conflicts ------------------------------------------------------------------- */

REPLICA_API const char *replica_conflict_id(replica_conflict *c);
REPLICA_API const char *replica_conflict_collection(replica_conflict *c);
REPLICA_API replica_doc *replica_conflict_assumed(replica_conflict *c); /* or NULL; borrowed */
REPLICA_API replica_doc *replica_conflict_real(replica_conflict *c);
REPLICA_API replica_doc *replica_conflict_local(replica_conflict *c);

/* Answers.  One that succeeds ends c: it has been accepted, and is written by the replication
 * together with the real state as its new base, unless the document was written meanwhile; then
 * the conflict is met again.  After one that fails c is still yours.  REPLICA_EINVAL: a state that
 * is none of the three.  REPLICA_EJSON, REPLICA_ESCHEMA, REPLICA_ELIMIT: the text is refused, also
 * when its primary key is another.  REPLICA_ECLOSED: the replication has ended; c is gone, and is
 * asked again when it starts anew.  Any thread. */
REPLICA_API int replica_conflict_use(replica_conflict *c, replica_doc *state, replica_error *err);
REPLICA_API int replica_conflict_use_json(replica_conflict *c, const char *json, size_t len,
                                          replica_error *err);
REPLICA_API int replica_conflict_use_delete(replica_conflict *c, replica_error *err);
/* Set the document aside with this reason; see replica_rejected(). */
REPLICA_API int replica_conflict_fail(replica_conflict *c, const char *reason, replica_error *err);

/* The conflict log: every state that was superseded, with what superseded it, for as long and as
 * much as the database's options say.  The writer of the other side is replica_doc_writer(real). */
typedef struct replica_conflict_entry {
    int64_t number;         /* of the entry, growing */
    const char *collection;
    const char *id;
    const char *replication; /* identifier */
    int64_t time_ms;        /* since 1970, of this machine's clock */
    const char *rule;       /* what decided: "server-wins", "merge", "handler", "equal", ... */
    replica_doc *assumed;   /* or NULL */
    replica_doc *real;
    replica_doc *local;     /* the state that lost, or was merged */
    replica_doc *result;    /* or NULL where it is the real one */
} replica_conflict_entry;
/* fn for each entry after number `after`, oldest first, coll NULL for all; stops when fn returns
 * other than 0, and returns that.  The entry lives for the call. */
REPLICA_API int replica_conflict_log(replica_db *db, replica_collection *coll, int64_t after,
                                     int (*fn)(void *ctx, const replica_conflict_entry *entry),
                                     void *ctx, replica_error *err);
/* Those entries only; a zero means any. */
typedef struct replica_conflict_filter {
    size_t size;
    replica_collection *coll;
    const char *id;
    const char *keys;    /* a pattern, as <libreplica/keys.h> has it */
    const char *rule;
    const char *replication;
    int64_t after;       /* number of an entry */
    int64_t from_ms, to_ms; /* from_ms <= time < to_ms */
} replica_conflict_filter;
#define REPLICA_CONFLICT_FILTER_INIT \
    { sizeof(replica_conflict_filter), NULL, NULL, NULL, NULL, NULL, 0, 0, 0 }
REPLICA_API int replica_conflict_find(replica_db *db, const replica_conflict_filter *filter,
                                      int (*fn)(void *ctx, const replica_conflict_entry *entry),
                                      void *ctx, replica_error *err);
/* "Your value was overwritten": fn in dispatch for each entry that is logged from this call on, by
 * whatever process, and that the filter (NULL: all) lets through.  destroy as in replica_observe().
 */
REPLICA_API int replica_conflict_observe(replica_db *db, const replica_conflict_filter *filter,
                                         void (*fn)(void *ctx, const replica_conflict_entry *entry),
                                         void *ctx, replica_destroy_fn destroy,
                                         replica_observer **ret_observer, replica_error *err);
/* Bring the local state of an entry back as a new write over whatever is stored.  1, or 0: there
 * is no such entry. */
REPLICA_API int replica_conflict_restore(replica_db *db, int64_t number, replica_doc **ret_doc,
                                         replica_error *err);

/* Conflicts that are not settled yet: fn for each, as an entry without number and result; rule is
 * "ask" where nobody but a person can say ("delete": "ask" in the rules, and no handler), else "".
 * Stops when fn returns other than 0, and returns that. */
REPLICA_API int replica_conflict_waiting(replica_db *db, replica_collection *coll,
                                         int (*fn)(void *ctx, const replica_conflict_entry *entry),
                                         void *ctx, replica_error *err);
/* Say what becomes of one, from whatever process: the local state stays and is sent, or the real
 * one is written.  Logged with the rule "person".  replication NULL: all that are in conflict
 * about it.  1; 0: none is.  REPLICA_EBUSY: it, or its bundle, is on its way. */
enum { REPLICA_ANSWER_LOCAL = 1, REPLICA_ANSWER_REAL = 2 };
REPLICA_API int replica_conflict_answer(replica_collection *coll, const char *id,
                                        const char *replication, int answer, replica_error *err);

/* ---- history --------------------------------------------------------------------- */

/* The earlier states of a document, newest first, as far as its collection keeps them; each with
 * its revision, writer and time.  Stops when fn returns other than 0, and returns that. */
#define REPLICA_HISTORY_NONE (-1)
REPLICA_API int replica_history(replica_collection *coll, const char *id,
                                int (*fn)(void *ctx, replica_doc *doc), void *ctx,
                                replica_error *err);

/* ---- documents set aside --------------------------------------------------------- */

/* Why a document does not take part in replication for now. */
enum {
    REPLICA_ASIDE_REFUSED = 1,   /* the server refused the local state */
    REPLICA_ASIDE_UNAPPLIED = 2, /* the server's state could not be applied here */
    REPLICA_ASIDE_HANDLER = 3,   /* the conflict handler failed, or rounds without end */
    REPLICA_ASIDE_MIGRATION = 4, /* a migration step failed for it; no replication is concerned */
    REPLICA_ASIDE_REVOKED = 5    /* access ended before the edit was sent; text is the edit */
};
typedef struct replica_rejected_entry {
    int64_t number;
    const char *collection;
    const char *id;
    const char *replication;
    int kind;            /* REPLICA_ASIDE_... */
    int code;            /* HTTP status or REPLICA_E code, as the kind has it */
    const char *reason;  /* for people */
    int64_t time_ms;
    replica_doc *local;  /* the state that was set aside; NULL if there is none here */
    const char *text;    /* what the server sent and cannot be applied here, as far as it is text
                          * (UNAPPLIED, or beside another kind); REVOKED: the edit; else NULL */
    size_t text_len;
    replica_doc *server; /* the newest state of the server that is known; NULL if there is none */
} replica_rejected_entry;
REPLICA_API int replica_rejected(replica_db *db, replica_collection *coll,
                                 int (*fn)(void *ctx, const replica_rejected_entry *entry),
                                 void *ctx, replica_error *err);
/* Try again as it is, with all of its bundles.  (To edit, put a new state: it goes out by itself.)
 * REVOKED: the edit is put, in conflict with what is there by now, or a deletion done again;
 * REPLICA_EBUSY: a newer edit of the document is to be sent first; REPLICA_ENOTSUP: there is
 * nothing to be deleted; the entry stays.  1; 0: no such entry. */
REPLICA_API int replica_rejected_retry(replica_db *db, int64_t number, replica_error *err);
/* Go back to the server's state, with all of its bundles; the local one goes to the conflict log.
 * REVOKED: the edit is forgotten.  REPLICA_ENOTSUP: the entry has no local state to discard. */
REPLICA_API int replica_rejected_discard(replica_db *db, int64_t number, replica_error *err);

/* ---- replications ---------------------------------------------------------------- */

/* What the process that replicates shows to others, a second old at most while something moves. */
typedef struct replica_running {
    int64_t told_ms;         /* since 1970: when; all others as in replica_sync_status */
    int state;
    int streaming;
    int64_t pulled, pushed;
    int64_t bytes_down, bytes_up;
    int64_t pull_done, pull_remaining;
    int64_t push_done, push_remaining;
    int64_t retry_ms;        /* since 1970: when the next attempt is due; 0: none is waited for */
} replica_running;
/* What is stored of a replication, whether or not it runs now. */
typedef struct replica_replication_entry {
    const char *identifier;
    const char *collections; /* their names, with a space between */
    int64_t started_ms;      /* since 1970, of this machine's clock: when it was last started */
    int64_t dirty;           /* documents that wait to be sent */
    int64_t unsettled;       /* that wait for an answer of the conflict handler */
    int64_t rejected;        /* that are set aside */
    int in_sync;             /* all of synced_ms' moment was on both sides then, nothing has failed
                              * since, and there is nothing to be sent or settled now */
    int64_t synced_ms;       /* since 1970: when it was last in sync; 0: never, or not since it
                              * began anew */
    int64_t synced_head;     /* the server's sequence number then; 0: not told */
    int runs;                /* a process replicates now, */
    const replica_running *running; /* and how far it is; NULL: not known */
    const replica_error *error; /* what it failed by since it last succeeded; NULL: nothing */
    int64_t error_ms;
    const char *checkpoint;  /* what the server said, or NULL; of the first feed */
    const char *keys;        /* the pattern that it is limited to, or NULL */
    const char *filter;      /* the selector, or NULL */
} replica_replication_entry;
/* fn for each, in the order of identifiers; stops when fn returns other than 0, and returns that.
 * The entry lives for the call. */
REPLICA_API int replica_replications(replica_db *db,
                                     int (*fn)(void *ctx, const replica_replication_entry *entry),
                                     void *ctx, replica_error *err);

/* What keeps a document from being in step. */
enum {
    REPLICA_PENDING_TO_SEND = 1,
    REPLICA_PENDING_UNDER_WAY = 2, /* sent, and no verdict has come */
    REPLICA_PENDING_LATER = 3,     /* the server asked for that */
    REPLICA_PENDING_LOCKED = 4,    /* another one holds a lock on it */
    REPLICA_PENDING_CONFLICT = 5,  /* waits for rules or a handler */
    REPLICA_PENDING_PERSON = 6,    /* waits for replica_conflict_answer(), or a handler */
    REPLICA_PENDING_BUNDLE = 7,    /* in conflict, and its bundle's others are yet to be pulled */
    REPLICA_PENDING_HELD = 8,      /* a document of its bundle is set aside */
    REPLICA_PENDING_MIGRATION = 9, /* it rises to its collection's version first */
    REPLICA_PENDING_UNCONFIRMED = 10, /* the server's new version has not shown it yet */
    REPLICA_PENDING_REJECTED = 11  /* set aside; see replica_rejected() */
};
typedef struct replica_pending_entry {
    const char *replication; /* identifier */
    const char *collection;
    const char *id;
    int state;               /* REPLICA_DOC_... */
    int why;                 /* REPLICA_PENDING_... */
    const char *reason;      /* the same in words */
    int code;                /* REJECTED: as the entry has it */
    int64_t time_ms;         /* of the local state, as replica_doc_time() has it; REJECTED: of the
                              * entry */
} replica_pending_entry;
/* fn for each document that is not in step with the server of a replication, in the order of
 * replications, collections and keys, coll NULL for all; stops when fn returns other than 0, and
 * returns that.  All are of one moment, whoever writes meanwhile; the entry lives for the call. */
REPLICA_API int replica_pending(replica_db *db, replica_collection *coll,
                                int (*fn)(void *ctx, const replica_pending_entry *entry),
                                void *ctx, replica_error *err);

/* ---- words of replication, for both libraries ------------------------------------ */

/* How a document that should be in step differs from the server's: see replica_sync_verify(). */
enum {
    REPLICA_VERIFY_DIFFERENT = 1,     /* another text */
    REPLICA_VERIFY_MISSING_HERE = 2,  /* only the server has it */
    REPLICA_VERIFY_MISSING_THERE = 3, /* only this side has it */
    REPLICA_VERIFY_STATE = 4          /* the same text, but what is noted of it is wrong */
};
/* What is done about it. */
enum {
    REPLICA_REPAIR_NONE = 0,
    REPLICA_REPAIR_HERE = 1,  /* the server's state is written here */
    REPLICA_REPAIR_SERVER = 2 /* what is here goes to the server; what is not here is fetched */
};

/* Where a document is on its way to the server. */
enum {
    REPLICA_DOC_ABSENT = 0,     /* never stored here, or not part of this replication */
    REPLICA_DOC_IN_SYNC = 1,    /* the server has this state */
    REPLICA_DOC_DIRTY = 2,      /* waits to be sent */
    REPLICA_DOC_SENT = 3,       /* sent, no verdict yet */
    REPLICA_DOC_UNSETTLED = 4,  /* in conflict, waits for the handler */
    REPLICA_DOC_REJECTED = 5    /* set aside; see replica_rejected() */
};

/* What a server says of a row that was pushed. */
enum {
    REPLICA_VERDICT_NONE = 0,     /* not judged: ask again */
    REPLICA_VERDICT_TAKEN = 1,
    REPLICA_VERDICT_ALREADY = 2,  /* this very revision was taken before */
    REPLICA_VERDICT_CONFLICT = 3, /* real is the real master state */
    REPLICA_VERDICT_REFUSED = 4,  /* code and reason say why; asking again is of no use */
    REPLICA_VERDICT_LOCKED = 5,   /* reason names the holder; asked again after retry_ms */
    REPLICA_VERDICT_LATER = 6     /* asked again after retry_ms */
};

/* ---- the event loop -------------------------------------------------------------- */

/* Poll replica_db_fd() for reading, for at most replica_db_timeout() ms (-1: forever), then
 * dispatch: it works for about budget_ms (0: 10); > 0 call it again, 0 poll.  The fd also becomes
 * readable when the timeout gets shorter.  replica_db_wait() does it all: it waits up to timeout_ms
 * (-1: forever) for something to do, does it, and returns > 0, or 0 when the time is over. */
REPLICA_API int replica_db_fd(replica_db *db);
REPLICA_API int replica_db_timeout(replica_db *db);
REPLICA_API int replica_db_dispatch(replica_db *db, int budget_ms, replica_error *err);
REPLICA_API int replica_db_wait(replica_db *db, int timeout_ms, replica_error *err);

/* ---- maintenance ----------------------------------------------------------------- */

/* Forget tombstones that were written more than older_ms ago, and that every replication of the
 * collection has passed (one that was not seen for idle_ms, 0: 90 days, no longer counts).  coll
 * NULL: of all collections.  Where the file serves clients, those that have not read so far compare
 * all that they have before they go on. */
REPLICA_API int replica_purge(replica_db *db, replica_collection *coll, int64_t older_ms,
                              int64_t idle_ms, int64_t *ret_count, replica_error *err);

/* Look for inconsistencies: SQLite's own check, every document's JSON, revisions, sequence numbers,
 * state rows, kept texts.  fn for each finding (where: "collection/id" or a table).  Returns their
 * number. */
REPLICA_API int replica_check(replica_db *db,
                              void (*fn)(void *ctx, const char *where, const char *what),
                              void *ctx, replica_error *err);

REPLICA_END

/* Schemas and migrations; queries, indexes, live queries; conflict rules; keys as paths; locks;
 * events and commands. */
#include <libreplica/schema.h>
#include <libreplica/query.h>
#include <libreplica/merge.h>
#include <libreplica/keys.h>
#include <libreplica/lock.h>
#include <libreplica/command.h>

#endif
