/* Collections and places in the feed, as requests spell them. */
#include "tools/server/access.h"
#include "tools/server/state.h"

#include <ctype.h>
#include <string.h>

enum { DIGITS_MAX = 18, VERSION_DIGITS_MAX = 9 };

bool replica__number_parse(const char *text, int64_t *ret)
{
    int64_t n = 0;
    size_t len = strlen(text);

    if (len == 0 || len > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + (text[i] - '0');
    }
    *ret = n;
    return true;
}

static bool version_parse(const char *text, size_t len, int *ret)
{
    int n = 0;

    if (len == 0 || len > VERSION_DIGITS_MAX || (len > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + (text[i] - '0');
    }
    *ret = n;
    return true;
}

static bool name_good(const char *name, size_t len)
{
    if (len == 0 || len > REPLICA__NAME_MAX || !isalpha((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return true;
}

bool replica__target_parse(const char *text, size_t len, struct replica__target *ret)
{
    const char *slash = memchr(text, '/', len);
    size_t name_len;

    if (!slash)
        return false;
    name_len = (size_t)(slash - text);
    if (!name_good(text, name_len) ||
        !version_parse(slash + 1, len - name_len - 1, &ret->version))
        return false;
    memcpy(ret->name, text, name_len);
    ret->name[name_len] = '\0';
    ret->coll = NULL;
    return true;
}

int replica__coll_prepare(struct replica__service *service, const char *name,
                          struct replica__storage_coll *coll, replica_error *err)
{
    const struct replica__access *access = service->options.access;
    const char *fields = access ? replica__access_reads(access, name) : NULL;

    return fields ? service->storage->ops->reads(service->storage, coll, fields, err) : 0;
}

int replica__target_find(struct replica__service *service, struct replica__target *target,
                         bool create, replica_error *err)
{
    struct replica__storage *s = service->storage;
    int r;

    if (!target->coll) {
        r = s->ops->find(s, target->name, &target->coll, err);
        if (r == 0 && create)
            r = s->ops->create(s, target->name, target->version, &target->coll, err);
        if (r >= 0 && target->coll)
            r = replica__coll_prepare(service, target->name, target->coll, err);
        if (r < 0)
            return r;
    }
    if (!target->coll || s->ops->version(target->coll) == target->version)
        return 0;
    return s->ops->version(target->coll) > target->version ? 426 : 404;
}

static bool is_alphanumeric(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]))
            return false;
    return true;
}

bool replica__place_parse(const char *id, size_t len, struct replica__place *ret)
{
    const char *dash = len ? memchr(id, '-', len) : NULL;
    size_t id_len = dash ? (size_t)(dash - id) : len;
    size_t view_len = dash ? len - id_len - 1 : 0;

    memset(ret, 0, sizeof(*ret));
    if (id_len > REPLICA__NAME_MAX || view_len >= REPLICA__VIEW_SIZE || (dash && !id_len) ||
        !is_alphanumeric(id, id_len) || (dash && !is_alphanumeric(dash + 1, view_len)))
        return false;
    if (id_len > 0)
        memcpy(ret->id, id, id_len);
    if (view_len > 0)
        memcpy(ret->view, dash + 1, view_len);
    return true;
}

void replica__place_add(const struct replica__place *place, struct replica__buf *out)
{
    replica__buf_str(out, "{\"id\":\"");
    replica__buf_str(out, place->id); /* letters and digits */
    if (place->view[0]) {
        replica__buf_char(out, '-');
        replica__buf_str(out, place->view);
    }
    replica__buf_str(out, "\",\"lwt\":");
    replica__buf_int(out, place->lwt);
    replica__buf_char(out, '}');
}

int replica__place_known(struct replica__service *service, const struct replica__place *place,
                         struct replica__place *ret_common, replica_error *err)
{
    struct replica__storage *s = service->storage;
    int64_t common = 0;
    int r;

    if (!place->id[0] && place->lwt == 0)
        return 1;
    r = s->ops->checkpoint(s, place->id, place->lwt, &common, err);
    if (r == 0) {
        memset(ret_common, 0, sizeof(*ret_common));
        if (common > 0)
            memcpy(ret_common->id, place->id, sizeof(place->id));
        ret_common->lwt = common;
    }
    return r;
}

bool replica__version_refused(struct replica__service *service, struct replica__target *target,
                              bool create, struct replica__reply *reply)
{
    replica_error err = { 0 };
    int r = replica__target_find(service, target, create, &err);

    if (r == 404)
        replica__reply_error(reply, 404, "version", "%s has a lower version than %d", target->name,
                             target->version);
    else if (r == 426)
        replica__reply_error(reply, 426, "version", "%s has a higher version than %d",
                             target->name, target->version);
    else if (r == REPLICA_ELIMIT)
        replica__reply_error(reply, 403, "forbidden", "%s", err.message);
    else if (r < 0)
        replica__reply_failure(reply, &err);
    return r != 0;
}

/* ---- what a request of our dialect asks for -------------------------------------- */

static bool add_target(const char *text, struct replica__target *targets, size_t *n,
                       struct replica__reply *reply)
{
    struct replica__target *target = &targets[*n];

    if (*n == REPLICA__TARGETS_MAX) {
        replica__reply_error(reply, 400, "request", "c is given more than %d times",
                             REPLICA__TARGETS_MAX);
        return false;
    }
    if (!replica__target_parse(text, strlen(text), target)) {
        replica__reply_error(reply, 400, "request", "c: '%.100s' is no collection", text);
        return false;
    }
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(targets[i].name, target->name) == 0) {
            replica__reply_error(reply, 400, "request", "c names %s twice", target->name);
            return false;
        }
    }
    ++*n;
    return true;
}

