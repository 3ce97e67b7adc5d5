/* Keys as paths: "/client/alice/volume", and patterns over them.
 *
 * A pattern is a path in which a whole segment may be "*" (one segment of any name) or "**" (any
 * number of segments, none too).  Segments lie between slashes; a leading slash is a segment
 * boundary like any other, so "/a/b" has the segments "", "a" and "b", and "*" does not match a key
 * with a slash in it.  A pattern without stars is that key.  Everything here goes by the index of
 * primary keys: what lies outside the pattern is jumped over, not read.  The contract of
 * libreplica.h holds. */
#ifndef LIBREPLICA_KEYS_H
#define LIBREPLICA_KEYS_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

/* 1: the pattern matches the key; 0. */
REPLICA_API int replica_key_matches(const char *pattern, const char *key);

/* The live documents whose keys match, in key order; a cursor as of replica_all().  REPLICA_EINVAL:
 * no pattern (a star beside other characters in a segment, more than 64 segments). */
REPLICA_API int replica_keys_find(replica_collection *coll, const char *pattern,
                                  replica_cursor **ret_cursor, replica_error *err);
REPLICA_API int replica_keys_count(replica_collection *coll, const char *pattern,
                                   int64_t *ret_count, replica_error *err);
/* Delete all that match, each as replica_delete() with REPLICA_ANY_REV, in transactions that keep
 * others waiting less than 20 ms.  ret_count: how many, also when the call fails. */
REPLICA_API int replica_keys_delete(replica_collection *coll, const char *pattern,
                                    int64_t *ret_count, replica_error *err);

/* What is there, and then what changes: fn for each live document that matches (change->origin 0),
 * in key order, in dispatch; once with doc NULL when that was all; from then on for each change as
 * of replica_observe().  No change is left out between the two, and none told twice. */
REPLICA_API int replica_keys_observe(replica_collection *coll, const char *pattern,
                                     replica_change_fn fn, void *ctx, replica_destroy_fn destroy,
                                     replica_observer **ret_observer, replica_error *err);

/* One value derived from all documents that match. */
enum {
    REPLICA_DERIVE_COUNT = 1,
    REPLICA_DERIVE_SUM = 2,   /* exact; of the numbers at field */
    REPLICA_DERIVE_MIN = 3,
    REPLICA_DERIVE_MAX = 4,
    REPLICA_DERIVE_LATEST = 5 /* the value at field of the document that was written last */
};
/* json: the value, or NULL where no document has one (a count or a sum is 0 then).  Lives for the
 * call. */
typedef void (*replica_derived_fn)(void *ctx, const char *json, size_t len);
/* fn in dispatch with the value as it is, and again whenever it has become another one; what was
 * committed together changes it once.  field: a path ("volume", "mix.volume"); NULL for COUNT.
 * Numbers only, but for LATEST, which goes by the writers' clocks. */
REPLICA_API int replica_keys_derive(replica_collection *coll, const char *pattern,
                                    const char *field, int what, replica_derived_fn fn, void *ctx,
                                    replica_destroy_fn destroy, replica_observer **ret_observer,
                                    replica_error *err);

REPLICA_END

#endif
