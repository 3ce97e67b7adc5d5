/* Who asks for a lock names itself with a token; whoever has the same token is the same client, so
 * no answer ever shows one. */
#include "tools/server/lock.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/view.h"

#include <stdio.h>
#include <string.h>

#define TTL_MS 30000
/* A client whose connection broke comes back within so long, or has gone. */
#define GRACE_MS 10000
/* A list ends behind the lock that makes it so long. */
#define LIST_BYTES (1 << 20)

/* A body, and the texts that were taken out of it. */
struct asked {
    struct replica__json_value body;
    struct replica__buf client, name, key;
    struct replica__view view;
    struct replica__target target; /* where coll is not NULL */
    const struct replica__grants *grants; /* there; NULL: there are no rules */
    struct replica__storage_coll *coll;
    struct replica__locking l;
};

static void asked_free(struct asked *a)
{
    replica__buf_free(&a->client);
    replica__buf_free(&a->name);
    replica__buf_free(&a->key);
    replica__view_free(&a->view);
}
#define ASKED __attribute__((cleanup(asked_free))) struct asked

static bool bad(struct replica__reply *reply, const char *what)
{
    replica__reply_error(reply, 400, "request", "%s", what);
    return false;
}

/* A text that may be absent (then out stays empty).  false: answered. */
static bool read_text(struct asked *a, const char *name, struct replica__buf *out,
                      struct replica__reply *reply)
{
    struct replica__json_value v = replica__json_member(a->body, name, REPLICA_NUL);

    if (v.type == REPLICA_JSON_NONE || v.type == REPLICA_JSON_NULL)
        return true;
    if (v.type == REPLICA_JSON_STRING)
        replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, out);
    if (v.type != REPLICA_JSON_STRING || (out->len > 0 && memchr(out->data, '\0', out->len))) {
        replica__reply_error(reply, 400, "request", "'%s' is no text", name);
        return false;
    }
    return true;
}

static bool read_number(struct asked *a, const char *name, int64_t *ret,
                        struct replica__reply *reply)
{
    struct replica__json_value v = replica__json_member(a->body, name, REPLICA_NUL);

    if (v.type == REPLICA_JSON_NONE || v.type == REPLICA_JSON_NULL)
        return true;
    if (replica__json_int(v, ret) && *ret >= 0)
        return true;
    replica__reply_error(reply, 400, "request", "'%s' is no number of 0 or more", name);
    return false;
}

static bool read_body(const struct replica__request *request, struct asked *a,
                      struct replica__reply *reply)
{
    if (!request->body || replica__json_check(request->body, request->body_len, NULL, NULL) < 0)
        return bad(reply, "the body is no JSON");
    a->body = replica__json_value(request->body, request->body_len);
    return a->body.type == REPLICA_JSON_OBJECT || bad(reply, "the body is no object");
}

static bool forbidden(struct replica__reply *reply)
{
    replica__reply_error(reply, 403, "forbidden", "not allowed");
    return false;
}

/* "notes/0", which is created as by a push, or "notes", which must be there. */
static bool find_collection(struct replica__service *service, const char *text, struct asked *a,
                            struct replica__reply *reply)
{
    replica_error err = { 0 };
    bool create = true;
    int r;

    if (strchr(text, '/')) {
        if (!replica__target_parse(text, strlen(text), &a->target))
            return bad(reply, "'collection' is none");
        if (replica__view_grants(&a->view, a->target.name, &a->grants) < 0) {
            replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
            return false;
        }
        if (a->grants)
            create = replica__grants_any(a->grants, REPLICA__DEED_CREATE);
        if (replica__version_refused(service, &a->target, create, reply))
            return false;
        a->coll = a->target.coll;
        return a->coll || forbidden(reply);
    }
    snprintf(a->target.name, sizeof(a->target.name), "%s", text);
    r = service->storage->ops->find(service->storage, text, &a->coll, &err);
    if (r > 0)
        r = replica__coll_prepare(service, text, a->coll, &err) < 0 ? -1 : 1;
    a->target.coll = a->coll;
    if (r > 0 && replica__view_grants(&a->view, text, &a->grants) < 0)
        r = replica__enomem(&err);
    if (r < 0)
        replica__reply_failure(reply, &err);
    if (r == 0)
        replica__reply_error(reply, 404, "collection", "there is no collection '%.64s'", text);
    return r > 0;
}

