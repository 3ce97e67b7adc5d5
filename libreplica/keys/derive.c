/* Values derived from all documents that match a pattern: an observer of the pattern that keeps
 * what each of them contributes. */
#include "libreplica/document.h"
#include "libreplica/keys.h"
#include "libreplica/keys/values.h"
#include "libreplica/keys/watch.h"
#include "libreplica/query/key.h"

#include <string.h>

struct deriving {
    struct replica__values values;
    struct replica__path path; /* not of COUNT */
    replica_derived_fn fn;
    void *ctx;
    replica_destroy_fn destroy;
    bool told;
    struct replica__buf last; /* what was told; empty: there was none */
};

static struct replica__json_value value_in(const struct deriving *d, replica_doc *doc)
{
    static const struct replica__json_value counted = { REPLICA_JSON_TRUE, { "", 0 } };
    static const struct replica__json_value nothing;
    struct replica__json_value v;
    const char *json;
    size_t len;

    if (d->values.what == REPLICA_DERIVE_COUNT)
        return counted;
    json = replica_doc_json(doc, &len);
    v = replica__path_value(&d->path, json, len, NULL);
    return v.type == REPLICA_JSON_NUMBER || d->values.what == REPLICA_DERIVE_LATEST ? v : nothing;
}

/* After a failure the pattern is read anew. */
static int take(void *ctx, const replica_change *change)
{
    struct deriving *d = ctx;
    replica_doc *doc = change->doc;
    int r = 0;

    if (doc && replica_doc_deleted(doc))
        r = replica__values_remove(&d->values, replica_doc_id(doc));
    else if (doc)
        r = replica__values_set(&d->values, replica_doc_id(doc), value_in(d, doc),
                                replica__doc_stamp(doc), change->sequence);
    if (r < 0)
        replica__values_clear(&d->values);
    return r;
}

static bool is_same(const struct deriving *d, const struct replica__buf *now)
{
    if (!d->told || d->last.len == 0 || now->len == 0)
        return d->told && d->last.len == now->len;
    if (d->values.what != REPLICA_DERIVE_LATEST)
        return replica__json_number_compare((struct replica__slice){ d->last.data, d->last.len },
                                            (struct replica__slice){ now->data, now->len }) == 0;
    return d->last.len == now->len && memcmp(d->last.data, now->data, now->len) == 0;
}

/* fn may dispatch, and so come here again: what it gets is this call's own. */
static int tell(void *ctx)
{
    struct deriving *d = ctx;
    REPLICA_BUF now = REPLICA_BUF_INIT;
    int r = replica__values_write(&d->values, &now);

    if (r < 0 || is_same(d, &now))
        return r;
    replica__buf_clear(&d->last);
    replica__buf_add(&d->last, now.data, now.len);
    d->told = d->last.r >= 0;
    if (!d->told)
        return REPLICA_ENOMEM;
    d->fn(d->ctx, now.len ? now.data : NULL, now.len);
    return 0;
}

static int tell_or_begin_anew(void *ctx)
{
    struct deriving *d = ctx;
    int r = tell(d);

    if (r < 0)
        replica__values_clear(&d->values);
    return r;
}

static void free_deriving(void *ctx)
{
    struct deriving *d = ctx;

    if (d->destroy)
        d->destroy(d->ctx);
    replica__values_clear(&d->values);
    replica__path_free(&d->path);
    replica__buf_free(&d->last);
    replica__free(d);
}

static int derive(replica_collection *coll, const char *field, int what, replica_derived_fn fn,
                  struct deriving **ret, replica_error *err)
{
    struct deriving *d;
    int r = 0;

    if (!coll || !fn || what < REPLICA_DERIVE_COUNT || what > REPLICA_DERIVE_LATEST ||
        !field != (what == REPLICA_DERIVE_COUNT))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "no collection or function, no such value, or a field where none"
                                  " belongs, or none where one does");
    d = replica__alloc_zero(1, sizeof *d);
    if (!d)
        return replica__enomem(err);
    if (field)
        r = replica__path_parse(field, REPLICA_NUL, &d->path, err);
    if (r < 0) {
        replica__free(d);
        return r;
    }
    d->values.what = what;
    d->fn = fn;
    *ret = d;
    return 0;
}

int replica_keys_derive(replica_collection *coll, const char *pattern, const char *field, int what,
                        replica_derived_fn fn, void *ctx, replica_destroy_fn destroy,
                        replica_observer **ret_observer, replica_error *err)
{
    struct deriving *d = NULL;
    int r = derive(coll, field, what, fn, &d, err);

    if (r < 0) {
        if (destroy)
            destroy(ctx);
        return r;
    }
    d->ctx = ctx;
    d->destroy = destroy;
    return replica__key_watch(coll, pattern,
                              &(struct replica__key_listener){ .take = take,
                                                               .caught_up = tell_or_begin_anew,
                                                               .ctx = d,
                                                               .destroy = free_deriving },
                              ret_observer, err);
}
