/* Every fixed statement of the store, each prepared once, at first use.
 *
 * REPLICA_STMT declares a statement that goes back to the cache, reset, at the end of its scope.
 * Its bindings stay, and point nowhere: who takes it binds every parameter anew. Binding errors are
 * sticky in `rc`, and come out of the step. */
#ifndef LIBREPLICA_SQL_H
#define LIBREPLICA_SQL_H

#include "libreplica/libreplica.h"
#include "libreplica/statements/names.h"

#include <sqlite3.h>
#include <stdbool.h>

/* Take a statement out of the cache, preparing it at first use.  *ret_stmt must be NULL. */
int replica__sql_get(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err);
/* The same as a statement of the caller's own, for who may be called again while he uses it.  It is
 * finalized, and not reset. */
int replica__sql_own(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err);
/* 1: a row; 0: done.  rc: what binding gave. */
int replica__sql_step(replica_db *db, sqlite3_stmt *stmt, int rc, replica_error *err);
/* Take it with integers for its parameters from the first on, as many as are given: to be stepped,
 * or at its first row (1; 0: there is none), or run to its end and put back, for who asks at most
 * whether there is a row. */
#define replica__sql_with(db, which, ret_stmt, err, ...) \
    replica__sql_with_ints(db, which, ret_stmt, err, REPLICA__INTS(__VA_ARGS__))
#define replica__sql_row(db, which, ret_stmt, err, ...) \
    replica__sql_row_ints(db, which, ret_stmt, err, REPLICA__INTS(__VA_ARGS__))
#define replica__sql_run(db, which, err, ...) \
    replica__sql_run_ints(db, which, err, REPLICA__INTS(__VA_ARGS__))
#define REPLICA__INTS(...) \
    (const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)
int replica__sql_with_ints(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                           replica_error *err, const int64_t *values, size_t n);
int replica__sql_row_ints(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                          replica_error *err, const int64_t *values, size_t n);
int replica__sql_run_ints(replica_db *db, enum replica__sql which, replica_error *err,
                          const int64_t *values, size_t n);
/* The same as replica__sql_row() for a statement whose only parameter is a text. */
int replica__sql_row_text(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                          replica_error *err, const char *text, size_t len);
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