/* Who locks keeps others from writing: that is for those who may write themselves.  1, 0, < 0. */
static int may_lock(struct replica__service *service, const struct asked *a, replica_error *err)
{
    REPLICA_FREE char *json = NULL;
    size_t len = 0;
    int r;

    if (!a->coll)
        return replica__rights_may(a->view.rights, REPLICA__DOOR_LOCK, a->l.key);
    if (!a->grants)
        return 1;
    r = service->storage->ops->get(service->storage, a->coll, a->l.key, &json, &len, err);
    if (r == 0)
        return replica__grants_any(a->grants, REPLICA__DEED_CREATE);
    if (r > 0)
        r = replica__grants_match(a->grants, REPLICA__DEED_READ, json, len);
    if (r > 0)
        r = replica__grants_match(a->grants, REPLICA__DEED_UPDATE, json, len);
    return r == REPLICA_ENOMEM ? replica__enomem(err) : r;
}

/* What both have.  false: answered. */
static bool read_asked(struct replica__service *service, const struct replica__request *request,
                       struct asked *a, struct replica__reply *reply)
{
    REPLICA_BUF collection = REPLICA_BUF_INIT;

    if (!replica__view_make(service, &a->view, NULL, NULL, 0, request->who, reply) ||
        !read_body(request, a, reply) || !read_text(a, "client", &a->client, reply) ||
        !read_text(a, "name", &a->name, reply) || !read_text(a, "key", &a->key, reply) ||
        !read_text(a, "collection", &collection, reply) ||
        !read_number(a, "ttl", &a->l.ttl_ms, reply) ||
        !read_number(a, "fence", &a->l.fence, reply))
        return false;
    if (collection.r < 0 || a->client.r < 0 || a->name.r < 0 || a->key.r < 0) {
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
        return false;
    }
    a->l.client = a->client.data ? a->client.data : "";
    a->l.name = a->name.data; /* NULL: as it is */
    a->l.key = a->key.data ? a->key.data : "";
    return !collection.len || find_collection(service, collection.data, a, reply);
}

static void answer_failure(struct replica__reply *reply, const replica_error *err)
{
    if (err->code == REPLICA_EINVAL)
        replica__reply_error(reply, 400, "request", "%s", err->message);
    else
        replica__reply_failure(reply, err);
}

void replica__lock_answer(struct replica__service *service, const struct replica__request *request,
                          struct replica__reply *reply)
{
    ASKED a = { .l = { .ttl_ms = TTL_MS } };
    replica_error err = { 0 };
    int r;

    if (!read_asked(service, request, &a, reply))
        return;
    r = may_lock(service, &a, &err);
    if (r == 0) {
        forbidden(reply);
        return;
    }
    if (r > 0)
        r = service->storage->ops->lock(service->storage, a.coll, &a.l, &err);
    if (r < 0) {
        answer_failure(reply, &err);
        return;
    }
    reply->type = REPLICA__REPLY_REPLICA;
    if (r > 0) {
        replica__buf_printf(&reply->body, "{\"fence\":%lld,\"left\":%lld}", (long long)a.l.got,
                            (long long)a.l.left_ms);
        return;
    }
    replica__buf_char(&reply->body, '{');
    if (a.l.lost)
        replica__buf_str(&reply->body, "\"lost\":true");
    if (a.l.holder[0]) {
        replica__buf_str(&reply->body, a.l.lost ? ",\"locked\":" : "\"locked\":");
        replica__buf_json_string(&reply->body, a.l.holder, strlen(a.l.holder));
        replica__buf_printf(&reply->body, ",\"left\":%lld", (long long)a.l.left_ms);
    }
    replica__buf_char(&reply->body, '}');
}

