/* What the files of the storage on a libreplica database share. */
#ifndef SERVER_STORAGE_STORE_H
#define SERVER_STORAGE_STORE_H

#include "libreplica/master.h"
#include "tools/server/storage.h"

struct replica__storage_coll {
    replica_collection *coll;
    bool reads; /* it was told what rules read */
    struct replica__storage_coll *next;
};

struct store {
    struct replica__storage storage;
    replica_db *db;
    struct replica__storage_coll *first; /* those that were opened */
    char *keys;                          /* name, NUL, field, NUL ... */
    size_t keys_len;
    char *rules;                         /* of collections without any; NULL: none */
    char *wal;                           /* what other processes write to; NULL: there are none */
    struct replica__poller *poller;
    bool watching;
    int looks;                           /* since the last sign */
};

static inline struct store *store_of(struct replica__storage *s)
{
    return (struct store *)s; /* its first member */
}

/* Documents of the store's on their way to whom they were read for. */
struct replica__emitting {
    replica__storage_emit emit;
    void *ctx;
    int version; /* of the collection, where texts may be of lower ones */
};
int replica__storage_emit_doc(void *ctx, const struct replica__feed_doc *doc); /* of an emitting */

/* storage_coll.c: the operations of these names, */
int replica__storage_find(struct replica__storage *s, const char *name,
                          struct replica__storage_coll **ret_coll, replica_error *err);
int replica__storage_create(struct replica__storage *s, const char *name, int version,
                            struct replica__storage_coll **ret_coll, replica_error *err);
int replica__storage_rules(struct replica__storage *s, struct replica__buf *out,
                           replica_error *err);
int replica__storage_names(struct replica__storage *s, int (*fn)(void *ctx, const char *name),
                           void *ctx, replica_error *err);
int replica__storage_reads(struct replica__storage *s, struct replica__storage_coll *coll,
                           const char *fields, replica_error *err);
const char *replica__storage_key_field(const struct replica__storage_coll *coll);
int replica__storage_version(const struct replica__storage_coll *coll);
/* and what is configured when the storage opens: it must be what is stored. */
int replica__storage_take_keys(struct store *store, const struct replica__storage_key *keys,
                               size_t n, replica_error *err);
int replica__storage_check_keys(struct store *store, const struct replica__storage_key *keys,
                                size_t n, replica_error *err);

/* storage_watch.c: the operations of these names. */
int replica__storage_fd(struct replica__storage *s);
int replica__storage_timeout(struct replica__storage *s);
int replica__storage_work(struct replica__storage *s, replica_error *err);
/* path: as of replica__storage_store_open(). */
int replica__storage_watch_open(struct store *store, const char *path, replica_error *err);
void replica__storage_watch(struct store *store); /* from now on, as far as the system can */

/* storage_range.c: the operations of these names. */
int replica__storage_walk(struct replica__storage *s, struct replica__storage_coll *coll,
                          const struct replica__walk *walk, replica__storage_emit emit, void *ctx,
                          struct replica__buf *ret_to, int64_t *ret_head, replica_error *err);
int replica__storage_documents(struct replica__storage *s, struct replica__storage_coll *coll,
                               const char *const *ids, size_t n, replica__storage_emit emit,
                               void *ctx, int64_t *ret_head, replica_error *err);
int replica__storage_horizon(struct replica__storage *s, struct replica__storage_coll *coll,
                             int64_t *ret_horizon, replica_error *err);
int replica__storage_purge(struct replica__storage *s, int64_t older_ms,
                           struct replica__purge *at, replica_error *err);

#endif
