/* What the schema of a collection says besides what a document looks like: RxDB's part.
 *
 *     version       0, 1, ...
 *     primaryKey    "id", or {"key": "id", "fields": ["a", "b.c"], "separator": "|"}: the key is
 *                   those fields joined; it is filled in where it is missing, and must agree
 *     indexes       ["a", ["b", "c.d"]]
 *     final         fields that keep the value with which the document was created
 *     default       of top-level properties, filled in on insert where they are missing
 *     x-conflict    ours: what becomes of a document that two people changed
 *
 * Everything here is pure.  Texts have passed the gate of base/json.h. */
#ifndef SCHEMA_COLLECTION_H
#define SCHEMA_COLLECTION_H

#include "base/buf.h"
#include "base/json.h"
#include "libreplica/libreplica.h"
#include "merge/rules.h"

#include <stdbool.h>

struct replica__index_spec {
    char **fields; /* paths */
    size_t n;
};

struct replica__collection_schema {
    int version;
    char *key;               /* field of the primary key */
    char **key_fields;       /* of a composite one; key_field_count 0: it is a plain field */
    size_t key_field_count;
    char *separator;
    struct replica__index_spec *indexes;
    size_t index_count;
    char **final;            /* names of top-level fields, the primary key not among them */
    size_t final_count;
    struct replica__default {
        char *name;          /* top-level property */
        char *json;          /* its value */
    } *defaults;
    size_t default_count;
    struct replica__rules *rules; /* of x-conflict; NULL: it says none */
};

/* Read RxDB's part of the schema's text.  REPLICA_ESCHEMA, REPLICA_ENOTSUP; where: the path. */
int replica__collection_schema_parse(const char *json, size_t len,
                                     struct replica__collection_schema **ret, replica_error *err);
void replica__collection_schema_free(struct replica__collection_schema *s); /* NULL is fine */
/* Of a schema compiled with REPLICA_SCHEMA_COLLECTION; borrowed; else NULL. */
const struct replica__collection_schema *
replica__schema_collection(const replica_schema *schema);

/* The rules under its x-conflict; borrowed; NULL: none. */
struct replica__rules *replica__schema_rules(const replica_schema *schema);

/* Rules from elsewhere: REPLICA_ESCHEMA, one of them can never serve what the schema (its text) has
 * at its path. */
int replica__collection_schema_check_rules(const char *json, size_t len,
                                           const struct replica__rules *rules, replica_error *err);

/* A document about to be inserted: what is missing of defaults and the composite key goes behind
 * its last member; every other byte stays.  1: out has the text; 0: nothing is missing.
 * REPLICA_ESCHEMA: a field of the key is missing, or no text, number or boolean. */
int replica__collection_schema_fill(const struct replica__collection_schema *s, const char *json,
                                    size_t len, struct replica__buf *out, replica_error *err);
/* Does the composite key in the text agree with its fields?  REPLICA_ESCHEMA: no. */
int replica__collection_schema_check_key(const struct replica__collection_schema *s,
                                         const char *json, size_t len, replica_error *err);
/* Are the final fields the same in both texts (exact)?  REPLICA_ESCHEMA names the one that is
 * not. */
int replica__collection_schema_check_final(const struct replica__collection_schema *s,
                                           const char *old_json, size_t old_len,
                                           const char *new_json, size_t new_len,
                                           replica_error *err);

#endif
