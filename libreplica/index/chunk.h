/* A chunk of documents on its way into an index: see index/build.c. */
#ifndef LIBREPLICA_INDEX_CHUNK_H
#define LIBREPLICA_INDEX_CHUNK_H

#include "libreplica/index/index.h"

struct replica__chunk_key {
    uint64_t head; /* the first bytes, for quick comparisons */
    size_t at;
    const char *bytes;        /* when all are there */
    uint32_t len, fields_len; /* fields_len 0: does not count for a unique index */
    int64_t doc;
};

struct replica__chunk {
    replica_db *db;
    struct replica__index *index; /* NULL: there is none */
    int64_t coll;
    int64_t since;  /* sequence number: what is above is the writers' */
    int64_t upto;   /* document number: read up to here */
    bool read, end; /* it is read; it is the last one */
    struct replica__index_keys one;
    struct replica__buf bytes;
    struct replica__chunk_key *keys;
    size_t n, room, next;
    int64_t *changed;
    size_t changed_count, changed_room;
    int64_t until_ms; /* of a slice */
    bool late;
};

/* Of this index: 1; 0: it is gone. */
int replica__chunk_begin(struct replica__chunk *c, int64_t index, replica_error *err);
/* A slice of the work: reading first, then, in a transaction each, putting in. */
int replica__chunk_go_on(struct replica__chunk *c, int64_t until_ms, replica_error *err);
void replica__chunk_drop(struct replica__chunk *c);

/* Was the document written since the chunk was begun? */
bool replica__chunk_is_changed(const struct replica__chunk *c, int64_t doc);
/* index/rows.c: put in keys until the time is up. */
int replica__chunk_put_all(struct replica__chunk *c, replica_error *err);

#endif
