/* Every fixed statement of the store, each prepared once, at first use.
 *
 * REPLICA_STMT declares a statement that goes back to the cache, reset, at the end of its scope.
 * Its bindings stay, and point nowhere: who takes it binds every parameter anew. Binding errors are
 * sticky in `rc`, and come out of the step. */
#ifndef LIBREPLICA_SQL_H
#define LIBREPLICA_SQL_H

#include "libreplica/libreplica.h"

#include <sqlite3.h>
#include <stdbool.h>

enum replica__sql {
    /* transactions */
    REPLICA__SQL_BEGIN,
    REPLICA__SQL_COMMIT,
    REPLICA__SQL_READ,
    REPLICA__SQL_SAVEPOINT,
    REPLICA__SQL_SAVEPOINT_RELEASE,
    REPLICA__SQL_SAVEPOINT_UNDO,
    REPLICA__SQL_DATA_VERSION,
    REPLICA__SQL_HEAD,
    REPLICA__SQL_RANGES,
    REPLICA__SQL_ANY,
    REPLICA__SQL_STAMP_READ,
    REPLICA__SQL_STAMP_STORE,
    REPLICA__SQL_WORDS_GET,
    REPLICA__SQL_WORDS_LEFT,
    REPLICA__SQL_WORDS_DONE,
    /* tokens, meta, collections */
    REPLICA__SQL_TOKEN_FIND,
    REPLICA__SQL_TOKEN_ADD,
    REPLICA__SQL_TOKEN_TEXT,
    REPLICA__SQL_TOKEN_BEGIN,
    REPLICA__SQL_TOKEN_END,
    REPLICA__SQL_TOKEN_SERVING,
    REPLICA__SQL_COLL_FIND,
    REPLICA__SQL_COLL_ADD,
    REPLICA__SQL_COLL_RAISE,
    REPLICA__SQL_COLL_VERSIONS,
    REPLICA__SQL_COLL_SCHEMA,
    REPLICA__SQL_COLL_SET_SCHEMA,
    REPLICA__SQL_COLL_LIST,
    REPLICA__SQL_COLL_COUNT,
    REPLICA__SQL_COLL_NAME,
    REPLICA__SQL_COLL_READS,
    REPLICA__SQL_COLL_SET_READS,
    /* documents */
    REPLICA__SQL_DOC_GET,
    REPLICA__SQL_DOC_BY_NUMBER,
    REPLICA__SQL_DOC_SEQ,
    REPLICA__SQL_DOC_KEY,
    REPLICA__SQL_DOC_INSERT,
    REPLICA__SQL_DOC_UPDATE,
    REPLICA__SQL_DOC_ALL,
    REPLICA__SQL_DOC_FEED,
    REPLICA__SQL_DOC_FEED_KEYS,
    REPLICA__SQL_DOC_FRESH,
    REPLICA__SQL_DOC_FRESH_KEYS,
    REPLICA__SQL_DOC_FEED_OF_KEYS,
    REPLICA__SQL_DOC_FEED_COUNT,
    REPLICA__SQL_DOC_FEED_BEYOND,
    REPLICA__SQL_DOC_FEED_RISEN,
    REPLICA__SQL_RANGE_KEYS,
    REPLICA__SQL_RANGE_TEXTS,
    REPLICA__SQL_DOC_PASSED,
    REPLICA__SQL_DOC_HIGHEST,
    REPLICA__SQL_TAKEN_FIND,
    REPLICA__SQL_TAKEN_PUT,
    REPLICA__SQL_MEMBER_PUT,
    REPLICA__SQL_MEMBER_ANY,
    REPLICA__SQL_MEMBER_BEHIND,
    REPLICA__SQL_MEMBER_BUNDLES,
    REPLICA__SQL_MEMBER_NEXT,
    REPLICA__SQL_MEMBER_OF_USE,
    REPLICA__SQL_MEMBER_DROP,
    REPLICA__SQL_MEMBER_GROUP,
    /* states that are kept, and rows of state */
    REPLICA__SQL_KEPT_ADD,
    REPLICA__SQL_KEPT_GET,
    REPLICA__SQL_KEPT_REF,
    REPLICA__SQL_KEPT_UNREF,
    REPLICA__SQL_KEPT_DROP,
    REPLICA__SQL_KEPT_WHOLE,
    REPLICA__SQL_STATE_OF_DOC,
    REPLICA__SQL_STATE_GET,
    REPLICA__SQL_STATE_PUT,
    REPLICA__SQL_STATE_WAITS,
    REPLICA__SQL_STATE_WAITING,
    REPLICA__SQL_STATE_IN_CONFLICT,
    REPLICA__SQL_STATE_TODO,
    REPLICA__SQL_STATE_PENDING,
    REPLICA__SQL_STATE_UNSETTLED,
    REPLICA__SQL_STATE_LOST,
    REPLICA__SQL_STATE_MARKERS,
    REPLICA__SQL_STATE_REFS,
    /* indexes and their entries */
    REPLICA__SQL_INDEX_LIST,
    REPLICA__SQL_INDEX_GET,
    REPLICA__SQL_INDEX_NEXT,
    REPLICA__SQL_INDEX_ADD,
    REPLICA__SQL_INDEX_MARK,
    REPLICA__SQL_INDEX_BUILT,
    REPLICA__SQL_INDEX_UNBUILD,
    REPLICA__SQL_INDEX_DROP,
    REPLICA__SQL_INDEX_GONE,
    REPLICA__SQL_INDEX_DOCS,
    REPLICA__SQL_INDEX_CHANGED,
    REPLICA__SQL_ENTRY_ADD,
    REPLICA__SQL_ENTRY_DROP,
    REPLICA__SQL_ENTRY_DOCS,
    REPLICA__SQL_ENTRY_IDS,
    REPLICA__SQL_ENTRY_NTH,
    REPLICA__SQL_ENTRY_CUT,
    /* replications */
    REPLICA__SQL_REPL_ABOUT,
    REPLICA__SQL_REPL_WANTS,
    REPLICA__SQL_REPL_SET_ABOUT,
    REPLICA__SQL_REPL_HAS,
    REPLICA__SQL_REPL_IN_STEP,
    REPLICA__SQL_ELSEWHERE_WANTED,
    REPLICA__SQL_ELSEWHERE_ASK,
    REPLICA__SQL_ELSEWHERE_UNSYNCED,
    REPLICA__SQL_ELSEWHERE_UNSENT,
    REPLICA__SQL_VERIFY_ODD,
    REPLICA__SQL_STATE_ORPHANS,
    REPLICA__SQL_STATE_DROP,
    REPLICA__SQL_REPL_FIND,
    REPLICA__SQL_REPL_ADD,
    REPLICA__SQL_REPL_SEEN,
    REPLICA__SQL_REPL_MODE,
    REPLICA__SQL_REPL_NAME,
    REPLICA__SQL_REPL_CLIENT,
    REPLICA__SQL_REPL_SET_CLIENT,
    REPLICA__SQL_REPL_DROP,
    REPLICA__SQL_REPL_DROP_STATE,
    REPLICA__SQL_REPL_DROP_FEEDS,
    REPLICA__SQL_REPL_DROP_COLLS,
    REPLICA__SQL_REPL_DROP_ASIDE,
    REPLICA__SQL_REPL_COLL_PUT,
    REPLICA__SQL_REPL_COLL_LIST,
    REPLICA__SQL_REPL_COLL_DROP,
    REPLICA__SQL_REPL_COLL_FIND,
    REPLICA__SQL_REPL_PARTED,
    REPLICA__SQL_ENDPOINT_LET_IN,
    REPLICA__SQL_ENDPOINT_FORGET,
    REPLICA__SQL_FEED_GET,
    REPLICA__SQL_FEED_PUT,
    REPLICA__SQL_FEED_SET_RECONCILE,
    REPLICA__SQL_FEED_RECONCILE_ALL,
    REPLICA__SQL_COLL_TOUCHED,
    REPLICA__SQL_KNOWN_ANY,
    REPLICA__SQL_KNOWN_RANGE,
    REPLICA__SQL_FEED_RESET,
    REPLICA__SQL_FEED_BEGIN,
    REPLICA__SQL_FEED_BEGIN_ALL,
    REPLICA__SQL_FEED_RESTART,
    REPLICA__SQL_FEED_FLOOR,
    REPLICA__SQL_FEED_RANGE,
    REPLICA__SQL_FEED_COLLS,
    REPLICA__SQL_FEED_DIRTY,
    REPLICA__SQL_FEED_DIRTY_COUNT,
    REPLICA__SQL_BACKLOG,
    REPLICA__SQL_REPL_NEXT,
    REPLICA__SQL_PENDING,
    REPLICA__SQL_NOTE_GET,
    REPLICA__SQL_NOTE_PUT,
    REPLICA__SQL_NOTE_UNSYNCED,
    REPLICA__SQL_NOTE_IS_LEFT,
    REPLICA__SQL_NOTE_LEAVE,
    REPLICA__SQL_LEASE_GET,
    REPLICA__SQL_LEASE_TAKE,
    REPLICA__SQL_LEASE_ASK,
    REPLICA__SQL_LEASE_ANSWER,
    REPLICA__SQL_LEASE_DROP,
    /* conflict log, documents set aside */
    REPLICA__SQL_LOG_ADD,
    REPLICA__SQL_LOG_LIST,
    REPLICA__SQL_LOG_OF_DOC,
    REPLICA__SQL_LOG_GET,
    REPLICA__SQL_LOG_LAST,
    REPLICA__SQL_LOG_FIRST,
    REPLICA__SQL_LOG_FIRST_OF,
    REPLICA__SQL_LOG_DROP,
    REPLICA__SQL_LOG_WEIGHT,
    REPLICA__SQL_LOG_SIZE,
    REPLICA__SQL_LOG_GROW,
    REPLICA__SQL_WAS_PUT,
    REPLICA__SQL_WAS_SAME,
    REPLICA__SQL_WAS_LIST,
    REPLICA__SQL_WAS_NEXT,
    REPLICA__SQL_WAS_TRIM,
    REPLICA__SQL_WAS_DROP,
    REPLICA__SQL_HISTORY_GET,
    REPLICA__SQL_HISTORY_SET,
    REPLICA__SQL_HISTORY_ADD,
    REPLICA__SQL_HISTORY_LIST,
    REPLICA__SQL_HISTORY_BEYOND,
    REPLICA__SQL_HISTORY_DROP,
    REPLICA__SQL_ASIDE_PUT,
    REPLICA__SQL_ASIDE_DROP,
    REPLICA__SQL_ASIDE_UNKNOW,
    REPLICA__SQL_ASIDE_LIST,
    REPLICA__SQL_ASIDE_GET,
    REPLICA__SQL_ASIDE_TEXT,
    REPLICA__SQL_ASIDE_OF,
    REPLICA__SQL_ASIDE_KIND,
    REPLICA__SQL_ASIDE_DELETE,
    /* events, and who listens to them */
    REPLICA__SQL_EVENT_ADD,
    REPLICA__SQL_EVENT_TRIM,
    REPLICA__SQL_EVENT_NEXT,
    REPLICA__SQL_EVENT_HEAD,
    REPLICA__SQL_LISTEN_PUT,
    REPLICA__SQL_LISTEN_LIST,
    REPLICA__SQL_LISTEN_SWEEP,
    /* migrations */
    REPLICA__SQL_MIGRATE_NEXT,
    REPLICA__SQL_MIGRATE_LEFT,
    REPLICA__SQL_MIGRATE_DIRTY,
    REPLICA__SQL_MIGRATE_FAILED,
    REPLICA__SQL_MIGRATE_WHY,
    REPLICA__SQL_MIGRATE_TO,
    REPLICA__SQL_MIGRATE_DONE,
    REPLICA__SQL_MIGRATE_AGAIN,
    REPLICA__SQL_MIGRATE_RETRY,
    REPLICA__SQL_MIGRATE_MARK,
    REPLICA__SQL_MIGRATE_SENT,
    REPLICA__SQL_MIGRATE_NEEDED,
    REPLICA__SQL_MIGRATE_REPLS,
    REPLICA__SQL_MIGRATE_RANGE,
    REPLICA__SQL_MIGRATE_UNSEEN,
    /* locks */
    REPLICA__SQL_LOCK_GET,
    REPLICA__SQL_LOCK_PUT,
    REPLICA__SQL_LOCK_FLOOR,
    REPLICA__SQL_LOCK_RAISE,
    REPLICA__SQL_LOCK_TRIM,
    REPLICA__SQL_LOCK_LIST,
    REPLICA__SQL_LOCK_REPLS,
    REPLICA__SQL_LOCK_LEAVE,
    REPLICA__SQL_LOCK_BACK,
    REPLICA__SQL_LOCK_OF_REPL,
    REPLICA__SQL_LOCK_ANY_FENCE,
    REPLICA__SQL_LOCK_FORGET,
    /* purging */
    REPLICA__SQL_PURGE_NEXT,
    REPLICA__SQL_PURGE_WINDOW,
    REPLICA__SQL_PURGE_YOUNG,
    REPLICA__SQL_PURGE_COLL,
    REPLICA__SQL_PURGE_WAS,
    REPLICA__SQL_PURGE_OPERATIONS,
    REPLICA__SQL_PURGED_OPERATION,
    REPLICA__SQL_PURGE_FEEDS,
    REPLICA__SQL_PURGE_FLOOR,
    REPLICA__SQL_PURGE_STATES,
    REPLICA__SQL_PURGE_TAKEN,
    REPLICA__SQL_PURGE_MEMBER,
    REPLICA__SQL_PURGE_DOC,
    REPLICA__SQL_COLL_PURGED,
    REPLICA__SQL_COLL_PURGED_TO,
    REPLICA__SQL_PURGED_TO,

