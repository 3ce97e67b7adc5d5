/* Migrations: documents of a lower version than their collection's, and how they rise.
 *
 * A collection is raised at once, whatever its size: its version is set, and `unmigrated` to 0.
 * From then on its documents of lower versions rise one by one, when they are read or written and,
 * in the order of their numbers, in dispatch; `unmigrated` is the number up to which they were
 * looked at.  A step runs on the program's thread and in no transaction.  What it gave is written
 * in a short one, if the document still is as it was read; else it is looked at again.  So a kill
 * at any point, or two processes at once, do no harm.
 *
 * What one document is, from a replication's view, and what a migration makes of it:
 *
 *   clean             stays clean, at the new sequence number, but counts as in sync only when the
 *                     new version's endpoint has confirmed it (below)
 *   dirty             stays dirty; base and unsettled stay as they are, of their own version
 *   under way         the state that was sent is kept, migrated, under the operation that it had:
 *                     the new endpoint is asked about that first, and takes it once
 *   set aside         stays set aside
 *   clean, and there  stays clean; what it was is kept as its base, for the server may show it
 *   is a way back     again, or be sent an edit of it
 *   tombstone         stays as it is, text and all, unless it waits to be sent: then its text is
 *                     migrated, if that can be done
 *   step: keep        only the version is set where every replication is clean; else it is a write
 *   step: drop        a tombstone here that no server is told of: clean for all.  An edit that no
 *                     server has goes to the conflict log, rule "migration"
 *   step: fails       the document stays as it is and is set aside (kind MIGRATION, no
 *                     replication); it is not pushed, and reading it fails.  A new state, by
 *                     whomever, ends that
 *
 * A write that migrates keeps stamp, writer and bundle: it is no edit, and wins over none.
 *
 * A replication, when a collection's version is another than the one its checkpoint belongs to:
 * the feed starts from the beginning.  A clean document is confirmed by what the feed then says of
 * it (state.version).  When the head is reached, those that it did not show are to be brought to
 * the server, as states in step that it lost (lost_seq); tombstones are confirmed without that.
 * Until then, and while documents are left to migrate, nothing is said to be in sync.
 *
 * A server of an older version is served at its endpoint, if the steps lead down to it.  What is
 * pulled there is stored as what it is, and rises like any other document.  What is pushed is taken
 * down on the program's thread, and what was taken is the base of a document that is clean.  So of
 * a clean document the base, if it has one, is what the server has, to the byte; else that is what
 * is stored. */
#ifndef LIBREPLICA_MIGRATE_H
#define LIBREPLICA_MIGRATE_H

#include "libreplica/replication/state.h"

/* ---- steps ----------------------------------------------------------------------- */

struct replica__steps {
    size_t n;
    replica_migration step[];
};
/* REPLICA_EINVAL: a step without a function, or two to the same version. */
int replica__steps_copy(const replica_migration *steps, size_t n, struct replica__steps **ret_steps,
                        replica_error *err);
/* Is there one for each version from `from` to `to`?  REPLICA_EINVAL names the missing one. */
int replica__steps_check(const struct replica__steps *steps, const char *collection, int from,
                         int to, replica_error *err);

enum { REPLICA__MIGRATED_SAME = 0, REPLICA__MIGRATED_TEXT = 1, REPLICA__MIGRATED_DROP = 2 };
/* Bring a state up to the collection's version, on the program's thread, in no transaction. SAME:
 * its text is good as it is.  TEXT: *ret_doc is the same state with another text, yours.
 * REPLICA_EUSER and others: it cannot be done, err says why. */
REPLICA_INTERNAL int replica__migrate_state(const replica_collection *coll, replica_doc *doc,
                                            replica_doc **ret_doc, replica_error *err);

/* Is there a way back for each version from the collection's to this one? */
bool replica__migrate_leads_down(const replica_collection *coll, int64_t version);

/* ---- opening --------------------------------------------------------------------- */

/* What the file has of a collection, as find() in collection.c reads it. */
struct replica__stored_version {
    int64_t number;
    int version;
    int64_t unmigrated; /* -1: none */
    int oldest;         /* the lowest version that documents may have */
};
/* Check that all steps are there, and raise the version in the file if it is lower, together with
 * the schema (NULL: none).  On a database that is open read-only nothing is written.
 * REPLICA_EVERSION: the stored one is higher. */
int replica__migrate_raise(replica_db *db, const char *name, int version, const char *schema_json,
                           const struct replica__steps *steps,
                           struct replica__stored_version *stored, replica_error *err);
/* A collection with these steps is opened: what is left is migrated in dispatch. */
int replica__migrate_begin(replica_db *db, const struct replica__steps *steps, replica_error *err);
void replica__migrate_end(replica_db *db);
/* Part of replica__txn_know(): versions and how far, as other connections may have set them. */
int replica__migrate_know(replica_db *db, replica_error *err);

/* ---- documents ------------------------------------------------------------------- */

/* Is this row for the program only behind a migration?  A tombstone is not; and who gave no steps
 * sees what is stored. */
static inline bool replica__migrate_is_due(const replica_collection *coll,
                                           const struct replica__row *row)
{
    return row->version != coll->version && !(row->flags & REPLICA__FLAG_DELETED) &&
           (coll->steps || row->version > coll->version);
}

