/* The shape of a collection's documents: its schema, as it is stored, and what it asks of each way
 * in.
 *
 *     the program's writes    checked, filled (below), final fields kept
 *     answers to conflicts    checked
 *     what is pulled          checked, and set aside if it breaks the schema
 *     what is pushed here     checked row by row
 *     deletions               never: their text is of the past
 *
 * A collection without a schema asks for nothing, and pays nothing. */
#ifndef LIBREPLICA_SHAPE_H
#define LIBREPLICA_SHAPE_H

#include "base/buf.h"
#include "libreplica/row.h"

/* ---- opening --------------------------------------------------------------------- */

/* Compile what the options give (NULL: they give none), and set key and version in them from it.
 * REPLICA_EINVAL: they say otherwise. */
int replica__shape_given(replica_collection_options *o, replica_schema **ret_schema,
                         replica_error *err);

/* Behind the check of key and version: the collection has this schema from now on, or goes on
 * having the one that is stored.  Of the same version there is one schema: another one is
 * REPLICA_EINVAL.  Where documents of this version were stored without one, all of them must keep
 * to it: else REPLICA_ESCHEMA names the first that does not. */
/* In a transaction: this is the collection's schema from now on. */
int replica__shape_store(replica_db *db, int64_t coll, const char *json, replica_error *err);
int replica__shape_open(replica_collection *coll, const char *given_json, replica_schema *given,
                        replica_error *err);
/* Do the options of a second opening agree? */
bool replica__shape_agrees(const replica_collection *coll, const char *given_json);
/* The same schema as another handle's. */
int replica__shape_copy(replica_collection *coll, const replica_collection *from,
                        replica_error *err);
void replica__shape_free(replica_collection *coll);

/* ---- documents ------------------------------------------------------------------- */

/* A live document that has passed the gate.  id NULL: nothing is said of where. REPLICA_ESCHEMA:
 * where is "collection/id" and the path of the value; REPLICA_ELIMIT: a pattern took too long. */
int replica__shape_check(const replica_collection *coll, const char *id, const char *json,
                         size_t len, replica_error *err);
/* A document that may be new: what it lacks of defaults and the composite key.  1: out has the
 * text; 0: it lacks nothing. */
int replica__shape_fill(const replica_collection *coll, const char *json, size_t len,
                        struct replica__buf *out, replica_error *err);
/* A write of the program over old: are the final fields as they were?  Not behind a tombstone. */
int replica__shape_check_final(const replica_collection *coll, const struct replica__row *old,
                               const char *json, size_t len, replica_error *err);

/* The same with a schema alone, for any thread. */
int replica__shape_check_with(const replica_schema *schema, const char *collection, const char *id,
                              const char *json, size_t len, replica_error *err);

#endif