    REPLICA__SQL_COUNT
};

/* Take a statement out of the cache, preparing it at first use.  *ret_stmt must be NULL. */
int replica__sql_get(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err);
/* The same as a statement of the caller's own, for who may be called again while he uses it.  It is
 * finalized, and not reset. */
int replica__sql_own(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err);
/* 1: a row; 0: done.  rc: what binding gave. */
int replica__sql_step(replica_db *db, sqlite3_stmt *stmt, int rc, replica_error *err);
/* Get, bind the integers, run to the end.  For statements without a result. */
int replica__sql_run(replica_db *db, enum replica__sql which, replica_error *err, int n, ...);
/* Get, and run for one integer; 0 where there is none. */
int replica__sql_int(replica_db *db, enum replica__sql which, int64_t *ret, replica_error *err);
/* Run a fixed script, without parameters. */
int replica__sql_script(replica_db *db, const char *script, replica_error *err);
/* Word what SQLite says: its code, and ours for it. */
int replica__sql_error(replica_db *db, int rc, replica_error *err);
/* Both of a connection that is no handle's. */
int replica__sql_step_of(sqlite3 *sqlite, sqlite3_stmt *stmt, int rc, replica_error *err);
int replica__sql_error_of(sqlite3 *sqlite, int rc, replica_error *err);

void replica__bind_int(sqlite3_stmt *stmt, int at, int64_t value, int *rc);
void replica__bind_int_or_null(sqlite3_stmt *stmt, int at, int64_t value, int *rc); /* 0: NULL */
/* The text must live until the statement is reset.  NULL binds NULL. */
void replica__bind_text(sqlite3_stmt *stmt, int at, const char *text, size_t len, int *rc);

void replica__sql_reset(sqlite3_stmt **stmt);
#define REPLICA_STMT __attribute__((cleanup(replica__sql_reset))) sqlite3_stmt *

/* Finalize all; the database is about to close. */
void replica__sql_finish(replica_db *db);

#endif
