/* A stored document, as a statement shows it: borrowed until the statement moves on. */
#ifndef LIBREPLICA_ROW_H
#define LIBREPLICA_ROW_H

#include "libreplica/db.h"

struct replica__row {
    int64_t number;
    int64_t coll;
    const char *id;
    size_t id_len;
    int64_t seq;
    int64_t height;
    int64_t opening;
    int64_t flags;
    int64_t stamp;
    int64_t writer; /* 0: this opening */
    int64_t wseq;
    const char *bundle;
    int64_t version;
    const char *body;
    size_t len;
    replica_doc *doc; /* of a query: the document itself, if it is at hand; borrowed, too */
};

/* Read the row a statement with the columns of a document stands on.  REPLICA_ENOMEM,
 * REPLICA_ECORRUPT. */
int replica__row_read(replica_db *db, sqlite3_stmt *stmt, struct replica__row *ret,
                      replica_error *err);
/* Find by key: 1 and the row, which lives as long as *stmt; 0: never stored. */
int replica__row_find(replica_collection *coll, const char *id, size_t id_len, sqlite3_stmt **stmt,
                      struct replica__row *ret, replica_error *err);
/* The same in a collection that need not be open. */
int replica__row_find_in(replica_db *db, int64_t coll, const char *id, size_t id_len,
                         sqlite3_stmt **stmt, struct replica__row *ret, replica_error *err);
/* The same by number. */
int replica__row_by_number(replica_db *db, int64_t number, sqlite3_stmt **stmt,
                           struct replica__row *ret, replica_error *err);
/* As a document of its own. */
int replica__row_doc(replica_db *db, const char *collection, const struct replica__row *row,
                     replica_doc **ret_doc, replica_error *err);
/* Its revision, into room of REPLICA_REV_SIZE. */
int replica__row_rev(replica_db *db, const struct replica__row *row, char *ret_rev,
                     replica_error *err);
/* Its operation id: the token of the revision at its writer, room of REPLICA__OPERATION_SIZE. */
int replica__row_operation(replica_db *db, const struct replica__row *row, char *ret,
                           replica_error *err);
/* The text that has nothing but the document's key. */
void replica__row_key_text(const char *key, const struct replica__row *row,
                           struct replica__buf *out);

#endif
