/* Which path is what, and the answers that are neither push nor page. */
#include "tools/server/service.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/document.h"
#include "tools/server/event.h"
#include "tools/server/lock.h"
#include "tools/server/page.h"
#include "tools/server/push.h"
#include "tools/server/range.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ---------------------------------------------------------------------- */

void replica__message_add(const char *message, struct replica__buf *out)
{
    char plain[640];
    size_t len = 0;

    for (; message[len] && len < sizeof(plain); len++)
        plain[len] = message[len] >= ' ' && message[len] <= '~' ? message[len] : '?';
    replica__buf_json_string(out, plain, len);
}

void replica__reply_begin(struct replica__reply *reply, int status, const char *word,
                          const char *message)
{
    replica__reply_free(reply);
    memset(reply, 0, sizeof(*reply));
    reply->status = status;
    replica__buf_str(&reply->body, "{\"error\":");
    replica__buf_json_string(&reply->body, word, strlen(word));
    replica__buf_str(&reply->body, ",\"message\":");
    replica__message_add(message, &reply->body);
}

void replica__reply_error(struct replica__reply *reply, int status, const char *word,
                          const char *format, ...)
{
    char message[600];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    replica__reply_begin(reply, status, word, message);
    replica__buf_char(&reply->body, '}');
}

void replica__reply_too_large(struct replica__reply *reply, int64_t limit, const char *what)
{
    replica__reply_begin(reply, 413, "size", what);
    replica__buf_str(&reply->body, ",\"limit\":");
    replica__buf_int(&reply->body, limit);
    replica__buf_char(&reply->body, '}');
}

void replica__reply_timeline(struct replica__reply *reply, const struct replica__place *common)
{
    replica__reply_begin(reply, 409, "timeline", "the checkpoint is from a lost timeline");
    replica__buf_str(&reply->body, ",\"common\":");
    replica__place_add(common, &reply->body);
    replica__buf_char(&reply->body, '}');
}

void replica__reply_reconcile(struct replica__reply *reply, const char *why)
{
    replica__reply_begin(reply, 409, "reconcile", "what lies behind the checkpoint is not known");
    replica__buf_str(&reply->body, ",\"why\":");
    replica__buf_json_string(&reply->body, why, strlen(why));
    replica__buf_char(&reply->body, '}');
}

void replica__reply_failure(struct replica__reply *reply, const replica_error *err)
{
    bool passes = err->code == REPLICA_EBUSY || err->code == REPLICA_ENOMEM;

    if (passes)
        replica__reply_error(reply, 503, "busy", "the server is busy");
    else
        replica__reply_error(reply, 500, "server", "the server failed (%s)",
                             replica_error_name(err->code));
    reply->retry_after = passes ? 1 : 0;
    snprintf(reply->failure, sizeof(reply->failure), "%s", err->message);
}

void replica__reply_free(struct replica__reply *reply)
{
    replica__buf_free(&reply->body);
    replica__pages_close(reply->cursor);
    reply->cursor = NULL;
    replica__stream_close(reply->stream);
    reply->stream = NULL;
}

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

/* ---- pull ------------------------------------------------------------------------ */

/* RxDB's checkpoints are numbers of any kind; ours are sequence numbers. */
static bool is_number(const char *text)
{
    size_t len = strlen(text);

    return len < 40 && replica__json_check(text, len, NULL, NULL) == 0 &&
           replica__json_value(text, len).type == REPLICA_JSON_NUMBER &&
           strcspn(text, " \t\r\n") == len;
}

/* It is sent back in a JSON string. */
static bool is_text(const char *text)
{
    REPLICA_BUF string = REPLICA_BUF_INIT;

    replica__buf_json_string(&string, text, strlen(text));
    return string.r == 0 && replica__json_check(string.data, string.len, NULL, NULL) == 0;
}

/* Where a stock client's checkpoint is on our timeline, and in this view; elsewhere it is the
 * beginning, and so it is where deletions behind it were purged. */
static int stock_since(struct replica__service *service, const struct replica__target *target,
                       const struct replica__view *view, const char *id, const char *lwt,
                       int64_t *ret_since, replica_error *err)
{
    struct replica__place place = { .lwt = 0 };
    struct replica__place common;
    int r = 0;

    if (replica__place_parse(id, strlen(id), &place) && strcmp(place.view, view->place) == 0 &&
        replica__number_parse(lwt, &place.lwt))
        r = replica__place_known(service, &place, &common, err);
    *ret_since = r > 0 ? place.lwt : 0;
    if (r >= 0)
        r = replica__range_missed(service, target, 1, *ret_since, err);
    if (r > 0)
        *ret_since = 0;
    return r < 0 ? r : 0;
}

