/* Which path is what, what hello says, and the service itself. */
#include "tools/server/service.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/document.h"
#include "tools/server/event.h"
#include "tools/server/lock.h"
#include "tools/server/pull.h"
#include "tools/server/push.h"
#include "tools/server/range.h"
#include "tools/server/view.h"

#include <stdio.h>
#include <string.h>

/* ---- routes ---------------------------------------------------------------------- */

enum what {
    HELLO, PULL, PUSH, STREAM, EMIT, LOCK, UNLOCK, LOCKS, DIGESTS, IDS, DOCUMENTS, DOCUMENT,
    RXDB_PULL, RXDB_PUSH, RXDB_STREAM,
    NOWHERE
};

static const struct {
    const char *name;
    enum what what;
    const char *method;
} endpoints[] = {
    { "hello", HELLO, "GET" },          { "pull", PULL, "GET" },
    { "push", PUSH, "POST" },           { "stream", STREAM, "GET" },
    { "emit", EMIT, "POST" },
    { "lock", LOCK, "POST" },          { "unlock", UNLOCK, "POST" },
    { "locks", LOCKS, "POST" },
    { "digests", DIGESTS, "POST" },     { "ids", IDS, "POST" },
    { "documents", DOCUMENTS, "POST" },
    { "pull", RXDB_PULL, "GET" },       { "push", RXDB_PUSH, "POST" },
    { "pullStream", RXDB_STREAM, "GET" },
};

struct route {
    enum what what;
    const char *method;
    struct replica__target target; /* RXDB_..., DOCUMENT */
    const char *key;               /* DOCUMENT */
};

#define OURS "/_replica/1/"

static void find_route(const char *path, struct route *route)
{
    bool ours = strncmp(path, OURS, strlen(OURS)) == 0;
    const char *slash = strrchr(path, '/');
    const char *name = ours ? path + strlen(OURS) : slash ? slash + 1 : "";

    route->what = NOWHERE;
    if (ours && replica__document_route(name, &route->target, &route->key)) {
        route->what = DOCUMENT;
        route->method = REPLICA__DOCUMENT_METHODS;
        return;
    }
    if (!ours && (slash == path || path[0] != '/' ||
                  !replica__target_parse(path + 1, (size_t)(slash - path) - 1, &route->target)))
        return;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if ((endpoints[i].what < RXDB_PULL) == ours && strcmp(endpoints[i].name, name) == 0) {
            route->what = endpoints[i].what;
            route->method = endpoints[i].method;
        }
    }
}

const char *replica__param(const struct replica__request *request, const char *name)
{
    for (size_t i = 0; i < request->param_count; i++)
        if (strcmp(request->params[i].name, name) == 0)
            return request->params[i].value ? request->params[i].value : "";
    return NULL;
}

/* ---- what a client asks of us ---------------------------------------------------- */

static const char *const uses[] = {
    "operations",
    "numbers",
    "bundles",
    "events",
    "filter",
    "keys",
    "locks",
    "ranges",
#ifdef REPLICA_HAVE_ZSTD
    "zstd",
#endif
};

static bool use_known(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
        if (strlen(uses[i]) == len && memcmp(uses[i], name, len) == 0)
            return true;
    return false;
}

/* Does the client need what we do not know?  true: answered. */
static bool unknown_use(const char *list, struct replica__reply *reply)
{
    while (list && *list) {
        size_t len;

        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len > 0 && !use_known(list, len)) {
            replica__reply_error(reply, 501, "extension", "Replica-Uses: %.*s is not known here",
                                 (int)(len < 100 ? len : 100), list);
            return true;
        }
        list += len;
    }
    return false;
}

