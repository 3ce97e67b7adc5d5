#include "tools/server/pull.h"

#include "tools/server/page.h"
#include "tools/server/range.h"

#include <string.h>

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

void replica__pull_rxdb(struct replica__service *service, const struct replica__request *request,
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

void replica__pull_replica(struct replica__service *service,
                           const struct replica__request *request, struct replica__reply *reply)
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