/* As of the last replica__txn_know(). */
static inline bool replica__migrate_is_left(const replica_collection *coll)
{
    return coll->steps && coll->unmigrated >= 0;
}

/* Bring the document up: 1 and the document as it is then (ret_doc may be NULL); 0: absent,
 * deleted or dropped.  REPLICA_EUSER: it is set aside.  REPLICA_EVERSION: it is of a higher version
 * than this handle's.  On a read-only handle it is brought up in memory. */
int replica__migrate_get(replica_collection *coll, const char *id, size_t id_len,
                         replica_doc **ret_doc, replica_error *err);
/* The same for many that were read, in one transaction: each document of a lower version is
 * replaced by the migrated one, or by NULL if it was dropped or cannot be migrated.
 * REPLICA_EVERSION: one is of a higher version than this handle's. */
int replica__migrate_docs(replica_collection *coll, replica_doc **docs, size_t n,
                          replica_error *err);
/* Behind the transaction of a write that was a conflict: the stored document that is handed out is
 * of the collection's version, if it can be.  (A write over a document that has not risen needs no
 * migration: it names the revision that it replaces.) */
void replica__migrate_stored(replica_collection *coll, replica_doc **stored);
/* Before a query: all that is left, so that the query sees texts of one version only.
 * REPLICA_EREADONLY: there is something left, and this handle cannot write.  REPLICA_EVERSION:
 * another program has raised the collection. */
int replica__migrate_before_query(replica_collection *coll, replica_error *err);
/* Behind it, for each row: 1, it is for the program; 0: it is set aside, and left out.
 * REPLICA_EVERSION as above, where that has come between. */
int replica__migrate_shows(const replica_collection *coll, const struct replica__row *row,
                           replica_error *err);
/* The same as a version: documents of lower ones are left out. */
static inline int replica__migrate_lowest(const replica_collection *coll)
{
    return coll->steps ? coll->version : 0;
}
/* Does it show every live document, as of the last replica__txn_know()? */
static inline bool replica__migrate_shows_all(const replica_collection *coll)
{
    return coll->stored_version <= coll->version && !(coll->steps && coll->db->set_aside);
}

/* May this handle write, or read, texts of its version?  REPLICA_EVERSION: another program has
 * raised the collection. */
int replica__migrate_may_write(const replica_collection *coll, replica_error *err);
int replica__migrate_may_read(const replica_collection *coll, replica_error *err);

/* Was the document set aside because its migration failed?  1, and err has the reason; 0. */
int replica__migrate_failed(const replica_collection *coll, const char *id, size_t id_len,
                            replica_error *err);
/* A document whose migration failed takes part again: looked at in the background. */
int replica__migrate_again(replica_db *db, int64_t coll, int64_t doc, replica_error *err);

/* ---- state rows ------------------------------------------------------------------ */

/* A state that was sent, and has moved on: what a migration makes of its text. */
struct replica__sent_text {
    int64_t replication, kept; /* of the row, and what it keeps */
    replica_doc *doc;          /* the migrated one; NULL: it cannot be migrated, or is dropped */
};
/* In place of replica__state_capture(), for a write that migrates: rows follow to `seq`. */
struct replica__write;
int replica__state_follow(replica_db *db, const struct replica__row *old,
                          const struct replica__write *w, int64_t seq, replica_error *err);
/* The kept texts of states that were sent, migrated. */
int replica__state_follow_sent(replica_db *db, int64_t doc, int64_t version,
                               const struct replica__sent_text *sent, size_t n,
                               replica_error *err);
/* The document was dropped, to a tombstone at `seq`: clean for every replication of its
 * collection.  What a server has not goes to the conflict log, if log; else the document is erased,
 * and no number of it is known any more. */
int replica__state_drop(replica_db *db, const struct replica__row *old, int64_t seq, bool log,
                        replica_error *err);
/* The document at `seq` is in step with what a server had, and is to be brought to it at this
 * version's endpoint, as one that the endpoint did not show.  Its base is let go of already; the
 * caller puts the row. */
void replica__state_bring(struct replica__state *s, int64_t endpoint, int64_t seq);
/* Is there a replication that does not have the document as it is stored?  1, 0. */
int replica__state_needed(replica_db *db, const struct replica__row *row, replica_error *err);

/* ---- endpoints ------------------------------------------------------------------- */

struct replica__replication;
/* In the transaction that opens a replication: its collections are exactly those that it has now. A
 * feed whose collection has another version than its checkpoint starts from the beginning. */
int replica__endpoint_collections(struct replica__replication *repl, bool *ret_joined,
                                  replica_error *err);
/* REPLICA_EVERSION: documents are on their way to a version, and this handle has no steps: what it
 * would say of the replication could not be true. */
int replica__endpoint_check(replica_collection *const *colls, size_t n, replica_error *err);
/* The version of the endpoint that the feed of this collection is of: the collection's own, or that
 * of an older server. */
int64_t replica__endpoint_version(const struct replica__replication *repl,
                                  const replica_collection *coll);
/* Is a document that is clean by its row in step with this version's endpoint? */
bool replica__endpoint_has(const struct replica__replication *repl, const replica_collection *coll,
                           const struct replica__state *s);
/* Is something left to migrate, or to confirm? */
bool replica__endpoint_is_pending(const struct replica__replication *repl);

#endif