/* Everything that can be refused before a body is read.  false: route is good. */
static bool refused(struct replica__service *service, const struct replica__request *request,
                    struct route *route, struct replica__reply *reply)
{
    find_route(request->path, route);
    if (route->what == NOWHERE) {
        replica__reply_error(reply, 404, "path", "there is nothing at %.200s", request->path);
        return true;
    }
    if (route->what == DOCUMENT ? !replica__document_method(request->method)
                                : strcmp(route->method, request->method) != 0) {
        replica__reply_error(reply, 405, "method", "%.100s takes %s", request->path,
                             route->method);
        reply->allow = route->method;
        return true;
    }
    if (route->what >= RXDB_PULL)
        return replica__version_refused(service, &route->target, false, reply);
    return unknown_use(request->uses, reply);
}

bool replica__service_refuses(struct replica__service *service,
                              const struct replica__request *request,
                              struct replica__reply *reply)
{
    struct route route;

    memset(reply, 0, sizeof(*reply));
    return refused(service, request, &route, reply);
}

/* ---- hello ----------------------------------------------------------------------- */

/* Does who asks have to do with this collection?  1, 0, < 0. */
static int is_known(const struct replica__view *view, struct replica__slice spelled)
{
    char name[REPLICA__NAME_MAX + 1];
    const struct replica__grants *grants;
    int r;

    if (!view->rights || spelled.len > REPLICA__NAME_MAX || *spelled.data == '*')
        return 1;
    snprintf(name, sizeof(name), "%.*s", (int)spelled.len, spelled.data);
    r = replica__view_grants(view, name, &grants);
    for (int deed = 0; r == 0 && deed < REPLICA__DEEDS; deed++)
        r = replica__grants_any(grants, (enum replica__deed)deed);
    return r;
}

static int add_rules(struct replica__service *service, const struct replica__view *view,
                     struct replica__buf *out, replica_error *err)
{
    REPLICA_BUF rules = REPLICA_BUF_INIT;
    struct replica__json_iter it;
    size_t start = out->len;
    int r;

    replica__buf_char(&rules, '{');
    r = service->storage->ops->rules(service->storage, &rules, err);
    replica__buf_char(&rules, '}');
    if (r < 0 || rules.r < 0)
        return r < 0 ? r : replica__enomem(err);
    it = replica__json_iter(replica__json_value(rules.data, rules.len));
    while (replica__json_next(&it)) {
        r = is_known(view, it.name);
        if (r < 0)
            return replica__enomem(err);
        if (r == 0)
            continue;
        replica__buf_str(out, out->len == start ? ",\"rules\":{\"" : ",\"");
        replica__buf_add(out, it.name.data, it.name.len);
        replica__buf_str(out, "\":");
        replica__buf_add(out, it.value.text.data, it.value.text.len);
    }
    if (out->len > start)
        replica__buf_char(out, '}');
    return 0;
}

static void answer_hello(struct replica__service *service, const struct replica__request *request,
                         struct replica__reply *reply)
{
    REPLICA_VIEW view = { 0 };
    struct replica__buf *out = &reply->body;
    replica_error err = { 0 };
    int64_t horizon = 0;

    if (!replica__view_make(service, &view, NULL, NULL, 0, request->who, reply))
        return;
    reply->type = REPLICA__REPLY_REPLICA;
    replica__buf_str(out, "{\"replica\":1,\"uses\":[");
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
        replica__buf_printf(out, "%s\"%s\"", i ? "," : "", uses[i]);
    replica__buf_printf(out, "],\"incarnation\":\"%s\",\"heartbeat\":%d", service->incarnation,
                        REPLICA__HEARTBEAT_MS / 1000);
    if (service->storage->ops->horizon(service->storage, NULL, &horizon, &err) < 0) {
        replica__reply_failure(reply, &err);
        return;
    }
    if (horizon > 0)
        replica__buf_str(out, ",\"purged\":true");
    if (service->options.access)
        replica__buf_str(out, ",\"views\":true");
    if (add_rules(service, &view, out, &err) < 0) {
        replica__reply_failure(reply, &err);
        return;
    }
    replica__buf_printf(out,
                        ",\"limits\":{\"rows\":%zu,\"bytes\":%zu,\"document\":%zu,"
                        "\"bundle\":%d}}",
                        service->options.rows, service->options.bytes, service->limits.max_bytes,
                        REPLICA__BUNDLE_ROWS);
}

