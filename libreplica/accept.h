/* The gate of a collection: what text is a document of it?
 *
 * From the program: a JSON object with the primary key and without reserved names.  From the wire:
 * the same, where reserved names are cut out.  Whatever is refused names the byte. */
#ifndef LIBREPLICA_ACCEPT_H
#define LIBREPLICA_ACCEPT_H

#include "libreplica/db.h"

struct replica__accepted {
    const char *id; /* unescaped, with a NUL; own, see text */
    size_t id_len;
    const char *json; /* from '{' to '}', without reserved members */
    size_t len;
    bool deleted;     /* "_deleted": true, from the wire */
    struct replica__buf id_text, cut_text; /* cut_text: json's, where it is not the one given */
};
#define REPLICA_ACCEPTED \
    __attribute__((cleanup(replica__accepted_free))) struct replica__accepted

/* What the program writes, from base_rev on: filled with defaults and the composite key where it
 * may be new (base_rev NULL or REPLICA_ANY_REV), and checked against the schema.  id: the key that
 * it must have, or NULL.  REPLICA_EJSON, REPLICA_ELIMIT, REPLICA_ESCHEMA; where is named. */
int replica__accept_write(const replica_collection *coll, const char *id, const char *json,
                          size_t len, const char *base_rev, struct replica__accepted *ret,
                          replica_error *err);
/* One that was scanned with the collection's key and limits already. */
int replica__accept_scanned(const replica_collection *coll, const struct replica__json_doc *doc,
                            struct replica__accepted *ret, replica_error *err);
/* An object that passed the gate has no reserved names at top level: else REPLICA_EJSON where the
 * first one stands. */
int replica__accept_no_reserved(const char *text, size_t len, replica_error *err);
/* A merge patch of the program's: an object without reserved names.  REPLICA_EJSON. */
int replica__accept_patch(const replica_collection *coll, const char *patch, size_t len,
                          replica_error *err);
void replica__accepted_free(struct replica__accepted *a);

#endif