static bool asked_place(const struct replica__request *request, struct replica__place *ret,
                        struct replica__reply *reply)
{
    const char *id = replica__param(request, "id");
    const char *lwt = replica__param(request, "lwt");
    const char *event = request->last_event_id;
    const char *dot = event ? strrchr(event, '.') : NULL;
    size_t id_len = id ? strlen(id) : 0;
    const char *what = "id";

    if (event) {
        what = "Last-Event-ID";
        id = event;
        id_len = dot ? (size_t)(dot - event) : 2 * REPLICA__NAME_MAX;
        lwt = dot ? dot + 1 : NULL;
    }
    if (!replica__place_parse(id ? id : "", id_len, ret)) {
        replica__reply_error(reply, 400, "request", "%s is no checkpoint", what);
        return false;
    }
    if (lwt && !replica__number_parse(lwt, &ret->lwt)) {
        replica__reply_error(reply, 400, "request", "%s is no sequence number",
                             event ? what : "lwt");
        return false;
    }
    return true;
}

bool replica__asked_feed(struct replica__service *service, const struct replica__request *request,
                         struct replica__target *targets, size_t *ret_n,
                         struct replica__place *ret_place, struct replica__reply *reply)
{
    struct replica__place common;
    replica_error err = { 0 };
    size_t n = 0;
    int r;

    for (size_t i = 0; i < request->param_count; i++) {
        const struct replica__param *param = &request->params[i];

        if (strcmp(param->name, "c") == 0 &&
            !add_target(param->value ? param->value : "", targets, &n, reply))
            return false;
    }
    if (n == 0) {
        replica__reply_error(reply, 400, "request", "c is missing");
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (replica__version_refused(service, &targets[i], false, reply))
            return false;
    if (!asked_place(request, ret_place, reply))
        return false;
    r = replica__place_known(service, ret_place, &common, &err);
    if (r < 0)
        replica__reply_failure(reply, &err);
    else if (r == 0)
        replica__reply_timeline(reply, &common);
    *ret_n = n;
    return r > 0;
}
