/* The conflict log: what was superseded, and by what. */
#ifndef LIBREPLICA_CONFLICT_LOG_H
#define LIBREPLICA_CONFLICT_LOG_H

#include "libreplica/replication/state.h"

struct replica__logged {
    int64_t replication;
    const struct replica__row *row; /* the local state */
    const char *rule;
    int64_t assumed, real;          /* kept; the log takes references of its own */
    const struct replica__kept *result; /* NULL: the real one */
};
/* Add an entry; the oldest ones go if there are too many. */
int replica__conflict_log_add(replica_db *db, const struct replica__logged *entry,
                              replica_error *err);
/* Let go of all entries about a document, with what they keep. */
int replica__conflict_log_forget(replica_db *db, int64_t coll, const char *id,
                                 replica_error *err);
/* The file was opened: what has become too old or too much meanwhile goes, if nobody else writes.
 * What could not be done now is done another time. */
void replica__conflict_log_open(replica_db *db);

/* The identifier of a replication, yours to free; "" once it was removed. */
int replica__replication_name(replica_db *db, int64_t number, char **ret_name, replica_error *err);

/* ---- reading --------------------------------------------------------------------- */

/* An entry as it is handed out: what it is about, then (replica__log_states()) its states. */
struct replica__log_entry {
    replica_conflict_entry shown;
    int64_t coll;
    int64_t kept[4]; /* assumed, real, local, result */
    char collection[65];
    char *id, *replication, *rule;
};
#define REPLICA_LOG_ENTRY \
    __attribute__((cleanup(replica__log_entry_free))) struct replica__log_entry
void replica__log_entry_free(struct replica__log_entry *e);
/* The first entry behind `after`; id not NULL: of this document of coll.  1, 0: there is none. */
int replica__log_next(replica_db *db, int64_t after, int64_t coll, const char *id,
                      struct replica__log_entry *ret, replica_error *err);
int replica__log_states(replica_db *db, struct replica__log_entry *e, replica_error *err);

/* Take the program's filter (NULL: all), whose texts are borrowed.  REPLICA_EINVAL. */
int replica__log_filter(replica_db *db, const replica_conflict_filter *given,
                        replica_conflict_filter *ret, replica_error *err);
bool replica__log_matches(const replica_conflict_filter *f, const struct replica__log_entry *e);

/* ---- observers ------------------------------------------------------------------- */

/* Tell what was logged; as replica__watch_round(). */
int replica__log_round(replica_db *db, int64_t until_ms, replica_error *err);
void replica__log_watch_end(replica_db *db);

#endif