void replica__unlock_answer(struct replica__service *service,
                            const struct replica__request *request, struct replica__reply *reply)
{
    ASKED a = { .coll = NULL };
    replica_error err = { 0 };
    int r;

    if (!read_asked(service, request, &a, reply))
        return;
    r = service->storage->ops->unlock(service->storage, a.coll, &a.l, &err);
    if (r < 0) {
        answer_failure(reply, &err);
        return;
    }
    reply->type = REPLICA__REPLY_REPLICA;
    replica__buf_str(&reply->body, r > 0 ? "{\"unlocked\":true}" : "{\"unlocked\":false}");
}

/* ---- the list -------------------------------------------------------------------- */

struct listing {
    struct replica__buf *out;
    const struct replica__view *view;
    size_t n;
};

/* Its key may be one that is not for who asks. */
static int may_see(struct replica__storage *s, const struct replica__grants *grants,
                   const replica_lock_entry *e)
{
    struct replica__storage_coll *coll = NULL;
    REPLICA_FREE char *json = NULL;
    size_t len = 0;
    int r = s->ops->find(s, e->collection, &coll, NULL);

    if (r > 0)
        r = s->ops->get(s, coll, e->key, &json, &len, NULL);
    return r > 0 ? replica__grants_match(grants, REPLICA__DEED_READ, json, len) : r;
}

/* 1; 0: of what is not for who asks, or of a document that is not there yet; < 0. */
static int is_listed(const struct listing *l, const replica_lock_entry *e)
{
    const struct replica__grants *grants = NULL;
    int r;

    if (!e->collection[0])
        return replica__rights_may(l->view->rights, REPLICA__DOOR_LOCK, e->key);
    r = replica__view_grants(l->view, e->collection, &grants);
    if (r < 0 || !grants || replica__grants_always(grants, REPLICA__DEED_READ))
        return r < 0 ? r : 1;
    return replica__grants_any(grants, REPLICA__DEED_READ)
               ? may_see(l->view->service->storage, grants, e)
               : 0;
}

/* Without the holder's token. */
static int add_entry(void *ctx, const replica_lock_entry *e)
{
    struct listing *l = ctx;
    int r = is_listed(l, e);

    if (r <= 0)
        return r;
    replica__buf_str(l->out, l->n++ ? ",{\"collection\":" : "{\"collection\":");
    if (e->collection[0])
        replica__buf_json_string(l->out, e->collection, strlen(e->collection));
    else
        replica__buf_str(l->out, "null");
    replica__buf_str(l->out, ",\"key\":");
    replica__buf_json_string(l->out, e->key, strlen(e->key));
    replica__buf_str(l->out, ",\"name\":");
    replica__buf_json_string(l->out, e->name, strlen(e->name));
    replica__buf_printf(l->out, ",\"fence\":%lld,\"left\":%lld}", (long long)e->fence,
                        (long long)e->left_ms);
    return l->out->r < 0 || l->out->len >= LIST_BYTES;
}

void replica__locks_answer(struct replica__service *service, const struct replica__request *request,
                           struct replica__reply *reply)
{
    REPLICA_VIEW view = { 0 };
    struct listing l = { &reply->body, &view, 0 };
    replica_error err = { 0 };
    int r;

    if (!replica__view_make(service, &view, NULL, NULL, 0, request->who, reply))
        return;
    reply->type = REPLICA__REPLY_REPLICA;
    reply->no_store = true;
    replica__buf_str(&reply->body, "{\"locks\":[");
    r = service->storage->ops->locks(service->storage, add_entry, &l, &err);
    replica__buf_str(&reply->body, r > 0 ? "],\"more\":true}" : "]}");
    if (r < 0)
        replica__reply_failure(reply, &err);
}

/* ---- who goes, and comes ---------------------------------------------------------- */

void replica__lock_leave(struct replica__service *service, const char *client)
{
    replica_error err = { 0 };

    /* If it could not be noted, the locks last until their own time is over. */
    service->storage->ops->leave(service->storage, client, GRACE_MS, &err);
}

void replica__lock_back(struct replica__service *service, const char *client)
{
    replica_error err = { 0 };

    /* If it could not be noted, the client finds that they are lost. */
    service->storage->ops->back(service->storage, client, GRACE_MS, &err);
}
