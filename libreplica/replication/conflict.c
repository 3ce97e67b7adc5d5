#include "libreplica/conflict.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/shape.h"

#include <string.h>

struct replica_conflict {
    struct replica__conflict_parts parts;
    replica_doc *assumed, *real, *local;
    char key[];
};

replica_conflict *replica__conflict_new(const struct replica__conflict_parts *p)
{
    size_t key_len = strlen(p->key);
    replica_conflict *c = replica__alloc_zero(1, sizeof *c + key_len + 1);

    if (!c)
        return NULL;
    c->parts = *p;
    memcpy(c->key, p->key, key_len + 1);
    c->parts.key = c->key;
    c->parts.schema = p->schema ? replica_schema_ref(p->schema) : NULL;
    c->assumed = replica_doc_ref(p->of->assumed);
    c->real = replica_doc_ref(p->of->real);
    c->local = replica_doc_ref(p->of->local);
    return c;
}

void replica__conflict_free(replica_conflict *c)
{
    if (!c)
        return;
    replica_doc_unref(c->assumed);
    replica_doc_unref(c->real);
    replica_doc_unref(c->local);
    replica_schema_unref(c->parts.schema);
    if (c->parts.unref)
        c->parts.unref(c->parts.ctx);
    replica__free(c);
}

const char *replica_conflict_id(replica_conflict *c)
{
    return c ? replica_doc_id(c->local) : "";
}

const char *replica_conflict_collection(replica_conflict *c)
{
    return c ? replica_doc_collection(c->local) : "";
}

replica_doc *replica_conflict_assumed(replica_conflict *c)
{
    return c ? c->assumed : NULL;
}

replica_doc *replica_conflict_real(replica_conflict *c)
{
    return c ? c->real : NULL;
}

replica_doc *replica_conflict_local(replica_conflict *c)
{
    return c ? c->local : NULL;
}

/* ---- answers --------------------------------------------------------------------- */

static int answer(replica_conflict *c, const struct replica__answer *a, replica_error *err)
{
    int r = c->parts.answer(c->parts.ctx, c->parts.ticket, a);

    if (r == REPLICA_ENOMEM)
        return replica__enomem(err);
    if (r == REPLICA_ECLOSED)
        replica__error_set(err, r, 0, "the replication has ended; it asks again when it starts");
    else if (r < 0)
        return r;
    replica__conflict_free(c);
    return r;
}

/* Documents of today must keep to the schema, also those that an answer makes. */
static int check_shape(replica_conflict *c, const char *json, size_t len, replica_error *err)
{
    return replica__shape_check_with(c->parts.schema, replica_conflict_collection(c),
                                     replica_conflict_id(c), json, len, err);
}

int replica_conflict_use(replica_conflict *c, replica_doc *state, replica_error *err)
{
    struct replica__answer a = { .how = REPLICA__SETTLE_REAL };
    int r;

    if (!c || !state)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no conflict, or no state");
    if (state == c->local) {
        a.how = REPLICA__SETTLE_LOCAL;
    } else if (state == c->assumed) {
        a.how = replica_doc_deleted(state) ? REPLICA__SETTLE_DELETE : REPLICA__SETTLE_JSON;
        a.json = replica_doc_json(state, &a.len);
    } else if (state != c->real) {
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "the state is none of the three of this conflict");
    }
    r = a.how == REPLICA__SETTLE_JSON ? check_shape(c, a.json, a.len, err) : 0;
    return r < 0 ? r : answer(c, &a, err);
}

/* The same gate as a write of the program; and the key must stay. */
static int check_text(replica_conflict *c, const char *json, size_t len,
                      struct replica__json_doc *ret, replica_error *err)
{
    const char *id = replica_conflict_id(c);
    size_t pos = 0;
    int r = replica__json_scan(json, len, &pos, c->key, &c->parts.limits, ret, err);

    while (r >= 0 && pos < len && memchr(" \t\r\n", json[pos], 4))
        pos++;
    if (r >= 0 && pos < len)
        r = replica__error_at(err, REPLICA_EJSON, (int64_t)pos, "text behind the object");
    if (r >= 0 && ret->reserved)
        r = replica__error_at(err, REPLICA_EJSON, 0,
                              "names with a leading underscore are reserved");
    if (r >= 0 && (!ret->key.data || !replica__json_string_is(ret->key, id, strlen(id))))
        r = replica__error_at(err, REPLICA_EJSON, 0, "the primary key '%s' is not '%s'", c->key,
                              id);
    if (r < 0)
        replica__error_where(err, "%s/%s", replica_conflict_collection(c), id);
    return r;
}

int replica_conflict_use_json(replica_conflict *c, const char *json, size_t len,
                              replica_error *err)
{
    struct replica__json_doc doc;
    int r;

    if (!c || !json)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no conflict, or no text");
    if (len == REPLICA_NUL)
        len = strlen(json);
    r = check_text(c, json, len, &doc, err);
    if (r >= 0)
        r = check_shape(c, doc.text.data, doc.text.len, err);
    if (r < 0)
        return r;
    return answer(c,
                  &(struct replica__answer){ .how = REPLICA__SETTLE_JSON,
                                             .json = doc.text.data,
                                             .len = doc.text.len },
                  err);
}

int replica_conflict_use_delete(replica_conflict *c, replica_error *err)
{
    if (!c)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no conflict");
    return answer(c, &(struct replica__answer){ .how = REPLICA__SETTLE_DELETE }, err);
}

int replica_conflict_fail(replica_conflict *c, const char *reason, replica_error *err)
{
    if (!c)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no conflict");
    return answer(c,
                  &(struct replica__answer){ .how = REPLICA__SETTLE_ASIDE,
                                             .code = REPLICA_EUSER,
                                             .reason = reason ? reason : "the handler failed" },
                  err);
}