/* ---- the service ----------------------------------------------------------------- */

void replica__service_answer(struct replica__service *service,
                             const struct replica__request *request,
                             struct replica__reply *reply)
{
    struct route route;

    memset(reply, 0, sizeof(*reply));
    if (refused(service, request, &route, reply))
        return;
    reply->status = 200;
    switch (route.what) {
    case HELLO: answer_hello(service, request, reply); break;
    case PULL: replica__pull_replica(service, request, reply); break;
    case PUSH: replica__push_replica(service, request, reply); break;
    case STREAM: replica__stream_answer(service, request, NULL, reply); break;
    case EMIT: replica__emit_answer(service, request, reply); break;
    case LOCK: replica__lock_answer(service, request, reply); break;
    case UNLOCK: replica__unlock_answer(service, request, reply); break;
    case LOCKS: replica__locks_answer(service, request, reply); break;
    case DIGESTS: replica__digests_answer(service, request, reply); break;
    case IDS: replica__ids_answer(service, request, reply); break;
    case DOCUMENTS: replica__documents_answer(service, request, reply); break;
    case DOCUMENT:
        replica__document_answer(service, request, &route.target, route.key, reply);
        break;
    case RXDB_PULL: replica__pull_rxdb(service, request, &route.target, reply); break;
    case RXDB_PUSH: replica__push_rxdb(service, request, &route.target, reply); break;
    case RXDB_STREAM: replica__stream_answer(service, request, &route.target, reply); break;
    case NOWHERE: break; /* was refused */
    }
    if (reply->body.r < 0)
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
}

static int prepare_coll(void *ctx, const char *name)
{
    struct replica__service *service = ctx;
    struct replica__storage_coll *coll = NULL;
    int r = service->storage->ops->find(service->storage, name, &coll, NULL);

    if (r > 0)
        r = replica__coll_prepare(service, name, coll, NULL);
    return r < 0 ? r : 0;
}

/* Before the first request, for other processes write, too. */
static int prepare_all(struct replica__service *service, replica_error *err)
{
    struct replica__storage *s = service->storage;
    int r = service->options.access ? s->ops->names(s, prepare_coll, service, err) : 0;

    return r < 0 ? replica__error_set(err, r, 0, "telling the store what access rules read") : 0;
}

int replica__service_open(struct replica__storage *storage,
                          const struct replica__service_options *options,
                          struct replica__service **ret_service, replica_error *err)
{
    struct replica__service *service;
    const char *incarnation = NULL;
    size_t max_key = 0;
    int r;

    r = storage->ops->incarnation(storage, &incarnation, err);
    if (r < 0)
        return r;
    service = replica__alloc_zero(1, sizeof(*service));
    if (!service)
        return replica__enomem(err);
    service->storage = storage;
    if (options)
        service->options = *options;
    service->options.rows = service->options.rows ? service->options.rows : 1000;
    service->options.bytes = service->options.bytes ? service->options.bytes : 4 << 20;
    service->options.stock_rows =
        service->options.stock_rows ? service->options.stock_rows : 10000;
    service->options.streams = service->options.streams ? service->options.streams : 10000;
    service->world = options && options->world ? options->world : &replica__real_world;
    snprintf(service->incarnation, sizeof(service->incarnation), "%s", incarnation);
    storage->ops->limits(storage, &service->limits, &max_key);
    r = storage->ops->head(storage, &service->hub.head, err);
    if (r >= 0)
        r = prepare_all(service, err);
    if (r < 0) {
        replica__free(service);
        return r;
    }
    *ret_service = service;
    return 0;
}

void replica__service_close(struct replica__service *service)
{
    if (!service)
        return;
    replica__hub_clear(&service->hub);
    replica__free(service);
}
