/* The storage on a libreplica database: documents by their keys, and what goes with its age. */
#include "tools/server/storage_store.h"

int replica__storage_emit_doc(void *ctx, const struct replica__feed_doc *doc)
{
    const struct replica__emitting *e = ctx;
    const struct replica__storage_doc out = { .collection = doc->collection,
                                              .id = doc->id,
                                              .json = doc->json,
                                              .len = doc->len,
                                              .deleted = doc->deleted,
                                              .sequence = doc->sequence,
                                              .stamp = doc->stamp,
                                              .writer = doc->writer ? doc->writer : "",
                                              .bundle = doc->bundle,
                                              .whole = doc->whole,
                                              .again = doc->again,
                                              .gone = doc->gone,
                                              .version = doc->older ? e->version - doc->older
                                                                    : -1 };

    return e->emit(e->ctx, &out);
}

int replica__storage_walk(struct replica__storage *s, struct replica__storage_coll *coll,
                          const struct replica__walk *walk, replica__storage_emit emit, void *ctx,
                          struct replica__buf *ret_to, int64_t *ret_head, replica_error *err)
{
    struct replica__emitting e = { emit, ctx, 0 };

    return replica__master_walk(store_of(s)->db, coll->coll, walk, replica__storage_emit_doc, &e,
                                ret_to, ret_head, err);
}

int replica__storage_documents(struct replica__storage *s, struct replica__storage_coll *coll,
                               const char *const *ids, size_t n, replica__storage_emit emit,
                               void *ctx, int64_t *ret_head, replica_error *err)
{
    struct replica__emitting e = { emit, ctx, replica_collection_version(coll->coll) };

    return replica__master_documents(store_of(s)->db, coll->coll, ids, n,
                                     replica__storage_emit_doc, &e, ret_head, err);
}

int replica__storage_horizon(struct replica__storage *s, struct replica__storage_coll *coll,
                             int64_t *ret_horizon, replica_error *err)
{
    return replica__master_horizon(store_of(s)->db, coll ? coll->coll : NULL, ret_horizon, err);
}

int replica__storage_purge(struct replica__storage *s, int64_t older_ms,
                           struct replica__purge *at, replica_error *err)
{
    return replica__master_purge(store_of(s)->db, older_ms, at, err);
}