static void answer_rxdb_pull(struct replica__service *service,
                             const struct replica__request *request,
                             const struct replica__target *target, struct replica__reply *reply)
{
    const char *id = replica__param(request, "id");
    const char *lwt = replica__param(request, "lwt");
    const char *limit = replica__param(request, "limit");
    REPLICA_VIEW view = { 0 };
    replica_error err = { 0 };
    int64_t rows = 1;
    int64_t since = 0;
    int r;

    if ((lwt && *lwt && !is_number(lwt)) || (id && !is_text(id))) {
        replica__reply_error(reply, 400, "request", "%s",
                             id && !is_text(id) ? "id is no text" : "lwt is no number");
        return;
    }
    if (limit && !replica__number_parse(limit, &rows)) {
        replica__reply_error(reply, 400, "request", "limit is no whole number");
        return;
    }
    if ((uint64_t)rows > service->options.stock_rows) {
        replica__reply_error(reply, 400, "request", "limit is %zu at most",
                             service->options.stock_rows);
        return;
    }
    if (!replica__view_make(service, &view, NULL, NULL, 0, request->who, reply) ||
        !replica__view_place(&view, target, 1, NULL, reply))
        return;
    id = id ? id : "";
    lwt = lwt && *lwt ? lwt : "0";
    reply->no_store = true;
    r = stock_since(service, target, &view, id, lwt, &since, &err);
    if (r == 0)
        r = replica__pages_open(service, target, id, lwt, since, (size_t)rows, &view,
                                &reply->cursor, &err);
    if (r < 0)
        replica__reply_failure(reply, &err);
}

/* A whole number between 1 and max; more is max.  false: answered. */
static bool read_limit(const struct replica__request *request, const char *name, size_t max,
                       size_t *ret, struct replica__reply *reply)
{
    const char *text = replica__param(request, name);
    int64_t n = (int64_t)max;

    if (text && (!replica__number_parse(text, &n) || n == 0)) {
        replica__reply_error(reply, 400, "request", "%s is no whole number above 0", name);
        return false;
    }
    *ret = (uint64_t)n < max ? (size_t)n : max;
    return true;
}

/* Tombstones up to which number are of no use to who asks; 0 stands for the head.  false:
 * answered. */
static bool read_fresh(struct replica__service *service, const struct replica__request *request,
                       int64_t *ret_fresh, struct replica__reply *reply)
{
    const char *text = replica__param(request, "fresh");
    replica_error err = { 0 };

    if (!text)
        return true;
    if (!replica__number_parse(text, ret_fresh)) {
        replica__reply_error(reply, 400, "request", "fresh is no sequence number");
        return false;
    }
    if (*ret_fresh > 0 || service->storage->ops->head(service->storage, ret_fresh, &err) == 0)
        return true;
    replica__reply_failure(reply, &err);
    return false;
}

static void answer_pull(struct replica__service *service, const struct replica__request *request,
                        struct replica__reply *reply)
{
    struct replica__target targets[REPLICA__TARGETS_MAX];
    REPLICA_VIEW view = { 0 };
    struct replica__page page = { .targets = targets, .view = &view };
    struct replica__place knows;
    replica_error err = { 0 };
    int r;

    if (!replica__asked_feed(service, request, targets, &page.n, &page.follows, reply) ||
        !read_limit(request, "rows", service->options.rows, &page.rows, reply) ||
        !read_limit(request, "bytes", service->options.bytes, &page.bytes, reply) ||
        !read_fresh(service, request, &page.fresh, reply))
        return;
    knows = page.follows;
    knows.lwt = replica__page_knows(knows.lwt, page.fresh);
    if (!replica__view_asked(service, request, &view, reply) ||
        !replica__view_place(&view, targets, page.n, &knows, reply))
        return;
    page.since = page.follows.lwt;
    page.now_ms = service->world->now_ms(service->world->ctx);
    reply->type = REPLICA__REPLY_REPLICA;
    reply->no_store = true;
    r = replica__page_replica(service, &page, &reply->body, &err);
    if (r == 409)
        replica__reply_reconcile(reply, "horizon");
    else if (r < 0)
        replica__reply_failure(reply, &err);
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
    case PULL: answer_pull(service, request, reply); break;
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
    case RXDB_PULL: answer_rxdb_pull(service, request, &route.target, reply); break;
    case RXDB_PUSH: replica__push_rxdb(service, request, &route.target, reply); break;
    case RXDB_STREAM: replica__stream_answer(service, request, &route.target, reply); break;
    case NOWHERE: break; /* was refused */
    }
    if (reply->body.r < 0)
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
}

int replica__reply_more(struct replica__reply *reply, struct replica__buf *out,
                        replica_error *err)
{
    return reply->cursor ? replica__pages_more(reply->cursor, out, err) : 0;
}

int replica__reply_whole(struct replica__reply *reply, replica_error *err)
{
    int r = 1;

    while (r > 0)
        r = replica__reply_more(reply, &reply->body, err);
    return r;
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
