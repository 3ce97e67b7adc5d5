/* Cursors: documents from some source, in batches.
 *
 * replica_all() and replica_changes() ask anew for each batch, so that no statement stays open
 * between two calls; what answers a query sees one moment, and has a connection of its own if that
 * takes more than one batch (find.c). */
#ifndef LIBREPLICA_CURSOR_H
#define LIBREPLICA_CURSOR_H

#include "libreplica/db.h"

/* Where a cursor's documents come from. */
struct replica__source {
    /* Add documents until the cursor is full: 1 there may be more, 0 that was all.  After a failure
     * the cursor gives none of them. */
    int (*fill)(struct replica__source *self, replica_cursor *cursor, replica_error *err);
    void (*free)(struct replica__source *self); /* the database is still open */
};

/* Takes the source, and frees it also when the call fails.  A batch is full with so many documents,
 * or so many bytes of text. */
int replica__cursor_open(replica_collection *coll, struct replica__source *source, size_t docs,
                         size_t bytes, replica_cursor **ret_cursor, replica_error *err);
/* Takes the document, also when the call fails. */
int replica__cursor_add(replica_cursor *cursor, replica_doc *doc, replica_error *err);
size_t replica__cursor_count(const replica_cursor *cursor); /* since fill was called */
bool replica__cursor_is_full(const replica_cursor *cursor);
/* What was added and is of a lower version rises.  Documents that were dropped or cannot rise are
 * left out; so are those that were written by that beyond this sequence number (1). */
int replica__cursor_migrate(replica_collection *coll, replica_cursor *cursor, int64_t last,
                            replica_error *err);
/* Forget what was added since fill was called. */
void replica__cursor_take_back(replica_cursor *cursor);
/* The source of a cursor, if its fill is this one; else NULL. */
struct replica__source *
replica__cursor_source(const replica_cursor *cursor,
                       int (*fill)(struct replica__source *, replica_cursor *, replica_error *));
/* The document that was given last; NULL: none yet. */
replica_doc *replica__cursor_last(const replica_cursor *cursor);

void replica__cursors_orphan(replica_db *db);

#endif
