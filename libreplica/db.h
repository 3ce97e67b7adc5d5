/* The database handle, as the store's own files see it.
 *
 * One handle is one SQLite connection and belongs to one thread at a time.  What several threads
 * share are the gate between writers, the pump's queue of posts, and documents. */
#ifndef LIBREPLICA_DB_H
#define LIBREPLICA_DB_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/os.h"
#include "libreplica/gate.h"
#include "libreplica/index/keys.h"
#include "libreplica/pump.h"
#include "libreplica/sql.h"
#include "libreplica/store.h"
#include "libreplica/token.h"

#include <sqlite3.h>
#include <stdatomic.h>

/* A range of the change feed that a replication has under way: (from, to]. */
struct replica__range {
    int64_t replication;
    int64_t coll; /* 0: all of the replication's */
    int64_t from, to;
};

struct replica_collection {
    replica_db *db;
    int64_t number; /* in the file */
    char *name;
    char *key;
    int version;
    struct replica__steps *steps; /* of migrations; NULL: none were given */
    bool steps_borrowed;          /* of a sibling */
    int stored_version;           /* higher than version: another program has raised it */
    int64_t unmigrated;           /* documents up to this number were looked at; -1: all are */
    replica_schema *schema;       /* NULL: any object */
    char *schema_json;
    replica_conflict_handler handler;
    struct replica__rules *rules; /* for its conflicts, of the options or the schema; NULL: none */
    struct replica__rules *told;  /* the server's, for want of all others */
    int history;  /* so many earlier states of each document are kept */
    char *reads;  /* fields whose old values are kept: replication/master_was.h; NULL: none */
    bool asked; /* the program has this handle; else a call of ours opened it */
    int borrowed;
    struct replica__observers *observers; /* NULL until the first */
    struct replica__key_watchers *key_watchers; /* the same */
    struct replica__lives *lives;         /* the same */
    struct replica__index *indexes; /* as of indexes_at: replica__indexes_of() */
    int64_t indexes_at;
    replica_collection *next;
};

struct replica_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[REPLICA__SQL_COUNT];
    char *path;
    unsigned flags;
    int busy_ms;
    bool memory;
    bool sibling; /* the runner's: its writes go after the program's */
    void (*log)(void *ctx, int level, const char *topic, const char *line);
    void *log_ctx;
    struct replica__json_limits limits;
    size_t max_key;
    int max_bundle;
    int64_t log_ms, log_bytes; /* of the conflict log: how old, how large it may be */
    int64_t log_first_ms;      /* when its first entry was made, as last seen; 0: look */
    const struct replica__world *world;
    struct replica__gate *gate; /* shared with siblings */

    /* This opening: drawn when the file is opened for writing, stored with its first write. */
    char token[REPLICA__TOKEN_SIZE];
    int64_t opening; /* row of the token; 0: not stored yet */
    bool serving;    /* its beginning is on the disk: replica__master_incarnation() */
    char serving_as[REPLICA__TOKEN_SIZE]; /* the incarnation: of the first of those that serve */
    int serving_locks; /* who serves the file; -1: nobody of this handle */
    struct replica__token_cache tokens;

    /* What a transaction needs to know of the file; read again when another connection wrote. */
    int64_t data_version;
    bool known; /* false: read again */
    int64_t head;
    struct replica__range *ranges;
    size_t range_count;
    bool replicated; /* there is a replication in the file */
    bool set_aside;  /* there is a document set aside */
    bool indexed;    /* there is an index in the file */
    bool unbuilt;    /* there is one that is not built, or not taken away yet */
    bool bundled;    /* there is a bundle's member in the file */
    bool locked;     /* somebody holds a lock in the file, or did */
    int64_t known_at; /* rises with each time that all this was read */
    int64_t committed_head; /* of the last commit */

    bool taken; /* the last conflict: another document has its place in a unique index */
    struct replica__index_keys keys[2]; /* of the state before a write, and behind it */
    struct replica__builder *builder; /* NULL until there is something to build */
    struct replica__reader *reader;   /* on this connection; NULL until the first query */
    struct replica__reader *idle_readers;
    struct replica__shelf *shelf; /* of documents; NULL until one stands there */
    int idle_count, reader_count;     /* connections of their own: unused, all */

    bool keeps_texts; /* replica__db_keep_texts() */
    struct replica__migrator *migrator; /* NULL until there are steps */
    struct replica__ttl *ttl;           /* NULL until documents of a collection expire */

    bool text_failed; /* a write to a full-text index: see replica__txn_rollback() */
    bool in_txn;
    bool secure; /* what this transaction frees is overwritten */
    bool erased; /* and the WAL, which has it still, is to begin anew */
    int changes_before; /* rows that SQLite had changed when it began */
    int64_t last_stamp, stored_stamp; /* the highest here, and in the file: stamp.h */
    int wal_pages;       /* as of the last commit */
    int wal_checkpointed; /* pages in the file at the last checkpoint */

    const char *acting;   /* the client of this server whose writes these are, for locks; or NULL */
    int64_t acting_fence; /* and under which lock's number it says that it writes; 0: none */
    replica_collection *collections;
    struct replica__log_watchers *log_watchers; /* NULL until the first */
    struct replica__events *events;     /* NULL until it emits or listens */
    struct replica__commands *commands; /* NULL until it handles any */
    struct replica__locks *locks; /* NULL until this handle takes one */
    int64_t locks_trimmed;        /* monotonic ms: when old ones were last taken away; 0 */
    struct replica__pump pump;
    replica_cursor *cursors; /* open ones, to be told of the close */
    replica_bundle *bundles;
    char *swept; /* the bundle whose members were last looked at: replication/member.h */
    int64_t looked_version; /* data_version at the last replica__db_changed() */
};

#define REPLICA__FLAG_DELETED 1
#define REPLICA__FLAG_PULLED 2 /* a replication brought it */
#define REPLICA__FLAG_OLDER 4  /* of a kept state: it has risen here, and not on the server */
#define REPLICA__FLAG_HALF 8   /* of an unsettled one: of a bundle whose others are yet to come */

#endif
