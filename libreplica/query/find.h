/* Queries, for the files that answer them. */
#ifndef LIBREPLICA_FIND_H
#define LIBREPLICA_FIND_H

#include "libreplica/query/scan.h"

/* A query of a collection, ready to be answered: parsed, and what must happen before has. */
struct replica__asked {
    replica_collection *coll;
    char *text; /* the selector's, which plans look at */
    size_t len; /* NULL: there is none */
    struct replica__query *query;
};
/* The one way in: everything that answers a query comes through here.  Errors are worded. */
int replica__ask(replica_collection *coll, const char *query, size_t len,
                 struct replica__asked *ret, replica_error *err);
void replica__asked_free(struct replica__asked *asked);
#define REPLICA_ASKED __attribute__((cleanup(replica__asked_free))) struct replica__asked

/* Its plan, in a moment of the handle's own connection that lasts as long as ret_read. */
int replica__asked_plan(const struct replica__asked *asked, struct replica__reader **ret_reader,
                        replica_db **ret_read, struct replica__plan *ret_plan, replica_error *err);

/* Is this row meant?  1, 0; matches: the plan leaves that to the selector.  REPLICA_ELIMIT names
 * the document. */
int replica__asked_match(const struct replica__asked *asked, bool matches,
                         const struct replica__row *row, replica_error *err);

/* Documents that match, by their place: those that come first, if only so many are wanted. */
struct replica__found {
    size_t at, len;    /* the place, in places */
    const char *place; /* while it is sorted: the room of places moves */
    int64_t number, seq;
};
struct replica__finds {
    struct replica__buf places;
    struct replica__found *found;
    size_t n, room;
    size_t most; /* 0: all */
};
int replica__finds_add(struct replica__finds *finds, const struct replica__query *query,
                       const struct replica__row *row, replica_error *err);
int replica__finds_sort(struct replica__finds *finds, replica_error *err);
void replica__finds_free(struct replica__finds *finds);

#endif
