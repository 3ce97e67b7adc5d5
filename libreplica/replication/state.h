/* The rows of state: what a replication must know of a document (store.h says what each part
 * means).
 *
 * A document in sync has one small row without any text.  Texts stand in `kept`, once, however many
 * rows refer to them. */
#ifndef LIBREPLICA_STATE_H
#define LIBREPLICA_STATE_H

#include "libreplica/row.h"

/* A zero is "none" in every field but the first two. */
struct replica__state {
    int64_t doc, replication;
    int64_t clean_seq;               /* local sequence number at which it was in step */
    int64_t incarnation, server_seq; /* of the base, or of the clean state */
    int64_t base;                    /* kept */
    int64_t sent_seq;                /* under way by itself (ranges: see replication.h) */
    int64_t sent;                    /* kept: that state, if the document has moved on */
    int64_t unsettled;               /* kept */
    int64_t rounds;                  /* of conflicts since it was clean */
    int64_t todo;                    /* to be pushed, though the feed's mark has passed it: TODO_ */
    int64_t aside_seq;               /* the local state that is set aside */
    int64_t lost_seq;                /* the local state that was in step, and that it lost, or
                                      * that its newer version did not show */
    int64_t version;                 /* of the endpoint where it was last found in step */
    int64_t left_seq;                /* by this state of the server it left the filter, when it was
                                      * not in step here */
};

/* HELD: with a document that is set aside; see push_queue.c. */
enum { REPLICA__TODO_NOW = 1, REPLICA__TODO_LATER = 2, REPLICA__TODO_HELD = 3 };

int replica__state_get(replica_db *db, int64_t doc, int64_t replication,
                       struct replica__state *ret, replica_error *err); /* 1; 0: none, zeroed */
/* The row that a statement with the columns of a state stands on. */
void replica__state_read(sqlite3_stmt *stmt, struct replica__state *ret);
int replica__state_put(replica_db *db, const struct replica__state *s, replica_error *err);
/* What it waits for, for people, until the row is put again: see docs/format.md. */
int replica__state_waits(replica_db *db, const struct replica__state *s, const char *waits,
                         replica_error *err);
/* Let go of what the row keeps; the caller then puts it. */
int replica__state_drop_base(replica_db *db, struct replica__state *s, replica_error *err);
int replica__state_drop_sent(replica_db *db, struct replica__state *s, replica_error *err);
int replica__state_drop_unsettled(replica_db *db, struct replica__state *s, replica_error *err);
/* All three. */
int replica__state_drop_texts(replica_db *db, struct replica__state *s, replica_error *err);

/* Is the replication about the document, by its keys and its filter, or has it in step?  1, 0. */
int replica__state_is_about(replica_db *db, int64_t doc, int64_t replication, replica_error *err);

/* Is the stored state under way: sent, and without a verdict?  row: as it is stored. */
bool replica__state_under_way(const replica_db *db, const struct replica__state *s,
                              const struct replica__row *row);

/* A write is about to replace `row`: keep what replications need of it.  Not for `replication`,
 * whose own pull or settling this is (0: for all).  *ret_kept: the state if it was kept; or 0. */
int replica__state_capture(replica_db *db, const struct replica__row *row, int64_t replication,
                           int64_t *ret_kept, replica_error *err);

/* ---- states that are kept -------------------------------------------------------- */

struct replica__kept {
    int64_t flags, version;
    int64_t incarnation, server_seq; /* of a server's state */
    int64_t opening;                 /* of the revision that it had here; its operation id */
    int64_t stamp, writer, wseq;     /* writer 0: the opening */
    const char *bundle;
    const char *body;
    size_t len;
};
int replica__kept_add(replica_db *db, const struct replica__kept *kept, int64_t refs,
                      int64_t *ret_id, replica_error *err);
int replica__kept_add_row(replica_db *db, const struct replica__row *row, int64_t refs,
                          int64_t *ret_id, replica_error *err);
int replica__kept_ref(replica_db *db, int64_t id, replica_error *err);
int replica__kept_unref(replica_db *db, int64_t id, replica_error *err); /* 0 is fine */
/* Borrowed from *stmt. REPLICA_ECORRUPT if it is not there. */
int replica__kept_get(replica_db *db, int64_t id, sqlite3_stmt **stmt, struct replica__kept *ret,
                      replica_error *err);
/* As a document of this collection and key; NULL for id 0. */
int replica__kept_doc(replica_db *db, const char *collection, const char *doc_id, int64_t id,
                      replica_doc **ret_doc, replica_error *err);

#endif
