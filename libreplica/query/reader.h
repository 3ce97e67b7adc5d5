/* Connections that read: the handle's own, for what one call answers, and further ones, each with a
 * moment of its own, for cursors that stay open.  Of those a few are kept for the next cursor.
 *
 * Statements of documents hand them to a function of ours, row by row, while they run: a row costs
 * half of what it costs when SQLite hands it out.  They give a row of their own only to stop.  Of a
 * document that is at hand (shelf.h) nothing is read but its sequence number. */
#ifndef LIBREPLICA_READER_H
#define LIBREPLICA_READER_H

#include "libreplica/row.h"

enum replica__find {
    REPLICA__FIND_ENTRIES,      /* documents by a range of an index */
    REPLICA__FIND_ENTRIES_DOWN, /* ... with their keys */
    REPLICA__FIND_ENTRY_DOCS,   /* their numbers only */
    REPLICA__FIND_ENTRY_COUNT,
    REPLICA__FIND_IDS,          /* documents by a range of ids */
    REPLICA__FIND_IDS_DOWN,
    REPLICA__FIND_ID,
    REPLICA__FIND_ALL,          /* of a collection, in no order that counts */
    REPLICA__FIND_NUMBER,
    REPLICA__FIND_KEYS,         /* documents from an id on, whose ids were looked at first */
    REPLICA__FIND_KEYS_BARE,    /* the same without their texts */
    REPLICA__FIND_HEAD,         /* of a collection */
    REPLICA__FIND_INDEX,        /* is it there, and how */
    REPLICA__FIND_BEGIN,
    REPLICA__FIND_END,
    REPLICA__FIND_COUNT
};

/* A live document that a statement came to, borrowed for the call; its flags and bundle are not
 * read.  key: of FIND_ENTRIES_DOWN.  0: go on; else the statement stops behind it. */
typedef int (*replica__row_fn)(void *ctx, const struct replica__row *row,
                               const struct replica__slice *key, replica_error *err);

/* Of FIND_KEYS: 0: pass over the id; 1: hand out its document, if it lives; else the statement
 * stops with it. */
typedef int (*replica__id_fn)(void *ctx, const char *id, size_t len);

struct replica__reader {
    replica_db *db;
    sqlite3 *sqlite;
    bool own; /* a connection of its own */
    sqlite3_stmt *statements[REPLICA__FIND_COUNT];
    replica__row_fn fn; /* of the statement that runs */
    void *ctx;
    replica__id_fn id_fn; /* the same, set by who runs it */
    void *id_ctx;
    replica_error *err;
    int r;              /* what it said */
    int64_t version;    /* of the collection that is read: what is at hand must have it */
    struct replica__reader *next;
};

/* The handle's own connection, at the moment of each statement; borrowed. */
int replica__reader_main(replica_db *db, struct replica__reader **ret, replica_error *err);
/* One with a moment of its own: now.  REPLICA_ELIMIT: too many cursors are open. */
int replica__reader_open(replica_db *db, struct replica__reader **ret, replica_error *err);
void replica__reader_close(struct replica__reader *reader); /* NULL is fine */

/* Take a statement, reset; the caller resets it again. */
int replica__reader_get(struct replica__reader *reader, enum replica__find which,
                        sqlite3_stmt **ret_stmt, replica_error *err);
int replica__reader_step(struct replica__reader *reader, sqlite3_stmt *stmt, int rc,
                         replica_error *err);
/* Run a statement of documents: what fn said if it stopped; 0: the end; < 0. */
int replica__reader_run(struct replica__reader *reader, sqlite3_stmt *stmt, int rc,
                        replica__row_fn fn, void *ctx, replica_error *err);
void replica__readers_end(replica_db *db);

#endif
